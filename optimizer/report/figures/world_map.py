"""A world map of one path: production by region, flows between regions, and purchases by region.

Outlines and names of countries come with the package countryinfo. A region stands at the country that its key or its
printed name names, and a union of countries at its capital; any other region, such as "other allies", stands below the
map with its figures. Goods of all stages are added up in tonnes a year.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import TYPE_CHECKING, Any

from optimizer.disruptions.path import BASELINE
from optimizer.instance.derived import NO_REGION, region_name
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import (
    GREY,
    INK,
    QUIET,
    VERMILION,
    Canvas,
    add_footer,
    new_canvas,
    of_plan,
    remove_frame,
    set_panel_title,
)
from optimizer.report.figures.supply_chain import idle_note
from optimizer.report.format import percent, plural, shock_title
from optimizer.results.result import Result
from optimizer.studies.purchases import OUTLAY_IS_A_PART, Purchase, spent_words
from optimizer.studies.supply_chain import Chain
from optimizer.tolerances import ROUNDING
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Degrees: southern and northern end of the map, and distance below which points of outlines are left out.
_SOUTH, _NORTH, _FINE = -57.0, 78.0, 0.7
# Points: radius of the largest circle, side of the largest square, and width of the widest line.
_CIRCLE, _SQUARE, _LINE = 15.0, 13.0, 6.0
# Length of a degree of latitude relative to one of longitude.
_STRETCH = 1.15
# Allowance for names that are wider on paper than on the screen on which they are measured.
_SLACK = 1.08
# Largest number of half degrees by which a name moves up or down.
_LINES = 80
# Left and right end, middle, and half the height of a box, degrees.
_Box = tuple[float, float, float, float]
_FOLDERS = ("data", "data_no_iso")
_LAND, _SHORE = "#e6e8eb", "#ffffff"
# The legend by mark, and whether it is empty; it has those that are drawn, as a region without a country has none.
_LEGEND: Mapping[tuple[object, bool], Mapping[str, Any]] = {
    ("o", False): {"marker": "o", "linestyle": "", "color": QUIET,
                   "label": "t a year that reach the segments from there"},
    ("-", False): {"color": QUIET, "linewidth": 3, "alpha": 0.5, "label": "goods that cross, t a year"},
    ("s", True): {"marker": "s", "linestyle": "", "markerfacecolor": "none", "color": INK,
                  "label": "spent on what is there"},
    ("o", True): {"marker": "o", "linestyle": "", "markerfacecolor": "none", "color": VERMILION, "markeredgewidth": 2.5,
                  "label": "part of demand unserved, at home"},
}  # fmt: skip
# Regions with less than this share of all production have no name on the map.
_NAMED = 5e-3


# The country at whose place on the map a union of countries stands: that of its capital or secretariat.
_SEATS = {
    **dict.fromkeys(("european union", "eu", "europe"), "belgium"),
    **dict.fromkeys(("nordic countries", "nordic"), "denmark"),
}


@dataclass(frozen=True)
class Country:
    """A country: its names in the form of `_plain_name`, longitude and latitude, and the rings of its outline."""

    names: frozenset[str]
    place: tuple[float, float]
    rings: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class MapRegion:
    """A region on the map."""

    # Key and printed name.
    region: str
    name: str
    place: tuple[float, float] | None  # longitude and latitude; None if it is no country
    makes: float  # t a year from its makers that reach the segments
    spent: float  # money spent on purchases there
    outlay: float  # the part of it that counts against the budget
    options: int  # number of options bought there
    short: float  # unserved share of demand, for the home region


@dataclass(frozen=True)
class WorldMap:
    """One path on the map."""

    path: str  # ``baseline`` or a shock's name
    # Labels of its periods.
    first: str
    last: str
    regions: tuple[MapRegion, ...]  # regions with production, purchases or use, the largest first
    flows: tuple[tuple[str, str, float], ...]  # source region, target region, t a year
    # Totals over all segments, t a year.
    demanded: float
    served: float
    may_fail: bool = False  # whether it is a failing sample that may fail

    @property
    def service(self) -> float:
        """The share of all demand that is served."""
        return self.served / self.demanded if self.demanded > 0 else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the map for JSON."""
        return {**vars(self), "regions": [vars(each) for each in self.regions], "flows": [*map(list, self.flows)]}


