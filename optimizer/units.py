"""The numbers of an instance file: amounts, shares and series by year.

Amount      2.5e9 · 2_500_000_000 · 2.5B · 250M · 40k        any finite number
Quantity    the same, 0 or more                              t, t/yr, USD, …
Share       0 … 1
Series      a number, or {year: number}: linear between the years given, flat outside them
ByYear      {year: number}: each for that year alone
Described   the base of every object of a file, with a name, a source and a note; Commitment is one of them
"""

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from numbers import Real
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from optimizer import shapes
from optimizer.arguments import ArgumentError
from optimizer.errors import excerpt, finding
from optimizer.tolerances import FINE_ROUNDING, LAST_DIGIT, NUMBER_LENGTH, ROUNDING

# The smallest number other than 0.
SMALLEST = 1e-15
# Digits to which a number is rounded before it is rounded again for display.
EXACT = 12
MINUS = "\N{MINUS SIGN}"
_WIDE = Context(prec=60)
SUFFIXES = {"k": 1e3, "M": 1e6, "B": 1e9}
_WRITE_NUMBER = "Write a plain number, or one such as 2.5B, 250M, 40k."
_DECIMAL_POINT = "A decimal number has a point, such as 0.7: a comma begins the next entry."
# A cure for a pandas Series or a NumPy array in place of a number.
_OF_A_TABLE = " Years with their values are a mapping: a Series by year has it as to_dict()."
_DIGITS = r"[0-9][0-9_]*"
_AMOUNT = re.compile(rf"^([-+]?(?:{_DIGITS}(?:\.[0-9_]*)?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z%]*)\Z")
# Text that is 1,200 where a point parts thousands, and 1.2 elsewhere.
_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2}\.[0-9]{3}\Z")
# A date or period written where a year is expected; the group is its year.
_IN_A_YEAR = re.compile(
    r"\s*([0-9]{4})(?:-[0-9]{1,2}(?:-[0-9]{1,2}.{0,20})?|/[0-9]{1,2}(?:/[0-9]{1,2})?|\s?Q[1-4])\s*\Z"
)


