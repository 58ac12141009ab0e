"""How long questions take beside `solve` of the same instance: `make bench-questions`. Ratios from one run.

processor    processor time of the command, its workers included, against that of `solve`
wall         wall time against that of `solve`; a machine that does something else beside it makes it larger

Each command runs in a process of its own, one after the other; `solve` runs first and last, and its mean counts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

INSTANCE = Path(__file__).parent.parent.parent / "instances" / "us-magnets.yaml"
BUDGETS = "0,500M,750M,1B,any"


def questions(instance: Path, folder: Path) -> dict[str, list[str]]:
    """The arguments of each question, by what the table calls it."""
    plan = str(folder / "plan.json")
    return {
        "compare, five budgets": ["compare", str(instance), "--budgets", BUDGETS],
        "attack": ["attack", str(instance)],
        "explain": ["explain", str(instance)],
        "alternatives": ["alternatives", str(instance)],
        "report with its slider": ["report", plan, "-o", str(folder / "report.html")],
    }


def rows(instance: Path, wanted: Sequence[str]) -> Iterator[str]:
    """The rows, as they are measured."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        solve = ["solve", str(instance), "-o", str(folder / "plan.json")]
        measured, first = {}, _seconds(solve)
        for title, arguments in questions(instance, folder).items():
            if not wanted or any(title.startswith(each) for each in wanted):
                measured[title] = _seconds(arguments)
        last = _seconds(solve)
        base = [(one + other) / 2 for one, other in zip(first, last, strict=True)]
        yield f"{'against solve':24s} processor   wall"
        for title, (processor, wall) in measured.items():
            yield f"{title:24s} {processor / base[0]:9.1f} {wall / base[1]:6.1f}"


def _seconds(arguments: Sequence[str]) -> tuple[float, float]:
    """Processor time of a command with its workers, and wall time."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "optimizer", *arguments], capture_output=True, text=True, check=False)
    # 4: the plan leaves gaps, which is an answer too.
    if done.returncode not in (0, 4):
        sys.exit(f"diversify {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times of questions beside `solve`.")
    parser.add_argument("questions", nargs="*", help="how their names begin; all where none is named")
    parser.add_argument("--instance", type=Path, default=INSTANCE)
    given = parser.parse_args()
    for row in rows(given.instance, given.questions):
        sys.stdout.write(row + "\n")
        sys.stdout.flush()
