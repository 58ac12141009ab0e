"""Tables of a stress test, the answer first; and its samples as Parquet."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.disruptions.ensemble import VARIED
from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, entry_name, size_text
from optimizer.report.format import list_names, percent, plural, served_over_floor
from optimizer.report.tables.plan import answer_panel
from optimizer.report.tables.render import UnbrokenText, closing_lines, cross_table, screen_table
from optimizer.results.frames import Frame, FrameRow
from optimizer.studies.stress_result import (
    BrokenShock,
    Reinforcement,
    Reinforcements,
    SampleGroup,
    ServiceSpread,
    Stress,
)
from optimizer.tolerances import NEGLIGIBLE, SHOWN_SHARE
from optimizer.units import fixed, short, si

# Most segments and events shown, the worst first; and the fewest samples of a weak spot that is named.
SEGMENTS, EVENTS, FEWEST_SAMPLES = 20, 12, 20
# Most effects of a shock that are shown.
MOST_EFFECTS = 3
# Labels of the criteria of `most_helpful`.
HELPS = {"survived": "Best by shocks", "gap": "Best by gap"}
GROUP_HEADS = {"event": "Event", "start": "Start", "months": "Months", "severity": "Severity"}


def stress_parts(stress: Stress, width: int, *, every: bool = False) -> Iterator[RenderableType]:
    """Yield the results of a stress test, with `every` one of the worst shocks or the worst of each event."""
    style = "red" if not stress.survives else "yellow" if stress.own_failed else "green"
    yield answer_panel(f"{stress.plan_title} under stress", _headline(stress), list(_facts(stress)), style)
    if stress.services:
        yield _services_table(stress)
    if stress.worst:
        yield _worst_table(stress, width, every=every)
    yield _groups_table(stress)
    if (found := stress.reinforcements) is not None:
        yield _reinforcements_table(stress) if found.additions else Text(no_additions_sentence(stress, found))
    yield from closing_lines(stress.notes)
    spent = ", ".join(f"{part} {si(value, 's')}" for part, value in stress.seconds.items())
    yield Text(f"Time: {spent}, the solver's summed over processes.", style="dim")


def _headline(stress: Stress) -> str:
    samples = plural(stress.samples, "sample")
    if not stress.survives:
        return f"SURVIVES {stress.survived:,} of {samples} ({share_survived(stress.share)}){_weakest_event(stress)}"
    own = plural(stress.own_shocks, "shock")
    enough = f"SURVIVES {stress.survived:,} of {samples}, as many as its ensembles require"
    whole = "SURVIVES the one sample" if stress.samples == 1 else f"SURVIVES all {samples}"
    fails = f", BUT FAILS in {stress.own_failed:,} of its own {own}" * bool(stress.own_failed)
    return f"{whole if stress.survived == stress.samples else enough}{fails}"


def _weakest_event(stress: Stress) -> str:
    """Return the share survived of the event with the smallest one; empty if there is one event or no weak spot."""
    events = [each for each in stress.groups if each.by == "event"]
    weakest = weak_spot(stress, events)
    if weakest is None or len(events) < 2:
        return ""
    return f"; of {_group_name(stress, weakest)} alone {share_survived(weakest.share)} of {weakest.samples:,}"


def _group_name(stress: Stress, group: SampleGroup) -> str:
    """Return the name of a group of samples; variations are named by the shock that they vary."""
    is_varied = group.by == "event" and is_variation(group.name)
    return f"variations of {varied_name(stress, group.name)}" if is_varied else group.name


def is_variation(entry: str) -> bool:
    """Return whether samples of an entry are variations of a listed shock, which last and cut otherwise than it."""
    return entry.startswith(f"{VARIED}/")


def _facts(stress: Stress) -> Iterator[tuple[str, str]]:
    money = stress.money
    interval = " to ".join(map(share_survived, stress.interval))
    share = f"{share_survived(stress.share)} of these samples, not the probability that the plan survives"
    yield "Share survived", f"{share}; 95 % interval {interval} (Wilson)"
    yield "Mean gap", f"{si(stress.expected_gap, money)} a sample, each with the same weight"
    if stress.worst:
        yield "Worst gap", f"{si(stress.worst_gap, money)}, in {stress.worst[0].name}"
    if stress.own_failed:
        own = f"{stress.own_failed:,} of the {plural(stress.own_shocks, 'shock')} of its instance"
        yield "Own shocks", f"the plan fails in {own}; the samples are others"
    weak = weak_spot(stress, stress.groups)
    if weak is not None:
        group = _group_name(stress, weak)
        group = group if is_variation(weak.name) else f"{GROUP_HEADS[weak.by].lower()} {group}"
        yield "Weak spot", f"{group}: {share_survived(weak.share)} of {weak.samples:,} survived"
    beyond = "" if stress.instance.policy.budget is None else " (budget and policy ignored)"
    yield from (
        (HELPS[by], f"{name}: {reinforcement_text(stress, addition)}{beyond}")
        for by, addition in most_helpful(stress).items()
        for name in [reinforcement_name(stress, addition)]
    )
    where = "" if stress.title == stress.plan_title else f"the plan of {stress.plan_title} in {stress.title}; "
    yield "Samples", "; ".join([f"{where}seed {stress.seed}", stress.sampler, *cut_off_words(stress)])


def cut_off_words(stress: Stress) -> Iterator[str]:
    """Yield the number of windows that the end of the horizon cuts off; nothing if there are none."""
    if stress.cut_off:
        cut = f"{stress.cut_off:,} of the {plural(stress.samples, 'window')} {'is' if stress.cut_off == 1 else 'are'}"
        yield f"{cut} cut off at the end of the horizon"


def weak_spot(stress: Stress, groups: Sequence[SampleGroup]) -> SampleGroup | None:
    """Return the group with the smallest share survived among large ones; None if none is below the whole."""
    large = [each for each in groups if each.samples >= min(FEWEST_SAMPLES, stress.samples)]
    weak = min(large, key=lambda each: each.share, default=None)
    return weak if weak is not None and weak.share < stress.share else None


def most_helpful(stress: Stress) -> dict[str, Reinforcement]:
    """Return the addition with which most failed samples are survived and the one that reduces their gaps most.

    The key ``survived`` holds the first, ``gap`` the second if it is another addition that reduces the gaps more.
    """
    found = stress.reinforcements
    if found is None or not found.additions:
        return {}
    first, most = found.additions[0], max(found.additions, key=lambda each: each.best.gap_removed)
    chosen = {"survived": first} if first.best.survived else {}
    is_more = most.best.gap_removed > first.best.gap_removed * (1 + NEGLIGIBLE)
    return chosen | ({"gap": most} if is_more or not chosen else {})


def reinforcement_text(stress: Stress, addition: Reinforcement) -> str:
    """Describe an addition: the number of failed samples survived with it, the share of gaps closed, its outlay."""
    found, best = stress.reinforcements, addition.best
    assert found is not None
    outlay = si(best.outlay, stress.money)
    closed = f", {_share_of_gap(found, best.gap_removed)} of the gap is closed" if found.gap > 0 else ""
    also = f", with {list_names([display_name(stress.instance, o) for o in addition.also])}" if addition.also else ""
    failed = f"{found.failed:,} that the plan fails"
    tried = failed if found.checked == found.failed else f"{found.checked:,} checked, of {failed},"
    survived = f"{best.survived:,} of the {tried} are survived then"
    if found.failed == 1:
        survived = f"the one that the plan fails is {'' if best.survived else 'not '}survived then"
    return f"{survived}{closed}, for {outlay} more outlay{also}"


def _share_of_gap(found: Reinforcements, removed: float) -> str:
    share = removed / found.gap
    return f"{short(100 * share, 1)} %" if 0 < share < 0.01 else percent(share)


def varied_name(found: Stress, entry: str) -> str:
    """Return the name of the shock that samples are variations of, or of their ensemble."""
    key, spec = entry.removeprefix(f"{VARIED}/"), found.instance.ensembles.get(VARIED)
    event = spec.events.get(key) if spec is not None and spec.events else None
    return (event.name if event is not None else None) or entry_name(found.instance, key)


def reinforcement_name(stress: Stress, addition: Reinforcement) -> str:
    """Return the name of an addition: the option, the size, and the period."""
    best = addition.best
    option = stress.instance.options[addition.option]
    size = f"{size_text(stress.instance, addition.option, best.size)} more{' in stock' if option.is_stock else ''}"
    if option.labels.size_unit == "level":
        size = _size_text(stress, addition)
    return f"{display_name(stress.instance, addition.option)}, {size}, {addition.period}"


def _services_table(stress: Stress) -> Table:
    frame = stress.frames.frame("services")
    caption = (
        "Share served in each sample's weakest period, once floors are kept as far as they can be and all else is "
        "served that can be; p5: one sample in twenty fares no better."
    )
    caption += f"\n{len(frame) - SEGMENTS} more segments are not shown." if len(frame) > SEGMENTS else ""
    return screen_table(
        stress.instance,
        frame.first(SEGMENTS),
        caption=caption,
        heads={"floor": "Floor"},
        cells={
            "floor": lambda row: _floor_text(stress.services[row["segment"]]),
            "below_floor": lambda row: share_survived(row["below_floor"]) if row["below_floor"] else "–",
        },
        style=lambda row: "red" if row["below_floor"] else "",
    )


def _floor_text(spread: ServiceSpread) -> str:
    low, high = (percent(each) for each in spread.floor)
    return high if low == high else f"{low.removesuffix(' %')}–{high}"


def _worst_table(stress: Stress, width: int, *, every: bool) -> Table:
    # The worst samples are in the order of their gaps, so the first of an event is the worst of all its samples.
    rows = stress.worst if every else tuple({each.entry: each for each in reversed(stress.worst)}.values())[::-1]
    caption = "Failed first: segment, period; served / floor; what was short then, and who makes it."
    title, is_folded = "The worst shock" if len(rows) == 1 else f"The worst {len(rows):,} shocks", False
    if len(rows) < len(stress.worst):
        title, is_folded = "The worst shock of each event", True
        caption += f"\nOf the {len(stress.worst)} worst samples one of each event is shown; --all lists each."
    broken_by = {each.name: each.samples - each.survived for each in stress.groups if each.by == "event"}
    return screen_table(
        stress.instance,
        Frame.of_items("worst", title, rows, stress.frames.frame("worst").columns),
        caption=caption,
        cells={
            "shock": lambda row: _broken_title(stress, row.item, broken_by.get(row.item.entry, 0) if is_folded else 0),
            "first": lambda row: windowed(row["first"], row["last"], "–"),
            "affects": lambda row: UnbrokenText(_effects_text(row.item)),
            "segment": lambda row: UnbrokenText(_failed_first_text(stress, row.item, 1 if width < 100 else 2)),
        },
        wide={"shock": 4, "affects": 5, "segment": 8},
        expand=True,
    )


def _broken_title(stress: Stress, broken: BrokenShock, count: int) -> str:
    """Return the name of a failed sample, its event, and how many of the event's samples break the plan."""
    name = varied_name(stress, broken.entry) if is_variation(broken.entry) else broken.entry.rpartition("/")[2]
    event = f"\n{name}" if "/" in broken.entry else ""
    return broken.name + event + (f"\nworst of {count:,} that break it" if count > 1 else "")


