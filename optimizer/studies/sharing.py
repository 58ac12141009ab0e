"""Cost shares of members in a joint plan.

alone        first, every member by itself; the sum of their prices of survival is the base of the cost tolerance
coalitions   then, every larger coalition, started from the builds and tight shocks of its cheapest split in two
game         Shapley value, core and nucleolus of the coalitions' costs

The instance of a coalition is the file without the contributions of other members
(`optimizer.instance.removal.coalition`). The cost of a coalition is the total cost of its best plan and, with
`policy.gap_price`, the cost of the plan's gaps. Every plan is audited. Without a gap price, a coalition that cannot
keep its floors has no cost, so that there is no game: such coalitions are named.

Shared amounts count from the no-shock cost of each member alone. Subtracting it from the costs of all coalitions of a
member, and from the member's payment, changes none of the solutions of the game:

    N      all members                 c(S)    cost of coalition S, a non-empty set of members
    x_i    payment of member i         x(S)    Σ x_i over S; every solution shares the whole cost, x(N) = c(N)
    e(S)   excess x(S) − c(S)          extra payment of S over its cost alone; e(S) > 0: S is better off alone

    Shapley value   the mean of c(S ∪ i) − c(S) over all orders in which the members may join
    core            all x with e(S) ≤ 0 for every S
    least core      all x with e(S) ≤ ε for every S but N; the core value ε is the least for which such an x exists
    nucleolus       of the x with x_i ≤ c(i) for every i, or of all x if there are none, the one whose excesses, sorted
                    from the largest, are lexicographically least; it lies in the core if the core is not empty

The nucleolus is exact: each linear programme minimises the largest excess that is not fixed yet. Coalitions with a
positive dual value have that excess in every optimum; their excesses are fixed, and so are all that depend on them
linearly. Each programme fixes at least one coalition that is independent of those fixed before, so there are fewer
programmes than members.

Sources: Shapley: A value for n-person games, 1953. Schmeidler: The nucleolus of a characteristic function game, SIAM
J. Appl. Math. 17 (1969). Kopelowitz: Computation of the kernels of simple games and the nucleolus, 1967. Maschler,
Peleg, Shapley: Geometric properties of the kernel, nucleolus and related solution concepts, Math. Oper. Res. 4 (1979).
"""

import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from optimizer import arguments
from optimizer.algorithms.executor import size_for, start_executor
from optimizer.algorithms.workers import Task, own_clock
from optimizer.errors import Finding, InstanceError
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.removal import coalition
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Listener, Progress, Settings, Vector, ignore, interruptible
from optimizer.studies.conclusion import solve_instance, tight_shocks
from optimizer.studies.cost_shares import (
    Coalition,
    CoalitionCost,
    Costs,
    CostShares,
    MemberShare,
    coalition_name,
    cost_beyond,
)
from optimizer.studies.cost_tolerance import ProvenDifference, ToleranceBase, before_tolerance_base
from optimizer.tolerances import POSITIVE_DUAL, SAME_VALUE
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
        AuditError, SolverError, ValueError, WorkerError: as for `solve`.

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
            tolerance_base = self._tolerance_base(first)
            exact = tolerance_base.settings(working)
            self._solve([each for each in first if self._is_open(each, tolerance_base)], exact, executor)
            for some in others:
                self._solve(some, exact, executor)
        return self._conclude(tolerance_base)

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
        no_shock_cost = None if None in no_shock else math.fsum(value for value in no_shock if value is not None)
        return ToleranceBase.of(math.fsum(costs), no_shock_cost, self.settings.share_of_price)

    def _is_open(self, each: Coalition, tolerance_base: ToleranceBase) -> bool:
        found = self.found.get(each)
        return found is not None and found.baseline is not None and not tolerance_base.is_proven(found)

    def _cost(self, each: Coalition) -> CoalitionCost:
        return CoalitionCost.of(self._ordered(each), self.found[each])

    def _conclude(self, tolerance_base: ToleranceBase) -> CostShares:
        known = tuple(self._cost(each) for each in self.variants if each in self.found)
        stopped = len(known) < len(self.variants) or any(each.result.status == "stopped" for each in known)
        made = CostShares(self.instance, self.members, known, tolerance=tolerance_base.tolerance, stopped=stopped)
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
        {
            each.key: cost_beyond(getattr(each, end), math.fsum(base[i] for i in each.members))
            for each in found.coalitions
        }
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
    return [
        f"{coalition_name(found, one)} and {coalition_name(found, other)} cost less apart than together: each "
        "coalition has all of what no member brings, so that capacity that is scarce counts twice. "
        "Give it out under `processes` of the members, in shares."
    ]


def coalitions(members: Sequence[str]) -> list[Coalition]:
    """Return every coalition, the small ones first, those of equal size in the order of the members."""
    return [frozenset(some) for size in range(1, len(members) + 1) for some in combinations(members, size)]


def shapley_value(members: Sequence[str], costs: Costs) -> dict[str, float]:
    """Return the payment of each member by the Shapley value, in money."""
    return {
        member: math.fsum(weight * costs[each] for each, weight in _shapley_weights(members, member).items())
        for member in members
    }


