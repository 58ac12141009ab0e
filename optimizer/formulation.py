"""The problem as a table of contents: plan, baseline, shocks, policy, cost.

whole_stage      the plan, the baseline and every shock given, in one programme
recourse_stage   shocks alone, where the plan is given
cost             what is minimised, in present value: spending, and costs by path
gap              the demand below the floors that is left unserved, valued at `shortage_cost`
hold             a row that holds a gap where a bound says
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optimizer.disruptions.shock import BASELINE, Path, Shock
from optimizer.instance.schema import Instance, ShareRule
from optimizer.levers import Sized
from optimizer.model.builder import Sense, Stage
from optimizer.model.expressions import Expression, total
from optimizer.model.ledgers import Names
from optimizer.network import process as network


def blank_stage(instance: Instance) -> Stage:
    """An empty sheet for an instance."""
    names = Names(frozenset(instance.commodities), frozenset(instance.processes), frozenset(instance.demands))
    return Stage(instance.horizon, instance.discount_rate, names)


def plan_stage(instance: Instance) -> Stage:
    """What is decided before any shock is known: sizes, openings, stock paths, and how options are tied."""
    stage = blank_stage(instance)
    for option in instance.options.values():
        option.invest(stage)
    for option in instance.sized.values():
        _tie(stage, option)
    return stage


def whole_stage(instance: Instance, shocks: Iterable[Shock]) -> Stage:
    """The plan, the baseline, policy, and every shock given."""
    return Writer(instance).whole_stage(shocks)


class Writer:
    """Writes stages of one instance that differ in their shocks; what they have in common is written once."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        stage = plan_stage(instance)
        write_path(stage, instance, instance.baseline)
        write_policy(stage, instance)
        self._sheets: list[tuple[tuple[str, ...], Stage]] = [((), stage)]

    def whole_stage(self, shocks: Iterable[Shock]) -> Stage:
        """The plan, the baseline, policy, and every shock given; the last stage is the start, where these only add."""
        shocks = tuple(shocks)
        names = tuple(shock.name for shock in shocks)
        before, sheet = next((known, sheet) for known, sheet in reversed(self._sheets) if names[: len(known)] == known)
        stage = sheet.copy()
        for shock in shocks[len(before) :]:
            write_path(stage, self.instance, self.instance.path(shock))
        self._sheets = [self._sheets[0], (names, stage.copy())]
        return stage


def recourse_stage(instance: Instance, path: Path, plan: Stage) -> Stage:
    """What can be done in shocks with windows of one length, written once for the path that they share.

    What `plan`, the instance's `plan_stage`, offers is given; numbers that differ from shock to shock are arrays. The
    columns that are decided have the same coefficients in all shocks.
    """
    stage = plan.answering(len(path.periods))
    write_path(stage, instance, path)
    return stage


def write_path(stage: Stage, instance: Instance, path: Path) -> None:
    """One run of operation: what exists, what each lever adds, and the rows where they meet."""
    with stage.under(path):
        network.operate(stage, path, instance.processes, instance.demands)
        for option in instance.options.values():
            option.operate(stage, path)
        network.settle(stage, path, instance.processes, instance.demands)


def _tie(stage: Stage, option: Sized) -> None:
    """requires: Y[o,a] ≤ Y[r,a] at every decision point a; excludes: at most one of the two is ever opened."""
    own = stage.offered(option.id, "opened")
    for required in option.requires:
        for a, opened in stage.offered(required, "opened").items():
            stage.require(option.id, f"requires_{required}", a, own[a], "<=", opened, unit="1")
    last = stage.horizon.decisions[-1]
    for excluded in option.excludes:
        both = own[last] + stage.offered(excluded, "opened")[last]
        stage.require(option.id, f"excludes_{excluded}", None, both, "<=", 1.0, unit="1")


def write_policy(stage: Stage, instance: Instance) -> None:
    """Budgets on outlay, shares of the baseline's production, what has to be bought, and what is to be endured."""
    policy, years = instance.policy, instance.horizon.years
    outlay = {year: stage.booked("outlay", year) for year in years}
    if policy.budget is not None:
        stage.require("policy", "budget", None, total(outlay.values()), "<=", policy.budget, unit="USD")
    if policy.annual_budget is not None:
        for year in years:
            bound = policy.annual_budget.at(year)
            stage.require("policy", f"annual_budget_{year}", None, outlay[year], "<=", bound, unit="USD")
    made = _made(stage) if policy.max_share or policy.min_share else {}
    for i, rule in enumerate(policy.max_share):
        _share(stage, made, f"max_share_{i}", rule, "<=")
    for i, rule in enumerate(policy.min_share):
        _share(stage, made, f"min_share_{i}", rule, ">=")
    _force(stage, instance)
    # A cut is survived for τ where its linear programme with time fixed at τ has a solution: rows like any path's.
    for path in instance.rules.values():
        write_path(stage, instance, path)


