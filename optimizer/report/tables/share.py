"""Tables of cost shares: the payments, whether any member would pay less alone, then members and coalitions."""

import math
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import display_name
from optimizer.report.format import DASH, between, list_names, percent, plural
from optimizer.report.tables.plan import answer_panel
from optimizer.report.tables.render import WIDE_LAYOUT, closing_lines, cross_table
from optimizer.studies.cost_shares import (
    SOLUTIONS,
    CoalitionCost,
    CostShares,
    MemberShare,
    SavingPart,
    Solution,
    coalition_name,
    member_name,
)
from optimizer.studies.cost_tolerance import ProvenDifference
from optimizer.units import si

SOLUTION_NAMES: dict[Solution, str] = {"shapley": "Shapley value", "nucleolus": "nucleolus"}
_SAVING_PARTS: dict[SavingPart, str] = {
    "survival_gap": "survival gap at its price",
    "no_shock_shortage": "unserved without a shock at shortage cost",
    "expected_shocks": "expected costs of shocks",
    "money": "money",
}
AT_LEAST = "+"


def cost_share_tables(found: CostShares, width: int) -> Iterator[RenderableType | None]:
    """Yield the printed parts in order."""
    yield _answer_panel(found)
    yield _members_table(found) if found.shares else None
    yield _coalitions_table(found) if found.coalitions else None
    yield from closing_lines(found.notes, stopped=found.stopped, seconds=found.seconds)


def range_text(found: ProvenDifference, money: str = "") -> str:
    """Return the range of an amount; its value if both ends read alike or one is infinite."""
    is_range = math.isfinite(found.low) and math.isfinite(found.high)
    return between(found.low, found.high, money) if is_range else si(found.value, money)


def _payment_text(found: CostShares, each: MemberShare) -> str:
    name, paid = member_name(found, each.member), each.paid(found.leading)
    return f"{name} gains {range_text(-paid)}" if paid.value < 0 else f"{name} pays {range_text(paid)}"


def _answer_panel(found: CostShares) -> RenderableType:
    title = found.instance.title
    is_settled = bool(found.shares) and found.core_state == "not empty" and not found.objections(found.leading)
    style = "green" if is_settled else "yellow" if found.shares or not found.unpriced else "red"
    return answer_panel(title, share_headline(found), list(share_facts(found)), style)


def share_headline(found: CostShares) -> str:
    """Return the sentence on who pays what and whether a coalition would pay less alone, or why none is known."""
    if found.unpriced:
        return "There is no way to say who pays what: not every coalition has a cost"
    if not found.shares:
        return "Who pays what is not known: the search was stopped"
    money = found.instance.money
    paid = ", ".join(_payment_text(found, each) for each in found.shares)
    leaving, apart = found.objections("shapley"), found.saving is not None and found.saving.high < 0
    verdict = "no coalition would pay less alone"
    if leaving:
        (best, _), *_ = leaving
        amount = range_text(-found.saved_by("shapley", best), money)
        verdict = f"{coalition_name(found, best)} would save {amount} by leaving"
        if len(leaving) == len(found.coalitions) - 1:
            verdict = f"every coalition would save by leaving, at most {amount}"
    if found.leading == "nucleolus":
        verdict = f"no coalition would pay less alone, while by the Shapley value {verdict}"
    if apart:
        verdict = f"all together pay more than apart, and {verdict}"
    return f"{paid} {money} by the {SOLUTION_NAMES[found.leading]}{_gap_paid_text(found)}; {verdict}"


def _gap_paid_text(found: CostShares) -> str:
    """Return how much of what members pay is the gap that the joint plan leaves; empty if it leaves none."""
    gap = 0.0 if found.joint is None else found.joint.priced_gap
    part = f"{si(gap, found.instance.money)} of it the survival gap at its price, which is no money"
    return f" ({part})" if gap else ""


def _unpriced_facts(found: CostShares) -> Iterator[tuple[str, str]]:
    money = found.instance.money
    for each in found.unpriced:
        has_plan, gap = each.result.baseline is not None, each.result.survival_gap
        why = f"cannot keep its floors: a survival gap of {si(gap, money)}" if has_plan else "no plan obeys its rules"
        yield coalition_name(found, each), why
    if any(each.result.baseline for each in found.unpriced):
        cure = "write policy.gap_price, or --set policy.gap_price=1: each gap then costs what its shortage costs"
        yield "What to do", cure


