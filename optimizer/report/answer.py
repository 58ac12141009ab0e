"""The answer first: one panel."""

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from optimizer.horizon import windowed
from optimizer.instance.schema import Instance
from optimizer.report.services import in_percent
from optimizer.report.words import called, listed, named, percent, plural, spelled
from optimizer.results.plan import Faced
from optimizer.results.ranking import by_gap, hardest_of
from optimizer.results.result import Result
from optimizer.units import short, si

# Further from the least than this share, a proof says nothing.
FAR = 0.5
# Nearer to it than this share, no reader can tell the two apart.
NEAR = 1e-5
# So many segments are named that go short in the baseline.
MOST = 3
# So many shocks are named behind the worst.
OTHERS = 3
# The facts that name shocks.
NAMING = ("Worst shock", "Doing nothing", "Adversary")
STYLES = {"survives": "green", "gap": "red", "stopped": "yellow", "none": "red"}


def answer(instance: Instance, result: Result) -> Panel:
    """Survives or not, what it costs, and what doing nothing would mean."""
    grid = Table.grid(padding=(0, 2), expand=False)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    told = list(facts(instance, result))
    mentioned = " ".join(text for label, text in told if label in NAMING)
    words = {event.name: called(instance, event.name) for event in instance.events if event.name in mentioned}
    for label, text in told:
        grid.add_row(label, spelled(text, words) if label in NAMING else text)
    style = STYLES[result.status]
    body = Group(Text(headline(result, instance), style=f"bold {style}"), "", grid)
    return Panel(body, title=Text(result.instance, style="bold"), title_align="left", border_style=style, expand=True)


def headline(result: Result, instance: Instance | None = None) -> str:
    """The verdict in one line; shocks are called what the file calls them where there is an `instance`."""
    failed = [outcome.name for outcome in result.shocks if not outcome.survives]
    count = len(result.shocks)
    if result.status == "none":
        return "NO PLAN EXISTS: the rules contradict each other, whatever is bought"
    if not result.plan.builds and not result.shocks and result.baseline is None:
        return "STOPPED before any plan was found"
    if result.adversary is not None:
        verdict = _against(result, result.adversary, instance)
    elif not count:
        verdict = "The cheapest plan; the instance has no shocks"
    elif not failed:
        verdict = "SURVIVES the one shock" if count == 1 else f"SURVIVES all {count} shocks"
    else:
        verdict = f"FAILS in {len(failed)} of {plural(count, 'shock')}: {worst_first(result, failed, instance)}"
    return f"STOPPED before the proof. So far it {verdict}" if result.status == "stopped" else verdict


def worst_first(result: Result, failed: Sequence[str], instance: Instance | None = None) -> str:
    """Shocks that fail: the worst with its gap, for one shock strikes at a time; then the others by their gaps."""
    gaps = {outcome.name: outcome.gap for outcome in result.shocks}
    worst, *others = [failed[i] for i in by_gap([gaps[name] for name in failed])]
    first, *rest = (name if instance is None else called(instance, name) for name in (worst, *others))
    text = f"{first}, a gap of {si(gaps[worst], result.money)}" if gaps[worst] > 0 else first
    return f"{text}; then {listed(rest, OTHERS)}" if rest else text


def _against(result: Result, faced: Faced, instance: Instance | None) -> str:
    """The verdict where attacks are among the shocks."""
    own = [outcome for outcome in result.shocks if outcome.name not in faced.attacks]
    failed = [outcome.name for outcome in own if not outcome.survives]
    shocks = f"all {len(own)} shocks" if len(own) > 1 else "the one shock"
    means = si(faced.attack_budget, result.money)
    if faced.worst is None and not failed:
        attacks = "the attacks that were found" if result.status == "stopped" else f"every attack that {means} can buy"
        return f"SURVIVES {f'{shocks} and ' if own else ''}{attacks}"
    listed_ones = f"{len(failed)} of {plural(len(own), 'shock')}" if failed else ""
    attack = f"the worst attack that {means} can buy" if faced.worst is not None else ""
    counted = {*failed, faced.worst}
    named_ones = [outcome.name for outcome in result.shocks if outcome.name in counted]
    where = " and ".join(part for part in (listed_ones, attack) if part)
    return f"FAILS in {where}: {worst_first(result, named_ones, instance)}"


def _adversary(result: Result, faced: Faced) -> str:
    """What was looked at, and what is left."""
    sets = (
        f"{plural(faced.sets, 'set')} of targets"
        if faced.sets is not None
        else "any set of targets that the adversary can afford"
    )
    shaped = f"{plural(len(faced.attacks), 'attack')} shaped the plan, of {sets} at {plural(faced.starts, 'start')}"
    if faced.worst is None:
        return f"{shaped}; none of them breaks a floor"
    return f"{shaped}; the worst that is left is {faced.worst}: {si(faced.gap, result.money)}"


