"""Families and ensembles as one row each: tables, plots and the page of a case of 59 shocks in six entries."""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.io.load import comments_of
from optimizer.report.figures.plot import Choice, draw_plot
from optimizer.report.figures.survival import spans
from optimizer.report.format import shock_title
from optimizer.report.html.book import Book, book
from optimizer.report.tables.checks import summary_parts
from optimizer.report.tables.compare import later_parts
from optimizer.report.tables.plan import plan_tables
from optimizer.report.tables.render import show
from optimizer.report.tables.stress import stress_parts
from optimizer.results.result import weakness
from optimizer.studies.comparison import BudgetPoint, Comparison, ComparisonColumn, Frontier, LoneShock, single_point
from optimizer.studies.shocks import row_outcomes, shock_rows, worst_rows
from optimizer.studies.summary import summarise
from tests.conftest import BUT_SAMPLES

FAMILIES = Path(__file__).parent / "families.yaml"
ROWS = ["embargo", "quota", "strike", "flood", "surge", "trouble"]
COUNTS = {"embargo": 11, "quota": 20, "strike": 1, "flood": 1, "surge": 3, "trouble": 23}


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.load(FAMILIES)


@pytest.fixture(scope="module")
def poor(instance: so.Instance) -> so.Result:
    """A plan that fails in the embargo and in some samples of the ensemble."""
    return replace(so.solve(instance, 4e6), comments=comments_of(str(FAMILIES)))


@pytest.fixture(scope="module")
def report(instance: so.Instance, poor: so.Result) -> Book:
    return book(instance, single_point(instance, poor))


def text_of(shown: Any, width: int = 80, **how: Any) -> str:
    stream = StringIO()
    shown(Console(file=stream, width=width, highlight=False, markup=False, emoji=False), **how)
    return stream.getvalue()


def survival_rows(result: so.Result, width: int = 120, **how: Any) -> list[str]:
    """The marked rows of the survival tables: one table where all segments stand beside each other."""
    text = text_of(lambda console, **more: show(plan_tables, result, console, **more), width, **how)
    tables = "".join(re.split(r"^Survival *$", text, flags=re.MULTILINE)[1:]).split("% of demand")[0]
    return [line for line in tables.splitlines() if line.startswith(("✓", "✗"))]


def words(picture: bytes) -> str:
    said = " ".join(re.findall(r"<!-- (.*?) -->", picture.decode(), re.DOTALL)).replace("&amp;", "&")
    return re.sub(r"\s+", " ", said)


def test_a_row_a_family_and_one_start_shocks_alone(instance: so.Instance, poor: so.Result) -> None:
    names = [event.name for event in instance.events]
    assert len(names) == 59
    assert {row.name: len(row.shocks) for row in shock_rows(instance, names)} == COUNTS
    assert [row.name for row in shock_rows(instance, names, every=True)] == names
    # A family of which one shock is there is that shock.
    assert [row.name for row in shock_rows(instance, ["embargo@2028Q1", "strike"])] == ["embargo@2028Q1", "strike"]


def test_a_row_shows_the_weakest_of_its_shocks_and_names_the_worst(instance: so.Instance, poor: so.Result) -> None:
    outcomes = {outcome.name: outcome for outcome in poor.shocks}
    for row in row_outcomes(shock_rows(instance, outcomes), poor):
        some = [outcomes[name] for name in row.shocks]
        assert row.failed == sum(not each.survives for each in some)
        assert row.worst.gap == max(each.gap for each in some)
        for d, (name, service) in row.segments.items():
            assert service == outcomes[name].segments[d]
            least = min(weakness([each.segments[d]]) for each in some if d in each.segments)
            assert weakness([service]) == least


def test_the_hardest_rows_are_kept_in_their_order(instance: so.Instance, poor: so.Result) -> None:
    rows = row_outcomes(shock_rows(instance, [outcome.name for outcome in poor.shocks]), poor)
    assert [row.name for row in worst_rows(rows, 2)] == ["embargo", "trouble"]
    assert worst_rows(rows, 40) == rows


@pytest.mark.parametrize("width", [80, 120])
def test_59_shocks_are_six_rows_on_the_screen(poor: so.Result, width: int) -> None:
    rows = survival_rows(poor, width)
    assert len(rows) == 6 * (2 if width == 80 else 1)
    failed = sum(not outcome.survives for outcome in poor.shocks if outcome.name.startswith("embargo"))
    assert rows[0].startswith(f"✗ Full embargo: {failed} of 11 fail")
    names = ["Full embargo", "Export quota", "strike", "Flood at the mine", "Surge of defence", "trouble"]
    assert all(row[2:].startswith(name) for row, name in zip(rows[:6], names, strict=True))
    worst = max(poor.shocks, key=lambda outcome: outcome.gap)
    text = text_of(lambda console: show(plan_tables, poor, console), width)
    assert f"\n  worst {worst.name} " in text
    assert "--all lists each shock." in re.sub(r"\s+", " ", text)
    assert max(map(len, text.splitlines())) <= width


