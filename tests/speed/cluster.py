"""How evaluation scales over a Dask cluster on this machine: `python -m tests.speed.cluster`, with --shocks, --workers.

    measured     wall time of a pass over all shocks in one process, against workers times that with them
    modelled     the same, were there a core for each: a pass then takes the processor time of this process, and of a
                 pass in one process the share of the busiest worker

Efficiency 1 is perfect. Beyond the cores of the machine workers wait for each other: the measured figure says nothing.
A pass takes the least gap of a plan in every shock; programmes are written before the first one that counts.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import optimizer as so
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator, recourse_executor
from optimizer.solver import Clock, Vector
from tests.speed.national import national

PASSES = 3


def main() -> None:
    """Print a row for each number of workers, as it is measured."""
    words = argparse.ArgumentParser()
    words.add_argument("--shocks", type=int, default=10_000)
    words.add_argument("--workers", type=lambda text: [int(word) for word in text.split(",")], default=[1, 2, 4, 8])
    given = words.parse_args()
    for line in cluster_table(given.shocks, given.workers):
        print(line, flush=True)


def cluster_table(shocks: int, workers: list[int]) -> Iterator[str]:
    """The rows, as they are measured."""
    from distributed import Client
    from distributed.deploy.subprocess import SubprocessCluster

    instance = so.read(national(shocks=shocks))
    idle = np.array(plan_values(instance, do_nothing_plan(instance)))
    plans = [idle + number for number in range(PASSES + 1)]
    alone = _passes(RecourseEvaluator(instance, recourse_executor(instance, 1)), plans, None)
    yield f"{shocks:,d} shocks; efficiency           measured   modelled"
    for size in workers:
        options: dict[str, Any] = {
            "worker_class": "distributed.Worker",
            "threads_per_worker": 1,
            "dashboard_address": None,
        }
        with SubprocessCluster(n_workers=size, **options) as cluster, Client(cluster) as client:
            client.wait_for_workers(size)
            executor = recourse_executor(instance, cluster=cluster.scheduler_address)
            shared = _passes(RecourseEvaluator(instance, executor), plans, client)
        pairs = list(zip(alone, shared, strict=True))
        measured = statistics.median(one.wall / (size * many.wall) for one, many in pairs)
        modelled = statistics.median(one.own / (size * (many.own + many.busiest * one.own)) for one, many in pairs)
        yield f"{size:2d} workers                         {measured:9.2f} {modelled:10.2f}"


class _Pass:
    """One pass: seconds on the wall and of this process, and the busiest worker's share of the work."""

    def __init__(self, evaluator: RecourseEvaluator, plan: Vector, client: Any) -> None:
        before = _busy(client)
        wall, own = time.perf_counter(), time.process_time()
        evaluator.gaps(plan, Clock())
        self.wall, self.own = time.perf_counter() - wall, time.process_time() - own
        after = _busy(client)
        spent = [after[worker] - before[worker] for worker in after]
        self.busiest = max(spent) / sum(spent) if spent else 0.0


def _passes(evaluator: RecourseEvaluator, plans: list[Vector], client: Any) -> list[_Pass]:
    """The passes that count: all but the first."""
    try:
        return [_Pass(evaluator, plan, client) for plan in plans][1:]
    finally:
        evaluator.close()


def _busy(client: Any) -> dict[str, float]:
    """By worker, its seconds of processor time so far."""
    found: dict[str, float] = {} if client is None else client.run(time.process_time)
    return found


if __name__ == "__main__":
    main()
