"""The part of the brief on how sure the answer is."""

from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.report.brief.structure import BriefPart
from optimizer.report.format import audit_text
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.studies.sourcing import BasisShares, basis_of, find_numbers, weighted_basis


def confidence_part(
    result: Result | FuturesResult, comments: Sequence[Mapping[str, Any]], proof: str, spent: Mapping[str, float]
) -> BriefPart:
    """What is proven, what the audit found, and on what the numbers rest.

    Args:
        result: the plan.
        comments: of its file, as `Result.comments` holds them.
        proof: what is proven of its cost, a sentence.
        spent: by option, what is spent on it.
    """
    title = "How sure this is"
    said = (f"{proof} Audit: {audit_text(result.audit)}.",)
    numbers = find_numbers(result.data, comments)
    if not comments:
        cure = "name it by --instance" if isinstance(result, Result) else "report the file itself"
        missing = f"Sources: the plan holds no comments of its file; {cure}."
        return BriefPart("confidence", title, said, None, missing)
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
    return BriefPart("confidence", title, said, Frame.of_rows("confidence", title, columns, rows, note))


def _basis_row(name: str, basis: BasisShares) -> tuple[Any, ...]:
    return name, basis.source, basis.derived, basis.assumption, basis.unexplained, basis.ranged
