"""The content of the brief: a sentence, and parts with sentences, a frame, and a hint on figures not computed.

All writers draw the result of `Brief.to_dict`, which the JSON of the report has under `brief`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

from optimizer.horizon import windowed
from optimizer.instance.derived import but_samples, display_name, makers_of, rules_in_force
from optimizer.instance.schema import Instance
from optimizer.report import narrative
from optimizer.report.brief.plan_parts import (
    Brief,
    BriefPart,
    confidence_part,
    missing_words,
    money_part,
    orders_part,
)
from optimizer.report.brief.survival_parts import (
    NOTHING,
    cut_orders_note,
    may_fail_words,
    nothing_bought,
    nothing_row,
    row_figures,
    survival_part,
    unserved_part,
    why_unspent,
    worst_part,
)
from optimizer.report.format import (
    changed_words,
    cost_with_gaps,
    discounting,
    in_millions,
    list_names,
    number_name,
    percent,
    plural,
    proven_cost,
    uncertain_text,
)
from optimizer.report.provenance import is_assumption, statements, value_as_is
from optimizer.report.tables.budgets import note_on_attacks, tolerance_note
from optimizer.report.tables.explain import repair_sentences
from optimizer.report.tables.sensitivity import count_numbers, notes_on_bars, ranked_words, screening_note
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.result import Result
from optimizer.studies.alternatives_result import Alternatives
from optimizer.studies.comparison import BudgetPoint, Frontier
from optimizer.studies.explanation import Explanation
from optimizer.studies.purchases import Delay, purchases
from optimizer.studies.sensitivity_result import Sensitivity, VariantOutcome
from optimizer.tolerances import NEGLIGIBLE, SHOWN_SHARE
from optimizer.units import si


def _notes(instance: Instance, result: Result, found: Explanation | None, frontier: Frontier | None) -> Iterator[str]:
    """Yield the notes beside the answer: shortages without any shock, and limits of the answer."""
    yield from narrative.broken_rules_note(result)
    if result.shocks:
        yield FLOORS_NOTE
        yield from cut_orders_note(instance, result)
    yield from _on_money(instance, result, found, frontier)
    yield from baseline_shortage_note(instance, result)
    if (bands := result.bands) is not None and result.shocks:
        held, count = bands.plan_survived, f"{len(result.shocks_survived):,} of {plural(len(result.shocks), 'shock')}"
        yield (
            f"With the numbers as assumed {count} are survived{may_fail_words(result)}. Of "
            f"{plural(bands.used, 'sample')} of all numbers in their ranges "
            f"{f'{percent(bands.survived)} have' if bands.survived else 'none has'} a best plan that survives "
            f"everything{but_samples(instance)}"
            f"{'' if held is None else f'; this plan, held as it is, survives in {percent(held)} of them'}."
        )


def _on_money(
    instance: Instance, result: Result, found: Explanation | None, frontier: Frontier | None
) -> Iterator[str]:
    """Yield how much of a budget is unspent and why, and whether more money would help if floors fail.

    If repairs are known that make everything survivable, they replace the possible reasons.
    """
    helps = [] if found is None or result.survives else repair_sentences(instance, found)
    budget = instance.policy.budget
    if budget is None:
        yield from [" ".join(helps)] if helps else []
    elif budget - result.outlay > SHOWN_SHARE * budget:
        said = f"{si(budget - result.outlay, result.money)} of {_budget_words(instance, result)} is left"
        yield " ".join((f"{said}.", *helps)) if helps else f"{said}{why_unspent(instance, result)}."
    elif not result.survives:
        more = [*_with_more_money(instance, result, frontier), *helps]
        yield " ".join(more) or "Whether a larger budget leaves a smaller survival gap is not computed."


def _budget_words(instance: Instance, result: Result) -> str:
    """Return the budget in words, and whether the file calls the budget that the run has an assumption."""
    stated = [each for each in statements(instance, result) if each.place == ("policy", "budget")]
    is_assumed = any(each.before is None and is_assumption(each.text) for each in stated)
    return "the budget, an assumption of the file," if is_assumed else "the budget"


def _with_more_money(instance: Instance, result: Result, frontier: Frontier | None) -> Iterator[str]:
    """Yield the gap and cost of the best plan of the largest known budget; nothing if none is larger."""
    *_, most = (None, *_known_points(() if frontier is None else frontier.points[frontier.own + 1 :]))
    if most is None:
        return
    plan, own = most.result, result.survival_gap
    left = f"leaves a survival gap of {si(plan.survival_gap, result.money)}"
    if plan.survives:
        left = f"keeps every floor{but_samples(instance)}"
    elif math.isclose(plan.survival_gap, own, rel_tol=SHOWN_SHARE):
        left = "leaves the same survival gap"
    more = plan.total_cost - result.total_cost
    cost = f", and costs {si(abs(more), result.money)} {'less' if more < 0 else 'more'}"
    is_known = abs(more) > SHOWN_SHARE * (result.price_of_survival or abs(result.total_cost))
    budget = most.budget
    limit = "Without a limit on the budget" if budget is None else f"With a budget of {si(budget, result.money, 4)}"
    yield f"{limit} the best plan {left}{cost if is_known else ''}."


def _known_points(points: Iterable[BudgetPoint]) -> list[BudgetPoint]:
    """Return the points whose search was not stopped: a stopped plan may be far from the best of its budget."""
    return [each for each in points if each.result.baseline is not None and each.result.status != "stopped"]


def baseline_shortage_note(instance: Instance, result: Result) -> Iterator[str]:
    """Yield the shortages without any shock, and when orders can help; nothing without such shortages."""
    ordered = sorted(result.lacks.items(), key=lambda item: -item[1].share)
    if ordered:
        names = [f"{display_name(instance, d)}, {_when_short(instance, result, d)}, up to {percent(lack.share)}"
                 for d, lack in ordered[:MOST_SHORT]]  # fmt: skip
        more = f"; and {plural(len(ordered) - MOST_SHORT, 'more segment')}" if len(ordered) > MOST_SHORT else ""
        why = _why_short(instance, result, ordered[0][0])
        stored = ", when no stock is released" if instance.stocks else ""
        cost = result.costs.get("shortage", 0.0)
        counted = f"That is in the total cost at its shortage cost, {si(cost, result.money)}, and in no survival gap. "
        said = f"Unserved already without a shock{stored}: {'; '.join(names)}{more}."
        yield f"{said} {counted if cost > 0 else ''}{why}"


def _when_short(instance: Instance, result: Result, d: str) -> str:
    """Return the first and last period of a segment's baseline shortage, and their number if some between are not."""
    assert result.baseline is not None
    short = [t for t, tonnes in enumerate(result.baseline[d, "unserved"]) if tonnes > NEGLIGIBLE]
    if not short:
        return result.lacks[d].period
    span = windowed(instance.horizon.label(short[0]), instance.horizon.label(short[-1]))
    is_whole = short[-1] - short[0] + 1 == len(short)
    return span if is_whole else f"{len(short)} periods of {span}"


