"""Result of a study of futures: values of deciding later and knowing earlier, orders of informed plans, and frames.

FuturesStudy    the result of the study
MeasuredCost    the value of the measure under given dates of answers
QuestionTiming  one question answered at another date
FollowedPlan    the plan of one future, followed in another one
InformedOrder   an option in the informed plans, and the answers on which it depends (`informed_orders`)

The informed plan of a future is its best plan if the future is known from the start; `perfect` is the set of all.
Informed plans share no-regret orders, and differ in orders that depend on answers. An order is the sum of a plan's
purchases of an option before the first question is answered; for an option that no plan buys by then, of all purchases.

no regret        the order is in every informed plan, with at least the smallest size of them
different dates  the order is in some informed plans, and all others buy the option later: answers decide its date alone
one answer       the order is in the informed plans of all futures of some branches of one question, and in no others
several answers  all other orders
signposts        the questions on which the order depends and that are open at its first date in the plans that have it
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from optimizer.errors import Finding, Place
from optimizer.files import finite_or_none
from optimizer.instance.derived import size_unit
from optimizer.instance.questions import TimedQuestion, find_ways, question_of, timed_questions
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.futures import Decision, FuturesResult
from optimizer.results.plan import ReadOnly
from optimizer.results.result import Result
from optimizer.studies.cost_tolerance import ProvenDifference, band_dict

# Other dates of answers.
Timing = Literal["start", "earlier", "later", "never"]
ValueStatus = Literal["proven", "stopped", "none"]
OrderClass = Literal["no regret", "different dates", "one answer", "several answers"]


@dataclass(frozen=True)
class MeasuredCost:
    """The value of the measure under given dates of answers."""

    status: ValueStatus  # ``none`` if no plan keeps the rules
    # Measure of the plan that was found, including priced gaps, and its proven lower bound; infinite if there is none.
    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0  # expected survival gap of the plan
    is_priced: bool = False  # whether gaps have a price

    @property
    def survives(self) -> bool:
        """Whether there is a plan that keeps every floor."""
        return math.isfinite(self.cost) and self.gap <= 0

    @property
    def is_comparable(self) -> bool:
        """Whether the cost can be compared, since the plan keeps every floor or its gaps have a price."""
        return self.survives or (self.is_priced and math.isfinite(self.cost))

    @property
    def leaves_gap(self) -> bool:
        """Whether there is a plan, and it leaves a survival gap without a price."""
        return math.isfinite(self.cost) and not self.is_comparable

    @property
    def is_open(self) -> bool:
        """Whether the search was stopped before it found a plan with a comparable cost."""
        return self.status == "stopped" and not self.is_comparable

    def closed_gap(self, of: "MeasuredCost | None") -> float | None:
        """Return the expected gap of another plan that this plan closes; None if it does not close a gap."""
        if of is None or of.is_open or not (of.leaves_gap and self.is_comparable):
            return None
        return of.gap

    def more(self, than: "MeasuredCost | None") -> ProvenDifference | None:
        """Return the extra cost over the plan with better information, at least 0; None unless both are comparable."""
        if than is None or not (self.is_comparable and than.is_comparable):
            return None
        found = ProvenDifference.of(than.cost, than.bound, self.cost, self.bound)
        return ProvenDifference(max(0.0, found.value), max(0.0, found.low), max(0.0, found.high))

    def to_dict(self) -> dict[str, Any]:
        """Return the value for JSON, with None in place of numbers that are not finite."""
        return {
            "status": self.status,
            "cost": finite_or_none(self.cost),
            "bound": finite_or_none(self.bound),
            "gap": self.gap if math.isfinite(self.cost) else None,
        }


@dataclass(frozen=True)
class QuestionTiming:
    """One question answered at another date, all others at their own dates."""

    question: str
    asked: str  # period from which the answer is known in the file
    timing: Timing  # ``start``: as early as possible; a year ``earlier`` or ``later``; ``never``
    known: str | None  # period from which the answer is known at the other date; None for never
    value: MeasuredCost | None = None  # measure with the other date; None if the time ran out
    # Value of the earlier answer, or cost of the later one, at least 0; None if one of the plans leaves a gap without a
    # price, or the time ran out.
    difference: ProvenDifference | None = None

    @property
    def is_earlier(self) -> bool:
        """Whether the question is answered before its date in the file."""
        return self.timing in ("start", "earlier")

    def to_dict(self) -> dict[str, Any]:
        """Return the timing for JSON, with None in place of unknown figures."""
        figures = (self.value or MeasuredCost("stopped")).to_dict()
        what = {"question": self.question, "from": self.asked, "timing": self.timing, "known": self.known}
        return what | figures | {"worth" if self.is_earlier else "loss": band_dict(self.difference)}


@dataclass(frozen=True)
class FollowedPlan:
    """The informed plan of one future, followed unchanged in a future."""

    plan: str
    future: str
    # Total cost and survival gap, money; None if the plan is infeasible in that future.
    cost: float | None = None
    gap: float | None = None
    # Cost minus that of the future's own informed plan, with gaps at their price; None if the followed plan
    # is infeasible, or leaves a larger gap that has no price.
    regret: float | None = None
    survives: bool = False  # whether every floor is kept
    broken_rules: tuple[Finding, ...] = ()  # rules of the future that the plan breaks; they are not enforced

    def to_dict(self) -> dict[str, Any]:
        """Return the followed plan for JSON."""
        names = ("plan", "future", "cost", "gap", "regret", "survives")
        rules = [{"where": rule.where, "what": rule.what, "cure": rule.cure} for rule in self.broken_rules]
        return {name: getattr(self, name) for name in names} | {"rules": rules}


@dataclass(frozen=True)
class InformedOrder:
    """An order of an option in the informed plans."""

    option: str
    depends_on: OrderClass  # `hangs` in JSON
    futures: tuple[str, ...]  # the futures whose informed plans have the order
    common: float  # size that all informed plans have; 0 if a plan lacks the order
    # Smallest and largest size in the plans that have the order; for a stockpile, t bought.
    smallest: float
    largest: float
    # Labels of the earliest and the latest period in which these plans first buy the option.
    first: str
    last: str
    # Whether a plan buys the option before the first answer, which may be years away; otherwise all plans wait for it.
    is_urgent: bool
    later: tuple[str, ...] = ()  # for an urgent order, futures whose plans buy the option only after the first answer
    questions: tuple[str, ...] = ()  # questions on which the order depends; empty for a no-regret order
    branches: tuple[str, ...] = ()  # branches with the order, if it depends on a single question; otherwise empty
    # Questions that are open in `first`, out of `questions` and those they arise from, each with the period from which
    # its answer is known.
    open: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the order for JSON."""
        data: dict[str, Any] = {"option": self.option, "hangs": self.depends_on}
        data |= {name: getattr(self, name) for name in ("common", "smallest", "largest")}
        data |= {"first": self.first, "last": self.last, "is_urgent": self.is_urgent}
        lists = {name: list(getattr(self, name)) for name in ("futures", "later", "questions", "branches")}
        return data | lists | {"open": [{"question": name, "from": period} for name, period in self.open]}


