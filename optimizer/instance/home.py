"""`home` as a region: an alias of the home region wherever an entry names one."""

from collections.abc import Mapping
from typing import Any

from optimizer.levers import KINDS, Recycling, Refining


def complete(section: str, name: str, entry: Mapping[str, Any], home: Any) -> dict[str, Any]:
    """The entry with its own name in it, `home` resolved, and the region of refining and recycling filled in."""
    whole: dict[str, Any] = at_home(entry, home)
    if section in ("processes", "demands", "options"):
        whole["id"] = name
    kind = entry.get("kind") if section == "options" else None
    if isinstance(kind, str) and issubclass(KINDS[kind], (Refining, Recycling)) and entry.get("region") is None:
        whole["region"] = home
    if section in ("shocks", "ensembles"):
        whole = cuts_at_home(whole, home)
        if isinstance(whole.get("events"), Mapping):
            whole["events"] = {name: cuts_at_home(event, home) for name, event in whole["events"].items()}
    return whole


def cuts_at_home(entry: Any, home: Any) -> Any:
    """An entry in whose cuts `home` is resolved."""
    if isinstance(entry, Mapping) and isinstance(entry.get("cuts"), (list, tuple)):
        return {**entry, "cuts": [at_home(cut, home) for cut in entry["cuts"]]}
    return entry


def at_home(entry: Any, home: Any) -> Any:
    """An entry in whose region `home` is resolved."""
    if not isinstance(entry, Mapping):
        return entry
    whole = dict(entry)
    region = whole.get("region")
    if home is not None and isinstance(region, (list, tuple)):
        whole["region"] = [home if name == "home" else name for name in region]
    elif home is not None and region == "home":
        whole["region"] = home
    return whole
