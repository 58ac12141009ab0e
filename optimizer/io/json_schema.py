"""The instance format as JSON Schema (draft 2020-12), which editors use for completion and checks.

Shapes and texts come from the fields of the models, including levers registered so far. The schema checks each value on
its own; `load` checks that names exist, shocks begin within the horizon and sizes fit. Shapes of values, and fields
that several models share, are definitions of their own, such as `Quantity` and `Sized.capex`.
"""

import inspect
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from optimizer import shapes
from optimizer.instance.ranges import RangeSpec
from optimizer.instance.schema import Commodity, Instance
from optimizer.levers import KINDS, Lever, known_kinds

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = "instance.schema.json"
# The first line of an instance file, from which language servers for YAML find the schema.
EDITOR_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
_SECTIONS = (
    "regions", "commodities", "processes", "demands", "options", "shocks", "ensembles", "scenarios", "futures",
    "members", "ranges",
)  # fmt: skip
_WIDTH = 110
_NULL, _ABOUT = {"type": "null"}, ("description", "default")
_REWRITTEN = ("title", "type", "description", "properties", "required", "additionalProperties")


class _Generator(GenerateJsonSchema):
    """Generator that accepts numbers as text, and omits defaults that are no plain values (descriptions state them)."""

    def str_schema(self, schema: Any) -> dict[str, Any]:
        return dict(shapes.NAME)

    def encode_default(self, dft: Any) -> Any:
        plain = isinstance(dft, (bool, int, float, str))
        return dft if plain else None


def build_schema() -> dict[str, Any]:
    """Return the schema as a mapping to be written as JSON."""
    models = sorted({*_models(Instance), *known_kinds().values()}, key=lambda model: model.__name__)
    _, made = models_json_schema(
        [(model, "validation") for model in models],
        by_alias=True,
        ref_template="#/$defs/{model}",
        schema_generator=_Generator,
    )
    parts = {model.__name__: _definition(made["$defs"][model.__name__], model) for model in models}
    fields = _hoist_fields(parts, models)
    whole = parts.pop(Instance.__name__)
    properties = whole["properties"]
    properties["commodities"]["additionalProperties"] = {"anyOf": [_reference(Commodity.__name__), {"type": "null"}]}
    properties["options"]["additionalProperties"] = _reference("Option")
    for section in _SECTIONS:
        properties[section]["type"] = ["object", "null"]
    properties["policy"]["anyOf"] = [{"$ref": properties["policy"].pop("$ref")}, _NULL]
    whole |= {"required": ["horizon", "commodities", "demands"], "description": "An instance of diversify."}
    parts |= {"Option": _option_definition(), **fields, **_value_shapes(parts[RangeSpec.__name__])}
    return {"$schema": DIALECT, "title": "Instance", **whole, "$defs": dict(sorted(parts.items()))}


def dump_schema() -> str:
    """Return the schema as the text of a file; every value that fits into one line is written in one."""
    return _dump(build_schema(), "") + "\n"


def _dump(value: Any, indent: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(indent) + len(line) <= _WIDTH:
        return line
    inner, ends = f"{indent} ", "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {_dump(part, inner)}" for key, part in value.items()]
    else:
        lines = [_dump(part, inner) for part in value]
    return f"{ends[0]}\n" + ",\n".join(inner + each for each in lines) + f"\n{indent}{ends[1]}"


