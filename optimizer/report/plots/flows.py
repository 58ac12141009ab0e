"""Plots of where things come from: the supply chain as bands, and dependence by region."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path

from optimizer.disruptions.shock import BASELINE
from optimizer.horizon import windowed
from optimizer.instance.derived import region_name
from optimizer.report.figures.book import Book
from optimizer.report.figures.chains import titled
from optimizer.report.figures.colours import GREEN, GREY, PURPLE, SKY, regions
from optimizer.report.plots.paper import INK, Sheeted, foot, of_plan, paper, plain
from optimizer.report.words import LINE, in_full, named, percent
from optimizer.results.plan import Share
from optimizer.studies.supply_chain import Chain, ChainPlace
from optimizer.units import si

SORTS = {"segment": INK, "scrap": GREEN, "stock": SKY, "substitute": PURPLE, "unserved": INK}
# A column's places fill this share of the height; the rest is room between them.
FILL = 0.72


def sankey(book: Book, key: str, *, end: bool) -> Sheeted:
    """The supply chain on one path: bands as wide as the share of what is asked of each commodity.

    Raises:
        KeyError: no such shock, or its flows are not kept.
    """
    both = book.own.chains[key]
    drawn = both[-1 if end else 0]
    title = "in the baseline" if key == BASELINE else f"in {_shock(book, key)}"
    span = windowed(drawn.first, drawn.last)
    crowded = max(Counter(place.column for place in drawn.places).values(), default=0)
    sheet = paper(f"{book.instance.title}: the supply chain {title}, {span}", max(4.6, 0.19 * crowded))
    (panel,) = sheet.panels
    colours = regions(book.instance, [each.shares for each in book.sheets])
    _Bands(book, drawn, colours, panel).draw()
    panel.set_xlim(-0.03, 1.2)
    panel.set_ylim(1.02, -0.05)
    panel.set_xticks([])
    panel.set_yticks([])
    plain(panel)
    used = [region for region in colours if any(place.region == region for place in drawn.places)]
    handles = [
        Patch(facecolor=colours[region][0], hatch=colours[region][1] * 3, label=region_name(book.instance, region))
        for region in used
    ]
    served = percent(drawn.served / drawn.demanded if drawn.demanded else 1.0)
    foot(sheet, f"Of {si(drawn.demanded, 't')} a year asked {served} "
         "are served. Bands: share of what is asked of each commodity; makers of one commodity share a pool. "
         f"{of_plan(book.own.result)}", handles)  # fmt: skip
    return sheet


def _shock(book: Book, key: str) -> str:
    return in_full(book.instance, book.instance.event(key))


class _Bands:
    """Places in columns and the bands between them, on one panel."""

    def __init__(self, book: Book, drawn: Chain, colours: Mapping[str, tuple[str, str]], panel: Axes) -> None:
        self.book, self.chain, self.colours, self.panel = book, drawn, colours, panel
        self.last = max(1, len(drawn.columns) - 1)
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
        """Bands first, places upon them."""
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
        left, right = source.column / self.last + 0.012, target.column / self.last - 0.012
        middle = (left + right) / 2
        corners = [(left, starts), (middle, starts), (middle, ends), (right, ends), (right, ends + high)]
        corners += [(middle, ends + high), (middle, starts + high), (left, starts + high), (left, starts)]
        codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
        colour = GREY if source.sort == "unserved" else self._colour(source)
        self.panel.add_patch(PathPatch(Path(corners, codes), facecolor=colour, alpha=0.42, linewidth=0))

    def _place(self, place: ChainPlace) -> None:
        x, top, high = place.column / self.last, self.top[place.key], self.size[place.key] * self.scale
        pattern = self.colours[place.region][1] * 3 if place.sort == "activity" and place.region in self.colours else ""
        self.panel.add_patch(
            Rectangle(
                (x - 0.012, top), 0.024, max(high, 0.002), facecolor=self._colour(place), hatch=pattern, linewidth=0
            )
        )
        words = titled(self.book.instance, place)
        bold = "bold" if place.sort == "unserved" else "normal"
        self.panel.text(x + 0.018, top + high / 2, words, va="center", fontsize=6.3, fontweight=bold)

    def _colour(self, place: ChainPlace) -> str:
        return SORTS.get(place.sort) or self.colours.get(place.region, (GREY, ""))[0]


def _rank(place: ChainPlace, order: Sequence[str]) -> int:
    if place.sort == "unserved":
        return len(order) + 2
    return order.index(place.region) if place.region in order else len(order) + 1


def dependence(book: Book, commodities: Sequence[str]) -> Sheeted:
    """Shares of production by region in every year, HHI, and the line."""
    shares, years = book.own.shares, list(book.instance.horizon.years)
    colours = regions(book.instance, [each.shares for each in book.sheets])
    across = min(3, len(commodities))
    down = -(-len(commodities) // across)
    sheet = paper(f"{book.instance.title}: on whom supply depends", 0.4 + 1.75 * down)
    sheet.figure.delaxes(sheet.panels[0])
    grid = sheet.figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    panels = [panel for row in grid for panel in row]
    seen: dict[str, None] = {}
    for panel, commodity in zip(panels, commodities, strict=False):
        _stack(panel, named(book.instance, commodity), shares[commodity], colours, seen)
    for panel in panels[len(commodities) :]:
        panel.set_visible(False)
    for panel in panels:
        panel.set_xlim(years[0] - 0.6, years[-1] + 0.6)
        panel.set_ylim(0, 1.16)
        panel.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        panel.set_xticks(years[:: max(1, len(years) // 4)])
    handles = [
        Patch(facecolor=colours[region][0], hatch=colours[region][1] * 3, label=region_name(book.instance, region))
        for region in colours
        if region in seen
    ]
    foot(sheet, f"Share of production in the baseline; dashed: {percent(LINE)} from one region. HHI: "
         "concentration, 0 to 10,000, in the first and last year. "
         f"{of_plan(book.own.result)}", handles)  # fmt: skip
    return sheet


def _stack(
    panel: Axes, title: str, shares: Sequence[Share], colours: Mapping[str, tuple[str, str]], seen: dict[str, None]
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
    panel.axhline(LINE, color=INK, linestyle="--", linewidth=1.1)
    ends = ((shares[0], "left"), (shares[-1], "right"))
    for share, side in ends if len(shares) > 1 else ends[:1]:
        if share.regions:
            panel.text(share.year + (-0.43 if side == "left" else 0.43), 1.02, f"HHI {1e4 * share.hhi:,.0f}", ha=side,
                       va="bottom", fontsize=6.5)  # fmt: skip
    panel.set_title(title if len(title) <= 34 else title[:33].rstrip() + "…", fontsize=7.5, loc="left")
