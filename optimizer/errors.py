"""Every error that the package raises on purpose.

OptimizerError
├── InstanceError    the instance file cannot be used; carries every Finding
├── StageError       a row, column, ledger or offer was written wrongly (a fault in a lever)
├── SolverError      the solver failed
├── CheckpointError  the state of a search cannot be written or read
├── WorkerError      the workers that check shocks died, or cannot be reached
├── AuditError       a plan does not add up; carries every disagreement
├── PlanFileError    a saved plan cannot be read
└── MissingExtraError  an optional part is not installed; says how to install it

and the warning that it gives where it goes on:

OptimizerWarning     workers are gone, or a checkpoint cannot be written
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing about an instance file: where it stands, what is wrong, and the cure."""

    file: str
    line: int | None
    where: str
    what: str
    cure: str
    severity: Severity = "error"
    cell: str | None = None

    @property
    def place(self) -> str:
        """The place as an editor understands it, ``file:line``; in a workbook ``file:sheet!cell``."""
        if self.cell is not None:
            return f"{self.file}:{self.cell}"
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        head = f"{self.place}: {self.where}: " if self.where else f"{self.place}: "
        return f"{head}{self.what}. {self.cure}"


class OptimizerError(Exception):
    """The root of the tree above."""


class InstanceError(OptimizerError):
    """An instance cannot be used; `findings` holds every reason, each with line and cure."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in findings if finding.severity == "error"]
        count = f"{len(errors)} finding" + ("s" if len(errors) != 1 else "")
        super().__init__(f"not a usable instance ({count}):\n" + "\n".join(f"  {finding}" for finding in errors))


class StageError(OptimizerError):
    """A name used twice, an unknown ledger, key or offer: a fault in the code, not in the data."""


class SolverError(OptimizerError):
    """The solver failed or is missing."""


class CheckpointError(OptimizerError):
    """The state of a search cannot be written, or what lies there is not one."""


class WorkerError(OptimizerError):
    """Workers died again and again, or a cluster cannot be reached."""


class AuditError(OptimizerError):
    """A plan and its figures disagree; `disagreements` names every row, `result` is what they are about."""

    def __init__(self, disagreements: Sequence[str], result: Any = None) -> None:
        self.disagreements = tuple(disagreements)
        self.result = result
        shown = "\n".join(f"  {row}" for row in self.disagreements[:20])
        more = len(self.disagreements) - 20
        tail = f"\n  … and {more} more" if more > 0 else ""
        super().__init__(f"the audit disagrees in {len(self.disagreements)} place(s):\n{shown}{tail}")

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it comes home whole from another process."""
        return AuditError, (self.disagreements, self.result)


class PlanFileError(OptimizerError):
    """A saved plan cannot be read: not JSON, or a part is missing."""


class MissingExtraError(OptimizerError):
    """An optional part of the installation is missing; the message holds the command that installs it."""


class OptimizerWarning(UserWarning):
    """Something failed that a search does without: its answer is the same."""
