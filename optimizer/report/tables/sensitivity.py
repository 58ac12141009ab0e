"""Tables of sensitivity: tornado, switching values, importance, and conditions of failure (scenario discovery)."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import but_samples, display_name, field_unit
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.report.format import (
    DASH,
    list_names,
    number_name,
    percent,
    plural,
    share_text,
    shock_title,
    uncertain_text,
)
from optimizer.report.narrative import GAPS_PRICED, difference_text, gap_accuracy_text, tolerance_text
from optimizer.report.tables.render import CellRenderer, closing_lines, cross_table, screen_table
from optimizer.studies.boxes import Bounds
from optimizer.studies.discovery_result import Discovery, FailureBox, SampleDimension
from optimizer.studies.sensitivity_result import (
    Importance,
    Sensitivity,
    SwitchingValue,
    TornadoBar,
    VariantOutcome,
    Weight,
)
from optimizer.units import EXACT, fixed, si

# Width of a bar on each side of its line, characters.
HALF_WIDTH = 8
# From this width on, changes of the cost are drawn as bars.
WIDTH_WITH_BARS = 100
# From this width on, changes of the cost that are ranges stand on one line.
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
        return f"{len(decisive)} alone can {change} at an end of {ranges}: {names}"
    if unsettled == count:
        return "none was settled before the search was stopped"
    settled = f"{count - unsettled} could be solved: " if unsettled else ""
    first = found.bars[0]
    _, gap, cost = first.effect(found.base)
    most = f"; {number_name(found.instance, first.number)} moves the {'gap' if gap > 0 else 'cost'} most"
    return f"{settled}none alone changes that {verdict}{most if max(gap, cost) > 0 else ''}"


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
    most = max((end.cost_change(base).size for end in settled if end.has_plan), default=0)
    # By head: a writer of cells and their layout.
    number = {"justify": "right", "overflow": "fold", "no_wrap": True}
    folded: dict[str, Any] = {"justify": "right", "overflow": "fold", "min_width": 9}
    if width < WIDTH_WITH_RANGES:
        # Ranges of changes are broken into lines before names are.
        folded["ratio"] = 1
    columns: dict[str, tuple[Callable[[TornadoBar], str], Mapping[str, Any]]] = {
        "Low … high": (lambda bar: _in_lines(found.instance, bar.number, -1, 1), number),
        f"Cost\nchange\nat low,\n{money}": (lambda bar: _change_cell(bar.low, base), folded),
        f"Cost\nchange\nat high,\n{money}": (lambda bar: _change_cell(bar.high, base), folded),
    }
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
        caption=_tornado_caption(found, gaps=gaps, is_wide=is_wide),
        labels={"ratio": 3},
        layouts={head: layout for head, (_, layout) in columns.items()},
        expand=True,
    )


def _tornado_caption(found: Sensitivity, *, gaps: bool, is_wide: bool) -> str:
    base, money = found.base, found.instance.money
    parts = [
        "Each number alone at its low and its high end, all others at their values, with the plan that is best if "
        "the number is known; the plan of the file, held as it is, may fail there (--discover)."
    ]
    gap = f", survival gap {si(base.gap, money)}" if base.gap > 0 else ""
    parts.append(f"As it is: total cost {si(base.cost, money, digits=4)}{gap}.")
    left = "; gap left: the survival gap itself" if gaps else ""
    parts.append(f"Cost change: from that cost, which includes what is bought without any shock{left}.")
    if found.tolerance_base is not None:
        has_price = found.instance.policy.gap_price is not None
        of_gap = f", {GAPS_PRICED}" if has_price else f" and survival gaps within {gap_accuracy_text(found.accuracy)}"
        parts.append(
            f"Proven: costs within {tolerance_text([found.tolerance_base], money)} of the least{of_gap * gaps};"
        )
        parts.append(f"{DASH}: no proven change of the cost.")
    parts += notes_on_bars(found.bars)
    if is_wide:
        parts.append("Bars: change of the cost, █ at the low end, ▒ at the high end.")
    parts.append(f"{_floors_note(found)}; ~ another set of options is bought.")
    if not all(end.is_settled for bar in found.bars for end in (bar.low, bar.high)):
        parts.append("? not known: stopped.")
    return " ".join(parts)


def _floors_note(found: Sensitivity) -> str:
    """Return the note on floors; if floors hold without any change, the mark of ends that break them."""
    if found.base.gap <= 0:
        return "✗ floors fail there"
    ends = [end for bar in found.bars for end in (bar.low, bar.high) if end.has_plan and end.is_settled]
    if all(end.gap > 0 for end in ends):
        return "Floors fail as it is, and at every end that is known" if ends else "Floors fail as it is"
    return "Floors fail as it is, and hold where the gap left is 0"


def _change_cell(end: VariantOutcome, base: VariantOutcome) -> str:
    if not end.has_plan:
        return {"unusable": "unusable", "stopped": "?"}.get(end.status, "no plan")
    if not end.is_settled:
        return "?"
    mark = " ✗" if end.gap > 0 >= base.gap else " ~" if end.bought != base.bought else ""
    return f"{difference_text(end.cost_change(base))}{mark}"


def _gap_cell(end: VariantOutcome) -> str:
    if not end.is_settled:
        return "?"
    return si(max(0.0, end.gap)) if end.has_plan else ""


def _draw_bar(bar: TornadoBar, base: VariantOutcome, most: float) -> str:
    """Draw two bars around a line: the change of the cost at the low end and at the high end."""
    sides = {-1: " " * HALF_WIDTH, 1: " " * HALF_WIDTH}
    for end, sign in ((bar.low, "█"), (bar.high, "▒")):
        change = end.cost_change(base)
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
    caption += f"{importance.seed}. · not distinct from 0. 1 less the sum: numbers acting together, and noise."
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


# Names of dimensions of the drawn shock.
WORDS = {"severity": "severity of the drawn shock", "months": "length of the drawn shock", "start": "start"}
WORST_SHOCKS = 3
COUNTS = {2: "Two", 3: "Three"}


# Under which conditions a plan fails.


def discovery_tables(found: Discovery, width: int) -> Iterator[RenderableType | None]:
    """Yield the answer on where the plan fails, then the boxes and the notes."""
    yield Text(failure_headline(found), style="bold")
    if found.failed:
        yield Text(worst_shocks(found))
    yield _boxes_table(found) if found.boxes else Text(samples_note(found), style="dim")
    yield from (Text(f"Note: {note}", style="yellow") for note in discovery_notes(found))


def failure_headline(found: Discovery) -> str:
    """Return the sentence on how often the plan fails and under which conditions."""
    title = found.instance.title
    if not found.used:
        why = "stopped before any sample was evaluated" if found.status == "stopped" else "no sample can be evaluated"
        return f"{title}: {why}."
    if not found.failed:
        count, _ = found.held_back
        most = percent(found.interval[1], 1)
        said = f"{title}: the plan never fails: every floor is kept in all {found.used:,} samples."
        return f"{said} In {count:,} independent ones that leaves a probability of failure of at most {most} (95 %)."
    if found.failed == found.used:
        return f"{title}: the plan always fails: some floor is missed in all {found.used:,} samples."
    said = f"{title}: the plan fails in {found.failed:,} of {found.used:,} samples ({percent(found.share)})"
    if found.boxes:
        return f"{said}. {_boxes_sentence(found)}."
    if found.is_sparse:
        rare = "failures" if 2 * found.failed < found.used else "samples without a failure"
        return f"{said}; there are too few {rare} to look for conditions. Raise --samples."
    return f"{said}, and no few conditions tell where: no box predicts failures in samples that it was not found with."


def _boxes_sentence(found: Discovery) -> str:
    together = found.together
    assert together is not None
    of = (DASH if share is None else percent(share) for share in (together.coverage, together.density))
    if len(found.boxes) > 1:
        text = "{} boxes hold {} of the failures (coverage), and {} of the samples in them fail (density)"
        return text.format(COUNTS[len(found.boxes)], *of)
    where = " and ".join(conditions_of(found, found.boxes[0]))
    text = "It fails where {}: {} of the failures lie there (coverage), and {} of the samples there fail (density)"
    return text.format(where, *of)


def worst_shocks(found: Discovery) -> str:
    """Return the sentence on the shocks that are most often the worst one."""
    counted = Counter(shock for shock in found.rows.shock if shock is not None).most_common(WORST_SHOCKS)
    names = [f"{shock_title(found.instance, name)} in {percent(count / found.failed)}" for name, count in counted]
    return f"The worst shock is {', '.join(names)} of the failures."


def conditions_of(found: Discovery, box: FailureBox) -> list[str]:
    """Return the conditions of a box in words."""
    return [condition_text(found.instance, found.dimensions[bounds.column], bounds) for bounds in box.box.bounds]


def condition_text(instance: Instance, dimension: SampleDimension, bounds: Bounds) -> str:
    """Return the bounds on a dimension in words."""
    if dimension.kind == "event":
        is_it = "is" if math.isfinite(bounds.low) else "is not"
        return f"the drawn shock {is_it} {dimension.name.removeprefix('event: ')}"
    if dimension.kind == "start":
        parts = [f"after {bounds.low:.0f}"] * math.isfinite(bounds.low)
        parts += [f"by the end of {bounds.high:.0f}"] * math.isfinite(bounds.high)
        return f"the drawn shock starts {' and '.join(parts)}"
    unit, name = _unit_of(instance, dimension), dimension_name(instance, dimension)
    low, high = (f"{value_of_dimension(dimension, end)} {unit}".rstrip() for end in (bounds.low, bounds.high))
    if math.isinf(bounds.high):
        return f"{name} is above {low}"
    return f"{name} is at most {high}" if math.isinf(bounds.low) else f"{name} is above {low} and at most {high}"


def _unit_of(instance: Instance, dimension: SampleDimension) -> str:
    """Return the unit of an uncertain number; empty for a factor, a share of the range, and what is no such number."""
    number = dimension.number
    if number is None or not number.is_alike or number.first.is_factor:
        return ""
    return field_unit(instance, number.first.place)


def dimension_name(instance: Instance, dimension: SampleDimension) -> str:
    """Return the name of a dimension in words."""
    if dimension.number is not None:
        return number_name(instance, dimension.number)
    return WORDS.get(dimension.kind, dimension.name)


def dimension_title(instance: Instance, dimension: SampleDimension) -> str:
    """Return the title of an axis: the name of a dimension, and its unit if it has one."""
    return ", ".join(filter(None, (dimension_name(instance, dimension), _unit_of(instance, dimension))))


def value_of_dimension(dimension: SampleDimension, value: float) -> str:
    """Return a value of a dimension, with the digits that its step requires; empty if it is infinite."""
    if math.isinf(value):
        return ""
    writers: Mapping[str, Callable[[], str]] = {
        "severity": lambda: share_text(value),
        "months": lambda: f"{value:.0f} months",
        "start": lambda: f"{value:.0f}",
        "event": lambda: "yes" if value > 1 / 2 else "no",
        "number": lambda: _value_of_number(dimension, value),
    }
    return writers[dimension.kind]()


def _value_of_number(dimension: SampleDimension, value: float) -> str:
    number = dimension.number
    assert number is not None
    if not number.is_alike:
        return f"{share_text(value)} of the way from low to high"
    digits = 3
    if value and dimension.step > 0:
        digits = max(digits, math.floor(math.log10(abs(value))) - math.floor(math.log10(dimension.step)) + 1)
    return number.first.text(value, digits)


def _boxes_table(found: Discovery) -> Table:
    words = {f"{k}": "\n".join(conditions_of(found, each)) for k, each in enumerate(found.boxes, 1)}

    def share(name: str) -> CellRenderer:
        def write(row: Mapping[str, Any]) -> str:
            if row[name] is None:
                return DASH
            low, high = (fixed(100 * row[f"{name}_{end}"], 0) for end in ("low", "high"))
            return f"{percent(row[name])}\n({low}–{high} %)"

        return write

    return screen_table(
        found.instance,
        found.frames.frame("boxes"),
        caption=boxes_note(found),
        heads={"coverage": "Coverage\n(95 %)", "density": "Density\n(95 %)"},
        cells={
            "conditions": lambda row: words.get(row["box"], row["conditions"]),
            "coverage": share("coverage"),
            "density": share("density"),
        },
        wide={"conditions": 1},
        expand=True,
    )


def boxes_note(found: Discovery) -> str:
    """Return the definitions of coverage and density, the samples that they are measured on, and their origin."""
    count, failed = found.held_back
    share = percent(failed / count) if count else DASH
    return (
        "Coverage: share of all failures that lie in the box. Density: share of the samples in the box that fail. Both "
        f"on the {count:,} samples held back, of which {share} fail, with 95 % Clopper-Pearson intervals; boxes were "
        f"found with {found.used - count:,} others, so that the numbers of the file may lie in one and survive. "
        f"{samples_note(found)}"
    )


def samples_note(found: Discovery) -> str:
    """Return how samples are drawn, and what counts as a failure."""
    numbers = sum(dimension.number is not None for dimension in found.dimensions)
    parts = [f"{plural(numbers, 'uncertain number')} anywhere between the ends"] if numbers else []
    if found.instance.ensembles:
        parts.append(f"a shock drawn anew from {list_names(list(found.instance.ensembles))}")
    return (
        f"Samples: {' and '.join(parts) or 'none'}; seed {found.seed}. The plan is held as it is, and fails where a "
        "floor fails in any shock."
    )


def discovery_notes(found: Discovery) -> Iterator[str]:
    """Yield the notes on samples and boxes: a stopped search, unusable samples, and boxes that are not confirmed."""
    if found.status == "stopped":
        yield f"stopped after {found.used:,} of {found.samples:,} samples; these are the results so far."
    for each in found.unusable:
        yield f"{plural(each.samples, 'sample')} left out for {each.where}, the first since {each.reason}."
    for k, box in enumerate(found.boxes, 1):
        if not box.is_confirmed:
            yield f"box {k} is not confirmed: too few held-back samples lie in it to tell that they fail more often."
    yield from found.notes
