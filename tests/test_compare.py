"""Budgets and variants side by side: by hand, by law, and however many processes find them."""

import io
import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from rich.console import Console

import optimizer as so
from optimizer.algorithms.executor import ProcessExecutor
from optimizer.algorithms.workers import Task
from optimizer.errors import AuditError
from optimizer.instance.edits import with_budget
from optimizer.report.tables import budgets as facts
from optimizer.report.tables.compare import grid_parts
from optimizer.solver import Clock, Progress, Settings
from optimizer.studies.budget_sweep import KnownPlans
from optimizer.studies.compare import compare, default_step, frontier
from optimizer.studies.comparison import BudgetPoint, CaseLeastOutlay, Comparison
from optimizer.studies.purchases import sizes_bought
from optimizer.units import rounded
from tests.strategies import instances, scaled

TINY = Path(__file__).parents[1] / "instances" / "tiny.yaml"
EXACT = Settings(mip_gap=0.0, accuracy=0.0)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def tiny(**more: Any) -> so.Instance:
    return so.read(yaml.safe_load(TINY.read_text()) | more)


# By hand. embargo@2027 asks for 30 + 50 t (floors 0.3 and 0.5), embargo@2029 for 70 + 70 t; a tonne costs 500k where it
# is missing and 65k in store, and serves both shocks. One line of the plant costs 6M - 1M and 20 lots of 200k - and
# makes 20 t a year from 2028 on: 20 t in the first shock, 40 t in the second. The store holds 100 t.


def test_what_each_budget_buys_of_tiny_by_hand() -> None:
    found = compare(tiny(), [0, 5.2e6, 10e6, None], facts=(), settings=EXACT)
    gaps = [column.result.survival_gap for column in found.columns]
    # 5.2M are 80 t: the first shock is survived, of the second 60 t are missing. 10M are a line and 76.9 t in
    # store: of the second shock 140 - 40 - 76.9 t are missing.
    assert gaps == pytest.approx([110e6, 30e6, (100 - 5e6 / 65e3) * 500e3, 0])
    assert [len(column.result.shocks_survived) for column in found.columns] == [0, 1, 1, 2]
    assert sizes_bought(found.columns[2].result) == pytest.approx({"plant": 20, "reserve": 5e6 / 65e3})
    assert found.columns[0].budget == 0
    assert found.columns[-1].budget is None
    assert found.is_proven
    assert (found.least, found.alone, found.steps) == ((), {}, ())


def test_a_shock_that_breaks_a_floor_at_no_cost_has_its_least_outlay_too_by_hand() -> None:
    # Nothing is lost where a tonne is missing, and yet the floors ask for 80 t in the first embargo, 5.2M; the second
    # takes a line of the plant, 5M, and 100 t in store, 6.5M.
    data = yaml.safe_load(TINY.read_text())
    data["demands"] = {d: {**each, "shortage_cost": 0} for d, each in data["demands"].items()}
    found = compare(so.read(data), [20e6], facts=("alone",), settings=EXACT)
    outlays = {each.shock: each.outlay for some in found.alone.values() for each in some}
    assert outlays == pytest.approx({"embargo@2027": 5.2e6, "embargo@2029": 11.5e6})


def test_the_least_outlays_of_tiny_by_hand() -> None:
    found = compare(tiny(), [20e6], facts=("least", "alone"), settings=EXACT)
    (least,) = found.least
    # 40 t from a line, 100 t in store: 5M and 6.5M. The second shock alone asks for the same; the first for 80 t in
    # store, 5.2M (a line would spare 20 t of it, 1.3M for 5M).
    assert (least.status, least.outlay, least.bound) == ("optimal", pytest.approx(11.5e6), pytest.approx(11.5e6))
    assert least.result is not None
    assert least.result.survives
    assert least.result.outlay == pytest.approx(11.5e6, rel=2e-6)
    assert least.result.audit["ok"]
    told = {each.shock: each.outlay for each in found.alone["plain"]}
    assert told == {"embargo@2029": pytest.approx(11.5e6), "embargo@2027": pytest.approx(5.2e6)}
    assert list(told) == ["embargo@2029", "embargo@2027"]