@cache
def countries() -> tuple[Country, ...]:
    """Return every country with a known place, and its outline if known."""
    paths = [
        path
        for folder in _FOLDERS
        for path in sorted((files("countryinfo") / folder).iterdir(), key=lambda path: path.name)
        if path.name.endswith(".json")
    ]
    return tuple(found for path in paths if (found := _country(path.name, json.loads(path.read_text("utf-8")))))


def _country(file: str, data: Mapping[str, Any]) -> Country | None:
    rings = tuple(_rings(data.get("geoJSON") or {}))
    if not rings and not data.get("latlng"):
        return None
    names = [data.get("name"), file.removesuffix(".json"), *(data.get("altSpellings") or ())]
    names += (data.get("ISO") or {}).values()
    north, east = data.get("latlng") or _middle(rings)
    return Country(frozenset(_plain_name(str(name)) for name in names if name), (float(east), float(north)), rings)


def _rings(outline: Mapping[str, Any]) -> Iterator[tuple[tuple[float, float], ...]]:
    """Yield the outer rings of an outline, without points that are too close to distinguish."""
    for feature in outline.get("features", ()):
        shape = feature["geometry"]
        for polygon in shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]:
            ring = [(float(east), float(north)) for east, north, *_ in polygon[0]]
            kept = ring[:1]
            for point in ring[1:]:
                if max(abs(point[0] - kept[-1][0]), abs(point[1] - kept[-1][1])) > _FINE:
                    kept.append(point)
            if len(kept) > 2:
                yield tuple(kept)


def _middle(rings: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, float]:
    """Return latitude and longitude of the middle of the longest ring."""
    ring = max(rings, key=len)
    return sum(north for _, north in ring) / len(ring), sum(east for east, _ in ring) / len(ring)


def _plain_name(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace(".", "").split()).removeprefix("the ")


def place_of(instance: Instance, region: str) -> tuple[float, float] | None:
    """Return longitude and latitude of the country or union that a region names; None if it names none."""
    names = (_plain_name(region), _plain_name(region_name(instance, region)))
    wanted = {_SEATS.get(name, name) for name in names}
    return next((country.place for country in countries() if wanted & country.names), None)


def world_map(instance: Instance, drawn: Chain, moves: Sequence[Purchase]) -> WorldMap:
    """Return the map of a chain with the plan's purchases."""
    home, flows = instance.home or "", _crossing(drawn, instance.home or "")
    built = defaultdict[str, list[Purchase]](list)
    for move in moves:
        built[move.region or home or NO_REGION].append(move)
    known = dict.fromkeys((*drawn.by_region, *chain.from_iterable(flows), *built, home))
    regions = [_map_region(instance, drawn, each, built[each]) for each in filter(None, known)]
    ordered = tuple(sorted(regions, key=lambda each: -each.makes))
    crossing = tuple(sorted(((*ends, tonnes) for ends, tonnes in flows.items()), key=lambda flow: -flow[2]))
    return WorldMap(drawn.path, drawn.first, drawn.last, ordered, crossing, drawn.demanded, drawn.served)


def _map_region(instance: Instance, drawn: Chain, region: str, moves: Sequence[Purchase]) -> MapRegion:
    short = 1.0 - drawn.served / drawn.demanded if drawn.demanded > 0 and region == instance.home else 0.0
    return MapRegion(
        region, region_name(instance, region), place_of(instance, region), drawn.by_region.get(region, 0.0),
        sum(move.spent for move in moves), sum(move.outlay for move in moves), len({move.option for move in moves}),
        short,
    )  # fmt: skip


def _crossing(drawn: Chain, home: str) -> Mapping[tuple[str, str], float]:
    """Return the flow of all goods by source and target region, t a year."""
    places, flows = {place.key: place for place in drawn.places}, defaultdict[tuple[str, str], float](float)
    for each in drawn.passages:
        # Stocks, scrap, substitutes, segments, and flows without a region are at home.
        ends = places[each.source].region or home, places[each.target].region or home
        if places[each.source].kind != "unserved" and ends[0] != ends[1] and all(ends):
            flows[ends] += each.tonnes
    return flows


