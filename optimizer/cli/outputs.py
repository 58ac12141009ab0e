"""Where a command writes. What cannot be written to is refused before anything is searched for."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer

from optimizer.cli.common import fail, print_message
from optimizer.errors import ExitCode
from optimizer.extras import require_extra, require_extra_for
from optimizer.files import INSTANCES, write_whole


def check_file(path: Path | None, option: str, *sources: str | Path | None, extra: str | None = None) -> None:
    """Refuse, as usage, a path that cannot be written as a file, and a file that this command reads.

    `extra` is what the file needs where its suffix does not say so.

    Raises:
        MissingExtraError: files of this form need an extra that is not installed.
    """
    if path is None:
        return
    if extra is None:
        require_extra_for(path)
    else:
        require_extra(extra, path.name)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file.", param_hint=option)
    if path.exists() and not path.is_file():
        raise typer.BadParameter(f"{path} is not a file that can be written.", param_hint=option)
    if any(path.resolve() == Path(source).resolve() for source in sources if source is not None):
        raise typer.BadParameter(f"{path} is read by this command; name another file.", param_hint=option)
    _check_room(path.parent, option)


def check_answer(path: Path | None, option: str, *sources: str | Path | None) -> None:
    """The same; and refuse a name that looks like an instance's: an answer never replaces an instance."""
    check_file(path, option, *sources)
    if path is not None and path.suffix.lower() in INSTANCES:
        form = ".csv or .parquet" if option in ("--csv", "--parquet") else ".json"
        what = f"{path} would be taken for an instance; write a name that ends in {form}."
        raise typer.BadParameter(what, param_hint=option)


def check_folder(path: Path | None, option: str) -> None:
    """Refuse, as usage, a path that cannot be written into as a folder."""
    if path is not None:
        _check_room(path, option)


def _check_room(folder: Path, option: str) -> None:
    """Check that files can be written below a folder, by the nearest one that exists: the others are made later."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise typer.BadParameter(f"{there} is not a folder.", param_hint=option)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        what = f"nothing can be written into {there}: {error.strerror}."
        raise typer.BadParameter(what, param_hint=option) from None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Fail, as usage, where a file cannot be written after all."""
    try:
        yield
    except OSError as error:
        fail(f"{error.filename or path}: {error.strerror or error}", ExitCode.USAGE)


def write_answer(path: Path, content: str | bytes) -> None:
    """Write a file whole, or fail; stderr says that it was written."""
    with writing(path):
        write_whole(path, content)
    print_message(f"wrote {path}")
