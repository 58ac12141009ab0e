"""Names of shocks, families and ensembles on screen, in plots and on the page; legends explain what is shown."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import rc_context
from rich.console import Console

import optimizer as so
from optimizer.instance.edits import with_budget
from optimizer.instance.reading import instance_of
from optimizer.report.brief.content import make_brief
from optimizer.report.figures.canvas import STYLE
from optimizer.report.figures.plot import Choice, draw_plot
from optimizer.report.figures.survival import draw_heatmap
from optimizer.report.format import full_name, shock_title
from optimizer.report.html.book import Book, book
from optimizer.report.tables.budgets import given_up_words, proven_words
from optimizer.report.tables.plan import survival_tables
from optimizer.studies.compare import frontier
from optimizer.studies.comparison import Frontier, single_point
from tests.test_plot import words

HERE = Path(__file__).parent
TINY = HERE.parent.parent / "instances" / "tiny.yaml"


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    """Twelve draws of an ensemble that has a name, a family that has one, and a family that has none."""
    data = so.load(TINY).to_dict()
    cut = {"region": "rival", "severity": 0.2}
    data["shocks"]["fire"] = {"start": [2026, 2028], "months": 12, "cuts": [cut]}
    data["shocks"]["embargo"]["name"] = "Full embargo"
    data["ensembles"] = {
        "storm": {
            "name": "Storms",
            "count": 12,
            "seed": 5,
            "start": {"uniform": [2027, 2030]},
            "months": 12,
            "cuts": [cut],
        }
    }
    return so.read(data)


@pytest.fixture(scope="module")
def report(instance: so.Instance) -> Book:
    poor = with_budget(instance, 0)
    return book(poor, single_point(poor, so.solve(poor)), is_quick=True)


def test_events_are_called_by_the_names_of_their_entries(instance: so.Instance) -> None:
    event = instance.event("storm#00001")
    assert full_name(instance, event) == "Storms · #00001"
    assert shock_title(instance, "embargo@2027") == "Full embargo · 2027"
    assert shock_title(instance, "fire@2026") == "fire@2026"
    assert shock_title(instance, "no shock of the file") == "no shock of the file"


def test_page_folds_an_ensemble_as_the_tables_do(report: Book) -> None:
    point = report.to_dict()["points"][0]
    said = [*point["failed"], *point["kept"]]
    assert any(re.fullmatch(r"Storms: (\d+ of )?12 shocks", each) for each in said)
    assert not any("storm#" in each for each in said)
    assert "fire (2026, 2028)" in said


def test_tables_and_plots_have_the_names(instance: so.Instance, report: Book) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(*survival_tables(report.instance, report.own.result, 120))
    text = console.export_text()
    assert "Storms: " in text
    assert "Full embargo: " in text
    assert "worst embargo@" in text
    drawn = words(draw_plot(report, "survival", Choice(), "svg"))
    assert "Storms: " in drawn


def test_a_plan_of_several_budgets_keeps_its_own_instance(instance: so.Instance, tmp_path: Path) -> None:
    made = so.solve(instance, budget=50e6)
    made.save(tmp_path / "plan.json")
    saved = so.Result.load(tmp_path / "plan.json")
    found = frontier(with_budget(instance, 50e6), saved, [made.outlay])
    assert [point.result is saved for point in found.points][:2] == [True, True]
    book(with_budget(instance, 50e6), found)
    assert instance_of(saved).policy.budget == 50e6


def test_plot_says_to_what_other_plans_are_proven_as_the_page_does(instance: so.Instance) -> None:
    poor = with_budget(instance, 20e6)
    result = so.solve(poor)
    assert proven_words(single_point(poor, result), "USD") == ""
    found: Frontier = frontier(poor, result, [0.0])
    said = proven_words(found, "USD")
    assert said.startswith("Plans of other budgets are proven: their costs are the least within ")
    assert said.endswith(f"{book(poor, found).to_dict()['frontier']['proven']}.")
    assert proven_words(replace(found, stopped=True), "USD") == ""
    drawn = words(draw_plot(book(poor, found), "frontier", Choice(), "svg", found))
    assert "Plans of other budgets are proven" in " ".join(drawn.split())
    assert "Other plans are proven to" not in drawn
    assert "Green diamond" in drawn


def test_a_gap_that_is_given_up_though_the_budget_is_enough_has_its_reason(instance: so.Instance) -> None:
    # A gap counts a millionth of its shortage cost: with any budget nothing is bought, and floors fail.
    cheap = so.read(instance.to_dict() | {"policy": {"budget": "20M", "gap_price": 1e-6}})
    result = so.solve(cheap)
    found: Frontier = frontier(cheap, result)
    assert found.least_outlay == pytest.approx(11.5e6, rel=0.01)
    assert "to close it costs more than the price of gaps in the file." in given_up_words(found)
    assert given_up_words(frontier(instance, so.solve(instance))) == ""


def test_costs_of_other_budgets_are_proven_with_gaps_where_those_have_a_price(instance: so.Instance) -> None:
    # A budget of 0 buys nothing, and floors fail.
    data = instance.to_dict()
    data["policy"]["gap_price"] = 1
    priced = so.read(data)
    result = so.solve(priced)
    found: Frontier = frontier(priced, result, [0.0, 6e6])
    assert any(point.result.survival_gap > 0 for point in found.points)
    assert proven_words(found, "USD").endswith(", with gaps at their price.")
    told = make_brief(priced, result, frontier=found).to_dict()["parts"]["alternatives"]["table"]["caption"]
    assert ", with gaps at their price." in told
    assert "The price of survival counts from the cheapest plan of a world without shocks." in told
    assert "The price of a gap is gap_price of the file, times its shortage cost." in told


def test_legends_explain_only_what_is_shown(report: Book) -> None:
    drawn = words(draw_plot(report, "endurance", Choice(), "svg"))
    assert "one year" in drawn
    assert "with the plan, less than a year" in drawn
    rich = so.load(TINY)
    whole = book(rich, single_point(rich, so.solve(rich)), is_quick=True)
    assert "lead time" in words(draw_plot(whole, "timeline", Choice(), "svg"))
    stocks = tuple(move for move in whole.own.moves if move.fills)
    stocked = replace(whole, views=(replace(whole.own, moves=stocks),))
    assert "lead time" not in words(draw_plot(stocked, "timeline", Choice(), "svg"))


def test_every_column_head_stays_on_the_paper(report: Book) -> None:
    with rc_context(dict(STYLE)):
        sheet = draw_heatmap(report.instance, report.own.result, report.figure_rows, report.own.rows, report.unlisted)
        sheet.figure.draw_without_rendering()
        assert max(each.get_window_extent().x1 for each in sheet.panels[0].get_xticklabels()) <= sheet.figure.bbox.width
