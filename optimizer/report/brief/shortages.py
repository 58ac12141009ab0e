"""The parts of the brief on what is survived: shocks, the worst of them, and who goes short even where floors hold."""

from collections.abc import Iterator, Sequence
from typing import Any

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.brief.structure import BriefPart
from optimizer.report.format import in_full, in_percent, list_names, percent, plural
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import Outcome
from optimizer.results.ranking import hardest_of
from optimizer.results.result import Result
from optimizer.studies.folding import Folded, fold_outcomes, folds, urgency
from optimizer.studies.slips import unserved_money, unserved_tonnes
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

# Rows at most: more do not fit on one page.
MOST_SHOCKS, MOST_SEGMENTS = 6, 5


def survival_part(instance: Instance, result: Result) -> BriefPart:
    """The entries of the file with shocks, those that fail first: what is below floors, and all that goes unserved."""
    rows = fold_outcomes(folds(instance, [each.name for each in result.shocks]), result)
    ordered = sorted(rows, key=lambda row: (row.survives, urgency(row.worst)))
    outcomes = {each.name: each for each in result.shocks}
    shown, rest = ordered[:MOST_SHOCKS], ordered[MOST_SHOCKS:]
    columns = (
        FrameColumn("shock", is_index=True),
        FrameColumn("verdict", "Floors"),
        FrameColumn("below_floor", "Below floors", "t", "amount"),
        FrameColumn("gap", "Survival gap", result.money, "amount"),
        FrameColumn("shortage", "Unserved in all", "t", "amount"),
        FrameColumn("shortage_cost", "Value", result.money, "amount"),
    )
    frame_rows = [_shock_row(instance, row, [outcomes[name] for name in row.fold.members if name in outcomes])
                  for row in shown]  # fmt: skip
    failed = sum(outcome.fails for outcome in result.shocks)
    kept = len(result.shocks) - failed
    said = [f"{kept:,} of {plural(len(result.shocks), 'shock')} survived."]
    if rest:
        which = "all survived" if all(row.survives for row in rest) else "some of them not survived"
        said.append(f"{plural(len(rest), 'more entry')} not shown, {which}.".replace("entrys", "entries"))
    note = "Of a family the worst shock. Unserved in all: above floors as well. Gap and value: at shortage cost."
    title = "What is survived, and what is not"
    return BriefPart("survival", title, tuple(said), Frame.of_rows("survival", title, columns, frame_rows, note))


def _shock_row(instance: Instance, row: Folded, outcomes: Sequence[Outcome]) -> tuple[Any, ...]:
    """A row of the shocks of an entry: the gap of its worst, and the most that goes unserved in one of them."""
    worst = row.worst
    name = in_full(instance, instance.event(worst.name))
    if row.fold.is_many:
        lost = row.failed + row.excused
        verdict = f"✗ {row.count_text}" if row.failed else f"✓ {row.count_text if lost else 'all held'}"
        name += f", worst of {len(row.fold.members):,}"
    else:
        verdict = "✓ held" if row.survives else "✗ missed"
    most = max(outcomes, key=lambda each: unserved_money(instance, each))
    below = sum(each.below_floor for each in worst.segments.values())
    return name, verdict, below, worst.gap, unserved_tonnes(most), unserved_money(instance, most)


def worst_event(instance: Instance, result: Result) -> Outcome:
    """The shock with the largest gap; where no floor fails, the one in which most goes unserved, at shortage cost."""
    hardest = hardest_of(result.shocks)[0]
    return hardest if hardest.fails else max(result.shocks, key=lambda each: unserved_money(instance, each))


