"""Plans are compared by the price of survival: by hand, where ordinary purchases are nearly all of the total cost."""

import io
import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import optimizer as so
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.instance.ranges import numbers_of
from optimizer.report import narrative
from optimizer.report.format import served_over_floor
from optimizer.report.html.book import book
from optimizer.report.tables import sensitivity as shown
from optimizer.report.tables.attack import attack_parts
from optimizer.report.tables.budgets import accuracy_sentence, bound_text
from optimizer.solver import Clock, Settings
from optimizer.studies.attack import attack
from optimizer.studies.compare import compare, frontier
from optimizer.studies.comparison import BudgetStep
from optimizer.studies.cost_tolerance import CostTolerance, ProvenDifference, ToleranceBase
from optimizer.studies.sensitivity import sensitivity
from optimizer.studies.sensitivity_result import TornadoBar, VariantOutcome
from tests.test_cli import diversify

HERE = Path(__file__).parent
BULK, TRADE = HERE / "bulk.yaml", HERE / "trade.yaml"
TINY = HERE.parents[1] / "instances" / "tiny.yaml"


def bulk(**more: Any) -> so.Instance:
    return so.read(yaml.safe_load(BULK.read_text()) | more)


def lumpy() -> so.Instance:
    """Lines of 35 t of which two make the 61 t that are needed: 7M and more, where a relaxation pays for 61 t, 6.1M."""
    data = yaml.safe_load(BULK.read_text())
    like, data["demands"]["motors"]["survival"] = data["options"]["first"], 0.61
    data["options"] = {
        f"line_{i}": {**like, "capex": 100e3 + 500 * i, "unit_size": 35, "max_size": 35} for i in range(6)
    }
    return so.read(data)


@pytest.mark.parametrize(
    ("within", "verdicts"),
    [
        # A tenth of 0.7M is 70k. The first plant costs 0.3M more than the third, the second 0.6M more.
        (0.1, ["never worth it", "never worth it", "must-have"]),
        ("50%", ["real choice", "never worth it", "real choice"]),
        ("290k", ["never worth it", "never worth it", "must-have"]),
        ("310k", ["real choice", "never worth it", "real choice"]),
        ("0.61M", ["real choice", "real choice", "real choice"]),
    ],
)
def test_near_is_a_share_of_the_price_of_survival_or_money(within: float | str, verdicts: list[str]) -> None:
    found = so.alternatives(bulk(), within, 0)
    assert [each.verdict for each in found.ranges] == verdicts
    assert found.tolerance_base is not None
    assert (found.tolerance_base.kind, found.tolerance_base.amount) == ("price of survival", pytest.approx(0.7e6))
    assert found.extra_cost == pytest.approx(CostTolerance.parse(within).money(found.tolerance_base))
    assert found.within == pytest.approx(found.extra_cost / 0.7e6)


def test_a_difference_has_a_size_once_its_sign_is_proven() -> None:
    # 13 less 10; at least 12 and 6 are proven of the first, which is above 10 or not.
    assert ProvenDifference.of(10.0, 9.5, 13.0, 12.0).size == pytest.approx(3.0)
    assert ProvenDifference.of(10.0, 5.0, 13.0, 6.0).size == 0.0


def test_the_command_line_says_what_near_is_a_share_of() -> None:
    done = diversify("alternatives", str(BULK), "--within", "50%", columns=100)
    said = " ".join(done.stdout.split())
    assert "plans that cost up to 350k USD more than the least cost (200.7M USD, proven), 50 % of the price of" in said
    told = json.loads(diversify("alternatives", str(BULK), "--within", "0.35M", "--json").stdout)
    assert (told["within"], told["more"]) == (pytest.approx(0.5), pytest.approx(0.35e6))
    assert told["measure"] == {
        "kind": "price of survival",
        "amount": pytest.approx(0.7e6),
        "tolerance": pytest.approx(0.02 * 0.7e6),
    }
    for wrong in ("20m", "much", "-1%", "2"):
        refused = diversify("alternatives", str(BULK), "--within", wrong)
        assert refused.returncode == 2
        assert "20M" in refused.stderr