THIRDS = """
horizon: {start: 2026, end: 2028, step: year}
home: home
commodities: {magnet: {}}
processes:
  imports: {region: rival, output: {magnet: 1}, capacity: 1000, cost: 1}
  mill: {region: home, output: {magnet: 1}, capacity: 66.666666, cost: 2}
demands: {cars: {commodity: magnet, quantity: 100, survival: 1, shortage_cost: 1000}}
options: {works: {kind: refining, output: {magnet: 1}, capex: 10, max_size: 33.333333, cost: 2}}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
adversary:
  {attack_budget: 1, months: 12, starts: 2028, targets: {rival: {price: 1, cuts: [{region: rival, severity: 1}]}}}
"""


def test_a_floor_missed_by_the_rounding_of_the_file_has_a_least_outlay_by_hand() -> None:
    # 66.666666 + 33.333333 t miss 100 t by 1e-8 of them, which no result calls a shortfall: all works, 333.33333.
    data = yaml.safe_load(THIRDS)
    found = so.attack(so.read(data), settings=EXACT)
    assert found.survives
    assert found.least is not None
    assert (found.least.status, found.least.outlay) == ("optimal", pytest.approx(333.33333, rel=2e-6))
    assert frontier(found.instance, found.result).least_outlay == pytest.approx(333.33333, rel=2e-6)
    del data["adversary"]
    comparison = compare(so.read(data), [None], facts=("least", "alone"), settings=EXACT)
    (least,) = comparison.least
    assert comparison.columns[0].result.survives
    assert (least.status, least.outlay) == ("optimal", pytest.approx(333.33333, rel=2e-6))
    assert least.result is not None
    assert least.result.survives
    (alone,) = comparison.alone["plain"]
    assert (alone.shock, alone.outlay) == ("embargo", pytest.approx(333.33333, rel=2e-6))


def test_a_shock_alone_is_not_shown_to_take_more_than_all_of_them() -> None:
    found = compare(tiny(), [20e6], facts=("least", "alone"), settings=EXACT)
    same = replace(
        found,
        alone={"plain": tuple(replace(each, outlay=27_966_610.0) for each in found.alone["plain"])},
        least=tuple(replace(each, outlay=27_966_610.0) for each in found.least),
    )
    screen = Console(width=80, record=True, file=io.StringIO())
    screen.print(facts.lone_shocks_table(same, 80))
    amounts = re.findall(r"\S+M\b", screen.export_text())
    assert amounts == ["27.97M"] * len(amounts) != ["27.97M"]


@pytest.mark.parametrize("ends_by", ["time", "Ctrl-C"])
def test_a_shock_that_was_not_reached_is_not_known_and_takes_no_nothing(ends_by: str) -> None:
    pressed: list[Progress] = []

    def press(event: Progress) -> None:
        # Ctrl-C comes once it is known in which shocks doing nothing fails.
        if ends_by == "Ctrl-C" and event.done == 2 and not pressed:
            pressed.append(event)
            signal.raise_signal(signal.SIGINT)

    limits = Settings(jobs=1, time_limit=0.0 if ends_by == "time" else None)
    found = compare(tiny(), [20e6], facts=("alone",), settings=limits, listener=press)
    told = {each.shock: (each.status, each.outlay, each.bound) for each in found.alone["plain"]}
    assert told == dict.fromkeys(("embargo@2027", "embargo@2029"), ("stopped", None, None))
    assert not found.is_proven
    text = lone_shocks_text(found)
    assert re.findall(r"embargo@20\d\d +(\S+)", text) == ["?", "?"]
    assert "none is enough" not in text
    assert "?: not known or not proven" in " ".join(text.split())


def test_a_row_of_shocks_of_which_one_is_not_known_is_not_proven() -> None:
    found = compare(tiny(), [20e6], facts=("alone",), settings=EXACT)
    dearest, cheapest = found.alone["plain"]
    cut = replace(found, alone={"plain": (dearest, replace(cheapest, status="stopped", outlay=None, bound=None))})
    assert re.findall(r"11\.5\S*M(?: \?)?", lone_shocks_text(found, every=False)) == ["11.5M"]
    # The column of a single case has no name of a case.
    assert ["Shock", "Least", "outlay"] in [line.split() for line in lone_shocks_text(found).splitlines()]
    assert re.findall(r"11\.5\S*M(?: \?)?", lone_shocks_text(cut, every=False)) == ["11.5M ?"]


def test_shocks_that_were_not_solved_alone_are_counted() -> None:
    instance = so.load(TINY, ["shocks.embargo.start=[2027, 2028, 2029]"])
    found = compare(instance, [20e6], facts=("alone",), settings=EXACT)
    assert "Solved are" not in lone_shocks_text(found, every=False)
    cut = replace(found, alone={"plain": found.alone["plain"][:2]})
    text = " ".join(lone_shocks_text(cut, every=False).split())
    assert "costliest of 2 solved, of 3" in text
    assert "Solved are the 2 of 3 shocks with the largest gaps where nothing is bought." in text


