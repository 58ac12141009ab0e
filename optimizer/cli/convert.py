"""diversify convert: an instance file as YAML, JSON or an Excel workbook."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common, sources, targets


@common.guarded
def convert(
    source: Annotated[
        Path, typer.Argument(help="Instance file (YAML, JSON, Excel), or a saved plan for the one inside it.")
    ],
    target: Annotated[Path, typer.Argument(help="What to write: a name that ends in .yaml, .json or .xlsx.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the target where it is there.")] = False,
) -> None:
    """Write an instance in another form, its comments and sources kept; the result is checked to be the same instance.

    A workbook has a sheet a table and a column a field; every command that reads an instance reads it too.
    """
    from optimizer.io.convert import FORMS, convert

    if target.suffix.lower() not in FORMS:
        raise typer.BadParameter(f"write a name that ends in {', '.join(FORMS)}.", param_hint="TARGET")
    if target.exists() and (not overwrite or target.resolve() == source.resolve()):
        cure = "it is the source." if target.resolve() == source.resolve() else "say --overwrite to replace it."
        raise typer.BadParameter(f"{target} is there: {cure}", param_hint="TARGET")
    targets.check_file(target, "TARGET")
    sources.say_source(str(source))
    with targets.writing(target):
        left_out = convert(source, target)
    if left_out:
        common.say(f"JSON has no comments: {left_out} were left out.")
    common.say(f"wrote {target}")
