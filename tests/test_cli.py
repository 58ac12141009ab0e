"""The command line: exit codes, clean JSON, files whole or not at all, and what a reader sees."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.cli.common import guarded
from optimizer.cli.inputs import plan_that_fits
from optimizer.errors import PlanFileError
from optimizer.report.provenance import least_gap_words
from optimizer.solver import Listener, Progress
from optimizer.studies.summary import previews

ROOT = Path(__file__).parent.parent
TINY = str(ROOT / "instances" / "tiny.yaml")
US = str(ROOT / "instances" / "us-magnets.yaml")
GALLIUM = str(ROOT / "instances" / "next-chokepoint.yaml")
CASES = ROOT / "tests" / "cases"


def diversify(*words: str, columns: int = 80, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a fresh process, warnings as errors."""
    environment = os.environ | {"COLUMNS": str(columns), "NO_COLOR": "1"}
    command = [sys.executable, "-W", "error", "-m", "optimizer", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)


def test_a_plan_that_survives_exits_with_0_and_says_so_first() -> None:
    done = diversify("solve", TINY)
    assert done.returncode == 0, done.stderr
    assert "SURVIVES both shocks" in done.stdout.splitlines()[1]
    assert "diversify explain" not in done.stdout
    assert done.stderr == ""


def test_a_budget_too_small_exits_with_4_and_prints_the_best_plan() -> None:
    done = diversify("solve", TINY, "--budget", "5M")
    assert done.returncode == 4
    assert "FAILS in 2 of 2 shocks" in done.stdout
    assert "Worst shock" in done.stdout
    assert "magnet reserve" in done.stdout
    assert "each with its price: diversify explain, with the same file and options." in " ".join(done.stdout.split())
    assert "infeasible" not in done.stdout.lower()


def test_a_gap_with_a_price_is_not_called_the_least() -> None:
    # Nothing is worth buying at a thousandth of the shortage cost; floors first would leave no gap.
    done = diversify("solve", TINY, "--set", "policy.gap_price=0.001")
    assert done.returncode == 4
    words = " ".join(done.stdout.replace("│", " ").split())
    assert (
        "to close more of it with this budget is impossible, or costs more than the price of gaps in the file" in words
    )
    assert "discounted at 0 % a year, before survival gaps at their price" in words
    assert "With gaps 30.11M USD, which is minimised (proven to be the least): the cost plus the undiscounted" in words
    assert "gaps of all shocks, of which at most one occurs; a gap counts 0.001 times its" in words
    assert "leaves less" not in words


def test_a_search_that_was_stopped_says_nothing_of_what_closing_a_gap_costs() -> None:
    instance = so.load(TINY)
    result = so.solve(instance.replacing(policy=instance.policy.model_copy(update={"gap_price": 0.001})))
    assert least_gap_words(result).startswith(
        "; to close more of it with this budget is impossible, or costs more than"
    )
    assert not least_gap_words(replace(result, status="stopped"))


def test_a_sample_that_may_fail_bears_no_mark_of_one_that_is_survived(loose: str) -> None:
    done = diversify("solve", loose, "--all")
    rows = [line.split()[:2] for line in done.stdout.splitlines() if "storms#" in line and line[0] in "✓✗–"]
    assert rows == [["✓", "storms#00001"], ["✓", "storms#00002"], ["–", "storms#00003"], ["✓", "storms#00004"]]
    assert "Doing nothing fails in 4 of 4 shocks, samples that may fail included" in " ".join(
        done.stdout.replace("│", " ").split()
    )


def test_contradicting_rules_exit_with_4_and_are_named() -> None:
    # Imports forced to run at 60 t a year are 30 % at most only if 140 t are made elsewhere; in 2026 nothing else is.
    # The budget has no part in it, and is not named.
    rule = "policy.max_share=[{commodity: magnet, region: rival, share: 0.3}]"
    done = diversify("solve", TINY, "--set", rule, "--set", "processes.imports.min_utilisation=0.5")
    assert done.returncode == 4
    assert "NO PLAN EXISTS" in done.stdout
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "policy.max_share[0]: at most 30 % of magnets from region rival" in words
    assert "imports from the rival has to use at least 50 % of its capacity" in words
    assert "budget" not in words


