"""Who pays what: published games to all digits, coalitions as edits, and the command on a case worked by hand."""

import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.optimize import linprog
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.instance.removal import coalition
from optimizer.report.tables.share import cost_share_tables, share_facts, share_headline
from optimizer.studies import sharing
from optimizer.studies import sharing as game
from optimizer.studies.cost_shares import CoalitionCost, CostShares, MemberShare, excess
from optimizer.studies.cost_tolerance import ProvenDifference
from optimizer.units import si

ROOT = Path(__file__).parent.parent
ALLIES = ROOT / "examples" / "allies.yaml"


def costs_of(values: Sequence[float], count: int, *, depth_first: bool = False) -> dict[game.Coalition, float]:
    """Costs in the order 1, 2, …, 12, 13, …; or depth first: 1, 12, 123, 13, 2, 23, 3."""
    members = range(1, count + 1)
    ordered = [some for size in members for some in combinations(members, size)]
    if depth_first:
        ordered.sort()
    return {frozenset(map(str, some)): value for some, value in zip(ordered, values, strict=True)}


def names(count: int) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


# Gains of the deposit of three companies: Lemaire, Cooperative game theory and its insurance applications, ASTIN
# Bulletin 21 (1991). In a game of costs, gains are negative.
LEMAIRE = costs_of([-46125, -17437.5, -5812.5, -69187.5, -53812.5, -30750, -90000], 3)


def test_shapley_value_of_lemaires_game() -> None:
    # 46,125/3 + (69,187.5 − 17,437.5)/6 + (53,812.5 − 5,812.5)/6 + (90,000 − 30,750)/3 = 51,750
    found = game.shapley_value(names(3), LEMAIRE)
    assert [-found[name] for name in names(3)] == pytest.approx([51750, 25875, 12375], rel=1e-12)


def test_nucleolus_and_core_of_lemaires_game() -> None:
    # As in Guajardo, Jörnsten, Common mistakes in computing the nucleolus, EJOR 241 (2015), example 1.
    found = game.nucleolus(names(3), LEMAIRE)
    assert [-found[name] for name in names(3)] == pytest.approx([52687.5, 24468.75, 12843.75], rel=1e-12)
    # Company 1 and companies 2 and 3 share what they gain together, 90,000 − 46,125 − 30,750 = 13,125.
    assert game.least_core(names(3), LEMAIRE) == pytest.approx(-13125 / 2, rel=1e-12)


@pytest.mark.parametrize(
    ("count", "values", "expected"),
    [
        # Examples 2 to 4 of the same paper: Hasan et al. 2011; Oh, Shin 2012; Sakawa et al. 2001 (gains).
        (4, [8, 8, 10, 20, 19, 10, 20, 19, 1, 10, 13, 12, 10, 12, 11], [7.5, 0.5, 1.5, 10.5]),
        (3, [375144, 568232, 772500, 551055, 245280, 452411, 211239], [331695.25, 233051.25, 207753.5]),
        (5, [-0.060, -0.378, -0.536, -0.906, -1, -0.573, -0.747, -0.874, -0.485, -0.144, -0.546, -0.634, -0.255,
             -0.408, -0.561, -0.182, -0.168, -0.337, -0.706, -0.801, -0.379, -0.538, -0.668, -0.279, -0.03, -0.383,
             -0.473, -0.083, -0.249, -0.386, 0], [-0.165, -0.3205, -0.0845, -0.3745, -0.0555]),
    ],
)  # fmt: skip
def test_nucleolus_of_published_games(count: int, values: list[float], expected: list[float]) -> None:
    found = game.nucleolus(names(count), costs_of(values, count, depth_first=True))
    assert list(found.values()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("estate", "expected"), [(100, [100 / 3] * 3), (200, [50, 75, 75]), (300, [50, 100, 150])])
def test_nucleolus_divides_an_estate_as_the_talmud_does(estate: float, expected: list[float]) -> None:
    # Claims of 100, 200, 300; a coalition gets what the others leave: Aumann, Maschler, J. Econ. Theory 36 (1985).
    claims = dict(zip(names(3), (100, 200, 300), strict=True))
    costs = {
        each: -max(0.0, estate - sum(claim for name, claim in claims.items() if name not in each))
        for each in game.coalitions(names(3))
    }
    assert [-paid for paid in game.nucleolus(names(3), costs).values()] == pytest.approx(expected, rel=1e-12)


