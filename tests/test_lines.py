"""Many shocks: what is kept of each, what a line says, and that the audit recomputes what is not kept.

120 t of imports serve 100 t of civil demand (floor 80) and 20 t of defence (floor 14). Shock k of 60 cuts k/240 of the
imports in 2027: k/2 t are missing. Going short costs 1000 a tonne and 5000: civil demand gives way first, down to its
floor (k <= 40), then defence (k <= 52), then the civil floor (k >= 53).
"""

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.audit.result import audit_result
from optimizer.report.tables.plan import margin_cell, plan_tables
from optimizer.report.tables.render import show
from optimizer.results.plan import MOST_DETAILED_SHOCKS, ManyFlows
from optimizer.solver import Clock
from optimizer.studies.conclusion import _attained_gaps
from optimizer.studies.outcomes import outcomes, survey
from optimizer.studies.verify import matching_flows

COUNT = 60


def instance(cut: float = 1 / 240) -> so.Instance:
    return so.read(
        {
            "name": "many",
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "discount_rate": 0.1,
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 120, "cost": 10}},
            "demands": {
                "civil": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000},
                "defence": {"commodity": "magnet", "quantity": 20, "survival": 0.7, "shortage_cost": 5000},
            },
            "shocks": {
                f"s{k}": {
                    "start": 2027,
                    "months": 12 if k % 2 else 24,
                    "probability": 0.01,
                    "cuts": [{"region": "rival", "severity": [k * cut, 0]}],
                }
                for k in range(COUNT)
            },
        }
    )


Case = tuple[so.Instance, so.Result, list[ManyFlows]]


def solved(problem: so.Instance) -> Case:
    evaluator = RecourseEvaluator(problem)
    responses = evaluator.operate_batches(plan_values(problem, do_nothing_plan(problem)), Clock(), {}, flows=True)
    return problem, so.solve(problem), evaluator.flows(responses)


@pytest.fixture(scope="module")
def failing() -> Case:
    return solved(instance())


@pytest.fixture(scope="module")
def calm() -> Case:
    # Half the cuts: at most 14.75 t are missing, and every floor holds.
    return solved(instance(1 / 480))


# What is kept


def test_the_worst_keep_their_flows_and_the_others_are_lines(failing: Case) -> None:
    _, result, _ = failing
    assert result.status == "gap"
    assert [outcome.name for outcome in result.shocks] == [f"s{k}" for k in range(COUNT)]
    assert [outcome.name for outcome in result.shocks if outcome.flows] == [f"s{k}" for k in range(36, 60)]
    assert all(len(outcome.segments) == 2 for outcome in result.shocks if outcome.flows)


def test_a_line_by_hand(failing: Case) -> None:
    # s30: 15 t of civil demand go short, 0.85 is served; 105 t at 10 and 15 t at 1000 in 2027; 1200 in 2028.
    _, result, _ = failing
    line = result.shocks[30]
    assert line.flows is None
    assert (line.survives, line.gap, line.first, line.last, line.probability) == (True, 0, "2027", "2028", 0.01)
    assert list(line.segments) == ["civil"]
    assert line.segments["civil"].worst_service == pytest.approx(0.85)
    assert line.segments["civil"].margin == pytest.approx(0.05)
    assert line.segments["civil"].shortage == pytest.approx(15)
    assert line.segments["civil"].worst_period == "2027"
    assert line.cost == pytest.approx((1050 + 15_000) / 1.1 + 1200 / 1.1**2)


def test_a_kept_shock_by_hand(failing: Case) -> None:
    # s59: 29.5 t are missing: 6 t of defence, 23.5 t of civil demand, 3.5 t of that below the floor. Only 2027.
    _, result, _ = failing
    last = result.shocks[59]
    assert last.gap == pytest.approx(3500)
    assert last.cost == pytest.approx((905 + 6 * 5000 + 23.5 * 1000) / 1.1)
    assert last.flows is not None
    assert last.flows.of("unserved") == {"civil": (pytest.approx(23.5),), "defence": (pytest.approx(6),)}
    assert last.flows.first == 1


