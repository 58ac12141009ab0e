"""What would make an instance survive that does not: repairs, each alone sufficient, with their price.

budget   the least that survives everything: minimise outlay
annual   the least on top of each year's budget (`explain_years`)
floors   their highest common scaling (`explain_floors`)
length   the longest window of any shock
sooner   by how many months builds would have to stand earlier: all of them, or one alone
demand   how much of it would have to go: of all segments, or of one alone

Each is the least of its kind: it is found together with a proof, or a test, that a step less does not do.

The highest common scaling of the floors that a budget allows: one programme in which the scaling is a variable.

    μ   loss   share   of every floor, 0 … 1: floors are kept at (1 − μ)·φ

    floor   u − v ≤ (1 − φ)·D + φ·D·μ      in shocks, and under rules about time to survive

Minimised is μ, with few shocks written out; the plan found is put to all the others with floors at (1 − μ)·φ, and those
that it does not survive are written out as well.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.question import Question, outlay
from optimizer.algorithms.reading import plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation.listed import select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.formulation import Writer
from optimizer.instance.edits import with_budget, with_demand, with_floors, with_lead_times, with_windows_up_to
from optimizer.instance.schema import Instance
from optimizer.model.builder import Stage
from optimizer.model.expressions import Expression
from optimizer.results.plan import Plan
from optimizer.studies.explain.questions import (
    FEASIBILITY_GAP,
    Tried,
    WhatIfs,
    least_added,
    least_passing,
    with_added,
    without_annual_budget,
    without_budgets,
)
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from optimizer.units import rounded_up

# Shocks that are written out at the start, and more of them in a round.
FIRST, MORE = 8, 4
# Below this difference of scaling, shocks are survived.
SCALING_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Scaling:
    """The highest common scaling of the floors.

    Attributes:
        factor: of every floor; None where no plan exists even without floors, or none was found in time.
        most: proven: no higher one can be kept.
        plan: that keeps it.
    """

    factor: float | None
    most: float = 1.0
    plan: Plan | None = None


def highest_scaling(instance: Instance, asker: WhatIfSolver, first: Sequence[str]) -> Scaling:
    """The highest factor at which all floors can be kept, by the policy of the instance.

    Args:
        instance: the instance.
        asker: whose settings, clock and listener are used.
        first: names of shocks, those that are hardest to survive at the start.
    """
    names = {event.name: n for n, event in enumerate(instance.events)}
    written = [names[name] for name in first[:FIRST] if name in names]
    writer = Writer(instance)
    while True:
        shocks = [instance.events[n] for n in written]
        question = Question(_loss, (_loosen,), "share that floors lose")
        run = ScenarioModel(instance, shocks, asker.settings, asker.clock, asker.listener, writer, question)
        solved = run.kept()
        if solved is None or solved.values is None or solved.status == "infeasible":
            return Scaling(None)
        plan = read_plan(instance, solved.stage, solved.values.tolist())
        factor = 1.0 - float(np.clip(solved.cost, 0.0, 1.0))
        most = 1.0 - float(np.clip(solved.bound, 0.0, 1.0))
        if solved.notes and solved.status == "stopped":
            return Scaling(None, most)
        violated = _violated(with_floors(instance, factor=max(0.0, factor - SCALING_TOLERANCE)), plan, asker, written)
        if not violated:
            return Scaling(factor, most, plan)
        if asker.clock.is_over:
            return Scaling(None, most)
        written += select_most_violated(instance.events, violated, MORE)


def _violated(scaled: Instance, plan: Plan, asker: WhatIfSolver, written: Sequence[int]) -> dict[int, float]:
    """By number, the gaps of the shocks that a plan does not survive and that are not written out."""
    evaluator = RecourseEvaluator(scaled)
    checked = evaluator.gaps(plan_values(scaled, plan, evaluator.subproblems.plan), asker.clock, written)
    evaluator.close()
    return checked.violated


def _loss(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({_column(stage): 1.0})


def _column(stage: Stage) -> int:
    return stage.found()["", "question", "loss"][0]


def _loosen(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> None:
    """Every floor's row with what it loses."""
    column = next(iter(stage.variable("question", "loss", 0, unit="1", upper=1.0).terms))
    paths = {shock.name: instance.path(shock) for shock in shocks} | dict(instance.rules)
    for i, row in enumerate(stage.rows):
        if row.mark.what == "floor" and row.mark.path in paths and row.t is not None:
            path, d = paths[row.mark.path], row.mark.owner
            lost = path.floor_at(d, row.t) * path.demanded(d, row.t)
            stage.rows[i] = replace(row, terms={**row.terms, column: -lost})


