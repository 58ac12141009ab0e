"""Results of a comparison of budgets and cases, as frozen values, and their frames.

ComparisonColumn   one budget of one case, and its best plan
CaseLeastOutlay    the least outlay at which a case survives every shock, and the cheapest plan with that outlay
LoneShock          the least outlay for one shock alone
BudgetStep         the plans before and after a step of a budget
Breakpoint         a budget at which the set of builds or of survived shocks changes
Comparison         all of these
Frontier           for the report, the best plans of several budgets beside the plan at hand
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.plan import ReadOnly
from optimizer.results.result import Result
from optimizer.studies.cost_tolerance import TOLERANCE_SHARE, ProvenDifference, ToleranceBase
from optimizer.studies.purchases import sizes_bought
from optimizer.tolerances import HELD_VALUE, NEGLIGIBLE

SearchStatus = Literal["optimal", "stopped", "infeasible"]


def budget_order(budget: float | None) -> float:
    """Return the sort key of a budget: any budget (None) is the largest."""
    return math.inf if budget is None else budget


@dataclass(frozen=True)
class BudgetPoint:
    """A budget, None for any, and the best plan found for it; or a given plan, unchanged."""

    budget: float | None
    result: Result

    @property
    def is_given(self) -> bool:
        """Whether the plan was given: the best plan of its budget may be another one."""
        return self.result.given is not None


@dataclass(frozen=True)
class CaseLeastOutlay:
    """The least outlay at which a case survives every shock."""

    case: str
    status: SearchStatus  # ``optimal``, ``stopped`` (it may be less), or ``infeasible``: no outlay is enough
    outlay: float | None = None  # the least outlay found, money; None if there is none, or none was found in time
    bound: float | None = None  # its proven lower bound, likewise
    result: Result | None = None  # the cheapest plan with this outlay; None if it was not found


@dataclass(frozen=True)
class LoneShock:
    """The least outlay at which one shock is survived if it is the only possible one."""

    shock: str
    status: SearchStatus  # ``optimal``, ``stopped``, or ``infeasible``: no outlay is enough
    outlay: float | None  # the least outlay found, money; None if there is none, or none was found in time
    bound: float | None  # its proven lower bound, likewise

    @property
    def rank(self) -> float:
        """The outlay as a sort key, infinite if no outlay is enough, -1 if it is unknown."""
        if self.outlay is not None:
            return self.outlay
        return math.inf if self.status == "infeasible" else -1.0


def _figures(result: Result) -> dict[str, Any]:
    """Return the figures of a plan for JSON; those that a result does not have are null."""
    whole, kept = result.to_dict(whole=False), result.shocks_survived
    last = {commodity: shares[-1] for commodity, shares in whole["dependence"].items() if shares}
    names = ("status", "survives", "survival_gap", "worst_gap", "gap_bound", "total_cost", "bound", "mip_gap")
    return {name: whole[name] for name in (*names, "price_of_survival", "outlay")} | {
        "shocks": len(result.shocks),
        "survived": list(kept),
        "failed": [outcome.name for outcome in result.shocks if outcome.fails],
        "services": whole["services"],
        "dependence": last,
        "sizes": sizes_bought(result),
        "builds": whole["builds"],
        "purchases": whole["purchases"],
    }


@dataclass(frozen=True)
class ComparisonColumn:
    """The best plan of one case under one budget, None for any; it may have been found for another budget."""

    case: str
    budget: float | None
    result: Result


@dataclass(frozen=True)
class BudgetStep:
    """The plans before and after a budget is raised by `more` money."""

    case: str
    budget: float
    more: float
    before: Result
    after: Result

    @property
    def is_known(self) -> bool:
        """Whether both plans are proven, not incumbents of stopped searches."""
        return "stopped" not in (self.before.status, self.after.status)

    @property
    def gap_closed(self) -> float:
        """The reduction of the survival gap, money."""
        return self.before.survival_gap - self.after.survival_gap

    @property
    def saved(self) -> float:
        """The reduction of the total cost, present value."""
        return self.before.total_cost - self.after.total_cost

    @property
    def gap(self) -> ProvenDifference:
        """The change of the survival gap, money."""
        return ProvenDifference.of_gaps(self.before, self.after)

    @property
    def cost(self) -> ProvenDifference:
        """The change of the total cost, present value."""
        return ProvenDifference.of_costs(self.before, self.after)

    @property
    def is_nothing(self) -> bool:
        """Whether no change is proven, neither a change of the gap nor a lower cost at a gap that is not larger.

        If the plan after the step leaves no gap, a proven higher cost is a change as well.
        """
        before, after, cost = self.before.survival_gap, self.after.survival_gap, self.cost
        is_cheaper = cost.high < 0 and after <= before * (1.0 + HELD_VALUE)
        return not self.gap.is_proven and not is_cheaper and not (after <= 0 and cost.is_proven)

    @property
    def changes(self) -> dict[str, float]:
        """The change in the size bought by option; 0 for an option that is opened or closed at size 0."""
        before, after = sizes_bought(self.before), sizes_bought(self.after)
        each = {o: after.get(o, 0.0) - before.get(o, 0.0) for o in (*before, *(o for o in after if o not in before))}
        return {
            o: more
            for o, more in each.items()
            if (o in before) != (o in after) or abs(more) > NEGLIGIBLE * max(before.get(o, 0.0), after.get(o, 0.0))
        }


@dataclass(frozen=True)
class Breakpoint:
    """Two budgets, `above` and `at`, between which the set of builds or of survived shocks changes."""

    case: str
    above: float
    at: float
    before: Result
    after: Result

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The options ``added`` and ``dropped``, and the shocks newly ``survived`` and ``lost``, by these words."""
        some, more = sizes_bought(self.before), sizes_bought(self.after)
        few, many = self.before.shocks_survived, self.after.shocks_survived
        return {
            "added": tuple(o for o in more if o not in some),
            "dropped": tuple(o for o in some if o not in more),
            "survived": tuple(s for s in many if s not in few),
            "lost": tuple(s for s in few if s not in many),
        }


