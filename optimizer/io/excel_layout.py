"""The layout of an instance in a workbook: one sheet per table, one row per entry, one column per field.

    instance       columns key, value, comment: values outside tables, by dotted keys such as horizon.start
    comments       columns about, comment: the header of the file, line by line, and comments on whole sheets
    other sheets   `LAYOUTS`: columns of keys, then one column per field; the column `comment` has comments on a row,
                   a note of a cell has comments on the cell

A column may be a dotted path: `capacity.2027` is the value of a year, `end_of_life.commodity` a field of a field. A
value other than a number, text or boolean stands in its cell as YAML in one line, ``[6, 12]`` or ``{magnet: 1}``.
Questions that arise only in one branch are written in the same way.
Sheets and columns whose names start with ``_`` are not read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isfinite
from types import NoneType
from typing import Any

from pydantic import BaseModel

from optimizer.disruptions.adversary import AdversarySpec, AttackTarget
from optimizer.disruptions.ensemble import DrawnCut, EnsembleSpec, Event
from optimizer.disruptions.shock import Cut, ShockSpec
from optimizer.errors import Place
from optimizer.instance.document import TEXT_FIELDS, parse_value
from optimizer.instance.questions import Question, QuestionBranch
from optimizer.instance.ranges import RangeSpec
from optimizer.instance.schema import Commodity, Member, Policy, Region, ShareRule, SurvivalRule
from optimizer.instance.text import Allowance
from optimizer.io.json_schema import build_schema, takes_number
from optimizer.io.yaml_text import Comment, dump_flow
from optimizer.levers import known_kinds
from optimizer.network.process import Demand, EndOfLife, Process
from optimizer.units import parse_amount

KEY, ITEM = "<key>", "<item>"
COMMENT, ABOUT = "comment", "about"
INSTANCE, COMMENTS = "instance", "comments"
_NESTED = ("horizon", "policy", "adversary", "end_of_life", "grid")
_YEAR = re.compile(r"^\d{4}$")
_NUMBER = re.compile(r"^-?\d+(\.\d+)?(e[-+]?\d+)?$")
_AMOUNT = re.compile(r"^[-+]?[\d_.]+([eE][-+]?\d+)?\s*[kMB]?$")


@dataclass(frozen=True)
class SheetLayout:
    """One sheet: the places of its rows in an instance, its key columns, and the model of its other columns."""

    sheet: str
    path: tuple[str, ...]  # place of its rows; `KEY` stands for any key of a mapping, `ITEM` for any item of a list
    keys: tuple[str, ...]  # the columns with those keys, in order
    # Model of a row; None if rows are single values, and for options, which have one model per kind.
    model: type[BaseModel] | None = None
    value: str = ""  # the column of the value, if rows are single values

    @property
    def models(self) -> tuple[type[BaseModel], ...]:
        """The models of a row."""
        if self.sheet == "options":
            return tuple(known_kinds().values())
        return (self.model,) if self.model else ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a row, in order of declaration."""
        names = (field.alias or key for model in self.models for key, field in model.model_fields.items())
        return tuple(dict.fromkeys(names))

    def knows(self, column: str) -> bool:
        """Return whether a column is of a field, or of an unknown key that a kind of option has a cure for."""
        key = column.partition(".")[0]
        kinds = known_kinds().values() if self.sheet == "options" else ()
        return not self.models or key in self.fields or any(kind.cure_of_unknown(key) for kind in kinds)

    def holds(self, place: Place) -> bool:
        """Return whether a place is a row of this sheet, or inside one."""
        return len(place) >= len(self.path) and all(
            (part == KEY and isinstance(at, str)) or (part == ITEM and isinstance(at, int)) or part == at
            for part, at in zip(self.path, place, strict=False)
        )


