"""Frames on the basis of stockpile requirements: supply, chain, time to survive, assumptions, and the law.

The law is 50 U.S.C. 98h-5, section 14 of the Strategic and Critical Materials Stock Piling Act; subsection (f) is that
of section 1413 of the James M. Inhofe National Defense Authorization Act for Fiscal Year 2023 (Pub. L. 117-263). The
texts are those of the Code before the amendments of 2025 (Pub. L. 119-60, section 1411), which are listed where they
apply.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from optimizer.disruptions.shock import Cut, Shock
from optimizer.horizon import windowed
from optimizer.instance.derived import chokepoint_name, cut_words, display_name, entry_name, entry_of, only_cuts_note
from optimizer.instance.operation_paths import split_cuts
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import Flows, Outcome
from optimizer.results.result import Result
from optimizer.studies.shocks import shock_rows
from optimizer.studies.supply_chain import production_words, supply_shares
from optimizer.units import short

if TYPE_CHECKING:
    from optimizer.studies.requirements_result import Requirements
    from optimizer.studies.time_to_survive import Exposure

# Tables and columns that a quick study leaves out.
LEFT_OUT = ("cases", "funding", "holdings.closes", "times")
# Years after a conflict within which the materials used in it are replaced (98h-5(c)).
REPLENISHMENT = 3


def is_material(instance: Instance, c: str) -> bool:
    """Return whether a segment needs the commodity or a stock holds it."""
    used = {demand.commodity for demand in instance.demands.values()}
    return c in used or any(stock.commodity == c for stock in instance.stocks.values())


def upstream_stocks(instance: Instance, commodity: str) -> list[str]:
    """Return the stocks of the inputs of a commodity, at any stage upstream.

    Above its makers, only the makers of a main output, the first one, are followed: scrap, a by-product of what is made
    of the commodity, does not lead back to all that goes into these goods.
    """
    mains = {a: next(iter(activity.output), None) for a, activity in instance.activities.items()}
    inputs, makers = set[str](), {a for a, activity in instance.activities.items() if commodity in activity.output}
    while added := _inputs_of(instance, makers) - inputs:
        inputs |= added
        makers = {a for a, output in mains.items() if output in added}
    return [o for o, stock in instance.stocks.items() if stock.commodity in inputs - {commodity}]


def _inputs_of(instance: Instance, activities: Collection[str]) -> set[str]:
    return {c for a in activities for c in instance.activities[a].input}


def supply_frame(found: "Requirements") -> Frame:
    """Return do-nothing production by shock and material, at home and abroad, before, in and after the shock."""
    columns = (
        FrameColumn("shock", form="shock", is_index=True),
        FrameColumn("material", form="object", is_index=True),
        *(FrameColumn(f"{place}{phase}", f"{label}, {when}", "t/yr", "amount")
          for phase, when in (("_before", "before"), ("", "in the conflict"), ("_after", "in the three years after"))
          for place, label in (("home", "Home"), ("abroad", "Abroad"))),
    )  # fmt: skip
    note = (
        "Production with nothing bought, a year: from the start of the horizon to the shock, in its window, and in the "
        f"{REPLENISHMENT} years after it. Of a family or an ensemble, the shock with the largest gap. Stocks excluded, "
        "and what has no region."
    )
    return Frame.of_rows("supply", "Supply at home and abroad", columns, _supply_rows(found), note)


def _supply_rows(found: "Requirements") -> Iterator[tuple[Any, ...]]:
    instance, nothing = found.alone, found.nothing
    for worst in _worst_of_each(instance, nothing):
        window, after = instance.event(worst.name).periods, _years_after(instance, worst.name)
        parts = ((nothing.baseline, range(window.start)), (worst.flows, window), (nothing.baseline, after))
        for c in (c for c in instance.commodities if is_material(instance, c)):
            yield (worst.name, c, *(rate for flows, periods in parts for rate in _rates(instance, flows, c, periods)))


def _worst_of_each(instance: Instance, nothing: Result) -> Iterator[Outcome]:
    """Yield the outcome with the largest gap of each shock, family or ensemble."""
    outcomes = {outcome.name: outcome for outcome in nothing.shocks}
    for row in shock_rows(instance, outcomes):
        yield max((outcomes[name] for name in row.shocks), key=lambda each: each.gap)


def _years_after(instance: Instance, shock: str) -> range:
    """Return the periods of the horizon after a shock in which stocks are replenished."""
    stop, horizon = instance.event(shock).periods.stop, instance.horizon
    return range(stop, min(len(horizon.periods), stop + REPLENISHMENT * horizon.per_year))


def notes_on_years_after(instance: Instance, nothing: Result) -> Iterator[str]:
    """Yield a note on the years that supply after a shock covers, for each shock after which the horizon ends early."""
    horizon = instance.horizon
    for worst in _worst_of_each(instance, nothing):
        after = _years_after(instance, worst.name)
        if not after:
            yield f"Supply after {worst.name}: the horizon ends with it, so that no year after it is covered."
        elif len(after) < REPLENISHMENT * horizon.per_year:
            years = f"{short(len(after) * horizon.delta, 3)} of {REPLENISHMENT} years"
            span = windowed(horizon.label(after[0]), horizon.label(after[-1]))
            yield f"Supply after {worst.name}: the horizon covers {years}, {span}."


def _rates(instance: Instance, flows: Flows | None, c: str, periods: range) -> tuple[float | None, float | None]:
    """Return production of a commodity at home and abroad in periods, t/yr; None for both where it is not known.

    What an activity without a region makes, such as a recipe, is neither.
    """
    makers = {name: activity for name, activity in instance.activities.items() if activity.output.get(c, 0.0)}
    placed = {name: activity for name, activity in makers.items() if activity.region}
    if flows is None or not len(periods) or (makers and not placed):
        return None, None
    made, years = {True: 0.0, False: 0.0}, len(periods) * instance.horizon.delta
    for name, activity in placed.items():
        made[activity.region == instance.home] += activity.output[c] * flows.total(name, "activity", periods)
    return made[True] / years, made[False] / years


def chain_frame(found: "Requirements") -> Frame:
    """Return, by material, its inputs, plants, largest maker and HHI, under the do-nothing plan and the given plan."""
    years = found.instance.horizon.start, found.instance.horizon.end
    columns = (
        FrameColumn("material", form="object", is_index=True),
        FrameColumn("made_of"),
        FrameColumn("makers", "Existing plants", form="count"),
        FrameColumn("region", f"Largest maker, {years[0]}", form="region"),
        FrameColumn("share", "Its share", "share", "percent"),
        FrameColumn("hhi", "HHI", form="exact"),
        FrameColumn("region_last", f"Largest maker, {years[1]}, nothing bought", form="region"),
        FrameColumn("share_last", "Its share", "share", "percent"),
        FrameColumn("region_planned", f"Largest maker, {years[1]}, with the plan", form="region"),
        FrameColumn("share_planned", "Its share", "share", "percent"),
        FrameColumn("hhi_planned", "HHI", "share", "exact"),
    )
    assert found.nothing.baseline is not None
    nothing = supply_shares(found.alone, found.nothing.baseline)
    planned = supply_shares(found.instance, found.result.baseline) if found.result.baseline else {}
    rows = []
    for c in (c for c in found.instance.commodities if is_material(found.instance, c)):
        makers = [p for p, process in found.instance.processes.items() if c in process.output]
        inputs = dict.fromkeys(i for p in makers for i in found.instance.processes[p].input)
        made_of = ", ".join(display_name(found.instance, i) for i in inputs)
        first, last = _largest_maker(nothing, c, years[0]), _largest_maker(nothing, c, years[1])
        rows.append((c, made_of, len(makers), *first, *last[:2], *_largest_maker(planned, c, years[1])))
    note = f"Shares of {production_words(found.instance)} in the baseline, not of world production. "
    note += "HHI: concentration, 0 to 1."
    return Frame.of_rows("chain", "Supply chain of each material", columns, rows, note)


def _largest_maker(shares: Mapping[str, Sequence[Any]], c: str, year: int) -> tuple[Any, Any, Any]:
    """Return the region that produces most, its share, and the HHI; None for each if nothing is produced."""
    for each in shares.get(c, ()):
        if each.year == year and each.regions:
            region, share = next(iter(each.regions.items()))
            return region, share, each.hhi
    return None, None, None


def times_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per chokepoint that makes a floor fail, in its worst year; none if times were left out.

    If floors fail without any cut, the first row reports that. Times are infinite if floors hold for ever, and None
    without a plan.
    """
    plans = {"months": "nothing bought", "planned": "with the plan"}
    columns = (
        FrameColumn("chokepoint", is_index=True),
        FrameColumn("kind"),
        FrameColumn("cuts", "What is lost for good"),
        FrameColumn("year", "Worst year", form="year"),
        *(FrameColumn(name, f"Floors hold, {plan}", "months", "amount") for name, plan in plans.items()),
        FrameColumn("segment", "Fails first", form="name"),
        FrameColumn("first_year", "First year of a shock", form="year"),
        *(FrameColumn(f"first_{name}", f"Floors hold then, {plan}", "months", "amount")
          for name, plan in plans.items()),
    )  # fmt: skip
    exposures = () if found.times is None else (*found.times.failing_uncut, *found.times.ending)
    rows = (_time_row(found.instance, each) for each in exposures)
    note = (
        "Months for which every floor holds once something is cut at the start of a year; ∞: for ever; –: no plan. "
        "Worst year: that with the fewest months, with the plan if there is one; it is often the first, in which "
        "nothing that is bought is there yet. First year of a shock: the first in which a shock of the file begins. "
        "The command survive has every year."
    )
    note = " ".join([note, *only_cuts_note(found.instance)])
    return Frame.of_rows("times", "Time to survive", columns, rows, note)


