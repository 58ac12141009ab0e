"""Purchases of a plan over time, orders of one year, and the check that a plan fits another instance.

Fields of a `Purchase`:

t        period of the decision; for a stockpile, of its first purchase
first    period in which it is first in force, t + lead time; the number of periods if that is after the horizon
steps    (period, share of size in force) at each change of the share, by a ramp or by erosion
capex    money, undiscounted: capex·size + fixed cost and what else its lever pays, or price·fill over all purchases
support  price support paid in the baseline; several builds of an option share it by their capacity in force
spent    capex + support
outlays  the part that counts towards the budget, budget_share·spent, by calendar year; `outlay` is their sum

`fit_plan` checks a plan against the instance's horizon and, for every option that is bought, its existence, kind,
decision periods, and largest size or stock. It only notes violated purchase rules (whole units, least sizes, fill
rates, ties between options), since the plan is given. It ignores budgets.

An `Order` holds the decisions on one option in a year; a `Delay` is the effect of postponing orders by a year
(`delays`). Of plans over futures, a `Decision` (`results.futures`) is one build or one purchase of a stockpile with its
futures, a `StageOrder` (`futures.stages`) what is bought of an option between two answers, and an `InformedOrder`
(`futures.study_result`) what the informed plans buy of an option before the first answer.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optimizer.errors import Finding, InstanceError
from optimizer.horizon import Horizon
from optimizer.instance.derived import display_name, size_text, with_stock_paths
from optimizer.instance.schema import Instance
from optimizer.io.plan_file import list_breaches
from optimizer.levers import Lever, Sized, Stock
from optimizer.results.plan import Build, ByPeriod, Plan
from optimizer.results.result import Result
from optimizer.tolerances import FULLY_USED, NEGLIGIBLE, ROUNDING
from optimizer.units import fixed, si


@dataclass(frozen=True)
class Purchase:
    """One build, or one stockpile with all its purchases."""

    # Identity of the option. `region` is where the money is spent, `over` the region over which leverage is held. Each
    # is empty if there is none.
    option: str
    name: str
    kind: str
    region: str
    over: str
    # Labels of the periods `t` and `first`; for a stockpile, of the first and the last purchase.
    decided: str
    on_line: str
    t: int
    first: int
    steps: tuple[tuple[int, float], ...]
    size: float  # in the option's own unit; for a stockpile, the largest stock, t
    bought: float  # equal to `size`; for a stockpile, t bought in all periods
    size_words: str  # `bought` with its unit, and the initial stock if there is any
    capex: float
    support: float
    spent: float
    outlay: float
    outlays: Mapping[int, float]
    without_shocks: bool  # whether the no-shock plan buys the option too, perhaps less of it or later
    forced: bool  # whether `policy.force` requires the option
    fills: ByPeriod = ()  # for a stockpile, t bought in each period; otherwise empty


# Note for tables in which less counts towards the budget than is spent.
OUTLAY_IS_A_PART = "Outlay: the part of what is spent that counts towards the budget."


def spent_words(spent: float, outlay: float, money: str) -> str:
    """Return the money spent, undiscounted, as text, with the part that counts towards the budget if that is less."""
    whole, part = si(spent, money), si(outlay, money)
    return whole if part == whole else f"{whole}, {part if outlay > 0 else 'none'} of it outlay"


def outlay_part_note(moves: Iterable[Purchase]) -> str:
    """Return the definition of outlay if part of the money spent does not count towards the budget, else ""."""
    return OUTLAY_IS_A_PART if any(move.outlay < move.spent for move in moves) else ""


def purchases(instance: Instance, result: Result) -> tuple[Purchase, ...]:
    """Return all purchases: builds in the order of the options, then stockpiles."""
    return (*_build_purchases(instance, result), *_stock_purchases(instance, result))


def sizes_bought(result: Result) -> dict[str, float]:
    """Return the quantity bought of each option in all years: its size, or the tonnes bought of a stockpile.

    The quantity is 0 for an option that is opened at size 0 because another option requires it.
    """
    bought = result.plan.sizes
    most = {o: max(result.plan.stocks.get(o, (0.0,)), default=0.0) for o in result.plan.fills}
    opened = {build.option for build in result.plan.builds if build.opened}
    return {o: size for o, size in bought.items() if o in opened or size > ROUNDING * max(ROUNDING, most.get(o, 0.0))}


def years_bought(result: Result, option: str) -> tuple[int, ...]:
    """Return the calendar years in which a plan buys an option."""
    found = {build.year for build in result.plan.builds if build.option == option}
    fills = result.plan.fills.get(option, ())
    bought = (t for t, fill in enumerate(fills) if fill > ROUNDING * max(fills))
    return tuple(sorted(found | {int(result.periods[t][:4]) for t in bought}))


def size_in_force(instance: Instance, plan: Plan, option: str, t: int) -> float:
    """Return the size of a sized option in force in period t, summed over the plan's builds, in the option's unit."""
    horizon, sized = instance.horizon, instance.sized[option]
    lead = horizon.whole(sized.lead_time)
    builds = (each for each in plan.builds if each.option == option and each.t + lead <= t)
    return math.fsum(each.size * sized.share_in_force(horizon, each.t, t) for each in builds)


def in_force_words(instance: Instance, plan: Plan, moves: Sequence[Purchase]) -> str:
    """Return a sentence with the size in force at the end of the horizon of options whose size erodes or grows."""
    last = instance.horizon.periods[-1]
    changed = dict.fromkeys(m.option for m in moves if m.steps and abs(m.steps[-1][1] - 1.0) > ROUNDING)
    sizes = {o: (size_in_force(instance, plan, o, last), plan.sizes[o]) for o in changed}
    words = {o: " of ".join(size_text(instance, o, size) for size in pair) for o, pair in sizes.items()}
    held = "; ".join(f"{display_name(instance, o)}, {size} bought" for o, size in words.items())
    return f" In force at the end, {instance.horizon.label(last)}, after erosion or growth: {held}." if held else ""


def eroded_words(instance: Instance, plan: Plan, o: str, t: int) -> str | None:
    """Return a clause on an option of which less is in force in period t than was bought; None if all is in force."""
    level, held = sum(each.size for each in plan.builds if each.option == o), size_in_force(instance, plan, o, t)
    if held >= FULLY_USED * level:
        return None
    limit = ", its largest size" if level >= FULLY_USED * instance.sized[o].max_size else ""
    bought = f"{display_name(instance, o)} is bought at {size_text(instance, o, level)}{limit}"
    return f"{bought}, of which {size_text(instance, o, held)} is in force in {instance.horizon.label(t)}"


def _build_purchases(instance: Instance, result: Result) -> Iterator[Purchase]:
    horizon = instance.horizon
    for build in result.plan.builds:
        option = instance.sized[build.option]
        first = min(build.t + horizon.whole(option.lead_time), len(horizon.periods))
        support = _support_of(instance, result, build)
        invested = option.payments(horizon, build.t, build.size, opened=build.opened)
        payments = [support[t] + invested.get(t, 0.0) for t in horizon.periods]
        spent = math.fsum(payments)
        yield Purchase(
            option=build.option,
            name=display_name(instance, build.option),
            kind=build.kind,
            region="" if option.is_deterrent else _region(instance, build.option),
            over=_region(instance, build.option) if option.is_deterrent else "",
            decided=build.period,
            on_line=horizon.label(first) if first < len(horizon.periods) else "after end",
            t=build.t,
            first=first,
            steps=_steps_in_force(instance, option, build, first),
            size=build.size,
            bought=build.size,
            size_words=size_text(instance, build.option, build.size),
            capex=math.fsum(invested.values()),
            support=math.fsum(support),
            spent=spent,
            outlay=option.budget_share * spent,
            outlays=_by_year(horizon, payments, option.budget_share),
            without_shocks=build.option in result.calm_builds,
            forced=build.option in instance.policy.force,
        )


def _support_of(instance: Instance, result: Result, build: Build) -> list[float]:
    """Return the price support of a build by period, money: its option's, times its share of the capacity in force."""
    horizon, option = instance.horizon, instance.sized[build.option]
    paid = _price_support(instance, result, build.option)
    if not any(paid):
        return paid
    working = {
        each.t: [each.size * option.share_in_force(horizon, each.t, t) for t in horizon.periods]
        for each in result.plan.builds
        if each.option == build.option
    }
    capacity = map(sum, zip(*working.values(), strict=True))
    parts = zip(paid, working[build.t], capacity, strict=True)
    return [amount * mine / whole if whole > 0 else 0.0 for amount, mine, whole in parts]


