"""Executors: the same numbers from one process, several, and a Dask cluster; and what happens when a worker dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import optimizer as so
from optimizer.algorithms import recourse, workers
from optimizer.algorithms.executor import DaskExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator, recourse_executor, solve_batch
from optimizer.algorithms.subproblems import BatchRequest
from optimizer.algorithms.workers import Memory, Setup, Task, own_clock
from optimizer.errors import ExitCode, OptimizerWarning, WorkerError
from optimizer.solver import Clock, Settings
from tests.algorithms import by_constraint_generation
from tests.strategy.test_benders import starts

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
    idle = np.array(plan_values(evaluator.instance, do_nothing_plan(evaluator.instance)))
    some = idle + 7.0
    found = [evaluator.gaps(plan, Clock()).gap for plan in (idle, some, idle)]
    ones = np.ones(len(evaluator.instance.events))
    found.append(evaluator.subgradients(some, Clock(), "subgradients of costs", np.arange(len(ones)), ones).value)
    return [float(number) for array in found for number in array]


def test_one_two_and_three_processes_find_the_same_numbers(instance: so.Instance) -> None:
    alone = numbers(RecourseEvaluator(instance))
    assert len(RecourseEvaluator(instance).batches) > 2
    for size in (2, 3):
        evaluator = RecourseEvaluator(instance, recourse_executor(instance, size))
        try:
            assert numbers(evaluator) == alone
        finally:
            evaluator.close()


def test_threads_find_the_same_numbers_as_one(instance: so.Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = numbers(RecourseEvaluator(instance))
    monkeypatch.setattr(recourse, "core_count", lambda: 3)
    executor = recourse_executor(instance)
    assert isinstance(executor, ThreadExecutor)
    assert (executor.size, executor.homes) == (1, 3)
    with executor:
        assert numbers(RecourseEvaluator(instance, executor)) == alone


def test_futures_that_share_programmes_share_those_of_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recourse, "core_count", lambda: 2)
    instance = so.load(CASE)
    solvers = recourse_executor(instance).memory["subproblems"]
    first, second = recourse._for_thread([*solvers, *solvers])
    assert first is second
    assert first is not solvers[0]
    assert first.window(len(instance.events[0].periods)) is solvers[0].window(len(instance.events[0].periods))
    assert first.warm(len(instance.events[0].periods)) is not solvers[0].warm(len(instance.events[0].periods))


def _mark_thread(memory: dict[str, object], mine: threading.Event, other: threading.Event | None) -> str:
    """The name of the memory in which the task ran; it ends once the other task has begun."""
    mine.set()
    assert other is None or other.wait(60)
    return str(memory["name"])


def test_tasks_run_at_their_home_at_the_same_time_and_idle_threads_take_others() -> None:
    one, two, three = threading.Event(), threading.Event(), threading.Event()
    with ThreadExecutor([{"name": "thread"}]) as executor:
        executor.memory["name"] = "here"
        tasks = [Task(_mark_thread, (one, two)), Task(_mark_thread, (two, one), 1)]
        assert executor.map(tasks, Clock()) == ["here", "thread"]
        one.clear()
        # The task at home here ends only once the last one has begun: the thread has to take it.
        tasks = [Task(_mark_thread, (one, three)), Task(_mark_thread, (two, one), 1), Task(_mark_thread, (three, None))]
        assert executor.map(tasks, Clock()) == ["here", "thread", "thread"]
        assert list(executor.as_completed(tasks[2:], Clock())) == [(0, "here")]


def _fail(memory: dict[str, object]) -> None:
    raise ValueError("wrong")


@pytest.mark.parametrize("home", [0, 1])
def test_an_error_in_a_thread_is_raised_after_the_others_have_ended(home: int) -> None:
    ended = threading.Event()
    other = Task(_mark_thread, (ended, None), 1 - home)
    with ThreadExecutor([{"name": "thread"}]) as executor:
        executor.memory["name"] = "here"
        with pytest.raises(ValueError, match="wrong"):
            executor.map([Task(_fail, (), home), other], Clock())
    assert ended.is_set()


def test_a_process_that_is_killed_is_replaced(instance: so.Instance) -> None:
    executor = recourse_executor(instance, 2)
    assert isinstance(executor, ProcessExecutor)
    evaluator = RecourseEvaluator(instance, executor)
    try:
        alone = numbers(RecourseEvaluator(instance))
        os.kill(executor.pids[0], signal.SIGKILL)
        assert numbers(evaluator) == alone
    finally:
        evaluator.close()


@pytest.mark.parametrize("last", [1, 2, 3])
def test_where_workers_cannot_be_replaced_the_search_goes_on_alone(last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = so.load(CASE)
    executor = recourse_executor(instance, 2)
    assert isinstance(executor, ProcessExecutor)
    evaluator = RecourseEvaluator(instance, executor)
    usual = ProcessExecutor.map
    asked = []

    def fail(self: ProcessExecutor, tasks: object, clock: Clock) -> object:
        asked.append(1)
        if len(asked) == last:
            raise WorkerError("a worker process died 3 times")
        return usual(self, tasks, clock)  # type: ignore[arg-type]

    monkeypatch.setattr(ProcessExecutor, "map", fail)
    with pytest.warns(OptimizerWarning, match="died 3 times. The search goes on in this process alone"):
        found = by_constraint_generation(
            instance, Settings(mip_gap=0), Clock(), lambda step: None, add=1, evaluator=evaluator, few_rows=0
        )
    alone = by_constraint_generation(instance, Settings(mip_gap=0), Clock(), lambda step: None, add=1, few_rows=0)
    assert (found.status, found.objective, found.gap) == (alone.status, alone.objective, alone.gap)
    assert evaluator.notes == ["Shocks were checked in one process, since a worker process died 3 times."]
    assert len(asked) == last


def test_workers_that_always_die_are_an_error(instance: so.Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = recourse_executor(instance, 2)
    assert isinstance(executor, ProcessExecutor)
    monkeypatch.setattr(workers, "perform", _die)
    solver = executor.memory["subproblems"][0]
    linking = solver.linking_matrix.linking_terms(np.array(plan_values(instance, do_nothing_plan(instance))))
    requests = [BatchRequest(number, "gaps", part.events, linking) for number, part in enumerate(solver.batches)]
    tasks = [Task(solve_batch, (request,), number % 2) for number, request in enumerate(requests)]
    try:
        with pytest.raises(WorkerError, match="died 3 times"):
            executor.map(tasks, Clock())
    finally:
        executor.close()


def test_an_error_in_the_setup_of_a_worker_is_that_of_its_tasks() -> None:
    tasks = [Task(dict.setdefault, (number, number), home=1) for number in range(2)]
    said = r"a worker process could not be set up \(ZeroDivisionError: float division by zero\)"
    with ProcessExecutor(2, Setup.of(_divide, 0.0)) as executor:
        with pytest.raises(WorkerError, match=said):
            executor.map(tasks, Clock())
        with pytest.raises(WorkerError, match=said):
            list(executor.as_completed(tasks, Clock()))


def _divide(memory: Memory, number: float) -> None:
    memory["quotient"] = 1.0 / number


def _die(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_few_shocks_need_no_other_process(instance: so.Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(recourse_executor(instance, 1)) is SerialExecutor
    monkeypatch.setattr(recourse, "core_count", lambda: 2)
    assert type(recourse_executor(so.load(CASE))) is SerialExecutor
    assert type(recourse_executor(instance)) is ThreadExecutor
    monkeypatch.setattr(recourse, "core_count", lambda: 1)
    assert type(recourse_executor(instance)) is SerialExecutor
    executor = recourse_executor(instance, 2)
    assert isinstance(executor, ProcessExecutor)
    executor.close()


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
    evaluator = RecourseEvaluator(instance, recourse_executor(instance, cluster=address))
    try:
        assert numbers(evaluator) == alone
        usual, killed = evaluator.executor.map, []

        def run_and_kill(tasks: object, clock: Clock) -> object:
            if not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)
            return usual(tasks, clock)  # type: ignore[arg-type]

        evaluator.executor.map = run_and_kill  # type: ignore[assignment, method-assign]
        found = by_constraint_generation(
            instance, Settings(mip_gap=0.0), Clock(), lambda step: None, add=1, evaluator=evaluator
        )
        assert killed
        expected = by_constraint_generation(instance, Settings(mip_gap=0.0), Clock(), lambda step: None, add=1)
        assert found.objective == expected.objective
        assert found.status == "optimal"
    finally:
        evaluator.close()


def search_late(memory: Memory, began: str) -> bool:
    """A task that begins its search a second after it says that it began; returns whether the search was stopped."""
    Path(began).touch()
    time.sleep(1.0)
    with own_clock(memory, Settings()) as clock:
        return clock.interrupted


def test_a_stop_reaches_a_worker_that_has_not_begun_to_search(tmp_path: Path) -> None:
    began, clock = [tmp_path / "one", tmp_path / "two"], Clock()

    def stop() -> None:
        while not all(each.exists() for each in began):
            time.sleep(0.01)
        clock.interrupted = True

    with ProcessExecutor(2) as executor:
        threading.Thread(target=stop).start()
        tasks = [Task(search_late, (str(each),)) for each in began]
        assert sorted(executor.as_completed(tasks, clock)) == [(0, True), (1, True)]


def test_a_cluster_runs_long_tasks_as_well(cluster: tuple[str, list[int]]) -> None:
    with DaskExecutor(cluster[0]) as executor:
        tasks = [Task(dict.setdefault, (number, number)) for number in range(7)]
        assert sorted(executor.as_completed(tasks, Clock())) == [(number, number) for number in range(7)]
        assert executor.map(tasks, Clock()) == list(range(7))
        clock = Clock()
        clock.interrupted = True
        assert list(executor.as_completed(tasks, clock)) == []


def test_a_cluster_that_is_not_there_is_an_error(instance: so.Instance) -> None:
    with pytest.raises(WorkerError, match=r"no Dask scheduler answers .*; start it, or correct the address") as error:
        recourse_executor(instance, cluster="tcp://127.0.0.1:9")
    assert error.value.exit_code == ExitCode.USAGE
