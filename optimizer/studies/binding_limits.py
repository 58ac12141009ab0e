"""What binds: the floors and limits with the largest shadow prices.

These are duals of the LP with fixed integers and slightly lower floors, of cost if every floor holds or gaps have a
price, else of the survival gap. Each is multiplied by a step of practical size: one point of a floor, one per cent of a
limit. A large step may save less.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

from optimizer.algorithms.problem import DualValues, SearchResult
from optimizer.disruptions.path import BASELINE
from optimizer.instance.derived import display_name, has_only_stocks, region_name
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance, ShareRule, SurvivalRule
from optimizer.model.builder import Column, Mark, Row
from optimizer.results.plan import Price
from optimizer.tolerances import FINE_ROUNDING, NEGLIGIBLE, NEGLIGIBLE_PRICE, ROUNDING

PERCENT_POINT = 0.01
MOST_PRICES = 12
MONTH_LESS = "one month less"
# What a point is, or how good the price of a step, by step. Months are no limit of the linear programme: they divide
# stocks, so that the saving of a whole month may be more or less than the rate.
POINTS = {
    MONTH_LESS: " One month less: the rate of a small change of the months; a whole month may save more or less.",
    "one point looser": " A share of production: a point is 1 % of what this plan produces; it may save a little more.",
    "one point less": " Having to run: a point is 1 % of capacity.",
}
# Name of the limit and of the step, both for people; the size of the step, or the step's shadow price.
StepSize = tuple[str, str, float]
MarkedStep = tuple[Mark, str, str, float]


def binding_limits(instance: Instance, solved: SearchResult) -> tuple[Price, ...]:
    """Return the largest shadow prices, each summed over the rows and bounds of one limit; empty without duals."""
    duals = solved.duals
    if duals is None:
        return ()
    prices_by_step: dict[tuple[str, str], float] = defaultdict(float)
    marks_by_step: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    paths = _deterred_attacks(instance, duals)
    paths |= _shocks_without_effect(instance, duals) if solved.gap > 0 else frozenset()
    for mark, what, step, price in (*_row_prices(instance, duals, paths), *_bound_prices(instance, duals, paths)):
        prices_by_step[what, step] += price
        marks_by_step[what, step].add((mark.owner, mark.path))
    total = max(abs(solved.objective), solved.gap, FINE_ROUNDING)
    known = [(key, price) for key, price in prices_by_step.items() if price > NEGLIGIBLE_PRICE * total]
    prices = (
        Price(what, step, float(price), *_keys(instance, marks_by_step[what, step])) for (what, step), price in known
    )
    return tuple(sorted(prices, key=lambda price: -price.worth)[:MOST_PRICES])


def _keys(instance: Instance, marks: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return the keys of the one owner in the file, and of the one shock, to which a limit belongs; else no key."""
    owners, paths = ({*each} for each in zip(*marks, strict=True))
    tables = (instance.options, instance.processes, instance.demands, instance.commodities)
    owner = owners.pop() if len(owners) == 1 else ""
    shock = paths.pop() if len(paths) == 1 else ""
    is_of_shock = shock not in instance.rule_paths and shock != BASELINE
    return owner if any(owner in table for table in tables) else "", shock if is_of_shock else ""


def _row_prices(instance: Instance, duals: DualValues, without_effect: frozenset[str]) -> Iterator[MarkedStep]:
    """Yield the mark, the label, the step and the step's shadow price of each row that binds."""
    for row, price in zip(duals.builder.rows, duals.duals, strict=True):
        has_no_effect = row.mark.path in without_effect and row.mark.what != "deter"
        if price == 0 or has_no_effect or (row.mark.what == "most" and not _is_used(duals, row)):
            continue
        is_of_rule = row.mark.path in instance.rule_paths
        limits = _limit_of_rule(instance, duals, row) if is_of_rule else _limit_of_row(instance, duals, row, price)
        for what, step, size in limits:
            yield row.mark, what, step, abs(price) * size


