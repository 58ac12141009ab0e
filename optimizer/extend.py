"""What a lever from outside the package and its auditor are written with: the stable names, in one place.

The lever
    Sized, Producing        what it is derived from: bought by size; bought by size and a process
    Labels, Reference       how it is called; a name that one of its fields holds
    Problem                 a finding about its own fields: place, what is wrong, cure, severity
    Quantity, Share, …      the types of its fields
    ModelBuilder, total     the rows and columns that it writes; the sum of some terms
    ShockPath               the baseline or one shock, as `operate` is given it
    Flow                    a flow that a result reports of it

The auditor
    Auditor, ActivityAuditor    what it is derived from; the latter where the lever is a process
    Holding, Operation          what the plan bought of it; what it does on the baseline or in shocks
    Scales, Array               how large the rows of an instance are; an array of float64

`register` makes both known. A module outside the package imports from here only; the modules behind it may move.
"""

from optimizer.audit.auditor import ActivityAuditor, Auditor, Holding, Operation, Scales
from optimizer.disruptions.shock import Path as ShockPath
from optimizer.errors import Problem
from optimizer.levers import Labels, Producing, Reference, Sized
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import total
from optimizer.plugins import register
from optimizer.results.plan import Array, Flow
from optimizer.units import AmountSeries, Quantity, QuantitySeries, Series, Share

__all__ = [
    "ActivityAuditor",
    "AmountSeries",
    "Array",
    "Auditor",
    "Flow",
    "Holding",
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
    "register",
    "total",
]
