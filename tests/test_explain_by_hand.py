"""What explain says where gaps have a price, rules ask for an option, floors are waived, or two budgets are short."""

import io

import pytest
from rich.console import Console

import optimizer as so
from optimizer.instance.altered import with_floors
from optimizer.report.study_narrative import view_of
from optimizer.report.tables.explain import ExplanationPrinter
from optimizer.results.plan import Plan
from optimizer.studies.explain.part_values import PartValuation, PlanContext, PlanPart
from optimizer.studies.explain.what_ifs import SurvivalAnswer, TimedWhatIfs
from optimizer.studies.explanation import PartValue
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from tests.conftest import Cell
from tests.test_explain import EXACT, HEAD

MAGNETS = "kind: refining, stage: magnet, output: {magnet: 1}, cost: 20"


def value(explanation: so.Explanation, kind: str, of: str) -> PartValue:
    (found,) = [each for each in explanation.part_values if (each.kind, each.of) == (kind, of)]
    return found


def printed(instance: so.Instance, explanation: so.Explanation) -> str:
    text = io.StringIO()
    screen = ExplanationPrinter(instance, Console(file=text, width=300, highlight=False, markup=False))
    for part in (*explanation.part_values, *explanation.deadlines):
        screen.show(part)
    screen.end(explanation)
    return " ".join(text.getvalue().split())


@pytest.mark.parametrize(
    ("policy", "most", "had", "because"),
    [
        # A gap of 50 t costs 50 · 1000 · 0.01 = 500, so nothing is built; 40 t are the most there can be.
        ("", 40, 40, "plant has its largest size, 40 t/yr"),
        # 20,000 buy 20 t at 1,000 each.
        ("budget: 20000", 100, 20, "plant has only 20 t/yr: the budget buys no more"),
    ],
)
def test_a_price_of_gaps_is_no_reason_why_nothing_survives(
    cell: Cell, policy: str, most: int, had: float, because: str
) -> None:
    options = f"options: {{plant: {{{MAGNETS}, capex: 1000, max_size: {most}}}}}"
    found = so.explain(cell(HEAD, options, f"policy: {{gap_price: 0.01, {policy}}}"), settings=EXACT)
    assert found.result.plan.builds == ()
    assert found.reason is not None
    assert (found.reason.needed, found.reason.had) == (pytest.approx(50, rel=1e-5), pytest.approx(had, rel=1e-5))
    assert found.reason.because == ("imports is cut off in embargo", because)


def test_an_option_that_only_a_rule_needs_is_not_said_to_keep_floors(cell: Cell) -> None:
    # The reserve keeps the floor of 50 t; imports have to run, and without the plant nothing is made at home.
    instance = cell(
        "home: home",
        HEAD.replace("capacity: 1000,", "capacity: 1000, min_utilisation: 0.01,"),
        f"options: {{plant: {{{MAGNETS}, capex: 500, max_size: 50}},",
        "          reserve: {kind: stockpile, commodity: magnet, price: 10}}",
        "policy: {min_share: [{commodity: magnet, region: home, share: 0.2, from: 2028}]}",
    )
    found = so.explain(instance, settings=EXACT)
    assert value(found, "lever", "plant").survives is False
    assert "plant NO PLAN SURVIVES at any budget" in printed(instance, found)
    assert view_of(found).sentences(found)[0] == "Within rules and budgets, no plan survives that lacks plant."


def test_an_option_that_has_to_be_bought_is_not_said_to_be_spared(cell: Cell) -> None:
    # No floor in the only shock: without the rule 10 · 100 are saved, and under it no other plan is possible.
    instance = cell(
        HEAD.replace("survival: 0.5", "survival: 0"),
        f"options: {{plant: {{{MAGNETS}, capex: 100, max_size: 50}}}}",
        "policy: {force: {plant: {2026: 10}}}",
    )
    found = so.explain(instance, settings=EXACT)
    assert value(found, "lever", "plant").change == pytest.approx(-1000)
    (deadline,) = found.deadlines
    assert (deadline.anyhow, deadline.can_be_left_out) == ("2026", False)
    spared, _, dates = view_of(found).sentences(found)
    assert spared == (
        "No single option is indispensable: without any one of them another plan survives at no proven extra cost."
    )
    assert dates == "1 order cannot be put off: plant."


