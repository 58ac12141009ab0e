"""What is proven of figures, in words: tolerances, differences, and shocks that a larger budget gives up."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from optimizer.report.words import given, listed
from optimizer.results.result import Result
from optimizer.studies.comparison import shocks_survived
from optimizer.studies.measure import GAP_SHARE, Measure, ProvenDifference
from optimizer.units import si, si_down

NOTHING = "–"
# A difference whose bounds are further apart than this share of it is shown as the range that is proven.
WIDE = 0.5


def changed(difference: ProvenDifference) -> str:
    """A difference with its sign; the range that is proven where that is wide, and a dash where no sign is proven."""
    low, high, value = difference.low, difference.high, difference.value
    if not difference.is_proven:
        return NOTHING
    if not math.isfinite(high - low):
        near = low if low > 0 else high
        return f"{'>' if near > 0 else '<'} {signed(near)}"
    if high - low <= WIDE * abs(value):
        return signed(value)
    return f"{signed(low)} to {signed(high)}"


def signed(amount: float) -> str:
    """An amount with its sign: ``+39.6M``, ``−2.36B``, ``0``."""
    return f"{'+' if amount > 0 else '−' if amount < 0 else ''}{si(abs(amount))}"


def in_tolerance(measures: Iterable[Measure], money: str) -> str:
    """To how much money costs are proven: ``22M USD (2 % of the price of survival)``."""
    found = list(measures)
    amounts = sorted(measure.tolerance for measure in found)
    if not amounts:
        return ""
    span = si(amounts[0], money) if amounts[0] > 0.99 * amounts[-1] else f"{si(amounts[0])} to {si(amounts[-1], money)}"
    return f"{span} ({listed(list(dict.fromkeys(measured(measure) for measure in found)))})"


def measured(measure: Measure) -> str:
    """A share of a measure in words."""
    return f"{given(measure.share)} of {whole(measure)}"


def whole(measure: Measure | None) -> str:
    """What tolerances are shares of, in words."""
    if measure is None or measure.kind == "total cost":
        return "a thousandth of the total cost, as survival costs no more"
    if measure.kind == "price of survival":
        return "the price of survival"
    return "what the plan costs above the no-shock plan"


def of_gaps(share: float) -> str:
    """To what survival gaps are proven."""
    return f"{given(min(share, GAP_SHARE))} of themselves"


def bounded(measure: Measure | None, result: Result) -> str:
    """What is proven of a plan's cost, where that is less than the tolerance; else nothing."""
    if measure is None or result.baseline is None or result.survival_gap > 0 or measure.is_proven(result):
        return ""
    return "≥ ?" if result.bound is None else f"≥ {si_down(result.bound, digits=4)}"


def given_up(before: Result, after: Result) -> tuple[str, ...]:
    """The shocks that a plan survives and the one of a larger budget does not."""
    kept = set(shocks_survived(after))
    return tuple(name for name in shocks_survived(before) if name not in kept)


def why_given_up(before: Result, after: Result, money: str) -> str:
    """Why a larger budget survives less: the sum of all gaps decides."""
    gap = ProvenDifference.of_gaps(before, after)
    if gap.is_proven:
        return f"the sum of gaps over all shocks decides, and falls by {si(-gap.value, money)}"
    return f"the sum of gaps over all shocks decides; it is {si(after.survival_gap, money)}, no change that is proven"


def budgeted(budget: float | None, money: str = "") -> str:
    """A budget for reading, to four digits."""
    return "any budget" if budget is None else si(budget, money, 4)


def losses(results: Sequence[tuple[str, Result]], money: str) -> list[str]:
    """For plans of ever larger budgets, named by those, a sentence for each that survives less than the one before."""
    said = []
    for (less, before), (more, after) in pairwise(results):
        names = given_up(before, after)
        if names and after.baseline is not None:
            what = f"With {more}, {listed(list(names), 3)} {'is' if len(names) == 1 else 'are'} no longer survived, "
            said.append(f"{what}unlike with {less}: {why_given_up(before, after, money)}.")
    return said
