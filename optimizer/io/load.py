"""Instance files: read as plain data and as an Instance (YAML, JSON, Excel, a saved plan), and put in another form."""

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from optimizer import arguments
from optimizer.errors import Finding, InstanceError, Place
from optimizer.files import INSTANCES, write_whole
from optimizer.instance.document import (
    WORKBOOK,
    Document,
    file_content,
    get_value,
    is_plan_file,
    is_workbook,
    json_mapping,
    leaves,
    parse,
    peek,
    read_text,
)
from optimizer.instance.overrides import OverridesLike, apply_override, assignments
from optimizer.instance.reading import check_document
from optimizer.instance.schema import Instance
from optimizer.io.yaml_text import Comment, are_alike, dump_flow, dump_yaml, parse_comments, value_at
from optimizer.results.saved import is_of_futures
from optimizer.suggestions import excerpt
from optimizer.tolerances import FINDINGS

# Fields that hold a text, whatever it looks like.
TEXTS = ("name", "source", "note", "description")


def open_document(path: str | FilePath) -> Document:
    """The data of an instance file, with the line or cell of every value; of a saved plan the instance inside it.

    Raises:
        InstanceError: the file cannot be read.
    """
    if is_workbook(path):
        from optimizer.io.workbook import parse_workbook

        return parse_workbook(file_content(path), str(path))[0]
    text = read_text(path)
    plan = _any_plan(text)
    if plan is None:
        return parse(text, str(path))
    if not isinstance(plan.get("data"), Mapping):
        cure = "Solve the instance again with --output."
        raise InstanceError([Finding(str(path), None, "data", "this saved plan holds no instance", cure)])
    return Document(str(path), dict(plan["data"]))


def is_futures_plan_file(path: str | FilePath) -> bool:
    """Whether a file is a saved plan of several futures."""
    return is_plan_file(path) and is_of_futures(peek(path))


def is_instance(path: str | FilePath) -> bool:
    """Whether a file is an instance and no saved plan, by its name, or as JSON by its content."""
    if FilePath(path).suffix.lower() in INSTANCES:
        return True
    return peek(path).keys() >= {"horizon", "demands"}


def _any_plan(text: str) -> Mapping[str, Any] | None:
    """The mapping in the JSON text of a plan, saved or written by hand: no instance has `builds`."""
    data = json_mapping(text)
    return data if "builds" in data else None


