"""Sources of supply: the chain in the baseline and in shocks as bands, and shares by region in every year."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from optimizer.disruptions.path import BASELINE, Path
from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, region_name, stage_title
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import (
    GREEN,
    GREY,
    INK,
    PURPLE,
    SKY,
    VERMILION,
    Canvas,
    add_footer,
    new_canvas,
    of_plan,
    remove_frame,
)
from optimizer.report.format import DEPENDENCE, full_name, percent
from optimizer.results.plan import Flows, SourceShare
from optimizer.results.result import Result
from optimizer.studies.supply_chain import Chain, ChainPlace, chain, production_words
from optimizer.units import fixed, si

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox


def chains(instance: Instance, result: Result, names: Sequence[str]) -> Mapping[str, tuple[Chain, ...]]:
    """Return by path the chains of its first and last year: of the baseline, and of each shock whose flows are kept.

    A window of no more than a year has one chain.
    """
    if result.baseline is None:
        return {}
    baseline = instance.baseline
    found = {BASELINE: _both(instance, result.baseline, baseline, baseline.periods)}
    for outcome in result.shocks:
        if outcome.flows is not None and outcome.name in names:
            path = instance.path(instance.event(outcome.name))
            found[outcome.name] = _both(instance, outcome.flows, path, path.periods)
    return found


def baseline_beside(instance: Instance, result: Result, shock: str) -> tuple[Chain, ...]:
    """Return the chains of the baseline in the years of a shock's chains."""
    assert result.baseline is not None
    return _both(instance, result.baseline, instance.baseline, instance.event(shock).periods)


def _both(instance: Instance, flows: Flows, path: Path, periods: range) -> tuple[Chain, ...]:
    """Return the chains of the first and last year of the given periods; one chain for no more than a year."""
    first, last, year = periods[0], periods[-1], instance.horizon.per_year
    early = chain(instance, flows, path, first, min(first + year - 1, last))
    return (early,) if last - first < year else (early, chain(instance, flows, path, max(first, last - year + 1), last))


def place_title(instance: Instance, place: ChainPlace) -> str:
    """Return the printed name of a place of the supply chain."""
    if place.kind == "activity":
        return stage_title(instance, place.stage, place.region)
    if place.kind == "segment":
        return display_name(instance, place.owner)
    if place.kind == "flow":
        return ", ".join(filter(None, (place.owner, place.region and region_name(instance, place.region))))
    words = {"scrap": "scrap collected", "stock": "from stock", "substitute": "substitutes", "unserved": "NOT SERVED"}
    return words[place.kind]


def idle_note(instance: Instance, *paths: str) -> str:
    """Return the note that makers can stand idle in a shock, after a space; empty if none of the paths needs it."""
    has_to_run = any(each.min_utilisation > 0 for each in instance.activities.values())
    note = " In a shock no maker has to run (min_utilisation holds in the baseline only): one that is not cut off can "
    return f"{note}stand idle where another is cheaper." if has_to_run and set(paths) - {BASELINE} else ""