RepairKind = Literal["budget", "annual", "floors", "length", "sooner", "demand"]
# How finely floors and demand are scaled, and how near the least budget is proven.
TENTHS, LEAST_BUDGET_GAP = 1e-3, 1e-4
BOTH_SHORT = "the budget in all is too small as well; with enough of both everything survives"
TOTAL_HELD = "not as long as the budget in all stays as it is"
# To so many digits the least budget is told.
BUDGET_DIGITS = 5


@dataclass(frozen=True)
class Repair:
    """One way to survive everything.

    Attributes:
        kind: what is changed.
        of: the option or the segment; None where it is all of them.
        works: whether it does at any size; None where the time ran out before that was known.
        amount: its least size: money (budget; annual: on top of each year's), a factor (floors), months (length,
            sooner), a share that goes (demand).
        beyond: what is known not to do, on the other side of `amount`; None where the time ran out.
        cost, outlay: of a plan that survives with it; None where none was found.
        is_proven: whether that plan is the cheapest, to the gap.
        floors: by segment and year, the floors that remain (floors).
        tonnes: by year, t/yr that go (demand).
        why: where it does not work.
    """

    kind: RepairKind
    of: str | None = None
    works: bool | None = None
    amount: float | None = None
    beyond: float | None = None
    cost: float | None = None
    outlay: float | None = None
    is_proven: bool = False
    floors: dict[str, dict[int, float]] = field(default_factory=dict)
    tonnes: dict[int, float] = field(default_factory=dict)
    why: str = ""


def _priced(repair: Repair, tried: Tried) -> Repair:
    """The repair with what the plan costs that was found with it."""
    if not tried.holds:
        return repair
    found = tried.found
    return replace(repair, cost=found.cost, outlay=found.outlay, is_proven=tried.is_proven)


def least_budget(what: WhatIfs) -> Iterator[Repair]:
    """The least budget with which everything survives."""
    policy = what.instance.policy
    if policy.budget is None and policy.annual_budget is None:
        yield Repair("budget", works=False, why="there is no budget to raise; it is not money that is short")
        return
    free = with_budget(what.instance, None)
    settings = replace(what.asker.settings, gap=min(LEAST_BUDGET_GAP, what.asker.settings.gap))
    found = what.ask("the least budget", free, Question(outlay, name="least outlay"), settings)
    tried = what.judged(free, found)
    if tried.holds is None:
        yield Repair("budget", why="it was stopped before that was found")
    elif not tried.holds:
        years = " as long as the budgets of single years stay as they are" if policy.annual_budget is not None else ""
        yield Repair("budget", works=False, why=f"no amount of money is enough{years}")
    elif policy.budget is not None and found.value <= policy.budget * (1.0 - LEAST_BUDGET_GAP):
        yield Repair("budget", works=False, why="there is money left: it does not bind")
    else:
        cheaper = partial(with_budget, what.instance)
        yield _enough(what, "budget", found, tried, "the plan of the least budget", cheaper)


