"""The pictures of the plan at hand as sections of a page: the map, money and builds by year, stocks within a shock.

Each is the figure that `plot` draws of the same data, with its numbers behind it; they are in the JSON of the report.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from optimizer.extras import has_extra
from optimizer.report.figures.plot import Choice, draw_plot, drawn_stocks, maps_of
from optimizer.report.figures.world_map import map_table
from optimizer.report.figures.years import draw_down_table, years_of, years_table
from optimizer.report.html.book import Book, tidy
from optimizer.report.html.template import PageSection, picture_address


def _map(book: Book) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    maps = maps_of(book)
    return {"maps": [each.to_dict() for each in maps]}, map_table(book.instance, maps)


def _years(book: Book) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    years = years_of(book.instance, book.own.result, book.own.moves)
    if not any(each.spent for each in years):
        raise ValueError("nothing is bought")
    return {"years": [dict(vars(each)) for each in years]}, [years_table(book.own.result, years)]


def _draw_down(book: Book) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    drawn = drawn_stocks(book)
    stocks = [dict(vars(each)) for each in drawn.stocks]
    data = {"shock": drawn.outcome.name, "start": drawn.start, "stocks": stocks}
    return data, [draw_down_table(book.instance, drawn.stocks, drawn.start)]


# By the kind that `plot` takes: the title of its section, its caption, its name in the list of sections, its numbers.
_PICTURES: Mapping[str, tuple[str, str, str, Callable[[Book], tuple[dict[str, Any], list[dict[str, Any]]]]]] = {
    "map": ("Who supplies, and what is built where", "The baseline, and the worst shock", "Map", _map),
    "years": ("Money and builds by year", "In the year of the decision", "By year", _years),
    "drawdown": ("Stocks within a shock", "The shock that draws most on them", "Draw-down", _draw_down),
}


def plan_pictures(book: Book) -> tuple[PageSection, ...]:
    """The pictures of the plan at hand; none without the extra of figures, or without a plan."""
    if not has_extra("plot") or book.own.result.baseline is None:
        return ()
    return tuple(_sections(book))


def _sections(book: Book) -> Iterator[PageSection]:
    for kind, (title, caption, link, numbers) in _PICTURES.items():
        try:
            data, behind = numbers(book)
        except ValueError:
            # There is nothing of that kind in the plan.
            continue
        picture = picture_address(draw_plot(book, kind, Choice(), "svg"))
        alt = f"{title}, as a figure; the table behind it has its numbers."
        figure = {"kind": "figure", "caption": caption, "alt": alt, "picture": picture, "behind": behind}
        yield PageSection(kind, title, link, (figure,), data, is_stopped=False)


def picture_data(pictures: Sequence[PageSection]) -> dict[str, Any]:
    """The numbers of the pictures for the JSON of a report; nothing where there are none."""
    return {"pictures": {each.name: tidy(each.data) for each in pictures}} if pictures else {}
