"""A plan, its operation and its outcomes: frozen values, in t and whole currency units; shares lie between 0 and 1.

Build          one purchase: option, decision point, size
Plan           all builds, and the stock paths
Flow           a named flow of an option: its word in tables, its columns, its effect on supply and demand
Flows          operation on one path, by owner and name of the flow, t per period
ManyFlows      operation in shocks with windows of equal length, as arrays; `joined` empties its arguments
Service        one segment in one shock: its worst period, and its shortage
Outcome        one shock under the plan; if there are many shocks, most are summary lines without flows
SampleCount    the samples of an ensemble that are survived, of which a share must be
Weakest        one segment over all shocks
Price          a binding limit and the shadow price of one step
SourceShare    shares of regions in the production of a commodity, in one year
Faced          the adversary that a plan was made against
DoNothing      shortage below the floors under the do-nothing plan
Lack           unserved demand of a segment in the baseline
ActualOutput   the actual output of a process in a year, beside that of the baseline
NoShockPlan    the cheapest plan of the same instance without shocks
ReadOnly       base class of frozen values whose mappings cannot be changed either
ComparedArrays base class of frozen values with arrays
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NoReturn, Self

import numpy as np
import numpy.typing as npt
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

ByPeriod = tuple[float, ...]
Array = npt.NDArray[np.float64]
# Owner and name of a flow.
FlowKey = tuple[str, str]
# Flows that every plan file names, in this order; flows of other levers follow.
WRITTEN_FLOWS = ("activity", "substituted", "unserved", "released", "left")
# A result keeps the flows of at most this number of shocks; of more, of the most important ones.
MOST_DETAILED_SHOCKS = 24


def _refuse(self: Any, *args: Any, **more: Any) -> NoReturn:
    raise TypeError("what a result holds cannot be changed; dict(…) or list(…) makes a copy that can")


class ReadOnlyDict(dict[Any, Any]):
    """A dict that cannot be changed; it is equal to a dict, and is written and sent to other processes like one."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Self], tuple[dict[Any, Any]]]:
        return type(self), (dict(self),)


class ReadOnlyList(list[Any]):
    """A list that cannot be changed; it is equal to a list, and is written and sent to other processes like one."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = _refuse
    insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[type[Self], tuple[list[Any]]]:
        return type(self), (list(self),)


def read_only(value: Any) -> Any:
    """Return a value with all dicts and lists in it read-only, including those in a tuple of dicts."""
    if isinstance(value, ReadOnlyDict | ReadOnlyList):
        return value
    if isinstance(value, dict):
        return ReadOnlyDict({key: read_only(item) for key, item in value.items()})
    if isinstance(value, list):
        return ReadOnlyList(map(read_only, value))
    # All items of a tuple are of one kind, so that the first decides.
    has_dicts = isinstance(value, tuple) and isinstance(next(iter(value), 0), dict)
    return tuple(map(read_only, value)) if has_dicts else value


class ReadOnly:
    """Base class of dataclasses that makes their mappings read-only, with the lists in them."""

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            if isinstance(value, dict | tuple):
                object.__setattr__(self, name, read_only(value))


class ComparedArrays:
    """Base class of dataclasses with arrays, which are equal if all items of their arrays are."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(map(np.array_equal, vars(self).values(), vars(other).values()))


def as_plain(value: Any) -> Any:
    """Return a copy for JSON: dataclasses as dicts by field, flows as in a plan file."""
    if isinstance(value, Flows):
        return value.to_dict()
    if is_dataclass(value):
        return {part.name: as_plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_plain(item) for item in value]
    return tuple(map(as_plain, value)) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Build:
    """One purchase of an option other than a stockpile; purchases of stockpiles are in `Plan.fills`.

    Attributes:
        option: name of the option in the instance.
        kind: kind of its lever.
        t: the decision point, an index of a period from 0.
        year: the calendar year of that period.
        period: the label of that period.
        size: size in the option's own unit, t/yr or a level.
        opened: whether the option has a fixed charge, and is opened by this purchase.
    """

    option: str
    kind: str
    t: int
    year: int
    period: str
    size: float
    opened: bool = False


