"""Results of a scenario discovery: the conditions under which a plan fails, and the samples behind them."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.files import finite_or_none
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.plan import Array, ComparedArrays
from optimizer.studies.boxes import FEWEST_CASES, Bounds, Box, BoxScore, clopper_pearson, round_step


def boxes_frame(found: "Discovery") -> Frame:
    """Build the frame of boxes: a row for each box and one for their union, with scores on the held-back samples."""
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
    note = "Coverage, density, and samples inside: of the samples held back. Low, high: the ends of a 95 % interval."
    return Frame.of_rows("boxes", "Where the plan fails", columns, _box_rows(found), note)


def _box_rows(found: "Discovery") -> Iterator[tuple[Any, ...]]:
    scored: list[tuple[str, str, BoxScore, bool | None]] = [
        (f"{k}", _conditions_text(found, each), each.score, each.is_confirmed) for k, each in enumerate(found.boxes, 1)
    ]
    if found.together is not None and len(scored) > 1:
        scored.append(("any", "in one of them or more", found.together, None))
    for name, text, of, confirmed in scored:
        coverage, density = (of.coverage, *of.coverage_interval), (of.density, *of.density_interval)
        yield name, text, of.inside, of.hits, *coverage, *density, confirmed


def _conditions_text(found: "Discovery", each: "FailureBox") -> str:
    """Write the conditions of a box by path: ``options.plant.lead_time > 12``."""
    ends = (
        (found.dimensions[bounds.column].name, sign, end)
        for bounds in each.box.bounds
        for sign, end in ((">", bounds.low), ("<=", bounds.high))
    )
    return " and ".join(f"{name} {sign} {end:g}" for name, sign, end in ends if math.isfinite(end))


def conditions_frame(found: "Discovery") -> Frame:
    """Build the frame of conditions, a row for each box and condition: above `low`, at most `high`, in range units."""
    columns = (
        FrameColumn("box", is_index=True),
        FrameColumn("dimension", is_index=True),
        FrameColumn("kind"),
        *(FrameColumn(name, form="exact") for name in ("low", "high")),
    )
    rows = (
        (f"{k}", dimension.name, dimension.kind, *map(finite_or_none, (bounds.low, bounds.high)))
        for k, each in enumerate(found.boxes, 1)
        for bounds in each.box.bounds
        for dimension in [found.dimensions[bounds.column]]
    )
    return Frame.of_rows("conditions", "Conditions of each box", columns, rows)


def samples_frame(found: "Discovery") -> Frame:
    """Build the frame of samples, a row for each: whether the plan fails in it, and its value in each dimension."""
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


DISCOVERY_METHOD = (
    "boxes from a classification tree (CART, scikit-learn), cross-validated; coverage and density on held-back samples "
    "with 95 % Clopper-Pearson intervals"
)
DimensionKind = Literal["number", "severity", "months", "start", "event"]


@dataclass(frozen=True)
class SampleDimension:
    """A quantity that differs between samples: an uncertain number, or a feature of the drawn shock."""

    # Name of the number; ``severity``, ``months`` or ``start`` of the drawn shock; or ``event:`` and its entry.
    name: str
    kind: DimensionKind
    # Range of its values: for a number the range in the file, for a feature the range over all samples.
    low: float
    high: float
    # The uncertain number. Its values lie in its range; numbers that move together but have different ranges are
    # measured by the common share of the way from low to high.
    number: UncertainNumber | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers, as years and months of the drawn shock and inputs such as years are."""
        number = self.number
        if number is None:
            return self.kind in ("months", "start")
        return number.is_alike and number.first.is_whole and not number.first.is_factor

    @property
    def step(self) -> float:
        """The step of which bounds on the dimension are multiples; 0 for any number."""
        if self.is_whole:
            return 1.0
        return 0.0 if self.kind == "event" else round_step(self.low, self.high)

    def condition(self, bounds: Bounds) -> dict[str, Any]:
        """Return bounds on the dimension for JSON: above `low`, at most `high`; null for no bound."""
        low, high = map(finite_or_none, (bounds.low, bounds.high))
        data: dict[str, Any] = {"name": self.name, "kind": self.kind, "low": low, "high": high}
        if self.number is None:
            return data
        span = self.high - self.low
        shares = [None if end is None else (end - self.low) / span for end in (low, high)]
        members = []
        for each in self.number.inputs:
            ends = [None if share is None else each.low + share * (each.high - each.low) for share in shares]
            members.append({"path": each.path, "low": ends[0], "high": ends[1], "factor": each.is_factor})
        return data | {"members": members}


