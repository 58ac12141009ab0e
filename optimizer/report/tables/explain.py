"""Printed explanation of a plan: its answer, then each finding as soon as it is known."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from rich.console import Console
from rich.text import Text

from optimizer.horizon import windowed
from optimizer.instance.derived import but_samples, display_name, has_initial_stock
from optimizer.instance.schema import Instance
from optimizer.report.format import (
    DASH,
    kept_words,
    list_names,
    months_text,
    percent,
    plural,
    repair_title,
    repair_words,
    shock_title,
)
from optimizer.report.narrative import share_of_base
from optimizer.report.screen import Screen
from optimizer.report.tables.plan import answer, builds_table, limits_table
from optimizer.report.tables.render import attack_parts_note, label_rows
from optimizer.results.result import Result
from optimizer.studies.explanation import (
    Deadline,
    Explanation,
    ExplanationPart,
    PartValue,
    Reason,
    Repair,
    ValueRow,
    ValueRows,
)
from optimizer.tolerances import ROUNDING, SHOWN_SHARE
from optimizer.units import least_whole, si, si_down, si_up

# Widths of the columns of titles and of figures, characters.
LABEL, FIGURE = 16, 16
# Below this relative difference, need and supply read alike in three digits, and the difference itself is printed.
SAME_IN_DIGITS = 0.005
# Largest share of all demand that a repair may give up.
MOST_GIVEN_UP = 0.5
_MARKS = {True: Text("✓", style="green"), False: Text("✗", style="red"), None: Text("?", style="yellow")}


def shortage_text(instance: Instance, why: Reason) -> str:
    """Describe the shortage of a reason: the shock, the segments, the amount needed and the amount available."""
    segment = list_names([display_name(instance, d) for d in why.takers], len(why.takers))
    need = "needs" if len(why.takers) == 1 else "need"
    window = windowed(why.first, why.last, "–")
    commodity = display_name(instance, why.commodity)
    if why.months is not None:
        window += f" (the first {why.months:g} months of the shock already cannot be survived)"
    # Neither figure includes the demand that substitutes serve.
    serves = {flow.serves for option in instance.options.values() for flow in option.flows}
    beyond = " beyond what substitutes serve" if serves & set(why.takers) else ""
    where = f"In {shock_title(instance, why.shock)}, short in {window}"
    return f"{where}, {segment} {need} {si(why.needed, 't')} of {commodity}{beyond}{_supply_text(why)}"


def _supply_text(why: Reason) -> str:
    """Describe the amount available to a plan for the conflict alone, or the amount missing if that is small."""
    missing = why.needed - why.had
    if missing < SAME_IN_DIGITS * why.needed:
        return f", {si(missing, 't')} more than a plan for this conflict alone has"
    return f"; a plan for this conflict alone has {si(why.had, 't')}"


def _money_sentences(instance: Instance, why: Reason) -> Iterator[str]:
    """Yield the money that it takes to survive the conflict of a reason, or that no money is enough."""
    if why.is_money and why.least_outlay is not None and why.budget is not None:
        money = instance.money
        took, there_is = si_up(why.least_outlay, money), si(why.budget, money)
        years = ", and the budget of each year stays as it is" if instance.policy.annual_budget is not None else ""
        yield f"To survive just this takes an outlay of {took}; the budget is {there_is}{years}."
    elif why.is_money and why.least_added is not None:
        more = si_up(why.least_added, instance.money)
        yield f"To survive just this takes {more} more in each year than its budget."
    elif not why.is_money:
        yield "No budget changes that: the conflict remains with unlimited money."


def _conflict_sentence(instance: Instance, why: Reason) -> str:
    floors = list_names([display_name(instance, d) for d in why.segments])
    plain = f"the {'floor' if len(why.segments) == 1 else 'floors'} of {floors}"
    several = f"{plural(len(why.shocks), 'shock')} ({list_names(why.shocks)})"
    several += f", of which {why.may_fail:,} may fail," if why.may_fail else ""
    shocks = why.shocks[0] if len(why.shocks) == 1 else several
    if why.months is not None:
        shocks = f"the first {why.months:g} months of {shocks}"
    if not why.is_irreducible:
        return f"Already {shocks} with {plain} cannot be survived; perhaps a smaller set cannot either."
    least = "Without any one of these shocks and floors, the others here can be survived"
    if len(why.shocks) == len(why.segments) == 1:
        least = "Without this shock, or without this floor, the conflict is gone"
    least += "; the instance as a whole may still fail."
    return f"Conflict (IIS): {shocks} with {plain} cannot be survived. {least}"


def _deadline_words(instance: Instance, deadline: Deadline) -> tuple[str, str]:
    """Return when the plan orders an option, and in words the latest order with this plan and with another plan."""
    latest = [] if deadline.as_planned is None else [f"{deadline.as_planned} with the rest of the plan unchanged"]
    latest += [] if deadline.anyhow is None else [f"{deadline.anyhow} with another plan"]
    words = "in this plan" + (f"; at the latest {', '.join(latest)}" if latest else "")
    if deadline.can_be_left_out:
        rest = "with what is in store" if has_initial_stock(instance, deadline.option) else "without (see above)"
        words += f"; another plan can do {rest}"
    elif deadline.anyhow is None:
        words += "; stopped before the rest was known"
    return deadline.ordered, words


def repair_text(instance: Instance, repair: Repair) -> str:
    """Describe the least size of a repair, a size that is too small, and the cost of the plan; or why it fails."""
    if not repair.works:
        left = "" if repair.gap_left is None else f" {_without_budget_sentence(instance, repair)}"
        return f"{'cannot work' if repair.works is False else 'not known'}: {repair.why}.{left}"
    sizes = {
        "budget": _budget_repair,
        "annual": _annual_repair,
        "floors": _floors_repair,
        "length": _length_repair,
        "months": _months_repair,
        "sooner": _sooner_repair,
        "demand": _demand_repair,
    }
    unsure = "" if repair.beyond is not None else " It was stopped before it was known whether less would do."
    return f"{sizes[repair.kind](instance, repair)}{unsure} {_price_sentence(instance, repair)}"


def repair_sentences(instance: Instance, found: Explanation) -> list[str]:
    """Return sentences on the repairs that make everything survivable, or that the search was stopped before any."""
    kept = next((each for each in found.repairs if each.keeps_all), None)
    alone = (_least_budget_sentence(instance, found), _sufficient_repairs_sentence(instance, found))
    said = alone if kept is None else (_kept_floors_sentence(instance, kept),)
    if not (any(said) or found.is_complete):
        return ["The search for what would make everything survivable was stopped before it found anything."]
    return [each for each in said if each]


def _kept_floors_sentence(instance: Instance, repair: Repair) -> str:
    """Return the sentence that every floor can be kept, though the gaps cost less at their price."""
    priced = f"; a plan that keeps them costs {si(repair.cost, instance.money, 4)}" if repair.cost is not None else ""
    return f"Every floor {kept_words(instance)}{priced}."


def _least_budget_sentence(instance: Instance, found: Explanation) -> str:
    money = next((each for each in found.repairs if each.kind == "budget" and each.works is not None), None)
    if money is None:
        return ""
    but = but_samples(instance)
    if not money.works:
        years = "" if instance.policy.annual_budget is None else " while the annual budget stays as it is"
        left = "" if money.gap_left is None else f" {_without_budget_sentence(instance, money)}"
        return f"No amount of money alone makes everything survivable{but}{years}.{left}"
    return f"A budget of {si_up(money.amount or 0.0, instance.money)} is the least that survives everything{but}."


def _without_budget_sentence(instance: Instance, repair: Repair) -> str:
    """Return the sentence on what fails with the best plan without a total budget, and on what that plan spends."""
    failing, count = repair.failing or 0, len(instance.events)
    fails = f"{failing:,} of {plural(count, 'shock')} still fail{'s' * (failing == 1)}"
    gap = f"a gap of {si(repair.gap_left or 0.0, instance.money)}{' summed over them' * (failing > 1)}"
    return f"Without the total budget, the best plan spends {si(repair.outlay or 0.0, instance.money)}: {fails}, {gap}."


def _sufficient_repairs_sentence(instance: Instance, found: Explanation) -> str:
    """Return the sentence that lists the repairs that are each enough alone; giving up most of demand is not listed."""
    enough = [repair_words(instance, each) for each in found.repairs if each.works and not _gives_up_demand(each)]
    if enough:
        said = "; ".join(f"{label[0].lower()}{label[1:]} ({words})" for label, words, _ in enough)
        return f"Each of these alone is enough: {said}."
    most = next((each.amount or 0.0 for each in found.repairs if each.works), 1.0)
    short_of = f", short of {percent(most)} less demand" if most < 1.0 else ""
    tried = any(each.works is not None for each in found.repairs)
    return f"No change that was tried is enough alone{short_of}." if tried else ""


def _gives_up_demand(repair: Repair) -> bool:
    """Return whether a repair is more than half of all demand less: a measure of how far survival is."""
    return repair.kind == "demand" and repair.of is None and (repair.amount or 0.0) > MOST_GIVEN_UP


def _price_sentence(instance: Instance, repair: Repair) -> str:
    if repair.cost is None or repair.outlay is None:
        return "It was stopped before its cost was known."
    costs = f"{si(repair.cost, instance.money, 4)}{'' if repair.is_proven else ' (not proven to be the least)'}"
    change = "demand" if _gives_up_demand(repair) else "repair"
    return f"With this {change} the plan costs {costs}, with an outlay of {si(repair.outlay, instance.money)}."


def _budget_repair(instance: Instance, repair: Repair) -> str:
    amount, budget, money = repair.amount or 0.0, instance.policy.budget, instance.money
    less = _insufficient_money(instance, repair)
    less += "" if instance.policy.annual_budget is None else " The budget of each year stays as it is."
    more = "" if budget is None else f", {si(amount - budget, money)} more than the {si(budget, money)} of the budget"
    return f"{si(amount, money, 5)}{more}.{less}"


def _annual_repair(instance: Instance, repair: Repair) -> str:
    given, horizon, money = instance.policy.annual_budget, instance.horizon, instance.money
    assert given is not None
    years = {year: given.at(year) for year in horizon.years}
    budgets = _by_year(years, lambda amount: si(amount, money))
    there_is = f"its budget, {budgets}" if len(set(years.values())) > 1 else f"the {budgets} of the annual budget"
    less = _insufficient_money(instance, repair, "No addition")
    return f"{si_up(repair.amount or 0.0, money, 5)} more in each year than {there_is}.{less}"


def _insufficient_money(instance: Instance, repair: Repair, noun: str = "No budget") -> str:
    """Return the sentence on the amount below which no money is enough; empty if none is proven."""
    if repair.beyond is None:
        return ""
    return f" {noun} below {si_down(repair.beyond, instance.money, 5)} is enough (proven)."


def _floors_repair(instance: Instance, repair: Repair) -> str:
    if repair.keeps_all:
        return f"{kept_words(instance)}."
    parts = [
        f"{display_name(instance, d)} {_by_year(floors, lambda floor: percent(floor, 1))}"
        for d, floors in repair.floors.items()
        if _is_in_force(instance, d)
    ]
    parts += _own_floors(instance, repair)
    most = None if repair.beyond is None else least_whole(1e4 * repair.beyond) / 1e4
    no_more = "" if most is None else f" No more than {percent(most, 2)} can be kept (proven)."
    listed = f": {'; '.join(parts)}" if parts else ""
    return f"{percent(repair.amount or 0.0, 1)} of every floor{listed}.{no_more}"


def _is_in_force(instance: Instance, segment: str) -> bool:
    """Return whether a segment's own floor applies anywhere: in a shock that sets none for it, or under a rule."""
    return bool(instance.rule_paths) or any(segment not in event.spec.survival for event in instance.events)