def runway(lengths: Sequence[float]) -> dict[game.Coalition, float]:
    """A coalition pays the longest runway that it needs."""
    return {each: max(lengths[int(name) - 1] for name in each) for each in game.coalitions(names(len(lengths)))}


@pytest.mark.parametrize("lengths", [(12, 18, 24, 36), (40, 50, 60, 70, 80, 90)])
def test_shapley_value_of_a_runway(lengths: Sequence[float]) -> None:
    # Each stretch is paid in equal parts by those who need it: Littlechild, Owen, Management Science 20 (1973).
    count = len(lengths)
    stretches = np.diff((0.0, *lengths)) / np.arange(count, 0, -1)
    found = game.shapley_value(names(count), runway(lengths))
    assert list(found.values()) == pytest.approx(np.cumsum(stretches).tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ((12, 18, 24, 36), [6, 6, 6, 18]),
        ((40, 50, 60, 70, 80, 90), [*[40 / 3] * 5, 70 / 3]),
        ((2, 8, 20), [1, 3.5, 15.5]),
    ],
)
def test_nucleolus_of_a_runway(lengths: Sequence[float], expected: list[float]) -> None:
    # The least of c_i/(i + 1), and at last c_n−1/n, to all up to i; then again: Littlechild, IJGT 3 (1974).
    # 2, 8, 20: 2/2 = 1 for the first; (8 − 1)/2 = 3.5 for the second; the last pays the rest, 15.5.
    found = game.nucleolus(names(len(lengths)), runway(lengths))
    assert list(found.values()) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=15, max_size=15))
def test_excesses_of_the_nucleolus_are_balanced(values: list[int]) -> None:
    # Kohlberg, SIAM J. Appl. Math. 20 (1971): for every level, the coalitions with an excess of that or more, with
    # members that pay all that they cost alone beside them, carry weights above 0 that cover each member once.
    costs, members = costs_of(values, 4), names(4)
    paid = game.nucleolus(members, costs)
    assert math.fsum(paid.values()) == pytest.approx(costs[frozenset(members)], abs=1e-9)
    excesses = {each: excess(costs, paid, each) for each in costs if len(each) < 4}
    rational = sum(costs[frozenset([name])] for name in members) >= costs[frozenset(members)]
    at_limit = [frozenset([name]) for name in members if rational and excesses[frozenset([name])] > -1e-7]
    for level in excesses.values():
        some = [each for each, own in excesses.items() if own >= level - 1e-7]
        columns = [*some, *at_limit, frozenset(members)]
        rows = np.array([[float(name in each) for each in columns] + [0.0] for name in members])
        # The largest t with weights of t at least on the coalitions of the level.
        floor = np.array([[-float(i == j) for j in range(len(columns))] + [1.0] for i in range(len(some))])
        bounds = [(0, None)] * (len(columns) - 1) + [(0 if rational else None, None), (None, 1.0)]
        best = linprog([0.0] * len(columns) + [-1.0], floor, np.zeros(len(some)), rows, np.ones(4), bounds)
        assert best.x[-1] > 1e-7


def test_ranges_of_costs_become_ranges_of_payments() -> None:
    # Two members, alone 10 and 10, together 12 to 14 at most: each pays half of it. The core value is 12/2 − 10 to
    # 14/2 − 10.
    members, high = ["1", "2"], costs_of([10, 10, 14], 2)
    low = {**high, frozenset("12"): 12.0}
    assert game.shapley_ends(members, low, high)["1"] == ProvenDifference(7.0, 6.0, 7.0)
    central = game.nucleolus_ends(members, low, high)["1"]
    assert (central.value, central.low, central.high) == pytest.approx((7.0, 6.0, 7.0))
    assert game.core_ends(members, low, high) == pytest.approx((-4.0, -3.0))
    # Alone 9 to 10: the other one may pay more, and this one less.
    found = game.shapley_ends(members, {**high, frozenset("1"): 9.0}, high)
    assert found["1"] == ProvenDifference(7.0, 6.5, 7.0)
    assert found["2"] == ProvenDifference(7.0, 7.0, 7.5)


