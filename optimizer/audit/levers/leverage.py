"""Leverage: of a deliberate cut of its region, restraint·Λ is held back; Λ changes from the year of decision on."""

from collections.abc import Mapping

import numpy as np

from optimizer.audit.auditor import Auditor, Holding, Operation
from optimizer.results.plan import Array


class LeverageAuditor(Auditor):
    """What the level in force holds back."""

    def carries(self, holding: Holding) -> Array:
        """Λ by period: each build past its lead time, times what erosion or `strength` says of the years since."""
        option, basis, level = holding.option, holding.basis, np.zeros(len(holding.basis.periods))
        for build in holding.builds:
            for t in basis.periods[build.t + holding.lead :]:
                years = basis.year(t) - basis.year(build.t)
                strength = option.strength or ()
                share = [*strength, *strength[-1:] * years][years] if strength else (1.0 - option.erosion) ** years
                level[t] += build.size * share
        return level

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """cap·σ·restraint·Λ to each existing process of its region, where σ is deliberate."""
        if not deliberate or operation.is_baseline:
            return {}
        option, level = operation.option, operation.carried[operation.paths.times]
        return {
            p: operation.capacity(p) * operation.lost(p, deliberate=True) * option.restraint * level
            for p, process in operation.basis.instance.processes.items()
            if process.region == option.region
        }
