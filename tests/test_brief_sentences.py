"""What the brief says in rare cases: lists that are too long, money of others, what is short, and why money is left."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import optimizer as so
from optimizer.errors import Finding
from optimizer.instance.reading import instance_of
from optimizer.report import narrative
from optimizer.report.brief.content import make_brief
from optimizer.report.brief.futures import make_futures_brief
from optimizer.report.brief.plan_parts import delay_text
from optimizer.report.brief.writers import write_brief
from optimizer.results.plan import Plan
from optimizer.results.saved import RULE_BROKEN
from optimizer.studies.compare import frontier
from optimizer.studies.purchases import Delay
from tests.test_brief import read

EXACT = so.Settings(mip_gap=0.0)
MAGNET = {"magnet": 1}
# Imports of 100 t/yr, all of which an embargo takes in 2027, when 30 % of 100 t have to be served.
BASE: Mapping[str, Any] = {
    "name": "base",
    "currency": "USD",
    "horizon": {"start": 2026, "end": 2028, "step": "year"},
    "home": "home",
    "commodities": {"magnet": {}},
    "processes": {"imports": {"region": "rival", "output": MAGNET, "capacity": 100, "cost": 10}},
    "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.3, "shortage_cost": 1000}},
    "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
}
PLANT = {"kind": "refining", "output": MAGNET, "capex": 50, "cost": 30, "max_size": 10}


def solved(**parts: Any) -> tuple[so.Instance, so.Result]:
    instance = so.read({**BASE, **parts})
    return instance, so.solve(instance, settings=EXACT)


def brief_of(**parts: Any) -> dict[str, Any]:
    return make_brief(*solved(**parts)).to_dict()


def futures_brief(branches: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    data = {**BASE, **parts, "futures": {"need": {"from": 2026, "branches": branches}}}
    found = so.solve_futures(so.read(data), settings=EXACT)
    return make_futures_brief(instance_of(found), found).to_dict()


def imports(capacity: Any) -> dict[str, Any]:
    return {"imports": {**BASE["processes"]["imports"], "capacity": capacity}}


# What is short without a shock.


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (None, "No project that is ordered is on its supply chain."),
        # Ordered in 2027, it would be on line in 2029.
        (
            {**PLANT, "lead_time": 24, "earliest": 2027, "force": 2027},
            "No project ordered for motors is on line in the period.",
        ),
        (
            {"kind": "partnership", "process": "imports", "reliability": 1, "max_size": 9, "capex": 1, "force": 2026},
            "The earliest project ordered on the supply chain of motors is on line in 2026.",
        ),
        (
            {"kind": "substitution", "demand": "motors", "max_share": 0.1, "cost": 2000, "max_size": 10, "capex": 1,
             "lead_time": 12, "earliest": 2027, "force": 2027},
            "The earliest project ordered on the supply chain of motors is on line in 2028.",
        ),
    ],
)  # fmt: skip
def test_what_is_short_without_a_shock_says_from_when_on_orders_can_help(
    option: dict[str, Any] | None, said: str
) -> None:
    # Imports of 60 t/yr for 100.
    parts: dict[str, Any] = {"processes": imports(60)}
    if option is not None:
        year = option.pop("force")
        parts |= {"options": {"one": option}, "policy": {"force": {"one": {year: 5}}}}
    (note,) = [each for each in brief_of(**parts)["notes"] if each.startswith("Unserved already")]
    head, _, rest = note.partition(" That is in the total cost at its shortage cost, ")
    assert head == "Unserved already without a shock: motors, 2026 to 2028, up to 40 %."
    cost, _, tail = rest.partition(" USD, and in no survival gap. ")
    assert tail == said
    # 40 t at 1,000 USD in each of three years, where nothing helps.
    assert option is not None or cost == "120k"


def test_two_segments_are_named_that_are_short_the_worst_first_and_the_others_counted() -> None:
    # Only lamps are served, with all of 30 t, as they are worth most; of the others fans lack all.
    demands = {
        name: {"commodity": "magnet", "quantity": quantity, "survival": 0, "shortage_cost": cost}
        for name, quantity, cost in (("motors", 10, 500), ("fans", 20, 400), ("toys", 5, 300), ("lamps", 25, 900))
    }
    reserve = {"kind": "stockpile", "commodity": "magnet", "price": 2000, "max_size": 10, "initial": 1}
    notes = brief_of(demands=demands, processes=imports(30), options={"reserve": reserve})["notes"]
    (said,) = [note for note in notes if note.startswith("Unserved already")]
    # 30 t are 25 for lamps and 5 for motors, which lack a half.
    wanted = "Unserved already without a shock, when no stock is released: fans, 2026 to 2028, up to 100 %; toys, "
    assert said.startswith(f"{wanted}2026 to 2028, up to 100 %; and 1 more segment. ")


def test_periods_that_are_short_are_counted_where_others_are_between() -> None:
    notes = brief_of(processes=imports({2026: 60, 2027: 100, 2028: 70}))["notes"]
    assert any("motors, 2 periods of 2026 to 2028, up to 40 %." in note for note in notes)


@pytest.mark.parametrize(
    ("capacity", "cost", "said"),
    [
        # 40 t at 1,000 USD in each of three years, where nothing is bought.
        (60, 0, " (this plan: 0 USD, do nothing: 120k USD), which nobody pays"),
        (100, 0, ""),
        # What sells, in the end, costs less than nothing.
        (100, -10_000, ""),
    ],
)
def test_what_goes_unserved_without_a_shock_is_told_from_money_in_the_costs_of_plans(
    capacity: int, cost: float, said: str
) -> None:
    made = imports(capacity)
    made["imports"]["cost"] = cost
    instance, result = solved(processes=made, options={"plant": {**PLANT, "max_size": 100}})
    assert (result.total_cost < 0) == (cost < 0)
    part = make_brief(instance, result, frontier=frontier(instance, result, [0.0])).to_dict()["parts"]["alternatives"]
    whole = "with what goes unserved without a shock at its shortage cost"
    assert f"{whole}{said}; survival gaps are not added to it" in part["table"]["caption"]


# Why money is left.


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        # 30 t of plant cost 150k; the gap of 30k counts once, or twice.
        (
            {"gap_price": 1},
            "to close more of the survival gap costs more than the gap is valued at, or is not possible in time",
        ),
        (
            {"gap_price": 2},
            "to close more of the survival gap costs more than 2 times what the gap is valued at, or is not possible "
            "in time",
        ),
        # Half a year's plant is no use: it comes when the embargo is over.
        ({}, "no plan under these rules closes more of the survival gap"),
    ],
)
def test_a_budget_that_is_left_beside_a_gap_says_why(policy: dict[str, Any], why: str) -> None:
    plant = {**PLANT, "capex": 5000, "max_size": 40, "lead_time": 0 if policy else 24}
    notes = brief_of(options={"plant": plant}, policy={"budget": 1000000, **policy})["notes"]
    assert f"1M USD of the budget is left: {why}." in notes


# Lists that are too long.


def plants(count: int, year: int) -> dict[str, Any]:
    """As many plants, each of which can be decided in one year only, and all of which are needed."""
    return {f"plant{year}{i}": {**PLANT, "earliest": year, "latest": year} for i in range(count)}


def floor_of(share: float) -> dict[str, Any]:
    return {"motors": {**BASE["demands"]["motors"], "survival": share}}


def test_decisions_beyond_seven_are_one_row_with_their_money() -> None:
    # Nine plants of 10 t for 90: 500 USD each.
    rows = brief_of(demands=floor_of(0.9), options=plants(9, 2026))["parts"]["orders"]["values"]
    assert [row["order"].partition(",")[0] for row in rows[7:]] == ["and 2 more decisions", "Together (9)"]
    assert [(row["money"], row["total"]) for row in rows[7:]] == [(1000, 1000), (4500, 4500)]
    of_futures = futures_brief({"a": {}, "b": {}}, demands=floor_of(0.9), options=plants(9, 2026))
    table = of_futures["parts"]["orders"]["table"]["rows"]
    assert [row[0] for row in table[7:]] == ["and 2 more decisions", "Together (9)"]


def test_later_decisions_beyond_five_are_one_row_with_their_money() -> None:
    # One plant of 2026, and eight of 2027, of which five have a row: three cost 1,500 USD.
    options = {**plants(1, 2026), **plants(8, 2027)}
    rows = brief_of(demands=floor_of(0.9), options=options)["parts"]["orders"]["values"]
    later = [row for row in rows if "later" in row["order"].lower()]
    assert [row["order"].partition(":")[0] for row in later] == ["Later"] * 5 + ["and 3 later decisions"]
    assert later[-1]["total"] == 1500


def test_six_later_decisions_have_a_row_each() -> None:
    rows = brief_of(demands=floor_of(0.7), options={**plants(1, 2026), **plants(6, 2027)})["parts"]["orders"]["values"]
    assert [row["order"].partition(":")[0] for row in rows] == ["plant20260, 10 t/yr", *["Later"] * 6]


def test_futures_beyond_ten_are_counted() -> None:
    found = futures_brief({f"b{i}": {} for i in range(12)})["parts"]["survival"]
    assert len(found["values"]) == 10
    assert found["sentences"] == [
        "0 of 12 futures survived.",
        "The file gives no probabilities: futures count alike.",
        "2 more futures not shown: none leaves a larger survival gap.",
    ]


@pytest.mark.parametrize(
    ("mildest", "said"),
    [
        # 80 t of 100 are lost, where 30 have to be served; or 50; or none, at 1,000 a tonne.
        (0.8, "2 more shocks not shown, some of them not survived; at most 80k USD goes unserved in one."),
        (0.5, "2 more shocks not shown, all survived; at most 50k USD goes unserved in one."),
        (0.0, "2 more shocks not shown, all survived; all demand is served in them."),
    ],
)
def test_shocks_beyond_six_are_counted_with_whether_they_are_survived(mildest: float, said: str) -> None:
    shocks = {
        f"s{i}": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 0.9 if i < 6 else mildest}]}
        for i in range(8)
    }
    part = brief_of(shocks=shocks)["parts"]["survival"]
    assert len(part["values"]) == 6
    assert part["sentences"][-1] == said


# One segment with a floor, worth 100 a tonne, and one without, worth 50. Of imports of 200 t/yr nothing is left.
TWO_SEGMENTS: Mapping[str, Any] = {
    "army": {"commodity": "magnet", "quantity": 10, "survival": {2027: 1, 2028: 0}, "shortage_cost": 100},
    "cars": {"commodity": "magnet", "quantity": {2027: 20, 2028: 60}, "survival": 0, "shortage_cost": 50},
}


def survival_of_a_ban(demands: Mapping[str, Any], **shocks: Any) -> dict[str, Any]:
    """What the brief says is survived where all imports are lost in 2027, and again in 2028."""
    ban = {"start": [2027, 2028], "months": 12, "cuts": [{"region": "rival", "severity": 1}]}
    found: dict[str, Any] = brief_of(demands=demands, processes=imports(200), shocks={"ban": ban, **shocks})
    part: dict[str, Any] = found["parts"]["survival"]
    return part


def test_all_figures_of_a_row_are_those_of_the_date_that_it_names() -> None:
    """In 2027 army lacks its 10 t, 1,000 USD, and cars 20 t, 1,000 USD. In 2028 there are no floors: 10 and 60 t."""
    part = survival_of_a_ban(TWO_SEGMENTS)
    assert part["table"]["rows"] == [
        ["ban, 2 dates, worst 2027", "✗ 1 of 2 fail: army", "10", "0.001", "30", "0.002"],
    ]
    assert part["sentences"][1] == (
        "Another shock of a row leaves more unserved than the one shown: "
        "ban, from 2028: 70 t, 4,000 USD, where no floor is set."
    )


def test_of_dates_that_are_all_survived_the_figures_are_those_of_the_most_unserved() -> None:
    """Cars lack 20 t in 2027, of which a floor of 0 leaves as little margin as of the 60 t in 2028."""
    demands = {"cars": TWO_SEGMENTS["cars"]}
    part = survival_of_a_ban(demands)
    assert part["table"]["rows"] == [["ban, 2 dates, most unserved 2028", "no floor", "0", "0", "60", "0.003"]]
    assert len(part["sentences"]) == 1
    assert part["table"]["caption"].startswith(
        "Floor: the share of demand that has to be served in a shock. Where a row stands for several shocks all its "
        "figures are those of one: with the largest survival gap or, where floors hold in all, with the largest "
        "loss. "
    )


def test_shocks_that_are_survived_stand_by_the_value_that_goes_unserved() -> None:
    """Half of 10 t, all that a floor allows, is lost in one, 20 t of 100 that are worth more in the next."""
    demands = {
        "small": {"commodity": "toy", "quantity": 10, "survival": 0.5, "shortage_cost": 100},
        "large": {"commodity": "magnet", "quantity": 100, "survival": 0.1, "shortage_cost": 1000},
    }
    processes = {
        "toys": {"region": "rival", "output": {"toy": 1}, "capacity": 10, "cost": 1},
        "imports": {**BASE["processes"]["imports"], "region": "ally"},
    }
    shocks = {
        name: {"start": 2027, "months": 12, "cuts": [{"region": region, "severity": severity}]}
        for name, region, severity in (("of toys", "rival", 0.5), ("of magnets", "ally", 0.2), ("worst", "ally", 1))
    }
    parts = {"commodities": {"magnet": {}, "toy": {}}, "processes": processes}
    rows = brief_of(demands=demands, shocks=shocks, **parts)["parts"]["survival"]["table"]["rows"]
    assert [(row[0], row[-1]) for row in rows] == [("worst", "0.1"), ("of magnets", "0.02"), ("of toys", "0.0005")]


def test_tonnes_of_one_column_have_no_suffix() -> None:
    """30,000 t of 100,000 have to be served, and nothing is: beside it 20 t of 100 of a mild shock."""
    mild = {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 0.5}]}
    shocks = {"mild": mild, "harsh": {**mild, "cuts": [{"region": "rival", "severity": 1}]}}
    demands = {"motors": {**BASE["demands"]["motors"], "quantity": 10_000}}
    parts = brief_of(demands=demands, processes=imports(10_000), shocks=shocks)["parts"]
    assert [row[4] for row in parts["survival"]["table"]["rows"]] == ["10,000", "5,000"]
    assert parts["unserved"]["table"]["rows"][0][3] == "10,000"


def test_segments_beyond_five_have_no_larger_gap_though_more_may_go_unserved() -> None:
    """Five segments lack 1 t of a floor each, worth 1,000; the sixth has no floor, and 20 t of it go unserved."""
    small = {"commodity": "magnet", "quantity": 1, "survival": 1, "shortage_cost": 1000}
    demands: dict[str, Any] = {f"small{i}": small for i in range(5)}
    demands |= {"large": {**small, "quantity": 20, "survival": 0}}
    part = brief_of(demands=demands)["parts"]["unserved"]
    assert [row["shortage"] for row in part["values"]] == [1] * 5
    # Of what is worth 1,000 a tonne.
    said = "1 more segment not shown: it is not below its floor; at most 20k USD of it goes unserved in a shock."
    assert part["sentences"] == [said]


def test_of_more_than_five_segments_below_their_floors_none_that_is_hidden_has_a_larger_gap() -> None:
    small = {"commodity": "magnet", "quantity": 1, "survival": 1, "shortage_cost": 1000}
    part = brief_of(demands={f"small{i}": small for i in range(7)})["parts"]["unserved"]
    assert part["sentences"] == ["2 more segments not shown: none has a larger survival gap."]


def test_a_hidden_segment_below_its_floor_only_in_a_sample_that_may_fail_is_told() -> None:
    """Samples cut 57.9, 69.4, 96.8 and 63.4 % of 60 t, and 18 t have to be served in three of four: 18.4 t are."""
    small = {"commodity": "magnet", "quantity": 10, "survival": 0.3, "shortage_cost": 1000}
    uniform = {"region": "rival", "severity": {"uniform": [0.2, 1]}}
    storms = {"count": 4, "seed": 1, "survive": 0.75, "start": 2027, "months": 12, "cuts": [uniform]}
    parts = {"demands": {f"small{i}": small for i in range(6)}, "processes": imports(60)}
    part = brief_of(shocks={}, ensembles={"storms": storms}, **parts)["parts"]["unserved"]
    (said,) = part["sentences"]
    assert said.startswith(
        "1 more segment not shown: it is not below its floor, but for samples that may fail; at most "
    )


@pytest.mark.parametrize(
    ("cost", "rules", "said"),
    [
        (0.0, 0, "nothing more goes unserved"),
        (-500.0, 0, "nothing more goes unserved; the plan costs 500 USD less"),
        (500.0, 0, "nothing more goes unserved; the plan costs 500 USD more"),
        (
            500.0,
            1,
            "nothing more goes unserved; the plan costs 500 USD more; it breaks 1 rule of the file (policy: is broken)",
        ),
    ],
)
def test_a_delay_that_harms_no_shock_says_what_it_costs(cost: float, rules: int, said: str) -> None:
    broken = (Finding("file", None, "policy", "is broken", "Keep it."),) * rules
    delay = Delay(("plant",), (), None, 0.0, 0.0, 0.0, 0.0, cost, broken)
    assert delay_text(*solved(), delay) == said


def test_a_delay_that_costs_more_and_leaves_more_below_floors_says_both() -> None:
    delay = Delay(("plant",), (), "embargo", 100.0, 1.0, 1.0, 100.0, 500.0)
    assert delay_text(*solved(), delay).endswith("; the plan costs 500 USD more")
    # What is saved by serving less is no advantage.
    assert "costs" not in delay_text(*solved(), replace(delay, cost=-500.0))


def test_a_budget_that_the_file_assumes_is_not_printed_as_a_fact() -> None:
    instance, result = solved(policy={"budget": 1e9})
    for text, said in (("assumption: ten times the outlay", ", an assumption of the file,"), ("the act of 2026", "")):
        comments = ({"place": ("policy", "budget"), "text": text, "value": 1e9},)
        notes = " ".join(make_brief(instance, replace(result, comments=comments)).notes)
        assert f"USD of the budget{said} is left" in notes


def test_shocks_without_a_probability_count_alike() -> None:
    cut = {"cuts": [{"process": "imports", "severity": 0.5}], "start": 2027, "months": 12}
    said = "None of them has a probability in the file: all count alike, likely or not."
    for probability, is_said in (({}, True), ({"probability": 0.1}, False)):
        part = brief_of(shocks={"one": cut | probability, "two": cut})["parts"]["survival"]
        assert (said in " ".join(part["sentences"])) is is_said


def test_a_rule_that_a_delay_breaks_is_named_by_the_option_in_words() -> None:
    """A path into the plan's file, ``plant.2027``, would mean nothing to who reads the brief."""
    instance, result = solved(options={"plant": {**PLANT, "name": "home plant"}})
    rule = Finding("file", None, "plant.2027", "it is bought in 2027, after its latest year, 2026", "Buy it in 2026.")
    delay = Delay(("plant",), (), None, 0.0, 0.0, 0.0, 0.0, 0.0, (rule,))
    assert delay_text(instance, result, delay) == (
        "nothing more goes unserved; it breaks 1 rule of the file (home plant: it is bought in 2027, after its latest "
        "year, 2026)"
    )


