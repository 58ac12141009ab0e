"""The whole report as one object: what all plans share, the plans by budget, the sources and the run record."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from optimizer.disruptions.shock import BASELINE
from optimizer.instance.derived import named_regions, region_name
from optimizer.instance.schema import Instance
from optimizer.report.figures import colours
from optimizer.report.figures.chains import Atlas
from optimizer.report.figures.record import record
from optimizer.report.figures.saying import under
from optimizer.report.figures.sheet import Sheet, sheet
from optimizer.report.figures.sources import Source, head, sources
from optimizer.report.figures.survival import Lane, Strike, critical, lanes, strikes
from optimizer.report.proofs import in_tolerance, losses
from optimizer.report.words import LINE
from optimizer.studies.frontier import Frontier
from optimizer.units import si

# Significant digits of numbers in the report.
DIGITS = 7
# Of more characters than this, chains and paths through shocks are those of the plan at hand only.
ROOM = 1_050_000


@dataclass(frozen=True)
class Book:
    """A report.

    Attributes:
        instance: the instance.
        frontier: the plans by budget; only the plan at hand where it was not computed.
        is_quick: whether the frontier was left out on purpose.
        strikes: the shocks whose paths are shown. hidden: how many are not.
        lanes: the rows of the figures. unlisted: how many shocks are in none of them.
        sheets: one for each plan of the frontier.
        head, sources: what the file says about its numbers.
        warnings: what has to be said on the report's first line.
    """

    instance: Instance
    frontier: Frontier
    is_quick: bool
    strikes: tuple[Strike, ...]
    hidden: int
    lanes: tuple[Lane, ...]
    unlisted: int
    sheets: tuple[Sheet, ...]
    head: str
    sources: tuple[Source, ...]
    warnings: tuple[str, ...] = ()

    @property
    def own(self) -> Sheet:
        """The plan at hand."""
        return self.sheets[self.frontier.own]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `report --json` prints and that the page holds."""
        instance, horizon, own = self.instance, self.instance.horizon, self.own
        atlas, points = Atlas(instance), list[dict[str, Any]]()
        counted_from = self.frontier.baseline["budget"]
        for i, each in enumerate(self.sheets):
            twin = next((j for j in range(i) if self.sheets[j].result is each.result), None)
            if twin is None:
                points.append(each.to_dict(instance, atlas, counted_from))
            else:
                points.append({"budget": each.budget, "same": twin, "facts": each.facts(instance, counted_from)})
        data = {
            "instance": own.result.instance,
            "description": instance.description or "",
            "currency": own.result.currency,
            "money": own.result.money,
            "home": instance.home or "",
            "line": LINE,
            "horizon": {
                "start": horizon.start,
                "end": horizon.end,
                "step": horizon.step,
                "per_year": horizon.per_year,
                "periods": [horizon.label(t) for t in horizon.periods],
            },
            "names": _names(instance),
            "region_names": {region: region_name(instance, region) for region in named_regions(instance)},
            "regions": colours.regions(instance, [each.shares for each in self.sheets]),
            "levers": colours.lever_colours(),
            "segments": {d: demand.commodity for d, demand in instance.demands.items()},
            "warnings": list(self.warnings),
            "strikes": [asdict(strike) for strike in self.strikes],
            "hidden": self.hidden,
            "rows": [asdict(lane) for lane in self.lanes],
            "unlisted": self.unlisted,
            "frontier": {
                "own": self.frontier.own,
                "least_outlay": self.frontier.least_outlay,
                "least_outlay_bound": self.frontier.least_bound,
                "baseline": {**self.frontier.baseline, "words": baseline_words(self.frontier, own.result.money)},
                "gap": self.frontier.gap,
                "proven": _proven(self.frontier, own.result.money),
                "losses": self._losses(),
                "stopped": self.frontier.stopped,
                "quick": self.is_quick,
                "trimmed": False,
                "attacks": own.result.adversary is not None,
            },
            "points": points,
            "atlas": atlas.to_dict(),
            "chokepoints": [asdict(line) for line in own.before],
            "head": self.head,
            "sources": [asdict(source) for source in self.sources],
            "record": [list(line) for line in record(own.result)],
        }
        return _fitted(tidy(data))

    def _losses(self) -> list[str]:
        """Why a larger budget survives less, a sentence for each that does."""
        money, points = self.own.result.money, self.frontier.points
        words = ["any budget" if point.budget is None else si(point.budget, money, 4) for point in points]
        return losses(list(zip(words, (point.result for point in points), strict=True)), money)


