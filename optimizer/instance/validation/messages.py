"""The errors of pydantic in words: for each the place, what is wrong, and the cure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from optimizer.errors import Place, excerpt, list_known, nearest
from optimizer.levers import KINDS, Lever
from optimizer.tolerances import MOST_FINDINGS
from optimizer.units import Described, in_a_year

BRACES = "Write its fields in braces or on lines of their own."


def describe_errors(
    model: type[BaseModel], place: Place, entry: Any, errors: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Place, str, str]]:
    """Convert the first pydantic errors about an entry at a place, each to the place, the problem and the cure.

    A required field is not missing if its key is misspelt: the finding about that key names it.
    """
    errors = errors[:MOST_FINDINGS]
    unknown = [error["loc"] for error in errors if error["type"] == "extra_forbidden"]
    meant = {(*at, _meant_field(_innermost_model(model, at) or model, str(key))) for *at, key in unknown}
    for error in errors:
        if error["type"] != "missing" or error["loc"] not in meant:
            yield _describe(model, place, entry, error)


def _describe(model: type[BaseModel], place: Place, entry: Any, error: Mapping[str, Any]) -> tuple[Place, str, str]:
    inner = _without_implied_index(entry, tuple(part for part in error["loc"] if part != "[key]"))
    # The year of a series, which pydantic validates as one value.
    key = error.get("ctx", {}).get("key") if error["type"] == "finding" else None
    return (*place, *inner, *(() if key is None else (key,))), *_describe_error(model, error, inner)


def _without_implied_index(entry: Any, inner: Place) -> Place:
    """Return a place in an entry, up to a single value that is written without the brackets of a list."""
    for depth, part in enumerate(inner):
        if isinstance(entry, Mapping) and isinstance(part, str):
            entry = entry.get(part)
        elif isinstance(entry, list | tuple) and isinstance(part, int):
            entry = entry[part]
        else:
            return inner[:depth]
    return inner


def _describe_error(model: type[BaseModel], error: Mapping[str, Any], place: Sequence[Any]) -> tuple[str, str]:
    kind, value, last = error["type"], error.get("input"), place[-1] if place else ""
    # In braces `key:value` is read as a key without a value; so is the rest of an unquoted text after a comma.
    colon = ' A colon needs a space after it: "key: value".' * (value is None) * (":" in str(last))
    if kind == "finding":
        return error["ctx"]["what"], error["ctx"]["cure"] + colon
    if kind == "extra_forbidden":
        comma = ' A text with a comma needs quotes: "one, two"; a decimal number has a point: 0.7.'
        tail = colon or comma * (value is None)
        return f'"{excerpt(last)}" is an unknown key', _cure_of_unknown(model, str(last), place) + tail
    if kind == "missing":
        return f"{last} is missing", f"Add `{last}:`."
    if value is None:
        is_required = last in _required_fields(_innermost_model(model, place[:-1]) or model)
        return "is empty", "Write a value." if is_required else "Write a value, or leave the field out."
    return _describe_value_error(model, error, place)


def default_of(model: type[BaseModel], place: Sequence[Any]) -> str:
    """Return what counts where the value at a place is left out, in brackets; empty if the model does not say."""
    within = _innermost_model(model, place[:-1]) if len(place) > 1 else model
    info = next((each for name, each in (within or BaseModel).model_fields.items() if name == place[-1]), None)
    if info is None or info.is_required():
        return ""
    said = _DEFAULT.search(info.description or "")
    return f" (default: {said[1]})" if said else " (default: none)" * (info.default is None)


_DEFAULT = re.compile(r"Default:? ([^.;]+(?:\.\d+)?)")


def _required_fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return the type of each required field."""
    return {name: info.annotation for name, info in model.model_fields.items() if info.is_required() and name != "id"}