LAYOUTS = (
    SheetLayout("regions", ("regions", KEY), ("id",), Region),
    SheetLayout("commodities", ("commodities", KEY), ("id",), Commodity),
    SheetLayout("processes", ("processes", KEY), ("id",), Process),
    SheetLayout("demands", ("demands", KEY), ("id",), Demand),
    SheetLayout("options", ("options", KEY), ("id",)),
    SheetLayout("shocks", ("shocks", KEY), ("id",), ShockSpec),
    SheetLayout("cuts", ("shocks", KEY, "cuts", ITEM), ("shock",), Cut),
    SheetLayout("ensembles", ("ensembles", KEY), ("id",), EnsembleSpec),
    SheetLayout("ensemble_cuts", ("ensembles", KEY, "cuts", ITEM), ("ensemble",), DrawnCut),
    SheetLayout("events", ("ensembles", KEY, "events", KEY), ("ensemble", "id"), Event),
    SheetLayout("event_cuts", ("ensembles", KEY, "events", KEY, "cuts", ITEM), ("ensemble", "event"), DrawnCut),
    SheetLayout("targets", ("adversary", "targets", KEY), ("id",), AttackTarget),
    SheetLayout("target_cuts", ("adversary", "targets", KEY, "cuts", ITEM), ("target",), Cut),
    SheetLayout("max_share", ("policy", "max_share", ITEM), (), ShareRule),
    SheetLayout("min_share", ("policy", "min_share", ITEM), (), ShareRule),
    SheetLayout("min_time_to_survive", ("policy", "min_time_to_survive", ITEM), (), SurvivalRule),
    SheetLayout("force", ("policy", "force", KEY, KEY), ("option", "year"), value="size"),
    SheetLayout("scenarios", ("scenarios", KEY, KEY), ("scenario", "key"), value="value"),
    SheetLayout("questions", ("futures", KEY), ("id",), Question),
    SheetLayout("branches", ("futures", KEY, "branches", KEY), ("question", "id"), QuestionBranch),
    SheetLayout(
        "branch_sets", ("futures", KEY, "branches", KEY, "set", KEY), ("question", "branch", "key"), value="value"
    ),
    SheetLayout("members", ("members", KEY), ("id",), Member),
    SheetLayout("ranges", ("ranges", KEY), ("id",), RangeSpec),
)
SHEETS = (COMMENTS, INSTANCE, *(layout.sheet for layout in LAYOUTS))


@dataclass
class LayoutRow:
    """One row: its place, keys, and values by column, the comments on it, and the comments on its cells by column."""

    place: Place
    keys: tuple[str, ...]
    values: dict[str, Any]
    comments: list[str] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)


def rows_of(layout: SheetLayout, data: Mapping[str, Any]) -> list[LayoutRow]:
    """Return the rows of a sheet, in the order of the instance."""
    found = []
    for place, keys, value in _matches(layout.path, data, (), ()):
        if layout.value:
            values = {layout.value: value}
        else:
            own = {key: part for key, part in (value or {}).items() if not _is_a_sheet((*layout.path, key))}
            values = dict(_flatten(own))
        found.append(LayoutRow(place, keys, values))
    return found


def rows_of_rest(data: Mapping[str, Any]) -> list[LayoutRow]:
    """Return the rows of the sheet `instance`: all values outside tables."""
    return [
        LayoutRow(tuple(key.split(".")), (key,), {"value": value}) for key, value in _flatten(_outside_tables(data, ()))
    ]


def _outside_tables(value: Any, place: tuple[str, ...]) -> Any:
    return {
        key: _outside_tables(part, (*place, key)) if key in _NESTED and isinstance(part, Mapping) else part
        for key, part in value.items()
        if not _is_a_sheet((*place, key))
    }


def _is_a_sheet(path: tuple[str, ...]) -> bool:
    return any(layout.path[:-1] == path for layout in LAYOUTS) or path in (("scenarios",), ("policy", "force"))


def _matches(
    path: tuple[str, ...], value: Any, place: Place, keys: tuple[str, ...]
) -> Iterator[tuple[Place, tuple[str, ...], Any]]:
    """Yield the places that a path matches, each with its keys and value."""
    if not path:
        yield place, keys, value
    elif path == (KEY,) and value == {} and keys:
        # An entry without content is a row too: a scenario without overrides, a branch that sets nothing.
        yield place, (*keys, ""), None
    else:
        for part, own, inner in _step_into(path[0], value):
            yield from _matches(path[1:], inner, (*place, part), (*keys, *own))


def _step_into(head: str, value: Any) -> Iterator[tuple[str | int, tuple[str, ...], Any]]:
    """Yield the results of one step of a path: part of the place, key (if the step is one), and value there."""
    if head == ITEM:
        yield from ((i, (), part) for i, part in enumerate(value if isinstance(value, (list, tuple)) else ()))
    elif not isinstance(value, Mapping):
        return
    elif head == KEY:
        yield from ((key, (str(key),), part) for key, part in value.items())
    elif value.get(head) is not None:
        yield head, (), value[head]


