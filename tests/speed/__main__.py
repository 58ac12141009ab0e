"""How the time is spent: `make bench`. Ratios from one run on one machine; seconds are not for quoting.

    plain / scenarios    time to write the whole model and to solve it with HiGHS as PuLP passes it, nothing but the gap
                         set, against that of scenario generation in all; the same shocks, the same optimum
    whole / scenarios    the same of `--strategy extensive-form`, which has our scales, tolerances and settings
    integers / last      the last integers, by rounding and branches where these suffice, against the integer programme
                         of the shocks that bind, solved as in the first line
    rest / last          all else (loading, building, relaxations, checks, reading back, audit) against that programme
    peak memory          of this process and those that it hired, without the whole model
    growth               time against that of the line before, divided by the growth in shocks; 1 is linear
    outside / solver     all that is not the solver's own time against the solver's, where one process does all
    passes               where every shock counts: how often all were asked until the relaxation was known to 1e-4
    all / relaxation     time to the plan with integers, proven to the gap, against that of the relaxation
    stress               wall seconds of 10,000 sampled shocks against a plan, on all cores
    warm check           wall time of one shock that is checked against another plan, Python included
    check                time of `check` for twice as many of what grows; 2 is linear
    build + pass / solve PuLP's time to build and pass the model against the solver's first relaxation
    second core          time of a pass with one process against that with two
    start                start-up and reading (`start`)
    futures / one        time to one plan for several futures against that of one future alone (`futures`)

`make bench SHOCKS=3000` leaves out the sizes above; the whole model is run up to 300 shocks, or `WHOLE=100`. At 1,000
it takes some half an hour. `FUTURES=27` runs the trees of up to so many futures, 4 where it is left out.
"""

import argparse
import itertools
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pulp
from loky import ProcessPoolExecutor

import optimizer as so
from optimizer import risk
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.recourse import FEW_FOR_PROCESSES, RecourseEvaluator, recourse_executor
from optimizer.disruptions.shock import Shock
from optimizer.formulation import extensive_form_model
from optimizer.instance.edits import with_budget
from optimizer.solver import Clock, Model, Progress, Settings
from optimizer.solver.base import quiet
from tests.algorithms import by_constraint_generation
from tests.speed.futures import futures_table
from tests.speed.national import national
from tests.speed.start import start_table
from tests.speed.wide import WIDE

INSTANCES = Path(__file__).parent.parent.parent / "instances"
RUNS = 5
WIDTH = 2000
SEED = 3
# Too little money to keep all floors.
SMALL = 5e8
SETTINGS = Settings(mip_gap=1e-3)


@dataclass
class Timed:
    """One solve: seconds in all, in the solver, and in the last integer programme; memory is the process's peak."""

    total: float
    solver: float
    integers: float
    cost: float


def main() -> None:
    """Print machine, versions and ratios."""
    words = argparse.ArgumentParser()
    words.add_argument("--shocks", type=int, default=10_000)
    words.add_argument("--whole", type=int, default=300)
    words.add_argument("--futures", type=int, default=4)
    asked = words.parse_args()
    python, cores = f"Python {platform.python_version()}", os.cpu_count()
    print(f"{platform.machine()}, {cores} cores, {python}, PuLP {version('pulp')}, HiGHS {version('highspy')}")
    print(f"national size: 12 elements, 40 quarters, 50 options; gap {SETTINGS.mip_gap:g}")
    print()
    tables = (
        _scenarios(asked.shocks, asked.whole),
        _sums(min(asked.shocks, 1000)),
        _stress(),
        _checks(),
        _growths(),
        _wide(),
        start_table(),
        futures_table(asked.futures),
    )
    for line in itertools.chain(*tables):
        print(line, flush=True)


