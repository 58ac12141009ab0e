"""The pictures of the manual, made by the tool itself: `python -m tests.manual --figures`."""

import os
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from optimizer.cli.app import app
from tests.browser import browser

ROOT = Path(__file__).parent.parent
TINY = str(ROOT / "instances" / "tiny.yaml")
IMAGES = ROOT / "docs" / "images"
PLOTS = {
    "timeline.svg": ("timeline",),
    "path.svg": ("path", "--shock", "embargo@2029"),
    "frontier.svg": ("frontier",),
}


def draw() -> None:
    """Draw all pictures anew; the screen of the report needs a browser."""
    with tempfile.TemporaryDirectory() as folder:
        plan, page = Path(folder) / "plan.json", Path(folder) / "report.html"
        _run("solve", TINY, "--output", str(plan))
        for name, words in PLOTS.items():
            _run("plot", str(plan), *words, "--output", str(IMAGES / name))
        _run("report", str(plan), "--output", str(page))
        _photograph(page, IMAGES / "report.png")


def _run(*words: str) -> None:
    done = CliRunner().invoke(app, words)
    if done.exit_code:
        raise AssertionError(f"{' '.join(words)}: {done.output}")


def _photograph(page: Path, target: Path) -> None:
    """The first screen of a page, small enough for a README."""
    with browser() as opened:
        view = opened.new_page(viewport={"width": 1100, "height": 720}, color_scheme="light")
        view.goto(page.as_uri())
        view.screenshot(path=os.fspath(target))
