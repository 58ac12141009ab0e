"""Between columns and plans: a solver's values become a Plan and Flows, a Plan becomes columns."""

from collections.abc import Mapping, Sequence

from optimizer.formulation import plan_stage
from optimizer.instance.schema import Instance
from optimizer.levers import Producing, Sized, Stockpile, Substitution
from optimizer.plan import Build, Flows, Plan, Row
from optimizer.shocks import BASELINE, Path
from optimizer.stage import Stage

DUST = 1e-9


def read_plan(instance: Instance, stage: Stage, values: Sequence[float]) -> Plan:
    """The plan in a solver's values; sizes below a billionth of the option's maximum are dust."""
    found, builds = stage.found(), []
    fills: dict[str, Row] = {}
    stocks: dict[str, Row] = {}
    for o, option in instance.options.items():
        if isinstance(option, Sized):
            opened = found.get(("", o, "open"), {})
            for a, column in found.get(("", o, "size"), {}).items():
                size = values[column] if values[column] > DUST * option.max_size else 0.0
                is_open = a in opened and values[opened[a]] > 0.5
                if size > 0 or is_open:
                    builds.append(_build(instance, o, option, a, size, is_open))
        if isinstance(option, Stockpile):
            columns = found.get(("", o, "fill"), {})
            fills[o] = tuple(max(0.0, values[columns[t]]) if t in columns else 0.0 for t in instance.horizon.periods)
            stocks[o] = stock_path(instance, option, fills[o])
    return Plan(tuple(builds), fills, stocks)


def _build(instance: Instance, o: str, option: Sized, a: int, size: float, is_open: bool) -> Build:
    horizon, kind = instance.horizon, str(getattr(option, "kind", ""))
    if option.unit_size > 0:
        size = option.unit_size * round(size / option.unit_size)
    return Build(o, kind, a, horizon.year(a), horizon.label(a), float(size), is_open)


def stock_path(instance: Instance, pile: Stockpile, fills: Sequence[float]) -> Row:
    """Stock at the end of each period, t, from what is bought."""
    keep, held, path = (1.0 - pile.loss) ** instance.horizon.delta, pile.initial, []
    for fill in fills:
        held = keep * held + fill
        path.append(held)
    return tuple(path)


def nothing(instance: Instance) -> Plan:
    """The plan of a world that does nothing: stocks hold what they began with."""
    piles = {o: option for o, option in instance.options.items() if isinstance(option, Stockpile)}
    fills = {o: (0.0,) * len(instance.horizon.periods) for o in piles}
    return Plan((), fills, {o: stock_path(instance, pile, fills[o]) for o, pile in piles.items()})


def read_flows(
    instance: Instance,
    found: Mapping[tuple[str, str, str], Mapping[int, int]],
    values: Sequence[float],
    path: Path,
    written: str | None = None,
) -> Flows:
    """One path's operation, from `Stage.found` and a solver's values.

    Where many shocks share the path `written`, its periods count from the start of the window.
    """
    key, times = (path.key, path.periods) if written is None else (written, range(len(path.periods)))

    def rows(names: Sequence[str], what: str) -> dict[str, Row]:
        lists = {name: found.get((key, name, what)) for name in names}
        return {
            name: tuple(max(0.0, float(values[columns[t]])) for t in times)
            for name, columns in lists.items()
            if columns
        }

    options = instance.options
    piles = [o for o, option in options.items() if isinstance(option, Stockpile)] if path.key != BASELINE else []
    producers = [*instance.processes, *(o for o, option in options.items() if isinstance(option, Producing))]
    return Flows(
        first=path.periods.start,
        activity=rows(producers, "activity"),
        substituted=rows([o for o, option in options.items() if isinstance(option, Substitution)], "substituted"),
        unserved=rows(list(instance.demands), "unserved"),
        released=rows(piles, "release"),
        left=rows(piles, "left"),
    )


def plan_values(instance: Instance, plan: Plan) -> list[float]:
    """A plan as the values of the columns of `plan_stage`, in their order; openings and units are left at 0."""
    stage = plan_stage(instance)
    values, found = [0.0] * len(stage.columns), stage.found()
    for build in plan.builds:
        values[found["", build.option, "size"][build.t]] = build.size
    for what, rows in (("stock", plan.stocks), ("fill", plan.fills)):
        for o, row in rows.items():
            for t, column in found.get(("", o, what), {}).items():
                values[column] = row[t]
    return values
