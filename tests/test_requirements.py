"""Stockpile requirements: a shortfall, amounts to hold and their cost that are derived by hand, and what is refused."""

import io
import json
import re
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.instance.altered import with_starts_moved, with_window_lengths, without_probabilities
from optimizer.report.document import requirements_page
from optimizer.report.excel import requirements_workbook
from optimizer.report.tables.requirements import funding_curve, requirement_facts, requirement_headline
from optimizer.results.frames import Frame
from optimizer.solver import Progress
from optimizer.studies.requirements import QUICK_NOTE, STOPPED_NOTE, find_requirements
from optimizer.studies.requirements_assessment import CLAUSES, upstream_stocks
from optimizer.studies.requirements_frames import NO_OPTION
from optimizer.studies.requirements_result import Requirements

ROOT = Path(__file__).parent.parent
TINY = str(ROOT / "instances" / "tiny.yaml")

# Two segments need magnets from China. A home plant makes 12 t a year, and 6 t are in stock. In the war of 2029 and
# 2030 China is cut off, and weapons need half as much again.
#
# Required    weapons 1.5 x 10 x 2 = 30 t, cars 0.5 x 40 x 2 = 40 t: 70 t
# Served      12 x 2 + 6 = 30 t, all of it to weapons, whose shortage costs more
# Shortfall   weapons 0, cars 40 t: a gap of 40 x 100k = 4M
# To hold     15 t a year can be bought in 2027 and in 2028 only: 30 t for 30k, so 36 t are held. 10 t are left: 1M
# To hold it  100 a t and year: 3.6k a year; (21 + 36 + 36 + 36) x 100 = 12.9k in all
# Half        15k buy 15 t, so that 25 t are left: 2.5M
WAR: Mapping[str, Any] = {
    "name": "war",
    "currency": "USD",
    "horizon": {"start": 2027, "end": 2030, "step": "year"},
    "home": "usa",
    "commodities": {"magnet": {}},
    "processes": {
        "home_plant": {"region": "usa", "output": {"magnet": 1}, "capacity": 12, "cost": 10},
        "imports": {"region": "china", "output": {"magnet": 1}, "capacity": 100, "cost": 1},
    },
    "demands": {
        "weapons": {"commodity": "magnet", "quantity": 10, "survival": 1, "shortage_cost": 1_000_000},
        "cars": {"commodity": "magnet", "quantity": 40, "survival": 0.5, "shortage_cost": 100_000},
    },
    "options": {
        "reserve": {
            "kind": "stockpile", "commodity": "magnet", "price": 1000, "holding_cost": 100, "fill_rate": 15,
            "max_size": 60, "initial": 6,
        },
        "works": {"kind": "refining", "output": {"magnet": 1}, "cost": 10, "capex": 50_000, "max_size": 50},
    },
    "shocks": {
        "war": {
            "start": 2029, "months": 24, "probability": 0.1, "cuts": [{"region": "china", "severity": 1}],
            "demand": {"weapons": 1.5}, "note": "as the planners have it",
        },
    },
}  # fmt: skip


def changed(**sections: Any) -> so.Instance:
    return so.read({**WAR, **sections})


@pytest.fixture(scope="module")
def war() -> Requirements:
    instance = so.read(WAR)
    return find_requirements(instance, so.solve(instance))


def table(found: Requirements, name: str) -> Frame:
    frame: Frame = found.frames.frame(name)
    return frame


def only(found: Requirements, name: str) -> dict[str, Any]:
    (row,) = table(found, name).rows()
    return row


def test_shortfall_and_amount_to_hold_are_those_worked_by_hand(war: Requirements) -> None:
    row = only(war, "materials")
    figures = ("requirement", "shortfall", "gap", "held", "hold", "buy", "spent", "holding_per_year", "left", "planned")
    expected = [70, 40, 4e6, 6, 36, 30, 30_000, 3_600, 10, 0]
    assert [row[name] for name in figures] == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert (row["worst_shock"], row["options"], row["upstream"]) == ("war", "reserve", "")
    assert [row["bought"] for row in table(war, "purchases").rows()] == pytest.approx([15, 15], rel=1e-5)
    held = only(war, "holdings")
    assert held["holding"] == pytest.approx(12_900, rel=1e-5)
    assert held["drawn"] == pytest.approx(36, rel=1e-5)
    assert held["years_to_buy"] == pytest.approx(36 / 15, rel=1e-5)
    # Without the purchases the gap is 4M, with them 1M.
    assert [held[name] for name in ("closes", "closes_low", "closes_high")] == pytest.approx([3e6] * 3, rel=1e-4)
    # 15 t are the most of each year before the war; there is no other stock to buy.
    assert (held["is_full"], held["full_until"], held["instead"]) == (False, "2028", 0)


@pytest.mark.parametrize(
    ("change", "until"),
    [
        # Of the 40 t that are short 25 t are bought in 2028 and 15 t in 2027, since holding them costs money.
        ({"fill_rate": 25}, None),
        # Of the one year in which purchases are allowed all is bought that the market sells.
        ({"earliest": 2028}, "2028"),
        ({"latest": 2027}, "2027"),
        ({"fill_rate": 0}, None),
        ({"fill_rate": None}, None),
    ],
)
def test_purchases_at_their_limit_are_those_from_the_first_year_they_may_be_made_in(change: Any, until: Any) -> None:
    instance = changed(options={"reserve": WAR["options"]["reserve"] | change})
    held = only(find_requirements(instance, so.solve(instance), is_quick=True), "holdings")
    assert (held["full_until"], held["is_full"]) == (until, False)


def test_a_stock_that_a_dearer_one_replaces_closes_no_gap_by_hand() -> None:
    # The 40 t that are short come from the reserve for 40k. Without it, the depot buys them at 1,300 a tonne: 52k.
    reserve = WAR["options"]["reserve"] | {"fill_rate": 40, "loss": 0}
    instance = changed(options={"reserve": reserve, "depot": reserve | {"price": 1300, "initial": 0}})
    found = find_requirements(instance, so.solve(instance))
    row, other = table(found, "holdings").rows()
    assert [row[name] for name in ("spent", "closes", "instead")] == pytest.approx([40_000, 0, 52_000], abs=1)
    assert (other["spent"], other["closes"], other["instead"]) == (0, None, None)
    said = "if it were not bought and the others were planned anew. In its place: what more the others then cost to buy"
    assert said in table(found, "holdings").note


