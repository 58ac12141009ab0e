"""What the checks look at, and what they say."""

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.instance.schema import Instance

Place = tuple[str | int, ...]
Problem = tuple[Place, str, str, str]


@dataclass(frozen=True)
class Draft:
    """What could be read: the sound objects, and the names of all that were declared."""

    instance: Instance | None
    declared: Mapping[str, frozenset[str]]
    sound: bool

    def names(self, section: str) -> frozenset[str]:
        """All names that a section declares, of faulty objects as well."""
        return self.declared.get(section, frozenset())
