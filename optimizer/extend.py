"""The stable names for writing a lever, and its auditor, outside the package.

The lever
    Sized, Producing, Stock its base class: bought by size; by size and also a process; held as a stock
    Labels, Reference       how outputs name it; a name in one of its fields
    Problem                 a finding about its own fields: place, what is wrong, cure, severity
    Quantity, Share, …      the types of its fields
    ModelBuilder, total     the model that it writes rows and columns to; the sum of terms
    Horizon                 the time axis: the argument of `payments`
    ShockPath               the argument of `operate`: the baseline or one shock
    Flow                    a flow that a result reports of it

The auditor
    Auditor, ActivityAuditor    its base class; the latter for a lever that is a process
    StockAuditor                its base class for a lever that is a stock
    Holding, Operation          its purchases in a plan; its operation in the baseline or in shocks
    Scales, Array               the size of the rows of an instance; an array of float64

A module outside the package imports from here and from `optimizer` only; the modules behind it may move.

A lever from outside is one Python file that holds two classes, the lever and its auditor, and registers them when it is
imported:

    optimizer.register(DemandResponse, DemandResponseAuditor())

In Python, import the file before the instance is read. The command line finds it in one of three ways:

    --plugin FILE.py          before the command: ``diversify --plugin demand_response.py solve FILE``
    DIVERSIFY_PLUGINS         an environment variable: such files, separated like the entries of PATH
    an installed package      with an entry point in the group ``optimizer.levers`` that names its module; it is
                              imported when a file names a kind that is not known yet

Worker processes on this machine import the same file. The workers of a Dask cluster need it installed.
`examples/demand_response.py` is such a file.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optimizer.audit.auditor import ActivityAuditor, Auditor, Holding, Operation, Scales
from optimizer.audit.levers import StockAuditor, register_auditor
from optimizer.disruptions.path import Path as ShockPath
from optimizer.errors import PluginError, Problem, fault_of_import
from optimizer.horizon import Horizon
from optimizer.levers import KINDS, Labels, Producing, Reference, Sized, Stock, register_lever
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import total
from optimizer.results.plan import Array, Flow
from optimizer.units import AmountSeries, Quantity, QuantitySeries, Series, Share

__all__ = [
    "ActivityAuditor",
    "AmountSeries",
    "Array",
    "Auditor",
    "Flow",
    "Holding",
    "Horizon",
    "Labels",
    "ModelBuilder",
    "Operation",
    "Problem",
    "Producing",
    "Quantity",
    "QuantitySeries",
    "Reference",
    "Scales",
    "Series",
    "Share",
    "ShockPath",
    "Sized",
    "Stock",
    "StockAuditor",
    "register",
    "total",
]


def register(lever: type[Any], auditor: Auditor) -> None:
    """Register a lever from outside the package, so that instances may name its kind and plans with it are audited.

    Args:
        lever: a class with a `kind` of its own, derived from `Sized`, `Producing` or `Stock`.
        auditor: an object of a class derived from `Auditor`: its arithmetic, which must not call the lever's.

    Raises:
        TypeError: `lever` or `auditor` has another type, or the lever names no kind or several, has no `operate`, or
            lacks the field that a shock's `reliability` replaces, or names in `shock_fields` one that shocks lack.
        ValueError: the package itself has a lever of this kind, or its `labels` have a colour that there is not.
    """
    if isinstance(auditor, type) and issubclass(auditor, Auditor):
        raise TypeError(f"{auditor.__name__} is a class, and register takes an object of it: {auditor.__name__}()")
    if not isinstance(auditor, Auditor):
        raise TypeError("a lever without an auditor is not registered: give it an Auditor")
    register_auditor(register_lever(lever), auditor)


def _is_file(spec: ModuleSpec | None, file: Path) -> bool:
    """Return whether a module specification belongs to a file."""
    return spec is not None and Path(spec.origin or "").resolve() == file


def load_plugin(path: str | Path) -> None:
    """Import a file that registers levers, under its own name, so that worker processes find it as well.

    Raises:
        PluginError: no such file, a name that a module has already, an error in it, or no lever.
    """
    file = Path(path).resolve()
    if file.suffix != ".py" or not file.is_file():
        raise PluginError(f"there is no Python file {path}: name one such as demand_response.py")
    if not file.stem.isidentifier():
        raise PluginError(f'{path} cannot be imported: "{file.stem}" is no name in Python; use letters, digits and _')
    if _is_file(getattr(sys.modules.get(file.stem), "__spec__", None), file):
        return
    # `python -m` puts the folder it runs in on the path: there the module that is found may be the file itself.
    spec = find_spec(file.stem)
    if file.stem in sys.modules or (spec is not None and not _is_file(spec, file)):
        raise PluginError(f'{path} cannot be imported: there is a module "{file.stem}" already; rename the file')
    sys.path.append(str(file.parent))
    known = dict(KINDS)
    try:
        import_module(file.stem)
    except Exception as error:
        sys.path.remove(str(file.parent))
        raise PluginError(f"{path} {fault_of_import(error, file.stem)}") from error
    if known == KINDS:
        sys.path.remove(str(file.parent))
        del sys.modules[file.stem]
        raise PluginError(f"{path} registers no lever: call so.register(…) in it, with the lever and its auditor")
