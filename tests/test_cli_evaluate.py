"""`diversify evaluate`, and plans of one's own in the other commands: exit codes, findings, JSON, files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.results.result import Result
from tests.conftest import BUT_SAMPLES
from tests.test_evaluate import data, option

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
    assert "the ministry's list: FAILS in 2 of 2 shocks" in done.stdout
    _, _, missing = done.stdout.partition("What is missing")
    rows = [line.split() for line in missing.splitlines() if line.startswith("magnet reserve")]
    # The list has 40 t of the 60 t in store that the embargo of 2027 takes. That of 2029 takes 100 t, 20 t more than
    # these and the 20 t of 2027. A tonne costs 65k.
    assert [row[2:] for row in rows] == [["2026", "40", "t", "60", "t", "1.3M"], ["2028", "–", "20", "t", "1.3M"]]
    assert "the plan costs 3.3M USD less, and does not survive" in " ".join(done.stdout.replace("│", " ").split())
    done = run("evaluate", TINY, "--plan", written(tmp_path, ENOUGH))
    assert done.exit_code == 0
    assert "enough: SURVIVES both shocks" in done.stdout
    assert "Waste" in done.stdout
    done = run("evaluate", TINY, "--plan", written(tmp_path, MUCH))
    waste = "home magnet plant, 2026: none instead of 50 t/yr; magnet reserve, 2026: 140 t instead of 150 t; no shock"
    words = " ".join(done.stdout.replace("│", " ").split())
    assert waste in words
    assert re.search(r"the plan costs \S+ USD more(?!, and does not survive)", words)
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


def test_the_box_counts_the_rules_that_are_broken_and_says_where(tmp_path: Path) -> None:
    said = " ".join(run("evaluate", TINY, "--plan", written(tmp_path, MUCH), width=200).stdout.replace("│", "").split())
    assert "it breaks 3 rules" in said
    assert "Rules broken 3, not enforced, at plant.2026" in said
    assert "Where Rule broken ─" in said


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
    assert sorted(path.name for path in folder.glob("*.csv")) == [
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
    assert "assumed: where" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = json.loads(run(*words, "--json").stdout)
    # The plant of 20 t at 400k instead of 200k: 4M more.
    costs = [future["total_cost"] for future in said["plans"][0]["futures"]]
    assert costs == [pytest.approx(43.6e6), pytest.approx(47.6e6)]
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


def test_compare_has_no_column_of_a_plan_in_a_variant_without_what_it_buys(tmp_path: Path) -> None:
    enough = written(tmp_path, ENOUGH)
    done = run("compare", TINY, "--plan", enough, "--without", "plant", "--quick", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert [column["case"] for column in said["columns"]] == ["plain", "without plant", "plain, enough"]
    assert 'without plant: no column of enough, as "plant" is no option of tiny there.' in said["notes"]
    # One that fits no variant is refused, and what is wrong is said once.
    done = run("compare", TINY, "--plan", written(tmp_path, "builds: {plnt: {2026: 20}}\n"), "--without", "reserve")
    assert done.exit_code == 3
    assert done.stderr.count('"plnt" is no option of tiny') == 1


WAIT = str(ROOT / "examples" / "wait_or_commit.yaml")
IN_BRANCHES = str(ROOT / "examples" / "plan_in_branches.yaml")
AT_ONCE = str(ROOT / "examples" / "plan_at_once.yaml")
LITTLE = "name: too little\nbuilds:\n  plant: {2027: 40}\n  extension: {2028: 20}\n"


@pytest.mark.parametrize("width", [80, 120])
def test_plans_for_several_futures_fit_the_screen(tmp_path: Path, width: int) -> None:
    little = written(tmp_path, LITTLE)
    done = run("evaluate", WAIT, "--plan", IN_BRANCHES, "--plan", AT_ONCE, "--plan", little, width=width)
    assert done.exit_code == 4, done.output
    assert max(map(len, done.stdout.splitlines())) <= width
    for said in ("2 of 3 plans survive in all of 2 futures", "Side by side", "Future by future", "What is missing"):
        assert said in done.stdout
    # At once: 5.6M against 5M; in the panel and in the table.
    assert "600k" in done.stdout
    done = run("evaluate", WAIT, "--plan", little, width=width)
    assert max(map(len, done.stdout.splitlines())) <= width
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "too little: FAILS in 1 of 2 futures: high" in words
    assert "extension in high: for 2M USD more expected outlay every floor is kept" in words
    assert "extension, 2028 in low: none instead of 20 t/yr; no shock fares worse; saves" in words
    assert "None" not in done.stdout
    assert "nan" not in done.stdout


def test_what_only_some_futures_need_has_the_name_that_the_table_has() -> None:
    done = run("evaluate", WAIT, "--plan", AT_ONCE, "--set", "options.extension.name=more lines", width=120)
    assert "more lines in high only: bought before the answer is known" in " ".join(
        done.stdout.replace("│", " ").split()
    )


def test_futures_in_json_and_csv(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    done = run("evaluate", WAIT, "--plan", IN_BRANCHES, "--plan", AT_ONCE, "--json", "--csv", str(folder))
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    waits, at_once = said["plans"]
    assert (waits["total_cost"], at_once["total_cost"]) == (pytest.approx(5e6), pytest.approx(5.6e6))
    assert said["optimum"]["total_cost"] == pytest.approx(5e6)
    assert said["optimum"]["bound"] == pytest.approx(5e6)
    assert at_once["more_than_optimum"] == pytest.approx(6e5)
    assert [each["futures"] for each in waits["builds"]] == [["high", "low"], ["high"]]
    assert [each["needed_in"] for each in at_once["uses"]] == [["high", "low"], ["high"]]
    assert sorted(path.name for path in folder.glob("*.csv")) == [
        f"{name}.csv" for name in ("futures", "lacks", "missing", "plans", "rules", "uses", "waste")
    ]
    quick = json.loads(run("evaluate", WAIT, "--plan", AT_ONCE, "--quick", "--json").stdout)
    assert quick["optimum"] is None
    assert [quick["plans"][0][part] for part in ("missing", "waste", "uses", "more_than_optimum")] == [None] * 4
    assert quick["plans"][0]["expected_cost"] == pytest.approx(5.6e6)


def test_a_plan_file_of_several_futures(tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    assert run("evaluate", WAIT, "--plan", AT_ONCE, "--output", str(saved)).exit_code == 0
    assert run("verify", str(saved)).exit_code == 0
    assert "5.6M USD" in run("show", str(saved)).stdout
    again = run("evaluate", WAIT, "--plan", str(saved), "--quick", "--json")
    assert json.loads(again.stdout)["plans"][0]["expected_cost"] == pytest.approx(5.6e6)
    other = tmp_path / "other.json"
    done = run("evaluate", WAIT, "--plan", AT_ONCE, "--budget", "1M", "--output", str(other))
    assert done.exit_code == 2
    assert "a plan that keeps every rule" in " ".join(done.stderr.split())
    assert not other.exists()


def test_a_plan_that_anticipates_is_refused(tmp_path: Path) -> None:
    early = written(tmp_path, Path(IN_BRANCHES).read_text(encoding="utf-8").replace("2028", "2027"))
    done = run("evaluate", WAIT, "--plan", early)
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"{early}:7: futures.high.builds.extension.2027: 2027 buys 60 t/yr of extension in high" in done.stderr
    assert "decide it in 2028 or later" in " ".join(done.stderr.split())


def test_one_future_of_a_plan_for_several(tmp_path: Path) -> None:
    done = run("evaluate", WAIT, "--future", "high", "--plan", IN_BRANCHES, "--json")
    assert json.loads(done.stdout)["plans"][0]["total_cost"] == pytest.approx(8e6)
    saved = str(tmp_path / "plan.json")
    assert run("solve", WAIT, "--output", saved).exit_code == 0
    for plan, cost in ((IN_BRANCHES, 2e6), (saved, 2e6)):
        done = run("evaluate", WAIT, "--future", "low", "--plan", plan, "--quick", "--json")
        assert json.loads(done.stdout)["plans"][0]["total_cost"] == pytest.approx(cost)
        assert run("survive", WAIT, "--future", "low", "--plan", plan, "--json").exit_code == 0
        page = str(tmp_path / "page.html")
        done = run("report", WAIT, "--plan", plan, "--quick", "--output", page)
        assert done.exit_code == 2
        said = " ".join(done.stderr.replace("│", " ").split())
        assert "2 futures, and a plan that is given is read in one: write --future NAME, one of high, low" in said
        assert "diversify evaluate" in said
        assert run("report", WAIT, "--future", "low", "--plan", plan, "--quick", "--output", page).exit_code == 0
    done = run("evaluate", WAIT, "--plan", saved, "--json")
    assert json.loads(done.stdout)["plans"][0]["more_than_optimum"] == pytest.approx(0, abs=1)


def test_what_is_missing_leaves_samples_out_that_may_fail(loose: str, tmp_path: Path) -> None:
    path = written(tmp_path, "name: small\nbuilds: {plant: {2026: 30}}\n")
    words = " ".join(run("evaluate", loose, "--plan", path).stdout.replace("│", " ").split())
    assert f"plant: for 2M USD more outlay every floor is kept {BUT_SAMPLES}, at the least total cost" in words
    other = written(tmp_path, "name: large\nbuilds: {plant: {2026: 50}}\n", "large.yaml")
    several = " ".join(run("evaluate", loose, "--plan", path, "--plan", other).stdout.replace("│", " ").split())
    assert f"1 of 2 plans survive every shock {BUT_SAMPLES}" in several


def test_what_is_missing_is_said_to_be_of_least_total_cost_not_of_least_outlay(tmp_path: Path) -> None:
    # The ban has probability 1/2: a tonne of stock at 5 saves 500 of expected shortage, so all 80 t that the plant of
    # 20 t/yr leaves short are bought, for 400, though 30 t, for 150, keep the floor of 50 t.
    ban = {"start": 2027, "months": 12, "probability": 0.5, "cuts": [{"region": "rival", "severity": 1}]}
    instance = written(tmp_path, json.dumps(data(shocks={"ban": ban})), "probable.yaml")
    plan = written(tmp_path, "name: p\nbuilds: {plant: {2026: 20}}\n")
    words = " ".join(run("evaluate", instance, "--plan", plan).stdout.replace("│", " ").split())
    assert "reserve: for 400 USD more outlay every floor is kept, at the least total cost" in words
    assert "needed" not in words.lower()
    enough = written(tmp_path, "name: q\nbuilds: {plant: {2026: 20}}\npurchases: {reserve: {2026: 30}}\n", "q.yaml")
    assert run("evaluate", instance, "--plan", enough, "--quick").exit_code == 0


def test_what_is_missing_names_the_budget_and_the_rules_that_it_leaves_aside(tmp_path: Path) -> None:
    # 20 t of the plant for 200, and 30 t more of the floor of 50 t: stock at 5 each, 150. In all 350.
    plan = written(tmp_path, "name: p\nbuilds: {plant: {2026: 20}}\n")

    def missing(**update: Any) -> str:
        instance = written(tmp_path, json.dumps(data(**update)), "given.yaml")
        words = " ".join(run("evaluate", instance, "--plan", plan).stdout.replace("│", " ").split())
        return words.partition("Missing ")[2].partition(" Waste")[0]

    kept = "every floor is kept, at the least total cost"
    assert missing(policy={"budget": 350}) == f"reserve: for 150 USD more outlay {kept}"
    above = "for 150 USD more outlay, in all 50 USD above the budget,"
    assert missing(policy={"budget": 300}) == f"reserve: {above} {kept}"
    rule = {"force": {"plant": {2026: 40}}}
    lifted = f"reserve: for 150 USD more outlay {kept}, with the broken rules still not enforced"
    assert missing(policy=rule) == lifted
    none = "no purchase beside those of the plan keeps every floor, whatever the budget"
    few = option("plant", max_size=20) | {"reserve": option("reserve", max_size=1)["reserve"]}
    assert missing(options=few) == none
    assert (
        missing(options=few, policy={"force": {"reserve": {2026: 1}}})
        == f"{none}, even with the broken rules not enforced"
    )


def test_a_given_plan_is_not_said_to_close_what_gaps_are_worth(tmp_path: Path) -> None:
    # Another 5.2M of stock closes 60M of gap, which is priced at as much: only this plan cannot close more.
    path = written(tmp_path, "name: p\nbuilds: {plant: {2026: 20}}\npurchases: {reserve: {2026: 20}}\n")
    done = run("evaluate", TINY, "--plan", path, "--set", "policy.gap_price=1")
    said = " ".join(done.stdout.replace("│", " ").split())
    assert "; to close more of it under this plan is impossible, or costs more than the price of gaps" in said
    assert "for 5.2M USD more outlay every floor is kept" in said


def test_shocks_have_the_names_that_solve_gives_them(tmp_path: Path) -> None:
    instance = data()
    instance["shocks"]["ban"]["name"] = "Ban on exports"
    file = written(tmp_path, json.dumps(instance), "named.yaml")
    said = "Doing nothing fails in 1 of 1 shock, Ban on exports: a survival gap of 50k USD, 50 t below the floors"
    for words in (["solve", file], ["evaluate", file, "--plan", written(tmp_path, ENOUGH), "--quick"]):
        assert said in " ".join(run(*words).stdout.replace("│", " ").split()), words