def _scenarios(most: int, most_whole: int) -> Iterator[str]:
    yield "         plain /     whole /     integers /   rest /   outside /"
    yield "shocks   scenarios   scenarios   last         last     solver      growth   peak memory"
    before: tuple[int, float] | None = None
    for shocks in (50, 100, 300, 1000, 3000, 10_000):
        if shocks > most:
            return
        _forget_peak()
        few = _median([_solved(shocks, "constraint-generation") for _ in range(3 if shocks <= 1000 else 1)])
        instance = so.read(national(SEED, shocks=shocks))
        peak, rest, whole, plain = _peak(), few.total - few.integers, "–", "–"
        if shocks <= most_whole:
            others = _apart(_plain, instance, instance.events), _apart(_solved, shocks, "extensive-form")
            assert all(abs(one.cost - few.cost) <= 2e-3 * abs(few.cost) for one in others), "the optima disagree"
            plain, whole = (f"{one.total / few.total:.1f}" for one in others)
        last = _apart(_plain, instance, _binding(instance)).integers
        growth = "–" if before is None else f"{few.total / before[1] / (shocks / before[0]):.2f}"
        before = (shocks, few.total)
        outside = "–" if shocks >= FEW_FOR_PROCESSES else f"{(few.total - few.solver) / few.solver:.2f}"
        yield (
            f"{shocks:6,d} {plain:>11s} {whole:>11s} {few.integers / last:12.2f} {rest / last:8.2f} "
            f"{outside:>11s} {growth:>11s} {peak:10.2f} GB"
        )


def _apart(work: Callable[..., Timed], *arguments: Any) -> Timed:
    """In a process of its own, whose memory is not ours."""
    with ProcessPoolExecutor(max_workers=1) as pool:
        timed: Timed = pool.submit(work, *arguments).result()
        return timed


def _solved(shocks: int, strategy: Any) -> Timed:
    """One solve with its parts; the last integers are what lies between their first and their last step."""
    instance = so.read(national(SEED, shocks=shocks))
    began, times = time.perf_counter(), list[float]()

    def hear(step: Progress) -> None:
        if not step.round and step.phase == "cost":
            times.append(time.perf_counter())

    result = so.solve(instance, settings=Settings(mip_gap=SETTINGS.mip_gap, strategy=strategy), listener=hear)
    total = time.perf_counter() - began
    assert result.survives
    return Timed(total, result.seconds["solver"], max(1e-9, times[-1] - times[0]), result.total_cost)


def _binding(instance: so.Instance) -> list[Shock]:
    """The shocks that the last integer programme holds."""
    evaluator = RecourseEvaluator(instance, recourse_executor(instance))
    solved = by_constraint_generation(instance, SETTINGS, Clock(), lambda step: None, evaluator=evaluator)
    evaluator.close()
    written = {row.mark.path for row in solved.builder.rows}
    return [shock for shock in instance.events if shock.name in written]


def _plain(instance: so.Instance, chosen: Sequence[Shock]) -> Timed:
    """A model with some shocks as anybody would pass it on: in its own units, by PuLP, with a gap."""
    began = time.perf_counter()
    builder = extensive_form_model(instance, chosen)
    problem = builder.problem("plain", [1.0] * len(builder.columns), [1.0] * len(builder.rows))
    columns = problem.variables()
    for below in builder.accounts("below").values():
        for j in below.terms:
            columns[j].upBound = 0.0
    cost = risk.cost(builder, instance, chosen)
    problem.setObjective(pulp.lpSum_vars_coefs([(columns[j], value) for j, value in cost.terms.items()]))
    written = time.perf_counter()
    with quiet():
        problem.solve(pulp.HiGHS(msg=False, gapRel=SETTINGS.mip_gap))
    now = time.perf_counter()
    return Timed(now - began, now - written, now - written, pulp.value(problem.objective) + cost.constant)


