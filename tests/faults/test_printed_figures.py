"""Printed figures agree with each other: one worst attack, one rounding, floors and margins that fit their shares."""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.horizon import windowed
from optimizer.instance.ranges import UncertainInput, UncertainNumber
from optimizer.report.format import (
    between,
    in_millions,
    in_percent,
    margin_text,
    months_text,
    percent,
    proof,
    proven_cost,
    served_over_floor,
)
from optimizer.report.narrative import facts
from optimizer.report.provenance import run_facts
from optimizer.report.tables.compare import _Rows
from optimizer.report.tables.plan import survival_tables
from optimizer.report.tables.sensitivity import _interval_text
from optimizer.results.plan import Service
from optimizer.results.result import by_gap
from optimizer.units import short, si

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def printed(parts: list[RenderableType], width: int = 110) -> str:
    text = StringIO()
    console = Console(file=text, width=width)
    for part in parts:
        console.print(part)
    return text.getvalue()


def service(served: float, floor: float) -> Service:
    """Of one period that fails where it is below its floor."""
    return Service(floor, served, "2027", 0.0, 0.0, 0.0, "2027" if served < floor else None)


@pytest.fixture(scope="module")
def two_events() -> tuple[so.Instance, so.Result]:
    instance = so.load(HERE / "two-events.yaml")
    return instance, so.solve(instance)


def test_of_equal_gaps_the_first_leads_whatever_the_last_digit_says() -> None:
    assert by_gap([1.0, 2.0, 3.0 - 1e-12, 3.0, 2.0 + 1e-12]) == [2, 3, 1, 4, 0]


def test_a_range_has_both_ends_if_they_differ_in_the_digits_that_are_printed() -> None:
    assert between(1.2341e9, 1.2349e9, "USD", 4) == "1.234B to 1.235B USD"
    assert between(1.2341e9, 1.2349e9, "USD") == "1.23B USD"


def test_a_half_is_rounded_one_way() -> None:
    # What arithmetic leaves in the last digits of 2.625 does not decide.
    assert {si(2.625e6 * (1 + way * 1e-14)) for way in (-1, 0, 1)} == {"2.63M"}
    assert {si(2.0375e6 * (1 + way * 1e-14), digits=4) for way in (-1, 0, 1)} == {"2.038M"}
    assert {percent(0.225 * (1 + way * 1e-14)) for way in (-1, 0, 1)} == {"23 %"}
    assert {in_millions(10.25e6 * (1 + way * 1e-14)) for way in (-1, 0, 1)} == {"10.3"}
    assert (percent(0.9996, 1), percent(0.9999), percent(1.0, 1)) == (">99.9 %", ">99 %", "100.0 %")
    # A part of a total that other parts almost cancel, such as capex beside imports with a negative cost.
    assert (percent(100.0, 1), percent(0.0004, 1), percent(0.0, 1)) == ("10,000.0 %", "<0.1 %", "0.0 %")
    assert percent(-0.0004, 1) == ">−0.1 %"


def test_one_month_is_one() -> None:
    assert (months_text(1.0), months_text(2.5), months_text(12)) == ("1 month", "2.5 months", "12 months")


def test_minus_signs_are_minus_signs() -> None:
    assert (si(-22.1e6), percent(-0.003, 1), margin_text(service(0.3, 0.7))) == ("−22.1M", "−0.3 %", "−40.0")
    assert si(-1e-12) == "0"


@pytest.mark.parametrize(
    ("served", "floor", "words", "points"),
    [
        (0.39935, 0.8, "39.9/80", "−40.1"),
        (0.225, 0.5, "22.5/50", "−27.5"),
        (0.0, 0.75, "0/75", "−75.0"),
        (0.99899, 0.999, "99.899/99.9", "−0.001"),
        (0.9995, 0.999, "99.95/99.9", "+0.05"),
        (1.0, 0.999, "full/99.9", ""),
        (0.325, 0.325, "33/33", "+0"),
        (0.93, 0.8, "93/80", "+13"),
        (0.9999, 0.5, "99.99/50", "+49.99"),
        (1.0, 0.0, "full", ""),
        (0.12, 0.0, "12", ""),
    ],
)
def test_share_floor_and_margin_fit_each_other(served: float, floor: float, words: str, points: str) -> None:
    assert served_over_floor(served, floor) == words
    assert margin_text(service(served, floor)) == points
    if points:
        left, right = in_percent(served, floor)
        assert float(left) - float(right) == pytest.approx(float(points.replace("−", "-")))


