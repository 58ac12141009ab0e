"""Which budget stands in the way, and that nothing false is said of it: all by hand."""

import io

import pytest
from rich.console import Console

import optimizer as so
from optimizer.report.tables.explain import ExplanationPrinter
from optimizer.studies.explain.repairs import BOTH_SHORT, TOTAL_HELD
from tests.conftest import Cell
from tests.test_explain import EXACT, HEAD, found

# The embargo of 2028 takes 50 t out of the store, 500 of money in the two years before it, 250 a year. A plant of the
# friend could make them as well, but the least of it costs 300 in one year.
BOUGHT = """
options:
  friend: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, cost: 40, max_size: 300, capex: 30,
           fixed_cost: 300, lead_time: 12}
  reserve: {kind: stockpile, commodity: magnet, price: 10, max_size: 100}
"""
HELD = "reserve holds 40 t when embargo begins: the budgets of the years before buy no more"


def said(instance: so.Instance, explanation: so.Explanation) -> str:
    text = io.StringIO()
    shown = ExplanationPrinter(instance, Console(file=text, width=400, highlight=False, markup=False))
    for part in (*explanation.repairs, explanation.reason):
        assert part is not None
        shown.show(part)
    return text.getvalue()


def test_the_annual_budget_is_what_stands_in_the_way(cell: Cell) -> None:
    instance = cell(HEAD, BOUGHT, "policy: {annual_budget: 200, budget: 900}")
    explanation = so.explain(instance, settings=EXACT)
    budget, annual, why = found(explanation, "budget"), found(explanation, "annual"), explanation.reason
    assert not budget.works
    assert (annual.works, annual.amount, annual.beyond) == (True, pytest.approx(50), pytest.approx(50))
    assert annual.outlay == pytest.approx(500)
    assert why is not None
    assert why.is_money
    assert (why.least_outlay, why.least_added) == (None, pytest.approx(50))
    assert why.because == (
        "imports is cut off in embargo",
        "friend is not built: no annual budget pays for the smallest size of it",
        HELD,
    )
    words = said(instance, explanation)
    assert "50 USD more in each year than the 200 USD of the annual budget." in words
    assert "To survive just this takes 50 USD more in each year than its budget." in words
    assert "unlimited money" not in words


def test_both_budgets_can_be_too_small(cell: Cell) -> None:
    instance = cell(HEAD, BOUGHT, "policy: {annual_budget: 200, budget: 450}")
    explanation = so.explain(instance, settings=EXACT)
    assert not found(explanation, "budget").works
    annual = found(explanation, "annual")
    assert (annual.works, annual.why) == (False, BOTH_SHORT)
    why = explanation.reason
    assert why is not None
    assert (why.is_money, why.least_outlay, why.least_added) == (True, None, None)
    assert "unlimited money" not in said(instance, explanation)


def test_where_no_money_helps_that_is_said_of_every_year(cell: Cell) -> None:
    # 30 t at most, whatever is spent.
    pile = "options: {reserve: {kind: stockpile, commodity: magnet, price: 10, max_size: 30}}"
    instance = cell(HEAD, pile, "policy: {annual_budget: 100}")
    explanation = so.explain(instance, settings=EXACT)
    assert found(explanation, "annual").why == "no amount of money is enough, whatever the year"
    why = explanation.reason
    assert why is not None
    assert not why.is_money
    # With 100 a year it would hold 20 t: what is told is with unlimited money, as is said.
    assert why.because[-1] == "reserve holds 30 t when embargo begins, the most that it can hold"
    assert "the conflict remains with unlimited money" in said(instance, explanation)


@pytest.mark.parametrize("policy", ["{budget: 0}", "{annual_budget: 0}"])
def test_without_a_budget_nothing_goes_further_elsewhere(cell: Cell, policy: str) -> None:
    why = so.explain(cell(HEAD, BOUGHT, f"policy: {policy}"), settings=EXACT).reason
    assert why is not None
    assert why.because[1:] == (
        "friend is not built: the budget is 0",
        "reserve holds 0 t when embargo begins: the budget is 0",
    )


def test_a_budget_that_does_not_reach_is_told(cell: Cell) -> None:
    why = so.explain(cell(HEAD, BOUGHT, "policy: {budget: 290}"), settings=EXACT).reason
    assert why is not None
    assert why.because[1:] == (
        "friend is not built: the budget does not pay for the smallest size of it",
        "reserve holds 29 t when embargo begins: the budget buys no more",
    )


def test_all_who_take_what_is_short_are_named_and_the_months_that_it_takes(cell: Cell) -> None:
    # Two years of embargo, 50 + 20 t a year; 65 t can be bought. Either floor alone holds for a year, both do not: 5 t
    # are missing in the first, and 70 t cost 700.
    taken = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands:
  cars: {commodity: magnet, quantity: 50, survival: 1, shortage_cost: 1000}
  jets: {commodity: magnet, quantity: 20, survival: 1, shortage_cost: 5000}
options: {reserve: {kind: stockpile, commodity: magnet, price: 10, max_size: 500}}
shocks: {embargo: {start: 2028, months: 24, cuts: [{region: rival, severity: 1}]}}
policy: {budget: 650}
"""
    instance = cell(taken)
    explanation = so.explain(instance, settings=EXACT)
    why = explanation.reason
    assert why is not None
    assert (why.segment, why.takers, why.months) == ("cars", ("cars", "jets"), 12)
    assert (why.needed, why.had, why.least_outlay) == (pytest.approx(70), pytest.approx(65), pytest.approx(700))
    words = said(instance, explanation)
    assert (
        "In embargo, short in 2028 (the first 12 months of the shock already cannot be survived), "
        "cars, jets need 70 t of magnet; a plan for this conflict alone has 65 t, because"
    ) in words
    assert "Conflict (IIS): the first 12 months of embargo with the floors of" in words


def test_what_little_is_missing_is_said_and_what_a_stock_loses_meanwhile(cell: Cell) -> None:
    # Of 100 t a tenth is lost in the year of the shock: 90 of 90.04 t are there.
    short = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands: {cars: {commodity: magnet, quantity: 90.04, survival: 1, shortage_cost: 1000}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 10, max_size: 100, loss: 0.1}}
shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 1}]}}
"""
    instance = cell(short)
    explanation = so.explain(instance, settings=EXACT)
    why = explanation.reason
    assert why is not None
    assert (why.needed, why.had) == (pytest.approx(90.04), pytest.approx(90))
    words = said(instance, explanation)
    assert "cars needs 90 t of magnet, 0.04 t more than a plan for this conflict alone has, because" in words
    assert (
        "reserve holds 100 t when embargo begins, of which 10 t are lost meanwhile, the most that it can hold" in words
    )


def test_where_the_total_budget_is_short_the_years_are_said_to_stay(cell: Cell) -> None:
    # 250 a year are 500, which 300 a year allow and 450 in all do not.
    instance = cell(HEAD, BOUGHT, "policy: {annual_budget: 300, budget: 450}")
    explanation = so.explain(instance, settings=EXACT)
    budget, annual = found(explanation, "budget"), found(explanation, "annual")
    assert (budget.works, budget.amount) == (True, pytest.approx(500))
    assert (annual.works, annual.why) == (False, TOTAL_HELD)
    assert explanation.reason is not None
    assert explanation.reason.least_outlay == pytest.approx(500)
    words = said(instance, explanation)
    assert "No budget below 500 USD is enough (proven). The budget of each year stays as it is." in words
    assert "the budget is 450 USD, and the budget of each year stays as it is." in words
