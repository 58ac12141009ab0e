"""The figures of a result: policy, where things come from, the totals, and what doing nothing would mean.

`check_futures` checks the plan of several futures: each future's own result is audited like any other, and here is what
holds between them: decisions are alike where nothing tells futures apart, and the measure is taken anew.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optimizer.audit.report import Report
from optimizer.audit.shocks import SurvivalRules
from optimizer.instance.derived import size_thresholds
from optimizer.instance.edits import without_disruptions
from optimizer.instance.schema import Instance
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.plan import Faced, Flows, ManyFlows
from optimizer.results.result import Result
from optimizer.tolerances import AUDIT_MONEY, AUDIT_RELATIVE, DETERRED, DETERRED_ROUNDING, NEGLIGIBLE, ROUNDING

# Files of earlier formats lack the costs of attacks, and count only the worst attack over all starts.
DETERRING = 3


class Figures(SurvivalRules):
    """The whole audit, from the plan's rows to the last total."""

    def run(self, many: Sequence[ManyFlows]) -> None:
        """Check everything; disagreements are noted in the report.

        Args:
            many: flows of shocks of which the result keeps only a line.
        """
        baseline = self.result.baseline
        if baseline is None:
            raise ValueError("the baseline is missing")
        self.check_baseline(baseline)
        self._check_survival_rules()
        self._check_shocks(many)
        self._check_services()
        self._check_shares(baseline)
        self._check_shortages(baseline)
        self._check_actual(baseline)
        self._check_totals()
        self._check_do_nothing()
        self._check_no_shock_plan()

    def check_baseline(self, baseline: Flows) -> None:
        """What is bought, how it runs in the baseline, and the policy: all that the no-shock plan has as well."""
        self.check_plan()
        self._check_baseline(baseline)
        self._check_policy(baseline)

    def _check_policy(self, baseline: Flows) -> None:
        policy, outlays = self.instance.policy, self.report.outlays
        if policy.budget is not None:
            self.report.at_most("policy.budget", math.fsum(outlays.values()), policy.budget, least_scale=1.0)
        if policy.annual_budget is not None:
            for year in self.horizon.years:
                bound = policy.annual_budget.at(year)
                self.report.at_most(f"policy.annual_budget_{year}", outlays[str(year)], bound, least_scale=1.0)
        for i, rule in enumerate(policy.max_share):
            self._share(f"policy.max_share_{i}", rule, baseline, sign=1.0)
        for i, rule in enumerate(policy.min_share):
            self._share(f"policy.min_share_{i}", rule, baseline, sign=-1.0)
        for o, sizes in policy.force.items():
            for year, size in sizes.items():
                self.report.equal(f"policy.force.{o}.{year}", self._yearly_purchase(o, year), size)

    def _yearly_purchase(self, o: str, year: int) -> float:
        """What the plan buys of an option in a calendar year."""
        fills = self.result.plan.fills.get(o, ())
        filled = (fill for t, fill in enumerate(fills) if self.year(t) == year)
        return math.fsum([*(build.size for build in self.holdings[o].builds if self.year(build.t) == year), *filled])

    def _share(self, row: str, rule: Any, baseline: Flows, *, sign: float) -> None:
        for t in self.periods:
            if rule.from_ is not None and self.year(t) < rule.from_:
                continue
            everything, counted = 0.0, 0.0
            for name, activity in self.instance.activities.items():
                made = activity.output.get(rule.commodity, 0.0) * baseline[name, "activity"][t]
                kind = getattr(activity, "kind", "existing")
                of_region = rule.region is None or activity.region == rule.region
                of_kind = rule.kind is None or kind == rule.kind
                everything += made
                counted += made if of_region and of_kind else 0.0
            label = f"{row}.{self.horizon.label(t)}"
            off = sign * (counted - rule.share * everything)
            self.report.at_most(label, off, 0.0, everything, least_scale=self.scales.commodities[rule.commodity])

    def _check_shares(self, baseline: Flows) -> None:
        """Where each commodity comes from."""
        for commodity, shares in self.result.shares.items():
            for share in shares:
                row, made = f"{commodity}.dependence.{share.year}", dict.fromkeys(share.regions, 0.0)
                makers = {p: each for p, each in self.instance.activities.items() if commodity in each.output}
                for name, activity in makers.items():
                    rate, region = activity.output[commodity], activity.region or "unnamed"
                    ran = math.fsum(baseline[name, "activity"][t] for t in self.periods if self.year(t) == share.year)
                    made[region] = made.get(region, 0.0) + rate * ran
                total = math.fsum(made.values())
                self.report.equal(row, share.tonnes, total, least_scale=self.scales.commodities[commodity])
                for region, part in made.items() if total > 0 else ():
                    self.report.equal(f"{row}.{region}", share.regions.get(region, 0.0), part / total, 1.0)
                hhi = math.fsum((part / total) ** 2 for part in made.values()) if total > 0 else 0.0
                self.report.equal(f"{row}.hhi", share.hhi, hhi, 1.0)

    def _check_shortages(self, baseline: Flows) -> None:
        """What goes unserved in the baseline."""
        for d, demand in self.instance.demands.items():
            row, short, lack = f"{d}.lacks", baseline[d, "unserved"], self.result.lacks.get(d)
            demanded = [demand.quantity.at(self.year(t)) * self.delta for t in self.periods]
            parts = [part / whole if whole > 0 else 0.0 for part, whole in zip(short, demanded, strict=True)]
            # Near zero, rounding decides whether there is a shortfall, so neither answer is an error.
            self.report.at_most(row, max(parts) if lack is None else 0.0, 2 * NEGLIGIBLE, 1.0)
            if lack is not None:
                self.report.equal(f"{row}.share", lack.share, max(parts), 1.0)
                self.report.equal(
                    f"{row}.unserved", lack.unserved, math.fsum(short), least_scale=self.scales.segments[d]
                )
                of_it = parts[self.labels.index(lack.period)] if lack.period in self.labels else 0.0
                self.report.equal(f"{row}.period", of_it, lack.share, 1.0)

    def _check_actual(self, baseline: Flows) -> None:
        """What processes really made, and what the baseline makes then."""
        due = {(p, year): t for p, each in self.instance.processes.items() for year, t in each.actual.items()}
        stated = [(each.process, each.year) for each in self.result.actual]
        self.report.holds("actual", "it is of other processes or years", sorted(stated) == sorted(due))
        for each in self.result.actual:
            if (each.process, each.year) not in due:
                continue
            row, process = f"actual.{each.process}.{each.year}", self.instance.processes[each.process]
            commodity, year = next(iter(process.output)), max(each.year, self.horizon.start)
            is_of_it = (each.commodity, each.model_year) == (commodity, year)
            self.report.holds(row, f"it is of {commodity} in {year}", is_of_it)
            ran = math.fsum(baseline[each.process, "activity"][t] for t in self.periods if self.year(t) == year)
            made, known, scale = process.output[commodity] * ran, due[each.process, each.year], self.scales.commodities
            self.report.equal(row, each.actual, known)
            self.report.equal(f"{row}.modelled", each.modelled, made, least_scale=scale[commodity])
            self.report.holds(f"{row}.deviation", "there is one", (each.deviation is None) == (known == 0))
            if each.deviation is not None and known > 0:
                self.report.equal(f"{row}.deviation", each.deviation, made / known - 1.0, made / known, 1.0)

    def _check_totals(self) -> None:
        result, costs = self.result, self.report.costs
        # Amounts below one unit of money are negligible: a cost of zero may be computed as 1e-15.
        self.report.equal("total_cost", result.total_cost, math.fsum(costs.values()), *costs.values(), least_scale=1.0)
        for part, amount in costs.items() if result.costs else ():
            self.report.equal(f"cost of {part}", result.costs.get(part, 0.0), amount, *costs.values())
        # Of an outlay that is next to nothing, an error is judged against what everything costs.
        least_scale = max(AUDIT_MONEY, AUDIT_RELATIVE * max(map(abs, costs.values()), default=0.0))
        outlays = self.report.outlays
        self.report.equal("outlay", result.outlay, math.fsum(outlays.values()), least_scale=least_scale)
        for year, amount in outlays.items() if result.outlays else ():
            self.report.equal(
                f"outlay.{year}", result.outlays.get(year, 0.0), amount, result.outlay, least_scale=least_scale
            )
        self._check_excuses()
        gaps = list(self._counted_gaps().values())
        self.report.equal("survival_gap", result.survival_gap, self._total_gap(), *gaps, least_scale=AUDIT_MONEY)
        self.report.equal("worst_gap", result.worst_gap, max(gaps, default=0.0), *gaps, least_scale=AUDIT_MONEY)
        if result.bound is not None:
            self.report.at_most("bound", result.bound, result.total_cost, *costs.values())
        if result.gap_bound is not None:
            self.report.at_most("gap_bound", result.gap_bound, result.survival_gap, least_scale=AUDIT_MONEY)
        self._check_distances()
        self.report.holds("periods", "their labels are others", result.periods == tuple(self.labels))
        survives = not any(outcome.fails for outcome in result.shocks)
        stated = {"survives": survives, "gap": not survives}.get(result.status, True)
        self.report.holds("status", f'it is stated to be "{result.status}"', stated)

    def _check_costs_of_attacks(self, faced: Faced) -> None:
        """What each attack costs the adversary under the plan: those on the plan are made, the others deterred."""
        adversary, row = self.instance.adversary, "adversary.{}".format
        named = (*faced.attacks, *faced.deterred)
        known = self.result.format < DETERRING or sorted(faced.costs) == sorted(set(named))
        self.report.holds("adversary.costs", "they are of other attacks", known)
        for name in named:
            made = None if adversary is None else adversary.attack(name, self.horizon)
            is_affordable = made is not None and adversary is not None and adversary.affords(made.targets)
            self.report.holds(row(name), "it is no attack that can be afforded", is_affordable)
            if made is None or adversary is None:
                continue
            levels = {o: self._level(o, made.start) for o in adversary.deterrence(made.targets)}
            cost = adversary.price(made.targets)
            for target in made.targets:
                cost += sum(per * levels.get(o, 0.0) for o, per in adversary.targets[target].deterrence.items())
            if name in faced.costs:
                self.report.equal(f"{row(name)}.cost", faced.costs[name], cost, adversary.attack_budget)
            least = adversary.attack_budget * (1.0 + DETERRED - DETERRED_ROUNDING)
            is_deterred = bool(adversary.deterrents) and cost >= least
            what = f"it costs the adversary {cost:g}"
            self.report.holds(row(name), what, is_deterred == (name in faced.deterred))

    def _counted_gaps(self) -> dict[str, float]:
        """The gaps of all shocks, none of samples that may fail."""
        return {outcome.name: 0.0 if outcome.excused else outcome.gap for outcome in self.result.shocks}

    def _check_excuses(self) -> None:
        """The shocks that fail and may: samples of an ensemble, no more of each than its share leaves to fail."""
        excused = {outcome.name for outcome in self.result.shocks if outcome.excused}
        known = set[str]()
        for name, spec in self.instance.ensembles.items():
            own = {f"{name}#{i:05d}" for i in range(1, spec.count + 1)} & excused
            known |= own
            share = 1.0 if spec.survive is None else spec.survive
            required = math.ceil(share * spec.count - ROUNDING)
            what = f"{len(own)} of {spec.count} samples are excused, {required} are required"
            self.report.holds(f"ensembles.{name}.survive", what, len(own) <= spec.count - required)
        self.report.holds("survive", "others than samples are excused", excused == known)
        for outcome in self.result.shocks:
            if outcome.excused:
                self.report.holds(outcome.name, "it is excused and survives", not outcome.survives)

    def _level(self, o: str, t: int) -> float:
        """The level of an option in a period: what its holding carries into operation."""
        return float(self.auditors[o].carries(self.holdings[o])[t])

    def _total_gap(self) -> float:
        """All gaps together, of which the worst attack at each start of an adversary counts; and what they cost it."""
        faced = self.result.adversary
        gaps = self._counted_gaps()
        if faced is None:
            return math.fsum(gaps.values())
        self._check_costs_of_attacks(faced)
        worst: dict[str, float] = {}
        for name in faced.attacks:
            self.report.holds(f"adversary.{name}", "it is no shock", name in gaps)
            start = name.rpartition("@")[2]
            worst[start] = max(worst.get(start, 0.0), gaps.get(name, 0.0))
        total = math.fsum(worst.values()) if self.result.format >= DETERRING else max(worst.values(), default=0.0)
        self.report.equal("adversary.gap", faced.gap, total, *gaps.values(), least_scale=AUDIT_MONEY)
        return math.fsum(gap for name, gap in gaps.items() if name not in faced.attacks) + total

    def _check_distances(self) -> None:
        """What follows from two figures: the distance from the bound, the price of survival."""
        result, cost, gap = self.result, self.result.total_cost, self.result.survival_gap
        known = result.bound is not None and (gap == 0 or result.gap_bound is not None)
        self.report.holds("mip_gap", f"it is {result.mip_gap}", (result.mip_gap is not None) == known)
        if result.bound is not None and result.mip_gap is not None:
            of_cost = (cost - result.bound) / abs(cost) if cost else 0.0
            of_gap = (gap - (result.gap_bound or 0.0)) / gap if gap > 0 else 0.0
            self.report.equal("mip_gap", result.mip_gap, max(0.0, of_cost, of_gap), least_scale=AUDIT_RELATIVE)
        price, baseline_cost = result.price_of_survival, result.calm_cost
        self.report.holds("price_of_survival", f"it is {price}", (price is None) == (baseline_cost is None))
        if price is not None and baseline_cost is not None:
            self.report.equal("price_of_survival", price, cost - baseline_cost, cost, baseline_cost)

    def _check_do_nothing(self) -> None:
        """What is known of doing nothing without a solver."""
        nothing = self.result.nothing
        if nothing is None:
            return
        costs = [demand.shortage_cost for demand in self.instance.demands.values()]
        gap, below, failed = nothing.gap, nothing.below_floor, nothing.shocks_failed
        least, most = below * min(costs, default=0.0), below * max(costs, default=0.0)
        self.report.at_most("nothing.gap", 0.0, gap)
        self.report.at_most("nothing.gap", least, gap, least_scale=AUDIT_MONEY)
        self.report.at_most("nothing.gap", gap, most, least_scale=AUDIT_MONEY)
        self.report.at_most("nothing.worst_gap", 0.0, nothing.worst_gap)
        self.report.at_most("nothing.worst_gap", nothing.worst_gap, gap, least_scale=AUDIT_MONEY)
        self.report.at_most("nothing.worst_gap", gap, failed * nothing.worst_gap, least_scale=AUDIT_MONEY)
        self.report.holds("nothing.shocks_failed", f"it is {failed}", 0 <= failed <= len(self.instance.events))
        self.report.holds("nothing.shocks_failed", f"it is {failed}", (failed > 0) == (below > 0))
        names = {event.name for event in self.instance.events} if failed else {None}
        self.report.holds("nothing.worst_shock", f"it is {nothing.worst_shock}", nothing.worst_shock in names)

    def _check_no_shock_plan(self) -> None:
        """The no-shock plan again, in the same instance without shocks: rows, cost by part, and what it buys."""
        kept, result = self.result.no_shock, self.result
        if kept is None:
            return
        again = Report()
        variant = replace(result, plan=kept.plan, baseline=kept.baseline)
        Figures(without_disruptions(self.instance), variant, again).check_baseline(kept.baseline)
        costs = again.costs
        again.equal("total_cost", kept.total_cost, math.fsum(costs.values()), *costs.values(), least_scale=1.0)
        for part, amount in costs.items() if kept.costs else ():
            again.equal(f"cost of {part}", kept.costs.get(part, 0.0), amount, *costs.values())
        again.holds("calm_cost", f"it is {result.calm_cost}", result.calm_cost == kept.total_cost)
        again.holds("calm_builds", "they are not what it buys", set(result.calm_builds) == set(kept.plan.bought))
        self.report.no_shock_costs = costs
        self.report.add("no-shock plan", again)


