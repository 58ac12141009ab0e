"""The parts of the brief on survival: the shocks, the worst of them, and unserved demand by segment; and the figures of
other plans, such as doing nothing, beside it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.disruptions.path import Path
from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, has_floor, has_floors, shock_note
from optimizer.instance.schema import Instance
from optimizer.report.brief.plan_parts import BriefPart
from optimizer.report.format import dated_name, entry_title, in_percent, is_date, list_names, percent, plural
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import Outcome, Service
from optimizer.results.result import Result, hardest_of
from optimizer.studies.comparison import Frontier
from optimizer.studies.purchases import purchases
from optimizer.studies.shocks import (
    RowOutcome,
    is_known,
    row_outcomes,
    shock_rows,
    shortages,
    unserved_money,
    unserved_tonnes,
    urgency,
)
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

# The first columns of a table of segments.
_SERVICE_COLUMNS = (
    FrameColumn("segment", is_index=True),
    FrameColumn("served", "Served", "share"),
    FrameColumn("floor", "Floor", "share"),
)
# Largest numbers of rows that fit on one page.
MOST_SHOCKS, MOST_SEGMENTS, MOST_BELOW = 6, 5, 8
WORST_TITLE = "The worst shock"
# The plan that buys nothing.
NOTHING = "Do nothing"
# The sentence for plan files that do not keep all unserved demand of shocks without flows.
NOT_ALL = "The plan file does not keep all that goes unserved: in some shocks it is at least so much."


def not_all_unserved(instance: Instance, outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Return the sentence that unserved demand is not fully known in some shocks; empty if it is known in all."""
    return () if all(is_known(instance, each) for each in outcomes) else (NOT_ALL,)


@dataclass(frozen=True)
class _ShownRow:
    """The shocks of an entry of the file, and the one whose figures the table shows."""

    row: RowOutcome
    outcomes: Sequence[Outcome]
    # The worst failing shock; if all floors hold, the one with the largest unserved demand at shortage cost.
    shown: Outcome

    @classmethod
    def of(cls, instance: Instance, row: RowOutcome, outcomes: Sequence[Outcome]) -> "_ShownRow":
        if all(each.survives for each in outcomes):
            return cls(row, outcomes, _most_unserved(instance, outcomes))
        return cls(row, outcomes, min((each for each in outcomes if each.fails), key=urgency, default=row.worst))

    def sort_key(self, instance: Instance) -> tuple[float, ...]:
        """Return the sort key: failing rows by gap, then the others by unserved demand, money."""
        value = unserved_money(instance, self.shown) if self.row.survives else 0.0
        return self.row.survives, -value, *urgency(self.shown)


def survival_part(instance: Instance, result: Result) -> BriefPart:
    """Return the part with the entries of shocks, failing ones first: shortage below floors, and unserved demand."""
    rows = row_outcomes(shock_rows(instance, [each.name for each in result.shocks]), result)
    known = {each.name: each for each in result.shocks}
    made = (_ShownRow.of(instance, row, [known[name] for name in row.shocks if name in known]) for row in rows)
    ordered = sorted(made, key=lambda each: each.sort_key(instance))
    shown, rest = ordered[:MOST_SHOCKS], ordered[MOST_SHOCKS:]
    columns = (
        FrameColumn("shock", is_index=True),
        FrameColumn("verdict", "Floors"),
        FrameColumn("below_floor", "Below floors", "t", "plain"),
        FrameColumn("gap", "Survival gap", result.money, "millions"),
        FrameColumn("shortage", "Unserved in all", "t", "plain"),
        FrameColumn("shortage_cost", "Loss", result.money, "millions"),
    )
    said = [_kept_sentence(instance, result, rows), *_dearer_dates(instance, result, shown)]
    said += [_hidden_sentence(instance, result, rest)] if rest else []
    note = "Floor: the share of demand that has to be served in a shock. "
    if any(each.row.is_many for each in shown):
        note += "Where a row stands for several shocks all its figures are those of one: with the largest survival gap "
        note += "or, where floors hold in all, with the largest loss. "
    note += "Unserved in all: above floors as well; tonnes of all materials together. Survival gap: what is below "
    note += "floors, at its shortage cost. Loss: all that goes unserved, at its shortage cost. Neither is discounted."
    note = " ".join([note, *not_all_unserved(instance, result.shocks)])
    title = "What is survived, and what is not"
    frame = Frame.of_rows("survival", title, columns, [_shock_row(instance, each) for each in shown], note)
    return BriefPart("survival", title, tuple(said), frame)


