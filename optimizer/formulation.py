"""The formulation in outline: plan, baseline, shocks, policy (budget, shares); the objective is in `risk`.

first_stage_model      the plan alone
extensive_form_model   the plan, the baseline and all given shocks
recourse_model         shocks alone, with the plan fixed
gap                    the unserved demand below the floors, valued at `shortage_cost`
limit_gap              a row that keeps a gap within a limit

Several futures make one joint model, in which futures that cannot yet be distinguished share the columns of a decision:

    joint       owns the columns and the rows
    submodel    writes one future: it has its own ledgers and linking terms, and the joint model's columns and rows

    decision of the plan        one column for all futures that cannot be distinguished in its period (a **node**)
    consequence of decisions    shared in the same way if the data behind it are equal
    baseline                    shared in the same way if all data of operation in its period are equal
    any other                   one column for each future

Nonanticipativity needs no rows, since shared columns are written once. Repeated rows are left out. A decision that one
future of a node does not allow is 0 in all futures of that node (`close`).
"""

from __future__ import annotations

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
from optimizer.risk import median_cost

if TYPE_CHECKING:
    from optimizer.instance.schema import FutureTree, Instance, ShareRule

# From a future's number and a period to the smallest number of a future that cannot be distinguished from it.
NodeOf = Callable[[int, int], int]
# The key of a shared column: node, path, owner, what, period, and the data that it follows from.
SharedKey = tuple[int, str, str, str, int, Hashable]


class JointBuilder(ModelBuilder):
    """The joint model of several futures.

    Args:
        horizon, names: as for a `ModelBuilder`; all futures have the same.
        futures: names of the futures.
        node: which futures cannot be distinguished in a period, see `NodeOf`.
    """

    def __init__(self, horizon: Horizon, names: Names, futures: Sequence[str], node: NodeOf) -> None:
        super().__init__(horizon, names)
        self.futures, self.node = tuple(futures), node
        # Columns that several futures may share, and the numbers of the futures that have written them.
        self.shared: dict[SharedKey, int] = {}
        self.writers: dict[int, set[int]] = {}
        # Rows that several futures may share, by their content; and the futures that have each row.
        self.repeated: dict[Hashable, int] = {}
        self.owners: list[tuple[int, ...]] = []
        self._submodels = tuple(SubmodelBuilder(self, number) for number in range(len(self.futures)))

    @property
    def submodels(self) -> Sequence[ModelBuilder]:
        """The builders of the futures, in their order."""
        return self._submodels

    def booked(self, ledger: str, *key: str | int) -> Expression:
        """Raise: accounts belong to a future, and are kept in its submodel."""
        raise ModelError(f"{ledger} is booked by each future: ask its submodel")

    def accounts(self, ledger: str) -> Mapping[tuple[str | int, ...], Expression]:
        """Raise, as `booked` does."""
        return {(): self.booked(ledger)}

    def sharing(self, row: int) -> Sequence[int]:
        """Return the numbers of the futures that have a row; all numbers for a row of no future."""
        return self.owners[row] or range(len(self.futures))

    def _append(self, row: Row) -> None:
        self.rows.append(row)
        self.owners.append(())

    def close(self) -> None:
        """Fix at 0 each decision that some future of its node does not allow."""
        numbers = range(len(self.futures))
        sizes = Counter((self.node(number, t), t) for number in numbers for t in self.horizon.periods)
        for (node, path, _, _, t, follows), j in self.shared.items():
            if not path and follows is None and len(self.writers[j]) < sizes[node, t]:
                self.columns[j].upper = 0.0

    def copy(self) -> JointBuilder:
        """Return a copy for other paths; it has its own accounts of the plan and shares those of written paths."""
        copied = JointBuilder(self.horizon, self.names.without_paths(), self.futures, self.node)
        copied.columns, copied.rows = list(self.columns), list(self.rows)
        copied.valid_inequalities = list(self.valid_inequalities)
        copied._adopt(self)
        copied.shared, copied.repeated, copied.owners = dict(self.shared), dict(self.repeated), list(self.owners)
        copied.writers = {j: set(numbers) for j, numbers in self.writers.items()}
        copied._submodels = tuple(submodel.copied(copied) for submodel in self._submodels)
        return copied