def _enough(
    what: WhatIfs,
    kind: RepairKind,
    found: WhatIfResult,
    tried: Tried,
    words: str,
    with_amount: Callable[[float], Instance],
) -> Repair:
    """A least amount of money as it can be typed, with what the cheapest plan costs that survives with it."""
    amount = rounded_up(found.value, BUDGET_DIGITS)
    again = what.survived(words, with_amount(amount))
    if again.holds is False:
        amount = rounded_up(amount * (1.0 + 1e-6), BUDGET_DIGITS)
        again = what.survived(words, with_amount(amount))
    below = max(0.0, found.bound) if found.status == "optimal" else None
    return _priced(Repair(kind, works=True, amount=amount, beyond=below), again if again.holds else tried)


def more_each_year(what: WhatIfs, *, is_total_short: bool) -> Iterator[Repair]:
    """The least on top of the budget of each year with which everything survives; the budget in all stays.

    `is_total_short` says that more in all does, whatever the years.
    """
    instance = what.instance
    if instance.policy.annual_budget is None:
        return
    settings = replace(what.asker.settings, gap=min(LEAST_BUDGET_GAP, what.asker.settings.gap))
    found = least_added(what, "the least budget of each year", instance, settings)
    tried = what.judged(without_annual_budget(instance), found)
    if tried.holds is None:
        yield Repair("annual", why="it was stopped before that was found")
    elif not tried.holds:
        yield Repair("annual", works=False, why=TOTAL_HELD if is_total_short else _of_no_year(what))
    else:
        words = "the plan of the least budget of each year"
        yield _enough(what, "annual", found, tried, words, partial(with_added, instance))


def _of_no_year(what: WhatIfs) -> str:
    """Why no budget of single years is enough."""
    instance = what.instance
    if instance.policy.budget is not None:
        held = what.survived(
            "more money, in all and in each year", without_budgets(instance), gap=FEASIBILITY_GAP
        ).holds
        if held is None:
            return TOTAL_HELD
        if held:
            return BOTH_SHORT
    return "no amount of money is enough, whatever the year"


def scaled_floors(what: WhatIfs, hardest: list[str]) -> Iterator[Repair]:
    """The highest common scaling of the floors, and the floors that it means."""
    what.report("the highest floors that can be kept")
    clock, limit = what.asker.clock, what.asker.clock.limit
    scaling = highest_scaling(what.instance, what.asker, hardest)
    clock.limit = limit
    if scaling.factor is None:
        why = "" if what.is_over else "the rules of the policy contradict each other even without floors"
        yield Repair("floors", works=None if what.is_over else False, why=why or "it was stopped before that was found")
        return
    factor = math.floor(scaling.factor / TENTHS + 1e-3) * TENTHS
    if factor <= 0:
        yield Repair("floors", works=False, amount=0.0, beyond=scaling.most, why="only without any floor")
        return
    tried = what.survived("the plan of the lower floors", with_floors(what.instance, factor=factor))
    if not tried.holds:
        factor -= TENTHS
        tried = what.survived("the plan of the lower floors", with_floors(what.instance, factor=factor))
    floors = {
        d: {year: factor * demand.survival.at(year) for year in what.instance.horizon.years}
        for d, demand in what.instance.demands.items()
        if max(demand.survival.values) > 0
    }
    yield _priced(Repair("floors", works=True, amount=factor, beyond=scaling.most, floors=floors), tried)


class _Search:
    """The least step of a repair: `vary` makes the instance of a number of steps."""

    def __init__(self, what: WhatIfs, words: str, vary: Callable[[int], Instance]) -> None:
        self.what, self.words, self.vary = what, words, vary
        self.known: dict[int, Tried] = {}

    def holds(self, steps: int) -> bool | None:
        """Whether so many steps suffice."""
        if self.what.is_over:
            return None
        self.known[steps] = self.what.survived(f"{self.words}: step {steps}", self.vary(steps), gap=FEASIBILITY_GAP)
        return self.known[steps].holds

    def repair(
        self, kind: RepairKind, of: str | None, most: int, guess: int | None, why: str
    ) -> tuple[Repair, int, bool]:
        """The repair, its steps, and whether one step less is known not to do."""
        works = self.holds(most)
        if not works:
            left = "it was stopped before that was known"
            return Repair(kind, of, works, why=left if works is None else why), most, False
        steps, is_least = least_passing(self.holds, 0, most, guess)
        again = self.what.survived(f"{self.words}: its plan", self.vary(steps))
        return _priced(Repair(kind, of, True), again if again.holds else self.known[steps]), steps, is_least


