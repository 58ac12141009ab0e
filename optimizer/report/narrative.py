"""Sentences made from results: the answer, the facts behind it, and the proof of its figures."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from optimizer.audit import is_disputed
from optimizer.audit.accounts import EXPECTED_SHOCKS
from optimizer.disruptions.adversary import attack_budget_text
from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, has_floor, has_floors, rules_in_force, shock_note
from optimizer.instance.schema import Instance
from optimizer.report.format import (
    DASH,
    DEPENDENCE,
    abroad,
    all_of,
    band_words,
    committed_words,
    cost_with_gaps,
    dated_name,
    discounting,
    entry_title,
    full_name,
    in_percent,
    list_names,
    list_texts,
    outlay_words,
    percent,
    plural,
    price_proof,
    proof,
    share_text,
    shock_title,
    under_same_rules,
    with_shock_titles,
)
from optimizer.report.provenance import least_gap_words
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import DoNothing, Faced, Outcome
from optimizer.results.result import Result, by_gap, hardest_of, worst_at_each_start
from optimizer.results.saved import RULE_BROKEN
from optimizer.studies.cost_tolerance import GAP_SHARE, ProvenDifference, ToleranceBase
from optimizer.studies.purchases import sizes_bought, support_of_existing
from optimizer.studies.shocks import ShockRow, most_exposed, shock_rows, unserved_tonnes
from optimizer.tolerances import ROUNDING
from optimizer.units import si, signed_amount

# Most segments named in a shortage of the baseline, rules that a plan breaks, and shocks after the worst.
SHORT_SEGMENTS, MOST_RULES, OTHER_SHOCKS = 3, 3, 3
# Labels of the facts that name shocks.
NAMING = ("Worst shock", "Doing nothing", "Adversary")
# Label of the survival gap summed over shocks; the fact "Worst shock" has the gap of the worst shock alone.
GAP_OF_ALL, GAPS_PRICED = "Gap of all shocks", "with gaps at their price"
# What that sum is not.
NOT_A_GAP = "a measure for comparing plans, not a gap that can occur"
# Labels of the facts about gaps, which are not paid by anybody.
GAP_FACTS = ("Worst shock", GAP_OF_ALL)


def other_options(instance: Instance, other: Result, before: Result) -> str:
    """Describe the options that the plan `other` buys and `before` does not, and vice versa."""
    bought, bought_before = sizes_bought(other), sizes_bought(before)
    new = [display_name(instance, o) for o in bought if o not in bought_before]
    dropped = [display_name(instance, o) for o in bought_before if o not in bought]
    parts = [f"{word} {list_names(names)}" for word, names in (("with", new), ("without", dropped)) if names]
    return ", and ".join(parts) or "of other sizes"


def plan_headline(result: Result, instance: Instance | None = None) -> str:
    """Return the outcome in one line, after the name of a given plan; with an `instance`, shocks have its names."""
    outcome = outcome_headline(result, instance)
    return outcome if result.given is None else f"{result.given}: {outcome}"


def outcome_headline(result: Result, instance: Instance | None = None) -> str:
    """Return the outcome in one line, without the name of the plan."""
    faced, has_plan = result.adversary, bool(result.plan.builds or result.shocks) or result.baseline is not None
    outcome = _outcome_of_shocks(result, instance) if faced is None else _outcome_of_attacks(result, faced, instance)
    return headline_of_search(result, outcome if has_plan else "")


def headline_of_search(result: Result | FuturesResult, outcome: str) -> str:
    """Return the outcome of a plan, empty without one, with what is not proven or confirmed; or why there is none."""
    if result.status == "none":
        return f"NO PLAN EXISTS: {no_plan_words(result.clash)}, whatever is bought"
    if not outcome:
        return "STOPPED before any plan was found"
    headline = f"{'STOPPED before the proof. So far it ' * (result.status == 'stopped')}{outcome}"
    return f"NOT CONFIRMED by the audit: {headline}" if is_disputed(result.audit) else headline


def _outcome_of_shocks(result: Result, instance: Instance | None) -> str:
    """Return the outcome of a plan without an adversary."""
    failed, count = [outcome.name for outcome in result.shocks if outcome.fails], len(result.shocks)
    if not count:
        return f"The {'cheapest plan' if result.given is None else 'plan as given'}; the instance has no shocks"
    if not failed and instance is not None and not has_floors(instance):
        most = si(max(map(unserved_tonnes, result.shocks)), "t")
        return f"HAS NO FLOORS TO KEEP, so no shock can fail: up to {most} go unserved in one"
    if not failed:
        return f"SURVIVES {_survived_text(result)}"
    return f"FAILS in {len(failed):,} of {plural(count, 'shock')}: {worst_first(result, failed, instance)}"


def _survived_text(result: Result, others: Collection[str] = ()) -> str:
    """Return what a plan survives, `others` left out: ``all 3 shocks and 19 of 20 samples, 19 required``."""
    counts = [each for each in result.sample_counts if each.survived < each.samples]
    rest = sum(each.name not in others for each in result.shocks) - sum(each.samples for each in counts)
    listed = ["the one shock" if rest == 1 else all_of(rest, "shocks")] if rest else []
    return " and ".join([*listed, *(each.of_ensemble for each in counts)])


def survived_words(result: Result) -> str:
    """Return what a surviving plan survives: ``every shock``, or if some samples fail, how many have to be survived."""
    return _survived_text(result) if any(outcome.excused for outcome in result.shocks) else "every shock"


def worst_first(result: Result, failed: Sequence[str], instance: Instance | None = None) -> str:
    """Return the failed shocks: the worst with its own gap, as each is evaluated on its own, then others by gap."""
    gaps = {outcome.name: outcome.gap for outcome in result.shocks}
    ordered = [failed[i] for i in by_gap([gaps[name] for name in failed])]
    first, *rest = (name if instance is None else shock_title(instance, name) for name in ordered)
    text = f"{first}, a survival gap of {si(gaps[ordered[0]], result.money, 4)}" if gaps[ordered[0]] > 0 else first
    return f"{text}; also {list_names(rest, OTHER_SHOCKS)}" if rest else text


def _outcome_of_attacks(result: Result, faced: Faced, instance: Instance | None) -> str:
    """Return the outcome of a plan against an adversary."""
    own = [outcome for outcome in result.shocks if outcome.name not in faced.attacks]
    failed, means = [each.name for each in own if each.fails], attack_budget_text(faced.attack_budget, result.money)
    if faced.worst is None and not failed:
        attacks = "the attacks that were found" if result.status == "stopped" else f"every attack that {means} can buy"
        shocks = f"{_survived_text(result, faced.attacks)} and " if own else ""
        return f"SURVIVES {shocks}{attacks}"
    where = [f"{len(failed):,} of {plural(len(own), 'shock')}"] if failed else []
    broken = [each.name for each in worst_at_each_start(faced, result.shocks) if each.fails]
    where += [f"the worst attack that {means} can buy{' at each start' * (len(broken) > 1)}"] if broken else []
    counted = {*failed, *broken}
    names = [outcome.name for outcome in result.shocks if outcome.name in counted]
    rest = "" if broken or result.status == "stopped" else f"; no attack that {means} can buy breaks a floor"
    return f"FAILS in {' and '.join(where)}: {worst_first(result, names, instance)}{rest}"


def _adversary_text(result: Result, faced: Faced) -> str:
    """Describe the attacks that are shocks of the plan or deterred, and the worst attack that is left."""
    sets = "any set of targets that the adversary can afford"
    sets = sets if faced.sets is None else f"{plural(faced.sets, 'set')} of targets"
    shaped = f"{plural(len(faced.attacks), 'attack')} faced by the plan, of {sets} at {plural(faced.starts, 'start')}"
    if faced.deterred:
        margin = min(faced.costs.get(name, math.inf) for name in faced.deterred) - faced.attack_budget
        shaped += f"; {plural(len(faced.deterred), 'attack')} deterred, by {si(margin, result.money)} at least"
    if faced.worst is None:
        return f"{shaped}; none {'of the others ' if faced.deterred else ''}breaks a floor"
    gap = next(outcome.gap for outcome in result.shocks if outcome.name == faced.worst)
    return f"{shaped}; the worst that is left is {faced.worst}: {si(gap, result.money)}"


def facts(instance: Instance, result: Result) -> Iterator[tuple[str, str]]:
    """Yield the facts behind an answer, a label and a text each."""
    if result.status == "none":
        yield from contradiction(result.clash)
    if result.baseline is None:
        return
    if not result.survives:
        yield from _gap_facts(instance, result)
    if result.lacks:
        yield "Baseline shortage", _shortage_text(instance, result)
    yield from cost_facts(instance, result, cost_with_gaps(result))
    is_over = any(rule.startswith("policy.budget:") for rule in _broken_rules(result))
    yield "Outlay", outlay_words(instance, result, is_over=is_over)
    yield from band_words(instance, result.bands, (result.total_cost, result.outlay, result.survival_gap))
    yield from committed_words(instance, result.data)
    if (price := _price_of_survival(result)) is not None:
        yield "Price of survival" if result.survives else "Price of the plan", _price_text(result, price)
    if result.adversary is not None:
        yield "Adversary", _adversary_text(result, result.adversary)
    if result.nothing is not None:
        yield "Doing nothing", _do_nothing_text(instance, result, result.nothing)


def _broken_rules(result: Result) -> list[str]:
    """Return the rules that a given plan breaks, each with its place and how; the result's data lack these rules."""
    own = [note for note in result.notes if note.startswith(RULE_BROKEN)]
    return [note.removeprefix(RULE_BROKEN).removesuffix(".") for note in own] if result.given is not None else []