def _most_unserved(instance: Instance, outcomes: Iterable[Outcome]) -> Outcome:
    """Return the shock with the largest unserved demand, at shortage cost."""
    return max(outcomes, key=lambda each: unserved_money(instance, each))


def _dearer_dates(instance: Instance, result: Result, shown: Iterable[_ShownRow]) -> Iterator[str]:
    """Yield for failing rows the shock with the most unserved demand, if the figures shown are of another shock."""
    pairs = [(each.shown, _most_unserved(instance, each.outcomes)) for each in shown if not each.row.survives]
    dearer = [most for own, most in pairs if unserved_money(instance, most) > unserved_money(instance, own)]
    if dearer:
        loss = _loss_text(instance, _most_unserved(instance, dearer), result.money)
        yield f"Another shock of a row leaves more unserved than the one shown: {loss}."


def _hidden_sentence(instance: Instance, result: Result, rest: Sequence[_ShownRow]) -> str:
    """Return the number of shocks not shown, whether the plan survives them, and their largest unserved demand."""
    hidden = [outcome for each in rest for outcome in each.outcomes]
    which = "all survived" if all(each.row.survives for each in rest) else "some of them not survived"
    said, most = f"{plural(len(hidden), 'more shock')} not shown, {which}", _most_unserved(instance, hidden)
    if not all(is_known(instance, each) for each in hidden):
        return f"{said}."
    if unserved_tonnes(most) <= 0:
        return f"{said}; all demand is served in {'it' if len(hidden) == 1 else 'them'}."
    return f"{said}; at most {si(unserved_money(instance, most), result.money)} goes unserved in one."


def _kept_sentence(instance: Instance, result: Result, rows: Sequence[RowOutcome]) -> str:
    """Return how many shocks the plan survives, if any has a floor; a remark says that each of an entry counts."""
    each = " Each date, length or draw of a shock counts as one." if any(row.is_many for row in rows) else ""
    if len(result.shocks) > 1 and not any(event.probability > 0 for event in instance.events):
        each += " None of them has a probability in the file: all count alike, likely or not."
    kept = f"{len(result.shocks_survived):,} of {plural(len(result.shocks), 'shock')} survived"
    return f"{f'{kept}{may_fail_words(result)}' if has_floors(instance) else NO_FLOORS}.{each}"


NO_FLOORS = "No shock has a survival floor"


def may_fail_words(result: Result) -> str:
    """Return how many of the failing shocks may fail, to follow their number; empty if none may."""
    may = sum(outcome.excused for outcome in result.shocks)
    return f", {may:,} may fail" if may else ""


def _shock_row(instance: Instance, each: _ShownRow) -> tuple[Any, ...]:
    """Return the row of an entry's shocks; all figures are of one shock."""
    outcome = each.shown
    below = sum(service.below_floor for service in outcome.segments.values())
    unserved = unserved_tonnes(outcome), unserved_money(instance, outcome)
    return _row_name(instance, each), _row_verdict(instance, each), below, outcome.gap, *unserved


def _row_name(instance: Instance, each: _ShownRow) -> str:
    """Return the entry's name, its number of shocks, and the date of the shock whose figures are shown."""
    row, outcome = each.row, each.shown
    title, which = entry_title(instance, instance.event(outcome.name))
    if not row.is_many or not which:
        return dated_name(instance, instance.event(outcome.name))
    if not is_date(instance, which):
        return f"{title}, {plural(len(row.shocks), 'shock')}"
    name, window = f"{title}, {plural(len(row.shocks), 'date')}", windowed(outcome.first, outcome.last)
    if not outcome.survives:
        return f"{name}, worst {window}"
    return f"{name}, most unserved {window}" if unserved_tonnes(outcome) > 0 else name


