"""Conversions between plans and model columns: from a solver's values to a Plan and Flows, and back."""

from collections.abc import Mapping, Sequence

import numpy as np

from optimizer.disruptions.path import Path
from optimizer.disruptions.shock import Shock
from optimizer.formulation import first_stage_model, purchase_columns
from optimizer.instance.derived import size_thresholds, with_stock_paths
from optimizer.instance.operation_paths import MANY
from optimizer.instance.schema import FutureTree, Instance
from optimizer.levers.base import Sized
from optimizer.model.builder import Column, ModelBuilder
from optimizer.network.process import SURCHARGE
from optimizer.results.plan import Array, Build, ByPeriod, FlowKey, Flows, ManyFlows, NoShockPlan, Plan
from optimizer.solver.base import Integers, Vector
from optimizer.tolerances import FINE_ROUNDING, ROUNDING_SIZE


def read_plan(instance: Instance, builder: ModelBuilder, values: Sequence[float]) -> Plan:
    """Return the plan in a solver's values, without rounding errors."""
    found, builds, values = builder.column_index(), [], without_rounding_errors(instance, builder, values)
    fills: dict[str, ByPeriod] = {}
    stocks: dict[str, ByPeriod] = {}
    for o in instance.options:
        if o in instance.sized:
            opened = found.get(("", o, "open"), {})
            for a, column in found.get(("", o, "size"), {}).items():
                size = values[column]
                is_open = a in opened and values[opened[a]] > 0.5
                if size > 0 or is_open:
                    builds.append(_build(instance, instance.sized[o], a, size, is_open))
        if o in instance.stocks:
            columns = purchase_columns(builder, instance, o)
            fills[o] = tuple(max(0.0, values[columns[t]]) if t in columns else 0.0 for t in instance.horizon.periods)
            stocks[o] = instance.stocks[o].stock_path(instance.horizon, fills[o])
    return Plan(tuple(builds), fills, stocks)


def without_rounding_errors(
    instance: Instance, builder: ModelBuilder, values: Sequence[float], negligible: Mapping[str, float] | None = None
) -> list[float]:
    """Return a solver's values without rounding errors.

    Values below their lower bound are set to it. Sizes and purchases up to `negligible` become 0, and so do their
    flows; by default these are the sizes that each option's rounding errors reach.
    """
    least = size_thresholds(instance)[-1] if negligible is None else negligible
    clean = [max(value, column.lower) for value, column in zip(values, builder.columns, strict=True)]
    for o in instance.options:
        columns = purchase_columns(builder, instance, o)
        small = [column for column in columns.values() if 0.0 != clean[column] <= least[o]]
        for column in small:
            clean[column] = 0.0
        if small and o in instance.sized:
            _limit_to_capacity(instance, builder, o, clean)
    return clean


def _limit_to_capacity(instance: Instance, builder: ModelBuilder, o: str, values: list[float]) -> None:
    """Bound an option's flows by its capacity: the audit rejects any flow without capacity, even 1e-10 t."""
    found, capacity = builder.column_index(), builder.links.get((o, "capacity"), {})
    for path in (instance.baseline, *instance.rule_paths.values()):
        for flow in instance.options[o].flows:
            for t, column in found.get((path.key, o, flow.column or flow.name), {}).items() if capacity else ():
                values[column] = min(values[column], path.delta * capacity[t].value(values))


def _build(instance: Instance, option: Sized, a: int, size: float, is_open: bool) -> Build:
    horizon = instance.horizon
    if option.unit_size > 0:
        size = option.unit_size * round(size / option.unit_size)
    return Build(option.id, option.kind, a, horizon.year(a), horizon.label(a), float(size), is_open)


def do_nothing_plan(instance: Instance) -> Plan:
    """Return the do-nothing plan: it buys nothing, and stocks keep their initial amounts."""
    return with_stock_paths(instance, Plan((), {}, {}))


def read_flows(
    instance: Instance, found: Mapping[tuple[str, str, str], Mapping[int, int]], values: Sequence[float], path: Path
) -> Flows:
    """Return the operation on one path, from `ModelBuilder.column_index` and a solver's values.

    A flow of rounding errors is 0: the table of regions of origin would name its region.
    """
    columns = {key: found.get((path.key, key[0], what)) for key, what in _flow_columns(instance).items()}
    rows = {key: [float(values[at[t]]) for t in path.periods] for key, at in columns.items() if at}
    least = FINE_ROUNDING * max(map(max, rows.values()), default=0.0)
    return Flows(path.periods.start, {key: tuple(v if v > least else 0.0 for v in row) for key, row in rows.items()})


def read_no_shock(instance: Instance, builder: ModelBuilder, values: Sequence[float], cost: float) -> NoShockPlan:
    """Return the no-shock plan in a model's values; `cost` is its total cost, its cost components stay empty."""
    clean = without_rounding_errors(instance, builder, values)
    plan = read_plan(instance, builder, clean)
    return NoShockPlan(cost, plan, read_flows(instance, builder.column_index(), clean, instance.baseline))


def read_many(
    instance: Instance, found: Mapping[tuple[str, str, str], Mapping[int, int]], values: Array, shocks: Sequence[Shock]
) -> ManyFlows:
    """Return the operation of shocks with windows of one length.

    `values` has one row per shock; `found` maps (path, owner, what) to columns by offset in the window.
    """
    offsets = range(len(shocks[0].periods))
    columns = {key: found.get((MANY, key[0], what)) for key, what in _flow_columns(instance).items()}
    # Adding 0 turns the solver's -0 into 0.
    rows = {key: np.maximum(values[:, [at[k] for k in offsets]], 0.0) + 0.0 for key, at in columns.items() if at}
    return ManyFlows(tuple(shock.name for shock in shocks), tuple(shock.periods.start for shock in shocks), rows)


