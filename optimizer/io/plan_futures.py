"""Which futures a plan file speaks of, and whether its plans decide alike what cannot yet be distinguished.

late              a branch: every future in which its question is answered so
late.tighten      several branches: every future in which all of them are
heavies.late      the question with its branch, where several questions have a branch of that name
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from optimizer.instance.schema import Answer, FutureTree, Instance
from optimizer.suggestions import excerpt, suggest
from optimizer.tolerances import NEGLIGIBLE

# A question and its branch.
_Branch = tuple[str, str]


class BranchKeyError(ValueError):
    """A key names no futures; the arguments are the key, what is wrong, and the cure."""


class BranchKeys:
    """The futures of an instance by the keys that a plan file has for them.

    Args:
        instance: with its questions.
    """

    def __init__(self, instance: Instance) -> None:
        self.title, self.tree = instance.title, instance.tree
        self.has_questions = bool(instance.futures)

    @cached_property
    def _names(self) -> dict[str, int]:
        return {future.name: number for number, future in enumerate(self.tree.futures)}

    @cached_property
    def _spellings(self) -> dict[str, frozenset[_Branch]]:
        """By spelling of a branch, the branches that it may mean; the longest spellings first."""
        found = defaultdict[str, set[_Branch]](set)
        for future in self.tree.futures:
            for answer in future.answers:
                own = (answer.question, answer.branch)
                # A branch name that several questions have is written with its question in tables.
                for spelling in (answer.branch, ".".join(own), " ".join(own)):
                    found[spelling].add(own)
        return {spelling: frozenset(found[spelling]) for spelling in sorted(found, key=len, reverse=True)}

    def numbers(self, keys: Iterable[str]) -> frozenset[int]:
        """The numbers of the futures that any of some keys names.

        Raises:
            BranchKeyError: one of them names none.
        """
        return frozenset(number for key in keys for number in self._of_key(key))

    def _of_key(self, key: str) -> Sequence[int]:
        if key in self._names:
            return (self._names[key],)
        if not self.has_questions:
            what = f'"{excerpt(key)}" is a future, and {self.title} has none'
            raise BranchKeyError(key, what, "Write what is bought under builds and purchases, without futures.")
        return self._with_branches(key, self._branches(key))

    def _branches(self, key: str) -> frozenset[_Branch]:
        parts = self._parts(key)
        if not parts:
            known = [*(spelling for spelling in self._spellings if " " not in spelling), *self._names]
            what = f'"{excerpt(key)}" is no future and no branch of {self.title}'
            raise BranchKeyError(key, what, suggest(key, known, "Known:"))
        for part in parts:
            if len(part) > 1:
                both = " or ".join(".".join(each) for each in sorted(part))
                raise BranchKeyError(key, f'"{excerpt(key)}" is a branch of several questions', f"Write {both}.")
        return frozenset(branch for part in parts for branch in part)

    def _with_branches(self, key: str, wanted: frozenset[_Branch]) -> Sequence[int]:
        known = [{(answer.question, answer.branch) for answer in future.answers} for future in self.tree.futures]
        found = [number for number, own in enumerate(known) if wanted <= own]
        if not found:
            cure = f"Name branches that go together, as in {self.tree.futures[0].name}."
            raise BranchKeyError(key, f'no future has the branches of "{excerpt(key)}" together', cure)
        return found

    def _parts(self, key: str) -> list[frozenset[_Branch]]:
        """The branches that each part of a key may mean; none where some part is none."""
        for spelling, branches in self._spellings.items():
            if key == spelling:
                return [branches]
            if key.startswith(f"{spelling}.") and (rest := self._parts(key[len(spelling) + 1 :])):
                return [branches, *rest]
        return []


@dataclass(frozen=True)
class AnticipatedDecision:
    """A purchase that two futures make differently before anything tells them apart.

    Attributes:
        option, t: what, and in which period.
        futures: the numbers of both futures; the first one buys more.
        amounts: what each buys; None for nothing.
        answer: the first one in which they differ, in the first of them.
    """

    option: str
    t: int
    futures: tuple[int, int]
    amounts: tuple[float | None, float | None]
    answer: Answer


def find_anticipated(
    tree: FutureTree, bought: Sequence[Mapping[tuple[str, int], float]]
) -> Iterator[AnticipatedDecision]:
    """Each purchase that differs between two futures that cannot be distinguished then, by period.

    Args:
        tree: of the futures.
        bought: by future, what is bought by option and period; futures that buy the same may share a mapping.
    """
    for t in range(max((t for each in bought for _, t in each), default=-1) + 1):
        seen = set[tuple[int, int]]()
        for number, own in enumerate(bought):
            first = tree.node(number, t)
            pair = id(bought[first]), id(own)
            if pair[0] != pair[1] and pair not in seen:
                seen.add(pair)
                yield from _differences(tree, bought, t, first, number)


def _differences(
    tree: FutureTree, bought: Sequence[Mapping[tuple[str, int], float]], t: int, first: int, number: int
) -> Iterator[AnticipatedDecision]:
    options = dict.fromkeys(o for which in (first, number) for o, at in bought[which] if at == t)
    for o in options:
        one, other = (bought[which].get((o, t)) for which in (first, number))
        if one is None or (other is not None and other > one):
            pair, amounts = (number, first), (other, one)
        else:
            pair, amounts = (first, number), (one, other)
        if not _are_alike(*amounts):
            yield AnticipatedDecision(o, t, pair, amounts, _parting(tree, *pair))


def _are_alike(most: float | None, least: float | None) -> bool:
    """Whether two amounts are the same, where the first is not None; an option that is opened at size 0 is bought."""
    return most is not None and least is not None and most - least <= NEGLIGIBLE * most


def _parting(tree: FutureTree, one: int, other: int) -> Answer:
    """The first answer of a future that another one does not have."""
    known = tree.futures[other].answers
    return next(answer for answer in tree.futures[one].answers if answer not in known)
