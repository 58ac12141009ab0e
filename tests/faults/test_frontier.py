"""The frontier: every price counts from one baseline, and every point speaks of its own budget."""

from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance.edits import with_budget
from optimizer.report.document import page
from optimizer.report.figures.plot import Choice, draw_plot
from optimizer.report.html.book import book
from optimizer.studies.compare import frontier
from optimizer.studies.comparison import Frontier
from tests.test_plot import words

# Without shocks a cheap plant pays for itself, under a budget of 400 USD and more: the no-shock plan of a budget of 0
# costs 2 · 100 · 60 = 12,000, that of any other 400 + 2 · (60 · 60 + 40 · 10) = 8,400.
CASE = Path(__file__).parent / "two-plants.yaml"


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return with_budget(so.load(CASE), 20_000)


@pytest.fixture(scope="module")
def found(instance: so.Instance) -> Frontier:
    return frontier(instance, so.solve(instance, settings=so.Settings(mip_gap=0.0)), [0.0, 400.0, 16_000.0])


@pytest.fixture(scope="module")
def data(instance: so.Instance, found: Frontier) -> dict[str, Any]:
    return book(instance, found).to_dict()


def test_every_price_counts_from_the_no_shock_plan_of_the_plan_at_hand(instance: so.Instance, found: Frontier) -> None:
    assert so.solve(with_budget(instance, 0)).calm_cost == pytest.approx(12_000)
    assert found.baseline == {"budget": 20_000, "total_cost": pytest.approx(8_400)}
    assert found.to_dict()["baseline"] == found.baseline
    for point in found.points:
        assert point.result.calm_cost == pytest.approx(8_400)
        assert point.result.price_of_survival == pytest.approx(point.result.total_cost - 8_400)
        assert point.result.no_shock is not None
        assert point.result.no_shock.total_cost == pytest.approx(8_400)
    # With nothing built the plan itself costs what no shock at all would cost it, and the same as before in the shock.
    assert found.points[0].result.price_of_survival != pytest.approx(found.points[0].result.total_cost - 12_000)


def test_report_names_the_baseline(instance: so.Instance, found: Frontier, data: dict[str, Any]) -> None:
    baseline = data["frontier"]["baseline"]
    assert (baseline["budget"], baseline["total_cost"]) == (20_000, pytest.approx(8_400))
    named = "the no-shock plan under a budget of 20k USD, which costs 8,400 USD"
    assert named in baseline["words"]
    text = words(draw_plot(book(instance, found), "frontier", Choice(), "svg", found))
    assert named in text.replace("\n", " ")
    assert "the no-shock plan, USD" in text
    assert "peace" not in text


def facts(data: dict[str, Any], budget: float | None) -> dict[str, str]:
    (point,) = (point for point in data["points"] if point["budget"] == budget)
    return dict(point["facts"])


def test_every_point_speaks_of_its_own_budget(data: dict[str, Any]) -> None:
    assert "under a budget of 0 USD" in facts(data, 0)["Outlay"]
    assert ": 100 % of the budget of 400 USD" in facts(data, 400)["Outlay"]
    # 15,400 of outlay; the plan at hand, that of 16,000 and that of any budget are one.
    assert ": 96 % of the budget of 16k USD" in facts(data, 16_000)["Outlay"]
    assert ": 77 % of the budget of 20k USD" in facts(data, 20_000)["Outlay"]
    assert "no budget is set" in facts(data, None)["Outlay"]
    assert any("same" in point for point in data["points"])


def test_price_of_another_budget_names_where_it_counts_from(data: dict[str, Any]) -> None:
    assert facts(data, 0)["Price of the plan"].endswith("without shocks under a budget of 20k USD")
    assert facts(data, 16_000)["Price of survival"].endswith("costs 8,400 USD under a budget of 20k USD")
    assert facts(data, 20_000)["Price of survival"].endswith("costs 8,400 USD")


def test_page_shows_the_facts_of_the_plan_at_hand_before_any_script(data: dict[str, Any]) -> None:
    text = page(data)
    assert ": 77 % of the budget of 20k USD" in text[: text.index('id="data"')]
