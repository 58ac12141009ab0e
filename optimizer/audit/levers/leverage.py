"""Leverage: it prevents restraint·Λ of a deliberate cut of its region; Λ changes by year after the decision."""

from collections.abc import Mapping

import numpy as np

from optimizer.audit.auditor import Auditor, Holding, Operation
from optimizer.results.plan import Array


class LeverageAuditor(Auditor):
    """The arithmetic of leverage."""

    def carries(self, holding: Holding) -> Array:
        """Return Λ by period: the sum of builds past their lead time, each times its share by erosion or `strength`."""
        option, basis, level = holding.option, holding.basis, np.zeros(len(holding.basis.periods))
        for build in holding.builds:
            for t in basis.periods[build.t + holding.lead :]:
                years = basis.year(t) - basis.year(build.t)
                strength = option.strength or ()
                share = [*strength, *strength[-1:] * years][years] if strength else (1.0 - option.erosion) ** years
                level[t] += build.size * share
        return level

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """Return cap·σ·restraint·Λ for each existing process of its region, where σ is deliberate."""
        if not deliberate or operation.is_baseline:
            return {}
        option, level = operation.option, operation.carried[operation.paths.times]
        return {
            p: operation.capacity(p) * operation.severity(p, deliberate=True) * option.restraint * level
            for p, process in operation.basis.instance.processes.items()
            if process.region == option.region
        }
