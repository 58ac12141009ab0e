"""Survival floors that a model may give up: those of attacks that are deterred, and of samples that may fail.

    z       0 or 1    whether the floors of a path are given up

    floor   u − v ≤ (1 − φ)·D + φ·D·z        in place of u − v ≤ (1 − φ)·D, for every floor of the path

Where z = 1 any shortage is within the floor's row, so that nothing is missed. The coefficient φ·D is the least that
will do: what is unserved never exceeds D. Where the cost of the path does not count, what the do-nothing plan falls
short of the floor will do, and none where it keeps it: under any other plan the same operation is possible.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from optimizer.model.builder import ModelBuilder


def below_columns(model: ModelBuilder) -> dict[str, list[int]]:
    """The columns of shortage below floors, by path."""
    found: dict[str, list[int]] = {}
    for (path, _, _), amount in model.accounts("below").items():
        found.setdefault(str(path), []).extend(amount.terms)
    return found


def relax_floors(model: ModelBuilder, given_up: Mapping[int, int], limits: Mapping[int, float] | None = None) -> None:
    """Let floors be given up: by column of shortage below one, the column that says whether it is.

    `limits` are the shortages, t, that will do, by the same columns; where one is left out, all that has to be served.
    """
    limits = limits or {}
    # The floors of a rule about time to survive have no shortage below them: they are never given up.
    floors = [r for r, row in enumerate(model.rows) if row.mark.what == "floor" and len(row.terms) > 1]
    for r in floors if given_up else ():
        row = model.rows[r]
        unserved, below = sorted(row.terms, key=lambda j: -row.terms[j])[:2]
        if below in given_up:
            most = min(model.columns[unserved].upper - row.rhs, limits.get(below, math.inf))
            if most > 0:
                model.rows[r] = replace(row, terms={**row.terms, given_up[below]: -most})
