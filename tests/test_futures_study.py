"""What deciding later and knowing earlier are worth, against values that are worked out by hand."""

import io
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import optimizer as so
from optimizer.instance.derived import size_notes, size_range_text
from optimizer.instance.edits import for_each_future
from optimizer.instance.questions import timed_questions
from optimizer.report.tables.futures_study import (
    _ordered_in as ordered_in,
)
from optimizer.report.tables.futures_study import (
    futures_study_tables,
    timing_text,
    worth_facts,
    worth_headline,
    worth_text,
)
from optimizer.solver import Progress
from optimizer.studies.futures.study import find_informed_plan, nodes, with_bounds_of_finer, with_dates
from optimizer.studies.futures.study_result import FuturesStudy, MeasuredCost, informed_orders

CASES = Path(__file__).parent / "cases" / "futures"
EXACT = so.Settings(mip_gap=1e-8, accuracy=1e-8, jobs=1)


def study(name: str, *overrides: str) -> FuturesStudy:
    return so.futures_study(so.load(CASES / name, list(overrides)), settings=EXACT)


def differences(found: FuturesStudy) -> dict[tuple[str, str], float | None]:
    return {
        (each.question, each.timing): None if each.difference is None else each.difference.value
        for each in found.questions
    }


def costs(found: FuturesStudy) -> list[float]:
    return [found.costs[kind].cost for kind in ("adaptive", "static", "perfect")]


def test_values_of_waiting_and_knowing_by_hand() -> None:
    """Known in 2027, 10 t/yr at 60 in `high` alone: 300. Known in 2029 or never, too late for the plant: 600."""
    found = study("hand_wait.yaml")
    assert costs(found) == pytest.approx([500, 600, 300])
    assert found.flexibility is not None
    assert found.information is not None
    assert (found.flexibility.value, found.information.value) == pytest.approx((100, 200))
    assert differences(found) == pytest.approx(
        {("need", "start"): 200, ("need", "later"): 100, ("need", "never"): 100}
    )  # fmt: skip
    for band in (found.flexibility, found.information):
        assert band.low <= band.value <= band.high
        assert band.high - band.low < 1e-3
    assert not found.stopped


def test_values_of_nested_questions_by_hand() -> None:
    """RP 250 + 40 for the permit of 2027.

    tension   known in 2027: the permit in war alone, 0.5 · 40, and the plant of 2029 in war.long: 250; 270 in all.
              known in 2029: the plant still waits for `duration`: 290. Never, and then nobody knows `duration` either:
              the plant of 2027 in all futures, 600 + 40.
    duration  known in 2028, not before `tension`: the plant of 2028 in war.long, 0.25 · 800 + 40 = 240.
              known in 2030 or never: the plant of 2028 in all of war, 0.5 · 800 + 40 = 440.
    colour    changes nothing.
    Alone, war.long costs 600 + 40, all others nothing: WS = 0.25 · 640.
    """
    found = study("hand_nested.yaml")
    assert costs(found) == pytest.approx([290, 640, 160])
    assert differences(found) == pytest.approx(
        {
            ("tension", "start"): 20, ("tension", "later"): 0, ("tension", "never"): 350,
            ("duration", "start"): 50, ("duration", "later"): 150, ("duration", "never"): 150,
            ("colour", "start"): 0, ("colour", "earlier"): 0, ("colour", "never"): 0,
        },
        abs=1e-3,
    )  # fmt: skip
    assert [(each.known) for each in found.questions if each.question == "duration"] == ["2028", "2030", None]
    assert found.orders is not None
    # The permit has to be opened; its size is free, and nothing needs any.
    for order, sizes in zip(found.orders, ((0, 1), (10, 10)), strict=True):
        assert (order.depends_on, order.questions, order.branches) == ("one answer", ("duration",), ("long",))
        assert sizes[0] - 1e-6 <= order.smallest <= sizes[1] + 1e-6
        assert (order.common, order.first) == (0, "2027")
        assert order.open == (("tension", "2028"), ("duration", "2029"))


