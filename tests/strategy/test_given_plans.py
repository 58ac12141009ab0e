"""Plans that are given, on random instances: an optimal plan is what it was, and what is too much or lacks is found."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.results.plan import Plan
from optimizer.studies.evaluate import evaluate
from optimizer.studies.verify import verify
from tests.strategies import SHOCK, instances

EXACT = so.Settings(mip_gap=1e-9)
# Examples are few and fixed: each one is solved several times.
quick = settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.generate,),
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def times(plan: Plan, factor: float) -> Plan:
    """A plan that buys so many times as much of everything but of levels, which are at most 1."""
    builds = tuple(
        build if build.kind == "leverage" else replace(build, size=factor * build.size) for build in plan.builds
    )
    return replace(plan, builds=builds, fills={o: tuple(factor * f for f in row) for o, row in plan.fills.items()})


def near(one: float, other: float) -> Any:
    """One number is another to a share of both, or to a millionth."""
    return one == pytest.approx(other, rel=1e-5, abs=1e-5)


@quick
@given(instances(), st.lists(SHOCK, max_size=3))
def test_an_optimal_plan_given_is_what_it_was(data: dict[str, Any], more: list[dict[str, Any]]) -> None:
    data["shocks"] |= {f"more{i}": shock for i, shock in enumerate(more)}
    instance = so.read(data)
    solved = so.solve(instance, settings=EXACT)
    if solved.baseline is None:
        return
    found: Any = evaluate(instance, solved, settings=EXACT)
    (plan,) = found.plans
    assert plan.broken_rules == ()
    assert near(plan.result.survival_gap, solved.survival_gap)
    # Where floors fail, the search may miss the least cost at its gap by the slack of the gap.
    if solved.survives:
        assert near(plan.result.total_cost, solved.total_cost)
        assert plan.waste.cost <= 1e-3 * (1.0 + abs(solved.total_cost))


@quick
@given(instances(), st.sampled_from([1.1, 1.5, 3.0]))
def test_too_much_of_an_optimal_plan_is_waste(data: dict[str, Any], factor: float) -> None:
    instance = so.read(data)
    solved = so.solve(instance, settings=EXACT)
    if solved.baseline is None:
        return
    found: Any = evaluate(instance, times(solved.plan, factor), settings=EXACT)
    (plan,) = found.plans
    # The optimal plan lies within it, if it was to be had: rules about operation may bind the larger one alone.
    assert {outcome.name for outcome in plan.result.shocks if outcome.survives} >= {
        outcome.name for outcome in solved.shocks if outcome.survives
    }
    assert verify(plan.instance, plan.result).report.disagreements == []
    left = plan.result.total_cost - plan.waste.cost
    # Least sizes are those of the file, so the optimal plan is one of those within; unless less of it leaves more gap.
    if solved.survives:
        assert left <= solved.total_cost + 1e-2 * (1.0 + abs(solved.total_cost))
