"""What the brief says: a sentence, and parts, each with sentences, a frame, and how to get what was not computed.

All writers draw what `Brief.to_dict` gives, so each says the same; it is in the JSON of the report under `brief`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optimizer.instance.schema import Instance
from optimizer.report import narrative
from optimizer.report.brief.decisions import money_part, orders_part
from optimizer.report.brief.shortages import survival_part, unserved_part, worst_part
from optimizer.report.brief.structure import Brief, BriefPart
from optimizer.report.brief.studied import alternatives_part, figures_part
from optimizer.report.format import audit_text
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.result import Result
from optimizer.studies.frontier import Frontier
from optimizer.studies.purchases import purchases
from optimizer.studies.slips import Slip
from optimizer.studies.sourcing import BasisShares, basis_of, find_numbers, weighted_basis
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
    yield confidence_part(instance, result)


def confidence_part(instance: Instance, result: Result) -> BriefPart:
    """What is proven, what the audit found, and on what the numbers rest."""
    title = "How sure this is"
    proven = narrative.proof(result).strip("()")
    said = [f"Total cost {si(result.total_cost, result.money, 4)}: {proven}. Audit: {audit_text(result.audit)}."]
    numbers = find_numbers(result.data, result.comments)
    if not result.comments and not any(each.basis == "source" for each in numbers):
        missing = "Sources: the plan holds no comments of its file; name it by --instance."
        return BriefPart("confidence", title, tuple(said), None, missing)
    spent: dict[str, float] = {}
    for move in purchases(instance, result):
        spent[move.option] = spent.get(move.option, 0.0) + move.counted
    rows = [_basis_row(f"All {len(numbers):,} numbers of the file", basis_of(numbers))]
    if any(amount > 0 for amount in spent.values()):
        bought = weighted_basis(numbers, spent)
        rows.append(_basis_row(f"The {bought.numbers:,} of what is bought, by its money", bought))
    columns = (
        FrameColumn("of", "Rests on", is_index=True),
        FrameColumn("source", "a source", "share", "percent"),
        FrameColumn("derived", "other numbers", "share", "percent"),
        FrameColumn("assumption", "assumptions", "share", "percent"),
        FrameColumn("unexplained", "nothing written", "share", "percent"),
        FrameColumn("ranged", "has a range", "share", "percent"),
    )
    note = "A number that cites a source and assumes something as well counts as an assumption."
    return BriefPart("confidence", title, tuple(said), Frame.of_rows("confidence", title, columns, rows, note))


def _basis_row(name: str, basis: BasisShares) -> tuple[Any, ...]:
    return name, basis.source, basis.derived, basis.assumption, basis.unexplained, basis.ranged