class SubmodelBuilder(ModelBuilder):
    """The part of a joint model that belongs to one future.

    Attributes:
        number: number of the future.
        data: by period, the data of its baseline; None where the baseline is not shared.
    """

    def __init__(self, joint: JointBuilder, number: int) -> None:
        super().__init__(joint.horizon, joint.names.without_paths())
        self.joint, self.number = joint, number
        self.columns, self.rows, self.valid_inequalities = joint.columns, joint.rows, joint.valid_inequalities
        self.data: Sequence[Hashable] = (None,) * len(joint.horizon.periods)

    def _enter(self, column: Column, follows: Hashable) -> int:
        """Return the number of a column of this future: a shared one if it exists, else a new one."""
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
        """Return the key under which futures share a column; None for a column of one future."""
        if self._path == "":
            return self.joint.node(self.number, t), "", owner, what, t, follows
        if self._path == BASELINE and self.data[t] is not None:
            return self.joint.node(self.number, t), BASELINE, owner, what, t, self.data[t]
        return None

    def _named(self, owner: str, what: str, t: int) -> Mark:
        """Return the mark of a column: on a path it has the name of the first future that wrote it.

        Columns of the plan belong to no path: the future's name follows their period, except for the first future.
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
        self.valid_inequalities.append(row)

    def _of_this_future(self, mark: Mark) -> Mark:
        return mark._replace(path=f"{self.joint.futures[self.number]}/{mark.path}")

    def column_index(self) -> dict[tuple[str, str, str], dict[int, int]]:
        """Return column numbers by path in this future's name (empty for the plan), owner and what; then by period."""
        return self._index

    def copied(self, joint: JointBuilder) -> SubmodelBuilder:
        """Return a copy that writes to another joint model."""
        copied = SubmodelBuilder(joint, self.number)
        copied._adopt(self)
        copied._index = {key: dict(columns) for key, columns in self._index.items()}
        copied.data, copied.scope = self.data, joint.scope
        return copied


def blank_model(instance: Instance) -> ModelBuilder:
    """Return an empty model of an instance."""
    return ModelBuilder(instance.horizon, _names(instance))


def _names(instance: Instance) -> Names:
    return Names(frozenset(instance.commodities), frozenset(instance.processes), frozenset(instance.demands))


def first_stage_model(instance: Instance, scope: Scope = EVERYTHING) -> ModelBuilder:
    """Return the model of the first stage: sizes, openings, stock paths, and rows that tie options together."""
    model = blank_model(instance)
    model.scope = scope
    _write_first_stage(model, instance)
    return model


def _write_first_stage(model: ModelBuilder, instance: Instance) -> None:
    for option in model.selected(instance.options).values():
        option.invest(model)
    for option in model.selected(instance.sized).values():
        _write_ties(model, option)


def joint_first_stage_model(tree: FutureTree, scope: Scope = EVERYTHING) -> ModelBuilder:
    """Return the first stages of all futures of a tree; futures that cannot be distinguished share columns."""
    instance = tree.futures[0].instance
    if tree.is_single:
        return first_stage_model(instance, scope)
    names = [future.name for future in tree.futures]
    model = JointBuilder(instance.horizon, _names(instance), names, tree.node)
    for future, submodel in zip(tree.futures, model.submodels, strict=True):
        _write_first_stage(submodel, future.instance)
    model.close()
    return model


def extensive_form_model(instance: Instance, shocks: Iterable[Shock], scope: Scope = EVERYTHING) -> ModelBuilder:
    """Return the model of the plan, the baseline, policy and all given shocks."""
    return ModelWriter(instance, scope).extensive_form_model(shocks)


class ModelWriter:
    """Writes models of an instance that differ in their shocks; their common parts are written once.

    Attributes:
        tree: the futures.
        first_stage: the first stages of all futures.
    """

    def __init__(self, instance: Instance, scope: Scope = EVERYTHING) -> None:
        self.tree = instance.tree
        self.first_stage = joint_first_stage_model(self.tree, scope)
        self.first_stage.scope = scope
        model = self.first_stage.copy()
        _share_baselines(model, self.tree)
        for future, submodel in zip(self.tree.futures, model.submodels, strict=True):
            write_path(submodel, future.instance, future.instance.baseline)
            write_policy(submodel, future.instance)
        self._written: list[tuple[tuple[str, ...], ModelBuilder]] = [((), model)]

    def extensive_form_model(self, shocks: Iterable[Shock]) -> ModelBuilder:
        """Return the model with all given shocks; extend the previous one if its shocks come first."""
        shocks = tuple(shocks)
        names = tuple(shock.name for shock in shocks)
        before, start = next((known, start) for known, start in reversed(self._written) if names[: len(known)] == known)
        model = start.copy()
        for shock in shocks[len(before) :]:
            write_shock(model, self.tree, shock)
        self._written = [self._written[0], (names, model.copy())]
        return model


