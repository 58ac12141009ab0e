"""Tables of scenario discovery: how often a plan fails, and under which conditions."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import field_unit
from optimizer.instance.schema import Instance
from optimizer.report.format import DASH, list_names, number_name, percent, plural, share_text, shock_title
from optimizer.report.tables.render import CellRenderer, screen_table
from optimizer.studies.boxes import Bounds
from optimizer.studies.discovery_result import Discovery, FailureBox, SampleDimension
from optimizer.units import fixed

# Names of dimensions of the drawn shock.
WORDS = {"severity": "severity of the drawn shock", "months": "length of the drawn shock", "start": "start"}
WORST_SHOCKS = 3
COUNTS = {2: "Two", 3: "Three"}


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
