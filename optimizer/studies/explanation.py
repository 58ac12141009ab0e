"""Results of an explanation, and their frames: the plan and the value of its parts, or why nothing survives."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.result import Result
from optimizer.studies.cost_tolerance import ProvenDifference, ToleranceBase
from optimizer.studies.shocks import shock_rows

PartKind = Literal["shock", "family", "kind", "lever", "dearer floor", "cheaper floor", "later", "sooner"]
RepairKind = Literal["budget", "annual", "floors", "length", "months", "sooner", "demand"]


@dataclass(frozen=True)
class PartValue:
    """The change of the plan's cost without one part, or with that part changed."""

    # The part: `lever` is one option, `kind` all options of one lever, `family` all shocks of an entry.
    kind: PartKind
    of: str  # the shock, family, lever, option or segment
    survives: bool | None  # whether some plan survives with the change; None if the time ran out
    change: float | None = None  # change of the total cost, money, present value; None if there is no plan
    # The proven range of the change; None if nothing is proven.
    low: float | None = None
    high: float | None = None
    outlay: float | None = None  # outlay of the plan found with the change, money, undiscounted
    # If nothing survives without an option or a lever: whether a larger total budget would be enough, and the least
    # outlay with which some plan survives; None if the time ran out.
    is_money: bool | None = None
    needed: float | None = None
    months: float | None = None  # by how many months a build comes later or sooner

    @property
    def difference(self) -> ProvenDifference:
        """The change of the total cost, 0 where there is none, with its proven range, or infinite ends."""
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        return ProvenDifference(self.change or 0.0, low, high)

    @property
    def is_proven(self) -> bool:
        """Whether the sign of the change is proven; False where nothing survives, so that there is no change."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def is_known(self) -> bool:
        """Whether every what-if about the part was solved; a change is known if its range has a lower end."""
        if self.survives is not False:
            return self.survives is True and self.low is not None
        is_least_known = self.is_money is False or self.needed is not None
        return self.kind not in ("lever", "kind") or is_least_known


@dataclass(frozen=True)
class Deadline:
    """The latest period in which an option has to be ordered."""

    option: str
    ordered: str  # the period of its first purchase in the plan
    # The latest period if the rest of the plan stays; None for a stockpile, or if the time ran out.
    as_planned: str | None = None
    # The latest period of the first order with which any plan survives; None if the time ran out, or if the option can
    # be left out.
    anyhow: str | None = None
    # Whether some plan survives without an order of the option, with its initial store; None if unknown.
    can_be_left_out: bool | None = None


@dataclass(frozen=True)
class Reason:
    """The reason why no plan survives everything."""

    # Shocks, and segments with their floors, that cannot be survived together; irreducible, perhaps not the fewest.
    shocks: tuple[str, ...]
    segments: tuple[str, ...]
    may_fail: int  # number of samples among these shocks that are allowed to fail
    is_irreducible: bool  # whether each of them is known to be needed for the conflict
    # How many months of each shock are enough for the conflict; None if all of its window is needed.
    months: float | None
    is_money: bool  # whether larger budgets would be enough
    # The shock and the segment with the largest gap.
    shock: str
    segment: str
    takers: tuple[str, ...]  # all segments that the short commodity goes into, `segment` first
    # First and last period of the shortage.
    first: str
    last: str
    commodity: str  # the short commodity
    # Quantities of the commodity in these periods, t: needed at the floors, and available.
    needed: float
    had: float
    # If money is the reason: the budget, and the least outlay that survives this conflict.
    budget: float | None
    least_outlay: float | None
    least_added: float | None  # if annual budgets are too small at any outlay: the money that each year needs more
    because: tuple[str, ...]  # sentences on why there is no more of the commodity

    @property
    def is_known(self) -> bool:
        """Whether each part of the conflict is known to be needed."""
        return self.is_irreducible


@dataclass(frozen=True)
class Repair:
    """One way to survive everything."""

    kind: RepairKind  # kind of the change
    of: str | None = None  # the option or the segment; None if all of them are changed
    works: bool | None = None  # whether it works at some size; None if the time ran out
    # The smallest change that works: the least budget, the least additional money in each year (annual), the highest
    # factor of the floors (floors), the most months of a shock (length) or of a rule (months), the fewest months by
    # which builds are on line earlier (sooner), or the least share of demand that is removed (demand).
    amount: float | None = None
    # The next step, which is not enough (length, months, sooner, demand); the money below which nothing is enough
    # (budget, annual), or the factor above which the floors cannot be kept (floors), which may equal `amount`. None if
    # the time ran out.
    beyond: float | None = None
    # Cost and outlay of a plan that survives with the repair, money; None if none was found. See also `gap_left`.
    cost: float | None = None
    outlay: float | None = None
    is_proven: bool = False  # whether that plan is the cheapest, to the MIP gap
    # For kind ``floors``: the scaled floors by segment and year, shares of demand.
    floors: dict[str, dict[int, float]] = field(default_factory=dict)
    # For kind ``floors``: the scaled floors that shocks set themselves, by entry and segment, shares of demand.
    own_floors: dict[str, dict[str, float]] = field(default_factory=dict)
    # For kind ``demand``: the demand that is removed by year, t/yr; empty if it is of several commodities.
    tonnes: dict[int, float] = field(default_factory=dict)
    why: str = ""  # the reason if the repair does not work, or if that is not known
    # For kind ``budget``, if no budget is enough: the gap (money, of all shocks together) that the best plan without a
    # total budget leaves, and the number of shocks that fail beyond those allowed to. `cost` and `outlay` are of that
    # plan. None if the gap is no smaller than with the budget, or if that is not known.
    gap_left: float | None = None
    failing: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is known that the repair does not work, or its least size and a plan with it are known."""
        if self.works:
            return self.beyond is not None and self.cost is not None
        # A scaling of floors for which no plan was found because of rounding still has a proven bound.
        return self.works is False or self.beyond is not None

    @property
    def keeps_all(self) -> bool:
        """Whether the floors can be kept as they are."""
        return self.kind == "floors" and self.works is True and (self.amount or 0.0) >= 1.0