def map_words(instance: Instance, shown: WorldMap) -> str:
    """Return the title of a map: path, periods, and the share of demand served."""
    when = shown.first if shown.first == shown.last else f"{shown.first} to {shown.last}"
    name = "Baseline" if shown.path == BASELINE else shock_title(instance, shown.path)
    name += ", which may fail" if shown.may_fail else ""
    return f"{name}, {when}: {percent(shown.service, 1)} of all demand is served"


def draw_map(
    instance: Instance, result: Result, maps: Sequence[WorldMap], colours: Mapping[str, tuple[str, str]]
) -> Canvas:
    """Draw maps below each other."""
    canvas = new_canvas(f"{instance.title}: who supplies, and what is built where", 3.1 * len(maps), [1.0] * len(maps))
    radii = [
        _draw_panel(panel, instance, shown, colours, maps) for panel, shown in zip(canvas.panels, maps, strict=True)
    ]
    add_footer(
        canvas,
        "Areas and widths are in proportion, the same in all maps. A region stands at the country that it names, a "
        f"union at its capital, others below. Outlines: countryinfo. Money undiscounted.{_notes(maps)} "
        f"{of_plan(result)}{idle_note(instance, *(shown.path for shown in maps))}",
        _legend(canvas.panels),
    )
    # The width of names is known only after the layout.
    canvas.figure.draw_without_rendering()
    most = max((each.makes for every in maps for each in every.regions), default=0.0)
    for panel, shown, radius in zip(canvas.panels, maps, radii, strict=True):
        _write_names(panel, instance, shown, most, radius)
    return canvas


def _legend(panels: Sequence["Axes"]) -> list[Any]:
    """Return the legend of the marks that are drawn."""
    from matplotlib.lines import Line2D

    drawn = {(line.get_marker(), line.get_markerfacecolor() == "none") for panel in panels for line in panel.lines}
    drawn |= {("-", False) for panel in panels if panel.patches}
    return [Line2D([], [], **look) for mark, look in _LEGEND.items() if mark in drawn]


def _notes(maps: Sequence[WorldMap]) -> str:
    """Return the notes on two maps, and on money that does not all count against the budget."""
    note = f" {OUTLAY_IS_A_PART}" if _counts_in_part(maps) else ""
    return f"{note} The baseline is that of the periods of the shock." if len(maps) > 1 else note


def _counts_in_part(maps: Sequence[WorldMap]) -> bool:
    return any(each.outlay < each.spent for shown in maps for each in shown.regions)


def _draw_panel(
    panel: "Axes", instance: Instance, shown: WorldMap, colours: Mapping[str, tuple[str, str]], maps: Sequence[WorldMap]
) -> dict[str, float]:
    """Draw a map without names; return the radius of each region's marks, points."""
    _draw_land(panel)
    reads_full = percent(shown.service, 1) == percent(1.0, 1)
    set_panel_title(panel, map_words(instance, shown), INK if reads_full else VERMILION)
    on_map = {each.region: each for each in shown.regions if each.place is not None}
    _draw_flows(panel, shown, on_map, colours, max((flow[2] for each in maps for flow in each.flows), default=1.0))
    if text := _text_on_the_rest(instance, shown, on_map):
        panel.text(0.0, -0.02, text, transform=panel.transAxes, fontsize=6.5, va="top", color=QUIET, wrap=True)
    return _draw_regions(panel, list(on_map.values()), colours, maps)


def _text_on_the_rest(instance: Instance, shown: WorldMap, on_map: Collection[str]) -> str:
    """Return the text on the regions that are not on the map; empty if all are."""
    nowhere = [_region_words(instance, each) for each in shown.regions if each.place is None]
    is_lost = any(place not in on_map for flow in shown.flows for place in flow[:2])
    flows = ", nor what crosses from or to them" * is_lost
    return f"Without a country in the file, so not on the map{flows}: {'; '.join(nowhere)}." if nowhere else ""


