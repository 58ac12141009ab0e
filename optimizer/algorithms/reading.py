"""Between columns and plans: a solver's values become a Plan and Flows, a Plan becomes columns."""

from collections.abc import Mapping, Sequence

import numpy as np

from optimizer.disruptions.shock import Path, Shock
from optimizer.formulation import first_stage_model
from optimizer.instance.derived import size_thresholds
from optimizer.instance.paths import MANY
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.model.builder import Column, ModelBuilder
from optimizer.results.plan import Array, Build, ByPeriod, FlowKey, Flows, ManyFlows, NoShockPlan, Plan
from optimizer.tolerances import NEGLIGIBLE, ROUNDING_SIZE


def read_plan(instance: Instance, builder: ModelBuilder, values: Sequence[float]) -> Plan:
    """The plan in a solver's values, without its rounding errors."""
    found, builds, values = builder.found(), [], swept(instance, builder, values)
    fills: dict[str, ByPeriod] = {}
    stocks: dict[str, ByPeriod] = {}
    for o, option in instance.options.items():
        if o in instance.sized:
            opened = found.get(("", o, "open"), {})
            for a, column in found.get(("", o, "size"), {}).items():
                size = values[column]
                is_open = a in opened and values[opened[a]] > 0.5
                if size > 0 or is_open:
                    builds.append(_build(instance, instance.sized[o], a, size, is_open))
        if o in instance.stocks:
            columns = found.get(("", o, option.purchase_column), {})
            fills[o] = tuple(max(0.0, values[columns[t]]) if t in columns else 0.0 for t in instance.horizon.periods)
            stocks[o] = instance.stocks[o].stock_path(instance.horizon, fills[o])
    return Plan(tuple(builds), fills, stocks)


def swept(
    instance: Instance, builder: ModelBuilder, values: Sequence[float], negligible: Mapping[str, float] | None = None
) -> list[float]:
    """A solver's values without rounding errors.

    What is below its bound by a tolerance is at it. Sizes and purchases up to `negligible` are 0 and run nothing; left
    out, these are the solver's rounding errors of each option.
    """
    found, least = builder.found(), size_thresholds(instance)[-1] if negligible is None else negligible
    clean = [max(value, column.lower) for value, column in zip(values, builder.columns, strict=True)]
    for o, option in instance.options.items():
        columns = found.get(("", o, option.purchase_column), {})
        small = [column for column in columns.values() if 0.0 != clean[column] <= least[o]]
        for column in small:
            clean[column] = 0.0
        if small and o in instance.sized:
            _stop(instance, builder, o, clean)
    return clean


def _stop(instance: Instance, builder: ModelBuilder, o: str, values: list[float]) -> None:
    """Limit an option's flows to its capacity: the audit accepts no activity without capacity, however small."""
    found, capacity = builder.found(), builder.links.get((o, "capacity"), {})
    for path in (instance.baseline, *instance.rules.values()):
        for flow in instance.options[o].flows:
            for t, column in found.get((path.key, o, flow.column or flow.name), {}).items() if capacity else ():
                values[column] = min(values[column], path.delta * capacity[t].value(values))


def _build(instance: Instance, option: Sized, a: int, size: float, is_open: bool) -> Build:
    horizon = instance.horizon
    if option.unit_size > 0:
        size = option.unit_size * round(size / option.unit_size)
    return Build(option.id, option.kind, a, horizon.year(a), horizon.label(a), float(size), is_open)


def nothing(instance: Instance) -> Plan:
    """The do-nothing plan: no purchases, stocks as they were at the start."""
    fills = {o: (0.0,) * len(instance.horizon.periods) for o in instance.stocks}
    return Plan((), fills, {o: stock.stock_path(instance.horizon, fills[o]) for o, stock in instance.stocks.items()})


def read_flows(
    instance: Instance, found: Mapping[tuple[str, str, str], Mapping[int, int]], values: Sequence[float], path: Path
) -> Flows:
    """One path's operation, from `ModelBuilder.found` and a solver's values."""

    columns = {key: found.get((path.key, key[0], what)) for key, what in _flows(instance).items()}
    rows = {key: tuple(max(0.0, float(values[at[t]])) for t in path.periods) for key, at in columns.items() if at}
    return Flows(path.periods.start, rows)