def complete(instance: Instance, result: Result, many: Sequence[ManyFlows]) -> tuple[Result, Report]:
    """A result that lacks costs, outlays and its audit, with these; and the report of what was recomputed for them."""
    report = Report()
    try:
        Figures(instance, result, report).run(many)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        report.disagreements.append(f"the plan does not fit its instance: {type(error).__name__}: {error}")
    no_shock = None if result.no_shock is None else replace(result.no_shock, costs=report.no_shock_costs)
    made = replace(result, costs=report.costs, outlays=report.outlays, no_shock=no_shock, audit=report.to_dict())
    return made, report


# The plan of several futures.


def check_futures(instance: Instance, result: FuturesResult) -> Report:
    """What holds between the futures of a result: names, probabilities, decisions, and the figures of the whole."""
    report, tree = Report(), instance.tree
    stated = [(each.name, each.probability) for each in result.futures]
    report.holds(
        "futures",
        "they are not those of the instance",
        stated == [(each.name, each.probability) for each in tree.futures],
    )
    if not report.ok:
        return report
    for future in result.futures:
        report.add(future.name, Report(rows=future.result.audit["rows"], worst=future.result.audit["worst"]))
    for t in instance.horizon.periods:
        for number, future in enumerate(result.futures):
            first = tree.node(number, t)
            if first != number:
                _check_alike(instance, report, t, result.futures[first], future)
    _check_figures(instance, result, report)
    return report


