"""The adversary: its possible targets, their costs, and the sets of targets that its attack budget affords.

AdversarySpec    the entry `adversary:`
AttackTarget     cuts that an attack causes, at a price
Attack           targets that are attacked together, and the first period of the attack

An attack is affordable if its prices add to no more than the attack budget. It is a shock with the cuts of all its
targets for the months of the adversary; if several cuts match one activity, the largest severity counts. More targets
never cut less, so only **maximal** affordable sets matter, those contained in no other affordable set.

Options of leverage may **deter**: level Λ of an option adds deterrence·Λ to the cost of a target for the adversary; Λ
is the level in the first period of the attack. An attack does not take place if its cost then exceeds the attack budget
by the share `DETERRED` of it or more. Which affordable sets are deterred thus depends on the plan, and a set may
be deterred although a subset is not:

    cost(set) = Σ price + Σ_o deterrence·Λ[o]        made: Σ price ≤ budget and cost < (1 + DETERRED)·budget

Evaluations take an attack for deterred from a cost that is lower by `DETERRED_ROUNDING`, for errors of the solver.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Literal

from pydantic import Field, field_validator

from optimizer.disruptions.shock import Cuts, Durations, Shock, ShockSpec, ShockStarts, Starts, expand, shock_name
from optimizer.errors import finding
from optimizer.horizon import Horizon
from optimizer.tolerances import DETERRED, DETERRED_ROUNDING, MOST_TARGETS, ROUNDING
from optimizer.units import Described, Positive, Quantity, si_down

# Up to this number of attacks, over all starts, every attack is evaluated.
MOST_ENUMERATED = 1000
Method = Literal["enumeration", "programme"]
HEAD, JOINT, TAIL = "attack{", "+", "}"


class AttackTarget(Described):
    """A target: all its cuts apply together, for a price. An attack is deliberate unless the file says otherwise."""

    price: Quantity = Field(
        description="Price of attacking the target without deterrence, in the currency of the file."
    )
    cuts: Cuts = Field(description="Cuts that an attack on the target causes.")
    deliberate: bool = Field(
        default=True,
        description="Whether an attack is deliberate; counter-leverage reduces only deliberate cuts. Default true.",
    )
    deterrence: Mapping[str, Quantity] = Field(
        default_factory=dict,
        description="By option of leverage, what its full level adds to the price of the target: {chips: 5B}.",
    )


class AdversarySpec(Described):
    """An adversary, which can afford one attack on a set of targets, at any of the starts."""

    attack_budget: Quantity = Field(
        description="Limit on the price of one attack, in the currency of the file; deterrence counts, too."
    )
    months: Positive = Field(description="Duration of an attack, months; a whole number of periods.")
    starts: ShockStarts = Field(description="Periods in which an attack may begin: one, a list, or {from, to, every}.")
    targets: Mapping[str, AttackTarget] = Field(description="Targets, by name.")

    @field_validator("targets")
    @classmethod
    def _check_targets(cls, targets: Mapping[str, AttackTarget]) -> Mapping[str, AttackTarget]:
        if not targets:
            raise finding("is an empty mapping", "Name at least one target, or remove the adversary.")
        if len(targets) > MOST_TARGETS:
            cure = f"Write {MOST_TARGETS:,} at most; one may have several cuts."
            raise finding(f"has {len(targets):,} targets", cure)
        return targets

    @property
    def deterrents(self) -> tuple[str, ...]:
        """The options that deter any target; without any, no attack is deterred."""
        named = (o for target in self.targets.values() for o, per in target.deterrence.items() if per)
        return tuple(dict.fromkeys(named))

    def price(self, names: Iterable[str]) -> float:
        """Return the price of a set of targets without deterrence."""
        return math.fsum(self.targets[name].price for name in names)

    def deterrence(self, names: Iterable[str]) -> dict[str, float]:
        """Return, by option, the amount that its full level adds to the price of a set of targets, if above 0."""
        added: dict[str, float] = {}
        for name in names:
            for o, per in self.targets[name].deterrence.items():
                if per > 0:
                    added[o] = added.get(o, 0.0) + per
        return added

    def cost(self, names: Iterable[str], levels: Mapping[str, float]) -> float:
        """Return the cost of a set of targets under a plan, given the levels of options when the attack begins."""
        names = tuple(names)
        return math.fsum([self.price(names), *(per * levels[o] for o, per in self.deterrence(names).items())])

    def affords(self, names: Iterable[str]) -> bool:
        """Return whether the attack budget covers the price of a set of targets, without deterrence."""
        return self.price(names) <= self.attack_budget * (1.0 + ROUNDING)

    def deters(self, cost: float) -> bool:
        """Return whether an attack with this cost to the adversary is deterred; always False if no option deters."""
        return bool(self.deterrents) and cost >= self.undeterred_below

    def least_attack_budget(self, price: float, cost: float) -> float:
        """Return the least attack budget that makes an attack with this price and this cost under a plan."""
        return max(price, cost / (1.0 + DETERRED - DETERRED_ROUNDING))

    @property
    def deterred_from(self) -> float:
        """The cost that the model requires of a deterred attack."""
        return self.attack_budget * (1.0 + DETERRED)

    @property
    def undeterred_below(self) -> float:
        """The cost from which evaluations take an attack for deterred: `deterred_from`, less errors of the solver."""
        return self.attack_budget * (1.0 + DETERRED - DETERRED_ROUNDING)

    def shock(self, names: Sequence[str], starts: Sequence[str]) -> ShockSpec:
        """Return the shock entry of an attack on a set of targets, at each of the given starts."""
        deliberate = any(self.targets[name].deliberate for name in names)
        cuts = []
        for name in names:
            for cut in self.targets[name].cuts:
                own = self.targets[name].deliberate if cut.deliberate is None else cut.deliberate
                cuts.append(cut.model_copy(update={"deliberate": None if own == deliberate else own}))
        return ShockSpec(
            start=Starts(tuple(starts), "list"),
            months=Durations((self.months,)),
            deliberate=deliberate,
            cuts=tuple(cuts),
        )

    def targets_of(self, entry: str) -> tuple[str, ...] | None:
        """Return the targets named by the key of a shock entry; None if it is no attack of this adversary."""
        if not (entry.startswith(HEAD) and entry.endswith(TAIL)):
            return None
        names = entry.removeprefix(HEAD).removesuffix(TAIL)
        split = tuple(names.split(JOINT)) if names else ()
        return split if all(name in self.targets for name in split) else None

    def attack(self, name: str, horizon: Horizon) -> "Attack | None":
        """Return the attack with a name such as ``attack{mines+ports}@2028Q1``, or None if there is none."""
        entry, _, label = name.rpartition("@")
        targets = self.targets_of(entry)
        starts = () if targets is None else self.starts.periods(horizon)
        start = next((t for t in starts if horizon.label(t) == label), None)
        return None if targets is None or start is None else Attack(targets, start)

    def maximal(self, most: int) -> list[tuple[str, ...]] | None:
        """Return the maximal affordable sets; None if there are more than `most`."""
        found = list(islice(self.each_maximal(), most + 1))
        return found if len(found) <= most else None

    def enumerated(self, starts: int, most: int = MOST_ENUMERATED) -> list[tuple[str, ...]] | None:
        """Return the maximal affordable sets; None if they make more than `most` attacks at this number of starts."""
        return self.maximal(most // max(1, starts))

    def each_maximal(self) -> Iterator[tuple[str, ...]]:
        """Yield the maximal affordable sets, with targets in the order of the file."""
        for chosen in _maximal_sets([target.price for target in self.targets.values()], self.attack_budget):
            yield self._target_names(chosen)

    def each_undeterred(self, costs: Sequence[float]) -> Iterator[tuple[str, ...]]:
        """Yield affordable sets that are not deterred, including all maximal ones.

        Args:
            costs: the cost of each target to the adversary under a plan, at least its price.
        """
        if not self.deterrents:
            yield from self.each_maximal()
            return
        prices = [target.price for target in self.targets.values()]
        for chosen in _maximal_sets(costs, math.nextafter(self.undeterred_below, -math.inf), slack=0.0):
            # If deterrence adds little, a set may escape deterrence although its price alone exceeds the budget.
            inside = sorted(chosen)
            for subset in _maximal_sets([prices[i] for i in inside], self.attack_budget):
                yield self._target_names(frozenset(inside[i] for i in subset))

    def _target_names(self, chosen: frozenset[int]) -> tuple[str, ...]:
        return tuple(name for i, name in enumerate(self.targets) if i in chosen)


def attack_budget_text(attack_budget: float, currency: str) -> str:
    """Format an attack budget to six digits, rounded down: a plan is not known to withstand more."""
    return si_down(attack_budget, currency, 6)


def attack_entry(names: Iterable[str]) -> str:
    """Return the key of the shock entry for a set of targets: ``attack{mines+ports}``."""
    return f"{HEAD}{JOINT.join(names)}{TAIL}"


@dataclass(frozen=True)
class Attack:
    """Targets that are attacked together, in the order of the file, from period `start` on."""

    targets: tuple[str, ...]
    start: int

    def name(self, horizon: Horizon) -> str:
        """Return the name of the attack, such as ``attack{mines+ports}@2028Q1``."""
        return shock_name(attack_entry(self.targets), horizon.label(self.start), None, None)

    def shock(self, adversary: AdversarySpec, horizon: Horizon) -> Shock:
        """Return the attack as a shock."""
        spec = adversary.shock(self.targets, [horizon.label(self.start)])
        (shock,) = expand(attack_entry(self.targets), spec, horizon)
        return shock


def _maximal_sets(prices: Sequence[float], budget: float, slack: float = ROUNDING) -> Iterator[frozenset[int]]:
    """Yield maximal sets of items within a budget: the prices fit, and no further item does."""
    limit = budget * (1.0 + slack)
    order = sorted(range(len(prices)), key=lambda i: -prices[i])
    rest = [*accumulate((prices[i] for i in reversed(order)), initial=0.0)][::-1]
    chosen: list[int] = []
    # A stack instead of recursion, since there may be thousands of items. Each state has the next place, the amount
    # spent, the cheapest omitted price, the number of chosen items to keep, and the item to add to them.
    waiting: list[tuple[int, float, float, int, int | None]] = [(0, 0.0, math.inf, 0, None)]
    while waiting:
        place, spent, left_out, kept, added = waiting.pop()
        chosen[kept:] = [] if added is None else [added]
        # Even with all remaining items, the cheapest omitted item would still fit: no set from here is maximal.
        if spent + rest[place] + left_out <= limit:
            continue
        if place == len(order):
            yield frozenset(chosen)
            continue
        item = order[place]
        waiting.append((place + 1, spent, min(left_out, prices[item]), len(chosen), None))
        if spent + prices[item] <= limit:
            waiting.append((place + 1, spent + prices[item], left_out, len(chosen), item))
