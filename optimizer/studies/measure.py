"""What differences between plans are measured by: the price of survival, and which of them are proven.

price        total cost less the no-shock plan's, present value
measure      the price; a thousandth of the total cost where that is more (no shocks, survival that costs nothing)
tolerance    a share of the measure, money: costs are proven to it wherever plans are compared
difference   of two optima, each known between its lower bound and the value of the plan that was found

Most of the total cost is ordinary purchases, which every plan makes: a share of it does not measure survival.
Where floors fail, survival gaps are compared first; they are proven to a share of themselves.

What binds are the floors and limits whose prices are largest. Prices are the duals of the linear programme with its
integers fixed: of cost where every floor is kept, of the survival gap where floors fail. Each is multiplied by one step
that a reader can picture: one point of a floor, one per cent of a limit. Prices hold near the plan; a large step may
have a smaller value.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from optimizer.algorithms.extensive_form import solve_whole
from optimizer.algorithms.problem import DualValues, SearchResult
from optimizer.algorithms.reading import read_no_shock
from optimizer.disruptions.shock import BASELINE
from optimizer.instance.derived import display_name, region_name
from optimizer.instance.edits import without_disruptions
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance
from optimizer.model.builder import Column, Row
from optimizer.results.plan import NoShockPlan, Price
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings
from optimizer.tolerances import (
    FINE_ROUNDING,
    FINEST_SHARE,
    NEGLIGIBLE,
    NEGLIGIBLE_PRICE,
    NO_SHOCK_GAP,
    ROUNDING,
    SAME_VALUE,
)
from optimizer.units import parse_amount

# Share of the price of survival to which costs are proven where plans are compared, by default: less takes
# an integer programme several times as long, and no table shows a difference that is smaller.
MEASURE_SHARE = 0.02
# Survival gaps are proven to this share of themselves at least, and costs to this share of the total cost where a
# search takes its time.
GAP_SHARE = 5e-3
# Seconds of one search with integers after which that is near enough.
SEARCH_SECONDS = 5.0
# A measure is this share of the total cost at least.
LEAST_SHARE_OF_COST = 1e-3
# Seconds in which the no-shock plan's cost is proven.
NO_SHOCK_SECONDS = 20.0

MeasureKind = Literal["price of survival", "cost above the no-shock plan", "total cost"]


@dataclass(frozen=True)
class Measure:
    """What costs of an instance's plans are measured by."""

    # The price of survival; the same difference of a plan that leaves a survival gap; or a thousandth of the total
    # cost.
    kind: MeasureKind
    amount: float  # money, present value
    share: float  # of it, to which costs are proven
    least: float = 0.0  # money below which nothing is proven

    @classmethod
    def of(cls, cost: float, no_shock_cost: float | None, share: float, survival_gap: float = 0.0) -> "Measure":
        """The measure of plans that are compared with one of this cost and gap.

        `no_shock_cost` is None where it is not known.
        """
        price, least = 0.0 if no_shock_cost is None else cost - no_shock_cost, LEAST_SHARE_OF_COST * abs(cost)
        kind: MeasureKind = "price of survival" if survival_gap <= 0 else "cost above the no-shock plan"
        kind = kind if price >= least and price > 0 else "total cost"
        return cls(kind, max(price, least), share, FINEST_SHARE * abs(cost))

    @classmethod
    def of_result(cls, result: Result, no_shock_cost: float | None, share: float) -> "Measure":
        """The measure of plans that are compared with a result."""
        return cls.of(result.total_cost, no_shock_cost, share, result.survival_gap)

    @property
    def tolerance(self) -> float:
        """Money to which costs are proven."""
        return max(self.share * self.amount, self.least)

    def nearer(self, amount: float) -> "Measure":
        """The same with a tolerance of no more than an amount of money."""
        if self.amount <= 0 or self.share * self.amount <= amount:
            return self
        return replace(self, share=amount / self.amount)

    def settings(self, settings: Settings) -> Settings:
        """The settings of a search whose costs are proven to the tolerance."""
        return replace(before_measure(settings), tolerance=self.tolerance, patience=SEARCH_SECONDS)

    def is_proven(self, result: Result) -> bool:
        """Whether the cost of a plan is proven to the tolerance."""
        return self.proves(result.total_cost, result.bound)

    def proves(self, cost: float, bound: float | None) -> bool:
        """Whether a cost is within the tolerance of its lower bound."""
        return bound is not None and cost - bound <= self.tolerance * (1.0 + SAME_VALUE)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "amount": self.amount, "tolerance": self.tolerance}


def proven_objective(known: Result, instance: Instance) -> float:
    """What is proven of the least cost with all floors kept, or with gaps at their price; nothing where floors fail."""
    price = instance.policy.gap_price
    if known.bound is None or (price is None and not known.survives):
        return -math.inf
    return known.bound + (0.0 if price is None else price * known.survival_gap)


def finite_or_none(number: float) -> float | None:
    """For JSON, where what is not known is null."""
    return number if math.isfinite(number) else None


def before_measure(settings: Settings) -> Settings:
    """The settings of a search before the measure is known, and of survival gaps: near enough, as a share of itself."""
    return replace(settings, mip_gap=min(settings.mip_gap, GAP_SHARE), tolerance=None)


