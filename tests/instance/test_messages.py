"""What is said of faults that few files have: the place, what is wrong there, and the cure."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import optimizer as so
from optimizer.io.load import inspect_document

TINY = (Path(__file__).parents[2] / "instances" / "tiny.yaml").read_text(encoding="utf-8")


def found(folder: Path, text: str, overrides: Sequence[str] = ()) -> list[str]:
    """Every finding of a file: its severity, place, fault and cure."""
    file = folder / "instance.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        findings = inspect_document(str(file), list(overrides))[1]
    except so.InstanceError as error:
        findings = error.findings
    return [f"{each.severity} {each.where}: {each.what}. {each.cure}" for each in findings]


def futures(branches: str, start: int = 2027) -> str:
    return f"\nfutures: {{q: {{from: {start}, branches: {{{branches}}}}}}}\n"


ANSWER = "a: {set: {demands.motors.quantity: {2026: 100, 2027: 80}}}, b: {}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "scenarios: [a, b]",
            "error scenarios: is not a mapping. Write `scenarios:` and one named set of overrides a line.",
        ),
        (
            "scenarios: {a: [1]}",
            "error scenarios.a: is not a mapping. Write dotted paths with their values: {demands.motors.survival: "
            "0.6}.",
        ),
        (
            "scenarios: {' ': {policy.budget: 5M}}",
            "warning scenarios. : is empty. Write a word without blanks around it, or remove it.",
        ),
        (
            "futures: {q: {from: 2028.0, branches: {a: {}}}}",
            'error futures.q.from: "2028.0" is no period. Write a period such as 2029, 2029Q3 or 2029-07.',
        ),
        ("scenarios: {a: {}}", "warning scenarios.a: changes nothing. Add an override, or remove it."),
        (
            "scenarios: {a: {home: usa}}",
            "error scenarios.a.home: a scenario cannot change `home`. Write a file of its own for that.",
        ),
        (
            "scenarios: {a: {scenarios.b: 1}}",
            "error scenarios.a.scenarios.b: a scenario cannot change `scenarios`. Override the rest of the file.",
        ),
        (
            futures("' ': {set: {demands.motors.quantity: 80}}, b: {}"),
            "error futures.q.branches. : a branch without a name. Give it one: the names of futures are made of them.",
        ),
        (
            futures("a.b: {set: {demands.motors.quantity: 80}}, b: {}"),
            "error futures.q.branches.a.b: a dot in the name of a branch. Write a_b: dots join the branches in the "
            "name of a future.",
        ),
        (
            futures("a: {}, b: {}"),
            "warning futures.q: no branch changes anything. Add `set:` to one of them, or remove the question.",
        ),
        (
            futures("a: {probability: 0.7}, b: {}, c: {}"),
            "error futures.q.branches.b: the probability of b and c is missing. Give one to every branch, or leave out "
            "all: then they are equal.",
        ),
        # What is given adds to 1 already: no number can be proposed.
        (
            futures("a: {probability: 1}, b: {}"),
            "error futures.q.branches.b: the probability of b is missing. Give one to every branch, or leave out all: "
            "then they are equal.",
        ),
        (
            futures("a: {probability: 0.7}, b: {}"),
            "error futures.q.branches.b: the probability of b is missing. Write 0.3, or leave out all: then they are "
            "equal.",
        ),
        (
            "x: &x {<<: [*x, 5]}",
            "error x.<<: contains itself. Remove the alias that points back.",
        ),
        (
            "x: &x {<<: [*x, 5]}",
            "error x.<<: `<<` refers to something that is no mapping. Name a mapping: `<<: *name`, where `&name` "
            "stands before one.",
        ),
        ("? [a]\n: 1", "error ?: a key is not plain text. Write a single word."),
        (
            "!!int ranges: {}",
            "error ranges: the tag !!int is not read here. Remove it; the tags that are read are !!str, !!int, "
            "!!float, !!bool and !!null, before single values.",
        ),
    ],
)
def test_a_fault_of_a_section_names_its_place_and_its_cure(text: str, said: str, tmp_path: Path) -> None:
    assert said in found(tmp_path, f"{TINY}\n{text}\n")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "adversary={attack_budget: 1M, months: 12, starts: 2027, targets: {}}",
            "error adversary.targets: is an empty mapping. Name at least one target, or remove the adversary.",
        ),
        (
            "discount_rate=0.5",
            "warning discount_rate: 0.5 is a discount of 50 % a year. It is a share per year: 0.05 for 5 %.",
        ),
        (
            "processes.imports.output.magnet=0",
            "warning processes.imports: output is 0: it makes nothing, and is paid nothing. Add `output: {commodity: "
            "tonnes per tonne of activity}`.",
        ),
        ("discount_rate=8", "warning discount_rate: 8 is a discount of 800 % a year. Write 0.08 for 8 %."),
        # 20 billion t/yr of a plant that is opened once, for a demand of 100.
        (
            "options.plant={kind: refining, output: {magnet: 1}, fixed_cost: 1M, max_size: 20B}",
            "error options.plant.max_size: max_size (2e+10) is 2e+08 times the largest demand. Write the largest size "
            "that could really be built.",
        ),
        (
            "processes.imports={region: r, output: {magnet: 1}, capacity: 9, min_utilisation: 1, restart_months: 6}",
            "warning processes.imports.restart_months: has no effect: all of its capacity runs by min_utilisation when "
            "a shock begins. Lower min_utilisation to what contracts keep running, or remove it.",
        ),
    ],
)
def test_a_number_that_cannot_be_meant(override: str, said: str, tmp_path: Path) -> None:
    assert said in found(tmp_path, TINY, [override])


def test_a_number_that_can_be_meant_is_not_remarked_on(tmp_path: Path) -> None:
    assert found(tmp_path, TINY, ["discount_rate=0.3"]) == []


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("cvar", "cvar needs its level. Write it with its level: {cvar: 0.9}."),
        ("5", "is no measure. Write expected, worst, regret, or {cvar: 0.9}."),
        ("[worst]", "is no measure. Write expected, worst, regret, or {cvar: 0.9}."),
        ("{}", "cvar is missing. Write it with its level: {cvar: 0.9}."),
        ("{cvr: 0.9}", '"cvr" is an unknown key. Did you mean "cvar"?'),
        ("{cvar: 2}", "cvar 2 is no level from 0 to below 1. Write 0.02 for 2 %."),
    ],
)
def test_a_measure_of_another_shape(measure: str, said: str, tmp_path: Path) -> None:
    assert f"error policy.objective: {said}" in found(tmp_path, TINY + futures(ANSWER), [f"policy.objective={measure}"])


STORMS = "ensembles: {{storms: {{count: 3, seed: 1, start: {}, months: 12, cuts: [{{region: rival, severity: 0.1}}]}}}}"
ADVERSARY = (
    "adversary: {{attack_budget: 1M, months: 12, starts: {}, "
    "targets: {{x: {{price: 1, cuts: [{{region: rival, severity: 0.1}}]}}}}}}"
)
OF_SHOCKS = "List the starts before the answer in a shock of their own, the same in every branch."
OF_ALL_YEARS = "It holds in all years, those before the answer as well: check that this is meant."


@pytest.mark.parametrize(
    ("part", "start", "changed", "cure"),
    [
        (STORMS, "2027", "ensembles.storms.count: 2", OF_SHOCKS),
        (STORMS, "[2027, 2029]", "ensembles.storms.seed: 2", OF_SHOCKS),
        (STORMS, "2028", "ensembles.storms.count: 2", None),
        (ADVERSARY, "2027", "adversary.attack_budget: 2M", OF_ALL_YEARS),
        (ADVERSARY, "[2027, 2029]", "adversary.attack_budget: 2M", OF_ALL_YEARS),
        # The first attack is not before the answer.
        (ADVERSARY, "2028", "adversary.attack_budget: 2M", None),
    ],
)
def test_what_a_branch_changes_before_its_answer_is_known(
    part: str, start: str, changed: str, cure: str | None, tmp_path: Path
) -> None:
    """The answer comes in 2028. What begins in 2027 gives it away."""
    text = f"{TINY}\n{part.format(start)}\n{futures(f'a: {{set: {{{changed}}}}}, b: {{}}', 2028)}"
    place = f"futures.q.branches.a.set.{changed.partition(':')[0]}"
    said = [each for each in found(tmp_path, text) if each.startswith(f"warning {place}: ")]
    wanted = f'warning {place}: differs from "b" in 2027, before q is answered (2028). {cure}'
    assert said == ([] if cure is None else [wanted])


def test_a_mapping_within_quotes_is_shown_without_them_and_with_its_own_braces(tmp_path: Path) -> None:
    cure = "Write {plant: {2027: 40}}. It is text: remove the quotes."
    said = f'error policy.force: "{{plant: {{2027: 40}}}}" is not a mapping. {cure}'
    text = TINY.replace("policy: {budget: 20M}", 'policy: {force: "{plant: {2027: 40}}"}')
    assert said in found(tmp_path, text)
    with pytest.raises(so.InstanceError, match=r"Write \{plant: \{2027: 40\}\}\. It is text: remove the quotes"):
        so.load("instances/tiny.yaml", {"policy.force": "{plant: {2027: 40}}"})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ([], True),
        (["options.reserve.release_cost=65k"], False),
        # It is not bought again, and the file says so.
        (["options.reserve.release_cost=0"], False),
        # The only shock with a probability lasts until the horizon ends: nothing has to be bought after it.
        (["shocks.embargo.start=2029"], False),
        # Nothing is in store when it begins.
        (["shocks.embargo.start=2026"], False),
        (["shocks.embargo.start=2026", "options.reserve.initial=5"], True),
        (["options.reserve.earliest=2028", "shocks.embargo.start=2027"], False),
        # It cannot be bought after the shock, at all, or released.
        (["options.reserve.latest=2028"], False),
        (["options.reserve.initial=5", "options.reserve.fill_rate=0"], False),
        (["options.reserve.release_rate=0"], False),
        (["shocks.embargo.probability=0"], False),
        (["shocks.embargo.probability=0", "ensembles.storms.probability=0.2"], True),
        (["options.reserve.price=0"], False),
    ],
)
def test_released_stock_that_is_not_bought_again(changed: list[str], said: bool, tmp_path: Path) -> None:
    """Stock can be bought from 2026 to 2030, and a shock of 2027 to 2028 has a probability."""
    text = f"{TINY}\n{STORMS.format(2027)}\n".replace("rival, severity: 0.1", "rival, severity: 1")
    whole = found(tmp_path, text, ["shocks.embargo.probability=0.3", *changed])
    wanted = (
        "warning options.reserve: stock that a shock with a probability uses is not bought again, and looks cheaper "
        "than it is. Write as release_cost what a tonne bought back costs, such as its price, 65k, or 0 if none is."
    )
    assert [each for each in whole if "bought again" in each] == ([wanted] if said else [])


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ("", 0.3, True),
        ("probability: 0, ", 0.3, False),
        ("probability: 0.5, ", 0.3, False),
        # No shock of the file has a probability: floors alone count in it.
        ("", 0, False),
    ],
)
def test_a_shock_that_a_branch_adds_without_a_probability(own: str, other: float, said: bool, tmp_path: Path) -> None:
    war = f"{{start: 2029, months: 12, {own}cuts: [{{region: rival, severity: 1}}]}}"
    text = TINY + futures(f"war: {{set: {{shocks.war: {war}, shocks.embargo.probability: 0}}}}, peace: {{}}", 2029)
    whole = found(tmp_path, text, [f"shocks.embargo.probability={other}"])
    wanted = (
        "warning futures.q.branches.war, shocks.war: has no probability, as other shocks have: the cost of the future "
        "leaves it out. Write the probability that it has once the answer is known, or 0 if floors alone are to count."
    )
    assert [each for each in whole if "shocks.war" in each] == ([wanted] if said else [])