def _price_support(instance: Instance, result: Result, name: str) -> list[float]:
    """Return the price support of a process or option by period of the baseline, money, undiscounted."""
    horizon, activity = instance.horizon, instance.activities.get(name)
    if activity is None or result.baseline is None:
        return [0.0] * len(horizon.periods)
    return [activity.support.at(horizon.year(t)) * x for t, x in enumerate(result.baseline.row(name, "activity"))]


def support_of_existing(instance: Instance, result: Result) -> dict[int, float]:
    """Return the price support of existing processes, an outlay without a purchase, by year; money, undiscounted."""
    rows = [_price_support(instance, result, name) for name in instance.processes]
    return _by_year(instance.horizon, [math.fsum(some) for some in zip(*rows, strict=True)])


def _by_year(horizon: Horizon, amounts: Iterable[float], share: float = 1.0) -> dict[int, float]:
    """Return amounts by period, times a share, summed by calendar year; years without an amount are left out."""
    found = defaultdict[int, float](float)
    for t, amount in enumerate(amounts):
        if amount:
            found[horizon.year(t)] += share * amount
    return dict(found)


def _region(instance: Instance, o: str) -> str:
    """Return the option's region, or that of the process that it refers to; empty if there is none."""
    option = instance.options[o]
    process = instance.processes.get(getattr(option, "process", None) or "")
    return getattr(option, "region", None) or (process.region if process else None) or ""


