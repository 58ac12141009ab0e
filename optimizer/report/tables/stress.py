"""How a stress test looks: the answer first; and its samples as CSV and Parquet."""

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from optimizer.files import write_whole
from optimizer.instance.derived import display_name
from optimizer.report.format import listed, percent, plural, sized
from optimizer.report.screen import Screen
from optimizer.report.tables.render import frame_to_csv, table
from optimizer.studies.reinforcement import Reinforcement
from optimizer.studies.stress import BrokenShock, ServiceSpread, Stress
from optimizer.studies.stress import SampleGroup as Common
from optimizer.tolerances import SHOWN_SHARE
from optimizer.units import short, si

# Segments and events that are shown at most, the worst first; and the samples that make a weak spot worth naming.
SEGMENTS, EVENTS, ENOUGH = 20, 12, 20
# Parts of a shock that are shown.
STRIKES = 3
HEADS = {"event": "Event", "start": "Start", "months": "Months", "severity": "Severity"}


def show_stress(stress: Stress, console: Console | None = None, *, every: bool = False) -> None:
    """Print what became of a plan to stdout, or to the console given.

    Args:
        stress: what became of it.
        console: None is stdout.
        every: whether each of the worst shocks is listed, or the worst of each event.
    """
    console = console or Screen()
    for i, part in enumerate(_parts(stress, console.width, every=every)):
        if i:
            console.print()
        console.print(part)


def _parts(stress: Stress, width: int, *, every: bool) -> Iterator[RenderableType]:
    yield _answer(stress)
    if stress.services:
        yield _services(stress)
    if stress.worst:
        yield _worst(stress, width, every=every)
    yield _groups(stress)
    if stress.mending is not None:
        yield _mends(stress) if stress.mending.mends else Text("No single addition promises to mend anything.")
    yield from (Text(f"Note: {note}") for note in stress.notes)
    spent = ", ".join(f"{part} {si(value, 's')}" for part, value in stress.seconds.items())
    yield Text(f"Seconds: {spent}, the solver's summed over processes.", style="dim")


def _answer(stress: Stress) -> Panel:
    grid = Table.grid(padding=(0, 2), expand=False)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    for label, text in _lines(stress):
        grid.add_row(label, text)
    style = "red" if not stress.survives else "yellow" if stress.own_failed else "green"
    verdict = f"SURVIVES all {plural(stress.samples, 'sample')}"
    if not stress.survives:
        verdict = f"SURVIVES {_share(stress.share)} of {plural(stress.samples, 'sample')}: "
        verdict += f"{stress.survived:,}; {stress.samples - stress.survived:,} break it"
    elif stress.own_failed:
        verdict += f", BUT FAILS in {stress.own_failed:,} of its own {plural(stress.own_shocks, 'shock')}"
    body = Group(Text(verdict, style=f"bold {style}"), "", grid)
    title = Text(f"{stress.plan} under stress", style="bold")
    return Panel(body, title=title, title_align="left", border_style=style, expand=True)


def _lines(stress: Stress) -> Iterator[tuple[str, str]]:
    money = stress.money
    low, high = stress.interval
    yield "Share survived", f"{_share(stress.share)}; 95 % interval {_share(low)} to {_share(high)} (Wilson)"
    yield "Expected gap", f"{si(stress.expected_gap, money)} a sample, the mean over all, each with the same weight"
    if stress.worst:
        yield "Worst gap", f"{si(stress.worst_gap, money)}, in {stress.worst[0].name}"
    if stress.own_failed:
        own = f"{stress.own_failed:,} of the {plural(stress.own_shocks, 'shock')} that it was made for"
        yield "Own shocks", f"by its file the plan fails in {own}; the samples are others"
    weak = _weak_spot(stress)
    if weak is not None:
        yield "Weak spot", f"{HEADS[weak.by].lower()} {weak.name}: {_share(weak.share)} of {weak.samples:,} survived"
    if stress.mending is not None and stress.mending.mends:
        yield "Would mend most", _in_words(stress, stress.mending.mends[0])
    where = "" if stress.instance == stress.plan else f"the plan of {stress.plan} in {stress.instance}; "
    yield "Samples", f"{where}seed {stress.seed}; {stress.sampler}"


def _weak_spot(stress: Stress) -> Common | None:
    """The group with the smallest share survived, of those that are large enough and fare worse than the whole."""
    large = [each for each in stress.groups if each.samples >= min(ENOUGH, stress.samples)]
    weak = min(large, key=lambda each: each.share, default=None)
    return weak if weak is not None and weak.share < stress.share else None


