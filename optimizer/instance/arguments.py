"""Arguments of the Python functions, which say what the options of the same name say on the command line.

budget     a number, or text such as "250M"
scenario   a name, names with commas, or a list of them: they stack in the order given
"""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, Literal

from pydantic_core import PydanticCustomError

from optimizer.errors import Finding
from optimizer.instance.document import no_such
from optimizer.instance.edits import Edit, clashes, of_scenarios
from optimizer.instance.schema import Instance
from optimizer.instance.variants import Without, under
from optimizer.units import parse_amount

# Money as a caller may write it: 250e6, "250M".
MoneyLike = float | str
# One scenario or several.
ScenarioNames = str | Sequence[str]


def parse_money(value: Any) -> float:
    """An amount of money, 0 or more, from a number or from text such as ``250M``.

    Raises:
        ValueError: it is none; with the cure.
    """
    plain = float(value) if isinstance(value, Real) and not isinstance(value, bool) else value
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ValueError(f"{plain:g} is not a finite amount. Leave it out where there is no limit.")
    try:
        amount = parse_amount(plain)
    except PydanticCustomError as error:
        raise ValueError(f"{error.message()}. {(error.context or {}).get('cure', '')}") from None
    if amount < 0:
        raise ValueError("write 0 or more.")
    return amount


def money(value: MoneyLike | None, name: str) -> float | None:
    """The same for the argument of a name; None stays None.

    Raises:
        ValueError: it is no amount of money; with the name and the cure.
    """
    if value is None:
        return None
    try:
        return parse_money(value)
    except ValueError as error:
        raise ValueError(f"{name}={value!r}: {error}") from None


def scenario_names(instance: Instance, texts: Iterable[str]) -> list[str]:
    """The scenarios that are asked for, in the order given; commas separate names where the whole text is none."""
    names: list[str] = []
    for text in texts:
        names += [text] if text in instance.scenarios else [word.strip() for word in text.split(",")]
    return names


def edited(instance: Instance, budget: MoneyLike | None = None, scenario: ScenarioNames | None = None) -> Without:
    """The instance under scenarios of its own and another budget, and what went in words.

    Where two of them set the same number to different values the later one holds; that is a Python warning, and is
    among the words.

    Raises:
        InstanceError: the scenarios together make no usable instance.
        ValueError: no amount of money, or no scenario of the instance; with the cure.
    """
    limit, names = money(budget, "budget"), _names(instance, scenario)
    edits, notes, changed = list(of_scenarios(instance, names)), scenario_notes(instance, names), instance
    if names:
        changed = under(changed, names)
    if limit is not None:
        edits.append(Edit(f"budget={budget!r}", "policy.budget", budget))
        changed = changed.with_budget(limit)
    found = clashes(instance, edits)
    for finding in found:
        warnings.warn(str(finding), UserWarning, stacklevel=3)
    return Without(changed, (*notes, *map(str, found)))


def budget_list(budgets: Any) -> list[float | None] | Literal["auto"] | None:
    """Budgets to be compared, None in the list for any; from a list of amounts, or one text such as ``0,250M,any``.

    ``auto`` and None stay what they are.

    Raises:
        ValueError: one of them is no amount of money; with the cure.
    """
    if budgets is None or (isinstance(budgets, str) and budgets.strip() == "auto"):
        return None if budgets is None else "auto"
    listed = budgets.split(",") if isinstance(budgets, str) else budgets
    if not isinstance(listed, Iterable):
        raise ValueError(f'budgets={budgets!r}: write a list such as [0, "250M", None], or "auto".')
    words = [each.strip() if isinstance(each, str) else each for each in listed]
    return [None if each is None or each == "any" else money(each, "budgets") for each in words]


def variants(cases: Mapping[str, Instance], scenario: ScenarioNames | None) -> dict[str, Instance]:
    """Each case and, behind it, one for each scenario text; of one plain case they have the names of the scenarios.

    Raises:
        ValueError: there is no such scenario.
    """
    texts = [] if scenario is None else _texts(scenario)
    result = dict[str, Instance]()
    for case, instance in cases.items():
        result[case] = instance
        for text in texts:
            made = edited(instance, scenario=text).instance
            name = ", ".join(scenario_names(instance, [text]))
            result[name if len(cases) == 1 and case == "plain" else f"{case}, {name}"] = made
    return result


def scenario_notes(instance: Instance, names: Sequence[str]) -> tuple[str, ...]:
    """Which scenarios are applied, and what each of them sets."""
    return tuple(f"Scenario {name}: {', '.join(instance.scenarios.get(name, ()))}." for name in names)


def _names(instance: Instance, scenario: ScenarioNames | None) -> list[str]:
    if scenario is None:
        return []
    names = scenario_names(instance, _texts(scenario))
    unknown = [_said(no_such(name, list(instance.scenarios))) for name in names if name not in instance.scenarios]
    if unknown:
        raise ValueError(" ".join(unknown))
    return names


def _texts(scenario: Any) -> list[str]:
    """One text or several."""
    texts = [scenario] if isinstance(scenario, str) else scenario
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f'scenario={scenario!r}: write a name such as "high", or a list of names.')
    return list(texts)


def _said(finding: Finding) -> str:
    return f"{finding.what}. {finding.cure}"
