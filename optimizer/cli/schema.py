"""diversify schema: the instance format as JSON Schema, for editors."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common, targets


@common.guarded
def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this file instead of stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of instance files, by which an editor completes, explains and checks while one types."""
    from optimizer.io.json_schema import dump_schema

    if output is None:
        typer.echo(dump_schema(), nl=False)
        return
    targets.check_answer(output, "--output")
    targets.written(output, dump_schema())
