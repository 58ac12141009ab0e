"""Write your own lever: a plant kept cold, which makes nothing in the baseline and starts some months into a shock.

    size      t/yr of activity     C[t] working capacity, t/yr     x[t] activity, t     σ share lost
    restart   months from the start of a shock until it runs

Plan: as every lever that produces; links `capacity`, C.
    baseline   x = 0
    a shock    x = 0 in its first `restart` months, then x ≤ C·Δ·(1−σ)

It is derived from `Producing`, so that sizes, lead time, ramp, costs and cuts are there already. What is its own is
said twice: to the model, in `operate`, and to the audit, in plain numbers.

Run: python examples/write_your_own_lever.py
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

import optimizer as so
from optimizer.extend import ActivityAuditor, ModelBuilder, Operation, Problem, Producing, Quantity, ShockPath


class Standby(Producing):
    """A plant that waits for a shock."""

    is_monotone: ClassVar[bool] = True  # a larger cut never helps, nor does a smaller plant

    kind: Literal["standby"]
    restart: Quantity = Field(default=0.0, description="Months from the start of a shock until it runs.")

    def problems(self) -> Iterator[Problem]:
        """Fields of a plant that runs in the baseline: `operate` reads none of them, though `Producing` has them."""
        for field in ("min_utilisation", "restart_months", "support"):
            if getattr(self, field) != Producing.model_fields[field].default:
                yield (field,), "does not apply to a plant that stands still in the baseline", "Remove it.", "error"

    def operate(self, model: ModelBuilder, path: ShockPath) -> None:
        """Stand still in the baseline and while it restarts; then run within what works and is left."""
        runs_from = path.periods.start + model.horizon.whole(self.restart)
        is_shock = not path.is_baseline and not path.is_steady
        most = {t: self.max_size * path.delta if is_shock and t >= runs_from else 0.0 for t in path.periods}
        activity = self.run(model, path, kind=self.kind, budget_share=self.budget_share, upper=most)
        capacity = model.linked(self.id, "capacity")
        for t in path.periods:
            left = (1.0 - path.largest_severity_at(self.id, t)) * path.delta
            model.limit(self.id, "capacity", t, activity[t], left * capacity[t])


class StandbyAuditor(ActivityAuditor):
    """The same in plain numbers: nothing of the above is called."""

    def most(self, operation: Operation) -> np.ndarray:
        """The most that it may make, t in each period of each shock."""
        waits = math.ceil(operation.option.restart / (12 * operation.delta) - 1e-9)
        most = super().most(operation)
        most[:, :waits] = 0.0
        return np.zeros_like(most) if operation.is_baseline or operation.paths.is_steady else most


so.register(Standby, StandbyAuditor())

FILE = Path(__file__).parent.parent / "instances" / "tiny.yaml"
LINE = "{name: cold magnet line, kind: standby, restart: 12, region: home, stage: magnet, output: {magnet: 1}, \
cost: 90k, capex: 50k, fixed_opex: 2k, unit_size: 10, max_size: 60, lead_time: 12}"


def main() -> None:
    """Solve an instance without the lever and with it, and show that the audit sees a number that was changed."""
    without = so.solve(so.load(FILE))
    instance = so.load(FILE, overrides=[f"options.cold_line={LINE}"])
    result = so.solve(instance)
    print(result.plan)
    print(f"total cost without it {without.total_cost / 1e6:.2f}M USD, with it {result.total_cost / 1e6:.2f}M USD")
    line = result.frames.flows.xs(("cold_line", "activity"), level=("owner", "flow"))
    print(line.to_string())

    # The audit believes this plan, but not the same plan with the cold line running in the baseline.
    doctored = json.loads(result.to_json())
    doctored["baseline"]["activity"]["cold_line"][-1] = 10.0
    report = so.verify(instance, so.Result.from_dict(doctored))
    print(*report.disagreements, sep="\n")

    assert result.survives
    assert result.total_cost < without.total_cost
    assert so.verify(instance, result).ok
    assert result.baseline is not None
    assert not any(result.baseline["cold_line", "activity"])
    assert any("cold_line.capacity" in row for row in report.disagreements)


# Nothing of this runs where the file is imported, as by `diversify --plugin`.
if __name__ == "__main__":
    main()
