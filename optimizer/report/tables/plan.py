"""Tables of a plan: the answer, purchases, survival, dependence on regions, costs, and binding limits."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from operator import attrgetter
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from optimizer.audit import is_disputed
from optimizer.instance.derived import display_name, entry_name, has_floors, one_region, region_name, size_text
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.levers import Stock
from optimizer.report.format import (
    DASH,
    DEPENDENCE,
    FOLDED_NOTE,
    FULLY_SERVED,
    PARTIAL,
    PARTIAL_NOTE,
    SERVICE_NOTE,
    abroad,
    changed_words,
    left_out,
    margin_text,
    percent,
    plural,
    served_in_full,
    service_text,
    shock_title,
    standing,
    with_shock_titles,
)
from optimizer.report.narrative import NAMING, facts, plan_headline
from optimizer.report.tables.render import (
    BELOW_ZERO,
    OPTIONAL_FILES,
    closing_lines,
    cross_table,
    label_rows,
    screen_table,
)
from optimizer.results.frames import Frame, FrameRow
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import Outcome, Service, SourceShare
from optimizer.results.result import Result
from optimizer.studies.purchases import Purchase, purchases
from optimizer.studies.shocks import RowOutcome, row_outcomes, serves_all, shock_rows, worst_rows
from optimizer.studies.supply_chain import production_words
from optimizer.tolerances import ROUNDING
from optimizer.units import fixed, si

# Largest number of rows of the survival table without --all.
MOST_ROWS = 40
# Most characters of the column of shocks.
SHOCK_WIDTH = 34
NO_SHOCK, FORCED = "*", "†"
STYLES = {"survives": "green", "gap": "red", "stopped": "yellow", "none": "red"}
# What `explain` finds where a plan fails, or where there is none, by status.
_REPAIRS = {
    "gap": "What it would take to keep every floor, in money, time or lower floors, each with its price",
    "none": "How far each rule has to give way for a plan to exist",
}
SERVICE_STYLES = {"below": "bold red", "tight": "yellow", "some": "", "ample": "", "full": "green", "free": "dim"}
# From this width on, purchases are drawn as bars by year.
WIDE_WITH_BARS = 76
# The frames that are written as CSV files; optional ones only if they have rows.
FILES = ("builds", "stock", "purchased", "survival", "dependence", "costs", "limits", "flows", *OPTIONAL_FILES)
# Meaning of the second line of a cell, in a row for several shocks.
OTHER = "in @…, below a period: in that shock of the row, not in the one named worst."
# Meaning of the sign for a segment without a figure, in a shock that is kept as a summary.
NO_FIGURE = "no figure is stored; no floor of it fails there, and another segment is weaker."
NOT_KEPT = f"–: {NO_FIGURE}"
# Explains why a row that is survived can have a floor that fails.
MAY_FAIL = "Samples required: so many have to be survived; figures are of all samples, those that may fail included."
MARK_STYLES = {"✓": "green", "✗": "bold red", "–": "yellow"}
# Sign of shocks that last until the horizon ends, and its meaning.
UNTIL_END = "‡"
ENDING = f"{UNTIL_END} lasts until the horizon ends."
ENDING_OF_MANY = f"{UNTIL_END} lasts until the horizon ends; of a row for several shocks, at least one does."


def plan_tables(result: Result, width: int, *, every: bool = False) -> list[RenderableType]:
    """Return the printed parts for a terminal of the given width, with `every` shock in its own row or folded."""
    instance = instance_of(result)
    shown: list[RenderableType | None] = [answer(instance, result)]
    if result.baseline is not None:
        shown += [
            builds_table(instance, result, width) or Text("Plan: nothing is bought.", style="bold"),
            stocks_table(instance, result, width),
            *survival_tables(instance, result, width, every=every),
            dependence_table(instance, result, width, every=every),
            costs_table(instance, result),
            actual_table(instance, result.frames.frame("actual")),
            limits_table(instance, result),
        ]
    shown += [*run_remarks(result), _what_it_would_take(instance, result)]
    return [part for part in [*shown, run_line(result)] if part is not None]


def _what_it_would_take(instance: Instance, result: Result) -> Text | None:
    """Return the command that finds repairs; None if none are needed, or if it does not take such an instance."""
    if result.status not in _REPAIRS or instance.is_adaptive:
        return None
    return Text(f"{_REPAIRS[result.status]}: diversify explain, with the same file and options.")


def run_remarks(result: Result | FuturesResult) -> list[Text]:
    """Return the changes that a run made to its file, and its notes."""
    changed = [Text(changed_words(result.changes))] if result.changes else []
    return [*changed, *closing_lines(result.notes)]


def answer(instance: Instance, result: Result) -> Panel:
    """Return the panel with the headline of a result and the facts behind it."""
    lines = facts_in_tables(instance, result)
    return answer_panel(result.title, plan_headline(result, instance), lines, answer_style(result))


def facts_in_tables(instance: Instance, result: Result) -> list[tuple[str, str]]:
    """Return the facts behind an answer, a label and a text each, with shocks named as in tables."""
    found = list(facts(instance, result))
    mentioned = " ".join(text for label, text in found if label in NAMING)
    words = {event.name: shock_title(instance, event.name) for event in instance.events if event.name in mentioned}
    return [(label, with_shock_titles(text, words) if label in NAMING else text) for label, text in found]


def answer_style(result: Result | FuturesResult) -> str:
    """Return the colour of an answer by its status; red if the audit disagrees, none if nothing had to survive."""
    if is_disputed(result.audit):
        return "red"
    is_free = result.status == "survives" and not has_floors(instance_of(result))
    return "default" if is_free else STYLES[result.status]


def answer_panel(title: str, headline: str, lines: Sequence[tuple[str, str]], style: str) -> Panel:
    """Return an answer in a frame: the headline, then rows of a label and a text."""
    grid = label_rows(lines, {"no_wrap": True, "style": "bold"}, {"overflow": "fold"})
    body = Group(Text(headline, style=f"bold {style}"), "", grid)
    return Panel(body, title=Text(title, style="bold"), title_align="left", border_style=style, expand=True)


def run_line(result: Result | FuturesResult) -> Text:
    """Return the line on the run: audit, seconds, and versions."""
    audit, seconds = result.audit, result.seconds
    checked = f"Audit: {_audit_words(audit)} (largest error {audit['worst']:.1e}). " if audit.get("rows") else ""
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    spent = ", ".join(f"{part} {si(value, 's')}" for part, value in seconds.items())
    return Text(f"{checked}Time: {spent}. Versions: {versions}.", style="dim")


def _audit_words(audit: Mapping[str, Any]) -> str:
    rows = f"{audit['rows']:,} rows"
    return f"{plural(len(audit['disagreements']), 'disagreement')} in {rows}" if is_disputed(audit) else f"{rows} agree"


def builds_table(instance: Instance, result: Result, width: int) -> Table | None:
    """Build the table of builds and stockpiles: dates, size, money, its share, and a bar by year; None if empty."""
    frame = result.frames.frame("builds")
    if not len(frame):
        return None
    horizon, bought = instance.horizon, {(each.option, each.decided): each for each in purchases(instance, result)}
    step = max(1, len(horizon.years) // 24)
    signs = {o: FORCED if each.forced else NO_SHOCK if each.without_shocks else "" for (o, _), each in bought.items()}

    def option(row: FrameRow) -> Text:
        name = display_name(instance, row["option"]) + signs[row["option"]]
        return Text.assemble(name, (f" · {row['kind']}", "dim"))

    def on_line(row: FrameRow) -> str:
        """Return when a build is on line, or the last purchase of a stockpile."""
        return f"to {row['on_line']}" if bought[row["option"], row["period"]].fills else str(row["on_line"])

    def bar(row: FrameRow) -> Text:
        return Text(_year_marks(instance, bought[row["option"], row["period"]])[::step], style="cyan")

    span = f"{horizon.start}–{horizon.end}"
    each = "a year" if step == 1 else f"every {step} years"
    return screen_table(
        instance,
        frame,
        caption="\n".join([f"Bar: one mark {each} from {horizon.start} to {horizon.end}: · not yet decided, ░ being "
                           "built, █ on line or held at the end of the year, ▪ bought. " + frame.whole_note,
                           *_sign_meanings(signs.values()), *_decision_dates(instance, result)]),
        heads={"option": "Option, lever", "outlay_share": "Of\noutlay"},
        cells={
            "option": option,
            "on_line": on_line,
            "bought": lambda row: size_text(instance, row["option"], row["bought"]),
        },
        hidden=("kind",),
        more={span: bar} if width >= WIDE_WITH_BARS else {},
        expand=True,
    )  # fmt: skip


def _decision_dates(instance: Instance, result: Result) -> Iterator[str]:
    """Yield when builds can be decided, if that is not in every period."""
    horizon = instance.horizon
    if result.plan.builds and len(horizon.decisions) < len(horizon.periods):
        first = f"Builds are decided in the first {horizon.step} of a {horizon.decide} (horizon.decide)"
        yield f"{first}, which may be earlier than they have to be."


def _sign_meanings(signs: Iterable[str]) -> list[str]:
    """Return the meanings of the signs that occur beside options."""
    meanings = {
        NO_SHOCK: "some of it would be bought without any shock as well, perhaps less or later.",
        FORCED: "has to be bought (policy.force).",
    }
    there = set(signs)
    return [f"{sign} {meaning}" for sign, meaning in meanings.items() if sign in there]


def _fill_marks(instance: Instance, fills: Sequence[float]) -> str:
    """Return one mark for each year of the horizon: a purchase, a stock, or nothing yet."""
    horizon = instance.horizon
    years = {horizon.year(t) for t, fill in enumerate(fills) if fill > 0}
    return "".join("▪" if year in years else "█" if year > min(years) else "·" for year in horizon.years)


def _year_marks(instance: Instance, move: Purchase) -> str:
    """Return one mark for each year of the horizon: on line or held, being built, bought, or not yet decided."""
    horizon = instance.horizon
    if move.fills:
        return _fill_marks(instance, move.fills)
    end = {year: (year - horizon.start + 1) * horizon.per_year - 1 for year in horizon.years}
    return "".join("█" if end[y] >= move.first else "░" if end[y] >= move.t else "·" for y in horizon.years)


def stocks_table(instance: Instance, result: Result, width: int) -> Table | None:
    """Build the table of stocks in t at the end of the years that fit into the width; None if nothing is held."""
    held = {o: row for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0}
    if not held:
        return None
    horizon = instance.horizon
    years, is_begun = list(horizon.years), any(instance.stocks[o].initial for o in held)
    step = -(-len(years) // max(1, (width - 26) // 7 - 1 - is_begun))
    chosen = years[::-step][::-1]

    def amounts(o: str, row: Sequence[float]) -> list[str]:
        values = [row[(year - horizon.start + 1) * horizon.per_year - 1] for year in chosen]
        values = [*[instance.stocks[o].initial] * is_begun, *values, max(row)]
        return [si(value) if value > ROUNDING * max(row) else "–" for value in values]

    return cross_table(
        "Stock at the end of the year if no shock happens, t",
        Stock.labels.noun.capitalize(),
        [*["Before"] * is_begun, *map(str, chosen), "Largest"],
        [(display_name(instance, o), amounts(o, row)) for o, row in held.items()],
        caption=_largest_note(instance, hidden="years that are not shown" if step > 1 else ""),
        labels={"max_width": 26},
        layout={"no_wrap": True},
    )


def _largest_note(instance: Instance, *, hidden: str) -> str | None:
    """Return when the largest stock is held, if that may be at the end of a period without a column."""
    if not hidden and instance.horizon.per_year == 1:
        return None
    return f"Largest: at the end of any {instance.horizon.step}{f', {hidden} included' * bool(hidden)}."


def survival_tables(instance: Instance, result: Result, width: int, *, every: bool = False) -> list[RenderableType]:
    """Return tables of as many segments as fit side by side, unless `every` is set with only the most critical rows."""
    rows = row_outcomes(shock_rows(instance, [each.name for each in result.shocks], every=every), result)
    shown = rows if every else worst_rows(rows, MOST_ROWS)
    ending = {each.name for each in result.shocks if each.last == result.periods[-1]}
    segments = list(instance.demands)
    titles = [_row_title(instance, row, _ending_sign(row, ending)) for row in shown]
    names = min(SHOCK_WIDTH, max((len(line) for title in titles for line in title.plain.split("\n")), default=0))
    per_table = max(1, (width - names) // 14)
    hidden = len(result.shocks) - sum(len(row.shocks) for row in shown)
    tables: list[RenderableType] = [
        _survival_table(instance, shown, titles, segments[first : first + per_table])
        for first in range(0, len(segments), per_table)
    ]
    if not shown or not tables:
        return []
    tables[-1] = Group(tables[-1], Text(_caption(shown, segments, hidden, ending), style="dim"))
    return [*tables, *([_weakest_table(instance, result)] if any(each.flows is None for each in result.shocks) else [])]


def _caption(rows: Sequence[RowOutcome], segments: Sequence[str], hidden: int, ending: Collection[str]) -> str:
    first = f"{SERVICE_NOTE} Margin in percentage points; then the weakest period below the floor (and since when)."
    cells, is_many = [(row, d) for row in rows for d in row.segments], any(map(attrgetter("is_many"), rows))
    said = {
        FOLDED_NOTE: is_many,
        OTHER: any(starmap(_is_of_another, cells)),
        NOT_KEPT: any(d not in row.segments and d not in row.full for row in rows for d in segments),
        PARTIAL_NOTE: any(starmap(_is_partial, cells)),
        MAY_FAIL: any(map(attrgetter("excused"), rows)),
        ENDING_OF_MANY if is_many else ENDING: any(_ending_sign(row, ending) for row in rows),
        left_out(hidden): hidden > 0,
    }
    return "\n".join([first, *(text for text, applies in said.items() if applies)])


def _survival_table(
    instance: Instance, rows: Sequence[RowOutcome], titles: Sequence[Text], segments: Sequence[str]
) -> Table:
    heads = [display_name(instance, d) for d in segments]
    lines = [
        (title, [_survival_cell(instance, row, d) for d in segments]) for title, row in zip(titles, rows, strict=True)
    ]
    title = "Survival" if segments[0] == next(iter(instance.demands)) else "Survival, continued"
    return cross_table(title, "Shock", heads, lines, labels={"max_width": SHOCK_WIDTH},
                       layout={"min_width": 11, "max_width": 12})  # fmt: skip


def _row_title(instance: Instance, row: RowOutcome, sign: str) -> Text:
    """Return ``✗ Full embargo: 3 of 12 fail`` above the key of the worst shock, or a single shock's name and key."""
    mark, free = Text(f"{row.mark} ", style=MARK_STYLES[row.mark]), "" if row.has_floor else ", no floor"
    if not row.is_many:
        name, key = shock_title(instance, row.name), row.name
        said = f"{name}{' (may fail)' if row.excused else ''}{free}{sign}"
        beside = f" ({key})" if len(said) + len(key) < SHOCK_WIDTH - 5 else f"\n  {key}"
        return mark + Text(said) + Text(beside if name != key else "", style="dim")
    title = Text(f"{entry_name(instance, row.name)}: {row.count_text}{free}{sign}")
    # A key too long for the line keeps an indent of its own, so that it does not look like a row.
    apart = "\n    " if len(row.worst_word) + len(row.worst.name) + 3 > SHOCK_WIDTH else " "
    return mark + title.append(f"\n  {row.worst_word}{apart}{row.worst.name}", style="dim")


