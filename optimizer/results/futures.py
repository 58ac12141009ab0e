"""The plan of an instance whose futures part: what is committed before the first answer, and what follows each.

FuturesResult    the whole: its measure, its bound, its decisions
FutureResult     one future under it, as a result of its own
Decision         one purchase, and the futures in which it is made
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from optimizer.files import write_whole
from optimizer.results.result import Result, Status
from optimizer.units import si

# What a JSON object holds as it is, in this order.
WRITTEN_FIGURES = (
    *("instance", "currency", "status", "survives", "measure", "total_cost", "expected_cost", "survival_gap"),
    *("worst_gap", "outlay", "bound", "gap_bound", "mip_gap", "price_of_survival", "first_question"),
    *("are_probabilities_given", "clash", "notes", "audit", "seconds", "versions", "settings", "history"),
)


@dataclass(frozen=True)
class Decision:
    """One purchase, with the futures in which it is made alike.

    Attributes:
        option, kind: what is bought.
        t, year, period: when.
        size: in the option's own unit; of a stockpile t bought in the period.
        opened: whether a fixed-charge option is opened by it.
        futures: the names of the futures.
        is_stock: whether it is a purchase of a stockpile.
        paid: money by future, undiscounted, for these futures in turn; their prices may differ.
    """

    option: str
    kind: str
    t: int
    year: int
    period: str
    size: float
    opened: bool
    futures: tuple[str, ...]
    is_stock: bool = False
    paid: tuple[float, ...] = ()


@dataclass(frozen=True)
class FutureResult:
    """One future under the plan.

    Attributes:
        name: its branches, ``late.tighten``. probability: of the future.
        answers: by question, its branch and the period from which it is known.
        result: the future as an instance of its own: plan, cost, shocks, audit.
        least_cost: its least cost alone; None where it is not known.
        least_bound: a proven lower bound on that; None likewise.
        regret: cost less the least cost, with the price of gaps where they have one; None where that is not known.
    """

    name: str
    probability: float
    answers: tuple[tuple[str, str, str], ...]
    result: Result = field(repr=False)
    least_cost: float | None = None
    least_bound: float | None = None
    regret: float | None = None

    @property
    def cost(self) -> float:
        """Present value, expected over the shocks of this future."""
        return self.result.total_cost

    def to_dict(self) -> dict[str, Any]:
        """For JSON: its figures, without the plan."""
        return {
            "name": self.name,
            "probability": self.probability,
            "answers": {question: {"branch": branch, "from": period} for question, branch, period in self.answers},
            "cost": self.cost,
            "outlay": self.result.outlay,
            "gap": self.result.survival_gap,
            "survives": self.result.survives,
            "least_cost": self.least_cost,
            "regret": self.regret,
        }


@dataclass(frozen=True)
class FuturesResult:
    """A plan for several futures, or for a measure other than expected cost.

    Attributes:
        instance: the instance's name.          currency: its label.
        status: ``survives`` every floor in every future, ``gap``, ``stopped`` or ``none``.
        measure: what was minimised, in words.
        total_cost: its value, present value; NaN where there is no plan, and so are the three after it.
        expected_cost: over all futures and their shocks.
        survival_gap: expected over the futures. worst_gap: of the worst single shock in any future.
        outlay: expected, undiscounted.
        bound, gap_bound: proven lower bounds on `total_cost` and `survival_gap`; None where none is known.
        mip_gap: relative distance from the bound.
        futures: in the order of the file.
        decisions: in the order of time, each with the futures in which it is made.
        first_question: the period from which the first answer is known; None without questions.
        price_of_survival: expected cost less that of the same futures without shocks; None where not computed.
        are_probabilities_given: whether the file gives them; where not, they are equal.
        clash: rules that contradict each other, with their futures, where no plan exists.
        audit: rows checked, and the largest disagreement relative to its row.
        problem: the instance; in no file.
    """

    instance: str
    currency: str
    status: Status
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
    problem: Any = field(default=None, compare=False, repr=False)

    @property
    def money(self) -> str:
        """The currency's code, the first word of its label."""
        return (self.currency.split() or [""])[0]

    @property
    def survives(self) -> bool:
        """Whether the plan keeps every floor in every shock of every future."""
        return bool(self.futures) and all(each.result.survives for each in self.futures)

    @cached_property
    def committed(self) -> tuple[Decision, ...]:
        """What is decided before the first question is answered: the same in all futures."""
        names = {each.name for each in self.futures}
        before = self.periods.index(self.first_question) if self.first_question else len(self.periods)
        return tuple(each for each in self.decisions if each.t < before and set(each.futures) == names)

    def __repr__(self) -> str:
        if not self.futures:
            return f"<FuturesResult {self.instance!r}: {self.status}, no plan: {'; '.join(self.clash)}>"
        survived = sum(each.result.survives for each in self.futures)
        cost = si(self.total_cost, self.money)
        return (
            f"<FuturesResult {self.instance!r}: {self.status}, {survived} of {len(self.futures)} futures survived; "
            f"{self.measure} {cost}>"
        )

    def to_dict(self, *, whole: bool = True) -> dict[str, Any]:
        """The JSON object documented in the manual; `whole` adds each future's own result and the instance."""
        data: dict[str, Any] = {key: _finite(getattr(self, key)) for key in WRITTEN_FIGURES}
        data["futures"] = [each.to_dict() for each in self.futures]
        data["builds"] = [_build(each) for each in self.decisions if not each.is_stock]
        data["purchases"] = [_purchase(each) for each in self.decisions if each.is_stock]
        if whole:
            data |= {"periods": self.periods, "data": self.data}
            for row, each in zip(data["futures"], self.futures, strict=True):
                row["result"] = each.result.to_dict()
        return data

    def to_json(self, *, whole: bool = True) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(whole=whole), indent=1, ensure_ascii=False, allow_nan=False, default=_plain)

    def save(self, path: str | FilePath) -> None:
        """Write the JSON object whole or not at all."""
        write_whole(path, self.to_json() + "\n")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("problem", "committed")}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def _build(each: Decision) -> dict[str, Any]:
    names = ("option", "kind", "t", "year", "period", "size", "opened")
    return {name: getattr(each, name) for name in names} | {"futures": list(each.futures)}


def _purchase(each: Decision) -> dict[str, Any]:
    names = ("option", "t", "year", "period")
    return {name: getattr(each, name) for name in names} | {"amount": each.size, "futures": list(each.futures)}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else list(value)


def by_time(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Decisions in the order of time."""
    return tuple(sorted(decisions, key=lambda each: each.t))
