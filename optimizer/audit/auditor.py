"""Auditors: for each kind of lever, an `Auditor` recomputes its effects in plain numbers.

Scales      the size of rows, from the instance alone
AuditBasis  the data of an instance (time axis, series, scales), and the report
Holding     one option in a plan, with its stated purchases
Paths       the baseline, or shocks whose windows have one length: their flows and cuts
Operation   one activity or option on such paths
Auditor     the arithmetic of one kind; those of the package's levers are in `audit/levers/<kind>.py`

An auditor never calls its lever: the two are written independently so that each checks the other. The letters are those
of docs/model.md: C working capacity, t/yr; N size built; k stock and g release, t; f purchase, t; Δ length of a period
in years; σ share cut; r share in operation after a restart; Λ level of leverage in force.
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
    """The size of rows, from the instance alone: a plan's own claims must not widen its tolerance.

        S       t      the largest demand of a segment in a period, or initial stock of a commodity
        S[c]    t      commodity c: the largest demand of a segment for it, or initial stock; for an input also its use
                       in the outputs made of it, S[c] = max_p in[p,c] · S[p], at most S
        S[p]    t      activity p: the largest S[c]/out[p,c] of its outputs

    A row whose terms are all small is judged as if its largest term were a given share of its scale.

    Args:
        instance: the instance.
        initial_stocks: by commodity, the largest stock before the first period, t.

    Attributes:
        least: least scale of any row, t.
        commodities: least scale of a commodity's balance and stocks, t.
        activities: least scale of an activity's capacity, t.
        segments: least scale of a segment's demand and substitution, t.
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
        """Raise the scales of inputs to those of their outputs; loops of recipes end at the largest demand."""
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


# Represents the absence of a limit.
UNLIMITED = 1e300


