"""The money of what a plan buys adds up to its outlay wherever it is shown; what is in store already is not bought."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import optimizer as so
from optimizer.instance.reading import instance_of
from optimizer.report.brief.content import make_brief
from optimizer.report.brief.futures import make_futures_brief
from optimizer.report.brief.plan_parts import orders_part
from optimizer.report.figures.years import years_of
from optimizer.report.tables.plan import plan_tables
from optimizer.studies.purchases import purchases
from tests.conftest import Cell, Solve

CASES = Path(__file__).parent / "cases"
YEARS = """
horizon: {start: 2026, end: 2027, step: year}
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
"""
EMBARGO = "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}"
# Each t of the plant costs 10 and 4 of support beside imports at 10: it runs at 0.4 of what it has. 25 t: 10 t in
# 2026, 40 of support. 100 t: 40 t in 2027, 160 of support, a quarter of it the first build's. Half is the budget's.
TWO_BUILDS = """options: {plant: {kind: refining, region: home, stage: magnet, output: {magnet: 1}, cost: 10,
  support: 4, max_size: 100, capex: 10, min_utilisation: 0.4, budget_share: 0.5}}
policy: {force: {plant: {2026: 25, 2027: 75}}}"""
# Half of demand has to be held from the first quarter of 2028, 9/10 from the third: the plant is ordered twelve months
# before, 50 t/yr in 2027Q1 and, as money later is worth less, 40 t/yr in 2027Q3.
TWICE_A_YEAR = """
horizon: {start: 2027, end: 2028, step: quarter, decide: quarter}
discount_rate: 0.1
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, shortage_cost: 1000}}
options: {plant: {kind: refining, region: home, stage: magnet, output: {magnet: 1}, cost: 20, max_size: 100, capex: 10,
  lead_time: 12}}
shocks:
  early: {start: 2028Q1, months: 6, survival: {all: 0.5}, cuts: [{region: rival, severity: 1}]}
  late: {start: 2028Q3, months: 6, survival: {all: 0.9}, cuts: [{region: rival, severity: 1}]}