class Atlas:
    """Numbers of places and commodities, shared by all chains of a report."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.commodities = list(instance.commodities)
        self.columns: list[str] = []
        self.places: list[dict[str, Any]] = []
        self._number: dict[str, int] = {}
        self._commodity = {c: i for i, c in enumerate(self.commodities)}

    def compact(self, each: Chain) -> dict[str, Any]:
        """Return a chain for JSON; a passage is ``[source, target, commodity, t per year, share]``."""
        self.columns = list(each.columns)
        number = {place.key: self._of(place) for place in each.places}
        return {
            "first": each.first,
            "last": each.last,
            "passages": [
                [
                    number[passage.source],
                    number[passage.target],
                    self._commodity[passage.commodity],
                    *(float(f"{value:.4g}") for value in (passage.tonnes, passage.share)),
                ]
                for passage in each.passages
            ],
            "demanded": each.demanded,
            "served": each.served,
            "by_region": dict(each.by_region),
            "left_out": [self._commodity[commodity] for commodity in each.left_out],
        }

    def _of(self, place: ChainPlace) -> int:
        if place.key not in self._number:
            self._number[place.key] = len(self.places)
            common = {"title": place_title(self.instance, place), "sort": place.kind, "column": place.column}
            self.places.append({**common, "stage": place.stage, "region": place.region})
        return self._number[place.key]

    def to_dict(self) -> dict[str, Any]:
        """Return places, commodities and the note on shocks for JSON; call it after `compact` for every chain."""
        note = idle_note(self.instance, *(shock.name for shock in self.instance.events))
        return {"columns": self.columns, "places": self.places, "commodities": self.commodities, "idle_note": note}


PLACE_COLOURS = {"segment": INK, "scrap": GREEN, "stock": SKY, "substitute": PURPLE, "unserved": VERMILION}
# Share of the height that a column's places fill; the rest is space between them.
FILL = 0.72
# Largest number of places tried for a name, up and down by turns.
_STEPS = 80


def draw_sankey(
    instance: Instance, result: Result, drawn: Chain, key: str, colours: Mapping[str, tuple[str, str]]
) -> Canvas:
    """Draw the supply chain on one path, with bands as wide as the share of demand for each commodity."""
    title = "in the baseline" if key == BASELINE else f"in {full_name(instance, instance.event(key))}"
    span = windowed(drawn.first, drawn.last)
    crowded = max(Counter(place.column for place in drawn.places).values(), default=0)
    canvas = new_canvas(f"{instance.title}: the supply chain {title}, {span}", max(4.6, 0.19 * crowded))
    (panel,) = canvas.panels
    bands = _Bands(instance, drawn, colours, panel)
    bands.draw()
    panel.set_xlim(-0.03, 1.2)
    panel.set_ylim(1.02, -0.05)
    panel.set_xticks([])
    panel.set_yticks([])
    remove_frame(panel)
    used = [region for region in colours if any(place.region == region for place in drawn.places)]
    handles = _region_handles(instance, colours, used)
    served = percent(drawn.served / drawn.demanded if drawn.demanded else 1.0)
    add_footer(canvas, f"Of a demand of {si(drawn.demanded, 't')} a year {served} "
         "is served. Bands: share of the demand for each commodity; makers of one commodity share a pool. "
         f"{of_plan(result)}{idle_note(instance, key)}", handles)  # fmt: skip
    canvas.figure.draw_without_rendering()
    bands.part_names()
    return canvas


class _Bands:
    """The places in columns, and the bands between them, on one panel."""

    def __init__(self, instance: Instance, drawn: Chain, colours: Mapping[str, tuple[str, str]], panel: "Axes") -> None:
        self.instance, self.chain, self.colours, self.panel = instance, drawn, colours, panel
        self.last = max(1, len(drawn.columns) - 1)
        self.names: list[tuple[Text, int]] = []
        out, into = defaultdict[str, float](float), defaultdict[str, float](float)
        for each in drawn.passages:
            out[each.source] += each.share
            into[each.target] += each.share
        self.size = {place.key: max(out[place.key], into[place.key]) for place in drawn.places}
        self.columns: dict[int, list[ChainPlace]] = defaultdict(list)
        for place in drawn.places:
            self.columns[place.column].append(place)
        tallest = max((sum(self.size[place.key] for place in some) for some in self.columns.values()), default=1.0)
        self.scale = FILL / (tallest or 1.0)
        self.top = {place.key: top for some in self.columns.values() for place, top in self._stacked(some)}

    def _stacked(self, some: Sequence[ChainPlace]) -> list[tuple[ChainPlace, float]]:
        order = list(self.colours)
        ranked = sorted(some, key=lambda place: (_rank(place, order), -self.size[place.key]))
        high = sum(self.size[place.key] for place in some) * self.scale
        gap = (1.0 - high) / max(1, len(some))
        top, made = gap / 2, list[tuple[ChainPlace, float]]()
        for place in ranked:
            made.append((place, top))
            top += self.size[place.key] * self.scale + gap
        return made

    def draw(self) -> None:
        """Draw the bands, and the places on top of them."""
        places = {place.key: place for place in self.chain.places}
        leaving, arriving = dict(self.top), dict(self.top)
        for each in sorted(self.chain.passages, key=lambda each: (self.top[each.source], self.top[each.target])):
            high = each.share * self.scale
            source, target = places[each.source], places[each.target]
            starts, ends = leaving[each.source], arriving[each.target]
            leaving[each.source] += high
            arriving[each.target] += high
            self._band(source, starts, target, ends, high)
        for place in self.chain.places:
            self._place(place)

    def _band(self, source: ChainPlace, starts: float, target: ChainPlace, ends: float, high: float) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline

        left, right = source.column / self.last + 0.012, target.column / self.last - 0.012
        middle = (left + right) / 2
        corners = [(left, starts), (middle, starts), (middle, ends), (right, ends), (right, ends + high)]
        corners += [(middle, ends + high), (middle, starts + high), (left, starts + high), (left, starts)]
        codes = [Outline.MOVETO, *[Outline.CURVE4] * 3, Outline.LINETO, *[Outline.CURVE4] * 3, Outline.CLOSEPOLY]
        colour = self._colour(source)
        self.panel.add_patch(PathPatch(Outline(corners, codes), facecolor=colour, alpha=0.42, linewidth=0))

    def _place(self, place: ChainPlace) -> None:
        from matplotlib.patches import Rectangle

        x, top, high = place.column / self.last, self.top[place.key], self.size[place.key] * self.scale
        pattern = self.colours[place.region][1] * 3 if place.kind == "activity" and place.region in self.colours else ""
        self.panel.add_patch(
            Rectangle(
                (x - 0.012, top), 0.024, max(high, 0.002), facecolor=self._colour(place), hatch=pattern, linewidth=0
            )
        )
        words = place_title(self.instance, place)
        bold = "bold" if place.kind == "unserved" else "normal"
        text = self.panel.text(x + 0.018, top + high / 2, words, va="center", fontsize=6.3, fontweight=bold,
                               bbox={"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 0.3})  # fmt: skip
        self.names.append((text, place.column))

    def part_names(self) -> None:
        """Break names that reach the next column, and move those that overlap apart; call it after the layout."""
        across, taken = self.panel.transData.transform, list["Bbox"]()
        for text, column in self.names:
            end = across(((column + 1) / self.last, 0.0))[0]
            if column < self.last and text.get_window_extent().x1 > end:
                text.set_text(text.get_text().replace(", ", ",\n", 1))
        for text, _ in sorted(self.names, key=lambda name: name[0].get_position()[1]):
            x, y = text.get_position()
            for step in range(_STEPS):
                text.set_position((x, y + 0.005 * (step // 2 + step % 2) * (-1) ** step))
                place = text.get_window_extent()
                if not any(place.overlaps(other) for other in taken):
                    break
            taken.append(text.get_window_extent())

    def _colour(self, place: ChainPlace) -> str:
        return PLACE_COLOURS.get(place.kind) or self.colours.get(place.region, (GREY, ""))[0]


def _region_handles(instance: Instance, colours: Mapping[str, tuple[str, str]], used: Sequence[str]) -> list[Any]:
    """Return the legend of the regions in use: colour and pattern of each."""
    from matplotlib.patches import Patch

    looks = {region: colours[region] for region in used}
    return [
        Patch(facecolor=colour, hatch=pattern * 3, label=region_name(instance, region))
        for region, (colour, pattern) in looks.items()
    ]


def _rank(place: ChainPlace, order: Sequence[str]) -> int:
    if place.kind == "unserved":
        return len(order) + 2
    return order.index(place.region) if place.region in order else len(order) + 1


def draw_dependence(
    instance: Instance,
    result: Result,
    shares: Mapping[str, Sequence[SourceShare]],
    colours: Mapping[str, tuple[str, str]],
) -> Canvas:
    """Draw shares of production by region in every year, the HHI, and the line that marks dependence."""
    commodities, years = list(shares), list(instance.horizon.years)
    across = min(3, len(commodities))
    down = -(-len(commodities) // across)
    canvas = new_canvas(f"{instance.title}: on whom supply depends", 0.4 + 1.9 * down)
    canvas.figure.delaxes(canvas.panels[0])
    grid = canvas.figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    panels = [panel for row in grid for panel in row]
    seen: dict[str, None] = {}
    for panel, commodity in zip(panels, commodities, strict=False):
        _stack(panel, display_name(instance, commodity), shares[commodity], colours, seen)
    for panel in panels[len(commodities) :]:
        panel.set_visible(False)
    for panel in panels[len(commodities) - across : len(commodities)]:
        panel.tick_params(labelbottom=True)
    for panel in panels:
        panel.set_xlim(years[0] - 0.6, years[-1] + 0.6)
        panel.set_ylim(0, 1.16)
        panel.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        panel.set_xticks(years[:: max(1, len(years) // 4)])
    handles = _region_handles(instance, colours, [region for region in colours if region in seen])
    add_footer(canvas, f"Share of {production_words(instance)} in the baseline; dashed: "
         f"{percent(DEPENDENCE)} from one region. HHI: concentration, 0 to 1, in the first and last year. "
         f"{of_plan(result)}", handles)  # fmt: skip
    return canvas


def _stack(
    panel: "Axes",
    title: str,
    shares: Sequence[SourceShare],
    colours: Mapping[str, tuple[str, str]],
    seen: dict[str, None],
) -> None:
    weight: dict[str, float] = defaultdict(float)
    for share in shares:
        for region, part in share.regions.items():
            weight[region] += part
    below = [0.0] * len(shares)
    years = [share.year for share in shares]
    for region in sorted(weight, key=lambda region: -weight[region]):
        seen[region] = None
        parts = [share.regions.get(region, 0.0) for share in shares]
        colour, pattern = colours.get(region, (GREY, ""))
        panel.bar(years, parts, bottom=below, color=colour, hatch=pattern * 3, width=0.86)
        below = [low + part for low, part in zip(below, parts, strict=True)]
    panel.axhline(DEPENDENCE, color=INK, linestyle="--", linewidth=1.1)
    ends = ((shares[0], "left"), (shares[-1], "right"))
    for share, side in ends if len(shares) > 1 else ends[:1]:
        if share.regions:
            panel.text(share.year + (-0.43 if side == "left" else 0.43), 1.02, f"HHI {fixed(share.hhi, 2)}", ha=side,
                       va="bottom", fontsize=6.5)  # fmt: skip
    panel.set_title("\n".join(wrap(title, 34)), fontsize=7.5, loc="left")