def test_values_under_regret_by_hand() -> None:
    """Without an answer in time 600 is spent in `low` for nothing; with every answer nothing is regretted."""
    found = study("hand_regret.yaml")
    assert costs(found) == pytest.approx([240, 600, 0])
    assert differences(found) == pytest.approx(
        {("need", "start"): 240, ("need", "later"): 360, ("need", "never"): 360}, rel=1e-5
    )
    assert [each["least_cost"] for each in found.to_dict()["futures"]] == pytest.approx([600, 0])
    assert [each["survives"] for each in found.to_dict()["futures"]] == [True, True]


def test_values_under_the_largest_cost() -> None:
    """`worst`: the plant costs 600 in `high` at the least, with perfect information or without; nothing is gained."""
    found = study("hand_regret.yaml", "policy.objective=worst")
    assert costs(found) == pytest.approx([600, 600, 600])


def test_values_under_cvar_take_perfect_information_from_a_joint_plan() -> None:
    """α = 0.5: the mean of the worse half is that of `high`, 600 where it is known; where it is not, 600 as well."""
    found = study("hand_wait.yaml", "policy.objective={cvar: 0.5}")
    assert costs(found) == pytest.approx([600, 600, 600], rel=1e-5)
    # The larger the share of the mean, the more the answer is worth: 0.5 · 300 + 0.5 · 600.
    assert study("hand_wait.yaml", "policy.objective={cvar: 0.5, weight: 0.5}").costs["perfect"].cost == pytest.approx(
        450, rel=1e-5
    )


POOR_IN_LOW = ("futures.need.branches.low.set={policy.budget: 0}", "options.plant.latest=2028")


def test_a_value_is_left_out_where_a_plan_leaves_a_gap() -> None:
    """`latest` 2027 and a budget of 0 in `low`: no plan in common keeps the floor of `high`, one that knows it does."""
    found = study(
        "hand_wait.yaml",
        *POOR_IN_LOW,
    )
    assert found.costs["adaptive"].survives
    assert not found.costs["static"].survives
    assert found.flexibility is None
    assert differences(found)["need", "never"] is None
    assert found.information is not None
    assert found.to_dict()["flexibility"] is None


def test_a_plan_that_misses_a_floor_whose_shortage_costs_nothing_does_not_survive() -> None:
    """As above, with 10 t missing in `high` at 0 USD a tonne: the gap is 0, and the floor fails."""
    found = study(
        "hand_wait.yaml",
        *POOR_IN_LOW,
        "demands.d.shortage_cost=0",
    )
    assert found.costs["adaptive"].survives
    assert not found.costs["static"].survives
    assert found.flexibility is None
    # No plant of more than 4 t: nor does a plan that knows the answer.
    assert (
        not study("hand_wait.yaml", *NO_MONEY, "options.plant.max_size=4", "demands.d.shortage_cost=0")
        .costs["perfect"]
        .survives
    )


# No plant can be ordered after the answer, and `low` has no money for it: nobody buys any before it is known.
NO_MONEY = ("futures.need.branches.low.set={policy.budget: 0}", "options.plant.latest=2027")


def test_an_earlier_answer_closes_the_gap_of_the_adaptive_plan() -> None:
    """Unknown, 10 t at 1 are missing in `high`: 0.5 · 10 = 5. Known in 2027, the plant is ordered: 0.5 · 600."""
    found = study("hand_wait.yaml", *NO_MONEY)
    assert (found.costs["adaptive"].gap, found.costs["perfect"].cost) == pytest.approx((5, 300))
    assert found.costs["perfect"].closed_gap(found.costs["adaptive"]) == pytest.approx(5)
    assert worth_headline(found) == "Knowing every answer at the start closes an expected survival gap of 5 USD"
    assert worth_text(found, "information") == "closes an expected survival gap of 5 USD"
    assert worth_text(found, "flexibility") == "✗ expected survival gap of 5 USD"
    assert {each.timing: timing_text(found, each) for each in found.questions} == {
        "start": "closes an expected survival gap of 5 USD",
        "later": "✗ expected survival gap of 5 USD",
        "never": "✗ expected survival gap of 5 USD",
    }
    facts = dict(worth_facts(found))
    assert facts["Information"].startswith("closes an expected survival gap of 5 USD: the adaptive plan leaves it")
    left = "an expected survival gap of 5 USD with the static plan and of 5 USD with the adaptive one"
    assert facts["Flexibility"] == f"left out, as floors fail: {left}"


