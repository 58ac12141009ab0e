"""Nothing given on the command line is lost: scenarios stack, instances and plans stand for each other, flags agree."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from typer.testing import CliRunner, Result

import optimizer as so
from optimizer.algorithms.separation.attacks import AttackOracle
from optimizer.cli.app import app, load_command
from optimizer.solver import Clock
from optimizer.studies.solve import search_withstanding_outlay
from tests.strategies import besieged

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
BESIEGED = str(Path(__file__).parent / "besieged.yaml")
RULE = "policy.min_time_to_survive=[{cuts: [{region: rival, severity: 1}], months: 12}]"
SAID = "is a saved plan: the instance inside it is used."


def run(*words: str | Path, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "120", "NO_COLOR": "1"})
    assert done.exit_code == code, (words, done.output)
    return done


def told(*words: str | Path, code: int = 0) -> Any:
    """What a command prints with --json."""
    return json.loads(run(*words, "--json", code=code).stdout)


def warnings(done: Result) -> list[str]:
    return [line.removeprefix("warning: ") for line in done.stderr.splitlines() if line.startswith("warning: ")]


def flat(done: Result) -> str:
    return " ".join((done.stdout + done.stderr).replace("│", " ").split())


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The plan for the listed shock alone: 20 t in store."""
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    run("solve", BESIEGED, "--output", path)
    return str(path)


# Scenarios.


def test_scenarios_stack_in_the_order_given() -> None:
    # Low alone needs 80 t a year and a plant at 150k; rich alone sets the budget alone.
    both = told("solve", BESIEGED, "--scenario", "low", "--scenario", "rich")
    assert "Scenario low: demands.motors.quantity=80, options.plant.capex=150k." in both["notes"]
    assert "Scenario rich: policy.budget=40M." in both["notes"]
    alone = told("solve", BESIEGED, "--scenario", "low", "--budget", "40M")
    assert both["total_cost"] == pytest.approx(alone["total_cost"])
    # Imports of 80 t at 60k over five years; half of the embargo's 120 t leaves 60 t, which is above 70 % of 80.
    assert both["total_cost"] == pytest.approx(24e6)


@pytest.mark.parametrize(
    ("first", "second", "cost"),
    [("high", "low", 24e6), ("low", "high", None)],
)
def test_the_later_of_two_scenarios_that_conflict_holds_and_the_conflict_is_named(
    first: str, second: str, cost: float | None, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    done = run("solve", BESIEGED, "--scenario", first, "--scenario", second, "--output", plan)
    values = {"high": "{2026: 100, 2030: 150}", "low": "80"}
    (warning,) = warnings(done)
    assert warning.startswith(
        f"scenario {second}: demands.motors.quantity: {values[first]} of scenario {first} is replaced by "
        f"{values[second]}. "
    )
    saved = json.loads(plan.read_text(encoding="utf-8"))
    # The plan file says so as well.
    assert warning in saved["notes"]
    quantity = {"high": {"2026": 100.0, "2030": 150.0}, "low": 80.0}[second]
    assert saved["data"]["demands"]["motors"]["quantity"] == quantity
    if cost is not None:
        assert saved["total_cost"] == pytest.approx(cost)
    # What only the first sets, holds.
    assert saved["data"]["policy"]["budget"] == 40e6
    assert saved["data"]["options"]["plant"]["capex"] == 150e3


def test_commas_stack_scenarios_as_well_and_agreeing_ones_are_no_conflict() -> None:
    comma = told("solve", BESIEGED, "--scenario", "low,rich")
    assert [note for note in comma["notes"] if note.startswith("Scenario")] == [
        "Scenario low: demands.motors.quantity=80, options.plant.capex=150k.",
        "Scenario rich: policy.budget=40M.",
    ]
    # Both set the budget to 40M, one of them in other words.
    same = run(
        "solve", BESIEGED, "--scenario", "high", "--scenario", "rich", "--set", "scenarios.rich.policy.budget=40e6"
    )
    assert [each for each in warnings(same) if "policy.budget" in each] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--set", "policy.budget=25M", "--scenario", "rich"),
            "scenario rich: policy.budget: 25M of --set policy.budget is replaced by 40M. A scenario applies after "
            "--set: to change it, write --set scenarios.rich.policy.budget=VALUE.",
        ),
        (
            ("--set", "policy.budget=25M", "--set", "policy.budget=30M"),
            "--set policy.budget: policy.budget: 25M of an earlier --set is replaced by 30M. The last one holds: write "
            "one of the two.",
        ),
        (
            ("--scenario", "rich", "--budget", "30M"),
            "--budget 30M: policy.budget: 40M of scenario rich is replaced by 30M. It applies after "
            "scenarios: leave it out if the scenario should hold.",
        ),
        (
            # A part of what a mapping had set, and a mapping in place of its part.
            ("--set", "demands.motors.survival={2027: 0.3, 2029: 0.6}", "--set", "demands.motors.survival.2029=0.5"),
            "--set demands.motors.survival.2029: demands.motors.survival.2029: 0.6 of --set demands.motors.survival is "
            "replaced by 0.5.",
        ),
        (
            ("--set", "demands.motors.survival.2027=0.2", "--set", "demands.motors.survival={2029: 0.5}"),
            "--set demands.motors.survival: demands.motors.survival.2027: 0.2 of --set demands.motors.survival.2027 is "
            "left out.",
        ),
        (
            ("--set", "policy.force={reserve: {2026: 50}}", "--force", "reserve=60@2026"),
            "--force reserve: policy.force.reserve.2026: 50 of --set policy.force is replaced by 60.",
        ),
    ],
)
def test_whatever_replaces_what_was_given_is_named(words: tuple[str, ...], said: str) -> None:
    (warning,) = warnings(run("check", BESIEGED, *words))
    assert warning.startswith(said)