def broken_rules_note(result: Result) -> Iterator[str]:
    """Yield the sentence on the rules of the file that a given plan breaks; nothing if it keeps all rules."""
    if rules := _broken_rules(result):
        said = list_texts(rules, MOST_RULES, "rule")
        yield f"The plan breaks {plural(len(rules), 'rule')} of the file, not enforced here: {said}."


def cost_facts(instance: Instance, result: Result | FuturesResult, priced: float | None) -> Iterator[tuple[str, str]]:
    """Yield the total cost or another measure, and `priced`, its value with gaps at their price if that was minimised.

    Regret is measured from least costs with gaps at their price, so only its value with priced gaps is given.
    """
    label = "Total cost" if isinstance(result, Result) else result.measure[:1].upper() + result.measure[1:]
    terms, cost = money_terms(instance), si(result.total_cost, result.money, 4)
    if priced is None:
        yield label, f"{cost}, {terms} {proof(result)}"
        return
    price, with_gaps = instance.policy.gap_price, si(priced, result.money, 4)
    counts = f"a gap counts {'its shortage cost' if price == 1.0 else f'{price:g} times its shortage cost'}"
    if instance.policy.objective.kind == "regret":
        yield label, f"{with_gaps}, gaps at their price, {terms} {proof(result)}: {counts}"
        return
    yield label, f"{cost}, {terms}, before survival gaps at their price"
    at_most_one = "the cost plus the undiscounted gaps of all shocks, of which at most one occurs"
    yield "With gaps", f"{with_gaps}, which is minimised {proof(result)}: {at_most_one}; {counts}"