def shorter(what: WhatIfs) -> Iterator[Repair]:
    """The longest windows that are survived."""
    horizon = what.instance.horizon
    longest = max((len(event.periods) for event in what.instance.events), default=0)
    if longest == 0:
        return
    search = _Search(
        what, "shorter shocks", lambda steps: with_windows_up_to(what.apart, (longest - steps) * horizon.months)
    )
    if longest == 1:
        yield Repair("length", works=False, why=f"the shocks last one {horizon.step}, and none can be shorter here")
        return
    repair, steps, is_least = search.repair(
        "length", None, longest - 1, None, f"not even one {horizon.step} of them is survived"
    )
    if repair.works:
        months = float((longest - steps) * horizon.months)
        repair = replace(repair, amount=months, beyond=months + horizon.months if is_least else None)
    yield repair


def sooner(what: WhatIfs) -> Iterator[Repair]:
    """By how many months builds would have to stand earlier: all of them, then each alone."""
    instance, horizon = what.instance, what.instance.horizon
    leads = {o: horizon.whole(option.lead_time) for o, option in instance.sized.items() if option.lead_time > 0}
    if not leads:
        yield Repair("sooner", works=False, why="no option has a lead time")
        return
    for of, most in [(None, max(leads.values())), *leads.items()]:
        if what.is_over:
            return
        chosen = None if of is None else [of]
        search = _Search(
            what,
            f"builds earlier{f', {of}' if of else ''}",
            lambda steps, chosen=chosen: with_lead_times(
                instance, months_later=-steps * horizon.months, options=chosen
            ),  # type: ignore[misc]
        )
        why = "not even if everything stood on the day it is ordered" if of is None else "not by itself"
        repair, steps, is_least = search.repair("sooner", of, most, None, why)
        if repair.works:
            months = float(steps * horizon.months)
            repair = replace(repair, amount=months, beyond=months - horizon.months if is_least else None)
        yield repair
        if of is None and repair.works is False:
            return


def less_demand(what: WhatIfs) -> Iterator[Repair]:
    """How much demand has to go, in steps of one percent: everywhere, then in each segment alone that has a floor."""
    instance = what.instance
    asked = [d for d, demand in instance.demands.items() if _has_floor(instance, d)]
    for of in [None, *asked] if len(asked) > 1 or len(instance.demands) > 1 else [None]:
        if what.is_over:
            return
        chosen = None if of is None else [of]
        search = _Search(
            what,
            f"less demand{f', {of}' if of else ''}",
            lambda steps, chosen=chosen: with_demand(instance, factor=1.0 - steps / 100, segments=chosen),  # type: ignore[misc]
        )
        repair, steps, is_least = search.repair(
            "demand", of, 100, None, "not even without any of it" if of else "not even without any demand"
        )
        if repair.works:
            gone = [instance.demands[d] for d in (instance.demands if of is None else [of])]
            tonnes = {
                year: steps / 100 * sum(demand.quantity.at(year) for demand in gone) for year in instance.horizon.years
            }
            share = steps / 100
            repair = replace(repair, amount=share, beyond=share - 0.01 if is_least else None, tonnes=tonnes)
        yield repair


def _has_floor(instance: Instance, segment: str) -> bool:
    own = (event.spec.survival.get(segment, 0.0) for event in instance.events)
    return max(instance.demands[segment].survival.values) > 0 or max(own, default=0.0) > 0