def parse_amount(value: Any) -> float:
    """Parse a finite number from a number or from text such as ``2.5B``, ``250M`` or ``40k``.

    Raises:
        PydanticCustomError: no number, no finite number, or an unknown suffix.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        cure = f"{_WRITE_NUMBER} {_DECIMAL_POINT}" if value is None else _WRITE_NUMBER
        cure += _OF_A_TABLE * hasattr(value, "tolist")
        raise finding(f"{_show_value(value)} is not a number", cure)
    try:
        number = _parse_text(value) if isinstance(value, str) else float(value)
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise finding(f"{_show_value(value)} is not finite", _WRITE_NUMBER)
    if not math.isfinite(number):
        raise finding(f"{_show_value(value)} is not finite", "Leave the field out where there is no limit.")
    if abs(number) > shapes.LARGEST or 0 < abs(number) < SMALLEST:
        raise finding(f"{number:g} is beyond what can be computed with", "Choose a unit in which it lies nearer to 1.")
    return number


def _parse_written(value: Any) -> float:
    """Parse an amount of an instance file: as `parse_amount`, but not text whose point may part thousands.

    Raises:
        PydanticCustomError: as `parse_amount`, or such text.
    """
    number = parse_amount(value)
    if isinstance(value, str) and _THOUSANDS.match(text := value.strip()):
        what = f'"{text}" is text, and may be {number * 1000:g} or {number:g}: some write a point before thousands'
        raise finding(what, "Write it as a number: without quotes, and in a cell that is not formatted as text.")
    return number


def _parse_text(text: str) -> float:
    found = _AMOUNT.match(text.strip()) if len(text) <= NUMBER_LENGTH else None
    if not found:
        more = " It has a decimal point, and no comma, space, unit or sign of a currency."
        cure = _WRITE_NUMBER + more * any(sign.isdigit() for sign in text)
        raise finding(f'"{excerpt(text)}" is not a number', cure)
    digits, suffix = found.groups()
    number = float(digits.replace("_", ""))
    if suffix == "%":
        cure = f"Write {number / 100:g} for a share or a factor; work an amount out, as 5 % of 200k is 10k."
        raise finding(f'"{excerpt(text)}" is a percentage', cure)
    if suffix and suffix not in SUFFIXES:
        near = {"k": "k", "m": "M", "mn": "M", "mm": "M", "bn": "B", "b": "B"}.get(suffix.lower())
        cure = "Leave units out: each field has its own, such as t, t a year or months. "
        cure += "The suffixes are k (thousand), M (million) and B (billion)."
        if near:
            # An m may be a million or months.
            cure = f"Write {excerpt(digits)}{near}.{' A number of months takes no suffix.' * (suffix == 'm')}"
        raise finding(f'"{excerpt(text)}" has an unknown suffix "{excerpt(suffix)}"', cure)
    return number * SUFFIXES.get(suffix, 1.0)


def _show_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if hasattr(value, "tolist"):
        return f"a value of type {type(value).__name__}"
    return "nothing" if value is None else f'"{excerpt(value)}"'


def a_ratio(value: float) -> float:
    """Return a quantity per tonne within the range of matrix coefficients, 0 to `shapes.LARGEST_RATIO`."""
    if not_negative(value) > shapes.LARGEST_RATIO:
        cure = f"Write {shapes.LARGEST_RATIO:,.0f} at most: choose a unit in which it lies nearer to 1."
        raise finding(f"{value:g} t per t is beyond what can be computed with", cure)
    return value


def _in_a_file(value: float) -> str:
    """Return a number as it may be written in a file: ``-5M``, ``-500``."""
    return si(value, digits=6).replace("−", "-").replace(",", "")


def not_negative(value: float) -> float:
    """Return a number of 0 or more."""
    if value < 0:
        raise finding(f"{_in_a_file(value)} is negative", "Write 0 or more.")
    return value


def positive(value: float) -> float:
    """Return a number above 0."""
    if value <= 0:
        raise finding(f"{_in_a_file(value)} is not positive", "Write more than 0.")
    return value


def a_share(value: float) -> float:
    """Return a number from 0 to 1."""
    if not 0 <= value <= 1:
        cure = f"Write {value / 100:g} for {value:g} %." if 1 < value <= 100 else "Write a number from 0 to 1."
        # A value just above 1 is rather a share that is too large, such as that of a range, than a percentage.
        cure = f"Write a number from 0 to 1. {cure}" if 1 < value < 2 else cure
        raise finding(f"{value:g} is not a share between 0 and 1", cure)
    return value


@dataclass(frozen=True)
class Series:
    """A quantity by calendar year: linear between the years given, flat outside them."""

    points: tuple[tuple[int, float], ...]

    def at(self, year: int | npt.NDArray[np.int64]) -> Any:
        """Return the value of a calendar year, or of each year of an array; one number for a constant series."""
        if len(self.points) == 1:
            return self.points[0][1]
        if isinstance(year, np.ndarray):
            return np.interp(year, [at for at, _ in self.points], self.values)
        after = bisect_right(self.points, (year, math.inf))
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (left, low), (right, high) = self.points[after - 1], self.points[after]
        return low + (high - low) * (year - left) / (right - left)

    @property
    def values(self) -> tuple[float, ...]:
        """The given numbers, in the order of their years."""
        return tuple(value for _, value in self.points)

    def mapped(self, change: Callable[[float], float]) -> "Series":
        """Return the series with every number changed by a function."""
        return Series(tuple((year, change(value)) for year, value in self.points))

    @classmethod
    def constant(cls, value: float) -> "Series":
        """Return a series with the same value in every year."""
        return cls(((0, float(value)),))


def parse_series(value: Any) -> Series:
    """Parse a series from a number or a mapping ``year: number``.

    Raises:
        PydanticCustomError: an empty mapping, a key that is no year, or a value that is no number.
    """
    if isinstance(value, Series):
        return value
    if isinstance(value, (list, tuple)):
        cure = "Write years with their values, {2027: …, 2030: …}, or one number for all years."
        raise finding("is a list, where a series by year is expected", cure)
    if not isinstance(value, Mapping):
        return Series.constant(_parse_written(value))
    if not value:
        raise finding("is an empty mapping", "Write a number, or years with their values: {2027: 100, 2030: 250}.")
    if value.keys() <= {"value", "low", "high", "of", "draw"}:
        cure = "Write a number as {value: 120, low: 90, high: 180}; the range of a series stands under `ranges:`."
        raise finding("has keys of a range, but is none", cure)
    points: dict[int, float] = {}
    for key, number in value.items():
        try:
            year = _year(key)
            if year in points:
                raise finding(f"{year} is given twice", "Keep one of the two.")
            points[year] = _parse_written(number)
        except PydanticCustomError as error:
            raise PydanticCustomError("finding", "{what}", {**(error.context or {}), "key": str(key)}) from None
    return Series(tuple(sorted(points.items())))


def in_a_year(value: Any) -> str | None:
    """Return the year of a date or period written where a year is expected, such as 2027 for 2027-01-31."""
    found = _IN_A_YEAR.match(value) if isinstance(value, str) else None
    return None if found is None else found[1]


_YEARS = "Write one from 1900 to 2200, such as 2028."


_YEARS_AS_KEYS = "A series has whole years as keys, and decimal numbers have a point: {2027: 0.4, 2030: 250}."


def _year(key: Any, cure: str = _YEARS_AS_KEYS) -> int:
    text = str(key).strip()
    year = in_a_year(text)
    if year is not None:
        raise finding(f'"{excerpt(text)}" is a date, where a year is expected', f"Write {year}.")
    if isinstance(key, bool) or not re.fullmatch(r"[0-9]{4}", text):
        raise finding(f'"{excerpt(key)}" is not a calendar year', cure)
    # A typing error such as 2207 would otherwise have no effect, or bend a series over centuries.
    if not 1900 <= int(text) <= 2200:
        raise finding(f'"{text}" is not a calendar year', _YEARS)
    return int(text)


def _year_of_field(value: Any) -> int:
    return _year(int(value) if isinstance(value, float) and value.is_integer() else value, _YEARS)


Year = Annotated[int, Field(ge=1900, le=2200), BeforeValidator(_year_of_field)]


def parse_by_year(value: Any) -> Any:
    """Return a mapping from years to amounts for pydantic; each amount holds for its own year alone.

    Raises:
        PydanticCustomError: no mapping, or an empty one.
    """
    if not isinstance(value, Mapping) or not value:
        what = "is an empty mapping" if isinstance(value, Mapping) else f"{_show_value(value)} names no year"
        raise finding(what, "Write years with their amounts: {2027: 100}.")
    return value


def _plain(series: Series) -> float | dict[int, float]:
    if len(series.points) == 1 and series.points[0][0] == 0:
        return series.points[0][1]
    return dict(series.points)


def _each(check: Any) -> AfterValidator:
    def checked(series: Series) -> Series:
        for year, value in series.points:
            try:
                check(value)
            except PydanticCustomError as error:
                if not year:  # a constant has no year to name
                    raise
                raise PydanticCustomError("finding", "{what}", {**(error.context or {}), "key": str(year)}) from None
        return series

    return AfterValidator(checked)


Amount = Annotated[float, BeforeValidator(_parse_written), WithJsonSchema(shapes.AMOUNT)]
Quantity = Annotated[Amount, AfterValidator(not_negative), WithJsonSchema(shapes.QUANTITY)]
Ratio = Annotated[Amount, AfterValidator(a_ratio), WithJsonSchema(shapes.RATIO)]
Positive = Annotated[Amount, AfterValidator(positive), WithJsonSchema(shapes.POSITIVE_NUMBER)]
Share = Annotated[Amount, AfterValidator(a_share), WithJsonSchema(shapes.SHARE)]
AmountSeries = Annotated[
    Series, BeforeValidator(parse_series), PlainSerializer(_plain), WithJsonSchema(shapes.series(shapes.AMOUNT))
]
QuantitySeries = Annotated[AmountSeries, _each(not_negative), WithJsonSchema(shapes.series(shapes.QUANTITY))]
ShareSeries = Annotated[AmountSeries, _each(a_share), WithJsonSchema(shapes.series(shapes.SHARE))]
ByYear = Annotated[
    Mapping[Annotated[int, BeforeValidator(_year)], Positive],
    BeforeValidator(parse_by_year),
    WithJsonSchema(shapes.years(shapes.POSITIVE_NUMBER)),
]
QuantityByYear = Annotated[
    Mapping[Annotated[int, BeforeValidator(_year)], Quantity],
    BeforeValidator(parse_by_year),
    WithJsonSchema(shapes.years(shapes.QUANTITY)),
]


class Described(BaseModel):
    """Base class of the objects of an instance file: a printed name, a source and a note."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    name: str | None = Field(default=None, description="Printed name.")
    source: str | None = Field(default=None, description="Source of the numbers.")
    note: str | None = Field(default=None, description="Any other remark.")

    @field_validator("name")
    @classmethod
    def _of_one_line(cls, name: str | None) -> str | None:
        name = None if name is None else name.strip()
        if name and any(unicodedata.category(sign) == "Cc" for sign in name):
            raise finding("holds a line break or another control character", "Write the name on one line.")
        return name