def test_services_are_those_of_all_shocks(failing: Case) -> None:
    # s53 … s59 leave 0.5 … 3.5 t below the civil floor, 14 t in all.
    _, result, _ = failing
    civil, defence = result.services["civil"], result.services["defence"]
    assert (civil.worst_shock, civil.worst_period, civil.shocks_failed) == ("s59", "2027", 7)
    assert (civil.worst_service, civil.floor) == (pytest.approx(0.765), 0.8)
    assert civil.margin == pytest.approx(-0.035)
    assert (defence.worst_service, defence.shocks_failed) == (pytest.approx(0.7), 0)
    assert result.survival_gap == pytest.approx(14_000)
    assert result.nothing is not None
    assert (result.nothing.shocks_failed, result.nothing.worst_shock) == (7, "s59")
    assert result.nothing.below_floor == pytest.approx(14)


def test_the_smallest_margins_are_kept_where_none_fails(calm: Case) -> None:
    _, result, _ = calm
    assert result.survives
    assert [outcome.name for outcome in result.shocks if outcome.flows] == [f"s{k}" for k in range(36, 60)]
    assert result.services["civil"].worst_service == pytest.approx(1 - 59 / 400)


def test_shocks_that_the_model_holds_are_kept_first(calm: Case) -> None:
    problem, _, _ = calm
    evaluator = RecourseEvaluator(problem)
    responses = evaluator.operate_batches(plan_values(problem, do_nothing_plan(problem)), Clock(), {}, flows=True)
    surveyed, costs = survey(problem, evaluator, responses), evaluator.costs(responses)
    made = outcomes(problem, surveyed, costs, evaluator.flows(responses), ["s3", "s7"])
    assert [outcome.name for outcome in made if outcome.flows] == ["s3", "s7", *(f"s{k}" for k in range(38, 60))]


def test_a_line_names_every_segment_that_fails() -> None:
    # Everything is cut in all 60: both floors fail, by 80 t and by 14 t; the first 24 are as bad as any and are kept.
    data = instance().to_dict()
    for shock in data["shocks"].values():
        shock["cuts"][0]["severity"] = [1, 0]
    result = so.solve(so.read(data))
    assert [outcome.flows is not None for outcome in result.shocks] == [True] * 24 + [False] * 36
    assert [list(outcome.segments) for outcome in result.shocks] == [["civil", "defence"]] * 60
    assert result.shocks[40].gap == pytest.approx(80 * 1000 + 14 * 5000)
    assert {d: worst.shocks_failed for d, worst in result.services.items()} == {"civil": 60, "defence": 60}


# In the file


def test_a_plan_of_60_shocks_is_24_flows_and_short_lines(failing: Case, tmp_path: Path) -> None:
    problem, result, _ = failing
    result.save(tmp_path / "plan.json")
    again = so.Result.load(tmp_path / "plan.json")
    assert again.to_json() == result.to_json()
    assert audit_result(problem, again).require().ok
    data = json.loads((tmp_path / "plan.json").read_text())
    assert sum(shock["flows"] is not None for shock in data["shocks"]) == MOST_DETAILED_SHOCKS == 24
    lines = [shock for shock in data["shocks"] if shock["flows"] is None]
    assert len(lines) == COUNT - MOST_DETAILED_SHOCKS
    # 10,000 lines are to stay below 15 MB, with the instance beside them.
    assert max(len(json.dumps(line, indent=1)) for line in lines) < 1000
    assert data["services"]["civil"]["margin"] == pytest.approx(-0.035)
    assert data["format"] == 3


