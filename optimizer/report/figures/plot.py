"""The print figures of a report by kind; the frontier of budgets is drawn here, for pages as well.

Colours are those of Okabe and Ito; a pattern, a mark or a word repeats the meaning of each colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optimizer.disruptions.path import BASELINE
from optimizer.instance.derived import but_samples
from optimizer.report.figures import supply_chain, survival, time_to_survive, world_map, years
from optimizer.report.figures.canvas import (
    BLUE,
    GREEN,
    INK,
    STYLE,
    VERMILION,
    Canvas,
    add_footer,
    file_bytes,
    format_as_money,
    new_canvas,
    region_colours,
    use_all_fonts,
)
from optimizer.report.figures.survival import tightest
from optimizer.report.figures.years import YearOfPlan, stocks_in, years_of
from optimizer.report.format import shock_title
from optimizer.report.tables.budgets import (
    baseline_words,
    given_up_words,
    note_on_attacks,
    proven_words,
    summed_gaps_note,
)
from optimizer.results.plan import MOST_DETAILED_SHOCKS, Outcome
from optimizer.results.result import Result, weakest_of
from optimizer.units import si_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from optimizer.instance.schema import Instance
    from optimizer.report.html.book import Book
    from optimizer.studies.comparison import Frontier


@dataclass(frozen=True)
class Choice:
    """The subject of a figure; the figure chooses those that are None."""

    shock: str | None = None  # for path, sankey, map, drawdown and sources
    segment: str | None = None  # for path and sources
    commodity: str | None = None  # for dependence
    year: int | None = None  # for endurance: the year of the cut
    end: bool = False  # for sankey and map: the last year in place of the first


def draw_plot(book: Book, kind: str, choice: Choice, suffix: str, found: Frontier | None = None) -> bytes:
    """Return one figure as a file: `kind` is one of `DRAWN_KINDS`, `suffix` ``svg``, ``png`` or ``pdf``.

    The kind frontier draws the plans by budget in `found`, or by default those of the report.

    Raises:
        ValueError: the plan has no data of this kind, or no such shock, segment, commodity or year; the message says
            which.
    """
    from matplotlib import rc_context

    with rc_context(dict(STYLE)), use_all_fonts():
        if kind == "frontier":
            return file_bytes(draw_frontier(book.instance, book.own.result, found or book.frontier), suffix)
        return file_bytes(DRAWN[kind](book, choice), suffix)


def _timeline(book: Book, choice: Choice) -> Canvas:
    _require(bool(book.own.moves), "nothing is bought: there is no timeline")
    return years.draw_timeline(book.instance, book.own.result, book.own.moves, book.own.stocks)


def _survival(book: Book, choice: Choice) -> Canvas:
    _require(bool(book.own.passings), "there are no shocks")
    return survival.draw_heatmap(book.instance, book.own.result, book.figure_rows, book.own.rows, book.unlisted)


def _path(book: Book, choice: Choice) -> Canvas:
    passings = {each.outcome.name: each for each in book.own.passings}
    _require(bool(passings), "there are no shocks")
    kept = [name for name, each in passings.items() if each.short]
    shock = choice.shock or (tightest(book.own.result, kept) or [*passings])[0]
    _require(shock in passings, _no_shock(shock, list(passings)))
    segments = list(book.instance.demands)
    struck = passings[shock].outcome.segments
    segment = choice.segment or list(struck)[weakest_of(list(struck.values()))]
    _require(segment in segments, f"there is no segment {segment!r}; one of: {', '.join(segments)}")
    _require(shock in kept, _not_kept(shock, kept))
    window = next(each for each in book.shock_windows if each.name == shock)
    return survival.draw_path(book.instance, book.own.result, window, passings[shock], segment)


def _no_shock(shock: str | None, names: Sequence[str]) -> str:
    return f"there is no shock {shock!r} in the plan; {'one of: ' if names else 'it has none'}{', '.join(names)}"


def _not_kept(shock: str, kept: Sequence[str]) -> str:
    return (
        f"of {shock} the plan file has no flows, only its worst period, for they are kept of {MOST_DETAILED_SHOCKS} "
        f"shocks at most; those of: {', '.join(kept)}. To have them, solve an instance with fewer shocks"
    )


def _sankey(book: Book, choice: Choice) -> Canvas:
    key, known = choice.shock or BASELINE, book.own.chains
    names = [each.name for each in book.own.result.shocks]
    _require(key in names or key == BASELINE, _no_shock(key, names))
    _require(key in known, _not_kept(key, [name for name in known if name != BASELINE]))
    drawn = known[key][-1 if choice.end else 0]
    return supply_chain.draw_sankey(book.instance, book.own.result, drawn, key, _colours(book))


def _stock(book: Book, choice: Choice) -> Canvas:
    _require(bool(book.own.stocks), "no stock is held")
    own = book.own
    return survival.draw_stocks(book.instance, own.result, own.stocks, book.figure_rows, own.rows, book.unlisted)


def _dependence(book: Book, choice: Choice) -> Canvas:
    known = list(book.own.shares)
    _require(bool(known), "nothing is made")
    commodity, home = choice.commodity, book.instance.home
    # Commodities that come only from home in every year have no dependence to show.
    foreign = [c for c in known if any(set(share.regions) - {home} for share in book.own.shares[c])]
    _require(commodity is None or commodity in known, f"no {commodity!r} is made and used; one of: {', '.join(known)}")
    shown = (foreign or known) if commodity is None else [commodity]
    shares = {c: book.own.shares[c] for c in shown}
    return supply_chain.draw_dependence(book.instance, book.own.result, shares, _colours(book))


def _waterfall(book: Book, choice: Choice) -> Canvas:
    _require(book.own.result.baseline is not None, "there are no costs")
    return years.draw_waterfall(book.instance, book.own.result)


def _time_to_survive(book: Book, choice: Choice) -> Canvas:
    years = list(book.instance.horizon.years)
    _require(choice.year is None or choice.year in years, f"the horizon runs from {years[0]} to {years[-1]}")
    _require(bool(book.own.before), "nothing that could be cut breaks a floor")
    own = book.own
    return time_to_survive.draw_time_to_survive(book.instance, own.result, own.before, own.after, choice.year)


def _colours(book: Book) -> dict[str, tuple[str, str]]:
    return region_colours(book.instance, [each.shares for each in book.views])


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def maps_of(book: Book, shock: str | None = None, *, end: bool = False) -> list[world_map.WorldMap]:
    """Return the map of the baseline, and that of a shock in the same periods, by default the worst.

    Raises:
        ValueError: there is no plan or no such shock, or its flows are not kept; the message says which.
    """
    known = book.own.chains
    _require(BASELINE in known, "there is no plan to draw a map of")
    kept = [name for name in known if name != BASELINE]
    _require_kept(book, shock, kept)
    worst = survival.worst_counted(book.own.result, kept if shock is None else [shock])
    drawn = [known[BASELINE]]
    if worst is not None:
        drawn = [supply_chain.baseline_beside(book.instance, book.own.result, worst.name), known[worst.name]]
    may_fail = {each.name for each in book.own.result.shocks if each.excused}
    maps = [world_map.world_map(book.instance, each[-1 if end else 0], book.own.moves) for each in drawn]
    return [replace(each, may_fail=each.path in may_fail) for each in maps]


def _require_kept(book: Book, shock: str | None, kept: Sequence[str]) -> None:
    """Raise an error for an unknown shock, or one whose flows are not kept."""
    names = [each.name for each in book.own.result.shocks]
    _require(shock is None or shock in names, _no_shock(shock, names))
    _require(shock is None or shock in kept, _not_kept(shock or "", kept))


def drawn_years(book: Book) -> tuple[YearOfPlan, ...]:
    """Return the outlay and the builds of each year.

    Raises:
        ValueError: nothing is paid in any year.
    """
    found = years_of(book.instance, book.own.result, book.own.moves)
    _require(any(each.spent for each in found), "nothing is bought")
    return found


def drawn_stocks(book: Book, shock: str | None = None) -> tuple[Outcome, tuple[years.StockInShock, ...]]:
    """Return a shock, by default that with the largest releases, and its stocks; samples that may fail come last.

    Raises:
        ValueError: there is no such shock, its flows are not kept, or there is no stock; the message says which.
    """
    outcomes = {each.name: each for each in book.own.result.shocks if each.flows is not None}
    _require_kept(book, shock, list(outcomes))
    names = list(outcomes) if shock is None else [shock]
    plan = book.own.result.plan
    found = {name: stocks for name in names if (stocks := stocks_in(book.instance, plan, outcomes[name]))}
    _require(bool(found), "no stock is there when a shock comes")
    name = max(found, key=lambda name: (not outcomes[name].excused, sum(each.released for each in found[name])))
    return outcomes[name], found[name]


def hardest_sources(
    book: Book, shock: str | None = None, segment: str | None = None
) -> tuple[tuple[years.SegmentSources, ...], str]:
    """Return the sources of a segment in a shock, and a sentence that says how the two were chosen.

    By default they are those with the largest unserved demand, at shortage cost; samples that may fail come last.

    Raises:
        ValueError: there is no such shock or segment, its flows are not kept, or no demand is unserved by which to
            choose; the message says which.
    """
    outcomes = {each.name: each for each in book.own.result.shocks if each.flows is not None}
    _require_kept(book, shock, list(outcomes))
    demands = book.instance.demands
    _require(segment is None or segment in demands, f"there is no segment {segment!r}; one of: {', '.join(demands)}")
    unserved = {
        (s, d): value
        for (s, d), value in _unserved(book, outcomes).items()
        if shock in (None, s) and segment in (None, d)
    }
    if shock is not None and segment is not None:
        chosen = shock, segment
    else:
        _require(bool(unserved), "nothing goes unserved there: name --shock and --segment")
        chosen = max(unserved, key=lambda key: (not outcomes[key[0]].excused, unserved[key]))
    words = _CHOSEN[shock is not None, segment is not None]
    words += f" {shock_title(book.instance, chosen[0])} may fail." if outcomes[chosen[0]].excused else ""
    return years.sources_of(book.instance, book.own.result, outcomes[chosen[0]], chosen[1]), words


def _unserved(book: Book, outcomes: Mapping[str, Outcome]) -> dict[tuple[str, str], float]:
    """Return unserved demand above 0 by shock and segment, money at shortage cost."""
    demands = book.instance.demands
    return {
        (name, d): demands[d].shortage_cost * service.shortage
        for name, outcome in outcomes.items()
        for d, service in outcome.segments.items()
        if service.shortage > 0
    }


# How the figure chose its subject, by whether a shock and a segment were given.
_CHOSEN = {
    (False, False): "Chosen: the segment and the shock with most unserved, at shortage cost.",
    (True, False): "Shock as asked for; chosen: the segment with most unserved in it, at shortage cost.",
    (False, True): "Segment as asked for; chosen: the shock with most of it unserved.",
    (True, True): "Shock and segment as asked for.",
}


# The function that draws each kind of figure.
DRAWN: dict[str, Callable[[Book, Choice], Canvas]] = {
    "map": lambda book, choice: world_map.draw_map(
        book.instance, book.own.result, maps_of(book, choice.shock, end=choice.end), _colours(book)
    ),
    "years": lambda book, choice: years.draw_years(book.instance, book.own.result, drawn_years(book)),
    "drawdown": lambda book, choice: years.draw_drawdown(
        book.instance, book.own.result, *drawn_stocks(book, choice.shock)
    ),
    "sources": lambda book, choice: years.draw_sources(
        book.instance, book.own.result, *hardest_sources(book, choice.shock, choice.segment)
    ),
    "timeline": _timeline,
    "survival": _survival,
    "path": _path,
    "sankey": _sankey,
    "stock": _stock,
    "dependence": _dependence,
    "waterfall": _waterfall,
    "endurance": _time_to_survive,
}
DRAWN_KINDS = (*DRAWN, "frontier")


def draw_frontier(instance: Instance, own: Result, found: Frontier) -> Canvas:
    """Draw gap and cost of a report's plans by outlay, with a circle around the plan at hand."""
    results = [point.result for point in found.points if point.result.baseline is not None and not point.is_given]
    results = results or [own]
    words = baseline_words(found, own.money)
    notes = [*least_outlay_note(instance, found.least_outlay), "Circle: the plan at hand."]
    ends = [given_up_words(found), note_on_attacks(own, results[1:]), proven_words(found, own.money), words]
    ends += ["The search was stopped: more budgets were to come."] if found.stopped else []
    return draw_results(instance, results, own, notes, ends, is_beyond=bool(words))