def _time_row(instance: Instance, exposure: "Exposure") -> tuple[Any, ...]:
    first_year = instance.horizon.year(min(event.periods.start for event in instance.events))
    begun = [time.year for time in exposure.before].index(first_year)
    times = [(exposure.before[i], exposure.after[i] if exposure.after else None) for i in (exposure.worst, begun)]
    in_worst, in_first = ([time and time.months for time in pair] for pair in times)
    before, after = times[0]
    return (
        chokepoint_name(instance, exposure.kind, exposure.name),
        exposure.kind,
        "; ".join(exposure.cuts),
        *(before.year, *in_worst, (after and after.segment) or before.segment),
        *(first_year, *in_first),
    )


def assumptions_frame(found: "Requirements") -> Frame:
    """Return the assumptions of the conflict: one row per shock of the file, and per event of an ensemble."""
    columns = (
        FrameColumn("shock", is_index=True),
        FrameColumn("first", "First start", form="period"),
        FrameColumn("last", "Last start", form="period"),
        FrameColumn("events", form="count"),
        FrameColumn("mobilisation", "Mobilisation period", "months", "amount"),
        FrameColumn("months", "Length", "months", "amount"),
        FrameColumn("deliberate", form="yes"),
        FrameColumn("cuts", "What is lost"),
        FrameColumn("surge", "Surge of demand"),
        FrameColumn("floors", "Floors in its course"),
        FrameColumn("costs", "Costs in its course"),
        *map(FrameColumn, ("source", "note")),
        FrameColumn("entry", "Key in the file"),
    )
    note = "Mobilisation period: from the start of the horizon to the first start. Length: the longest window."
    note += " What is lost: in the shock of a family, or the sample of an event, that loses most in its window;"
    note += " a cut without a share takes all."
    entries: dict[str, list[Shock]] = {}
    for event in found.alone.events:
        entries.setdefault(event.entry, []).append(event)
    rows = (_assumption_row(found.alone, events) for events in entries.values())
    return Frame.of_rows("assumptions", "Planning assumptions", columns, rows, note)


