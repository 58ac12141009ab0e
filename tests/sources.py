"""Where the numbers of the shipped instances come from: a source, an assumption or another number; which have a range.

A number is explained by the comment behind it, by the comment lines right above it, or by those of the line that its
list or mapping starts on; in the `set` of a branch, where lines that belong together follow one comment, by the nearest
one above. It counts as

    assumption   it says "assumption" or "judgement", whatever it cites besides
    source       it cites a source with its grade: (USGS 2026, A), (SMM, B; derived); or its entry has a `source`
    reference    it points to another number, "as above", "price table", "rest", or gives the arithmetic
    bare         there is none

Horizons, the length of a shock, and a 0 or 1 (all of it, none of it, one t a t) say what is asked or counted, and are
left out. The list by influence ranks all ranges by what the dual values of the best plan, with shocks and without, say
of the price of survival and of gaps, and solves both ends of those that do most. What could be bought instead, dual
values do not see.

Run: python -m tests.sources [--influence [N]] [FILE …]
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml
from pydantic_core import PydanticCustomError
from rich.console import Console

import optimizer as so
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import numbers_of
from optimizer.units import parse_amount

INSTANCES = Path(__file__).parent.parent / "instances"
CONSOLE = Console(highlight=False, markup=False, soft_wrap=True)
KINDS = ("source", "assumption", "reference", "bare")
SECTIONS = ("processes", "demands", "options", "shocks", "ensembles", "policy", "adversary", "futures", "discount_rate")
# What says when, how long an end of the horizon is, or how a sample is drawn, and not what the world is like.
NO_DATA = {"start", "from", "to", "seed", "count", "horizon", "months", "year", "earliest", "latest"}
_GRADE = re.compile(r"\b[ABC]\b(?=[);,/:])|\bA/B\b|company|\brelease\b")
_ASSUMED = re.compile(r"assum|judge")


@dataclass(frozen=True)
class Number:
    """A number of an instance file: its dotted path, its line, how it is explained, and whether a range covers it."""

    path: str
    line: int
    kind: str
    has_range: bool


def numbers(path: Path) -> list[Number]:
    """Every number of an instance file that says what the world is like, in the order of the file."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    ranges = list((yaml.safe_load(text).get("ranges") or {}).keys())
    found: dict[str, Number] = {}
    for names, node, tops in _leaves(root, (), ()):
        if names[0] not in SECTIONS or NO_DATA & set(names):
            continue
        own = ".".join(names)
        covered = any(fnmatch(own, pattern) or fnmatch(own, f"{pattern}.*") for pattern in ranges)
        line = node.start_mark.line
        at = (line, *reversed(tops))
        if "set" in names:
            at = (line, _group(lines, line), *at[1:])
        kind = "source" if names[-1] == "amount" and "source:" in lines[line] else _kind(lines, at)
        found[".".join(names)] = Number(".".join(names), line + 1, kind, covered)
    return list(found.values())


def _group(lines: list[str], line: int) -> int:
    """The first of the lines without a comment that end at this one."""
    while line and "#" not in lines[line] and not lines[line - 1].lstrip().startswith("#") and lines[line - 1].strip():
        line -= 1
    return line


