"""What explain prints of floors, demand and budgets that change with the years, of single rows, and of lead times."""

import io
import math
from dataclasses import replace

import pytest
import yaml
from rich.console import Console

import optimizer as so
from optimizer.cli.common import _describe as describe_progress
from optimizer.instance.edits import with_budget
from optimizer.report.brief.content import make_brief
from optimizer.report.format import repair_words
from optimizer.report.tables.explain import ExplanationPrinter, heading, repair_sentences, repair_text
from optimizer.report.tables.explain import _proven_range as proven_range
from optimizer.results.plan import Build, Flows, Plan
from optimizer.solver import Clock, Progress
from optimizer.studies.explain import repairs
from optimizer.studies.explain.part_values import PlanContext, plan_parts
from optimizer.studies.explain.repairs import scaled_floors
from optimizer.studies.explain.what_ifs import SupplyLimits, TimedWhatIfs
from optimizer.studies.explanation import PartValue, Repair
from optimizer.studies.what_if import Scaling, WhatIfSolver
from tests.conftest import Cell
from tests.test_compare import PRICED
from tests.test_explain import EXACT, FRIEND, HEAD, TINY, found

TINY_YEARS = (2026, 2027, 2028, 2029, 2030)


def shown(instance: so.Instance, *parts: Repair) -> str:
    """What is printed of some repairs, spaces collapsed."""
    text = io.StringIO()
    screen = ExplanationPrinter(instance, Console(file=text, width=300, highlight=False, markup=False))
    for part in parts:
        screen.show(part)
    screen._show_without_effect()
    return " ".join(text.getvalue().split())


def test_a_floor_that_rises_and_falls_is_told_with_its_peak() -> None:
    # 76.92 t can be bought, embargo@2027 takes 50 + 70: 64.1 %. 0.641 · 0.3 = 19.2 %, 0.641 · 0.7 = 44.9 %.
    instance = so.load(TINY, ["demands.motors.survival={2026: 0.3, 2028: 0.7, 2030: 0.3}"])
    floors = found(so.explain(instance, 5e6, settings=EXACT), "floors")
    words = repair_text(instance, floors)
    assert words.startswith(
        "64.1 % of every floor: motors 19.2 % in 2026, at most 44.9 % in 2028, 19.2 % in 2030. No more"
    )


@pytest.mark.parametrize(
    ("tonnes", "words"),
    [
        ((10, 20, 30, 20, 15), "10 t/yr in 2026, at most 30 t/yr in 2028, 15 t/yr in 2030"),
        ((10, 5, 5, 20, 10), "10 t/yr in 2026, at least 5 t/yr in 2027, at most 20 t/yr in 2029, 10 t/yr in 2030"),
        ((10, 30, 20, 40, 40), "10 t/yr in 2026, 40 t/yr in 2030"),
        # Less than what is printed lies between.
        ((10, 10.0001, 10, 10, 10), "10 t/yr"),
    ],
)
def test_demand_that_goes_is_told_with_what_lies_beyond_both_ends(tonnes: tuple[float, ...], words: str) -> None:
    repair = Repair("demand", works=True, amount=0.2, tonnes=dict(zip(TINY_YEARS, tonnes, strict=True)))
    assert f"20 % lower (by {words})." in repair_text(so.load(TINY), repair)


def test_a_larger_budget_is_told_beside_that_of_the_file() -> None:
    text = repair_text(so.load(TINY, ["policy.budget=8M"]), Repair("budget", works=True, amount=11.5e6))
    assert text.startswith("11.5M USD, 3.5M USD more than the 8M USD of the budget.")


