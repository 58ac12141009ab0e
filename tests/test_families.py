"""Families of shocks: the cross product, its names, its order and its probabilities; and that it is nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.cli.app import app
from optimizer.disruptions.shock import shock_name

Cell = Callable[..., so.Instance]
TINY = Path(__file__).parents[1] / "instances" / "tiny.yaml"

HEAD = """\
horizon: {start: 2026, end: 2029, step: quarter}
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 400, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 50, holding_cost: 2, max_size: 500}}
"""


def names(instance: so.Instance) -> list[str]:
    return [event.name for event in instance.events]


def family(cell: Cell, fields: str, severity: str = ", severity: 1") -> so.Instance:
    return cell(HEAD, f"shocks: {{ban: {{{fields}, cuts: [{{region: rival{severity}}}]}}}}")


def test_cross_product_has_starts_outermost_then_months_then_severity(cell: Cell) -> None:
    instance = family(cell, "start: [2028, 2027Q3], grid: {severity: [1, 0.5], months: [6, 3]}, probability: 0.4", "")
    assert names(instance) == [
        "ban@2028Q1,6mo,100%",
        "ban@2028Q1,6mo,50%",
        "ban@2028Q1,3mo,100%",
        "ban@2028Q1,3mo,50%",
        "ban@2027Q3,6mo,100%",
        "ban@2027Q3,6mo,50%",
        "ban@2027Q3,3mo,100%",
        "ban@2027Q3,3mo,50%",
    ]
    assert [event.periods for event in instance.events[1:5:2]] == [range(8, 10), range(8, 9)]
    assert [event.spec.cuts[0].severity for event in instance.events[:2]] == [(1.0,), (0.5,)]
    assert {event.probability for event in instance.events} == {0.05}
    assert {event.entry for event in instance.events} == {"ban"}


@pytest.mark.parametrize(
    ("fields", "severity", "wanted"),
    [
        ("start: 2027, months: 6", ", severity: 1", ["ban"]),
        ("start: [2027], months: 6", ", severity: 1", ["ban@2027Q1"]),
        ("start: 2027, months: [6]", ", severity: 1", ["ban@6mo"]),
        ("start: 2027, months: [6, 12]", ", severity: 1", ["ban@6mo", "ban@12mo"]),
        ("start: 2027, grid: {months: [6, 12]}", ", severity: [1, 0.5]", ["ban@6mo", "ban@12mo"]),
        ("start: 2027, months: 6, grid: {severity: [0.8]}", "", ["ban@80%"]),
        ("start: 2027, months: [6], grid: {severity: [0.8, 0.825]}", "", ["ban@6mo,80%", "ban@6mo,82.5%"]),
        ("start: {from: 2028Q2, every: year}, months: 6", ", severity: 1", ["ban@2028Q2", "ban@2029Q2"]),
        ("start: {from: 2029Q2, to: 2029Q3}, months: 3", ", severity: 1", ["ban@2029Q2", "ban@2029Q3"]),
        ("start: {from: 2029Q4}, months: 3", ", severity: 1", ["ban@2029Q4"]),
        ("start: {from: 2028Q4, to: 2028Q4}, months: 3", ", severity: 1", ["ban@2028Q4"]),
        # A year as the end of a span is all of it.
        ("start: {from: 2029Q3, to: 2029, every: quarter}, months: 3", ", severity: 1", ["ban@2029Q3", "ban@2029Q4"]),
    ],
)  # fmt: skip
def test_names_hold_only_what_is_listed(cell: Cell, fields: str, severity: str, wanted: list[str]) -> None:
    assert names(family(cell, fields, severity)) == wanted


@pytest.mark.parametrize(
    ("axes", "wanted"),
    [
        ((None, None, None), "ban"),
        (("2027", 6.5, 0.825), "ban@2027,6.5mo,82.5%"),
        ((None, 6.0, 0.07), "ban@6mo,7%"),
        ((None, None, 1 / 3), "ban@33.3333333333%"),
        ((None, 1e-3, None), "ban@0.001mo"),
    ],
)
def test_title(axes: tuple[Any, Any, Any], wanted: str) -> None:
    assert shock_name("ban", *axes) == wanted


def test_percentages_are_distinct_and_short() -> None:
    shown = [shock_name("ban", None, None, i / 1000) for i in range(1001)]
    assert len(set(shown)) == 1001
    assert max(map(len, shown)) == len("ban@82.5%")


def test_plain_shocks_share_their_entry_and_families_their_variants(cell: Cell) -> None:
    plain = family(cell, "start: [2027, 2028], months: 6")
    assert all(event.spec is plain.shocks["ban"] for event in plain.events)
    grid = family(cell, "start: [2027, 2028], months: 6, grid: {severity: [0.5, 1]}", "")
    assert grid.events[0].spec is grid.events[2].spec
    assert grid.events[0].spec is not grid.events[1].spec


def test_grid_severity_holds_in_every_cut(cell: Cell) -> None:
    cuts = "cuts: [{region: rival}, {stage: magnet}]"
    instance = cell(HEAD, f"shocks: {{ban: {{start: 2027, months: 6, grid: {{severity: [0.3]}}, {cuts}}}}}")
    assert [cut.severity for cut in instance.events[0].spec.cuts] == [(0.3,), (0.3,)]


FIELDS = [
    ("start: 2027, months: 6", ", severity: 1"),
    ("start: [2027], months: [6, 12]", ", severity: [1, 0.5]"),
    ("start: {from: 2027, to: 2028Q3, every: year}, grid: {months: [6], severity: [0.5, 1]}, probability: 0.5", ""),
    ("start: {from: 2027}, months: 6, grid: {severity: [0.5, 1]}", ""),
]


@pytest.mark.parametrize(("fields", "severity"), FIELDS)
def test_there_and_back(cell: Cell, fields: str, severity: str) -> None:
    instance = family(cell, fields, severity)
    data = instance.to_dict()
    again = so.read(json.loads(json.dumps(data)))
    assert again == instance
    assert again.to_dict() == data
    assert names(again) == names(instance)


def test_overrides_reach_into_a_family(tmp_path: Any) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(HEAD + "shocks: {ban: {start: 2027, months: 6, cuts: [{region: rival, severity: 1}]}}")
    assert names(so.load(file, ["shocks.ban.months=[6, 12]"])) == ["ban@6mo", "ban@12mo"]
    assert len(names(so.load(file, ["shocks.ban.start={from: 2027}"]))) == 12
    with pytest.raises(
        so.InstanceError, match=r"--set shocks\.ban\.cuts\.0\.severity=0\.5: .* in grid\.severity\. Keep one"
    ):
        so.load(file, ["shocks.ban.grid.severity=[1]", "shocks.ban.cuts.0.severity=0.5"])


def test_same_optimum_as_the_shocks_written_out(cell: Cell, solve: Callable[..., so.Result]) -> None:
    grid = "start: [2027, 2028], grid: {severity: [0.9, 0.85], months: [3, 6]}, probability: 0.08"
    compact = solve(family(cell, grid, ""))
    listed = [
        f"  s{i}: {{start: {start}, months: {months}, probability: 0.01, cuts: [{{region: rival, severity: {cut}}}]}}"
        for i, (start, months, cut) in enumerate((s, m, c) for s in (2027, 2028) for m in (3, 6) for c in (0.9, 0.85))
    ]
    written = solve(cell(HEAD, "shocks:", *listed))
    assert compact.total_cost == pytest.approx(written.total_cost)
    assert len(compact.shocks) == len(written.shocks) == 8
    # In a quarter 25 t are asked and 20 are the floor; of imports of 100 t 10 or 15 are left. At worst 10 are missing
    # in each of two quarters: 20 t in store.
    assert sum(compact.plan.fills["reserve"]) == pytest.approx(20)
    assert audit_result(family(cell, grid, ""), compact).ok


def test_a_cell_of_another_shock_than_the_one_named_says_which() -> None:
    # With nothing built 30 + 50 t of 100 are missing to the floors in the embargo of 2027, 7 + 7 t of 10 in 2029:
    # the first has the largest gap and is named, the second the lower margin, 70 points against 50.
    done = CliRunner().invoke(app, ["solve", str(TINY), "--budget", "0",
                                    "--set", "demands.motors.quantity={2028: 100, 2029: 10}"])  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    row = next(i for i, line in enumerate(lines) if line[:2] == ["✗", "embargo:"])
    assert lines[row][-2:] == ["0/70", "−70.0"]
    assert lines[row + 1] == ["worst", "embargo@2027", "2029"]
    assert lines[row + 2] == ["in", "@2029"]
