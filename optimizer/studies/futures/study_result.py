"""What a study of futures returns: what it is worth to decide later and to know earlier, and what informed plans share.

FuturesStudy    all of it
MeasuredCost    the value of the measure under some dates of answers
QuestionTiming  one question answered at another date
FollowedPlan    the plan of one future, followed in another one
InformedOrder   an option in the informed plans, and on which answers it depends (`informed_orders`)

The informed plan of a future is its best plan if that future were known from the start; `perfect` is all of them.
Informed plans have in common moves without regret, and differ in orders that depend on answers. An order is all that a
plan buys of an option before the first question is answered; of an option that no plan buys by then, all that it buys.

no regret     every informed plan has it: at least the smallest size of them all
different     some informed plans have it, all others buy the option later: only its date depends on answers
one answer    it is in the informed plans of all futures of some branches of one question, and in no others
several       anything else
signpost      the first date of it in the plans that have it, and the questions it depends on that are open at that date
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from optimizer.audit.result import measure_of_futures
from optimizer.errors import Finding, Place
from optimizer.instance.overrides import find_ways
from optimizer.instance.questions import TimedQuestion, question_of, timed_questions
from optimizer.instance.schema import Instance
from optimizer.results.futures import Decision, FuturesResult
from optimizer.results.plan import ReadOnly
from optimizer.results.result import Result
from optimizer.results.saved import finite_or_none
from optimizer.studies.frames import of_futures_study
from optimizer.studies.measure import ProvenDifference

# Other dates of answers.
Timing = Literal["start", "earlier", "later", "never"]
ValueStatus = Literal["proven", "stopped", "none"]
OrderClass = Literal["no regret", "different dates", "one answer", "several answers"]


@dataclass(frozen=True)
class MeasuredCost:
    """The value of the measure under some dates of answers."""

    status: ValueStatus  # ``none`` where no plan obeys the rules
    # Of the plan that was found, with gaps at their price where they have one, and a proven lower bound; infinite where
    # there is none.
    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0  # expected survival gap of that plan
    is_priced: bool = False  # whether gaps have a price

    @property
    def survives(self) -> bool:
        """Whether there is a plan that keeps every floor."""
        return math.isfinite(self.cost) and self.gap <= 0

    @property
    def is_comparable(self) -> bool:
        """Whether its cost can be compared, as that of a plan that keeps every floor, or whose gaps have a price."""
        return self.survives or (self.is_priced and math.isfinite(self.cost))

    @property
    def leaves_gap(self) -> bool:
        """Whether there is a plan, and it leaves a survival gap that has no price."""
        return math.isfinite(self.cost) and not self.is_comparable

    @property
    def is_open(self) -> bool:
        """Whether the search was stopped before it was known whether there is a plan that can be compared."""
        return self.status == "stopped" and not self.is_comparable

    def closed_gap(self, of: "MeasuredCost | None") -> float | None:
        """The expected survival gap that another plan leaves, and this one does not; None where it is not so."""
        if of is None or of.is_open or not (of.leaves_gap and self.is_comparable):
            return None
        return of.gap

    def more(self, than: "MeasuredCost | None") -> ProvenDifference | None:
        """How much more it costs than with better information, 0 or more; None unless both can be compared."""
        if than is None or not (self.is_comparable and than.is_comparable):
            return None
        found = ProvenDifference.of(than.cost, than.bound, self.cost, self.bound)
        return ProvenDifference(max(0.0, found.value), max(0.0, found.low), max(0.0, found.high))

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not known is null."""
        return {
            "status": self.status,
            "cost": finite_or_none(self.cost),
            "bound": finite_or_none(self.bound),
            "gap": self.gap if math.isfinite(self.cost) else None,
        }


