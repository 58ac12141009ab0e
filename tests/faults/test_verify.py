"""`verify` recomputes or refuses: every single change of a plan file is found, or lies in what is not evidence."""

import copy
import json
import random
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.solving import open_evaluator
from optimizer.audit import Verification
from optimizer.cli.app import app
from optimizer.errors import OptimizerError
from optimizer.report.tables.checks import part_words
from optimizer.results.saved import FORMAT_OF_KEY, NOT_EVIDENCE, UNCHECKED, digest
from optimizer.solver import Clock
from optimizer.studies import verify as verify_module
from optimizer.studies.conclusion import Timer, conclude
from optimizer.studies.outcomes import relative_distance
from optimizer.studies.verify import Extent, verify
from tests.faults.forging import RICH, TINY, at, change, failing, many, rich, saved, sealed
from tests.test_bands import BANDS

Data = dict[str, Any]
MAKERS = {"rich": rich, "failing": failing, "many": many}
PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "verify.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plans() -> dict[str, Data]:
    return {name: saved(make()) for name, make in MAKERS.items()}


def verified(data: Data, extent: Extent = "recourse") -> Verification:
    result = so.Result.from_dict(json.loads(json.dumps(data)))
    return verify(so.read(result.data), result, extent)


def is_found(data: Data, extent: Extent = "recourse") -> bool:
    try:
        return not verified(data, extent).ok
    except OptimizerError:
        return True


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def written(data: Data, folder: Path) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


# Plans as they are


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("extent", ["arithmetic", "recourse", "proof"])
def test_a_plan_as_it_was_saved_agrees(plans: dict[str, Data], name: str, extent: Extent) -> None:
    found = verified(plans[name], extent)
    assert found.report.disagreements == []
    assert (found.lines_not_recomputed, found.lines_solved) == {
        ("many", "arithmetic"): (36, 0),
        ("many", "recourse"): (0, 36),
        ("many", "proof"): (0, 36),
    }.get((name, extent), (0, 0))
    assert (
        set(found.not_recomputed)
        == {
            "arithmetic": {"nothing", "calm_cost", "calm_builds", "bound", "gap_bound"}
            | ({"adversary.worst"} if plans[name]["adversary"] else set()),
            "recourse": {"bound", "gap_bound"},
            "proof": set(),
        }[extent]
    )


def test_the_plans_hold_what_is_to_be_forged(plans: dict[str, Data]) -> None:
    assert plans["rich"]["status"] == "survives"
    assert plans["failing"]["status"] == "gap"
    assert plans["failing"]["adversary"]["attacks"]
    assert plans["failing"]["adversary"]["worst"]
    assert plans["rich"]["comments"]
    assert plans["rich"]["notes"]
    assert sum(shock["flows"] is None for shock in plans["many"]["shocks"]) == 36


# Random single changes


@pytest.mark.parametrize("name", MAKERS)
def test_every_single_change_is_found(plans: dict[str, Data], name: str) -> None:
    rng, missed = random.Random(14), []
    for _ in range(70):
        changed, what, place = change(plans[name], rng)
        if not is_found(changed):
            missed.append((what, place))
    assert missed == []


@pytest.mark.parametrize("name", MAKERS)
def test_every_single_change_is_found_without_the_digest(plans: dict[str, Data], name: str) -> None:
    # A forger seals the file again. Then the instance is another question, to which the plan may be an answer as well.
    rng, missed, count = random.Random(41), [], 0
    while count < 70:
        changed, what, place = change(plans[name], rng)
        if place[0] in ("data", "digest") or (what, place) == ("null", ("adversary",)):
            continue
        # Nor has a plan a part of the cost that is 0 if a lever brought that part after the plan was saved.
        if (what, place[0]) == ("drop", "costs") and not plans[name]["costs"][place[1]]:
            continue
        count += 1
        if not is_found(sealed(changed), "proof" if place[0] in ("bound", "gap_bound") else "recourse"):
            missed.append((what, place))
    assert missed == []


@pytest.mark.parametrize("key", NOT_EVIDENCE)
def test_what_is_not_evidence_may_be_another(plans: dict[str, Data], key: str) -> None:
    # The plan has no band, and its file was not changed: it is given both.
    own = plans["rich"].get(key, {"bands": asdict(BANDS), "changes": ["discount_rate 0.08"]}.get(key))
    other = {part: type(value)() for part, value in own.items()} if isinstance(own, dict) else type(own)()
    other = other if key in plans["rich"] else own
    assert verified(plans["rich"] | {key: other}).ok
    (listed,) = re.findall(r"^Not evidence are (.*?)\n\n", PAGE + "\n\n", re.DOTALL | re.MULTILINE)
    assert f"`{key}`" in listed


