"""Pages opened from disk in a real Chromium; what they ask for and complain of is noted."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page

import optimizer as so
from optimizer.io.load import comments_of
from optimizer.report.document import page as written
from optimizer.report.html.book import Book, book
from optimizer.studies.compare import frontier
from optimizer.studies.comparison import single_point
from tests.browser import browser

ROOT = Path(__file__).parent.parent.parent
TINY = ROOT / "instances" / "tiny.yaml"
FIGURES = ("frontier", "path", "sankey", "stocks", "shares", "waterfall")
WIDTHS = (1280, 390)
THEMES = ("light", "dark")


def drawn(page: Page) -> None:
    """Draw what is below the screen as well."""
    page.evaluate("drawAll()")


@dataclass
class Opened:
    """A page, what it complained of, and what it asked for beside itself."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    try:
        with browser() as opened:
            yield opened
    except Error as error:
        # On a machine that tests every change a missing browser is a failure.
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NO BROWSER, THE REPORT'S PAGE IS NOT TESTED: {error}")


@pytest.fixture(scope="session")
def report() -> Book:
    """That of the smallest instance, with the plans of three other budgets."""
    instance = so.load(TINY)
    result = replace(so.solve(instance), comments=comments_of(TINY))
    return book(instance, frontier(instance, result, [0.0, 5e6]))


@pytest.fixture(scope="session")
def file(report: Book, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(written(report.to_dict()), encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a shipped case: long names, months, several segments, no frontier."""
    instance = so.load(ROOT / "instances" / "ev-maker.yaml")
    result = so.solve(instance, settings=so.Settings(mip_gap=0.01))
    place = tmp_path_factory.mktemp("page") / "firm.html"
    place.write_text(written(book(instance, single_point(instance, result), is_quick=True).to_dict()), encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def futures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of several futures, with what it is worth to decide later."""
    study = so.futures_study(so.load(ROOT / "examples" / "wait_or_commit.yaml"), settings=so.Settings(jobs=1))
    place = tmp_path_factory.mktemp("page") / "futures.html"
    so.write_report(study.adaptive, place, studies=[study])
    return place


@pytest.fixture(scope="session")
def fails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one plan with the conditions under which it fails."""
    ranges = "ranges.demands.motors.quantity={low: 0.7, high: 1.2, of: value}"
    result = so.solve(so.load(TINY, [ranges, "ranges.options.plant.lead_time={low: 12, high: 48}"]))
    place = tmp_path_factory.mktemp("page") / "fails.html"
    so.write_report(result, place, studies=[so.discover(result, samples=400)])
    return place


Open = Callable[..., Opened]


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Open]:
    """Opens a file so wide, in light or dark, offline."""
    contexts = []

    def open_file(file: Path, width: int = 1280, scheme: str = "light") -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            offline=True,
            reduced_motion="reduce",
        )
        contexts.append(context)
        made = Opened(context.new_page())

        def hear(message: ConsoleMessage) -> None:
            made.complaints.append(f"{message.type}: {message.text}")

        made.page.on("console", hear)
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on("request", lambda request: made.asked.append(request.url))
        made.page.goto(file.as_uri())
        made.page.wait_for_selector("html[data-ready]")
        return made

    yield open_file
    for context in contexts:
        context.close()