def test_rules_beyond_three_that_a_given_plan_breaks_are_counted() -> None:
    instance, result = solved()
    notes = tuple(f"{RULE_BROKEN}rule {i} is broken." for i in range(5))
    given = replace(result, given="mine", notes=("Another note.", *notes))
    said = "rule 0 is broken; rule 1 is broken; rule 2 is broken; and 2 more rules"
    sentence = f"The plan breaks 5 rules of the file, not enforced here: {said}."
    assert list(narrative.broken_rules_note(given)) == [sentence]
    assert make_brief(instance, given).notes[0] == sentence
    assert list(narrative.broken_rules_note(replace(given, notes=notes[:1]))) == [
        "The plan breaks 1 rule of the file, not enforced here: rule 0 is broken."
    ]
    # Of a plan that was solved for, rules that are broken are none of the file.
    assert list(narrative.broken_rules_note(replace(given, given=None))) == []


# Money of others.


def test_money_that_is_committed_is_added_up_and_what_has_no_year_comes_last() -> None:
    committed = [
        {"name": "grant", "amount": 3000000, "year": 2025},
        {"name": "loan", "amount": 1500000, "year": 2026, "conditional": True},
        {"name": "pledge", "amount": 500000},
    ]
    plant = {**PLANT, "max_size": 30, "earliest": 2026, "latest": 2026, "committed": committed}
    money = brief_of(options={"plant": plant})["parts"]["money"]
    said = "Committed already, as announced, by any party, in no cost here: 5M USD, of which 1.5M on conditions still "
    said += "to be met."
    assert said in money["sentences"]
    # 30 t of plant at 50 USD.
    rows = [(row["year"], row["new"], row["committed"]) for row in money["values"]]
    assert rows == [("2025", None, 3e6), ("2026", 1500, 1.5e6), ("undated", None, 5e5)]