def _flatten(value: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a mapping by column; years and nested objects have columns of their own."""
    for key, part in value.items():
        if isinstance(part, Mapping) and part and (key in _NESTED or all(_YEAR.match(str(year)) for year in part)):
            yield from _flatten(part, f"{head}{key}.")
        elif part is not None:
            yield f"{head}{key}", part


def place_comments(
    comments: Iterable[Comment], tables: Mapping[str, list[LayoutRow]], rest: list[LayoutRow]
) -> list[tuple[str, str]]:
    """Attach comments to the rows and cells that they are about.

    Returns:
        The comments on the file and on whole sheets, as pairs of subject and text.
    """
    rows = {row.place: row for table in tables.values() for row in table}
    left = []
    for comment in comments:
        depth = max((len(each.path) for each in LAYOUTS if each.holds(comment.place)), default=0)
        row, within = (rows.get(comment.place[:depth]) if depth else None), comment.place[depth:]
        if row is not None:
            _add_note(row, within, comment.text)
        elif (single := _single_row_of(comment.place, rest)) is not None:
            single.comments.append(comment.text)
        else:
            left.append((".".join(map(str, comment.place)), comment.text))
    return left


def _single_row_of(place: Place, rest: list[LayoutRow]) -> LayoutRow | None:
    """Return the first row of the sheet `instance` that is at a place, inside it or around it, or None."""
    if not place or place in {(each.path[0],) for each in LAYOUTS}:
        return None
    return next((each for each in rest if each.place[: len(place)] == place[: len(each.place)]), None)


def _add_note(row: LayoutRow, within: Place, text: str) -> None:
    parts = [str(part) for part in within]
    columns = (".".join(parts[:depth]) for depth in range(len(parts), 0, -1))
    column = next((each for each in columns if each in row.values), None)
    column = column or next((each for each in row.values if parts and each.startswith(f"{parts[0]}.")), None)
    if column is None:
        row.comments.append(text)
    else:
        row.notes.setdefault(column, []).append(text)


@cache
def _amount_fields(models: tuple[type[BaseModel], ...]) -> frozenset[str]:
    """Return the fields that take a number in every model of a row; in them 60k means 60,000."""
    parts = build_schema()["$defs"]
    number: dict[str, bool] = {"discount_rate": True}
    named: tuple[type[BaseModel], ...] = (*models, EndOfLife)
    for part in (parts[model.__name__] for model in named):
        for name, shape in part["properties"].items():
            number[name] = number.get(name, True) and takes_number(shape, parts)
    return frozenset(name for name, is_number in number.items() if is_number)


def _field(column: str) -> str:
    """Return the field to which a column belongs: the last part of its name that is no year."""
    parts = [part for part in column.split(".") if not _YEAR.match(part)]
    return parts[-1] if parts else column


def to_cell(column: str, value: Any, models: tuple[type[BaseModel], ...] = (Policy, AdversarySpec)) -> Any:
    """Return the content of a cell for a value: a number, a text, a boolean, or a line of YAML."""
    if isinstance(value, (bool, NoneType)):
        return value
    if isinstance(value, (int, float)):
        return value if _fits_cell(value) else repr(value)
    if not isinstance(value, str):
        return dump_flow(value)
    if _AMOUNT.match(value.strip()) and _field(column) in _amount_fields(models):
        number = parse_amount(value)
        return int(number) if number.is_integer() else to_cell(column, number)
    return dump_flow(value, quoted=True) if _is_yaml(column, value) else value


def _fits_cell(value: float) -> bool:
    """Return whether a cell holds a number exactly: xlsxwriter writes 16 digits; other numbers become text."""
    return isfinite(value) and float(f"{value:.16G}") == value


def _long_number(value: Any) -> Any:
    """Return the number of a text written because a cell cannot hold it exactly; any other value unchanged."""
    if not isinstance(value, str) or not _NUMBER.match(value):
        return value
    number = float(value)
    return number if repr(number) == value and not _fits_cell(number) else value


def _is_yaml(column: str, text: str) -> bool:
    """Return whether the text of a cell is read as a line of YAML."""
    return not is_text(column) and text.lstrip()[:1] in ("{", "[", '"')


def is_text(column: str) -> bool:
    """Return whether a column holds text, which is never read as another type."""
    return _field(column) in TEXT_FIELDS


def from_cell(column: str, value: Any, file: str, allowance: Allowance) -> tuple[Any, list[tuple[str, str]]]:
    """Return the value of a cell, and the problems of a line of YAML in it, each with its cure.

    Raises:
        InstanceError: the cell holds no valid line of YAML.
        TextError: the workbook exceeds the limit on values.
    """
    allowance.take(None)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return int(value), []
    if not isinstance(value, str) or not _is_yaml(column, value):
        return value if is_text(column) else _long_number(value), []
    inner, findings = parse_value(value, file, allowance)
    return inner, [(finding.what, finding.cure) for finding in findings]