def share_facts(found: CostShares) -> Iterator[tuple[str, str]]:
    """Yield the costs apart and together and the coalitions that would leave, or why some coalitions have no cost."""
    if not found.shares:
        yield from _unpriced_facts(found)
        return
    money = found.instance.money
    apart = math.fsum(each.alone.value for each in found.shares)
    has_base = any(each.no_shock for each in found.shares)
    counted = "beyond what each costs alone without shocks" if has_base else "in all"
    yield "Apart", f"{si(apart, money)} for {plural(len(found.members), 'member')}, {counted}{_gaps_apart_text(found)}"
    yield "Together", together_text(found)
    if has_base:
        base = ", ".join(f"{member_name(found, each.member)} {si(each.no_shock)}" for each in found.shares)
        yield "No shocks", f"alone {base} {money}, to which all amounts here are added"
        borne = (f"{member_name(found, each.member)} {range_text(_borne(found, each))}" for each in found.shares)
        yield "In all", f"{', '.join(borne)} {money}, by the {SOLUTION_NAMES[found.leading]}"
    yield "Joint plan", _joint_plan_text(found)
    yield "Core", core_text(found)
    yield from ((SOLUTION_NAMES[solution].capitalize(), _leaving_text(found, solution)) for solution in SOLUTIONS)


def _borne(found: CostShares, each: MemberShare) -> ProvenDifference:
    paid = each.paid(found.leading)
    return ProvenDifference(*(each.no_shock + end for end in (paid.value, paid.low, paid.high)))


def together_text(found: CostShares) -> str:
    """Describe the cost of the joint plan, and its saving against separate plans."""
    whole, money, joint = math.fsum(each.shapley.value for each in found.shares), found.instance.money, found.joint
    gap = "" if joint is None or joint.survives else f"; a survival gap of {si(joint.survival_gap, money)} is left"
    left = gap and f"{gap}, and is in the cost at its price"
    return f"{si(whole, money)}, {_saving_text(found)}{_saving_parts_text(found)}{_no_shock_saving_text(found)}{left}"


def _gaps_apart_text(found: CostShares) -> str:
    """Return the part of the cost apart that is survival gaps, by member; empty if there is none."""
    gaps = found.gaps_apart
    if not gaps:
        return ""
    whose = [f"{member_name(found, name)}{f' {si(gap)}' if len(gaps) > 1 else ''}" for name, gap in gaps.items()]
    gap = si(math.fsum(gaps.values()), found.instance.money)
    return f"; {gap} of it survival gap at its price ({', '.join(whose)})"


def _saving_parts_text(found: CostShares) -> str:
    """Return the parts of the saving by kind; empty if all of it is money."""
    parts = {name: amount for name, amount in found.saving_parts.items() if amount}
    if not parts.keys() - {"money"}:
        return ""
    words = [
        f"{si(abs(amount))} {'less' if amount > 0 else 'more'} {_SAVING_PARTS[name]}" for name, amount in parts.items()
    ]
    return f": {' and '.join(filter(None, (', '.join(words[:-1]), words[-1])))}"


def _leaving_text(found: CostShares, solution: Solution) -> str:
    """List the coalitions that would pay less alone under a solution, each with its saving."""
    saved = {coalition_name(found, each): found.saved_by(solution, each) for each in found.coalitions[:-1]}
    leaving = [coalition_name(found, each) for each, _ in found.objections(solution)]
    if leaving:
        amounts = [f"{name} {range_text(-saved[name])}" for name in leaving]
        return f"could save by leaving, {found.instance.money}: {list_names(amounts)}"
    unproven = [name for name, amount in saved.items() if amount.low < -found.negligible]
    doubt = f"; not proven for {list_names(unproven)}: lower --accuracy" if unproven else ""
    return f"no coalition would pay less alone{doubt}"