def _assumption_row(instance: Instance, events: Sequence[Shock]) -> tuple[Any, ...]:
    starts, horizon = [event.periods.start for event in events], instance.horizon
    # These are the same in every shock of an entry, and in every sample of an event.
    spec, (name, source, note) = events[0].spec, _describe_entry(instance, events[0])
    largest = max(map(_cuts_within, events), key=lambda cuts: math.fsum(each for cut in cuts for each in cut.severity))
    return (
        name,
        horizon.label(min(starts)),
        horizon.label(max(starts)),
        len(events),
        float(min(starts) * horizon.months),
        float(max(len(event.periods) for event in events) * horizon.months),
        split_cuts(spec.cuts, deliberate=spec.deliberate).deliberate,
        "; ".join(cut_words(instance, cut) for cut in largest) or "nothing",
        _by_name(instance, spec.demand, "×"),
        _by_name(instance, spec.survival, ""),
        _by_name(instance, spec.cost, "×"),
        source,
        note,
        events[0].entry,
    )


def _describe_entry(instance: Instance, event: Shock) -> tuple[str, str | None, str | None]:
    """Return name, source and note of a shock's entry; an event of an ensemble has its own or those of the ensemble."""
    entry = entry_of(instance, event)
    whole = instance.shocks.get(entry) or instance.ensembles[entry]
    if event.entry == entry:
        return entry_name(instance, entry), whole.source, whole.note
    key = event.entry.removeprefix(f"{entry}/")
    part = instance.ensembles[entry].events[key]
    return f"{entry_name(instance, entry)}: {part.name or key}", part.source or whole.source, part.note or whole.note


