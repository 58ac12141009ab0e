"""Small random instances in which every field of the format has its turn."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.independent.programme import Data

REGIONS = ("rival", "friend", "home")


@dataclass
class Draw:
    """Random values of one instance. `odd` of them are extreme: nothing, everything, equal, or far from the others."""

    rng: np.random.Generator
    odd: float = 0.0

    def pick(self, *values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def amount(self, low: float, high: float) -> float:
        if self.chance(self.odd):
            return float(self.pick(low, high, (low + high) / 2))
        return float(np.round(self.rng.uniform(low, high), 2))

    def share(self, low: float = 0.0, high: float = 1.0) -> float:
        return float(self.pick(low, high)) if self.chance(self.odd) else float(np.round(self.rng.uniform(low, high), 3))

    def maybe(self, p: float, made: Callable[[], Any], key: str) -> Data:
        return {key: made()} if self.chance(p) else {}

    def some(self, values: tuple[Any, ...], least: int, most: int) -> list[Any]:
        count = int(self.rng.integers(least, min(most, len(values)) + 1))
        return [values[i] for i in sorted(self.rng.choice(len(values), size=count, replace=False))]


@dataclass
class Drawn:
    """The parts of one instance."""

    draw: Draw
    step: str
    years: list[int]

    def series(self, low: float, high: float) -> Any:
        draw = self.draw
        if draw.chance(0.6):
            return draw.amount(low, high)
        return {year: draw.amount(low, high) for year in draw.some((self.years[0] - 1, *self.years), 2, 3)}

    def label(self, first: bool = False) -> Any:
        """A period as a start; seldom the first, before which little can be done."""
        year = self.draw.pick(*(self.years if first or len(self.years) == 1 else self.years[1:]))
        part = self.draw.rng.integers(1, {"year": 1, "quarter": 4, "month": 12}[self.step] + 1)
        return {"year": year, "quarter": f"{year}Q{part}", "month": f"{year}-{part:02}"}[self.step]

    def months(self) -> int:
        return self.draw.pick(*{"year": (12, 12, 24, 36), "quarter": (3, 6, 9, 12), "month": (1, 2, 5)}[self.step])

    def maker(self, level: int, least: float = 1.0) -> Data:
        """Input, output and cost of a process of one level of the chain: ore, oxide, magnet."""
        draw, chain = self.draw, ("ore", "oxide", "magnet")
        made: Data = {"output": {chain[level]: draw.pick(1, 1, draw.amount(0.5, 1.5))}}
        if level and draw.chance(0.75):
            made["input"] = {chain[level - 1]: draw.amount(0.8, 2)}
        if level == 1 and draw.chance(0.3):
            made["output"]["extra"] = draw.amount(0.1, 1)
        if level == 2 and draw.chance(0.25):
            made["output"]["scrap"] = draw.amount(0.05, 0.3)
        made |= {"stage": chain[level], "cost": self.series(-2 if draw.chance(0.1) else least, 30)}
        made |= draw.maybe(0.2, lambda: self.series(0.5, 6), "support")
        made |= draw.maybe(0.15, lambda: draw.share(0, 0.5), "min_utilisation")
        return made | draw.maybe(0.15, lambda: draw.pick(2, 5, 8, 14.5), "restart_months")

    def processes(self) -> Data:
        draw, found = self.draw, {}
        for level, stage in enumerate(("ore", "oxide", "magnet")):
            for region in draw.some(REGIONS, 1, 2):
                made = {"region": region, "capacity": self.series(10, 160)} | self.maker(level)
                if draw.chance(0.1) and (cost := made["cost"]) and (cost if isinstance(cost, float) else 0) > 0:
                    made["price_response"] = self.response()
                found[f"{region}_{stage}"] = made
        found["imports"] = {
            "region": "rival", "stage": "magnet", "output": {"magnet": 1}, "capacity": self.series(30, 150),
            "cost": self.series(1, 30),
        }  # fmt: skip
        return found

    def response(self) -> Data:
        draw = self.draw
        made = {"elasticity": draw.pick(0.5, 1, 2), "reference": draw.amount(40, 300)}
        return made | draw.maybe(0.4, lambda: draw.amount(1, 9), "included")

    def demands(self) -> Data:
        draw, found = self.draw, {}
        for d in draw.some(("defence", "cars", "wind"), 1, 3):
            found[d] = {
                "commodity": draw.pick("magnet", "magnet", "magnet", "oxide"), "quantity": self.series(10, 60),
                "survival": {year: draw.share(0.2) for year in self.years[::2]} if draw.chance(0.3) else draw.share(),
                "shortage_cost": 0 if draw.chance(draw.odd / 5) else draw.amount(60, 900),
            }  # fmt: skip
            if draw.chance(0.6):
                found[d]["end_of_life"] = {"commodity": "scrap", "after_years": draw.pick(1, 1, 2, 7)}
                found[d]["end_of_life"] |= draw.maybe(0.7, draw.share, "collection_rate")
                found[d]["end_of_life"] |= draw.maybe(0.8, lambda: self.series(5, 60), "past_quantity")
        return found

    def bought(self) -> Data:
        """The common fields of an option; level: of leverage, whose size is at most 1."""
        draw = self.draw
        made = {"max_size": draw.amount(5, 60), "capex": self.series(2, 60)}
        made |= draw.maybe(0.25, lambda: draw.amount(5, 300), "fixed_cost")
        made |= draw.maybe(0.15, lambda: draw.amount(0.05, 0.6) * made["max_size"], "min_size")
        made |= draw.maybe(0.2, lambda: draw.share(0.15, 0.5) * made["max_size"], "unit_size")
        made |= draw.maybe(0.3, lambda: draw.amount(0.1, 4), "fixed_opex")
        made |= draw.maybe(0.4, lambda: draw.pick(3, 6, 12, 14), "lead_time")
        made |= draw.maybe(0.3, lambda: draw.pick([0.5, 1], [0, 0.4, 0.9], 0.8), "ramp")
        return made | self.common()

    def common(self) -> Data:
        draw = self.draw
        made = draw.maybe(0.15, lambda: draw.share(), "budget_share")
        if draw.chance(0.15):
            made["earliest"] = draw.pick(*self.years)
        elif draw.chance(0.15):
            made["latest"] = draw.pick(*self.years)
        return made

    def option(self, kind: str, segments: list[str], processes: list[str]) -> Data:
        draw = self.draw
        if kind == "stockpile":
            made = {"commodity": draw.pick("magnet", "magnet", "oxide", "ore"), "price": self.series(5, 80)}
            made |= draw.maybe(0.5, lambda: draw.amount(0.1, 3), "holding_cost") | self.common()
            made |= draw.maybe(0.3, lambda: draw.share(0, draw.pick(0.3, 0.3, 1)), "loss")
            made |= draw.maybe(0.4, lambda: draw.amount(draw.pick(0, 5), 60), "release_rate")
            made |= draw.maybe(0.3, lambda: draw.amount(1, 9), "release_cost")
            made |= draw.maybe(0.5, lambda: draw.amount(10, 80), "fill_rate")
            made |= draw.maybe(0.6, lambda: draw.amount(10, 80), "max_size")
            made |= draw.maybe(0.3, lambda: draw.amount(0, 10), "initial")
            if "fill_rate" in made and draw.chance(0.3):
                made["price_response"] = self.response()
            if "max_size" in made and draw.chance(0.4):
                made["salvage"] = draw.share(0, 0.8)
            return made
        if kind == "leverage":
            made = self.bought() | {"region": "rival", "restraint": draw.share(), "max_size": draw.pick(1, 1, 0.6)}
            made["capex"] = self.series(20, 400)
            made.pop("ramp", None)
            for key in ("min_size", "unit_size"):
                if key in made:
                    made[key] = draw.pick(0.1, 0.25, 0.5)
            aged: list[Data] = [{}, {"erosion": draw.share(0, 0.5)}, {"strength": draw.pick([1, 0.4], [0.2, 0.6, 1.3])}]
            return made | draw.pick(*aged)
        if kind == "partnership":
            return self.bought() | {"process": draw.pick(*processes)} | draw.maybe(0.6, draw.share, "reliability")
        if kind == "substitution":
            made = self.bought() | {"demand": draw.pick(*segments), "cost": self.series(5, 60)}
            made |= draw.maybe(0.6, draw.share, "max_share")
            return made | draw.maybe(0.3, lambda: {"oxide": draw.amount(0.1, 0.8)}, "input")
        if kind == "recycling":
            made = (
                self.maker(2) | {"input": {"scrap": draw.amount(0.8, 2)}} | draw.maybe(0.2, lambda: "friend", "region")
            )
            return made | self.bought()
        region = {"region": "friend"} if kind == "ally" else {}
        return self.maker(int(draw.rng.integers(3))) | region | self.bought()

    def options(self, segments: list[str], processes: list[str]) -> Data:
        draw, found = self.draw, {}
        kinds = ("ally", "refining", "recycling", "substitution", "stockpile", "partnership", "leverage")
        for i in range(int(draw.rng.integers(2, 6))):
            kind = draw.pick(*kinds, "stockpile", "refining")
            found[f"{kind}{i}"] = {"kind": kind} | self.option(kind, segments, processes)
        lumpy = [o for o, each in found.items() if each.get("fixed_cost") or each.get("min_size")]
        for o, other in itertools.pairwise(lumpy):
            found[o] |= draw.pick({}, {"requires": other}, {"excludes": other}, {"requires": [other]})
        return found

    def cut(self, processes: list[str], options: list[str], severity: Any = None) -> Data:
        draw = self.draw
        where = draw.pick(
            {"region": "rival"}, {"region": "rival"}, {"region": ["rival", "friend"]}, {"region": "home"},
            {"region": draw.pick("rival", "friend"), "stage": draw.pick("magnet", ["ore", "oxide"])},
            {"process": draw.pick(*processes)}, {"commodity": draw.pick("magnet", ["oxide", "scrap"])},
            {"process": [draw.pick(*options), draw.pick(*processes)]},
        )  # fmt: skip
        if severity is None:
            severity = draw.pick(1, draw.share(), [draw.share(), draw.share()])
        made = where | ({} if severity == "" else {"severity": severity})
        return made | draw.maybe(0.1, lambda: draw.pick(True, False), "deliberate")

    def shock(self, segments: list[str], processes: list[str], options: Data) -> Data:
        draw = self.draw
        makers = [o for o, each in options.items() if "output" in each] or processes
        made: Data = {"start": self.label(first=draw.chance(0.15)), "months": self.months()}
        severity = None
        if draw.chance(0.25):
            made["start"] = sorted({str(self.label()) for _ in range(2)})
        if draw.chance(0.1):
            made["grid"] = {"severity": [draw.share(), draw.share(0.2, 0.9)]}
            severity = ""
        if draw.chance(0.15):
            made["months"] = [12, 24]
        made["cuts"] = [self.cut(processes, makers, severity) for _ in range(draw.rng.integers(1, 3))]
        made |= draw.maybe(0.6, lambda: True, "deliberate")
        made |= draw.maybe(0.25, lambda: {draw.pick(*segments): draw.amount(0.7, 1.6)}, "demand")
        priced = [*processes, *(o for o, each in options.items() if "cost" in each)]
        made |= draw.maybe(0.25, lambda: {draw.pick(*priced): draw.amount(0.5, 2.5)}, "cost")
        made |= draw.maybe(0.2, lambda: {draw.pick(*segments): draw.share()}, "survival")
        deals = [o for o, each in options.items() if each["kind"] == "partnership"]
        return made | (draw.maybe(0.5, lambda: {deals[0]: draw.share()}, "reliability") if deals else {})

    def policy(self, options: Data) -> Data:
        draw, years = self.draw, self.years
        made = draw.maybe(0.4, lambda: 0 if draw.chance(draw.odd / 5) else draw.amount(20, 2500), "budget")
        made |= draw.maybe(0.25, lambda: self.series(20, 900), "annual_budget")
        for key, share in (("max_share", draw.share(0.4)), ("min_share", draw.share(0, 0.2))):
            if draw.chance(0.12):
                whose = draw.pick({"region": "rival"}, {"region": "home"}, {"kind": "recycling"})
                rule = {"commodity": draw.pick("magnet", "oxide"), "share": share} | whose
                made[key] = [rule | draw.maybe(0.6, lambda: draw.pick(*years[1:], years[-1]), "from")]
        if draw.chance(0.15):
            cut = {"region": "rival", "severity": draw.share(0.3)}
            rule = {"cuts": [cut], "months": draw.pick(6, 12, 20), "from": years[-1]}
            made["min_time_to_survive"] = [rule | draw.maybe(0.5, lambda: True, "deliberate")]
        plain = [o for o, each in options.items() if not {"unit_size", "min_size", "earliest", "latest"} & set(each)]
        if plain and draw.chance(0.1):
            made["force"] = {plain[0]: {draw.pick(*years): draw.share(0.1, 0.5)}}
        return made

    def adversary(self, processes: list[str], options: Data) -> Data:
        draw = self.draw
        makers = [o for o, each in options.items() if "output" in each] or processes
        chips = [o for o, each in options.items() if each["kind"] == "leverage"]
        targets = {}
        for i in range(int(draw.rng.integers(1, 4))):
            cuts = [self.cut(processes, makers) for _ in range(draw.rng.integers(1, 3))]
            targets[f"target{i}"] = {"price": int(draw.rng.integers(0, 6)), "cuts": cuts}
            targets[f"target{i}"] |= draw.maybe(0.2, lambda: False, "deliberate")
            if chips and draw.chance(0.6):
                targets[f"target{i}"]["deterrence"] = {chips[0]: draw.amount(0.5, 8)}
        starts = sorted({str(self.label()) for _ in range(draw.rng.integers(1, 3))})
        budget = int(draw.rng.integers(1, 9))
        return {"attack_budget": budget, "months": self.months(), "starts": starts, "targets": targets}


def drawn(seed: int, odd: float = 0.0, attacked: bool = False) -> Data:
    """An instance without futures.

    Args:
        seed: of the random numbers.
        odd: the share of numbers that lie at an end of their range.
        attacked: whether it has an adversary.
    """
    draw = Draw(np.random.default_rng([seed, 7]), odd)
    step = draw.pick("year", "year", "year", "quarter", "quarter", "month")
    years = list(
        range(2027, 2027 + {"year": int(draw.rng.integers(3, 7)), "quarter": draw.pick(1, 2), "month": 1}[step])
    )
    parts = Drawn(draw, step, years)
    horizon: Data = {"start": years[0], "end": years[-1], "step": step}
    if step != "year" and draw.chance(0.4):
        horizon["decide"] = draw.pick("quarter", step)
    processes, demands = parts.processes(), parts.demands()
    options = parts.options(list(demands), list(processes))
    shocks = {f"shock{i}": parts.shock(list(demands), list(processes), options) for i in range(draw.rng.integers(1, 4))}
    if draw.chance(0.5):
        for shock in shocks.values():
            shock["probability"] = draw.share(0, 1 / 3)
    data: Data = {
        "horizon": horizon, "discount_rate": draw.pick(0, 0.07), "home": "home",
        "commodities": {c: {} for c in ("ore", "oxide", "magnet", "scrap", "extra")}, "processes": processes,
        "demands": demands, "options": options, "shocks": shocks, "policy": parts.policy(options),
    }  # fmt: skip
    if draw.chance(0.1):
        data["policy"]["gap_price"] = draw.pick(0.02, 0.2, 1.0)
    if attacked:
        data["adversary"] = parts.adversary(list(processes), options)
    return data


def crowded(data: Data, seed: int) -> Data:
    """The same with many shocks, whole units and a budget, so that plans are found in rounds."""
    draw = Draw(np.random.default_rng([seed, 17]), 0.3)
    years = list(range(data["horizon"]["start"], data["horizon"]["end"] + 1))
    parts, likely = Drawn(draw, data["horizon"]["step"], years), "probability" in data["shocks"]["shock0"]
    for i in range(int(draw.rng.integers(4, 14))):
        shock = parts.shock(list(data["demands"]), list(data["processes"]), data["options"])
        data["shocks"][f"more{i}"] = shock | ({"probability": draw.share(0, 0.05)} if likely else {})
    for option in data["options"].values():
        if option["kind"] not in ("stockpile", "leverage") and "min_size" not in option and draw.chance(0.5):
            option["unit_size"] = draw.pick(5, 7.5, 10, option["max_size"] / 2)
            option["max_size"] = max(option["max_size"], option["unit_size"])
    if draw.chance(0.5):
        data["policy"]["budget"] = draw.amount(100, 1500)
    data["policy"].pop("force", None)
    return data


MEASURES = ("expected", "worst", "regret", {"cvar": 0.7}, {"cvar": 0.5, "weight": 0.4})


def asked(data: Data, seed: int) -> Data:
    """The same with one or two questions, in years, and a measure over the futures."""
    draw = Draw(np.random.default_rng([seed, 11]))
    years = list(range(data["horizon"]["start"], data["horizon"]["end"] + 1))
    parts = Drawn(draw, data["horizon"]["step"], years)
    changes: list[tuple[str, Callable[[], Any]]] = [
        *((f"demands.{d}.quantity", lambda: parts.series(10, 70)) for d in data["demands"]),
        *((f"demands.{d}.survival", draw.share) for d in data["demands"]),
        *((f"processes.{p}.capacity", lambda: parts.series(5, 150)) for p in data["processes"]),
        *((f"shocks.{s}.deliberate", lambda: draw.pick(True, False)) for s in data["shocks"]),
        ("policy.budget", lambda: draw.amount(100, 2500)),
    ]
    if any(shock.get("probability") for shock in data["shocks"].values()):
        changes += [(f"shocks.{s}.probability", lambda: draw.share(0, 1 / 3)) for s in data["shocks"]]
    for o, option in data["options"].items():
        if option["kind"] == "stockpile":
            changes += [(f"options.{o}.price", lambda: parts.series(5, 90)), (f"options.{o}.loss", draw.share)]
        else:
            changes.append((f"options.{o}.capex", lambda: parts.series(2, 90)))
            changes += [(f"options.{o}.lead_time", lambda: draw.pick(0, 6, 24)), (f"options.{o}.ramp", draw.share)]
        if not {"earliest", "latest"} & set(option):
            changes.append((f"options.{o}.latest", lambda: draw.pick(*years)))

    def question(nested: bool) -> Data:
        since, weight, branches = draw.pick(*years), draw.share(0.1, 0.9), {}
        for i, p in enumerate((weight, 1 - weight)):
            chosen = draw.some(tuple(changes), 0, 3)
            branches[f"branch{i}"] = {"probability": p, "set": {path: made() for path, made in chosen}}
        if nested:
            later = question(False)
            branches["branch0"]["futures"] = {"nested": later | {"from": max(since, later["from"])}}
        return {"from": since, "branches": branches}

    questions = {f"question{i}": question(draw.chance(0.3)) for i in range(draw.rng.integers(1, 3))}
    objective = draw.pick(*MEASURES)
    for path in ("force", "gap_price"):
        data["policy"].pop(path, None)
    return data | {"futures": questions, "policy": data["policy"] | {"objective": objective}}


def ensemble(data: Data, seed: int) -> Data:
    """The same with an ensemble, of which a share has to be survived."""
    draw = Draw(np.random.default_rng([seed, 13]))
    years = list(range(data["horizon"]["start"], data["horizon"]["end"] + 1))
    parts = Drawn(draw, data["horizon"]["step"], years)
    spread = {"severity": {"uniform": [draw.share(0, 0.5), draw.share(0.5)]}}
    made: Data = {
        "count": int(draw.rng.integers(2, 7)),
        "seed": seed,
        "survive": draw.share(),
        "months": parts.months(),
    }
    made["cuts"] = [parts.cut(list(data["processes"]), list(data["processes"])) | spread]
    made |= draw.maybe(0.5, lambda: True, "deliberate") | draw.maybe(0.4, lambda: draw.share(0, 0.2), "probability")
    return data | {"ensembles": {"trouble": made}}
