"""The entries of a given plan (hand-written file, saved plan or table), each with its place and futures.

`optimizer.io.plan_file` combines the entries into a plan. Such a file refers to futures by

late              a branch: every future that includes it
late.tighten      several branches: every future that includes all of them
heavies.late      a question with its branch, needed if several questions have a branch of that name

`find_anticipated` finds decisions that differ between futures before these can be distinguished.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from optimizer.errors import REPORT_FORMS, Finding, GivenPlanError, Place, did_you_mean, excerpt, nearest, suggest
from optimizer.files import is_workbook, saved_plan
from optimizer.instance.document import Document, file_content, parse, read_text
from optimizer.instance.questions import FUTURES, Answer
from optimizer.instance.schema import FutureTree, Instance
from optimizer.tolerances import NEGLIGIBLE

BUILDS, PURCHASES = "builds", "purchases"
SHAPE = "Write `builds: {option: {2027: size}}` and `purchases: {stockpile: {2027: tonnes}}`."
# The keys that a hand-written plan may have.
KEYS = ("name", "description", "source", "note", BUILDS, PURCHASES, FUTURES)
BRANCH_SHAPE = "Write `futures: {branch: {builds: {option: {2027: size}}}}`."
# A table written by `solve` has this column; for a stockpile it holds the largest stock, not the purchases.
COLUMN_OF_SOLVE = "on_line"
TABLE, PURCHASED = "builds.csv", "purchased.csv"
_GIVEN = "Name the plan.json of `diversify solve --output`, a builds.csv"


@dataclass(frozen=True)
class PlanEntry:
    """One amount of a plan file."""

    document: Document  # the file that holds it
    place: Place  # its keys in that file
    # Option and period as named in the file.
    option: str
    period: str
    amount: Any  # as written in the file
    # Whether the amount is t of a stockpile, not the size of a build; None if the kind of the option decides.
    is_purchase: bool | None
    kind: str | None = None  # kind of the option, if the file has it
    opened: bool = False  # whether the file marks the option as opened, even at size 0
    futures: tuple[str, ...] = ()  # names or branches of the futures with this purchase; empty for all


def open_plan(path: str, instance: Instance) -> tuple[Document, list[PlanEntry]]:
    """Read a plan file; return its document and its entries.

    Raises:
        InstanceError: the file cannot be read as a plan.
    """
    suffix = FilePath(path).suffix.lower()
    if suffix in REPORT_FORMS:
        file_content(path)  # A file that is missing is reported as such.
        what = f"is a {'workbook' if is_workbook(path) else 'report'}, not a plan"
        raise GivenPlanError([Finding(path, None, "", what, f"{_GIVEN}, or a plan in YAML.")])
    if (table := FilePath(path, TABLE)).is_file():
        raise GivenPlanError([Finding(path, None, "", "is a folder, not a plan", f"Name {table}.")])
    if suffix == ".csv":
        return _read_table(path, instance)
    if saved := saved_plan(path):
        document = Document(path, dict(saved))
        return document, list(_read_saved(document))
    document = parse(read_text(path), path, cure=SHAPE)
    return document, list(_read_hand_written(document))


def entries_of(document: Document) -> list[PlanEntry]:
    """Return the entries of a mapping in the form of a hand-written file or of a saved plan."""
    return list(_read_saved(document) if isinstance(document.data.get(BUILDS), list) else _read_hand_written(document))


# Written by hand.


def _read_hand_written(document: Document) -> Iterator[PlanEntry]:
    data = document.data
    if {"horizon", "demands"} <= data.keys():
        document.findings.append(document.finding((), "is an instance, not a plan", SHAPE))
        return
    if not {BUILDS, PURCHASES, FUTURES} & data.keys():
        cure = f"{_GIVEN}, or a plan by hand: {SHAPE[:1].lower()}{SHAPE[1:]}"
        document.findings.append(document.finding((), "names neither builds nor purchases", cure))
        # Another file, such as the JSON of a study, has no plan with a slip in each key.
        data = {key: data[key] for key in data if nearest(key, (BUILDS, PURCHASES))}
    _refuse_unknown(document, (), data, KEYS)
    yield from _read_purchases(document, (), data, ())
    for key, part in _pairs_of(document, (FUTURES,), data.get(FUTURES), BRANCH_SHAPE):
        place = (FUTURES, key)
        own = dict(_pairs_of(document, place, part, BRANCH_SHAPE))
        _refuse_unknown(document, place, own, (BUILDS, PURCHASES))
        yield from _read_purchases(document, place, own, (key,))


def _refuse_unknown(document: Document, place: Place, data: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in (key for key in data if key not in known):
        cure = did_you_mean(key, known, f"Known: {', '.join(known)}.")
        document.findings.append(document.finding((*place, key), f'"{excerpt(key)}" is an unknown key', cure))


def _read_purchases(
    document: Document, place: Place, data: Mapping[str, Any], futures: tuple[str, ...]
) -> Iterator[PlanEntry]:
    for section in (BUILDS, PURCHASES):
        for option, by_period in _pairs_of(document, (*place, section), data.get(section)):
            own = (*place, section, option)
            for period, amount in _pairs_of(document, own, by_period, "Write {2027: size}.", "says no year"):
                yield PlanEntry(document, (*own, period), option, period, amount, section == PURCHASES, futures=futures)


def _pairs_of(
    document: Document, place: Place, value: Any, cure: str = SHAPE, what: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the pairs of a mapping; add a finding if the value is none, unless an optional section is absent."""
    if isinstance(value, Mapping):
        yield from ((str(key), each) for key, each in value.items())
    elif value is not None or what:
        given = "nothing" if value is None else f'"{excerpt(value)}"'
        said = f"{given} {what}" if what else "is no mapping"
        document.findings.append(document.finding(place, said, cure))