@dataclass(frozen=True)
class Plan(ReadOnly):
    """The first stage: decisions before any shock is known.

    Attributes:
        builds: purchases by size, sorted by option, in the order of the file, then by period.
        fills: by stockpile, t bought in each period.
        stocks: by stockpile, t held at the end of each period.
    """

    builds: tuple[Build, ...] = ()
    fills: Mapping[str, ByPeriod] = field(default_factory=dict)
    stocks: Mapping[str, ByPeriod] = field(default_factory=dict)

    @property
    def bought(self) -> tuple[str, ...]:
        """The options that are bought, each once, in the order of the plan; stockpiles last."""
        stockpiles = (o for o, row in self.fills.items() if any(fill > 0 for fill in row))
        return tuple(dict.fromkeys([*(build.option for build in self.builds), *stockpiles]))

    @property
    def sizes(self) -> dict[str, float]:
        """What is bought of each option in all periods, in the unit of its size; of a stockpile the tonnes bought."""
        found: dict[str, float] = {}
        for build in self.builds:
            found[build.option] = found.get(build.option, 0.0) + build.size
        return found | {o: sum(fills) for o, fills in self.fills.items()}

    def __repr__(self) -> str:
        lines = [f"{build.period}  {build.option}  {si(build.size)}" for build in self.builds]
        lines += [f"stock  {o}  largest {si(max(row, default=0.0), 't')}" for o, row in self.stocks.items() if any(row)]
        return "<Plan\n  " + "\n  ".join(lines or ["nothing is bought"]) + ">"


@dataclass(frozen=True)
class Flow:
    """Description of a named flow of an option, the owner of the flow."""

    name: str  # name in plan files, frames and tables
    label: str  # word in tables: "released"
    column: str = ""  # name of its columns in the model; by default `name`
    gives: Mapping[str, float] = field(default_factory=dict)  # by commodity, t added to its supply per unit of flow
    takes: Mapping[str, float] = field(default_factory=dict)  # by commodity, t taken from its supply per unit of flow
    serves: str | None = None  # segment of which one unit of flow serves one t of demand; None if there is none
    share: float = 1.0  # the largest share of that segment's demand that the flow may serve


@dataclass(frozen=True)
class Flows(ReadOnly):
    """Operation on one path: the baseline, or the window of one shock.

    Attributes:
        first: index of the first period of the rows, 0 for the first of the horizon; `Outcome.first` is its label.
        rows: by owner and name of the flow, t per period of the path, `left` t at the end of the period. A process
            has ``activity``, a segment ``unserved``; an option has the flows that its lever declares.
    """

    first: int
    rows: Mapping[FlowKey, ByPeriod] = field(default_factory=dict)

    def __getitem__(self, key: FlowKey) -> ByPeriod:
        return self.rows[key]

    def row(self, owner: str, flow: str) -> ByPeriod:
        """Return one flow, t per period; empty if the owner has no flow of that name on this path."""
        return self.rows.get((owner, flow), ())

    def total(self, owner: str, flow: str, periods: Iterable[int]) -> float:
        """Return the sum of one flow over periods; 0 if the owner has no flow of that name on this path."""
        row = self.row(owner, flow)
        return sum(row[t - self.first] for t in periods) if row else 0.0

    def of(self, flow: str) -> dict[str, ByPeriod]:
        """Return all flows of one name, by owner."""
        return {owner: row for (owner, name), row in self.rows.items() if name == flow}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of flows, first the flows in every plan file, then those of other levers."""
        return tuple(dict.fromkeys([*WRITTEN_FLOWS, *(name for _, name in self.rows)]))

    def to_dict(self) -> dict[str, Any]:
        """Return the flows for JSON: ``first``, and the rows by name of the flow and by owner."""
        return {"first": self.first, **{name: self.of(name) for name in self.names}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Flows":
        """Return the flows of an object that `to_dict` returned."""
        named = {name: rows for name, rows in data.items() if name != "first"}
        return cls(data["first"], {(owner, name): row for name, rows in named.items() for owner, row in rows.items()})

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema that reads the object of `to_dict`, with any names of flows."""
        shape = core_schema.typed_dict_schema(
            {"first": core_schema.typed_dict_field(core_schema.int_schema())},
            extras_schema=handler.generate_schema(dict[str, ByPeriod]),
            extra_behavior="allow",
        )
        return core_schema.no_info_after_validator_function(cls.from_dict, shape)