def worst_part(instance: Instance, result: Result) -> BriefPart:
    """The worst shock, and the one that leaves most unserved where that is another."""
    worst, money = worst_event(instance, result), result.money
    where = f"{in_full(instance, instance.event(worst.name))} ({windowed(worst.first, worst.last)})"
    said = [f"{where}."]
    below = sum(each.below_floor for each in worst.segments.values())
    if worst.gap > 0 or below > 0:
        said.append(f"{si(below, 't')} of demand below survival floors, a gap of {si(worst.gap, money)}.")
    if unserved_tonnes(worst) > 0:
        said.append(
            f"In all {si(unserved_tonnes(worst), 't')} go unserved, {si(unserved_money(instance, worst), money)}."
        )
        d, service = max(worst.segments.items(), key=lambda item: (item[1].gap, _value(instance, *item)))
        served, floor = in_percent(service.worst_service, service.floor)
        name, against = display_name(instance, d), "missed" if service.first_failure else "held"
        said.append(f"Hardest hit: {name}, {served} % served in {service.worst_period}, floor {floor} % {against}.")
    else:
        said.append("All demand is served in it.")
    most = max(result.shocks, key=lambda each: unserved_money(instance, each))
    if unserved_money(instance, most) > unserved_money(instance, worst):
        amount = f"{si(unserved_tonnes(most), 't')}, {si(unserved_money(instance, most), money)}"
        held = ", though floors hold" if most.survives else ""
        said.append(f"Most goes unserved in {in_full(instance, instance.event(most.name))}: {amount}{held}.")
    return BriefPart("worst", "The worst single event", tuple(said))


def _value(instance: Instance, d: str, service: Any) -> float:
    return float(instance.demands[d].shortage_cost * service.shortage)


def unserved_part(instance: Instance, result: Result) -> BriefPart:
    """By segment the shock in which most of it goes unserved."""
    hardest: dict[str, tuple[Outcome, Any]] = {}
    for outcome in result.shocks:
        for d, service in outcome.segments.items():
            if service.shortage > 0 and service.shortage > hardest.get(d, (None, _NONE))[1].shortage:
                hardest[d] = outcome, service
    ordered = sorted(hardest, key=lambda d: -_value(instance, d, hardest[d][1]))
    title = "Who goes short, even where floors hold"
    said = [*_baseline_lacks(instance, result)]
    if not ordered:
        return BriefPart("unserved", title, (*said, "In no shock does any demand go unserved."))
    rows = [_segment_row(instance, d, *hardest[d]) for d in ordered[:MOST_SEGMENTS]]
    if len(ordered) > MOST_SEGMENTS:
        said.append(f"{plural(len(ordered) - MOST_SEGMENTS, 'more segment')} go short of less.")
    columns = (
        FrameColumn("segment", is_index=True),
        FrameColumn("served", "Served", "share"),
        FrameColumn("floor", "Floor", "share"),
        FrameColumn("shortage", "Unserved", "t", "amount"),
        FrameColumn("shortage_cost", "Value", result.money, "amount"),
        FrameColumn("shock", "In"),
    )
    note = "Each segment in the shock that leaves most of it unserved; served: % of demand in its weakest period."
    return BriefPart("unserved", title, tuple(said), Frame.of_rows("unserved", title, columns, rows, note))


class _NoService:
    shortage = 0.0


_NONE = _NoService()


def _segment_row(instance: Instance, d: str, outcome: Outcome, service: Any) -> tuple[Any, ...]:
    served, floor = in_percent(service.worst_service, service.floor)
    mark = "✗" if service.first_failure else "✓"
    against = f"{floor} % {mark}" if service.floor > NEGLIGIBLE else "none"
    where = in_full(instance, instance.event(outcome.name))
    return display_name(instance, d), f"{served} %", against, service.shortage, _value(instance, d, service), where


def _baseline_lacks(instance: Instance, result: Result) -> Iterator[str]:
    if result.lacks:
        worst = sorted(result.lacks.items(), key=lambda item: -item[1].share)
        names = [f"{display_name(instance, d)} (up to {percent(lack.share)})" for d, lack in worst]
        yield f"Short even without a shock: {list_names(names, 3)}."
