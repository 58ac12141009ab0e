"""Which period, and which shock, stands for a segment: the least margin, and of equal margins the least served."""

from dataclasses import replace

import numpy as np
import pytest

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.results.result import weakest, weakest_of

# A ban cuts everything; what is in store is given out so that each floor just holds: 0.7 in 2027, 0.4 in 2028.
TIED = """
horizon: {start: 2026, end: 2029, step: year}
discount_rate: 0.0
home: here
commodities: {m: {}}
processes:
  far: {region: away, stage: magnet, output: {m: 1}, cost: 1, capacity: 100}
demands:
  all: {commodity: m, quantity: 100, survival: {2026: 0.7, 2027: 0.7, 2028: 0.4, 2029: 0.4}, shortage_cost: 10}
options:
  store: {kind: stockpile, commodity: m, price: 1k, max_size: 200}
shocks:
  long: {start: 2027, months: 24, cuts: [{region: away, severity: 1}]}
  late: {start: 2028, months: 12, cuts: [{region: away, severity: 1}]}
  early: {start: 2027, months: 12, cuts: [{region: away, severity: 1}]}
"""


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> tuple[so.Instance, so.Result]:
    file = tmp_path_factory.mktemp("tied") / "tied.yaml"
    file.write_text(TIED)
    instance = so.load(file)
    return instance, so.solve(instance)


def test_rounding_noise_does_not_choose_the_period() -> None:
    # Three periods with no margin but for noise, then one with a point more: the least served of the three.
    margins = np.array([[-1e-15, 2e-9, 0.0, 0.01]])
    served = np.array([[0.7, 0.4, 0.6, 0.3]])
    assert list(weakest(margins, served, axis=1)) == [1]
    # Of equal services the first, whatever the noise.
    assert list(weakest(np.zeros((1, 2)), np.array([[0.4, 0.4 - 1e-15]]), axis=1)) == [0]
    # A real difference of margin counts, however little is served elsewhere.
    assert list(weakest(np.array([[-1e-3, 0.0]]), np.array([[0.9, 0.1]]), axis=1)) == [0]


def test_of_equal_margins_the_least_served_is_told(tied: tuple[so.Instance, so.Result]) -> None:
    # Nothing but the store serves, and a tonne more costs more than it saves: 70 t in 2027, 40 t in 2028.
    _, result = tied
    services = {outcome.name: outcome.segments["all"] for outcome in result.shocks}
    assert services["long"].worst_period == "2028"
    assert services["long"].worst_service == pytest.approx(0.4)
    worst = result.services["all"]
    assert (worst.worst_shock, worst.worst_period) == ("long", "2028")
    assert worst.worst_service == pytest.approx(0.4)
    # The 110 t serve all of a year, had it to be only one: those shocks have a margin.
    assert weakest_of([services["early"], services["late"], services["long"]]) == 2


def test_the_audit_wants_the_least_served(tied: tuple[so.Instance, so.Result]) -> None:
    instance, result = tied
    assert audit_result(instance, result).ok
    # The other period of the same margin: all that is said of it is true, but it is not the one to be told.
    other = replace(result.services["all"], worst_period="2027", worst_service=0.7, floor=0.7)
    changed = audit_result(instance, replace(result, services={"all": other}))
    assert changed.disagreements[0].startswith("services/all.worst_service:")
    long = result.shocks[0]
    service = replace(long.segments["all"], worst_period="2027", worst_service=0.7, floor=0.7)
    shocks = (replace(long, segments={"all": service}), *result.shocks[1:])
    changed = audit_result(instance, replace(result, shocks=shocks))
    assert changed.disagreements[0].startswith("long/all.worst_service:")
