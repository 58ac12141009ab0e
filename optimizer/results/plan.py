"""A plan, its operation and its outcomes: frozen values, in t and whole currency units; shares lie between 0 and 1.

Build          one purchase: option, decision point, size
Plan           all builds, and the stock paths
Flow           what a named flow of an option is: its unit, and what it does to supply and demand
Flows          operation on one path, by owner and name of the flow, t per period
ManyFlows      the same for shocks whose windows are equally long, as arrays
Service        one segment in one shock: its worst period, and what it went short of
Outcome        one shock under the plan; where shocks are many, most are summary lines without flows
Weakest        one segment over all shocks
Price          a binding limit and the shadow price of one step
SourceShare    shares of regions in the production of a commodity, in one year
Faced          the adversary that a plan was made against
Nothing        shortage below the floors under the do-nothing plan
Lack           what the baseline leaves unserved of a segment
NoShockPlan    the cheapest plan of the same instance without shocks
ReadOnly       a frozen value whose mappings cannot be changed either
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, NoReturn, Self

import numpy as np
import numpy.typing as npt
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

ByPeriod = tuple[float, ...]
Array = npt.NDArray[np.float64]
# Owner and name of a flow.
FlowKey = tuple[str, str]
# Flows that every plan file names, in this order; those of other levers follow.
WRITTEN = ("activity", "substituted", "unserved", "released", "left")
# A result keeps the flows of at most this number of shocks; beyond it, of those that matter most.
MOST_DETAILED_SHOCKS = 24


def _refuse(self: Any, *args: Any, **more: Any) -> NoReturn:
    raise TypeError("what a result holds cannot be changed; dict(…) or list(…) makes a copy that can")


class ReadOnlyDict(dict[Any, Any]):
    """A dict that cannot be changed: it is equal to a dict, and is written and sent to other processes as one."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Self], tuple[dict[Any, Any]]]:
        return type(self), (dict(self),)