class AuditBasis:
    """The data that the audit takes from an instance, and the report that it writes to.

    Attributes:
        instance: the instance.
        report: the report for checked rows.
        horizon: the time axis.
        delta: length of a period, years.
        periods: numbers of all periods.
        labels: labels of all periods.
        scales: size of the rows of each part of the instance.
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
        """Return the calendar year of a period."""
        return int(self.horizon.year(t))

    def by_period(self, series: Any) -> Array:
        """Return a series of the instance by period."""
        if series not in self._series:
            self._series[series] = np.array([series.at(self.year(t)) for t in self.periods], dtype=np.float64)
        return self._series[series]

    @cached_property
    def events(self) -> dict[str, Shock]:
        """The shocks of the instance, by name."""
        return {event.name: event for event in self.instance.events}

    def demanded(self, paths: "Paths", segment: str) -> Array:
        """Return the demand of a segment after any surge, t by path and period."""
        usual = self.by_period(self.instance.demands[segment].quantity)[paths.times] * paths.delta
        return np.asarray(usual * paths.override("demand", segment, 1.0))

    def discount(self, t: int) -> float:
        """Return the discount factor of a period."""
        return float((1.0 + self.instance.discount_rate) ** (-t * self.delta))

    def may_decide(self, option: Any, t: int) -> bool:
        """Return whether an option may be bought in a period."""
        early = option.earliest is not None and self.year(t) < option.earliest
        return not early and not (option.latest is not None and self.year(t) > option.latest)


@dataclass(frozen=True)
class Holding:
    """One option in a plan."""

    name: str  # name of the option
    option: Any  # the option, with its fields
    basis: AuditBasis  # the data of the instance, and the report
    builds: Sequence[Build]  # purchases by size
    fills: ByPeriod = ()  # purchases of a stock by period, t; empty for options bought by size
    stocks: ByPeriod = ()  # stock at the end of each period, t, likewise

    @property
    def lead(self) -> int:
        """The lead time in whole periods."""
        return self.basis.horizon.whole(float(self.option.lead_time))

    def working(self) -> Array:
        """Return C by period: the sum of all builds, each times the ramp of its year after the lead time."""
        ramp, months = self.option.ramp, self.basis.horizon.months
        return self._summed(lambda age: ramp[min(age * months // 12, len(ramp) - 1)])

    def installed(self) -> Array:
        """Return N by period: the same sum without the ramp."""
        return self._summed(lambda age: 1.0)

    def _summed(self, share: Callable[[int], float]) -> Array:
        total = np.zeros(len(self.basis.periods))
        for build in self.builds:
            for t in self.basis.periods[build.t + self.lead :]:
                total[t] += share(t - build.t - self.lead) * build.size
        return total

    def by_period(self, what: str) -> Callable[[int], str]:
        """Return a function from a period to the name of a row."""
        return lambda t: f"{self.name}.{what}.{self.basis.labels[t]}"


@dataclass(frozen=True)
class Paths:
    """The baseline alone, or shocks whose windows have one length."""

    specs: Sequence[ShockSpec]  # specifications of the shocks; empty for the baseline
    times: npt.NDArray[np.intp]  # periods of the horizon, an array (paths, periods)
    labels: Sequence[str]  # labels of the horizon's periods
    flows: ManyFlows  # t, arrays (paths, periods)
    # Severity, the share of capacity lost to each sort of cut, by affected activity.
    deliberate_severity: dict[str, Array]
    other_severity: dict[str, Array]
    delta: float  # length of a period, years
    # Whether the path is one steady state, as in a rule about time to survive: stocks have no losses.
    is_steady: bool = False

    @property
    def is_baseline(self) -> bool:
        """Whether this is the baseline."""
        return not self.specs

    def row(self, what: str) -> Callable[[int, int], str]:
        """Return a function from path and period to the name of a row."""
        return lambda s, i: f"{self.flows.names[s]}/{what}.{self.labels[self.times[s, i]]}"

    def override(self, part: str, name: str, usual: float) -> float | Array:
        """Return each shock's own value for a name, an array (paths, 1), with `usual` where a shock has none."""
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
    """One existing process or option on some paths: arrays are (paths, periods), in t of each period, but `carried`."""

    name: str  # name of the process or option
    option: Any  # the process or option, with its fields
    basis: AuditBasis  # the data of the instance, and the report
    paths: Paths  # the baseline, or shocks with windows of one length; `times` has their periods, (paths, periods)
    carried: Array  # the result of `Auditor.carries`, by period of the horizon: C, or the stock before each
    least_scale: float  # the smallest amount that an error of its rows is compared with, t

    @property
    def is_baseline(self) -> bool:
        """Whether the path is the baseline."""
        return self.paths.is_baseline

    @property
    def delta(self) -> float:
        """Length of a period, years."""
        return self.paths.delta

    @property
    def nothing(self) -> Array:
        """An array of zeros, by path and period."""
        return np.zeros(self.paths.times.shape)

    @property
    def working(self) -> Array:
        """Working capacity per period, C·Δ."""
        return np.asarray(self.carried[self.paths.times] * self.delta)

    def flow(self, flow: str) -> Array:
        """Return one of its stated flows; a plan without it is an error that names those its lever reports."""
        if (self.name, flow) not in self.paths.flows.rows:
            raise missing_flow(self.name, self.option, flow, in_baseline=self.is_baseline)
        return self.paths.flows[self.name, flow]

    def series(self, series: Any) -> Array:
        """Return a series of the file, by path and period."""
        return np.asarray(self.basis.by_period(series)[self.paths.times])

    def override(self, part: str, usual: float) -> float | Array:
        """Return each shock's own value in one of its fields, such as ``cost``; `usual` where a shock has none."""
        return self.paths.override(part, self.name, usual)

    def severity(self, activity: str, *, deliberate: bool) -> Array:
        """Return the share of an activity's capacity that deliberate cuts, or other cuts, take."""
        severity = self.paths.deliberate_severity if deliberate else self.paths.other_severity
        return severity.get(activity, self.nothing)

    def started(self) -> Array:
        """Return r, the share of capacity that may run in a period of a shock: 1 less the mean idle share.

        At month k of the window, (1−u)·(1 − k/n) is idle, until month n = `restart_months`; u is `min_utilisation`.
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
        """Return the demand of a segment after any surge, t."""
        return self.basis.demanded(self.paths, segment)

    def capacity(self, process: str) -> Array:
        """Return the capacity of an existing process before any cut, t."""
        return self.series(self.basis.instance.processes[process].capacity) * self.delta

    def at_most(self, what: str, left: AuditNumber, right: AuditNumber, *terms: AuditNumber) -> None:
        """Check the row ``left ≤ right`` for every path and period."""
        self.basis.report.at_most(
            self.paths.row(f"{self.name}.{what}"), left, right, *terms, least_scale=self.least_scale
        )

    def equal(self, what: str, left: AuditNumber, right: AuditNumber, *terms: AuditNumber) -> None:
        """Check the row ``left = right`` for every path and period."""
        self.basis.report.equal(
            self.paths.row(f"{self.name}.{what}"), left, right, *terms, least_scale=self.least_scale
        )


def missing_flow(name: str, option: Any, flow: str, *, in_baseline: bool) -> ValueError:
    """Return the error of a flow that an auditor asks for and a plan does not have."""
    reported = [each.name for each in getattr(option, "flows", ())]
    why = f"its lever reports {', '.join(reported) or 'none'}"
    if flow in reported:
        why = "its lever reports it, but `operate` writes no columns of that name there, or of its `Flow.column`"
    kind = f" ({option.kind})" if hasattr(option, "kind") else ""
    return ValueError(f'{name}{kind} has no flow "{flow}" in {"the baseline" if in_baseline else "shocks"}: {why}')


class Auditor:
    """The arithmetic of one kind of lever; the base class is a lever that is bought by size and has no effect.

    Attributes:
        flows: names of its flows on every path.
        flows_in_shocks: names of its further flows in shocks.
        investment_parts: parts in `investments` and `recurring_costs` beside capex, fixed cost and fixed opex; a part
            that is not listed is an error.
        operating_parts: parts in `operating_costs` beside operation and price support, likewise.
        is_stock: whether the plan states purchases and stock by period, and no builds.
    """

    flows: tuple[str, ...] = ()
    flows_in_shocks: tuple[str, ...] = ()
    investment_parts: tuple[str, ...] = ()
    operating_parts: tuple[str, ...] = ()
    is_stock: bool = False

    def initial_stocks(self, option: Any) -> Mapping[str, float]:
        """Return by commodity the stock before the first period, t."""
        return {}

    def least_scale(self, option: Any, scales: Scales) -> float:
        """Return the least scale of its rows in operation, t: errors are relative to at least this amount."""
        return scales.least

    def check_plan(self, holding: Holding) -> None:
        """Check its rows in the plan: sizes, openings, and dates of purchase."""
        check_builds(holding)

    def carries(self, holding: Holding) -> Array:
        """Return its working capacity in each period of the horizon, in the unit of its size.

        For a stock, return the amount before each period, and a last element for the end of the horizon. What it
        returns is `carried` of every operation, and `working` is computed from it.
        """
        return holding.working()

    def investments(self, holding: Holding) -> Mapping[str, Array]:
        """Return investments by part of the total cost and by period; `budget_share` of them counts in the budget."""
        capex, fixed = (np.zeros(len(holding.basis.periods)) for _ in range(2))
        for build in holding.builds:
            capex[build.t] += holding.option.capex.at(holding.basis.year(build.t)) * build.size
            fixed[build.t] += holding.option.fixed_cost if build.opened else 0.0
        return {"capex": capex, "fixed cost": fixed}

    def recurring_costs(self, holding: Holding) -> Mapping[str, Array]:
        """Return other costs of the plan by part and by period; a last element is the end of the horizon."""
        return {"fixed opex": holding.option.fixed_opex * holding.basis.delta * holding.installed()}

    def check(self, operation: Operation) -> None:
        """Check its rows in operation."""

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """Return by existing process the capacity that it restores in deliberate cuts, or in other cuts."""
        return {}

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """Return its supply by commodity."""
        return {}

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """Return its use by commodity."""
        return {}

    def serves(self, operation: Operation) -> Mapping[str, Array]:
        """Return by segment the demand that it serves or avoids."""
        return {}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """Return its operating cost by part of the total cost, money."""
        return {}

    def operating_outlay(self, operation: Operation) -> Array | float:
        """Return the part of the baseline's operating cost that counts against the budget."""
        return 0.0


