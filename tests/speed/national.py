"""A seeded generator of instances as large as a country's: several elements from one ore, in five regions.

elements   chains of oxide, metal and magnet; ore and separation are shared, since the ore decides the basket
sites      regions with mines and plants beside the dominant one
options    of all seven kinds, half of them lumpy, some in phases
shocks     cuts of one to three stages of the dominant region, some with a second region, 6 to 24 months
"""

import random
from typing import Any

REGIONS = ("usa", "japan", "australia", "malaysia", "vietnam", "france", "india", "brazil")
SEGMENTS = {"defence": (0.1, 0.9, 8e5), "vehicles": (0.6, 0.4, 3e5), "wind": (0.3, 0.2, 2e5)}
KINDS = ("refining", "ally", "stockpile", "stockpile", "separation", "substitution", "partnership", "leverage")
FIRST = 2027


def national(
    seed: int = 5,
    elements: int = 12,
    sites: int = 4,
    options: int = 50,
    shocks: int = 100,
    step: str = "quarter",
    years: int = 10,
) -> dict[str, Any]:
    """An instance as `optimizer.read` takes it; more shocks only add to those of a smaller number."""
    maker = _Maker(seed, elements, years)
    maker.data["horizon"] = {"start": FIRST, "end": FIRST + years - 1, "step": step}
    maker.site("china", 1.0, 1.0)
    for region in REGIONS[:sites]:
        maker.site(region, maker.random.uniform(0.02, 0.1), maker.random.uniform(1.2, 2.0))
    maker.segments()
    for number in range(options):
        maker.option(number)
    maker.shocks(shocks)
    return maker.data


