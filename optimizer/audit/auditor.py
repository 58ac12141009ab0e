"""What the audit knows of a lever: an `Auditor` for each kind says once more, in plain numbers, what the lever does.

Scales      how large rows are, from the instance alone
AuditBasis  what is read from an instance: the axis of time, series, and its scales
Holding     one option in a plan: what the plan says was bought of it
Paths       the baseline, or shocks whose windows are equally long: their flows and cuts
Operation   one activity or option on such paths
Auditor     the arithmetic of one kind; `audit/levers/<kind>.py` holds that of each lever of the package

An auditor never calls its lever: the two are written twice so that each checks the other.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.audit import AuditNumber, AuditReport
from optimizer.disruptions.shock import Shock, ShockSpec
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array, Build, ByPeriod, ManyFlows
from optimizer.tolerances import AUDIT_ABSOLUTE, AUDIT_RELATIVE, AUDIT_ROUNDING


class Scales:
    """How large rows are, from the instance alone: what a plan claims must not widen its own tolerance.

        S       t      the largest demand of a period, or stock at the start
        S[c]    t      of a commodity: the largest demand of a segment for it, or stock at the start; of an input also
                       what the outputs that are made of it take: S[c] = max_p in[p,c] · S[p], at most S
        S[p]    t      of an activity: the largest S[c]/out[p,c] of what it makes

    A row whose terms are all small is judged as if its largest term were a share of its scale.

    Args:
        instance: the instance.
        initial_stocks: by commodity, the largest stock before the first period, t.

    Attributes:
        least: of any row.
        commodities: of a commodity's balance and stocks.
        activities: of an activity's capacity.
        segments: of a segment's demand and of what stands in for it.
    """

    def __init__(self, instance: Instance, initial_stocks: Mapping[str, float]) -> None:
        self._segments = {d: _largest(instance, demand) for d, demand in instance.demands.items()}
        self._commodities = dict.fromkeys(instance.commodities, 0.0)
        for d, demand in instance.demands.items():
            self._raise(demand.commodity, self._segments[d])
        for commodity, amount in initial_stocks.items():
            self._raise(commodity, amount)
        self._top = max(self._commodities.values(), default=0.0)
        self._spread(instance)
        self.least = AUDIT_ROUNDING / AUDIT_RELATIVE * self._top
        self.commodities = {c: self._scale(size) for c, size in self._commodities.items()}
        self.segments = {d: self._scale(size) for d, size in self._segments.items()}
        self.activities = {name: self._scale(self._largest_output(each)) for name, each in instance.activities.items()}

    def _scale(self, size: float) -> float:
        return max(self.least, AUDIT_ABSOLUTE / AUDIT_RELATIVE * size)

    def _raise(self, commodity: str, size: float) -> bool:
        is_more = size > self._commodities[commodity]
        if is_more:
            self._commodities[commodity] = size
        return is_more

    def _spread(self, instance: Instance) -> None:
        """From what is made to what it takes; a loop of recipes ends at the largest demand."""
        for _ in instance.commodities:
            changed = [
                self._raise(c, min(self._top, share * self._largest_output(each)))
                for each in instance.activities.values()
                for c, share in each.input.items()
            ]
            if not any(changed):
                return

    def _largest_output(self, activity: Any) -> float:
        outputs: Mapping[str, float] = activity.output
        return max((self._commodities[c] / share for c, share in outputs.items() if share > 0), default=0.0)


def _largest(instance: Instance, demand: Any) -> float:
    return float(instance.horizon.delta * max(demand.quantity.at(year) for year in instance.horizon.years))


# Stands for no limit.
UNLIMITED = 1e300


class AuditBasis:
    """What the audit reads from an instance, and the report that it writes to.

    Attributes:
        instance: the instance.
        report: where rows are noted.
        horizon: the axis of time.
        delta: years that a period lasts.
        periods: all periods, by number.
        labels: all periods, by label.
        scales: how large the rows of each part of the instance are.
    """

    def __init__(self, instance: Instance, report: AuditReport, initial_stocks: Mapping[str, float]) -> None:
        self.instance, self.report = instance, report
        self.horizon = instance.horizon
        self.delta = instance.horizon.delta
        self.periods = list(instance.horizon.periods)
        self.labels = [self.horizon.label(t) for t in self.periods]
        self.scales = Scales(instance, initial_stocks)
        self._series: dict[Any, Array] = {}

    def year(self, t: int) -> int:
        """The calendar year of a period."""
        return int(self.horizon.year(t))

    def by_period(self, series: Any) -> Array:
        """A series of the instance in every period."""
        if series not in self._series:
            self._series[series] = np.array([series.at(self.year(t)) for t in self.periods], dtype=np.float64)
        return self._series[series]

    @cached_property
    def events(self) -> dict[str, Shock]:
        """The shocks of the instance, by name."""
        return {event.name: event for event in self.instance.events}

    def demanded(self, paths: "Paths", segment: str) -> Array:
        """Demand of a segment after any surge, t in each period of some paths."""
        usual = self.by_period(self.instance.demands[segment].quantity)[paths.times] * paths.delta
        return np.asarray(usual * paths.override("demand", segment, 1.0))

    def discount(self, t: int) -> float:
        """The discount factor of a period."""
        return float((1.0 + self.instance.discount_rate) ** (-t * self.delta))

    def may_decide(self, option: Any, t: int) -> bool:
        """Whether an option may be decided in a period."""
        early = option.earliest is not None and self.year(t) < option.earliest
        return not early and not (option.latest is not None and self.year(t) > option.latest)


@dataclass(frozen=True)
class Holding:
    """One option in a plan."""

    name: str  # of the option
    option: Any  # the option, with its fields
    basis: AuditBasis  # the instance, its periods and scales, and the report
    builds: Sequence[Build]  # its purchases by size
    # t bought in each period, and t held at its end; empty for what is bought by size.
    fills: ByPeriod = ()
    stocks: ByPeriod = ()

    @property
    def lead(self) -> int:
        """Its lead time in whole periods."""
        return self.basis.horizon.whole(float(self.option.lead_time))

    def working(self) -> Array:
        """C by period: each build times the ramp of the twelve months that it is in."""
        ramp, months = self.option.ramp, self.basis.horizon.months
        return self._summed(lambda age: ramp[min(age * months // 12, len(ramp) - 1)])

    def installed(self) -> Array:
        """N by period: the same without a ramp."""
        return self._summed(lambda age: 1.0)

    def _summed(self, share: Callable[[int], float]) -> Array:
        total = np.zeros(len(self.basis.periods))
        for build in self.builds:
            for t in self.basis.periods[build.t + self.lead :]:
                total[t] += share(t - build.t - self.lead) * build.size
        return total

    def by_period(self, what: str) -> Callable[[int], str]:
        """The names of one row in every period."""
        return lambda t: f"{self.name}.{what}.{self.basis.labels[t]}"


@dataclass(frozen=True)
class Paths:
    """The baseline alone, or some shocks whose windows are equally long."""

    specs: Sequence[ShockSpec]  # what the shocks are; empty for the baseline
    times: npt.NDArray[np.intp]  # periods of the horizon, an array (paths, periods)
    labels: Sequence[str]  # of the horizon's periods
    flows: ManyFlows  # t, arrays (paths, periods)
    # Share lost to each sort of cut, by activity that some such cut affects.
    deliberate_cuts: dict[str, Array]
    other_cuts: dict[str, Array]
    delta: float  # years that a period lasts
    # Whether it is one state that lasts, as in a rule about time to survive: stocks lose nothing.
    is_steady: bool = False

    @property
    def is_baseline(self) -> bool:
        """Whether nothing happens on it."""
        return not self.specs

    def row(self, what: str) -> Callable[[int, int], str]:
        """The names of one row in every path and period."""
        return lambda s, i: f"{self.flows.names[s]}/{what}.{self.labels[self.times[s, i]]}"

    def override(self, part: str, name: str, usual: float) -> float | Array:
        """What each shock says of a name, an array (paths, 1); what is usual where none says anything."""
        if part not in self._stated:
            stated = self._stated[part] = defaultdict[str, dict[int, float]](dict)
            for number, spec in enumerate(self.specs):
                for each, amount in getattr(spec, part).items():
                    stated[each][number] = amount
        if name not in self._stated[part]:
            return usual
        result, own = np.full((len(self.specs), 1), usual), self._stated[part][name]
        result[list(own), 0] = list(own.values())
        return result

    @cached_property
    def _stated(self) -> dict[str, dict[str, dict[int, float]]]:
        return {}


@dataclass(frozen=True)
class Operation:
    """One existing process or option on some paths: arrays are (paths, periods), in t of each period."""

    name: str  # of the process or option
    option: Any  # the process or option, with its fields
    basis: AuditBasis  # the instance, its periods and scales, and the report
    paths: Paths  # the baseline, or shocks whose windows are equally long
    carried: Array  # by period of the horizon, what it carries from the plan into operation (`Auditor.carries`)
    least_scale: float  # the smallest amount that an error of its rows is compared with, t

    @property
    def is_baseline(self) -> bool:
        """Whether nothing happens on its path."""
        return self.paths.is_baseline

    @property
    def delta(self) -> float:
        """Years that a period lasts."""
        return self.paths.delta

    @property
    def nothing(self) -> Array:
        """0 on every path, in every period."""
        return np.zeros(self.paths.times.shape)

    @property
    def working(self) -> Array:
        """What it carries, per period: C·Δ."""
        return np.asarray(self.carried[self.paths.times] * self.delta)

    def flow(self, flow: str) -> Array:
        """What it is stated to do."""
        return self.paths.flows[self.name, flow]

    def series(self, series: Any) -> Array:
        """A series of the file, in each period."""
        return np.asarray(self.basis.by_period(series)[self.paths.times])

    def override(self, part: str, usual: float) -> float | Array:
        """What each shock says of it in one of its parts, such as ``cost``; what is usual where it says nothing."""
        return self.paths.override(part, self.name, usual)

    def lost(self, activity: str, *, deliberate: bool) -> Array:
        """The share of an activity's capacity that deliberate cuts take, or that others take."""
        cuts = self.paths.deliberate_cuts if deliberate else self.paths.other_cuts
        return cuts.get(activity, self.nothing)

    def started(self) -> Array:
        """r, the share of an activity that may run so long after a shock has begun: 1 less what still stands still.

        Of a period, the mean of what stands still: (1−u)·(1 − k/n) at month k of the window, until month n.
        """
        months, still = self.option.restart_months, 1.0 - self.option.min_utilisation
        if self.is_baseline or not months:
            return np.asarray(1.0 + self.nothing)
        if self.paths.is_steady:
            return np.asarray(1.0 - still + self.nothing)
        ends = np.arange(self.paths.times.shape[1] + 1) * self.delta * 12
        left = np.maximum(0.0, months - ends) ** 2 / (2 * months)
        return np.asarray(1.0 + self.nothing - still * (left[:-1] - left[1:]) / (self.delta * 12))

    def demanded(self, segment: str) -> Array:
        """Demand of a segment, after any surge."""
        return self.basis.demanded(self.paths, segment)

    def capacity(self, process: str) -> Array:
        """Capacity of an existing process before any cut."""
        return self.series(self.basis.instance.processes[process].capacity) * self.delta

    def at_most(self, what: str, left: AuditNumber, right: AuditNumber, *terms: AuditNumber) -> None:
        """Note the row ``left ≤ right`` of every path and period."""
        self.basis.report.at_most(
            self.paths.row(f"{self.name}.{what}"), left, right, *terms, least_scale=self.least_scale
        )

    def equal(self, what: str, left: AuditNumber, right: AuditNumber, *terms: AuditNumber) -> None:
        """Note the row ``left = right`` likewise."""
        self.basis.report.equal(
            self.paths.row(f"{self.name}.{what}"), left, right, *terms, least_scale=self.least_scale
        )


