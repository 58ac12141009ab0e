"""Numbers and names in the words of a reader."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from rich import box
from rich.table import Table

from optimizer.disruptions.shock import Cut, Shock
from optimizer.instance.derived import region_name
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.studies.folding import entry_of
from optimizer.units import fixed, short, si

LINE = 0.65
# What is said of rows that stand for several shocks.
FOLDED = "A family or an ensemble is one row: the weakest of its shocks for each segment, and the worst shock by name; "
FOLDED += "--all lists each shock."
# Sets of targets are counted up to so many.
SETS = 1000


def named(instance: Instance, owner: str) -> str:
    """The name that the file gives an object, or its key."""
    sections: Sequence[Mapping[str, Any]] = (
        instance.options, instance.processes, instance.demands, instance.commodities
    )  # fmt: skip
    for section in sections:
        if owner in section:
            return section[owner].name or owner
    return owner


def entry_name(instance: Instance, entry: str) -> str:
    """What the file calls a shock, a family or an ensemble, or its key."""
    spec = instance.shocks.get(entry) or instance.ensembles.get(entry)
    return (spec.name if spec is not None else None) or entry


def titled(instance: Instance, event: Shock) -> tuple[str, str]:
    """What the file calls an event's entry, and what tells it from others of the entry: a key's part, or a number."""
    # What an adversary found is no entry of the file.
    entry = entry_of(instance, event) or event.entry
    if not event.name.startswith(entry):
        return event.name, ""
    return event.spec.name or entry_name(instance, entry), event.name.removeprefix(entry).removeprefix("@")


def in_full(instance: Instance, event: Shock) -> str:
    """An event for reading: ``Full embargo · 2028Q1``."""
    return " · ".join(part for part in titled(instance, event) if part)


def called(instance: Instance, key: str) -> str:
    """A shock in the tables: `in_full` where the file names its entry, else its key."""
    event = next((event for event in instance.events if event.name == key), None)
    if event is None or event.name.startswith(titled(instance, event)[0]):
        return key
    return in_full(instance, event)


def spelled(text: str, words: Mapping[str, str]) -> str:
    """A text with names of shocks in place of their keys; where one key begins another the longer one counts."""
    keys = sorted(words, key=len, reverse=True)
    return re.sub("|".join(rf"(?<!\w){re.escape(key)}(?!\w)" for key in keys) or "$^", lambda m: words[m[0]], text)


def abroad(instance: Instance, regions: Mapping[str, float]) -> dict[str, float]:
    """Shares of the regions that are not home, as far as the file names its home."""
    return {region: share for region, share in regions.items() if region != instance.home}


def placed(instance: Instance, stage: str | None, region: str | None) -> str:
    """A stage in a region for reading; a stage that is called as a commodity is has the commodity's name."""
    commodity = instance.commodities.get(stage or "")
    name = (commodity.name if commodity is not None else None) or stage or "other"
    return f"{name}, {region_name(instance, region)}" if region else name


def cut_words(instance: Instance, cut: Cut) -> str:
    """What a cut strikes, in the names that the file gives."""
    called = {
        "process": tuple(named(instance, process) for process in cut.process or ()),
        "region": tuple(region_name(instance, region) for region in cut.region or ()),
        "commodity": tuple(named(instance, commodity) for commodity in cut.commodity or ()),
    }
    return str(cut.model_copy(update={part: names or None for part, names in called.items()}))


def percent(share: float, digits: int = 0) -> str:
    """A share for reading: ``83 %``; never rounded up to a whole that it is not, and no sign where it reads as 0."""
    text = fixed(100 * share, digits)
    if 0 <= share < 1 - 1e-6 and float(text) >= 100:
        return f">{fixed(100 - 10.0**-digits, digits)} %"
    if digits == 0 and 0 < share < 0.01:
        return "<1 %"
    return f"{text} %"


def given(share: float) -> str:
    """A share as it was given: ``0.5 %``, ``2 %``."""
    digits = next((digits for digits in range(4) if math.isclose(round(100 * share, digits), 100 * share)), 4)
    return f"{fixed(100 * share, digits)} %"


def sized(instance: Instance, option: str, size: float) -> str:
    """The size of a build with its unit."""
    bought = instance.options.get(option)
    unit = (bought or Sized).labels.size_unit
    return f"level {short(size)}" if unit == "level" else si(size, unit)


def table(title: str, *, caption: str | None = None, expand: bool = False) -> Table:
    """An empty table in the house's style."""
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="dim",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        expand=expand,
        collapse_padding=True,
    )


def listed(names: Sequence[str], most: int = 4) -> str:
    """Some names, and how many more there are."""
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + tail


def plural(count: int, noun: str) -> str:
    """``1 shock``, ``2 shocks``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def left_out(count: int) -> str:
    """What is said of shocks that are not shown: with equal gaps and services, some may be as bad."""
    return "1 more shock is not shown: it is no worse." if count == 1 else (
        f"{count:,} more shocks are not shown: none of them is worse."
    )  # fmt: skip


def adversary_words(instance: Instance) -> str:
    """What an instance's adversary has, what there is to choose from, and when."""
    adversary, horizon = instance.adversary, instance.horizon
    if adversary is None:
        return "none"
    means, targets = si(adversary.attack_budget, instance.money), plural(len(adversary.targets), "target")
    found = sum(1 for _ in islice(adversary.each_maximal(), SETS + 1))
    sets = f"more than {SETS:,} sets" if found > SETS else plural(found, "set")
    months = f"{adversary.months:g} month{'' if adversary.months == 1 else 's'}"
    starts = [horizon.label(t) for t in adversary.starts.periods(horizon)]
    when = f"from {starts[0]} on" if len(starts) == 1 else f"from one of {len(starts)} starts on"
    return f"{means} to spend on {targets}: {sets} to choose from, for {months} {when}"
