"""diversify compare: columns that fit, facts behind them, clean JSON, a picture, exit codes."""

import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.report.figures.answers import chart_of
from optimizer.report.tables.explain import repair_sentences
from tests.conftest import BUT_SAMPLES
from tests.test_cli import CASES, TINY, diversify

HIGH = "scenarios.high={demands.motors.survival: 0.8}"


@pytest.mark.parametrize("columns", [80, 120])
def test_budgets_stand_side_by_side_and_fit(columns: int) -> None:
    done = diversify("compare", TINY, "--budgets", "0,5M,10M,15M,20M", columns=columns)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= columns
    first = "tiny: survives every shock with a budget of 15M USD, the smallest of these that is enough; with 10M USD "
    first += "it survives 1 of 2. Side by side"
    assert " ".join(done.stdout.split()).startswith(first)
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["Budget,", "USD", "0", "5M", "10M", "15M", "20M"] in words
    assert ["Survives", "0", "of", "2", "0", "of", "2", "1", "of", "2", "2", "of", "2", "2", "of", "2"] in words
    assert ["motors", "✗", "0/70", "✗", "6.9/70", "✗", "46.9/70", "30/30", "30/30"] in words
    assert ["magnet", "reserve,", "t", "–", "▲", "76.9", "◆", "76.9", "▲", "100", "100"] in words
    text = " ".join(done.stdout.split())
    assert "The least outlay that survives everything is 11.5M USD (proven: no plan keeps every floor for less" in text
    # The costliest of the two starts.
    assert "embargo@2029 11.5M" in text
    assert "costliest of 2" in text
    assert "What the next 1M USD buys" in text
    assert "10M −7.69M 1 of 2 +1.23M 11.5M → 3.85M magnet reserve +15.4 t" in text
    assert (
        text.count("the sum over shocks that are alternatives, a measure for comparing plans, not a gap that can") == 2
    )
    assert "4 of 4: 0 USD" not in done.stdout
    assert "20M USD: survives 2 of 2" in done.stderr
    assert "(1 of 1 so far)" in done.stderr


def test_quick_leaves_the_facts_out() -> None:
    done = diversify("compare", TINY, "--budgets", "0,20M", "--quick")
    assert done.returncode == 0
    assert "Side by side" in done.stdout
    assert "least outlay" not in done.stdout


