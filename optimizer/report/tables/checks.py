"""Tables of checks: the summary of an instance, its families, the tree of its futures, and a verified plan file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from optimizer.audit import Verification
from optimizer.errors import Severity
from optimizer.horizon import windowed
from optimizer.instance.derived import NO_SHOCK_RULES, display_name, field_unit, rules_in_force, size_text
from optimizer.instance.document import get_value
from optimizer.instance.edits import other_sections
from optimizer.instance.ranges import find_places
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.io.yaml_text import dump_flow
from optimizer.levers import KINDS
from optimizer.report.format import committed_words, list_names, percent, plural
from optimizer.report.provenance import hash_words, in_words
from optimizer.report.tables.attack import adversary_words
from optimizer.report.tables.plan import actual_table
from optimizer.report.tables.render import cross_table, label_rows
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.studies.frames import actual_frame
from optimizer.studies.summary import (
    MOST_MEASURED,
    Fallback,
    FutureOutline,
    MinMedianMax,
    Preview,
    ShockHit,
    Shortage,
    Summary,
)
from optimizer.units import short, si


def summary_parts(
    summary: Summary, width: int, *, file: str, instance: Instance, every: bool = False
) -> Iterator[RenderableType | None]:
    """Yield the summary of an instance, with `every` listed shock in its own row or with families folded."""
    yield Text(f"{file}: {instance.title} can be used.", style="bold green")
    yield label_rows(_summary_lines(instance, summary).items(), {"style": "bold", "no_wrap": True}, {})
    yield preview_table(summary.previews, width) if summary.previews else None
    yield _hits_table(instance, summary, every=every) if summary.hits else None
    actual = replace(actual_frame(summary.actual), title="Baseline of the no-shock plan, and actual output")
    yield actual_table(instance, actual)
    yield from futures_parts(instance, summary, width)


def _summary_lines(instance: Instance, summary: Summary) -> dict[str, str]:
    """Return the facts about an instance: text by label."""
    horizon, counts = instance.horizon, summary.counts
    first, last = horizon.label(0), horizon.label(horizon.periods[-1])
    axis = f"{first} to {last} by {horizon.step}, {plural(counts['periods'], 'period')}"
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if kind in counts)
    size = f"{counts['columns']:,} columns, {counts['rows']:,} rows with {plural(counts['shocks'], 'shock')}"
    lines = {
        "Horizon": f"{axis}; money in {instance.currency}; {percent(instance.discount_rate, 1)} a year discount",
        "Network": f"commodities: {counts['commodities']}; existing processes: {counts['processes']}; "
        f"segments: {counts['demands']}{_home_note(instance)}",
        "Options": f"{counts['options']}: {kinds}" if kinds else "none",
        "Model": f"about {size}" if counts["shocks"] > MOST_MEASURED else size,
        "Coefficients": "; ".join(f"{part} {low:.1e} … {high:.1e}" for part, (low, high) in summary.ranges.items())
        + " (as the solver sees them)",
        "Bought without shocks": _bought_without_shocks(instance, summary),
    }
    lines |= {"Instance hash": hash_words(instance.to_dict())} | dict(committed_words(instance, instance.to_dict()))
    if instance.adversary is not None:
        lines["Adversary"] = adversary_words(instance)
    return lines


def _home_note(instance: Instance) -> str:
    """Return the note that nothing is in the home region; empty if something is, or if the file names no home."""
    placed = (*instance.activities.values(), *instance.options.values())
    stands = instance.home is None or any(getattr(each, "region", None) == instance.home for each in placed)
    return "" if stands else f"; nothing is made at home (region {instance.home})"


def shortage_words(instance: Instance, shortage: Shortage) -> tuple[tuple[str, ...], str, str, Severity]:
    """Return a shortage in the baseline as a problem: its place, what is wrong, the remedy, and the severity."""
    share = percent(shortage.tonnes / shortage.demand)
    what = (
        f"{si(shortage.tonnes, 't')} of {si(shortage.demand, 't')} ({share}) go short in {shortage.period} "
        "without any shock, in the plan that is cheapest then"
    )
    if instance.policy.max_share or instance.policy.min_share or instance.policy.budget is not None:
        cure = "Check the capacity of what supplies it, its shortage_cost, and the policy that limits supply."
    else:
        cure = "Check the capacity of what supplies it, and its shortage_cost: less than supply costs is not worth it."
    return ("demands", shortage.segment, "quantity"), what, cure, "warning"


def fallback_words(fallback: Fallback) -> tuple[tuple[str, ...], str, str, Severity]:
    """Return a process that a shock sets back to its minimum utilisation as a problem, like `shortage_words`."""
    what = (
        f"it runs at {percent(fallback.utilisation)} of capacity without any shock, in the plan that is cheapest then, "
        f"but restarts from {percent(fallback.contracted)}, min_utilisation, in a shock"
    )
    cure = "Write the share that contracts keep running, or leave out restart_months."
    return ("processes", fallback.process, "min_utilisation"), what, cure, "warning"


def _bought_without_shocks(instance: Instance, summary: Summary) -> str:
    if summary.clash:
        return "no plan exists even without shocks; conflict (IIS): " + "; ".join(summary.clash)
    if not summary.bought_without_shocks:
        return "nothing: no option pays for itself without a shock"
    bought = [
        f"{display_name(instance, o)} ({size_text(instance, o, size)})"
        for o, size in summary.bought_without_shocks.items()
    ]
    rules = rules_in_force(instance, NO_SHOCK_RULES)
    pays = "pays for itself" if len(bought) == 1 else "pay for themselves"
    asked = f", or rules of the file ask for it ({', '.join(rules)})" if rules else ""
    return f"{list_names(bought, 8)}: {pays} without any shock{asked}; if you did not expect that, check the numbers"


# Limits of the table of shocks: rows, names in a cell, and characters of a name.
MOST_SHOCK_ROWS, MOST_NAMES, WIDEST_NAME = 100, 3, 24
_OF_HITS = "Cuts: activities that lose capacity, and how much at worst. Below floors: in all, with nothing bought."


def _hits_table(instance: Instance, summary: Summary, *, every: bool) -> Table:
    every_hit = [(hit.name, hit) for hit in summary.hits]
    rows, caption = (every_hit, "") if every else _folded_hits(summary)
    if instance.ensembles:
        samples = "\nSamples of ensembles are not listed: `diversify solve` and `diversify stress` judge them."
        caption = samples + caption

    def cells(hit: ShockHit) -> list[str]:
        window, gap = windowed(hit.first, hit.last, "–"), si(hit.gap) if hit.gap > 0 else "–"
        below = [f"{display_name(instance, d)} {si(tonnes, 't')}" for d, tonnes in hit.below_floor.items()]
        return [window, _hit_text(instance, hit), list_names(below, MOST_NAMES) if below else "none", gap]

    gap = f"Gap\n{instance.money}"
    return cross_table(
        "Shocks",
        "Shock",
        ["Window", "Hits", "Below floors", gap],
        [(name, cells(hit)) for name, hit in rows],
        caption=_OF_HITS + caption,
        # A name on one line can be copied to a command.
        labels={"max_width": WIDEST_NAME},
        layout={"justify": "left", "no_wrap": True},
        layouts={"Hits": _wide_column(4), "Below floors": _wide_column(3), gap: {"justify": "right", "no_wrap": True}},
        expand=True,
    )


def _folded_hits(summary: Summary) -> tuple[list[tuple[str, ShockHit]], str]:
    """Return a label and the worst shock of each entry, at most `MOST_SHOCK_ROWS`, and the part of the caption."""
    many = {row.worst.name: f"\nworst of {row.shocks:,}" for row in summary.struck if row.shocks > 1}
    rows = [(row.worst.name + many.get(row.worst.name, ""), row.worst) for row in summary.struck]
    caption = "\nA family is one row, that of its worst shock; --all lists each shock." if many else ""
    if len(rows) > MOST_SHOCK_ROWS:
        caption += f"\nOf {len(rows):,} rows the {MOST_SHOCK_ROWS} with the largest gaps; --all lists each shock."
        rows = sorted(rows, key=lambda row: -row[1].gap)[:MOST_SHOCK_ROWS]
    return rows, caption


def _wide_column(ratio: int) -> dict[str, Any]:
    return {"overflow": "fold", "ratio": ratio}


def _hit_text(instance: Instance, hit: ShockHit) -> str:
    ordered = sorted(hit.cuts.items(), key=lambda item: -item[1])
    cuts = [f"{display_name(instance, name)} {percent(severity)}" for name, severity in ordered]
    parts = [f"cuts {list_names(cuts, MOST_NAMES)}" if cuts else "nothing is cut"]
    if len(hit.demand) > MOST_NAMES:
        low, high = min(hit.demand.values()), max(hit.demand.values())
        parts.append(f"demand of {len(hit.demand)} segments ×{low:.3g} to ×{high:.3g}")
    else:
        parts += [f"demand of {display_name(instance, d)} ×{factor:g}" for d, factor in hit.demand.items()]
    return ("deliberate; " if hit.deliberate else "") + "; ".join(parts)


# Width from which on the first shocks of an entry have a column of their own.
WIDE_TABLE = 100


def preview_table(previews: Sequence[Preview], width: int) -> Table:
    """Build the table of families and ensembles; a narrow one has the first shock names below the entry's own name."""
    caption = "Months, severity of the worst cut: least/median/most. Windows are cut off at the end of the horizon."
    is_wide, number = width >= WIDE_TABLE, {"no_wrap": True}
    heads = ["Shocks", "Starts", "Months", "Severity\n%", "Prob.", *(["First of them"] if is_wide else [])]
    layouts = {"Starts": number, "First of them": _wide_column(3)}
    rows = [(first, rest) for first, *rest in (_preview_row(preview, is_wide=is_wide) for preview in previews)]
    return cross_table("Families and ensembles", "Name", heads, rows, caption=caption, labels={"ratio": 2},
                       layout=number, layouts=layouts, expand=True)  # fmt: skip


