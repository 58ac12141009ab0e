"""Sections 7 and 12 of the model once more, as one plain mixed-integer programme for scipy, on the mapping of a file.

It shares no code with the package: what both find is what the contract says. It knows processes, two-stage chains,
process options, stockpiles, leverage, shocks with cuts and surges, budgets, futures, measures and priced gaps.
"""

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

type Data = dict[str, Any]
type Terms = Counter[int]
type Answers = tuple[tuple[str, int, str], ...]
ONE = -1  # The "column" of a constant.
# Moments of a period at which a restart is looked at.
POINTS = 1000


def terms(*parts: tuple[float, Mapping[int, float]]) -> Terms:
    found: Terms = Counter()
    for factor, part in parts:
        for j, value in part.items():
            found[j] += factor * value
    return found


def series(value: Any, year: int) -> float:
    points = value if isinstance(value, dict) else {year: value}
    return float(np.interp(year, sorted(points), [points[y] for y in sorted(points)]))


@dataclass
class Programme:
    upper: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    named: dict[tuple[Any, ...], int] = field(default_factory=dict)
    rows: list[tuple[Terms, float]] = field(default_factory=list)

    def column(self, *name: Any, upper: float = math.inf, lower: float = 0.0, whole: bool = False) -> Terms:
        if name not in self.named:
            self.named[name] = len(self.upper)
            self.upper.append(upper)
            self.lower.append(lower)
            self.whole.append(int(whole))
        j = self.named[name]
        self.upper[j] = min(self.upper[j], upper)
        return Counter({j: 1.0})

    def at_most(self, left: Mapping[int, float], right: float = 0.0) -> None:
        self.rows.append((Counter({j: v for j, v in left.items() if j != ONE and v}), right - left.get(ONE, 0.0)))

    def minimise(self, objective: Mapping[int, float]) -> tuple[float, np.ndarray] | None:
        cost = np.zeros(len(self.upper))
        for j, value in objective.items():
            if j != ONE:
                cost[j] = value
        entries = [(i, j, v) for i, (row, _) in enumerate(self.rows) for j, v in row.items()]
        i, j, v = (np.array(part) for part in zip(*entries, strict=True))
        matrix = csr_array((v, (i, j)), shape=(len(self.rows), len(cost)))
        scale = max(1.0, np.abs(cost).max())
        found = milp(
            cost / scale,
            integrality=np.array(self.whole),
            bounds=Bounds(np.array(self.lower), np.array(self.upper)),
            constraints=LinearConstraint(matrix, -np.inf, np.array([right for _, right in self.rows])),
            options={"mip_rel_gap": 0.0},
        )
        if found.status == 2:
            return None
        assert found.status == 0, found.message
        return float(found.fun) * scale + objective.get(ONE, 0.0), found.x


def value(expression: Mapping[int, float], x: np.ndarray) -> float:
    return math.fsum(v if j == ONE else v * float(x[j]) for j, v in expression.items())


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
    result = copy.deepcopy(data)
    for path, new in (item for entry in sets for item in entry.items()):
        *owners, last = path.split(".")
        target = result
        for owner in owners:
            target = target.setdefault(owner, {})
        target[last] = copy.deepcopy(new)
    return result


