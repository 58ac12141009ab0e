"""What a stress test returns: the sampled shocks, what they have in common, and what single additions would do.

Stress          a plan in sampled shocks: the share that it survives, the worst of them, and what follows
Samples         every sample, as arrays
SampleGroup     samples of one event, start, duration or severity, and the share of them that is survived
ServiceSpread   the service of a segment over all samples
BrokenShock     a shock that the plan fails: what falls short first, and where its makers are at their limit
Reinforcements  single additions to the plan (`Reinforcement`), each checked in several amounts (`Trial`)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.relaxed_floors import excused_samples, survival_shares
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array, ReadOnly
from optimizer.solver import Integers
from optimizer.studies import study_frames

By = Literal["event", "start", "months", "severity"]


@dataclass(frozen=True)
class Samples:
    """Every sample, in the order of the instance's events: arrays (samples,)."""

    name: tuple[str, ...]  # of the sample
    entry: tuple[str, ...]  # the event or entry that it is drawn from
    start: Integers  # its first period
    months: Integers  # of its window, cut off at the end of the horizon
    severity: Array  # of its worst cut; 0 where nothing is cut
    # Whether every floor holds; money.
    survived: npt.NDArray[np.bool_]
    gap: Array
    segment: Integers  # number of the weakest; -1 where there are none
    # Of that segment in its worst period, shares.
    service: Array
    floor: Array
    failure: Integers  # the first period in which any floor fails; -1 where none does
    probability: Array  # as the instance has it


@dataclass(frozen=True)
class SampleGroup:
    """Samples that have something in common."""

    by: By  # what they have in common: event, start (the year), months or severity (of the worst cut)
    name: str  # event, year, months or range
    # How many.
    samples: int
    survived: int
    interval: tuple[float, float]  # Wilson's 95 % interval of the share survived
    mean_gap: float  # money, over all of them

    @property
    def share(self) -> float:
        """The share survived."""
        return self.survived / self.samples


@dataclass(frozen=True)
class ServiceSpread:
    """One segment's service over all samples, in each the share served in its weakest period."""

    floor: tuple[float, float]  # smallest and largest floor of those periods
    # Of the service.
    mean: float
    p5: float
    p50: float
    p95: float
    below: float  # share of the samples in which it falls below its floor


@dataclass(frozen=True)
class BrokenShock:
    """A shock that broke the plan."""

    # Of the shock; its window by labels, its gap in money.
    name: str
    entry: str
    first: str
    last: str
    gap: float
    strikes: tuple[str, ...]  # what it cuts and which demand it raises, in words
    # What fell below its floor first; of several the one with the largest gap.
    segment: str
    period: str
    # Of that segment in that period, shares.
    service: float
    floor: float
    short: str  # the commodity whose makers are at their limit then, up the chain from what the segment wants
    # Those that exist or are built and are at their limit, the dearest capacity first; none where nothing makes it.
    makers: tuple[str, ...]
    stage: str | None  # of the first of them; None where it has none


