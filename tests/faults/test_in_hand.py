"""Wherever a search is stopped, a plan in hand is handed over; never one that does nothing in its place."""

import math
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.algorithms.problem import SearchResult
from optimizer.algorithms.robust import robust_plan
from optimizer.algorithms.solving import best_plan
from optimizer.solver import Clock, Model, Progress, Settings, SolveResult
from tests.strategy.test_adversary import market

CASES = Path(__file__).parents[1] / "cases"
LAST = 16


@pytest.fixture(autouse=True)
def _solver_that_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models are solved before a solver looks up: let it return at once, with nothing, when the time is over."""
    usual = Model.solve

    def solve(self: Model, **how: Any) -> SolveResult:
        if self.clock.is_over:
            return SolveResult("stopped", None, math.inf, -math.inf, None)
        return usual(self, **how)

    monkeypatch.setattr(Model, "solve", solve)


class Stopping:
    """Stops the clock at one step, and knows whether a plan was in hand then."""

    def __init__(self, last: int) -> None:
        self.clock, self.last, self.count, self.has_plan = Clock(), last, 0, False

    def __call__(self, step: Progress) -> None:
        self.count += 1
        if self.count > self.last:
            return
        # A round without shocks is a relaxation that rounds to a plan; within a round, the best has whole numbers.
        self.has_plan |= bool(step.round) or step.best < math.inf
        self.clock.interrupted = self.count == self.last


def check(found: SearchResult, heard: Stopping) -> None:
    if found.status == "stopped":
        assert found.values is not None
        if heard.has_plan:
            assert not [note for note in found.notes if "does nothing" in note]


@pytest.mark.parametrize("strategy", ["constraint-generation", "benders"])
@pytest.mark.parametrize("name", ["101", "105", "107", "208"])
def test_a_search_that_is_stopped_keeps_its_plan(name: str, strategy: Any) -> None:
    instance = so.load(CASES / "generated" / f"{name}.yaml")
    stopped = 0
    for last in range(1, LAST):
        heard = Stopping(last)
        found = best_plan(instance, Settings(mip_gap=0.0, strategy=strategy), heard.clock, heard)
        check(found, heard)
        stopped += found.status == "stopped"
        if heard.count < last:
            break
    assert stopped


@pytest.mark.parametrize("attack_budget", [2, 5])
@pytest.mark.parametrize("most", [10, 100])
def test_against_an_adversary_too(attack_budget: float, most: float) -> None:
    data = market(attack_budget)
    data["options"]["works"]["max_size"] = most
    stopped = 0
    for last in range(1, LAST):
        heard = Stopping(last)
        found = robust_plan(so.read(data), Settings(mip_gap=0.0), heard.clock, heard).solved
        check(found, heard)
        stopped += found.status == "stopped"
        if heard.count < last:
            break
    assert stopped


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
@pytest.mark.parametrize(("least", "says"), [(0.0, True), (0.05, False)])
def test_a_note_on_the_plan_that_does_nothing_stands_beside_a_plan(strategy: Any, least: float, says: bool) -> None:
    # What is imported has to be, so that a home share of 5 % leaves no plan without the home plant.
    data = market(2)
    for process in data["processes"].values():
        process["min_utilisation"] = 0.5
    share = {"commodity": "magnet", "region": "home", "share": least}
    del data["adversary"]
    instance = so.read(data | {"home": "home", "policy": {"min_share": [share]}})
    clock = Clock()
    clock.interrupted = True
    found = best_plan(instance, Settings(strategy=strategy), clock, lambda step: None)
    assert (found.values is not None) == any("this one does nothing" in note for note in found.notes) == says
