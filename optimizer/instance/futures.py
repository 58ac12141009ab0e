"""The tree of futures: every way through the questions of a file, and the instance at the end of each.

The questions of a way are answered in the order of their periods; of those of one period the one that stands first in
the file comes first. What branches set is applied in that order, so that of two that set the same the later one holds.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from optimizer.errors import InstanceError, Place
from optimizer.horizon import Horizon
from optimizer.instance.document import Document
from optimizer.instance.overrides import SCENARIOS, apply_entries
from optimizer.instance.questions import FUTURES, Question, QuestionBranch
from optimizer.instance.questions import RiskMeasure as RiskMeasure
from optimizer.instance.reading import as_document, read_document
from optimizer.instance.schema import Answer, Future, FutureTree, Instance


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


@dataclass(frozen=True)
class _Open:
    """A question that has arisen; sorted by period, then by its place in the file."""

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


def apply_way(document: Document, way: Way) -> Document:
    """A copy of a document with what the branches of a way set, without futures and scenarios."""
    data = copy.deepcopy({key: value for key, value in document.data.items() if key not in (SCENARIOS, FUTURES)})
    result = Document(document.file, data, overrides={**document.overrides}, made={*document.made})
    for place, branch in way.changes:
        apply_entries(document, (*place, "set"), branch.set, result)
    return result


def make_tree(instance: Instance) -> FutureTree:
    """The futures of a checked instance.

    Raises:
        InstanceError: what a branch sets no longer fits, since the instance was changed after it was checked.
    """
    if not instance.futures:
        return FutureTree((Future("", 1.0, (), instance),))
    document = as_document(instance.to_dict(), instance.title)
    made = dict[str, Instance]()
    futures = []
    for way in find_ways(instance.futures, instance.horizon):
        key = json.dumps([branch.set for _, branch in way.changes], default=str)
        if key not in made:
            made[key] = _at_the_end(document, way)
        futures.append(Future(way.name, way.probability, way.answers, made[key]))
    return FutureTree(tuple(futures), _are_weighted(instance.futures))


def _at_the_end(document: Document, way: Way) -> Instance:
    instance, findings = read_document(apply_way(document, way))
    if instance is None or findings:
        raise InstanceError(findings)
    return instance


def _are_weighted(questions: Mapping[str, Question]) -> bool:
    return all(
        question.is_weighted and all(_are_weighted(branch.futures) for branch in question.branches.values())
        for question in questions.values()
    )
