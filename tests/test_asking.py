"""What-ifs: by hand, and each as if it were asked alone."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.problem import ProblemVariant, at_most, leaving_out, option_size, outlay
from optimizer.instance.edits import with_budget
from optimizer.risk import cost
from optimizer.solver import Settings
from optimizer.studies.what_if import WhatIfSolver
from tests.strategies import SHOCK, instances

TINY = Path(__file__).parents[1] / "instances" / "tiny.yaml"
EXACT = Settings(mip_gap=0.0)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_least_outlay_of_tiny_by_hand() -> None:
    # embargo@2027 takes 50 + 50 t (floors 0.3 in 2027, 0.5 in 2028), embargo@2029 70 + 70 t. Without the plant the
    # reserve would have to hold 140 t by the end of 2028; it holds 100. One line of the plant makes 20 t a year from
    # 2028 on: 100 t in store for 140 − 40, at 65k: 6.5M, and 1M + 20 · 200k = 5M for the line. Two lines would need
    # 60 t for 2029 but still 30 + 50 − 40 = 40 t … 3.9M + 9M: more.
    with WhatIfSolver(so.load(TINY), EXACT) as asker:
        found = asker.ask(problem=ProblemVariant(outlay, name="outlay"))
    assert found.value == pytest.approx(11.5e6)
    assert found.outlay == pytest.approx(11.5e6)


def test_questions_about_tiny() -> None:
    with WhatIfSolver(so.load(TINY), EXACT) as asker:
        least = asker.ask()
        assert least.cost == pytest.approx(so.solve(so.load(TINY)).total_cost, rel=1e-9)
        # Without the plant 140 t would have to be in a reserve of 100.
        assert asker.ask(problem=ProblemVariant(rows=(leaving_out(["plant"]),), name="no plant")).status == "infeasible"
        capped = at_most(cost, least.cost * (1 + 1e-7), "cost")
        most = asker.ask(problem=ProblemVariant(option_size("plant", -1.0), (capped,), "most"))
        assert -most.value == pytest.approx(20)
        assert most.cost <= least.cost * (1 + 1e-6)
        poor = asker.ask(with_budget(so.load(TINY), 5e6))
        assert not poor.survives
        assert poor.gap == pytest.approx(so.solve(so.load(TINY), budget=5e6).survival_gap, rel=1e-9)
        # The same gap may be left at least outlay: all of the budget is needed for it.
        held = ProblemVariant(outlay, name="outlay", gap_limit=poor.gap * (1 + 1e-7))
        assert asker.ask(with_budget(so.load(TINY), 5e6), held).outlay == pytest.approx(5e6, rel=1e-5)


@FEW
@given(instances(), st.lists(SHOCK, min_size=2, max_size=4), st.sampled_from([200, 900, 2500]))
def test_a_question_that_follows_others_has_the_answer_of_one_asked_alone(
    data: dict[str, Any], more: list[dict[str, Any]], budget: float
) -> None:
    data["shocks"] |= {f"more{i}": shock for i, shock in enumerate(more)}
    instance = so.read(data)
    problem = ProblemVariant(outlay, name="outlay")
    with WhatIfSolver(instance, EXACT) as asker:
        for variant in (instance, with_budget(instance, budget), with_budget(instance, None)):
            together = asker.ask(variant)
            with WhatIfSolver(variant, EXACT) as alone:
                found = alone.ask()
                assert together.status == found.status
                assert together.gap == pytest.approx(found.gap, rel=1e-6, abs=1e-4)
                assert together.cost == pytest.approx(found.cost, rel=1e-6, abs=1e-4)
                least = alone.ask(variant, problem)
            again = asker.ask(variant, problem)
            assert (again.status, again.value) == (least.status, pytest.approx(least.value, rel=1e-6, abs=1e-4))
            if again.status == "optimal":
                assert again.value <= found.outlay * (1 + 1e-6) + 1e-4