def read_no_shock(instance: Instance, builder: ModelBuilder, values: Sequence[float], cost: float) -> NoShockPlan:
    """The no-shock plan in the values of a model without shocks; `cost` is its total cost, its parts stay empty."""
    clean = swept(instance, builder, values)
    plan = read_plan(instance, builder, clean)
    return NoShockPlan(cost, plan, read_flows(instance, builder.found(), clean, instance.baseline))


def read_many(
    instance: Instance,
    found: Mapping[tuple[str, str, str], Mapping[int, int]],
    values: Array,
    shocks: Sequence[Shock],
) -> ManyFlows:
    """The operation of shocks with windows of one length: `values` has a row for each, `found` counts by offset."""
    offsets = range(len(shocks[0].periods))
    columns = {key: found.get((MANY, key[0], what)) for key, what in _flows(instance).items()}
    # Adding 0 makes the solver's -0 a plain one.
    rows = {key: np.maximum(values[:, [at[k] for k in offsets]], 0.0) + 0.0 for key, at in columns.items() if at}
    return ManyFlows(tuple(shock.name for shock in shocks), tuple(shock.periods.start for shock in shocks), rows)


def _flows(instance: Instance) -> dict[FlowKey, str]:
    """Every flow that a path may have, and what its columns are called."""
    found = {(p, "activity"): "activity" for p in instance.processes}
    found |= {(d, "unserved"): "unserved" for d in instance.demands}
    return found | {
        (o, flow.name): flow.column or flow.name for o, option in instance.options.items() for flow in option.flows
    }


def plan_values(instance: Instance, plan: Plan, model: ModelBuilder | None = None) -> list[float]:
    """A plan as the values of the columns of `first_stage_model`, in their order; openings and units are left at 0.

    `model` is that builder, or one that begins with its columns, where there already is one.
    """
    builder = model or first_stage_model(instance)
    values, found = [0.0] * len(builder.columns), builder.found()
    for build in plan.builds:
        values[found["", build.option, "size"][build.t]] = build.size
    for what, rows in (("stock", plan.stocks), ("fill", plan.fills)):
        for o, row in rows.items():
            for t, column in found.get(("", o, what), {}).items():
                values[column] = row[t]
    return values


def integers_of(instance: Instance, plan: Plan, columns: Sequence[Column]) -> list[float]:
    """A plan as the values of the integer columns among those given, in their order.

    What the columns do not know is left out: a plan of another variant of the instance will do for a start.
    """
    sizes = {(build.option, build.t): build.size for build in plan.builds}
    opened = {build.option: build.t for build in plan.builds if build.opened}
    values = []
    for column in columns:
        o, what = column.mark.owner, column.mark.what
        if column.integer and what == "by":
            values.append(float(opened.get(o, len(instance.horizon.periods)) <= column.t))
        elif column.integer:
            unit = getattr(instance.options[o], "unit_size", 1.0)
            values.append(min(float(round(sizes.get((o, column.t), 0.0) / unit)), column.upper))
    return values


def opened_at_zero(instance: Instance, builder: ModelBuilder, values: Array) -> list[int]:
    """The integers of options that are opened at size 0 though nothing open requires them."""
    found = builder.found()
    lumpy = {o: option for o, option in instance.sized.items() if option.is_lumpy}
    by = {o: list(found.get(("", o, "by"), {}).values()) for o in lumpy}
    opened = {o for o in lumpy if any(values[column] > 0.5 for column in by[o])}
    needed = {required for o in opened for required in lumpy[o].requires}
    sizes = {o: max(values[column] for column in found["", o, "size"].values()) for o in opened}
    empty = [o for o in opened - needed if sizes[o] <= ROUNDING_SIZE * lumpy[o].max_size]
    return [column for o in empty for column in by[o]]


def is_negligible(instance: Instance, builder: ModelBuilder, shocks: Sequence[Shock], values: Sequence[float]) -> bool:
    """Whether no segment falls short by as much as a millionth of its demand."""
    paths = {shock.name: instance.path(shock) for shock in shocks}
    for (path, segment, t), below in builder.accounts("below").items():
        if below.value(values) > NEGLIGIBLE * paths[str(path)].demanded(str(segment), int(t)):
            return False
    return True