def _leaves(
    node: yaml.Node, names: tuple[str, ...], tops: tuple[int, ...]
) -> Iterator[tuple[tuple[str, ...], yaml.Node, tuple[int, ...]]]:
    """The numbers below a node, each with its path and the lines on which what holds it starts, outermost first."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _leaves(value, (*names, str(key.value)), (*tops, key.start_mark.line))
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _leaves(value, (*names, str(position)), (*tops, value.start_mark.line))
    elif _is_data(node):
        yield names, node, tops


def _is_data(node: yaml.Node) -> bool:
    """Whether a scalar is a number other than 0 and 1."""
    try:
        value = parse_amount(yaml.safe_load(str(node.value)))
    except (PydanticCustomError, ValueError, TypeError):
        return False
    return getattr(node, "style", None) is None and value not in (0, 1)


def _kind(lines: list[str], at: tuple[int, ...]) -> str:
    """How the nearest comment explains a number: on its line, above it, or at the line of what holds it."""
    for line in dict.fromkeys(at[:-1]):
        said = _comment(lines, line)
        if said:
            if _ASSUMED.search(said):
                return "assumption"
            return "source" if _GRADE.search(said) else "reference"
    return "bare"


def _comment(lines: list[str], line: int) -> str:
    behind = re.search(r"(?:^|\s)#\s?(.*)$", lines[line])
    above = []
    for before in reversed(lines[:line]):
        if not before.lstrip().startswith("#") or set(before.strip()) <= {"#", "-", " "}:
            break
        above.append(before.strip(" #"))
    return " ".join([*reversed(above), behind.group(1) if behind else ""]).strip()


def main() -> None:
    """Print the counts of the files, and on demand what their ranges do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    help_text = "list the ranges by what they do to the answer, the first N of them solved"
    parser.add_argument("--influence", type=int, nargs="?", const=12, default=0, metavar="N", help=help_text)
    args = parser.parse_args()
    paths = args.files or sorted(INSTANCES.glob("*.yaml"))
    CONSOLE.print(f"{'instance':24}{'numbers':>9}" + "".join(f"{kind:>12}" for kind in KINDS) + f"{'in a range':>12}")
    for path in paths:
        found = numbers(path)
        kinds = Counter(number.kind for number in found)
        covered = sum(number.has_range for number in found)
        CONSOLE.print(
            f"{path.stem:24}{len(found):9}" + "".join(f"{kinds[kind]:12}" for kind in KINDS) + f"{covered:12}"
        )
        for number in found:
            if number.kind == "bare":
                CONSOLE.print(f"  {path.name}:{number.line}: {number.path} has neither a source nor a reason")
    for path in paths if args.influence else ():
        _print_influence(path, args.influence)


def _print_influence(path: Path, most: int) -> None:
    """The ranges that do most, each solved at both ends; then all others by their first-order effect."""
    instance = so.load(path)
    effects = first_order_effects(instance)
    CONSOLE.print(
        f"\n{path.stem}, by influence, million: price of survival, gaps and outlay at the low and at the high end"
    )
    numbers = {number.name: number for number in numbers_of(instance.uncertain)}
    for name in list(effects)[:most]:
        CONSOLE.print(f"  {name:50}" + "".join(_answer(instance, numbers[name].at(end)) for end in (-1.0, 1.0)))
    CONSOLE.print("  not solved: first-order change of price and gaps together at the farther end, million")
    for name in list(effects)[most:]:
        CONSOLE.print(f"  {name:50}{effects[name] / 1e6:+12,.1f}")


def first_order_effects(instance: so.Instance) -> dict[str, float]:
    """What each range does to the price of survival and gaps together at first order, money, the largest first.

    That is what it does to cost with gaps at their price, less what it does to the cost of the instance without shocks.
    """
    kept = {name: each for name, each in instance.ranges.items() if not name.startswith(("shocks.", "adversary."))}
    calm = instance.replacing(shocks={}, ensembles={}, adversary=None, ranges=kept)
    with_shocks, without = (
        {each.name: each.gap + each.cost for each in so.sensitivity(case, flips=False, most=0).screened}
        for case in (instance, calm)
    )
    effects = {name: effect - without.get(name, 0.0) for name, effect in with_shocks.items()}
    return dict(sorted(effects.items(), key=lambda item: -abs(item[1])))


def _answer(instance: so.Instance, numbers: Mapping[str, float]) -> str:
    try:
        found = so.solve(with_numbers(instance, numbers), settings=so.Settings(mip_gap=1e-3))
    except so.InstanceError:
        return f"{'no plan':>30}"
    price = found.price_of_survival
    figures = (price, found.survival_gap, found.outlay)
    return "".join(f"{'none' if each is None else format(each / 1e6, ',.0f'):>10}" for each in figures)


if __name__ == "__main__":
    main()