@dataclass(frozen=True)
class QuestionTiming:
    """One question answered at another date, all others at their own."""

    question: str
    asked: str  # period from which the file has the answer known
    timing: Timing  # ``start``: as early as it may be; a year ``earlier`` or ``later``; ``never``
    known: str | None  # period from which the answer is known then; None for never
    value: MeasuredCost | None = None  # of the measure; None where the time ran out
    # What knowing it earlier is worth, or what knowing it later costs; None where one of both plans leaves a gap that
    # has no price, or the time ran out.
    difference: ProvenDifference | None = None

    @property
    def is_earlier(self) -> bool:
        """Whether it is answered before its date."""
        return self.timing in ("start", "earlier")

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not known is null."""
        figures = (self.value or MeasuredCost("stopped")).to_dict()
        what = {"question": self.question, "from": self.asked, "timing": self.timing, "known": self.known}
        return what | figures | {"worth" if self.is_earlier else "loss": band_dict(self.difference)}


@dataclass(frozen=True)
class FollowedPlan:
    """The informed plan of one future, followed unchanged in a future."""

    plan: str
    future: str
    # Money. None where that future cannot hold the plan.
    cost: float | None = None
    gap: float | None = None
    # Cost less that of the informed plan there, with gaps at their price; None where gaps have none, and it leaves a
    # larger one than that plan.
    regret: float | None = None
    survives: bool = False  # whether every floor is kept
    broken_rules: tuple[Finding, ...] = ()  # of the future that the plan breaks, named and not enforced

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("plan", "future", "cost", "gap", "regret", "survives")
        rules = [{"where": rule.where, "what": rule.what, "cure": rule.cure} for rule in self.broken_rules]
        return {name: getattr(self, name) for name in names} | {"rules": rules}


@dataclass(frozen=True)
class InformedOrder:
    """An option in the informed plans."""

    option: str
    depends_on: OrderClass  # `hangs` in JSON
    futures: tuple[str, ...]  # the futures whose informed plans have it
    common: float  # size that all informed plans have; 0 where some have none
    # Sizes in the plans that have it; of a stockpile t that are bought.
    smallest: float
    largest: float
    # Labels of the periods in which these plans first buy it.
    first: str
    last: str
    is_urgent: bool  # whether some plan buys it before the first answer; else all wait for it
    later: tuple[str, ...] = ()  # of an urgent one: the futures whose plans buy it after the first answer only
    questions: tuple[str, ...] = ()  # the questions on which it depends; none of an order without regret
    branches: tuple[str, ...] = ()  # of one question, the branches in which it is made; none where it depends on more
    # Those of the questions, and of the ones they arise from, that are open in `first`, each with the period from which
    # its answer is known.
    open: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        data: dict[str, Any] = {"option": self.option, "hangs": self.depends_on}
        data |= {name: getattr(self, name) for name in ("common", "smallest", "largest")}
        data |= {"first": self.first, "last": self.last, "is_urgent": self.is_urgent}
        lists = {name: list(getattr(self, name)) for name in ("futures", "later", "questions", "branches")}
        return data | lists | {"open": [{"question": name, "from": period} for name, period in self.open]}


@dataclass(frozen=True)
class FuturesStudy(ReadOnly):
    """The value of deciding later and of knowing earlier.

    Attributes:
        instance: with its questions.
        measure: what costs are values of, in words.
        adaptive: the plan of `solve`.
        costs: by ``adaptive``, ``static``, ``perfect``; those that were not reached are left out.
        questions: each question at other dates.
        alone: the informed plan of each future, in the order of the tree; None where it was not reached.
        followed: the regret table; pairs that were not reached are left out.
        orders: what these plans have in common; None where one of them was not reached.
        tolerance: money to which costs are proven.
        stopped: whether Ctrl-C, or a time limit, ended it before all was known.
        notes: what the user should know.
        seconds: that it took.
    """

    instance: Instance = field(repr=False)
    measure: str
    adaptive: FuturesResult = field(repr=False)
    costs: dict[str, MeasuredCost] = field(default_factory=dict)
    questions: tuple[QuestionTiming, ...] = ()
    alone: tuple[Result | None, ...] = field(default=(), repr=False)
    followed: tuple[FollowedPlan, ...] = ()
    orders: tuple[InformedOrder, ...] | None = None
    tolerance: float | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    frames = property(of_futures_study)

    @property
    def has_priced_gaps(self) -> bool:
        """Whether gaps have a price, which is part of every cost that is compared."""
        return self.instance.policy.gap_price is not None

    @property
    def measure_with_gaps(self) -> str:
        """What costs are values of, in words; with the price of gaps where they have one."""
        return f"{self.measure} with gaps at their price" if self.has_priced_gaps else self.measure

    @property
    def flexibility(self) -> ProvenDifference | None:
        """What it is worth to decide later what can wait, ST − RP, money; None where a plan leaves an unpriced gap."""
        return self._more("flexibility")

    @property
    def information(self) -> ProvenDifference | None:
        """What it is worth to know every answer from the start, RP − WS, money; None likewise."""
        return self._more("information")

    def compared(self, value: str) -> tuple[MeasuredCost | None, MeasuredCost | None]:
        """The plans of which ``flexibility`` or ``information`` is the difference: without it, and with it."""
        kinds = {"flexibility": ("static", "adaptive"), "information": ("adaptive", "perfect")}[value]
        without, with_it = map(self.costs.get, kinds)
        return without, with_it

    def _more(self, value: str) -> ProvenDifference | None:
        without, with_it = self.compared(value)
        return None if without is None else without.more(with_it)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        kinds = ("adaptive", "static", "perfect")
        costs = {kind: self.costs[kind].to_dict() if kind in self.costs else None for kind in kinds}
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "survives": self.adaptive.survives,
            "measure": self.measure,
            "tolerance": self.tolerance,
            **costs,
            "flexibility": band_dict(self.flexibility),
            "information": band_dict(self.information),
            "probabilities_given": self.adaptive.are_probabilities_given,
            "futures": [self.figures_in(number) for number in range(len(self.instance.tree.futures))],
            "questions": [each.to_dict() for each in self.questions],
            "regret": [each.to_dict() for each in self.followed],
            "orders": None if self.orders is None else [each.to_dict() for each in self.orders],
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }

    def figures_in(self, number: int) -> dict[str, Any]:
        """A future: its costs under the adaptive and its informed plan, gaps at their price where they have one."""
        future, own = self.instance.tree.futures[number], self.alone[number]
        under = self.adaptive.futures[number] if self.adaptive.futures else None
        found: dict[str, Any] = {"name": future.name, "probability": future.probability}
        found["adaptive_cost"] = None if under is None else under.result.priced_cost
        figures: dict[str, Any] = dict.fromkeys(("least_cost", "least_bound", "outlay", "gap", "survives"))
        if own is not None:
            figures = {
                "least_cost": finite_or_none(own.priced_cost),
                "least_bound": finite_or_none(_priced_bound(own)),
                "outlay": finite_or_none(own.outlay),
                "gap": finite_or_none(own.survival_gap),
                "survives": own.survives,
            }
        return found | figures


def band_dict(found: ProvenDifference | None) -> dict[str, float | None] | None:
    """A difference for JSON; null where it is not known, and a bound where nothing is proven."""
    if found is None:
        return None
    return {"value": found.value, "low": finite_or_none(found.low), "high": finite_or_none(found.high)}


def value_of_result(instance: Instance, result: FuturesResult) -> MeasuredCost:
    """What is remembered of a plan for several futures."""
    if not result.futures:
        return MeasuredCost("stopped" if result.status == "stopped" else "none")
    price = instance.policy.gap_price
    cost = result.total_cost if price is None else measure_of_futures(instance, result.futures, price)
    # What is not proven of the measure of costs is what is not proven of costs and priced gaps.
    bound = -math.inf if result.bound is None else cost - max(0.0, result.total_cost - result.bound)
    status: ValueStatus = "stopped" if result.status == "stopped" else "proven"
    # A survival gap that is expected to be nothing may still be one in a future.
    gap = 0.0 if result.survives else result.survival_gap
    return MeasuredCost(status, cost, bound, gap, is_priced=price is not None)


def informed_cost(instance: Instance, own: Sequence[Result]) -> MeasuredCost:
    """The measure of the informed plans of all futures, with their probabilities; nothing is regretted by them."""
    kind, weights = instance.policy.objective.kind, [each.probability for each in instance.tree.futures]
    status: ValueStatus = "stopped" if "stopped" in {each.status for each in own} else "proven"
    gap = math.sumprod(weights, [0.0 if each.survives else each.survival_gap for each in own])
    costs, bounds = [each.priced_cost for each in own], [_priced_bound(each) for each in own]
    values = {
        "regret": (0.0, 0.0),
        "worst": (max(costs), max(bounds)),
        "expected": (math.sumprod(weights, costs), math.sumprod(weights, bounds)),
    }
    return MeasuredCost(status, *values[kind], gap, is_priced=instance.policy.gap_price is not None)


def _priced_bound(own: Result) -> float:
    """A proven lower bound on the least cost with gaps at their price; infinite where none is known."""
    return -math.inf if own.bound is None else own.priced_cost - max(0.0, own.total_cost - own.bound)


# Orders of the informed plans.


def informed_orders(instance: Instance, plans: Sequence[Sequence[Decision]]) -> list[InformedOrder]:
    """The orders of the informed plans, urgent ones first, in the order of time."""
    questions = timed_questions(instance.futures, instance.horizon)
    first = questions[0].t
    found = []
    for o in instance.options:
        early, ever = (_informed_purchases(plans, o, t) for t in (first, len(instance.horizon.periods)))
        if ever:
            later = [number for number in ever if number not in early] if early else None
            bought = early or ever
            found.append((min(each.t for each in bought.values()), _order(instance, questions, o, bought, later)))
    return [order for _, order in sorted(found, key=lambda each: (not each[1].is_urgent, each[0]))]


@dataclass(frozen=True)
class _InformedPurchase:
    """What one plan buys of an option: how much, and when first."""

    size: float
    t: int


def _informed_purchases(plans: Sequence[Sequence[Decision]], option: str, before: int) -> dict[int, _InformedPurchase]:
    """By number of a future what its informed plan buys before a period, where it does."""
    found = {}
    for number, plan in enumerate(plans):
        some = [each for each in plan if each.option == option and each.t < before]
        if some:
            found[number] = _InformedPurchase(sum(each.size for each in some), min(each.t for each in some))
    return found


def _order(
    instance: Instance,
    questions: Sequence[TimedQuestion],
    option: str,
    bought: dict[int, _InformedPurchase],
    later: Sequence[int] | None,
) -> InformedOrder:
    """An order of the plans that have bought it; `later` are the others that buy it, None where no order is urgent."""
    tree, label = instance.tree, instance.horizon.label
    sizes, times = [each.size for each in bought.values()], [each.t for each in bought.values()]
    depends_on, on, branches = _dependence(instance, questions, bought)
    in_all = depends_on == "no regret"
    if later and len(bought) + len(later) == len(tree.futures):
        depends_on = "different dates"
    return InformedOrder(
        option=option,
        depends_on=depends_on,
        futures=tuple(tree.futures[number].name for number in bought),
        common=min(sizes) if in_all else 0.0,
        smallest=min(sizes),
        largest=max(sizes),
        first=label(min(times)),
        last=label(max(times)),
        is_urgent=later is not None,
        later=tuple(tree.futures[number].name for number in later or ()),
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


def _dependence(
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
    return [
        {question_of(place): place for place, _ in way.branches}
        for way in find_ways(instance.futures, instance.horizon)
    ]


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