def _row_verdict(instance: Instance, each: _ShownRow) -> str:
    row = each.row
    if not row.has_floor:
        return "no floor"
    if row.is_many:
        held = f"✓ {row.count_text if row.excused else 'all held'}"
        return f"✗ {row.count_text}{_segments_below(instance, each.outcomes)}" if row.failed else held
    return "✓ held" if row.survives else f"✗ missed{_segments_below(instance, [each.shown])}"


def _segments_below(instance: Instance, outcomes: Sequence[Outcome]) -> str:
    """Return, to follow a verdict, the segment with the largest gap in one of the shocks, and the number of others.

    Shocks that may fail count only if no other shock fails.
    """
    gaps: dict[str, float] = {}
    for outcome in [each for each in outcomes if each.fails] or outcomes:
        for d, service in outcome.segments.items():
            if service.first_failure is not None:
                gaps[d] = max(gaps.get(d, 0.0), service.gap)
    ordered = sorted(gaps, key=lambda d: -gaps[d])
    return f": {list_names([display_name(instance, d) for d in ordered], 1)}" if ordered else ""


def worst_event(instance: Instance, result: Result) -> Outcome:
    """Return the shock with the largest gap; if no floor fails, with the most unserved demand at shortage cost."""
    hardest = hardest_of(result.shocks)[0]
    return hardest if hardest.fails else _most_unserved(instance, result.shocks)


def worst_part(instance: Instance, result: Result) -> BriefPart:
    """Return the part on the worst shock, and on the one with the most unserved demand if that is another."""
    worst, money = worst_event(instance, result), result.money
    said = [f"{event_window(instance, worst)}."]
    below = sum(each.below_floor for each in worst.segments.values())
    if worst.gap > 0 or below > 0:
        said.append(f"{si(below, 't')} of demand below survival floors, a survival gap of {si(worst.gap, money)}.")
    if unserved_tonnes(worst) > 0:
        tonnes, value = _unserved_words(instance, worst, money)
        said.append(f"In all {tonnes} go unserved, {value}.")
        if worst.survives:
            said.append(_hardest_hit(instance, worst))
    else:
        said.append("All demand is served in it.")
    said += _remarks(instance, result, worst)
    frame = _floors_frame(instance, result, worst)
    if frame is None:
        title = WORST_TITLE if worst.fails or unserved_tonnes(worst) <= 0 else "The shock that leaves most unserved"
        return BriefPart("worst", title, tuple(said))
    count = len(frame.values[0])
    return BriefPart("worst", frame.title, tuple(said), frame, strong=(count - 1,) if count > 1 else ())


def _remarks(instance: Instance, result: Result, worst: Outcome) -> Iterator[str]:
    """Yield the note of the worst shock, if any, and a sentence on that with the most unserved demand, if another."""
    if note := shock_note(instance, worst.name):
        yield note
    most = _most_unserved(instance, result.shocks)
    if unserved_money(instance, most) > unserved_money(instance, worst):
        yield f"Largest loss: {_loss_text(instance, most, result.money)}."


def _loss_text(instance: Instance, outcome: Outcome, money: str) -> str:
    """Return a shock with its unserved demand, and a remark if all floors hold."""
    name = f"{dated_name(instance, instance.event(outcome.name))}{_may_fail_mark(outcome)}"
    held = ", though floors hold" if has_floor(instance, [outcome.name]) else ", where no floor is set"
    held = held if outcome.survives else ""
    return f"{name}: {', '.join(_unserved_words(instance, outcome, money))}{held}"


def _unserved_words(instance: Instance, outcome: Outcome, money: str) -> tuple[str, str]:
    """Return a shock's unserved demand in words: tonnes, and money at shortage cost."""
    least = "" if is_known(instance, outcome) else "at least "
    return f"{least}{si(unserved_tonnes(outcome), 't')}", f"{least}{si(unserved_money(instance, outcome), money)}"


