"""The manual's blocks: README.md, CONTRIBUTING.md and docs/, with the output that their commands print.

    python -m tests.manual            names every output that is not the one there is
    python -m tests.manual --update   writes the outputs that come out, and the generated reference pages
    python -m tests.manual --figures  draws the pictures anew (needs a browser for the report)

A `console` block holds commands; a `text` block right behind it shows what the last of them prints. The same holds for
a `python` block. A comment before the `text` block shortens it:

    <!-- output: from "Side by side" lines 12 -->

shows twelve lines from the first that holds these words on; an ellipsis stands for what is left out. Commands of one
page run in the order of the page, in one folder that holds copies of `instances/` and `examples/`.
"""

import argparse
import contextlib
import functools
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from optimizer.cli.app import app
from tests import reference

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if path.exists() and "_build" not in path.parts
)
WIDTH = 80
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_OUTPUT = re.compile(r'<!-- output:(?: from "(?P<start>[^"]*)")?(?: lines (?P<lines>\d+))? -->\n+$')
# The record of a run differs from machine to machine.
_RECORD = re.compile(r"^Audit: \d+ rows agree.*", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: the file.
        language: the word behind the fence.
        body: the text between the fences.
        start, end: where the body stands in the page.
        before: the text of the page before the fence.
    """

    page: Path
    language: str
    body: str
    start: int
    end: int
    before: str

    @property
    def name(self) -> str:
        """For tests: the page and the first line."""
        return f"{self.page.relative_to(ROOT)}: {self.body.partition(chr(10))[0]}"

    @property
    def commands(self) -> list[str]:
        """The commands of a console block."""
        return [line.removeprefix("$ ") for line in self.body.splitlines() if line.startswith("$ ")]


@dataclass(frozen=True)
class Shown:
    """A block that runs, and the output that the page shows of it, if any."""

    block: Block
    output: Block | None


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, found[1], found[2], found.start(2), found.end(2), text[: found.start()])
        for found in _FENCE.finditer(text)
    ]


def runnable(page: Path) -> list[Shown]:
    """The blocks of a page that run, in order, each with the output shown behind it."""
    found, shown = blocks(page), list[Shown]()
    for i, block in enumerate(found):
        if block.language not in ("console", "python"):
            continue
        following = found[i + 1] if i + 1 < len(found) else None
        shown.append(Shown(block, following if following is not None and _is_output_of(following, block) else None))
    return shown


def _is_output_of(block: Block, of: Block) -> bool:
    """Whether nothing but a comment stands between two blocks."""
    between = block.before[of.end + len("```\n") :]
    return block.language == "text" and re.fullmatch(r"\s*(<!-- output:[^>]*-->)?\s*", between) is not None


def shorten(printed: str, output: Block) -> str:
    """What the page shows of an output: without the record of the run, and as its comment says."""
    lines = [line.rstrip() for line in _RECORD.sub("", printed).rstrip().splitlines()]
    found = _OUTPUT.search(output.before)
    start, count = (found["start"], found["lines"]) if found else (None, None)
    first = 0
    if start:
        first = next((i for i, line in enumerate(lines) if start in line), -1)
        if first < 0:
            where = output.page.relative_to(ROOT)
            raise ValueError(f'{where}: no line of the output holds "{start}":\n{printed}')
    last = len(lines) if count is None else min(len(lines), first + int(count))
    return "\n".join([*["…"][: first > 0], *lines[first:last], *["…"][: last < len(lines)]]) + "\n"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder with a copy of the instances, in which the commands of a page run."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        for name in ("instances", "examples"):
            if (ROOT / name).exists():
                shutil.copytree(ROOT / name, Path(place) / name)
        os.chdir(place)
        try:
            yield Path(place)
        finally:
            os.chdir(before)


def run_page(page: Path) -> Iterator[tuple[Shown, str]]:
    """Run all blocks of a page; each with what it printed. Fails where a command fails."""
    names: dict[str, object] = {}
    with folder():
        for shown in runnable(page):
            if shown.block.language == "python":
                yield shown, _run_python(shown.block, names)
            else:
                yield shown, "".join([_run_command(each) for each in shown.block.commands][-1:])


def _run_command(command: str) -> str:
    """What a command of this tool prints; commands of other tools are not run."""
    words = shlex.split(command)
    if words[0] != "diversify":
        return ""
    environment = {"COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    if "--plugin" in words:
        # A process of its own: a lever that is registered stays registered.
        line = [sys.executable, "-m", "optimizer", *words[1:]]
        path = os.environ | environment | {"PYTHONPATH": str(ROOT)}
        process = subprocess.run(line, capture_output=True, text=True, check=False, env=path)
        code, printed, said = process.returncode, process.stdout, process.stderr
    else:
        done = CliRunner().invoke(app, words[1:], env=environment)
        code, printed, said = done.exit_code, done.stdout, done.output
    if code not in (0, 4):
        raise AssertionError(f"{command}: exit code {code}\n{said}")
    return printed


def _run_python(block: Block, names: dict[str, object]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.body, block.name, "exec"), names)
    return printed.getvalue()


@functools.cache
def outputs(page: Path) -> dict[int, str]:
    """By the place of each output in a page, what it should be."""
    return {
        shown.output.start: shorten(printed, shown.output)
        for shown, printed in run_page(page)
        if shown.output is not None
    }


def updated(page: Path) -> str:
    """The text of a page with the outputs that come out."""
    text = page.read_text(encoding="utf-8")
    wanted = outputs(page)
    for block in reversed(blocks(page)):
        if block.start in wanted:
            text = text[: block.start] + wanted[block.start] + text[block.end :]
    return text


def _differs(page: Path, text: str, *, is_written: bool) -> bool:
    """Whether a page is another text, which is written where `is_written`."""
    differs = page.read_text(encoding="utf-8") != text
    if differs and is_written:
        page.write_text(text, encoding="utf-8")
    return differs


def main(words: Sequence[str]) -> int:
    """Check or renew the pages."""
    parser = argparse.ArgumentParser(description="The outputs that the manual shows.")
    parser.add_argument("pages", nargs="*", type=Path, help="pages, all where none is named")
    parser.add_argument("--update", action="store_true", help="write what comes out")
    parser.add_argument("--figures", action="store_true", help="draw the pictures anew")
    given = parser.parse_args(words)
    if given.figures:
        from tests import figures

        figures.draw()
        return 0
    generated, stale = reference.pages(), list[Path]()
    for page in [path.resolve() for path in given.pages] or PAGES:
        is_stale = page in generated and _differs(page, generated[page], is_written=given.update)
        if _differs(page, updated(page), is_written=given.update) or is_stale:
            stale.append(page)
    for page in stale:
        sys.stdout.write(f"{'renewed' if given.update else 'not as it comes out'}: {page.relative_to(ROOT)}\n")
    return int(bool(stale) and not given.update)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