@dataclass(frozen=True)
class FailureBox:
    """Conditions under which the plan fails, with their score on the held-back samples."""

    box: Box
    score: BoxScore

    @property
    def is_confirmed(self) -> bool:
        """Whether the lower end of the density interval exceeds the share of failures in all held-back samples."""
        share = self.score.cases / self.score.points if self.score.points else 1.0
        return self.score.inside > 0 and self.score.density_interval[0] > share


@dataclass(frozen=True)
class UnusableSamples:
    """The number of samples that one field of the instance makes unusable, and the reason of the first of them."""

    where: str
    samples: int
    reason: str


@dataclass(frozen=True, eq=False)
class DiscoverySamples(ComparedArrays):
    """All usable samples in the order of their numbers: arrays (samples,), `points` (samples, dimensions)."""

    number: npt.NDArray[np.intp]  # number of the sample, from 0
    held_back: npt.NDArray[np.bool_]  # True: held back to score boxes; False: used to find them
    failed: npt.NDArray[np.bool_]  # whether some floor fails
    gap: Array  # survival gap, money
    shock: tuple[str | None, ...]  # the worst failing shock; None if none fails
    points: Array  # values of the dimensions


@dataclass(frozen=True)
class Discovery:
    """The conditions under which a plan fails.

    Attributes:
        status: ``done``, or ``stopped`` if samples were left out because of Ctrl-C or the time limit.
        instance: the instance in which the plan was evaluated.
        plan_title: title of the instance for which the plan was made.
        samples: requested number of samples.
        seed: seed of the samples.
        unusable: samples that could not be evaluated, because numbers contradict each other, or because the plan could
            not have been made.
        dimensions: the quantities that differ between samples.
        boxes: the conditions, the best box first; empty if there are too few failures, or if no box predicts them.
        together: score of the union of the boxes on the held-back samples; None without boxes.
        rows: all usable samples.
        notes: remarks for the user.
    """

    status: Literal["done", "stopped"]
    instance: Instance = field(repr=False)
    plan_title: str
    samples: int
    seed: int
    unusable: tuple[UnusableSamples, ...]
    dimensions: tuple[SampleDimension, ...] = field(repr=False)
    boxes: tuple[FailureBox, ...]
    together: BoxScore | None
    rows: DiscoverySamples = field(repr=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = f"{self.failed} of {self.used} samples fail; conditions: {len(self.boxes)}"
        return f"<Discovery of {self.plan_title!r} in {self.instance.title!r}: {counts}>"

    @property
    def frames(self) -> Frames:
        """The frames by name (boxes, conditions, samples); attributes are pandas frames."""
        return Frames({"boxes": boxes_frame, "conditions": conditions_frame, "samples": samples_frame}, self)

    @property
    def used(self) -> int:
        """The number of usable samples."""
        return len(self.rows.failed)

    @property
    def failed(self) -> int:
        """The number of usable samples in which the plan fails."""
        return int(self.rows.failed.sum())

    @property
    def share(self) -> float:
        """The share of usable samples in which the plan fails; 0 if there are none."""
        return self.failed / self.used if self.used else 0.0

    @property
    def is_sparse(self) -> bool:
        """Whether there are too few failures, or too few samples without failure, to search for conditions."""
        failed = self.rows.failed[~self.rows.held_back]
        return min(int(failed.sum()), int((~failed).sum())) < FEWEST_CASES

    @property
    def held_back(self) -> tuple[int, int]:
        """The number of usable held-back samples, and the number of these in which the plan fails."""
        return int(self.rows.held_back.sum()), int(self.rows.failed[self.rows.held_back].sum())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share of failures, from the held-back samples, which are independent."""
        count, failed = self.held_back
        return clopper_pearson(failed, count)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual, which holds everything but the samples themselves."""
        count, failed = self.held_back
        return {
            "instance": self.instance.title,
            "plan": self.plan_title,
            "currency": self.instance.currency,
            "status": self.status,
            "method": DISCOVERY_METHOD,
            "samples": self.samples,
            "seed": self.seed,
            "used": self.used,
            "failed": self.failed,
            "unusable": [asdict(each) for each in self.unusable],
            "found_with": {"samples": self.used - count, "failed": self.failed - failed},
            "held_back": {"samples": count, "failed": failed, "interval": self.interval},
            "dimensions": [{"name": d.name, "kind": d.kind, "low": d.low, "high": d.high} for d in self.dimensions],
            "boxes": [self._box(each) for each in self.boxes],
            "together": None if self.together is None else self.together.to_dict(),
            "notes": list(self.notes),
        }

    def _box(self, each: FailureBox) -> dict[str, Any]:
        conditions = [self.dimensions[bounds.column].condition(bounds) for bounds in each.box.bounds]
        return {"conditions": conditions, **each.score.to_dict(), "confirmed": each.is_confirmed}
