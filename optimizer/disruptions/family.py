"""Families of shocks: the starts, durations and severities that one entry lists, and the names of its shocks.

Starts   one period, a list of periods, or all periods of a span
Axis     one number, or a list of numbers
Grid     severities and durations of a family: its shocks are the cross product with its starts

`title` names a shock by those of its axes that are lists: ``embargo@2028Q1,6mo,80%``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from optimizer import shapes
from optimizer.horizon import MONTHS, Horizon, Step
from optimizer.suggestions import finding, suggest
from optimizer.units import Described, Positive, Share, parse_amount, positive

# Months of the period that a label names, by the characters of the label: ``2027``, ``2027Q3``, ``2027-07``.
_MONTHS_OF_LABEL = {4: 12, 6: 3, 7: 1}
_SPAN = ("from", "to", "every")


@dataclass(frozen=True)
class Starts:
    """The periods in which a window may begin, as the file names them."""

    # The periods listed; of a span its first and, where it is given, its last, which is inclusive.
    labels: tuple[str, ...]
    # One period, a list, a span, or the span of an ensemble in which every period is equally likely.
    form: Literal["one", "list", "span", "uniform"] = "one"
    every: Step | None = None  # the stride of a span; None is the step of the horizon

    @property
    def listed(self) -> bool:
        """Whether shocks are named by their start."""
        return self.form != "one"

    def periods(self, horizon: Horizon) -> tuple[int, ...]:
        """The periods meant, in the order of the file.

        Raises:
            ValueError: one of them is no period of the horizon, or a span goes backwards or too finely.
        """
        for what, cure in self.problems(horizon):
            raise ValueError(f"{what}. {cure}")
        if self.form in ("one", "list"):
            return tuple(horizon.period(label) for label in self.labels)
        first = horizon.period(self.labels[0])
        last = _end(horizon, self.labels[1]) if len(self.labels) > 1 else horizon.periods[-1]
        return tuple(range(first, last + 1, MONTHS[self.every or horizon.step] // horizon.months))

    def problems(self, horizon: Horizon) -> Iterator[tuple[str, str]]:
        """What is wrong with them in a horizon, and the cure of each."""
        seen: set[int] = set()
        for label in self.labels:
            try:
                first = horizon.period(label)
            except ValueError as cure:
                yield f'the start "{label}" is no period of the horizon', str(cure)
                continue
            if first in seen and self.form == "list":
                yield f'the start "{label}" is given twice', "Remove one of them."
            seen.add(first)
        if self.is_backwards(horizon, seen):
            begin, end = self.labels
            yield f'the last start "{end}" is before the first, "{begin}"', "Swap the two."
        if self.every and MONTHS[self.every] < horizon.months:
            coarser = f" or {horizon.step}" if horizon.step != "year" else ""
            yield f"every {self.every} is finer than the horizon's step", f"Write year{coarser}."

    def is_backwards(self, horizon: Horizon, known: Collection[int]) -> bool:
        """Whether they are a span that ends before it begins; False where an end is none of the known periods."""
        if self.form not in ("span", "uniform") or len(self.labels) < 2 or len(known) < len(set(self.labels)):
            return False
        begin, end = self.labels
        return _end(horizon, end) < horizon.period(begin)

    def plain(self) -> Any:
        """As the file has them."""
        if self.form == "uniform":
            return {"uniform": list(self.labels)}
        if self.form == "span":
            given = dict(zip(("from", "to"), self.labels, strict=False))
            return given | ({"every": self.every} if self.every else {})
        return list(self.labels) if self.listed else self.labels[0]


def _end(horizon: Horizon, label: str) -> int:
    """The last period that a label holds: the fourth quarter of ``2030``."""
    return horizon.period(label) + max(1, _MONTHS_OF_LABEL[len(label.strip())] // horizon.months) - 1


def parse_starts(value: Any) -> Starts:
    """Starts from a period, a list of them, or ``{from: …, to: …, every: …}``.

    Raises:
        PydanticCustomError: an empty list, something that cannot name a period, or an unknown key.
    """
    if isinstance(value, Starts):
        return value
    if isinstance(value, Mapping):
        return _span(value)
    if isinstance(value, (list, tuple)):
        return Starts(tuple(_label(item) for item in _nonempty(value)), "list")
    return Starts((_label(value),))


def parse_random_starts(value: Any) -> Starts:
    """Those of an ensemble, of which each is equally likely: the same, or ``{uniform: [first, last]}``."""
    if not isinstance(value, Mapping) or "uniform" not in value:
        return parse_starts(value)
    ends = value["uniform"]
    if len(value) > 1 or not isinstance(ends, (list, tuple)) or len(ends) != 2:
        raise finding("is no uniform draw of a start", "Write {uniform: [first period, last period]}.")
    return Starts(tuple(_label(end) for end in ends), "uniform")


def _span(value: Mapping[Any, Any]) -> Starts:
    for key in value:
        if key not in _SPAN:
            raise finding(f'"{key}" is no key of a span of starts', suggest(str(key), _SPAN, "The keys are"))
    if value.get("from") is None:
        raise finding("from is missing", "Add `from:`, the first start.")
    every = value.get("every")
    if every is not None and (not isinstance(every, str) or every not in MONTHS):
        raise finding(f"every {every} is no stride", "Write year, quarter or month.")
    ends = [value["from"]] + ([value["to"]] if value.get("to") is not None else [])
    return Starts(tuple(_label(end) for end in ends), "span", every)


def _label(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        shown = "nothing" if value is None else "a list" if isinstance(value, list) else f'"{value}"'
        raise finding(f"{shown} is no period", "Write a period such as 2027, 2027Q3 or 2027-07.")
    return str(value)


def _nonempty(value: Sequence[Any]) -> Sequence[Any]:
    if not value:
        raise finding("is an empty list", "Name at least one, or leave the field out.")
    return value


@dataclass(frozen=True)
class Axis:
    """Numbers that a family runs through; only those of a list are part of a name."""

    values: tuple[float, ...]
    listed: bool = False

    def plain(self) -> Any:
        """As the file has it."""
        return list(self.values) if self.listed else self.values[0]


def parse_durations(value: Any) -> Axis:
    """Months from a number or a list of numbers.

    Raises:
        PydanticCustomError: an empty list, what is no positive number, or a number that is given twice.
    """
    if isinstance(value, Axis):
        return value
    listed = isinstance(value, (list, tuple))
    numbers = tuple(positive(parse_amount(number)) for number in (_nonempty(value) if listed else (value,)))
    return Axis(_distinct(numbers), listed)


def _distinct(numbers: tuple[float, ...]) -> tuple[float, ...]:
    seen: set[str] = set()
    for number in map(number_text, numbers):
        if number in seen:
            raise finding(f"{number} is given twice", "Remove one of them.")
        seen.add(number)
    return numbers


def _as_list(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_nonempty(value))
    raise finding("is no list", "Write a list, such as [6, 12]; one value alone belongs to the shock or its cuts.")


class Grid(Described):
    """The durations and severities of a family of shocks."""

    severity: Annotated[tuple[Share, ...], BeforeValidator(_as_list), AfterValidator(_distinct)] = Field(
        default=(), description="List of severities, 0 to 1; each applies to all cuts of the entry and makes one shock."
    )
    months: Annotated[tuple[Positive, ...], BeforeValidator(_as_list), AfterValidator(_distinct)] = Field(
        default=(), description="List of durations, months; each makes one shock."
    )

    @model_validator(mode="after")
    def _not_empty(self) -> "Grid":
        if not self.severity and not self.months:
            raise finding("is empty", "Write `severity: [ … ]` or `months: [ … ]`, or remove the grid.")
        return self


def number_text(value: float) -> str:
    """A number in a name: as short as it can be, and no two alike."""
    return f"{value:.12g}"


def title(name: str, start: str | None, months: float | None, severity: float | None) -> str:
    """The name of a shock; an axis that is not listed is None."""
    parts = [] if start is None else [start]
    parts += [] if months is None else [f"{number_text(months)}mo"]
    parts += [] if severity is None else [f"{number_text(100 * severity)}%"]
    return f"{name}@{','.join(parts)}" if parts else name


ShockStarts = Annotated[
    Starts, BeforeValidator(parse_starts), PlainSerializer(Starts.plain), WithJsonSchema(shapes.STARTS)
]
RandomStarts = Annotated[
    Starts, BeforeValidator(parse_random_starts), PlainSerializer(Starts.plain), WithJsonSchema(shapes.RANDOM_STARTS)
]
Durations = Annotated[
    Axis,
    BeforeValidator(parse_durations),
    PlainSerializer(Axis.plain),
    WithJsonSchema(shapes.one_or_more(shapes.POSITIVE_NUMBER)),
]