# Saved by `solve`.


def _read_saved(document: Document) -> Iterator[PlanEntry]:
    data = document.data
    try:
        for build in data[BUILDS]:
            option, period, kind = str(build["option"]), str(build["period"]), build.get("kind")
            place, futures, opened = (BUILDS, option, period), _named_futures(build), bool(build.get("opened"))
            yield PlanEntry(document, place, option, period, build["size"], False, kind, opened, futures)
        yield from _read_saved_purchases(document, data.get(PURCHASES, {}))
    except (KeyError, TypeError, AttributeError) as error:
        why = f"lacks {error}" if isinstance(error, KeyError) else "is of another shape"
        what = f"is no plan file: an entry of builds or purchases {why}"
        cure = f"Solve the instance again with --output. By hand: {SHAPE}"
        document.findings.append(document.finding((), what, cure))


def _read_saved_purchases(document: Document, purchases: Any) -> Iterator[PlanEntry]:
    """Yield saved purchases: by stockpile and period for a single future, a list of decisions for several futures."""
    if isinstance(purchases, list):
        for each in purchases:
            option, period, futures = str(each["option"]), str(each["period"]), _named_futures(each)
            place = (PURCHASES, option, period)
            yield PlanEntry(document, place, option, period, each["amount"], True, each.get("kind"), futures=futures)
        return
    for option, row in purchases.items():
        for period, amount in row.items():
            if amount:
                yield PlanEntry(document, (PURCHASES, option, period), option, period, amount, True)


