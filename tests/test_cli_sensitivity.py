"""diversify sensitivity: the answer first, clean JSON, exit codes."""

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

import optimizer as so
from optimizer.instance.ranges import UncertainInput, UncertainNumber
from optimizer.report.tables.render import show
from optimizer.report.tables.sensitivity import sensitivity_parts
from optimizer.studies.cost_tolerance import ToleranceBase
from optimizer.studies.sensitivity_result import Sensitivity, TornadoBar, VariantOutcome
from tests.conftest import BUT_SAMPLES
from tests.test_cli import TINY, diversify

RANGES = (
    *("--set", "ranges.options.plant.capex={low: 150k, high: 600k}"),
    *("--set", "ranges.policy.budget={low: 10M, high: 25M}"),
)


def test_the_answer_comes_first_and_fits() -> None:
    for columns in (80, 120):
        done = diversify("sensitivity", TINY, *RANGES, "--samples", "60", columns=columns)
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= columns
        assert done.stdout.startswith("tiny: of 2 uncertain numbers 1 alone can make survival impossible at an end")
        assert "What the outcome depends on" in done.stdout


def test_json_has_bars_flips_and_samples() -> None:
    done = diversify("sensitivity", TINY, *RANGES, "--samples", "60", "--json", "--accuracy", "0")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["status"], said["base"]["cost"]) == ("proven", pytest.approx(43.6e6))
    budget, capex = said["numbers"]
    # The least outlay that survives is 11.5M: 100 t at 65k, and a line of the plant.
    (flip,) = budget["flips"]
    assert flip["other"] <= 11.5e6 <= flip["same"]
    # 20 t of plant: 50k less a tonne is 1M less; at 400k more it is 8M more.
    assert capex["low"]["cost"] == pytest.approx(42.6e6, rel=0.02)
    assert capex["high"]["cost"] == pytest.approx(51.6e6)
    assert said["sampled"]["used"] == 60
    assert {each["number"] for each in said["sampled"]["of_cost"]} == {"options.plant.capex", "policy.budget"}


def test_a_budget_outside_its_range_leaves_the_range_out_and_says_so() -> None:
    note = "The range of policy.budget does not hold 30M: it is left out."
    run = ("sensitivity", TINY, *RANGES, "--quick", "--budget", "30M")
    done = diversify(*run)
    assert done.returncode == 0
    assert "of 1 uncertain number" in done.stdout
    assert f"Note: {note}" in done.stdout
    assert note in done.stderr
    assert json.loads(diversify(*run, "--json").stdout)["notes"] == [note]


def test_quick_leaves_the_flips_out() -> None:
    said = json.loads(diversify("sensitivity", TINY, *RANGES, "--quick", "--json").stdout)
    assert all(each["flips"] == [] for each in said["numbers"])
    assert said["sampled"] is None


def test_an_instance_without_ranges_exits_with_3_and_says_how() -> None:
    done = diversify("sensitivity", TINY)
    assert done.returncode == 3
    assert "the instance has no ranges. Write some, such as `capex:" in done.stderr


@pytest.mark.parametrize("more", [("--samples", "10"), ("--resolution", "2"), ("--budget", "much")])
def test_usage_exits_with_2(more: tuple[str, ...]) -> None:
    done = diversify("sensitivity", TINY, *RANGES, *more)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_time_limit_ends_with_5() -> None:
    done = diversify("sensitivity", TINY, *RANGES, "--samples", "60", "--store", "--time-limit", "0", "--json")
    assert done.returncode == 5
    assert f"no band is kept beside {TINY}: the search was stopped." in " ".join(done.stderr.split())
    assert json.loads(done.stdout)["status"] == "stopped"


