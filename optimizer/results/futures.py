"""Result of an instance with several futures: decisions before the first answer, and those after each answer.

FuturesResult    the plan of all futures: its measure, its bound, its decisions
FutureResult     one future under the plan, with a result of its own
Decision         one purchase, and the futures in which it is made
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from importlib import import_module
from typing import Any, ClassVar

from pydantic import TypeAdapter

from optimizer.errors import PlanFileError
from optimizer.files import finite_or_none
from optimizer.results.frames import Frames
from optimizer.results.plan import as_plain
from optimizer.results.result import Result
from optimizer.results.saved import (
    DIGEST,
    FORMAT,
    SOLVE_AGAIN,
    SavedPlan,
    check_record,
    digest,
    is_of_futures,
    write_commitments,
)
from optimizer.tolerances import ROUNDING
from optimizer.units import si

# Fields that the JSON object holds unchanged, in this order.
UNCHANGED_FIELDS = (
    "format", "currency", "status", "survives", "measure", "total_cost", "expected_cost", "survival_gap",
    "worst_cost", "worst_future", "best_cost", "best_future", "worst_gap", "outlay", "bound", "gap_bound", "mip_gap",
    "price_of_survival", "first_question", "are_probabilities_given", "clash", "notes", "audit", "seconds", "versions",
    "settings", "history",
)  # fmt: skip
# Figures that are NaN without a plan, null in JSON.
FUTURES_FIGURES = ("total_cost", "expected_cost", "survival_gap", "worst_gap", "outlay")
# Figures that the JSON object has only where they are known: with a price of gaps, and of a CVaR.
OPTIONAL_FIGURES = ("priced_cost", "cvar", "value_at_risk")


@dataclass(frozen=True)
class Decision:
    """One purchase, with the futures that make it and cannot be distinguished at that time."""

    # The option that is bought, and its kind.
    option: str
    kind: str
    # Index, calendar year and label of the period of the purchase.
    t: int
    year: int
    period: str
    size: float  # in the option's own unit; for a stockpile, t bought in the period
    opened: bool  # whether the purchase opens a fixed-charge option
    futures: tuple[str, ...]  # names of the futures
    is_stock: bool = False  # whether it is a purchase of a stockpile
    paid: tuple[float, ...] = ()  # money, undiscounted, in the order of `futures`, whose prices may differ


@dataclass(frozen=True)
class FutureResult:
    """One future under the plan."""

    name: str  # its branches, ``late.tighten``
    probability: float  # probability of the future
    answers: tuple[tuple[str, str, str], ...]  # question, branch, and period from which the answer is known
    result: Result = field(repr=False)  # result of the future as an instance of its own: plan, cost, shocks, audit
    least_cost: float | None = None  # cost of the future's informed plan; None if unknown
    least_bound: float | None = None  # proven lower bound of `least_cost`; None if unknown
    # Cost minus the least cost, including priced gaps; None if the least cost is unknown.
    regret: float | None = None

    @property
    def cost(self) -> float:
        """Total cost of the future, present value, expected over its shocks."""
        return self.result.total_cost

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the future for JSON, without the plan."""
        return {
            "name": self.name,
            "probability": self.probability,
            "answers": {question: {"branch": branch, "from": period} for question, branch, period in self.answers},
            "cost": self.cost,
            "outlay": self.result.outlay,
            "gap": self.result.survival_gap,
            "survives": self.result.survives,
            "least_cost": self.least_cost,
            "least_bound": self.least_bound,
            "regret": self.regret,
        }


