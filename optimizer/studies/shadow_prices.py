"""What binds, in words: the floors and limits whose prices are largest.

Prices are the duals of the linear programme with its integers fixed: of cost where every floor is kept, of the survival
gap where floors fail. Each is multiplied by one step that a reader can picture: one point of a floor, one per cent of a
limit. Prices hold near the plan; a large step may have a smaller value.
"""

from collections import defaultdict
from collections.abc import Iterator

from optimizer.algorithms.strategy import DualValues, SearchResult
from optimizer.disruptions.shock import BASELINE
from optimizer.instance.derived import display_name, region_name
from optimizer.instance.schema import RULE, Instance
from optimizer.model.builder import Column, Row
from optimizer.results.plan import Price
from optimizer.tolerances import FINE_ROUNDING, NEGLIGIBLE, NEGLIGIBLE_PRICE, ROUNDING

POINT = 0.01
MOST_PRICES = 12
# What is limited and a step of it, in words; the step's size, or its shadow price.
StepSize = tuple[str, str, float]


def binding_limits(instance: Instance, solved: SearchResult) -> tuple[Price, ...]:
    """The largest shadow prices, of groups of rows and bounds that belong together; empty without prices."""
    duals = solved.duals
    if duals is None:
        return ()
    prices_by_step: dict[tuple[str, str], float] = defaultdict(float)
    without_effect = _deterred(instance, duals)
    without_effect |= _without_effect(instance, duals) if solved.gap > 0 else frozenset()
    for what, step, price in (*_rows(instance, duals, without_effect), *_columns(instance, duals, without_effect)):
        prices_by_step[what, step] += price
    total = max(abs(solved.cost), solved.gap, FINE_ROUNDING)
    known = [(key, price) for key, price in prices_by_step.items() if price > NEGLIGIBLE_PRICE * total]
    prices = (Price(what, step, float(price)) for (what, step), price in known)
    return tuple(sorted(prices, key=lambda price: -price.worth)[:MOST_PRICES])


def _rows(instance: Instance, duals: DualValues, without_effect: frozenset[str]) -> Iterator[StepSize]:
    """The shadow price of a step of each row, with its label."""
    for row, price in zip(duals.builder.rows, duals.duals, strict=True):
        is_idle = row.mark.path in without_effect and row.mark.what != "deter"
        if price == 0 or is_idle or (row.mark.what == "most" and not _is_used(duals, row)):
            continue
        is_of_rule = row.mark.path in instance.rules
        for what, step, size in _of_rule(instance, duals, row) if is_of_rule else _row(instance, row, price):
            yield what, step, abs(price) * size


def _columns(instance: Instance, duals: DualValues, without_effect: frozenset[str]) -> Iterator[StepSize]:
    """The shadow price of a step of each upper bound, with its label."""
    for column, value, price in zip(duals.builder.columns, duals.values, duals.reduced_costs, strict=True):
        is_at_bound = price < 0 and value >= column.upper * (1 - ROUNDING) > 0
        if is_at_bound and column.mark.path not in instance.rules and column.mark.path not in without_effect:
            for what, step, size in _column(instance, column):
                yield what, step, -price * size


def _deterred(instance: Instance, duals: DualValues) -> frozenset[str]:
    """The attacks of the model that are not among the shocks: the plan deters them, and their limits do not matter."""
    if instance.adversary is None:
        return frozenset()
    paths = {row.mark.path for row in duals.builder.rows if row.mark.what == "deter"}
    return frozenset(paths - {event.name for event in instance.events})