def test_scenarios_without_a_conflict_give_no_warning() -> None:
    words = ("--set", "demands.motors.survival.2027=0.2", "--set", "demands.motors.survival.2029=0.5")
    assert warnings(run("check", BESIEGED, *words, "--scenario", "low", "--scenario", "rich")) == []


def test_every_scenario_that_there_is_not_is_a_finding() -> None:
    done = run("solve", BESIEGED, "--scenario", "hihg", "--scenario", "lwo", code=3)
    assert '"hihg" is no scenario. Did you mean "high"?' in done.stderr
    assert '"lwo" is no scenario. Did you mean "low"?' in done.stderr


def test_in_compare_each_scenario_is_a_column_and_commas_stack() -> None:
    done = run("compare", BESIEGED, "--scenario", "low", "--scenario", "high,low", "--quick", "--json")
    said = json.loads(done.stdout)
    assert list(said["cases"]) == ["plain", "low", "high, low"]
    assert [column["budget"] for column in said["columns"]] == [20e6, 20e6, 40e6]
    assert said["columns"][1]["total_cost"] == pytest.approx(said["columns"][2]["total_cost"])
    assert len(warnings(done)) == 1


def test_an_attack_budget_goes_before_that_of_a_scenario() -> None:
    done = run("attack", BESIEGED, "--scenario", "bold", "--attack-budget", "10M", "--json")
    assert json.loads(done.stdout)["attack_budget"] == 10e6
    (warning,) = warnings(done)
    assert "12M of scenario bold is replaced by 10M" in warning


# Every command that reads an instance takes the same changes.

CHANGES = ("--budget", "--without", "--force", "--scenario", "--set")
TAKE_ALL = {
    "solve": (*CHANGES, "--adversary"),
    "check": (*CHANGES, "--adversary"),
    "explain": (*CHANGES, "--adversary"),
    "alternatives": (*CHANGES, "--adversary"),
    "sensitivity": (*CHANGES, "--adversary"),
    "export": (*CHANGES, "--adversary"),
    "survive": (*CHANGES, "--adversary"),
    "stress": (*CHANGES, "--adversary"),
    "report": (*CHANGES, "--adversary"),
    "plot": (*CHANGES, "--adversary"),
    "show": (*CHANGES, "--adversary"),
    "compare": ("--budgets", *CHANGES[1:], "--adversary"),
    "attack": (*CHANGES, "--attack-budget"),
}


