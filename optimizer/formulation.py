"""The formulation in outline: plan, baseline, shocks, policy (budget, shares), cost.

first_stage_model      the plan alone
extensive_form_model   the plan, the baseline and every shock given
recourse_model         shocks alone, with the plan fixed
cost                   what is minimised, in present value: spending, and costs by path
gap                    the demand below the floors that is left unserved, valued at `shortage_cost`
limit_gap              a row that keeps a gap within a limit

Several futures are one programme, in which decisions that cannot yet be distinguished are one column:

    joint     owns the columns and the rows
    submodel    writes one future: its ledgers and linking terms are its own, its columns and rows are the joint's

    plan, decision              one column for all futures that cannot be distinguished in its period (one **node**)
    plan, follows from them     likewise, where the data that it follows from are equal
    baseline                    likewise, where all that operation depends on in its period is equal
    all else                    a column of its own

Non-anticipativity needs no rows: what cannot differ is written once. Rows that repeat one are left out. A decision that
some future of a node does not allow is 0 in all of them (`close`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.disruptions.path import BASELINE, Path
from optimizer.disruptions.shock import Shock
from optimizer.errors import ModelError
from optimizer.horizon import Horizon
from optimizer.levers.base import Sized
from optimizer.model import Sense
from optimizer.model.builder import EVERYTHING, Column, Mark, ModelBuilder, Row, Scope
from optimizer.model.expressions import Expression, Names, total
from optimizer.network import process as network
from optimizer.network import strong_linking
from optimizer.risk import CostOutcome

if TYPE_CHECKING:
    from optimizer.instance.schema import Future, FutureTree, Instance, ShareRule

# Of futures and a period: the smallest number among those that cannot be distinguished.
NodeOf = Callable[[int, int], int]
# What futures share a column by: node, path, owner, what, period, and the data that it follows from.
SharedKey = tuple[int, str, str, str, int, Hashable]


class JointBuilder(ModelBuilder):
    """A programme of several futures.

    Args:
        horizon, discount_rate, names: as for a `ModelBuilder`; all futures have the same.
        futures: their names.
        node: by number of a future and period, the smallest number of a future that cannot be distinguished from it.
    """

    def __init__(
        self, horizon: Horizon, discount_rate: float, names: Names, futures: Sequence[str], node: NodeOf
    ) -> None:
        super().__init__(horizon, discount_rate, names)
        self.futures, self.node = tuple(futures), node
        # Columns that several futures may share, and the numbers of those that have written them.
        self.shared: dict[SharedKey, int] = {}
        self.writers: dict[int, set[int]] = {}
        # Rows that several futures may share, by what they say; and by row the futures that have it.
        self.repeated: dict[Hashable, int] = {}
        self.owners: list[tuple[int, ...]] = []
        self._submodels = tuple(SubmodelBuilder(self, number) for number in range(len(self.futures)))

    @property
    def submodels(self) -> Sequence[ModelBuilder]:
        """The builders of the futures, in their order."""
        return self._submodels

    def booked(self, ledger: str, *key: str | int) -> Expression:
        """Refused: what is booked belongs to one future, and stands in its submodel."""
        raise ModelError(f"{ledger} is booked by each future: ask its submodel")

    def accounts(self, ledger: str) -> Mapping[tuple[str | int, ...], Expression]:
        """Refused, as `booked` is."""
        return {(): self.booked(ledger)}

    def sharing(self, row: int) -> Sequence[int]:
        """The numbers of the futures that have a row; all of them where it belongs to none."""
        return self.owners[row] or range(len(self.futures))

    def _append(self, row: Row) -> None:
        self.rows.append(row)
        self.owners.append(())

    def close(self) -> None:
        """Keep each decision at 0 that is shared by a future in which it is not allowed."""
        numbers = range(len(self.futures))
        sizes = Counter((self.node(number, t), t) for number in numbers for t in self.horizon.periods)
        for (node, path, _, _, t, follows), j in self.shared.items():
            if not path and follows is None and len(self.writers[j]) < sizes[node, t]:
                self.columns[j].upper = 0.0

    def copy(self) -> JointBuilder:
        """A copy to which other paths may be written, with the plan's accounts; those of written paths are shared."""
        copied = JointBuilder(self.horizon, self._rate, Names(*self.names.fixed()), self.futures, self.node)
        copied.columns, copied.rows, copied.valid = list(self.columns), list(self.rows), list(self.valid)
        copied._adopt(self)
        copied.shared, copied.repeated, copied.owners = dict(self.shared), dict(self.repeated), list(self.owners)
        copied.writers = {j: set(numbers) for j, numbers in self.writers.items()}
        copied._submodels = tuple(submodel.copied(copied) for submodel in self._submodels)
        return copied


