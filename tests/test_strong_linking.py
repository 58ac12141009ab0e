"""Strong linking: rows by hand; and no plan with whole openings is cut off."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.reading import plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.results.plan import Build, Plan
from optimizer.solver import Clock
from tests.conftest import row_text
from tests.strategies import AMOUNT, SHARE

SITE = {"kind": "ally", "region": "friend", "output": {"oxide": 1}, "fixed_cost": 1000, "max_size": 100}


def cell(**changes: Any) -> so.Instance:
    """One site of 100 t feeds an arc to a segment of 10 t, all of which has to be served."""
    data: dict[str, Any] = {
        "name": "cell",
        "horizon": {"start": 2030, "end": 2030, "step": "year"},
        "discount_rate": 0,
        "commodities": {"oxide": {}, "magnet": {}},
        "processes": {"arc": {"input": {"oxide": 2}, "output": {"magnet": 1}, "capacity": 500}},
        "demands": {"cars": {"commodity": "magnet", "quantity": 10, "survival": 1, "shortage_cost": 1e6}},
        "options": {"site": SITE},
        "shocks": {"cut": {"start": 2030, "months": 12, "demand": {"cars": 0.9}}},
    }
    return so.read(data | changes)


def model_of(instance: so.Instance) -> ShockModel:
    return ShockModel(instance, instance.tree.events, so.Settings(mip_gap=0.0), Clock(), lambda step: None)


def rows_of(instance: so.Instance) -> list[str]:
    """The valid inequalities as text."""
    builder = model_of(instance).builder
    return [row_text(builder, row) for row in builder.valid_inequalities]


def test_an_arc_and_its_site_run_within_what_is_of_use_times_the_opening() -> None:
    # In the shock the cars ask for 9 t, so the arc makes 9 at most, of 18 t of oxide; the site may make 100.
    assert rows_of(cell()) == [
        "cut/arc.linked.2030: + 1 cut/arc.activity.2030 - 9 site.by.2030 <= 0",
        "cut/site.linked.2030: + 1 cut/site.activity.2030 - 18 site.by.2030 <= 0",
    ]


def test_the_relaxation_opens_the_whole_site() -> None:
    # Capacity alone asks for 20 t of oxide where nothing happens: 20 % of an opening, 200 of money.
    model = model_of(cell())
    assert model.solver.solve(relaxed=True).values is not None
    model.allow_shortfalls(0.0)
    assert model.solver.solve(relaxed=True).objective == pytest.approx(200)
    assert model.solve_relaxation().objective == pytest.approx(1000)


@pytest.mark.parametrize("is_linked", [True, False])
def test_the_solver_is_told_where_the_relaxation_is_far_from_what_it_rounds_to(
    is_linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Linked, the relaxation opens the whole site: 1,000 of 1,000. By capacity alone it pays 200 and rounds to 1,000.
    model, told = model_of(cell()), list[bool]()
    if not is_linked:
        model.builder.valid_inequalities.clear()
    solve = model.solver.solve

    def listening(**options: Any) -> Any:
        told.extend([options["is_weak"]] if "is_weak" in options else [])
        return solve(**options)

    monkeypatch.setattr(model.solver, "solve", listening)
    found = model.minimise_objective()
    assert found is not None
    assert found.objective == pytest.approx(1000)
    assert told == [not is_linked]


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"site": SITE, "dig": {**SITE, "fixed_cost": 0, "capex": 1}}},  # a source that needs no opening
        {"options": {"site": SITE, "heap": {"kind": "stockpile", "commodity": "oxide", "price": 1, "max_size": 5}}},
    ],
)
def test_with_another_source_of_oxide_the_arc_needs_no_opening(change: dict[str, Any]) -> None:
    assert [row.split(":")[0] for row in rows_of(cell(**change))] == ["cut/site.linked.2030"]


def test_what_earns_money_may_run_beyond_need() -> None:
    # The site sells what is left over: all of its capacity is of use. The arc still serves 9 t of cars only.
    rows = rows_of(cell(options={"site": {**SITE, "cost": -1}}))
    assert rows == ["cut/arc.linked.2030: + 1 cut/arc.activity.2030 - 9 site.by.2030 <= 0"]


PLANT = st.fixed_dictionaries(
    {
        "kind": st.just("ally"),
        "region": st.just("friend"),
        "input": st.sampled_from([{}, {"ore": 2.0}, {"oxide": 1.0}, {"scrap": 1.0}]),
        "output": st.sampled_from([{"oxide": 1.0}, {"oxide": 0.5, "heavy": 0.1}, {"heavy": 0.2}, {"magnet": 1.0}]),
        "fixed_cost": AMOUNT,
        "max_size": AMOUNT,
        "lead_time": st.sampled_from([0, 6, 12]),
        "cost": st.sampled_from([-5.0, 0.0, 7.0]),
        "min_utilisation": st.sampled_from([0, 0.3]),
    }
)
SUBSTITUTE = st.fixed_dictionaries(
    {
        "kind": st.just("substitution"),
        "demand": st.just("cars"),
        "max_share": SHARE,
        "input": st.sampled_from([{}, {"heavy": 0.1}]),
        "fixed_cost": AMOUNT,
        "max_size": AMOUNT,
        "cost": AMOUNT,
    }
)
HEAP = st.fixed_dictionaries(
    {
        "kind": st.just("stockpile"),
        "commodity": st.sampled_from(["oxide", "heavy"]),
        "price": AMOUNT,
        "initial": st.sampled_from([0, 1]),
        "max_size": AMOUNT,
    }
)


@st.composite
def planned(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, tuple[int, float]]]:
    """A chain whose links depend on options, and a plan: when each option is opened, and the share of its size."""
    options = [draw(PLANT) | {"input": {}, "output": {commodity: 1.0}} for commodity in ("oxide", "heavy")]
    options += draw(st.lists(st.one_of(PLANT, PLANT, PLANT, SUBSTITUTE, HEAP), max_size=4))
    cuts = [{"region": draw(st.sampled_from(["friend", "rival"])), "severity": draw(SHARE)} for _ in range(2)]
    data = {
        "name": "chain",
        "horizon": {"start": 2026, "end": 2028, "step": "quarter"},
        "home": "home",
        "commodities": {"ore": {}, "oxide": {}, "heavy": {}, "magnet": {}, "scrap": {}},
        "processes": {
            "mine": {"region": "rival", "output": {"ore": 1}, "capacity": draw(AMOUNT), "cost": 1},
            "maker": {
                "region": "home", "input": {"oxide": 1, "heavy": draw(st.sampled_from([0.01, 0.1]))},
                "output": {"magnet": 1}, "capacity": draw(AMOUNT), "cost": draw(st.sampled_from([-1, 3])),
            },
        },
        "demands": {
            "cars": {
                "commodity": "magnet", "quantity": draw(AMOUNT), "survival": draw(SHARE), "shortage_cost": 300,
                "end_of_life": {"commodity": "scrap", "after_years": 1, "past_quantity": draw(st.sampled_from([0, 9]))},
            },
            "glass": {"commodity": "heavy", "quantity": 2, "survival": draw(SHARE), "shortage_cost": 900},
        },
        "options": {f"option{i}": option for i, option in enumerate(options)},
        "shocks": {
            "first": {"start": 2027, "months": 12, "cuts": cuts[:1], "probability": 0.1},
            "other": {"start": "2027Q3", "months": 12, "cuts": cuts, "demand": {"cars": 1.5}, "cost": {"maker": 2}},
        },
    }  # fmt: skip
    chosen = draw(st.sets(st.sampled_from(range(len(options)))))
    return data, {f"option{i}": (4 * draw(st.integers(0, 2)), draw(SHARE)) for i in sorted(chosen)}


def plan_of(instance: so.Instance, bought: dict[str, tuple[int, float]]) -> Plan:
    horizon, builds = instance.horizon, []
    fills = {o: [0.0] * len(horizon.periods) for o in instance.stocks}
    for o, (t, share) in bought.items():
        if o in instance.stocks:
            fills[o][t] = share * (instance.stocks[o].largest - instance.stocks[o].initial)
        elif t in horizon.decisions:
            size = share * instance.options[o].largest
            builds.append(Build(o, instance.options[o].kind, t, horizon.year(t), horizon.label(t), size, True))
    stocks = {o: instance.stocks[o].stock_path(horizon, row) for o, row in fills.items()}
    return Plan(tuple(builds), {o: tuple(row) for o, row in fills.items()}, stocks)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(planned())
def test_whole_openings_operate_as_well_with_these_rows_as_without(
    drawn: tuple[dict[str, Any], dict[str, tuple[int, float]]],
) -> None:
    data, bought = drawn
    instance = so.read(data)
    evaluator, clock, count = RecourseEvaluator(instance), Clock(), len(instance.events)
    values = np.array(plan_values(instance, plan_of(instance, bought), evaluator.subproblems.plan))
    without = evaluator.operate_batches(values, clock, {})
    gap, cost = (np.concatenate([getattr(each, what) for each in without]) for what in ("gap", "cost"))
    order = np.argsort(np.concatenate([each.events for each in without]))
    assert evaluator.gaps(values, clock).gap == pytest.approx(gap[order], rel=1e-6, abs=1e-4)
    limits = gap[order] * (1 + 1e-7) + 1e-6
    found = evaluator.subgradients(values, clock, "subgradients of costs", np.arange(count), np.ones(count), [], limits)
    assert found.value == pytest.approx(cost[order], rel=1e-5, abs=1e-2)