@pytest.mark.parametrize(
    ("change", "low", "high", "said"),
    [
        (100, 90, 130, "proven: between 90 and 130"),
        # Half a thousandth of 5,000 is 2.5.
        (5_000, 4_998, 5_002, "proven"),
        (1000, 990, 1000, "proven: between 990 and 1,000"),
        (-5_000, -5_002, -4_998, "proven"),
        (100, None, 100, "not proven"),
    ],
)
def test_the_range_of_a_change_is_told_where_it_is_wide(
    change: float, low: float | None, high: float, said: str
) -> None:
    assert proven_range(PartValue("lever", "plant", survives=True, change=change, low=low, high=high)) == said


def test_budgets_of_years_are_told_with_their_peak() -> None:
    repair = Repair("annual", works=True, amount=50.0)
    text = repair_text(so.load(TINY, ["policy.annual_budget={2026: 100, 2028: 400, 2030: 200}"]), repair)
    years = "100 USD in 2026, at most 400 USD in 2028, 200 USD in 2030"
    assert text.startswith(f"50 USD more in each year than its budget, {years}.")


def test_floors_that_shocks_set_themselves_are_told() -> None:
    # 0.7 in both years of either embargo: 140 t, of which 76.92 can be bought. 0.549 · 0.7 = 38.4 %.
    for own in (0.0, 0.9):
        instance = so.load(TINY, [f"demands.motors.survival={own}", "shocks.embargo.survival={motors: 0.7}"])
        floors = found(so.explain(instance, 5e6, settings=EXACT), "floors")
        assert floors.own_floors == {"embargo": {"motors": pytest.approx(0.549 * 0.7)}}
        # The segment's own floor is in force in no shock.
        assert repair_text(instance, floors).startswith("54.9 % of every floor: motors 38.4 % in embargo. No more")


def test_floors_of_a_segment_and_of_a_shock_stand_side_by_side() -> None:
    other = "shocks.strike={start: 2028, months: 12, survival: {motors: 0.5}, cuts: [{region: rival, severity: 1}]}"
    instance = so.load(TINY, [other])
    repair = Repair("floors", works=True, amount=0.5, floors={"motors": dict.fromkeys(TINY_YEARS, 0.35)},
                    own_floors={"strike": {"motors": 0.25}})  # fmt: skip
    assert repair_text(instance, repair).startswith("50.0 % of every floor: motors 35.0 %; motors 25.0 % in strike.")
    # Nothing follows where no floor is known.
    bare = replace(repair, floors={}, own_floors={})
    assert repair_text(instance, bare).startswith("50.0 % of every floor.")


def test_a_single_repair_without_effect_has_its_name() -> None:
    instance = so.load(TINY)
    no = Repair("demand", "motors", works=False, why="not even without any of it")
    # The title is in a narrow column, so that the name is below it.
    title = "Repairs, each tried by itself ✗ Less demand:"
    assert shown(instance, no) == f"{title} does not suffice alone, even with no demand at all. motors"
    several = shown(instance, replace(no, kind="sooner", of="plant"), replace(no, kind="sooner", of="reserve"))
    assert "Sooner: others home magnet plant, magnet reserve: none of them suffices alone" in several


def test_what_has_a_short_lead_time_comes_no_sooner_than_that(cell: Cell) -> None:
    options = FRIEND + FRIEND.replace("options:\n", "").replace("friend:", "near:").replace(
        "lead_time: 24", "lead_time: 1"
    )
    instance = cell(HEAD.replace("step: year", "step: month"), options)
    built = tuple(Build(o, "ally", 0, 2026, "2026-01", 50.0, opened=True) for o in ("near", "friend"))
    parts = plan_parts(instance, PlanContext(Plan(builds=built), 0.0, None, frozenset()))
    moved = [(part.kind, part.of, part.change) for part in parts if part.kind in ("later", "sooner")]
    assert moved == [
        ("later", "near", 3.0),
        ("later", "friend", 3.0),
        ("sooner", "friend", -3.0),
        ("sooner", "near", -1.0),
    ]
    value = PartValue("sooner", "near", survives=True, months=1.0)
    assert heading(value) == "Each build, if it could come 1 month sooner"