def book(
    instance: Instance, found: Frontier, *, is_quick: bool = False, warnings: tuple[str, ...] = (), every: bool = False
) -> Book:
    """Put a report together.

    Args:
        instance: the instance of the plans.
        found: the plans by budget.
        is_quick: whether the frontier was left out on purpose.
        warnings: what has to be said first.
        every: whether each shock has a row of its own in the figures; families and ensembles are folded otherwise.
    """
    own = found.points[found.own].result
    known = next((each for each in (own, *(point.result for point in found.points)) if each.shocks), own)
    rows, names = critical(instance, known, every=every)
    at_hand = sheet(instance, own, found.points[found.own].budget, names, rows)
    made, ending = {id(own): at_hand}, frozenset(line.key for line in at_hand.before)
    for point in found.points:
        if id(point.result) not in made:
            made[id(point.result)] = sheet(instance, point.result, point.budget, names, rows, ending)
    return Book(
        instance=instance,
        frontier=found,
        is_quick=is_quick,
        strikes=strikes(instance, names, rows),
        hidden=len(instance.events) - len(names),
        lanes=lanes(instance, rows),
        unlisted=len(instance.events) - sum(len(row.members) for row in rows),
        sheets=tuple(replace(made[id(point.result)], budget=point.budget) for point in found.points),
        head=head(own),
        sources=sources(instance, own),
        warnings=warnings,
    )


def baseline_words(found: Frontier, money: str) -> str:
    """From what the costs of all points count, in one sentence; empty where that is not known."""
    budget, cost = found.baseline["budget"], found.baseline["total_cost"]
    if cost is None:
        return ""
    plan = f"the no-shock plan {under(budget, money)}, which costs {si(cost, money, 4)}"
    return f"Costs count from one baseline for all budgets: {plan}."


def proven_words(found: Frontier, money: str) -> str:
    """To what the costs of plans of other budgets are proven, in one sentence; empty where there are none."""
    proven = _proven(found, money)
    return f"Plans of other budgets are proven: costs to {proven}." if proven and len(found.points) > 1 else ""


def _proven(found: Frontier, money: str) -> str:
    return "" if found.measure is None else in_tolerance([found.measure], money)


def _fitted(data: dict[str, Any]) -> dict[str, Any]:
    """Where the data are too large for one page, without what is least looked at of the plans of other budgets."""
    own = data["frontier"]["own"]
    at_hand = data["points"][own].get("same", own)
    others = [point for i, point in enumerate(data["points"]) if i != at_hand and "same" not in point]
    if len(json.dumps(data, ensure_ascii=False)) > ROOM:
        data["frontier"]["trimmed"] = True
        for point in others:
            point["chains"] = {path: both for path, both in point["chains"].items() if path == BASELINE}
    if len(json.dumps(data, ensure_ascii=False)) > ROOM:
        for passing in (passing for point in others for passing in point["passings"]):
            passing |= {"kept": False, "short": {}, "substituted": {}}
    return data


def _names(instance: Instance) -> dict[str, str]:
    sections: tuple[Mapping[str, Any], ...] = (
        instance.commodities, instance.demands, instance.processes, instance.options
    )  # fmt: skip
    return {key: item.name for section in sections for key, item in section.items() if item.name}


def tidy(value: Any) -> Any:
    """Numbers to seven significant digits, what is infinite as null, tuples as lists."""
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): tidy(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(each) for each in value]
    number = float(value)
    if not math.isfinite(number):
        return None
    rounded = float(f"{number:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