# Money in arguments: 250e6, "250M".
MoneyLike = float | str


def parse_money(value: Any) -> float:
    """Parse an amount of money, 0 or more, from a number or from text such as ``250M``.

    Raises:
        ValueError: the value is no such amount; the message has the cure.
    """
    plain = float(value) if isinstance(value, Real | Decimal) and not isinstance(value, int) else value
    _require_finite(plain)
    try:
        amount = parse_amount(plain)
    except PydanticCustomError as error:
        raise ValueError(f"{error.message()}. {(error.context or {}).get('cure', '')}") from None
    if amount < 0:
        raise ValueError("write 0 or more.")
    return amount


def _require_finite(value: Any) -> None:
    """Raise ValueError for NaN, infinity and the text ``any``."""
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"nan is no amount. {_WRITE_NUMBER}")
    if (isinstance(value, float) and math.isinf(value)) or (isinstance(value, str) and value.strip() == "any"):
        cure = "For no limit, write --set policy.budget=null, in Python with_budget(instance, None)."
        raise ValueError(f"{value} is not a finite amount. {cure}")


def money(value: MoneyLike | None, name: str) -> float | None:
    """Return an argument as an amount of money; None stays None.

    Raises:
        ArgumentError: the value is no amount of money.
    """
    if value is None:
        return None
    try:
        return parse_money(value)
    except ValueError as error:
        raise ArgumentError(name, value, str(error)) from None


