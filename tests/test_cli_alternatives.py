"""diversify alternatives: the answer first, clean JSON, files, exit codes, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import optimizer as so
from optimizer.report.study_narrative import view_of
from tests.conftest import BUT_SAMPLES
from tests.test_cli import TINY, US, diversify


def test_the_answer_comes_first_and_fits() -> None:
    for columns in (80, 120):
        done = diversify("alternatives", TINY, "--within", "5%", columns=columns)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert max(map(len, done.stdout.splitlines())) <= columns
        words = (
            "tiny: of 2 options 2 are in every plan, among plans that cost up to 680k USD more than the least cost (43"
        )
        assert " ".join(done.stdout.split()).startswith(words)
        assert "), 5 % of the price of survival." in " ".join(done.stdout.split())
        assert "t/yr: refining; t bought over all years: stockpile. A plan" in " ".join(done.stdout.split())
        assert "Plans that differ" in done.stdout


def test_json_has_ranges_and_plans_and_the_folder_has_files(tmp_path: Path) -> None:
    done = diversify("alternatives", TINY, "--within", "2.18M", "--plans", "1", "--json", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["status"], said["more"], said["most"]) == (
        "proven",
        pytest.approx(2.18e6),
        pytest.approx(1.05 * 43.6e6),
    )
    # The price of survival is 13.6M.
    assert (said["within"], said["measure"]["kind"]) == (pytest.approx(2.18 / 13.6), "price of survival")
    plant, reserve = said["options"]
    # 20 t a line: one to three of them. Three cost 45.7M with 30 t in store, a fourth is not needed.
    assert (plant["verdict"], plant["least"]["size"], plant["greatest"]["size"]) == ("must-have", 20, 60)
    assert (reserve["least"]["size"], reserve["greatest"]["size"]) == (pytest.approx(30), pytest.approx(100))
    assert [each["audit"]["ok"] for each in said["plans"]] == [True]
    for name in ("cheapest", "alternative_a"):
        assert diversify("verify", str(tmp_path / f"{name}.json")).returncode == 0


def test_where_floors_fail_the_exit_code_is_4() -> None:
    done = diversify("alternatives", TINY, "--budget", "5M")
    assert done.returncode == 4
    assert "the least cost of the least gap" in " ".join(done.stdout.split())


def test_without_any_plan_the_rules_are_named() -> None:
    rule = "policy.min_time_to_survive=[{cuts: [{region: rival, severity: 1}], months: 12}]"
    done = diversify("alternatives", TINY, "--set", rule)
    assert done.returncode == 4
    assert "NO PLAN EXISTS" in done.stdout
    assert json.loads(diversify("alternatives", TINY, "--set", rule, "--json").stdout)["options"] == []


@pytest.mark.parametrize("more", [("--within", "much"), ("--within", "300%"), ("--plans", "-1"), ("--output", TINY)])
def test_usage_exits_with_2(more: tuple[str, ...]) -> None:
    done = diversify("alternatives", TINY, *more)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_time_limit_ends_it_with_what_is_known() -> None:
    done = diversify("alternatives", TINY, "--time-limit", "0", "--json")
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout)["status"] == "stopped"


def test_ctrl_c_ends_it_with_what_is_known() -> None:
    command = [sys.executable, "-W", "error", "-m", "optimizer", "alternatives", US, "--json", "--accuracy", "0.02"]
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "80"}
    )
    assert run.stderr is not None
    for line in run.stderr:
        if "integers" in line and "none violated" in line:
            break
    time.sleep(12)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=120)
    said = json.loads(out)
    assert run.returncode == 5
    assert said["status"] == "stopped"
    for each in said["options"]:
        assert each["least"]["bound"] <= each["least"]["size"] + 1e-6 or each["least"]["size"] == 0


def test_that_no_other_plan_was_found_is_said_as_a_distance_and_where_one_was_looked_for() -> None:
    # Stores of 60 t to 62.3 t, a distance of 0.04: more than sizes are proven to, less than makes another plan.
    words = ("alternatives", TINY, "--set", "demands.motors.survival=0.3", "--without", "plant", "--within", "3%")
    said = " ".join(diversify(*words).stdout.split())
    none = "No plan was found at a distance of 0.05 or more from the cheapest"
    none += " (1: an option that one of the two lacks and the other buys as much of as any). Note: Without plant."
    assert said.endswith(none)
    assert "No plan" not in diversify(*words, "--plans", "0").stdout


@pytest.mark.parametrize(("plans", "said"), [(1, 1), (0, 0)])
def test_the_page_says_that_no_other_plan_was_found_where_one_was_looked_for(plans: int, said: int) -> None:
    instance = so.load(TINY, {"demands.motors.survival": 0.3, "options.plant.capex": "9M"})
    found = so.alternatives(instance, "3%", plans)
    assert (found.plans, found.plans_sought) == ((), plans)
    texts = [
        text for text in view_of(found).sentences(found) if text.startswith("No plan was found at a distance of 0.05")
    ]
    assert len(texts) == said


def test_without_any_option_nothing_was_stopped() -> None:
    done = diversify("alternatives", TINY, "--without", "plant", "--without", "reserve")
    assert done.returncode == 4, done.stderr
    assert done.stdout.startswith("tiny: there is no option to choose from, so no other plan.")


def test_alternatives_may_miss_other_floors_where_samples_may_fail_or_gaps_have_a_price(loose: str) -> None:
    done = diversify("alternatives", loose, "--within", "1M", columns=120)
    said = " ".join(done.stdout.split())
    assert f"Over all plans within the tolerance that keep every floor {BUT_SAMPLES}, whichever these are." in said
    short = " ".join(diversify("alternatives", TINY, "--budget", "5M").stdout.split())
    assert "Over all plans within the tolerance that leave the least gap, in whichever shocks. " in short


def test_the_limit_of_alternatives_is_one_of_cost_with_gaps_at_their_price() -> None:
    # Doing nothing costs 30M and leaves 110M, at 0.05 of it 5.5M. No other plan costs more than 40.5M so counted.
    words = ("alternatives", TINY, "--set", "policy.gap_price=0.05", "--within", "5M")
    done = diversify(*words, columns=120)
    said = " ".join(done.stdout.split())
    some = "tiny: of 2 options 2 are in some plans, among plans that cost, with gaps at their price, up to 5M USD more"
    assert said.startswith(f"{some} than the least (35.5M USD, proven)")
    assert "Over all plans within the tolerance, whichever floors they keep. " in said
    rows = {line[:60].strip(): line.split()[-4:] for line in done.stdout.splitlines()}
    assert rows["with gaps at their price"][:2] == ["35.5M", "40.5M"]
    assert rows["more than the cheapest"][1] == "+5M"
    assert json.loads(diversify(*words, "--json", "--plans", "0").stdout)["most"] == pytest.approx(40.5e6)