def test_an_empty_core() -> None:
    # Every pair costs 6, all three 10: two thirds of 10 is more than 6. ε = 20/3 − 6.
    costs = costs_of([5, 5, 5, 6, 6, 6, 10], 3)
    assert game.least_core(names(3), costs) == pytest.approx(2 / 3)
    assert list(game.nucleolus(names(3), costs).values()) == pytest.approx([10 / 3] * 3)


# Coalitions of an instance.


def allies(*changes: str) -> so.Instance:
    return so.load(str(ALLIES), list(changes))


def test_a_rounding_error_of_the_joint_cost_lets_nobody_pay_more_than_alone() -> None:
    """Together they pay 0.9, as apart, though 0.1 + 0.7 + 0.1 is less in floating point: each pays as alone."""
    alone = {frozenset("a"): 0.1, frozenset("b"): 0.7, frozenset("c"): 0.1}
    pairs = {frozenset("ab"): 0.2, frozenset("ac"): 0.2, frozenset("bc"): 0.8}
    paid = game.nucleolus("abc", alone | pairs | {frozenset("abc"): 0.9})
    assert paid == pytest.approx({"a": 0.1, "b": 0.7, "c": 0.1}, abs=1e-5)


def test_a_coalition_has_what_its_members_bring_and_what_no_member_brings() -> None:
    made = allies(
        "processes.mine={region: north, output: {magnet: 1}, capacity: {2026: 40, 2028: 80}, cost: 60k}",
        "processes.mine.actual={2026: 20}",
        "processes.mine.price_response={elasticity: 0.5, reference: 1000, included: 30}",
        "options.redesign={kind: substitution, demand: motors_south, max_size: 10, capex: 1}",
        "options.deal={kind: partnership, process: mine, max_size: 10, capex: 1}",
        "shocks.embargo.demand={motors_north: 1.1, motors_south: 1.2}",
        "shocks.embargo.cost={mine: 2, redesign: 2}",
        "members.north.processes={mine: 0.25}",
        "members.south.processes={mine: 0.75}",
        "members.north.budget=2M", "members.east.budget=3M", "members.south.budget=4M",
        "members.east.options=[stock]",
    )  # fmt: skip
    pair = coalition(made, ["north", "east"])
    assert list(pair.demands) == ["motors_north", "motors_east"]
    # The redesign serves a segment that is not there.
    assert list(pair.options) == ["plant", "stock", "deal"]
    assert [pair.processes["mine"].capacity.at(year) for year in (2026, 2028)] == [10, 20]
    assert pair.processes["mine"].actual == {2026: 5}
    market = pair.processes["mine"].price_response
    assert market is not None
    assert (market.elasticity, market.reference, market.included) == (0.5, 1000, 7.5)
    assert pair.processes["imports"] is made.processes["imports"]
    assert pair.policy.budget == 5e6
    assert pair.shocks["embargo"].demand == {"motors_north": 1.1}
    assert pair.shocks["embargo"].cost == {"mine": 2}
    assert not pair.members
    alone = coalition(made, ["east"])
    # Nobody in it brings the mine, so that there is no deal with it either.
    assert list(alone.processes) == ["imports"]
    assert list(alone.options) == ["plant", "stock"]
    assert coalition(made, ["south"]).shocks["embargo"].cost == {"mine": 2, "redesign": 2}
    # Each is an instance that can be read again.
    assert so.read(pair.to_dict()).to_dict() == pair.to_dict()


def test_whom_nobody_knows_is_named_with_the_nearest() -> None:
    with pytest.raises(so.InstanceError, match=r'"est" is no member.*Did you mean "east"'):
        coalition(allies(), ["est", "north"])


