"""The frames of a plan: the only place that says which columns its tables have.

A figure that is computed somewhere else becomes a column here, and with that stands on the screen, in CSV files, in
workbooks and on pages. `study_frames` has those of comparisons and other studies.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from optimizer.instance.derived import display_name, size_unit
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.results.frames import Column, Frame, Frames
from optimizer.results.plan import Share
from optimizer.results.result import Result
from optimizer.studies.outcomes import yearly_supply_shares
from optimizer.studies.purchases import Purchase, purchases
from optimizer.tolerances import ROUNDING
from optimizer.units import fixed


def of_result(result: Result) -> Frames:
    """Builds, stock, survival, services, dependence, costs, outlays, limits, flows of a plan."""
    instance = instance_of(result)
    return Frames(
        {
            "builds": lambda: builds(instance, result),
            "stock": lambda: stock(instance, result),
            "purchased": lambda: purchased(instance, result),
            "survival": lambda: survival(result),
            "services": lambda: services(result),
            "dependence": lambda: _shares("dependence", result.shares),
            "yearly_dependence": lambda: yearly_dependence(instance, result),
            "costs": lambda: costs(result),
            "outlays": lambda: outlays(instance, result),
            "limits": lambda: limits(result),
            "flows": lambda: flows(result),
        }
    )


def builds(instance: Instance, result: Result) -> Frame:
    """One row a build, and one a stockpile with all its purchases."""
    money, spent = result.money, result.outlay
    columns = (
        Column("option", form="object", is_index=True),
        Column("kind", "Lever"),
        Column("year", form="year", is_shown=False),
        Column("period", "Decided", form="period", is_index=True),
        Column("on_line", form="period"),
        Column("size", form="amount"),
        Column("unit", "Unit of size", is_shown=False),
        Column("capex", unit=money, form="amount"),
        Column("outlay", unit=money, form="amount", is_shown=False),
        Column("outlay_share", "Of outlay", "share", form="percent"),
        Column("region", form="region", is_shown=False),
        Column("lead_time", unit="months", form="amount", is_shown=False),
        Column("ramp", is_shown=False),
        Column("without_shocks", "Without shocks as well", form="yes", is_shown=False),
        Column("forced", "Has to be bought", form="yes", is_shown=False),
    )
    horizon = instance.horizon
    rows = (
        (each.option, each.kind, horizon.year(each.t), each.decided, each.on_line, each.size,
         size_unit(instance, each.option), each.paid,
         each.counted, each.counted / spent if spent > 0 else None, each.region or None,
         None if each.purchases else (each.first - each.t) * horizon.months, _ramp(instance, each), each.in_peace,
         each.forced)
        for each in purchases(instance, result)
    )  # fmt: skip
    note = "Stockpiles: first and last purchase, largest stock, all purchases."
    return Frame.of_rows("builds", "Plan", columns, rows, note)


def _ramp(instance: Instance, purchase: Purchase) -> str | None:
    """The share of size that works from each period on: ``2028 50 %, 2029 100 %``; None where it does not change."""
    if len(purchase.steps) < 2:
        return None
    return ", ".join(f"{instance.horizon.label(t)} {fixed(100 * share, 0)} %" for t, share in purchase.steps)


def stock(instance: Instance, result: Result) -> Frame:
    """One row a period, one column a stockpile: t at the end of the period in the baseline."""
    return _by_period("stock", "Stock at the end of each period", instance, result, result.plan.stocks)


def purchased(instance: Instance, result: Result) -> Frame:
    """One row a period, one column a stockpile: t bought in the period."""
    return _by_period("purchased", "Purchases of stock", instance, result, result.plan.fills)


def _by_period(name: str, title: str, instance: Instance, result: Result, rows: Mapping[str, Iterable[float]]) -> Frame:
    columns = [Column("period", form="period", is_index=True)]
    columns += [Column(o, display_name(instance, o), "t", "amount") for o in rows]
    return Frame(name, title, tuple(columns), (list(result.periods), *map(list, rows.values())))


def survival(result: Result) -> Frame:
    """One row a shock and segment; a shock that is a line has rows only for the segments that it names."""
    columns = (
        Column("shock", form="shock", is_index=True),
        Column("segment", form="name", is_index=True),
        *_service_columns(),
        Column("worst_period", form="period"),
        Column("first_failure", form="period"),
        Column("shortage", "Not served", "t", "amount"),
        Column("below_floor", "Below the floor", "t", "amount"),
        Column("gap", "Gap", result.money, "amount"),
    )
    rows = (
        (outcome.name, d, *_service(s), s.worst_period, s.first_failure, s.shortage, s.below_floor, s.gap)
        for outcome in result.shocks
        for d, s in outcome.segments.items()
    )
    note = "Each segment in the weakest period of each shock; tonnes over the window; gap at shortage cost."
    return Frame.of_rows("survival", "Survival", columns, rows, note)


def _service_columns() -> tuple[Column, ...]:
    return (
        Column("floor", "Floor", "share", "percent"),
        Column("worst_service", "Served", "share", "percent"),
        Column("margin", "Margin", "share", "percent"),
    )


def _service(service: Any) -> tuple[float, float, float]:
    return service.floor, service.worst_service, service.margin


def services(result: Result) -> Frame:
    """One row a segment: its weakest service over all shocks, those that are lines included."""
    columns = (
        Column("segment", form="name", is_index=True),
        Column("worst_shock", form="shock"),
        Column("worst_period", "Period", form="period"),
        *_service_columns(),
        Column("shocks_failed", "Fails in", form="count"),
    )
    rows = (
        (d, each.worst_shock, each.worst_period, *_service(each), each.shocks_failed)
        for d, each in result.services.items()
    )
    return Frame.of_rows("services", "Each segment's worst", columns, rows)


def _shares(name: str, shares: Mapping[str, Iterable[Share]]) -> Frame:
    columns = (
        Column("commodity", form="name", is_index=True),
        Column("year", form="year", is_index=True),
        Column("region", form="region", is_index=True),
        Column("share", "Share", "share", "percent"),
        Column("production", unit="t/yr", form="amount"),
        Column("hhi", "HHI", "share", "exact"),
    )
    rows = (
        (commodity, share.year, region, part, share.tonnes * part, share.hhi)
        for commodity, some in shares.items()
        for share in some
        for region, part in share.regions.items()
    )
    return Frame.of_rows(
        name, "Dependence", columns, rows, "Shares of baseline production. HHI: concentration, 0 to 1."
    )


def yearly_dependence(instance: Instance, result: Result) -> Frame:
    """As `dependence`, in every year of the horizon."""
    shares = {} if result.baseline is None else yearly_supply_shares(instance, result.baseline)
    return _shares("yearly_dependence", shares)


def costs(result: Result) -> Frame:
    """One row a part of the total cost; the parts add to it."""
    total = result.total_cost
    columns = (
        Column("part", is_index=True),
        Column("present_value", "Present value", result.money, "exact"),
        Column("share", "Of total", "share", "tenth"),
    )
    rows = (
        (part, amount, amount / total if total > 0 else None)
        for part, amount in result.costs.items()
        if abs(amount) > ROUNDING * abs(total)
    )
    return Frame.of_rows("costs", "Cost, present value", columns, rows)


def outlays(instance: Instance, result: Result) -> Frame:
    """One row a calendar year: money that counts towards the budget, undiscounted."""
    money, limit, years = result.money, instance.policy.annual_budget, list(instance.horizon.years)
    spent = [result.outlays.get(str(year), 0.0) for year in years]
    made = Frame(
        "outlays",
        "When money is needed",
        (
            Column("year", form="year", is_index=True),
            Column("outlay", "Outlay", money, "amount"),
            Column("so_far", "So far", money, "amount"),
        ),
        (years, spent, [math.fsum(spent[: i + 1]) for i in range(len(years))]),
    )
    if limit is None:
        return made
    return made.with_column(Column("annual_budget", unit=money, form="amount"), [limit.at(year) for year in years])


def limits(result: Result) -> Frame:
    """One row a limit that binds, and the most that one step of it can save."""
    saved = "cost" if result.survival_gap == 0 else "gap"
    columns = (
        Column("limit", is_index=True),
        Column("step"),
        Column("saving", f"Saves {saved}", result.money, "amount"),
    )
    rows = ((price.what, price.step, price.worth) for price in result.binding)
    note = "The most that a small step of a limit can save, its integers fixed; another limit may bind as well."
    return Frame.of_rows("limits", "What binds", columns, rows, note)


def flows(result: Result) -> Frame:
    """One row a path, flow, owner and period; shocks that are lines have none."""
    columns = (
        Column("path", form="shock", is_index=True),
        Column("flow", is_index=True),
        Column("owner", form="object", is_index=True),
        Column("period", form="period", is_index=True),
        Column("quantity", unit="t", form="amount"),
    )
    paths = [("baseline", result.baseline), *((outcome.name, outcome.flows) for outcome in result.shocks)]
    rows = (
        (path, name, owner, result.periods[each.first + k], value)
        for path, each in paths
        if each is not None
        for name in each.names
        for owner, row in each.of(name).items()
        for k, value in enumerate(row)
    )
    return Frame.of_rows("flows", "Flows", columns, rows)
