"""Plots of what is survived: shock × segment, one path, time to survive, stocks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from optimizer.horizon import windowed
from optimizer.report.figures.book import Book
from optimizer.report.figures.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION
from optimizer.report.figures.lasting import Line
from optimizer.report.figures.survival import Chosen, Lane, Spans, Strike, failing
from optimizer.report.plots.paper import INK, QUIET, WIDTH, Sheeted, foot, of_plan, paper, plain
from optimizer.report.services import MEANING, PARTIAL, PARTLY, Standing, served_in_full, share, standing
from optimizer.report.words import FOLDED, left_out, named
from optimizer.results.plan import Service
from optimizer.studies.folding import Folded

# Months of a year: what is survived for less stands out.
YEAR = 12
# The classes of a cell: what they are called, ground and ink.
CLASSES: Mapping[Standing, tuple[str, str, str]] = {
    "below": ("below the floor", VERMILION, "white"),
    "tight": ("just at the floor", "#fdf3c4", INK),
    "some": ("less than 20 points above", "#d6e8f5", INK),
    "ample": ("20 points or more above", "#8fc1e3", INK),
    "full": ("all demand served", "#c4e6da", INK),
    "free": ("no floor, or not kept", "#f0f1f3", QUIET),
}


def heatmap(book: Book) -> Sheeted:
    """The worst period of each segment in each shock."""
    segments, rows = list(book.instance.demands), book.own.rows
    width = min(11.0, max(WIDTH, 2.9 + 0.42 * len(segments)))
    tall = 0.25 if any(row.fold.is_many for row in rows) else 0.2
    sheet = paper(f"{book.instance.title}: what is survived", max(1.9, 1.5 + tall * len(rows)), width=width)
    (panel,) = sheet.panels
    for number, row in enumerate(rows):
        for column, d in enumerate(segments):
            service = row.segments[d][1] if d in row.segments else None
            kind: Standing = standing(service) if service is not None else "full" if d in row.full else "free"
            _, ground, ink = CLASSES[kind]
            panel.add_patch(Rectangle((column - 0.48, number - 0.46), 0.96, 0.92, facecolor=ground, linewidth=0))
            whole = served_in_full(book.instance, row.fold.members, d) if kind == "full" else "–"
            words = whole if service is None else _figures(service)
            words += PARTIAL if d in row.partial and kind != "below" else ""
            panel.text(column, number, words, ha="center", va="center", color=ink,
                       fontsize=6 if len(segments) <= 18 else 4.5,
                       fontweight="bold" if kind == "below" else "normal")  # fmt: skip
    panel.set_yticks(range(len(rows)), [_labelled(*pair) for pair in zip(book.lanes, rows, strict=True)], fontsize=6.8)
    panel.set_xticks(range(len(segments)), [named(book.instance, d) for d in segments], rotation=50, ha="left",
                     rotation_mode="anchor", fontsize=7)  # fmt: skip
    panel.xaxis.tick_top()
    panel.set_xlim(-0.5, len(segments) - 0.5)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    plain(panel)
    panel.tick_params(top=False)
    handles = [
        Patch(facecolor=ground, edgecolor=GREY, linewidth=0.4, label=name) for name, ground, _ in CLASSES.values()
    ]
    folds = f" {FOLDED}" if any(row.fold.is_many for row in rows) else ""
    folds += f" {PARTLY}" if any(row.partial for row in rows) else ""
    hidden = f" {left_out(book.unlisted)}" if book.unlisted else ""
    foot(sheet, f"{MEANING} ✗: below the floor.{folds}{hidden} {of_plan(book.own.result)}", handles)
    return sheet


def _labelled(lane: Lane, row: Folded) -> str:
    """``✗ Full embargo, 3 of 12 fail, worst 2030Q1``; of a shock alone what the file calls it."""
    mark = "✓" if row.survives else "✗"
    if lane.shocks == 1:
        return f"{mark} {_titled(lane, 46)}"
    said = f"{lane.shocks} shocks" if row.survives else f"{row.failed} of {lane.shocks} fail"
    which = row.worst.name.removeprefix(lane.name).removeprefix("@")
    return f"{mark} {_titled(lane, 40)}: {said}\nworst {which}"


def _titled(strike: Strike | Lane, most: int) -> str:
    which = f" · {strike.which}" if strike.which else ""
    room = most - len(which)
    return (strike.title if len(strike.title) <= room else strike.title[: room - 1].rstrip() + "…") + which


def _figures(service: Service) -> str:
    return ("✗" if service.first_failure is not None else "") + share(service)


def path(book: Book, chosen: Chosen) -> Sheeted:
    """One segment through one shock, period by period: what is asked, what is served, the floor.

    Raises:
        KeyError: of the shock only a line is kept, or it is not shown.
    """
    strike = next(each for each in book.strikes if each.name == chosen.shock)
    passing = next(each for each in book.own.passings if each.name == chosen.shock)
    d, horizon = chosen.segment, book.instance.horizon
    demand, short = strike.demand[d], passing.short[d]
    by = passing.substituted.get(d, (0.0,) * len(demand))
    served = [max(0.0, asked - gone - other) for asked, gone, other in zip(demand, short, by, strict=True)]
    both = [one + other for one, other in zip(served, by, strict=True)]
    sheet = paper(f"{named(book.instance, d)} in {_titled(strike, 70)}", 2.9)
    (panel,) = sheet.panels
    places = range(len(demand))
    panel.bar(places, served, color=BLUE, label="served", width=0.84)
    if any(by):
        panel.bar(places, by, bottom=served, color=PURPLE, hatch="///", label="served by substitutes", width=0.84)
    panel.bar(places, short, bottom=both, facecolor="white", edgecolor=GREY, hatch="xxx", hatchcolor=GREY,
              label="not served", width=0.84, linewidth=0.6)  # fmt: skip
    for t, (asked, floor) in enumerate(zip(demand, strike.floor[d], strict=True)):
        label = "survival floor" if t == 0 else None
        panel.plot([t - 0.5, t + 0.5], [asked * floor] * 2, color=VERMILION, linewidth=2.2, label=label)
    labels = [horizon.label(strike.start + t) for t in places]
    step = max(1, len(labels) // 12)
    panel.set_xticks(list(places)[::step], labels[::step])
    panel.set_ylabel(f"t a {horizon.step}")
    panel.grid(axis="y")
    handles = panel.get_legend_handles_labels()[0]
    foot(sheet, f"{windowed(strike.first, strike.last)} ({strike.name}). {of_plan(book.own.result)}", handles)
    return sheet


def endurance(book: Book, year: int | None) -> Sheeted:
    """Months for which every floor holds once something is cut for good, before and after."""
    years = list(book.instance.horizon.years)
    i = len(years) - 1 if year is None else years.index(year)
    after = {line.key: line for line in book.own.after}

    def with_plan(line: Line) -> Line:
        return after.get(line.key) or line

    rows = sorted(book.own.before, key=lambda line: (_span(with_plan(line), i), _span(line, i)))[:30]
    sheet = paper(f"{book.instance.title}: time to survive, cut for good at the start of {years[i]}",
                  max(2.2, 1.1 + 0.24 * len(rows)))  # fmt: skip
    (panel,) = sheet.panels
    for row, line in enumerate(rows):
        before, then = _placed(_span(line, i)), _placed(_span(with_plan(line), i))
        if line.key in after:
            panel.plot([before, then], [row, row], color=SKY, linewidth=2.4, zorder=1)
            colour = VERMILION if _span(after[line.key], i) < YEAR else BLUE
            panel.plot([then], [row], "o", color=colour, markersize=6, zorder=3, clip_on=False)
        panel.plot([before], [row], "o", markerfacecolor="white", markeredgecolor=QUIET, markersize=6, zorder=2,
                   clip_on=False)  # fmt: skip
        words = f"{_months(line, i)} → {_months(after[line.key], i)}" if line.key in after else _months(line, i)
        panel.text(1.035, row, words, transform=panel.get_yaxis_transform(), va="center", fontsize=7)
    panel.set_yticks(range(len(rows)), [_short(line.name) + (" !" if line.deliberate else "") for line in rows])
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set_xlim(0, 1)
    panel.set_xticks([_placed(months) for months in (0, 3, 12, 24, 60, 120)], ["0", "3", "12", "24", "60", "120+"])
    panel.axvline(_placed(YEAR), color=INK, linestyle=":", linewidth=1)
    panel.set_xlabel("months (the scale is that of the square root)")
    panel.grid(axis="x")
    said = "∞: for ever. " if any(math.isinf(_span(each, i)) for row in rows for each in (row, with_plan(row))) else ""
    said += "!: deliberate, so leverage restrains it. " if any(line.deliberate for line in rows) else ""
    judged = [_span(after[line.key], i) for line in rows if line.key in after]
    foot(sheet, f"{said}{of_plan(book.own.result)}", _marks(judged))
    return sheet


def _marks(judged: Sequence[float]) -> list[Line2D]:
    """The legend of time to survive: only marks that the figure shows. `judged` are months with the plan."""

    def dot(label: str, **style: Any) -> Line2D:
        return Line2D([], [], marker="o", linestyle="", markersize=6, label=label, **style)

    marks = [dot("nothing built", markerfacecolor="white", markeredgecolor=QUIET)]
    if any(months >= YEAR for months in judged):
        marks.append(dot("with the plan, a year or more", color=BLUE))
    if any(months < YEAR for months in judged):
        marks.append(dot("with the plan, less than a year", color=VERMILION))
    return [*marks, Line2D([], [], color=INK, linestyle=":", linewidth=1, label="one year")]


def _short(text: str) -> str:
    return text if len(text) <= 48 else text[:47].rstrip() + "…"


def _span(line: Line, i: int) -> float:
    months = line.months[i]
    return float("inf") if months is None else months


def _placed(months: float) -> float:
    return math.sqrt(min(months, 120.0) / 120.0)


def _months(line: Line, i: int) -> str:
    months = line.months[i]
    return "∞" if months is None else f"{months:.1f}" if months else "0"


def stocks(book: Book) -> Sheeted:
    """Every stockpile, and below it the windows of the shocks."""
    horizon, held = book.instance.horizon, book.own.stocks
    lanes = len(book.lanes)
    sheet = paper(f"{book.instance.title}: stocks, and the shocks they wait for", 3.0 + 0.15 * lanes,
                  (2.4, max(0.2, 0.15 * lanes)), share=True)  # fmt: skip
    upper, lower = sheet.panels
    times = [horizon.start + (t + 1) * horizon.delta for t in horizon.periods]
    colours, dashes = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY), ("-", "--", ":", "-.")
    for i, (o, row) in enumerate(held.items()):
        style = dashes[i % len(dashes)]
        upper.plot(
            times, row, color=colours[i % len(colours)], linestyle=style, linewidth=1.7, label=named(book.instance, o)
        )
    upper.set_ylabel("stock, t")
    upper.set_ylim(bottom=0)
    upper.grid()
    _windows(book, lower)
    many = any(lane.shocks > 1 for lane in book.lanes)
    folds = " A family or an ensemble is one band, over all its windows; --all draws each shock." if many else ""
    hidden = f" {left_out(book.unlisted)}" if book.unlisted else ""
    lower.set_xlim(horizon.start, horizon.end + 1)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    foot(
        sheet,
        f"Stock at the end of each {horizon.step}; below, when each shock strikes, ✗ where it is not survived."
        f"{folds}{hidden} {of_plan(book.own.result)}",
        upper.get_legend_handles_labels()[0],
    )
    return sheet


def _windows(book: Book, panel: Axes) -> None:
    horizon, rows = book.instance.horizon, {row.fold.name: row for row in book.own.rows}

    def bars(number: int, spans: Spans, **style: Any) -> None:
        for first, periods in spans:
            left, long = horizon.start + first * horizon.delta, periods * horizon.delta
            panel.barh(number, long, left=left, height=0.6, **style)

    for number, lane in enumerate(book.lanes):
        row = rows[lane.name]
        bars(number, lane.windows, color=GREY)
        bars(number, failing(book.instance, book.own.result, row.fold), color=VERMILION, hatch="xxxx")
    panel.set_ylim(len(book.lanes) - 0.4, -0.6)
    panel.set_yticks(range(len(book.lanes)), [_lane_words(lane, rows[lane.name]) for lane in book.lanes], fontsize=6.5)
    panel.grid(axis="x")
    plain(panel)


def _lane_words(lane: Lane, row: Folded) -> str:
    mark = "" if row.survives else "✗ "
    if lane.shocks == 1:
        return mark + _titled(lane, 46)
    many = f"{lane.shocks} shocks" if row.survives else f"{row.failed} of {lane.shocks} fail"
    return f"{mark}{_titled(lane, 34)}: {many}"
