"""One programme of several futures, in which decisions that cannot yet be distinguished are one column.

    joint     owns the columns and the rows
    member    writes one future: its ledgers and linking terms are its own, its columns and rows are the joint's

    plan, decision              one column for all futures that cannot be distinguished in its period (one **node**)
    plan, follows from them     likewise, where the data that it follows from are equal
    baseline                    likewise, where all that operation depends on in its period is equal
    all else                    a column of its own

Non-anticipativity needs no rows: what cannot differ is written once. Rows that repeat one are left out. A decision that
some future of a node does not allow is 0 in all of them (`close`).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from optimizer.disruptions.shock import BASELINE
from optimizer.horizon import Horizon
from optimizer.model.builder import Column, Mark, ModelBuilder, Row
from optimizer.model.expressions import Names

# Of futures and a period: the smallest number among those that cannot be distinguished.
NodeOf = Callable[[int, int], int]
# What futures share a column by: node, path, owner, what, period, and the data that it follows from.
SharedKey = tuple[int, str, str, str, int, Hashable]


class JointBuilder(ModelBuilder):
    """A programme of several futures.

    Args:
        horizon, discount_rate, names: as for a `ModelBuilder`; all futures have the same.
        futures: their names.
        node: by number of a future and period, the smallest number of a future that cannot be distinguished from it.
    """

    def __init__(
        self, horizon: Horizon, discount_rate: float, names: Names, futures: Sequence[str], node: NodeOf
    ) -> None:
        super().__init__(horizon, discount_rate, names)
        self.futures, self.node = tuple(futures), node
        # Columns that several futures may share, and the numbers of those that have written them.
        self.shared: dict[SharedKey, int] = {}
        self.writers: dict[int, set[int]] = {}
        # Rows that several futures may share, by what they say; and by row the futures that have it.
        self.repeated: dict[Hashable, int] = {}
        self.owners: list[list[int]] = []
        self._members = tuple(MemberBuilder(self, number) for number in range(len(self.futures)))

    @property
    def members(self) -> Sequence[ModelBuilder]:
        """The builders of the futures, in their order."""
        return self._members

    def sharing(self, row: int) -> Sequence[int]:
        """The numbers of the futures that have a row; all of them where it belongs to none."""
        return self.owners[row] or range(len(self.futures))

    def _append(self, row: Row) -> None:
        self.rows.append(row)
        self.owners.append([])

    def close(self) -> None:
        """Keep each decision at 0 that is shared by a future in which it is not allowed."""
        numbers = range(len(self.futures))
        sizes = Counter((self.node(number, t), t) for number in numbers for t in self.horizon.periods)
        for (node, path, _, _, t, follows), j in self.shared.items():
            if not path and follows is None and len(self.writers[j]) < sizes[node, t]:
                self.columns[j].upper = 0.0

    def copy(self) -> "JointBuilder":
        """A copy to which other paths may be written; what is written already is shared and stays as it is."""
        copied = JointBuilder(self.horizon, self._rate, Names(*self.names.fixed()), self.futures, self.node)
        copied.columns, copied.rows, copied.valid = list(self.columns), list(self.rows), list(self.valid)
        copied._used = set(self._used)
        copied.shared, copied.writers, copied.repeated = self.shared, self.writers, self.repeated
        copied.owners = list(self.owners)
        copied._members = tuple(member.copied(copied) for member in self._members)
        return copied


class MemberBuilder(ModelBuilder):
    """The part of a joint programme that belongs to one future.

    Attributes:
        number: of the future. data: by period, what its baseline depends on; None where it is not shared.
    """

    def __init__(self, joint: JointBuilder, number: int) -> None:
        super().__init__(joint.horizon, joint._rate, Names(*joint.names.fixed()))
        self.joint, self.number = joint, number
        self.columns, self.rows, self.valid = joint.columns, joint.rows, joint.valid
        self.data: Sequence[Hashable] = (None,) * len(joint.horizon.periods)

    def _enter(self, column: Column, follows: Hashable) -> int:
        """Add a column of this future, or find the one that it shares with others; its number."""
        owner, what, t = column.mark.owner, column.mark.what, column.t
        key = self._key(owner, what, t, follows)
        j = None if key is None else self.joint.shared.get(key)
        if j is None:
            column.mark = self._named(owner, what, t)
            j = super()._enter(column, follows)
            if key is not None:
                self.joint.shared[key], self.joint.writers[j] = j, set()
        else:
            self.columns[j].upper = min(self.columns[j].upper, column.upper)
        if key is not None:
            self.joint.writers[j].add(self.number)
        self._index.setdefault((self._path, owner, what), {})[t] = j
        return j

    def _key(self, owner: str, what: str, t: int, follows: Hashable) -> SharedKey | None:
        """What futures share a column by; None for one of its own."""
        if self._path == "":
            return self.joint.node(self.number, t), "", owner, what, t, follows
        if self._path == BASELINE and self.data[t] is not None:
            return self.joint.node(self.number, t), BASELINE, owner, what, t, self.data[t]
        return None

    def _named(self, owner: str, what: str, t: int) -> Mark:
        """Columns of the plan belong to no path; those that not all futures share carry the name of their future."""
        label, future = self.horizon.label(t), self.joint.futures[self.number]
        if self._path:
            return Mark(f"{future}/{self._path}", owner, what, label)
        return Mark("", owner, what, f"{label}/{future}" if self.number else label)

    def _append(self, row: Row) -> None:
        mark = row.mark
        if mark.path in ("", BASELINE):
            key = (mark.owner, mark.what, row.t, row.sense, row.rhs, frozenset(row.terms.items()))
            if key in self.joint.repeated:
                self.joint.owners[self.joint.repeated[key]].append(self.number)
                return
            self.joint.repeated[key] = len(self.rows)
        row.mark = mark._replace(path=f"{self.joint.futures[self.number]}/{mark.path}")
        self.rows.append(row)
        self.joint.owners.append([self.number])

    def column_index(self) -> dict[tuple[str, str, str], dict[int, int]]:
        """Column numbers by path as this future names it (empty for the plan), owner and what; then by period."""
        return self._index

    def copied(self, joint: JointBuilder) -> "MemberBuilder":
        """A copy that writes to another joint programme."""
        copied = MemberBuilder(joint, self.number)
        copied.names.path.update(self.names.path)
        copied._books = {ledger: dict(accounts) for ledger, accounts in self._books.items()}
        copied._links, copied._used = dict(self._links), set(self._used)
        copied._index, copied.data = dict(self._index), self.data
        return copied
