"""Decisions of a plan of several futures, by stage between answers, and the branches in which they are made.

stage   the periods between two dates at which questions are answered; the first ends with the first answer. It is
        neither a stage of the supply chain nor the second stage of a shock
order   a build, or all purchases of a stockpile in one stage, with the futures in which they are the same
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from optimizer.instance.questions import Question
from optimizer.instance.schema import FutureTree, Instance
from optimizer.results.futures import Decision, FuturesResult, by_time
from optimizer.results.result import Result
from optimizer.tolerances import ROUNDING, SAME_VALUE

ALL_BRANCHES = "all branches"
# If orders are folded, an option with more different orders than this in one stage becomes one order with ranges.
MOST_UNFOLDED = 3
# A question, its branch and the period from which the answer is known.
_KnownAnswer = tuple[str, str, int]
Range = tuple[float, float]


@dataclass(frozen=True)
class StageOrder:
    """An order of one option in one stage."""

    option: str
    kind: str
    # The first and the last period of its decisions.
    t: int
    last: int
    size: Range  # least and most size, in the option's own unit; for a stockpile, t bought in the stage
    paid: Range  # least and most money over its futures, undiscounted
    futures: tuple[int, ...]  # indices of its futures, in the order of the result
    branch: str  # the branches of these futures, in words; `ALL_BRANCHES` for all futures
    probability: float  # total probability of these futures
    merged: int = 1  # number of different orders that are folded into this one; 1 if it is not folded


@dataclass(frozen=True)
class StageQuestion:
    """A question that is answered at the start of a stage, with the conditional probability of each branch."""

    question: str
    branches: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Stage:
    """The periods between two dates of answers."""

    # The first period, and the one after the last.
    t: int
    end: int
    questions: tuple[StageQuestion, ...]  # questions answered at the start; empty in the first stage
    orders: tuple[StageOrder, ...]  # orders of the stage, those of all branches first
    spent: tuple[float, ...]  # money spent in the stage by future, undiscounted
    without_orders: str  # the branches in which nothing is bought, in words; empty if there are none

    @property
    def spent_range(self) -> Range:
        """Least and most money spent over the futures."""
        return min(self.spent, default=0.0), max(self.spent, default=0.0)


def find_stages(result: FuturesResult, *, folded: bool = False) -> tuple[Stage, ...]:
    """Return the stages of a plan in the order of time; a plan without questions has one stage.

    With `folded`, more than `MOST_UNFOLDED` different orders of an option in a stage become one order with ranges.
    """
    if not result.futures:
        return ()
    answers = _Answers(result)
    starts = sorted({0, *(t for known in answers.answers_by_future for _, _, t in known)})
    ends = [*starts[1:], len(result.periods)]
    return tuple(_stage(result, answers, t, end, folded=folded) for t, end in zip(starts, ends, strict=True))


class _Answers:
    """The answers that lead to each future, and names for sets of futures."""

    def __init__(self, result: FuturesResult) -> None:
        place = {period: t for t, period in enumerate(result.periods)}
        self.probabilities = [future.probability for future in result.futures]
        self.answers_by_future: list[tuple[_KnownAnswer, ...]] = [
            tuple((question, branch, place[period]) for question, branch, period in future.answers)
            for future in result.futures
        ]
        self.masks: dict[_KnownAnswer, int] = defaultdict(int)
        for number, known in enumerate(self.answers_by_future):
            for answer in known:
                self.masks[answer] |= 1 << number
        self.every = (1 << len(self.answers_by_future)) - 1
        questions = defaultdict[str, set[str]](set)
        for question, branch, _ in self.masks:
            questions[branch].add(question)
        self.shared = {branch for branch, some in questions.items() if len(some) > 1}

    def probability(self, futures: Iterable[int]) -> float:
        return math.fsum(self.probabilities[number] for number in futures)

    def answered_at(self, t: int) -> tuple[StageQuestion, ...]:
        """Return the questions answered at the start of a period, with conditional probabilities of branches."""
        found = defaultdict[str, dict[str, int]](dict)
        for (question, branch, when), mask in self.masks.items():
            if when == t:
                found[question][branch] = mask
        answered = []
        for question, branches in found.items():
            likely = {branch: self.probability(_numbers(mask)) for branch, mask in branches.items()}
            whole = math.fsum(likely.values())
            answered.append(StageQuestion(question, tuple((branch, each / whole) for branch, each in likely.items())))
        return tuple(answered)

    def words(self, futures: Iterable[int], t: int) -> str:
        """Return the shortest list of branches known in period t that describes the given futures exactly."""
        wanted = reduce(lambda mask, number: mask | 1 << number, futures, 0)
        if wanted == self.every:
            return ALL_BRANCHES
        rest, names = wanted, []
        while rest:
            number = (rest & -rest).bit_length() - 1
            kept = self._needed_answers([answer for answer in self.answers_by_future[number] if answer[2] <= t], wanted)
            names.append(".".join(self._answer_name(answer) for answer in kept))
            rest &= ~self._mask(kept)
        return ", ".join(names)

    def _needed_answers(self, known: Sequence[_KnownAnswer], wanted: int) -> Sequence[_KnownAnswer]:
        """Return the answers without those that are not needed to exclude futures outside `wanted`."""
        kept = [answer for answer in known if self.masks[answer] != self.every]
        for answer in list(kept):
            others = [each for each in kept if each != answer]
            # An answer is dropped only if that widens the set, so that the branch in which a question arises is kept.
            if self._mask(others) & ~wanted == 0 and self._mask(others) != self._mask(kept):
                kept = others
        return kept

    def _mask(self, answers: Sequence[_KnownAnswer]) -> int:
        return reduce(lambda mask, answer: mask & self.masks[answer], answers, self.every)

    def _answer_name(self, answer: _KnownAnswer) -> str:
        question, branch, _ = answer
        return f"{question} {branch}" if branch in self.shared else branch


def _numbers(mask: int) -> Iterator[int]:
    return (number for number in range(mask.bit_length()) if mask >> number & 1)


@dataclass(frozen=True)
class _StagePurchase:
    """The purchases of an option in a stage, in one future."""

    option: str
    kind: str
    number: int  # of the future
    t: int
    last: int
    size: float
    paid: float


def _stage(result: FuturesResult, answers: _Answers, t: int, end: int, *, folded: bool) -> Stage:
    bought = list(_stage_purchases(result, t, end))
    spent = [0.0] * len(result.futures)
    for each in bought:
        spent[each.number] += each.paid
    by_option = defaultdict[str, list[StageOrder]](list)
    for alike in _equal_purchases(bought):
        by_option[alike[0].option].append(_stage_order(answers, t, alike))
    orders = []
    for option, some in by_option.items():
        is_folded = folded and len(some) > MOST_UNFOLDED
        mine = _by_future(each for each in bought if each.option == option)
        orders += [_stage_order(answers, t, mine, merged=len(some))] if is_folded else some
    others = set(range(len(result.futures))) - {each.number for each in bought}
    return Stage(
        t,
        end,
        answers.answered_at(t),
        tuple(sorted(orders, key=lambda each: (-len(each.futures), each.futures, each.t))),
        tuple(spent),
        answers.words(sorted(others), t) if others else "",
    )


def _stage_purchases(result: FuturesResult, t: int, end: int) -> Iterator[_StagePurchase]:
    """Yield each future's builds in a stage, and the sum of its purchases of each stockpile."""
    number = {future.name: i for i, future in enumerate(result.futures)}
    stocks = defaultdict[tuple[str, int], list[tuple[Decision, float]]](list)
    for each in result.decisions:
        if not t <= each.t < end:
            continue
        for name, paid in zip(each.futures, each.paid, strict=True):
            if each.is_stock:
                stocks[each.option, number[name]].append((each, paid))
            else:
                yield _StagePurchase(each.option, each.kind, number[name], each.t, each.t, each.size, paid)
    for (option, future), fills in stocks.items():
        first, last = fills[0][0], fills[-1][0]
        size, paid = math.fsum(each.size for each, _ in fills), math.fsum(money for _, money in fills)
        yield _StagePurchase(option, first.kind, future, first.t, last.t, size, paid)


