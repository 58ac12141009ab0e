"""The auditor of each kind of lever: a module of that name here, the shared one of activities, or a registered one."""

import pkgutil
from functools import cache
from importlib import import_module

from optimizer.audit.auditor import ActivityAuditor, Auditor

# Kinds that are plain activities.
_ACTIVITIES = ("ally", "recycling", "refining")
# Auditors of levers from outside the package, by kind.
_REGISTERED: dict[str, Auditor] = {}


def register_auditor(kind: str, auditor: Auditor) -> None:
    """Add the auditor of a kind from outside the package."""
    _REGISTERED[kind] = auditor


@cache
def package_auditors() -> dict[str, Auditor]:
    """Return the package's auditors by kind: one from each module of this folder, and the shared one of activities."""
    kinds = sorted(each.name for each in pkgutil.iter_modules(__path__))
    shared = dict.fromkeys(_ACTIVITIES, ActivityAuditor())
    return {**shared, **{kind: _auditor_in(f"{__name__}.{kind}") for kind in kinds}}


def _auditor_in(module: str) -> Auditor:
    (own,) = (
        each
        for each in vars(import_module(module)).values()
        if isinstance(each, type) and issubclass(each, Auditor) and each.__module__ == module
    )
    return own()


def auditor_of(kind: str) -> Auditor | None:
    """Return the auditor of a kind of lever, or None."""
    return _REGISTERED.get(kind) or package_auditors().get(kind)