@dataclass(frozen=True)
class Trial:
    """One amount, added to the plan and checked."""

    size: float  # t/yr or a level; of a stockpile t more at the end of the period
    # Capex, fixed cost and price support in the baseline, or the price of what is bought less what is then not bought
    # later; undiscounted.
    outlay: float
    survived: int  # how many of the broken shocks are survived with it
    gap_removed: float  # money, over all broken shocks that were checked

    @property
    def per_survived(self) -> float | None:
        """Outlay for each shock survived."""
        return self.outlay / self.survived if self.survived else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, under the keys of its first version."""
        return {"size": self.size, "outlay": self.outlay, "mended": self.survived, "gap_removed": self.gap_removed}


@dataclass(frozen=True)
class Reinforcement:
    """An addition: its best trial and all of them."""

    # What is bought.
    option: str
    kind: str
    period: str  # label of its decision point; of a stockpile, of the period by whose end it is filled
    also: tuple[str, ...]  # options that it requires and that the plan does not open; their cost is not counted
    # The trial with which most shocks are survived, or, where none is, that takes most off the gap; the smallest of
    # several.
    best: Trial
    trials: tuple[Trial, ...]  # smallest amount first

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {name: value for name, value in vars(self).items() if name not in ("best", "trials")}
        best = self.best.to_dict() | {"per_mended": self.best.per_survived}
        return own | {"best": best, "trials": [trial.to_dict() for trial in self.trials]}


@dataclass(frozen=True)
class Reinforcements:
    """What single additions do, the best first."""

    failed: int  # shocks that broke the plan
    checked: int  # how many of them the additions were tried on, evenly spread where they are many
    gap: float  # of those that were checked, money
    promising: int  # options whose slopes promise anything
    additions: tuple[Reinforcement, ...]  # those that were tried
    # Options that were left out: with any amount that was tried something cannot run in the baseline as it has to.
    inoperable: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """On how many of the broken shocks they were tried, and what the outlay for each shock survived is good for."""
        few = f"Checked on {self.checked:,} of the {self.failed:,} broken shocks, evenly spread. "
        alone = "Outlay per shock falls with the number of samples: it compares rows of this table alone."
        return few * (self.checked < self.failed) + alone

    def to_dict(self) -> dict[str, Any]:
        """For JSON, under the keys of its first version."""
        own = {name: value for name, value in vars(self).items() if name != "additions"}
        return own | {"mends": [addition.to_dict() for addition in self.additions]}


@dataclass(frozen=True)
class Stress(ReadOnly):
    """The outcome of a plan in sampled shocks.

    Attributes:
        title: of the instance that the shocks are of.
        plan_title: of the instance that the plan was made for.
        currency: its label.
        samples: how many were drawn.
        seed: from which they were drawn.
        sampler: what they were drawn from, in words.
        cut_off: how many of them have a window that the end of the horizon cuts off.
        own_shocks: how many shocks the plan was made for.
        own_failed: in how many of those it fails.
        survived: in how many samples every floor holds.
        share: the same as a share.
        interval: Wilson's 95 % interval of that share.
        expected_gap: mean survival gap, money.
        worst_gap: largest survival gap, money.
        services: by segment.
        worst: the shocks with the largest gaps.
        groups: shares survived by event, start, duration and severity.
        reinforcements: what single additions would have done; None where nothing failed.
        notes: what the user should know.
        versions: of Python and of packages.
        seconds: that the run took by part; those in the solver are summed over processes.
        rows: every sample.
        instance: with the sampled shocks as its shocks.
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
    frames = property(study_frames.of_stress)

    def __repr__(self) -> str:
        return f"<Stress {self.plan_title!r} in {self.title!r}: {self.survived} of {self.samples} samples survived>"

    @property
    def survives(self) -> bool:
        """Whether every sample is survived, or of each ensemble the share that has to be."""
        excused = excused_samples(survival_shares(self.instance), self.rows.gap, ~self.rows.survived)
        return bool((self.rows.survived | excused).all())

    @property
    def money(self) -> str:
        """The currency's code, the first word of its label."""
        return self.instance.money

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual: all but the samples themselves."""
        data: dict[str, Any] = {"instance": self.title, "plan": self.plan_title}
        left_out = ("title", "plan_title", "rows", "instance", "reinforcements")
        data |= {name: value for name, value in vars(self).items() if name not in left_out}
        data |= {"survives": self.survives, "interval_method": "Wilson, 95 %"}
        data["services"] = {d: asdict(spread) for d, spread in self.services.items()}
        data["worst"] = [asdict(broken) for broken in self.worst]
        data["groups"] = [asdict(group) | {"share": group.share} for group in self.groups]
        return data | {"mending": None if self.reinforcements is None else self.reinforcements.to_dict()}