@pytest.mark.parametrize("command", TAKE_ALL)
def test_every_command_takes_the_same_changes(command: str) -> None:
    options = {word for each in load_command(command).params for word in each.opts}
    assert set(TAKE_ALL[command]) <= options


def test_changes_reach_what_every_command_works_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    # 80 t a year need no plan at all: the plain instance needs one of 20 t in store.
    low = ("--scenario", "low")
    assert told("check", BESIEGED, *low)[0]["counts"]["shocks"] == 1
    assert told("show", BESIEGED, *low)["outlay"] == 0
    assert told("solve", BESIEGED, *low)["outlay"] == 0
    assert told("explain", BESIEGED, *low)["plan"]["outlay"] == 0
    assert told("alternatives", BESIEGED, *low, "--plans", "0")["cheapest"]["outlay"] == 0
    assert told("survive", BESIEGED, *low)["status"] == "survives"
    page = told("report", BESIEGED, *low, "--quick", "-o", out.with_suffix(".html"))
    assert dict(page["points"][0]["facts"])["Outlay"].startswith("0 USD")
    run("export", BESIEGED, *low, "-o", out.with_suffix(".lp"))
    assert told("stress", BESIEGED, *low, "--samples", "5")["survives"]
    run("plot", BESIEGED, "stock", *low, "--without", "reserve", "-o", out.with_suffix(".svg"), code=3)


# The adversary.


def test_attacks_are_listed_where_a_command_compares_plans() -> None:
    # 10M buy the embargo alone, or the quota and the sabotage, from 2027 or from 2029 on.
    summary = told("check", BESIEGED, "--adversary")[0]
    names = {hit["name"] for hit in summary["hits"]}
    assert names == {"embargo"} | {
        f"attack{{{who}}}@{y}" for who in ("embargo", "quota+sabotage") for y in (2027, 2029)
    }


def test_compare_and_explain_find_the_plan_of_solve_with_the_adversary() -> None:
    # As in tiny.yaml: one line of the plant and 100 t in store.
    plan = told("solve", BESIEGED, "--adversary")
    assert (plan["total_cost"], plan["outlay"]) == (pytest.approx(43.6e6), pytest.approx(11.5e6))
    compared = told("compare", BESIEGED, "--adversary", "--budgets", "5M,20M")
    assert [len(column["survived"]) for column in compared["columns"]] == [3, 5]
    assert compared["columns"][1]["total_cost"] == pytest.approx(plan["total_cost"])
    (least,) = compared["least_outlay"]
    assert least["outlay"] == pytest.approx(11.5e6)
    explained = told("explain", BESIEGED, "--adversary", "--budget", "5M", code=4)
    (budget,) = [repair for repair in explained["repairs"] if repair["kind"] == "budget"]
    assert budget["amount"] == pytest.approx(11.5e6, rel=1e-3)
    assert any("4 attacks that 10M USD can buy" in note for note in explained["plan"]["notes"])


def test_what_follows_for_the_adversary_is_asked_anew_where_its_numbers_are_uncertain() -> None:
    # With 12M it cuts all imports and the plant at once: no store is large enough. With 5M it buys nothing that hurts.
    ranged = ("--set", "ranges.adversary.attack_budget={low: 4M, high: 12M}", "--quick", "--adversary")
    (number,) = told("sensitivity", BESIEGED, *ranged)["numbers"]
    assert number["low"]["cost"] == pytest.approx(31.6e6)
    assert (number["low"]["gap"], number["high"]["survives"]) == (0, False)


def test_a_plan_that_is_solved_first_withstands_the_adversary(tmp_path: Path) -> None:
    shown = told("show", BESIEGED, "--adversary")
    assert shown["adversary"]["attacks"]
    assert shown["outlay"] == pytest.approx(11.5e6)
    data = told("report", BESIEGED, "--adversary", "--quick", "-o", tmp_path / "r.html")
    assert dict(data["points"][0]["facts"])["Outlay"].startswith("11.5M USD")


