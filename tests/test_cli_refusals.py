"""What the command line refuses: each combination of options that has no meaning, with the cure that it names."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli import options
from optimizer.cli.app import app

ROOT = Path(__file__).parent.parent
TINY = str(ROOT / "instances" / "tiny.yaml")
WRITTEN = str(ROOT / "examples" / "plan.yaml")
BESIEGED = str(ROOT / "tests" / "faults" / "besieged.yaml")
# Two futures, high and low, and the measure regret.
REGRET = str(ROOT / "tests" / "cases" / "futures" / "hand_regret.yaml")
UNCERTAIN = "\nranges: {demands.d.quantity: {low: 8, high: 12}}\n"


def refusal(words: Sequence[str], code: int = 2) -> str:
    """What a command says that is refused, in one line."""
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == code, (words, done.output)
    assert done.stdout == ""
    return " ".join(done.stderr.replace("│", " ").split())


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _saved(TINY, tmp_path_factory)


@pytest.fixture(scope="module")
def futures_plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _saved(REGRET, tmp_path_factory)


def _saved(file: str, folders: pytest.TempPathFactory) -> str:
    path = str(folders.mktemp("plans") / "plan.json")
    assert CliRunner().invoke(app, ["solve", file, "--output", path]).exit_code == 0
    return path


# Options of the report and its studies


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--budgets", "1M", "-o", "r.xlsx"], "--output: a workbook holds one plan: leave out --json, --budgets and"),
        (["--with", "explain", "-o", "r.xlsx"], "--output: a workbook holds one plan: leave out --json, --budgets and"),
        (["--instance", "none.yaml"], "--instance: none.yaml is no file."),
        (["--with", ","], "--with: write some of explain, compare, attack, alternatives, sensitivity, stress, share, "),
        (["--with", "explian"], '--with: there is no study "explian". Did you mean "explain"?'),
        (["--with", "elasticities"], '--with: there is no study "elasticities". There are explain, compare, attack'),
        (["--with", "futures"], f"--with futures: {TINY} has no futures, or one of them is taken alone: add"),
        (
            ["--with", "attack", "-o", "r.md"],
            "--with: attack has no part in a brief: write --output with a page (.html)",
        ),
        (["--requirements", "--budgets", "1M"], "--budgets: stockpile requirements do not have it: leave it out."),
        (["--requirements", "--with", "explain"], "--with: stockpile requirements do not have it: leave it out."),
        (
            ["--requirements", "-o", "r.pdf"],
            "--output: requirements are written as a page (.html) or a workbook (.xlsx)",
        ),
        (["--budgets", "0,,1M"], '--budgets: "" is not a number.'),
        (["--quick", "--budgets", "0,1M"], "--budgets: --quick leaves out other budgets: leave out one of the two."),
    ],
)
def test_a_report_is_refused_before_anything_is_solved(more: list[str], said: str, tmp_path: Path) -> None:
    output = [] if "-o" in more else ["--output", str(tmp_path / "r.html")]
    assert f"Invalid value for {said}" in refusal(["report", TINY, *output, *more])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("study", "part", "cure"),
    [
        ("compare", "scenarios", "Add scenarios; a page compares budgets without them."),
        ("attack", "adversary", "Add an adversary."),
        ("sensitivity", "ranges", "Give some numbers a range."),
        ("share", "members", "Add two members."),
    ],
)
def test_a_study_without_its_part_of_the_file_is_a_finding(study: str, part: str, cure: str) -> None:
    said = refusal(["report", TINY, "--with", study], code=3)
    assert said.startswith(f"error: {TINY}: {part}: the file has no {part}. {cure}")


def test_a_stress_of_no_shocks_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "calm.yaml"
    lines = Path(REGRET).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("shocks:", "policy:"))]
    file.write_text("\n".join(kept[: kept.index("futures:")]), encoding="utf-8")
    said = refusal(["report", str(file), "--with", "stress"], code=3)
    assert "shocks: the file has no shocks. Add a shock or an ensemble." in said


@pytest.mark.parametrize("asked", [[], ["--adversary"]])
def test_an_adversary_that_does_not_count_is_named(asked: list[str]) -> None:
    said = CliRunner().invoke(app, ["solve", BESIEGED, *asked], env={"COLUMNS": "200"}).stdout
    assert ("Note: no attack of the file's adversary is among the shocks" in said) == (not asked)


@pytest.mark.parametrize("study", ["compare", "alternatives", "sensitivity"])
def test_a_study_that_leaves_the_adversary_out_is_refused_beside_one(study: str) -> None:
    said = refusal(["report", BESIEGED, "--adversary", "--with", study])
    assert f"Invalid value for --with {study}: this study ignores the adversary: leave out one of the two." in said


# Futures


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--with", "explain"],
            f"--with explain: {REGRET} has several futures, and this study is about one: write --future NAME.",
        ),
        (["--budgets", "1M"], "--budgets: a plan of several futures has none: leave it out, or take one by --future."),
        (["--plan", WRITTEN, "--with", "futures"], "--with: the study of futures is about the plan of all of them:"),
    ],
)
def test_a_report_of_several_futures(words: list[str], said: str, tmp_path: Path) -> None:
    output = str(tmp_path / "r.html")
    assert f"Invalid value for {said}" in refusal(["report", REGRET, "--output", output, *words])


@pytest.mark.parametrize("command", ["stress", "survive", "attack", "export --output model.mps"])
def test_a_command_that_takes_one_future_names_those_that_there_are(command: str) -> None:
    said = refusal([*command.split(), REGRET])
    assert f"{REGRET} has 2 futures, and this command takes one: write --future NAME, one of high, low;" in said
    assert f"or solve all of them by `diversify solve {REGRET}`." in said


@pytest.mark.parametrize(("command", "against"), [("stress", ""), ("sensitivity", ""), ("attack", " --adversary")])
def test_only_attack_proposes_to_solve_all_futures_against_the_adversary(command: str, against: str) -> None:
    """A plan against the adversary is another plan, at another cost, than the one that was asked about."""
    target = "{price: 1, cuts: [{region: rival, severity: 1}]}"
    adversary = f"adversary={{attack_budget: 1, months: 12, starts: [2027], targets: {{rival: {target}}}}}"
    said = refusal([command, REGRET, "--set", adversary])
    assert f"or solve all of them by `diversify solve {REGRET}{against}`." in said


@pytest.mark.parametrize("command", ["stress", "survive", "attack"])
def test_of_a_saved_plan_of_several_futures_one_is_named(command: str, futures_plan: str) -> None:
    assert "the plan of one is needed: choose it by --future, one of high, low" in refusal([command, futures_plan])


def test_a_plan_that_is_given_is_read_in_one_future(tmp_path: Path) -> None:
    said = refusal(["report", REGRET, "--plan", WRITTEN, "--output", str(tmp_path / "r.html")])
    assert f"{REGRET} has 2 futures, and a plan that is given is read in one: write --future NAME" in said
    assert f"or see how it does in all of them by `diversify evaluate {REGRET} --plan {WRITTEN}`." in said


def test_a_saved_plan_of_several_futures(futures_plan: str, tmp_path: Path) -> None:
    said = refusal(["show", futures_plan, "--future", "nigh"], code=3)
    assert f'{futures_plan} has no future "nigh". Did you mean "high"?' in said
    output = str(tmp_path / "r.html")
    said = refusal(["report", futures_plan, "--requirements", "--output", output])
    assert f"--requirements: {futures_plan} is a plan of several futures: take one of them by --future NAME." in said
    said = refusal(["verify", futures_plan, "--prove"])
    assert "--prove: leave it out: a plan of several futures, or by a measure of risk, is not proven again." in said


def test_futures_that_are_not_there_have_no_figure(tmp_path: Path) -> None:
    output = str(tmp_path / "a.svg")
    said = refusal(["plot", TINY, "futures", "--output", output], code=3)
    assert said == f"Error: {TINY}: there are no futures to draw: the plan is of one."


def test_the_study_of_futures_says_what_to_add_or_to_leave_out() -> None:
    said, cure = refusal(["futures", TINY], code=3), "Add `futures:` to the file (docs/how-to/futures.md)."
    assert said == f"Error: {TINY} has no futures: this command compares several. {cure}"
    said = refusal(["futures", REGRET, "--future", "high"], code=3)
    assert "this command compares several futures, and high is taken alone. Leave out --future." in said


def test_a_band_is_of_one_future_and_of_expected_cost(tmp_path: Path) -> None:
    said = refusal(["solve", REGRET, "--bands"])
    assert f"--bands: {REGRET} has no ranges: write some (docs/how-to/sensitivity.md), or leave it out." in said
    file = tmp_path / "regret.yaml"
    file.write_text(Path(REGRET).read_text(encoding="utf-8") + UNCERTAIN, encoding="utf-8")
    said = refusal(["solve", str(file), "--bands"])
    assert "--bands: a plan of several futures has no band: leave it out, or take one future by --future." in said
    # With one future taken, the measure is what stands in the way.
    said = refusal(["solve", str(file), "--future", "high", "--bands"])
    assert "--bands: a band is of expected cost: leave it out, or write --set policy.objective=expected." in said


# Plans


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["solve", WRITTEN],
            f"{WRITTEN} is a plan, and needs an instance: `diversify evaluate INSTANCE --plan {WRITTEN}` judges it.",
        ),
        (
            ["evaluate", TINY, "--plan", "a", "--plan", "b", "--output", "x.json"],
            "--output: a plan file holds one plan:",
        ),
        (["stress", TINY, "--plan", WRITTEN, "--instance", TINY], "with --plan, PLAN|FILE is the instance: leave out"),
        (
            ["stress", TINY, "--budget", "1M", "--instance", BESIEGED],
            f"--budget: {TINY} is solved and {BESIEGED} sampled",
        ),
        (["solve", TINY, "--without", "plant", "--force", "plant=20@2026"], "--force: plant is left out and has to be"),
        (
            ["solve", TINY, "--force", "plant=20"],
            '--force: "plant=20" is not OPTION=SIZE@YEAR; write it like plant=40@',
        ),
        (
            ["solve", TINY, "--force", "=20@2026"],
            '--force: "=20@2026" is not OPTION=SIZE@YEAR; write it like plant=40@',
        ),
        (
            ["solve", TINY, "--force", "plant=20@soon"],
            '--force: "plant=20@soon" is not OPTION=SIZE@YEAR; write it like',
        ),
        (
            ["solve", TINY, "--force", "plant=2@2026", "--force", "plant=4@2026"],
            "--force: plant in 2026 is given twice.",
        ),
        (["solve", BESIEGED, "--adversary", "--strategy", "benders"], "leave out --strategy and --checkpoint: attacks"),
        (
            ["solve", BESIEGED, "--adversary", "--checkpoint", "c"],
            "leave out --strategy and --checkpoint: attacks have",
        ),
        (
            ["compare", TINY, "--budgets", "0,,1M"],
            "--budgets: write budgets with commas between them, such as 0,250M,1B, or auto alone.",
        ),
        (
            ["compare", TINY, "--budgets", "5M,", "10.5M,", "any"],
            "--budgets: write budgets with commas and no spaces between them: --budgets 5M,10.5M,any.",
        ),
        (
            ["compare", TINY, "--budgets", "40,5M,60M"],
            "--budgets: 40,5M are two: write 40.5M for one, or 40M,5M for two.",
        ),
        (["report", TINY, "--budgets", "7,250M", "-o", "a.html"], "--budgets: 7,250M are two: write 7.250M for one"),
        (["compare", TINY, "--step", "0"], "--step: write more than 0."),
        (["compare", TINY, "--quick", "--step", "1M"], "--quick leaves out what one more step achieves"),
        (["compare", TINY, "--budgets", "auto", "--step", "1M"], "--budgets auto finds the steps itself"),
        (["compare", TINY, "--plot", "a.gif"], "--plot: write a name that ends in .svg, .png or .pdf"),
        (["compare", TINY, TINY], "is given twice."),
        (["plot", TINY, "pie", "--output", "a.svg"], "KIND: write one of map, years, drawdown, sources, timeline,"),
        (
            ["plot", TINY, "timeline", "--shock", "x", "--output", "a.svg"],
            "--shock: timeline has none; it is for path,",
        ),
        (["sensitivity", TINY, "--store"], "--store: it goes with --samples, and not with --discover."),
        (["sensitivity", TINY, "--store", "--samples", "64", "--discover"], "--store: it goes with --samples, and not"),
        (
            ["sensitivity", TINY, "--plan", WRITTEN],
            "--plan: it goes with --discover only: add --discover, or leave it out.",
        ),
        (
            ["sensitivity", TINY, "--discover", "--quick"],
            "--quick: it does not go with --discover: leave out one of them.",
        ),
    ],
)
def test_usage_names_what_to_leave_out_or_to_write(words: list[str], said: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as context:
        context.chdir(tmp_path)
        assert said in refusal(words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--without", ""], "--without: a name is empty: write names with commas between them, such as plant."),
        (["--scenario", ","], "--scenario: a name is empty: write names with commas between them, such as high."),
        (["--force", "plant=20@2027,reserve"], '--force: "reserve" is not OPTION=SIZE@YEAR; write it like'),
    ],
)
def test_names_that_are_empty_or_incomplete_are_refused(words: list[str], said: str) -> None:
    assert f"Invalid value for {said}" in refusal(["solve", TINY, *words])


def test_an_empty_name_of_a_file_is_shown_as_one() -> None:
    assert refusal(["solve", ""], code=3).startswith('error: "": cannot be read: No such file or directory.')


def test_forced_purchases_are_separated_by_commas_or_repeated() -> None:
    made = [("plant", 2027, 20.0), ("reserve", 2026, 5.0)]
    assert options.parse_forces(["plant=20@2027,reserve=5@2026"]) == made
    assert options.parse_forces(["plant=20@2027", "reserve=5@2026"]) == made


def test_a_plan_at_hand_is_not_solved_for(plan: str, tmp_path: Path) -> None:
    said = refusal(["show", plan, "--budget", "1M"])
    assert f"the plan is given by {plan} and is not solved for: leave out --budget; `diversify solve {plan}" in said
    assert "nothere.json cannot be read: No such file" in refusal(["show", "nothere.json", "--budget", "5M"], code=3)
    said = refusal(["attack", plan, "--output", str(tmp_path / "other.json")])
    assert "the plan is given and is not solved for: leave out --output." in said
    said = refusal(["verify", plan, "--quick", "--prove"])
    assert "--prove: leave out --quick or --prove." in said


def test_no_starting_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "instance.yaml").write_text("mine", encoding="utf-8")
    said = refusal(["init", str(tmp_path)])
    there = tmp_path / "instance.yaml"
    assert said == f"Error: {there}: already there; nothing was written. Choose another folder."
    assert [path.name for path in tmp_path.iterdir()] == ["instance.yaml"]
    assert there.read_text(encoding="utf-8") == "mine"


def test_a_conversion_overwrites_nothing_unasked(tmp_path: Path) -> None:
    target = tmp_path / "tiny.yaml"
    target.write_text("mine", encoding="utf-8")
    said = refusal(["convert", TINY, str(target)])
    assert f"TARGET: {target} is there: say --overwrite to replace it." in said
    said = refusal(["convert", str(target), str(target), "--overwrite"])
    assert f"TARGET: {target} is there: it is the source." in said
    assert target.read_text(encoding="utf-8") == "mine"


# What is said beside an answer


def told(words: Sequence[str], code: int) -> str:
    """What a command that answers says on stderr, in one line."""
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == code, (words, done.output)
    return " ".join(done.stderr.split())


def test_a_plan_of_futures_that_breaks_a_rule_is_judged_and_not_written(tmp_path: Path) -> None:
    """4 t/yr of 2027 cost 240, and 6 t/yr of 2028 in the future high 600: more than a budget of 300."""
    plan, output = tmp_path / "plan.yaml", tmp_path / "other.json"
    plan.write_text("builds: {plant: {2027: 4}}\nfutures: {high: {builds: {plant: {2028: 6}}}}\n", encoding="utf-8")
    words = ["evaluate", REGRET, "--plan", str(plan), "--quick", "--budget", "300", "--output", str(output)]
    said = told(words, 2)
    assert f"{output} is not written: a plan file of several futures holds a plan that keeps every rule." in said
    assert not output.exists()
    assert f"wrote {output}" in told([*words[:5], "--output", str(output)], 0)


def test_a_brief_says_why_it_has_no_word_of_what_would_help(tmp_path: Path) -> None:
    words = ["--with", "explain", "--quick", "--output", str(tmp_path / "r.md")]
    said = told(["report", TINY, *words], 0)
    assert "explain: the plan survives, and a brief says only what would help a plan that does not." in said


NOTHING = """
horizon: {start: 2026, end: 2027, step: year}
commodities: {m: {}}
processes: {imports: {region: rival, output: {m: 1}, capacity: 10}}
demands: {d: {commodity: m, quantity: 10, survival: 1, shortage_cost: 1}}
shocks: {cut: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
"""


def test_to_leave_no_demand_is_no_help(tmp_path: Path) -> None:
    """With nothing to buy, no floor of the shock holds, unless there is no demand."""
    file, output = tmp_path / "nothing.yaml", tmp_path / "nothing.md"
    file.write_text(NOTHING, encoding="utf-8")
    told(["report", str(file), "--with", "explain", "--quick", "--output", str(output)], 4)
    said = "No amount of money alone makes everything survivable. No change that was tried is enough alone."
    assert said in output.read_text(encoding="utf-8")


def test_comments_that_json_cannot_hold_are_counted(tmp_path: Path) -> None:
    source, target = tmp_path / "nothing.yaml", tmp_path / "nothing.json"
    source.write_text("# A head.\n" + NOTHING.replace("capacity: 10}}", "capacity: 10}} # a guess"), encoding="utf-8")
    assert "JSON has no comments: 2 were left out." in told(["convert", str(source), str(target)], 0)
    assert "JSON has no comments" not in told(["convert", str(target), str(tmp_path / "again.json")], 0)
    source.write_text("# A head.\n" + NOTHING, encoding="utf-8")
    assert "JSON has no comments: 1 was left out." in told(["convert", str(source), str(target), "--overwrite"], 0)


@pytest.mark.parametrize(
    "words",
    [
        ["solve", REGRET, "--future", "high", "--future", "low"],
        ["solve", TINY, "--budget", "5M", "--budget=6M"],
        ["solve", TINY, "--output", "a.json", "-o", "b.json"],
        ["sensitivity", TINY, "--samples", "3", "--samples", "4"],
    ],
)
def test_an_option_with_one_value_is_written_once(words: list[str]) -> None:
    assert "it takes one value, and has several: write it once." in refusal(words)


def test_a_flag_may_be_written_twice() -> None:
    assert CliRunner().invoke(app, ["check", TINY, "--json", "--json"]).exit_code == 0


@pytest.mark.parametrize("words", [["init", ""], ["solve", TINY, "--csv", ""]])
def test_a_folder_needs_a_name(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "the name is empty: write that of a folder, or . for this one." in refusal(words)
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(app, ["init", "."]).exit_code == 0
