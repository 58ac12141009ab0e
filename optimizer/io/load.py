"""Reading of instance files (YAML, JSON, Excel, saved plans) as plain data or Instance, and their conversion."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from optimizer import arguments
from optimizer.errors import REPORT_FORMS, Finding, InstanceError, Place, excerpt
from optimizer.files import INSTANCES, WORKBOOK, is_workbook, json_mapping, peek, saved_plan, write_whole
from optimizer.instance.document import (
    NAME_INSTANCE,
    TEXT_FIELDS,
    Document,
    document_of,
    file_content,
    get_value,
    leaves,
    parse,
    read_text,
    with_text_keys,
)
from optimizer.instance.overrides import OverridesLike, apply_override, assignments
from optimizer.instance.reading import check_document
from optimizer.instance.schema import Instance
from optimizer.io.yaml_text import Comment, are_alike, dump_flow, dump_yaml, parse_comments, value_at
from optimizer.tolerances import MOST_FINDINGS


def open_document(path: str | FilePath) -> Document:
    """Read the data of an instance file, or of the instance in a saved plan, with the line or cell of every value.

    Raises:
        InstanceError: the file cannot be read.
    """
    if is_workbook(path):
        from optimizer.io.workbook import parse_workbook

        return parse_workbook(file_content(path), str(path))[0]
    if FilePath(path).suffix.lower() in REPORT_FORMS and FilePath(path).is_file():
        raise InstanceError([Finding(str(path), None, "", "is a report, not an instance", NAME_INSTANCE)])
    text = read_text(path)
    answer = _any_answer(text)
    if answer is None:
        return parse(text, str(path))
    if "builds" not in answer:
        what = "is the answer to a question, not an instance"
        raise InstanceError([Finding(str(path), None, "", what, NAME_INSTANCE)])
    if not isinstance(answer.get("data"), Mapping):
        cure = "Solve the instance again with --output."
        raise InstanceError([Finding(str(path), None, "data", "this saved plan holds no instance", cure)])
    return Document(str(path), with_text_keys(answer["data"]))


def is_instance(path: str | FilePath) -> bool:
    """Return whether a file is an instance and no saved plan, by its suffix or, for JSON, by its content."""
    return FilePath(path).suffix.lower() in INSTANCES or peek(path).keys() >= {"horizon", "demands"}


def holds_instance(path: str | FilePath) -> bool:
    """Return whether a workbook has the sheets of an instance, sound or not."""
    try:
        return "horizon" in open_document(path).data
    except InstanceError:
        return False


def _any_answer(text: str) -> Mapping[str, Any] | None:
    """Return the mapping in the JSON text of a plan, saved or hand-written, or of another answer, else None.

    Only plans have `builds`; other answers name their instance, which has a horizon.
    """
    data = json_mapping(text)
    return data if "builds" in data or ("instance" in data and "horizon" not in data) else None


def _key_place(data: Any, keys: Sequence[str]) -> Place:
    """Return the place of keys given as text; the keys of lists become numbers."""
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
    """Read the comments of an instance file, or of the instance in a saved plan; a JSON instance has none.

    Raises:
        InstanceError: the file cannot be read.
    """
    if is_workbook(path):
        from optimizer.io.workbook import parse_workbook

        return parse_workbook(file_content(path), str(path))[1]
    text = read_text(path)
    answer = _any_answer(text)
    if answer is not None:
        kept = [each for each in answer.get("comments") or () if {"place", "value", "text"} <= each.keys()]
        return tuple(Comment(_key_place(answer["data"], each["place"]), each["value"], each["text"]) for each in kept)
    return () if FilePath(path).suffix.lower() == ".json" else parse_comments(text, str(path))


def comments_of(path: str | FilePath) -> tuple[dict[str, Any], ...]:
    """Return the comments of an instance file in the form of `Result.comments`; empty if it cannot be read."""
    if FilePath(path).suffix.lower() not in INSTANCES and not saved_plan(path):
        return ()
    try:
        comments = read_comments(path)
    except InstanceError:
        return ()
    # Some values, such as dates, have no form in JSON and become text.
    values = [json.loads(json.dumps(each.value, default=str)) for each in comments]
    return tuple(
        {"place": [str(part) for part in each.place], "value": value, "text": each.text}
        for each, value in zip(comments, values, strict=True)
    )


def load(path: str | FilePath, overrides: OverridesLike = ()) -> Instance:
    """Read and check an instance file.

    Args:
        path: a YAML or JSON file, an Excel workbook, or a saved plan for the instance in it.
        overrides: an assignment such as ``demands.ev_motors.survival=0.6``, several of them, or a mapping such as
            ``{"demands.ev_motors.survival": 0.6}``; checked like the file.

    Returns:
        The instance.

    Raises:
        InstanceError: the file or an override is invalid; the error lists every finding with its place and cure.
        ValueError: `path` is no path, or `overrides` have another form.

    Example:
        >>> import optimizer as so
        >>> so.load("instances/tiny.yaml")
        <Instance 'tiny': 2026…2030 by year; processes: 1; segments: 1; options: 2; shocks: 2>
        >>> so.load("instances/tiny.yaml", {"policy.budget": "30M"}).policy.budget
        30000000.0
    """
    instance, _ = check(path, overrides)
    return instance


def check(
    path: str | FilePath | Mapping[str, Any] | Instance, overrides: OverridesLike = ()
) -> tuple[Instance, tuple[Finding, ...]]:
    """Read and check an instance like `load`, and return warnings about valid but suspicious input with it.

    Args:
        path: as for `load`; or the data of an instance, as for `read`, or an instance.
        overrides: as for `load`.

    Returns:
        The instance, and the warnings that the command prints; empty if nothing is suspicious.

    Raises:
        InstanceError: the data or an override is invalid; the error lists every finding with its place and cure.
        ValueError: `path` is none of these, or `overrides` have another form.

    Example:
        >>> import optimizer as so
        >>> _, warnings = so.check("instances/tiny.yaml")
        >>> warnings
        ()
    """
    if isinstance(path, Instance):
        # Without the defaults, except those that were written: a warning may ask to write one.
        document = document_of(path.model_dump(mode="json", by_alias=True, exclude_unset=True), path.title)
    elif isinstance(path, Mapping):
        document = document_of(path, "data")
    else:
        document = open_document(arguments.file_path("path", path))
    return _check_changed(document, overrides)


def inspect_document(
    path: str | FilePath, overrides: OverridesLike = ()
) -> tuple[Instance, tuple[Finding, ...], Document]:
    """Read and check an instance file like `check`; return also its document, which has the line of every place."""
    document = open_document(path)
    return *_check_changed(document, overrides), document


def _check_changed(document: Document, overrides: OverridesLike) -> tuple[Instance, tuple[Finding, ...]]:
    """Change a document by overrides and check it; return its instance with its warnings."""
    wrong = list[Finding]()
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
    return instance, findings


# Suffixes of the files that `convert_file` writes.
FORMS = (".yaml", ".yml", ".json", WORKBOOK)


def _with_earlier_value(comment: Comment, data: Mapping[str, Any]) -> Comment:
    """Return a comment of a saved plan; if a run changed the value it is about, it begins with the value before."""
    now = value_at(data, comment.place)
    if comment.value is None or now is None or are_alike(now, comment.value):
        return comment
    return replace(comment, value=now, text=f"was {dump_flow(comment.value)}: {comment.text}")


def _add_defaults(data: dict[str, Any], instance: Instance, comments: Iterable[Comment]) -> None:
    """Add the values that comments are about and that the data leave out, since they equal their defaults."""
    whole = instance.model_dump(mode="json", by_alias=True)
    for place in (comment.place for comment in comments if comment.place):
        holder, value = get_value(data, place[:-1]), get_value(whole, place)
        if isinstance(holder, dict) and value is not None:
            holder.setdefault(str(place[-1]), {} if isinstance(value, dict) else value)


def convert_file(source: str | FilePath, target: str | FilePath) -> int:
    """Write an instance file in the format given by the suffix of the target.

    The new content is read back before it is written, and must give the same instance.

    Args:
        source: a valid instance file.
        target: a name that ends in .yaml, .yml, .json or .xlsx.

    Returns:
        The number of comments left out, since JSON has none; 0 for other formats.

    Raises:
        InstanceError: the source is invalid, or the format of the target cannot hold some values, which are listed.
        MissingExtraError: a workbook is to be read or written, and the extra `excel` is not installed.
        OptimizerError: a text is longer than a cell of a workbook can be.
        ValueError: the suffix of the target is no known format.
        OSError: the target cannot be written.
    """
    form = arguments.file_path("target", target, FORMS).suffix.lower()
    document, comments = open_document(source), read_comments(source)
    instance, _ = check_document(document)
    _add_defaults(document.data, instance, comments)
    comments = tuple(_with_earlier_value(comment, document.data) for comment in comments)
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
    try:
        is_same = check_document(again)[0] == instance
    except InstanceError:
        is_same = False
    if not is_same:
        raise InstanceError(_unheld_values(document, again))
    write_whole(target, content)
    return len(comments) if form == ".json" else 0


def _unheld_values(document: Document, again: Document) -> list[Finding]:
    """Return findings about the values that are read back differently from the new format; nothing was written."""
    found, cure = list[Finding](), "Write another name or value, or quote a text, or leave it out; nothing was written."
    for place, value in leaves(document.data):
        back = get_value(again.data, place)
        if value is not None and (back is None or (place[-1] in TEXT_FIELDS and str(back) != str(value))):
            read = "nothing" if back is None else f'"{excerpt(back)}"'
            found.append(document.finding(place, f'"{excerpt(value)}" is read back from {again.file} as {read}', cure))
    return found[:MOST_FINDINGS] or [Finding(again.file, None, "", "would not be the same instance", cure)]