def _hardest_hit(instance: Instance, worst: Outcome) -> str:
    """Return the segment with the most unserved demand, at shortage cost, in a shock in which floors hold."""
    short = shortages(worst)
    d = max(short, key=lambda d: _shortage_value(instance, d, short[d]))
    service = worst.segments.get(d)
    if service is None:
        return f"Hardest hit: {display_name(instance, d)}, {si(short[d], 't')} unserved, floor held."
    served, floor = in_percent(service.worst_service, service.floor)
    against = f" against a floor of {floor} %, held" if service.floor > 0 else ", without a floor then"
    return f"Hardest hit: {display_name(instance, d)}, {served} % served in {service.worst_period}{against}."


def event_window(instance: Instance, outcome: Outcome) -> str:
    """Return a shock's name, periods, and whether it may fail: ``Full embargo (2028Q1 to 2028Q4)``."""
    event = instance.event(outcome.name)
    title, which = entry_title(instance, event)
    name = title if is_date(instance, which) else dated_name(instance, event)
    return f"{name} ({windowed(outcome.first, outcome.last)}){_may_fail_mark(outcome)}"


def _may_fail_mark(outcome: Outcome) -> str:
    """Return the remark after the name of a failing sample that may fail; empty for other shocks."""
    return ", which may fail" if outcome.excused else ""


def _floors_frame(instance: Instance, result: Result, worst: Outcome) -> Frame | None:
    """Return every segment below its floor in a shock, the largest gap first, and their sum; None without any."""
    below = {d: service for d, service in worst.segments.items() if service.first_failure is not None}
    if not below:
        return None
    ordered = sorted(below, key=lambda d: (-below[d].gap, -below[d].below_floor))
    shown, rest = ordered[:MOST_BELOW], ordered[MOST_BELOW:]
    rows: list[tuple[Any, ...]] = [
        (display_name(instance, d), *_served_and_floor(below[d]), _when_below(instance, worst, d),
         below[d].below_floor, below[d].gap)
        for d in shown
    ]  # fmt: skip
    for name, some in ((f"and {plural(len(rest), 'more segment')}", rest), ("Together", ordered)):
        if len(some) > (name == "Together"):
            figures = (sum(below[d].below_floor for d in some), sum(below[d].gap for d in some))
            rows.append((name, None, None, None, *figures))
    columns = (
        *_SERVICE_COLUMNS,
        FrameColumn("when", "Weakest in"),
        FrameColumn("below_floor", "Below floor", "t", "plain"),
        FrameColumn("gap", "Survival gap", result.money, "millions"),
    )
    note = "Every segment below its floor in this shock; served: % of demand in its weakest period"
    said = ", then for how many of the shock's periods it is below."
    note += said if _counts_periods(instance, worst) else "."
    return Frame.of_rows("worst", WORST_TITLE, columns, rows, note)


def _counts_periods(instance: Instance, worst: Outcome) -> bool:
    """Return whether the shock has several periods, and the number of periods below a floor is known."""
    return worst.flows is not None and len(instance.event(worst.name).periods) > 1


def _when_below(instance: Instance, worst: Outcome, d: str) -> str:
    """Return a segment's weakest period and, if flows are kept, its periods below the floor: ``2028-03, 1 of 6``."""
    weakest = worst.segments[d].worst_period
    periods = instance.event(worst.name).periods
    if worst.flows is None or not _counts_periods(instance, worst):
        return weakest
    path = instance.path(instance.event(worst.name))
    pairs = zip(periods, worst.flows[d, "unserved"], strict=True)
    below = sum(gone - path.most_unserved_at(d, t) > NEGLIGIBLE * path.demand_at(d, t) for t, gone in pairs)
    return f"{weakest}, {below} of {len(periods)}"


def _served_and_floor(service: Service) -> tuple[str, str]:
    served, floor = in_percent(service.worst_service, service.floor)
    mark = "✗" if service.first_failure else "✓"
    return f"{served} %", f"{floor} % {mark}" if service.floor > NEGLIGIBLE else "none"


def _shortage_value(instance: Instance, d: str, tonnes: float) -> float:
    return float(instance.demands[d].shortage_cost * tonnes)


