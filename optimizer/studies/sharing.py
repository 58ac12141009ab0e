"""Cost shares of members in a joint plan.

alone        every member by itself; their price of survival together is what costs are measured by
coalitions   then every larger coalition, from the builds and the active shocks of the best split into two smaller ones
game         Shapley value, core and nucleolus of their costs                                    (`cost_shares`)

The instance of a coalition is the file less what others bring (`optimizer.instance.removal.coalition`). Its cost is the
total cost of its best plan and, with `policy.gap_price`, what the gaps that the plan leaves cost. Every plan is
audited. Without that price a coalition that cannot keep its floors has no cost, and there is no game: the coalitions
are named.
"""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from optimizer import arguments
from optimizer.algorithms.executor import size_for, start_executor
from optimizer.algorithms.joint_recourse import CLOCK, own_clock
from optimizer.algorithms.workers import Task
from optimizer.errors import Finding, InstanceError
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.removal import coalition
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.cost_shares import (
    Coalition,
    CoalitionCost,
    CostShares,
    MemberShare,
    ProvenPayment,
    coalitions,
    core_ends,
    least_core,
    more_than,
    nucleolus_ends,
    shapley_ends,
)
from optimizer.studies.measure import ToleranceBase, before_tolerance_base
from optimizer.studies.solve import solve_instance, tight_shocks
from optimizer.tolerances import SAME_VALUE
from optimizer.units import MoneyLike

# Costs are proven to this share of what all members together pay for survival alone.
SHARING_SHARE = 0.005


def share_costs(
    instance: Instance,
    between: str | Sequence[str] | None = None,
    *,
    budget: MoneyLike | None = None,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
) -> CostShares:
    """Find how members of an instance share the cost of a joint plan.

    Args:
        instance: with `members`.
        between: names of members, or one text with commas; all of them where it is left out. The others, their demand
            and what they bring are left out.
        budget: undiscounted outlay of every coalition, a number or text such as "250M"; None keeps the file's.
        settings: `accuracy` is a share of the price of survival of all members alone; 0.5 % where left out.
        listener: receives each coalition that was solved for, and the rounds of searches in this process.
        scenario: of the instance, or several in the order given.

    Raises:
        InstanceError: the instance has no members, or fewer than two are named; no member has the name; no such
            scenario.
        AuditError, SolverError, ValueError: as for `solve`.
        WorkerError: a process died.

    Example:
        >>> import optimizer as so
        >>> found = so.share_costs(so.load("examples/allies.yaml"))
        >>> [(each.member, round(each.shapley.value)) for each in found.shares]
        [('north', 1300000), ('east', 2025000), ('south', 2675000)]
    """
    made = apply_arguments(instance, budget=budget, scenario=scenario)
    settings = Settings.chosen(settings, SHARING_SHARE)
    names = None if between is None else arguments.names("between", between, made.instance.members, "north")
    return find_cost_shares(made.instance, names, settings, settings.clock(), listener, notes=made.notes)


def find_cost_shares(
    instance: Instance,
    between: Sequence[str] | None,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    *,
    notes: tuple[str, ...],
) -> CostShares:
    """`share_costs` for commands, which share a clock; at Ctrl-C, what is known until then."""
    began, members = time.perf_counter(), _members(instance, between)
    with interruptible(clock, listener):
        found = _CoalitionSearch(instance, members, settings, clock, listener).run()
    return replace(found, notes=(*notes, *found.notes), seconds=time.perf_counter() - began)


def _members(instance: Instance, between: Sequence[str] | None) -> tuple[str, ...]:
    """The members that are asked about, in the order of the file.

    Raises:
        InstanceError: fewer than two, or one that the file does not have.
    """
    if not instance.members:
        cure = "Add `members: {name: {demands: …, options: …}, …}` to the file."
        raise InstanceError([Finding(instance.title, None, "members", "the instance has no members", cure)])
    names = list(instance.members) if between is None else list(dict.fromkeys(between))
    coalition(instance, names)
    if len(names) < 2:
        listed = f"The members are {', '.join(instance.members)}."
        what = "one member alone has nobody to share with"
        raise InstanceError([Finding(f"--between {','.join(names)}", None, "", what, f"Name two or more. {listed}")])
    return tuple(name for name in instance.members if name in names)


def solve_coalition(
    memory: dict[str, Any],
    instance: Instance,
    settings: Settings,
    plan: Plan | None,
    shocks: Collection[str],
    until: float | None,
) -> Result | None:
    """A task: the best plan of a coalition; None where the time has run out.

    `plan` has the builds of a split into smaller coalitions, `shocks` those that were tight for them.
    """
    with own_clock(memory, until) as clock:
        if clock.is_over:
            return None
        held = frozenset(shocks) & {event.name for event in instance.events}
        return solve_instance(instance, settings, clock, held_shocks=held, plan=plan)


