"""Repairs of which more does not always help, and what is short in the periods that are named: each number by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import optimizer as so
from optimizer.report.tables.explain import repair_text
from optimizer.studies.explain import repairs
from optimizer.studies.explain.repairs import AT_NO_SIZE, NOT_ALL_TRIED
from optimizer.studies.explain.what_ifs import least_passing_nonmonotone
from optimizer.studies.explanation import Repair
from tests.conftest import Cell
from tests.test_explain import EXACT, TINY, found

HEAD = """
horizon: {start: 2026, end: 2031, step: year}
commodities: {magnet: {}, dy: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 200, cost: 10}
  mine: {region: home, output: {dy: 1}, capacity: {2026: 0, 2028: 100}}
demands: {motors: {commodity: magnet, quantity: 100, survival: 0.7, shortage_cost: 5000}}
"""
DEAL = """
options:
  deal: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, max_size: 80, capex: 10, latest: 2026,
         cost: 20, LEFT}
shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 1}]}}
"""


def sooner(cell: Cell, left: str, *more: str) -> so.Explanation:
    return so.explain(cell(HEAD, DEAL.replace("LEFT", left), *more), settings=EXACT)


# Ordered in 2026, it stands in 2029; 70 t are needed in 2028, and 80 t/yr can be bought.
@pytest.mark.parametrize(
    ("left", "cost"),
    [
        # A year sooner all of it works in 2028, two years sooner 40 t/yr, three years sooner 16. Imports of six years
        # cost 6,000, and 70 t/yr cost 700.
        ("lead_time: 36, ramp: [1, 0.5, 0.2]", 6700),
        # Two years sooner, at least half of it has to run in 2027, and there is no dysprosium before 2028. From then on
        # 35 t/yr of it take the place of imports, at 10 more a tonne: 1,400.
        ("lead_time: 36, min_utilisation: 0.5, input: {dy: 1}", 8100),
    ],
)
def test_a_build_that_may_come_too_soon_is_sooner_by_less(cell: Cell, left: str, cost: float) -> None:
    explanation = sooner(cell, left)
    assert explanation.is_complete
    for of in (None, "deal"):
        repair = found(explanation, "sooner", of)
        assert (repair.works, repair.amount, repair.beyond) == (True, 12.0, 0.0)
        assert repair.cost == pytest.approx(cost)


def test_the_least_number_of_months_is_found_below_numbers_that_are_not_enough(cell: Cell) -> None:
    # It stands in 2031. In the embargo of 2030 it is new if a year sooner, and in its fifth year if five years sooner;
    # two to four years sooner 16 t/yr work then.
    later = "shocks: {embargo: {start: 2030, months: 12, cuts: [{region: rival, severity: 1}]}}"
    text = DEAL[: DEAL.index("shocks:")].replace("LEFT", "lead_time: 60, ramp: [1, 0.2, 0.2, 0.2, 1]")
    repair = found(so.explain(cell(HEAD, text, later), settings=EXACT), "sooner")
    assert (repair.works, repair.amount, repair.beyond) == (True, 12.0, 0.0)


@pytest.mark.parametrize("ramp", ["[0.5, 0.2]", "[1, 0.2, 0.1]"])
def test_what_is_not_enough_by_any_number_of_months_cannot_work(cell: Cell, ramp: str) -> None:
    # 40 t/yr at most; or 80 t/yr in one of the two years of the embargo, but not in both.
    text = DEAL.replace("LEFT", f"lead_time: 36, ramp: {ramp}").replace("months: 12", "months: 24")
    explanation = so.explain(cell(HEAD, text), settings=EXACT)
    assert explanation.is_complete
    repair = found(explanation, "sooner")
    assert (repair.works, repair.why) == (False, AT_NO_SIZE["sooner"])
    assert found(explanation, "sooner", "deal").works is False


def test_one_build_alone_may_do_what_all_together_do_not(cell: Cell) -> None:
    # All of `early` works in 2028, its second year; a year sooner a tenth would. Two builds of 40 t/yr are needed.
    early = """  early: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, max_size: 40, capex: 10,
          latest: 2026, lead_time: 12, ramp: [0.1, 1, 0.1]}
