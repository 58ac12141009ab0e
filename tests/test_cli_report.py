"""diversify report on the command line."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

import optimizer as so
from optimizer.algorithms.workers import Task
from optimizer.cli import page_studies
from optimizer.cli.app import app
from optimizer.cli.page_studies import StudySubject, planned_ends, proven_columns, timed_tasks
from optimizer.report.brief.content import make_brief
from optimizer.report.study_narrative import view_of
from optimizer.solver import Clock
from optimizer.studies.comparison import Comparison, ComparisonColumn

TINY = str(Path(__file__).parent.parent / "instances" / "tiny.yaml")
WAIT = Path(__file__).parent.parent / "examples" / "wait_or_commit.yaml"
PRICES = (
    *("options.reserve.price", "options.plant.capex", "options.plant.fixed_cost", "options.plant.cost"),
    *("options.reserve.holding_cost", "processes.imports.cost"),
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    assert CliRunner().invoke(app, ["solve", TINY, "--output", str(file)]).exit_code == 0
    return str(file)


def test_quick_report_of_a_plan(plan: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", plan, "-o", str(tmp_path / "out" / "page.html"), "--quick"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("With 1 project and 1 stockpile")
    assert "wrote" in done.stderr
    assert "made with --quick" in (tmp_path / "out" / "page.html").read_text()


def test_the_figures_that_decide_stand_there_without_a_study(tmp_path: Path) -> None:
    ranged = ["--set", "ranges.demands.motors.quantity={low: 0.7, high: 1.2, of: value}", "-o", str(tmp_path / "x.md")]
    line = ["report", str(TINY), "--budgets", "0", *ranged, "--json"]
    made = json.loads(CliRunner().invoke(app, line).stdout)
    (row,) = made["brief"]["parts"]["figures"]["table"]["rows"]
    assert row[:3] == ["motors: quantity", "100 t/yr (×1)", "×0.7 … ×1.2"]
    # The same as the study prints, which is no section of the page.
    done = CliRunner().invoke(app, ["report", str(TINY), "--quick", "--with", "sensitivity", *ranged, "--json"])
    assert json.loads(done.stdout)["brief"]["parts"]["figures"]["table"]["rows"] == [row]
    assert "studies" not in made
    done = CliRunner().invoke(app, ["report", str(TINY), "--quick", *ranged, "--json"])
    assert "--quick" in json.loads(done.stdout)["brief"]["parts"]["figures"]["missing"]


@pytest.mark.parametrize("objective", ["regret", "worst", "{cvar: 0.9}"])
@pytest.mark.parametrize("part", [["--requirements", "--quick"], ["--future", "base", "--quick"]])
def test_what_knows_no_other_measure_is_of_expected_cost(tmp_path: Path, objective: str, part: list[str]) -> None:
    futures = "futures={cost: {from: 2028, branches: {base: {}, high: {set: {demands.motors.quantity: 120}}}}}"
    asked = ["--set", futures] if "--future" in part else []
    line = ["report", TINY, "--set", f"policy.objective={objective}", *asked, *part, "-o", str(tmp_path / "x.xlsx")]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.stderr
    assert "policy.objective is left out: plans are judged by expected cost" in " ".join(done.stderr.split())


def test_requirements_of_several_futures_are_a_wrong_combination_of_options(tmp_path: Path) -> None:
    several = str(Path(TINY).parent.parent / "examples" / "order_or_wait.yaml")
    done = CliRunner().invoke(app, ["report", several, "--requirements", "-o", str(tmp_path / "x.html")])
    assert done.exit_code == 2
    assert "this command takes one: write --future NAME, one of" in " ".join(done.stderr.replace("│", " ").split())


def test_report_of_an_instance_with_a_frontier(tmp_path: Path) -> None:
    # The plan without a limit is among the others whether it is named or not.
    line = ["report", TINY, "--budgets", "0,5M,any", "-o", str(tmp_path / "page.html"), "--json"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.stderr
    data = json.loads(done.stdout)
    assert [point["budget"] for point in data["points"]] == [0, 5e6, 20e6, None]
    assert data["frontier"]["own"] == 2
    assert [point.get("shocks_failed") for point in data["points"][:3]] == [2, 2, 0]


def test_sources_are_those_of_the_plan_file_or_of_the_file_given(plan: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(Path(TINY).read_text() + "\n# said at the end\n")
    line = ["report", plan, "--quick", "-o", str(tmp_path / "page.html"), "--json"]
    without = json.loads(CliRunner().invoke(app, line).stdout)
    with_it = json.loads(CliRunner().invoke(app, [*line, "--instance", str(other)]).stdout)
    assert "said at the end" in str(with_it["sources"])
    assert "said at the end" not in str(without["sources"])


def test_comments_of_a_file_that_is_another_instance_carry_a_warning(plan: str, tmp_path: Path) -> None:
    """Its sources may be of other numbers than the plan's: the budget is 20M in the plan. The exit code stays."""
    other, page = tmp_path / "other.yaml", tmp_path / "page.md"
    other.write_text(Path(TINY).read_text().replace("{budget: 20M}", "{budget: 30M}"))
    done = CliRunner().invoke(app, ["report", plan, "--quick", "-o", str(page), "--instance", str(other)])
    said = f"{other}, whose comments are shown, is another instance than that of the plan: "
    said += "policy.budget: 20M USD in the plan, 30M USD in the file."
    assert done.exit_code == 0
    assert said in " ".join(done.stderr.split())
    assert said in page.read_text().replace("\\", "")
    done = CliRunner().invoke(app, ["report", plan, "--quick", "-o", str(page), "--instance", str(TINY)])
    assert "another instance" not in done.stderr