def _ending_sign(row: RowOutcome, ending: Collection[str]) -> str:
    """Return the sign behind the name of a row if one of its shocks lasts until the horizon ends; else empty."""
    return f" {UNTIL_END}" if any(name in ending for name in row.shocks) else ""


def _is_partial(row: RowOutcome, d: str) -> bool:
    return d in row.partial and row.segments[d][1].first_failure is None


def _survival_cell(instance: Instance, row: RowOutcome, d: str) -> Text:
    if d not in row.segments and d in row.full:
        return Text(served_in_full(instance, row.shocks, d), style=SERVICE_STYLES["full"])
    if d not in row.segments:
        return Text("–", style="dim")
    shock, service = row.segments[d]
    text = _service_text(service).append(PARTIAL if _is_partial(row, d) else "")
    return text.append(f"\nin {shock.removeprefix(row.name)}") if _is_of_another(row, d) else text


def _is_of_another(row: RowOutcome, d: str) -> bool:
    """Return whether a segment fails in another shock of the row than the named one, which has the largest gap."""
    shock, service = row.segments[d]
    return row.is_many and service.first_failure is not None and shock != row.worst.name


def _service_text(service: Service) -> Text:
    figures = " ".join(part for part in (service_text(service), margin_text(service)) if part)
    if service.first_failure is not None:
        # A column is 12 characters wide.
        figures = f"{figures}\n" if len(figures) <= 12 else figures.replace(" ", "\n", 1) + " "
        figures += service.worst_period
        is_first = service.first_failure == service.worst_period
        figures += "" if is_first else f"\n({service.first_failure} on)"
    return Text(figures, style=SERVICE_STYLES[standing(service)])


