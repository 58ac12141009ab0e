"""diversify show: print a saved plan again, without solving."""

from typing import Annotated

import typer

from optimizer.cli import common


@common.guarded
def show(
    plan: Annotated[str, typer.Argument(help="A plan file, as `solve --output` writes it.")],
    json: Annotated[bool, typer.Option("--json", help="Print the JSON object of `solve --json`.")] = False,
) -> None:
    """Print a saved plan as `solve` printed it; exit code 1 if the plan was changed since it was solved."""
    from dataclasses import replace

    from optimizer.instance.load import read
    from optimizer.result import Result

    result = Result.load(plan)
    changes = common.doubts(read(result.data, plan), result)
    for change in changes:
        common.say(change)
    result = replace(result, notes=(*changes, *result.notes))
    if json:
        typer.echo(result.to_json(whole=False))
    else:
        from optimizer.report.whole import show as print_result

        with common.fitting(plan):
            print_result(result)
    raise typer.Exit(common.INTERNAL if changes else common.exit_code(result))
