"""The futures of an instance as a tree, and the shocks of all of them.

An instance without questions is a tree of one future: itself. What plans for a tree plans for it too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from optimizer.disruptions.shock import Path, Shock

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance


@dataclass(frozen=True)
class Answer:
    """One branch on the way to a future: the answer to a question, known from the start of period `t` on."""

    question: str
    branch: str
    t: int


@dataclass(frozen=True)
class Future:
    """A leaf of the tree: the instance with the data of its branches."""

    name: str
    probability: float
    answers: tuple[Answer, ...]
    instance: "Instance"


@dataclass(frozen=True)
class FutureShock(Shock):
    """A shock of one of several futures; `own` is what that future's instance calls it."""

    future: int = 0
    own: Shock | None = None


@dataclass(frozen=True)
class FutureTree:
    """The futures of an instance."""

    futures: tuple[Future, ...]
    are_probabilities_given: bool = True

    def node(self, number: int, t: int) -> int:
        """The smallest number of a future that cannot be told apart from one at the decisions of period t."""
        return self._nodes[number][t]

    @cached_property
    def _nodes(self) -> list[list[int]]:
        parted = [[_parted(one, other) for other in self.futures] for one in self.futures]
        periods = self.futures[0].instance.horizon.periods
        return [[next(m for m, since in enumerate(row) if since > t) for t in periods] for row in parted]

    @property
    def is_single(self) -> bool:
        """Whether there is one future only."""
        return len(self.futures) == 1

    @cached_property
    def events(self) -> tuple[Shock, ...]:
        """Every shock of every future."""
        if self.is_single:
            return self.futures[0].instance.events
        return tuple(
            self.shock(number, shock) for number, future in enumerate(self.futures) for shock in future.instance.events
        )

    def shock(self, number: int, own: Shock) -> Shock:
        """A shock of a future, under a name that no other future's has."""
        if self.is_single:
            return own
        entry = self.name(number, own.entry)
        return FutureShock(
            self.name(number, own.name), own.spec, own.periods, own.probability, entry, future=number, own=own
        )

    def name(self, number: int, own: str) -> str:
        """What a path of a future is called among those of all futures."""
        return own if self.is_single else f"{self.futures[number].name}/{own}"

    def locate(self, shock: Shock) -> tuple[int, Shock]:
        """The number of the future that a shock belongs to, and the shock as that one's instance has it."""
        if isinstance(shock, FutureShock) and shock.own is not None:
            return shock.future, shock.own
        return 0, shock

    def path(self, shock: Shock) -> Path:
        """The path inside one shock's window."""
        number, own = self.locate(shock)
        return self.futures[number].instance.path(own)

    def own_shocks(self, shocks: "tuple[Shock, ...]") -> list[list[Shock]]:
        """Some shocks by future, as their instances have them."""
        result: list[list[Shock]] = [[] for _ in self.futures]
        for shock in shocks:
            number, own = self.locate(shock)
            result[number].append(own)
        return result


def _parted(one: Future, other: Future) -> float:
    """The first period in whose decisions two futures can be told apart; infinite for one and the same."""
    for mine, theirs in zip(one.answers, other.answers, strict=False):
        if mine != theirs:
            # Questions are in the order in which they are answered: the first difference is the earliest.
            return min(mine.t, theirs.t)
    return float("inf")