def test_what_is_left_within_the_solver_s_error_is_nothing(war: Requirements) -> None:
    # 10 t of cars are left, of 40 t; a ten-millionth of them is no shortfall of a plan.
    def leaving(left: float) -> dict[str, Any]:
        def changed(outcome: Any) -> Any:
            cars = replace(outcome.segments["cars"], below_floor=left)
            return replace(outcome, segments={**outcome.segments, "cars": cars})

        stocks = replace(war.stocks, shocks=tuple(map(changed, war.stocks.shocks)))
        return only(replace(war, stocks=stocks), "materials")

    assert leaving(10)["left"] == pytest.approx(10)
    assert leaving(4e-6)["left"] == 0


def test_a_plan_of_another_instance_is_refused(war: Requirements) -> None:
    other = so.read(war.instance.to_dict() | {"discount_rate": 0.07})
    with pytest.raises(ValueError, match=r"result.*an instance with other discount_rate: solve this instance\."):
        find_requirements(other, war.result)


def test_a_segment_that_stocks_leave_shorter_is_explained() -> None:
    """Of 5 t of x a year, a takes all that its floor asks for while b lacks y; with a stock of y they go to b."""
    works = {"region": "usa", "capacity": 20, "cost": 1}
    instance = so.read(
        {
            **{key: WAR[key] for key in ("horizon", "currency", "home")},
            "commodities": {"x": {}, "y": {}, "a": {}, "b": {}},
            "processes": {
                "x_mine": {**works, "output": {"x": 1}},
                "y_imports": {"region": "china", "output": {"y": 1}, "capacity": 20, "cost": 1},
                "a_works": {**works, "input": {"x": 1}, "output": {"a": 1}},
                "b_works": {**works, "input": {"x": 1, "y": 1}, "output": {"b": 1}},
            },
            "demands": {
                "users_of_a": {"commodity": "a", "quantity": 10, "survival": 0.5, "shortage_cost": 1000},
                "users_of_b": {"commodity": "b", "quantity": 10, "survival": 0.5, "shortage_cost": 10_000},
            },
            "options": {
                "y_stock": {"kind": "stockpile", "commodity": "y", "price": 10, "fill_rate": 20, "max_size": 20}
            },
            "shocks": {
                "war": {
                    "start": 2029, "months": 12,
                    "cuts": [{"region": "china", "severity": 1}, {"process": "x_mine", "severity": 0.75}],
                }
            },
        }
    )  # fmt: skip
    frame = table(find_requirements(instance, so.solve(instance), is_quick=True), "needs")
    left = {row["segment"]: (row["shortfall"], row["left"]) for row in frame.rows()}
    assert left == {"users_of_a": pytest.approx((0, 5)), "users_of_b": pytest.approx((5, 0), abs=1e-4)}
    assert (
        "worst under that plan, which may be another; more than the shortfall where stocks of inputs go to a segment"
        in frame.note
    )


def test_what_is_left_of_a_segment_is_that_of_the_worst_shock_of_each_plan_by_hand() -> None:
    # In 2027 a ban leaves 12 + 6 of the 30 t required: 12 t short, since nothing can be bought in time. In the war 40 t
    # are short, and stocks leave 10 (see above): with stocks the ban is the worse one. The works cover either.
    ban = {"start": 2027, "months": 12, "cuts": [{"region": "china", "severity": 1}]}
    instance = changed(shocks={**WAR["shocks"], "ban": ban})
    found = find_requirements(instance, so.solve(instance), is_quick=True)
    (cars,) = (row for row in table(found, "needs").rows() if row["segment"] == "cars")
    by_segment, by_material = ([row[name] for name in ("shortfall", "left", "planned")]
                               for row in (cars, only(found, "materials")))  # fmt: skip
    assert by_segment == by_material == pytest.approx([40, 12, 0], rel=1e-5, abs=1e-5)


def test_each_segment_has_its_requirement_austerity_and_shortfall(war: Requirements) -> None:
    rows = {row["segment"]: row for row in table(war, "needs").rows()}
    figures = ("demand", "austerity", "requirement", "shortfall", "left", "planned", "shocks_short")
    assert [rows["weapons"][name] for name in figures] == pytest.approx([30, 0, 30, 0, 0, 0, 0], abs=1e-5)
    assert [rows["cars"][name] for name in figures] == pytest.approx([80, 40, 40, 40, 10, 0, 1], rel=1e-5)
    short = only(war, "shortfalls")
    assert (short["segment"], short["first"], short["last"]) == ("cars", "2029", "2030")
    assert short["unserved"] == pytest.approx(80, rel=1e-5)


def test_money_in_part_leaves_what_it_does_not_buy(war: Requirements) -> None:
    rows = list(table(war, "funding").rows())
    assert [row["share"] for row in rows] == [0, 0.25, 0.5, 0.75, 1]
    # Each quarter buys 7.5 t.
    assert [row["magnet"] for row in rows] == pytest.approx([40, 32.5, 25, 17.5, 10], rel=1e-4)
    assert [row["gap"] for row in rows] == pytest.approx([4e6, 3.25e6, 2.5e6, 1.75e6, 1e6], rel=1e-4)
    assert all(row["gap_low"] == pytest.approx(row["gap"]) for row in rows)


def test_the_figure_of_funding_has_shares_of_the_shortfall_and_of_the_gap_by_hand(war: Requirements) -> None:
    # Each quarter of the 30k buys 7.5 of the 40 t that fall short; all cars, so that the gap falls alike.
    shown = funding_curve(war)
    shares = pytest.approx([1, 32.5 / 40, 25 / 40, 17.5 / 40, 10 / 40], rel=1e-5)
    assert shown["money"] == pytest.approx([0, 7_500, 15_000, 22_500, 30_000], rel=1e-5)
    assert (shown["left"], shown["gap"]) == ({"magnet": shares}, shares)


