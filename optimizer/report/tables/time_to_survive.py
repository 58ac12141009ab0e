"""How time to survive looks: every chokepoint's months, before and after the plan, and all of it as CSV."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.figures.time_to_survive import is_endless
from optimizer.report.format import chokepoint_name, plural
from optimizer.report.screen import Screen
from optimizer.report.tables.render import cross_table, frame_csv
from optimizer.studies.time_to_survive import Exposure, SurvivalTime, TimeToSurvive
from optimizer.units import si

MOST, WIDE = 40, 100
MONTHS_OF_A_YEAR = 12.0


def show_time_to_survive(instance: Instance, found: TimeToSurvive, console: Console | None = None) -> None:
    """Print the chokepoints that are not survived for ever, the most exposed first."""
    console = console or Screen()
    ending = [each for each in found.exposures if not is_endless(each)]
    console.print(Text(_headline(instance, found, ending), style="bold"))
    if ending:
        console.print()
        console.print(_table(instance, found, ending, console.width))


def _headline(instance: Instance, found: TimeToSurvive, ending: Sequence[Exposure]) -> str:
    count = len(found.exposures)
    if not count:
        return f"{instance.title}: there is nothing that could be cut."
    if not ending:
        return f"{instance.title}: each of {plural(count, 'chokepoint')} is survived for ever."
    worst = ending[0]
    judged = (worst.after or worst.before)[worst.worst]
    lasts = f"{_months(judged)} months" if math.isfinite(judged.months) else "for ever"
    with_plan = " with the plan" if worst.after else ""
    where = f"{chokepoint_name(instance, worst.kind, worst.name)} in {judged.year}: {lasts}{with_plan}"
    return f"{instance.title}: {len(ending)} of {plural(count, 'chokepoint')} can end a floor; the worst is {where}."


def _table(instance: Instance, found: TimeToSurvive, ending: Sequence[Exposure], width: int) -> Table:
    years, is_wide = found.years, width >= WIDE
    chosen = sorted({0, len(years) // 2, len(years) - 1})

    def cells(exposure: Exposure) -> list[str | Text]:
        worst, made = exposure.worst, list[str | Text](_cell(exposure, i) for i in chosen)
        made += [Text(f"{years[worst]}  ").append_text(_cell(exposure, worst))] if is_wide else []
        return [*made, _segment(instance, exposure)]

    return cross_table(
        "Time to survive",
        "Chokepoint",
        [*(str(years[i]) for i in chosen), *(["Worst year"] if is_wide else []), "Fails first"],
        [(_exposure_title(instance, exposure), cells(exposure)) for exposure in ending[:MOST]],
        caption=_caption(instance, found, ending),
        labels={"ratio": 3},
        layout={"no_wrap": True},
        layouts={"Fails first": {"overflow": "fold", "ratio": 2}},
        expand=True,
    )


def _caption(instance: Instance, found: TimeToSurvive, ending: Sequence[Exposure]) -> str:
    """What marks mean, and how many chokepoints are not shown."""
    with_plan = "; nothing built → with the plan" if ending[0].after else ""
    lines = [f"Months for which every floor holds, cut at the start of the year{with_plan}. ∞ for ever. "
             "Fails first: in the worst year."]  # fmt: skip
    lines.append("! deliberate: leverage restrains it.")
    if any(spec.demand or spec.survival or spec.reliability for spec in instance.shocks.values()):
        lines.append("Of a shock its cuts count: not its window, surge, floors or reliability of deals.")
    left, endless = len(ending) - MOST, len(found.exposures) - len(ending)
    if left > 0:
        lines.append(f"{plural(left, 'more chokepoint')} that end a floor later are not shown.")
    if endless:
        lines.append(f"{plural(endless, 'more chokepoint')}: ∞ in every year, plan or no plan.")
    return "\n".join(lines)


def _exposure_title(instance: Instance, exposure: Exposure) -> Text:
    mark = " !" if exposure.deliberate else ""
    return Text(chokepoint_name(instance, exposure.kind, exposure.name) + mark).append(
        f" · {exposure.kind}", style="dim"
    )


def _cell(exposure: Exposure, i: int) -> Text:
    before = _months(exposure.before[i])
    if not exposure.after:
        return Text(before, style=_style(exposure.before[i]))
    return Text(f"{before} → ", style="dim").append(_months(exposure.after[i]), style=_style(exposure.after[i]))


def _months(time: SurvivalTime) -> str:
    if math.isinf(time.months):
        return "∞"
    return f"{time.months:.1f}" if 0 < time.months < 100 else si(time.months)


def _style(time: SurvivalTime) -> str:
    return "bold red" if time.months < MONTHS_OF_A_YEAR else ""


def _segment(instance: Instance, exposure: Exposure) -> str:
    worst = exposure.worst
    for judged in (exposure.after, exposure.before):
        if judged and judged[worst].segment:
            return display_name(instance, str(judged[worst].segment))
    segment = next((each.segment for each in exposure.before if each.segment), None)
    return display_name(instance, segment) if segment else "–"


def time_to_survive_csv(found: TimeToSurvive) -> str:
    """One row a chokepoint and year; months are ``inf`` where it is for ever, and empty where there is no plan."""
    return frame_csv(found.frames.frame("months"))