@pytest.mark.parametrize("command", ["solve", "check", "explain", "compare", "show", "stress"])
def test_without_an_adversary_that_is_a_finding(command: str) -> None:
    tiny = Path(__file__).parents[2] / "instances" / "tiny.yaml"
    done = run(command, tiny, "--adversary", code=3)
    assert "there is no adversary. Add `adversary: {" in done.stderr
    assert "targets: {…}}` (docs/how-to/attack.md)." in done.stderr


def test_attack_says_what_surviving_takes_at_least() -> None:
    # One line (5M) and 100 t (6.5M), as of tiny.yaml: without a line 140 t would be needed, with two 12.9M.
    done = run("attack", BESIEGED)
    assert (
        "11.5M USD is enough to survive every shock and affordable attack (proven: no plan survives for less than"
        in flat(done)
    )
    for budget in ("20M", "5M"):
        least = told("attack", BESIEGED, "--budget", budget, code=0 if budget == "20M" else 4)["least_outlay"]
        assert (least["status"], least["outlay"]) == ("optimal", pytest.approx(11.5e6))
        # Proven to 1e-4.
        assert 11.5e6 * (1 - 1.01e-4) <= least["bound"] <= least["outlay"] * (1 + 1e-9)


def test_attack_says_where_no_outlay_is_enough() -> None:
    done = run("attack", BESIEGED, "--scenario", "bold", code=4)
    assert (
        "Least outlay no outlay is enough: whatever is spent, some floor fails in some shock or affordable attack"
        in flat(done)
    )
    assert told("attack", BESIEGED, "--scenario", "bold", code=4)["least_outlay"]["status"] == "none"


def test_of_a_given_plan_as_well(plan: str) -> None:
    found = told("attack", plan, code=4)
    assert (found["plan"], found["survives"]) == ("given", False)
    assert found["least_outlay"]["outlay"] == pytest.approx(11.5e6)


def test_a_stopped_search_proves_nothing_of_the_least_outlay() -> None:
    found = told("attack", BESIEGED, "--time-limit", "0", code=5)
    assert found["least_outlay"] is None or found["least_outlay"]["status"] == "stopped"


@pytest.mark.parametrize("seconds", ["inf", "1e400"])
def test_a_time_limit_without_end_is_none(seconds: str) -> None:
    assert told("solve", BESIEGED, "--time-limit", seconds)["settings"]["time_limit"] is None


# A plan where an instance is expected.


def test_a_saved_plan_stands_for_the_instance_inside_it(plan: str, tmp_path: Path) -> None:
    low = tmp_path / "low.json"
    done = run("solve", plan, "--scenario", "low", "--output", low)
    assert f"{plan} {SAID}" in done.stderr
    assert so.Result.load(low).outlay == 0
    for words in (
        ("check", plan, "--json"),
        ("compare", plan, "--quick", "--json"),
        ("explain", plan, "--json"),
        ("alternatives", plan, "--plans", "0", "--json"),
        ("sensitivity", plan, "--set", "ranges.policy.budget={low: 10M, high: 50M}", "--quick", "--json"),
        ("export", plan, "-o", tmp_path / "model.mps"),
        ("convert", plan, tmp_path / "again.yaml"),
    ):
        assert f"{plan} {SAID}" in run(*words).stderr
    assert so.load(tmp_path / "again.yaml") == so.read(so.Result.load(plan).data)


def test_what_converting_a_plan_gives_keeps_the_comments(plan: str, tmp_path: Path) -> None:
    run("convert", plan, tmp_path / "again.yaml")
    assert "with an adversary and scenarios" in (tmp_path / "again.yaml").read_text(encoding="utf-8")


def test_from_python_too(plan: str) -> None:
    assert so.load(plan) == so.read(so.Result.load(plan).data)


def test_a_plan_without_its_instance_is_a_finding(plan: str, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(Path(plan).read_text(encoding="utf-8")) | {"data": None}), encoding="utf-8")
    done = run("solve", other, code=3)
    assert "this saved plan holds no instance" in done.stderr
    assert SAID not in done.stderr


