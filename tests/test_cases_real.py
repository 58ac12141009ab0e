"""The shipped instances against their expected files: the quick runs here, all of them in `make cases`."""

from pathlib import Path

import pytest

import optimizer as so
from tests import cases_expected as expected

FILES = sorted(expected.EXPECTED.glob("*.yaml"))
QUICK = [(case, run) for case in map(expected.read, FILES) for run in case.runs if run.quick]
TINY = expected.INSTANCES / "tiny.yaml"


@pytest.mark.parametrize(("case", "run"), QUICK, ids=[f"{case.path.stem}: {run.name}" for case, run in QUICK])
def test_case(case: expected.Case, run: expected.Run) -> None:
    wrong = [one for one in expected.check(run, expected.solved(case.instance, run)) if not one.ok]
    assert wrong == []


def test_every_shipped_instance_is_on_the_page_and_has_an_expected_file() -> None:
    names = {path.name for path in expected.INSTANCES.glob("*.yaml")}
    assert [name for name in names if f"| `{name}` |" not in expected.PAGE.read_text(encoding="utf-8")] == []
    # Of the magnets inside imported goods, the tests of the shipped instances say what differs.
    assert names - {path.name for path in FILES} == {"us-magnets-embedded.yaml"}, "instances/expected has its figures"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_run_names_figures_and_settings_that_exist(path: Path) -> None:
    for run in expected.read(path).runs:
        instance = expected.set_up(expected.INSTANCES / path.name, run)
        for figure in run.expect:
            table, _, name = figure.partition(".")
            if table in ("builds", "first_year", "stock", "purchased"):
                assert name in instance.options, figure
            if table in ("pays", "shapley", "cost"):
                assert set(name.split("+")) <= set(instance.members), figure
            if table == "service":
                assert name in instance.demands, figure
            if table == "shares":
                commodity, region, year = name.split(".")
                makers = {activity.region for activity in instance.activities.values() if commodity in activity.output}
                assert region in makers, figure
                assert instance.horizon.start <= int(year) <= instance.horizon.end, figure


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_heads_and_the_page_of_cases_say_what_is_expected(path: Path) -> None:
    case = expected.read(path)
    wrong = [phrase for run in case.runs for phrase, agrees in expected.quoted(case, run) if not agrees]
    assert wrong == []


def test_a_phrase_that_is_not_there_or_has_another_figure_is_told() -> None:
    case = expected.read(expected.EXPECTED / "ev-maker.yaml")
    phrases = ("(gap {survival_gap} USD,", "(gain {survival_gap} USD,")

    def agree(gap: str) -> list[bool]:
        run = expected.Run("frozen", 0.0, {"survival_gap": gap}, says=phrases)
        return [agrees for _, agrees in expected.quoted(case, run)]

    assert agree("42.2M ± 3 %") == [True, False]
    assert agree("50M ± 3 %") == [False, False]


@pytest.mark.parametrize(
    ("says", "found", "agree"),
    [
        ("43.6M ± 1 %", 44.0e6, True),
        ("43.6M ± 1 %", 44.1e6, False),
        ("100 ± 5", 95.0, True),
        ("100 ± 5", 94.9, False),
        ("0.6 to 0.7", 0.7, True),
        ("0.6 to 0.7", 0.71, False),
        ("at least 2", 2.0, True),
        ("at least 2", 1.9, False),
        ("at most 5M", 5e6, True),
        ("at most 5M", 5.1e6, False),
        (17, 17, True),
        (17, 16, False),
        (0, 1e-9, False),
        ("survives", "survives", True),
        ("survives", "gap", False),
        ("none", None, True),
        (["b", "a"], ["a", "b"], True),
        ([], ["a"], False),
        ("1B", "no such figure", False),
    ],
)
def test_what_an_expectation_allows(says: object, found: object, agree: bool) -> None:
    assert expected.agrees(says, found) is agree


def test_a_wrong_expectation_and_an_unknown_figure_are_told() -> None:
    run = expected.Run("as it stands", 0.0, {"outlay": "12M", "builds.plant": 20, "builds.plnt": 0})
    checks = expected.check(run, expected.solved(TINY, run))
    assert [one.ok for one in checks] == [False, True, False, True]
    assert checks[2].found == "no such figure"


def test_shares_are_those_of_the_result() -> None:
    result = so.solve(so.load(TINY))
    found = expected.figures(result)
    for commodity, years in result.shares.items():
        for share in years:
            for region, part in share.regions.items():
                assert found[f"shares.{commodity}.{region}.{share.year}"] == pytest.approx(part)
                assert part > 0


@pytest.mark.parametrize(
    ("text", "what"),
    [("runs: {}", "keys are gap and runs"), ("runs: {a: {expect: {status: gap}, sets: []}}", "keys of a run")],
)
def test_a_misshapen_file_is_refused(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=what):
        expected.read(file)


def test_the_command_ends_with_1_where_a_figure_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text("runs: {one: {expect: {status: gap, outlay: 11.5M ± 1 %}}}")
    assert expected.main([str(file)]) == 1
    assert "2 of 3 figures are as expected" in capsys.readouterr().out