def lone_shocks_text(found: Comparison, *, every: bool = True) -> str:
    screen = Console(width=100, record=True, file=io.StringIO())
    screen.print(facts.lone_shocks_table(found, 50, every=every))
    return screen.export_text()


def test_a_lower_cost_beside_a_gap_that_stays_is_something() -> None:
    # Nothing but the plant from 2028 on serves the shock of 2026 beyond the store: no money closes its gap of 30M. What
    # 7M more buy is cheaper operation.
    instance = so.load(TINY, ["shocks.embargo.start=[2026,2029]", "options.plant.cost=10k"])
    (step,) = compare(instance, ["13M"], step="7M", facts="next").steps
    assert (step.before.survival_gap, step.after.survival_gap) == (pytest.approx(30e6), pytest.approx(30e6))
    assert step.cost.high < 0
    assert not step.is_nothing
    # A higher cost, or a lower one beside a larger gap, is no proven change for the better.
    assert replace(step, before=step.after, after=step.before).is_nothing
    assert replace(step, after=replace(step.after, gap_bound=29e6, survival_gap=30.1e6)).is_nothing


def test_what_the_next_50m_buy_by_hand() -> None:
    # Tiny with fifty dollars for one: 50M are 15.38 t in store at 3.25M. With nothing they are missing in both shocks,
    # at 25M a tonne; after a line and 250M in store, in the second one alone; after 575M there is nothing left to buy.
    instance = so.read(scaled(tiny().to_dict(), 50.0, 1.0))
    found = compare(instance, [0, 500e6, 575e6, 1e9], facts=("next",), settings=EXACT)
    tonnes = 50e6 / 3.25e6
    first, second, third, last = found.steps
    assert {step.more for step in found.steps} == {50e6}
    assert first.gap_closed == pytest.approx(2 * tonnes * 25e6)
    assert first.changes == pytest.approx({"reserve": tonnes})
    assert second.gap_closed == pytest.approx(tonnes * 25e6)
    assert (third.gap_closed, third.saved, third.changes) == (0, 0, {})
    assert (last.gap_closed, last.saved, last.changes) == (0, 0, {})


def test_where_the_plan_of_tiny_changes_by_hand() -> None:
    found = compare(tiny(), "auto", facts=(), settings=EXACT)
    # The first tonne in store; 80 t, 5.2M, that survive the first shock; a line pays from 60 t in store beside it on,
    # 3.9M + 5M, above which less is missing than with 100 t in store; and 11.5M. 1 % of 11.5M is 100k, rounded.
    assert found.resolution == pytest.approx(100e3)
    assert found.is_whole
    told = [(change.above, change.at) for change in found.changes]
    expected = [(0, 100e3), (5.1e6, 5.2e6), (8.9e6, 9.0e6), (11.4e6, 11.5e6)]
    assert told == [pytest.approx(pair) for pair in expected]
    parts = [{part: names for part, names in change.parts.items() if names} for change in found.changes]
    assert parts == [
        {"added": ("reserve",)},
        {"survived": ("embargo@2027",)},
        {"added": ("plant",)},
        {"survived": ("embargo@2029",)},
    ]
    assert [column.budget for column in found.columns] == [0.0, *(change.at for change in found.changes)]


def test_without_budgets_parts_of_the_least_outlay_are_chosen() -> None:
    found = compare(tiny(), facts=(), settings=EXACT)
    budgets = [column.budget for column in found.columns]
    assert budgets == [*(pytest.approx(part * 11.5e6) for part in (0, 0.25, 0.5, 0.75, 1)), 20e6, None]


def test_variants_are_columns_and_each_has_its_own_budget() -> None:
    cases = {
        "plain": tiny(),
        "without plant": so.without(tiny(), ["plant"]),
        "poor": tiny(policy={"budget": 5e6}),
    }
    parts: list[str] = []
    found = compare(cases, settings=EXACT, on_part=lambda part, known: parts.append(part))
    assert [(column.case, column.budget) for column in found.columns] == [
        ("plain", 20e6),
        ("without plant", 20e6),
        ("poor", 5e6),
    ]
    assert parts == ["grid", "least", "alone", "next"]
    # Without the plant 140 t would have to be in a store of 100: no outlay is enough.
    status = {each.case: (each.status, each.outlay) for each in found.least}
    assert status["without plant"] == ("infeasible", None)
    assert status["poor"] == ("optimal", pytest.approx(11.5e6))
    of_shocks = {each.shock: each.status for each in found.alone["without plant"]}
    assert of_shocks == {"embargo@2029": "infeasible", "embargo@2027": "optimal"}


