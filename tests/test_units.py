"""Numbers as they stand in a file, and as they are read aloud."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic_core import PydanticCustomError

from optimizer.report.format import in_millions, percent
from optimizer.units import (
    Series,
    parse_amount,
    parse_money,
    parse_series,
    rounded_down,
    rounded_up,
    si,
    si_down,
    si_up,
)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("2.5B", 2_500_000_000),
        ("250M", 250_000_000),
        ("40k", 40_000),
        ("40 k", 40_000),
        ("-3k", -3000),
        (".5k", 500),
        ("2_500_000_000", 2_500_000_000),
        ("2.5e9", 2_500_000_000),
        ("2.5e3k", 2_500_000),
        (" 7 ", 7),
        (0.25, 0.25),
        (12, 12),
    ],
)
def test_amounts_are_read(written: object, number: float) -> None:
    assert parse_amount(written) == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize(
    ("written", "what", "cure"),
    [
        ("2.5 bn", 'unknown suffix "bn"', "Write 2.5B."),
        ("3mn", 'unknown suffix "mn"', "Write 3M."),
        ("3m", 'unknown suffix "m"', "Write 3M. A number of months takes no suffix."),
        ("3 years", 'unknown suffix "years"', "Leave units out: each field has its own"),
        ("60K", 'unknown suffix "K"', "Write 60k."),
        ("5T", 'unknown suffix "T"', "k (thousand), M (million) and B (billion)"),
        ("5 kg", 'unknown suffix "kg"', "k (thousand), M (million) and B (billion)"),
        ("65%", "is a percentage", "Write 0.65 for a share or a factor; work an amount out, as 5 % of 200k is 10k."),
        ("12,5", "is not a number", "Write a plain number"),
        ("12,5", "is not a number", "It has a decimal point, and no comma, space, unit or sign of a currency."),
        ("1.000.000", "is not a number", "Write a plain number"),
        (None, "nothing is not a number", "A decimal number has a point, such as 0.7: a comma begins the next entry."),
        ("abc", "is not a number", "Write a plain number"),
        ("", "is not a number", "Write a plain number"),
        ("M", "is not a number", "Write a plain number"),
        (True, '"True" is not a number', "Write a plain number"),
        (None, "nothing is not a number", "Write a plain number"),
        ([1, 2], "a list is not a number", "Write a plain number"),
        ({2027: 1}, "a mapping is not a number", "Write a plain number"),
        (math.nan, "is not finite", "Write a plain number, or one such as 2.5B, 250M, 40k."),
        (math.inf, "is not finite", "Leave the field out where there is no limit."),
        ("1e999", "is not finite", "Leave the field out where there is no limit."),
    ],
)
def test_what_is_no_amount_is_refused_with_a_cure(written: object, what: str, cure: str) -> None:
    with pytest.raises(PydanticCustomError) as error:
        parse_amount(written)
    assert error.value.context is not None
    assert what in error.value.context["what"]
    assert cure in error.value.context["cure"]


def test_a_whole_number_beyond_all_floats_is_refused() -> None:
    with pytest.raises(PydanticCustomError, match="is not finite"):
        parse_amount(10**400)
    with pytest.raises(ValueError, match="is not finite"):
        parse_money(10**400)


@pytest.mark.parametrize(
    ("year", "value"),
    # Given 2027: 100 and 2030: 250, 50 more a year between; flat outside.
    [(2020, 100), (2027, 100), (2028, 150), (2029, 200), (2030, 250), (2031, 250), (2999, 250)],
)
def test_series_is_linear_between_its_years_and_flat_outside(year: int, value: float) -> None:
    assert parse_series({"2030": 250, "2027": "0.1k"}).at(year) == pytest.approx(value)


def test_series_of_one_number_is_the_same_in_every_year() -> None:
    assert {parse_series("40k").at(year) for year in (1900, 2026, 2200)} == {40_000}


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ({}, "is an empty mapping"),
        ({"2027Q1": 5}, '"2027Q1" is a date, where a year is expected'),
        ({"27": 5}, '"27" is not a calendar year'),
        ({"0027": 5}, '"0027" is not a calendar year'),
        ({"2201": 5}, '"2201" is not a calendar year'),
        ({"low": 90, "high": 180}, "has keys of a range, but is none"),
        ({True: 5}, '"True" is not a calendar year'),
        ({"2027": "5%"}, "is a percentage"),
        ({"2027": {"2028": 1}}, "a mapping is not a number"),
        ([5], "is a list, where a series by year is expected"),
    ],
)
def test_what_is_no_series_is_refused(written: object, what: str) -> None:
    with pytest.raises(PydanticCustomError, match=what):
        parse_series(written)


@given(some.dictionaries(some.integers(1990, 2060), some.floats(-1e9, 1e9), min_size=1), some.integers(1950, 2100))
def test_series_never_leaves_the_values_given(points: dict[int, float], year: int) -> None:
    value = Series(tuple(sorted(points.items()))).at(year)
    slack = 1e-9 * max(1.0, *map(abs, points.values()))
    assert min(points.values()) - slack <= value <= max(points.values()) + slack
    assert all(Series(tuple(sorted(points.items()))).at(given) == points[given] for given in points)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1_234_000_000, "USD", "1.23B USD"),
        (45_600, "t", "45.6k t"),
        (2_500_000, "", "2.5M"),
        (9_999, "t", "10k t"),  # three digits make it 10,000, which is written 10k
        (9_994, "t", "9,994 t"),
        (999_600, "USD", "1M USD"),
        (999_400, "USD", "999k USD"),
        (999_960_000, "USD", "1B USD"),
        (1_234.5, "t", "1,235 t"),
        (12.345, "t", "12.3 t"),
        (0.012345, "t", "0.0123 t"),
        (-2_500, "USD", "−2,500 USD"),
        (-45_600, "t", "−45.6k t"),
        (0, "t", "0 t"),
        (100, "", "100"),
        (1e12, "USD", "1,000B USD"),
    ],
)
def test_numbers_are_read_with_three_digits(value: float, unit: str, text: str) -> None:
    assert si(value, unit) == text


def test_an_amount_is_rounded_up_to_what_can_be_typed() -> None:
    assert rounded_up(11.5e6, 5) == 11.5e6
    assert rounded_up(919_832_469.5, 5) == 919_840_000.0
    assert rounded_up(0.0, 5) == 0.0
    assert rounded_up(math.inf, 5) == math.inf
    # A thousandth of a euro in twenty million is arithmetic.
    assert rounded_up(23_357_400.001, 6) == rounded_down(23_357_399.999, 6) == 23_357_400.0


def test_what_suffices_reads_as_no_less_and_what_does_not_as_no_more() -> None:
    assert (si(23_357_420.0, "EUR", 6), si_up(23_357_420.0, "EUR", 6)) == ("23.3574M EUR", "23.3575M EUR")
    assert si_down(23_357_490.0, digits=6) == "23.3574M"
    assert (si_up(9_996.0), si_down(9_999.0)) == ("10k", "9,990")
    assert (si_up(0.0), si_down(0.0)) == ("0", "0")


def test_one_way_holds_below_zero_as_well() -> None:
    assert (rounded_up(-12_345.0, 3), rounded_down(-12_345.0, 3)) == (-12_300.0, -12_400.0)
    assert (si_up(-12_345.0), si_down(-12_345.0)) == ("−12.3k", "−12.4k")


def test_a_half_is_rounded_alike_in_millions() -> None:
    # Neither to the even digit nor by what binary fractions make of it.
    for amount, text in ((10.25e6, "10.3"), (1.005e6, "1.01"), (-37.65e6, "−37.7"), (4_485e6, "4,490"), (0.0, "0")):
        assert in_millions(amount) == text
    assert si(10.25e6) == "10.3M"


@given(some.floats(1e-3, 1e12), some.integers(3, 6))
def test_one_way_is_never_the_other(value: float, digits: int) -> None:
    down, up = rounded_down(value, digits), rounded_up(value, digits)
    assert down <= value * (1 + 1e-6)
    assert value <= up * (1 + 1e-6)
    assert up - down <= 10.0 ** (math.floor(math.log10(value)) - digits + 1) * (1 + 1e-6)


def test_more_digits_on_request() -> None:
    assert si(1_234_567, "USD", digits=5) == "1.2346M USD"


@given(some.floats(1e-3, 1e12))
def test_what_is_read_is_within_half_a_digit(value: float) -> None:
    # Three significant digits: off by at most half of the third, 0.5 % of the smallest number with that leading digit.
    assert parse_amount(si(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("share", "text"),
    [(-0.004, ">−1 %"), (-0.006, "−1 %"), (-2e-16, "0 %"), (0, "0 %"), (0.004, "<1 %"), (0.999, ">99 %"), (1, "100 %")],
)
def test_a_share_that_counts_is_neither_0_nor_100_per_cent(share: float, text: str) -> None:
    # A margin of −0.4 points is a floor that fails.
    assert percent(share) == text