class Auditor:
    """The arithmetic of one kind of lever; as it stands, that of one that is bought by size and does nothing.

    Attributes:
        flows: names of the flows that it has on every path.
        flows_in_shocks: names of those that it has in shocks only.
        investment_parts: parts of the cost of buying it that are its own, beside those of every lever.
        operating_parts: likewise of the cost of operation.
        is_stock: whether the plan holds its purchases and its stock by period, and no builds.
    """

    flows: tuple[str, ...] = ()
    flows_in_shocks: tuple[str, ...] = ()
    investment_parts: tuple[str, ...] = ()
    operating_parts: tuple[str, ...] = ()
    is_stock: bool = False

    def initial_stocks(self, option: Any) -> Mapping[str, float]:
        """By commodity, t that it holds before the first period."""
        return {}

    def least_scale(self, option: Any, scales: Scales) -> float:
        """The smallest amount that an error of its rows in operation is compared with, t."""
        return scales.least

    def check_plan(self, holding: Holding) -> None:
        """Its rows in the plan: sizes, openings, when it may be decided."""
        check_builds(holding)

    def carries(self, holding: Holding) -> Array:
        """What it carries into operation in each period of the horizon: working capacity, in the unit of its size."""
        return holding.working()

    def investments(self, holding: Holding) -> Mapping[str, Array]:
        """Money by part of the total cost and period that is invested, of which `budget_share` is the budget's."""
        capex, fixed = (np.zeros(len(holding.basis.periods)) for _ in range(2))
        for build in holding.builds:
            capex[build.t] += holding.option.capex.at(holding.basis.year(build.t)) * build.size
            fixed[build.t] += holding.option.fixed_cost if build.opened else 0.0
        return {"capex": capex, "fixed cost": fixed}

    def recurring_costs(self, holding: Holding) -> Mapping[str, Array]:
        """What else the plan costs, money by part and period; one period more than the horizon has is its end."""
        return {"fixed opex": holding.option.fixed_opex * holding.basis.delta * holding.installed()}

    def check(self, operation: Operation) -> None:
        """Its rows in operation."""

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """By existing process, what it adds to the capacity that deliberate cuts leave, or that others leave."""
        return {}

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """By commodity, what it adds to the supply."""
        return {}

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """By commodity, what it takes from the supply."""
        return {}

    def serves(self, operation: Operation) -> Mapping[str, Array]:
        """By segment, what of its demand it serves or spares."""
        return {}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """Money by part of the total cost that its operation costs."""
        return {}

    def operating_outlay(self, operation: Operation) -> Array | float:
        """The part of the baseline's operating cost that is the budget's."""
        return 0.0


