"""The reference pages that are generated: the instance format from the schema, the commands from their `--help`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from optimizer.cli.app import COMMANDS, app
from optimizer.io.json_schema import dump_schema

DOCS = Path(__file__).parent.parent / "docs"
# Fields that every object has; the page describes them once.
COMMON = ("name", "source", "note")
WIDTH = 88


def pages() -> dict[Path, str]:
    """By path, the text of each page that ends in a generated part: what stands above its mark is kept."""
    parts = {"format": _format(json.loads(dump_schema())), "commands": _commands()}
    return {DOCS / "reference" / f"{name}.md": _renewed(name, "".join(part)) for name, part in parts.items()}


def _renewed(name: str, generated: str) -> str:
    mark = "<!-- Generated from here on: python -m tests.manual --update -->\n"
    kept, found, _ = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8").partition(mark)
    assert found, f"{name}.md has no mark"
    return kept + found + generated


def _commands() -> Iterator[str]:
    yield f"\n{_help()}"
    for panel, commands in COMMANDS.items():
        yield f"\n## {panel}\n"
        for name in commands:
            yield f"\n### {name}\n\n{_help(name)}"


def _help(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(WIDTH), "NO_COLOR": "1"})
    if done.exit_code:
        raise AssertionError(done.output)
    text = "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines()).strip()
    return f"```text\n{text.replace('Usage: root ', 'Usage: diversify ')}\n```\n"


def _format(schema: dict[str, Any]) -> Iterator[str]:
    names = _sections(schema)
    yield "\n## The file\n\n"
    yield from _table(schema, schema["$defs"], names)
    for definition, title in names.items():
        found = schema["$defs"][definition]
        yield f"\n## {title}\n\n{_sentence(found.get('description', ''))}\n\n"
        yield from _table(found, schema["$defs"], names)


def _sections(schema: dict[str, Any]) -> dict[str, str]:
    """The definitions that have a section, in the order in which the file reaches them, each with its title."""
    found, waiting = dict[str, str](), [schema]
    while waiting:
        for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(waiting.pop(0))):
            definition = schema["$defs"][name]
            if name not in found and _is_section(definition):
                found[name] = _title(name, definition)
                waiting.append(definition)
            elif name not in found:
                found[name] = ""
                waiting.append(definition)
    return {name: title for name, title in found.items() if title}


def _is_section(definition: dict[str, Any]) -> bool:
    fields = set(definition.get("properties", {}))
    return bool(definition.get("description")) and not fields >= {"value", "low", "high"}


def _title(name: str, definition: dict[str, Any]) -> str:
    kind = definition["properties"].get("kind", {})
    if "const" in kind:
        return f"option: {kind['const']}"
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name.removesuffix("Spec")).lower()


def _table(definition: dict[str, Any], shared: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    required = definition.get("required", ())
    own = {name: field for name, field in definition.get("properties", {}).items() if name not in COMMON}
    if not own:
        yield "It has no fields but those that every object may carry.\n"
        return
    yield "| field | value | meaning |\n|---|---|---|\n"
    for name, field in own.items():
        label = f"**`{name}`**" if name in required else f"`{name}`"
        value = " or ".join(dict.fromkeys(_kinds(field, shared, names)))
        yield f"| {label} | {value} | {_sentence(_description(field, shared))} |\n"


def _description(field: dict[str, Any], shared: dict[str, Any]) -> str:
    """The text of a field, or that of the definition that it shares with others."""
    if "description" in field or "$ref" not in field:
        return str(field.get("description", ""))
    return _description(shared[field["$ref"].rpartition("/")[2]], shared)


def _sentence(text: str) -> str:
    """A text of the schema as Markdown: code in single backticks, braces and bars kept."""
    text = " ".join(text.replace("``", "`").replace("|", "\\|").split())
    parts = text.split("`")
    outside = [re.sub(r"(?<![`\w])(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})", r"`\1`", part) for part in parts[::2]]
    return "`".join(part for pair in zip(outside, [*parts[1::2], ""], strict=True) for part in pair)[: -1 or None]


# A number for each year given, and for that year alone.
BY_YEAR = "number by year"


def _kinds(field: dict[str, Any], shared: dict[str, Any], names: dict[str, str]) -> list[str]:
    """What a value may be, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        if name in names:
            anchor = re.sub(r"[^\w -]", "", names[name]).replace(" ", "-")
            return [f"[{names[name]}](#{anchor})"]
        if "allOf" in shared[name]:
            kinds = [kind for each in shared[name]["allOf"] for kind in _kinds(each.get("then", {}), shared, names)]
            return [", ".join(kinds)]
        return _kinds(shared[name], shared, names)
    if "enum" in field:
        return [", ".join(f"`{value}`" for value in field["enum"])]
    if "const" in field:
        return [f"`{field['const']}`"]
    if "anyOf" in field or "oneOf" in field:
        found = [kind for each in field.get("anyOf", field.get("oneOf")) for kind in _kinds(each, shared, names)]
        # A number for all years or one by year, held between and outside the years given.
        is_series = {"number", BY_YEAR} <= {*found}
        return ["series" if is_series and kind in ("number", BY_YEAR) else kind for kind in found]
    if set(field.get("properties", ())) >= {"value", "low", "high"}:
        return ["number"] if "number" in field.get("type", ()) else []
    if "patternProperties" in field:
        return [BY_YEAR]
    if "items" in field:
        return [f"list of {' or '.join(dict.fromkeys(_kinds(field['items'], shared, names)))}"]
    return _simple(field, shared, names)


def _simple(field: dict[str, Any], shared: dict[str, Any], names: dict[str, str]) -> list[str]:
    types = field.get("type", ())
    types = [types] if isinstance(types, str) else list(types)
    if "pattern" in field or "number" in types:
        is_text = "pattern" not in field and "string" in types
        return ["text" if is_text else "number"]
    if isinstance(field.get("additionalProperties"), dict):
        value = " or ".join(dict.fromkeys(_kinds(field["additionalProperties"], shared, names)))
        return [f"by name, {value or 'anything'}"]
    words = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`", "object": "mapping"}
    found = [words[each] for each in types if each in words]
    return found[:1] if "integer" in types else found
