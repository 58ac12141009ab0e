"""What fails is headed by the worst shock: one of them occurs at a time, so their sum comes second."""

from dataclasses import replace
from pathlib import Path

import pytest

import optimizer as so
from optimizer.instance.edits import with_budget
from optimizer.report.brief.survival_parts import worst_part
from optimizer.report.html.book import book
from optimizer.report.narrative import answer_sentence, facts, plan_headline, short_verdict
from optimizer.report.tables.compare import comparison_headline as of_comparison
from optimizer.studies.compare import compare
from optimizer.studies.comparison import single_point

TINY = Path(__file__).parent.parent.parent / "instances" / "tiny.yaml"


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return with_budget(so.load(TINY), 0)


@pytest.fixture(scope="module")
def result(instance: so.Instance) -> so.Result:
    return so.solve(instance)


def test_headline_names_the_worst_shock_and_its_gap_first(result: so.Result) -> None:
    # Floors of 30 % in 2027, 50 % in 2028 and 70 % from 2029: 80 t and 140 t below them, at 500k USD each.
    assert [outcome.gap for outcome in result.shocks] == [pytest.approx(40e6), pytest.approx(70e6)]
    assert plan_headline(result) == "FAILS in 2 of 2 shocks: embargo@2029, a survival gap of 70M USD; also embargo@2027"


def test_the_verdict_leaves_out_shocks_and_keeps_the_name_of_a_plan_that_was_given(result: so.Result) -> None:
    assert short_verdict(result) == "FAILS in 2 of 2 shocks"
    assert short_verdict(replace(result, given="the list: B")) == "the list: B: FAILS in 2 of 2 shocks"


def test_others_come_by_their_gaps(result: so.Result) -> None:
    first, second = result.shocks
    six = tuple(replace(first, name=f"s{i}", gap=i * 1e6) for i in range(1, 6))
    said = plan_headline(replace(result, shocks=(*six, second)))
    assert said == "FAILS in 6 of 6 shocks: embargo@2029, a survival gap of 70M USD; also s5, s4, s3 and 2 more"


def test_facts_begin_with_the_worst_shock(instance: so.Instance, result: so.Result) -> None:
    (label, worst), (second, summed), *_ = facts(instance, result)
    assert (label, second) == ("Worst shock", "Gap of all shocks")
    assert worst.startswith("embargo@2029 (2029 to 2030): a survival gap of 70M USD, 140 t below the floors")
    assert summed.startswith("110M USD summed over 2 shocks, each on its own: 220 t below the floors")


def test_doing_nothing_is_judged_by_its_worst_shock(instance: so.Instance, result: so.Result) -> None:
    said = dict(facts(instance, result))["Doing nothing"]
    assert said == "fails in 2 of 2 shocks, worst in embargo@2029: a survival gap of 70M USD"


def test_one_shock_is_no_sum() -> None:
    one = with_budget(so.load(TINY, ["shocks.embargo.start=2029"]), 0)
    found = so.solve(one)
    said = dict(facts(one, found))
    assert "survival floors fail in 1 of 1 shock in embargo" in answer_sentence(one, found)
    assert said["Worst shock"].startswith("embargo (2029 to 2030): a survival gap of 70M USD, 140 t below the floors")
    assert not any("summed" in text for text in said.values())
    assert said["Doing nothing"] == "fails in 1 of 1 shock, embargo: a survival gap of 70M USD, 140 t below the floors"


def test_page_sentence_and_notebook_too(instance: so.Instance, result: so.Result) -> None:
    assert (
        "the worst is embargo, from 2029, with a survival gap of 70M USD, where motors gets 0 % in 2029"
        in answer_sentence(instance, result)
    )
    point = book(instance, single_point(instance, result), is_quick=True).to_dict()["points"][0]
    # The page begins with costs: gaps are not money that is paid.
    assert [label for label, _ in point["facts"]][-2:] == ["Worst shock", "Gap of all shocks"]
    notebook = result._repr_html_()
    assert notebook.index("Worst shock") < notebook.index("Gap of all shocks")
    assert "worst gap 70M USD" in repr(result)


def test_the_notebook_calls_no_plan_the_cheapest_that_was_given(result: so.Result) -> None:
    without = replace(result, shocks=(), status="survives", survival_gap=0.0, worst_gap=0.0)
    assert "The cheapest plan; the instance has no shocks" in without._repr_html_()
    given = replace(without, given="the list")._repr_html_()
    assert "The plan as given; the instance has no shocks" in given
    assert "The cheapest plan" not in given


def test_the_notebook_has_the_names_of_the_file() -> None:
    named = so.load(TINY, ["demands.motors.name=Electric motors", "shocks.embargo.name=Full embargo"])
    page = so.solve(named, budget=0)._repr_html_()
    assert "Electric motors 0/70 %" in page
    assert "✗ Full embargo" in page
    assert "motors 0/70 %" not in page.replace("Electric motors", "")


def test_comparison_that_never_survives_names_the_worst_gap(instance: so.Instance) -> None:
    said = of_comparison(compare({"tiny": instance}, [0.0]))
    largest = "the largest survival gap of one shock is 70M USD"
    assert said == f"tiny: survives 0 of 2 shocks at best with a budget of 0 USD; {largest}."


def test_the_note_of_the_worst_shock_stands_beside_it(instance: so.Instance) -> None:
    """What the reader should know of a shock, such as an inference, would stay in the file unless printed there."""
    noted = with_budget(so.load(TINY, {"shocks.embargo.note": "That it lasts\ntwo years is inferred."}), 0)
    found = so.solve(noted)
    assert dict(facts(noted, found))["Worst shock"].endswith(" of 70 %. That it lasts two years is inferred.")
    part = worst_part(noted, found)
    assert part.sentences[-1] == "That it lasts two years is inferred."
    assert "inferred" not in str(dict(facts(instance, so.solve(instance))))