def bought(stage: Stage, instance: Instance, option: str, year: int | None = None) -> Expression:
    """What is bought of an option over all years or in one: its size, or what a stockpile buys in t."""
    columns = stage.found().get(("", option, instance.options[option].purchase_column), {})
    some = (column for t, column in columns.items() if year is None or instance.horizon.year(t) == year)
    return total(Expression({column: 1.0}) for column in some)


def _force(stage: Stage, instance: Instance) -> None:
    """Σ over the decision points of a year n[a] = size; of a stockpile Σ over its periods f[t] = size."""
    for o, sizes in instance.policy.force.items():
        unit = instance.options[o].unit
        for year, size in sizes.items():
            stage.require("policy", f"force_{o}_{year}", None, bought(stage, instance, o, year), "==", size, unit=unit)


Made = dict[str, list[tuple[str, str, int, Expression]]]


def _made(stage: Stage) -> Made:
    """The baseline's production by commodity: region, kind, period and amount."""
    made: Made = {}
    for (path, commodity, region, kind, t), produced in stage.accounts("production").items():
        if path == BASELINE:
            made.setdefault(str(commodity), []).append((str(region), str(kind), int(t), produced))
    return made


def _share(stage: Stage, made: Made, what: str, rule: ShareRule, sense: Sense) -> None:
    """Σ over what counts ≤ (≥) share · Σ over all, in every period from `from` on."""
    accounts: dict[int, Expression] = {}
    for region, kind, t, produced in made.get(rule.commodity, ()):
        own = 1.0 if rule.counts(region, kind) else 0.0
        accounts.setdefault(t, Expression()).add(produced, own - rule.share)
    for t, account in accounts.items():
        if rule.from_ is None or stage.horizon.year(t) >= rule.from_:
            stage.require("policy", what, t, account, sense)


def weights(instance: Instance, shocks: Sequence[Shock]) -> dict[str, list[float]]:
    """By path, for every period t: discount factor times the probability that operation is on that path in t."""
    horizon = instance.horizon
    at = {shock.name: [shock.probability if t in shock.periods else 0.0 for t in horizon.periods] for shock in shocks}
    calm = [max(0.0, 1.0 - math.fsum(at[shock.name][t] for shock in shocks)) for t in horizon.periods]
    return {
        path: [instance.discount(t) * likely[t] for t in horizon.periods]
        for path, likely in {BASELINE: calm, **at}.items()
    }


def spending(stage: Stage) -> Expression:
    """What is spent on options, in present value: Σ δ·spend."""
    result = Expression()
    for (moment,), spent in stage.accounts("spend").items():
        result.add(spent, stage.discount(int(moment)))
    return result


def costs_by_part(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> dict[str, Expression]:
    """Expected operation in present value by path: B − Σ p·B_W of the baseline, p·Q of each shock of the stage."""
    result: dict[str, Expression] = {}
    weight = weights(instance, shocks)
    for (path, t), amount in stage.accounts("operating").items():
        if path not in instance.rules and weight[str(path)][int(t)] > 0:
            result.setdefault(str(path), Expression()).add(amount, weight[str(path)][int(t)])
    return result


def cost(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    """The objective: spending and expected operation in present value, Σ δ·spend + B + Σ p·(Q − B_W)."""
    return total([spending(stage), *costs_by_part(stage, instance, shocks).values()])


def gaps(stage: Stage, instance: Instance) -> dict[str, Expression]:
    """The survival gap of each shock of the stage that has a floor, in money: neither discounted nor weighted."""
    result: dict[str, Expression] = {}
    for (path, segment, _), below in stage.accounts("below").items():
        result.setdefault(str(path), Expression()).add(below, instance.demands[str(segment)].shortage_cost)
    return result


def gap(stage: Stage, instance: Instance) -> Expression:
    """The survival gap over all shocks of the stage."""
    return total(gaps(stage, instance).values())


@dataclass(frozen=True)
class Ration:
    """The column whose bound holds a gap, and the money that one unit of it stands for."""

    columns: tuple[int, ...]
    unit: float


def hold(stage: Stage, name: str, shortfall: Expression) -> Ration:
    """Write ``gap ≤ allowed``, in tonnes of middle shortage cost so that the row is scaled like the others."""
    costs = sorted(value for value in shortfall.terms.values() if value > 0)
    if not costs:
        return Ration((), 1.0)
    unit = float(costs[len(costs) // 2])
    allowed = stage.variable(name, "allowed", 0)
    stage.require(name, "hold", None, (1.0 / unit) * shortfall, "<=", allowed)
    return Ration(tuple(allowed.terms), unit)
