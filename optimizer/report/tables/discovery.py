"""How a discovery looks: where the plan fails, first in a sentence, then box by box."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.files import write_whole
from optimizer.instance.schema import Instance
from optimizer.report.format import DASH, list_names, percent, plural, share_text, shock_title
from optimizer.report.screen import Screen
from optimizer.report.tables.render import CellRenderer, frame_csv, print_parts, screen_table
from optimizer.report.tables.sensitivity import number_name
from optimizer.studies.discovery.boxes import Bounds
from optimizer.studies.discovery.discover import Discovery, FailureBox, SampleDimension
from optimizer.units import short, si

WORDS = {"severity": "severity of the drawn shock", "months": "length of the drawn shock", "start": "start"}
WORST_SHOCKS = 3
COUNTS = {2: "Two", 3: "Three"}


def show_discovery(found: Discovery, console: Console | None = None) -> None:
    """Print where the plan fails: the answer first."""
    print_parts(list(discovery_tables(found)), console or Screen())


def discovery_tables(found: Discovery) -> Iterator[RenderableType | None]:
    """What is printed, in order."""
    yield Text(_headline(found), style="bold")
    if found.failed:
        yield Text(_worst_shocks(found))
    yield _boxes(found) if found.boxes else Text(_about_samples(found), style="dim")
    yield from (Text(f"Note: {note}", style="yellow") for note in _notes(found))


def _headline(found: Discovery) -> str:
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
        return f"{said}. {_of_boxes(found)}."
    if found.is_sparse:
        rare = "failures" if 2 * found.failed < found.used else "samples without a failure"
        return f"{said}; there are too few {rare} to look for conditions. Raise --samples."
    return f"{said}, and no few conditions tell where: no box predicts failures in samples that it was not found with."


def _of_boxes(found: Discovery) -> str:
    together = found.together
    assert together is not None
    of = (DASH if share is None else percent(share) for share in (together.coverage, together.density))
    if len(found.boxes) > 1:
        text = "{} boxes hold {} of the failures (coverage), and {} of the samples in them fail (density)"
        return text.format(COUNTS[len(found.boxes)], *of)
    where = " and ".join(conditions_of(found, found.boxes[0]))
    text = "It fails where {}: {} of the failures lie there (coverage), and {} of the samples there fail (density)"
    return text.format(where, *of)


def _worst_shocks(found: Discovery) -> str:
    """In which shocks the plan fails worst."""
    counted = Counter(shock for shock in found.rows.shock if shock is not None).most_common(WORST_SHOCKS)
    names = [f"{shock_title(found.instance, name)} in {percent(count / found.failed)}" for name, count in counted]
    return f"The worst shock is {', '.join(names)} of the failures."


def conditions_of(found: Discovery, box: FailureBox) -> list[str]:
    """The conditions of a box in words."""
    return [condition_text(found.instance, found.dimensions[bounds.column], bounds) for bounds in box.box.bounds]


def condition_text(instance: Instance, dimension: SampleDimension, bounds: Bounds) -> str:
    """Bounds on a dimension in words, in the numbers of its range."""
    if dimension.kind == "event":
        is_it = "is" if math.isfinite(bounds.low) else "is not"
        return f"the drawn shock {is_it} {dimension.name.removeprefix('event: ')}"
    if dimension.kind == "start":
        parts = [f"after {bounds.low:.0f}"] * math.isfinite(bounds.low)
        parts += [f"by the end of {bounds.high:.0f}"] * math.isfinite(bounds.high)
        return f"the drawn shock starts {' and '.join(parts)}"
    name, low, high = (
        dimension_name(instance, dimension),
        *(value_of_dimension(dimension, x) for x in (bounds.low, bounds.high)),
    )
    if math.isinf(bounds.high):
        return f"{name} is above {low}"
    return f"{name} is at most {high}" if math.isinf(bounds.low) else f"{name} is above {low} and at most {high}"


def dimension_name(instance: Instance, dimension: SampleDimension) -> str:
    """What a dimension is, in words."""
    if dimension.number is not None:
        return number_name(instance, dimension.number)
    return WORDS.get(dimension.kind, dimension.name)


def value_of_dimension(dimension: SampleDimension, value: float) -> str:
    """A value of a dimension, with as many digits as its bounds have."""
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
    return f"×{short(value, digits)}" if number.first.is_factor else si(value, digits=digits)


def _boxes(found: Discovery) -> Table:
    words = {f"{k}": "\n".join(conditions_of(found, each)) for k, each in enumerate(found.boxes, 1)}

    def share(name: str) -> CellRenderer:
        def write(row: Mapping[str, Any]) -> str:
            return DASH if row[name] is None else f"{percent(row[name])}\n({_interval(*_ends(row, name))})"

        return write

    return screen_table(
        found.instance,
        found.frames.frame("boxes"),
        caption=_caption(found),
        heads={"coverage": "Coverage\n(95 %)", "density": "Density\n(95 %)"},
        cells={
            "conditions": lambda row: words.get(row["box"], row["conditions"]),
            "coverage": share("coverage"),
            "density": share("density"),
        },
        wide={"conditions": 1},
        expand=True,
    )


def _ends(row: Mapping[str, Any], name: str) -> tuple[float, float]:
    return row[f"{name}_low"], row[f"{name}_high"]


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def _caption(found: Discovery) -> str:
    count, failed = found.held_back
    share = percent(failed / count) if count else DASH
    return (
        "Coverage: share of all failures that lie in the box. Density: share of the samples in the box that fail; of "
        f"all samples {share} do. Both on the {count:,} samples held back, with 95 % Clopper-Pearson intervals; boxes "
        f"were found with {found.used - count:,} others. {_about_samples(found)}"
    )


def _about_samples(found: Discovery) -> str:
    """What the samples are, and what counts as a failure."""
    numbers = sum(dimension.number is not None for dimension in found.dimensions)
    parts = [f"{plural(numbers, 'uncertain number')} anywhere between the ends"] if numbers else []
    if found.instance.ensembles:
        parts.append(f"a shock drawn anew from {list_names(list(found.instance.ensembles))}")
    return (
        f"Samples: {' and '.join(parts) or 'none'}; seed {found.seed}. The plan is held as it is, and fails where a "
        "floor fails in any shock."
    )


def _notes(found: Discovery) -> Iterator[str]:
    if found.status == "stopped":
        yield f"stopped after {found.used:,} of {found.samples:,} samples; these are the results so far."
    for each in found.unusable:
        yield f"{plural(each.samples, 'sample')} left out for {each.where}, the first since {each.reason}."
    for k, box in enumerate(found.boxes, 1):
        if not box.is_confirmed:
            yield f"box {k} is not confirmed: by its interval, held-back samples in it fail no more often than all do."
    yield from found.notes


def write_discovery_csv(found: Discovery, path: Path) -> None:
    """Every sample as a CSV file, whole or not at all."""
    write_whole(path, frame_csv(found.frames.frame("samples")))
