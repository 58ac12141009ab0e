"""The brief: what a delay does and what numbers rest on, by hand; and every form of it says the same."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from docx import Document
from docx.oxml.ns import qn
from pypdf import PdfReader
from typer.testing import CliRunner

import optimizer as so
from optimizer import errors as extras
from optimizer.cli.app import app
from optimizer.errors import BRIEF_FORMS, ExitCode
from optimizer.instance.ranges import UncertainInput, UncertainNumber
from optimizer.instance.reading import instance_of
from optimizer.io.load import comments_of
from optimizer.report import narrative
from optimizer.report.brief.content import FLOORS_NOTE, MOST_CHANGES, make_brief
from optimizer.report.brief.futures import make_futures_brief
from optimizer.report.brief.plan_parts import MOST_ORDERS, MOST_YEARS, Brief, new_money_part
from optimizer.report.brief.survival_parts import MOST_SEGMENTS, MOST_SHOCKS
from optimizer.report.brief.writers import brief_pdf, paper_scale, write_brief
from optimizer.report.document import futures_book, futures_page, page
from optimizer.report.html.book import book, tidy
from optimizer.report.provenance import basis_of, find_numbers, weighted_basis
from optimizer.report.tables.futures import futures_headline
from optimizer.results.frames import FrameColumn
from optimizer.results.plan import Build, Faced, Lack, Plan
from optimizer.results.saved import Bands, Spread
from optimizer.solver import Settings
from optimizer.studies.compare import frontier
from optimizer.studies.comparison import single_point
from optimizer.studies.delays import delay_by_a_year, find_brief_delays, find_delays, find_futures_delays
from optimizer.studies.purchases import Delay, first_year, orders_of
from optimizer.studies.sensitivity_result import Sensitivity, TornadoBar, VariantOutcome

ROOT = Path(__file__).parent.parent
INSTANCES = ROOT / "instances"
TINY = INSTANCES / "tiny.yaml"


@pytest.fixture(scope="module")
def tiny() -> so.Instance:
    return so.load(TINY)


@pytest.fixture(scope="module")
def result(tiny: so.Instance) -> so.Result:
    return replace(so.solve(tiny), comments=comments_of(TINY))


@pytest.fixture(scope="module")
def brief(tiny: so.Instance, result: so.Result) -> Brief:
    delays = find_brief_delays(tiny, result, Settings())
    return make_brief(tiny, result, frontier=single_point(tiny, result), delays=delays)


def part(brief: Brief, name: str) -> dict[str, Any]:
    found: dict[str, Any] = brief.to_dict()["parts"][name]
    return found


# Delays.


def test_late_build_is_added_to_the_one_that_is_there(tiny: so.Instance) -> None:
    builds = (
        Build("plant", "refining", 0, 2026, "2026", 20.0, True),
        Build("plant", "refining", 1, 2027, "2027", 40.0),
    )
    late = delay_by_a_year(tiny, Plan(builds, {"reserve": (60.0, 0.0, 40.0, 0.0, 0.0)}, {}), ["plant", "reserve"], 2026)
    assert late.builds == (Build("plant", "refining", 1, 2027, "2027", 60.0, True),)
    assert late.fills == {"reserve": (0.0, 60.0, 0.0, 40.0, 0.0)}


def test_decision_of_the_last_year_is_delayed_out_of_the_horizon(tiny: so.Instance) -> None:
    builds = (Build("plant", "refining", 4, 2030, "2030", 20.0),)
    assert delay_by_a_year(tiny, Plan(builds, {}, {}), ["plant"], 2030).builds == ()


def test_delay_of_the_plant_leaves_its_output_of_a_year_unserved(tiny: so.Instance, result: so.Result) -> None:
    """The embargo of 2027 and 2028 takes 30 + 30 t: 60 from stock by 2028 less what the plant makes, 20 in 2028.

    The plan buys the reserve of 60 t at once, and 40 t more in 2028. With the plant a year late, the 20 t of 2028 are
    missing: 20 t at 500k are 10M.
    """
    (delay,) = find_delays(tiny, result, [["plant"]], Settings())
    assert delay.options == ("plant",)
    assert delay.failed == ("embargo@2027",)
    assert delay.shock == "embargo@2027"
    assert delay.below_floor == pytest.approx(20)
    assert delay.gap == pytest.approx(10e6)
    assert delay.shortage == pytest.approx(20)
    assert delay.shortage_cost == pytest.approx(10e6)


def test_delays_are_called_so_while_they_are_looked_at(tiny: so.Instance, result: so.Result) -> None:
    said = list[str]()
    find_brief_delays(tiny, result, Settings(), lambda progress: said.append(progress.task))
    assert said == ["a delay of all decisions", "a delay of home magnet plant", "a delay of magnet reserve"]


def test_delay_that_matters_to_no_shock_says_so(tiny: so.Instance) -> None:
    """With a floor of 0 nothing has to be served, and 1k a tonne short buys nothing: a forced plant is not missed."""
    idle = so.load(
        TINY, ["demands.motors.survival=0", "demands.motors.shortage_cost=1k", "policy.force.plant={2026: 20}"]
    )
    found = so.solve(idle)
    (delay,) = find_delays(idle, found, [["plant"]], Settings())
    assert (delay.failed, delay.shock, delay.gap) == ((), None, 0.0)


# What numbers rest on.

DATA = {
    "currency": "USD",
    "horizon": {"start": 2026, "end": 2030},
    "processes": {"mine": {"capacity": 120, "cost": 60e3, "output": {"ore": 1}}},
    "options": {
        "plant": {"capex": 200e3, "lead_time": 24, "cost": 75e3},
        "reserve": {"price": 65e3, "committed": [{"amount": 5e6, "year": 2025, "source": "8-K, B"}]},
    },
    "ranges": {f"options.plant.{field}": {"low": 0.5, "high": 2} for field in ("capex", "lead_time", "cost")},
}
COMMENTS = (
    {"place": ["processes"], "value": None, "text": "of a section: about nothing in particular (USGS, A)"},
    {"place": ["processes", "mine", "capacity"], "value": 120, "text": "as above"},
    {"place": ["options", "plant"], "value": None, "text": "the study of 2024 (company, B)"},
    {"place": ["options", "plant", "lead_time"], "value": 24, "text": "assumption, though the study (B) says 18"},
    {
        "place": ["options", "reserve", "price"],
        "value": 65e3,
        "text": "a guess of our company, before a release",
    },
)


def test_a_delay_that_harms_only_samples_that_may_fail_adds_no_gap() -> None:
    # Half of four samples have to be survived, and three are without the plant, which saves shortages that are likely.
    cuts = [{"region": "rival", "severity": {"uniform": [0.4, 1]}}]
    ensemble = {"count": 4, "seed": 1, "start": 2027, "months": 12, "survive": 0.5, "probability": 0.9, "cuts": cuts}
    plant = {"kind": "refining", "region": "home", "output": {"m": 1}, "cost": 1, "max_size": 60, "capex": 100}
    instance = so.read(
        {
            "name": "may fail",
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "commodities": {"m": {}},
            "processes": {"imports": {"region": "rival", "output": {"m": 1}, "capacity": 100, "cost": 1}},
            "demands": {"d": {"commodity": "m", "quantity": 50, "survival": 0.8, "shortage_cost": 2000}},
            "options": {"plant": plant},
            "ensembles": {"e": ensemble},
        }
    )
    result = so.solve(instance)
    (delay,) = find_delays(instance, result, [["plant"]], Settings())
    assert delay.failed == ()
    assert (delay.gap, delay.below_floor) == (0.0, 0.0)
    assert delay.shortage > 0


def test_numbers_rest_on_the_nearest_comment() -> None:
    found = {each.path: (each.basis, each.has_range) for each in find_numbers(DATA, COMMENTS)}
    assert found == {
        "processes.mine.capacity": ("derived", False),
        "processes.mine.cost": ("unexplained", False),
        "options.plant.capex": ("source", True),
        "options.plant.lead_time": ("assumption", True),
        "options.plant.cost": ("source", True),
        "options.reserve.price": ("derived", False),
        "options.reserve.committed.0.amount": ("source", False),
    }


def test_an_assumption_behind_a_number_counts_as_one_in_an_entry_with_a_source() -> None:
    plant = {"source": "the company's release of 2024", "capex": 120, "cost": 35}
    assumed = {"place": ["options", "plant", "capex"], "value": 120, "text": "assumed: a third less than announced"}
    found = {each.path: each.basis for each in find_numbers({"options": {"plant": plant}}, (assumed,))}
    assert found == {"options.plant.capex": "assumption", "options.plant.cost": "source"}


def test_a_grade_alone_names_no_source() -> None:
    plant = {"source": "B", "capex": 120, "cost": 35, "lead_time": 24}
    said = {"capex": "100–140 (B)", "cost": "2 x 17.5"}
    comments = [{"place": ["options", "plant", key], "value": None, "text": text} for key, text in said.items()]
    found = {each.path: each.basis for each in find_numbers({"options": {"plant": plant}}, comments)}
    assert found == {
        "options.plant.capex": "unexplained",
        "options.plant.cost": "derived",
        "options.plant.lead_time": "unexplained",
    }
    # The grade of a number leaves the source of its entry.
    entry = {"place": ["options", "plant"], "value": None, "text": "the study of 2024 (company, B)"}
    found = {each.path: each.basis for each in find_numbers({"options": {"plant": plant}}, [entry, *comments])}
    assert found["options.plant.capex"] == "source"


def test_as_said_above_rests_on_what_is_said_of_the_field() -> None:
    above = {
        "place": ["options"],
        "value": None,
        "text": "Plants. ramp: half a year, an assumption; see ranges. cost: 3 x 12",
    }
    keys = ("ramp", "cost", "capex")
    comments = [{"place": ["options", "plant", key], "value": None, "text": "as said above"} for key in keys]
    plant = {"ramp": [0.5, 0.8], "cost": 36, "capex": 120}
    found = {each.path: each.basis for each in find_numbers({"options": {"plant": plant}}, [above, *comments])}
    assert found == {
        "options.plant.ramp.0": "assumption",
        "options.plant.ramp.1": "assumption",
        "options.plant.cost": "derived",
        "options.plant.capex": "derived",
    }


@pytest.mark.parametrize(
    ("heading", "basis"),
    [
        ("Price table (USD per kg): USGS (2026, A)", "source"),
        ("Price table (USD per kg): as we were told", "derived"),
        ("As in the price table (USGS 2026, A)", "derived"),
    ],
)
def test_a_remark_that_names_a_table_rests_on_what_the_table_cites(heading: str, basis: str) -> None:
    table = {"place": ["processes"], "value": None, "text": heading}
    cost, capacity = ({"place": ["processes", "mine", name], "value": None} for name in ("cost", "capacity"))
    remarks = (cost | {"text": "price table, in 2026"}, capacity | {"text": "an assumption: the price table"})
    found = {each.path: each.basis for each in find_numbers(DATA, (table, *remarks))}
    assert (found["processes.mine.cost"], found["processes.mine.capacity"]) == (basis, "assumption")


def test_shares_are_of_numbers_or_of_money() -> None:
    numbers = find_numbers(DATA, COMMENTS)
    every = basis_of(numbers)
    assert (every.numbers, every.source, every.assumption) == (7, 3 / 7, 1 / 7)
    # The plant: two of three cite a source. The reserve: one of two. 3 of 4 parts of the money are the plant's.
    bought = weighted_basis(numbers, {"plant": 3e6, "reserve": 1e6})
    assert bought.source == pytest.approx(0.75 * 2 / 3 + 0.25 / 2)
    assert bought.ranged == pytest.approx(0.75)
    assert bought.source + bought.derived + bought.assumption + bought.unexplained == pytest.approx(1)


# The brief.


def test_orders_are_those_of_the_first_year_and_add_to_its_outlay(tiny: so.Instance, result: so.Result) -> None:
    assert first_year(tiny, result) == 2026
    orders = orders_of(tiny, result, 2026)
    # 20 t a year at 200k and 1M fixed; 60 t of the reserve at 65k.
    assert {order.option: order.money for order in orders} == {
        "plant": pytest.approx(5e6),
        "reserve": pytest.approx(3.9e6),
    }
    assert sum(order.money for order in orders) == pytest.approx(result.outlays["2026"])


def test_brief_names_decisions_money_and_what_goes_short_though_floors_hold(brief: Brief) -> None:
    orders = part(brief, "orders")["table"]["rows"]
    # The reserve comes first: a year late it leaves more below the floors than the plant does.
    assert orders[0][:4] == ["magnet reserve, 100 t", "3.9", "6.5", "2026"]
    assert orders[1] == [
        "home magnet plant, 20 t/yr",
        "5",
        "5",
        "2026",
        "2028",
        "20 t more below floors, survival gap +10M USD in embargo, from 2027; "
        "1 shock that the plan survives then fails",
    ]
    assert orders[-1][:3] == ["Together (2)", "8.9", "11.5"]
    money = part(brief, "money")
    assert money["table"]["rows"] == [["2026", "8.9"], ["2027", "–"], ["2028", "2.6"]]
    # 20 t/yr at 200k and 1M fixed; 60 t of the reserve in 2026 and 40 in 2028 at 65k, held for 420 t and years at 5k.
    assert money["sentences"][1] == (
        "The price of survival, 13.6M USD in present value, by part, each less that of the no-shock plan: "
        "capex 4M USD, one-off fixed cost 1M USD, stock purchases 6.5M USD, stock holding 2.1M USD."
    )
    # 8.9M is the longest bar.
    assert money["bars"] == [1.0, 0.0, pytest.approx(2.6 / 8.9)]
    # Of 100 t a year 30 in 2027 and 50 in 2028 are served, 20 of them from the plant: 120 t go short, all above floors.
    assert part(brief, "unserved")["table"]["rows"] == [["motors", "30 %", "30 % ✓", "120", "60", "embargo, from 2027"]]
    first = "embargo, 2 dates, most unserved 2027 to 2028"
    assert part(brief, "survival")["table"]["rows"] == [[first, "✓ all held", "0", "0", "120", "60"]]
    assert part(brief, "worst")["sentences"][0] == "embargo (2027 to 2028)."


def test_a_price_beside_rules_says_that_the_plan_without_shocks_keeps_them(tiny: so.Instance) -> None:
    """At most 90 % from the rival in each year of 2028 to 2030: 10 t of 100 come from the plant, of which one line of
    20 t costs 4M and 1M, and 15k more a tonne: 0.45M. That is in the cost without shocks, 35.45M in place of 30M."""
    rule = "policy.max_share=[{commodity: magnet, region: rival, share: 0.9, from: 2028}]"
    kept = so.load(TINY, [rule])
    found = so.solve(kept, settings=Settings(mip_gap=0.0))
    assert found.calm_cost == pytest.approx(35.45e6)
    said = "the cheapest plan of a world without shocks under the same rules (max_share)"
    assert said in make_brief(kept, found).to_dict()["sentence"]
    price = dict(narrative.facts(kept, found))["Price of survival"]
    assert price.endswith("without shocks the same instance costs 35.45M USD under the same rules (max_share)")
    assert "same rules" not in make_brief(tiny, so.solve(tiny)).to_dict()["sentence"]


def test_parts_of_a_price_are_as_exact_as_the_price(tiny: so.Instance, result: so.Result) -> None:
    # 30.71 + 9.74 + 36.76 + 6.66 + 1.03 = 84.90 beyond the 30 of the no-shock plan; to a tenth the parts add up.
    more = {"capex": 30.71e6, "fixed cost": 9.74e6, "stock purchases": 36.76e6, "stock holding": 6.66e6}
    costs = {**more, "operation": 31.03e6}
    dear = replace(result, costs=costs, total_cost=sum(costs.values()), price_of_survival=84.9e6)
    said = part(make_brief(tiny, dear), "money")["sentences"][1]
    assert said == (
        "The price of survival, 84.9M USD in present value, by part, each less that of the no-shock plan: "
        "capex 30.7M USD, one-off fixed cost 9.7M USD, stock purchases 36.8M USD, stock holding 6.7M USD, "
        "operation 1M USD."
    )


def test_what_was_not_computed_is_named_with_its_option(tiny: so.Instance, result: so.Result) -> None:
    parts = make_brief(tiny, result).to_dict()["parts"]
    assert "--quick" in parts["orders"]["missing"]
    assert "--with alternatives" in parts["alternatives"]["missing"]
    assert "no ranges" in parts["figures"]["missing"]
    ranged = so.load(TINY, ["ranges.demands.motors.quantity={low: 0.7, high: 1.2, of: value}"])
    assert "--quick" in make_brief(ranged, result).to_dict()["parts"]["figures"]["missing"]
    silent = replace(result, comments=())
    assert "--instance" in make_brief(tiny, silent).to_dict()["parts"]["confidence"]["missing"]


def test_a_source_is_claimed_for_no_number_with_a_remark_alone(tiny: so.Instance, result: so.Result) -> None:
    count = len(find_numbers(result.data, ()))
    said = {"place": ["demands", "motors", "quantity"], "value": "100", "text": "t a year"}
    told = make_brief(tiny, replace(result, comments=(said,))).to_dict()["parts"]["confidence"]["sentences"][0]
    assert told.startswith(f"The file gives a source for 0 % of its {count} numbers; 0 % are said to be assumptions, ")


def test_studies_fill_their_parts(result: so.Result) -> None:
    ranged = so.load(TINY, ["ranges.demands.motors.quantity={low: 0.7, high: 1.2, of: value}"])
    tornado = so.sensitivity(ranged, flips=False, settings=Settings(jobs=1))
    others = so.alternatives(ranged, settings=Settings(jobs=1))
    parts = make_brief(ranged, result, studies=[tornado, others]).to_dict()["parts"]
    (row,) = parts["figures"]["table"]["rows"]
    assert row[:3] == ["motors: quantity", "100 t/yr (×1)", "×0.7 … ×1.2"]
    assert row[3] == "price −5.2; cost −14"
    caption = parts["figures"]["table"]["caption"]
    first = (
        "Those that decide whether floors hold come first, then those that move the survival gap most, "
        "then those that move the price of survival most, 13.6M USD: the total cost less that of the cheapest "
        "plan without shocks, with the same numbers. A number"
    )
    assert caption.startswith(first)
    changes = "the change of the price of survival, of cost and of survival gap"
    assert f"{changes} with this number alone at that end of its range" in caption
    assert parts["figures"]["missing"] == parts["alternatives"]["missing"] == ""
    near = [row for row in parts["alternatives"]["values"] if row["plan"].startswith("Alternative")]
    assert [row["outlay"] for row in near] == [plan.result.outlay for plan in others.plans[:3]]
    # Plans of other budgets stay beside them; the cost of doing nothing is that of the no-shock plan, which buys none.
    points = frontier(ranged, result, [2e6, 3e6, 5e6, 8e6])
    both = make_brief(ranged, result, frontier=points, studies=[others]).to_dict()["parts"]["alternatives"]
    shown = [row["plan"] for row in both["values"]]
    assert len(shown) == 1 + len(near) + 3
    assert (shown[-3][:7], shown[-2][:7], shown[-1]) == ("Budget ", "Budget ", "Do nothing")
    assert "Plans not shown: budget " in both["table"]["caption"]
    assert both["values"][-1]["more"] == pytest.approx(-13.6e6)


def test_figures_show_no_more_than_is_proven(tiny: so.Instance, result: so.Result) -> None:
    end = VariantOutcome("optimal", cost=7.05e9, bound=7.04e9, gap=446e6, gap_bound=444e6)
    base = VariantOutcome("optimal", cost=7.06e9, bound=7.05e9, gap=445e6, gap_bound=444e6)
    paths = ("demands.motors.quantity", "options.plant.capex", "demands.motors.survival")
    demand, capex, floor = (UncertainInput(at, tuple(at.split(".")), 0.5, 2.0, 1.0, is_factor=True) for at in paths)
    dear = replace(end, cost=9e9, bound=8.9e9)
    bars = (
        TornadoBar(UncertainNumber("users_stocks", (demand, capex)), end, dear),
        TornadoBar(UncertainNumber("x", (demand,)), replace(end, gap=0.0), replace(end, gap=500e6, gap_bound=499e6)),
        TornadoBar(UncertainNumber("floor", (floor,)), end, dear),
    )
    found = Sensitivity("proven", tiny, 0.02, 0.01, base, bars)
    part = make_brief(tiny, result, studies=[found]).to_dict()["parts"]["figures"]
    # The cost at the low end is 0 to 20M less, and a change of the gap that is not proven is none.
    assert part["table"]["rows"][0][3:] == ["–", "cost +1,900"]
    assert part["table"]["rows"][0][0] == "Users stocks: quantity, capex of motors and 1 more"
    assert part["table"]["rows"][1][3:] == ["floors hold", "gap +55"]
    # A factor of one number stands behind the number itself, of a series behind its least and its most.
    assert [row[1] for row in part["table"]["rows"]] == ["×1", "100 t/yr (×1)", "0.3 to 0.7 (×1)"]
    several = " A row of several numbers moves them together (draw), prices of purchases and of sales alike."
    assert several in part["table"]["caption"]
    alone = make_brief(tiny, result, studies=[replace(found, bars=bars[1:])]).to_dict()["parts"]["figures"]
    assert several not in alone["table"]["caption"]


def test_no_plan_has_no_parts(tiny: so.Instance) -> None:
    share = "policy.max_share=[{commodity: magnet, region: rival, share: 0.5}]"
    none = so.load(TINY, [share, "processes.imports.min_utilisation=1"])
    found = make_brief(none, so.solve(none)).to_dict()
    assert found["parts"] == {}
    assert found["sentence"].startswith("No plan exists")


def test_plan_that_fails_names_its_worst_event(tiny: so.Instance) -> None:
    found = so.solve(tiny, budget=5e6)
    worst = part(make_brief(tiny, found), "worst")
    assert "of demand below survival floors, a survival gap of" in " ".join(worst["sentences"])
    assert worst["title"] == "The worst shock"
    (row,) = worst["values"]
    assert row["gap"] == pytest.approx(found.worst_gap)
    assert row["gap"] == pytest.approx(500e3 * row["below_floor"])
    hard = next(each for each in found.shocks if each.name == "embargo@2029")
    gone = [hard.flows["motors", "unserved"][i] - 30 for i in (0, 1)]
    assert row["when"] == f"{hard.segments['motors'].worst_period}, {sum(each > 1e-6 for each in gone)} of 2"
    assert "for how many of the shock's periods it is below" in worst["table"]["caption"]
    assert part(make_brief(tiny, found), "money")["table"]["head"][1] == ">Outlay, M USD"


def test_every_segment_below_its_floor_is_listed_and_adds_to_the_gap(tiny: so.Instance) -> None:
    """A floor of 60 % for a second segment that nothing serves: both are listed, and their sum is the gap."""
    other = "demands.wind={commodity: magnet, quantity: 40, survival: 0.6, shortage_cost: 200k}"
    instance = so.load(TINY, [other])
    found = so.solve(instance, budget=0)
    worst = part(make_brief(instance, found), "worst")
    *rows, together = worst["values"]
    assert {row["segment"] for row in rows} == {"motors", "wind"}
    assert together["segment"] == "Together"
    assert together["gap"] == pytest.approx(found.worst_gap)
    assert together["gap"] == pytest.approx(sum(row["gap"] for row in rows))
    assert together["below_floor"] == pytest.approx(sum(row["below_floor"] for row in rows))
    assert worst["strong"] == [2]


def test_a_shock_that_cuts_what_is_ordered_says_so(brief: Brief) -> None:
    """The plant is forced, and half of it is lost in the embargo that cuts all imports."""
    cuts = "shocks.embargo.cuts=[{region: rival, severity: 1}, {process: plant, severity: 0.5}]"
    instance = so.load(TINY, [cuts, "policy.force.plant={2026: 20}"])
    found = make_brief(instance, so.solve(instance, budget=6e6))
    ordered = "home magnet plant, on line from 2028, by 50 %"
    assert f"The worst shock cuts 1 existing source, and some of what the plan orders: {ordered}." in found.notes
    assert not [said for said in brief.notes if "what the plan orders" in said]


def test_a_cut_in_part_is_not_said_to_be_a_whole_one() -> None:
    """The embargo takes all imports for two years and nothing of the plant, then 30 % of it."""
    cuts = "shocks.embargo.cuts=[{region: rival, severity: 0.9}, {process: plant, severity: [0, 0.3]}]"
    instance = so.load(TINY, [cuts, "policy.force.plant={2026: 20}", "demands.motors.survival=0.9"])
    found = make_brief(instance, so.solve(instance, budget=6e6))
    (said,) = [each for each in found.notes if "what the plan orders" in each]
    assert said.startswith("The worst shock cuts part of 1 existing source, and some of what the plan orders: ")
    assert said.endswith("on line from 2028, by 30 %.")


def test_a_plan_that_spends_its_whole_budget_says_what_more_money_does(tiny: so.Instance) -> None:
    """5M buy 10 t too little; 11.5M keep every floor, and any budget above costs no more than that."""
    poor = so.load(TINY, ["policy.budget=5M"])
    found = so.solve(poor)
    said = make_brief(poor, found).notes[1]
    assert said == "Whether a larger budget leaves a smaller survival gap is not computed."
    said = make_brief(poor, found, frontier=frontier(poor, found, [2e6, 20e6])).notes[1]
    assert said.startswith("Without a limit on the budget the best plan keeps every floor, and costs ")
    assert said.endswith("M USD more.")
    said = make_brief(poor, found, studies=[so.explain(poor)]).notes[1]
    assert said.startswith("A budget of 11.5M USD is the least that survives everything.")
    # What can be ordered comes too late for the embargo of 2026: any amount leaves the same gap, also where imports are
    # sold for more than they cost, so that costs are below 0.
    for policy in (["policy.budget=10k"], ["policy.budget=0", "processes.imports.cost=-60k"]):
        barred = so.load(
            TINY,
            ["options.plant.earliest=2030", "options.reserve.latest=2026", "options.reserve.max_size=1", *policy],
        )
        late = so.solve(barred)
        points = frontier(barred, late, [0.0, 20e6])
        others = tuple(replace(each, result=late) for each in points.points[points.own :])
        alike = replace(points, points=(*points.points[: points.own], *others))
        note = make_brief(barred, late, frontier=alike).notes[1]
        assert note == "Without a limit on the budget the best plan leaves the same survival gap."


def test_the_next_smaller_and_the_next_larger_budget_stand_beside_the_plan() -> None:
    instance = so.load(TINY, ["policy.budget=8M"])
    found = so.solve(instance)
    points = frontier(instance, found, [0.0, 3e6, 5e6, 20e6])
    alternatives = part(make_brief(instance, found, frontier=points), "alternatives")
    assert [row["plan"] for row in alternatives["values"]] == [
        "This plan", "Budget 5M USD", "Budget 20M USD", "Do nothing"
    ]  # fmt: skip
    assert (
        "a sum over shocks, each on its own, to compare plans by, which cannot occur"
        in (alternatives["table"]["caption"])
    )


def test_a_shock_that_fails_names_the_segment_below_its_floor(tiny: so.Instance) -> None:
    rows = part(make_brief(tiny, so.solve(tiny, budget=5e6)), "survival")["table"]["rows"]
    assert rows[0][1].endswith(": motors")


def missing(brief: Brief) -> tuple[str, str]:
    made = part(brief, "orders")
    return made["missing"], made["lacks"]


def test_delays_that_are_missing_can_be_computed_but_not_of_a_plan_against_an_adversary(
    tiny: so.Instance, result: so.Result
) -> None:
    late = "What ordering a year later does"
    assert missing(make_brief(tiny, result)) == (
        f"{late} is not computed: leave out --quick or --time-limit.",
        f"{late} is not computed.",
    )
    stopped = f"{late} is not known: the search was stopped."
    assert missing(make_brief(tiny, result, delays=())) == (f"{stopped} --time-limit gives it more time.", stopped)
    against = f"{late} is not computed for a plan that was made against an adversary."
    assert missing(make_brief(tiny, replace(result, adversary=Faced(10e6, 1, 1, 1, ())))) == ("", against)


def test_each_reader_is_told_what_computes_missing_figures(tiny: so.Instance, result: so.Result) -> None:
    ranged = so.load(TINY, ["ranges.demands.motors.quantity={low: 0.7, high: 1.2, of: value}"])
    brief = make_brief(ranged, result)
    for is_of_python, late, tornado in (
        (False, "leave out --quick or --time-limit.", "leave out --quick or --time-limit;"),
        # `write_report` computes delays itself, and a tornado only if it is given one.
        (True, "write budgets=None.", "add studies=sensitivity(…);"),
    ):
        shown = replace(brief, is_of_python=is_of_python)
        assert missing(shown)[0] == f"What ordering a year later does is not computed: {late}"
        what = f"Not computed: {tornado} the plan has to be proven to be the best."
        assert part(shown, "figures")["missing"] == what
    stopped = replace(make_brief(tiny, result, delays=()), is_of_python=True)
    assert missing(stopped)[0].endswith("the search was stopped. time_limit gives it more time.")


def test_studies_that_were_stopped_are_not_named_like_those_left_out(tiny: so.Instance, result: so.Result) -> None:
    ranged = so.load(TINY, ["ranges.demands.motors.quantity={low: 0.7, high: 1.2, of: value}"])
    stopped = replace(so.sensitivity(ranged, flips=False, settings=Settings(jobs=1)), status="stopped", bars=())
    alone = single_point(tiny, result)
    quick, cut = (
        make_brief(ranged, result, frontier=one, studies=studies).to_dict()["parts"]
        for one, studies in ((alone, ()), (replace(alone, stopped=True), [stopped]))
    )
    assert quick["alternatives"]["lacks"] == "Plans of other budgets are not computed."
    assert cut["alternatives"]["lacks"] == "Plans of other budgets are not known: the search was stopped."
    assert quick["figures"]["lacks"] == "Not computed."
    assert cut["figures"]["lacks"] == "Which numbers decide is not known: the search was stopped."


def test_decisions_are_sorted_by_the_damage_of_a_delay(tiny: so.Instance, result: so.Result) -> None:
    """The reserve is cheaper than the plant, but a year without it costs more."""
    orders = orders_of(tiny, result, 2026)
    delays = [Delay((order.option,), (), "embargo@2027", 1e6 * i, 1.0, 1.0, 1e6 * i, 0.0) for i, order in
             enumerate(orders)]  # fmt: skip
    assert missing(make_brief(tiny, result, delays=delays)) == ("", "")
    rows = make_brief(tiny, result, delays=delays).to_dict()["parts"]["orders"]["values"]
    assert [row["order"].partition(",")[0] for row in rows[:2]] == [orders[1].name, orders[0].name]
    assert rows[0]["on_line"] == "bought until 2028"
    assert (rows[0]["money"], rows[0]["total"]) == (pytest.approx(3.9e6), pytest.approx(6.5e6))


def test_decisions_of_later_years_are_counted_below_with_their_money(tiny: so.Instance, result: so.Result) -> None:
    """The plant is moved to 2028: it follows the reserve of 100 t at 65k; 20 t at 200k and 1M fixed are 5M."""
    builds = tuple(replace(build, t=2, year=2028, period="2028") for build in result.plan.builds)
    later = replace(result, plan=replace(result.plan, builds=builds))
    rows = make_brief(tiny, later).to_dict()["parts"]["orders"]["values"]
    assert [row["order"] for row in rows][1:] == ["Later: home magnet plant, 20 t/yr"]
    assert (rows[-1]["total"], rows[-1]["when"]) == (pytest.approx(5e6), "2028")


def test_decisions_say_in_how_many_samples_the_best_plan_has_them(tiny: so.Instance, result: so.Result) -> None:
    spread = Spread(0.0, 0.0, 0.0, 0.0)
    bands = Bands(3, 4, 4, 1, 0.5, spread, spread, spread, {"reserve": 1.0, "plant": 0.75})
    brief = make_brief(tiny, replace(result, bands=bands)).to_dict()
    orders = brief["parts"]["orders"]
    assert any(
        "Of 4 samples of all numbers in their ranges 50 % have a best plan that" in note for note in brief["notes"]
    )
    assert {row["order"].partition(",")[0]: row["sampled"] for row in orders["values"]} == {
        "magnet reserve": 1.0, "home magnet plant": 0.75, "Together (2)": None
    }  # fmt: skip
    assert "of 4 samples" in orders["table"]["caption"]
    assert "sampled" not in make_brief(tiny, result).to_dict()["parts"]["orders"]["values"][0]


def test_a_delay_that_was_not_looked_at_says_so(tiny: so.Instance, result: so.Result) -> None:
    orders = orders_of(tiny, result, 2026)
    delay = Delay((orders[0].option,), (), "embargo@2027", 1e6, 1.0, 1.0, 1e6, 0.0)
    rows = make_brief(tiny, result, delays=[delay]).to_dict()["parts"]["orders"]["values"]
    assert [row["slip"] for row in rows][1:] == ["not computed", "not computed"]


def test_a_segment_below_its_floor_comes_before_one_that_loses_more(tiny: so.Instance) -> None:
    """Wind needs no floor and loses 40 t at 5M; motors have one: 5M buy too little for them, at 0.5M a tonne."""
    instance = so.load(TINY, ["demands.wind={commodity: magnet, quantity: 40, shortage_cost: 5M}"])
    rows = part(make_brief(instance, so.solve(instance, budget=5e6)), "unserved")["values"]
    assert [row["segment"] for row in rows] == ["motors", "wind"]
    assert rows[0]["shortage_cost"] < rows[1]["shortage_cost"]


def test_what_is_short_without_a_shock_stands_beside_the_answer(tiny: so.Instance, result: so.Result) -> None:
    """10 more t are wanted than the imports of 100 t bring: 10 of 110 t go unserved in each year till the plant works.

    The plant, ordered in 2026, works from 2028 on. Of the budget of 50M, what is not spent is left.
    """
    instance = so.load(TINY, ["demands.motors.quantity=110", "policy.budget=50M", "processes.imports.capacity=100"])
    found = so.solve(instance)
    assert found.lacks
    floors, left, note, *_ = make_brief(instance, found).to_dict()["notes"]
    assert floors == FLOORS_NOTE
    assert left.endswith("of the budget is left.")
    # Nothing can be ordered in time: the gap of the embargo of 2026 stays, whatever the budget.
    barred = so.load(TINY, ["options.plant.earliest=2030", "options.reserve.earliest=2030", "policy.budget=50M"])
    _, left, *_ = make_brief(barred, so.solve(barred)).to_dict()["notes"]
    assert left == "50M USD of the budget is left: no plan under these rules closes more of the survival gap."
    # Where it was asked what would help, that is said in place of it: money cannot buy what cannot be ordered.
    _, helped, *_ = make_brief(barred, so.solve(barred), studies=[so.explain(barred)]).to_dict()["notes"]
    assert helped.startswith("50M USD of the budget is left. No amount of money alone makes everything survivable. ")
    stopped = replace(so.explain(barred), repairs=(), is_complete=False)
    _, helped, *_ = make_brief(barred, so.solve(barred), studies=[stopped]).to_dict()["notes"]
    assert helped.endswith("what would make everything survivable was stopped before it found anything.")
    assert note.startswith("Unserved already without a shock, when no stock is released: motors, 2026 to 20")
    assert "up to 9 %" in note
    assert note.endswith("The earliest project ordered on the supply chain of motors is on line in 2028.")


def test_nothing_bought_is_compared_where_its_plan_is_known(tiny: so.Instance, result: so.Result) -> None:
    points = frontier(tiny, result, [0.0])
    rows = make_brief(tiny, result, frontier=points).to_dict()["parts"]["alternatives"]["values"]
    nothing = next(point.result for point in points.points if point.budget == 0)
    assert rows[-1]["plan"] == "Do nothing"
    assert rows[-1]["more"] == pytest.approx(nothing.total_cost - result.total_cost)
    # No plan of another budget is shown, so that there is nothing to say of what it leaves out.
    assert "differs" not in rows[-1]
    # Without it, a no-shock plan that buys nothing has the cost, as no shock is expected to cost anything.
    assert not result.calm_builds
    for each, more in ((result, -13.6e6), (replace(result, calm_builds=("reserve",)), None)):
        rows = make_brief(tiny, each).to_dict()["parts"]["alternatives"]["values"]
        assert rows[-1]["more"] == (more and pytest.approx(more))


def test_plan_whose_search_was_stopped_is_no_alternative(tiny: so.Instance, result: so.Result) -> None:
    found = frontier(tiny, result, [5e6])
    stopped = [
        replace(point, result=replace(point.result, status="stopped")) if point.budget == 5e6 else point
        for point in found.points
    ]
    names = [
        [row["plan"] for row in make_brief(tiny, result, frontier=each).to_dict()["parts"]["alternatives"]["values"]]
        for each in (found, replace(found, points=tuple(stopped)))
    ]
    assert names == [["This plan", "Budget 5M USD", "Do nothing"], ["This plan", "Do nothing"]]


# Its forms.


def texts(data: dict[str, Any]) -> list[str]:
    """Every cell and sentence with a digit."""
    cells = [
        text
        for each in data["parts"].values()
        for text in [*each["sentences"], *(cell for row in (each["table"] or {"rows": []})["rows"] for cell in row)]
    ]
    return [text for text in [data["sentence"], *data["notes"], *cells] if any(sign.isdigit() for sign in text)]


def flat(text: str) -> str:
    return "".join(text.split()).replace("\\", "").replace("*", "")


def read(content: str | bytes, suffix: str) -> str:
    """All text of a file of the brief."""
    if isinstance(content, str):
        return content
    if suffix == ".pdf":
        return " ".join(each.extract_text() for each in PdfReader(io.BytesIO(content)).pages)
    document = Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return " ".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


@pytest.fixture(scope="module", params=["tiny", "ev-maker"])
def data(request: pytest.FixtureRequest, tiny: so.Instance, result: so.Result, brief: Brief) -> dict[str, Any]:
    """The JSON of a small report, and of one with long names and several segments."""
    if request.param == "tiny":
        return book(tiny, single_point(tiny, result), is_quick=True, brief=brief).to_dict()
    instance = so.load(INSTANCES / "ev-maker.yaml")
    found = so.solve(instance, settings=Settings(mip_gap=0.01))
    return book(instance, single_point(instance, found), is_quick=True).to_dict()


def test_page_shows_all_that_the_json_says(data: dict[str, Any], brief: Brief) -> None:
    if data["instance"] == "tiny":
        assert data["brief"] == tidy(brief.to_dict())
    shown = page(data)
    before = flat(unescape(shown[: shown.index('<script type="application/json"')]))
    assert len(texts(data["brief"])) > 20
    assert [text for text in texts(data["brief"]) if flat(text) not in before] == []
    # So do the lengths of its bars.
    bars = [f"{100 * share:.2f}" for part in data["brief"]["parts"].values() for share in part["bars"]]
    assert re.findall(r'<i style="width:([\d.]+)%">', shown) == bars


@pytest.mark.parametrize("suffix", BRIEF_FORMS)
def test_files_hold_no_word_of_the_command_line(data: dict[str, Any], suffix: str) -> None:
    assert "--" in json.dumps([part["missing"] for part in data["brief"]["parts"].values()])
    assert re.search(r"--[a-z]", read(write_brief(data["brief"], suffix), suffix)) is None


@pytest.mark.parametrize("suffix", BRIEF_FORMS)
def test_every_form_says_all_that_the_json_says(data: dict[str, Any], suffix: str) -> None:
    written = flat(read(write_brief(data["brief"], suffix), suffix))
    assert [text for text in texts(data["brief"]) if flat(text) not in written] == []


def test_pdf_is_one_page_of_a4(data: dict[str, Any]) -> None:
    (only,) = PdfReader(io.BytesIO(brief_pdf(data["brief"]))).pages
    assert [round(float(side) * 25.4 / 72) for side in (only.mediabox.width, only.mediabox.height)] == [210, 297]


def test_word_document_is_a4_and_its_columns_are_as_wide_as_what_stands_in_them(data: dict[str, Any]) -> None:
    document = Document(io.BytesIO(write_brief(data["brief"], ".docx")))
    assert document.core_properties.created.date() >= date(2026, 1, 1)  # not that of the template
    (section,) = document.sections
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
    shades = {shade.get(qn("w:fill")) for table in document.tables for shade in table.style.element.iter(qn("w:shd"))}
    # Dark text stands on nothing darker than a light grey.
    assert min(int(shade[:2], 16) for shade in shades) > 0xE0
    for table in document.tables:
        widths = [cell.width.mm for cell in table.rows[0].cells]
        assert sum(widths) == pytest.approx(210 - 2 * 14, abs=0.5)
        assert [len(row._tr.xpath(".//w:cantSplit")) for row in table.rows] == [1] * len(table.rows)
        assert len(table._tbl.xpath(".//w:tblHeader")) == 1
        assert widths[0] > 1.5 * widths[1]


def lengthened(data: dict[str, Any], counts: dict[str, int]) -> dict[str, Any]:
    """A brief with so many rows in tables, all with a long name."""
    parts = dict(data["parts"])
    for name, count in counts.items():
        table = parts[name]["table"]
        rows = [[f"{table['rows'][0][0]} with a long name for paper {i}", *table["rows"][0][1:]] for i in range(count)]
        bars = [1.0] * count if parts[name]["bars"] else []
        parts[name] = {**parts[name], "table": {**table, "rows": rows}, "bars": bars, "strong": []}
    return {**data, "parts": parts}


def test_longest_lists_keep_to_one_page_of_smaller_type(data: dict[str, Any]) -> None:
    most = {"orders": MOST_ORDERS + 3, "survival": MOST_SHOCKS, "unserved": MOST_SEGMENTS, "money": MOST_YEARS}
    brief = data["brief"]
    longest = lengthened(brief, {name: count for name, count in most.items() if brief["parts"][name]["table"]})
    (only,) = PdfReader(io.BytesIO(brief_pdf(longest))).pages
    sizes: set[float] = set()
    only.extract_text(visitor_text=lambda text, _, __, ___, size: sizes.add(size) if text.strip() else None)
    assert min(sizes) >= 5.6
    assert 0.7 <= paper_scale(longest) <= paper_scale(brief) <= 1.0
    assert paper_scale(lengthened(brief, {"orders": 60})) < 1.0


def test_years_that_are_too_many_are_one_row_with_their_money() -> None:
    columns = (FrameColumn("year", is_index=True), FrameColumn("new", "New", "USD", "millions"),
               FrameColumn("committed", "Committed", "USD", "millions"))  # fmt: skip
    drawn = new_money_part(columns, [(str(2027 + i), 1e6 * (i + 1), None) for i in range(13)], ()).shown
    assert drawn is not None
    rows = [tuple(row.values()) for row in drawn.rows()]
    # The first nine, and 10 + 11 + 12 + 13 = 46 of the last four.
    assert (len(rows), rows[-1]) == (10, ("and 4 later years", 46e6))
    # Money committed without a year is in no later year: the last two of eleven are 10 + 11 = 21.
    dated = [(str(2027 + i), 1e6 * (i + 1), None) for i in range(11)]
    drawn = new_money_part(columns, [*dated, ("undated", None, 5e6)], ()).shown
    assert drawn is not None
    rows = [tuple(row.values()) for row in drawn.rows()]
    assert rows[-2:] == [("and 2 later years", 21e6, None), ("undated", None, 5e6)]


def test_money_that_is_committed_stands_beside_the_new_and_what_came_before_is_one_row() -> None:
    columns = (FrameColumn("year", is_index=True), FrameColumn("new", "New", "USD", "millions"),
               FrameColumn("committed", "Committed", "USD", "millions"))  # fmt: skip
    rows = [("2025", None, 5e6), ("2026", None, 7e6), ("2027", 3e6, 1e6), ("2028", None, 2e6), ("2029", 4e6, None)]
    made = new_money_part(columns, rows, ())
    assert made.shown is not None
    drawn = [tuple(row.values()) for row in made.shown.rows()]
    assert drawn == [("2025 to 2026", None, 12e6), *rows[2:]]
    # Where nothing is new, nothing is folded, and there are no bars.
    (only,) = (new_money_part(columns, [("2025", None, 5e6), ("undated", None, 1e6)], ()).shown,)
    assert only is not None
    assert [row["year"] for row in only.rows()] == ["2025", "undated"]


def test_pdf_with_more_than_one_page_holds_goes_on(data: dict[str, Any]) -> None:
    table = data["brief"]["parts"]["orders"]["table"]
    longer = {**table, "rows": [[f"option {i}", *table["rows"][0][1:]] for i in range(120)]}
    parts = data["brief"]["parts"]
    more = {**data["brief"], "parts": {**parts, "orders": {**parts["orders"], "table": longer}}}
    content = brief_pdf(more)
    assert len(PdfReader(io.BytesIO(content)).pages) > 1
    assert "This answer takes more than one page." in read(content, ".pdf").replace("\n", " ")
    written = flat(read(content, ".pdf"))
    assert all(f"option{i}" in written for i in range(120))
    # Each page that the table goes on to has its head, and none ends with a head.
    for sheet in PdfReader(io.BytesIO(content)).pages:
        said = sheet.extract_text()
        assert "option" not in said or said.index(longer["head"][0]) < said.index("option"), said
    assert [text for text in texts(more) if flat(text) not in written] == []


@pytest.mark.parametrize("suffix", BRIEF_FORMS)
def test_command_writes_the_brief_and_prints_it_as_json(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"brief{suffix}"
    made = CliRunner().invoke(app, ["report", str(TINY), "--quick", "--json", "-o", str(file)])
    assert made.exit_code == 0, made.output
    found = json.loads(made.stdout)["brief"]
    content = file.read_text(encoding="utf-8") if suffix == ".md" else file.read_bytes()
    written = flat(read(content, suffix))
    assert [text for text in texts(found) if flat(text) not in written] == []
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


CHANGES = ("--set", "discount_rate=0.08", "--set", "demands.motors.quantity=50", "--set", "processes.imports.cost=60k")
HIGH = """scenarios:
  high: {demands.motors.shortage_cost: 600k}
