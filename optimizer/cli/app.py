"""All commands under one name. Nothing heavy is imported before a command runs."""

from typing import Annotated

import typer

from optimizer.cli import (
    alternatives,
    attack,
    check,
    compare,
    convert,
    explain,
    export,
    init,
    plot,
    report,
    schema,
    sensitivity,
    show,
    solve,
    stress,
    survive,
    verify,
)

app = typer.Typer(
    name="diversify",
    help="The cheapest set of moves that lets a country survive being cut off, and what each dollar buys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("solve")(solve.solve)
app.command("show")(show.show)
app.command("verify")(verify.verify)
app.command("stress")(stress.stress)
app.command("explain")(explain.explain)
app.command("survive")(survive.survive)
app.command("alternatives")(alternatives.alternatives)
app.command("sensitivity")(sensitivity.sensitivity)
app.command("compare")(compare.compare)
app.command("attack")(attack.attack)
app.command("export")(export.export)
app.command("convert")(convert.convert)
app.command("report")(report.report)
app.command("plot")(plot.plot)
app.command("schema")(schema.schema)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"diversify {version('optimizer')} (PuLP {version('pulp')}, HiGHS {version('highspy')})")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Name tool, PuLP and solver.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