def test_what_money_saves_is_no_longer_lost_in_the_total() -> None:
    # 1.5M buy the first plant, 200k more the third: 0.3M less, a seventh of a per cent of the total cost.
    found = compare(bulk(), [1.5e6], facts=("next",), step=200e3)
    (step,) = found.steps
    assert step.cost.value == pytest.approx(-0.3e6)
    assert step.cost.high < 0
    assert not step.is_nothing
    done = diversify("compare", str(BULK), "--budgets", "1.5M", "--step", "200k", columns=100)
    (row,) = [line for line in done.stdout.splitlines() if line.split()[:1] == ["1.5M"] and "plant" in line]
    assert "−300k" in row
    assert "2 % of the price of survival" in " ".join(done.stdout.split())


def test_costs_are_proven_to_a_share_of_the_price_and_not_of_the_total() -> None:
    instance = lumpy()
    loose = so.solve(instance, settings=Settings(mip_gap=5e-3, strategy="constraint-generation"))
    found = compare(instance, [None], facts=(), settings=Settings(accuracy=0.02, strategy="constraint-generation"))
    (column,), measure = found.columns, found.tolerance_bases["plain"]
    price = column.result.total_cost - 200e6
    assert (measure.kind, measure.amount, measure.tolerance) == (
        "price of survival",
        pytest.approx(price),
        pytest.approx(0.02 * price),
    )
    # Half a per cent of the total cost would be more than that.
    assert 5e-3 * loose.total_cost > measure.tolerance
    assert column.result.bound is not None
    assert column.result.total_cost - column.result.bound <= measure.tolerance * (1 + 1e-6)
    for gap in (0.5, 0.001):
        near = compare(instance, [None], facts=(), settings=Settings(accuracy=gap)).tolerance_bases["plain"]
        assert near.tolerance == pytest.approx(gap * near.amount)


def test_every_cost_of_the_frontier_is_proven_to_a_share_of_the_price() -> None:
    instance = lumpy()
    own = so.solve(instance, settings=Settings(mip_gap=5e-3))
    found = frontier(instance, own, [own.outlay * 1.2])
    assert found.tolerance_base is not None
    assert found.tolerance_base.amount == pytest.approx(own.total_cost - 200e6)
    for point in found.points:
        if point.result is not own:
            assert point.result.bound is not None
            assert point.result.total_cost - point.result.bound <= found.tolerance_base.tolerance * (1 + 1e-6)


def test_a_range_that_moves_the_price_changes_the_plan() -> None:
    # A fifth more capex of the third plant, 320k, is more than the first plant costs beside it, 300k.
    ranged = bulk(ranges={"options.third.capex": {"low": 0.9, "high": 1.2, "of": "value"}})
    found = sensitivity(ranged, flips=False)
    (bar,) = found.bars
    assert found.tolerance_base is not None
    assert found.tolerance_base.amount == pytest.approx(0.7e6)
    assert bar.high.cost_change(found.base).value == pytest.approx(0.3e6)
    assert bar.low.cost_change(found.base).value == pytest.approx(-0.16e6)
    assert bar.high.bought == {"first"}


def test_a_plan_unaware_of_its_adversary_is_proven_as_near() -> None:
    adversary = {
        "attack_budget": "1M",
        "months": 12,
        "starts": [2027],
        "targets": {"ban": {"price": "1M", "cuts": [{"region": "rival", "severity": 1}]}},
    }
    quiet = {"lull": {"start": 2027, "months": 12, "cuts": [{"process": "imports", "severity": 0.1}]}}
    found = attack(bulk(adversary=adversary, shocks=quiet))
    assert found.tolerance_base is not None
    assert found.tolerance_base.amount == pytest.approx(0.7e6)
    assert found.unaware is not None
    assert (found.unaware.saving, found.unaware.low) == (pytest.approx(0.7e6), pytest.approx(0.7e6, rel=1e-3))
    unsure = replace(found, unaware=replace(found.unaware, low=-1.0))
    assert "costs 700k USD less" in printed(found)
    assert "is not proven to cost less" in printed(unsure)