def test_a_bad_instance_exits_with_3_and_keeps_stdout_empty() -> None:
    done = diversify("solve", TINY, "--set", "demands.motors.commodity=magnt")
    assert done.returncode == 3
    assert done.stdout == ""
    assert 'Did you mean "magnet"?' in done.stderr
    assert "--set demands.motors.commodity=magnt" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("solve",),
        ("solve", TINY, "--budget", "lots"),
        ("solve", TINY, "--budget", "-5"),
        ("solve", TINY, "--solver", "gurobi"),
        ("solve", TINY, "--mip-gap", "2"),
        ("solve", TINY, "--gap", "2"),
        ("frobnicate",),
        ("export", TINY, "-o", "model.txt"),
    ],
)
def test_usage_exits_with_2(words: tuple[str, ...]) -> None:
    done = diversify(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_missing_file_exits_with_3() -> None:
    done = diversify("solve", "nowhere.yaml")
    assert done.returncode == 3
    assert "nowhere.yaml: cannot be read" in done.stderr


def test_no_time_at_all_exits_with_5_and_a_plan() -> None:
    done = diversify("solve", US, "--time-limit", "0", "--json")
    assert done.returncode == 5
    result = json.loads(done.stdout)
    assert result["status"] == "stopped"
    assert result["audit"]["ok"]
    assert result["survival_gap"] > 0
    assert any("this one does nothing" in note for note in result["notes"])


def test_ctrl_c_keeps_the_best_plan_and_exits_with_5(monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[float] = []

    @contextlib.contextmanager
    def impatient(money: str) -> Iterator[Listener]:
        def press(step: Progress) -> None:
            if not pressed and step.bound < step.best < float("inf") and not step.round:
                pressed.append(step.best)
                signal.raise_signal(signal.SIGINT)

        yield press

    monkeypatch.setattr("optimizer.cli.common.display", impatient)
    words = ["--without", "leverage", "--mip-gap", "0", "--strategy", "extensive-form", "--json"]
    done = CliRunner().invoke(app, ["solve", GALLIUM, *words])
    assert pressed
    assert done.exit_code == 5, done.output
    result = json.loads(done.stdout)
    assert result["status"] == "stopped"
    assert result["audit"]["ok"]
    assert result["total_cost"] <= pressed[0] * (1 + 1e-9)
    assert any("Ctrl-C" in note for note in result["notes"])


def test_json_is_clean_and_keeps_its_contract() -> None:
    done = diversify("solve", TINY, "--json")
    result = json.loads(done.stdout)
    assert result["instance"] == "tiny"
    assert result["status"] == "survives"
    assert result["survives"] is True
    keys = {"total_cost", "outlay", "survival_gap", "worst_gap", "bound", "gap_bound", "mip_gap", "dependence", "audit"}
    assert keys <= set(result)
    assert set(result["seconds"]) == {"load", "build", "solver", "total"}
    assert {"optimizer", "pulp", "highspy", "python"} <= set(result["versions"])
    (build,) = result["builds"]
    assert (build["option"], build["kind"], build["year"], build["period"]) == ("plant", "refining", 2026, "2026")
    assert build["size"] == pytest.approx(20)
    assert result["stock"]["reserve"]["2026"] == pytest.approx(60)
    shock = result["shocks"][0]
    assert (shock["name"], shock["survives"], shock["gap"]) == ("embargo@2027", True, 0)
    assert set(shock["segments"]["motors"]) >= {"floor", "worst_service", "shortage"}
    # 2028: floor 0.5 between 0.3 of 2027 and 0.7 of 2029, just kept; 2027: 0.3, just kept. 70 + 50 t go unserved.
    assert shock["segments"]["motors"]["floor"] in (pytest.approx(0.3), pytest.approx(0.5))
    assert shock["segments"]["motors"]["shortage"] == pytest.approx(120)


def test_the_tiny_plan_is_what_a_hand_works_out() -> None:
    # Embargo 2027: 30 t, then 50 t; embargo 2029: 70 t, then 70 t. A line of 20 t/yr works from 2028 (24 months).
    # No line: stock 80 t by the end of 2026 (each window starts from the baseline's stock), 140 t by 2028: above 100.
    # One line: 2027: 30 + (50 - 20) = 60 t; 2029: 2*(70 - 20) = 100 t. Bought 100*65k = 6.5M, line 20*200k + 1M = 5M.
    # Holding 5k*(60 + 60 + 100 + 100 + 100) = 2.1M. Two lines: 30 + 10 = 40 and 60 t: 3.9M + 9M + 1.3M: dearer.
    # Imports 5*100*60k = 30M. Total 43.6M; outlay 11.5M; price of survival 13.6M.
    result = json.loads(diversify("solve", TINY, "--json").stdout)
    assert result["total_cost"] == pytest.approx(43.6e6)
    assert result["outlay"] == pytest.approx(11.5e6)
    assert result["price_of_survival"] == pytest.approx(13.6e6)
    assert result["calm_builds"] == []
    assert result["nothing"]["below_floor"] == pytest.approx(220)
    assert result["nothing"]["gap"] == pytest.approx(110e6)


def test_output_show_and_verify(tmp_path: Path) -> None:
    plan = tmp_path / "deep" / "plan.json"
    solved = diversify("solve", TINY, "--output", str(plan))
    assert solved.returncode == 0
    shown = diversify("show", str(plan))
    assert shown.returncode == 0
    assert shown.stdout.startswith(solved.stdout)
    unchecked = (
        "What binds, bands, changes, notes, the record of the audit, seconds and versions are printed as the file has"
    )
    assert shown.stdout.removeprefix(solved.stdout).split() == f"{unchecked} them, unchecked.".split()
    verified = diversify("verify", str(plan))
    assert verified.returncode == 0
    assert "adds up" in verified.stdout
    assert [path.name for path in plan.parent.iterdir()] == ["plan.json"]


def test_show_says_above_the_answer_that_somebody_changed_a_plan(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    diversify("solve", TINY, "--output", str(plan))
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"total_cost": 43.7e6}))
    shown = diversify("show", str(plan))
    assert shown.returncode == 1
    assert shown.stdout.startswith("Note: THE AUDIT DISAGREES: do not rely on this plan")
    assert shown.stdout.count("THE AUDIT DISAGREES") == 1
    assert "rows agree" not in shown.stdout