# Forgeries by name; the digest is that of the forged file


def put(*place: str | int, value: Any) -> Callable[[Data], None]:
    def forge(data: Data) -> None:
        at(data, place[:-1])[place[-1]] = value

    return forge


def times(factor: float, *place: str | int) -> Callable[[Data], None]:
    def forge(data: Data) -> None:
        at(data, place[:-1])[place[-1]] *= factor

    return forge


def dearer_calm(data: Data) -> None:
    data["calm_cost"] -= 10e6
    data["price_of_survival"] += 10e6


def no_bound(data: Data) -> None:
    data["bound"] = data["mip_gap"] = None


def perfect(data: Data) -> None:
    """All flows gone, every verdict perfect."""
    for shock in data["shocks"]:
        shock |= {"flows": None, "survives": True, "gap": 0.0}
        for service in shock["segments"].values():
            service |= {"worst_service": 1.0, "margin": 1.0 - service["floor"], "first_failure": None}
            service |= {"shortage": 0.0, "below_floor": 0.0, "gap": 0.0}
    for service in data["services"].values():
        service |= {"worst_service": 1.0, "margin": 1.0 - service["floor"], "shocks_failed": 0}
    data["adversary"] |= {"worst": None, "gap": 0.0}
    data |= {"survives": True, "status": "survives", "survival_gap": 0.0, "worst_gap": 0.0, "gap_bound": 0.0}


def both_budgets(data: Data) -> None:
    data["adversary"]["attack_budget"] = data["data"]["adversary"]["attack_budget"] = 1e9


def spared(data: Data) -> None:
    data["nothing"] |= {"gap": 0.0, "below_floor": 0.0, "shocks_failed": 0, "worst_shock": None, "worst_gap": 0.0}


def half_nothing(data: Data) -> None:
    for key in ("gap", "below_floor", "worst_gap"):
        data["nothing"][key] /= 2


FORGED: dict[str, tuple[str, Callable[[Data], None]]] = {
    "FORGED": ("failing", perfect),
    "adv_and_data_budget": ("rich", both_budgets),
    "adv_attacks_dropped": ("failing", put("adversary", "attacks", value=[])),
    "all_flows_null": ("rich", lambda data: [shock.update(flows=None) for shock in data["shocks"]] and None),
    "attack_budget_1B": ("rich", put("adversary", "attack_budget", value=1e9)),
    "bound": ("rich", no_bound),
    "calm": ("rich", dearer_calm),
    "currency": ("rich", put("currency", value="EUR of 1999")),
    "dependence": ("rich", put("dependence", value={})),
    "instance": ("rich", put("instance", value="US magnets")),
    "lacks": ("rich", put("lacks", value={"motors": {"share": 0.5, "period": "2026", "unserved": 40.0}})),
    "nothing_shock": ("rich", put("nothing", "worst_shock", value="storm")),
    "nothing_spared": ("rich", spared),
    "nothing_halved": ("rich", half_nothing),
    "outlays": ("rich", put("outlays", "2099", value=0.0)),
    "sets": ("rich", put("adversary", "sets", value=99)),
    "shock_flows_null": ("rich", put("shocks", 0, "flows", value=None)),
    "status": ("rich", put("status", value="stopped")),
    "status_none": ("rich", put("status", value="none")),
    "worst_none": ("failing", put("adversary", "worst", value=None)),
    "gap_of_attack": ("failing", put("adversary", "gap", value=0.0)),
    "calm_builds": ("rich", put("calm_builds", value=[])),
    "calm_builds_more": ("rich", put("calm_builds", value=["plant", "recyc"])),
    "cost_part_dropped": ("rich", put("costs", value={})),
    "margin": ("rich", times(1.01, "services", "motors", "margin")),
    "survives": ("failing", put("survives", value=True)),
    "clash": ("rich", put("clash", value=["the budget"])),
    "line_serves_more": ("many", put("shocks", 20, "segments", "civil", "worst_service", value=1.0)),
    "line_is_cheaper": ("many", times(0.5, "shocks", 20, "cost")),
    "line_of_another": ("many", put("shocks", 20, "segments", value={})),
}