def _in_words(stress: Stress, mend: Reinforcement) -> str:
    mending, best = stress.mending, mend.best
    assert mending is not None
    is_level = stress.against.options[mend.option].labels.size_unit == "level"
    size = _size(stress, mend) if is_level else f"{sized(stress.against, mend.option, best.size)} more"
    what = f"{display_name(stress.against, mend.option)}, {size}, {mend.period}"
    return f"{what}: {best.mended:,} of {mending.checked:,} broken for {si(best.outlay, stress.money)} outlay"


def _services(stress: Stress) -> Table:
    ordered = sorted(stress.services.items(), key=lambda item: -item[1].below)
    caption = (
        "Share served in each sample's weakest period, once floors are kept as far as they can be and all else is "
        "served that can be; p5: one sample in twenty fares worse."
    )
    caption += f"\n{len(ordered) - SEGMENTS} more segments are not shown." if len(ordered) > SEGMENTS else ""
    shown = table("Service", caption=caption)
    shown.add_column("Segment", overflow="fold")
    for head in ("Floor", "Mean", "p5", "p50", "p95", "Below floor"):
        shown.add_column(head, justify="right", no_wrap=True)
    for d, spread in ordered[:SEGMENTS]:
        cells = [_floor(spread), *(percent(each) for each in (spread.mean, spread.p5, spread.p50, spread.p95))]
        below = _share(spread.below) if spread.below else "–"
        shown.add_row(display_name(stress.against, d), *cells, below, style="red" if spread.below else "")
    return shown


def _floor(spread: ServiceSpread) -> str:
    low, high = (round(100 * each) for each in spread.floor)
    return f"{high} %" if low == high else f"{low}–{high} %"


def _worst(stress: Stress, width: int, *, every: bool) -> Table:
    caption = "Failed first: segment, period; served / floor; what was short then, and who makes it."
    # They are in the order of their gaps: the first of an event is the worst of all its samples.
    rows = stress.worst if every else tuple({each.entry: each for each in reversed(stress.worst)}.values())[::-1]
    broken_by = {each.name: each.samples - each.survived for each in stress.groups if each.by == "event"}
    title = "The worst shock" if len(rows) == 1 else f"The worst {len(rows):,} shocks"
    if len(rows) < len(stress.worst):
        title = "The worst shock of each event"
        caption += f"\nOf the {len(stress.worst)} worst samples one an event is shown; --all lists each."
    shown = table(title, caption=caption, expand=True)
    shown.add_column("Shock", overflow="fold", ratio=4)
    shown.add_column("Window", overflow="fold", max_width=8)
    shown.add_column("Strikes", overflow="fold", ratio=5)
    shown.add_column(f"Gap\n{stress.money}", justify="right", no_wrap=True)
    shown.add_column("Failed first", overflow="fold", ratio=8)
    for broken in rows:
        event = f"\n{broken.entry.rpartition('/')[2]}" if "/" in broken.entry else ""
        count = broken_by.get(broken.entry, 0)
        event += f"\nworst of {count:,} that break it" if len(rows) < len(stress.worst) and count > 1 else ""
        window = f"{broken.first} {broken.last}"
        strikes = _whole("; ".join(broken.strikes[:STRIKES]))
        more = len(broken.strikes) - STRIKES
        strikes += f"; {more} more" if more > 0 else "" if broken.strikes else "floors, costs or deals"
        failed = _whole(_failed_first(stress, broken, 1 if width < 100 else 2))
        shown.add_row(broken.name + event, window, strikes, si(broken.gap), failed)
    return shown


def _whole(text: str) -> str:
    """The same with percent signs that no line break can part from their numbers."""
    return text.replace(" %", "%")


def _failed_first(stress: Stress, broken: BrokenShock, most: int) -> str:
    share = f"{100 * broken.service:.0f}/{100 * broken.floor:.0f} %"
    makers = [display_name(stress.against, name) for name in broken.makers]
    at = f"at their limit: {listed(makers, most)}" if makers else "nothing makes it"
    stage = f"{broken.stage}, " if broken.stage else ""
    short = display_name(stress.against, broken.short)
    return f"{display_name(stress.against, broken.segment)} {broken.period}, {share}; short of {short} ({stage}{at})"