def unserved_part(instance: Instance, result: Result) -> BriefPart:
    """Return the part with the worst shock of each segment: most below its floor or, if floors hold, most unserved."""
    hardest = _hardest_by_segment(result)
    ordered = sorted(hardest, key=lambda d: _segment_order(instance, d, *hardest[d]))
    title, hidden = "What goes unserved, by segment", ordered[MOST_SEGMENTS:]
    if not ordered:
        return BriefPart("unserved", title, ("In no shock does any demand go unserved.",))
    rows = [_segment_row(instance, d, *hardest[d]) for d in ordered[:MOST_SEGMENTS]]
    full = [display_name(instance, d) for d in instance.demands if d not in hardest]
    said = tuple([f"Served in full in every shock: {list_names(full)}."] * bool(full))
    said += (_hidden_segments(instance, result, hidden),) if hidden else ()
    columns = (
        *_SERVICE_COLUMNS,
        FrameColumn("shortage", "Unserved", "t", "plain"),
        FrameColumn("shortage_cost", "Loss", result.money, "millions"),
        FrameColumn("shock", "In"),
    )
    note = "Each segment in the shock that leaves most of it below its floor or, where floors hold, unserved; served: "
    note += "% of demand in its weakest period. Loss: what goes unserved, at its shortage cost."
    note = " ".join([note, *not_all_unserved(instance, result.shocks)])
    return BriefPart("unserved", title, said, Frame.of_rows("unserved", title, columns, rows, note))


def _hardest_by_segment(result: Result) -> dict[str, tuple[Outcome, Service]]:
    """Return by segment the shock that is worst for it, with its service; without those served in full in all."""
    hardest: dict[str, tuple[Outcome, Service]] = {}
    for outcome in result.shocks:
        for d, service in outcome.segments.items():
            if service.shortage > 0 and (d not in hardest or _hardship(outcome, service) > _hardship(*hardest[d])):
                hardest[d] = outcome, service
    return hardest


def _hidden_segments(instance: Instance, result: Result, hidden: Sequence[str]) -> str:
    """Return the number of segments not shown, with the remark that none of them is worse than those shown."""
    said = f"{plural(len(hidden), 'more segment')} not shown"
    found = [(outcome, d, outcome.segments[d]) for outcome in result.shocks for d in hidden if d in outcome.segments]
    failing = {outcome.excused for outcome, _, service in found if service.first_failure is not None}
    sparing = ", but for samples that may fail" if True in failing else ""
    if False in failing:
        return f"{said}: none has a larger survival gap{sparing}."
    most = max(_shortage_value(instance, d, service.shortage) for _, d, service in found)
    kept, one = ("it is not", "it") if len(hidden) == 1 else ("none is", "one of them")
    unserved = f"at most {si(most, result.money)} of {one} goes unserved in a shock"
    return f"{said}: {kept} below its floor{sparing}; {unserved}."


def _hardship(outcome: Outcome, service: Service) -> tuple[float, float]:
    """Return the rank of a shock for a segment: shortage below its floor, t, then unserved demand, t.

    Shortages below a floor in samples that may fail count neither here nor in the ranking of segments.
    """
    return 0.0 if outcome.excused else service.below_floor, service.shortage


def _segment_order(instance: Instance, d: str, outcome: Outcome, service: Service) -> tuple[float, float]:
    """Return the sort key of segments: the largest gap, then unserved demand, money."""
    return 0.0 if outcome.excused else -service.gap, -_shortage_value(instance, d, service.shortage)


def _segment_row(instance: Instance, d: str, outcome: Outcome, service: Service) -> tuple[Any, ...]:
    where = f"{dated_name(instance, instance.event(outcome.name))}{_may_fail_mark(outcome)}"
    value = _shortage_value(instance, d, service.shortage)
    return display_name(instance, d), *_served_and_floor(service), service.shortage, value, where


