"""The audit judges rows by their own terms, and by an absolute tolerance that follows from the instance alone."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import highspy
import pytest
import yaml

import optimizer as so
from optimizer.audit.result import audit_result

FILE = Path(__file__).parent / "files" / "rich-55043.yaml"
SCALED = {"capacity", "quantity", "cost", "price", "max_size", "capex", "shortage_cost", "initial", "holding_cost"}
EXACT = so.Settings(mip_gap=0.0)

# What ran before in the process decides the solver's last digits: a stock of nothing releases 2e-10 t here.
AFTER_ANOTHER_RUN = """
import sys, highspy, optimizer as so
highs = highspy.Highs()
highs.setOptionValue("output_flag", False)
highs.addVar(0, 1)
highs.run()
result = so.solve(so.load(sys.argv[1]), settings=so.Settings(mip_gap=0.0))
print(result.status, result.audit["ok"])
"""


def scaled(node: Any, rng: random.Random, key: object = None) -> Any:
    """Data with each quantity, price and capacity multiplied by a factor of its own, 0.3 to 3."""
    if isinstance(node, dict):
        return {k: scaled(part, rng, key if isinstance(k, int) else k) for k, part in node.items()}
    if isinstance(node, (int, float)) and not isinstance(node, bool) and key in SCALED:
        return node * rng.uniform(0.3, 3)
    return node


def variant(seed: int) -> so.Instance:
    data = scaled(yaml.safe_load(FILE.read_text()), random.Random(seed))
    for option in data["options"].values():
        if option["kind"] == "leverage":
            option["max_size"] = 1.0
        if option["kind"] == "stockpile":
            option["initial"] = min(option["initial"], option["max_size"])
        if "min_size" in option:
            option["min_size"] = min(option["min_size"], option["max_size"])
    return so.read(data)


def test_a_plan_is_judged_alike_whatever_the_process_did_before() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", AFTER_ANOTHER_RUN, str(FILE)], capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines()[-1:] == ["survives True"], ran.stderr[-2000:]


def test_many_instances_in_one_process_raise_no_alarm() -> None:
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.addVar(0, 1)
    highs.run()
    for seed in range(8):
        so.solve(variant(seed), settings=so.Settings(mip_gap=1e-3))  # audits, and raises where anything disagrees


# 100 t/yr of magnets, and a laser of 50 g/yr: rows of each are judged by what its own commodity is needed for.
TWO_SCALES: dict[str, Any] = {
    "horizon": {"start": 2026, "end": 2026, "step": "year"},
    "commodities": {"magnet": {}, "terbium": {}},
    "processes": {
        "magnets": {"output": {"magnet": 1}, "capacity": 200, "cost": 1},
        "terbium": {"output": {"terbium": 1}, "capacity": 1, "cost": 1},
    },
    "demands": {
        "motors": {"commodity": "magnet", "quantity": 100, "shortage_cost": 100},
        "lasers": {"commodity": "terbium", "quantity": 0.00005, "shortage_cost": 100},
    },
    "options": {"store": {"kind": "stockpile", "commodity": "magnet", "price": 1}},
}


@pytest.mark.parametrize(
    ("process", "change", "is_found"),
    [
        ("magnets", 1e-8, False),  # 1e-10 of the demand, within the absolute tolerance of 1e-9 t per t
        ("magnets", 1e-3, True),  # ten times what the relative tolerance allows a row of 100 t
        ("terbium", 1e-8, True),  # 0.02 % of the laser's demand
    ],
)
def test_an_error_is_judged_by_what_the_commodity_is_needed_for(process: str, change: float, is_found: bool) -> None:
    instance = so.read(TWO_SCALES)
    result = so.solve(instance, settings=EXACT)
    assert result.baseline is not None
    row = tuple(amount - change for amount in result.baseline[process, "activity"])
    changed = replace(
        result, baseline=replace(result.baseline, rows={**result.baseline.rows, (process, "activity"): row})
    )
    said = audit_result(instance, changed).disagreements
    assert any(".balance." in each for each in said) is is_found, said


def test_a_plan_cannot_widen_the_tolerance_that_it_is_judged_by() -> None:
    instance = so.read(TWO_SCALES)
    result = so.solve(instance, settings=EXACT)
    assert result.baseline is not None
    # A stock of a billion tonnes on paper, and 10 kg of magnets that nothing makes.
    plan = replace(result.plan, fills={"store": (1e9,)}, stocks={"store": (1e9,)})
    row = tuple(amount - 0.01 for amount in result.baseline["magnets", "activity"])
    flows = replace(result.baseline, rows={**result.baseline.rows, ("magnets", "activity"): row})
    said = audit_result(instance, replace(result, plan=plan, baseline=flows)).disagreements
    assert any("baseline/magnet.balance" in each for each in said), said
