"""The layout of print figures: texts that can be read, colours that differ in grey, and legends of what is drawn."""

from itertools import combinations
from pathlib import Path

import pytest
import yaml
from matplotlib.text import Text

import optimizer as so
from optimizer.levers import KINDS
from optimizer.report.figures.canvas import TONE_LOOKS, lever_look, region_colours
from optimizer.report.figures.plot import DRAWN, Choice
from optimizer.report.figures.supply_chain import draw_dependence, draw_sankey
from optimizer.report.figures.survival import draw_heatmap, draw_stocks
from optimizer.report.figures.years import StockInShock, draw_drawdown
from optimizer.report.html.book import Book, book
from optimizer.results.plan import SourceShare
from optimizer.studies.comparison import single_point
from optimizer.studies.supply_chain import chain

TINY = Path(__file__).parent.parent / "instances" / "tiny.yaml"


def shown(data: object) -> Book:
    instance = so.read(data)
    return book(instance, single_point(instance, so.solve(instance)), every=True)


@pytest.fixture(scope="module")
def tiny() -> Book:
    # Between two countries, so that the map has names.
    return shown(yaml.safe_load(TINY.read_text().replace("rival", "china")) | {"home": "japan"})


def test_no_text_is_smaller_than_six_points(tiny: Book) -> None:
    for kind, draw in DRAWN.items():
        small = {text.get_text() for text in draw(tiny, Choice()).figure.findobj(Text) if text.get_fontsize() < 6}
        assert not small, kind


def test_names_in_the_supply_chain_do_not_overlap() -> None:
    # One place in each column, so that all names are at the same height; each is longer than a column is wide.
    stages = ("mine", "separation", "metal", "magnet")
    goods = ("ore", "oxide", "ingot", "motor")
    processes = {
        stage: {"region": "countries_beyond_the_sea", "stage": stage, "output": {made: 1}, "capacity": 10, "cost": 1}
        | ({"input": {taken: 1}} if taken else {})
        for stage, made, taken in zip(stages, goods, (None, *goods), strict=False)
    }
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2026, "step": "year"},
            "commodities": {good: {} for good in goods},
            "processes": processes,
            "demands": {"cars": {"commodity": "motor", "quantity": 10, "shortage_cost": 100}},
        }
    )
    result = so.solve(instance)
    assert result.baseline is not None
    drawn = chain(instance, result.baseline, instance.baseline, 0, 0)
    canvas = draw_sankey(instance, result, drawn, "baseline", region_colours(instance, []))
    canvas.figure.draw_without_rendering()
    names = [text.get_window_extent() for text in canvas.panels[0].texts]
    assert len(names) == 5
    assert not any(one.overlaps(other) for one, other in combinations(names, 2))


