"""How a plan under attack looks: the answer first, the attacks that shaped it, the worst that is left, every start."""

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.format import adversary_words, beside, plural
from optimizer.report.narrative import changed, headline, proof
from optimizer.report.screen import Screen
from optimizer.report.tables.plan import STYLES, builds, stocks
from optimizer.report.tables.render import table
from optimizer.studies.attack import AttackDamage, AttackResult
from optimizer.studies.withstand import LeastOutlay
from optimizer.tolerances import FINEST_SHARE
from optimizer.units import si, si_down, si_up

MOST = 24


def show_attack(found: AttackResult, console: Console | None = None) -> None:
    """Print a plan under attack to stdout, or to the console given."""
    console = console or Screen()
    for i, part in enumerate(parts(found, console.width)):
        if i:
            console.print()
        console.print(part)


def parts(found: AttackResult, width: int) -> list[RenderableType]:
    """What is printed, in order, for a terminal so wide."""
    instance, result = found.instance, found.result
    shown: list[RenderableType | None] = [_answer(found)]
    if result.baseline is not None:
        shown += [_shaping(found), _segments(found), _starts(found)]
        if not found.is_given:
            shown += [builds(instance, result, width) or Text("Plan: nothing is bought.", style="bold")]
            shown += [stocks(instance, result, width)]
    shown += [Text(f"Note: {note}") for note in (*found.notes, *_of_result(found))]
    return [part for part in shown if part is not None]


def _of_result(found: AttackResult) -> Iterator[str]:
    if not found.is_given:
        yield from (note for note in found.result.notes if note not in found.notes)
    if found.is_given:
        yield "The plan was given: its listed shocks were not looked at again."
    if found.stopped:
        yield "Stopped before everything was asked: what is missing above is not known."


def _answer(found: AttackResult) -> Panel:
    grid = Table.grid(padding=(0, 2), expand=False)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, text in _lines(found):
        grid.add_row(label, text)
    style = STYLES["stopped" if found.is_unproven else "survives" if found.survives else "gap"]
    body = Group(Text(_headline(found), style=f"bold {style}"), "", grid)
    title = Text(f"{found.instance.title} under attack", style="bold")
    return Panel(body, title=title, title_align="left", border_style=style, expand=True)


def _headline(found: AttackResult) -> str:
    if not found.is_given:
        return headline(found.result)
    means = si(_means(found), found.instance.money)
    if found.stopped:
        return "STOPPED before every attack was looked at"
    if found.worst is not None and found.worst.breaks:
        return f"BROKEN by attacks that {means} can buy"
    return f"HOLDS against every attack that {means} can buy"


def _means(found: AttackResult) -> float:
    assert found.instance.adversary is not None
    return found.instance.adversary.attack_budget


def _lines(found: AttackResult) -> Iterator[tuple[str, str]]:
    result, money, adversary = found.result, found.instance.money, found.instance.adversary
    assert adversary is not None
    if result.baseline is None:
        return
    if not found.is_given:
        yield "Total cost", f"{si(result.total_cost, money, 4)}, present value {proof(result)}"
        yield "Outlay", f"{si(result.outlay, money, 4)}, undiscounted"
    if found.least is not None:
        yield "Least outlay", _least(found.least, found.instance)
    yield "Adversary", adversary_words(found.instance)
    yield "Worst attack", _worst(found)
    yield "Breaks at", _breaking(found)
    if found.unaware is not None:
        yield "Unaware", _unaware(found)


def _least(least: LeastOutlay, instance: Instance) -> str:
    """What surviving the listed shocks and the adversary takes at least."""
    if least.status == "none":
        return "no outlay is enough: whatever is spent, some floor fails in some shock or attack"
    bound = f"no plan survives for less than {si_down(least.bound or 0.0, instance.money, 6)}"
    if least.outlay is None:
        return f"not known: the search was stopped; {bound}"
    proven = f"proven: {bound}" if least.status == "optimal" else f"not proven; {bound}"
    return f"{si_up(least.outlay, instance.money, 6)} survives every shock and attack ({proven})"


def _worst(found: AttackResult) -> str:
    worst, money = found.worst, found.instance.money
    if worst is None and found.sets is None:
        return "none that the adversary can afford breaks a floor"
    if worst is None:
        return "not known" if found.stopped else "nothing that the adversary can afford leaves any segment short"
    if worst.breaks:
        below = sum(harm.below_floor for harm in worst.segments.values())
        return f"{_called(found, worst)}: {si(below, 't')} below the floors, {si(worst.gap, money)}"
    unserved = sum(harm.unserved for harm in worst.segments.values())
    what = f"{si(unserved, 't')} unserved above the floors, {si(worst.damage, money)} at shortage cost"
    return f"no floor breaks; most is left unserved by {_called(found, worst)}: {what}"


def _breaking(found: AttackResult) -> str:
    breaking, money = found.breaking, found.instance.money
    if breaking is None and found.stopped:
        return "not known"
    if breaking is None:
        return "no attack budget: with all targets struck at once every floor holds"
    below = sum(harm.below_floor for harm in breaking.segments.values())
    what = (
        f"the least attack budget that breaks the plan: {_targets(found.instance, breaking)} from {breaking.first} on"
    )
    return f"{si(breaking.price, money, 4)}, {what}, {si(below, 't')} below the floors, {si(breaking.gap, money)}"