class SubmodelBuilder(ModelBuilder):
    """The part of a joint programme that belongs to one future.

    Attributes:
        number: of the future. data: by period, what its baseline depends on; None where it is not shared.
    """

    def __init__(self, joint: JointBuilder, number: int) -> None:
        super().__init__(joint.horizon, joint._rate, Names(*joint.names.fixed()))
        self.joint, self.number = joint, number
        self.columns, self.rows, self.valid = joint.columns, joint.rows, joint.valid
        self.data: Sequence[Hashable] = (None,) * len(joint.horizon.periods)

    def _enter(self, column: Column, follows: Hashable) -> int:
        """Add a column of this future, or find the one that it shares with others; its number."""
        owner, what, t = column.mark.owner, column.mark.what, column.t
        key = self._key(owner, what, t, follows)
        j = None if key is None else self.joint.shared.get(key)
        if j is None:
            column.mark = self._named(owner, what, t)
            j = super()._enter(column, follows)
            if key is not None:
                self.joint.shared[key], self.joint.writers[j] = j, set()
        else:
            self.columns[j].upper = min(self.columns[j].upper, column.upper)
        if key is not None:
            self.joint.writers[j].add(self.number)
        self._index.setdefault((self._path, owner, what), {})[t] = j
        return j

    def _key(self, owner: str, what: str, t: int, follows: Hashable) -> SharedKey | None:
        """What futures share a column by; None for one of its own."""
        if self._path == "":
            return self.joint.node(self.number, t), "", owner, what, t, follows
        if self._path == BASELINE and self.data[t] is not None:
            return self.joint.node(self.number, t), BASELINE, owner, what, t, self.data[t]
        return None

    def _named(self, owner: str, what: str, t: int) -> Mark:
        """The mark of a column: on a path it carries the name of the first future that wrote it.

        Columns of the plan belong to no path: the name follows their period, unless it is that of the instance's first
        future.
        """
        label, future = self.horizon.label(t), self.joint.futures[self.number]
        if self._path:
            return Mark(f"{future}/{self._path}", owner, what, label)
        return Mark("", owner, what, f"{label}/{future}" if self.number else label)

    def _append(self, row: Row) -> None:
        mark = row.mark
        if mark.path in ("", BASELINE):
            key = (mark.owner, mark.what, row.t, row.sense, row.rhs, frozenset(row.terms.items()))
            if key in self.joint.repeated:
                self.joint.owners[self.joint.repeated[key]] += (self.number,)
                return
            self.joint.repeated[key] = len(self.rows)
        row.mark = self._of_this_future(mark)
        self.rows.append(row)
        self.joint.owners.append((self.number,))

    def _append_valid(self, row: Row) -> None:
        row.mark = self._of_this_future(row.mark)
        self.valid.append(row)

    def _of_this_future(self, mark: Mark) -> Mark:
        return mark._replace(path=f"{self.joint.futures[self.number]}/{mark.path}")

    def column_index(self) -> dict[tuple[str, str, str], dict[int, int]]:
        """Column numbers by path as this future names it (empty for the plan), owner and what; then by period."""
        return self._index

    def copied(self, joint: JointBuilder) -> SubmodelBuilder:
        """A copy that writes to another joint programme."""
        copied = SubmodelBuilder(joint, self.number)
        copied._adopt(self)
        copied._index = {key: dict(columns) for key, columns in self._index.items()}
        copied.data, copied.scope = self.data, joint.scope
        return copied


def blank_model(instance: Instance) -> ModelBuilder:
    """An empty model of an instance."""
    return ModelBuilder(instance.horizon, instance.discount_rate, _names(instance))


def _names(instance: Instance) -> Names:
    return Names(frozenset(instance.commodities), frozenset(instance.processes), frozenset(instance.demands))


def first_stage_model(instance: Instance, scope: Scope = EVERYTHING) -> ModelBuilder:
    """What is decided before any shock is known: sizes, openings, stock paths, and how options are tied."""
    model = blank_model(instance)
    model.scope = scope
    _write_first_stage(model, instance)
    return model