def printed(found: Any) -> str:
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    for part in attack_parts(found, 200):
        console.print(part)
    return " ".join(console.export_text().split())


def test_without_a_price_the_measure_is_a_thousandth_of_the_total_cost() -> None:
    for cost, least in ((100e6, None), (100e6, 100e6), (100e6, 99.95e6)):
        measure = ToleranceBase.of(cost, least, 0.02)
        assert (measure.kind, measure.amount, measure.tolerance) == (
            "a thousandth of the total cost",
            100e3,
            pytest.approx(2e3),
        )
    assert ToleranceBase.of(100e6, 90e6, 0.02).tolerance == pytest.approx(200e3)
    assert ToleranceBase.of(0.0, None, 0.02).tolerance == 0.0
    found = compare(bulk(shocks={}), [None], facts=())
    assert found.tolerance_bases["plain"].kind == "a thousandth of the total cost"
    assert "a thousandth of the total cost" in narrative.tolerance_text(found.tolerance_bases.values(), "USD")


def test_tolerances_of_columns_are_one_amount_and_what_it_is_a_share_of() -> None:
    """2 % of a price of 10M are 200k; of a price of 5M that leaves a gap 100k; of a thousandth of 100M 2k."""
    price, plan = ToleranceBase.of(100e6, 90e6, 0.02), ToleranceBase.of(100e6, 95e6, 0.02, survival_gap=1)
    least = ToleranceBase.of(100e6, None, 0.02)
    assert narrative.tolerance_text([price], "USD") == "200k USD (2 % of the price of survival)"
    assert narrative.tolerance_text([least, price, plan], "USD") == (
        "200k USD or better (by column 2 % of a thousandth of the total cost or of the price of the plan or of the "
        "price of survival)"
    )


def test_a_cost_that_is_not_proven_has_its_bound_beside_it_also_with_gaps_at_their_price() -> None:
    # A price of survival of 10M: a tolerance of 200k. Where a gap of 4M counts half, 98M are proven of both together.
    base, kept = ToleranceBase.of(100e6, 90e6, 0.02), replace(so.solve(bulk()), total_cost=100e6, bound=99.9e6)
    assert bound_text(base, kept) == ""
    assert bound_text(base, replace(kept, bound=96e6)) == "≥ 96M"
    assert bound_text(base, replace(kept, bound=None)) == "no bound"
    short = replace(kept, status="gap", survival_gap=4e6, bound=96e6)
    assert bound_text(base, short) == ""
    assert bound_text(base, replace(short, data={"policy": {"gap_price": 0.5}})) == "≥ 98M with gaps"


def test_nothing_is_said_to_be_proven_of_columns_that_were_stopped() -> None:
    found = compare(bulk(), [None, 1e6], facts=())
    assert accuracy_sentence(found).startswith("Proven: costs within ")
    stopped = [replace(each, result=replace(each.result, status="stopped")) for each in found.columns]
    assert accuracy_sentence(replace(found, columns=tuple(stopped))) == ""


def test_what_is_proven_of_a_column_with_a_priced_gap_is_its_cost_with_the_gap() -> None:
    # Without money a gap is left, which counts in what is minimised; with enough of it none is.
    instance = bulk(policy={"gap_price": 1})
    assert accuracy_sentence(compare(instance, [0], facts=())).endswith(", with gaps at their price.")
    enough = accuracy_sentence(compare(instance, [None], facts=()))
    assert enough.startswith("Proven: costs within ")
    assert "gaps" not in enough
    ranges = {"demands.motors.shortage_cost": {"low": 0.9, "high": 1, "of": "value"}}
    found = sensitivity(so.with_budget(bulk(policy={"gap_price": 1}, ranges=ranges), 0))
    assert ", with gaps at their price; " in shown._tornado_caption(found, gaps=True, is_wide=False, has_costs=False)
    assert "gaps at their price" not in shown._tornado_caption(found, gaps=False, is_wide=False, has_costs=True)


