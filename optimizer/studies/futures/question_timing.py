"""The same futures with other dates of answers: when they can be distinguished differs, not what happens.

What branches set is applied in the order of the file's own dates, whenever answers are known. A question that arises in
a branch of another one is not answered before that one, and moves with it where that one is answered later; where that
one is never answered, neither is it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from optimizer.errors import Place
from optimizer.instance.futures import with_tree
from optimizer.instance.questions import each_question
from optimizer.instance.schema import Answer, Instance
from optimizer.instance.ways import Way, find_ways

Timing = Literal["start", "earlier", "later", "never"]
# By question the period from which its answer is known; None for never. Of those left out, the file's own.
Dates = Mapping[Place, int | None]


@dataclass(frozen=True)
class TimedQuestion:
    """A question of a file.

    Attributes:
        place: in the file, ``futures.NAME``, or below the branch in which it arises.
        name: for readers; with its branch where another question has the same name.
        t: the period from which its answer is known.
        earliest: the first period from which it may be: the first of all, or that of the question it arises from.
    """

    place: Place
    name: str
    t: int
    earliest: int


def timed_questions(instance: Instance) -> list[TimedQuestion]:
    """The questions of an instance in the order of time."""
    found, dates = list(each_question(instance.futures)), dict[Place, int]()
    names = [str(place[-1]) for place, _ in found]
    questions = []
    for place, question in found:
        dates[place] = question.period(instance.horizon)
        name, above = str(place[-1]), _above(place)
        label = name if names.count(name) == 1 or not above else f"{name} ({place[-3]})"
        questions.append(TimedQuestion(place, label, dates[place], dates[above] if above else 0))
    return sorted(questions, key=lambda each: each.t)


def _above(place: Place) -> Place:
    """The question in a branch of which one arises; empty where it is one of the file itself."""
    return place[:-4]


def question_of(branch: Place) -> Place:
    """The question that has a branch."""
    return branch[:-2]


def ways_of(instance: Instance) -> list[Way]:
    """The way through the questions that ends in each future of the tree, in turn."""
    return find_ways(instance.futures, instance.horizon)


def retimed(instance: Instance, dates: Dates) -> Instance:
    """The instance with the same futures, whose answers are known from other periods on."""
    tree, ways = instance.tree, ways_of(instance)
    futures = (replace(future, answers=_answers(way, dates)) for future, way in zip(tree.futures, ways, strict=True))
    return with_tree(instance, replace(tree, futures=tuple(futures)))


def _answers(way: Way, dates: Dates) -> tuple[Answer, ...]:
    """The answers on a way that are ever known, in the order of time."""
    own = {question_of(place): answer.t for answer, (place, _) in zip(way.answers, way.branches, strict=True)}

    def date(place: Place) -> int | None:
        t, above = dates.get(place, own[place]), _above(place)
        before = date(above) if above else 0
        return None if t is None or before is None else max(t, before)

    known = ((date(question_of(place)), answer) for answer, (place, _) in zip(way.answers, way.branches, strict=True))
    return tuple(sorted((replace(answer, t=t) for t, answer in known if t is not None), key=lambda each: each.t))


def never_known(instance: Instance) -> Dates:
    """All decisions alike in all futures."""
    return dict.fromkeys((each.place for each in timed_questions(instance)), None)


def known_at_once(instance: Instance) -> Dates:
    """Every answer known from the first period on."""
    return dict.fromkeys((each.place for each in timed_questions(instance)), 0)


def nodes(instance: Instance) -> tuple[tuple[int, ...], ...]:
    """By period which futures cannot be distinguished: instances with the same nodes have the same plans."""
    tree = instance.tree
    return tuple(tuple(tree.node(i, t) for i in range(len(tree.futures))) for t in instance.horizon.periods)


def other_dates(instance: Instance, question: TimedQuestion) -> Iterator[tuple[Timing, int | None]]:
    """Of one question the other dates that are looked at: at the start, a year earlier, a year later, never.

    A date that says the same as another one is left out.
    """
    horizon = instance.horizon
    if question.t > question.earliest:
        yield "start", question.earliest
        year_before = question.t - horizon.per_year
        if year_before > question.earliest:
            yield "earlier", year_before
    if question.t + horizon.per_year in horizon.periods:
        yield "later", question.t + horizon.per_year
    yield "never", None