# Futures in which floors fail.


def test_the_future_with_the_largest_gap_is_named_where_floors_fail() -> None:
    # With nothing to buy 30 t are short in harsh, 10 t in mild, and nothing has to be served in calm.
    branches = {name: {"set": {"demands.motors.survival": share}} for name, share in
                (("mild", 0.1), ("harsh", 0.3), ("calm", 0))}  # fmt: skip
    found = futures_brief(branches)
    said = (
        "survival floors fail in 2 of 3 futures, most in harsh: 1 of 1 shock there, the worst with a survival gap of "
    )
    assert f"{said}30k USD" in found["sentence"]
    assert found["parts"]["orders"]["sentences"] == ["Nothing is bought in any future."]


def test_none_of_several_futures_alike_is_called_the_worst() -> None:
    # 30 t are short in both of the first two; where only one future fails it is the one.
    def said(shares: dict[str, float]) -> str:
        branches = {name: {"set": {"demands.motors.survival": share}} for name, share in shares.items()}
        return str(futures_brief(branches)["sentence"])

    assert "fail in 2 of 3 futures, for example in one: 1 of 1 shock" in said({"one": 0.3, "two": 0.3, "calm": 0})
    assert "fail in 1 of 2 futures, in one: 1 of 1 shock" in said({"one": 0.3, "calm": 0})