def _cuts_within(event: Shock) -> tuple[Cut, ...]:
    """Return the cuts of a shock, with a severity for each period of its window."""
    offsets = range(len(event.periods))
    return tuple(cut.model_copy(update={"severity": tuple(map(cut.at, offsets))}) for cut in event.spec.cuts)


def _by_name(instance: Instance, numbers: Mapping[str, float], sign: str) -> str:
    return ", ".join(f"{display_name(instance, key)} {sign}{number:g}" for key, number in numbers.items())


def clauses_frame(found: "Requirements") -> Frame:
    """Return a frame with a row per clause of 50 U.S.C. 98h-5: the table that answers it, or why it is out of reach."""
    columns = (
        FrameColumn("place", "Clause", is_index=True),
        FrameColumn("text", "Text"),
        FrameColumn("answer", "Answered", form="word"),
        FrameColumn("where", "Table and column", of=lambda each: "; ".join(_head(found, key) for key in each.where)),
        FrameColumn("reason"),
        FrameColumn("keys", "In JSON", is_shown=False, of=lambda each: ", ".join(each.where)),
    )
    note = "50 U.S.C. 98h-5; (f) is section 1413 of the National Defense Authorization Act for Fiscal Year 2023."
    clauses = [_answered(found, clause) for clause in CLAUSES]
    return Frame.of_items("clauses", "The law, clause by clause", clauses, columns, note)


def _head(found: "Requirements", key: str) -> str:
    """Return the name of a table with the head of its column, from ``frame.column`` or ``frame``."""
    name, _, column = key.partition(".")
    frame = found.frames.frame(name)
    heads = {each.name: each.head.replace("\n", " ") for each in frame.columns}
    return f"{name}: {heads[column]}" if column else name


def _answered(found: "Requirements", clause: "Clause") -> "Clause":
    """Return a clause as the study answers it; the remark has heads of columns, and what was left out."""
    reason = re.sub(r"\b[a-z]+\.[a-z_]+", lambda key: f"“{_head(found, key[0])}”", clause.reason)
    is_whole = found.times is not None and not found.stopped
    missing = [] if is_whole else [key for key in clause.where if key.startswith(LEFT_OUT)]
    if not missing:
        return replace(clause, reason=reason)
    heads = "; ".join(_head(found, key) for key in missing)
    reason = f"Left out or incomplete (--quick, or stopped): {heads}. {reason}".strip()
    is_open = len(missing) == len(clause.where) and not found.cases
    return replace(clause, answer="left out" if is_open else "in part", reason=reason)