def test_table_shows_a_floor_of_less_than_all(two_events: tuple[so.Instance, so.Result]) -> None:
    text = printed(survival_tables(*two_events, 110))
    assert "99.899/99.9" in text
    assert "full/99.9" in text
    assert "99.89/100" not in text


def test_a_failure_that_begins_elsewhere_says_from_when() -> None:
    data: dict[str, Any] = {
        "name": "late",
        "horizon": {"start": 2026, "end": 2029, "step": "year"},
        "commodities": {"m": {}},
        "processes": {"far": {"region": "away", "stage": "m", "output": {"m": 1}, "capacity": 100, "cost": 1}},
        "demands": {"cars": {"commodity": "m", "quantity": 100, "survival": 0.75, "shortage_cost": 1000}},
        "shocks": {"ban": {"start": 2027, "months": 24, "cuts": [{"region": "away", "severity": [0.5, 1]}]}},
    }
    instance = so.read(data)
    result = so.solve(instance)
    assert (result.shocks[0].segments["cars"].worst_period, result.shocks[0].segments["cars"].first_failure) == (
        "2028",
        "2027",
    )
    text = printed(survival_tables(instance, result, 110))
    assert "0/75 −75.0" in text
    assert "2028" in text
    assert "(2027 on)" in text


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (2027, ""),
        (2028, "‡ lasts until the horizon ends."),
        ([2027, 2028], "‡ lasts until the horizon ends; of a row for several shocks, at least one does."),
    ],
)
def test_a_row_with_a_shock_that_lasts_until_the_end_is_marked(start: int | list[int], said: str) -> None:
    data: dict[str, Any] = {
        "horizon": {"start": 2026, "end": 2029, "step": "year"},
        "commodities": {"m": {}},
        "processes": {"far": {"region": "away", "output": {"m": 1}, "capacity": 100, "cost": 1}},
        "demands": {"cars": {"commodity": "m", "quantity": 100, "survival": 0.75, "shortage_cost": 1000}},
        "shocks": {"ban": {"start": start, "months": 24, "cuts": [{"region": "away", "severity": 1}]}},
    }
    instance = so.read(data)
    text = " ".join(printed(survival_tables(instance, so.solve(instance), 110)).split())
    assert (" ‡ " in text, text.endswith(said)) == (bool(said), True)


@pytest.mark.parametrize(("starts", "of_another"), [(2027, []), ([2027, 2029], ["in @2029"])])
def test_a_segment_that_is_weakest_in_another_shock_than_the_worst_says_in_which(
    starts: int | list[int], of_another: list[str]
) -> None:
    # In 2027 75 t of cars and 20 t of toys are short, 77k; in 2029 30 t of cars and 75 t of toys, 37.5k.
    floors = {"cars": {2027: 0.75, 2028: 0.3}, "toys": {2028: 0.2, 2029: 0.75}}
    data: dict[str, Any] = {
        "horizon": {"start": 2026, "end": 2030, "step": "year"},
        "commodities": {"m": {}},
        "processes": {"far": {"region": "away", "output": {"m": 1}, "capacity": 200, "cost": 1}},
        "demands": {
            d: {"commodity": "m", "quantity": 100, "survival": floors[d], "shortage_cost": cost}
            for d, cost in (("cars", 1000), ("toys", 100))
        },
        "shocks": {"ban": {"start": starts, "months": 12, "cuts": [{"region": "away", "severity": 1}]}},
    }
    instance = so.read(data)
    text = printed(survival_tables(instance, so.solve(instance), 110))
    assert re.findall(r"in @\d+", text) == of_another
    assert ("in @…, below a period: in that shock of the row" in text) == bool(of_another)
    assert "0/75 −75.0 0/75 −75.0" in " ".join(text.split()) or not of_another


def test_without_demand_there_is_no_table_of_survival() -> None:
    data: dict[str, Any] = {
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "commodities": {"m": {}},
        "processes": {"far": {"region": "away", "output": {"m": 1}, "capacity": 100, "cost": 1}},
        "demands": {},
        "shocks": {"ban": {"start": 2027, "months": 12, "cuts": [{"region": "away", "severity": 1}]}},
    }
    instance = so.read(data)
    assert survival_tables(instance, so.solve(instance), 110) == []


def test_a_window_of_one_period_is_one_label(two_events: tuple[so.Instance, so.Result]) -> None:
    assert (windowed("2027", "2027"), windowed("2027", "2028", "–")) == ("2027", "2027–2028")
    worst = dict(facts(*two_events))["Worst shock"]
    assert worst.startswith("cut@2027 (2027): ")
    assert "served 25 % in 2027 against a floor of 100 %" in worst