def _equal_purchases(bought: Iterable[_StagePurchase]) -> Iterator[list[_StagePurchase]]:
    """Yield groups of purchases of an option in the same periods and of the same size, up to a tolerance."""
    at_once = defaultdict[tuple[str, int, int], list[_StagePurchase]](list)
    for each in bought:
        at_once[each.option, each.t, each.last].append(each)
    for some in at_once.values():
        alike: list[_StagePurchase] = []
        for each in sorted(some, key=lambda one: one.size):
            if alike and not math.isclose(each.size, alike[0].size, rel_tol=SAME_VALUE):
                yield alike
                alike = []
            alike.append(each)
        yield alike


def _by_future(some: Iterable[_StagePurchase]) -> list[_StagePurchase]:
    """Return the sum of each future's purchases of one option."""
    found = dict[int, _StagePurchase]()
    for each in some:
        before = found.get(each.number, replace(each, size=0.0, paid=0.0))
        found[each.number] = replace(
            each,
            t=min(before.t, each.t),
            last=max(before.last, each.last),
            size=before.size + each.size,
            paid=before.paid + each.paid,
        )
    return list(found.values())


def _stage_order(answers: _Answers, t: int, some: Sequence[_StagePurchase], merged: int = 1) -> StageOrder:
    futures = tuple(sorted({each.number for each in some}))
    sizes, paid = [each.size for each in some], [each.paid for each in some]
    return StageOrder(
        some[0].option,
        some[0].kind,
        min(each.t for each in some),
        max(each.last for each in some),
        # Sizes that are equal up to the tolerance count as one size.
        (min(sizes), max(sizes)) if merged > 1 else (sizes[0], sizes[0]),
        (min(paid), max(paid)),
        futures,
        answers.words(futures, t),
        answers.probability(futures),
        merged,
    )