def test_two_processes_find_what_one_finds() -> None:
    alone, together = (
        compare(tiny(), [0, 5e6, 10e6, 20e6], settings=Settings(accuracy=0.0, jobs=jobs)).to_dict() for jobs in (1, 2)
    )
    assert {**together, "columns": 0} == {**alone, "columns": 0}
    for one, other in zip(alone["columns"], together["columns"], strict=True):
        assert other["survival_gap"] == pytest.approx(one["survival_gap"])
        assert other["total_cost"] == pytest.approx(one["total_cost"])


def test_a_frame_has_a_row_a_column() -> None:
    found = compare(tiny(), [0, 20e6], facts=())
    frame = found.frames.columns
    assert list(frame.index) == [("plain", 0), ("plain", 20e6)]
    assert frame.attrs["units"]["budget"] == "USD"
    assert list(frame["survived"]) == [0, 2]
    assert list(frame["plant size"]) == [0, pytest.approx(20)]
    heads = {column.name: column.head for column in found.frames.frame("columns").columns}
    assert (heads["motors worst_service"], heads["plant size"]) == ("motors: worst service", "home magnet plant: size")
    assert list(frame["motors worst_service"]) == [0, pytest.approx(0.3)]


def printed_rows(found: Comparison) -> dict[str, list[str]]:
    """The cells of each row of the first table by the start of its label, as they are printed."""
    console = Console(file=io.StringIO(), width=140)
    for part in grid_parts(found, 140):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    rows = [re.split(r"  +", line.strip()) for line in console.file.getvalue().splitlines() if line.strip()]
    return {row[0]: row[1:] for row in reversed(rows)}


def test_costs_without_shocks_are_a_row_where_a_budget_leaves_demand_unserved_without_any_by_hand() -> None:
    # Imports give 60 of 100 t. Without a budget the 40 t are missing in both years, at 10,000 each: 800k. With one, a
    # plant of 40 t costs 4,000. The ban takes the imports of 2027: the floor of 80 t takes a plant of 80 t, 8,000.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "home": "home",
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 60}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 10000}},
            "options": {"plant": {"kind": "refining", "output": {"magnet": 1}, "max_size": 100, "capex": 100}},
            "shocks": {"ban": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        }
    )
    rows = printed_rows(compare(instance, [0, None], facts=(), settings=EXACT))
    assert rows["Total cost, USD"] == ["800k", "8,000"]
    assert rows["Cost without shocks,"] == ["800k", "4,000"]
    assert rows["Price of survival"] == ["0", "4,000"]
    # With budgets that serve all of it the costs without shocks are the same, and there is no such row.
    rows = printed_rows(compare(instance, [5000, None], facts=(), settings=EXACT))
    assert rows["Total cost, USD"] == ["5,000", "8,000"]
    assert not any(label.startswith("Cost without") for label in rows)
    # At 50.005 a tonne short what is missing costs 0.4 more than the plant: both costs have the digits that show it.
    data = instance.model_dump(mode="json", exclude_unset=True)
    data["demands"]["all"]["shortage_cost"] = 50.005
    rows = printed_rows(compare(so.read(data), [0, None], facts=(), settings=EXACT))
    assert rows["Cost without shocks,"] == ["4,000.4", "4,000"]
    assert rows["Total cost, USD"] == ["4,000.4", "8,000"]


def test_the_price_of_survival_is_a_row_with_digits_that_show_a_proven_difference_by_hand() -> None:
    # 100 t a year at 5M cost 1,500M in three years. A tonne in store costs 51,230: 12 months take 80 t, 4.0984M; 15
    # months take 100 t, 5.123M. Of the total costs the fourth digit is 1M, the fifth a tenth of the difference.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "quarter"},
            "home": "home",
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 5e6}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1e7}},
            "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 51230}},
            "shocks": {"ban": {"start": "2027Q1", "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
            "scenarios": {"longer": {"shocks.ban.months": 15}},
        }
    )
    found = compare(instance, scenario=["longer"], facts=(), settings=EXACT)
    rows = printed_rows(found)
    assert rows["Total cost, USD"] == ["1.5041B", "1.5051B"]
    assert rows["Price of survival, USD"] == ["4.098M", "5.123M"]
    assert [column["price_of_survival"] for column in found.figures()] == [
        pytest.approx(4098400),
        pytest.approx(5123000),
    ]
    assert list(found.frames.columns["price_of_survival"]) == [pytest.approx(4098400), pytest.approx(5123000)]
    # 512,300 buy 10 t: a gap is left, and the amount is the price of that plan.
    rows = printed_rows(compare(instance, [512300, None], facts=(), settings=EXACT))
    assert rows["Price of survival"] == ["512.3k", "4.098M"]
    rows = printed_rows(compare(instance, [512300], facts=(), settings=EXACT))
    assert rows["Price of the plan, USD"] == ["512.3k"]


