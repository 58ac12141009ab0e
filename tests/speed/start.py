"""How long it takes to start and to read: rows of `make bench`.

--help / import      CPU time of `diversify --help` against that of importing typer and rich; 2 at most is wanted
load / YAML          CPU time of `load` against that in which PyYAML's C reader makes plain data of the same file
check                time of `check` with its summary, for twice as many of what grows; 2 is linear
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

import optimizer as so
from optimizer.report.tables.checks import summary_parts
from optimizer.report.tables.render import show
from optimizer.studies.summary import summarise
from tests.speed.wide import WIDE

INSTANCES = Path(__file__).parent.parent.parent / "instances"
RUNS, SHOCKS, MONTHS = 5, 2500, 1800


def start_table() -> Iterator[str]:
    """The rows, as they are measured."""
    yield ""
    imports = _process("-c", "import typer, rich")
    yield f"--help / import of typer and rich {_process('-m', 'optimizer', '--help') / imports:6.2f}"
    yield f"import optimizer / the same       {_process('-c', 'import optimizer') / imports:6.2f}"
    yield f"load / YAML, us-magnets           {_reading(INSTANCES / 'us-magnets.yaml'):6.2f}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shocks.yaml"
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        file.write_text(yaml.dump(WIDE["multipliers"](SHOCKS), Dumper=dumper, sort_keys=False), encoding="utf-8")
        yield f"load / YAML, {SHOCKS:,} shocks         {_reading(file):6.2f}"
    yield "time to check a file and to summarise it, 2 is linear:"
    for name, size in (("multipliers", SHOCKS // 2), ("months", MONTHS), ("options", 200)):
        small, large = (so.read(WIDE[name](n)) for n in (size, 2 * size))
        yield f"    {'twice the ' + name:28s} {_cpu(lambda: _check(large)) / _cpu(lambda: _check(small)):6.2f}"  # noqa: B023


def _check(instance: so.Instance) -> None:
    fresh = instance.fresh()
    show(summary_parts, summarise(fresh), Console(file=StringIO(), width=80), file="wide.yaml", instance=fresh)


def _reading(file: Path) -> float:
    text = file.read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return _cpu(lambda: so.load(file)) / _cpu(lambda: yaml.load(text, loader))


def _cpu(work: Callable[[], Any]) -> float:
    """The least of several runs: what the machine does beside it only adds."""

    def once() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return min(once() for _ in range(RUNS))


def _process(*words: str) -> float:
    """CPU seconds of a Python process."""

    def once() -> float:
        before = os.times()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return min(once() for _ in range(2 * RUNS))
