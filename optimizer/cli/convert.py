"""diversify convert: an instance file as YAML, JSON or an Excel workbook."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer import arguments
from optimizer.cli import common, inputs, options


def command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Instance file, or a saved plan for the one in it.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A name that ends in .yaml, .yml, .json or .xlsx.")],
    overwrite: Annotated[bool, options.answer_option("--overwrite", help="Replace the target if it exists.")] = False,
) -> None:
    """Write an instance as YAML, JSON or an Excel workbook.

    Comments (not in JSON) and sources are kept; in a workbook, amounts become plain
    numbers. The result is checked to be the same instance.

    Example: diversify convert instances/tiny.yaml tiny.xlsx
    Manual:  docs/how-to/convert.md
    """
    from optimizer.io.load import FORMS, convert_file

    arguments.file_path("TARGET", target, FORMS)
    if target.exists() and (not overwrite or target.resolve() == source.resolve()):
        cure = "it is the source." if target.resolve() == source.resolve() else "say --overwrite to replace it."
        raise typer.BadParameter(f"{target} is there: {cure}", param_hint="TARGET")
    common.check_file(target, "TARGET")
    inputs.print_source(str(source))
    with common.writing(target):
        left_out = convert_file(source, target)
    if left_out:
        common.print_message(f"JSON has no comments: {left_out} {'was' if left_out == 1 else 'were'} left out.")
    common.print_message(f"wrote {target}")
