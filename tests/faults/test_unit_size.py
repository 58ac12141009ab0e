"""More whole units than the solver can count are refused, wherever the figures come from."""

from pathlib import Path

import pytest

import optimizer as so
from optimizer.instance.edits import with_numbers

TINY = Path(__file__).parents[2] / "instances" / "tiny.yaml"


def refused(file: Path, *overrides: str) -> so.errors.Finding:
    with pytest.raises(so.InstanceError) as error:
        so.load(file, overrides)
    found = [each for each in error.value.findings if "units of unit_size" in each.what]
    assert len(found) == 1
    return found[0]


def changed(tmp_path: Path, more: str = "", **figures: str) -> Path:
    text = TINY.read_text()
    for field, figure in figures.items():
        old = {"unit_size": "unit_size: 20", "max_size": "max_size: 80"}[field]
        assert old in text
        text = text.replace(old, f"{field}: {figure}", 1)
    file = tmp_path / "tiny.yaml"
    file.write_text(text + more)
    return file


def test_a_tiny_unit_is_refused_with_its_line_and_the_cure(tmp_path: Path) -> None:
    file = changed(tmp_path, unit_size="1e-12")
    found = refused(file)
    row = next(i for i, line in enumerate(file.read_text().splitlines(), 1) if "unit_size" in line)
    assert (found.file, found.line, found.where) == (str(file), row, "options.plant.unit_size")
    assert "max_size (80) holds 8.0e+13 units of unit_size (1e-12), more than 10 million" in found.what
    assert "unit_size of 8e-06 or more" in found.cure


def test_what_the_cure_says_is_taken_and_solved_in_whole_units() -> None:
    result = so.solve(so.load(TINY, ["options.plant.unit_size=8e-6", "options.plant.max_size=80"]))
    assert result.survives
    sizes = [build.size / 8e-6 for build in result.plan.builds if build.option == "plant"]
    assert sizes
    assert all(abs(size - round(size)) < 1e-3 for size in sizes)


def test_just_above_the_limit_is_refused() -> None:
    so.load(TINY, ["options.plant.unit_size=0.8", "options.plant.max_size=8M", "options.plant.fixed_cost=0"])
    overrides = ["options.plant.unit_size=0.8", "options.plant.max_size=8.1M", "options.plant.fixed_cost=0"]
    assert "8.1e+06" in refused(TINY, *overrides).what


def test_set_is_refused_by_its_own_name() -> None:
    assert refused(TINY, "options.plant.unit_size=1e-9").file == "--set options.plant.unit_size=1e-9"


def test_a_scenario_is_refused(tmp_path: Path) -> None:
    file = changed(tmp_path, "scenarios:\n  fine: {options.plant.unit_size: 1e-9}\n")
    found = refused(file)
    assert found.where == "scenarios.fine, options.plant.unit_size"
    assert found.line == len(file.read_text().splitlines())


@pytest.mark.parametrize(
    ("path", "ends", "said"),
    [
        ("options.plant.unit_size", "{low: 1e-9, high: 20}", "end of its range"),
        ("options.plant.unit_size", "{low: 1e-10, high: 1, of: value}", "end of its range"),
        ("options.plant.max_size", "{low: 80, high: 1e9}", "with options.plant.max_size at `high`"),
    ],
)
def test_an_end_of_a_range_is_refused(tmp_path: Path, path: str, ends: str, said: str) -> None:
    found = refused(changed(tmp_path, f"ranges:\n  {path}: {ends}\n"))
    assert said in found.what


def test_what_only_a_mixture_of_two_ranges_brings_is_refused_when_it_comes_up(tmp_path: Path) -> None:
    ranges = "ranges:\n  options.plant.unit_size: {low: 0.5, high: 50}\n"
    ranges += "  options.plant.max_size: {low: 80, high: 4e8}\n"
    file = changed(tmp_path, ranges)
    file.write_text(file.read_text().replace("fixed_cost: 1M,", ""))
    instance = so.load(file)
    with pytest.raises(so.InstanceError, match="units of unit_size"):
        with_numbers(instance, {"options.plant.max_size": 4e8})