class ReadOnlyList(list[Any]):
    """The same of a list."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = _refuse
    insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[type[Self], tuple[list[Any]]]:
        return type(self), (list(self),)


def read_only(value: Any) -> Any:
    """The same with all dicts and lists in it, also those in tuples, read-only."""
    if isinstance(value, ReadOnlyDict | ReadOnlyList):
        return value
    if isinstance(value, dict):
        return ReadOnlyDict({key: read_only(item) for key, item in value.items()})
    if isinstance(value, list):
        return ReadOnlyList(map(read_only, value))
    # Of a tuple all items are of one kind.
    return (
        tuple(map(read_only, value)) if isinstance(value, tuple) and isinstance(next(iter(value), 0), dict) else value
    )


class ReadOnly:
    """What makes the mappings of a frozen value read-only."""

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            if isinstance(value, dict | tuple):
                object.__setattr__(self, name, read_only(value))


def as_plain(value: Any) -> Any:
    """A copy for JSON: values as dicts by field, flows as a plan file has them."""
    if isinstance(value, Flows):
        return value.to_dict()
    if is_dataclass(value):
        return {part.name: as_plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_plain(item) for item in value]
    return tuple(map(as_plain, value)) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Build:
    """One order of an option that is no stockpile: what is bought of those is in `Plan.fills`.

    Attributes:
        option: its name in the instance.
        kind: of its lever.
        t: the decision point, a number of a period from 0.
        year: the calendar year of that period.
        period: the label of that period.
        size: in the option's own unit: t/yr, or a level.
        opened: whether the option has a fixed charge, and is opened by this order.
    """

    option: str
    kind: str
    t: int
    year: int
    period: str
    size: float
    opened: bool = False


@dataclass(frozen=True)
class Plan(ReadOnly):
    """The first stage: what is decided before any shock is known.

    Attributes:
        builds: in the order of the options, then of time.
        fills: by stockpile, t bought in each period.
        stocks: by stockpile, t held at the end of each period.
    """

    builds: tuple[Build, ...] = ()
    fills: Mapping[str, ByPeriod] = field(default_factory=dict)
    stocks: Mapping[str, ByPeriod] = field(default_factory=dict)

    @property
    def bought(self) -> tuple[str, ...]:
        """The options that are bought, each once, in the order of the plan; stockpiles last."""
        stockpiles = (o for o, row in self.fills.items() if any(fill > 0 for fill in row))
        return tuple(dict.fromkeys([*(build.option for build in self.builds), *stockpiles]))

    def __repr__(self) -> str:
        lines = [f"{build.period}  {build.option}  {si(build.size)}" for build in self.builds]
        lines += [f"stock  {o}  at most {si(max(row, default=0.0), 't')}" for o, row in self.stocks.items() if any(row)]
        return "<Plan\n  " + "\n  ".join(lines or ["nothing is bought"]) + ">"


@dataclass(frozen=True)
class Flow:
    """Description of a named flow of an option, the owner of the flow."""

    name: str  # as plan files, frames and tables have it
    label: str  # the word for it in tables: "released"
    column: str = ""  # what the model calls its columns; `name` where it is empty
    unit: str = "t"  # of its amount in a period
    in_baseline: bool = True  # whether it also runs in the baseline
    gives: Mapping[str, float] = field(default_factory=dict)  # by commodity, t per unit of flow added to its supply
    takes: Mapping[str, float] = field(default_factory=dict)  # by commodity, t per unit of flow taken from its supply
    serves: str | None = None  # the segment of whose demand one unit of flow serves one t; None where it serves none
    share: float = 1.0  # the largest share of that segment's demand that it may serve


@dataclass(frozen=True)
class Flows(ReadOnly):
    """Operation on one path: the baseline, or the window of one shock.

    Attributes:
        first: the number of the period that the rows begin with, 0 for the first of the horizon; `Outcome.first` is its
            label.
        rows: by owner and name of the flow, t per period of the path. A process has ``activity``, a segment
            ``unserved``; an option has what its lever declares.
    """

    first: int
    rows: Mapping[FlowKey, ByPeriod] = field(default_factory=dict)

    def __getitem__(self, key: FlowKey) -> ByPeriod:
        return self.rows[key]

    def row(self, owner: str, flow: str) -> ByPeriod:
        """One flow, t per period; empty where the owner has none of that name on this path."""
        return self.rows.get((owner, flow), ())

    def total(self, owner: str, flow: str, periods: Iterable[int]) -> float:
        """One flow summed over some periods; 0 where the owner has none of that name on this path."""
        row = self.row(owner, flow)
        return sum(row[t - self.first] for t in periods) if row else 0.0

    def of(self, flow: str) -> dict[str, ByPeriod]:
        """All flows of one name, by owner."""
        return {owner: row for (owner, name), row in self.rows.items() if name == flow}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of flows, first those that every plan file has, then those of other levers."""
        return tuple(dict.fromkeys([*WRITTEN, *(name for _, name in self.rows)]))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: ``first``, and by name of the flow its rows by owner."""
        return {"first": self.first, **{name: self.of(name) for name in self.names}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Flows":
        """Flows from what `to_dict` gave."""
        named = {name: rows for name, rows in data.items() if name != "first"}
        return cls(data["first"], {(owner, name): row for name, rows in named.items() for owner, row in rows.items()})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from the shape of `to_dict`, whatever flows there are."""
        shape = core_schema.typed_dict_schema(
            {"first": core_schema.typed_dict_field(core_schema.int_schema())},
            extras_schema=handler.generate_schema(dict[str, ByPeriod]),
            extra_behavior="allow",
        )
        return core_schema.no_info_after_validator_function(cls.from_dict, shape)


@dataclass(frozen=True)
class ManyFlows:
    """The operation of shocks whose windows are equally long."""

    names: tuple[str, ...]  # of the shocks
    first: tuple[int, ...]  # the first period of each of their windows
    rows: Mapping[FlowKey, Array]  # as in `Flows`, but arrays (shocks, periods of the window), in t

    def __getitem__(self, key: FlowKey) -> Array:
        return self.rows[key]

    @classmethod
    def joined(cls, parts: Sequence["ManyFlows"]) -> "ManyFlows":
        """The shocks of several, one after the other; their windows are equally long."""
        rows = {key: np.concatenate([part.rows[key] for part in parts]) for key in parts[0].rows}
        names, first = (tuple(x for part in parts for x in getattr(part, what)) for what in ("names", "first"))
        return cls(names, first, rows)

    def at(self, i: int) -> Flows:
        """The flows of one of the shocks, by its place in `names`."""
        return Flows(self.first[i], {key: tuple(row[i].tolist()) for key, row in self.rows.items()})

    def some(self, which: list[int]) -> "ManyFlows":
        """Some of the shocks, by their places in `names`."""
        rows = {key: row[which] for key, row in self.rows.items()}
        return ManyFlows(tuple(self.names[i] for i in which), tuple(self.first[i] for i in which), rows)