def exact_no_shock(
    instance: Instance, settings: Settings, clock: Clock, known: Result | None = None
) -> NoShockPlan | None:
    """The cheapest plan without shocks and rules about surviving, as `known` has it; None without, or not in time."""
    if known is not None and known.no_shock is not None:
        return known.no_shock
    if not instance.events and not instance.survival_rules:
        return None
    left = NO_SHOCK_SECONDS if clock.left is None else min(NO_SHOCK_SECONDS, clock.left)
    exact = replace(settings, mip_gap=min(settings.mip_gap, NO_SHOCK_GAP), tolerance=None, checkpoint=None)
    return no_shock_plan(instance, exact, Clock(left))


def no_shock_plan(instance: Instance, settings: Settings, clock: Clock) -> NoShockPlan | None:
    """The same, proven to the gap of the settings."""
    variant = without_disruptions(instance)
    found = solve_whole(variant, settings, clock, lambda step: None)
    if found.values is None or found.status != "optimal":
        return None
    return read_no_shock(variant, found.builder, found.values.tolist(), found.cost)


def no_shock_cost(instance: Instance, settings: Settings, clock: Clock) -> float | None:
    """What that plan costs."""
    found = exact_no_shock(instance, settings, clock)
    return None if found is None else found.total_cost


@dataclass(frozen=True)
class ProvenDifference:
    """What one optimum is more than another: of the plans that were found, and within which bounds it is proven."""

    value: float
    low: float
    high: float

    @classmethod
    def of(
        cls, before: float, before_bound: float | None, after: float, after_bound: float | None
    ) -> "ProvenDifference":
        """`after` less `before`, of which the bounds are None where nothing is proven."""
        floor = -math.inf if before_bound is None else min(before_bound, before)
        least = -math.inf if after_bound is None else min(after_bound, after)
        rounding = FINEST_SHARE * max(abs(before), abs(after))
        return cls(after - before, least - before - rounding, after - floor + rounding)

    @classmethod
    def of_costs(cls, before: Result, after: Result) -> "ProvenDifference":
        """Of total costs."""
        return cls.of(before.total_cost, before.bound, after.total_cost, after.bound)

    @classmethod
    def of_gaps(cls, before: Result, after: Result) -> "ProvenDifference":
        """Of survival gaps."""
        return cls.of(before.survival_gap, before.gap_bound, after.survival_gap, after.gap_bound)

    @property
    def is_proven(self) -> bool:
        """Whether there is a difference at all: its sign is proven."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def size(self) -> float:
        """Without its sign; 0 where no sign is proven."""
        return abs(self.value) if self.is_proven else 0.0


@dataclass(frozen=True)
class CostTolerance:
    """How much dearer than the cheapest a plan may be: a share of the measure, or an amount of money."""

    share: float | None = None
    amount: float | None = None

    @classmethod
    def parse(cls, given: "float | str | CostTolerance") -> "CostTolerance":
        """From a share such as ``0.02`` or ``2%``, or from an amount such as ``20M``.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(given, CostTolerance):
            return given
        text = str(given).strip()
        try:
            if text.endswith("%"):
                share = float(text.removesuffix("%")) / 100.0
            elif text[-1:].isalpha():
                amount = parse_amount(text)
                if amount >= 0:
                    return cls(amount=amount)
                share = -1.0
            else:
                share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise ValueError("write a share such as 2% or 0.02, at most 100%, or an amount of money such as 20M.")
        return cls(share=share)

    def money(self, measure: Measure) -> float:
        """How much dearer, money."""
        return self.amount if self.amount is not None else (self.share or 0.0) * measure.amount

    def of(self, measure: Measure | None) -> float:
        """The same as a share of the measure; 0 of none."""
        if self.amount is None:
            return self.share or 0.0
        return self.amount / measure.amount if measure is not None and measure.amount > 0 else 0.0


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
        is_of_rule = row.mark.path in instance.survival_rules
        for what, step, size in _of_rule(instance, duals, row) if is_of_rule else _row(instance, row, price):
            yield what, step, abs(price) * size


def _columns(instance: Instance, duals: DualValues, without_effect: frozenset[str]) -> Iterator[StepSize]:
    """The shadow price of a step of each upper bound, with its label."""
    for column, value, price in zip(duals.builder.columns, duals.values, duals.reduced_costs, strict=True):
        is_at_bound = price < 0 and value >= column.upper * (1 - ROUNDING) > 0
        if is_at_bound and column.mark.path not in instance.survival_rules and column.mark.path not in without_effect:
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
    sizes = [duals.values[column] for column, value in row.terms.items() if value > 0]
    return max(sizes, default=0.0) > NEGLIGIBLE * max((-value for value in row.terms.values()), default=0.0)


def _row(instance: Instance, row: Row, price: float) -> Iterator[StepSize]:
    """What a row limits, a step of it, and the step's size in the row's unit."""
    owner, what, name = row.mark.owner, row.mark.what, display_name(instance, row.mark.owner)
    if what == "floor" and row.t is not None:
        demanded = instance.path(instance.event(row.mark.path)).demand_at(owner, row.t)
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
    path = instance.survival_rules[row.mark.path]
    rule = instance.policy.min_time_to_survive[int(path.key.removeprefix(f"{MIN_TIME_TO_SURVIVE}_").partition("@")[0])]
    if row.mark.what == "floor" and row.t is not None:
        demanded = path.demand_at(row.mark.owner, row.t)
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