"""
CHANGED = "Changed in the file: discount_rate 0.08; demands.motors.quantity 50, not 100; scenario high; without plant."


@pytest.fixture(scope="module")
def changed_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved plan of the tiny instance under a scenario, with values that were set, one of them to what it was."""
    folder = tmp_path_factory.mktemp("changed")
    file, plan = folder / "tiny.yaml", folder / "plan.json"
    file.write_text(TINY.read_text(encoding="utf-8") + HIGH, encoding="utf-8")
    words = ["solve", str(file), *CHANGES, "--scenario", "high", "--without", "plant", "--output", str(plan)]
    done = CliRunner().invoke(app, words)
    assert CHANGED in " ".join(done.stdout.split())
    return plan


@pytest.mark.parametrize("form", [".md", ".docx", ".pdf", ".html"])
def test_a_brief_says_what_the_run_changed_and_at_what_rate_values_are_discounted(
    form: str, changed_plan: Path, tmp_path: Path
) -> None:
    target = tmp_path / f"brief{form}"
    CliRunner().invoke(app, ["report", str(changed_plan), "--quick", "--output", str(target)])
    content: str | bytes = target.read_text() if form in (".html", ".md") else target.read_bytes()
    said = flat(unescape(read(content, form)))
    assert flat(CHANGED) in said.partition('<scripttype="application/json"')[0]
    assert flat("(present value, discounted at 8 % a year, USD of 2025)") in said