class _CoalitionSearch:
    """Members alone first, then all larger coalitions by size."""

    def __init__(
        self, instance: Instance, members: tuple[str, ...], settings: Settings, clock: Clock, listener: Listener
    ) -> None:
        self.instance, self.members, self.clock, self.listener = instance, members, clock, listener
        self.settings = replace(settings, time_limit=None, checkpoint=None)
        self.until = None if clock.left is None else time.time() + clock.left
        self.variants = {each: coalition(instance, each) for each in coalitions(members)}
        self.found: dict[Coalition, Result] = {}

    def run(self) -> CostShares:
        """All of it, as far as the time allows."""
        first, *others = (
            [each for each in self.variants if len(each) == size + 1] for size in range(len(self.members))
        )
        working, began = before_tolerance_base(self.settings), time.perf_counter()
        self._solve(first[:1], replace(working, jobs=1), start_executor(1))
        with start_executor(size_for(self.settings.jobs, time.perf_counter() - began)) as executor:
            working = replace(working, jobs=1, threads=working.threads or 1)
            self._solve(first[1:], working, executor)
            measure = self._measure(first)
            exact = measure.settings(working)
            self._solve([each for each in first if self._is_open(each, measure)], exact, executor)
            for some in others:
                self._solve(some, exact, executor)
        return self._conclude(measure)

    def _solve(self, wanted: Sequence[Coalition], settings: Settings, executor: Any) -> None:
        """Find the best plans of some coalitions, each from what is known of smaller ones, or of itself."""
        if self.clock.is_over:
            return
        # Ctrl-C during a task in this process stops all of them.
        executor.memory[CLOCK] = self.clock
        starts = [self._start(each) for each in wanted]
        tasks = [
            Task(solve_coalition, (self.variants[each], settings, *start, self.until))
            for each, start in zip(wanted, starts, strict=True)
        ]
        for number, result in executor.as_completed(tasks, self.clock):
            if result is not None:
                self.found[wanted[number]] = result
            label = " + ".join(self._ordered(wanted[number]))
            self.listener(Progress(task=label, done=len(self.found), total=len(self.variants)))

    def _ordered(self, each: Coalition) -> tuple[str, ...]:
        return tuple(name for name in self.members if name in each)

    def _start(self, each: Coalition) -> tuple[Plan | None, frozenset[str]]:
        """Builds and tight shocks to start from: its own, or those of the cheapest split into two."""
        if each in self.found:
            return self.found[each].plan, tight_shocks(self.found[each])
        splits = [
            (self.found[part], self.found[each - part])
            for part in self.found
            if part < each and each - part in self.found
        ]
        if not splits:
            return None, frozenset()
        one, other = min(splits, key=lambda pair: pair[0].total_cost + pair[1].total_cost)
        builds = {build.option: build for build in (*other.plan.builds, *one.plan.builds) if build.opened}
        shocks = tight_shocks(one) | tight_shocks(other)
        return Plan(tuple(builds.values())), shocks

    def _measure(self, alone: Sequence[Coalition]) -> ToleranceBase:
        """What costs are measured by: the price of survival of all members alone."""
        known = [self._cost(each) for each in alone if each in self.found]
        costs = [each.cost for each in known if each.has_cost]
        no_shock = [each.result.calm_cost for each in known if each.has_cost]
        base = None if None in no_shock else math.fsum(value for value in no_shock if value is not None)
        return ToleranceBase.of(math.fsum(costs), base, self.settings.share_of_price)

    def _is_open(self, each: Coalition, measure: ToleranceBase) -> bool:
        found = self.found.get(each)
        return found is not None and found.baseline is not None and not measure.is_proven(found)

    def _cost(self, each: Coalition) -> CoalitionCost:
        return CoalitionCost.of(self._ordered(each), self.found[each], self.instance.policy.gap_price)

    def _conclude(self, measure: ToleranceBase) -> CostShares:
        known = tuple(self._cost(each) for each in self.variants if each in self.found)
        stopped = len(known) < len(self.variants) or any(each.result.status == "stopped" for each in known)
        made = CostShares(self.instance, self.members, known, tolerance=measure.tolerance, stopped=stopped)
        if len(known) < len(self.variants) or not all(math.isfinite(each.bound) for each in known):
            return made
        return _with_game(made)


def _with_game(found: CostShares) -> CostShares:
    """The same with the solutions of the game."""
    members, alone = found.members, found.coalitions[: len(found.members)]
    no_shock = {each.members[0]: each.result.calm_cost for each in alone}
    base = {
        name: cost if cost is not None and None not in no_shock.values() else 0.0 for name, cost in no_shock.items()
    }
    high, low = (
        {each.key: more_than(getattr(each, end), math.fsum(base[i] for i in each.members)) for each in found.coalitions}
        for end in ("cost", "bound")
    )
    shapley, central = shapley_ends(members, low, high), nucleolus_ends(members, low, high)
    shares = tuple(
        MemberShare(
            name,
            base[name],
            ProvenPayment(high[frozenset([name])], low[frozenset([name])], high[frozenset([name])]),
            shapley[name],
            central[name],
        )
        for name in members
    )
    core = ProvenPayment(least_core(members, high), *core_ends(members, low, high))
    return replace(found, shares=shares, core=core, notes=(*found.notes, *_scarcity(found)))


def _scarcity(found: CostShares) -> list[str]:
    """A note where two coalitions cost less apart than together: what is common to both is scarce."""
    costs = {each.key: each for each in found.coalitions}
    worse = [
        (costs[each], costs[other], costs[each | other].bound - costs[each].cost - costs[other].cost)
        for each in costs
        for other in costs
        if not each & other
    ]
    one, other, more = max(worse, key=lambda row: row[2])
    if more <= SAME_VALUE * max(abs(each.cost) for each in found.coalitions):
        return []
    names = " + ".join(one.members), " + ".join(other.members)
    return [
        f"{names[0]} and {names[1]} cost less apart than together: each coalition has all of what no member brings, so "
        "that capacity that is scarce counts twice. Give it out under `processes` of the members, in shares."
    ]
