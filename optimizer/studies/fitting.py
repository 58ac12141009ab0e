"""Whether a plan could have been made in an instance, its own or another.

What operation needs is held to: the horizon, every option that is bought, its kind, when it may be bought, and its
largest size or stock. What only governs buying (whole units, least sizes, fill rates, ties between options) is a note:
the plan stands as if bought. Budgets are not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from optimizer.errors import Finding, InstanceError
from optimizer.instance.schema import Instance
from optimizer.levers import Sized, Stock
from optimizer.results.plan import Build, Plan
from optimizer.results.result import Result
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

Words = tuple[str, str, str]
STOCK = Stock.labels.noun


@dataclass(frozen=True)
class FittedPlan:
    """A plan as an instance would have it, its stock paths worked out anew, and remarks on what differs."""

    plan: Plan
    notes: tuple[str, ...]


def fit_plan(instance: Instance, result: Result, file: str) -> FittedPlan:
    """The plan of a result in an instance.

    Args:
        instance: where the plan is to stand.
        result: whose plan.
        file: what a finding names as its place.

    Raises:
        InstanceError: the plan cannot stand there; with every reason and its cure.
    """
    horizon = instance.horizon
    labels = tuple(horizon.label(t) for t in horizon.periods)
    if labels != result.periods:
        ours, theirs = f"{labels[0]} to {labels[-1]}", f"{result.periods[0]} to {result.periods[-1]}"
        what = f"its {len(labels)} periods run from {ours}, the plan's {len(result.periods)} from {theirs}"
        raise InstanceError([Finding(file, None, "horizon", what, "Give it the plan's horizon, or solve it anew.")])
    return place_plan(instance, result.plan, file)


def place_plan(instance: Instance, given: Plan, file: str) -> FittedPlan:
    """The same for a plan with the horizon of the instance.

    Raises:
        InstanceError: the plan cannot stand there; with every reason and its cure.
    """
    wrong = [*_sizes(instance, given), *_piles(instance, given)]
    if wrong:
        raise InstanceError([Finding(file, None, *words) for words in dict.fromkeys(wrong)])
    plan, notes = with_stock_paths(instance, given), tuple(_rules(instance, given))
    moved = [o for o, row in plan.stocks.items() if not _is_same(row, given.stocks.get(o, row))]
    if moved:
        notes += (f"Stocks are worked out anew, for they begin or keep otherwise there: {', '.join(moved)}.",)
    over = [Finding(file, None, *words) for words in _overfull(instance, plan)]
    if over:
        raise InstanceError(over)
    return FittedPlan(plan, notes)


def _is_same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= NEGLIGIBLE * max(1.0, abs(a)) for a, b in zip(one, other, strict=True))


def _sizes(instance: Instance, plan: Plan) -> Iterator[Words]:
    horizon, sizes = instance.horizon, dict[str, float]()
    for build in plan.builds:
        option, where = instance.options.get(build.option), f"options.{build.option}"
        if option is None or option.kind != build.kind or option.is_stock:
            yield _unknown(instance, build.option, build.kind)
        elif build.t not in horizon.decisions or not option.allows(horizon.year(build.t)):
            what = f"the plan decides it in {build.period}, when it cannot be decided"
            yield where, what, "Change earliest, latest or horizon.decide, or leave the build out of the plan."
        else:
            sizes[build.option] = sizes.get(build.option, 0.0) + build.size
    for o, size in sizes.items():
        most = instance.options[o].largest
        if size > most * (1.0 + NEGLIGIBLE):
            cure = f"Raise max_size to at least {size:g}, or make the build smaller."
            yield f"options.{o}.max_size", f"the plan buys {size:g}, more than its {most:g}", cure


def _unknown(instance: Instance, o: str, kind: str) -> Words:
    option = instance.options.get(o)
    what = f"the plan buys {o}, a {kind}, but there is no such option"
    if option is not None:
        what = f"the plan buys it as a {kind}, but it is a {option.kind}"
    return f"options.{o}", what, f"Give the instance a {kind} of that name, or stress the plan against another."


def _piles(instance: Instance, plan: Plan) -> Iterator[Words]:
    horizon = instance.horizon
    for o, fills in plan.fills.items():
        bought = [t for t, fill in enumerate(fills) if fill > 0]
        stock = instance.stocks.get(o)
        if stock is None:
            if bought:
                yield _unknown(instance, o, STOCK)
        elif len(fills) != len(horizon.periods):
            yield f"options.{o}", f"the plan has {len(fills)} purchases, one for each period is meant", "Solve it anew."
        elif late := [t for t in bought if not stock.allows(horizon.year(t))]:
            what = f"the plan fills it in {horizon.label(late[0])}, when it cannot be filled"
            yield f"options.{o}", what, "Change earliest or latest, or leave the purchase out of the plan."


def with_stock_paths(instance: Instance, plan: Plan) -> Plan:
    """The plan with every stock of the instance, worked out from the purchases."""
    horizon = instance.horizon
    fills = {o: plan.fills.get(o, (0.0,) * len(horizon.periods)) for o in instance.stocks}
    stocks = {o: stock.stock_path(horizon, fills[o]) for o, stock in instance.stocks.items()}
    return replace(plan, fills=fills, stocks=stocks)


def _overfull(instance: Instance, plan: Plan) -> Iterator[Words]:
    for o, row in plan.stocks.items():
        most = instance.options[o].largest
        if max(row) > most * (1.0 + NEGLIGIBLE):
            cure = f"Raise max_size to at least {max(row):g}, or buy less."
            yield f"options.{o}.max_size", f"the plan holds {si(max(row), 't')}, more than its {si(most, 't')}", cure


def _rules(instance: Instance, plan: Plan) -> Iterator[str]:
    """Rules of buying that the plan does not keep in this instance, and does not have to."""
    opened = {build.option: build.t for build in plan.builds}
    for build in plan.builds:
        option = instance.sized[build.option]
        yield from _size_rules(build, option)
        if late := [r for r in option.requires if opened.get(r, len(instance.horizon.periods)) > build.t]:
            yield f"{build.option} requires {', '.join(late)}, which the plan does not open in time."
        if both := [x for x in option.excludes if x in opened]:
            yield f"{build.option} excludes {', '.join(both)}, which the plan opens as well."
    yield from _fill_rules(instance, plan)


def _fill_rules(instance: Instance, plan: Plan) -> Iterator[str]:
    for o, fills in plan.fills.items():
        rate = instance.options[o].most_in_a_year
        if max(fills) > rate * instance.horizon.delta * (1.0 + NEGLIGIBLE):
            yield f"{o} is filled faster than its fill_rate, {rate:g} t a year."


def _size_rules(build: Build, option: Sized) -> Iterator[str]:
    units = build.size / option.unit_size if option.unit_size > 0 else 0.0
    if abs(units - round(units)) > NEGLIGIBLE:
        yield f"{build.option}: {build.size:g} is not in whole units of {option.unit_size:g}."
    if build.size < option.min_size * (1.0 - NEGLIGIBLE):
        yield f"{build.option}: {build.size:g} is less than its min_size, {option.min_size:g}."
