"""The tree of futures: names, probabilities, instances, and which futures can be told apart when."""

import json
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance.document import document_of
from optimizer.instance.edits import FutureTree
from optimizer.instance.questions import RiskMeasure
from optimizer.instance.reading import check_document

# Two questions of 2029 and 2028; in "late" a third arises, of 2029: it stands after the first in the file, and before
# the second. Every second year is decided in quarters.
TEXT = """
horizon: {start: 2027, end: 2030, step: quarter}
home: here
commodities: {m: {}}
processes: {imports: {region: rival, output: {m: 1}, capacity: 10}}
demands: {d: {commodity: m, quantity: 10, shortage_cost: 1}}
options: {plant: {kind: refining, output: {m: 1}, capex: 60, max_size: 10, lead_time: 12}}
shocks: {cut: {start: 2030, months: 12, cuts: [{region: rival, severity: 1}]}}
futures:
  licences:
    from: 2029
    branches:
      tighten: {probability: 0.4, set: {processes.imports.capacity: {2027: 10, 2029: 3}, demands.d.quantity: 11}}
      ease: {probability: 0.6}
  heavies:
    from: 2028Q3
    branches:
      on_time: {}
      late:
        set: {options.plant.lead_time: 48, demands.d.quantity: 12}
        futures:
          repair: {from: 2029, branches: {slow: {set: {demands.d.quantity: 13}}, fast: {}, never: {}}}
"""


def read(text: str = TEXT, **more: Any) -> so.Instance:
    return so.read({**json.loads(json.dumps(_parse(text))), **more})


def _parse(text: str) -> dict[str, Any]:
    from optimizer.instance.document import parse

    return parse(text, "futures.yaml").data


def names(tree: FutureTree) -> list[str]:
    return [each.name for each in tree.futures]


def test_futures_are_named_by_their_branches_in_the_order_of_the_answers() -> None:
    # heavies is answered first; of the two questions of 2029 licences stands first in the file.
    tree = read().tree
    late = [f"late.{licences}.{repair}" for licences in ("tighten", "ease") for repair in ("slow", "fast", "never")]
    assert names(tree) == ["on_time.tighten", "on_time.ease", *late]
    assert [(a.question, a.branch, a.t) for a in tree.futures[2].answers] == [
        ("heavies", "late", 6),
        ("licences", "tighten", 8),
        ("repair", "slow", 8),
    ]


def test_probabilities_are_products_and_equal_where_none_is_given() -> None:
    tree = read().tree
    # 0.5 · 0.4, 0.5 · 0.6, then 0.5 · 0.4 / 3 and 0.5 · 0.6 / 3, thrice each.
    assert [each.probability for each in tree.futures] == pytest.approx([0.2, 0.3, *[0.2 / 3] * 3, *[0.1] * 3])
    assert not tree.are_probabilities_given


def test_a_future_is_the_file_with_what_its_branches_set_the_later_one_last() -> None:
    by_name = {each.name: each.instance for each in read().tree.futures}
    base = _parse(TEXT)
    del base["futures"]
    assert by_name["on_time.ease"] == so.read(base)
    plant = {**base["options"]["plant"], "lead_time": 48}
    imports = {**base["processes"]["imports"], "capacity": {2027: 10, 2029: 3}}

    def made(quantity: float, **more: Any) -> so.Instance:
        demands = {"d": {**base["demands"]["d"], "quantity": quantity}}
        return so.read({**base, "options": {"plant": plant}, "demands": demands, **more})

    assert by_name["late.ease.fast"] == made(12)
    # licences is answered after heavies, and its quantity holds; repair, which stands last, sets it once more.
    assert by_name["late.tighten.fast"] == made(11, processes={"imports": imports})
    assert by_name["late.tighten.slow"] == made(13, processes={"imports": imports})


def test_futures_in_which_the_same_is_set_share_their_instance() -> None:
    by_name = {each.name: each.instance for each in read().tree.futures}
    assert by_name["late.ease.fast"] is by_name["late.ease.never"]
    assert len({id(instance) for instance in by_name.values()}) == 6


def test_futures_are_told_apart_from_the_first_answer_in_which_they_differ() -> None:
    tree = read().tree
    assert [tree.node(i, 5) for i in range(8)] == [0] * 8
    assert [tree.node(i, 6) for i in range(8)] == [0, 0, 2, 2, 2, 2, 2, 2]
    assert [tree.node(i, 7) for i in range(8)] == [0, 0, 2, 2, 2, 2, 2, 2]
    assert [tree.node(i, 8) for i in range(8)] == list(range(8))


