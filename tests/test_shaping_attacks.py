"""Plans made against an adversary, wherever only the attacks that shaped them count: that is said."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli.app import app

# 14M can buy an embargo with a hit (14M), and one with sabotage (13M); other attacks do less. Under a budget of 4M the
# first does more damage, and alone shapes the plan. Plans of other budgets have not met the second.
FILE = """\
name: besieged
currency: USD
horizon: {start: 2026, end: 2030, step: year}
home: home
commodities: {magnet: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 120, cost: 60k}
  friend: {region: ally, stage: magnet, output: {magnet: 1}, capacity: 30, cost: 80k}
demands:
  motors: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 500k}
options:
  plant: {kind: refining, stage: magnet, output: {magnet: 1}, cost: 75k, capex: 200k, fixed_cost: 1M, unit_size: 20,
          max_size: 80, lead_time: 24}
  reserve: {kind: stockpile, commodity: magnet, price: 300k, max_size: 80}
policy: {budget: 4M}
adversary:
  attack_budget: 14M
  months: 24
  starts: [2029]
  targets:
    embargo: {price: 8M, cuts: [{region: rival, severity: 1}]}
    sabotage: {price: 5M, cuts: [{process: plant, severity: 1}]}
    hit: {price: 6M, cuts: [{process: friend, severity: 1}]}
"""


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, words)
    return done.exit_code, " ".join((done.stdout + done.stderr).replace("│", " ").split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("besieged")
    (made / "besieged.yaml").write_text(FILE, encoding="utf-8")
    run("solve", str(made / "besieged.yaml"), "--adversary", "--output", str(made / "plan.json"))
    return made


def test_a_saved_plan_says_which_attacks_count(folder: Path) -> None:
    _, said = run("compare", str(folder / "plan.json"), "--budgets", "4M", "--quick")
    assert "without --adversary, of attacks only those count that shaped the plan" in said
    _, said = run("compare", str(folder / "besieged.yaml"), "--budgets", "4M", "--quick")
    assert "of attacks only" not in said


@pytest.mark.parametrize("source", ["plan.json", "besieged.yaml"])
def test_a_page_has_no_study_that_leaves_the_adversary_out(folder: Path, source: str) -> None:
    more = ("--adversary",) if source == "besieged.yaml" else ()
    code, said = run("report", str(folder / source), *more, "--with", "explain", "--output", str(folder / "x.html"))
    assert code == 2
    assert "the study of explain leaves the adversary out" in said


def test_a_brief_says_which_attacks_plans_of_other_budgets_have_met(folder: Path) -> None:
    brief = folder / "brief.md"
    run("report", str(folder / "plan.json"), "--output", str(brief))
    text = " ".join(brief.read_text(encoding="utf-8").split())
    assert "keeps every floor in the listed shocks and in the attacks that shaped this plan" in text
    assert "plans of other budgets have met only those that shaped this plan" in text
    assert "What ordering a year later does is not computed of a plan that was made against an adversary." in text


def test_requirements_say_which_attacks_count(folder: Path) -> None:
    page = folder / "requirements.html"
    _, said = run("report", str(folder / "plan.json"), "--requirements", "--quick", "--output", str(page))
    assert "only those count here that shaped the plan" in said
    assert "only those count here that shaped the plan" in page.read_text(encoding="utf-8")
