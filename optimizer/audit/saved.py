"""A whole result, as a file holds it: that nothing is missing, nothing is added, and names and order are its own.

The other modules recompute numbers; a number that no other check reads is caught here: an option, year or region too
many, a shock without its flows, a plan without its bound.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from optimizer.audit.auditor import Paths
from optimizer.audit.figures import Figures
from optimizer.audit.report import Report
from optimizer.audit.rows import cost_parts, options_without_auditor
from optimizer.audit.shocks import Found
from optimizer.disruptions.shock import MEANWHILE, expand
from optimizer.instance.schema import Instance
from optimizer.results.plan import MOST_DETAILED_SHOCKS, Flows, ManyFlows, Outcome, Plan
from optimizer.results.result import FIGURES, Result, first_largest, weakest
from optimizer.results.saved import FORMAT


class Saved(Figures):
    """The audit of a result that has all its parts."""

    def run(self, many: Sequence[ManyFlows]) -> None:
        """Check everything; disagreements are noted in the report."""
        # By segment and shock with flows of its own: the least margin, and what is served then.
        self._weakest: dict[str, dict[str, tuple[float, float]]] = {d: {} for d in self.instance.demands}
        super().run(many)
        check_names(self.instance, self.result, self.report)
        self._check_tables()
        self._check_order()
        self._check_segments()
        self._check_bounds()
        self._check_no_shock_names()
        self._check_adversary()

    def _holds(self, row: str, what: str, *, holds: bool) -> None:
        self.report.holds(row, what, holds)

    def _check_tables(self) -> None:
        """Every table has the rows that it should have."""
        result, piles = self.result, {o for o, auditor in self.auditors.items() if auditor.is_stock}
        tables: dict[str, tuple[Any, Any]] = {
            "stock": (set(result.plan.stocks), piles),
            "purchases": (set(result.plan.fills), piles),
            "costs": (set(result.costs), set(cost_parts(self.instance, self.auditors))),
            "outlays": (set(result.outlays), {str(year) for year in self.horizon.years}),
            "lacks": (set(result.lacks) - set(self.instance.demands), set()),
            "clash": (set(result.clash), set()),
        }
        for name, (stated, due) in tables.items():
            odd = ", ".join(sorted(map(str, stated ^ due)))
            self._holds(name, f"its entries are wrong: {odd}", holds=stated == due)
        count, due = (
            sum(outcome.flows is not None for outcome in result.shocks),
            min(MOST_DETAILED_SHOCKS, len(self.events)),
        )
        self._holds("shocks", f"{count} have flows, {due} must have them", holds=count == due)
        nothing = result.nothing is None
        self._holds("nothing", "it is there where there are shocks", holds=nothing == (not self.events))

    def _check_order(self) -> None:
        """Lists stand in the order of the instance."""
        places = {o: i for i, o in enumerate(self.instance.options)}
        builds = [(places[build.option], build.t) for build in self.result.plan.builds]
        self._holds("builds", "they stand in another order, or twice", holds=builds == sorted(set(builds)))
        named = [outcome.name for outcome in self.result.shocks]
        self._holds("shocks", "they stand in another order", holds=named == list(self.events))

    def _check_segments(self) -> None:
        """Each shock names the segments that it should name."""
        demands = set(self.instance.demands)
        for outcome in self.result.shocks:
            named = set(outcome.segments)
            kept = [each for each in outcome.segments.values() if not each.below_floor > 0]
            is_line = outcome.flows is None and (len(kept) <= 1 and (bool(named) or not demands))
            known = named == demands if outcome.flows is not None else is_line and named <= demands
            self._holds(f"{outcome.name}.segments", "they are not those that are due", holds=known)

    def _check_bounds(self) -> None:
        """What the status says of bounds."""
        result = self.result
        ended = result.status in ("survives", "gap")
        known = result.given is not None or None not in (result.bound, result.gap_bound, result.mip_gap)
        self._holds("bound", f"a plan that {result.status} has bounds and their distance", holds=known or not ended)
        self._holds("status", "there is a plan", holds=result.status != "none")
        if result.given is not None:
            stated = any(each is not None for each in (result.bound, result.gap_bound, result.mip_gap))
            self._holds("bound", "nothing is proven of a plan that was given", holds=not stated)
        if result.gap_bound is not None:
            self.report.at_most("gap_bound", 0.0, result.gap_bound)
        self._check_stop()

    def _check_stop(self) -> None:
        """A search that was stopped has not reached what was required."""
        result = self.result
        required, faced = result.settings.get("gap"), result.adversary
        if result.status == "stopped" and result.mip_gap is not None and isinstance(required, float):
            open_ = result.mip_gap > required or (faced is not None and faced.sets is None)
            self._holds("status", "it is stated to be stopped, and its bound is as near as required", holds=open_)

    def _check_no_shock_names(self) -> None:
        """What is stated of the no-shock plan without solving for it."""
        result, auditors = self.result, self.auditors
        order = sorted(auditors, key=lambda o: auditors[o].is_stock)
        stated = [o for o in order if o in result.calm_builds]
        self._holds("calm_builds", "they are no options, or in another order", holds=list(result.calm_builds) == stated)
        if self.events or self.result.endured:
            return
        filled = {o for o, fills in result.plan.fills.items() if any(fill > 0 for fill in fills)}
        bought = filled | {build.option for build in result.plan.builds}
        self._holds("calm_builds", "they are not those of the plan", holds=set(stated) == bought)
        if result.calm_cost is not None:
            self.report.equal("calm_cost", result.calm_cost, result.total_cost, *self.report.costs.values())

    def _check_adversary(self) -> None:
        """The adversary is that of the instance, and the attacks among the shocks are those that it can make."""
        adversary, faced = self.instance.adversary, self.result.adversary
        entries = {name: adversary.members(event.entry) if adversary else None for name, event in self.events.items()}
        attacks = {name for name, targets in entries.items() if targets is not None}
        stated = set() if faced is None else set(faced.attacks)
        self._holds("adversary.attacks", "they are not the attacks among the shocks", holds=stated == attacks)
        if faced is None or adversary is None:
            self._holds("adversary", "the instance has none", holds=faced is None)
            return
        self.report.equal("adversary.attack_budget", faced.attack_budget, adversary.attack_budget)
        starts = adversary.starts.periods(self.horizon)
        sets = adversary.enumerated(len(starts))
        counts = (len(starts), len(adversary.targets), None if sets is None else len(sets))
        known = (faced.starts, faced.targets, faced.sets) == counts
        self._holds("adversary", f"starts, targets and sets are {counts}", holds=known)
        twice = len(faced.attacks) > len(stated)
        self._holds("adversary.attacks", "one is given twice", holds=not twice)
        gaps = {outcome.name: outcome.gap for outcome in self.result.shocks}
        place = first_largest([gaps.get(name, 0.0) for name in faced.attacks])
        worst = None if place is None else faced.attacks[place]
        self._holds("adversary.worst", f"it is {worst}", holds=faced.worst == worst)
        for name in sorted(attacks):
            self._check_attack(name, entries[name] or (), starts)

    def _check_attack(self, name: str, targets: Sequence[str], starts: Sequence[int]) -> None:
        """A shock that is called an attack does what its targets say, at one of the starts."""
        event, adversary = self.events[name], self.instance.adversary
        assert adversary is not None
        first = event.periods.start
        spec = adversary.shock(targets, [self.horizon.label(first)])
        (own,) = expand(event.entry, spec, self.horizon)
        same = all(getattr(own.spec, part) == getattr(event.spec, part) for part in ("cuts", *MEANWHILE))
        known = same and own.periods == event.periods and not event.probability and first in starts
        self._holds(f"adversary.{name}", "it is another attack than its targets make", holds=known)

    def _check_shares(self, baseline: Flows) -> None:
        super()._check_shares(baseline)
        years = tuple(dict.fromkeys((self.horizon.start, self.horizon.end)))
        used = {demand.commodity for demand in self.instance.demands.values()}
        used |= {commodity for activity in self.instance.activities.values() for commodity in activity.input}
        due = {c for c in used if any(self._production(baseline, c, year) > 0 for year in years)}
        self._holds("dependence", "it has other commodities", holds=set(self.result.shares) == due)
        for commodity, shares in self.result.shares.items():
            row = f"{commodity}.dependence"
            self._holds(row, "it has other years", holds=tuple(share.year for share in shares) == years)
            for share in shares:
                real = all(part > 0 for part in share.regions.values()) and (share.tonnes > 0 or not share.regions)
                self._holds(f"{row}.{share.year}", "it names a region that makes nothing", holds=real)

    def _production(self, baseline: Flows, commodity: str, year: int) -> float:
        """What is produced of a commodity in a year, t."""
        makers = {p: each.output[commodity] for p, each in self.instance.activities.items() if commodity in each.output}
        at = [t for t in self.periods if self.year(t) == year]
        return math.fsum(rate * baseline[p, "activity"][t] for p, rate in makers.items() for t in at)

    def _check_shortages(self, baseline: Flows) -> None:
        super()._check_shortages(baseline)
        for d, lack in self.result.lacks.items():
            if d not in self.instance.demands:
                continue
            demanded = self.by_period(self.instance.demands[d].quantity) * self.delta
            parts = [
                part / whole if whole > 0 else 0.0
                for part, whole in zip(baseline[d, "unserved"], demanded, strict=True)
            ]
            place = first_largest(parts)
            first = None if place is None else self.labels[place]
            self._holds(f"{d}.lacks.period", f"it is {first}", holds=lack.period == first)

    def _check_stated_services(self, paths: Paths, outcomes: Sequence[Outcome], d: str, found: Found) -> None:
        """Of equal periods the first is named, where the result has the flows itself."""
        super()._check_stated_services(paths, outcomes, d, found)
        if self.result.format < FORMAT:
            return
        served = found.margins + found.floors
        at = weakest(found.margins, served, axis=1)
        for s, outcome in enumerate(outcomes):
            if outcome.flows is None or d not in outcome.segments:
                continue
            label = self.labels[paths.times[s, at[s]]]
            row, stated = f"{outcome.name}/{d}.worst_period", outcome.segments[d].worst_period
            self._holds(row, f"it is {label}", holds=stated == label)
            self._weakest[d][outcome.name] = (float(found.margins[s, at[s]]), float(served[s, at[s]]))

    def _check_services(self) -> None:
        """Of equal shocks the first is named, where the result has all flows itself."""
        super()._check_services()
        for d, stated in self.result.services.items():
            known = self._weakest.get(d, {})
            if len(known) != len(self.events):
                continue
            margins, served = (np.array([known[name][i] for name in self.events]) for i in (0, 1))
            worst = list(self.events)[int(weakest(margins, served, axis=0))]
            self._holds(f"services/{d}.worst_shock", f"it is {worst}", holds=stated.worst_shock == worst)
            period = {outcome.name: outcome for outcome in self.result.shocks}[worst].segments[d].worst_period
            self._holds(f"services/{d}.worst_period", f"it is {period}", holds=stated.worst_period == period)


def check_names(instance: Instance, result: Result, report: Report) -> None:
    """The result bears the instance's name and currency."""
    report.holds("instance", f"its name is {instance.title}", result.instance == instance.title)
    report.holds("currency", f"it is {instance.currency}", result.currency == instance.currency)


