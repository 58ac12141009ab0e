"""Floors of 100 %: a service in full has nothing to lose, and is never the weakest of several.

Imports of 100 t are cut by 35 % in 2027 and by 45 % in 2028. Defence (20 t, floor 100 %, dearest to miss) is served in
full all along; cars (60 t, floor 50 %) get 45 t in 2027 and 35 t in 2028; lamps (20 t, no floor, cheapest to miss) get
nothing in either year.
"""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.report.format import served_in_full
from optimizer.report.notebook import result_html
from optimizer.report.tables.plan import plan_tables
from optimizer.report.tables.render import show
from optimizer.results.result import rank, weakest, weakest_of
from optimizer.results.saved import FORMAT_OF_KEY
from optimizer.studies.explain.part_values import PlanContext, plan_parts

FULL_FLOOR: dict[str, Any] = {
    "name": "floors of all",
    "horizon": {"start": 2026, "end": 2029, "step": "year"},
    "commodities": {"m": {}},
    "processes": {"far": {"region": "away", "stage": "magnet", "output": {"m": 1}, "capacity": 100, "cost": 1}},
    "demands": {
        "defence": {"commodity": "m", "quantity": 20, "survival": 1, "shortage_cost": 9000},
        "cars": {"commodity": "m", "quantity": 60, "survival": 0.5, "shortage_cost": 3000},
        "lamps": {"commodity": "m", "quantity": 20, "shortage_cost": 1000},
    },
    "shocks": {
        "ban": {"start": 2027, "months": 24, "cuts": [{"region": "away", "severity": [0.35, 0.45]}]},
        "blip": {"start": 2027, "months": 12, "cuts": [{"region": "away", "severity": 0.1}]},
    },
}


@pytest.fixture(scope="module")
def case() -> tuple[so.Instance, so.Result]:
    instance = so.read(FULL_FLOOR)
    return instance, so.solve(instance)


def arrays(*services: tuple[float, float]) -> tuple[Any, Any]:
    """Margins and shares served of some services, each given as served and floor."""
    served, floors = np.array(services).T
    return served - floors, served


@pytest.mark.parametrize(
    ("services", "place"),
    [
        # Served in full with a floor of all: margin 0, and nothing to lose.
        ([(1.0, 1.0), (0.9, 0.5)], 1),
        # Below the floor comes first, most below before all else.
        ([(1.0, 1.0), (0.5, 0.5), (0.98, 1.0), (0.4, 0.45)], 3),
        # A floor of 100 % that is not kept is below its floor like any other.
        ([(0.5, 0.5), (0.999, 1.0)], 1),
        # No floor: nothing to fall below, however little is served.
        ([(0.0, 0.0), (0.9, 0.4), (1.0, 1.0)], 1),
        ([(1.0, 1.0), (0.0, 0.0), (0.2, 0.0)], 1),
        # Less than a millionth unserved is nothing, here as everywhere.
        ([(1.0 - 5e-7, 1.0), (0.9, 0.1)], 1),
        # Equal margins: the least served.
        ([(0.7, 0.7), (0.4, 0.4), (1.0, 1.0)], 1),
    ],
)
def test_what_goes_short_is_weaker_than_what_does_not(services: list[tuple[float, float]], place: int) -> None:
    assert int(weakest(*arrays(*services), axis=0)) == place
    assert int(np.argmin(rank(*arrays(*services)))) == place or services[place] == (0.4, 0.4)


def test_worst_periods_shocks_and_segments_are_those_that_go_short(case: tuple[so.Instance, so.Result]) -> None:
    _, result = case
    ban, blip = result.shocks
    assert result.survives
    # Cars: 45/60 in 2027, 35/60 in 2028.
    assert ban.segments["cars"].worst_period == "2028"
    assert result.services["cars"].worst_shock == "ban"
    assert list(ban.segments)[weakest_of(list(ban.segments.values()))] == "cars"
    # In the blip only lamps go short, 10 of 20 t: what is served in full has nothing to lose.
    assert list(blip.segments)[weakest_of(list(blip.segments.values()))] == "lamps"
    assert [d for d, service in ban.segments.items() if service.is_full] == ["defence"]
    assert result.services["defence"].is_full
    assert audit_result(so.read(result.data), result).ok


def test_a_line_names_the_segment_that_goes_short() -> None:
    # 30 shocks, 6 of them lines. All serve defence in full; formerly each line named defence, margin 0.
    data = json.loads(json.dumps(FULL_FLOOR))
    data["shocks"] = {
        f"s{k}": {"start": 2027, "months": 12, "cuts": [{"region": "away", "severity": (k + 1) / 100}]}
        for k in range(30)
    }
    result = so.solve(so.read(data))
    lines = {outcome.name: list(outcome.segments) for outcome in result.shocks if outcome.flows is None}
    # 20 t of lamps give way first, and cars from 21 t on: the weakest keep their flows.
    assert lines == {f"s{k}": ["lamps"] for k in range(6)}
    assert {d: worst.worst_shock for d, worst in result.services.items()} == {
        "defence": "s0",
        "cars": "s29",
        "lamps": "s19",
    }
    assert audit_result(so.read(data), result).ok


def changed(result: so.Result, shock: int, d: str, **update: Any) -> so.Result:
    outcome = result.shocks[shock]
    segments = {**outcome.segments, d: replace(outcome.segments[d], **update)}
    shocks = list(result.shocks)
    shocks[shock] = replace(outcome, segments=segments)
    return replace(result, shocks=tuple(shocks))