# hand_nested of the published cases: war (2028) asks for its duration in 2029; colour is asked of everybody in 2030.
NESTED = """
horizon: {start: 2027, end: 2030, step: year}
commodities: {m: {}}
demands: {d: {commodity: m, quantity: 10, shortage_cost: 1}}
futures:
  tension:
    from: 2028
    branches:
      war:
        probability: 0.5
        futures: {duration: {from: 2029, branches: {long: {probability: 0.5}, short: {probability: 0.5}}}}
      peace: {probability: 0.5}
  colour: {from: 2030, branches: {red: {}, blue: {}}}
"""


def test_a_nested_question_is_answered_among_the_others_of_its_way() -> None:
    # Three ways through tension and duration, 0.25, 0.25 and 0.5, each with two colours: six futures.
    tree = read(NESTED).tree
    assert {each.name: each.probability for each in tree.futures} == {
        "war.long.red": 0.125,
        "war.long.blue": 0.125,
        "war.short.red": 0.125,
        "war.short.blue": 0.125,
        "peace.red": 0.25,
        "peace.blue": 0.25,
    }
    assert [[tree.node(i, t) for i in range(6)] for t in range(4)] == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 4, 4],
        [0, 0, 2, 2, 4, 4],
        [0, 1, 2, 3, 4, 5],
    ]


def test_branches_set_no_value_of_an_option_that_is_left_out() -> None:
    left = so.without(read(), "plant")
    assert left.futures["heavies"].branches["late"].set == {"demands.d.quantity": 12}
    assert {future.instance.demands["d"].quantity.at(2029) for future in left.tree.futures} == {10, 11, 12, 13}


def test_an_instance_without_questions_is_its_own_future() -> None:
    data = _parse(TEXT)
    del data["futures"]
    instance = so.read(data)
    (only,) = instance.tree.futures
    assert (only.name, only.probability, only.answers) == ("", 1.0, ())
    assert only.instance is instance
    assert instance.tree.node(0, 3) == 0
    assert instance.tree.are_probabilities_given


def test_probabilities_of_a_single_branch_are_not_made_up() -> None:
    only = {"sure": {"from": 2028, "branches": {"yes": {"set": {"demands.d.quantity": 5}}}}}
    tree = read(futures=only).tree
    assert names(tree) == ["yes"]
    assert tree.futures[0].instance.demands["d"].quantity.at(2027) == 5
    assert tree.are_probabilities_given


def test_probabilities_are_given_where_every_branch_has_one() -> None:
    for yes, no in ((0.4, 0.6), (None, None)):
        branches = {"yes": {"probability": yes, "set": {"demands.d.quantity": 5}}, "no": {"probability": no}}
        tree = read(futures={"sure": {"from": 2028, "branches": branches}}).tree
        assert tree.are_probabilities_given == (yes is not None)


def test_futures_survive_every_way_of_copying_an_instance() -> None:
    instance = read()
    assert so.read(json.loads(json.dumps(instance.to_dict()))) == instance
    assert instance.fresh().futures == instance.futures
    cheaper = so.with_budget(instance, 5)
    assert {each.instance.policy.budget for each in cheaper.tree.futures} == {5.0}
    assert {each.instance.policy.budget for each in instance.tree.futures} == {None}


@pytest.mark.parametrize("form", [".xlsx", ".json", ".yaml"])
def test_futures_go_to_another_form_and_back(form: str, tmp_path: Path) -> None:
    from optimizer.io.load import convert_file, open_document, read_comments

    text = TEXT.replace("on_time: {}", "on_time: {set: {}, note: as planned}")
    text = text.replace("ease: {probability: 0.6}", "ease: {set: {policy.budget: 250M}, probability: 0.6}  # the rest")
    source, there, back = (tmp_path / f"{name}{end}" for name, end in (("a", ".yaml"), ("b", form), ("c", ".yaml")))
    source.write_text(text, encoding="utf-8")
    convert_file(source, there)
    convert_file(there, back)
    assert so.load(source) == so.load(there) == so.load(back)
    assert open_document(back).data["futures"] == open_document(source).data["futures"]
    kept = [comment.text for comment in read_comments(back)]
    assert kept == ([] if form == ".json" else ["the rest"])


def test_a_workbook_is_blamed_by_sheet_and_cell() -> None:
    from optimizer.io.workbook import dump_workbook, parse_workbook

    data = _parse(TEXT)
    data["futures"]["licences"]["branches"]["ease"]["probability"] = 0.5
    data["futures"]["licences"]["branches"]["tighten"]["set"]["demands.d.survival"] = 2
    document, _ = parse_workbook(dump_workbook(data), "book.xlsx")
    with pytest.raises(so.InstanceError) as error:
        check_document(document)
    assert [(each.cell, each.where) for each in error.value.findings] == [
        ("branches!B2", "futures.licences.branches"),
    ]
    data["futures"]["licences"]["branches"]["ease"]["probability"] = 0.6
    document, _ = parse_workbook(dump_workbook(data), "book.xlsx")
    with pytest.raises(so.InstanceError) as error:
        check_document(document)
    assert [(each.cell, each.where) for each in error.value.findings if each.severity == "error"] == [
        ("branch_sets!D4", "futures.licences.branches.tighten, demands.d.survival"),
    ]


