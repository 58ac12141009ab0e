"""diversify show: print a saved plan again, without solving."""

from typing import Annotated

import typer

from optimizer.cli import common


@common.guarded
def show(
    plan: Annotated[str, typer.Argument(help="A plan file, as `solve --output` writes it.")],
    every: common.Every = False,
    json: Annotated[bool, typer.Option("--json", help="Print the JSON object of `solve --json`.")] = False,
) -> None:
    """Print a saved plan as `solve` printed it."""
    from optimizer.result import Result

    result = Result.load(plan)
    if json:
        typer.echo(result.to_json(whole=False))
    else:
        from optimizer.report.whole import show as print_result

        with common.fitting(plan):
            print_result(result, every=every)
    raise typer.Exit(common.exit_code(result))
