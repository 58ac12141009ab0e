"""Result: a plan, its operation, its outcome in every shock, and the proof; to and from JSON.

The module also defines how the worst of several services, shocks or gaps is selected: one rule each, with its ties.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from importlib import import_module
from itertools import chain
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from optimizer.errors import PlanFileError, SeveralFuturesError
from optimizer.results.frames import Frames
from optimizer.results.plan import (
    ActualOutput,
    Array,
    DoNothing,
    Faced,
    Flows,
    Lack,
    NoShockPlan,
    Outcome,
    Plan,
    Price,
    SampleCount,
    Service,
    SourceShare,
    Weakest,
    as_plain,
)
from optimizer.results.saved import (
    DIGEST,
    FORMAT_OF_KEY,
    PLAN_FILE_FORMATS,
    SOLVE_AGAIN,
    Bands,
    SavedPlan,
    check_record,
    digest,
    is_of_futures,
    write_commitments,
)
from optimizer.tolerances import NEGLIGIBLE, ROUNDING, SAME_VALUE
from optimizer.units import least_whole, si

if TYPE_CHECKING:
    import pandas as pd


# Margins that differ by less than this share of demand are equal; half of the tolerance, since both may have an error.
SAME_MARGIN = NEGLIGIBLE / 2
# Offset between the classes of `rank`; margins lie between -1 and 1, so that classes do not overlap.
RANK_STEP = 2.0


def rank(margins: Array, served: Array) -> Array:
    """Return the rank of services, one number each; the smallest is the weakest.

    1. Demand goes unserved and there is a floor: by margin, so that services below their floors come first.
    2. Demand goes unserved and there is no floor: by the share served.
    3. All demand is served (to within `NEGLIGIBLE` of it): by margin, which then only reflects the floor.

    Args:
        margins: service minus floor, shares of demand.
        served: shares of demand that are served or substituted, of the same shape.
    """
    has_floor, is_full = served - margins > NEGLIGIBLE, served >= 1.0 - NEGLIGIBLE
    return margins + RANK_STEP * np.where(is_full, 2.0, np.where(has_floor, 0.0, 1.0))


def weakest(margins: Array, served: Array, axis: int) -> npt.NDArray[np.intp]:
    """Return the index of the weakest service along an axis: least `rank` within `SAME_MARGIN`, then least served.

    This rule selects the worst period of a segment in a shock, the worst shock of a segment, and the worst segment of a
    shock. If floors bind, many margins are 0 apart from rounding, so that the share served decides between them. Of
    services that are equal in both, the first is selected.
    """
    ranks = rank(margins, served)
    near = np.where(ranks <= ranks.min(axis=axis, keepdims=True) + SAME_MARGIN, served, np.inf)
    return np.argmax(near <= near.min(axis=axis, keepdims=True) + SAME_MARGIN, axis=axis)


def weakest_of(services: Sequence[Service]) -> int:
    """Return the index of the weakest service."""
    return int(weakest(*_arrays(services), axis=0))


def weakness(services: Sequence[Service]) -> tuple[float, float]:
    """Return the key that sorts shocks from weakest on: `rank` and share served of the weakest of its services."""
    if not services:
        return (np.inf, np.inf)
    found = services[weakest_of(services)]
    return round(float(rank(*_arrays([found]))[0]), 6), round(found.worst_service, 6)


def _arrays(services: Sequence[Service]) -> tuple[Array, Array]:
    margins, served = (np.array([getattr(each, name) for each in services]) for name in ("margin", "worst_service"))
    return margins, served


def first_largest(gaps: Sequence[float]) -> int | None:
    """Return the index of the largest gap, the first of equals up to rounding; None if no gap is above 0."""
    largest = max(gaps, default=0.0)
    return next((i for i, gap in enumerate(gaps) if gap >= largest * (1.0 - ROUNDING)), None) if largest > 0 else None


def by_gap(gaps: Sequence[float]) -> list[int]:
    """Return indices sorted from the largest gap on; equal gaps keep their order, so that `first_largest` is first."""
    places = sorted(range(len(gaps)), key=lambda i: -gaps[i])
    groups: list[list[int]] = []
    for i in places:
        if groups and gaps[i] >= gaps[groups[-1][0]] * (1.0 - ROUNDING):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [i for group in groups for i in sorted(group)]


def hardest_of(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Sort shocks from the largest gap on; all texts name the worst shock by this rule.

    Excused samples, whose gaps do not count, come after the shocks with a gap.
    """
    some = list(outcomes)
    ordered = [some[i] for i in by_gap([outcome.gap for outcome in some])]
    return sorted(ordered, key=lambda outcome: outcome.excused or outcome.gap <= 0.0)