def _check_alike(instance: Instance, report: Report, t: int, one: FutureResult, other: FutureResult) -> None:
    """Two futures that cannot be distinguished in a period buy the same in it."""
    label = instance.horizon.label(t)
    mine, theirs = _bought(one.result, t), _bought(other.result, t)
    least = size_thresholds(instance)[0]
    for key in sorted(mine.keys() | theirs.keys()):
        option, what = key
        row = f"{option}.{what}.{label}: {one.name} and {other.name}"
        scale = least[option] / AUDIT_RELATIVE if what != "opened" else 1.0
        report.equal(row, mine.get(key, 0.0), theirs.get(key, 0.0), least_scale=scale)


def _bought(result: Result, t: int) -> dict[tuple[str, str], float]:
    bought = {(build.option, "size"): build.size for build in result.plan.builds if build.t == t}
    bought |= {(build.option, "opened"): 1.0 for build in result.plan.builds if build.t == t and build.opened}
    return bought | {(o, "purchase"): fills[t] for o, fills in result.plan.fills.items() if fills[t] > 0}


def _check_figures(instance: Instance, result: FuturesResult, report: Report) -> None:
    """The totals from those of the futures, and the measure from its definition."""
    futures = result.futures
    costs = [each.result.total_cost for each in futures]
    expected = math.fsum(each.probability * each.result.total_cost for each in futures)
    report.equal("expected_cost", result.expected_cost, expected, *costs, least_scale=1.0)
    report.equal("total_cost", result.total_cost, measure_of_futures(instance, futures), *costs, least_scale=1.0)
    gaps = [each.result.survival_gap for each in futures]
    gap = math.fsum(each.probability * each.result.survival_gap for each in futures)
    report.equal("survival_gap", result.survival_gap, gap, *gaps, least_scale=AUDIT_MONEY)
    if result.bound is not None:
        report.at_most("bound", result.bound, result.total_cost, *costs)


