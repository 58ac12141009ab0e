"""The model without integers and with all floors kept, which grows by the shocks that bite.

It is written and passed once; a round adds the columns and rows of some shocks, and the dual simplex goes on.
"""

from collections.abc import Sequence

from optimizer import formulation
from optimizer.formulation import Writer
from optimizer.shocks import Shock
from optimizer.solver import Answer, Clock, Model, Settings
from optimizer.stage import Stage


class Relaxation:
    """A bound on what survival costs, and the plan that would attain it."""

    def __init__(self, writer: Writer, settings: Settings, clock: Clock) -> None:
        self._writer, self._settings, self._clock = writer, settings, clock
        self._model: Model | None = None

    @property
    def stage(self) -> Stage:
        """What is written so far."""
        assert self._model is not None
        return self._model.stage

    def solve(self, shocks: Sequence[Shock]) -> Answer:
        """Least cost with the floors kept in these shocks, which begin with those of the last time."""
        stage = self._writer.whole_stage(shocks)
        cost = formulation.cost(stage, self._writer.instance, shocks)
        if self._model is None:
            self._model = Model(stage, cost, self._settings, self._clock)
        elif len(stage.columns) > len(self._model.stage.columns):
            self._model.grow(stage, cost)
        below = [j for j, column in enumerate(stage.columns) if column.mark.what == "below"]
        self._model.bound(below, 0.0, 0.0)
        return self._model.solve(relaxed=True)
