"""diversify init: a commented instance to start from."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common, targets


@common.guarded
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to write into; it is made where it is missing.")
    ],
) -> None:
    """Write instance.yaml, a small instance explained line by line, and the schema that editors read beside it.

    Nothing that is there is overwritten.
    """
    from optimizer.io.json_schema import starter_files

    targets.check_folder(folder, "DIR")

    made = {folder / name: text for name, text in starter_files().items()}
    there = [str(path) for path in made if path.exists()]
    if there:
        common.complain(
            f"{' and '.join(there)}: already there; nothing was written. Choose another folder.", common.USAGE
        )
    for path, text in made.items():
        targets.written(path, text)
    typer.echo(f"Read {folder / 'instance.yaml'} from its top; then: diversify solve {folder / 'instance.yaml'}")
