"""How the futures of a file look: the tree of their questions with dates and probabilities, what branches change."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from optimizer.instance.document import get_value
from optimizer.instance.ranges import find_places
from optimizer.instance.schema import Instance
from optimizer.io.yaml_text import dump_flow
from optimizer.report.format import list_names, percent, plural
from optimizer.report.tables.render import cross_table
from optimizer.studies.summary import FutureOutline, Summary

_CAPTION = (
    "Values are in the units of the file; – : not in the file. What stands above the tree is of the file before "
    "any answer."
)
# Larger trees are drawn to the last question that keeps them below this.
_DRAWN = 40
_Answers = Sequence[Mapping[str, Any]]


def futures_parts(instance: Instance, summary: Summary, width: int) -> Iterator[RenderableType]:
    """The tree, what its branches change, and where probabilities are made up; nothing for a file without futures."""
    if not summary.futures:
        return
    yield Text("Futures", style="bold")
    yield _tree(instance, summary.futures)
    if summary.unweighted:
        names = list_names(summary.unweighted, 6)
        words = f"Probabilities are made up: the file gives none for {names}, so the branches are equally likely."
        yield Text(words, style="yellow")
    if any(answer["set"] for each in summary.futures for answer in each.answers):
        yield _changes(instance, summary.futures, width)


def _tree(instance: Instance, futures: Sequence[FutureOutline]) -> Tree:
    depth = max(len(each.answers) for each in futures)
    while depth > 1 and len({_names(each.answers[:depth]) for each in futures}) > _DRAWN:
        depth -= 1
    root = Tree(f"{plural(len(futures), 'future')}; minimised: {instance.policy.objective}")
    _grow(root, futures, 0, depth)
    return root


def _names(answers: _Answers) -> tuple[str, ...]:
    return tuple(each["branch"] for each in answers)


def _grow(above: Tree, futures: Sequence[FutureOutline], known: int, depth: int) -> None:
    """Add the branches of the question that is answered next in some futures."""
    whole = sum(each.probability for each in futures)
    question = futures[0].answers[known]
    node = above.add(Text(f"{question['from']}  {question['question']}", style="bold"))
    for branch, group in groupby(futures, key=lambda each: each.answers[known]["branch"]):
        inside = list(group)
        likely = sum(each.probability for each in inside)
        label = Text(f"{branch}  {percent(likely / whole, 1)}")
        is_last = len(inside[0].answers) == known + 1
        if is_last:
            label.append(f"  {inside[0].name} {percent(likely, 1)}", style="dim")
        elif known + 1 == depth:
            label.append(f"  {plural(len(inside), 'future')} {percent(likely, 1)}", style="dim")
        grown = node.add(label)
        if not is_last and known + 1 < depth:
            _grow(grown, inside, known + 1, depth)


def _changes(instance: Instance, futures: Sequence[FutureOutline], width: int) -> Table:
    """One row for each value that a branch sets, beside the value of the file."""
    data, room = instance.to_dict(), 45 * width // 100
    found = {(each["question"], each["branch"]): each for future in futures for each in future.answers if each["set"]}
    order = {question: i for i, question in enumerate(dict.fromkeys(question for question, _ in found))}
    rows = list[tuple[str | Text, Sequence[str | Text]]]()
    for (question, branch), answer in sorted(found.items(), key=lambda item: order[item[0][0]]):
        rows.append((Text(f"{question}: {branch}", style="bold"), ("", "")))
        for path, value in answer["set"].items():
            place = next(find_places(data, path), None)
            own = "–" if place is None else _value(get_value(data, place))
            rows.append((_wrap(path, room), (own, _value(value))))
    return cross_table(
        "What branches change",
        "Branch and key",
        ["In the file", "In the branch"],
        rows,
        caption=_CAPTION,
        labels={"no_wrap": True},
        layout={"justify": "left", "overflow": "fold", "ratio": 1},
        expand=True,
    )


def _wrap(path: str, room: int) -> str:
    """A path in lines that end with dots where it has no room in one."""
    lines = ["  "]
    for part in re.findall(r"[^.]*\.?", path):
        if len(lines[-1]) + len(part) > room and lines[-1].strip():
            lines.append("    ")
        lines[-1] += part
    return "\n".join(lines)


def _value(value: Any) -> str:
    """A value for reading: years with their values, numbers as short as they are."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value(part)}" for key, part in value.items()) or "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:,.10g}"
    return value if isinstance(value, str) else dump_flow(value)
