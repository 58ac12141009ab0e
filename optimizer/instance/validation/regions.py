"""Names of regions, for reading; and whether what `regions` says is about regions that the instance has."""

import difflib
from collections.abc import Iterator

from optimizer.instance.schema import Instance
from optimizer.instance.validation.draft import Draft, Problem


def region_name(instance: Instance, region: str) -> str:
    """A region for reading: the name that the file gives it, or its key in words, ``united kingdom``."""
    named = instance.regions.get(region) or (instance.regions.get("home") if region == instance.home else None)
    return (named.name if named else None) or region.replace("_", " ")


def named_regions(instance: Instance) -> set[str]:
    """Every region that something stands in or is directed at, the home region among them."""
    named = {activity.region for activity in instance.activities.values() if activity.region}
    named |= {getattr(option, "region", None) or "" for option in instance.options.values()} - {""}
    return named | ({instance.home, "home"} if instance.home else set())


def regions_are_named(draft: Draft) -> Iterator[Problem]:
    """Every region of the section `regions` is the region of something: another name is a slip."""
    if draft.instance is None or not draft.sound:
        return
    known = named_regions(draft.instance)
    for region in draft.instance.regions:
        if region not in known:
            near = difflib.get_close_matches(region, sorted(known), n=1)
            cure = f'Did you mean "{near[0]}"?' if near else "Remove it, or name it as the region of a process."
            yield ("regions", region), "nothing stands in this region", cure, "warning"