def test_verify_names_the_row_that_somebody_changed(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    diversify("solve", TINY, "--output", str(plan))
    data = json.loads(plan.read_text())
    data["builds"][0]["size"] = 40.0
    plan.write_text(json.dumps(data))
    done = diversify("verify", str(plan))
    assert done.returncode == 1
    assert "total_cost" in done.stdout
    assert "does not add up" in done.stdout
    assert "status survives, as the file says." in " ".join(done.stdout.split())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"builds": [], "data": {}}', '{"builds": 3, "data": {}}'])
def test_what_is_no_plan_exits_with_3(tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    for command in ("show", "verify"):
        done = diversify(command, str(plan))
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("total_cost", "much", "total_cost: "),
        ("builds", [{"option": 3}], "builds.0"),
        ("seconds", [], "seconds: "),
        ("audit", {"ok": True, "rows": "many", "worst": 0.0}, "audit.rows: "),
        ("audit", {"ok": True, "rows": 284}, "plan.json is not a plan file: audit.worst: Field required. Solve the"),
        ("seconds", {"load": 1.0, "build": 1.0, "solver": 1.0}, "seconds.total: Field required"),
        ("history", [{"round": "first"}], "history.0.round: "),
        ("comments", [{"place": 3, "value": 5, "text": "a source"}], "comments.0.place: "),
    ],
)
def test_a_plan_of_other_types_exits_with_3_and_names_the_place(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    plan = tmp_path / "plan.json"
    diversify("solve", TINY, "--output", str(plan))
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {key: value}))
    for command in ("show", "verify"):
        done = diversify(command, str(plan))
        assert done.returncode == 3, done.stderr
        assert "not a plan file" in done.stderr
        assert said in done.stderr
        assert "internal error" not in done.stderr