def test_a_gap_that_no_answer_closes_is_that_which_is_left() -> None:
    """A plant of 4 t/yr at most leaves 6 t missing in `high`, also where that is known: 0.5 · 6 = 3."""
    found = study("hand_wait.yaml", *NO_MONEY, "options.plant.max_size=4")
    left = "Even with every answer known at the start an expected survival gap of 3 USD is left"
    assert worth_headline(found) == left
    assert worth_text(found, "information") == "✗ expected survival gap of 3 USD"


WAIT = Path(__file__).parents[1] / "examples" / "wait_or_commit.yaml"


@pytest.mark.parametrize(
    ("measure", "values", "adaptive", "gap"),
    [
        ("expected", (4.25e6, 4.25e6, 3.8e6), (6.5e6, 2e6), 15e6),
        ("worst", (5.6e6, 5.6e6, 5.6e6), (5.6e6, 5.6e6), 0),
        ("regret", (0.72e6, 0.72e6, 0.0), (6.32e6, 2.72e6), 12e6),
        ("{cvar: 0.5, weight: 0.5}", (5.375e6, 5.375e6, 4.7e6), (6.5e6, 2e6), 15e6),
    ],
)
def test_gaps_that_have_a_price_count_in_every_value(
    measure: str, values: tuple[float, ...], adaptive: tuple[float, ...], gap: float
) -> None:
    """The plant costs 2M. In `high` 60 t more are needed: at 60k early, 100k late, or as a gap at 0.15 · 500k = 75k.

    Nobody waits for the answer then. With s t ordered early `high` costs 6.5M − 15k·s and `low` 2M + 60k·s; alone they
    cost 5.6M (s = 60) and 2M (s = 0). In the plan of `low`, `high` costs 0.9M more than alone.

    expected  the mean, least at s = 0; alone, of 5.6M and 2M
    worst     the larger one, least at s = 60
    regret    900k − 15k·s in `high` and 60k·s in `low`: least at s = 12, where both are 720k
    cvar      half of it the mean, 4.25M + 22.5k·s, half the larger one, 6.5M − 15k·s: least at s = 0
    """
    found = so.futures_study(so.load(WAIT, ["policy.gap_price=0.15", f"policy.objective={measure}"]), settings=EXACT)
    assert costs(found) == pytest.approx(list(values), abs=5)
    value = found.costs["adaptive"]
    assert value.bound == pytest.approx(value.cost, abs=5)
    assert value.gap == pytest.approx(gap, abs=50)
    assert found.flexibility is not None
    assert found.information is not None
    assert found.flexibility.value == pytest.approx(0, abs=5)
    assert found.information.value == pytest.approx(values[0] - values[2], abs=5)
    assert differences(found) == pytest.approx(
        {("need", "start"): values[0] - values[2], ("need", "later"): 0, ("need", "never"): 0}, abs=5
    )
    regrets = {(each.plan, each.future): each.regret for each in found.followed}
    assert regrets == pytest.approx(
        {("high", "high"): 0, ("high", "low"): 3.6e6, ("low", "high"): 0.9e6, ("low", "low"): 0}, abs=5
    )
    futures = {each["name"]: each for each in found.to_dict()["futures"]}
    assert [futures[name]["least_cost"] for name in ("high", "low")] == pytest.approx([5.6e6, 2e6], abs=5)
    assert [futures[name]["adaptive_cost"] for name in ("high", "low")] == pytest.approx(list(adaptive), abs=5)