def _groups(stress: Stress) -> Table:
    events = sorted((each for each in stress.groups if each.by == "event"), key=lambda each: each.share)
    ensembles = {each.name.partition("/")[0] for each in events}
    same = f"{min(ensembles)}/" if len(ensembles) == 1 else ""
    left = len(events) - EVENTS
    caption = "Severity: of the worst cut, in quarters of the samples. Interval: 95 %, Wilson."
    caption += f"\n{left} more events are not shown; they fare no worse." if left > 0 else ""
    shown = table("Where it is weak", caption=caption)
    shown.add_column("By", no_wrap=True)
    shown.add_column("Group", overflow="fold")
    for head in ("Samples", "Survived", "Interval"):
        shown.add_column(head, justify="right", no_wrap=True)
    shown.add_column(f"Mean gap\n{stress.money}", justify="right", no_wrap=True)
    for by, head in HEADS.items():
        some = events[:EVENTS] if by == "event" else [each for each in stress.groups if each.by == by]
        lowest = min((each.share for each in some), default=1.0)
        for i, each in enumerate(some):
            low, high = each.interval
            interval = f"{100 * low:.1f}–{100 * high:.1f} %"
            style = "red" if each.share == lowest < 1.0 else ""
            cells = [f"{each.samples:,}", _share(each.share), interval, si(each.mean_gap) if each.mean_gap else "–"]
            name = each.name.removeprefix(same) if by == "event" else each.name
            shown.add_row(Text("" if i else head, style="bold"), Text(name, style=style), *cells)
        shown.add_section()
    return shown


def _mends(stress: Stress) -> Table:
    mending = stress.mending
    assert mending is not None
    caption = (
        "Each row is one addition to the plan, checked: a test of single additions, not a new optimum. Budget and "
        "policy are not looked at. Outlay is undiscounted. Gap: the part of all broken shocks' gaps that goes. A "
        "stockpile is filled by the end of the period; what it cannot hold later is not bought then."
    )
    if mending.checked < mending.failed:
        caption += f"\nChecked on {mending.checked} of the {mending.failed:,} broken shocks, evenly spread."
    if mending.promising > len(mending.mends):
        tried = f"the {len(mending.mends)} that promise most were tried"
        caption += f"\nBy their slopes {mending.promising} options help; {tried}."
    also = [
        f"{mend.option} requires {', '.join(mend.also)} as well, not counted." for mend in mending.mends if mend.also
    ]
    caption += "".join(f"\n{line}" for line in also)
    shown = table("What would have mended it", caption=caption, expand=True)
    shown.add_column("Addition", overflow="fold", ratio=1)
    shown.add_column("When", no_wrap=True)
    shown.add_column("Size", justify="right", no_wrap=True)
    shown.add_column(f"Mended\nof {mending.checked:,}", justify="right", no_wrap=True)
    shown.add_column("Gap", justify="right", no_wrap=True)
    shown.add_column(f"Outlay\n{stress.money}", justify="right", no_wrap=True)
    shown.add_column("A shock\nmended", justify="right", no_wrap=True)
    for mend in mending.mends:
        best, per = mend.best, mend.best.per_mended
        removed = percent(best.gap_removed / mending.gap) if mending.gap > 0 else "–"
        gap = f"−{removed}" if best.gap_removed > 0 else removed
        cells = [
            mend.period,
            _size(stress, mend),
            f"{best.mended:,}",
            gap,
            si(best.outlay),
            "–" if per is None else si(per),
        ]
        option = Text.assemble(display_name(stress.against, mend.option), (f" · {mend.kind}", "dim"))
        shown.add_row(option, *cells, style="" if best.mended else "dim")
    return shown


def _size(stress: Stress, mend: Reinforcement) -> str:
    return f"+{sized(stress.against, mend.option, mend.best.size).removeprefix('level ')}"


def _share(share: float) -> str:
    """A share of samples: never rounded to a whole that it is not."""
    if 0 < share < SHOWN_SHARE:
        return f"{short(100 * share, 2)} %"
    return "99.9+ %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def frame(stress: Stress) -> pd.DataFrame:
    """One row a sample, with the unit in every column's name."""
    rows, horizon, demands = stress.rows, stress.against.horizon, list(stress.against.demands)
    return pd.DataFrame(
        {
            "sample": rows.name,
            "event": rows.entry,
            "start": [horizon.label(t) for t in rows.start.tolist()],
            "months": rows.months,
            "max_severity [share]": rows.severity,
            "survived": rows.survived,
            f"gap [{stress.money}]": rows.gap,
            "worst_segment": [demands[i] if i >= 0 else None for i in rows.segment.tolist()],
            "service [share]": rows.service,
            "floor [share]": rows.floor,
            "first_failure": [horizon.label(t) if t >= 0 else None for t in rows.failure.tolist()],
            "probability": rows.probability,
        }
    )


def write_stress_csv(stress: Stress, path: Path) -> None:
    """Every sample as a CSV file, whole or not at all."""
    write_whole(path, frame_to_csv(frame(stress)))


def write_stress_parquet(stress: Stress, path: Path) -> None:
    """The same as Parquet; needs pyarrow."""
    content = io.BytesIO()
    frame(stress).to_parquet(content, engine="pyarrow", index=False)
    write_whole(path, content.getvalue())
