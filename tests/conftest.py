"""Fixtures that all tests share: a cell is a small instance written out as YAML in the test itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

import optimizer as so
from optimizer import formulation

# The same instances are drawn in every run, so that a change is judged by what it changes; for new ones
# `pytest --hypothesis-profile default`.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

Cell = Callable[..., so.Instance]
Solve = Callable[[so.Instance], so.Result]
Printed = Callable[[so.Instance, str, str], list[str]]


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
        return formulation.extensive_form_model(instance, instance.events).printed(owner, what)

    return rows
