"""What comes back: the plan, how it runs, what it survives, and how sure that is. Frozen values, to and from JSON.

    Build          one purchase: option, decision point, size
    Plan           all builds, and the stock paths
    Flows          what one path's operation does, t per period
    Service        one segment in one shock: its worst period, and what it went short of
    Outcome        one shock under the plan
    Price          what binds, and what one step of it is worth
    Share          where a commodity comes from in one year
    Result         all of it

Tonnes are t, money is whole currency units, shares lie between 0 and 1.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

from optimizer.errors import PlanFileError
from optimizer.units import si

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["survives", "gap", "stopped", "none"]
Row = tuple[float, ...]
FORMAT = 1


@dataclass(frozen=True)
class Build:
    """One purchase. `t` is its decision point; `size` is in the option's own unit; `opened` if it is lumpy."""

    option: str
    kind: str
    t: int
    year: int
    period: str
    size: float
    opened: bool = False


@dataclass(frozen=True)
class Plan:
    """What is decided before any shock is known.

    Attributes:
        builds: in the order of the options, then of time.
        fills: by stockpile, t bought in each period.
        stocks: by stockpile, t held at the end of each period.
    """

    builds: tuple[Build, ...] = ()
    fills: Mapping[str, Row] = field(default_factory=dict)
    stocks: Mapping[str, Row] = field(default_factory=dict)

    def __repr__(self) -> str:
        lines = [f"{build.period}  {build.option}  {si(build.size)}" for build in self.builds]
        lines += [f"stock  {o}  at most {si(max(row, default=0.0), 't')}" for o, row in self.stocks.items() if any(row)]
        return "<Plan\n  " + "\n  ".join(lines or ["nothing is bought"]) + ">"


@dataclass(frozen=True)
class Flows:
    """One path's operation, t per period of the path, from `first` on.

    Attributes:
        activity: by existing process and producing option.
        substituted: by substitution.
        unserved: by segment.
        released: by stockpile; empty in the baseline.
        left: by stockpile, at the end of each period of a shock; empty in the baseline.
    """

    first: int
    activity: Mapping[str, Row]
    substituted: Mapping[str, Row]
    unserved: Mapping[str, Row]
    released: Mapping[str, Row] = field(default_factory=dict)
    left: Mapping[str, Row] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """One segment in one shock.

    Attributes:
        floor: the survival floor of the worst period, a share.
        worst_service: the share served or substituted in the worst period, the one with the least margin.
        worst_period: its label.
        shortage: t unserved over the window.
        below_floor: t of that below the floor.
        gap: below_floor valued at the shortage cost.
        first_failure: label of the first period below the floor; None where there is none.
    """

    floor: float
    worst_service: float
    worst_period: str
    shortage: float
    below_floor: float
    gap: float
    first_failure: str | None

    @property
    def margin(self) -> float:
        """Service less floor in the worst period, a share; negative where the floor fails."""
        return self.worst_service - self.floor


@dataclass(frozen=True)
class Outcome:
    """One shock under the plan: whether it is survived, its gap, its segments, its flows."""

    name: str
    survives: bool
    gap: float
    first: str
    last: str
    probability: float
    segments: Mapping[str, Service]
    flows: Flows


@dataclass(frozen=True)
class Price:
    """Something that binds, in words, and what one step of it would save (of cost, or of gap where floors fail)."""

    what: str
    step: str
    worth: float


@dataclass(frozen=True)
class Share:
    """Production of a commodity by region in one calendar year of the baseline: shares, t, and their HHI (0 … 1)."""

    year: int
    tonnes: float
    regions: Mapping[str, float]
    hhi: float


@dataclass(frozen=True)
class Nothing:
    """What a world without investments leaves unserved below the floors."""

    gap: float
    below_floor: float
    shocks_failed: int
    worst_shock: str | None
    worst_gap: float