def test_a_proven_gap_is_never_rounded_up(two_events: tuple[so.Instance, so.Result]) -> None:
    instance, result = two_events
    short_of = replace(result.shocks[0], survives=False, gap=1_234_600.0)
    failing = replace(result, shocks=(short_of,), survival_gap=1_234_600.0, worst_gap=1_234_600.0)

    def said(bound: float) -> str:
        return dict(facts(instance, replace(failing, gap_bound=bound, status="gap")))["Gap of all shocks"]

    # What reads alike is said once; another figure has to be one that is proven.
    assert said(1_234_600.0) == f"1.235M {result.money}; proven: no plan with this budget leaves less"
    assert said(1_234_590.0) == f"1.235M {result.money}; proven to these digits: no plan with this budget leaves less"
    assert said(1_229_990.0).endswith(f"no plan with this budget leaves less than 1.229M {result.money}")
    assert (
        "no plan with this budget costs less than −1.2346M"
        in dict(run_facts(replace(result, bound=-1_234_510.0, mip_gap=0.0)))["Proof"]
    )


@pytest.mark.parametrize(
    ("policy", "plans"),
    [
        ({"budget": 5e6}, "with this budget"),
        ({"annual_budget": 5e6}, "with these annual budgets"),
        ({}, "of any budget"),
    ],
)
def test_a_proof_of_the_least_gap_names_the_budget_under_which_it_holds(
    two_events: tuple[so.Instance, so.Result], policy: dict[str, float], plans: str
) -> None:
    """No plan of 5M leaves less; one of 20M leaves none: the proof is about the budget of the plan."""
    instance, result = two_events
    short_of = replace(result.shocks[0], survives=False, gap=1_234_600.0)
    failing = replace(result, shocks=(short_of,), survival_gap=1_234_600.0, gap_bound=1_234_600.0, status="gap")
    under = replace(failing, data={**result.data, "policy": policy})
    assert dict(facts(instance, under))["Gap of all shocks"].endswith(f"no plan {plans} leaves less")


def test_the_budget_of_a_run_is_that_of_its_proof() -> None:
    instance = so.load("instances/tiny.yaml")
    result = so.solve(instance, budget=5e6)
    assert "proven: no plan with this budget leaves less" in dict(facts(instance, result))["Gap of all shocks"]
    assert "; no plan with this budget leaves a gap smaller than" in dict(run_facts(result))["Proof"]
    # Doing nothing costs 30M, with a gap of 110M: the bound is of plans that leave no larger gap than this one.
    assert so.solve(instance, budget=0).total_cost == pytest.approx(30e6)
    kept = dict(run_facts(so.solve(instance)))["Proof"]
    assert kept == "the least; no plan with this budget that survives as much costs less than 43.6M USD"
    assert (
        "; no plan with this budget costs less than 36.919M USD without a larger gap;"
        in dict(run_facts(result))["Proof"]
    )


def test_a_proof_has_no_exponent(two_events: tuple[so.Instance, so.Result]) -> None:
    result = two_events[1]
    assert proof(replace(result, mip_gap=1e-7, bound=1.0)) == "(proven to be the least with this gap)"
    # A MIP gap of 0.5 % is that of the survival gap where the cost is 0.1 % above its bound.
    near = replace(result, mip_gap=0.005, bound=0.999 * result.total_cost, settings={"gap": 0.01})
    assert proof(near) == "(proven within 0.1 % of the least with this gap)"
    survives = replace(result, survival_gap=0.0, mip_gap=2e-5, bound=1.0)
    assert proof(survives) == "(proven within 0.002 % of the least)"
    assert (short(5000.0), short(1e-4), short(0.012345)) == ("5,000", "0.0001", "0.0123")


@pytest.mark.parametrize("factor", [True, False])
def test_ends_of_a_change_have_enough_digits_to_differ(factor: bool) -> None:
    number = UncertainNumber(
        "capex", (UncertainInput("options.plant.capex", ("options", "plant", "capex"), 0.0, 2.0, 1.0, factor),)
    )
    flip = SimpleNamespace(end="low", same=0.98412, other=0.98418)
    said = _interval_text(so.load(HERE / "two-events.yaml"), number, flip)  # type: ignore[arg-type]
    assert said == ("×0.9841 … ×0.9842" if factor else "0.9841 … 0.9842\nUSD per t/yr")


BESIEGED = str(HERE / "besieged.yaml")


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code in (0, 4), done.output
    return done.stdout


