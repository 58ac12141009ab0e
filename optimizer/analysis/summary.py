"""What an instance is about, before anybody chooses: counts, ranges, what shocks hit, what is bought in peace."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from optimizer.analysis.survival import survey
from optimizer.formulation import cost, whole_stage
from optimizer.instance.schema import Instance
from optimizer.shocks import Shock
from optimizer.solver import Clock, Settings
from optimizer.strategies.clash import clash
from optimizer.strategies.reading import nothing, plan_values, read_plan
from optimizer.strategies.recourse import Responder
from optimizer.strategies.whole import Whole


@dataclass(frozen=True)
class Hit:
    """One shock: its window, what it cuts (activity to worst severity), and what nothing built leaves below floors.

    `below_floor` is in t, `gap` in currency units, by segment and in all.
    """

    name: str
    first: str
    last: str
    deliberate: bool
    cuts: dict[str, float]
    demand: dict[str, float]
    below_floor: dict[str, float]
    gap: float


@dataclass(frozen=True)
class Summary:
    """What an instance is about.

    Attributes:
        counts: of commodities, processes, segments, options by kind, shocks, columns, rows.
        ranges: smallest and largest coefficient of the model as the solver sees it, by part.
        hits: every shock.
        bought_in_peace: options that are bought without any shock, with the size or stock bought.
        clash: rules that contradict each other even without shocks.
    """

    counts: dict[str, int]
    ranges: dict[str, tuple[float, float]]
    hits: tuple[Hit, ...]
    bought_in_peace: dict[str, float]
    clash: tuple[str, ...]


def summarise(instance: Instance) -> Summary:
    """Count, measure, strike, and ask what would be bought with no shock at all."""
    stage = whole_stage(instance, instance.events)
    columns, rows = stage.scales()
    matrix = (
        value * columns[j] / scale
        for row, scale in zip(stage.rows, rows, strict=True)
        for j, value in row.terms.items()
    )
    objective = cost(stage, instance, instance.events)
    ranges = {
        "matrix": _range(matrix),
        "objective": _range(value * columns[j] for j, value in objective.terms.items()),
        "right-hand side": _range(row.right / scale for row, scale in zip(stage.rows, rows, strict=True)),
    }
    peace, rules = _peace(instance)
    return Summary(
        counts=_counts(instance) | {"columns": len(stage.columns), "rows": len(stage.rows)},
        ranges=ranges,
        hits=tuple(_hits(instance)),
        bought_in_peace=peace,
        clash=rules,
    )


def _range(values: Iterable[float]) -> tuple[float, float]:
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    return (min(sizes), max(sizes)) if sizes else (0.0, 0.0)


def _counts(instance: Instance) -> dict[str, int]:
    sections = ("commodities", "processes", "demands", "options")
    counts = {section: len(getattr(instance, section)) for section in sections} | {"shocks": len(instance.events)}
    for option in instance.options.values():
        counts[option.kind] = counts.get(option.kind, 0) + 1
    return counts | {"periods": len(instance.horizon.periods)}


def _hits(instance: Instance) -> Iterable[Hit]:
    responder = Responder(instance)
    replies = responder.best(plan_values(instance, nothing(instance)), Clock(), {})
    below = survey(instance, responder, replies).below.tolist()
    for shock, row in zip(instance.events, below, strict=True):
        yield _hit(instance, shock, {d: short for d, short in zip(instance.demands, row, strict=True) if short > 0})


def _hit(instance: Instance, shock: Shock, below: dict[str, float]) -> Hit:
    path, label = instance.path(shock), instance.horizon.label
    worst = {name: float(max(profile)) for name, profile in path.severity.items()}
    cuts = {name: severity for name, severity in worst.items() if severity > 0}
    gap = sum(instance.demands[d].shortage_cost * short for d, short in below.items())
    first, last = label(shock.periods[0]), label(shock.periods[-1])
    return Hit(shock.name, first, last, path.deliberate, cuts, dict(shock.spec.demand), below, gap)


def _peace(instance: Instance) -> tuple[dict[str, float], tuple[str, ...]]:
    calm = instance.without_shocks()
    found = Whole().run(calm, Settings(), Clock(), lambda step: None)
    if found.values is None:
        return {}, clash(calm, Settings(), Clock())
    plan = read_plan(calm, found.stage, found.values.tolist())
    bought: dict[str, float] = {}
    for build in plan.builds:
        bought[build.option] = bought.get(build.option, 0.0) + build.size
    bought |= {o: sum(row) for o, row in plan.fills.items() if any(row)}
    return bought, ()
