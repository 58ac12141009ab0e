"""Tables of a comparison: columns side by side, with changes marked."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import but_samples, display_name, has_floors, one_region, region_name
from optimizer.instance.schema import Instance
from optimizer.report.format import (
    DEPENDENCE,
    SERVICE_NOTE,
    abroad,
    budget_text,
    case_title,
    percent,
    plural,
    service_text,
)
from optimizer.report.narrative import GAP_OF_ALL, no_plan_words, survived_words
from optimizer.report.provenance import PRICED_HIGHER
from optimizer.report.tables.budgets import (
    NOTICEABLE,
    accuracy_sentence,
    bound_text,
    breakpoints_table,
    budget_steps_table,
    cost_without_shocks_differs,
    gap_definition,
    least_outlay_part,
    lone_shocks_table,
    lost_shock_sentences,
)
from optimizer.report.tables.render import closing_lines, cross_table
from optimizer.results.plan import Lack
from optimizer.results.result import Result
from optimizer.studies.comparison import Comparison, ComparisonColumn, union
from optimizer.studies.cost_tolerance import ProvenDifference
from optimizer.studies.purchases import sizes_bought, years_bought
from optimizer.tolerances import FINEST_SHARE
from optimizer.units import si, si_up

# Width of the labels, of a column by budget, and of a column by case.
LABEL_WIDTH, BUDGET_WIDTH, CASE_WIDTH = 24, 11, 15
MOST_SHARES = 8
# Significant digits of money, and the most that fit into a column.
MONEY_DIGITS, MOST_MONEY_DIGITS = 4, 7
KEPT, FAILS, CHANGED = "green", "bold red", "bold"
TableRow = tuple[str | Text, list[Text]]


def later_parts(comparison: Comparison, width: int, *, part: str, every: bool = False) -> list[RenderableType | None]:
    """Return a part printed after the grid: ``least``, ``alone`` (`every` shock, or families folded) or ``next``."""
    if part == "alone":
        return ["", lone_shocks_table(comparison, width, every=every)]
    return ["", {"least": least_outlay_part, "next": budget_steps_table}[part](comparison)]


def _parts_by_case(comparison: Comparison, width: int) -> list[RenderableType]:
    """Return the tables of each case, with an empty line between two cases."""
    parts: list[RenderableType] = []
    for case in comparison.cases:
        own = [column for column in comparison.columns if column.case == case]
        parts += [*column_tables(comparison, own, width, title=case), ""]
    return parts[:-1]


def grid_parts(comparison: Comparison, width: int) -> list[RenderableType]:
    """Return the headline and the tables of columns, for a terminal of the given width."""
    parts: list[RenderableType] = [Text(comparison_headline(comparison), style="bold"), ""]
    if comparison.changes or comparison.resolution is not None:
        parts += [breakpoints_table(comparison), ""]
    budgets = {column.budget for column in comparison.columns}
    if len(comparison.cases) > 1 and len(budgets) > 1:
        parts += [_cases_table(comparison), ""]
        parts += _parts_by_case(comparison, width)
    else:
        parts += column_tables(comparison, comparison.columns, width, title="Side by side")
    return [*parts, *closing_lines(comparison.notes)]


def comparison_headline(comparison: Comparison) -> str:
    """Return a sentence for each of up to four cases; for more cases, the number of columns that survive."""
    stopped = "STOPPED: this is what was known. " if comparison.stopped else ""
    said = [_case_sentence(comparison, case) for case in comparison.cases] if len(comparison.cases) <= 4 else []
    kept = sum(column.result.survives for column in comparison.columns)
    count = f"{kept} of {plural(len(comparison.columns), 'column')} survive every shock"
    count += f"{but_samples(*comparison.cases.values())}."
    return stopped + ("\n".join(said) or count)


def _case_sentence(comparison: Comparison, case: str) -> str:
    own = [column for column in comparison.columns if column.case == case]
    columns = [column for column in own if column.result.baseline is not None]
    instance = comparison.cases[case]
    title, money = instance.title if len(comparison.cases) == 1 else case, instance.money
    if not columns:
        return f"{title}: {_no_plan_text(own)}."
    best = columns[-1].result
    cost = f"costs {si(best.total_cost, money, 4)} in all"
    if unthreatened := _unthreatened_text(instance, best):
        return f"{title}: {unthreatened}; the cheapest plan {cost}."
    if not any(column.result.survives for column in columns):
        return f"{title}: {_failing_text(columns, money)}."
    return f"{title}: {_survival_text(columns, _least_outlay(comparison, case), money)}."


def _unthreatened_text(instance: Instance, result: Result) -> str:
    """Return why no shock can fail; empty if one can."""
    kept = "" if has_floors(instance) else "has no floors to keep, so no shock can fail"
    return kept if result.shocks else "the instance has no shocks"


def _no_plan_text(columns: Sequence[ComparisonColumn]) -> str:
    """Describe a case of which no column has a plan."""
    is_known = any(column.result.status != "stopped" for column in columns)
    return "no plan" if is_known else "no plan was found before the search was stopped"


def _survival_text(columns: Sequence[ComparisonColumn], needed: float | None, money: str) -> str:
    """Describe the first plan that survives and its budget; for a single column, its cost instead."""
    first = next(column for column in columns if column.result.survives)
    survives = f"survives {survived_words(first.result)}"
    if len(columns) == 1:
        return f"{survives}, total cost {si(first.result.total_cost, money, 4)}"
    return f"{survives} with {_needed_budget_text(first.budget, needed, money)}{_smaller_budget_text(columns, money)}"


def _failing_text(columns: Sequence[ComparisonColumn], money: str) -> str:
    """Describe how many shocks the plan of the largest budget survives, where every plan fails."""
    best, is_stopped = columns[-1].result, any(column.result.status == "stopped" for column in columns)
    text = f"survives {len(best.shocks_survived):,} of {plural(len(best.shocks), 'shock')}"
    is_known = columns[-1].budget is not None and best.given is None
    under = f" with a budget of {budget_text(columns[-1].budget, money)}" if is_known else ""
    why = f"{under} (to survive more is impossible, or {PRICED_HIGHER})" if best.has_priced_gaps else f" at best{under}"
    text += f" so far{under}" if is_stopped else why if best.given is None else ""
    text += f"; the largest survival gap of one shock is {si(best.worst_gap, money)}" if best.worst_gap > 0 else ""
    return text + ("; the search was stopped before more was known" if is_stopped else "")


def _least_outlay(comparison: Comparison, case: str) -> float | None:
    """Return the least outlay that survives; None unless it is proven."""
    return next((each.outlay for each in comparison.least if each.case == case and each.status == "optimal"), None)


def _needed_budget_text(budget: float | None, needed: float | None, money: str) -> str:
    """Describe the smallest budget whose plan survives, and the least outlay if it is known."""
    text = "no limit on the budget" if budget is None else f"a budget of {budget_text(budget, money)}"
    if needed is not None:
        return f"{text}; the least outlay is {si_up(needed, money, 6)}"
    return text if budget is None else f"{text}, the smallest of these that is enough"


def _smaller_budget_text(columns: Sequence[ComparisonColumn], money: str) -> str:
    """Describe the smallest budget that survives as many shocks as the largest insufficient one; empty without any."""
    below = [column for column in columns if not column.result.survives]
    if not below:
        return ""
    then = len(below[-1].result.shocks_survived)
    less = next(column.budget or 0.0 for column in below if len(column.result.shocks_survived) == then)
    return f"; with {si(less, money, 4)} it survives {then:,} of {len(columns[-1].result.shocks):,}"


# The table.


def column_tables(
    comparison: Comparison, columns: Sequence[ComparisonColumn], width: int, title: str
) -> list[RenderableType]:
    """Build tables with as many columns as fit side by side; if columns are cases, every table has the first one."""
    if not columns:
        return []
    by_case = len({column.case for column in columns}) > 1
    each, rows = CASE_WIDTH if by_case else BUDGET_WIDTH, _Rows(comparison, columns, by_case=by_case)
    fit = max(2, (width - LABEL_WIDTH) // each)
    against = "the first column" if by_case else "the column to its left"
    left, parts = list(range(len(columns))), list[RenderableType]()
    while left:
        head = [0] if by_case and parts else []
        chosen, left = [*head, *left[: fit - len(head)]], left[fit - len(head) :]
        parts += [_columns_table(comparison, columns, chosen, rows, f"{title}, continued" if parts else title), ""]
    return [
        *parts[:-1],
        Text(_columns_caption(comparison, columns, against), style="dim"),
        *closing_lines(rows.reasons()),
    ]


def _columns_table(
    comparison: Comparison, columns: Sequence[ComparisonColumn], chosen: Sequence[int], rows: "_Rows", title: str
) -> Table:
    lines = list[TableRow | None]()
    for section, block in rows.blocks():
        if section and block:
            lines += [None, (Text(section, style="dim"), [])]
        lines += [(label, [cells[i] for i in chosen]) for label, cells in block]
    return cross_table(
        title,
        "" if rows.by_case else f"Budget, {comparison.cases[columns[0].case].money}",
        [rows.head(columns[i]) for i in chosen],
        lines,
        labels={"width": LABEL_WIDTH - 2},
        layout={"width": (CASE_WIDTH if rows.by_case else BUDGET_WIDTH) - 2},
    )


@dataclass(frozen=True)
class _Rows:
    """Rows of some columns; marks compare a column with the one to its left, or a case with the first case."""

    comparison: Comparison
    columns: Sequence[ComparisonColumn]
    by_case: bool

    def head(self, column: ComparisonColumn) -> str:
        """Return the head of a column: its case or its budget."""
        return column.case if self.by_case else budget_text(column.budget).removesuffix(" budget")

    def reasons(self) -> list[str]:
        """Return a sentence for each column without a plan, and for each larger budget that survives less."""
        money = self._instance(self.columns[0]).money
        named = [(c.case if self.by_case else budget_text(c.budget, money), c.result) for c in self.columns]
        said = [
            f"{name}: no plan exists, since {no_plan_words(result.clash)}: {'; '.join(result.clash)}."
            for name, result in named
            if result.clash
        ]
        return said if self.by_case else [*said, *lost_shock_sentences(named, money)]

    def _instance(self, column: ComparisonColumn) -> Instance:
        return self.comparison.cases[column.case]

    def _compared_result(self, i: int) -> Result | None:
        return None if i == 0 else self.columns[0 if self.by_case else i - 1].result

    def blocks(self) -> Iterator[tuple[str, list[TableRow]]]:
        """Yield the title and the rows of each section."""
        yield "", list(self._figures())
        yield "Weakest period, % served / floor", list(self._services())
        yield "Unserved in the baseline", list(self._lacks())
        yield f"Largest share, {self._instance(self.columns[0]).horizon.end}", list(self._dependence())
        yield "Bought in all years", list(self._builds())

    def _figures(self) -> Iterator[TableRow]:
        money = self._instance(self.columns[0]).money
        if self.by_case:
            yield f"Budget, {money}", [Text(budget_text(c.budget).removesuffix(" budget")) for c in self.columns]
        if self._has_shocks():
            yield "Survives", [_survived_cell(self._instance(column), column.result) for column in self.columns]
            for words, gap in (GAP_OF_ALL, "survival_gap"), ("Gap of the worst shock", "worst_gap"):
                yield f"{words}, {money}", [_money_cell(c.result, getattr(c.result, gap), 3) for c in self.columns]
        digits = self._cost_digits()
        yield f"Total cost, {money}", [self._cost_cell(column, digits) for column in self.columns]
        yield from self._prices(money)
        yield f"Outlay, {money}", [_money_cell(column.result, column.result.outlay, 4) for column in self.columns]

    def _has_shocks(self) -> bool:
        """Return whether any column has shocks, or no plan that would have an outcome."""
        return any(column.result.shocks or column.result.baseline is None for column in self.columns)

    def _cost_cell(self, column: ComparisonColumn, digits: int) -> Text:
        """Return the total cost, and below it the proven bound if the cost is not proven to the tolerance."""
        proven = bound_text(self.comparison.tolerance_bases.get(column.case), column.result)
        return _money_cell(column.result, column.result.total_cost, digits).append(f"\n{proven}" if proven else "")

    def _prices(self, money: str) -> Iterator[TableRow]:
        """Yield the price of survival of each column, after the costs that it is measured from where these differ.

        Yield nothing if no column has shocks.
        """
        if any(column.result.price_of_survival is not None and column.result.shocks for column in self.columns):
            if cost_without_shocks_differs(self.columns):
                costs = [_money_cell(c.result, c.result.calm_cost, self._cost_digits()) for c in self.columns]
                yield f"Cost without shocks, {money}", costs
            digits = self._digits("price_of_survival")
            yield (
                f"{self._price_words()}, {money}",
                [_money_cell(c.result, c.result.price_of_survival, digits) for c in self.columns],
            )

    def _price_words(self) -> str:
        """Return the label of the prices: of survival, of plans that leave a gap, or of both."""
        survives = {column.result.survives for column in self.columns if column.result.baseline is not None}
        if survives == {False}:
            return "Price of the plan"
        return "Price of survival (where a gap is left: of the plan)" if False in survives else "Price of survival"

    def _cost_digits(self) -> int:
        """Return the digits of total costs and of costs without shocks, one number as their difference is a price."""
        has_both = cost_without_shocks_differs(self.columns)
        return max(self._digits("total_cost"), self._digits("calm_cost") if has_both else MONEY_DIGITS)

    def _digits(self, name: Literal["total_cost", "calm_cost", "price_of_survival"]) -> int:
        """Return the digits that show a tenth of the least proven difference of a figure, within the two limits."""
        found = [column.result for column in self.columns if column.result.baseline is not None]
        results = [result for result in found if getattr(result, name) is not None]
        largest = max((abs(getattr(result, name)) for result in results), default=0.0)
        if largest <= 0:
            return MONEY_DIGITS
        least = min(_proven_differences(results, name), default=largest)
        needed = math.floor(math.log10(largest)) - math.floor(math.log10(least / 10)) + 1
        return min(max(needed, MONEY_DIGITS), MOST_MONEY_DIGITS)

    def _lacks(self) -> Iterator[TableRow]:
        """Yield a row for each segment short in the baseline: the largest unserved share of demand, and its period."""
        for d in union(column.result.lacks for column in self.columns):
            found = [column.result.lacks.get(d) for column in self.columns]
            yield self._owner_title(d), [_shortage_cell(each) for each in found]

    def _services(self) -> Iterator[TableRow]:
        for d in union(column.result.services for column in self.columns):
            cells = []
            for i, column in enumerate(self.columns):
                worst = column.result.services.get(d)
                if worst is None:
                    cells.append(Text("–", style="dim"))
                    continue
                before = self._compared_result(i)
                was = before.services.get(d) if before else None
                moved = was is not None and abs(was.worst_service - worst.worst_service) >= 0.005
                mark = "✗ " if worst.shocks_failed else ""
                style = FAILS if worst.shocks_failed else CHANGED if moved else ""
                cells.append(Text(mark + service_text(worst), style=style))
            yield self._owner_title(d), cells

    def _dependence(self) -> Iterator[TableRow]:
        """Yield a row for each commodity with more than `DEPENDENCE` from one region abroad, the most changed first."""
        commodities = union(column.result.shares for column in self.columns)
        tops = {
            c: [_largest_source(self._instance(column), column.result, c) for column in self.columns]
            for c in commodities
        }
        over = {c: row for c, row in tops.items() if max(part for _, part in row) > DEPENDENCE}
        ordered = sorted(over, key=lambda c: -round(_share_range(over[c]), 3))
        for c in ordered[:MOST_SHARES]:
            regions = {region for region, _ in over[c] if region}
            name, same = self._owner_title(c), len(regions) == 1
            head = f"{name}: {regions.pop()}" if same else name
            yield head, [_share_cell(top, is_named=not same) for top in over[c]]
        if len(ordered) > MOST_SHARES:
            yield f"{len(ordered) - MOST_SHARES} more above {percent(DEPENDENCE)}", [Text("") for _ in self.columns]

    def _builds(self) -> Iterator[TableRow]:
        bought = [sizes_bought(column.result) for column in self.columns]
        order = union(self._instance(column).options for column in self.columns)
        for o in (o for o in order if any(o in plan_sizes for plan_sizes in bought)):
            sizes = [self._size_cell(i, o, bought) for i in range(len(self.columns))]
            yield f"{self._owner_title(o)}, {self._unit(o)}", sizes

    def _size_cell(self, i: int, o: str, bought: Sequence[dict[str, float]]) -> Text:
        """Return the size that a column buys of an option, marked if the column that it is compared with differs."""
        # An option opened at size 0 is more than one not bought, which has −1.
        size, before = bought[i].get(o, -1.0), self._compared_result(i)
        text, plain = ("–", "dim") if size < 0 else (si(size), "")
        if before is None:
            return Text(text, style=plain)
        was = bought[0 if self.by_case else i - 1].get(o, -1.0)
        if (size < 0) != (was < 0) or abs(size - was) > NOTICEABLE * abs(max(size, was)):
            mark, colour = ("▲", "cyan") if size > was else ("▼", "magenta")
            return Text(f"{mark} {text}", style=f"{CHANGED} {colour}")
        if size >= 0 and years_bought(before, o) != years_bought(self.columns[i].result, o):
            return Text(f"◆ {text}", style=CHANGED)
        return Text(text, style=plain)

    def _owner_title(self, owner: str) -> str:
        for column in self.columns:
            name = display_name(self._instance(column), owner)
            if name != owner:
                return name
        return owner

    def _unit(self, o: str) -> str:
        instances = (self._instance(column) for column in self.columns)
        return next(instance.options[o].labels.size_unit for instance in instances if o in instance.options)


def _survived_cell(instance: Instance, result: Result) -> Text:
    if result.baseline is None:
        return Text("no plan", style=FAILS) if result.status != "stopped" else Text("?")
    count = f"{len(result.shocks_survived):,} of {len(result.shocks):,}" if has_floors(instance) else "no floors"
    count = count if result.shocks else "no shocks"
    doubt = " ?" if result.status == "stopped" else ""
    return Text(count + doubt, style=KEPT if result.survives else FAILS)


def _proven_differences(results: Sequence[Result], name: str) -> Iterator[float]:
    """Yield the differences of a figure between plans whose costs are proven to differ, rounding errors excepted."""
    rounding = FINEST_SHARE * max(abs(result.total_cost) for result in results)
    for one, other in combinations(results, 2):
        apart = abs(getattr(one, name) - getattr(other, name))
        if apart > rounding and ProvenDifference.of_costs(one, other).is_proven:
            yield apart


def _money_cell(result: Result, amount: float | None, digits: int) -> Text:
    return Text("–", style="dim") if amount is None or result.baseline is None else Text(si(amount, digits=digits))


def _shortage_cell(lack: Lack | None) -> Text:
    return Text("–", style="dim") if lack is None else Text(f"{percent(lack.share)}\n{lack.period}", style="yellow")


def _largest_source(instance: Instance, result: Result, commodity: str) -> tuple[str, float]:
    """Return the region abroad with the largest share of a commodity in the last year, and this share."""
    shares = result.shares.get(commodity, ())
    foreign = abroad(instance, shares[-1].regions) if shares else {}
    region, share = max(foreign.items(), key=lambda item: item[1], default=("", 0.0))
    return region_name(instance, region), share


def _share_range(tops: Sequence[tuple[str, float]]) -> float:
    """Return the range of the largest share over the columns."""
    parts = [part for _, part in tops]
    return max(parts) - min(parts)


def _share_cell(top: tuple[str, float], *, is_named: bool) -> Text:
    region, part = top
    if not region:
        return Text("–", style="dim")
    over = part > DEPENDENCE
    said = f"{percent(part)}{' !' if over else ''}"
    return Text(f"{said}\n{region}" if is_named else said, style="red" if over else "")


def _cases_table(comparison: Comparison) -> Table:
    """Build the table of cases by budget: the number of shocks survived, and the gap or the cost."""
    budgets = list(dict.fromkeys(column.budget for column in comparison.columns))
    by_place = {(column.case, column.budget): column.result for column in comparison.columns}

    def cell(case: str, budget: float | None) -> Text:
        result = by_place.get((case, budget))
        if result is None or result.baseline is None:
            return Text("–", style="dim")
        amount = si(result.total_cost, digits=4) if result.survives else f"✗ {si(result.survival_gap)}"
        return _survived_cell(comparison.cases[case], result).append(f"\n{amount}")

    return cross_table(
        f"Cases and budgets, {next(iter(comparison.cases.values())).money}",
        "",
        [budget_text(budget) for budget in budgets],
        [(case, [cell(case, budget) for budget in budgets]) for case in comparison.cases],
        caption=_cases_caption(comparison),
        labels={"max_width": LABEL_WIDTH + 10},
    )


def _cases_caption(comparison: Comparison) -> str:
    has_given = any(column.result.given is not None for column in comparison.columns)
    given = " A plan that is given is judged once, under the budget of the file: it is the same under any other."
    return f"Shocks survived; below it the total cost where all are, else the gap of all shocks (✗).{given * has_given}"


def column_title(found: Comparison, column: ComparisonColumn) -> str:
    """Return the name of a case, with its budget where one case has several columns; a given plan has none."""
    if len(found.columns) <= len(found.cases) or column.result.given is not None:
        return case_title(column.case)
    kind = "" if column.budget is None else "budget "
    return f"{case_title(column.case)}, {kind}{budget_text(column.budget, column.result.money)}"


def _columns_caption(comparison: Comparison, columns: Sequence[ComparisonColumn], against: str) -> str:
    """Return the caption of the given columns: the meaning of the marks, and the accuracy of the figures."""
    text = f"▲ more, ▼ less than in {against}, ◆ as much at other times. "
    if any(column.result.shocks for column in columns):
        text += f"{SERVICE_NOTE} Weakest is the least margin over all shocks, what is served less the floor: less may "
        text += "be served elsewhere, under a lower floor, and the cells of a row may be of different shocks and "
        text += "periods. ✗ below the floor. "
    region = one_region(next(iter(comparison.cases.values())))
    text += f"Largest share: of what is made in the baseline, from {region}; ! more than {percent(DEPENDENCE)}. "
    text += f"{gap_definition(columns)}{accuracy_sentence(comparison, columns)}"
    if cost_without_shocks_differs(columns):
        text += " The price of a column counts from its own cost without shocks, under the same rules and budget: "
        text += "columns that differ only in rules or budgets compare by total cost."
    if any("≥" in bound_text(comparison.tolerance_bases.get(column.case), column.result) for column in columns):
        text += " ≥: the proven lower bound of a cost, where it is less."
    if any(column.result.bound is not None for column in columns):
        text = f"{text.rstrip()} Within this accuracy, what is bought can differ from the plan of solve, which proves "
        text += "more closely."
    is_stopped = any(column.result.status == "stopped" for column in columns)
    return text.rstrip() + (" Columns with ? were stopped before the proof." if is_stopped else "")
