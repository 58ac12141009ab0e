"""Sections 2 to 7 of the model once more, one future of a file written into a plain mixed-integer programme.

It shares no code with the package: what both find is what the contract says. It knows every field of the format but
members, and draws no random numbers: the samples of an ensemble are given to it as shocks of their own.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.independent.programme import ONE, Data, Programme, Terms, series, terms

type Answers = tuple[tuple[str, Any, str], ...]
# By option and period what is bought.
type Purchases = Mapping[tuple[str, int], float]
PRODUCING, PER_YEAR = ("ally", "refining", "recycling"), {"year": 1, "quarter": 4, "month": 12}
# What exceeds an attack budget deters.
DETED = 1e-4


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def periods_of(months: float, per_year: int) -> int:
    return math.ceil(months * per_year / 12 - 1e-9)


@dataclass(frozen=True)
class Path:
    """Operation in one period: of a shock, or of a rule that one rate has to hold for `length` years."""

    name: str
    shock: Data
    k: int
    length: float
    lasts: bool = False
    excuse: Terms = field(default_factory=Terms)


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
        self.first, self.per_year = horizon["start"], PER_YEAR[horizon["step"]]
        self.length = 1.0 / self.per_year
        self.periods = range((horizon["end"] - self.first + 1) * self.per_year)
        self.points = self.periods[:: self.per_year // PER_YEAR[horizon.get("decide", "year")]]
        self.options, self.policy = self.data.get("options", {}), self.data.get("policy", {})
        self.makers = self.data["processes"] | {o: v for o, v in self.options.items() if v["kind"] in PRODUCING}
        self.below: dict[str, Terms] = {}
        self.worst: list[Terms] = []
        self.bought = {o: self._buy(o, option) for o, option in self.options.items() if option["kind"] != "stockpile"}
        self.filled = {o: self._fill(o, option) for o, option in self.options.items() if option["kind"] == "stockpile"}
        self.stocks = {o: self._stock(o, option) for o, option in self.options.items() if option["kind"] == "stockpile"}
        self._tie()
        self.baseline = [self._operate(t, None) for t in self.periods]
        self.shocks = [*self._shocks(), *self._samples()]
        self._attacks()
        self._rules()

    # Time

    def year(self, t: int) -> int:
        return int(self.first) + t // self.per_year

    def at(self, label: Any) -> int:
        """The first period of 2027, 2027Q3 or 2027-07."""
        year, part = int(str(label)[:4]), str(label)[4:].lstrip("Q-")
        within = (int(part) - 1) * self.per_year // (4 if "Q" in str(label) else 12) if part else 0
        return (year - self.first) * self.per_year + within

    def starts(self, start: Any) -> list[int]:
        if not isinstance(start, dict):
            return [self.at(each) for each in listed(start)]
        last = start.get("to", self.year(self.periods[-1]))
        end = self.at(last) + (self.per_year if len(str(last)) == 4 else 1)
        return list(range(self.at(start["from"]), end, self.per_year // PER_YEAR[start["every"]]))

    def discount(self, t: float) -> float:
        return float((1.0 + self.data.get("discount_rate", 0.0)) ** (-t * self.length))

    def node(self, t: int) -> tuple[str, ...]:
        known = [a for a in self.answers if self.at(a[1]) <= t]
        return tuple(f"{question}.{branch}" for question, _, branch in known)

    # The plan

    def _may(self, option: Data, t: int) -> bool:
        return bool(option.get("earliest", 0) <= self.year(t) <= option.get("latest", 9999))

    def _buy(self, o: str, option: Data) -> dict[int, Terms]:
        lp, found = self.lp, {}
        lumpy, unit = option.get("fixed_cost") or option.get("min_size"), option.get("unit_size")
        for t in self.points:
            node, allowed = self.node(t), self._may(option, t)
            size = lp.column("n", o, t, node, upper=math.inf if allowed else 0.0)
            found[t] = size
            if unit:
                count = lp.column("units", o, t, node, unit, whole=True)
                lp.exactly(terms((1.0, size), (-unit, count)))
            if lumpy:
                opened = lp.column("y", o, t, node, upper=1.0 if allowed else 0.0, whole=True)
                lp.at_most(terms((1.0, size), (-option["max_size"], opened)))
                lp.at_most(terms((option.get("min_size", 0.0), opened), (-1.0, size)))
        lp.at_most(terms(*((1.0, size) for size in found.values())), option["max_size"])
        if lumpy:
            lp.at_most(self._opened(o, self.periods[-1]), 1.0)
        return found

    def _opened(self, o: str, until: int) -> Terms:
        return terms(*((1.0, self.lp.column("y", o, t, self.node(t))) for t in self.points if t <= until))

    def _tie(self) -> None:
        for o, option in self.options.items():
            for t, other in itertools.product(self.points, listed(option.get("requires", []))):
                self.lp.at_most(terms((1.0, self._opened(o, t)), (-1.0, self._opened(other, t))))
            for other in listed(option.get("excludes", [])):
                last = self.periods[-1]
                self.lp.at_most(terms((1.0, self._opened(o, last)), (1.0, self._opened(other, last))), 1.0)
            for year, size in self.policy.get("force", {}).get(o, {}).items():
                when = {**self.bought, **self.filled}[o]
                self.lp.exactly(terms(*((1.0, each) for t, each in when.items() if self.year(t) == year)), size)

    def _fill(self, o: str, option: Data) -> dict[int, Terms]:
        rate = option.get("fill_rate", math.inf) * self.length
        return {
            t: self.lp.column("f", o, t, self.node(t), upper=rate if self._may(option, t) else 0.0)
            for t in self.periods
        }

    def _stock(self, o: str, option: Data) -> dict[int, Terms]:
        left, kept = Terms({ONE: option.get("initial", 0.0)}), (1.0 - option.get("loss", 0.0)) ** self.length
        found = {-1: left}
        for t in self.periods:
            left = terms((kept, left), (1.0, self.filled[o][t]))
            found[t] = left
            if "max_size" in option:
                self.lp.at_most(left, option["max_size"])
        return found

    def hold(self, purchases: Purchases) -> None:
        """These purchases and no others."""
        for o, when in {**self.bought, **self.filled}.items():
            for t, column in when.items():
                self.lp.fix(column, purchases.get((o, t), 0.0))

    def works(self, o: str, t: int, ramp: list[float] | float) -> Terms:
        lead, shares, parts = periods_of(self.options[o].get("lead_time", 0), self.per_year), listed(ramp), []
        for a, size in self.bought[o].items():
            since = t - a - lead
            if since >= 0:
                parts.append((shares[min(since // self.per_year, len(shares) - 1)], size))
        return terms(*parts)

    def level(self, o: str, t: int) -> Terms:
        option, parts = self.options[o], []
        lead, strength = periods_of(option.get("lead_time", 0), self.per_year), listed(option.get("strength", []))
        for a, size in self.bought[o].items():
            if t - a >= lead:
                years, kept = self.year(t) - self.year(a), 1.0 - option.get("erosion", 0.0)
                parts.append((strength[min(years, len(strength) - 1)] if strength else kept**years, size))
        return terms(*parts)

    # Operation

    def region(self, maker: Data) -> str | None:
        region = maker.get("region", "home" if maker.get("kind") in ("refining", "recycling") else None)
        return self.data.get("home", "home") if region == "home" else region

    def _severities(self, name: str, maker: Data, path: Path | None) -> tuple[float, float]:
        """The largest deliberate cut, and the largest other one."""
        found = [0.0, 0.0]
        for cut in path.shock.get("cuts", []) if path else ():
            regions = [self.data.get("home", "home") if r == "home" else r for r in listed(cut.get("region", []))]
            if (
                ("process" not in cut or name in listed(cut["process"]))
                and ("region" not in cut or self.region(maker) in regions)
                and ("stage" not in cut or maker.get("stage") in listed(cut["stage"]))
                and ("commodity" not in cut or set(maker.get("output", {})) & set(listed(cut["commodity"])))
            ):
                profile, other = listed(cut["severity"]), not cut.get("deliberate", path.shock.get("deliberate"))
                found[other] = max(found[other], profile[min(path.k, len(profile) - 1)])
        return found[0], found[1]

    def _started(self, maker: Data, path: Path | None) -> float:
        """The share of capacity that runs on average in a period of a shock: the mean of min(1, months/n)."""
        n, floor = maker.get("restart_months", 0), maker.get("min_utilisation", 0.0)
        if path is None or not n:
            return 1.0
        if path.lasts:
            return float(floor)
        since, until = (path.k + i for i in (0, 1))
        ends = [12 * self.length * each / n for each in (since, until)]
        rising = [min(1.0, end) ** 2 / 2 + max(0.0, end - 1.0) for end in ends]
        return float(floor + (1.0 - floor) * (rising[1] - rising[0]) / (ends[1] - ends[0]))

    def _run(self, p: str, maker: Data, t: int, path: Path | None, length: float) -> Terms:
        """The activity of a process or of an option for one, within what is left of its capacity."""
        lp, name = self.lp, path.name if path else ""
        x, severities = lp.column("x", self.number, name, p, t), self._severities(p, maker, path)
        started, least = self._started(maker, path), maker.get("min_utilisation", 0.0) if path is None else 0.0
        if p in self.options:
            working = self.works(p, t, maker.get("ramp", 1.0))
            lp.at_most(terms((1.0, x), (-min(1.0 - max(severities), started) * length, working)))
            lp.at_most(terms((least * length, working), (-1.0, x)))
            return x
        capacity, shock = series(maker["capacity"], self.year(t)) * length, path.shock if path else {}
        lp.at_most(x, capacity * started)
        lp.at_most(terms((-1.0, x)), -least * capacity)
        for severity, deliberate in zip(severities, (True, False), strict=True):
            limit = [(1.0, x)]
            for o, option in self.options.items():
                if option["kind"] == "partnership" and option["process"] == p:
                    kept = shock.get("reliability", {}).get(o, option.get("reliability", 1.0))
                    limit.append((-severity * kept * length, self.works(o, t, option.get("ramp", 1.0))))
                if option["kind"] == "leverage" and deliberate and self.region(option) == self.region(maker):
                    limit.append((-severity * capacity * option["restraint"], self.level(o, t)))
            lp.at_most(terms(*limit), capacity * (1.0 - severity))
        return x

    def _surcharge(self, amount: Terms, response: Data, most: float, *name: Any) -> Terms:
        """What dearer purchases cost beyond the price: nine points of the curve, linear between them."""
        paid, since = self.lp.column("surcharge", self.number, *name), response.get("included", 0.0)
        rates = [since + (most - since) * k / 8 for k in range(9)]
        beyond = [
            q * ((1.0 + max(0.0, q - since) / response["reference"]) ** (1.0 / response["elasticity"]) - 1.0)
            for q in rates
        ]
        for k in range(8):
            slope = (beyond[k + 1] - beyond[k]) / (rates[k + 1] - rates[k])
            self.lp.at_most(terms((slope, amount), (-1.0, paid)), (slope * rates[k] - beyond[k]) * self.length)
        return paid

    def _operate(self, t: int, path: Path | None) -> Terms:
        """Operation in a period, of the baseline or of a shock: its cost, not discounted."""
        name, length, year = path.name if path else "", path.length if path else self.length, self.year(t)
        supply: dict[str, list[tuple[float, Terms]]] = {c: [] for c in self.data["commodities"]}
        cost: list[tuple[float, Terms]] = []
        dearer = path.shock.get("cost", {}) if path else {}
        for p, maker in self.makers.items():
            x = self._run(p, maker, t, path, length)
            own = series(maker.get("cost", 0.0), year) * dearer.get(p, 1.0)
            cost += [(own, x), (series(maker.get("support", 0.0), year) if path is None else 0.0, x)]
            if "price_response" in maker and not (path and path.lasts):
                points = maker["capacity"]
                most = max(points.values()) if isinstance(points, dict) else points
                cost.append((own, self._surcharge(x, maker["price_response"], most, p, name, t)))
            for c, rate in maker.get("output", {}).items():
                supply[c].append((rate, x))
            for c, rate in maker.get("input", {}).items():
                supply[c].append((-rate, x))
        for d, demand in self.data["demands"].items():
            cost += self._serve(d, demand, t, path, supply, dearer)
        for o, option in self.options.items() if path else ():
            if option["kind"] == "stockpile":
                released = self.lp.column("g", self.number, name, o, t)
                self.lp.at_most(released, option.get("release_rate", math.inf) * length)
                supply[option["commodity"]].append((1.0, released))
                cost.append((option.get("release_cost", 0.0), released))
                self._release(o, option, t, path)
        for parts in supply.values():
            self.lp.at_most(terms(*((-factor, part) for factor, part in parts)))
        return terms(*cost)

    def _serve(
        self, d: str, demand: Data, t: int, path: Path | None, supply: dict[str, Any], dearer: Mapping[str, float]
    ) -> list[tuple[float, Terms]]:
        """Demand, less what is substituted or short, and the scrap of earlier sales."""
        name, length, year = path.name if path else "", path.length if path else self.length, self.year(t)
        amount = series(demand["quantity"], year) * length
        amount *= path.shock.get("demand", {}).get(d, 1.0) if path else 1.0
        short = self.lp.column("u", self.number, name, d, t)
        met, cost = [(1.0, short)], [(demand["shortage_cost"], short)]
        for o, option in self.options.items():
            if option["kind"] == "substitution" and option["demand"] == d:
                z = self.lp.column("z", self.number, name, o, t, upper=option.get("max_share", 1.0) * amount)
                self.lp.at_most(terms((1.0, z), (-length, self.works(o, t, option.get("ramp", 1.0)))))
                met.append((1.0, z))
                cost.append((series(option.get("cost", 0.0), year) * dearer.get(o, 1.0), z))
                for c, rate in option.get("input", {}).items():
                    supply[c].append((-rate, z))
        self.lp.at_most(terms(*met), amount)
        supply[demand["commodity"]] += [*met, (-amount, Terms({ONE: 1.0}))]
        if "end_of_life" in demand:
            life = demand["end_of_life"]
            sold = year - life["after_years"]
            from_then = demand["quantity"] if sold >= self.first else life.get("past_quantity", 0.0)
            scrap = life.get("collection_rate", 1.0) * series(from_then, sold) * length
            supply[life["commodity"]].append((scrap, Terms({ONE: 1.0})))
        if path is not None:
            floor = path.shock.get("survival", {}).get(d, series(demand.get("survival", 0.0), year))
            below = self.lp.column("v", self.number, name, d, t, upper=0.0 if path.lasts else math.inf)
            excused = terms((-floor * amount, path.excuse))
            self.lp.at_most(terms((1.0, short), (-1.0, below), (1.0, excused)), (1.0 - floor) * amount)
            self.below[name] = terms((1.0, self.below.get(name, Terms())), (demand["shortage_cost"], below))
        return cost

    def _release(self, o: str, option: Data, t: int, path: Path) -> None:
        """Σ of what was released so far, as it decays, at most what was there."""
        kept, start = 1.0 if path.lasts else (1.0 - option.get("loss", 0.0)) ** self.length, t - path.k
        parts = [(-(1.0 if path.lasts else kept ** (path.k + 1)), self.stocks[o][start - 1])]
        for j in range(path.k + 1):
            parts.append((kept ** (path.k - j), self.lp.column("g", self.number, path.name, o, start + j)))
        self.lp.at_most(terms(*parts))

    # Shocks

    def _window(self, first: int, months: float) -> range:
        return range(first, min(first + periods_of(months, self.per_year), len(self.periods)))

    def _paths(self, name: str, shock: Data, window: range, excuse: Terms | None = None) -> list[Terms]:
        excused = excuse or Terms()
        return [self._operate(t, Path(name, shock, k, self.length, excuse=excused)) for k, t in enumerate(window)]

    def _shocks(self) -> Iterator[tuple[float, int, range, list[Terms]]]:
        for s, shock in self.data.get("shocks", {}).items():
            grid = shock.get("grid", {})
            months = grid.get("months", listed(shock.get("months")))
            every = list(itertools.product(self.starts(shock["start"]), months, grid.get("severity", [None])))
            for number, (first, lasting, severity) in enumerate(every):
                window, event = self._window(first, lasting), dict(shock)
                if severity is not None:
                    event["cuts"] = [cut | {"severity": severity} for cut in shock["cuts"]]
                paths = self._paths(f"{s}/{number}", event, window)
                yield shock.get("probability", 0.0) / len(every), first, window, paths

    def _samples(self) -> Iterator[tuple[float, int, range, list[Terms]]]:
        """The samples of ensembles, under the key `samples`: so many of them may fail."""
        for name, (share, samples) in self.data.get("samples", {}).items():
            excuses = []
            for number, shock in enumerate(samples):
                excuses.append(self.lp.column("excused", self.number, name, number, upper=1.0, whole=True))
                window = self._window(self.at(shock["start"]), shock["months"])
                paths = self._paths(f"{name}#{number}", shock, window, excuses[-1])
                yield shock.get("probability", 0.0), window[0], window, paths
            fail = len(samples) - math.ceil(share * len(samples) - 1e-9)
            self.lp.at_most(terms(*((1.0, each) for each in excuses)), fail)

    def _attacks(self) -> None:
        """Every set of targets at every start, and none of them; the gap is that of the worst not deterred."""
        adversary = self.data.get("adversary")
        if not adversary:
            return
        targets, purse = adversary["targets"], adversary["attack_budget"]
        for start in self.starts(adversary["starts"]):
            worst = self.lp.column("worst attack", self.number, start)
            self.worst.append(worst)
            window = self._window(start, adversary["months"])
            sets = itertools.chain(*(itertools.combinations(targets, n) for n in range(len(targets) + 1)))
            for chosen in sets:
                price = sum(targets[each]["price"] for each in chosen)
                if price > purse:
                    continue
                raised = terms(
                    *(
                        (amount, self.level(o, start))
                        for each in chosen
                        for o, amount in targets[each].get("deterrence", {}).items()
                    )
                )
                name = f"attack {start} {chosen}"
                deterred = self.lp.column(name, self.number, upper=1.0 if raised else 0.0, whole=True)
                self.lp.at_most(terms((purse * (1 + DETED) - price, deterred), (-1.0, raised)))
                cuts = [
                    {"deliberate": targets[each].get("deliberate", True)} | cut
                    for each in chosen
                    for cut in targets[each]["cuts"]
                ]
                self._paths(name, {"cuts": cuts}, window, deterred)
                self.lp.at_most(terms((1e-3, self.below.pop(name)), (-1e-3, worst)))

    # Policy

    def _rules(self) -> None:
        policy = self.policy
        for rule in policy.get("min_time_to_survive", ()):
            for t in self.periods[:: self.per_year]:
                if self.year(t) >= rule.get("from", self.first):
                    name = f"rule {rule} {t}"
                    self._operate(t, Path(name, rule, 0, rule["months"] / 12, lasts=True))
                    del self.below[name]
        for key, sign in (("max_share", 1.0), ("min_share", -1.0)):
            for rule, t in itertools.product(policy.get(key, ()), self.periods):
                if self.year(t) >= rule.get("from", self.first):
                    self.lp.at_most(terms((sign, self._share(rule, t))))
        if "budget" in policy:
            self.lp.at_most(self.outlay, policy["budget"])
        for year, parts in self.spent.items() if "annual_budget" in policy else ():
            self.lp.at_most(terms(*parts), series(policy["annual_budget"], year))

    def _share(self, rule: Data, t: int) -> Terms:
        """Production that counts, less the share of all."""
        home, parts = self.data.get("home", "home"), []
        for p, maker in self.makers.items():
            made = maker.get("output", {}).get(rule["commodity"], 0.0)
            region = home if rule.get("region") == "home" else rule.get("region")
            counts = ("region" in rule and self.region(maker) == region) or (
                "kind" in rule and maker.get("kind") == rule["kind"]
            )
            parts.append(
                (made * ((1.0 if counts else 0.0) - rule["share"]), self.lp.column("x", self.number, "", p, t))
            )
        return terms(*parts)

    # Money

    @cached_property
    def spent(self) -> dict[int, list[tuple[float, Terms]]]:
        """By year what the budget pays."""
        spent: dict[int, list[tuple[float, Terms]]] = {}
        for o, option in self.options.items():
            share = option.get("budget_share", 1.0)
            for t, part in self._paid(o):
                spent.setdefault(self.year(t), []).append((share, part))
            for t in self.periods if option.get("support") and o in self.makers else ():
                paid = share * series(option["support"], self.year(t))
                spent.setdefault(self.year(t), []).append((paid, self.lp.column("x", self.number, "", o, t)))
        for p, maker in self.data["processes"].items():
            for t in self.periods if maker.get("support") else ():
                paid = series(maker["support"], self.year(t))
                spent.setdefault(self.year(t), []).append((paid, self.lp.column("x", self.number, "", p, t)))
        return spent

    def _paid(self, o: str) -> Iterator[tuple[int, Terms]]:
        """By period what an option is bought for."""
        option = self.options[o]
        for t, size in self.bought.get(o, {}).items():
            opened = self.lp.column("y", o, t, self.node(t)) if option.get("fixed_cost") else Terms()
            price = series(option.get("capex", 0.0), self.year(t))
            yield t, terms((price, size), (option.get("fixed_cost", 0.0), opened))
        for t, fill in self.filled.get(o, {}).items():
            dearer = Terms()
            if "price_response" in option:
                dearer = self._surcharge(fill, option["price_response"], option["fill_rate"], o, t)
            yield t, terms(*((series(option["price"], self.year(t)), part) for part in (fill, dearer)))

    @cached_property
    def outlay(self) -> Terms:
        return terms(*(part for parts in self.spent.values() for part in parts))

    @cached_property
    def invested(self) -> Terms:
        parts: list[tuple[float, Terms]] = []
        for o, option in self.options.items():
            parts += [(self.discount(t), part) for t, part in self._paid(o)]
            for t in self.periods if o in self.bought else ():
                fixed = self.discount(t) * self.length * option.get("fixed_opex", 0.0)
                parts.append((fixed, self.works(o, t, 1.0)))
            for t in self.filled.get(o, {}):
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
        return terms(*((1.0, each) for each in (*self.below.values(), *self.worst)))