def test_the_frame_of_values_has_each_value_between_its_bounds() -> None:
    found = study("hand_wait.yaml")
    frame = found.frames.values
    assert found.flexibility is not None
    assert frame.loc["flexibility", "value"] == found.flexibility.value
    assert frame.loc["perfect", "value"] == found.costs["perfect"].cost
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()


def test_that_the_adversary_of_the_file_is_left_out_is_said() -> None:
    ban = "{price: 1, cuts: [{region: rival, severity: 1}]}"
    threat = f"{{attack_budget: 1, months: 12, starts: [2028], targets: {{ban: {ban}}}}}"
    said = "Values and plans are for the listed shocks: the adversary of the file is left out here."
    assert said in study("hand_wait.yaml", f"adversary={threat}").notes
    assert said not in study("hand_wait.yaml").notes


def test_the_plan_of_each_future_is_followed_in_every_other() -> None:
    """The plant costs 600 in `low` as well; without it 10 t at 1 are missing in `high`. Budget rules are named."""
    found = study("hand_wait.yaml", "futures.need.branches.low.set={policy.budget: 500}")
    rows = {(each.plan, each.future): each for each in found.followed}
    assert list(rows) == [("high", "high"), ("high", "low"), ("low", "high"), ("low", "low")]
    bought, missing = rows["high", "low"], rows["low", "high"]
    assert (bought.cost, bought.regret) == pytest.approx((600, 600))
    assert (bought.gap, bought.survives) == (0, True)
    assert [rule.where for rule in bought.broken_rules] == ["policy.budget"]
    assert (missing.cost, missing.gap, missing.regret, missing.survives) == (0, pytest.approx(10), None, False)
    assert rows["high", "high"].regret == rows["low", "low"].regret == 0


def test_of_equal_cost_the_plan_with_least_outlay_is_followed() -> None:
    """At 10 % a year 66 in 2028 is worth 60 in 2027: 600 either way in present value, 600 or 660 undiscounted."""
    prices = ("discount_rate=0.1", "options.plant.capex={2027: 60, 2028: 66}", "options.plant.min_size=10")
    own = study("hand_wait.yaml", *prices).alone[0]
    assert own is not None
    assert (own.total_cost, own.outlay) == pytest.approx((600, 600), rel=1e-6)


@pytest.mark.parametrize("shares", [(0.5, 1.0), (1.0, 0.5)])
def test_of_two_plants_of_equal_cost_the_one_that_the_budget_pays_half_of_is_followed(
    shares: tuple[float, ...],
) -> None:
    plant = "kind: refining, output: {m: 1}, capex: 60, max_size: 10, min_size: 10, lead_time: 12, latest: 2027"
    first, second = (f"{{{plant}, budget_share: {share}}}" for share in shares)
    own = study("hand_wait.yaml", f"options={{first: {first}, second: {second}}}").alone[0]
    assert own is not None
    assert (own.total_cost, own.outlay) == pytest.approx((600, 300), rel=1e-6)


def test_an_order_in_all_plans_is_one_without_regret() -> None:
    """Both futures need the plant: 10 t in `high`, 4 t in `low`. 4 t are common, and no answer is waited for."""
    both = "futures.need.branches.low.set={demands.d.survival: {2028: 0, 2029: 0.4}}"
    found = study("hand_wait.yaml", both)
    assert found.orders is not None
    (order,) = found.orders
    assert (order.depends_on, order.is_urgent, order.first) == ("no regret", True, "2027")
    assert (order.questions, order.open) == ((), ())
    assert (order.common, order.smallest, order.largest) == pytest.approx((4, 4, 10))


def test_an_order_that_every_future_makes_at_another_date_depends_on_no_answer_but_for_its_date() -> None:
    """The plant of 10 t/yr costs 600 in 2027; in 2028 it costs 1,000 in `high` and 400 in `low`. Both need it."""
    both = "{demands.d.survival: {2028: 0, 2029: 1}, options.plant.capex: {2027: 60, 2028: 40}}"
    found = study("hand_wait.yaml", f"futures.need.branches.low.set={both}")
    assert found.orders is not None
    (order,) = found.orders
    assert (order.depends_on, order.futures, order.later) == ("different dates", ("high",), ("low",))
    assert (order.questions, order.branches, order.first) == (("need",), ("high",), "2027")
    assert order.smallest == pytest.approx(10)
    facts = dict(worth_facts(found))
    assert facts["Date open"].startswith(
        "plant (need: high): ordered before 2028 in the informed plans of some futures,"
    )
    assert "Contingent" not in facts


