"""The page of the Python interface: what autodoc and napoleon make of docstrings is what they say."""

import dataclasses
import inspect
import re
import runpy
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from optimizer import extend

DOCS = Path(__file__).parents[1] / "docs"
CONF: dict[str, Any] = runpy.run_path(str(DOCS / "conf.py"))
DOCUMENTED: list[type] = CONF["DOCUMENTED"]


def properties(cls: type) -> Iterator[tuple[str, str]]:
    """The properties of a class of the page, inherited ones of the package as well, each with its first line."""
    for each in cls.__mro__:
        for name, found in vars(each).items() if each.__module__.startswith("optimizer") else ():
            if isinstance(found, (property, cached_property)) and not name.startswith("_"):
                yield f"{each.__name__}.{name}", (inspect.getdoc(found) or "").partition("\n")[0]


@pytest.mark.parametrize("cls", DOCUMENTED)
def test_no_property_has_a_colon_that_is_taken_for_the_end_of_its_type(cls: type) -> None:
    assert not [name for name, line in properties(cls) if ":" in re.sub("``.*?``", "", line)]


@pytest.mark.parametrize("cls", DOCUMENTED)
def test_every_attribute_has_a_line_of_its_own(cls: type) -> None:
    listed = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
    assert not re.findall(r"^ {4}\w+(?:, \w+)+:", listed, flags=re.MULTILINE)
    assert not re.findall(r"[.;] \w+: ", listed)


def test_every_class_that_a_result_holds_has_an_entry() -> None:
    inner = {cls for cls in DOCUMENTED if cls.__name__ in CONF["VALUES"].values()}
    assert len(inner) == len(CONF["VALUES"])
    named = {cls.__name__ for cls in DOCUMENTED}
    results = [cls for cls in DOCUMENTED if cls not in inner and cls.__module__.startswith("optimizer.")]
    held = {
        part.__name__
        for cls in results
        if dataclasses.is_dataclass(cls) and re.search(r"studies|results", cls.__module__)
        for hint in get_type_hints(cls).values()
        for part in _classes(hint)
    }
    assert held - named <= {"Instance", "AdversarySpec", "PermanentCuts", "Result"}


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for part in getattr(hint, "__args__", ()):
        yield from _classes(part)


def test_fields_are_listed_with_their_types_and_what_stands_beside_them() -> None:
    (price,) = (cls for cls in DOCUMENTED if cls.__name__ == "Price")
    found = CONF["fields_of"](price)
    assert list(found) == [field.name for field in dataclasses.fields(price)]
    lines = ["A price."]
    CONF["_list_fields"](None, "class", "", price, None, lines)
    assert lines[:3] == ["A price.", "", "Attributes:"]
    assert len(lines) == 4 + len(found)
    (result,) = (cls for cls in DOCUMENTED if cls.__name__ == "Result")
    assert "survives" in CONF["fields_of"](result)["status"][1]


def test_every_name_for_levers_and_every_call_of_the_manual_is_on_the_page() -> None:
    page, manual = ((DOCS / name).read_text(encoding="utf-8") for name in ("reference/api.md", "extending.md"))
    levers: dict[str, str] = CONF["_FOR_LEVERS"]
    named = {*levers, *re.findall(r"`(\w+)`", page[page.index("## For levers") :]), "total"}
    assert set(extend.__all__) <= named
    called = set(re.findall(r"model\.(\w+)\(", manual))
    assert called | {"require", "linked"} <= set(levers["ModelBuilder"].split(", "))
    assert set(re.findall(r"self\.(\w+)\(", manual)) <= set(", ".join(levers.values()).split(", "))
    for name, members in levers.items():
        assert all(hasattr(getattr(extend, name), member) for member in members.split(", ") if member)


@pytest.mark.parametrize("cls", [each for each in DOCUMENTED if each.__name__ in CONF["_PUBLIC"]])
def test_every_field_of_a_public_class_is_explained(cls: type) -> None:
    if dataclasses.is_dataclass(cls):
        listed = re.findall(r"^    (\w+): .", inspect.getdoc(cls) or "", flags=re.MULTILINE)
        assert [name for name, (_, said) in CONF["fields_of"](cls).items() if not said and name not in listed] == []