def test_what_arithmetic_left_out_is_named_and_what_disagrees_raises(plans: dict[str, Data]) -> None:
    # Doing nothing is no part of the plan: arithmetic cannot know its gap.
    forged = copy.deepcopy(plans["rich"])
    forged["nothing"]["gap"] -= 5e6
    forged = sealed(forged)
    quick = verified(forged, "arithmetic")
    assert "nothing" in quick.not_recomputed
    assert quick.require() is quick
    with pytest.raises(so.AuditError, match="nothing"):
        verified(forged).require()


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_found(plans: dict[str, Data], name: str) -> None:
    plan, forge = FORGED[name]
    forged = copy.deepcopy(plans[plan])
    forge(forged)
    assert forged != plans[plan]
    assert is_found(sealed(forged))
    assert is_found(forged)


def test_a_bound_is_found_where_it_is_proven_again(plans: dict[str, Data]) -> None:
    # The plan has to buy a plant that the instance does not ask for, and its bound is said to be the instance's.
    instance = so.load(RICH)
    cheap, dear = so.solve(instance), so.solve(so.forcing(instance, [("plant", 2026, 80)]))
    assert cheap.calm_cost is not None
    data = saved(dear)
    del data["data"]["policy"]["force"]
    data |= {"calm_cost": cheap.calm_cost, "calm_builds": list(cheap.calm_builds), "no_shock": saved(cheap)["no_shock"]}
    data = sealed(data | {"price_of_survival": dear.total_cost - cheap.calm_cost})
    assert verified(data).ok
    said = verified(data, "proof").report.disagreements
    assert [row.split(":")[0] for row in said] == ["bound"]


# Lines


def test_a_line_that_says_what_other_flows_show_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    # 4 t of stock serve in 2027 or in 2028, undiscounted: 3.5 t are missing in each, so that 3 t go short in all.
    data = saved(many(0.0, stock=4.0))
    (line,) = (shock for shock in data["shocks"] if shock["name"] == "s14")
    assert line["flows"] is None
    service = line["segments"]["civil"]
    assert service["shortage"] == pytest.approx(3)
    for first, last in ((0.0, 3.0), (3.0, 0.0), (1.0, 2.0)):
        served = 1 - max(first, last) / 100
        service |= {"worst_service": served, "margin": served - 0.8}
        service["worst_period"] = "2027" if first > last else "2028"
        assert verified(sealed(data)).report.disagreements == []
    # If no year lacked more than 1 t, no more than 2 t would go short.
    service |= {"worst_service": 0.99, "margin": 0.99 - 0.8}
    assert is_found(sealed(data))
    # Where no line is believed at first, each is shown anew.
    monkeypatch.setattr(verify_module, "_agrees", lambda *about: False)
    assert verified(saved(many(0.0, stock=4.0))).report.disagreements == []


def test_a_shock_that_could_go_better_is_found(plans: dict[str, Data]) -> None:
    # The shock is made milder than its line: then the plan leaves less.
    forged = copy.deepcopy(plans["many"])
    forged["data"]["shocks"]["s20"]["cuts"] = []
    assert is_found(sealed(forged))


# The command


CUT = {"start": 2027, "months": 12, "probability": 0.5, "cuts": [{"region": "rival", "severity": 1}]}


@pytest.mark.parametrize(
    "rest",
    [{"shocks": {"cut": CUT}, "policy": {"gap_price": 0.1}}, {"ensembles": {"cut": CUT | {"count": 1, "survive": 0}}}],
)
def test_a_gap_that_is_cheaper_to_leave_than_to_close_agrees(rest: Data) -> None:
    # Half of 100 t is the floor. A tonne from the friend costs 100, to go without it 10, and 1 more below the floor.
    flows = {"stage": "magnet", "output": {"magnet": 1}, "capacity": 100}
    data = {
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {
            "imports": flows | {"region": "rival", "cost": 1},
            "friend": flows | {"region": "friend", "cost": 100},
        },
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 10}},
    }
    result = so.solve(so.read(data | rest))
    assert (result.shocks[0].gap, result.shocks[0].cost) == pytest.approx((500, 1000))
    assert verified(saved(result), "proof").report.disagreements == []