def test_the_next_money_fits_the_budgets() -> None:
    assert [default_step([each]) for each in (28e9, 1e9, 5e8, 20e6, 0)] == [1e9, 50e6, 20e6, 1e6, 0]
    assert [rounded(each) for each in (115e3, 9.2e6, 0.0, 1.0, 20.0)] == [100e3, 5e6, 0.0, 1.0, 20.0]


# By law.


@FEW
@given(instances())
def test_more_budget_never_hurts_and_the_least_outlay_is_the_least(data: dict[str, Any]) -> None:
    instance = so.read(data)
    found = compare(instance, [0, 300, 900, 2500, None], facts=("least", "alone"), settings=EXACT)
    for one, other in zip(found.columns, found.columns[1:], strict=False):
        small, large = one.result, other.result
        assert large.survival_gap <= small.survival_gap * (1 + 1e-6) + 1e-6
        if small.survives:
            assert large.survives
            assert large.total_cost <= small.total_cost * (1 + 1e-6) + 1e-6
    (least,) = found.least
    for each in found.alone["plain"]:
        assert least.outlay is None or (each.outlay is not None and each.outlay <= least.outlay * (1 + 1e-5) + 1e-4)
    if least.outlay is None:
        assert not found.columns[-1].result.survives
        return
    assert so.solve(instance, least.outlay * (1 + 1e-4) + 1e-3, settings=EXACT).survives
    if least.outlay > 1:
        assert not so.solve(instance, least.outlay * (1 - 1e-3), settings=EXACT).survives


def test_a_plan_that_survives_is_preferred_to_one_that_misses_floors_for_free() -> None:
    # The tourists' floor costs nothing to miss. Nothing is served at budget 0; 500 of reserve keep 10 t in the shock.
    data = {
        "name": "free floor",
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "discount_rate": 0,
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 10, "cost": 1}},
        "demands": {"tourists": {"commodity": "magnet", "quantity": 10, "survival": 1, "shortage_cost": 0}},
        "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50, "max_size": 10}},
        "shocks": {"stop": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    }
    found = [column.result for column in compare(so.read(data), [0, 900], facts=(), settings=EXACT).columns]
    assert [(each.survives, each.survival_gap) for each in found] == [(False, 0), (True, 0)]
    assert [each.total_cost for each in found] == pytest.approx([0, 500])


@FEW
@given(instances())
def test_a_comparison_finds_what_solving_each_finds(data: dict[str, Any]) -> None:
    instance = so.read(data)
    for column in compare(instance, [0, 900, 2500], facts=(), settings=EXACT).columns:
        plain = so.solve(with_budget(instance, column.budget), settings=EXACT)
        assert column.result.survival_gap == pytest.approx(plain.survival_gap, rel=1e-5, abs=1e-5)
        assert column.result.total_cost == pytest.approx(plain.total_cost, rel=1e-5, abs=1e-5)


def test_the_frontier_of_a_report_is_that_of_a_comparison() -> None:
    instance = tiny()
    own = so.solve(instance, settings=EXACT)
    points = frontier(instance, own, settings=EXACT)
    assert points.least_outlay == pytest.approx(11.5e6)
    assert points.points[points.own].result is own
    compared = compare(instance, facts=(), settings=EXACT)
    assert [point.budget for point in points.points] == [column.budget for column in compared.columns]
    for point, column in zip(points.points, compared.columns, strict=True):
        assert point.result.survival_gap == pytest.approx(column.result.survival_gap)
        assert point.result.total_cost == pytest.approx(column.result.total_cost)


