"""What the plans of all futures alone have in common: moves without regret, and orders that depend on answers.

An order is all that a plan buys of an option before the first question is answered; of an option that no plan buys by
then, all that it buys.

no regret     every future's own plan has it: at least the smallest size of them all
one answer    it is in the own plans of all futures of some branches of one question, and in those of no other future
several       anything else
signpost      the first date of it in the plans that have it, and the questions it depends on that are open at that date
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optimizer.errors import Place
from optimizer.instance.schema import Instance
from optimizer.results.futures import Decision
from optimizer.studies.futures.tasks import TimedQuestion, question_of, timed_questions, ways_of

OrderClass = Literal["no regret", "one answer", "several answers"]


@dataclass(frozen=True)
class OwnOrder:
    """An option in the plans of the futures alone.

    Attributes:
        option: what is bought.
        hangs: on what it depends.
        futures: the futures whose own plans have it.
        common: size that all futures' own plans have; 0 where some have none.
        smallest, largest: sizes in the plans that have it; of a stockpile t that are bought.
        first, last: labels of the periods in which these plans first buy it.
        is_urgent: whether some plan buys it before the first answer; else all wait for it.
        questions: the questions on which it depends; none of an order without regret.
        branches: of an order that depends on one answer, the branches in which it is made.
        open: those of the questions, and of the ones they arise from, that are open in `first`, each with the period
            from which its answer is known.
    """

    option: str
    hangs: OrderClass
    futures: tuple[str, ...]
    common: float
    smallest: float
    largest: float
    first: str
    last: str
    is_urgent: bool
    questions: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    open: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        data = {name: getattr(self, name) for name in ("option", "hangs", "common", "smallest", "largest")}
        data |= {"first": self.first, "last": self.last, "is_urgent": self.is_urgent}
        lists = {name: list(getattr(self, name)) for name in ("futures", "questions", "branches")}
        return data | lists | {"open": [{"question": name, "from": period} for name, period in self.open]}


@dataclass(frozen=True)
class _Bought:
    """What one plan buys of an option: how much, and when first."""

    size: float
    t: int


def own_orders(instance: Instance, plans: Sequence[Sequence[Decision]]) -> list[OwnOrder]:
    """The orders of the futures' own plans, urgent ones first, in the order of time.

    Args:
        instance: with its questions.
        plans: what the own plan of each future buys, in the order of the tree.
    """
    questions = timed_questions(instance)
    first = questions[0].t
    found = []
    for o in instance.options:
        early = _bought(plans, o, first)
        bought = early or _bought(plans, o, len(instance.horizon.periods))
        if bought:
            found.append((min(each.t for each in bought.values()), _order(instance, questions, o, bought, bool(early))))
    return [order for _, order in sorted(found, key=lambda each: (not each[1].is_urgent, each[0]))]


def _bought(plans: Sequence[Sequence[Decision]], option: str, before: int) -> dict[int, _Bought]:
    """By number of a future what its own plan buys before a period, where it does."""
    found = {}
    for number, plan in enumerate(plans):
        some = [each for each in plan if each.option == option and each.t < before]
        if some:
            found[number] = _Bought(sum(each.size for each in some), min(each.t for each in some))
    return found


def _order(
    instance: Instance, questions: Sequence[TimedQuestion], option: str, bought: dict[int, _Bought], is_early: bool
) -> OwnOrder:
    tree, label = instance.tree, instance.horizon.label
    sizes, times = [each.size for each in bought.values()], [each.t for each in bought.values()]
    hangs, on, branches = _hangs_on(instance, questions, bought)
    in_all = hangs == "no regret"
    return OwnOrder(
        option=option,
        hangs=hangs,
        futures=tuple(tree.futures[number].name for number in bought),
        common=min(sizes) if in_all else 0.0,
        smallest=min(sizes),
        largest=max(sizes),
        first=label(min(times)),
        last=label(max(times)),
        is_urgent=is_early,
        questions=tuple(each.name for each in on),
        branches=branches,
        open=_open_questions(instance, questions, on, min(times)),
    )


def _open_questions(
    instance: Instance, questions: Sequence[TimedQuestion], on: Sequence[TimedQuestion], t: int
) -> tuple[tuple[str, str], ...]:
    """Of some questions, and of those they arise from, the ones open in a period, and when they are answered."""
    chains = [each for each in questions if any(own.place[: len(each.place)] == each.place for own in on)]
    return tuple((each.name, instance.horizon.label(each.t)) for each in chains if each.t > t)


def _hangs_on(
    instance: Instance, questions: Sequence[TimedQuestion], having: Collection[int]
) -> tuple[OrderClass, list[TimedQuestion], tuple[str, ...]]:
    """On what it depends whether a future has something: how, on which questions, and on which branches of the one."""
    if len(having) == len(instance.tree.futures):
        return "no regret", [], ()
    for question in questions:
        branches = _deciding_branches(instance, question, having)
        if branches:
            return "one answer", [question], branches
    return "several answers", _relevant(instance, questions, having), ()


def _branches_by_future(instance: Instance) -> list[dict[Place, Place]]:
    """Of each future, by question, its branch."""
    return [{question_of(place): place for place, _ in way.branches} for way in ways_of(instance)]


def _deciding_branches(instance: Instance, question: TimedQuestion, having: Collection[int]) -> tuple[str, ...]:
    """The branches of a question whose futures, all of them and no other, have something; none where it is not so."""
    of_branch = dict[Place, set[int]]()
    for number, branches in enumerate(_branches_by_future(instance)):
        if question.place in branches:
            of_branch.setdefault(branches[question.place], set()).add(number)
    full = {branch: some for branch, some in of_branch.items() if some <= set(having)}
    if set().union(*full.values()) != set(having):
        return ()
    return tuple(str(branch[-1]) for branch in full)


def _relevant(instance: Instance, questions: Sequence[TimedQuestion], having: Collection[int]) -> list[TimedQuestion]:
    """The questions without whose answers it is not known whether a future has something."""
    found, futures = [], _branches_by_future(instance)
    for question in questions:
        depth, seen = len(question.place), dict[tuple[Place, ...], bool]()
        for number, branches in enumerate(futures):
            rest = tuple(sorted((b for q, b in branches.items() if q[:depth] != question.place), key=str))
            if seen.setdefault(rest, number in having) != (number in having):
                found.append(question)
                break
    return found