def _describe_value_error(model: type[BaseModel], error: Mapping[str, Any], place: Sequence[Any]) -> tuple[str, str]:
    """Describe an invalid value of an existing field, and its cure."""
    kind, value = error["type"], error.get("input")
    if kind == "literal_error":
        return f'"{excerpt(value)}" is not allowed', f"Write {error['ctx']['expected']}."
    if kind.startswith("int_") and (year := in_a_year(value)) is not None:
        return f"{noun(value)} is a date, where a year is expected", f"Write {year}."
    if kind == "model_type":
        return no_mapping(value, _innermost_model(model, place))
    if kind in ("dict_type", "mapping_type"):
        cure = "Write a mapping: {name: …}."
        if isinstance(value, str):
            # `magnet: 1` in quotes, or in a cell of a workbook, lacks no value.
            inner = value.strip().removeprefix("{").removesuffix("}")
            cure = f"Write {{{excerpt(inner)}}}." if ": " in inner else f"Write {{{excerpt(inner)}: …}}."
            cure += " It is text: remove the quotes." if inner != value.strip() else ""
        return f"{noun(value)} is not a mapping", cure
    if kind.startswith("bool_"):
        return f"{noun(value)} is neither true nor false", "Write true or false."
    said = error["msg"].replace("valid tuple", "list")
    return f"{noun(value)} does not fit: {said[:1].lower()}{said[1:]}", _CURES.get(kind, "Correct it.")


_CURES = {
    "int_type": "Write a whole number.",
    "int_parsing": "Write a whole number.",
    "int_parsing_size": "Write a smaller number.",
    "int_from_float": "Write a whole number.",
    "string_type": "Write text.",
    "tuple_type": "Write a list: [ … ], or lines that start with a dash.",
    "finite_number": "Write a whole number.",
    "greater_than_equal": "Write a larger number.",
    "less_than_equal": "Write a smaller number.",
}


def no_mapping(value: Any, model: type[BaseModel] | None) -> tuple[str, str]:
    """Describe a value that should be a mapping; for a single word, the cure is the mapping probably intended."""
    # A single word: no number, nothing, or what does not stand in braces as it is.
    if isinstance(value, str) and re.match(r"[^\W\d]", value) and not re.search(r":|, ", value):
        required = _required_fields(model or BaseModel)
        key = _key_of_word((model or BaseModel).model_fields, required)
        more = ", …" if required.keys() - {key} or key == "kind" else ""
        cure = BRACES if key is None else f"Write {{{key}: {excerpt(value)}{more}}}."
        return f"{noun(value)} is a single word and is not a mapping", cure
    return "is not a mapping" if value is None else f"{noun(value)} is not a mapping", BRACES


def _key_of_word(fields: Collection[str], required: Mapping[str, Any]) -> str | None:
    """Return the key that a word was probably meant for: a required text, or the name; None if neither fits.

    Args:
        fields: all fields of the mapping; empty for an option, whose kind decides on its fields.
        required: the type of each required field.
    """
    if not fields or {"region", "severity"} <= {*fields}:
        return "region" if fields else "kind"
    is_named = "name" in fields and (required or {*fields} == Described.model_fields.keys())
    return next((name for name, kind in required.items() if kind is str), "name" if is_named else None)


def noun(value: Any) -> str:
    """Return a value as the subject of a message."""
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else f'"{excerpt(value)}"'


def _cure_of_unknown(model: type[BaseModel], key: str, place: Sequence[Any]) -> str:
    within = _innermost_model(model, place[:-1]) or model
    meant = _meant_field(within, key)
    own = within.cure_of_unknown(key) if issubclass(within, Lever) else None
    return own or (f'Did you mean "{meant}"?' if meant else list_known(_fields_of(within), "The keys here are"))


def _meant_field(model: type[BaseModel], key: str) -> str | None:
    """Return the field of a model that an unknown key is probably meant for, or None."""
    if issubclass(model, Lever):
        # A field of another lever is spelt right: the nearest name here is not what is meant.
        is_elsewhere = any(key in kind.model_fields for kind in KINDS.values())
        if is_elsewhere or model.cure_of_unknown(key) is not None:
            return None
    return nearest(key, _fields_of(model))


def _fields_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items() if name != "id"]


def _innermost_model(model: type[BaseModel], place: Sequence[Any]) -> type[BaseModel] | None:
    """Return the innermost model to which a place leads."""
    for part in place:
        model = _model_of_field(model, part) or model
    return model


def _model_of_field(model: type[BaseModel], part: Any) -> type[BaseModel] | None:
    """Return the model that a field holds, alone or in a container, or None."""
    field: FieldInfo | None = model.model_fields.get(str(part))
    waiting: list[Any] = [field.annotation] if field else []
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        waiting.extend(get_args(annotation))
    return None
