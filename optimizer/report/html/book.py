"""The whole report as one object: common data, the plans by budget, sources, and the run record."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from optimizer.disruptions.path import BASELINE
from optimizer.instance.altered import with_attacks
from optimizer.instance.derived import but_samples, named_regions, region_name
from optimizer.instance.edits import edit_budget
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report import narrative
from optimizer.report.brief.content import make_brief
from optimizer.report.brief.plan_parts import Brief
from optimizer.report.figures import canvas, years
from optimizer.report.figures.supply_chain import Atlas, chains
from optimizer.report.figures.survival import (
    FigureRow,
    Passing,
    ShockWindow,
    compact,
    compact_row,
    critical,
    passings,
    rows_of_figures,
    shock_windows,
    tightest,
)
from optimizer.report.figures.time_to_survive import ChokepointLine, lines, shortest_head, shortest_times
from optimizer.report.format import DEPENDENCE, changed_words, plural
from optimizer.report.provenance import head_comment, run_facts, sources
from optimizer.report.tables.budgets import (
    baseline_words,
    lost_shock_sentences,
    note_on_attacks,
    summed_gaps_note,
    tolerance_words,
)
from optimizer.report.tables.render import page_table
from optimizer.results.plan import ByPeriod, Plan, SourceShare
from optimizer.results.result import Result
from optimizer.studies.comparison import BudgetPoint, Frontier
from optimizer.studies.purchases import Purchase, outlay_part_note, purchases, spent_words
from optimizer.studies.shocks import RowOutcome, ShockRow, row_outcomes
from optimizer.studies.supply_chain import Chain, supply_shares
from optimizer.studies.time_to_survive import TimeToSurvive, time_to_survive, with_other_plan
from optimizer.units import si

# Significant digits of numbers in the report.
REPORT_DIGITS = 7
# Beyond this number of characters, chains and paths through shocks are kept only for the plan at hand.
MOST_CHARACTERS = 1_050_000


@dataclass(frozen=True)
class PlanView:
    """One plan, ready to be drawn."""

    budget: float | None  # money, undiscounted; None for any
    result: Result  # the plan and its figures
    moves: tuple[Purchase, ...]  # the purchases
    stocks: Mapping[str, ByPeriod]  # by non-empty stockpile, t at the end of each period
    passings: tuple[Passing, ...]  # the shocks whose paths are shown
    rows: tuple[RowOutcome, ...]  # rows of the figures, each for one shock or several
    shares: Mapping[str, tuple[SourceShare, ...]]  # by commodity, the shares of regions in every year
    chains: Mapping[str, tuple[Chain, ...]]  # by path, the chains of its first and last year
    survived: TimeToSurvive  # times to survive of the chokepoints that matter under one of the plans
    # These chokepoints with nothing bought, and with the plan.
    before: tuple[ChokepointLine, ...]
    after: tuple[ChokepointLine, ...]

    def facts(self, instance: Instance, counted_from: float | None) -> list[list[str]]:
        """Return the figures behind the answer under this budget, as labels and texts.

        Costs come first; survival gaps, which nobody pays, come last. The price of the plan counts from the no-shock
        plan of the budget `counted_from`, money; None for any budget.
        """
        known = narrative.facts_under(edit_budget(instance, self.budget).instance, self.result, counted_from)
        return sorted(known, key=lambda each: each[0] in narrative.GAP_FACTS)

    def to_dict(self, instance: Instance, atlas: Atlas, counted_from: float | None) -> dict[str, Any]:
        """Return the plan for JSON, without the data that all plans of an instance share."""
        result = self.result
        kept, failed = narrative.survived_entries(instance, result)
        ending = replace(self.survived, exposures=self.survived.ending)
        return {
            "budget": self.budget,
            "given": result.given,
            "status": result.status,
            "survives": result.survives,
            "sentence": narrative.answer_sentence(instance, result),
            "headline": narrative.short_verdict(result, instance),
            "facts": self.facts(instance, counted_from),
            "build": [list(item) for item in _to_build(self.moves, result.money)],
            "build_note": outlay_part_note(self.moves),
            "kept": list(kept),
            "failed": list(failed),
            "shortest": list(shortest_times(instance, lines(instance, ending)[1])),
            "dependent": narrative.dependence_words(instance, result),
            **{key: getattr(result, key) for key in PLAN_FIGURES},
            "shocks_failed": sum(outcome.fails for outcome in result.shocks),
            "moves": [{_KEYS.get(key, key): each for key, each in asdict(move).items()} for move in self.moves],
            "stocks": dict(self.stocks),
            "stock_looks": canvas.stock_looks(instance, result),
            "passings": [compact(passing) for passing in self.passings],
            "rows": [compact_row(instance, result, row) for row in self.rows],
            "tightest": tightest(result, [passing.outcome.name for passing in self.passings]),
            "shares": {c: [asdict(share) for share in shares] for c, shares in self.shares.items()},
            "parts": [asdict(step) for step in years.cost_steps(result)],
            "beyond": [asdict(step) for step in years.beyond(result)],
            "beyond_note": years.beyond_note(result),
            "outlays": dict(result.outlays),
            "binding": [asdict(price) for price in result.binding],
            "bands": None if result.bands is None else asdict(result.bands),
            "tables": {name: page_table(instance, result.frames.frame(name)) for name in TABLES},
            "chains": {path: [atlas.compact(each) for each in both] for path, both in self.chains.items()},
            "after": [{"key": line.key, "months": line.months, "segments": line.segments} for line in self.after],
        }


# Number of purchases with a line of their own; the others are summed.
MOVES_SAID = 6


def _to_build(moves: Sequence[Purchase], money: str) -> tuple[tuple[str, str], ...]:
    """Return the purchases with the largest outlay: name, and in words date, size and money."""
    ordered = sorted(moves, key=lambda move: -move.spent)
    said = [
        (move.name, f"{_when(move)}, {move.size_words}, {spent_words(move.spent, move.outlay, money)}")
        for move in ordered[:MOVES_SAID]
    ]
    rest = ordered[MOVES_SAID:]
    if rest:
        spent, outlay = math.fsum(move.spent for move in rest), math.fsum(move.outlay for move in rest)
        said.append((f"and {plural(len(rest), 'more decision')}", spent_words(spent, outlay, money)))
    return tuple(said)


def _when(move: Purchase) -> str:
    if move.fills:
        return f"bought {move.decided}" + (f" to {move.on_line}" if move.on_line != move.decided else "")
    return f"decided {move.decided}, on line {move.on_line}"


# Keys of the first version, by field of a `Purchase`.
_KEYS = {"fills": "purchases", "spent": "paid", "outlay": "counted"}
# The frames shown as tables of a page.
TABLES = ("builds", "limits", "actual", "commitments", "bands", "bought_in_samples")
PLAN_FIGURES = (
    "total_cost", "bound", "mip_gap", "outlay", "survival_gap", "worst_gap", "price_of_survival", "calm_cost"
)  # fmt: skip


def survival_times(instance: Instance, found: Frontier) -> tuple[TimeToSurvive, ...]:
    """Return for each plan of a frontier the times to survive of chokepoints that end a floor under one of the plans.

    A chokepoint that is survived without end with nothing bought is so with every plan, and is not computed again.
    """
    own, made = found.points[found.own].result, dict[int, TimeToSurvive]()
    first = time_to_survive(instance, _plan_of(own))
    first = replace(first, exposures=tuple(each for each in first.exposures if not each.is_endless))
    for result in (own, *(point.result for point in found.points)):
        if id(result) not in made:
            made[id(result)] = with_other_plan(first, instance, _plan_of(result)) if made else first
    ending = {each.key for times in made.values() for each in times.ending}
    return tuple(made[id(point.result)].only(ending) for point in found.points)


def _plan_of(result: Result) -> Plan | None:
    return None if result.baseline is None else result.plan


def plan_view(
    instance: Instance, point: BudgetPoint, names: Sequence[str], rows: Sequence[ShockRow], survived: TimeToSurvive
) -> PlanView:
    """Compute the page's data of a plan; `names` are the shocks whose paths are shown, `rows` those of the figures."""
    result, planned = point.result, point.result.baseline is not None
    # Attaches the instance to the result, whose tables would otherwise read it from its data, with its own budget: a
    # plan can be that of several points.
    instance_of(result, edit_budget(instance, result.data.get("policy", {}).get("budget")).instance)
    before, after = lines(instance, survived)
    return PlanView(
        budget=point.budget,
        result=result,
        moves=purchases(instance, result),
        stocks={o: row for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0},
        passings=passings(instance, result, names) if planned else (),
        rows=row_outcomes(rows, result) if planned else (),
        shares=supply_shares(instance, result.baseline, instance.horizon.years) if result.baseline is not None else {},
        chains=chains(instance, result, names),
        survived=survived,
        before=before,
        after=after,
    )


