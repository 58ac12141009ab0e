"""The auditor of each kind of lever: the module of that name here, that of activities, or one from outside."""

import pkgutil
from functools import cache
from importlib import import_module

from optimizer.audit.auditor import ActivityAuditor, Auditor

# Kinds that are activities, and nothing more.
_ACTIVITIES = ("ally", "recycling", "refining")
# Auditors of levers from outside the package, by kind.
_REGISTERED: dict[str, Auditor] = {}


def register_auditor(kind: str, auditor: Auditor) -> None:
    """Let a kind from outside the package be audited."""
    _REGISTERED[kind] = auditor


@cache
def package_auditors() -> dict[str, Auditor]:
    """The auditors of the package, by kind: each module of this folder holds one, and activities share theirs."""
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
    """The auditor of a kind of lever; None where there is none."""
    return _REGISTERED.get(kind) or package_auditors().get(kind)
