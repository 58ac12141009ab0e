"""Frames of a plan and of a plan for several futures: the only definition of the columns of their tables.

A figure computed elsewhere becomes a column here and thereby appears in pandas, and in each table, CSV file and sheet
that shows the frame whole. Studies have theirs beside their results.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from optimizer.audit.figures import baseline_cost_by_period
from optimizer.instance.derived import display_name, has_only_stocks, size_notes, size_unit
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import ActualOutput, Outcome, ServedShare, SourceShare
from optimizer.results.result import Result
from optimizer.results.saved import bought_in_samples_frame, list_commitments
from optimizer.studies.binding_limits import MONTH_LESS, MOST_PRICES, POINTS, rule_name
from optimizer.studies.futures.stages import Stage, StageOrder, find_stages
from optimizer.studies.purchases import Purchase, first_start_words, in_force_words, outlay_note, purchases, ramp_words
from optimizer.studies.supply_chain import production_words, sellers, supply_shares
from optimizer.tolerances import ROUNDING
from optimizer.units import si


def result_frames(result: Result) -> Frames:
    """Return all frames of a plan by name."""
    instance = instance_of(result)
    return Frames(
        {
            "builds": lambda: builds_frame(instance, result),
            "stock": lambda: stocks_by_period_frame(instance, result, "stock", result.plan.stocks),
            "purchased": lambda: stocks_by_period_frame(instance, result, "purchased", result.plan.fills),
            "survival": lambda: survival_frame(instance, result),
            "services": lambda: services_frame(result),
            "dependence": lambda: _dependence_frame(instance, "dependence", result.shares),
            "yearly_dependence": lambda: yearly_dependence_frame(instance, result),
            "costs": lambda: costs_frame(instance, result),
            "outlays": lambda: outlays_frame(instance, result),
            "limits": lambda: limits_frame(instance, result),
            "actual": lambda: actual_frame(result.actual),
            "commitments": lambda: commitments_frame(result),
            "bands": lambda: bands_frame(result),
            "bought_in_samples": lambda: bought_in_samples_frame(
                result.bands.bought if result.bands else {}, result.plan.bought
            ),
            "flows": lambda: flows_frame(result),
        }
    )


def builds_frame(instance: Instance, result: Result) -> Frame:
    """Build the frame of purchases, a row for each build, and one for each stockpile with all its purchases.

    `on_line` of a stockpile is its last purchase. `spent` is `capex` (with fixed cost) and price support, undiscounted.
    """
    money, outlay, horizon, moves = result.money, result.outlay, instance.horizon, purchases(instance, result)

    def lead_time(each: Purchase) -> float | None:
        return None if each.fills else horizon.whole(instance.sized[each.option].lead_time) * horizon.months

    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("kind", "Lever"),
        FrameColumn("year", form="year", is_shown=False, of=lambda each: horizon.year(each.t)),
        FrameColumn("period", "Decided", form="period", is_index=True, of=lambda each: each.decided),
        FrameColumn("on_line", form="period"),
        FrameColumn("size", "Size or largest stock", form="amount", is_shown=False),
        FrameColumn("bought", form="amount"),
        FrameColumn("unit", "Unit of size", is_shown=False, of=lambda each: size_unit(instance, each.option)),
        FrameColumn("capex", "Spent without price support", money, "amount", is_shown=False),
        FrameColumn("support", "Price support", money, "amount", is_shown=False),
        FrameColumn("spent", unit=money, form="amount"),
        FrameColumn("outlay", unit=money, form="amount", is_shown=False),
        FrameColumn(
            "outlay_share",
            "Of outlay",
            "share",
            "percent",
            of=lambda each: each.outlay / outlay if outlay > 0 else None,
        ),
        FrameColumn("region", form="region", is_shown=False, of=lambda each: each.region or None),
        FrameColumn("over", "Over region", form="region", is_shown=False, of=lambda each: each.over or None),
        FrameColumn("lead_time", unit="months", form="amount", is_shown=False, of=lead_time),
        FrameColumn("ramp", "Share in force", is_shown=False, of=lambda each: ramp_words(instance, each)),
        FrameColumn("without_shocks", "Bought without shocks too", form="yes", is_shown=False),
        FrameColumn("forced", "Required purchase", form="yes", is_shown=False),
    )
    return Frame.of_items("builds", "Plan", moves, columns, _builds_note(instance, result, moves))


def _builds_note(instance: Instance, result: Result, moves: Sequence[Purchase]) -> str:
    """Write the note under the purchases: what their amounts include and exclude."""
    note, support = "Spent: capex and one-off fixed cost", math.fsum(each.support for each in moves)
    note += f", and price support to {instance.horizon.end} ({si(support, result.money)})." if support else "."
    if stocks := [instance.stocks[each.option] for each in moves if each.fills]:
        note += " A stockpile is filled from Decided to On line: Bought and Spent are all purchases"
        note += ", also those that replace yearly losses" if any(stock.loss for stock in stocks) else ""
        note += ", without what is in store at the start." if any(stock.initial for stock in stocks) else "."
    note = " ".join([note, *size_notes(instance, result.plan.bought)])
    note += first_start_words(instance)
    return note + in_force_words(instance, result.plan, moves) + outlay_note(instance, result, moves)


def stocks_by_period_frame(instance: Instance, result: Result, name: str, rows: Mapping[str, Iterable[float]]) -> Frame:
    """Build the frame ``stock``, t at the end of each period (row) by stockpile, or ``purchased``, t bought in it."""
    title = {"stock": "Stock at the end of each period", "purchased": "Purchases of stock"}[name]
    columns = [FrameColumn("period", form="period", is_index=True)]
    columns += [FrameColumn(o, display_name(instance, o), "t", "amount") for o in rows]
    return Frame(name, title, tuple(columns), (list(result.periods), *map(list, rows.values())))


def survival_frame(instance: Instance, result: Result) -> Frame:
    """Build the frame of survival by shock and segment; for those not in a summary line, only shortages are known."""
    money = result.money
    columns = (
        FrameColumn("shock", form="shock", is_index=True),
        FrameColumn("segment", form="name", is_index=True),
        *_service_columns(),
        FrameColumn("worst_period", form="period"),
        FrameColumn("first_failure", form="period"),
        FrameColumn("shortage", "Not served", "t", "amount"),
        FrameColumn("below_floor", "Below the floor", "t", "amount"),
        FrameColumn("gap", "Gap", money, "amount"),
        FrameColumn("survives", "Floor holds", form="yes"),
        FrameColumn("first", "First period", form="period"),
        FrameColumn("last", "Last period", form="period"),
        FrameColumn("probability", unit="share", form="percent"),
        FrameColumn("excused", "May fail", form="yes"),
        FrameColumn("cost", "Shock cost", money, "exact"),
        FrameColumn("baseline_cost", unit=money, form="exact"),
    )
    missed = _baseline_cost_in_windows(instance, result)
    rows = (
        (each.name, d, *_survival(each, d), *_of_whole_shock(each), missed.get(each.name))
        for each in result.shocks
        for d in result.data["demands"]
    )
    note = "Each segment in the weakest period of each shock; tonnes over the window; gap at shortage cost. "
    note += "From First period on, columns are of the whole shock, the same in each of its segments: costs are present "
    note += "values of operation and shortage in its window, with the shock and without any."
    if any(each.flows is None for each in result.shocks):
        note += " Without a period: no figure is stored, as another segment is weaker; no floor fails there."
    return Frame.of_rows("survival", "Survival", columns, rows, note)


def _survival(outcome: Outcome, d: str) -> tuple[Any, ...]:
    s = outcome.segments.get(d)
    if s is not None:
        holds = s.first_failure is None
        figures = (s.worst_period, s.first_failure, s.shortage, s.below_floor, s.gap, holds)
        return *_service(s, holds=holds), *figures
    # A summary line names every segment that fails, so this one keeps its floor.
    short = None if outcome.unserved is None else outcome.unserved.get(d, 0.0)
    return None, None, None, None, None, short, 0.0, 0.0, True


def _baseline_cost_in_windows(instance: Instance, result: Result) -> dict[str, float]:
    """Return the baseline's present value in the window of each shock; empty if a changed plan does not fit."""
    try:
        by_period, place = baseline_cost_by_period(instance, result), result.periods.index
        ends = {each.name: (place(each.first), place(each.last) + 1) for each in result.shocks}
    except (KeyError, IndexError, ValueError):
        return {}
    return {name: math.fsum(by_period[first:end]) for name, (first, end) in ends.items()}