def test_frames_and_tables_cope_with_lines(failing: Case, calm: Case) -> None:
    _, result, _ = failing
    assert set(result.flows.index.get_level_values("path")) == {"baseline", *(f"s{k}" for k in range(36, 60))}
    # Each segment in each shock; of a line, what is served of a segment that it does not list is not known.
    assert len(result.survival) == 2 * COUNT
    assert result.survival["worst_service"].isna().sum() == COUNT - MOST_DETAILED_SHOCKS
    for case in (failing, calm):
        assert len(plan_tables(case[1], 100)) > 5


def test_the_screen_shows_each_segments_worst_where_there_are_lines(failing: Case) -> None:
    text = StringIO()
    show(plan_tables, failing[1], Console(file=text, width=100))
    worst = text.getvalue().split("Each segment's worst")[1]
    row = next(line for line in worst.splitlines() if line.startswith("civil"))
    assert row.split() == ["civil", "s59", "2027", "76.5/80", "−3.5", "7"]
    assert "–: no figure is stored; no floor" in text.getvalue()


def test_a_workbook_has_a_margin_wherever_one_follows(failing: Case) -> None:
    """All is served in s0, so that its unnamed segment is in full too; in s4, 98 of 100 t of civil demand are."""
    known = {each.name: each for each in failing[1].shocks}
    assert len(known["s0"].segments) == len(known["s4"].segments) == 1
    assert [margin_cell(known["s0"], d) for d in ("civil", "defence")] == ["full", "full"]
    assert margin_cell(known["s4"], "civil") == pytest.approx(0.18)
    assert margin_cell(known["s4"], "defence") is None


# The audit


def line(name: str, **update: Any) -> Callable[[so.Result], so.Result]:
    return lambda result: replace(
        result, shocks=tuple(replace(o, **update) if o.name == name else o for o in result.shocks)
    )


def segment(name: str, d: str = "civil", **update: Any) -> Callable[[so.Result], so.Result]:
    def change(result: so.Result) -> so.Result:
        (old,) = (o for o in result.shocks if o.name == name)
        segments = {**old.segments, d: replace(old.segments[d], **update)}
        return line(name, segments=segments)(result)

    return change


def weakest(d: str, **update: Any) -> Callable[[so.Result], so.Result]:
    return lambda result: replace(result, services={**result.services, d: replace(result.services[d], **update)})


# What a line and the totals allow to see, without flows.
ALONE: dict[str, tuple[Callable[[so.Result], so.Result], str]] = {
    "a line's gap": (line("s30", gap=5.0), "s30.gap"),
    "its verdict": (line("s30", survives=False), "s30: the plan says that it fails, the audit finds that it survives"),
    "its cost": (line("s30", cost=5.0), "total_cost"),
    "its first period": (line("s30", first="2026"), "s30: the plan says "),
    "its last period": (line("s30", last="2027"), "s30: the plan says "),
    "its probability": (line("s30", probability=0.02), "s30.probability"),
    "its floor": (segment("s30", floor=0.7), "s30/civil.floor"),
    "a period outside the window": (segment("s31", worst_period="2028"), "s31/civil.floor"),
    "a period of nowhere": (segment("s31", worst_period="when"), "s31/civil.floor"),
    "short without a gap": (segment("s30", below_floor=1.0), "s30/civil.gap"),
    "more below the floor than short": (segment("s30", below_floor=16.0), "s30/civil.below_floor"),
    "more short than asked": (segment("s31", shortage=101.0), "s31/civil.shortage"),
    "no margin without a failure": (segment("s30", worst_service=0.7), "s30/civil.margin"),
    "a failure without a shortfall": (segment("s30", first_failure="2027"), "s30/civil.first_failure"),
    "a segment's worst": (weakest("civil", worst_service=0.78), "services/civil.worst_service"),
    "its floor over all": (weakest("civil", floor=0.7), "services/civil.floor"),
    "its period over all": (weakest("civil", worst_period="2028"), "services/civil.floor"),
    "its shock over all": (weakest("civil", worst_shock="s58"), "services/civil.worst_service"),
    "a shock of nowhere": (weakest("civil", worst_shock="s99"), "services/civil: s99 is no shock"),
    "how often it fails": (weakest("civil", shocks_failed=6), "services/civil.shocks_failed"),
    "a segment that is missing": (lambda result: replace(result, services={}), "the plan does not fit its instance"),
}  # fmt: skip
# What only the flows tell.
WITH_FLOWS: dict[str, tuple[Callable[[so.Result], so.Result], str]] = {
    "a line's service": (segment("s30", worst_service=0.86), "s30/civil.margin"),
    "its shortage": (segment("s30", shortage=16.0), "s30/civil.shortage"),
    "its segment": (line("s30", segments={}), "s30.margin"),
    "its cost": (line("s30", cost=5.0), "s30.cost"),
    "its worst period": (segment("s30", worst_period="2028"), "s30/civil.worst_period"),
    "what it leaves unserved": (line("s30", unserved={"civil": 15.0, "defence": 1.0}), "s30/defence.unserved"),
}


