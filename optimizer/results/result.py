"""Result: a plan, its operation, its outcome in every shock, and the proof; to and from JSON.

Which service, shock or gap is the worst of several is decided here too: one rule each, with its ties.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, get_args

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from optimizer.errors import PlanFileError
from optimizer.results.frames import Frames
from optimizer.results.plan import (
    ActualOutput,
    Array,
    Faced,
    Flows,
    Lack,
    NoShockPlan,
    Nothing,
    Outcome,
    Plan,
    Price,
    SampleCount,
    Service,
    SourceShare,
    Weakest,
    as_plain,
    write_commitments,
)
from optimizer.results.saved import (
    DIGEST,
    FORMAT_OF_KEY,
    PLAN_FILE_FORMATS,
    SOLVE_AGAIN,
    Bands,
    SavedPlan,
    digest,
    is_of_futures,
)  # fmt: skip
from optimizer.tolerances import NEGLIGIBLE, ROUNDING, SAME_VALUE
from optimizer.units import least_whole, si

if TYPE_CHECKING:
    import pandas as pd


# Margins that differ by less than this share of demand are equal: half of the tolerance, since both may be off.
HAIR = NEGLIGIBLE / 2
# Distance between the classes of `rank`; margins lie between -1 and 1, so that classes do not overlap.
CLASS = 2.0


def rank(margins: Array, served: Array) -> Array:
    """How weak services are, as one number each: the smaller, the weaker.

    1. Demand goes unserved and there is a floor: by margin, so that services below their floors come first.
    2. Demand goes unserved and there is no floor: by the share served.
    3. All demand is served (to within `NEGLIGIBLE` of it): the margin says only how high the floor is.

    Args:
        margins: service less floor, shares of demand.
        served: shares of demand that are served or substituted, of the same shape.
    """
    has_floor, is_full = served - margins > NEGLIGIBLE, served >= 1.0 - NEGLIGIBLE
    return margins + CLASS * np.where(is_full, 2.0, np.where(has_floor, 0.0, 1.0))


def weakest(margins: Array, served: Array, axis: int) -> npt.NDArray[np.intp]:
    """Along an axis, the place of the least `rank`; of those within a `HAIR` of it the one where least is served.

    One rule for the worst period of a segment in a shock, the worst shock of a segment, and the worst segment of a
    shock. Where floors bind, many margins are 0 but for rounding: which of them is least says nothing, what is served
    does. Of services that are alike in both the first counts.
    """
    ranks = rank(margins, served)
    near = np.where(ranks <= ranks.min(axis=axis, keepdims=True) + HAIR, served, np.inf)
    return np.argmax(near <= near.min(axis=axis, keepdims=True) + HAIR, axis=axis)


def weakest_of(services: Sequence[Service]) -> int:
    """The place of the weakest of some services."""
    return int(weakest(*_arrays(services), axis=0))


def weakness(services: Sequence[Service]) -> tuple[float, float]:
    """What shocks are sorted by, the weakest first: `rank` and share served of the weakest of a shock's services."""
    if not services:
        return (np.inf, np.inf)
    found = services[weakest_of(services)]
    return round(float(rank(*_arrays([found]))[0]), 6), round(found.worst_service, 6)


def _arrays(services: Sequence[Service]) -> tuple[Array, Array]:
    margins, served = (np.array([getattr(each, name) for each in services]) for name in ("margin", "worst_service"))
    return margins, served


def first_largest(gaps: Sequence[float]) -> int | None:
    """The place of the first of the largest gaps; None where none is above 0."""
    largest = max(gaps, default=0.0)
    return next((i for i, gap in enumerate(gaps) if gap >= largest * (1.0 - ROUNDING)), None) if largest > 0 else None


def by_gap(gaps: Sequence[float]) -> list[int]:
    """Places, the largest gap first; gaps that are equal stay in their order, so that `first_largest` leads."""
    places = sorted(range(len(gaps)), key=lambda i: -gaps[i])
    groups: list[list[int]] = []
    for i in places:
        if groups and gaps[i] >= gaps[groups[-1][0]] * (1.0 - ROUNDING):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [i for group in groups for i in sorted(group)]