def _named_futures(decision: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the futures of a saved decision; the only future of an instance without questions has no name."""
    return tuple(str(name) for name in decision.get(FUTURES, ()) if name)


# A table.


def _read_rows(
    path: str, name: Callable[[str], str] = str
) -> tuple[Document, list[str], list[tuple[int, dict[str, str]]]]:
    """Read a table; return its document, its column names by `name`, and its rows, each with its line number.

    The apostrophe that protects a text from evaluation by spreadsheet programs is removed. A column given twice is a
    finding, and no row is read then; so is a row with too few or too many cells.
    """
    text = read_text(path).lstrip("\ufeff")
    # Lines may end as on any system, also in a carriage return alone.
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=max(",;\t", key=text.partition("\n")[0].count))
    try:
        rows = [(reader.line_num, [cell.strip().removeprefix("'") for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        what, cure = f"cannot be read as a table: {error}", "Write the columns option, period and size."
        raise GivenPlanError([Finding(path, reader.line_num, "", what, cure)]) from None
    document, head = Document(path, {}), [name(word.partition(" [")[0]) for word in rows[0][1]] if rows else []
    return document, head, list(_by_column(document, head, rows[1:]))


def _by_column(
    document: Document, head: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]
) -> Iterator[tuple[int, dict[str, str]]]:
    if twice := sorted({word for word in head if word and head.count(word) > 1}):
        what = f"has more than one column {', '.join(twice)}"
        document.findings.append(Finding(document.file, 1, "", what, "Keep one of them."))
        return
    for line, cells in rows:
        if len(cells) == len(head):
            yield line, dict(zip(head, cells, strict=True))
            continue
        what = f"the number of cells is {len(cells)}, and that of columns {len(head)}"
        document.findings.append(Finding(document.file, line, "", what, f"Write one for each: {', '.join(head)}."))


def _read_table(path: str, instance: Instance) -> tuple[Document, list[PlanEntry]]:
    document, head, rows = _read_rows(path, str.lower)
    when = "year" if {"period", "year"} & {*head} == {"year"} else "period"
    missing = [name for name in ("option", when, "size") if name not in head]
    if missing:
        what = f"has no column {', '.join(missing)}"
        document.findings.append(Finding(path, 1, "", what, "Write the columns option, period and size."))
        return document, []
    entries, stocks = list[PlanEntry](), list[str]()
    for line, row in rows:
        option, period, futures = row["option"], row[when], _futures_of_row(row)
        place = (*futures, BUILDS, option, period)
        document.lines.setdefault(place, line)
        if COLUMN_OF_SOLVE in head and option in instance.stocks:
            stocks.append(option)
            continue
        if row.get("until", period) != period:
            what = f"holds all that is bought of {option} from {period} to {row['until']} in one row"
            document.findings.append(document.finding(place, what, "Name the plan.json of `solve --output`."))
            continue
        amount, kind = row["size"], row.get("kind") or None
        opened = _is_opened_at_zero(kind, amount)
        entries.append(PlanEntry(document, place, option, period, amount, None, kind, opened, futures))
    return document, [*entries, *_read_purchased(document, stocks)]


def _is_opened_at_zero(kind: str | None, amount: str) -> bool:
    """Return whether a row opens an option at size 0: tables of `solve` name the kind and hold size 0 only then."""
    return kind is not None and amount in ("0", "0.0")


def _futures_of_row(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the futures of a row: one from the column `future`, or all names in the column `futures` of `solve`."""
    own = row.get("future", "")
    return (own,) if own else tuple(row.get(FUTURES, "").split())


def _read_purchased(document: Document, stocks: Sequence[str]) -> Iterator[PlanEntry]:
    """Yield the purchases of stockpiles in a table of builds, read from `purchased.csv` beside it."""
    path = str(FilePath(document.file).with_name(PURCHASED))
    beside, head, rows = _read_rows(path) if stocks and FilePath(path).is_file() else (document, [], [])
    if beside is not document:
        document.findings += beside.findings
    for option in stocks:
        if not {option, "period"} <= {*head}:
            cure = "Write the tables again with `diversify solve FILE --csv DIR`, or name the file of --output."
            what = f"holds the largest stock of {option}, and no {PURCHASED} beside it holds what is bought"
            document.findings.append(document.finding((BUILDS, option), what, cure))
            continue
        for line, row in rows:
            place = (PURCHASES, option, row["period"])
            beside.lines.setdefault(place, line)
            if row[option] not in ("", "0", "0.0"):
                yield PlanEntry(beside, place, option, row["period"], row[option], True)


# A question and its branch.
_Branch = tuple[str, str]


class BranchKeyError(ValueError):
    """A key names no futures. The arguments of the exception are the key, the problem and the cure."""


class BranchKeys:
    """The futures of an instance, found by the keys of a plan file."""

    def __init__(self, instance: Instance) -> None:
        self.title, self.tree = instance.title, instance.tree
        self.has_questions = bool(instance.futures)

    @cached_property
    def _names(self) -> dict[str, int]:
        return {future.name: number for number, future in enumerate(self.tree.futures)}

    @cached_property
    def _spellings(self) -> dict[str, frozenset[_Branch]]:
        """The branches that each spelling may mean, by spelling, the longest first."""
        found = defaultdict[str, set[_Branch]](set)
        for future in self.tree.futures:
            for answer in future.answers:
                own = (answer.question, answer.branch)
                # Tables write a branch name that several questions have with its question.
                for spelling in (answer.branch, ".".join(own), " ".join(own)):
                    found[spelling].add(own)
        return {spelling: frozenset(found[spelling]) for spelling in sorted(found, key=len, reverse=True)}

    def numbers(self, keys: Iterable[str]) -> frozenset[int]:
        """Return the numbers of the futures named by any of the keys.

        Raises:
            BranchKeyError: a key names no future.
        """
        return frozenset(number for key in keys for number in self._numbers_of_key(key))

    def _numbers_of_key(self, key: str) -> Sequence[int]:
        if key in self._names:
            return (self._names[key],)
        if not self.has_questions:
            what = f'"{excerpt(key)}" is a future, and {self.title} has none'
            raise BranchKeyError(key, what, "Write what is bought under builds and purchases, without futures.")
        return self._futures_with(key, self._branches(key))

    def _branches(self, key: str) -> frozenset[_Branch]:
        parts = self._parts(key)
        if not parts:
            known = [*(spelling for spelling in self._spellings if " " not in spelling), *self._names]
            what = f'"{excerpt(key)}" is no future and no branch of {self.title}'
            raise BranchKeyError(key, what, suggest(key, known, "Known:"))
        for part in parts:
            if len(part) > 1:
                both = " or ".join(".".join(each) for each in sorted(part))
                raise BranchKeyError(key, f'"{excerpt(key)}" is a branch of several questions', f"Write {both}.")
        return frozenset(branch for part in parts for branch in part)

    def _futures_with(self, key: str, wanted: frozenset[_Branch]) -> Sequence[int]:
        known = [{(answer.question, answer.branch) for answer in future.answers} for future in self.tree.futures]
        found = [number for number, own in enumerate(known) if wanted <= own]
        if not found:
            cure = f"Name branches that go together, as in {self.tree.futures[0].name}."
            raise BranchKeyError(key, f'no future has the branches of "{excerpt(key)}" together', cure)
        return found

    def _parts(self, key: str) -> list[frozenset[_Branch]]:
        """Return the branches that each part of a key may mean; an empty list if some part is no branch."""
        for spelling, branches in self._spellings.items():
            if key == spelling:
                return [branches]
            if key.startswith(f"{spelling}.") and (rest := self._parts(key[len(spelling) + 1 :])):
                return [branches, *rest]
        return []


@dataclass(frozen=True)
class AnticipatedDecision:
    """A purchase that differs between two futures before they can be distinguished."""

    option: str
    t: int
    futures: tuple[int, int]  # the numbers of both futures; the first one buys more
    amounts: tuple[float | None, float | None]  # what each buys; None for nothing
    answer: Answer  # the first answer of the first future that the second does not share


def find_anticipated(
    tree: FutureTree, bought: Sequence[Mapping[tuple[str, int], float]]
) -> Iterator[AnticipatedDecision]:
    """Yield, by period, each purchase that differs between two futures that cannot be distinguished in that period.

    `bought` has for each future amounts by (option, period); futures with equal purchases may share a mapping.
    """
    for t in range(max((t for each in bought for _, t in each), default=-1) + 1):
        seen = set[tuple[int, int]]()
        for number, own in enumerate(bought):
            first = tree.node(number, t)
            pair = id(bought[first]), id(own)
            if pair[0] != pair[1] and pair not in seen:
                seen.add(pair)
                yield from _differences(tree, bought, t, first, number)


def _differences(
    tree: FutureTree, bought: Sequence[Mapping[tuple[str, int], float]], t: int, first: int, number: int
) -> Iterator[AnticipatedDecision]:
    options = dict.fromkeys(o for which in (first, number) for o, at in bought[which] if at == t)
    for o in options:
        one, other = (bought[which].get((o, t)) for which in (first, number))
        if one is None or (other is not None and other > one):
            pair, amounts = (number, first), (other, one)
        else:
            pair, amounts = (first, number), (one, other)
        if not _are_equal(*amounts):
            yield AnticipatedDecision(o, t, pair, amounts, _first_differing_answer(tree, *pair))


def _are_equal(most: float | None, least: float | None) -> bool:
    """Return whether both amounts are given and equal within tolerance; None means not bought, unlike opened at 0."""
    return most is not None and least is not None and most - least <= NEGLIGIBLE * most


def _first_differing_answer(tree: FutureTree, one: int, other: int) -> Answer:
    """Return the first answer of future `one` that future `other` does not have."""
    known = tree.futures[other].answers
    return next(answer for answer in tree.futures[one].answers if answer not in known)