def test_a_member_that_brings_supply_and_needs_none_is_paid() -> None:
    # A mine of 60 t in the east serves north's floor of 30 t and south's of 60 t only if east is in. Without the
    # plant and with stock at 65k, 30 t are 1.95M for north alone, and 3.9M for south. East costs nothing alone.
    made = allies(
        "processes.mine={region: east, output: {magnet: 1}, capacity: 60, cost: 60k}",
        "options={stock: {kind: stockpile, commodity: magnet, price: 65k}}",
        "demands={motors_north: {commodity: magnet, quantity: 100, survival: 0.3, shortage_cost: 500k}, "
        "motors_south: {commodity: magnet, quantity: 100, survival: 0.6, shortage_cost: 500k}}",
        "members={north: {demands: motors_north}, south: {demands: motors_south}, east: {processes: mine}}",
    )
    found = so.share_costs(made)
    costs = {"+".join(each.members): found.costs[each.key] for each in found.coalitions}
    expected = {"north": 1.95e6, "south": 3.9e6, "east": 0, "north+south": 5.85e6, "north+east": 0, "south+east": 0}
    assert costs == pytest.approx({**expected, "north+south+east": 1.95e6}, abs=1)
    # East adds −1.95M to north, −3.9M to south and to both: 0/3 − 1.95/6 − 3.9/6 − 3.9/3.
    paid = {each.member: each.shapley.value for each in found.shares}
    assert paid["east"] == pytest.approx(-2.275e6)
    assert found.core_state == "not empty"


def test_three_allies_by_hand() -> None:
    # Stock at 65k for a floor of 30, 50 or 60 t, or the plant for 6M: 1.95, 3.25, 3.9; 5.2, 5.85, 6; 6 million.
    found = so.share_costs(allies())
    assert [found.costs[each.key] for each in found.coalitions] == pytest.approx(
        [1.95e6, 3.25e6, 3.9e6, 5.2e6, 5.85e6, 6e6, 6e6]
    )
    # North: 1.95/3 + (5.2 − 3.25)/6 + (5.85 − 3.9)/6 + (6 − 6)/3.
    assert [each.shapley.value for each in found.shares] == pytest.approx([1.3e6, 2.025e6, 2.675e6])
    # North and the pair of the others share what they save together, 1.95M; the others have as much as each other.
    assert [each.nucleolus.value for each in found.shares] == pytest.approx([0.975e6, 2.1875e6, 2.8375e6])
    assert found.core is not None
    assert found.core.value == pytest.approx(-0.975e6)
    assert found.saving is not None
    assert found.saving.value == pytest.approx(3.1e6)
    assert (found.core_state, found.objections("shapley")) == ("not empty", [])
    # 100 t a year at 60k for three years.
    assert [each.no_shock for each in found.shares] == pytest.approx([18e6] * 3)
    assert all(each.result.audit["ok"] for each in found.coalitions)


def with_range(found: CostShares, members: tuple[str, ...], low: float, high: float) -> CostShares:
    """Return the game in which a coalition's cost beyond no-shock costs is proven to lie between two amounts."""
    base = 18e6 * len(members)
    costs = [
        replace(each, cost=base + high, bound=base + low) if each.members == members else each
        for each in found.coalitions
    ]
    return sharing._with_game(replace(found, coalitions=tuple(costs)))


def shown_tables(found: CostShares) -> str:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(*filter(None, cost_share_tables(found, 100)))
    return console.export_text()


def test_what_is_saved_has_a_range_where_costs_have_one() -> None:
    # East and south cost 5.5M to 6M. North pays 1.3M at 6M, and (6 - 5.5)/3 more at 5.5M; it saves 1.95M less that.
    # East pays 2.025M, or (6 - 5.5)/6 less, and south 2.675M, or as much less: together 4.5333M to 4.7M. So they save
    # 5.5 - 4.7 at least, and 6 - 4.5333 at most.
    whole = so.share_costs(allies())
    found = with_range(whole, ("east", "south"), 5.5e6, 6e6)
    saved = found.saved_by("shapley", found.coalitions[5])
    assert (saved.value, saved.low, saved.high) == pytest.approx((1.3e6, 0.8e6, 1.46667e6), rel=1e-5)
    said = shown_tables(found)
    assert re.search(r"north +1\.95M +1\.3M to 1\.47M +483k\+ ", said)
    assert re.search(r"east \+ south +5\.5M to 6M +– +800k to 1\.47M ", said)
    assert "+: at least." in said
    assert dict(share_facts(found))["In all"].startswith("north 19.3M to 19.5M, east ")
    # At 4.5M they would pay 4.7M at most: more than alone.
    doubtful = dict(share_facts(with_range(whole, ("east", "south"), 4.5e6, 6e6)))["Shapley value"]
    assert doubtful == "no coalition would pay less alone; not proven for east + south: lower --accuracy"
    assert "+: at least." not in shown_tables(whole)