@dataclass(frozen=True)
class Book:
    """The data of a report: an instance, its plan at hand, and the plans of other budgets."""

    instance: Instance
    frontier: Frontier  # the plans by budget; only the plan at hand if no others were computed
    is_quick: bool  # whether the frontier was left out at the user's request
    shock_windows: tuple[ShockWindow, ...]  # the shocks whose paths are shown
    figure_rows: tuple[FigureRow, ...]  # the rows of the figures
    unlisted: int  # the number of shocks in no row
    views: tuple[PlanView, ...]  # one for each plan of the frontier
    # The file's own text about its numbers.
    head: str
    sources: Sequence[Mapping[str, Any]]
    brief: Brief  # the first screen, on the plan at hand
    warnings: tuple[str, ...] = ()  # warnings in the report's first line

    @property
    def own(self) -> PlanView:
        """The plan at hand."""
        return self.views[self.frontier.own]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `report --json` prints and the page contains."""
        instance, horizon, own = self.instance, self.instance.horizon, self.own
        atlas = Atlas(instance)
        points = self._points(atlas)
        data = {
            "instance": own.result.title,
            "description": instance.description or "",
            "changed": changed_words(own.result.changes),
            "currency": own.result.currency,
            "money": own.result.money,
            "home": instance.home or "",
            "line": DEPENDENCE,
            "horizon": {
                "start": horizon.start,
                "end": horizon.end,
                "step": horizon.step,
                "per_year": horizon.per_year,
                "periods": [horizon.label(t) for t in horizon.periods],
            },
            "names": _names(instance),
            "region_names": {region: region_name(instance, region) for region in sorted(named_regions(instance))},
            "regions": canvas.region_colours(instance, [each.shares for each in self.views]),
            "levers": canvas.lever_colours(),
            "segments": {d: demand.commodity for d, demand in instance.demands.items()},
            "warnings": list(self.warnings),
            "brief": self.brief.to_dict(),
            "shortest_head": shortest_head(instance),
            "strikes": [asdict(window) for window in self.shock_windows],
            "hidden": len(instance.events) - len(self.shock_windows),
            "rows": [asdict(shown) for shown in self.figure_rows],
            "unlisted": self.unlisted,
            "frontier": self._frontier(),
            "points": points,
            "atlas": atlas.to_dict(),
            "chokepoints": [asdict(line) for line in own.before],
            "head": self.head,
            "sources": self.sources,
            "record": [list(line) for line in run_facts(own.result)],
        }
        return _fit_to_page(tidy(data))

    def _points(self, atlas: Atlas) -> list[dict[str, Any]]:
        """Return the plans by budget; a plan that occurs before under another budget is replaced by its index."""
        points, counted_from = list[dict[str, Any]](), self.frontier.baseline["budget"]
        for i, each in enumerate(self.views):
            twin = next((j for j in range(i) if self.views[j].result is each.result), None)
            if twin is None:
                points.append(each.to_dict(self.instance, atlas, counted_from))
            else:
                points.append({"budget": each.budget, "same": twin, "facts": each.facts(self.instance, counted_from)})
        return points

    def _frontier(self) -> dict[str, Any]:
        """Return the data on other budgets."""
        found, result, money = self.frontier, self.own.result, self.own.result.money
        points = [point for point in found.points if not point.is_given]
        words = ["any budget" if point.budget is None else si(point.budget, money, 4) for point in points]
        return {
            "own": found.own,
            "least_outlay": found.least_outlay,
            "least_outlay_bound": found.least_bound,
            "but_samples": but_samples(self.instance),
            "baseline": {**found.baseline, "words": baseline_words(found, money)},
            "gap": found.accuracy,
            "proven": tolerance_words(found, money),
            "losses": lost_shock_sentences(list(zip(words, (point.result for point in points), strict=True)), money),
            "summed": summed_gaps_note([point.result for point in points] or [result], money),
            "stopped": found.stopped,
            "quick": self.is_quick,
            "trimmed": False,
            "attacks": note_on_attacks(result, found.points[1:]),
        }


def book(
    instance: Instance, found: Frontier, *, is_quick: bool = False, every: bool = False, brief: Brief | None = None
) -> Book:
    """Compute the report of a plan and the plans of other budgets.

    With `every`, each shock has its own row in the figures; else families and ensembles are folded. The `brief` is the
    first screen, by default one without studies.
    """
    own, results = found.points[found.own].result, [point.result for point in found.points]
    instance = _under_attacks(instance, results)
    # Each plan against an adversary has its own attacks.
    outcomes = {outcome.name: outcome for result in (*results, own) for outcome in result.shocks}
    rows, names = critical(instance, replace(own, shocks=tuple(outcomes.values())), every=every)
    made = dict[int, PlanView]()
    for point, lasts in zip(found.points, survival_times(instance, found), strict=True):
        if id(point.result) not in made:
            made[id(point.result)] = plan_view(instance, point, names, rows, lasts)
    return Book(
        instance=instance,
        frontier=found,
        is_quick=is_quick,
        shock_windows=shock_windows(instance, names, rows),
        figure_rows=rows_of_figures(instance, rows),
        unlisted=len(instance.events) - sum(len(row.shocks) for row in rows),
        views=tuple(replace(made[id(point.result)], budget=point.budget) for point in found.points),
        head=head_comment(own),
        sources=sources(instance, own),
        brief=brief or make_brief(instance, own, frontier=found),
    )


def _under_attacks(instance: Instance, results: Sequence[Result]) -> Instance:
    """Return the instance with the attacks that shaped the plans as shocks."""
    names = dict.fromkeys(name for each in results if each.adversary is not None for name in each.adversary.attacks)
    adversary = instance.adversary
    if adversary is None or not names:
        return instance
    attacks = (adversary.attack(name, instance.horizon) for name in names)
    return with_attacks(instance, [attack for attack in attacks if attack is not None])


def _fit_to_page(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data without the least used parts of other budgets' plans, if they are too large for one page."""
    own = data["frontier"]["own"]
    at_hand = data["points"][own].get("same", own)
    others = [point for i, point in enumerate(data["points"]) if i != at_hand and "same" not in point]
    if len(json.dumps(data, ensure_ascii=False)) > MOST_CHARACTERS:
        data["frontier"]["trimmed"] = True
        for point in others:
            point["chains"] = {path: both for path, both in point["chains"].items() if path == BASELINE}
    if len(json.dumps(data, ensure_ascii=False)) > MOST_CHARACTERS:
        for passing in (passing for point in others for passing in point["passings"]):
            passing |= {"kept": False, "short": {}, "substituted": {}}
    return data


def _names(instance: Instance) -> dict[str, str]:
    sections: tuple[Mapping[str, Any], ...] = (
        instance.commodities, instance.demands, instance.processes, instance.options
    )  # fmt: skip
    return {key: item.name for section in sections for key, item in section.items() if item.name}


def tidy(value: Any) -> Any:
    """Return a value for JSON: numbers to seven significant digits, infinite ones as null, tuples as lists."""
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): tidy(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(each) for each in value]
    return _tidy_number(float(value))


def _tidy_number(number: float) -> float | None:
    """Return a number to seven significant digits, as an integer if it is whole; None if it is infinite."""
    if not math.isfinite(number):
        return None
    rounded = float(f"{number:.{REPORT_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
