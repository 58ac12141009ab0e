"""Plans made against an adversary: those of other budgets withstand it; elsewhere it is said which count."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optimizer.cli.app import app
from tests.test_plot import words

# 14M can buy an embargo with a hit (14M), and one with sabotage (13M); other attacks do less. Under a budget of 4M the
# first does more damage, and alone shapes the plan. To survive, two years of the plant and the stock have to be 100 t
# under the first, the stock alone 40 t under the second: a plant of 40 t/yr for 9M, and 40 t for 12M.
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


# An embargo and a blockade, at two starts. A smelter lowers costs in peace, so that the embargo alone shapes the plan:
# smelter of 100 t/yr for 5M, reserve of 50 t for 3.25M. Half of the smelter is enough to survive, for 5.75M in all.
TWO_MATERIALS = """\
name: two materials
currency: USD
horizon: {start: 2026, end: 2030, step: year}
home: home
commodities: {magnet: {}, metal: {}}
processes:
  magnets: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 120, cost: 60k}
  metals: {region: other, stage: metal, output: {metal: 1}, capacity: 120, cost: 60k}
demands:
  motors: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 500k}
  alloys: {commodity: metal, quantity: 100, survival: 0.5, shortage_cost: 500k}
options:
  smelter: {kind: refining, stage: metal, output: {metal: 1}, cost: 10k, capex: 50k, max_size: 100, lead_time: 12}
  reserve: {kind: stockpile, commodity: magnet, price: 65k, max_size: 200}
adversary:
  attack_budget: 10M
  months: 12
  starts: [2027, 2029]
  targets:
    embargo: {price: 8M, cuts: [{region: rival, severity: 1}]}
    blockade: {price: 9M, cuts: [{region: other, severity: 1}]}
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
    assert "without --adversary, of attacks only those count that are among its shocks" in said
    _, said = run("compare", str(folder / "besieged.yaml"), "--budgets", "4M", "--quick")
    assert "of attacks only" not in said


@pytest.mark.parametrize("source", ["plan.json", "besieged.yaml"])
def test_a_page_has_no_study_that_leaves_the_adversary_out(folder: Path, source: str) -> None:
    more = ("--adversary",) if source == "besieged.yaml" else ()
    code, said = run("report", str(folder / source), *more, "--with", "explain", "--output", str(folder / "x.html"))
    assert code == 2
    assert "--with explain: this study ignores the adversary" in said


def read_report(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["report", *words, "--json"])
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def gaps_and_costs(data: dict[str, Any]) -> list[tuple[float | None, float, float]]:
    """By budget, the survival gap and the total cost."""
    points = data["points"]
    plans = [points[each["same"]] if "same" in each else each for each in points]
    return [
        (each["budget"], plan["survival_gap"], plan["total_cost"]) for each, plan in zip(points, plans, strict=True)
    ]


@pytest.mark.parametrize("source", ["plan.json", "besieged.yaml"])
def test_plans_of_other_budgets_withstand_the_adversary(folder: Path, source: str) -> None:
    more = ("--adversary",) if source == "besieged.yaml" else ()
    data = read_report(str(folder / source), *more, "--output", str(folder / "page.html"))
    assert data["frontier"]["least_outlay"] == pytest.approx(21e6)
    # 5.25M: a plant of 20 t/yr for 5M, and 0.25M / 300k t; 10.5M: 40 t/yr for 9M and 5 t; 15.75M: and 22.5 t.
    assert gaps_and_costs(data) == [
        (0, pytest.approx(50e6), pytest.approx(30e6)),
        (4e6, pytest.approx(43.333e6, rel=1e-4), pytest.approx(34e6)),
        (5.25e6, pytest.approx(29.583e6, rel=1e-4), pytest.approx(35.25e6)),
        (10.5e6, pytest.approx(17.5e6), pytest.approx(40.5e6)),
        (15.75e6, pytest.approx(8.75e6, rel=1e-4), pytest.approx(45.75e6)),
        (21e6, 0, pytest.approx(51e6)),
        (None, 0, pytest.approx(51e6)),
    ]
    told = [row["name"] for row in data["points"][3]["rows"]]
    assert told == ["attack{embargo+hit}@2029", "attack{embargo+sabotage}@2029"]


def test_of_gaps_the_worst_attack_at_each_start_counts(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(TWO_MATERIALS, encoding="utf-8")
    data = read_report(str(file), "--adversary", "--output", str(tmp_path / "brief.md"))
    assert data["frontier"]["least_outlay"] == pytest.approx(5.75e6)
    # A share of the 50 t/yr and of the 50 t that survive leaves as much of both attacks at both starts, 25M where it is
    # none; each t of the smelter saves 4 years of 50k.
    assert gaps_and_costs(data) == [
        (0, pytest.approx(50e6), pytest.approx(60e6)),
        *((share * 5.75e6, pytest.approx((1 - share) * 50e6, abs=100), pytest.approx(60e6 - share * 4.25e6, rel=1e-6))
          for share in (0.25, 0.5, 0.75)),
        (5.75e6, 0, pytest.approx(55.75e6)),
        (None, 0, pytest.approx(48.25e6)),
    ]  # fmt: skip
    rows = {row[0]: row[1:6] for row in data["brief"]["parts"]["alternatives"]["table"]["rows"]}
    assert rows["Budget 5.75M USD"][1:3] == ["0", "0"]
    assert rows["Do nothing"][:4] == ["0", "2", "50", "25"]


def test_a_brief_says_which_shocks_plans_count(folder: Path) -> None:
    brief = folder / "brief.md"
    run("report", str(folder / "plan.json"), "--output", str(brief))
    text = " ".join(brief.read_text(encoding="utf-8").split())
    assert "Without a limit on the budget the best plan keeps every floor, and costs 17M USD more." in text
    assert "Of the adversary's attacks, those found for each plan and those that break it are its shocks" in text
    assert "What ordering a year later does is not computed for a plan that was made against an adversary." in text


def test_requirements_say_which_attacks_count(folder: Path) -> None:
    page = folder / "requirements.html"
    _, said = run("report", str(folder / "plan.json"), "--requirements", "--quick", "--output", str(page))
    assert "only those count here that are among the shocks of the plan" in said
    assert "only those count here that are among the shocks of the plan" in page.read_text(encoding="utf-8")


def test_the_frontier_says_which_shocks_plans_count(folder: Path) -> None:
    figure = folder / "frontier.svg"
    run("plot", str(folder / "plan.json"), "frontier", "--output", str(figure))
    assert "in gaps only the worst at each start counts" in words(figure.read_bytes())
