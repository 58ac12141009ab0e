"""What the brief says: a sentence, and parts, each with sentences, a frame, and how to get what was not computed.

All writers draw what `Brief.to_dict` gives, so each says the same; it is in the JSON of the report under `brief`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optimizer.instance.schema import Instance
from optimizer.report import narrative
from optimizer.report.brief.confidence import confidence_part
from optimizer.report.brief.decisions import money_part, orders_part
from optimizer.report.brief.shortages import survival_part, unserved_part, worst_part
from optimizer.report.brief.structure import Brief, BriefPart
from optimizer.report.brief.studied import alternatives_part, figures_part
from optimizer.results.result import Result
from optimizer.studies.frontier import Frontier
from optimizer.studies.purchases import purchases
from optimizer.studies.slips import Slip
from optimizer.units import si


def make_brief(
    instance: Instance,
    result: Result,
    *,
    frontier: Frontier | None = None,
    slips: Sequence[Slip] = (),
    studies: Mapping[str, Mapping[str, Any]] | None = None,
    warnings: Sequence[str] = (),
) -> Brief:
    """The brief of a plan.

    Args:
        instance: the instance of the plan.
        frontier: plans of other budgets, where they were searched for.
        slips: of decisions of the first year, as `slip_groups` names them.
        studies: by name, the JSON of studies that were carried out beside it.
        warnings: what has to be said first.
    """
    horizon = instance.horizon
    about = f"{horizon.label(0)} to {horizon.label(horizon.periods[-1])}. Money in {result.currency}, tonnes metric."
    parts = tuple(_parts(instance, result, frontier, slips, studies or {})) if result.baseline is not None else ()
    return Brief(
        instance=instance,
        title=result.instance,
        about=about,
        survives=result.survives,
        verdict=narrative.short_verdict(result),
        sentence=narrative.sentence(instance, result),
        parts=parts,
        warnings=tuple(warnings),
    )


def _parts(
    instance: Instance,
    result: Result,
    frontier: Frontier | None,
    slips: Sequence[Slip],
    studies: Mapping[str, Mapping[str, Any]],
) -> Iterator[BriefPart]:
    yield orders_part(instance, result, slips)
    yield money_part(instance, result)
    if result.shocks:
        yield survival_part(instance, result)
        yield worst_part(instance, result)
        yield unserved_part(instance, result)
    yield alternatives_part(instance, result, frontier, studies.get("alternatives"))
    yield figures_part(instance, result, studies.get("sensitivity"))
    spent: dict[str, float] = {}
    for move in purchases(instance, result):
        spent[move.option] = spent.get(move.option, 0.0) + move.counted
    proven = narrative.proof(result).strip("()")
    yield confidence_part(
        result, result.comments, f"Total cost {si(result.total_cost, result.money, 4)}: {proven}.", spent
    )
