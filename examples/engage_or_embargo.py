"""Is engagement the smarter de-risking? What selling chips saves, and what withholding them saves, USD million.

Selling makes China depend on them, more each year; withholding works at once and fades. Either adds to what an attack
costs China, so that the plan may deter attacks instead of withstanding them: `instances/leverage.yaml`, its scenario
`engagement`. Each cell compares the cheapest plan that survives with one that has neither.

Run: python examples/engage_or_embargo.py
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import optimizer as so

FILE = Path(__file__).parent.parent / "instances" / "leverage.yaml"
BUDGETS = [500e6, 1e9, 2e9, 3e9]
# By calendar year from that of the decision on, the share of the level that is in force.
CHOICES: dict[str, tuple[str, dict[str, Any]]] = {
    f"sold: full in {years} years": ("chips_sold", {"strength": [min(1.0, year / years) for year in range(years + 1)]})
    for years in (1, 3, 5)
}
CHOICES["the last, at no cost"] = ("chips_sold", CHOICES["sold: full in 5 years"][1] | {"capex": 0, "fixed_opex": 0})
CHOICES |= {
    f"withheld: {rate:.0%} fade": ("chips", {"strength": [(1 - rate) ** year for year in range(10)]})
    for rate in (0.05, 0.14, 0.3)
}

scenario = so.under(so.load(FILE), "engagement")


def cost(attack_budget: float, option: str = "", fields: Mapping[str, Any] | None = None) -> float:
    """Present value of the cheapest plan that survives, with one of the two options, or with neither."""
    others = [name for name in ("chips", "chips_sold") if name != option]
    data = so.without(scenario, others).to_dict()
    data["adversary"]["attack_budget"] = attack_budget
    if option:
        data["options"][option] |= fields or {}
    result = so.withstand(so.read(data), settings=so.Settings(mip_gap=5e-4))
    assert result.survives
    return result.total_cost


rows = {}
for attack_budget in BUDGETS:
    neither = cost(attack_budget)
    saved = {name: neither - cost(attack_budget, *choice) for name, choice in CHOICES.items()}
    rows[f"{attack_budget / 1e9:g}B"] = saved
table = (pd.DataFrame(rows) / 1e6).round().astype(int)
table.columns.name = "attack budget, USD"
print(table.to_string())

# What grows, even in five years, saves about as much as what fades as fast as was measured: floors rise late, and
# weapons do not hang on China. What fades twice as fast saves less against two billion and more. Against most money,
# leverage that costs something saves less.
measured, grown, faded, free = (
    table.loc[name].to_numpy(dtype=int)
    for name in ("withheld: 14% fade", "sold: full in 5 years", "withheld: 30% fade", "the last, at no cost")
)
assert (abs(grown - measured) < 40).all()
assert (faded < measured)[2:].all()
assert (free > measured).all()
costly = table.drop(index="the last, at no cost")
assert costly["3B"].lt(0.85 * costly["1B"]).all()