def check_builds(holding: Holding) -> None:
    """Check the rows of an option that is bought by size."""
    name, option, basis, report = holding.name, holding.option, holding.basis, holding.basis.report
    report.at_most(f"{name}.max", sum(build.size for build in holding.builds), option.max_size)
    lumpy = option.fixed_cost > 0 or option.min_size > 0
    count = len(holding.builds)
    report.matches(f"{name}.once", count, "at most 1", not lumpy or count <= 1, remark="times that it is opened")
    for build in holding.builds:
        row, labels = f"{name}.size.{build.period}", (basis.year(build.t), basis.horizon.label(build.t))
        report.holds(row, "the option may not be bought then", basis.may_decide(option, build.t))
        report.holds(row, "this period is no decision point", build.t in basis.horizon.decisions)
        report.matches(row, (build.year, build.period), labels, remark="its year and period")
        report.matches(row, build.kind, option.kind, remark="its kind")
        report.matches(row, build.opened, lumpy, remark="whether it is opened")
        report.at_most(row, option.min_size if lumpy else 0.0, build.size, option.max_size)
        report.at_most(row, 0.0, build.size, option.max_size)
        if option.unit_size > 0:
            multiple = f"{row}, the nearest multiple of unit_size {option.unit_size:g}"
            report.equal(multiple, build.size, option.unit_size * round(build.size / option.unit_size))


