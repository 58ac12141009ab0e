"""What explain says where a what-if is given up: what is not known is not said, and the run is not complete."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

import optimizer as so
from optimizer.report.html.sections import section_of
from optimizer.report.tables.explain import Explaining
from optimizer.solver import Settings
from optimizer.studies.explanation import PartValue
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from tests.conftest import Cell
from tests.test_studies_on_pages import said_in

EXACT = Settings(mip_gap=0.0, jobs=1)

HEAD = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}}
shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 1}]}}
"""
# 50 t/yr of the friend's plant cost 500, 50 t in the reserve 1000; the budget is 600.
REPLACED = """
options:
  friend: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, cost: 40, max_size: 300, capex: 10}
  reserve: {kind: stockpile, commodity: magnet, price: 20, max_size: 100}
policy: {budget: 600}
"""


def rows(instance: so.Instance, explanation: so.Explanation) -> list[str]:
    """The lines that are printed of a plan that survives, spaces collapsed."""
    stream = StringIO()
    shown = Explaining(instance, Console(file=stream, width=400, highlight=False, markup=False))
    for part in (*explanation.worths, *explanation.deadlines):
        shown.show(part)
    shown.end(explanation)
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def stop(monkeypatch: pytest.MonkeyPatch, where: Callable[[WhatIfResult, str], WhatIfResult | None]) -> None:
    """Replace the answers of what-ifs, which are handed over with the names of their objectives."""
    solve = WhatIfSolver._solve

    def stopped(self: WhatIfSolver, instance: so.Instance, problem: object, *how: object) -> WhatIfResult:
        found = solve(self, instance, problem, *how)  # type: ignore[arg-type]
        return where(found, problem.name) or found  # type: ignore[attr-defined]

    monkeypatch.setattr(WhatIfSolver, "_solve", stopped)


def value_of(explanation: so.Explanation, of: str) -> PartValue:
    (value,) = (each for each in explanation.worths if (each.kind, each.of) == ("lever", of))
    return value


def test_that_no_budget_is_enough_is_said_where_it_is_proven_alone(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the friend's plant it takes 1000: "at any budget" would be false.
    instance = cell(HEAD, REPLACED)
    value = value_of(so.explain(instance, settings=EXACT), "friend")
    assert (value.survives, value.is_money, value.needed) == (False, True, pytest.approx(1000))
    stop(monkeypatch, lambda found, name: WhatIfResult("stopped") if name == "least outlay without friend" else None)
    explanation = so.explain(instance, settings=EXACT)
    value = value_of(explanation, "friend")
    assert (value.survives, value.is_money, value.needed) == (False, None, None)
    said = "friend NOTHING SURVIVES under this budget; it was stopped before it was known whether a larger one would do"
    assert said in rows(instance, explanation)
    assert {"is_money": None, "needed": None}.items() <= explanation.to_dict()["worths"][1].items()
    frame = explanation.frames.worths
    assert frame.loc[("lever", "friend"), "is_money"] is None


def test_an_outlay_that_is_not_proven_to_be_the_least_is_not_called_so(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The search for the least outlay has a plan that survives for 1500 when it is given up.
    def given_up(found: WhatIfResult, name: str) -> WhatIfResult | None:
        is_asked = name == "least outlay without friend"
        return replace(found, status="stopped", value=1500.0, bound=0.0) if is_asked else None

    instance = cell(HEAD, REPLACED)
    stop(monkeypatch, given_up)
    explanation = so.explain(instance, settings=EXACT)
    value = value_of(explanation, "friend")
    assert (value.is_money, value.needed) == (True, None)
    said = "under this budget; a larger one would do, and it was stopped before the least was known"
    assert f"friend NOTHING SURVIVES {said}" in rows(instance, explanation)


def test_that_no_budget_is_enough_is_said_where_it_is_proven(cell: Cell) -> None:
    # The reserve holds 30 t at most, and 50 are needed: under a budget, and where there is none.
    small = REPLACED.replace("max_size: 100", "max_size: 30")
    for text in (small, small.replace("policy: {budget: 600}", "")):
        instance = cell(HEAD, text)
        explanation = so.explain(instance, settings=EXACT)
        assert (value_of(explanation, "friend").is_money, value_of(explanation, "friend").needed) == (False, None)
        assert "friend NOTHING SURVIVES at any budget" in rows(instance, explanation)


def test_no_option_is_called_dispensable_that_is_not_known_to_be(cell: Cell) -> None:
    # With 2000, the reserve can take the place of the friend's plant.
    explanation = so.explain(cell(HEAD, REPLACED.replace("600", "2000")), settings=EXACT)
    assert said_in(section_of(explanation)).startswith("No single option is indispensable; dearest to lose is friend")
    unknown = replace(explanation, worths=(PartValue("lever", "friend", survives=None),))
    assert said_in(section_of(unknown)).startswith("No option is known to be indispensable")