def _steps_in_force(instance: Instance, option: Sized, build: Build, first: int) -> tuple[tuple[int, float], ...]:
    horizon, steps = instance.horizon, list[tuple[int, float]]()
    for t in range(first, len(horizon.periods)):
        share = option.share_in_force(horizon, build.t, t)
        if not steps or share != steps[-1][1]:
            steps.append((t, share))
    return tuple(steps)


def _stock_purchases(instance: Instance, result: Result) -> Iterator[Purchase]:
    horizon = instance.horizon
    for o, fills in result.plan.fills.items():
        stock = instance.stocks[o]
        bought = [t for t, fill in enumerate(fills) if fill > ROUNDING * max(fills)]
        if not bought:
            continue
        payments, amount = stock.paid_by_period(horizon, fills), math.fsum(fills)
        spent, in_store = math.fsum(payments), f" beside {si(stock.initial, 't')} in store" if stock.initial else ""
        yield Purchase(
            option=o,
            name=display_name(instance, o),
            kind=stock.kind,
            region="",
            over="",
            decided=horizon.label(bought[0]),
            on_line=horizon.label(bought[-1]),
            t=bought[0],
            first=bought[0],
            steps=((bought[0], 1.0),),
            size=max(result.plan.stocks[o]),
            bought=amount,
            size_words=f"{size_text(instance, o, amount)}{in_store}",
            capex=spent,
            support=0.0,
            spent=spent,
            outlay=stock.budget_share * spent,
            outlays=_by_year(horizon, payments, stock.budget_share),
            without_shocks=o in result.calm_builds,
            forced=o in instance.policy.force,
            fills=tuple(fill if t in bought else 0.0 for t, fill in enumerate(fills)),
        )


# Place, statement and cure of a finding.
PlaceWhatCure = tuple[str, str, str]


@dataclass(frozen=True)
class FittedPlan:
    """A plan adapted to an instance, with recomputed stock paths, and notes on what differs in the instance."""

    plan: Plan
    notes: tuple[str, ...]


def fit_plan(instance: Instance, result: Result, file: str) -> FittedPlan:
    """Return the plan of a result adapted to an instance.

    Raises:
        InstanceError: the plan does not fit the instance; with every reason and its cure.
    """
    horizon = instance.horizon
    labels = tuple(horizon.label(t) for t in horizon.periods)
    if labels != result.periods:
        ours, theirs = f"{labels[0]} to {labels[-1]}", f"{result.periods[0]} to {result.periods[-1]}"
        what = f"its {len(labels)} periods run from {ours}, the plan's {len(result.periods)} from {theirs}"
        raise InstanceError([Finding(file, None, "horizon", what, "Give it the plan's horizon, or solve it anew.")])
    return place_plan(instance, result.plan, file)