@dataclass(frozen=True)
class Result:
    """A plan and all that is known of it.

    Attributes:
        instance: the instance's name.          currency: its label.
        status: ``survives``, ``gap``, ``stopped`` or ``none``.
        total_cost: present value, the objective of the model.
        outlay: money that counts towards the budget, undiscounted.
        survival_gap: floors' shortfall over all shocks at `shortage_cost`, the least there is where it was proven.
        worst_gap: of the worst single shock.
        bound, gap_bound: proven lower bounds on `total_cost` (under the gap) and on `survival_gap`.
            None where none is known.
        mip_gap: relative distance of `total_cost` from its bound, or of the gap from its own where that is larger.
        calm_cost: total cost of the same instance without shocks; None where it was not asked.
        calm_builds: options that are bought without any shock.
        nothing: what doing nothing would leave unserved.
        costs: present value by part; they add to `total_cost`.
        outlays: by calendar year.
        shares: where each commodity comes from, in the first and the last year.
        binding: what binds, the largest worth first.
        clash: the rules that contradict each other, where no plan exists.
        notes: what the user should know about this run.
        audit: rows checked, and the largest disagreement relative to its row.
        seconds: load, build, solver, total.
        data: the instance itself.
    """

    instance: str
    currency: str
    status: Status
    total_cost: float
    outlay: float
    survival_gap: float
    worst_gap: float
    bound: float | None
    gap_bound: float | None
    mip_gap: float | None
    plan: Plan
    baseline: Flows | None
    shocks: tuple[Outcome, ...]
    calm_cost: float | None
    calm_builds: tuple[str, ...]
    nothing: Nothing | None
    costs: Mapping[str, float]
    outlays: Mapping[str, float]
    shares: Mapping[str, tuple[Share, ...]]
    binding: tuple[Price, ...]
    clash: tuple[str, ...]
    notes: tuple[str, ...]
    audit: Mapping[str, Any]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    periods: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)

    @property
    def money(self) -> str:
        """The currency's code, the first word of its label."""
        return (self.currency.split() or [""])[0]

    @property
    def survives(self) -> bool:
        """Whether the plan keeps every floor in every shock."""
        return self.status != "none" and all(outcome.survives for outcome in self.shocks)

    @property
    def price_of_survival(self) -> float | None:
        """Total cost less that of the same instance without shocks."""
        return None if self.calm_cost is None else self.total_cost - self.calm_cost

    def __repr__(self) -> str:
        survived = sum(outcome.survives for outcome in self.shocks)
        money = self.money
        figures = {"total cost": self.total_cost, "outlay": self.outlay, "survival gap": self.survival_gap}
        amounts = ", ".join(f"{name} {si(value, money)}" for name, value in figures.items())
        return f"<Result {self.instance!r}: {self.status}, {survived} of {len(self.shocks)} shocks survived; {amounts}>"

    @cached_property
    def builds(self) -> "pd.DataFrame":
        """One row a build: option, kind, year, period, size (t/yr; a level for leverage)."""
        import pandas as pd

        rows = [(b.option, b.kind, b.year, b.period, b.size) for b in self.plan.builds]
        return pd.DataFrame(rows, columns=["option", "kind", "year", "period", "size [t/yr or level]"])

    @cached_property
    def stock(self) -> "pd.DataFrame":
        """One row a period, one column a stockpile, t at the end of the period."""
        import pandas as pd

        columns = {f"{option} [t]": row for option, row in self.plan.stocks.items()}
        return pd.DataFrame(columns, index=pd.Index(self.periods, name="period"))

    @cached_property
    def survival(self) -> "pd.DataFrame":
        """One row a shock and segment: floor, worst service, margin (shares), shortage and below floor (t), gap."""
        import pandas as pd

        money = self.money
        rows = [
            (o.name, d, s.floor, s.worst_service, s.margin, s.worst_period, s.first_failure, *_amounts(s))
            for o in self.shocks
            for d, s in o.segments.items()
        ]
        columns = ["shock", "segment", "floor [share]", "worst_service [share]", "margin [share]", "worst_period"]
        columns += ["first_failure", "shortage [t]", "below_floor [t]", f"gap [{money}]"]
        return pd.DataFrame(rows, columns=columns)

    @cached_property
    def flows(self) -> "pd.DataFrame":
        """One row a path, flow, owner and period, in t."""
        import pandas as pd

        rows = []
        paths = [("baseline", self.baseline)] if self.baseline else []
        for path, flows in paths + [(outcome.name, outcome.flows) for outcome in self.shocks]:
            for kind in ("activity", "substituted", "unserved", "released", "left"):
                for owner, row in getattr(flows, kind).items():
                    for offset, value in enumerate(row):
                        rows.append((path, kind, owner, self.periods[flows.first + offset], value))
        return pd.DataFrame(rows, columns=["path", "flow", "owner", "period", "quantity [t]"])

    @cached_property
    def dependence(self) -> "pd.DataFrame":
        """One row a commodity, year and region: share of production and HHI (shares), production (t)."""
        import pandas as pd

        rows = [
            (commodity, share.year, region, part, share.tonnes * part, share.hhi)
            for commodity, shares in self.shares.items()
            for share in shares
            for region, part in share.regions.items()
        ]
        columns = ["commodity", "year", "region", "share [share]", "production [t/yr]", "hhi [share]"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self, *, whole: bool = True) -> dict[str, Any]:
        """The JSON object documented in the README; `whole` adds flows and the instance, as `plan.json` has them."""
        data = asdict(self)
        data["format"] = FORMAT
        data["survives"] = self.survives
        data["price_of_survival"] = self.price_of_survival
        plan = data.pop("plan")
        data["builds"] = list(plan["builds"])
        data["dependence"] = data.pop("shares")
        data["stock"] = {o: dict(zip(self.periods, row, strict=True)) for o, row in plan["stocks"].items()}
        data["purchases"] = {o: dict(zip(self.periods, row, strict=True)) for o, row in plan["fills"].items()}
        for outcome in data["shocks"]:
            for segment in outcome["segments"].values():
                segment["margin"] = segment["worst_service"] - segment["floor"]
        if not whole:
            for outcome in data["shocks"]:
                outcome.pop("flows")
            for part in ("baseline", "data"):
                data.pop(part)
        return data

    def to_json(self, *, whole: bool = True) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(whole=whole), indent=1, ensure_ascii=False, allow_nan=False, default=_plain)

    def save(self, path: str | FilePath) -> None:
        """Write ``plan.json`` whole or not at all."""
        write_whole(path, self.to_json() + "\n")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Result":
        """A result from what `to_dict` gave.

        Raises:
            PlanFileError: a part is missing or of another shape.
        """
        try:
            return _restore(cls, data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PlanFileError(f"not a plan file: {type(error).__name__}: {error}") from None

    @classmethod
    def load(cls, path: str | FilePath) -> "Result":
        """A result from a saved file.

        Raises:
            PlanFileError: no such file, no JSON, or no plan.
        """
        try:
            data = json.loads(FilePath(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise PlanFileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        except json.JSONDecodeError as error:
            raise PlanFileError(f"{path}:{error.lineno} is not JSON: {error.msg}") from None
        if not isinstance(data, Mapping) or "builds" not in data or "data" not in data:
            raise PlanFileError(f"{path} is not a plan file: it lacks builds or data; write one with solve --output")
        return cls.from_dict(data)


def _amounts(service: Service) -> tuple[float, float, float]:
    return service.shortage, service.below_floor, service.gap


def write_whole(path: str | FilePath, text: str) -> None:
    """Write text beside the file, then rename: nobody ever sees half of it."""
    target = FilePath(path)
    handle, beside = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        FilePath(beside).chmod(0o644)
        FilePath(beside).replace(target)
    except BaseException:
        FilePath(beside).unlink(missing_ok=True)
        raise


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else list(value)


def _row(values: Any) -> Row:
    return tuple(float(value) for value in values)


def _flows(data: Mapping[str, Any]) -> Flows:
    parts = {
        part: {name: _row(row) for name, row in data.get(part, {}).items()}
        for part in ("activity", "substituted", "unserved", "released", "left")
    }
    return Flows(int(data["first"]), **parts)


def _outcome(data: Mapping[str, Any]) -> Outcome:
    names = [part.name for part in fields(Service)]
    segments = {d: Service(**{name: s[name] for name in names}) for d, s in data["segments"].items()}
    plain = {key: data[key] for key in ("name", "survives", "gap", "first", "last", "probability")}
    return Outcome(**plain, segments=segments, flows=_flows(data["flows"]))


def _restore(cls: type[Result], data: Mapping[str, Any]) -> Result:
    names = [part.name for part in fields(Build)]
    builds = tuple(Build(**{name: b[name] for name in names if name in b}) for b in data["builds"])
    periods = tuple(data["periods"])
    paths = {key: {o: _row(row[p] for p in periods) for o, row in data[key].items()} for key in ("stock", "purchases")}
    made: dict[str, Any] = {
        "plan": Plan(builds, fills=paths["purchases"], stocks=paths["stock"]),
        "baseline": _flows(data["baseline"]) if data["baseline"] else None,
        "shocks": tuple(_outcome(outcome) for outcome in data["shocks"]),
        "nothing": Nothing(**data["nothing"]) if data["nothing"] else None,
        "binding": tuple(Price(**price) for price in data["binding"]),
        "shares": {c: tuple(Share(**share) for share in shares) for c, shares in data["dependence"].items()},
        "periods": periods,
    }
    for key in ("calm_builds", "clash", "notes", "history"):
        made[key] = tuple(data[key])
    rest = {part.name: data[part.name] for part in fields(cls) if part.name not in made}
    return cls(**made, **rest)
