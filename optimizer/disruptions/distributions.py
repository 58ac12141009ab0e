"""Distributions as an instance file names them, drawn by their inverse: a chance u in [0, 1) becomes a value.

Constant     0.8                                      one number
Uniform      {uniform: [low, high]}
Triangular   {triangular: [low, mode, high]}
Beta         {beta: [a, b], low: 0, high: 1}          scaled to low … high
Lognormal    {lognormal: [median, sigma], low, high}  clipped to low … high; sigma is that of the logarithm
Discrete     {discrete: {6: 0.5, 12: 0.3, 24: 0.2}}   weights by value; they need not add to 1

Inverses are monotone in u, so that two draws with one u move together. Source of the formulas: any textbook; those of
beta and lognormal are SciPy's `betaincinv` and `ndtri`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from optimizer import shapes
from optimizer.suggestions import excerpt, nearest
from optimizer.units import a_share, finding, not_negative, parse_amount, positive

Numbers = NDArray[np.float64]


class Distribution(ABC):
    """A random number with bounds."""

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """The smallest and the largest value that may be drawn."""

    @abstractmethod
    def at(self, chances: Numbers) -> Numbers:
        """The value at each chance in [0, 1): the inverse of the distribution function."""

    @abstractmethod
    def plain(self) -> Any:
        """As the file has it."""

    @property
    def values(self) -> tuple[float, ...]:
        """All values that may be drawn, where they can be counted."""
        return ()


@dataclass(frozen=True)
class Constant(Distribution):
    """One number."""

    value: float

    @property
    def support(self) -> tuple[float, float]:
        """The number, twice."""
        return self.value, self.value

    @property
    def values(self) -> tuple[float, ...]:
        """The number."""
        return (self.value,)

    def at(self, chances: Numbers) -> Numbers:
        """The number, whatever the chance."""
        return np.full(chances.shape, self.value)

    def plain(self) -> Any:
        """The number."""
        return self.value


@dataclass(frozen=True)
class Uniform(Distribution):
    """Any number between two, equally likely."""

    low: float
    high: float

    @property
    def support(self) -> tuple[float, float]:
        """From low to high."""
        return self.low, self.high

    def at(self, chances: Numbers) -> Numbers:
        """low + (high − low)·u."""
        return self.low + (self.high - self.low) * chances

    def plain(self) -> Any:
        """``{uniform: [low, high]}``."""
        return {"uniform": [self.low, self.high]}


@dataclass(frozen=True)
class Triangular(Distribution):
    """Most likely at the mode, less so towards either end."""

    low: float
    mode: float
    high: float

    @property
    def support(self) -> tuple[float, float]:
        """From low to high."""
        return self.low, self.high

    def at(self, chances: Numbers) -> Numbers:
        """Rising up to the share (mode − low)/(high − low), falling after it; each side is a root."""
        width, rise, fall = self.high - self.low, self.mode - self.low, self.high - self.mode
        rising = self.low + np.sqrt(chances * width * rise)
        falling = self.high - np.sqrt((1.0 - chances) * width * fall)
        return np.where(chances * width < rise, rising, falling)

    def plain(self) -> Any:
        """``{triangular: [low, mode, high]}``."""
        return {"triangular": [self.low, self.mode, self.high]}


@dataclass(frozen=True)
class Beta(Distribution):
    """A beta distribution between low and high; its mean is low + (high − low)·a/(a + b)."""

    a: float
    b: float
    low: float = 0.0
    high: float = 1.0

    @property
    def support(self) -> tuple[float, float]:
        """From low to high."""
        return self.low, self.high

    def at(self, chances: Numbers) -> Numbers:
        """low + (high − low)·I⁻¹(u; a, b)."""
        from scipy.special import betaincinv

        share: Numbers = betaincinv(self.a, self.b, chances)
        return self.low + (self.high - self.low) * share

    def plain(self) -> Any:
        """``{beta: [a, b], low: …, high: …}``."""
        return {"beta": [self.a, self.b], "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Lognormal(Distribution):
    """A number whose logarithm is normal, clipped: what lies beyond low or high is drawn as low or high."""

    median: float
    sigma: float
    low: float
    high: float

    @property
    def support(self) -> tuple[float, float]:
        """From low to high."""
        return self.low, self.high

    def at(self, chances: Numbers) -> Numbers:
        """median·exp(sigma·Φ⁻¹(u)), clipped."""
        from scipy.special import ndtri

        with np.errstate(over="ignore"):
            free: Numbers = self.median * np.exp(self.sigma * ndtri(chances))
        return np.clip(free, self.low, self.high)

    def plain(self) -> Any:
        """``{lognormal: [median, sigma], low: …, high: …}``."""
        return {"lognormal": [self.median, self.sigma], "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Discrete(Distribution):
    """One of a few values, by weight; values ascend."""

    points: tuple[float, ...]
    weights: tuple[float, ...]

    @property
    def support(self) -> tuple[float, float]:
        """The smallest and the largest value with a weight."""
        return self.values[0], self.values[-1]

    @property
    def values(self) -> tuple[float, ...]:
        """Those with a weight."""
        return tuple(value for value, weight in zip(self.points, self.weights, strict=True) if weight > 0)

    def at(self, chances: Numbers) -> Numbers:
        """The first value at which the weights up to it exceed u of all."""
        weights = np.array([weight for weight in self.weights if weight > 0])
        passed = np.cumsum(weights)
        found = np.searchsorted(passed, chances * passed[-1], side="right")
        drawn: Numbers = np.array(self.values)[np.minimum(found, len(weights) - 1)]
        return drawn

    def plain(self) -> Any:
        """``{discrete: {value: weight}}``."""
        return {"discrete": {f"{value!r}": weight for value, weight in zip(self.points, self.weights, strict=True)}}


def parse_distribution(value: Any) -> Distribution:
    """A distribution from a number, or from a mapping that names one.

    Raises:
        PydanticCustomError: no number, an unknown name or key, or parameters that make no distribution.
    """
    if isinstance(value, Distribution):
        return value
    if not isinstance(value, Mapping):
        return Constant(parse_amount(value))
    named = [key for key in value if key in _KINDS]
    if len(named) > 1:
        raise finding(f"{named[0]} and {named[1]} are two distributions", "Keep one of them.")
    for key in value:
        if key not in named and (key not in ("low", "high") or (named and named[0] not in _BOUNDED)):
            raise _unknown(str(key), named)
    if not named:
        raise finding("names no distribution", f"Write a number, or one of {', '.join(_KINDS)}.")
    return _KINDS[named[0]](value[named[0]], {key: parse_amount(value[key]) for key in value if key in ("low", "high")})


def _unknown(key: str, named: Sequence[str]) -> Exception:
    known = ("low", "high") if named and named[0] in _BOUNDED else () if named else tuple(_KINDS)
    near = nearest(key, known)
    if near:
        cure = f'Did you mean "{near}"?'
    else:
        cure = f"Remove it: {named[0]} says it all." if named else f"Write a number, or one of {', '.join(_KINDS)}."
    noun = f"key of {named[0]}" if named else "distribution"
    return finding(f'"{excerpt(key)}" is no {noun}', cure)


def _parameters(kind: str, value: Any, names: str) -> list[float]:
    expected = names.split(", ")
    if not isinstance(value, (list, tuple)) or len(value) != len(expected):
        raise finding(f"{kind} takes {len(expected)} numbers", f"Write {{{kind}: [{names}]}}.")
    return [parse_amount(number) for number in value]


def _ordered(kind: str, low: float, high: float) -> None:
    if low > high:
        raise finding(f"the low of {kind}, {low:g}, is above its high, {high:g}", "Swap the two.")


def _uniform(value: Any, bounds: Mapping[str, float]) -> Distribution:
    low, high = _parameters("uniform", value, "low, high")
    _ordered("uniform", low, high)
    return Uniform(low, high)


def _triangular(value: Any, bounds: Mapping[str, float]) -> Distribution:
    low, mode, high = _parameters("triangular", value, "low, mode, high")
    _ordered("triangular", low, high)
    if not low <= mode <= high:
        what = f"the mode of triangular, {mode:g}, lies outside {low:g} … {high:g}"
        raise finding(what, "Write them in the order low, mode, high.")
    return Triangular(low, mode, high)


def _beta(value: Any, bounds: Mapping[str, float]) -> Distribution:
    a, b = _parameters("beta", value, "a, b")
    if not (0.01 <= a <= 1e4 and 0.01 <= b <= 1e4):
        raise finding(f"beta has the parameters {a:g} and {b:g}", "Write two numbers from 0.01 to 10,000.")
    low, high = bounds.get("low", 0.0), bounds.get("high", 1.0)
    _ordered("beta", low, high)
    return Beta(a, b, low, high)


def _lognormal(value: Any, bounds: Mapping[str, float]) -> Distribution:
    median, sigma = _parameters("lognormal", value, "median, sigma")
    if sigma <= 0:
        raise finding(f"the sigma of lognormal, {sigma:g}, is not positive", "Write more than 0, such as 0.5.")
    if len(bounds) < 2:
        missing = "low" if "low" not in bounds else "high"
        raise finding(f"lognormal has no {missing}", "Give it both bounds: {lognormal: [6, 0.5], low: 1, high: 36}.")
    low, high = bounds["low"], bounds["high"]
    _ordered("lognormal", low, high)
    if not (median > 0 and low <= median <= high):
        what = f"the median of lognormal, {median:g}, lies outside {low:g} … {high:g}, or is not positive"
        raise finding(what, "Correct the median, or its bounds.")
    return Lognormal(median, sigma, low, high)


def _discrete(value: Any, bounds: Mapping[str, float]) -> Distribution:
    if not isinstance(value, Mapping) or not value:
        raise finding("discrete takes values with their weights", "Write {discrete: {6: 0.5, 12: 0.3, 24: 0.2}}.")
    pairs = sorted((parse_amount(key), not_negative(parse_amount(weight))) for key, weight in value.items())
    values, weights = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    twice = next((value for value, other in pairwise(values) if value == other), None)
    if twice is not None:
        raise finding(f"discrete has the value {twice:g} twice", "Add the two weights.")
    if max(weights) == 0:
        raise finding("the weights of discrete are all 0", "Give at least one value a weight above 0.")
    return Discrete(values, weights)


_KINDS: dict[str, Callable[[Any, Mapping[str, float]], Distribution]] = {
    "uniform": _uniform,
    "triangular": _triangular,
    "beta": _beta,
    "lognormal": _lognormal,
    "discrete": _discrete,
}
_BOUNDED = ("beta", "lognormal")


def _within(check: Callable[[float], float]) -> AfterValidator:
    def checked(distribution: Distribution) -> Distribution:
        for bound in distribution.support:
            check(bound)
        return distribution

    return AfterValidator(checked)


Drawn = Annotated[
    InstanceOf[Distribution],
    BeforeValidator(parse_distribution),
    PlainSerializer(lambda distribution: distribution.plain()),
    WithJsonSchema(shapes.DRAWN),
]
DrawnShare = Annotated[Drawn, _within(a_share)]
DrawnPositive = Annotated[Drawn, _within(positive)]
DrawnQuantity = Annotated[Drawn, _within(not_negative)]