@dataclass(frozen=True)
class ManyFlows:
    """The operation in shocks with windows of equal length."""

    names: tuple[str, ...]  # names of the shocks
    first: tuple[int, ...]  # the first period of each shock's window
    rows: dict[FlowKey, Array]  # as in `Flows`, but arrays (shocks, periods of the window), in t

    def __getitem__(self, key: FlowKey) -> Array:
        return self.rows[key]

    @classmethod
    def joined(cls, parts: Sequence["ManyFlows"]) -> "ManyFlows":
        """Concatenate the shocks of several parts with windows of equal length; the parts lose their rows.

        With thousands of shocks, no row is in memory twice.
        """
        rows = {key: np.concatenate([part.rows.pop(key) for part in parts]) for key in list(parts[0].rows)}
        names, first = (tuple(x for part in parts for x in getattr(part, what)) for what in ("names", "first"))
        return cls(names, first, rows)

    def at(self, i: int) -> Flows:
        """Return the flows of one shock, by its index in `names`."""
        return Flows(self.first[i], {key: tuple(row[i].tolist()) for key, row in self.rows.items()})

    def some(self, which: list[int]) -> "ManyFlows":
        """Return the selected shocks, by their indices in `names`."""
        rows = {key: row[which] for key, row in self.rows.items()}
        return ManyFlows(tuple(self.names[i] for i in which), tuple(self.first[i] for i in which), rows)

    def without(self, names: Collection[str]) -> "ManyFlows":
        """Return the shocks that are not among the names."""
        return self.some([i for i, name in enumerate(self.names) if name not in names])


class ServedShare:
    """Properties derived from the floor and the service of a segment's weakest period, fields of the subclasses."""

    floor: float
    worst_service: float

    @property
    def margin(self) -> float:
        """Service minus floor in the weakest period, a share; negative if the floor fails."""
        return self.worst_service - self.floor

    @property
    def is_full(self) -> bool:
        """Whether all demand is served in every period."""
        return self.worst_service >= 1.0 - NEGLIGIBLE


@dataclass(frozen=True)
class Service(ServedShare):
    """One segment in one shock: its weakest period and its shortage.

    Attributes:
        floor: the survival floor of the worst period, a share.
        worst_service: the share served or substituted in the worst period.
        worst_period: label of the worst period.
        shortage: t unserved over the window.
        below_floor: the part of `shortage` below the floor, t.
        gap: `below_floor` valued at the shortage cost, money.
        first_failure: label of the first period below the floor; None if no period is.
    """

    floor: float
    worst_service: float
    worst_period: str
    shortage: float
    below_floor: float
    gap: float
    first_failure: str | None


@dataclass(frozen=True)
class Outcome(ReadOnly):
    """One shock under the plan. If there are many shocks, most are kept as summary lines, without flows.

    Attributes:
        name: name of the shock.
        survives: whether no segment falls below its floor.
        gap: sum of the segments' survival gaps, money.
        cost: present value of operation and shortage in the window, money. All unserved demand counts at its shortage
            cost, also above the floor. The cost is not weighted by probability, and is no part of the total cost of
            the plan if the shock has no probability.
        first: label of the window's first period.
        last: label of the window's last period.
        probability: probability over the horizon.
        segments: services by segment; a summary line has only the weakest segment, all that fail, and those with their
            largest shortage in this shock.
        flows: flows, t per period; None for a summary line.
        excused: whether the shock fails and is allowed to, as a sample of an ensemble of which only a share must be
            survived.
        unserved: for a summary line, t unserved over the window by segment that goes short; None with flows, where
            `segments` has it, and for lines of plan files without it.
    """

    name: str
    survives: bool
    gap: float
    cost: float
    first: str
    last: str
    probability: float
    segments: Mapping[str, Service]
    flows: Flows | None
    excused: bool = False
    unserved: Mapping[str, float] | None = None

    @property
    def fails(self) -> bool:
        """Whether a segment falls below its floor and the shock is not excused."""
        return not self.survives and not self.excused