def _flow_columns(instance: Instance) -> dict[FlowKey, str]:
    """Return every flow that a path may have, with the name of its columns."""
    found = {(p, "activity"): "activity" for p in instance.processes}
    found |= {(d, "unserved"): "unserved" for d in instance.demands}
    return found | {
        (o, flow.name): flow.column or flow.name for o, option in instance.options.items() for flow in option.flows
    }


def plan_values(instance: Instance, plan: Plan, model: ModelBuilder | None = None) -> list[float]:
    """Return a plan as values of the columns of `first_stage_model`, in their order; numbers of units are left at 0.

    `model` is that builder, or one that begins with its columns, if it already exists.
    """
    builder = model or first_stage_model(instance)
    values, found = [0.0] * len(builder.columns), builder.column_index()
    for build in plan.builds:
        values[found["", build.option, "size"][build.t]] = build.size
        for t, column in found.get(("", build.option, "by"), {}).items():
            values[column] = max(values[column], float(t >= build.t))
        for t, column in found.get(("", build.option, "open"), {}).items():
            values[column] = max(values[column], float(t == build.t))
    for what, rows in (("stock", plan.stocks), ("fill", plan.fills)):
        for o, row in rows.items():
            for t, column in found.get(("", o, what), {}).items():
                values[column] = row[t]
    for o, row in plan.fills.items():
        extra = instance.stocks[o].surcharges(instance.horizon, row)
        for t, column in found.get(("", o, SURCHARGE), {}).items():
            values[column] = extra[t]
    return values


def integers_of(instance: Instance, plan: Plan, columns: Sequence[Column]) -> dict[int, float]:
    """Return a plan as values of the integer columns among `columns`, by position.

    Integers that the plan does not determine are left out, such as those of shocks and those specific to a lever; so
    are purchases without a column here, since a plan of another variant of the instance may serve as a start.
    """
    sizes = {(build.option, build.t): build.size for build in plan.builds}
    opened = {build.option: build.t for build in plan.builds if build.opened}
    values = {}
    for j, column in enumerate(columns):
        o, what = column.mark.owner, column.mark.what
        if column.mark.path or not column.integer:
            continue
        if what == "by":
            values[j] = float(opened.get(o, len(instance.horizon.periods)) <= column.t)
        elif what == "units":
            unit = instance.sized[o].unit_size or 1.0
            values[j] = min(float(round(sizes.get((o, column.t), 0.0) / unit)), column.upper)
    return values


def read_joint_plan(tree: FutureTree, builder: ModelBuilder, values: Sequence[float]) -> tuple[Plan, ...]:
    """Return the plan of each future in a solver's values, without rounding errors."""
    parts = zip(tree.futures, builder.submodels, strict=True)
    return tuple(read_plan(future.instance, submodel, values) for future, submodel in parts)


def own_columns(own: ModelBuilder, submodel: ModelBuilder) -> Integers:
    """Return for each column of a future's own `first_stage_model` its index in the joint model."""
    found = submodel.column_index()
    places = (found["", column.mark.owner, column.mark.what][column.t] for column in own.columns)
    return np.fromiter(places, dtype=np.intp, count=len(own.columns))


def joint_integers(tree: FutureTree, plans: Sequence[Plan], builder: ModelBuilder) -> Vector:
    """Return the plans of all futures as values of the joint model's integers, in their order."""
    result = np.zeros(len(builder.columns))
    for future, submodel, plan in zip(tree.futures, builder.submodels, plans, strict=True):
        places = sorted({j for (path, _, _), at in submodel.column_index().items() if not path for j in at.values()})
        for k, value in integers_of(future.instance, plan, [builder.columns[j] for j in places]).items():
            result[places[k]] = value
    return result[[j for j, column in enumerate(builder.columns) if column.integer]]


def integers_open_at_zero(tree: FutureTree, builder: ModelBuilder, values: Array) -> list[int]:
    """Return the integers of options that are opened at size 0 although no open option requires them.

    An integer that several futures share is included only if this holds in all of them.
    """
    found = [
        (set(_open_at_zero(future.instance, submodel, values)), _openings(future.instance, submodel))
        for future, submodel in zip(tree.futures, builder.submodels, strict=True)
    ]
    empty = {j for some, _ in found for j in some}
    return sorted(j for j in empty if all(j in some for some, own in found if j in own))


def _openings(instance: Instance, builder: ModelBuilder) -> set[int]:
    found = builder.column_index()
    return {j for o in instance.sized for j in found.get(("", o, "by"), {}).values()}


def _open_at_zero(instance: Instance, builder: ModelBuilder, values: Array) -> list[int]:
    found, opened = builder.column_index(), dict[str, list[int]]()
    for o, option in instance.sized.items():
        columns = list(found.get(("", o, "by"), {}).values()) if option.is_fixed_charge else []
        if columns and values[columns].max() > 0.5:
            opened[o] = columns
    needed = {required for o in opened for required in instance.sized[o].requires}
    result: list[int] = []
    for o in opened.keys() - needed:
        size = values[list(found["", o, "size"].values())].max()
        if size <= ROUNDING_SIZE * instance.sized[o].max_size:
            result += opened[o]
    return result
