"""Tests of the levers of the package, and of levers from outside."""

from optimizer import levers
from optimizer.audit import levers as auditors


def forget_levers_from_outside() -> None:
    """Undo every `register`, so that the next test knows the kinds of the package alone."""
    for kind in set(levers.KINDS) - levers.PACKAGE_KINDS:
        del levers.KINDS[kind]
        levers._AUDITED.discard(kind)
        auditors._REGISTERED.pop(kind, None)
