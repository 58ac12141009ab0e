"""Progress of a long computation: one event, and one signature of those who listen to it.

Every study and every search takes a `listener`, a function of one event. A study reports its tasks (`task`, `done`,
`total`), a search within it its rounds and the values and bounds between them (all other fields).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

STOPPING = "stopping"
_OF_A_STUDY = ("task", "done", "total")


@dataclass(frozen=True)
class Progress:
    """Where a computation stands.

    Attributes:
        phase: of a search: ``cost`` (least cost with all floors kept), ``gap`` (least gap) or ``cost under the gap``,
            while one model is solved; ``relaxation`` or ``integers`` at the end of a round. ``stopping`` at Ctrl-C.
            Empty where a study reports a task.
        seconds: since the search began.
        best: the best objective value found so far, money, with gaps at their price; infinite before there is one.
        bound: proven lower bound on it.
        shocks: how many shocks the model holds.
        round: of constraint generation; 0 within a round.
        violated: how many of the other shocks the plan does not survive.
        worst_gap: the largest of their gaps, in money.
        task: of a study, in words for the user: what is being computed, or what was.
        done, total: how many of the study's tasks, budgets or samples are done, and how many there are; `total` is 0
            where that is not known.
    """

    phase: str = ""
    seconds: float = 0.0
    best: float = float("inf")
    bound: float = float("-inf")
    shocks: int = 0
    round: int = 0
    violated: int = 0
    worst_gap: float = 0.0
    task: str = ""
    done: int = 0
    total: int = 0

    @property
    def is_stopping(self) -> bool:
        """Whether the user, a shell or a batch system has stopped the computation."""
        return self.phase == STOPPING

    @property
    def is_of_a_study(self) -> bool:
        """Whether a study reports its tasks, not a search its rounds."""
        return not self.phase

    def record(self) -> dict[str, Any]:
        """The fields of a search, as plan files and checkpoints keep them."""
        return {key: value for key, value in asdict(self).items() if key not in _OF_A_STUDY}


Listener = Callable[[Progress], None]


def ignore(event: Progress) -> None:
    """A listener that does nothing."""