def test_the_answer_to_a_question_is_one_finding(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(run("survive", BESIEGED, "--json").stdout, encoding="utf-8")
    lines = run("solve", answer, code=3).stderr.splitlines()
    assert lines[0].startswith(f"error: {answer}: is the answer to a question, not an instance. Name the instance")
    assert lines[1:] == ["1 error: the instance cannot be used."]


# An instance where a plan is expected.


def test_an_instance_is_solved_first_where_a_plan_is_expected(plan: str, tmp_path: Path) -> None:
    assert told("show", BESIEGED)["builds"] == told("show", plan)["builds"]
    assert run("show", BESIEGED).stdout.splitlines()[:12] == run("show", plan).stdout.splitlines()[:12]
    of_plan, of_file = (told("stress", each, "--samples", "20", code=4) for each in (plan, BESIEGED))
    assert of_plan["survived"] == of_file["survived"]
    run("plot", BESIEGED, "stock", "-o", tmp_path / "a.svg")
    run("plot", plan, "stock", "-o", tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_plan_that_cannot_be_is_the_answer_of_the_search(tmp_path: Path) -> None:
    for words in (("stress", BESIEGED, "--samples", "5"), ("plot", BESIEGED, "stock", "-o", tmp_path / "x.svg")):
        done = run(*words, "--set", RULE, code=4)
        assert "no plan exists: policy.min_time_to_survive[0]" in done.stderr
    assert told("stress", BESIEGED, "--samples", "5", "--set", RULE, code=4)["status"] == "none"
    stopped = run("stress", BESIEGED, "--samples", "5", "--time-limit", "0", code=5)
    assert "The plan's status is stopped" in stopped.stderr
    assert "NO PLAN EXISTS" in run("show", BESIEGED, "--set", RULE, code=4).stdout


def test_a_saved_plan_is_not_solved_for(plan: str, tmp_path: Path) -> None:
    page = ("report", plan, "--quick", "-o", tmp_path / "r.html")
    for words in (("show", plan), ("plot", plan, "stock", "-o", tmp_path / "x.svg"), page):
        for more in (("--budget", "5M"), ("--set", "policy.budget=5M"), ("--scenario", "low"), ("--adversary",)):
            assert f"is not solved for: leave out {more[0]}" in flat(run(*words, *more, code=2))
    for words in (("survive", plan), ("stress", plan), ("survive", BESIEGED, "--plan", plan)):
        # 1e-4 is what the gap is where none is given.
        for more in (("--budget", "5M"), ("--time-limit", "5"), ("--mip-gap", "1e-4"), ("--adversary",)):
            assert f"is not solved for: leave out {more[0]}" in flat(run(*words, *more, code=2))


def test_a_saved_plan_is_judged_in_its_own_instance_under_the_changes(plan: str) -> None:
    own, other = told("survive", plan), told("survive", BESIEGED, "--plan", plan)
    assert own["chokepoints"] == other["chokepoints"]
    assert (own["plan"], own["status"]) == (plan, "survives")
    # 20 t in store last for longer where a floor asks for less.
    set_ = ("--set", "demands.motors.survival=0.1")
    changed = told("survive", plan, *set_)
    assert changed["chokepoints"] == told("survive", BESIEGED, "--plan", plan, *set_)["chokepoints"]
    assert changed["chokepoints"] != own["chokepoints"]
    stressed = told("stress", plan, "--samples", "20", "--scenario", "high", code=4)
    assert stressed["survived"] < told("stress", plan, "--samples", "20", code=4)["survived"]


def test_a_broken_plan_is_told_as_a_plan(tmp_path: Path) -> None:
    broken = tmp_path / "plan.json"
    broken.write_text('{"builds": [', encoding="utf-8")
    assert "is not JSON" in run("show", broken, code=3).stderr


def test_a_pipe_is_not_read_to_see_what_it_is(tmp_path: Path) -> None:
    import os

    from optimizer.files import saved_plan

    # Nobody writes into it: to open it would last for ever.
    os.mkfifo(tmp_path / "pipe.json")
    assert not saved_plan(tmp_path / "pipe.json")


@FEW
@given(besieged())
def test_the_least_outlay_is_the_same_whether_attacks_are_listed_or_searched_for(data: dict[str, Any]) -> None:
    instance, exact = so.read(data), so.Settings(mip_gap=0.0)
    listed, searched = (
        search_withstanding_outlay(instance, AttackOracle(instance, exact, Clock(), most), exact, Clock())
        for most in (1000, 0)
    )
    assert listed.status == searched.status
    if listed.outlay is None:
        return
    assert searched.outlay == pytest.approx(listed.outlay, rel=1e-5, abs=1e-5)
    # It is enough, and nine tenths of it are not.
    assert so.withstand(instance, 1.001 * listed.outlay + 1e-6, settings=exact).survives
    if listed.outlay > 1e-3:
        assert not so.withstand(instance, 0.9 * listed.outlay, settings=exact).survives


# A measure over futures, and one future.

LIKELY = "shocks.embargo.probability=0.2"


JUDGED = [
    *((words, "regret") for words in (("check",), ("explain",), ("survive",), ("stress", "--samples", "20"))),
    (("evaluate", "--plan", "examples/plan.yaml", "--quick"), "worst"),
    (("compare", "--quick", "--budgets", "any"), "{cvar: 0.9}"),
]


@pytest.mark.parametrize(("words", "measure"), JUDGED, ids=lambda value: value[0])
def test_studies_judge_a_file_without_questions_by_expected_cost(words: tuple[str, ...], measure: str) -> None:
    command, *options = (words[0], "instances/tiny.yaml", *words[1:], "--set", LIKELY, "--json")
    code = 4 if command in ("stress", "evaluate") else 0
    done = run(command, *options, "--set", f"policy.objective={measure}", code=code)
    said = "policy.objective is left out: plans are judged by expected cost, not by "
    assert command == "check" or said in flat(done)
    of_both = [costs(json.loads(each.stdout)) for each in (done, run(command, *options, code=code))]
    assert of_both[0] == pytest.approx(of_both[1])


def costs(found: Any) -> list[float]:
    """Every total cost in an answer, in the order of the answer."""
    if isinstance(found, dict):
        own = [found["total_cost"]] if isinstance(found.get("total_cost"), float) else []
        return own + [cost for value in found.values() for cost in costs(value)]
    return [cost for value in found for cost in costs(value)] if isinstance(found, list) else []


def test_a_file_with_questions_is_checked_whatever_its_measure() -> None:
    run("check", "examples/wait_or_commit.yaml", "--set", "policy.objective=regret")


def test_one_future_is_judged_by_its_expected_cost() -> None:
    options = (
        "examples/wait_or_commit.yaml",
        "--set",
        "policy.objective=regret",
        "--future",
        "high",
        "--samples",
        "20",
    )
    assert told("stress", *options)["survived"] == 20


def test_python_judges_a_file_without_questions_by_expected_cost() -> None:
    instance = so.load("instances/tiny.yaml", ["policy.objective={cvar: 0.9}", LIKELY])
    expected = so.solve(instance.by_expected_cost()).total_cost
    assert so.alternatives(instance, 0.1, 0).cheapest.total_cost == pytest.approx(expected)
    assert so.compare(instance, ["any"], facts=()).columns[0].result.total_cost == pytest.approx(expected)


@pytest.mark.parametrize("file", ["page.html", "brief.md", "book.xlsx"])
def test_a_measure_without_questions_has_a_report(file: str, tmp_path: Path) -> None:
    run(
        "report", "instances/tiny.yaml", "--set", "policy.objective={cvar: 0.9}", "--set", LIKELY, "-o", tmp_path / file
    )


def test_regret_without_questions_says_what_cannot_be_survived() -> None:
    done = run("solve", "instances/tiny.yaml", "--set", "policy.objective=regret", "--budget", "1M", code=3)
    assert (
        "policy.objective: it cannot be survived, so that there is no least cost against which regret is measured."
        in flat(done)
    )


def test_an_attack_on_no_plan_is_clean_json() -> None:
    shown = json.loads(run("attack", BESIEGED, "--set", RULE, "--json", code=4).stdout)
    assert (shown["status"], shown["survives"], shown["measure"], shown["unaware"]) == ("none", False, None, None)
