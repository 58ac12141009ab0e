"""What the audit says of a plan with which it disagrees: the row, what the plan says, and what is found."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optimizer as so
from optimizer.audit import MOST_DISAGREEMENTS, AuditReport
from optimizer.audit.result import audit_futures, audit_result
from optimizer.results.plan import Build
from tests.conftest import LOOSE
from tests.faults import forging
from tests.test_audit import EXACT, RICH, SHORT, Change, build, figure, outcome, solved

Case = tuple[so.Instance, so.Result]
CASES = Path(__file__).parent / "cases" / "futures"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """All levers in quarters; a floor that fails; samples of which one may fail; an adversary."""
    texts = {"rich": RICH, "short": SHORT, "loose": LOOSE}
    found = {name: solved(tmp_path_factory.mktemp(name), text) for name, text in texts.items()}
    attacked = {"attacked": forging.rich(), "broken": forging.failing()}
    return found | {name: (so.read(result.data), result) for name, result in attacked.items()}


def said(case: Case, change: Change) -> list[str]:
    instance, result = case
    assert audit_result(instance, result).disagreements == []
    return audit_result(instance, change(result)).disagreements


def reversed_builds(result: so.Result) -> so.Result:
    return replace(result, plan=replace(result.plan, builds=result.plan.builds[::-1]))


def without_flows(result: so.Result) -> so.Result:
    return outcome("storm", lambda o: replace(o, flows=None))(result)


def with_region(region: str, part: float) -> Change:
    def change(result: so.Result) -> so.Result:
        first, *rest = result.shares["magnet"]
        named = replace(first, regions={**first.regions, region: part})
        return replace(result, shares={**result.shares, "magnet": (named, *rest)})

    return change


def faced(**update: Any) -> Change:
    """The adversary with something else in it; a function is given the old value."""

    def change(result: so.Result) -> so.Result:
        own = result.adversary
        assert own is not None
        values = {name: each(getattr(own, name)) if callable(each) else each for name, each in update.items()}
        return replace(result, adversary=replace(own, **values))

    return change


def opened_again(result: so.Result) -> so.Result:
    """The plant, which is opened once, a second time for nothing of its own size."""
    (first,) = [each for each in result.plan.builds if each.option == "plant"]
    second = replace(first, t=first.t + 4, year=first.year + 1, period="2027Q1", size=0.0)
    builds = [*result.plan.builds, second]
    return replace(result, plan=replace(result.plan, builds=tuple(builds)))


def reserve_of_builds(result: so.Result) -> so.Result:
    """A purchase by size of the stockpile, which is bought in tonnes by period."""
    extra = Build("reserve", "stockpile", 0, 2026, "2026Q1", 1.0, opened=False)
    return replace(result, plan=replace(result.plan, builds=(*result.plan.builds, extra)))


def named_flow(result: so.Result) -> so.Result:
    def renamed(o: so.Outcome) -> so.Outcome:
        assert o.flows is not None
        return replace(o, flows=replace(o.flows, rows={**o.flows.rows, ("imports", "stolen"): (0.0, 0.0, 0.0)}))

    return outcome("embargo", renamed)(result)


def short_flow(result: so.Result) -> so.Result:
    def shorter(o: so.Outcome) -> so.Outcome:
        assert o.flows is not None
        rows = {**o.flows.rows, ("imports", "activity"): o.flows["imports", "activity"][:2]}
        return replace(o, flows=replace(o.flows, rows=rows))

    return outcome("embargo", shorter)(result)


WORDS: dict[str, tuple[str, Change, str]] = {
    # What is bought. A plant is lumpy: it is opened once, and only after the line that it requires.
    "opened twice": ("rich", opened_again, "plant.once: the plan says 2, the audit finds at most 1 (times that it is"),
    "before what it requires": (
        "rich",
        build("plant", t=0, year=2026, period="2026Q1"),
        "plant.requires: it is opened before line",
    ),
    "beside what it excludes": (
        "rich",
        build("recycler", option="pit", kind="refining", opened=True),
        "line.excludes: it is opened beside pit",
    ),
    "between decision points": (
        "rich",
        build("motor", t=3, year=2026, period="2026Q4"),
        "motor.size.2026Q4: this period is no decision point",
    ),
    "year and period": (
        "rich",
        build("motor", t=4, year=2026, period="2026Q1"),
        "motor.size.2026Q1: the plan says 2026, 2026Q1, the audit finds 2027, 2027Q1 (its year and period)",
    ),
    "a stockpile by size": (
        "rich",
        reserve_of_builds,
        "reserve.size: the plan says 1, the audit finds 0 (builds of a stockpile)",
    ),
    "another order": ("rich", reversed_builds, "builds: they are out of order, or repeated"),
    # Flows.
    "a flow of nobody": ("rich", named_flow, "embargo/imports.stolen: no flow has that name"),
    "flows that end early": (
        "rich",
        short_flow,
        "embargo/imports.activity: the plan says 2, the audit finds 3 (periods)",
    ),
    "flows that are left out": (
        "rich",
        without_flows,
        "shocks: the plan says 1, the audit finds 2 (shocks with flows)",
    ),
    "unserved beside segments": (
        "rich",
        outcome("embargo", lambda o: replace(o, unserved={"all": 0.0})),
        "embargo.unserved: it repeats its segments",
    ),
    "unserved of nobody": (
        "rich",
        outcome("embargo", lambda o: replace(o, unserved={"lamps": 1.0})),
        "embargo.unserved: it names an unknown segment",
    ),
    "a region that makes nothing": (
        "rich",
        with_region("atlantis", 0.0),
        "magnet.dependence.2026: it names a region without production",
    ),
    # Status and bounds. The optimum is proven: MIP gap 0.
    "a plan that is none": (
        "rich",
        figure(status="none"),
        "status: the plan says none, the audit finds that there is a plan",
    ),
    "a proof without bounds": (
        "rich",
        figure(bound=None, gap_bound=None, mip_gap=None),
        'bound: the plan says none, none, none, the audit finds all three of a plan with status "survives" (bound, gap',
    ),
    "a given plan with bounds": (
        "short",
        figure(given="mine", bound=1.0, gap_bound=None, mip_gap=None),
        "bound: the plan says 1.0, none, none, the audit finds none of a plan that was given (bound, gap_bound, mip",
    ),
    "no figures of doing nothing": (
        "rich",
        figure(nothing=None),
        "nothing: the plan says no, the audit finds yes (whether there are figures of doing nothing)",
    ),
    # 400 t at 10 are 4,000: a bound of 3,000 leaves a quarter of the cost open.
    "the distance from the bound": (
        "short",
        figure(bound=3000.0, gap_bound=40_000.0, mip_gap=0.1),
        "mip_gap: the plan says 0.1, the audit finds 0.25, off by 0.15",
    ),
    # Samples that may fail: of four, three quarters have to be survived, and the third fails.
    "more excuses than there may be": (
        "loose",
        outcome("storms#00001", lambda o: replace(o, excused=True)),
        "ensembles.storms.survive: the plan says 2, the audit finds at most 1 (of 4 samples excused, 3 are required)",
    ),
    "an excuse that is not needed": (
        "loose",
        outcome("storms#00001", lambda o: replace(o, excused=True)),
        "storms#00001: it is excused, although it survives",
    ),
    "a shock that is excused": (
        "short",
        outcome("embargo", lambda o: replace(o, excused=True)),
        "survive: the plan says embargo, the audit finds none (excused, of which only samples may be)",
    ),
    "fewer failures that count than there can be": (
        "rich",
        lambda result: replace(result, nothing=replace(result.nothing, counted=result.nothing)),  # type: ignore[arg-type]
        "nothing.counted: no sample may fail",
    ),
    # The adversary.
    "an adversary of another instance": (
        "short",
        figure(adversary="attacked"),
        "adversary: the plan says yes, the audit",
    ),
    "an attack twice": (
        "broken",
        faced(attacks=lambda attacks: (*attacks, attacks[0])),
        "adversary.attacks: an attack is listed twice",
    ),
    "an attack budget": (
        "attacked",
        faced(attack_budget=20e6),
        "adversary.attack_budget: the plan says 20000000, the audit finds 10000000, off by 1e+07",
    ),
    "an attack that is dearer than the budget": (
        "attacked",
        faced(attacks=lambda attacks: (*attacks, "embargo2+sabotage@2028")),
        "adversary.embargo2+sabotage@2028: the adversary cannot afford this attack",
    ),
    "the worst attack": (
        "attacked",
        faced(worst="sabotage@2028"),
        "adversary.worst: the plan says sabotage@2028, the audit finds none",
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_disagreement_names_the_row_and_both_values(cases: dict[str, Case], name: str) -> None:
    case, change, wanted = WORDS[name]
    if name == "an adversary of another instance":
        change = figure(adversary=cases["attacked"][1].adversary)
    found = said(cases[case], change)
    assert any(each.startswith(wanted) for each in found), "\n".join([f"none says: {wanted}", *found])


def test_a_search_that_is_called_stopped_has_not_reached_what_was_required(cases: dict[str, Case]) -> None:
    instance, result = cases["rich"]
    reached = replace(result, status="stopped", settings={**result.settings, "gap": 0.02}, mip_gap=0.01)
    bound = result.total_cost * 0.99
    found = audit_result(instance, replace(reached, bound=bound)).disagreements
    assert "status: the plan says stopped, the audit finds a mip_gap of 0.01; 0.02 is required" in found
    # At 3 % it has not.
    open_ = replace(reached, mip_gap=0.03, bound=result.total_cost * 0.97)
    assert audit_result(instance, open_).disagreements == []


def test_a_gap_with_a_price_needs_a_bound_of_cost_and_gap_alone(tmp_path: Path) -> None:
    # 40 t short, each worth 1,000: the gap counts twice, 80,000, beside 4,000 for 400 t of imports, the least of both.
    instance, result = solved(tmp_path, SHORT.replace("{budget: 0}", "{budget: 0, gap_price: 2}"))
    assert (result.gap_bound, result.bound) == (None, pytest.approx(4000))
    found = audit_result(instance, replace(result, bound=None, mip_gap=None)).disagreements
    wanted = "bound: the plan says none, none, none, the audit finds bound and mip_gap (bound, gap_bound, mip_gap)"
    assert wanted in found
    # A bound that is 840 lower leaves a hundredth of 84,000 open.
    found = audit_result(instance, replace(result, bound=3160.0)).disagreements
    assert found == ["mip_gap: the plan says 0, the audit finds 0.01, off by 0.01 (1 of the largest term)"]


def test_a_rule_about_time_to_survive_needs_flows_that_show_it(cases: dict[str, Case]) -> None:
    # The rule holds from 2029 on: in 2029 and 2030.
    first = "min_time_to_survive_0@2029"
    found = said(cases["attacked"], figure(endured=lambda endured: {first: endured[first]}))
    assert "min_time_to_survive_0@2030: the flows that prove the rule are missing" in found


def test_lines_name_the_segments_that_are_due() -> None:
    result = forging.many()
    instance = so.read(result.data)
    assert audit_result(instance, result).disagreements == []
    line = next(each for each in result.shocks if each.flows is None and each.unserved)

    def changed(**update: Any) -> list[str]:
        return audit_result(instance, outcome(line.name, lambda o: replace(o, **update))(result)).disagreements

    assert f"{line.name}.segments: these are not the segments that it has to name" in changed(segments={})
    assert f"{line.name}.unserved: it names an unknown segment" in changed(unserved={"lamps": 0.0})
    # All of 120 t a year: more than the demand of its two segments together.
    found = changed(unserved=dict.fromkeys(line.unserved or {}, 1e3))
    assert any(each.startswith(f"{line.name}/") and ".unserved: 1000 exceeds " in each for each in found)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"total_cost": 1.0}, ["total_cost"]),
        ({"bound": 1.0, "lacks": {"lamps": None}}, ["bound", "lacks"]),
        ({"status": "stopped"}, ["clash"]),
        ({"status": "stopped", "clash": ()}, []),
    ],
)
def test_a_result_without_a_plan_states_nothing_of_one(
    tmp_path: Path, change: dict[str, Any], names: list[str]
) -> None:
    # The mine must run at half, and there is no ore.
    text = """
    horizon: {start: 2026, end: 2026, step: year}
    commodities: {ore: {}, tb: {}}
    processes: {mine: {input: {ore: 1}, output: {tb: 1}, capacity: 2, min_utilisation: 0.5}}
    demands: {lamps: {commodity: tb, quantity: 1, shortage_cost: 9}}
    """
    instance, result = solved(tmp_path, text)
    assert result.clash
    found = audit_result(instance, replace(result, **change)).disagreements
    assert found == [f"{name}: there is no plan, but a figure is stated" for name in names]


def test_a_result_of_futures_without_a_plan_states_nothing_of_one() -> None:
    # Nothing of the plant, the only way to keep the floor of "high", may be bought; what is bought has to be.
    rules = ["policy.force={plant: {2027: 5}}", "policy.budget=0"]
    instance = so.load(CASES / "hand_regret.yaml", rules)
    result = so.solve_futures(instance, settings=EXACT)
    assert (result.status, result.futures) == ("none", ())
    assert audit_futures(instance, result).disagreements == []
    found = audit_futures(instance, replace(result, expected_cost=1.0, mip_gap=0.0)).disagreements
    assert found == [f"{name}: there is no plan, but a figure is stated" for name in ("expected_cost", "mip_gap")]


# The report


def test_of_many_rows_that_disagree_alike_the_first_are_named_and_the_others_counted() -> None:
    report = AuditReport()
    count = MOST_DISAGREEMENTS + 5
    report.at_most(lambda i: f"row.{i}", np.full(count, 3.0), 2.0)
    assert (report.rows, len(report.disagreements)) == (count, MOST_DISAGREEMENTS + 1)
    assert report.disagreements[0] == "row.0: 3 exceeds 2, off by 1 (0.33 of the largest term)"
    last = f"row.{MOST_DISAGREEMENTS}: 3 exceeds 2, off by 1 (0.33 of the largest term); and 4 more rows like it"
    assert report.disagreements[-1] == last


@pytest.mark.parametrize(
    ("stated", "found", "words"),
    [
        (["a", "b"], ["b", "a"], "the plan says a, b, the audit finds b, a (where they differ)"),
        (["a", "b", "c"], ["a", "c", "b"], "the plan says b, c, the audit finds c, b (where they differ)"),
        ({"a", "b"}, {"b"}, "the plan says a, the audit finds none (where they differ)"),
        (list("abcdefgh"), [], "the plan says a, b, c, d, e, f and 2 more, the audit finds none (where they differ)"),
        (None, 2.0, "the plan says none, the audit finds 2.0"),
        (True, False, "the plan says yes, the audit finds no"),
    ],
)
def test_of_two_lists_only_what_differs_is_shown(stated: Any, found: Any, words: str) -> None:
    report = AuditReport()
    report.matches("row", stated, found)
    assert report.disagreements == [f"row: {words}"]


def test_what_is_no_number_agrees_with_nothing() -> None:
    report = AuditReport()
    report.equal("row", float("nan"), 1.0)
    assert report.disagreements == ["row: nan is not 1, off by nan (inf of the largest term)"]
    with pytest.raises(so.AuditError):
        report.require()
