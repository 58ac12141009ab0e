"""What an evaluation of given plans returns: what each lacks and wastes, in one future or over several."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from optimizer.errors import Finding
from optimizer.instance.schema import Instance
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.studies import evaluation_frames
from optimizer.studies.comparison import Comparison, ComparisonColumn

OPTIMUM = "optimum"
# What of the adaptive optimum stands in JSON.
OPTIMUM_FIGURES = (
    "status", "survives", "total_cost", "expected_cost", "worst_cost", "worst_future", "bound", "gap_bound", "mip_gap",
    "survival_gap", "worst_gap", "outlay", "futures", "builds", "purchases",
)  # fmt: skip


@dataclass(frozen=True)
class PlanChange:
    """How much of an option two plans buy in a year, or in the period of a decision."""

    option: str  # of what
    period: str  # label of the decision point; of a stockpile the calendar year
    # Sizes, in the option's own unit; of a stockpile t.
    before: float
    after: float
    money: float  # what the second plan spends more, undiscounted; negative where it spends less


@dataclass(frozen=True)
class PlanNeed:
    """Purchases beside a plan with which every floor is kept; none where `is_possible` is False."""

    is_possible: bool | None  # whether there are any, whatever the budget; None where the time ran out
    changes: tuple[PlanChange, ...] = ()  # those of the least total cost
    # What they add, undiscounted outlay and present value, money.
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class PlanWaste:
    """Purchases that a plan could do without; no shock fares worse, and the total cost falls."""

    changes: tuple[PlanChange, ...] = ()  # what is left out or made smaller, all of it together
    # What that saves, undiscounted outlay and present value, money.
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class EvaluatedPlan:
    """One plan as it was given."""

    name: str
    result: Result  # the plan with its operation, audited
    instance: Instance = field(repr=False)  # that of the result: the rules that the plan breaks are not in it
    broken_rules: tuple[Finding, ...] = ()  # that it breaks; each says where in the plan's file, what, and the cure
    need: PlanNeed | None = None  # what it lacks; None where it survives, or where this was not asked for
    # What it could do without; None where the time ran out, or where this was not asked for.
    waste: PlanWaste | None = None

    @property
    def lacks(self) -> list[dict[str, Any]]:
        """A row for each shock and segment below its floor, the largest gap first."""
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
        """For JSON: figures, broken rules, what it lacks and wastes."""
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
    """The figures of a plan as JSON, without its flows."""
    names = ("status", "total_cost", "outlay", "survival_gap", "worst_gap", "price_of_survival", "mip_gap", "costs")
    figures = result.to_dict(whole=False)
    survived = {"survives": result.survives, "shocks": len(result.shocks), "survived": list(result.shocks_survived)}
    return survived | {name: figures[name] for name in (*names, "builds", "purchases")}


@dataclass(frozen=True)
class BranchChange(PlanChange):
    """A change that some futures have alike; its money is that of one of them, their mean where prices differ."""

    futures: tuple[str, ...] = ()


@dataclass(frozen=True)
class PurchaseUse:
    """A purchase of a plan, and where it is of use."""

    # What and when; of a stockpile all purchases of a calendar year.
    option: str
    period: str
    size: float  # in the option's own unit; of a stockpile t
    futures: tuple[str, ...]  # names of those in which it is bought
    needed_in: tuple[str, ...]  # names of those that need it, or part of it


@dataclass(frozen=True)
class FuturesPlan:
    """One plan as it was given, over all futures."""

    name: str
    instance: Instance  # with all futures, without the rules that the plan breaks there
    result: FuturesResult  # the plan in each future, and the measure over them; audited
    # What it lacks over all futures; None where it survives, or where this was not asked for.
    need: PlanNeed | None = None
    # What it could do without in all futures; None where the time ran out, or where this was not asked for.
    waste: PlanWaste | None = None
    uses: tuple[PurchaseUse, ...] | None = None  # each purchase with the futures that need it; None likewise

    @property
    def idle(self) -> tuple[PurchaseUse, ...]:
        """Purchases that are of use in some of their futures only, and are no waste in the others."""
        changes = [] if self.waste is None else [each for each in self.waste.changes if isinstance(each, BranchChange)]
        wasted = {(each.option, each.period, name) for each in changes for name in each.futures}

        def is_idle(each: PurchaseUse) -> bool:
            idle = set(each.futures) - set(each.needed_in)
            return bool(each.needed_in) and any((each.option, each.period, name) not in wasted for name in idle)

        return tuple(filter(is_idle, self.uses or ()))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: decisions, what is missing, wasted, and of use in some futures."""
        written = self.result.to_dict(whole=False)
        judged = {
            "missing": None if self.need is None else asdict(self.need),
            "waste": None if self.waste is None else asdict(self.waste),
            "uses": None if self.uses is None else [asdict(each) for each in self.uses],
        }
        return {"builds": written["builds"], "purchases": written["purchases"], **judged}