def _effects_text(broken: BrokenShock) -> str:
    if not broken.strikes:
        return "floors, costs or deals"
    more = len(broken.strikes) - MOST_EFFECTS
    return "; ".join(broken.strikes[:MOST_EFFECTS]) + (f"; {more} more" if more > 0 else "")


def _failed_first_text(stress: Stress, broken: BrokenShock, most: int) -> str:
    share = f"{served_over_floor(broken.service, broken.floor)} %"
    makers = [display_name(stress.instance, name) for name in broken.makers]
    at = f"at their limit: {list_names(makers, most)}" if makers else "no maker known at its limit"
    stage = f"stage {broken.stage}; " if broken.stage else ""
    short = display_name(stress.instance, broken.short)
    return f"{display_name(stress.instance, broken.segment)} {broken.period}, {share}; short of {short} ({stage}{at})"


def _groups_table(stress: Stress) -> Table:
    frame = stress.frames.frame("groups")
    rows = {by: [row for row in frame.rows() if row["by"] == by] for by in GROUP_HEADS}
    events = sorted(rows["event"], key=lambda row: row["survived"])
    rows["event"], left = events[:EVENTS], len(events) - EVENTS
    ensembles = {row["group"].partition("/")[0] for row in events}
    same = f"{min(ensembles)}/" if len(ensembles) == 1 else ""
    caption = "Severity: of the worst cut, in quarters of the samples, equal ones as one. Interval: 95 %, Wilson."
    caption += "".join(f"\nMonths: what is left of a window; {words}." for words in cut_off_words(stress))
    caption += f"\n{left:,} more events are not shown; they fare no worse." if left > 0 else ""
    lines = list[tuple[str | Text, Sequence[str | Text]] | None]()

    def cells(row: FrameRow) -> list[str]:
        interval = f"{fixed(100 * row['low'], 1)}–{fixed(100 * row['high'], 1)} %"
        gap = si(row["mean_gap"]) if row["mean_gap"] else "–"
        return [f"{row['samples']:,}", share_survived(row["survived"]), interval, gap]

    for by, group_rows in rows.items():
        lowest = min((row["survived"] for row in group_rows), default=1.0)
        for i, row in enumerate(group_rows):
            style = "red" if row["survived"] == lowest < 1.0 else ""
            name = Text(_row_name(stress, row, same), style=style)
            lines.append((Text("" if i else GROUP_HEADS[by], style="bold"), [name, *cells(row)]))
        lines.append(None)
    heads = ["Group", "Samples", "Survived", "Interval", f"Mean gap\n{stress.money}"]
    layouts = {"Group": {"overflow": "fold"}}
    number = {"no_wrap": True}
    return cross_table(frame.title, "By", heads, lines, caption=caption, labels=number, layout=number, layouts=layouts)


