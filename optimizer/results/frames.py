"""A result as pandas frames, with the unit in every column's name. Imported only when a frame is asked for."""

from typing import Any

import pandas as pd


def builds(result: Any) -> pd.DataFrame:
    """One row a build: option, kind, year, period, size (t/yr; a level for leverage)."""
    rows = [(b.option, b.kind, b.year, b.period, b.size) for b in result.plan.builds]
    return pd.DataFrame(rows, columns=["option", "kind", "year", "period", "size [t/yr or level]"])


def stock(result: Any) -> pd.DataFrame:
    """One row a period, one column a stockpile, t at the end of the period."""
    columns = {f"{option} [t]": row for option, row in result.plan.stocks.items()}
    return pd.DataFrame(columns, index=pd.Index(result.periods, name="period"))


def survival(result: Any) -> pd.DataFrame:
    """One row a shock and segment: floor, worst service, margin (shares), shortage and below floor (t), gap."""
    money = result.money
    rows = [
        (
            o.name,
            d,
            s.floor,
            s.worst_service,
            s.margin,
            s.worst_period,
            s.first_failure,
            s.shortage,
            s.below_floor,
            s.gap,
        )
        for o in result.shocks
        for d, s in o.segments.items()
    ]
    columns = ["shock", "segment", "floor [share]", "worst_service [share]", "margin [share]", "worst_period"]
    columns += ["first_failure", "shortage [t]", "below_floor [t]", f"gap [{money}]"]
    return pd.DataFrame(rows, columns=columns)


def flows(result: Any) -> pd.DataFrame:
    """One row a path, flow, owner and period, in t; shocks that are lines have none."""
    rows = []
    paths = [("baseline", result.baseline), *((outcome.name, outcome.flows) for outcome in result.shocks)]
    for path, flows in paths:
        for name in flows.names if flows is not None else ():
            for owner, row in flows.of(name).items():
                for offset, value in enumerate(row):
                    rows.append((path, name, owner, result.periods[flows.first + offset], value))
    return pd.DataFrame(rows, columns=["path", "flow", "owner", "period", "quantity [t]"])


def dependence(result: Any) -> pd.DataFrame:
    """One row a commodity, year and region: share of production and HHI (shares), production (t)."""
    rows = [
        (commodity, share.year, region, part, share.tonnes * part, share.hhi)
        for commodity, shares in result.shares.items()
        for share in shares
        for region, part in share.regions.items()
    ]
    columns = ["commodity", "year", "region", "share [share]", "production [t/yr]", "hhi [share]"]
    return pd.DataFrame(rows, columns=columns)


def columns(comparison: Any) -> pd.DataFrame:
    """One row a column of a comparison: case, budget, figures, worst service by segment, size by option."""
    rows = []
    for column, data in zip(comparison.columns, comparison.to_dict()["columns"], strict=True):
        money = column.result.money
        row = {"case": column.case, f"budget [{money}]": column.budget, "status": data["status"]}
        row |= {"survived": len(data["survived"]), "shocks": data["shocks"]}
        row |= {f"{name} [{money}]": data[name] for name in ("survival_gap", "total_cost", "outlay")}
        row |= {f"{d} worst_service [share]": each["worst_service"] for d, each in data["services"].items()}
        rows.append(row | {f"{o} size [t/yr, t or level]": size for o, size in data["sizes"].items()})
    frame = pd.DataFrame(rows)
    bought = [name for name in frame.columns if name.endswith("size [t/yr, t or level]")]
    return frame.fillna(dict.fromkeys(bought, 0.0))