def cut_orders_note(instance: Instance, result: Result) -> Iterator[str]:
    """Yield how much the worst shock cuts existing supply and ordered capacity, since both may be the same plants.

    Nothing is yielded if floors hold or no ordered capacity is cut.
    """
    worst = worst_event(instance, result)
    path = instance.path(instance.event(worst.name))
    ordered = [
        f"{move.name}, on line from {move.on_line}, by {_cut_range(cuts)}"
        for move in purchases(instance, result)
        if any(cuts := _cuts(path, move.option, move.first))
    ]
    if ordered and worst.fails:
        beside = _existing_cuts(instance, path)
        yield f"The worst shock cuts {beside}some of what the plan orders: {list_names(ordered)}."


def _existing_cuts(instance: Instance, path: Path) -> str:
    """Return the number of existing sources that a shock cuts wholly and in part, with the following noun."""
    existing = [min(cuts) >= 1.0 for a in instance.processes if any(cuts := _cuts(path, a))]
    whole, part = sum(existing), len(existing) - sum(existing)
    cut = [plural(whole, "existing source")] if whole else []
    cut += [f"{part} in part" if whole else f"part of {plural(part, 'existing source')}"] if part else []
    return f"{' and '.join(cut)}, and " if cut else ""


def _cuts(path: Path, a: str, since: int = 0) -> list[float]:
    """Return the severity in each period from `since` on, as shares; for a process, only periods with capacity."""
    periods = [t for t in path.periods if t >= since and (a not in path.capacity or path.capacity_at(a, t) > 0)]
    return [float(path.largest_severity_at(a, t)) for t in periods]


def _cut_range(cuts: Sequence[float]) -> str:
    """Return the range of the cuts of an activity in the periods of a shock: ``0 to 30 %``."""
    low, high = min(cuts), max(cuts)
    return percent(high) if low == high else f"{percent(low).removesuffix(' %')} to {percent(high)}"


def why_unspent(instance: Instance, result: Result) -> str:
    """Return the possible reasons for unspent money if the plan is proven to be the best and leaves a gap."""
    if result.status != "gap" or result.bound is None:
        return ""
    price = instance.policy.gap_price
    if price is None:
        return ": no plan under these rules closes more of the survival gap"
    valued = "the gap is valued at" if price == 1 else f"{price:g} times what the gap is valued at"
    return f": to close more of the survival gap costs more than {valued}, or is not possible in time"


def row_figures(result: Result, more: float | None) -> tuple[float, int, float, float, float | None]:
    """Return outlay, number of shocks that fail, gap of all and of the worst, and `more`, the cost beyond the plan."""
    failed = sum(outcome.fails for outcome in result.shocks)
    return result.outlay, failed, result.survival_gap, result.worst_gap, more


def nothing_bought(frontier: Frontier | None) -> Result | None:
    """Return the first known plan of a budget that buys nothing, or None."""
    plans = (point.result for point in (frontier.points if frontier is not None else ()))
    return next((plan for plan in plans if plan.baseline is not None and not plan.plan.bought), None)


def _cost_of_nothing(instance: Instance, result: Result) -> float | None:
    """Return what the no-shock plan costs more than the plan, if it buys nothing and no shock costs anything."""
    is_known = not result.calm_builds and not any(event.probability > 0 for event in instance.events)
    return result.calm_cost - result.total_cost if is_known and result.calm_cost is not None else None


def nothing_row(instance: Instance, result: Result, plan: Result | None) -> tuple[Any, ...]:
    """Return the row of doing nothing, whose attacks are known only if `plan` buys nothing.

    Its cost is that of `plan`, or of a no-shock plan that buys nothing, unless shocks are expected to cost something.
    Where existing processes are supported, its outlay is known only from `plan`.
    """
    nothing, more = result.nothing, None if plan is None else plan.total_cost - result.total_cost
    assert nothing is not None
    if plan is not None and plan.adversary is not None:
        return NOTHING, *row_figures(plan, more), ""
    more = _cost_of_nothing(instance, result) if more is None else more
    counted = (nothing.counted if result.sample_counts else None) or nothing
    supported = any(any(process.support.values) for process in instance.processes.values())
    outlay = plan.outlay if plan is not None else None if supported else 0.0
    return NOTHING, outlay, counted.shocks_failed, counted.gap, counted.worst_gap, more, ""
