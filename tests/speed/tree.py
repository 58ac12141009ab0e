"""`solve` with trees of our own beside the MIP solver of HiGHS alone: ``python -m tests.speed.tree [NAME…]``.

integers     of the model without shocks
ratio        processor time with trees against that with the MIP solver of HiGHS alone, median of the pairs, and all

Each run is a process of its own; the two of a pair follow one another.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import optimizer as so
from optimizer.formulation import extensive_form_model
from optimizer.solver import highs_tree

INSTANCES = Path(__file__).parent.parent.parent / "instances"
# Cases with fewer integers take no time to speak of.
LEAST_INTEGERS = 50


def integer_count(instance: so.Instance) -> int:
    """The number of integer columns of the model without shocks."""
    return sum(column.integer for column in extensive_form_model(instance, ()).columns)


def seconds(path: Path, *, with_tree: bool) -> float:
    """Processor time of a solve in a process of its own, s."""
    mode = "tree" if with_tree else "highs"
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--run", mode, str(path)], capture_output=True, check=True
    )
    return float(json.loads(done.stdout))


def solve_alone(path: str, mode: str) -> None:
    """Print the processor time of a solve in this process."""
    if mode == "highs":
        highs_tree.MOST_FAILURES = 0
    instance = so.load(path)
    began = time.process_time()
    (so.solve_futures if instance.is_adaptive else so.solve)(instance)
    print(time.process_time() - began)


def rows(names: list[str], pairs: int) -> Iterator[str]:
    """The rows, as they are measured."""
    for path in sorted(INSTANCES.glob("*.yaml")):
        count = integer_count(so.load(path)) if not names or path.stem in names else 0
        if count >= LEAST_INTEGERS:
            ratios = [seconds(path, with_tree=True) / seconds(path, with_tree=False) for _ in range(pairs)]
            several = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            yield f"{path.stem:22s} {count:5d} integers   {statistics.median(ratios):.2f}   ({several})"


def main() -> None:
    """Print a row for each case as it is done."""
    parser = argparse.ArgumentParser(description="Trees of our own beside the MIP solver of HiGHS.")
    parser.add_argument("names", nargs="*", help="cases, such as us-magnets; all by default")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each")
    parser.add_argument("--run", choices=("tree", "highs"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        solve_alone(given.names[0], given.run)
        return
    for row in rows(given.names, given.pairs):
        print(row, flush=True)


if __name__ == "__main__":
    main()
