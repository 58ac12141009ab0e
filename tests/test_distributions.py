"""Distributions: support, mean and spread against theory, monotone inverses, the way to the file and back."""

import math
from typing import Any

import numpy as np
import pytest

from optimizer.disruptions.distributions import parse_distribution

CHANCES = (np.arange(100_000) + 0.5) / 100_000
EDGES = np.array([0.0, 2.0**-53, 0.5, 1 - 2.0**-53])
WIDE = math.exp(0.5**2)

# What is written, its mean and its variance in theory, its support.
THEORY = [
    (0.8, 0.8, 0.0, (0.8, 0.8)),
    ({"uniform": [2, 6]}, 4.0, 16 / 12, (2, 6)),
    ({"uniform": [3, 3]}, 3.0, 0.0, (3, 3)),
    ({"triangular": [3, 6, 24]}, 11.0, (9 + 36 + 576 - 18 - 72 - 144) / 18, (3, 24)),
    ({"triangular": [3, 3, 9]}, 5.0, 2.0, (3, 9)),
    ({"triangular": [3, 9, 9]}, 7.0, 2.0, (3, 9)),
    ({"triangular": [3, 3, 3]}, 3.0, 0.0, (3, 3)),
    ({"beta": [4, 2]}, 4 / 6, 8 / (36 * 7), (0, 1)),
    ({"beta": [4, 2], "low": 1, "high": 3}, 1 + 2 * 4 / 6, 4 * 8 / (36 * 7), (1, 3)),
    ({"beta": [0.5, 0.5], "high": 0.5}, 0.25, 0.25 / 8, (0, 0.5)),
    # Clipped so far out that nothing of the theory is lost.
    ({"lognormal": [6, 0.5], "low": 0, "high": 1e3}, 6 * WIDE**0.5, 36 * WIDE * (WIDE - 1), (0, 1000)),
    ({"discrete": {6: 0.5, 12: 0.3, "24": 0.2}}, 11.4, 0.5 * 5.4**2 + 0.3 * 0.6**2 + 0.2 * 12.6**2, (6, 24)),
    ({"discrete": {12: 1, 6: 3, 1: 0}}, 7.5, 6.75, (6, 12)),
]  # fmt: skip


@pytest.mark.parametrize(("written", "mean", "variance", "support"), THEORY)
def test_mean_variance_and_support(written: Any, mean: float, variance: float, support: tuple[float, float]) -> None:
    distribution = parse_distribution(written)
    drawn = distribution.at(CHANCES)
    assert (distribution.low, distribution.high) == support
    assert drawn.mean() == pytest.approx(mean, rel=1e-3)
    assert drawn.var() == pytest.approx(variance, rel=5e-3, abs=1e-12)


@pytest.mark.parametrize("written", [each[0] for each in THEORY])
def test_inverse_is_monotone_and_stays_inside(written: Any) -> None:
    distribution = parse_distribution(written)
    low, high = distribution.low, distribution.high
    assert (np.diff(distribution.at(CHANCES)) >= 0).all()
    edges = distribution.at(EDGES)
    assert np.isfinite(edges).all()
    assert (edges >= low - 1e-12).all()
    assert (edges <= high + 1e-12).all()


@pytest.mark.parametrize("written", [each[0] for each in THEORY])
def test_there_and_back(written: Any) -> None:
    distribution = parse_distribution(written)
    assert parse_distribution(distribution.plain()) == distribution
    assert parse_distribution(distribution) is distribution


def test_lognormal_is_clipped_and_its_median_is_its_median() -> None:
    distribution = parse_distribution({"lognormal": [6, 1], "low": 3, "high": 12})
    drawn = distribution.at(CHANCES)
    assert (drawn.min(), drawn.max()) == (3, 12)
    assert np.median(drawn) == pytest.approx(6, rel=1e-3)
    # ln 2 standard deviations either way: 1 − Φ(0.6931) = 0.2441 of all lies beyond each bound.
    assert (drawn == 12).mean() == pytest.approx(0.2441, abs=1e-3)


def test_extreme_betas_are_numbers() -> None:
    for a, b in [(0.01, 0.01), (0.01, 1e4), (1e4, 0.01), (1e4, 1e4)]:
        drawn = parse_distribution({"beta": [a, b]}).at(np.concatenate([EDGES, CHANCES[::1000]]))
        assert ((drawn >= 0) & (drawn <= 1)).all()


def test_discrete_shares_chances_by_weight() -> None:
    distribution = parse_distribution({"discrete": {6: 2, 12: 1, 24: 1}})
    assert distribution.at(np.array([0.0, 0.4999, 0.5, 0.7499, 0.75, 0.9999])).tolist() == [6, 6, 12, 12, 24, 24]
    assert distribution.values == (6, 12, 24)