def _row_name(stress: Stress, row: FrameRow, same: str) -> str:
    """Return the name of a group of samples in the table, where it belongs to the ensemble `same` without that."""
    group = str(row["group"])
    if row["by"] != "event":
        return group
    return varied_name(stress, group) if is_variation(group) else group.removeprefix(same)


def _reinforcements_table(stress: Stress) -> Table:
    found = stress.reinforcements
    assert found is not None

    def gap_removed(row: dict[str, Any]) -> str:
        if found.gap <= 0:
            return "–"
        return ("−" if row["gap_removed"] > 0 else "") + _share_of_gap(found, row["gap_removed"])

    return screen_table(
        stress.instance,
        stress.frames.frame("reinforcements"),
        caption="\n".join(_reinforcement_notes(stress, found)),
        heads={"option": "Addition", "gap_removed": "Gap", "per_shock": f"Outlay\nper\nshock\n{stress.money}"},
        cells={
            "option": lambda row: Text.assemble(
                display_name(stress.instance, row["option"]), (f" · {row['kind']}", "dim")
            ),
            "size": lambda row: _size_text(stress, row.item),
            "gap_removed": gap_removed,
        },
        hidden=("kind",),
        style=lambda row: "" if row["survived"] else "dim",
        expand=True,
    )


def _reinforcement_notes(stress: Stress, found: Reinforcements) -> Iterator[str]:
    """Yield the lines of the caption of reinforcements."""
    yield (
        "Each row is one addition to the plan, checked in the samples that the plan fails and for what has to run in "
        "the baseline. It is a test of single additions, not a new optimum. Budget and policy are ignored. Outlay is "
        "undiscounted. Gap: the share of the gaps of all these samples that is closed. Ordered by the samples then "
        "survived, then by the gap. Size of a stockpile: the additional stock at the end of the period. Later "
        "purchases of the plan that no longer fit are left out: outlay is the additional cost over all years, and "
        "outlay divided by size is not a price."
    )
    yield found.note
    count = len(found.additions) + len(found.inoperable)
    if found.promising > count:
        yield f"Shadow prices promise an effect of {found.promising} options; the {count} best of them were tried."
    for each in found.additions:
        if each.also:
            also = list_names([display_name(stress.instance, name) for name in each.also])
            yield f"{display_name(stress.instance, each.option)} requires {also} at its least size, which is counted."
    if found.inoperable:
        yield _left_out_sentence(stress, found)


