"""The checks of an instance whose objects are each well formed, in the order in which they run.

A check takes an `Unchecked` and yields problems. It never raises, and never stops at the first problem. Those that
would only report the effect of a name that does not exist run once all names resolve.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from optimizer.errors import Problem
from optimizer.instance.validation import decisions, lint, names, supply, windows
from optimizer.instance.validation.unchecked import Unchecked
from optimizer.limits import FINDINGS

Check = Callable[[Unchecked], Iterator[Problem]]
_NAMES: tuple[Check, ...] = (names.names_resolve, names.shock_names_resolve)
_ONCE_NAMES_RESOLVE: tuple[Check, ...] = (
    windows.cuts_match,
    supply.floors_have_a_source,
    supply.inputs_can_be_had,
    supply.commodities_are_of_use,
)
PASSES: tuple[Check, ...] = (
    *_NAMES,
    names.names_are_distinct,
    decisions.windows_are_possible,
    decisions.sizes_are_possible,
    decisions.ties_are_between_lumpy_options,
    windows.shocks_are_inside_the_horizon,
    windows.shock_names_are_distinct,
    windows.probabilities_add_up,
    windows.outcomes_exclude_each_other,
    windows.cuts_match,
    decisions.rules_ask_something,
    decisions.adversary_can_act,
    decisions.forced_purchases_are_possible,
    names.members_add_up,
    supply.floors_have_a_source,
    supply.inputs_can_be_had,
    supply.commodities_are_of_use,
    supply.actual_outputs_can_be_compared,
    supply.restarts_take_time,
    names.regions_are_named,
    lint.floors_have_a_price,
    lint.options_are_as_their_levers_want,
    lint.options_do_something,
    lint.display_names_are_distinct,
    lint.running_costs_something,
    lint.buying_costs_something,
    lint.stock_that_is_paid_back_is_there,
    lint.magnitudes_are_plausible,
    lint.ids_are_told_apart,
    lint.regions_are_told_apart,
    lint.home_is_somewhere,
)


def find_problems(unchecked: Unchecked) -> Iterator[Problem]:
    """All that is wrong or suspicious; of an instance that is too large to be checked, only that it is."""
    too_large = list(windows.sizes_can_be_handled(unchecked))
    yield from too_large
    for check in PASSES if not too_large else ():
        if check in _ONCE_NAMES_RESOLVE and not unchecked.resolved:
            continue
        found = _limit(check(unchecked))
        if check in _NAMES and any(severity == "error" for *_, severity in found):
            unchecked = replace(unchecked, resolved=False)
        yield from found


def _limit(problems: Iterable[Problem]) -> list[Problem]:
    """As many problems of one check as are reported, and that there are more; no error is left out for warnings."""
    found: list[Problem] = []
    counts = {"error": 0, "warning": 0}
    for problem in problems:
        place, *_, severity = problem
        counts[severity] += 1
        if counts[severity] <= FINDINGS:
            found.append(problem)
        elif counts[severity] == FINDINGS + 1:
            found.append((place, f"more {severity}s of this sort are left out", "Correct the others first.", severity))
            if severity == "error":
                break
    return found
