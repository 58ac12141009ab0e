"""The waterfall: every bar is the difference of two plans' costs, and the no-shock plan is audited like the plan.

Worked by hand, USD. Imports cost 60, `cheap` 10 (capex 10), `dear` 55 (capex 500); 100 t/yr in two years; the embargo
of 2027 has a probability of 0.1 and a floor of 70 t.

                   no-shock plan                      the plan
    capex          40 · 10 = 400                      400 + 30 · 500 = 15,400
    operation      2 · (60 · 60 + 40 · 10) = 8,000    2 · (30 · 60 + 30 · 55 + 40 · 10) = 7,700
    in the shock                                      30 · 55 + 40 · 10 + 30 · 1,000 = 32,050, not 3,850
    expected       0                                  0.1 · (32,050 − 3,850) = 2,820
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.instance.altered import without_disruptions
from optimizer.report.figures.plot import Choice, draw_plot
from optimizer.report.html.book import book
from optimizer.results.plan import Build, NoShockPlan, Plan
from optimizer.results.saved import FORMAT_OF_KEY
from optimizer.studies.comparison import single_point
from tests.test_plot import words

HERE = Path(__file__).parent
EXACT = so.Settings(mip_gap=0.0)


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.load(HERE / "two-plants.yaml")


@pytest.fixture(scope="module")
def result(instance: so.Instance) -> so.Result:
    return so.solve(instance, settings=EXACT)


def point_of(instance: so.Instance, result: so.Result) -> dict[str, Any]:
    point: dict[str, Any] = book(instance, single_point(instance, result), is_quick=True).to_dict()["points"][0]
    return point


def bars(steps: list[dict[str, Any]]) -> dict[str, float]:
    return {step["part"]: step["amount"] for step in steps}


def test_every_bar_is_the_difference_of_the_two_plans(instance: so.Instance, result: so.Result) -> None:
    without = so.solve(without_disruptions(instance), settings=EXACT)
    assert (result.costs["capex"], without.costs["capex"]) == (pytest.approx(15_400), pytest.approx(400))
    shown = bars(point_of(instance, result)["beyond"])
    assert shown.pop("price of survival") == pytest.approx(result.total_cost - without.total_cost)
    differs = {part: result.costs[part] - without.costs[part] for part in result.costs}
    assert shown == pytest.approx({part: amount for part, amount in differs.items() if amount})
    assert shown == pytest.approx({"capex": 15_000, "operation": -300, "expected shocks": 2_820})
    assert sum(shown.values()) == pytest.approx(result.price_of_survival)


def test_plot_shows_the_same_bars_and_says_from_where_they_count(instance: so.Instance, result: so.Result) -> None:
    text = words(draw_plot(book(instance, single_point(instance, result)), "waterfall", Choice(), "svg"))
    for said in ("15k USD", "−300 USD", "2,820 USD", "17.52k USD", "what the plan costs beyond the no-shock plan"):
        assert said in text


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation"])
def test_no_shock_plan_is_kept_whatever_finds_it(instance: so.Instance, strategy: Any) -> None:
    # Without a probability rounds of shocks find it on their way.
    data = instance.to_dict()
    data["shocks"]["embargo"]["probability"] = 0
    kept = so.solve(so.read(data), settings=replace(EXACT, strategy=strategy)).no_shock
    assert kept is not None
    assert kept.total_cost == pytest.approx(8_400)
    assert [(build.option, build.size) for build in kept.plan.builds] == [("cheap", pytest.approx(40))]
    assert kept.costs["capex"] == pytest.approx(400)
    assert kept.costs["operation"] == pytest.approx(8_000)
    assert kept.baseline["imports", "activity"] == pytest.approx((60, 60))


def test_file_keeps_the_no_shock_plan(result: so.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "plan.json")
    again = so.Result.load(tmp_path / "plan.json")
    assert again.no_shock == result.no_shock
    assert "baseline" not in result.to_dict(whole=False)["no_shock"]


def test_file_without_it_still_loads_and_says_what_is_missing(instance: so.Instance, result: so.Result) -> None:
    data = {key: value for key, value in json.loads(result.to_json()).items() if key not in FORMAT_OF_KEY} | {
        "format": 2
    }
    old = so.Result.from_dict(data)
    assert audit_result(instance, old).ok
    point = point_of(instance, old)
    assert point["beyond"] == []
    assert bars(point["parts"])["total cost"] == pytest.approx(result.total_cost)
    assert "does not hold the no-shock plan's cost by part" in point["beyond_note"]
    text = words(draw_plot(book(instance, single_point(instance, old)), "waterfall", Choice(), "svg"))
    assert "does not hold the no-shock plan's cost by part" in text


@pytest.mark.parametrize(
    "broken",
    [
        {"total_cost": None},
        {"costs": {"capex": "much"}},
        {"plan": {"builds": [{"option": "cheap"}], "fills": {}, "stocks": {}}},
    ],
)
def test_file_whose_no_shock_plan_is_of_another_shape_is_refused(result: so.Result, broken: dict[str, Any]) -> None:
    data = json.loads(result.to_json())
    data["no_shock"] |= broken
    with pytest.raises(so.PlanFileError, match="no_shock"):
        so.Result.from_dict(data)


def changed(change: Callable[[NoShockPlan], NoShockPlan]) -> Callable[[so.Result], so.Result]:
    def make(result: so.Result) -> so.Result:
        assert result.no_shock is not None
        return replace(result, no_shock=change(result.no_shock))

    return make


def larger(kept: NoShockPlan) -> NoShockPlan:
    return replace(kept, plan=Plan(tuple(replace(build, size=39.0) for build in kept.plan.builds)))


def more(kept: NoShockPlan) -> NoShockPlan:
    return replace(kept, plan=Plan((*kept.plan.builds, Build("dear", "refining", 0, 2026, "2026", 1.0))))


def less(kept: NoShockPlan) -> NoShockPlan:
    rows = {**kept.baseline.rows, ("imports", "activity"): (50.0, 60.0)}
    return replace(kept, baseline=replace(kept.baseline, rows=rows))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(lambda kept: replace(kept, costs=dict(kept.costs) | {"capex": 390.0})), "cost of capex"),
        (changed(lambda kept: replace(kept, total_cost=8_000.0)), "total_cost"),
        (changed(larger), "cheap"),
        (changed(more), "calm_builds"),
        (changed(less), "balance.2026"),
        (lambda result: replace(result, calm_cost=8_300.0, price_of_survival=result.total_cost - 8_300.0), "calm_cost"),
        (lambda result: replace(result, calm_builds=()), "calm_builds"),
    ],
)
def test_audit_recomputes_the_no_shock_plan(
    instance: so.Instance, result: so.Result, change: Callable[[so.Result], so.Result], said: str
) -> None:
    assert audit_result(instance, result).ok
    found = audit_result(instance, change(result)).disagreements
    assert any(each.startswith("no-shock plan: ") and said in each for each in found), found