def test_what_leaving_saves_has_a_range_where_costs_have_one() -> None:
    # North and east cost 2M to 2.2M. At 2.2M south pays 3.9/3 + (5.85 - 1.95)/6 + (6 - 3.25)/6 + (6 - 2.2)/3 = 3.675M,
    # the others 2.325M; at 2M each of these pays 0.2/6 less. So leaving saves 2.25833 - 2.2 to 2.325 - 2.
    found = with_range(so.share_costs(allies()), ("north", "east"), 2e6, 2.2e6)
    assert dict(share_facts(found))["Shapley value"] == "could save by leaving, USD: north + east 58.3k to 325k"
    assert "north + east would save 58.3k to 325k USD by leaving" in share_headline(found)


def test_only_those_who_are_named() -> None:
    found = so.share_costs(allies(), "south, north")
    assert [each.member for each in found.shares] == ["north", "south"]
    assert [found.costs[each.key] for each in found.coalitions] == pytest.approx([1.95e6, 3.9e6, 5.85e6])
    with pytest.raises(so.InstanceError, match="one member alone"):
        so.share_costs(allies(), ["north"])
    with pytest.raises(so.InstanceError, match="has no members"):
        so.share_costs(so.load("instances/tiny.yaml"))


def test_without_a_price_of_gaps_a_coalition_that_fails_leaves_no_game() -> None:
    # East alone may buy no stock, and has no plant: 50 t of magnets below its floor, 25M.
    changes = ("members.north.options=[stock]", "members.south.options=[plant]")
    found = so.share_costs(allies(*changes))
    assert [each.members for each in found.unpriced] == [("east",)]
    assert (found.shares, found.core, found.saving, found.objections("shapley")) == ((), None, None, [])
    priced = so.share_costs(allies(*changes, "policy.gap_price=2"))
    assert {each.members: each.cost for each in priced.coalitions}["east",] == pytest.approx(18e6 + 2 * 25e6)
    assert priced.shares
    assert not priced.unpriced


def test_what_is_saved_is_told_apart_gap_from_money() -> None:
    # Apart: north's stock for 1.95M, south's plant for 6M, and east, which may buy neither, 25M below its floor at a
    # price of 2. Together: the plant for 6M.
    own = ("members.north.options=[stock]", "members.south.options=[plant]")
    found = so.share_costs(allies(*own, "policy.gap_price=2"))
    assert found.gaps_apart == pytest.approx({"east": 50e6})
    parts = {"survival_gap": 50e6, "no_shock_shortage": 0, "expected_shocks": 0, "money": 1.95e6}
    assert found.saving_parts == pytest.approx(parts, abs=1)
    said = found.to_dict()
    assert said["saving_parts"] == pytest.approx(parts, abs=1)
    assert {tuple(each["members"]): each["priced_gap"] for each in said["coalitions"]}["east",] == pytest.approx(50e6)
    facts = dict(share_facts(found))
    assert facts["Apart"].endswith("; 50M USD of it survival gap at its price (east)")
    assert facts["Together"].endswith("less than apart: 50M less survival gap at its price and 1.95M less money")
    # Where all is money, no part is named.
    plain = so.share_costs(allies())
    assert not plain.gaps_apart
    assert dict(share_facts(plain))["Together"] == "6M USD, 3.1M USD or 34 % less than apart"


def test_a_gap_that_planning_together_opens_is_told_apart_from_money() -> None:
    # A common stock of 40 t: apart north has its 30 t, east lacks 10 t and south 20 t of their floors, 15M, and stocks
    # of 110 t cost 7.15M. Together they have 40 t for 2.6M, and lack 100 t, 50M.
    found = so.share_costs(allies("options={stock: {kind: stockpile, commodity: magnet, price: 65k, max_size: 40}}",
                                  "policy.gap_price=1"))  # fmt: skip
    assert found.gaps_apart == pytest.approx({"east": 5e6, "south": 10e6})
    assert found.saving_parts["survival_gap"] == pytest.approx(15e6 - 50e6)
    assert found.saving_parts["money"] == pytest.approx(7.15e6 - 2.6e6)
    facts = dict(share_facts(found))
    assert facts["Apart"].endswith("15M USD of it survival gap at its price (east 5M, south 10M)")
    assert "more than apart: 35M more survival gap at its price and 4.55M less money" in facts["Together"]
    # No coalition is named where all of them would leave.
    assert len(found.objections("shapley")) == len(found.coalitions) - 1
    assert "; all together pay more than apart, and every coalition would save by leaving, at most " in share_headline(
        found
    )