def test_money_for_stocks_is_not_taken_from_price_support_by_hand() -> None:
    # The floor asks for 50 t in the embargo of 2027, the mine serves 20 t: 30 t at 500 are a gap of 15,000, and 30 t at
    # 2 are 60. The baseline of three years pays 3 x 20 x 4 = 240 of support, which would buy them four times over.
    instance = so.read({
        "name": "support and stocks",
        "currency": "USD",
        "horizon": {"start": 2026, "end": 2028, "step": "year"},
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {
            "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 120, "cost": 10},
            "mine": {"region": "home", "output": {"magnet": 1}, "capacity": 20, "cost": 5, "support": 4},
        },
        "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 500}},
        "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 2}},
        "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    })  # fmt: skip
    found = find_requirements(instance, so.solve(instance))
    assert found.nothing.outlay == pytest.approx(240)
    rows = list(table(found, "funding").rows())
    assert [row["money"] for row in rows] == pytest.approx([0, 15, 30, 45, 60])
    assert [row["gap"] for row in rows] == pytest.approx([15_000, 11_250, 7_500, 3_750, 0], abs=1e-3)
    assert [row["survived"] for row in rows] == [0, 0, 0, 0, 1]


def test_nothing_is_held_to_be_sold_by_hand() -> None:
    # 50 t fall short in the embargo of 2027, and cost 100 in 2026. A tonne bought at 2 is worth 0.9 x 20 = 18 in the
    # end, but of the 200 t that may be held 150 keep no floor.
    instance = so.read({
        "name": "a rising price",
        "currency": "USD",
        "horizon": {"start": 2026, "end": 2029, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 120, "cost": 10}},
        "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 500}},
        "options": {
            "reserve": {
                "kind": "stockpile", "commodity": "magnet", "price": {2026: 2, 2029: 20}, "max_size": 200,
                "salvage": 0.9,
            }
        },
        "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    })  # fmt: skip
    plan = so.solve(instance)
    assert max(plan.plan.stocks["reserve"]) == pytest.approx(200)
    found = find_requirements(instance, plan)
    row = only(found, "materials")
    assert [row[name] for name in ("hold", "buy", "spent", "left")] == pytest.approx([50, 50, 100, 0], abs=1e-6)
    # A year earlier nothing can be bought in time, so that nothing is.
    (earlier,) = (row for row in table(found, "cases").rows() if row["case"] == "all shocks a year earlier")
    assert [earlier[name] for name in ("gap", "spent", "gap_left")] == pytest.approx([25_000, 0, 25_000], abs=1e-6)
    assert table(found, "funding").note.startswith("Of 1 shock. Gap: ")


def test_other_conflicts_have_their_own_shortfall_and_stock(war: Requirements) -> None:
    rows = {row["case"]: row for row in table(war, "cases").rows()}
    half = rows["windows half as long"]
    # One year: 15 + 20 required, 12 + 6 served.
    assert half["magnet shortfall"] == pytest.approx(17, rel=1e-5)
    assert (half["reserve hold"], half["magnet left"]) == pytest.approx((23, 0), rel=1e-5, abs=1e-5)
    # In 2028 and 2029: only 2027 is left to buy in.
    earlier = rows["all shocks a year earlier"]
    assert (earlier["magnet shortfall"], earlier["reserve hold"], earlier["magnet left"]) == pytest.approx(
        (40, 21, 25), rel=1e-5
    )
    # Of the year after 2030 nothing is known: what is left of the window is as above.
    assert rows["all shocks a year later"]["magnet shortfall"] == pytest.approx(17, rel=1e-5)
    assert rows["windows twice as long"]["magnet shortfall"] == pytest.approx(40, rel=1e-5)
    assert any("24 of 48 months of shocks fit the horizon" in note for note in war.notes)


def test_supply_after_a_conflict_says_which_years_it_is_of_where_the_horizon_ends_early(war: Requirements) -> None:
    # Imports are cheaper than the plant: in 2031, the one year after, weapons take 10 t of them and cars 52 t.
    later = changed(
        horizon=WAR["horizon"] | {"end": 2031},
        demands=WAR["demands"] | {"cars": WAR["demands"]["cars"] | {"quantity": {2027: 40, 2031: 52}}},
    )
    found = find_requirements(later, so.solve(later), is_quick=True)
    row = only(found, "supply")
    assert (row["home_after"], row["abroad_after"]) == pytest.approx((0, 62), abs=1e-5)
    assert found.notes == ("Supply after war: the horizon covers 1 of 3 years, 2031.", QUICK_NOTE)
    assert "Supply after war: the horizon ends with it, so that no year after it is covered." in war.notes
    enough = changed(horizon=WAR["horizon"] | {"end": 2033})
    assert find_requirements(enough, so.solve(enough), is_quick=True).notes == (QUICK_NOTE,)


def test_other_conflicts_are_those_beside_the_file_and_of_equal_costs_none_is_named() -> None:
    """Of tiny a reserve of 100 t, 6.5M, in all but the short windows, where 70 t are enough.

    Floors require 30 t in 2026 and 2027, 50 t in 2028, and 70 t from 2029 on. A tonne short costs 500k. Windows half as
    long leave nothing: 30 and 70 t. Twice as long, they require 220 and 140 t and leave 120 and 40 t: 80M. A year
    earlier, 60 t before anything is bought and 120 t leave 60 and 20 t: 40M. A year later, 120 and 70 t leave 10M.
    """
    instance = so.load(TINY)
    found = find_requirements(instance, so.solve(instance))
    said = dict(requirement_facts(found))["Other conflicts"]
    assert said == (
        "in 4 other cases stocks cost from 4.55M USD (windows half as long) to 6.5M USD (in 3 cases) and leave a "
        "survival gap of 0 to 80M USD"
    )
    alike = replace(found, cases=[case for case in found.cases if case.name.startswith("all shocks")])
    said = dict(requirement_facts(alike))["Other conflicts"]
    assert said == "in 2 other cases stocks cost 6.5M USD and leave a survival gap of 10M to 40M USD"


def test_where_nothing_can_be_held_no_cost_of_stocks_is_given() -> None:
    instance = changed(options={"works": WAR["options"]["works"]})
    found = find_requirements(instance, so.solve(instance))
    assert found.cases
    assert "Other conflicts" not in dict(requirement_facts(found))


def test_time_to_survive_in_the_worst_year_and_in_the_first_year_of_a_shock_by_hand(war: Requirements) -> None:
    # A year requires 10 + 0.5 x 40 = 30 t, of which the plant makes 12: the 6 t in stock last 6/18 of a year. In 2029
    # the plan has 36 t and works of 5 t a year, for the 10 t of the war that no stock can cover: 36/13 of a year.
    row = next(row for row in table(war, "times").rows() if row["cuts"] == "region china")
    assert [row["year"], row["months"], row["planned"]] == pytest.approx([2027, 4, 4], rel=1e-4)
    assert [row[f"first_{name}"] for name in ("year", "months", "planned")] == pytest.approx(
        [2029, 4, 12 * 36 / 13], rel=1e-4
    )
    # With the surge of the war a year requires 15 + 20 = 35 t, and the 6 t last 6/23 of a year, 3.1 months.
    assert "surge, floors and reliability of deals. Floors may hold for less time with the surge of war." in (
        table(war, "times").note
    )
    calm = changed(shocks={"war": {key: value for key, value in WAR["shocks"]["war"].items() if key != "demand"}})
    assert "Of a shock only the cuts" not in table(replace(war, instance=calm), "times").note


def test_a_quick_study_leaves_the_clauses_open_that_it_does_not_answer(war: Requirements) -> None:
    whole = [row["answer"] for row in table(war, "clauses").rows()]
    assert whole == [clause.answer for clause in CLAUSES]
    quick = find_requirements(war.instance, war.result, is_quick=True)
    rows = [row for row, answer in zip(table(quick, "clauses").rows(), whole, strict=True) if row["answer"] != answer]
    assert {row["place"]: row["answer"] for row in rows} == {
        "98h-5(d)": "left out",
        "98h-5(f)(2)(A)": "in part",
        "98h-5(f)(2)(B)": "in part",
        "98h-5(f)(2)(C)": "in part",
    }
    assert [row["reason"].partition(". ")[0] for row in rows[1:]] == [
        "Left out or incomplete (--quick, or stopped): funding; holdings: Gap that it closes",
        "Left out or incomplete (--quick, or stopped): funding: Money for stocks.",
        "Left out or incomplete (--quick, or stopped): times",
    ]
    assert QUICK_NOTE in quick.notes
    stopped = table(replace(war, stopped=True), "clauses").rows()
    assert {row["place"]: row["answer"] for row in stopped}["98h-5(d)"] == "in part"


def test_the_page_links_each_table_that_answers_a_clause_and_has_its_columns(war: Requirements) -> None:
    page = requirements_page(war)
    law = page.partition('<section id="clauses"')[2].partition("</section>")[0]
    assert '<a href="#materials">Shortfall and amount to hold, by material</a>: To buy' in law
    assert '“<a href="#needs">Requirement and shortfall, by segment</a>: Left with the plan”' in law
    assert not re.search(r"\b(materials|needs|shortfalls|assumptions|cases|times)(\.[a-z]|: )", law)
    for name, column in (key.split(".") for clause in CLAUSES for key in clause.where if "." in key):
        head = next(each.head.replace("\n", " ") for each in table(war, name).columns if each.name == column)
        section = page.partition(f'<section id="{name}"')[2].partition("</thead>")[0]
        assert re.search(rf"<th[^>]*>{re.escape(head)}(,[^<]*)?</th>", section), (name, column)


def test_the_workbook_has_a_mark_for_floors_that_hold_for_ever_and_says_what_empty_cells_are(war: Requirements) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    assert war.times is not None
    endless = [
        replace(each, after=[replace(time, months=float("inf")) for time in each.after]) for each in war.times.exposures
    ]
    found = replace(war, times=replace(war.times, exposures=tuple(endless)))
    book = openpyxl.load_workbook(io.BytesIO(requirements_workbook(found)))
    rows = list(book["times"].iter_rows(min_row=5, values_only=True))
    assert {(row[5], row[-1]) for row in rows} == {("∞", "∞")}
    assert {row["planned"] for row in found.to_dict()["times"]} == {None}
    assert "∞: for ever; empty cell: no plan" in book["times"]["A2"].value
    quick = openpyxl.load_workbook(io.BytesIO(requirements_workbook(replace(war, unfunded={}))))
    assert "buy; empty cell: nothing of it is bought" in quick["holdings"]["A2"].value
    assert "audit: disagreements" not in [cell.value for cell in book["run"]["A"]]


def test_assumptions_and_supply_of_the_conflict(war: Requirements) -> None:
    row = only(war, "assumptions")
    assert (row["mobilisation"], row["months"], row["events"]) == (24, 24, 1)
    assert (row["cuts"], row["surge"], row["note"]) == ("region china", "weapons ×1.5", "as the planners have it")
    supply = only(war, "supply")
    # 50 t a year in the baseline, of which imports, the cheaper, make all.
    assert (supply["home_before"], supply["abroad_before"]) == pytest.approx((0, 50))
    assert (supply["home"], supply["abroad"]) == pytest.approx((12, 0), rel=1e-5, abs=1e-5)
    assert supply["home_after"] is None


def test_two_materials_in_quarters_by_hand() -> None:
    """In the war of 2028 magnets lack 20 - 12 = 8 t; in the halt of half a year oxide lacks 0.5 x 8 / 2 = 2 t.

    The market sells 2 t of magnets a quarter: all four quarters of 2027 for 8k. Held in all: (2 + 4 + 6 + 9 x 8) / 4 x
    100 = 2.1k. In 2027 imports make all magnets; in 2029 they make 5 t and the plant 12 t: 12/17, HHI 169/289.
    """
    instance = changed(
        horizon={"start": 2027, "end": 2029, "step": "quarter"},
        commodities={"magnet": {}, "oxide": {}},
        processes={
            "home_plant": WAR["processes"]["home_plant"],
            "imports": WAR["processes"]["imports"] | {"capacity": {2028: 100, 2029: 5}},
            "kiln": {"region": "usa", "output": {"oxide": 1}, "capacity": 40, "cost": 2},
        },
        demands={
            "weapons": {"commodity": "magnet", "quantity": 20, "survival": 1, "shortage_cost": 1_000_000},
            "paint": {"commodity": "oxide", "quantity": 8, "survival": 0.5, "shortage_cost": 100_000},
        },
        options={"reserve": WAR["options"]["reserve"] | {"fill_rate": 8, "initial": 0}},
        shocks={
            "war": {"start": 2028, "months": 12, "cuts": [{"region": "china", "severity": 1}]},
            "halt": {"start": "2028Q3", "months": 6, "cuts": [{"process": "kiln", "severity": 1}]},
        },
    )
    found = find_requirements(instance, so.solve(instance))
    row = only(found, "holdings")
    figures = [row[name] for name in ("hold", "spent", "holding", "drawn", "years_to_buy")]
    assert figures == pytest.approx([8, 8000, 2100, 8, 1])
    assert (row["first"], row["last"], row["full_until"]) == ("2027Q1", "2027Q4", "2027Q4")
    magnet = next(table(found, "chain").rows())
    assert [magnet[name] for name in ("region", "region_last", "region_planned")] == ["china", "usa", "usa"]
    assert [magnet[name] for name in ("share", "hhi", "share_last", "hhi_planned")] == pytest.approx(
        [1, 1, 12 / 17, 169 / 289]
    )
    short = [(row["segment"], row["shock"], round(row["shortfall"], 3)) for row in table(found, "shortfalls").rows()]
    assert short == [("weapons", "war", 8), ("paint", "halt", 2)]
    # A case counts as short where one of its materials is: the war alone takes the whole reserve.
    war = next(row for row in table(found, "cases").rows() if row["case"] == "war")
    assert (war["spent"], war["reserve hold"], war["oxide shortfall"]) == pytest.approx((8000, 8, 0))
    assert "Supply after war: the horizon covers 1 of 3 years, 2029Q1 to 2029Q4." in found.notes


def test_what_a_recipe_makes_is_neither_made_at_home_nor_abroad_by_hand() -> None:
    """The plant's 12 t a year are clean magnets, which a recipe without a region gives out; imports make 38 of 50 t."""
    clean = {**WAR["processes"]["home_plant"], "output": {"clean": 1}, "cost": 0}
    recipe = {"input": {"clean": 1}, "output": {"magnet": 1}, "capacity": 100}
    processes = {"home_plant": clean, "recipe": recipe, "imports": WAR["processes"]["imports"]}
    instance = changed(commodities={"clean": {}, "magnet": {}}, processes=processes)
    supply = only(find_requirements(instance, so.solve(instance), is_quick=True), "supply")
    assert (supply["home_before"], supply["abroad_before"]) == pytest.approx((0, 38))
    assert (supply["home"], supply["abroad"]) == pytest.approx((0, 0), abs=1e-5)
    # Where a recipe alone makes the material, nothing is known.
    alone = changed(commodities={"clean": {}, "magnet": {}}, processes={"home_plant": clean, "recipe": recipe})
    assert only(find_requirements(alone, so.solve(alone), is_quick=True), "supply")["abroad_before"] is None


def test_where_every_sample_may_fail_needs_are_those_of_the_shock_that_requires_most_by_hand() -> None:
    """No sample counts, so that nothing falls short; of 2029 and 2030 alike, floors require 10 + 0.5 x 40 t a year."""
    cuts = [{"region": "china", "severity": 1}]
    drawn = {"wars": {"count": 2, "survive": 0, "start": 2029, "months": 24, "cuts": cuts}}
    instance = changed(shocks={}, ensembles=drawn)
    rows = list(table(find_requirements(instance, so.solve(instance), is_quick=True), "needs").rows())
    assert [row["requirement"] for row in rows] == pytest.approx([20, 40])
    # The window of a sample that may fail has no shortfall in the table, as in the gap.
    assert [row["shocks_short"] for row in rows] == [0, 0]


def test_a_sample_that_may_fail_under_a_plan_leaves_no_shortfall_there_by_hand() -> None:
    """One of two samples must be survived: with nothing that of 2027, 10 t; with stocks that of 2029."""
    cuts = [{"region": "china", "severity": 1}]
    drawn = {"wars": {"count": 2, "seed": 1, "survive": 0.5, "start": [2027, 2029], "months": 12, "cuts": cuts}}
    demand = {"commodity": "magnet", "quantity": {2027: 10, 2029: 20}, "survival": 1, "shortage_cost": 1000}
    reserve = {"kind": "stockpile", "commodity": "magnet", "price": 1}
    instance = so.read({
        "horizon": {"start": 2027, "end": 2029, "step": "year"}, "commodities": {"magnet": {}}, "ensembles": drawn,
        "processes": {"imports": {"region": "china", "output": {"magnet": 1}, "capacity": 100}},
        "demands": {"all": demand}, "options": {"reserve": reserve},
    })  # fmt: skip
    found = find_requirements(instance, so.solve(instance), is_quick=True)
    row = only(found, "shortfalls")
    assert (row["first"], row["shortfall"], row["left"], row["planned"]) == ("2027", pytest.approx(10), None, None)
    assert only(found, "materials")["left"] == 0
    assert table(found, "shortfalls").note.endswith("–: a sample that fails under that plan, and may.")
    # With nothing bought both samples fall short: one counts, the other may fail. Bought stocks serve one of the two.
    facts = dict(requirement_facts(find_requirements(instance, so.solve(instance))))
    assert facts["Shortfall"].startswith("in 1 of 2 shocks with nothing bought, beside 1 sample that may fail, with a")
    assert facts["To hold"].endswith("That leaves no shortfall, beside 1 sample that may fail")
    assert facts["With the plan"].endswith("leaves no shortfall, beside 1 sample that may fail")
    found = find_requirements(instance, so.solve(instance))
    funded = table(found, "funding")
    assert ([row["survived"] for row in funded.rows()], "Samples that fail and may are" in funded.note) == (
        [0, 0, 0, 0, 1],
        True,
    )
    assert table(found, "cases").note.endswith(
        "samples that may fail count only where windows differ from those of the file."
    )


def test_each_event_of_an_ensemble_has_assumptions_of_its_own_by_hand() -> None:
    # The gale takes 0.3 of the plant for 12 months, the ban all of China for 24. In yearly periods the gale's
    # list reaches beyond its window.
    gale = {
        "months": 12,
        "cuts": [{"process": "home_plant", "severity": [0.3, 0.4, 0.5, 0.6]}],
        "demand": {"cars": 0.9},
    }
    ban = {
        "name": "a ban", "months": 24, "deliberate": True, "note": "worse",
        "cuts": [{"region": "china", "severity": 1}], "demand": {"weapons": 1.5},
        "survival": {"cars": 0.8}, "cost": {"home_plant": 2},
    }  # fmt: skip
    drawn = {"count": 8, "seed": 1, "start": [2027, 2029], "note": "drawn", "events": {"gale": gale, "ban": ban}}
    instance = changed(shocks={}, ensembles={"drawn": drawn})
    found = find_requirements(instance, so.solve(instance), is_quick=True)
    rows = {row["shock"]: row for row in table(found, "assumptions").rows()}
    assert {name: row["entry"] for name, row in rows.items()} == {
        "drawn: gale": "drawn/gale",
        "drawn: a ban": "drawn/ban",
    }
    assert sum(row["events"] for row in rows.values()) == 8
    columns = ("months", "deliberate", "cuts", "surge", "floors", "costs", "note")
    assert [[row[column] for column in columns] for row in (rows["drawn: gale"], rows["drawn: a ban"])] == [
        [12, False, "process home_plant by 30 %", "cars ×0.9", "", "", "drawn"],
        [24, True, "region china", "weapons ×1.5", "cars 0.8", "home_plant ×2", "worse"],
    ]


def test_a_severity_beyond_the_window_is_not_lost_by_hand() -> None:
    # Neither window reaches the third year of the list.
    profile = [0.1, 0.1, 0.9, 0.9]
    shocks = {"ban": {"start": 2029, "grid": {"months": [12, 24]}, "cuts": [{"region": "china", "severity": profile}]}}
    instance = changed(shocks=shocks)
    row = only(find_requirements(instance, so.solve(instance), is_quick=True), "assumptions")
    assert (row["events"], row["months"], row["cuts"]) == (2, 24, "region china by 10 %")


def test_scenarios_and_single_shocks_are_cases() -> None:
    strike = {"start": 2027, "months": 12, "cuts": [{"process": "home_plant", "severity": 1}]}
    instance = changed(
        shocks={**WAR["shocks"], "strike": strike},
        scenarios={
            "larger": {"demands.cars.quantity": 50},
            "calm": {"shocks": {}},
            "poor": {"policy.budget": "1M", "ranges": {}},
            "bare": {"demands.cars.survival": 0, "demands.weapons.survival": 0},
            "late": {"demands.cars.survival": {2029: 0, 2030: 0.5}, "demands.weapons.survival": 0},
        },
    )
    found = find_requirements(instance, so.solve(instance))
    rows = {(row["kind"], row["case"]): row for row in table(found, "cases").rows()}
    assert rows["one shock", "war"]["magnet shortfall"] == pytest.approx(40, rel=1e-5)
    # Imports cover the strike: nothing is short, so nothing is bought.
    row = rows["one shock", "strike"]
    assert (row["gap"], row["spent"], row["gap_left"]) == (0, 0, 0)
    # Ten more cars a year ask for 0.5 x 10 x 2 = 10 t more.
    assert rows["scenario", "larger"]["magnet shortfall"] == pytest.approx(50, rel=1e-5)
    assert ("scenario", "calm") not in rows
    assert "Scenario, calm: there is no shock within the horizon." in found.notes
    # Budgets and floors of nothing make no other conflict.
    assert {case for kind, case in rows if kind == "scenario"} == {"larger", "late"}
    why = "since they are the file as it is, or change nothing but rules, the budget or other options"
    assert f"Scenarios left out, {why}: poor." in found.notes
    assert "Scenarios left out, since they have no floor that could fail: bare." in found.notes


def test_a_case_of_several_starts_is_one_family_and_its_gap_a_sum() -> None:
    ban = {"months": 12, "cuts": [{"region": "china", "severity": 1}]}
    strike = {"start": 2027, "months": 12, "cuts": [{"process": "home_plant", "severity": 1}]}
    instance = changed(shocks={"ban": {"start": [2027, 2028], **ban}, "strike": strike})
    rows = {row["case"]: row for row in table(find_requirements(instance, so.solve(instance)), "cases").rows()}
    assert {case: (row["kind"], row["shocks"]) for case, row in rows.items() if case in ("ban", "strike")} == {
        "ban": ("one family", 2),
        "strike": ("one shock", 1),
    }
    alone = [
        next(iter(table(find_requirements(other, so.solve(other)), "cases").rows()))["gap"]
        for other in (changed(shocks={"ban": {"start": year, **ban}}) for year in (2027, 2028))
    ]
    assert rows["ban"]["gap"] == pytest.approx(sum(alone))
    assert min(alone) > 0


def test_a_case_of_one_shock_has_no_samples_and_one_of_samples_no_other_shock_by_hand() -> None:
    # Of 30 t a year the home plant makes 12 t, and 6 t are held. A year of the ban in 2028 is 12 t short, which are
    # bought in 2027; two years from 2029 on are 30 t short, which are bought at the full rate in 2027 and 2028.
    cut = {"cuts": [{"region": "china", "severity": 1}]}
    instance = changed(
        shocks={"ban": {"start": 2028, "months": 12, **cut}},
        ensembles={"drawn": {"count": 2, "seed": 1, "start": [2029], "events": {"long": {"months": 24, **cut}}}},
    )
    rows = {row["case"]: row for row in table(find_requirements(instance, so.solve(instance)), "cases").rows()}
    figures = ("magnet shortfall", "reserve hold", "spent", "gap_left")
    expected = {"all shocks": (3, 30, 36, 30_000), "ban": (1, 12, 18, 12_000), "drawn": (2, 30, 36, 30_000)}
    for case, (shocks, *amounts) in expected.items():
        assert rows[case]["shocks"] == shocks
        assert [rows[case][name] for name in figures] == pytest.approx([*amounts, 0], rel=1e-5, abs=1e-5)


def test_a_material_without_a_stock_says_so_and_names_stocks_of_what_it_is_made_of() -> None:
    instance = changed(
        commodities={"magnet": {}, "alloy": {}, "ore": {}},
        processes={
            **WAR["processes"],
            "press": {"region": "usa", "input": {"alloy": 1}, "output": {"magnet": 1}, "capacity": 100, "cost": 1},
            "mine": {"region": "usa", "output": {"ore": 1}, "capacity": 1, "cost": 1},
        },
        options={"reserve": {**WAR["options"]["reserve"], "commodity": "alloy"}},
    )
    found = find_requirements(instance, so.solve(instance), is_quick=True)
    # Ore, which no segment needs and no stock holds, has no row.
    magnet, alloy = table(found, "materials").rows()
    assert (magnet["hold"], magnet["options"], magnet["upstream"]) == (None, NO_OPTION, "reserve")
    assert (
        "–: no segment uses it as it is, and a stock of it serves what is made of it" in table(found, "materials").note
    )
    # The alloy serves as the magnets did.
    assert (magnet["shortfall"], magnet["left"]) == pytest.approx((40, 10), rel=1e-5)
    assert (alloy["shortfall"], alloy["hold"]) == (None, pytest.approx(36, rel=1e-5))
    assert dict(requirement_facts(found))["No option"] == "the file has no option to hold: magnet"


def test_scrap_does_not_make_a_material_of_all_that_goes_into_the_goods() -> None:
    # Magnets are made of oxide and heavies, and leave scrap, of which oxide is made again: it is not made of heavies.
    works = {"region": "usa", "capacity": 100, "cost": 1}
    stock = {"kind": "stockpile", "price": 1}
    instance = changed(
        commodities={key: {} for key in ("ore", "oxide", "heavies", "scrap", "magnet")},
        processes={
            "mine": {**works, "output": {"ore": 1}},
            "separation": {**works, "input": {"ore": 1}, "output": {"heavies": 1, "oxide": 0.5}},
            "line": {**works, "input": {"oxide": 1, "heavies": 1}, "output": {"magnet": 1, "scrap": 0.5}},
            "recycling": {**works, "input": {"scrap": 1}, "output": {"oxide": 1}},
        },
        options={f"{c}_stock": {**stock, "commodity": c} for c in ("ore", "oxide", "heavies", "magnet")},
    )
    assert {c: upstream_stocks(instance, c) for c in ("oxide", "heavies", "magnet")} == {
        "oxide": ["ore_stock"],
        "heavies": ["ore_stock"],
        "magnet": ["ore_stock", "oxide_stock", "heavies_stock"],
    }


def test_the_report_of_2013_has_the_shortfalls_of_its_back_test() -> None:
    instance = so.load(ROOT / "examples" / "stockpile_2013.yaml")
    plan = so.solve(instance)
    found = find_requirements(instance, plan, is_quick=True)
    rows = {row["material"]: row for row in table(found, "materials").rows()}
    segments = plan.shocks[0].segments
    assert rows["y_oxide"]["shortfall"] == pytest.approx(segments["yttrium"].shortage) == pytest.approx(1500)
    assert rows["er_oxide"]["shortfall"] == pytest.approx(segments["erbium"].shortage) == pytest.approx(100)
    assert {row["options"] for row in rows.values()} == {NO_OPTION}


def test_probabilities_do_not_make_anyone_hold_more() -> None:
    sure = {"war": {**WAR["shocks"]["war"], "probability": 1.0}}
    instance = changed(shocks=sure)
    assert only(find_requirements(instance, so.solve(instance), is_quick=True), "materials")["hold"] == pytest.approx(
        36
    )


def test_a_gap_of_which_only_bounds_are_proven_is_shown_between_them(war: Requirements) -> None:
    facts = dict(requirement_facts(war))
    assert facts["Shortfall"] == "in 1 of 1 shock with nothing bought, with a survival gap of 4M USD"
    assert "a survival gap of 1M USD" in facts["To hold"]
    # The plan at hand, too, says what it leaves.
    assert (
        "leaves 1 shock short, a survival gap of 1M USD"
        in dict(requirement_facts(replace(war, result=war.stocks)))["With the plan"]
    )
    bounded = replace(war, stocks=replace(war.stocks, gap_bound=0.75e6))
    assert "a survival gap of 750k to 1M USD" in str(list(requirement_facts(bounded)))


def test_a_gap_of_several_shocks_is_said_to_be_a_sum_that_cannot_occur(war: Requirements) -> None:
    twice = replace(war.stocks, shocks=war.stocks.shocks * 2, survival_gap=2e6, gap_bound=2e6)
    said = dict(requirement_facts(replace(war, stocks=twice)))["To hold"]
    over = "summed over them; a measure for comparing plans, not a gap that can occur"
    assert f"2 shocks short, a survival gap of 2M USD {over}" in said


def test_where_nothing_falls_short_the_answer_says_so() -> None:
    instance = changed(shocks={"calm": {"start": 2029, "months": 12}})
    found = find_requirements(instance, so.solve(instance))
    assert requirement_headline(found) == "Nothing falls short: with nothing bought, every floor of 1 material is kept."
    assert not found.funding
    assert only(found, "holdings")["hold"] == 6
    # The requirement is that of the one shock there is, which no material falls short in.
    row = only(found, "materials")
    assert (row["requirement"], row["shortfall"], row["gap"], row["worst_shock"]) == (10 + 0.5 * 40, 0, 0, None)
    assert "No option" not in dict(requirement_facts(found))


def test_a_study_that_is_stopped_says_so_and_one_without_amounts_to_hold_ends() -> None:
    instance = so.read(WAR)
    plan = so.solve(instance)
    with pytest.raises(KeyboardInterrupt):
        find_requirements(instance, plan, settings=so.Settings(time_limit=0))

    def stop_at_the_first_case(event: Progress) -> None:
        if event.task == "windows half as long":
            signal.raise_signal(signal.SIGINT)

    found = find_requirements(instance, plan, listener=stop_at_the_first_case)
    assert found.stopped
    assert STOPPED_NOTE in found.notes
    assert only(found, "materials")["hold"] == pytest.approx(36, rel=1e-5)
    assert [row["case"] for row in table(found, "cases").rows()] == ["all shocks", "windows half as long"]
    assert found.to_dict()["times"] == []


def test_windows_move_and_stretch_in_whole_periods() -> None:
    instance = so.load(TINY)
    starts = [event.periods for event in with_starts_moved(instance, 1).events]
    assert starts == [range(2, 4), range(4, 5)]
    assert [len(event.periods) for event in with_window_lengths(instance, 2.0).events] == [4, 2]
    assert [len(event.periods) for event in with_window_lengths(instance, 0.1).events] == [1, 1]
    assert sum(event.probability for event in without_probabilities(so.read(WAR)).events) == 0


def test_a_window_that_the_horizon_cuts_off_moves_and_stretches_whole() -> None:
    # Of 36 months from 2030 on 12 fit. A year earlier 24 do: 70 t a year fall short in two years, a gap of
    # 140 x 5000 = 700k, and 140 t at 50 are 7000.
    instance = so.read({
        "name": "cut off",
        "currency": "USD",
        "horizon": {"start": 2026, "end": 2030, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 200, "cost": 10}},
        "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.7, "shortage_cost": 5000}},
        "options": {"stock": {"kind": "stockpile", "commodity": "magnet", "price": 50}},
        "shocks": {"embargo": {"start": 2030, "months": 36, "cuts": [{"region": "rival", "severity": 1}]}},
    })  # fmt: skip
    found = find_requirements(instance, so.solve(instance))
    cases = {row["case"]: (row["gap"], row["spent"]) for row in table(found, "cases").rows()}
    assert cases["all shocks"] == pytest.approx((350_000, 3_500))
    assert cases["all shocks a year earlier"] == pytest.approx((700_000, 7_000))
    assert "Length of the conflict, windows twice as long: 12 of 72 months of shocks fit the horizon." in found.notes
    assert "Mobilisation period, all shocks a year earlier: 24 of 36 months of shocks fit the horizon." in found.notes
    (later,) = with_starts_moved(with_starts_moved(instance, -2), 1).events
    assert (later.periods, later.length) == (range(3, 5), 3)


def test_what_has_no_requirements_is_refused_with_every_finding() -> None:
    instance = changed(shocks={}, demands={})
    with pytest.raises(so.InstanceError) as refused:
        find_requirements(instance, so.solve(so.read(WAR)))
    assert [finding.where for finding in refused.value.findings] == ["shocks", "demands"]
    questions = {"more": {"from": 2028, "branches": {"yes": {"set": {"demands.cars.quantity": 50}}, "no": {}}}}
    with pytest.raises(so.InstanceError, match="several futures"):
        find_requirements(changed(futures=questions), so.solve(so.read(WAR)))


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.place)
def test_each_clause_names_columns_that_are_there_or_a_reason(war: Requirements, clause: Any) -> None:
    assert clause.where or clause.reason
    assert (clause.answer == "out of reach") == (not clause.where)
    for key in clause.where:
        name, _, column = key.partition(".")
        assert not column or column in [each.name for each in table(war, name).columns], key


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.place)
def test_the_manual_has_each_clause_word_for_word(clause: Any) -> None:
    text = re.sub(r"\s+", " ", (ROOT / "docs" / "how-to" / "requirements.md").read_text())
    where = ", ".join(f"`{key}`" for key in clause.where)
    assert (
        f"| {clause.place} | {clause.text} | {clause.answer} | {where} | {clause.reason} |".replace("  ", " ") in text
    )


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["report", *words, "--requirements"], env={"COLUMNS": "80"})


