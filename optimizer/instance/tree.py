"""The futures of an instance as a tree, and the shocks of all of them.

An instance without questions is a tree of one future: itself. What plans for a tree plans for it too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from optimizer.disruptions.shock import Path, Shock

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance


@dataclass(frozen=True)
class Answer:
    """One branch on the way to a future; `t` is the period at whose start its question is answered."""

    question: str
    branch: str
    t: int


@dataclass(frozen=True)
class Future:
    """A leaf of the tree.

    Attributes:
        name: its branches in the order of their questions, ``late.tighten``; empty where there are no questions.
        probability: the product of those of its branches.
        answers: its branches, in the order in which they are known.
        instance: the file with what they set applied in that order, without futures and scenarios.
    """

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
    """All futures of an instance, one at least; those in which the same is set share their instance.

    Attributes:
        futures: in the order of the file's branches, the first question outermost.
        are_probabilities_given: whether the file gives those of every question with several branches.
    """

    futures: tuple[Future, ...]
    are_probabilities_given: bool = True

    def node(self, number: int, t: int) -> int:
        """The smallest number of a future that cannot be told apart from future `number` at the decisions of `t`.

        Two futures can be told apart once a question in which they differ has been answered.
        """
        if t not in self._nodes:
            first = dict[tuple[Answer, ...], int]()
            known = [tuple(answer for answer in each.answers if answer.t <= t) for each in self.futures]
            self._nodes[t] = tuple(first.setdefault(answers, i) for i, answers in enumerate(known))
        return self._nodes[t][number]

    @cached_property
    def _nodes(self) -> dict[int, tuple[int, ...]]:
        return {}

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

    def probability(self, shock: Shock) -> float:
        """The probability of the future that a shock belongs to."""
        return self.futures[self.locate(shock)[0]].probability

    def own_shocks(self, shocks: Iterable[Shock]) -> list[list[Shock]]:
        """Some shocks by future, as their instances have them."""
        result: list[list[Shock]] = [[] for _ in self.futures]
        for shock in shocks:
            number, own = self.locate(shock)
            result[number].append(own)
        return result
