"""What stands in an annual budget: the least that has to come on top of it in each year, and what it keeps out.

    x     added   money   in each year, on top of its budget

    annual_budget   outlay_y ≤ B_y + x      of every year y

Minimised is x; every other rule holds, the budget of all years together included.
"""

from collections.abc import Sequence
from typing import Literal

from optimizer.algorithms.question import Question, size
from optimizer.disruptions.shock import Shock
from optimizer.instance.edits import with_budget, with_only_shocks
from optimizer.instance.schema import Instance
from optimizer.model.builder import Stage
from optimizer.model.expressions import Expression
from optimizer.solver import Settings
from optimizer.studies.explain.questions import WhatIfs
from optimizer.studies.what_if import Found
from optimizer.units import Series

# Which budget is too small for the least that can be bought of an option.
Bar = Literal["none", "total", "annual"]


def of_any_year(instance: Instance) -> Instance:
    """The same instance without an annual budget."""
    return with_years(instance, None)


def without_budgets(instance: Instance) -> Instance:
    """The same instance with as much money as anybody wants."""
    return of_any_year(with_budget(instance, None))


def with_added(instance: Instance, added: float) -> Instance:
    """The same instance with so much more money in each year."""
    given = instance.policy.annual_budget
    assert given is not None
    return with_years(instance, Series(tuple((year, value + added) for year, value in given.points)))


def with_years(instance: Instance, years: Series | None) -> Instance:
    """The same instance with another annual budget."""
    return instance.replacing(policy=instance.policy.model_copy(update={"annual_budget": years}))


def least_added(what: WhatIfs, words: str, instance: Instance, settings: Settings | None = None) -> Found:
    """The plan that survives with the least on top of each year's budget; its `value` is that."""
    given = instance.policy.annual_budget
    assert given is not None

    def loosened(stage: Stage, asked: Instance, shocks: Sequence[Shock]) -> None:
        added = stage.variable("question", "added", 0, unit="USD")
        for year in asked.horizon.years:
            spent = stage.booked("outlay", year) - added
            stage.require("question", f"annual_budget_{year}", None, spent, "<=", given.at(year), unit="USD")

    question = Question(_added, (loosened,), name="what is added in each year")
    return what.ask(words, of_any_year(instance), question, settings)


def _added(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({stage.found()["", "question", "added"][0]: 1.0})


def bar(what: WhatIfs, instance: Instance, option: str) -> Bar | None:
    """Which budget keeps every size of an option out; None where some size can be bought, or it is not money.

    Shocks are left aside: whether an option can be paid hangs on none of them. The instance has to be `apart`.
    """
    policy = instance.policy
    if getattr(instance.options[option], "budget_share", 1.0) <= 0:
        return None
    if policy.budget == 0.0 or (policy.annual_budget is not None and not any(policy.annual_budget.values)):
        return "none"
    calm = with_only_shocks(instance, ())
    if _can_be_bought(what, calm, option) is not False:
        return None
    if policy.annual_budget is not None and _can_be_bought(what, of_any_year(calm), option):
        return "annual"
    return "total" if _can_be_bought(what, without_budgets(calm), option) else None


def _can_be_bought(what: WhatIfs, calm: Instance, option: str) -> bool | None:
    if what.is_over:
        return None
    found = what.ask(f"whether {option} can be paid", calm, Question(size(option, -1.0), name="its size"))
    return None if found.status == "stopped" else found.status == "optimal" and found.value < -1e-9
