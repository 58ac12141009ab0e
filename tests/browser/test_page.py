"""The report in a real browser: quiet, alone, quick to open, and everything on it answers to mouse and keyboard."""

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import optimizer as so
from optimizer.report.document import page as written
from optimizer.report.html.book import Book, book
from optimizer.studies.comparison import single_point
from optimizer.units import si
from tests.browser.conftest import FIGURES, THEMES, WIDTHS, Open, drawn
from tests.browser.scripts import AT_READY, CONTRAST


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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("which", "pictures", "charts"), [("futures", 1, 1), ("fails", 4, 0)])
def test_studies_and_futures_fit_in_both_themes(
    opened: Open, request: pytest.FixtureRequest, which: str, pictures: int, charts: int, width: int, theme: str
) -> None:
    file = request.getfixturevalue(which)
    made = opened(file, width, theme)
    page = made.page
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate("[...document.querySelectorAll('img.drawn')].map(each => [each.naturalWidth, each.width])")
    assert len(sizes) == pictures
    assert page.locator("section[id^=with-] .bars").count() == charts
    # Drawn, and never smaller than it can be read.
    assert all(natural > 0 and shown >= 780 for natural, shown in sizes)
    assert page.evaluate(CONTRAST) == []
    assert [each for each in made.asked if not each.startswith("data:")] == [file.as_uri()]
    assert made.complaints == []
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{which}-{width}-{theme}.png", full_page=True)


def test_page_of_futures_follows_its_button_and_is_light_on_paper(opened: Open, futures: Path) -> None:
    page = opened(futures, 1280, "dark").page
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: dark"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_page_is_small(file: Path) -> None:
    assert file.stat().st_size < 6e6