def test_many_changes_are_counted(result: so.Result, tiny: so.Instance) -> None:
    made = make_brief(tiny, replace(result, changes=tuple(f"value {i}" for i in range(MOST_CHANGES + 2))))
    assert made.about.endswith(f"value {MOST_CHANGES - 1}; and 2 more.")
    assert make_brief(tiny, result).about.endswith("t: metric tonnes.")


def test_a_plan_file_keeps_what_was_changed_and_what_is_changed_again(changed_plan: Path, tmp_path: Path) -> None:
    changes = so.Result.load(changed_plan).changes
    assert changes == ("discount_rate 0.08", "demands.motors.quantity 50, not 100", "scenario high", "without plant")
    assert CliRunner().invoke(app, ["verify", str(changed_plan)]).exit_code == ExitCode.SURVIVES
    again = tmp_path / "again.json"
    words = ["solve", str(changed_plan), "--set", "discount_rate=0.05", "--budget", "30M", "--output", str(again)]
    CliRunner().invoke(app, words)
    assert so.Result.load(again).changes == (*changes, "discount_rate 0.05, not 0.08")


def test_python_says_scenarios_and_plans_of_futures_what_was_changed(tmp_path: Path) -> None:
    instance = so.load(TINY, ["scenarios={high: {demands.motors.shortage_cost: 600k}}"])
    assert so.solve(instance, scenario="high").changes == ("scenario high",)
    file = tmp_path / "futures.json"
    CliRunner().invoke(
        app, ["solve", str(ROOT / "examples" / "wait_or_commit.yaml"), "--set", "discount_rate=0.01", "-o", str(file)]
    )
    found = so.FuturesResult.load(file)
    assert found.changes == found.futures[0].result.changes == ("discount_rate 0.01",)
    brief = make_futures_brief(instance_of(found), found)
    assert brief.about.endswith("Changed in the file: discount_rate 0.01.")
    assert "(present value, discounted at 1 % a year, USD of 2026)" in brief.sentence
    assert "changes" not in so.solve(so.load(TINY)).to_dict()