def _draw_land(panel: "Axes") -> None:
    from matplotlib.collections import PolyCollection

    rings = [ring for country in countries() for ring in country.rings]
    panel.add_collection(PolyCollection(rings, facecolor=_LAND, edgecolor=_SHORE, linewidth=0.3))
    panel.set_xlim(-170, 180)
    panel.set_ylim(_SOUTH, _NORTH)
    panel.set_aspect(_STRETCH)
    remove_frame(panel)
    panel.set_xticks([])
    panel.set_yticks([])


def _region_words(instance: Instance, each: MapRegion) -> str:
    """Return a region's name and figures."""
    parts = [si(each.makes, "t/yr")] * (each.makes > 0)
    parts += [f"{percent(each.short, 1)} unserved"] * (each.short > 0)
    spent = spent_words(each.spent, each.outlay, instance.money)
    parts += [f"{plural(each.options, 'option')} for {spent}"] * (each.options > 0)
    return f"{each.name} {', '.join(parts)}".strip()


def _draw_flows(
    panel: "Axes", shown: WorldMap, on_map: Mapping[str, MapRegion], colours: Mapping[str, tuple[str, str]], most: float
) -> None:
    from matplotlib.patches import FancyArrowPatch

    for source, target, tonnes in reversed(shown.flows):
        if source not in on_map or target not in on_map:
            continue
        style = "-|>,head_length=3,head_width=1.6"
        panel.add_patch(
            FancyArrowPatch(
                on_map[source].place, on_map[target].place, connectionstyle="arc3,rad=-0.18", arrowstyle=style,
                linewidth=max(0.5, _LINE * tonnes / most), color=colours.get(source, (GREY, ""))[0], alpha=0.5,
                shrinkA=3, shrinkB=3,
            )
        )  # fmt: skip


def _draw_regions(
    panel: "Axes", regions: Sequence[MapRegion], colours: Mapping[str, tuple[str, str]], maps: Sequence[WorldMap]
) -> dict[str, float]:
    """Draw production, purchases and unserved demand of each region; return the radius of its marks, points."""
    every = [each for shown in maps for each in shown.regions]
    most = max((each.makes for each in every), default=0.0) or 1.0
    dearest = max((each.spent for each in every), default=0.0) or 1.0
    return {
        each.region: _draw_marks(panel, each, colours.get(each.region, (GREY, ""))[0], most, dearest)
        for each in regions
    }


def _write_names(panel: "Axes", instance: Instance, shown: WorldMap, most: float, radius: Mapping[str, float]) -> None:
    """Write the names of regions that are not small beside the largest, `most`, clear of marks and earlier names.

    `radius` is that of the marks of each region that has a place, points.
    """
    point = panel.figure.dpi / 72 / (panel.transData.transform((1.0, 0.0)) - panel.transData.transform((0.0, 0.0)))[0]
    radius = {region: point * points for region, points in radius.items()}
    placed = [each for each in shown.regions if each.region in radius]
    taken = {each.region: _around(each, min(radius[each.region], point * _CIRCLE)) for each in placed}
    for each in placed:
        if max(each.makes - _NAMED * most, each.spent, each.short) > 0:
            others = [box for region, box in taken.items() if region != each.region]
            taken[f"text {each.region}"] = _write(
                panel, each, _region_words(instance, each), radius[each.region], others
            )


def _around(each: MapRegion, radius: float) -> _Box:
    assert each.place is not None
    x, y = each.place
    return x - radius, x + radius, y, radius / _STRETCH


def _draw_marks(panel: "Axes", each: MapRegion, colour: str, most: float, dearest: float) -> float:
    """Draw a circle for production, a square for purchases, a ring for shortage; return the largest radius, points."""
    assert each.place is not None
    sizes = [2.0]
    x, y = ([value] for value in each.place)
    if each.makes > 0:
        size = max(2.0, 2 * _CIRCLE * (each.makes / most) ** 0.5)
        panel.plot(x, y, marker="o", markersize=size, color=colour, alpha=0.85, markeredgewidth=0)
        sizes.append(size)
    if each.short > 0:
        sizes.append(2 * _CIRCLE + 5.0 + 12.0 * each.short)
        panel.plot(x, y, marker="o", markersize=2 * _CIRCLE + 4, markerfacecolor="none", color=VERMILION,
                   markeredgewidth=1.0 + 12.0 * each.short)  # fmt: skip
    if each.spent > 0:
        side = max(2.0, _SQUARE * (each.spent / dearest) ** 0.5)
        panel.plot(x, y, marker="s", markersize=side, markerfacecolor="none", color=INK, markeredgewidth=1.0)
        sizes.append(side + 1.0)
    return max(sizes) / 2


