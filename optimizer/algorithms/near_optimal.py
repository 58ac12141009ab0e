"""All plans that cost no more than so much: one model, kept warm, for every question about them.

    cost ≤ most          a row; where floors fail, the gap is held as well
    N[o] = Σ_a n[o,a]    a column for each option: its size over all years, or what a stockpile buys in t

What is asked is a linear function of the sizes N, or the cost. Few shocks bind: a plan is found with those that are
written out, checked on all others, and sought again with the worst of them written out. What a relaxation says holds
for the plans of all shocks, for fewer shocks and no integers only let more plans through.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.base import Solved
from optimizer.algorithms.benders import FEW
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.question import Question, at_most
from optimizer.algorithms.reading import integers_of, plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation.listed import select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import Stage
from optimizer.model.expressions import Expression
from optimizer.progress import Listener
from optimizer.results.plan import Plan
from optimizer.solver import Clock, Settings, SolveResult, Vector

TOTAL = "total"
# Like plans are the cheapest and so many that were found last.
LATEST = 2
# What is held may be missed by this share of itself.
SLACK = 1e-6
Verdict = Literal["found", "none", "stopped"]
Among = Literal["all", "like"]


@dataclass(frozen=True)
class NearOptimalPlan:
    """A plan that is near: its sizes by option, its cost in present value, its integers, and the plan itself."""

    sizes: Mapping[str, float]
    cost: float
    plan: Plan
    integers: Vector = field(repr=False)


@dataclass(frozen=True)
class SearchOutcome:
    """What a search came to.

    Attributes:
        verdict: ``found``; ``none``, proven; ``stopped``, since the time ran out.
        known: the plan that was found.
    """

    verdict: Verdict
    known: NearOptimalPlan | None = None


class NearOptimalSearch(Search):
    """The plans near to the cheapest.

    Args:
        instance, settings, clock, listener: as for `Strategy.run`.
        evaluator: answers for the shocks.
        most: the cost that none of them exceeds, in money, present value.
        allowed: the gap that none of them exceeds, in money; 0 where all floors are kept. Above 0, every shock that can
            fail is written out.
        first: names of shocks to begin with.
    """

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        evaluator: RecourseEvaluator,
        most: float,
        allowed: float = 0.0,
        first: Iterable[str] = (),
    ) -> None:
        super().__init__(instance, replace(settings, checkpoint=None), clock, listener, evaluator, 4, FEW)
        self.most = most
        first, events = frozenset(first), enumerate(instance.events)
        self.write(n for n, shock in events if shock.name in first or shock.probability > 0)
        if allowed > 0:
            self.write(np.flatnonzero(evaluator.idle(clock).gap > 0.0).tolist())
        rows = (at_most(formulation.cost, most, "cost"), _totals)
        question = Question(rows=rows, name="cost", allowed=allowed)
        self.run = ScenarioModel(instance, self.shocks(), self.settings, clock, self.hear, self.writer, question)
        self.run.keep_floors()
        found = self.run.stage.found()
        self.columns = {o: next(iter(found["", o, TOTAL].values())) for o in instance.options}
        self.found: list[NearOptimalPlan] = []

    def size(self, option: str, factor: float = 1.0) -> Expression:
        """`factor` times the size of an option."""
        return Expression({self.columns[option]: factor})

    @property
    def cost(self) -> Expression:
        """Total cost, present value."""
        return self.run.cost

    def taken(self, plan: Plan, cost: float) -> NearOptimalPlan:
        """A plan that is known to be near."""
        sizes = {o: sum(plan.fills.get(o, ())) for o in self.columns}
        for build in plan.builds:
            sizes[build.option] += build.size
        integers = np.array(integers_of(self.instance, plan, self.run.stage.columns))
        self.found.append(NearOptimalPlan(sizes, cost, plan, integers))
        return self.found[-1]

    @contextlib.contextmanager
    def held(self, bounds: Mapping[str, tuple[float, float]]) -> Iterator[None]:
        """Keep the sizes of options within bounds."""
        before = {o: (self.run.model.lower[self.columns[o]], self.run.model.upper[self.columns[o]]) for o in bounds}
        self._hold(bounds)
        try:
            yield
        finally:
            self._hold(before)

    @contextlib.contextmanager
    def hurried(self, seconds: float) -> Iterator[None]:
        """Stop whatever is asked within after so many seconds."""
        with self.clock.hurried(seconds):
            yield

    def _hold(self, bounds: Mapping[str, tuple[float, float]]) -> None:
        for o, (lower, upper) in bounds.items():
            self.run.model.bound([self.columns[o]], lower, upper)

    def narrow(self, option: str, lower: float, upper: float) -> None:
        """What is proven of an option's size in all plans: it makes what is asked next easier to prove."""
        column, model = self.columns[option], self.run.model
        slack = SLACK * max(1.0, lower)
        model.bound([column], max(model.lower[column], lower - slack), min(model.upper[column], upper + slack))

    def limit(self, objective: Expression) -> float:
        """A bound below which the objective of no plan lies, by the relaxation; infinite where there is no plan.

        It is worked out even in a hurry.
        """
        self.run.unfix()
        self.run.model.minimise(objective)
        hurry, self.clock.limit = self.clock.limit, self.settings.time_limit
        try:
            answer = self.run.model.solve(relaxed=True)
        finally:
            self.clock.limit = hurry
        if answer.status == "infeasible":
            return math.inf
        return answer.objective if answer.status == "optimal" else -math.inf

    def moved(self, known: NearOptimalPlan, objective: Expression) -> NearOptimalPlan | None:
        """The plan with the same integers and the least objective; None where it fails a shock not written out."""
        self._fix(known.integers)
        self.run.model.minimise(objective)
        answer = self.run.untimed()
        if answer.values is None:
            return None
        found = self._cheapened(answer, objective)
        return None if found is None or self._violated(found) else self._kept(found)

    def seek(
        self, objective: Expression, enough: float = -math.inf, own: str | None = None, *, among: Among = "all"
    ) -> SearchOutcome:
        """The plan with the least objective within what is held, or the first whose objective is `enough`.

        With `own`, an option, it is looked for among like plans first: those whose integers lie between those of some
        that are known, but for the option's own. Where there is none, among all; or nowhere else, if only ``like``
        plans are wanted.
        """
        likes = [self.found[:1] + self.found[-LATEST:], self.found, []] if own is not None else [[]]
        likes = likes[:1] if among == "like" else likes
        while not self.clock.is_over:
            self._between(likes[0], own)
            self.run.model.minimise(objective)
            answer = self.run.model.solve(enough=enough)
            polished = None if answer.values is None else self._cheapened(answer, objective)
            if polished is None:
                if len(likes) == 1:
                    break
                likes = likes[1:]
                continue
            violated = self._violated(polished)
            if not violated:
                is_over = self.clock.is_over and answer.objective > enough
                return SearchOutcome("stopped" if is_over else "found", self._kept(polished))
            had = len(self.written)
            self.write(select_most_violated(self.instance.events, violated, 2 * self.add))
            self.run.grow(self.shocks()[had:])
        is_none = among == "all" and not self.clock.is_over and answer.status == "infeasible"
        return SearchOutcome("none") if is_none else SearchOutcome("stopped")

    def _between(self, plans: Sequence[NearOptimalPlan], own: str | None) -> None:
        """Let integers move between those of some plans, an option's own as they like; all as they like without any."""
        self.run.unfix()
        model, columns = self.run.model, self.run.stage.columns
        if plans and len(model.integers):
            others = np.array([columns[j].mark.owner != own for j in model.integers])
            all_of = np.array([known.integers for known in plans])[:, others]
            model.bound(model.integers[others], all_of.min(axis=0), all_of.max(axis=0))

    def _fix(self, integers: Vector) -> None:
        self.run.model.bound(self.run.model.integers, integers, integers)

    def _cheapened(self, answer: SolveResult, objective: Expression) -> SolveResult | None:
        """The same integers at the least cost, with the objective where it is; None where they do not fit."""
        assert answer.values is not None
        bounds = {}
        for o, column in self.columns.items():
            size, factor = float(answer.values[column]), objective.terms.get(column, 0.0)
            if factor:
                bounds[o] = (0.0, size * (1.0 + SLACK)) if factor > 0 else (size * (1.0 - SLACK), math.inf)
        with self.held(bounds):
            self.run.model.minimise(self.cost)
            return self.run.fixed(replace(answer, prices=None))

    def _violated(self, answer: SolveResult) -> dict[int, float]:
        """By number, the gap in money of the shocks that are not written out and that the plan does not survive."""
        plan = read_plan(self.instance, self.run.stage, self._values(answer))
        values = plan_values(self.instance, plan, self.evaluator.subproblems.plan)
        return self.evaluator.gaps(values, self.clock, self.needless.union(self.written)).violated

    def _values(self, answer: SolveResult) -> Sequence[float]:
        assert answer.values is not None
        values: list[float] = answer.values.tolist()
        return values

    def _kept(self, answer: SolveResult) -> NearOptimalPlan:
        values = self._values(answer)
        plan = read_plan(self.instance, self.run.stage, values)
        return self.taken(plan, self.cost.value(values))

    def solved(self, known: NearOptimalPlan) -> Solved | None:
        """The cheapest plan with the same sizes and integers, as a strategy would hand it back; no bound is known."""
        self._fix(known.integers)
        with self.held({o: (size * (1.0 - SLACK), size * (1.0 + SLACK)) for o, size in known.sizes.items()}):
            self.run.model.minimise(self.cost)
            answer = self.run.untimed()
        if answer.values is None:
            return None
        values, gap = self._values(answer), 0.0
        if self.run.question.allowed > 0:
            gap = max(0.0, self.run.shortfall.value(values))
        cost = self.cost.value(values)
        return Solved("optimal", self.run.stage, answer.values, cost, gap=gap, notes=tuple(self.run.notes))


def _totals(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> None:
    """N[o] = Σ_a n[o,a], a column for each option."""
    for o, option in instance.options.items():
        size = stage.variable(o, TOTAL, 0, unit=option.unit)
        stage.require(o, TOTAL, None, size - formulation.bought(stage, instance, o), "==", unit=option.unit)
