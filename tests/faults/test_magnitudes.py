"""`check` finds figures that cannot be meant, names that look alike, and a baseline that goes short."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optimizer.cli.app import app
from optimizer.io.load import check

ROOT = Path(__file__).parents[2]
TINY = ROOT / "instances" / "tiny.yaml"
SHIPPED = [*sorted((ROOT / "instances").glob("*.yaml")), *sorted((ROOT / "tests" / "cases").glob("*.yaml"))]
# Data of futures may differ before they are told apart, which is a warning of its own.
RANDOM = sorted(each for each in (ROOT / "tests" / "cases").glob("*/*.yaml") if each.parent.name != "futures")
ALARMS = ("can be compared with", "its nearest neighbour", "of the median", "any supply", "differs from", "one letter",
          "no process stands")  # fmt: skip


def said(file: Path, *overrides: str) -> list[tuple[str, str, str]]:
    return [(found.where, found.what, found.cure) for found in check(file, overrides)[1]]


@pytest.mark.parametrize(
    ("override", "where", "figure", "neighbour", "meant"),
    [
        ("processes.imports.cost=45", "processes.imports.cost", "45 USD per t", "price of reserve 65k", "45k"),
        ("options.plant.cost=75", "options.plant.cost", "75 USD per t", "cost of imports 60k", "75k"),
        ("options.reserve.price=65", "options.reserve.price", "65 USD per t", "cost of imports 60k", "65k"),
        ("options.reserve.price=65M", "options.reserve.price", "65M USD per t", "cost of plant 75k", "65k"),
        ("options.plant.capex=200", "options.plant.capex", "200 USD per t/yr", "cost of plant 75k", "200k"),
        ("options.plant.capex=200M", "options.plant.capex", "200M USD per t/yr", "cost of plant 75k", "200k"),
        ("demands.motors.quantity=100k", "demands.motors.quantity", "100k t/yr", "capacity of imports 120", "100"),
        ("demands.motors.quantity=0.1", "demands.motors.quantity", "0.1 t/yr", "capacity of imports 120", "100"),
        ("demands.motors.shortage_cost=500", "demands.motors.shortage_cost", "500 USD per t", "imports 60k", "500k"),
        (
            "demands.motors.quantity={2026: 100, 2028: 0.1, 2030: 100}",
            "demands.motors.quantity.2028",
            "0.1 in 2028 is 1/1,000",
            "100 in 2026, 100 in 2030",
            "100",
        ),
    ],
)
def test_a_figure_a_thousand_times_off_is_found(
    override: str, where: str, figure: str, neighbour: str, meant: str
) -> None:
    found = [(what, cure) for at, what, cure in said(TINY, override) if at == where]
    assert len(found) == 1
    ((what, cure),) = found
    assert figure in what
    assert neighbour in what
    assert f"{meant} if that is meant" in cure or f"such as {meant}:" in cure


@pytest.mark.parametrize(
    ("file", "override", "where"),
    [
        ("us-magnets", "options.iluka_eneabba.capex=60", "options.iluka_eneabba.capex"),
        ("us-magnets", "demands.ev_motors.quantity=6.5M", "demands.ev_motors.quantity"),
        ("eu-2030", "processes.cn_ndpr.cost=80", "processes.cn_ndpr.cost"),
        ("japan-2010", "processes.cn_ndpr.cost=41", "processes.cn_ndpr.cost"),
        ("us-magnets", "options.iluka_eneabba.output.ndpr_oxide=0.175M", "options.iluka_eneabba.output.ndpr_oxide"),
    ],
)
def test_a_stray_figure_is_found_among_many(file: str, override: str, where: str) -> None:
    path = ROOT / "instances" / f"{file}.yaml"
    assert [at for at, *_ in said(path, override) if at.startswith(where.rpartition(".")[0])] == [where]


def test_a_right_figure_beside_a_wrong_one_is_not_reported() -> None:
    recycler = "options.recycler={kind: refining, output: {magnet: 1}, cost: 50k, capex: 150k, max_size: 10}"
    ((where, what, cure),) = said(TINY, recycler, "options.plant.capex=200M")
    assert where == "options.plant.capex"
    assert "200M USD per t/yr is 2,667 times" in what
    assert what.endswith("cost of plant 75k USD per t")
    assert "Write 200k" in cure


def test_a_cost_that_is_compared_by_output_is_shown_so() -> None:
    # Half a tonne of magnets from a tonne of activity: they cost 120k a tonne, and what is short only 100k.
    sets = ("processes.imports.output.magnet=0.5", "demands.motors.shortage_cost=100k", "options.plant.cost=150k")
    ((where, what, _),) = said(TINY, *sets, "options.reserve.price=150k")
    assert where == "demands.motors.shortage_cost"
    assert what == "100k USD per t is less than any supply costs: cost of imports 60k (120k by output) USD per t"


def test_the_warning_has_the_line_of_the_figure(tmp_path: Path) -> None:
    text = TINY.read_text().replace("capacity: 120, cost: 60k", "capacity: 120,\n    cost: 60")
    file = tmp_path / "slip.yaml"
    file.write_text(text)
    (found,) = check(file)[1]
    assert found.line == text.splitlines().index("    cost: 60}") + 1
    assert found.severity == "warning"


@pytest.mark.parametrize(
    ("override", "where", "words"),
    [
        (
            "processes.Imports={region: rival, output: {magnet: 1}, capacity: 9, cost: 60k}",
            "processes.Imports",
            'the id "Imports" differs from "imports" in case',
        ),
        ("commodities.mag_net={}", "commodities.mag_net", 'differs from "magnet"'),
        (
            "processes.more={region: Rival, output: {magnet: 1}, capacity: 9, cost: 60k}",
            "processes.more.region",
            'the region "Rival" differs from "rival"',
        ),
        (
            "processes.more={region: rvial, output: {magnet: 1}, capacity: 9, cost: 60k}",
            "processes.more.region",
            'the region "rvial" occurs only here, one letter from "rival"',
        ),
        (
            "processes.more={region: rixal, output: {magnet: 1}, capacity: 9, cost: 60k}",
            "processes.more.region",
            'the region "rixal" occurs only here, one letter from "rival", which occurs once',
        ),
        ("home=Rival", "home", 'home is "Rival", but no process is there; one is in "rival"'),
        ("home=rivall", "home", 'one is in "rival"'),
    ],
)
def test_names_that_look_alike_are_found(override: str, where: str, words: str) -> None:
    assert [at for at, what, _ in said(TINY, override) if words in what] == [where]


@pytest.mark.parametrize("region", ["rival2", "rivas", "north_rival", "chain"])
def test_names_of_a_series_and_other_words_are_no_slips(region: str) -> None:
    more = f"processes.more={{region: {region}, output: {{magnet: 1}}, capacity: 9, cost: 60k}}"
    assert said(TINY, more) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_no_shipped_file_and_no_hand_made_case_gives_an_alarm(path: Path) -> None:
    assert [what for _, what, _ in said(path) if any(words in what for words in ALARMS)] == []


def test_no_random_case_gives_an_alarm() -> None:
    assert len(RANDOM) > 50
    for path in RANDOM:
        assert [what for _, what, _ in said(path) if any(words in what for words in ALARMS)] == [], path


def test_a_baseline_that_goes_short_is_a_warning_of_check() -> None:
    run = CliRunner().invoke(app, ["check", str(TINY), "--set", "processes.imports.capacity=80"])
    line = TINY.read_text().splitlines().index(next(row for row in TINY.read_text().splitlines() if "motors:" in row))
    assert run.exit_code == 0
    words = " ".join(run.stderr.split())
    assert f"tiny.yaml:{line + 1}: demands.motors.quantity: 20 t of 100 t (20 %) go short in 2026" in words
    assert "without any shock" in words


def test_a_baseline_that_is_served_gives_no_warning() -> None:
    run = CliRunner().invoke(app, ["check", str(TINY)])
    assert run.exit_code == 0
    assert run.stderr == ""


def test_check_says_where_nothing_stands_at_home() -> None:
    run = CliRunner().invoke(app, ["check", str(ROOT / "tests" / "cases" / "01_stockpile.yaml")])
    assert "nothing is made at home (region home)" in " ".join(run.stdout.split())


@pytest.mark.parametrize(("ratio", "code"), [(1e6, 0), (1.1e6, 3), (1e15, 3)])
def test_ratios_of_any_size_are_checked_without_an_internal_error(ratio: float, code: int) -> None:
    run = CliRunner().invoke(app, ["solve", str(TINY), "--set", f"options.plant.output.magnet={ratio}"])
    assert run.exit_code == code
    assert ("beyond what can be computed with" in run.stderr) == (code == 3)


@pytest.mark.parametrize(
    ("case", "paths", "code"),
    [
        ("04_recycling", {"demands.all.end_of_life.past_quantity.2017": 1e13}, 0),
        ("06_partnership_leverage", {"processes.imports.capacity": 1e13}, 0),
        ("18_two_substitutes", {"demands.all.quantity": 1e13}, 4),
        ("18_two_substitutes", {"demands.all.quantity": 1.1e13}, 3),
        # 1e9 t a year at 1e11 a tonne, beside costs of 10, can just be computed with; at 1e14 a tonne no longer.
        ("17_support_baseline_only", {"options.a.cost": 1e11, "demands.all.quantity": 1e9}, 4),
        ("17_support_baseline_only", {"options.a.cost": 1e14, "demands.all.quantity": 1e9}, 3),
    ],
)
def test_a_number_that_is_too_large_is_a_finding_and_no_internal_error(
    case: str, paths: dict[str, float], code: int
) -> None:
    sets = [word for path, value in paths.items() for word in ("--set", f"{path}={value:g}")]
    run = CliRunner().invoke(app, ["solve", str(ROOT / "tests" / "cases" / f"{case}.yaml"), *sets])
    assert run.exit_code == code, run.stderr
    if code == 3:
        assert f"{next(iter(paths))}: {next(iter(paths.values())):g} is " in run.stderr
        assert "in which" in run.stderr


def test_shortage_costs_that_are_too_far_apart_are_a_finding_where_the_plan_is_wrong() -> None:
    path = ROOT / "tests" / "faults" / "far_apart.yaml"
    run = CliRunner().invoke(app, ["solve", str(path)])
    assert run.exit_code == 3, run.stderr
    assert "demands.ev.shortage_cost: 0.001 is too small to be computed with beside the 1e+06 of def" in run.stderr
    assert "Write 0.01 or more, or correct that of def." in run.stderr
    assert CliRunner().invoke(app, ["solve", str(path), "--set", "demands.ev.shortage_cost=0.01"]).exit_code == 4


@pytest.mark.parametrize(
    ("quantity", "year", "meant"),
    [
        ("{2026: 100, 2028: 120, 2092: 140}", 2092, 2029),
        ("{2072: 100, 2030: 120}", 2072, 2027),
        # 2029 is given; 2040 is no year of the horizon with its digits swapped; of two years both are meant.
        ("{2026: 100, 2029: 120, 2030: 130, 2092: 140}", None, None),
        ("{2026: 100, 2028: 120, 2040: 140}", None, None),
        ("{2026: 100, 2028: 120, 2040: 130, 2092: 140}", None, None),
        # 100 in every year of the horizon, whatever the year is.
        ("{2026: 100, 2028: 100, 2092: 100}", None, None),
    ],
)
def test_a_year_far_after_the_horizon_whose_digits_are_swapped_is_found(quantity: str, year: Any, meant: Any) -> None:
    found = [
        (where, cure)
        for where, what, cure in said(TINY, f"demands.motors.quantity={quantity}")
        if "interpolated to" in what
    ]
    assert found == ([(f"demands.motors.quantity.{year}", f"Write {meant} if that is meant.")] if year else [])