def budget_list(budgets: Any, least: int = 0) -> list[float | None] | Literal["auto"] | None:
    """Parse the budgets to compare from a list of amounts, or from text such as ``0,250M,any``.

    In the result None stands for any budget. The arguments ``auto`` and None are returned unchanged.

    Raises:
        ValueError: one is no amount of money, or there are fewer than `least`; the message has the cure.
    """
    if budgets is None or (isinstance(budgets, str) and budgets.strip() == "auto"):
        return None if budgets is None else "auto"
    if not isinstance(budgets, Iterable) or isinstance(budgets, Mapping | bytes):
        raise ArgumentError("budgets", budgets, 'write a list such as [0, "250M", None], or "auto".')
    found = [_budget(each) for each in (budgets.split(",") if isinstance(budgets, str) else budgets)]
    if len(found) < least:
        raise ArgumentError("budgets", budgets, "write at least one, or leave them out.")
    return found


def _budget(value: Any) -> float | None:
    is_any = value is None or (isinstance(value, str) and value.strip() == "any")
    if isinstance(value, float) and math.isinf(value):
        raise ArgumentError("budgets", value, "for no limit, write None, or any as text.")
    return None if is_any else money(value, "budgets")


def si(value: float, unit: str = "", digits: int = 3) -> str:
    """Format a number to `digits` significant digits, at least all whole ones: ``1.23B t``, ``9,994 t``, ``−2.5M``."""
    for bound, suffix in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= bound * (1 - 0.5 * 10 ** (-digits)):
            scaled = value / (1e3 if suffix == "k" else bound)
            return f"{short(scaled, digits)}{suffix} {unit}".rstrip()
    return f"{short(value, digits)} {unit}".rstrip()


