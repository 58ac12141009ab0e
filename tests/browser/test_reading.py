"""The report for readers of all kinds: by keyboard, by ear, on paper, in light and dark."""

import io
import itertools
import unicodedata
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader

from tests.browser.conftest import FIGURES, THEMES, Open, drawn
from tests.browser.scripts import AT_READY, BAND_ENDS, CONTRAST, FOCUSED, LANDMARKS


def test_slider_stays_in_sight_and_moves_the_figure_that_is_read(opened: Open, file: Path) -> None:
    page = opened(file).page
    page.wait_for_selector("html[data-drawn]")
    page.evaluate("document.getElementById('cost').scrollIntoView()")
    top, bottom = page.evaluate("(box => [box.top, box.bottom])($('slider-box').getBoundingClientRect())")
    assert top == 0
    assert page.evaluate("$('cost-h').getBoundingClientRect().top") >= bottom
    assert "SURVIVES both shocks; outlay 11.5M USD, 13.6M USD beyond the no-shock plan" in page.inner_text(
        "#slider-says"
    )
    page.locator("#slider").press("Home")
    assert "FAILS in 2 of 2 shocks; outlay 0 USD, nothing beyond the no-shock plan" in page.inner_text("#slider-says")
    assert page.evaluate("$('slider-box').getBoundingClientRect().top") == 0


def test_every_stop_of_the_keyboard_is_seen(opened: Open, file: Path) -> None:
    page = opened(file).page
    page.wait_for_selector("html[data-drawn]")
    assert page.evaluate("[...document.querySelectorAll('*')].filter(each => each.tabIndex > 0).length") == 0
    seen = set[str]()
    for _ in range(80):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop["name"].startswith("BODY"):
            break
        seen.add(stop["name"])
        assert stop["outlined"], stop
        assert not stop["hidden"], stop
    assert {"slider", "theme", "print", "chain-path", "commodity", "lasting-year", "find", "assumed"} <= seen
    assert len([name for name in seen if name.startswith("cell ")]) == 1


def test_theme_goes_round_and_is_painted(opened: Open, file: Path) -> None:
    page = opened(file).page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: light"
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: dark"
    assert page.evaluate(ground) != "rgb(255, 255, 255)"


def test_page_that_is_printed_at_once_is_whole_too(chromium: Browser, file: Path) -> None:
    page = chromium.new_page()
    page.add_init_script(
        AT_READY.replace("DO", "window.dispatchEvent(new Event('beforeprint')); window.left = due.size;")
    )
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("window.left") == 0
    for figure in FIGURES:
        assert page.locator(f"#{figure} svg.main-svg").count() >= 1, figure
    page.close()


def test_captions_say_what_is_shown_on_paper_as_well(opened: Open, file: Path) -> None:
    page = opened(file).page
    page.select_option("#chain-path", "embargo@2029")
    assert "in embargo · 2029, 2029; bands" in page.inner_text("#sankey-caption")
    page.check("input[value=parts]")
    assert "all costs" in page.inner_text("#waterfall-caption")
    assert "magnets" in page.inner_text("#shares-caption")
    for figure in FIGURES:
        assert "USD of 2025" in page.inner_text(f"#{figure}-caption"), figure


def test_paper_is_light_and_whole(opened: Open, file: Path) -> None:
    made = opened(file, 1280, "dark")
    drawn(made.page)
    made.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert made.page.evaluate("document.documentElement.dataset.theme") == "light"
    assert made.page.evaluate("due.size") == 0
    # At once, without waiting: all that is drawn lies on the paper, places at the ends of their bands.
    for figure in FIGURES:
        assert float(made.page.locator(f"#{figure} svg.main-svg").first.get_attribute("width") or 0) == 680, figure
    ends = made.page.evaluate(BAND_ENDS)
    assert ends["places"] == pytest.approx(ends["bands"], abs=16)
    made.page.emulate_media(media="print")
    assert not made.page.locator("#slider").is_visible()
    assert made.page.pdf(format="A4").startswith(b"%PDF")
    made.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert made.page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert made.complaints == []


def test_readers_of_all_kinds_find_their_way(opened: Open, file: Path) -> None:
    page = opened(file).page
    drawn(page)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for figure in FIGURES:
        assert page.inner_text(f"#{figure}-alt"), figure
        assert page.locator(f"#{figure}[role=img][aria-labelledby][aria-describedby]").count() == 1
        assert page.locator(f"#{figure}-table table").count() >= 1, figure
    # Every control has a name, and every field a label.
    nameless = """[...document.querySelectorAll('button, select, input, summary')].filter(each =>
        !(each.textContent.trim() || each.getAttribute('aria-label') || (each.labels && each.labels.length))).length"""
    assert page.evaluate(nameless) == 0
    # No two landmarks share a name, and every table says what it is.
    names = page.evaluate(LANDMARKS)
    assert len(names) == len(set(names))
    assert page.evaluate(
        "[...document.querySelectorAll('table')].every(each => each.caption && each.caption.textContent)"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("budget", [0, 2])
def test_contrast_of_text_is_enough(opened: Open, file: Path, theme: str, budget: int) -> None:
    page = opened(file, 1280, theme).page
    drawn(page)
    page.evaluate(f"go({budget})")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("which", ["file", "firm", "futures"])
def test_brief_is_the_first_printed_page(opened: Open, request: pytest.FixtureRequest, which: str) -> None:
    page = opened(request.getfixturevalue(which)).page
    pages = PdfReader(io.BytesIO(page.pdf(format="A4"))).pages
    # Printed ligatures are letters again.
    first, second, *_ = [unicodedata.normalize("NFKC", each.extract_text()) for each in pages]
    # The briefs of single futures are hidden.
    headings = [each.inner_text() for each in page.locator(".brief h3").all() if each.is_visible()]
    assert headings
    assert [each for each in headings if each not in first] == []
    last = page.locator("#brief-confidence p").last.inner_text()
    assert "".join(last.split()) in "".join(first.split())
    assert "How sure this is" not in second


def test_brief_is_of_the_plan_at_hand_whatever_budget_is_chosen(opened: Open, file: Path) -> None:
    page = opened(file).page
    assert not page.locator("#brief-note").is_visible()
    before = page.inner_text("#brief")
    page.locator("#slider").press("Home")
    assert page.locator("#brief-note").is_visible()
    assert page.inner_text("#brief") == before
    page.click("#own")
    assert not page.locator("#brief-note").is_visible()
