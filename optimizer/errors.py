"""The errors that the package raises on purpose, each an `OptimizerError`, and its warning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]
# The keys that lead to a value in an instance file; places in lists count from 0.
Place = tuple[str | int, ...]
# Where something is wrong, what, the cure, and how grave it is.
Problem = tuple[Place, str, str, Severity]


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
    """An error that the package raises on purpose."""


class InstanceError(OptimizerError):
    """An instance cannot be used; `findings` holds every reason, each with line and cure."""

    subject = "instance"

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in findings if finding.severity == "error"]
        count = f"{len(errors)} finding" + ("s" if len(errors) != 1 else "")
        super().__init__(f"not a usable {self.subject} ({count}):\n" + "\n".join(f"  {finding}" for finding in errors))


class GivenPlanError(InstanceError):
    """A plan that was given cannot stand in an instance; `findings` holds every reason, each with line and cure."""

    subject = "plan"


class ModelError(OptimizerError):
    """A name used twice, an unknown ledger, key or linking term: a fault in the code, not in the data."""


class SolverError(OptimizerError):
    """The solver failed."""


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


class PluginError(OptimizerError):
    """A file that should register levers cannot be imported."""


class PlanFileError(OptimizerError):
    """A saved plan cannot be read: not JSON, or a part is missing."""


class MissingExtraError(OptimizerError):
    """An optional part of the installation is missing; the message holds the command that installs it."""


class OptimizerWarning(UserWarning):
    """What the caller should know though there is an answer: a value replaced, or a file that could not be written."""
