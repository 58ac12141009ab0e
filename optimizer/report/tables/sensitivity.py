"""Tables of sensitivity: tornado, switching values and importance."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import but_samples, display_name, is_disrupted
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.report.format import DASH, between, list_names, number_name, percent, plural, share_text, uncertain_text
from optimizer.report.narrative import GAPS_PRICED, difference_text, gap_accuracy_text, tolerance_text
from optimizer.report.tables.render import closing_lines, cross_table, screen_table
from optimizer.studies.sensitivity_result import (
    Importance,
    Sensitivity,
    SwitchingValue,
    TornadoBar,
    VariantOutcome,
    Weight,
)
from optimizer.tolerances import SHOWN_SHARE
from optimizer.units import EXACT, fixed, si, si_up

# Width of a bar on each side of its line, characters.
HALF_WIDTH = 8
# From this width on, the changes that rank the numbers are drawn as bars.
WIDTH_WITH_BARS = 100
# From this width on, changes that are ranges stand on one line, and those of the cost stand beside gaps.
WIDTH_WITH_RANGES = 140


def sensitivity_parts(found: Sensitivity, width: int) -> list[RenderableType]:
    """Return the answer on which numbers decide, then the tables."""
    parts: list[RenderableType] = [Text(_headline(found), style="bold")]
    if found.bars:
        parts.append(_tornado_table(found, width))
        if any(bar.flips for bar in found.bars):
            parts.append(_switching_table(found))
    if found.sampled is not None:
        parts += _importance_parts(found, found.sampled)
    parts += closing_lines(found.notes, stopped=found.status == "stopped")
    return parts


def _headline(found: Sensitivity) -> str:
    title = found.instance.title
    if not found.base.has_plan:
        return f"{title}: {without_plan(found)}."
    if not found.bars:
        return f"{title}: stopped before any number was looked at."
    unsettled = sum(not (bar.low.is_settled and bar.high.is_settled) for bar in found.bars)
    tail = f"; of {unsettled} it is not known, for the search was stopped" if unsettled else ""
    return f"{title}: of {count_numbers(found)} {deciding_text(found, unsettled)}{tail}."


def without_plan(found: Sensitivity) -> str:
    """Return why there is no plan whose numbers could be moved."""
    return "stopped before any plan was found" if found.status == "stopped" else "there is no plan to begin with"


def count_numbers(found: Sensitivity) -> str:
    """Return the count of the numbers solved for; of a stopped search that of all, and how many were looked at."""
    if not found.missed:
        return plural(len(found.bars), "uncertain number")
    reached = len(found.bars) + len(found.screened)
    was = "was" if reached == 1 else "were"
    total = plural(reached + len(found.missed), "uncertain number")
    return f"{total}, {reached:,} of which {was} looked at in the time there was,"


def deciding_text(found: Sensitivity, unsettled: int) -> str:
    """Describe how many numbers alone decide whether the plan survives; of `unsettled` numbers it is not known."""
    (change, verdict), count = _verdict_words(found), len(found.bars)
    decisive = [bar for bar in found.bars if bar.effect(found.base)[0]]
    if decisive:
        names = list_names([number_name(found.instance, bar.number) for bar in decisive], 3)
        ranges = "its range" if len(decisive) == 1 else "their ranges"
        most = f"; of the others {moved}" if (moved := _movers_text(found)) else ""
        return f"{len(decisive)} alone can {change} at an end of {ranges}: {names}{most}"
    if unsettled == count:
        return "none was settled before the search was stopped"
    settled = f"{count - unsettled} could be solved: " if unsettled else ""
    most = f"; {moved}" if (moved := _movers_text(found)) else ""
    return f"{settled}none alone changes this: {verdict}{most}"


def _movers_text(found: Sensitivity) -> str:
    """Name the numbers that move the gap and the price most, or the total cost where no price moves."""
    effects = [(bar, effect) for bar in found.bars if not (effect := bar.effect(found.base))[0]]
    names, moved = ("", "gap", price_name(found), "total cost"), dict[str, list[str]]()
    for i in (1, 2 if any(effect[2] > 0 for _, effect in effects) else 3):
        most = max(effects, key=lambda pair: pair[1][i], default=None)
        if most is not None and most[1][i] > 0:
            moved.setdefault(number_name(found.instance, most[0].number), []).append(f"the {names[i]}")
    return " and ".join(f"{number} moves {' and '.join(parts)} most" for number, parts in moved.items())


def price_name(found: Sensitivity) -> str:
    """Return the name of the total cost less the no-shock cost; floors of the unchanged instance hold, or not."""
    return "price of survival" if found.base.gap <= 0 else "price of the plan"


def ranked_name(found: Sensitivity) -> str:
    """Return the name of the amount whose changes rank the numbers: the total cost if there is no price."""
    return "total cost" if found.base.no_shock is None else price_name(found)


def _verdict_words(found: Sensitivity) -> tuple[str, str]:
    """Return the effect of a number that decides, and the verdict that other numbers do not change."""
    is_priced = found.instance.policy.gap_price is not None
    if found.base.gap <= 0:
        change = "change that the best plan survives" if is_priced else "make survival impossible"
        return change, "the best plan survives"
    return "make it survive", "the best plan leaves a gap" if is_priced else "no plan survives"


def notes_on_bars(bars: Sequence[TornadoBar]) -> list[str]:
    """Return the notes on rows of several inputs, and on how gaps are valued if shortage costs move; each if needed."""
    several = "A row of several numbers moves them together (draw), prices of purchases and of sales alike."
    valued = "If a shortage cost is moved, the gap of the plan found is valued at the shortage costs of the file."
    is_valued = any(bar.number.is_shortage_cost and max(bar.low.gap, bar.high.gap) > 0 for bar in bars)
    return [several] * any(len(bar.number.inputs) > 1 for bar in bars) + [valued] * is_valued


def screening_note(found: Sensitivity) -> str:
    """Return the note on numbers that were screened by linear effect but not solved for; empty if there are none."""
    if not (count := len(found.screened)):
        return ""
    unseen = sum(not each.is_judged for each in found.screened)
    judged = f"{plural(count, 'other')} {'was' if count == 1 else 'were'} judged by linear effect alone"
    besides = f" and says nothing of {unseen} of them" if unseen else ""
    return f"{judged}, which misses large moves{besides}: diversify sensitivity FILE solves for all of them."


def _tornado_table(found: Sensitivity, width: int) -> Table:
    base, money, is_wide = found.base, found.instance.money, width >= WIDTH_WITH_BARS
    settled = [end for bar in found.bars for end in (bar.low, bar.high) if end.is_settled]
    gaps = any(end.gap > 0 for end in (base, *settled))
    most = max((end.leading_change(base).size for end in settled if end.has_plan), default=0)
    # By head: a writer of cells and their layout.
    number = {"justify": "right", "overflow": "fold", "no_wrap": True}
    folded: dict[str, Any] = {"justify": "right", "overflow": "fold", "min_width": 9}
    if width < WIDTH_WITH_RANGES:
        # Ranges of changes are broken into lines before names are.
        folded["ratio"] = 1
    columns: dict[str, tuple[Callable[[TornadoBar], str], Mapping[str, Any]]] = {
        "Low … high": (lambda bar: _in_lines(found.instance, bar.number, -1, 1), number)
    }
    ranked = "Cost" if base.no_shock is None else price_name(found).capitalize().replace(" of ", " of\n")
    columns[f"{ranked}\nchange\nat low,\n{money}"] = (lambda bar: _change_cell(bar.low, base), folded)
    columns[f"{ranked}\nchange\nat high,\n{money}"] = (lambda bar: _change_cell(bar.high, base), folded)
    if has_costs := base.no_shock is not None and (not gaps or width >= WIDTH_WITH_RANGES):
        columns[f"Cost\nchange\nat low,\n{money}"] = (lambda bar: _cost_cell(bar.low, base), folded)
        columns[f"Cost\nchange\nat high,\n{money}"] = (lambda bar: _cost_cell(bar.high, base), folded)
    if gaps:
        columns[f"Gap left\nat low,\n{money}"] = (lambda bar: _gap_cell(bar.low), number)
        columns[f"Gap left\nat high,\n{money}"] = (lambda bar: _gap_cell(bar.high), number)
    if is_wide:
        columns["" if gaps else "low │ high"] = (lambda bar: _draw_bar(bar, base, most), {"no_wrap": True})
    writers = [write for write, _ in columns.values()]
    rows = [(number_name(found.instance, bar.number), [write(bar) for write in writers]) for bar in found.bars]
    return cross_table(
        "Each number alone",
        "Uncertain number",
        list(columns),
        rows,
        caption=_tornado_caption(found, gaps=gaps, is_wide=is_wide, has_costs=has_costs),
        labels={"ratio": 3},
        layouts={head: layout for head, (_, layout) in columns.items()},
        expand=True,
    )


def _tornado_caption(found: Sensitivity, *, gaps: bool, is_wide: bool, has_costs: bool) -> str:
    base, money = found.base, found.instance.money
    parts = [
        "Each number alone at its low and its high end, all others at their values, with the plan that is best if "
        "the number is known; the plan of the file, held as it is, may fail there (--discover)."
    ]
    gap = f", survival gap {si(base.gap, money)}" if base.gap > 0 else ""
    price = "" if base.no_shock is None else f"{price_name(found)} {price_text(found)}, "
    parts.append(f"As it is: {price}total cost {si(base.cost, money, digits=4)}{gap}.")
    parts.append(_changes_note(found, "; gap left: the survival gap itself" if gaps else "", has_costs=has_costs))
    if found.tolerance_base is not None:
        has_price = found.instance.policy.gap_price is not None
        of_gap = f", {GAPS_PRICED}" if has_price else f" and survival gaps within {gap_accuracy_text(found.accuracy)}"
        parts.append(
            f"Proven: costs within {tolerance_text([found.tolerance_base], money)} of the least{_open_text(found)}"
            f"{of_gap * gaps}; {DASH}: no proven change."
        )
    parts += notes_on_bars(found.bars)
    if is_wide:
        parts.append(f"Bars: change of the {ranked_name(found)}, █ at the low end, ▒ at the high end.")
    parts.append(f"{_floors_note(found)}; ~ another set of options is bought.")
    if not all(end.is_settled for bar in found.bars for end in (bar.low, bar.high)):
        parts.append("? not known: stopped.")
    return " ".join(parts)


def _changes_note(found: Sensitivity, left: str, *, has_costs: bool) -> str:
    """Return what the columns of changes and of what is `left` mean."""
    included = "includes what is bought without any shock"
    if found.base.no_shock is None:
        return f"Cost change: from that cost, which {included}{left}. There is {_without_price(found)}."
    more = "" if has_costs else f" (its change: from {WIDTH_WITH_RANGES} columns on, --json)"
    price = f"{price_name(found).capitalize()}: total cost less that of the cheapest plan without shocks"
    return f"{price}, with the same numbers{left}. The total cost {included}{more}."


def price_text(found: Sensitivity) -> str:
    """Return the price of survival of the unchanged instance: its proven range."""
    price, money = found.base.proven_price, found.instance.money
    return between(price.low, price.high, money) if math.isfinite(price.low) else si(price.value, money)


def ranked_words(found: Sensitivity) -> tuple[str, str]:
    """Return what ranks the numbers, and the amounts whose changes are shown."""
    if found.base.no_shock is None:
        return "total cost most, which includes what is bought without any shock", "cost"
    name, same = price_name(found), "with the same numbers"
    less = f"the total cost less that of the cheapest plan without shocks, {same}"
    return f"{name} most, {price_text(found)}: {less}", f"the {name}, of cost"


def _without_price(found: Sensitivity) -> str:
    """Return why no price of survival is known."""
    if is_disrupted(found.instance):
        return "no price of survival: no plan without shocks was found in time"
    return "no price of survival: the instance has neither shocks nor rules about surviving"


def _open_text(found: Sensitivity) -> str:
    """Return to what amount no-shock costs are proven, unless that is negligible beside the tolerance of costs."""
    ends = (found.base, *(end for bar in found.bars for end in (bar.low, bar.high)))
    most = max((end.no_shock.cost - end.no_shock.bound for end in ends if end.no_shock is not None), default=0.0)
    is_shown = found.tolerance_base is not None and most > SHOWN_SHARE * found.tolerance_base.tolerance
    return f", without shocks within {si_up(most, found.instance.money)}" if is_shown else ""


def _floors_note(found: Sensitivity) -> str:
    """Return the note on floors; if floors hold without any change, the mark of ends that break them."""
    if found.base.gap <= 0:
        return "✗ floors fail there"
    ends = [end for bar in found.bars for end in (bar.low, bar.high) if end.has_plan and end.is_settled]
    if all(end.gap > 0 for end in ends):
        return "Floors fail as it is, and at every end that is known" if ends else "Floors fail as it is"
    return "Floors fail as it is, and hold where the gap left is 0"


def _change_cell(end: VariantOutcome, base: VariantOutcome) -> str:
    mark = " ✗" if end.gap > 0 >= base.gap else " ~" if end.bought != base.bought else ""
    return _without_change(end) or f"{difference_text(end.leading_change(base))}{mark}"


def _cost_cell(end: VariantOutcome, base: VariantOutcome) -> str:
    return _without_change(end) or difference_text(end.cost_change(base))


def _without_change(end: VariantOutcome) -> str:
    """Return what stands for a change if there is none: no plan, or none that is settled; empty if there is one."""
    if not end.has_plan:
        return {"unusable": "unusable", "stopped": "?"}.get(end.status, "no plan")
    return "" if end.is_settled else "?"


def _gap_cell(end: VariantOutcome) -> str:
    if not end.is_settled:
        return "?"
    return si(max(0.0, end.gap)) if end.has_plan else ""


def _draw_bar(bar: TornadoBar, base: VariantOutcome, most: float) -> str:
    """Draw two bars around a line: the change that ranks numbers, at the low end and at the high end."""
    sides = {-1: " " * HALF_WIDTH, 1: " " * HALF_WIDTH}
    for end, sign in ((bar.low, "█"), (bar.high, "▒")):
        change = end.leading_change(base)
        size = round(HALF_WIDTH * change.size / most) if most > 0 and end.has_plan and end.is_settled else 0
        side = -1 if change.value < 0 else 1
        if size > len(sides[side].strip()):
            sides[side] = (sign * size).rjust(HALF_WIDTH) if side < 0 else (sign * size).ljust(HALF_WIDTH)
    return f"{sides[-1]}│{sides[1]}"


def _switching_table(found: Sensitivity) -> Table:
    instance = found.instance
    near = share_text(found.accuracy) if (base := found.tolerance_base) is None else si(base.tolerance, instance.money)
    caption = (
        f"One change on the way to each end, by bisection to {share_text(found.resolution)} of it; beyond it the plan "
        "or the verdict may change again (ends: above). Changes reversed in between are not detected. Another plan is "
        f"one that buys another set of options, or another verdict; it has to be better by more than {near}."
    )
    return screen_table(
        instance,
        found.frames.frame("switching"),
        caption=caption,
        heads={"status": "Then"},
        cells={
            "number": lambda row: number_name(instance, row.item[0].number),
            "value": lambda row: _in_lines(instance, row.item[0].number, 0),
            "same": lambda row: _interval_text(instance, row.item[0].number, row.item[1]),
            "status": lambda row: _change_text(found, row.item[1]),
        },
        wide={"number": 2, "status": 3},
        expand=True,
    )


def _in_lines(instance: Instance, number: UncertainNumber, *positions: float, digits: int = 3) -> str:
    """Return a number at some positions, with the ranges of several inputs and the units below each other."""
    return uncertain_text(instance, number, *positions, digits=digits, space="\n").replace("; ", "\n")


def _interval_text(instance: Instance, number: UncertainNumber, flip: SwitchingValue) -> str:
    low, high = sorted(map(number.moving_to(flip.end).position, (flip.same, flip.other)))
    digits = 3
    while digits < EXACT and len({uncertain_text(instance, number, end, digits=digits) for end in (low, high)}) == 1:
        digits += 1
    return _in_lines(instance, number, low, high, digits=digits)


def _change_text(found: Sensitivity, flip: SwitchingValue) -> str:
    base, then, instance = found.base, flip.outcome, found.instance
    if not then.has_plan:
        return "there is no plan" if then.status != "unusable" else "numbers do not fit each other"
    said = []
    if (then.gap > 0) != (base.gap > 0):
        lost = "are not survived" if instance.policy.gap_price is not None else "cannot be survived"
        kept = f"every floor is kept{but_samples(instance)}"
        said.append(f"{plural(then.failed, 'shock')} {lost}" if then.gap > 0 else kept)
    for word, names in (("with", then.bought - base.bought), ("without", base.bought - then.bought)):
        if names:
            ordered = [display_name(instance, o) for o in instance.options if o in names]
            said.append(f"{word} {list_names(ordered, 3)}")
    return "; ".join(said)


def _importance_parts(found: Sensitivity, importance: Importance) -> list[RenderableType]:
    instance, money = found.instance, found.instance.money
    low, median, high, _ = importance.cost
    gaps = ", to which survival gaps are not added," if importance.survived < 1 else ""
    said = f"All numbers together, {plural(importance.used, 'sample')}, each with its own best plan (one plan in all: "
    said += f"--discover): {percent(importance.survived)} survive everything{but_samples(instance)}; "
    said += f"total cost{gaps} {si(low)} to {si(high, money)} (5 % to 95 %), median {si(median, money)}."
    if importance.used < importance.samples:
        said += f" {plural(importance.samples - importance.used, 'sample')} had no plan or were not reached."
    caption = "S1: the share of the variance that knowing the number alone takes away, ± the half width of its 95 % "
    caption += "interval (Latin hypercube, RBD-FAST, bootstrap). Uniform and independent between the ends; seed "
    caption += f"{importance.seed}. Cost: the total cost, not the price of survival. · not distinct from 0. 1 less the "
    caption += "sum: numbers acting together, and noise."
    names = {bar.number.name: number_name(instance, bar.number) for bar in found.bars}
    columns = {"S1 of the cost": importance.of_cost}
    columns |= {"S1 of the gap": importance.of_gap} if importance.of_gap else {}
    weights = {head: {weight.number: weight for weight in column} for head, column in columns.items()}
    rows = [
        (names.get(first.number, first.number), [_weight_cell(column.get(first.number)) for column in weights.values()])
        for first in importance.of_cost or importance.of_gap
    ]
    sums = [fixed(math.fsum(weight.s1 for weight in column), 2) if column else DASH for column in columns.values()]
    total = (Text("sum of all S1", "dim"), [Text(text, "dim") for text in sums])
    title, heads = "What the outcome depends on", list(columns)
    shown = cross_table(title, "Uncertain number", heads, [*rows, total], caption=caption, labels={"ratio": 3},
                        layout={"no_wrap": True}, expand=True)  # fmt: skip
    return [Text(said, style="bold"), shown, screen_table(instance, found.frames.frame("bought_in_samples"))]


def _weight_cell(weight: Weight | None) -> str:
    if weight is None:
        return DASH
    return f"{'' if weight.is_significant else '· '}{fixed(weight.s1, 2)} ± {fixed(weight.margin, 2)}"
