"""Result of a stress test: the sampled shocks, the shares survived by group, and the effect of single additions.

Stress          a plan in sampled shocks: the share that it survives, the worst samples, and reinforcements
Samples         every sample, as arrays
SampleGroup     samples with the same event, start, duration or severity, and the share of them that is survived
ServiceSpread   the service of a segment over all samples
BrokenShock     a shock that the plan fails: the segment that fails first, and the bottleneck of its supply
Reinforcements  single additions to the plan (`Reinforcement`), each checked in several amounts (`Trial`)
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.relaxed_floors import excused_samples, survival_shares
from optimizer.instance.schema import Instance
from optimizer.results.frames import Form, Frame, FrameColumn, Frames
from optimizer.results.plan import Array, ComparedArrays, ReadOnly
from optimizer.solver import Integers

Grouping = Literal["event", "start", "months", "severity"]


@dataclass(frozen=True, eq=False)
class Samples(ComparedArrays):
    """Every sample, in the order of the instance's events: arrays (samples,)."""

    name: tuple[str, ...]  # name of the sample
    entry: tuple[str, ...]  # the event or entry from which it is drawn
    start: Integers  # first period of its window
    months: Integers  # length of its window, cut off at the end of the horizon
    severity: Array  # severity of its worst cut; 0 without a cut
    survived: npt.NDArray[np.bool_]  # whether every floor holds
    gap: Array  # survival gap, money
    segment: Integers  # index of the weakest segment; -1 without segments
    # Service and floor of that segment in its worst period, shares.
    service: Array
    floor: Array
    failure: Integers  # the first period in which any floor fails; -1 if none fails
    probability: Array  # probability of the sample in the instance


@dataclass(frozen=True)
class SampleGroup:
    """Samples with the same event, year of start, duration or severity."""

    by: Grouping  # the common property: event, start (the year), months or severity (of the worst cut)
    name: str  # the event, year, months or range
    # Number of samples in the group, and of those survived.
    samples: int
    survived: int
    interval: tuple[float, float]  # Wilson's 95 % interval of the share survived
    mean_gap: float  # mean survival gap of the group, money

    @property
    def share(self) -> float:
        """The share survived."""
        return self.survived / self.samples


@dataclass(frozen=True)
class ServiceSpread:
    """Distribution over all samples of the share of a segment's demand served in its weakest period."""

    floor: tuple[float, float]  # smallest and largest floor of those periods
    # Mean and quantiles of the service.
    mean: float
    p5: float
    p50: float
    p95: float
    below: float  # share of the samples in which the segment falls below its floor


@dataclass(frozen=True)
class BrokenShock:
    """A shock that the plan fails."""

    # Name and entry of the shock, labels of the first and last period of its window, and its survival gap, money.
    name: str
    entry: str
    first: str
    last: str
    gap: float
    strikes: tuple[str, ...]  # the shock's cuts and surges of demand, in words
    # The segment that falls below its floor first, and the period; of several segments, the one with the largest gap.
    segment: str
    period: str
    # Service and floor of that segment in that period, shares.
    service: float
    floor: float
    short: str  # the commodity whose makers are at their limit in that period, upstream of the segment
    # Existing or built makers at their limit, the one with the dearest capacity first; empty if nothing makes `short`,
    # or if shortages cost nothing, so that no limit has a price.
    makers: tuple[str, ...]
    stage: str | None  # stage of the first maker; None if it has none


@dataclass(frozen=True)
class Trial:
    """One amount of an option, added to the plan and evaluated in the samples that the plan fails."""

    size: float  # t/yr or a level; for a stockpile, additional t at the end of the period
    # Added outlay, undiscounted: capex, fixed cost and price support in the baseline, of required options too; for a
    # stockpile, the price of the added purchases minus that of later purchases that they replace.
    outlay: float
    survived: int  # number of the failed samples that are survived with the addition
    gap_removed: float  # decrease of the gap over all failed samples that were checked, money

    @property
    def per_survived(self) -> float | None:
        """Outlay for each shock survived; None if none is survived."""
        return self.outlay / self.survived if self.survived else None

    def to_dict(self) -> dict[str, Any]:
        """Return the trial for JSON, under the keys of its first version."""
        return {"size": self.size, "outlay": self.outlay, "mended": self.survived, "gap_removed": self.gap_removed}


@dataclass(frozen=True)
class Reinforcement:
    """An addition to the plan, with its trials."""

    # The option that is added, and its kind.
    option: str
    kind: str
    period: str  # label of the decision point; for a stockpile, of the period at whose end the stock is larger
    also: tuple[str, ...]  # required options that are opened with it, at their least size
    # The trial with most shocks survived, or with the largest decrease of the gap if none is survived; of several, the
    # smallest.
    best: Trial
    trials: tuple[Trial, ...]  # smallest amount first

    def to_dict(self) -> dict[str, Any]:
        """Return the addition for JSON."""
        own = {name: value for name, value in vars(self).items() if name not in ("best", "trials")}
        best = self.best.to_dict() | {"per_mended": self.best.per_survived}
        return own | {"best": best, "trials": [trial.to_dict() for trial in self.trials]}