def _own_floors(instance: Instance, repair: Repair) -> Iterator[str]:
    """Yield the floors that shocks set themselves, one text for all shocks with the same floor of a segment."""
    alike: dict[tuple[str, str], list[str]] = {}
    for shock, floors in repair.own_floors.items():
        for d, floor in floors.items():
            alike.setdefault((d, percent(floor, 1)), []).append(shock)
    yield from (f"{display_name(instance, d)} {share} in {list_names(shocks)}" for (d, share), shocks in alike.items())


def _by_year(values: Mapping[int, float], write: Callable[[float], str]) -> str:
    """Return the values of the first and last year, and any in between that is beyond both; one if all are alike."""
    words = {year: write(values[year]) for year in sorted(values)}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    said = {year: words[year] for year in (min(words), max(words))}
    highest, lowest = max(words, key=values.__getitem__), min(words, key=values.__getitem__)
    for beyond, bound in ((highest, "at most"), (lowest, "at least")):
        if words[beyond] not in said.values():
            said[beyond] = f"{bound} {words[beyond]}"
    return ", ".join(f"{said[year]} in {year}" for year in sorted(said))


def _length_repair(instance: Instance, repair: Repair) -> str:
    more = "" if repair.beyond is None else f"; to {months_text(repair.beyond)}, not all"
    return f"with every shock shortened to {months_text(repair.amount or 0.0)} at most, all are survived{more}."


