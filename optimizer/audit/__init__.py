"""The audit: it recomputes a plan in plain arithmetic, without PuLP, HiGHS or the code of the levers.

From the builds, the stock purchases and the flows alone it recomputes lead times, ramps, capacities, stocks, balances,
floors, costs and outlay. It compares every row, and every figure that needs no solver, with the stated one.

The tolerance of a row is a millionth of its own largest term, so that grams of dysprosium are judged as grams. Terms
below a scale that the instance sets count as that scale.

An `AuditReport` holds the number of rows checked, the disagreements, and the recomputed accounts.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.errors import AuditError
from optimizer.results.plan import Array
from optimizer.tolerances import AUDIT_RELATIVE

DISAGREES = "THE AUDIT DISAGREES: do not rely on this plan."
# Number of disagreements listed for one kind of row; one further message says how many more there are.
MOST_DISAGREEMENTS = 100
# The name of a row, or a function from the index in an array of rows to the name.
Name = str | Callable[..., str]
AuditNumber = float | Array | Sequence[float]


@dataclass
class AuditReport:
    """The findings of an audit.

    Attributes:
        rows: number of rows and figures checked.
        worst: the largest deviation of a number, relative to the largest term of its row or its least scale.
        disagreements: a sentence for every row that is off by more than the tolerance.
        costs: present value of the total cost, by part.
        outlays: undiscounted outlay that counts against the budget, by calendar year.
        no_shock_costs: `costs` of the no-shock plan; empty if the result has none.
    """

    rows: int = 0
    worst: float = 0.0
    disagreements: list[str] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    outlays: dict[str, float] = field(default_factory=dict)
    no_shock_costs: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is no disagreement."""
        return not self.disagreements

    def require(self) -> "AuditReport":
        """Return the report itself.

        Raises:
            AuditError: there is a disagreement.
        """
        if self.disagreements:
            raise AuditError(self.disagreements)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object: whether all rows agree, the number of rows, the worst deviation, disagreements."""
        # JSON has no infinity: a figure that is missing is off by more than any number.
        worst = self.worst if np.isfinite(self.worst) else None
        return {"ok": self.ok, "rows": self.rows, "worst": worst, "disagreements": list(self.disagreements)}

    def add(self, of: str, other: "AuditReport") -> None:
        """Add the counts and disagreements of another report; the latter get the prefix `of`."""
        self.rows += other.rows
        self.worst = max(self.worst, other.worst)
        self.disagreements += [f"{of}: {each}" for each in other.disagreements]

    def at_most(
        self, row: Name, left: AuditNumber, right: AuditNumber, *terms: AuditNumber, least_scale: AuditNumber = 0.0
    ) -> None:
        """Check ``left ≤ right`` within a millionth of the largest term, or of `least_scale` if all terms are smaller.

        An array holds one row per element; `row` then maps its index to a name.
        """
        with np.errstate(all="ignore"):
            off = np.maximum(0.0, np.subtract(left, right))
        self._note(row, "{} exceeds {}", off, (left, right, *terms), least_scale)

    def equal(
        self, row: Name, left: AuditNumber, right: AuditNumber, *terms: AuditNumber, least_scale: AuditNumber = 0.0
    ) -> None:
        """Check ``left = right`` with the same tolerance."""
        with np.errstate(all="ignore"):
            off = np.abs(np.subtract(left, right))
        self._note(row, "{} is not {}", off, (left, right, *terms), least_scale)

    def agree(
        self, row: Name, stated: AuditNumber, found: AuditNumber, *terms: AuditNumber, least_scale: AuditNumber = 0.0
    ) -> None:
        """Check that a stated figure equals the recomputed one, with the same tolerance."""
        with np.errstate(all="ignore"):
            off = np.abs(np.subtract(stated, found))
        self._note(row, "the plan says {}, the audit finds {}", off, (stated, found, *terms), least_scale)

    def holds(self, row: Name, what: Name, holds: bool | npt.NDArray[np.bool_]) -> None:
        """Check that a condition holds; `what` says what is wrong with the plan if it does not."""
        held = np.asarray(holds)
        self.rows += held.size
        if not held.all():
            self._say(~held, lambda index: f"{_name(row, index)}: {_name(what, index)}")

    def matches(
        self, row: Name, stated: Any, found: Any, holds: bool | npt.NDArray[np.bool_] | None = None, *, remark: str = ""
    ) -> None:
        """Check that a stated value equals the recomputed one, or that `holds` if it is given.

        For an array of rows, `stated` and `found` are functions of the index. The message ends with the `remark` in
        brackets.
        """
        agree = stated == found if holds is None else holds
        self.holds(row, lambda *index: _both(_at(stated, index), _at(found, index), remark), agree)

    def _note(self, row: Name, words: str, off: Array, terms: Sequence[AuditNumber], least_scale: AuditNumber) -> None:
        with np.errstate(all="ignore"):
            largest = reduce(np.maximum, map(np.abs, terms), np.asarray(least_scale))
            relative = np.where(largest == 0, 0.0, off / largest)
        # A NaN is a disagreement.
        relative[~np.isfinite(relative)] = np.inf
        self.rows += relative.size
        worst = float(relative.max(initial=0.0))
        self.worst = max(self.worst, worst)
        if worst > AUDIT_RELATIVE:
            off, left, right, _ = np.broadcast_arrays(off, terms[0], terms[1], relative)
            self._say(
                relative > AUDIT_RELATIVE,
                lambda at: (
                    f"{_name(row, at)}: {words.format(f'{left[at]:.9g}', f'{right[at]:.9g}')}, "
                    f"off by {off[at]:.3g} ({relative[at]:.2g} of the largest term)"
                ),
            )

    def _say(self, wrong: npt.NDArray[np.bool_], words: Callable[[tuple[int, ...]], str]) -> None:
        places = [tuple(index) for index in np.argwhere(wrong).tolist()]
        self.disagreements += [words(place) for place in places[:MOST_DISAGREEMENTS]]
        if len(places) > MOST_DISAGREEMENTS:
            self.disagreements.append(
                f"{words(places[MOST_DISAGREEMENTS])}; and {len(places) - MOST_DISAGREEMENTS - 1} more rows like it"
            )


def is_disputed(audit: Mapping[str, Any]) -> bool:
    """Return whether the audit recorded in a result has a disagreement."""
    return bool(audit.get("rows")) and not audit.get("ok")


# Largest number of list entries that a disagreement names.
_MOST_ENTRIES = 6


def words_if_due(*, is_due: bool) -> str | None:
    """Return the text for a value that the plan has to state; None if it must not state one."""
    return "a value" if is_due else None


def _at(value: Any, index: tuple[int, ...]) -> Any:
    return value(*index) if callable(value) else value


def _both(stated: Any, found: Any, remark: str) -> str:
    """Return the words for a stated and a recomputed value; of two lists, only the entries that differ."""
    if not isinstance(stated, str) and isinstance(stated, Collection) and isinstance(found, Collection):
        stated, found = _where_they_differ(_shown_entries(stated), _shown_entries(found))
        remark = remark or "where they differ"
    return f"the plan says {shown_value(stated)}, the audit finds {shown_value(found)}" + (
        f" ({remark})" if remark else ""
    )


def _where_they_differ(some: Sequence[str], others: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the entries that only one of two lists has; for equal entries in another order, those out of place."""
    ours, theirs = Counter(some), Counter(others)
    if ours != theirs:
        return [*(ours - theirs).elements()], [*(theirs - ours).elements()]
    differing = [pair for pair in zip(some, others, strict=True) if pair[0] != pair[1]]
    return [one for one, _ in differing], [other for _, other in differing]