@dataclass(frozen=True, eq=False)
class FuturesResult(SavedPlan):
    """A plan for several futures, or for a measure other than expected cost.

    It has the attributes of every saved plan, and ``survives`` if every future does.

    Attributes:
        measure: name of the objective that was minimised.
        total_cost: value of the measure, present value, which is no cost if the measure is a regret; it and the next
            four figures are NaN if there is no plan.
        priced_cost: value of the measure with gaps at their price (`policy.gap_price`), which is what is minimised;
            `total_cost` if gaps have no price. NaN without a plan, and for priced gaps of plan files written before.
        cvar: conditional value at risk of the costs without gaps, present value; None for other measures. `total_cost`
            is (1 − weight) · `expected_cost` + weight · `cvar`.
        value_at_risk: threshold of its tail: the least cost that is exceeded with a probability of 1 − α at most.
        expected_cost: expected cost over all futures and their shocks, present value.
        survival_gap: expected survival gap over the futures.
        worst_gap: survival gap of the worst single shock in any future.
        outlay: expected outlay, undiscounted.
        bound: proven lower bound on `total_cost`, None if none is known; if gaps have a price, `total_cost` minus the
            unproven part of the measure including priced gaps.
        gap_bound: proven lower bound on `survival_gap`; None if none is known, or gaps have a price.
        mip_gap: relative distance from the bound, or of the gap from its own bound if that is larger; if gaps have a
            price, of the measure including priced gaps.
        futures: the futures, in the order of the file.
        decisions: purchases in the order of time, each with the futures in which it is made.
        first_question: label of the period from which the first answer is known; None without questions.
        price_of_survival: expected cost minus that of the same futures without shocks, 0 within a millionth of the
            expected cost; None if it was not computed.
        are_probabilities_given: whether the file states probabilities; otherwise they are equal.
        clash: rules that contradict each other, with their futures, if no plan exists.
        audit: number of rows checked, and the largest disagreement relative to its row.
        notes: remarks for the user about this run.
        seconds: run time by part, s.
        versions: of the package, the solver and Python.
        settings: as those of `Result`.
        history: the steps of the search, likewise.
        periods: the labels of all periods.
        data: the instance with its questions, as a mapping.
    """

    UNSENT: ClassVar[frozenset[str]] = SavedPlan.UNSENT | {"decided_first"}

    measure: str
    are_probabilities_given: bool
    notes: tuple[str, ...]
    audit: Mapping[str, Any]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    periods: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)
    total_cost: float = math.nan
    expected_cost: float = math.nan
    survival_gap: float = math.nan
    worst_gap: float = math.nan
    outlay: float = math.nan
    bound: float | None = None
    gap_bound: float | None = None
    mip_gap: float | None = None
    futures: tuple[FutureResult, ...] = ()
    decisions: tuple[Decision, ...] = ()
    first_question: str | None = None
    price_of_survival: float | None = None
    clash: tuple[str, ...] = ()
    priced_cost: float = math.nan
    cvar: float | None = None
    value_at_risk: float | None = None

    @property
    def has_priced_gaps(self) -> bool:
        """Whether gaps have a price (`policy.gap_price`), so that the measure and the gap are minimised together."""
        return self.data.get("policy", {}).get("gap_price") is not None

    @property
    def survives(self) -> bool:
        """Whether the plan keeps every floor in every shock of every future, apart from excused samples."""
        return bool(self.futures) and all(each.result.survives for each in self.futures)

    @cached_property
    def frames(self) -> Frames:
        """All tables, each a pandas frame by its name (decisions, futures, commitments).

        `decisions` has a row for each order and the branches that make it.
        """
        # Frames need the units of options from a package above `results`, which is therefore imported on first use.
        made: Frames = import_module("optimizer.studies.frames").futures_frames(self)
        return made

    @property
    def worst(self) -> FutureResult:
        """The future with the highest cost, the first one of equals.

        Raises:
            PlanFileError: there is no plan; `worst_cost` is then None.
        """
        self._require_futures()
        most = max(each.cost for each in self.futures)
        return next(each for each in self.futures if each.cost >= most - ROUNDING * abs(most))

    @property
    def best(self) -> FutureResult:
        """The future with the lowest cost, the first one of equals.

        Raises:
            PlanFileError: there is no plan.
        """
        self._require_futures()
        least = min(each.cost for each in self.futures)
        return next(each for each in self.futures if each.cost <= least + ROUNDING * abs(least))

    def _require_futures(self) -> None:
        if not self.futures:
            raise PlanFileError(f"there is no plan: status {self.status}")

    @property
    def worst_cost(self) -> float | None:
        """The cost of the most expensive future; None if there is no plan."""
        return self.worst.cost if self.futures else None

    @property
    def worst_future(self) -> str | None:
        """The name of the most expensive future; None if there is no plan."""
        return self.worst.name if self.futures else None

    @property
    def best_cost(self) -> float | None:
        """The cost of the cheapest future; None if there is no plan."""
        return self.best.cost if self.futures else None

    @property
    def best_future(self) -> str | None:
        """The name of the cheapest future; None if there is no plan."""
        return self.best.name if self.futures else None

    def future(self, name: str) -> FutureResult:
        """Return the future of a name.

        Raises:
            KeyError: there is no future of that name.
        """
        found = next((each for each in self.futures if each.name == name), None)
        if found is None:
            raise KeyError(f"there is no future {name!r}; there are {', '.join(each.name for each in self.futures)}")
        return found

    def with_changes(self, changes: tuple[str, ...]) -> "FuturesResult":
        """Return the result with changes of its file set, in each of its futures as well."""
        if not changes:
            return self
        futures = (replace(each, result=replace(each.result, changes=changes)) for each in self.futures)
        return replace(self, changes=changes, futures=tuple(futures))

    @cached_property
    def decided_first(self) -> tuple[Decision, ...]:
        """The decisions before the first question is answered, which are equal in all futures."""
        names = {each.name for each in self.futures}
        before = self.periods.index(self.first_question) if self.first_question else len(self.periods)
        return tuple(each for each in self.decisions if each.t < before and set(each.futures) == names)

    def __repr__(self) -> str:
        if not self.futures:
            return f"<FuturesResult {self.title!r}: {self.status}, no plan: {'; '.join(self.clash)}>"
        survived = sum(each.result.survives for each in self.futures)
        cost = si(self.total_cost, self.money)
        return (
            f"<FuturesResult {self.title!r}: {self.status}, {survived} of {len(self.futures)} futures survived; "
            f"{self.measure} {cost}>"
        )

    def _repr_html_(self) -> str:
        """Return the HTML of the plan for a notebook."""
        return str(import_module("optimizer.report.notebook").futures_html(self))

    def to_dict(self, *, whole: bool = True) -> dict[str, Any]:
        """Return the JSON object documented in the manual; `whole` adds each future's own result and the instance."""
        data: dict[str, Any] = {key: finite_or_none(as_plain(getattr(self, key))) for key in UNCHANGED_FIELDS}
        data = {"format": data.pop("format"), "instance": self.title, **data}
        data["futures"] = [each.to_dict() for each in self.futures]
        data["builds"] = [_decision_row(each) for each in self.decisions if not each.is_stock]
        data["purchases"] = [_decision_row(each) for each in self.decisions if each.is_stock]
        data |= write_commitments(self.data)
        data |= self._optional_figures()
        if self.changes:
            data["changes"] = list(self.changes)
        return self._with_results(data) if whole else data | {"budget": self.data.get("policy", {}).get("budget")}

    def _optional_figures(self) -> dict[str, float]:
        names = OPTIONAL_FIGURES if self.has_priced_gaps else OPTIONAL_FIGURES[1:]
        known = {name: finite_or_none(getattr(self, name)) for name in names}
        return {name: value for name, value in known.items() if value is not None}

    def _with_results(self, data: dict[str, Any]) -> dict[str, Any]:
        data |= {"periods": self.periods, "data": as_plain(self.data)}
        for row, each in zip(data["futures"], self.futures, strict=True):
            row["result"] = each.result.to_dict()
        # The futures' results enter by their own digests, so that parts without evidence are left out here as well.
        futures = [{**row, "result": row["result"][DIGEST]} for row in data["futures"]]
        return data | {DIGEST: digest({**data, "futures": futures})}

    @classmethod
    def _check_form(cls, data: Mapping[str, Any]) -> None:
        if not is_of_futures(data):
            raise PlanFileError("a plan of one future: in Python, Result.load reads it")
        if data.get("format") != FORMAT:
            raise PlanFileError(f"not a plan of several futures of this version. {SOLVE_AGAIN}")

    @classmethod
    def _restored(cls, data: Mapping[str, Any]) -> "FuturesResult":
        return _restore(data)


