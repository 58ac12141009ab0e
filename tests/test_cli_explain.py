"""diversify explain: the answer first, clean JSON, exit codes."""

import json

import pytest

from tests.test_cli import TINY, diversify


def test_what_would_mend_it_is_said_and_fits() -> None:
    for columns in (80, 120):
        done = diversify("explain", TINY, "--budget", "5M", columns=columns)
        assert done.returncode == 4, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= columns
        words = " ".join(done.stdout.split())
        assert "FAILS in 2 of 2 shocks" in done.stdout.splitlines()[1]
        assert "11.5M USD, 6.5M USD more than the 5M USD there are" in words
        assert "54.9 % of every floor: motors 16.5 % in 2026, 38.4 % in 2030." in words
        assert "In embargo@2029, 2029–2030, motors needs 140 t of magnets; 76.9 t can be had, because" in words
        assert "infeasible" not in done.stdout.lower()
    assert "asking: the least budget" in done.stderr


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


@pytest.mark.parametrize("words", [("--budget", "much"), ("--force", "plant"), ("--gap", "2"), ("--jobs", "0")])
def test_usage_exits_with_2(words: tuple[str, ...]) -> None:
    done = diversify("explain", TINY, *words)
    assert done.returncode == 2
    assert done.stdout == ""


def test_contradicting_rules_are_named_and_nothing_else_is_promised() -> None:
    rule = "policy.max_share=[{commodity: magnet, region: rival, share: 0.3}]"
    done = diversify("explain", TINY, "--set", rule, "--set", "processes.imports.min_utilisation=0.5")
    assert done.returncode == 4
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "NO PLAN EXISTS" in words
    assert "policy.max_share[0]: at most 30 % of magnet from region rival" in words
    assert "✓" not in words
    assert "infeasible" not in words.lower()
