"""Print figures with a form of their own: funding of stocks, the plane of failures, and the tree of futures."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.instance.derived import display_name, size_text
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import (
    BLUE,
    GREEN,
    INK,
    OTHERS,
    QUIET,
    STYLE,
    VERMILION,
    Canvas,
    add_footer,
    file_bytes,
    format_as_money,
    new_canvas,
    remove_frame,
    use_all_fonts,
)
from optimizer.report.format import percent, plural, shortened
from optimizer.report.tables.discovery import conditions_of, dimension_title, value_of_dimension
from optimizer.report.tables.requirements import funding_curve
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import Array
from optimizer.studies.boxes import Flags
from optimizer.studies.discovery_result import Discovery
from optimizer.studies.futures.stages import Stage, find_stages
from optimizer.studies.requirements_result import Requirements
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = "os^vDPX*"


def draw_funding_plot(found: Requirements) -> bytes:
    """Return, as an SVG, the figure of the shortfall that is left by money for stocks."""
    from matplotlib import rc_context

    with rc_context(dict(STYLE)), use_all_fonts():
        drawn = funding_curve(found)
        canvas = new_canvas(f"{found.instance.title}: what funding stocks in part achieves", 2.6)
        (panel,) = canvas.panels
        handles = panel.plot(drawn["money"], drawn["gap"], color=INK, linewidth=2.0,
                             label="value of all, over all shocks")  # fmt: skip
        colours = (BLUE, *OTHERS)
        for i, (c, left) in enumerate(drawn["left"].items()):
            label = shortened(display_name(found.instance, c), 36)
            colour, mark = colours[i % len(colours)], MARKS[i % len(MARKS)]
            handles += panel.plot(drawn["money"], left, color=colour, marker=mark, markersize=4, linewidth=1.0,
                                  label=label)  # fmt: skip
        panel.set_ylim(0, 1.04)
        panel.set_xlim(left=0)
        panel.set_ylabel("shortfall that is left")
        panel.yaxis.set_major_formatter(lambda value, _: percent(value))
        format_as_money(panel.xaxis)
        panel.grid(visible=True)
        footer = (
            f"Money for stocks, undiscounted, {found.instance.currency}. Materials: t below the floors in the worst "
            "shock, as a share of what falls short with nothing bought."
        )
        add_footer(canvas, footer, handles)
        return file_bytes(canvas, "svg")


# More points than these become one image inside the drawing, which keeps the file small.
MOST_DRAWN_POINTS = 2000
# Height of the plane, inches, and characters of an axis title.
_HEIGHT, _NAME = 3.6, 80
# Characters that fit into a legend, and the half width by which whole numbers are spread.
_WORDS, _SPREAD = 105, 0.35
_LINES = ("-", "--", ":")


@dataclass(frozen=True)
class PlaneBox:
    """A box in the plane."""

    # First and last value along each axis; infinite without a bound.
    x: tuple[float, float]
    y: tuple[float, float]
    words: str  # all its conditions
    # Whether it has conditions on other dimensions, so that points outside the box lie within its lines.
    is_cut: bool


@dataclass(frozen=True)
class FailurePlane:
    """The samples held back and the boxes, in two dimensions."""

    # Numbers of the dimensions. `up` is None if the boxes restrict only one: the other axis is then the gap.
    across: int
    up: int | None
    # By sample.
    x: Array
    y: Array
    failed: Flags  # whether the plan fails in it
    boxes: tuple[PlaneBox, ...]  # the best first


def failure_plane(found: Discovery) -> FailurePlane | None:
    """Return the plane of the two dimensions that restrict most; None without any box.

    A dimension restricts by the number of samples that the boxes would gain without its bounds.
    """
    if not found.boxes:
        return None
    points, gap = (rows[found.rows.held_back] for rows in (found.rows.points, found.rows.gap))
    across, *others = _restricting(found, points)
    up = others[0] if others else None
    boxes = []
    for each in found.boxes:
        bounds = {b.column: (b.low, b.high) for b in each.box.bounds}
        words, is_cut = " and ".join(conditions_of(found, each)), bool(bounds.keys() - {across, up})
        boxes.append(PlaneBox(_along(found, across, bounds), _along(found, up, bounds), words, is_cut))
    y = gap if up is None else _spread(found, up, points[:, up])
    x = _spread(found, across, points[:, across])
    return FailurePlane(across, up, x, y, found.rows.failed[found.rows.held_back], tuple(boxes))


def _is_discrete(found: Discovery, column: int) -> bool:
    return found.dimensions[column].kind in ("months", "start", "event")


def _spread(found: Discovery, column: int, values: Array) -> Array:
    """Return the values; those of a dimension with few values are spread so that points do not hide each other."""
    if not _is_discrete(found, column):
        return values
    moved = np.random.default_rng([found.seed, column]).uniform(-_SPREAD, _SPREAD, len(values))
    return np.asarray(values + moved)


def _along(found: Discovery, column: int | None, bounds: Mapping[int, tuple[float, float]]) -> tuple[float, float]:
    """Return the ends of a box along an axis; for whole numbers they lie halfway to the next number."""
    low, high = (-math.inf, math.inf) if column is None else bounds.get(column, (-math.inf, math.inf))
    half = 1 / 2 if column is not None and found.dimensions[column].kind in ("months", "start") else 0.0
    return low + half, high + half


def _restricting(found: Discovery, points: Array) -> list[int]:
    """Return the dimensions with bounds, the most restricting first."""
    excluded = dict[int, int]()
    for each in found.boxes:
        inside = each.box.holds(points)
        for bounds in each.box.bounds:
            others = np.ones(len(points), dtype=bool)
            for other in each.box.bounds:
                others &= other.holds(points) | (other.column == bounds.column)
            excluded[bounds.column] = excluded.get(bounds.column, 0) + int((others & ~inside).sum())
    return sorted(excluded, key=lambda column: (-excluded[column], column))


def draw_discovery(found: Discovery) -> Canvas:
    """Draw the plane with a mark for each sample and the outline of each box.

    Raises:
        ValueError: there are no boxes.
    """
    plane = failure_plane(found)
    if plane is None:
        raise ValueError("no few conditions tell where the plan fails: there are no boxes to draw")
    heading = f"{found.instance.title}: where the plan fails, {plural(len(plane.x), 'sample')} that judge the boxes"
    canvas = new_canvas(heading, _HEIGHT)
    (panel,) = canvas.panels
    handles = [*_draw_points(panel, plane), *_draw_boxes(panel, plane)]
    _label_axis(found, panel.xaxis, plane.across)
    _label_axis(found, panel.yaxis, plane.up)
    panel.grid()
    add_footer(canvas, " ".join(_remarks(found, plane)), handles)
    return canvas


def _remarks(found: Discovery, plane: FailurePlane) -> Iterator[str]:
    yield f"Samples held back, {found.rows.held_back.sum():,} of {found.used:,}; seed {found.seed}."
    if any(box.is_cut for box in plane.boxes):
        yield "A box with conditions on neither axis holds only some of the points within its lines."
    if any(_is_discrete(found, column) for column in (plane.across, plane.up) if column is not None):
        yield "Points of one whole number, or of one event, are spread about it."
    yield f"Money: {found.instance.currency}."


def _draw_points(panel: "Axes", plane: FailurePlane) -> list[Any]:
    """Draw a circle for each sample that the plan survives, and a cross for each other one."""
    is_image = len(plane.x) > MOST_DRAWN_POINTS
    kept, failed = ~plane.failed, plane.failed
    more: dict[str, Any] = {"s": 9, "linewidth": 0.7, "rasterized": is_image}
    kept_label, failed_label = f"survives: {int(kept.sum()):,}", f"fails: {int(failed.sum()):,}"
    return [
        panel.scatter(plane.x[kept], plane.y[kept], facecolor="none", edgecolor=BLUE, label=kept_label, **more),
        panel.scatter(plane.x[failed], plane.y[failed], marker="x", color=VERMILION, label=failed_label, **more),
    ]


def _draw_boxes(panel: "Axes", plane: FailurePlane) -> list[Any]:
    """Draw the outline of each box; without a bound it reaches to the end of the plane."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    panel.margins(0.03)
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    handles = []
    for number, box in enumerate(plane.boxes, 1):
        line = _LINES[(number - 1) % len(_LINES)]
        x, y = _within(box.x, left, right), _within(box.y, bottom, top)
        area = (x[0], y[0]), x[1] - x[0], y[1] - y[0]
        panel.add_patch(Rectangle(*area, facecolor=VERMILION, alpha=0.1, linewidth=0, zorder=0.5))
        panel.add_patch(Rectangle(*area, fill=False, edgecolor=INK, linewidth=1.3, linestyle=line))
        panel.text(x[0], y[1], f" {number}", va="top", fontsize=9, fontweight="bold")
        label = f"{number}: {shortened(box.words, _WORDS)}"
        handles.append(Line2D([], [], color=INK, linewidth=1.3, linestyle=line, label=label))
    panel.set_xlim(left, right)
    panel.set_ylim(bottom, top)
    return handles


def _within(ends: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    return max(ends[0], low), min(ends[1], high)


def _label_axis(found: Discovery, axis: Any, column: int | None) -> None:
    """Label an axis in the words of the table."""
    if column is None:
        axis.set_label_text(f"survival gap of the sample, {found.instance.money}")
        format_as_money(axis)
        return
    dimension = found.dimensions[column]
    axis.set_label_text(shortened(dimension_title(found.instance, dimension), _NAME))
    axis.set_major_formatter(lambda value, _: value_of_dimension(dimension, value))


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
    remove_frame(panel)
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
