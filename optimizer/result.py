"""Result: a plan, how it runs, what it survives, and how sure that is; to and from JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal, get_args

from optimizer.errors import PlanFileError
from optimizer.files import write_whole
from optimizer.plan import Build, Flows, Nothing, Outcome, Plan, Price, Row, Service, Share
from optimizer.units import si

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["survives", "gap", "stopped", "none"]
FORMAT = 1
FIGURES = ("total_cost", "outlay", "survival_gap", "worst_gap")


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
        from optimizer import frames

        return frames.builds(self)

    @cached_property
    def stock(self) -> "pd.DataFrame":
        """One row a period, one column a stockpile, t at the end of the period."""
        from optimizer import frames

        return frames.stock(self)

    @cached_property
    def survival(self) -> "pd.DataFrame":
        """One row a shock and segment: floor, worst service, margin (shares), shortage and below floor (t), gap."""
        from optimizer import frames

        return frames.survival(self)

    @cached_property
    def flows(self) -> "pd.DataFrame":
        """One row a path, flow, owner and period, in t."""
        from optimizer import frames

        return frames.flows(self)

    @cached_property
    def dependence(self) -> "pd.DataFrame":
        """One row a commodity, year and region: share of production and HHI (shares), production (t)."""
        from optimizer import frames

        return frames.dependence(self)

    def to_dict(self, *, whole: bool = True) -> dict[str, Any]:
        """The JSON object documented in the README; `whole` adds flows and the instance, as `plan.json` has them."""
        data = asdict(self)
        data["format"] = FORMAT
        data["survives"] = self.survives
        data["price_of_survival"] = self.price_of_survival
        plan = data.pop("plan")
        data["builds"] = list(plan["builds"])
        data["dependence"] = data.pop("shares")
        if self.baseline is None:
            data |= dict.fromkeys(FIGURES)
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
    if data["status"] not in get_args(Status):
        raise ValueError(f'"{data["status"]}" is no status')
    rest = {part.name: data[part.name] for part in fields(cls) if part.name not in made}
    # Where there is no plan there are no figures: JSON says null.
    rest |= {figure: 0.0 for figure in FIGURES if rest[figure] is None}
    return cls(**made, **rest)
