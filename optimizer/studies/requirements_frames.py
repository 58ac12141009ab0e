"""Frames of stockpile requirements: the only place that defines the columns of their tables.

materials    by material: shortfall, amount to hold, cost, remaining gap    purchases    stocks by calendar year
needs        by segment, in its worst shock                                 supply       home and abroad, by shock
holdings     by stock: amount to hold and its cost                          chain        makers of each material
shortfalls   by segment and shock                                           times        time to survive
funding      shortfalls with part of the money                              assumptions  of each shock
cases        other conflicts                                                clauses      of the law
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from optimizer.horizon import Horizon
from optimizer.instance.derived import display_name, entry_name
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import Outcome, Service
from optimizer.results.result import Result
from optimizer.studies.cost_tolerance import ProvenDifference
from optimizer.studies.requirements_assessment import is_material, upstream_stocks
from optimizer.studies.shocks import is_known, shortages
from optimizer.tolerances import NEGLIGIBLE, ROUNDING, SAME_VALUE

if TYPE_CHECKING:
    from optimizer.studies.requirements_result import Requirements

Tonnes = Mapping[str, float]
HELD_SUMS = ("held", "hold", "buy", "spent", "holding_per_year")
UNUSED_NOTE = (
    "; –: no segment uses it as it is, and a stock of it serves what is made of it, whose shortfall is in its own row"
)
NO_OPTION = "no option to hold it in the file"


def _holding_note(found: "Requirements") -> str:
    losses = ", and what replaces yearly losses" if any(each.loss for each in found.alone.stocks.values()) else ""
    return f"To hold: the largest stock, with what is held today. To buy it: what is missing{losses}."


def _t(name: str, label: str = "", **how: Any) -> FrameColumn:
    return FrameColumn(name, label, "t", "amount", **how)


def materials_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per material that a segment needs or a stock holds."""
    money = found.instance.money
    columns = (
        FrameColumn("material", form="object", is_index=True),
        FrameColumn("worst_shock", form="shock", is_shown=False),
        _t("requirement", "Required", is_shown=False),
        _t("shortfall", "Shortfall"),
        FrameColumn("gap", "Shortfall at\nshortage cost", money, "amount", is_shown=False),
        _t("held", "Held"),
        _t("hold", "To hold"),
        _t("buy", "To buy", is_shown=False),
        FrameColumn("spent", "To buy\nit", money, "amount"),
        FrameColumn("holding_per_year", "To hold it,\na year", money, "amount"),
        _t("left", "Left with\nstocks"),
        _t("planned", "Left with\nthe plan"),
        FrameColumn("options", "Held as", is_shown=False),
        FrameColumn("upstream", "Stocks of what it is made of", is_shown=False),
    )
    materials = [c for c in found.instance.commodities if is_material(found.instance, c)]
    held: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in held_stocks(found):
        held[row["material"]].append(row)
    rows = [_material_row(found, c, held[c]) for c in materials]
    has_unused = any(row[3] is None for row in rows)
    frame = Frame.of_rows("materials", "Shortfall and amount to hold, by material", columns, rows)
    note = (
        "Shortfall: below the floors with nothing bought, in the shock that is worst for the material"
        f"{UNUSED_NOTE * has_unused}. {_left_note(frame)}. {_holding_note(found)} Money undiscounted."
    )
    return replace(frame, note=note)