def _preview_row(preview: Preview, *, is_wide: bool) -> list[str | Text]:
    margin = "" if is_wide else "  "
    names = "\n".join(margin + name for name in [*preview.names, *(["…"] if preview.events > 3 else [])])
    title = Text(preview.name) if is_wide else Text(preview.name).append("\n" + names, style="dim")
    severity = _spread_text(preview.severity, 100.0) if preview.severity else "–"
    probability = si(preview.probability) if preview.probability else "–"
    # The first and the last start, with a dash if there are others between.
    starts = ("–" if preview.starts > 2 else ", ").join(dict.fromkeys([preview.first, preview.last]))
    counted = f"{preview.events:,}", starts, _spread_text(preview.months), severity, probability
    cells: list[str | Text] = [title, *counted]
    return [*cells, Text(names, style="dim")] if is_wide else cells


def _spread_text(spread: MinMedianMax, unit: float = 1.0) -> str:
    figures = [short(unit * value) for value in spread]
    return figures[0] if len(set(figures)) == 1 else "/".join(figures)


# Keys that `verify --prove` recomputes and `verify` does not.
BY_PROOF = ("bound", "gap_bound", "status")
# Texts for the keys of a plan file; keys of a future's plan begin with `futures.result.`.
_WORDS = {
    "nothing": "the do-nothing plan",
    "calm_cost": "the cost of the no-shock plan",
    "calm_builds": "what the no-shock plan buys",
    "bound": "the lower bound of the cost",
    "gap_bound": "the lower bound of the gap",
    "status": "the status",
    "clash": "the rules that contradict each other",
    "adversary.worst": "the worst attack",
    "price_of_survival": "the price of survival",
    "futures.least_cost": "the least cost in each future",
    "futures.least_bound": "the lower bound of the least cost in each future",
}
_OF_A_FUTURE = "futures.result."


