"""Results of an evaluation of given plans: missing and unneeded purchases, in one future or over several."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from optimizer.errors import Finding
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frames
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import Build, Plan
from optimizer.results.result import Result
from optimizer.studies import evaluation_frames
from optimizer.studies.comparison import Comparison, ComparisonColumn, comparison_columns_frame
from optimizer.tolerances import NEGLIGIBLE

OPTIMUM = "optimum"
# Figures of the adaptive optimum that are written to JSON.
OPTIMUM_FIGURES = (
    "status", "survives", "total_cost", "expected_cost", "worst_cost", "worst_future", "bound", "gap_bound", "mip_gap",
    "survival_gap", "worst_gap", "outlay", "futures", "builds", "purchases",
)  # fmt: skip


@dataclass(frozen=True)
class PlanChange:
    """The difference of two plans in the purchase of an option at a decision point, or of a stockpile in some time."""

    option: str
    period: str  # label of the decision point; of a stockpile the calendar year, or a quarter or period of it
    # Sizes, in the option's own unit; of a stockpile t.
    before: float
    after: float
    money: float  # extra spending of the second plan, undiscounted; negative if it spends less


def plan_changes(instance: Instance, before: Plan, after: Plan) -> tuple[PlanChange, ...]:
    """Return the differences of two plans in the order of the options, then of time; stockpiles by calendar year.

    An option that one of them opens at size 0, because another requires it, is a difference: it has a fixed cost.
    """
    return tuple(
        PlanChange(o, period, was, becomes, money)
        for o in instance.options
        for period, was, becomes, money in _changes(instance, o, before, after)
        if abs(becomes - was) > NEGLIGIBLE * max(was, becomes) or (max(was, becomes) <= 0.0 and money)
    )


def money_spent(instance: Instance, plan: Plan) -> float:
    """Return what a plan spends on purchases, in undiscounted money."""
    return sum(change.money for change in plan_changes(instance, Plan(), plan))


def changed_entries(instance: Instance, before: Plan, after: Plan) -> tuple[PlanChange, ...]:
    """Return the differences as the entries of the second plan: a year of uneven purchases by its parts, all of them.

    Entered in place of that year, they are what the second plan buys, period by period.
    """
    return tuple(
        part for each in plan_changes(instance, before, after) for part in _parts(instance, each, before, after)
    )


def _parts(instance: Instance, change: PlanChange, before: Plan, after: Plan) -> Iterator[PlanChange]:
    o, horizon = change.option, instance.horizon
    if o not in instance.stocks:
        yield change
        return
    first = horizon.period(change.period)
    for name, periods in horizon.even_parts(range(first, first + horizon.per_year), _fills(instance, after, o)):
        was, becomes, money = _stock_change(instance, o, before, after, periods)
        if max(was, becomes) > NEGLIGIBLE * max(change.before, change.after):
            yield PlanChange(o, name, was, becomes, money)


def _changes(instance: Instance, o: str, before: Plan, after: Plan) -> Iterator[tuple[str, float, float, float]]:
    """Yield the purchases of one option: period, size in both plans, and the extra money of the second plan."""
    if o in instance.stocks:
        horizon, count = instance.horizon, instance.horizon.per_year
        for year, start in zip(horizon.years, horizon.periods[::count], strict=True):
            yield str(year), *_stock_change(instance, o, before, after, range(start, start + count))
        return
    old, new = ({build.t: build for build in plan.builds if build.option == o} for plan in (before, after))
    for t in sorted({*old, *new}):
        (was, first), (becomes, then) = (_size_and_money(instance, o, builds.get(t)) for builds in (old, new))
        yield instance.horizon.label(t), was, becomes, then - first


def _stock_change(instance: Instance, o: str, before: Plan, after: Plan, periods: range) -> tuple[float, float, float]:
    """Return what both plans buy of a stockpile in some periods, and the extra money of the second one."""
    stock, horizon = instance.stocks[o], instance.horizon
    bought, then = (
        [fill if t in periods else 0.0 for t, fill in enumerate(_fills(instance, plan, o))] for plan in (before, after)
    )
    sizes, money = (sum(bought), sum(then)), stock.paid_for_fills(horizon, then) - stock.paid_for_fills(horizon, bought)
    # What the solver leaves of a purchase by rounding is none.
    was, becomes = (size if size > NEGLIGIBLE * max(sizes) else 0.0 for size in sizes)
    return was, becomes, money


def _size_and_money(instance: Instance, o: str, build: Build | None) -> tuple[float, float]:
    if build is None:
        return 0.0, 0.0
    paid = instance.sized[o].payments(instance.horizon, build.t, build.size, opened=build.opened)
    return build.size, math.fsum(paid.values())


def _fills(instance: Instance, plan: Plan, o: str) -> Sequence[float]:
    return plan.fills.get(o, (0.0,) * len(instance.horizon.periods))


@dataclass(frozen=True)
class PlanNeed:
    """The additional purchases with which a plan keeps every floor."""

    is_possible: bool | None  # whether such purchases exist, whatever the budget; None if the time ran out
    changes: tuple[PlanChange, ...] = ()  # those of least total cost; empty unless `is_possible`
    # Money that they add: undiscounted outlay, and total cost as present value.
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class PlanWaste:
    """The unneeded purchases of a plan: without them no shock is worse off, and the total cost is lower."""

    changes: tuple[PlanChange, ...] = ()  # purchases that are left out or made smaller, all of them together
    # Money that is saved: undiscounted outlay, and total cost as present value.
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class EvaluatedPlan:
    """The evaluation of one given plan."""

    name: str
    result: Result  # the plan with its operation, audited
    instance: Instance = field(repr=False)  # the instance of the result, without the rules that the plan breaks
    broken_rules: tuple[Finding, ...] = ()  # the broken rules, each with its place in the plan's file and a cure
    need: PlanNeed | None = None  # missing purchases; None if the plan survives, or if they were not searched for
    # Unneeded purchases; None if the time ran out, or if they were not searched for.
    waste: PlanWaste | None = None

    @property
    def lacks(self) -> list[dict[str, Any]]:
        """The shortages of the plan, a row for each shock and segment below its floor, the largest gap first."""
        rows = [
            {
                "shock": outcome.name,
                "segment": d,
                "from": service.first_failure,
                "worst_period": service.worst_period,
                "worst_service": service.worst_service,
                "floor": service.floor,
                "below_floor": service.below_floor,
                "gap": service.gap,
            }
            for outcome in self.result.shocks
            for d, service in outcome.segments.items()
            if service.below_floor > 0
        ]
        return sorted(rows, key=lambda row: (-float(row["gap"]), -float(row["below_floor"])))

    def to_dict(self) -> dict[str, Any]:
        """Return for JSON the figures, broken rules, shortages, missing and unneeded purchases."""
        return {
            "name": self.name,
            **plan_figures(self.result),
            "rules": [
                {"place": rule.place, "where": rule.where, "what": rule.what, "cure": rule.cure}
                for rule in self.broken_rules
            ],
            "lacks": self.lacks,
            "missing": None if self.need is None else asdict(self.need),
            "waste": None if self.waste is None else asdict(self.waste),
        }


def plan_figures(result: Result) -> dict[str, Any]:
    """Return the figures of a plan for JSON, without its flows."""
    names = ("status", "total_cost", "outlay", "survival_gap", "worst_gap", "price_of_survival", "mip_gap", "costs")
    figures = result.to_dict(whole=False)
    survived = {"survives": result.survives, "shocks": len(result.shocks), "survived": list(result.shocks_survived)}
    return survived | {name: figures[name] for name in (*names, "builds", "purchases")}


@dataclass(frozen=True)
class BranchChange(PlanChange):
    """A change that several futures have in common; its money is the mean over these futures."""

    futures: tuple[str, ...] = ()


@dataclass(frozen=True)
class PurchaseUse:
    """A purchase of a plan, with the futures that need it."""

    # Of a stockpile, all purchases of a calendar year are one.
    option: str
    period: str
    size: float  # in the option's own unit; of a stockpile t
    futures: tuple[str, ...]  # names of the futures in which it is bought
    needed_in: tuple[str, ...]  # names of the futures that need it, or part of it


def _wasted(waste: PlanWaste | None) -> Iterator[tuple[str, str, str]]:
    """Yield the options of waste with its periods, and the years of these for stockpiles, and the futures."""
    for each in () if waste is None else waste.changes:
        if isinstance(each, BranchChange):
            yield from (
                (each.option, period, name) for period in (each.period, each.period[:4]) for name in each.futures
            )


@dataclass(frozen=True)
class FuturesPlan:
    """The evaluation of one given plan over all futures."""

    name: str
    instance: Instance  # the instance with all futures, without the rules that the plan breaks in each
    result: FuturesResult  # the plan in each future, and the measure over them; audited
    # Missing purchases over all futures; None if the plan survives, or if they were not searched for.
    need: PlanNeed | None = None
    # Unneeded purchases over all futures; None if the time ran out, or if they were not searched for.
    waste: PlanWaste | None = None
    uses: tuple[PurchaseUse, ...] | None = None  # each purchase with the futures that need it; None as for `waste`

    @property
    def partly_needed(self) -> tuple[PurchaseUse, ...]:
        """Purchases that only some of their futures need, and that are not part of `waste` in all others."""
        wasted = set(_wasted(self.waste))

        def is_partly_needed(each: PurchaseUse) -> bool:
            others = set(each.futures) - set(each.needed_in)
            return bool(each.needed_in) and any((each.option, each.period, name) not in wasted for name in others)

        return tuple(filter(is_partly_needed, self.uses or ()))

    def to_dict(self) -> dict[str, Any]:
        """Return for JSON the purchases, with the missing and the unneeded ones, and the uses."""
        written = self.result.to_dict(whole=False)
        judged = {
            "missing": None if self.need is None else asdict(self.need),
            "waste": None if self.waste is None else asdict(self.waste),
            "uses": None if self.uses is None else [asdict(each) for each in self.uses],
        }
        return {"builds": written["builds"], "purchases": written["purchases"], **judged}


@dataclass(frozen=True)
class PlanEvaluation:
    """Evaluations of given plans, and the optimum.

    Attributes:
        instance: the instance in which the plans are evaluated.
        plans: one for each given plan, in their order.
        optimum: the plan of `solve`; None if it was not requested or not reached.
        stopped: whether Ctrl-C or a time limit ended the evaluation early.
        notes: remarks for the user.
        seconds: duration of the evaluation.
    """

    instance: Instance = field(repr=False)
    plans: tuple[EvaluatedPlan, ...]
    optimum: Result | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        plans = "; ".join(f"{each.name}: {each.result!r}" for each in self.plans) or "no plans"
        return f"<PlanEvaluation in {self.instance.title!r}: {plans}>"

    @property
    def frames(self) -> Frames:
        """The frames by name (columns, lacks, missing, waste, rules); attributes are pandas frames."""
        return Frames(
            {
                "columns": lambda: comparison_columns_frame(self.comparison, self.instance.money),
                "lacks": lambda: evaluation_frames.lacks_frame(self),
                "missing": lambda: evaluation_frames.plan_changes_frame(self, "need"),
                "waste": lambda: evaluation_frames.plan_changes_frame(self, "waste"),
                "rules": lambda: evaluation_frames.broken_rules_frame(self),
            }
        )

    @property
    def survives(self) -> bool:
        """Whether every plan keeps every floor in every shock."""
        return all(plan.result.survives for plan in self.plans)

    @property
    def broken_rules(self) -> list[Finding]:
        """The rules that any plan breaks."""
        return [rule for plan in self.plans for rule in plan.broken_rules]

    @property
    def comparison(self) -> Comparison:
        """The plans as columns of a comparison, followed by the optimum."""
        cases = {plan.name: plan.instance for plan in self.plans}
        budget = self.instance.policy.budget
        columns = [ComparisonColumn(plan.name, budget, plan.result) for plan in self.plans]
        if self.optimum is not None:
            cases[OPTIMUM] = self.instance
            columns.append(ComparisonColumn(OPTIMUM, budget, self.optimum))
        return Comparison(cases, tuple(columns), accuracy=float(columns[-1].result.settings["gap"]))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "survives": self.survives,
            "plans": [plan.to_dict() for plan in self.plans],
            "optimum": None if self.optimum is None else plan_figures(self.optimum),
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class FutureEvaluation:
    """The evaluation of plans in one future, without need and waste; its `optimum` is that of the future alone."""

    name: str
    probability: float
    evaluation: PlanEvaluation
    regrets: tuple[float | None, ...] = ()  # by plan, money

    def regret(self, number: int) -> float | None:
        """Return the regret of a plan, in money; None if its gap exceeds that of the optimum, or if it is unknown."""
        return self.regrets[number]


@dataclass(frozen=True)
class FuturesEvaluation:
    """Evaluations of given plans in every future and over all futures.

    Attributes:
        instance: the instance, with its questions.
        plans: each plan over all futures.
        futures: each future with all plans, in the order of the tree.
        optimum: the adaptive plan of `solve`; None if it was not requested or not reached.
        stopped: whether Ctrl-C or a time limit ended the evaluation early.
        notes: remarks for the user.
        seconds: duration of the evaluation.
    """

    instance: Instance = field(repr=False)
    plans: tuple[FuturesPlan, ...]
    futures: tuple[FutureEvaluation, ...]
    optimum: FuturesResult | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        plans = "; ".join(f"{each.name}: {each.result!r}" for each in self.plans)
        return f"<FuturesEvaluation in {self.instance.title!r}: {plans}>"

    @property
    def frames(self) -> Frames:
        """The frames by name (plans, futures, lacks, missing, waste, uses, rules); attributes are pandas frames."""
        return Frames(
            {
                "plans": lambda: evaluation_frames.evaluated_plans_frame(self),
                "futures": lambda: evaluation_frames.plans_by_future_frame(self),
                "lacks": lambda: evaluation_frames.stack_evaluations(self, evaluation_frames.lacks_frame),
                "missing": lambda: evaluation_frames.branch_changes_frame(self, "need"),
                "waste": lambda: evaluation_frames.branch_changes_frame(self, "waste"),
                "uses": lambda: evaluation_frames.purchase_uses_frame(
                    (plan, each) for plan in self.plans for each in plan.uses or ()
                ),
                "rules": lambda: evaluation_frames.stack_evaluations(self, evaluation_frames.broken_rules_frame),
            }
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plans."""
        return tuple(plan.name for plan in self.plans)

    @property
    def are_probabilities_given(self) -> bool:
        """Whether the file gives probabilities; if not, all branches of a question are equally likely."""
        return self.instance.tree.are_probabilities_given

    @property
    def survives(self) -> bool:
        """Whether every plan keeps every floor in every shock of every future."""
        return all(plan.result.survives for plan in self.plans)

    @property
    def broken_rules(self) -> list[Finding]:
        """The rules that any plan breaks in any future, each once."""
        return list(dict.fromkeys(rule for future in self.futures for rule in future.evaluation.broken_rules))

    def results(self, number: int) -> list[Result]:
        """Return the results of a plan in each future."""
        return [future.evaluation.plans[number].result for future in self.futures]

    def more(self, number: int) -> float | None:
        """Return the extra cost of a plan over the adaptive optimum by the measure, in money; None if unknown."""
        best, own = self.optimum, self.plans[number].result.total_cost
        if best is None or not best.futures or math.isnan(own):
            return None
        return own - best.total_cost

    def summary(self, number: int) -> dict[str, Any]:
        """Summarise a plan over all futures for JSON: measure, costs, gaps, outlay, regret, futures survived."""
        found, regrets = self.plans[number].result, [future.regret(number) for future in self.futures]
        known = [regret for regret in regrets if regret is not None]
        return {
            "survives": found.survives,
            "survived": sum(each.result.survives for each in found.futures),
            "total_cost": None if math.isnan(found.total_cost) else found.total_cost,
            "expected_cost": found.expected_cost,
            "worst_cost": found.worst_cost,
            "worst_future": found.worst_future,
            "expected_gap": found.survival_gap,
            "worst_gap": found.worst_gap,
            "outlay": found.outlay,
            "largest_regret": max(known) if len(known) == len(regrets) else None,
            "more_than_optimum": self.more(number),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
        best = self.optimum
        figures = None if best is None else best.to_dict(whole=False)
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "survives": self.survives,
            "measure": str(self.instance.policy.objective),
            "probabilities_given": self.are_probabilities_given,
            "plans": [
                {
                    "name": plan.name,
                    **self.summary(number),
                    **plan.to_dict(),
                    "futures": [self._in_future(each, number) for each in self.futures],
                }
                for number, plan in enumerate(self.plans)
            ],
            "optimum": None if figures is None else {name: figures[name] for name in OPTIMUM_FIGURES},
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }

    def _in_future(self, future: FutureEvaluation, number: int) -> dict[str, Any]:
        best, plan = future.evaluation.optimum, future.evaluation.plans[number].to_dict()
        return {
            "future": future.name,
            "probability": future.probability,
            # Missing and unneeded purchases are reported over all futures, not for each.
            **{key: value for key, value in plan.items() if key not in ("missing", "waste")},
            "optimum": None if best is None or best.baseline is None else plan_figures(best),
            "regret": future.regret(number),
        }
