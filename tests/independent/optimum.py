"""Section 12 once more: futures, what is minimised over them, and which gap is left where floors cannot be kept."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.independent.future import Answers, FutureForm, Purchases
from tests.independent.programme import Data, Programme, Terms, terms, value


def leaves(questions: Mapping[str, Any]) -> list[tuple[float, Answers, tuple[Data, ...]]]:
    """Of every future its probability, its answers (question, since, branch), and what is set, in order."""
    found = []
    for p, answers, sets in _ways(questions):
        ordered = sorted(sets, key=lambda each: each[0])
        found.append((p, answers, tuple(each for _, each in ordered)))
    return found


def _ways(questions: Mapping[str, Any]) -> list[tuple[float, Answers, tuple[tuple[int, Data], ...]]]:
    found: list[tuple[float, Answers, tuple[tuple[int, Data], ...]]] = [(1.0, (), ())]
    for name, question in sorted(questions.items(), key=lambda item: item[1]["from"]):
        since, branches = question["from"], question["branches"]
        ways = [
            (entry.get("probability", 1.0 / len(branches)) * q, ((name, since, branch), *below), own)
            for branch, entry in branches.items()
            for q, below, deeper in _ways(entry.get("futures", {}))
            for own in [((since, entry.get("set", {})), *deeper)]
        ]
        found = [(p * q, a + b, s + t) for p, a, s in found for q, b, t in ways]
    return found


def changed(data: Data, sets: tuple[Data, ...]) -> Data:
    result: Any = copy.deepcopy(data)
    for path, new in (item for entry in sets for item in entry.items()):
        *owners, last = path.split(".")
        target = result
        for owner in owners:
            target = target[int(owner)] if isinstance(target, list) else target.setdefault(owner, {})
        target[int(last) if isinstance(target, list) else last] = copy.deepcopy(new)
    found: Data = result
    return found


@dataclass(frozen=True)
class Optimum:
    """What is known of the best plan.

    Attributes:
        measure: with the price of gaps. gap: the expected survival gap.
        expected: the least expected cost, with the price of gaps, at that measure.
        outlay: expected outlay of one such plan, undiscounted; other plans may be as good.
        gaps: of the only future, by name of the shock; of an attack before the worst one is taken.
        least: the least costs of the futures alone, for regret.
    """

    measure: float
    gap: float
    expected: float
    outlay: float
    gaps: Mapping[str, float]
    least: tuple[float, ...] = ()


def optimum(data: Data, purchases: Purchases | None = None) -> Optimum | None:
    """The best plan, or the best that can be had of these purchases; None where there is no plan."""
    measure = data.get("policy", {}).get("objective", "expected")
    least: tuple[float, ...] = ()
    if measure == "regret":
        alone = [_optimum({**changed(data, s), "futures": {}}, "expected", ()) for _, _, s in leaves(data["futures"])]
        if any(each is None or (each.gap > 1e-6 and "gap_price" not in data["policy"]) for each in alone):
            return None
        least = tuple(each.measure for each in alone if each)
    return _optimum(data, measure, least, purchases)


def _optimum(data: Data, measure: Any, least: tuple[float, ...], purchases: Purchases | None = None) -> Optimum | None:
    lp = Programme()
    forms = [
        FutureForm(lp, changed(data, sets), number, p, answers)
        for number, (p, answers, sets) in enumerate(leaves(data.get("futures", {})))
    ]
    for form in forms if purchases is not None else ():
        form.hold(purchases or {})
    weights, gaps = [form.probability for form in forms], [form.gap for form in forms]
    price = data.get("policy", {}).get("gap_price")
    costs = [terms((1.0, form.cost), (price or 0.0, form.gap)) for form in forms]
    expected = terms(*zip(weights, costs, strict=True))
    outlay = terms(*((form.probability, form.outlay) for form in forms))
    objective = _measure(lp, forms, measure, least, price or 0.0)

    def best(gap: float | None) -> Optimum | None:
        if (found := lp.minimise(objective)) is None:
            return None
        least_measure, slack = found[0], 1e-7 * abs(value(expected, found[1]))
        left = value(expected_gap, found[1]) if gap is None else gap
        if measure != "expected":
            lp.at_most(terms((1e-2, objective)), 1e-2 * (least_measure + slack))
            found = lp.minimise(expected) or (math.nan, np.full(len(lp.upper), math.nan))
        by_shock = {name: value(below, found[1]) for name, below in forms[0].below.items()}
        return Optimum(least_measure, left, found[0], value(outlay, found[1]), by_shock, least)

    expected_gap = terms(*zip(weights, gaps, strict=True))
    if price is not None:
        return best(None)
    rows, upper = len(lp.rows), lp.upper.copy()
    for name, j in lp.named.items():
        lp.upper[j] = 0.0 if name[0] == "v" else lp.upper[j]
    if (found := best(0.0)) is not None:
        return found
    del lp.rows[rows:]
    lp.upper = upper
    if measure in ("worst", "regret"):
        largest = lp.column("largest gap")
        for gap in gaps:
            lp.at_most(terms((1e-3, gap), (-1e-3, largest)))
        if (found := lp.minimise(largest)) is None:
            return None
        lp.at_most(largest, found[0] * (1 + 1e-7))
    if (found := lp.minimise(expected_gap)) is None:
        return None
    gap = found[0]
    lp.at_most(terms((1e-3, expected_gap)), 1e-3 * (gap * (1 + 1e-7) + 1e-6))
    return best(gap)


def _measure(lp: Programme, forms: list[FutureForm], measure: Any, least: tuple[float, ...], price: float) -> Terms:
    costs = [terms((1.0, form.cost), (price, form.gap)) for form in forms]
    expected = terms(*((form.probability, cost) for form, cost in zip(forms, costs, strict=True)))
    if measure == "expected":
        return expected
    if measure in ("worst", "regret"):
        largest = lp.column("largest", lower=-math.inf)
        for cost, known in zip(costs, least or (0.0,) * len(costs), strict=True):
            lp.at_most(terms((1e-2, cost), (-1e-2, largest)), 1e-2 * known)
        return largest
    alpha, weight = measure["cvar"], measure.get("weight", 1.0)
    threshold = lp.column("threshold", lower=-math.inf)
    parts = [(1.0, threshold)]
    for number, form in enumerate(forms):
        for place, (p, cost) in enumerate(form.outcomes):
            excess = lp.column("excess", number, place)
            priced = terms((1e-2, cost), (1e-2 * price, form.gap), (-1e-2, threshold), (-1e-2, excess))
            lp.at_most(priced)
            parts.append((form.probability * p / (1.0 - alpha), excess))
    return terms((1.0 - weight, expected), (weight, terms(*parts)))
