"""The plan's own rows: sizes, openings, ties, lead times and ramps, stocks, and what they cost."""

import math
from typing import Any

import numpy as np

from optimizer.audit.own import AUDITORS, auditor_of
from optimizer.audit.report import Report
from optimizer.audit.scales import Scales
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array, Build
from optimizer.results.result import Result


class PlanRows:
    """What is decided before any shock."""

    def __init__(self, instance: Instance, result: Result, report: Report) -> None:
        self.instance, self.result, self.report = instance, result, report
        self.horizon = instance.horizon
        self.delta = instance.horizon.delta
        self.periods = list(instance.horizon.periods)
        self.builds: dict[str, list[Build]] = {o: [] for o in instance.options}
        self.scales = Scales(instance)
        self.grain = self.scales.least
        self.labels = [self.horizon.label(t) for t in self.periods]
        # By option and period.
        self.working: dict[str, Array] = {}
        self.levels: dict[str, Array] = {}
        self.stocks: dict[str, Array] = {}
        self._series: dict[Any, Array] = {}

    def check_plan(self) -> None:
        """Sizes, ties, what works when, stocks, and what all of it costs."""
        for build in self.result.plan.builds:
            self.builds[build.option].append(build)
        for o in self.instance.options:
            self._sizes(o)
            known = auditor_of(self.instance.options[o].kind) is not None
            self.report.holds(f"{o}.kind", "nobody audits its kind", known)
        self._ties()
        for o, option in self.instance.options.items():
            self.working[o] = np.array([self._working(o, t) for t in self.periods])
            self.levels[o] = np.array([self._level(o, t) for t in self.periods])
            if option.is_a("stockpile"):
                self.stocks[o] = self._stock(o)
        self._investment()

    def year(self, t: int) -> int:
        """The calendar year of a period."""
        return int(self.horizon.year(t))

    def by_period(self, series: Any) -> Array:
        """A series of the instance in every period."""
        if series not in self._series:
            self._series[series] = np.array([series.at(self.year(t)) for t in self.periods], dtype=np.float64)
        return self._series[series]

    def discount(self, t: int) -> float:
        """The discount factor of a period."""
        return float((1.0 + self.instance.discount_rate) ** (-t * self.delta))

    def _sizes(self, o: str) -> None:
        option: Any = self.instance.options[o]
        builds = self.builds[o]
        if option.is_a("stockpile"):
            self.report.holds(f"{o}.size", "a stockpile has no builds", not builds)
            return
        self.report.at_most(f"{o}.max", sum(build.size for build in builds), option.max_size)
        lumpy = option.fixed_cost > 0 or option.min_size > 0
        self.report.holds(f"{o}.once", "it is opened more than once", not lumpy or len(builds) <= 1)
        for build in builds:
            row, year = f"{o}.size.{build.period}", self.year(build.t)
            early = option.earliest is not None and year < option.earliest
            late = option.latest is not None and year > option.latest
            self.report.holds(row, "it may not be decided then", not early and not late)
            self.report.holds(row, "that is no decision point", build.t in self.horizon.decisions)
            self.report.holds(
                row, "its labels disagree", (build.year, build.period) == (year, self.horizon.label(build.t))
            )
            self.report.holds(row, f"its kind is {option.kind}", build.kind == option.kind)
            self.report.holds(row, "its opening is not noted", build.opened == lumpy)
            self.report.at_most(row, 0.0, build.size, option.max_size)
            self.report.at_most(row, option.min_size if lumpy else 0.0, build.size, option.max_size)
            if option.unit_size > 0:
                self.report.equal(row, build.size, option.unit_size * round(build.size / option.unit_size))

    def _ties(self) -> None:
        for o, option in self.instance.options.items():
            for required in getattr(option, "requires", ()):
                first = min((build.t for build in self.builds[required]), default=math.inf)
                early = [build for build in self.builds[o] if build.t < first]
                self.report.holds(f"{o}.requires", f"it is opened before {required}", not early)
            for excluded in getattr(option, "excludes", ()):
                both = bool(self.builds[o]) and bool(self.builds[excluded])
                self.report.holds(f"{o}.excludes", f"it is opened beside {excluded}", not both)

    def _lead(self, option: Any) -> int:
        months: float = option.lead_time
        return math.ceil(months / self.horizon.months - 1e-9)

    def _working(self, o: str, t: int) -> float:
        """C[o,t]: size times the ramp of the twelve months it is in; 0 for stocks, which have no builds."""
        option: Any = self.instance.options[o]
        total = 0.0
        for build in self.builds[o]:
            age = t - build.t - self._lead(option)
            if age >= 0:
                total += option.ramp[min(age * self.horizon.months // 12, len(option.ramp) - 1)] * build.size
        return total

    def _level(self, o: str, t: int) -> float:
        """ℓ[o,t]: leverage in force after erosion."""
        option: Any = self.instance.options[o]
        if not option.is_a("leverage"):
            return 0.0
        kept = 1.0 - option.erosion
        past = [build for build in self.builds[o] if t >= build.t + self._lead(option)]
        return math.fsum(build.size * kept ** (self.year(t) - self.year(build.t)) for build in past)

    def _stock(self, o: str) -> Array:
        """k[o,t], recomputed from the purchases."""
        option: Any = self.instance.options[o]
        claimed, fills = self.result.plan.stocks[o], self.result.plan.fills[o]
        keep, held = (1.0 - option.loss) ** self.delta, option.initial
        path, most = np.zeros(len(self.periods)), np.zeros(len(self.periods))
        grain = self.scales.commodities[option.commodity]
        for t in self.periods:
            path[t] = held = keep * held + fills[t]
            early = option.earliest is not None and self.year(t) < option.earliest
            late = option.latest is not None and self.year(t) > option.latest
            rate = 1e300 if option.fill_rate is None else option.fill_rate * self.delta
            most[t] = 0.0 if early or late else rate
        self.report.at_most(lambda t: f"{o}.fill.{self.labels[t]}", fills, most, grain=grain)
        self.report.at_most(lambda t: f"{o}.fill.{self.labels[t]}", 0.0, fills, grain=grain)
        if option.max_size is not None:
            self.report.at_most(lambda t: f"{o}.stock.{self.labels[t]}", path, option.max_size, grain=grain)
        self.report.equal(lambda t: f"{o}.stock.{self.labels[t]}", claimed, path, grain=grain)
        return path

    def _investment(self) -> None:
        costs = self.report.costs
        self.report.outlays = {str(year): 0.0 for year in self.horizon.years}
        for o, built in self.instance.options.items():
            option: Any = built
            if option.kind in AUDITORS:
                self._spend(o, option)
            if option.is_a("stockpile"):
                self._hold(o, option)
                continue
            for build in self.builds[o]:
                year, factor = self.year(build.t), self.discount(build.t)
                capex = option.capex.at(year) * build.size
                fixed = option.fixed_cost if build.opened else 0.0
                costs["capex"] += factor * capex
                costs["fixed cost"] += factor * fixed
                self.report.outlays[str(year)] += option.budget_share * (capex + fixed)
                for t in self.periods[build.t + self._lead(option) :]:
                    costs["fixed opex"] += self.discount(t) * option.fixed_opex * self.delta * build.size

    def _spend(self, o: str, option: Any) -> None:
        """What a lever from outside says that it spends beside what every lever does."""
        spent = np.broadcast_to(AUDITORS[option.kind].spends(option, self.working[o]), len(self.periods))
        for t in self.periods:
            self.report.costs["fixed opex"] += self.discount(t) * float(spent[t])
            self.report.outlays[str(self.year(t))] += option.budget_share * float(spent[t])

    def _hold(self, o: str, option: Any) -> None:
        costs = self.report.costs
        for t in self.periods:
            year, bought = self.year(t), self.result.plan.fills[o][t]
            paid = option.price.at(year) * bought
            costs["stock purchases"] += self.discount(t) * paid
            costs["stock holding"] += self.discount(t) * option.holding_cost * self.delta * float(self.stocks[o][t])
            self.report.outlays[str(year)] += option.budget_share * paid
        back = option.salvage * option.price.at(self.horizon.end) * float(self.stocks[o][-1])
        costs["stock salvage"] -= self.discount(len(self.periods)) * back