def _material_row(found: "Requirements", c: str, held: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    instance = found.instance
    segments = [d for d, demand in instance.demands.items() if demand.commodity == c]
    needed, left = _needs_of_material(found, segments) if segments else ((None,) * 4, (None, None))
    sums = [math.fsum(row[name] for row in held) if held else None for name in HELD_SUMS]
    options = "; ".join(display_name(instance, row["option"]) for row in held) or NO_OPTION
    upstream = "; ".join(display_name(instance, o) for o in upstream_stocks(instance, c))
    return (c, *needed, *sums, *left, options, upstream)


def _needs_of_material(found: "Requirements", segments: Sequence[str]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the needs of segments, and the shortfalls left with stocks and with the plan.

    The needs are the worst shock, None if nothing falls short, the amount that floors require, t, the shortfall, t,
    and its value, money.
    """
    worst = _hardest(found, segments)
    services = _failing_services(worst, segments)
    required, gap = _required(found, worst, segments), math.fsum(service.gap for service in services)
    return (worst.name if services else None, required, _shortfall(worst, segments), gap), _worst_left(found, segments)


def _without_excused(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Return the outcomes without samples that fail and are allowed to."""
    return (outcome for outcome in outcomes if not outcome.excused)


def _failing_services(outcome: Outcome | None, segments: Iterable[str]) -> list[Service]:
    """Return the services of the given segments that fall below their floors in a shock."""
    some = () if outcome is None else (outcome.segments.get(d) for d in segments)
    return [service for service in some if service is not None and service.first_failure is not None]


def _shortfall(outcome: Outcome | None, segments: Iterable[str]) -> float:
    return math.fsum(service.below_floor for service in _failing_services(outcome, segments))


def _worst_outcome(outcomes: Iterable[Outcome], segments: Sequence[str]) -> Outcome | None:
    """Return the shock in which most of the segments' demand falls short, the first of equals; None without shocks."""
    return max(_without_excused(outcomes), key=lambda each: _shortfall(each, segments), default=None)


def _worst_left(found: "Requirements", segments: Sequence[str]) -> tuple[float | None, ...]:
    """Return the shortfall of segments with stocks alone and with the given plan, t, each in its worst shock."""
    return tuple(
        None if result.baseline is None else _left(found, _worst_outcome(result.shocks, segments), segments)
        for result in (found.stocks, found.result)
    )


def _left(found: "Requirements", outcome: Outcome | None, segments: Sequence[str]) -> float:
    """Return the shortfall of segments under a plan, t; 0 where it is negligible beside what the floors require."""
    left = _shortfall(outcome, segments)
    required = 0.0 if outcome is None else _required(found, outcome, segments)
    return left if left > NEGLIGIBLE * required else 0.0


# Notes on columns that the screen does not show.
AUSTERITY_NOTE = " Austerity: the rest of demand."
LIMIT_NOTE = (
    " Purchases at their limit until: the market, by fill_rate, sells no more from the first period in which the stock "
    "may be bought to this one."
)
MAY_FAIL_NOTE = " –: a sample that fails under that plan, and may."
FUNDED_SAMPLES_NOTE = " Samples that fail and may are not among those survived, and their gaps do not count."
CASE_SAMPLES_NOTE = " The gaps of samples that may fail count only where windows differ from those of the file."
MATERIALS_NOTE = " Materials: t below the floors in the worst shock."


def shortfall_by_material(instance: Instance, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the shortage below the floors in the worst shock, t, by material that a segment needs."""
    segments: dict[str, list[str]] = defaultdict(list)
    for d, demand in instance.demands.items():
        segments[demand.commodity].append(d)
    return {c: _shortfall(_worst_outcome(outcomes, some), some) for c, some in segments.items()}


def _window_tonnes(instance: Instance, shock: str, d: str) -> tuple[float, float]:
    """Return the demand of a segment over the window of a shock, and the part that its floor requires, t."""
    event = instance.event(shock)
    path = instance.path(event)
    demanded = [float(path.demand_at(d, t)) for t in event.periods]
    floors = [float(path.floor_at(d, t)) for t in event.periods]
    return math.fsum(demanded), math.fsum(t * floor for t, floor in zip(demanded, floors, strict=True))


def needs_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per segment, in the shock with its largest shortfall, or else largest requirement."""
    columns = (
        FrameColumn("segment", form="object", is_index=True),
        FrameColumn("material", form="name", is_shown=False),
        FrameColumn("shock", "Worst shock,\nnothing bought", form="shock"),
        _t("demand", "Demand"),
        _t("austerity", "Austerity", is_shown=False),
        _t("requirement", "Required"),
        _t("shortfall", "Shortfall"),
        _t("left", "Left with\nstocks"),
        _t("planned", "Left with\nthe plan"),
        FrameColumn("shocks_short", "Shocks short,\nnothing bought", form="count"),
    )
    rows = [_need_row(found, d) for d in found.instance.demands]
    frame = Frame.of_rows("needs", "Requirement and shortfall, by segment", columns, rows)
    note = (
        "Worst shock: that with the largest shortfall with nothing bought, or if there is none, the largest "
        "requirement. Over its window: "
    )
    note += "demand with its surge; required: what the floor asks for. "
    return replace(frame, note=f"{note}{_left_note(frame)}.{AUSTERITY_NOTE}")


def _left_note(frame: Frame) -> str:
    """Return what is left with stocks, and where that is more than the shortfall."""
    note = "Left: in the shock that is worst under that plan, which may be another"
    if any((row["left"] or 0.0) > (row["shortfall"] or 0.0) * (1 + SAME_VALUE) for row in frame.rows()):
        note += "; more than the shortfall where stocks of inputs go to a segment whose shortage costs more"
    return note


def _hardest(found: "Requirements", segments: Sequence[str]) -> Outcome:
    """Return the shock with the largest shortfall of segments under the do-nothing plan, else that requiring most."""
    worst = _worst_outcome(found.nothing.shocks, segments)
    if worst is not None and _shortfall(worst, segments) > 0:
        return worst
    # Where every sample may fail, no shock counts, and all of them are compared.
    counted = list(_without_excused(found.nothing.shocks)) or found.nothing.shocks
    return max(counted, key=lambda each: _required(found, each, segments))


def _required(found: "Requirements", outcome: Outcome, segments: Sequence[str]) -> float:
    """Return the demand that the floors of segments require over the window of a shock, t."""
    return math.fsum(_window_tonnes(found.alone, outcome.name, d)[1] for d in segments)


def _need_row(found: "Requirements", d: str) -> tuple[Any, ...]:
    worst = _hardest(found, [d])
    demand, required = _window_tonnes(found.alone, worst.name, d)
    short = sum(_shortfall(each, [d]) > 0 for each in _without_excused(found.nothing.shocks))
    return (d, found.instance.demands[d].commodity, worst.name, demand, demand - required, required,
            _shortfall(worst, [d]), *_worst_left(found, [d]), short)  # fmt: skip


def shortfalls_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per material, segment and shock that is short under the do-nothing or another plan."""
    money = found.instance.money
    columns = (
        FrameColumn("material", form="object", is_index=True),
        FrameColumn("segment", form="object", is_index=True),
        FrameColumn("shock", form="shock", is_index=True),
        FrameColumn("first", form="period"),
        FrameColumn("last", form="period"),
        _t("demand"),
        _t("requirement", "Required"),
        _t("shortfall"),
        FrameColumn("gap", "Shortfall at shortage cost", money, "amount"),
        _t("unserved", "Not served in all"),
        _t("left", "Left with\nstocks"),
        _t("planned", "Left with\nthe plan"),
    )
    note = "Tonnes over the window of the shock. Not served in all: what the floor does not require included."
    plans = found.nothing, found.stocks, found.result
    note += MAY_FAIL_NOTE * any(each.excused for plan in plans for each in plan.shocks)
    return Frame.of_rows("shortfalls", "Shortfall by segment and shock", columns, _shortfall_rows(found), note)


def _shortfall_rows(found: "Requirements") -> Iterator[tuple[Any, ...]]:
    by_plan = [{each.name: each for each in result.shocks} for result in (found.stocks, found.result)]
    for d in found.instance.demands:
        for outcome in found.nothing.shocks:
            left = [_left_in(found, outcomes.get(outcome.name), d) for outcomes in by_plan]
            if any(left) or (not outcome.excused and _shortfall(outcome, [d]) > 0):
                yield (*_shortfall_row(found, d, outcome), *left)


def _left_in(found: "Requirements", outcome: Outcome | None, d: str) -> float | None:
    """Return what is left of a segment's shortfall, t; None without a plan, and in a sample that fails and may."""
    return None if outcome is None or outcome.excused else _left(found, outcome, [d])


def _shortfall_row(found: "Requirements", d: str, outcome: Outcome) -> tuple[Any, ...]:
    service = outcome.segments.get(d)
    known = is_known(found.alone, outcome) or service is not None
    gap, unserved = service.gap if service else 0.0, shortages(outcome).get(d, 0.0) if known else None
    short = (None, None) if outcome.excused else (_shortfall(outcome, [d]), gap)
    tonnes = *_window_tonnes(found.alone, outcome.name, d), *short
    return (found.instance.demands[d].commodity, d, outcome.name, outcome.first, outcome.last, *tonnes, unserved)


def held_stocks(found: "Requirements") -> list[dict[str, Any]]:
    """Return a row per stock, by name of the column: amounts to hold and to buy, t, and their cost, undiscounted."""
    instance, result, horizon = found.alone, found.stocks, found.alone.horizon
    rows = []
    for o, stock in instance.stocks.items():
        fills, held = result.plan.fills[o], result.plan.stocks[o]
        bought = [t for t, fill in enumerate(fills) if fill > ROUNDING * max(*fills, 1.0)]
        paid, most = stock.paid_for_fills(horizon, fills), max(*held, stock.initial)
        rows.append({
            "option": o, "material": stock.commodity, "held": stock.initial, "hold": most, "buy": math.fsum(fills),
            "first": horizon.label(bought[0]) if bought else None,
            "last": horizon.label(bought[-1]) if bought else None,
            "is_full": bool(bought) and most >= stock.largest * (1.0 - SAME_VALUE),
            "full_until": _full_until(stock, horizon, fills), "spent": paid, "counted": stock.budget_share * paid,
            "holding_per_year": stock.holding_cost * most,
            "holding": math.fsum(stock.holding_cost * horizon.delta * each for each in held),
            "drawn": _largest_release(result, o),
            "years_to_buy": most / stock.most_in_a_year if stock.most_in_a_year > 0 else None,
        })  # fmt: skip
    return rows


def _full_until(stock: Any, horizon: Horizon, fills: Sequence[float]) -> str | None:
    """Return the last period to which purchases of a stock are at `fill_rate` from the first that allows them."""
    most = stock.most_in_a_year * horizon.delta
    allowed = (t for t in horizon.periods if stock.allows(horizon.year(t)))
    full = list(takewhile(lambda t: most > 0 and fills[t] >= most * (1.0 - SAME_VALUE), allowed))
    return horizon.label(full[-1]) if full else None


def _bought_instead(found: "Requirements", o: str, without: Result) -> float:
    """Return what more the other stocks cost in the plan without purchases of a stock, money undiscounted."""
    before, after = (
        math.fsum(stock.paid_for_fills(found.alone.horizon, result.plan.fills[other])
                  for other, stock in found.alone.stocks.items() if other != o)
        for result in (found.stocks, without)
    )  # fmt: skip
    return after - before if abs(after - before) > SAME_VALUE * max(before, after) else 0.0


def _largest_release(result: Result, o: str) -> float | None:
    """Return the largest release from a stock in one shock, t, of shocks that report it; None without any."""
    released = (each.flows.row(o, "released") for each in result.shocks if each.flows)
    return max((math.fsum(row) for row in released if row), default=None)


def holdings_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per stock."""
    money = found.instance.money
    columns = (
        FrameColumn("option", "Stock", form="object", is_index=True),
        FrameColumn("material", form="name", is_shown=False),
        _t("held", "Held now", is_shown=False),
        _t("hold", "To hold"),
        _t("buy", "To buy"),
        FrameColumn("first", "From", form="period"),
        FrameColumn("last", "To", form="period"),
        FrameColumn("is_full", "Stock at its limit", form="yes", is_shown=False),
        FrameColumn("full_until", "Purchases at their limit until", form="period", is_shown=False),
        FrameColumn("spent", "To buy it", money, "amount"),
        FrameColumn("counted", "Counted in the budget", money, "amount", is_shown=False),
        FrameColumn("holding_per_year", "To hold it, a year", money, "amount", is_shown=False),
        FrameColumn("holding", "To hold it,\nin all", money, "amount"),
        _t("drawn", "Drawn in one shock at most", is_shown=False),
        FrameColumn("years_to_buy", "Time to buy it again", "years", "amount", is_shown=False),
        FrameColumn("closes", "Gap that\nit closes", money, "amount"),
        FrameColumn("closes_low", "The same, proven at least", money, "amount", is_shown=False),
        FrameColumn("closes_high", "The same, proven at most", money, "amount", is_shown=False),
        FrameColumn("instead", "In its\nplace", money, "amount"),
    )
    rows = []
    for row in held_stocks(found):
        without = found.unfunded.get(row["option"])
        more = None if without is None else ProvenDifference.of_gaps(found.stocks, without)
        band = (None, None, None) if more is None else (more.value, more.low, more.high)
        instead = None if without is None else _bought_instead(found, row["option"], without)
        rows.append((*(row[column.name] for column in columns[:-4]), *band, instead))
    note = (
        f"{_holding_note(found)} In all: undiscounted, to the end of the horizon. Gap "
        "that it closes: what more would be below the floors, at shortage cost over all shocks, if it were not bought "
        "and the others were planned anew. In its place: what more the others then cost to buy"
    )
    if any(row[-1] is None for row in rows):
        note += "; –: nothing of it is bought, or the figure is not computed (--quick)"
    return Frame.of_rows("holdings", "What to hold, and what it costs", columns, rows, f"{note}.{LIMIT_NOTE}")


def _least_gap_bound(result: Result) -> float:
    """Return the proven lower bound of the least survival gap, money."""
    return min(result.survival_gap, result.gap_bound or 0.0)


def purchases_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per calendar year and stock that is bought in it."""
    columns = (
        FrameColumn("year", form="year", is_index=True),
        FrameColumn("option", "Stock", form="object", is_index=True),
        FrameColumn("material", form="name"),
        _t("bought"),
        FrameColumn("spent", unit=found.instance.money, form="amount"),
    )
    instance, horizon = found.alone, found.alone.horizon
    rows = []
    for year in horizon.years:
        for o, fills in found.stocks.plan.fills.items():
            in_year = [fill if horizon.year(t) == year else 0.0 for t, fill in enumerate(fills)]
            if math.fsum(in_year) > ROUNDING:
                stock = instance.stocks[o]
                rows.append((year, o, stock.commodity, math.fsum(in_year), stock.paid_for_fills(horizon, in_year)))
    note = "Purchases of the plan of stocks alone, undiscounted, by calendar year."
    return Frame.of_rows("purchases", "When stocks are bought", columns, rows, note)


def funding_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per share of the money for stocks, with the shocks survived and the gap left."""
    money, tonnes = found.instance.money, shortfall_by_material(found.alone, found.nothing.shocks)
    short = [c for c in tonnes if tonnes[c] > 0]
    columns = (
        FrameColumn("share", "Funded", "share", "percent", is_index=True),
        FrameColumn("money", "Money for\nstocks", money, "exact"),
        FrameColumn("survived", "Shocks\nsurvived", form="count"),
        FrameColumn("gap", "Gap\nleft", money, "amount"),
        FrameColumn("gap_low", "The same, proven at least", money, "amount", is_shown=False),
        *(_t(c, f"{display_name(found.instance, c)}, left", is_shown=False) for c in short),
    )
    rows, count = [], len(found.nothing.shocks)
    is_share = any(outcome.excused for step in found.steps for outcome in step.result.shocks)
    for step in found.steps:
        left, result = shortfall_by_material(found.alone, step.result.shocks), step.result
        survived = sum(outcome.survives for outcome in result.shocks)
        gaps = result.survival_gap, _least_gap_bound(result)
        rows.append((step.share, step.money, survived, *gaps, *(left[c] for c in short)))
    note = (
        f"Of {count:,} shock{'' if count == 1 else 's'}. Gap: demand below the floors at shortage cost, over all "
        f"shocks, the least for that money.{FUNDED_SAMPLES_NOTE * is_share}{MATERIALS_NOTE}"
    )
    return Frame.of_rows("funding", "What funding in part achieves", columns, rows, note)


def cases_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per conflict: that of the file, then other cases."""
    money, stocks = found.instance.money, list(found.alone.stocks)
    short = list(shortfall_by_material(found.alone, found.nothing.shocks))
    columns = (
        FrameColumn("kind", "What differs", form="text", is_index=True),
        FrameColumn("case", "Conflict", is_index=True),
        FrameColumn("shocks", form="count"),
        FrameColumn("gap", "Gap with\nnothing", money, "amount"),
        FrameColumn("spent", "Stocks\ncost", money, "amount"),
        FrameColumn("gap_left", "Gap\nleft", money, "amount"),
        FrameColumn("gap_left_low", "The same, proven at least", money, "amount", is_shown=False),
        *_named_columns(found.instance, short, "shortfall", "shortfall"),
        *_named_columns(found.instance, stocks, "hold", "to hold"),
        *_named_columns(found.instance, short, "left", "left"),
    )
    own = ("as the file", "all shocks", found.alone, found.nothing.shocks, found.stocks)
    others = (
        (each.kind, entry_name(found.instance, each.name), each.instance, each.nothing, each.stocks)
        for each in found.cases
    )
    rows = [_case_row(each, short, stocks) for each in (own, *others)]
    note = (
        "Gap: demand below the floors at shortage cost, summed over the shocks of the case. Shocks are alternatives: "
        "of more than one, the sum is a measure, not a gap that can occur. Money undiscounted."
    )
    note += CASE_SAMPLES_NOTE * any(outcome.excused for outcome in found.nothing.shocks)
    return Frame.of_rows("cases", "Other conflicts and mobilisation periods", columns, rows, note)


def _named_columns(instance: Instance, keys: Iterable[str], name: str, label: str) -> tuple[FrameColumn, ...]:
    """Return one column per material or stock."""
    return tuple(_t(f"{key} {name}", f"{display_name(instance, key)}, {label}", is_shown=False) for key in keys)


def _case_row(case: tuple[Any, ...], short: Sequence[str], stocks: Sequence[str]) -> tuple[Any, ...]:
    kind, name, instance, nothing, result = case
    before = shortfall_by_material(instance, nothing)
    gap = math.fsum(outcome.gap for outcome in _without_excused(nothing))
    is_known = result is not None or not any(before.values())
    money, held, left = _case_stocks(instance, result) if is_known else ((None,) * 3, {}, {})
    tonnes = *map(before.get, short), *map(held.get, stocks), *map(left.get, short)
    return kind, name, len(nothing), gap, *money, *tonnes


def _case_stocks(instance: Instance, result: Result | None) -> tuple[tuple[float, ...], Tonnes, Tonnes]:
    """Return the money, the stocks held, and the shortfalls left in a case of requirements.

    The money is the cost of stocks, the least gap and its lower bound; stocks are t by stock, shortfalls t by material.
    Without a result nothing falls short, so that nothing is bought.
    """
    if result is None:
        left = dict.fromkeys((demand.commodity for demand in instance.demands.values()), 0.0)
        return (0.0, 0.0, 0.0), {o: stock.initial for o, stock in instance.stocks.items()}, left
    plan = result.plan
    spent = math.fsum(instance.stocks[o].paid_for_fills(instance.horizon, fills) for o, fills in plan.fills.items())
    held = {o: max(*row, instance.stocks[o].initial) for o, row in plan.stocks.items()}
    money = (spent, result.survival_gap, _least_gap_bound(result))
    return money, held, shortfall_by_material(instance, result.shocks)
