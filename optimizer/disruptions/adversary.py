"""The adversary: its possible targets, what each costs it, and which sets of them an attack budget buys.

AdversarySpec    the entry `adversary:`
AttackTarget     cuts that it can bring about, at a price
Attack           targets that are struck together, and the period in which that begins

An attack is affordable if its prices add to no more than the attack budget, and it is a shock: the cuts of all its
targets, for the adversary's months; of several that match one activity the largest counts. More targets never cut
less, so that only **maximal** sets matter: those that no other affordable set holds.

Options of leverage may **deter**: level Λ of one adds deterrence·Λ to what a target costs the adversary; Λ is that in
the first period of the attack. An attack that then costs more than the attack budget, by the share `DETERRED` of it or
more, is not made.
What is affordable thus depends on the plan, and a set may be deterred while a part of it is not:

    cost(set) = Σ price + Σ_o deterrence·Λ[o]        made: Σ price ≤ budget and cost < (1 + DETERRED)·budget
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Literal

from pydantic import Field, field_validator

from optimizer.disruptions.shock import Cuts, Durations, Shock, ShockSpec, ShockStarts, Starts, expand, title
from optimizer.horizon import Horizon
from optimizer.suggestions import finding
from optimizer.tolerances import DETERRED, DETERRED_ROUNDING, ROUNDING, TARGETS
from optimizer.units import Described, Positive, Quantity, si_down

# Up to this number of attacks, over all starts, each is evaluated.
MOST_ENUMERATED = 1000
Method = Literal["enumeration", "programme"]
HEAD, JOINT, TAIL = "attack{", "+", "}"


class AttackTarget(Described):
    """A target: all its cuts apply together, for a price. It is deliberate unless the file says otherwise."""

    price: Quantity = Field(
        description="Price of attacking the target, in the currency of the file: what the attack costs the adversary."
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
    """Who can buy one attack, at any of the starts: a set of targets, for so many months."""

    attack_budget: Quantity = Field(description="Limit on the price of one attack, in the currency of the file.")
    months: Positive = Field(description="Duration of an attack, months; a whole number of periods.")
    starts: ShockStarts = Field(description="Periods in which an attack may begin: one, a list, or {from, to, every}.")
    targets: Mapping[str, AttackTarget] = Field(description="Targets, by name.")

    @field_validator("targets")
    @classmethod
    def _some_and_few_enough(cls, targets: Mapping[str, AttackTarget]) -> Mapping[str, AttackTarget]:
        if not targets:
            raise finding("is an empty mapping", "Name at least one target, or remove the adversary.")
        if len(targets) > TARGETS:
            raise finding(f"has {len(targets):,} targets", f"Write {TARGETS:,} at most; one may have several cuts.")
        return targets

    @property
    def deterrents(self) -> tuple[str, ...]:
        """The options that deter some target; none where what is affordable does not depend on the plan."""
        return tuple(
            dict.fromkeys(o for target in self.targets.values() for o, per in target.deterrence.items() if per)
        )

    def price(self, names: Iterable[str]) -> float:
        """What a set of targets costs the attacker where nothing deters it."""
        return math.fsum(self.targets[name].price for name in names)

    def deterrence(self, names: Iterable[str]) -> dict[str, float]:
        """By option, what its full level adds to the price of a set of targets; only what is above 0."""
        added: dict[str, float] = {}
        for name in names:
            for o, per in self.targets[name].deterrence.items():
                if per > 0:
                    added[o] = added.get(o, 0.0) + per
        return added

    def cost(self, names: Iterable[str], levels: Mapping[str, float]) -> float:
        """What a set of targets costs the attacker under a plan, by the levels of options when the attack begins."""
        names = tuple(names)
        return math.fsum([self.price(names), *(per * levels[o] for o, per in self.deterrence(names).items())])

    def affords(self, names: Iterable[str]) -> bool:
        """Whether the attack budget buys a set of targets, where nothing deters it."""
        return self.price(names) <= self.attack_budget * (1.0 + ROUNDING)

    def deters(self, cost: float) -> bool:
        """Whether an attack that costs the adversary so much is deterred."""
        return cost >= self.deterred_from - DETERRED_ROUNDING * self.attack_budget

    @property
    def deterred_from(self) -> float:
        """The cost of an attack from which on it is deterred."""
        return self.attack_budget * (1.0 + DETERRED)

    def shock(self, names: Sequence[str], starts: Sequence[str]) -> ShockSpec:
        """The entry under `shocks:` that attacks a set of targets, at each of some starts."""
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
        """The targets in the name of an entry under `shocks:`; None where it is no attack of this adversary."""
        if not (entry.startswith(HEAD) and entry.endswith(TAIL)):
            return None
        names = entry.removeprefix(HEAD).removesuffix(TAIL)
        split = tuple(names.split(JOINT)) if names else ()
        return split if all(name in self.targets for name in split) else None

    def attack(self, name: str, horizon: Horizon) -> "Attack | None":
        """The attack of a name such as ``attack{mines+ports}@2028Q1``; None where there is none so called."""
        entry, _, label = name.rpartition("@")
        targets, starts = self.targets_of(entry), self.starts.periods(horizon)
        start = next((t for t in starts if horizon.label(t) == label), None)
        return None if targets is None or start is None else Attack(targets, start)

    def maximal(self, most: int) -> list[tuple[str, ...]] | None:
        """The maximal affordable sets; None where there are more than `most`."""
        found = list(islice(self.each_maximal(), most + 1))
        return found if len(found) <= most else None

    def enumerated(self, starts: int, most: int = MOST_ENUMERATED) -> list[tuple[str, ...]] | None:
        """The maximal affordable sets; None where there are more than `most` attacks at so many starts."""
        return self.maximal(most // max(1, starts))

    def each_maximal(self) -> Iterator[tuple[str, ...]]:
        """The maximal affordable sets one after another, each in the order of the file."""
        for chosen in _maximal([target.price for target in self.targets.values()], self.attack_budget):
            yield self._named(chosen)

    def each_undeterred(self, costs: Sequence[float]) -> Iterator[tuple[str, ...]]:
        """Affordable sets that are not deterred, among them all maximal ones.

        Args:
            costs: by target, what it costs the adversary under a plan: no less than its price.
        """
        if not self.deterrents:
            yield from self.each_maximal()
            return
        limit = self.deterred_from - DETERRED_ROUNDING * self.attack_budget
        prices = [target.price for target in self.targets.values()]
        for chosen in _maximal(costs, math.nextafter(limit, -math.inf), slack=0.0):
            # Where little is added, a set may not be deterred and yet its bare price may be above the budget.
            inside = sorted(chosen)
            for some in _maximal([prices[i] for i in inside], self.attack_budget):
                yield self._named(frozenset(inside[i] for i in some))

    def _named(self, chosen: frozenset[int]) -> tuple[str, ...]:
        return tuple(name for i, name in enumerate(self.targets) if i in chosen)


def attack_budget_text(attack_budget: float, currency: str) -> str:
    """An attack budget for reading, to six digits: never more than a plan is known to withstand."""
    return si_down(attack_budget, currency, 6)


def attack_entry(names: Iterable[str]) -> str:
    """What the shocks of a set of targets are called: ``attack{mines+ports}``."""
    return f"{HEAD}{JOINT.join(names)}{TAIL}"


@dataclass(frozen=True)
class Attack:
    """Targets that are struck together, in the order of the file, from the period `start` on."""

    targets: tuple[str, ...]
    start: int

    def name(self, horizon: Horizon) -> str:
        """``attack{mines+ports}@2028Q1``."""
        return title(attack_entry(self.targets), horizon.label(self.start), None, None)

    def shock(self, adversary: AdversarySpec, horizon: Horizon) -> Shock:
        """The shock that it is."""
        (shock,) = expand(
            attack_entry(self.targets), adversary.shock(self.targets, [horizon.label(self.start)]), horizon
        )
        return shock


def _maximal(prices: Sequence[float], budget: float, slack: float = ROUNDING) -> Iterator[frozenset[int]]:
    """Sets of items whose prices add to no more than the budget, and to which no other item can be added."""
    limit = budget * (1.0 + slack)
    order = sorted(range(len(prices)), key=lambda i: -prices[i])
    rest = [*accumulate((prices[i] for i in reversed(order)), initial=0.0)][::-1]
    chosen: list[int] = []
    # Without recursion, for there may be thousands: where to go on, what is spent, the cheapest item that is left out,
    # how many of the chosen are kept, and the one that is added to them.
    waiting: list[tuple[int, float, float, int, int | None]] = [(0, 0.0, math.inf, 0, None)]
    while waiting:
        place, spent, left_out, kept, added = waiting.pop()
        chosen[kept:] = [] if added is None else [added]
        # Whatever comes, the cheapest item that is left out would still fit beside it.
        if spent + rest[place] + left_out <= limit:
            continue
        if place == len(order):
            yield frozenset(chosen)
            continue
        item = order[place]
        waiting.append((place + 1, spent, min(left_out, prices[item]), len(chosen), None))
        if spent + prices[item] <= limit:
            waiting.append((place + 1, spent + prices[item], left_out, len(chosen), item))
