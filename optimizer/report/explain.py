"""How an explanation looks: the plan's answer, then one finding after the other as they become known."""

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.analysis.explain import Explanation, Part
from optimizer.analysis.explain_dates import Deadline
from optimizer.analysis.explain_prices import Worth
from optimizer.analysis.explain_reason import Reason
from optimizer.analysis.explain_repairs import Repair
from optimizer.analysis.measure import Difference
from optimizer.instance.schema import Instance
from optimizer.report.answer import answer
from optimizer.report.builds import builds
from optimizer.report.explain_repairs import repaired
from optimizer.report.proofs import NOTHING, measured
from optimizer.report.screen import Screen
from optimizer.report.tables import binding
from optimizer.report.words import called, listed, named, percent, plural
from optimizer.result import Result
from optimizer.units import si, si_up

LABEL, FIGURE = 16, 16
HEADINGS = {
    "shock": "Each shock: the cost of the plan without it",
    "family": "All windows of a shock: the cost of the plan without them",
    "lever": "Each lever: the cost of the plan without it",
    "kind": "All levers of a kind: the cost of the plan without them",
    "dearer floor": "Each floor: one point more, one point less",
    "cheaper floor": "Each floor: one point more, one point less",
    "later": "Each build, if it comes {months:g} months later",
    "sooner": "Each build, if it could come {months:g} months sooner",
}
TITLES = {"budget": "More budget", "annual": "More each year", "floors": "Lower floors", "length": "Shorter shocks"}


class Explaining:
    """Prints each part under the heading that it belongs to.

    Args:
        instance: what is explained.
        console: where to; stdout where it is left out.
    """

    def __init__(self, instance: Instance, console: Console | None = None) -> None:
        self.instance = instance
        self.console = console or Screen()
        self.heading, self.more = "", "Repairs"
        self.useless: list[Repair] = []

    def show(self, part: Part) -> None:
        """Print one part; segments and builds that cannot mend anything alone are kept for one line together."""
        if isinstance(part, Repair) and part.works is False and part.of is not None:
            if self.useless and self.useless[0].kind != part.kind:
                self._tell_useless()
            self.useless.append(part)
            return
        if not isinstance(part, Repair) or (self.useless and part.kind != self.useless[0].kind):
            self._tell_useless()
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
        elif isinstance(part, Worth):
            self._under(_heading(part))
            self._line(*_worth(self.instance, part))
        elif isinstance(part, Deadline):
            self._under("By when each has to be ordered")
            self._line(named(self.instance, part.option), *_deadline(part))
        else:
            self._under(f"{self.more}, each enough by itself")
            self._row(_title(self.instance, part), repaired(self.instance, part), _mark(part.works))

    def _tell_useless(self) -> None:
        if self.useless:
            some, self.useless = self.useless, []
            title = "Less demand:" if some[0].kind == "demand" else "Sooner:"
            names = ", ".join(named(self.instance, str(each.of)) for each in some)
            size = ", not even without any of it" if some[0].kind == "demand" else ", not even without any lead time"
            alone = "cannot work alone" if len(some) == 1 else "none of them can work alone"
            self._under(f"{self.more}, each enough by itself")
            self._row(f"{title} others", f"{alone}{size}: {names}.", _mark(False))

    def end(self, explanation: Explanation) -> None:
        """The last line: how sure all this is."""
        self._tell_useless()
        self.console.print()
        gap, within = percent(explanation.gap, 1), explanation.within
        sure = f"What-ifs are proven to {gap} of their cost"
        if within is not None:
            sure = f"What-ifs are proven within {si(within, self.instance.money)}"
            sure += "" if explanation.measure is None else f", {measured(explanation.measure)}"
        sure += ", unless said otherwise."
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

    def _line(self, title: str, figure: str, text: str) -> None:
        """A title, a figure to the right of it, and what is to be said of it."""
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(ratio=4, overflow="fold")
        grid.add_column(width=FIGURE, justify="right")
        grid.add_column(ratio=5)
        grid.add_row(title, Text(figure, style="bold"), Text(text, style="dim"))
        self.console.print(grid)

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


