"""What the checks look at, and what they say."""

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.errors import Severity
from optimizer.instance.schema import Instance

Place = tuple[str | int, ...]
Problem = tuple[Place, str, str, Severity]


@dataclass(frozen=True)
class Draft:
    """What could be read.

    Attributes:
        instance: of the objects that are well formed; None where there is no horizon.
        declared: the names that each section declares, those of faulty objects as well.
        sound: whether every object is well formed.
        resolved: whether, beside that, every name that is used exists.
    """

    instance: Instance | None
    declared: Mapping[str, frozenset[str]]
    sound: bool
    resolved: bool

    def names(self, section: str) -> frozenset[str]:
        """All names that a section declares, of faulty objects as well."""
        return self.declared.get(section, frozenset())