def test_text_of_a_cell_stays_within_it() -> None:
    # 12 segments of 100 t; 271.3 t of 1,200 t still come, so that some segment is served in part.
    data = so.load(TINY, ["policy.budget=0"]).to_dict()
    motors = data["demands"]["motors"] | {"survival": 0.5, "name": "Chip tools and other users of yttria"}
    name = "A ban with a name that fills its row, as many do"
    shock = {"name": name, "start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1 - 271.3 / 1200}]}
    imports = data["processes"]["imports"] | {"capacity": 1200}
    data |= {"demands": {f"motors_{i}": motors for i in range(12)}, "shocks": {"ban": shock}, "options": {}}
    drawn = shown(data | {"processes": data["processes"] | {"imports": imports}})
    canvas = draw_heatmap(drawn.instance, drawn.own.result, drawn.figure_rows, drawn.own.rows, drawn.unlisted)
    canvas.figure.draw_without_rendering()
    (panel,) = canvas.panels
    texts = {text.get_text().replace("\n", "") for text in panel.texts}
    assert "✗21.3/50" in texts, texts
    for text, cell in zip(panel.texts, panel.patches, strict=True):
        inner, outer = text.get_window_extent(), cell.get_window_extent()
        assert (outer.x0 <= inner.x0, inner.x1 <= outer.x1) == (True, True), text.get_text()
        assert (outer.y0 <= inner.y0, inner.y1 <= outer.y1) == (True, True), text.get_text()


def test_each_column_of_dependence_names_its_years_and_titles_are_whole(tiny: Book) -> None:
    title = "Samarium-cobalt alloy of clean origin for weapons"
    names = ("magnets", title, "c", "d", "e")
    shares = {name: (SourceShare(2026, {"china": 1.0}, {"china": 1.0}, 1.0),) for name in names}
    canvas = draw_dependence(tiny.instance, tiny.own.result, shares, {"china": ("#E69F00", "")})
    canvas.figure.draw_without_rendering()
    panels = [panel for panel in canvas.figure.axes if panel.get_visible()]
    named = [any(label.get_visible() for label in panel.get_xticklabels()) for panel in panels]
    # Two rows of three columns: the last column has one panel.
    assert named == [False, False, True, True, True]
    assert panels[1].get_title(loc="left").replace("\n", " ") == title


def grey(colour: str) -> float:
    """The brightness of a colour, 0 to 255, as a printer weighs it."""
    return sum(w * int(colour[i : i + 2], 16) for w, i in ((0.299, 1), (0.587, 3), (0.114, 5)))


def test_colours_of_one_pattern_differ_in_grey() -> None:
    data = yaml.safe_load(TINY.read_text())
    imports = data["processes"]["imports"]
    data["processes"] |= {f"imports_{i}": imports | {"region": f"region_{i}"} for i in range(6)}
    looks = [("#0072B2", ""), *region_colours(so.read(data), []).values()]
    assert len(set(looks)) == 8
    levers = {(look["facecolor"], look["hatch"]) for look in map(lever_look, KINDS)}
    tones = set(TONE_LOOKS.values())
    for both in (*combinations(set(looks), 2), *combinations(levers, 2), *combinations(tones, 2)):
        (one, pattern), (other, second) = both
        assert pattern != second or abs(grey(one) - grey(other)) > 50, both


def test_a_stock_looks_the_same_in_all_figures() -> None:
    data = so.load(TINY).to_dict()
    reserve = data["options"]["reserve"]
    data["options"]["second"] = reserve | {"initial": 10}
    drawn = shown(data)
    result = drawn.own.result
    outcome = result.shocks[0]
    assert outcome.flows is not None
    over_time = (
        draw_stocks(drawn.instance, result, drawn.own.stocks, drawn.figure_rows, drawn.own.rows, 0).panels[0].lines
    )
    stocks = [StockInShock(o, o, 10.0, (5.0, 1.0), 9.0) for o in ("second", "reserve")]
    in_shock = draw_drawdown(drawn.instance, result, outcome, stocks).panels[0].lines
    looks = [[(line.get_color(), line.get_linestyle()) for line in lines] for lines in (over_time, in_shock)]
    assert looks[0] == looks[1][::-1]
    page = drawn.to_dict()["points"][drawn.frontier.own]["stock_looks"]
    assert [(page[o]["color"], page[o]["linestyle"]) for o in ("reserve", "second")] == looks[0]
    assert len(set(looks[0])) == 2


def test_legend_of_a_map_has_only_what_is_drawn(tiny: Book) -> None:
    nowhere = shown(yaml.safe_load(TINY.read_text()))
    assert DRAWN["map"](nowhere, Choice()).figure.legends == []
    (legend,) = DRAWN["map"](tiny, Choice()).figure.legends
    assert len(legend.get_texts()) == 4


def test_axes_have_the_separators_of_the_texts(tiny: Book) -> None:
    data = tiny.instance.to_dict()
    data["demands"]["motors"]["quantity"] = 2000
    data["options"]["reserve"] |= {"initial": 2000, "max_size": 2000}
    drawn = shown(data)
    for kind in ("path", "sources", "stock"):
        figure = DRAWN[kind](drawn, Choice()).figure
        figure.draw_without_rendering()
        said = [label.get_text() for panel in figure.axes for label in panel.get_yticklabels()]
        assert "1,000" in said, kind