"""
MILD = "{shocks.early.survival: {all: 0}, shocks.late.survival: {all: 0}}"
# The embargo leaves 80 t to be held. 30 t are there, 50 t are bought at 50: 2500.
IN_STORE = "options: {reserve: {kind: stockpile, commodity: magnet, price: 50, max_size: 100, initial: 30}}"


def shown(result: so.Result) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    for table in plan_tables(result, 100):
        console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_price_support_is_spent_on_what_it_supports() -> None:
    # By hand in the file: capex 750 and twice 120 of support are the outlay, 990.
    result = so.solve(so.load(CASES / "11_units_and_support.yaml"))
    (plant,) = result.frames.frame("builds").rows()
    assert [plant[name] for name in ("capex", "support", "spent", "outlay", "outlay_share")] == pytest.approx(
        [750, 240, 990, 990, 1]
    )
    instance = instance_of(result)
    spent = {each.year: each.spent for each in years_of(instance, result, purchases(instance, result))}
    assert spent == {2026: {"refining": pytest.approx(870)}, 2027: {"refining": pytest.approx(120)}}
    assert "and price support to 2027 (240 USD)" in " ".join(shown(result).split())


def test_price_support_is_divided_between_builds_by_what_works(cell: Cell, solve: Solve) -> None:
    result = solve(cell(YEARS, TWO_BUILDS, EMBARGO))
    first, second = purchases(instance_of(result), result)
    assert (first.capex, first.support, first.spent) == (250, pytest.approx(80), pytest.approx(330))
    assert (second.capex, second.support, second.spent) == (750, pytest.approx(120), pytest.approx(870))
    assert first.outlays == {2026: pytest.approx(145), 2027: pytest.approx(20)}
    assert second.outlays == {2027: pytest.approx(435)}
    assert first.outlay + second.outlay == pytest.approx(result.outlay) == pytest.approx(600)
    assert "Outlay: the part of what is spent that counts towards the budget." in " ".join(shown(result).split())


def test_decisions_and_years_of_the_brief_add_to_the_same_outlay(cell: Cell, solve: Solve) -> None:
    result = solve(cell(YEARS, TWO_BUILDS, EMBARGO))
    orders, money = make_brief(instance_of(result), result).parts[:2]
    assert orders.frame is not None
    assert money.frame is not None
    due, later = orders.frame.rows()
    assert (due["money"], due["total"]) == (pytest.approx(145), pytest.approx(165))
    assert (later["money"], later["total"]) == (None, pytest.approx(435))
    assert [row["new"] for row in money.frame.rows()] == pytest.approx([145, 455])


def test_price_support_of_an_existing_process_is_in_a_row_of_its_own(cell: Cell, solve: Solve) -> None:
    # The line costs 8 and 4 of support: it runs at half of its 40 t, for 80 a year. The embargo needs 40 t more.
    line = "home_line: {region: home, stage: magnet, output: {magnet: 1}, capacity: 40, cost: 8, support: 4,"
    both = YEARS.replace("cost: 10}}", f"cost: 10}}, {line} min_utilisation: 0.5}}}}")
    result = solve(cell(both, IN_STORE.replace("initial: 30", "initial: 0"), EMBARGO))
    instance = instance_of(result)
    years = years_of(instance, result, purchases(instance, result))
    assert [sum(each.spent.values()) for each in years] == pytest.approx([2080, 80])
    assert [each.spent["support of existing processes"] for each in years] == pytest.approx([80, 80])
    orders = make_brief(instance, result).parts[0].frame
    assert orders is not None
    assert [row["total"] for row in orders.rows()] == pytest.approx([2000, 160])
    assert "Price support of existing processes, 160 USD, is in the outlay" in " ".join(shown(result).split())


def test_what_is_bought_stands_beside_what_is_in_store(cell: Cell, solve: Solve) -> None:
    result = solve(cell(YEARS, IN_STORE, EMBARGO))
    (row,) = result.frames.frame("builds").rows()
    assert (row["size"], row["bought"], row["spent"]) == pytest.approx((80, 50, 2500))
    orders = make_brief(instance_of(result), result).parts[0].frame
    assert orders is not None
    assert orders["order"] == ["reserve, 50 t beside 30 t in store"]
    text = shown(result)
    assert "50 t" in next(line for line in text.splitlines() if line.startswith("reserve · stockpile"))
    assert next(line for line in text.splitlines() if line.startswith("reserve   ")).split() == [
        "reserve", "30", "80", "80", "80"
    ]  # fmt: skip


def test_decisions_of_futures_say_that_support_is_in_the_outlay_alone(cell: Cell) -> None:
    # By hand in the file: 1000 for 10 t/yr in 2028, where need is high. In 2029 half of it runs: 15 of support.
    text = (CASES / "futures" / "hand_wait.yaml").read_text(encoding="utf-8")
    text = text.replace("max_size: 10,", "max_size: 10, support: 3, min_utilisation: 0.5,")
    result = so.solve_futures(cell(text))
    high, low = result.frames.frame("futures").rows()
    assert (high["outlay"], low["outlay"]) == pytest.approx((1015, 0))
    assert [row["spent"] for row in result.frames.frame("decisions").rows()] == pytest.approx([1000])
    assert "with price support, which Spent leaves out" in result.frames.frame("futures").whole_note


def test_a_lead_time_is_whole_where_the_horizon_ends_before_it_does() -> None:
    # Forced in 2030, the last year of the horizon, the plant of two years would be on line in 2032.
    result = so.solve(so.load(CASES.parent.parent / "instances" / "tiny.yaml", ["policy.force={plant: {2030: 20}}"]))
    row = next(row for row in result.frames.frame("builds").rows() if row["option"] == "plant")
    assert (row["on_line"], row["lead_time"]) == ("after end", 24)


def test_dates_of_orders_are_no_deadlines(cell: Cell, solve: Solve) -> None:
    result = solve(cell(YEARS, IN_STORE, EMBARGO))
    orders = make_brief(instance_of(result), result).parts[0]
    assert orders.title == "Decisions of 2026"
    assert orders.frame is not None
    assert next(column.head for column in orders.frame.columns if column.name == "when") == "Ordered at start of"
    assert "a later order or another option may do as well" in orders.frame.note


def test_orders_of_an_option_in_one_year_are_one_decision(cell: Cell, solve: Solve) -> None:
    instance = cell(TWICE_A_YEAR)
    result = solve(instance)
    assert [(build.period, build.size) for build in result.plan.builds] == [
        ("2027Q1", pytest.approx(50)),
        ("2027Q3", pytest.approx(40)),
    ]
    frame = orders_part(instance, result, ()).frame
    assert frame is not None
    (row,) = frame.rows()
    assert (row["order"], row["when"], row["on_line"]) == ("plant, 90 t/yr", "2027Q1", "2028Q3")
    assert (row["money"], row["total"]) == (pytest.approx(900), pytest.approx(900))


def test_orders_of_one_future_are_not_taken_for_those_of_several(cell: Cell) -> None:
    ask = f"futures: {{demand: {{from: 2027, branches: {{hard: {{}}, mild: {{set: {MILD}}}}}}}}}"
    found = so.solve_futures(cell(TWICE_A_YEAR, ask))
    parts = make_futures_brief(instance_of(found), found).to_dict()["parts"]["orders"]["values"]
    assert [(row["order"], row["futures"]) for row in parts] == [
        ("plant, 90 t/yr", "1 of 2 futures"),
        ("Together (1)", None),
    ]
