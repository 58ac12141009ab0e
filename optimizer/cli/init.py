"""diversify init: a commented instance to start from."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common
from optimizer.errors import ExitCode


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into; it is made if missing.")],
) -> None:
    """Write a commented instance to start from, and its schema.

    Nothing that exists is overwritten.

    Example: diversify init first
    Manual:  docs/tutorial.md
    """
    from optimizer.io.json_schema import starter_files

    common.check_folder(folder, "DIR")
    made = {folder / name: text for name, text in starter_files().items()}
    there = [str(path) for path in made if path.exists()]
    if there:
        what = f"{' and '.join(there)}: already there; nothing was written. Choose another folder."
        common.fail(what, ExitCode.USAGE)
    for path, text in made.items():
        common.write_answer(path, text)
    typer.echo(f"Read {folder / 'instance.yaml'} from its top; then: diversify solve {folder / 'instance.yaml'}")
