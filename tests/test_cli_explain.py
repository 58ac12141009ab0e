"""diversify explain: the answer first, clean JSON, exit codes."""

import json
import signal
from typing import Any

import pytest
from typer.testing import CliRunner

from optimizer.cli.app import app
from optimizer.cli.common import Display
from optimizer.solver import Progress
from tests.test_cli import TINY, diversify


def test_repairs_are_shown_and_fit_the_screen() -> None:
    for columns in (80, 120):
        done = diversify("explain", TINY, "--budget", "5M", columns=columns)
        assert done.returncode == 4, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= columns
        words = " ".join(done.stdout.split())
        assert "FAILS in 2 of 2 shocks" in done.stdout.splitlines()[1]
        assert "11.5M USD, 6.5M USD more than the 5M USD of the budget" in words
        assert "54.9 % of every floor: motors 16.5 % in 2026, 38.4 % in 2030." in words
        assert (
            "In embargo@2029, short in 2029–2030, motors needs 140 t of magnets; "
            "a plan for this conflict alone has 76.9 t, because" in words
        )
        # The conflict is one of two: without embargo@2029 the other one still fails.
        assert "Without this shock, or without this floor, the conflict is gone; the instance as a whole" in words
        assert "infeasible" not in done.stdout.lower()
    assert "\nthe least budget" in done.stderr


def test_json_is_one_object() -> None:
    done = diversify("explain", TINY, "--budget", "5M", "--json")
    assert done.returncode == 4
    said = json.loads(done.stdout)
    assert (said["status"], said["complete"], said["gap"]) == ("gap", True, 0.005)
    assert [each["kind"] for each in said["repairs"]][:2] == ["budget", "floors"]
    assert said["reason"]["needed"] == pytest.approx(140)
    assert said["plan"]["outlay"] == pytest.approx(5e6)


def test_no_time_at_all_exits_with_5_and_what_is_known() -> None:
    done = diversify("explain", TINY, "--time-limit", "0", "--json")
    assert done.returncode == 5
    said = json.loads(done.stdout)
    assert (said["status"], said["complete"], said["repairs"]) == ("stopped", False, [])


@pytest.mark.parametrize(
    "words", [("--budget", "much"), ("--force", "plant"), ("--accuracy", "2"), ("--gap", "2"), ("--jobs", "0")]
)
def test_usage_exits_with_2(words: tuple[str, ...]) -> None:
    done = diversify("explain", TINY, *words)
    assert done.returncode == 2
    assert done.stdout == ""


def test_contradicting_rules_are_named_and_nothing_else_is_promised() -> None:
    rule = "policy.max_share=[{commodity: magnet, region: rival, share: 0.3}]"
    more = ("processes.imports.min_utilisation=0.5", "commodities.magnet.name=NdFeB magnet")
    done = diversify("explain", TINY, *(word for each in (rule, *more) for word in ("--set", each)))
    assert done.returncode == 4
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "NO PLAN EXISTS" in words
    assert "policy.max_share[0]: at most 30 % of NdFeB magnet from region rival" in words
    assert "✓" not in words
    assert "infeasible" not in words.lower()


def test_what_a_plan_is_made_of_is_said_and_fits() -> None:
    for columns in (80, 120):
        done = diversify("explain", TINY, columns=columns)
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= columns
        words = " ".join(done.stdout.split())
        assert "SURVIVES both shocks" in done.stdout.splitlines()[1]
        assert words.index("What binds") < words.index("Each family of shocks: the change of cost without all of it")
        assert words.index("Each family") < words.index("Each shock") < words.index("Each option")
        assert "home magnet plant NO PLAN SURVIVES at any budget" in words
        assert "motors + 1 point +780k USD" in words
        assert "What-ifs are proven within 68k USD, 0.5 % of the price of survival" in words


def test_ctrl_c_ends_with_what_is_known_and_exits_with_5(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(display: Display, event: Progress) -> None:
        if event.task == "without home magnet plant":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Display, "__call__", press)
    done = CliRunner().invoke(app, ["explain", TINY])
    assert done.exit_code == 5
    assert "embargo@2029" in done.output.partition("Each shock")[2]
    assert "Each floor" not in done.output
    assert "Stopped before every what-if was solved." in " ".join(done.output.split())


def test_variants_are_explained_as_solve_solves_them() -> None:
    done = diversify("explain", TINY, "--force", "plant=40@2027", "--without", "reserve", "--json")
    assert done.returncode == 4
    said = json.loads(done.stdout)
    assert "Without reserve." in " ".join(said["plan"]["notes"])
    assert said["reason"]["shocks"]


def test_a_repair_that_was_stopped_says_that_less_may_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(display: Display, event: Progress) -> None:
        if event.task == "less demand: trying 50 %":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Display, "__call__", press)
    done = CliRunner().invoke(app, ["explain", TINY, "--budget", "5M"])
    assert done.exit_code == 5
    assert "before it was known whether less would do" in " ".join(done.output.split())


def test_a_change_without_an_attack_says_that_its_parts_are_left_out_too() -> None:
    # Both targets together are affordable, and stand for each of them alone; with raid at 5 nothing but one is.
    targets: dict[str, Any] = {
        "ban": {"price": 6, "cuts": [{"process": "imports", "severity": 1}]},
        "raid": {"price": 4, "cuts": [{"process": "plant", "severity": 0.5}]},
    }
    said = "An attack stands for those on some of its targets: a change without it is without these as well."
    for price in (4, 5):
        targets["raid"]["price"] = price
        threat = {"attack_budget": 10, "months": 12, "starts": [2029], "targets": targets}
        done = diversify("explain", TINY, "--adversary", "--set", f"adversary={json.dumps(threat)}")
        assert done.returncode == 0, done.stderr
        assert (said in " ".join(done.stdout.split())) == (price == 4)


def test_with_a_price_of_gaps_it_is_said_that_each_what_if_keeps_every_floor() -> None:
    said = "Each keeps every floor, whatever that costs, although gaps have a price."
    assert said not in " ".join(diversify("explain", TINY).stdout.split())
    assert said in " ".join(diversify("explain", TINY, "--set", "policy.gap_price=1").stdout.split())