def _why_short(instance: Instance, result: Result, d: str) -> str:
    """Return when the first order that supplies a segment comes on line: a date, without a claim about the cause."""
    ways = _supply_of(instance, d)
    firsts = [move.first for move in purchases(instance, result) if not move.fills and move.option in ways]
    if not firsts:
        return "No project that is ordered is on its supply chain."
    name = display_name(instance, d)
    if min(firsts) >= len(instance.horizon.periods):
        return f"No project ordered for {name} is on line in the period."
    when = instance.horizon.label(min(firsts))
    return f"The earliest project ordered on the supply chain of {name} is on line in {when}."


def _supply_of(instance: Instance, d: str) -> set[str]:
    """Return the processes and options whose output can reach a segment, with deals on them and substitutions."""
    found = makers_of(instance, instance.demands[d].commodity)
    for o, option in instance.options.items():
        if getattr(option, "process", None) in found or d == getattr(option, "demand", None):
            found.add(o)
    return found


# The definition of survival.
FLOORS_NOTE = (
    "A shock is survived where every segment gets at least its floor, a share of its demand. Survival gap: what is "
    "below the floors, valued at the shortage cost of the file, undiscounted; it is not money that is paid."
)
# Largest number of segments named that are short without a shock.
MOST_SHORT = 2
NO_RANGES = "The file gives no ranges of its numbers."
# Largest number of changes of the file named.
MOST_CHANGES = 6
# Largest number of uncertain numbers named that were not examined.
MOST_MISSED = 8
# Largest number of plans and of figures shown.
MOST_PLANS, MOST_FIGURES = 3, 5
_SEVERAL = ("two", "three", "four", "five", "six")
_COUNTS = ("its alternatives", "one alternative", *(f"{count} alternatives" for count in _SEVERAL))