def _unaware(found: AttackResult) -> str:
    unaware, money = found.unaware, found.instance.money
    assert unaware is not None
    is_known = unaware.difference.high <= 2.0 * FINEST_SHARE * abs(unaware.cost)
    saves = "costs no less" if is_known else "costs no less that is proven"
    if unaware.difference.low > 0:
        saves = f"costs {changed(unaware.difference).replace('+', '')} {money} less"
    if unaware.worst is None:
        return f"the plan for the listed shocks alone {saves}, and holds against every attack as well"
    below = sum(harm.below_floor for harm in unaware.worst.segments.values())
    hurt = f"leaves it {si(below, 't')} below the floors, {si(unaware.worst.gap, money)}"
    return f"the plan for the listed shocks alone {saves}; {_called(found, unaware.worst)} {hurt}"


def _called(found: AttackResult, blow: AttackDamage) -> str:
    return f"{_struck(found, blow)}, for {si(blow.price, found.instance.money)}"


def _struck(found: AttackResult, blow: AttackDamage) -> str:
    return f"{_targets(found.instance, blow)} from {blow.first} on"


def _targets(instance: Instance, blow: AttackDamage) -> str:
    assert instance.adversary is not None
    targets = instance.adversary.targets
    return " + ".join(targets[name].name or name for name in blow.targets) or "nothing struck"


def _window(blow: AttackDamage) -> str:
    return windowed(blow.first, blow.last, "–")


def _shaping(found: AttackResult) -> Table | None:
    if not found.shaping:
        return None
    money, shown = (
        found.instance.money,
        table("Attacks that shaped the plan", caption=_cut_off(found.shaping), expand=True),
    )
    shown.add_column("Targets", overflow="fold", ratio=1)
    shown.add_column("Window", no_wrap=True)
    shown.add_column(f"Price\n{money}", justify="right", no_wrap=True)
    shown.add_column(f"Nothing built\n{money}", justify="right", no_wrap=True)
    shown.add_column(f"With the plan\n{money}", justify="right", no_wrap=True)
    for each in found.shaping[:MOST]:
        blow = each.with_plan
        left = Text(si(blow.gap), style="bold red" if blow.breaks else "green")
        shown.add_row(_targets(found.instance, blow), _window(blow), si(blow.price), si(each.without.gap), left)
    return shown


def _cut_off(rows: Sequence[object]) -> str:
    said = "What each leaves below the floors, at shortage cost: with nothing built, and with the plan."
    return said + (f"\n{plural(len(rows) - MOST, 'more')} do less harm." if len(rows) > MOST else "")


def _segments(found: AttackResult) -> Table | None:
    worst, money = found.worst, found.instance.money
    if worst is None or not worst.segments:
        return None
    caption = "Over the window; served: in the weakest period, % of demand. Segments served in full: not shown."
    shown = table(f"The worst attack that the adversary can afford, {_window(worst)}", caption=caption)
    shown.add_column("Segment", overflow="fold")
    shown.add_column("Served/floor", justify="right", no_wrap=True)
    shown.add_column("Unserved\nt", justify="right", no_wrap=True)
    shown.add_column("Below floor\nt", justify="right", no_wrap=True)
    shown.add_column(f"Damage\n{money}", justify="right", no_wrap=True)
    for d, harm in worst.segments.items():
        style = "bold red" if harm.below_floor > 0 else ""
        served = beside(harm.service, harm.floor)
        cells = (display_name(found.instance, d), served, si(harm.unserved), si(harm.below_floor), si(harm.damage))
        shown.add_row(*(Text(cell) for cell in cells), style=style)
    return shown


def _starts(found: AttackResult) -> Table | None:
    if len(found.starts) < 2:
        return None
    money = found.instance.money
    caption = "Worst: of what the adversary can afford, what leaves most below the floors. "
    caption += "Breaks at: the least attack budget that does."
    shown = table("Every start", caption=caption, expand=True)
    shown.add_column("Start", no_wrap=True)
    shown.add_column("Worst attack", overflow="fold", ratio=1)
    shown.add_column(f"Gap\n{money}", justify="right", no_wrap=True)
    shown.add_column(f"Breaks at\n{money}", justify="right", no_wrap=True)
    shown.add_column("By striking", overflow="fold", ratio=1)
    for each in found.starts:
        worst, least = each.worst, each.cheapest
        shown.add_row(
            each.start,
            _none(found, "none breaks a floor") if worst is None else _targets(found.instance, worst),
            Text(si(worst.gap), style="bold red") if worst is not None else _none(found, "0"),
            _none(found, "never") if least is None else si(least.price),
            "–" if least is None else _targets(found.instance, least),
        )
    return shown


def _none(found: AttackResult, what: str) -> str:
    """Where nothing was found, which means something only if the time did not run out."""
    return "not known" if found.stopped else what
