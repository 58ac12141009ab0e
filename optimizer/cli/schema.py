"""diversify schema: the instance format as JSON Schema, for editors."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common, options


def command(
    output: Annotated[
        Path | None, options.answer_option("--output", "-o", metavar="FILE", help="Write to this file, not to stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of instance files, for editors.

    Example: diversify schema --output instance.schema.json
    Manual:  docs/reference/format.md
    """
    from optimizer.io.json_schema import dump_schema

    if output is None:
        typer.echo(dump_schema(), nl=False)
        return
    common.check_answer(output, "--output")
    common.write_answer(output, dump_schema())