def test_without_any_plan_the_exit_code_is_4() -> None:
    rule = "policy.min_time_to_survive=[{cuts: [{region: rival, severity: 1}], months: 12}]"
    done = diversify("sensitivity", TINY, *RANGES, "--set", rule, "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["numbers"] == []


def test_ends_that_were_stopped_break_nothing() -> None:
    done = diversify("sensitivity", TINY, *RANGES, "--time-limit", "0")
    assert done.returncode == 5, done.stderr
    said = " ".join(done.stdout.split())
    assert said.startswith("tiny: stopped before any number was looked at.")
    assert "Where the plan changes" not in said
    # Of searches that had begun, what was not proven is not said to change nothing.
    found = so.sensitivity(so.load(str(TINY), RANGES[1::2]), flips=False)
    cut = [replace(bar, low=VariantOutcome("stopped"), high=VariantOutcome("stopped")) for bar in found.bars]
    screen = Console(width=100, record=True, file=io.StringIO())
    for part in sensitivity_parts(replace(found, status="stopped", bars=tuple(cut)), 100):
        screen.print(part)
    said = " ".join(screen.export_text().split())
    assert said.startswith("tiny: of 2 uncertain numbers none was settled before the search was stopped")
    assert "? not known: stopped" in said
    assert "M ✗" not in said
    # One of two numbers is not one number.
    one = sensitivity_parts(replace(found, status="stopped", bars=found.bars[:1]), 100)[0]
    assert str(one).startswith("tiny: of 2 uncertain numbers, 1 of which was looked at in the time there was, ")


def test_a_number_that_moves_nothing_is_not_said_to_move_most() -> None:
    done = diversify("sensitivity", TINY, *RANGES[:2], "--budget", "0")
    assert " ".join(done.stdout.split()).startswith(
        "tiny: of 1 uncertain number none alone changes this: no plan survives. Each"
    )


@pytest.mark.parametrize("width", [80, 120])
def test_names_are_not_broken_inside_words_where_changes_are_ranges(width: int) -> None:
    name = "Further lines for electronics, of recycled magnets in the Mediterranean"
    instance = so.load(TINY, {"options.plant.name": name})
    capex = UncertainInput("options.plant.capex", ("options", "plant", "capex"), 0.5, 2.0, 1.0, is_factor=True)
    base = VariantOutcome("optimal", cost=7.0655e9, bound=7.0351e9, gap=445e6, gap_bound=444e6)
    low, high = replace(base, cost=7.0187e9, bound=6.9869e9), replace(base, cost=7.1432e9, bound=7.1158e9)
    low, high = (replace(end, bought=frozenset({"plant"})) for end in (low, high))
    bars = (TornadoBar(UncertainNumber("x", (capex,)), low, high),)
    found = Sensitivity("proven", instance, 0.02, 0.01, base, bars)
    console = Console(width=width, file=io.StringIO())
    show(sensitivity_parts, found, console)
    shown = console.file.getvalue()
    _, _, rows = shown.partition("Uncertain number")
    assert max(map(len, shown.splitlines())) <= width
    assert {"electronics,", "Mediterranean:"} <= {*rows.split()}
    # The ranges of the cost are there, on one line or on several.
    assert rows.count("to") >= 2


def test_costs_are_changes_and_gaps_are_what_is_left() -> None:
    # With 20M every floor is kept: the gap of 33.1M goes, and of the capex it stays what it is.
    capex = VariantOutcome("optimal", cost=37e6, bound=37e6, gap=33.1e6, gap_bound=33.1e6)
    kept = VariantOutcome("optimal", cost=43.6e6, bound=43.6e6)
    numbers = (UncertainInput(f"policy.{name}", ("policy", name), 5e6, 20e6, 5e6, is_factor=False) for name in "ab")
    ends = ((capex, kept), (capex, capex))
    bars = tuple(TornadoBar(UncertainNumber(n.path, (n,)), *of) for n, of in zip(numbers, ends, strict=True))
    found = Sensitivity(
        "proven", so.load(TINY), 0.02, 0.01, capex, bars, tolerance_base=ToleranceBase.of(37e6, 30e6, 0.02, 33.1e6)
    )
    console = Console(width=80, file=io.StringIO())
    show(sensitivity_parts, found, console)
    lines = console.file.getvalue().splitlines()
    (closed,), (same,) = ([line.split() for line in lines if line.startswith(f"policy {name} ")] for name in "ab")
    assert closed[-4:] == ["–", "+6.6M", "33.1M", "0"]
    assert same[-4:] == ["–", "–", "33.1M", "33.1M"]
    words = " ".join(" ".join(lines).split())
    said = "Cost change: from that cost, which includes what is bought without any shock"
    assert f"{said}; gap left: the survival gap itself." in words
    assert "–: no proven change." in words
    assert "hold where the gap left is 0" in words


def test_no_plan_to_begin_with_is_none_in_json() -> None:
    done = diversify(
        "sensitivity", TINY, *RANGES[:2], "--set", "policy.force.plant.2026=80", "--budget", "1M", "--json"
    )
    assert done.returncode == 4
    assert json.loads(done.stdout)["base"]["status"] == "none"


def test_where_floors_fail_already_the_legend_says_so() -> None:
    # 11.5M is the least that survives: with 1M floors fail at both ends of the capex, and with 25M they hold.
    capex = ("--set", "ranges.options.plant.capex={low: 150k, high: 600k}", "--quick", "--budget", "1M")
    words = " ".join(diversify("sensitivity", TINY, *capex).stdout.split())
    assert "Floors fail as it is, and at every end that is known; ~" in words
    assert "✗" not in words
    budget = ("--set", "policy.budget=1M", "--set", "ranges.policy.budget={low: 0, high: 25M}", "--quick")
    words = " ".join(diversify("sensitivity", TINY, *budget).stdout.split())
    assert "Floors fail as it is, and hold where the gap left is 0; ~" in words


def test_where_gaps_have_a_price_no_plan_is_said_to_survive_less_than_it_could() -> None:
    # 60 t more in store close 30M of gap for 6.4M; at 0.12 that gap costs 3.6M. Without the price 43.6M survive.
    price = ("--set", "policy.gap_price=0.12", "--set", "ranges.options.reserve.price={low: 20k, high: 100k}")
    said = " ".join(diversify("sensitivity", TINY, *price).stdout.split())
    none = "tiny: of 1 uncertain number none alone changes this: the best plan leaves a gap"
    assert said.startswith(f"{none}; magnet reserve: price moves the gap and the price of the plan most.")


def test_samples_that_may_fail_are_not_said_to_keep_their_floors(loose: str) -> None:
    ranges = ("--set", "ranges.policy.budget={low: 3M, high: 9M}", "--set", "policy.budget=4M", "--samples", "60")
    said = " ".join(diversify("sensitivity", loose, *ranges, columns=160).stdout.split())
    assert f"every floor is kept {BUT_SAMPLES}" in said
    best = r"60 samples, each with its own best plan \(one plan in all: --discover\): \d\d? % survive everything"
    assert re.search(rf"{best} {re.escape(BUT_SAMPLES)}; total cost, to which survival gaps are not added, ", said)
