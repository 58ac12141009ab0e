"""The frames of a discovery: the only place that says which columns its tables have."""

import math
from collections.abc import Iterator
from typing import Any

from optimizer.results.frames import Frame, FrameColumn, Frames


def discovery_frames(found: Any) -> Frames:
    """All tables as pandas frames: boxes, conditions, samples."""
    return Frames({"boxes": boxes_frame, "conditions": conditions_frame, "samples": discovery_samples}, found)


def boxes_frame(found: Any) -> Frame:
    """One row a box, and one for all of them together: coverage and density on the samples held back."""
    columns = (
        FrameColumn("box", is_index=True),
        FrameColumn("conditions", "Conditions, all of them"),
        *(FrameColumn(name, form="count", is_shown=False) for name in ("samples_inside", "failed_inside")),
        *(
            FrameColumn(f"{what}{end}", unit="share", form="percent", is_shown=not end)
            for what in ("coverage", "density")
            for end in ("", "_low", "_high")
        ),
        FrameColumn("confirmed", form="yes", is_shown=False),
    )
    return Frame.of_rows("boxes", "Where the plan fails", columns, _box_rows(found))


def _box_rows(found: Any) -> Iterator[tuple[Any, ...]]:
    scored = [(f"{k}", _text(found, each), each.score, each.is_confirmed) for k, each in enumerate(found.boxes, 1)]
    if len(scored) > 1:
        scored.append(("any", "in one of them or more", found.together, None))
    for name, text, of, confirmed in scored:
        coverage, density = (of.coverage, *of.coverage_interval), (of.density, *of.density_interval)
        yield name, text, of.inside, of.hits, *coverage, *density, confirmed


def _text(found: Any, each: Any) -> str:
    """The conditions of a box by path: ``options.plant.lead_time > 12``."""
    ends = (
        (found.dimensions[bounds.column].name, sign, end)
        for bounds in each.box.bounds
        for sign, end in ((">", bounds.low), ("<=", bounds.high))
    )
    return " and ".join(f"{name} {sign} {end:g}" for name, sign, end in ends if math.isfinite(end))


def conditions_frame(found: Any) -> Frame:
    """One row a box and condition: above `low`, at most `high`, in the unit of the range."""
    columns = (
        FrameColumn("box", is_index=True),
        FrameColumn("dimension", is_index=True),
        FrameColumn("kind"),
        *(FrameColumn(name, form="exact") for name in ("low", "high")),
    )
    rows = (
        (f"{k}", dimension.name, dimension.kind, *(x if math.isfinite(x) else None for x in (bounds.low, bounds.high)))
        for k, each in enumerate(found.boxes, 1)
        for bounds in each.box.bounds
        for dimension in [found.dimensions[bounds.column]]
    )
    return Frame.of_rows("conditions", "Conditions of each box", columns, rows)


def discovery_samples(found: Any) -> Frame:
    """One row a sample: whether the plan fails in it, and where each dimension is."""
    rows = found.rows
    columns = (
        FrameColumn("sample", form="count", is_index=True),
        FrameColumn("held_back", form="yes"),
        FrameColumn("failed", form="yes"),
        FrameColumn("gap", unit=found.instance.money, form="amount"),
        FrameColumn("worst_shock", form="shock"),
        *(FrameColumn(dimension.name, form="amount") for dimension in found.dimensions),
    )
    values = (rows.number.tolist(), rows.held_back.tolist(), rows.failed.tolist(), rows.gap.tolist(), list(rows.shock))
    return Frame(
        "samples", "Samples", columns, (*values, *(rows.points[:, j].tolist() for j in range(len(found.dimensions))))
    )
