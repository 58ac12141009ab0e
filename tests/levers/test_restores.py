"""What `explain` says of options that leave more of what is cut: deals with a process, and levels over its region."""

import pytest

import optimizer as so
from optimizer.solver import Settings
from tests.conftest import Cell

EXACT = Settings(mip_gap=0.0, accuracy=0.0)

# The embargo of 2028 cuts off 1000 t/yr of imports; the floor takes 50 t.
HEAD = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {magnet: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}
  works: {region: friend, stage: magnet, output: {magnet: 1}, capacity: 5, cost: 10}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}}
shocks: {embargo: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}}
"""
# A ton of the deal costs 10, and so does what a thousandth of a level gives back.
DEAL = "deal: {kind: partnership, process: imports, max_size: 80, capex: 10}"
CHIPS = "chips: {kind: leverage, region: rival, restraint: 1, max_size: 1, capex: 20k}"


def because(instance: so.Instance) -> list[str]:
    """The reason, but for the sentences on existing processes."""
    reason = so.explain(instance, settings=EXACT).reason
    assert reason is not None
    assert reason.because[0].startswith("imports is cut off in embargo")
    assert reason.because[1] == "works runs at capacity, 5 t"
    return list(reason.because[2:])


def options(*some: str) -> str:
    """Options of an instance file, each on a line of its own."""
    return "options:\n" + "\n".join(f"  {each}" for each in some)


def test_both_at_their_largest_size_say_so(cell: Cell) -> None:
    # 20 t/yr of the deal, and 0.01 · 1000 = 10 t: with the works 35 of 50 t.
    small = options(DEAL.replace("80", "20"), CHIPS.replace("max_size: 1,", "max_size: 0.01,"))
    instance = cell(HEAD, small)
    assert because(instance) == ["deal has its largest size, 20 t/yr", "chips has its largest size, level 0.01"]
    # 15 t/yr more of the deal are enough.
    assert so.solve(cell(HEAD, small.replace("20, capex", "35, capex")), settings=EXACT).survives


def test_the_budget_says_why_there_is_no_more(cell: Cell) -> None:
    # 200 buys 20 t/yr of the deal, or half as much by the level.
    instance = cell(HEAD, options(DEAL, CHIPS), "policy: {budget: 200}")
    assert because(instance) == [
        "deal has only 20 t/yr: the budget buys no more",
        "chips is not bought: the budget goes further elsewhere",
    ]
    assert because(cell(HEAD, options(DEAL), "policy: {budget: 0}")) == ["deal is not bought: the budget is 0"]


def test_what_comes_too_late_says_so(cell: Cell) -> None:
    late = DEAL.replace("}", ", lead_time: 24, earliest: 2027}")
    assert because(cell(HEAD, options(late))) == ["deal takes 24 months and can be ordered in 2027 at the earliest"]


def test_a_level_that_has_eroded_says_what_is_left_and_what_stands_against_more(cell: Cell) -> None:
    # Bought in 2026 alone, half of a level is left in 2027 and a quarter in 2028: of 0.04, 0.01, which is 10 t.
    eroding = CHIPS.replace("20k}", "10k, latest: 2026, erosion: 0.5}")
    eroded = "chips is bought at level 0.04{}, of which level 0.01 is in force in 2028"
    instance = cell(HEAD, options(eroding), "policy: {budget: 400}")
    assert because(instance) == [eroded.format(""), "chips has only level 0.04: the budget buys no more"]
    most = eroding.replace("max_size: 1,", "max_size: 0.04,")
    assert because(cell(HEAD, options(most))) == [eroded.format(", its largest size")]


def test_what_does_not_act_on_the_cut_is_not_named(cell: Cell) -> None:
    # A deal with what is not cut, one that restores nothing, and levels: over another region, and of an accident.
    other = DEAL.replace("deal", "other").replace("imports", "works")
    empty = DEAL.replace("deal", "empty").replace("}", ", reliability: 0}")
    friends = CHIPS.replace("rival", "friend")
    nothing = because(cell(HEAD, options(other, empty, friends)))
    assert nothing == []
    assert because(cell(HEAD.replace("true", "false"), options(CHIPS))) == []


@pytest.mark.parametrize("t", [0, 1])
def test_a_lever_restores_nothing_before_the_cut_and_of_what_it_is_not_about(cell: Cell, t: int) -> None:
    # The shock has the periods 1 and 2; the cut begins with its second.
    late = HEAD.replace("start: 2028, months: 12", "start: 2027, months: 24").replace("severity: 1", "severity: [0, 1]")
    instance = cell(late, options(DEAL, CHIPS))
    path = instance.path(instance.events[0])
    for option in instance.options.values():
        assert option.restores(path, "imports", 1 + t) is bool(t)
        assert not option.restores(path, "works", 1 + t)


def test_a_level_without_restraint_restores_nothing(cell: Cell) -> None:
    instance = cell(HEAD, options(CHIPS, CHIPS.replace("chips", "idle").replace("restraint: 1", "restraint: 0")))
    path = instance.path(instance.events[0])
    restores = {o: option.restores(path, "imports", 2) for o, option in instance.options.items()}
    assert restores == {"chips": True, "idle": False}
