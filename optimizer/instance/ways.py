"""Ways through the questions of a file, and the file at the end of each.

The questions of a way are answered in the order of their periods; of those of one period the one that stands first in
the file comes first. What branches set is applied in that order, so that of two that set the same the later one holds.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from optimizer.errors import Finding, Place, Severity
from optimizer.horizon import Horizon
from optimizer.instance.document import Document
from optimizer.instance.overrides import SCENARIOS, apply_entries
from optimizer.instance.questions import FUTURES, Question, QuestionBranch
from optimizer.instance.schema import Answer


@dataclass(frozen=True)
class Way:
    """One way through the questions, with the place and the content of each branch on it."""

    answers: tuple[Answer, ...] = ()
    branches: tuple[tuple[Place, QuestionBranch], ...] = ()
    probability: float = 1.0

    @property
    def name(self) -> str:
        """The name of its future."""
        return ".".join(answer.branch for answer in self.answers)

    @property
    def changes(self) -> tuple[tuple[Place, QuestionBranch], ...]:
        """Its branches that set something."""
        return tuple((place, branch) for place, branch in self.branches if branch.set)

    @property
    def key(self) -> tuple[Place, ...]:
        """The branches of it that set something; ways with the same ones end in the same file."""
        return tuple(place for place, _ in self.changes)


@dataclass(frozen=True)
class _Open:
    """A question that has arisen and is not answered yet."""

    t: int
    order: tuple[int, ...]
    place: Place
    question: Question


def find_ways(questions: Mapping[str, Question], horizon: Horizon) -> list[Way]:
    """Every way through some questions, in the order of the branches of the file.

    Raises:
        ValueError: a question is answered outside the horizon.
    """
    return list(_continue(Way(), _arising(questions, (), (), horizon), horizon))


def _arising(
    questions: Mapping[str, Question], place: Place, order: tuple[int, ...], horizon: Horizon
) -> tuple[_Open, ...]:
    return tuple(
        _Open(question.period(horizon), (*order, i), (*place, FUTURES, q), question)
        for i, (q, question) in enumerate(questions.items())
    )


def _continue(way: Way, waiting: tuple[_Open, ...], horizon: Horizon) -> Iterator[Way]:
    if not waiting:
        yield way
        return
    first = min(waiting, key=lambda each: (each.t, each.order))
    rest = tuple(each for each in waiting if each is not first)
    for i, (name, branch) in enumerate(first.question.branches.items()):
        place = (*first.place, "branches", name)
        further = Way(
            (*way.answers, Answer(str(first.place[-1]), name, first.t)),
            (*way.branches, (place, branch)),
            way.probability * first.question.weight(name),
        )
        yield from _continue(further, (*rest, *_arising(branch.futures, place, (*first.order, i), horizon)), horizon)


@dataclass(frozen=True)
class FutureFinding(Finding):
    """A finding in a future, with the branch that set what stands there; None where no branch did."""

    branch: Place | None = None


@dataclass
class FutureDocument(Document):
    """A copy of a document with what some branches set; `origins` has the place of the entry that set each."""

    origins: dict[Place, Place] = field(default_factory=dict)

    def finding(self, place: Place, what: str, cure: str, severity: Severity = "error") -> Finding:
        """A finding that knows its branch."""
        found = super().finding(place, what, cure, severity)
        around = (place[:depth] for depth in range(len(place), -1, -1))
        nearest = next((each for each in around if each in self.overrides), ())
        entry = self.origins.get(nearest)
        return FutureFinding(**vars(found), branch=None if entry is None else entry[:-2])

    def set_by(self, branch: Place) -> dict[Place, Place]:
        """By place that an entry of the `set` of a branch leads to, the place of that entry."""
        found = dict[Place, Place]()
        for at, entry in sorted(self.origins.items(), key=lambda item: len(item[0])):
            if entry[:-2] == branch and entry not in found.values():
                found[at] = entry
        return found


def apply_branches(document: Document, branches: tuple[tuple[Place, QuestionBranch], ...]) -> FutureDocument:
    """A copy of a document with what branches set in their order, without futures and scenarios."""
    data = copy.deepcopy({key: value for key, value in document.data.items() if key not in (SCENARIOS, FUTURES)})
    result = FutureDocument(document.file, data, overrides={**document.overrides}, made={*document.made})
    for place, branch in branches:
        for key, value in branch.set.items():
            before, entry = {**result.overrides}, (*place, "set", key)
            apply_entries(document, entry[:-1], {key: value}, result)
            result.origins |= {at: entry for at, source in result.overrides.items() if before.get(at) is not source}
    return result
