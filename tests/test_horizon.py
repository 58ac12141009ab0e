"""Periods, labels, delays, and the points at which money is committed."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from optimizer.horizon import Horizon


def horizon(step: str, start: int = 2026, end: int = 2028, decide: str = "year") -> Horizon:
    return Horizon.model_validate({"start": start, "end": end, "step": step, "decide": decide})


@pytest.mark.parametrize(
    ("step", "count", "delta", "first", "last"),
    [
        ("year", 3, 1, "2026", "2028"),
        ("quarter", 12, 0.25, "2026Q1", "2028Q4"),
        ("month", 36, 1 / 12, "2026-01", "2028-12"),
    ],
)
def test_periods_and_labels(step: str, count: int, delta: float, first: str, last: str) -> None:
    axis = horizon(step)
    assert list(axis.periods) == list(range(count))
    assert axis.delta == delta
    assert (axis.label(0), axis.label(count - 1)) == (first, last)
    assert list(axis.years) == [2026, 2027, 2028]


@pytest.mark.parametrize(
    ("step", "label", "t"),
    [
        ("year", "2027", 1),
        ("year", 2027, 1),
        ("quarter", "2027Q3", 6),
        ("quarter", "2027", 4),  # a year is its first period
        ("quarter", "2027-07", 6),  # the month in which a quarter begins
        ("month", "2027-11", 22),
        ("month", "2027Q4", 21),
        ("month", " 2028 ", 24),
    ],
)
def test_label_names_a_period(step: str, label: str | int, t: int) -> None:
    assert horizon(step).period(label) == t


@pytest.mark.parametrize(
    ("step", "label", "cure"),
    [
        ("year", "2025", "Choose a period from 2026 to 2028."),
        ("quarter", "2029Q1", "Choose a period from 2026Q1 to 2028Q4."),
        ("month", "2029", "Choose a period from 2026-01 to 2028-12."),
        ("year", "2027Q3", "Write it as a year, the step of this horizon, such as 2026."),
        ("quarter", "2027-08", "Write it as a quarter, the step of this horizon, such as 2026Q1."),
        ("month", "2027-13", "Months run from 01 to 12."),
        ("month", "2027-00", "Months run from 01 to 12."),
        ("quarter", "2027Q5", "Write a period such as 2027, 2027Q3 or 2027-07."),
        ("quarter", "summer", "Write a period such as 2027, 2027Q3 or 2027-07."),
        ("quarter", "2027-7", "Write a period such as 2027, 2027Q3 or 2027-07."),
    ],
)
def test_what_is_no_period_is_refused_with_a_cure(step: str, label: str, cure: str) -> None:
    with pytest.raises(ValueError, match=f"^{cure}$"):
        horizon(step).period(label)


@given(some.sampled_from(["year", "quarter", "month"]), some.integers(1900, 2200), some.integers(0, 40), some.data())
def test_labels_and_periods_are_each_others_inverse(step: str, start: int, more: int, data: some.DataObject) -> None:
    axis = horizon(step, start, min(2200, start + more))
    t = data.draw(some.sampled_from(axis.periods))
    assert axis.period(axis.label(t)) == t
    assert axis.label(t).startswith(str(axis.year(t)))


@pytest.mark.parametrize(
    ("step", "months", "periods"),
    [
        ("year", 0, 0),
        ("year", 1, 1),
        ("year", 12, 1),
        ("year", 12.01, 2),
        ("quarter", 3, 1),
        ("quarter", 3.5, 2),
        ("quarter", 12, 4),
        ("month", 0.2, 1),
        ("month", 7, 7),
        ("month", 0.1 + 0.2 + 0.7, 1),  # 0.9999999999999999 or 1.0000000000000002: a rounding error is no month
    ],
)
def test_delays_are_rounded_up_to_whole_periods(step: str, months: float, periods: int) -> None:
    assert horizon(step).whole(months) == periods


@pytest.mark.parametrize(
    ("step", "decide", "points"),
    [
        ("year", "year", [0, 1, 2]),
        ("quarter", "year", [0, 4, 8]),
        ("quarter", "quarter", list(range(12))),
        ("month", "year", [0, 12, 24]),
        ("month", "quarter", list(range(0, 36, 3))),
        ("month", "month", list(range(36))),
    ],
)
def test_decisions_fall_on_first_periods(step: str, decide: str, points: list[int]) -> None:
    assert list(horizon(step, decide=decide).decisions) == points


def test_horizon_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValidationError, match="ends in 2025, before it starts in 2026"):
        horizon("year", 2026, 2025)
