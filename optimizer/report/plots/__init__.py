"""The figures of a report as files: for print, and told apart without colour.

Colours are those of Okabe and Ito; what colour says, a pattern, a mark or a word says as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib import rc_context

from optimizer.disruptions.shock import BASELINE
from optimizer.report.figures.book import Book
from optimizer.report.figures.survival import Chosen, Passing, tightest
from optimizer.report.letters import lettered
from optimizer.report.plots import flows, plan, survival
from optimizer.report.plots.paper import STYLE, Sheeted, stored
from optimizer.results.plan import FULL
from optimizer.results.ranking import weakest_of
from optimizer.studies.frontier import Frontier


@dataclass(frozen=True)
class Choice:
    """What of a figure is drawn; what is left out is chosen.

    Attributes:
        shock: of path and sankey.
        segment: of path.
        commodity: of dependence.
        year: of endurance, the year of the cut.
        end: of sankey, the last year and not the first.
    """

    shock: str | None = None
    segment: str | None = None
    commodity: str | None = None
    year: int | None = None
    end: bool = False


def plot(book: Book, kind: str, choice: Choice, suffix: str, found: Frontier | None = None) -> bytes:
    """One figure as a file.

    Args:
        book: the report of the plan.
        kind: one of `KINDS`.
        choice: what of it.
        suffix: ``svg``, ``png`` or ``pdf``.
        found: the plans by budget; of the kind frontier only.

    Raises:
        ValueError: the plan has nothing of that kind, or no such shock, segment, commodity or year. Its text says so.
    """
    with rc_context(dict(STYLE)), lettered():
        return stored(frontier(book, found) if kind == "frontier" else DRAWN[kind](book, choice), suffix)


def frontier(book: Book, found: Frontier | None) -> Sheeted:
    """Gap and cost by outlay."""
    return plan.frontier(book, found or book.frontier)


def _timeline(book: Book, choice: Choice) -> Sheeted:
    _require(bool(book.own.moves), "nothing is bought: there is no timeline")
    return plan.timeline(book)


def _survival(book: Book, choice: Choice) -> Sheeted:
    _require(bool(book.own.passings), "there are no shocks")
    return survival.heatmap(book)


def _path(book: Book, choice: Choice) -> Sheeted:
    tight = tightest(book.own.rows)
    passings = {each.name: each for each in book.own.passings}
    _require(bool(passings), "there are no shocks")
    shock = choice.shock or (tight.shock if tight else next(iter(passings)))
    _require(shock in passings, f"there is no shock {shock!r} in the report; one of: {', '.join(passings)}")
    segments = list(book.instance.demands)
    segment = choice.segment or _tight(passings[shock])
    _require(segment in segments, f"there is no segment {segment!r}; one of: {', '.join(segments)}")
    kept = [name for name, each in passings.items() if each.short]
    _require(shock in kept, _not_kept(shock, kept))
    return survival.path(book, Chosen(shock, segment))


def _tight(passing: Passing) -> str:
    return list(passing.segments)[weakest_of(list(passing.segments.values()))]


def _not_kept(shock: str, kept: Sequence[str]) -> str:
    return (
        f"of {shock} the plan file has no flows, only its worst period, for they are kept of {FULL} shocks at most; "
        f"those of: {', '.join(kept)}. To have them, solve an instance with fewer shocks"
    )


def _sankey(book: Book, choice: Choice) -> Sheeted:
    key, known = choice.shock or BASELINE, book.own.chains
    names = [each.name for each in book.own.result.shocks]
    _require(key in names or key == BASELINE, f"there is no shock {key!r} in the plan; one of: {', '.join(names)}")
    _require(key in known, _not_kept(key, [name for name in known if name != BASELINE]))
    return flows.sankey(book, key, end=choice.end)


def _stock(book: Book, choice: Choice) -> Sheeted:
    _require(bool(book.own.stocks), "no stock is held")
    return survival.stocks(book)


def _dependence(book: Book, choice: Choice) -> Sheeted:
    known = list(book.own.shares)
    _require(bool(known), "nothing is made")
    wanted, home = choice.commodity, book.instance.home
    # What comes wholly from home in every year says nothing about dependence.
    foreign = [c for c in known if any(set(share.regions) - {home} for share in book.own.shares[c])]
    _require(wanted is None or wanted in known, f"no {wanted!r} is made and used; one of: {', '.join(known)}")
    return flows.dependence(book, (foreign or known) if wanted is None else [wanted])


def _waterfall(book: Book, choice: Choice) -> Sheeted:
    _require(bool(book.own.parts), "there are no costs")
    return plan.waterfall(book)


def _endurance(book: Book, choice: Choice) -> Sheeted:
    years = list(book.instance.horizon.years)
    _require(choice.year is None or choice.year in years, f"the horizon runs from {years[0]} to {years[-1]}")
    _require(bool(book.own.before), "nothing that could be cut ends a floor")
    return survival.endurance(book, choice.year)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


DRAWN: dict[str, Callable[[Book, Choice], Sheeted]] = {
    "timeline": _timeline,
    "survival": _survival,
    "path": _path,
    "sankey": _sankey,
    "stock": _stock,
    "dependence": _dependence,
    "waterfall": _waterfall,
    "endurance": _endurance,
}
KINDS = (*DRAWN, "frontier")
