"""Table of the time to survive, the answer first."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import (
    chokepoint_name,
    display_name,
    first_year_of_shocks,
    no_shock_note,
    only_cuts_note,
)
from optimizer.instance.schema import Instance
from optimizer.report.format import plural
from optimizer.report.tables.render import closing_lines, cross_table
from optimizer.studies.time_to_survive import Exposure, SurvivalTime, TimeToSurvive
from optimizer.units import fixed, si

# Most rows that are shown, and the width from which on the worst year has a column of its own.
MOST_EXPOSURES, WIDE_SCREEN = 40, 100
# Shorter times are marked.
MONTHS_OF_A_YEAR = 12.0


def time_to_survive_parts(found: TimeToSurvive, width: int, *, instance: Instance) -> Iterator[RenderableType]:
    """Yield the answer and the table: floors that fail without any cut, then chokepoints, the most exposed first."""
    ending = _by_first_shock(instance, found.ending)
    yield Text(_exposure_headline(instance, found, ending), style="bold")
    rows = (*found.failing_uncut, *ending)
    if rows:
        yield _exposure_table(instance, found, rows, width)
    yield from closing_lines(found.notes)


def _exposure_headline(instance: Instance, found: TimeToSurvive, ending: Sequence[Exposure]) -> str:
    count = len(found.exposures)
    if not count:
        return f"{instance.title}: there is nothing that could be cut."
    if not ending:
        lasts = "is survived for ever" if found.uncut.is_endless else "leaves floors as they are without any cut"
        return f"{instance.title}: each of {plural(count, 'chokepoint')} {lasts}."
    breaking, with_plan = _by_first_shock(instance, _breaking(found)), bool(ending[0].after)
    said = [_count_text(found, len(breaking), with_plan=with_plan)]
    return f"{instance.title}: {'; '.join([*said, *_shortest_text(instance, breaking, with_plan=with_plan)])}."


def _by_first_shock(instance: Instance, exposures: Sequence[Exposure]) -> list[Exposure]:
    """Sort chokepoints by their shortest time from the first year on at whose start a shock can have begun."""
    first, _ = first_year_of_shocks(instance)
    return sorted(exposures, key=lambda each: (each.after or each.before)[each.worst_from(first)].months)


def _breaking(found: TimeToSurvive, *, bought: bool = True) -> list[Exposure]:
    """Return the chokepoints that make a floor fail sooner: with the plan if it is `bought`, else with nothing."""
    is_judged = bought and bool(found.uncut.after)

    def judged(each: Exposure) -> Exposure:
        return replace(each, before=()) if is_judged else replace(each, after=())

    return [each for each in found.ending if judged(each).shortens(judged(found.uncut))]


def _count_text(found: TimeToSurvive, breaking: int, *, with_plan: bool) -> str:
    """Return how many chokepoints can break a floor, with the plan, if there is one, and with nothing bought."""
    ends = "can break a floor" if found.uncut.is_endless else "make a floor fail sooner than it does without any cut"
    said = f"{f'{breaking:,}' if breaking else 'none'} of {plural(len(found.exposures), 'chokepoint')} {ends}"
    if not with_plan:
        return said
    before = len(_breaking(found, bought=False))
    if before == breaking:
        return f"{said}, both with the plan and with nothing bought"
    return f"with the plan {said}, with nothing bought {f'{before:,}' if before else 'none'}"


def _shortest_text(instance: Instance, breaking: Sequence[Exposure], *, with_plan: bool) -> Iterator[str]:
    """Yield the shortest time to survive from the first shock on and its chokepoint, then a shorter time before it."""
    if not breaking:
        return
    first, start = first_year_of_shocks(instance)
    every = [each.after or each.before for each in breaking]
    judged = [times[each.worst_from(first)] for each, times in zip(breaking, every, strict=True)]
    worst, least = breaking[0], judged[0]
    year, months = least.year, _months_text(least)
    name = chokepoint_name(instance, worst.kind, worst.name) + (" (cuts held for good)" * (worst.kind == "shock"))
    where = f"{name} in {year}{no_shock_note(instance, worst.kind, worst.name, year)}"
    equal, lasts = sum(_months_text(each) == months for each in judged), f"{months} months"
    lasts += " with the plan" * with_plan
    among = f", for {equal:,} of them, among them" if equal > 1 else ":"
    since = f"from {every[0][first].year} on (the first shock of the file begins in {start}) " * (first > 0)
    if math.isinf(least.months):
        yield f"{since}every floor holds for ever{' with the plan' * with_plan}"
    else:
        yield f"{since}the shortest time is {lasts}{among} {where}"
    yield from _text_before(least, [time for times in every for time in times[:first]])


def _text_before(least: SurvivalTime, times: Sequence[SurvivalTime]) -> Iterator[str]:
    """Yield the shortest of the times before the first shock, if it is shorter than the `least` from then on."""
    before = min(times, key=lambda time: time.months, default=least)
    if before.months < least.months:
        yield f"at the start of {before.year}, before that shock, it is {_months_text(before)} months"


def _exposure_table(instance: Instance, found: TimeToSurvive, rows: Sequence[Exposure], width: int) -> Table:
    years, is_wide, (first, _) = found.years, width >= WIDE_SCREEN, first_year_of_shocks(instance)
    chosen = _years_shown(instance, found)

    def cells(exposure: Exposure) -> list[str | Text]:
        worst, made = exposure.worst_from(first), list[str | Text](_exposure_cell(exposure, i) for i in chosen)
        made += [Text(f"{years[worst]}  ").append_text(_exposure_cell(exposure, worst))] if is_wide else []
        return [*made, f"{_segment_name(instance, exposure)}, {years[worst]}"]

    return cross_table(
        "Time to survive",
        "Chokepoint",
        [*(str(years[i]) for i in chosen), *(["Worst year"] if is_wide else []), "Fails first"],
        [(_exposure_title(instance, exposure), cells(exposure)) for exposure in rows[:MOST_EXPOSURES]],
        caption=_exposure_caption(instance, found, rows),
        labels={"ratio": 3},
        layout={"no_wrap": True},
        layouts={"Fails first": {"overflow": "fold", "ratio": 2}},
        expand=True,
    )


def _years_shown(instance: Instance, found: TimeToSurvive) -> list[int]:
    """Return the indices of the first and last year and one between: headline's, first shock's or middle year."""
    first, _ = first_year_of_shocks(instance)
    ending = _by_first_shock(instance, found.ending)
    last, worst = len(found.years) - 1, ending[0].worst_from(first) if ending else 0
    between = (i for i in (worst, first) if 0 < i < last)
    return sorted({0, next(between, len(found.years) // 2), last})


def _exposure_caption(instance: Instance, found: TimeToSurvive, rows: Sequence[Exposure]) -> str:
    """Return the meaning of the marks, and how many chokepoints are not shown."""
    of_plan = (
        "; nothing bought → with the plan",
        " with the plan or, where that is ∞ in every year, with nothing bought",
    )
    with_plan, judged = of_plan if rows[0].after else ("", "")
    first, _ = first_year_of_shocks(instance)
    judged = f" from {found.years[first]} on{judged}" if first else judged
    lines = [f"Months for which every floor holds, cut for good at the start of the year{with_plan}. ∞ for ever. "
             f"Fails first: the segment, and the year of the shortest time{judged}, which may not be shown. "
             "Rows: shortest first.",
             f"{len(_years_shown(instance, found))} of {plural(len(found.years), 'year')}; --csv has every year.",
             "Capacities, demand and floors stay as at that start, so that a plan may survive a shock longer than the "
             "months shown, or fail in a shorter one."]  # fmt: skip
    if any(each.kind == "nothing" for each in rows):
        lines.append(
            "Nothing is cut: months until a floor fails without any cut; only what fails a floor sooner is listed."
        )
    if any(each.deliberate for each in rows[:MOST_EXPOSURES]):
        lines.append("! deliberate: leverage, where a plan has any, restrains it.")
    lines += only_cuts_note(instance)
    left, others = len(rows) - MOST_EXPOSURES, len(found.exposures) - len(found.ending)
    if left > 0:
        lines.append(f"{plural(left, 'more chokepoint')} that break a floor later are not shown.")
    if others:
        lasts = "∞ in every year, plan or no plan" if found.uncut.is_endless else "as if nothing were cut"
        lines.append(f"{plural(others, 'more chokepoint')}: {lasts}.")
    return "\n".join(lines)


def _exposure_title(instance: Instance, exposure: Exposure) -> Text:
    if exposure.kind == "nothing":
        return Text(exposure.name)
    mark = " !" if exposure.deliberate else ""
    title = chokepoint_name(instance, exposure.kind, exposure.name) + mark
    return Text.assemble(title, (f" · {exposure.kind}", "dim"))


def _exposure_cell(exposure: Exposure, i: int) -> Text:
    judged = (exposure.after or exposure.before)[i]
    cell = Text(_months_text(judged), style="bold red" if judged.months < MONTHS_OF_A_YEAR else "")
    return Text(f"{_months_text(exposure.before[i])} → ", style="dim").append_text(cell) if exposure.after else cell


def _months_text(time: SurvivalTime) -> str:
    if math.isinf(time.months):
        return "∞"
    return fixed(time.months, 1) if 0 < time.months < 100 else si(time.months)


def _segment_name(instance: Instance, exposure: Exposure) -> str:
    worst = exposure.worst_from(first_year_of_shocks(instance)[0])
    known = (*exposure.after[worst : worst + 1], exposure.before[worst], *exposure.before)
    segment = next((each.segment for each in known if each.segment), None)
    return display_name(instance, segment) if segment else "–"
