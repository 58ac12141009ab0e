"""The frames of cost shares; the study gives itself, so that it is not imported here."""

from collections.abc import Callable
from operator import methodcaller
from typing import Any

from optimizer.results.frames import Frame, FrameColumn, Frames


def of_cost_shares(found: Any) -> Frames:
    """All tables as pandas frames: shares, coalitions."""
    return Frames({"shares": member_shares, "coalitions": coalition_costs}, found)


def member_shares(found: Any) -> Frame:
    """One row a member: what it pays alone and by each solution, beyond its own cost without shocks."""
    money = found.instance.money

    def end_column(name: str, end: str, of: Callable[[Any], Any]) -> FrameColumn:
        return FrameColumn(name, unit=money, form="exact", of=lambda each: getattr(of(each), end))

    def ends(name: str, of: Callable[[Any], Any]) -> list[FrameColumn]:
        return [
            end_column(f"{name}{tail}", end, of) for tail, end in (("", "value"), ("_low", "low"), ("_high", "high"))
        ]

    columns = [
        FrameColumn("member", is_index=True),
        FrameColumn("no_shock", unit=money, form="exact"),
        *ends("alone", lambda each: each.alone),
    ]
    for solution in ("shapley", "nucleolus"):
        columns += ends(f"{solution}_pays", methodcaller("paid", solution))
        columns += ends(f"{solution}_saves", methodcaller("saved", solution))
    return Frame.of_items("shares", "Who pays what", found.shares, columns)


def coalition_costs(found: Any) -> Frame:
    """One row a coalition: its cost, what is proven of it, and what it would save alone under each solution."""
    money = found.instance.money

    def paid(solution: str) -> FrameColumn:
        def of(each: Any) -> float | None:
            payments = found.payments(solution)
            return sum(payments[name] for name in each.members) if payments else None

        return FrameColumn(f"{solution}_pays", unit=money, form="exact", of=of)

    columns = [
        FrameColumn("coalition", is_index=True, of=lambda each: " + ".join(each.members)),
        FrameColumn("cost", unit=money, form="exact", of=lambda each: each.cost if each.has_cost else None),
        FrameColumn("bound", unit=money, form="exact", of=lambda each: each.bound if each.has_cost else None),
        FrameColumn("beyond_no_shock", unit=money, form="exact",
                    of=lambda each: found.costs[each.key] if found.shares else None),
        *map(paid, ("shapley", "nucleolus")),
        FrameColumn("survival_gap", unit=money, form="amount", of=lambda each: each.result.survival_gap),
        FrameColumn("outlay", unit=money, form="exact", of=lambda each: each.result.outlay),
        FrameColumn("status", of=lambda each: each.result.status),
    ]  # fmt: skip
    return Frame.of_items("coalitions", "What each coalition costs", found.coalitions, columns)