ExplanationPart = Result | Reason | Repair | PartValue | Deadline


@dataclass(frozen=True)
class Explanation:
    """A plan with the value of its parts; or, if nothing survives, with the reason and the repairs.

    Attributes:
        result: the plan, audited.
        accuracy: share of the tolerance base to which what-ifs are proven; of their own cost if nothing survives.
        within: the same accuracy in money; None if nothing survives.
        tolerance_base: the amount of which `accuracy` is a share; None if nothing survives.
        part_values: if the plan survives, the value of each of its parts.
        deadlines: if the plan survives, the latest order date of each option.
        repairs: if nothing survives, changes that would make survival possible, in the order in which they were found.
        reason: if nothing survives, the reason; None if it was not found in time.
        is_complete: whether every what-if was solved: none was left out, stopped or given up. A change with a
            proven range is an answer.
    """

    result: Result
    accuracy: float
    within: float | None = None
    tolerance_base: ToleranceBase | None = None
    part_values: tuple[PartValue, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    repairs: tuple[Repair, ...] = ()
    reason: Reason | None = None
    is_complete: bool = False

    @property
    def frames(self) -> Frames:
        """The frames by name (worths, deadlines, repairs); attributes are pandas frames."""
        makers = {"worths": part_values_frame, "deadlines": deadlines_frame, "repairs": repairs_frame}
        return Frames(makers, self)

    def __repr__(self) -> str:
        found = f"{len(self.part_values)} values, {len(self.deadlines)} deadlines, {len(self.repairs)} repairs"
        return f"<Explanation of {self.result!r}: {found}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
        return {
            "instance": self.result.title,
            "currency": self.result.currency,
            "status": self.result.status,
            "complete": self.is_complete,
            "gap": self.accuracy,
            "within": self.within,
            "measure": None if self.tolerance_base is None else self.tolerance_base.to_dict(),
            "plan": self.result.to_dict(whole=False),
            "worths": [asdict(value) for value in self.part_values],
            "deadlines": [asdict(deadline) for deadline in self.deadlines],
            "reason": None if self.reason is None else asdict(self.reason),
            "repairs": [asdict(repair) for repair in self.repairs],
        }


@dataclass(frozen=True)
class ValueRow:
    """Row of one value; or of `size` shocks of a family or an ensemble, with the value of the one worth most."""

    value: PartValue
    size: int = 1


class ValueRows:
    """Collector of values into rows: the shocks of a family or an ensemble, known one by one, share a row."""

    def __init__(self, instance: Instance, *, every: bool = False) -> None:
        rows = shock_rows(instance, [event.name for event in instance.events], every=every)
        self._owners = {name: row.shocks for row in rows if row.is_many for name in row.shocks}
        self._kept: list[PartValue] = []
        self._is_folded = False

    @property
    def note(self) -> str:
        """Note on rows that stand for several shocks; empty if none does."""
        if not self._is_folded:
            return ""
        which = "that of its shock whose absence saves most"
        return f" A family or an ensemble is one row, {which}; --all lists each shock."

    def add(self, value: PartValue) -> Iterator[ValueRow]:
        """Add a value, and yield the rows that are complete now."""
        shocks = self._owners.get(value.of) if value.kind == "shock" else None
        if shocks is None or (self._kept and self._kept[0].of not in shocks):
            yield from self.rest()
        if shocks is None:
            yield ValueRow(value)
        else:
            self._kept.append(value)

    def rest(self) -> Iterator[ValueRow]:
        """Yield the row that is still incomplete, from the values added so far."""
        if self._kept:
            values, self._kept = self._kept, []
            self._is_folded |= len(values) > 1
            # The shock without which the plan is cheapest stands for all; an unknown change of cost comes last.
            shown = min(values, key=lambda value: (value.change is None, value.change or 0.0))
            yield ValueRow(shown, len(self._owners[shown.of]) if len(values) > 1 else 1)


def part_values_frame(found: Explanation) -> Frame:
    """Return a frame with a row per shock, lever, floor or delay: the change of cost without it, or with the delay."""
    columns = (
        FrameColumn("kind", is_index=True),
        FrameColumn("of", form="object", is_index=True),
        FrameColumn("survives", form="yes"),
        *FrameColumn.several("amount", found.result.money, "change", "low", "high", "outlay", "needed"),
        FrameColumn("is_money", "Money helps", form="yes"),
        FrameColumn("months", "By", "months", "amount"),
    )
    return Frame.of_items("worths", "What each part is worth", found.part_values, columns)


def deadlines_frame(found: Explanation) -> Frame:
    """Return a frame with a row per option that is bought: when it is ordered, and its latest order."""
    columns = (
        FrameColumn("option", form="object", is_index=True),
        *FrameColumn.several("period", "", "ordered", "as_planned", "anyhow"),
        FrameColumn("can_be_left_out", form="yes"),
    )
    return Frame.of_items("deadlines", "When each is ordered, and the latest order", found.deadlines, columns)


def repairs_frame(found: Explanation) -> Frame:
    """Return a frame with a row per repair: the smallest change that works, what is proven beyond it, the cost."""
    columns = (
        FrameColumn("kind", is_index=True),
        FrameColumn("of", form="object", is_index=True),
        FrameColumn("works", form="yes"),
        *FrameColumn.several("exact", "", "amount", "beyond"),
        *FrameColumn.several("exact", found.result.money, "cost", "outlay", "gap_left"),
        FrameColumn("failing", form="count"),
    )
    return Frame.of_items("repairs", "Repairs, each tried by itself", found.repairs, columns)
