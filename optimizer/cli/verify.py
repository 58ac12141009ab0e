"""diversify verify: recompute a saved plan, or one that somebody wrote or changed by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, inputs, options

if TYPE_CHECKING:
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.studies.verify import Extent


def command(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A plan file, as `solve --output` writes it.")],
    quick: Annotated[bool, options.search_option("--quick", help="Arithmetic only, without a solver.")] = False,
    prove: Annotated[
        bool, options.search_option("--prove", help="Also solve again; compare bounds and status.")
    ] = False,
    instance_: Annotated[
        Path | None, options.search_option("--instance", metavar="FILE", help="Compare its instance with this one.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Recompute every figure of a saved plan.

    Exit codes: 0 everything agrees; 1 something disagrees; 3 no plan file; 4 with --quick, some shocks were not
    recomputed.

    Example: diversify verify plan.json
    Manual:  docs/how-to/verify.md
    """
    from optimizer.instance.reading import read
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.studies.verify import verify

    if quick and prove:
        raise typer.BadParameter("leave out --quick or --prove.", param_hint="--prove")
    extent: Extent = "arithmetic" if quick else "proof" if prove else "recourse"
    result = FuturesResult.load(plan) if inputs.is_futures_plan(plan) else Result.load(plan)
    if prove and isinstance(result, FuturesResult):
        raise typer.BadParameter(
            "leave it out: a plan of several futures, or by a measure of risk, is not proven again.",
            param_hint="--prove",
        )
    instance = read(result.data, plan)
    differ = _differences(result, instance_)
    with common.display(instance.money) as listener:
        found = verify(instance, result, extent, listener=listener)
    if json:
        common.print_json(found.to_dict() | {"plan": plan, "status": result.status, "differences": differ})
    else:
        from optimizer.report.tables.checks import verification_parts
        from optimizer.report.tables.render import show

        show(verification_parts, found, apart=False, plan=plan, result=result, file=instance_, differ=differ)
    # The exit code of plans that do not survive also means that a plan was not recomputed completely.
    common.end(survives=not found.lines_not_recomputed, disagrees=bool(not found.ok or differ))


def _differences(result: "Result | FuturesResult", file: Path | None) -> list[str] | None:
    """Return what a plan's instance and that of a file differ in; None without a file."""
    from optimizer.io.load import inspect_document
    from optimizer.report.tables.checks import value_differences

    return None if file is None else value_differences(result, inspect_document(file)[0])
