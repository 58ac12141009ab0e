"""Given plans (hand-written, saved by `solve`, or tables of builds), fitted to an instance, which may be another one.

    name: the ministry's list                       # optional
    builds: {plant: {2027: 500}}                    # option: {year or decision point: size}
    purchases: {reserve: {2027: 300, 2028Q1: 100}}  # stockpile: {year or period: t}
    futures:                                        # optional: additional purchases in some futures only
      late: {builds: {extension: {2028: 60}}}       # a future, a branch, or several: late.tighten

hand-written   YAML or JSON as above; purchases of a year or quarter are spread evenly over its periods
plan.json      of `solve --output` or `--json`: its lists `builds` and `purchases`, with futures if it has any
builds.csv     of `solve --csv`, with `purchased.csv` beside it; `decisions.csv`; or any table with the columns option,
               period and size, and `future` if some rows hold only in some futures

Sizes are matched by the name of the option and the label of the period. Names unknown to the instance are findings, and
so are purchases that differ between futures before these can be distinguished.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer import arguments
from optimizer.errors import Finding, GivenPlanError, InstanceError, Place, Vocabulary, excerpt
from optimizer.files import is_workbook, saved_plan
from optimizer.instance.derived import size_text, with_stock_paths
from optimizer.instance.document import Document, document_of, parse, read_text
from optimizer.instance.questions import FUTURES
from optimizer.instance.schema import Instance, require_instance
from optimizer.io.plan_entries import (
    BUILDS,
    KEYS,
    PURCHASES,
    AnticipatedDecision,
    BranchKeyError,
    BranchKeys,
    PlanEntry,
    entries_of,
    find_anticipated,
    open_plan,
)
from optimizer.levers import Lever, Sized, Stock
from optimizer.results.plan import Build, Plan
from optimizer.tolerances import NEGLIGIBLE, ROUNDING
from optimizer.units import not_negative, parse_amount, si


@dataclass(frozen=True)
class GivenPlan:
    """A plan to be evaluated as it is.

    Attributes:
        name: the name shown in tables.
        plan: sizes by decision point and purchases by period, with the resulting stocks; if purchases differ between
            futures, only those made in all of them.
        file: the file that was read, which findings name.
        lines: the lines of the file, by option and period; empty if it has none.
        futures: the plan in each future, by name; empty if all futures have the same purchases.
    """

    name: str
    plan: Plan
    file: str = "plan"
    lines: Mapping[tuple[str, int], int] = field(default_factory=dict, compare=False, repr=False)
    futures: Mapping[str, "GivenPlan"] = field(default_factory=dict, repr=False)

    def in_future(self, name: str) -> "GivenPlan":
        """Return the plan that applies in a future, with the name of the whole plan."""
        return replace(self.futures.get(name, self), name=self.name, futures={})

    def finding(self, option: str, t: int | None, period: str, what: str, cure: str) -> Finding:
        """Build a warning about a broken rule, at the line of a purchase; for all of an option, `t` is None."""
        lines = [line for (o, at), line in self.lines.items() if o == option and t in (None, at)]
        where = f"{option}.{period}" if period else option
        return Finding(self.file, min(lines, default=None), where, what, cure, "warning")


# An entry, and the numbers of the futures to which it applies, or None for all.
_Placed = tuple[PlanEntry, frozenset[int] | None]


def load_plan(path: str | FilePath, instance: Instance) -> GivenPlan:
    """Read a plan from a file and fit it to the options and periods of an instance.

    Args:
        path: a hand-written plan (YAML or JSON), a saved plan, or a CSV table of builds.
        instance: the instance whose options and periods the plan names.

    Returns:
        The plan. Purchases at no decision point, and a fixed-charge option bought twice, are refused; other rules
        (sizes, `earliest`, budgets) are left to `evaluate`.

    Raises:
        GivenPlanError: the plan is invalid for the instance, such as by a purchase that differs between futures before
            they can be distinguished; the error lists every finding with file, line and cure.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> so.load_plan("examples/plan.yaml", instance).plan
        <Plan
          2026  plant  20
          stock  reserve  largest 60 t>
    """
    require_instance(instance)
    try:
        document, entries = open_plan(str(arguments.file_path("path", path)), instance)
    except InstanceError as error:
        raise GivenPlanError(error.findings) from None
    return _read_entries(instance, document, entries, str(path))


def is_unsolved_plan(path: str | FilePath) -> bool:
    """Return whether a file is a plan without an instance inside: a table or a hand-written plan, but no saved plan."""
    if FilePath(path).suffix.lower() == ".csv":
        return True
    if is_workbook(path) or saved_plan(path) or not FilePath(path).is_file():
        return False
    try:
        keys = parse(read_text(path), str(path)).data.keys()
    except InstanceError:
        return False
    return "horizon" not in keys and (bool({BUILDS, PURCHASES} & keys) or (FUTURES in keys and keys <= set(KEYS)))


def read_given_plan(data: Mapping[str, Any], instance: Instance, name: str = "plan") -> GivenPlan:
    """Read a plan from a mapping in the form of a hand-written file or of a saved plan.

    Raises:
        GivenPlanError: the plan is invalid for the instance; the error lists every finding.
    """
    document = document_of(data, name)
    return _read_entries(instance, document, entries_of(document), name)


def _read_entries(instance: Instance, document: Document, entries: Sequence[PlanEntry], file: str) -> GivenPlan:
    """Combine entries into a plan; if some apply only in some futures, with one plan for each future.

    Raises:
        GivenPlanError: the entries are invalid for the instance; the error lists every finding.
    """
    placed, findings = _assign_futures(instance, document, entries)
    common = _read_all(instance, document, (entry for entry, numbers in placed if numbers is None))
    readers = _readers_by_future(instance, document, placed) if any(entry.futures for entry in entries) else []
    findings += [*document.findings, *(found for each in (common, *readers) for found in each.findings)]
    findings = findings or list(_find_anticipating(instance, readers))
    if findings:
        raise GivenPlanError(sorted(dict.fromkeys(findings), key=lambda finding: finding.line or 0))
    return replace(common.plan(file), futures=_plans(instance, readers, file))


def _plans(instance: Instance, readers: Sequence["_PlanReader"], file: str) -> dict[str, GivenPlan]:
    """Return the plan of each future, by name; futures that share a reader share the plan."""
    made = {id(reader): reader.plan(file) for reader in readers}
    names = [future.name for future in instance.tree.futures]
    return {name: made[id(reader)] for name, reader in zip(names, readers, strict=False)}


def _assign_futures(
    instance: Instance, document: Document, entries: Iterable[PlanEntry]
) -> tuple[list[_Placed], list[Finding]]:
    """Return entries with the numbers of their futures, and findings about entries with unknown futures."""
    keys, placed, findings = BranchKeys(instance), list[_Placed](), list[Finding]()
    for entry in entries:
        try:
            placed.append((entry, keys.numbers(entry.futures) if entry.futures else None))
        except BranchKeyError as error:
            key, what, cure = error.args
            has_line = entry.place[0] != FUTURES and entry.place in document.lines
            findings.append(document.finding(entry.place if has_line else (FUTURES, key), what, cure))
            findings += _read_all(instance, document, [entry]).findings
    return placed, findings


def _read_all(instance: Instance, document: Document, entries: Iterable[PlanEntry]) -> "_PlanReader":
    reader = _PlanReader(instance, document)
    for entry in entries:
        reader.add(entry)
    return reader


def _readers_by_future(instance: Instance, document: Document, placed: Sequence[_Placed]) -> list["_PlanReader"]:
    """Return, for each future, the reader with its entries; futures with the same entries share one."""
    made, result = dict[tuple[int, ...], _PlanReader](), list[_PlanReader]()
    for number in range(len(instance.tree.futures)):
        chosen = tuple(i for i, (_, numbers) in enumerate(placed) if numbers is None or number in numbers)
        if chosen not in made:
            made[chosen] = _read_all(instance, document, (placed[i][0] for i in chosen))
        result.append(made[chosen])
    return result


def _find_anticipating(instance: Instance, readers: Sequence["_PlanReader"]) -> Iterator[Finding]:
    """Yield a finding for each entry that depends on an answer before it is known."""
    said = set[tuple[int, Place]]()
    bought = {id(reader): reader.bought for reader in readers}
    for each in find_anticipated(instance.tree, [bought[id(reader)] for reader in readers]):
        entry = readers[each.futures[0]].entries[each.option, each.t]
        if (id(entry.document), entry.place) not in said:
            said.add((id(entry.document), entry.place))
            yield entry.document.finding(entry.place, *_describe_anticipated(instance, each))


def _describe_anticipated(instance: Instance, each: AnticipatedDecision) -> tuple[str, str]:
    """Return the problem and the cure of a decision that anticipates an answer."""
    one, other = (instance.tree.futures[number].name for number in each.futures)
    more, less = ("nothing" if amount is None else size_text(instance, each.option, amount) for amount in each.amounts)
    label, known = instance.horizon.label(each.t), instance.horizon.label(each.answer.t)
    buys = f"{label} buys {more} of {each.option} in {one} and {less} in {other}"
    what = f"{buys}, and these futures cannot be distinguished before {known}, when {each.answer.question} is answered"
    return what, f"Write the same for both, or decide it in {known} or later."


class _PlanReader:
    """Collects the entries of a plan one by one, and the findings about them."""

    def __init__(self, instance: Instance, document: Document) -> None:
        self.instance, self.document = instance, document
        self.findings: list[Finding] = []
        self.builds: dict[tuple[str, int], Build] = {}
        self.fills: dict[str, dict[int, float]] = {}
        self.lines: dict[tuple[str, int], int] = {}
        self.entries: dict[tuple[str, int], PlanEntry] = {}
        self._names = Vocabulary(instance.options, "option")
        self._reported = set[tuple[str, str]]()

    def add(self, entry: PlanEntry) -> None:
        """Add one entry to the plan, or a finding if it is invalid."""
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

    def _report(self, entry: PlanEntry, what: str, cure: str, place: Place | None = None) -> None:
        found = entry.document.finding(place or entry.place, what, cure)
        self.findings += [] if entry.document.explains(found) else [found]

    def _amount(self, entry: PlanEntry) -> float | None:
        try:
            return not_negative(parse_amount(entry.amount))
        except PydanticCustomError as error:
            context = error.context or {}
            self._report(entry, context["what"], context["cure"])
            return None

    def _is_known(self, entry: PlanEntry) -> bool:
        """Return whether the option of an entry exists and is bought in that way; report a problem once per option."""
        o, above = entry.option, entry.place[:-1]
        # In a table only whole entries have a line.
        place = above if above in entry.document.lines else entry.place
        option, is_stock = self.instance.options.get(o), o in self.instance.stocks
        if option is None:
            wrong = f'"{excerpt(o)}" is no option of {self.instance.title}', self._names.cure(o)
        elif entry.is_purchase is not None and entry.is_purchase != is_stock:
            sections = (BUILDS, PURCHASES) if is_stock else (PURCHASES, BUILDS)
            wrong = f"{o} is of kind {option.kind}, and stands under {sections[0]}", f"Move it to {sections[1]}."
        elif entry.kind not in (None, option.kind):
            what = f"{o} is of kind {entry.kind} in the plan, and of kind {option.kind} here"
            wrong = what, "Name the instance of the plan."
        else:
            return True
        if (o, wrong[0]) not in self._reported:
            self._reported.add((o, wrong[0]))
            self._report(entry, *wrong, place=place)
        return False

    def _periods(self, entry: PlanEntry) -> range:
        """Return the periods that the label of an entry names; an unknown label gives an empty range and a finding."""
        horizon = self.instance.horizon
        try:
            first = horizon.period(entry.period)
        except ValueError as error:
            what = f"{self.instance.title} has no period {excerpt(entry.period)}"
            # A wrong column of a table affects most rows: there a period is reported once per option, elsewhere always.
            if entry.document.lines.get(entry.place[:-1], 0) or (entry.option, str(error)) not in self._reported:
                self._report(entry, what, str(error))
            self._reported.add((entry.option, str(error)))
            return range(0)
        months = 12 if len(entry.period.strip()) == 4 else 3 if "Q" in entry.period else 1
        return range(first, first + max(1, months // horizon.months))

    def _build(self, entry: PlanEntry, a: int, size: float) -> None:
        o, horizon = entry.option, self.instance.horizon
        option, label = self.instance.sized[o], horizon.label(a)
        if a not in horizon.decisions:
            near = max(b for b in horizon.decisions if b <= a)
            cure = f"Write {horizon.label(near)}, or set horizon.decide of the instance."
            self._report(entry, f"{label} is no decision point", cure)
        elif (o, a) in self.builds:
            self._report_twice(entry, a)
        elif option.is_fixed_charge and (others := [b for other, b in self.builds if other == o]):
            what = f"{o} is bought in {horizon.label(others[0])} as well, and with a fixed cost or a min_size it is "
            self._report(entry, f"{what}bought once or not at all", "Write one year, with the whole size.")
        else:
            size = _round_to_units(size, option.unit_size)
            self.builds[o, a] = Build(o, option.kind, a, horizon.year(a), label, size, option.is_fixed_charge)
            self._record(entry, a)

    def _report_twice(self, entry: PlanEntry, t: int) -> None:
        cure, before = "Keep one of the two.", self.entries[entry.option, t]
        if entry.futures or before.futures:
            cure += " What stands under a future is bought beside what stands under none."
        self._report(entry, f"{entry.option} in {self.instance.horizon.label(t)} is given twice", cure)

    def _fill(self, entry: PlanEntry, periods: range, amount: float) -> None:
        fills = self.fills.setdefault(entry.option, {})
        twice = [t for t in periods if t in fills]
        if twice:
            self._report_twice(entry, twice[0])
            return
        for t in periods:
            fills[t] = amount / len(periods)
            self._record(entry, t)

    def _record(self, entry: PlanEntry, t: int) -> None:
        self.entries[entry.option, t] = entry
        line = entry.document.lines.get(entry.place)
        if line is not None and entry.document is self.document:
            self.lines[entry.option, t] = line

    @property
    def bought(self) -> dict[tuple[str, int], float]:
        """The amounts bought, by option and period."""
        fills = {(o, t): amount for o, row in self.fills.items() for t, amount in row.items()}
        return {key: build.size for key, build in self.builds.items()} | fills

    def plan(self, file: str) -> GivenPlan:
        """Return the plan of the entries added so far."""
        instance = self.instance
        order = {o: i for i, o in enumerate(instance.options)}
        builds = sorted(self.builds.values(), key=lambda build: (order[build.option], build.t))
        periods = instance.horizon.periods
        fills = {o: tuple(self.fills.get(o, {}).get(t, 0.0) for t in periods) for o in instance.stocks}
        plan = with_stock_paths(instance, Plan(tuple(builds), fills, {}))
        return GivenPlan(self._name(file), plan, file, self.lines)

    def _name(self, file: str) -> str:
        """Return the name of the plan, else that of its file, or of its folder for a ``builds.csv``."""
        named = self.document.data.get("name") or self.document.data.get("given")
        path = FilePath(file)
        return str(named or (path.resolve().parent.name if path.name == "builds.csv" else path.stem)).strip()


def _round_to_units(size: float, unit: float) -> float:
    """Return a size, rounded to whole units if the difference is a rounding error, as in `_size_breaches`."""
    whole = unit * round(size / unit) if unit > 0 else 0.0
    return whole if whole > 0 and abs(size - whole) <= max(ROUNDING * size, NEGLIGIBLE * unit) else size


def names_of(plans: Iterable[GivenPlan]) -> list[str]:
    """Return a name for each plan; plans that share a name get that of their file."""
    listed = list(plans)
    names = [plan.name for plan in listed]
    return [name if names.count(name) == 1 else plan.file for name, plan in zip(names, listed, strict=True)]


# Rules of buying.


@dataclass(frozen=True)
class RuleBreach:
    """A rule of an option that a plan breaks, and the fields of the option that lift it."""

    option: str
    # Period of the purchase and its label; None and empty if the rule is about all purchases.
    t: int | None
    period: str
    # Texts of the finding.
    what: str
    cure: str
    lifted: tuple[tuple[str, Any], ...]  # fields of the option and the new values with which the plan keeps the rule


def list_breaches(instance: Instance, plan: Plan) -> list[RuleBreach]:
    """Return the rules of buying that a plan breaks in an instance, in which stocks may begin with other amounts."""
    return [*_build_breaches(instance, plan), *_stock_breaches(instance, plan)]


def _build_breaches(instance: Instance, plan: Plan) -> Iterator[RuleBreach]:
    bought_of: dict[str, list[Build]] = {}
    for build in plan.builds:
        bought_of.setdefault(build.option, []).append(build)
    for o, builds in bought_of.items():
        option = instance.sized[o]
        yield from _year_breaches(option, [(build.t, build.period, build.year) for build in builds])
        bought = sum(build.size for build in builds)
        if bought > option.max_size * (1.0 + NEGLIGIBLE):
            what = f"{size_text(instance, o, bought)} are bought, max_size is {size_text(instance, o, option.max_size)}"
            yield RuleBreach(o, None, "", what, "Buy less, or raise max_size.", (("max_size", bought),))
        for build in builds:
            yield from _size_breaches(instance, option, build, bought - build.size)
        yield from _relation_breaches(plan, option, builds[0].t, builds[0].year)


def _year_breaches(option: Lever, purchases: Sequence[tuple[int, str, int]]) -> Iterator[RuleBreach]:
    """Yield the breaches by purchases before `earliest` or after `latest`."""
    years = [year for _, _, year in purchases]
    for name, limit, most, word, sign in (
        ("earliest", option.earliest, min(years), "before", -1),
        ("latest", option.latest, max(years), "after", 1),
    ):
        outside = [each for each in purchases if limit is not None and sign * each[2] > sign * limit]
        if outside:
            t, period, year = outside[0]
            what = f"it is bought in {year}, {word} its {name} year, {limit}"
            yield RuleBreach(option.id, t, period, what, f"Buy it in {limit}, or change {name}.", ((name, most),))


def _size_breaches(instance: Instance, option: Sized, build: Build, others: float) -> Iterator[RuleBreach]:
    """Yield the breaches by a build with a part of a unit or below the least size; `others` is the size of the rest."""
    size, o, t, period = size_text(instance, option.id, build.size), option.id, build.t, build.period
    units = build.size / option.unit_size if option.unit_size > 0 else 0.0
    cure = _nearest_sizes(instance, option, build.size, option.max_size - others)
    if units > 0 and (abs(units - round(units)) > NEGLIGIBLE or round(units) == 0):
        what = f"{size} is not in whole units of {size_text(instance, o, option.unit_size)}"
        yield RuleBreach(o, t, period, what, cure, (("unit_size", 0.0),))
    if build.size < option.min_size * (1.0 - NEGLIGIBLE):
        what = f"{size} is less than min_size, {size_text(instance, o, option.min_size)}"
        yield RuleBreach(o, t, period, what, cure, (("min_size", build.size),))


def _nearest_sizes(instance: Instance, option: Sized, size: float, most: float) -> str:
    """Write the cure of a size that breaks a rule: the nearest sizes of up to `most` that break none."""
    unit, least, slack = option.unit_size, option.min_size, 1.0 + NEGLIGIBLE
    down, up = min(size, most), max(size, least)
    if unit > 0:
        down, up = unit * math.floor(down / unit + NEGLIGIBLE), unit * math.ceil(up / unit - NEGLIGIBLE)
    kept = [each for each in (down, up) if 0 < each <= most * slack and each * slack >= least]
    said = [size_text(instance, option.id, each) for each in kept]
    return f"Buy {' or '.join(said if down in kept else [*said, 'none'])}."


def _relation_breaches(plan: Plan, option: Sized, opened: int, year: int) -> Iterator[RuleBreach]:
    first: dict[str, int] = {}
    for build in plan.builds:
        first[build.option] = min(build.t, first.get(build.option, build.t))
    if late := [o for o in option.requires if first.get(o, opened + 1) > opened]:
        names, kept = ", ".join(late), tuple(o for o in option.requires if o not in late)
        what = f"it requires {names} in {year} or before"
        yield RuleBreach(option.id, opened, "", what, f"Buy {names} as well.", (("requires", kept),))
    if both := [o for o in option.excludes if o in first]:
        names, kept = ", ".join(both), tuple(o for o in option.excludes if o not in both)
        what = f"it excludes {names}, which is bought as well"
        yield RuleBreach(option.id, opened, "", what, "Leave one of them out.", (("excludes", kept),))


def _stock_breaches(instance: Instance, plan: Plan) -> Iterator[RuleBreach]:
    horizon = instance.horizon
    for o, stock in instance.stocks.items():
        bought = [(t, horizon.label(t), horizon.year(t)) for t, fill in enumerate(plan.fills[o]) if fill > 0]
        if bought:
            yield from _year_breaches(stock, bought)
            yield from _amount_breaches(instance, plan, stock)


def _amount_breaches(instance: Instance, plan: Plan, stock: Stock) -> Iterator[RuleBreach]:
    o, horizon = stock.id, instance.horizon
    fills = plan.fills[o]
    held = max(stock.stock_path(horizon, fills))
    most, rate = max(fills), stock.most_in_a_year
    if most > rate * horizon.delta * (1.0 + NEGLIGIBLE):
        t = fills.index(most)
        yearly = most / horizon.delta
        what = f"it is filled with {si(yearly, 't/yr')}, fill_rate is {si(rate, 't/yr')}"
        yield RuleBreach(o, t, horizon.label(t), what, "Spread the purchase over more years.", (("fill_rate", yearly),))
    if held > stock.largest * (1.0 + NEGLIGIBLE):
        what = f"it holds {si(held, 't')}, max_size is {si(stock.largest, 't')}"
        yield RuleBreach(o, None, "", what, "Buy less, or raise max_size.", (("max_size", held),))
