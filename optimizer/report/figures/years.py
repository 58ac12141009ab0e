"""Figures over time: purchases and money by year, dates on line, stocks within a shock, and the cost waterfall.

The cost waterfall runs from the no-shock plan's cost to the plan's, or shows every part of the cost from 0.

parts      present value of each part of the cost, money; they add up to the total cost
beyond     by part, the plan's cost less the no-shock plan's, present value; they add up to the price of the plan
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.disruptions.path import BASELINE, Path
from optimizer.horizon import windowed
from optimizer.instance.derived import NO_REGION, display_name
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PATTERNS,
    PURPLE,
    QUIET,
    SKY,
    VERMILION,
    YELLOW,
    Canvas,
    add_footer,
    format_as_amounts,
    format_as_money,
    lever_look,
    new_canvas,
    of_plan,
    remove_frame,
    set_panel_title,
    stock_looks,
    thin_ticks,
)
from optimizer.report.figures.supply_chain import idle_note, place_title
from optimizer.report.format import PART_NAMES, plural, shock_title, shortened
from optimizer.results.plan import ByPeriod, Flows, Outcome, Plan
from optimizer.results.result import Result
from optimizer.studies.purchases import Purchase, outlay_part_note, spent_words, support_of_existing
from optimizer.studies.supply_chain import ChainPlace, chain
from optimizer.tolerances import NEGLIGIBLE, ROUNDING
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _handles(moves: Sequence[Purchase]) -> list[Any]:
    """Return the legend: a colour for each kind of lever, and the pattern of lead times."""
    from matplotlib.patches import Patch

    kinds = dict.fromkeys(move.kind for move in moves)
    handles = [Patch(**lever_look(kind), label=kind) for kind in kinds]
    if any(move.first > move.t and not move.fills for move in moves):
        handles.append(Patch(facecolor="white", edgecolor=QUIET, hatch="////", hatchcolor=QUIET, label="lead time"))
    return handles


def draw_timeline(
    instance: Instance, result: Result, moves: Sequence[Purchase], stocks: Mapping[str, ByPeriod]
) -> Canvas:
    """Draw every purchase with its lead time and ramp; the height of a bar is the working share of its size."""
    horizon = instance.horizon
    moves = sorted(moves, key=lambda move: (move.t, -move.spent))
    canvas = new_canvas(f"{instance.title}: what is built, and when", max(2.2, 0.9 + 0.27 * len(moves)))
    (panel,) = canvas.panels
    for row, move in enumerate(moves):
        _draw_move(panel, row, move, len(horizon.periods), stocks.get(move.option, ()))
    count = len(horizon.periods)
    panel.set_xlim(0, count)
    panel.set_ylim(len(moves) - 0.4, -0.6)
    panel.set_yticks(range(len(moves)), [shortened(move.name, 44) for move in moves])
    panel.grid(axis="x")
    right = panel.twinx()
    right.set_ylim(panel.get_ylim())
    spent = [spent_words(move.spent, move.outlay, result.money) for move in moves]
    right.set_yticks(range(len(moves)), [f"{move.size_words}, {paid}" for move, paid in zip(moves, spent, strict=True)])
    remove_frame(panel)
    remove_frame(right)
    right.tick_params(right=False)
    add_footer(
        canvas,
        "Bars are as high as the share of the size that works; of a stockpile: the stock, and a mark for each "
        f"purchase. Size; money spent, undiscounted, {result.currency}. {outlay_part_note(moves)}".rstrip(),
        _handles(moves),
    )
    starts = [float(i * horizon.per_year) for i in range(len(horizon.years))]
    thin_ticks(canvas, panel, starts, [str(year) for year in horizon.years])
    for label in panel.get_xticklabels():
        label.set_horizontalalignment("left")
    return canvas


def _draw_move(panel: "Axes", row: int, move: Purchase, count: int, stock: tuple[float, ...]) -> None:
    from matplotlib.patches import Rectangle

    look, base = lever_look(move.kind), row + 0.36
    if move.fills:
        top = max(stock, default=0.0) or 1.0
        for t, held in enumerate(stock):
            panel.add_patch(Rectangle((t, base), 1, -0.72 * held / top, **look, alpha=0.45, linewidth=0))
        for t, fill in enumerate(move.fills):
            if fill > 0:
                panel.plot([t + 0.5], [base - 0.06], marker="|", color=INK, markersize=4, markeredgewidth=0.9)
        return
    if move.first > move.t:
        lead = Rectangle((move.t, row - 0.12), move.first - move.t, 0.24, facecolor="white", edgecolor=QUIET)
        lead.set(hatch="//////", linewidth=0.5, hatchcolor=QUIET)
        panel.add_patch(lead)
    ends = [*(t for t, _ in move.steps[1:]), count]
    for (t, share), end in zip(move.steps, ends, strict=True):
        panel.add_patch(Rectangle((t, base), end - t, -0.72 * share, **look, linewidth=0))


# Largest number of stocks in the figure of a shock.
_MOST_STOCKS = 14


@dataclass(frozen=True)
class YearOfPlan:
    """The undiscounted outlay of a year by kind of lever, and the number of builds decided and coming on line."""

    year: int
    spent: Mapping[str, float]
    decided: int
    on_line: int


def years_of(instance: Instance, result: Result, moves: Sequence[Purchase]) -> tuple[YearOfPlan, ...]:
    """Return every year of the horizon."""
    horizon = instance.horizon
    builds = [move for move in moves if not move.fills]
    decided = Counter(horizon.year(move.t) for move in builds)
    on_line = Counter(horizon.year(move.first) for move in builds if move.first < len(horizon.periods))
    outlays = [(move.kind, move.outlays) for move in moves]
    outlays.append(("support of existing processes", support_of_existing(instance, result)))
    return tuple(YearOfPlan(year, _spent_in(outlays, year), decided[year], on_line[year]) for year in horizon.years)


def _spent_in(outlays: Iterable[tuple[str, Mapping[int, float]]], year: int) -> dict[str, float]:
    """Return the undiscounted outlay of a year by kind of lever, money."""
    spent = defaultdict[str, float](float)
    for kind, by_year in outlays:
        if year in by_year:
            spent[kind] += by_year[year]
    return dict(spent)


_OUTLAY = "Outlay, the part of what is spent that counts towards the budget"


def draw_years(instance: Instance, result: Result, years: Sequence[YearOfPlan]) -> Canvas:
    """Draw money by year and kind of lever, and below it the number of builds decided and coming on line."""
    from matplotlib.patches import Patch

    canvas = new_canvas(f"{instance.title}: money and builds by year", 3.6, (2.2, 1.0), shares_axis=True)
    kinds = list(dict.fromkeys(kind for each in years for kind in each.spent))
    _draw_money(canvas.panels[0], result, years, kinds)
    _draw_builds(canvas.panels[1], years)
    handles = [Patch(**lever_look(kind), label=kind) for kind in kinds]
    handles.append(Patch(facecolor="white", edgecolor=GREY, hatch="////", hatchcolor=GREY, label="builds decided"))
    handles.append(Patch(facecolor=QUIET, label="builds that come on line"))
    add_footer(
        canvas,
        f"{_OUTLAY}: capex and one-off fixed cost in the year of the decision, stock when it is bought, price support "
        "and what else an option pays later when it is paid; undiscounted, "
        f"{result.currency}. Builds: each order of an option, without stockpiles. "
        f"{of_plan(result)}",
        handles,
    )
    return canvas


def _draw_money(panel: "Axes", result: Result, years: Sequence[YearOfPlan], kinds: Sequence[str]) -> None:
    places, below = [each.year for each in years], [0.0] * len(years)
    for kind in kinds:
        amounts = [each.spent.get(kind, 0.0) for each in years]
        panel.bar(places, amounts, bottom=below, **lever_look(kind), width=0.8)
        below = [low + amount for low, amount in zip(below, amounts, strict=True)]
    for year, total in zip(places, below, strict=True):
        if total > 0:
            panel.text(year, total, si(total), ha="center", va="bottom", fontsize=7)
    panel.set_ylim(top=1.14 * max(below) if any(below) else None)
    format_as_money(panel.yaxis)
    panel.set_ylabel(f"outlay, {result.money}")
    panel.grid(axis="y")


def _draw_builds(panel: "Axes", years: Sequence[YearOfPlan]) -> None:
    from matplotlib.ticker import MaxNLocator

    places = [each.year for each in years]
    panel.bar([year - 0.2 for year in places], [each.decided for each in years], width=0.38, color="white",
              edgecolor=GREY, hatch="////", hatchcolor=GREY)  # fmt: skip
    panel.bar([year + 0.2 for year in places], [each.on_line for each in years], width=0.38, color=QUIET)
    panel.set_ylabel("builds")
    panel.set_xticks(places)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))


def years_table(result: Result, years: Sequence[YearOfPlan]) -> dict[str, Any]:
    """Return the years as a table for a page."""
    kinds = list(dict.fromkeys(kind for each in years for kind in each.spent))
    rows = [
        [str(each.year), *(si(each.spent[kind]) if kind in each.spent else "–" for kind in kinds),
         si(sum(each.spent.values())), str(each.decided), str(each.on_line)]
        for each in years
    ]  # fmt: skip
    head = ["Year", *(f">{kind}, {result.money}" for kind in kinds), f">All, {result.money}", ">Decided", ">On line"]
    return {
        "head": head,
        "rows": rows,
        "caption": f"{_OUTLAY}, undiscounted; how many builds are decided and come on line, without stockpiles.",
    }


@dataclass(frozen=True)
class StockInShock:
    """A stock within a shock, t."""

    option: str
    name: str
    before: float  # stock at the end of the period before the shock
    left: ByPeriod  # stock at the end of each of its periods, after releases and losses
    released: float  # releases in all periods


def stocks_in(instance: Instance, plan: Plan, outcome: Outcome) -> tuple[StockInShock, ...]:
    """Return the stocks before a shock, those with the largest drawdown first; empty if its flows are not kept."""
    if outcome.flows is None:
        return ()
    found, last = list[StockInShock](), outcome.flows.first - 1
    for o, stock in instance.stocks.items():
        left = outcome.flows.row(o, "left")
        before = plan.stocks[o][last] if last >= 0 and o in plan.stocks else stock.initial
        if before > NEGLIGIBLE and left:
            released = math.fsum(outcome.flows.row(o, "released"))
            found.append(StockInShock(o, display_name(instance, o), before, left, released))
    return tuple(sorted(found, key=lambda each: min(each.left) / each.before))


def draw_drawdown(instance: Instance, result: Result, outcome: Outcome, stocks: Sequence[StockInShock]) -> Canvas:
    """Draw each stock within the shock, as a share of its initial amount."""
    from matplotlib.ticker import PercentFormatter

    periods, label = instance.event(outcome.name).periods, instance.horizon.label
    may_fail = ", which may fail" if outcome.excused else ""
    canvas = new_canvas(f"Stocks in {shock_title(instance, outcome.name)}{may_fail}", 3.0)
    (panel,) = canvas.panels
    # Matplotlib's own list of handles leaves out names that begin with "_".
    shown, handles, looks = stocks[:_MOST_STOCKS], list[Any](), stock_looks(instance, result)
    for each in shown:
        shares = [1.0, *(left / each.before for left in each.left)]
        words = f"{each.name}: {si(each.before, 't')} to {si(min(each.left), 't')}"
        handles += panel.plot(range(len(shares)), shares, **looks[each.option], linewidth=1.7, label=words)
        empty = next((t for t, share in enumerate(shares) if share <= NEGLIGIBLE), None)
        if empty is not None:
            panel.plot([empty], [0.0], marker="X", color=VERMILION, markersize=8, clip_on=False, zorder=5)
    panel.set_ylim(0, 1.04)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    labels = ["before", *map(label, periods)]
    step = max(1, len(periods) // 9)
    panel.set_xticks(range(0, len(labels), step), labels[::step])
    panel.set_ylabel("left of the stock")
    panel.grid()
    left = f" {plural(len(stocks) - len(shown), 'more stock')} not shown." if len(stocks) > len(shown) else ""
    lost = _loss_words(instance, shown)
    add_footer(canvas, f"Left at the end of each {instance.horizon.step}, as a share of what the shock finds; x: "
               f"empty.{lost} "
               f"{windowed(outcome.first, outcome.last)}.{left} {of_plan(result)}", handles)  # fmt: skip
    return canvas


def drawdown_table(instance: Instance, outcome: Outcome, stocks: Sequence[StockInShock]) -> dict[str, Any]:
    """Return the stocks as a table for a page."""
    labels = map(instance.horizon.label, instance.event(outcome.name).periods)
    rows = [[each.name, si(each.before), *map(si, each.left)] for each in stocks]
    return {"head": ["Stock, t", ">Before", *(f">{label}" for label in labels)], "rows": rows,
            "caption": f"At the end of each period of the shock.{_loss_words(instance, stocks)}"}  # fmt: skip


def _loss_words(instance: Instance, stocks: Iterable[StockInShock]) -> str:
    """Return a sentence about losses, if some stock has yearly losses."""
    return " Losses of stock are deducted." if any(instance.stocks[each.option].loss for each in stocks) else ""


# The sources of a segment from the bottom to the top of a stack; flows of other options and the shortage are on top.
_SOURCES: Mapping[str, tuple[str, str]] = {
    "from home": (BLUE, ""),
    "from abroad": (SKY, ""),
    "from stock": (ORANGE, "\\\\"),
    "from scrap": (GREEN, ".."),
    "by substitutes": (PURPLE, "///"),
    "unserved": (VERMILION, "xxx"),
}


@dataclass(frozen=True)
class SegmentSources:
    """The sources of a segment on a path: by source, t in each period; `labels` names the periods."""

    path: str
    segment: str
    labels: tuple[str, ...]
    tonnes: Mapping[str, ByPeriod]


def sources_of(instance: Instance, result: Result, outcome: Outcome, segment: str) -> tuple[SegmentSources, ...]:
    """Return the sources of a segment in the periods of a shock, in the baseline and in the shock.

    A source is the last maker: a plant at home that uses ore from abroad counts as home.
    """
    assert result.baseline is not None
    assert outcome.flows is not None
    shock = instance.path(instance.event(outcome.name))
    return (
        _sources(instance, result.baseline, instance.baseline, shock.periods, segment),
        _sources(instance, outcome.flows, shock, shock.periods, segment),
    )


def _sources(instance: Instance, flows: Flows, path: Path, periods: Sequence[int], segment: str) -> SegmentSources:
    tonnes = defaultdict[str, list[float]](lambda: [0.0] * len(periods))
    for i, t in enumerate(periods):
        drawn = chain(instance, flows, path, t, t)
        places = {place.key: place for place in drawn.places}
        for each in drawn.passages:
            if each.target == f"segment:{segment}":
                tonnes[_source(instance, places[each.source])][i] += each.tonnes * path.delta
    labels = tuple(instance.horizon.label(t) for t in periods)
    return SegmentSources(path.key, segment, labels, {key: tuple(tonnes[key]) for key in _looks(tonnes)})


def _looks(present: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return colour and hatch of each source that is present, in the order of the stack."""
    others = sorted(set(present) - set(_SOURCES))
    looks = {**_SOURCES, **{each: (YELLOW, PATTERNS[i % len(PATTERNS)] * 3) for i, each in enumerate(others)}}
    *below, top = _SOURCES
    return {each: looks[each] for each in (*below, *others, top) if each in present}


