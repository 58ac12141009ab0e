"""What binds, in words: the floors and limits whose prices are largest.

Prices are the duals of the linear programme with its integers fixed: of cost where every floor is kept, of the survival
gap where floors fail. Each is multiplied by one step that a reader can picture: one point of a floor, one per cent of a
limit. What it says holds near the plan; a large step may be worth less.
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
Found = tuple[str, str, float]


def binding_limits(instance: Instance, solved: SearchResult, most: int = 12) -> tuple[Price, ...]:
    """The `most` largest worths, of groups of rows and bounds that belong together; empty without prices."""
    priced = solved.duals
    if priced is None:
        return ()
    worths: dict[tuple[str, str], float] = defaultdict(float)
    idle = _without_effect(instance, priced) if solved.gap > 0 else frozenset()
    for row, price in zip(priced.stage.rows, priced.prices, strict=True):
        if price == 0 or row.mark.path in idle or (row.mark.what == "most" and not _is_used(priced, row)):
            continue
        found = _of_rule(instance, priced, row) if row.mark.path in instance.rules else _row(instance, row, price)
        for what, step, size in found:
            worths[what, step] += abs(price) * size
    for column, value, price in zip(priced.stage.columns, priced.values, priced.reduced, strict=True):
        is_of_rule = column.mark.path in instance.rules
        if price < 0 and value >= column.upper * (1 - ROUNDING) > 0 and not is_of_rule and column.mark.path not in idle:
            for what, step, size in _column(instance, column):
                worths[what, step] += -price * size
    total = max(abs(solved.cost), solved.gap, FINE_ROUNDING)
    prices = [
        Price(what, step, float(worth)) for (what, step), worth in worths.items() if worth > NEGLIGIBLE_PRICE * total
    ]
    return tuple(sorted(prices, key=lambda price: -price.worth)[:most])


def _without_effect(instance: Instance, priced: DualValues) -> frozenset[str]:
    """The shocks without a gap whose limits can save none of the others', whatever prices the solver gives them.

    The price of a floor that is just kept may be that of one point more, which would leave a gap; one point less saves
    nothing there. It may free something for another shock, but only where shocks compete: where a budget, a rule or the
    baseline's chain, which options share, has a price of its own. More of a single option helps all shocks alike.
    """
    priced_marks = [row.mark for row, price in zip(priced.stage.rows, priced.prices, strict=True) if price != 0]
    if any(mark.path in ("", BASELINE) and mark.owner not in instance.options for mark in priced_marks):
        return frozenset()
    columns = zip(priced.stage.columns, priced.values, strict=True)
    below = [(column.mark.path, value) for column, value in columns if column.mark.what == "below"]
    rounding = NEGLIGIBLE * max((value for _, value in below), default=0.0)
    return frozenset(event.name for event in instance.events) - {path for path, value in below if value > rounding}


def _is_used(priced: DualValues, row: Row) -> bool:
    """Whether anything is bought there: an option that stays closed is held by its integer, not by its largest size."""
    return any(value > 0 and priced.values[column] > 0 for column, value in row.terms.items())


def _row(instance: Instance, row: Row, price: float) -> Iterator[Found]:
    owner, what = row.mark.owner, row.mark.what
    name = display_name(instance, owner)
    if what == "floor" and row.t is not None:
        asked = instance.path(instance.event(row.mark.path)).demanded(owner, row.t)
        yield f"the floor of {name} in {row.mark.path}", "one point lower", POINT * asked
    elif what == "budget":
        yield "the budget", "1 % more", POINT * row.right
    elif what.startswith("annual_budget"):
        yield f"the budget of {what.rsplit('_', 1)[1]}", "1 % more", POINT * row.right
    elif what in ("max", "most"):
        yield f"the largest size of {name}", "1 % more", POINT * getattr(instance.options[owner], "max_size", 0.0)
    elif what == "limit":
        yield f"what is left of {name} in the shocks", "1 % more", POINT * row.right
    elif what == "run" and owner in instance.options:
        yield f"{name} having to run in the baseline", "one point less", POINT * instance.horizon.delta
    elif what == "balance" and row.right < 0:
        yield f"the scrap there is: {name}", "1 % more", POINT * -row.right
    elif what.startswith("force_"):
        o, _, year = what.removeprefix("force_").rpartition("_")
        yield (
            f"having to buy {display_name(instance, o)} in {year}",
            "1 % less" if price > 0 else "1 % more",
            POINT * row.right,
        )
    elif what.startswith(("max_share", "min_share")):
        yield _rule(instance, what), "one point looser", POINT


def _of_rule(instance: Instance, priced: DualValues, row: Row) -> Iterator[Found]:
    """A rule about time to survive: all but stock is a rate, so a month less is a share of the stock."""
    path = instance.rules[row.mark.path]
    rule = instance.policy.min_time_to_survive[int(path.key.removeprefix(f"{RULE}_").partition("@")[0])]
    if row.mark.what == "floor" and row.t is not None:
        asked = path.demanded(row.mark.owner, row.t)
        yield (
            f"the floor of {display_name(instance, row.mark.owner)} in the rule of {rule}",
            "one point lower",
            POINT * asked,
        )
    elif row.mark.what == "left":
        columns = priced.stage.columns
        used = sum(value * priced.values[j] for j, value in row.terms.items() if columns[j].mark.path)
        yield f"the rule of {rule}", "one month less", used / rule.months


def _rule(instance: Instance, what: str) -> str:
    field, index = what[:9], int(what[10:])
    rule = getattr(instance.policy, field)[index]
    region = f"from {region_name(instance, rule.region)}" if rule.region else ""
    source = " ".join(part for part in (rule.kind, region) if part)
    words = "at most" if field == "max_share" else "at least"
    return f"the rule that {words} {100 * rule.share:g} % of {display_name(instance, rule.commodity)} comes {source}"


def _column(instance: Instance, column: Column) -> Iterator[Found]:
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