@dataclass(frozen=True)
class FuturesStudy(ReadOnly):
    """The value of deciding later and of knowing earlier.

    Attributes:
        instance: the instance with its questions.
        measure: name of the measure; every cost is a value of it.
        adaptive: the adaptive plan, that of `solve`.
        costs: measures of ``adaptive``, ``static`` and ``perfect``; those not reached in time are left out.
        questions: each question at other dates.
        alone: the informed plan of each future, in the order of the tree; None if it was not reached in time.
        followed: the regret table; pairs not reached in time are left out.
        orders: orders of the informed plans; None if a plan was not reached in time.
        tolerance: accuracy of proven costs, money.
        stopped: whether Ctrl-C or a time limit ended the study early.
        notes: remarks for the user.
        seconds: run time, s.
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

    def __repr__(self) -> str:
        counts = f"futures: {len(self.alone)}; questions at other dates: {len(self.questions)}"
        return f"<FuturesStudy of {self.instance.title!r} by {self.measure}: {counts}>"

    @property
    def frames(self) -> Frames:
        """The frames by name (values, questions, futures, regret, orders); attributes are pandas frames."""
        makers = {
            "values": values_frame,
            "questions": question_timings_frame,
            "futures": informed_futures_frame,
            "regret": regret_frame,
            "orders": informed_orders_frame,
        }
        return Frames(makers, self)

    @property
    def has_priced_gaps(self) -> bool:
        """Whether gaps have a price, which is part of every compared cost."""
        return self.instance.policy.gap_price is not None

    @property
    def measure_with_gaps(self) -> str:
        """Name of the measure of which costs are values, including priced gaps if gaps have a price."""
        return f"{self.measure} with gaps at their price" if self.has_priced_gaps else self.measure

    @property
    def flexibility(self) -> ProvenDifference | None:
        """Value of deciding later, ST − RP, money; None if a plan leaves an unpriced gap."""
        return self._more("flexibility")

    @property
    def information(self) -> ProvenDifference | None:
        """Value of knowing every answer from the start, RP − WS, money; None if a plan leaves an unpriced gap."""
        return self._more("information")

    def compared(self, value: str) -> tuple[MeasuredCost | None, MeasuredCost | None]:
        """Return the measures whose difference is ``flexibility`` or ``information``: without it, and with it."""
        kinds = {"flexibility": ("static", "adaptive"), "information": ("adaptive", "perfect")}[value]
        without, with_it = map(self.costs.get, kinds)
        return without, with_it

    def _more(self, value: str) -> ProvenDifference | None:
        without, with_it = self.compared(value)
        return None if without is None else without.more(with_it)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
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
        """Return a future's figures under the adaptive and its informed plan for JSON; costs include priced gaps."""
        future, own = self.instance.tree.futures[number], self.alone[number]
        under = self.adaptive.futures[number] if self.adaptive.futures else None
        names = {"least_cost": "priced_cost", "least_bound": "priced_bound", "outlay": "outlay", "gap": "survival_gap"}
        return {
            "name": future.name,
            "probability": future.probability,
            "adaptive_cost": None if under is None else under.result.priced_cost,
            **{key: None if own is None else finite_or_none(getattr(own, name)) for key, name in names.items()},
            "survives": None if own is None else own.survives,
        }