def least_outlay_note(instance: Instance, outlay: float | None) -> Iterator[str]:
    """Yield the sentence on the least outlay that keeps every floor; nothing if it is None."""
    if outlay is not None:
        kept = f"keeps every floor{but_samples(instance)}"
        yield f"The least outlay that {kept} is {si_up(outlay, instance.money, 5)}."


def draw_results(
    instance: Instance,
    results: Sequence[Result],
    own: Result | None,
    notes: Sequence[str],
    ends: Sequence[str] = (),
    *,
    is_beyond: bool = False,
) -> Canvas:
    """Draw survival gap and cost of plans by outlay; with `is_beyond` the cost beyond the no-shock plan."""
    money, currency, outlays = results[0].money, results[0].currency, [result.outlay for result in results]
    canvas = new_canvas(f"{instance.title}: what each budget buys", 4.2, (1.0, 1.0), shares_axis=True)
    gap, cost = canvas.panels
    _draw_gaps(gap, results, own)
    many = ",\nsum over all shocks" if len(instance.events) > 1 else ""
    gap.set_ylabel(f"survival gap{many}, {money}")
    name = "price_of_survival" if is_beyond else "total_cost"
    _drawn_line(cost, results, own, name, "o", BLUE)
    cost.set_ylabel(f"cost beyond\nthe no-shock plan, {money}" if is_beyond else f"total cost, {money}")
    cost.set_xlabel(f"outlay, {currency}, undiscounted")
    format_as_money(cost.xaxis)
    cost.set_xlim(left=0, right=None if max(outlays) > 0 else 1.0)
    kept = [f"Green diamond: every floor holds{but_samples(instance)}."] if any(r.survives for r in results) else []
    summed = summed_gaps_note(results, money)
    said = [*notes, *kept, f"Survival gap at shortage cost; cost present value, {currency}.", summed, *ends]
    add_footer(canvas, " ".join(note for note in said if note))
    return canvas