class ServedShare:
    """What follows from the floor and the service of a segment's weakest period; the fields are the subclass's."""

    floor: float
    worst_service: float

    @property
    def margin(self) -> float:
        """Service less floor in that period, a share; negative where the floor fails."""
        return self.worst_service - self.floor

    @property
    def is_full(self) -> bool:
        """Whether all demand is served, in every period."""
        return self.worst_service >= 1.0 - NEGLIGIBLE


@dataclass(frozen=True)
class Service(ServedShare):
    """One segment in one shock: its weakest period and its shortage.

    Attributes:
        floor: the survival floor of the worst period, a share.
        worst_service: the share served or substituted in the worst period.
        worst_period: its label.
        shortage: t unserved over the window.
        below_floor: the part of `shortage` below the floor, t.
        gap: `below_floor` valued at the shortage cost, money.
        first_failure: label of the first period below the floor; None where there is none.
    """

    floor: float
    worst_service: float
    worst_period: str
    shortage: float
    below_floor: float
    gap: float
    first_failure: str | None


@dataclass(frozen=True)
class Outcome(ReadOnly):
    """One shock under the plan. Where shocks are many, most are kept as summary lines, without flows.

    Attributes:
        name: of the shock.
        survives: whether no segment falls below its floor.
        gap: money, the sum of its segments' gaps.
        cost: present value of operation and shortage in the window, money; all demand unserved counts at its shortage
            cost, above the floor as well. Not weighted by probability; no part of the total cost without one.
        first: label of the window's first period.
        last: label of its last period.
        probability: over the horizon.
        segments: every segment; of a summary line only the weakest, all that fail, and those of which no other shock
            leaves more unserved.
        flows: t per period; None for a summary line.
        excused: whether it fails and is allowed to, as a sample of an ensemble of which only a share has to be
            survived.
        unserved: of a summary line, by segment that goes short, t unserved over the window; None with flows, where
            `segments` has it, and of a line of a plan file without it.
    """

    name: str
    survives: bool
    gap: float
    cost: float
    first: str
    last: str
    probability: float
    segments: Mapping[str, Service]
    flows: Flows | None
    excused: bool = False
    unserved: Mapping[str, float] | None = None

    @property
    def fails(self) -> bool:
        """Whether a segment falls below its floor and may not."""
        return not self.survives and not self.excused


@dataclass(frozen=True)
class SampleCount:
    """An ensemble of which only a share has to be survived: how many of its samples are, and how many have to be."""

    ensemble: str
    survived: int
    samples: int
    required: int

    def __str__(self) -> str:
        return f"{self.survived:,} of {self.samples:,} samples, {self.required:,} required"

    @property
    def of_ensemble(self) -> str:
        """The same with the name of the ensemble."""
        return f"{self.survived:,} of {self.samples:,} samples of {self.ensemble} ({self.required:,} required)"


@dataclass(frozen=True)
class Weakest(ServedShare):
    """The weakest period of one segment over all shocks."""

    worst_shock: str  # the shock in which its worst period serves least
    worst_period: str  # the label of that period
    worst_service: float  # the share served or substituted in it
    floor: float  # the survival floor in it, a share
    shocks_failed: int  # how many shocks leave the segment below its floor


@dataclass(frozen=True)
class Price:
    """A binding limit and its shadow price."""

    # The limit and the step, in words: "the budget", "1 % more".
    what: str
    step: str
    worth: float  # the most that the step saves, money: of the total cost, or of the survival gap where floors fail


@dataclass(frozen=True)
class SourceShare(ReadOnly):
    """Production of a commodity by region in one calendar year of the baseline: shares, t, and their HHI (0 … 1)."""

    year: int
    tonnes: float
    regions: Mapping[str, float]
    hhi: float