def _months_repair(instance: Instance, repair: Repair) -> str:
    more = "" if repair.beyond is None else f"; {months_text(repair.beyond)} cannot"
    return f"rules of up to {months_text(repair.amount or 0.0)} can be kept{more}."


def _sooner_repair(instance: Instance, repair: Repair) -> str:
    less = f"; {months_text(repair.beyond)} would not be enough" if repair.beyond else ""
    how = f"by a shorter lead time or an order before {instance.horizon.start}"
    return f"{months_text(repair.amount or 0.0)} sooner, {how}{less}."


def _demand_repair(instance: Instance, repair: Repair) -> str:
    tonnes = f" (by {_by_year(repair.tonnes, lambda amount: si(amount, 't/yr'))})" if repair.tonnes else ""
    where = " in every segment" if repair.of is None and len(instance.demands) > 1 else ""
    less = f" {percent(repair.beyond)} is not enough." if repair.beyond else ""
    less += " That shows how far off survival is; it is no repair." * _gives_up_demand(repair)
    return f"{percent(repair.amount or 0.0)} lower{where}{tonnes}.{less}"


HEADINGS = {
    "shock": "Each shock: the change of cost without it",
    "family": "Each family of shocks: the change of cost without all of it",
    "lever": "Each option: the change of cost without it",
    "kind": "All options of a lever: the change of cost without them",
    "dearer floor": "Each floor: one point more, one point less",
    "cheaper floor": "Each floor: one point more, one point less",
    "later": "Each build, if it comes {months} later",
    "sooner": "Each build, if it could come {months} sooner",
}


