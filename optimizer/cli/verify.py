"""diversify verify: recompute a saved plan, or one that somebody wrote or changed by hand."""

from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, progress

if TYPE_CHECKING:
    from optimizer.studies.verify import Extent


@common.guarded
def verify(
    plan: Annotated[str, typer.Argument(help="A plan file, as `solve --output` writes it.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Arithmetic alone, without a solver. Code 4 if shocks are left out.")
    ] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="Also solve the instance again, and compare bounds and status.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Recompute every figure of a plan file.

    Exit codes: 0 everything agrees; 1 something disagrees; 3 no plan file; 4 with --quick, shocks were not recomputed.
    """
    from optimizer.instance.reading import read
    from optimizer.results.result import Result
    from optimizer.studies.verify import verify_plan

    if quick and prove:
        raise typer.BadParameter("leave out --quick or --prove.", param_hint="--prove")
    extent: Extent = "arithmetic" if quick else "proof" if prove else "recourse"
    result = Result.load(plan)
    instance = read(result.data, plan)
    with progress.display(instance.money) as listener:
        found = verify_plan(instance, result, extent, listener)
    if json:
        import json as text

        typer.echo(text.dumps(found.to_dict() | {"plan": plan, "status": result.status}, indent=1))
    else:
        from optimizer.report.audit import show_verification

        show_verification(plan, result, found)
    if not found.ok:
        raise typer.Exit(common.INTERNAL)
    raise typer.Exit(common.NO_PLAN_SURVIVES if found.lines else common.SURVIVES)