def _source(instance: Instance, place: ChainPlace) -> str:
    if place.kind == "activity":
        return "from home" if place.region in (instance.home, NO_REGION) else "from abroad"
    named = {"stock": "from stock", "scrap": "from scrap", "substitute": "by substitutes", "unserved": "unserved"}
    return named.get(place.kind) or place_title(instance, place)


def draw_sources(instance: Instance, result: Result, both: Sequence[SegmentSources], chosen: str) -> Canvas:
    """Draw the sources of a segment by period, in the baseline above and in the shock below.

    The sentence `chosen` says how shock and segment were chosen.
    """
    from matplotlib.patches import Patch

    canvas = new_canvas(f"What serves {display_name(instance, both[0].segment)}", 4.2, (1.0, 1.0), shares_axis=True)
    looks = _looks({source for shown in both for source in shown.tonnes})
    for panel, shown in zip(canvas.panels, both, strict=True):
        below, places = [0.0] * len(shown.labels), range(len(shown.labels))
        for source, row in shown.tonnes.items():
            colour, hatch = looks[source]
            panel.bar(places, row, bottom=below, width=0.84, color=colour, hatch=hatch)
            below = [low + amount for low, amount in zip(below, row, strict=True)]
        set_panel_title(panel, path_title(instance, shown.path))
        panel.set_ylabel(f"t a {instance.horizon.step}")
        format_as_amounts(panel.yaxis)
        panel.grid(axis="y")
        step = max(1, len(shown.labels) // 12)
        panel.set_xticks(list(places)[::step], shown.labels[::step])
    handles = [Patch(facecolor=colour, hatch=hatch, label=source) for source, (colour, hatch) in looks.items()]
    add_footer(
        canvas,
        f"{chosen} By who delivers to the segment last, not by where the ore is from. {of_plan(result)}"
        f"{idle_note(instance, *(shown.path for shown in both))}",
        handles,
    )
    return canvas


def path_title(instance: Instance, path: str) -> str:
    """Return the printed name of a path: the baseline, or the shock by its name in the file."""
    return "In the baseline" if path == BASELINE else f"In {shock_title(instance, path)}"


def sources_tables(instance: Instance, both: Sequence[SegmentSources], chosen: str) -> list[dict[str, Any]]:
    """Return the sources as tables for a page, one for each path."""
    return [
        {"head": ["t", *(f">{label}" for label in shown.labels)],
         "rows": [[source, *map(si, row)] for source, row in shown.tonnes.items()],
         "caption": f"{display_name(instance, shown.segment)}. {path_title(instance, shown.path)}. {chosen}"}
        for shown in both
    ]  # fmt: skip


# The parts of the cost that are spent on the plan; all other parts are operation.
BOUGHT = ("capex", "fixed cost", "fixed opex", "stock purchases", "stock holding", "stock salvage")


@dataclass(frozen=True)
class CostStep:
    """One bar: present value from `start` to `start + amount`, money; `part` is its printed name."""

    part: str
    start: float
    amount: float


def cost_steps(result: Result) -> tuple[CostStep, ...]:
    """Return a step for every part of the cost, and a last one for the total; empty without a plan."""
    if result.baseline is None:
        return ()
    # Operation comes first since it is the largest, so that purchases stand beside each other.
    ordered = sorted(result.costs.items(), key=lambda item: item[0] in BOUGHT)
    return _stacked(ordered, result.total_cost, "total cost")


def beyond(result: Result) -> tuple[CostStep, ...]:
    """Return a step for each part of the cost beyond the no-shock plan, and a last one for the sum.

    The result is empty if the no-shock plan's cost by part is unknown (see `beyond_note`), and the sum alone if no part
    differs.
    """
    without = {} if result.no_shock is None else result.no_shock.costs
    if not without or not result.costs:
        return ()
    known = dict.fromkeys([*result.costs, *without])
    more = [(part, result.costs.get(part, 0.0) - without.get(part, 0.0)) for part in known]
    steps = _stacked(more, result.total_cost, "price of survival" if result.survives else "price of the plan")
    return steps if len(steps) > 1 or result.shocks else ()


def beyond_note(result: Result) -> str:
    """Return the reason why bars beyond the no-shock plan are missing; empty if they are not missing."""
    if result.baseline is None or not result.shocks or len(beyond(result)) > 1:
        return ""
    if result.calm_cost is None:
        return "The cost without shocks is not known: the search ended before it was found."
    if result.no_shock is None or not result.no_shock.costs:
        return "The plan file does not hold the no-shock plan's cost by part: solve the instance again to compare them."
    return "Without shocks the same instance costs the same in every part."


def _stacked(costs: Iterable[tuple[str, float]], total: float, last: str) -> tuple[CostStep, ...]:
    """Return one step for each part that is not negligible beside the total cost, then their sum."""
    made, level = list[CostStep](), 0.0
    for part, amount in costs:
        if abs(amount) > ROUNDING * abs(total):
            made.append(CostStep(PART_NAMES.get(part, part), level, amount))
            level += amount
    return (*made, CostStep(last, 0.0, level))


def draw_waterfall(instance: Instance, result: Result) -> Canvas:
    """Draw the cost beyond the no-shock plan or, if that is unknown, the whole cost."""
    more = beyond(result)
    is_beyond = len(more) > 1
    steps = more if is_beyond else cost_steps(result)
    shown = "what the plan costs beyond the no-shock plan" if is_beyond else "what the money goes into"
    canvas = new_canvas(f"{instance.title}: {shown}", 0.9 + 0.36 * max(3, len(steps)))
    (panel,) = canvas.panels
    for row, step in enumerate(steps):
        _draw_step(panel, row, step, result.money, is_last=row == len(steps) - 1)
    panel.set_yticks(range(len(steps)), [step.part for step in steps])
    panel.set_ylim(len(steps) - 0.5, -0.5)
    panel.margins(x=0.16)
    panel.axvline(0, color=QUIET, linewidth=0.8)
    format_as_money(panel.xaxis)
    panel.set_xlabel(f"present value, {result.currency}")
    panel.grid(axis="x")
    what = "Cost by part, less that of the same instance without shocks" if is_beyond else "Every part of the cost"
    less = " Hatched: a part that costs less than without shocks." if is_beyond else " Hatched: comes back."
    hatched = less if any(step.amount < 0 for step in steps) else ""
    add_footer(canvas, f"{what}; present value, {result.currency}.{hatched} {beyond_note(result)}".rstrip())
    return canvas


def _draw_step(panel: "Axes", row: int, step: CostStep, money: str, *, is_last: bool) -> None:
    """Draw one bar with its amount, and a line to the next bar, if any."""
    colour = BLUE if is_last else GREEN if step.amount < 0 else ORANGE
    hatch = "////" if step.amount < 0 else ""
    panel.barh(row, step.amount, left=step.start, color=colour, height=0.62, hatch=hatch)
    level = step.start + step.amount
    weight = "bold" if is_last else "normal"
    panel.text(max(step.start, level), row, f" {si(step.amount, money, 4)}", va="center", fontweight=weight)
    if not is_last:
        panel.plot([level, level], [row + 0.31, row + 0.69], color=QUIET, linewidth=0.7)
