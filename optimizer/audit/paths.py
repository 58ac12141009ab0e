"""The rows of one path of operation: capacities after cuts, balances, demand, releases."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.audit.plan import PlanRows
from optimizer.plan import Flows
from optimizer.shocks import Shock

PRODUCING = ("ally", "refining", "recycling")


class PathRows(PlanRows):
    """What operation does, on the baseline and in every shock."""

    def _severity(self, shock: Shock | None, name: str, t: int) -> float:
        """σ: the largest severity of the cuts that match an activity."""
        if shock is None:
            return 0.0
        activity: Any = self.instance.activities[name]
        worst: float = 0.0
        for cut in shock.spec.cuts:
            fits = (
                (not cut.region or activity.region in cut.region)
                and (not cut.stage or activity.stage in cut.stage)
                and (not cut.process or name in cut.process)
                and (not cut.commodity or bool(set(activity.output) & set(cut.commodity)))
            )
            if fits:
                worst = max(worst, cut.severity[min(t - shock.periods.start, len(cut.severity) - 1)])
        return worst

    def _demanded(self, shock: Shock | None, d: str, t: int) -> float:
        surge = shock.spec.demand.get(d, 1.0) if shock else 1.0
        return float(self.instance.demands[d].quantity.at(self.year(t)) * self.delta * surge)

    def _path(self, path: str, periods: Sequence[int], shock: Shock | None, flows: Flows) -> None:
        """Capacities, balances and demand of one path."""
        self.report.holds(path, "its flows begin elsewhere", flows.first == periods[0])
        for kind in ("activity", "substituted", "unserved", "released", "left"):
            for owner, row in getattr(flows, kind).items():
                self.report.holds(f"{path}/{owner}.{kind}", "it has another length", len(row) == len(periods))
        for i, t in enumerate(periods):
            for p in self.instance.processes:
                self._existing(path, shock, p, t, flows.activity[p][i])
            for o, option in self.instance.options.items():
                if option.kind in PRODUCING:
                    self._bought(path, shock, o, t, flows.activity[o][i])
                if option.kind == "substitution":
                    self._substituted(path, shock, o, t, flows.substituted[o][i])
            self._balances(path, shock, t, i, flows)
            for d in self.instance.demands:
                self._served(path, shock, d, t, i, flows)
        if shock is not None:
            for o in self.stocks:
                self._released(path, shock, o, flows)

    def _existing(self, path: str, shock: Shock | None, p: str, t: int, activity: float) -> None:
        process = self.instance.processes[p]
        row, cut = f"{path}/{p}.limit.{self.horizon.label(t)}", self._severity(shock, p, t)
        whole = process.capacity.at(self.year(t)) * self.delta
        left = whole * (1.0 - cut)
        for o, built in self.instance.options.items():
            option: Any = built
            if option.kind == "partnership" and option.process == p and shock is not None:
                reliability = shock.spec.reliability.get(o, option.reliability)
                left += cut * reliability * self.working[o][t] * self.delta
            if option.kind == "leverage" and option.region == process.region and shock is not None:
                left += whole * cut * option.restraint * self.levels[o][t] if shock.spec.deliberate else 0.0
        self.report.at_most(row, activity, min(left, whole), whole, grain=self.grain)
        self.report.at_most(row, 0.0, activity, grain=self.grain)
        if shock is None:
            self.report.at_most(
                f"{p}.run.{self.horizon.label(t)}", process.min_utilisation * whole, activity, whole, grain=self.grain
            )

    def _bought(self, path: str, shock: Shock | None, o: str, t: int, activity: float) -> None:
        option: Any = self.instance.options[o]
        row, working = f"{path}/{o}.capacity.{self.horizon.label(t)}", self.working[o][t] * self.delta
        left = working * (1.0 - self._severity(shock, o, t))
        self.report.at_most(row, activity, left, working, grain=self.grain)
        self.report.at_most(row, 0.0, activity, grain=self.grain)
        if shock is None:
            least = option.min_utilisation * working
            self.report.at_most(f"{o}.run.{self.horizon.label(t)}", least, activity, working, grain=self.grain)

    def _substituted(self, path: str, shock: Shock | None, o: str, t: int, amount: float) -> None:
        option: Any = self.instance.options[o]
        row, label = f"{path}/{o}", self.horizon.label(t)
        asked = self._demanded(shock, option.demand, t)
        self.report.at_most(f"{row}.capacity.{label}", amount, self.working[o][t] * self.delta, grain=self.grain)
        self.report.at_most(f"{row}.share.{label}", amount, option.max_share * asked, asked, grain=self.grain)
        self.report.at_most(f"{row}.capacity.{label}", 0.0, amount, grain=self.grain)

    def _balances(self, path: str, shock: Shock | None, t: int, i: int, flows: Flows) -> None:
        """supply ≥ use of every commodity."""
        supply: dict[str, list[float]] = {c: [] for c in self.instance.commodities}
        for name, activity in self.instance.activities.items():
            ran = flows.activity[name][i]
            for commodity, share in activity.output.items():
                supply[commodity].append(share * ran)
            for commodity, share in activity.input.items():
                supply[commodity].append(-share * ran)
        for o, built in self.instance.options.items():
            option: Any = built
            if option.kind == "substitution":
                for commodity, share in option.input.items():
                    supply[commodity].append(-share * flows.substituted[o][i])
            if option.kind == "stockpile" and shock is not None:
                supply[option.commodity].append(flows.released[o][i])
        for d, demand in self.instance.demands.items():
            supply[demand.commodity].append(-self._delivered(shock, d, t, i, flows))
            if demand.end_of_life is not None:
                supply[demand.end_of_life.commodity].append(self._scrap(demand, t))
        for commodity, terms in supply.items():
            row = f"{path}/{commodity}.balance.{self.horizon.label(t)}"
            self.report.at_most(row, 0.0, math.fsum(terms), *terms, grain=self.grain)

    def _scrap(self, demand: Any, t: int) -> float:
        end = demand.end_of_life
        year = self.year(t) - end.after_years
        sold = demand.quantity.at(year) if year >= self.horizon.start else end.past_quantity.at(year)
        return float(end.collection_rate * sold * self.delta)

    def _by_substitutes(self, d: str, i: int, flows: Flows) -> float:
        options: Mapping[str, Any] = self.instance.options
        return math.fsum(row[i] for o, row in flows.substituted.items() if options[o].demand == d)

    def _delivered(self, shock: Shock | None, d: str, t: int, i: int, flows: Flows) -> float:
        return self._demanded(shock, d, t) - flows.unserved[d][i] - self._by_substitutes(d, i, flows)

    def _served(self, path: str, shock: Shock | None, d: str, t: int, i: int, flows: Flows) -> None:
        row, asked = f"{path}/{d}.demand.{self.horizon.label(t)}", self._demanded(shock, d, t)
        self.report.at_most(row, flows.unserved[d][i] + self._by_substitutes(d, i, flows), asked, grain=self.grain)
        self.report.at_most(row, 0.0, flows.unserved[d][i], grain=self.grain)

    def _released(self, path: str, shock: Shock, o: str, flows: Flows) -> None:
        option: Any = self.instance.options[o]
        keep, first = (1.0 - option.loss) ** self.delta, shock.periods.start
        held = self.stocks[o][first - 1] if first > 0 else option.initial
        rate = 1e300 if option.release_rate is None else option.release_rate * self.delta
        for i, t in enumerate(shock.periods):
            row, released = f"{path}/{o}.left.{self.horizon.label(t)}", flows.released[o][i]
            before, held = keep * held, keep * held - released
            self.report.at_most(f"{path}/{o}.release.{self.horizon.label(t)}", released, rate, grain=self.grain)
            self.report.at_most(f"{path}/{o}.release.{self.horizon.label(t)}", 0.0, released, grain=self.grain)
            self.report.at_most(row, 0.0, held, before, grain=self.grain)
            self.report.equal(row, flows.left[o][i], held, before, grain=self.grain)