def heading(value: PartValue) -> str:
    """Return the heading above a value."""
    return HEADINGS[value.kind].format(months=months_text(value.months or 0))


def value_cells(instance: Instance, row: ValueRow, *, releases: bool) -> tuple[str, str, str]:
    """Return the title, the figure and the explanation of a row; `releases`: whether the plan has stocks."""
    value, money = row.value, instance.money
    title = display_name(instance, value.of)
    title += {"dearer floor": " + 1 point", "cheaper floor": " − 1 point"}.get(value.kind, "")
    title += f" (one of {row.size})" if row.size > 1 else ""
    if value.survives is None:
        return title, "not known", "stopped before it was known"
    is_stored = value.kind in ("lever", "kind") and has_initial_stock(instance, value.of)
    also = "; what is in store is left out as well" if is_stored else ""
    if value.change is None:
        return title, "NO PLAN SURVIVES", _failing_budgets(instance, value) + also
    outlay = ("" if value.outlay is None else f"; new outlay {si(value.outlay, money)}") + also
    if _is_sign_open(value):
        return title, DASH, f"no proven change: between {si(value.low or 0.0)} and {si(value.high or 0.0)}{outlay}"
    return title, _signed_money(value.change, money), f"{_proven_range(value)}{outlay}{_why_dearer(value, releases)}"