def test_another_step_says_that_lists_of_severities_stay_as_they_are(tmp_path: Path) -> None:
    """Two severities of a month each are of a quarter each once the step is a quarter."""
    text = TINY.read_text().replace("severity: 1}", "severity: [1, 0.5]}")
    listed = tmp_path / "listed.yaml"
    listed.write_text(text.replace("step: year", "step: month"))
    assert "severity: [" in text
    said, plan = list[str](), tmp_path / "plan.json"
    for path in (listed, TINY):
        CliRunner().invoke(app, ["solve", str(path), "--set", "horizon.step=quarter", "--output", str(plan)])
        said += so.Result.load(plan).changes
    assert said[0].startswith("horizon.step quarter, not month (lists of severities have one value a period")
    assert said[1] == "horizon.step quarter, not year"


def test_python_takes_the_sources_from_the_file(tmp_path: Path) -> None:
    """`load` reads no comments; one of the file's numbers stands with a source in its comment."""
    result = so.solve(so.load(TINY))
    source, motors = tmp_path / "sourced.yaml", "shortage_cost: 500k}"
    source.write_text(TINY.read_text(encoding="utf-8").replace(motors, f"{motors}  # source: an annual report"))
    for named, said in (({}, "the plan holds no comments"), ({"instance_file": source}, "The file gives a source for")):
        so.write_report(result, tmp_path / "brief.md", **named)
        assert said in (tmp_path / "brief.md").read_text(encoding="utf-8"), named
    with pytest.raises(so.InstanceError, match=r"gone\.yaml"):
        so.write_report(result, tmp_path / "brief.md", instance_file=tmp_path / "gone.yaml")