def part_words(key: str) -> str:
    """Return the text for a key of `not_recomputed`; an unknown key is returned as it is."""
    if key.startswith(_OF_A_FUTURE):
        return f"{part_words(key.removeprefix(_OF_A_FUTURE))} in each future"
    return _WORDS.get(key, key)


def verification_parts(
    found: Verification,
    width: int,
    *,
    plan: str,
    result: Result | FuturesResult,
    file: Path | None = None,
    differ: Sequence[str] | None = None,
) -> Iterator[RenderableType]:
    """Yield whether a plan adds up, every row that does not, and the parts that were not recomputed.

    `differ` is what the plan's instance and `file` differ in, if they were compared.
    """
    yield from _headline(result, found)
    if differ is not None:
        yield from _comparison(result, file, differ)
    if found.ok and found.lines_solved:
        shocks = plural(found.lines_solved, "shock")
        yield Text(f"{shocks} without flows in the file: solved again with the plan fixed.")
    if found.lines_not_recomputed:
        shocks, cure = plural(found.lines_not_recomputed, "shock"), " Leave out --quick." if found.ok else ""
        yield Text(f"{shocks} without flows in the file: not recomputed.{cure}", style="yellow")
    if found.not_recomputed:
        cure = " (use --prove)" if set(found.not_recomputed) <= set(BY_PROOF) else ""
        yield Text(f"Not recomputed: {', '.join(map(part_words, found.not_recomputed))}{cure}.")
    yield Text(f"Not evidence: {', '.join(found.not_evidence)}.")
    status = "and leaves a survival gap" if result.status == "gap" else f"status {result.status}"
    status += "" if found.ok else ", as the file says"
    yield Text(f'{plan} is a plan of "{result.title}", {status}.', style="dim")


def _comparison(result: Result | FuturesResult, file: Path | None, differ: Sequence[str]) -> list[Text]:
    if not differ:
        return [Text(f"The plan is of the instance in {file}.", style="green")]
    changed = f" (the run changed: {'; '.join(result.changes)})" if result.changes else ""
    head = Text(f"The plan is of another instance than {file}, in {plural(len(differ), 'value')}{changed}.", "bold red")
    return [head, *(Text(f"  {each}") for each in differ)]


