"""Attacks of the adversary on a plan: the cheapest plan that withstands it (`studies.solve`), or a given plan.

shaping                 attacks in the model of the plan that the plan does not deter
deterred                attacks that are affordable at the targets' prices, but not with the deterrence that the plan's
                        leverage adds; with their cost to the adversary under the plan
worst                   of the affordable, undeterred attacks at any start, the one with the largest gap; if none breaks
                        a floor, the one with the largest damage above the floors (if every set can be enumerated);
                        shown without targets that add nothing to it (`without_redundant_targets`)
least attack budget     of all sets of targets at any start that break a floor, the least cost to the adversary under
                        the plan (`separation.attacks`)
unaware                 the plan for the listed shocks alone: its saving, and the worst attack on it
least outlay            the least outlay that survives the listed shocks and every affordable attack, whatever the
                        instance's own budget

Under an attack, operation minimises the gap, then the shortage cost; operating costs do not count.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from optimizer import arguments
from optimizer.algorithms.reading import do_nothing_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import attack_cost
from optimizer.algorithms.separation.attacks import (
    AttackImpact,
    AttackOracle,
    cheapest_violating_attack,
    listed_shocks_only,
)
from optimizer.algorithms.solving import no_shock_cost
from optimizer.algorithms.workers import CLOCK, LISTENER
from optimizer.disruptions.adversary import Attack
from optimizer.files import finite_or_none
from optimizer.instance.altered import with_attacks, without_shocks
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result, require_plan
from optimizer.solver import Clock, Listener, Progress, PseudoCostsByObjective, Settings, ignore, interruptible
from optimizer.studies.attack_result import (
    AttackDamage,
    AttackResult,
    AttackStart,
    ListedShocksPlan,
    SegmentImpact,
    ShapingAttack,
)
from optimizer.studies.cost_tolerance import TOLERANCE_SHARE, ProvenDifference, ToleranceBase
from optimizer.studies.outcomes import Survey, survey
from optimizer.studies.purchases import fit_plan
from optimizer.studies.solve import (
    RobustOutcome,
    deterred_attacks,
    find_withstanding_outlay,
    plan_columns,
    search_robust,
    worst_attack,
)
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import NEGLIGIBLE, PLAN_GAP, SAME_VALUE
from optimizer.units import MoneyLike


def attack_damages(instance: Instance, plan: Plan, attacks: Sequence[Attack]) -> list[AttackDamage]:
    """Evaluate a plan under each attack and return the damages in the order of the attacks."""
    if not attacks:
        return []
    under = with_attacks(without_shocks(instance), attacks)
    evaluator = RecourseEvaluator(under)
    values = evaluator.plan_values([plan])
    responses = evaluator.serve_most(values, Clock(), np.ones(len(under.events), dtype=bool))
    surveyed = survey(under, evaluator, responses)
    index = {event.name: s for s, event in enumerate(under.events)}
    adversary, columns, builder = under.adversary, values.tolist(), evaluator.subproblems.plan
    assert adversary is not None
    found = []
    for each in attacks:
        cost = attack_cost(builder, columns, adversary, each)
        found.append(_attack_damage(under, each, surveyed, index[each.name(instance.horizon)], cost))
    return found


def without_redundant_targets(instance: Instance, plan: Plan, attacks: Sequence[AttackDamage]) -> list[AttackDamage]:
    """Drop the targets of each attack whose removal lowers neither its gap nor its damage, the dearest target first.

    Nor may it lower what is below floors or unserved, which may cost nothing. At least one target stays.
    """
    adversary, found = instance.adversary, list(attacks)
    assert adversary is not None
    orders = [sorted(each.targets, key=lambda name: -adversary.targets[name].price) for each in attacks]
    for names in zip_longest(*orders):
        smaller = {i: made for i, name in enumerate(names) if (made := _without_target(instance, found[i], name))}
        for i, less in zip(smaller, attack_damages(instance, plan, list(smaller.values())), strict=True):
            pairs = zip(_amounts(found[i]), _amounts(less), strict=True)
            if all(before <= after * (1.0 + SAME_VALUE) for before, after in pairs):
                found[i] = less
    return found


def _without_target(instance: Instance, damage: AttackDamage, name: str | None) -> Attack | None:
    """Return an attack without the target `name`; None if `name` is None or no other target is left."""
    left = tuple(target for target in damage.targets if target != name)
    attack = instance.adversary.attack(damage.name, instance.horizon) if instance.adversary else None
    return None if attack is None or name is None or not left else replace(attack, targets=left)


def _amounts(attack: AttackDamage) -> tuple[float, ...]:
    """Return gap and damage of an attack in money, then what is below floors and unserved in t, which may be free."""
    impacts = attack.segments.values()
    tonnes = (sum(each.below_floor for each in impacts), sum(each.unserved for each in impacts))
    return attack.gap, attack.damage, *tonnes


def _attack_damage(under: Instance, attack: Attack, surveyed: Survey, s: int, cost: float) -> AttackDamage:
    adversary, event, label = under.adversary, under.events[s], under.horizon.label
    assert adversary is not None
    costs = [demand.shortage_cost for demand in under.demands.values()]
    impacts = {
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
    ordered = sorted(impacts.items(), key=lambda item: (-item[1].gap, -item[1].damage))
    return AttackDamage(
        name=event.name,
        targets=attack.targets,
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        price=adversary.price(attack.targets),
        cost=cost,
        gap=sum(impact.gap for impact in impacts.values()),
        damage=sum(impact.damage for impact in impacts.values()),
        segments=dict(ordered),
    )


def attack(
    instance: Instance,
    result: Result | None = None,
    *,
    budget: MoneyLike | None = None,
    settings: Settings | None = None,
    listener: Listener = ignore,
    notes: tuple[str, ...] = (),
    scenario: ScenarioNames | None = None,
) -> AttackResult:
    """Evaluate the attacks of the instance's adversary on a plan: the cheapest one that withstands it, or a given one.

    Args:
        instance: an instance with an adversary.
        result: a result whose plan is attacked unchanged; if omitted, the cheapest withstanding plan is solved for.
        budget: largest undiscounted outlay of the plan that is solved for, a number or text such as "250M"; None keeps
            the instance's own.
        settings: limits; `accuracy` is the share of the price of survival to which the plan for the listed shocks
            alone is proven (default 2 %); both plans are proven at least to 1e-4 of their cost.
        listener: receives the rounds of each search, and the steps after the plan.
        notes: remarks of the caller to show beside the result.
        scenario: a scenario of the instance, or several in the order given.

    Returns:
        The plan under attack. If the time runs out, or at Ctrl-C, the parts computed until then.

    Raises:
        InstanceError: the instance has no adversary or not the given scenario, or the plan does not fit the instance.
        PlanFileError: the result has no plan.
        AuditError, SolverError, ValueError, WorkerError: as for `solve`.

    Example:
        >>> import optimizer as so
        >>> targets = "{rival: {price: 1, cuts: [{region: rival, severity: 1}]}}"
        >>> adversary = f"adversary={{attack_budget: 1, months: 12, starts: 2028, targets: {targets}}}"
        >>> found = so.attack(so.load("instances/tiny.yaml", [adversary]))
        >>> found.worst.name, found.worst.gap, found.survives
        ('attack{rival}@2028', 0.0, True)
    """
    began, settings = time.perf_counter(), Settings.chosen(settings, TOLERANCE_SHARE)
    arguments.function("listener", listener)
    changed = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes)
    listed, notes = listed_shocks_only(changed.instance), changed.notes
    clock, exact = settings.clock(), replace(settings, mip_gap=min(PLAN_GAP, settings.mip_gap))
    pseudo_costs: PseudoCostsByObjective = {}
    if result is None:
        outcome = search_robust(listed, exact, clock, listener, notes, pseudo_costs=pseudo_costs)
        outcome = replace(outcome, result=replace(outcome.result, changes=changed.changes))
    else:
        outcome, fit_notes = _given_outcome(listed, result, AttackOracle(listed, settings, clock))
        notes = (*notes, *fit_notes)
    attacked = _AttackedPlan(listed, outcome, exact, clock, listener, pseudo_costs)
    with interruptible(clock, listener):
        found = attacked.evaluate()
        if result is None and not found.stopped and (listed.events or listed.rule_paths):
            found = attacked.with_listed_shocks_plan(found, settings)
        if not found.stopped and found.result.status != "none":
            found = attacked.with_least_outlay(found)
    return replace(found, notes=notes, seconds=time.perf_counter() - began)


def _given_outcome(instance: Instance, given: Result, oracle: AttackOracle) -> tuple[RobustOutcome, tuple[str, ...]]:
    """Fit a given plan into the instance; return it as an outcome without attacks, and notes on how it was fitted."""
    require_plan(given)
    fit = fit_plan(instance, given, instance.title)
    attacks = () if given.adversary is None else given.adversary.attacks
    listed = tuple(outcome for outcome in given.shocks if outcome.name not in attacks)
    return RobustOutcome(replace(given, plan=fit.plan, adversary=None, shocks=listed), oracle, ()), fit.notes


@dataclass
class _AttackedPlan:
    """A plan under evaluation against the adversary; `settings` are those of searches against the adversary."""

    instance: Instance
    outcome: RobustOutcome
    settings: Settings
    clock: Clock
    listener: Listener
    pseudo_costs: PseudoCostsByObjective

    def evaluate(self) -> AttackResult:
        """Return the shaping and deterred attacks on the plan, the worst attack, and those at each start."""
        instance, result, oracle = self.instance, self.outcome.result, self.outcome.oracle
        found = AttackResult(result, instance, oracle.method, oracle.set_count)
        if result.baseline is None:
            is_stopped = result.status == "stopped"
            return replace(found, stopped=is_stopped, attacks_stopped=is_stopped)
        plans = do_nothing_plan(instance), result.plan
        without, with_plan = (attack_damages(instance, each, self.outcome.attacks) for each in plans)
        shaping = sorted(map(ShapingAttack, without, with_plan), key=lambda each: -each.without.gap)
        columns = plan_columns(oracle, result.plan)
        deterred = deterred_attacks(oracle, columns, self.outcome.deterred)
        damages = sorted(attack_damages(instance, result.plan, deterred), key=lambda each: (-each.gap, each.first))
        starts = self._evaluate_starts(result.plan)
        named = result.adversary.worst if result.adversary is not None else None
        worst = next((each.with_plan for each in shaping if each.with_plan.name == named), None)
        worst = worst or max((each.worst for each in starts if each.worst), key=lambda each: each.gap, default=None)
        worst = self._trim(result.plan, worst or self._worst_above_floors(result.plan))
        return replace(
            found,
            method=oracle.method,
            shaping=tuple(shaping),
            deterred=tuple(damages),
            starts=tuple(starts),
            worst=worst,
            stopped=self.clock.is_over,
            attacks_stopped=self.clock.is_over,
        )

    def with_listed_shocks_plan(self, found: AttackResult, settings: Settings) -> AttackResult:
        """Add the plan for the listed shocks alone; return the result unchanged if no plan exists."""
        if found.result.baseline is None:
            return found
        self.listener(Progress(task="the plan for the listed shocks alone"))
        instance, result = self.instance, found.result
        no_shock, exact = no_shock_cost(instance, settings, self.clock), PLAN_GAP * abs(result.total_cost)
        base = ToleranceBase.of_result(result, no_shock, settings.share_of_price).nearer(exact)
        found = replace(found, tolerance_base=base)
        settings = replace(base.settings(settings), mip_gap=min(PLAN_GAP, settings.mip_gap), patience=None)
        with WhatIfSolver(instance, settings, self.clock, self.listener) as solver:
            solver.pseudo_costs = self.pseudo_costs
            solver.start_from(result.plan)
            answer = solver.ask()
        if answer.status != "optimal":
            return replace(found, stopped=found.stopped or self.clock.is_over)
        worst = self._trim(answer.plan, self._damage(answer.plan, worst_attack(self.outcome.oracle, answer.plan)))
        saved = ProvenDifference.of(answer.cost, answer.bound, result.total_cost, result.bound)
        unaware = ListedShocksPlan(
            answer.cost, answer.gap, saved.value, worst, finite_or_none(saved.low), finite_or_none(saved.high)
        )
        return replace(found, unaware=unaware, stopped=self.clock.is_over)

    def with_least_outlay(self, found: AttackResult) -> AttackResult:
        """Add the least outlay that survives every attack: after a stop, the solved plan's if that survives."""
        self.listener(Progress(task="the least outlay that survives every attack"))
        known = found.result.plan if found.result.survives and found.survives else None
        memory = {CLOCK: self.clock, LISTENER: self.listener}
        least = find_withstanding_outlay(memory, self.instance, self.settings, known)
        if least.status == "stopped" and found.survives and not found.is_given:
            least = replace(least, outlay=found.result.outlay)
        return replace(found, least=least, stopped=self.clock.is_over)

    def _evaluate_starts(self, plan: Plan) -> list[AttackStart]:
        rows, oracle = [], self.outcome.oracle
        for window in oracle.programmes.windows(plan_columns(oracle, plan)):
            label = self.instance.horizon.label(window.start)
            self.listener(Progress(task=f"attacks from {label} on"))
            worst, least = oracle.worst(window), cheapest_violating_attack(oracle, window)
            rows.append(AttackStart(label, self._damage(plan, worst), self._damage(plan, least)))
        shown = iter(without_redundant_targets(self.instance, plan, [row.worst for row in rows if row.worst]))
        return [replace(row, worst=row.worst and next(shown)) for row in rows]

    def _trim(self, plan: Plan, worst: AttackDamage | None) -> AttackDamage | None:
        """Return the worst attack as it is shown: without redundant targets."""
        return None if worst is None else without_redundant_targets(self.instance, plan, [worst])[0]

    def _damage(self, plan: Plan, found: AttackImpact | None) -> AttackDamage | None:
        return None if found is None else attack_damages(self.instance, plan, [found.attack])[0]

    def _worst_above_floors(self, plan: Plan) -> AttackDamage | None:
        """Return the undeterred attack with the largest damage; None if there are too many sets or none does damage."""
        self.listener(Progress(task="what the attacks leave unserved above the floors"))
        oracle = self.outcome.oracle
        candidates = oracle.undeterred(plan_columns(oracle, plan))
        found = attack_damages(self.instance, plan, candidates) if candidates else []
        worst = max(found, key=_amounts, default=None)
        return worst if worst is not None and worst.segments else None
