"""The heat map of shocks and segments, and each segment's path through a shock, period by period.

Rows are those of the tables: a family or an ensemble has one row, as has each other shock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.disruptions.shock import Shock
from optimizer.horizon import Horizon, windowed
from optimizer.instance.derived import cut_words, display_name
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import (
    BLUE,
    FIGURE_WIDTH,
    GREY,
    INK,
    PURPLE,
    QUIET,
    VERMILION,
    Canvas,
    add_footer,
    format_as_amounts,
    new_canvas,
    of_plan,
    remove_frame,
    stock_looks,
    thin_ticks,
)
from optimizer.report.format import (
    FOLDED_NOTE,
    PARTIAL,
    PARTIAL_NOTE,
    SERVICE_NOTE,
    Standing,
    entry_title,
    full_name,
    left_out,
    served_in_full,
    service_text,
    shortened,
    standing,
)
from optimizer.results.plan import ByPeriod, Flows, Outcome, Service
from optimizer.results.result import Result, hardest_of, weakest_of
from optimizer.studies.shocks import RowOutcome, ShockRow, row_outcomes, shock_rows, urgency, worst_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Largest number of rows, of rows if each shock has its own, and of shocks with paths; of more, the most critical are
# shown.
MOST_LINES, MOST_SHOCK_LINES, MOST_PATHS = 40, 200, 80
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ShockWindow:
    """The data of one shock that do not depend on a plan."""

    name: str  # name of the event
    row: str  # name of its row in the figures; empty if it is not shown
    title: str  # name of its entry in the file
    which: str  # what distinguishes it from other shocks of the entry
    # Labels of its window.
    first: str
    last: str
    start: int  # number of its first period
    # As in the file.
    deliberate: bool
    probability: float
    cuts: tuple[str, ...]  # its cuts, in words
    also: tuple[str, ...]  # its other changes, in words
    demand: Mapping[str, ByPeriod]  # by segment, t per period of the window, after any surge
    floor: Mapping[str, ByPeriod]  # by segment, the survival floor of each period, a share
    full: Mapping[str, str]  # by segment, the text for full service


@dataclass(frozen=True)
class Passing:
    """One shock under a plan: its outcome, and the path of each segment if flows are kept."""

    outcome: Outcome
    short: Mapping[str, ByPeriod]  # by segment, t unserved in each period; empty for a summary line
    substituted: Mapping[str, ByPeriod]  # by segment with substitutes, t served by them in each period


@dataclass(frozen=True)
class FigureRow:
    """The data of a row of the figures that do not depend on a plan."""

    name: str  # name of the shock, family or ensemble
    title: str  # its name in the file
    which: str  # for a single shock, what distinguishes it from others of its entry
    shocks: int  # number of its shocks
    windows: Spans  # union of their windows: first period and number of periods of each span


def compact(passing: Passing) -> dict[str, Any]:
    """Return a shock under a plan for JSON, in a short form, since a report may have thousands of cells.

    A segment is a list of worst service, floor, worst period, first failure, and service / floor in words. Segments
    that are never short are left out of ``short``; ``kept`` says whether paths are known.
    """
    outcome = passing.outcome
    return {
        "name": outcome.name,
        "survives": outcome.survives,
        "excused": outcome.excused,
        "gap": outcome.gap,
        "segments": {d: _figures(each) for d, each in outcome.segments.items()},
        "kept": bool(passing.short),
        "short": {d: row for d, row in passing.short.items() if any(row)},
        "substituted": dict(passing.substituted),
    }


def _figures(service: Service) -> list[Any]:
    return [service.worst_service, service.floor, service.worst_period, service.first_failure, service_text(service)]


def critical(instance: Instance, result: Result, *, every: bool = False) -> tuple[Sequence[ShockRow], tuple[str, ...]]:
    """Return the rows to show, and the shocks whose paths are shown, both in the order of the instance.

    Of too many, those with the largest gap and then the weakest service are chosen, samples that may fail last. The
    worst shock of each row is among the shocks. With `every`, each shock has its own row.
    """
    rows = row_outcomes(shock_rows(instance, [each.name for each in result.shocks], every=every), result)
    rows = worst_rows(rows, MOST_SHOCK_LINES if every else MOST_LINES)
    ordered = sorted(result.shocks, key=lambda each: (each.excused, *urgency(each)))
    names = [row.worst.name for row in rows] + [each.name for each in ordered]
    kept = frozenset(list(dict.fromkeys(names))[: max(MOST_PATHS, len(rows))])
    return rows, tuple(each.name for each in result.shocks if each.name in kept)


def rows_of_figures(instance: Instance, rows: Sequence[ShockRow]) -> tuple[FigureRow, ...]:
    """Return the rows of the figures with titles and windows."""
    return tuple(_figure_row(instance, row, [instance.event(name) for name in row.shocks]) for row in rows)


def _figure_row(instance: Instance, row: ShockRow, events: Sequence[Shock]) -> FigureRow:
    title, which = entry_title(instance, events[0])
    which = "" if row.is_many else which
    return FigureRow(row.name, title, which, len(events), spans(event.periods for event in events))


def spans(windows: Iterable[range]) -> Spans:
    """Merge windows that touch or overlap; each result is a first period and a number of periods."""
    ends: list[list[int]] = []
    for window in sorted(windows, key=lambda window: window.start):
        if ends and window.start <= ends[-1][1]:
            ends[-1][1] = max(ends[-1][1], window.stop)
        else:
            ends.append([window.start, window.stop])
    return tuple((first, stop - first) for first, stop in ends)


def failed_windows(instance: Instance, result: Result, row: ShockRow) -> Spans:
    """Return the windows of the shocks of a row that the plan does not survive."""
    own = frozenset(row.shocks)
    failed = (outcome.name for outcome in result.shocks if outcome.fails and outcome.name in own)
    return spans(instance.event(name).periods for name in failed)


def worst_counted(result: Result, names: Collection[str]) -> Outcome | None:
    """Return the shock with the largest gap of those named, or the tightest if none has a gap; None without any.

    Samples that may fail are passed over unless there are no other shocks.
    """
    known = [each for each in result.shocks if each.name in names]
    some = [each for each in known if not each.excused] or known
    if not some:
        return None
    worst = hardest_of(some)[0]
    return worst if worst.gap > 0 else min(some, key=urgency)


def tightest(result: Result, names: Collection[str]) -> tuple[str, str] | None:
    """Return the worst of the named shocks by `worst_counted`, and its weakest segment; None without any."""
    worst = worst_counted(result, names)
    if worst is None or not worst.segments:
        return None
    return worst.name, list(worst.segments)[weakest_of(list(worst.segments.values()))]


def compact_row(instance: Instance, result: Result, row: RowOutcome) -> dict[str, Any]:
    """Return a row under a plan for JSON; a segment is as in `compact`, followed by the name of its shock."""
    return {
        "name": row.name,
        "failed": row.failed,
        "excused": row.excused,
        "mark": row.mark,
        "count": row.count_text,
        "worst_word": row.worst_word,
        "worst": row.worst.name,
        "worst_title": full_name(instance, instance.event(row.worst.name)),
        "windows_failed": failed_windows(instance, result, row),
        "segments": {d: [*_figures(each), name] for d, (name, each) in row.segments.items()},
        "partial": [d for d in row.segments if d in row.partial],
        "full": {d: served_in_full(instance, row.shocks, d) for d in instance.demands if d in row.full},
    }


def shock_windows(instance: Instance, names: Sequence[str], rows: Sequence[ShockRow]) -> tuple[ShockWindow, ...]:
    """Return the named shocks with the demand and the floor of each segment."""
    places = {name: row.name for row in rows for name in row.shocks}
    return tuple(_shock_window(instance, instance.event(name), places.get(name, "")) for name in names)


def _shock_window(instance: Instance, event: Shock, row: str) -> ShockWindow:
    path, label, spec = instance.path(event), instance.horizon.label, event.spec
    also = [f"demand of {display_name(instance, d)} × {factor:g}" for d, factor in spec.demand.items()]
    also += [f"cost of {display_name(instance, name)} × {factor:g}" for name, factor in spec.cost.items()]
    also += [f"floor of {display_name(instance, d)} {100 * share:g} %" for d, share in spec.survival.items()]
    also += [f"{display_name(instance, o)} delivers {100 * share:g} %" for o, share in spec.reliability.items()]
    return ShockWindow(
        name=event.name,
        row=row,
        title=entry_title(instance, event)[0],
        which=entry_title(instance, event)[1],
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        start=event.periods[0],
        deliberate=spec.deliberate,
        probability=event.probability,
        cuts=tuple(cut_words(instance, cut) for cut in spec.cuts),
        also=tuple(also),
        demand={d: tuple(map(float, path.demand[d])) for d in instance.demands},
        floor={d: tuple(map(float, path.floor[d])) for d in instance.demands},
        full={d: served_in_full(instance, [event.name], d) for d in instance.demands},
    )


def passings(instance: Instance, result: Result, names: Sequence[str]) -> tuple[Passing, ...]:
    """Return the named shocks under a plan."""
    outcomes = {outcome.name: outcome for outcome in result.shocks}
    return tuple(_passing(instance, outcomes[name]) for name in names if name in outcomes)


def _passing(instance: Instance, outcome: Outcome) -> Passing:
    flows = outcome.flows
    if flows is None:
        return Passing(outcome, {}, {})
    short = {d: tuple(max(0.0, t) for t in flows[d, "unserved"]) for d in instance.demands}
    return Passing(outcome, short, _served_otherwise(instance, flows))


def _served_otherwise(instance: Instance, flows: Flows) -> dict[str, ByPeriod]:
    """Return by segment the demand that substitutes serve, t by period."""
    found: dict[str, ByPeriod] = {}
    for o, option in instance.options.items():
        for flow in option.flows:
            row = flows.row(o, flow.name)
            if flow.serves is not None and any(row):
                before = found.get(flow.serves, (0.0,) * len(row))
                found[flow.serves] = tuple(one + other for one, other in zip(before, row, strict=True))
    return found


# The classes of a cell: name, background and text colour.
CLASSES: Mapping[Standing, tuple[str, str, str]] = {
    "below": ("below the floor", VERMILION, "white"),
    "tight": ("just at the floor", "#fdf3c4", INK),
    "some": ("less than 20 points above", "#d6e8f5", INK),
    "ample": ("20 points or more above", "#8fc1e3", INK),
    "full": ("all demand served", "#c4e6da", INK),
    "free": ("no floor, or no figure", "#f0f1f3", QUIET),
}


def draw_heatmap(
    instance: Instance, result: Result, figure_rows: Sequence[FigureRow], rows: Sequence[RowOutcome], unlisted: int
) -> Canvas:
    """Draw the worst period of each segment in each shock."""
    from matplotlib.patches import Patch

    segments, is_many = list(instance.demands), any(row.is_many for row in rows)
    width = min(11.0, max(FIGURE_WIDTH, 2.9 + 0.42 * len(segments)))
    # The slanted names of segments take most of what stands above the rows.
    above = max(1.5, 0.3 + 0.04 * max(len(display_name(instance, d)) for d in segments))
    cells = [[_cell(instance, row, d) for d in segments] for row in rows]
    # A text that is wider than its cell has the floor on a second line; a letter is 0.06 inches wide.
    widest = 0.06 * max((len(text) for row in cells for _, text in row), default=0)
    is_narrow = widest > 0.96 * (width - 2.9) / len(segments)
    height = max(1.9, above + (0.25 if is_many or is_narrow else 0.2) * len(rows))
    canvas = new_canvas(f"{instance.title}: what is survived", height, width=width)
    (panel,) = canvas.panels
    for number, row in enumerate(cells):
        for column, (kind, text) in enumerate(row):
            _draw_cell(panel, column, number, kind, text.replace("/", "\n/") if is_narrow else text)
    labels = [_row_label(*pair) for pair in zip(figure_rows, rows, strict=True)]
    panel.set_yticks(range(len(rows)), labels, fontsize=6.8)
    panel.set_xticks(range(len(segments)), [display_name(instance, d) for d in segments], rotation=50, ha="left",
                     rotation_mode="anchor", fontsize=7)  # fmt: skip
    panel.xaxis.tick_top()
    panel.set_xlim(-0.5, len(segments) - 0.5)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    remove_frame(panel)
    panel.tick_params(top=False)
    handles = [
        Patch(facecolor=ground, edgecolor=GREY, linewidth=0.4, label=name) for name, ground, _ in CLASSES.values()
    ]
    notes = [f"{SERVICE_NOTE} ✗: below the floor."]
    notes += [FOLDED_NOTE] if is_many else []
    notes += [PARTIAL_NOTE] if any(row.partial for row in rows) else []
    notes += [left_out(unlisted)] if unlisted else []
    add_footer(canvas, " ".join([*notes, of_plan(result)]), handles)
    return canvas


def _cell(instance: Instance, row: RowOutcome, d: str) -> tuple[Standing, str]:
    """Return the class of a segment in a row, and the text of its cell."""
    mark = PARTIAL if d in row.partial else ""
    if d in row.segments:
        service = row.segments[d][1]
        kind, text = standing(service), service_text(service)
        return kind, f"✗{text}" if kind == "below" else text + mark
    if d in row.full:
        return "full", served_in_full(instance, row.shocks, d) + mark
    return "free", f"–{mark}"


def _draw_cell(panel: "Axes", column: int, number: int, kind: Standing, text: str) -> None:
    from matplotlib.patches import Rectangle

    _, ground, ink = CLASSES[kind]
    panel.add_patch(Rectangle((column - 0.48, number - 0.46), 0.96, 0.92, facecolor=ground, linewidth=0))
    weight = "bold" if kind == "below" else "normal"
    panel.text(column, number, text, ha="center", va="center", color=ink, fontsize=6, fontweight=weight,
               linespacing=1.0)  # fmt: skip


def _row_label(shown: FigureRow, row: RowOutcome) -> str:
    """Return the label of a row, ``✗ Full embargo, 3 of 12 fail, worst 2030Q1``; for one shock, its name."""
    if shown.shocks == 1:
        return f"{row.mark} {_short_title(shown, 46)}"
    said = row.count_text
    which = row.worst.name.removeprefix(shown.name).removeprefix("@")
    return f"{row.mark} {_short_title(shown, 40)}: {said}\n{row.worst_word} {which}"


def _short_title(window: ShockWindow | FigureRow, most: int) -> str:
    which = f" · {window.which}" if window.which else ""
    return shortened(window.title, most - len(which)) + which


def draw_path(instance: Instance, result: Result, window: ShockWindow, passing: Passing, d: str) -> Canvas:
    """Draw one segment through one shock, period by period: demand, service, and the floor."""
    horizon = instance.horizon
    demand, short = window.demand[d], passing.short[d]
    by = passing.substituted.get(d, (0.0,) * len(demand))
    served = [max(0.0, demanded - gone - other) for demanded, gone, other in zip(demand, short, by, strict=True)]
    both = [one + other for one, other in zip(served, by, strict=True)]
    canvas = new_canvas(f"{display_name(instance, d)} in {_short_title(window, 70)}", 2.9)
    (panel,) = canvas.panels
    places = range(len(demand))
    panel.bar(places, served, color=BLUE, label="served", width=0.84)
    if any(by):
        panel.bar(places, by, bottom=served, color=PURPLE, hatch="///", label="served by substitutes", width=0.84)
    panel.bar(places, short, bottom=both, facecolor="white", edgecolor=VERMILION, hatch="xxx",
              hatchcolor=VERMILION, label="unserved", width=0.84, linewidth=0.6)  # fmt: skip
    for t, (demanded, floor) in enumerate(zip(demand, window.floor[d], strict=True)):
        label = "survival floor" if t == 0 else None
        panel.plot([t - 0.5, t + 0.5], [demanded * floor] * 2, color=INK, linewidth=2.2, label=label)
    labels = [horizon.label(window.start + t) for t in places]
    step = max(1, len(labels) // 12)
    panel.set_xticks(list(places)[::step], labels[::step])
    panel.set_ylabel(f"t a {horizon.step}")
    format_as_amounts(panel.yaxis)
    panel.grid(axis="y")
    handles = panel.get_legend_handles_labels()[0]
    add_footer(canvas, f"{windowed(window.first, window.last)} ({window.name}). {of_plan(result)}", handles)
    return canvas


def draw_stocks(
    instance: Instance,
    result: Result,
    held: Mapping[str, ByPeriod],
    figure_rows: Sequence[FigureRow],
    rows: Sequence[RowOutcome],
    unlisted: int,
) -> Canvas:
    """Draw every stockpile, and below them the windows of the shocks."""
    horizon = instance.horizon
    canvas = new_canvas(f"{instance.title}: stocks, and the shocks they wait for", 3.0 + 0.15 * len(figure_rows),
                  (2.4, max(0.2, 0.15 * len(figure_rows))), shares_axis=True)  # fmt: skip
    upper, lower = canvas.panels
    ends = [horizon.start + t * horizon.delta for t in range(len(horizon.periods) + 1)]
    looks, handles = stock_looks(instance, result), list[Any]()
    for o, row in held.items():
        handles += upper.step(
            ends, [*row, row[-1]], where="post", **looks[o], linewidth=1.7, label=display_name(instance, o)
        )
    upper.set_ylabel("stock, t")
    format_as_amounts(upper.yaxis)
    upper.set_ylim(bottom=0)
    upper.grid()
    _windows(instance, result, figure_rows, rows, lower)
    many = any(shown.shocks > 1 for shown in figure_rows)
    folds = " A family or an ensemble is one band, over all its windows; --all draws each shock." if many else ""
    hidden = f" {left_out(unlisted)}" if unlisted else ""
    lower.set_xlim(horizon.start, horizon.end + 1)
    add_footer(
        canvas,
        f"Stock at the end of each {horizon.step}, drawn across it: a shock finds that of the {horizon.step} before. "
        f"Below, when each shock occurs, ✗ where it is not survived.{folds}{hidden} {of_plan(result)}",
        handles,
    )
    _name_years(canvas, lower, horizon)
    return canvas


def _name_years(canvas: Canvas, panel: "Axes", horizon: Horizon) -> None:
    """Draw a line at the start of each year, and the name of every n-th year in its middle."""
    thin_ticks(canvas, panel, [year + 0.5 for year in horizon.years], [str(year) for year in horizon.years])
    panel.set_xticks(range(horizon.start, horizon.end + 2), minor=True)
    for each in canvas.panels:
        each.grid(visible=False, axis="x")
        each.grid(axis="x", which="minor")
        each.tick_params(which="both", bottom=False)


def _windows(
    instance: Instance, result: Result, figure_rows: Sequence[FigureRow], rows: Sequence[RowOutcome], panel: "Axes"
) -> None:
    horizon, by_name = instance.horizon, {row.name: row for row in rows}

    def bars(number: int, spans: Spans, **style: Any) -> None:
        for first, periods in spans:
            left, long = horizon.start + first * horizon.delta, periods * horizon.delta
            panel.barh(number, long, left=left, height=0.6, **style)

    for number, shown in enumerate(figure_rows):
        row = by_name[shown.name]
        bars(number, shown.windows, color=GREY)
        bars(number, failed_windows(instance, result, row), color=VERMILION, hatch="xxxx")
    panel.set_ylim(len(figure_rows) - 0.4, -0.6)
    labels = [_window_label(shown, by_name[shown.name]) for shown in figure_rows]
    panel.set_yticks(range(len(figure_rows)), labels, fontsize=6.5)
    panel.grid(axis="x")
    remove_frame(panel)


def _window_label(shown: FigureRow, row: RowOutcome) -> str:
    mark = "" if row.survives else "✗ "
    if shown.shocks == 1:
        return mark + _short_title(shown, 46)
    return f"{mark}{_short_title(shown, 34)}: {row.count_text}"