# Floors of 50 t of 100 t, without imports in the shock: a gap counts 1,000 a tonne, and costs a tenth of that. The
# works make 50 t for an outlay of 50 and a fixed opex of 14 x 50 t in each of 3 years, 2,150 in all; the plant makes
# 40 t for an outlay of 400, and leaves 10 t, 10,000 of gap, 1,000 at its price. Imports cost 20 x 100 t in each year.
PRICED = """
name: priced
horizon: {start: 2026, end: 2028, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 20}}
demands: {motors: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}}
options:
  works: {kind: refining, output: {magnet: 1}, fixed_cost: 50, fixed_opex: 14, min_size: 50, max_size: 50, cost: 30}
  plant: {kind: refining, output: {magnet: 1}, capex: 10, max_size: 40, cost: 30}
shocks: {embargo: {start: 2026, months: 12, cuts: [{region: rival, severity: 1}]}}
policy: {gap_price: 0.1}
"""


def test_with_a_price_of_gaps_cost_and_gaps_together_decide_between_budgets_by_hand() -> None:
    instance = so.read(yaml.safe_load(PRICED))
    # 200 buy 20 t of the plant: 200 + 3,000 beside imports are more than the 2,150 of the works. 400 buy all of it.
    columns = compare(instance, [0, 100, 200, 500, None], facts=(), settings=EXACT).columns
    plans = [column.result for column in columns]
    assert [each.survival_gap for each in plans] == pytest.approx([50e3, 0, 0, 10e3, 10e3])
    assert [each.total_cost for each in plans] == pytest.approx([6000, 8150, 8150, 6400, 6400])
    assert [each.priced_cost for each in plans] == pytest.approx([11000, 8150, 8150, 7400, 7400])
    own = so.solve(instance, settings=EXACT)
    points = frontier(instance, own, [0, 100, 500], settings=EXACT)
    assert points.points[points.own].result is own
    assert [point.result.outlay for point in points.points] == pytest.approx([0, 50, 400, 400])


def test_a_plan_that_is_given_stands_among_the_best_plans_of_budgets_as_it_is() -> None:
    # 5M buy a line and 3.9M 60 t of store, 40 t of it in time for the first shock: 80 - 20 - 40 t are missing in that
    # and 140 - 40 - 60 t in the second. It is the best of no budget: 11.5M survive both, of a budget of 20M or any.
    listed = {"name": "the list", "builds": {"plant": {2026: 20}}, "purchases": {"reserve": {2026: 40, 2027: 20}}}
    for budget in (20e6, 5e6):
        (plan,) = so.evaluate(with_budget(tiny(), budget), listed).plans
        points = frontier(plan.instance, plan.result, [5.2e6, 10e6, 11.5e6], settings=EXACT)
        assert points.own == 1
        shown = points.points[1].result
        assert shown is plan.result
        assert (shown.outlay, shown.survival_gap) == (pytest.approx(8.9e6), pytest.approx(30e6))
        best = [point.result for point in points.points if not point.is_given]
        assert [each.survival_gap for each in best[:3]] == pytest.approx([30e6, (100 - 5e6 / 65e3) * 500e3, 0])
        assert all(each.survives for each in best[2:])
        assert [point.budget for point in points.points[4:]] == ([20e6, None] if not plan.broken_rules else [None])


# Stopping, and those who work.


def test_ctrl_c_ends_with_what_is_known() -> None:
    parts: list[Comparison] = []

    def press(event: Progress) -> None:
        if event.done == 2:
            signal.raise_signal(signal.SIGINT)

    found = compare(
        tiny(),
        [0, 5e6, 10e6, 20e6],
        settings=Settings(jobs=1),
        listener=press,
        on_part=lambda part, known: parts.append(known),
    )
    assert found.stopped
    assert not found.is_proven
    assert [column.budget for column in found.columns] == [10e6, 20e6]
    assert [len(known.columns) for known in parts] == [2]


def slow(memory: dict[str, Any], seconds: float) -> str:
    """Stands for a search that ends with its best at Ctrl-C."""
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda *about: heard.append(1))
    until = time.monotonic() + seconds
    while time.monotonic() < until and not heard:
        time.sleep(0.01)
    return "stopped" if heard else "whole"


def wrong(memory: dict[str, Any]) -> None:
    raise AuditError(["a row"], None)


def leaving(memory: dict[str, Any]) -> None:
    os._exit(3)


def counted(memory: dict[str, Any], number: int) -> tuple[int, int]:
    memory["seen"] = memory.get("seen", 0) + 1
    return number, os.getpid()


def test_every_task_runs_once() -> None:
    with ProcessExecutor(2) as executor:
        answers = dict(executor.as_completed([Task(counted, (number,)) for number in range(7)], Clock()))
    assert {number: answer[0] for number, answer in answers.items()} == {number: number for number in range(7)}
    assert os.getpid() not in {pid for _, pid in answers.values()}


