"""The budgets at which the set of builds or of survived shocks becomes another, by bisection.

Between two budgets whose plans buy the same options and survive the same shocks nothing is taken to change. Between two
that differ the middle one is asked, until they are nearer than the resolution: all such pairs side by side, the widest
first, so that whatever is known when it ends is evenly near. A plan that is as good as another one within the gap may
buy other options: then the budget found is one at which these plans change, not the only one.
"""

from itertools import pairwise

from optimizer.results.result import Result
from optimizer.studies.budget_search import Search
from optimizer.studies.comparison import Change, sizes, survived
from optimizer.studies.frontier import rounded_up
from optimizer.units import rounded

# So many budgets are asked at most.
MOST = 60


def breakpoints(search: Search, case: str, resolution: float) -> tuple[list[Change], bool, float]:
    """The changes from nothing to what the plan of any budget spends.

    Args:
        search: knows the plan of any budget of the case.
        case: its name.
        resolution: money; budgets are multiples of the next smaller round number.

    Returns:
        The changes by budget, whether all were found to the resolution, and that.
    """
    unit = rounded(resolution)
    top = search.result(case, None).outlay
    points = [0.0, max(unit, -(-top // unit) * unit)] if unit > 0 and rounded_up(top) > 0 else [0.0]
    search.best([(case, budget) for budget in points])
    asked, is_whole = len(points), True
    while not search.clock.interrupted:
        points = [budget for budget in points if search.is_planned(case, budget)]
        wide = [(low, high) for low, high in _changing(search, case, points) if high - low > 1.5 * unit]
        wide.sort(key=lambda pair: pair[0] - pair[1])
        middles = [round((low + high) / 2 / unit) * unit for low, high in wide][: max(0, MOST - asked)]
        if not middles:
            is_whole = not wide
            break
        search.best([(case, middle) for middle in middles])
        asked += len(middles)
        points = sorted({*points, *middles})
    else:
        is_whole = False
    points = [budget for budget in points if search.is_planned(case, budget)]
    changes = [
        Change(case, low, high, search.result(case, low), search.result(case, high))
        for low, high in _changing(search, case, points)
    ]
    return changes, is_whole, unit


def _changing(search: Search, case: str, points: list[float]) -> list[tuple[float, float]]:
    """Neighbouring budgets whose plans differ in what they buy or survive."""
    known = [(budget, _kind(search.result(case, budget))) for budget in points]
    return [(low, high) for (low, one), (high, other) in pairwise(known) if one != other]


def _kind(result: Result) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(sizes(result)), frozenset(survived(result))
