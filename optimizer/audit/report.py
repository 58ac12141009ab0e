"""What an audit says: rows checked, what disagrees, and the accounts that it kept."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from optimizer.errors import AuditError

TOLERANCE = 1e-6
PARTS = (
    "capex", "fixed cost", "fixed opex", "stock purchases", "stock holding", "stock salvage",
    "operation", "price support", "substitution", "shortage", "expected shocks",
)  # fmt: skip


@dataclass
class Report:
    """What the audit found.

    Attributes:
        rows: how many rows and figures were checked.
        worst: the largest disagreement, relative to its row's largest term.
        disagreements: every row that is off by more than the tolerance, in words.
        costs: present value by part.
        outlays: by calendar year, undiscounted, the budget's share.
    """

    rows: int = 0
    worst: float = 0.0
    disagreements: list[str] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    outlays: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing disagrees."""
        return not self.disagreements

    def require(self) -> "Report":
        """The report itself.

        Raises:
            AuditError: something disagrees.
        """
        if self.disagreements:
            raise AuditError(self.disagreements)
        return self

    def to_dict(self) -> dict[str, Any]:
        """For JSON: whether it is well, rows checked, worst disagreement."""
        return {"ok": self.ok, "rows": self.rows, "worst": self.worst, "disagreements": list(self.disagreements)}

    def at_most(self, row: str, left: float, right: float, *terms: float, grain: float = 0.0) -> None:
        """Check ``left ≤ right`` within a millionth of the largest term, or of `grain` where all are smaller."""
        self._note(row, max(0.0, left - right), f"{left:.9g} exceeds {right:.9g}", (left, right, *terms), grain)

    def equal(self, row: str, left: float, right: float, *terms: float, grain: float = 0.0) -> None:
        """Check ``left = right`` likewise."""
        self._note(row, abs(left - right), f"{left:.9g} is not {right:.9g}", (left, right, *terms), grain)

    def holds(self, row: str, what: str, holds: bool) -> None:
        """Check something that is true or false."""
        self.rows += 1
        if not holds:
            self.disagreements.append(f"{row}: {what}")

    def _note(self, row: str, off: float, words: str, terms: Iterable[float], grain: float) -> None:
        self.rows += 1
        largest = max(grain, *(abs(term) for term in terms))
        relative = off / largest if largest > 0 else 0.0
        if not math.isfinite(relative):
            relative = math.inf
        self.worst = max(self.worst, relative)
        if relative > TOLERANCE:
            self.disagreements.append(f"{row}: {words}, off by {off:.3g} ({relative:.2g} of the largest term)")
