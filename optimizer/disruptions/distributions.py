"""Distributions of an instance file, drawn by inversion: a uniform random number u in [0, 1) becomes a value.

constant     0.8                                      one number
uniform      {uniform: [low, high]}                   low + (high − low)·u
triangular   {triangular: [low, mode, high]}          low + √(u·w·(mode − low)), w = high − low; above the mode
                                                      high − √((1 − u)·w·(high − mode))
beta         {beta: [a, b], low: 0, high: 1}          low + (high − low)·I⁻¹(u; a, b)
lognormal    {lognormal: [median, sigma], low, high}  median·exp(sigma·Φ⁻¹(u)), clipped to low … high
discrete     {discrete: {6: 0.5, 12: 0.3, 24: 0.2}}   the first value whose cumulative weight exceeds u·Σ weight

Inverses are monotone in u, so two draws with the same u move together. I⁻¹ and Φ⁻¹ are `betaincinv` and `ndtri` of
`scipy.special`, on which the quantiles of `scipy.stats` are based too; `scipy.stats` takes a second to import.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from optimizer import shapes
from optimizer.errors import did_you_mean, excerpt, finding
from optimizer.units import a_share, not_negative, parse_amount, positive

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distribution:
    """A random number between two bounds."""

    kind: str  # ``constant``, or the name of the distribution in the file
    parameters: tuple[float, ...]  # the numbers in file order; for ``discrete``, the values in ascending order
    # The smallest and the largest possible value.
    low: float
    high: float
    weights: tuple[float, ...] = ()  # for ``discrete``, one for each value

    @property
    def is_constant(self) -> bool:
        """Whether the distribution is a single number."""
        return self.kind == "constant"

    @property
    def values(self) -> tuple[float, ...]:
        """All possible values of a discrete distribution or a constant; else empty."""
        if self.kind == "discrete":
            return tuple(value for value, weight in zip(self.parameters, self.weights, strict=True) if weight > 0)
        return self.parameters if self.is_constant else ()

    def at(self, uniforms: Floats) -> Floats:
        """Return the value at each uniform random number in [0, 1), by the inverse of the distribution function."""
        return _INVERSES[self.kind](self, uniforms)

    def plain(self) -> Any:
        """Return the distribution as written in a file."""
        if self.is_constant:
            return self.low
        if self.kind == "discrete":
            pairs = zip(self.parameters, self.weights, strict=True)
            return {"discrete": {f"{value!r}": weight for value, weight in pairs}}
        bounds = {"low": self.low, "high": self.high} if self.kind in _BOUNDED else {}
        return {self.kind: list(self.parameters), **bounds}


def constant(value: float) -> Distribution:
    """Return the distribution of a single number."""
    return Distribution("constant", (value,), value, value)


def _at_triangular(of: Distribution, uniforms: Floats) -> Floats:
    low, mode, high = of.parameters
    width = high - low
    rising = low + np.sqrt(uniforms * width * (mode - low))
    falling = high - np.sqrt((1.0 - uniforms) * width * (high - mode))
    return np.where(uniforms * width < mode - low, rising, falling)


def _at_beta(of: Distribution, uniforms: Floats) -> Floats:
    from scipy.special import betaincinv

    share: Floats = betaincinv(*of.parameters, uniforms)
    return of.low + (of.high - of.low) * share


def _at_lognormal(of: Distribution, uniforms: Floats) -> Floats:
    from scipy.special import ndtri

    median, sigma = of.parameters
    with np.errstate(over="ignore"):
        free: Floats = median * np.exp(sigma * ndtri(uniforms))
    return np.clip(free, of.low, of.high)


def _at_discrete(of: Distribution, uniforms: Floats) -> Floats:
    passed = np.cumsum([weight for weight in of.weights if weight > 0])
    found = np.searchsorted(passed, uniforms * passed[-1], side="right")
    drawn: Floats = np.array(of.values)[np.minimum(found, len(passed) - 1)]
    return drawn


_INVERSES: dict[str, Callable[[Distribution, Floats], Floats]] = {
    "constant": lambda of, uniforms: np.full(uniforms.shape, of.low),
    "uniform": lambda of, uniforms: of.low + (of.high - of.low) * uniforms,
    "triangular": _at_triangular,
    "beta": _at_beta,
    "lognormal": _at_lognormal,
    "discrete": _at_discrete,
}


def parse_distribution(value: Any) -> Distribution:
    """Parse a distribution from a number, or from a mapping that names one.

    Raises:
        PydanticCustomError: the value is no number, a name or key is unknown, or the parameters are invalid.
    """
    if isinstance(value, Distribution):
        return value
    if not isinstance(value, Mapping):
        return constant(parse_amount(value))
    kind = _parse_kind(value)
    bounds = {key: parse_amount(value[key]) for key in ("low", "high") if key in value}
    if kind == "discrete":
        return _parse_discrete(value[kind])
    names = _PARAMETERS[kind]
    count = len(names.split(", "))
    if not isinstance(value[kind], (list, tuple)) or len(value[kind]) != count:
        raise finding(f"{kind} takes {count} numbers", f"Write {{{kind}: [{names}]}}.")
    parameters = tuple(parse_amount(number) for number in value[kind])
    low, high = _SUPPORTS[kind](*parameters, bounds)
    return Distribution(kind, parameters, low, high)


def _parse_kind(value: Mapping[Any, Any]) -> str:
    """Return the name of the one distribution in a mapping; raise a finding for any key except its bounds."""
    named = [key for key in value if key in _KINDS]
    if len(named) > 1:
        raise finding(f"{named[0]} and {named[1]} are two distributions", "Keep one of them.")
    allowed = [*named, "low", "high"] if not named or named[0] in _BOUNDED else named
    unknown = next((key for key in value if key not in allowed), None)
    if unknown is not None:
        raise _unknown_key(str(unknown), named)
    if not named:
        raise finding("names no distribution", f"Write a number, or one of {', '.join(_KINDS)}.")
    return str(named[0])


def _unknown_key(key: str, named: Sequence[str]) -> Exception:
    known = ("low", "high") if named and named[0] in _BOUNDED else () if named else _KINDS
    cure = f"Remove it: {named[0]} has no other keys." if named else f"Write a number, or one of {', '.join(_KINDS)}."
    noun = f"key of {named[0]}" if named else "distribution"
    return finding(f'"{excerpt(key)}" is no {noun}', did_you_mean(key, known, cure))


def _check_ends(kind: str, low: float, high: float) -> tuple[float, float]:
    if low > high:
        raise finding(f"the low of {kind}, {low:g}, is above its high, {high:g}", "Swap the two.")
    return low, high


def _support_of_triangular(low: float, mode: float, high: float, bounds: Mapping[str, float]) -> tuple[float, float]:
    _check_ends("triangular", low, high)
    if not low <= mode <= high:
        what = f"the mode of triangular, {mode:g}, lies outside {low:g} … {high:g}"
        raise finding(what, "Write them in the order low, mode, high.")
    return low, high


def _support_of_beta(a: float, b: float, bounds: Mapping[str, float]) -> tuple[float, float]:
    if not (0.01 <= a <= 1e4 and 0.01 <= b <= 1e4):
        raise finding(f"beta has the parameters {a:g} and {b:g}", "Write two numbers from 0.01 to 10,000.")
    return _check_ends("beta", bounds.get("low", 0.0), bounds.get("high", 1.0))


def _support_of_lognormal(median: float, sigma: float, bounds: Mapping[str, float]) -> tuple[float, float]:
    if sigma <= 0:
        raise finding(f"the sigma of lognormal, {sigma:g}, is not positive", "Write more than 0, such as 0.5.")
    if len(bounds) < 2:
        missing = "low" if "low" not in bounds else "high"
        raise finding(f"lognormal has no {missing}", "Give it both bounds: {lognormal: [6, 0.5], low: 1, high: 36}.")
    low, high = _check_ends("lognormal", bounds["low"], bounds["high"])
    if not (median > 0 and low <= median <= high):
        what = f"the median of lognormal, {median:g}, lies outside {low:g} … {high:g}, or is not positive"
        raise finding(what, "Correct the median, or its bounds.")
    return low, high


def _parse_discrete(value: Any) -> Distribution:
    if not isinstance(value, Mapping) or not value:
        raise finding("discrete takes values with their weights", "Write {discrete: {6: 0.5, 12: 0.3, 24: 0.2}}.")
    pairs = sorted((parse_amount(key), not_negative(parse_amount(weight))) for key, weight in value.items())
    values, weights = zip(*pairs, strict=True)
    twice = next((value for value, other in pairwise(values) if value == other), None)
    if twice is not None:
        raise finding(f"discrete has the value {twice:g} twice", "Write it once, with the sum of the two weights.")
    if max(weights) == 0:
        raise finding("the weights of discrete are all 0", "Give at least one value a weight above 0.")
    likely = [value for value, weight in pairs if weight > 0]
    return Distribution("discrete", values, likely[0], likely[-1], weights)


_PARAMETERS = {"uniform": "low, high", "triangular": "low, mode, high", "beta": "a, b", "lognormal": "median, sigma"}
# Functions that check the parameters and bounds of a distribution and return its support.
_SUPPORTS: dict[str, Callable[..., tuple[float, float]]] = {
    "uniform": lambda low, high, bounds: _check_ends("uniform", low, high),
    "triangular": _support_of_triangular,
    "beta": _support_of_beta,
    "lognormal": _support_of_lognormal,
}
_KINDS = (*_PARAMETERS, "discrete")
_BOUNDED = ("beta", "lognormal")


def _within(check: Callable[[float], float]) -> AfterValidator:
    def checked(distribution: Distribution) -> Distribution:
        for bound in (distribution.low, distribution.high):
            check(bound)
        return distribution

    return AfterValidator(checked)


Drawn = Annotated[
    InstanceOf[Distribution],
    BeforeValidator(parse_distribution),
    PlainSerializer(Distribution.plain),
    WithJsonSchema(shapes.DRAWN_NUMBER),
]
DrawnShare = Annotated[Drawn, _within(a_share)]
DrawnPositive = Annotated[Drawn, _within(positive)]
DrawnQuantity = Annotated[Drawn, _within(not_negative)]