def test_an_error_within_a_task_is_raised_here() -> None:
    with ProcessExecutor(2) as executor, pytest.raises(AuditError) as error:
        list(executor.as_completed([Task(wrong), Task(wrong)], Clock()))
    assert error.value.disagreements == ("a row",)
    # Without the words of the library about its processes, and with what to do.
    with (
        ProcessExecutor(2) as executor,
        pytest.raises(so.OptimizerError, match="perhaps for lack of memory; run it again"),
    ):
        list(executor.as_completed([Task(leaving), Task(leaving)], Clock()))


def test_ctrl_c_is_passed_on_and_no_task_starts_any_more() -> None:
    clock = Clock()
    with ProcessExecutor(2) as executor:
        list(executor.as_completed([Task(counted, (0,)), Task(counted, (1,))], clock))
        told = []
        for number, answer in executor.as_completed(
            [Task(slow, (0.3,)), Task(slow, (60.0,)), Task(slow, (60.0,))], clock
        ):
            told.append((number, answer))
            clock.interrupted = True
    assert told[0] == (0, "whole")
    assert (1, "stopped") in told


def test_a_least_outlay_reads_as_no_less_than_it_is_and_its_bound_as_no_more() -> None:
    # A euro more than what six digits can say: the figure that is shown has to suffice, whoever types it.
    least = CaseLeastOutlay("plain", "optimal", 23_357_401.0, 23_357_399.0)
    said = str(facts.least_outlay_part(Comparison({"plain": tiny()}, least=(least,))))
    assert "is 23.3575M USD" in said
    assert "for less than 23.3573M USD" in said
    least = CaseLeastOutlay("plain", "optimal", 11.5e6, 11.5e6 - 1e-3)
    said = str(facts.least_outlay_part(Comparison({"plain": tiny()}, least=(least,))))
    assert "is 11.5M USD" in said
    assert "for less than 11.5M USD" in said


def test_no_shock_plans_are_those_of_their_budgets() -> None:
    """A plant that pays for itself is bought without any shock, as far as the budget goes: 20 t/yr cost 400k."""
    cheap = ["options.plant.cost=0", "options.plant.capex=20k", "options.plant.fixed_cost=0"]
    instance, budgets = so.load(TINY, cheap), [0.0, 8e5, None]
    found = so.compare(instance, budgets, facts=())
    costs = [column.result.calm_cost or 0.0 for column in found.columns]
    assert costs == sorted(costs, reverse=True), "the lines that a budget pays save money"
    assert len(set(costs)) == len(costs), "each budget pays other lines"
    for budget, cost in zip(budgets, costs, strict=True):
        assert so.solve(with_budget(instance, budget)).calm_cost == pytest.approx(cost, rel=1e-4), budget


def test_the_support_of_a_no_shock_plan_is_paid_by_its_budget_by_hand() -> None:
    """Ten tonnes a year at 10k and 5k of support, which the budget pays, take the place of ten at 60k."""
    friend = {"region": "ally", "stage": "magnet", "output": {"magnet": 1}, "capacity": 10, "cost": 1e4, "support": 5e3}
    data = yaml.safe_load(TINY.read_text())
    data["processes"]["friend"] = friend
    found = so.compare(so.read(data), [0.0, 5e4, None], facts=())
    costs = [column.result.calm_cost for column in found.columns]
    assert costs == pytest.approx([30e6, 30e6 - 10 * 45e3, 30e6 - 50 * 45e3])


def test_a_limit_of_time_is_that_of_the_whole_comparison() -> None:
    def wait(event: Progress) -> None:
        if event.done == event.total == 1:
            time.sleep(2.1)

    found = compare(tiny(), [0, 5e6, 10e6, 20e6], settings=Settings(jobs=1, time_limit=2.0), listener=wait)
    # The first search is that of 20M; of the others one begins, and finds no time left.
    assert 1 <= len(found.columns) <= 2
    assert found.columns[-1].result.survives
    assert (found.stopped, found.is_proven, found.steps) == (True, False, ())


