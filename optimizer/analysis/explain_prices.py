"""What each part of a plan that survives is worth: the cost of the cheapest plan with that part otherwise.

shock, family     without it
kind, lever       without it: whatever else can be bought may take its place
dearer floor      one point more;  cheaper floor: one point less
later, sooner     a build that stands three months later or sooner, and at least a period

A price is the difference of two optima, each known within bounds; `low` and `high` are what is proven of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from optimizer.analysis.explain_ask import Tried, WhatIfs
from optimizer.instance.schema import Instance
from optimizer.instance.variants import without
from optimizer.instance.whatif import arriving_later, keeping_shocks, with_floors
from optimizer.levers import Sized
from optimizer.plan import Plan
from optimizer.result import Result
from optimizer.strategies.question import Question, Rows, leaving_out, outlay

Kind = Literal["shock", "family", "kind", "lever", "dearer floor", "cheaper floor", "later", "sooner"]
# What can only make a plan cheaper, or dearer; a build that stands later may do either: it is kept up for less long.
RELAXED, TIGHTENED = ("shock", "family", "cheaper floor"), ("kind", "lever", "dearer floor")
POINT, MONTHS = 0.01, 3.0


@dataclass(frozen=True)
class Worth:
    """What one thing is worth.

    Attributes:
        kind: what is changed. of: the shock, family, kind, option or segment.
        survives: whether some plan does; None where the time ran out before that was known.
        change: of total cost, present value; None where there is no plan.
        low, high: what is proven of it; None where nothing is.
        outlay: of the plan that was found.
        needed: where nothing survives, the least outlay with which something would; None where nothing does.
        months: of a delay.
    """

    kind: Kind
    of: str
    survives: bool | None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    outlay: float | None = None
    needed: float | None = None
    months: float | None = None


@dataclass
class Prices:
    """Asks for the worth of everything in a plan.

    Attributes:
        what: asks.
        result: the plan.
        active: the shocks that bite; others are worth nothing.
        lost: levers that were asked about, and whether something survives without them.
    """

    what: WhatIfs
    result: Result
    active: frozenset[str]
    lost: dict[str, bool | None] = field(default_factory=dict)

    def all(self) -> Iterator[Worth]:
        """Shocks, levers, floors, delays."""
        for part in (self.shocks, self.levers, self.floors, self.delays):
            yield from part()

    def shocks(self) -> Iterator[Worth]:
        """Each shock that bites, and each family of which several do."""
        instance, names = self.what.apart, [event.name for event in self.what.instance.events]
        entries: dict[str, list[str]] = {}
        for event in self.what.instance.events:
            if event.name in self.active:
                entries.setdefault(event.entry, []).append(event.name)
        families = [(entry, some) for entry, some in entries.items() if len(some) > 1]
        each = [(name, [name]) for some in entries.values() for name in some]
        for kind, groups in (("family", families), ("shock", each)):
            for name, gone in groups:
                if self.what.is_over:
                    return
                if kind == "family":
                    gone = [event.name for event in self.what.instance.events if event.entry == name]
                variant = keeping_shocks(instance, set(names) - set(gone))
                tried = self._survived(f"without {name}", variant)
                yield self._worth("family" if kind == "family" else "shock", name, tried)

    def levers(self) -> Iterator[Worth]:
        """Each option that is bought, and each kind of which one is, if it has several options."""
        bought, options = bought_options(self.result.plan), self.what.instance.options
        for o in bought:
            if self.what.is_over:
                return
            worth = self._without("lever", o, [o])
            self.lost[o] = worth.survives
            yield worth
        kinds = dict.fromkeys(options[o].kind for o in bought)
        for kind in kinds:
            some = [o for o, option in options.items() if option.kind == kind]
            if self.what.is_over:
                return
            if len(some) > 1:
                yield self._without("kind", kind, some)

    def _without(self, kind: Kind, of: str, names: list[str]) -> Worth:
        instance, rows = left_out(self.what.instance, names)
        tried = self._survived(f"without {of}", instance, rows)
        worth = self._worth(kind, of, tried, is_freed=not rows)
        if tried.holds is not False or instance.policy.budget is None or self.what.is_over:
            return worth
        free = instance.with_budget(None)
        found = self.what.ask(
            f"the least budget without {of}", free, Question(outlay, rows, f"least outlay without {of}")
        )
        return replace(worth, needed=found.value if self.what.judged(free, found).holds else None)

    def floors(self) -> Iterator[Worth]:
        """One point more and one point less of each segment's floor."""
        instance = self.what.instance
        for d, demand in instance.demands.items():
            own = [event.spec.survival.get(d, 0.0) for event in instance.events]
            if max([*demand.survival.values, *own]) <= 0:
                continue
            steps: tuple[tuple[Kind, float, str], ...] = (
                ("dearer floor", POINT, "a point more"),
                ("cheaper floor", -POINT, "a point less"),
            )
            for kind, points, words in steps:
                if self.what.is_over:
                    return
                variant = with_floors(instance, points=points, segments=[d])
                yield self._worth(kind, d, self._survived(f"{words} of the floor of {d}", variant))

    def delays(self) -> Iterator[Worth]:
        """Each build three months later, and sooner where it has a lead time."""
        instance, horizon = self.what.instance, self.what.instance.horizon
        months = float(horizon.whole(MONTHS) * horizon.months)
        built = [o for o in bought_options(self.result.plan) if isinstance(instance.options[o], Sized)]
        for kind, sign in (("later", 1.0), ("sooner", -1.0)):
            for o in built:
                option = instance.options[o]
                if self.what.is_over:
                    return
                if not isinstance(option, Sized) or (sign < 0 and horizon.whole(option.lead_time) == 0):
                    continue
                variant = arriving_later(instance, sign * months, [o])
                tried = self._survived(f"{o} {months:g} months {kind}", variant)
                yield replace(self._worth("later" if sign > 0 else "sooner", o, tried), months=months)

    def _survived(self, words: str, variant: Instance, rows: tuple[Rows, ...] = ()) -> Tried:
        """The cheapest plan of a variant, looked for from the plan itself: prices are differences from that."""
        self.what.asker.learn(self.result.plan, frozenset())
        return self.what.survived(words, variant, rows)

    def _worth(self, kind: Kind, of: str, tried: Tried, *, is_freed: bool = False) -> Worth:
        """The difference that a variant makes; `is_freed` where a rule that forces something went as well."""
        if not tried.holds:
            return Worth(kind, of, tried.holds)
        cost, found = self.result.total_cost, tried.found
        bound = self.result.bound
        is_likely = any(event.probability > 0 for event in self.what.instance.events)
        change, low = found.cost - cost, found.bound - cost
        high = None if bound is None else found.cost - bound
        if kind in RELAXED and not (is_likely and kind in ("shock", "family")):
            # The plan itself can still be carried out.
            change = min(change, 0.0)
            high = 0.0 if high is None else min(high, 0.0)
        elif kind in TIGHTENED and not is_freed:
            change, low = max(change, 0.0), max(low, 0.0)
        low_ = None if low == float("-inf") else min(low, change)
        return Worth(kind, of, True, change, low_, None if high is None else max(high, change), found.outlay)


def bought_options(plan: Plan) -> list[str]:
    """The options that a plan buys, in its order; stockpiles last."""
    piles = [o for o, fills in plan.fills.items() if any(fill > 0 for fill in fills)]
    return list(dict.fromkeys([*(build.option for build in plan.builds), *piles]))


def left_out(instance: Instance, names: list[str]) -> tuple[Instance, tuple[Rows, ...]]:
    """An instance in which some options are not bought, nor those that require them; as rows where that will do."""
    gone, options = list(names), instance.options
    while True:
        more = [
            o
            for o, option in options.items()
            if o not in gone and isinstance(option, Sized) and any(required in gone for required in option.requires)
        ]
        if not more:
            break
        gone += more
    # With an option go the rule that forces it and what is in store from the beginning, as `--without` has it.
    if any(o in instance.policy.force or getattr(options[o], "initial", 0.0) > 0 for o in gone):
        return without(instance, gone).instance, ()
    return instance, (leaving_out(gone),)
