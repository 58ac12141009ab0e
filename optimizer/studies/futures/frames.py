"""The frames of several futures, of their plan and of what deciding later is worth: here alone columns are named.

A study of futures gives its frames by what stands here, so it is not imported: it comes as ``Any``.
"""

from collections.abc import Iterable
from typing import Any

from optimizer.instance.derived import size_unit
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.futures import FuturesResult
from optimizer.studies.frames import commitments_frame
from optimizer.studies.futures.stages import Stage, StageOrder, find_stages


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


def futures_frames(result: FuturesResult) -> Frames:
    """Decisions, futures, and money committed already, of a plan."""
    instance = instance_of(result)
    return Frames(
        {
            "decisions": lambda: decisions_frame(instance, result, find_stages(result)),
            "futures": lambda: futures_frame(result),
            "commitments": lambda: commitments_frame(result),
        }
    )


def decisions_frame(instance: Instance, result: FuturesResult, stages: Iterable[Stage]) -> Frame:
    """One row for each purchase of a stage and the branches that make it; stockpiles by stage."""
    money, label = result.money, instance.horizon.label

    def column(name: str, of: Any, **more: Any) -> FrameColumn:
        return FrameColumn(name, of=lambda pair: of(*pair), **more)

    def names(stage: Stage, order: StageOrder) -> str:
        return " ".join(result.futures[number].name for number in order.futures)

    columns = (
        column("known", lambda stage, order: label(stage.t), form="period", is_index=True, is_shown=False),
        column("branch", lambda stage, order: order.branch, label="In", is_index=True),
        column("probability", lambda stage, order: order.probability, label="Prob.", unit="share", form="percent"),
        column("option", lambda stage, order: order.option, form="object", is_index=True),
        column("kind", lambda stage, order: order.kind, label="Lever", is_shown=False),
        column("period", lambda stage, order: label(order.t), label="Decided", form="period", is_index=True),
        column("until", lambda stage, order: label(order.last), form="period", is_shown=False),
        column("size", lambda stage, order: order.size[0], form="amount"),
        column("unit", lambda stage, order: size_unit(instance, order.option), label="Unit of size", is_shown=False),
        column("spent", lambda stage, order: order.paid[0], unit=money, form="amount"),
        column("spent_most", lambda stage, order: order.paid[1], unit=money, form="amount", is_shown=False),
        column("futures", names, is_shown=False),
    )
    pairs = [(stage, order) for stage in stages for order in stage.orders]
    note = "Spent: undiscounted; a range where prices differ between the futures. Stockpiles: all that is bought "
    note += "until the next answer."
    return Frame.of_items("decisions", "Decisions", pairs, columns, note)


def futures_frame(result: FuturesResult) -> Frame:
    """One row a future: its probability, what it costs and survives, and its least cost alone."""
    money = result.money
    columns = (
        FrameColumn("future", is_index=True, of=lambda each: each.name),
        FrameColumn("probability", "Prob.", "share", "tenth"),
        FrameColumn("survives", form="yes", of=lambda each: each.result.survives),
        FrameColumn("cost", "Cost", money, "exact"),
        FrameColumn("outlay", "Outlay", money, "exact", of=lambda each: each.result.outlay),
        FrameColumn("gap", "Gap", money, "amount", of=lambda each: each.result.survival_gap),
        FrameColumn("least_cost", "Alone", money, "exact"),
        FrameColumn("regret", "Regret", money, "amount"),
    )
    note = "Cost: present value, expected over the shocks of the future. Outlay: undiscounted. Alone: the least cost "
    note += "of the future if it were known from the start. Regret: cost less that."
    if result.data.get("policy", {}).get("gap_price") is not None:
        note += " Both count the price of gaps, which cost leaves out."
    return Frame.of_items("futures", "Future by future", result.futures, columns, note)


def frame_of_futures(result: FuturesResult, name: str) -> Frame:
    """One of the frames of each future (`studies.frames`), one below another, with the name of the future in front."""
    each = [(future.name, future.result.frames.frame(name)) for future in result.futures]
    columns = {column.name: column for _, frame in each for column in frame.columns}
    rows = [(future, *(row.get(key) for key in columns)) for future, frame in each for row in frame.rows()]
    first = each[0][1]
    head = (FrameColumn("future", is_index=True), *columns.values())
    return Frame.of_rows(first.name, first.title, head, rows, first.note)