def test_money_or_seconds_of_a_proof_are_refused_by_studies_that_set_them() -> None:
    for name in ("tolerance", "patience"):
        asked = Settings(**{name: 77.0})
        for study in (so.compare, so.alternatives, so.explain, so.attack):
            with pytest.raises(ValueError, match=rf"{name}=77\.0: this study sets it itself.*accuracy"):
                study(tiny(), settings=asked)
        with pytest.raises(ValueError, match=rf"{name}=77\.0"):
            so.sensitivity(so.load(TINY, ["ranges={options.plant.capex: {low: 100k, high: 400k}}"]), settings=asked)
    # A single plan is proven to it.
    assert so.solve(tiny(), settings=Settings(tolerance=1e3)).survives


def test_a_function_refuses_the_accuracy_that_it_does_not_use_unless_both_are_given() -> None:
    ranges = ["ranges={options.plant.capex: {low: 100k, high: 400k}}"]
    studies = (so.compare, so.alternatives, so.explain, so.attack, so.share_costs, so.sensitivity)
    for study in studies:
        with pytest.raises(ValueError, match=r"mip_gap=0\.01: this study compares plans: write accuracy, a share of"):
            study(so.load(TINY, ranges), settings=Settings(mip_gap=0.01))
    for function in (so.solve, so.solve_futures, so.withstand):
        with pytest.raises(
            ValueError, match=r"accuracy=0\.01: this function compares no plans: write mip_gap, a share"
        ):
            function(tiny(), settings=Settings(accuracy=0.01))
    both = Settings(mip_gap=1e-3, accuracy=0.01)
    assert so.solve(tiny(), settings=both).settings["gap"] == 1e-3
    found = compare(tiny(), [0.0], settings=both)
    assert found.accuracy == 0.01
    assert found.to_dict() == compare(tiny(), [0.0], settings=Settings(accuracy=0.01)).to_dict()


def test_a_limit_of_time_leaves_the_accuracy_of_a_study_as_it_is() -> None:
    # 2 % of the price of survival for a comparison, 0.5 % for what-ifs; what is given counts.
    usual = compare(tiny(), [0.0], settings=Settings(time_limit=600.0))
    assert usual.accuracy == usual.to_dict()["gap"] == 0.02
    assert so.explain(tiny(), settings=Settings(jobs=1)).accuracy == 0.005
    assert compare(tiny(), [0.0], settings=Settings(accuracy=1e-4)).accuracy == 1e-4
    assert so.solve(tiny(), settings=Settings(jobs=1)).settings["gap"] == 1e-4


def test_a_dependence_that_one_budget_ends_is_a_row_by_hand() -> None:
    # With nothing bought all 100 t come from the rival. The ban asks for a plant of 80 t, which is there from 2027 on
    # and runs in the baseline as well, as it is cheaper to run: in the last year 20 of 100 t are the rival's.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "home": "home",
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 10}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 10000}},
            "options": {
                "plant": {
                    "kind": "refining",
                    "output": {"magnet": 1},
                    "max_size": 100,
                    "capex": 100,
                    "cost": 1,
                    "lead_time": 12,
                }
            },
            "shocks": {"ban": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        }
    )
    rows = printed_rows(compare(instance, [0, None], facts=(), settings=EXACT))
    assert rows["magnet: rival"] == ["100 % !", "20 %"]


def test_prices_of_survival_that_are_equal_are_shown_where_costs_are_below_0() -> None:
    # Imports of 120 t a year bring 36M in five years at 60k a tonne, 30M at 50k. Either way the embargo asks for 20 t
    # of plant at 5M and for 100 t in store at 6.5M, held for 2.1M.
    cases = {
        name: so.load(TINY, {"processes.imports.cost": cost}) for name, cost in (("plain", "-60k"), ("less", "-50k"))
    }
    rows = printed_rows(compare(cases, facts=(), settings=EXACT))
    assert rows["Total cost, USD"] == ["−22.4M", "−16.4M"]
    assert rows["Price of survival, USD"] == ["13.6M", "13.6M"]


@pytest.mark.parametrize(("kept", "searched", "status"), [
    ("survives", "stopped", "stopped"),
    ("stopped", "survives", "survives"),
    ("gap", "gap", "gap"),
])  # fmt: skip
def test_a_plan_of_a_smaller_budget_has_the_status_of_the_search_that_found_no_better_one(
    kept: str, searched: str, status: str
) -> None:
    # With 5M USD floors fail.
    smaller = so.solve(tiny(), budget="5M" if kept == "gap" else "20M")
    own = replace(smaller, total_cost=smaller.total_cost + 1e6, status=searched)
    known = KnownPlans([BudgetPoint(20e6, replace(smaller, status=kept))])
    best = known.best_within(30e6, own)
    assert (best.total_cost, best.status) == (smaller.total_cost, status)