def _weakest_table(instance: Instance, result: Result) -> Table:
    """Build the table of each segment's weakest service over all shocks, including those not shown."""

    def standing_of(row: FrameRow) -> str:
        worst = result.services[row["segment"]]
        return "bold red" if worst.shocks_failed else "green" if worst.is_full else ""

    def figures(row: FrameRow) -> str:
        worst = result.services[row["segment"]]
        return " ".join(part for part in (service_text(worst), margin_text(worst)) if part)

    def where(row: FrameRow, name: str) -> str:
        # If every shock serves all demand, no shock is the worst.
        return "–" if result.services[row["segment"]].is_full else shock_title(instance, row[name])

    return screen_table(
        instance,
        result.frames.frame("services"),
        caption=f"Over {plural(len(result.shocks), 'shock')}, by the same rule; margin in points.",
        heads={"worst_service": "Served/floor"},
        cells={
            "worst_shock": lambda row: where(row, "worst_shock"),
            "worst_period": lambda row: where(row, "worst_period"),
            "worst_service": figures,
            "shocks_failed": lambda row: f"{row['shocks_failed']:,}" if row["shocks_failed"] else "–",
        },
        hidden=("floor", "margin"),
        style=standing_of,
    )


def dependence_table(instance: Instance, result: Result, width: int, *, every: bool = False) -> Table | None:
    """Build the table of the regions that each commodity comes from, in the first and the last year; None if empty."""
    if not result.shares:
        return None
    shown = _dependent_first(instance, result, every=every)
    years = sorted({share.year for shares in result.shares.values() for share in shares})
    most = 2 if width < 100 else 3
    rows = [
        (display_name(instance, c), [cell for each in result.shares[c] for cell in _source_cells(instance, each, most)])
        for c in shown
    ]
    return cross_table(
        "Dependence",
        "Commodity",
        [head for year in years for head in (str(year), "HHI")],
        rows,
        caption=_dependence_caption(instance, len(result.shares) - len(shown)),
        labels={"ratio": 2},
        layout={"justify": "left", "ratio": 3},
        layouts={"HHI": {"justify": "right", "no_wrap": True}},
        expand=True,
    )