# Orders of the informed plans.

# Total size and first period of the purchases of an option, by index of the future in whose informed plan they are.
_InformedPurchases = dict[int, tuple[float, int]]


def informed_orders(instance: Instance, plans: Sequence[Sequence[Decision]]) -> list[InformedOrder]:
    """Return the orders of the informed plans, urgent ones first, then in the order of time."""
    questions = timed_questions(instance.futures, instance.horizon)
    first = questions[0].t
    found = []
    for o in instance.options:
        early, ever = (_informed_purchases(plans, o, t) for t in (first, len(instance.horizon.periods)))
        if ever:
            later = [number for number in ever if number not in early] if early else None
            bought = early or ever
            order = _informed_order(instance, questions, o, bought, later)
            found.append((min(t for _, t in bought.values()), order))
    return [order for _, order in sorted(found, key=lambda each: (not each[1].is_urgent, each[0]))]


def _informed_purchases(plans: Sequence[Sequence[Decision]], option: str, before: int) -> _InformedPurchases:
    """Return the purchases of an option before a period in the informed plans."""
    found = {}
    for number, plan in enumerate(plans):
        some = [each for each in plan if each.option == option and each.t < before]
        if some:
            found[number] = sum(each.size for each in some), min(each.t for each in some)
    return found


def _informed_order(
    instance: Instance,
    questions: Sequence[TimedQuestion],
    option: str,
    bought: _InformedPurchases,
    later: Sequence[int] | None,
) -> InformedOrder:
    """Return the order of an option; `later` are the futures that buy it later, None if the order is not urgent."""
    tree, label = instance.tree, instance.horizon.label
    sizes, times = zip(*bought.values(), strict=True)
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
    """Return the questions `on`, and those they arise from, that are open in period t, with the date of the answer."""
    chains = [each for each in questions if any(own.place[: len(each.place)] == each.place for own in on)]
    return tuple((each.name, instance.horizon.label(each.t)) for each in chains if each.t > t)


def _dependence(
    instance: Instance, questions: Sequence[TimedQuestion], having: Collection[int]
) -> tuple[OrderClass, list[TimedQuestion], tuple[str, ...]]:
    """Return class, questions and branches of the answers that determine whether a future is in `having`.

    Branches are given only if a single question decides.
    """
    if len(having) == len(instance.tree.futures):
        return "no regret", [], ()
    for question in questions:
        branches = _deciding_branches(instance, question, having)
        if branches:
            return "one answer", [question], branches
    return "several answers", _relevant(instance, questions, having), ()


def _branches_by_future(instance: Instance) -> list[dict[Place, Place]]:
    """Return the branch of each question, by question, for each future."""
    return [
        {question_of(place): place for place, _ in way.branches}
        for way in find_ways(instance.futures, instance.horizon)
    ]


def _deciding_branches(instance: Instance, question: TimedQuestion, having: Collection[int]) -> tuple[str, ...]:
    """Return the branches of a question whose futures together are exactly `having`; empty if there are none."""
    of_branch = dict[Place, set[int]]()
    for number, branches in enumerate(_branches_by_future(instance)):
        if question.place in branches:
            of_branch.setdefault(branches[question.place], set()).add(number)
    full = {branch: some for branch, some in of_branch.items() if some <= set(having)}
    if set().union(*full.values()) != set(having):
        return ()
    return tuple(str(branch[-1]) for branch in full)