@pytest.mark.parametrize(
    ("objective", "measure"),
    [
        ("expected", RiskMeasure()),
        ("worst", RiskMeasure("worst")),
        ("regret", RiskMeasure("regret")),
        ({"cvar": 0.9}, RiskMeasure("cvar", 0.9, 1.0)),
        ({"cvar": 0, "weight": 0.25}, RiskMeasure("cvar", 0.0, 0.25)),
    ],
)
def test_measures_go_there_and_back(objective: Any, measure: RiskMeasure) -> None:
    instance = read(policy={"objective": objective, "gap_price": "2k"})
    assert (instance.policy.objective, instance.policy.gap_price) == (measure, 2000.0)
    assert so.read(instance.to_dict()) == instance
    assert {each.instance.policy.objective for each in instance.tree.futures} == {measure}
    kept = instance.to_dict()["policy"].get("objective")
    assert kept == (None if objective == "expected" else objective)


def _many(questions: int, **more: Any) -> list[so.Finding]:
    asked = {
        f"q{i}": {"from": 2028, "branches": {"a": {}, "b": {"set": {"demands.d.shortage_cost": i + 1}}}}
        for i in range(questions)
    }
    with pytest.raises(so.InstanceError) as error:
        read(futures=asked, **more)
    return [finding for finding in error.value.findings if finding.severity == "error"]


def test_branches_may_set_texts_and_ranges_of_the_file_which_show_no_answer_early() -> None:
    sets = {"name": "other", "description": None, "note": "x", "regions": {"rival": {"name": "Rival"}}}
    capex = {"ranges.options.plant.capex": {"low": 50, "high": 70}}
    branches = {"a": {"set": sets}, "b": {"set": capex}, "c": {}}
    data = {**_parse(TEXT), "futures": {"q": {"from": 2029, "branches": branches}}}
    instance, warnings = check_document(document_of(data, "futures.yaml"))
    assert not warnings
    assert [future.instance.name for future in instance.tree.futures] == ["other", None, None]


def test_there_are_limits_to_futures_and_to_the_shocks_of_all() -> None:
    (found,) = _many(40)
    assert f"the questions make {2**40:,} futures, more than 1,000" in found.what
    drawn = {"months": 12, "count": 2000, "cuts": [{"region": "rival", "severity": 0.5}]}
    (found,) = _many(6, ensembles={"drawn": drawn})
    # Six questions, 64 futures, each with the listed shock and 2,000 samples.
    assert "64 futures of 2,001 shocks are more than 120,000 shocks" in found.what


def test_a_future_beyond_those_that_a_large_file_is_checked_for_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of two futures one is checked; the other has a shock of 2035, beyond the horizon.
    monkeypatch.setattr("optimizer.instance.reading.SCENARIO_VALUES", 0)
    late = {"b": {"set": {"shocks.cut.start": 2035}}}
    data = {**_parse(TEXT), "futures": {"q": {"from": 2029, "branches": {"a": {}, **late}}}}
    instance, (warning,) = check_document(document_of(data, "futures.yaml"))
    assert "only the first 1 of 2 futures are checked" in warning.what
    for make in (lambda: instance.tree, lambda: so.in_future(instance, "b")):
        with pytest.raises(so.InstanceError, match=r'future b: shocks\.cut\.start: the start "2035" is no period'):
            make()


def test_a_future_may_be_without_an_option_of_whole_units() -> None:
    """`max_size: 0` takes it away, though a unit is larger than that."""
    instance = so.read({
        "horizon": {"start": 2026, "end": 2028, "step": "year"},
        "home": "here",
        "commodities": {"m": {}},
        "processes": {"far": {"region": "rival", "output": {"m": 1}, "capacity": 200, "cost": 1}},
        "demands": {"d": {"commodity": "m", "quantity": 100, "survival": 0.8, "shortage_cost": 100}},
        "options": {
            "plant": {"kind": "refining", "output": {"m": 1}, "max_size": 100, "unit_size": 20, "capex": 10, "cost": 2},
            "other": {"kind": "refining", "output": {"m": 1}, "max_size": 100, "min_size": 20, "capex": 11, "cost": 2},
        },
        "shocks": {"ban": {"start": 2028, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        "futures": {"q": {"from": 2027, "branches": {
            "no_plant": {"set": {"options.plant.max_size": 0}}, "no_other": {"set": {"options.other.max_size": 0}}}}},
    })  # fmt: skip
    # Four units of the plant for 800, or 80 of the other for 880; three years of imports for 300.
    found = so.solve_futures(instance, settings=so.Settings(mip_gap=0.0))
    assert [each.result.total_cost for each in found.futures] == pytest.approx([1180, 1100])