@dataclass(frozen=True)
class Comparison(ReadOnly):
    """The best plans of several cases and budgets, with facts about the budgets between them.

    Attributes:
        cases: the instances compared, by name.
        columns: one for each case and budget, in the order of the cases, then by rising budget, not as given, no limit
            last; given plans follow.
        least: the least outlay of each case.
        alone: the lone shocks by case, the costliest first.
        steps: the gain from one more step of money at each budget.
        changes: the breakpoints, if budgets were found by bisection.
        resolution: accuracy of the breakpoints, money; None if there was no bisection.
        is_whole: whether the bisection was completed; if not, only the widest intervals were divided.
        accuracy: share of the tolerance base to which costs are proven; the least outlays are proven to 1e-6.
        tolerance_bases: the tolerance base of costs, by case.
        stopped: whether Ctrl-C or the time limit ended the comparison before every search had started.
        notes: remarks for the user.
    """

    cases: Mapping[str, Instance] = field(repr=False)
    columns: tuple[ComparisonColumn, ...] = field(default=(), repr=False)
    least: tuple[CaseLeastOutlay, ...] = field(default=(), repr=False)
    alone: Mapping[str, tuple[LoneShock, ...]] = field(default_factory=dict, repr=False)
    steps: tuple[BudgetStep, ...] = field(default=(), repr=False)
    changes: tuple[Breakpoint, ...] = field(default=(), repr=False)
    resolution: float | None = None
    is_whole: bool = True
    accuracy: float = TOLERANCE_SHARE
    tolerance_bases: Mapping[str, ToleranceBase] = field(default_factory=dict)
    stopped: bool = False
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        survived = sum(column.result.survives for column in self.columns)
        return f"<Comparison of {', '.join(self.cases)}: {survived} of {len(self.columns)} plans survive>"

    @property
    def is_proven(self) -> bool:
        """Whether the comparison is complete and every search was proven."""
        plans = {column.result.status for column in self.columns} | {step.after.status for step in self.steps}
        facts = {each.status for each in self.least} | {each.status for some in self.alone.values() for each in some}
        return not self.stopped and "stopped" not in {*plans, *facts}

    @property
    def frames(self) -> Frames:
        """The frames by name (columns, least_outlay, lone_shocks, steps, breakpoints); attributes are pandas frames."""
        makers = {
            "columns": comparison_columns_frame,
            "least_outlay": least_outlays_frame,
            "lone_shocks": lone_shocks_frame,
            "steps": budget_steps_frame,
            "breakpoints": breakpoints_frame,
        }
        return Frames(makers, self, next(iter(self.cases.values())).money)

    def frame(self) -> Any:
        """Return a pandas frame with a row for each column of the comparison.

        It holds case, budget (NaN for any), figures, the worst service by segment and the size by option, which is
        what is bought in all periods; of a stockpile, in t, while the frame `builds` of a result has its largest stock.
        """
        return self.frames.columns

    def figures(self) -> list[dict[str, Any]]:
        """Return the figures of each column for JSON."""
        return [{"case": c.case, "budget": c.budget, **_figures(c.result)} for c in self.columns]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
        return {
            "cases": {name: {"instance": each.title, "currency": each.currency} for name, each in self.cases.items()},
            "columns": self.figures(),
            "least_outlay": [_of_least(each) for each in self.least],
            "alone": [
                {"case": case, "shock": each.shock, "status": _status_word(each.status), "outlay": each.outlay}
                | {"bound": each.bound}
                for case, some in self.alone.items()
                for each in some
            ],
            "next": [_of_step(each) for each in self.steps],
            "breakpoints": [
                {"case": each.case, "above": each.above, "at": each.at}
                | {part: list(names) for part, names in each.parts.items()}
                for each in self.changes
            ],
            "resolution": self.resolution,
            "whole": self.is_whole,
            "gap": self.accuracy,
            "measures": {case: base.to_dict() for case, base in self.tolerance_bases.items()},
            "stopped": self.stopped,
            "notes": list(self.notes),
        }