def test_an_order_names_the_futures_that_make_it_after_the_first_answer() -> None:
    """Of three futures one buys the plant in 2027, one in 2028, one never."""
    three = "futures={need: {from: 2028, branches: {a: {}, b: {}, c: {}}}}"
    instance = so.load(CASES / "hand_wait.yaml", [three])
    (plant, *_) = so.solve_futures(so.load(CASES / "hand_wait.yaml"), settings=EXACT).decisions
    (order,) = informed_orders(instance, [[replace(plant, t=0)], [replace(plant, t=1)], []])
    assert (order.depends_on, order.futures, order.later) == ("one answer", ("a",), ("b",))
    assert order.to_dict()["later"] == ["b"]
    assert ordered_in(order) == "need: a; later in 1 future: b"
    # An answer in 2029 leaves both years to order before it.
    (both,) = informed_orders(so.load(CASES / "hand_wait.yaml", [three.replace("2028", "2029")]),
                              [[replace(plant, t=0)], [replace(plant, t=1)], []])  # fmt: skip
    assert (both.futures, both.first, both.last) == (("a", "b"), "2027", "2028")
    assert ordered_in(both) == "need: a, b"
    # What one plan buys in two years is one order of both sizes, 10 t each.
    (twice,) = informed_orders(so.load(CASES / "hand_wait.yaml", [three.replace("2028", "2029")]),
                               [[replace(plant, t=0), replace(plant, t=1)], [], []])  # fmt: skip
    assert (twice.smallest, twice.largest) == pytest.approx((20, 20))


def test_an_order_that_depends_on_two_answers_names_both() -> None:
    two = "futures={a: {from: 2028, branches: {x: {}, y: {}}}, b: {from: 2029, branches: {x: {}, y: {}}}, c: {from: 2029, branches: {x: {}, y: {}}}}"  # noqa: E501
    instance = so.load(CASES / "hand_wait.yaml", [two])
    plant = so.solve_futures(so.load(CASES / "hand_wait.yaml"), settings=EXACT).decisions
    names = [each.name for each in instance.tree.futures]
    having = {"x.x.x", "x.x.y"}
    plans = [[] if name not in having else list(plant) for name in names]
    (order,) = informed_orders(instance, plans)
    assert (order.depends_on, order.questions) == ("several answers", ("a", "b"))
    assert set(order.futures) == having


def test_other_dates_move_what_arises_from_a_question() -> None:
    instance = so.load(CASES / "hand_nested.yaml")
    tension, duration, _ = timed_questions(instance.futures, instance.horizon)
    assert (tension.name, tension.earliest, duration.name, duration.earliest) == ("tension", 0, "duration", 1)
    later = with_dates(instance, {tension.place: 3})
    assert [answer.t for answer in later.tree.futures[0].answers if answer.question == "duration"] == [3]
    never = with_dates(instance, {tension.place: None})
    assert [answer.question for answer in never.tree.futures[0].answers] == ["colour"]
    assert nodes(with_dates(instance, {})) == nodes(instance)
    assert [each.name for each in never.tree.futures] == [each.name for each in instance.tree.futures]