def _bound_prices(instance: Instance, duals: DualValues, without_effect: frozenset[str]) -> Iterator[MarkedStep]:
    """Yield the mark, the label, the step and the step's shadow price of each upper bound that binds."""
    for column, value, price in zip(duals.builder.columns, duals.values, duals.reduced_costs, strict=True):
        is_at_bound = price < 0 and value >= column.upper * (1 - ROUNDING) > 0
        if is_at_bound and column.mark.path not in instance.rule_paths and column.mark.path not in without_effect:
            for what, step, size in _limit_of_column(instance, column):
                yield column.mark, what, step, -price * size


def _deterred_attacks(instance: Instance, duals: DualValues) -> frozenset[str]:
    """Return the attacks of the model that the plan deters: they are no shocks, so their limits do not matter."""
    if instance.adversary is None:
        return frozenset()
    paths = {row.mark.path for row in duals.builder.rows if row.mark.what == "deter"}
    return frozenset(paths - {event.name for event in instance.events})


def _shocks_without_effect(instance: Instance, duals: DualValues) -> frozenset[str]:
    """Return the shocks without a gap whose limits cannot reduce the gaps of other shocks, whatever their duals.

    The dual of a floor that just holds may be that of raising it by a point, which would cause a gap; lowering it saves
    nothing in that shock. It may help another shock, but only if shocks compete: if a budget, a rule or the baseline's
    supply chain, which options share, has a non-zero dual. More of a single option helps all shocks alike.
    """
    for row, price in zip(duals.builder.rows, duals.duals, strict=True):
        if price != 0 and row.mark.path in ("", BASELINE) and row.mark.owner not in instance.options:
            return frozenset()
    below: dict[str, float] = defaultdict(float)
    for column, value in zip(duals.builder.columns, duals.values, strict=True):
        if column.mark.what == "below":
            below[column.mark.path] = max(below[column.mark.path], value)
    rounding = NEGLIGIBLE * max(below.values(), default=0.0)
    return frozenset(event.name for event in instance.events if below[event.name] <= rounding)


def _is_used(duals: DualValues, row: Row) -> bool:
    """Return whether the row's option is bought: a closed option is limited by its integer, not by its largest size."""
    sizes = [duals.values[column] for column, value in row.terms.items() if value > 0]
    return max(sizes, default=0.0) > NEGLIGIBLE * max((-value for value in row.terms.values()), default=0.0)


def _limit_of_row(instance: Instance, duals: DualValues, row: Row, price: float) -> Iterator[StepSize]:
    """Yield the name of the limit that a row sets, the step, and the step's size in the row's unit."""
    owner, what, name = row.mark.owner, row.mark.what, display_name(instance, row.mark.owner)
    if what == "floor" and row.t is not None:
        demanded = instance.path(instance.event(row.mark.path)).demand_at(owner, row.t)
        yield f"the floor of {name} in {row.mark.path}", "one point lower", PERCENT_POINT * demanded
    elif what in ("max", "most"):
        yield _largest_size(name), "1 % more", PERCENT_POINT * getattr(instance.options[owner], "max_size", 0.0)
    elif what == "limit":
        # The remainder of a cut under leverage is a share of capacity, as the other bounds on capacity are.
        yield _capacity(name), "1 % more", PERCENT_POINT * _activity_in_row(duals, row)
    elif what == "run" and owner in instance.options:
        # The activity runs at the share `min_utilisation` of the capacity in force.
        share = getattr(instance.options[owner], "min_utilisation", 0.0)
        yield (
            f"{name} having to run in the baseline",
            "one point less",
            PERCENT_POINT * _activity_in_row(duals, row) / share,
        )
    elif what == "deter":
        yield from _deterrence(instance, row.mark.path)
    elif what == "balance" and row.rhs < 0:
        yield f"the scrap there is: {name}", "1 % more", PERCENT_POINT * -row.rhs
    else:
        yield from _limit_of_policy_row(instance, duals, row, price)


def _largest_size(name: str) -> str:
    return f"the largest size of {name}"


def _capacity(name: str) -> str:
    return f"the capacity of {name} in the shocks"


def _activity_in_row(duals: DualValues, row: Row) -> float:
    """Return the sum of the activity terms in a row, t."""
    columns = duals.builder.columns
    return math.fsum(value * duals.values[j] for j, value in row.terms.items() if columns[j].mark.what == "activity")


