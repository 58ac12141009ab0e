"""The brief as Markdown: headings, sentences and tables with pipes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def brief_markdown(data: Mapping[str, Any]) -> str:
    """The text of `Brief.to_dict`."""
    return "\n".join(_lines(data)).rstrip() + "\n"


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"# {_plain(data['title'])}", "", _plain(data["about"]), "")
    for warning in data["warnings"]:
        yield from (f"**{_plain(warning)}**", "")
    yield from (f"**{_plain(data['verdict'])}**", "", _plain(data["sentence"]), "")
    for part in data["parts"].values():
        yield from (f"## {_plain(part['title'])}", "")
        for sentence in part["sentences"]:
            yield from (_plain(sentence), "")
        if part["table"] is not None:
            yield from _table(part["table"], part["strong"])
        if part["missing"]:
            yield from (f"*{_plain(part['missing'])}*", "")


def _table(table: Mapping[str, Any], strong: Sequence[int]) -> Iterator[str]:
    heads = table["head"]
    yield _row([head.lstrip(">") for head in heads])
    yield _row(["---:" if head.startswith(">") else "---" for head in heads])
    for i, row in enumerate(table["rows"]):
        yield _row([f"**{_plain(cell)}**" if i in strong and cell else _plain(cell) for cell in row])
    yield ""
    if table["caption"]:
        yield from (_plain(table["caption"]), "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """A text on one line, with what Markdown would read as marks escaped."""
    escaped = "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in str(text))
    return " ".join(escaped.split())