def test_brief_page_workbook_and_check_name_one_hash(plan: str, tmp_path: Path) -> None:
    found = json.loads(CliRunner().invoke(app, ["check", str(TINY), "--json"]).stdout)[0]["hash"]
    made = json.loads(
        CliRunner().invoke(app, ["report", plan, "--quick", "-o", str(tmp_path / "x.md"), "--json"]).stdout
    )
    (said,) = [each for each in made["brief"]["parts"]["confidence"]["sentences"] if "hash" in each]
    assert f"from the instance with the hash {found[:16]} (SHA-256, its first 16 digits)" in said
    assert said.startswith(f"Made by diversify {so.__version__} (")
    assert ["Instance hash", f"SHA-256 {found}"] in made["record"]
    assert found[:16] in CliRunner().invoke(app, ["check", str(TINY)]).stdout
    book = tmp_path / "plan.xlsx"
    assert CliRunner().invoke(app, ["report", plan, "--quick", "-o", str(book)]).exit_code == 0
    assert ("instance hash (SHA-256)", found) in list(load_workbook(book)["run"].iter_rows(max_col=2, values_only=True))


def test_a_workbook_is_not_written_over_an_instance(plan: str, tmp_path: Path) -> None:
    book = tmp_path / "mine.xlsx"
    assert CliRunner().invoke(app, ["convert", TINY, str(book)]).exit_code == 0
    before, line = book.read_bytes(), ["report", plan, "--quick", "-o"]
    done = CliRunner().invoke(app, [*line, str(book)], env={"COLUMNS": "300"})
    assert (done.exit_code, book.read_bytes()) == (2, before)
    assert "mine.xlsx is an instance; name another file" in done.stderr
    # The report of an earlier run is replaced, and so is a file that is no workbook.
    (tmp_path / "report.xlsx").write_text("")
    for _ in range(2):
        assert CliRunner().invoke(app, [*line, str(tmp_path / "report.xlsx")]).exit_code == 0