def _headline(result: Result | FuturesResult, found: Verification) -> list[Text]:
    report = found.report
    is_empty = not result.futures if isinstance(result, FuturesResult) else result.baseline is None
    if report.ok and is_empty:
        return [Text("There is no plan to recompute.", style="yellow")]
    if report.ok:
        words = f"The plan adds up: {report.rows:,} rows agree (largest relative error {report.worst:.1e})."
        return [Text(words, style="green")]
    count = len(report.disagreements)
    rows = f"{count:,} of {report.rows:,} rows disagree" if report.rows else f"{count:,} parts disagree"
    head = Text(f"The plan does not add up: {rows}.", style="bold red")
    return [head, *(Text(f"  {row}") for row in report.disagreements)]


def value_differences(result: Result | FuturesResult, instance: Instance) -> list[str]:
    """Return a text for each value on which plans depend that differs between a result's instance and a file's."""
    solved = instance_of(result)
    own, other = solved.to_dict(), instance.to_dict()
    return [
        f"{place}: {_with_unit(solved, place, ours)} in the plan, {_with_unit(instance, place, theirs)} in the file"
        for section in other_sections(result, instance)
        for place, ours, theirs in _differing(section, own.get(section), other.get(section))
    ]


def _differing(place: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the place and both values of each part that differs; mappings by key, anything else as a whole."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys([*ours, *theirs]):
            yield from _differing(f"{place}.{key}", ours.get(key), theirs.get(key))
    elif ours != theirs:
        yield place, ours, theirs


def _with_unit(instance: Instance, place: str, value: Any) -> str:
    unit = field_unit(instance, place.split(".")) if isinstance(value, float) else ""
    return "nothing" if value is None else f"{in_words(value)} {unit}".rstrip()


# The tree of the futures of a file.

_CAPTION = (
    "Values are in the units of the file; – : not in the file. What stands above the tree is of the file before "
    "any answer."
)
# Most branches at the lowest level of the tree; larger trees are cut off at an earlier question.
_DRAWN = 40


def futures_parts(instance: Instance, summary: Summary, width: int) -> Iterator[RenderableType]:
    """Yield the tree of futures, a note on assumed probabilities, and what branches change; nothing without futures."""
    if not summary.futures:
        return
    yield Text("Futures", style="bold")
    yield _futures_tree(instance, summary.futures)
    if summary.unweighted:
        names = list_names(summary.unweighted, 6)
        words = f"Probabilities are assumed: the file gives none for {names}, so the branches are equally likely."
        yield Text(words, style="yellow")
    if any(answer["set"] for each in summary.futures for answer in each.answers):
        yield _changes_table(instance, summary.futures, width)


def _futures_tree(instance: Instance, futures: Sequence[FutureOutline]) -> Tree:
    depth = max(len(each.answers) for each in futures)
    while depth > 1 and len({tuple(answer["branch"] for answer in each.answers[:depth]) for each in futures}) > _DRAWN:
        depth -= 1
    root = Tree(f"{plural(len(futures), 'future')}; minimised: {instance.policy.objective}")
    _add_branches(root, futures, 0, depth)
    return root


def _add_branches(above: Tree, futures: Sequence[FutureOutline], known: int, depth: int) -> None:
    """Add question number `known` of the given futures and its branches, down to question `depth` of the tree."""
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
            _add_branches(grown, inside, known + 1, depth)


def _changes_table(instance: Instance, futures: Sequence[FutureOutline], width: int) -> Table:
    """Build the table of the values that branches set, each beside the value in the file."""
    data, room = instance.to_dict(), 45 * width // 100
    found = {(each["question"], each["branch"]): each for future in futures for each in future.answers if each["set"]}
    order = {question: i for i, question in enumerate(dict.fromkeys(question for question, _ in found))}
    rows = list[tuple[str | Text, Sequence[str | Text]]]()
    for (question, branch), answer in sorted(found.items(), key=lambda item: order[item[0][0]]):
        rows.append((Text(f"{question}: {branch}", style="bold"), ("", "")))
        for path, value in answer["set"].items():
            place = next(find_places(data, path), None)
            own = "–" if place is None else _value_text(get_value(data, place))
            rows.append((_wrap(path, room), (own, _value_text(value))))
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
    """Break a path after its dots into lines of about `room` characters."""
    lines = ["  "]
    for part in re.findall(r"[^.]*\.?", path):
        if len(lines[-1]) + len(part) > room and lines[-1].strip():
            lines.append("    ")
        lines[-1] += part
    return "\n".join(lines)


def _value_text(value: Any) -> str:
    """Return a value as text: mappings and lists by their elements, numbers with at most ten digits."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_value_text(part)}" for key, part in value.items()) or "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value_text, value))}]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:,.10g}"
    return value if isinstance(value, str) else dump_flow(value)