def _decision_row(each: Decision) -> dict[str, Any]:
    data: dict[str, Any] = {name: getattr(each, name) for name in ("option", "kind", "t", "year", "period")}
    data |= {"amount": each.size} if each.is_stock else {"size": each.size, "opened": each.opened}
    return data | {"futures": list(each.futures), "paid": list(each.paid)}


def _decision_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in data.items() if key != "amount"}
    return made | ({"size": data["amount"], "opened": False, "is_stock": True} if "amount" in data else {})


def _future_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    answers = [(question, each["branch"], each["from"]) for question, each in data["answers"].items()]
    figures = {key: data[key] for key in ("name", "probability", "least_cost", "least_bound", "regret")}
    try:
        return figures | {"answers": answers, "result": Result.from_dict(data["result"])}
    except PlanFileError as error:
        what = str(error).removeprefix("not a plan file: ")
        raise PlanFileError(f"not a plan file: future {data['name']}: {what}") from None


@cache
def _adapter() -> TypeAdapter[FuturesResult]:
    return TypeAdapter(FuturesResult)


def _restore(data: Mapping[str, Any]) -> FuturesResult:
    known = {part.name for part in fields(FuturesResult)} - {"departures", "solved_instance", "title"} | {"instance"}
    made: dict[str, Any] = {name: data[name] for name in known - {"decisions", "changes", *OPTIONAL_FIGURES}}
    made |= {name: data[name] for name in OPTIONAL_FIGURES if name in data}
    made["changes"] = data.get("changes", ())
    # Without a plan, figures are null in JSON and NaN here.
    made |= {name: math.nan for name in FUTURES_FIGURES if made[name] is None}
    made["futures"] = [_future_fields(each) for each in data["futures"]]
    made["decisions"] = [_decision_fields(each) for each in (*data["builds"], *data["purchases"])]
    check_record(data)
    result = _adapter().validate_python(made)
    priced = result.priced_cost if result.has_priced_gaps else result.total_cost
    return replace(result, decisions=by_time(result.decisions), priced_cost=priced)


def by_time(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return decisions in the order of time, in each period builds before purchases of stock."""
    return tuple(sorted(decisions, key=lambda each: (each.t, each.is_stock)))
