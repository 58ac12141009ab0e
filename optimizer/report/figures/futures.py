"""The tree of futures: each edge has the purchases between two answers in one branch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.instance.derived import display_name, size_text
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import BLUE, GREEN, INK, QUIET, VERMILION, Canvas, add_footer, new_canvas, plain
from optimizer.report.format import percent, plural, shortened
from optimizer.results.futures import FuturesResult
from optimizer.studies.futures.stages import Stage, find_stages
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches: height of a line of text, height of a branch's name, and width of the leaves.
_LINE, _HEAD, _LEAVES = 0.125, 0.2, 1.75
# Font size, points, and characters of it per inch.
_SIZE, _PER_INCH = 6.2, 21.5
# Largest number of orders on an edge with few branches, the same with many, and the number of branches that is many.
_ORDERS, _ORDERS_OF_MANY, _MANY = 6, 2, 12


@dataclass(frozen=True)
class TreeEdge:
    """The futures that cannot be distinguished in a stage."""

    stage: int  # number of the stage
    futures: tuple[int, ...]  # numbers of the futures, consecutive
    branch: str  # answers known since the previous stage, with their probability; empty at the root
    orders: tuple[str, ...]  # purchases in the stage, one line each


def tree_edges(instance: Instance, result: FuturesResult) -> tuple[TreeEdge, ...]:
    """Return the edges of the tree, stage by stage."""
    most = _ORDERS if len(result.futures) <= _MANY else _ORDERS_OF_MANY
    edges = list[TreeEdge]()
    above: Sequence[float] = [1.0] * len(result.futures)
    for number, stage in enumerate(find_stages(result)):
        groups = _groups(instance, result, stage)
        shares = {futures: sum(result.futures[i].probability for i in futures) for futures in groups.values()}
        for answers, futures in groups.items():
            new = [branch for _, branch, period in answers if period == instance.horizon.label(stage.t)]
            words = f"{', '.join(new)} {percent(shares[futures] / above[futures[0]])}" if new else ""
            edges.append(TreeEdge(number, futures, words, tuple(_orders(instance, stage, futures[0], most))))
        above = [shares[futures] for i in range(len(above)) for futures in shares if i in futures]
    return tuple(edges)


def _groups(
    instance: Instance, result: FuturesResult, stage: Stage
) -> Mapping[tuple[tuple[str, str, str], ...], tuple[int, ...]]:
    """Group the futures that cannot be distinguished in a stage by their answers so far."""
    so_far = {instance.horizon.label(t) for t in range(stage.t + 1)}
    groups = dict[tuple[tuple[str, str, str], ...], tuple[int, ...]]()
    for i, future in enumerate(result.futures):
        known = tuple(answer for answer in future.answers if answer[2] in so_far)
        groups[known] = (*groups.get(known, ()), i)
    return groups


def _orders(instance: Instance, stage: Stage, future: int, most: int) -> Iterator[str]:
    """Yield the purchases of a future in a stage, the dearest first."""
    mine = sorted((each for each in stage.orders if future in each.futures), key=lambda each: -each.paid[1])
    for each in mine[:most]:
        # The size first, which is never cut off.
        yield f"{size_text(instance, each.option, each.size[1])} {display_name(instance, each.option)}"
    if len(mine) > most:
        yield f"and {plural(len(mine) - most, 'more order')}"


def draw_futures(instance: Instance, result: FuturesResult) -> Canvas:
    """Draw the tree, from today's decisions on the left to the futures with their costs on the right."""
    edges = tree_edges(instance, result)
    heights = _row_heights(result, edges)
    canvas = new_canvas(f"{result.title}: what is ordered now, and what follows each answer", sum(heights) + 0.55)
    (panel,) = canvas.panels
    width = canvas.figure.get_figwidth() - 0.15
    stages = find_stages(result)
    step = (width - _LEAVES) / len(stages)
    panel.set_xlim(0, width)
    panel.set_ylim(sum(heights) + 0.05, -0.4)
    plain(panel)
    panel.set_xticks([])
    panel.set_yticks([])
    centres = [sum(heights[:i]) + heights[i] / 2 for i in range(len(heights))]
    for number, stage in enumerate(stages):
        asked = ", ".join(each.question for each in stage.questions)
        words = f"{instance.horizon.label(stage.t)}: {asked}" if asked else f"now, {instance.horizon.label(stage.t)}"
        panel.text(number * step + 0.05, -0.25, words, fontsize=7.5, fontweight="bold", va="center")
    parents = dict[tuple[int, int], float]()
    for edge in edges:
        y = sum(centres[i] for i in edge.futures) / len(edge.futures)
        for future in edge.futures:
            parents[edge.stage, future] = y
        _edge(panel, edge, y, parents.get((edge.stage - 1, edge.futures[0]), y), edge.stage * step, step)
    for i, y in enumerate(centres):
        _leaf(panel, result, i, y, width - _LEAVES)
    add_footer(
        canvas,
        "On each line: what is bought until the next answer, the dearest first; of stockpiles all that is bought until "
        f"then. On the right: probability and cost of each future, present value, {result.currency}; ✗: a floor fails.",
    )
    return canvas


def _row_heights(result: FuturesResult, edges: Sequence[TreeEdge]) -> list[float]:
    """Return the height of each future, inches: its own texts and its part of shared ones."""
    heights = [2 * _LINE + 0.1] * len(result.futures)
    for edge in sorted(edges, key=lambda each: len(each.futures)):
        needed = _HEAD + _LINE * max(1, len(edge.orders)) + 0.1
        lacking = needed - sum(heights[i] for i in edge.futures)
        for i in edge.futures:
            heights[i] += max(0.0, lacking) / len(edge.futures)
    return heights


def _edge(panel: "Axes", edge: TreeEdge, y: float, above: float, x: float, step: float) -> None:
    panel.plot([x, x], [above, y], color=BLUE, linewidth=1.2, solid_capstyle="round")
    panel.plot([x, x + step], [y, y], color=BLUE, linewidth=1.2, solid_capstyle="round")
    room = round((step - 0.1) * _PER_INCH)
    if edge.branch:
        panel.text(x + 0.06, y - 0.03, shortened(edge.branch, room), fontsize=7, fontweight="bold", va="bottom")
    lines = [shortened(line, room) for line in edge.orders] or ["nothing"]
    panel.text(x + 0.06, y + 0.03, "\n".join(lines), fontsize=_SIZE, va="top", linespacing=1.15,
               color=INK if edge.orders else QUIET, fontstyle="normal" if edge.orders else "italic")  # fmt: skip


def _leaf(panel: "Axes", result: FuturesResult, number: int, y: float, x: float) -> None:
    future = result.futures[number]
    mark, colour = ("✓", GREEN) if future.result.survives else ("✗", VERMILION)
    panel.plot([x], [y], marker="o", color=colour, markersize=4)
    room = round((_LEAVES - 0.2) * _PER_INCH * _SIZE / 7)
    name = shortened(f"{mark} {future.name}", room)
    panel.text(x + 0.1, y - 0.01, name, fontsize=7, fontweight="bold", va="bottom", color=colour)
    words = f"{percent(future.probability, 1)}, {si(future.cost, result.money, 4)}"
    panel.text(x + 0.1, y + 0.02, words, fontsize=_SIZE, va="top")
