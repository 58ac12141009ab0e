"""Commands that are stopped at any look at the clock: the answer says what is not known, and JSON stays clean."""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import optimizer as so
from optimizer.algorithms.problem import SearchResult
from optimizer.cli.app import app
from optimizer.errors import ExitCode
from optimizer.formulation import first_stage_model
from optimizer.solver import Clock, Settings
from optimizer.studies.conclusion import NO_PRICE, RESERVE, run_record, solve_instance
from tests.independent import optimum
from tests.independent.drawn import drawn

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "instances" / "tiny.yaml")
WAIT = str(ROOT / "examples" / "wait_or_commit.yaml")
# An adversary that can stop all of the rival's plants for a year.
RIVAL = (
    "--set=adversary={attack_budget: 1, months: 12, starts: 2028, "
    "targets: {rival: {price: 1, cuts: [{region: rival, severity: 1}]}}}"
)
RANGES = '--set=ranges={"options.*.capex": {low: 0.8, high: 1.5, of: value}}'
LOOKS = (1, 4, 12, 30, 60)


def diversify(*words: str) -> Result:
    """Run a command in this process, where its clocks can be counted."""
    done = CliRunner().invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets after how many looks at any clock the user is taken to press Ctrl-C."""
    left = [0]
    is_over, seconds = Clock.is_over.fget, Clock.left.fget  # type: ignore[attr-defined]

    def looked(look: Callable[[Clock], Any]) -> property:
        def seen(clock: Clock) -> Any:
            left[0] -= 1
            clock.interrupted = clock.interrupted or left[0] < 0
            return look(clock)

        return property(seen)

    monkeypatch.setattr(Clock, "is_over", looked(is_over))
    monkeypatch.setattr(Clock, "left", looked(seconds))

    def start(looks: int) -> None:
        left[0] = looks

    return start


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    assert diversify("solve", TINY, "--output", str(file)).exit_code == ExitCode.SURVIVES
    return str(file)


COMMANDS = (
    ("solve", TINY),
    ("solve", TINY, "--budget", "1k"),
    ("solve", TINY, RIVAL, "--adversary"),
    ("solve", WAIT),
    ("compare", TINY, "--budgets", "0,1M,50M"),
    ("explain", TINY),
    ("alternatives", TINY),
    ("sensitivity", TINY, RANGES),
    ("sensitivity", TINY, RANGES, "--samples", "60"),
    ("attack", TINY, RIVAL),
    ("survive", TINY),
    ("stress", TINY, "--samples", "6"),
    ("futures", WAIT),
    ("evaluate", TINY, "--plan", "PLAN"),
    ("attack", TINY, RIVAL, "--plan", "PLAN"),
    ("report", TINY, "--output", "PAGE"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_answers_wherever_it_is_stopped(
    command: tuple[str, ...], plan: str, tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    page = tmp_path / "page.html"
    words = [{"PLAN": plan, "PAGE": str(page)}.get(word, word) for word in command]
    for looks in LOOKS:
        for more in ((), ("--json",)) if command[0] != "report" else ((),):
            stop_after(looks)
            done = diversify(*words, *more)
            assert done.exit_code in (ExitCode.SURVIVES, ExitCode.NO_PLAN_SURVIVES, ExitCode.STOPPED), done.stderr
            if more and done.stdout:
                json.loads(done.stdout, parse_constant=_refuse)
            elif done.exit_code == ExitCode.STOPPED:
                assert "stopped" in (done.stdout + done.stderr).lower()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


@pytest.mark.parametrize("file", [TINY, WAIT])
def test_a_proven_plan_without_its_price_of_survival_says_why(file: str, stop_after: Callable[[int], None]) -> None:
    priced = set()
    for looks in range(8, 60, 2):
        stop_after(looks)
        done = diversify("solve", file, "--json", "--jobs", "1")
        if done.exit_code == ExitCode.SURVIVES:
            found = json.loads(done.stdout)
            is_priced = found["price_of_survival"] is not None
            assert is_priced == (NO_PRICE not in found["notes"])
            priced.add(is_priced)
    assert priced == {False, True}


def test_what_the_next_money_buys_is_not_known_where_its_search_was_stopped(stop_after: Callable[[int], None]) -> None:
    # 1M buys 15.38 t of stock at 65k USD: beside 5M, where shocks fail by 63.08 t and by 3.08 t, it closes
    # 18.46 t at 500k USD; beside 0, where both fail, twice as much; 15M are more than the least outlay of 11.5M.
    tonnes = 1e6 / 65e3
    closed = {0.0: 2 * tonnes * 5e5, 5e6: (tonnes + 40 / 13) * 5e5, 15e6: 0.0}
    known = set()
    for looks in (*range(10, 200, 30), *range(200, 500, 50)):
        stop_after(looks)
        done = diversify("compare", TINY, "--budgets=0,5M,15M", "--step=1M", "--json", "--jobs=1")
        for step in json.loads(done.stdout)["next"]:
            budget = step["budget"]
            assert (step["nothing"], step["gap_closed"]) in (
                (None, None),
                (budget == 15e6, pytest.approx(closed[budget], rel=0.01)),
            )
            known.add(step["nothing"])
    assert known == {None, False, True}


def test_budgets_whose_search_was_stopped_are_no_breakpoints(stop_after: Callable[[int], None]) -> None:
    # See `test_where_the_plan_of_tiny_changes_by_hand`.
    where = {"embargo@2027": 5.2e6, "embargo@2029": 11.5e6, "plant": 8.95e6, "reserve": 1e4}
    seen = set()
    for looks in (0, *range(40, 1000, 120)):
        stop_after(looks)
        found = json.loads(diversify("compare", TINY, "--budgets=auto", "--quick", "--json", "--jobs=1").stdout)
        for each in found["breakpoints"]:
            for name in (*each["added"], *each["dropped"], *each["survived"], *each["lost"]):
                assert each["above"] < where[name] <= each["at"] * (1 + 1e-9)
                seen.add(name)
        stop_after(looks)
        done = diversify("compare", TINY, "--budgets=auto", "--quick", "--jobs=1")
        assert not found["whole"]
        assert done.exit_code == ExitCode.STOPPED
        assert "Whatever the budget" not in done.stdout
    assert seen == {*where}


# More shocks than a search begins with, each with a larger demand than the last.
SURGES = {
    f"s{i}": {
        "start": 2026 + i % 5,
        "months": 12,
        "cuts": [{"region": "rival", "severity": 1}],
        "demand": {"motors": 1 + 0.02 * i},
    }
    for i in range(25)
}


def test_a_bound_where_gaps_have_a_price_holds_wherever_a_search_is_stopped(stop_after: Callable[[int], None]) -> None:
    words = ("solve", TINY, f"--set=shocks={json.dumps(SURGES)}", "--set=policy.gap_price=0.3", "--json", "--jobs=1")
    stop_after(10**9)
    whole = json.loads(diversify(*words).stdout)
    least, stopped = whole["total_cost"] + 0.3 * whole["survival_gap"], set[bool]()
    for looks in range(2, 60, 4):
        stop_after(looks)
        found = json.loads(diversify(*words).stdout or "{}")
        if found.get("bound") is not None:
            assert found["bound"] + 0.3 * found["survival_gap"] <= least * (1 + 1e-6)
            stopped.add(found["status"] == "stopped")
    assert stopped == {False, True}


def test_a_run_that_is_stopped_before_any_plan_names_none() -> None:
    instance, clock = so.load(TINY), Clock()
    clock.interrupted = True
    stopped = SearchResult("stopped", first_stage_model(instance))
    notes = run_record(instance, so.Settings(), clock, stopped, ())["notes"]
    assert notes == (f"Stopped by {clock.signal_name}: no plan was found until then.",)


def test_bounds_against_an_adversary_hold_wherever_a_search_is_stopped(stop_after: Callable[[int], None]) -> None:
    # A search first bounds the cost of plans that keep every floor; here that is more than the least cost with the gap
    # that its plans leave in attacks not yet found.
    data, exact = drawn(2119, 0.3, attacked=True), so.Settings(mip_gap=0.0, jobs=1)
    known, seen = optimum(data), set[tuple[str, bool]]()
    assert known is not None
    for looks in (*range(16, 151, 6), 10**9):
        stop_after(looks)
        found = so.solve(so.read(copy.deepcopy(data)), settings=exact, adversary=True)
        assert found.gap_bound is None or found.gap_bound <= known.gap * (1 + 1e-6)
        assert known.gap * (1 - 1e-6) <= found.survival_gap
        if found.bound is not None:
            assert found.bound <= known.measure * (1 + 1e-6)
        seen.add((found.status, found.bound is None))
    assert seen == {("stopped", True), ("gap", False)}


def test_the_plan_without_shocks_is_solved_after_the_time_limit_and_not_after_an_interrupt() -> None:
    # A second late of 1,000: the reserve is 50 s. Without shocks 100 t a year are imported for five years at 60k.
    late = time.perf_counter() - 1001.0
    found = solve_instance(so.load(TINY), Settings(), Clock(1000.0, late))
    assert found.calm_cost == pytest.approx(30e6)
    assert NO_PRICE not in found.notes
    stopped = solve_instance(so.load(TINY), Settings(), Clock(1000.0, late, interrupted=True))
    assert stopped.calm_cost is None
    assert NO_PRICE in stopped.notes
    clock = Clock(1000.0, late)
    with clock.with_reserve(RESERVE):
        assert clock.left == pytest.approx(50.0, abs=1.0)
    assert clock.is_over