def _status_word(status: SearchStatus) -> str:
    """Return a status in the words of `solve`: ``none`` for ``infeasible``."""
    return "none" if status == "infeasible" else status


def _of_least(least: CaseLeastOutlay) -> dict[str, Any]:
    plan, status = None if least.result is None else _figures(least.result), _status_word(least.status)
    return {"case": least.case, "status": status, "outlay": least.outlay, "bound": least.bound, "plan": plan}


def _of_step(step: BudgetStep) -> dict[str, Any]:
    before, after = step.before.shocks_survived, step.after.shocks_survived
    return {
        "case": step.case,
        "budget": step.budget,
        "more": step.more,
        "survival_gap": [step.before.survival_gap, step.after.survival_gap],
        "gap_closed": step.gap_closed if step.is_known else None,
        "nothing": step.is_nothing if step.is_known else None,
        "total_cost": [step.before.total_cost, step.after.total_cost],
        "outlay": [step.before.outlay, step.after.outlay],
        "survived": [name for name in after if name not in before],
        "lost": [name for name in before if name not in after],
        "changes": step.changes,
    }


# Name of the only case in the sweep behind a frontier.
CASE = ""


@dataclass(frozen=True)
class Frontier:
    """The best plans of several budgets of one instance, beside the plan at hand."""

    # By rising budget, any budget last; a given plan is ordered by its outlay. All points have the `no_shock` plan of
    # the plan at hand, and count from it (`price_of_survival, calm_cost, calm_builds`).
    points: tuple[BudgetPoint, ...]
    own: int  # index of the plan at hand
    # The least outlay that keeps every floor and its proven lower bound; None if no plan keeps them, or if it was not
    # searched for or not proven.
    least_outlay: float | None = None
    least_bound: float | None = None
    accuracy: float = TOLERANCE_SHARE  # share of the tolerance base to which the costs of the other points are proven
    stopped: bool = False  # whether Ctrl-C or the time limit ended it before every budget was searched for
    # The amount of which tolerances are shares; None if no other point was searched for.
    tolerance_base: ToleranceBase | None = None

    @property
    def baseline(self) -> dict[str, float | None]:
        """Budget and total cost of the no-shock plan of the plan at hand, from which every price counts."""
        own = self.points[self.own]
        return {"budget": own.budget, "total_cost": own.result.calm_cost}

    def to_dict(self) -> dict[str, Any]:
        """Return the frontier for JSON: each point is a budget and a `solve --json` result, priced from `baseline`."""
        points = [{"budget": point.budget, **point.result.to_dict(whole=False)} for point in self.points]
        least = {"least_outlay": self.least_outlay, "least_outlay_bound": self.least_bound, "baseline": self.baseline}
        base = None if self.tolerance_base is None else self.tolerance_base.to_dict()
        proven = {"gap": self.accuracy, "measure": base, "stopped": self.stopped}
        return {"own": self.own, **least, **proven, "points": points}


def single_point(instance: Instance, result: Result) -> Frontier:
    """Return a frontier of the plan at hand only."""
    return Frontier((BudgetPoint(instance.policy.budget, result),), 0)