def shapley_ends(members: Sequence[str], low: Costs, high: Costs) -> dict[str, ProvenDifference]:
    """Return the Shapley value at the costs `high`, with its exact range for costs between `low` and `high`.

    The Shapley value is linear in the costs. `high` holds the costs of the plans found, `low` their proven bounds.
    """
    ends = {}
    for member, value in shapley_value(members, high).items():
        weights = _shapley_weights(members, member)
        least = math.fsum(weight * (low if weight > 0 else high)[each] for each, weight in weights.items())
        most = math.fsum(weight * (high if weight > 0 else low)[each] for each, weight in weights.items())
        ends[member] = ProvenDifference(value, least, most)
    return ends


def _shapley_weights(members: Sequence[str], member: str) -> dict[Coalition, float]:
    """Return the weight of each coalition's cost: positive for coalitions with the member, negative for the others."""
    count = len(members)
    with_it = {each: 1.0 / (count * math.comb(count - 1, len(each) - 1)) for each in coalitions(members)}
    without = {each: -1.0 / (count * math.comb(count - 1, len(each))) for each in with_it if len(each) < count}
    return {each: with_it[each] if member in each else without[each] for each in with_it}


def least_core(members: Sequence[str], costs: Costs) -> float:
    """Return the core value ε, in money: at most 0 if the core is not empty, above 0 if it is empty.

    There must be at least two members. If ε < 0, costs can be shared so that every coalition saves at least −ε.
    """
    return _minimise_excess(members, costs, {}, [(-math.inf, math.inf)] * len(members))[1]


def core_ends(members: Sequence[str], low: Costs, high: Costs) -> tuple[float, float]:
    """Return the exact range of the core value, which falls with the cost of each coalition and rises with c(N)."""
    whole = frozenset(members)
    return (least_core(members, {**high, whole: low[whole]}), least_core(members, {**low, whole: high[whole]}))


def nucleolus(members: Sequence[str], costs: Costs) -> dict[str, float]:
    """Return the payment of each member by the nucleolus, in money."""
    whole = frozenset(members)
    held = {whole: 0.0}
    alone = {member: costs[frozenset([member])] for member in members}
    # Costs are proven to a tolerance: where planning together saves nothing, rounding errors do not count.
    slack = SAME_VALUE * abs(costs[whole])
    is_rational = math.fsum(alone.values()) >= costs[whole] - slack
    bounds = [(-math.inf, alone[member] + slack if is_rational else math.inf) for member in members]
    while _rank(members, held) < len(members):
        tight, value = _minimise_excess(members, costs, held, bounds)
        held |= dict.fromkeys(tight, value)
    paid, *_ = np.linalg.lstsq(_membership(members, held), _targets(costs, held))
    return dict(zip(members, paid.tolist(), strict=True))


def nucleolus_ends(members: Sequence[str], low: Costs, high: Costs) -> dict[str, ProvenDifference]:
    """Return the nucleolus at the costs `high`, with its range for costs between `low` and `high`.

    The range adds up the changes when one cost at a time takes its value in `low`. The nucleolus is piecewise linear in
    the costs, and jumps only between less and more than all pay apart: the range is exact if no piece ends within the
    bounds, and an estimate otherwise.
    """
    value = nucleolus(members, high)
    moving = [each for each in high if high[each] - low[each] > SAME_VALUE * abs(high[each])]
    moved = [nucleolus(members, {**high, each: low[each]}) for each in moving]
    return {
        member: ProvenDifference(
            paid,
            paid + math.fsum(min(0.0, each[member] - paid) for each in moved),
            paid + math.fsum(max(0.0, each[member] - paid) for each in moved),
        )
        for member, paid in value.items()
    }


def _membership(members: Sequence[str], some: Iterable[Coalition]) -> Vector:
    """Return the coefficients of x(S), 1 for each member in S, as an array (coalitions, members)."""
    return np.array([[float(member in each) for member in members] for each in some])


def _rank(members: Sequence[str], held: Iterable[Coalition]) -> int:
    return int(np.linalg.matrix_rank(_membership(members, held)))


def _targets(costs: Costs, excesses: Mapping[Coalition, float]) -> Vector:
    """Return the payments of coalitions with the given excesses, in money."""
    return np.array([costs[each] + own for each, own in excesses.items()])


def _minimise_excess(
    members: Sequence[str], costs: Costs, held: Mapping[Coalition, float], bounds: list[tuple[float, float]]
) -> tuple[list[Coalition], float]:
    """Minimise the largest excess; return the coalitions with that excess in every optimum, and the excess, in money.

    `held` holds the coalitions with fixed excesses; coalitions that depend on them linearly are left out as well.
    """
    from scipy.optimize import linprog

    held = held or {frozenset(members): 0.0}
    rank = _rank(members, held)
    free = [each for each in coalitions(members) if _rank(members, [*held, each]) > rank]
    size = max(map(abs, costs.values())) or 1.0
    found = linprog(
        [0.0] * len(members) + [1.0],
        A_ub=np.column_stack([_membership(members, free), np.full(len(free), -1.0)]),
        b_ub=_targets(costs, dict.fromkeys(free, 0.0)) / size,
        A_eq=np.column_stack([_membership(members, held), np.zeros(len(held))]),
        b_eq=_targets(costs, held) / size,
        bounds=[*((low, high / size) for low, high in bounds), (-math.inf, math.inf)],
        method="highs",
    )
    tight = [each for each, dual in zip(free, found.ineqlin.marginals.tolist(), strict=True) if -dual > POSITIVE_DUAL]
    return tight, float(found.x[-1]) * size
