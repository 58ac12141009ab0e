"""The brief of small instances whose figures are derived by hand: delays, what shocks cut, and what rules ask for."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance.reading import instance_of
from optimizer.report.brief.futures import make_futures_brief
from optimizer.results.plan import Plan
from optimizer.solver import Settings
from optimizer.studies.delays import find_futures_delays
from optimizer.studies.purchases import Delay, first_year_of_all

ROOT = Path(__file__).parent.parent


def rows_of(brief: Any, part: str) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = brief.to_dict()["parts"][part]["values"]
    return values


# Delays in several futures.

# Imports of 100 t/yr, of which 30 % have to be served in an embargo, at 1,000 a tonne missing. The answer is known in
# 2026: `early` is struck in 2026 and needs 30 t/yr from home at once. `late` is struck in 2029 and 2030; demand is 150
# from 2029 on, so that 50 t/yr are bought then, which imports leave unserved without any shock.
LATE = {
    "shocks.embargo.start": 2029,
    "shocks.embargo.months": 24,
    "demands.motors.quantity": {2028: 100, 2029: 150},
}
TWO_YEARS: Mapping[str, Any] = {
    "name": "two years",
    "horizon": {"start": 2026, "end": 2030, "step": "year"},
    "discount_rate": 0.05,
    "currency": "USD",
    "home": "home",
    "commodities": {"magnet": {}},
    "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 20}},
    "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.3, "shortage_cost": 1000}},
    "options": {
        "plant": {"kind": "refining", "output": {"magnet": 1}, "capex": 50, "cost": 30, "max_size": 100},
    },
    "shocks": {"embargo": {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
}


def two_years(branches: Mapping[str, Any]) -> so.FuturesResult:
    futures = {"when": {"from": 2026, "branches": branches}}
    return so.solve_futures(so.read({**TWO_YEARS, "futures": futures}), settings=Settings(mip_gap=0.0))


@pytest.mark.parametrize("names", [("late", "early"), ("early", "late")])
def test_the_delay_beside_an_order_is_that_of_a_future_that_makes_it(names: tuple[str, str]) -> None:
    """What `early` orders in 2026, 30 t/yr, leaves its whole floor unserved a year later: 30 t at 1,000."""
    every = {"late": {"set": LATE}, "early": {}}
    found = two_years({name: every[name] for name in names})
    delays = find_futures_delays(found, Settings())
    brief = make_futures_brief(instance_of(found), found, delays=delays)
    plant, together, *_ = rows_of(brief, "orders")
    said = "30 t more below floors, survival gap +30k USD in embargo; 1 more shock fails"
    assert (plant["order"], plant["slip"], together["slip"]) == ("plant, 30 t/yr", said, said)
    caption = brief.to_dict()["parts"]["orders"]["table"]["caption"]
    assert "A year later: in the future early; nothing is bought in its place." in caption


def test_the_first_year_is_that_of_the_futures_in_which_something_is_bought() -> None:
    """Where no floor has to be kept and a tonne short costs less than one from home, nothing is bought."""
    calm = {"demands.motors.survival": 0, "demands.motors.shortage_cost": 25}
    found = two_years({"calm": {"set": calm}, "late": {"set": LATE}})
    assert [bool(each.result.plan.builds) for each in found.futures] == [False, True]
    assert first_year_of_all((instance_of(each.result), each.result) for each in found.futures) == 2029
    brief = make_futures_brief(instance_of(found), found).to_dict()["parts"]["orders"]
    assert brief["title"] == "Decisions of 2029"
    assert brief["values"][0]["order"].startswith("plant, ")


def test_each_order_has_the_delay_that_does_most_damage_and_its_future_where_they_differ() -> None:
    """`high` orders the plant alone, `low` the extension as well; the plant is missed most in `high`."""
    solved = so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml"))
    high, low = solved.futures
    (build,) = low.result.plan.builds
    both = Plan((build, replace(build, option="extension")), {}, {})
    found = replace(solved, futures=(high, replace(low, result=replace(low.result, plan=both))))

    def delay(options: tuple[str, ...], gap: float) -> Delay:
        return Delay(options, (), "embargo", gap, gap / 1e6, gap / 1e6, gap, 0.0)

    delays = {
        "high": [delay(("plant",), 3e6)],
        "low": [delay(("extension", "plant"), 4e6), delay(("plant",), 1e6), delay(("extension",), 2e6)],
    }
    brief = make_futures_brief(instance_of(found), found, delays=delays)
    slips = {row["order"].partition(",")[0]: row["slip"] for row in rows_of(brief, "orders") if row["slip"]}
    said = {name: slip.partition(",")[0] for name, slip in slips.items()}
    assert said == {
        "plant": "high: 3 t more below floors",
        "extension": "low: 2 t more below floors",
        "Together (2)": "low: 4 t more below floors",
    }
    assert "in the future that is named; nothing" in brief.to_dict()["parts"]["orders"]["table"]["caption"]
    # What was looked at in no future that makes the order is not computed.
    few = make_futures_brief(instance_of(found), found, delays={"high": delays["high"]})
    assert [row["slip"] for row in rows_of(few, "orders")][1] == "not computed"
