"""Tables of a plan under attack: the answer, the attacks that shaped the plan, the worst attack, every start."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from optimizer.disruptions.adversary import attack_budget_text
from optimizer.horizon import windowed
from optimizer.instance.derived import but_samples
from optimizer.instance.schema import Instance
from optimizer.report.format import cost_with_gaps, left_out, months_text, plural, served_over_floor, with_shock_titles
from optimizer.report.narrative import cost_facts, difference_text, plan_headline
from optimizer.report.tables.budgets import no_outlay_words
from optimizer.report.tables.plan import STYLES, answer_panel, builds_table, stocks_table
from optimizer.report.tables.render import CellRenderer, closing_lines, screen_table
from optimizer.results.frames import FrameRow
from optimizer.studies.attack_result import AttackDamage, AttackResult, LeastOutlay, target_names
from optimizer.tolerances import FINEST_SHARE
from optimizer.units import si, si_down, si_up

# The most attacks that a table shows.
MOST_ATTACKS = 24
# Affordable sets of targets are counted up to this number.
MOST_SETS = 1000


def attack_parts(found: AttackResult, width: int) -> list[RenderableType]:
    """Return the parts of the printed answer in order, for a terminal of the given width."""
    instance, result = found.instance, found.result
    shown: list[RenderableType | None] = [_answer_panel(found)]
    if result.baseline is not None:
        shown += [
            _first_attacks(found, "shaping", with_plan=_gap_cell),
            _first_attacks(found, "deterred"),
            _segments_table(found),
            _starts_table(found),
        ]
        if not found.is_given:
            shown += [builds_table(instance, result, width) or Text("Plan: nothing is bought.", style="bold")]
            shown += [stocks_table(instance, result, width)]
    more = ["The plan was given: its listed shocks were not evaluated again."]
    more = more if found.is_given else [note for note in result.notes if note not in found.notes]
    shown += closing_lines((*found.notes, *more), stopped=found.stopped)
    return [part for part in shown if part is not None]


def _answer_panel(found: AttackResult) -> Panel:
    fails = not found.survives or (found.is_given and _failed_listed(found))
    style = STYLES["stopped" if found.is_unproven else "gap" if fails else "survives"]
    return answer_panel(f"{found.instance.title} under attack", _headline(found), list(_facts(found)), style)


def _headline(found: AttackResult) -> str:
    if not found.is_given:
        titles = {each.with_plan.name: _attack_text(found, each.with_plan) for each in found.shaping}
        return with_shock_titles(plan_headline(found.result, found.instance), titles)
    budget = attack_budget_text(found.adversary.attack_budget, found.instance.money)
    fails = _failed_listed(found)
    if found.attacks_stopped:
        return "STOPPED before every attack was evaluated"
    if found.worst is not None and found.worst.breaks:
        return f"BROKEN by attacks that {budget} can buy{f', and {fails}' if fails else ''}"
    if fails:
        return f"{fails}, though no attack that {budget} can buy breaks a floor"
    return f"HOLDS against every attack that {budget} can buy"


def _failed_listed(found: AttackResult) -> str:
    """Return in how many of its listed shocks a given plan fails, from its result; empty if in none."""
    shocks = found.result.shocks
    failed = sum(outcome.fails for outcome in shocks)
    return f"FAILS in {failed:,} of its own {plural(len(shocks), 'shock')}" if failed else ""


def _facts(found: AttackResult) -> Iterator[tuple[str, str]]:
    result, money, adversary = found.result, found.instance.money, found.adversary
    if result.baseline is None:
        return
    if not found.is_given:
        yield from cost_facts(found.instance, result, cost_with_gaps(result))
        yield "Outlay", f"{si(result.outlay, money, 4)}, undiscounted"
    if found.least is not None:
        yield "Least outlay", _least_outlay_text(found.least, found.instance)
    yield "Adversary", adversary_words(found.instance)
    if adversary.deterrents:
        yield "Deterred", _deterred_text(found)
    yield "Worst attack", worst_attack_text(found)
    yield "Breaks at", breaking_attack_text(found)
    if found.unaware is not None:
        yield "Unaware plan", _unaware_plan_text(found)


def adversary_words(instance: Instance) -> str:
    """Describe the adversary's attack budget, its maximal affordable sets of targets, and when it can attack."""
    adversary, horizon = instance.adversary, instance.horizon
    assert adversary is not None
    budget = attack_budget_text(adversary.attack_budget, instance.money)
    targets = plural(len(adversary.targets), "target")
    # Where no target can be afforded, the empty set is the only maximal one.
    found = sum(1 for targets in islice(adversary.each_maximal(), MOST_SETS + 1) if targets)
    sets = f"more than {MOST_SETS:,} maximal sets" if found > MOST_SETS else plural(found, "maximal set")
    if not found:
        return f"{budget} to spend on {targets}, none of which it can afford"
    starts = [horizon.label(t) for t in adversary.starts.periods(horizon)]
    when = f"from {starts[0]} on" if len(starts) == 1 else f"from one of {len(starts)} starts on"
    undeterred, months = " before deterrence" if adversary.deterrents else "", months_text(adversary.months)
    return f"{budget} to spend on {targets}: {sets} that it can afford{undeterred}, for {months} {when}"