def test_answer_stands_there_before_any_script_has_run(opened: Open, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    before = text[: text.index("<script>")]
    assert "every survival floor holds in both shocks" in before
    assert "<li>embargo (2027, 2029)</li>" in before
    assert "home magnet plant" in before


def test_answer_is_painted_before_the_library_is_read(chromium: Browser, file: Path) -> None:
    page = chromium.new_page()
    page.add_init_script(
        AT_READY.replace("DO", "window.early = [typeof Plotly, document.getElementById('lives').innerText];")
    )
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    library, lives = page.evaluate("window.early")
    assert library == "undefined"
    assert "Survived" in lives
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_below_the_screen_is_drawn_without_being_scrolled_to(opened: Open, file: Path, width: int) -> None:
    page = opened(file, width).page
    page.wait_for_selector("html[data-drawn]")
    for figure in FIGURES:
        assert page.locator(f"#{figure} svg.main-svg").count() >= 1, figure
    page.locator("#slider").press("ArrowLeft")
    page.wait_for_selector("html[data-drawn]")


def test_figures_follow_the_width_of_their_place(opened: Open, file: Path) -> None:
    page = opened(file, 900).page
    drawn(page)
    page.evaluate("document.querySelector('main').style.width = '380px'")
    page.wait_for_timeout(300)
    for figure in ("stocks", "shares", "waterfall"):
        assert page.evaluate(f"$('{figure}')._fullLayout.width") <= 380, figure


def test_stock_is_drawn_above_the_name_of_its_year(opened: Open, file: Path) -> None:
    page = opened(file).page
    drawn(page)
    ticks, named = page.evaluate("[$('stocks').layout.xaxis.tickvals, $('stocks').layout.xaxis.ticktext]")
    xs, ys = page.evaluate("[$('stocks').data[0].x, $('stocks').data[0].y]")
    shown = {year: ys[max(i for i, x in enumerate(xs) if x <= place)] for year, place in zip(named, ticks, strict=True)}
    assert shown == {"2026": 60, "2027": 60, "2028": 100, "2029": 100, "2030": 100}
    page.click("#stocks-figure summary")
    rows = [row.split("\t") for row in page.locator("#stocks-table tbody tr").all_inner_texts()]
    assert rows == [["magnet reserve", *(str(tonnes) for tonnes in shown.values())]]


def test_amounts_beside_the_bars_add_up_and_stay_on_the_page(opened: Open, file: Path) -> None:
    page = opened(file, 390).page
    drawn(page)
    said = page.evaluate("$('waterfall').layout.annotations.map(each => each.text)")
    assert said == page.evaluate("now().beyond.map(step => si(step.amount, book.money, 4))")
    ends = (
        "[...document.querySelectorAll('#waterfall .annotation-text')].map(each => each.getBoundingClientRect().right)"
    )
    assert max(page.evaluate(ends)) <= page.evaluate("$('waterfall').getBoundingClientRect().right")


def test_words_of_a_figure_follow_the_budget_before_it_is_drawn(opened: Open, file: Path) -> None:
    page = opened(file).page
    page.wait_for_selector("html[data-drawn]")
    said = page.evaluate("(() => { go(0); return [due.has('waterfall'), $('waterfall-alt').textContent]; })()")
    assert said == [True, "price of the plan: 0 USD."]


def test_slider_moves_plan_survival_and_cost_together(opened: Open, file: Path, report: Book) -> None:
    page = opened(file).page
    slider = page.locator("#slider")
    assert point(page) == 2
    assert "the plan at hand" in (slider.get_attribute("aria-valuetext") or "")
    sentence = page.inner_text("#sentence")
    slider.press("ArrowLeft")
    assert point(page) == 1
    poor = report.views[1].result
    assert "survival floors fail in 2 of 2 shocks" in page.inner_text("#sentence")
    assert si(poor.total_cost, "USD", 4) in page.inner_text("#facts")
    # The two starts of the embargo are one row.
    assert page.locator("#heat .fail").count() == 1
    assert page.locator("#heat tbody th").all_inner_texts() == ["✗ embargo\n2 of 2 fail, worst 2029"]
    assert page.locator("#timeline .row:not(.head)").count() == len(report.views[1].moves)
    assert " of the budget of 5M USD" in page.inner_text("#facts")
    slider.press("Home")
    assert "under a budget of 0 USD" in page.inner_text("#facts")
    assert "With nothing bought" in page.inner_text("#sentence")
    assert page.inner_text("#timeline") == "Nothing is bought."
    # The plan at hand is the best of any budget too; of its 20M it spends 11.5M.
    slider.press("End")
    assert "11.5M USD, undiscounted; no budget is set" in page.inner_text("#facts")
    page.click("#own")
    assert "58 % of the budget of 20M USD" in page.inner_text("#facts")
    assert page.inner_text("#sentence") == sentence
    assert page.locator("#heat .fail").count() == 0


def test_cells_of_segments_that_are_served_in_full_have_the_colour_of_the_legend(opened: Open, tmp_path: Path) -> None:
    instance = so.load(Path(__file__).parent.parent / "faults" / "families.yaml")
    file = tmp_path / "families.html"
    file.write_text(
        written(book(instance, single_point(instance, so.solve(instance, 4e6))).to_dict()), encoding="utf-8"
    )
    page = opened(file).page
    known = page.evaluate("CLASSES.map(([kind]) => kind)")
    cells = page.evaluate(
        "[...document.querySelectorAll('#heat button')].map(each => [each.className, each.innerText])"
    )
    assert {kind for kind, _ in cells} <= set(known)
    # Of these some are in no line of the plan, such as that of the strike.
    assert {kind for kind, text in cells if text.startswith("full")} == {"full"}


def test_click_and_keys_open_the_path_behind_a_cell(opened: Open, file: Path) -> None:
    made = opened(file)
    page = made.page
    assert page.locator("#heat button").count() == 1
    page.click("#heat-fold")
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


def test_chain_shows_baseline_and_shocks_at_both_ends(opened: Open, file: Path) -> None:
    page = opened(file).page
    drawn(page)
    assert "Of 100 t a year of demand 100 % is served" in page.inner_text("#chain-note")
    page.select_option("#chain-path", "embargo@2029")
    page.select_option("#chain-when", "1")
    assert "70 % is served" in page.inner_text("#chain-note")
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
    # In 2027, when the first shock begins; in its worst year, when nothing is there yet; and in 2030, the last.
    assert months.inner_text() == "0 → 24.0"
    page.select_option("#lasting-year", "worst")
    assert months.inner_text() == "0 → 0"
    page.select_option("#lasting-year", "4")
    assert months.inner_text() == "0 → 24.0"
    page.fill("#find", "two years to build")
    assert page.inner_text("#found") == "1 statement found."
    assert made.complaints == []


def test_numbers_are_written_as_the_tables_write_them(opened: Open, file: Path) -> None:
    page = opened(file).page
    # 8.625M and 10.25k lie just between two: both are rounded away from zero.
    values = [
        8_625_000,
        10_250,
        4_450_000,
        2.5,
        0,
        1,
        -1.5,
        0.0123,
        7.712e9,
        999_949,
        999_950,
        12_345,
        9_999,
        10_000,
        1e-7,
        -3.2e6,
        123.456,
        2_500,
        1e15,
    ]
    for digits in (3, 4):
        said = page.evaluate("([values, digits]) => values.map(value => si(value, 't', digits))", [values, digits])
        assert said == [si(value, "t", digits) for value in values]


def test_data_on_the_page_are_those_of_the_command(opened: Open, file: Path, report: Book) -> None:
    page = opened(file).page
    embedded = page.evaluate("document.getElementById('data').textContent")
    assert json.loads(embedded) == report.to_dict()


def test_brief_and_heads_need_no_scrolling_at_the_width_of_a_tablet(opened: Open, firm: Path) -> None:
    page = opened(firm, 1024).page
    drawn(page)
    hidden = "[...document.querySelectorAll('#answer .scroll')].filter(each => each.scrollWidth > each.clientWidth)"
    assert page.evaluate(f"{hidden}.map(each => each.innerText)") == []
    heads = "[...document.querySelectorAll('#plan thead th')].map(each => getComputedStyle(each).whiteSpace)"
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert set(page.evaluate(heads)) == {"normal"}


def test_names_of_shocks_beside_the_stocks_and_of_segments_have_room(opened: Open, firm: Path) -> None:
    page = opened(firm, 390).page
    drawn(page)
    lanes = page.evaluate("heatRows().length")
    # A name is 10 pixels high, and the axis has half a lane more than there are lanes.
    assert page.evaluate("$('stocks')._fullLayout.yaxis2._length") >= 12 * lanes
    labels = page.evaluate("$('sankey').data[0].node.label")
    assert max(len(line) for label in labels for line in label.split("<br>")) <= 40
    assert any("<br>" in label for label in labels)
    assert "100 %" in page.evaluate("$('shares').layout.yaxis.ticktext")