def _failing_budgets(instance: Instance, value: PartValue) -> str:
    """Describe the budgets under which no plan survives, as far as they are known."""
    policy = instance.policy
    if value.needed is not None:
        return f"under this budget; it would take an outlay of {si_up(value.needed, instance.money)}"
    if value.is_money is False:
        return "at any budget" if policy.annual_budget is None else "at any total budget"
    if value.is_money:
        return "under this budget; a larger one would do, and it was stopped before the least was known"
    if value.kind in ("lever", "kind"):
        return "under this budget; it was stopped before it was known whether a larger one would do"
    return "" if policy.budget is None else "under this budget"


def _why_dearer(value: PartValue, releases: bool) -> str:
    """Explain why a plan costs more without a shock: floors only add cost, so the shock's expected cost is negative."""
    if value.kind not in ("shock", "family") or (value.change or 0.0) <= 0:
        return ""
    return "; its expected cost is negative" + (": released stock is not bought again" if releases else "")


def _is_sign_open(value: PartValue) -> bool:
    """Return whether the sign of a change is not proven, though its bounds are known."""
    if value.low is None or value.high is None or value.high - value.low <= ROUNDING:
        return False
    return not value.is_proven


def _signed_money(change: float, money: str) -> str:
    return f"{'+' if change > 0 else '−' if change < 0 else '±'}{si(abs(change), money)}"


def _proven_range(value: PartValue) -> str:
    """Return the proven range of a change, or just "proven" if the range is too narrow to show."""
    change, low, high = value.change or 0.0, value.low, value.high
    if low is None or high is None:
        return "not proven"
    is_narrow = max(high - change, change - low) <= SHOWN_SHARE * abs(change) or high - low <= ROUNDING
    return "proven" if is_narrow or si(low) == si(high) else f"proven: between {si(low)} and {si(high)}"