def _of_whole_shock(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.first, outcome.last, outcome.probability or None, outcome.excused, outcome.cost


def _service_columns() -> tuple[FrameColumn, ...]:
    return (
        FrameColumn("floor", "Floor", "share", "percent"),
        FrameColumn("worst_service", "Served", "share", "percent"),
        FrameColumn("margin", "Margin", "share", "percent"),
    )


def _service(service: ServedShare, *, holds: bool) -> tuple[float, float, float]:
    """Return floor, service and margin; the margin is at least 0 if the floor holds within rounding."""
    return service.floor, service.worst_service, max(0.0, service.margin) if holds else service.margin


def services_frame(result: Result) -> Frame:
    """Build the frame of services, a row for each segment: its worst service over all shocks, with summary lines."""
    columns = (
        FrameColumn("segment", form="name", is_index=True),
        FrameColumn("worst_shock", form="shock"),
        FrameColumn("worst_period", "Period", form="period"),
        *_service_columns(),
        FrameColumn("shocks_failed", "Fails in", form="count"),
    )
    rows = (
        (d, each.worst_shock, each.worst_period, *_service(each, holds=not each.shocks_failed), each.shocks_failed)
        for d, each in result.services.items()
    )
    return Frame.of_rows("services", "Each segment's worst", columns, rows)


def _dependence_frame(instance: Instance, name: str, shares: Mapping[str, Iterable[SourceShare]]) -> Frame:
    columns = (
        FrameColumn("commodity", form="name", is_index=True),
        FrameColumn("year", form="year", is_index=True),
        FrameColumn("region", form="region", is_index=True),
        FrameColumn("share", "Share", "share", "percent"),
        FrameColumn("production", unit="t/yr", form="amount"),
        FrameColumn("hhi", "HHI", form="amount"),
    )
    rows = (
        (commodity, share.year, region, part, share.tonnes * part, share.hhi)
        for commodity, some in shares.items()
        for share in some
        for region, part in share.regions.items()
    )
    note = f"Shares of {production_words(instance)}, not of world production, in years without a shock. "
    note += "HHI: concentration, 0 to 1; what has no region is one."
    title = "Dependence" if name == "yearly_dependence" else "Dependence in the first and the last year"
    return Frame.of_rows(name, title, columns, rows, note)


def yearly_dependence_frame(instance: Instance, result: Result) -> Frame:
    """Build the frame of dependence in every year of the horizon; its columns are those of ``dependence``."""
    shares = {} if result.baseline is None else supply_shares(instance, result.baseline, instance.horizon.years)
    return _dependence_frame(instance, "yearly_dependence", shares)


def costs_frame(instance: Instance, result: Result) -> Frame:
    """Build the frame of costs, a row for each part of the total cost; the parts add up to it."""
    total = result.total_cost
    columns = (
        FrameColumn("part", form="part", is_index=True),
        FrameColumn("present_value", "Present value", result.money, "exact"),
        FrameColumn("share", "Of total", "share", "tenth"),
    )
    rows = (
        (part, amount, amount / total if total > 0 else None)
        for part, amount in result.costs.items()
        if abs(amount) > ROUNDING * abs(total)
    )
    return Frame.of_rows("costs", "Cost, present value", columns, rows, _sales_note(instance, result))


def _sales_note(instance: Instance, result: Result) -> str:
    """Return a note on sales in the baseline (at costs below 0), of which operation is net; empty without sales."""
    horizon, flows, sold = instance.horizon, result.baseline, 0.0
    if flows is None:
        return ""
    for name in sellers(instance):
        cost = instance.activities[name].cost
        earned = [max(0.0, -cost.at(horizon.year(t))) * instance.discount(t) for t in horizon.periods]
        sold += math.sumprod(earned, flows[name, "activity"])
    return f"Operation is net of {si(sold, result.money)} of sales, at costs below 0." if sold > 0 else ""


def outlays_frame(instance: Instance, result: Result) -> Frame:
    """Build the frame of outlays, a row for each calendar year: undiscounted money that counts towards the budget."""
    money, limit, years = result.money, instance.policy.annual_budget, list(instance.horizon.years)
    spent = [result.outlays.get(str(year), 0.0) for year in years]
    made = Frame(
        "outlays",
        "When money is needed",
        (
            FrameColumn("year", form="year", is_index=True),
            FrameColumn("outlay", "Outlay", money, "amount"),
            FrameColumn("so_far", "So far", money, "amount"),
        ),
        (years, spent, [math.fsum(spent[: i + 1]) for i in range(len(years))]),
    )
    if limit is None:
        return made
    return made.with_column(FrameColumn("annual_budget", unit=money, form="amount"), [limit.at(year) for year in years])


def limits_frame(instance: Instance, result: Result) -> Frame:
    """Build the frame of binding limits, a row for each, with the largest saving of one step."""
    columns = (
        FrameColumn("limit", is_index=True, of=lambda price: price.what),
        FrameColumn("step", form="word"),
        FrameColumn(
            "saving", f"Saves {result.binding_saves} up to", result.money, "amount", of=lambda price: price.worth
        ),
        FrameColumn("of", form="word", is_shown=False, of=lambda price: result.binding_saves),
        FrameColumn("key", form="word", is_shown=False),
        FrameColumn("shock", form="word", is_shown=False),
    )
    note = "The most that a small step of a limit can save with the same options opened and the same whole units. "
    note += "Where other limits bind as well, it saves less, or nothing."
    note += "".join(words for step, words in POINTS.items() if any(price.step == step for price in result.binding))
    gap_notes = {
        "gap": " The gap is that of all shocks together.",
        "cost and gap": " Gaps count at their price, undiscounted.",
    }
    note += gap_notes.get(result.binding_saves, "")
    note += "".join(
        f" A slightly shorter time in {name} saves nothing; a whole month less may save something."
        for name in _rules_without_price(instance, result)
    )
    return Frame.of_items("limits", "What binds", result.binding, columns, note)


def _rules_without_price(instance: Instance, result: Result) -> list[str]:
    """Return the names of the rules about time to survive without a shadow price; none if prices are incomplete."""
    if not 0 < len(result.binding) < MOST_PRICES or not has_only_stocks(instance):
        return []
    binding = {price.what for price in result.binding if price.step == MONTH_LESS}
    return [name for name in map(rule_name, instance.policy.min_time_to_survive) if name not in binding]


def actual_frame(outputs: Iterable[ActualOutput]) -> Frame:
    """Build the frame of actual outputs, a row for each process and year, compared with the baseline."""
    columns = (
        FrameColumn("process", form="object", is_index=True),
        FrameColumn("commodity", "Output", form="name"),
        FrameColumn("year", form="year", is_index=True),
        FrameColumn("actual", unit="t", form="amount"),
        FrameColumn("model_year", "Model year", form="year"),
        FrameColumn("modelled", "Baseline", "t", "amount"),
        FrameColumn("deviation", unit="share", form="percent"),
    )
    note = "A check of the file, without effect on the plan: recorded output in the year, and output in the baseline; "
    note += "for a year before the horizon, that of its first year."
    return Frame.of_items("actual", "Baseline and actual output", outputs, columns, note)


def commitments_frame(result: Result | FuturesResult) -> Frame:
    """Build the frame of commitments, a row for each amount of money that is already spent or pledged."""
    columns = (
        FrameColumn("owner", "Process or option", form="object", is_index=True),
        FrameColumn("name", "Committed"),
        FrameColumn("year", form="year"),
        FrameColumn("amount", unit=result.money, form="exact"),
        FrameColumn("standing", form="word", of=lambda each: "conditional" if each.conditional else "firm"),
        FrameColumn("source", is_shown=False),
    )
    note = "Spent or pledged, undiscounted: in no cost, outlay or budget. Conditional: a condition is not met yet."
    return Frame.of_items("commitments", "Committed already", list_commitments(result.data), columns, note)


def bands_frame(result: Result) -> Frame:
    """Build the frame of bands, a row for each figure: its value in the plan, and quantiles and mean over samples."""
    names = {"cost": "Total cost", "outlay": "Outlay", "gap": "Survival gap"}
    values = {"cost": result.total_cost, "outlay": result.outlay, "gap": result.survival_gap}

    def quantile(name: str) -> Callable[[str], float]:
        return lambda figure: float(getattr(getattr(result.bands, figure), name))

    columns = (
        FrameColumn("figure", is_index=True, of=names.__getitem__),
        FrameColumn("plan", unit=result.money, form="exact", of=values.__getitem__),
        FrameColumn("p5", "5 %", result.money, "amount", of=quantile("p5")),
        FrameColumn("p50", "50 %", result.money, "amount", of=quantile("p50")),
        FrameColumn("p95", "95 %", result.money, "amount", of=quantile("p95")),
        FrameColumn("mean", "Mean", result.money, "amount", of=quantile("mean")),
    )
    note = "Over samples of all uncertain numbers, each with its own best plan."
    return Frame.of_items("bands", "Band of the figures", names if result.bands else (), columns, note)


def flows_frame(result: Result) -> Frame:
    """Build the frame of flows by path, flow, owner and period; summary lines have none. `left` is a stock."""
    columns = (
        FrameColumn("path", form="shock", is_index=True),
        FrameColumn("flow", is_index=True),
        FrameColumn("owner", form="object", is_index=True),
        FrameColumn("period", form="period", is_index=True),
        FrameColumn("quantity", unit="t", form="amount"),
    )
    paths = [("baseline", result.baseline), *((outcome.name, outcome.flows) for outcome in result.shocks)]
    rows = (
        (path, name, owner, result.periods[each.first + k], value)
        for path, each in paths
        if each is not None
        for name in each.names
        for owner, row in each.of(name).items()
        for k, value in enumerate(row)
    )
    return Frame.of_rows("flows", "Flows", columns, rows)


def futures_frames(result: FuturesResult) -> Frames:
    """Return the frames of a plan over futures by name: decisions, futures, and commitments."""
    instance = instance_of(result)
    return Frames(
        {
            "decisions": lambda: decisions_frame(instance, result, find_stages(result)),
            "futures": lambda: futures_frame(result),
            "commitments": lambda: commitments_frame(result),
        }
    )


def decisions_frame(instance: Instance, result: FuturesResult, stages: Iterable[Stage]) -> Frame:
    """Build the frame of decisions, a row for each order between two answers, with its branches (`futures.stages`)."""
    money, label = result.money, instance.horizon.label

    def column(name: str, of: Any, **more: Any) -> FrameColumn:
        return FrameColumn(name, of=lambda pair: of(*pair), **more)

    def names(stage: Stage, order: StageOrder) -> str:
        return " ".join(result.futures[number].name for number in order.futures)

    columns = (
        column("known", lambda stage, order: label(stage.t), form="period", is_index=True, is_shown=False),
        column("branch", lambda stage, order: order.branch, label="In", is_index=True),
        column("probability", lambda stage, order: order.probability, label="Prob.", unit="share", form="percent"),
        column("option", lambda stage, order: order.option, form="object", is_index=True),
        column("kind", lambda stage, order: order.kind, label="Lever", is_shown=False),
        column("period", lambda stage, order: label(order.t), label="Decided", form="period", is_index=True),
        column("until", lambda stage, order: label(order.last), form="period", is_shown=False),
        column("size", lambda stage, order: order.size[0], form="amount"),
        column("unit", lambda stage, order: size_unit(instance, order.option), label="Unit of size", is_shown=False),
        column("spent", lambda stage, order: order.paid[0], unit=money, form="amount"),
        column("spent_most", lambda stage, order: order.paid[1], unit=money, form="amount", is_shown=False),
        column("futures", names, is_shown=False),
    )
    pairs = [(stage, order) for stage in stages for order in stage.orders]
    note = "Spent: undiscounted; a range where prices differ between the futures. Stockpiles: all that is bought "
    note += "until the next answer."
    return Frame.of_items("decisions", "Decisions", pairs, columns, note)


def futures_frame(result: FuturesResult) -> Frame:
    """Build the frame of futures, a row for each: probability, survival, costs, and the cost of its informed plan."""
    money, is_priced = result.money, result.data.get("policy", {}).get("gap_price") is not None
    leaves_gap = is_priced and any(each.result.survival_gap > 0 for each in result.futures)
    supported = any(each.result.costs.get("price support") for each in result.futures)
    spent = f"undiscounted{', with price support, which Spent leaves out' if supported else ''}"
    sought = "such sum" if leaves_gap else f"cost{', with gaps at their price,' if is_priced else ''}"
    least = f"the least {sought} of the future if it were known from the start"
    more = f"{'With gap' if leaves_gap else 'Cost'} minus Informed"
    priced = "cost plus the gap at its price, which is minimised"
    with_gap = FrameColumn("priced_cost", "With gap", money, "exact", note=priced, of=lambda it: it.result.priced_cost)
    columns = (
        FrameColumn("future", is_index=True, of=lambda each: each.name or "the only one"),
        FrameColumn("probability", "Prob.", "share", "tenth"),
        FrameColumn("survives", form="yes", of=lambda each: each.result.survives),
        FrameColumn("cost", "Cost", money, "exact", note="present value, expected over the shocks of the future"),
        FrameColumn("outlay", "Outlay", money, "exact", note=spent, of=lambda each: each.result.outlay),
        FrameColumn("gap", "Gap", money, "amount", of=lambda each: each.result.survival_gap),
        *([with_gap] if is_priced else []),
        FrameColumn("least_cost", "Informed", money, "exact", note=least),
        FrameColumn("regret", "Regret", money, "amount", note=more),
    )
    return Frame.of_items("futures", "Future by future", result.futures, columns)


def stack_over_futures(result: FuturesResult, name: str) -> Frame:
    """Stack the frame `name` of all futures, with the name of the future as the first column."""
    each = ((future.name, future.result.frames.frame(name)) for future in result.futures)
    return Frame.stacked(FrameColumn("future", is_index=True), each)
