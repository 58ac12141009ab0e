"""Every price of *What binds* against the same file solved again with the step taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import optimizer as so
from optimizer.instance.derived import display_name

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
EXACT = so.Settings(mip_gap=0.0)
STEP = 1.01


def steps(instance: so.Instance) -> Iterator[tuple[str, str, float]]:
    """What binds, the key of the file that holds it, and the value after one step."""
    policy = instance.policy
    if policy.budget is not None:
        yield "the budget", "policy.budget", policy.budget * STEP
    for o, option in instance.options.items():
        name, share = display_name(instance, o), getattr(option, "min_utilisation", 0.0)
        for field, words in (
            ("max_size", "the largest stock of {}" if option.is_stock else "the largest size of {}"),
            ("max_share", "the share that {} can serve"),
            ("fill_rate", "the rate at which {} can be filled"),
            ("release_rate", "the rate at which {} can be released"),
        ):
            value = getattr(option, field, None)
            # A share and a level of leverage are 1 at most.
            is_share = field == "max_share" or (field == "max_size" and option.kind == "leverage")
            if value is not None and not (is_share and value * STEP > 1):
                yield words.format(name), f"options.{o}.{field}", value * STEP
        if share > 0:
            yield f"{name} having to run in the baseline", f"options.{o}.min_utilisation", share - 0.01


def objective(result: so.Result) -> float:
    return result.survival_gap if result.status == "gap" else result.total_cost


def is_continuous(instance: so.Instance) -> bool:
    """Whether a step cannot change integers, which prices hold as they are."""
    options = instance.options.values()
    return instance.tree.is_single and not any(
        each.is_fixed_charge or getattr(each, "unit_size", 0) for each in options
    )


CONTINUOUS = [path for path in CASES if is_continuous(so.load(path))]


@pytest.mark.parametrize("path", CONTINUOUS, ids=lambda path: path.stem)
def test_no_step_saves_more_than_its_price(path: Path) -> None:
    instance = so.load(path)
    result = so.solve(instance, settings=EXACT)
    worths = {price.what: price.worth for price in result.binding}
    for what, key, value in steps(instance):
        changed = so.solve(so.load(path, [f"{key}={value!r}"]), settings=EXACT)
        if changed.status == result.status:
            saved = objective(result) - objective(changed)
            assert saved <= worths.get(what, 0.0) * (1 + 1e-6) + 2e-6 * objective(result), (what, key)