@pytest.mark.parametrize("case", ["failing", "calm"])
def test_silent_with_and_without_flows(case: str, request: pytest.FixtureRequest) -> None:
    problem, result, many = request.getfixturevalue(case)
    alone, whole = audit_result(problem, result), audit_result(problem, result, many)
    assert alone.disagreements == whole.disagreements == []
    assert whole.rows > alone.rows
    assert whole.costs == pytest.approx(alone.costs)


@pytest.mark.parametrize("name", ALONE)
def test_loud_when_a_line_is_changed(failing: Case, name: str) -> None:
    problem, result, many = failing
    change, wanted = ALONE[name]
    for flows in ([], many):
        assert not audit_result(problem, change(result), flows).ok
    said = audit_result(problem, change(result)).disagreements
    assert any(row.startswith(wanted) for row in said), said


@pytest.mark.parametrize("name", WITH_FLOWS)
def test_loud_when_a_line_is_not_what_its_flows_say(failing: Case, name: str) -> None:
    problem, result, many = failing
    change, wanted = WITH_FLOWS[name]
    said = audit_result(problem, change(result), many).disagreements
    assert any(row.startswith(wanted) for row in said), said


def test_loud_when_one_number_of_a_shock_that_is_not_kept_is_changed(failing: Case) -> None:
    # The names of the rows and the words are those of a shock that is kept.
    problem, result, many = failing
    for flows in many:
        for i, name in enumerate(flows.names):
            if int(name[1:]) < 36 and i % 7 == 0:
                activity = flows["imports", "activity"].copy()
                activity[i, 0] += 0.01
                changed = [
                    replace(flows, rows={**flows.rows, ("imports", "activity"): activity}) if each is flows else each
                    for each in many
                ]
                said = audit_result(problem, result, changed).disagreements
                assert any(row.startswith(f"{name}/imports.limit.2027: ") for row in said), said
                assert any(row.startswith(f"{name}.cost: ") for row in said), said


def test_a_line_may_leave_unserved_what_its_own_floors_allow() -> None:
    # In every shock 72 to 75.5 t are missing: civil demand gives 60, down to its floor there of 0.4, defence the rest.
    # Lines name the civil floor, so that only the floor of 0.1 there bounds the 12 to 15.5 t; that of 0.7 allows 6.
    data = instance().to_dict()
    for k, shock in enumerate(data["shocks"].values()):
        cuts = [{"region": "rival", "severity": 0.6 + k / 2000}]
        shock |= {"months": 12, "cuts": cuts, "survival": {"civil": 0.4, "defence": 0.1}}
    problem = so.read(data)
    result = so.solve(problem)
    assert result.survives
    assert [line.unserved["defence"] for line in result.shocks if line.unserved and "defence" not in line.segments]
    assert audit_result(problem, result).disagreements == []


def having(flows: so.Flows, flow: str, rows: dict[str, tuple[float, ...]]) -> so.Flows:
    """The same flows with these rows of one name."""
    return replace(flows, rows={**flows.rows, **{(owner, flow): row for owner, row in rows.items()}})