@dataclass(frozen=True)
class Reinforcements:
    """The effect of single additions to a plan, the best first."""

    failed: int  # number of shocks that the plan fails
    checked: int  # number of those on which the additions were tried; a sample of them if they are many
    gap: float  # survival gap of the checked shocks, money
    promising: int  # number of options whose slopes promise a decrease of the gap, without those that bring none
    additions: tuple[Reinforcement, ...]  # the additions that were tried and help
    # Options that were left out, since with every amount tried, `min_utilisation` is infeasible in the baseline.
    inoperable: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Note on the number of failed samples checked, and on the use of the outlay for each shock survived."""
        few = f"Checked on {self.checked:,} of the {self.failed:,} samples that the plan fails, evenly spread. "
        alone = "Outlay per shock: outlay divided by the shocks then survived; it falls with the number of samples, "
        alone += "and compares rows of this table alone."
        return few * (self.checked < self.failed) + alone

    def to_dict(self) -> dict[str, Any]:
        """Return the additions for JSON, under the keys of the first version."""
        own = {name: value for name, value in vars(self).items() if name != "additions"}
        return own | {"mends": [addition.to_dict() for addition in self.additions]}


def stress_samples_frame(stress: "Stress") -> Frame:
    """Return a frame with a row per sample."""
    rows, demands = stress.rows, list(stress.instance.demands)

    def labels(periods: Sequence[int]) -> list[str | None]:
        return [stress.instance.horizon.label(t) if t >= 0 else None for t in periods]

    columns = {
        FrameColumn("sample", is_index=True): list(rows.name),
        FrameColumn("event"): list(rows.entry),
        FrameColumn("start", form="period"): labels(rows.start.tolist()),
        FrameColumn("months", form="amount"): rows.months.tolist(),
        FrameColumn("max_severity", unit="share", form="percent"): rows.severity.tolist(),
        FrameColumn("survived", form="yes"): rows.survived.tolist(),
        FrameColumn("gap", unit=stress.money, form="amount"): rows.gap.tolist(),
        FrameColumn("worst_segment", form="name"): [demands[i] if i >= 0 else None for i in rows.segment.tolist()],
        FrameColumn("service", unit="share", form="percent"): rows.service.tolist(),
        FrameColumn("floor", unit="share", form="percent"): rows.floor.tolist(),
        FrameColumn("first_failure", form="period"): labels(rows.failure.tolist()),
        FrameColumn("probability", form="amount"): [each or None for each in rows.probability.tolist()],
    }
    return Frame("samples", "Samples", tuple(columns), tuple(columns.values()))


def stress_services_frame(stress: "Stress") -> Frame:
    """Return a frame with a row per segment, those that fall below their floors most often first."""
    percent = [("mean", "Mean"), ("p5", "p5"), ("p50", "p50"), ("p95", "p95")]
    columns = (
        FrameColumn("segment", form="name", is_index=True),
        FrameColumn("floor_low", unit="share", form="percent", is_shown=False),
        FrameColumn("floor", unit="share", form="percent"),
        *(FrameColumn(name, label, "share", "percent") for name, label in percent),
        FrameColumn("below_floor", "Below floor", "share", "tenth"),
    )
    ordered = sorted(stress.services.items(), key=lambda item: -item[1].below)
    rows = ((d, *each.floor, each.mean, each.p5, each.p50, each.p95, each.below) for d, each in ordered)
    return Frame.of_rows("services", "Service", columns, rows)


def sample_groups_frame(stress: "Stress") -> Frame:
    """Return a frame with a row per group of samples: by event, start, months and severity."""
    columns = (
        FrameColumn("by", form="word", is_index=True),
        FrameColumn("group", is_index=True, of=lambda each: each.name),
        FrameColumn("samples", form="count"),
        FrameColumn("survived", unit="share", form="tenth", of=lambda each: each.share),
        FrameColumn("low", "Interval", "share", "tenth", of=lambda each: each.interval[0]),
        FrameColumn("high", unit="share", form="tenth", is_shown=False, of=lambda each: each.interval[1]),
        FrameColumn("mean_gap", "Mean gap", stress.money, "amount"),
    )
    return Frame.of_items("groups", "Where it is weak", stress.groups, columns)


def broken_shocks_frame(stress: "Stress") -> Frame:
    """Return a frame with a row per reported shock that the plan fails, the worst first."""
    columns = (
        FrameColumn("shock", is_index=True, of=lambda each: each.name),
        FrameColumn("event", is_shown=False, of=lambda each: each.entry),
        FrameColumn("first", "Window"),
        FrameColumn("last", form="period", is_shown=False),
        FrameColumn("affects", of=lambda each: "; ".join(each.strikes)),
        FrameColumn("gap", unit=stress.money, form="amount"),
        FrameColumn("segment", "Failed first", form="name"),
        FrameColumn("period", form="period", is_shown=False),
        *(FrameColumn(name, unit="share", form="percent", is_shown=False) for name in ("service", "floor")),
        FrameColumn("short_of", form="name", is_shown=False, of=lambda each: each.short),
    )
    return Frame.of_items("worst", "The worst shocks", stress.worst, columns)


def reinforcements_frame(stress: "Stress") -> Frame:
    """Return a frame with a row per addition to the plan, checked on the shocks that the plan fails."""
    found, money = stress.reinforcements, stress.money
    tried, note = (found.checked, found.note) if found is not None else (0, "")

    def checked(name: str, label: str, unit: str, form: Form, figure: str = "") -> FrameColumn:
        return FrameColumn(name, label, unit, form, of=lambda each: getattr(each.best, figure or name))

    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("kind", "Lever"),
        FrameColumn("period", "When", form="period"),
        checked("size", "", "", "amount"),
        checked("survived", f"Survived\nof {tried:,}", "", "count"),
        checked("gap_removed", f"Gap closed, sum of {tried:,}", money, "amount"),
        checked("outlay", "Outlay", money, "amount"),
        checked("per_shock", f"Outlay per\nshock of {tried:,}", money, "amount", "per_survived"),
    )
    return Frame.of_items("reinforcements", "Reinforcement", found.additions if found else (), columns, note)


@dataclass(frozen=True)
class Stress(ReadOnly):
    """The outcome of a plan in sampled shocks.

    Attributes:
        title: title of the instance from which shocks are drawn.
        plan_title: title of the instance for which the plan was made.
        currency: label of the currency.
        samples: number of samples drawn.
        seed: seed of the draws.
        sampler: description of the distributions that samples are drawn from.
        cut_off: number of samples whose window is cut off by the end of the horizon.
        own_shocks: number of shocks for which the plan was made.
        own_failed: number of those shocks that the plan fails.
        survived: number of samples in which every floor holds.
        share: share of samples in which every floor holds.
        interval: Wilson's 95 % interval of `share`.
        expected_gap: mean survival gap, money.
        worst_gap: largest survival gap, money.
        services: distribution of the service, by segment.
        worst: the shocks with the largest gaps.
        groups: shares survived by event, start, duration and severity.
        reinforcements: effect of single additions; None if no sample fails.
        notes: remarks for the user.
        versions: versions of Python and of packages.
        seconds: run time by part, s; solver time is summed over processes.
        rows: all samples, as arrays.
        instance: the instance with the sampled shocks.
    """

    title: str
    plan_title: str
    currency: str
    samples: int
    seed: int
    sampler: str
    cut_off: int
    own_shocks: int
    own_failed: int
    survived: int
    share: float
    interval: tuple[float, float]
    expected_gap: float
    worst_gap: float
    services: Mapping[str, ServiceSpread]
    worst: tuple[BrokenShock, ...]
    groups: tuple[SampleGroup, ...]
    reinforcements: Reinforcements | None
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    rows: Samples = field(repr=False)
    instance: Instance = field(repr=False)

    @property
    def frames(self) -> Frames:
        """The frames by name (samples, services, groups, worst, reinforcements); attributes are pandas frames."""
        makers = {
            "samples": stress_samples_frame,
            "services": stress_services_frame,
            "groups": sample_groups_frame,
            "worst": broken_shocks_frame,
            "reinforcements": reinforcements_frame,
        }
        return Frames(makers, self)

    def __repr__(self) -> str:
        return f"<Stress {self.plan_title!r} in {self.title!r}: {self.survived} of {self.samples} samples survived>"

    @property
    def survives(self) -> bool:
        """Whether every sample is survived, or the required share of each ensemble."""
        excused = excused_samples(survival_shares(self.instance), self.rows.gap, ~self.rows.survived)
        return bool((self.rows.survived | excused).all())

    @property
    def money(self) -> str:
        """The currency's code, the first word of its label."""
        return self.instance.money

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual: all fields except the samples themselves."""
        data: dict[str, Any] = {"instance": self.title, "plan": self.plan_title}
        left_out = ("title", "plan_title", "rows", "instance", "reinforcements")
        data |= {name: value for name, value in vars(self).items() if name not in left_out}
        data |= {"survives": self.survives, "interval_method": "Wilson, 95 %"}
        data["services"] = {d: asdict(spread) for d, spread in self.services.items()}
        data["worst"] = [asdict(broken) for broken in self.worst]
        data["groups"] = [asdict(group) | {"share": group.share} for group in self.groups]
        return data | {"mending": None if self.reinforcements is None else self.reinforcements.to_dict()}
