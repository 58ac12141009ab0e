"""A Dask cluster without workers, one that loses them all, one that dies; and TLS."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import optimizer as so
from optimizer.algorithms import executor as executors
from optimizer.algorithms import workers
from optimizer.algorithms.executor import DaskExecutor
from optimizer.algorithms.recourse import RecourseEvaluator, recourse_executor
from optimizer.errors import OptimizerWarning
from optimizer.solver import Clock, Progress, Settings
from tests.algorithms import by_constraint_generation
from tests.strategy.test_benders import starts

ALONE = "The search goes on in this process alone"


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.read(starts(0.0, None))


@dataclass
class Dask:
    """A scheduler of our own and its workers, each a process."""

    folder: Path
    protocol: str = "tcp"
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:]]
        environment = os.environ | {"DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "0"} | self.environment
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=quiet, stderr=quiet)
        self.processes.append(process)
        return process

    @property
    def _file(self) -> Path:
        return self.folder / "scheduler.json"

    def scheduler(self) -> str:
        """Start one; its address."""
        words = ["--scheduler-file", str(self._file), "--no-dashboard", "--host", f"{self.protocol}://127.0.0.1:0"]
        process = self._start("scheduler", *words)
        end = time.monotonic() + 90
        while time.monotonic() < end and process.poll() is None:
            if self._file.exists() and self._file.stat().st_size:
                return str(json.loads(self._file.read_text())["address"])
            time.sleep(0.05)
        raise RuntimeError("no Dask scheduler started")

    def worker(self) -> subprocess.Popen[bytes]:
        """Start one; a cluster waits for it."""
        words = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", f"{self.protocol}://127.0.0.1"]
        return self._start("worker", "--scheduler-file", str(self._file), *words)

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    made = Dask(tmp_path)
    yield made
    made.close()


def expected(instance: so.Instance) -> float:
    return by_constraint_generation(
        instance, Settings(mip_gap=0.0), Clock(), lambda step: None, add=1, few_rows=0
    ).objective


def test_a_scheduler_without_workers_is_reported_and_the_search_goes_on_alone(
    instance: so.Instance, dask: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert executors.WORKERLESS_SECONDS == 10.0
    monkeypatch.setattr(executors, "WORKERLESS_SECONDS", 0.5)
    evaluator = RecourseEvaluator(instance, recourse_executor(instance, cluster=dask.scheduler()))
    began = time.monotonic()
    with pytest.warns(OptimizerWarning, match=f"has had no worker for .* s. {ALONE}"):
        found = by_constraint_generation(
            instance, Settings(mip_gap=0.0), Clock(), lambda step: None, add=1, evaluator=evaluator, few_rows=0
        )
    assert time.monotonic() - began < 60
    assert (found.status, found.objective) == ("optimal", expected(instance))
    assert "has had no worker" in evaluator.notes[0]
    evaluator.close()


def test_the_time_limit_holds_without_workers(instance: so.Instance, dask: Dask) -> None:
    evaluator = RecourseEvaluator(instance, recourse_executor(instance, cluster=dask.scheduler()))
    began = time.monotonic()
    with pytest.warns(OptimizerWarning, match=ALONE):
        found = by_constraint_generation(
            instance, Settings(), Clock(limit=0.5), lambda step: None, add=1, evaluator=evaluator, few_rows=0
        )
    # Well below the 10 seconds that it would wait for a worker.
    assert time.monotonic() - began < 8
    assert found.values is not None
    evaluator.close()


@pytest.mark.parametrize("who", ["workers", "scheduler"])
def test_a_cluster_that_is_lost_in_the_middle_costs_nothing_that_was_found(
    who: str, instance: so.Instance, dask: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "WORKERLESS_SECONDS", 1.0)
    address = dask.scheduler()
    dask.worker()
    executor = recourse_executor(instance, cluster=address)
    assert isinstance(executor, DaskExecutor)
    executor._client.wait_for_workers(1, timeout=90)
    evaluator = RecourseEvaluator(instance, executor)
    steps: list[Progress] = []

    def kill(step: Progress) -> None:
        steps.append(step)
        if step.round == 2:
            chosen = dask.processes[1:] if who == "workers" else dask.processes[:1]
            for process in chosen:
                process.send_signal(signal.SIGKILL)
                process.wait()

    with pytest.warns(OptimizerWarning, match=ALONE):
        found = by_constraint_generation(
            instance, Settings(mip_gap=0.0), Clock(), kill, add=1, evaluator=evaluator, few_rows=0
        )
    assert (found.status, found.objective) == ("optimal", expected(instance))
    # No round was done twice.
    assert [step.round for step in steps if step.round] == list(range(1, len(found.history) + 1))
    evaluator.close()


def test_workers_that_always_die_leave_a_search_that_goes_on(
    instance: so.Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "perform", _die)
    evaluator = RecourseEvaluator(instance, recourse_executor(instance, 2))
    with pytest.warns(OptimizerWarning, match=f"A worker process died 3 times. {ALONE}"):
        found = by_constraint_generation(
            instance, Settings(mip_gap=0.0), Clock(), lambda step: None, add=1, evaluator=evaluator, few_rows=0
        )
    assert (found.status, found.objective) == ("optimal", expected(instance))
    evaluator.close()


def _die(*about: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_tls_takes_its_certificates_from_the_configuration_of_dask(instance: so.Instance, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made = subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    tls = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    tls["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = str(certificate)
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = str(certificate)
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = str(key)
    dask = Dask(tmp_path, "tls", tls)
    try:
        address = dask.scheduler()
        assert address.startswith("tls://")
        dask.worker()
        file = tmp_path / "instance.json"
        file.write_text(json.dumps(instance.to_dict()))
        words = ["solve", str(file), "--strategy", "constraint-generation", "--json"]
        run = [sys.executable, "-m", "optimizer", *words, "--cluster", address]
        with_keys = subprocess.run(run, env=os.environ | tls, capture_output=True, text=True, check=False)
        assert with_keys.returncode == 0, with_keys.stderr
        assert "alone" not in with_keys.stderr
        without = subprocess.run(run, capture_output=True, text=True, check=False)
        assert without.returncode == 2
        assert without.stderr == (
            f"Error: {address} needs certificates that are not there; set distributed.comm.tls.ca-file and "
            "the client's cert and key in Dask's configuration\n"
        )
    finally:
        dask.close()
