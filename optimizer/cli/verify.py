"""diversify verify: the audit alone, on a saved plan or on one that somebody wrote or changed by hand."""

from typing import Annotated

import typer

from optimizer.cli import common


@common.guarded
def verify(
    plan: Annotated[str, typer.Argument(help="A plan file, as `solve --output` writes it.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Recompute a plan in plain arithmetic, without any solver. Exit code 1 where something disagrees."""
    from optimizer.audit import verify as recompute
    from optimizer.instance.load import read
    from optimizer.result import Result

    result = Result.load(plan)
    report = recompute(read(result.data, plan), result)
    if json:
        import json as text

        typer.echo(text.dumps(report.to_dict() | {"plan": plan, "status": result.status}, indent=1))
    else:
        from optimizer.report.audit import show_audit

        show_audit(plan, result, report)
    raise typer.Exit(common.SURVIVES if report.ok else common.INTERNAL)