def _deterrence(instance: Instance, attack: str) -> Iterator[StepSize]:
    """Yield the deterrence limit of an attack; its row is scaled by the cost that is missing for deterrence."""
    adversary = instance.adversary
    made = None if adversary is None else adversary.attack(attack, instance.horizon)
    if adversary is not None and made is not None:
        needed = adversary.deterred_from - adversary.price(made.targets)
        yield "the attack budget to be deterred", "1 % less", PERCENT_POINT * adversary.deterred_from / needed


def _limit_of_policy_row(instance: Instance, duals: DualValues, row: Row, price: float) -> Iterator[StepSize]:
    """Yield the name, the step and the step's size of the limit that a policy row sets."""
    what = row.mark.what
    if what == "budget":
        yield "the budget", "1 % more", PERCENT_POINT * row.rhs
    elif what.startswith("annual_budget"):
        yield f"the budget of {what.rsplit('_', 1)[1]}", "1 % more", PERCENT_POINT * row.rhs
    elif what.startswith("force_"):
        o, _, year = what.removeprefix("force_").rpartition("_")
        step = "1 % less" if price > 0 else "1 % more"
        yield f"having to buy {display_name(instance, o)} in {year}", step, PERCENT_POINT * row.rhs
    elif what.startswith(("max_share", "min_share")):
        yield (
            _share_rule_name(instance, what),
            "one point looser",
            PERCENT_POINT * _production(instance, duals, what, row.t),
        )


def rule_name(rule: SurvivalRule) -> str:
    """Return the name of a time-to-survive rule among the binding limits."""
    return f"the rule of {rule}"


def _limit_of_rule(instance: Instance, duals: DualValues, row: Row) -> Iterator[StepSize]:
    """Yield the limit of a time-to-survive rule; if only stocks are no rates, a month less is a share of their use."""
    path = instance.rule_paths[row.mark.path]
    rule = instance.policy.min_time_to_survive[int(path.key.removeprefix(f"{MIN_TIME_TO_SURVIVE}_").partition("@")[0])]
    if row.mark.what == "floor" and row.t is not None:
        demanded = path.demand_at(row.mark.owner, row.t)
        name = f"the floor of {display_name(instance, row.mark.owner)} in {rule_name(rule)}"
        yield name, "one point lower", PERCENT_POINT * demanded
    elif row.mark.what == "left" and has_only_stocks(instance):
        columns = duals.builder.columns
        used = sum(value * duals.values[j] for j, value in row.terms.items() if columns[j].mark.path)
        yield rule_name(rule), MONTH_LESS, used / rule.months


def _production(instance: Instance, duals: DualValues, what: str, t: int | None) -> float:
    """Return the baseline production, in period t, of the commodity of a share rule; in t."""
    commodity = _share_rule(instance, what).commodity
    accounts = duals.builder.accounts("production").items()
    of_it = [amount for (path, c, _, _, at), amount in accounts if (path, c, at) == (BASELINE, commodity, t)]
    return math.fsum(amount.value(duals.values.tolist()) for amount in of_it)


def _share_rule(instance: Instance, what: str) -> ShareRule:
    field, _, number = what.rpartition("_")
    rules: tuple[ShareRule, ...] = getattr(instance.policy, field)
    return rules[int(number)]


def _share_rule_name(instance: Instance, what: str) -> str:
    rule = _share_rule(instance, what)
    region = f"from {region_name(instance, rule.region)}" if rule.region else ""
    source = " ".join(part for part in (rule.kind, region) if part)
    words = "at most" if what.startswith("max_share") else "at least"
    return f"the rule that {words} {100 * rule.share:g} % of {display_name(instance, rule.commodity)} comes {source}"


def _limit_of_column(instance: Instance, column: Column) -> Iterator[StepSize]:
    name, what, size = display_name(instance, column.mark.owner), column.mark.what, PERCENT_POINT * column.upper
    words = {
        "size": _largest_size(name),
        "stock": f"the largest stock of {name}",
        "fill": f"the rate at which {name} can be filled",
        "release": f"the rate at which {name} can be released",
        "substituted": f"the share that {name} can serve",
        "activity": _capacity(name),
    }
    if what == "activity" and column.mark.owner in instance.options:
        # The activity of an option is limited by the option's largest size.
        yield _largest_size(name), "1 % more", size
    elif what in words and (column.mark.path != BASELINE or what == "substituted"):
        yield words[what], "1 % more", size