@pytest.mark.parametrize(("factor", "works", "amount"), [(0.0015, False, 0.0), (0.5, None, None)])
def test_floors_that_no_plan_keeps_are_not_called_kept(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, factor: float, works: bool | None, amount: float | None
) -> None:
    # Nothing can be bought, so that no floor above zero holds.
    monkeypatch.setattr(repairs, "highest_scaling", lambda *about: Scaling(factor, factor))
    instance = cell(HEAD)
    with WhatIfSolver(instance, EXACT, Clock()) as solver:
        (repair,) = scaled_floors(TimedWhatIfs(instance, solver), [])
    assert (repair.works, repair.amount) == (works, amount)
    assert repair.why


def test_names_with_commas_are_parted_by_semicolons() -> None:
    instance = so.load(TINY, ["options.plant.name=Metal works, Lacq, France"])
    no = Repair("sooner", "plant", works=False, why="not by itself")
    said = shown(instance, no, replace(no, of="reserve"))
    assert "Sooner: others Metal works, Lacq, France; magnet reserve: none of them suffices alone" in said


OF_TWO = """
horizon: {start: 2026, end: 2027, step: year}
commodities: {magnet: {}, salt: {}}
processes:
  imports: {region: rival, output: {magnet: 1}, capacity: 1000, cost: 10}
  pans: {region: home, output: {salt: 1}, capacity: 1000, cost: 10}
demands:
  all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}
  table: {commodity: salt, quantity: 900, survival: 0.5, shortage_cost: 1}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
"""


def test_tonnes_of_several_commodities_are_not_added(cell: Cell) -> None:
    # Nothing can be bought, so that all demand of magnets has to go: 100 t/yr, and with it 900 t/yr of salt.
    instance = cell(OF_TWO)
    explanation = so.explain(instance, settings=EXACT)
    every, one = found(explanation, "demand"), found(explanation, "demand", "all")
    assert (every.amount, every.tonnes) == (1.0, {})
    assert repair_text(instance, every).startswith("100 % lower in every segment. 99 % is not enough.")
    assert one.tonnes == {2026: pytest.approx(100), 2027: pytest.approx(100)}
    assert repair_text(instance, one).startswith("100 % lower (by 100 t/yr).")
    # To leave no demand at all is no help; to leave that for magnets is one.
    *_, enough = repair_sentences(instance, explanation)
    assert enough.startswith("Each of these alone is enough: ")
    assert enough.count("100.0 % less") == 1


def test_a_process_without_inputs_lacks_none(cell: Cell) -> None:
    # The pans stand still, whatever the reason.
    instance = cell(OF_TWO)
    (event,) = instance.events
    still = Flows(1, {("pans", "activity"): (0.0,)})
    ways = SupplyLimits(instance, event, Plan(), still, (1,), None, frozenset(), lambda o: None, lambda o: None)
    assert ways.sentences("salt", "table") == ("pans has capacity to spare",)
    some = replace(ways, flows=Flows(1, {("pans", "activity"): (0.5,)}))
    assert some.sentences("salt", "table") == ("pans makes 0.5 t and has capacity to spare",)


# The floor takes 50 t, and a tenth of the imports goes on. What is made of ore, or avoided by it, ends with the ore.
OF_ORE = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {ore: {}, ore_b: {}, magnet: {}}
processes:
  mine: {region: rival, output: {ore: 1, ore_b: 1}, capacity: 60}
  imports: {region: rival, output: {magnet: 1}, capacity: 120}