def test_page_workbook_json_and_screen_have_the_same_figures(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    page, book = tmp_path / "page.html", tmp_path / "book.xlsx"
    done = run(TINY, "--json", "-o", str(page))
    assert done.exit_code == 0, done.stderr
    data = json.loads(done.stdout)
    (row,) = data["materials"]
    assert row["shortfall"] == pytest.approx(140)
    assert len(data["clauses"]) == len(CLAUSES)
    shown = run(TINY, "-o", str(book))
    assert shown.exit_code == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "140 t below the floors in embargo@2029" in shown.stdout
    assert "140 t below the floors in embargo@2029" in page.read_text()
    # The record of a run is that of the plan that buys stocks and nothing else.
    assert openpyxl.load_workbook(book)["run"]["A2"].value.startswith("How the plan of stocks alone was found.")
    sheet = openpyxl.load_workbook(book)["materials"]
    heads = [cell.value for cell in sheet[4]]
    assert sheet.cell(5, heads.index("Shortfall [t]") + 1).value == row["shortfall"]
    assert {"needs", "funding", "cases", "clauses", "assumptions"} <= set(openpyxl.load_workbook(book).sheetnames)


@pytest.mark.parametrize(("option", "value"), [("--budgets", "0"), ("--with", "discover"), ("--instance", TINY)])
def test_options_that_do_not_go_with_requirements_are_refused(option: str, value: str, tmp_path: Path) -> None:
    done = run(TINY, option, value, "-o", str(tmp_path / "page.html"))
    assert done.exit_code == 2
    assert option in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_form_that_requirements_do_not_have_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    done = run(TINY, "-o", str(tmp_path / "brief.md"))
    assert done.exit_code == 2
    said = " ".join(done.stderr.replace("│", " ").split())
    assert "requirements are written as a page (.html) or a workbook (.xlsx), not as .md: write --output" in said


def test_files_without_shocks_or_with_futures_are_refused_before_anything_is_solved(tmp_path: Path) -> None:
    output = str(tmp_path / "page.html")
    done = run(TINY, "--set", "shocks={}", "-o", output)
    assert done.exit_code == 3
    assert "there is no shock" in done.stderr
    done = run(str(ROOT / "examples" / "wait_or_commit.yaml"), "-o", output)
    assert done.exit_code == 2
    assert "takes one: write --future NAME" in " ".join(done.stderr.replace("│", " ").split())