"""
    left = "lead_time: 36, ramp: [1, 0.2]"
    text = DEAL.replace("LEFT", left).replace("max_size: 80", "max_size: 40").replace("shocks:", f"{early}shocks:")
    explanation = so.explain(cell(HEAD, text), settings=EXACT)
    assert found(explanation, "sooner").works is False
    assert found(explanation, "sooner", "deal").amount == 12.0
    assert found(explanation, "sooner", "early").works is False


def test_nothing_is_said_of_sizes_that_were_not_tried(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Four years, which fail, and the best of one to four: neither says whether one, two or three years are enough.
    monkeypatch.setattr(repairs, "MOST_SIZES_TRIED", 2)
    explanation = sooner(cell, "lead_time: 48, ramp: [1, 0.5, 0.2]")
    repair = found(explanation, "sooner")
    assert (repair.works, repair.why) == (None, NOT_ALL_TRIED)
    assert not explanation.is_complete


@given(st.sets(st.integers(1, 60)), st.integers(1, 60), st.integers(0, 5))
def test_the_least_of_all_is_found(passing: set[int], last: int, slack: int) -> None:
    def test(low: int, high: int) -> bool:
        spare = slack if low < high else 0
        return any(low - spare <= number <= high + spare for number in passing)

    assert least_passing_nonmonotone(test, last) == (min((n for n in passing if n <= last), default=None), True)
    # Nothing is known of what cannot be tried.
    assert least_passing_nonmonotone(lambda low, high: None, last) == (None, False)


def test_less_demand_that_leaves_enough_scrap_is_found_between_tenths(cell: Cell) -> None:
    # 27 t come in the embargo, of which `first` needs half its demand: 46 % less than 100. `second` needs 52 t of scrap
    # in 2028, which is what is sold of a in 2027: 48 % less at most.
    text = """
horizon: {start: 2026, end: 2028, step: year}
commodities: {a: {}, b: {}, scrap: {}}
processes:
  imports: {region: rival, output: {a: 1}, capacity: 100}
  recycling: {region: home, input: {scrap: 1}, output: {b: 1}, capacity: 60}
demands:
  first:
    {commodity: a, quantity: 100, survival: 0.5, shortage_cost: 1000, end_of_life: {commodity: scrap, after_years: 1}}
  second: {commodity: b, quantity: 52, survival: 1, shortage_cost: 1000}
shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 0.73}]}}
"""
    first = found(so.explain(cell(text), settings=EXACT), "demand", "first")
    assert (first.works, first.amount, first.beyond) == (True, pytest.approx(0.46), pytest.approx(0.45))
    # Of 60 t of scrap, which is 40 % less, no demand of `first` is low enough.
    text = text.replace("quantity: 52", "quantity: 60")
    first = found(so.explain(cell(text), settings=EXACT), "demand", "first")
    assert (first.works, first.why) == (False, AT_NO_SIZE["demand"])


STORED = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, output: {magnet: 1}, capacity: CAPACITY, cost: 10}}
demands: {motors: {commodity: magnet, quantity: 100, survival: 0.7, shortage_cost: 5000}}
options: {stock: {kind: stockpile, commodity: magnet, price: 50}}
shocks: {embargo: {start: 2028, months: 24, cuts: [{region: rival, severity: [SEVERITY, 1]}]}}
policy: {budget: 1000}
"""


@pytest.mark.parametrize(
    ("capacity", "severity", "first", "needed", "had", "said"),
    [
        # 100 t come in 2028, more than the floor, and cannot be kept: 70 t are short in 2029, and 1,000 buy 20.
        (200, 0.5, "2029", 70, 20, "imports is cut off in embargo"),
        # 60 t come in 2028, 10 below the floor, and the stock is short in both years: 140 t are needed.
        (100, 0.4, "2028", 140, 80, "imports loses 40 to 100 % in embargo; it still gives 60 t"),
    ],
)
def test_only_what_the_floors_take_is_needed(
    cell: Cell, capacity: float, severity: float, first: str, needed: float, had: float, said: str
) -> None:
    text = STORED.replace("CAPACITY", str(capacity)).replace("SEVERITY", str(severity))
    why = so.explain(cell(text), settings=EXACT).reason
    assert why is not None
    assert (why.first, why.last, why.needed, why.had) == (first, "2029", pytest.approx(needed), pytest.approx(had))
    assert why.because == (said, "stock holds 20 t when embargo begins: the budget buys no more")


def test_floors_that_can_be_kept_are_no_more_than_is_said() -> None:
    # 20 of 70 t are 28.571 %.
    repair = Repair("floors", works=True, amount=0.285, beyond=20 / 70, floors={"motors": dict.fromkeys((2026,), 0.2)})
    assert "No more than 28.58 % can be kept (proven)." in repair_text(so.load(TINY), repair)