def _write_first_stage(model: ModelBuilder, instance: Instance) -> None:
    for option in model.selected(instance.options).values():
        option.invest(model)
    for option in model.selected(instance.sized).values():
        _tie(model, option)


def first_stages_model(tree: FutureTree, scope: Scope = EVERYTHING) -> ModelBuilder:
    """The first stages of all futures of a tree, without copies of what cannot be distinguished."""
    instance = tree.futures[0].instance
    if tree.is_single:
        return first_stage_model(instance, scope)
    names = [future.name for future in tree.futures]
    model = JointBuilder(instance.horizon, instance.discount_rate, _names(instance), names, tree.node)
    for future, submodel in zip(tree.futures, model.submodels, strict=True):
        _write_first_stage(submodel, future.instance)
    model.close()
    return model


def extensive_form_model(instance: Instance, shocks: Iterable[Shock], scope: Scope = EVERYTHING) -> ModelBuilder:
    """The plan, the baseline, policy, and every shock given."""
    return Writer(instance, scope).extensive_form_model(shocks)


class Writer:
    """Writes models of the futures of an instance that differ in their shocks; what they share is written once.

    Attributes:
        first_stage: the first stages of all futures. tree: the futures.
    """

    def __init__(self, instance: Instance, scope: Scope = EVERYTHING) -> None:
        self.tree = instance.tree
        self.first_stage = first_stages_model(self.tree, scope)
        self.first_stage.scope = scope
        model = self.first_stage.copy()
        _share_baselines(model, self.tree)
        for future, submodel in zip(self.tree.futures, model.submodels, strict=True):
            write_path(submodel, future.instance, future.instance.baseline)
            write_policy(submodel, future.instance)
        self._written: list[tuple[tuple[str, ...], ModelBuilder]] = [((), model)]

    def extensive_form_model(self, shocks: Iterable[Shock]) -> ModelBuilder:
        """The plan, the baseline, policy, and every shock given; extends the last one where it can."""
        shocks = tuple(shocks)
        names = tuple(shock.name for shock in shocks)
        before, start = next((known, start) for known, start in reversed(self._written) if names[: len(known)] == known)
        model = start.copy()
        for shock in shocks[len(before) :]:
            write_shock(model, self.tree, shock)
        self._written = [self._written[0], (names, model.copy())]
        return model


def write_shock(model: ModelBuilder, tree: FutureTree, shock: Shock) -> None:
    """The operation in one shock of one future."""
    number, own = tree.locate(shock)
    instance = tree.futures[number].instance
    write_path(model.submodels[number], instance, instance.path(own))


def _share_baselines(model: ModelBuilder, tree: FutureTree) -> None:
    """Let futures share the baseline of a period in which all that it depends on is the same.

    Given the plan, the baseline of each period is a problem of its own, with the same costs in all those futures: one
    solution serves them all. Where support counts towards a budget, periods depend on each other.
    """
    instances = [future.instance for future in tree.futures]
    if tree.is_single or any(map(_supports_from_budget, instances)):
        return
    known: dict[int, str] = {}
    for instance, submodel in zip(instances, model.submodels, strict=True):
        assert isinstance(submodel, SubmodelBuilder)
        submodel.data = [_baseline_data(instance, t, known) for t in instance.horizon.periods]


def _supports_from_budget(instance: Instance) -> bool:
    has_budget = instance.policy.budget is not None or instance.policy.annual_budget is not None
    return has_budget and any(max(each.support.values) > 0 for each in instance.activities.values())


def _baseline_data(instance: Instance, t: int, known: dict[int, str]) -> Hashable:
    """All that the baseline of a period depends on beside the plan."""
    year, path = instance.horizon.year(t), instance.baseline
    processes = tuple(
        (
            each.input,
            each.output,
            each.region,
            each.cost.at(year),
            each.support.at(year),
            each.min_utilisation,
            each.price_response,
            max(each.capacity.values),
        )
        for each in instance.processes.values()
    )
    demands = tuple((each.commodity, each.shortage_cost) for each in instance.demands.values())
    amounts = [[rows[t] for rows in part.values()] for part in (path.demand, path.capacity, path.scrap)]
    for option in instance.options.values():
        known.setdefault(id(option), repr(option))
    options = tuple(known[id(option)] for option in instance.options.values())
    return repr((processes, demands, amounts, options, instance.policy.max_share, instance.policy.min_share))


