"""Plans to be forged, and single changes of a plan file."""

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optimizer as so
from optimizer.io.load import comments_of
from optimizer.results.saved import NOT_EVIDENCE, differences, digest

RICH = Path(__file__).parent / "plan" / "rich.yaml"
TINY = Path(__file__).parents[2] / "instances" / "tiny.yaml"
Place = tuple[str | int, ...]


def rich() -> so.Result:
    """A plan that survives, against an adversary."""
    found = so.withstand(so.load(RICH))
    return replace(found, notes=("A note.", *found.notes), comments=comments_of(str(RICH)))


def failing() -> so.Result:
    """The best plan for 2M: floors fail, attacks are among the shocks."""
    instance = so.load(RICH, ["policy.budget=2M", "adversary.attack_budget=12M", "policy.min_time_to_survive=[]"])
    return so.withstand(instance)


def many(discount_rate: float = 0.1, *, stock: float = 0.0) -> so.Result:
    """60 shocks, most of them lines: shock k cuts k/480 of the imports; `stock` t can be released in any period."""
    shocks = {
        f"s{k}": {
            "start": 2027,
            "months": 12 if k % 2 else 24,
            "probability": 0.01,
            "cuts": [{"region": "rival", "severity": k / 480}],
        }
        for k in range(60)
    }
    return so.solve(
        so.read(
            {
                "name": "many",
                "horizon": {"start": 2026, "end": 2028, "step": "year"},
                "discount_rate": discount_rate,
                "commodities": {"magnet": {}},
                "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 120, "cost": 10}},
                "demands": {
                    "civil": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000},
                    "defence": {"commodity": "magnet", "quantity": 20, "survival": 0.7, "shortage_cost": 5000},
                },
                "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 1, "initial": stock}},
                "policy": {"budget": 0},
                "shocks": shocks,
            }
        )
    )


def saved(result: so.Result) -> dict[str, Any]:
    """The object of its plan file."""
    data: dict[str, Any] = json.loads(result.to_json())
    return data


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """The same with the digest that belongs to it: what a careful forger writes."""
    return data | {"digest": digest(data)}


def at(data: Any, place: Place) -> Any:
    """What stands in a place."""
    for key in place:
        data = data[key]
    return data


def change(data: dict[str, Any], rng: random.Random) -> tuple[dict[str, Any], str, Place]:
    """A copy with one thing changed that is evidence; what was done, and where."""
    every = [place for place in _places(data) if place and place[0] not in NOT_EVIDENCE]
    sections = sorted({str(place[0]) for place in every})
    while True:
        changed = copy.deepcopy(data)
        section = rng.choice(sections)
        place = rng.choice([each for each in every if each[0] == section])
        what = rng.choice(_changes(at(changed, place), at(changed, place[:-1])))
        _change(changed, place, what, rng)
        if any(True for _ in differences(changed, data)):
            return changed, what, place


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*place, key))


def _changes(value: Any, holder: Any) -> list[str]:
    """What can be done to a value and its key; changes of the value are likelier."""
    found = ["drop", "null"]
    if isinstance(value, bool):
        found += ["flip"] * 4
    elif isinstance(value, int | float):
        found += ["double", "add", "negate", "zero"] * 2
    elif isinstance(value, str):
        found += ["rewrite"] * 4
    else:
        found += ["empty"]
    if isinstance(value, list) and len(value) > 1:
        found += ["swap"] * 2
    return [*found, *(["rename", "copy"] if isinstance(holder, dict) else ["repeat"])]


def _change(data: dict[str, Any], place: Place, what: str, rng: random.Random) -> None:
    holder, key = at(data, place[:-1]), place[-1]
    value = holder[key]
    if what == "drop":
        del holder[key]
    elif what == "rename":
        holder[f"{key}_"] = holder.pop(key)
    elif what == "copy":
        holder[f"{key}_"] = copy.deepcopy(value)
    elif what == "repeat":
        holder.insert(key, copy.deepcopy(value))
    elif what == "swap":
        i, j = rng.sample(range(len(value)), 2)
        value[i], value[j] = value[j], value[i]
    else:
        # Of nothing, a million: one of a currency is less than an audit can tell from nothing.
        changes: dict[str, Any] = {"null": None, "zero": 0, "empty": type(value)()}
        if isinstance(value, bool):
            changes["flip"] = not value
        elif isinstance(value, int | float):
            changes |= {"double": 2 * value, "negate": -value, "add": value * 1.01 + (0 if value else 1e6)}
        elif isinstance(value, str):
            changes["rewrite"] = f"{value}x"
        holder[key] = changes[what]