def _write(panel: "Axes", each: MapRegion, words: str, radius: float, taken: Sequence[_Box]) -> _Box:
    """Write right or left of the marks of a place, at the nearest height that is clear; a line leads to what is moved.

    `radius` is that of the marks, degrees. Where the text stands is handed back.
    """
    assert each.place is not None
    x, y = each.place
    text = panel.text(x, y, words, fontsize=6.2, va="center", color=INK,
                      bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4})  # fmt: skip
    degrees, figure = panel.transData.inverted(), text.get_figure()
    assert figure is not None
    extent, page = text.get_window_extent().transformed(degrees), figure.bbox.transformed(degrees)
    wide, half, off = _SLACK * extent.width, _SLACK * extent.height / 2, radius + 1.5
    sides = [left for left in (x + off, x - off - wide) if page.x0 <= left <= page.x1 - wide]
    left, at = _free_place(sides, y, wide, half, taken) or (x + off, y)
    # The edge near the marks is the one that is held, whatever the width on paper.
    edge, side = (left, "left") if left > x else (left + wide, "right")
    text.set(position=(edge, at), horizontalalignment=side)
    if at != y:
        panel.plot([x, edge], [y, at], color=INK, linewidth=0.5)
    return left, left + wide, at, half


def _free_place(
    sides: Sequence[float], y: float, wide: float, half: float, taken: Sequence[_Box]
) -> tuple[float, float] | None:
    """Return the left edge, one of `sides`, and the height nearest to y at which a text is clear; None if none is."""

    def is_clear(left: float, at: float) -> bool:
        boxes = [box for box in taken if box[0] < left + wide and left < box[1]]
        return all(abs(at - middle) >= half + deep for _, _, middle, deep in boxes)

    heights = (at for step in range(_LINES) for at in (y - step / 2, y + step / 2))
    return next(((left, at) for at in heights for left in sides if is_clear(left, at)), None)


def map_table(instance: Instance, maps: Sequence[WorldMap]) -> list[dict[str, Any]]:
    """Return the figures of each map as a table for a page."""
    is_part, money = _counts_in_part(maps), instance.money
    head = ["Region", ">From makers there, t/yr", ">Not served", f">Spent, all years, {money}"]
    head += [*([f">Of it outlay, {money}"] if is_part else []), ">Options"]
    return [
        {
            "head": head,
            "rows": [
                [each.name, si(each.makes), percent(each.short, 1) if each.short else "–", si(each.spent),
                 *([si(each.outlay)] if is_part else []), str(each.options)]
                for each in shown.regions
            ],
            "caption": f"{map_words(instance, shown)}{_unmade_words(instance, shown)}. Crossing: "
            + ("; ".join(f"{region_name(instance, source)} to {region_name(instance, target)} {si(tonnes, 't/yr')}"
                         for source, target, tonnes in shown.flows) or "nothing")
            + (f". {OUTLAY_IS_A_PART}" if is_part else ".") + idle_note(instance, shown.path),
        }
        for shown in maps
    ]  # fmt: skip


def _unmade_words(instance: Instance, shown: WorldMap) -> str:
    """Return the supply of segments that does not come from a maker."""
    tonnes = shown.served - sum(each.makes for each in shown.regions)
    some = [option for option in instance.options.values() if not option.is_activity and not option.is_stock]
    has_others = any(flow.gives for option in some for flow in option.flows)
    sources = "stocks, substitutes and other options" if has_others else "stocks and substitutes"
    return f", {si(tonnes, 't/yr')} from {sources}" if tonnes > ROUNDING * shown.served else ""
