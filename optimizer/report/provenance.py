"""Origin of the numbers in a report: the run record, assumptions with their sources, and the basis of each number.

A number of the file that describes the world is explained by the comment at its place, or else by the nearest comment
at an object that contains the number (`find_numbers`). Its basis is

    assumption   the comment says "assumption", "assumed", "judgement" or the like, whatever it cites besides
    source       its entry has a `source` (then only a comment behind the number itself makes it an assumption), or the
                 comment cites one: a grade such as (USGS 2026, A), or an address; or it names a table, such as "price
                 table", and another comment begins with that and cites sources
    derived      any other comment: it points to another number, gives the arithmetic, names a source without a grade;
                 "as said above" has the basis of what comments say after the name of the field (``ramp: …``)
    unexplained  there is no comment, or a grade alone, such as (B): it names no source

Years, lengths of shocks, and the values 0 and 1 (none, all, one t a t) are left out: they define the question.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.instance.derived import display_name, field_unit
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.io.yaml_text import are_alike
from optimizer.report.format import plural, uncertain_text
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.tolerances import ROUNDING, SHOWN_MIP_GAP
from optimizer.units import parse_amount, short, si, si_down

SOURCE_FIELDS = ("source", "note")

NumberPlace = tuple[str, ...]


def head_comment(result: Result) -> str:
    """Return the comment at the head of the instance file, and the source and the note of the whole file."""
    said = [str(each["text"]) for each in result.comments if not each["place"]]
    return "\n\n".join([*said, *(text for place, _, text in _source_fields(result.data, ()) if not place)])


@dataclass(frozen=True)
class Statement:
    """Text in the file about a value, and the value that the plan uses, as data."""

    place: NumberPlace
    text: str
    origin: str  # ``comment``, ``source`` or ``note``
    value: Any = None  # the value in the plan's instance; None for a text about a whole object
    before: Any = None  # the value in the file if the run changed it; else None


def statements(instance: Instance, result: Result) -> tuple[Statement, ...]:
    """Return all comments, sources and notes about values, by section in the order of the file; comments first."""
    # The data of a result leave out values that equal their defaults.
    whole = instance.model_dump(mode="json", by_alias=True)
    said = [
        _statement(whole, tuple(map(str, each["place"])), str(each["text"]), each.get("value"))
        for each in result.comments
        if each["place"]
    ]
    said += [Statement(place, text, origin) for place, origin, text in _source_fields(result.data, ()) if place]
    order = {section: i for i, section in enumerate(dict.fromkeys(each.place[0] for each in said))}
    return tuple(sorted(said, key=lambda each: order[each.place[0]]))


def _statement(data: Mapping[str, Any], place: NumberPlace, text: str, value: Any) -> Statement:
    now, holder = _value_at(data, place), _value_at(data, place[:-1])
    # A limit that the run took away is None in the data, and still a value.
    is_there = now is not None or (isinstance(holder, Mapping) and place[-1] in holder)
    if value is None or not is_there:
        return Statement(place, text, "comment", value)
    # The file's value is kept only if the run changed it.
    return Statement(place, text, "comment", now, None if now is not None and are_alike(now, value) else value)


def with_file(result: FuturesResult, comments: Iterable[Mapping[str, Any]]) -> Result | None:
    """Return the plan of a future with the data and the comments of the file of all futures; None without futures."""
    first = next((each.result for each in result.futures), None)
    return None if first is None else replace(first, data=result.data, comments=tuple(comments))


def sources(instance: Instance, result: Result) -> list[dict[str, Any]]:
    """Return `statements` for JSON, with values as text.

    The keys are `section`, `owner` (the object's name; empty for a section), `field` (the path inside the object),
    `value`, `text` and `origin` as in `Statement`, `assumed` (whether the text calls the value an assumption), and
    `before`.
    """
    return [_source(instance, result.data, each) for each in statements(instance, result)]


def sources_frame(instance: Instance, result: Result) -> Frame:
    """Build the frame of comments, sources and notes in the file, with the values that the plan uses."""
    rows: list[tuple[Any, ...]] = [("the file", None, None, text)] if (text := head_comment(result)) else []
    rows += [
        (".".join(said.place), _cell_value(said.value), _cell_value(said.before), said.text)
        for said in statements(instance, result)
    ]
    heads = {"about": "", "value": "", "before": "In the file", "text": "What the file says"}
    columns = tuple(FrameColumn(name, label) for name, label in heads.items())
    note = "The comments, sources and notes of the instance file. Value: the one that the plan uses; in the file: what "
    note += f"stands there, where it is something else. Money in {result.currency}."
    return Frame.of_rows("sources", "Where the numbers come from", columns, rows, note).without_empty("before")


def _cell_value(value: Any) -> Any:
    """Return a number or a text as it is, and any other value in words."""
    is_cell = value is None or (isinstance(value, int | float | str) and not isinstance(value, bool))
    return value if is_cell else in_words(value)


def _source_fields(data: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    parts = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in parts:
        if key in SOURCE_FIELDS and isinstance(value, str) and isinstance(data, Mapping):
            yield place, str(key), value
        elif place or key != "scenarios":
            yield from _source_fields(value, (*place, str(key)))


def _source(instance: Instance, data: Mapping[str, Any], said: Statement) -> dict[str, Any]:
    names = said.place
    is_object = len(names) > 1 and isinstance(data.get(names[0]), Mapping) and names[0] not in ("horizon", "policy")
    return {
        "section": names[0],
        "owner": display_name(instance, names[1]) if is_object else "",
        "field": ".".join(names[2:] if is_object else names[1:]),
        "value": "" if said.value is None else in_words(said.value),
        "text": said.text,
        "origin": said.origin,
        "assumed": is_assumption(said.text),
        "before": "" if said.before is None else in_words(said.before),
    }


def _value_at(data: Any, place: Sequence[str]) -> Any:
    for part in place:
        try:
            data = data[int(part)] if isinstance(data, list | tuple) else data[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return data


def in_words(value: Any) -> str:
    """Return a value of the file as text: ``2027: 150, 2036: 300``."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"{value:g}" if abs(value) < 1e4 else si(value, digits=5)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {in_words(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(f"({in_words(each)})" if isinstance(each, Mapping) else in_words(each) for each in value)
    return str(value)


def fingerprint(data: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an instance's JSON with sorted keys and no spaces."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


# Digits of the hash that are printed; the page and JSON have all.
_HASH_DIGITS = 16


def hash_words(data: Mapping[str, Any]) -> str:
    """Return the hash of an instance as it is printed."""
    return f"{fingerprint(data)[:_HASH_DIGITS]} (SHA-256, its first {_HASH_DIGITS} digits)"


def made_sentence(result: Result | FuturesResult) -> str:
    """Return what made a plan, and from which instance."""
    used = {name: str(number) for name, number in result.versions.items() if name not in ("optimizer", "python")}
    used |= {} if (seed := result.settings.get("seed")) is None else {"seed": str(seed)}
    words = f" ({', '.join(map(' '.join, used.items()))})" if used else ""
    made = f"Made by diversify {result.versions.get('optimizer', '')}{words}"
    return f"{made} from the instance with the hash {hash_words(result.data)}."


def run_facts(result: Result) -> tuple[tuple[str, str], ...]:
    """Return the run record, a label and a text each."""
    settings = {SETTING_NAMES.get(key, key): value for key, value in result.settings.items() if value is not None}
    said = [
        ("Instance", result.title),
        ("Instance hash", f"SHA-256 {fingerprint(result.data)}"),
        ("Money", result.currency),
        ("Status", result.status),
        ("Proof", _proof_text(result)),
        ("Audit", audit_text(result.audit)),
        ("Seconds", ", ".join(f"{part} {si(value, 's')}" for part, value in result.seconds.items())),
        ("Versions", ", ".join(f"{name} {number}" for name, number in result.versions.items())),
        ("Settings", ", ".join(f"{name} {_setting(value)}" for name, value in settings.items())),
        ("Search", _search_text(result)),
    ]
    said += [("Changed", change) for change in result.changes]
    said += [("Note", note) for note in result.notes]
    return tuple(said)


def audit_text(audit: Mapping[str, Any]) -> str:
    """Return the result of the audit in a few words."""
    if not audit.get("rows"):
        return "none"
    worst = f"largest relative error {audit['worst']:.1e}"
    return f"{audit['rows']:,} rows recomputed without the solver {'agree' if audit.get('ok') else 'DISAGREE'}, {worst}"


def _search_text(result: Result) -> str:
    rounds = max((int(each.get("round") or 0) for each in result.history), default=0)
    return plural(rounds, "round") if rounds else "without rounds"


# Names of settings whose key also has another meaning.
SETTING_NAMES = {"gap": "MIP gap"}


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _proof_text(result: Result) -> str:
    if (within := result.mip_gap) is None:
        return "no bound is known"
    near = "" if within < SHOWN_MIP_GAP else f"within {short(100 * within)} % of "
    if result.has_priced_gaps:
        return f"cost with gaps at their price, {si(result.priced_cost, result.money, 5)}: {near}the least"
    plan, bound = f"no plan{_budget_words(result)}", ""
    if result.bound is not None:
        survives = " that survives as much" if result.shocks and result.survival_gap <= 0 else ""
        held = " without a larger gap" * (result.survival_gap > 0)
        bound += f"; {plan}{survives} costs less than {si_down(result.bound, result.money, 5)}{held}"
    if result.survival_gap > 0 and result.gap_bound is not None:
        bound += f"; {plan} leaves a gap smaller than {si_down(result.gap_bound, result.money, 5)}"
    return f"{near}the least{bound}"


# Why the best plan leaves a gap that another plan closes.
PRICED_HIGHER = "costs more than the price of gaps in the file"


def _budget_words(result: Result) -> str:
    """Return the plans that a bound is proven for, as a phrase after ``no plan``: those of the same budget, if any."""
    policy = result.data.get("policy", {})
    if policy.get("budget") is not None:
        return " with this budget"
    return "" if policy.get("annual_budget") is None else " with these annual budgets"


def least_gap_words(result: Result) -> str:
    """Return the proof of the least gap, as a phrase after the gap; a bound that reads like the gap is not repeated."""
    if result.has_priced_gaps:
        under = _budget_words(result) if result.given is None else " under this plan"
        words = f"; to close more of it{under} is impossible, or {PRICED_HIGHER} (gap_price)"
        return "" if result.status == "stopped" else words
    if result.gap_bound is None or result.gap_bound <= 0:
        return ""
    plans = _budget_words(result) or " of any budget"
    if result.gap_bound >= result.survival_gap * (1.0 - ROUNDING):
        return f"; proven: no plan{plans} leaves less"
    gap, bound = (si(value, result.money, 4) for value in (result.survival_gap, result.gap_bound))
    if bound == gap:
        return f"; proven to these digits: no plan{plans} leaves less"
    return f"; proven: no plan{plans} leaves less than {si_down(result.gap_bound, result.money, 4)}"


# Bases of the numbers of an instance, as in JSON; texts call `derived` a remark.
BASES = ("source", "derived", "assumption", "unexplained")
# Sections whose numbers describe the world.
WORLD_SECTIONS = (
    "processes",
    "demands",
    "options",
    "shocks",
    "ensembles",
    "policy",
    "adversary",
    "futures",
    "discount_rate",
)
# Keys below which numbers are dates, seeds or counts.
NO_DATA = frozenset(
    {"start", "from", "to", "seed", "count", "horizon", "months", "year", "latest", "earliest", "online", "until"}
)
_CITED = re.compile(r"\b[ABC]\b(?=[);,/:])|\bA/B\b|https?://")


def is_assumption(text: str) -> bool:
    """Return whether a text in the file calls a number assumed or judged."""
    return re.search(r"assum|judge", text, re.IGNORECASE) is not None


def _says_something(text: str | None) -> bool:
    """Return whether there is a text, and not a grade alone, such as (B): it names no source."""
    return bool(text) and not re.fullmatch(r"[\W\d_]*[ABC](?:/[ABC])?[\W\d_]*", str(text))


@dataclass(frozen=True)
class SourcedNumber:
    """A number of an instance: its place, one of `BASES`, and whether a range covers it."""

    place: NumberPlace
    basis: str
    has_range: bool

    @property
    def path(self) -> str:
        """Place of the number, joined by dots."""
        return ".".join(self.place)


@dataclass(frozen=True)
class BasisShares:
    """Shares of numbers by basis, which add to 1, and the share that a range covers."""

    numbers: int  # how many numbers there are
    # Shares of the numbers, or of money.
    source: float
    derived: float
    assumption: float
    unexplained: float
    ranged: float  # share that a range covers


def find_numbers(data: Mapping[str, Any], comments: Sequence[Mapping[str, Any]]) -> tuple[SourcedNumber, ...]:
    """Return the numbers of an instance given as a mapping, each with its basis."""
    said = _texts_by_place(comments)
    ranges, tables = data.get("ranges") or {}, _cited_tables(text for texts in said.values() for text in texts)
    return tuple(
        SourcedNumber(
            place,
            _basis(said, tables, place, is_cited=is_cited),
            any(".".join(place[:depth]) in ranges for depth in range(1, len(place) + 1)),
        )
        for section in WORLD_SECTIONS
        if section in data
        for place, is_cited in _number_places(data[section], (section,), is_cited=False)
    )


def _number_places(value: Any, place: NumberPlace, *, is_cited: bool) -> Iterator[tuple[NumberPlace, bool]]:
    """Yield the place of each number, and whether an object that contains it has a `source`."""
    if isinstance(value, Mapping):
        cites = is_cited or _says_something(value.get("source"))
        for key, each in value.items():
            if str(key) not in NO_DATA:
                yield from _number_places(each, (*place, str(key)), is_cited=cites)
    elif isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from _number_places(each, (*place, str(i)), is_cited=is_cited)
    elif _is_data(value):
        yield place, is_cited


def _is_data(value: Any) -> bool:
    """Return whether a value is a number other than 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return parse_amount(value) not in (0, 1)
    except (PydanticCustomError, ValueError, TypeError):
        return False


def _texts_by_place(comments: Sequence[Mapping[str, Any]]) -> dict[NumberPlace, list[str]]:
    """Return the texts of comments by place, "as said above" replaced by what is said there."""
    said: dict[NumberPlace, list[str]] = {}
    for each in comments:
        said.setdefault(tuple(map(str, each["place"])), []).append(str(each["text"]))
    above = _said_above(said)
    for place, texts in said.items():
        texts[:] = [above.get(place[-1], text) if place and _is_pointer(text) else text for text in texts]
    return said


def _is_pointer(text: str) -> bool:
    return text.lower().startswith("as said above")


def _said_above(comments: Mapping[NumberPlace, Sequence[str]]) -> dict[str, str]:
    """Return what comments say after the name of a field that others point to (``ramp: …``), by field."""
    fields = {re.escape(place[-1]) for place, texts in comments.items() if place and any(map(_is_pointer, texts))}
    if not fields:
        return {}
    name, found = rf"\b({'|'.join(sorted(fields))}): ", dict[str, str]()
    # Names and what follows them take turns, after what stands before the first name.
    parts = [part for texts in comments.values() for text in texts for part in re.split(name, text)[1:]]
    for field, text in zip(parts[::2], parts[1::2], strict=True):
        found[field] = f"{found.get(field, '')} {text}".strip()
    return found


def _cited_tables(texts: Iterable[str]) -> set[str]:
    """Return the lower-case names, such as ``price table``, of tables that begin a comment with sources."""
    cited = (text for text in texts if _CITED.search(text))
    return {found[0].lower() for text in cited if (found := re.match(r"\w+ table\b", text, re.IGNORECASE))}


def _basis(
    said: Mapping[NumberPlace, Sequence[str]], tables: Collection[str], place: NumberPlace, *, is_cited: bool
) -> str:
    """Return the basis of a number by the nearest comment; comments of whole sections are ignored.

    `is_cited`: an object that contains the number has a `source`.
    """
    if is_cited and not any(map(is_assumption, said.get(place, ()))):
        return "source"
    for depth in range(len(place), min(2, len(place)) - 1, -1):
        found = " ".join(filter(_says_something, said.get(place[:depth], ())))
        if found:
            cites = _CITED.search(found) is not None or any(table in found.lower() for table in tables)
            return "assumption" if is_assumption(found) else "source" if cites else "derived"
    return "unexplained"


def basis_of(numbers: Sequence[SourcedNumber]) -> BasisShares:
    """Return the shares of numbers by basis, each number counted once."""
    counts, total = Counter(each.basis for each in numbers), max(1, len(numbers))
    shares = {name: counts[name] / total for name in BASES}
    return BasisShares(len(numbers), **shares, ranged=sum(each.has_range for each in numbers) / total)


def weighted_basis(numbers: Sequence[SourcedNumber], money: Mapping[str, float]) -> BasisShares:
    """Return the shares of the numbers of options by basis, each option weighted by its money."""
    parts = {o: basis_of([each for each in numbers if each.place[:2] == ("options", o)]) for o in money}
    total = sum(money[o] for o, part in parts.items() if part.numbers) or 1.0
    shares = {
        name: sum(money[o] * getattr(part, name) for o, part in parts.items()) / total for name in (*BASES, "ranged")
    }
    return BasisShares(sum(part.numbers for part in parts.values()), **shares)


def value_as_is(instance: Instance, result: Result, number: UncertainNumber) -> str:
    """Return a number's value in the plan's file; for a factor, its input too: ``100 (×1)``."""
    value, found = uncertain_text(instance, number, 0), _input_of(result.data, number)
    amounts = list(found.values()) if isinstance(found, Mapping) else [found]
    if not all(isinstance(amount, int | float) for amount in amounts):
        return value
    ends = dict.fromkeys(si(end) for end in (min(amounts), max(amounts)))
    return f"{' to '.join(ends)} {field_unit(instance, number.first.place)} ({value})".replace("  ", " ")


def _input_of(data: Mapping[str, Any], number: UncertainNumber) -> Any:
    """Return the number or series of which a range gives factors; None if it gives none, or has several inputs."""
    if len(number.inputs) > 1 or not number.first.is_factor:
        return None
    found: Any = data
    for key in number.first.place:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found or None