def _shown_entries(entries: Collection[Any]) -> list[str]:
    shown = [shown_value(each) for each in entries]
    return sorted(shown) if isinstance(entries, set | frozenset) else shown


def shown_value(value: Any) -> str:
    """Return a value as text for a disagreement; of a list, its first entries."""
    if isinstance(value, str) or not isinstance(value, Collection):
        if isinstance(value, bool):
            return "yes" if value else "no"
        return "none" if value is None else str(float(value)) if isinstance(value, float) else str(value)
    shown = [shown_value(each) for each in value]
    more = len(shown) - _MOST_ENTRIES
    return ", ".join(shown[:_MOST_ENTRIES]) + (f" and {more} more" if more > 0 else "") or "none"


def _name(row: Name, index: tuple[int, ...]) -> str:
    return row if isinstance(row, str) else row(*index)


@dataclass(frozen=True)
class Verification:
    """The outcome of recomputing a result.

    Attributes:
        report: the audit's report, which includes the shocks that were solved again.
        lines_solved: number of shocks, kept in the file as lines without flows, that were solved again.
        lines_not_recomputed: number of such shocks that were not solved again.
        not_recomputed: parts of the file that this run did not recompute, by key.
        not_evidence: parts that no run recomputes, by key, with the reason.
    """

    report: AuditReport
    lines_solved: int
    lines_not_recomputed: int
    not_recomputed: tuple[str, ...]
    not_evidence: dict[str, str]

    def __repr__(self) -> str:
        return f"<Verification: rows: {self.report.rows}; disagreements: {len(self.disagreements)}>"

    @property
    def ok(self) -> bool:
        """Whether there is no disagreement."""
        return self.report.ok

    @property
    def disagreements(self) -> list[str]:
        """A sentence for every row and figure that is off."""
        return self.report.disagreements

    def require(self) -> "Verification":
        """Return the verification itself.

        Raises:
            AuditError: there is a disagreement.
        """
        self.report.require()
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
        counts = {"lines_solved": self.lines_solved, "lines_not_recomputed": self.lines_not_recomputed}
        lists = {"not_recomputed": list(self.not_recomputed), "not_evidence": self.not_evidence}
        return self.report.to_dict() | counts | lists