def test_the_least_and_the_most_of_a_year_are_said_to_be_of_different_futures() -> None:
    found = futures_brief({name: {"set": {"demands.motors.survival": 0.1}} for name in ("one", "two")})
    assert "can be of different futures" in " ".join(found["parts"]["money"]["sentences"])


def test_annual_budgets_stand_by_the_money_of_each_year() -> None:
    money = brief_of(policy={"annual_budget": {2026: 100, 2028: 300}})["parts"]["money"]
    assert money["sentences"][0].endswith("undiscounted. Each year has a budget of its own, 100 to 300 USD.")


def test_annual_budgets_that_are_used_up_are_named() -> None:
    # 8M and 3.5M are spent to the last dollar in 2026 and 2028; in 2027 there is no money to spend.
    yearly = so.load("instances/tiny.yaml", ["policy.annual_budget={2026: 8M, 2027: 0, 2028: 3.5M}"])
    found = so.solve(yearly)
    money = make_brief(yearly, found).to_dict()["parts"]["money"]
    assert "0 to 8M USD, used up in 2026, 2028." in money["sentences"][0]
    assert "the annual budget is used up in 2026, 2028" in dict(narrative.facts(yearly, found))["Outlay"]


def test_decisions_that_the_file_requires_are_named() -> None:
    forced = so.load("instances/tiny.yaml", ["policy.force={plant: {2026: 20}, reserve: {2028: 40}}"])
    orders = next(part for part in make_brief(forced, so.solve(forced)).parts if part.name == "orders")
    assert orders.frame is not None
    assert "Required in 2026, in this size (policy.force): home magnet plant." in orders.frame.note