def measure_of_futures(instance: Instance, futures: Sequence[FutureResult]) -> float:
    """The measure of the futures' costs, by its definition; NaN of regret from a least cost that is not known."""
    measure = instance.policy.objective
    expected = math.fsum(each.probability * each.result.total_cost for each in futures)
    if measure.kind == "expected":
        return expected
    if measure.kind == "worst":
        return max(each.result.total_cost for each in futures)
    if measure.kind == "regret":
        return _largest_regret(futures)
    outcomes = [outcome for each in futures for outcome in _outcomes(instance, each)]
    return (1.0 - measure.weight) * expected + measure.weight * _tail(outcomes, measure.alpha)


def _largest_regret(futures: Sequence[FutureResult]) -> float:
    regrets = [each.result.total_cost - each.least_cost for each in futures if each.least_cost is not None]
    return max(regrets) if len(regrets) == len(futures) else math.nan


def _outcomes(instance: Instance, each: FutureResult) -> list[tuple[float, float]]:
    """(cost, probability) of a future's outcomes: each of its shocks, or none."""
    own = next(future.instance for future in instance.tree.futures if future.name == each.name)
    baseline, paid = _baseline_costs(own, each.result), {shock.name: shock.cost for shock in each.result.shocks}
    likely = [event for event in own.events if event.probability > 0]
    found = [(paid[e.name] - math.fsum(baseline[e.periods.start : e.periods.stop]), e.probability) for e in likely]
    calm = each.result.total_cost - math.fsum(change * probability for change, probability in found)
    none = 1.0 - math.fsum(probability for _, probability in found)
    return [(calm + change, each.probability * probability) for change, probability in [(0.0, none), *found]]


def _baseline_costs(instance: Instance, result: Result) -> Sequence[float]:
    """What the baseline costs in each period, present value."""
    audit = Figures(instance, result, Report())
    assert result.baseline is not None
    audit.check_baseline(result.baseline)
    costs: Sequence[float] = audit.baseline_cost.tolist()
    return costs


def _tail(outcomes: Sequence[tuple[float, float]], alpha: float) -> float:
    """CVaR: the least of η + E[(X − η)⁺] / (1 − α) over η, which one of the outcomes attains."""
    return min(eta + math.fsum(q * max(0.0, cost - eta) for cost, q in outcomes) / (1.0 - alpha) for eta, _ in outcomes)