def write_shock(model: ModelBuilder, tree: FutureTree, shock: Shock) -> None:
    """Write the operation in one shock of one future."""
    number, own = tree.locate(shock)
    instance = tree.futures[number].instance
    write_path(model.submodels[number], instance, instance.path(own))


def _share_baselines(model: ModelBuilder, tree: FutureTree) -> None:
    """Let futures share the baseline of the periods in which all its data are equal.

    For a given plan, the baseline of each period is a separate problem with the same costs in all those futures, so
    that one solution holds for all. Where support counts against a budget, periods depend on each other.
    """
    instances = [future.instance for future in tree.futures]
    if tree.is_single or any(map(_is_support_in_budget, instances)):
        return
    texts: dict[int, str] = {}
    for instance, submodel in zip(instances, model.submodels, strict=True):
        assert isinstance(submodel, SubmodelBuilder)
        submodel.data = [_baseline_data(instance, t, texts) for t in instance.horizon.periods]


def _is_support_in_budget(instance: Instance) -> bool:
    """Return whether there is price support and a budget against which it counts."""
    has_budget = instance.policy.budget is not None or instance.policy.annual_budget is not None
    return has_budget and any(max(each.support.values) > 0 for each in instance.activities.values())


def _baseline_data(instance: Instance, t: int, texts: dict[int, str]) -> Hashable:
    """Return all data, beside the plan, on which the baseline of a period depends.

    `texts` has the text of each option by its `id`, so that it is made once for all periods and futures.
    """
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
        if id(option) not in texts:
            texts[id(option)] = repr(option)
    options = tuple(texts[id(option)] for option in instance.options.values())
    return repr((processes, demands, amounts, options, instance.policy.max_share, instance.policy.min_share))


def recourse_model(instance: Instance, path: Path, plan: ModelBuilder) -> ModelBuilder:
    """Return the recourse model of all shocks whose windows have one length, written once for their common path.

    The linking terms of `plan`, the instance's `first_stage_model`, are parameters. Numbers that differ between shocks
    are arrays: bounds, right-hand sides, costs, coefficients of linking terms; never those of recourse columns in rows.
    """
    model = plan.recourse_builder(len(path.periods))
    write_path(model, instance, path)
    return model


def write_path(model: ModelBuilder, instance: Instance, path: Path) -> None:
    """Write one path of operation: the existing network, each lever, and the rows that sum over them."""
    first = len(model.rows)
    processes, demands = model.selected(instance.processes), model.selected(instance.demands)
    with model.on_path(path.key):
        network.operate(model, path, processes, demands)
        for option in model.selected(instance.options).values():
            option.operate(model, path)
        network.write_balances(model, path, processes, demands)
        strong_linking.tighten(model, path, instance.demands.values(), model.rows[first:])


def _write_ties(model: ModelBuilder, option: Sized) -> None:
    """Write `requires`, Y[o,a] ≤ Y[r,a] at every decision point a, and `excludes`, at most one of the two opened."""
    own = model.linked(option.id, "by")
    for required in filter(model.selects, option.requires):
        for a, by in model.linked(required, "by").items():
            model.require(option.id, f"requires_{required}", a, own[a], "<=", by, unit="1")
    last = model.horizon.decisions[-1]
    for excluded in filter(model.selects, option.excludes):
        both = own[last] + model.linked(excluded, "by")[last]
        model.require(option.id, f"excludes_{excluded}", None, both, "<=", 1.0, unit="1")


