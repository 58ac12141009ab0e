"""The numbers of a report, worked by hand on the smallest instance, and the page that holds them."""

import io
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import optimizer as so
from optimizer.disruptions.shock import Cut
from optimizer.instance.edits import with_budget
from optimizer.io.load import comments_of
from optimizer.report.document import embed_json, page
from optimizer.report.figures.supply_chain import Atlas
from optimizer.report.html.book import book, tidy
from optimizer.report.narrative import dependence_words
from optimizer.report.provenance import fingerprint
from optimizer.report.tables.compare import grid_parts
from optimizer.report.tables.plan import dependence_table, survival_tables
from optimizer.report.tables.render import show
from optimizer.studies.compare import frontier
from optimizer.studies.comparison import BudgetPoint, Comparison, ComparisonColumn, Frontier, single_point

ROOT = Path(__file__).parent.parent
TINY = ROOT / "instances" / "tiny.yaml"


@pytest.fixture(scope="module")
def tiny() -> so.Instance:
    return so.load(TINY)


@pytest.fixture(scope="module")
def result(tiny: so.Instance) -> so.Result:
    return replace(so.solve(tiny, settings=so.Settings(mip_gap=0.0)), comments=comments_of(TINY))


@pytest.fixture(scope="module")
def data(tiny: so.Instance, result: so.Result) -> dict[str, Any]:
    return book(tiny, single_point(tiny, result), is_quick=True).to_dict()


def test_answer_comes_in_one_sentence(data: dict[str, Any]) -> None:
    (point,) = data["points"]
    # 20 t/yr of plant: 20 · 200k + 1M = 5M; 100 t of reserve at 65k: 6.5M.
    assert point["sentence"].startswith("With 1 project and 1 stockpile for 11.5M USD of outlay, every survival floor")
    assert point["kept"] == ["embargo (2027, 2029)"]
    assert point["failed"] == []
    assert point["dependent"] == "1 of 1 commodity (magnets)"


def test_answer_calls_shocks_what_the_file_calls_them(tiny: so.Instance) -> None:
    named = tiny.model_copy(
        update={"shocks": {"embargo": tiny.shocks["embargo"].model_copy(update={"name": "Cut-off"})}}
    )
    poor = with_budget(named, 0)
    point = book(poor, single_point(poor, so.solve(poor)), is_quick=True).to_dict()["points"][0]
    facts = dict(point["facts"])
    assert point["headline"] == "FAILS in 2 of 2 shocks"
    assert point["failed"] == ["Cut-off (2029, 2027)"]
    assert facts["Worst shock"].startswith("Cut-off · 2029 (2029 to 2030): ")
    assert "worst in Cut-off · 2029: a survival gap of 70M USD" in facts["Doing nothing"]
    assert "Total cost, with all supply" in facts


def test_a_cut_says_by_how_much_not_to_how_much() -> None:
    def said(severity: Any) -> str:
        return str(Cut.model_validate({"region": "rival", "severity": severity}))

    assert said(1) == "region rival"
    assert said(0.3) == "region rival by 30 %"
    assert said([1, 0.5]) == "region rival by 100 → 50 %"
    assert said([1, 1]) == "region rival"
    # The last one stays, so that a severity that comes again is named again.
    assert said([0.5, 1, 1, 0.5]) == "region rival by 50 → 100 → 50 %"


def test_moves_know_their_lead_time_and_their_money(data: dict[str, Any]) -> None:
    plant, reserve = data["points"][0]["moves"]
    # Decided in 2026, two years of lead time: on line in period 2, at full size from then on.
    assert (plant["t"], plant["first"], plant["on_line"], plant["steps"]) == (0, 2, "2028", [[2, 1]])
    assert (plant["paid"], plant["size_words"]) == (5e6, "20 t/yr")
    assert reserve["purchases"] == [60, 0, 40, 0, 0]
    assert reserve["paid"] == 100 * 65_000


def test_orders_that_are_not_named_are_summed(tiny: so.Instance, result: so.Result) -> None:
    """Four orders of 6.5M and four of 5M: the first six are named, and the other two are 10M."""
    own = book(tiny, single_point(tiny, result)).own
    build = replace(own, moves=own.moves * 4).to_dict(tiny, Atlas(tiny), None)["build"]
    assert len(build) == 7
    assert build[-1] == ["and 2 more decisions", "10M USD"]