def recourse_model(instance: Instance, path: Path, plan: ModelBuilder) -> ModelBuilder:
    """The recourse in shocks with windows of one length, written once for the path that they share.

    The linking terms of `plan`, the instance's `first_stage_model`, are parameters; numbers that differ from shock to
    shock are arrays. The recourse columns have the same coefficients in all shocks.
    """
    model = plan.recourse_builder(len(path.periods))
    write_path(model, instance, path)
    return model


def write_path(model: ModelBuilder, instance: Instance, path: Path) -> None:
    """One run of operation: what exists, what each lever adds, and the rows where they meet."""
    first = len(model.rows)
    processes, demands = model.selected(instance.processes), model.selected(instance.demands)
    with model.on_path(path.key):
        network.operate(model, path, processes, demands)
        for option in model.selected(instance.options).values():
            option.operate(model, path)
        network.settle(model, path, processes, demands)
        strong_linking.tighten(model, path, instance.demands.values(), model.rows[first:])


def _tie(model: ModelBuilder, option: Sized) -> None:
    """requires: Y[o,a] ≤ Y[r,a] at every decision point a; excludes: at most one of the two is ever opened."""
    own = model.linked(option.id, "by")
    for required in filter(model.selects, option.requires):
        for a, by in model.linked(required, "by").items():
            model.require(option.id, f"requires_{required}", a, own[a], "<=", by, unit="1")
    last = model.horizon.decisions[-1]
    for excluded in filter(model.selects, option.excludes):
        both = own[last] + model.linked(excluded, "by")[last]
        model.require(option.id, f"excludes_{excluded}", None, both, "<=", 1.0, unit="1")


def write_policy(model: ModelBuilder, instance: Instance) -> None:
    """Budgets on outlay, shares of the baseline's production, what has to be bought, and what is to be endured."""
    policy, years = instance.policy, instance.horizon.years
    outlay = {year: model.booked("outlay", year) for year in years}
    if policy.budget is not None:
        model.require("policy", "budget", None, total(outlay.values()), "<=", policy.budget, unit="money")
    if policy.annual_budget is not None:
        for year in years:
            bound = policy.annual_budget.at(year)
            model.require("policy", f"annual_budget_{year}", None, outlay[year], "<=", bound, unit="money")
    made = _made(model) if policy.max_share or policy.min_share else {}
    for i, rule in enumerate(policy.max_share):
        _share(model, made, f"max_share_{i}", rule, "<=")
    for i, rule in enumerate(policy.min_share):
        _share(model, made, f"min_share_{i}", rule, ">=")
    _force(model, instance)
    # A cut is survived for τ where its linear programme with time fixed at τ has a solution: rows like any path's.
    for path in instance.survival_rules.values():
        write_path(model, instance, path)


def bought(model: ModelBuilder, instance: Instance, option: str, year: int | None = None) -> Expression:
    """What is bought of an option over all years or in one: its size, or what a stockpile buys in t."""
    columns = model.column_index().get(("", option, instance.options[option].purchase_column), {})
    some = (column for t, column in columns.items() if year is None or instance.horizon.year(t) == year)
    return total(Expression({column: 1.0}) for column in some)


def _force(model: ModelBuilder, instance: Instance) -> None:
    """Σ over the decision points of a year n[a] = size; of a stockpile Σ over its periods f[t] = size."""
    for o, sizes in instance.policy.force.items():
        unit = instance.options[o].scaling_unit
        for year, size in sizes.items():
            model.require("policy", f"force_{o}_{year}", None, bought(model, instance, o, year), "==", size, unit=unit)


Made = dict[str, list[tuple[str, str, int, Expression]]]


def _made(model: ModelBuilder) -> Made:
    """The baseline's production by commodity: region, kind, period and amount."""
    made: Made = {}
    for (path, commodity, region, kind, t), produced in model.accounts("production").items():
        if path == BASELINE:
            made.setdefault(str(commodity), []).append((str(region), str(kind), int(t), produced))
    return made


def _share(model: ModelBuilder, made: Made, what: str, rule: ShareRule, sense: Sense) -> None:
    """Σ over what counts ≤ (≥) share · Σ over all, in every period from `from` on."""
    accounts: dict[int, Expression] = {}
    for region, kind, t, produced in made.get(rule.commodity, ()):
        own = 1.0 if rule.counts(region, kind) else 0.0
        accounts.setdefault(t, Expression()).add(produced, own - rule.share)
    for t, account in accounts.items():
        if rule.from_ is None or model.horizon.year(t) >= rule.from_:
            model.require("policy", what, t, account, sense)


