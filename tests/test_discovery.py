"""Where a plan fails: cases in which the failing region is known, and boxes that are found in noise and without."""

import signal
from typing import Any, cast

import numpy as np
import pytest

import optimizer as so
from optimizer.errors import InstanceError, PlanFileError
from optimizer.report.tables.discovery import failure_headline
from optimizer.solver import Progress
from optimizer.studies.boxes import (
    Bounds,
    Box,
    BoxScore,
    clopper_pearson,
    correlation,
    find_boxes,
    round_step,
    score,
)
from optimizer.studies.discovery_result import DimensionKind, FailureBox, SampleDimension

FREE = float("inf")


def late() -> dict[str, Any]:
    """Imports stop in 2027, and all demand has to be served: by 80 t a year at home and a plant of 80.

    The plant is ordered in January 2026. With a lead time of 12 months it is there for the whole of 2027: 160 t. With
    more than 12 months, at least January has nothing but a twelfth of 80 t. So the plan fails exactly where demand is
    above 80 t a year and the lead time above 12 months.
    """
    made = {"stage": "magnet", "output": {"magnet": 1}}
    return {
        "name": "late",
        "horizon": {"start": 2026, "end": 2028, "step": "month"},
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {
            "imports": made | {"region": "rival", "capacity": 200},
            "works": made | {"region": "home", "capacity": 80, "cost": 1},
        },
        "demands": {
            "motors": {
                "commodity": "magnet",
                "quantity": {"value": 100, "low": 60, "high": 140},
                "survival": 1,
                "shortage_cost": 1000,
            }
        },
        "options": {
            "plant": made
            | {"kind": "refining", "cost": 1, "capex": {"value": 10, "low": 5, "high": 20}, "unit_size": 80}
            | {"max_size": 80, "lead_time": {"value": 6, "low": 6, "high": 24}, "latest": 2026}
        },
        "shocks": {"stop": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    }


@pytest.fixture(scope="module")
def lateness() -> so.Instance:
    return so.read(late())


@pytest.fixture(scope="module")
def planned(lateness: so.Instance) -> so.Result:
    return so.solve(lateness)


@pytest.fixture(scope="module")
def discovered(lateness: so.Instance, planned: so.Result) -> Any:
    return so.discover(planned, lateness, samples=300, seed=1)


def column(found: Any, name: str) -> Any:
    names = [dimension.name for dimension in found.dimensions]
    return found.rows.points[:, names.index(name)]


def test_every_sample_fails_where_it_does_by_hand(planned: so.Result, discovered: Any) -> None:
    assert [(build.option, build.size) for build in planned.plan.builds] == [("plant", 80)]
    demand, lead = column(discovered, "demands.motors.quantity"), column(discovered, "options.plant.lead_time")
    assert (discovered.rows.failed == ((demand > 80) & (lead > 12))).all()
    # 60 of 80 t and 12 of 18 months: a half.
    assert discovered.failed == pytest.approx(150, abs=25)


def test_bounds_are_rounded_to_a_hundredth_of_the_range_to_whole_months_or_not_at_all() -> None:
    severity, months, event = (
        SampleDimension(kind, kind, 0.0, 1.0) for kind in cast(list[DimensionKind], ["severity", "months", "event"])
    )
    assert (severity.step, months.step, event.step) == (0.01, 1, 0)


def test_a_box_is_confirmed_if_it_surely_fails_more_often_than_all_samples_by_hand() -> None:
    # Of 100 samples held back 50 fail. Of 10 in the box 10 do, at least 0.025 ** (1 / 10) = 69 %, or 5, at least 19 %.
    def confirmed(inside: int, hits: int) -> bool:
        return FailureBox(Box(()), BoxScore(points=100, cases=50, inside=inside, hits=hits)).is_confirmed

    assert BoxScore(100, 50, 10, 10).density_interval[0] == pytest.approx(0.025 ** (1 / 10))
    assert [confirmed(10, 10), confirmed(10, 5), confirmed(0, 0)] == [True, False, False]


def test_the_box_is_the_region_in_which_the_plan_fails(discovered: Any) -> None:
    (found,) = discovered.boxes
    names = [discovered.dimensions[bounds.column].name for bounds in found.box.bounds]
    assert names == ["demands.motors.quantity", "options.plant.lead_time"]
    demand, lead = found.box.bounds
    # Of 150 Latin samples the next above and below a bound are about a hundredth of the range away.
    assert (demand.low, demand.high) == (pytest.approx(80, abs=1.5), FREE)
    assert (lead.low, lead.high) == (pytest.approx(12, abs=0.4), FREE)
    assert found.score.points == 150
    assert min(found.score.coverage, found.score.density) > 0.95
    assert found.is_confirmed
    (said,) = discovered.to_dict()["boxes"]
    assert said["conditions"][1] == {
        "name": "options.plant.lead_time",
        "kind": "number",
        "low": lead.low,
        "high": None,
        "members": [{"path": "options.plant.lead_time", "low": lead.low, "high": None, "factor": False}],
    }


def test_boxes_are_judged_on_samples_that_they_were_not_found_with(discovered: Any) -> None:
    rows, (found,) = discovered.rows, discovered.boxes
    assert rows.held_back.sum() == 150
    inside = found.box.holds(rows.points)
    assert found.score.inside == (inside & rows.held_back).sum()
    assert found.score.hits == (inside & rows.held_back & rows.failed).sum()
    assert found.score.cases == (rows.held_back & rows.failed).sum()
    # A Latin hypercube has one sample in each of 150 strata; independent ones do not.
    strata = np.floor(150 * (column(discovered, "demands.motors.quantity") - 60) / 80)
    assert len(set(strata[~rows.held_back])) == 150
    assert len(set(strata[rows.held_back])) < 120


def test_the_same_seed_gives_the_same_answer_on_any_number_of_processes(
    lateness: so.Instance, planned: so.Result, discovered: Any
) -> None:
    again = so.discover(planned, lateness, samples=300, seed=1, jobs=2)
    assert again.to_dict() == discovered.to_dict()
    assert (again.rows.points == discovered.rows.points).all()
    other = so.discover(planned, lateness, samples=60, seed=2)
    assert not np.isin(other.rows.points, discovered.rows.points).any()


def test_frames(discovered: Any) -> None:
    frames = discovered.frames
    assert list(frames.boxes.index) == ["1"]
    assert frames.boxes["density"].iloc[0] == discovered.boxes[0].score.density
    assert list(frames.conditions.index.get_level_values("dimension")) == [
        "demands.motors.quantity",
        "options.plant.lead_time",
    ]
    assert len(frames.samples) == 300
    assert frames.samples["failed"].sum() == discovered.failed
    assert set(frames.samples["worst_shock"].dropna()) == {"stop"}


def test_stocks_are_those_of_the_sample() -> None:
    # 30 t have to come from the stock in 2027. At a loss of a quarter a year 40 t are bought; above it they are short.
    data = late() | {"horizon": {"start": 2026, "end": 2027, "step": "year"}}
    data["processes"].pop("works")
    data["demands"]["motors"] |= {"quantity": 100, "survival": 0.3}
    loss = {"value": 0.25, "low": 0, "high": 0.5}
    data["options"] = {
        "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 1, "max_size": 100, "loss": loss}
    }
    instance = so.read(data)
    result = so.solve(instance)
    assert result.plan.fills["reserve"][0] == pytest.approx(40)
    found = so.discover(result, instance, samples=100)
    assert (found.rows.failed == (column(found, "options.reserve.loss") > 0.25)).all()


def drawn() -> so.Instance:
    """100 t of imports of which half have to be served; a ban or a slump, of which only the ban can be that deep."""
    data = late() | {"horizon": {"start": 2026, "end": 2028, "step": "year"}, "options": {}, "shocks": {}}
    data["processes"].pop("works")
    data["processes"]["imports"]["capacity"] = 100
    data["demands"]["motors"] |= {"quantity": 100, "survival": 0.5}

    def cut(low: float, high: float) -> dict[str, Any]:
        return {"cuts": [{"region": "rival", "severity": {"uniform": [low, high]}}]}

    events = {"ban": cut(0, 1), "slump": cut(0, 0.4)}
    data["ensembles"] = {"trouble": {"count": 3, "months": {"uniform": [12, 36]}, "events": events}}
    return so.read(data)


def test_shocks_are_drawn_anew_and_their_features_are_conditions() -> None:
    instance = drawn()
    found = so.discover(so.solve(so.resample(instance, 1, seed=1)), instance, samples=400)
    names = [dimension.name for dimension in found.dimensions]
    assert names == ["severity", "months", "start", "event: trouble/ban"]
    assert (found.rows.failed == (column(found, "severity") > 0.5)).all()
    (box,) = found.boxes
    assert box.box.bounds == (Bounds(0, pytest.approx(0.5, abs=0.02)),)
    assert len(set(column(found, "severity"))) == 400


def test_a_number_of_years_is_whole_in_samples_and_conditions_by_hand() -> None:
    # Without imports, scrap of what was sold so many years before 2028 has to serve half of 100 t: up to 2023 60 t a
    # year were sold, from 2024 on 20 t. After four years it is too little, after five it is enough.
    data = late() | {"options": {}}
    data["horizon"]["step"] = "year"
    data["commodities"]["scrap"] = {}
    data["processes"]["works"] |= {"input": {"scrap": 1}}
    years = {"value": 6, "low": 3, "high": 9}
    sold = {"commodity": "scrap", "after_years": years, "past_quantity": {2023: 60, 2024: 20}}
    data["demands"]["motors"] |= {"quantity": 100, "survival": 0.5, "end_of_life": sold}
    data["shocks"]["stop"]["start"] = 2028
    instance = so.read(data)
    found = so.discover(so.solve(instance), instance, samples=200)
    drawn = column(found, "demands.motors.end_of_life.after_years")
    assert set(drawn) == {3, 4, 5, 6, 7, 8, 9}
    assert (found.rows.failed == (drawn <= 4)).all()
    assert [each.box.bounds for each in found.boxes] == [(Bounds(0, -np.inf, 4),)]
    assert "at most 4 years" in failure_headline(found)


def test_a_plan_that_never_fails_and_one_that_always_does() -> None:
    data = late()
    data["demands"]["motors"]["quantity"] = 100
    data["options"]["plant"]["lead_time"] = 6
    instance = so.read(data)
    never = so.discover(so.solve(instance), instance, samples=60)
    assert (never.failed, never.used, never.boxes, never.together) == (0, 60, (), None)
    # Of 30 independent samples none fails: 1 - 0.025^(1/30) at most.
    assert never.interval == (0, pytest.approx(1 - 0.025 ** (1 / 30)))
    always = so.discover(so.solve(so.without(instance, "plant")), instance, samples=60)
    assert (always.failed, always.boxes) == (60, ())


def test_samples_in_which_the_plan_could_not_have_been_made_are_counted(planned: so.Result) -> None:
    data = late()
    data["options"]["plant"]["max_size"] = {"value": 80, "low": 40, "high": 120}
    data["options"]["plant"]["unit_size"] = 40
    found = so.discover(planned, so.read(data), samples=100)
    (left_out,) = found.unusable
    assert left_out.where == "options.plant.max_size"
    assert left_out.reason.startswith("the plan buys 80, more than its ")
    assert found.used + left_out.samples == 100
    assert left_out.samples == pytest.approx(50, abs=15)


def test_it_can_be_stopped(lateness: so.Instance, planned: so.Result) -> None:
    def stop(event: Progress) -> None:
        if event.done == 100:
            signal.raise_signal(signal.SIGINT)

    found = so.discover(planned, lateness, samples=300, listener=stop, jobs=1)
    assert found.status == "stopped"
    assert 100 <= found.used < 150
    held, _ = found.held_back
    assert held == pytest.approx(found.used / 2, abs=5)


def test_what_cannot_be_looked_at_is_refused(lateness: so.Instance, planned: so.Result) -> None:
    with pytest.raises(ValueError, match="60 to 100,000"):
        so.discover(planned, lateness, samples=10)
    certain = so.load("instances/tiny.yaml").replacing(shocks={})
    with pytest.raises(InstanceError, match="neither a range nor an ensemble") as raised:
        so.discover(so.solve(certain), certain)
    assert len(raised.value.findings) == 2
    branches = {"high": {"set": {"demands.motors.shortage_cost": 2000}}, "low": {}}
    split = so.read(late() | {"futures": {"price": {"from": 2028, "branches": branches}}})
    with pytest.raises(InstanceError, match="several futures"):
        so.discover(planned, split)
    assert so.discover(planned, split.tree.futures[0].instance, samples=60).used == 60
    none = so.solve(so.read(late() | {"policy": {"budget": 10, "force": {"plant": {2026: 80}}}}))
    with pytest.raises(PlanFileError, match="no plan"):
        so.discover(none, lateness)


# Boxes in samples of which the truth is known.


def points(count: int = 400, columns: int = 5) -> Any:
    return np.random.default_rng(4).random((count, columns))


def found_in(drawn: Any, cases: Any) -> tuple[Box, ...]:
    return find_boxes(drawn, cases, [round_step(0, 1)] * drawn.shape[1], 7)


def test_two_regions_are_two_boxes_without_bounds_that_say_nothing() -> None:
    drawn = points()
    one, other = drawn[:, 0] > 0.8, (drawn[:, 1] > 0.7) & (drawn[:, 2] > 0.7)
    boxes = found_in(drawn, one | other)
    assert [[bounds.column for bounds in box.bounds] for box in boxes] == [[0], [1, 2]]
    lows = [bounds.low for box in boxes for bounds in box.bounds]
    assert lows == pytest.approx([0.8, 0.7, 0.7], abs=0.03)


def test_an_interval_is_one_condition() -> None:
    drawn = points()
    (box,) = found_in(drawn, (drawn[:, 3] > 0.3) & (drawn[:, 3] <= 0.5))
    (bounds,) = box.bounds
    assert (bounds.low, bounds.high) == (pytest.approx(0.3, abs=0.02), pytest.approx(0.5, abs=0.02))


@pytest.mark.parametrize("last", [2027, 2028, 2029])
def test_a_bound_between_two_years_parts_them_by_hand(last: int) -> None:
    # Half way between 2027 and 2028 is 2027.5: rounded to the nearest year it would count 2028 among the failures.
    years = np.random.default_rng(4).integers(2026, 2032, 300).astype(float)
    for cases, ends in ((years <= last, (-np.inf, last)), (years > last, (last, np.inf))):
        (box,) = find_boxes(years[:, None], cases, [1.0], 7)
        assert box.bounds == (Bounds(0, *ends),)
        assert (box.holds(years[:, None]) == cases).all()


def test_there_is_no_box_in_noise_and_of_few_cases() -> None:
    rng = np.random.default_rng(1)
    noise = [found_in(rng.random((300, 10)), rng.random(300) < 0.3) for _ in range(20)]
    assert sum(bool(boxes) for boxes in noise) <= 3
    drawn = points()
    assert found_in(drawn, drawn[:, 0] > np.sort(drawn[:, 0])[-10]) == ()


def test_never_more_than_three_boxes_of_three_conditions() -> None:
    drawn = points(600)
    boxes = found_in(drawn, np.sin(9 * drawn).sum(axis=1) > 1)
    assert 0 < len(boxes) <= 3
    assert all(len(box.bounds) <= 3 for box in boxes)


def test_scores_by_hand() -> None:
    # Of four points two are above 0.5, and of three cases two.
    drawn, cases = np.array([[0.1], [0.2], [0.6], [0.9]]), np.array([True, False, True, True])
    found = score([Box((Bounds(0, 0.5),))], drawn, cases)
    assert (found.inside, found.hits, found.coverage, found.density) == (2, 2, pytest.approx(2 / 3), 1)
    # (2/4 - 1/2 * 3/4) / sqrt(1/4 * 3/16)
    assert correlation(drawn[:, 0] > 0.5, cases) == pytest.approx(0.125 / (0.25 * 0.75 * 0.25) ** 0.5)
    assert correlation(drawn[:, 0] > 2, cases) == 0
    empty = score([Box((Bounds(0, 2.0),))], drawn, cases)
    assert (empty.density, empty.density_interval) == (None, (0, 1))


def test_intervals_of_clopper_and_pearson() -> None:
    # Of 10: 1 - 0.025^(1/10) for none; the other from the tables of the F distribution.
    assert clopper_pearson(0, 10) == (0, pytest.approx(1 - 0.025**0.1))
    assert clopper_pearson(5, 10) == (pytest.approx(0.18709, abs=1e-5), pytest.approx(0.81291, abs=1e-5))


def test_steps_are_round() -> None:
    assert [round_step(0, 1), round_step(0.8, 1.5), round_step(60, 140)] == pytest.approx([0.01, 0.005, 0.5])
