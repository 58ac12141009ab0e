"""What a plan buys, on a line of time: when it is decided, when it works, how it ramps, what it costs.

t        period of the decision; a stockpile's first purchase
first    period in which it first works, t + lead time; the number of periods where that is after the end
steps    (period, share of size that works) wherever the share changes: a ramp, or erosion
paid     money, undiscounted: capex·size + fixed cost, or price·fill over all purchases
counted  of that the budget's part, budget_share·paid
"""

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.instance.derived import display_name, size_text
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.results.plan import Build, ByPeriod
from optimizer.results.result import Result
from optimizer.tolerances import ROUNDING


@dataclass(frozen=True)
class Purchase:
    """One build, or one stockpile with all its purchases.

    Attributes:
        option, name, kind, region: of the option; region is empty where it has none.
        decided, on_line: labels of the periods `t` and `first`; of a stockpile the first and the last purchase.
        t, first, steps: see above.
        size: in the option's own unit; of a stockpile the largest stock, t.
        size_words: the same with its unit.
        paid, counted: see above.
        in_peace: whether it would be bought without any shock. forced: whether it has to be bought.
        purchases: of a stockpile, t bought in each period; empty otherwise.
    """

    option: str
    name: str
    kind: str
    region: str
    decided: str
    on_line: str
    t: int
    first: int
    steps: tuple[tuple[int, float], ...]
    size: float
    size_words: str
    paid: float
    counted: float
    in_peace: bool
    forced: bool
    purchases: ByPeriod = ()


def purchases(instance: Instance, result: Result) -> tuple[Purchase, ...]:
    """All that is bought: builds in the order of the options, then stockpiles."""
    return (*_builds(instance, result), *_stocks(instance, result))


def _builds(instance: Instance, result: Result) -> Iterator[Purchase]:
    horizon = instance.horizon
    for build in result.plan.builds:
        option = instance.sized[build.option]
        first = min(build.t + horizon.whole(option.lead_time), len(horizon.periods))
        paid = option.paid(build.year, build.size, opened=build.opened)
        yield Purchase(
            option=build.option,
            name=display_name(instance, build.option),
            kind=build.kind,
            region=_region(instance, build.option),
            decided=build.period,
            on_line=horizon.label(first) if first < len(horizon.periods) else "after end",
            t=build.t,
            first=first,
            steps=_steps(instance, option, build, first),
            size=build.size,
            size_words=size_text(instance, build.option, build.size),
            paid=paid,
            counted=option.budget_share * paid,
            in_peace=build.option in result.calm_builds,
            forced=build.option in instance.policy.force,
        )


def _region(instance: Instance, o: str) -> str:
    """Where an option works: its own region, or that of the process that it is a deal with."""
    option = instance.options[o]
    process = instance.processes.get(getattr(option, "process", None) or "")
    return getattr(option, "region", None) or (process.region if process else None) or ""


def _steps(instance: Instance, option: Sized, build: Build, first: int) -> tuple[tuple[int, float], ...]:
    horizon, steps = instance.horizon, list[tuple[int, float]]()
    for t in range(first, len(horizon.periods)):
        share = option.share_in_force(horizon, build.t, t)
        if not steps or share != steps[-1][1]:
            steps.append((t, share))
    return tuple(steps)


def _stocks(instance: Instance, result: Result) -> Iterator[Purchase]:
    horizon = instance.horizon
    for o, fills in result.plan.fills.items():
        stock = instance.stocks[o]
        bought = [t for t, fill in enumerate(fills) if fill > ROUNDING * max(fills)]
        if not bought:
            continue
        paid = stock.paid(horizon, fills)
        most = max(result.plan.stocks[o])
        yield Purchase(
            option=o,
            name=display_name(instance, o),
            kind=stock.kind,
            region="",
            decided=horizon.label(bought[0]),
            on_line=horizon.label(bought[-1]),
            t=bought[0],
            first=bought[0],
            steps=((bought[0], 1.0),),
            size=most,
            size_words=size_text(instance, o, most),
            paid=paid,
            counted=stock.budget_share * paid,
            in_peace=o in result.calm_builds,
            forced=o in instance.policy.force,
            purchases=tuple(fill if t in bought else 0.0 for t, fill in enumerate(fills)),
        )