@dataclass
class FutureForm:
    """One future, written into the programme of all."""

    lp: Programme
    data: Data
    number: int
    probability: float
    answers: Answers

    def __post_init__(self) -> None:
        horizon = self.data["horizon"]
        self.first, self.per_year = horizon["start"], {"year": 1, "quarter": 4}[horizon["step"]]
        self.length = 1.0 / self.per_year
        self.periods = range((horizon["end"] - self.first + 1) * self.per_year)
        self.options, self.policy = self.data.get("options", {}), self.data.get("policy", {})
        self.below: dict[str, Terms] = {}
        self.bought = {o: self._buy(o, option) for o, option in self.options.items() if option["kind"] != "stockpile"}
        self.filled = {o: self._fill(o, option) for o, option in self.options.items() if option["kind"] == "stockpile"}
        self.stocks = {o: self._stock(o, option) for o, option in self.options.items() if option["kind"] == "stockpile"}
        self._tie()
        self.baseline = [self._operate(t, None) for t in self.periods]
        self.shocks = list(self._shocks())
        self._budgets()

    def year(self, t: int) -> int:
        return int(self.first) + t // self.per_year

    def discount(self, t: float) -> float:
        return float((1.0 + self.data.get("discount_rate", 0.0)) ** (-t * self.length))

    def node(self, t: int) -> tuple[str, ...]:
        known = [a for a in self.answers if (a[1] - self.first) * self.per_year <= t]
        return tuple(f"{question}.{branch}" for question, _, branch in known)

    def _may(self, option: Data, t: int) -> bool:
        return bool(option.get("earliest", 0) <= self.year(t) <= option.get("latest", 9999))

    def _buy(self, o: str, option: Data) -> dict[int, Terms]:
        lp, found = self.lp, {}
        lumpy, unit = option.get("fixed_cost") or option.get("min_size"), option.get("unit_size")
        for t in self.periods[:: self.per_year]:
            node, allowed = self.node(t), self._may(option, t)
            size = lp.column("n", o, t, node, upper=math.inf if allowed else 0.0)
            found[t] = size
            if unit:
                count = lp.column("units", o, t, node, unit, whole=True)
                for sign in (1.0, -1.0):
                    lp.at_most(terms((sign, size), (-sign * unit, count)))
            if lumpy:
                opened = lp.column("y", o, t, node, upper=1.0 if allowed else 0.0, whole=True)
                lp.at_most(terms((1.0, size), (-option["max_size"], opened)))
                lp.at_most(terms((option.get("min_size", 0.0), opened), (-1.0, size)))
        lp.at_most(terms(*((1.0, size) for size in found.values())), option["max_size"])
        if lumpy:
            lp.at_most(self._opened(o, self.periods[-1]), 1.0)
        return found

    def _opened(self, o: str, until: int) -> Terms:
        found = (self.lp.column("y", o, t, self.node(t)) for t in self.periods[:: self.per_year] if t <= until)
        return terms(*((1.0, each) for each in found))

    def _tie(self) -> None:
        for o, option in self.options.items():
            for t in self.periods[:: self.per_year] if "requires" in option else ():
                self.lp.at_most(terms((1.0, self._opened(o, t)), (-1.0, self._opened(option["requires"], t))))
            if "excludes" in option:
                last = self.periods[-1]
                self.lp.at_most(terms((1.0, self._opened(o, last)), (1.0, self._opened(option["excludes"], last))), 1.0)

    def _fill(self, o: str, option: Data) -> dict[int, Terms]:
        rate = option.get("fill_rate", math.inf) * self.length
        return {
            t: self.lp.column("f", o, t, self.node(t), upper=rate if self._may(option, t) else 0.0)
            for t in self.periods
        }

    def _stock(self, o: str, option: Data) -> dict[int, Terms]:
        left, kept = Counter({ONE: option.get("initial", 0.0)}), (1.0 - option.get("loss", 0.0)) ** self.length
        found = {-1: left}
        for t in self.periods:
            left = terms((kept, left), (1.0, self.filled[o][t]))
            found[t] = left
            if "max_size" in option:
                self.lp.at_most(left, option["max_size"])
        return found

    def works(self, o: str, t: int, ramp: list[float]) -> Terms:
        lead = math.ceil(self.options[o].get("lead_time", 0) / (12 * self.length) - 1e-9)
        parts = []
        for a, size in self.bought[o].items():
            since = t - a - lead
            if since >= 0:
                parts.append((ramp[min(since // self.per_year, len(ramp) - 1)], size))
        return terms(*parts)

    def level(self, o: str, t: int) -> Terms:
        option = self.options[o]
        lead = math.ceil(option.get("lead_time", 0) / (12 * self.length) - 1e-9)
        kept = 1.0 - option.get("erosion", 0.0)
        return terms(
            *((kept ** (self.year(t) - self.year(a)), size) for a, size in self.bought[o].items() if t - a >= lead)
        )

    def _severity(self, name: str, region: str | None, shock: Data, k: int) -> float:
        found = [0.0]
        for cut in shock["cuts"]:
            if all(cut[key] == own for key, own in (("process", name), ("region", region)) if key in cut):
                severity = cut["severity"] if isinstance(cut["severity"], list) else [cut["severity"]]
                found.append(severity[min(k, len(severity) - 1)])
        return max(found)

    def _started(self, maker: Data, k: int, path: Any) -> float:
        """The share of capacity that runs on average in the k-th period of a shock, by a thousand points in time."""
        months, floor = maker.get("restart_months", 0), maker.get("min_utilisation", 0.0)
        if path is None or not months:
            return 1.0
        points = [(k + (i + 0.5) / POINTS) * 12 * self.length for i in range(POINTS)]
        return floor + (1.0 - floor) * math.fsum(min(1.0, point / months) for point in points) / POINTS

    def _operate(self, t: int, path: tuple[str, Data, int] | None) -> Terms:
        """Operation in a period, of the baseline or of a shock: its cost, not discounted."""
        lp, year, name = self.lp, self.year(t), "" if path is None else path[0]
        shock, k = ({}, 0) if path is None else (path[1], path[2])
        supply: dict[str, list[tuple[float, Terms]]] = {c: [] for c in self.data["commodities"]}
        cost: list[tuple[float, Terms]] = []
        makers = self.data["processes"] | {o: v for o, v in self.options.items() if v["kind"] in ("refining", "ally")}
        for p, maker in makers.items():
            x = lp.column("x", self.number, name, p, t)
            severity = self._severity(p, maker.get("region"), shock, k) if path else 0.0
            if p in self.data["processes"]:
                capacity = series(maker["capacity"], year) * self.length
                limit = [(1.0, x), (-capacity * (1.0 - severity), Counter({ONE: 1.0}))]
                lp.at_most(terms((1.0, x)), capacity * self._started(maker, k, path))
                for o, lever in self.options.items():
                    if lever["kind"] == "leverage" and lever["region"] == maker["region"] and shock.get("deliberate"):
                        limit.append((-capacity * severity * lever["restraint"], self.level(o, t)))
                lp.at_most(terms(*limit))
            else:
                working = self.works(p, t, maker.get("ramp", [1.0]))
                share = min(1.0 - severity, self._started(maker, k, path))
                lp.at_most(terms((1.0, x), (-share * self.length, working)))
                if path is None and maker.get("min_utilisation"):
                    lp.at_most(terms((maker["min_utilisation"] * self.length, working), (-1.0, x)))
            paid = series(maker.get("cost", 0.0), year) * shock.get("cost", {}).get(p, 1.0)
            paid += series(maker.get("support", 0.0), year) if path is None else 0.0
            cost.append((paid, x))
            for c, rate in maker.get("output", {}).items():
                supply[c].append((rate, x))
            for c, rate in maker.get("input", {}).items():
                supply[c].append((-rate, x))
        for d, demand in self.data["demands"].items():
            amount = series(demand["quantity"], year) * self.length * shock.get("demand", {}).get(d, 1.0)
            short = lp.column("u", self.number, name, d, t, upper=amount)
            supply[demand["commodity"]] += [(1.0, short), (-amount, Counter({ONE: 1.0}))]
            cost.append((demand["shortage_cost"], short))
            if path is not None:
                floor = series(demand.get("survival", 0.0), year)
                below = lp.column("v", self.number, name, d, t)
                lp.at_most(terms((1.0, short), (-1.0, below)), (1.0 - floor) * amount)
                self.below[name] = terms((1.0, self.below.get(name, Counter())), (demand["shortage_cost"], below))
        for o, option in self.options.items() if path else ():
            if option["kind"] == "stockpile":
                rate = option.get("release_rate", math.inf) * self.length
                released = lp.column("g", self.number, name, o, t, upper=rate)
                supply[option["commodity"]].append((1.0, released))
                cost.append((option.get("release_cost", 0.0), released))
                self._release(o, option, name, t, k)
        for parts in supply.values():
            lp.at_most(terms(*((-factor, part) for factor, part in parts)))
        return terms(*cost)

    def _release(self, o: str, option: Data, name: str, t: int, k: int) -> None:
        """Σ of what was released so far, as it decays, at most what was there."""
        kept, start = (1.0 - option.get("loss", 0.0)) ** self.length, t - k
        parts = [(-(kept ** (k + 1)), self.stocks[o][start - 1])]
        for j in range(k + 1):
            parts.append((kept ** (k - j), self.lp.column("g", self.number, name, o, start + j)))
        self.lp.at_most(terms(*parts))

    def _shocks(self) -> Iterator[tuple[float, int, range, list[Terms]]]:
        for s, shock in self.data.get("shocks", {}).items():
            starts = shock["start"] if isinstance(shock["start"], list) else [shock["start"]]
            for year in starts:
                first = (year - self.first) * self.per_year
                length = round(shock["months"] / (12 * self.length))
                window = range(first, min(first + length, len(self.periods)))
                paths = [self._operate(t, (f"{s}@{year}", shock, k)) for k, t in enumerate(window)]
                yield shock.get("probability", 0.0) / len(starts), first, window, paths

    def _budgets(self) -> None:
        spent: dict[int, list[tuple[float, Terms]]] = {}
        for o, option in self.options.items():
            share = option.get("budget_share", 1.0)
            for t, size in self.bought.get(o, {}).items():
                entry = spent.setdefault(self.year(t), [])
                entry.append((share * series(option.get("capex", 0.0), self.year(t)), size))
                if option.get("fixed_cost"):
                    entry.append((share * option["fixed_cost"], self.lp.column("y", o, t, self.node(t))))
            for t, fill in self.filled.get(o, {}).items():
                price = share * series(option["price"], self.year(t))
                spent.setdefault(self.year(t), []).append((price, fill))
        for p, maker in (self.data["processes"] | self.options).items():
            for t in self.periods if maker.get("support") else ():
                paid = maker.get("budget_share", 1.0) * series(maker["support"], self.year(t))
                spent.setdefault(self.year(t), []).append((paid, self.lp.column("x", self.number, "", p, t)))
        if "budget" in self.policy:
            self.lp.at_most(terms(*(part for parts in spent.values() for part in parts)), self.policy["budget"])
        for year, parts in spent.items() if "annual_budget" in self.policy else ():
            self.lp.at_most(terms(*parts), series(self.policy["annual_budget"], year))

    @cached_property
    def invested(self) -> Terms:
        parts: list[tuple[float, Terms]] = []
        for o, option in self.options.items():
            for t, size in self.bought.get(o, {}).items():
                parts.append((self.discount(t) * series(option.get("capex", 0.0), self.year(t)), size))
                if option.get("fixed_cost"):
                    parts.append((self.discount(t) * option["fixed_cost"], self.lp.column("y", o, t, self.node(t))))
            for t in self.periods if o in self.bought else ():
                fixed = self.discount(t) * self.length * option.get("fixed_opex", 0.0)
                parts.append((fixed, self.works(o, t, [1.0])))
            for t, fill in self.filled.get(o, {}).items():
                parts.append((self.discount(t) * series(option["price"], self.year(t)), fill))
                parts.append((self.discount(t) * self.length * option.get("holding_cost", 0.0), self.stocks[o][t]))
            if option.get("salvage"):
                last = self.periods[-1]
                back = option["salvage"] * series(option["price"], self.year(last)) * self.discount(last + 1)
                parts.append((-back, self.stocks[o][last]))
        return terms(*parts)

    @property
    def calm(self) -> Terms:
        """What this future costs where nothing happens."""
        return terms((1.0, self.invested), *((self.discount(t), each) for t, each in enumerate(self.baseline)))

    @property
    def changes(self) -> list[tuple[float, Terms]]:
        """By shock its probability, and what it costs beyond that."""
        return [
            (p, terms(*((self.discount(t), terms((1.0, paths[t - first]), (-1.0, self.baseline[t]))) for t in window)))
            for p, first, window, paths in self.shocks
        ]

    @property
    def outcomes(self) -> list[tuple[float, Terms]]:
        """(probability, cost) of what may happen in this future."""
        none = 1.0 - sum(p for p, _ in self.changes)
        return [(none, self.calm), *((p, terms((1.0, self.calm), (1.0, change))) for p, change in self.changes)]

    @property
    def cost(self) -> Terms:
        return terms((1.0, self.calm), *self.changes)

    @property
    def gap(self) -> Terms:
        return terms(*((1.0, each) for each in self.below.values()))


@dataclass(frozen=True)
class Optimum:
    """What is known of the best plan.

    Attributes:
        measure: with the price of gaps. gap: the expected survival gap.
        expected: the least expected cost, with the price of gaps, at that measure.
        least: the least costs of the futures alone, for regret.
    """

    measure: float
    gap: float
    expected: float
    least: tuple[float, ...] = ()


def optimum(data: Data) -> Optimum | None:
    measure = data.get("policy", {}).get("objective", "expected")
    least: tuple[float, ...] = ()
    if measure == "regret":
        alone = [_optimum({**changed(data, s), "futures": {}}, "expected", ()) for _, _, s in leaves(data["futures"])]
        if any(each is None or (each.gap > 1e-6 and "gap_price" not in data["policy"]) for each in alone):
            return None
        least = tuple(each.measure for each in alone if each)
    return _optimum(data, measure, least)


def _optimum(data: Data, measure: Any, least: tuple[float, ...]) -> Optimum | None:
    lp = Programme()
    forms = [
        FutureForm(lp, changed(data, sets), number, p, answers)
        for number, (p, answers, sets) in enumerate(leaves(data.get("futures", {})))
    ]
    weights, gaps = [form.probability for form in forms], [form.gap for form in forms]
    price = data.get("policy", {}).get("gap_price")
    costs = [terms((1.0, form.cost), (price or 0.0, form.gap)) for form in forms]
    expected = terms(*zip(weights, costs, strict=True))
    objective = _measure(lp, forms, measure, least, price or 0.0)

    def best(gap: float | None) -> Optimum | None:
        if (found := lp.minimise(objective)) is None:
            return None
        least_measure, slack = found[0], 1e-7 * abs(value(expected, found[1]))
        left = value(expected_gap, found[1]) if gap is None else gap
        lp.at_most(terms((1e-2, objective)), 1e-2 * (least_measure + slack))
        found = lp.minimise(expected)
        return Optimum(least_measure, left, math.nan if found is None else found[0], least)

    expected_gap = terms(*zip(weights, gaps, strict=True))
    if price is not None:
        return best(None)
    rows = len(lp.rows)
    lp.at_most(terms(*((1e-3, gap) for gap in gaps)), 0.0)
    if (found := best(0.0)) is not None:
        return found
    del lp.rows[rows:]
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
    lp.at_most(terms((1e-3, expected_gap)), 1e-3 * gap * (1 + 1e-7))
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