def _relevant(instance: Instance, questions: Sequence[TimedQuestion], having: Collection[int]) -> list[TimedQuestion]:
    """Return the questions whose answers are needed to know whether a future is in `having`."""
    found, futures = [], _branches_by_future(instance)
    for question in questions:
        depth, seen = len(question.place), dict[tuple[Place, ...], bool]()
        for number, branches in enumerate(futures):
            rest = tuple(sorted((b for q, b in branches.items() if q[:depth] != question.place), key=str))
            if seen.setdefault(rest, number in having) != (number in having):
                found.append(question)
                break
    return found


def values_frame(found: FuturesStudy) -> Frame:
    """Build the frame of values, a row for each cost and each value of information or flexibility, with its bounds."""
    columns = (
        FrameColumn("what", is_index=True),
        *FrameColumn.several("exact", found.instance.money, "value", "low", "high"),
        FrameColumn("status"),
    )
    costs = found.costs.items()
    rows: list[tuple[Any, ...]] = [(kind, each.cost, each.bound, each.cost, each.status) for kind, each in costs]
    for name in ("flexibility", "information"):
        value = getattr(found, name)
        if value is not None:
            rows.append((name, value.value, value.low, value.high, ""))
    note = "Perfect: the informed plans, which know every answer from the start."
    return Frame.of_rows("values", "Costs and values", columns, rows, note)


def question_timings_frame(found: FuturesStudy) -> Frame:
    """Build the frame of questions, a row for each question and alternative date of its answer."""
    money = found.instance.money
    columns = (
        FrameColumn("question", is_index=True),
        FrameColumn("asked", "Answer in", form="period"),
        FrameColumn("timing", is_index=True),
        FrameColumn("known", "Known in", form="period"),
        *FrameColumn.several("exact", money, "cost", "bound"),
        FrameColumn("gap", unit=money, form="amount"),
        *FrameColumn.several("exact", money, "difference", "low", "high"),
        FrameColumn("status"),
    )
    rows = []
    for each in found.questions:
        value, band = each.value, each.difference
        cost = (None, None, None) if value is None else (value.cost, value.bound, value.gap)
        proven = (None, None, None) if band is None else (band.value, band.low, band.high)
        status = "stopped" if value is None else value.status
        rows.append((each.question, each.asked, each.timing, each.known, *cost, *proven, status))
    return Frame.of_rows("questions", "Each question at another date", columns, rows)


def informed_futures_frame(found: FuturesStudy) -> Frame:
    """Build the frame of futures, a row for each: under the adaptive plan, and under its informed plan."""
    money = found.instance.money
    columns = (
        FrameColumn("future", is_index=True),
        FrameColumn("probability", unit="share", form="tenth"),
        *FrameColumn.several("exact", money, "adaptive_cost", "least_cost", "least_bound", "outlay"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("survives", form="yes"),
    )
    names = ("name", "probability", "adaptive_cost", "least_cost", "least_bound", "outlay", "gap", "survives")
    rows = ([row[name] for name in names] for row in map(found.figures_in, range(len(found.instance.tree.futures))))
    return Frame.of_rows("futures", "Each future", columns, rows)


def regret_frame(found: FuturesStudy) -> Frame:
    """Build the frame of regret, a row for each future's informed plan and each future in which it is followed."""
    money = found.instance.money
    columns = (
        FrameColumn("plan", "Plan of", is_index=True),
        FrameColumn("future", "Followed in", is_index=True),
        FrameColumn("survives", form="yes"),
        *FrameColumn.several("exact", money, "cost", "regret"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("rules", "Rules broken", of=lambda row: "; ".join(rule.where for rule in row.broken_rules)),
    )
    return Frame.of_items("regret", "The informed plan of each future, followed in all", found.followed, columns)


def informed_orders_frame(found: FuturesStudy) -> Frame:
    """Build the frame of orders, a row for each option that any informed plan buys."""
    instance = found.instance
    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("hangs", "Depends on", of=lambda order: order.depends_on),
        FrameColumn("is_urgent", "Before the first answer", form="yes"),
        *FrameColumn.several("period", "", "first", "last"),
        *FrameColumn.several("amount", "", "common", "smallest", "largest"),
        FrameColumn("unit", of=lambda order: size_unit(instance, order.option)),
        FrameColumn("questions", of=lambda order: ", ".join(order.questions)),
        FrameColumn("branches", of=lambda order: ", ".join(order.branches)),
        FrameColumn("open", of=lambda order: ", ".join(f"{name} ({period})" for name, period in order.open)),
        FrameColumn("futures", of=lambda order: ", ".join(order.futures)),
        FrameColumn("later", "Later in", of=lambda order: ", ".join(order.later)),
    )
    return Frame.of_items("orders", "Orders in the informed plans", found.orders or (), columns)
