"""Fixtures that all tests share: a cell is a small instance written out as YAML in the test itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

import optimizer as so
from optimizer import formulation
from optimizer.model.builder import ModelBuilder, Row

# The same instances are drawn in every run, so that a change is judged by what it changes; for new ones
# `pytest --hypothesis-profile default`. Hypothesis would also draw literals of the modules that are loaded, which
# depend on the tests that ran before on the same core; it has no setting to leave them out.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")
_is_local = providers.is_local_module_file
providers.is_local_module_file = lambda path: settings.get_current_profile_name() != "same" and _is_local(path)

Cell = Callable[..., so.Instance]
Solve = Callable[[so.Instance], so.Result]
Printed = Callable[[so.Instance, str, str], list[str]]


def row_text(model: ModelBuilder, row: Row) -> str:
    """A row as text: ``name: terms sense rhs``."""
    terms = sorted((str(model.columns[column].mark), value) for column, value in row.terms.items())
    left = " ".join(f"{'-' if value < 0 else '+'} {abs(value):.10g} {name}" for name, value in terms)
    return f"{row.mark}: {left} {row.sense} {row.rhs + 0.0:.10g}"


def row_texts(model: ModelBuilder, owner: str, what: str) -> list[str]:
    """The rows of an owner and name as text."""
    return [row_text(model, row) for row in model.rows if (row.mark.owner, row.mark.what) == (owner, what)]


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    """Parts of an instance file, joined, read and checked."""

    def make(*parts: str) -> so.Instance:
        file = tmp_path / "cell.yaml"
        file.write_text("\n".join(parts), encoding="utf-8")
        return so.load(file)

    return make


@pytest.fixture
def refused(cell: Cell) -> Callable[..., list[str]]:
    """What the loader says of a faulty cell, one text per error."""

    def make(*parts: str) -> list[str]:
        with pytest.raises(so.InstanceError) as error:
            cell(*parts)
        errors = [found for found in error.value.findings if found.severity == "error"]
        return [f"{found.where}: {found.what}. {found.cure}" for found in errors]

    return make


@pytest.fixture
def solve() -> Solve:
    """The proven optimum."""
    return lambda instance: so.solve(instance, settings=so.Settings(mip_gap=0.0))


@pytest.fixture
def printed() -> Printed:
    """The rows of an owner in the model with every shock written out."""

    def rows(instance: so.Instance, owner: str, what: str) -> list[str]:
        return row_texts(formulation.extensive_form_model(instance, instance.events), owner, what)

    return rows


# Four samples that each cut 57.9, 69.4, 96.8 and 63.4 % of 100 t for a year, of which three have to be survived: 80 t
# need 50 t of plant, and the third sample, which would need 80 t, fails.
LOOSE = """
name: loose
currency: USD of 2025
horizon: {start: 2026, end: 2028, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 60k}}
demands: {d: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 500k}}
options:
  plant: {kind: refining, output: {magnet: 1}, cost: 90k, capex: 100k, unit_size: 10, max_size: 100, lead_time: 12}
ensembles:
  storms:
    count: 4
    seed: 1
    survive: 0.75
    start: 2027
    months: 12
    cuts: [{region: rival, severity: {uniform: [0.2, 1]}}]
policy: {budget: 12M}
"""
BUT_SAMPLES = "but for samples that may fail (1 of 4 of storms)"


@pytest.fixture
def loose(tmp_path: Path) -> str:
    """The path of a file of which one sample of four may fail."""
    path = tmp_path / "loose.yaml"
    path.write_text(LOOSE, encoding="utf-8")
    return str(path)


@pytest.fixture
def struck(tmp_path: Path) -> str:
    """The path of the same file without money, with a shock of 70 t below the floor: samples of 77 and 49 t may fail.

    The other two samples, of 38 and 43 t, fail.
    """
    quake = "shocks: {quake: {start: 2027, months: 12, cuts: [{region: rival, severity: 0.9}]}}\n"
    path = tmp_path / "struck.yaml"
    path.write_text(LOOSE.replace("12M", "0").replace("0.75", "0.5") + quake, encoding="utf-8")
    return str(path)
