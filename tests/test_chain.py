"""The supply chain as it flows: a cell by hand, and what goes in comes out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.studies.supply_chain import chain, stage_columns
from tests.conftest import Cell, Solve

CELL = """
horizon: {start: 2026, end: 2027, step: year}
home: us
commodities: {ore: {}, oxide: {}, magnet: {}, scrap: {}}
processes:
  pit: {region: us, stage: mine, output: {ore: 1}, capacity: 100, cost: 1}
  dig: {region: cn, stage: mine, output: {ore: 1}, capacity: 300, cost: 0}
  works: {region: us, stage: separation, input: {ore: 2}, output: {oxide: 1}, capacity: 200, cost: 1}
  press: {region: us, stage: magnet, input: {oxide: 1}, output: {magnet: 1}, capacity: 200, cost: 1}
  remelt: {region: us, stage: recycling, input: {scrap: 1}, output: {oxide: 1}, capacity: 5, cost: 0}
demands:
  cars:
    commodity: magnet
    quantity: 160
    shortage_cost: 1000
    end_of_life: {commodity: scrap, after_years: 5, collection_rate: 0.5, past_quantity: 20}
  wind: {commodity: magnet, quantity: 60, shortage_cost: 500}
shocks: {}
"""


def test_every_taker_is_served_by_every_maker_in_proportion(cell: Cell, solve: Solve) -> None:
    instance = cell(CELL)
    result = solve(instance)
    assert result.baseline is not None
    drawn = chain(instance, result.baseline, instance.baseline, 0, 0)
    said = {(each.source, each.target): (each.tonnes, each.share) for each in drawn.passages}
    # The press is full at 200: 5 of its oxide come from scrap. Cars come first, their shortage costs more.
    # Ore beyond need: 195 of oxide take 390 of ore, the cheaper 300 from abroad and 90 from home.
    assert said["mine/cn", "separation/us"] == pytest.approx((300, 300 / 390))
    assert said["mine/us", "separation/us"] == pytest.approx((90, 90 / 390))
    assert said["scrap:scrap", "recycling/us"] == pytest.approx((5, 1))
    assert said["separation/us", "magnet/us"] == pytest.approx((195, 195 / 200))
    assert said["recycling/us", "magnet/us"] == pytest.approx((5, 5 / 200))
    # Of 220 that are asked 20 are not there, and they are missing where it costs least.
    assert said["magnet/us", "segment:cars"] == pytest.approx((160, 160 / 220))
    assert said["magnet/us", "segment:wind"] == pytest.approx((40, 40 / 220))
    assert said["unserved", "segment:wind"] == pytest.approx((20, 20 / 220))
    assert (drawn.demanded, drawn.served) == (pytest.approx(220), pytest.approx(200))
    assert dict(drawn.by_region) == {"us": pytest.approx(200)}


SUBSTITUTED = """
horizon: {start: 2026, end: 2026, step: year}
commodities: {magnet: {}, lean: {}}
processes:
  imports: {region: cn, stage: magnet, output: {magnet: 1}, capacity: 60, cost: 1}
  press: {region: jp, stage: magnet, output: {lean: 1}, capacity: 200, cost: 1}
demands:
  cars: {commodity: magnet, quantity: 100, shortage_cost: 1000}
options:
  motor: {kind: substitution, demand: cars, input: {lean: 1.5}, capex: 1, max_size: 30, cost: 5}
shocks: {}
"""


def test_what_a_substitute_takes_is_not_counted_as_served_again(cell: Cell, solve: Solve) -> None:
    instance = cell(SUBSTITUTED)
    result = solve(instance)
    assert result.baseline is not None
    drawn = chain(instance, result.baseline, instance.baseline, 0, 0)
    said = {(each.source, each.target, each.commodity): each.tonnes for each in drawn.passages}
    # Of 100 t that are asked imports serve 60 and the motor 30, which takes 1.5 * 30 t of the other magnet.
    assert said == pytest.approx(
        {
            ("magnet/cn", "segment:cars", "magnet"): 60,
            ("magnet/jp", "substitute", "lean"): 45,
            ("substitute", "segment:cars", "magnet"): 30,
            ("unserved", "segment:cars", "magnet"): 10,
        }
    )
    assert (drawn.demanded, drawn.served) == (pytest.approx(100), pytest.approx(90))
    assert dict(drawn.by_region) == {"cn": pytest.approx(60)}


def test_a_small_segment_beside_a_large_one_has_its_sources(cell: Cell, solve: Solve) -> None:
    # Missiles ask for half a tonne of 20,000, a forty-thousandth. The store serves 40 % of it, the rest is missing.
    instance = cell("""
horizon: {start: 2026, end: 2027, step: year}
commodities: {magnet: {}}
processes: {imports: {region: cn, stage: magnet, output: {magnet: 1}, capacity: 30000, cost: 1}}
demands:
  cars: {commodity: magnet, quantity: 20000, shortage_cost: 10}
  missiles: {commodity: magnet, quantity: 0.5, survival: 0.4, shortage_cost: 1000}
options: {store: {kind: stockpile, commodity: magnet, price: 5, max_size: 0.2}}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: cn, severity: 1}]}}
""")
    result = solve(instance)
    (outcome,) = result.shocks
    assert outcome.flows is not None
    drawn = chain(instance, outcome.flows, instance.path(instance.event("embargo")), 1, 1)
    said = {(each.source, each.target): each.tonnes for each in drawn.passages}
    assert said["stock:0", "segment:missiles"] == pytest.approx(0.2)
    assert said["unserved", "segment:missiles"] == pytest.approx(0.3)
    # Of 20,000.5 t that are asked the store serves 0.2.
    assert drawn.served == pytest.approx(0.2)


def test_columns_follow_the_chain(cell: Cell) -> None:
    columns = stage_columns(cell(CELL))
    assert columns["mine"] < columns["separation"] < columns["magnet"]
    assert columns["recycling"] < columns["magnet"]


@settings(max_examples=15, deadline=None)
@given(pit=st.integers(0, 200), press=st.integers(0, 250), cars=st.integers(1, 200))
def test_all_that_a_segment_asks_arrives_or_is_said_to_be_missing(pit: int, press: int, cars: int) -> None:
    data = so.read(_varied(pit, press, cars))
    result = so.solve(data)
    assert result.baseline is not None
    drawn = chain(data, result.baseline, data.baseline, 0, 1)
    into = {d: sum(each.tonnes for each in drawn.passages if each.target == f"segment:{d}") for d in data.demands}
    # Negligible flows are not drawn: up to a ten-thousandth of a commodity from each maker.
    assert into["cars"] == pytest.approx(cars, abs=0.05)
    assert into["wind"] == pytest.approx(60, abs=0.05)
    for commodity in ("ore", "oxide", "magnet"):
        shares = sum(each.share for each in drawn.passages if each.commodity == commodity)
        assert shares == pytest.approx(1, abs=1e-3) or shares == 0
    assert drawn.served <= drawn.demanded + 1e-9


def _varied(pit: int, press: int, cars: int) -> dict[str, object]:
    import yaml

    data = yaml.safe_load(CELL)
    data["processes"]["pit"]["capacity"] = pit
    data["processes"]["press"]["capacity"] = press
    data["demands"]["cars"]["quantity"] = cars
    return dict(data)