def worst_at_each_start(faced: Faced, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the worst attack at each start, by gap, then by whether it fails; the worst of all first."""
    known, worst = {outcome.name: outcome for outcome in outcomes}, dict[str, Outcome]()
    attacks = sorted((known[name] for name in faced.attacks if name in known), key=lambda each: not each.fails)
    for i in by_gap([outcome.gap for outcome in attacks]):
        worst.setdefault(attacks[i].first, attacks[i])
    return list(worst.values())


def price_of_survival(cost: float, no_shock_cost: float | None) -> float | None:
    """Return the cost of a plan minus that of the no-shock plan, present value; None if the latter is unknown.

    A difference within `SAME_VALUE` of the cost is 0, since two searches may find one cost with different last digits.
    """
    if no_shock_cost is None:
        return None
    return cost - no_shock_cost if abs(cost - no_shock_cost) > SAME_VALUE * abs(cost) else 0.0


# Largest number of futures that a message lists as choices.
SHOWN_FUTURES = 6
# Attributes that are never written to a file.
INTERNAL = frozenset({"departures", "solved_instance"})
# Attributes that are left out of a file if they are empty.
OPTIONAL = ("given", "actual", "bands", "changes")
# Figures that are NaN without a plan, null in JSON.
RESULT_FIGURES = ("total_cost", "outlay", "survival_gap", "worst_gap")


@dataclass(frozen=True, eq=False)
class Result(SavedPlan):
    """A plan with its costs, operation, outcomes and proof; money in units of the instance's currency, amounts in t.

    Attributes:
        title: title of the instance, `instance` in JSON; the instance itself is `solved_instance`.
        total_cost: present value of all costs; what is minimised, unless gaps have a price (`priced_cost`). It and the
            next three figures are NaN if there is no plan, null in JSON.
        outlay: money that counts towards the budget, undiscounted.
        survival_gap: shortage below the floors, at `shortage_cost`, summed over all shocks; excused samples
            (`Outcome.excused`) do not count.
        worst_gap: the largest survival gap of a single shock; excused samples do not count.
        bound: proven lower bound on `total_cost` of plans that leave no larger gap; None if none is known.
        gap_bound: proven lower bound on `survival_gap`; None if none is known, or gaps have a price.
        mip_gap: relative distance of `total_cost` from its bound, or of the gap from its own bound if that is larger;
            if gaps have a price, of `priced_cost` from its bound.
        plan: the purchases; empty if there is no plan.
        baseline: operation without any shock; None if there is no plan.
        shocks: every shock, in the order of the instance; if there are many, most are summary lines without flows.
        services: by segment, its weakest period over all shocks.
        price_of_survival: total cost minus that of the same instance without shocks, 0 within a millionth of the total
            cost; None if it was not computed.
        calm_cost: total cost of the same instance without shocks; None if it was not computed.
        calm_builds: options that the no-shock plan buys.
        no_shock: the no-shock plan, whose cost is `calm_cost`, with its operation; None if it is unknown.
        nothing: the shortage under the do-nothing plan.
        costs: present value by part; the parts sum to `total_cost`.
        outlays: outlay by calendar year, as text (``"2026"``).
        shares: by commodity, the shares of regions in its production, in the first and the last year.
        binding: the binding limits, the largest shadow price first.
        clash: the rules that contradict each other, if no plan exists.
        notes: remarks for the user about this run.
        audit: whether all rows agree, their number, the largest deviation relative to its row, and the disagreements.
        seconds: run time by part, s (load, build, solver, total).
        versions: of the package, the solver and Python.
        settings: fields of `Settings`, with names of 0.1.0: `gap` is `mip_gap`, and `strategy` is ``whole`` (extensive
            form), ``scenarios`` (constraint generation) or ``cuts`` (Benders).
        history: the steps of the search, each with fields of `Progress`.
        periods: the labels of all periods.
        data: the instance as a mapping, with the budget and the scenario that were solved.
        endured: by rule `min_time_to_survive` and year, flows over the required months that keep every floor.
        comments: of the instance file, each with `place` (a list of keys), `value` there, and `text`; none by `solve`.
        adversary: the adversary that the plan was made against; None without one. Its attacks are among the shocks; the
            worst of them at each start counts in `survival_gap`.
        lacks: by segment, its unserved demand in the baseline; segments that are served in full are left out.
        actual: actual outputs of processes, with those of the baseline; in JSON only if the instance has some.
        given: name of the plan if it was given, not optimised; otherwise None. Its operation is optimal, and no bound
            holds for other plans. Rules that it breaks are among the notes, and are not rules of `data`.
        bands: ranges of the figures over samples of the uncertain numbers; None if they were not computed.
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
    nothing: DoNothing | None
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
        """Whether the plan keeps every floor in every shock, apart from excused samples."""
        return self.baseline is not None and not any(outcome.fails for outcome in self.shocks)

    @property
    def shocks_survived(self) -> tuple[str, ...]:
        """The shocks in which the plan keeps every floor."""
        return tuple(outcome.name for outcome in self.shocks if outcome.survives)

    @property
    def has_priced_gaps(self) -> bool:
        """Whether gaps have a price (`policy.gap_price`), so that cost and gap are minimised together."""
        return self.data.get("policy", {}).get("gap_price") is not None

    @property
    def priced_gap(self) -> float:
        """The survival gap times its price, undiscounted, money; 0 if gaps have no price."""
        return (self.data.get("policy", {}).get("gap_price") or 0.0) * self.survival_gap

    @property
    def priced_cost(self) -> float:
        """Total cost in present value plus the gaps at their price, undiscounted, the sum that is minimised, money."""
        return self.total_cost + self.priced_gap

    @property
    def priced_bound(self) -> float:
        """Proven lower bound on `priced_cost`; −∞ if none is known."""
        return -math.inf if self.bound is None else min(self.bound, self.total_cost) + self.priced_gap

    @property
    def binding_saves(self) -> str:
        """Figure that the steps of `binding` reduce ("cost", "gap", or "cost and gap" at its price)."""
        return "cost" if self.survival_gap == 0 else "cost and gap" if self.has_priced_gaps else "gap"

    @property
    def sample_counts(self) -> tuple[SampleCount, ...]:
        """Numbers of samples survived and required, of ensembles of which only a share must be survived."""
        found = []
        for name, spec in self.data.get("ensembles", {}).items():
            if spec.get("survive") is not None:
                own = [outcome.survives for outcome in self.shocks if outcome.name.rpartition("#")[0] == name]
                found.append(SampleCount(name, sum(own), len(own), least_whole(spec["survive"] * len(own))))
        return tuple(found)

    @property
    def required_samples(self) -> Mapping[str, int]:
        """Number of samples to survive, by ensemble of which only a share must be survived."""
        return {each.ensemble: each.required for each in self.sample_counts}

    def __repr__(self) -> str:
        if self.baseline is None:
            rules = "; ".join(self.clash) or "its rules contradict each other"
            why = "the search was stopped before it had one" if self.status == "stopped" else rules
            return f"<Result {self.title!r}: {self.status}, no plan: {why}>"
        survived = sum(outcome.survives for outcome in self.shocks)
        money = self.money
        figures = {"total cost": self.total_cost, "outlay": self.outlay, "worst gap": self.worst_gap}
        amounts = ", ".join(f"{name} {si(value, money)}" for name, value in figures.items())
        excused = sum(outcome.excused for outcome in self.shocks)
        kept = f"{survived} of {len(self.shocks)} shocks survived" + f", {excused} allowed to fail" * (excused > 0)
        return f"<Result {self.title!r}: {self.status}, {kept}; {amounts}>"

    def _repr_html_(self) -> str:
        """Return the HTML of the plan for a notebook."""
        return str(import_module("optimizer.report.notebook").result_html(self))

    @cached_property
    def frames(self) -> Frames:
        """All tables, each a pandas frame by its name.

        They are builds, stock, purchased, survival, services, dependence, yearly_dependence, costs (no parts of 0),
        outlays, limits, actual, commitments, bands, bought_in_samples, and flows; each has an index and names, and
        units, labels and forms in ``attrs``. As attributes of the result, builds, stock, survival, flows and dependence
        are frames, costs, outlays and services mappings, actual is a tuple, and bands one value or None.
        """
        # Frames need prices of options from a package above `results`, which is therefore imported on first use.
        made: Frames = import_module("optimizer.studies.frames").result_frames(self)
        return made

    @property
    def builds(self) -> "pd.DataFrame":
        """One row per build and per stockpile, with lever, period on line, size and money.

        Money is undiscounted and summed over all years (by year: `outlays`). `capex` is capex and fixed cost, for a
        stockpile all purchases (the part `capex` of `costs` has only the money per unit of size). `spent` adds the
        price `support`, and `outlay` is the part of `spent` that counts towards the budget. For a stockpile, `bought`
        is the amount bought, `size` the largest stock, `year` that of the first purchase, and `on_line` the last one.
        """
        return self.frames.builds

    @property
    def stock(self) -> "pd.DataFrame":
        """One row per period and one column per stockpile, t at the end of the period."""
        return self.frames.stock

    @property
    def survival(self) -> "pd.DataFrame":
        """One row per shock and segment, with floor, worst service, margin (shares), shortage, below floor (t), gap.

        `survives` is whether the floor holds. A segment that a summary line lacks keeps its floor; its floor, worst
        service, margin and periods are not recorded, and are empty. `first`, `last` (window), `probability`, `excused`,
        `cost` and `baseline_cost` (present value in the window, in the shock and without any) are of the whole shock.
        """
        return self.frames.survival

    @property
    def flows(self) -> "pd.DataFrame":
        """One row per path, flow, owner and period, in t; shocks kept as summary lines have none."""
        return self.frames.flows

    @property
    def dependence(self) -> "pd.DataFrame":
        """One row per commodity, region and each of the first and the last year; `frames.yearly_dependence` has all.

        It has the share of production and HHI (shares), and production (t/yr).
        """
        return self.frames.dependence

    def to_dict(self, *, whole: bool = True) -> dict[str, Any]:
        """Return the JSON object documented in the manual; `whole` adds flows and the instance, as in `plan.json`."""
        data: dict[str, Any] = as_plain(replace(self, solved_instance=None))
        data = {"instance": data.pop("title"), **data}
        data["shocks"] = _without_default(data["shocks"])
        data["nothing"] = _without_counted(data["nothing"])
        data |= write_commitments(self.data)
        absent = [part for part in OPTIONAL if data[part] in (None, ())]
        for part in (*INTERNAL, *absent):
            data.pop(part)
        plan = data.pop("plan")
        data |= {"survives": self.survives, "builds": list(plan["builds"]), "dependence": data.pop("shares")}
        data |= {"stock": self._by_period(plan["stocks"]), "purchases": self._by_period(plan["fills"])}
        if self.baseline is None:
            data |= dict.fromkeys(RESULT_FIGURES)
        services = [data["services"], *(outcome["segments"] for outcome in data["shocks"])]
        for segment in chain.from_iterable(segments.values() for segments in services):
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
            what = f"not a plan file of this version: its format is {data.get('format')}, not {read}"
            raise PlanFileError(f"{what}. {SOLVE_AGAIN}")

    @classmethod
    def _restored(cls, data: Mapping[str, Any]) -> "Result":
        periods = data["periods"]
        paths = {key: {o: [row[p] for p in periods] for o, row in data[key].items()} for key in ("stock", "purchases")}
        known = {part.name for part in fields(Result)} - INTERNAL - {"title"} | {"instance"}
        made: dict[str, Any] = {name: data[name] for name in known if name in data}
        made["plan"] = {"builds": data["builds"], "fills": paths["purchases"], "stocks": paths["stock"]}
        made["shares"] = data["dependence"]
        if not all({"place", "value", "text"} == comment.keys() for comment in data.get("comments", ())):
            raise ValueError("a comment lacks its place, value or text, or has other keys")
        # Without a plan, figures are null in JSON and NaN here.
        made |= {figure: math.nan for figure in RESULT_FIGURES if data[figure] is None and data["baseline"] is None}
        check_record(data)
        return _adapter().validate_python(made)

    @classmethod
    def _own_part(cls, data: Mapping[str, Any], path: str | FilePath) -> Mapping[str, Any]:
        """Return the only future's result if the data are of a futures plan file; PlanFileError if there is not one."""
        if not is_of_futures(data):
            return data
        names = [str(each["name"]) for each in data["futures"]]
        if not names:
            raise PlanFileError(f"{path} holds no plan: its status is {data.get('status')}")
        if len(names) > 1:
            some = ", ".join(names[:SHOWN_FUTURES]) + " …" * (len(names) > SHOWN_FUTURES)
            cure = f"choose it by --future, one of {some}; in Python, by FuturesResult.load(path).future(name).result"
            what = f"{path} holds a plan of {len(names)} futures, and the plan of one is needed"
            raise SeveralFuturesError(f"{what}: {cure}")
        return dict(data["futures"][0]["result"])


def require_result(given: object, kind: Any = SavedPlan) -> None:
    """Raise TypeError if a value is not a result of the kind; the message names the functions that return one.

    The kind is a class, or a union such as ``Result | None``; by default, a result of one future or of several.
    """
    if not isinstance(given, kind):
        what = (get_args(kind) or (Result if kind is SavedPlan else kind,))[0].__name__
        cure = "take that of one future, .future(name).result"
        if what != "Result" or not isinstance(given, SavedPlan):
            cure = f"{'solve' if what == 'Result' else 'solve_futures'} returns one, {what}.load reads one from a file"
        raise TypeError(f"a {what} is needed, not {type(given).__name__}: {cure}")


def require_plan(result: Result) -> None:
    """Raise PlanFileError, with the reason, if a result holds no plan."""
    require_result(result, Result)
    if result.baseline is None:
        why = "no plan exists" if result.status == "none" else "the search was stopped before there was one"
        raise PlanFileError(f"there is no plan to evaluate: {why}")


def _without_default(outcomes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return shocks for JSON with `excused` only if true, and `unserved` only if it is not None."""
    left_out = {"excused": False, "unserved": None}
    return [{key: value for key, value in each.items() if key not in left_out or value is not left_out[key]}
            for each in outcomes]  # fmt: skip


def _without_counted(nothing: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the do-nothing figures for JSON, with `counted` only if samples may fail."""
    if nothing is None:
        return None
    counted = _without_counted(nothing["counted"])
    return {**nothing, "counted": counted} if counted else {k: v for k, v in nothing.items() if k != "counted"}


def _without_flows(data: dict[str, Any], result: Result) -> dict[str, Any]:
    """Remove flows and instance from the JSON object; add the budget, and the figure that steps of limits reduce."""
    data["budget"] = result.data.get("policy", {}).get("budget")
    if result.has_priced_gaps and result.baseline is not None:
        data["priced_cost"] = result.priced_cost
    data["binding"] = [{**each, "of": result.binding_saves} for each in data["binding"]]
    own = [(data, part) for part in ("baseline", "data", "endured", "comments")]
    for holder, part in (*own, (data["no_shock"], "baseline"), *((outcome, "flows") for outcome in data["shocks"])):
        if holder is not None:
            holder.pop(part)
    return data


@cache
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)