def test_all_lists_every_shock(instance: so.Instance, poor: so.Result) -> None:
    rows = survival_rows(poor, every=True)
    assert len(rows) == len(poor.shocks)
    for row, outcome in zip(rows, poor.shocks, strict=True):
        assert row[2:].startswith(shock_title(instance, outcome.name))
    text = text_of(lambda console: show(plan_tables, poor, console, every=True))
    assert all(outcome.name in text for outcome in poor.shocks)
    assert "is one row" not in text


def test_what_is_full_in_every_shock_is_said_to_be(poor: so.Result) -> None:
    # All demand is served in a strike: that its line names one segment only does not matter.
    rows = survival_rows(poor)
    (strike,) = (row for row in rows if row.startswith("✓ strike"))
    instance = so.read(poor.data)
    years = [instance.horizon.year(t) for t in instance.event("strike").periods]
    floors = [max(map(demand.survival.at, years)) for demand in instance.demands.values()]
    assert strike.split()[2:] == [f"full/{100 * floor:.0f}" if floor else "full" for floor in floors]
    # Defence is served in full in every shock, also in those that do not name it.
    assert {re.findall(r" (full\S*)", row)[0] for row in rows} == {"full/100"}


def test_plots_fold_and_unfold(instance: so.Instance, poor: so.Result, report: Book) -> None:
    worst = max(poor.shocks, key=lambda outcome: outcome.gap).name.partition("@")[2]
    said = words(draw_plot(report, "survival", Choice(), "svg"))
    assert "✗ Full embargo: 11 of 11 fail" in said
    assert f"worst {worst}" in said
    assert "✓ Flood at the mine" in said
    assert "Full embargo · " not in said
    stock = words(draw_plot(report, "stock", Choice(), "svg"))
    assert "✗ Full embargo: 11 of 11 fail" in stock
    assert "is one band" in stock
    every = book(instance, single_point(instance, poor), every=True)
    for kind in ("survival", "stock"):
        said = words(draw_plot(every, kind, Choice(), "svg"))
        assert all(f"Full embargo · {label}" in said for label in ("2028Q1", "2029Q4", "2030Q3"))
        assert "is one" not in said


def test_png_and_page_list_the_same_rows_whatever_the_budgets(
    instance: so.Instance, poor: so.Result, report: Book
) -> None:
    rich = so.solve(instance)
    page = book(instance, Frontier((BudgetPoint(4e6, poor), BudgetPoint(30e6, rich)), 0))
    assert [each.name for each in page.figure_rows] == [each.name for each in report.figure_rows] == ROWS
    assert [each.name for each in page.shock_windows] == [each.name for each in report.shock_windows]
    data = page.to_dict()
    assert [row["shocks"] for row in data["rows"]] == list(COUNTS.values())
    assert [[row["name"] for row in point["rows"]] for point in data["points"]] == [ROWS, ROWS]
    assert (data["unlisted"], data["hidden"]) == (0, 0)
    # What is drawn first is the same as well.
    tight = data["points"][0]["tightest"]
    assert tight[0] == max(poor.shocks, key=lambda outcome: outcome.gap).name
    assert tight[0] == words(draw_plot(report, "path", Choice(), "svg")).partition("(")[2].partition(")")[0]


def test_of_many_lone_shocks_page_and_png_show_the_same(instance: so.Instance) -> None:
    data = instance.to_dict()
    data.pop("ensembles")
    cuts = [{"region": "rival", "severity": 1}]
    data["shocks"] = {
        f"s{k}": {"start": f"{2028 + k // 16}Q{1 + k // 4 % 4}", "months": 3 + 3 * (k % 4), "cuts": cuts}
        for k in range(60)
    }
    lone = so.read(data)
    poor, poorer = (so.solve(lone, budget) for budget in (6e6, 0.0))
    page = book(lone, Frontier((BudgetPoint(0.0, poorer), BudgetPoint(6e6, poor)), 1))
    picture = book(lone, single_point(lone, poor))
    assert [each.name for each in page.figure_rows] == [each.name for each in picture.figure_rows]
    assert len(page.figure_rows) == 40
    assert page.unlisted == 20
    assert "20 more shocks are not shown: none of them is worse." in words(
        draw_plot(picture, "survival", Choice(), "svg")
    )


def test_windows_that_touch_are_one_band() -> None:
    assert spans([range(4, 6), range(0, 2), range(2, 3), range(5, 9)]) == ((0, 3), (4, 5))