def test_ramp_is_a_step_a_year(cell: Any) -> None:
    instance = cell(
        "horizon: {start: 2026, end: 2029, step: quarter}\ncommodities: {magnet: {}}\ndemands: {}",
        "options: {plant: {kind: refining, output: {magnet: 1}, max_size: 10, lead_time: 6, ramp: [0.4, 1]}}",
        "shocks: {}\npolicy: {force: {plant: {2026: 10}}}",
    )
    found = so.solve(instance)
    (move,) = book(instance, single_point(instance, found)).own.moves
    # Six months are two quarters; the first twelve months of work are quarters 2 to 5.
    assert (move.first, move.steps, move.forced) == (2, ((2, 0.4), (6, 1.0)), True)


def test_paths_behind_cells_are_those_of_the_flows(data: dict[str, Any], result: so.Result) -> None:
    (point,) = data["points"]
    strike, passing = data["strikes"][1], point["passings"][1]
    assert (strike["name"], strike["start"], strike["demand"], strike["floor"]) == (
        "embargo@2029", 3, {"motors": [100, 100]}, {"motors": [0.7, 0.7]},
    )  # fmt: skip
    assert result.shocks[1].flows is not None
    assert passing["short"]["motors"] == [pytest.approx(30), pytest.approx(30)]
    assert passing["segments"]["motors"] == [pytest.approx(0.7), 0.7, "2029", None, "70/70"]


def test_waterfalls_end_at_the_total_and_at_the_price_of_survival(data: dict[str, Any], result: so.Result) -> None:
    (point,) = data["points"]
    for steps, total in ((point["parts"], result.total_cost), (point["beyond"], result.price_of_survival)):
        assert steps[-1]["amount"] == pytest.approx(total)
        assert sum(step["amount"] for step in steps[:-1]) == pytest.approx(total)
        for before, step in itertools.pairwise(steps[:-1]):
            assert step["start"] == pytest.approx(before["start"] + before["amount"])


def test_dependence_has_every_year(data: dict[str, Any]) -> None:
    shares = data["points"][0]["shares"]["magnet"]
    assert [share["year"] for share in shares] == [2026, 2027, 2028, 2029, 2030]
    # The rival's magnets cost 60k, those of the plant 75k: in the baseline all are the rival's.
    assert all(share["regions"] == {"rival": 1} and share["hhi"] == 1 for share in shares)


def test_chains_start_at_the_maker_and_end_at_the_segment(data: dict[str, Any]) -> None:
    atlas, (start, end) = data["atlas"], data["points"][0]["chains"]["baseline"]
    assert (start["first"], end["first"]) == ("2026", "2030")
    ((source, target, commodity, tonnes, share),) = start["passages"]
    assert atlas["places"][source]["title"] == "magnets, rival"
    assert atlas["places"][target]["title"] == "motors"
    assert (atlas["commodities"][commodity], tonnes, share) == ("magnet", 100, 1)
    struck = data["points"][0]["chains"]["embargo@2029"][0]
    served = {atlas["places"][each[0]]["title"]: each[3] for each in struck["passages"]}
    # 20 t from the plant, 50 of the 100 t in store, 30 t below demand and at the floor of 70.
    assert served == {"magnets, home": 20, "from stock": 50, "NOT SERVED": 30}
    # Nobody has to run in this file, with or without a shock.
    assert atlas["idle_note"] == ""


def test_the_page_says_that_makers_may_stand_idle_in_a_shock_if_they_have_to_run_without(tiny: so.Instance) -> None:
    imports = tiny.processes["imports"].model_copy(update={"min_utilisation": 0.5})
    must_run = tiny.model_copy(update={"processes": {**tiny.processes, "imports": imports}})
    assert "no maker has to run" in Atlas(must_run).to_dict()["idle_note"]


def test_time_to_survive_stands_before_and_after(data: dict[str, Any]) -> None:
    assert "magnets, rival" in [line["name"] for line in data["chokepoints"]]
    before = {line["key"]: line["months"] for line in data["chokepoints"]}
    after = {line["key"]: line["months"] for line in data["points"][0]["after"]}
    # In 2030: 70 t asked, 20 made, 50 short a year; 100 t in store last for two years.
    assert before["stage:rival / magnet"][-1] == 0
    assert after["stage:rival / magnet"][-1] == pytest.approx(24)