def before(result: so.Result) -> dict[str, Any]:
    """A result as a file of format 2 has it."""
    return {key: value for key, value in result.to_dict().items() if key not in FORMAT_OF_KEY} | {"format": 2}


def test_the_audit_follows_the_rule_in_its_own_arithmetic(case: tuple[so.Instance, so.Result]) -> None:
    instance, result = case
    assert audit_result(instance, result).ok
    # True of 2027, but 2028 is weaker.
    better = changed(result, 0, "cars", worst_period="2027", worst_service=0.75)
    said = [words.split(":")[0] for words in audit_result(instance, better).disagreements]
    assert said[:2] == ["ban/cars.margin", "ban/cars.worst_service"]
    # A segment is said to be served in full.
    full = changed(result, 0, "cars", worst_period="2027", worst_service=1.0)
    assert any(words.startswith("ban/cars.") for words in audit_result(instance, full).disagreements)
    worst = replace(result.services["cars"], worst_shock="blip", worst_period="2027", worst_service=1.0)
    other = replace(result, services={**result.services, "cars": worst})
    said = [words.split(":")[0] for words in audit_result(instance, other).disagreements]
    assert set(said) >= {"services/cars.worst_service", "services/cars.margin"}


def test_the_audit_judges_floors_that_change_by_what_goes_short() -> None:
    # 2027: floor 40 %, half is served, margin 10 points. 2028: floor 100 %, served in full, margin 0.
    data = json.loads(json.dumps(FULL_FLOOR))
    data["demands"] = {
        "cars": {"commodity": "m", "quantity": 100, "survival": {2027: 0.4, 2028: 1.0}, "shortage_cost": 1000}
    }
    data["shocks"] = {"ban": {"start": 2027, "months": 24, "cuts": [{"region": "away", "severity": [0.5, 0]}]}}
    instance = so.read(data)
    result = so.solve(instance)
    assert result.shocks[0].segments["cars"].worst_period == "2027"
    assert audit_result(instance, result).ok
    old = changed(result, 0, "cars", worst_period="2028", worst_service=1.0, floor=1.0)
    worst = replace(result.services["cars"], worst_period="2028", worst_service=1.0, floor=1.0)
    old = replace(old, services={"cars": worst})
    assert not audit_result(instance, old).ok
    # A file of format 2 chose by margins alone: it is read and judged by that, and the new one is not.
    saved = before(old)
    again = so.Result.from_dict(saved)
    assert audit_result(instance, again).ok
    assert again.to_dict()["format"] == 2
    assert not audit_result(instance, so.Result.from_dict(before(result))).ok
    with pytest.raises(so.PlanFileError, match="its format is 1, not 2 or 3"):
        so.Result.from_dict(result.to_dict() | {"format": 1})


def test_explain_asks_no_point_more_of_a_floor_of_all(case: tuple[so.Instance, so.Result]) -> None:
    instance, result = case
    ground = PlanContext(result.plan, result.total_cost, None, frozenset())
    floors = [(thing.kind, thing.of) for thing in plan_parts(instance, ground) if thing.kind.endswith("floor")]
    assert floors == [("cheaper floor", "defence"), ("dearer floor", "cars"), ("cheaper floor", "cars")]
    # A shock's own floor of all counts as well, where no other is in force.
    data = json.loads(json.dumps(FULL_FLOOR))
    for shock in data["shocks"].values():
        shock["survival"] = {"cars": 1.0}
    found = [thing for thing in plan_parts(so.read(data), ground) if thing.of == "cars"]
    assert [thing.kind for thing in found] == ["cheaper floor"]


def printed(result: so.Result, width: int = 100) -> str:
    text = StringIO()
    show(plan_tables, result, Console(file=text, width=width))
    return text.getvalue()


def test_the_screen_tells_what_is_served_in_full(case: tuple[so.Instance, so.Result]) -> None:
    table = re.split(r"^Survival *$", printed(case[1]), flags=re.MULTILINE)[1]
    (ban,) = (row for row in table.splitlines() if row.startswith("✓ ban "))
    assert ban.split() == ["✓", "ban", "full/100", "58/50", "+8", "0"]


def test_the_notebook_lists_the_weakest_first(case: tuple[so.Instance, so.Result]) -> None:
    page = result_html(case[1])
    assert page.index("✓ ban") < page.index("✓ blip")
    assert "cars 58/50 %" in page
    assert "defence" not in page.split("Shock</th>")[1]


def test_a_plan_of_an_earlier_version_is_read_and_judged_by_its_own_rule() -> None:
    result = so.Result.load(Path(__file__).parent / "format_2.json")
    assert result.format == 2
    assert {(price.key, price.shock) for price in result.binding} == {("", "")}
    assert audit_result(so.read(result.data), result).ok


def test_what_is_served_in_full_stands_beside_the_highest_floor_of_the_windows() -> None:
    # The floor of tiny is 30 % in 2027, 50 % in 2028 and 70 % from 2029 on; the first embargo ends in 2028.
    instance = so.load(Path(__file__).parents[2] / "instances" / "tiny.yaml")
    assert served_in_full(instance, ["embargo@2027"], "motors") == "full/50"
    assert served_in_full(instance, ["embargo@2027", "embargo@2029"], "motors") == "full/70"
