"""Cost shares of members in a joint plan.

alone        first, every member by itself; the sum of their prices of survival is the base of the cost tolerance
coalitions   then, every larger coalition, started from the builds and tight shocks of its cheapest split in two
game         Shapley value, core and nucleolus of the coalitions' costs                          (`cost_shares`)

The instance of a coalition is the file without the contributions of other members
(`optimizer.instance.removal.coalition`). The cost of a coalition is the total cost of its best plan and, with
`policy.gap_price`, the cost of the plan's gaps. Every plan is audited. Without a gap price, a coalition that cannot
keep its floors has no cost, so that there is no game: such coalitions are named.
"""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from optimizer import arguments
from optimizer.algorithms.executor import size_for, start_executor
from optimizer.algorithms.workers import Task, own_clock
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
    coalitions,
    core_ends,
    least_core,
    more_than,
    nucleolus_ends,
    shapley_ends,
)
from optimizer.studies.measure import ProvenDifference, ToleranceBase, before_tolerance_base
from optimizer.studies.solve import solve_instance, tight_shocks
from optimizer.tolerances import SAME_VALUE
from optimizer.units import MoneyLike

# Costs are proven to this share of the sum of all members' stand-alone prices of survival.
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
        instance: an instance with `members`.
        between: names of members, also as one text with commas; all members by default. Other members are left out,
            with their demand and their contributions.
        budget: limit on the undiscounted outlay of each coalition, a number or text such as "250M"; None keeps the
            budget of the instance.
        settings: `accuracy` is a share of the sum of the members' stand-alone prices of survival, 0.5 % by default.
        listener: receives each coalition that was solved for, and the rounds of searches in this process.
        scenario: scenario of the instance, or several in the order given.

    Raises:
        InstanceError: the instance has no members, fewer than two are named, or a member or scenario does not exist.
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
    """Run `share_costs` with the clock of a command; at Ctrl-C, return the coalitions solved so far."""
    if not instance.members:
        cure = "Add `members: {name: {demands: …, options: …}, …}` to the file."
        raise InstanceError([Finding(instance.title, None, "members", "the instance has no members", cure)])
    names = list(instance.members) if between is None else list(dict.fromkeys(between))
    coalition(instance, names)
    if len(names) < 2:
        listed = f"The members are {', '.join(instance.members)}."
        what = "one member alone has nobody to share with"
        raise InstanceError([Finding(f"--between {','.join(names)}", None, "", what, f"Name two or more. {listed}")])
    began, members = time.perf_counter(), tuple(name for name in instance.members if name in names)
    with interruptible(clock, listener):
        found = _CoalitionSearch(instance, members, settings, clock, listener).run()
    return replace(found, notes=(*notes, *found.notes), seconds=time.perf_counter() - began)


def solve_coalition(
    memory: dict[str, Any], instance: Instance, settings: Settings, plan: Plan | None, shocks: Collection[str]
) -> Result | None:
    """Find the best plan of a coalition, as an executor's task; None if the time has run out.

    `plan` has the builds of a split into smaller coalitions, and `shocks` are the shocks that were tight for these.
    """
    with own_clock(memory, settings) as clock:
        if clock.is_over:
            return None
        held = frozenset(shocks) & {event.name for event in instance.events}
        return solve_instance(instance, settings, clock, held_shocks=held, plan=plan)