def test_python_writes_the_brief(result: so.Result, tmp_path: Path) -> None:
    so.write_report(result, tmp_path / "brief.md", budgets=[5e6])
    assert "20 t more below floors, survival gap +10M USD in embargo, from 2027" in (tmp_path / "brief.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("suffix", [".pdf", ".docx"])
def test_form_without_its_library_says_what_to_install(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda module: None if module in ("fpdf", "docx") else object())
    made = CliRunner().invoke(app, ["report", str(TINY), "--quick", "-o", f"brief{suffix}"])
    assert made.exit_code == ExitCode.USAGE
    assert "needs fpdf; in the project's folder run: pip install '.[report]'" in made.output


def test_command_computes_delays_unless_quick(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["report", str(TINY), "--json", "--budgets", "5M", "-o", str(tmp_path / "brief.md")])
    assert made.exit_code == 0, made.output
    parts = json.loads(made.stdout)["brief"]["parts"]
    assert parts["orders"]["values"][-1]["slip"].startswith("80 t more below floors, survival gap +40M USD")
    assert [row[0] for row in parts["alternatives"]["table"]["rows"]] == ["This plan", "Budget 5M USD", "Do nothing"]


# Several futures.


@pytest.fixture(scope="module")
def futures() -> so.FuturesResult:
    return so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml"))


def test_brief_of_futures_has_what_is_decided_first_and_the_least_and_the_most(futures: so.FuturesResult) -> None:
    """The plant, 40 t at 50k, comes first whatever happens; the extension, 60 t at 100k, where need is high."""
    found = make_futures_brief(instance_of(futures), futures).to_dict()
    assert found["sentence"].startswith(
        "With 2M USD of outlay in 2027, 2M to 8M USD over all years, every survival floor"
    )
    parts = found["parts"]
    rows = parts["orders"]["table"]["rows"]
    assert rows[0] == ["plant, 40 t/yr", "2", "2", "2027", "2028", "every future"]
    # Of all years 2M of the plant in either future, and 6M of the extension where need is high.
    assert [row[:3] for row in rows[1:]] == [["Later decisions, from 2028 on", "–", "0 to 6"]]
    assert parts["orders"]["strong"] == []
    assert (
        "; in all, outlay included, the plan is expected to cost 5M USD more than the cheapest plan of a world"
        in found["sentence"]
    )
    assert found["notes"] == [FLOORS_NOTE]
    assert parts["money"]["table"]["rows"] == [["2027", "2", "2"], ["2028", "–", "6"]]
    # Where need is low, the floor is 40 % of 100 t: 60 t at 500k go unserved, and it holds.
    assert parts["survival"]["table"]["rows"] == [
        ["low", "50 %", "✓ 1 of 1", "0", "30"],
        ["high", "50 %", "✓ 1 of 1", "0", "0"],
    ]
    assert parts["worst"]["sentences"][0] == "embargo (2029), in the future low."


def test_brief_of_futures_does_not_say_where_most_goes_unserved_where_nothing_does() -> None:
    found = so.solve_futures(so.load(ROOT / "examples" / "order_or_wait.yaml"))
    part = make_futures_brief(instance_of(found), found).to_dict()["parts"]["unserved"]
    assert part["sentences"] == ["In no shock does any demand go unserved."]


def test_brief_of_a_measure_over_one_future_names_no_future() -> None:
    data = so.load(TINY).to_dict()
    data["policy"] = {**data.get("policy", {}), "objective": {"cvar": 0.8}}
    for shock in data["shocks"].values():
        shock["probability"] = 0.1
    instance = so.read(data)
    found = make_futures_brief(instance, so.solve_futures(instance)).to_dict()["parts"]
    assert "In" not in [head["title"] if isinstance(head, dict) else head for head in found["orders"]["table"]["head"]]
    assert not [words for words in ("every future", "1 of 1 future") if words in str(found)]


@pytest.mark.parametrize(
    ("objective", "start"), [("expected", "Plans"), ("worst", "By expected cost, not by largest cost: plans")]
)
def test_brief_of_a_single_future_names_what_plans_that_are_nearly_as_cheap_have_in_common(
    objective: str, start: str
) -> None:
    # A tenth of the price of survival, 13.6M: both are needed, for neither the plant nor 100 t in store are enough. A
    # second reserve is in some plans only.
    second = {"kind": "stockpile", "commodity": "magnet", "price": "66k", "holding_cost": 5000, "max_size": 10}
    instance = so.load(TINY, {"policy.objective": objective, "options.second": second})
    near = so.alternatives(instance, plans=0, settings=Settings(jobs=1))
    part = make_futures_brief(instance, so.solve_futures(instance), studies=[near]).to_dict()["parts"]["alternatives"]
    said = "that cost up to 1.36M USD more than the cheapest have in common: home magnet plant, magnet reserve."
    assert part["sentences"] == [f"{start} {said}"]


def test_sizes_that_differ_between_futures_are_from_the_least_to_the_most() -> None:
    """Regret is equal at 4 t, bought in 2027 at 60 in both futures; the one with the need buys 6 t more in 2028 at 100.

    In the order of the futures, and of the equal outlays of 2027, the sizes would be 10 t to 4 t.
    """
    data = yaml.safe_load((ROOT / "tests" / "cases" / "futures" / "hand_regret.yaml").read_text(encoding="utf-8"))
    data["options"] = {"reserve": {"kind": "stockpile", "commodity": "m", "price": {2027: 60, 2028: 100}}}
    instance = so.read(data)
    brief = make_futures_brief(instance, so.solve_futures(instance)).to_dict()
    assert [row[0] for row in brief["parts"]["orders"]["table"]["rows"]] == ["reserve, 4 t to 10 t"]


def test_futures_without_floors_are_not_said_to_survive() -> None:
    """Nothing has to be served in either future, so that no shock can fail, and that says nothing of a plan."""
    data = yaml.safe_load((ROOT / "tests" / "cases" / "futures" / "hand_regret.yaml").read_text(encoding="utf-8"))
    del data["futures"]["need"]["branches"]["high"]["set"]
    instance = so.read(data)
    result = so.solve_futures(instance)
    assert futures_headline(result) == "HAS NO FLOORS TO KEEP, so no shock can fail"
    found = make_futures_brief(instance, result).to_dict()
    assert "no shock has a survival floor, so none can fail" in found["sentence"]


def test_brief_of_futures_has_what_deciding_later_is_worth_where_that_is_known(futures: so.FuturesResult) -> None:
    """By hand in `docs/how-to/value-of-information.md`: 600k and 1.2M."""
    found = so.futures_study(instance_of(futures), settings=Settings(accuracy=0, jobs=1))

    def alternatives(studies: Sequence[Any]) -> dict[str, Any]:
        made = make_futures_brief(instance_of(futures), futures, studies=studies).to_dict()
        part: dict[str, Any] = made["parts"]["alternatives"]
        return part

    part = alternatives([found])
    worth = "Deciding later what can wait is worth 600k USD; knowing every answer at the start 1.2M USD."
    assert part["sentences"] == [worth]
    assert "deciding later is worth" not in part["missing"] + part["lacks"]
    assert "deciding later is worth" in alternatives([])["missing"]


def test_the_caption_of_a_stage_has_one_mark_behind_each_sentence() -> None:
    found = so.solve_futures(so.load(TINY.parent.parent / "examples" / "order_or_wait.yaml"))
    (_, stage) = futures_book(found, make_futures_brief(instance_of(found), found))["stages"]
    assert stage["caption"] == "demand: Does demand double? Nothing is bought from 2028 to 2029 in: stays."


def test_every_future_has_a_brief_of_its_own_and_what_delays_do(futures: so.FuturesResult) -> None:
    """Without the plant, where need is high the extension gives 60 t from 2029 on: the floor, 40 % of 100 t, holds."""
    delays = find_futures_delays(futures, Settings())
    assert {name: len(found) for name, found in delays.items()} == {"high": 1, "low": 1}
    data = futures_book(futures, make_futures_brief(instance_of(futures), futures, delays=delays), delays=delays)
    (high, low) = data["briefs"]
    assert (high["future"], low["label"]) == ("high", "low, 50 %")
    assert high["brief"]["parts"]["money"]["table"]["rows"] == [["2027", "2"], ["2028", "6"]]
    assert low["brief"]["parts"]["money"]["table"]["rows"] == [["2027", "2"]]
    assert data["brief"]["parts"]["orders"]["table"]["head"][-1] == "If ordered a year later"
    assert data["brief"]["parts"]["orders"]["missing"] == ""
    page_text = futures_page(futures, data)
    assert page_text.count('<option value="high"') == page_text.count('data-future="high"') == 1
    assert [text for text in texts(high["brief"]) if flat(text) not in flat(unescape(page_text))] == []


def test_decision_of_one_future_says_so(futures: so.FuturesResult) -> None:
    high, low = futures.futures
    none = replace(low, result=replace(low.result, plan=Plan()))
    found = make_futures_brief(instance_of(futures), replace(futures, futures=(high, none))).to_dict()
    assert found["parts"]["orders"]["table"]["rows"][0] == [
        "plant, 40 t/yr",
        "2",
        "2",
        "2027",
        "2028",
        "1 of 2 futures",
    ]
    sums = next(row for row in found["parts"]["orders"]["table"]["rows"] if row[0].startswith("Together"))
    assert sums[1:3] == ["0 to 2", "0 to 2"]


SUPPORTED = """
name: supported
horizon: {start: 2026, end: 2028, step: year}
home: home
commodities: {magnet: {}}
processes:
  works: {region: home, output: {magnet: 1}, capacity: 40, cost: 10, support: 100, min_utilisation: 1}
  imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 20}
demands: {motors: {commodity: magnet, quantity: 100, survival: 0.6, shortage_cost: 1000}}
options:
  plant: {kind: refining, output: {magnet: 1}, capex: 50, cost: 30, max_size: 100}
shocks:
  embargo: {start: 2027, months: 12, probability: 0.1, cuts: [{region: rival, severity: 1}]}
"""


def test_price_support_of_existing_processes_is_outlay_of_its_year_and_no_purchase() -> None:
    # 40 t at 100 USD every year: 4,000 USD. The plant, 60 t at 50 USD, adds 3,000 USD in 2026: 15,000 USD in all.
    instance = so.read(yaml.safe_load(SUPPORTED))
    said = narrative.answer_sentence(instance, so.solve(instance))
    assert said.startswith("With 1 project for 15k USD of outlay (12k USD of it price support of existing processes),")
    idle = narrative.answer_sentence(instance, so.solve(so.without(instance, "plant")))
    assert idle.startswith(
        "With nothing bought and 12k USD of price support of existing processes, survival floors fail"
    )
    parted = yaml.safe_load(SUPPORTED) | {"futures": {"q": {"from": 2028, "branches": {"a": {}, "b": {}}}}}
    found = so.solve_futures(so.read(parted))
    said = make_futures_brief(instance_of(found), found).sentence
    assert said.startswith("With 7,000 USD of outlay in 2026, 15k USD over all years,")


def test_doing_nothing_still_pays_the_support_of_existing_processes_by_hand() -> None:
    """The works run at full: 40 t at 100 USD in each of 3 years are 12,000 USD, also where nothing is bought."""
    instance = so.read(yaml.safe_load(SUPPORTED))
    result = so.solve(instance)
    points = frontier(instance, result, [12e3])
    for known, outlay in ((points, pytest.approx(12e3)), (None, None)):
        found = part(make_brief(instance, result, frontier=known), "alternatives")
        assert (found["values"][-1]["plan"], found["values"][-1]["outlay"]) == ("Do nothing", outlay)
        assert "–: not computed." in found["table"]["caption"] or known is not None


def test_brief_of_another_measure_has_the_parts_of_one_plan(tmp_path: Path) -> None:
    """60 t of the plant at 50 USD and 30 USD a tonne spare a shortage of 60 t at 1,000 USD in the tail."""
    measured = yaml.safe_load(SUPPORTED.replace(", support: 100, min_utilisation: 1", ""))
    found = so.solve_futures(so.read(measured | {"policy": {"objective": {"cvar": 0.95}}}))
    parts = make_futures_brief(instance_of(found), found).to_dict()["parts"]
    assert parts["orders"]["table"]["rows"][0][:2] == ["plant, 60 t/yr", "0.003"]
    assert [row[:1] for row in parts["survival"]["table"]["rows"]] == [["embargo"]]
    assert parts["money"]["table"]["head"] == ["Year", ">Outlay, M USD"]
    so.write_report(found, tmp_path / "page.html")
    page_text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page_text.count('id="with-years"') == 1


@pytest.mark.parametrize("suffix", [".html", *BRIEF_FORMS])
def test_brief_of_futures_is_written_in_every_form(futures: so.FuturesResult, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"brief{suffix}"
    so.write_report(futures, file)
    brief = make_futures_brief(instance_of(futures), futures).to_dict()
    is_text = suffix in (".html", ".md")
    written = read(unescape(file.read_text(encoding="utf-8")) if is_text else file.read_bytes(), suffix)
    assert [text for text in texts(brief) if flat(text) not in flat(written)] == []


def test_futures_without_comments_say_how_to_have_sources(futures: so.FuturesResult) -> None:
    part = make_futures_brief(instance_of(futures), futures).to_dict()["parts"]["confidence"]
    assert part["table"] is None
    assert "name it by --instance" in part["missing"]


@pytest.mark.parametrize(
    ("budgets", "left"),
    [
        (("policy.budget=20M",), "12M to 18M USD of the budget is left."),
        (("policy.budget=8M",), "6M USD of the budget is left in 1 of 2 futures."),
        ((), None),
    ],
)
def test_brief_of_futures_says_what_a_gap_is_and_what_is_left_of_budgets(
    budgets: tuple[str, ...], left: str | None
) -> None:
    """2M are spent in `low` and 8M in `high`."""
    found = so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml", list(budgets)))
    assert make_futures_brief(instance_of(found), found).to_dict()["notes"] == [FLOORS_NOTE, *filter(None, [left])]


def test_futures_say_what_is_short_without_any_shock(futures: so.FuturesResult) -> None:
    high, low = futures.futures
    lacks = {"motors": Lack(0.25, "2027", 25.0)}
    short = replace(low, result=replace(low.result, lacks=lacks))
    notes = make_futures_brief(instance_of(futures), replace(futures, futures=(high, short))).to_dict()["notes"]
    assert notes[1] == "In 1 of 2 futures demand goes unserved without a shock, in low."
    assert notes[2].startswith("Unserved already without a shock: motors, 2027, up to 25 %.")


def test_expected_shocks_below_zero_are_explained() -> None:
    """The shock of 2027 cuts nothing that serves: 50 t of stock stand in for imports at 60k, and half of that counts.
    The stock is in store: without shocks it is of no use."""
    store = ["options.reserve.initial=50", "options.reserve.fill_rate=0", "options.reserve.holding_cost=0"]
    cut = ["shocks.embargo.start=2027", "shocks.embargo.cuts=[{region: rival, severity: 0.1}]"]
    instance = so.load(TINY, [*store, *cut, "shocks.embargo.probability=0.5"])
    found = so.solve(instance)
    assert found.costs["expected shocks"] == pytest.approx(-0.5 * 50 * 60e3)
    said = part(make_brief(instance, found), "money")["sentences"]
    assert said[-1].startswith("Expected shocks below zero: they cost less than the baseline"), said
    given = so.load(TINY, [*store, *cut, "shocks.embargo.probability=0.5", "options.reserve.release_cost=65k"])
    assert "below zero" not in str(part(make_brief(given, so.solve(given)), "money")["sentences"])
