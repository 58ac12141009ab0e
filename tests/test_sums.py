"""Figures of one result that stand on several surfaces agree, and parts add up to their totals.

What is expected is worked out here from the instance, the plan and the baseline, not by the package's own tables.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import optimizer as so
from optimizer.audit.result import complete
from optimizer.instance.derived import has_floors
from optimizer.report.brief.plan_parts import money_part, orders_part
from optimizer.report.brief.survival_parts import survival_part, worst_part
from optimizer.report.figures.supply_chain import chains
from optimizer.report.figures.years import beyond, cost_steps, years_of
from optimizer.results.plan import Flows
from optimizer.results.result import Result
from optimizer.studies.purchases import purchases
from tests.conftest import Cell
from tests.strategies import instances

INSTANCES = Path(__file__).parent.parent / "instances"
SHIPPED = ("tiny", "ev-maker", "leverage", "next-chokepoint", "three-allies")


def outlay_by_year(instance: so.Instance, result: Result) -> dict[int, float]:
    """The budget's part of what is bought and of price support, by calendar year."""
    horizon, paid = instance.horizon, defaultdict[int, float](float)
    for build in result.plan.builds:
        option = instance.sized[build.option]
        spent = option.capex.at(build.year) * build.size + (option.fixed_cost if build.opened else 0.0)
        paid[build.year] += option.budget_share * spent
    for o, fills in result.plan.fills.items():
        stock = instance.stocks[o]
        for t, fill in enumerate(fills):
            paid[horizon.year(t)] += stock.budget_share * stock.price.at(horizon.year(t)) * fill
    assert result.baseline is not None
    for name, activity in instance.activities.items():
        share = getattr(activity, "budget_share", 1.0)
        for t, made in enumerate(result.baseline.row(name, "activity")):
            paid[horizon.year(t)] += share * activity.support.at(horizon.year(t)) * made
    return paid


def total(values: Iterable[float | None]) -> float:
    return math.fsum(value for value in values if value is not None)


def check_money(instance: so.Instance, result: Result) -> None:
    """Outlay by year, by option, on the brief and in the figure; cost by part, whole and beyond the no-shock plan."""
    by_year, moves = outlay_by_year(instance, result), purchases(instance, result)
    near = {"rel": 1e-6, "abs": 1e-6 * max(1.0, result.outlay)}
    outlay = pytest.approx(result.outlay, **near)
    years = {year: pytest.approx(by_year.get(year, 0.0), **near) for year in instance.horizon.years}
    assert math.fsum(by_year.values()) == outlay
    assert {int(year): amount for year, amount in result.outlays.items()} == years
    assert dict(zip(*result.frames.frame("outlays").values[:2], strict=True)) == years
    assert {each.year: math.fsum(each.spent.values()) for each in years_of(instance, result, moves)} == years
    assert total(money_part(instance, result).shown["new"]) == outlay  # type: ignore[index]
    orders = orders_part(instance, result, ()).frame
    rows = [] if orders is None else [row for row in orders.rows() if not row["order"].startswith("Together (")]
    assert orders is None or total(row["total"] for row in rows) == outlay
    existing = math.fsum(
        process.support.at(instance.horizon.year(t)) * made
        for p, process in instance.processes.items()
        for t, made in enumerate(result.baseline.row(p, "activity"))  # type: ignore[union-attr]
    )
    assert total(result.frames.frame("builds")["outlay"]) + existing == outlay
    cost = pytest.approx(result.total_cost, rel=1e-6, abs=1e-6 * sum(map(abs, result.costs.values())))
    *steps, whole = cost_steps(result)
    assert math.fsum(result.costs.values()) == math.fsum(step.amount for step in steps) == cost
    assert whole.amount == cost
    if (more := beyond(result)) and result.price_of_survival:
        assert total(step.amount for step in more[:-1]) == pytest.approx(result.price_of_survival, abs=cost.abs)


def check_shocks(instance: so.Instance, result: Result) -> None:
    """Gaps and shortages of shocks, their segments and their flows; how many shocks fail, wherever that is said."""
    near: Mapping[str, Any] = {"rel": 1e-6, "abs": 1e-4}
    for outcome in result.shocks:
        assert outcome.gap == pytest.approx(math.fsum(each.gap for each in outcome.segments.values()), **near)
        for d, each in outcome.segments.items():
            assert each.gap == pytest.approx(instance.demands[d].shortage_cost * each.below_floor, **near)
            if outcome.flows is not None:
                assert each.shortage == pytest.approx(math.fsum(outcome.flows[d, "unserved"]), **near)
    counted = [outcome for outcome in result.shocks if not outcome.excused]
    assert result.survival_gap == pytest.approx(math.fsum(each.gap for each in counted), **near)
    failed = sum(outcome.fails for outcome in result.shocks)
    assert len(result.shocks_survived) == len(counted) - failed
    said = f"{len(result.shocks_survived):,} of {len(result.shocks):,} shock"
    said = said if has_floors(instance) else "No shock has a survival floor."
    assert survival_part(instance, result).sentences[0].startswith(said)
    survival = list(result.frames.frame("survival").rows())
    for d, worst in result.services.items():
        assert worst.shocks_failed == sum(row["first_failure"] is not None for row in survival if row["segment"] == d)