def _without_effect(instance: Instance, duals: DualValues) -> frozenset[str]:
    """The shocks without a gap whose limits can save none of the others', whatever prices the solver gives them.

    The price of a floor that is just kept may be that of one point more, which would leave a gap; one point less saves
    nothing there. It may free something for another shock, but only where shocks compete: where a budget, a rule or the
    baseline's chain, which options share, has a price of its own. More of a single option helps all shocks alike.
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
    """Whether anything is bought there: an option that stays closed is held by its integer, not by its largest size."""
    return any(value > 0 and duals.values[column] > 0 for column, value in row.terms.items())


def _row(instance: Instance, row: Row, price: float) -> Iterator[StepSize]:
    """What a row limits, a step of it, and the step's size in the row's unit."""
    owner, what, name = row.mark.owner, row.mark.what, display_name(instance, row.mark.owner)
    if what == "floor" and row.t is not None:
        demanded = instance.path(instance.event(row.mark.path)).demanded(owner, row.t)
        yield f"the floor of {name} in {row.mark.path}", "one point lower", POINT * demanded
    elif what in ("max", "most"):
        yield f"the largest size of {name}", "1 % more", POINT * getattr(instance.options[owner], "max_size", 0.0)
    elif what == "limit":
        yield f"what is left of {name} in the shocks", "1 % more", POINT * row.rhs
    elif what == "run" and owner in instance.options:
        yield f"{name} having to run in the baseline", "one point less", POINT * instance.horizon.delta
    elif what == "deter":
        yield from _deterrence(instance, row.mark.path)
    elif what == "balance" and row.rhs < 0:
        yield f"the scrap there is: {name}", "1 % more", POINT * -row.rhs
    else:
        yield from _policy_row(instance, row, price)


def _deterrence(instance: Instance, attack: str) -> Iterator[StepSize]:
    """What an attack has to cost for the adversary not to make it; its row is divided by what is missing of that."""
    adversary = instance.adversary
    made = None if adversary is None else adversary.attack(attack, instance.horizon)
    if adversary is not None and made is not None:
        needed = adversary.deterred_from - adversary.price(made.targets)
        yield "the attack budget to be deterred", "1 % less", POINT * adversary.deterred_from / needed


def _policy_row(instance: Instance, row: Row, price: float) -> Iterator[StepSize]:
    """The same of a row of the policy."""
    what = row.mark.what
    if what == "budget":
        yield "the budget", "1 % more", POINT * row.rhs
    elif what.startswith("annual_budget"):
        yield f"the budget of {what.rsplit('_', 1)[1]}", "1 % more", POINT * row.rhs
    elif what.startswith("force_"):
        o, _, year = what.removeprefix("force_").rpartition("_")
        step = "1 % less" if price > 0 else "1 % more"
        yield f"having to buy {display_name(instance, o)} in {year}", step, POINT * row.rhs
    elif what.startswith(("max_share", "min_share")):
        yield _rule(instance, what), "one point looser", POINT


def _of_rule(instance: Instance, duals: DualValues, row: Row) -> Iterator[StepSize]:
    """A rule about time to survive: all but stock is a rate, so a month less is a share of the stock."""
    path = instance.rules[row.mark.path]
    rule = instance.policy.min_time_to_survive[int(path.key.removeprefix(f"{RULE}_").partition("@")[0])]
    if row.mark.what == "floor" and row.t is not None:
        demanded = path.demanded(row.mark.owner, row.t)
        yield (
            f"the floor of {display_name(instance, row.mark.owner)} in the rule of {rule}",
            "one point lower",
            POINT * demanded,
        )
    elif row.mark.what == "left":
        columns = duals.builder.columns
        used = sum(value * duals.values[j] for j, value in row.terms.items() if columns[j].mark.path)
        yield f"the rule of {rule}", "one month less", used / rule.months


def _rule(instance: Instance, what: str) -> str:
    field, index = what[:9], int(what[10:])
    rule = getattr(instance.policy, field)[index]
    region = f"from {region_name(instance, rule.region)}" if rule.region else ""
    source = " ".join(part for part in (rule.kind, region) if part)
    words = "at most" if field == "max_share" else "at least"
    return f"the rule that {words} {100 * rule.share:g} % of {display_name(instance, rule.commodity)} comes {source}"


def _column(instance: Instance, column: Column) -> Iterator[StepSize]:
    name, what, size = display_name(instance, column.mark.owner), column.mark.what, POINT * column.upper
    in_shock = bool(column.mark.path) and column.mark.path != "baseline"
    words = {
        "stock": f"the largest stock of {name}",
        "fill": f"the rate at which {name} can be filled",
        "release": f"the rate at which {name} can be released",
        "substituted": f"the share that {name} can serve",
        "activity": f"the capacity of {name} in the shocks",
    }
    if what in words and (in_shock or not column.mark.path):
        yield words[what], "1 % more", size
