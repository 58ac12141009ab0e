"""The instance format as JSON Schema (draft 2020-12): what an editor completes and checks while one types.

Shapes and texts come from the fields of the models, levers registered by then included. The schema checks each value
on its own: that names exist, windows lie in the horizon and sizes fit is checked by `load`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from optimizer import shapes
from optimizer.instance.ranges import RangeSpec
from optimizer.instance.schema import Commodity, Instance
from optimizer.levers import KINDS, Lever

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = "instance.schema.json"
# The first line of an instance file, which language servers for YAML follow.
EDITOR_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
_SECTIONS = (
    "regions", "commodities", "processes", "demands", "options", "shocks", "ensembles", "scenarios", "ranges"
)  # fmt: skip


def describe(model: type[BaseModel], name: str) -> str:
    """What a field means, by its name in a file; a field declared again without a text has that of the class above."""
    for each in model.__mro__:
        for key, field in getattr(each, "model_fields", {}).items():
            if (field.alias or key) == name and field.description:
                return str(field.description)
    return ""


_SEVERE = {"type": "array", "contains": {"type": "object", "required": ["severity"]}}


_RANGED = {
    "type": "object",
    "description": "An uncertain number, with the ends of its range.",
    "properties": {
        "value": shapes.AMOUNT,
        "low": {**shapes.AMOUNT, "description": describe(RangeSpec, "low")},
        "high": {**shapes.AMOUNT, "description": describe(RangeSpec, "high")},
        "of": {"const": "value", "description": describe(RangeSpec, "of")},
        "draw": {**shapes.NAME, "description": describe(RangeSpec, "draw")},
        **{key: {**shapes.NAME, "description": describe(RangeSpec, key)} for key in ("name", "source", "note")},
    },
    "required": ["value", "low", "high"],
    "additionalProperties": False,
}


class _Generator(GenerateJsonSchema):
    """Text may be written as a number; defaults that are no plain value are left to the words."""

    def str_schema(self, schema: Any) -> dict[str, Any]:
        return dict(shapes.NAME)

    def encode_default(self, dft: Any) -> Any:
        plain = isinstance(dft, (bool, int, float, str))
        return dft if plain else None


def build_schema() -> dict[str, Any]:
    """The schema, as a mapping that goes to JSON."""
    models = sorted({model.__name__: model for model in _models(Instance)}.values(), key=lambda model: model.__name__)
    models = [*models, *(lever for lever in KINDS.values() if lever not in models)]
    keys, made = models_json_schema(
        [(model, "validation") for model in models],
        by_alias=True,
        ref_template="#/$defs/{model}",
        schema_generator=_Generator,
    )
    names = {model: keys[(model, "validation")]["$ref"].rpartition("/")[2] for model in models}
    parts = {name: _tidied(made["$defs"][name], model) for model, name in names.items()}
    parts["Cut"] |= {
        "required": [],
        "anyOf": [{"required": [key]} for key in ("region", "stage", "process", "commodity")],
    }
    parts["DrawnCut"]["anyOf"] = parts["Cut"]["anyOf"]
    for lever in KINDS.values():
        _add(parts[names[lever]], lever.schema_rules)
    for one in ("months", "severity"):
        never = {"properties": {"grid": {"required": [one]}}, "required": ["grid"]}
        beside = (
            {"required": ["months"]} if one == "months" else {"properties": {"cuts": _SEVERE}, "required": ["cuts"]}
        )
        parts["ShockSpec"].setdefault("allOf", []).append({"not": {"allOf": [never, beside]}})
    parts["Option"] = _option({kind: names[lever] for kind, lever in KINDS.items()})
    parts = {name: part if name == "RangeSpec" else _ranged(part) for name, part in parts.items()}
    parts["Ranged"] = _RANGED
    whole = parts.pop(names[Instance])
    commodity = {"anyOf": [{"$ref": f"#/$defs/{names[Commodity]}"}, {"type": "null"}]}
    whole["properties"]["commodities"]["additionalProperties"] = commodity
    whole["properties"]["options"]["additionalProperties"] = {"$ref": "#/$defs/Option"}
    for section in _SECTIONS:
        whole["properties"][section]["type"] = ["object", "null"]
    whole |= {"required": ["horizon", "commodities", "demands"], "description": "An instance of diversify."}
    return {"$schema": DIALECT, "title": "Instance", **whole, "$defs": dict(sorted(parts.items()))}


def _add(part: dict[str, Any], rules: Mapping[str, Any]) -> None:
    """Put rules into a shape, within what it has."""
    for key, rule in rules.items():
        if isinstance(part.get(key), dict):
            _add(part[key], rule)
        else:
            part[key] = rule


def dump_schema() -> str:
    """The schema as the text of a file."""
    return json.dumps(build_schema(), indent=1, ensure_ascii=False) + "\n"


def _ranged(shape: Any) -> Any:
    """A shape in which every number may have a range beside it."""
    if isinstance(shape, list):
        return [_ranged(each) for each in shape]
    if not isinstance(shape, dict):
        return shape
    if "pattern" not in shape:
        return {key: _ranged(part) for key, part in shape.items()}
    about = {key: part for key, part in shape.items() if key in ("description", "default")}
    number = {key: part for key, part in shape.items() if key not in about}
    return {"anyOf": [number, {"$ref": "#/$defs/Ranged"}], **about}


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields hold, the levers left out."""
    yield model
    for field in model.model_fields.values():
        yield from _within(field.annotation)


def _within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not issubclass(annotation, Lever):
            yield from _models(annotation)
        return
    for part in getattr(annotation, "__args__", ()):
        yield from _within(part)


def _option(names: dict[str, str]) -> dict[str, Any]:
    """An option: its kind first, then what that kind has."""
    kind = {"enum": list(names), "description": describe(Lever, "kind")}
    rules = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"$ref": f"#/$defs/{name}"},
        }
        for kind, name in names.items()
    ]
    return {"type": "object", "required": ["kind"], "properties": {"kind": kind}, "allOf": rules}


def _tidied(part: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """One object: without its key, with the words of every field, and nothing that says nothing."""
    properties = {key: _plain(shape) for key, shape in part.get("properties", {}).items() if key != "id"}
    for key, shape in properties.items():
        text = describe(model, key)
        shape |= {"description": text} if text else {}
    tidy: dict[str, Any] = {"type": "object", "description": (model.__doc__ or "").partition("\n\n")[0].strip()}
    required = [key for key in part.get("required", ()) if key != "id"]
    return {**tidy, "properties": properties, "required": required, "additionalProperties": False}


def _plain(shape: dict[str, Any]) -> dict[str, Any]:
    """A shape without titles and empty defaults, and `null` beside the types that it goes with."""
    shape = {key: value for key, value in shape.items() if key != "title" and (key != "default" or value is not None)}
    either = shape.get("anyOf")
    if either and {"type": "null"} in either and len(either) == 2:
        (other,) = (each for each in either if each != {"type": "null"})
        if "type" in other:
            types = other["type"] if isinstance(other["type"], list) else [other["type"]]
            return {**{key: value for key, value in shape.items() if key != "anyOf"}, **other, "type": [*types, "null"]}
    return shape


def starter_files() -> dict[str, str]:
    """By name, the text of each file."""
    starter = FilePath(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
    return {"instance.yaml": starter, SCHEMA_FILE: dump_schema()}
