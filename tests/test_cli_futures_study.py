"""diversify futures: the answer first, clean JSON, CSV, exit codes."""

import csv
import json
from pathlib import Path

import pytest

from tests.test_cli import TINY, diversify

FILE = "examples/wait_or_commit.yaml"
NESTED = "tests/cases/futures/hand_nested.yaml"
EXACT = ("--accuracy", "0", "--jobs", "1")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("file", [FILE, NESTED])
def test_the_answer_comes_first_and_fits(file: str, columns: int) -> None:
    done = diversify("futures", file, *EXACT, columns=columns)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    words = " ".join(done.stdout.replace("│", " ").split())
    flexible, informed = ("600k", "1.2M") if file == FILE else ("350", "130")
    start = f"Deciding later what can wait is worth {flexible} USD; knowing every answer at the start {informed} USD"
    assert " ".join(words.split("╮")[1].split()).startswith(start)
    assert ("Regret of each informed plan in each future" in words) == (file == FILE or columns == 120)


def test_only_questions_that_arise_from_others_are_explained() -> None:
    other = "futures.price={from: 2028, branches: {a: {}, b: {set: {options.extension.capex: {2027: 60k, 2028: 90k}}}}}"
    said = "A question that arises from another one is answered with it at the earliest."
    for command, is_said in (((FILE, "--set", other), False), ((NESTED,), True)):
        words = " ".join(diversify("futures", *command, *EXACT).stdout.split())
        assert "Each question at another date" in words
        assert (said in words) == is_said


def test_tables_on_the_screen_by_hand() -> None:
    """RP 2M + 0.5 · 6M, ST 2M + 3.6M, WS 2M + 0.5 · 3.6M; the plan of `low` leaves 60 t at 500k in `high`."""
    words = " ".join(diversify("futures", FILE, *EXACT).stdout.replace("│", " ").split())
    for text in (
        "expected cost 5M USD (each",
        "expected cost 5.6M USD (one",
        "expected cost 3.8M USD (every",
        "need 2028 1.2M 1.2M 600k 600k",
        "high 50 % 5.6M 2 of 2 3.6M – –",
        "low 50 % 2M 1 of 2 ✗ 30M –",
        "No regret plant, 40 t/yr: in the informed plans of all futures",
        "Contingent extension (need: high)",
        "plant all futures 40 t/yr 2027 –",
        "extension need: high 60 t/yr 2027 need (2028)",
    ):
        assert text in words, text


def test_what_is_worth_in_another_measure_is_not_said_to_be_a_cost() -> None:
    # The static plan buys all in 2027, 60 t/yr of it at 60k for nothing in low: its largest regret is 3.6M. With x t/yr
    # of them in 2027 the regret is 60k x in low, and 40k (60 - x) in high for what is then bought at 100k: 1.44M at 24.
    done = diversify("futures", FILE, *EXACT, "--set", "policy.objective=regret")
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "is worth 2.16M USD; knowing every answer at the start 1.44M USD (largest regret) " in words
    assert "2.16M USD: the largest regret of the static plan is that much more than that of the adaptive one" in words
    assert "costs that much more" not in words


def test_json_and_csv_have_every_figure(tmp_path: Path) -> None:
    done = diversify("futures", FILE, *EXACT, "--json", "--csv", str(tmp_path))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [said[kind]["cost"] for kind in ("adaptive", "static", "perfect")] == pytest.approx([5e6, 5.6e6, 3.8e6])
    assert (said["flexibility"]["value"], said["information"]["value"]) == pytest.approx((600e3, 1.2e6))
    assert [(each["timing"], each["known"], "worth" in each) for each in said["questions"]] == [
        ("start", "2027", True), ("later", "2029", False), ("never", None, False)
    ]  # fmt: skip
    assert [(each["option"], each["hangs"]) for each in said["orders"]] == [
        ("plant", "no regret"), ("extension", "one answer")
    ]  # fmt: skip
    tables = {path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in tmp_path.glob("*.csv")}
    assert set(tables) == {"values", "questions", "futures", "regret", "orders"}
    assert [row["what"] for row in tables["values"]] == ["adaptive", "static", "perfect", "flexibility", "information"]
    assert [row["regret [USD]"] for row in tables["regret"]][2] == ""
    assert len(tables["regret"]) == 4