class _CoalitionSearch:
    """Search for the plans of all coalitions: members alone first, then larger coalitions by size."""

    def __init__(
        self, instance: Instance, members: tuple[str, ...], settings: Settings, clock: Clock, listener: Listener
    ) -> None:
        self.instance, self.members, self.clock, self.listener = instance, members, clock, listener
        self.settings = replace(settings.within(clock), checkpoint=None)
        self.variants = {each: coalition(instance, each) for each in coalitions(members)}
        self.found: dict[Coalition, Result] = {}

    def run(self) -> CostShares:
        """Solve all coalitions as far as the time allows, and return the cost shares."""
        first, *others = (
            [each for each in self.variants if len(each) == size + 1] for size in range(len(self.members))
        )
        working, began = before_tolerance_base(self.settings), time.perf_counter()
        self._solve(first[:1], replace(working, jobs=1), start_executor(1))
        with start_executor(size_for(self.settings.jobs, time.perf_counter() - began)) as executor:
            working = replace(working, jobs=1, threads=working.threads or 1)
            self._solve(first[1:], working, executor)
            measure = self._tolerance_base(first)
            exact = measure.settings(working)
            self._solve([each for each in first if self._is_open(each, measure)], exact, executor)
            for some in others:
                self._solve(some, exact, executor)
        return self._conclude(measure)

    def _solve(self, wanted: Sequence[Coalition], settings: Settings, executor: Any) -> None:
        """Find the best plans of coalitions, each started from smaller coalitions or from its own earlier plan."""
        if self.clock.is_over:
            return
        starts = [self._starting_point(each) for each in wanted]
        tasks = [
            Task(solve_coalition, (self.variants[each], settings, *start))
            for each, start in zip(wanted, starts, strict=True)
        ]
        for number, result in executor.as_completed(tasks, self.clock):
            if result is not None:
                self.found[wanted[number]] = result
            label = " + ".join(self._ordered(wanted[number]))
            self.listener(Progress(task=label, done=len(self.found), total=len(self.variants)))

    def _ordered(self, each: Coalition) -> tuple[str, ...]:
        return tuple(name for name in self.members if name in each)

    def _starting_point(self, each: Coalition) -> tuple[Plan | None, frozenset[str]]:
        """Return the builds and tight shocks to start from: the coalition's own, or those of its cheapest split."""
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

    def _tolerance_base(self, alone: Sequence[Coalition]) -> ToleranceBase:
        """Return the tolerance base of costs: the sum of the members' stand-alone prices of survival."""
        known = [self._cost(each) for each in alone if each in self.found]
        costs = [each.cost for each in known if each.has_cost]
        no_shock = [each.result.calm_cost for each in known if each.has_cost]
        base = None if None in no_shock else math.fsum(value for value in no_shock if value is not None)
        return ToleranceBase.of(math.fsum(costs), base, self.settings.share_of_price)

    def _is_open(self, each: Coalition, measure: ToleranceBase) -> bool:
        found = self.found.get(each)
        return found is not None and found.baseline is not None and not measure.is_proven(found)

    def _cost(self, each: Coalition) -> CoalitionCost:
        return CoalitionCost.of(self._ordered(each), self.found[each])

    def _conclude(self, measure: ToleranceBase) -> CostShares:
        known = tuple(self._cost(each) for each in self.variants if each in self.found)
        stopped = len(known) < len(self.variants) or any(each.result.status == "stopped" for each in known)
        made = CostShares(self.instance, self.members, known, tolerance=measure.tolerance, stopped=stopped)
        if len(known) < len(self.variants) or not all(math.isfinite(each.bound) for each in known):
            return made
        return _with_game(made)


def _with_game(found: CostShares) -> CostShares:
    """Add the solutions of the cost game."""
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
            ProvenDifference(high[frozenset([name])], low[frozenset([name])], high[frozenset([name])]),
            shapley[name],
            central[name],
        )
        for name in members
    )
    core = ProvenDifference(least_core(members, high), *core_ends(members, low, high))
    return replace(found, shares=shares, core=core, notes=(*found.notes, *_scarcity_notes(found)))


def _scarcity_notes(found: CostShares) -> list[str]:
    """Return a note if two coalitions cost less apart than together, since a resource common to both is scarce."""
    costs = {each.key: each for each in found.coalitions}
    worse = [
        (costs[each], costs[other], costs[each | other].bound - costs[each].cost - costs[other].cost)
        for each, other in combinations(costs, 2)
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