def write_policy(model: ModelBuilder, instance: Instance) -> None:
    """Write budgets on outlay, shares of baseline production, forced purchases, and rules about time to survive."""
    # `conflict` and `given_plan` read the names of these rows for broken rules, `outcomes` for limits that bind.
    policy, years = instance.policy, instance.horizon.years
    outlay = {year: model.booked("outlay", year) for year in years}
    if policy.budget is not None:
        model.require("policy", "budget", None, total(outlay.values()), "<=", policy.budget, unit="money")
    if policy.annual_budget is not None:
        for year in years:
            bound = policy.annual_budget.at(year)
            model.require("policy", f"annual_budget_{year}", None, outlay[year], "<=", bound, unit="money")
    made = _baseline_production(model) if policy.max_share or policy.min_share else {}
    for i, rule in enumerate(policy.max_share):
        _write_share(model, made, f"max_share_{i}", rule, "<=")
    for i, rule in enumerate(policy.min_share):
        _write_share(model, made, f"min_share_{i}", rule, ">=")
    _write_forced(model, instance)
    # A plan survives a cut for τ if the linear programme with time fixed at τ has a solution: the rows of a path.
    for path in instance.rule_paths.values():
        write_path(model, instance, path)


def purchase_columns(model: ModelBuilder, instance: Instance, option: str) -> Mapping[int, int]:
    """Return the columns of an option's purchases, by period."""
    return model.column_index().get(("", option, instance.options[option].purchase_column), {})


def amount_bought(model: ModelBuilder, instance: Instance, option: str, year: int | None = None) -> Expression:
    """Return the size bought of an option, or the tonnes bought for a stockpile, in one year or over all years."""
    columns = purchase_columns(model, instance, option)
    some = (column for t, column in columns.items() if year is None or instance.horizon.year(t) == year)
    return total(Expression({column: 1.0}) for column in some)


def _write_forced(model: ModelBuilder, instance: Instance) -> None:
    """Write Σ n[a] = size over the decision points of a year; for a stockpile Σ f[t] = size over its periods."""
    for o, sizes in instance.policy.force.items():
        unit = instance.options[o].scaling_unit
        for year, size in sizes.items():
            bought = amount_bought(model, instance, o, year)
            model.require("policy", f"force_{o}_{year}", None, bought, "==", size, unit=unit)


_Production = dict[str, list[tuple[str, str, int, Expression]]]


def _baseline_production(model: ModelBuilder) -> _Production:
    """Return the baseline's production by commodity, as (region, kind, period, amount)."""
    made: _Production = {}
    for (path, commodity, region, kind, t), produced in model.accounts("production").items():
        if path == BASELINE:
            made.setdefault(str(commodity), []).append((str(region), str(kind), int(t), produced))
    return made


def _write_share(model: ModelBuilder, made: _Production, what: str, rule: ShareRule, sense: Sense) -> None:
    """Write Σ of the production that counts ≤ (≥) share · Σ of all production, in every period from `from` on."""
    accounts: dict[int, Expression] = {}
    for region, kind, t, produced in made.get(rule.commodity, ()):
        own = 1.0 if rule.counts(region, kind) else 0.0
        accounts.setdefault(t, Expression()).add(produced, own - rule.share)
    for t, account in accounts.items():
        if rule.from_ is None or model.horizon.year(t) >= rule.from_:
            model.require("policy", what, t, account, sense)


def gaps(model: ModelBuilder, instance: Instance) -> dict[str, Expression]:
    """Return by shock with a floor its survival gap in money, neither discounted nor weighted."""
    result: dict[str, Expression] = {}
    for (path, segment, _), below in model.accounts("below").items():
        result.setdefault(str(path), Expression()).add(below, instance.demands[str(segment)].shortage_cost)
    return result


def gap(model: ModelBuilder, instance: Instance) -> Expression:
    """Return the sum of the survival gaps of all shocks of the model."""
    return total(gaps(model, instance).values())


@dataclass(frozen=True)
class GapLimit:
    """A limit on a survival gap, which is the upper bound of a column."""

    columns: tuple[int, ...]  # the column; empty if no shortage costs anything
    money_unit: float  # money per unit of the column


def limit_gap(model: ModelBuilder, name: str, survival_gap: Expression) -> GapLimit:
    """Write ``gap ≤ limit``, divided by the median coefficient of the gap so that the row is scaled like the others."""
    costs = [value for value in survival_gap.terms.values() if value > 0]
    if not costs:
        return GapLimit((), 1.0)
    money_unit = median_cost(costs)
    limit = model.variable(name, "allowed", 0)
    model.require(name, "hold", None, (1.0 / money_unit) * survival_gap, "<=", limit)
    return GapLimit(tuple(limit.terms), money_unit)