def test_demand_unserved_without_a_shock_is_no_money_that_is_saved() -> None:
    # 100 t of imports serve north or south alone; together 100 t a year go unserved for three years, at 500k.
    found = so.share_costs(allies("processes.imports.capacity=100", "options.plant.max_size=0"), "north,south")
    assert found.saving_parts["no_shock_shortage"] == pytest.approx(-150e6)
    assert sum(found.saving_parts.values()) == pytest.approx(found.saving.value if found.saving else None)
    assert "150M more unserved without a shock at shortage cost" in dict(share_facts(found))["Together"]


def test_planning_together_that_costs_more_without_a_shock_is_no_part_of_the_saving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 290 t of imports serve each alone, and not all three, who without a shock too buy the plant for 6M.
    found = so.share_costs(allies("processes.imports.capacity=290"))
    assert found.saving_without_shocks == pytest.approx(-6e6)
    said = dict(share_facts(found))["Together"]
    assert "34 % less than apart; 6M more than apart without any shock; with shocks" in said
    assert said.endswith("more than without")
    # Of a joint cost below 0 no share is saved: it would be above 100 %.
    with monkeypatch.context() as patch:
        patch.setattr(CostShares, "saving_share", 1.13)
        assert "6M USD, 3.1M USD less than apart; 6M more" in dict(share_facts(found))["Together"]
    # Where it is a part of the saving, what surviving costs is what is paid together and this part.
    monkeypatch.setattr(CostShares, "saving_without_shocks", 1e6)
    part, more = dict(share_facts(found))["Together"], found.joint.price_of_survival if found.joint else None
    assert more is not None
    assert part.endswith(f"pay {si(more, 'USD')} more than without ({si(more - 1e6)} + 1M)")


def test_capacity_that_is_common_and_scarce_is_named() -> None:
    # 100 t of an old mine that nobody owns serve each alone, and not all three: apart nothing is bought.
    mine = "processes.mine={region: east, output: {magnet: 1}, capacity: 100, cost: 60k}"
    found = so.share_costs(allies(mine))
    assert found.saving is not None
    assert found.saving.value < 0
    assert found.core_state == "empty"
    assert "cost less apart than together" in found.notes[0]
    found = so.share_costs(
        allies(mine, *(f"members.{name}.name={name.title()} land" for name in ("north", "east", "south")))
    )
    assert re.match(r"(\w+ land \+ )*\w+ land and (\w+ land \+ )*\w+ land cost less apart", found.notes[0])
    shares = {"north": 0.25, "east": 0.25, "south": 0.5}
    shared = [f"members.{name}.processes={{mine: {share}}}" for name, share in shares.items()]
    assert not so.share_costs(allies(mine, *shared)).notes


def test_the_note_on_scarce_capacity_names_members_in_the_order_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    # In floating-point numbers 0.5 − 0.2 − 0.1 is less than 0.5 − 0.1 − 0.2.
    costs = {("north",): 0.2, ("south",): 0.1, ("north", "south"): 0.5}
    monkeypatch.setattr(CoalitionCost, "of", lambda who, result: CoalitionCost(who, costs[who], costs[who], result))
    assert so.share_costs(allies(), "north,south").notes[0].startswith("north and south cost less apart than together")


def test_a_range_that_holds_the_core_value_0_proves_nothing() -> None:
    made = so.share_costs(allies(), "north,south")
    ends = ProvenDifference(1.0, -5e6, 5e6)
    one = CostShares(made.instance, made.members, made.coalitions, made.shares, core=ends)
    assert one.core_state == "not proven"


def test_a_large_mip_gap_shows_ranges_that_hold_the_exact_payments() -> None:
    exact = {each.member: each for each in so.share_costs(allies(), settings=so.Settings(accuracy=1e-6)).shares}
    loose = so.share_costs(allies(), settings=so.Settings(accuracy=0.3))
    for each in loose.shares:
        assert each.shapley.low - 1 <= exact[each.member].shapley.value <= each.shapley.high + 1