@dataclass(frozen=True)
class SampleCount:
    """Numbers of samples of an ensemble of which only a share must be survived: survived, all, and required."""

    ensemble: str
    survived: int
    samples: int
    required: int

    def __str__(self) -> str:
        return f"{self.survived:,} of {self.samples:,} samples, {self.required:,} required"

    @property
    def of_ensemble(self) -> str:
        """The numbers as text, with the name of the ensemble."""
        return f"{self.survived:,} of {self.samples:,} samples of {self.ensemble} ({self.required:,} required)"


@dataclass(frozen=True)
class Weakest(ServedShare):
    """The weakest period of one segment over all shocks."""

    worst_shock: str  # the shock with the weakest period
    worst_period: str  # the label of that period
    worst_service: float  # the share served or substituted in that period
    floor: float  # the survival floor in that period, a share
    shocks_failed: int  # number of shocks in which the segment falls below its floor


@dataclass(frozen=True)
class Price:
    """A binding limit and its shadow price."""

    what: str  # name of the limit: "the budget"
    step: str  # the step by which it is relaxed: "1 % more"
    worth: float  # shadow price of the step, money: decrease of total cost, or of the survival gap if floors fail
    key: str = ""  # segment, process, option or commodity of the limit, as in the file; empty for budgets and rules
    shock: str = ""  # the shock in which it binds; empty for the whole plan, the baseline, and several shocks together


@dataclass(frozen=True)
class SourceShare(ReadOnly):
    """Production of a commodity in one calendar year of the baseline, t, with regions' shares and their HHI (0 … 1)."""

    year: int
    tonnes: float
    regions: Mapping[str, float]
    hhi: float


@dataclass(frozen=True)
class DoNothing:
    """The shortage below the floors under the do-nothing plan."""

    gap: float  # sum of the survival gaps over all shocks, money
    below_floor: float  # sum of the shortages below floors over all shocks, t
    shocks_failed: int  # number of shocks in which a segment falls below its floor
    worst_shock: str | None  # name of the shock with the largest gap; None if no shock fails
    worst_gap: float  # gap of that shock, money
    counted: "DoNothing | None" = None  # the figures without samples that may fail; None if no samples may fail


@dataclass(frozen=True)
class Lack:
    """The demand of a segment that the baseline leaves unserved."""

    share: float  # the largest share of a period's demand that is left unserved
    period: str  # the label of that period, the first one of equals
    unserved: float  # t over the horizon


@dataclass(frozen=True)
class ActualOutput:
    """The actual output of an existing process in a year, with that of the baseline."""

    # The process and the commodity that it produces.
    process: str
    commodity: str
    year: int  # calendar year of the actual output
    actual: float  # t in that year
    model_year: int  # year of the baseline for comparison: `year`, or the first year of the horizon if that is later
    modelled: float  # output of the baseline in that year, t
    deviation: float | None  # relative deviation of the baseline from the actual output; None if the latter is 0


@dataclass(frozen=True)
class Faced(ReadOnly):
    """The adversary that a plan was made against."""

    attack_budget: float  # the limit on the price of one attack, in the unit of the file
    # Numbers of starts and of targets that it can choose from.
    starts: int
    targets: int
    sets: int | None  # number of maximal affordable sets of targets; None if there are too many to enumerate
    # Names of the shocks that are its attacks: those that shaped the plan, and are not deterred.
    attacks: tuple[str, ...]
    # Name of the attack with the largest gap, of all affordable attacks at any start that are not deterred; None if the
    # plan survives all of them.
    worst: str | None = None
    gap: float = 0.0  # sum over all starts of the gap of the worst attack at the start, money
    # Names of attacks that are affordable at their prices, but not with the costs that the plan's leverage adds.
    deterred: tuple[str, ...] = ()
    # Cost to the adversary under the plan, money, by name of each attack in `attacks` and `deterred`.
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class NoShockPlan(ReadOnly):
    """The no-shock plan: the cheapest plan of the same instance without shocks and without survival rules."""

    total_cost: float  # present value, money
    plan: Plan  # its purchases
    baseline: Flows  # its operation, t per period
    # Present value by part, money; the parts are those of `Result.costs` and sum to `total_cost`.
    costs: Mapping[str, float] = field(default_factory=dict)