def facts(instance: Instance, result: Result) -> Iterator[tuple[str, str]]:
    """What an answer rests on: a label and a text each."""
    money = result.money
    if result.status == "none":
        for i, rule in enumerate(result.clash or ("not named: the time ran out",)):
            yield ("Rules that clash" if i == 0 else "", rule)
        yield "What it takes", "These cannot hold together: at least one has to give. Others may clash beside them."
        return
    if result.baseline is None:
        return
    if not result.survives:
        yield from _failing(instance, result)
    if result.lacks:
        yield "In the baseline", _in_baseline(instance, result)
    when = f"present value at the start of {instance.horizon.start}, in {result.currency}"
    yield "Total cost", f"{si(result.total_cost, money, 4)}, {when} {proof(result)}"
    yield "Outlay", _outlay(instance, result)
    price = result.price_of_survival
    label = "Price of survival" if result.survives else "Price of the plan"
    if price is not None and result.shocks and price <= 1e-9 * abs(result.total_cost):
        yield label, "nothing: without shocks the same instance costs no less"
    elif price is not None and result.shocks:
        what = "of all this; without shocks the same instance costs" if result.survives else "more than the"
        tail = f"{what} {si(result.calm_cost or 0.0, money, 4)}" if result.survives else (
            f"{what} {si(result.calm_cost or 0.0, money, 4)} that the same instance costs without shocks"
        )  # fmt: skip
        yield label, f"{si(price, money, 4)} {tail}"
    if result.adversary is not None:
        yield "Adversary", _adversary(result, result.adversary)
    if result.nothing is not None:
        yield "Doing nothing", _doing_nothing(result)


def proof(result: Result) -> str:
    """How near to the least its cost is known to be."""
    if result.bound is None or result.mip_gap is None:
        return "(not proven: no bound is known)"
    if result.mip_gap < NEAR:
        return "(proven least)"
    if result.mip_gap > FAR:
        return "(not proven to be near the least)"
    return f"(proven within {short(100 * result.mip_gap, 2)} % of the least)"


def _outlay(instance: Instance, result: Result) -> str:
    budget = instance.policy.budget
    spent = si(result.outlay, result.money, 4)
    if budget is None:
        return f"{spent}, undiscounted; no budget is set"
    used = f", {percent(result.outlay / budget)} of it" if budget > 0 else ""
    return f"{spent}, undiscounted, under a budget of {si(budget, result.money, 4)}{used}"


def _failing(instance: Instance, result: Result) -> Iterator[tuple[str, str]]:
    """The worst shock first: the sum over all of them is one of alternatives."""
    money, faced = result.money, result.adversary
    worst = hardest_of(result.shocks)[0]
    d, service = max(worst.segments.items(), key=lambda item: item[1].gap)
    tonnes = sum(each.below_floor for each in worst.segments.values())
    served, floor = in_percent(service.worst_service, service.floor)
    gap = f"a gap of {si(worst.gap, money, 4)}, {si(tonnes, 't')} below the floors at their shortage cost"
    others = sum(each.gap > 0 for each in worst.segments.values()) > 1
    most = f"most of it {named(instance, d)}," if others else named(instance, d)
    yield (
        "Worst shock",
        f"{worst.name} ({windowed(worst.first, worst.last)}): {gap}; {most} served "
        f"{served} % in {service.worst_period} against a floor of {floor} %",
    )
    counted = [
        each for each in result.shocks if not faced or each.name not in faced.attacks or each.name == faced.worst
    ]
    known = result.gap_bound is not None and result.gap_bound > 0
    proven = f"proven: no plan leaves less than {si(result.gap_bound or 0.0, money, 4)}" if known else ""
    if sum(each.gap > 0 for each in counted) > 1:
        below = sum(each.below_floor for outcome in counted for each in outcome.segments.values())
        over = f"summed over {len(counted):,} shocks, of which one strikes at a time: {si(below, 't')} below the floors"
        yield "Survival gap", f"{si(result.survival_gap, money, 4)} {over}{f'; {proven}' if proven else ''}"
    elif proven:
        yield "Survival gap", f"{si(result.survival_gap, money, 4)}; {proven}"


def _in_baseline(instance: Instance, result: Result) -> str:
    """What goes unserved though nothing happens: a plan can survive every shock by serving nobody before."""
    ordered = sorted(result.lacks.items(), key=lambda item: -item[1].share)
    said = []
    for d, lack in ordered:
        share, all_of_it = percent(lack.share), si(lack.unserved, "t")
        said.append(f"{named(instance, d)} goes up to {share} unserved ({lack.period}), {all_of_it} in all")
    why = "to go short is cheaper than to serve it, a rule forbids it, or there is no more to be had"
    # Names of segments may hold commas.
    more = f"; and {len(said) - MOST} more" if len(said) > MOST else ""
    return f"{'; '.join(said[:MOST])}{more}: {why}"


def _doing_nothing(result: Result) -> str:
    nothing = result.nothing
    assert nothing is not None
    if not nothing.shocks_failed:
        return "survives as well: nothing would have to be bought"
    text = f"fails in {nothing.shocks_failed:,} of {plural(len(result.shocks), 'shock')}"
    below = f"{si(nothing.below_floor, 't')} below the floors"
    if nothing.worst_shock is None or nothing.shocks_failed == 1:
        where = "" if nothing.worst_shock is None else f", {nothing.worst_shock}"
        return f"{text}{where}: a gap of {si(nothing.gap, result.money)}, {below}"
    worst = f"worst in {nothing.worst_shock}: a gap of {si(nothing.worst_gap, result.money)}"
    return f"{text}, {worst}; summed over all {si(nothing.gap, result.money)}, {below}"