def test_a_plan_that_does_not_fit_its_instance_exits_with_3(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    diversify("solve", TINY, "--output", str(plan))
    data = json.loads(plan.read_text())
    data["shocks"][0]["name"] = "unheard of"
    plan.write_text(json.dumps(data))
    done = diversify("plot", str(plan), "survival", "--output", str(tmp_path / "survival.svg"))
    assert done.returncode == 3, done.stderr
    assert "does not fit its instance" in done.stderr


def test_what_fails_with_a_plan_that_agrees_is_not_the_fault_of_its_file() -> None:
    with pytest.raises(TypeError), plan_that_fits("plan.json", doubts=()):
        raise TypeError
    with pytest.raises(PlanFileError, match="does not fit its instance"), plan_that_fits("plan.json", ["changed"]):
        raise TypeError


def test_an_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = diversify("solve", TINY, "--output", str(blocked / "plan.json"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_csv_has_units_in_its_heads(tmp_path: Path) -> None:
    done = diversify("solve", TINY, "--csv", str(tmp_path / "csv"))
    assert done.returncode == 0
    heads = {path.stem: path.read_text().splitlines()[0] for path in (tmp_path / "csv").glob("*.csv")}
    assert set(heads) == {"builds", "stock", "purchased", "survival", "dependence", "costs", "limits", "flows"}
    assert "size,bought,unit,capex [USD],support [USD],spent [USD]" in heads["builds"]
    assert "gap [USD]" in heads["survival"]
    assert "quantity [t]" in heads["flows"]
    assert heads["limits"] == "limit,step,saving [USD],of,key,shock"


def test_without_takes_what_requires_it_and_says_so() -> None:
    done = diversify("solve", str(CASES / "14_requires.yaml"), "--without", "mine", "--json")
    assert "ref requires mine, so it is left out as well." in done.stderr
    assert json.loads(done.stdout)["builds"] == []
    assert done.returncode == 4


def test_without_a_kind_and_without_nonsense() -> None:
    done = diversify("solve", TINY, "--without", "stockpile", "--json")
    assert json.loads(done.stdout)["stock"] == {}
    done = diversify("solve", TINY, "--without", "reserv")
    assert done.returncode == 3
    assert 'Did you mean "reserve"?' in done.stderr


def test_set_is_checked_like_the_file() -> None:
    done = diversify("solve", TINY, "--set", "demands.motors.survival=70", "--json")
    assert done.returncode == 3
    assert "Write 0.7 for 70 %." in done.stderr
    done = diversify("solve", TINY, "--set", "shocks.embargo.cuts.0.severity=0", "--json")
    assert json.loads(done.stdout)["builds"] == []


@pytest.mark.parametrize(
    ("assignment", "name"),
    [
        ("name=foo.json", "foo.json"),
        ('scenarios={"a": {"name": "\\ud83d\\ude00"}}', "tiny"),
    ],
)
def test_set_takes_what_a_file_takes(assignment: str, name: str) -> None:
    done = diversify("solve", TINY, "--set", assignment, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["instance"] == name


def test_check_says_what_an_instance_is_about() -> None:
    done = diversify("check", TINY)
    assert done.returncode == 0, done.stderr
    assert "can be used" in done.stdout
    assert "nothing: no option pays for itself without a shock" in done.stdout
    assert "embargo@2027" in done.stdout


def test_check_says_what_pays_for_itself_without_shocks() -> None:
    # At 10k a tonne the home plant saves 50k a tonne on imports in each of three years, for 20k and the fixed cost.
    cheap = ("--set", "options.plant.cost=10k", "--set", "options.plant.capex=20k")
    done = diversify("check", TINY, *cheap)
    assert "pays for itself without any shock" in " ".join(done.stdout.split())
    (summary,) = json.loads(diversify("check", TINY, *cheap, "--json").stdout)
    assert summary["bought_without_shocks"]["plant"] == pytest.approx(80)


def test_check_reports_every_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\n")
    done = diversify("check", TINY, str(bad))
    assert done.returncode == 3
    assert "can be used" in done.stdout
    assert "horizon is missing" in done.stderr


@pytest.mark.parametrize("suffix", ["mps", "lp"])
def test_export_gives_another_solver_the_same_optimum(tmp_path: Path, suffix: str) -> None:
    import highspy

    model = tmp_path / f"model.{suffix}"
    done = diversify("export", TINY, "-o", str(model))
    assert done.returncode == 0, done.stderr
    assert "reserve.stock.2027" in model.read_text()
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(model))
    highs.run()
    assert highs.getInfo().objective_function_value == pytest.approx(43.6e6)
    assert [path.name for path in tmp_path.iterdir()] == [model.name]


@pytest.mark.parametrize(
    ("policy", "shocks", "wanted"),
    [
        # Half of four samples have to be survived, and more than that are with nothing bought: two years of imports.
        ("", "ensembles: {e: {count: 4, seed: 1, start: 2027, months: 12, survive: 0.5, CUTS}}", 100),
        # CVaR at 0.8 is the cost where the shock comes: 50 t of plant at 100 a tonne, and 100 to run.
        ("policy: {objective: {cvar: 0.8}}", "shocks: {s: {start: 2027, months: 12, probability: 0.2, SEVERED}}", 5100),
        # The regret of one future is its cost less a constant: 40 t of plant at 100 a tonne, and 100 to run.
        ("policy: {objective: regret}", "shocks: {s: {start: 2027, months: 12, SEVERED}}", 4100),
        # 40 t below the floor at 20 a tonne are cheaper than a plant: with the price 4 of gaps 3200, and 100 to run.
        ("policy: {gap_price: 4}", "shocks: {s: {start: 2027, months: 12, SEVERED}}", 100 + 4 * 40 * 20),
    ],
)
def test_export_has_samples_that_may_fail_the_measure_and_the_price_of_gaps(
    tmp_path: Path, policy: str, shocks: str, wanted: float
) -> None:
    import highspy

    shocks = shocks.replace("CUTS", "cuts: [{region: r, severity: {uniform: [0.4, 1]}}]")
    shocks = shocks.replace("SEVERED", "cuts: [{region: r, severity: 1}]")
    survival = 0 if "cvar" in policy else 0.8
    text = f"""
name: exported
horizon: {{start: 2026, end: 2027, step: year}}
commodities: {{m: {{}}}}
processes: {{imports: {{region: r, output: {{m: 1}}, capacity: 100, cost: 1}}}}
demands: {{d: {{commodity: m, quantity: 50, survival: {survival}, shortage_cost: {200 if "cvar" in policy else 20}}}}}
options: {{plant: {{kind: refining, output: {{m: 1}}, cost: 1, max_size: 60, capex: 100}}}}
{shocks}
{policy}
"""
    file, model = tmp_path / "exported.yaml", tmp_path / "model.lp"
    file.write_text(text)
    assert diversify("export", str(file), "-o", str(model)).returncode == 0
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(model))
    highs.run()
    assert highs.getInfo().objective_function_value == pytest.approx(wanted)


def test_version_names_tool_pulp_and_solver() -> None:
    done = diversify("--version")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("diversify", "PuLP 4", "HiGHS 1"))


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_keep_within_the_terminal(columns: int) -> None:
    done = diversify("solve", TINY, columns=columns)
    assert max(len(line) for line in done.stdout.splitlines()) <= columns


def test_cbc_agrees_with_highs() -> None:
    for name in ("03_refining_chain.yaml", "07_budget_gap.yaml", "30_excludes.yaml"):
        both = [json.loads(diversify("solve", str(CASES / name), "--solver", solver, "--json").stdout)
                for solver in ("highs", "cbc")]  # fmt: skip
        assert both[0]["total_cost"] == pytest.approx(both[1]["total_cost"], rel=1e-6)
        assert both[0]["survival_gap"] == pytest.approx(both[1]["survival_gap"], rel=1e-6)
        assert ["cbcbox" in each["versions"] for each in both] == [False, True]


def test_console_script_is_the_same() -> None:
    script = shutil.which("diversify", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == diversify("--version").stdout


SCENARIO = "scenarios.high={demands.motors.quantity: {2026: 100, 2030: 150}}"


def test_an_asterisk_marks_what_is_bought_in_part_without_any_shock() -> None:
    """Imports lack 5 t of demand, which one line of 20 t a year makes. A stock of 50 t leaves 90 t of the 140 t that
    the floor needs in the two years of an embargo: three lines."""
    done = diversify("solve", TINY, "--set", "processes.imports.capacity=95", "--set", "options.reserve.max_size=50")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "home magnet plant* · 2026 2028 60 t/yr" in said
    checked = diversify("check", TINY, "--set", "processes.imports.capacity=95", "--set", "options.reserve.max_size=50")
    paid = (
        "home magnet plant (20 t/yr): pays for itself without any shock; if you did not expect that, check the numbers"
    )
    assert paid in " ".join(checked.stdout.split())
    assert "Horizon 2026 to 2030 by year, 5 periods; money in USD of 2025" in " ".join(checked.stdout.split())
    assert "* some of it would be bought without any shock as well, perhaps less or later." in said


def test_what_has_to_be_bought_is_an_override_that_the_plan_carries(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    done = diversify("solve", TINY, "--force", "plant=40@2027", "--force", "reserve=80@2026", "--output", str(plan))
    assert done.returncode == 0, done.stderr
    assert "† has to be bought (policy.force)." in done.stdout
    data = json.loads(plan.read_text(encoding="utf-8"))["data"]
    assert data["policy"]["force"] == {"plant": {"2027": 40.0}, "reserve": {"2026": 80.0}}
    assert diversify("verify", str(plan)).returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--force", "plant=40"), 2, "OPTION=SIZE@YEAR"),
        (("--force", "plant=forty@2027"), 2, '"forty" is not a number'),
        (("--force", "plant=20@2027", "--force", "plant=40@2027"), 2, "plant in 2027 is given twice"),
        (("--force", "plant=40@2027", "--without", "plant"), 2, "left out and has to be bought"),
        (("--force", "plnt=40@2027"), 3, 'Did you mean "plant"?'),
        (("--force", "plant=40@2031"), 3, "2031 is outside the horizon, 2026 to 2030"),
        (("--scenario", "hihg", "--set", SCENARIO), 3, 'Did you mean "high"?'),
        (("--scenario", "high"), 3, "The file has none"),
    ],
)
def test_variants_of_the_command_line_are_refused_with_a_cure(words: tuple[str, ...], code: int, said: str) -> None:
    done = diversify("solve", TINY, *words)
    assert done.returncode == code
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not done.stdout


def test_a_scenario_is_applied_and_named() -> None:
    done = diversify("solve", TINY, "--set", SCENARIO, "--scenario", "high", "--json")
    result = json.loads(done.stdout)
    assert "Scenario high: demands.motors.quantity={2026: 100, 2030: 150}." in result["notes"]
    assert result["outlay"] > 11.5e6 + 1


def test_a_price_is_said_to_be_the_most_that_a_step_can_save() -> None:
    words = " ".join(diversify("solve", TINY).stdout.split())
    assert (
        "The most that a small step of a limit can save with the same options opened and the same whole units." in words
    )
    assert "Where other limits bind as well, it saves less, or nothing." in words


@pytest.mark.parametrize(
    ("name", "before"),
    [("extensive-form", "whole"), ("constraint-generation", "scenarios"), ("benders", "cuts"), ("auto", "auto")],
)
def test_an_algorithm_has_the_name_of_the_field_and_that_of_before(name: str, before: str) -> None:
    for word in (name, before):
        done = CliRunner().invoke(app, ["solve", TINY, "--strategy", word, "--json"])
        assert done.exit_code == 0, done.output
        result = json.loads(done.stdout)
        assert (result["settings"]["strategy"], result["total_cost"]) == (before, pytest.approx(43.6e6))


def test_an_algorithm_that_does_not_exist_is_refused() -> None:
    done = CliRunner().invoke(app, ["solve", TINY, "--strategy", "simplex"], env={"COLUMNS": "120"})
    assert done.exit_code == 2
    assert "write one of auto, extensive-form, constraint-generation or benders." in done.output


def test_an_error_of_the_audit_leaves_stdout_to_json(capsys: pytest.CaptureFixture[str]) -> None:
    result = so.solve(so.load(TINY))

    def command(*, json: bool) -> None:
        raise so.AuditError(["a row"], result)

    said = []
    for json_ in (False, True):
        with pytest.raises(typer.Exit):
            guarded(command)(json=json_)
        said.append(capsys.readouterr())
    assert "Plan" in said[0].out
    assert said[1].out == ""
    assert all("a row" in each.err for each in said)


def test_a_command_without_a_plan_prints_what_solve_prints() -> None:
    changes = ("--set", "policy.budget=0", "--set", "policy.force={plant: {2026: 40}}", "--json")
    one, other = (json.loads(diversify(word, TINY, *changes).stdout) for word in ("solve", "stress"))
    assert one["status"] == "none"
    assert one.keys() == other.keys()


RULED = """
horizon: {start: 2026, end: 2028, step: year}
home: usa
commodities: {magnet: {}}
processes: {imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 10}}
demands: {motors: {commodity: magnet, quantity: 50, survival: 0.1, shortage_cost: 1000}}
options: {plant: {kind: refining, output: {magnet: 1}, cost: 50, capex: 100, max_size: 20}}
shocks:
  embargo: {start: [2027, 2028], months: 12, cuts: [{region: rival, severity: [0.2, 1]}]}
policy: {max_share: [{commodity: magnet, region: rival, share: 0.8}]}
"""


def test_what_only_a_rule_asks_for_is_not_said_to_pay_for_itself(tmp_path: Path) -> None:
    # 10 t/yr of the plant cost 1,000 and 3 x 10 x (50 - 10) more than imports, and save nothing: a limit of 80 % asks
    # for them. Imports keep 80 of 100 t in either shock, so that doing nothing keeps the floor of 5 t.
    file = tmp_path / "ruled.yaml"
    file.write_text(RULED)
    checked = " ".join(CliRunner().invoke(app, ["check", str(file)]).stdout.split())
    assert "plant (10 t/yr): pays for itself without any shock, or rules of the file ask for it (max_share)" in checked
    solved = re.sub(r"[\s│]+", " ", CliRunner().invoke(app, ["solve", str(file)]).stdout)
    assert "survives as well: what is bought lowers costs, or rules of the file ask for it" in solved
    # Shares beyond the window cut nothing.
    (family,) = previews(so.load(file))
    assert family.severity is not None
    assert set(family.severity) == {0.2}
