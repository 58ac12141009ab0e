"""The record of a run: settings, versions, history, seconds; and the result of one that found no plan."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from platform import python_version
from typing import Any

from optimizer.algorithms.base import Solved
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result, Status
from optimizer.solver import Clock, Settings
from optimizer.solver import versions as solver_versions

# Settings that say where the work is done; they do not change the answer.
WHERE = ("jobs", "cluster", "checkpoint")


@dataclass
class Timer:
    """Seconds of a run, by part."""

    load: float = 0.0
    began: float = 0.0

    def seconds(self, clock: Clock) -> dict[str, float]:
        """load, build (all that is neither loading nor the solver), solver, total."""
        spent = time.perf_counter() - self.began
        parts = {"load": self.load, "build": max(0.0, spent - clock.solving), "solver": clock.solving}
        return parts | {"total": self.load + spent}


def frame_of(
    instance: Instance, settings: Settings, clock: Clock, solved: Solved, notes: tuple[str, ...]
) -> dict[str, Any]:
    """The fields of a result that say what was asked and how it went."""
    horizon = instance.horizon
    interrupted = (
        (f"Stopped by {clock.interrupt}: this is the best plan found until then.",) if clock.interrupted else ()
    )
    return {
        "instance": instance.title,
        "currency": instance.currency,
        "notes": (*notes, *solved.notes, *interrupted),
        "settings": {name: value for name, value in asdict(settings).items() if name not in WHERE},
        "versions": {"optimizer": version("optimizer"), **solver_versions(), "python": python_version()},
        "periods": tuple(horizon.label(t) for t in horizon.periods),
        "data": instance.to_dict(),
        "history": tuple(_thinned(solved)),
        "costs": {},
        "outlays": {},
        "audit": {},
        "seconds": {},
    }


def _thinned(solved: Solved) -> list[Mapping[str, Any]]:
    """Every step that changed something; an infinite bound is not written."""
    steps: list[Mapping[str, Any]] = []
    for step in solved.history:
        row = {key: value for key, value in asdict(step).items() if value not in (float("inf"), float("-inf"))}
        if not steps or {**row, "seconds": 0} != {**steps[-1], "seconds": 0}:
            steps.append(row)
    return steps


def without_plan(seconds: Mapping[str, float], solved: Solved, rules: tuple[str, ...], frame: dict[str, Any]) -> Result:
    """The result where rules clash, or where the time ran out at once."""
    status: Status = "none" if solved.status == "infeasible" else "stopped"
    frame |= {"audit": {"ok": True, "rows": 0, "worst": 0.0, "disagreements": []}, "seconds": seconds}
    return Result(
        status=status,
        total_cost=0.0,
        outlay=0.0,
        survival_gap=0.0,
        worst_gap=0.0,
        bound=None,
        gap_bound=None,
        mip_gap=None,
        plan=Plan(),
        baseline=None,
        shocks=(),
        services={},
        price_of_survival=None,
        calm_cost=None,
        calm_builds=(),
        nothing=None,
        shares={},
        binding=(),
        clash=rules,
        **frame,
    )