def comparison_columns_frame(comparison: Comparison, money: str) -> Frame:
    """Return a frame with a row per case and budget: figures, worst services by segment, sizes of options bought."""
    found = comparison.figures()
    segments, options = union(each["services"] for each in found), union(each["sizes"] for each in found)
    names = {key: _name_in_cases(comparison, key) for key in (*segments, *options)}
    columns = [
        FrameColumn("case", is_index=True),
        FrameColumn("budget", unit=money, form="exact", is_index=True),
        FrameColumn("status"),
        *FrameColumn.several("count", "", "survived", "shocks"),
        FrameColumn("survival_gap", unit=money, form="amount"),
        *FrameColumn.several("exact", money, "total_cost", "price_of_survival", "outlay"),
        *(FrameColumn(f"{d} worst_service", f"{names[d]}: worst service", "share", "percent") for d in segments),
        *(FrameColumn(f"{o} size", f"{names[o]}: size", "t/yr, t or level", "amount") for o in options),
    ]
    rows = (
        (each["case"], each["budget"], each["status"], len(each["survived"]), each["shocks"],
         *(each[name] for name in ("survival_gap", "total_cost", "price_of_survival", "outlay")),
         *(each["services"].get(d, {}).get("worst_service") for d in segments),
         *(each["sizes"].get(o, 0.0) for o in options)) for each in found
    )  # fmt: skip
    return Frame.of_rows("columns", "Side by side", columns, rows)


def _name_in_cases(comparison: Comparison, key: str) -> str:
    """Return the display name of a segment or an option in the first case that names it."""
    names = (display_name(case, key) for case in comparison.cases.values())
    return next((name for name in names if name != key), key)


def union(parts: Iterable[Iterable[str]]) -> list[str]:
    """Return the distinct names of all parts, in order of first occurrence."""
    return list(dict.fromkeys(name for names in parts for name in names))


def least_outlays_frame(comparison: Comparison, money: str) -> Frame:
    """Return a frame with a row per case: the least outlay that survives all shocks, its bound, its total cost."""
    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("status", is_shown=False),
        FrameColumn("outlay", "Least outlay", money, "exact"),
        FrameColumn("bound", "Proven lower bound", money, "exact"),
        FrameColumn("total_cost", "Total cost of its\ncheapest plan", money, "exact",
                    of=lambda each: each.result and each.result.total_cost),
    )  # fmt: skip
    return Frame.of_items("least_outlay", "The least outlay that survives everything", comparison.least, columns)


def lone_shocks_frame(comparison: Comparison, money: str) -> Frame:
    """Return a frame with a row per case and shock: the least outlay that survives this shock alone."""
    columns = (
        FrameColumn("case", is_index=True, of=lambda pair: pair[0]),
        FrameColumn("shock", form="shock", is_index=True, of=lambda pair: pair[1].shock),
        FrameColumn("status", of=lambda pair: pair[1].status),
        FrameColumn("outlay", "Least outlay", money, "exact", of=lambda pair: pair[1].outlay),
        FrameColumn("bound", unit=money, form="exact", of=lambda pair: pair[1].bound),
    )
    pairs = ((case, each) for case, some in comparison.alone.items() for each in some)
    return Frame.of_items("lone_shocks", "Least outlay for each shock alone", pairs, columns)


def budget_steps_frame(comparison: Comparison, money: str) -> Frame:
    """Return a frame with a row per budget: the changes with `more` money than it, with proven lower and upper ends."""

    def ends(name: str, label: str) -> tuple[FrameColumn, ...]:
        """Return columns for a difference and its proven lower and upper ends."""
        return (
            FrameColumn(name, label, money, "amount", of=lambda step: getattr(step, name).value),
            FrameColumn(f"{name}_low", "", money, "amount", is_shown=False, of=lambda step: getattr(step, name).low),
            FrameColumn(f"{name}_high", "", money, "amount", is_shown=False, of=lambda step: getattr(step, name).high),
        )

    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("budget", unit=money, form="exact", is_index=True),
        FrameColumn("more", unit=money, form="exact", is_shown=False),
        *ends("gap", "Gap"),
        FrameColumn("survived_before", "Survives", form="count", of=lambda step: len(step.before.shocks_survived)),
        FrameColumn("survived_after", form="count", is_shown=False, of=lambda step: len(step.after.shocks_survived)),
        *ends("cost", "Total cost"),
    )
    return Frame.of_items("steps", "What more money buys", comparison.steps, columns)


def breakpoints_frame(comparison: Comparison, money: str) -> Frame:
    """Return a frame with a row per change of the plan: the budgets between which it is, and what it adds and drops."""

    def names(part: str, **how: Any) -> FrameColumn:
        return FrameColumn(part, of=lambda change: ", ".join(change.parts[part]), **how)

    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("above", "Budget", money, "exact", is_index=True),
        FrameColumn("at", unit=money, form="exact", is_shown=False),
        names("added", label="Builds"),
        names("dropped", is_shown=False),
        names("survived", label="Shocks"),
        names("lost", is_shown=False),
    )
    return Frame.of_items("breakpoints", "Where the plan changes", comparison.changes, columns)
