"""The sentences of studies on a page in cases that few instances have, by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import optimizer as so
from optimizer.report.narrative import answer_sentence, facts, plan_headline, survived_entries
from optimizer.report.study_narrative import view_of
from optimizer.report.tables.compare import comparison_headline
from optimizer.report.tables.plan import answer_style
from optimizer.studies.sensitivity_result import VariantOutcome
from optimizer.studies.shocks import row_outcomes, shock_rows
from tests.test_brief_sentences import BASE, PLANT

# 30 t of plant are needed in the embargo: 1,500 beside imports for 3,000. A golden one costs 50,000 at least.
WORKS = {"plant": {**PLANT, "max_size": 40}}
GOLDEN = {**WORKS, "gold": {**PLANT, "max_size": 40, "capex": 5000, "unit_size": 10}}
# Where nothing has to be served and a tonne short costs less than an import, all of 300 t go short for 300.
CALM = {"calm": {"demands.motors.survival": 0, "demands.motors.shortage_cost": 1}}


def instance_of(**parts: Any) -> so.Instance:
    return so.read({**BASE, **parts})


def sentences(found: Any) -> Sequence[str]:
    return view_of(found).sentences(found)


def test_scenarios_of_which_one_buys_the_only_option() -> None:
    found = so.compare(instance_of(options=WORKS, scenarios=CALM), scenario=["calm"], facts=())
    survived, dearest, bought = sentences(found)
    assert survived == "2 of 2 cases survive everything, 1 of them with no floors to keep."
    assert "the dearest of them is calm: total cost 300 USD, outlay 0 USD (−4,200 USD in cost beside " in dearest
    assert bought == "1 option is bought in some of them, none in all."
    assert sentences(replace(found, columns=found.columns[:1])) == ("There is one case alone.",)
    alone = replace(found, columns=found.columns[:1], stopped=True)
    assert sentences(alone) == ("No other case was solved before the search was stopped.",)
    assert view_of(alone).reached(alone) == "1 of 2 cases solved for"


def test_columns_of_one_case_are_named_by_their_budgets() -> None:
    found = so.compare(so.load("instances/tiny.yaml"), ["0", "5M", "15M"], facts=())
    survived, dearest, _ = sentences(found)
    assert (
        survived
        == "1 of 3 cases survive everything; not the file as it is, budget 0 USD; the file as it is, budget 5M USD."
    )
    assert dearest.startswith("Of 2 other cases the dearest is the file as it is, budget 15M USD: total cost 43.6M USD")
    assert view_of(found).reached(found) == "3 of 3 cases solved for"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "None of them buys anything."),
        (WORKS, "Of 1 option that any of them buys, all have 1: plant."),
        # 25 or 30 t are more than either of them alone.
        (
            {"small": {**PLANT, "max_size": 10}, "large": {**PLANT, "max_size": 20, "capex": 60}},
            "Of 2 options that any of them buys, all have 2: small, large.",
        ),
    ],
)
def test_what_the_plans_of_all_scenarios_buy(options: dict[str, Any], said: str) -> None:
    lower = {"lower": {"demands.motors.survival": 0.25}}
    found = so.compare(instance_of(options=options, scenarios=lower), scenario=["lower"], facts=())
    assert sentences(found)[-1] == said


def test_alternatives_say_how_many_options_no_plan_has() -> None:
    """Within a tenth of the price of survival, 150, the plant is bought by all plans, and no golden one."""
    found = so.alternatives(instance_of(options=GOLDEN), plans=0)
    common, choices, *_ = sentences(found)
    said = "Of the plans that keep every floor, every one that costs up to 150 USD more than the cheapest buys plant."
    assert common == said
    assert choices == "No option is a matter of choice, 1 is in no such plan."
    two = so.alternatives(instance_of(options={**GOLDEN, "ruby": GOLDEN["gold"]}), plans=0)
    assert sentences(two)[1] == "No option is a matter of choice, 2 are in no such plan."
    nothing = replace(found, ranges=())
    assert sentences(nothing) == ("There is no plan near to which others could be looked for.",)
    assert view_of(nothing).reached(nothing) == ""
    stopped = replace(found, plans=(), status="stopped")
    assert sentences(stopped)[-1] == "The search was stopped before it had found another plan."
    assert view_of(stopped).reached(stopped) == "the sizes of 2 of 2 options proven"


def test_a_number_that_moves_nothing() -> None:
    """The golden plant is bought for no price of its range."""
    ranges = {"options.gold.capex": {"low": 4000, "high": 6000}}
    found = so.sensitivity(instance_of(options=GOLDEN, ranges=ranges), flips=False)
    _, moves, changes = sentences(found)
    assert moves == "No number moves the price of survival by an amount that is proven."
    assert changes == "At no end of a range are other options bought."
    unseen = replace(found, bars=(), screened=())
    assert sentences(unseen) == ("No number was looked at before the search was stopped.",)
    assert view_of(unseen).reached(unseen) == "0 of 1 number looked at, 0 solved for at both ends"
    missing = replace(unseen, status="none", base=VariantOutcome("infeasible"))
    assert sentences(missing) == ("There is no plan to begin with.",)
    early = replace(unseen, status="stopped", base=VariantOutcome("stopped"))
    assert sentences(early) == ("Stopped before any plan was found.",)


def test_a_number_that_changes_what_is_bought() -> None:
    """At 30 a tonne the golden plant takes the place of the other: 30 t for 900 in place of 1,500."""
    ranges = {"options.gold.capex": {"low": 30, "high": 6000}}
    found = so.sensitivity(instance_of(options=GOLDEN, ranges=ranges), flips=False)
    _, moves, changes = sentences(found)
    ends = "−600 USD at its low end and no proven change at its high end"
    price = "The price of survival is 1,500 USD"
    assert moves == f"{price}; gold: capex moves it most: {ends} (30 … 6,000 USD per t/yr)."
    assert changes.startswith("Other options are bought at an end of the range of 1 number: ")


def test_a_case_without_floors_is_not_said_to_survive() -> None:
    instance = instance_of(demands={"motors": {**BASE["demands"]["motors"], "survival": 0}})
    result = so.solve(instance)
    headline = "HAS NO FLOORS TO KEEP, so no shock can fail: up to 100 t go unserved in one"
    assert plan_headline(result, instance) == headline
    assert ", no shock has a survival floor, so none can fail" in answer_sentence(instance, result)
    # Neither the colour nor a tick says that something was survived.
    assert answer_style(result) == "default"
    assert survived_entries(instance, result) == ((), ())
    (row,) = row_outcomes(shock_rows(instance, [each.name for each in result.shocks]), result)
    assert (row.mark, row.has_floor) == ("–", False)
    found = so.compare(instance_of(options=WORKS, scenarios=CALM), scenario=["calm"], facts=())
    assert comparison_headline(found).endswith(
        "\ncalm: has no floors to keep, so no shock can fail; the cheapest plan costs 300 USD in all."
    )


def test_a_gap_of_three_segments_is_not_said_to_be_mostly_of_one() -> None:
    """10 t each are unserved, at 100, 110 and 90 USD a tonne: 3,000 USD, 37 % of it in b."""
    segment = {"commodity": "magnet", "quantity": 10, "survival": 1}
    demands = {d: {**segment, "shortage_cost": cost} for d, cost in (("a", 100), ("b", 110), ("c", 90))}
    instance = instance_of(demands=demands)
    result = so.solve(instance)
    worst, said = dict(facts(instance, result))["Worst shock"], answer_sentence(instance, result)
    assert "; the largest part of the gap, 37 %, in b, served 0 % in " in worst
    gap = " with a survival gap of 3,000 USD in 3 segments, the largest part (1,100 USD) in b, which gets 0 % in 2027"
    assert gap in said