def test_a_difference_is_told_only_where_its_sign_is_proven() -> None:
    # 100 is proven to 98, 97.5 to 96: what is saved lies between 0.5 and 4.
    told = ProvenDifference.of(100.0, 98.0, 97.5, 96.0)
    assert (told.value, told.low, told.high) == (-2.5, pytest.approx(-4, rel=1e-4), pytest.approx(-0.5, rel=1e-4))
    assert told.is_proven
    assert narrative.difference_text(told) == "−4 to −0.5"
    assert narrative.difference_text(ProvenDifference.of(100.0, 98.0, 98.5, 97.0)) == "–"
    assert narrative.difference_text(ProvenDifference.of(100.0, None, 98.5, 97.0)) == "–"
    assert narrative.difference_text(ProvenDifference.of(100.0, 100.0, 98.5, 98.5)) == "−1.5"
    assert narrative.difference_text(ProvenDifference.of(100.0, 100.0, 100.0, 100.0)) == "–"


def test_a_search_that_was_stopped_at_a_gap_does_not_say_that_floors_fail() -> None:
    base = VariantOutcome("optimal", cost=100.0, bound=100.0)
    failing = VariantOutcome("optimal", cost=100.0, bound=100.0, gap=5.0, gap_bound=5.0)
    stopped = replace(failing, status="stopped")
    kept = replace(stopped, gap=0.0, gap_bound=0.0)
    assert [each.is_settled for each in (failing, stopped, kept)] == [True, False, True]
    assert not VariantOutcome("stopped").is_settled
    ranges = "ranges={options.plant.capex: {low: 100k, high: 400k}}"
    (number,) = numbers_of(so.load(HERE.parents[1] / "instances" / "tiny.yaml", [ranges]).uncertain)
    assert TornadoBar(number, base, failing).effect(base) == (True, 5.0, 0.0, 0.0)
    assert TornadoBar(number, base, stopped).effect(base) == (False, 0.0, 0.0, 0.0)


def test_nothing_below_what_is_proven_is_printed_as_a_change() -> None:
    found = compare(bulk(), [1.5e6], facts=("next",), step=200e3)
    (step,) = found.steps
    # Were the dearer plan proven to 0.4M only, that it can be 0.3M cheaper would say nothing.
    unsure = replace(step, before=replace(step.before, bound=step.before.total_cost - 0.4e6))
    assert BudgetStep.is_nothing.fget(unsure)  # type: ignore[attr-defined]
    base = VariantOutcome("optimal", cost=100.0, bound=99.0)
    end = VariantOutcome("optimal", cost=100.5, bound=99.4)
    assert shown._change_cell(end, base) == "–"
    assert shown._change_cell(replace(end, cost=103.0, bound=101.5), base) == "+1.5 to +4"


def test_a_search_that_takes_its_time_is_content_with_the_relative_gap() -> None:
    # Forty lines of awkward sizes, each with a cost of its own beside that of its size: a search of some steps.
    draw, data = random.Random(1), yaml.safe_load(BULK.read_text())
    like, data["options"] = data["options"]["first"], {}
    for i in range(40):
        size = draw.randint(200, 400) / 100
        data["options"][f"line_{i}"] = {**like, "capex": 100e3 + 50e3 / size, "unit_size": size, "max_size": size}
    data["demands"]["motors"]["survival"] = 0.613
    instance = so.read(data)

    def run(settings: Settings) -> ShockModel:
        return ShockModel(instance, list(instance.events), settings, Clock(), lambda step: None)

    exact = run(Settings(mip_gap=5e-3, tolerance=10.0)).minimise_objective()
    assert exact is not None
    assert exact.objective - exact.bound <= 10.0
    # Without patience the search ends as soon as half a per cent of the total cost is proven; what comes after it in
    # the same model does not.
    hasty = run(Settings(mip_gap=5e-3, tolerance=10.0, patience=0.0))
    for found in (hasty.minimise_objective(), hasty.minimise_objective()):
        assert found is not None
        assert found.status == "optimal"
        assert 10.0 < found.objective - found.bound <= 5e-3 * found.objective
        assert found.bound <= exact.objective + 10.0
        assert found.objective >= exact.bound - 10.0
    assert hasty.solve_relaxation().status == "optimal"