def branches_in_words(result: FuturesResult, names: Iterable[str]) -> str:
    """Return the shortest list of branches that describes the named futures of a result; `ALL_BRANCHES` for all."""
    number = {future.name: i for i, future in enumerate(result.futures)}
    return _Answers(result).words((number[name] for name in names), len(result.periods))


def branch_titles(instance: Instance) -> dict[str, str]:
    """Return the printed names of questions and branches whose name differs from their key, by key."""
    return dict(_titles(instance.futures))


def _titles(questions: Mapping[str, Question]) -> Iterator[tuple[str, str]]:
    for key, question in questions.items():
        yield from [(key, question.name)] if question.name and question.name != key else []
        for name, branch in question.branches.items():
            yield from [(name, branch.name)] if branch.name and branch.name != name else []
            yield from _titles(branch.futures)


def decisions(tree: FutureTree, results: Sequence[Result]) -> tuple[Decision, ...]:
    """Return all decisions, each once for the futures that cannot be distinguished when it is made."""
    made: dict[tuple[str, int, bool, int], list[tuple[int, Decision]]] = {}
    for number, (future, result) in enumerate(zip(tree.futures, results, strict=True)):
        for each in decisions_in_future(future.instance, result):
            key = (each.option, each.t, each.is_stock, tree.node(number, each.t))
            made.setdefault(key, []).append((number, each))
    joined = []
    for some in made.values():
        names, paid = tuple(tree.futures[n].name for n, _ in some), tuple(each.paid[0] for _, each in some)
        joined.append(replace(some[0][1], futures=names, paid=paid))
    return by_time(joined)


def decisions_in_future(instance: Instance, result: Result) -> list[Decision]:
    """Return the builds and stock purchases of the plan of one future, unsorted and without names of futures."""
    horizon, found = instance.horizon, list[Decision]()
    for build in result.plan.builds:
        costs = instance.sized[build.option].payments(horizon, build.t, build.size, opened=build.opened)
        found.append(Decision(**vars(build), futures=(), paid=(math.fsum(costs.values()),)))
    for o, fills in result.plan.fills.items():
        stock = instance.stocks[o]
        for t, (fill, paid) in enumerate(zip(fills, stock.paid_by_period(horizon, fills), strict=True)):
            if fill > ROUNDING * max(fills):
                year, label = horizon.year(t), horizon.label(t)
                found.append(Decision(o, stock.kind, t, year, label, fill, False, (), True, (paid,)))
    return found