def test_sources_come_from_comments_and_fields(cell: Any, tmp_path: Path) -> None:
    text = """# The head.
    #
    commodities: {magnet: {}}
    demands:
      motors:
        commodity: magnet
        quantity: 100     # assumption: a guess
        shortage_cost: 500k
        source: a statistical office
    horizon: {start: 2026, end: 2027, step: year}
    shocks: {}
    """
    text = re.sub(r"(?m)^    ", "", text)
    instance = cell(text)
    (tmp_path / "said.yaml").write_text(text)
    found = replace(
        so.solve(instance.model_copy()), comments=comments_of(tmp_path / "said.yaml"), data=instance.to_dict()
    )
    made = book(instance, single_point(instance, found))
    comment, source = made.sources
    assert made.head == "The head."
    place = {"section": "demands", "owner": "motors", "field": "quantity", "value": "100"}
    assert comment.items() >= (place | {"assumed": True, "before": "", "origin": "comment"}).items()
    assert source.items() >= {"text": "a statistical office", "origin": "source", "assumed": False}.items()


def test_source_and_note_of_the_whole_file_stand_at_its_head() -> None:
    instance = so.read({**so.load(TINY).to_dict(), "source": "an atlas", "note": "for a course"})
    made = book(instance, single_point(instance, so.solve(instance)))
    assert made.head == "an atlas\n\nfor a course"
    assert made.sources == []


def test_a_value_changed_for_the_run_is_said_to_be(cell: Any) -> None:
    instance = so.load(TINY, ["policy.budget=15M"])
    said = {"place": ["policy", "budget"], "value": "20M", "text": "as voted"}
    found = replace(so.solve(instance), comments=(said,))
    (source,) = book(instance, single_point(instance, found)).sources
    assert (source["value"], source["before"]) == ("15M", "20M")


def test_plan_file_keeps_its_comments_and_the_answer_does_not(result: so.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "plan.json")
    assert so.Result.load(tmp_path / "plan.json").comments == result.comments != ()
    assert "comments" not in result.to_dict(whole=False)


def test_fingerprint_is_of_the_data_not_of_their_order(result: so.Result) -> None:
    turned = dict(reversed(list(result.data.items())))
    assert fingerprint(turned) == fingerprint(result.data)
    assert fingerprint({**result.data, "home": "elsewhere"}) != fingerprint(result.data)


def test_numbers_are_plain_json() -> None:
    assert tidy({"a": (1.0, float("inf"), 0.123456789), 2030: True}) == {"a": [1, None, 0.1234568], "2030": True}


def test_data_cannot_end_their_element() -> None:
    assert "</script" not in embed_json({"name": "</script><b>"})
    assert json.loads(embed_json({"name": "</script>"})) == {"name": "</script>"}


def test_plans_of_other_budgets_are_embedded_once(tiny: so.Instance, result: so.Result) -> None:
    found = Frontier((BudgetPoint(20e6, result), BudgetPoint(None, result)), 0)
    first, second = book(tiny, found).to_dict()["points"]
    assert (second["budget"], second["same"]) == (None, 0)
    # Only what it says of its budget is its own.
    assert set(second) == {"budget", "same", "facts"}
    assert "no budget is set" in dict(second["facts"])["Outlay"]
    assert first["budget"] == 20e6


def test_frontier_never_gets_worse_with_money(tiny: so.Instance, result: so.Result) -> None:
    found = frontier(tiny, result)
    assert found.least_outlay == pytest.approx(result.outlay, rel=0.01) or found.least_outlay < result.outlay
    gaps = [point.result.survival_gap for point in found.points]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0 == gaps[-1]
    assert found.points[found.own].result is result
    for point in found.points:
        assert point.budget is None or point.result.outlay <= point.budget * (1 + 1e-9)


def test_chokepoints_that_end_a_floor_under_one_plan_of_the_slider_are_on_the_page() -> None:
    # Floors of 50 t, imports of 40 t. With nothing built floors fail whatever is cut, so that no cut ends them sooner;
    # with 15 t at home, for 60,000 USD, they hold, and fail at once without imports.
    instance = so.read(
        {
            "name": "exposed",
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "home": "home",
            "commodities": {"magnet": {}},
            "processes": {
                "imports": {"region": "rival", "stage": "magnet", "output": {"magnet": 1}, "capacity": 40, "cost": 20}
            },
            "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 1000}},
            "options": {
                "plant": {"kind": "refining", "output": {"magnet": 1}, "capex": 4000, "cost": 30, "max_size": 100}
            },
            "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
            "policy": {"budget": 0},
        }
    )
    data = book(instance, frontier(instance, so.solve(instance), [0, 60_000])).to_dict()
    nothing, some = (point for point in data["points"] if point["budget"] in (0, 60_000))
    assert nothing["shortest"] == []
    assert {each["key"]: each["months"][-1] for each in some["after"]}["process:imports"] == 0
    assert some["shortest"][0].startswith("magnet, rival: 0 months")
    assert data["shortest_head"].startswith(
        "If cut for good at the start of the year that is worst, from 2027 on, with"
    )
    assert {each["key"] for each in some["after"]} <= {each["key"] for each in data["chokepoints"]}


