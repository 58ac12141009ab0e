"""Drawing the samples of an ensemble: the same shocks from the same seed, on any machine.

Every thing that is drawn has a column of chances of its own, named and numbered by sample: `start`, `months`, `scale`,
one per event and one per cut. Its stream is PCG64 seeded by the ensemble's seed, its name and the column's, read as raw
64-bit integers, of which NumPy guarantees the sequence; chances are their upper 53 bits, and values are inverses of
chances, rounded to a millionth, so that another library's last digit shows nowhere. Hence the first n samples do not
change when the count grows, and a new event takes samples from the others without changing those that it leaves.

Which event happens is a race: the chance u of event k finishes at −ln(1 − u)/weight[k], and the first to finish wins,
which is k with probability weight[k]/Σ weight.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.disruptions.distributions import Draws
from optimizer.disruptions.ensemble import DrawnCut, EnsembleSpec, Event, draw_of
from optimizer.disruptions.family import Axis, Starts
from optimizer.disruptions.shock import Cut, Shock, ShockSpec
from optimizer.horizon import Horizon

DRAW_DIGITS = 6
_Indices = NDArray[np.int64]


class Chances:
    """The columns of chances of one ensemble, numbers in [0, 1) by sample."""

    def __init__(self, name: str, spec: EnsembleSpec) -> None:
        self.name, self.seed, self.count = name, spec.seed, spec.count

    def column(self, what: str) -> Draws:
        """The column of what is drawn, one chance a sample."""
        entropy = [self.seed, _stable(self.name), _stable(what)]
        raw = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(self.count)
        return np.asarray(raw >> np.uint64(11), dtype=np.float64) * 2.0**-53


def _stable(text: str) -> int:
    """A 64-bit number of a text; Python's own `hash` differs from run to run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def sample_names(name: str, spec: EnsembleSpec) -> Iterator[str]:
    """The names of an ensemble's samples, ``bans#00001`` on."""
    return (f"{name}#{i:05d}" for i in range(1, spec.count + 1))


def samples(name: str, spec: EnsembleSpec, horizon: Horizon) -> list[Shock]:
    """The shocks of an ensemble, in the order of their names; they share its probability equally.

    Windows are cut off at the end of the horizon.

    Raises:
        ValueError: a start is no period of the horizon.
    """
    chances, events = Chances(name, spec), spec.whole_events()
    begins = _begins(chances, spec, horizon)
    won = _race(chances, events)
    names, share = list(sample_names(name, spec)), spec.probability / spec.count
    drawn: list[Shock | None] = [None] * spec.count
    for k, (key, event) in enumerate(events.items()):
        struck = np.flatnonzero(won == k).astype(np.int64)
        entry = f"{name}/{key}" if key else name
        happening = _shocks(chances, key, event, begins, struck, horizon)
        for i, (shock, periods) in zip(struck.tolist(), happening, strict=True):
            drawn[i] = Shock(names[i], shock, periods, share, entry)
    return [shock for shock in drawn if shock is not None]


def _begins(chances: Chances, spec: EnsembleSpec, horizon: Horizon) -> _Indices:
    """The period in which each sample starts."""
    periods = np.array(spec.start.periods(horizon) if spec.start else horizon.periods, dtype=np.int64)
    return periods[(chances.column("start") * len(periods)).astype(np.int64)]


def _race(chances: Chances, events: Mapping[str, Event]) -> _Indices:
    """The number of the event that each sample is."""
    if len(events) == 1:
        return np.zeros(chances.count, dtype=np.int64)
    times = np.full((len(events), chances.count), np.inf)
    for k, (key, event) in enumerate(events.items()):
        if event.weight > 0:
            times[k] = -np.log1p(-chances.column(f"event/{key}")) / event.weight
    return np.asarray(times.argmin(axis=0), dtype=np.int64)


def _shocks(
    chances: Chances, key: str, event: Event, begins: _Indices, struck: _Indices, horizon: Horizon
) -> Iterator[tuple[ShockSpec, range]]:
    """What happens in each sample that is this event, and its window."""
    assert event.months is not None
    months = np.round(event.months.at(chances.column("months")[struck]), DRAW_DIGITS).tolist()
    lengths = np.maximum(1, np.rint(np.array(months) / horizon.months)).astype(np.int64).tolist()
    starts = [Starts((horizon.label(t),)) for t in horizon.periods]
    end = len(horizon.periods)
    same = {field: getattr(event, field) for field in ("deliberate", "demand", "cost", "survival", "reliability")}
    for first, length, duration, cuts in zip(
        begins[struck].tolist(), lengths, months, _cuts(chances, key, event, struck), strict=True
    ):
        spec = ShockSpec.model_construct(start=starts[first], months=Axis((duration,)), cuts=cuts, **same)
        yield spec, range(first, min(first + length, end))


def _cuts(chances: Chances, key: str, event: Event, struck: _Indices) -> Iterator[tuple[Cut, ...]]:
    """The cuts of each sample; those of one entry share what they strike, and all that is certain is one object."""
    assert event.scale is not None
    factors = event.scale.at(chances.column("scale")[struck])
    certain = event.scale.is_constant
    columns: list[Sequence[Cut]] = []
    for i, cut in enumerate(event.cuts):
        rows = _profiles(cut, chances.column(f"cut/{draw_of(cut, key, i)}")[struck], factors)
        if certain and all(each.is_constant for each in cut.severity):
            columns.append([_struck(cut, row) for row in rows[:1]] * len(rows))
        else:
            columns.append([_struck(cut, row) for row in rows])
    return zip(*columns, strict=True) if columns else iter([()] * len(struck))


def _profiles(cut: DrawnCut, chances: Draws, factors: Draws) -> list[tuple[float, ...]]:
    """Severities by sample, then by period of the window."""
    rows = [np.round(np.clip(each.at(chances) * factors, 0.0, 1.0), DRAW_DIGITS).tolist() for each in cut.severity]
    return list(zip(*rows, strict=True))


def _struck(cut: DrawnCut, severity: tuple[float, ...]) -> Cut:
    return Cut.model_construct(
        region=cut.region, stage=cut.stage, process=cut.process, commodity=cut.commodity, severity=severity
    )
