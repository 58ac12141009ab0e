"""Scenarios: named sets of overrides of the file itself, ``{dotted.path: value}``; each replaces what is there.

A scenario is checked like a file of its own: its overrides are applied to a copy of the document. What is found in
the copy, but not in the document, is said of the line inside the scenario.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optimizer.errors import Finding, InstanceError
from optimizer.instance.document import Document, Place, assign, walk
from optimizer.suggestions import Vocabulary, nearest

KEY = "scenarios"
# What the rest of the file rests on, and is resolved before a scenario can speak.
FIXED = (KEY, "home")
NOUNS = {
    "regions": "region",
    "commodities": "commodity",
    "processes": "process",
    "demands": "segment",
    "options": "option",
    "shocks": "shock",
    "ensembles": "ensemble",
}


def malformed(document: Document) -> Iterator[Finding]:
    """What is wrong with the scenarios before any is applied."""
    data = document.data.get(KEY)
    if data is not None and not isinstance(data, Mapping):
        cure = "Write `scenarios:` and one named set of overrides a line."
        yield document.finding((KEY,), "is not a mapping", cure)
    for name, overrides in walk(document.data, KEY):
        yield from _of(document, name, overrides)


def _of(document: Document, name: str, overrides: Any) -> Iterator[Finding]:
    place: Place = (KEY, name)
    if not isinstance(overrides, Mapping):
        cure = "Write dotted paths with their values: {demands.motors.survival: 0.6}."
        yield document.finding(place, "is not a mapping", cure)
        return
    if not overrides:
        yield document.finding(place, "changes nothing", "Add an override, or remove it.", "warning")
    for key in overrides:
        head = key.partition(".")[0]
        if head in FIXED:
            cure = "Write a file of its own for that." if head == "home" else "Override the rest of the file."
            yield document.finding((*place, key), f"a scenario cannot change `{head}`", cure)


def usable(document: Document) -> dict[str, Mapping[str, Any]]:
    """The scenarios that are well formed."""

    def is_sound(name: str, overrides: Any) -> bool:
        return all(finding.severity == "warning" for finding in _of(document, name, overrides))

    return {name: overrides for name, overrides in walk(document.data, KEY) if is_sound(name, overrides)}


def played(document: Document, *names: str) -> Document:
    """A copy of a document with the overrides of scenarios applied in their order, and without scenarios of its own."""
    data = copy.deepcopy({key: value for key, value in document.data.items() if key != KEY})
    result = Document(document.file, data, made={*document.made})
    for name in names:
        result.overrides[()] = document.finding((KEY, name), "", "")
        _play(document, name, result)
    return result


def _play(document: Document, name: str, result: Document) -> None:
    """Apply the overrides of one scenario of a document to the copy."""
    place: Place = (KEY, name)
    for key, value in document.data[KEY][name].items():
        source = document.finding((*place, key), "", "")
        try:
            there = assign(result, key, copy.deepcopy(value), source)
        except InstanceError as error:
            result.findings += error.findings
            continue
        within = document.places_in((*place, key))
        result.overrides |= {(*there, *where[3:]): document.finding(where, "", "") for where in within}


def of_scenario(name: str, found: Iterable[Finding], before: Iterable[Finding]) -> list[Finding]:
    """What is found in a scenario and not before."""
    known = {(finding.where, finding.what, finding.cure, finding.severity) for finding in before}
    new = (each for each in found if (each.where, each.what, each.cure, each.severity) not in known)
    own = f"{KEY}.{name}"
    return [
        each if each.where.startswith(own) else replace(each, where=f"{own}, {each.where}".removesuffix(", "))
        for each in new
    ]


def no_such(name: str, known: Sequence[str]) -> Finding:
    """That there is no scenario of a name, with the nearest that there is."""
    near = nearest(name, known)
    cure = f"Known: {', '.join(known)}." if known else "The file has none: add `scenarios: {name: {path: value}}`."
    return Finding(
        f"--scenario {name}", None, "", f'"{name}" is no scenario', f'Did you mean "{near}"?' if near else cure
    )


def no_entry(document: Document, section: str, name: str, required: Sequence[str]) -> Finding | None:
    """That an override means to change an entry that there is not; None where it makes a whole one.

    Args:
        document: with the overrides applied.
        section, name: of the entry.
        required: the fields without which there is no such entry.
    """
    entries = document.data[section]
    if (section, name) not in document.made or all(field in entries[name] for field in required if field != "id"):
        return None
    others = Vocabulary((key for key in entries if (section, key) not in document.made), NOUNS[section])
    cure = others.cure(name) if others.names else f"Write it whole: `{section}.{name}={{…}}`."
    return document.finding((section, name), f'there is no {NOUNS[section]} "{name}"', cure)
