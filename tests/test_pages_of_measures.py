"""Pages, figures and studies of a file with a risk measure and no futures: each says by what its plans are judged."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import optimizer as so
from tests.test_cli import diversify

# 80 t a year are imported at 10. A ban takes all of 2028 with a probability of 0.3. Of a stock of x t, bought in 2027
# at 12 and held for three years at 1, army uses the first 50 t, worth 100 each, and cars the rest, worth 60.
#     no ban      3,200 + 15 x
#     ban         2,400 + 15 x + 60 (80 − x)      from 50 t on
#     expected    4,400 − 3 x                      least at 80 t: 4,160, an outlay of 960
#     CVaR 0.8    the larger of the two            least at 66 2/3 t: 4,200, an outlay of 800; 4,200 is expected as well
MEASURED: dict[str, Any] = {
    "currency": "USD",
    "horizon": {"start": 2026, "end": 2029, "step": "year"},
    "commodities": {"magnet": {}},
    "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 200, "cost": 10}},
    "demands": {
        "army": {"commodity": "magnet", "quantity": 50, "shortage_cost": 100, "survival": 0.2},
        "cars": {"commodity": "magnet", "quantity": 30, "shortage_cost": 60, "survival": 0.2},
    },
    "options": {"pile": {"kind": "stockpile", "commodity": "magnet", "price": 12, "holding_cost": 1, "max_size": 200}},
    "shocks": {"ban": {"start": 2028, "months": 12, "probability": 0.3, "cuts": [{"region": "rival", "severity": 1}]}},
    "members": {"x": {"demands": "army"}, "y": {"demands": "cars"}},
    "policy": {"objective": {"cvar": 0.8}},
}
LEFT_OUT = "policy.objective is left out: plans are judged by expected cost, not by CVaR at 0.8."


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The file, and its plan."""
    folder = tmp_path_factory.mktemp("measured")
    file, plan = folder / "measured.yaml", folder / "plan.json"
    file.write_text(yaml.safe_dump(MEASURED))
    assert diversify("solve", str(file), "--output", str(plan)).returncode == 0
    return str(file), str(plan)


def test_budgets_beside_a_plan_that_is_given_are_judged_by_expected_cost(
    files: tuple[str, str], tmp_path: Path
) -> None:
    file, plan = files
    done = diversify("report", file, "--plan", plan, "--json", "-o", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    assert LEFT_OUT in done.stderr
    made = json.loads(done.stdout)
    costs = {point["budget"]: point["total_cost"] for point in made["points"] if point["given"] is None}
    # The floors ask for 16 t, an outlay of 192: 0.7 · (3,200 + 240) + 0.3 · (2,400 + 240 + 40 · 100 + 24 · 60).
    assert costs[192] == pytest.approx(4_832)
    assert costs[None] == pytest.approx(4_160)


def test_the_figure_of_budgets_is_drawn_of_a_saved_plan(files: tuple[str, str], tmp_path: Path) -> None:
    done = diversify("plot", files[1], "frontier", "--output", str(tmp_path / "frontier.svg"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(LEFT_OUT) == 1


def test_python_and_json_say_that_the_measure_is_left_out(files: tuple[str, str]) -> None:
    instance = so.load(files[0])
    assert so.compare(instance, "any", facts=()).notes == (LEFT_OUT,)
    assert so.compare({"a": instance, "b": instance.by_expected_cost()}, facts=()).notes == (f"a: {LEFT_OUT}",)
    assert so.alternatives(instance, plans=0, notes=("as asked",)).notes == ("as asked", LEFT_OUT)
    for words in (("compare", files[0], "--budgets", "any", "--quick"), ("alternatives", files[0], "--plans", "0")):
        assert json.loads(diversify(*words, "--json").stdout)["notes"] == [LEFT_OUT]
        assert f"Note: {LEFT_OUT}" in " ".join(diversify(*words).stdout.split())


@pytest.fixture(scope="module")
def page(files: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the file with all studies."""
    output = tmp_path_factory.mktemp("page") / "page.html"
    done = diversify("report", files[0], "--with", "all", "-o", str(output))
    assert done.returncode == 0, done.stderr
    return output.read_text()


def test_studies_that_look_for_a_plan_say_that_it_is_not_the_one_of_the_page(page: str) -> None:
    said = "About the plan of least expected cost that this study found, 4,160 USD; the plan of this page is chosen by "
    said += "CVaR at 0.8, and its expected cost is 4,200 USD. What stands here need not hold of it."
    for study in ("explain", "alternatives"):
        assert page.count(f'id="with-{study}"') == 1
        assert said in page.partition(f'id="with-{study}"')[2].partition("</section>")[0]


def test_a_plan_without_futures_has_requirements(files: tuple[str, str], tmp_path: Path) -> None:
    done = diversify("report", files[1], "--requirements", "--quick", "--json", "-o", str(tmp_path / "needs.xlsx"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(LEFT_OUT) == 1
    # The floors ask for 0.2 · 50 t and 0.2 · 30 t, worth 1,000 and 360.
    (material,) = json.loads(done.stdout)["materials"]
    assert (material["requirement"], material["gap"]) == (pytest.approx(16), pytest.approx(1_360))


def test_what_a_plan_without_futures_has_not_is_refused_with_a_cure(files: tuple[str, str], tmp_path: Path) -> None:
    file, plan = files
    output = ("-o", str(tmp_path / "page.html"))
    for source in files:
        done = diversify("report", source, "--budgets", "0,300", *output, columns=300)
        assert done.returncode == 2
        assert "a page of a plan by CVaR at 0.8 has none: leave it out, or judge plans by expected cost" in done.stderr
    expected = diversify("report", file, "--set", "policy.objective=expected", "--budgets", "0,300", *output)
    assert expected.returncode == 0, expected.stderr
    done = diversify("show", plan, "--future", "high", columns=300)
    assert done.returncode == 3
    assert f"{plan} has no futures: leave --future out." in done.stderr


def test_a_page_without_futures_speaks_of_none(files: tuple[str, str], page: str, tmp_path: Path) -> None:
    # Without the stock the floors fail, so that every plan buys it; 10 % of the price of survival, 960, is 96.
    said = page.partition('id="brief-alternatives"')[2].partition('id="brief-worst"')[0]
    assert "By expected cost, not by CVaR at 0.8: plans that cost up to 96 USD more than the cheapest have in " in said
    assert "in common: pile." in said
    assert "not computed" not in said
    assert "<title>unnamed – the plan</title>" in page
    assert 'id="futures"' not in page
    assert "all branches" not in page
    quick = tmp_path / "quick.md"
    assert diversify("report", files[1], "--quick", "-o", str(quick)).returncode == 0
    assert "Plans nearly as cheap are not computed." in quick.read_text()
    assert "waiting" not in page + quick.read_text()
