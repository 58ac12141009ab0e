"""Published two-stage instances beside their published values and times: `make bench-published`.

    rows        of the extensive form
    value       of our plan; proven: distance of its bound, relative
    published   the best value known
    ours        seconds to the plan on all cores, with reading, the no-shock plan and the audit; imports count for none
    search      those of them that the solvers took
    HiGHS       seconds of HiGHS with its defaults on the extensive form, in the same run, without reading or writing
                it; "> " where it was stopped
    ratio       ours against HiGHS, at most where that was stopped
    by          the least published seconds, of another machine, and the method: Gurobi with two threads on the
                extensive form (f), adaptive (a), multi (m) or single cuts (s)

Seconds are not for quoting; ratios of one run are.
"""

import argparse
import csv
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulp
from rich.console import Console
from rich.table import Table

import optimizer as so
from optimizer.algorithms.problem import MeasuredModel
from optimizer.solver import Clock, Settings
from optimizer.solver.base import quiet
from tests.speed.published import flcvar, netdes

FOLDER = Path(os.environ.get("PUBLISHED", Path(__file__).parents[3] / "shared" / "published"))
# The published runs are proven to this, and so are ours and those of HiGHS.
GAP = 1e-4
# No extensive form of more scenarios is given to HiGHS.
MOST_SCENARIOS = 100
COLUMNS = ("file", "scenarios", "rows", "value", "proven", "published", "ours", "search", "HiGHS", "ratio", "by")


@dataclass(frozen=True)
class Published:
    """One instance, the best value known, and the least published seconds with their method."""

    name: str
    scenarios: int
    data: dict[str, Any]
    value: float
    by: str


def cases(most: int, seeds: int) -> Iterator[Published]:
    """The network designs, and facility location with CVaR of up to so many scenarios and seeds."""
    with (FOLDER / "netdes" / "solutions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = FOLDER / "netdes" / f"{row['Instance Name']}.dat"
            if path.exists():
                data = netdes(path)
                yield Published(path.stem, len(data["shocks"]), data, float(row["Best UB"]), "")
    with (FOLDER / "flcvar" / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    keys = dict.fromkeys((row["file"], int(row["scenarios"]), int(row["seed"])) for row in rows)
    for name, scenarios, seed in keys:
        if scenarios <= most and seed <= seeds:
            own = [
                row for row in rows if (row["file"], row["scenarios"], row["seed"]) == (name, f"{scenarios}", f"{seed}")
            ]
            best = min(own, key=lambda row: float(row["seconds"]))
            value = min(float(row["value"]) for row in own)
            data = flcvar(FOLDER / "flcvar" / f"{name}.txt", scenarios, seed)
            yield Published(f"{name}, seed {seed}", scenarios, data, value, f"{best['seconds']} s, {best['method']}")


def row_of(case: Published, limit: float) -> tuple[str, ...]:
    """The figures of one instance, as text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(case.data), encoding="utf-8")
        began = time.perf_counter()
        instance = so.load(path)
        solve = so.solve_futures if instance.is_adaptive else so.solve
        result = solve(instance, settings=Settings(mip_gap=GAP, time_limit=limit))
        ours = time.perf_counter() - began
    bound = -math.inf if result.bound is None else result.bound
    height, seconds, is_done = _extensive_form(so.read(case.data), limit)
    stopped = "" if is_done else "> "
    return (
        case.name,
        f"{case.scenarios:,}",
        f"{height:,}",
        f"{result.total_cost:,.1f}",
        f"{(result.total_cost - bound) / abs(result.total_cost):.1e}",
        f"{case.value:,.1f}",
        f"{ours:.2f}",
        f"{result.seconds['solver']:.2f}",
        f"{stopped}{seconds:.2f}" if seconds else "-",
        f"{'< ' if stopped else ''}{ours / seconds:.3f}" if seconds else "-",
        case.by,
    )


def _extensive_form(instance: so.Instance, limit: float) -> tuple[int, float, bool]:
    """Rows, the seconds of HiGHS as PuLP passes the model, and whether it came to an end; 0 s where it is left out."""
    model = MeasuredModel(instance, instance.tree.events, Settings(mip_gap=GAP), Clock(), lambda step: None)
    builder = model.builder
    if len(instance.events) > MOST_SCENARIOS + 1:
        return len(builder.rows), 0.0, False
    for j in model.below:
        builder.columns[j].upper = 0.0
    problem = builder.problem("extensive", [1.0] * len(builder.columns), [1.0] * len(builder.rows))
    columns = problem.variables()
    problem.setObjective(pulp.lpSum_vars_coefs([(columns[j], value) for j, value in model.objective.terms.items()]))
    began = time.perf_counter()
    with quiet():
        problem.solve(pulp.HiGHS(msg=False, gapRel=GAP, timeLimit=limit))
    seconds = time.perf_counter() - began
    return len(builder.rows), seconds, seconds < limit


def main() -> None:
    """Print a row for each instance as it is done."""
    parser = argparse.ArgumentParser(description="Published instances beside ours and HiGHS.")
    parser.add_argument("--scenarios", type=int, default=100, help="facility location of at most so many scenarios")
    parser.add_argument("--seeds", type=int, default=1, help="of so many seeds")
    parser.add_argument("--limit", type=float, default=400.0, help="seconds for each")
    given, console = parser.parse_args(), Console(width=160)
    if not FOLDER.exists():
        parser.error("set PUBLISHED to the folder that holds flcvar/ and netdes/")
    table = Table(*COLUMNS)
    first = so.read(next(cases(given.scenarios, given.seeds)).data)
    (so.solve_futures if first.is_adaptive else so.solve)(first)
    for case in cases(given.scenarios, given.seeds):
        table.add_row(*row_of(case, given.limit))
        console.print(f"{case.name} done", style="dim")
    console.print(table)


if __name__ == "__main__":
    main()
