"""Crews: the same numbers from one process, several, and a Dask cluster; and what happens when a worker dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import optimizer as so
from optimizer.algorithms import executor as crews
from optimizer.algorithms.constraint_generation import ConstraintGeneration
from optimizer.algorithms.executor import Cluster, Processes, hired
from optimizer.algorithms.reading import nothing, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.tasks import Job
from optimizer.errors import CrewError, OptimizerWarning
from optimizer.solver import Clock, Settings
from tests.strategy.test_cuts import starts

CASE = Path(__file__).parents[1] / "cases" / "generated" / "106.yaml"


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    """Some 150 shocks: several batches."""
    data = starts(0.0, None)
    family = data["shocks"]["embargo"]
    family["grid"] = {"severity": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "months": [6, 9, 12]}
    del family["months"], family["cuts"][0]["severity"]
    return so.read(data)


def numbers(evaluator: RecourseEvaluator) -> list[float]:
    """Answers about two plans, warm the second time."""
    idle = np.array(plan_values(evaluator.instance, nothing(evaluator.instance)))
    some = idle + 7.0
    found = [evaluator.gaps(plan, Clock()).gap for plan in (idle, some, idle)]
    ones = np.ones(len(evaluator.instance.events))
    found.append(evaluator.slopes(some, Clock(), "slopes of costs", np.arange(len(ones)), ones).value)
    return [float(number) for array in found for number in array]


def test_one_two_and_three_processes_find_the_same_numbers(instance: so.Instance) -> None:
    alone = numbers(RecourseEvaluator(instance))
    assert len(RecourseEvaluator(instance).slices) > 2
    for size in (2, 3):
        evaluator = RecourseEvaluator(instance, Processes(instance, size))
        try:
            assert numbers(evaluator) == alone
        finally:
            evaluator.close()


def test_a_process_that_is_killed_is_replaced(instance: so.Instance) -> None:
    crew = Processes(instance, 2)
    evaluator = RecourseEvaluator(instance, crew)
    try:
        alone = numbers(RecourseEvaluator(instance))
        os.kill(crew.pids[0], signal.SIGKILL)
        assert numbers(evaluator) == alone
    finally:
        evaluator.close()


@pytest.mark.parametrize("last", [1, 2, 3])
def test_where_a_crew_cannot_be_replaced_the_search_goes_on_alone(last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = so.load(CASE)
    crew = Processes(instance, 2)
    evaluator = RecourseEvaluator(instance, crew)
    usual = Processes.ask
    asked = []

    def fail(self: Processes, jobs: object, clock: Clock) -> object:
        asked.append(1)
        if len(asked) == last:
            raise CrewError("a worker process died 3 times")
        return usual(self, jobs, clock)  # type: ignore[arg-type]

    monkeypatch.setattr(Processes, "ask", fail)
    with pytest.warns(OptimizerWarning, match="died 3 times. The search goes on in this process alone"):
        found = ConstraintGeneration(add=1, evaluator=evaluator, few=0).run(
            instance, Settings(gap=0), Clock(), lambda step: None
        )
    alone = ConstraintGeneration(add=1, few=0).run(instance, Settings(gap=0), Clock(), lambda step: None)
    assert (found.status, found.cost, found.gap) == (alone.status, alone.cost, alone.gap)
    assert evaluator.notes == ["Shocks were checked in one process, since a worker process died 3 times."]
    assert len(asked) == last


def test_workers_that_always_die_are_an_error(instance: so.Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    crew = Processes(instance, 2)
    monkeypatch.setattr(crews, "_answer", _die)
    batches = range(len(crew.desk.slices))
    offered = crew.desk.offers.of(np.array(plan_values(instance, nothing(instance))))
    jobs = [Job(number, "gaps", crew.desk.slices[number].events, offered) for number in batches]
    try:
        with pytest.raises(CrewError, match="died 3 times"):
            crew.ask(jobs, Clock())
    finally:
        crew.close()


def _die(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_few_shocks_need_no_other_process(instance: so.Instance) -> None:
    assert hired(instance, None, None) is None
    crew = hired(instance, 2, None)
    assert isinstance(crew, Processes)
    crew.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and two workers, each a process of its own; its address, and the workers' numbers."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    environment = os.environ | {"DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "0"}

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    common = ["--scheduler-file", str(file)]
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *common)
    workers = [start("worker", *common, "--nthreads", "1", "--no-nanny", "--no-dashboard") for _ in range(2)]
    try:
        from distributed import Client

        for _ in range(300):
            if file.exists():
                break
            time.sleep(0.1)
        with Client(scheduler_file=str(file), timeout=30, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = str(client.scheduler.address)
        yield address, [worker.pid for worker in workers]
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()


def test_a_cluster_finds_the_same_numbers_and_outlives_a_worker(
    instance: so.Instance, cluster: tuple[str, list[int]]
) -> None:
    address, pids = cluster
    alone = numbers(RecourseEvaluator(instance))
    evaluator = RecourseEvaluator(instance, Cluster(instance, address))
    try:
        assert numbers(evaluator) == alone
        ask, killed = evaluator.crew.ask, []

        def ask_and_kill(jobs: object, clock: Clock) -> object:
            if not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)
            return ask(jobs, clock)  # type: ignore[arg-type]

        evaluator.crew.ask = ask_and_kill  # type: ignore[assignment, method-assign]
        found = ConstraintGeneration(add=1, evaluator=evaluator).run(
            instance, Settings(gap=0.0), Clock(), lambda step: None
        )
        assert killed
        expected = ConstraintGeneration(add=1).run(instance, Settings(gap=0.0), Clock(), lambda step: None)
        assert found.cost == expected.cost
        assert found.status == "optimal"
    finally:
        evaluator.close()


def test_a_cluster_that_is_not_there_is_an_error(instance: so.Instance) -> None:
    with pytest.raises(CrewError, match="no Dask scheduler answers"):
        Cluster(instance, "tcp://127.0.0.1:9")
