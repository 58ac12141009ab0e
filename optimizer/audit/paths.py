"""The rows of paths of operation: capacities after cuts, balances, demand, releases.

Paths that are equally long are checked at once. Every number is an array (paths, periods), or one that all of them
share; nothing else is different from one path alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.audit.own import AUDITORS, Auditor, Seen, auditor_of
from optimizer.audit.plan import PlanRows
from optimizer.disruptions.shock import ShockSpec
from optimizer.results.plan import Array, Flows, ManyFlows

SAID = ("demand", "cost", "survival", "reliability")


@dataclass(frozen=True)
class Paths:
    """The baseline alone, or some shocks whose windows are equally long.

    Attributes:
        specs: what the shocks are; empty for the baseline.
        times: periods of the horizon, an array (paths, periods).
        labels: of the horizon's periods.
        flows: t, arrays (paths, periods).
        meant, unmeant: share lost to deliberate cuts and to others, by activity that some such cut strikes.
        delta: years that a period lasts.
        is_steady: whether stocks lose nothing meanwhile, as where cuts are to be survived for some months.
    """

    specs: Sequence[ShockSpec]
    times: npt.NDArray[np.intp]
    labels: Sequence[str]
    flows: ManyFlows
    meant: dict[str, Array]
    unmeant: dict[str, Array]
    delta: float
    is_steady: bool = False

    def row(self, what: str) -> Callable[[int, int], str]:
        """The names of one row in every path and period."""
        return lambda s, i: f"{self.flows.names[s]}/{what}.{self.labels[self.times[s, i]]}"

    def told(self, part: str, name: str, usual: float) -> float | Array:
        """What each shock says of a name, an array (paths, 1); what is usual where none says anything."""
        if name not in self._mentioned[part]:
            return usual
        return np.array([[getattr(spec, part).get(name, usual)] for spec in self.specs])

    @cached_property
    def _mentioned(self) -> dict[str, set[str]]:
        return {part: {name for spec in self.specs for name in getattr(spec, part)} for part in SAID}


class PathRows(PlanRows):
    """What operation does, on the baseline and in every shock."""

    def _fits(self, name: str, flows: Flows, periods: Sequence[int]) -> bool:
        """Whether one path's flows are where and as long as the path is."""
        self.report.holds(name, "its flows begin elsewhere", flows.first == periods[0])
        before = len(self.report.disagreements)
        for (owner, kind), row in flows.rows.items():
            self.report.holds(f"{name}/{owner}.{kind}", "it has another length", len(row) == len(periods))
            if owner not in self._owners.get(kind, ()):
                self.report.holds(f"{name}/{owner}.{kind}", "nobody has that name", False)
        return len(self.report.disagreements) == before

    def _stacked(self, names: Sequence[str], flows: Sequence[Flows]) -> ManyFlows:
        """Flows of paths that are equally long."""
        kinds = [kind for kind in self._owners if kind not in ("released", "left") or names != ["baseline"]]
        keys = [(o, kind) for kind in kinds for o in self._owners[kind]]
        rows = {key: np.array([each[key] for each in flows]) for key in keys}
        return ManyFlows(tuple(names), tuple(each.first for each in flows), rows)

    @cached_property
    def _owners(self) -> dict[str, list[str]]:
        """By kind of flow, whose it is."""
        of_kind: dict[str, list[str]] = {"substitution": [], "stockpile": []}
        for o, option in self.instance.options.items():
            for kind, options in of_kind.items():
                options.extend([o] if option.is_a(kind) else [])
        return {
            "activity": list(self.instance.activities),
            "substituted": of_kind["substitution"],
            "unserved": list(self.instance.demands),
            "released": of_kind["stockpile"],
            "left": of_kind["stockpile"],
        }

    def _lost(self, specs: Sequence[ShockSpec], length: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """σ by activity, of the cuts that are meant and of the others."""
        return self._severities(specs, length, meant=True), self._severities(specs, length, meant=False)

    def _severities(self, specs: Sequence[ShockSpec], length: int, *, meant: bool) -> dict[str, Array]:
        """The largest severity of the cuts that match an activity and are meant, or not; 0 where none does."""
        aims: dict[Any, tuple[list[int], list[list[float]]]] = {}
        for s, spec in enumerate(specs):
            for cut in spec.cuts:
                if meant != (spec.deliberate if cut.deliberate is None else cut.deliberate):
                    continue
                shocks, profiles = aims.setdefault((cut.region, cut.stage, cut.process, cut.commodity), ([], []))
                shocks.append(s)
                profiles.append([cut.severity[min(i, len(cut.severity) - 1)] for i in range(length)])
        struck: dict[str, Array] = {}
        for aim, (shocks, profiles) in aims.items():
            for name in self._matching(*aim):
                np.maximum.at(struck.setdefault(name, np.zeros((len(specs), length))), shocks, profiles)
        return struck

    def _matching(self, region: Any, stage: Any, process: Any, commodity: Any) -> list[str]:
        """The activities that a cut so aimed strikes."""
        return [
            name
            for name, activity in self.instance.activities.items()
            if (not region or activity.region in region)
            and (not stage or activity.stage in stage)
            and (not process or name in process)
            and (not commodity or bool(set(activity.output) & set(commodity)))
        ]

    def _demanded(self, paths: Paths, d: str) -> Array:
        usual = self.by_period(self.instance.demands[d].quantity)[paths.times] * paths.delta
        return np.asarray(usual * paths.told("demand", d, 1.0))

    def _path(self, paths: Paths) -> None:
        """Capacities, balances and demand."""
        for p in self.instance.processes:
            self._existing(paths, p)
        for o, option in self.instance.options.items():
            if o in self.instance.activities:
                self._bought(paths, o)
            if option.is_a("substitution"):
                self._substituted(paths, o)
            if option.is_a("stockpile") and paths.specs:
                self._released(paths, o)
        self._balances(paths)
        for d in self.instance.demands:
            self._served(paths, d)

    def _existing(self, paths: Paths, p: str) -> None:
        process, times = self.instance.processes[p], paths.times
        row, activity = paths.row(f"{p}.limit"), paths.flows[p, "activity"]
        meant, unmeant = paths.meant.get(p, 0.0), paths.unmeant.get(p, 0.0)
        whole = self.by_period(process.capacity)[times] * paths.delta
        # The worse of what deliberate cuts leave and what the others leave.
        restrained, left = whole * (1.0 - meant), whole * (1.0 - unmeant)
        for o, built in self.instance.options.items() if paths.specs else ():
            option: Any = built
            if option.is_a("partnership") and option.process == p:
                reliability = paths.told("reliability", o, option.reliability)
                secured = reliability * self.working[o][times] * paths.delta
                restrained, left = restrained + meant * secured, left + unmeant * secured
            if option.is_a("leverage") and option.region == process.region:
                restrained = restrained + whole * meant * option.restraint * self.levels[o][times]
        left = np.minimum(restrained, left)
        for auditor, seen in self._outside(paths):
            left = left + auditor.lends(seen, p)
        grain = self.scales.activities[p]
        self.report.at_most(row, activity, np.minimum(left, whole), whole, grain=grain)
        self.report.at_most(row, 0.0, activity, grain=grain)
        if not paths.specs:
            self._running(p, process.min_utilisation * whole, activity, whole)

    def _seen(self, paths: Paths, o: str) -> Seen:
        """One option, for whoever knows its arithmetic."""
        nothing = np.zeros(paths.times.shape)
        return Seen(
            option=self.instance.options[o],
            is_baseline=not paths.specs,
            is_steady=paths.is_steady,
            months=12.0 * paths.delta,
            working=self.working[o][paths.times] * paths.delta,
            severity=np.maximum(paths.meant.get(o, nothing), paths.unmeant.get(o, nothing)),
            flow=paths.flows.rows.get((o, "activity"), paths.flows.rows.get((o, "substituted"), nothing)),
            multiplier=paths.told("cost", o, 1.0) + nothing,
        )

    def _most(self, paths: Paths, o: str) -> Array:
        """The most that an option may do, t in each period."""
        auditor = auditor_of(self.instance.options[o].kind)
        if auditor is None:
            raise ValueError(f"nobody audits {o}")
        return auditor.most(self._seen(paths, o))

    def _outside(self, paths: Paths) -> list[tuple[Auditor, Seen]]:
        """The options from outside the package, with who audits them."""
        kinds = {o: option.kind for o, option in self.instance.options.items() if option.kind in AUDITORS}
        return [(AUDITORS[kind], self._seen(paths, o)) for o, kind in kinds.items()]

    def _running(self, name: str, least: Array, activity: Array, whole: Array) -> None:
        """Baseline: what exists runs at its least utilisation or more."""
        grain = self.scales.activities[name]
        self.report.at_most(lambda _, t: f"{name}.run.{self.labels[t]}", least, activity, whole, grain=grain)

    def _bought(self, paths: Paths, o: str) -> None:
        option: Any = self.instance.options[o]
        row, activity = paths.row(f"{o}.capacity"), paths.flows[o, "activity"]
        working = self.working[o][paths.times] * paths.delta
        grain = self.scales.activities[o]
        self.report.at_most(row, activity, self._most(paths, o), working, grain=grain)
        self.report.at_most(row, 0.0, activity, grain=grain)
        if not paths.specs:
            self._running(o, option.min_utilisation * working, activity, working)

    def _substituted(self, paths: Paths, o: str) -> None:
        option: Any = self.instance.options[o]
        amount, asked, capacity = paths.flows[o, "substituted"], self._demanded(paths, option.demand), f"{o}.capacity"
        working = self.working[o][paths.times] * paths.delta
        grain = self.scales.segments[option.demand]
        self.report.at_most(paths.row(capacity), amount, self._most(paths, o), working, grain=grain)
        self.report.at_most(paths.row(f"{o}.share"), amount, option.max_share * asked, asked, grain=grain)
        self.report.at_most(paths.row(capacity), 0.0, amount, grain=grain)

    def _balances(self, paths: Paths) -> None:
        """supply ≥ use of every commodity."""
        flows, outside = paths.flows, self._outside(paths)
        supply = {c: [np.zeros(paths.times.shape)] for c in self.instance.commodities}
        for name, activity in self.instance.activities.items():
            for commodity, share in activity.output.items():
                supply[commodity].append(share * flows[name, "activity"])
            for commodity, share in activity.input.items():
                supply[commodity].append(-share * flows[name, "activity"])
        for o, built in self.instance.options.items():
            option: Any = built
            if option.is_a("substitution"):
                for commodity, share in option.input.items():
                    supply[commodity].append(-share * flows[o, "substituted"])
            if option.is_a("stockpile") and paths.specs:
                supply[option.commodity].append(flows[o, "released"])
        for d, demand in self.instance.demands.items():
            delivered = self._demanded(paths, d) - flows[d, "unserved"] - self._by_substitutes(paths, d)
            supply[demand.commodity].append(-delivered)
            if demand.end_of_life is not None:
                supply[demand.end_of_life.commodity].append(self._scrap(demand)[paths.times] * paths.delta)
        for commodity, terms in supply.items():
            terms += [auditor.supplies(seen, commodity) * np.ones(paths.times.shape) for auditor, seen in outside]
            row = paths.row(f"{commodity}.balance")
            self.report.at_most(row, 0.0, np.sum(terms, axis=0), *terms, grain=self.scales.commodities[commodity])

    def _scrap(self, demand: Any) -> Array:
        """t/yr that come back, in every period of the horizon."""
        end, sold = demand.end_of_life, []
        for t in self.periods:
            year = self.year(t) - end.after_years
            sold.append(demand.quantity.at(year) if year >= self.horizon.start else end.past_quantity.at(year))
        return np.asarray(end.collection_rate * np.array(sold))

    def _by_substitutes(self, paths: Paths, d: str) -> Array:
        total = np.zeros(paths.times.shape)
        for (o, kind), amount in paths.flows.rows.items():
            if kind != "substituted":
                continue
            option: Any = self.instance.options[o]
            total += amount if option.demand == d else 0.0
        for auditor, seen in self._outside(paths):
            total += auditor.serves(seen, d)
        return total

    def _served(self, paths: Paths, d: str) -> None:
        row, unserved = paths.row(f"{d}.demand"), paths.flows[d, "unserved"]
        without = unserved + self._by_substitutes(paths, d)
        self.report.at_most(row, without, self._demanded(paths, d), grain=self.scales.segments[d])
        self.report.at_most(row, 0.0, unserved, grain=self.scales.segments[d])

    def _released(self, paths: Paths, o: str) -> None:
        option: Any = self.instance.options[o]
        released, left = paths.flows[o, "released"], paths.row(f"{o}.left")
        keep = 1.0 if paths.is_steady else (1.0 - option.loss) ** paths.delta
        rate = 1e300 if option.release_rate is None else option.release_rate * paths.delta
        before, held = np.zeros(released.shape), np.zeros(released.shape)
        stock = np.array([option.initial, *self.stocks[o]])[paths.times[:, 0]]
        for i in range(released.shape[1]):
            before[:, i] = keep * stock
            held[:, i] = stock = before[:, i] - released[:, i]
        grain = self.scales.commodities[option.commodity]
        self.report.at_most(paths.row(f"{o}.release"), released, rate, grain=grain)
        self.report.at_most(paths.row(f"{o}.release"), 0.0, released, grain=grain)
        self.report.at_most(left, 0.0, held, before, grain=grain)
        self.report.equal(left, paths.flows[o, "left"], held, before, grain=grain)