def _median(timed: list[Timed]) -> Timed:
    return sorted(timed, key=lambda one: one.total)[len(timed) // 2]


def _forget_peak() -> None:
    """Memory counts anew from here, where the system can do that: the whole model's is not that of what comes after."""
    switch = Path("/proc/self/clear_refs")
    if switch.exists():
        switch.write_text("5")


def _peak() -> float:
    """GB of this process and of those that it hired, each at its most; where that is not to be had, of this one."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    pids = ["self", *children.read_text().split()]
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids if Path(f"/proc/{pid}/status").exists()]
    return sum(float(line.split()[1]) for text in texts for line in text.splitlines() if "VmHWM" in line) / 1024**2


def _sums(shocks: int) -> Iterator[str]:
    yield ""
    yield "sums over all shocks              shocks   passes   all / relaxation   proven to"
    likely = national(SEED, shocks=shocks)
    for spec in likely["shocks"].values():
        spec["probability"] = 0.8 / shocks
    for what, phase, instance in (
        ("least gap, a budget too small", "gap", with_budget(so.read(national(SEED, shocks=shocks)), SMALL)),
        ("expected cost, floors kept", "cost", so.read(likely)),
    ):
        began, relaxed, passes = time.perf_counter(), [0.0], [0]

        def hear(
            step: Progress, phase: str = phase, relaxed: list[float] = relaxed, passes: list[int] = passes
        ) -> None:
            if step.phase == f"{phase}, relaxation":
                relaxed[0], passes[0] = time.perf_counter(), passes[0] + 1

        result = so.solve(instance, settings=SETTINGS, listener=hear)
        ratio = (time.perf_counter() - began) / (relaxed[0] - began)
        yield f"{what:32s} {shocks:7,d} {passes[0]:8d} {ratio:18.1f} {100 * (result.mip_gap or 0.0):9.2f} %"


def _stress() -> Iterator[str]:
    result = so.solve(so.load(INSTANCES / "us-magnets.yaml"), settings=SETTINGS)
    yield f"stress, us-magnets               {_seconds(lambda: so.stress(result, samples=10_000)):6.1f} s"


def _checks() -> Iterator[str]:
    instance = so.read(national(SEED, shocks=1000))
    evaluator = RecourseEvaluator(instance)
    idle = np.array(plan_values(instance, do_nothing_plan(instance)))
    plans = [idle + number for number in range(RUNS + 1)]
    alone = [_seconds(lambda plan=plan: evaluator.gaps(plan, Clock())) for plan in plans][1:]  # type: ignore[misc]
    yield ""
    yield f"warm check                       {1e3 * statistics.median(alone) / 1000:6.2f} ms a shock and core"
    evaluator = RecourseEvaluator(instance, recourse_executor(instance, 2))
    both = [_seconds(lambda plan=plan: evaluator.gaps(plan, Clock())) for plan in plans][1:]  # type: ignore[misc]
    evaluator.close()
    gain = statistics.median(np.array(alone) / np.array(both))
    yield f"second core                      {gain:6.2f} (2 is all of it)"
    yield f"build + pass / solve             {_passing():6.2f}"


def _passing() -> float:
    instance = so.read(national(SEED, shocks=20))
    ratios = []
    for _ in range(RUNS):
        builder = extensive_form_model(instance, instance.events)
        cost = risk.cost(builder, instance, instance.events)
        began = time.perf_counter()
        model = Model(builder, cost, SETTINGS, Clock())
        passed = time.perf_counter()
        model.solve(relaxed=True)
        ratios.append((passed - began) / (time.perf_counter() - passed))
    return statistics.median(ratios)


def _growths() -> Iterator[str]:
    def writing(shocks: int = 20, years: int = 10, elements: int = 6) -> Callable[[], Any]:
        instance = so.read(national(SEED, elements=elements, shocks=shocks, years=years))
        return lambda: extensive_form_model(instance, instance.events)

    yield f"outside / solver, us-magnets     {_share_outside():6.2f}"
    yield "time to write the model, 2 is linear:"
    for what, small, large in (
        ("twice the shocks", writing(), writing(shocks=40)),
        ("twice the periods", writing(shocks=0), writing(shocks=0, years=20)),
        ("twice the elements", writing(), writing(elements=12)),
    ):
        yield f"    {what:28s} {_ratio(small, large):6.2f}"


def _wide() -> Iterator[str]:
    yield "time to check a file, 2 is linear:"
    for name in ("processes", "chains", "depth", "phases", "cuts", "ranges"):
        small, large = (_checking(WIDE[name](size)) for size in (WIDTH, 2 * WIDTH))
        yield f"    {'twice the ' + name:28s} {_ratio(small, large):6.2f}"


def _checking(data: dict[str, Any]) -> Callable[[], Any]:
    return lambda: so.read(data)


def _share_outside() -> float:
    instance = so.load(INSTANCES / "us-magnets.yaml")
    shares = []
    for _ in range(3):
        seconds = so.solve(instance).seconds
        shares.append((seconds["total"] - seconds["solver"]) / seconds["solver"])
    return statistics.median(shares)


def _ratio(small: Callable[[], Any], large: Callable[[], Any]) -> float:
    """Median over pairs, so that a machine that changes its speed changes both."""
    small(), large()
    return statistics.median(_seconds(large) / _seconds(small) for _ in range(RUNS))


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
