"""Which activities a cut strikes, found by index instead of by trying every activity for every cut."""

from collections.abc import Iterator, Mapping

from optimizer.disruptions.shock import Target
from optimizer.network.activity import Activity

FIELDS = ("process", "commodity", "stage", "region")


class ActivityIndex:
    """The activities of an instance by name, output, stage and region.

    The names that a field of a cut lists are looked up; those of the field with the fewest are compared with the other
    fields. A cut costs about as much as it strikes, however many activities there are.
    """

    def __init__(self, activities: Mapping[str, Activity]) -> None:
        self._activities = activities
        self._order = {name: i for i, name in enumerate(activities)}
        self._by: dict[str, dict[str, list[str]]] = {field: {} for field in FIELDS}
        for name, activity in activities.items():
            for field in FIELDS:
                for value in _values(name, activity, field):
                    self._by[field].setdefault(value, []).append(name)

    def matching(self, target: Target) -> list[str]:
        """The activities that match all the fields of a target, in the order of the file; all of them without any."""
        return sorted(dict.fromkeys(self._each(target)), key=self._order.__getitem__)

    def has_match(self, target: Target) -> bool:
        """Whether any activity matches all the fields of a target."""
        return next(self._each(target), None) is not None

    def _each(self, target: Target) -> Iterator[str]:
        given = {field: frozenset(names) for field in FIELDS if (names := getattr(target, field)) is not None}
        if not given:
            yield from self._activities
            return
        found = {field: [self._by[field].get(value, []) for value in values] for field, values in given.items()}
        first = min(found, key=lambda field: sum(map(len, found[field])))
        others = [(field, values) for field, values in given.items() if field != first]
        for names in found[first]:
            for name in names:
                activity = self._activities[name]
                if all(not values.isdisjoint(_values(name, activity, field)) for field, values in others):
                    yield name


def _values(name: str, activity: Activity, field: str) -> tuple[str, ...]:
    """What an activity has in a field of a cut: its own name, its outputs, its stage or its region."""
    if field == "process":
        return (name,)
    if field == "commodity":
        return tuple(activity.output)
    value = getattr(activity, field)
    return () if value is None else (value,)
