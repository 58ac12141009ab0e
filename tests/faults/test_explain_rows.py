"""What explain says of worths that are not proven, of families, of shocks that save money, and of a spent budget."""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.report.tables.explain import ExplanationPrinter

HERE = Path(__file__).parent
STORMS = {f"storm#{n:05}" for n in range(1, 13)}


def said(instance: so.Instance, explanation: so.Explanation, width: int = 400, *, every: bool = False) -> list[str]:
    """The lines of the worths and the last line, spaces collapsed."""
    stream = StringIO()
    shown = ExplanationPrinter(instance, Console(file=stream, width=width, highlight=False, markup=False), every=every)
    for worth in explanation.part_values:
        shown.show(worth)
    shown.end(explanation)
    return [re.sub(r"\s+", " ", line).strip() for line in stream.getvalue().splitlines()]


@pytest.fixture(scope="module")
def storms() -> tuple[so.Instance, so.Explanation]:
    instance = so.load(HERE / "storms.yaml")
    return instance, so.explain(instance)


def test_what_is_not_proven_is_a_dash(storms: tuple[so.Instance, so.Explanation]) -> None:
    lines = said(*storms)
    (row,) = (line for line in lines if line.startswith("storm/big "))
    assert row.startswith("storm/big – no proven change: between −44.1k and 0")
    assert not any("±" in line and "… 0" in line for line in lines)


def test_what_is_proven_to_be_nothing_is_nothing(storms: tuple[so.Instance, so.Explanation]) -> None:
    instance, explanation = storms
    worth = next(each for each in explanation.part_values if each.of == "storm#00001")
    exact = replace(explanation, part_values=(replace(worth, change=0.0, low=0.0, high=0.0),))
    assert any(line.startswith("storm#00001 ±0 USD proven") for line in said(instance, exact))


def test_an_ensemble_is_one_row_and_all_unfolds_it(storms: tuple[so.Instance, so.Explanation]) -> None:
    lines = said(*storms)
    assert [line.split(" –")[0] for line in lines if line.startswith("storm#")] == ["storm#00001 (one of 12)"]
    # Of the windows of a family the one without which the plan is cheapest.
    windows = [each for each in storms[1].part_values if each.of.startswith("embargo@")]
    most = min(windows, key=lambda each: each.change or 0)
    (row,) = (line for line in lines if line.startswith("embargo@"))
    assert row.startswith(f"{most.of} (one of 4) −2M USD")
    assert any(line.startswith("fire ") for line in lines)
    assert "--all lists each shock." in lines[-1]
    every = said(*storms, every=True)
    assert {line.split()[0] for line in every if line.startswith("storm#")} == STORMS
    assert "--all" not in every[-1]


def test_rows_keep_their_order_and_none_is_lost(storms: tuple[so.Instance, so.Explanation]) -> None:
    instance, explanation = storms
    lines = said(instance, explanation)
    starts = ["embargo@2030 (", "fire ", "storm#00001 (", "Each option", "Home mill"]
    found = [next(n for n, line in enumerate(lines) if line.startswith(start)) for start in starts]
    assert found == sorted(found)
    # Where the time runs out within a family, what is known of it is shown.
    some = tuple(each for each in explanation.part_values if each.of in ("embargo@2027", "embargo@2028"))
    assert any(
        line.startswith("embargo@2027 (one of 4)") for line in said(instance, replace(explanation, part_values=some))
    )


def test_the_command_takes_all() -> None:
    for more, count in ([], 1), (["--all"], 12):
        done = CliRunner().invoke(app, ["explain", str(HERE / "storms.yaml"), *more])
        assert len(re.findall(r"^storm#", done.stdout, re.MULTILINE)) == count
    plain = CliRunner().invoke(app, ["explain", str(HERE / "storms.yaml"), "--json"])
    assert {each["of"] for each in json.loads(plain.stdout)["worths"]} >= STORMS


def test_why_a_plan_without_a_shock_costs_more(storms: tuple[so.Instance, so.Explanation]) -> None:
    instance, explanation = storms
    stream = StringIO()
    shown = ExplanationPrinter(instance, Console(file=stream, width=400, highlight=False, markup=False))
    shown.show(explanation.result)
    for worth in explanation.part_values:
        shown.show(worth)
    lines = stream.getvalue().splitlines()
    (fire,) = (line for line in lines if line.startswith("fire "))
    assert "+177k USD" in fire
    assert "; its expected cost is negative: released stock is not bought again" in fire
    assert sum("expected cost is negative" in line for line in lines) == 1


def test_who_takes_what_is_short_and_that_the_budget_is_spent() -> None:
    why = so.explain(so.load(HERE / "short.yaml")).reason
    assert why is not None
    # Cars' floor is half of 80 t; 30 % of 60 t are imported, and 2M buys a plant of 20 t/yr.
    assert (why.segments, why.takers) == (("cars",), ("cars",))
    assert (why.needed, why.had) == (pytest.approx(40), pytest.approx(38))
    assert why.because == (
        "imports loses 70 % in ban; it still gives 18 t",
        "Plant has only 20 t/yr: the budget buys no more",
    )


def test_a_budget_that_buys_something_else_goes_further_there() -> None:
    data = so.load(HERE / "short.yaml").to_dict()
    # As dear in capex and dearer to run, but no larger than 5 t/yr: both are bought.
    data["options"]["other"] = dict(data["options"]["plant"]) | {"name": "Other", "capex": 50_000, "max_size": 5}
    why = so.explain(so.read(data)).reason
    assert why is not None
    assert "Plant has only 17.5 t/yr: the budget goes further elsewhere" in why.because


def test_what_cannot_save_a_gap_does_not_bind() -> None:
    # By hand: small has no gap; large lacks 50 of 100 t, at 1k a tonne. A point of its floor is 1 t.
    free = {price.what: price.worth for price in so.solve(so.load(HERE / "trade.yaml")).binding}
    assert free["the floor of b_users in large"] == pytest.approx(1000)
    assert not [what for what in free if "in small" in what]


def test_a_floor_that_is_kept_binds_where_shocks_share_a_budget() -> None:
    # Without units, 2.5M buy 9 t/yr for a (900k) and 40 t/yr for b: a tenth of a tonne less for a frees 10k, which
    # buys 0.25 t/yr for b.
    data = so.load(HERE / "trade.yaml").to_dict()
    for option in data["options"].values():
        option.pop("unit_size")
    data["options"]["small_plant"]["max_size"], data["options"]["large_plant"]["max_size"] = 20, 100
    data["demands"]["a_users"] |= {"shortage_cost": 5000, "survival": 0.9}
    shared = {price.what: price.worth for price in so.solve(so.read(data), 2.5e6).binding}
    assert shared["the floor of a_users in small"] == pytest.approx(250)


def test_expected_shocks_below_zero_have_a_reason() -> None:
    # As likely as not, the fire saves more than the embargoes cost.
    for more, count in ([], 0), (["--set", "shocks.fire.probability=0.5"], 1):
        done = CliRunner().invoke(app, ["solve", str(HERE / "storms.yaml"), *more])
        text = " ".join(done.stdout.split())
        assert len(re.findall(r"expected shocks [-−]", text)) == count
        assert text.count("Expected shocks below zero: they cost less than the baseline") == count