def money_terms(instance: Instance) -> str:
    """Return the terms of costs: date of the present value, currency and discount rate."""
    return f"present value at the start of {instance.horizon.start}, in {instance.currency}, {discounting(instance)}"


def no_plan_words(rules: Sequence[str]) -> str:
    """Return why no plan exists: the rules of the conflict contradict each other, or its only rule cannot be kept."""
    return "one rule cannot be kept" if len(rules) == 1 else "the rules contradict each other"


def contradiction(rules: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the rules of the conflict, a label and a text each, and the advice to relax one."""
    for i, rule in enumerate(rules or ("not named: the time ran out",)):
        yield ("Conflict (IIS)" if i == 0 else "", rule)
    takes = "No plan keeps this rule: relax it" if len(rules) == 1 else "No plan keeps them all: relax at least one"
    yield "What it takes", f"{takes}. There may be other conflicts."


def _price_of_survival(result: Result) -> float | None:
    """Return the price of survival of a plan that faces shocks or an adversary; None if it is unknown."""
    return result.price_of_survival if result.shocks or result.adversary else None


def _price_text(result: Result, price: float) -> str:
    """Describe the cost of a plan beyond the no-shock plan."""
    rules = under_same_rules(result.data)
    if price <= 0:
        return f"nothing: without shocks the same instance costs no less{rules}"
    amount, without = si(price, result.money, 4), si(result.calm_cost or 0.0, result.money, 4)
    of_it, proven = f" ({said})" if (said := _expected_words(result)) else "", price_proof(result, price)
    if result.survives:
        return f"{amount} of the total cost{of_it}{proven}; without shocks the same instance costs {without}{rules}"
    return f"{amount}{of_it} more than the {without} that the same instance costs without shocks{rules}{proven}"


def _expected_words(result: Result) -> str:
    """Return how much of the price of survival is the expected cost of the shocks; empty if nothing is."""
    expected, least = result.costs.get(EXPECTED_SHOCKS, 0.0), ROUNDING * abs(result.total_cost)
    return f"{si(expected, result.money, 4)} of it is the expected cost of the shocks" if expected > least else ""


def _gap_facts(instance: Instance, result: Result) -> Iterator[tuple[str, str]]:
    """Yield the facts about gaps, the worst shock first: shocks are alternatives, so their sum cannot occur."""
    yield "Worst shock", _worst_shock_text(instance, result)
    yield from ((f"Survived of {each.ensemble}", str(each)) for each in result.sample_counts)
    gap, proven = si(result.survival_gap, result.money, 4), least_gap_words(result)
    counted = _counted_shocks(result)
    if sum(each.gap > 0 for each in counted) > 1:
        below = si(sum(each.below_floor for outcome in counted for each in outcome.segments.values()), "t")
        over = f"summed over {len(counted):,} shocks, each on its own: {below} below the floors"
        yield GAP_OF_ALL, f"{gap} {over}; {NOT_A_GAP}{proven}"
    elif proven:
        yield GAP_OF_ALL, f"{gap}{proven}"


def _worst_shock_text(instance: Instance, result: Result) -> str:
    """Describe the worst shock, its gap, and the segment with the largest part of the gap."""
    worst = hardest_of(result.shocks)[0]
    d, service, exposed = most_exposed(worst)
    tonnes = sum(each.below_floor for each in worst.segments.values())
    served, floor = in_percent(service.worst_service, service.floor)
    gap = f"{si(worst.gap, result.money, 4)}, {si(tonnes, 't')} below the floors, valued at their shortage cost"
    part = f"the largest part of the gap, {percent(service.gap / worst.gap)}, in " if exposed > 1 else ""
    segment = f"{part}{display_name(instance, d)}{',' if exposed > 1 else ''}"
    text = f"{worst.name} ({windowed(worst.first, worst.last)}): a survival gap of {gap}; {segment} served {served} % "
    text += f"in {service.worst_period} against a floor of {floor} %"
    return ". ".join(filter(None, (text, shock_note(instance, worst.name))))


def _counted_shocks(result: Result) -> list[Outcome]:
    """Return all shocks but failed samples that may fail; of an adversary's attacks only the worst of each start."""
    faced, counted = result.adversary, [each for each in result.shocks if not each.excused]
    if faced is None:
        return counted
    worst = {each.name for each in worst_at_each_start(faced, result.shocks)}
    return [each for each in counted if each.name not in faced.attacks or each.name in worst]


def _shortage_text(instance: Instance, result: Result) -> str:
    """Describe the unserved demand in the baseline: a plan can survive every shock and serve too little before."""
    said = []
    for d, lack in sorted(result.lacks.items(), key=lambda item: -item[1].share):
        share, all_of_it = percent(lack.share), si(lack.unserved, "t")
        said.append(f"{display_name(instance, d)} up to {share} unserved ({lack.period}), {all_of_it} in all")
    why = "though no shock strikes: in the total cost, in no gap; serving it would cost more, "
    why += "is against a rule, or is not possible"
    return f"{list_texts(said, SHORT_SEGMENTS)}, {why}"


def _why_bought(instance: Instance, result: Result) -> str:
    """Explain purchases where every floor holds without them: leaving them out of a proven optimum costs more."""
    if rules := rules_in_force(instance):
        return f": what is bought lowers costs, or rules of the file ask for it ({', '.join(rules)})"
    if not result.plan.bought or result.given is not None or result.status != "survives":
        return ": nothing would have to be bought"
    return ", but costs more: what is bought lowers costs"


def _do_nothing_text(instance: Instance, result: Result, nothing: DoNothing) -> str:
    if not nothing.shocks_failed:
        kept = "survives as well" if has_floors(instance) else "cannot fail either"
        return f"{kept}{_why_bought(instance, result)}"
    text = f"fails in {nothing.shocks_failed:,} of {plural(len(result.shocks), 'shock')}"
    text += ", samples that may fail included" if result.sample_counts else ""
    if nothing.worst_shock is None or nothing.shocks_failed == 1:
        where = "" if nothing.worst_shock is None else f", {nothing.worst_shock}"
        below = si(nothing.below_floor, "t")
        return f"{text}{where}: a survival gap of {si(nothing.gap, result.money)}, {below} below the floors"
    return f"{text}, worst in {nothing.worst_shock}: a survival gap of {si(nothing.worst_gap, result.money)}"


# A difference is shown as its proven range if this is wider than the given share of the difference.
WIDE_RANGE = 0.5


def difference_text(
    difference: ProvenDifference, wide: float = WIDE_RANGE, write: Callable[[float], str] = signed_amount
) -> str:
    """Return a difference with its sign; a dash if no sign is proven, the proven range if it exceeds a share `wide`."""
    low, high, value = difference.low, difference.high, difference.value
    if not difference.is_proven:
        return DASH
    if not math.isfinite(high - low):
        near = low if low > 0 else high
        return f"{'>' if near > 0 else '<'} {write(near)}"
    if high - low <= wide * abs(value) or write(low) == write(high):
        return write(value)
    return f"{write(low)} to {write(high)}"


def tolerance_text(bases: Iterable[ToleranceBase], money: str) -> str:
    """Return the amount to which costs are proven: ``22M USD (2 % of the price of survival)``; empty without bases."""
    found = sorted(bases, key=lambda base: base.tolerance)
    if not found:
        return ""
    least, most, names = found[0], found[-1], dict.fromkeys(base_name(base).partition(",")[0] for base in found)
    several = f"by column {share_text(least.share)} of {' or of '.join(names)}"
    better = " or better" if least.tolerance < 0.99 * most.tolerance else ""
    return f"{si(most.tolerance, money)}{better} ({share_of_base(least) if len(names) == 1 else several})"


def share_of_base(base: ToleranceBase) -> str:
    """Return the share of a tolerance base in words."""
    return f"{share_text(base.share)} of {base_name(base)}"


def base_name(base: ToleranceBase | None) -> str:
    """Return the name of a tolerance base."""
    if base is not None and base.amount <= 0:
        return "the total cost, which is 0"
    if base is None or base.kind == "a thousandth of the total cost":
        return "a thousandth of the total cost, as the price of the plan is no more than that, or is not known"
    return f"the {base.kind}"


def gap_accuracy_text(share: float) -> str:
    """Return how exactly survival gaps are proven: ``0.5 % of the least``."""
    return f"{share_text(min(share, GAP_SHARE))} of the least"


# Most entries of shocks that are named; most shocks of a family that are listed, of more their number is given.
ENTRIES, FEW = 16, 6


def answer_sentence(instance: Instance, result: Result) -> str:
    """Return the sentence on what to buy, its cost, and whether floors hold."""
    if result.status == "none":
        return f"No plan exists for {instance.title}: {no_plan_words(result.clash)}, whatever is bought."
    if result.baseline is None:
        return f"No plan for {instance.title} was found before the search was stopped."
    price, said = _price_of_survival(result), [f"{_purchases_text(instance, result)}, {_floors_text(instance, result)}"]
    if price is not None and result.plan.bought:
        than = f"the cheapest plan of a world without shocks{under_same_rules(result.data)}"
        terms = [f"present value, {discounting(instance)}, {result.currency}", _expected_words(result)]
        more = f"{si(price, result.money)} more than {than} ({'; '.join(filter(None, terms))})"
        costs = f"in all, outlay included, the plan costs {more}"
        said.append(costs if price > 0 else f"the plan costs no more than {than}")
    text = f"{'; '.join(said)}."
    return f"Not proven, for the search was stopped: {text}" if result.status == "stopped" else text


def _purchases_text(instance: Instance, result: Result) -> str:
    """Describe the purchases and the outlay; price support of existing processes is part of the outlay."""
    paid = math.fsum(support_of_existing(instance, result).values())
    support = f"{si(paid, result.money)} of{{}} price support of existing processes" if paid else ""
    bought = dict.fromkeys(build.option for build in result.plan.builds)
    bought |= dict.fromkeys(o for o, row in result.plan.fills.items() if any(row))
    nouns = Counter(instance.options[o].labels.noun for o in bought)
    things = [plural(count, noun) for noun, count in nouns.items()]
    if not things:
        return f"With nothing bought{support and ' and ' + support.format('')}"
    of_it = support and f" ({support.format(' it')})"
    words = " and ".join(filter(None, (", ".join(things[:-1]), things[-1])))
    return f"With {words} for {si(result.outlay, result.money)} of outlay{of_it}"


def _floors_text(instance: Instance, result: Result) -> str:
    count = len(result.shocks)
    failed = [outcome for outcome in result.shocks if outcome.fails]
    if not count:
        return "demand is served at the least cost; the instance has no shocks"
    if not has_floors(instance):
        return "no shock has a survival floor, so none can fail"
    if not failed:
        return f"every survival floor holds in {_survived_text(result)}"
    worst = hardest_of(failed)[0]
    d, service, exposed = most_exposed(worst)
    served, floor = in_percent(service.worst_service, service.floor)
    part = f" in {exposed} segments, the largest part ({si(service.gap, result.money, 4)}) in {{}}, which"
    where = part if exposed > 1 else ", where {}"
    gap = f", with a survival gap of {si(worst.gap, result.money, 4)}" if worst.gap > 0 else ""
    worst_of = "; the worst is " if len(failed) > 1 else f"{',' if count > 1 else ''} in "
    return (
        f"survival floors fail in {len(failed):,} of {plural(count, 'shock')}{worst_of}"
        f"{dated_name(instance, instance.event(worst.name))}{gap}"
        f"{where.format(display_name(instance, d))} gets {served} % in {service.worst_period} "
        f"against a floor of {floor} %"
    )


def short_verdict(result: Result, instance: Instance | None = None) -> str:
    """Return the headline without names of shocks, which the page lists beside it, after the name of a given plan."""
    outcome, rules = outcome_headline(result, instance).partition(":")[0], _broken_rules(result)
    broken = f"; it breaks {plural(len(rules), 'rule')}" if rules else ""
    return outcome if result.given is None else f"{result.given}: {outcome}{broken}"


def under_budget(budget: float | None, money: str) -> str:
    """Return a budget as a phrase of a sentence."""
    return "without a budget" if budget is None else f"under a budget of {si(budget, money, 4)}"


def facts_under(instance: Instance, result: Result, counted_from: float | None) -> list[list[str]]:
    """Return the facts behind the answer, with the names of shocks in the file instead of their keys.

    `counted_from` is the budget of the no-shock plan from which the price counts, named if it is not the plan's own.
    """
    words = {event.name: full_name(instance, event) for event in instance.events}
    said = [
        [label, with_shock_titles(text, words) if label in NAMING else text] for label, text in facts(instance, result)
    ]
    is_other = instance.policy.budget != counted_from and result.calm_cost is not None
    of_another = f" {under_budget(counted_from, result.money)}" if is_other else ""
    tails = dict.fromkeys(("Price of survival", "Price of the plan"), of_another)
    # Most of the total cost is that of supply, which is paid without shocks as well.
    heads = {"Total cost": "Total cost, with all supply"}
    rules = [["Rules broken", note] for note in broken_rules_note(result)]
    return [*rules, *([heads.get(label, label), text + tails.get(label, "")] for label, text in said)]


def survived_entries(instance: Instance, result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the shocks whose floors all hold and those that fail, in words, with one text for each entry."""
    kept = [outcome.name for outcome in result.shocks if outcome.survives and has_floor(instance, [outcome.name])]
    failed = [outcome.name for outcome in hardest_of(result.shocks) if outcome.fails]
    return _group_shocks(instance, kept), _group_shocks(instance, failed)


def _group_shocks(instance: Instance, names: Sequence[str]) -> tuple[str, ...]:
    """Return shocks by entry, as tables fold them: a few of a family by their suffixes, more by their number."""
    rows = shock_rows(instance, [event.name for event in instance.events])
    places = {name: row for row in rows for name in row.shocks}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(places[name].shocks[0], []).append(name)
    said = [_row_words(instance, places[first], members) for first, members in groups.items()]
    return (*said[:ENTRIES], *([f"and {len(said) - ENTRIES} more"] if len(said) > ENTRIES else []))


def _row_words(instance: Instance, row: ShockRow, names: Sequence[str]) -> str:
    """Return a group as ``Full embargo (2028, 2029)``, ``Storms: 12 shocks``, or ``Storms: 3 of 12 shocks``."""
    title, which = zip(*(entry_title(instance, instance.event(name)) for name in names), strict=True)
    if not row.is_many:
        return full_name(instance, instance.event(row.name))
    if row.name not in instance.ensembles and len(names) <= FEW:
        return f"{title[0]} ({list_names(which, FEW)})"
    count, every = len(names), len(row.shocks)
    return f"{title[0]}: {plural(every, 'shock') if count == every else f'{count:,} of {plural(every, "shock")}'}"


def dependence_words(instance: Instance, result: Result) -> str:
    """Return how many commodities depend on one region abroad in the last year, by `DEPENDENCE`, and which."""
    last = {commodity: shares[-1] for commodity, shares in result.shares.items() if shares and shares[-1].regions}
    foreign = {c: abroad(instance, share.regions) for c, share in last.items()}
    over = [commodity for commodity, parts in foreign.items() if max(parts.values(), default=0.0) > DEPENDENCE]
    which = f" ({list_names([display_name(instance, commodity) for commodity in over], 8)})" if over else ""
    return f"{len(over)} of {len(last)} {'commodity' if len(last) == 1 else 'commodities'}{which}"
