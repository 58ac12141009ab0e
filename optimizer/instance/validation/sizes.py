"""The pass about sizes that no computer handles; the others run after it, so that they need not fear them."""

from collections.abc import Iterator

from optimizer.instance.validation.draft import Draft, Problem
from optimizer.limits import COLUMNS, EVENTS


def sizes_can_be_handled(draft: Draft) -> Iterator[Problem]:
    """There are not too many events, and not too many periods for all that happens in each."""
    if draft.instance is None:
        return
    instance, total = draft.instance, 0
    periods = len(instance.horizon.periods)
    for section in ("shocks", "ensembles"):
        for name, spec in getattr(instance, section).items():
            if section == "ensembles":
                total += spec.count
            else:
                starts = periods if spec.start.form == "span" else len(spec.start.labels)
                total += starts * len(spec.durations.values) * max(1, len(spec.grid.severity) if spec.grid else 1)
            if total > EVENTS:
                what = f"with it there are more than {EVENTS:,} shocks, those of families and ensembles counted"
                yield (section, name), what, "Take fewer starts, durations, severities or samples.", "error"
                return
    acting = len(instance.processes) + len(instance.options) + len(instance.demands)
    if periods * acting > COLUMNS:
        what = f"{periods:,} periods for {acting:,} processes, options and segments are too many to compute with"
        yield ("horizon",), what, "Choose a coarser step, or a shorter horizon.", "error"