class ExplanationPrinter:
    """Printer of an explanation, which puts each part under its heading."""

    def __init__(self, instance: Instance, console: Console | None = None, *, every: bool = False) -> None:
        self.instance = instance
        self.rows = ValueRows(instance, every=every)
        self.releases = False
        self.console = console or Screen()
        self.heading, self.repairs_title = "", "Repairs"
        self.without_effect: list[Repair] = []

    def show(self, part: ExplanationPart) -> None:
        """Print one part, or hold it back until all parts of its row are known.

        The shocks of a family or an ensemble share a row, as do repairs of single segments or builds that fail alone.
        """
        if isinstance(part, PartValue):
            self._show_values(self.rows.add(part))
            return
        self._show_values(self.rows.rest())
        if self.without_effect and not (isinstance(part, Repair) and part.kind == self.without_effect[0].kind):
            self._show_without_effect()
        if isinstance(part, Repair):
            self._show_repair(part)
        elif isinstance(part, Result):
            self._show_answer(part)
        elif isinstance(part, Reason):
            self._show_reason(part)
        else:
            self._show_heading("When each is ordered, and the latest order")
            self._print_line(display_name(self.instance, part.option), *_deadline_words(self.instance, part))

    def _show_repair(self, repair: Repair) -> None:
        if repair.works is False and repair.of is not None:
            self.without_effect.append(repair)
            return
        self._show_heading(f"{self.repairs_title}, each tried by itself")
        mark = Text("·") if _gives_up_demand(repair) else _MARKS[repair.works]
        self._print_row(repair_title(self.instance, repair), repair_text(self.instance, repair), mark)

    def _show_reason(self, reason: Reason) -> None:
        self._show_heading("Why no plan survives everything")
        self.console.print(Text(f"{shortage_text(self.instance, reason)}, because"))
        for sentence in reason.because:
            self.console.print(label_rows([(" –", sentence)], {"no_wrap": True}, {}, space=1))
        for sentence in (_conflict_sentence(self.instance, reason), *_money_sentences(self.instance, reason)):
            self.console.print(Text(sentence))
        self.repairs_title = "More repairs"

    def _show_values(self, rows: Iterable[ValueRow]) -> None:
        for row in rows:
            self._show_heading(heading(row.value))
            self._print_line(*value_cells(self.instance, row, releases=self.releases))

    def _show_without_effect(self) -> None:
        if self.without_effect:
            repairs, self.without_effect = self.without_effect, []
            title, size = ("Less demand", "demand") if repairs[0].kind == "demand" else ("Sooner", "lead time")
            names = list_names([display_name(self.instance, str(each.of)) for each in repairs], len(repairs))
            row = f"{title}: others", f"{names}: none of them suffices alone"
            row = (repair_title(self.instance, repairs[0]), "does not suffice alone") if len(repairs) == 1 else row
            self._show_heading(f"{self.repairs_title}, each tried by itself")
            self._print_row(row[0], f"{row[1]}, even with no {size} at all.", _MARKS[False])

    def end(self, explanation: Explanation) -> None:
        """Print the rows held back, and the last line: how exactly the what-ifs are proven."""
        self._show_values(self.rows.rest())
        self._show_without_effect()
        self.console.print()
        sure = f"What-ifs are proven to {percent(explanation.accuracy, 1)} of their cost"
        if explanation.within is not None:
            sure = f"What-ifs are proven within {si(explanation.within, self.instance.money)}"
            sure += "" if explanation.tolerance_base is None else f", {share_of_base(explanation.tolerance_base)}"
        sure += ", unless said otherwise."
        if self.instance.policy.gap_price is not None:
            sure += " Each keeps every floor, whatever that costs, although gaps have a price."
        late = "" if explanation.is_complete else " Stopped before every what-if was solved."
        self.console.print(Text(sure + late + self.rows.note + attack_parts_note(self.instance), style="dim"))

    def _show_answer(self, result: Result) -> None:
        """Print the answer, the plan, and the binding limits."""
        self.releases = any(max(row, default=0.0) > 0 for row in result.plan.stocks.values())
        self.console.print(answer(self.instance, result))
        for part in (builds_table(self.instance, result, self.console.width), limits_table(self.instance, result)):
            if part is not None and result.baseline is not None:
                self.console.print()
                self.console.print(part)
        for note in result.notes:
            self.console.print(Text(note, style="yellow"))

    def _show_heading(self, heading: str) -> None:
        if heading != self.heading:
            self.console.print()
            self.console.print(Text(heading, style="bold"))
            self.heading = heading

    def _print_line(self, title: str, figure: str, text: str) -> None:
        """Print a title, a figure to its right, and the explanation of the figure."""
        layouts = ({"ratio": 4, "overflow": "fold"}, {"width": FIGURE, "justify": "right"}, {"ratio": 5})
        row = (title, Text(figure, style="bold"), Text(text, style="dim"))
        self.console.print(label_rows([row], *layouts, expand=True))

    def _print_row(self, title: str, text: str, mark: Text) -> None:
        self.console.print(label_rows([(mark, title, text)], {"no_wrap": True}, {"width": LABEL}, {}, space=1))