class ActivityAuditor(Auditor):
    """The arithmetic of an activity of x t: inputs, outputs, costs, and the capacity of an option."""

    flows = ("activity",)

    def least_scale(self, option: Any, scales: Scales) -> float:
        """Return the least scale of the activity."""
        return scales.activities[option.id]

    def most(self, operation: Operation) -> Array:
        """Return the largest activity, t: working capacity less cuts, or less the share that has not restarted."""
        severities = [operation.severity(operation.name, deliberate=deliberate) for deliberate in (True, False)]
        return np.asarray(operation.working * np.minimum(1.0 - np.maximum(*severities), operation.started()))

    def check(self, operation: Operation) -> None:
        """Check `capacity`, 0 ≤ x ≤ C·Δ·min(1−σ, r), and in the baseline `run`, x ≥ min_utilisation·C·Δ."""
        activity = operation.flow("activity")
        operation.at_most("capacity", activity, self.most(operation), operation.working)
        operation.at_most("capacity", 0.0, activity)
        check_running(operation, operation.working)

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """Return output·x."""
        activity = operation.flow("activity")
        return {commodity: share * activity for commodity, share in operation.option.output.items()}

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """Return input·x."""
        activity = operation.flow("activity")
        return {commodity: share * activity for commodity, share in operation.option.input.items()}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """Return cost·x, and in the baseline support·x."""
        activity = operation.flow("activity")
        cost = operation.series(operation.option.cost) * operation.override("cost", 1.0)
        costs = {"operation": cost * activity}
        if getattr(operation.option, PRICE_RESPONSE, None) is not None:
            costs[RESPONSE_PART] = cost * self.surcharge(operation, activity)
        if operation.is_baseline:
            costs["price support"] = operation.series(operation.option.support) * activity
        return costs

    def surcharge(self, operation: Operation, activity: Array) -> Array:
        """Return the cost of an existing process beyond `cost`, in t at that cost."""
        process = operation.option
        rates, most = activity / operation.delta, max(process.capacity.values)
        return surcharge_between_points(process.price_response, rates, most) * operation.delta

    def operating_outlay(self, operation: Operation) -> Array | float:
        """Return support·x, for an option times its `budget_share`."""
        share = getattr(operation.option, "budget_share", 1.0)
        return np.asarray(share * operation.series(operation.option.support) * operation.flow("activity"))


# The field that holds a price response, and its part of the total cost.
PRICE_RESPONSE, RESPONSE_PART = "price_response", "price response"
# Number of pieces of the piecewise linear price.
_PRICE_PIECES = 8


def surcharge_between_points(response: Any, rates: Array, most: float) -> Array:
    """Return the cost of rates beyond the price, t/yr at that price: linear between equidistant rates up to `most`."""
    if most <= response.included:
        return np.zeros_like(rates)
    points = np.linspace(response.included, most, _PRICE_PIECES + 1)
    dearer = (1.0 + (points - response.included) / response.reference) ** (1.0 / response.elasticity)
    return np.asarray(np.interp(rates, points, points * (dearer - 1.0)))


def check_running(operation: Operation, whole: Array) -> None:
    """Check `run`: in the baseline at least `min_utilisation` of the capacity runs."""
    if operation.is_baseline:
        report, labels = operation.basis.report, operation.basis.labels
        activity, least = operation.flow("activity"), operation.option.min_utilisation * whole
        row = f"{operation.name}.run"
        report.at_most(lambda _, t: f"{row}.{labels[t]}", least, activity, whole, least_scale=operation.least_scale)
