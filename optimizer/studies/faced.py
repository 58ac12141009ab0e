"""The adversary in a result: what its attacks leave, and what they cost it under the plan."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from optimizer.algorithms.deterrence import levels_under
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.results.plan import Faced
from optimizer.results.ranking import first_largest


def with_worst_attack(instance: Instance, faced: Faced, gaps: Mapping[str, float]) -> Faced:
    """The adversary with the worst of its attacks, and with what the worst at each start leaves."""
    place, at_start = first_largest([gaps[name] for name in faced.attacks]), dict[int, float]()
    for name in faced.attacks:
        start = instance.event(name).periods.start
        at_start[start] = max(gaps[name], at_start.get(start, 0.0))
    return faced if place is None else replace(faced, worst=faced.attacks[place], gap=math.fsum(at_start.values()))


def with_costs(instance: Instance, faced: Faced | None, plan: ModelBuilder, columns: Sequence[float]) -> Faced | None:
    """The adversary with what each attack costs it under a plan, by the columns of its first-stage model."""
    adversary, costs = instance.adversary, dict[str, float]()
    if faced is None or adversary is None:
        return faced
    for name in (*faced.attacks, *faced.deterred):
        made = adversary.attack(name, instance.horizon)
        if made is not None:
            levels = levels_under(plan, columns, adversary.deterrence(made.targets), made.start)
            costs[name] = adversary.cost(made.targets, levels)
    return replace(faced, costs=costs)