def test_report_of_a_plan_that_was_changed_by_hand_says_so(plan: str, tmp_path: Path) -> None:
    data = json.loads(Path(plan).read_text())
    data["total_cost"] *= 2
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(data))
    CliRunner().invoke(app, ["report", str(changed), "--quick", "-o", str(tmp_path / "page.html")])
    assert "THE AUDIT DISAGREES" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    "line",
    [["-o", "page.rtf"], ["--budget", "1B"], ["--instance", "nowhere.yaml"], ["--budgets", "much"]],
)
def test_usage_is_refused_before_anything_is_written(plan: str, line: list[str], tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["report", plan, "-o", str(tmp_path / "page.html"), *line]).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_gap_gives_its_exit_code_and_a_page(tmp_path: Path) -> None:
    line = ["report", TINY, "--budget", "5M", "--quick", "-o", str(tmp_path / "page.html")]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 4
    assert "survival floors fail in 2 of 2 shocks" in done.stdout


def test_ctrl_c_during_the_frontier_gives_the_page_with_what_is_known(
    plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("optimizer.studies.compare.frontier", interrupted)
    done = CliRunner().invoke(app, ["report", plan, "-o", str(tmp_path / "page.html"), "--json"])
    assert done.exit_code == 5
    assert json.loads(done.stdout)["frontier"]["stopped"] is True
    assert (tmp_path / "page.html").exists()


def test_what_is_left_out_of_a_report_is_its_exit_code_in_every_form(
    plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    book = ["-o", str(tmp_path / "book.xlsx")]
    assert CliRunner().invoke(app, ["report", plan, *book]).exit_code == 0
    assert CliRunner().invoke(app, ["report", plan, *book, "--time-limit", "0"]).exit_code == 5
    # What was stopped is not named like what --quick leaves out.
    brief, cut = tmp_path / "brief.md", "not known: the search was stopped"
    for said, options in (cut, ("--time-limit", "0")), ("not computed", ("--quick",)):
        CliRunner().invoke(app, ["report", plan, "-o", str(brief), *options])
        assert f"*What ordering a year later does is {said}.*" in brief.read_text()
    monkeypatch.setattr("optimizer.studies.delays.find_brief_delays", interrupted)
    monkeypatch.setattr("optimizer.studies.delays.find_futures_delays", interrupted)
    for file in (plan, str(WAIT)):
        assert CliRunner().invoke(app, ["report", file, *book]).exit_code == 5
    assert (tmp_path / "book.xlsx").exists()


def test_a_report_is_stopped_where_its_time_left_something_out_and_only_there(
    plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several, page = str(tmp_path / "several.json"), ["-o", str(tmp_path / "page.html"), "--time-limit"]
    assert CliRunner().invoke(app, ["solve", str(WAIT), "-o", several]).exit_code == 0
    # All samples of a stress are evaluated, whatever the time.
    done = CliRunner().invoke(app, ["report", plan, "--quick", "--with", "stress", *page, "0"])
    assert (done.exit_code, "The search was stopped" in done.stderr) == (0, False), done.stderr
    assert [CliRunner().invoke(app, ["report", several, *page, limit]).exit_code for limit in ("0", "600")] == [5, 0]
    # The share of one part may be over before the time of all is.
    ends = {"budgets": 600.0, "figures": 600.0, "delays": 0.0}
    monkeypatch.setattr("optimizer.cli.page_studies.planned_ends", lambda *args: ends)
    done = CliRunner().invoke(app, ["report", plan, *page, "600"])
    assert (done.exit_code, "The search was stopped" in done.stderr) == (5, True), done.stderr


def test_a_study_that_is_stopped_before_there_is_a_figure_of_it_is_no_bad_instance(
    plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = ["-o", str(tmp_path / "study.svg")]
    done = CliRunner().invoke(app, ["plot", TINY, "explain", *picture, "--time-limit", "0"])
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (5, "Error: the study found nothing to draw.")
    assert CliRunner().invoke(app, ["plot", TINY, "stress", *picture, "--time-limit", "0"]).exit_code == 5

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("optimizer.studies.explain.explain", interrupted)
    done = CliRunner().invoke(app, ["plot", plan, "explain", *picture])
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (5, "Error: stopped before there was an answer.")


def test_the_time_limit_beside_a_saved_plan_is_for_other_searches(plan: str, tmp_path: Path) -> None:
    picture = ["-o", str(tmp_path / "x.svg"), "--time-limit", "0"]
    # Nothing else is searched for a timeline; the samples of a stress are all evaluated.
    for kind, code in (("frontier", 5), ("alternatives", 5), ("timeline", 2), ("stress", 2)):
        assert CliRunner().invoke(app, ["plot", plan, kind, *picture]).exit_code == code, kind
    several = str(tmp_path / "several.json")
    assert CliRunner().invoke(app, ["solve", str(WAIT), "-o", several]).exit_code == 0
    page = ["report", several, "--quick", "-o", str(tmp_path / "x.html"), "--time-limit", "60"]
    assert CliRunner().invoke(app, page).exit_code == 0


def test_answer_is_the_sentence_whatever_budgets_stand_beside_it_and_it_fits(plan: str, tmp_path: Path) -> None:
    # The budget of the file buys what any budget does: one plan, shown once, said all the same.
    line = ["report", plan, "-o", str(tmp_path / "page.html"), "--budgets", "5M"]
    done = CliRunner().invoke(app, line, env={"COLUMNS": "80"})
    assert done.stdout.startswith("With 1 project and 1 stockpile for 11.5M USD of outlay")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_disagreements_of_the_audit_are_the_exit_code(plan: str, tmp_path: Path) -> None:
    data = json.loads(Path(plan).read_text())
    data["total_cost"] *= 2
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(data))
    for line in (["report", "--quick", "-o", "page.html"], ["report", "-o", "book.xlsx"], ["plot", "-o", "plot.svg"]):
        name, *more = line
        kind = ["timeline"] if name == "plot" else []
        done = CliRunner().invoke(app, [name, str(changed), *kind, *more[:-1], str(tmp_path / more[-1])])
        assert done.exit_code == 1, done.output
        assert "THE AUDIT DISAGREES" in done.stderr
        assert (tmp_path / more[-1]).exists()


def test_ctrl_c_while_the_plan_is_searched_for_asks_for_no_other_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    so_far = so.solve(so.load(TINY), settings=so.Settings(time_limit=0.0))

    def stopped(instance: so.Instance, settings: so.Settings, clock: Clock, *args: Any, **kwargs: Any) -> so.Result:
        clock.interrupted = True
        return so_far

    monkeypatch.setattr("optimizer.studies.conclusion.solve_instance", stopped)
    done = CliRunner().invoke(app, ["report", TINY, "-o", str(tmp_path / "page.html")])
    assert done.exit_code == 5, done.output
    assert "Frontier" not in done.stderr
    assert (tmp_path / "page.html").exists()


# Seconds of studies, so that what the tests below work out by hand does not depend on what is measured.
SECONDS = {"explain": 100.0, "compare": 50.0, "budgets": 30.0, "stress": 20.0, "delays": 13.0, "attack": 10.0}


def test_studies_share_the_time_by_what_they_take_and_the_last_ones_have_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On two processors, of 140 s: explain 100 s and compare 50 s of work at once, then budgets, 30 s, after compare.

    explain is the longest: 140 s for 100. So compare ends at 140 · 50 / 100 = 70.
    """
    monkeypatch.setattr(page_studies, "_SECONDS", SECONDS)
    ends = planned_ends(["explain", "compare", "budgets"], 2, 140.0)
    assert ends == {"explain": 140.0, "compare": 70.0, "budgets": 140.0}
    assert planned_ends(["stress", "attack"], 1, 30.0) == {"stress": 20.0, "attack": 30.0}


def test_the_first_screen_is_whole_unless_a_limit_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 140 s on two processors, delays 13 s, stress 20 s and attack 10 s: attack has 140 · 2 · 10 / 43 s whenever it
    begins, and delays have no end. Asked for, a limit holds for all of them."""
    monkeypatch.setattr(page_studies, "_SECONDS", SECONDS)
    subject = StudySubject(TINY, so.load(TINY), so.solve(so.load(TINY)), 0.02, 140.0)
    names = ("delays", "stress", "attack")
    tasks = {name: Task(time.time, (subject, name)) for name in names}
    for is_asked in (False, True):
        timed = timed_tasks(tasks, names, 2, 140.0, is_asked=is_asked)
        subjects = [task.arguments[0] for task in timed]
        assert [task.arguments[1] for task in timed] == list(names)
        assert [each.until is None for each in subjects] == [not is_asked, False, False]
        assert subjects[2].least == pytest.approx(0.0 if is_asked else 140 * 2 * 10 / 43)


def test_the_figures_that_decide_are_all_solved_for_where_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six prices outweigh by linear effect a date, which has none: it is the one that moves the plan most."""
    factors = [f"ranges.{path}={{low: 0.9, high: 1.1, of: value}}" for path in PRICES]
    instance = so.load(TINY, ["ranges.options.plant.lead_time={low: 12, high: 48}", *factors])
    result = so.solve(instance)
    subject = StudySubject(TINY, instance, result, 0.02, None)
    found = page_studies.find_deciding_figures({}, subject)
    assert found is not None
    assert (len(found.bars), found.screened) == (7, ())
    part = make_brief(instance, result, studies=[found]).to_dict()["parts"]["figures"]
    assert part["table"]["rows"][0][0] == "home magnet plant: lead time"
    assert "Of 7 uncertain numbers these 5 move most." in part["table"]["caption"]
    assert "linear effect" not in part["table"]["caption"]
    # Of too many the date is one of six, and the page says how the seventh was judged.
    monkeypatch.setattr(page_studies, "FEW_NUMBERS", 6)
    found = page_studies.find_deciding_figures({}, subject)
    assert found is not None
    assert (len(found.bars), len(found.screened)) == (6, 1)
    part = make_brief(instance, result, studies=[found]).to_dict()["parts"]["figures"]
    assert part["table"]["rows"][0][0] == "home magnet plant: lead time"
    said = (
        "1 other was judged by linear effect alone, which misses large moves: diversify sensitivity FILE solves for all"
    )
    assert said in part["table"]["caption"]


def test_scenarios_whose_search_was_stopped_are_left_out() -> None:
    instance = so.load(TINY)
    plan = so.solve(instance)
    late = replace(plan, status="stopped", outlay=1.0)
    columns = tuple(ComparisonColumn(case, None, each) for case, each in (("plain", plan), ("cheap", late)))
    found = proven_columns(Comparison(dict.fromkeys(("plain", "cheap"), instance), columns))
    assert [(each.case, each.result) for each in found.columns] == [("plain", plan)]
    assert found.stopped


def test_the_plan_at_hand_is_not_searched_for_again() -> None:
    """A plan that no search would find stands in the first case; the other one has its own."""
    instance = so.load(TINY)
    known, other = replace(so.solve(instance), outlay=1.0), so.load(TINY, ["options.plant.capex=100k"])
    found = so.compare({"plain": instance, "cheap": other}, facts=(), known=known)
    assert [each.result is known for each in found.columns] == [True, False]


def test_what_has_no_time_is_left_out_of_a_sensitivity_and_its_section_says_how_far_it_came() -> None:
    ranges = "ranges={options.plant.capex: {low: 100k, high: 400k}}"
    found = so.sensitivity(so.load(TINY, [ranges]), flips=False, settings=so.Settings(until=0.0))
    assert (found.status, found.bars) == ("stopped", ())
    assert view_of(found).reached(found) == "0 of 1 number looked at, 0 solved for at both ends"
