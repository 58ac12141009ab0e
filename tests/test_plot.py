"""Plots as files: what stands in them, for every kind, and what is refused."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.cli.page_studies import STUDIES
from optimizer.cli.plot import _KINDS as PROMISED
from optimizer.report.figures.plot import (
    DRAWN_KINDS,
    Choice,
    draw_frontier,
    draw_plot,
    draw_results,
    drawn_stocks,
    hardest_sources,
    maps_of,
)
from optimizer.report.figures.supply_chain import draw_dependence
from optimizer.report.figures.survival import draw_heatmap, draw_path, draw_stocks
from optimizer.report.figures.time_to_survive import draw_time_to_survive
from optimizer.report.figures.world_map import draw_map, map_table, place_of, world_map
from optimizer.report.figures.years import beyond, cost_steps, draw_waterfall, draw_years, years_of
from optimizer.report.html.book import Book, book
from optimizer.report.html.sections import plan_pictures
from optimizer.studies.compare import frontier
from optimizer.studies.comparison import single_point

TINY = Path(__file__).parent.parent / "instances" / "tiny.yaml"


@pytest.fixture(scope="module")
def result() -> so.Result:
    return so.solve(so.load(TINY))


@pytest.fixture(scope="module")
def tiny(result: so.Result) -> Book:
    instance = so.load(TINY)
    return book(instance, single_point(instance, result))


def words(picture: bytes) -> str:
    """The texts of an SVG: matplotlib notes each beside the outlines of its letters."""
    said = " ".join(re.findall(r"<!-- (.*?) -->", picture.decode(), re.DOTALL)).replace("&amp;", "&")
    return re.sub(r"\s+", " ", said)


def test_shocks_that_are_left_out_are_no_worse(tiny: Book) -> None:
    # With equal gaps and margins some that are left out are as bad as those that are shown.
    assert "27 more shocks are not shown: none of them is worse." in words(
        draw_plot(replace(tiny, unlisted=27), "survival", Choice(), "svg")
    )
    one = words(draw_plot(replace(tiny, unlisted=1), "survival", Choice(), "svg"))
    assert "1 more shock is not shown: it is no worse." in one


def test_kinds_that_the_command_promises_are_those_there_are() -> None:
    # Those of several futures and of studies are no figures of one plan.
    others = ("futures", "information", *(name for name in STUDIES if name != "futures"))
    assert set(others) <= set(PROMISED)
    assert tuple(kind for kind in PROMISED if kind not in others) == DRAWN_KINDS


@pytest.mark.parametrize("kind", DRAWN_KINDS)
def test_every_kind_states_the_currency_and_its_year(tiny: Book, kind: str) -> None:
    assert "USD of 2025" in words(draw_plot(tiny, kind, Choice(), "svg"))


@pytest.mark.parametrize(
    ("kind", "choice", "said"),
    [
        # 20 t/yr · 200k + 1M; 100 t · 65k.
        ("map", Choice(), ["Baseline, 2027: 100.0 % of all demand is served", "to them: rival 100 t/yr; home"]),
        # 20 t/yr · 200k + 1M and 60 t · 65k; then 40 t · 65k.
        ("years", Choice(), ["8.9M", "2.6M", "builds decided", "stock when it is bought"]),
        ("sources", Choice(), ["What serves", "In the baseline", "unserved", "Chosen: the segment and the shock"]),
        ("sources", Choice(shock="embargo@2029"), ["In embargo@2029", "Shock as asked for; chosen: the segment"]),
        ("sources", Choice(segment="motors"), ["What serves motors", "Segment as asked for; chosen: the shock"]),
        ("sources", Choice(shock="embargo@2029", segment="motors"), ["Shock and segment as asked for."]),
        ("drawdown", Choice(), ["Stocks in embargo", "magnet reserve: 100 t to 0 t", "before"]),
        ("timeline", Choice(), ["home magnet plant", "20 t/yr, 5M USD", "100 t, 6.5M USD", "lead time"]),
        ("survival", Choice(), ["✓ embargo: 2 shocks", "tightest 2027", "30/30", "motors", "(tightest)"]),
        ("path", Choice(shock="embargo@2029"), ["motors in embargo · 2029", "survival floor", "unserved"]),
        ("sankey", Choice(shock="embargo@2029", end=True), ["magnets, home", "from stock", "NOT SERVED", "2030"]),
        ("sankey", Choice(), ["magnets, rival", "in the baseline, 2026"]),
        ("stock", Choice(), ["magnet reserve", "embargo: 2 shocks"]),
        ("dependence", Choice(), ["magnets", "HHI 1.00", "rival"]),
        ("waterfall", Choice(), ["capex", "one-off fixed cost", "stock purchases", "price of survival", "13.6M USD"]),
        ("endurance", Choice(year=2028), ["magnets, rival", "0 → 24.0", "cut for good at the start of 2028"]),
        ("endurance", Choice(), ["cut for good at the start of 2030", "begins is 0 months, in 2026"]),
    ],
)  # fmt: skip
def test_figures_say_what_they_show(tiny: Book, kind: str, choice: Choice, said: list[str]) -> None:
    text = words(draw_plot(tiny, kind, choice, "svg"))
    for each in said:
        assert each in text


def test_the_figure_of_times_to_survive_says_what_of_a_shock_does_not_count(tiny: Book) -> None:
    only = "Of a shock only the cuts are taken"
    assert only not in words(draw_plot(tiny, "endurance", Choice(), "svg"))
    surge = so.load(TINY, ["shocks.embargo.demand={motors: 1.1}"])
    assert only in words(draw_plot(replace(tiny, instance=surge), "endurance", Choice(), "svg"))


def test_frontier_has_the_plans_of_other_budgets(tiny: Book, result: so.Result) -> None:
    found = frontier(tiny.instance, result, [0.0])
    text = words(draw_plot(tiny, "frontier", Choice(), "svg", found))
    assert "fails in 2 of 2" in text
    assert "survives" in text


def test_frontier_without_a_plan_that_survives_keeps_the_size_of_its_panels() -> None:
    poor = so.without(so.load(TINY), "plant")
    own = so.solve(poor)
    assert own.status == "gap"
    canvas = draw_frontier(poor, own, single_point(poor, own))
    canvas.figure.draw_without_rendering()
    assert [panel.get_position().height > 0.2 for panel in canvas.panels] == [True, True]


def test_same_figure_is_the_same_file(tiny: Book) -> None:
    for suffix in ("svg", "png", "pdf"):
        first = draw_plot(tiny, "waterfall", Choice(), suffix)
        assert first == draw_plot(tiny, "waterfall", Choice(), suffix)
    # The last digits of a layout of two panels are not the same in each process, nor in each drawing.
    assert len({draw_plot(tiny, "stock", Choice(), "svg") for _ in range(20)}) == 1


def test_a_pattern_of_dots_is_a_small_tile_that_repeats(tiny: Book) -> None:
    # Three signs at six rows each are 18 rows on 72 pixels: a dot every 4, and every second row 2 further.
    tiles = re.findall(rb'width="8" height="8">.*?</pattern>', draw_plot(tiny, "timeline", Choice(), "svg"), re.DOTALL)
    assert tiles
    assert max(map(len, tiles)) < 5_000
    for tile in tiles:
        dots = {(float(x) % 8, round(float(y) - 0.4, 6) % 8) for x, y in re.findall(rb"M (\S+) (\S+)", tile)}
        assert dots == {(0, 0), (4, 0), (2, 4), (6, 4)}


@pytest.mark.parametrize(
    ("kind", "choice", "said"),
    [
        ("path", Choice(shock="flood"), "no shock 'flood'.*embargo@2027"),
        ("path", Choice(segment="ships"), "no segment 'ships'.*motors"),
        ("map", Choice(shock="flood"), "no shock 'flood'.*embargo@2027"),
        ("drawdown", Choice(shock="flood"), "no shock 'flood'.*embargo@2027"),
        ("sources", Choice(shock="flood"), "no shock 'flood'.*embargo@2027"),
        ("sources", Choice(segment="ships"), "no segment 'ships'.*motors"),
        ("sankey", Choice(shock="flood"), "no shock 'flood'.*embargo@2027"),
        ("dependence", Choice(commodity="ore"), "no 'ore'.*magnet"),
        ("endurance", Choice(year=2050), "from 2026 to 2030"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(tiny: Book, kind: str, choice: Choice, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw_plot(tiny, kind, choice, "svg")


@pytest.mark.parametrize("kind", ["path", "sankey", "map", "drawdown", "sources"])
def test_a_shock_without_flows_is_said_to_have_none(result: so.Result, kind: str) -> None:
    instance = so.load(TINY)
    first, second = result.shocks
    poor = replace(result, shocks=(replace(first, flows=None), second))
    said = (
        "of embargo@2027 the plan file has no flows.*those of: embargo@2029. To have them, solve an instance with fewer"
    )
    with pytest.raises(ValueError, match=said):
        draw_plot(book(instance, single_point(instance, poor)), kind, Choice(shock="embargo@2027"), "svg")


def test_command_writes_each_format(tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    assert CliRunner().invoke(app, ["solve", str(TINY), "-o", plan]).exit_code == 0
    for suffix, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        file = tmp_path / "new" / f"x.{suffix}"
        done = CliRunner().invoke(app, ["plot", plan, "waterfall", "-o", str(file)])
        assert done.exit_code == 0, done.stderr
        assert file.read_bytes().startswith(start)
    for line in (["bars", "-o", "x.svg"], ["stock", "-o", "x.gif"]):
        assert CliRunner().invoke(app, ["plot", plan, *line]).exit_code == 2
    # A name that the instance does not have.
    for line in (["path", "--shock", "flood"], ["sankey", "--shock", "flood"], ["path", "--segment", "ships"]):
        done = CliRunner().invoke(app, ["plot", plan, *line, "-o", "x.svg"])
        assert done.exit_code == 3
        assert f"there is no {line[1][2:]} '{line[2]}'" in done.stderr
    # An instance is solved first.
    assert CliRunner().invoke(app, ["plot", str(TINY), "stock", "-o", str(tmp_path / "x.svg")]).exit_code == 0


def test_fonts_of_a_pdf_are_embedded_whole(tiny: Book) -> None:
    picture = draw_plot(tiny, "survival", Choice(), "pdf")
    assert b"/FontFile2" in picture
    assert b"/Type3" not in picture


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        (
            "timeline",
            ("--shock", "embargo@2027"),
            "timeline has none; it is for path, sankey, map, drawdown and sources.",
        ),
        ("path", ("--year", "2028"), "path has none; it is for endurance."),
        ("survival", ("--end",), "survival has none; it is for sankey and map."),
        ("map", ("--accuracy", "0.1"), "map has none; it is for frontier, information, explain, compare,"),
    ],
)
def test_an_option_of_another_kind_is_not_dropped(
    result: so.Result, tmp_path: Path, kind: str, words: tuple[str, ...], said: str
) -> None:
    result.save(tmp_path / "plan.json")
    line = ["plot", str(tmp_path / "plan.json"), kind, "-o", str(tmp_path / "x.svg"), *words]
    done = CliRunner().invoke(app, line, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "x.svg").exists()


def test_a_path_without_shocks_says_so() -> None:
    calm = so.load(TINY, ["shocks={}"])
    with pytest.raises(ValueError, match="there are no shocks"):
        draw_plot(book(calm, single_point(calm, so.solve(calm))), "path", Choice(), "svg")
    with pytest.raises(ValueError, match="there is no shock 'flood' in the plan; it has none"):
        draw_plot(book(calm, single_point(calm, so.solve(calm))), "sankey", Choice(shock="flood"), "svg")


def test_names_are_drawn_as_they_are_written() -> None:
    data = yaml.safe_load(TINY.read_text()) | {"name": "for $5 or $6, $\\frac{1}{ $"}
    data["options"]["reserve"]["name"] = "_hidden"
    instance = so.read(data)
    drawn = book(instance, single_point(instance, so.solve(instance)))
    for kind in ("stock", "drawdown"):
        assert "_hidden" in words(draw_plot(drawn, kind, Choice(), "svg"))
    assert "for $5 or $6, $\\frac{1}{ $" in words(draw_plot(drawn, "stock", Choice(), "svg"))


def test_letters_that_no_font_has_are_named_once(tmp_path: Path) -> None:
    # A letter of the private use area, that nobody draws.
    instance = so.read(yaml.safe_load(TINY.read_text()) | {"name": "plant \ue123"})
    so.solve(instance).save(tmp_path / "plan.json")
    words = ["plot", str(tmp_path / "plan.json"), "timeline", "-o", str(tmp_path / "x.png")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert done.stderr.count("Warning: No font here has \ue123: boxes stand in their place.") == 1
    assert "Glyph" not in done.stderr
    assert (tmp_path / "x.png").stat().st_size > 10_000


def test_map_counts_an_option_that_is_ordered_twice_once(tiny: Book) -> None:
    # The plant and the reserve are bought at home; a second order of the plant adds its money, and no option.
    plant = next(move for move in tiny.own.moves if not move.fills)
    drawn = tiny.own.chains["baseline"][0]
    once, twice = (
        next(each for each in world_map(tiny.instance, drawn, moves).regions if each.region == "home")
        for moves in (tiny.own.moves, (*tiny.own.moves, plant))
    )
    assert (once.options, twice.options) == (2, 2)
    assert twice.spent == pytest.approx(once.spent + plant.spent)


def test_leverage_is_spent_at_home_and_held_over_its_region() -> None:
    # 3M of leverage over the rival: beside it the plan buys of plant and reserve what it needs, all of it at home.
    data = so.load(TINY).to_dict()
    data["options"]["chips"] = {"kind": "leverage", "region": "rival", "restraint": 0.5, "max_size": 1, "capex": 3e6}
    instance = so.forcing(so.read(data), [("chips", 2026, 1)])
    drawn = book(instance, single_point(instance, so.solve(instance)))
    spent = {each.region: each.spent for each in maps_of(drawn)[0].regions}
    others = sum(move.spent for move in drawn.own.moves if move.option != "chips")
    assert spent == {"rival": 0, "home": pytest.approx(others + 3e6)}
    (chips,) = [move for move in drawn.own.moves if move.option == "chips"]
    assert (chips.region, chips.over) == ("", "rival")
    frame = drawn.own.result.frames.frame("builds")
    (row,) = [row for row in frame.rows() if row["option"] == "chips"]
    assert (row["region"], row["over"]) == (None, "rival")


def test_map_adds_up_what_reaches_the_segments_and_what_crosses(tiny: Book) -> None:
    """Without a shock the rival makes all 100 t; in the second embargo the plant makes 20 t and stock 50 t a year."""
    baseline, shock = maps_of(tiny, "embargo@2029")
    assert {each.region: each.makes for each in baseline.regions} == {"rival": pytest.approx(100), "home": 0}
    assert baseline.flows == (("rival", "home", pytest.approx(100)),)
    home = {each.region: each for each in shock.regions}["home"]
    assert (home.spent, home.options, home.short) == (pytest.approx(11.5e6), 2, pytest.approx(0.3))
    assert home.makes == pytest.approx(20)
    assert shock.flows == ()
    assert all(each.place is None for each in (*baseline.regions, *shock.regions))
    said = words(draw_plot(tiny, "map", Choice(shock="embargo@2029"), "svg"))
    assert "not on the map, nor what crosses from or to them: rival" in said


def test_regions_are_drawn_where_their_countries_are() -> None:
    """The same case between two countries: marks at their places, an arrow between them, and names beside the marks."""
    data = yaml.safe_load(TINY.read_text().replace("rival", "china")) | {"home": "japan"}
    instance = so.read(data)
    drawn = book(instance, single_point(instance, so.solve(instance)))
    said = words(draw_plot(drawn, "map", Choice(shock="embargo@2029"), "svg"))
    assert "china 100 t/yr" in said
    assert "japan 20 t/yr, 30.0 % unserved, 2 options for 11.5M USD" in said
    assert "not on the map" not in said
    baseline, shock = draw_map(instance, drawn.own.result, maps_of(drawn, "embargo@2029"), {}).panels
    china, japan = [105.0, 35.0], [138.0, 36.0]
    assert place_of(instance, "china") == tuple(china)
    # China's circle and the square of what Japan builds; in the shock Japan's circle, its ring and its square.
    marks = [[(line.get_marker(), *line.get_xydata().tolist()) for line in panel.lines if line.get_marker() != "None"]
             for panel in (baseline, shock)]  # fmt: skip
    assert marks == [[("o", china), ("s", japan)], [("o", japan), ("o", japan), ("s", japan)]]
    assert (len(baseline.patches), len(shock.patches)) == (1, 0)
    # The ring is explained where there is one: not on a map of the baseline alone, where all is served.
    alone = draw_map(instance, drawn.own.result, maps_of(drawn, "embargo@2029")[:1], {}).figure
    kept = draw_map(instance, drawn.own.result, maps_of(drawn, "embargo@2029"), {}).figure
    ringed = [
        any("unserved" in text.get_text() for legend in figure.legends for text in legend.get_texts())
        for figure in (alone, kept)
    ]
    assert ringed == [False, True]
    # A circle's area is in proportion to what is made: 20 of 100 t.
    sizes = [panel.lines[0].get_markersize() for panel in (baseline, shock)]
    assert (sizes[1] / sizes[0]) ** 2 == pytest.approx(0.2)
    # China's name is left of its circle at the same height, since Japan's marks are to the right.
    name = next(text for text in baseline.texts if text.get_text().startswith("china"))
    assert name.get_position()[0] < 105.0
    assert name.get_position()[1] == 35.0


def test_names_that_are_moved_up_or_down_have_a_line_from_their_marks() -> None:
    """China, Korea and Japan: the name of China has room at the left, and one of the others none on either side."""
    instance = so.read(yaml.safe_load(TINY.read_text().replace("rival", "china")) | {"home": "japan"})
    drawn = book(instance, single_point(instance, so.solve(instance)))
    shown = maps_of(drawn, "embargo@2029")[0]
    china, japan = shown.regions
    place = (127.5, 37.0)
    korea = replace(japan, region="south_korea", name="South Korea", place=place, spent=0.0, options=0, makes=50.0)
    (panel,) = draw_map(instance, drawn.own.result, [replace(shown, regions=(china, korea, japan))], {}).panels
    led = [line.get_xydata().tolist()[0] for line in panel.lines if line.get_marker() == "None"]
    assert led
    for each in (china, korea, japan):
        (text,) = [text for text in panel.texts if text.get_text().startswith(each.name)]
        assert (text.get_position()[1] != each.place[1]) == (list(each.place) in led)


def test_a_region_stands_at_the_country_that_it_names_and_nowhere_else() -> None:
    us = so.load(TINY.parent / "us-magnets.yaml")
    assert place_of(us, "usa") == (-97.0, 38.0)
    assert place_of(us, "china") == (105.0, 35.0)
    assert place_of(us, "myanmar") is not None
    assert place_of(us, "south_korea") is not None
    assert place_of(us, "united_kingdom") is not None
    assert place_of(us, "other_allies") is None
    assert place_of(us, "eu") == place_of(us, "europe") == place_of(us, "belgium") is not None


def test_years_show_what_existing_processes_are_paid_though_nothing_is_bought(tmp_path: Path) -> None:
    # 20 t at a support of 4 in each of two years.
    file = Path(__file__).parent / "cases" / "28_support_existing.yaml"
    instance = so.load(file)
    shown = book(instance, single_point(instance, so.solve(instance)))
    spent = [dict(each.spent) for each in years_of(instance, shown.own.result, shown.own.moves)]
    assert spent == [{"support of existing processes": pytest.approx(80)}] * 2
    assert "support of existing processes" in words(draw_plot(shown, "years", Choice(), "svg"))
    done = CliRunner().invoke(app, ["report", str(file), "--quick", "--output", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.stderr


def test_stock_is_drawn_above_the_name_of_its_year(tiny: Book) -> None:
    """The reserve holds 60 t at the end of 2026 and 2027, and 100 t from the end of 2028 on."""
    own = tiny.own
    upper, lower = draw_stocks(
        tiny.instance, own.result, own.stocks, tiny.figure_rows, own.rows, tiny.unlisted
    ).panels  # fmt: skip
    (line,) = upper.lines
    xs, ys = line.get_xdata(), line.get_ydata()
    assert line.get_drawstyle() == "steps-post"
    named = {
        int(text.get_text()): place for place, text in zip(lower.get_xticks(), lower.get_xticklabels(), strict=True)
    }
    drawn = {year: ys[max(i for i, x in enumerate(xs) if x <= place)] for year, place in named.items()}
    assert drawn == {2026: 60, 2027: 60, 2028: 100, 2029: 100, 2030: 100}
    # The window of the first shock begins where its year does; nothing is drawn beyond the horizon.
    assert min(bar.get_x() for bar in lower.patches) == 2027
    assert lower.get_xlim() == (2026, 2031)
    assert xs[-1] == 2031


def test_labels_of_families_do_not_run_into_each_other_below_long_names_of_segments() -> None:
    ban = {"start": [2027, 2029], "months": 12, "cuts": [{"region": "rival", "severity": 0.2}]}
    shocks = {f"ban_{number}": ban for number in range(5)}
    data = so.load(TINY, ["demands.motors.name=European industry and parts of cars and vans"]).to_dict()
    instance = so.read({**data, "shocks": shocks})
    drawn = book(instance, single_point(instance, so.solve(instance)))
    canvas = draw_heatmap(instance, drawn.own.result, drawn.figure_rows, drawn.own.rows, drawn.unlisted)
    canvas.figure.draw_without_rendering()
    places = [label.get_window_extent() for label in canvas.panels[0].get_yticklabels()]
    assert len(places) == 5
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(places))


def test_map_draws_the_baseline_of_the_periods_of_the_shock() -> None:
    """Without a shock the rival makes less from 2028 on, 90 t of the 100 that it makes in 2026."""
    instance = so.load(TINY, ["processes.imports.capacity={2026: 120, 2028: 90}"])
    drawn = book(instance, single_point(instance, so.solve(instance)))
    baseline, shock = maps_of(drawn, "embargo@2029")
    assert (baseline.first, baseline.last) == (shock.first, shock.last) == ("2029", "2029")
    assert {each.region: each.makes for each in baseline.regions}["rival"] == pytest.approx(90)
    ends = maps_of(drawn, "embargo@2029", end=True)
    assert [each.first for each in ends] == ["2030", "2030"]
    assert "The baseline is that of the periods of the shock." in words(draw_plot(drawn, "map", Choice(), "svg"))


def test_a_shock_is_said_to_leave_makers_free_to_stand_idle(tiny: Book) -> None:
    instance = so.load(TINY, ["options.plant.min_utilisation=0.5"])
    drawn, idle = book(instance, single_point(instance, so.solve(instance))), "In a shock no maker has to run"
    for kind in ("map", "sources", "sankey"):
        assert idle in words(draw_plot(drawn, kind, Choice(shock="embargo@2029"), "svg"))
        assert idle not in words(draw_plot(tiny, kind, Choice(shock="embargo@2029"), "svg"))
    assert idle not in words(draw_plot(drawn, "sankey", Choice(), "svg"))
    assert [idle in table["caption"] for table in map_table(instance, maps_of(drawn))] == [False, True]


def test_outlay_stands_beside_what_is_spent_where_others_pay_a_part() -> None:
    """The plant of 5M counts by 30 %, which is 1.5M; the reserve of 6.5M counts in full: 8M of 11.5M."""
    instance = so.load(TINY, ["options.plant.budget_share=0.3"])
    drawn = book(instance, single_point(instance, so.solve(instance)))
    part = "Outlay: the part of what is spent that counts towards the budget."
    timeline = words(draw_plot(drawn, "timeline", Choice(), "svg"))
    assert "20 t/yr, 5M USD, 1.5M USD of it outlay" in timeline
    assert "100 t, 6.5M USD" in timeline
    shown = words(draw_plot(drawn, "map", Choice(shock="embargo@2029"), "svg"))
    assert "2 options for 11.5M USD, 8M USD of it outlay" in shown
    assert part in timeline
    assert part in shown
    tables = map_table(instance, maps_of(drawn))
    assert [row[3:] for row in tables[0]["rows"] if row[0] == "home"] == [["11.5M", "8M", "2"]]
    assert all(table["caption"].endswith(part) for table in tables)
    data = drawn.to_dict()
    (point,) = data["points"]
    assert point["build_note"] == part
    assert any(how.endswith("5M USD, 1.5M USD of it outlay") for _, how in point["build"])
    (years,) = [
        each["behind"][0] for section in plan_pictures(drawn) if section.name == "years" for each in section.blocks
    ]
    assert years["caption"].startswith("Outlay, the part of what is spent that counts towards the budget")


def test_outlay_is_not_named_beside_what_counts_in_full(tiny: Book) -> None:
    assert "of it" not in words(draw_plot(tiny, "timeline", Choice(), "svg"))
    assert tiny.to_dict()["points"][0]["build_note"] == ""
    assert map_table(tiny.instance, maps_of(tiny))[0]["head"][3:] == [">Spent, all years, USD", ">Options"]


def test_years_and_draw_down_by_hand(tiny: Book) -> None:
    years = {each.year: each for each in years_of(tiny.instance, tiny.own.result, tiny.own.moves)}
    assert years[2026].spent == {"refining": pytest.approx(5e6), "stockpile": pytest.approx(3.9e6)}
    assert (years[2026].decided, years[2028].on_line) == (1, 1)
    assert sum(sum(each.spent.values()) for each in years.values()) == pytest.approx(tiny.own.result.outlay)
    outcome, (stock,) = drawn_stocks(tiny, "embargo@2029")
    assert (stock.option, stock.before, outcome.first) == ("reserve", pytest.approx(100), "2029")
    assert stock.left == (pytest.approx(50), pytest.approx(0, abs=1e-6))


def test_a_draw_down_begins_with_the_stock_before_losses() -> None:
    # 200 t, of which half is lost every year: 100 t at the end of 2026. In 2027 50 t are lost; 10 t are released in the
    # embargo, which leaves 40 t. The scare lasts longer, serves 80 of 90 t without the stock, and draws nothing.
    text = """
    name: lossy stock
    horizon: {start: 2026, end: 2028, step: year}
    home: home
    commodities: {magnet: {}}
    processes: {imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 20}}
    demands: {motors: {commodity: magnet, quantity: 100, survival: 0.1, shortage_cost: 1000}}
    options:
      reserve: {kind: stockpile, commodity: magnet, price: 30, loss: 0.5, release_rate: 10, release_cost: 100,
                initial: 200, max_size: 400}
    shocks:
      embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}
      scare: {start: 2027, months: 24, cuts: [{region: rival, severity: 0.1}], demand: {motors: 0.8}}
    """
    instance = so.read(yaml.safe_load(text))
    outcome, (stock,) = drawn_stocks(book(instance, single_point(instance, so.solve(instance))))
    assert outcome.name == "embargo"
    assert (stock.before, *stock.left, stock.released) == pytest.approx((100, 40, 10))


def test_path_and_page_begin_with_the_worst_shock_that_counts(struck: str) -> None:
    instance = so.load(struck)
    result = so.solve(instance)
    assert max(result.shocks, key=lambda each: each.gap).excused
    drawn = book(instance, single_point(instance, result))
    assert "d in quake" in words(draw_plot(drawn, "path", Choice(), "svg"))
    assert drawn.to_dict()["points"][0]["tightest"] == ["quake", "d"]


def test_stocks_and_sources_are_of_a_shock_that_counts(struck: str) -> None:
    """By default; a sample that may fail is drawn where it is named, and said to be one."""
    # Without a stock 97 t go unserved in the sample of the largest cut, which may fail, and 90 t in the quake.
    instance = so.load(struck)
    both, chosen = hardest_sources(book(instance, single_point(instance, so.solve(instance)), every=True))
    assert (both[1].path, "may fail" in chosen) == ("quake", False)
    # Of 75 t the quake of 74 % draws 74 t, and that sample all: 3 + 75 t are less than 80 t.
    stock = {"kind": "stockpile", "commodity": "magnet", "price": 1, "initial": 75, "max_size": 75}
    instance = so.load(struck, [f"options.reserve={stock}", "shocks.quake.cuts.0.severity=0.74"])
    drawn = book(instance, single_point(instance, so.solve(instance)), every=True)
    assert drawn_stocks(drawn)[0].name == "quake"
    (sample,) = [each.name for each in drawn.own.result.shocks if each.excused]
    for kind in ("drawdown", "sources"):
        assert "may fail" in words(draw_plot(drawn, kind, Choice(shock=sample), "svg"))


def test_chokepoints_that_are_not_drawn_are_counted(tiny: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(tiny.own.before)
    assert count > 2
    panel = draw_time_to_survive(tiny.instance, tiny.own.result, tiny.own.before, tiny.own.after, None).panels[0]
    marked = {f"{line.name}{' !' * line.deliberate}" for line in tiny.own.before}
    assert {label.get_text() for label in panel.get_yticklabels()} == marked
    assert len({line.deliberate for line in tiny.own.before}) == 2
    assert "not shown" not in words(draw_plot(tiny, "endurance", Choice(), "svg"))
    monkeypatch.setattr("optimizer.report.figures.time_to_survive.SHOWN", 2)
    said = f"{count - 2} more chokepoint{'s' * (count > 3)} not shown: no floor fails sooner there."
    assert said in words(draw_plot(tiny, "endurance", Choice(), "svg"))


@pytest.mark.parametrize(
    "name", ["tiny", "07_budget_gap", "12_stock_loss_release", "18_two_substitutes", "27_budget_share"]
)
def test_figures_draw_the_numbers_of_the_result(name: str) -> None:
    """Bars by year add up to the outlay, by part to the cost, by region to 1, and in a shock to the demand."""
    instance = so.load(TINY if name == "tiny" else Path(__file__).parent / "cases" / f"{name}.yaml")
    drawn = book(instance, single_point(instance, so.solve(instance)))
    own, result = drawn.own, drawn.own.result

    def tops(panel: Any) -> dict[int, float]:
        bars = [(round(bar.get_x() + bar.get_width() / 2), bar.get_height()) for bar in panel.patches]
        return {x: sum(height for place, height in bars if place == x) for x, _ in bars}

    spent = {int(year): amount for year, amount in result.outlays.items() if amount > 0}
    money = tops(draw_years(instance, result, years_of(instance, result, own.moves)).panels[0])
    assert {year: amount for year, amount in money.items() if amount > 0} == pytest.approx(spent)
    steps = cost_steps(result)
    assert (
        sum(step.amount for step in steps[:-1]) == pytest.approx(steps[-1].amount) == pytest.approx(result.total_cost)
    )
    more = beyond(result)
    bars = draw_waterfall(instance, result).panels[0].patches
    drawn_steps = more if len(more) > 1 else steps
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [
        pytest.approx((step.start, step.amount)) for step in drawn_steps
    ]  # fmt: skip
    dependence = draw_dependence(instance, result, own.shares, {}).figure.axes
    for panel, shares in zip(dependence, own.shares.values(), strict=False):
        assert tops(panel) == pytest.approx({each.year: sum(each.regions.values()) for each in shares})
    for window, passing in zip(drawn.shock_windows, own.passings, strict=True):
        for d, (panel,) in ((d, draw_path(instance, result, window, passing, d).panels) for d in instance.demands):
            assert tops(panel) == pytest.approx(dict(enumerate(window.demand[d])), abs=1e-6)
            unserved = [bar.get_height() for bar in panel.patches if bar.get_hatch() == "xxx"]
            assert unserved == pytest.approx(list(passing.short[d]))
            floors = [line.get_ydata()[0] for line in panel.lines]
            assert floors == pytest.approx([a * b for a, b in zip(window.demand[d], window.floor[d], strict=True)])
    cells = draw_heatmap(instance, result, drawn.figure_rows, own.rows, drawn.unlisted).panels[0].texts
    weakest = [row.segments[d][1] for row in own.rows for d in instance.demands if d in row.segments]
    below = [text.get_text() for text in cells if text.get_text().startswith("✗")]
    assert len(below) == sum(each.margin < -1e-6 for each in weakest)
    gap, cost = draw_frontier(instance, result, drawn.frontier).panels
    assert [line.get_xydata()[0].tolist() for line in gap.lines] == [
        pytest.approx([result.outlay, result.survival_gap])
    ] * len(gap.lines)
    assert cost.lines[0].get_xydata()[0].tolist() == pytest.approx([result.outlay, result.price_of_survival or 0.0])
    plain = draw_results(instance, [result], None, []).panels[1]
    assert plain.lines[0].get_xydata()[0].tolist() == pytest.approx([result.outlay, result.total_cost])
    assert [axis.get_major_formatter()(2.5e6, 0) for axis in (cost.xaxis, cost.yaxis, gap.yaxis)] == ["2.5M"] * 3
