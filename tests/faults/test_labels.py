"""Labels: names where the file gives names, units beside numbers, no zero with a sign, years that do not touch."""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from rich.console import Console
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.instance.derived import region_name
from optimizer.instance.edits import with_budget
from optimizer.report.figures.canvas import STYLE
from optimizer.report.figures.plot import Choice, draw_plot
from optimizer.report.figures.years import draw_timeline
from optimizer.report.format import percent, share_text
from optimizer.report.html.book import Book, book
from optimizer.report.tables.checks import summary_parts
from optimizer.report.tables.compare import grid_parts
from optimizer.report.tables.plan import costs_table, dependence_table
from optimizer.report.tables.render import show
from optimizer.report.tables.stress import stress_parts
from optimizer.report.tables.time_to_survive import time_to_survive_parts
from optimizer.studies.compare import compare
from optimizer.studies.comparison import single_point
from optimizer.studies.stress import stress
from optimizer.studies.summary import summarise
from optimizer.studies.time_to_survive import time_to_survive
from optimizer.units import si
from tests.test_plot import words

TINY = Path(__file__).parent.parent.parent / "instances" / "tiny.yaml"
NAMES = ["regions.rival.name=Rivalia", "regions.home.name=EU"]


def screen(width: int = 120) -> Console:
    return Console(width=width, record=True, file=io.StringIO(), highlight=False, markup=False, emoji=False)


def said(console: Console) -> str:
    return " ".join(console.export_text().split())


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.load(TINY, NAMES)


@pytest.fixture(scope="module")
def result(instance: so.Instance) -> so.Result:
    return so.solve(instance)


@pytest.fixture(scope="module")
def report(instance: so.Instance, result: so.Result) -> Book:
    return book(instance, single_point(instance, result), is_quick=True)


# Numbers.


@pytest.mark.parametrize("value", [-1e-9, -0.0, 0.0])
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert percent(value) == "0 %"
    assert percent(value, 1) == "0.0 %"
    assert share_text(value).lstrip("0.") == " %"
    assert si(value, "USD") == "0 USD"


def test_small_negative_share_of_the_cost_is_no_zero(result: so.Result) -> None:
    console = screen()
    more = {"stock salvage": -1_000.0, "shortage": 2_000_000.0}
    console.print(costs_table(instance, replace(result, costs=dict(result.costs) | more)))
    text = said(console)
    assert "stock salvage −1,000 >−0.1 %" in text
    assert "one-off fixed cost 1M" in text
    assert "baseline shortage 2M" in text


def test_concentration_says_what_it_is(report: Book) -> None:
    text = words(draw_plot(report, "dependence", Choice(), "svg"))
    assert text.count("HHI 1.00") == 2
    assert "HHI: concentration, 0 to 1," in text


def test_concentration_of_a_single_year_stands_once() -> None:
    one = so.load(TINY, ["horizon.end=2026", "shocks={}", "demands.motors.survival=0.3"])
    text = words(draw_plot(book(one, single_point(one, so.solve(one))), "dependence", Choice(), "svg"))
    assert text.count("HHI 1.00") == 1


# Words.


def test_check_says_what_is_cut_by_its_name(instance: so.Instance) -> None:
    console = screen(200)
    show(summary_parts, summarise(instance), console, file="tiny.yaml", instance=instance)
    text = said(console)
    assert "deliberate; cuts imports from the rival 100 %" in text
    assert "1 cut:" not in text


@pytest.mark.parametrize(
    ("samples", "title", "others"), [(1, "The worst shock", "The worst 1"), (3, "The worst 3 shocks", "shock Shock")]
)
def test_the_worst_shock_is_counted_only_where_there_are_several(samples: int, title: str, others: str) -> None:
    poor = with_budget(so.load(TINY), 0)
    found = stress(so.solve(poor), samples=20)
    console = screen()
    show(stress_parts, replace(found, worst=found.worst[:samples]), console, every=True)
    text = said(console)
    assert title in text
    assert others not in text


# Regions.


def test_regions_are_called_by_their_names_everywhere(instance: so.Instance, result: so.Result, report: Book) -> None:
    sankey = words(draw_plot(report, "sankey", Choice(shock="embargo@2029", end=True), "svg"))
    assert "magnets, EU" in sankey
    assert "magnets, Rivalia" in words(draw_plot(report, "sankey", Choice(), "svg"))
    assert "magnets, Rivalia" in words(draw_plot(report, "endurance", Choice(), "svg"))
    assert "Rivalia" in words(draw_plot(report, "dependence", Choice(), "svg"))
    console = screen()
    show(time_to_survive_parts, time_to_survive(instance, result.plan), console, instance=instance)
    console.print(dependence_table(instance, result, 120))
    show(grid_parts, compare({"tiny": instance}, [20e6]), console)
    text = said(console)
    for each in ("magnets, Rivalia · stage", "! Rivalia 100 %", "magnets: Rivalia"):
        assert each in text
    data = report.to_dict()
    # In the order of the keys, so that every run prints the same.
    assert list(data["region_names"].items()) == [("home", "EU"), ("rival", "Rivalia")]
    assert data["strikes"][0]["cuts"] == ["region Rivalia"]


def test_regions_without_names_are_printed_in_words(cell: Any) -> None:
    instance = cell(
        "horizon: {start: 2026, end: 2026, step: year}\ncommodities: {ore: {}}\ndemands: {}\nshocks: {}\nhome: eu",
        "processes: {mine: {region: united_kingdom, output: {ore: 1}, capacity: 1}}",
        "regions: {eu: {name: EU}}",
    )
    assert region_name(instance, "united_kingdom") == "united kingdom"
    assert region_name(instance, "eu") == "EU"
    assert so.read(instance.to_dict()).regions == instance.regions


def test_cuts_are_named_by_what_they_reduce() -> None:
    struck = so.load(TINY, ["shocks.embargo.cuts=[{process: imports, severity: 0.5}]"])
    data = book(struck, single_point(struck, so.solve(struck)), is_quick=True).to_dict()
    assert data["strikes"][0]["cuts"] == ["process imports from the rival by 50 %"]


def test_name_of_a_region_that_nothing_stands_in_is_a_slip() -> None:
    run = CliRunner().invoke(app, ["check", str(TINY), "--set", "regions.rivals.name=Rivalia"])
    assert run.exit_code == 0
    assert "no process or option is in this region" in run.output
    assert 'Did you mean "rival"?' in " ".join(run.output.split())


# Years.


@pytest.mark.parametrize("end", [2030, 2045, 2070])
def test_years_of_the_timeline_do_not_touch(end: int) -> None:
    long = so.load(TINY, [f"horizon.end={end}"])
    with rc_context(dict(STYLE)):
        view = book(long, single_point(long, so.solve(long)), is_quick=True).own
        figure: Figure = draw_timeline(long, view.result, view.moves, view.stocks).figure
        figure.draw_without_rendering()
        labels = [label for label in figure.axes[0].get_xticklabels() if label.get_text()]
        extents = [label.get_window_extent() for label in labels]
    assert labels[0].get_text() == "2026"
    assert len(labels) >= 5
    assert all(left.x1 < right.x0 for left, right in pairwise(extents))