@dataclass(frozen=True)
class Nothing:
    """The shortage below the floors under the do-nothing plan."""

    gap: float  # money, the sum over all shocks
    below_floor: float  # t, likewise
    shocks_failed: int  # how many shocks leave a segment below its floor
    worst_shock: str | None  # name of the one with the largest gap; None where none fails
    worst_gap: float  # its gap, money
    counted: "Nothing | None" = None  # the same without samples that may fail; None where none may


@dataclass(frozen=True)
class Lack:
    """The demand of a segment that the baseline leaves unserved."""

    share: float  # the largest share of a period's demand that is left unserved
    period: str  # the label of that period, the first where several are
    unserved: float  # t over the horizon


@dataclass(frozen=True)
class ActualOutput:
    """The actual output of an existing process in a year, beside that of the baseline."""

    # What makes it, and what is made.
    process: str
    commodity: str
    year: int  # calendar year of the actual output
    actual: float  # t in that year
    model_year: int  # the year of the baseline that it is compared with: the same, or the first where that is later
    modelled: float  # t that the baseline makes in that year
    deviation: float | None  # of the baseline from the actual output, as a share of the latter; None where that is 0


@dataclass(frozen=True)
class CommittedMoney:
    """Money that somebody has spent or pledged already."""

    owner: str  # the process or option that it is for
    name: str | None  # what the file calls it; None where it gives no name
    amount: float  # money, undiscounted
    year: int | None  # calendar year; None where it is not given
    source: str | None  # where the figure is from; None likewise
    conditional: bool = False  # whether it depends on a condition that is not met yet

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `conditional` only where it is true, so that plans of files without it stay as they were."""
        return {key: item for key, item in asdict(self).items() if key != "conditional" or item}


def list_commitments(data: Mapping[str, Any]) -> tuple[CommittedMoney, ...]:
    """All money already committed, from an instance as a mapping: of processes, then of options."""
    return tuple(
        CommittedMoney(
            owner,
            each.get("name"),
            each["amount"],
            each.get("year"),
            each.get("source"),
            each.get("conditional", False),
        )
        for section in ("processes", "options")
        for owner, entry in data.get(section, {}).items()
        for each in entry.get("committed", ())
    )


def write_commitments(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same for JSON, under their key; empty without any."""
    found = tuple(each.to_dict() for each in list_commitments(data))
    return {"commitments": found} if found else {}


@dataclass(frozen=True)
class Faced(ReadOnly):
    """The adversary that a plan was made against."""

    attack_budget: float  # the limit on the price of one attack, in the unit of the file
    # How many it can choose from.
    starts: int
    targets: int
    sets: int | None  # how many maximal sets of targets it can afford; None where there are too many to try each
    # Names of the shocks that are its attacks: those that shaped the plan, and are not deterred.
    attacks: tuple[str, ...]
    # Name of the one that leaves most below the floors, of all attacks that it can afford at any start and that are not
    # deterred; None where no attack breaks the plan.
    worst: str | None = None
    gap: float = 0.0  # what the worst attack at each start leaves, in money, over all starts
    # Names of attacks that it could afford, were it not for what the plan's leverage adds to their prices.
    deterred: tuple[str, ...] = ()
    # By name of those and of `attacks`, what each costs it under the plan, in money.
    costs: Mapping[str, float] = field(default_factory=dict)

    def worst_at_each_start(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Of the outcomes of its attacks, that with the largest gap at each start: the one that counts."""
        worst: dict[str, Outcome] = {}
        for outcome in outcomes:
            if outcome.name in self.attacks:
                known = worst.get(outcome.first)
                worst[outcome.first] = outcome if known is None or outcome.gap > known.gap else known
        return list(worst.values())


@dataclass(frozen=True)
class NoShockPlan(ReadOnly):
    """The cheapest plan of the same instance without shocks and without rules about surviving: the no-shock plan."""

    total_cost: float  # present value, money
    plan: Plan  # what it buys
    baseline: Flows  # how it runs, t per period
    # Present value by part, money; they add to `total_cost`. The parts are those of `Result.costs`.
    costs: Mapping[str, float] = field(default_factory=dict)