def _reason(instance: Instance, why: Reason) -> Iterator[tuple[bool, str]]:
    """The reason in words, and whether each line is one of several."""
    *others, last = [named(instance, d) for d in why.takers]
    segment = f"{', '.join(others)} and {last}" if others else last
    need = "needs" if len(why.takers) == 1 else "need"
    window = why.first if why.first == why.last else f"{why.first}–{why.last}"
    commodity = named(instance, why.commodity)
    needed, had = si(why.needed, "t"), si(why.had, "t")
    yield (
        False,
        f"In {called(instance, why.shock)}, {window}, {segment} {need} {needed} of {commodity}; "
        f"a plan for this alone has {had}, because",
    )
    for sentence in why.because:
        yield True, sentence
    yield False, _irreducible(instance, why)
    if why.is_money and why.least_outlay is not None and why.budget is not None:
        money = instance.money
        took, there_is = si_up(why.least_outlay, money), si(why.budget, money)
        years = ", and the budget of each year stays as it is" if instance.policy.annual_budget is not None else ""
        yield False, f"To survive just this takes an outlay of {took}; the budget is {there_is}{years}."
    elif why.is_money and why.least_added is not None:
        more = si_up(why.least_added, instance.money)
        yield False, f"To survive just this takes {more} more in each year than its budget."
    elif not why.is_money:
        yield False, "No budget changes that: this is what is left with unlimited money."


def _irreducible(instance: Instance, why: Reason) -> str:
    floors = listed([named(instance, d) for d in why.segments])
    plain = f"the {'floor' if len(why.segments) == 1 else 'floors'} of {floors}"
    shocks = (
        why.shocks[0] if len(why.shocks) == 1 else f"{plural(len(why.shocks), 'shock')} ({listed(list(why.shocks))})"
    )
    if why.months is not None:
        shocks = f"the first {why.months:g} months of {shocks}"
    if not why.is_irreducible:
        return f"It cannot be done already with {shocks} alone and {plain} alone; perhaps with less than that."
    return f"This alone cannot be done: {shocks} with {plain}. Without any one of these the rest can."


def _heading(worth: Worth) -> str:
    return HEADINGS[worth.kind].format(months=worth.months or 0)


def _worth(instance: Instance, worth: Worth) -> tuple[str, str, str]:
    """Title, figure and words of a worth."""
    title, money = named(instance, worth.of), instance.money
    title += {"dearer floor": " + 1 point", "cheaper floor": " − 1 point"}.get(worth.kind, "")
    if worth.survives is None:
        return title, "not known", "stopped before it was known"
    if worth.change is None:
        if worth.needed is not None:
            return (
                title,
                "NOTHING SURVIVES",
                f"under this budget; it would take an outlay of {si_up(worth.needed, money)}",
            )
        policy = instance.policy
        if worth.kind in ("lever", "kind"):
            return (
                title,
                "NOTHING SURVIVES",
                "at any budget" if policy.annual_budget is None else "at any budget in all",
            )
        return title, "NOTHING SURVIVES", "" if policy.budget is None else "under this budget"
    outlay = "" if worth.outlay is None else f", outlay {si(worth.outlay, money)}"
    if _is_nothing(worth):
        low, high = _plain(worth.low or 0.0), _plain(worth.high or 0.0)
        return title, NOTHING, f"no change that is proven: {low} … {high}{outlay}"
    return title, _signed(worth.change, money), f"{_proven(worth)}{outlay}"


def _is_nothing(worth: Worth) -> bool:
    """Whether a change may be one for the better, for the worse, or none, for all that is proven."""
    if not worth.change or worth.low is None or worth.high is None:
        return False
    return not Difference(worth.change, worth.low, worth.high).is_proven


def _signed(change: float, money: str) -> str:
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    return f"{sign}{si(abs(change), money)}"


def _proven(worth: Worth) -> str:
    """The range in which the change is proven to lie, where that is wider than a reader sees."""
    change, low, high = worth.change or 0.0, worth.low, worth.high
    if low is None or high is None:
        return "not proven"
    if max(high - change, change - low) <= 5e-4 * abs(change) or high - low <= 1e-9:
        return "proven"
    return f"proven {_plain(low)} … {_plain(high)}"


def _plain(amount: float) -> str:
    return f"{'−' if amount < 0 else ''}{si(abs(amount))}"


def _deadline(deadline: Deadline) -> tuple[str, str]:
    """Figure and words of a deadline."""
    planned = "" if deadline.as_planned is None else f"; {deadline.as_planned} at the latest if all else stays"
    ordered = f"ordered {deadline.ordered}{planned}"
    if deadline.can_be_left_out:
        return "–", f"{ordered}; it can be left out (see above)"
    if deadline.anyhow is None:
        return "not known", f"{ordered}; stopped before the rest was known"
    return deadline.anyhow, f"{ordered}; after that nothing survives under this budget"
