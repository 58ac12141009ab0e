"""How an explanation looks: the plan's answer, then one finding after the other as they become known."""

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.analysis.explain import Explanation, Part
from optimizer.analysis.explain_reason import Reason
from optimizer.analysis.explain_repairs import Repair
from optimizer.instance.schema import Instance
from optimizer.report.answer import answer
from optimizer.report.builds import builds
from optimizer.report.tables import binding
from optimizer.report.words import listed, named, percent, plural
from optimizer.result import Result
from optimizer.units import si

LABEL = 16
TITLES = {"budget": "More budget", "floors": "Lower floors", "length": "Shorter shocks"}


class Explaining:
    """Prints each part under the heading that it belongs to.

    Args:
        instance: what is explained.
        console: where to; stdout where it is left out.
    """

    def __init__(self, instance: Instance, console: Console | None = None) -> None:
        self.instance = instance
        self.console = console or Console(highlight=False, markup=False, emoji=False)
        self.heading, self.more = "", "Repairs"

    def show(self, part: Part) -> None:
        """Print one part."""
        if isinstance(part, Result):
            self._first(part)
        elif isinstance(part, Reason):
            self._under("Why nothing survives")
            for bullet, line in _reason(self.instance, part):
                grid = Table.grid(padding=(0, 1))
                grid.add_column(no_wrap=True)
                grid.add_column()
                grid.add_row(" –", line)
                self.console.print(grid if bullet else Text(line))
            self.more = "More repairs"
        else:
            self._under(f"{self.more}, each enough by itself")
            self._row(_title(self.instance, part), _repair(self.instance, part), _mark(part.works))

    def end(self, explanation: Explanation) -> None:
        """The last line: how sure all this is."""
        self.console.print()
        sure = f"What-ifs are proven to {percent(explanation.gap, 1)} of their cost, unless said otherwise."
        late = "" if explanation.is_complete else " Stopped before every question was answered."
        self.console.print(Text(sure + late, style="dim"))

    def _first(self, result: Result) -> None:
        """The answer, the plan, and what binds."""
        self.console.print(answer(self.instance, result))
        parts: list[RenderableType | None] = [builds(self.instance, result, self.console.width), binding(result)]
        for part in parts:
            if part is not None and result.baseline is not None:
                self.console.print()
                self.console.print(part)
        for note in result.notes:
            self.console.print(Text(note, style="yellow"))

    def _under(self, heading: str) -> None:
        if heading != self.heading:
            self.console.print()
            self.console.print(Text(heading, style="bold"))
            self.heading = heading

    def _row(self, title: str, text: str, mark: Text) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(width=LABEL)
        grid.add_column()
        grid.add_row(mark, title, text)
        self.console.print(grid)


def _mark(works: bool | None) -> Text:
    marks = {True: Text("✓", style="green"), False: Text("✗", style="red"), None: Text("?", style="yellow")}
    return marks[works]


def _title(instance: Instance, repair: Repair) -> str:
    who = named(instance, repair.of) if repair.of else ""
    if repair.kind == "sooner":
        return f"Sooner: {who or 'all builds'}"
    if repair.kind == "demand":
        return f"Less demand: {who or 'all'}"
    return TITLES[repair.kind]


def _repair(instance: Instance, repair: Repair) -> str:
    if not repair.works:
        return f"{'cannot work' if repair.works is False else 'not known'}: {repair.why}."
    sizes = {"budget": _money, "floors": _floors, "length": _length, "sooner": _sooner, "demand": _demand}
    return f"{sizes[repair.kind](instance, repair)} {_price(instance, repair)}"


def _price(instance: Instance, repair: Repair) -> str:
    if repair.cost is None or repair.outlay is None:
        return "The time ran out before its price was known."
    proven = "" if repair.is_proven else " (not proven least)"
    return (
        f"Then the plan costs {si(repair.cost, instance.money, 4)}{proven}, "
        f"with an outlay of {si(repair.outlay, instance.money)}."
    )


