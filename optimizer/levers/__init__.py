"""The seven levers, by `kind`.

A new lever of the package needs a class, an import and an entry here, and an auditor: a module in `audit.levers` or,
for a plain activity, its kind in the list there. A lever from outside is registered by `optimizer.extend.register`.
"""

import warnings
from functools import cache
from importlib.metadata import entry_points
from typing import get_args

from optimizer.errors import OptimizerWarning, PluginError, fault_of_import
from optimizer.levers.base import Labels as Labels
from optimizer.levers.base import Lever as Lever
from optimizer.levers.base import Reference as Reference
from optimizer.levers.base import Sized as Sized
from optimizer.levers.base import Stock as Stock
from optimizer.levers.leverage import Leverage as Leverage
from optimizer.levers.partnership import Partnership as Partnership
from optimizer.levers.producing import Ally as Ally
from optimizer.levers.producing import Producing as Producing
from optimizer.levers.producing import Recycling as Recycling
from optimizer.levers.producing import Refining as Refining
from optimizer.levers.stockpile import Stockpile as Stockpile
from optimizer.levers.substitution import Substitution as Substitution

KINDS: dict[str, type[Lever]] = {
    "ally": Ally,
    "refining": Refining,
    "recycling": Recycling,
    "substitution": Substitution,
    "stockpile": Stockpile,
    "partnership": Partnership,
    "leverage": Leverage,
}

PACKAGE_KINDS = frozenset(KINDS)
# The number of slots in the palette of figures.
COLOURS = 8

# The fields of a shock that may name options.
SHOCK_FIELDS = ("cost", "reliability")

# Kinds with an auditor: `audit.levers` has one for each kind of the package, `register_lever` adds the others.
_AUDITED: set[str] = set(PACKAGE_KINDS)


def register_lever(lever: type[Lever]) -> str:
    """Add a lever to the kinds that instances may name, in place of an earlier one of that kind.

    The caller registers its auditor.

    Returns:
        The kind of the lever.

    Raises:
        TypeError: the class is no subclass of `Sized` or `Stock`, names no kind or several, has no `operate`, names
            a field in `shock_fields` that shocks do not have, or lacks one that its shocks replace.
        ValueError: the package itself has a lever of this kind, or its colour is no slot of the palette.
    """
    if not (isinstance(lever, type) and issubclass(lever, (Sized, Stock))):
        raise TypeError(f"{lever!r} is no lever: derive it from Sized, Producing or Stock of optimizer.extend")
    kinds = get_args(lever.model_fields["kind"].annotation)
    if len(kinds) != 1 or not isinstance(kinds[0], str):
        raise TypeError(f'{lever.__name__} names no kind: write `kind: Literal["…"]` in it')
    _require_shock_fields(lever)
    if kinds[0] in PACKAGE_KINDS:
        raise ValueError(f'"{kinds[0]}" is a kind that the package has: give {lever.__name__} one of its own')
    if lever.labels.colour not in range(COLOURS):
        raise ValueError(f"{lever.__name__} has the colour {lever.labels.colour}: slots are 0 to {COLOURS - 1}")
    if lever.operate is Lever.operate:
        what = "write what it adds to the baseline or to one shock"
        raise TypeError(f"{lever.__name__} has no method operate(model, path): {what}")
    KINDS[kinds[0]] = lever
    _AUDITED.add(kinds[0])
    return kinds[0]


def _require_shock_fields(lever: type[Lever]) -> None:
    unknown = [field for field in lever.shock_fields if field not in SHOCK_FIELDS]
    if unknown:
        may = " and ".join(SHOCK_FIELDS)
        raise TypeError(f"{lever.__name__} has {unknown[0]} in shock_fields: a shock states {may} of an option")
    if "reliability" in lever.shock_fields and "reliability" not in lever.model_fields:
        raise TypeError(f"{lever.__name__} has no field reliability that a shock's would replace: add it")


@cache
def load_entry_points() -> None:
    """Import the installed packages that register levers, once.

    Raises:
        PluginError: one of them cannot be imported.
    """
    for point in entry_points(group="optimizer.levers"):
        try:
            point.load()
        except Exception as error:
            raise PluginError(f"the installed package {point.module} {fault_of_import(error, point.module)}") from error


def known_kinds() -> dict[str, type[Lever]]:
    """Return the levers that an instance may name, by kind, including those of installed packages."""
    load_entry_points()
    return KINDS


def process_count(wanted: int) -> int:
    """Return the number of processes to use: 1, with a warning, if other processes cannot import a lever.

    Its class is then in no module that they find: it is defined in a notebook, the script that runs, or a function.
    """
    own = [each for each in KINDS.values() if each.__module__ == "__main__" or "<locals>" in each.__qualname__]
    if wanted == 1 or not own:
        return wanted
    where = "in a notebook, in the script that runs or in a function, where worker processes cannot import it"
    cure = f"Move it into a file of its own and import that to use {wanted} processes."
    message = f"The lever {own[0].__name__} is defined {where}: one process does all the work. {cure}"
    # Its place is this line, so that Python prints it once.
    warnings.warn(message, OptimizerWarning, stacklevel=1)
    return 1


def is_audited(kind: str) -> bool:
    """Return whether plans that buy this kind of lever can be audited."""
    return kind in _AUDITED