demands: {motors: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 0.9}]}}
"""
FERRITE = "options: {ferrite: {kind: substitution, demand: motors, input: {ore: 1}, max_size: 100, capex: 1}}"


def test_why_there_is_no_more_of_a_substitute_is_said(cell: Cell) -> None:
    # 6 t of ore avoid 6 t; shocks last one period, the least that there is.
    explanation = so.explain(instance := cell(OF_ORE, FERRITE), settings=EXACT)
    assert explanation.reason is not None
    assert explanation.reason.because == (
        "imports loses 90 % in embargo; it still gives 12 t",
        "ferrite has only 6 t/yr: more would not help",
    )
    length = repair_text(instance, found(explanation, "length"))
    assert length == "cannot work: the shocks last one year, and none can be shorter here."


def test_limits_of_makers_and_stocks_that_no_money_moves_are_named(cell: Cell) -> None:
    # Plants of two ores stand still for want of them; of the options one of 10 t/yr is full.
    makers = """
  plant_a: {region: home, input: {ore: 1}, output: {magnet: 1}, capacity: 60}
  plant_b: {region: home, input: {ore_b: 1}, output: {magnet: 1}, capacity: 60}
"""
    options = """
options:
  small: {kind: refining, output: {magnet: 1}, max_size: 10, capex: 1}
  late: {kind: refining, output: {magnet: 1}, max_size: 10, capex: 1, earliest: 2040}
  third: {kind: refining, input: {ore: 1}, output: {magnet: 1}, max_size: 10, capex: 1}
  slow: {kind: stockpile, commodity: magnet, price: 2, max_size: 100, release_rate: 5}
  thin: {kind: stockpile, commodity: magnet, price: 2, fill_rate: 3}
"""
    file = OF_ORE.replace("demands:", makers.strip("\n") + "\ndemands:").replace("severity: 0.9", "severity: 1")
    why = so.explain(cell(file, options), settings=EXACT).reason
    assert why is not None
    assert why.because[1:] == (
        "plant_a lacks ore",
        "plant_b lacks ore_b",
        "late can never be bought within the horizon",
        "small has its largest size, 10 t/yr",
        "third is not built: it lacks ore",
        "slow holds 5 t when embargo begins, and releases 5 t a year at most",
        "thin holds 3 t when embargo begins, filled as fast as the market allows since 2026",
    )


def test_shares_and_sizes_of_what_ifs_are_not_shown_as_money() -> None:
    events: list[Progress] = []
    so.explain(so.load(TINY), 5e6, settings=EXACT, listener=events.append)
    searches = [event for event in events if event.phase and math.isfinite(event.best)]
    assert {event.phase for event in searches if event.round == 0 and not event.is_money} == {
        "share that floors lose",
        "its size",
    }
    assert not any("USD" in describe_progress(event, "USD") for event in searches if not event.is_money)
    assert all("USD" in describe_progress(event, "USD") for event in searches if event.is_money)


def test_progress_has_the_names_of_the_file() -> None:
    events: list[str] = []
    instance = so.load(TINY)
    so.explain(instance, settings=EXACT, listener=lambda event: events.append(event.task))
    assert {"without home magnet plant", "home magnet plant 12 months later"} <= set(events)
    so.explain(instance, 5e6, settings=EXACT, listener=lambda event: events.append(event.task))
    assert any(task.startswith("sooner builds: trying ") for task in events)
    assert not any("plant" in task.replace("magnet plant", "") for task in events)


def test_where_a_price_of_gaps_keeps_floors_from_being_kept_brief_and_figure_say_so() -> None:
    # 50 of outlay for the works keep every floor, for 6,000 + 2,150; the plant with its gap at its price costs 7,400.
    # Of the budget of 1,000 it takes 400.
    instance = with_budget(so.read(yaml.safe_load(PRICED)), 1000.0)
    answer = so.explain(instance, settings=EXACT)
    kept = "can be kept, but the gaps of this plan cost less, at their price"
    notes = make_brief(instance, answer.result, studies=[answer]).notes
    assert notes[1] == f"600 USD of the budget is left. Every floor {kept}; a plan that keeps them costs 8,150 USD."
    rows = [repair_words(instance, each) for each in answer.repairs]
    assert rows == [("More budget", "the budget does not bind", None), ("Same floors", kept, None)]