ClauseAnswer = Literal["yes", "in part", "out of reach", "left out"]


@dataclass(frozen=True)
class Clause:
    """One clause of the law."""

    place: str  # section and paragraph
    text: str  # wording of the law
    answer: ClauseAnswer  # whether the study answers it
    where: tuple[str, ...] = ()  # frames, or columns as ``frame.column``, that answer it
    reason: str = ""  # why the study does not answer it, or a remark on the answer


CLAUSES = (
    Clause(
        "98h-5(a)",
        "Not later than January 15 of every other year, the Secretary of Defense shall submit to Congress a report on "
        "stockpile requirements.",
        "out of reach",
        reason="Submission is an act of the Secretary. The workbook and the page hold what the report needs.",
    ),
    Clause(
        "98h-5(a)(1)",
        "the Secretary's recommendations with respect to stockpile requirements",
        "yes",
        ("materials.hold", "materials.buy", "holdings", "purchases"),
        "The amounts to hold are those of the least-cost plan that may buy stocks and nothing else.",
    ),
    Clause("98h-5(a)(2)", "the matters required under subsection (b)", "yes", ("assumptions",), "As (b) below."),
    Clause(
        "98h-5(b)",
        "Each report under this section shall set forth the national emergency planning assumptions used by the "
        "Secretary in making the Secretary's recommendations under subsection (a)(1) with respect to stockpile "
        "requirements.",
        "yes",
        ("assumptions", "needs"),
        "Every shock of the file, and every segment with its floor.",
    ),
    Clause(
        "98h-5(b)",
        "The Secretary shall base the national emergency planning assumptions on a military conflict scenario "
        "consistent with the scenario used by the Secretary in budgeting and defense planning purposes.",
        "out of reach",
        reason="That scenario is not public. The shocks of the file stand in its place: write it there.",
    ),
    Clause(
        "98h-5(b)(1)",
        "The length and intensity of the assumed military conflict.",
        "yes",
        ("assumptions.months", "assumptions.cuts", "assumptions.surge"),
    ),
    Clause(
        "98h-5(b)(2)",
        "The military force structure to be mobilized.",
        "out of reach",
        reason="The model has no forces. Their need enters as demand of military segments and its surge "
        "(assumptions.surge), which the planner derives from the force structure.",
    ),
    Clause(
        "98h-5(b)(3)",
        "The losses anticipated from enemy action.",
        "in part",
        ("assumptions.cuts", "assumptions.surge"),
        "Capacity that is lost is in the cuts, replacement of equipment in the surge. Losses of equipment themselves "
        "are not modelled.",
    ),
    Clause(
        "98h-5(b)(4)",
        "The military, industrial, and essential civilian requirements to support the national emergency.",
        "yes",
        ("needs.demand", "needs.requirement", "shortfalls.requirement"),
        "By segment: demand with its surge, and the part that its floor requires.",
    ),
    Clause(
        "98h-5(b)(5)",
        "The availability of supplies of strategic and critical materials from foreign sources during the mobilization "
        "period, the military conflict, and the subsequent period of replenishment, taking into consideration possible "
        "shipping losses.",
        "in part",
        ("supply.abroad_before", "supply.abroad", "supply.abroad_after"),
        "The model has no ships: a shipping loss is a cut of what is shipped, in the file.",
    ),
    Clause(
        "98h-5(b)(6)",
        "The domestic production of strategic and critical materials during the mobilization period, the military "
        "conflict, and the subsequent period of replenishment, taking into consideration possible shipping losses.",
        "yes",
        ("supply.home_before", "supply.home", "supply.home_after"),
        "Losses at home are cuts of domestic plants.",
    ),
    Clause(
        "98h-5(b)(7)",
        "Civilian austerity measures required during the mobilization period and military conflict.",
        "in part",
        ("needs.austerity", "assumptions.floors"),
        "In the conflict: demand that the floor does not require. In the mobilisation period the model asks for none.",
    ),
    Clause(
        "98h-5(c)",
        "The stockpile requirements shall be based on those strategic and critical materials necessary for the United "
        "States to replenish or replace, within three years of the end of the military conflict scenario required "
        "under subsection (b), all munitions, combat support items, and weapons systems that would be required "
        "after such a military conflict.",
        "in part",
        ("supply.home_after", "supply.abroad_after", "holdings.years_to_buy"),
        "Supply in the three years after, and how long the market takes to fill the stock again. What munitions and "
        "weapons contain is not in the model: write replacement as a surge, and a shock of which it is a part.",
    ),
    Clause(
        "98h-5(d)",
        "The Secretary shall also include in each report under this section an examination of the effect that "
        "alternative mobilization periods under the military conflict scenario required under subsection (b), as well "
        "as a range of other military conflict scenarios addressing potentially more serious threats to national "
        "security, would have on the Secretary's recommendations under subsection (a)(1) with respect to stockpile "
        "requirements.",
        "yes",
        ("cases.kind", "cases.spent", "cases.gap_left"),
        "Shocks a year earlier and later, windows half and twice as long, each shock alone, each scenario of the file.",
    ),
    Clause(
        "98h-5(e)",
        "The President shall submit with each report under this section a statement of the plans of the President for "
        "meeting the recommendations of the Secretary set forth in the report.",
        "out of reach",
        reason="A statement of intent. What the plan at hand would leave is in needs.planned and shortfalls.planned.",
    ),
    Clause(
        "98h-5(f)(1)",
        "Not later than March 1 each year, the National Defense Stockpile Manager shall provide to the congressional "
        "defense committees a briefing on strategic and critical materials that",
        "out of reach",
        reason="The briefing is an act of the Manager. What it needs follows.",
    ),
    Clause(
        "98h-5(f)(1)(A)",
        "are determined to be in shortfall in the most recent report on stockpile requirements submitted under "
        "subsection (a); and",
        "yes",
        ("materials.shortfall",),
        "Materials whose shortfall is above 0 in this study; the most recent report itself is not read.",
    ),
    Clause(
        "98h-5(f)(1)(B)",
        "the acquisition or disposal of which is included in the Annual Materials and Operations Plan for the "
        "operation of the stockpile during the next fiscal year submitted under section 98h-2(b) of this title.",
        "in part",
        ("purchases",),
        "Purchases by calendar year. The model sells no stock inside the horizon, and does not know the Annual Plan.",
    ),
    Clause(
        "98h-5(f)(2)(A)",
        "a description of each material described in that paragraph, including the objective to be achieved if funding "
        "is provided, in whole or in part, for the acquisition of the material to remedy the shortfall",
        "yes",
        ("materials", "funding", "holdings.closes"),
        "In whole: materials.left. In part: funding, and the gap that each stock closes. Pub. L. "
        "119-60, section 1411(a)(1), now asks for a list of the materials and a description of each.",
    ),
    Clause(
        "98h-5(f)(2)(B)",
        "an estimate of additional amounts required to provide such funding, if any",
        "yes",
        ("materials.spent", "materials.holding_per_year", "funding.money"),
    ),
    Clause(
        "98h-5(f)(2)(C)",
        "an assessment of the supply chain for each such material, including any assessment of any relevant risk in "
        "any such supply chain",
        "yes",
        ("chain", "times"),
        "Who makes it, how concentrated that is, and how many months floors hold when a source is cut for good.",
    ),
    Clause(
        "98h-5(f)(2)(D) to (F)",
        "(added in 2025 by Pub. L. 119-60, section 1411(a)(2) to (4); not quoted)",
        "out of reach",
        reason="The text was not available when this list was written. Read it before filing.",
    ),
)