def test_without_time_nothing_is_known_and_nothing_is_said() -> None:
    found = so.share_costs(allies(), settings=so.Settings(time_limit=0.0))
    assert found.stopped
    assert (found.coalitions, found.shares, found.joint, found.core_state) == ((), (), None, None)
    assert found.to_dict()["members"] == [{"member": name} for name in ("north", "east", "south")]


# The command.


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["share", *words])
    return done.exit_code, done.stdout


def test_the_answer_comes_first() -> None:
    code, shown = run(str(ALLIES))
    assert code == 0
    first = " ".join(line.strip("│ ") for line in shown.splitlines()[1:3])
    assert first == (
        "north pays 1.3M, east pays 2.03M, south pays 2.68M USD by the Shapley value; no coalition would pay less alone"
    )


def test_json_and_csv(tmp_path: Path) -> None:
    code, shown = run(str(ALLIES), "--between", "north,east", "--json", "--csv", str(tmp_path))
    assert code == 0
    found = json.loads(shown)
    assert [each["member"] for each in found["members"]] == ["north", "east"]
    assert found["core"]["state"] == "not empty"
    # 30 and 50 t of stock at 65k.
    assert (found["coalitions"][2]["members"], found["coalitions"][2]["outlay"]) == (["north", "east"], 5.2e6)
    assert found["members"][0]["shapley"]["pays"]["value"] == pytest.approx(1.95e6)
    rows = (tmp_path / "shares.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("member,no_shock [USD],alone [USD],alone_low [USD]")
    assert [row.split(",")[0] for row in rows[1:]] == ["north", "east"]
    assert len((tmp_path / "coalitions.csv").read_text(encoding="utf-8").splitlines()) == 4


def test_no_game_ends_with_the_code_of_no_plan() -> None:
    code, shown = run(str(ALLIES), "--without", "stock,plant")
    assert code == 4
    assert "There is no way to say who pays what" in shown
    assert "policy.gap_price" in shown


def test_members_of_a_workbook_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "allies.xlsx"
    assert CliRunner().invoke(app, ["convert", str(ALLIES), str(path)]).exit_code == 0
    assert so.load(path).members == allies().members


def test_what_a_member_saves_lies_between_the_ends_of_both_amounts() -> None:
    each = MemberShare("a", 0.0, ProvenDifference(10, 9, 10), ProvenDifference(6, 5, 7), ProvenDifference(6, 6, 6))
    saved = each.saved("shapley")
    assert (saved.value, saved.low, saved.high) == (4, 2, 5)


def test_a_coalition_without_a_plan_has_no_cost_at_any_price() -> None:
    rule = "policy.max_share=[{commodity: magnet, region: rival, share: 0}]"
    forced = ("processes.imports.min_utilisation=0.5", "options={}", "policy.gap_price=1", rule)
    made = so.share_costs(allies(*forced))
    assert len(made.unpriced) == 7
    assert not made.shares
    assert dict(share_facts(made)) == dict.fromkeys(
        ("north", "east", "south", "north + east", "north + south", "east + south", "north + east + south"),
        "no plan obeys its rules",
    )


def test_three_allies_of_the_shipped_case() -> None:
    # Beyond no-shock costs, as the header of the file says, to what costs are proven to.
    found = so.share_costs(so.load(ROOT / "instances" / "three-allies.yaml"))
    costs = {"+".join(each.members): found.costs[each.key] / 1e6 for each in found.coalitions}
    expected = {"usa": 3, "japan": 0, "eu": 4710, "usa+japan": -51, "usa+eu": 1440, "japan+eu": 820}
    assert costs == pytest.approx({**expected, "usa+japan+eu": 329}, abs=25)
    assert [each.shapley.value / 1e6 for each in found.shares] == pytest.approx([-715, -1030, 2070], abs=25)
    assert [each.nucleolus.value / 1e6 for each in found.shares] == pytest.approx([-244, -557, 1130], abs=25)
    assert found.leading == "nucleolus"
    assert found.core_state == "not empty"
    assert [key.members for key, _ in found.objections("shapley")] == [("japan", "eu")]
    assert not found.objections("nucleolus")
    assert share_headline(found).startswith("United States gains")
    assert "by the nucleolus; no coalition would pay less alone, while by the Shapley value Japan" in share_headline(
        found
    )
    gaps = {"+".join(each.members) for each in found.coalitions if not each.result.survives}
    assert gaps == {"eu"}
