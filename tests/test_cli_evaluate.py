"""`diversify evaluate`, and plans of one's own in the other commands: exit codes, findings, JSON, files."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.results.result import Result

ROOT = Path(__file__).parent.parent
TINY = str(ROOT / "instances" / "tiny.yaml")
LIST = str(ROOT / "examples" / "plan.yaml")
ENOUGH = "name: enough\nbuilds: {plant: {2026: 20}}\npurchases: {reserve: {2026: 60, 2028: 40}}\n"
MUCH = "name: much\nbuilds: {plant: {2026: 50}}\npurchases: {reserve: {2026: 150}}\n"


def run(*words: str, width: int = 100) -> Any:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": str(width)})


def written(folder: Path, text: str, name: str = "own.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_answer_and_its_exit_codes(tmp_path: Path) -> None:
    done = run("evaluate", TINY, "--plan", LIST)
    assert done.exit_code == 4
    for said in ("the ministry's list: FAILS in 2 of 2 shocks", "the plan costs 3.3M USD less", "What is missing"):
        assert said in done.stdout
    done = run("evaluate", TINY, "--plan", written(tmp_path, ENOUGH))
    assert done.exit_code == 0
    assert "enough: SURVIVES all 2 shocks" in done.stdout
    assert "Waste" in done.stdout
    assert "None" not in done.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_several_plans_side_by_side_fit_the_screen(tmp_path: Path, width: int) -> None:
    done = run("evaluate", TINY, "--plan", LIST, "--plan", written(tmp_path, MUCH), width=width)
    assert done.exit_code == 4
    assert max(map(len, done.stdout.splitlines())) <= width
    # The plant's 50 t/yr at 200k and 1M, and 150 t at 65k; a plant of 0 t/yr and 140 t would do.
    assert "1 of 2 plans survive every shock" in done.stdout
    assert "11M" in done.stdout
    for rule in ("plant.2026", "reserve", "policy.budget"):
        assert rule in done.stdout
    assert f"{tmp_path / 'own.yaml'}:2: plant.2026: 50 t/yr is not in whole units of 20 t/yr." in done.stderr


def test_findings_of_all_plans_come_at_once(tmp_path: Path) -> None:
    one = written(tmp_path, "builds: {plnt: {2026: 20}}\n", "one.yaml")
    two = written(tmp_path, "builds:\n  plant: {2040: 20}\n", "two.yaml")
    done = run("evaluate", TINY, "--plan", one, "--plan", two)
    assert done.exit_code == 3
    assert done.stdout == ""
    assert f'{one}:1: builds.plnt: "plnt" is no option of tiny. Did you mean "plant"?' in done.stderr
    assert f"{two}:2: builds.plant.2040: tiny has no period 2040." in done.stderr
    assert "2 errors: the plan cannot be used." in done.stderr


def test_json_csv_and_a_plan_file(tmp_path: Path) -> None:
    saved, folder = tmp_path / "plan.json", tmp_path / "tables"
    words = ("evaluate", TINY, "--plan", LIST, "--json", "--csv", str(folder), "--output", str(saved))
    done = run(*words)
    said = json.loads(done.stdout)
    (plan,) = said["plans"]
    assert plan["total_cost"] == pytest.approx(40.3e6)
    assert [change["option"] for change in plan["missing"]["changes"]] == ["reserve", "reserve"]
    assert said["optimum"]["total_cost"] == pytest.approx(43.6e6)
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{name}.csv" for name in ("columns", "lacks", "missing", "rules", "waste")
    ]
    assert "gap [USD]" in (folder / "lacks.csv").read_text()
    assert Result.load(saved).given == "the ministry's list"
    assert run("verify", str(saved)).exit_code == 0
    shown = run("show", str(saved))
    assert "the ministry's list: FAILS in 2 of 2 shocks" in shown.stdout
    assert "the cheapest operation of the plan as given" in " ".join(shown.stdout.replace("│", " ").split())
    # The plan file is a plan like any other, here under a rule that it breaks.
    again = run("evaluate", TINY, "--plan", str(saved), "--budget", "5M", "--quick", "--json")
    assert [rule["where"] for rule in json.loads(again.stdout)["plans"][0]["rules"]] == ["policy.budget"]


def test_usage() -> None:
    assert run("evaluate", TINY).exit_code == 2
    done = run("evaluate", TINY, "--plan", LIST, "--plan", LIST, "--output", "x.json")
    assert done.exit_code == 2
    assert "one plan" in done.stderr
    done = run("solve", LIST)
    assert done.exit_code == 2
    assert "is a plan, and needs an instance" in " ".join(done.stderr.replace("│", " ").split())


def test_attacks_are_listed(tmp_path: Path) -> None:
    targets = "{rival: {price: 1, cuts: [{region: rival, severity: 1}]}}"
    adversary = f"adversary={{attack_budget: 1, months: 12, starts: 2027, targets: {targets}}}"
    done = run("evaluate", TINY, "--set", adversary, "--adversary", "--plan", LIST, "--quick", "--json")
    assert json.loads(done.stdout)["plans"][0]["shocks"] == 3


def test_futures_have_a_row_each(tmp_path: Path) -> None:
    futures = "futures={dear: {from: 2028, branches: {cheap: {}, dear: {set: {options.plant.capex: 400k}}}}}"
    words = ("evaluate", TINY, "--set", futures, "--plan", written(tmp_path, ENOUGH), "--plan", LIST)
    done = run(*words, width=80)
    assert done.exit_code == 4, done.output
    assert "1 of 2 plans survive in all of 2 futures" in done.stdout
    assert "made up" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = json.loads(run(*words, "--json").stdout)
    # The plant of 20 t at 400k instead of 200k: 4M more.
    costs = [future["total_cost"] for future in said["plans"][0]["futures"]]
    assert costs == [pytest.approx(43.6e6), pytest.approx(47.6e6)]
    assert run(*words[:-2], "--output", "x.json").exit_code == 2
    folder = tmp_path / "tables"
    assert run(*words, "--csv", str(folder)).exit_code == 4
    assert (folder / "futures.csv").is_file()


def test_stress_survive_attack_and_report_take_it(tmp_path: Path) -> None:
    much = written(tmp_path, MUCH)
    done = run("stress", TINY, "--plan", much, "--samples", "50", "--json")
    assert json.loads(done.stdout)["samples"] == 50
    assert "policy.budget" in done.stderr
    assert run("stress", TINY, "--plan", much, "--instance", TINY).exit_code == 2
    done = run("survive", TINY, "--plan", much, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["plan"] == much
    targets = "{rival: {price: 1, cuts: [{region: rival, severity: 1}]}}"
    adversary = f"adversary={{attack_budget: 1, months: 12, starts: 2028, targets: {targets}}}"
    done = run("attack", TINY, "--set", adversary, "--plan", much, "--json")
    assert json.loads(done.stdout)["plan"] == "given"
    page = tmp_path / "report.html"
    assert run("report", TINY, "--plan", much, "--quick", "--output", str(page)).exit_code == 0
    assert "much" in page.read_text(encoding="utf-8")
    assert run("report", TINY, "--plan", much, "--output", str(tmp_path / "book.xlsx")).exit_code == 0


def test_compare_sets_it_beside_the_optimum(tmp_path: Path) -> None:
    done = run("compare", TINY, "--plan", written(tmp_path, MUCH), "--quick", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert [column["case"] for column in said["columns"]] == ["plain", "much"]
    assert said["columns"][1]["outlay"] == pytest.approx(20.75e6)
    assert any("policy.budget" in note for note in said["notes"])
    found = so.compare({"a": so.load(TINY), "b": so.load(TINY)}, plans=[LIST], facts=())
    assert [column.case for column in found.columns] == ["a", "b", "a, the ministry's list", "b, the ministry's list"]
