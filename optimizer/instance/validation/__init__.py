"""The checks of an instance whose objects are each well formed: one module a subject.

A check takes an `Unchecked` and yields problems. It never raises, and never stops at the first problem. `reading` lists
them in the order in which they run.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from optimizer.disruptions.shock import ActivitySelector
from optimizer.errors import Place, Problem
from optimizer.instance.schema import Instance


@dataclass(frozen=True)
class Unchecked:
    """An instance of the objects that are well formed, before it is known to fit together."""

    instance: Instance
    declared: Mapping[str, frozenset[str]]  # the names that each section declares, those of faulty objects as well
    sound: bool  # whether every object is well formed
    resolved: bool  # whether, beside that, every name that is used exists

    def names(self, section: str) -> frozenset[str]:
        """All names that a section declares, of faulty objects as well."""
        return self.declared.get(section, frozenset())

    def unmatched(self, place: Place, cuts: Iterable[ActivitySelector]) -> Iterator[Problem]:
        """Cuts of a place that match nothing; none while names are unresolved."""
        for k, cut in enumerate(cuts if self.resolved else ()):
            if not self.instance.activity_index.has_match(cut):
                cure = "Name a region, stage, process or commodity of this file, or remove the cut."
                what = "a cut that matches nothing: no process has all it asks for"
                yield (*place, "cuts", k), what, cure, "warning"