def starter_files() -> dict[str, str]:
    """Return the files that `diversify init` writes, an instance and the schema, as texts by file name."""
    starter = FilePath(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
    return {"instance.yaml": starter, SCHEMA_FILE: dump_schema()}


def describe_model(model: type[BaseModel], name: str) -> str:
    """Return the description of a field, by its name in a file; a redeclared field without one inherits it."""
    for each in model.__mro__:
        for key, field in getattr(each, "model_fields", {}).items():
            if (field.alias or key) == name and field.description:
                return str(field.description)
    return ""


def takes_number(shape: Mapping[str, Any], parts: Mapping[str, Any]) -> bool:
    """Return whether a shape allows a number, or a series or list of numbers; `parts` are the `$defs` of a schema."""
    while "$ref" in shape:
        shape = parts[shape["$ref"].rpartition("/")[2]]
    return "pattern" in shape or any(takes_number(each, parts) for each in shape.get("anyOf", ()))


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Return a model and all models inside its fields, except levers; a model may contain itself."""
    found, waiting = set[type[BaseModel]](), [model]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += [part for field in each.model_fields.values() for part in _models_within(field.annotation)]
    return found


def _models_within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not issubclass(annotation, Lever):
            yield annotation
        return
    for part in getattr(annotation, "__args__", ()):
        yield from _models_within(part)


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _definition(part: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return the definition of a model: descriptions of all fields, additions of its config, but no key."""
    properties = {}
    for key, shape in part.get("properties", {}).items():
        if key != "id":
            text = describe_model(model, key)
            properties[key] = _refer(_simplify(shape)) | ({"description": text} if text else {})
    return {
        "type": "object",
        "description": (model.__doc__ or "").partition("\n\n")[0].strip(),
        "properties": properties,
        "required": [key for key in part.get("required", ()) if key != "id"],
        "additionalProperties": False,
        **{key: value for key, value in part.items() if key not in _REWRITTEN},
    }


def _simplify(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return a shape without titles and null defaults; `null` beside a single type becomes a list of types."""
    plain = {key: value for key, value in shape.items() if key != "title" and (key != "default" or value is not None)}
    others = [each for each in plain.get("anyOf", ()) if each != _NULL]
    if len(others) == 1 and others[0].keys() == {"type"}:
        types = others[0]["type"]
        del plain["anyOf"]
        plain["type"] = [*(types if isinstance(types, list) else [types]), "null"]
    return plain


def _refer(shape: Any) -> Any:
    """Return a shape with every shared shape inside it replaced by a reference."""
    if isinstance(shape, list):
        return [_refer(each) for each in shape]
    if not isinstance(shape, dict):
        return shape
    reference = _shared_reference({key: part for key, part in shape.items() if key not in _ABOUT})
    if reference is None:
        return {key: _refer(part) for key, part in shape.items()}
    return {**reference, **{key: shape[key] for key in _ABOUT if key in shape}}


def _shared_reference(shape: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the reference to a shared shape, or to one or null; None if the shape is not shared."""
    found = next((_reference(name) for name, shared in shapes.SHARED.items() if shared == shape), None)
    if found is None and _NULL in shape.get("anyOf", ()):
        # pydantic merges null into the alternatives of the shape itself.
        found = _shared_reference({"anyOf": [each for each in shape["anyOf"] if each != _NULL]})
        return None if found is None else {"anyOf": [found, _NULL]}
    return found


def _hoist_fields(parts: Mapping[str, dict[str, Any]], models: list[type[BaseModel]]) -> dict[str, Any]:
    """Return definitions of fields that several models inherit from one class; the models then refer to them."""
    users: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for model in models:
        for key in parts[model.__name__]["properties"]:
            owner = next(each for each in model.__mro__ if key in _declared_names(each))
            users[f"{owner.__name__}.{key}"].append(parts[model.__name__]["properties"])
    fields = {}
    for name, properties in users.items():
        key = name.partition(".")[2]
        if len(properties) > 1:
            fields[name] = properties[0][key]
            for each in properties:
                each[key] = _reference(name)
    return fields


def _declared_names(model: type) -> set[str]:
    """Return the fields that a class itself declares, by their names in a file."""
    own = inspect.get_annotations(model)
    return {field.alias or key for key, field in getattr(model, "model_fields", {}).items() if key in own}


def _value_shapes(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shared shapes of values; any number may be replaced by an uncertain one with its range."""
    plain = {"Number": dict(shapes.AMOUNT)}
    for end in ("low", "high"):
        spec["properties"][end]["$ref"] = "#/$defs/Number"
    ranged = {
        **spec,
        "description": "An uncertain number, with the ends of its range.",
        "properties": {"value": _reference("Number"), **spec["properties"]},
        "required": ["value", *spec["required"]],
    }
    shared = {
        name: {"anyOf": [dict(shape), _reference("Ranged")]}
        if name in shapes.NUMBER_SHAPES
        else {key: _refer(part) for key, part in shape.items()}
        for name, shape in shapes.SHARED.items()
    }
    return {**plain, "Ranged": ranged, **shared}


def _option_definition() -> dict[str, Any]:
    """Return the definition of an option: its kind first, then the fields of that kind."""
    kind = {"enum": list(KINDS), "description": describe_model(Lever, "kind")}
    rules = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": _reference(lever.__name__)}
        for kind, lever in KINDS.items()
    ]
    return {"type": "object", "required": ["kind"], "properties": {"kind": kind}, "allOf": rules}