def test_a_gap_with_a_price_has_no_bound_and_its_proof_is_of_cost_and_gap_together() -> None:
    # To close the gap of 4.2M costs more than that; where it has no price it is closed.
    changes = ["demands.motors.shortage_cost=70k", "policy.gap_price=1"]
    result, closed = so.solve(so.load(TINY, changes)), so.solve(so.load(TINY, changes[:1]))
    assert (result.status, result.survival_gap, result.gap_bound) == ("gap", pytest.approx(4.2e6), None)
    assert (closed.survival_gap, closed.gap_bound) == (0, 0)
    data = saved(result)
    assert verified(data).not_recomputed == ("bound",)
    assert verified(data, "proof").ok
    # The plan that closes it costs more than the other with its gap, so that its cost is not proven at the price.
    dear = saved(closed) | {"data": data["data"], "gap_bound": None}
    assert verified(sealed(dear)).ok
    assert is_found(sealed(dear), "proof")


@pytest.mark.parametrize("gap_price", [[], ["policy.gap_price=0.5"]])
def test_a_gap_with_a_price_may_cost_as_much_as_closing_it(gap_price: list[str]) -> None:
    # A tonne for 2027 costs 65,000, and 5,000 at the end of 2026 and of 2027: as much as the gap that it closes.
    changes = ["horizon.end=2027", "shocks.embargo={start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}"]
    changes += ["demands.motors.survival=0.3", "demands.motors.shortage_cost=75k"]
    result = so.solve(so.load(TINY, [*changes, *gap_price]))
    assert result.survival_gap == pytest.approx(30 * 75e3 if gap_price else 0)
    known = {"data": saved(so.solve(so.load(TINY, [*changes, "policy.gap_price=1"])))["data"], "gap_bound": None}
    assert verified(sealed(saved(result) | known), "proof").report.disagreements == []


def test_a_gap_with_a_price_may_have_a_bound_in_files_that_were_written_before() -> None:
    data = saved(so.solve(so.load(TINY, ["demands.motors.shortage_cost=70k", "policy.gap_price=1"])))
    before = sealed(data | {"gap_bound": data["survival_gap"]})
    for extent in get_args(Extent):
        assert verified(before, extent).ok
    # Without a price there has to be one.
    del before["data"]["policy"]["gap_price"]
    assert verified(sealed(before)).ok
    assert is_found(sealed(before | {"gap_bound": None}))


def test_a_result_of_another_budget_or_scenario_is_named_where_it_disagrees() -> None:
    instance = so.load(TINY, ["policy.budget=3M", "scenarios={high: {demands.motors.quantity: 160}}"])
    cure = "compare it with the instance that was solved, `read(result.data)`"
    for result, other in [
        (so.solve(instance, "20M"), "policy"),
        (so.solve(instance, "20M", scenario="high"), "demands, policy"),
    ]:
        for given in (result, so.Result.from_dict(result.to_dict())):
            said = so.verify(instance, given).disagreements
            assert said[0] == f"instance: the result is of one that differs in {other}; {cure}"
            assert len(said) > 1
            assert so.verify(so.read(given.data), given).ok
    # A smaller plan agrees with a larger budget, and no sentence stands there.
    assert so.verify(instance, so.solve(instance, "1M")).ok


def test_the_distance_of_a_gap_with_a_price_is_that_of_cost_and_gap_together() -> None:
    # 372,000 of 37.2M, and 4.2M for the gap.
    data = saved(so.solve(so.load(TINY, ["demands.motors.shortage_cost=70k", "policy.gap_price=1"])))
    nearly = data | {"bound": data["total_cost"] - 372_000, "mip_gap": 372_000 / 41.4e6}
    assert verified(sealed(nearly)).ok
    assert is_found(sealed(nearly | {"mip_gap": 0.01}))
    assert verified(sealed(nearly | {"mip_gap": 0.01, "gap_bound": data["survival_gap"]})).ok
    assert relative_distance(90.0, 89.0, 10.0, None, priced=10.0) == pytest.approx(0.01)
    assert relative_distance(90.0, None, 10.0, None, priced=10.0) is None


