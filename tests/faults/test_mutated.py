"""Whatever is changed in a file: it is read, or refused with findings; nothing else comes out."""

import copy
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

import optimizer as so

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "instances" / "tiny.yaml", *sorted((ROOT / "tests" / "cases").glob("[0-9]*.yaml"))]
VALUES: list[Any] = [
    None, True, 0, -1, 1e300, 1e-300, 10**400, float("nan"), float("inf"), "", "x", "9" * 50, "2027Q5", "home", [], {},
    [None], [[]], {"a": 1}, {"value": 1, "low": 0, "high": 2}, {2027: 1}, {"2027": None}, {"uniform": []}, "*", "a.b.c",
    "40k", "5%", "\x00", {"from": 2026}, [2027, 2027], {"cuts": [{}]}, 1e15, 3.5,
]  # fmt: skip
NAMES = ("x", "home", "baseline", "a.b", "", "policy", "*")
RANGES = {"options.*.capex": {"low": 0.5, "high": 2, "of": "value"}, "*.*.quantity": {"low": 0.9, "high": 1.1}}


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from places(item, (*place, key))


def mutated(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    data: dict[str, Any] = yaml.safe_load(chance.choice(FILES).read_text(encoding="utf-8"))
    if chance.random() < 0.1:
        data["ranges"] = copy.deepcopy(RANGES)
    holder: Any = data
    *above, last = chance.choice(list(places(data)))
    for key in above:
        holder = holder[key]
    change = chance.random()
    if change < 0.2:
        del holder[last]
    elif change < 0.4 and isinstance(holder, dict):
        holder[chance.choice([*NAMES, str(last).upper(), f"{last}s"])] = holder.pop(last)
    else:
        holder[last] = copy.deepcopy(chance.choice(VALUES))
    return data


@pytest.mark.parametrize("block", range(6))
def test_changed_files_are_read_or_refused_with_findings(block: int) -> None:
    for seed in range(50 * block, 50 * block + 50):
        with suppress(so.InstanceError):
            instance = so.read(mutated(seed))
            assert so.read(instance.to_dict()).to_dict() == instance.to_dict(), seed