def _draw_gaps(panel: Axes, results: Sequence[Result], own: Result | None) -> None:
    """Draw the gaps of all plans by outlay; surviving plans have their own mark, and each first mark a word."""
    _drawn_line(panel, results, own, "survival_gap", "s", VERMILION)
    kept = [result for result in results if result.survives]
    panel.lines[0].set_markevery([i for i, result in enumerate(results) if not result.survives])
    if kept:  # The layout collapses where a line without points is not clipped.
        places = ([each.outlay for each in kept], [each.survival_gap for each in kept])
        panel.plot(*places, "D", color=GREEN, zorder=3, clip_on=False)
    said, distinct = "", {id(each): each for each in results}.values()
    for result in sorted(distinct, key=lambda result: result.outlay):
        failed = sum(outcome.fails for outcome in result.shocks)
        before, said = said, f"fails in {failed:,} of {len(result.shocks):,}" if failed else "survives"
        if said != before:
            place = (result.outlay, result.survival_gap)
            panel.annotate(said, place, (6, 9), textcoords="offset points", ha="left", fontsize=7)


def _drawn_line(
    panel: Axes, results: Sequence[Result], own: Result | None, name: str, marker: str, colour: str
) -> None:
    """Draw one figure of all plans by outlay, with a circle around the plan at hand, if any."""
    outlays, amounts = [each.outlay for each in results], [getattr(each, name) or 0.0 for each in results]
    panel.plot(outlays, amounts, color=colour, marker=marker, linewidth=1.6, clip_on=False)
    if own is not None:
        look: dict[str, Any] = {"markersize": 12, "markerfacecolor": "none", "markeredgecolor": INK, "clip_on": False}
        panel.plot([own.outlay], [getattr(own, name) or 0.0], "o", **look)
    format_as_money(panel.yaxis)
    panel.margins(y=0.18)
    if min(amounts) >= 0:
        panel.set_ylim(bottom=0)
    panel.grid()