def test_loud_when_flows_are_of_another_length_or_of_nobody(failing: Case) -> None:
    problem, result, many = failing
    short = [
        replace(flows, rows={**flows.rows, ("imports", "activity"): flows["imports", "activity"][:, :1]})
        for flows in many
    ]
    assert "flows do not have the length of their windows" in audit_result(problem, result, short).disagreements[-1]
    last = result.shocks[59]
    assert last.flows is not None
    for rows, wanted in (
        ({"imports": (1.0, 2.0)}, "s59/imports.activity: the plan says 2, the audit finds 1 (periods)"),
        ({"imports": last.flows["imports", "activity"], "pit": (1.0,)}, "s59/pit.activity: no flow has that name"),
    ):
        changed = line("s59", flows=having(last.flows, "activity", rows))(result)
        assert wanted in audit_result(problem, changed).disagreements


def test_a_gap_is_allowed_only_where_the_model_holds_the_shock(failing: Case) -> None:
    # The model holds s59 alone; what it leaves there says nothing of the others.
    problem, _, _ = failing
    last = problem.events[59]
    one = problem.replacing(shocks={"s59": last.spec})
    solved = solve_extensive_form(so.read(one.to_dict()), so.Settings(), Clock(), lambda step: None)
    assert solved.values is not None
    gap_limits = _attained_gaps(problem, solved, solved.values.tolist(), None)
    assert gap_limits["s59"] == pytest.approx(3500)
    assert not {event.name for event in problem.events[:59]} & set(gap_limits)
    kept = _attained_gaps(problem, replace(solved, gap=0.0, may_miss_floors=False), solved.values.tolist(), None)
    assert kept == dict.fromkeys((event.name for event in problem.events), 0.0)


def test_a_group_says_of_each_shock_what_it_says_of_it_alone(failing: Case) -> None:
    problem, result, _ = failing

    def worse(outcome: so.Outcome) -> so.Outcome:
        assert outcome.flows is not None
        rows = {d: tuple(t + 1 for t in row) for d, row in outcome.flows.of("unserved").items()}
        return replace(outcome, flows=having(outcome.flows, "unserved", rows))

    def with_worse(names: set[str]) -> list[str]:
        shocks = tuple(worse(outcome) if outcome.name in names else outcome for outcome in result.shocks)
        return audit_result(problem, replace(result, shocks=shocks)).disagreements

    def of(name: str, said: list[str]) -> list[str]:
        return [row for row in said if row.startswith((f"{name}/", f"{name}.", f"{name}:"))]

    names = {f"s{k}" for k in range(40, 50)}
    together = with_worse(names)
    for name in names:
        assert of(name, together) == of(name, with_worse({name})) != []


def test_many_rows_of_one_kind_are_counted(calm: Case) -> None:
    problem, result, _ = calm
    report = audit_result(problem, result)
    report.at_most(lambda s: f"row {s}", [2.0] * 300, 1.0)
    assert len(report.disagreements) == 101
    assert report.disagreements[0] == "row 0: 2 exceeds 1, off by 1 (0.5 of the largest term)"
    assert report.disagreements[-1].startswith("row 100: 2 exceeds 1")
    assert report.disagreements[-1].endswith("and 199 more rows like it")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_right(calm: Case, number: float) -> None:
    problem, result, _ = calm
    assert not audit_result(problem, replace(result, total_cost=number)).ok
    assert not audit_result(problem, replace(result, worst_gap=number)).ok