def _least_outlay_text(least: LeastOutlay, instance: Instance) -> str:
    """Describe the least outlay that survives the listed shocks and every affordable attack, and its proven bound."""
    has_shocks = bool(instance.events or instance.rule_paths)
    if least.status == "none":
        return no_outlay_words(instance, f"{'shock or ' * has_shocks}affordable attack")
    bound = f"no plan survives for less than {si_down(least.bound or 0.0, instance.money, 6)}"
    if least.outlay is None:
        return f"not known: the search was stopped; {bound}"
    proven = f" (proven: {bound})" if least.status == "optimal" else f" (not proven; {bound})"
    every = f"every {'shock and ' * has_shocks}affordable attack{but_samples(instance)}"
    return f"{si_up(least.outlay, instance.money, 6)} is enough to survive {every}{proven * (least.outlay > 0)}"


def _deterred_text(found: AttackResult) -> str:
    """Describe how many attacks of the table the plan's leverage makes too expensive, and the cheapest of them."""
    if not found.deterred:
        fails = found.worst is not None and found.worst.breaks
        none = f"none: the plan {'fails in some attack' if fails else 'withstands every attack'} that can be afforded"
        return "not known" if found.attacks_stopped else none
    nearest, money = min(found.deterred, key=lambda each: each.cost), found.instance.money
    breaking, count = sum(each.breaks for each in found.deterred), len(found.deterred)
    which = " that would break a floor" if breaking == count else f", {breaking or 'none'} of which would break a floor"
    nearest_text = f"{_attack_text(found, nearest)}, at a cost of {si_up(nearest.cost, money, 6)} to the adversary"
    # Only maximal sets of targets are listed: a subset may be deterred as well, at a lower cost.
    return f"{plural(count, 'attack')} of the table below{which}; the cheapest is {nearest_text}"


def worst_attack_text(found: AttackResult) -> str:
    """Describe the worst attack that the adversary can afford, and the demand that it leaves unserved."""
    worst, money = found.worst, found.instance.money
    if worst is None and found.attacks_stopped:
        return "not known"
    if worst is None and found.sets is None:
        return "none that the adversary can afford breaks a floor"
    if worst is None:
        return "nothing that the adversary can afford leaves any segment short"
    if worst.breaks:
        return f"{_attack_and_price(found, worst)}: {_gap_text(found, worst)}"
    unserved = sum(impact.unserved for impact in worst.segments.values())
    what = f"{si(unserved, 't')} unserved above the floors, {si(worst.damage, money)} at shortage cost"
    return f"no floor breaks; the largest loss is by {_attack_and_price(found, worst)}: {what}"


