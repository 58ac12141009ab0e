"""A size that the audit cannot tell from zero is zero, before anything is printed or counted."""

from pathlib import Path
from typing import Any

import pytest

import optimizer as so

EXACT = so.Settings(mip_gap=0.0, accuracy=0.0)
PLANT: dict[str, Any] = {"kind": "refining", "output": {"magnet": 1}, "cost": 1000}
DEAR = {**PLANT, "capex": 1000, "max_size": 50}


def facing(need: float, segments: dict[str, Any] | None = None, options: dict[str, Any] | None = None) -> so.Instance:
    """100 t/yr of magnets from a rival that may stop, `need` t/yr of them to be kept, and two plants: the cheap one
    makes 20 t/yr at most, the dear one any amount.
    """
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "home": "home",
            "commodities": {"magnet": {}, "terbium": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 200, "cost": 1000}},
            "demands": {
                "motors": {"commodity": "magnet", "quantity": 100, "survival": need / 100, "shortage_cost": 5000},
                **(segments or {}),
            },
            "options": {
                "cheap": {**PLANT, "capex": 100, "max_size": 20},
                "dear": DEAR,
                **(options or {}),
            },
            "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        }
    )


def bought(result: so.Result) -> dict[str, float]:
    return {build.option: build.size for build in result.plan.builds}


def test_a_size_that_no_row_can_tell_is_not_bought() -> None:
    # 50 g a year more than the cheap plant can make: 5e-7 of demand, half of the least shortfall that is reported.
    result = so.solve(facing(20.00005), settings=EXACT)
    assert result.survives
    assert bought(result) == {"cheap": 20.0}
    # 0.05 of 200,000: what the size would cost cannot be told either.
    assert result.outlay == pytest.approx(2000.0, abs=1e-9)
    assert result.audit["ok"]


def test_a_size_whose_cost_can_be_told_stays() -> None:
    result = so.solve(facing(20.00005, options={"dear": {**DEAR, "capex": 100_000}}), settings=EXACT)
    assert bought(result) == pytest.approx({"cheap": 20.0, "dear": 0.00005})


def test_a_size_that_a_floor_needs_stays() -> None:
    # 2 kg a year: 2e-5 of demand, which would be reported as a shortfall.
    result = so.solve(facing(20.002), settings=EXACT)
    assert result.survives
    assert bought(result) == pytest.approx({"cheap": 20.0, "dear": 0.002})


def test_a_size_is_judged_by_the_commodity_that_it_serves() -> None:
    # 50 g a year again, but it is all that the lasers need.
    lasers = {"lasers": {"commodity": "terbium", "quantity": 0.00005, "survival": 1, "shortage_cost": 1e9}}
    plant = {"kind": "refining", "output": {"terbium": 1}, "cost": 1, "capex": 1000, "max_size": 50}
    result = so.solve(facing(20, lasers, {"terbium": plant}), settings=EXACT)
    assert result.survives
    assert bought(result) == pytest.approx({"cheap": 20.0, "terbium": 0.00005})


def test_a_purchase_that_no_row_can_tell_is_not_made() -> None:
    store = {"kind": "stockpile", "commodity": "magnet", "price": 10}
    result = so.solve(facing(20.00005, options={"store": store, "dear": {**store, "price": 1e6}}), settings=EXACT)
    assert result.survives
    # The store is cheaper than any plant, so it serves the floor whole; the rounding of its size is its own.
    assert sum(result.plan.fills["store"]) == pytest.approx(20.00005)
    assert sum(result.plan.fills["dear"]) == 0.0


def test_of_two_plans_a_difference_that_no_row_can_tell_is_no_change() -> None:
    comparison = so.compare(facing(20.00005), [2000.0, 3000.0], settings=EXACT)
    sizes = [set(bought(column.result)) for column in comparison.columns]
    assert sizes == [{"cheap"}, {"cheap"}]


def test_a_size_that_keeps_a_floor_whose_shortage_is_free_stays() -> None:
    # 50 g a year more than the cheap plant can make keep the segment of 10 t/yr at its floor: 5e-6 of its demand.
    # Without them it fails, and since its shortage costs nothing the gap in money is 0 all the same.
    small = {"commodity": "magnet", "quantity": 10, "survival": 0.500005, "shortage_cost": 0}
    result = so.solve(facing(15, {"small": small}), settings=EXACT)
    assert result.survives
    assert bought(result) == pytest.approx({"cheap": 20.0, "dear": 0.00005}, rel=1e-3)


@pytest.mark.parametrize("strategy", ["extensive-form", "benders", "constraint-generation"])
def test_a_free_floor_that_fails_is_not_bought_beside_a_gap_of_rounding(strategy: Any) -> None:
    # The least cost is that of an independent solver; to keep the free floor as well costs 31.9.
    instance = so.load(Path(__file__).parent / "free-floor.yaml")
    result = so.solve(instance, settings=so.Settings(strategy=strategy))
    assert result.total_cost == pytest.approx(29.1070191896372, rel=1e-6)
    assert result.mip_gap == pytest.approx(0.0, abs=1e-6)