def test_verify_prints_what_it_leaves_out(plans: dict[str, Data], tmp_path: Path) -> None:
    path = written(plans["many"], tmp_path)
    done = run("verify", path)
    assert done.exit_code == 0
    assert "36 shocks without flows in the file: solved again with the plan fixed." in done.stdout
    words = "Not recomputed: the lower bound of the cost, the lower bound of the gap (use --prove)."
    assert words in " ".join(done.stdout.split())
    assert f"Not evidence: {', '.join(NOT_EVIDENCE)}." in " ".join(done.stdout.split())
    done = run("verify", path, "--quick")
    said = " ".join(done.stdout.split())
    assert "Not recomputed: the do-nothing plan, the cost of the no-shock plan, what the no-shock plan buys," in said
    assert done.exit_code == 4
    assert "36 shocks without flows in the file: not recomputed." in done.stdout
    done = run("verify", path, "--prove", "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["not_evidence"] == dict(NOT_EVIDENCE)
    assert (said["ok"], said["lines_solved"], said["lines_not_recomputed"]) == (True, 36, 0)
    assert said["not_recomputed"] == []
    assert run("verify", path, "--quick", "--prove").exit_code == 2
    assert run("verify", written(plans["rich"], tmp_path), "--quick").exit_code == 0


def test_a_plan_of_another_file_is_named_with_each_value_that_differs(
    plans: dict[str, Data], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no option or shock depends on, the price of what nobody buys, passes every other check."""
    monkeypatch.setenv("COLUMNS", "300")
    file = tmp_path / "file.json"
    file.write_text(json.dumps(data := dict(plans["rich"]["data"])), encoding="utf-8")
    done = run("verify", plan := written(plans["rich"], tmp_path), "--quick", "--instance", file)
    assert done.exit_code == 0
    assert f"The plan is of the instance in {file}." in done.stdout
    file.write_text(json.dumps({**data, "name": "other", "discount_rate": 0.11}), encoding="utf-8")
    done = run("verify", plan, "--quick", "--instance", file)
    words = f"The plan is of another instance than {file}, in 1 value. "
    rate = data.get("discount_rate")
    assert words + f"discount_rate: {rate} in the plan, 0.11 in the file" in " ".join(done.stdout.split())
    assert done.exit_code == 1
    said = json.loads(run("verify", plan, "--quick", "--instance", file, "--json").stdout)
    assert (said["ok"], said["differences"]) == (True, [f"discount_rate: {rate} in the plan, 0.11 in the file"])


def test_verify_prints_what_it_leaves_out_where_the_arithmetic_disagrees(
    plans: dict[str, Data], tmp_path: Path
) -> None:
    done = run("verify", written(sealed(plans["many"] | {"worst_gap": 1.0}), tmp_path))
    said = " ".join(done.stdout.split())
    assert done.exit_code == 1
    assert "36 shocks without flows in the file: not recomputed. Not recomputed: the do-nothing plan, " in said


@pytest.mark.parametrize("place", ["costs", "no_shock"])
def test_a_part_of_the_cost_is_compared_by_its_own_size(place: str) -> None:
    # 20 USD are less than a millionth of the imports, 30M USD, and more than what a year of a plant costs, nothing.
    data = saved(so.solve(so.load(TINY)))
    costs = data["costs"] if place == "costs" else data["no_shock"]["costs"]
    assert (costs["operation"], costs["fixed opex"]) == (pytest.approx(30e6), 0)
    costs["fixed opex"] = 20.0
    assert is_found(sealed(data), "arithmetic")


def test_keys_that_no_plan_has_are_refused_with_their_paths(plans: dict[str, Data], tmp_path: Path) -> None:
    forged = copy.deepcopy(plans["rich"])
    forged["foo"] = forged["shocks"][0]["segments"]["motors"]["colour"] = 1
    del forged["lacks"]
    for command in ("verify", "show"):
        done = run(command, written(forged, tmp_path))
        assert done.exit_code == 3
        assert "unknown keys shocks.0.segments.motors.colour, foo; missing key lacks. Solve" in done.stderr


def test_a_key_that_stands_twice_is_refused(plans: dict[str, Data], tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plans["rich"]).replace('"outlay":', '"outlay": 0.0, "outlay":', 1), encoding="utf-8")
    done = run("verify", path)
    assert done.exit_code == 3
    assert 'the key "outlay" is given twice' in done.stderr


@pytest.mark.parametrize("name", ["margin", "currency", "bound", "outlays"])
def test_show_says_that_a_plan_was_changed(plans: dict[str, Data], tmp_path: Path, name: str) -> None:
    done = run("show", written(plans["rich"], tmp_path))
    assert done.exit_code == 0
    assert "changed" not in done.stdout + done.stderr
    forged = copy.deepcopy(plans["rich"])
    FORGED[name][1](forged)
    done = run("show", written(forged, tmp_path))
    assert done.exit_code == 1
    assert "do not rely on this plan. It was changed since it was solved" in " ".join(done.stdout.split())
    assert UNCHECKED in " ".join(done.stdout.split())
    done = run("show", written(forged, tmp_path), "--json")
    found = json.loads(done.stdout)
    assert "do not rely on this plan. It was changed since it was solved" in found["notes"][0]
    assert not found["audit"]["ok"]
    assert found["audit"]["disagreements"]


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_plan_that_lacks_a_figure_is_judged_in_json_too(tmp_path: Path, command: str) -> None:
    solved = saved(so.solve(so.load(TINY)))
    del solved["shocks"][0]["segments"]["motors"]
    done = run(command, written(solved, tmp_path), "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    audit = found["audit"] if command == "show" else found
    assert (audit["ok"], audit["worst"]) == (False, None)
    assert audit["disagreements"]


def test_the_digest_does_not_hang_on_how_numbers_are_written(plans: dict[str, Data]) -> None:
    whole = json.loads(
        json.dumps(plans["rich"]), parse_float=lambda text: int(float(text)) if text.endswith(".0") else float(text)
    )
    assert digest(whole) == digest(plans["rich"])
    assert verified(whole).ok
    reordered = dict(reversed(plans["rich"].items()))
    assert verified(reordered).ok


def test_files_of_the_format_before_have_no_digest() -> None:
    # A segment that goes short in every shock: its worst period is the same by the rules of both formats.
    new = saved(so.solve(so.load(TINY)))
    old = {key: value for key, value in new.items() if key not in FORMAT_OF_KEY} | {"format": 2}
    assert verified(old).ok
    with pytest.raises(so.PlanFileError, match="unknown keys no_shock, digest"):
        so.Result.from_dict(new | {"format": 2})
    with pytest.raises(so.PlanFileError, match="missing keys no_shock, digest"):
        so.Result.from_dict(old | {"format": 3})


def test_that_no_plan_exists_is_proven_or_said_to_be_left_out() -> None:
    # The mine must run at half and has nothing to run on.
    result = so.solve(
        so.read(
            {
                "horizon": {"start": 2026, "end": 2026, "step": "year"},
                "commodities": {"ore": {}, "tb": {}},
                "processes": {
                    "mine": {"input": {"ore": 1}, "output": {"tb": 1}, "capacity": 2, "min_utilisation": 0.5}
                },
                "demands": {"lamps": {"commodity": "tb", "quantity": 1, "shortage_cost": 9}},
            }
        )
    )
    data = saved(result)
    assert verified(data).not_recomputed == ("status", "clash")
    assert verified(data, "proof").not_recomputed == ("clash",)
    del data["data"]["processes"]["mine"]["min_utilisation"]
    assert verified(sealed(data)).ok
    said = verified(sealed(data), "proof").report.disagreements
    assert [row.split(":")[0] for row in said] == ["status"]
    data["outlay"] = 5.0
    assert is_found(sealed(data))


def test_a_search_that_was_stopped_with_its_proof_in_hand_is_proven() -> None:
    # The search gives up at once, with the plan and the bound that it would have ended with.
    instance = so.load(RICH)
    settings, clock = so.Settings(), Clock()
    with open_evaluator(instance, settings, None) as evaluator:
        found = solve_extensive_form(instance, settings, clock, lambda step: None)
        stopped = replace(found, status="stopped", notes=("Stopped.",))
        for solved, status in ((stopped, "survives"), (replace(stopped, bound=0.5 * found.objective), "stopped")):
            result = conclude(instance, settings, clock, Timer(), solved, evaluator)
            assert result.status == status
            assert ("Stopped." in result.notes) == (status == "stopped")
            assert verified(saved(result)).ok


def test_plans_nearly_as_good_have_the_bound_of_the_cheapest() -> None:
    found = so.alternatives(so.load(RICH.parents[3] / "instances" / "tiny.yaml"), 0.2, 2)
    assert found.plans
    for each in found.plans:
        assert each.result.bound == found.cheapest.bound
        assert verified(saved(each.result), "proof").report.disagreements == []


def test_every_part_that_may_be_left_out_has_words() -> None:
    keys = ("nothing", "calm_cost", "calm_builds", "bound", "gap_bound", "status", "clash", "adversary.worst")
    assert not set(keys) & set(map(part_words, keys))
    assert part_words("futures.result.nothing") == "the do-nothing plan in each future"