def _key_place(data: Any, keys: Sequence[str]) -> Place:
    """The place that keys written as text lead to: those of a list are numbers."""
    place: Place = ()
    for key in keys:
        part: str | int = int(key) if isinstance(data, list) and key.isdigit() else key
        place, inside = (*place, part), data
        try:
            data = inside[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return place


def read_comments(path: str | FilePath) -> tuple[Comment, ...]:
    """The comments of an instance file, or of the instance in a saved plan; a JSON instance has none.

    Raises:
        InstanceError: the file cannot be read.
    """
    if is_workbook(path):
        from optimizer.io.workbook import parse_workbook

        return parse_workbook(file_content(path), str(path))[1]
    text = read_text(path)
    plan = _any_plan(text)
    if plan is not None:
        kept = [each for each in plan.get("comments") or () if {"place", "value", "text"} <= each.keys()]
        return tuple(Comment(_key_place(plan["data"], each["place"]), each["value"], each["text"]) for each in kept)
    return () if FilePath(path).suffix.lower() == ".json" else parse_comments(text, str(path))


def comments_of(path: str | FilePath) -> tuple[dict[str, Any], ...]:
    """The comments of an instance file, as `Result.comments` holds them; empty where the file cannot be read."""
    if FilePath(path).suffix.lower() not in INSTANCES and not is_plan_file(path):
        return ()
    try:
        comments = read_comments(path)
    except InstanceError:
        return ()
    # YAML reads some values as dates and the like, which JSON cannot hold: they become text.
    values = [json.loads(json.dumps(each.value, default=str)) for each in comments]
    return tuple(
        {"place": [str(part) for part in each.place], "value": value, "text": each.text}
        for each, value in zip(comments, values, strict=True)
    )


def changes_of(path: str | FilePath) -> tuple[str, ...]:
    """What a saved plan says of changes to its file; empty where the file is none."""
    return tuple(peek(path).get("changes", ())) if is_plan_file(path) else ()


@contextmanager
def without_collection() -> Iterator[None]:
    """Leave out the collector of cyclic garbage, which takes 40 % of the time of a large file and finds nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def load(path: str | FilePath, overrides: OverridesLike = ()) -> Instance:
    """Read and check an instance file.

    Args:
        path: a YAML or JSON file, an Excel workbook, or a saved plan for the instance in it.
        overrides: an assignment such as ``demands.ev_motors.survival=0.6``, several of them, or a mapping such as
            ``{"demands.ev_motors.survival": 0.6}``; checked like the file.

    Returns:
        The instance.

    Raises:
        InstanceError: with every finding, each with file, line or cell, what is wrong and the cure.
        ValueError: `path` is no path, or `overrides` are of another form.

    Example:
        >>> import optimizer as so
        >>> so.load("instances/tiny.yaml")
        <Instance 'tiny': 2026…2030 by year; 1 processes, 1 segments, 2 options, 2 shocks>
        >>> so.load("instances/tiny.yaml", {"policy.budget": "30M"}).policy.budget
        30000000.0
    """
    instance, _ = check(path, overrides)
    return instance


def check(path: str | FilePath, overrides: OverridesLike = ()) -> tuple[Instance, tuple[Finding, ...]]:
    """Like `load`, with the warnings about valid but suspicious input, as the command prints them.

    Returns:
        The instance, and what was found; empty where nothing is suspicious.

    Raises:
        InstanceError: the file or an override is wrong. It lists every finding with its place and cure.

    Example:
        >>> import optimizer as so
        >>> _, warnings = so.check("instances/tiny.yaml")
        >>> warnings
        ()
    """
    instance, findings, _ = inspect_document(arguments.file_path("path", path), overrides)
    return instance, findings


@without_collection()
def inspect_document(
    path: str | FilePath, overrides: OverridesLike = ()
) -> tuple[Instance, tuple[Finding, ...], Document]:
    """Like `check`, with the document, which knows the line of every place."""
    document, wrong = open_document(path), list[Finding]()
    for assignment in assignments(overrides):
        try:
            apply_override(document, assignment)
        except InstanceError as error:
            wrong += error.findings
    try:
        instance, findings = check_document(document)
    except InstanceError as error:
        raise InstanceError([*wrong, *error.findings]) from None
    if wrong:
        raise InstanceError([*wrong, *findings])
    return instance, findings, document


# The same instance in another form.
FORMS = (".yaml", ".yml", ".json", WORKBOOK)


def _of_value_before(comment: Comment, data: Mapping[str, Any]) -> Comment:
    """A comment that says of which value it is, where a run changed the value in a saved plan."""
    now = value_at(data, comment.place)
    if comment.value is None or now is None or are_alike(now, comment.value):
        return comment
    return replace(comment, value=now, text=f"of {dump_flow(comment.value)}, before: {comment.text}")


def convert_file(source: str | FilePath, target: str | FilePath) -> int:
    """Write an instance file in the form that the target's name says.

    The new content is read back first, and must give the same instance.

    Args:
        source: a valid instance file.
        target: a name that ends in .yaml, .yml, .json or .xlsx.

    Returns:
        The number of comments left out: JSON has none.

    Raises:
        InstanceError: with every finding of the source; or with the values that the target's form does not hold.
        ValueError: the target's name has no known form.
        OSError: the target cannot be written.
    """
    form = arguments.file_path("target", target, FORMS).suffix.lower()
    document = open_document(source)
    comments = tuple(_of_value_before(comment, document.data) for comment in read_comments(source))
    instance, _ = check_document(document)
    if form == WORKBOOK:
        from optimizer.io.workbook import dump_workbook, parse_workbook

        content = dump_workbook(document.data, comments)
        again = parse_workbook(content, str(target))[0]
    else:
        from optimizer.io.json_schema import EDITOR_LINE, SCHEMA_FILE

        has_schema = (FilePath(target).parent / SCHEMA_FILE).exists()
        if form == ".json":
            text = json.dumps(document.data, indent=1, ensure_ascii=False) + "\n"
        else:
            text = dump_yaml(document.data, comments, EDITOR_LINE if has_schema else "")
        content, again = text.encode("utf-8"), parse(text, str(target))
    if check_document(again)[0] != instance:
        raise InstanceError(_not_held(document, again))
    write_whole(target, content)
    return len(comments) if form == ".json" else 0


def _not_held(document: Document, again: Document) -> list[Finding]:
    """The values of a text that another form does not hold as they are; nothing of it is written."""
    found, cure = list[Finding](), "Write a text in quotes or another value, or remove the key; nothing was written."
    for place, value in leaves(document.data):
        back = get_value(again.data, place)
        if value is not None and (back is None or (place[-1] in TEXTS and str(back) != str(value))):
            read = "nothing" if back is None else f'"{excerpt(back)}"'
            found.append(document.finding(place, f'"{excerpt(value)}" is read back from {again.file} as {read}', cure))
    return found[:FINDINGS] or [Finding(again.file, None, "", "would not be the same instance", cure)]
