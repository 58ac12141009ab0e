"""The report in a real browser: quiet, alone, quick to open, and everything on it answers to mouse and keyboard."""

import itertools
import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

from optimizer.report.figures.book import Book
from optimizer.units import si
from tests.browser.conftest import Open

FIGURES = ("frontier", "path", "sankey", "stocks", "shares", "waterfall")
WIDTHS = (1280, 390)
THEMES = ("light", "dark")


def drawn(page: Page) -> None:
    """Draw what is below the screen as well."""
    page.evaluate("drawAll()")


def point(page: Page) -> int:
    return int(page.evaluate("state.point"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("which", ["file", "firm"])
def test_page_is_quiet_asks_for_nothing_and_fits(
    opened: Open, request: pytest.FixtureRequest, which: str, width: int, theme: str
) -> None:
    file = request.getfixturevalue(which)
    made = opened(file, width, theme)
    drawn(made.page)
    for figure in FIGURES if which == "file" else FIGURES[1:]:
        assert made.page.locator(f"#{figure} svg.main-svg").count() >= 1, figure
    assert made.page.evaluate("document.documentElement.dataset.theme") == theme
    assert made.page.evaluate("document.documentElement.scrollWidth") <= width
    assert made.asked == [file.as_uri()]
    assert made.complaints == []
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        made.page.screenshot(path=Path(folder) / f"{which}-{width}-{theme}.png", full_page=True)


def test_page_is_small(file: Path) -> None:
    assert file.stat().st_size < 6e6


def test_answer_stands_there_before_any_script_has_run(opened: Open, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    before = text[: text.index("<script>")]
    assert "every survival floor holds in all 2 shocks" in before
    assert "home magnet plant" in before


def test_slider_moves_plan_survival_and_cost_together(opened: Open, file: Path, report: Book) -> None:
    page = opened(file).page
    slider = page.locator("#slider")
    assert point(page) == 2
    assert "the plan at hand" in (slider.get_attribute("aria-valuetext") or "")
    sentence = page.inner_text("#sentence")
    slider.press("ArrowLeft")
    assert point(page) == 1
    poor = report.sheets[1].result
    assert "survival floors fail in 2 of 2 shocks" in page.inner_text("#sentence")
    assert si(poor.total_cost, "USD", 4) in page.inner_text("#facts")
    assert page.locator("#heat .fail").count() == 2
    assert page.locator("#timeline .row:not(.head)").count() == len(report.sheets[1].moves)
    slider.press("Home")
    assert "With nothing bought" in page.inner_text("#sentence")
    assert page.inner_text("#timeline") == "Nothing is bought."
    page.click("#own")
    assert page.inner_text("#sentence") == sentence
    assert page.locator("#heat .fail").count() == 0


def test_click_and_keys_open_the_path_behind_a_cell(opened: Open, file: Path) -> None:
    made = opened(file)
    page = made.page
    page.locator("#heat button").nth(1).click()
    assert "motors in embargo · 2029" in page.inner_text("#path-h")
    assert page.locator("#path-table tbody tr").count() == 2
    page.click("#path-figure summary")
    # 100 t asked, 20 made, 50 from stock: 70 %, the floor.
    row = page.locator("#path-table tbody tr").first.inner_text().split("\t")
    assert row == ["2029", "100", "70", "0", "30", "70.0 %", "70.0 %", "✓ yes"]
    page.locator("#heat button").nth(1).press("ArrowUp")
    page.keyboard.press("Enter")
    assert "motors in embargo · 2027" in page.inner_text("#path-h")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert made.complaints == []


def test_chain_shows_peace_and_shocks_at_both_ends(opened: Open, file: Path) -> None:
    page = opened(file).page
    drawn(page)
    assert "100 % are served" in page.inner_text("#chain-note")
    page.select_option("#chain-path", "embargo@2029")
    page.select_option("#chain-when", "1")
    assert "70 % are served" in page.inner_text("#chain-note")
    page.select_option("#chain-unit", "3")
    page.click("#sankey-figure summary")
    rows = [row.split("\t") for row in page.locator("#sankey-table tbody tr").all_inner_texts()]
    assert ["from stock", "motors", "magnets", "50", "50.0 %"] in rows
    assert ["NOT SERVED", "motors", "magnets", "30", "30.0 %"] in rows


def test_other_controls_change_what_they_say(opened: Open, file: Path) -> None:
    made = opened(file)
    page = made.page
    drawn(page)
    assert "price of survival: 13.6M USD" in page.inner_text("#waterfall-alt")
    page.check("input[value=parts]")
    assert "total cost: 43.6M USD" in page.inner_text("#waterfall-alt")
    months = page.locator("#lasting-rows .row:not(.head) .far").first
    assert months.inner_text() == "0 → 24.0"
    page.select_option("#lasting-year", "0")
    assert months.inner_text() == "0 → 0"
    page.fill("#find", "two years to build")
    assert page.inner_text("#found") == "1 statement found."
    assert made.complaints == []


def test_theme_goes_round_and_is_painted(opened: Open, file: Path) -> None:
    page = opened(file).page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: light"
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: dark"
    assert page.evaluate(ground) != "rgb(255, 255, 255)"


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


def test_numbers_are_written_as_the_tables_write_them(opened: Open, file: Path) -> None:
    page = opened(file).page
    values = [0, 1, -1.5, 0.0123, 7.712e9, 999_949, 999_950, 12_345, 9_999, 10_000, 1e-7, -3.2e6, 123.456, 2_500, 1e15]
    for digits in (3, 4):
        said = page.evaluate("([values, digits]) => values.map(value => si(value, 't', digits))", [values, digits])
        assert said == [si(value, "t", digits) for value in values]


def test_data_on_the_page_are_those_of_the_command(opened: Open, file: Path, report: Book) -> None:
    page = opened(file).page
    embedded = page.evaluate("document.getElementById('data').textContent")
    assert json.loads(embedded) == report.to_dict()


def test_readers_of_all_kinds_find_their_way(opened: Open, file: Path) -> None:
    page = opened(file).page
    drawn(page)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName[1]))")
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
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


BAND_ENDS = """() => {
    const right = kind => Math.max(...[...document.querySelectorAll('#sankey ' + kind)]
        .map(each => each.getBoundingClientRect().right));
    return {places: right('.node-rect'), bands: right('.sankey-link')};
}"""

CONTRAST = """() => {
    const parse = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const ground = element => {
        for (let each = element; each; each = each.parentElement) {
            const colour = parse(getComputedStyle(each).backgroundColor);
            if (colour.length < 4 || colour[3] > .99) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        if (!own || element.closest('svg, script, style') || !element.getClientRects().length) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} "${element.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
    }
    return poor;
}"""  # noqa: E501


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("budget", [0, 2])
def test_contrast_of_text_is_enough(opened: Open, file: Path, theme: str, budget: int) -> None:
    page = opened(file, 1280, theme).page
    drawn(page)
    page.evaluate(f"go({budget})")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate(CONTRAST) == []