def alternatives_part(
    instance: Instance, result: Result, frontier: Frontier | None, found: Alternatives | None
) -> BriefPart:
    """Return the part with up to three near-optimal plans of `found`, then three others.

    These are plans of other budgets, and the do-nothing plan.
    """
    near = [] if found is None else [each.result for each in found.plans[:MOST_PLANS]]
    others = _by_budget(instance, result, frontier)
    rows = _plan_rows(instance, result, near, others, nothing_bought(frontier))
    columns: tuple[FrameColumn, ...] = (
        FrameColumn("plan", is_index=True),
        FrameColumn("outlay", unit=result.money, form="millions"),
        FrameColumn("failed", "Shocks not survived", form="count"),
        FrameColumn("gap", narrative.GAP_OF_ALL, result.money, "millions"),
        FrameColumn("worst_gap", "Gap of the worst shock", result.money, "millions"),
        FrameColumn("more", "Cost against this plan", result.money, "millions"),
        FrameColumn("differs", "Options more or less"),
    )
    missing_hint = "" if near else "Plans nearly as cheap: add {alternatives}."
    missing_note = ""
    if not (near or others):
        is_stopped = frontier is not None and frontier.stopped
        hint, missing_note = missing_words("Plans of other budgets are", is_stopped=is_stopped)
        missing_hint = f"{hint} {missing_hint}"
    title = f"This plan and {_COUNTS[len(rows) - 1]}"
    unserved = _unserved_in_costs(result, near, frontier, [row[0] for row in rows])
    note = _alternatives_note(instance, result, unserved, has_nothing=rows[-1][0] == NOTHING)
    note += (" –: not computed." if None in (rows[-1][1], rows[-1][-2]) else "") + _hidden_plans_note(rows, others)
    note += _note_on_tolerance(frontier, others, result.money)
    note = f"{note} {note_on_attacks(result, others)}".rstrip()
    frame = Frame.of_rows("alternatives", title, columns, rows, note).without_empty("differs")
    return BriefPart("alternatives", title, (), frame, missing_hint, strong=(0,), missing_note=missing_note)


def _hidden_plans_note(rows: Sequence[tuple[Any, ...]], others: Sequence[tuple[Any, ...]]) -> str:
    hidden = [row[0][:1].lower() + row[0][1:] for row in others if row not in rows]
    return f" Plans not shown: {list_names(hidden, 4)}." if hidden else ""


def _alternatives_note(instance: Instance, result: Result, unserved: str, *, has_nothing: bool) -> str:
    """Return the note on the figures of plans; `unserved` is the sentence on unserved demand in their costs."""
    note = f"Cost: present value, {discounting(instance)}, with what goes unserved without a shock at its shortage cost"
    expected = ", beyond what shocks are expected to leave unserved" * any(e.probability > 0 for e in instance.events)
    note += f"{unserved}; survival gaps are not added to it{expected}."
    if len(result.shocks) > 1:
        note += " Gap of all shocks: a sum over shocks, each on its own, to compare plans by, which cannot occur."
    note += _note_on_samples(result)
    note += _note_on_rules(instance) if has_nothing else ""
    return note


def _note_on_tolerance(frontier: Frontier | None, others: Sequence[tuple[Any, ...]], money: str) -> str:
    """Return the sentence on the tolerance to which costs of the rows `others` of `frontier` are proven, or ""."""
    return "" if frontier is None or not others else f" {tolerance_note(frontier, money)}".rstrip()


def _note_on_samples(result: Result) -> str:
    """Return the sentence that samples which may fail count as survived; in older plan files not for doing nothing."""
    if not result.sample_counts:
        return ""
    is_known = result.nothing is None or result.nothing.counted is not None
    return f" Samples that may fail count as survived{'' if is_known else ', except where nothing is done'}."


def _note_on_rules(instance: Instance) -> str:
    """Return the sentence that doing nothing may break a rule that requires purchases; empty without such rules."""
    rules = rules_in_force(instance)
    return f" Doing nothing is not held to rules of the file ({', '.join(rules)})." if rules else ""


def _plan_rows(
    instance: Instance,
    result: Result,
    near: Sequence[Result],
    others: Sequence[tuple[Any, ...]],
    nothing: Result | None,
) -> list[tuple[Any, ...]]:
    """Return rows of the plan, near-optimal plans, plans of other budgets, and doing nothing if there is room."""
    rows: list[tuple[Any, ...]] = [("This plan", *row_figures(result, 0.0), "")]
    for i, plan in enumerate(near, start=1):
        more = plan.total_cost - result.total_cost
        differs = narrative.other_options(instance, plan, result)
        rows.append((f"Alternative {i}", *row_figures(plan, more), differs))
    has_nothing = result.nothing is not None
    rows += others[: MOST_PLANS - has_nothing]
    return [*rows, nothing_row(instance, result, nothing)] if has_nothing else rows