def test_one_attack_is_the_worst_everywhere() -> None:
    # Two attacks leave the same gap, but for the last digit.
    solved = run("solve", BESIEGED, "--scenario", "high", "--adversary")
    (name,) = re.findall(r"FAILS in the worst attack that 10M USD can buy: (\S+),", solved)
    assert re.findall(r"Worst shock +(\S+) ", solved) == [name]
    assert re.findall(r"worst that is left is (\S+):", solved) == [name]
    attacked = run("attack", BESIEGED, "--scenario", "high")
    targets, start = re.findall(r"attack\{(.*)\}@(\d+)", name)[0]
    words = f"{' + '.join(targets.split('+'))} from {start} on"
    assert f"can buy: {words}, " in attacked
    assert words in re.findall(r"Worst attack +(.*)", attacked)[0]
    # What is served is printed as in the sentence; the tonnes below floors are those of every other command.
    (served, floor), (tonnes,) = (
        re.findall(
            r"motors served ([\d.]+) % in \d+ against a floor of (\d+) %", " ".join(solved.replace("│", " ").split())
        )[0],
        re.findall(r"a survival gap of \S+ USD, ([\d.]+) t below", solved),
    )
    assert f"{served}/{floor}" in solved
    assert f" {tonnes} " in attacked


def test_tables_of_a_comparison_speak_of_their_own_case() -> None:
    cases = ("--scenario", "high", "--scenario", "low")
    text = run("compare", BESIEGED, *cases, "--adversary", "--quick")
    *_, high, low = text.split("Proven: ")
    assert "by column" not in high
    assert "gaps" in high
    assert "gaps" not in low
    assert re.search(r"\n\nlow +\n", text)
    assert re.findall(r"gap of one shock is (\S+) USD", text) == ["2.63M"]
    assert "✗ 2.63M" in text


def test_a_comparison_tells_full_service_and_says_what_cells_are() -> None:
    text = run("compare", str(HERE / "two-events.yaml"), "--budgets", "0,400k", "--quick")
    (defence,) = (line.split() for line in text.splitlines() if line.startswith("Defence"))
    assert defence[-1] == "full/100"
    said = " ".join(text.split())
    assert "full/35: all demand is served" in said
    assert (
        "less may be served elsewhere, under a lower floor, and the cells of a row may be of different shocks" in said
    )
    assert "Weakest period, % served / floor" in said
    assert "Within this accuracy, what is bought can differ from the plan of solve" in said


def test_a_larger_budget_that_survives_less_is_named_with_its_currency() -> None:
    result = so.solve(so.load(HERE / "two-events.yaml"))
    kept = replace(result, shocks=tuple(replace(each, survives=True) for each in result.shocks))
    comparison = SimpleNamespace(cases={"": so.read(result.data)})
    columns = [
        SimpleNamespace(case="", budget=1e6, result=kept),
        SimpleNamespace(case="", budget=2e6, result=result),
    ]
    (said, *_) = _Rows(comparison, columns, by_case=False).reasons()  # type: ignore[arg-type]
    assert said.startswith("With 2M USD, ")
    assert "unlike with 1M USD: " in said


def test_without_options_alternatives_say_so_once() -> None:
    text = run("alternatives", str(HERE / "two-events.yaml"), "--set", "options={}")
    assert "there is no option to choose from" in text
    assert "within the tolerance" not in text


def test_a_proof_is_a_share_of_what_was_minimised() -> None:
    """Nothing is bought: 30M, and 110M of gaps at a tenth. A bound that is 410k lower is 1 % of the 41M of both."""
    instance = so.load(ROOT / "instances" / "tiny.yaml", ["policy.gap_price=0.1", "policy.budget=0"])
    found = so.solve(instance)
    result = replace(found, bound=found.total_cost - 410_000.0, mip_gap=0.01)
    said = dict(facts(instance, result))
    assert said["Total cost"].startswith("30M USD, ")
    assert said["Total cost"].endswith(", before survival gaps at their price")
    gaps = "the cost plus the undiscounted gaps of all shocks, of which at most one occurs; "
    gaps += "a gap counts 0.1 times its shortage cost"
    assert said["With gaps"] == f"41M USD, which is minimised (proven within 1 % of the least): {gaps}"
    assert (
        proven_cost(result, result.priced_cost)
        == "30M USD, with gaps at their price 41M USD, proven within 1 % of the least"
    )
    assert dict(run_facts(result))["Proof"] == "cost with gaps at their price, 41M USD: within 1 % of the least"