def test_a_gap_stands_in_place_of_a_value() -> None:
    """`low` cannot pay for the extension, which the static plan would buy in it: 60 t at 500k, probability one half."""
    done = diversify("futures", FILE, *EXACT, "--set", "futures.need.branches.low.set={policy.budget: 2M}")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "Static FAILS: an expected survival gap of 15M USD" in words
    assert "Flexibility closes an expected survival gap of 15M USD: the static plan leaves it" in words
    both = "closes an expected survival gap of 15M USD; knowing every answer at the start is worth 1.2M USD"
    assert f"Deciding later what can wait {both}" in words
    assert "need 2028 1.2M 1.2M ✗ 15M ✗ 15M" in words
    assert "✗ floors fail then" in words
    assert "Closes gap" not in words
    done = diversify("futures", FILE, *EXACT, "--set", "futures.need.branches.low.set={policy.budget: 0}")
    assert done.returncode == 4, done.stderr


def test_an_answer_that_closes_the_gap_is_no_cross() -> None:
    late = ("--set", "options.plant.latest=2027", "--set", "futures.need.branches.low.set={policy.budget: 0}")
    done = diversify("futures", "tests/cases/futures/hand_wait.yaml", *EXACT, *late)
    assert done.returncode == 4, done.stderr
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "Knowing every answer at the start closes an expected survival gap of 5 USD" in words
    assert "need 2028 closes gap closes gap ✗ 5 ✗ 5" in words
    assert "the adaptive plan leaves an expected gap of 5 USD" in words


def test_a_time_limit_ends_it_with_what_is_known() -> None:
    done = diversify("futures", FILE, "--time-limit", "0", "--json")
    assert done.returncode == 5, done.stderr
    said = json.loads(done.stdout)
    assert said["stopped"]
    assert said["information"] is None


def test_without_a_plan_for_all_futures_it_says_why(tmp_path: Path) -> None:
    """To buy nothing, the plan that is known at once, breaks the rule; no money pays what the rule asks for."""
    rule = (FILE, "--set", "policy.force={plant: {2027: 5}}")
    done = diversify("futures", *rule, "--time-limit", "0")
    assert done.returncode == 5, done.stderr
    assert "The search was stopped before it had a plan for all futures" in done.stdout
    drawn = diversify("plot", *rule, "futures", "--time-limit", "0", "-o", str(tmp_path / "tree.svg"))
    assert drawn.returncode == 5
    assert drawn.stderr.rstrip().endswith(f"{FILE}: there is no plan; its status is stopped.")
    done = diversify("futures", *rule, "--budget", "1")
    assert done.returncode == 4, done.stderr
    assert "There is no plan for all futures: its rules contradict each other" in done.stdout


@pytest.mark.parametrize("more", [(TINY,), (FILE, "--future", "high")])
def test_a_file_without_futures_is_refused(more: tuple[str, ...]) -> None:
    done = diversify("futures", *more)
    assert done.returncode == 3
    assert "this command compares several" in done.stderr


def test_a_plan_that_costs_less_than_the_informed_one_has_a_regret_below_0() -> None:
    """Both futures need 10 t. `low` has no money in 2027: it orders in 2028 at 100, 1,000; `high` in 2027 at 60, 600.

    The plan of `high` breaks that rule in `low` and costs 400 less than the informed plan there.
    """
    low = "{demands.d.survival: {2028: 0, 2029: 1}, policy.annual_budget: {2027: 0, 2028: 2000}}"
    waiting = ("tests/cases/futures/hand_wait.yaml", "--set", f"futures.need.branches.low.set={low}")
    done = diversify("futures", *waiting, *EXACT)
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "high 0 −400* low 400 0 ✗" in words
    assert "Below 0: it costs less there than the informed plan of that future, which keeps all rules" in words
    rows = json.loads(diversify("futures", *waiting, *EXACT, "--json").stdout)["regret"]
    assert [each["regret"] for each in rows] == pytest.approx([0, -400, 400, 0], abs=1e-3)
