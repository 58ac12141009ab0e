"""A model that the solver keeps from one what-if to the next has the optima of models that are made anew."""

import numpy as np
import pytest

import optimizer as so
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.instance.altered import with_floors, with_lead_times
from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.solver import Clock, Settings
from optimizer.solver.kept import ModelKeeper

INSTANCES = ("instances/tiny.yaml", "instances/leverage.yaml")


def _variants(instance: Instance) -> dict[str, Instance]:
    builds, segments = list(instance.sized)[:1], list(instance.demands)[:1]
    return {
        "as it is": instance,
        "one point more": with_floors(instance, points=0.01, segments=segments),
        "a year later": with_lead_times(instance, months_later=12.0, options=builds),
        "half of the floors": with_floors(instance, factor=0.5),
        "a small budget": with_budget(instance, 1e6),
        "a large budget": with_budget(instance, 1e12),
        "no floors": with_floors(instance, factor=0.0),
        "as it was": instance,
    }


@pytest.mark.parametrize("file", INSTANCES)
def test_a_kept_model_has_the_optima_of_new_models(file: str) -> None:
    keeper, settings, kept = ModelKeeper(), Settings(mip_gap=0.0), set[int]()

    def model(variant: Instance, count: int, keeper: ModelKeeper | None) -> ShockModel:
        shocks = variant.events[:count]
        return ShockModel(variant, shocks, settings, Clock(), lambda step: None, pseudo_costs={}, keeper=keeper)

    instance = so.load(file)
    for number, (name, variant) in enumerate(_variants(instance).items()):
        # Each has other shocks than the one before: some are new to the solver, some are left out.
        count = len(instance.events) - number % 2
        again, anew = model(variant, count, keeper), model(variant, count, None)
        kept.add(id(keeper.model))
        for aim in ("relaxation", "integers", "with one more shock"):
            if aim == "with one more shock":
                for each in (again, anew):
                    each.add_shocks(variant.events[count:])
            solve = ShockModel.solve_relaxation if aim == "relaxation" else ShockModel.minimise_objective
            mine, new = solve(again), solve(anew)
            if new is None or new.values is None:
                assert mine is None or mine.values is None, f"{name}, {aim}"
            else:
                assert mine is not None, f"{name}, {aim}"
                value = [each.objective for each in (mine, new)]
                assert value[0] == pytest.approx(value[1], rel=1e-6), f"{name}, {aim}"
    assert len(kept) == 1, "each model was made anew"


def test_dual_values_of_a_kept_model_are_those_of_a_new_one() -> None:
    instance, keeper = so.load("instances/tiny.yaml"), ModelKeeper()
    found = []
    for variant in (with_floors(instance, points=-0.05), instance):
        run = ShockModel(
            variant, variant.events, Settings(), Clock(), lambda step: None, pseudo_costs={}, keeper=keeper
        )
        found.append(run.solve_relaxation())
    new = ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None).solve_relaxation()
    assert found[1].duals is not None
    assert new.duals is not None
    assert found[1].objective == pytest.approx(new.objective)
    assert found[1].duals == pytest.approx(new.duals, rel=1e-5, abs=1e-3)


def test_a_right_hand_side_alone_may_change() -> None:
    """A budget is one number. With 1M USD nothing survives, and the model is solved again, not remembered."""
    instance, keeper, found = so.load("instances/tiny.yaml"), ModelKeeper(), list[float]()
    for budget in (12e6, 1e6, 12e6):
        variant = with_budget(instance, budget)
        known = (variant, variant.events, Settings(), Clock(), lambda step: None)
        found += [ShockModel(*known, keeper=each).solve_relaxation().objective for each in (keeper, None)]
    assert found[::2] == pytest.approx(found[1::2])
    assert found[2] > found[0]


def test_cuts_hold_in_a_kept_model_that_grows_until_another_takes_over() -> None:
    """A cut that forbids every integer is felt by this model and the shock added after it, and not by the next one."""
    instance, keeper, found = so.load("instances/tiny.yaml"), ModelKeeper(), list[float]()
    for bound in (0.0, 1e9):
        known = (instance, instance.events[:1], Settings(), Clock(), lambda step: None)
        pair = [ShockModel(*known, pseudo_costs={}, keeper=each) for each in (keeper, None)]
        for each in pair:
            whole = each.solver.integers
            each.solver.add_cuts(whole, np.ones((1, len(whole))), np.array([bound]))
            each.add_shocks(instance.events[1:])
        found += [each.solve_relaxation().objective for each in pair]
    assert found[::2] == pytest.approx(found[1::2])
    assert found[2] < found[0]
