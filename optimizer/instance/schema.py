"""Instance: the content of an instance file, frozen, in the units of the file (t, years, one currency)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, Self, cast

from pydantic import BeforeValidator, ConfigDict, Field, SerializeAsAny, WithJsonSchema

from optimizer import shapes
from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.ensemble import EnsembleSpec, samples
from optimizer.disruptions.path import Path
from optimizer.disruptions.shock import DELIBERATE, Cuts, NameList, PermanentCuts, Shock, ShockSpec, expand
from optimizer.horizon import Horizon
from optimizer.instance.document import Document, get_value
from optimizer.instance.operation_paths import ActivityIndex, baseline_path, shared_path, shock_path, steady_path
from optimizer.instance.questions import Answer, ObjectiveField, Question, RiskMeasure
from optimizer.instance.ranges import RANGES, RangeSpec, UncertainInput, find_places, list_uncertain, valid_ranges
from optimizer.levers.base import Sized, Stock
from optimizer.network.process import Activity, Demand, Process
from optimizer.units import ByYear, Described, Positive, Quantity, QuantitySeries, Share, Year

MEMBERS = "members"


def _as_shares(value: Any) -> Any:
    """Return `processes` of a member as a mapping of names to shares; names without a share count in full, as 1."""
    if isinstance(value, (list, tuple)):
        return dict.fromkeys(map(str, value), 1.0)
    return {str(value): 1.0} if isinstance(value, (str, int)) else value


class Member(Described):
    """A member that may plan together with others, in a coalition.

    A coalition has the demand, processes and options of its members, and everything that belongs to no member.
    """

    demands: NameList = Field(
        default=(), description="Demand segments of this member: one or a list. Every segment belongs to one member."
    )
    processes: Annotated[
        Mapping[str, Share],
        BeforeValidator(_as_shares),
        WithJsonSchema(
            {"anyOf": [shapes.one_or_more(shapes.NAME), {"type": "object", "additionalProperties": shapes.SHARE}]}
        ),
    ] = Field(
        default_factory=dict,
        description="Existing processes that this member brings: one, a list, or {process: share of its capacity}.",
    )
    options: NameList = Field(
        default=(), description="Options that only coalitions with this member can buy: one or a list."
    )
    budget: Quantity | None = Field(
        default=None, description="What this member adds to the budget of a coalition, undiscounted, money."
    )


class Commodity(Described):
    """A material at one stage of the chain. Other objects refer to it by its key; its fields are text only."""


class Region(Described):
    """The printed name of a region. Other objects refer to the region by its key."""


MIN_TIME_TO_SURVIVE = "min_time_to_survive"


class ShareRule(Described):
    """Policy: the share of all production of a commodity that comes from a region, or from a kind of lever.

    If both are given, only activities that satisfy both count. It holds in each period of the baseline, not in shocks.
    """

    model_config = ConfigDict(populate_by_name=True)

    commodity: str = Field(description="Commodity whose production the rule limits.")
    region: str | None = Field(default=None, description="Region whose production counts towards the share.")
    kind: str | None = Field(default=None, description="Kind of option whose production counts towards the share.")
    share: Share = Field(description="Limit, a share of production from 0 to 1.")
    from_: Year | None = Field(
        default=None,
        alias="from",
        description="First calendar year in which the rule applies. Default: the start of the horizon.",
    )

    def counts(self, region: str, kind: str) -> bool:
        """Return whether production in a region by a kind of activity counts towards the share."""
        return (self.region is None or region == self.region) and (self.kind is None or kind == self.kind)


class SurvivalRule(Described):
    """Policy: every floor holds for `months` after permanent cuts that begin at the start of any year from `from` on.

    Equivalently, the time to survive of the cuts (`optimizer.time_to_survive`) is at least `months`.
    """

    model_config = ConfigDict(populate_by_name=True)

    cuts: Cuts = Field(description="Permanent cuts.")
    months: Positive = Field(description="Months for which every survival floor must hold.")
    from_: Year | None = Field(
        default=None,
        alias="from",
        description="First calendar year in which the rule applies. Default: the start of the horizon.",
    )
    deliberate: bool = Field(default=False, description=DELIBERATE)

    @property
    def disruption(self) -> PermanentCuts:
        """The permanent cuts that must be survived."""
        return PermanentCuts.of(self.cuts, deliberate=self.deliberate)

    def __str__(self) -> str:
        since = f" from {self.from_} on" if self.from_ is not None else ""
        months = "1 month" if self.months == 1 else f"{self.months:g} months"
        return f"every floor for {months} without {' and '.join(map(str, self.cuts))}{since}"


class Policy(Described):
    """Budgets, shares, times to survive, and required purchases. A budget is undiscounted outlay, in currency units.

    `force` maps option and calendar year to the size bought at the decision points of that year, in the unit of the
    option's size; for a stockpile, to the t bought over the year.
    """

    budget: Quantity | None = Field(default=None, description="Limit on total outlay, undiscounted, money.")
    annual_budget: QuantitySeries | None = Field(
        default=None, description="Limit on outlay in each calendar year, undiscounted, money; a series."
    )
    max_share: tuple[ShareRule, ...] = Field(
        default=(),
        description="Upper limits on the share of a commodity's production from a region or a kind, in each period of "
        "the baseline (not in shocks): a list of rules.",
    )
    min_share: tuple[ShareRule, ...] = Field(
        default=(),
        description="Lower limits on the share of a commodity's production from a region or a kind, in each period of "
        "the baseline (not in shocks): a list of rules.",
    )
    min_time_to_survive: tuple[SurvivalRule, ...] = Field(
        default=(),
        description="Cuts and the months for which every survival floor must hold after them, with capacities, demand "
        "and floors frozen as at the start of the year: a list of rules.",
    )
    force: Mapping[str, ByYear] = Field(
        default_factory=dict,
        description="Required purchases, by option: the exact size bought in each calendar year, {option: {2027: 40}}.",
    )
    objective: ObjectiveField = Field(
        default=RiskMeasure(),
        description="What is minimised over futures: expected (default), worst, regret, or {cvar: 0.9, weight: 0.5}.",
    )
    gap_price: Positive | None = Field(
        default=None,
        description="What a gap counts in each shock, a multiple of its undiscounted shortage cost; without it floors "
        "come first.",
    )


class Instance(Described):
    """A checked planning problem; `optimizer.load` and `optimizer.read` make one.

    Its fields are the sections of the file. `shocks` and `ensembles` are the entries there, each of which may make
    several shocks; these are `events`. To change a number, load the file with overrides, or read the changed mapping of
    `to_dict`: `model_copy` and `replacing` check nothing.
    """

    description: str | None = Field(default=None, description="Subject of the instance, in a sentence or two.")
    currency: str = Field(
        default="USD",
        description="Label of all money, such as USD of 2025: currency code, then year of its prices. Default: USD.",
    )
    horizon: Horizon = Field(description="Planning horizon in calendar years, and the length of a period.")
    discount_rate: Quantity = Field(default=0.0, description="Discount rate per year: 0.03 is 3 %. Default 0.")
    home: str | None = Field(default=None, description="Home region, for which `home` always stands. Default: home.")
    regions: Mapping[str, Region] = Field(
        default_factory=dict, description="Printed names of regions, by the word used elsewhere: {eu: {name: EU}}."
    )
    commodities: Mapping[str, Commodity] = Field(description="Materials, each at one stage of the chain, by name.")
    processes: Mapping[str, Process] = Field(
        default_factory=dict,
        description="Existing processes, by name: activities in a region that turn inputs into outputs.",
    )
    demands: Mapping[str, Demand] = Field(
        default_factory=dict,
        description="Demand segments, by name: the quantity used and the share that must be served in every shock.",
    )
    # Options are bought by size or held as a stock; each is serialised with the fields of its own class.
    options: Mapping[str, SerializeAsAny[Sized | Stock]] = Field(
        default_factory=dict, description="Options that can be bought, by name; `kind` names the lever."
    )
    shocks: Mapping[str, ShockSpec] = Field(default_factory=dict, description="Entries, by name, of one shock or more.")
    ensembles: Mapping[str, EnsembleSpec] = Field(
        default_factory=dict, description="Ensembles of randomly drawn shocks, by name."
    )
    policy: Policy = Field(
        default=Policy(), description="Budgets, limits on shares, required times to survive, and required purchases."
    )
    adversary: AdversarySpec | None = Field(
        default=None, description="Adversary, which chooses the worst attack that its budget pays for."
    )
    scenarios: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict, description="Variants: sets of overrides {dotted.path: value}, which may add entries."
    )
    futures: Mapping[str, Question] = Field(
        default_factory=dict,
        description="Questions that are answered later, by name: what differs then, and when it is known.",
    )
    members: Mapping[str, Member] = Field(
        default_factory=dict,
        description="Members who may plan together, by name: the demand of each, and what each brings to a coalition.",
    )
    ranges: Mapping[str, RangeSpec] = Field(
        default_factory=dict,
        description="Uncertain numbers by dotted path or pattern: {options.*.capex: {low: 0.8, high: 1.5, of: value}}.",
    )

    def __repr__(self) -> str:
        axis = f"{self.horizon.label(0)}…{self.horizon.label(self.horizon.periods[-1])} by {self.horizon.step}"
        counts = f"processes: {len(self.processes)}; segments: {len(self.demands)}; options: {len(self.options)}"
        return f"<Instance {self.title!r}: {axis}; {counts}; shocks: {len(self.events)}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows for the instance."""
        return str(import_module("optimizer.report.notebook").instance_html(self))

    @property
    def title(self) -> str:
        """The name of the instance, or ``unnamed``."""
        return self.name or "unnamed"

    @property
    def money(self) -> str:
        """The currency code, which is the first word of the label of the currency (``USD``)."""
        return (self.currency.split() or [""])[0].rstrip(",;:")

    @property
    def is_adaptive(self) -> bool:
        """Whether the instance has questions, or minimises another measure than expected cost."""
        return bool(self.futures) or self.policy.objective.kind != "expected"

    @cached_property
    def tree(self) -> "FutureTree":
        """The futures that the questions make; without questions, the instance itself is the only one.

        Raises:
            InstanceError: the instance was changed after its checks, and the values of a branch no longer fit it.
        """
        made: FutureTree = import_module("optimizer.instance.edits").make_tree(self)
        return made

    @cached_property
    def events(self) -> tuple[Shock, ...]:
        """Every shock, first those of all entries under ``shocks:``, then the samples of all ensembles."""
        listed = (event for name, spec in self.shocks.items() for event in expand(name, spec, self.horizon))
        drawn = (event for name, spec in self.ensembles.items() for event in samples(name, spec, self.horizon))
        return (*listed, *drawn)

    def event(self, name: str) -> Shock:
        """Return the shock with this name."""
        return self._events_by_name[name]

    def find_event(self, name: str) -> Shock | None:
        """Return the shock with this name, or None."""
        return self._events_by_name.get(name)

    @cached_property
    def _events_by_name(self) -> Mapping[str, Shock]:
        return {event.name: event for event in self.events}

    @cached_property
    def activities(self) -> Mapping[str, Activity]:
        """Existing processes and producing options, by name; a cut can affect only these activities."""
        return {**self.processes, **{o: each for o, each in self.options.items() if isinstance(each, Activity)}}

    @cached_property
    def sized(self) -> Mapping[str, Sized]:
        """The options that are bought by size, by name."""
        return {o: each for o, each in self.options.items() if isinstance(each, Sized)}

    @cached_property
    def stocks(self) -> Mapping[str, Stock]:
        """The options that are held as a stock, by name."""
        return {o: each for o, each in self.options.items() if isinstance(each, Stock)}

    @cached_property
    def activity_index(self) -> ActivityIndex:
        """An index of the activities by the fields of a cut."""
        return ActivityIndex(self.activities)

    def discount(self, t: Any) -> Any:
        """Return the discount factor δ(t) = (1 + r)^(−tΔ) of a period, or of an array of periods; t may be T."""
        return (1.0 + self.discount_rate) ** (-t * self.horizon.delta)

    @cached_property
    def baseline(self) -> Path:
        """The operating path without any disruption."""
        return baseline_path(self)

    def path(self, shock: Shock) -> Path:
        """Return the operating path in the window of a shock."""
        if shock.name not in self._paths:
            self._paths[shock.name] = shock_path(self, shock)
        return self._paths[shock.name]

    def shared(self, length: int) -> Path:
        """Return the path shared by all shocks whose windows have `length` periods, in the order of `events`."""
        if length not in self._shared:
            self._shared[length] = shared_path(self, [shock for shock in self.events if len(shock.periods) == length])
        return self._shared[length]

    @cached_property
    def rule_paths(self) -> Mapping[str, Path]:
        """The paths of `min_time_to_survive` rules by ``<rule>@<year>``, a steady one in each year of the rule."""
        starts = {self.horizon.year(t): t for t in reversed(self.horizon.periods)}
        paths: dict[str, Path] = {}
        for i, rule in enumerate(self.policy.min_time_to_survive):
            for year in self.horizon.years:
                if rule.from_ is None or year >= rule.from_:
                    key = f"{MIN_TIME_TO_SURVIVE}_{i}@{year}"
                    path = steady_path(self, key, starts[year], rule.months / 12, [rule.disruption])
                    paths[key] = replace(path, is_rule=True)
        return paths

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return {}

    @cached_property
    def _shared(self) -> dict[int, Path]:
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the instance as plain data that `optimizer.read` accepts, without defaults."""
        data = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        data |= {section: data.get(section, {}) for section in ("shocks", "demands")}
        return self._with_ranged(data) if self.ranges else data

    def _with_ranged(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add to the data the numbers that have a range, even those that equal their default."""
        whole = self.model_dump(mode="json", by_alias=True)
        for path in self.ranges:
            holder, place = cast("Any", data), next(find_places(whole, path))
            for depth, key in enumerate(place[:-1], 1):
                part = get_value(whole, place[:depth])
                holder = holder.setdefault(key, part) if isinstance(holder, dict) else holder[key]
            holder[place[-1]] = get_value(whole, place)
        return data

    @cached_property
    def uncertain(self) -> list[UncertainInput]:
        """The uncertain inputs, with their places in `to_dict`; `numbers_of` groups those that move together."""
        return list_uncertain(self.to_dict(), self.ranges)

    @cached_property
    def document(self) -> Document:
        """The data without ranges and scenarios. Variants of it share every part that they do not change."""
        return Document("data", {key: part for key, part in self.to_dict().items() if key not in (RANGES, "scenarios")})

    def fresh(self) -> "Instance":
        """Return a copy without cached values, small enough to send to a worker."""
        return self.replacing()

    def by_expected_cost(self) -> "Instance":
        """Return the instance with expected cost as its objective, whatever the measure over all futures is."""
        if self.policy.objective.kind == "expected":
            return self
        return self.replacing(policy=self.policy.model_copy(update={"objective": RiskMeasure()}))

    def replacing(self, **update: object) -> "Instance":
        """Return a copy with other sections, which are not checked again; cached properties are computed anew.

        Scenarios, which may override a replaced section, are dropped unless only the policy is replaced.
        """
        if set(update) - {"policy"}:
            update = {"scenarios": {}, **update}
        copy = self.model_copy(update=update)
        if any(path.split(".")[0] in update for path in copy.ranges):
            copy = copy.model_copy(update={"ranges": copy._remaining_ranges(set(update))})
        return copy

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other sections, which are not checked again; cached properties are computed anew."""
        copy = super().model_copy(update=update, deep=deep)
        for name in [name for name, part in vars(Instance).items() if isinstance(part, cached_property)]:
            copy.__dict__.pop(name, None)
        return copy

    def _remaining_ranges(self, replaced: set[str]) -> dict[str, Any]:
        """Return the ranges that remain valid: those outside the replaced sections, and those inside that still fit."""
        doubtful = {path: spec for path, spec in self.ranges.items() if path.split(".")[0] in replaced}
        valid = valid_ranges(self.model_dump(mode="json", by_alias=True, include=replaced), doubtful)
        return {path: spec for path, spec in self.ranges.items() if path not in doubtful or path in valid}

    def with_tree(self, tree: "FutureTree") -> "Instance":
        """Return a copy that has the futures of this tree, whatever its questions say."""
        copy = self.replacing()
        copy.__dict__["tree"] = tree
        return copy


def require_instance(given: object) -> None:
    """Raise a TypeError that names the functions which make an instance, if `given` is none."""
    if not isinstance(given, Instance):
        raise TypeError(f"an Instance is needed, not {type(given).__name__}: load reads a file, read a mapping")


@dataclass(frozen=True)
class Future:
    """A future: a leaf of the tree."""

    name: str  # its branches in the order of their questions, ``late.tighten``; empty without questions
    probability: float  # the product of the probabilities of its branches
    answers: tuple[Answer, ...]  # its branches, in the order in which their questions are answered
    instance: Instance  # with the values of these branches set in that order; no questions, no scenarios


@dataclass(frozen=True)
class FutureShock(Shock):
    """A shock of one of several futures; `own` is the same shock in the instance of that future."""

    future: int = 0
    own: Shock | None = None


@dataclass(frozen=True, eq=False)  # without questions it holds the instance that caches it: `==` would not end
class FutureTree:
    """All futures of an instance, at least one; futures in which the same values are set share one instance."""

    futures: tuple[Future, ...]  # in the order of the branches in the file, the first question outermost
    are_probabilities_given: bool = True  # whether the file has those of every question with several branches

    def node(self, number: int, t: int) -> int:
        """Return the lowest number of a future that cannot be distinguished from future `number` at decisions in `t`.

        Two futures can be distinguished once a question in which they differ has been answered.
        """
        if t not in self._nodes:
            first = dict[tuple[Answer, ...], int]()
            known = [tuple(answer for answer in each.answers if answer.t <= t) for each in self.futures]
            self._nodes[t] = tuple(first.setdefault(answers, i) for i, answers in enumerate(known))
        return self._nodes[t][number]

    @cached_property
    def _nodes(self) -> dict[int, tuple[int, ...]]:
        return {}

    @property
    def is_single(self) -> bool:
        """Whether there is only one future."""
        return len(self.futures) == 1

    @cached_property
    def events(self) -> tuple[Shock, ...]:
        """Every shock of every future."""
        return tuple(
            self.shock(number, shock) for number, future in enumerate(self.futures) for shock in future.instance.events
        )

    def shock(self, number: int, own: Shock) -> Shock:
        """Return a shock of future `number` under a name that is unique over all futures."""
        if self.is_single:
            return own
        entry = self.name(number, own.entry)
        same = (own.spec, own.periods, own.probability, entry, own.length)
        return FutureShock(self.name(number, own.name), *same, future=number, own=own)

    def name(self, number: int, own: str) -> str:
        """Return the name of a path of future `number`, unique over all futures: ``<future>/<own name>``."""
        return own if self.is_single else f"{self.futures[number].name}/{own}"

    def locate(self, shock: Shock) -> tuple[int, Shock]:
        """Return the number of the future of a shock, and the shock as it stands in the instance of that future."""
        if isinstance(shock, FutureShock) and shock.own is not None:
            return shock.future, shock.own
        return 0, shock

    def path(self, shock: Shock) -> Path:
        """Return the operating path in the window of a shock."""
        number, own = self.locate(shock)
        return self.futures[number].instance.path(own)

    def probability(self, shock: Shock) -> float:
        """Return the probability of the future of a shock."""
        return self.futures[self.locate(shock)[0]].probability

    def own_shocks(self, shocks: Iterable[Shock]) -> list[list[Shock]]:
        """Return the given shocks in one list for each future, as they stand in the instance of that future."""
        result: list[list[Shock]] = [[] for _ in self.futures]
        for shock in shocks:
            number, own = self.locate(shock)
            result[number].append(own)
        return result