def _money(instance: Instance, repair: Repair) -> str:
    amount, budget = repair.amount or 0.0, instance.policy.budget
    less = "" if repair.beyond is None else f" Less than {si(repair.beyond, instance.money, 5)} is proven not to do."
    more = (
        "" if budget is None else f", {si(amount - budget, instance.money)} more than the {si(budget, instance.money)}"
    )
    return (
        f"{si(amount, instance.money, 5)}{more} there are.{less}" if more else f"{si(amount, instance.money, 5)}.{less}"
    )


def _floors(instance: Instance, repair: Repair) -> str:
    amount, horizon = repair.amount or 0.0, instance.horizon
    if amount >= 1.0:
        return "the floors can be kept as they are."
    parts = []
    for d, floors in repair.floors.items():
        first, last = floors[horizon.start], floors[horizon.end]
        one = (
            f"{percent(first, 1)}"
            if first == last
            else f"{percent(first, 1)} in {horizon.start}, {percent(last, 1)} in {horizon.end}"
        )
        parts.append(f"{named(instance, d)} {one}")
    no_more = "" if repair.beyond is None else f" More than {percent(repair.beyond, 2)} is proven not to do."
    return f"{percent(amount, 1)} of every floor: {'; '.join(parts)}.{no_more}"


def _length(instance: Instance, repair: Repair) -> str:
    more = "" if repair.beyond is None else f"; one of {repair.beyond:g} months is not"
    return f"shocks of up to {repair.amount:g} months are survived{more}."


def _sooner(instance: Instance, repair: Repair) -> str:
    less = f"; {repair.beyond:g} months are not enough" if repair.beyond else ""
    return f"{repair.amount:g} months, by a shorter lead time or an order before {instance.horizon.start}{less}."


def _demand(instance: Instance, repair: Repair) -> str:
    horizon, share = instance.horizon, repair.amount or 0.0
    first, last = repair.tonnes[horizon.start], repair.tonnes[horizon.end]
    tonnes = (
        si(first, "t/yr")
        if first == last
        else f"{si(first, 't/yr')} in {horizon.start}, {si(last, 't/yr')} in {horizon.end}"
    )
    less = f" {percent(repair.beyond)} is not enough." if repair.beyond else ""
    return f"{percent(share)} of it gone, {tonnes}.{less}"


def _reason(instance: Instance, why: Reason) -> Iterator[tuple[bool, str]]:
    """The reason in words, and whether each line is one of several."""
    segment = named(instance, why.segment)
    window = why.first if why.first == why.last else f"{why.first}–{why.last}"
    commodity = named(instance, why.commodity)
    needed, had = si(why.needed, "t"), si(why.had, "t")
    yield False, f"In {why.shock}, {window}, {segment} needs {needed} of {commodity}; {had} can be had, because"
    for sentence in why.because:
        yield True, sentence
    yield False, _irreducible(instance, why)
    if why.is_money and why.least_outlay is not None and why.budget is not None:
        money = instance.money
        took, there_is = si(why.least_outlay, money), si(why.budget, money)
        yield False, f"To survive just this takes an outlay of {took}; the budget is {there_is}."
    elif not why.is_money:
        yield False, "No budget changes that: this is what is left with unlimited money."


def _irreducible(instance: Instance, why: Reason) -> str:
    floors = listed([named(instance, d) for d in why.segments])
    plain = f"the {'floor' if len(why.segments) == 1 else 'floors'} of {floors}"
    shocks = (
        why.shocks[0] if len(why.shocks) == 1 else f"{plural(len(why.shocks), 'shock')} ({listed(list(why.shocks))})"
    )
    if not why.is_irreducible:
        return f"It cannot be done already with {shocks} alone and {plain} alone; perhaps with less than that."
    return f"This alone cannot be done: {shocks} with {plain}. Without any one of these the rest can."
