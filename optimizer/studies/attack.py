"""The adversary's side of a plan: what shaped it, the worst that is left, and what it would take to break it.

attacks that shaped it    those that the plan's model has to hold
worst                     of all that it can afford at any start, the one that leaves most below the floors; where none
                          breaks a floor, the one that leaves most unserved above them (where each set can be tried)
least attack budget       of all sets of targets at any start, the cheapest that breaks a floor (`separation.attacks`)
unaware                   the plan for the listed shocks alone: what it saves, and the worst attack on it
least outlay              what surviving all of it takes at least, whatever the budget (`least_outlay`)

Damage is what serves most: the least gap, then the least shortage cost; costs of operation are not looked at.

What an attack does to a plan, segment by segment, where it is met by what serves most.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from optimizer.algorithms.reading import nothing, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation.attacks import AttackImpact, AttackOracle, Method, cheapest_violating_attack
from optimizer.disruptions.adversary import Attack
from optimizer.errors import PlanFileError
from optimizer.instance.edits import ScenarioNames, apply_arguments, with_attacks, without_shocks
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress, ignore
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies import study_frames
from optimizer.studies.fitting import fit_plan
from optimizer.studies.measure import MEASURE_SHARE, Measure, ProvenDifference, no_shock_cost
from optimizer.studies.outcomes import Survey, survey
from optimizer.studies.solve import tight_shocks
from optimizer.studies.what_if import WhatIfSolver
from optimizer.studies.withstand import (
    LeastOutlay,
    least_outlay,
    listed_shocks_only,
    plan_columns,
    withstood,
    worst_attack,
)
from optimizer.tolerances import NEGLIGIBLE, PLAN_GAP, SAME_VALUE
from optimizer.units import MoneyLike


@dataclass(frozen=True)
class SegmentImpact:
    """One segment under one attack, over its window: t unserved, t of that below the floor, and both at shortage cost.

    `service` and `floor` are shares in the weakest period.
    """

    service: float
    floor: float
    unserved: float
    below_floor: float
    damage: float
    gap: float


@dataclass(frozen=True)
class AttackDamage:
    """An attack and what it does.

    Attributes:
        name, targets, first, last: of the attack; its window by labels.
        price: what it costs the oracle.
        gap: what it leaves below the floors, in money.
        damage: all that it leaves unserved, at its shortage cost.
        segments: those that it leaves something unserved of, the largest gap first, then the largest damage.
    """

    name: str
    targets: tuple[str, ...]
    first: str
    last: str
    price: float
    gap: float
    damage: float
    segments: Mapping[str, SegmentImpact]

    @property
    def breaks(self) -> bool:
        """Whether a segment falls below its floor."""
        return any(harm.below_floor > 0 for harm in self.segments.values())


def attack_damages(instance: Instance, plan: Plan, attacks: Sequence[Attack]) -> list[AttackDamage]:
    """What some attacks do to a plan, in their order."""
    if not attacks:
        return []
    under = with_attacks(without_shocks(instance), attacks)
    evaluator = RecourseEvaluator(under)
    values = np.array(plan_values(under, plan, evaluator.subproblems.plan), dtype=np.float64)
    replies = evaluator.serve_most(values, Clock(), np.ones(len(under.events), dtype=bool))
    surveyed = survey(under, evaluator, replies)
    place = {event.name: s for s, event in enumerate(under.events)}
    costs = [demand.shortage_cost for demand in under.demands.values()]
    return [_attack_damage(under, each, surveyed, place[each.name(instance.horizon)], costs) for each in attacks]


def _attack_damage(under: Instance, struck: Attack, surveyed: Survey, s: int, costs: Sequence[float]) -> AttackDamage:
    adversary, event, label = under.adversary, under.events[s], under.horizon.label
    assert adversary is not None
    harms = {
        d: SegmentImpact(
            service=float(surveyed.served[s, i]),
            floor=float(surveyed.floor[s, i]),
            unserved=float(surveyed.shortage[s, i]),
            below_floor=float(surveyed.below[s, i]),
            damage=float(surveyed.shortage[s, i]) * costs[i],
            gap=float(surveyed.gap[s, i]),
        )
        for i, d in enumerate(under.demands)
        if surveyed.served[s, i] < 1.0 - NEGLIGIBLE
    }
    ordered = sorted(harms.items(), key=lambda item: (-item[1].gap, -item[1].damage))
    return AttackDamage(
        name=event.name,
        targets=struck.targets,
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        price=adversary.price(struck.targets),
        gap=sum(harm.gap for harm in harms.values()),
        damage=sum(harm.damage for harm in harms.values()),
        segments=dict(ordered),
    )


# Seconds for the least outlay: many of its integers lie close together, and what is proven by then is printed.
LEAST_OUTLAY_SECONDS = 30.0


@dataclass(frozen=True)
class ShapingAttack:
    """An attack that shaped the plan: what it would do with nothing built, and what it does."""

    without: AttackDamage
    with_plan: AttackDamage


@dataclass(frozen=True)
class AttackStart:
    """The worst affordable attack that breaks a floor at one start, and the cheapest set that does, affordable or not.

    None where none does.
    """

    start: str
    worst: AttackDamage | None
    cheapest: AttackDamage | None


@dataclass(frozen=True)
class ListedShocksPlan:
    """The plan for the listed shocks alone: its cost, the gap that they leave it with, and the worst attack on it.

    `saving` is what it costs less than the plan against the adversary, present value; `low` and `high` are what is
    proven of that, None where nothing is.
    """

    cost: float
    gap: float
    saving: float
    worst: AttackDamage | None
    low: float | None = None
    high: float | None = None

    @property
    def difference(self) -> ProvenDifference:
        """The saving, with what is proven of it."""
        low = -math.inf if self.low is None else self.low
        return ProvenDifference(self.saving, low, math.inf if self.high is None else self.high)


@dataclass(frozen=True)
class AttackResult:
    """A plan under its adversary.

    Attributes:
        result: the plan; its `adversary` is None where it was given.
        instance: the plan's, without attacks among its shocks.
        method: how the worst attack is found. sets: how many maximal affordable sets there are; None where too many.
        shaping: the attacks that shaped it, the dearest without a plan first; none for a saved plan.
        starts: every start of the adversary.
        worst: see the module; None where nothing it can afford leaves anything unserved, or it was not asked.
        unaware: None for a saved plan, without listed shocks or rules, or where it was not asked.
        least: the least outlay that survives the listed shocks and the adversary; None where it was not asked.
        measure: what costs are measured by; None without a plan that was solved for.
        stopped: whether the time ran out before all was asked.
        notes: what the user should know.
        seconds: that it took.
    """

    result: Result
    instance: Instance
    method: Method
    sets: int | None
    shaping: tuple[ShapingAttack, ...]
    starts: tuple[AttackStart, ...]
    worst: AttackDamage | None
    unaware: ListedShocksPlan | None = None
    least: LeastOutlay | None = None
    measure: Measure | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def breaking(self) -> AttackDamage | None:
        """The cheapest attack that breaks the plan, whatever it has; None where none does."""
        found = (start.cheapest for start in self.starts if start.cheapest is not None)
        return min(found, key=lambda blow: (blow.price, -blow.gap), default=None)

    @property
    def survives(self) -> bool:
        """Whether every floor is kept in all attacks that it can afford, and in all listed shocks.

        Of a plan that was given, listed shocks are not looked at again.
        """
        holds = self.result.baseline is not None and not (self.worst is not None and self.worst.breaks)
        return holds and (self.is_given or self.result.survives)

    @property
    def is_given(self) -> bool:
        """Whether the plan was not solved for."""
        return self.result.adversary is None

    @property
    def is_unproven(self) -> bool:
        """Whether the time ran out before everything was found and proven."""
        return self.stopped or (self.result.status == "stopped" and not self.is_given)

    frames = property(study_frames.of_attack)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the README."""
        adversary, result = self.instance.adversary, self.result
        assert adversary is not None
        breaking = self.breaking
        return {
            "instance": self.instance.title,
            "plan": "given" if self.is_given else "solved",
            "currency": self.instance.currency,
            "status": result.status,
            "survives": self.survives,
            "attack_budget": adversary.attack_budget,
            "months": adversary.months,
            "targets": {name: target.price for name, target in adversary.targets.items()},
            "sets": self.sets,
            "method": self.method,
            "shaping": [
                {"without": asdict(each.without), "with_plan": asdict(each.with_plan)} for each in self.shaping
            ],
            "worst": None if self.worst is None else asdict(self.worst),
            "least_attack_budget": None if breaking is None else breaking.price,
            "breaking": None if breaking is None else asdict(breaking),
            "starts": [asdict(start) for start in self.starts],
            "unaware": None if self.unaware is None else asdict(self.unaware),
            "least_outlay": None if self.least is None else asdict(self.least),
            "total_cost": None if result.baseline is None else result.total_cost,
            "outlay": None if result.baseline is None else result.outlay,
            "survival_gap": None if result.baseline is None else result.survival_gap,
            "mip_gap": result.mip_gap,
            "measure": None if self.measure is None else self.measure.to_dict(),
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def attack(
    instance: Instance,
    plan: Result | None = None,
    budget: MoneyLike | None = None,
    *,
    settings: Settings | None = None,
    listener: Listener = ignore,
    notes: tuple[str, ...] = (),
    scenario: ScenarioNames | None = None,
) -> AttackResult:
    """Let the instance's adversary attack a plan: the cheapest one that withstands it, or one that is given.

    Args:
        instance: one with an adversary.
        plan: a result whose plan is attacked as it is; solved for where it is left out.
        budget: undiscounted outlay of the plan that is solved for, a number or text such as "250M"; None keeps the
            instance's own.
        settings: limits; `gap` is the share of the price of survival to which the plan for the listed shocks
            alone is proven (2 % where left out); both plans are proven to 1e-4 of their cost at least.
        listener: hears of the rounds of each search, and of what is computed after the plan.
        notes: what the caller wants to be said beside the result.
        scenario: of the instance, or several in the order given.

    Returns:
        The plan under attack. Where the time runs out, or at Ctrl-C, what is known until then.

    Raises:
        InstanceError: no adversary, or a plan that cannot stand in the instance.
        PlanFileError: a result without a plan.
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
        ValueError: a budget that is no amount of money, or a scenario that there is not.

    Example:
        >>> import optimizer as so
        >>> targets = "{rival: {price: 1, cuts: [{region: rival, severity: 1}]}}"
        >>> adversary = f"adversary={{attack_budget: 1, months: 12, starts: 2028, targets: {targets}}}"
        >>> found = so.attack(so.load("instances/tiny.yaml", [adversary]))
        >>> found.worst.name, found.worst.gap, found.survives
        ('attack{rival}@2028', 0.0, True)
    """
    began, settings = time.perf_counter(), settings or Settings(gap=MEASURE_SHARE)
    changed = apply_arguments(instance, budget=budget, scenario=scenario)
    calm, notes = listed_shocks_only(changed.instance), (*notes, *changed.notes)
    clock, own = Clock(settings.time_limit), replace(settings, gap=min(PLAN_GAP, settings.gap))
    if plan is not None:
        if plan.baseline is None:
            raise PlanFileError(f"there is no plan to attack: its status is {plan.status}")
        fit = fit_plan(calm, plan, calm.title)
        result, attacks = replace(plan, plan=fit.plan, adversary=None), tuple[Attack, ...]()
        oracle, notes = AttackOracle(calm, settings, clock), (*notes, *fit.notes)
    else:
        found = withstood(calm, None, own, clock, listener, notes)
        result, attacks, oracle = found.result, found.attacks, found.oracle
    with interruptible(clock, listener):
        made = _AttackedPlan(calm, oracle, clock, listener).told_of(result, attacks)
        if plan is None and not made.stopped and (calm.events or calm.rules):
            listener(Progress(task="the plan for the listed shocks alone"))
            made = _with_listed_shocks_plan(made, oracle, settings, clock, listener)
        if not made.stopped and result.status != "none":
            listener(Progress(task="the least outlay that survives every attack"))
            made = _with_least_outlay(made, oracle, attacks, own, clock, listener)
    return replace(made, notes=notes, seconds=time.perf_counter() - began)


@dataclass
class _AttackedPlan:
    """One plan while it is attacked."""

    instance: Instance
    oracle: AttackOracle
    clock: Clock
    listener: Listener

    def told_of(self, result: Result, attacks: Sequence[Attack]) -> AttackResult:
        """Everything about a plan but what the unaware would do."""
        instance, oracle = self.instance, self.oracle
        empty = AttackResult(result, instance, oracle.method, oracle.sets, (), (), None, stopped=self.clock.is_over)
        if result.baseline is None:
            return replace(empty, stopped=result.status == "stopped")
        without, with_plan = (attack_damages(instance, each, attacks) for each in (nothing(instance), result.plan))
        shaped = sorted(map(ShapingAttack, without, with_plan), key=lambda each: -each.without.gap)
        starts = self._starts(result.plan)
        called = result.adversary.worst if result.adversary is not None else None
        worst = _worst(called, [each.with_plan for each in shaped], [each.worst for each in starts if each.worst])
        if worst is None:
            self.listener(Progress(task="what the attacks leave unserved above the floors"))
            worst = self._above(result.plan)
        stopped = self.clock.is_over
        return replace(empty, shaping=tuple(shaped), starts=tuple(starts), worst=worst, stopped=stopped)

    def _starts(self, plan: Plan) -> list[AttackStart]:
        rows = []
        for front in self.oracle.programmes.windows(plan_columns(self.oracle, plan)):
            label = self.instance.horizon.label(front.start)
            self.listener(Progress(task=f"attacks from {label} on"))
            worst, least = self.oracle.worst(front), cheapest_violating_attack(self.oracle, front)
            rows.append(AttackStart(label, self._blow(plan, worst), self._blow(plan, least)))
        return rows

    def _blow(self, plan: Plan, struck: AttackImpact | None) -> AttackDamage | None:
        return None if struck is None else attack_damages(self.instance, plan, [struck.attack])[0]

    def _above(self, plan: Plan) -> AttackDamage | None:
        """Of all that it can afford, what leaves most unserved; None where there are too many sets, or nothing is."""
        candidates = self.oracle.candidates()
        found = attack_damages(self.instance, plan, candidates) if candidates else []
        worst = max(found, key=lambda blow: blow.damage, default=None)
        return worst if worst is not None and worst.segments else None


def _worst(called: str | None, known: Iterable[AttackDamage], found: Iterable[AttackDamage]) -> AttackDamage | None:
    """The one with the largest gap; of those that do alike the one that the result calls the worst."""
    broken = [blow for blow in known if blow.breaks]
    best = next((blow for blow in broken if blow.name == called), None)
    for blow in (*broken, *found):
        if best is None or blow.gap > best.gap * (1.0 + SAME_VALUE):
            best = blow
    return best


def _with_listed_shocks_plan(
    made: AttackResult, oracle: AttackOracle, settings: Settings, clock: Clock, listener: Listener
) -> AttackResult:
    """With the plan of those who look at the listed shocks alone."""
    instance, active = made.instance, frozenset(event.name for event in made.instance.events)
    bites = tight_shocks(made.result) & active
    least = no_shock_cost(instance, settings, clock)
    cost = made.result.total_cost
    measure = Measure.of(cost, least, settings.gap, made.result.survival_gap).nearer(PLAN_GAP * abs(cost))
    made = replace(made, measure=measure)
    exact = replace(measure.settings(settings), gap=min(PLAN_GAP, settings.gap), patience=None)
    with WhatIfSolver(instance, exact, clock, listener) as asker:
        asker.learn(made.result.plan, bites)
        found = asker.ask()
    if found.status != "optimal":
        return replace(made, stopped=made.stopped or clock.is_over)
    struck = worst_attack(oracle, found.plan)
    worst = None if struck is None else attack_damages(instance, found.plan, [struck.attack])[0]
    saved = ProvenDifference.of(found.cost, found.bound, made.result.total_cost, made.result.bound)
    unaware = ListedShocksPlan(found.cost, found.gap, saved.value, worst, _known(saved.low), _known(saved.high))
    return replace(made, unaware=unaware, stopped=clock.is_over)


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _with_least_outlay(
    made: AttackResult,
    oracle: AttackOracle,
    attacks: Sequence[Attack],
    settings: Settings,
    clock: Clock,
    listener: Listener,
) -> AttackResult:
    """With the least outlay that survives; where that was stopped, a plan that survives says what is enough."""
    known = made.result.plan if made.survives and not made.is_given else None
    with clock.hurried(LEAST_OUTLAY_SECONDS):
        least = least_outlay(oracle, attacks, known, settings, clock, listener)
    if least.status == "stopped" and known is not None:
        least = replace(least, outlay=made.result.outlay)
    return replace(made, least=least, stopped=clock.is_over)