def test_a_waived_floor_stays_waived_one_point_higher(cell: Cell) -> None:
    # The plant is on line in 2027 at the earliest: any floor in 2026 fails. A point of the floor of 2028 is 1 t at 100.
    waived = HEAD.replace("shocks: {", "shocks: {early: {start: 2026, months: 12, survival: {all: 0}, CUTS}, ")
    instance = cell(
        waived.replace("CUTS", "cuts: [{region: rival, severity: 1}]"),
        f"options: {{plant: {{{MAGNETS}, capex: 100, max_size: 90, lead_time: 12}}}}",
    )
    assert value(so.explain(instance, settings=EXACT), "dearer floor", "all").change == pytest.approx(100)


def test_a_floor_between_none_and_one_moves_by_whole_points(cell: Cell) -> None:
    instance = cell(HEAD.replace("survival: 0.5", "survival: {2026: 0, 2028: 0.4, 2029: 1}"))
    for points, floors in ((0.01, [0, 0.21, 0.41, 1]), (-0.01, [0, 0.19, 0.39, 0.99])):
        moved = with_floors(instance, points=points).demands["all"].survival
        assert [moved.at(year) for year in instance.horizon.years] == pytest.approx(floors)


def test_the_total_budget_is_named_where_both_budgets_are_too_small(cell: Cell) -> None:
    # 1,500 a year buy 45 t in 2026, 2027 and 2028; 2,000 in all buy 20 t. 50 t are needed.
    plant = f"options: {{plant: {{{MAGNETS}, capex: 100, max_size: 90}}}}"
    found = so.explain(cell(HEAD, plant, "policy: {budget: 2000, annual_budget: 1500}"), settings=EXACT)
    assert found.reason is not None
    assert found.reason.because[1] == "plant has only 20 t/yr: the budget buys no more"


def test_an_option_that_others_pay_is_barred_by_what_it_requires(cell: Cell) -> None:
    # The gate costs 900, the budget is 800; the plant is paid by others, and is not bought without the gate.
    instance = cell(
        HEAD,
        f"options: {{plant: {{{MAGNETS}, fixed_cost: 1, max_size: 90, budget_share: 0, requires: gate}},",
        f"          gate: {{{MAGNETS}, fixed_cost: 900, max_size: 1}}}}",
        "policy: {budget: 800}",
    )
    found = so.explain(instance, settings=EXACT)
    assert found.reason is not None
    assert "plant is not built: the budget does not pay for the smallest size of it" in found.reason.because


@pytest.mark.parametrize(
    ("scrap", "why"),
    [("after_years: 9", "it lacks scrap"), ("after_years: 1", "the budget goes further elsewhere")],
)
def test_an_option_without_any_input_is_not_said_to_be_too_dear(cell: Cell, scrap: str, why: str) -> None:
    # Sales of 2026 and later come back from 2035 on, or in 2027. 2,000 buy 20 t of the plant; recycling costs more.
    instance = cell(
        HEAD.replace("commodities: {", "commodities: {scrap: {}, ").replace(
            "survival: 0.5", f"survival: 0.5, end_of_life: {{commodity: scrap, {scrap}}}"
        ),
        f"options: {{plant: {{{MAGNETS}, capex: 100, max_size: 90}},",
        f"          again: {{{MAGNETS}, input: {{scrap: 1}}, capex: 900, max_size: 90}}}}",
    )
    found = so.explain(instance, budget=2000, settings=EXACT)
    assert found.reason is not None
    assert found.reason.because[2] == f"again is not built: {why}"


def test_a_rounding_error_is_no_proven_change(cell: Cell) -> None:
    # A thousandth of a dollar in a million is less than a ten-millionth of it, which no solver proves.
    instance = cell(HEAD)
    context = PlanContext(Plan(), 1e6, 1e6, frozenset())
    tried = SurvivalAnswer(True, WhatIfResult("optimal", cost=1e6 + 1e-3, bound=1e6 + 1e-3))
    with WhatIfSolver(instance) as solver:
        found = PartValuation(TimedWhatIfs(instance, solver), context)._value(PlanPart("later", "plant"), tried)
    assert (found.change, found.low, found.high, found.is_proven) == (0, 0, 0, False)