def check_supply(instance: so.Instance, result: Result) -> None:
    """Every segment gets what it asks, or it is said to be missing; shares of regions are all of a production."""
    paths = {event.name: instance.path(event) for event in instance.events} | {"baseline": instance.baseline}
    flows: dict[str, Flows | None] = {outcome.name: outcome.flows for outcome in result.shocks}
    flows["baseline"] = result.baseline
    for name, drawn in chains(instance, result, list(flows)).items():
        path, operated = paths[name], flows[name]
        assert operated is not None
        for each in drawn:
            first, last = (result.periods.index(label) for label in (each.first, each.last))
            years = (last + 1 - first) * path.delta
            asked = {d: sum(path.demand_at(d, t) for t in range(first, last + 1)) / years for d in instance.demands}
            short = {d: operated.total(d, "unserved", range(first, last + 1)) / years for d in instance.demands}
            into = defaultdict[str, float](float)
            for passage in each.passages:
                into[passage.target] += passage.tonnes
            # Up to a ten-thousandth of a commodity from each maker is not drawn.
            slack = 1e-3 * sum(asked.values())
            for d, tonnes in asked.items():
                assert into[f"segment:{d}"] == pytest.approx(tonnes, abs=slack)
            assert (each.demanded, each.served) == (
                pytest.approx(math.fsum(asked.values())),
                pytest.approx(math.fsum(asked.values()) - math.fsum(short.values()), abs=slack),
            )
            assert math.fsum(each.by_region.values()) <= each.served + slack
    for shares in result.shares.values():
        for share in shares:
            assert not share.regions or math.fsum(share.regions.values()) == pytest.approx(1.0)


def check_stocks(instance: so.Instance, result: Result) -> None:
    """What is held is what was held, less the loss, and what is bought."""
    for o, row in result.plan.stocks.items():
        stock, held = instance.stocks[o], instance.stocks[o].initial
        for now, fill in zip(row, result.plan.fills[o], strict=True):
            held = held * (1.0 - stock.loss) ** instance.horizon.delta + fill
            assert now == pytest.approx(held, rel=1e-6, abs=1e-4)


def check(instance: so.Instance) -> None:
    result = so.solve(instance)
    if result.baseline is not None:
        for what in (check_money, check_shocks, check_supply, check_stocks):
            what(instance, result)


# A year with little supply, drawn twice with each severity; half of the four have to be survived. Imports of 200 less
# the cut serve 100 t: of 60 % none is short, of 90 % 80 t, 60 t of them below the floor of 80 %.
MAY_FAIL = """
horizon: {start: 2026, end: 2026, step: year}
home: us
commodities: {magnet: {}}
processes: {imports: {region: cn, output: {magnet: 1}, capacity: 200, cost: 1}}
demands: {cars: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 10, max_size: 500}}
ensembles:
  years: {count: 4, start: 2026, months: 12, survive: 0.5, events: {mild: {cuts: [{region: cn, severity: 0.5}]},
    hard: {cuts: [{region: cn, severity: 0.9}]}}}
"""


def test_samples_that_may_fail_are_not_called_survived(cell: Cell) -> None:
    instance = cell(MAY_FAIL)
    check(instance)
    result = so.solve(instance)
    failing = [outcome for outcome in result.shocks if not outcome.survives]
    assert failing
    assert all(outcome.excused for outcome in failing)
    kept = 4 - len(failing)
    assert survival_part(instance, result).sentences[0].startswith(f"{kept} of 4 shocks survived, {4 - kept} may fail.")
    window, below, unserved, *more = worst_part(instance, result).sentences
    assert window.endswith("(2026), which may fail.")
    assert below == "60 t of demand below survival floors, a survival gap of 60k USD."
    assert unserved == "In all 80 t go unserved, 80k USD."
    # Nothing is said to be held.
    assert not more


@pytest.mark.parametrize("name", SHIPPED)
def test_figures_of_a_shipped_instance_add_up(name: str) -> None:
    check(so.load(INSTANCES / f"{name}.yaml"))


@settings(max_examples=30, deadline=None)
@given(instances())
def test_figures_of_any_instance_add_up(data: dict[str, Any]) -> None:
    check(so.read(data))


def test_what_arithmetic_leaves_of_an_activity_is_no_outlay(cell: Cell) -> None:
    instance = cell(
        "horizon: {start: 2026, end: 2026, step: year}",
        "commodities: {magnet: {}}",
        "demands: {cars: {commodity: magnet, quantity: 100, shortage_cost: 1000}}",
        "processes: {cheap: {region: cn, output: {magnet: 1}, capacity: 200, cost: 1},",
        "  dear: {region: us, output: {magnet: 1}, capacity: 200, cost: 9, support: 3}}",
        "shocks: {}",
    )
    result = so.solve(instance)
    assert result.baseline is not None
    rows = {**result.baseline.rows, ("dear", "activity"): (2e-15,)}
    left = replace(result, baseline=replace(result.baseline, rows=rows), outlay=6e-15)
    made, report = complete(instance, left, [])
    assert report.ok
    assert (made.outlay, dict(made.outlays)) == (0.0, {"2026": 0.0})
    assert money_part(instance, made).shown is not None
    assert not len(money_part(instance, made).shown or ())
