"""Narrative of each study on a page: its title, a few sentences, and its progress if it was stopped.

Sentences use the numbers that the study's command prints. `view_of` returns the view of a study; `_VIEWS` lists them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from optimizer.disruptions.adversary import attack_budget_text
from optimizer.horizon import windowed
from optimizer.instance.derived import but_samples, display_name, entry_name, has_floors
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.format import list_names, number_name, plural, shock_title, uncertain_text
from optimizer.report.narrative import GAPS_PRICED, difference_text, other_options, outcome_headline
from optimizer.report.tables.alternatives import NO_OTHER_PLAN, condition_on_plans
from optimizer.report.tables.attack import breaking_attack_text, worst_attack_text
from optimizer.report.tables.compare import column_title
from optimizer.report.tables.discovery import boxes_note, discovery_notes, failure_headline, samples_note, worst_shocks
from optimizer.report.tables.explain import repair_sentences, shortage_text
from optimizer.report.tables.futures_study import order_facts, worth_facts, worth_headline
from optimizer.report.tables.sensitivity import (
    count_numbers,
    deciding_text,
    price_name,
    price_text,
    ranked_name,
    screening_note,
    without_plan,
)
from optimizer.report.tables.share import core_text, share_facts, share_headline, together_text
from optimizer.report.tables.stress import (
    cut_off_words,
    is_variation,
    most_helpful,
    no_additions_sentence,
    reinforcement_name,
    reinforcement_text,
    share_survived,
    varied_name,
    weak_spot,
)
from optimizer.studies.alternatives_result import OPTION_VERDICTS, Alternatives
from optimizer.studies.attack_result import AttackResult
from optimizer.studies.comparison import Comparison, ComparisonColumn
from optimizer.studies.cost_shares import CostShares
from optimizer.studies.cost_tolerance import ProvenDifference
from optimizer.studies.discovery_result import Discovery
from optimizer.studies.explanation import Explanation, PartValue
from optimizer.studies.futures.study_result import FuturesStudy
from optimizer.studies.purchases import sizes_bought
from optimizer.studies.sensitivity_result import FirstOrderEffect, Sensitivity, TornadoBar, VariantOutcome
from optimizer.studies.stress_result import Stress
from optimizer.tolerances import SHOWN_SHARE
from optimizer.units import si, signed_amount

# Phrases for the common property of a group of samples.
_GROUPS = {"event": "of {}", "start": "that start in {}", "months": "of {} months", "severity": "that cut {}"}


def _levers_reached(found: Explanation) -> str:
    if found.result.status != "survives":
        return ""
    levers = sum(each.kind == "lever" for each in found.part_values)
    return f"{levers:,} of {plural(len(found.result.plan.bought), 'option')} valued"


def _sizes_reached(found: Alternatives) -> str:
    proven = sum(each.proven for each in found.ranges)
    return f"the sizes of {proven:,} of {plural(len(found.ranges), 'option')} proven" if found.ranges else ""


def _samples_reached(found: Discovery) -> str:
    return f"{found.used:,} of {plural(found.samples, 'sample')} evaluated"


def _cases_reached(found: Comparison) -> str:
    return f"{len(found.columns):,} of {plural(max(len(found.cases), len(found.columns)), 'case')} solved for"


def _numbers_reached(found: Sensitivity) -> str:
    seen, missed = len(found.bars) + len(found.screened), len(found.missed)
    looked = f"{seen:,} of {plural(seen + missed, 'number')} looked at, " if missed else ""
    return f"{looked}{len(found.bars):,} solved for at both ends"


# Why this plan, or why none.


def _explanation_sentences(found: Explanation) -> Sequence[str]:
    instance = instance_of(found.result)
    if found.result.status == "survives":
        options = _without_options(instance, found) if found.result.plan.bought else "The plan buys nothing."
        return options, _without_shocks(instance, found), _dates(instance, found)
    reason = found.reason
    why = outcome_headline(found.result, instance) if reason is None else shortage_text(instance, reason)
    return f"{why}.", *repair_sentences(instance, found)


def _without_options(instance: Instance, found: Explanation) -> str:
    levers = [each for each in found.part_values if each.kind == "lever"]
    vital = [display_name(instance, each.of) for each in levers if each.survives is False]
    if vital:
        lacks = vital[0] if len(vital) == 1 else f"one of these: {list_names(vital)}"
        return f"Within rules and budgets, no plan survives that lacks {lacks}."
    is_known = {each.of for each in levers if each.survives} >= set(found.result.plan.bought)
    spared = "No single option is indispensable" if is_known else "No option is known to be indispensable"
    return f"{spared}{_dearest_to_lose(instance, levers)}."


def _dearest_to_lose(instance: Instance, levers: Sequence[PartValue]) -> str:
    more = [each for each in levers if each.is_proven and each.difference.value > 0]
    if not more:
        return ": without any one of them another plan survives at no proven extra cost"
    dear = max(more, key=lambda each: each.difference.value)
    name, cost = display_name(instance, dear.of), _size(instance, dear)
    return f"; dearest to lose is {name}, without which surviving costs {cost} more"


def _size(instance: Instance, value: PartValue) -> str:
    """Return the size of a proven change of cost, or the range that is proven of it."""
    size = -value.difference if value.difference.value < 0 else value.difference
    return f"{difference_text(size, SHOWN_SHARE)} {instance.money}".replace("+", "")


def _without_shocks(instance: Instance, found: Explanation) -> str:
    shocks = [each for each in found.part_values if each.kind in ("shock", "family") and each.is_proven]
    worst = min(shocks, key=lambda each: each.change or 0.0, default=None)
    if worst is None or (worst.change or 0.0) >= 0:
        return "No shock alone makes the plan dearer by an amount that is proven."
    less = f"the plan costs {_size(instance, worst)} less"
    if worst.kind == "shock":
        return f"The dearest shock is {shock_title(instance, worst.of)}: without it {less}."
    count = sum(event.entry == worst.of for event in instance.events)
    return f"The dearest shocks are those of {entry_name(instance, worst.of)}: without all {count:,} of them {less}."


def _dates(instance: Instance, found: Explanation) -> str:
    known = [each for each in found.deadlines if each.anyhow is not None]
    now = [display_name(instance, each.option) for each in known if each.anyhow == each.ordered]
    if now:
        return f"{plural(len(now), 'order')} cannot be put off: {list_names(now)}."
    if not known:
        spared = bool(found.deadlines) and all(each.can_be_left_out for each in found.deadlines)
        return "Each order can be left out by itself; another plan survives then." if spared else ""
    first = min(known, key=lambda each: str(each.anyhow))
    name = display_name(instance, first.option)
    return f"The first order that has to be placed is {name}, in {first.anyhow} at the latest."


# Under attack.


def _attack_sentences(found: AttackResult) -> Sequence[str]:
    instance, adversary, worst = found.instance, found.adversary, found.worst
    means = attack_budget_text(adversary.attack_budget, instance.money)
    if worst is not None and worst.breaks:
        verdict = f"An adversary with {means} breaks the plan."
    else:
        breaks = "was found to break" if found.attacks_stopped else "breaks"
        verdict = f"No attack that {means} can buy {breaks} a floor."
    return verdict, f"Worst attack: {worst_attack_text(found)}.", f"Breaks at: {breaking_attack_text(found)}."


# Near-optimal alternatives.


def _alternatives_sentences(found: Alternatives) -> Sequence[str]:
    instance = instance_of(found.cheapest)
    if not found.ranges:
        return ("There is no plan near to which others could be looked for.",)
    names: Mapping[str, list[str]] = {
        word: [display_name(instance, each.option) for each in found.ranges if each.verdict == word]
        for word in OPTION_VERDICTS
    }
    more = f"{si(found.extra_cost, instance.money)} more than the cheapest"
    more += f", {GAPS_PRICED}," if found.cheapest.has_priced_gaps else ""
    which = f"Of the plans{condition_on_plans(instance, found.cheapest)}"
    said = (_in_common(names, which, more), _choices(names), _most_different(instance, found))
    return tuple(filter(None, said))


def _in_common(names: Mapping[str, list[str]], which: str, more: str) -> str:
    """Describe the options that all plans within the tolerance buy; `more` is the limit to their cost in words."""
    if names["must-have"]:
        vital = list_names(names["must-have"])
        return f"{which}, every one that costs up to {more} buys {vital}."
    if names["not settled"]:
        return f"{which}, it is not settled what all those that cost up to {more} buy."
    return f"{which}, those that cost up to {more} have no option in common."


def _choices(names: Mapping[str, list[str]]) -> str:
    count, never, open_ = (len(names[word]) for word in ("real choice", "never worth it", "not settled"))
    choices = f"{plural(count, 'option')} can be bought or left out" if count else "No option is a matter of choice"
    left = f", {never:,} {'is' if never == 1 else 'are'} in no such plan" if never else ""
    return f"{choices}{left}{f', and of {open_:,} it is not settled' if open_ else ''}."


def _most_different(instance: Instance, found: Alternatives) -> str:
    if not found.plans and found.status == "stopped":
        return "The search was stopped before it had found another plan."
    if not found.plans:
        return f"{NO_OTHER_PLAN}." if found.plans_sought else ""
    other = found.plans[0].result
    costs = [si(each.priced_cost, instance.money, 4) for each in (other, found.cheapest)]
    how = other_options(instance, other, found.cheapest)
    priced = f", {GAPS_PRICED}" if found.cheapest.has_priced_gaps else ""
    differs = f"Of the plans found, the one that differs most costs {costs[0]}, the cheapest {costs[1]}{priced}"
    return f"{differs}; it is {how}."


# Uncertain numbers.


def _sensitivity_sentences(found: Sensitivity) -> Sequence[str]:
    if not found.base.has_plan:
        why = without_plan(found)
        return (f"{why[0].upper()}{why[1:]}.",)
    if not found.bars:
        return ("No number was looked at before the search was stopped.",)
    unsettled = sum(not (bar.low.is_settled and bar.high.is_settled) for bar in found.bars)
    first = f"Of {count_numbers(found)} {deciding_text(found, unsettled)}."
    return first, _moves_most(found), " ".join([*filter(None, (_changes(found), _screened_numbers(found)))])


def _screened_numbers(found: Sensitivity) -> str:
    """Describe the numbers that were not solved for, and their largest linear effects."""
    if not found.screened:
        return ""
    judged = [each for each in found.screened if each.is_judged]
    if not judged:
        return screening_note(found)
    effects = [_largest_effect(found, judged)]
    if found.base.gap > 0:
        effects.insert(0, ("survival gap", max(abs(each.gap or 0.0) for each in judged)))
    most = " or ".join(f"the {what} by more than {si(amount, found.instance.money)}" for what, amount in effects)
    return f"{screening_note(found)} By linear effect none of them moves {most}."


def _largest_effect(found: Sensitivity, judged: Sequence[FirstOrderEffect]) -> tuple[str, float]:
    """Return the largest linear effect on the price of survival, or on the total cost if not all prices are known."""
    prices = [abs(each.price) for each in judged if each.price is not None]
    if len(prices) == len(judged):
        return price_name(found), max(prices)
    return "total cost", max(abs(each.cost or 0.0) for each in judged)


def _moves_most(found: Sensitivity) -> str:
    base, money = found.base, found.instance.money
    most = max(found.bars, key=lambda bar: max((move.size for move in _moves_of(bar, base).values()), default=0.0))
    moves = _moves_of(most, base)
    if not any(move.size > 0 for move in moves.values()):
        return _nothing_moves(found)
    ends = [f"{f'{difference_text(move)} {money}' if move.is_proven else 'no proven change'} at its {side} end"
            for side, move in moves.items()]  # fmt: skip
    name, between = number_name(found.instance, most.number), uncertain_text(found.instance, most.number, -1, 1)
    first = f"{name} moves the total cost"
    if base.no_shock is not None:
        first = f"The {price_name(found)} is {price_text(found)}; {name} moves it"
    return f"{first} most: {' and '.join(ends)} ({between})."


def _nothing_moves(found: Sensitivity) -> str:
    is_same = all(end.is_alike(found.base) for bar in found.bars for end in (bar.low, bar.high))
    where = "" if is_same else f" where floors {'hold' if found.base.gap <= 0 else 'fail'} as they do now"
    return f"No number moves the {ranked_name(found)} by an amount that is proven{where}."


def _moves_of(bar: TornadoBar, base: VariantOutcome) -> dict[str, ProvenDifference]:
    """Return the changes that rank numbers, at the ends of a bar where floors hold or fail as in the base."""
    ends = {"low": bar.low, "high": bar.high}
    return {side: end.leading_change(base) for side, end in ends.items() if end.is_settled and end.is_alike(base)}


def _changes(found: Sensitivity) -> str:
    ends = [bar for bar in found.bars if any(_buys_others(found, end) for end in (bar.low, bar.high))]
    names = list_names([number_name(found.instance, bar.number) for bar in ends])
    if not ends:
        is_known = all(end.is_settled for bar in found.bars for end in (bar.low, bar.high))
        return "At no end of a range are other options bought." if is_known else ""
    return f"Other options are bought at an end of the range of {plural(len(ends), 'number')}: {names}."


def _buys_others(found: Sensitivity, end: VariantOutcome) -> bool:
    return end.is_settled and end.has_plan and end.bought != found.base.bought


# Sampled shocks.


def _stress_sentences(found: Stress) -> Sequence[str]:
    low, high = found.interval
    first = f"The plan survives {found.survived:,} of {plural(found.samples, 'sampled shock')}: "
    first += f"{share_survived(found.share)} (95 % interval {share_survived(low)} to {share_survived(high)})."
    first += "".join(f" {words[0].upper()}{words[1:]}." for words in cut_off_words(found))
    weak = weak_spot(found, found.groups)
    second = ""
    if found.worst:
        where = ""
        if weak is not None:
            which = varied_name(found, weak.name) if weak.by == "event" else weak.name
            words = "that vary {}" if weak.by == "event" and is_variation(weak.name) else _GROUPS[weak.by]
            where = f"; of samples {words.format(which)} it survives {share_survived(weak.share)}"
        worst = found.worst[0]
        a = "a variation of " if is_variation(worst.entry) else ""
        name = f"{a}{varied_name(found, worst.entry)}, {windowed(worst.first, worst.last, ' to ')}"
        second = f"The worst survival gap is {si(found.worst_gap, found.money)}, in {name}{where}."
    return first, second, _best_additions(found)


def _best_additions(found: Stress) -> str:
    tried = found.reinforcements
    if tried is None or not tried.additions:
        return "" if tried is None else no_additions_sentence(found, tried)
    heads = {"survived": "by the shocks then survived", "gap": "by the part of the gap that is closed"}
    return " ".join(
        f"The best single addition tried, {heads[by]}, is {reinforcement_name(found, each)}: "
        f"{reinforcement_text(found, each)}."
        for by, each in most_helpful(found).items()
    )


# Who pays.


def _cost_shares_sentences(found: CostShares) -> Sequence[str]:
    if not found.shares:
        return (f"{share_headline(found)}.",)
    core = core_text(found)
    return f"{share_headline(found)}.", f"All together pay {together_text(found)}.", f"The core is {core}."


# Several futures, and samples of what is uncertain.


def _futures_study_sentences(found: FuturesStudy) -> Sequence[str]:
    orders = order_facts(found) if found.costs.get("adaptive") else ()
    return f"{worth_headline(found)}.", *(f"{label}: {text}." for label, text in orders)


def _discovery_sentences(found: Discovery) -> Sequence[str]:
    about = boxes_note(found) if found.boxes else samples_note(found)
    return failure_headline(found), worst_shocks(found) if found.failed else "", about


# Scenarios.


def _comparison_sentences(found: Comparison) -> Sequence[str]:
    if len(found.columns) < 2:
        return (
            "No other case was solved before the search was stopped." if found.stopped else "There is one case alone.",
        )
    plain, first = found.columns[0], _surviving_cases(found)
    known = [each for each in found.columns if each.result.baseline is not None]
    if len(known) < 2 or known[0] is not plain:
        return (first,)
    return first, _dearest_case(found, plain, known[1:]), _bought_in_all(found, known)


def _surviving_cases(found: Comparison) -> str:
    failing = [column_title(found, each) for each in found.columns if not each.result.survives]
    free = sum(not has_floors(found.cases[each.case]) for each in found.columns if each.result.survives)
    count = len(found.columns)
    which = f", {free} of them with no floors to keep" if free else ""
    which += f"; not {list_names(failing)}" if failing else ""
    every = f"everything{but_samples(*found.cases.values())}"
    return f"{count - len(failing)} of {count} cases survive {every}{which}."


def _dearest_case(found: Comparison, plain: ComparisonColumn, known: Sequence[ComparisonColumn]) -> str:
    money = found.cases[plain.case].money
    dear = max(known, key=lambda each: each.result.total_cost)
    change = signed_amount(dear.result.total_cost - plain.result.total_cost)
    costs = f"total cost {si(dear.result.total_cost, money, 4)}, outlay {si(dear.result.outlay, money)}"
    base, name = column_title(found, plain), column_title(found, dear)
    beside = f"{change} {money} in cost beside {base}"
    first = f"Of {len(known)} other cases the dearest is {name}" if len(known) > 1 else f"The case {name}"
    if dear.result.total_cost <= plain.result.total_cost:
        first = f"No other case costs more than {base}; the dearest of them is {name}"
    has_gaps = any(each.result.survival_gap > 0 for each in (plain, *known))
    return f"{first}: {costs} ({beside}).{' Survival gaps are not in these costs.' * has_gaps}"


def _bought_in_all(found: Comparison, known: Sequence[ComparisonColumn]) -> str:
    """Describe the options that the plans of all cases buy."""
    instance, bought = found.cases[known[0].case], [sizes_bought(each.result) for each in known]
    every = dict.fromkeys(o for sizes in bought for o in sizes)
    common = [display_name(instance, o) for o in every if all(o in sizes for sizes in bought)]
    if not every:
        return "None of them buys anything."
    if not common:
        verb = "is" if len(every) == 1 else "are"
        return f"{plural(len(every), 'option')} {verb} bought in some of them, none in all."
    return f"Of {plural(len(every), 'option')} that any of them buys, all have {len(common)}: {list_names(common, 6)}."


@dataclass(frozen=True)
class StudyView:
    """View of a study on a page."""

    name: str  # of its command, as in `report --with`
    title: str  # its question
    link: str  # its name in the list of sections
    # Whether the search was stopped before its end, or a result is not proven for lack of time.
    is_stopped: Callable[[Any], bool]
    sentences: Callable[[Any], Sequence[str]]  # a few on its result; empty ones are possible
    # Progress of a study that was stopped; empty if it has no parts to count.
    reached: Callable[[Any], str] = lambda found: ""
    # Total cost of the plan that the study found itself; None if it found none.
    plan_cost: Callable[[Any], float | None] = lambda found: None
    facts: Callable[[Any], Iterable[tuple[str, str]]] = lambda found: ()  # labels and texts besides its frames
    notes: Callable[[Any], Iterable[str]] = lambda found: getattr(found, "notes", ())  # notes for the user
    instance: Callable[[Any], Instance] = attrgetter("instance")  # the instance that names its keys
    solves_anew: bool = False  # whether it is about plans that it finds itself for the instance, not the plan at hand


def _has_stopped(found: Alternatives | Discovery | Sensitivity) -> bool:
    return found.status == "stopped"


_VIEWS: Mapping[type, StudyView] = {
    Explanation: StudyView(
        "explain", "Why this plan, and what would change it?", "Why", lambda found: not found.is_complete,
        _explanation_sentences, _levers_reached, attrgetter("result.total_cost"),
        instance=lambda found: instance_of(found.result), solves_anew=True),
    AttackResult: StudyView(
        "attack", "What would an adversary do that knows the plan?", "Under attack",
        attrgetter("is_unproven"), _attack_sentences),
    Alternatives: StudyView(
        "alternatives", "What do all plans near the least cost have in common?", "Alternatives", _has_stopped,
        _alternatives_sentences, _sizes_reached, attrgetter("cheapest.total_cost"),
        instance=lambda found: instance_of(found.cheapest), solves_anew=True),
    Sensitivity: StudyView(
        "sensitivity", "Which uncertain numbers decide?", "What decides", _has_stopped,
        _sensitivity_sentences, _numbers_reached, attrgetter("base.cost"), solves_anew=True),
    Stress: StudyView(
        "stress", "Does the plan survive shocks that it was not made for?", "Sampled shocks", lambda found: False,
        _stress_sentences),
    Comparison: StudyView(
        "compare", "What does the plan become in other cases?", "Other cases",
        lambda found: not found.is_proven or not found.columns, _comparison_sentences, _cases_reached,
        instance=lambda found: next(iter(found.cases.values())), solves_anew=True),
    FuturesStudy: StudyView(
        "futures", "What is it worth to decide later, or to know earlier?", "Deciding later", attrgetter("stopped"),
        _futures_study_sentences, facts=worth_facts),
    CostShares: StudyView("share", "Who pays what of the joint plan?", "Who pays", attrgetter("stopped"),
        _cost_shares_sentences, facts=share_facts, solves_anew=True),
    Discovery: StudyView(
        "discover", "Under which conditions does the plan fail?", "Where it fails", _has_stopped,
        _discovery_sentences, _samples_reached, notes=discovery_notes),
}  # fmt: skip


def view_of(found: Any) -> StudyView:
    """Return the view of a study on a page.

    Raises:
        TypeError: `found` is not the result of a study.
    """
    if type(found) not in _VIEWS:
        known = ", ".join(each.__name__ for each in _VIEWS)
        raise TypeError(f"a study is needed, not {type(found).__name__}: one of {known}")
    return _VIEWS[type(found)]
