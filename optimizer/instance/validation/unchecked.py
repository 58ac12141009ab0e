"""An instance before its checks: the objects that are well formed, and in words what is wrong with the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from optimizer.disruptions.shock import Target
from optimizer.errors import Place, Problem
from optimizer.instance.schema import Instance
from optimizer.levers import Lever
from optimizer.suggestions import excerpt, suggest
from optimizer.units import in_a_year


@dataclass(frozen=True)
class Unchecked:
    """An instance of the objects that are well formed, before it is known to fit together.

    Attributes:
        instance: of those objects.
        declared: the names that each section declares, those of faulty objects as well.
        sound: whether every object is well formed.
        resolved: whether, beside that, every name that is used exists.
    """

    instance: Instance
    declared: Mapping[str, frozenset[str]]
    sound: bool
    resolved: bool

    def names(self, section: str) -> frozenset[str]:
        """All names that a section declares, of faulty objects as well."""
        return self.declared.get(section, frozenset())

    def unmatched(self, place: Place, cuts: Iterable[Target]) -> Iterator[Problem]:
        """Cuts of a place that match nothing; none while names are unresolved."""
        for k, cut in enumerate(cuts if self.resolved else ()):
            if not self.instance.activity_index.has_match(cut):
                cure = "Name a region, stage, process or commodity of this file, or remove the cut."
                what = "a cut that matches nothing: no process has all it asks for"
                yield (*place, "cuts", k), what, cure, "warning"


BRACES = "Write its fields in braces or on lines of their own."


def describe_error(model: type[BaseModel], place: Place, error: Mapping[str, Any]) -> tuple[Place, str, str]:
    """Where something is wrong, what, and the cure, from one error of pydantic about an object at a place."""
    inner = tuple(part for part in error["loc"] if part != "[key]")
    # Of a series, which pydantic takes as one value, the year.
    key = error.get("ctx", {}).get("key") if error["type"] == "finding" else None
    return (*place, *inner, *(() if key is None else (key,))), *_describe_error(model, error, inner)


def _describe_error(model: type[BaseModel], error: Mapping[str, Any], place: Sequence[Any]) -> tuple[str, str]:
    kind, value, last = error["type"], error.get("input"), place[-1] if place else ""
    if kind == "finding":
        return error["ctx"]["what"], error["ctx"]["cure"]
    if kind == "extra_forbidden":
        # In braces a comma ends a text without quotes, and what follows is a key without a value.
        tail = "" if value is not None else ' A text with a comma needs quotes: "one, two".'
        return f'"{excerpt(last)}" is an unknown key', _unknown(model, str(last), place) + tail
    if kind == "missing":
        return f"{last} is missing", f"Add `{last}:`."
    if value is None:
        return "is empty", "Write a value, or leave the field out."
    return _of_value(model, error, place)


def _of_value(model: type[BaseModel], error: Mapping[str, Any], place: Sequence[Any]) -> tuple[str, str]:
    """What is wrong with a value that is there, in a field that exists."""
    kind, value = error["type"], error.get("input")
    if kind == "literal_error":
        return f'"{excerpt(value)}" is not allowed', f"Write {error['ctx']['expected']}."
    if kind.startswith("int_") and (year := in_a_year(value)) is not None:
        return f"{noun(value)} is a date, where a year is expected", f"Write {year}."
    if kind == "model_type":
        return no_mapping(value, _last(model, place))
    if kind in ("dict_type", "mapping_type"):
        cure = f"Write {{{excerpt(value)}: …}}." if isinstance(value, str) else "Write a mapping: {name: number}."
        return f"{noun(value)} is not a mapping", cure
    return f"{noun(value)} does not fit: {error['msg'][:1].lower()}{error['msg'][1:]}", _CURES.get(kind, "Correct it.")


_CURES = {
    "bool_type": "Write true or false.",
    "bool_parsing": "Write true or false.",
    "int_type": "Write a whole number.",
    "int_parsing": "Write a whole number.",
    "int_parsing_size": "Write a smaller number.",
    "int_from_float": "Write a whole number.",
    "string_type": "Write text.",
    "tuple_type": "Write a list: [ … ], or lines that start with a dash.",
    "greater_than_equal": "Write a larger number.",
    "less_than_equal": "Write a smaller number.",
}


def no_mapping(value: Any, model: type[BaseModel] | None) -> tuple[str, str]:
    """A value that is not a mapping where one is needed; of a single word, the mapping that is likely intended."""
    if isinstance(value, str) and not value[:1].isdigit():
        fields = model.model_fields if model else {}
        key = "region" if {"region", "severity"} <= fields.keys() else "name"
        more = ", …" if not fields or any(info.is_required() for name, info in fields.items() if name != key) else ""
        return f"{noun(value)} is a single word and is not a mapping", f"Write {{{key}: {excerpt(value)}{more}}}."
    return "is not a mapping" if value is None else f"{noun(value)} is not a mapping", BRACES


def noun(value: Any) -> str:
    """A value as the subject of a message."""
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else f'"{excerpt(value)}"'


def _unknown(model: type[BaseModel], key: str, place: Sequence[Any]) -> str:
    within = _last(model, place[:-1]) or model
    fields = [field.alias or name for name, field in within.model_fields.items() if name != "id"]
    cure = within.cure_of_unknown(key) if issubclass(within, Lever) else None
    return cure or suggest(key, fields, "The keys here are")


def _last(model: type[BaseModel], place: Sequence[Any]) -> type[BaseModel] | None:
    """The innermost model that a place leads into."""
    for part in place:
        model = _inner(model, part) or model
    return model


def _inner(model: type[BaseModel], part: Any) -> type[BaseModel] | None:
    """The model that a field holds, alone or in a list."""
    field: FieldInfo | None = model.model_fields.get(str(part))
    waiting: list[Any] = [field.annotation] if field else []
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        waiting.extend(get_args(annotation))
    return None
