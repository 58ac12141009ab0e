"""How an explanation looks: the plan's answer, then one finding after the other as they become known."""

from collections.abc import Iterable, Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.horizon import windowed
from optimizer.instance.schema import Instance
from optimizer.report.answer import answer
from optimizer.report.builds import builds
from optimizer.report.explain_repairs import repaired
from optimizer.report.explain_worths import Group, Groups, heading, worth_words
from optimizer.report.proofs import measured
from optimizer.report.screen import Screen
from optimizer.report.tables import binding
from optimizer.report.words import called, listed, named, percent, plural
from optimizer.results.result import Result
from optimizer.studies.explain.explain import Explanation, ExplanationPart
from optimizer.studies.explain.reason import Reason
from optimizer.studies.explain.repairs import Repair
from optimizer.studies.explain.worths import Deadline, Worth
from optimizer.units import si, si_up

LABEL, FIGURE = 16, 16
TITLES = {"budget": "More budget", "annual": "More each year", "floors": "Lower floors", "length": "Shorter shocks"}


class Explaining:
    """Prints each part under the heading that it belongs to.

    Args:
        instance: what is explained.
        console: where to; stdout where it is left out.
        every: whether each shock of a family or an ensemble has a row of its own.
    """

    def __init__(self, instance: Instance, console: Console | None = None, *, every: bool = False) -> None:
        self.instance = instance
        self.groups = Groups(instance, every=every)
        self.releases = False
        self.console = console or Screen()
        self.heading, self.more = "", "Repairs"
        self.useless: list[Repair] = []

    def show(self, part: ExplanationPart) -> None:
        """Print one part.

        What is one row together is kept until all of it is known: the shocks of a family or an ensemble, and segments
        and builds that cannot mend anything alone.
        """
        if isinstance(part, Worth):
            self._show_groups(self.groups.add(part))
            return
        self._show_groups(self.groups.rest())
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
        elif isinstance(part, Deadline):
            self._under("By when each has to be ordered")
            self._line(named(self.instance, part.option), *_deadline(part))
        else:
            self._under(f"{self.more}, each enough by itself")
            self._row(_title(self.instance, part), repaired(self.instance, part), _mark(part.works))

    def _show_groups(self, groups: Iterable[Group]) -> None:
        for group in groups:
            self._under(heading(group.most))
            self._line(*worth_words(self.instance, group, releases=self.releases))

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
        self._show_groups(self.groups.rest())
        self._tell_useless()
        self.console.print()
        gap, within = percent(explanation.gap, 1), explanation.within
        sure = f"What-ifs are proven to {gap} of their cost"
        if within is not None:
            sure = f"What-ifs are proven within {si(within, self.instance.money)}"
            sure += "" if explanation.measure is None else f", {measured(explanation.measure)}"
        sure += ", unless said otherwise."
        late = "" if explanation.is_complete else " Stopped before every question was answered."
        self.console.print(Text(sure + late + self.groups.note, style="dim"))

    def _first(self, result: Result) -> None:
        """The answer, the plan, and what binds."""
        self.releases = any(max(row, default=0.0) > 0 for row in result.plan.stocks.values())
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
    window = windowed(why.first, why.last, "–")
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


def _deadline(deadline: Deadline) -> tuple[str, str]:
    """Figure and words of a deadline."""
    planned = "" if deadline.as_planned is None else f"; {deadline.as_planned} at the latest if all else stays"
    ordered = f"ordered {deadline.ordered}{planned}"
    if deadline.can_be_left_out:
        return "–", f"{ordered}; it can be left out (see above)"
    if deadline.anyhow is None:
        return "not known", f"{ordered}; stopped before the rest was known"
    return deadline.anyhow, f"{ordered}; after that nothing survives under this budget"
