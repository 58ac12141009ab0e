"""Which uncertain numbers explain the outcome of a sample, and how certain that is.

S1     the share of the outcome's variance that goes away on average where one number is known (the first-order index of
       Sobol'), from one Latin hypercube by RBD-FAST with its bias corrected. What the S1 of all numbers leave of 1 is
       what they do together, and noise.

Intervals are 95 %, by bootstrap from half of the sample at a time: wider than need be rather than narrower. An S1 whose
interval holds 0 is not significant; slightly negative ones are noise.

Sources: Tarantola, Gatelli, Mara: Random balance designs for the estimation of first order global sensitivity indices,
Reliability Engineering & System Safety 91, 2006; Plischke, ibid. 95, 2010; Tissot, Prieur: Bias correction, ibid. 107,
2012; as in SALib.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from optimizer.extras import require_extra
from optimizer.results.plan import Array
from optimizer.results.saved import Bands, Spread
from optimizer.tolerances import ROUNDING

# Fewer samples than these say nothing.
FEWEST = 60
# Harmonics that count.
HARMONICS = 6
RESAMPLES, LEVEL = 200, 0.95
METHOD = "Latin hypercube; S1 by RBD-FAST, bias corrected, 95 % bootstrap intervals (SALib)"


@dataclass(frozen=True)
class Weight:
    """How much the outcome hangs on a number: S1, and the half width of its interval."""

    number: str
    s1: float
    margin: float

    @property
    def is_significant(self) -> bool:
        """Whether it differs from 0 by more than its margin."""
        return self.s1 > self.margin


@dataclass(frozen=True)
class Importance:
    """All numbers together.

    Attributes:
        samples, used, seed: how many were drawn; how many have a plan; from which seed.
        survived: the share of those used in which every floor is kept.
        cost, gap, outlay: 5 %, 50 % and 95 % quantiles, and the mean, money.
        of_cost, of_gap: by number, the weightiest first; of the gap none where it never varies.
        bought: by option, the share of samples in which it is bought.
    """

    samples: int
    used: int
    seed: int
    survived: float
    cost: tuple[float, float, float, float]
    gap: tuple[float, float, float, float]
    of_cost: tuple[Weight, ...]
    of_gap: tuple[Weight, ...]
    bought: Mapping[str, float]
    outlay: tuple[float, float, float, float]

    def bands(self, numbers: int) -> Bands:
        """The band that they make, of so many numbers with a range."""
        cost, outlay, gap = (Spread(*getattr(self, what)) for what in ("cost", "outlay", "gap"))
        return Bands(numbers, self.samples, self.used, self.seed, self.survived, cost, outlay, gap, dict(self.bought))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = ("p5", "p50", "p95", "mean")
        data = asdict(self) | {"method": METHOD, "bought": dict(self.bought)}
        return data | {what: dict(zip(parts, getattr(self, what), strict=True)) for what in ("cost", "gap", "outlay")}


def latin_hypercube(numbers: int, samples: int, seed: int) -> Array:
    """A Latin hypercube in the unit cube: a row a sample."""
    require_extra("sensitivity", "A sample of all numbers together")
    from SALib.sample.latin import sample

    drawn: Array = sample(_problem([str(i) for i in range(numbers)]), samples, seed=seed)
    return drawn


def importance(
    names: Sequence[str], drawn: Array, outcomes: Array, bought: Mapping[str, float], samples: int, seed: int
) -> Importance:
    """Judge a sample.

    Args:
        names: of the numbers, a column of `drawn` each.
        drawn: where in its range each number was, 0 … 1.
        outcomes: by sample cost, gap, whether floors fail, and outlay.
        bought: by option, the share of samples in which it is bought.
        samples, seed: how many were drawn, and the seed.
    """
    cost, gap = outcomes[:, 0], outcomes[:, 1]
    return Importance(
        samples=samples,
        used=len(drawn),
        seed=seed,
        survived=1.0 - float(outcomes[:, 2].mean()),
        cost=_spread(cost),
        gap=_spread(gap),
        of_cost=_weights(names, drawn, cost, seed),
        of_gap=_weights(names, drawn, gap, seed),
        bought=bought,
        outlay=_spread(outcomes[:, 3]),
    )


def _problem(names: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def _spread(values: Array) -> tuple[float, float, float, float]:
    low, middle, high = (float(each) for each in np.quantile(values, (0.05, 0.5, 0.95)))
    return low, middle, high, float(values.mean())


def _weights(names: Sequence[str], drawn: Array, values: Array, seed: int) -> tuple[Weight, ...]:
    """By number, the weightiest first; none where the values are all the same."""
    size = float(np.abs(values).max(initial=0.0))
    if np.ptp(values) <= ROUNDING * max(size, ROUNDING):
        return ()
    from SALib.analyze.rbd_fast import analyze

    found = analyze(
        _problem(names), drawn, values / size, M=HARMONICS, num_resamples=RESAMPLES, conf_level=LEVEL, seed=seed
    )
    rows = zip(names, found["S1"], found["S1_conf"], strict=True)
    weights = (Weight(name, float(s1), float(margin)) for name, s1, margin in rows)
    return tuple(sorted(weights, key=lambda weight: -weight.s1))
