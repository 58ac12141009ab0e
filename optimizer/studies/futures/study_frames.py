"""The frames of what deciding later and knowing earlier are worth: the only place that says which columns they have.

The study gives its frames by what stands here, so it is not imported: it comes as ``Any``.
"""

from typing import Any

from optimizer.instance.derived import size_unit
from optimizer.results.frames import Frame, FrameColumn, Frames


def of_futures_study(found: Any) -> Frames:
    """All tables as pandas frames: values, questions, futures, regret, orders."""
    makers = {
        "values": values_frame,
        "questions": question_timings,
        "futures": futures_alone,
        "regret": plans_followed,
        "orders": orders_of_own_plans,
    }
    return Frames(makers, found)


def _exact(money: str, *names: str, **labels: str) -> tuple[FrameColumn, ...]:
    return tuple(FrameColumn(name, labels.get(name, ""), money, "exact") for name in names)


def values_frame(found: Any) -> Frame:
    """One row a cost and a value: between which figures it is known."""
    columns = (FrameColumn("what", is_index=True), *_exact(found.instance.money, "low", "high"), FrameColumn("status"))
    rows = [(kind, each.bound, each.cost, each.status) for kind, each in found.costs.items()]
    for name in ("flexibility", "information"):
        value = getattr(found, name)
        if value is not None:
            rows.append((name, value.low, value.high, ""))
    return Frame.of_rows("values", "Costs and values", columns, rows)


def question_timings(found: Any) -> Frame:
    """One row a question and another date of its answer."""
    money = found.instance.money
    columns = (
        FrameColumn("question", is_index=True),
        FrameColumn("asked", "Answer in", form="period"),
        FrameColumn("timing", is_index=True),
        FrameColumn("known", "Known in", form="period"),
        *_exact(money, "cost", "bound"),
        FrameColumn("gap", unit=money, form="amount"),
        *_exact(money, "difference", "low", "high"),
        FrameColumn("status"),
    )
    rows = []
    for each in found.questions:
        value, band = each.value, each.difference
        cost = (None, None, None) if value is None else (value.cost, value.bound, value.gap)
        proven = (None, None, None) if band is None else (band.value, band.low, band.high)
        status = "stopped" if value is None else value.status
        rows.append((each.question, each.asked, each.timing, each.known, *cost, *proven, status))
    return Frame.of_rows("questions", "Each question at another date", columns, rows)


def futures_alone(found: Any) -> Frame:
    """One row a future: under the adaptive plan, and alone."""
    money = found.instance.money
    columns = (
        FrameColumn("future", is_index=True),
        FrameColumn("probability", unit="share", form="tenth"),
        *_exact(money, "adaptive_cost", "least_cost", "least_bound", "outlay"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("survives", form="yes"),
    )
    names = ("name", "probability", "adaptive_cost", "least_cost", "least_bound", "outlay", "gap", "survives")
    rows = ([row[name] for name in names] for row in found.to_dict()["futures"])
    return Frame.of_rows("futures", "Each future alone", columns, rows)


def plans_followed(found: Any) -> Frame:
    """One row a plan of a future alone, and future in which it is followed."""
    money = found.instance.money
    columns = (
        FrameColumn("plan", "Plan of", is_index=True),
        FrameColumn("future", "Followed in", is_index=True),
        FrameColumn("survives", form="yes"),
        *_exact(money, "cost", "regret"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("rules", "Rules broken", of=lambda row: "; ".join(rule.where for rule in row.rules)),
    )
    return Frame.of_items("regret", "The plan of each future, followed in all", found.followed, columns)


def orders_of_own_plans(found: Any) -> Frame:
    """One row an option that the plan of some future alone buys."""
    instance = found.instance
    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("hangs"),
        FrameColumn("is_urgent", "Before the first answer", form="yes"),
        FrameColumn("first", form="period"),
        FrameColumn("last", form="period"),
        FrameColumn("common", form="amount"),
        FrameColumn("smallest", form="amount"),
        FrameColumn("largest", form="amount"),
        FrameColumn("unit", of=lambda order: size_unit(instance, order.option)),
        FrameColumn("questions", of=lambda order: ", ".join(order.questions)),
        FrameColumn("branches", of=lambda order: ", ".join(order.branches)),
        FrameColumn("open", of=lambda order: ", ".join(f"{name} ({period})" for name, period in order.open)),
        FrameColumn("futures", of=lambda order: ", ".join(order.futures)),
    )
    return Frame.of_items("orders", "Orders in the plans of the futures alone", found.orders or (), columns)
