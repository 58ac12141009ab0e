"""How the time is spent: `make bench`. Ratios from one run on one machine; seconds are not for quoting.

outside / solver     all that is not the solver's own time (reading, building, passing, reading back, audit),
                     against the solver's, of the main job on instances/us-magnets.yaml
growth               time to write the model where shocks, periods or processes double; 2 is linear
"""

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optimizer as so
from optimizer.formulation import whole_stage

INSTANCES = Path(__file__).parent.parent.parent / "instances"
RUNS = 5


def main() -> None:
    """Print machine, versions and ratios."""
    python = f"Python {platform.python_version()}"
    print(f"{platform.machine()}, {python}, PuLP {version('pulp')}, HiGHS {version('highspy')}")
    print(f"outside / solver, us-magnets     {_share_outside():6.2f}")
    for what, small, large in _growths():
        print(f"growth, {what:24s} {_ratio(small, large):6.2f}   (2 is linear)")


def _share_outside() -> float:
    instance = so.load(INSTANCES / "us-magnets.yaml")
    shares = []
    for _ in range(3):
        seconds = so.solve(instance).seconds
        shares.append((seconds["total"] - seconds["solver"]) / seconds["solver"])
    return statistics.median(shares)


def _growths() -> list[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    def writing(shocks: int = 20, years: int = 10, chains: int = 10) -> Callable[[], Any]:
        instance = so.read(_generated(shocks, years, chains))
        return lambda: whole_stage(instance, instance.events)

    return [
        ("twice the shocks", writing(), writing(shocks=40)),
        ("twice the periods", writing(shocks=0), writing(shocks=0, years=20)),
        ("twice the processes", writing(), writing(chains=20)),
    ]


def _ratio(small: Callable[[], Any], large: Callable[[], Any]) -> float:
    """Median over pairs, so that a machine that changes its speed changes both."""
    small(), large()
    return statistics.median(_seconds(large) / _seconds(small) for _ in range(RUNS))


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _generated(shocks: int, years: int, chains: int) -> dict[str, Any]:
    """Chains of mine, oxide and magnet in two regions, an option and a stockpile for each, embargoes of a year."""
    data: dict[str, Any] = {
        "name": "generated",
        "horizon": {"start": 2027, "end": 2026 + years, "step": "quarter"},
        "home": "home",
        "commodities": {},
        "processes": {},
        "demands": {},
        "options": {},
        "shocks": {},
    }
    for i in range(chains):
        ore, magnet = f"ore{i}", f"magnet{i}"
        data["commodities"] |= {ore: {}, magnet: {}}
        for region in ("rival", "friend"):
            mine = {"region": region, "stage": "mine", "output": {ore: 1}, "capacity": 300, "cost": 10}
            line = {
                "region": region,
                "stage": "magnet",
                "input": {ore: 2},
                "output": {magnet: 1},
                "capacity": 100,
                "cost": 30,
            }
            data["processes"] |= {f"{region}_mine{i}": mine, f"{region}_line{i}": line}
        data["demands"][f"use{i}"] = {"commodity": magnet, "quantity": 90, "survival": 0.6, "shortage_cost": 900}
        plant = {"kind": "refining", "input": {ore: 2}, "output": {magnet: 1}, "cost": 40, "capex": 90, "max_size": 80}
        reserve = {"kind": "stockpile", "commodity": magnet, "price": 60, "max_size": 200}
        data["options"] |= {f"plant{i}": plant, f"reserve{i}": reserve}
    for s in range(shocks):
        start = f"{2028 + s % 4}Q{1 + s // 4 % 4}"
        cuts = [{"region": "rival", "severity": 0.5 + s / (4 * shocks)}]
        data["shocks"][f"embargo{s}"] = {"start": start, "months": 12, "cuts": cuts}
    return data


if __name__ == "__main__":
    main()
