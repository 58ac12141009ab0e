"""Results and instances as HTML for notebooks; imported only when a notebook displays one.

Text has the colour of the notebook, lines are grey and backgrounds transparent, so that it is legible in light and dark
themes. Failures are marked by a word or a sign, not by colour.
"""

from collections.abc import Sequence
from html import escape

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.network.process import Demand
from optimizer.report.format import service_text, share_text, shock_title
from optimizer.report.narrative import plan_headline
from optimizer.report.tables.futures import futures_facts, futures_headline
from optimizer.report.tables.plan import facts_in_tables, run_remarks
from optimizer.report.tables.render import page_table
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result, weakest_of
from optimizer.studies.futures.stages import find_stages
from optimizer.studies.shocks import urgency
from optimizer.units import si

MOST_NOTEBOOK_ROWS = 12
_LINE = "border-bottom:1px solid rgba(128,128,128,.45)"
_CELL = "padding:2px 14px 2px 0;text-align:left;background:transparent;vertical-align:top"


def result_html(result: Result) -> str:
    """Return a plan as HTML: the answer of the screen, the purchases, and the weakest segment in each shock."""
    instance = instance_of(result)
    facts = facts_in_tables(instance, result)
    return _answer_html(result, plan_headline(result, instance), facts, _plan_html(result))


def futures_html(result: FuturesResult) -> str:
    """Return a plan of several futures as HTML: the answer of the screen, the decisions, and the futures."""
    facts, tables = [*futures_facts(instance_of(result), result, find_stages(result))], list[str]()
    if len(result.futures) == 1:
        tables = _plan_html(result.futures[0].result)
    elif result.futures:
        tables = [_frame_html(result, name) for name in ("decisions", "futures")]
    return _answer_html(result, futures_headline(result), facts, tables)


def _answer_html(
    result: Result | FuturesResult, headline: str, facts: Sequence[tuple[str, str]], tables: Sequence[str]
) -> str:
    remarks = (f"<div>{escape(remark.plain)}</div>" for remark in run_remarks(result))
    facts_table = [_table_html((), facts)] if facts else []
    return _page_html([_title_html(result.title, headline), *facts_table, *tables, *remarks])


def _plan_html(result: Result) -> list[str]:
    """Return the tables of the purchases and of the shocks of a plan; none where there is no plan."""
    return [] if result.baseline is None else [_frame_html(result, "builds"), _shocks_table(result)]


def _frame_html(result: Result | FuturesResult, name: str) -> str:
    """Return the table of a frame: the columns that the screen shows, and the unit of sizes."""
    frame = result.frames.frame(name)
    shown = [column.name for column in frame.columns if column.is_shown or column.name == "unit"]
    drawn = page_table(instance_of(result), frame.select(shown))
    heads = [head.removeprefix(">") for head in drawn["head"]]
    return _table_html(heads, drawn["rows"]) if drawn["rows"] else "<div>Nothing is bought.</div>"


def _shocks_table(result: Result) -> str:
    """Return the table of shocks: those that fail first, then samples that may fail, then those that are survived."""
    facing = [outcome for outcome in result.shocks if outcome.segments]
    ordered = sorted(facing, key=lambda outcome: (not outcome.fails, *urgency(outcome)))
    rows, instance = [], instance_of(result)
    for outcome in ordered:
        segment, worst = list(outcome.segments.items())[weakest_of(list(outcome.segments.values()))]
        sign = "✗" if outcome.fails else "–" if outcome.excused else "✓"
        title, window = f"{sign} {shock_title(instance, outcome.name)}", windowed(outcome.first, outcome.last)
        served = f"{display_name(instance, segment)} {service_text(worst)} %"
        rows.append((title, window, "all segments in full" if worst.is_full else served, worst.worst_period))
    heads = ("Shock", "Window", "Weakest segment: served / floor", "In")
    return _table_html(heads, rows) if rows else ""


def instance_html(instance: Instance) -> str:
    """Return an instance as HTML: its horizon, demand and floors, options, and shocks."""
    horizon = instance.horizon
    last = horizon.label(horizon.periods[-1])
    axis = f"{horizon.label(0)} to {last} by {horizon.step}; money in {instance.currency}"
    parts = [_title_html(instance.title, axis)]
    if instance.description:
        parts.append(f"<div>{escape(instance.description)}</div>")
    floors = [
        (d, demand.commodity, *_demand_and_floor(demand, horizon.start, horizon.end))
        for d, demand in instance.demands.items()
    ]
    heads = ("Segment", "Commodity", "Demand, first to last year", "Floor, first to last year")
    parts.append(_table_html(heads, floors))
    options = [(o, option.kind, option.name or "") for o, option in instance.options.items()]
    parts.append(_table_html(("Option", "Lever", "Name"), options) if options else "<div>No options.</div>")
    events = instance.events[: MOST_NOTEBOOK_ROWS + 1]
    rows = [(e.name, windowed(horizon.label(e.periods[0]), horizon.label(e.periods[-1])),
               "; ".join(str(cut) for cut in e.spec.cuts)) for e in events]  # fmt: skip
    shocks = _table_html(("Shock", "Window", "Cuts"), rows, len(instance.events))
    parts.append(shocks if events else "<div>No shocks.</div>")
    counts = f"Commodities: {len(instance.commodities)}; existing processes: {len(instance.processes)}."
    return _page_html([*parts, f"<div>{counts}</div>"])


def _demand_and_floor(demand: Demand, first: int, last: int) -> tuple[str, str]:
    """Return the demand and the floor in the first and the last year, or the one that both have."""
    quantities = dict.fromkeys(si(demand.quantity.at(year)) for year in (first, last))
    floors = dict.fromkeys(share_text(demand.survival.at(year)).removesuffix(" %") for year in (first, last))
    return f"{' to '.join(quantities)} t/yr", f"{' to '.join(floors)} %"


def _page_html(parts: Sequence[str]) -> str:
    return f'<div style="color:inherit;background:transparent;line-height:1.45">{"".join(parts)}</div>'


def _title_html(name: str, says: str) -> str:
    return f'<div style="margin:4px 0 8px"><b>{escape(name)}</b><br>{escape(says)}</div>'


def _table_html(heads: Sequence[str], rows: Sequence[Sequence[str]], size: int | None = None) -> str:
    """Return an HTML table of at most `MOST_NOTEBOOK_ROWS` rows, and the number of rows left out; `size` counts all."""
    cells = (
        "".join(f'<td style="{_CELL}">{escape(str(cell))}</td>' for cell in row) for row in rows[:MOST_NOTEBOOK_ROWS]
    )
    made = "".join(f"<tr>{row}</tr>" for row in cells)
    head = "".join(f'<th scope="col" style="{_CELL};{_LINE}">{escape(word)}</th>' for word in heads)
    left = (size or len(rows)) - MOST_NOTEBOOK_ROWS
    more = f"<div>… and {left:,} more</div>" if left > 0 else ""
    top = f"<thead><tr>{head}</tr></thead>" if heads else ""
    style = "border-collapse:collapse;font-size:inherit;margin:6px 0;color:inherit;background:transparent"
    return f'<table style="{style}">{top}<tbody>{made}</tbody></table>{more}'
