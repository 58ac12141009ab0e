"""Where the numbers of a report come from: the run record, and assumptions with their sources."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.format import audit_text, plural
from optimizer.results.result import Result
from optimizer.studies.summary import is_assumption
from optimizer.tolerances import ROUNDING, SHOWN_MIP_GAP
from optimizer.units import parse_amount, short, si

SOURCE_FIELDS = ("source", "note")


@dataclass(frozen=True)
class Source:
    """A comment, source or note about one value of the instance.

    Attributes:
        section: the top-level key; empty for the head of the file.
        owner: the object's name for reading; empty for a section.
        field: the path inside the object, with dots.
        value: what the plan's instance has there, in words; empty where the words are about a whole object.
        text: what is said. origin: ``comment``, ``source`` or ``note``.
        assumed: whether it says that it is an assumption.
        before: what the file had there, where the run changed it; empty where it did not.
    """

    section: str
    owner: str
    field: str
    value: str
    text: str
    origin: str
    assumed: bool
    before: str = ""


def head(result: Result) -> str:
    """The comment at the head of the instance file; empty where there is none."""
    return "\n\n".join(str(each["text"]) for each in result.comments if not each["place"])


def sources(instance: Instance, result: Result) -> tuple[Source, ...]:
    """All comments, sources and notes about values, in the order of the file; comments first."""
    said = [
        _source(instance, result.data, each["place"], str(each["text"]), "comment", each.get("value"))
        for each in result.comments
        if each["place"]
    ]
    said += [
        _source(instance, result.data, place, text, origin, None) for place, origin, text in _fields(result.data, ())
    ]
    order = {section: i for i, section in enumerate(dict.fromkeys(each.section for each in said))}
    return tuple(sorted(said, key=lambda each: order[each.section]))


def _fields(data: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    parts = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in parts:
        if key in SOURCE_FIELDS and isinstance(value, str) and isinstance(data, Mapping):
            yield place, str(key), value
        elif place or key != "scenarios":
            yield from _fields(value, (*place, str(key)))


def _source(
    instance: Instance, data: Mapping[str, Any], place: Sequence[Any], text: str, origin: str, value: Any
) -> Source:
    names = [str(part) for part in place]
    is_object = len(names) > 1 and isinstance(data.get(names[0]), Mapping) and names[0] not in ("horizon", "policy")
    owner = display_name(instance, names[1]) if is_object else ""
    now = _at(data, names)
    shown = now if value is not None and now is not None else value
    changed = value is not None and now is not None and not _alike(now, value)
    return Source(
        section=names[0],
        owner=owner,
        field=".".join(names[2:] if is_object else names[1:]),
        value="" if shown is None else in_words(shown),
        text=text,
        origin=origin,
        assumed=is_assumption(text),
        before=in_words(value) if changed else "",
    )


def _at(data: Any, place: Sequence[str]) -> Any:
    for part in place:
        try:
            data = data[int(part)] if isinstance(data, list | tuple) else data[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return data


def _alike(one: Any, other: Any) -> bool:
    """Whether two values mean the same, however they are written; values that cannot be compared pass."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        pairs = {str(key): value for key, value in other.items()}
        return all(_alike(value, pairs[str(key)]) for key, value in one.items() if str(key) in pairs)
    numbers = [_number(one), _number(other)]
    return None in numbers or math.isclose(numbers[0] or 0.0, numbers[1] or 0.0, rel_tol=ROUNDING)


def _number(value: Any) -> float | None:
    try:
        return parse_amount(value)
    except PydanticCustomError:
        return None


def in_words(value: Any) -> str:
    """A value of the file for reading: ``2027: 150, 2036: 300``."""
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
    """SHA-256 of an instance: of its JSON with sorted keys and no spaces."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def record(result: Result) -> tuple[tuple[str, str], ...]:
    """The run record: a label and a text each."""
    audit, settings = result.audit, {key: value for key, value in result.settings.items() if value is not None}
    rounds = max((int(each.get("round") or 0) for each in result.history), default=0)
    said = [
        ("Instance", result.instance),
        ("Instance hash", f"SHA-256 {fingerprint(result.data)}"),
        ("Money", result.currency),
        ("Status", result.status),
        ("Proof", _proof(result)),
        ("Audit", audit_text(audit)),
        ("Seconds", ", ".join(f"{part} {si(value, 's')}" for part, value in result.seconds.items())),
        ("Versions", ", ".join(f"{name} {number}" for name, number in result.versions.items())),
        ("Settings", ", ".join(f"{name} {_setting(value)}" for name, value in settings.items())),
        ("Search", f"{plural(rounds, 'round')}, {plural(len(result.history), 'step')}"),
    ]
    said += [("Note", note) for note in result.notes]
    return tuple(said)


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _proof(result: Result) -> str:
    if result.mip_gap is None:
        return "no bound is known"
    if result.has_priced_gaps:
        return f"{short(100 * result.mip_gap)} % at most above the least of cost and priced gaps together"
    bound = "" if result.bound is None else f"; no plan costs less than {si(result.bound, result.money, 5)}"
    if result.survival_gap > 0 and result.gap_bound is not None:
        bound += f"; none leaves a gap smaller than {si(result.gap_bound, result.money, 5)}"
    near = "" if result.mip_gap < SHOWN_MIP_GAP else f"within {short(100 * result.mip_gap)} % of "
    return f"{near}the least{bound}"