def test_slack_is_money_and_after_a_while_a_share() -> None:
    assert Settings(mip_gap=0.01).slack(500.0) == pytest.approx(5)
    near = Settings(mip_gap=0.01, tolerance=2.0, patience=10.0)
    assert near.slack(500.0, 9.0) == pytest.approx(2)
    assert near.slack(500.0, 11.0) == pytest.approx(5)
    assert math.isclose(replace(near, patience=None).slack(500.0, 1e9), 2)


# What looks wrong in a comparison has its reason beside it.


def test_a_shock_that_a_larger_budget_gives_up_has_its_reason() -> None:
    done = diversify("compare", str(TRADE), "--budgets", "1M,2M,3M", "--step", "1M", columns=100)
    said = " ".join(done.stdout.split())
    reason = "the sum of gaps over all shocks decides, and falls by 40k USD"
    assert f"With 2M USD, small is no longer survived, unlike with 1M USD: {reason}." in said
    (row,) = [" ".join(line.split()) for line in said.split("What the next 1M USD buys")[1:]]
    assert "no longer survives small, for a smaller sum of gaps" in row


def test_a_breakpoint_that_gives_up_a_shock_has_its_reason() -> None:
    done = diversify("compare", str(TRADE), "--budgets", "auto", "--quick", columns=120)
    said = " ".join(done.stdout.replace("─", "").split())
    assert "✗ small" in said
    assert "falls by 40k USD" in said


def test_a_baseline_that_goes_short_is_said_beside_its_budget() -> None:
    # Imports of 80 t of a demand of 100; a line more serves half of what is missing.
    data = yaml.safe_load(BULK.read_text())
    data["processes"]["imports"]["capacity"] = {2026: 80, 2027: 85}
    instance = so.read(data)
    found = compare(instance, [0, None], facts=())
    assert [column.result.lacks["motors"].share for column in found.columns if column.result.lacks] != []
    from rich.console import Console

    from optimizer.report.tables.compare import grid_parts

    console = Console(width=100, record=True, file=io.StringIO())
    for part in grid_parts(found, 100):
        console.print(part)
    lines = console.export_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("Unserved in the"))
    assert lines[place + 2].split()[:2] == ["motors", "20"]
    assert "2026" in lines[place + 3]


def test_a_floor_stands_beside_every_service() -> None:
    done = diversify("compare", str(TINY), "--budgets", "10M,12M", "--quick", columns=100)
    (row,) = [line.split() for line in done.stdout.splitlines() if line.startswith("motors")]
    # 47 % is more than 30 %, and below the floor of its year.
    assert row == ["motors", "✗", "46.9/70", "30/30"]
    # What is short is never rounded up to its floor.
    assert [served_over_floor(served, 0.8) for served in (0.7996, 0.79996, 0.8)] == ["79.96/80", "79.996/80", "80/80"]


def test_the_page_says_why_a_larger_budget_survives_less() -> None:
    instance = so.read(yaml.safe_load(TRADE.read_text()) | {"policy": {"budget": "2M"}})
    found = frontier(instance, so.solve(instance), [1e6, 3e6])
    (said,) = book(instance, found).to_dict()["frontier"]["losses"]
    assert said.startswith("With 2M USD, small is no longer survived, unlike with 1M USD: the sum of gaps")
    # 2M all in all, 110 t that cost 1 a year in both cases: no plan survives, and 2M is what this one costs more.
    assert found.tolerance_base is not None
    assert (found.tolerance_base.kind, found.tolerance_base.tolerance) == ("price of the plan", pytest.approx(40e3))
