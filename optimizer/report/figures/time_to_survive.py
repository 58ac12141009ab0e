"""Time to survive of each chokepoint, before and after a plan."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from optimizer.instance.derived import chokepoint_name, cut_words, first_year_of_shocks, no_shock_note, only_cuts_note
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import BLUE, INK, QUIET, SKY, VERMILION, Canvas, add_footer, new_canvas, of_plan
from optimizer.report.format import list_names, plural, shortened
from optimizer.results.result import Result
from optimizer.studies.time_to_survive import Exposure, SurvivalTime, TimeToSurvive, every_chokepoint
from optimizer.units import fixed, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@dataclass(frozen=True)
class ChokepointLine:
    """The time for which floors hold without a chokepoint: months by year, None without end."""

    key: str  # unique key
    name: str  # printed name
    # As in the analysis.
    kind: str
    deliberate: bool
    cuts: tuple[str, ...]  # in words
    months: tuple[float | None, ...]  # by year of the horizon
    segments: tuple[str | None, ...]  # by year, the segment that fails first; None if none fails
    worst: int  # index of the year with the least time


def lines(instance: Instance, found: TimeToSurvive) -> tuple[tuple[ChokepointLine, ...], tuple[ChokepointLine, ...]]:
    """Return the lines of every chokepoint before and after the plan, the most exposed first.

    If floors fail without any cut, the first line is the time for which they hold then. Without a plan the second
    tuple is empty.
    """
    cuts = {
        (point.kind, point.name): tuple(cut_words(instance, cut) for cut in point.disruption.cuts)
        for point in every_chokepoint(instance)
    }
    exposures = (*found.failing_uncut, *found.exposures)
    named = [replace(each, cuts=cuts.get((each.kind, each.name), each.cuts)) for each in exposures]
    before = tuple(_line(instance, each, each.before, each.worst) for each in named)
    return before, tuple(_line(instance, each, each.after, each.worst) for each in named if each.after)


def _time_words(instance: Instance, line: ChokepointLine, months: float, year: int) -> str:
    note = no_shock_note(instance, line.kind, line.key.removeprefix(f"{line.kind}:"), year)
    return f"{_loss_text(line)}: {short(months)} months in {year}{note}"


def shortest_times(instance: Instance, lines: Sequence[ChokepointLine], most: int = 4) -> tuple[str, ...]:
    """Return texts on stages and shocks whose permanent loss is survived for less than a year in their worst year.

    Years from the first shock of the file on count; the last text is a shorter time before it.
    """
    years, losses = instance.horizon.years, [line for line in lines if line.kind in ("stage", "shock")]
    first, _ = first_year_of_shocks(instance)
    found = sorted(((_least_time(line, years, range(first, len(years))), line) for line in losses), key=itemgetter(0))
    under = [(worst, line) for worst, line in found if worst[0] < YEAR]
    said = [_time_words(instance, line, *worst) for worst, line in under[:most]]
    said += [f"and {len(under) - most} more"] * (len(under) > most)
    before, year = min((_least_time(line, years, range(first)) for line in losses), default=(YEAR, 0))
    if before < min([YEAR, *(worst[0] for worst, _ in found[:1])]):
        said.append(f"at the start of {year}, before the first shock of the file: {short(before)} months")
    return tuple(said)


def _least_time(line: ChokepointLine, years: Sequence[int], some: range) -> tuple[float, int]:
    """Return the least time of a line among some years, in months, and its year."""
    return min(((_span(line, i), years[i]) for i in some), default=(YEAR, 0))


def shortest_head(instance: Instance) -> str:
    """Return the heading of `shortest_times`."""
    first, _ = first_year_of_shocks(instance)
    since = f", from {instance.horizon.years[first]} on," if first else ""
    worst = f"If cut for good at the start of the year that is worst{since or ','}"
    return f"{worst} with what is on line then, floors hold for less than a year:"


def _loss_text(line: ChokepointLine) -> str:
    """Return the name of the loss; for a shock its cuts, since its name may state a duration."""
    cuts = list_names([shortened(cut.removeprefix("process "), 48) for cut in line.cuts], 2)
    return f"the cuts of {line.name} ({cuts})" if line.kind == "shock" else line.name


def _exposure_label(instance: Instance, exposure: Exposure) -> str:
    entry, at, which = exposure.name.partition("@")
    if exposure.kind == "shock" and entry in instance.shocks:
        return (instance.shocks[entry].name or entry) + (f" · {which}" if at else "")
    return chokepoint_name(instance, exposure.kind, exposure.name)


def _line(instance: Instance, exposure: Exposure, times: Sequence[SurvivalTime], worst: int) -> ChokepointLine:
    return ChokepointLine(
        key=f"{exposure.kind}:{exposure.name}",
        name=_exposure_label(instance, exposure),
        kind=exposure.kind,
        deliberate=exposure.deliberate,
        cuts=exposure.cuts,
        months=tuple(each.months if math.isfinite(each.months) else None for each in times),
        segments=tuple(each.segment for each in times),
        worst=worst,
    )


# Months below which a time to survive is highlighted.
YEAR = 12
# Largest number of chokepoints drawn.
SHOWN = 30


def draw_time_to_survive(
    instance: Instance,
    result: Result,
    before: Sequence[ChokepointLine],
    after: Sequence[ChokepointLine],
    year: int | None,
) -> Canvas:
    """Draw the months for which every floor holds after a chokepoint is cut, with nothing bought and with the plan."""
    years = list(instance.horizon.years)
    i = len(years) - 1 if year is None else years.index(year)
    pairs = _shortest(before, after, i)
    canvas = new_canvas(f"{instance.title}: time to survive, cut for good at the start of {years[i]}",
                  max(2.2, 1.1 + 0.24 * len(pairs)))  # fmt: skip
    (panel,) = canvas.panels
    for row, (line, then) in enumerate(pairs):
        _draw_line(panel, row, line, then, i)
    _draw_axes(panel, [shortened(line.name, 48) + (" !" if line.deliberate else "") for line, _ in pairs])
    notes = [*_worse_year(instance, after or before, i), *_notes(pairs, i, len(before) - len(pairs))]
    notes += only_cuts_note(instance) if any(line.kind == "shock" for line, _ in pairs) else []
    notes.append(of_plan(result))
    add_footer(canvas, " ".join(notes), _marks([_span(then, i) for _, then in pairs if then]))
    return canvas


def _worse_year(instance: Instance, judged: Sequence[ChokepointLine], i: int) -> Iterator[str]:
    """Yield the shortest time from the first shock on, and that before, if less than all times shown, of index i."""
    years, (first, _) = instance.horizon.years, first_year_of_shocks(instance)
    least = min((_span(line, i) for line in judged), default=0.0)
    since = f"from {years[first]} on" if first else "of any year"
    for places, words in (
        (range(first, len(years)), since),
        (range(first), "before the first shock of the file begins"),
    ):
        shorter = [(_span(line, j), j, line) for line in judged for j in places if _span(line, j) < least]
        if shorter:
            least, j, line = min(shorter, key=lambda each: each[:2])
            yield f"The shortest time {words} is {_months(line, j)} months, in {years[j]}."


def _notes(pairs: Sequence[tuple[ChokepointLine, ChokepointLine | None]], i: int, left: int) -> Iterator[str]:
    """Yield what the signs mean in the year of index i, and how many chokepoints, `left`, are not drawn."""
    if any(math.isinf(_span(line, i)) for pair in pairs for line in pair if line):
        yield "∞: for ever."
    if any(line.deliberate for line, _ in pairs):
        yield "!: deliberate; leverage, where the file has any, restrains it."
    if left:
        yield f"{plural(left, 'more chokepoint')} not shown: no floor fails sooner there."


def _shortest(
    before: Sequence[ChokepointLine], after: Sequence[ChokepointLine], i: int
) -> list[tuple[ChokepointLine, ChokepointLine | None]]:
    """Return the lines of the chokepoints with the fewest months in the year of index i, each with that of the plan."""
    planned = {line.key: line for line in after}
    pairs = [(line, planned.get(line.key)) for line in before]
    return sorted(pairs, key=lambda pair: (_span(pair[1] or pair[0], i), _span(pair[0], i)))[:SHOWN]


def _draw_axes(panel: "Axes", names: Sequence[str]) -> None:
    """Draw the axis of months, and the axis of chokepoints with their names, the first at the top."""
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_xlim(0, 1)
    marked = (0, 3, 12, 24, 60, 120)
    panel.set_xticks([*map(_axis_position, marked)], [*map(str, marked[:-1]), f"{marked[-1]}+"])
    panel.axvline(_axis_position(YEAR), color=INK, linestyle=":", linewidth=1)
    panel.set_xlabel("months (the scale is that of the square root)")
    panel.grid(axis="x")


def _draw_line(panel: "Axes", row: int, line: ChokepointLine, then: ChokepointLine | None, i: int) -> None:
    """Draw one chokepoint: a circle for nothing bought and, with a plan, a dot for it and a bar between."""
    start, text = _axis_position(_span(line, i)), _months(line, i)
    if then is not None:
        end = _axis_position(_span(then, i))
        panel.plot([start, end], [row, row], color=SKY, linewidth=2.4, zorder=1)
        colour = VERMILION if _span(then, i) < YEAR else BLUE
        panel.plot([end], [row], "o", color=colour, markersize=6, zorder=3, clip_on=False)
        text = f"{text} → {_months(then, i)}"
    panel.plot([start], [row], "o", markerfacecolor="white", markeredgecolor=QUIET, markersize=6, zorder=2,
               clip_on=False)  # fmt: skip
    panel.text(1.035, row, text, transform=panel.get_yaxis_transform(), va="center", fontsize=7)


def _marks(judged: Sequence[float]) -> list["Line2D"]:
    """Return the legend with the marks that the figure has; `judged` holds the months with the plan."""
    from matplotlib.lines import Line2D

    def dot(label: str, **style: Any) -> "Line2D":
        return Line2D([], [], marker="o", linestyle="", markersize=6, label=label, **style)

    marks = [dot("nothing bought", markerfacecolor="white", markeredgecolor=QUIET)]
    if any(months >= YEAR for months in judged):
        marks.append(dot("with the plan, a year or more", color=BLUE))
    if any(months < YEAR for months in judged):
        marks.append(dot("with the plan, less than a year", color=VERMILION))
    return [*marks, Line2D([], [], color=INK, linestyle=":", linewidth=1, label="one year")]


def _span(line: ChokepointLine, i: int) -> float:
    months = line.months[i]
    return float("inf") if months is None else months


def _axis_position(months: float) -> float:
    return math.sqrt(min(months, 120.0) / 120.0)


def _months(line: ChokepointLine, i: int) -> str:
    months = line.months[i]
    return "∞" if months is None else fixed(months, 1) if months else "0"