def check_builds(holding: Holding) -> None:
    """The rows of what is bought by size."""
    name, option, basis, report = holding.name, holding.option, holding.basis, holding.basis.report
    report.at_most(f"{name}.max", sum(build.size for build in holding.builds), option.max_size)
    lumpy = option.fixed_cost > 0 or option.min_size > 0
    count = len(holding.builds)
    report.matches(f"{name}.once", count, "at most 1", not lumpy or count <= 1, remark="times that it is opened")
    for build in holding.builds:
        row, labels = f"{name}.size.{build.period}", (basis.year(build.t), basis.horizon.label(build.t))
        report.holds(row, "it may not be decided then", basis.may_decide(option, build.t))
        report.holds(row, "that is no decision point", build.t in basis.horizon.decisions)
        report.matches(row, (build.year, build.period), labels, remark="its year and period")
        report.matches(row, build.kind, option.kind, remark="its kind")
        report.matches(row, build.opened, lumpy, remark="whether it is opened")
        report.at_most(row, option.min_size if lumpy else 0.0, build.size, option.max_size)
        report.at_most(row, 0.0, build.size, option.max_size)
        if option.unit_size > 0:
            report.equal(row, build.size, option.unit_size * round(build.size / option.unit_size))


class ActivityAuditor(Auditor):
    """What an activity of x t takes, gives and costs; of an option, how much of it there may be."""

    flows = ("activity",)

    def least_scale(self, option: Any, scales: Scales) -> float:
        """That of the activity."""
        return scales.activities[option.id]

    def most(self, operation: Operation) -> Array:
        """The most that it may run, t: what works and is not cut, of which a restart is not waited for."""
        lost = [operation.lost(operation.name, deliberate=deliberate) for deliberate in (True, False)]
        return np.asarray(operation.working * np.minimum(1.0 - np.maximum(*lost), operation.started()))

    def check(self, operation: Operation) -> None:
        """capacity: 0 ≤ x ≤ C·Δ·min(1−σ, r); in the baseline also run: x ≥ min_utilisation·C·Δ."""
        activity = operation.flow("activity")
        operation.at_most("capacity", activity, self.most(operation), operation.working)
        operation.at_most("capacity", 0.0, activity)
        check_running(operation, operation.working)

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """output·x."""
        activity = operation.flow("activity")
        return {commodity: share * activity for commodity, share in operation.option.output.items()}

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """input·x."""
        activity = operation.flow("activity")
        return {commodity: share * activity for commodity, share in operation.option.input.items()}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """cost·x; in the baseline also support·x."""
        activity = operation.flow("activity")
        cost = operation.series(operation.option.cost) * operation.override("cost", 1.0)
        costs = {"operation": cost * activity}
        if getattr(operation.option, PRICE_RESPONSE, None) is not None:
            costs[RESPONSE_PART] = cost * self.surcharge(operation, activity)
        if operation.is_baseline:
            costs["price support"] = operation.series(operation.option.support) * activity
        return costs

    def surcharge(self, operation: Operation, activity: Array) -> Array:
        """What the activity of an existing process costs beyond `cost`, in t at that cost."""
        process = operation.option
        rates, most = activity / operation.delta, max(process.capacity.values)
        return surcharge_between_points(process.price_response, rates, most) * operation.delta

    def operating_outlay(self, operation: Operation) -> Array | float:
        """support·x; of an option, times its `budget_share`."""
        share = getattr(operation.option, "budget_share", 1.0)
        return np.asarray(share * operation.series(operation.option.support) * operation.flow("activity"))


# The field of what a price response belongs to, and the part of the total cost that it is.
PRICE_RESPONSE, RESPONSE_PART = "price_response", "price response"
# Points between which the price is drawn linear, besides the first.
_PRICE_PIECES = 8


def surcharge_between_points(response: Any, rates: Array, most: float) -> Array:
    """What rates cost beyond the price, in t/yr at that price: linear between equally distant rates up to `most`."""
    if most <= response.included:
        return np.zeros_like(rates)
    points = np.linspace(response.included, most, _PRICE_PIECES + 1)
    dearer = (1.0 + (points - response.included) / response.reference) ** (1.0 / response.elasticity)
    return np.asarray(np.interp(rates, points, points * (dearer - 1.0)))


def check_running(operation: Operation, whole: Array) -> None:
    """run: in the baseline at least `min_utilisation` of the capacity."""
    if operation.is_baseline:
        report, labels = operation.basis.report, operation.basis.labels
        activity, least = operation.flow("activity"), operation.option.min_utilisation * whole
        row = f"{operation.name}.run"
        report.at_most(lambda _, t: f"{row}.{labels[t]}", least, activity, whole, least_scale=operation.least_scale)
