"""What `check` says of families and ensembles before anything is solved."""

import json
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

import optimizer as so
from optimizer.formulation import extensive_form_model
from optimizer.report.tables.checks import preview_table
from optimizer.studies.summary import previews, summarise
from tests.test_cli import TINY, diversify

Cell = Callable[..., so.Instance]
TEXT = """\
horizon: {start: 2026, end: 2029, step: quarter}
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 400, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 50, holding_cost: 2, max_size: 500}}
shocks:
  plain: {start: 2027, months: 6, cuts: [{region: rival, severity: 1}]}
  family: {start: {from: 2027, every: year}, probability: 0.3, grid: {severity: [0.5, 1], months: [6, 24]},
    cuts: [{region: rival}]}
  surge: {start: [2028Q2], months: 3, demand: {all: 2}}
ensembles:
  "odd#name": {count: 500, probability: 0.25, months: {uniform: [3, 12]}, start: {from: 2028, to: 2028},
    cuts: [{region: rival, severity: {uniform: [0.2, 0.6]}}]}
"""


def test_previews_of_families_and_ensembles(cell: Cell) -> None:
    family, surge, drawn = previews(cell(TEXT))
    assert (family.name, family.kind, family.events) == ("family", "family", 12)
    assert (family.first, family.last, family.starts, family.probability) == ("2027Q1", "2029Q1", 3, 0.3)
    # Of the windows of 24 months the last is cut off at the end of the horizon: six of 6, two of 12, four of 24. Of an
    # even number the lower median counts, which is that of a shock.
    assert family.months == (6, 6, 24)
    assert family.severity == (0.5, 0.5, 1.0)
    assert family.names == ("family@2027Q1,6mo,50%", "family@2027Q1,6mo,100%", "family@2027Q1,24mo,50%")
    assert (surge.events, surge.severity, surge.months) == (1, None, (3, 3, 3))
    assert (drawn.name, drawn.kind, drawn.events, drawn.probability) == ("odd#name", "ensemble", 500, 0.25)
    assert (drawn.first, drawn.last) == ("2028Q1", "2028Q4")
    assert drawn.severity is not None
    assert 0.2 <= drawn.severity[0] < 0.25 < 0.35 < drawn.severity[1] < 0.45 < 0.55 < drawn.severity[2] <= 0.6


def shown(instance: so.Instance, width: int) -> list[str]:
    console = Console(width=width, record=True, file=StringIO())
    console.print(preview_table(previews(instance), width))
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_table_fits(cell: Cell, width: int) -> None:
    lines = shown(cell(TEXT), width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for words in ("family@2027Q1,24mo,50%", "6/6/24", "50/50/100", "0.25", "odd#name#00003", "Families and ensembles"):
        assert words in text
    assert "…" not in "".join(lines[:4])


def test_two_starts_are_no_period(cell: Cell) -> None:
    two = cell(TEXT.replace("{from: 2027, every: year}", "[2027Q1, 2028Q3]"))
    assert shown(cell(TEXT), 120)[4].split()[2] == "2027Q1–2029Q1"
    assert " ".join(shown(two, 120)[4].split()[2:4]) == "2027Q1, 2028Q3"
    # On a narrow screen the names of shocks are below that of the entry, and no start beside them.
    first, name = (line.split() for line in shown(two, 80)[4:6])
    assert (first[2:4], name) == (["2027Q1,", "2028Q3"], ["family@2027Q1,6mo,50%"])


def test_summary_of_thousands_of_shocks_is_quick_and_shows_the_listed_ones(cell: Cell) -> None:
    summary = summarise(cell(TEXT.replace("count: 500", "count: 20k")))
    assert summary.counts["shocks"] == 20_014
    assert summary.counts["columns"] > 100_000
    assert len(summary.hits) == 14
    assert [preview.name for preview in summary.previews] == ["family", "surge", "odd#name"]


def test_size_of_a_model_of_many_shocks_is_that_with_all_of_them(cell: Cell) -> None:
    # Only 60 of the 80 shocks are written out; their windows are alike, so that the other 20 add a third of theirs.
    drawn = "ensembles: {e: {count: 80, months: 6, start: 2028, cuts: [{region: rival, severity: 1}]}}"
    instance = cell(TEXT.split("shocks:")[0], drawn)
    counts, whole = summarise(instance).counts, extensive_form_model(instance, instance.events)
    assert (counts["columns"], counts["rows"]) == (len(whole.columns), len(whole.rows))
    assert (counts["stockpile"], counts["options"]) == (1, 1)


def test_check_prints_previews_and_json_carries_them() -> None:
    many = ("--set", "shocks.embargo.months=[12, 24]", "--set", "shocks.embargo.start={from: 2026}")
    done = diversify("check", TINY, *many)
    assert done.returncode == 0, done.stderr
    assert "Families and ensembles" in done.stdout
    assert "embargo@2026,24mo" in done.stdout
    (said,) = json.loads(diversify("check", TINY, *many, "--json").stdout)
    (preview,) = said["previews"]
    assert preview["names"] == ["embargo@2026,12mo", "embargo@2026,24mo", "embargo@2027,12mo"]
    assert (preview["events"], preview["months"], preview["severity"]) == (10, [12, 12, 24], [1, 1, 1])


def test_what_a_shock_hits_with_nothing_built_by_hand() -> None:
    # Of 100 t a year floors keep 0.3 and 0.5 in the embargo of 2027 and 2028, 0.7 and 0.7 in that of 2029 and 2030; all
    # is cut off. A tonne below a floor costs 500k.
    hits = {hit.name: (hit.below_floor, hit.gap) for hit in summarise(so.load(TINY)).hits}
    assert hits == {
        "embargo@2027": ({"motors": pytest.approx(80)}, pytest.approx(40e6)),
        "embargo@2029": ({"motors": pytest.approx(140)}, pytest.approx(70e6)),
    }


def test_of_starts_with_equal_gaps_the_first_is_the_worst_as_in_a_plan(cell: Cell) -> None:
    # Each start lacks 0.1, 0.2 and 0.3 t, summed in another order: 5.3999999999999995 and 5.4 money.
    instance = cell(
        "horizon: {start: 2026, end: 2031, step: year}",
        "commodities: {m: {}}",
        "processes: {imports: {region: rival, output: {m: 1}, capacity: 100, cost: 1}}",
        "demands: {d: {commodity: m, survival: 1, shortage_cost: 9,",
        "  quantity: {2026: 0.3, 2027: 0.2, 2028: 0.1, 2029: 0.1, 2030: 0.2, 2031: 0.3}}}",
        "options: {s: {kind: stockpile, commodity: m, price: 2}}",
        "shocks: {cut: {start: [2026, 2029], months: 36, cuts: [{region: rival, severity: 1}]}}",
    )
    (row,) = summarise(instance).struck
    nothing = so.solve(instance).nothing
    assert nothing is not None
    assert row.worst.name == nothing.worst_shock == "cut@2026"


def test_of_starts_without_a_gap_the_one_with_the_largest_cut_is_shown(cell: Cell) -> None:
    (_, family, _) = summarise(cell(TEXT.replace("survival: 0.8", "survival: 0"))).struck
    assert (family.worst.gap, family.worst.name) == (0, "family@2027Q1,6mo,100%")
