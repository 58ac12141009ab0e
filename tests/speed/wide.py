"""Instances that are wide in one direction: what `check` takes for twice as much is twice the work, whatever grows.

Each function returns an instance as `optimizer.read` takes it, with about n of what its name says.
"""

from collections.abc import Callable
from typing import Any

Wide = dict[str, Any]
STAGES = ("ore", "oxide", "metal", "magnet")


def _frame(**sections: Any) -> Wide:
    return {
        "name": "wide",
        "horizon": {"start": 2026, "end": 2030, "step": "year"},
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {f"p{i}": _maker({}, "magnet", i) for i in range(4)},
        "demands": {"all": _segment("magnet")},
        "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 3000, "max_size": 100}},
        "shocks": {"cut": _shock({"region": "r1"})},
    } | sections


def _maker(inputs: dict[str, float], output: str, i: int) -> Wide:
    return {
        "region": f"r{i % 7}",
        "stage": "magnet",
        "input": inputs,
        "output": {output: 1},
        "capacity": 100 + i % 5,
        "cost": 1000 + i % 11,
    }


def _segment(commodity: str) -> Wide:
    return {"commodity": commodity, "quantity": 50, "survival": 0.3, "shortage_cost": 1e5}


def _shock(*targets: Wide) -> Wide:
    return {"start": [2027], "months": 12, "cuts": [{**target, "severity": 1} for target in targets]}


def _plant(i: int) -> Wide:
    return {
        "kind": "refining",
        "output": {"magnet": 1},
        "cost": 2000 + i % 7,
        "capex": 5000 + i % 11,
        "fixed_cost": 1e4,
        "max_size": 100,
        "lead_time": 12,
    }


def processes(n: int) -> Wide:
    """Processes that make the same."""
    return _frame(processes={f"p{i}": _maker({}, "magnet", i) for i in range(n)})


def chains(n: int) -> Wide:
    """Processes in chains of four stages, a segment at the end of each."""
    data = _frame(commodities={}, processes={}, demands={}, options={})
    for e in range(max(1, n // 4)):
        for k, stage in enumerate(STAGES):
            data["commodities"][f"{stage}{e}"] = {}
            inputs = {f"{STAGES[k - 1]}{e}": 1.2} if k else {}
            data["processes"][f"{stage}_{e}"] = _maker(inputs, f"{stage}{e}", e) | {"stage": stage}
        data["demands"][f"d{e}"] = _segment(f"magnet{e}")
    return data


def depth(n: int) -> Wide:
    """One chain, written from its end to its beginning."""
    return _frame(
        commodities={f"c{i}": {} for i in range(n)},
        processes={f"p{i}": _maker({f"c{i - 1}": 1} if i else {}, f"c{i}", i) for i in reversed(range(n))},
        demands={"all": _segment(f"c{n - 1}")},
        options={},
    )


def segments(n: int) -> Wide:
    """Segments, each with a substitute."""
    substitutes = {
        f"o{i}": {"kind": "substitution", "demand": f"d{i}", "cost": 2000, "capex": 5000, "max_size": 9}
        for i in range(n)
    }
    return _frame(demands={f"d{i}": _segment("magnet") for i in range(n)}, options=substitutes)


def phases(n: int) -> Wide:
    """Options in one long chain of `requires`."""
    return _frame(options={f"o{i}": _plant(i) | ({"requires": f"o{i - 1}"} if i else {}) for i in range(n)})


def forced(n: int) -> Wide:
    """Options that have to be bought."""
    force = {f"o{i}": {2026: 10} for i in range(n)}
    return _frame(options={f"o{i}": _plant(i) for i in range(n)}, policy={"force": force})


def cuts(n: int) -> Wide:
    """Shocks, each with a cut of a process of its own."""
    return _frame(
        processes={f"p{i}": _maker({}, "magnet", i) for i in range(n)},
        shocks={f"s{i}": _shock({"process": f"p{i}"}) | {"survival": {"all": 0.2}} for i in range(n)},
    )


def multipliers(n: int) -> Wide:
    """Shocks that change the demand of each of 50 segments."""
    segments = {f"customer_{i:02d}": _segment("magnet") for i in range(50)}
    shocks = {
        f"s{s}": {
            "start": 2027,
            "months": 12,
            "demand": {d: 0.2 + (7919 * s + 104_729 * i) % 2803 / 1000 for i, d in enumerate(segments)},
        }
        for s in range(n)
    }
    return _frame(demands=segments, shocks=shocks)


def months(n: int) -> Wide:
    """Months, an option that may be bought in every year, and a shock that lasts as long."""
    first, years = 1900, max(1, n // 12)
    shock = _shock({"region": "r1"}) | {"start": [f"{first}-01"], "months": 12 * years}
    return _frame(
        horizon={"start": first, "end": first + years - 1, "step": "month"},
        options={"plant": _plant(0) | {"ramp": [0.3, 0.6, 1]}},
        shocks={"cut": shock},
    )


def options(n: int) -> Wide:
    """Options, each of its own."""
    return _frame(options={f"o{i}": _plant(i) for i in range(n)})


def ensembles(n: int) -> Wide:
    """Ensembles of five samples."""
    cut = {"region": "r1", "severity": {"uniform": [0.2, 1]}}
    return _frame(ensembles={f"e{i}": {"count": 5, "seed": i, "months": 12, "cuts": [cut]} for i in range(n)})


def targets(n: int) -> Wide:
    """Targets of an adversary that can afford any three."""
    target = {"price": 1, "cuts": [{"region": "r1", "severity": 1}]}
    prey = {f"t{i}": target for i in range(n)}
    return _frame(adversary={"attack_budget": 3, "months": 12, "starts": 2027, "targets": prey})


def ranges(n: int) -> Wide:
    """Numbers with a range beside them, and a pattern over as many."""
    data = processes(n)
    for process in data["processes"].values():
        process["cost"] = {"value": process["cost"], "low": 500, "high": 3000}
    return data | {"ranges": {"processes.*.capacity": {"low": 0.5, "high": 2, "of": "value"}}}


def scenarios(n: int) -> Wide:
    """Scenarios of a small file."""
    return _frame(scenarios={f"s{i}": {"processes.p1.cost": 1200} for i in range(n)})


def shares(n: int) -> Wide:
    """Rules about shares, each of a commodity of its own."""
    data = chains(4 * n)
    rules = [{"commodity": f"magnet{i}", "region": f"r{i % 7}", "share": 1} for i in range(n)]
    return data | {"policy": {"max_share": rules}}


def unknown(n: int) -> Wide:
    """Names that nothing has, beside as many that something has: every one is a finding."""
    data = processes(n)
    for i, process in enumerate(data["processes"].values()):
        process["output"] = {f"magnett{i}": 1}
    return data | {"commodities": {f"magnet{i}": {} for i in range(n)}}


_ALL = [
    processes,
    chains,
    depth,
    segments,
    phases,
    forced,
    cuts,
    multipliers,
    months,
    options,
    ensembles,
    targets,
    ranges,
    scenarios,
    shares,
    unknown,
]
WIDE: dict[str, Callable[[int], Wide]] = {each.__name__: each for each in _ALL}
