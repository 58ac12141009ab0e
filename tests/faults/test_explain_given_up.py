"""What explain says where a what-if is given up: what is not known is not said, and the run is not complete."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.report.html.sections import section_of
from optimizer.report.tables.explain import ExplanationPrinter
from optimizer.solver import Clock, Settings
from optimizer.studies import explain as explain_aside
from optimizer.studies import what_if
from optimizer.studies.explain import repairs
from optimizer.studies.explain.what_ifs import TimedWhatIfs
from optimizer.studies.explanation import Deadline, PartValue, Repair
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from tests.conftest import Cell
from tests.test_cli import TINY
from tests.test_explain import HEAD
from tests.test_studies_on_pages import said_in

EXACT = Settings(mip_gap=0.0, accuracy=0.0, jobs=1)

# 50 t/yr of the friend's plant cost 500, 50 t in the reserve 1000; the budget is 600.
REPLACED = """
options:
  friend: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, cost: 40, max_size: 300, capex: 10}
  reserve: {kind: stockpile, commodity: magnet, price: 20, max_size: 100}
policy: {budget: 600}
"""


def rows(instance: so.Instance, explanation: so.Explanation) -> list[str]:
    """The lines that are printed of a plan that survives, spaces collapsed."""
    stream = StringIO()
    shown = ExplanationPrinter(instance, Console(file=stream, width=400, highlight=False, markup=False))
    for part in (*explanation.part_values, *explanation.deadlines):
        shown.show(part)
    shown.end(explanation)
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def stop(monkeypatch: pytest.MonkeyPatch, where: Callable[[WhatIfResult, str], WhatIfResult | None]) -> None:
    """Replace the answers of what-ifs, which are handed over with the names of their objectives."""
    solve = WhatIfSolver._solve

    def stopped(self: WhatIfSolver, instance: so.Instance, problem: object, *how: object) -> WhatIfResult:
        found = solve(self, instance, problem, *how)  # type: ignore[arg-type]
        return where(found, problem.name) or found  # type: ignore[attr-defined]

    monkeypatch.setattr(WhatIfSolver, "_solve", stopped)


def value_of(explanation: so.Explanation, of: str) -> PartValue:
    (value,) = (each for each in explanation.part_values if (each.kind, each.of) == ("lever", of))
    return value


def test_that_no_budget_is_enough_is_said_where_it_is_proven_alone(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the friend's plant it takes 1000: "at any budget" would be false.
    instance = cell(HEAD, REPLACED)
    value = value_of(so.explain(instance, settings=EXACT), "friend")
    assert (value.survives, value.is_money, value.needed) == (False, True, pytest.approx(1000))
    stop(monkeypatch, lambda found, name: WhatIfResult("stopped") if name == "least outlay without friend" else None)
    explanation = so.explain(instance, settings=EXACT)
    value = value_of(explanation, "friend")
    assert (value.survives, value.is_money, value.needed) == (False, None, None)
    said = "friend NO PLAN SURVIVES under this budget; it was stopped before it was known whether a larger one would do"
    assert said in rows(instance, explanation)
    assert {"is_money": None, "needed": None}.items() <= explanation.to_dict()["worths"][1].items()
    assert not explanation.is_complete
    assert rows(instance, explanation)[-1].endswith("Stopped before every what-if was solved.")
    frame = explanation.frames.worths
    assert frame.loc[("lever", "friend"), "is_money"] is None


def test_an_outlay_that_is_not_proven_to_be_the_least_is_not_called_so(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The search for the least outlay has a plan that survives for 1500 when it is given up.
    def given_up(found: WhatIfResult, name: str) -> WhatIfResult | None:
        is_asked = name == "least outlay without friend"
        return replace(found, status="stopped", value=1500.0, bound=0.0) if is_asked else None

    instance = cell(HEAD, REPLACED)
    stop(monkeypatch, given_up)
    explanation = so.explain(instance, settings=EXACT)
    value = value_of(explanation, "friend")
    assert (value.is_money, value.needed, explanation.is_complete) == (True, None, False)
    said = "under this budget; a larger one would do, and it was stopped before the least was known"
    assert f"friend NO PLAN SURVIVES {said}" in rows(instance, explanation)


def test_that_no_budget_is_enough_is_said_where_it_is_proven(cell: Cell) -> None:
    # The reserve holds 30 t at most, and 50 are needed: under a budget, and where there is none.
    small = REPLACED.replace("max_size: 100", "max_size: 30")
    for text in (small, small.replace("policy: {budget: 600}", "")):
        instance = cell(HEAD, text)
        explanation = so.explain(instance, settings=EXACT)
        assert (value_of(explanation, "friend").is_money, value_of(explanation, "friend").needed) == (False, None)
        assert "friend NO PLAN SURVIVES at any budget" in rows(instance, explanation)
        # The friend's plant has dates, the reserve none as planned; nothing was given up.
        assert explanation.is_complete


def test_no_option_is_called_dispensable_that_is_not_known_to_be(cell: Cell) -> None:
    # With 2000, the reserve can take the place of the friend's plant.
    explanation = so.explain(cell(HEAD, REPLACED.replace("600", "2000")), settings=EXACT)
    assert said_in(section_of(explanation)).startswith("No single option is indispensable; dearest to lose is friend")
    unknown = replace(explanation, part_values=(PartValue("lever", "friend", survives=None),))
    assert said_in(section_of(unknown)).startswith("No option is known to be indispensable")


def test_a_run_in_which_a_what_if_is_given_up_is_not_complete(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each has 1e-9 s, and the run as long as it takes.
    monkeypatch.setattr(explain_aside.what_ifs, "WHAT_IF_SECONDS", 1e-9)
    instance = cell(HEAD, REPLACED)
    survives = so.explain(instance, settings=EXACT)
    assert value_of(survives, "friend").survives is None
    assert not survives.is_complete
    assert "friend not known stopped before it was known" in rows(instance, survives)
    done = CliRunner().invoke(app, ["explain", TINY])
    assert done.exit_code == 5
    assert "Stopped before every what-if was solved." in " ".join(done.output.split())


def test_a_run_in_which_a_repair_is_given_up_is_not_complete(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    stop(monkeypatch, lambda found, name: WhatIfResult("stopped") if name == "cost of a what-if" else None)
    fails = so.explain(cell(HEAD, REPLACED), 400, settings=EXACT)
    assert {each.works for each in fails.repairs if each.kind == "demand"} == {None}
    assert (fails.reason, fails.is_complete, fails.to_dict()["complete"]) == (None, False, False)


def test_a_reason_whose_outlay_was_not_found_is_not_complete(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # 400 buys 40 of 50 t/yr of the friend's plant, which costs 500.
    asked = []

    def given_up(found: WhatIfResult, name: str) -> WhatIfResult | None:
        asked.extend([name] if name == "least outlay" else [])
        return WhatIfResult("stopped") if name == "least outlay" and len(asked) == 2 else None

    instance = cell(HEAD, REPLACED)
    whole = so.explain(instance, 400, settings=EXACT)
    assert whole.is_complete
    assert whole.reason is not None
    assert whole.reason.least_outlay == pytest.approx(500)
    stop(monkeypatch, given_up)
    explanation = so.explain(instance, 400, settings=EXACT)
    assert all(repair.is_known for repair in explanation.repairs)
    assert explanation.reason is not None
    assert (explanation.reason.least_outlay, explanation.is_complete) == (None, False)


def test_what_is_short_is_not_said_of_a_plan_that_was_not_found(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # The plan with the least gap is sought last, by its cost alone, for the conflict.
    ask = TimedWhatIfs.ask

    def given_up(self: TimedWhatIfs, words: str, *how: object, **more: object) -> WhatIfResult:
        found = ask(self, words, *how, **more)  # type: ignore[arg-type]
        return WhatIfResult("stopped") if words == "what is short" else found

    monkeypatch.setattr(TimedWhatIfs, "ask", given_up)
    explanation = so.explain(cell(HEAD, REPLACED), 400, settings=EXACT)
    assert (explanation.reason, explanation.is_complete) == (None, False)


def test_floors_that_were_not_tried_in_every_shock_are_not_called_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without any shock in the model the factor is 1; 5M buys 54.9 % of every floor. The run ends before that is tried.
    instance = so.load(TINY, ["policy.budget=5M"])
    with WhatIfSolver(instance, EXACT, Clock()) as solver:
        separate = what_if._ScalingSearch.separate

        def interrupted(self: what_if._ScalingSearch, found: what_if.Scaling) -> list[what_if.Violation]:
            solver.clock.interrupted = True
            return separate(self, found)

        monkeypatch.setattr(what_if._ScalingSearch, "separate", interrupted)
        (floors,) = repairs.scaled_floors(TimedWhatIfs(instance, solver), [])
    assert (floors.works, floors.amount, floors.is_known) == (None, None, False)


def test_the_cost_of_a_plan_that_was_found_for_its_outlay_is_not_called_the_least(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The plan of the least budget costs what it costs; its cheapest one is not found.
    stop(monkeypatch, lambda found, name: WhatIfResult("stopped") if name == "cost of a what-if" else None)
    explanation = so.explain(cell(HEAD, REPLACED), 400, settings=EXACT)
    (budget,) = (each for each in explanation.repairs if each.kind == "budget")
    assert (budget.amount, budget.is_proven) == (pytest.approx(500), False)


def test_a_latest_order_is_not_known_where_a_later_one_was_given_up(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ordered in 2028 the friend's plant makes 50 t in the embargo of 2028: whether that holds is given up.
    instance = cell(HEAD, REPLACED)
    (friend,) = so.explain(instance, settings=EXACT).deadlines
    assert friend.as_planned == "2028"
    ask = TimedWhatIfs.ask

    def given_up(self: TimedWhatIfs, words: str, *how: object, **more: object) -> WhatIfResult:
        found = ask(self, words, *how, **more)  # type: ignore[arg-type]
        return WhatIfResult("stopped") if words.endswith("all else as planned") else found

    monkeypatch.setattr(TimedWhatIfs, "ask", given_up)
    explanation = so.explain(instance, settings=EXACT)
    assert (explanation.deadlines[0].as_planned, explanation.is_complete) == (None, False)


def test_a_question_without_meaning_is_no_unknown_one(cell: Cell) -> None:
    # A stockpile has no date as planned, what can be left out no latest one; floors that rounding alone does not keep.
    instance = cell(HEAD, REPLACED)
    known = explain_aside._is_known
    assert known(instance, Deadline("reserve", "2026", anyhow="2027", can_be_left_out=False))
    assert known(instance, Deadline("friend", "2026", as_planned="2028", can_be_left_out=True))
    assert known(instance, Repair("floors", beyond=0.5, why="no plan was found that keeps the lower floors exactly"))
    assert known(instance, PartValue("shock", "embargo", survives=False))
    assert not known(instance, Deadline("friend", "2026", anyhow="2028", can_be_left_out=False))
    assert not known(instance, Deadline("friend", "2026", as_planned="2028", can_be_left_out=False))
    assert not known(instance, Repair("length", works=True, amount=12.0, cost=1.0, outlay=1.0))
    # A plan, and no bound of what it may cost at least.
    assert not known(instance, PartValue("shock", "embargo", survives=True, change=-1.0, high=-1.0))


def test_a_part_that_a_worker_left_out_makes_the_run_incomplete(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # A worker may find the time over a moment before the run does.
    monkeypatch.setattr(explain_aside, "_deadline", lambda *about: None)
    explanation = so.explain(cell(HEAD, REPLACED), settings=EXACT)
    assert (explanation.deadlines, explanation.is_complete) == ((), False)