# Numbers that were not looked at.


def test_numbers_that_were_not_looked_at_are_named_and_the_others_counted() -> None:
    names = [f"plant2026{i}" for i in range(11)]
    ranges = {f"options.{name}.capex": {"low": 40, "high": 60} for name in names}
    instance = so.read({**BASE, "demands": floor_of(0.9), "options": plants(11, 2026), "ranges": ranges})
    result = so.solve(instance, settings=EXACT)
    found = so.sensitivity(instance, flips=False)
    assert len(found.bars) + len(found.screened) == 11
    part = replace(found, bars=found.bars[:2], screened=())
    caption = make_brief(instance, result, studies=[part]).to_dict()["parts"]["figures"]["table"]["caption"]
    said = "Of 11 uncertain numbers, 2 of which were looked at in the time there was. Those that decide whether floors"
    assert caption.startswith(said)
    _, _, missed = caption.partition("Not looked at, so that one of them may move more: ")
    listed, _, rest = missed.partition(" A number without a range")
    assert (len(listed.split("; ")), listed.split("; ")[-1], bool(rest)) == (9, "and 1 more.", True)


def test_an_end_of_a_range_at_which_no_plan_exists_says_so() -> None:
    """Imports take ore and run at half of 100 t or more: 40 t of ore are too few."""
    processes = {
        "mine": {"region": "home", "output": {"ore": 1}, "capacity": 100, "cost": 1},
        "imports": {**BASE["processes"]["imports"], "input": {"ore": 1}, "min_utilisation": 0.5},
    }
    parts = {"commodities": {"magnet": {}, "ore": {}}, "processes": processes}
    ranges = {"processes.mine.capacity": {"low": 40, "high": 120}}
    instance = so.read({**BASE, **parts, "ranges": ranges})
    result, found = so.solve(instance, settings=EXACT), so.sensitivity(instance, flips=False)

    def figures(of: so.Sensitivity) -> dict[str, Any]:
        return dict(make_brief(instance, result, studies=[of]).to_dict()["parts"]["figures"])

    (row,) = figures(found)["values"]
    assert (row["at_low"], row["at_high"]) == ("no plan", "–")
    why = "–: no proven change; no plan: some rule of the file cannot be kept there, whatever is bought."
    assert why in figures(found)["table"]["caption"]
    # A search that found no plan in its time says nothing of whether there is one.
    (bar,) = found.bars
    stopped = figures(replace(found, bars=(replace(bar, low=replace(bar.low, status="stopped")),)))
    assert stopped["values"][0]["at_low"] == "not known"
    assert "–: no proven change; not known: the search was stopped." in stopped["table"]["caption"]
    # A cost of 10.57M, of which 10.35M is proven, beside one of 10M, of which 9.78M is: 10.35M − 10M to 10.57M − 9.78M.
    dear = replace(bar, high=replace(bar.high, cost=10.57e6, bound=10.35e6))
    wide = replace(found, base=replace(found.base, cost=10e6, bound=9.78e6), bars=(dear,))
    assert figures(wide)["values"][0]["at_high"] == "price and cost +0.35 to +0.79"