def _dependence_caption(instance: Instance, hidden: int) -> str:
    is_nowhere = any(each.region is None for each in instance.activities.values())
    caption = f"Shares of {production_words(instance)}, not of world production, in years without a shock. In these, "
    caption += "a plant dearer than imports may stand idle. "
    caption += f"HHI: concentration, 0 to 1{', with what has no region counted as one' * is_nowhere}. "
    caption += f"! more than {percent(DEPENDENCE)} from {one_region(instance)}."
    no_region = one_region(instance).replace("one ", "any ", 1)
    return caption + (f" Left out, with no share from {no_region} (--all lists them): {hidden}." if hidden else "")


def _dependent_first(instance: Instance, result: Result, *, every: bool) -> list[str]:
    """Return commodities from abroad, first those above `DEPENDENCE`; all with `every`, or if none is from abroad."""
    largest = {
        c: max((_largest_abroad(instance, each) for each in shares), default=0.0) for c, shares in result.shares.items()
    }
    foreign = [commodity for commodity, share in largest.items() if every or share > 0] or list(largest)
    return sorted(foreign, key=lambda commodity: largest[commodity] <= DEPENDENCE)


def _largest_abroad(instance: Instance, share: SourceShare) -> float:
    """Return the largest share of one region abroad in a year."""
    return max(abroad(instance, share.regions).values(), default=0.0)