@dataclass(frozen=True)
class PlanEvaluation:
    """Plans that were given, each as it is, and the optimum.

    Attributes:
        instance: under whose rules.
        plans: in the order given.
        optimum: the plan of `solve`; None where this was not asked for.
        stopped: whether Ctrl-C, or a time limit, ended it before all was known.
        notes: what the user should know.
        seconds: that it took.
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

    frames = property(evaluation_frames.of_evaluation)

    @property
    def survives(self) -> bool:
        """Whether every plan keeps every floor in every shock."""
        return all(plan.result.survives for plan in self.plans)

    @property
    def broken_rules(self) -> list[Finding]:
        """Every rule that some plan breaks."""
        return [rule for plan in self.plans for rule in plan.broken_rules]

    @property
    def comparison(self) -> Comparison:
        """The plans side by side, and the optimum behind them."""
        cases = {plan.name: plan.instance for plan in self.plans}
        budget = self.instance.policy.budget
        columns = [ComparisonColumn(plan.name, budget, plan.result) for plan in self.plans]
        if self.optimum is not None:
            cases[OPTIMUM] = self.instance
            columns.append(ComparisonColumn(OPTIMUM, budget, self.optimum))
        return Comparison(cases, tuple(columns), accuracy=float(columns[-1].result.settings["gap"]))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
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
    """Plans in one future: `evaluation.optimum` is the plan of that future alone; what is missing is left out."""

    name: str
    probability: float
    evaluation: PlanEvaluation
    regrets: tuple[float | None, ...] = ()

    def regret(self, number: int) -> float | None:
        """What a plan costs more than the future's own, money; None where it leaves more unserved, or none is known."""
        return self.regrets[number]


@dataclass(frozen=True)
class FuturesEvaluation:
    """Plans that were given, in every future and over all of them.

    Attributes:
        instance: the instance, with its questions.
        plans: each over all futures.
        futures: each with all plans, in the order of the tree.
        optimum: the adaptive plan of `solve`; None where this was not asked for, or not reached.
        stopped: whether Ctrl-C, or a time limit, ended it before all was known.
        notes: what the user should know.
        seconds: that it took.
    """

    instance: Instance = field(repr=False)
    plans: tuple[FuturesPlan, ...]
    futures: tuple[FutureEvaluation, ...]
    optimum: FuturesResult | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    frames = property(evaluation_frames.of_futures_evaluation)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plans."""
        return tuple(plan.name for plan in self.plans)

    @property
    def are_probabilities_given(self) -> bool:
        """Whether the file gives them; else all branches of a question are equally likely."""
        return self.instance.tree.are_probabilities_given

    @property
    def survives(self) -> bool:
        """Whether every plan keeps every floor in every shock of every future."""
        return all(plan.result.survives for plan in self.plans)

    @property
    def broken_rules(self) -> list[Finding]:
        """Every rule that some plan breaks in some future, once."""
        return list(dict.fromkeys(rule for future in self.futures for rule in future.evaluation.broken_rules))

    def results(self, number: int) -> list[Result]:
        """A plan in each future."""
        return [future.evaluation.plans[number].result for future in self.futures]

    def more(self, number: int) -> float | None:
        """What a plan costs more than the adaptive optimum by the measure, money; None where one is not known."""
        best, own = self.optimum, self.plans[number].result.total_cost
        if best is None or not best.futures or math.isnan(own):
            return None
        return own - best.total_cost

    def summary(self, number: int) -> dict[str, Any]:
        """Of a plan over all futures: measure, expected and largest cost and gap, regret, how many it survives."""
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
        """The JSON object documented in the manual."""
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
            # Of these, what counts is what is missing and wasted over all futures.
            **{key: value for key, value in plan.items() if key not in ("missing", "waste")},
            "optimum": None if best is None or best.baseline is None else plan_figures(best),
            "regret": future.regret(number),
        }
