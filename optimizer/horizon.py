"""The time axis: periods, their labels and lengths, and the decision points.

t      period, 0 … T−1      labelled 2026, 2026Q1 or 2026-01
Δ      delta, years         the length of a period
a      decision point       a period in which investments may be decided
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from optimizer.errors import finding
from optimizer.tolerances import NEGLIGIBLE, ROUNDING

Step = Literal["year", "quarter", "month"]
MONTHS: dict[Step, int] = {"year": 12, "quarter": 3, "month": 1}
_DATE = re.compile(r"^(\d{4})-(\d{2})-\d{2}")
_LABEL = re.compile(r"^(\d{4})(?:Q([1-4])|-(\d{2}))?$")
# A quarter as in Q1 2030, 1Q2030 or 2030-Q1, without what stands between its parts; a month or a day: 1/2030, 1.1.2030.
_QUARTER = re.compile(r"(?:Q([1-4])|([1-4])Q)(\d{4})|(\d{4})Q([1-4])")
_MONTH = re.compile(r"(?:\d{1,2}\.)?(0?[1-9]|1[0-2])[./-](\d{4})")


class Horizon(BaseModel):
    """Whole calendar years, first and last included, divided into periods of one length."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(ge=1900, le=2200, description="First calendar year.")
    end: int = Field(ge=1900, le=2200, description="Last calendar year, inclusive.")
    step: Step = Field(description="Length of a period: year, quarter or month.")
    decide: Step = Field(
        default="year",
        description="How often investments are decided: year (default), quarter or month; at most once a period.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Horizon":
        if self.end < self.start:
            raise finding(f"the horizon ends in {self.end}, before it starts in {self.start}", "Swap the two years.")
        return self

    @cached_property
    def months(self) -> int:
        """The length of a period in months."""
        return MONTHS[self.step]

    @cached_property
    def delta(self) -> float:
        """The length of a period in years, Δ."""
        return self.months / 12

    @cached_property
    def per_year(self) -> int:
        """Periods in a year."""
        return 12 // self.months

    @cached_property
    def periods(self) -> range:
        """All periods, t = 0 … T−1."""
        return range((self.end - self.start + 1) * self.per_year)

    @property
    def years(self) -> range:
        """All calendar years."""
        return range(self.start, self.end + 1)

    @property
    def decisions(self) -> range:
        """The periods at which investments are decided."""
        return range(0, len(self.periods), max(1, MONTHS[self.decide] // self.months))

    def year(self, t: int) -> int:
        """Return the calendar year of a period."""
        return self.start + t // self.per_year

    def label(self, t: int) -> str:
        """Return the name of a period: ``2026``, ``2026Q1`` or ``2026-01``."""
        return self._labels[t]

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        shapes = {"year": "{0}", "quarter": "{0}Q{1}", "month": "{0}-{1:02d}"}
        return tuple(shapes[self.step].format(self.year(t), t % self.per_year + 1) for t in self.periods)

    def even_parts(self, periods: range, amounts: Sequence[float]) -> Iterator[tuple[str, range]]:
        """Yield the parts of a calendar year, with their names, within which amounts by period do not change.

        The parts are the year where all of it is alike, or else its quarters, and the periods of a quarter that is not.
        """
        own, months = amounts[periods.start : periods.stop], len(periods) * self.months
        if max(own) - min(own) > NEGLIGIBLE * max(own):
            length = max(1, len(periods) // (4 if months == 12 else 3))
            for t in periods[::length]:
                yield from self.even_parts(range(t, t + length), amounts)
            return
        year, first = self.year(periods.start), periods.start % self.per_year
        names = {12: f"{year}", 3: f"{year}Q{first * self.months // 3 + 1}", 1: self.label(periods.start)}
        yield names[months], periods

    def whole(self, months: float) -> int:
        """Return the number of periods in a delay of `months`, rounded up."""
        return math.ceil(months / self.months - ROUNDING)

    def period(self, label: str | int) -> int:
        """Return the period with a label; a label coarser than the step stands for its first period.

        Raises:
            ValueError: no such label, one inside a period, or one outside the horizon. Its text is the cure.
        """
        found = _LABEL.match(str(label).strip())
        if not found:
            raise ValueError(_cure_of_label(str(label).strip()))
        year, quarter, month = int(found[1]), found[2], found[3]
        passed = 3 * (int(quarter) - 1) if quarter else int(month) - 1 if month else 0
        if not 0 <= passed < 12:
            raise ValueError("Months run from 01 to 12.")
        if passed % self.months:
            raise ValueError(f"Write it as a {self.step}, the step of this horizon, such as {self.label(0)}.")
        if not self.start <= year <= self.end:
            raise ValueError(f"Choose a period from {self.label(0)} to {self.label(self.periods[-1])}.")
        return (year - self.start) * self.per_year + passed // self.months


def _cure_of_label(label: str) -> str:
    """Return the cure for a label that is no period: what to write for a date, or a quarter written otherwise."""
    if day := _DATE.match(label):
        return f"It is a date: write its year, {day[1]}, or its month, {day[1]}-{day[2]}."
    if month := _MONTH.fullmatch(label):
        return f"Write the year, {month[2]}, or the year and the month, {month[2]}-{int(month[1]):02}."
    if quarter := _QUARTER.fullmatch(re.sub(r"[\s/-]", "", label.upper())):
        return f"Write {quarter[3] or quarter[4]}Q{quarter[1] or quarter[2] or quarter[5]}."
    return "Write a period such as 2027, 2027Q3 or 2027-07."


def no_period(value: Any, year: int = 2027) -> tuple[str, str]:
    """Return what is wrong with a value that is no text or whole number where a period is expected, and the cure."""
    cure = f"Write a period such as {year}, {year}Q3 or {year}-07."
    if value is None:
        shown = "nothing"
    elif isinstance(value, (list, tuple)):
        shown = "a list"
    elif isinstance(value, Mapping):
        shown = "a mapping"
    elif isinstance(value, (bool, float)):
        shown = f'"{value}"'
    else:
        shown = f"a value of type {type(value).__name__}"
        if hasattr(value, "strftime"):  # A period of pandas is its own text; of a date the month counts.
            cure = f"Write text: {value if hasattr(value, 'to_timestamp') else value.strftime('%Y-%m')}."
    return f"{shown} is no period", cure


def windowed(first: str, last: str, between: str = " to ") -> str:
    """Return a window as text: its first and last label, or one label for a single period."""
    return first if first == last else f"{first}{between}{last}"
