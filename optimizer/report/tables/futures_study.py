"""Tables of the value of deciding later and of knowing earlier: the answer, then questions, plans and orders."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import display_name, size_range_text, size_text
from optimizer.instance.questions import each_question, question_above
from optimizer.report.format import DASH, list_names, percent, plural
from optimizer.report.tables.futures import ASSUMED_PROBABILITIES
from optimizer.report.tables.plan import answer_panel
from optimizer.report.tables.render import WIDE_LAYOUT, closing_lines, cross_table
from optimizer.studies.cost_tolerance import ProvenDifference
from optimizer.studies.futures.study_result import (
    FollowedPlan,
    FuturesStudy,
    InformedOrder,
    MeasuredCost,
    OrderClass,
    QuestionTiming,
)
from optimizer.tolerances import SAME_VALUE
from optimizer.units import si, si_down, si_up

# Digits of differences of costs, and of costs.
DIFFERENCE_DIGITS, COST_DIGITS = 3, 4
# Characters that a future and the labels need in the regret table.
WIDTH_OF_FUTURE, WIDTH_OF_LABELS = 12, 28
# Caption of a table in which gaps have a price.
PRICED = "Gaps count at their price."
# Cells for plans whose cost cannot be compared with that of the adaptive plan.
CLOSES, NO_PLAN, UNKNOWN = "closes gap", "no plan", "?"
LARGER_GAP = "✗ it leaves a larger gap than the informed plan of that future."


def futures_study_tables(found: FuturesStudy, width: int) -> Iterator[RenderableType | None]:
    """Yield the printed parts in order, for a terminal of the given width."""
    yield _answer_panel(found)
    if found.questions:
        yield _questions_table(found)
    if found.followed:
        yield _regret_summary(found)
        if WIDTH_OF_LABELS + WIDTH_OF_FUTURE * len(found.alone) <= width:
            yield _regret_matrix(found)
    if found.orders:
        yield _orders_table(found)
    yield from closing_lines(found.notes, stopped=found.stopped, seconds=found.seconds)


# Figures that are known between two bounds.


def bounds_text(low: float, high: float, money: str, digits: int = DIFFERENCE_DIGITS) -> str:
    """Return an amount between proven bounds: one figure if both read alike, else a range that is rounded outwards."""
    if not math.isfinite(low):
        return f"at most {si_up(high, money, digits)}"
    if not math.isfinite(high):
        return f"at least {si_down(low, money, digits)}"
    if si(low, "", digits) == si(high, "", digits):
        return si(high, money, digits)
    if low <= 0:
        return f"at most {si_up(high, money, digits)}"
    return f"{si_down(low, '', digits)} to {si_up(high, money, digits)}"


def _difference(difference: ProvenDifference, money: str, reference: float) -> str:
    """Return the range of a difference; 0 if it is negligible beside the `reference` amount."""
    if difference.high <= 10.0 ** (-COST_DIGITS) * abs(reference):
        return f"0 {money}".rstrip()
    return bounds_text(difference.low, difference.high, money)


# The answer.


def _answer_panel(found: FuturesStudy) -> RenderableType:
    adaptive = found.costs.get("adaptive")
    style = "green" if adaptive and adaptive.survives and not found.stopped else "yellow" if adaptive else "red"
    return answer_panel(found.instance.title, worth_headline(found), list(worth_facts(found)), style)


def worth_headline(found: FuturesStudy) -> str:
    """Return the value of deciding later and of knowing earlier, or why it is not known."""
    if found.costs.get("adaptive") is None:
        if found.stopped:
            return "The search was stopped before it had a plan for all futures"
        return "There is no plan for all futures: its rules contradict each other"
    later, earlier = (_gain_words(found, name) for name in ("flexibility", "information"))
    parts = [f"Deciding later what can wait {' '.join(later)}"] if later else []
    if earlier:
        verb = "" if later and later[0] == earlier[0] else f" {earlier[0]}"
        parts.append(f"{'knowing' if parts else 'Knowing'} every answer at the start{verb} {earlier[1]}")
    return f"{'; '.join(parts)}{_other_measure(found)}" if parts else _no_gain_sentence(found)


def _other_measure(found: FuturesStudy) -> str:
    """Return the measure in parentheses if it is not the expected cost: a gain in it is no cost that is saved."""
    return "" if found.measure == "expected cost" else f" ({found.measure})"


def _gain_words(found: FuturesStudy, name: str) -> tuple[str, str] | None:
    """Return a verb and an amount for the effect of ``flexibility`` or ``information``; None if it is not known."""
    worth = _worth_amount(found, name)
    if worth is not None:
        return "is worth", worth
    without, with_it = found.compared(name)
    gap = None if with_it is None else with_it.closed_gap(without)
    return None if gap is None else ("closes", f"an expected survival gap of {si(gap, found.instance.money)}")


def _no_gain_sentence(found: FuturesStudy) -> str:
    informed = found.costs.get("perfect")
    if informed is not None and informed.leaves_gap and not informed.is_open:
        left = si(informed.gap, found.instance.money)
        return f"Even with every answer known at the start an expected survival gap of {left} is left"
    return "What deciding later and knowing earlier are worth is not known"


def worth_text(found: FuturesStudy, name: str) -> str:
    """Return the value of ``flexibility`` or ``information``; if it has none, a description of the failing plan."""
    gain, (without, with_it) = _gain_words(found, name), found.compared(name)
    if gain is not None:
        return gain[1] if gain[0] == "is worth" else " ".join(gain)
    return _incomparable_text(found, without if name == "flexibility" else with_it)


def _incomparable_text(found: FuturesStudy, value: MeasuredCost | None) -> str:
    """Describe a plan whose cost cannot be compared with that of the adaptive plan."""
    money, mark, base = found.instance.money, _incomparable_mark(found, value), found.costs["adaptive"]
    if mark == CLOSES:
        return f"closes an expected survival gap of {si(base.gap, money)}"
    if value is None or mark == UNKNOWN:
        return f"{UNKNOWN} stopped"
    return "no plan obeys the rules" if mark == NO_PLAN else f"✗ expected survival gap of {si(value.gap, money)}"


def _incomparable_mark(found: FuturesStudy, value: MeasuredCost | None) -> str:
    """Return the table cell for a plan whose cost cannot be compared with that of the adaptive plan."""
    if value is None or value.is_open or found.costs["adaptive"].is_open:
        return UNKNOWN
    if not math.isfinite(value.cost):
        return NO_PLAN
    return f"✗ {si(value.gap)}" if value.leaves_gap else CLOSES


def _worth_amount(found: FuturesStudy, name: str) -> str | None:
    gain = getattr(found, name)
    return None if gain is None else _difference(gain, found.instance.money, found.costs["adaptive"].cost)


def worth_facts(found: FuturesStudy) -> Iterator[tuple[str, str]]:
    """Yield the cost of each kind of plan, the values, and the orders; nothing without an adaptive plan."""
    adaptive = found.costs.get("adaptive")
    if adaptive is None:
        return
    yield "Adaptive", _kind_text(found, adaptive, "each decision knows the answers until then")
    yield "Static", _kind_text(found, found.costs.get("static"), "one plan, the same in all futures")
    yield "Informed", _kind_text(found, found.costs.get("perfect"), "every answer known from the start")
    yield "Flexibility", _value_text(found, "flexibility", "the static plan", "the adaptive one")
    yield "Information", _value_text(found, "information", "the adaptive plan", "the informed plans")
    yield from order_facts(found)
    if not found.adaptive.are_probabilities_given:
        yield ASSUMED_PROBABILITIES


def _kind_text(found: FuturesStudy, value: MeasuredCost | None, meaning: str) -> str:
    money = found.instance.money
    if value is None or (value.status == "stopped" and not math.isfinite(value.cost)):
        return f"not known: the search was stopped ({meaning})"
    if not math.isfinite(value.cost):
        return f"no such plan obeys the rules ({meaning})"
    if not value.is_comparable:
        stopped = "; the search was stopped at this plan" if value.is_open else ""
        return f"FAILS: an expected survival gap of {si(value.gap, money)}{stopped} ({meaning})"
    cost = bounds_text(value.bound, value.cost, money, COST_DIGITS)
    if value.survives:
        return f"{found.measure} {cost} ({meaning})"
    return f"{found.measure_with_gaps} {cost}; FAILS: an expected survival gap of {si(value.gap, money)} ({meaning})"


def _value_text(found: FuturesStudy, name: str, worse: str, better: str) -> str:
    """Return the value of a better plan over a worse one; if it has none in money, why the two cannot be compared."""
    gain, plans = _gain_words(found, name), found.compared(name)
    if gain is not None and gain[0] == "is worth":
        if found.measure == "expected cost":
            return f"{gain[1]}: {worse} costs that much more than {better}"
        return f"{gain[1]}: the {found.measure_with_gaps} of {worse} is that much more than that of {better}"
    if gain is not None:
        return f"{' '.join(gain)}: {worse} leaves it, every floor holds with {better}"
    return _why_incomparable(found, dict(zip((worse, better), plans, strict=True)))


def _why_incomparable(found: FuturesStudy, plans: Mapping[str, MeasuredCost | None]) -> str:
    """Explain why two plans cannot be compared."""
    known = {name: each for name, each in plans.items() if each is not None and not each.is_open}
    if len(known) < len(plans):
        return "not known: the search was stopped"
    money = found.instance.money
    failing = [f"{si(each.gap, money)} with {name}" for name, each in known.items() if each.leaves_gap]
    if failing:
        return f"left out, as floors fail: an expected survival gap of {' and of '.join(failing)}"
    return "left out, as no plan obeys the rules if all decisions are alike"


def order_facts(found: FuturesStudy) -> Iterator[tuple[str, str]]:
    """Yield the orders of the informed plans before the first answer, grouped by the answers that they depend on."""
    if found.orders is None:
        yield "No regret", "not known: the search was stopped"
        return
    first = found.adaptive.first_question
    safe = [f"{_option_name(found, each)}, {_common_size(found, each)}" for each in _urgent_orders(found, "no regret")]
    in_all = f"{list_names(safe, 6)}: in" if safe else f"no order before {first} is in"
    yield "No regret", f"{in_all} the informed plans of all futures"
    before = f"ordered before {first} in the informed plans of some futures"
    for label, orders, when in (
        ("Date open", _urgent_orders(found, "different dates"), f"{before}, and later in all others"),
        ("Contingent", _urgent_orders(found, "one answer", "several answers"), f"{before} only"),
    ):
        if orders:
            named = [f"{_option_name(found, each)} ({_branch_names(each) or 'several answers'})" for each in orders]
            yield label, f"{list_names(named, 6)}: {when}"


def _urgent_orders(found: FuturesStudy, *kinds: OrderClass) -> list[InformedOrder]:
    """Return the orders before the first answer whose dependence on answers is one of `kinds`, in that order."""
    urgent = [each for each in found.orders or () if each.is_urgent]
    return [each for kind in kinds for each in urgent if each.depends_on == kind]


def _branch_names(order: InformedOrder) -> str:
    """Return the question and the branches on which an order depends; empty unless it depends on one answer."""
    return f"{order.questions[0]}: {list_names(order.branches)}" if order.branches else ""


def _option_name(found: FuturesStudy, order: InformedOrder) -> str:
    return display_name(found.instance, order.option)


def _common_size(found: FuturesStudy, order: InformedOrder) -> str:
    """Return the size that all informed plans order of an option, or that they only open it for another option."""
    opened = "opened at size 0 for another that requires it"
    return _size_text(found, order, order.common) if order.common > 0 else opened


def _size_text(found: FuturesStudy, order: InformedOrder, size: float) -> str:
    return size_text(found.instance, order.option, size)


# Each question.


def _questions_table(found: FuturesStudy) -> Table:
    """Build the table of questions: the saving from an earlier answer, and the cost of a later one or of none."""
    rows = dict[tuple[str, str], dict[str, QuestionTiming]]()
    for each in found.questions:
        rows.setdefault((each.question, each.asked), {})[each.timing] = each
    for row in rows.values():
        if "start" in row:
            # A year earlier is not before the start.
            row.setdefault("earlier", row["start"])
    heads = ["Answer\nin", "At the start\nsaves", "Year earlier\nsaves", "Year later\ncosts", "Never\ncosts"]
    kinds = ("start", "earlier", "later", "never")
    return cross_table(
        f"Each question at another date, {found.instance.money}",
        "Question",
        heads,
        [
            (Text(question), [asked, *(_date_cell(found, row.get(kind)) for kind in kinds)])
            for (question, asked), row in rows.items()
        ],
        caption=_date_marks(found, {kind for row in rows.values() for kind in kinds if kind not in row}),
        **WIDE_LAYOUT,
    )


def _date_marks(found: FuturesStudy, missing: Collection[str]) -> str:
    """Return the meaning of the marks in the table of questions; `missing` are dates that some question lacks."""
    is_nested = any(question_above(place) for place, _ in each_question(found.instance.futures))
    said = ["A question that arises from another one is answered with it at the earliest."] * is_nested
    said += [f"{DASH} no such date."] * bool(missing)
    marks = {_incomparable_mark(found, each.value) for each in found.questions if each.difference is None}
    if found.has_priced_gaps:
        said.append(PRICED)
    if any(mark.startswith("✗") for mark in marks):
        said.append("✗ floors fail then, with this expected survival gap.")
    if CLOSES in marks:
        gap = si(found.costs["adaptive"].gap, found.instance.money)
        said.append(f"Closes gap: every floor holds then, while the adaptive plan leaves an expected gap of {gap}.")
    return " ".join(said)


def _date_cell(found: FuturesStudy, timing: QuestionTiming | None) -> str:
    if timing is None:
        return DASH
    if timing.difference is None:
        return _incomparable_mark(found, timing.value)
    return _difference(timing.difference, "", found.costs["adaptive"].cost)


def timing_text(found: FuturesStudy, timing: QuestionTiming) -> str:
    """Return the saving or the cost of another date of an answer; if it has none, a description of that plan."""
    if timing.difference is None:
        return _incomparable_text(found, timing.value)
    return _difference(timing.difference, found.instance.money, found.costs["adaptive"].cost)


# The regret table.


def _regret_summary(found: FuturesStudy) -> Table:
    """Build the table of the informed plans: own cost, and over all futures survival, largest regret and gap."""
    money, priced = found.instance.money, found.has_priced_gaps
    rows = []
    for number, future in enumerate(found.instance.tree.futures):
        followed = [each for each in found.followed if each.plan == future.name]
        if followed:
            rows.append((Text(future.name), [percent(future.probability), *_followed_cells(found, followed, number)]))
    return cross_table(
        "The informed plan of each future, followed unchanged in every future",
        "Plan of",
        [
            "Prob.",
            f"Own cost\n{money}",
            "Survives\nfutures",
            f"Largest\nregret, {money}",
            f"Largest\ngap, {money}",
            "Rules\nbroken",
        ],
        rows,
        caption="Regret: what the plan costs more than the informed plan of the future in which it is followed"
        f"{', all costs with gaps at their price' if priced else ''}. {_regret_marks(found)}"
        "Rules of other futures that it breaks are counted, not enforced.",
        **WIDE_LAYOUT,
    )


def _regret_marks(found: FuturesStudy) -> str:
    """Return the meaning of the mark for a largest regret that is not known; empty if there is no such mark."""
    if all(each.regret is not None or each.cost is None for each in found.followed):
        return ""
    return (
        "✗ in some future it leaves a larger gap than that future's informed plan: its regret is not computed there. "
    )


def _followed_cells(found: FuturesStudy, followed: Sequence[FollowedPlan], number: int) -> list[str]:
    own, gap = found.alone[number], max((each.gap for each in followed if each.gap is not None), default=None)
    own_cost = DASH if own is None else si(own.priced_cost, digits=COST_DIGITS)
    if len(followed) < len(found.alone):
        return [own_cost, *[UNKNOWN] * 4]
    broken = sum(len(each.broken_rules) for each in followed)
    return [
        own_cost,
        f"{sum(each.survives for each in followed)} of {len(found.alone)}",
        _largest_regret(followed),
        si(gap) if gap else DASH,
        str(broken or DASH),
    ]


def _largest_regret(rows: Sequence[FollowedPlan]) -> str:
    """Return the largest regret over all futures; if a future has no regret, a mark, not the largest of the others."""
    if any(each.cost is None for each in rows):
        return "impossible"
    regrets = [each.regret for each in rows]
    return "✗" if None in regrets else si(max(0.0, *(each or 0.0 for each in regrets)))


def _regret_matrix(found: FuturesStudy) -> Table:
    rows = {(each.plan, each.future): each for each in found.followed}
    names = [each.name for each in found.instance.tree.futures]
    return cross_table(
        f"Regret of each informed plan in each future, {found.instance.money}",
        "Plan of",
        names,
        [(Text(plan), [_regret_cell(rows.get((plan, future))) for future in names]) for plan in names],
        caption=f"{PRICED if found.has_priced_gaps else LARGER_GAP} * it breaks a rule of that future."
        f"{_negative_regret_note(found)}",
        **WIDE_LAYOUT,
    )


def _regret_cell(row: FollowedPlan | None) -> str:
    if row is None:
        return UNKNOWN
    mark = "*" if row.broken_rules else ""
    if row.cost is None:
        return f"impossible{mark}"
    if row.regret is None:
        return f"✗{mark}"
    return f"{si(_rounded_regret(row))}{mark}"


def _rounded_regret(row: FollowedPlan) -> float:
    """Return the regret of a plan in a future, with rounding errors set to 0."""
    regret = row.regret or 0.0
    return 0.0 if abs(regret) <= SAME_VALUE * abs(row.cost or 0.0) else regret


def _negative_regret_note(found: FuturesStudy) -> str:
    """Return the meaning of a negative regret; empty if there is none."""
    if all(_rounded_regret(each) >= 0 for each in found.followed):
        return ""
    return (
        " Below 0: it costs less there than the informed plan of that future, which keeps all rules and whose cost is "
        "proven to the accuracy of the study."
    )


# Orders and signposts.


def _orders_table(found: FuturesStudy) -> Table:
    """Build the table of orders in the informed plans, with their size, first date and signposts."""
    first = found.adaptive.first_question
    rows = []
    for each in found.orders or ():
        signposts = ", ".join(f"{name} ({period})" for name, period in each.open) or DASH
        cells = [_ordered_in(each), _size_range(found, each), each.first, signposts]
        rows.append((Text(_option_name(found, each)), cells))
    left = {"justify": "left", "overflow": "fold"}
    shared, ordered_in = left | {"ratio": 1}, f"Ordered before\n{first} in"
    return cross_table(
        "Orders in the informed plans, which know every answer",
        "Option",
        [ordered_in, "Size", "First\nordered", "Signposts"],
        rows,
        caption=f"Size: bought before {first}, or in all years where no plan orders it by then; for an order in all "
        "plans, the smallest. First ordered: with foresight; the adaptive plan may order it later. Signposts: "
        "questions open then on which it depends, and when they are answered.",
        layouts={ordered_in: shared, "Signposts": shared, "First\nordered": left},
        **WIDE_LAYOUT,
    )


def _ordered_in(order: InformedOrder) -> str:
    """Return the futures whose informed plans order an option before the first answer, and those that do so later."""
    which = "all futures" if order.depends_on == "no regret" else _branch_names(order) or _future_names(order.futures)
    if not order.is_urgent:
        return f"none; later in {which}"
    if order.depends_on == "different dates":
        return f"{which}; later in all others"
    return f"{which}; later in {_future_names(order.later)}" if order.later else which


def _future_names(names: Sequence[str]) -> str:
    return f"{plural(len(names), 'future')}: {list_names(names, 3)}"


def _size_range(found: FuturesStudy, order: InformedOrder) -> str:
    least, most = order.smallest, order.largest
    return size_range_text(found.instance, order.option, least, least if order.depends_on == "no regret" else most)