def test_check_shows_the_worst_of_a_family(instance: so.Instance) -> None:
    summary = summarise(instance)
    assert [(row.name, row.shocks) for row in summary.struck] == list(COUNTS.items())[:5]
    embargo = summary.struck[0]
    assert embargo.worst.gap == max(hit.gap for hit in summary.hits if hit.name.startswith("embargo"))
    assert embargo.below == 11
    text = text_of(lambda console: show(summary_parts, summary, console, file="x", instance=instance))
    table = text.split("\nShocks")[1]
    assert f"\n{embargo.worst.name} " in table
    assert table.count("embargo@") == 1
    assert "worst of 11" in table
    everything = summarise(instance, every=True)
    assert len(everything.hits) == 36
    text = text_of(
        lambda console: show(summary_parts, everything, console, file="x", instance=instance, every=True), 120
    )
    assert text.split("\nShocks")[1].count("embargo@") == 11


def test_stress_shows_the_worst_of_each_event(poor: so.Result) -> None:
    found = so.stress(poor, samples=300, seed=7)
    assert len(found.worst) == 10
    text = text_of(lambda console: show(stress_parts, found, console), 120)
    table = text.split("The worst shock of each event")[1].split("Where it is weak")[0]
    first = {broken.entry: broken.name for broken in reversed(found.worst)}
    assert set(re.findall(r"trouble#\d+", table)) == set(first.values())
    assert len(first) == 2
    text = text_of(lambda console: show(stress_parts, found, console, every=True), 120)
    table = text.split("The worst 10 shocks")[1].split("Where it is weak")[0]
    assert set(re.findall(r"trouble#\d+", table)) == {broken.name for broken in found.worst}


def test_compare_shows_the_dearest_of_a_family(instance: so.Instance, poor: so.Result) -> None:
    ones = [
        LoneShock("embargo@2030Q3", "optimal", 9e6, 9e6),
        LoneShock("embargo@2030Q2", "optimal", 8e6, 8e6),
        LoneShock("strike", "optimal", 1e6, 1e6),
    ]
    compared = Comparison(
        {"x": instance}, (ComparisonColumn("x", 4e6, poor),), accuracy=0.005, alone={"x": tuple(ones)}
    )
    text = text_of(lambda console: show(later_parts, compared, console, part="alone"))
    assert "embargo@2030Q3" in text
    assert "costliest of 2" in text
    assert "embargo@2030Q2" not in text
    assert "embargo@2030Q2" in text_of(lambda console: show(later_parts, compared, console, part="alone", every=True))


def test_commands_take_all(poor: so.Result, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    poor.save(plan)
    run = CliRunner()
    folded_ = run.invoke(app, ["show", plan]).stdout
    assert "embargo: 11 of 11 fail" in folded_
    assert "quota@2029Q1,6mo,30%" not in folded_
    assert "quota@2029Q1,6mo,30%" in run.invoke(app, ["show", plan, "--all"]).stdout
    picture = str(tmp_path / "x.svg")
    assert run.invoke(app, ["plot", plan, "survival", "--all", "-o", picture]).exit_code == 0
    assert "Full embargo · 2029Q4" in words(Path(picture).read_bytes())
    # A shock is known by its name though its family is one row.
    assert run.invoke(app, ["plot", plan, "path", "--shock", "embargo@2029Q4", "-o", picture]).exit_code == 0
    refused = run.invoke(app, ["plot", plan, "waterfall", "--all", "-o", picture])
    assert refused.exit_code == 2
    assert "it is for survival and stock" in re.sub(r"[\s│]+", " ", refused.stderr)


def test_an_ensemble_with_samples_that_may_fail_shows_how_many_are_survived(loose: str) -> None:
    instance = so.load(loose)
    result = so.solve(instance)
    folded = book(instance, single_point(instance, result))
    (row,) = folded.to_dict()["points"][0]["rows"]
    known = ("failed", "excused", "mark", "count", "worst_word")
    assert [row[key] for key in known] == [0, 1, "✓", "3 of 4 samples, 3 required", "worst"]
    said = words(draw_plot(folded, "survival", Choice(), "svg"))
    assert "✓ storms: 3 of 4 samples, 3 required" in said
    assert "worst #00003" in said
    every = book(instance, single_point(instance, result), every=True)
    assert [each["mark"] for each in every.to_dict()["points"][0]["rows"]] == ["✓", "✓", "–", "✓"]
    assert every.to_dict()["frontier"]["but_samples"] == f" {BUT_SAMPLES}"
    drawn = words(draw_plot(folded, "frontier", Choice(), "svg"))
    assert f"Green diamond: every floor holds {BUT_SAMPLES}." in drawn