def weights(instance: Instance, shocks: Sequence[Shock]) -> dict[str, list[float]]:
    """By path, for every period t: discount factor times the probability that operation is on that path in t."""
    horizon = instance.horizon
    at = {shock.name: [shock.probability if t in shock.periods else 0.0 for t in horizon.periods] for shock in shocks}
    no_shock = [max(0.0, 1.0 - math.fsum(at[shock.name][t] for shock in shocks)) for t in horizon.periods]
    return {
        path: [instance.discount(t) * likely[t] for t in horizon.periods]
        for path, likely in {BASELINE: no_shock, **at}.items()
    }


def spending(model: ModelBuilder) -> Expression:
    """The investment I of the model, with fixed opex and the cost of stocks, in present value: Σ δ·spend."""
    result = Expression()
    for (t,), spent in model.accounts("spend").items():
        result.add(spent, model.discount(int(t)))
    return result


def operating_cost_by_path(model: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> dict[str, Expression]:
    """Expected operation in present value by path: B − Σ p·B_W of the baseline, p·Q of each shock of the model."""
    result: dict[str, Expression] = {}
    weight = weights(instance, shocks)
    for (path, t), amount in model.accounts("operating").items():
        # The operation of a rule or of a deterred attack is not part of any cost.
        if str(path) in weight and weight[str(path)][int(t)] > 0:
            result.setdefault(str(path), Expression()).add(amount, weight[str(path)][int(t)])
    return result


def cost(model: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    """The expected cost of one future: spending and operation in present value, Σ δ·spend + B + Σ p·(Q − B_W)."""
    return total([spending(model), *operating_cost_by_path(model, instance, shocks).values()])


def cost_outcomes(model: ModelBuilder, future: Future, shocks: Sequence[Shock]) -> list[CostOutcome[Expression]]:
    """The outcomes of one future: nothing happens, or one of its shocks does; their probabilities are the tree's.

    A shock costs I + B − B_W + Q, nothing costs I + B, all in present value.
    """
    likely = [shock for shock in shocks if shock.probability > 0]
    baseline_cost = total([spending(model), _discounted(model, BASELINE, model.horizon.periods)])
    none = max(0.0, 1.0 - math.fsum(shock.probability for shock in likely))
    result = [CostOutcome(future.probability * none, baseline_cost)]
    for shock in likely:
        missed, paid = (_discounted(model, path, shock.periods) for path in (BASELINE, shock.name))
        result.append(CostOutcome(future.probability * shock.probability, baseline_cost - missed + paid))
    return result


def _discounted(model: ModelBuilder, path: str, periods: Iterable[int]) -> Expression:
    """Operation on a path in some periods, in present value."""
    return total(model.discount(t) * model.booked("operating", path, t) for t in periods)


def gaps(model: ModelBuilder, instance: Instance) -> dict[str, Expression]:
    """The survival gap of each shock of the model that has a floor, in money: neither discounted nor weighted."""
    result: dict[str, Expression] = {}
    for (path, segment, _), below in model.accounts("below").items():
        result.setdefault(str(path), Expression()).add(below, instance.demands[str(segment)].shortage_cost)
    return result


def gap(model: ModelBuilder, instance: Instance) -> Expression:
    """The survival gap over all shocks of the model."""
    return total(gaps(model, instance).values())


@dataclass(frozen=True)
class GapLimit:
    """The column whose upper bound limits a survival gap, and the money that one unit of it stands for."""

    columns: tuple[int, ...]
    money_unit: float


def limit_gap(model: ModelBuilder, name: str, survival_gap: Expression) -> GapLimit:
    """Write ``gap ≤ limit``, divided by the median shortage cost so that the row is scaled like the others."""
    costs = sorted(value for value in survival_gap.terms.values() if value > 0)
    if not costs:
        return GapLimit((), 1.0)
    money_unit = float(costs[len(costs) // 2])
    limit = model.variable(name, "allowed", 0)
    model.require(name, "hold", None, (1.0 / money_unit) * survival_gap, "<=", limit)
    return GapLimit(tuple(limit.terms), money_unit)