def _joint_plan_text(found: CostShares) -> str:
    joint = found.joint
    assert joint is not None
    names = [display_name(found.instance, o) for o in joint.plan.bought]
    return f"an outlay of {si(joint.outlay, joint.money)}: {list_names(names, 8) or 'nothing is bought'}"


def _saving_text(found: CostShares) -> str:
    money, saving, share = found.instance.money, found.saving, found.saving_share
    assert saving is not None
    if saving.value < 0:
        return f"{range_text(-saving, money)} more than apart"
    # Above 1 the joint cost is below 0.
    less = "" if share is None or share > 1 else f" or {percent(share)}"
    return f"{range_text(saving, money)}{less} less than apart"


def _no_shock_saving_text(found: CostShares) -> str:
    saving, joint = found.saving_without_shocks, found.joint
    if not saving or not found.shares[0].no_shock or joint is None or joint.price_of_survival is None:
        return ""
    price = joint.price_of_survival
    more, parts = si(price, found.instance.money), f" ({si(price - saving)} + {si(saving)})" if saving > 0 else ""
    what = f"{si(saving)} of the saving arises" if saving > 0 else f"{si(-saving)} more than apart"
    return f"; {what} without any shock; with shocks all together pay {more} more than without{parts}"


def core_text(found: CostShares) -> str:
    """Describe whether the core is empty: whether costs can be shared so that no coalition does better alone."""
    money = found.instance.money
    assert found.core is not None
    if found.core_state == "not empty":
        return f"not empty: costs can be shared so that every coalition saves at least {range_text(-found.core, money)}"
    if found.core_state == "empty":
        return f"empty: however costs are shared, some coalition pays at least {range_text(found.core, money)} too much"
    return f"not proven to be empty or not empty: its value is {range_text(found.core, money)}; lower --accuracy"


def _saved_text(each: MemberShare, solution: Solution) -> str:
    saved = each.saved(solution)
    return si(saved.value) if si(saved.low) == si(saved.high) else f"{si(saved.low)}{AT_LEAST}"


def _members_table(found: CostShares) -> Table:
    rows = []
    for each in found.shares:
        paid = [text for s in SOLUTIONS for text in (range_text(each.paid(s)), _saved_text(each, s))]
        rows.append((Text(member_name(found, each.member)), [range_text(each.alone), *paid]))
    is_open = any(text.endswith(AT_LEAST) for _, cells in rows for text in cells)
    gaps = any(each.priced_gap for each in found.coalitions)
    return cross_table(
        f"Who pays what, {found.instance.money}",
        "Member",
        ["Alone", "Shapley:\npays", "\nsaves", "Nucleolus:\npays", "\nsaves"],
        rows,
        caption="Present value beyond what each costs alone without shocks; a range where costs are proven to a range."
        + (f" {AT_LEAST}: at least." if is_open else "")
        + (" Survival gaps count at their price, also in what a member pays: that part is no money." if gaps else ""),
        **WIDE_LAYOUT,
    )


def _coalitions_table(found: CostShares) -> Table:
    heads = ["Costs\nalone", "Gap", *(["Saves by\nShapley", "Saves by\nnucleolus"] if found.shares else [])]
    return cross_table(
        f"What each coalition costs, {found.instance.money}",
        "Coalition",
        heads,
        [(Text(coalition_name(found, each)), _coalition_cells(found, each)) for each in found.coalitions],
        caption="Costs: present value beyond the no-shock costs of its members, gaps at their price; below 0 where "
        "planning together saves more than survival costs. Gap: at shortage cost."
        if found.shares
        else f"Costs: present value, no-shock costs included. {DASH} no plan, or floors fail and gaps have no price.",
        **WIDE_LAYOUT,
    )


def _coalition_cells(found: CostShares, each: CoalitionCost) -> list[str]:
    gap = DASH if each.result.baseline is None or each.result.survives else si(each.result.survival_gap)
    if not found.shares:
        return [si(each.cost) if each.has_cost else DASH, gap]
    cost, is_whole = range_text(found.alone(each)), len(each.members) == len(found.members)
    return [cost, gap, *(DASH if is_whole else range_text(found.saved_by(solution, each)) for solution in SOLUTIONS)]