def place_plan(instance: Instance, given: Plan, file: str) -> FittedPlan:
    """Return a plan with the horizon of the instance, adapted to the instance.

    Raises:
        InstanceError: the plan does not fit the instance; with every reason and its cure.
    """
    wrong = [*_check_builds(instance, given), *_check_fills(instance, given)]
    if wrong:
        raise InstanceError([Finding(file, None, *words) for words in dict.fromkeys(wrong)])
    plan = with_stock_paths(instance, given)
    notes = tuple(f"{each.option}: {each.what}." for each in list_breaches(instance, plan))
    moved = [o for o, row in plan.stocks.items() if not _is_same(row, given.stocks.get(o, row))]
    if moved:
        notes += (f"Stocks are recomputed, as their initial amounts or losses differ there: {', '.join(moved)}.",)
    over = [Finding(file, None, *words) for words in _check_stocks(instance, plan)]
    if over:
        raise InstanceError(over)
    return FittedPlan(plan, notes)


def _is_same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= NEGLIGIBLE * max(1.0, abs(a)) for a, b in zip(one, other, strict=True))


def _check_builds(instance: Instance, plan: Plan) -> Iterator[PlaceWhatCure]:
    horizon, sizes = instance.horizon, dict[str, float]()
    for build in plan.builds:
        option, where = instance.options.get(build.option), f"options.{build.option}"
        if option is None or option.kind != build.kind or option.is_stock:
            yield _unknown_option(instance, build.option, build.kind)
        elif not _is_open(horizon, option, build):
            what = f"the plan decides it in {build.period}, when it cannot be decided"
            yield where, what, "Change earliest, latest or horizon.decide, or leave the build out of the plan."
        else:
            sizes[build.option] = sizes.get(build.option, 0.0) + build.size
    for o, size in sizes.items():
        most = instance.options[o].largest
        if size > most * (1.0 + NEGLIGIBLE):
            cure = f"Raise max_size to at least {size:g}, or make the build smaller."
            yield f"options.{o}.max_size", f"the plan buys {size:g}, more than its {most:g}", cure


def _is_open(horizon: Horizon, option: Lever, build: Build) -> bool:
    is_decision = build.t in horizon.decisions and horizon.label(build.t) == build.period
    return is_decision and option.allows(horizon.year(build.t))


def _unknown_option(instance: Instance, o: str, kind: str) -> PlaceWhatCure:
    option = instance.options.get(o)
    what = f"the plan buys {o}, of kind {kind}, but there is no such option"
    if option is not None:
        what = f"it is of kind {kind} in the plan, and of kind {option.kind} here"
    return f"options.{o}", what, "Name the instance of the plan, or one with the same options."


def _check_fills(instance: Instance, plan: Plan) -> Iterator[PlaceWhatCure]:
    horizon = instance.horizon
    for o, fills in plan.fills.items():
        bought = [t for t, fill in enumerate(fills) if fill > 0]
        stock = instance.stocks.get(o)
        if stock is None:
            if bought:
                yield _unknown_option(instance, o, Stock.labels.noun)
        elif len(fills) != len(horizon.periods):
            yield f"options.{o}", f"the plan has {len(fills)} purchases, and each period needs one", "Solve it anew."
        elif late := [t for t in bought if not stock.allows(horizon.year(t))]:
            what = f"the plan fills it in {horizon.label(late[0])}, when it cannot be filled"
            yield f"options.{o}", what, "Change earliest or latest, or leave the purchase out of the plan."


def _check_stocks(instance: Instance, plan: Plan) -> Iterator[PlaceWhatCure]:
    for o, row in plan.stocks.items():
        most = instance.options[o].largest
        if max(row) > most * (1.0 + NEGLIGIBLE):
            cure = f"Raise max_size to at least {max(row):g}, or buy less."
            yield f"options.{o}.max_size", f"the plan holds {si(max(row), 't')}, more than its {si(most, 't')}", cure


# The brief lists at most this number of orders, so that it fits on one page.
MOST_ORDERS = 7


@dataclass(frozen=True)
class Order:
    """The decisions on one option in a year."""

    option: str
    name: str
    when: str  # label of the period of the first decision of the year
    on_line: str  # label of the period from which all of it is in force, or of the last purchase of a stockpile
    size: str  # with its unit
    money: float  # outlay in that year, undiscounted
    total: float  # outlay in all years, undiscounted
    is_stock: bool  # whether it is a stockpile, which is bought in parts