def test_bounds_of_dates_that_distinguish_less_are_never_lower() -> None:
    """Knowing more costs no more: what is proven of the finer tree holds for the coarser one, and never above its plan.

    Three futures in two periods: `late` distinguishes the third in period 1, `early` in period 0 already, `other` the
    first in period 1. `early` is finer than `late`; `other` is neither finer nor coarser than these; `never` is the
    coarsest of all. Without a comparable cost, as with an unpriced gap, a bound is of something else.
    """
    early, late, other = ((0, 0, 2), (0, 0, 2)), ((0, 0, 0), (0, 0, 2)), ((0, 0, 0), (0, 1, 1))
    never, at_once = ((0, 0, 0), (0, 0, 0)), ((0, 1, 2), (0, 1, 2))
    found = {
        never: MeasuredCost("stopped", 100.0, 60.0),
        late: MeasuredCost("proven", 90.0, 70.0),
        early: MeasuredCost("proven", 86.0, 85.0),
        other: MeasuredCost("proven", 84.0, 83.0),
        at_once: MeasuredCost("proven", 95.0, 50.0, gap=1.0),
    }
    bounds = {key: each.bound for key, each in with_bounds_of_finer(found).items()}
    assert bounds == {never: 85.0, late: 85.0, early: 85.0, other: 83.0, at_once: 50.0}
    found[late] = MeasuredCost("proven", 84.5, 70.0)
    assert with_bounds_of_finer(found)[late].bound == 84.5


def test_no_cost_is_printed_below_what_a_finer_tree_proves() -> None:
    """At a loose tolerance a search for a static plan stops early; what is proven of the adaptive one still holds."""
    found = so.futures_study(so.load(CASES / "regret_1266.yaml"), settings=so.Settings(accuracy=0.5))
    never, known, at_once = (found.costs[kind].bound for kind in ("static", "adaptive", "perfect"))
    assert never >= known >= at_once
    later = [each.value.bound for each in found.questions if each.value is not None and not each.is_earlier]
    assert min(later) >= known


def test_a_year_is_moved_in_periods_of_any_length() -> None:
    """Quarters: a year later is four periods later, and the label is that of its first quarter."""
    found = study("hand_wait.yaml", "horizon.step=quarter")
    assert [(each.timing, each.asked, each.known) for each in found.questions] == [
        ("start", "2028Q1", "2027Q1"), ("later", "2028Q1", "2029Q1"), ("never", "2028Q1", None)
    ]  # fmt: skip


def test_results_are_the_same_on_two_processes() -> None:
    instance = so.load(CASES / "hand_nested.yaml")
    one, two = (so.futures_study(instance, settings=so.Settings(accuracy=1e-8, jobs=jobs)).to_dict() for jobs in (1, 2))
    for part in ("seconds",):
        one.pop(part), two.pop(part)
    assert one == two


def test_what_is_known_until_an_interrupt() -> None:
    """Stopped after the first task that was done: what was not reached is left out, and said so."""

    def listener(event: Progress) -> None:
        if event.done == 1:
            signal.raise_signal(signal.SIGINT)

    found = so.futures_study(so.load(CASES / "hand_nested.yaml"), settings=EXACT, listener=listener)
    assert found.stopped
    assert found.costs["adaptive"].cost == pytest.approx(290)
    assert found.orders is None
    assert found.information is None
    assert found.to_dict()["stopped"] is True
    said = dict(worth_facts(found))
    assert said["Static"] == "not known: the search was stopped (one plan, the same in all futures)"
    assert said["Informed"] == "not known: the search was stopped (every answer known from the start)"


def printed_study(found: FuturesStudy) -> str:
    text = io.StringIO()
    Console(file=text, width=200).print(*futures_study_tables(found, 200))
    return " ".join(text.getvalue().split())


def test_what_a_stopped_search_left_is_not_called_the_answer() -> None:
    """A plan that leaves a gap for want of time is no informed plan: the best one of tiny keeps every floor."""
    late = replace(EXACT, until=time.time() - 1)
    assert not so.solve(tiny := so.load("instances/tiny.yaml"), settings=late).survives
    assert find_informed_plan({}, tiny, late) is None
    found = study("hand_wait.yaml")
    assert "high 50 % 600 2 of 2 600 – –" in printed_study(found)
    # The plan of `high` is yet to be followed in `low`.
    followed = tuple(each for each in found.followed if (each.plan, each.future) != ("high", "low"))
    static = MeasuredCost("stopped", 0.0, gap=5.0)
    stopped = replace(found, followed=followed, costs={**found.costs, "static": static}, stopped=True)
    assert "high 50 % 600 ? ? ? ?" in printed_study(stopped)
    gap = "FAILS: an expected survival gap of 5 USD; the search was stopped at this plan"
    assert dict(worth_facts(stopped))["Static"] == f"{gap} (one plan, the same in all futures)"
    assert dict(worth_facts(stopped))["Flexibility"] == "not known: the search was stopped"