# Forms.


@pytest.mark.parametrize("suffix", [".md", ".pdf", ".docx"])
def test_every_form_has_the_warnings(suffix: str) -> None:
    instance, result = solved()
    data = make_brief(instance, result, warnings=["The audit disagrees with this plan."]).to_dict()
    assert "The audit disagrees with this plan." in " ".join(read(write_brief(data, suffix), suffix).split())


def test_signs_of_markdown_are_escaped() -> None:
    instance, result = solved(name="a*b_c [d] <e> | #f ~5~ R&D &lt;")
    text = write_brief(make_brief(instance, result).to_dict(), ".md")
    assert str(text).startswith("# a\\*b\\_c \\[d\\] \\<e\\> \\| \\#f \\~5\\~ R&D \\&lt;\n")


def test_a_brief_has_no_other_form() -> None:
    with pytest.raises(ValueError, match=r"a brief has one of the forms \.pdf, \.docx, \.md, not \.txt"):
        write_brief({}, ".txt")


# The headline.


def test_a_search_that_was_stopped_before_any_plan_says_so() -> None:
    _, result = solved()
    nothing = replace(result, status="stopped", plan=Plan(), shocks=(), baseline=None)
    assert narrative.plan_headline(nothing) == "STOPPED before any plan was found"
    assert narrative.plan_headline(replace(nothing, status="none")).startswith("NO PLAN EXISTS: ")
    assert narrative.plan_headline(replace(result, status="stopped")).startswith(
        "STOPPED before the proof. So far it FAILS"
    )
    # A plan that is given goes by its name.
    assert narrative.plan_headline(replace(result, given="mine")).startswith("mine: FAILS in 1 of 1 shock: embargo")
    _, calm = solved(shocks={})
    said = "The plan as given; the instance has no shocks"
    assert narrative.plan_headline(replace(calm, given="mine")) == f"mine: {said}"
    assert narrative.plan_headline(calm) == "The cheapest plan; the instance has no shocks"