def short(value: float, digits: int = 3) -> str:
    """Format a number to `digits` significant digits, at least all whole ones, without suffix: ``1,234``, ``0.012``."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)) + FINE_ROUNDING))
    text = fixed(value, min(places, 6))
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: float, places: int) -> str:
    """Format a number to `places` decimals, halves away from zero: ``1,234.5``, ``−0.3``; 0 has no sign.

    The number is first rounded to 12 digits, so that errors of arithmetic do not decide how a half is rounded.
    """
    exact = Decimal(f"{value:.{EXACT - 1}e}")
    rounded_half = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _WIDE)
    return f"{'' if rounded_half >= 0 else MINUS}{abs(rounded_half):,f}"


def significant(value: float, digits: int) -> float:
    """Return the number to `digits` significant digits, rounded as `fixed` does."""
    return float(Context(digits, ROUND_HALF_UP).create_decimal(f"{value:.{EXACT - 1}e}"))


def signed_amount(amount: float) -> str:
    """Return an amount with its sign: ``+39.6M``, ``−2.36B``, ``0``."""
    return f"{'+' if amount > 0 else ''}{si(amount)}"


def si_up(value: float, unit: str = "", digits: int = 3) -> str:
    """Format an amount that suffices: it is rounded up."""
    return si(rounded_up(value, digits), unit, digits)


def si_down(value: float, unit: str = "", digits: int = 3) -> str:
    """Format an amount that is known not to suffice: it is rounded down."""
    return si(rounded_down(value, digits), unit, digits)


def least_whole(value: float, tolerance: float = ROUNDING) -> int:
    """Return the least whole number not below a value, up to errors of arithmetic."""
    return math.ceil(value - tolerance)


def greatest_whole(value: float, tolerance: float = ROUNDING) -> int:
    """Return the greatest whole number not above a value, up to errors of arithmetic."""
    return math.floor(value + tolerance)


def rounded_up(value: float, digits: int) -> float:
    """Round up to `digits` significant digits."""
    return _to_step(value, digits, lambda steps: math.ceil(steps - LAST_DIGIT))


def rounded_down(value: float, digits: int) -> float:
    """Round down to `digits` significant digits."""
    return _to_step(value, digits, lambda steps: math.floor(steps + LAST_DIGIT))


def _to_step(value: float, digits: int, whole: Callable[[float], int]) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    step = math.floor(math.log10(abs(value))) - digits + 1
    # Goes through text, so that the product adds no digits.
    return float(f"{whole(value / 10.0**step)}e{step}")


def rounded(value: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that does not exceed the number; 0 for 0."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** greatest_whole(math.log10(value))
    return unit * max(step for step in (1.0, 2.0, 5.0) if step * unit <= value * (1.0 + ROUNDING))


class Commitment(Described):
    """Money already spent or pledged: it is reported beside the outlay, and is part of no cost."""

    amount: Positive = Field(description="Money spent or pledged, undiscounted.")
    year: Year | None = Field(default=None, description="Calendar year of the payment or the pledge.")
    conditional: bool = Field(
        default=False,
        description="Whether it still depends on something, such as a permit, a loan agreement or equity to be raised.",
    )


_COMMITTED = "Money already spent or pledged by somebody, a list: reported beside the outlay, and in no cost or budget."
Commitments = Annotated[tuple[Commitment, ...], Field(description=_COMMITTED)]