def _source_cells(instance: Instance, share: SourceShare, most: int) -> tuple[Text, str]:
    """Return the largest sources of a commodity in a year, and their concentration (HHI)."""
    if not share.regions:
        return Text("none made", style="dim"), "–"
    parts = [f"{region_name(instance, region)} {percent(part)}" for region, part in list(share.regions.items())[:most]]
    others = len(share.regions) - most
    words = ", ".join(parts) + (f", +{plural(others, 'region')}" if others > 0 else "")
    over = _largest_abroad(instance, share) > DEPENDENCE
    return Text(("! " if over else "") + words, style="red" if over else ""), fixed(share.hhi, 2)


def costs_table(instance: Instance, result: Result) -> Table | None:
    """Build the table of the total cost by part, in present value; None if there are no parts."""
    frame = result.frames.frame("costs")
    if not len(frame):
        return None
    saved = BELOW_ZERO if result.costs.get("expected shocks", 0.0) < 0 else ""
    heads = {"present_value": result.currency, "share": "Share"}
    shown = screen_table(instance, frame, caption=" ".join(filter(None, (frame.whole_note, saved))), heads=heads)
    shown.add_section()
    shown.add_row("total", si(result.total_cost, digits=4), "100.0 %", style="bold")
    return shown


def actual_table(instance: Instance, frame: Frame) -> Table | None:
    """Build the table of actual output beside the baseline, with signed deviations; None if there are no rows."""

    def signed(row: FrameRow) -> str:
        share = row["deviation"]
        return DASH if share is None else f"{'+' if share > 0 else ''}{percent(share)}"

    has_share = all(row["deviation"] is not None for row in frame.rows())
    note = frame.whole_note + ("" if has_share else f" {DASH}: the actual output is 0, so there is no share.")
    return screen_table(instance, frame, caption=note, cells={"deviation": signed}) if len(frame) else None


def limits_table(instance: Instance, result: Result) -> Table | None:
    """Build the table of binding limits, each with the shadow price of one step; None if no limit binds."""
    return screen_table(instance, result.frames.frame("limits")) if result.binding else None


def margin_cell(outcome: Outcome, d: str) -> float | str | None:
    """Return the margin of a segment in a shock, at least 0 if its floors hold within rounding.

    It is `FULLY_SERVED` if all demand is served, and None if no figure is stored.
    """
    service = outcome.segments.get(d)
    if serves_all(outcome) or (service is not None and service.is_full):
        return FULLY_SERVED
    if service is None:
        return None
    return max(0.0, service.margin) if outcome.survives else service.margin