def breaking_attack_text(found: AttackResult) -> str:
    """Describe the least attack budget that breaks the plan, and the attack."""
    breaking = found.breaking
    if breaking is None and found.attacks_stopped:
        return "not known"
    if breaking is None:
        return "no attack budget: with all targets struck at once every floor holds"
    what = f"the least attack budget that breaks the plan: {_attack_text(found, breaking)}"
    # Rounded up: rounded down, it would read as an attack budget that the plan survives.
    least = si_up(found.least_attack_budget(breaking) or 0.0, found.instance.money, 6)
    return f"{'at most ' * found.attacks_stopped}{least}, {what}, {_gap_text(found, breaking)}"


def _unaware_plan_text(found: AttackResult) -> str:
    unaware = found.unaware
    assert unaware is not None
    is_known = unaware.difference.high <= 2.0 * FINEST_SHARE * abs(unaware.cost)
    saves = "costs no less" if is_known else "is not proven to cost less"
    if unaware.difference.low > 0:
        saves = f"costs {difference_text(unaware.difference).replace('+', '')} {found.instance.money} less"
    if unaware.worst is None:
        return f"the plan for the listed shocks alone {saves}, and holds against every attack as well"
    worst = f"{_attack_and_price(found, unaware.worst)} leaves it {_gap_text(found, unaware.worst)}"
    return f"the plan for the listed shocks alone {saves}; {worst}"


def _gap_text(found: AttackResult, attack: AttackDamage) -> str:
    below = sum(impact.below_floor for impact in attack.segments.values())
    return f"{si(below, 't')} below the floors, {si(attack.gap, found.instance.money)}"


def _attack_and_price(found: AttackResult, attack: AttackDamage) -> str:
    return f"{_attack_text(found, attack)}, for {si(attack.cost, found.instance.money)}"


def _attack_text(found: AttackResult, attack: AttackDamage) -> str:
    return f"{target_names(found, attack)} from {attack.first} on"


def _first_attacks(found: AttackResult, name: str, **cells: CellRenderer) -> Table | None:
    """Return the table of the most damaging attacks in a frame; None if the frame is empty."""
    frame = found.frames.frame(name)
    if not len(frame):
        return None
    others = len(frame) - MOST_ATTACKS
    note = frame.whole_note + (f"\n{left_out(others, 'attack')}" if others > 0 else "")
    return screen_table(found.instance, frame.first(MOST_ATTACKS), caption=note, cells=cells, expand=True)


def _gap_cell(row: FrameRow) -> Text:
    return Text(si(row["with_plan"]), style="bold red" if row["breaks"] else "green")


def _segments_table(found: AttackResult) -> Table | None:
    worst = found.worst
    if worst is None or not worst.segments:
        return None
    return screen_table(
        found.instance,
        found.frames.frame("segments"),
        title=f"The worst attack that the adversary can afford, {windowed(worst.first, worst.last, '–')}",
        cells={"service": lambda row: served_over_floor(row["service"], row["floor"])},
        style=lambda row: "bold red" if row["below_floor"] > 0 else "",
    )


def _starts_table(found: AttackResult) -> Table | None:
    if len(found.starts) < 2:
        return None

    def cell(name: str, none: str, style: str = "", figure: Callable[[Any], str] = str) -> CellRenderer:
        """Return a writer of cells; a missing value reads `none`, or "not known" if the time ran out before."""
        missing = "not known" if found.attacks_stopped else none

        def write(row: FrameRow) -> str | Text:
            value = row[name]
            return missing if value is None else Text(figure(value), style=style)

        return write

    return screen_table(
        found.instance,
        found.frames.frame("starts"),
        cells={
            "worst": cell("worst", "none breaks a floor"),
            "gap": cell("gap", "0", "bold red", si),
            "breaks_at": cell("breaks_at", "never", figure=partial(si_up, digits=6)),
        },
        wide={"worst": 1, "by": 1},
        expand=True,
    )
