"""Reading, checking and summarising take work that is linear in the size of a file, whatever it has many of.

Work is counted, not timed: calls of Python functions and of built-in ones, as the profiler sees them.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from types import FrameType
from typing import Any

import pytest
from rich.console import Console

import optimizer as so
from optimizer.formulation import first_stage_model
from optimizer.instance.validation.supply import _obtainable
from optimizer.report.tables.checks import summary_parts
from optimizer.report.tables.render import show
from optimizer.studies.summary import summarise
from tests.speed.wide import WIDE, chains, depth

# Twice the size is twice the work; what does not grow makes it less, sorting a little more.
LINEAR = 2.2
SIZE = 60


def calls(work: Callable[[], Any]) -> int:
    """How many functions are called, and how many lines of ours are run in loops of their own."""
    count = 0

    def step(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event in ("call", "line")
        return step

    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def examine(data: dict[str, Any]) -> None:
    with suppress(so.InstanceError):
        so.read(data)


@pytest.mark.parametrize("name", WIDE)
def test_reading_and_checking_are_linear(name: str) -> None:
    make = WIDE[name]
    examine(make(SIZE))
    small, large = (calls(lambda size=size: examine(make(size))) for size in (SIZE, 2 * SIZE))  # type: ignore[misc]
    assert large / small < LINEAR


@pytest.mark.parametrize(
    "name", ["processes", "chains", "phases", "forced", "segments", "shares", "multipliers", "options"]
)
def test_the_summary_is_linear(name: str) -> None:
    few, many = (so.read(WIDE[name](size)) for size in (20, 40))
    summarise(few)
    assert calls(lambda: summarise(many)) / calls(lambda: summarise(few.fresh())) < LINEAR


def test_capacity_over_centuries_is_linear() -> None:
    """Each purchase adds to capacity once for each year of its ramp, not in every period after it."""
    few, many = (so.read(WIDE["months"](size)) for size in (900, 1800))
    assert calls(lambda: first_stage_model(many)) / calls(lambda: first_stage_model(few)) < LINEAR


def test_capacity_is_the_sum_over_purchases() -> None:
    """Half-yearly delays, a ramp with a pause, monthly decisions: C[t] = sum of ramp · n[a], worked out one by one."""
    data = WIDE["months"](48)
    data["horizon"]["decide"] = "month"
    data["options"]["plant"] |= {"lead_time": 7, "ramp": [0, 0.5, 0, 1]}
    instance = so.read(data)
    plant, model = instance.sized["plant"], first_stage_model(instance)
    size, capacity = model.column_index()["", "plant", "size"], model.linked("plant", "capacity")
    for t in instance.horizon.periods:
        shares = {j: plant.working_share(t - a - 7) for a, j in size.items()}
        assert capacity[t].terms == {j: share for j, share in shares.items() if share > 0}


def test_a_wide_shock_takes_one_row_of_the_summary_and_of_many_the_worst_are_shown() -> None:
    """120 shocks of 50 multipliers each once filled 6,000 lines."""
    instance, text = so.read(WIDE["multipliers"](120)), StringIO()
    show(summary_parts, summarise(instance), Console(file=text, width=120), file="wide.yaml", instance=instance)
    lines = text.getvalue().splitlines()
    assert len(lines) < 450
    assert any("demand of 50 segments" in " ".join(line.split()) for line in lines)
    assert any("Of 120 rows the 100 with the largest gaps" in line for line in lines)


@pytest.mark.parametrize("make", [chains, depth])
def test_sources_are_found_in_one_go(make: Callable[[int], dict[str, Any]]) -> None:
    """However the file orders a chain: nothing is compared with everything, as equality of activities once was."""
    few, many = (so.read(make(size)) for size in (200, 400))
    assert calls(lambda: _obtainable(many, ())) / calls(lambda: _obtainable(few, ())) < LINEAR


def test_an_adversary_may_have_thousands_of_targets() -> None:
    data = WIDE["targets"](3000)
    data["adversary"]["attack_budget"] = 1e6
    adversary = so.read(data).adversary
    assert adversary is not None
    (every,) = adversary.maximal(10) or ()
    assert len(every) == 3000


def test_a_pattern_of_ranges_passes_by_what_has_no_ranges() -> None:
    """It once took the ends of ranges themselves for numbers, and ended in an internal error."""
    with pytest.raises(so.InstanceError) as error:
        so.read(WIDE["processes"](4) | {"ranges": {"*.*.*": {"low": 0.5, "high": 2, "of": "value"}}})
    assert all("end of its range" in found.what for found in error.value.findings)