FIGURES: dict[str, tuple[dict[str, Any], str]] = {
    "distance from the bound": ({"mip_gap": 0.5}, "mip_gap"),
    "a distance that is missing": ({"mip_gap": None}, "mip_gap"),
    "price of survival": ({"price_of_survival": 5.0}, "price_of_survival"),
    "a price that is missing": ({"price_of_survival": None}, "price_of_survival"),
    "calm cost": ({"calm_cost": 5.0}, "price_of_survival"),
}
NOTHING: dict[str, tuple[dict[str, Any], str]] = {
    "a negative gap": ({"gap": -1.0}, "nothing.gap"),
    "a gap that its tonnes cannot make": ({"gap": 1e6}, "nothing.gap"),
    "a worst gap above the gap": ({"worst_gap": 2e4}, "nothing.worst_gap"),
    "a worst gap below the mean": ({"worst_gap": 1000.0}, "nothing.worst_gap"),
    "more failures than shocks": ({"shocks_failed": 61}, "nothing.shocks_failed"),
    "no failures": ({"shocks_failed": 0}, "nothing.shocks_failed"),
    "a worst shock of nowhere": ({"worst_shock": "s99"}, "nothing.worst_shock"),
}


@pytest.mark.parametrize("name", [*FIGURES, *NOTHING])
def test_loud_when_a_figure_does_not_follow_from_others(failing: Case, name: str) -> None:
    problem, result, _ = failing
    update, wanted = (FIGURES | NOTHING)[name]
    assert result.nothing is not None
    changed = (
        replace(result, **update) if name in FIGURES else replace(result, nothing=replace(result.nothing, **update))
    )
    assert any(row.startswith(wanted) for row in audit_result(problem, changed).disagreements)


# Plan files that somebody changed


def changed(result: so.Result, *place: Any, value: Any) -> dict[str, Any]:
    data = json.loads(result.to_json())
    part = data
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return data


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("total_cost",), "much"),
        (("total_cost",), None),
        (("shocks", 3, "gap"), "none"),
        (("shocks", 3, "segments"), []),
        (("shocks", 59, "flows", "unserved", "civil"), 3),
        (("shocks", 59, "flows", "first"), "2027Q1"),
        (("services", "civil", "floor"), {}),
        (("nothing",), 4),
        (("builds",), 3),
        (("stock",), [1]),
        (("dependence", "magnet"), 1),
        (("notes",), 3),
        (("status",), "well"),
        (("seconds",), "long"),
        (("format",), 1),
    ],
)
def test_a_plan_of_other_types_is_no_plan_file(failing: Case, place: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(so.PlanFileError, match="not a plan file"):
        so.Result.from_dict(changed(failing[1], *place, value=value))


def test_the_finding_names_the_place(failing: Case) -> None:
    with pytest.raises(so.PlanFileError, match=r"shocks\.3\.gap: Input should be a valid number"):
        so.Result.from_dict(changed(failing[1], "shocks", 3, "gap", value="none"))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(failing: Case, tmp_path: Path, number: str) -> None:
    text = json.dumps(changed(failing[1], "outlay", value="HERE")).replace('"HERE"', number)
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(so.PlanFileError, match="no finite number"):
        so.Result.load(tmp_path / "plan.json")


def test_flows_of_a_line_are_searched_with_what_the_plan_has_on_line_in_the_shock() -> None:
    # Ordered in 2026, 40 t/yr are on line in 2028, the year of the shock, and none before. No imports: 60 t go short.
    data = instance().to_dict() | {
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.4, "shortage_cost": 1000}},
        "options": {
            "plant": {"kind": "refining", "output": {"magnet": 1}, "cost": 20, "max_size": 90, "lead_time": 24},
        },
        "shocks": {"cut": {"start": 2028, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        "policy": {"force": {"plant": {2026: 40}}},
    }
    problem = so.read(data)
    result, evaluator = so.solve(problem), RecourseEvaluator(problem)
    plan = plan_values(problem, result.plan)
    flows = matching_flows(problem, evaluator, plan, result.shocks[0], result.services, Clock())
    assert flows is not None
    assert flows.rows["plant", "activity"].tolist() == [[pytest.approx(40)]]
    assert flows.rows["all", "unserved"].tolist() == [[pytest.approx(60)]]