class _Maker:
    def __init__(self, seed: int, elements: int, years: int) -> None:
        self.seed, self.years = seed, years
        self.random = random.Random(seed)
        self.elements = [f"e{number}" for number in range(elements)]
        self.basket = {e: round(self.random.uniform(0.01, 0.2), 4) for e in self.elements}
        self.need = {e: self.random.uniform(100, 3000) for e in self.elements}
        self.ore = max(self.need[e] / self.basket[e] for e in self.elements)
        commodities = {f"{e}_{stage}": {} for e in self.elements for stage in ("oxide", "metal", "magnet")}
        self.data: dict[str, Any] = {
            "name": "national",
            "discount_rate": 0.04,
            "home": "usa",
            "commodities": {"ore": {}, **commodities},
            "processes": {},
            "demands": {},
            "options": {},
            "shocks": {},
        }

    def site(self, region: str, share: float, dear: float) -> None:
        """What a region mines and makes."""
        processes, random_ = self.data["processes"], self.random
        ore = self.ore * share * 1.5
        processes[f"mine_{region}"] = _process(region, "mining", {}, {"ore": 1}, ore, 2000 * dear)
        oxides = {f"{e}_oxide": self.basket[e] for e in self.elements}
        processes[f"separation_{region}"] = _process(region, "separation", {"ore": 1.1}, oxides, ore, 5000 * dear)
        for e in self.elements:
            if region == "china" or random_.random() < 0.4:
                size = self.need[e] * share * 1.5
                metal, magnet = {f"{e}_metal": 1}, {f"{e}_magnet": 1}
                processes[f"{e}_metal_{region}"] = _process(
                    region, "metal", {f"{e}_oxide": 1.2}, metal, 1.2 * size, 8000 * dear
                )
                processes[f"{e}_magnet_{region}"] = _process(
                    region, "magnet", {f"{e}_metal": 1.1}, magnet, size, 15000 * dear
                )

    def segments(self) -> None:
        """Demand that grows by half, with floors that come into force over three years."""
        last = FIRST + self.years - 1
        for e in self.elements:
            for segment, (share, floor, cost) in SEGMENTS.items():
                tonnes = self.need[e] * share
                self.data["demands"][f"{e}_{segment}"] = {
                    "commodity": f"{e}_magnet",
                    "quantity": {FIRST: tonnes, last: 1.5 * tonnes},
                    "survival": {FIRST: 0.0, FIRST + 3: 0.7 * floor, last: floor},
                    "shortage_cost": cost,
                }

    def option(self, number: int) -> None:
        """A dear store of magnets for each element, so that floors can be kept; then options drawn at random."""
        random_ = self.random
        e, kind = random_.choice(self.elements), random_.choice(KINDS)
        if number < len(self.elements):
            e, kind = self.elements[number], "stockpile"
        made = getattr(self, f"_{kind}")(e, self.need[e])
        if number < len(self.elements):
            made |= {"commodity": f"{e}_magnet", "price": 2e5, "fill_rate": self.need[e], "max_size": 4 * self.need[e]}
        if kind in ("refining", "ally", "separation") and random_.random() < 0.7:
            made |= {"fixed_cost": round(random_.uniform(2e7, 1e8)), "min_size": made["max_size"] * 0.2}
        self.data["options"][f"o{number}_{kind}"] = made

    def _refining(self, e: str, need: float) -> dict[str, Any]:
        stage, source = self.random.choice([("metal", "oxide"), ("magnet", "metal")])
        return {
            "kind": "refining",
            "region": "usa",
            "stage": stage,
            "input": {f"{e}_{source}": 1.2},
            "output": {f"{e}_{stage}": 1},
            "max_size": need * self.random.uniform(0.3, 1),
            "capex": self.random.uniform(2e4, 1e5),
            "cost": self.random.uniform(2e4, 4e4),
            "lead_time": self.random.choice([12, 24, 36]),
            "ramp": [0.5, 1],
            "min_utilisation": 0.3,
            "fixed_opex": 2000,
        }

    def _ally(self, e: str, need: float) -> dict[str, Any]:
        return self._refining(e, need) | {"kind": "ally", "region": "australia"}

    def _separation(self, e: str, need: float) -> dict[str, Any]:
        return {
            "kind": "refining",
            "stage": "separation",
            "input": {"ore": 1.1},
            "output": {f"{each}_oxide": self.basket[each] for each in self.elements},
            "max_size": self.ore * 0.5,
            "capex": self.random.uniform(1e4, 3e4),
            "cost": self.random.uniform(6e3, 1e4),
            "lead_time": 24,
        }

    def _stockpile(self, e: str, need: float) -> dict[str, Any]:
        return {
            "kind": "stockpile",
            "commodity": f"{e}_{self.random.choice(['oxide', 'metal', 'magnet'])}",
            "price": self.random.uniform(4e4, 1.2e5),
            "holding_cost": 1500,
            "fill_rate": need * 0.5,
            "max_size": need * 1.5,
            "salvage": 0.2,
        }

    def _substitution(self, e: str, need: float) -> dict[str, Any]:
        return {
            "kind": "substitution",
            "demand": f"{e}_vehicles",
            "max_share": self.random.uniform(0.1, 0.4),
            "cost": self.random.uniform(5e4, 2e5),
            "capex": self.random.uniform(1e4, 8e4),
            "max_size": need * 0.4,
            "lead_time": 12,
        }

    def _partnership(self, e: str, need: float) -> dict[str, Any]:
        return {
            "kind": "partnership",
            "process": f"{e}_magnet_china",
            "reliability": self.random.uniform(0.2, 0.7),
            "capex": self.random.uniform(3e3, 2e4),
            "max_size": need * 0.3,
        }

    def _leverage(self, e: str, need: float) -> dict[str, Any]:
        return {
            "kind": "leverage",
            "region": "china",
            "restraint": self.random.uniform(0.02, 0.1),
            "erosion": 0.1,
            "capex": self.random.uniform(1e8, 5e8),
            "max_size": 1,
        }

    def shocks(self, count: int) -> None:
        """Embargoes in the last eight years, each drawn from a stream of its own."""
        stages = ["mining", "separation", "metal", "magnet"]
        for number in range(count):
            random_ = random.Random(f"{self.seed} {number}")
            struck = random_.sample(stages, random_.randint(1, 3))
            cuts = [{"region": "china", "stage": struck, "severity": round(random_.uniform(0.3, 1), 2)}]
            if random_.random() < 0.3:
                second = random_.choice(["japan", "australia", "malaysia"])
                cuts.append({"region": second, "severity": round(random_.uniform(0.2, 1), 2)})
            self.data["shocks"][f"s{number:05d}"] = {
                "start": f"{random_.randint(FIRST + 2, FIRST + self.years - 2)}Q{random_.randint(1, 4)}",
                "months": random_.choice([6, 12, 12, 24]),
                "deliberate": True,
                "cuts": cuts,
            }


def _process(
    region: str, stage: str, inputs: dict[str, float], outputs: dict[str, float], capacity: float, cost: float
) -> dict[str, Any]:
    return {
        "region": region,
        "stage": stage,
        "input": inputs,
        "output": outputs,
        "capacity": capacity,
        "cost": cost,
    }