def _by_budget(instance: Instance, result: Result, frontier: Frontier | None) -> list[tuple[Any, ...]]:
    rows = []
    for name, other in _other_budgets(result, frontier).items():
        more = other.total_cost - result.total_cost
        rows.append((name, *row_figures(other, more), narrative.other_options(instance, other, result)))
    return rows


def _other_budgets(result: Result, frontier: Frontier | None) -> dict[str, Result]:
    """Return plans of other budgets: first of the next smaller and the next larger one, then of the others."""
    if frontier is None:
        return {}
    points, own = frontier.points, frontier.own
    smaller, larger = _unlike(result, reversed(points[:own])), _unlike(result, points[own + 1 :])
    return {
        "No limit on the budget" if point.budget is None else f"Budget {si(point.budget, result.money)}": point.result
        for point in filter(None, chain.from_iterable(zip_longest(smaller, larger)))
    }


def _unserved_in_costs(result: Result, near: Sequence[Result], frontier: Frontier | None, shown: Sequence[str]) -> str:
    """Return a sentence on unserved demand without a shock in the costs of the shown plans; empty without any."""
    plans = {"This plan": result, **{f"Alternative {i}": plan for i, plan in enumerate(near, start=1)}}
    plans |= _other_budgets(result, frontier)
    if (nothing := nothing_bought(frontier)) is not None:
        plans[NOTHING] = nothing
    costs = {name: plans[name].costs.get("shortage", 0.0) for name in shown if name in plans}
    if max(costs.values()) <= NEGLIGIBLE * abs(result.total_cost):
        return ""
    parts = (f"{name[:1].lower()}{name[1:]}: {si(cost, result.money)}" for name, cost in costs.items())
    return f" ({', '.join(parts)}), which nobody pays"


def _unlike(result: Result, points: Iterable[BudgetPoint]) -> list[BudgetPoint]:
    """Return the points whose plans buy something, and differ from the plan and from each other."""
    seen, found = [result], []
    for point in _known_points(points):
        if point.budget != 0 and not any(_is_alike(point.result, each) for each in seen):
            seen.append(point.result)
            found.append(point)
    return found


def _is_alike(one: Result, other: Result) -> bool:
    """Return whether two plans have the same cost, outlay and gap."""
    figures = ("total_cost", "outlay", "worst_gap")
    return all(math.isclose(getattr(one, key), getattr(other, key), rel_tol=SHOWN_SHARE) for key in figures)


def figures_part(instance: Instance, result: Result, found: Sensitivity | None) -> BriefPart:
    """Return the part with the uncertain numbers that change the answer most."""
    title = "The numbers that decide"
    if found is None or not found.bars:
        missing_note = "Not computed."
        missing_hint = "Not computed: {bars}; the plan has to be proven to be the best."
        if found is not None and found.status == "stopped":
            missing_hint, missing_note = missing_words("Which numbers decide is", is_stopped=True)
        if not instance.uncertain:
            missing_hint = missing_note = NO_RANGES
        return BriefPart("figures", title, (), None, missing_hint, missing_note=missing_note)
    rows = [
        (number_name(instance, each.number), value_as_is(instance, result, each.number),
         uncertain_text(instance, each.number, -1, 1), *(_end_text(found.base, end) for end in (each.low, each.high)))
        for each in found.bars[:MOST_FIGURES]
    ]  # fmt: skip
    columns = (
        FrameColumn("figure", "Number", is_index=True),
        FrameColumn("value"),
        FrameColumn("range"),
        FrameColumn("at_low", f"At low, M {result.money}"),
        FrameColumn("at_high", f"At high, M {result.money}"),
    )
    note = _figures_note(instance, found)
    return BriefPart("figures", title, (), Frame.of_rows("figures", title, columns, rows, note))


def _figures_note(instance: Instance, found: Sensitivity) -> str:
    """Return the note on the figures, on numbers not examined, and on numbers judged without a solve."""
    shown, reached = found.bars[:MOST_FIGURES], len(found.bars) + len(found.screened)
    missed = [number_name(instance, each) for each in found.missed]
    most = f"Of {plural(reached, 'uncertain number')} these {len(shown)} move most. " if reached > len(shown) else ""
    every = f"Of {count_numbers(found).removesuffix(',')}. " if missed else most
    note = f"{every}Those that decide whether floors hold come first, then those that move the survival gap most, "
    ranked, changes = ranked_words(found)
    note += f"then those that move the {ranked}."
    if missed:
        note += f" Not looked at, so that one of them may move more: {'; '.join(missed[:MOST_MISSED])}"
        more = len(missed) - MOST_MISSED
        note += f"; and {more} more." if more > 0 else "."
    note += " A number without a range in the file is taken as it is."
    note += (
        f" At low, at high: the change of {changes} and of survival gap with this number alone at that end of its "
        "range, and the plan that is best there. The cost has in it what goes unserved without a shock, at its "
        "shortage cost. This plan, held as it is, may fail there. –: no proven change"
    )
    said = {_end_text(found.base, end) for each in shown for end in (each.low, each.high)}
    note += "".join(f"; {text}: {why}" for text, why in _END_MEANINGS.items() if text in said) + "."
    return " ".join(filter(None, (note, screening_note(found), *notes_on_bars(shown))))


