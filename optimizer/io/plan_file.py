"""Plans that are given: written by hand, saved by `solve`, or a table of builds; in an instance that may be another.

    name: the ministry's list                       # optional
    builds: {plant: {2027: 500}}                    # option: {year or decision point: size}
    purchases: {reserve: {2027: 300, 2028Q1: 100}}  # stockpile: {year or period: t}

hand-written   YAML or JSON as above; what is bought in a year or quarter is spread evenly over its periods
plan.json      of `solve --output` or `--json`: its lists `builds` and `purchases`
builds.csv     of `solve --csv`, with `purchased.csv` beside it; or any table with the columns option, period and size

Sizes are taken by the name of the option and the label of the period. What the instance does not know is a finding.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.errors import Finding, GivenPlanError, InstanceError, Place
from optimizer.files import parse_json
from optimizer.instance.document import Document, parse
from optimizer.instance.schema import Instance
from optimizer.io.load import is_plan_file, is_workbook, read_text
from optimizer.results.given import GivenPlan
from optimizer.results.plan import Build, Plan
from optimizer.suggestions import Vocabulary, did_you_mean, excerpt
from optimizer.tolerances import ROUNDING
from optimizer.units import not_negative, parse_amount

BUILDS, PURCHASES = "builds", "purchases"
SHAPE = "Write `builds: {option: {2027: size}}` and `purchases: {stockpile: {2027: tonnes}}`."
# Beside these a hand-written plan may have a remark.
KEYS = ("name", "description", "source", "note", BUILDS, PURCHASES)
# A table that `solve` wrote has this column; of a stockpile it then holds the largest stock, not its purchases.
WRITTEN_BY_SOLVE = "on_line"
PURCHASED = "purchased.csv"


@dataclass(frozen=True)
class PlanEntry:
    """One amount of a plan file.

    Attributes:
        document: where it stands.
        place: and at which keys.
        option, period: names of the file.
        amount: as it stands there.
        is_purchase: whether it is t of a stockpile, not the size of a build; None where the option decides it.
        kind: of the option, where the file says so.
        opened: whether the file says that the option is opened, at size 0 too.
    """

    document: Document
    place: Place
    option: str
    period: str
    amount: Any
    is_purchase: bool | None
    kind: str | None = None
    opened: bool = False


def load_plan(path: str | FilePath, instance: Instance) -> GivenPlan:
    """Read a plan as it stands in an instance.

    Args:
        path: a hand-written plan (YAML or JSON), a saved plan, or a CSV table of builds.
        instance: whose options and periods the plan names.

    Returns:
        The plan. Rules of the instance that it breaks (sizes, years, budgets) are no matter of this function.

    Raises:
        GivenPlanError: with every finding, each with file, line, what is wrong and the cure.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> so.load_plan("examples/plan.yaml", instance).plan
        <Plan
          2026  plant  20
          stock  reserve  at most 60 t>
    """
    try:
        document, entries = _open(str(path), instance)
    except InstanceError as error:
        raise GivenPlanError(error.findings) from None
    reader = _PlanReader(instance, document)
    for entry in entries:
        reader.add(entry)
    return reader.finish(str(path))


def is_given_plan(path: str | FilePath) -> bool:
    """Whether a file is a plan that needs an instance: a table, or one written by hand; a saved plan holds its own."""
    if FilePath(path).suffix.lower() == ".csv":
        return True
    if is_workbook(path) or is_plan_file(path) or not FilePath(path).is_file():
        return False
    try:
        keys = parse(read_text(path), str(path)).data.keys()
    except InstanceError:
        return False
    return bool({BUILDS, PURCHASES} & keys) and "horizon" not in keys


def read_given_plan(data: Mapping[str, Any], instance: Instance, name: str = "plan") -> GivenPlan:
    """A plan from a mapping of the shape of a hand-written file, or of a saved plan.

    Raises:
        GivenPlanError: with every finding.
    """
    document = Document(name, {str(key): value for key, value in data.items()})
    reader = _PlanReader(instance, document)
    for entry in _saved(document) if isinstance(data.get(BUILDS), list) else _hand_written(document):
        reader.add(entry)
    return reader.finish(name)


def _open(path: str, instance: Instance) -> tuple[Document, list[PlanEntry]]:
    """A plan file as a document, and its entries."""
    suffix = FilePath(path).suffix.lower()
    if is_workbook(path):
        cure = "Name the plan.json of `diversify solve --output`, a builds.csv, or a plan in YAML."
        raise GivenPlanError([Finding(path, None, "", "is a workbook, not a plan", cure)])
    if suffix == ".csv":
        return _table(path, instance)
    if is_plan_file(path):
        document = Document(path, dict(parse_json(read_text(path))))
        return document, list(_saved(document))
    document = parse(read_text(path), path, cure=SHAPE)
    return document, list(_hand_written(document))


# Written by hand.


def _hand_written(document: Document) -> Iterator[PlanEntry]:
    data = document.data
    if {"horizon", "demands"} <= data.keys():
        document.findings.append(document.finding((), "is an instance, not a plan", SHAPE))
        return
    for key in data.keys() - set(KEYS):
        cure = did_you_mean(key, KEYS, f"Known: {', '.join(KEYS)}.")
        document.findings.append(document.finding((key,), f'"{excerpt(key)}" is an unknown key', cure))
    if not {BUILDS, PURCHASES} & data.keys():
        document.findings.append(document.finding((), "names neither builds nor purchases", SHAPE))
    for section in (BUILDS, PURCHASES):
        for option, by_period in _mapping(document, (section,), data.get(section)):
            for period, amount in _mapping(document, (section, option), by_period):
                place = (section, option, period)
                yield PlanEntry(document, place, option, period, amount, section == PURCHASES)


def _mapping(document: Document, place: Place, value: Any) -> Iterator[tuple[str, Any]]:
    """The pairs of a mapping; a finding where it is something else, nothing where it is left out."""
    if isinstance(value, Mapping):
        yield from ((str(key), each) for key, each in value.items())
    elif value is not None or len(place) > 1:
        what = f'"{excerpt(value)}" says no year' if len(place) > 1 else "is no mapping"
        document.findings.append(document.finding(place, what, "Write {2027: size}." if len(place) > 1 else SHAPE))


# Saved by `solve`.


def _saved(document: Document) -> Iterator[PlanEntry]:
    data = document.data
    try:
        for build in data[BUILDS]:
            option, period = str(build["option"]), str(build["period"])
            place, is_opened = (BUILDS, option, period), bool(build.get("opened"))
            yield PlanEntry(document, place, option, period, build["size"], False, build.get("kind"), is_opened)
        for option, row in data.get(PURCHASES, {}).items():
            for period, amount in row.items():
                if amount:
                    yield PlanEntry(document, (PURCHASES, option, period), option, period, amount, True)
    except (KeyError, TypeError, AttributeError) as error:
        what = f"is no plan file: {type(error).__name__} {error} in builds or purchases"
        cure = "Solve the instance again with --output."
        document.findings.append(document.finding((), what, cure))


# A table.


def _rows(path: str) -> tuple[Document, list[str], list[tuple[int, list[str]]]]:
    """The head of a table and its rows with their lines; text as it was before it was made safe for spreadsheets."""
    text = read_text(path).lstrip("\ufeff")
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    rows = [(reader.line_num, [cell.strip().removeprefix("'") for cell in row]) for row in reader if any(row)]
    return Document(path, {}), [word.partition(" [")[0] for word in rows[0][1]] if rows else [], rows[1:]


def _table(path: str, instance: Instance) -> tuple[Document, list[PlanEntry]]:
    document, head, rows = _rows(path)
    when = "period" if "period" in head else "year"
    missing = [name for name in ("option", when, "size") if name not in head]
    if missing:
        what = f"has no column {', '.join(missing)}"
        document.findings.append(Finding(path, 1, "", what, "Write the columns option, period and size."))
        return document, []
    entries, stocks = list[PlanEntry](), list[str]()
    for line, cells in rows:
        row = dict(zip(head, cells, strict=False))
        option, period = row["option"], row.get(when, "")
        place = (BUILDS, option, period)
        document.lines.setdefault(place, line)
        if WRITTEN_BY_SOLVE in head and option in instance.stocks:
            stocks.append(option)
            continue
        amount = row.get("size", "")
        entries.append(PlanEntry(document, place, option, period, amount, None, row.get("kind") or None))
    return document, [*entries, *_purchased(document, stocks)]


def _purchased(document: Document, stocks: Sequence[str]) -> Iterator[PlanEntry]:
    """The purchases of stockpiles in a table of builds, from the table beside it."""
    path = str(FilePath(document.file).with_name(PURCHASED))
    beside, head, rows = _rows(path) if stocks and FilePath(path).is_file() else (document, [], [])
    for option in stocks:
        if option not in head:
            cure = "Write the tables again with `diversify solve FILE --csv DIR`, or name the file of --output."
            what = f"holds the largest stock of {option}, and no {PURCHASED} beside it holds what is bought"
            document.findings.append(document.finding((BUILDS, option), what, cure))
            continue
        for line, cells in rows:
            row = dict(zip(head, cells, strict=False))
            place = (PURCHASES, option, row["period"])
            beside.lines.setdefault(place, line)
            if row.get(option) not in ("", "0", "0.0", None):
                yield PlanEntry(beside, place, option, row["period"], row[option], True)


class _PlanReader:
    """Takes the entries of a plan one by one; what is wrong with any of them is told at the end."""

    def __init__(self, instance: Instance, document: Document) -> None:
        self.instance, self.document = instance, document
        self.findings: list[Finding] = []
        self.builds: dict[tuple[str, int], Build] = {}
        self.fills: dict[str, dict[int, float]] = {}
        self.lines: dict[tuple[str, int], int] = {}
        self._names = Vocabulary(instance.options, "option")
        self._said: dict[tuple[str, str], int] = {}

    def add(self, entry: PlanEntry) -> None:
        """Take one amount, or note what is wrong with it."""
        amount = self._amount(entry)
        if not self._is_known(entry) or amount is None:
            return
        periods = self._periods(entry)
        if not periods or (amount == 0.0 and not entry.opened):
            return
        if entry.option in self.instance.stocks:
            self._fill(entry, periods, amount)
        else:
            self._build(entry, periods.start, amount)

    def _say(self, entry: PlanEntry, what: str, cure: str, place: Place | None = None) -> None:
        self.findings.append(entry.document.finding(place or entry.place, what, cure))

    def _amount(self, entry: PlanEntry) -> float | None:
        try:
            return not_negative(parse_amount(entry.amount))
        except PydanticCustomError as error:
            context = error.context or {}
            self._say(entry, context["what"], context["cure"])
            return None

    def _is_known(self, entry: PlanEntry) -> bool:
        """Whether the option is there, and is bought in that way; said once for each option."""
        o, place = entry.option, entry.place[:2]
        option, is_stock = self.instance.options.get(o), o in self.instance.stocks
        if option is None:
            wrong = f'"{excerpt(o)}" is no option of {self.instance.title}', self._names.cure(o)
        elif entry.is_purchase is not None and entry.is_purchase != is_stock:
            sections = (BUILDS, PURCHASES) if is_stock else (PURCHASES, BUILDS)
            wrong = f"{o} is of kind {option.kind}, and stands under {sections[0]}", f"Move it to {sections[1]}."
        elif entry.kind not in (None, option.kind):
            wrong = (
                f"{o} is of kind {entry.kind} in the plan, and of kind {option.kind} here",
                "Name the instance of the plan.",
            )
        else:
            return True
        if (o, wrong[0]) not in self._said:
            self._said[o, wrong[0]] = 1
            self._say(entry, *wrong, place=place)
        return False

    def _periods(self, entry: PlanEntry) -> range:
        """The periods that a label names; none where it names none."""
        horizon = self.instance.horizon
        try:
            first = horizon.period(entry.period)
        except ValueError as error:
            what = f"{self.instance.title} has no period {excerpt(entry.period)}"
            # Of a row with a period too many most are: one finding will do.
            if entry.document.lines.get(entry.place[:2], 0) or (entry.option, str(error)) not in self._said:
                self._say(entry, what, str(error))
            self._said[entry.option, str(error)] = 1
            return range(0)
        months = 12 if len(entry.period.strip()) == 4 else 3 if "Q" in entry.period else 1
        return range(first, first + max(1, months // horizon.months))

    def _build(self, entry: PlanEntry, a: int, size: float) -> None:
        o, horizon = entry.option, self.instance.horizon
        option, label = self.instance.sized[o], horizon.label(a)
        if a not in horizon.decisions:
            near = max(b for b in horizon.decisions if b <= a)
            cure = f"Write {horizon.label(near)}, or set horizon.decide of the instance."
            self._say(entry, f"{label} is no decision point", cure)
        elif (o, a) in self.builds:
            self._say(entry, f"{o} in {label} stands twice", "Keep one of the two.")
        elif option.is_lumpy and (others := [b for other, b in self.builds if other == o]):
            what = f"{o} is bought in {horizon.label(others[0])} as well, and with a fixed cost or a min_size it is "
            self._say(entry, f"{what}bought once or not at all", "Write one year, with the whole size.")
        else:
            size = _whole_units(size, option.unit_size)
            self.builds[o, a] = Build(o, option.kind, a, horizon.year(a), label, size, option.is_lumpy)
            self._note_line(entry, a)

    def _fill(self, entry: PlanEntry, periods: range, amount: float) -> None:
        fills = self.fills.setdefault(entry.option, {})
        twice = [t for t in periods if t in fills]
        if twice:
            label = self.instance.horizon.label(twice[0])
            self._say(entry, f"{entry.option} in {label} stands twice", "Keep one of the two.")
            return
        for t in periods:
            fills[t] = amount / len(periods)
            self._note_line(entry, t)

    def _note_line(self, entry: PlanEntry, t: int) -> None:
        line = entry.document.lines.get(entry.place)
        if line is not None and entry.document is self.document:
            self.lines[entry.option, t] = line

    def finish(self, file: str) -> GivenPlan:
        """The plan.

        Raises:
            GivenPlanError: with every finding.
        """
        findings = [*self.document.findings, *self.findings]
        if findings:
            raise GivenPlanError(sorted(dict.fromkeys(findings), key=lambda finding: finding.line or 0))
        instance = self.instance
        order = {o: i for i, o in enumerate(instance.options)}
        builds = sorted(self.builds.values(), key=lambda build: (order[build.option], build.t))
        periods = instance.horizon.periods
        fills = {o: tuple(self.fills.get(o, {}).get(t, 0.0) for t in periods) for o in instance.stocks}
        stocks = {o: stock.stock_path(instance.horizon, fills[o]) for o, stock in instance.stocks.items()}
        return GivenPlan(self._name(file), Plan(tuple(builds), fills, stocks), file, self.lines)

    def _name(self, file: str) -> str:
        """The name that the plan has, or that of its file; of a ``builds.csv`` that of its folder."""
        named = self.document.data.get("name") or self.document.data.get("given")
        path = FilePath(file)
        return str(named or (path.resolve().parent.name if path.name == "builds.csv" else path.stem)).strip()


def _whole_units(size: float, unit: float) -> float:
    """The size; in whole units where it differs from that by its last digits only."""
    whole = unit * round(size / unit) if unit > 0 else size
    return whole if abs(size - whole) <= ROUNDING * size else size


def names_of(plans: Iterable[GivenPlan]) -> list[str]:
    """A name for each plan; where two have the same, that of the file."""
    some = list(plans)
    names = [plan.name for plan in some]
    return [name if names.count(name) == 1 else plan.file for name, plan in zip(names, some, strict=True)]