def test_a_rule_of_each_answer_that_no_one_plan_obeys() -> None:
    """At least 2 and at most 1 t/yr of the plant, by the answer: known a year late, the plant is ordered with it."""
    rule = "futures.need.branches.{}.set={{policy.force: {{plant: {{2028: {}}}}}}}"
    found = study("hand_wait.yaml", rule.format("high", 2), rule.format("low", 1))
    facts = dict(worth_facts(found))
    assert facts["Static"] == "no such plan obeys the rules (one plan, the same in all futures)"
    assert facts["Flexibility"] == "left out, as no plan obeys the rules if all decisions are alike"
    assert "need 2028 0 0 no plan no plan" in printed_study(found)


def test_a_deadline_that_is_over_leaves_no_time_for_any_search() -> None:
    """What is over at a time of day ends as what has no seconds left."""
    late = so.Settings(until=time.time() - 1)
    assert so.solve_futures(so.load(CASES / "hand_nested.yaml"), settings=late).status == "stopped"
    assert so.futures_study(so.load(CASES / "hand_nested.yaml"), settings=late).stopped


def test_an_instance_without_futures_is_refused() -> None:
    with pytest.raises(so.InstanceError, match="has no futures"):
        so.futures_study(so.load("instances/tiny.yaml"))


def test_one_future_is_judged_by_expected_cost() -> None:
    instance = so.load(CASES / "hand_regret.yaml")
    assert instance.tree.futures[0].instance.by_expected_cost().policy.objective.kind == "expected"
    changed = for_each_future(instance, so.Instance.by_expected_cost)
    assert changed.tree.futures[0].instance.policy.objective.kind == "expected"


def test_a_plan_that_is_known_is_the_adaptive_one_and_its_time_says_whether_processes_pay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance, judged, tasks = so.load(CASES / "hand_wait.yaml"), list[float](), list[str | None]()
    known = so.solve_futures(instance, settings=EXACT)
    slow = replace(known, seconds={"total": 100.0})

    def size(jobs: int | None, seconds: float) -> int:
        judged.append(seconds)
        return 1

    monkeypatch.setattr("optimizer.studies.futures.study.size_for", size)
    found = so.futures_study(instance, settings=EXACT, listener=lambda event: tasks.append(event.task), known=slow)
    assert found.adaptive is slow
    assert judged == [100.0]
    assert "the adaptive plan" not in tasks
    assert costs(found) == pytest.approx([500, 600, 300])


def test_a_range_of_sizes_has_its_unit_once() -> None:
    instance = so.load("instances/leverage.yaml")
    kinds = {option.kind: o for o, option in instance.options.items()}
    assert size_range_text(instance, kinds["leverage"], 0.25, 0.5) == "level 0.25 to 0.5"
    assert size_range_text(instance, kinds["refining"], 20, 40) == "20 to 40 t/yr"
    assert size_range_text(instance, kinds["stockpile"], 20, 20.0001) == "20 t"


def test_sizes_that_are_no_output_are_explained_once_by_kind() -> None:
    instance = so.load("instances/leverage.yaml")
    kinds = {option.kind: o for o, option in instance.options.items()}
    restored = (
        "What is bought of a partnership is the amount agreed on; in a shock it may restore only a part (reliability)."
    )
    assert size_notes(instance, [kinds[kind] for kind in ("partnership", "refining", "partnership")]) == [restored]
    assert size_notes(instance, [kinds["substitution"]]) == [
        "What is bought of a substitution is the demand that it serves."
    ]