# Texts at an end of a range without a plan, and their meanings.
_END_MEANINGS = {
    "no plan": "some rule of the file cannot be kept there, whatever is bought",
    "unusable": "numbers of the file do not fit each other there",
    "not known": "the search was stopped",
}


def _end_text(base: VariantOutcome, end: VariantOutcome) -> str:
    """Return the proven change or range of cost, and of the gap if it changes, at an end of a range, to two digits."""
    if not end.is_settled:
        return "not known"
    if not (end.has_plan and base.has_plan):
        return "unusable" if end.status == "unusable" else "no plan"
    gap, said = end.gap_change(base), _price_and_cost(base, end)
    if base.gap > 0 >= end.gap:
        said.append("floors hold")
    elif gap.is_proven:
        said.append(f"gap {narrative.difference_text(gap, write=_signed_millions)}")
    return "; ".join(said) or "–"


def _price_and_cost(base: VariantOutcome, end: VariantOutcome) -> list[str]:
    """Return the proven changes of price and cost; as one if they read alike."""
    changes, words = {"cost": end.cost_change(base)}, dict[str, str]()
    changes = changes if base.no_shock is None else {"price": end.price_change(base)} | changes
    for name, change in changes.items():
        text = narrative.difference_text(change, write=_signed_millions) if change.is_proven else ""
        words[text] = f"{words[text]} and {name}" if text in words else name
    return [f"{name} {text}" for text, name in words.items() if text]


def _signed_millions(amount: float) -> str:
    return f"{'+' if amount > 0 else ''}{in_millions(amount, 2)}"


def make_brief(
    instance: Instance,
    result: Result,
    *,
    frontier: Frontier | None = None,
    delays: Sequence[Delay] | None = None,
    studies: Iterable[Any] = (),
    warnings: Sequence[str] = (),
) -> Brief:
    """Return the brief of a plan.

    Args:
        instance: the instance of the plan.
        result: the plan.
        frontier: plans of other budgets, if they were searched for.
        delays: delays of decisions of the first year, in the groups of `delay_groups`; None if they were left out, and
            empty if the search for them was stopped before the first.
        studies: results of studies; near-optimal alternatives and sensitivity have a part each.
        warnings: warnings at the head of the brief.
    """
    horizon = instance.horizon
    studies = list(studies)
    explanation = of_kind(Explanation, studies)
    about = f"{horizon.label(0)} to {horizon.label(horizon.periods[-1])}. Money in {result.currency}; t: metric tonnes."
    changed = changed_words(result.changes, MOST_CHANGES)
    parts = tuple(_parts(instance, result, frontier, delays, studies)) if result.baseline is not None else ()
    return Brief(
        instance=instance,
        title=result.title,
        about=f"{about} {changed}".rstrip(),
        survives=result.survives,
        verdict=narrative.short_verdict(result, instance),
        sentence=narrative.answer_sentence(instance, result),
        parts=parts,
        warnings=tuple(warnings),
        notes=() if result.baseline is None else tuple(_notes(instance, result, explanation, frontier)),
    )


def of_kind[T](kind: type[T], studies: Iterable[Any]) -> T | None:
    """Return the first study of a kind, or None."""
    return next((each for each in studies if isinstance(each, kind)), None)


def _parts(
    instance: Instance,
    result: Result,
    frontier: Frontier | None,
    delays: Sequence[Delay] | None,
    studies: Sequence[Any],
) -> Iterator[BriefPart]:
    yield orders_part(instance, result, delays)
    yield money_part(instance, result)
    if result.shocks:
        yield survival_part(instance, result)
        yield worst_part(instance, result)
        yield unserved_part(instance, result)
    yield alternatives_part(instance, result, frontier, of_kind(Alternatives, studies))
    yield figures_part(instance, result, of_kind(Sensitivity, studies))
    spent: dict[str, float] = {}
    for move in purchases(instance, result):
        spent[move.option] = spent.get(move.option, 0.0) + move.outlay
    proven = f"total cost {proven_cost(result, cost_with_gaps(result))}"
    yield confidence_part(result, result.comments, proven, spent)
