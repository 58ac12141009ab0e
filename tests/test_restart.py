"""Restart: capacity that is not running by contract takes months to come into full operation in a shock."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.audit.result import audit_result
from optimizer.instance.document import parse
from optimizer.instance.reading import check_document
from optimizer.io.workbook import dump_workbook, parse_workbook
from optimizer.solver import Clock, Settings
from tests.algorithms import by_benders, by_constraint_generation
from tests.conftest import Cell, Printed, Solve
from tests.test_cli import diversify

# 400 t a year are asked for, 80 % of it in every period of a shock. Imports cost 10 USD/t, the works at home 20.
TEXT = """
horizon: {start: 2026, end: 2027, step: quarter}
home: usa
commodities: {magnet: {}}
processes:
  imports: {region: rival, output: {magnet: 1}, capacity: 1000, cost: 10}
  works: {region: usa, output: {magnet: 1}, capacity: 400, cost: 20, min_utilisation: 0.2, restart_months: 9}
demands: {all: {commodity: magnet, quantity: 400, survival: 0.8, shortage_cost: 1000}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 50}}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
"""


def share(instance: so.Instance, owner: str) -> list[float]:
    path = instance.path(instance.events[0])
    return [instance.activities[owner].restart_share(path, t) for t in path.periods]


def test_a_restart_is_bridged_by_stock(cell: Cell, solve: Solve) -> None:
    # At month k of the shock 0.2 + 0.8·k/9 of 100 t a quarter run. Means: of months 0 to 3, 0.2 + 0.8·1.5/9 = 1/3;
    # 3 to 6, 0.2 + 0.8·4.5/9 = 0.6; 6 to 9, 0.2 + 0.8·7.5/9 = 13/15; then 1. So 33.33, 60, 86.67 and 100 t against
    # 80: short are 46.67 and 20 t, 66.67 t of reserve at 50 = 3333.33. Baseline: 20 t of works at 20 and 80 t of
    # imports at 10 in each of 8 quarters, 8·1200 = 9600.
    instance = cell(TEXT)
    assert share(instance, "works") == pytest.approx([1 / 3, 0.6, 13 / 15, 1])
    result = solve(instance)
    assert result.survives
    assert result.total_cost == pytest.approx(9600 + 10_000 / 3)
    flows = result.shocks[0].flows
    assert flows is not None
    assert flows["works", "activity"][:2] == pytest.approx([100 / 3, 60])
    assert result.baseline is not None
    # The baseline takes no notice of it.
    assert solve(cell(TEXT.replace("cost: 20", "cost: 5"))).baseline["works", "activity"] == pytest.approx([100] * 8)  # type: ignore[index]
    assert solve(cell(TEXT.replace(", restart_months: 9", ""))).total_cost == pytest.approx(9600)


@pytest.mark.parametrize(("step", "periods"), [("year", 1), ("quarter", 4), ("month", 12)])
def test_what_runs_in_a_window_does_not_depend_on_the_step(cell: Cell, step: str, periods: int) -> None:
    # Of 12 months 9 are the restart, of which half is lost: 400·(0.2 + 0.8·(12 − 4.5)/12) = 280 t.
    instance = cell(TEXT.replace("step: quarter", f"step: {step}"))
    path = instance.path(instance.events[0])
    shares = share(instance, "works")
    assert len(shares) == periods
    assert sum(path.capacity_at("works", t) * r for t, r in zip(path.periods, shares, strict=True)) == pytest.approx(
        280
    )
    assert shares == sorted(shares)


def test_rows_of_an_option_that_restarts(cell: Cell, printed: Printed) -> None:
    # 6 months from nothing: 1/4 of the first quarter, 3/4 of the second, then all. A cut of half counts where it leaves
    # less: 1/2 from the second quarter on. Times 1/4 of a year.
    plant = "plant: {kind: refining, stage: works, output: {magnet: 1}, max_size: 9, capex: 1, restart_months: 6}"
    text = TEXT.replace("options: {", f"options: {{{plant}, ").replace(
        "severity: 1}", "severity: 1}, {stage: works, severity: 0.5}"
    )
    rows = printed(cell(text), "plant", "capacity")
    factors = [row.rpartition("- ")[2].partition(" ")[0] for row in rows if row.startswith("embargo/")]
    assert len(rows) == 8 + 4
    assert [len(row.split(" - ")) for row in rows[8:]] == [3] * 4
    assert factors == ["0.0625", "0.125", "0.125", "0.125"]
    assert all("- 0.25 plant.size" in row for row in rows[:8])


def test_a_cut_and_a_restart_hold_each_on_its_own(cell: Cell, solve: Solve) -> None:
    # A cut of 30 % of the works leaves 70 t: 33.33, 60, 70 and 70 t against 80. Short are 46.67 + 20 + 10 + 10 t.
    result = solve(cell(TEXT.replace("severity: 1}", "severity: 1}, {process: works, severity: 0.3}")))
    assert result.plan.stocks["reserve"][3] == pytest.approx(260 / 3)


def test_time_to_survive_counts_the_restart_by_its_mean(cell: Cell) -> None:
    # 320 t a year are needed. After h years works have made 400·(0.2·h + 0.8·h²/1.5) t, up to 0.75 years, and then run
    # in full. By the ends of the quarters 46.7, 66.7 and 60 t are missing, and less from then on: 67 t of stock last
    # for ever. 50 t last until 240·h − 213.3·h² = 50, h = 0.27608 years; without any restart they last for ever too.
    def months(stock: float, **kept: str) -> float:
        text = TEXT.replace("price: 50", f"price: 50, initial: {stock}, max_size: 240")
        text = text.replace("restart_months: 9", kept.get("restart", "restart_months: 9"))
        text = text.replace("capacity: 400", kept.get("capacity", "capacity: 400"))
        found = so.time_to_survive(cell(text)).exposures
        return next(each.before[0].months for each in found if each.name == "embargo")

    assert months(67) == float("inf")
    assert months(50) == pytest.approx(12 * 0.27608, rel=1e-4)
    assert months(0) == 0
    assert months(50, restart="restart_months: 0") == float("inf")
    # Works of 300 t a year have made 300·(0.2·h + 0.8·(h − 0.375)) = 300·h − 90 t after more than 0.75 years, so that
    # 20·h + 90 t are missing: 110 t of stock last a year.
    assert months(110, capacity="capacity: 300") == pytest.approx(12, rel=1e-4)


def test_a_rule_counts_contracted_operation_alone(cell: Cell, solve: Solve) -> None:
    # Half a year: 320/2 t less 80/2 t of works.
    rule = "policy: {min_time_to_survive: [{cuts: [{region: rival, severity: 1}], months: 6, from: 2027}]}"
    assert solve(cell(TEXT, rule)).plan.stocks["reserve"][3] == pytest.approx(120)


def test_the_audit_knows_the_restart(cell: Cell, solve: Solve) -> None:
    result = solve(cell(TEXT))
    assert audit_result(cell(TEXT), result).ok
    found = audit_result(cell(TEXT.replace("restart_months: 9", "restart_months: 12")), result).disagreements
    assert any("works.limit.2027Q1" in row for row in found)
    rule = "policy: {min_time_to_survive: [{cuts: [{region: rival, severity: 1}], months: 6, from: 2027}]}"
    ruled = solve(cell(TEXT, rule))
    # 80 t of works and 240/2 t of stock in half a year.
    assert ruled.plan.stocks["reserve"][3] == pytest.approx(120)
    assert audit_result(cell(TEXT, rule), ruled).ok


def many_shocks(**works: Any) -> so.Instance:
    starts = ["2026Q3", "2027Q1", "2027Q3", "2028Q2"]
    plant = {"kind": "refining", "output": {"magnet": 1}, "max_size": 90, "capex": 300, "cost": 15, "restart_months": 5}
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "quarter"},
            "commodities": {"magnet": {}},
            "processes": {
                "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 10},
                "works": {"output": {"magnet": 1}, "capacity": 300, "cost": 20, "restart_months": 14, **works},
            },
            "demands": {"all": {"commodity": "magnet", "quantity": 400, "survival": 0.7, "shortage_cost": 1000}},
            "options": {
                "plant": plant | {"min_utilisation": 0.3, "lead_time": 6, "fixed_cost": 400},
                "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50, "max_size": 150},
            },
            "shocks": {
                "embargo": {
                    "start": starts,
                    "months": [6, 12],
                    "probability": 0.4,
                    "cuts": [{"region": "rival", "severity": 1}],
                }
            },
        }
    )


@pytest.mark.parametrize("utilisation", [0.0, 0.4])
@pytest.mark.parametrize("budget", [None, 4000.0])
def test_strategies_agree_on_a_restart(utilisation: float, budget: float | None) -> None:
    instance = many_shocks(min_utilisation=utilisation)
    if budget is not None:
        instance = instance.replacing(policy=instance.policy.model_copy(update={"budget": budget}))
    exact = Settings(mip_gap=0.0)
    whole = solve_extensive_form(instance, exact, Clock(), lambda step: None)
    assert (whole.gap > 0) == (budget is not None)
    for strategy in (partial(by_constraint_generation, add=2, few_rows=0), partial(by_benders, add=2, few_rows=0)):
        found = strategy(instance, exact, Clock(), lambda step: None)
        assert found.gap == pytest.approx(whole.gap, rel=1e-6, abs=1e-6)
        assert found.objective == pytest.approx(whole.objective, rel=1e-6)
    assert so.solve(instance).audit["ok"]


def test_what_a_restart_cannot_be(refused: Callable[..., list[str]]) -> None:
    (negative,) = refused(TEXT.replace("restart_months: 9", "restart_months: -9"))
    assert negative == "processes.works.restart_months: -9 is negative. Write 0 or more."
    (text,) = refused(TEXT.replace("restart_months: 9", "restart_months: nine"))
    assert text.startswith('processes.works.restart_months: "nine" is not a number.')


def test_a_restart_from_full_operation_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "works.yaml"
    file.write_text(TEXT.replace("min_utilisation: 0.2", "min_utilisation: 1"), encoding="utf-8")
    (found,) = so.check(file)[1]
    assert (found.where, found.severity) == ("processes.works.restart_months", "warning")
    assert "all of its capacity runs by min_utilisation" in found.what


def test_a_restart_goes_through_a_workbook(cell: Cell) -> None:
    data = parse(TEXT, "restart.yaml").data
    assert check_document(parse_workbook(dump_workbook(data, ()), "book.xlsx")[0])[0] == cell(TEXT)


def test_check_reports_a_process_that_a_shock_sets_back(tmp_path: Path) -> None:
    # Works at 5 USD/t serve all demand in the baseline, 100 % of their capacity; contracts hold 20 %.
    file = tmp_path / "works.yaml"
    file.write_text(TEXT.replace("cost: 20", "cost: 5"), encoding="utf-8")
    (summary,) = json.loads(diversify("check", str(file), "--json").stdout)
    assert summary["fallbacks"] == [{"process": "works", "utilisation": pytest.approx(1), "contracted": 0.2}]
    (found,) = summary["findings"]
    assert (found["line"], found["where"]) == (7, "processes.works.min_utilisation")
    assert found["what"].startswith("it runs at 100 % of capacity without any shock")
    file.write_text(TEXT, encoding="utf-8")
    (summary,) = json.loads(diversify("check", str(file), "--json").stdout)
    assert summary["fallbacks"] == summary["findings"] == []