def test_page_is_whole_and_small(data: dict[str, Any]) -> None:
    text = page(data)
    assert len(text.encode()) < 6e6
    assert text.count('id="data"') == 1
    assert data["points"][0]["sentence"] in text
    assert "USD of 2025" in text
    # Nothing is fetched: no element has an address, and the page forbids itself all others.
    body = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["'](?!#)""", body)
    assert "default-src 'none'" in text


def test_a_plan_that_does_not_exist_has_a_page_too(cell: Any) -> None:
    instance = cell(
        "horizon: {start: 2026, end: 2026, step: year}\ncommodities: {magnet: {}}\ndemands: {}",
        "processes: {mine: {region: a, output: {magnet: 1}, capacity: 10, min_utilisation: 1}}",
        "shocks: {}\npolicy: {max_share: [{commodity: magnet, region: a, share: 0.5}]}",
    )
    found = so.solve(instance)
    assert found.status == "none"
    data = book(instance, single_point(instance, found), is_quick=True).to_dict()
    assert data["points"][0]["sentence"].startswith("No plan exists")
    assert data["points"][0]["sentence"] in page(data)


def test_a_report_too_large_leaves_out_what_other_budgets_hold_of_shocks(
    tiny: so.Instance, result: so.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(result, seconds={"total": 1.0})
    found = Frontier((BudgetPoint(1e6, other), BudgetPoint(20e6, result)), 1)
    monkeypatch.setattr("optimizer.report.html.book.MOST_CHARACTERS", 1)
    data = book(tiny, found).to_dict()
    poor, own = data["points"]
    assert data["frontier"]["trimmed"]
    assert list(poor["chains"]) == ["baseline"]
    assert not any(passing["kept"] for passing in poor["passings"])
    assert len(own["chains"]) == 3
    assert all(passing["kept"] for passing in own["passings"])
    # What the heat map shows stays.
    assert poor["passings"][1]["segments"] == own["passings"][1]["segments"]


def test_report_is_written_from_python(result: so.Result, tmp_path: Path) -> None:
    so.write_report(result, tmp_path / "one.html")
    so.write_report(result, tmp_path / "some.html", budgets=[0.0])
    one, some = (_data(tmp_path / name) for name in ("one.html", "some.html"))
    assert [point["budget"] for point in one["points"]] == [20e6]
    assert [point["budget"] for point in some["points"]] == [0, 20e6, None]
    assert one["warnings"] == []
    so.write_report(replace(result, total_cost=1.0), tmp_path / "doctored.html")
    assert "THE AUDIT DISAGREES" in _data(tmp_path / "doctored.html")["warnings"][0]


def _data(file: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', file.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_shocks_that_do_not_fit_on_the_screen_are_no_worse(tiny: so.Instance, result: so.Result) -> None:
    # 84 shocks, as bad as each other in pairs: 40 are shown, and the first that is not is as bad as the last that is.
    many = tuple(replace(each, name=f"{each.name[-4:]}-{i}") for i in range(42) for each in result.shocks)
    data = tiny.to_dict()
    shocks = {each.name: {**data["shocks"]["embargo"], "start": each.name[:4]} for each in many}
    screen = Console(width=80, record=True, file=io.StringIO())
    (shown,) = survival_tables(so.read({**data, "shocks": shocks}), replace(result, shocks=many), 80)
    screen.print(shown)
    text = screen.export_text()
    assert len(re.findall(r"✓ .*20(27|29)-", text)) == 40
    assert "44 more shocks are not shown: none of them is worse." in text


def test_what_is_made_at_home_is_no_dependence(tiny: so.Instance, result: so.Result) -> None:
    # All magnets are the rival's. Were the rival at home, nothing would come from abroad.
    def shown(instance: so.Instance) -> list[str]:
        screen = Console(width=80, record=True, file=io.StringIO())
        screen.print(dependence_table(instance, result, 80))
        compared = Comparison({"tiny": instance}, (ComparisonColumn("tiny", 1.0, result),), accuracy=0.0)
        show(grid_parts, compared, screen, apart=False)
        return [line for line in screen.export_text().splitlines() if "100 %" in line]

    there, at_home = shown(tiny), shown(tiny.model_copy(update={"home": "rival"}))
    assert ["! rival 100 %" in there[0], "100 % !" in there[1]] == [True, True]
    assert len(at_home) == 1
    assert "!" not in at_home[0]


def test_what_has_no_region_is_no_dependence(tiny: so.Instance, result: so.Result) -> None:
    """A recipe on the lines of several countries has no region; and a file without a home has nothing abroad."""
    (year, *_) = next(iter(result.shares.values()))
    parts = {"magnet": {"unnamed": 1.0}, "line": {"rival": 0.7, "unnamed": 0.3}}
    made = {commodity: (replace(year, regions=regions),) for commodity, regions in parts.items()}
    instance, recipes = tiny.model_copy(update={"home": None}), replace(result, shares=made)
    screen = Console(width=80, record=True, file=io.StringIO())
    screen.print(dependence_table(instance, recipes, 80))
    text = " ".join(screen.export_text().split())
    assert "! rival 70 %, region not stated 30 %" in text
    assert "! more than 65 % from one region. Left out, with no share from any region (--all lists them): 1." in text
    assert dependence_words(instance, recipes) == "1 of 2 commodities (line)"


def test_what_depends_on_one_region_is_first_and_what_is_made_at_home_on_demand(
    tiny: so.Instance, result: so.Result
) -> None:
    # All at home; 60 t of 100 t abroad, below the line of 65 %; all abroad.
    (year, *_) = next(iter(result.shares.values()))
    parts = {"oxide": {"home": 1.0}, "metal": {"rival": 0.6, "home": 0.4}, "magnet": {"rival": 1.0}}
    made = {commodity: (replace(year, regions=regions),) for commodity, regions in parts.items()}

    def shown(*, every: bool) -> str:
        screen = Console(width=80, record=True, file=io.StringIO())
        instance = tiny.model_copy(update={"home": "home"})
        screen.print(dependence_table(instance, replace(result, shares=made), 80, every=every))
        return " ".join(screen.export_text().split())

    few, all_ = shown(every=False), shown(every=True)
    assert few.index("magnet") < few.index("metal")
    assert "oxide" not in few
    assert "Left out, with no share from any region abroad (--all lists them): 1." in few
    assert all_.index("magnet") < all_.index("oxide") < all_.index("metal")
    assert "Left out" not in all_


def test_brief_and_facts_of_a_given_plan_say_which_rules_it_breaks(tiny: so.Instance) -> None:
    # 5M for a line and 60 t of store at 65k, 8.9M, under a budget of 5M; without a budget it breaks no rule.
    listed = {"name": "the list", "builds": {"plant": {2026: 20}}, "purchases": {"reserve": {2026: 40, 2027: 20}}}
    note = (
        "The plan breaks 1 rule of the file, not enforced here: policy.budget: the outlay is 8.9M USD, 3.9M USD above"
    )
    for budget, words in ((5e6, "; it breaks 1 rule"), (None, "")):
        (plan,) = so.evaluate(with_budget(tiny, budget), listed).plans
        page = book(plan.instance, single_point(plan.instance, plan.result)).to_dict()
        (point,) = page["points"]
        assert page["brief"]["verdict"] == point["headline"] == f"the list: FAILS in 2 of 2 shocks{words}"
        said = dict(point["facts"])
        assert said["Outlay"] == f"8.9M USD, undiscounted; {'it exceeds the budget' if words else 'no budget is set'}"
        assert (f"{note} the budget, 5M USD." in page["brief"]["notes"]) == bool(words)
        assert said.get("Rules broken") == (f"{note} the budget, 5M USD." if words else None)
    # A limit of each year is a budget too.
    yearly = so.load("instances/tiny.yaml", ["policy={annual_budget: 1M}"])
    (plan,) = so.evaluate(yearly, listed).plans
    (point,) = book(plan.instance, single_point(plan.instance, plan.result)).to_dict()["points"]
    assert dict(point["facts"])["Outlay"] == "8.9M USD, undiscounted; no total budget is set"
