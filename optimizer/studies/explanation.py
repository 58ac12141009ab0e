"""What an explanation holds: the plan with the value of its parts, or why nothing survives and what would help."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from optimizer.results.result import Result
from optimizer.studies import study_frames
from optimizer.studies.measure import ToleranceBase

PartKind = Literal["shock", "family", "kind", "lever", "dearer floor", "cheaper floor", "later", "sooner"]
RepairKind = Literal["budget", "annual", "floors", "length", "months", "sooner", "demand"]


@dataclass(frozen=True)
class PartValue:
    """What the plan costs without one part, or with that part changed."""

    # What is changed: `lever` is one option, `kind` all options of one lever, `family` all shocks of an entry.
    kind: PartKind
    of: str  # the shock, family, lever, option or segment
    survives: bool | None  # whether some plan survives then; None if the time ran out before that was known
    change: float | None = None  # change of the total cost, money, present value; None if there is no plan
    # The proven range of the change; None if nothing is proven.
    low: float | None = None
    high: float | None = None
    outlay: float | None = None  # of the plan found then, money, undiscounted
    # If nothing survives without an option or a lever: whether a larger total budget would do, and the least outlay
    # with which some plan does; None if the time ran out before that was known.
    is_money: bool | None = None
    needed: float | None = None
    months: float | None = None  # how much later or sooner a build comes

    @property
    def is_known(self) -> bool:
        """Whether time ran out for none of it; a change is known where its range is proven."""
        if self.survives is not False:
            return self.survives is True and self.low is not None
        is_least_known = self.is_money is False or self.needed is not None
        return self.kind not in ("lever", "kind") or is_least_known


@dataclass(frozen=True)
class Deadline:
    """By when an option has to be ordered."""

    option: str
    ordered: str  # the period of its first purchase in the plan
    # The latest period if the rest of the plan stays; None for a stockpile, or if the time ran out.
    as_planned: str | None = None
    # The latest period with which some plan survives, this or another; None if the time ran out, or it can be left out.
    anyhow: str | None = None
    # Whether some plan survives that orders none of it, with what is in store from the start; None if not known.
    can_be_left_out: bool | None = None


@dataclass(frozen=True)
class Reason:
    """Why no plan survives everything."""

    # Shocks, and segments with their floors, that cannot be survived together; irreducible, perhaps not the fewest.
    shocks: tuple[str, ...]
    segments: tuple[str, ...]
    may_fail: int  # how many of these shocks are samples that may fail, whichever they are
    is_irreducible: bool  # whether each of them is known to be needed for the conflict
    # How many months of each shock are enough for the conflict; None if all of its window is needed.
    months: float | None
    is_money: bool  # whether larger budgets would be enough
    # Where the gap is largest.
    shock: str
    segment: str
    takers: tuple[str, ...]  # all segments that the short commodity goes into, this one first
    # First and last period of the shortage.
    first: str
    last: str
    commodity: str  # what is short
    # Of it in these periods, t.
    needed: float
    had: float
    # If money is the reason: the budget, and the least outlay that survives this conflict.
    budget: float | None
    least_outlay: float | None
    least_added: float | None  # if annual budgets are too small whatever the outlay: how much more each year needs
    because: tuple[str, ...]  # sentences on why there is no more of the commodity

    @property
    def is_known(self) -> bool:
        """Whether time ran out for none of the set."""
        return self.is_irreducible


@dataclass(frozen=True)
class Repair:
    """One way to survive everything."""

    kind: RepairKind  # what is changed
    of: str | None = None  # the option or the segment; None if all of them are changed
    works: bool | None = None  # whether it works at some size; None if the time ran out before that was known
    # Its least size: money (budget; annual: on top of each year's), a factor (floors), months (length, months, sooner),
    # a share that goes (demand).
    amount: float | None = None
    beyond: float | None = None  # the nearest size that is known not to be enough; None if the time ran out
    # Of a plan that survives with it, money; None if none was found.
    cost: float | None = None
    outlay: float | None = None
    is_proven: bool = False  # whether that plan is the cheapest, to the gap
    # By segment and year, the floors of segments that remain, shares (floors).
    floors: dict[str, dict[int, float]] = field(default_factory=dict)
    # By entry of shocks and segment, the floors that remain where the shocks set their own, shares (floors).
    own_floors: dict[str, dict[str, float]] = field(default_factory=dict)
    # By year, the demand that goes, t/yr (demand), where that is of one commodity.
    tonnes: dict[int, float] = field(default_factory=dict)
    why: str = ""  # the reason, if it does not work or that is not known

    @property
    def is_known(self) -> bool:
        """Whether time ran out for none of it, that is, whether it works, its least size, and a plan with it."""
        if self.works:
            return self.beyond is not None and self.cost is not None
        # Floors that are not kept exactly by rounding have a proven bound.
        return self.works is False or self.beyond is not None

    @property
    def keeps_all(self) -> bool:
        """Whether the floors can be kept as they are."""
        return self.kind == "floors" and self.works is True and (self.amount or 0.0) >= 1.0


ExplanationPart = Result | Reason | Repair | PartValue | Deadline


@dataclass(frozen=True)
class Explanation:
    """A plan with the value of its parts, or with the reason why nothing survives and what would help.

    Attributes:
        result: the plan, audited.
        accuracy: to which what-ifs are proven, a share of the price of survival, or of their own cost if nothing
            survives.
        within: the same in money; None if nothing survives.
        tolerance_base: what `accuracy` is a share of.
        part_values: if the plan survives, the value of each of its parts.
        deadlines: if the plan survives, by when each option has to be ordered.
        repairs: if nothing survives, changes that would make survival possible, in the order in which they were found.
        reason: if nothing survives, why; None if that was not found in time.
        is_complete: whether every question was answered: none was left out, stopped or given up. A change with a
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

    frames = property(study_frames.of_explanation)

    def __repr__(self) -> str:
        found = f"{len(self.part_values)} values, {len(self.deadlines)} deadlines, {len(self.repairs)} repairs"
        return f"<Explanation of {self.result!r}: {found}>"

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
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