def test_variants_are_columns_beside_the_plain_one() -> None:
    words = ("--without", "plant", "--without", "plant,reserve", "--scenario", "high", "--force", "plant=40@2027")
    done = diversify("compare", TINY, *words, "--set", HIGH, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    names = ["plain", "without plant", "without plant, reserve", "high", "plant=40@2027"]
    assert list(said["cases"]) == names
    assert [column["case"] for column in said["columns"]] == names
    assert [column["budget"] for column in said["columns"]] == [20e6] * 5
    assert said["columns"][4]["sizes"]["plant"] == pytest.approx(40)
    assert [each["status"] for each in said["least_outlay"]][:3] == ["optimal", "none", "none"]
    assert "high: Scenario high: demands.motors.survival=0.8." in done.stderr


def test_budgets_without_their_suffix_are_doubted() -> None:
    # The plant at its largest and the stock of a year: 80 · 200k + 1M + 100 · 65k = 23.5M. 5 is not 5M.
    doubt = "5 USD buys next to nothing: all options cost 23.5M USD. Write 5M if that is meant, or 0 for no purchase."
    done = diversify("compare", TINY, "--budgets", "0,5", "--quick")
    assert done.stderr.startswith(f"warning: --budgets: {doubt}")
    assert diversify("solve", TINY, "--budget", "5").stderr.startswith(f"warning: --budget 5: {doubt}")


def test_variants_and_budgets_make_a_table_each() -> None:
    done = diversify("compare", TINY, "--without", "plant", "--budgets", "0,10M,any", "--quick")
    assert done.returncode == 0
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "Cases and budgets, USD" in lines
    assert {"plain", "without plant"} <= set(lines)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_several_files_and_the_object(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(Path(TINY).read_text().replace("budget: 20M", "budget: 5M"))
    done = diversify("compare", TINY, str(other), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {
        "cases", "columns", "least_outlay", "alone", "next", "breakpoints", "resolution", "whole", "gap", "stopped",
        "measures", "notes",
    }  # fmt: skip
    assert [(column["case"], column["budget"]) for column in said["columns"]] == [("tiny", 20e6), ("other", 5e6)]
    assert said["columns"][1]["failed"] == ["embargo@2027", "embargo@2029"]
    assert said["columns"][0]["dependence"]["magnet"]["year"] == 2030
    assert said["least_outlay"][1]["plan"]["survives"]
    assert {each["case"] for each in said["next"]} == {"tiny", "other"}


def test_breakpoints_are_found_and_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "frontier.svg"
    done = diversify("compare", TINY, "--budgets", "auto", "--resolution", "0.05", "--plot", str(picture))
    assert done.returncode == 0, done.stderr
    assert "Where the plan changes" in done.stdout
    assert "✓ embargo@2029" in done.stdout
    text = picture.read_text()
    assert text.rstrip().endswith("</svg>")
    assert "survival gap" in text
    assert "fails in 1 of 2" in text
    # Doing nothing: 40M USD in the first shock, 70M USD in the second; no run of events has both.
    assert "of one shock is 70M USD." in text
    assert "The least outlay that keeps every floor is 11.5M USD." in text


def test_bars_show_the_gap_of_one_shock_not_the_sum_over_alternatives() -> None:
    tiny = so.load(TINY)
    chart = chart_of(so.compare({"plain": tiny, "other": tiny}, [0.0], facts=()))
    assert {row.words for row in chart.rows} == {"✗ 2 of 2, worst gap 70M USD; outlay 0 USD, cost 30M USD"}
    assert chart.about.endswith("Worst gap: the largest survival gap of one shock, at shortage cost.")


def test_a_plan_that_is_given_is_of_no_budget() -> None:
    found = so.compare(so.load(TINY), [0.0, 20e6], plans="examples/plan.yaml", facts=())
    labels = [row.label for row in chart_of(found).rows]
    assert labels[:2] == ["the file as it is, budget 0 USD", "the file as it is, budget 20M USD"]
    assert "budget" not in labels[2]
    done = diversify("compare", TINY, "--budgets", "0,20M", "--plan", "examples/plan.yaml", "--quick")
    assert "A plan that is given is judged once, under the budget of the file" in " ".join(done.stdout.split())


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_variants_are_drawn_as_bars(tmp_path: Path, suffix: str) -> None:
    picture = tmp_path / f"bars.{suffix}"
    done = diversify("compare", TINY, "--without", "plant", "--quick", "--plot", str(picture))
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes()[:4] in (b"\x89PNG", b"%PDF")
    assert f"wrote {picture}" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--budgets", "0,5M"), 4, ""),
        (("--budgets", "0,,5M"), 2, "write budgets with commas"),
        (("--budgets", "auto,5M"), 2, "or auto alone"),
        (("--budgets", "lots"), 2, '"lots" is not a number'),
        (("--plot", "frontier.gif"), 2, "write a name that ends in .svg, .png or .pdf"),
        (("--plot", "/dev/null/frontier.svg"), 2, "/dev/null is not a folder"),
        (("--step", "0"), 2, "write more than 0"),
        (("--without", "plant", "--without", "plant"), 2, "without plant is given twice"),
        (("--without", "plnt"), 3, 'Did you mean "plant"?'),
        (("--scenario", "high"), 3, "The file has none"),
        (("--budgets", "20M", "--time-limit", "0"), 5, ""),
    ],
)
def test_exit_codes(words: tuple[str, ...], code: int, said: str) -> None:
    done = diversify("compare", TINY, "--quick", *words)
    assert done.returncode == code, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_conflicting_rules_leave_no_plan_and_exit_with_4() -> None:
    rule = "policy.max_share=[{commodity: magnet, region: rival, share: 0.3}]"
    done = diversify("compare", TINY, "--set", rule, "--set", "processes.imports.min_utilisation=0.5")
    assert done.returncode == 4, done.stderr
    said = " ".join(done.stdout.split())
    assert "no plan" in said
    assert "any budget: no plan exists, since the rules contradict each other: " in said
    assert "imports from the rival has to use at least 50 % of its capacity (min_utilisation)" in said


def test_a_rule_that_cannot_be_kept_alone_contradicts_none() -> None:
    # Of a floor in 2026 nothing is in store yet, whatever is bought.
    rule = "policy.min_time_to_survive=[{cuts: [{region: rival, severity: 1}], months: 1}]"
    done = diversify("compare", TINY, "--set", rule, "--set", "demands.motors.survival=0.5", "--quick")
    said = " ".join(done.stdout.split())
    assert "any budget: no plan exists, since one rule cannot be kept: policy.min_time_to_survive[0]: every" in said


def test_a_plan_that_was_not_found_in_time_is_not_said_not_to_exist() -> None:
    """To buy nothing, which is known at once, breaks the rule."""
    rule = ("--set", "policy.force={plant: {2026: 20}}")
    done = diversify("compare", TINY, *rule, "--quick", "--time-limit", "0")
    assert done.returncode == 5, done.stderr
    said = " ".join(done.stdout.split())
    assert said.startswith("tiny: no plan was found before the search was stopped. ")
    assert "Survives ? " in said
    assert "65 %. Columns with ? were stopped before the proof." in said
    found = so.compare(so.load(TINY, [rule[1]]), facts=(), settings=so.Settings(time_limit=0))
    assert [row.words for row in chart_of(found).rows] == ["not known"]


def test_an_instance_without_shocks_is_compared_as_well() -> None:
    done = diversify("compare", str(CASES / "10_policy_share.yaml"))
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_prints_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from optimizer.studies import budget_sweep as searching

    def press(result: object) -> str:
        signal.raise_signal(signal.SIGINT)
        return "pressed"

    monkeypatch.setattr(searching, "one_line", press)
    done = CliRunner().invoke(app, ["compare", TINY, "--budgets", "0,20M"])
    assert done.exit_code == 5
    assert done.stdout.startswith("STOPPED: this is what was known. ")
    assert "2 of 2" in done.stdout
    assert "0 of 2" not in done.stdout


def test_what_was_stopped_is_not_told_as_a_fact() -> None:
    # No time at all: nothing is bought, and that survives nothing. It is not the least outlay that survives, nor the
    # best that can be had.
    done = diversify("compare", TINY, "--budgets", "5M", "--time-limit", "0")
    assert done.returncode == 5, done.stderr
    said = " ".join(done.stdout.split())
    so_far = "survives 0 of 2 shocks so far with a budget of 5M USD"
    assert said.startswith(f"tiny: {so_far}; the largest survival gap of one shock is 70M USD;")
    assert "at best" not in said
    assert "The least outlay that survives everything is not known" in said
    assert "?: not known or not proven" in said.partition("for each shock alone")[2]
    told = json.loads(diversify("compare", TINY, "--budgets", "5M", "--time-limit", "0", "--json").stdout)
    (least,) = told["least_outlay"]
    assert (least["status"], least["outlay"]) == ("stopped", None)
    assert {(each["status"], each["outlay"]) for each in told["alone"]} == {("stopped", None)}
    assert told["next"] == []
    # What had not begun is left out.
    several = diversify("compare", TINY, "--budgets", "0,5M", "--time-limit", "0")
    assert several.stdout.startswith("STOPPED: this is what was known. tiny: survives 0 of 2")
    assert "least outlay" not in several.stdout


def test_without_shocks_nothing_is_survived() -> None:
    done = diversify("compare", TINY, "--set", "shocks={}", "--budgets", "0,any", "--quick")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tiny: the instance has no shocks; the cheapest plan costs 30M USD in all.")


def test_files_of_different_currencies_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(Path(TINY).read_text().replace("USD of 2025", "EUR of 2026"))
    done = diversify("compare", TINY, str(other), "--quick")
    assert done.returncode == 3
    assert done.stdout == ""
    said = " ".join(done.stderr.split())
    assert f'{other}: currency: it is "EUR of 2026" here and' in said
    assert f'of 2025" in {TINY}' in said
    # The cure for labels that mean the same.
    assert '--set "currency=USD of 2025"' in said
    assert diversify("compare", TINY, str(other), "--quick", "--set", "currency=USD of 2025").returncode == 0


def test_samples_that_may_fail_are_not_said_to_be_survived(loose: str) -> None:
    said = " ".join(diversify("compare", loose, "--budgets", "3M,5M").stdout.split())
    assert said.startswith("loose: survives 3 of 4 samples of storms (3 required) with a budget of 5M USD")
    assert f"The least outlay that survives everything {BUT_SAMPLES} is 5M USD (proven: no plan does so for" in said
    # The sample that may fail beside the others takes more alone than all of them: 80 t less 3.2 t.
    assert "storms#00003 8M" in said
    assert "all that are required 5M" in said


def test_cases_of_which_samples_may_fail_say_so_over_their_least_outlays(loose: str) -> None:
    done = diversify("compare", loose, "--set", "scenarios.dear={options.plant.cost: 95k}", "--scenario", "dear")
    said = " ".join(done.stdout.split())
    assert f"The least outlay that survives everything {BUT_SAMPLES} Total" in said


def test_gaps_that_have_a_price_are_no_reason_that_is_not_known() -> None:
    done = diversify("compare", TINY, "--set", "policy.gap_price=0.05", "--budgets", "0,5M,20M", "--quick")
    # 5M buys 77 t, which close 38.5M of gap in either embargo: 3.85M at a twentieth, less than they cost.
    first = "tiny: survives 0 of 2 shocks with a budget of 20M USD (to survive more is impossible, or costs more than "
    said = " ".join(done.stdout.split())
    assert said.startswith(f"{first}the price of gaps in the file); the largest survival gap of one shock is 70M USD.")


# 50 t at 2 USD, all of them in 2026, keep the floor in 2027: 100 USD, of which 40 may be spent in a year.
ANNUAL = """
name: annual budget
currency: USD
horizon: {start: 2026, end: 2028, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, output: {magnet: 1}, capacity: 120, cost: 10}}
demands: {motors: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 500}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 2}}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
adversary:
  {attack_budget: 1, months: 12, starts: [2027], targets: {ban: {price: 1, cuts: [{region: rival, severity: 1}]}}}
policy: {annual_budget: 40}
"""


@pytest.mark.parametrize("command", [("check",), ("compare", "--budgets", "any"), ("explain",), ("alternatives",)])
def test_attacks_that_are_left_out_are_named(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "annual.yaml"
    file.write_text(ANNUAL.replace("policy: {annual_budget: 40}", ""), encoding="utf-8")
    left_out = "No attack of the file's adversary is among the shocks: --adversary lists those that it can afford."
    for word, is_said in (((), True), (("--adversary",), False), (("--set", "adversary=null"), False)):
        done = diversify(*command, str(file), *word, columns=200)
        assert (left_out in done.stderr) == is_said, done.stderr


def test_an_annual_budget_that_is_too_small_is_named(tmp_path: Path) -> None:
    file = tmp_path / "annual.yaml"
    file.write_text(ANNUAL, encoding="utf-8")

    def printed(*words: str) -> str:
        return " ".join(diversify(*words, str(file), columns=200).stdout.split())

    compared, attacked = printed("compare", "--budgets", "any"), printed("attack")
    assert "No outlay within the annual budget is enough: some floor fails in some shock." in compared
    assert "Outlay if this were the only shock, within the annual budget alone, rounded up;" in compared
    assert (
        "no outlay within the annual budget is enough: some floor fails in some shock or affordable attack" in attacked
    )
    assert "whatever is spent" not in compared + attacked
    first, second = repair_sentences(so.load(file), so.explain(so.load(file)))
    assert first == "No amount of money alone makes everything survivable while the annual budget stays as it is."
    assert "60 USD more in each year" in second


def test_an_adversary_that_can_afford_nothing_is_not_said_to_buy_an_attack(tmp_path: Path) -> None:
    file = tmp_path / "poor.yaml"
    file.write_text(ANNUAL, encoding="utf-8")
    done = diversify("check", str(file), "--adversary", "--set", "adversary.attack_budget=0.5", columns=200)
    said = "Adversary: 0.5 USD can buy no attack; in the shocks attack{} nothing is struck."
    assert said in " ".join((done.stdout + done.stderr).split())


def test_nothing_is_survived_where_there_are_no_shocks(tmp_path: Path) -> None:
    # Imports that cost nothing serve all, so that the plan costs nothing. Cut, they ask for 50 t at 2.
    file = tmp_path / "calm.yaml"
    file.write_text(ANNUAL, encoding="utf-8")

    def printed(command: str) -> str:
        changes = ("shocks=null", "policy=null", "processes.imports.cost=0")
        done = diversify(command, str(file), *(word for each in changes for word in ("--set", each)), columns=200)
        return " ".join((done.stdout + done.stderr).split())

    compared, attacked = printed("compare"), printed("attack")
    assert "the instance has no shocks; the cheapest plan costs 0 USD in all. Side by side" in compared
    assert "Proven: costs within 0 USD (2 % of the total cost, which is 0) of the least. Within this" in compared
    assert "--adversary lists those that it can afford. The least outlay is 0 USD. The" in compared
    assert "any budget: cost 0 USD (1 of" in compared
    assert not any(words in compared for words in ("0 of 0", "Weakest", "Gap of the worst", "less than 0"))
    assert "100 USD is enough to survive every affordable attack (proven: no plan survives for less" in attacked
    assert "round 3, relaxation: 1 shock in the model, none violated" in attacked