def test_two_equal_plants_can_each_be_left_out_at_no_cost(cell: Cell) -> None:
    plant = f"{{{MAGNETS}, capex: 100, max_size: 90}}"
    found = so.explain(cell(HEAD, f"options: {{one: {plant}, other: {plant}}}"), settings=EXACT)
    assert view_of(found).sentences(found)[2] == "Each order can be left out by itself; another plan survives then."


def test_a_plan_that_buys_nothing_is_said_to_buy_nothing(cell: Cell) -> None:
    found = so.explain(cell(HEAD.replace("severity: 1", "severity: 0.1")), settings=EXACT)
    assert view_of(found).sentences(found)[0] == "The plan buys nothing."


def test_what_plans_of_least_gap_have_in_common_is_not_said_of_cheaper_ones(cell: Cell) -> None:
    # 50 t are needed, 40 at most can be built. Doing nothing costs less than any of these plans, and builds none.
    plant = f"options: {{plant: {{{MAGNETS}, capex: 100, max_size: 40}}}}"
    found = so.alternatives(cell(HEAD, plant), plans=0)
    assert view_of(found).sentences(found)[0] == (
        "Of the plans that leave the least gap, in whichever shocks, every one that costs up to 400 USD more than the"
        " cheapest buys plant."
    )


@pytest.mark.parametrize(
    ("budgets", "why"),
    [
        ("budget: 800, annual_budget: 900", "the budget does not pay for the smallest size of it"),
        ("budget: 1800, annual_budget: 900", "no annual budget pays for the smallest size of it"),
    ],
)
def test_the_budget_that_bars_an_option_is_named_where_there_are_two(cell: Cell, budgets: str, why: str) -> None:
    # The plant opens for 1,000 in one year. Without the limit of a year 800 in all still do not pay that; 1,800 do.
    plant = f"options: {{plant: {{{MAGNETS}, fixed_cost: 1000, max_size: 90}}}}"
    found = so.explain(cell(HEAD, plant, f"policy: {{{budgets}}}"), settings=EXACT)
    assert found.reason is not None
    assert f"plant is not built: {why}" in found.reason.because


def test_each_order_has_its_own_year_and_its_own_deadline(cell: Cell) -> None:
    # 50 t are needed in 2028: 30 t of the one, ordered in 2026 or never, and 20 t of the other, in 2027 or never.
    instance = cell(
        HEAD,
        f"options: {{early: {{{MAGNETS}, capex: 100, max_size: 30, latest: 2026}},",
        f"          late: {{{MAGNETS}, capex: 100, max_size: 20, earliest: 2027, latest: 2027}}}}",
    )
    found = {each.option: each for each in so.explain(instance, settings=EXACT).deadlines}
    assert {o: (each.ordered, each.anyhow) for o, each in found.items()} == {
        "early": ("2026", "2026"),
        "late": ("2027", "2027"),
    }


@pytest.mark.parametrize("tonnes", [0.6, 600.0])
def test_floors_of_samples_that_may_fail_are_scaled_in_any_unit(tonnes: float) -> None:
    """One of two samples may fail: what imports leave in the milder one, of a floor of 90 %, can be kept."""
    cut = {"region": "rival", "severity": {"uniform": [0.3, 0.9]}}
    imports = {"region": "rival", "output": {"magnet": 1}, "capacity": tonnes}
    data = {
        "name": "scaled",
        "horizon": {"start": 2026, "end": 2026, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {"imports": imports},
        "demands": {"d": {"commodity": "magnet", "quantity": tonnes, "survival": 0.9, "shortage_cost": 1000}},
        "ensembles": {"e": {"count": 2, "survive": 0.5, "seed": 1, "start": 2026, "months": 12, "cuts": [cut]}},
    }
    instance = so.read(data)
    mildest = min(event.worst_severity for event in instance.events)
    (floors,) = [each for each in so.explain(instance).repairs if each.kind == "floors"]
    assert floors.beyond == pytest.approx((1 - mildest) / 0.9, rel=1e-6)