def hardest_of(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Shocks, the one with the largest gap first: the one rule by which texts name the worst.

    Samples that may fail, whose gaps do not count, come behind the shocks that leave a gap.
    """
    some = list(outcomes)
    ordered = [some[i] for i in by_gap([outcome.gap for outcome in some])]
    return sorted(ordered, key=lambda outcome: outcome.excused or outcome.gap <= 0.0)


def price_of_survival(cost: float, no_shock_cost: float | None) -> float | None:
    """What a plan costs beyond the no-shock plan, present value; None where the cost of that is not known.

    A difference of either sign within `SAME_VALUE` of the cost is 0: two searches find one cost to its last digits.
    """
    if no_shock_cost is None:
        return None
    return cost - no_shock_cost if abs(cost - no_shock_cost) > SAME_VALUE * abs(cost) else 0.0


# The most futures that a message lists where one has to be chosen.
SHOWN_FUTURES = 6
# Attributes that are never written to a file.
INTERNAL = frozenset({"departures", "solved_instance"})
# Attributes that are left out of a file where they are empty.
OPTIONAL = ("given", "actual", "bands", "changes")
FIGURES = ("total_cost", "outlay", "survival_gap", "worst_gap")


@dataclass(frozen=True)
class Result(SavedPlan):
    """A plan with its costs, operation, outcomes and proof; money in units of the instance's currency, amounts in t.

    Attributes:
        title: of the instance, `instance` in JSON; the instance itself is `solved_instance`.
        total_cost: present value, the objective of the model. It and the three figures after it are NaN where there is
            no plan; JSON says null.
        outlay: money that counts towards the budget, undiscounted.
        survival_gap: shortage below the floors, at `shortage_cost`, summed over all shocks; samples that may fail do
            not count.
        worst_gap: the largest survival gap of a single shock; samples that may fail do not count.
        bound: proven lower bound on `total_cost` of plans that leave no larger gap; None where none is known.
        gap_bound: proven lower bound on `survival_gap`; None where none is known, and where the gap has a price.
        mip_gap: relative distance of `total_cost` from its bound, or of the gap from its own where that is larger;
            where gaps have a price, of `priced_cost` from the least.
        shocks: every shock, in the order of the instance; where there are many, most are summary lines without flows.
        services: by segment, its weakest period over all shocks.
        price_of_survival: total cost less that of the same instance without shocks, 0 within a millionth of the total
            cost; None where it was not computed.
        calm_cost: total cost of the same instance without shocks; None where it was not computed.
        calm_builds: options that the no-shock plan buys.
        no_shock: the no-shock plan, whose cost is `calm_cost`, with its operation; None where it is not known.
        nothing: the shortage under the do-nothing plan.
        costs: present value by part; they add to `total_cost`.
        outlays: by calendar year, as text (``"2026"``).
        shares: by commodity, the shares of regions in its production, in the first and the last year.
        binding: the binding limits, the largest shadow price first.
        clash: the rules that contradict each other, where no plan exists.
        notes: what the user should know about this run.
        audit: rows checked, and the largest disagreement relative to its row.
        seconds: load, build, solver, total.
        data: the instance itself.
        endured: by rule `min_time_to_survive` and year, flows over the required months that keep every floor.
        comments: comments of the instance file: `place` (a list of keys), `value` there, `text`.
        adversary: the one that the plan was made against, None without one. Its attacks are among the shocks; at each
            start the worst of them counts in `survival_gap`.
        lacks: by segment, what the baseline leaves unserved; none of those that are served in full.
        actual: recorded output of processes in some years, beside the baseline; in JSON where the instance has some.
        given: the name of the plan where it was given, not optimised; None else. Its operation is optimal, and no bound
            holds for other plans. Rules that it breaks are among the notes, and are not rules of `data`.
        bands: ranges of its figures over samples of the numbers that have a range; None where they were not computed.
    """

    total_cost: float
    outlay: float
    survival_gap: float
    worst_gap: float
    bound: float | None
    gap_bound: float | None
    mip_gap: float | None
    plan: Plan
    baseline: Flows | None
    shocks: tuple[Outcome, ...]
    services: Mapping[str, Weakest]
    price_of_survival: float | None
    calm_cost: float | None
    calm_builds: tuple[str, ...]
    nothing: Nothing | None
    costs: Mapping[str, float]
    outlays: Mapping[str, float]
    shares: Mapping[str, tuple[SourceShare, ...]]
    binding: tuple[Price, ...]
    clash: tuple[str, ...]
    notes: tuple[str, ...]
    audit: Mapping[str, Any]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    periods: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)
    endured: Mapping[str, Flows] = field(default_factory=dict, repr=False)
    comments: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    adversary: Faced | None = None
    lacks: Mapping[str, Lack] = field(default_factory=dict)
    actual: tuple[ActualOutput, ...] = ()
    no_shock: NoShockPlan | None = field(default=None, repr=False)
    given: str | None = None
    bands: Bands | None = None

    @property
    def survives(self) -> bool:
        """Whether the plan keeps every floor in every shock, but for samples that may fail."""
        return self.baseline is not None and not any(outcome.fails for outcome in self.shocks)

    @property
    def shocks_survived(self) -> tuple[str, ...]:
        """The shocks in which the plan keeps every floor."""
        return tuple(outcome.name for outcome in self.shocks if outcome.survives)

    @property
    def has_priced_gaps(self) -> bool:
        """Whether floors may be missed where keeping them costs more (`policy.gap_price`); no gap is then the least."""
        return self.data.get("policy", {}).get("gap_price") is not None

    @property
    def priced_cost(self) -> float:
        """Total cost with the price of gaps where they have one, which is least; money in present value."""
        return self.total_cost + (self.data.get("policy", {}).get("gap_price") or 0.0) * self.survival_gap

    @property
    def binding_saves(self) -> str:
        """What the steps of `binding` save (cost, gap, or cost and gap at its price)."""
        return "cost" if self.survival_gap == 0 else "cost and gap" if self.has_priced_gaps else "gap"

    @property
    def sample_counts(self) -> tuple[SampleCount, ...]:
        """The ensembles of which only a share has to be survived, and how many of their samples are."""
        found = []
        for name, spec in self.data.get("ensembles", {}).items():
            if spec.get("survive") is not None:
                own = [outcome.survives for outcome in self.shocks if outcome.name.rpartition("#")[0] == name]
                found.append(SampleCount(name, sum(own), len(own), least_whole(spec["survive"] * len(own))))
        return tuple(found)

    @property
    def required_samples(self) -> Mapping[str, int]:
        """By ensemble of which only a share has to be survived, how many of its samples."""
        return {each.ensemble: each.required for each in self.sample_counts}

    __eq__ = SavedPlan.equals

    def __repr__(self) -> str:
        if self.baseline is None:
            rules = "; ".join(self.clash) or "its rules contradict each other"
            why = "the search was stopped before it had one" if self.status == "stopped" else rules
            return f"<Result {self.title!r}: {self.status}, no plan: {why}>"
        survived = sum(outcome.survives for outcome in self.shocks)
        money = self.money
        figures = {"total cost": self.total_cost, "outlay": self.outlay, "worst gap": self.worst_gap}
        amounts = ", ".join(f"{name} {si(value, money)}" for name, value in figures.items())
        return f"<Result {self.title!r}: {self.status}, {survived} of {len(self.shocks)} shocks survived; {amounts}>"

    def _repr_html_(self) -> str:
        """The plan in a notebook."""
        return str(import_module("optimizer.report.notebook").result_html(self))

    @cached_property
    def frames(self) -> Frames:
        """All tables, each a pandas frame by its name.

        They are builds, stock, purchased, survival, services, dependence, yearly_dependence, costs (no parts of 0),
        outlays, limits, actual, commitments, bands, bought_in_samples, and flows; each with an index and names, and
        in ``attrs`` units, labels and forms. Attributes: builds, stock, survival, flows and dependence are frames;
        costs, outlays and services are mappings, actual is a tuple, and bands one value, or None.
        """
        # Frames need the prices of options, whose package lies above `results`: imported when first read.
        made: Frames = import_module("optimizer.studies.frames").result_frames(self)
        return made

    @property
    def builds(self) -> "pd.DataFrame":
        """One row a build, and one a stockpile, with lever, when it is on line, size, money.

        Money is undiscounted and of all years (by year: `outlays`). `capex` is capex and fixed cost, of a stockpile
        all purchases (the part `capex` of `costs` has the money per unit of size only); `spent` has the price `support`
        as well, and `outlay` is the part of that that counts towards the budget. Of a stockpile, `bought` is what is
        bought and `size` the largest stock, `year` that of the first purchase, `on_line` the last one.
        """
        return self.frames.builds

    @property
    def stock(self) -> "pd.DataFrame":
        """One row a period, one column a stockpile, t at the end of the period."""
        return self.frames.stock

    @property
    def survival(self) -> "pd.DataFrame":
        """One row a shock and segment, with floor, worst service, margin (shares), shortage and below floor (t), gap.

        `survives` is whether the floor holds. Of a segment that a summary line does not list only `shortage` is known.
        """
        return self.frames.survival

    @property
    def flows(self) -> "pd.DataFrame":
        """One row a path, flow, owner and period, in t; shocks kept as summary lines have none."""
        return self.frames.flows

    @property
    def dependence(self) -> "pd.DataFrame":
        """One row a commodity, year and region, with share of production and HHI (shares), production (t)."""
        return self.frames.dependence

    def to_dict(self, *, whole: bool = True) -> dict[str, Any]:
        """The JSON object documented in the manual; `whole` adds flows and the instance, as `plan.json` has them."""
        data: dict[str, Any] = as_plain(replace(self, solved_instance=None))
        data = {"instance": data.pop("title"), **data}
        data["shocks"] = _without_default(data["shocks"])
        data["nothing"] = _without_counted(data["nothing"])
        data |= write_commitments(self.data)
        absent = [part for part in OPTIONAL if data[part] in (None, ())]
        _drop(data, [*INTERNAL, *absent])
        plan = data.pop("plan")
        data |= {"survives": self.survives, "builds": list(plan["builds"]), "dependence": data.pop("shares")}
        data |= {"stock": self._by_period(plan["stocks"]), "purchases": self._by_period(plan["fills"])}
        if self.baseline is None:
            data |= dict.fromkeys(FIGURES)
        services = [data["services"], *(outcome["segments"] for outcome in data["shocks"])]
        for segment in (segment for segments in services for segment in segments.values()):
            segment["margin"] = segment["worst_service"] - segment["floor"]
        if not whole:
            return _without_flows(data, self)
        if self.format >= FORMAT_OF_KEY[DIGEST]:
            data[DIGEST] = digest(data)
        return data

    def _by_period(self, rows: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
        return {o: dict(zip(self.periods, row, strict=True)) for o, row in rows.items()}

    @classmethod
    def _check_form(cls, data: Mapping[str, Any]) -> None:
        if data.get("format") not in PLAN_FILE_FORMATS or isinstance(data["format"], bool):
            read = " or ".join(map(str, PLAN_FILE_FORMATS))
            raise PlanFileError(
                f"not a plan file of this version: its format is {data.get('format')}, not {read}. {SOLVE_AGAIN}"
            )

    @classmethod
    def _restored(cls, data: Mapping[str, Any]) -> "Result":
        return _restore(data)

    @classmethod
    def _own_part(cls, data: Mapping[str, Any], path: str | FilePath) -> Mapping[str, Any]:
        return _only_future(data, path) if is_of_futures(data) else data


def require_result(given: object, kind: Any = SavedPlan) -> None:
    """Raise TypeError where something else than a result of a kind is given, with the functions that return one.

    The kind is a class, or such as ``Result | None``; of one future or of several where it is left out.
    """
    if not isinstance(given, kind):
        what = (get_args(kind) or (Result if kind is SavedPlan else kind,))[0].__name__
        maker, needed = "solve" if what == "Result" else "solve_futures", f"a {what} is needed"
        cure = f"{maker} returns one, {what}.load reads a saved one from a file"
        raise TypeError(f"{needed}, not {type(given).__name__}: {cure}")


def require_plan(result: Result) -> None:
    """Raise PlanFileError where a result holds no plan, with the reason."""
    require_result(result, Result)
    if result.baseline is None:
        why = "no plan exists" if result.status == "none" else "the search was stopped before there was one"
        raise PlanFileError(f"there is no plan to evaluate: {why}")


def _only_future(data: Mapping[str, Any], path: str | FilePath) -> Mapping[str, Any]:
    """The plan of the one future that there is, as of an instance without questions."""
    names = [str(each["name"]) for each in data["futures"]]
    if not names:
        raise PlanFileError(f"{path} holds no plan: its status is {data.get('status')}")
    if len(names) > 1:
        more = " …" if len(names) > SHOWN_FUTURES else ""
        what = f"{path} holds a plan of {len(names)} futures, and the plan of one is needed"
        raise PlanFileError(f"{what}: choose it by --future, one of {', '.join(names[:SHOWN_FUTURES])}{more}")
    only: Mapping[str, Any] = data["futures"][0]["result"]
    return only


def _without_default(outcomes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Shocks that say that they are excused only where they are, and what goes unserved only where they are lines."""
    left_out = {"excused": False, "unserved": None}
    return [{key: value for key, value in each.items() if key not in left_out or value is not left_out[key]}
            for each in outcomes]  # fmt: skip


def _without_counted(nothing: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The do-nothing plan with what counts of it only where samples may fail."""
    if nothing is None:
        return None
    counted = _without_counted(nothing["counted"])
    return {**nothing, "counted": counted} if counted else {k: v for k, v in nothing.items() if k != "counted"}


def _drop(data: dict[str, Any], parts: Iterable[str]) -> None:
    for part in parts:
        data.pop(part)


def _without_flows(data: dict[str, Any], result: Result) -> dict[str, Any]:
    """What is printed: neither flows nor the instance, of which the budget, and of what a step saves."""
    data["budget"] = result.data.get("policy", {}).get("budget")
    data["binding"] = [{**each, "of": result.binding_saves} for each in data["binding"]]
    _drop(data, ("baseline", "data", "endured", "comments"))
    for holder, part in ((data["no_shock"], "baseline"), *((outcome, "flows") for outcome in data["shocks"])):
        if holder is not None:
            holder.pop(part)
    return data


class _Audited(TypedDict):
    ok: bool
    rows: int
    worst: float


class _Seconds(TypedDict):
    solver: float
    total: float


class _Step(TypedDict, total=False):
    round: int | None


class _Comment(TypedDict):
    place: list[str | int]
    text: str


class _Record(TypedDict):
    """What readers show of the parts that `verify` does not recompute (`saved.NOT_EVIDENCE`)."""

    audit: _Audited
    seconds: _Seconds
    history: list[_Step]
    comments: NotRequired[list[_Comment]]


@cache
def _adapters() -> tuple[TypeAdapter[Result], TypeAdapter[_Record]]:
    return TypeAdapter(Result), TypeAdapter(_Record)


def _restore(data: Mapping[str, Any]) -> Result:
    periods = data["periods"]
    paths = {key: {o: [row[p] for p in periods] for o, row in data[key].items()} for key in ("stock", "purchases")}
    known = {part.name for part in fields(Result)} - INTERNAL - {"title"} | {"instance"}
    made: dict[str, Any] = {name: data[name] for name in known if name in data}
    made["plan"] = {"builds": data["builds"], "fills": paths["purchases"], "stocks": paths["stock"]}
    made["shares"] = data["dependence"]
    if not all({"place", "value", "text"} == comment.keys() for comment in data.get("comments", ())):
        raise ValueError("a comment lacks its place, value or text, or has other keys")
    # Where there is no plan there are no figures: JSON says null.
    made |= {figure: math.nan for figure in FIGURES if data[figure] is None and data["baseline"] is None}
    check_record(data)
    return _adapters()[0].validate_python(made)


def check_record(data: Mapping[str, Any]) -> None:
    """Refuse a record of a run that readers cannot show.

    Raises:
        ValidationError: a part of it has another shape.
    """
    _adapters()[1].validate_python(data)
