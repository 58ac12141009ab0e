"""Every case against its answer: small ones derived by hand in their comments, the others by independent solvers.

`cases/*.yaml` and `cases/generated` come with the model's specification. `cases/independent` were solved by a program
that was written from the specification alone, as one sparse matrix, and shares no code with this package.
"""

import json
from pathlib import Path

import pytest

import optimizer as so

CASES = Path(__file__).parent / "cases"
SPECIFIED = json.loads((CASES / "answers.json").read_text())
INDEPENDENT = json.loads((CASES / "independent" / "answers.json").read_text())
WITH_PLAN = {name: answer for name, answer in INDEPENDENT.items() if answer.get("status") != "none"}
WITHOUT_PLAN = [name for name, answer in INDEPENDENT.items() if answer.get("status") == "none"]
EXACT = so.Settings(mip_gap=0.0)


def close(found: float, expected: float) -> bool:
    return abs(found - expected) <= 1e-6 * max(abs(expected), 1e-6)


@pytest.mark.parametrize("name", SPECIFIED)
def test_specified_case(name: str) -> None:
    answer = SPECIFIED[name]
    result = so.solve(so.load(CASES / name), settings=EXACT)
    assert close(result.total_cost, answer["total_cost"])
    assert close(result.survival_gap, answer["survival_gap"])
    assert result.survives == answer["survives"]
    if "/" not in name:
        assert close(result.outlay, answer["outlay"])


@pytest.mark.parametrize("name", WITH_PLAN)
def test_independent_case(name: str) -> None:
    answer = WITH_PLAN[name]
    result = so.solve(so.load(CASES / "independent" / name), settings=EXACT)
    assert close(result.total_cost, answer["total_cost"])
    assert close(result.survival_gap, answer["survival_gap"])
    assert result.survives == answer["survives"]


@pytest.mark.parametrize("name", WITHOUT_PLAN)
def test_case_whose_rules_contradict_each_other(name: str) -> None:
    result = so.solve(so.load(CASES / "independent" / name), settings=EXACT)
    assert result.status == "none"
    assert result.clash


def test_all_cases_are_tested() -> None:
    # Those with futures are tested with them.
    files = {str(path.relative_to(CASES)) for path in CASES.rglob("*.yaml") if path.parent.name != "futures"}
    assert files == set(SPECIFIED) | {f"independent/{name}" for name in INDEPENDENT}