def check_absent(instance: Instance, result: Result, report: Report) -> None:
    """Check that a result without a plan states no figures of one."""
    horizon = instance.horizon
    empty: dict[str, Any] = {
        "instance": instance.title,
        "currency": instance.currency,
        "periods": tuple(horizon.label(t) for t in horizon.periods),
        "plan": Plan(),
        "nothing": None,
        **dict.fromkeys(("bound", "gap_bound", "mip_gap", "price_of_survival", "calm_cost"), None),
        **dict.fromkeys(("shocks", "calm_builds", "binding", "actual"), ()),
        **{name: {} for name in ("services", "costs", "outlays", "shares", "endured", "lacks")},
    }
    if result.status == "stopped":
        empty["clash"] = ()
    stated = [name for name in FIGURES if not math.isnan(getattr(result, name))]
    for name in [*stated, *(name for name, value in empty.items() if getattr(result, name) != value)]:
        report.disagreements.append(f"{name}: there is no plan, and something is stated of it")


def verify(instance: Instance, result: Result, many: Sequence[ManyFlows] = ()) -> Report:
    """Audit a result: recompute every figure from the instance, in plain arithmetic.

    Args:
        instance: the instance that the result claims to answer.
        result: a result of `solve`, or one that was saved, or changed by hand.
        many: the flows of shocks of which the result keeps only a line, where they are still at hand. Then they are
            recomputed like all others, and the line is held against them; without, a line is held against itself.

    Returns:
        The report. Its `ok` says whether everything agrees; `Report.require` raises `AuditError` where it does not.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> so.verify(instance, so.solve(instance)).ok
        True
    """
    report = Report()
    report.disagreements += result.departures
    report.disagreements += [f"{o}.kind: its kind has no auditor" for o in options_without_auditor(instance)]
    try:
        if result.baseline is None and result.status in ("none", "stopped"):
            check_absent(instance, result, report)
        else:
            Saved(instance, result, report).run(many)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        report.disagreements.append(f"the plan does not fit its instance: {type(error).__name__}: {error}")
    return report