def first_year(instance: Instance, result: Result) -> int:
    """Return the calendar year of the first purchase; the start of the horizon if nothing is bought."""
    return min((instance.horizon.year(move.t) for move in purchases(instance, result)), default=instance.horizon.start)


def first_year_of_all(futures: Iterable[tuple[Instance, Result]]) -> int:
    """Return the earliest `first_year` of the futures with purchases; of all futures if none has purchases."""
    pairs = list(futures)
    return min(first_year(*pair) for pair in [pair for pair in pairs if purchases(*pair)] or pairs)


def orders_of(instance: Instance, result: Result, year: int) -> tuple[Order, ...]:
    """Return the orders of a year, the largest outlay first."""
    by_option = defaultdict[str, list[Purchase]](list)
    for move in purchases(instance, result):
        if instance.horizon.year(move.t) == year:
            by_option[move.option].append(move)
    found = (_order(instance, moves, year) for moves in by_option.values())
    return tuple(sorted(found, key=lambda order: -order.money))


def _order(instance: Instance, moves: Sequence[Purchase], year: int) -> Order:
    """Return one order for the purchases of an option in a year: a stockpile, or one or more builds."""
    first, last = moves[0], moves[-1]
    size = math.fsum(move.size for move in moves)
    words = first.size_words if first is last else size_text(instance, first.option, size)
    money, total = math.fsum(move.outlays.get(year, 0.0) for move in moves), math.fsum(move.outlay for move in moves)
    return Order(first.option, first.name, first.decided, last.on_line, words, money, total, bool(first.fills))


def delay_groups(orders: Sequence[Order]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of options whose delays the brief shows: all orders together, then each order that it lists."""
    options = options_of(orders)
    if len(options) < 2:
        return (options,) if options else ()
    return (options, *((each,) for each in options_of(orders[:MOST_ORDERS])))


def options_of(orders: Iterable[Order]) -> tuple[str, ...]:
    """Return the options of the given orders, each once."""
    return tuple(dict.fromkeys(order.option for order in orders))


@dataclass(frozen=True)
class Delay:
    """The effect of postponing decisions by a year."""

    options: tuple[str, ...]  # the options whose builds of the year, or purchases of all years, are delayed
    # Names of the shocks that the plan survives without the delay only, the largest gap first.
    failed: tuple[str, ...]
    # The shock whose gap grows most; if no gap grows, the one whose shortage grows most; None if no shortage grows.
    shock: str | None
    gap: float  # increase of the gap in `shock`, money
    below_floor: float  # increase of the shortage below the floor in `shock`, t
    # Increase of the unserved demand in `shock`, t, and its value at shortage cost, money.
    shortage: float
    shortage_cost: float
    cost: float  # increase of the plan's total cost, present value, money; negative if the plan becomes cheaper
    broken_rules: tuple[Finding, ...] = ()  # rules of the instance that the delayed plan breaks


# The evaluated delays, by name of the future.
DelaysByFuture = Mapping[str, Sequence[Delay]]


def first_start_words(instance: Instance) -> str:
    """Return a sentence on the start of the first shock, which dates the purchases; empty without shocks."""
    first = min((event.periods.start for event in instance.events), default=None)
    if first is None:
        return ""
    return f" The first shock begins in {instance.horizon.label(first)}; other starts can need other dates."


def outlay_note(instance: Instance, result: Result, moves: Sequence[Purchase]) -> str:
    """Return the notes on the difference between the money spent and the outlay; empty if there is none."""
    note = f" {said}" if (said := outlay_part_note(moves)) else ""
    if existing := math.fsum(support_of_existing(instance, result).values()):
        note += f" Price support of existing processes, {si(existing, result.money)}, is in the outlay as well."
    if any(len(move.outlays) > 1 for move in moves if not move.fills and not move.support):
        note += " What an option pays in later years is spent as well."
    rest = result.outlay - math.fsum(move.outlay for move in moves) - existing
    if rest > NEGLIGIBLE * result.outlay:
        note += f" {si(rest, result.money)} of the outlay belongs to no purchase of the table."
    return note


def ramp_words(instance: Instance, purchase: Purchase) -> str | None:
    """Return the share of size in force from each period on, ``2028 50 %, 2029 100 %``; None if it is constant."""
    if len(purchase.steps) < 2:
        return None
    return ", ".join(f"{instance.horizon.label(t)} {fixed(100 * share, 0)} %" for t, share in purchase.steps)