def _left_out_sentence(stress: Stress, found: Reinforcements) -> str:
    """Return the sentence on options that were left out because more of them cannot run in the baseline."""
    names = list_names([display_name(stress.instance, name) for name in found.inoperable])
    return f"Left out, because with more of it the baseline cannot keep every min_utilisation: {names}."


def no_additions_sentence(stress: Stress, found: Reinforcements) -> str:
    """Return why no addition is named: none was looked for, those that promise most cannot run, or none helps."""
    if found.gap <= 0:
        return "No addition was looked for: a shortage in these shocks costs nothing, so that there is no gap to close."
    return _left_out_sentence(stress, found) if found.inoperable else "No single addition is likely to help."


def _size_text(stress: Stress, addition: Reinforcement) -> str:
    size = size_text(stress.instance, addition.option, addition.best.size)
    return f"level +{size.removeprefix('level ')}" if size.startswith("level ") else f"+{size}"


def share_survived(share: float) -> str:
    """Return a share of samples as text, which reads 0 or 100 % only if the share is exactly that."""
    return f"{short(100 * share, 2)} %" if 0 < share < SHOWN_SHARE else percent(share, 1)


def stress_parquet(stress: Stress) -> bytes:
    """Return every sample as Parquet, with units in the column names; needs pyarrow."""
    frame, content = stress.frames.frame("samples"), io.BytesIO()
    named_with_units = {column.name: column.name_with_unit for column in frame.columns}
    made = frame.to_pandas().reset_index().rename(columns=named_with_units)
    made.attrs = {}
    made.to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()
