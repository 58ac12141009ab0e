"""All figures of one plan."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.report.figures import costs, saying
from optimizer.report.figures.chains import Atlas, chains
from optimizer.report.figures.lasting import Line, key_of, lines
from optimizer.report.figures.moves import Move, moves
from optimizer.report.figures.survival import Passing, compact, compact_row, passings, tightest
from optimizer.report.words import LINE
from optimizer.results.plan import Row, Share
from optimizer.results.result import Result
from optimizer.studies.folding import Fold, Folded, folded
from optimizer.studies.outcomes import yearly_supply_shares
from optimizer.studies.supply_chain import Chain
from optimizer.studies.time_to_survive import every_chokepoint, time_to_survive


@dataclass(frozen=True)
class Sheet:
    """One plan, ready to be drawn.

    Attributes:
        budget: money, undiscounted; None for any.
        result: the plan and what is known of it.
        moves: what is bought.
        stocks: by stockpile that holds something, t at the end of each period.
        passings: the shocks whose paths are shown. rows: those of the figures, each for one shock or for many.
        shares: by commodity, where it comes from in every year.
        parts, beyond: the cost waterfall, whole, and beyond the no-shock plan. note: why there is no second one.
        chains: by path, its first and its last year.
        before, after: its chokepoints that can end a floor.
    """

    budget: float | None
    result: Result
    moves: tuple[Move, ...]
    stocks: Mapping[str, Row]
    passings: tuple[Passing, ...]
    rows: tuple[Folded, ...]
    shares: Mapping[str, tuple[Share, ...]]
    parts: tuple[costs.Step, ...]
    beyond: tuple[costs.Step, ...]
    note: str
    chains: Mapping[str, tuple[Chain, ...]]
    before: tuple[Line, ...]
    after: tuple[Line, ...]

    def facts(self, instance: Instance, counted_from: float | None) -> list[list[str]]:
        """What the answer rests on under this budget: a label and a text each.

        Args:
            instance: the instance, of whatever budget.
            counted_from: the budget of the no-shock plan from which the price counts, money; None for any.
        """
        return saying.told(with_budget(instance, self.budget), self.result, counted_from)

    def to_dict(self, instance: Instance, atlas: Atlas, counted_from: float | None) -> dict[str, Any]:
        """For JSON; what all plans of an instance share is left out."""
        result = self.result
        money = result.money
        kept, failed = saying.survived(instance, result)
        tight = tightest(self.rows)
        return {
            "budget": self.budget,
            "status": result.status,
            "survives": result.survives,
            "sentence": saying.sentence(instance, result),
            "headline": saying.verdict(result),
            "facts": self.facts(instance, counted_from),
            "build": [list(item) for item in saying.to_build(self.moves, money)],
            "kept": list(kept),
            "failed": list(failed),
            "shortest": list(saying.shortest(self.after, list(instance.horizon.years))),
            "dependent": saying.dependence(instance, result, LINE),
            **{key: getattr(result, key) for key in FIGURES},
            "shocks_failed": sum(not outcome.survives for outcome in result.shocks),
            "moves": [asdict(move) for move in self.moves],
            "stocks": dict(self.stocks),
            "passings": [compact(passing) for passing in self.passings],
            "rows": [compact_row(instance, result, row) for row in self.rows],
            "tightest": None if tight is None else [tight.shock, tight.segment],
            "shares": {c: [asdict(share) for share in shares] for c, shares in self.shares.items()},
            "parts": [asdict(step) for step in self.parts],
            "beyond": [asdict(step) for step in self.beyond],
            "beyond_note": self.note,
            "outlays": dict(result.outlays),
            "binding": [asdict(price) for price in result.binding],
            "chains": {path: [atlas.compact(each) for each in both] for path, both in self.chains.items()},
            "after": [{"key": line.key, "months": line.months, "segments": line.segments} for line in self.after],
        }


FIGURES = (
    "total_cost",
    "bound",
    "mip_gap",
    "outlay",
    "survival_gap",
    "worst_gap",
    "price_of_survival",
    "calm_cost",
)


def sheet(
    instance: Instance,
    result: Result,
    budget: float | None,
    names: Sequence[str],
    rows: Sequence[Fold] = (),
    known: Collection[str] | None = None,
) -> Sheet:
    """Everything about one plan.

    Args:
        instance: the instance.
        result: the plan, of this instance under some budget.
        budget: money, undiscounted; None for any.
        names: the shocks whose paths are shown.
        rows: those of the figures.
        known: keys of the chokepoints that can end a floor; all chokepoints are asked where it is left out.
    """
    planned = result.baseline is not None
    points = None if known is None else tuple(each for each in every_chokepoint(instance) if key_of(each) in known)
    endurance = time_to_survive(instance, result.plan if planned else None, chokepoints=points)
    before, after = lines(instance, endurance)
    return Sheet(
        budget=budget,
        result=result,
        moves=moves(instance, result),
        stocks={o: row for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0},
        passings=passings(instance, result, names) if planned else (),
        rows=folded(rows, result) if planned else (),
        shares=yearly_supply_shares(instance, result.baseline) if result.baseline is not None else {},
        parts=costs.parts(result) if planned else (),
        beyond=costs.beyond(result) if planned else (),
        note=costs.note(result),
        chains=chains(instance, result, names),
        before=before,
        after=after,
    )
