"""Levers from outside the package: how one is made known, and where the command line finds it.

A lever from outside is one Python file that holds two classes, the lever and its auditor, and registers them when it is
imported:

    optimizer.register(DemandResponse, DemandResponseAuditor())

In Python, import the file before the instance is read. Everywhere else it is found in one of three ways:

    --plugin FILE.py          an option of every command: ``diversify --plugin demand_response.py solve FILE``
    DIVERSIFY_PLUGINS         an environment variable: such files, separated like the entries of PATH
    an installed package      with an entry point in the group ``optimizer.levers`` that names its module; it is
                              imported when a file names a kind that is not known yet

`examples/demand_response.py` is such a file.
"""

from typing import Any

from optimizer.audit.auditor import Auditor
from optimizer.audit.levers import register_auditor
from optimizer.levers import register_lever

__all__ = ["register"]


def register(lever: type[Any], auditor: Auditor) -> None:
    """Make a lever from outside the package known: instances may name its kind, and plans that buy it are audited.

    Args:
        lever: a class with a `kind` of its own, derived from `Sized` or from another class of `optimizer.levers`.
        auditor: its arithmetic, which must not call the lever's.

    Raises:
        TypeError: no such class, or no auditor.
        ValueError: a kind that the package has itself.
    """
    if not isinstance(auditor, Auditor):
        raise TypeError("a lever that nobody audits is not registered: give it an Auditor")
    register_auditor(register_lever(lever), auditor)
