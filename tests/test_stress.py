"""A plan under stress: a case worked by hand, what failed first, which additions help, on any number of processes."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

import optimizer as so
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.cli.app import app
from optimizer.errors import InstanceError, PlanFileError
from optimizer.instance.edits import resample
from optimizer.levers import Stockpile
from optimizer.report.study_narrative import view_of
from optimizer.report.tables.render import page_table, show
from optimizer.report.tables.stress import cut_off_words, most_helpful, share_survived, stress_parts
from optimizer.results.plan import Build, Plan
from optimizer.solver import Clock
from optimizer.studies.outcomes import survey
from optimizer.studies.reinforcement import Addition, fills_reaching, with_addition
from optimizer.studies.stress import wilson

ROOT = Path(__file__).parent.parent
TINY = str(ROOT / "instances" / "tiny.yaml")


def data(**update: Any) -> dict[str, Any]:
    """100 t of magnets a year from a rival, at least 50 of them in a shock; a plant, and a reserve."""
    struck = {"region": "rival"}
    return {
        "horizon": {"start": 2026, "end": 2028, "step": "year"},
        "commodities": {"magnet": {"name": "magnets"}},
        "processes": {
            "imports": {"region": "rival", "stage": "making", "output": {"magnet": 1}, "capacity": 120, "cost": 1}
        },
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 1000}},
        "options": {
            "plant": {"kind": "refining", "region": "home", "stage": "making", "output": {"magnet": 1}, "capex": 10}
            | {"max_size": 80, "lead_time": 12},
            "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 5, "max_size": 100},
        },
        "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [struck | {"severity": 0.5}]}},
        "ensembles": {
            "trouble": {
                "count": 40,
                "start": 2027,
                "months": 12,
                "events": {
                    "ban": {"cuts": [struck | {"severity": 1}]},
                    "dip": {"weight": 3, "cuts": [struck | {"severity": 0.4}]},
                },
            }
        },
    } | update


def planned(instance: so.Instance, plan: Plan) -> so.Result:
    """A result with a plan of our own."""
    return replace(so.solve(instance), plan=plan)


def build(size: float, option: str = "plant", kind: str = "refining") -> Build:
    return Build(option, kind, 0, 2026, "2026", size)


@pytest.fixture(scope="module")
def by_hand() -> so.Result:
    return planned(so.read(data()), Plan((build(20),), {"reserve": (0, 0, 0)}, {"reserve": (0, 0, 0)}))


def test_a_case_by_hand(by_hand: so.Result) -> None:
    # The plant makes 20 t from 2027 on. A dip leaves 72 t of imports: 92 t, 50 are needed. A ban leaves the 20 t alone:
    # 30 t are missing, at 1000 each.
    found = so.stress(by_hand, samples=40, seed=1)
    bans = sum(event.entry == "trouble/ban" for event in resample(so.read(data()), 40, seed=1).events)
    assert 0 < bans < 40
    assert found.survived == 40 - bans
    assert found.interval == wilson(40 - bans, 40)
    assert found.expected_gap == pytest.approx(30_000 * bans / 40)
    assert found.worst_gap == pytest.approx(30_000)
    service = found.services["all"]
    assert (service.floor, service.p5, service.p95) == ((0.5, 0.5), pytest.approx(0.2), pytest.approx(0.92))
    assert service.mean == pytest.approx((0.2 * bans + 0.92 * (40 - bans)) / 40)
    assert service.below == pytest.approx(bans / 40)
    shares = {group.name: group.share for group in found.groups if group.by in ("event", "severity")}
    assert shares == {"trouble/ban": 0, "trouble/dip": 1, "40 %": 1, "100 %": 0}
    assert found.sampler == "1 ensemble drawn anew: trouble"


def test_samples_have_the_first_period_below_the_floor_by_hand() -> None:
    # Nothing is cut in 2027, the first year of each window, and everything in 2028.
    late = data()["ensembles"]["trouble"] | {"months": 24, "cuts": [{"region": "rival", "severity": [0, 1]}]}
    instance = so.read(data(ensembles={"late": {key: value for key, value in late.items() if key != "events"}}))
    found = so.stress(planned(instance, do_nothing_plan(instance)), samples=5, seed=1)
    rows = list(found.frames.frame("samples").rows())
    assert [(row["start"], row["first_failure"], row["service"]) for row in rows] == [("2027", "2028", 0)] * 5
    assert found.worst[0].period == "2028"


def test_half_a_percent_is_rounded_as_everywhere() -> None:
    half = {"count": 5, "start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 0.625}]}
    found = so.stress(
        planned(instance := so.read(data(ensembles={"half": half})), do_nothing_plan(instance)), samples=5
    )
    assert found.worst[0].strikes == ("cuts rival by 63 %",)
    assert [group.name for group in found.groups if group.by == "severity"] == ["63 %"]


def test_samples_that_the_plan_was_made_for_are_not_drawn_again() -> None:
    # `trouble` has seed 7 in the plan's instance, `floods` 8: with seed 7 `trouble` would be the plan's own 40 samples,
    # so it is drawn with 9. `floods` is drawn with 7, which is not its own; with seed 1 both are drawn with 1.
    trouble = data()["ensembles"]["trouble"]
    floods = {"count": 40, "seed": 8, "months": 12, "cuts": [{"region": "rival", "severity": {"uniform": [0, 1]}}]}
    instance = so.read(data(ensembles={"trouble": trouble | {"seed": 7}, "floods": floods}))
    result = planned(instance, do_nothing_plan(instance))
    own = [event.spec for event in instance.events if event.name.startswith("trouble")]
    found = so.stress(result, samples=80, seed=7)
    assert {name: spec.seed for name, spec in found.instance.ensembles.items()} == {"trouble": 9, "floods": 7}
    assert [event.spec for event in found.instance.events if event.name.startswith("trouble")] != own
    (note,) = (note for note in found.notes if "seed" in note)
    said = "Ensemble trouble is drawn with seed 9: those of seed 7 are the samples of the plan's own instance."
    assert note == said
    assert (found.seed, found.sampler) == (7, "2 ensembles drawn anew: trouble (seed 9), floods")
    other = so.stress(result, samples=80, seed=1)
    assert {spec.seed for spec in other.instance.ensembles.values()} == {1}
    assert not any("seed" in note for note in other.notes)


def test_what_failed_first_by_hand(by_hand: so.Result) -> None:
    broken = so.stress(by_hand, samples=40, seed=1).worst[0]
    assert (broken.first, broken.last, broken.gap) == ("2027", "2027", pytest.approx(30_000))
    assert broken.strikes == ("cuts rival by 100 %",)
    assert (broken.segment, broken.period) == ("all", "2027")
    assert (broken.service, broken.floor) == (pytest.approx(0.2), 0.5)
    assert (broken.short, broken.stage) == ("magnet", "making")
    assert set(broken.makers) <= {"imports", "plant"}


@pytest.mark.parametrize(
    ("severity", "months", "words"),
    [
        # Tightened again in the third year, and a step of two years told once; the window ends the profile.
        ([0.95, 0.3, 0.95], 36, "95, 30, then 95"),
        ([0.95, 0.3, 0.3], 36, "95, then 30"),
        ([0.95, 0.3, 0.95], 24, "95, then 30"),
        (1, 36, "100"),
    ],
)
def test_every_change_of_severity_in_the_window_is_told_with_names(severity: Any, months: int, words: str) -> None:
    cuts = [{"process": "imports", "severity": severity}]
    shock = {"start": 2026, "months": months, "cuts": cuts, "demand": {"all": 1.2}}
    processes = {"imports": data()["processes"]["imports"] | {"name": "imported magnets"}}
    demands = {"all": data()["demands"]["all"] | {"name": "motors"}}
    ensembles = {"sure": {"count": 1} | shock}
    instance = so.read(data(processes=processes, demands=demands, options={}, shocks={}, ensembles=ensembles))
    worst = so.stress(planned(instance, do_nothing_plan(instance)), samples=1).worst[0]
    assert worst.strikes == (f"cuts imported magnets by {words} %", "demand of motors ×1.2")


def test_windows_that_the_end_of_the_horizon_cuts_off_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    # 24 months from 2027 or 2028 on in a horizon that ends with 2028: those of 2028 have 12 months left.
    trouble = data()["ensembles"]["trouble"] | {"start": [2027, 2028], "months": 24}
    instance = so.read(data(ensembles={"trouble": trouble}))
    found = so.stress(planned(instance, do_nothing_plan(instance)), samples=40, seed=1)
    late = sum(event.periods.start == 2 for event in found.instance.events)
    assert 0 < late < 40
    assert (found.cut_off, found.to_dict()["cut_off"]) == (late, late)
    assert {group.name: group.samples for group in found.groups if group.by == "months"} == {
        "12": late,
        "24": 40 - late,
    }
    show(stress_parts, found)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"trouble; {late} of the 40 windows are cut off at the end of the horizon" in said
    assert f"Months: what is left of a window; {late} of the 40 windows are cut off" in said
    assert f"{late} of the 40 windows are cut off at the end of the horizon." in view_of(found).sentences(found)[0]
    assert [*cut_off_words(replace(found, cut_off=1))] == ["1 of the 40 windows is cut off at the end of the horizon"]
    show(stress_parts, so.stress(planned(so.read(data()), Plan()), samples=40, seed=1))
    assert "cut off" not in capsys.readouterr().out


def test_what_helps_most_is_said_by_shocks_and_by_the_gap(
    by_hand: so.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    # Of a gap of 1000 the first addition closes 4, with 5 of 10 shocks survived; the second 160, with 2.
    found = so.stress(by_hand, samples=40, seed=1)
    assert found.reinforcements is not None
    reserve, plant = found.reinforcements.additions
    first = replace(reserve, best=replace(reserve.best, survived=5, gap_removed=4.0))
    second = replace(plant, best=replace(plant.best, survived=2, gap_removed=160.0))
    counted = replace(found.reinforcements, failed=10, checked=10, gap=1000.0)
    made = replace(found, reinforcements=replace(counted, additions=(first, second)))
    assert most_helpful(made) == {"survived": first, "gap": second}
    show(stress_parts, made)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert (
        "5 of the 10 that the plan fails are survived then, 0.4 % of the gap is closed, for 150 USD more outlay" in said
    )
    assert (
        "2 of the 10 that the plan fails are survived then, 16 % of the gap is closed, for 300 USD more outlay" in said
    )
    assert said.index("Best by shocks reserve") < said.index("Best by gap plant")
    assert "Ordered by the samples then survived, then by the gap." in said
    assert "−0.4 %" in said
    third = view_of(made).sentences(made)[2]
    first_words = (
        "The best single addition tried, by the shocks then survived, is reserve, 30 t more in stock, 2026: 5 of the "
    )
    assert third.startswith(f"{first_words}10 that the plan fails are survived then")
    assert (
        "by the part of the gap that is closed, is plant, 30 t/yr more, 2026: 2 of the 10 that the plan fails" in third
    )
    # One that is the best by both is named once, and where none lets a shock be survived, the best by the gap alone.
    best = replace(first, best=replace(first.best, gap_removed=160.0))
    poor = replace(second, best=replace(second.best, survived=0))
    for some, helps in (((best, second), {"survived": best}), ((poor,), {"gap": poor}), ((), {})):
        assert most_helpful(replace(made, reinforcements=replace(counted, additions=some))) == helps


def test_an_addition_that_brings_nothing_is_not_named(capsys: pytest.CaptureFixture[str]) -> None:
    # The plant turns ore, which the rival alone mines, into magnets: in a ban it stands still, whatever its size. The
    # price of a magnet may still be called that of its capacity, of which there is none before any is bought.
    made = data(commodities={"ore": {}, "magnet": {}})
    made["processes"]["mine"] = {"region": "rival", "stage": "mine", "output": {"ore": 1}, "capacity": 100}
    made["options"] = {"plant": made["options"]["plant"] | {"input": {"ore": 1}}}
    found = so.stress(planned(so.read(made), Plan()), samples=40, seed=1)
    assert found.reinforcements is not None
    assert found.reinforcements.failed > 0
    assert (found.reinforcements.promising, found.reinforcements.additions) == (0, ())
    show(stress_parts, found)
    said = capsys.readouterr().out
    assert "No single addition is likely to help." in said
    assert "Best by" not in said


def test_additions_say_how_many_of_the_failed_samples_they_were_tried_on(
    by_hand: so.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 300 failed samples 10 were checked: neither 5 of "the 10", nor an outlay per shock of no samples."""
    found = so.stress(by_hand, samples=40, seed=1)
    assert found.reinforcements is not None
    (addition, *_) = found.reinforcements.additions
    some = (replace(addition, best=replace(addition.best, survived=5)),)
    made = replace(found, reinforcements=replace(found.reinforcements, failed=300, checked=10, additions=some))
    show(stress_parts, made)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for text in (said, view_of(made).sentences(made)[2]):
        assert "5 of the 10 checked, of 300 that the plan fails, are survived then" in text
    table = page_table(made.instance, made.frames.frame("reinforcements"))
    head = [each.removeprefix(">").partition(", USD")[0] for each in table["head"]]
    assert {"Survived of 10", "Gap closed, sum of 10", "Outlay per shock of 10"} < set(head)
    for text in (said, table["caption"]):
        assert "Checked on 10 of the 300 samples that the plan fails, evenly spread." in text
        assert "outlay divided by the shocks then survived; it falls with the number of samples" in text


def test_reinforcements_by_hand(by_hand: so.Result) -> None:
    # Every ban lacks 30 t. Slopes suggest 60 t of either, tried as 15, 30 and 60: 30 close all. In store that is 150,
    # as a plant decided in time, in 2026, 300.
    reinforcements = so.stress(by_hand, samples=40, seed=1).reinforcements
    assert reinforcements is not None
    assert (reinforcements.failed, reinforcements.checked) == (reinforcements.failed, reinforcements.failed)
    reserve, plant = reinforcements.additions
    assert (reserve.option, reserve.period) == ("reserve", "2026")
    assert [trial.size for trial in reserve.trials] == pytest.approx([15, 30, 60])
    assert [trial.survived for trial in reserve.trials] == [0, reinforcements.failed, reinforcements.failed]
    assert (reserve.best.size, reserve.best.outlay) == (pytest.approx(30), pytest.approx(150))
    assert reserve.best.gap_removed == pytest.approx(30_000 * reinforcements.failed)
    assert reserve.trials[0].gap_removed == pytest.approx(15_000 * reinforcements.failed)
    assert (plant.option, plant.period, plant.best.outlay) == ("plant", "2026", pytest.approx(300))
    assert plant.best.per_survived == pytest.approx(300 / reinforcements.failed)


def test_outlay_of_a_reinforcement_is_the_part_of_the_budget() -> None:
    # As above, but each t bought makes all of them 1 % dearer: 10 t are held at 5 * 1.1, 40 t then at 5 * 1.4. Half of
    # the difference, and a third of the plant's 300, is the budget's.
    options = data()["options"]
    options["plant"] |= {"budget_share": 1 / 3, "support": 2}
    options["reserve"] |= {"fill_rate": 100, "budget_share": 0.5, "price_response": {"elasticity": 1, "reference": 100}}
    instance = so.read(data(options=options))
    held = replace(do_nothing_plan(instance), fills={"reserve": (10.0, 0.0)}, stocks={"reserve": (10.0, 10.0)})
    outlays = [
        with_addition(instance, held, Addition(option, 0, 80.0, np.ones(1)), 30.0)[1] for option in ("reserve", "plant")
    ]
    assert outlays == pytest.approx([0.5 * (40 * 5 * 1.4 - 10 * 5 * 1.1), 100])


def test_a_reinforcement_adds_to_what_is_bought_then_and_leaves_other_builds_as_they_are() -> None:
    instance = so.read(data())
    plan = replace(do_nothing_plan(instance), builds=(build(20), replace(build(5), t=1, year=2027, period="2027")))
    more, outlay = with_addition(instance, plan, Addition("plant", 1, 80.0, np.ones(1)), 30.0)
    assert [(each.period, each.size) for each in more.builds] == [("2026", 20), ("2027", 35)]
    assert outlay == pytest.approx(300)


def with_ore(capacity: float) -> so.Instance:
    """The plant runs at all of its capacity, for support of 2 a t; imports, which run at half of theirs, take ore."""
    base = data()
    base["commodities"]["ore"] = {}
    base["processes"]["imports"] |= {"input": {"ore": 0.3}, "min_utilisation": 0.5}
    base["processes"]["mine"] = {"region": "home", "stage": "mining", "output": {"ore": 1}, "capacity": capacity}
    base["options"]["plant"] |= {"input": {"ore": 1}, "min_utilisation": 1, "support": 2}
    del base["options"]["reserve"]
    return so.read(base)


def test_additions_that_cannot_run_in_the_baseline_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a shock 60 t of imports take 18 t of ore, in a ban none: of 50 t, 32 are left for the plant, or 50."""
    instance = with_ore(50)
    found = so.stress(planned(instance, Plan((build(20),), {}, {})), samples=40, seed=1)
    assert found.reinforcements is not None
    assert (found.reinforcements.additions, found.reinforcements.inoperable) == ((), ("plant",))
    show(stress_parts, found)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "with more of it the baseline cannot keep every min_utilisation: plant." in said


def test_an_addition_is_as_large_as_the_baseline_can_run_and_counts_its_price_support() -> None:
    """Of 70 t of ore the plant has 52: of 15, 30 and 60 t more it runs 15 and 30, in 2027 and 2028, for 2 a t."""
    instance = with_ore(70)
    found = so.stress(planned(instance, Plan((build(20),), {}, {})), samples=40, seed=1)
    assert found.reinforcements is not None
    (plant,) = found.reinforcements.additions
    assert [trial.size for trial in plant.trials] == pytest.approx([15, 30])
    assert plant.best.survived == found.reinforcements.failed
    assert [trial.outlay for trial in plant.trials] == pytest.approx([15 * (10 + 2 * 2), 30 * (10 + 2 * 2)])


def test_the_weakest_event_stands_beside_the_share(by_hand: so.Result, capsys: pytest.CaptureFixture[str]) -> None:
    found = so.stress(by_hand, samples=100, seed=1)
    bans = next(group.samples for group in found.groups if group.name == "trouble/ban")
    show(stress_parts, found)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f" %); of trouble/ban alone 0.0 % of {bans}" in said
    assert "of these samples, not the probability that the plan survives" in said


def test_variations_are_not_said_to_be_the_shock_that_they_vary(capsys: pytest.CaptureFixture[str]) -> None:
    # Bans of half a year to two years. 20 t of plant are no 50 t, so that no variation is survived that cuts more than
    # 75 % of 120 t of imports; the dip, of 10 %, always is.
    cut = {"region": "rival"}
    shocks = {
        "ban": {"name": "Ban, one year", "start": 2027, "months": 12, "cuts": [cut | {"severity": 1}]},
        "dip": {"name": "Dip", "start": 2027, "months": 12, "cuts": [cut | {"severity": 0.1}]},
    }
    result = planned(so.read(data(ensembles={}, shocks=shocks)), Plan((build(20),), {}, {}))
    found = so.stress(result, samples=100, seed=1)
    weak = next(group for group in found.groups if group.name == "varied/ban")
    assert 0 < found.share < 1
    show(stress_parts, found)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    survived = f"{100 * weak.share:.1f} % of {weak.samples}"
    assert f"; of variations of Ban, one year alone {survived}" in said
    assert "Event Ban, one year" in said
    assert "varied/" not in said
    sentences = view_of(found).sentences(found)
    assert ", in a variation of Ban, one year, " in sentences[1]


def test_an_event_of_few_samples_is_no_weak_spot(by_hand: so.Result, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 40 variations of 41 shocks an event has a few samples: that none of two is survived says nothing about it."""
    shocks = {f"ban{number}": data()["shocks"]["embargo"] for number in range(41)}
    found = so.stress(by_hand, so.read(data(ensembles={}, shocks=shocks)), samples=40, seed=1)
    assert min(group.share for group in found.groups if group.by == "event") < found.share < 1
    show(stress_parts, found)
    assert "alone" not in capsys.readouterr().out.split("Share survived")[0]


def test_lumpy_options_come_in_their_sizes_and_name_what_they_require() -> None:
    # Lines of 25 t, at least 50, opened for 1000; they require a licence that the plan does not open.
    options = data()["options"]
    options["plant"] |= {"unit_size": 25, "min_size": 50, "fixed_cost": 1000, "requires": "licence"}
    options["licence"] = {"kind": "partnership", "process": "imports", "max_size": 1, "fixed_cost": 7, "reliability": 0}
    instance = so.read(data(options=options))
    reinforcements = so.stress(planned(instance, do_nothing_plan(instance)), samples=40, seed=1).reinforcements
    assert reinforcements is not None
    (plant,) = (mend for mend in reinforcements.additions if mend.option == "plant")
    assert plant.also == ("licence",)
    assert [trial.size for trial in plant.trials] == [50, 75]
    assert plant.best.outlay == pytest.approx(1000 + 10 * 50 + 7)


def test_outlay_and_rank_of_an_addition_include_what_it_requires_by_hand(
    by_hand: so.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    # Every ban lacks 30 t: in store that is 30 * 12 = 360. A line of 30 t costs 30 * 10 = 300 in 2026, and requires a
    # permit, which requires a survey. The permit is 4 in size, 2 or more in units of 4: (4 * 5 + 20) / 2 = 20 of the
    # budget; the survey, opened at size 0, costs 50. 300 + 20 + 50 = 370.
    options = data()["options"]
    options["line"] = {**options["plant"], "min_size": 1, "requires": "permit"}
    options["plant"] |= {"max_size": 20}
    options["reserve"] |= {"price": 12}
    lumpy = {"kind": "partnership", "process": "imports", "max_size": 8, "reliability": 0}
    options["permit"] = {
        **lumpy, "capex": 5, "min_size": 2, "unit_size": 4, "fixed_cost": 20, "budget_share": 0.5, "requires": "survey"
    }  # fmt: skip
    options["survey"] = {**lumpy, "capex": 1, "fixed_cost": 50, "latest": 2026}
    found = so.stress(planned(so.read(data(options=options)), by_hand.plan), samples=40, seed=1)
    assert found.reinforcements is not None
    reserve, line = found.reinforcements.additions
    assert (reserve.option, line.option, line.period, line.also) == ("reserve", "line", "2026", ("permit", "survey"))
    assert [reserve.best.size, reserve.best.outlay] == pytest.approx([30, 360])
    assert [line.best.size, line.best.outlay] == pytest.approx([30, 370])
    assert line.best.survived == reserve.best.survived > 0
    show(stress_parts, found)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "line requires permit, survey at its least size, which is counted." in said


def test_an_option_whose_requirement_comes_too_late_is_no_addition(by_hand: so.Result) -> None:
    # A line for 2027 is decided in 2026, and its permit from 2027 on.
    options = data()["options"]
    options["line"] = {**options["plant"], "min_size": 1, "requires": "permit"}
    options["plant"] |= {"max_size": 20}
    options["permit"] = {"kind": "partnership", "process": "imports", "max_size": 8, "fixed_cost": 1, "reliability": 0}
    options["permit"] |= {"earliest": 2027}
    found = so.stress(planned(so.read(data(options=options)), by_hand.plan), samples=40, seed=1)
    assert found.reinforcements is not None
    assert [each.option for each in found.reinforcements.additions] == ["reserve"]


@pytest.mark.parametrize("name", ["line", "permit"])
def test_an_option_without_a_possible_size_is_neither_added_nor_opened(by_hand: so.Result, name: str) -> None:
    # Units of 12: 36 is below the least size of 40, and 48 above the largest, 40.
    options = data()["options"]
    options["line"] = {**options["plant"], "min_size": 1, "requires": "permit"}
    options["plant"] |= {"max_size": 20}
    options["permit"] = {"kind": "partnership", "process": "imports", "max_size": 40, "fixed_cost": 1, "reliability": 0}
    options[name] |= {"max_size": 40, "min_size": 40, "unit_size": 12}
    found = so.stress(planned(so.read(data(options=options)), by_hand.plan), samples=40, seed=1)
    assert found.reinforcements is not None
    assert [each.option for each in found.reinforcements.additions] == ["reserve"]


def test_a_broken_chain_is_traced_to_where_it_breaks() -> None:
    # Magnets are made at home, from oxide that the rival makes: what is short is oxide.
    processes = {
        "separation": {"region": "rival", "stage": "oxide", "output": {"oxide": 1}, "capacity": 150},
        "works": {"region": "home", "stage": "magnets", "input": {"oxide": 1.2}, "output": {"magnet": 1}}
        | {"capacity": 120},
    }
    instance = so.read(data(commodities={"oxide": {}, "magnet": {}}, processes=processes))
    broken = so.stress(planned(instance, do_nothing_plan(instance)), samples=40, seed=1).worst[0]
    assert (broken.short, broken.makers, broken.stage) == ("oxide", ("separation",), "oxide")


def test_wilson_is_the_interval_of_the_textbook() -> None:
    assert wilson(8, 10) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert wilson(10, 10) == (pytest.approx(0.7225, abs=1e-4), 1.0)


def test_only_a_share_of_all_samples_reads_so() -> None:
    shares = (0.0, 1e-4, 0.655, 0.99999, 1.0)
    assert [*map(share_survived, shares)] == ["0.0 %", "0.01 %", "65.5 %", ">99.9 %", "100.0 %"]


def test_stock_is_laid_in_late_within_rate_and_room_and_makes_good_what_is_lost() -> None:
    pile: dict[str, Any] = {"kind": "stockpile", "commodity": "magnet", "price": 5, "loss": 0.5, "fill_rate": 30}
    instance = so.read(data(options={"reserve": pile | {"max_size": 100}}))
    reserve = instance.options["reserve"]
    assert isinstance(reserve, Stockpile)
    # 40 t at the end of 2027: 30 bought in 2027, and 20 in 2026, of which half is left.
    assert fills_reaching(instance, reserve, (0, 0, 0), 1, 40.0) == ((20, 30, 0), pytest.approx(40))
    # 30 a year at most: 15 of 2026 are left, 45 in all.
    assert fills_reaching(instance, reserve, (0, 0, 0), 1, 99.0) == ((30, 30, 0), pytest.approx(45))
    # No room for 2027's 30 t beside 2026's, so they are not all bought then: 25 t are left of 50, and 25 fit.
    small = so.read(data(options={"reserve": pile | {"max_size": 50, "fill_rate": 50}}))
    reserve = small.options["reserve"]
    assert isinstance(reserve, Stockpile)
    assert fills_reaching(small, reserve, (0, 30, 0), 0, 99.0) == ((50, 25, 0), pytest.approx(50))
    free = so.read(data(options={"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 5}}))
    reserve = free.options["reserve"]
    assert isinstance(reserve, Stockpile)
    assert fills_reaching(free, reserve, (0, 0, 0), 1, float("inf"))[1] == float("inf")


def test_what_serves_most_has_the_least_gap_and_leaves_the_least_unserved() -> None:
    instance = resample(so.load(ROOT / "instances" / "us-magnets.yaml"), 60, seed=3)
    values = np.array(plan_values(instance, do_nothing_plan(instance)))
    evaluator = RecourseEvaluator(instance)
    everyone = np.ones(len(instance.events), dtype=bool)
    served = survey(instance, evaluator, evaluator.serve_most(values, Clock(), everyone))
    best = survey(instance, evaluator, evaluator.operate_batches(values, Clock(), {}))
    assert served.fails.any()
    assert served.gap.sum(axis=1) == pytest.approx(best.gap.sum(axis=1), rel=1e-6, abs=1.0)
    costs = np.array([demand.shortage_cost for demand in instance.demands.values()])
    assert (served.shortage @ costs <= (best.shortage @ costs) * (1 + 1e-6) + 1.0).all()


def test_the_same_seed_gives_the_same_answer_on_any_number_of_processes(by_hand: so.Result) -> None:
    one, two = (so.stress(by_hand, samples=300, seed=5, jobs=jobs).to_dict() for jobs in (1, 2))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    other = so.stress(by_hand, samples=300, seed=6).to_dict()
    assert other["survived"] != one["survived"] or other["worst"] != one["worst"]


def test_each_sample_has_its_weakest_segment_and_its_gap_by_hand(by_hand: so.Result) -> None:
    # A ban leaves 20 t of plant, a dip 72 t of imports beside them, of 100 t; a tonne below 50 t costs 1,000.
    rows = so.stress(by_hand, samples=40, seed=1).frames.frame("samples").rows()
    figures = ("survived", "gap", "worst_segment", "service", "floor", "first_failure")
    assert {row["event"]: tuple(row[name] for name in figures) for row in rows} == {
        "trouble/ban": (False, pytest.approx(30_000), "all", pytest.approx(0.2), 0.5, "2027"),
        "trouble/dip": (True, 0, "all", pytest.approx(0.92), 0.5, None),
    }


def test_samples_of_an_ensemble_share_its_probability_by_hand(by_hand: so.Result) -> None:
    trouble = data()["ensembles"]["trouble"] | {"probability": 0.5}
    found = so.stress(by_hand, so.read(data(ensembles={"trouble": trouble})), samples=20)
    assert list(found.frames.frame("samples")["probability"]) == pytest.approx([0.5 / 20] * 20)


def test_the_help_says_which_samples_all_lists() -> None:
    assert "List the ten worst samples." in " ".join(stressed("--help").stdout.split())


def test_without_ensembles_the_listed_shocks_are_varied(by_hand: so.Result) -> None:
    found = so.stress(by_hand, so.read(data(ensembles={})), samples=50)
    assert found.sampler.startswith("variations of the one entry under shocks")
    assert {group.name for group in found.groups if group.by == "event"} == {"varied/embargo"}
    again = {name: data()["shocks"]["embargo"] for name in ("embargo", "other")}
    both = so.stress(by_hand, so.read(data(ensembles={}, shocks=again)), samples=50)
    assert both.sampler.startswith("variations of the 2 entries under shocks, each with the same chance, because")
    # Drawn, not shared out: the two have different numbers of samples.
    assert len({group.samples for group in both.groups if group.by == "event"}) == 2
    with pytest.raises(InstanceError, match="neither a shock nor an ensemble"):
        so.stress(by_hand, so.read(data(ensembles={}, shocks={})))


@pytest.mark.parametrize(
    ("update", "words"),
    [
        ({"horizon": {"start": 2026, "end": 2029, "step": "year"}}, "its 4 periods run from 2026 to 2029"),
        ({"options": {}}, "there is no such option"),
        ({"plant": {"kind": "ally"}}, "it is of kind refining in the plan, and of kind ally here"),
        ({"plant": {"max_size": 10}}, "the plan buys 20, more than its 10"),
        ({"plant": {"earliest": 2027, "lead_time": 0}}, "the plan decides it in 2026"),
        ({"reserve": {"initial": 95}}, "the plan holds 105 t, more than its 100 t"),
        ({"reserve": {"earliest": 2027}}, "the plan fills it in 2026"),
    ],
)
def test_a_plan_that_cannot_stand_in_another_instance_is_refused(update: dict[str, Any], words: str) -> None:
    instance = so.read(data())
    result = planned(instance, Plan((build(20),), {"reserve": (10, 0, 0)}, {"reserve": (10, 10, 10)}))
    other = data()
    for name in ("plant", "reserve"):
        other["options"][name] |= update.pop(name, {})
    with pytest.raises(InstanceError, match=words):
        so.stress(result, so.read(other | update), samples=10)


def test_a_stockpile_of_which_nothing_is_bought_may_be_missing_in_another_instance() -> None:
    # The plan has a row for the reserve, all of it 0: it stands wherever the plant does.
    result = planned(so.read(data()), Plan((build(80),), {"reserve": (0, 0, 0)}, {"reserve": (0, 0, 0)}))
    other = data()
    del other["options"]["reserve"]
    assert so.stress(result, so.read(other), samples=10).survives


def test_rules_of_buying_are_notes() -> None:
    instance = so.read(data())
    result = planned(instance, Plan((build(20),), {"reserve": (10, 0, 0)}, {"reserve": (10, 10, 10)}))
    other = data(currency="EUR")
    other["options"]["plant"] |= {"unit_size": 15, "min_size": 30}
    other["options"]["reserve"] |= {"fill_rate": 5, "loss": 0.1}
    notes = " ".join(so.stress(result, so.read(other), samples=10).notes)
    for words in (
        "whole units of 15 t/yr",
        "less than min_size, 30 t/yr",
        "filled with 10 t/yr, fill_rate is 5 t/yr",
        "recomputed",
        "in EUR",
    ):
        assert words in notes


def test_no_plan_is_no_plan_to_stress() -> None:
    with pytest.raises(PlanFileError, match="no plan exists"):
        so.stress(replace(so.solve(so.read(data())), baseline=None, status="none"))


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("stress") / "plan.json"
    so.solve(so.load(TINY)).save(path)
    return str(path)


def stressed(*words: str) -> Any:
    return CliRunner().invoke(app, ["stress", *words], env={"COLUMNS": "80", "NO_COLOR": "1"})


def test_the_command_says_the_share_first_and_exits_with_4(plan_file: str) -> None:
    done = stressed(plan_file, "--samples", "200")
    assert done.exit_code == 4, done.output
    assert "SURVIVES 131 of 200 samples (65.5 %)" in done.stdout.splitlines()[1]
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "95 % interval 58.7 % to 71.7 % (Wilson)" in words
    assert "variations of the one entry under shocks" in words
    assert "not a new optimum" in words
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_plan_that_survives_every_sample_exits_with_0(plan_file: str) -> None:
    done = stressed(plan_file, "--samples", "30", "--instance", str(ROOT / "instances" / "calm.yaml"))
    assert done.exit_code == 3
    calm = Path(plan_file).with_name("calm.yaml")
    calm.write_text(Path(TINY).read_text().replace("severity: 1}", "severity: 0.1}"))
    done = stressed(plan_file, "--samples", "30", "--instance", str(calm))
    assert done.exit_code == 0, done.output
    assert "SURVIVES all 30 samples" in done.stdout


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (1, "SURVIVES the one sample"),
        (2, "the one that the plan fails is not survived then, 33 % of the gap is closed"),
        (5, "the one that the plan fails is survived then, 100 % of the gap is closed"),
    ],
)
def test_a_single_sample_is_the_one(plan_file: str, seed: int, words: str) -> None:
    done = stressed(plan_file, "--samples", "1", "--seed", str(seed))
    assert words in " ".join(done.stdout.replace("│", " ").split())


def test_a_status_of_gap_is_said_in_words(tmp_path: Path) -> None:
    done = stressed(TINY, "--budget", "1M", "--samples", "5")
    assert "The plan leaves a survival gap: see `diversify solve`." in done.stderr
    saved = str(tmp_path / "poor.json")
    so.solve(so.load(TINY), budget="1M").save(saved)
    said = " ".join(CliRunner().invoke(app, ["verify", saved, "--quick"]).stdout.split())
    assert said.endswith('is a plan of "tiny", and leaves a survival gap.')


def test_changes_are_made_to_the_instance_that_is_sampled(plan_file: str) -> None:
    # Each of the two instances may be meant where both are files.
    words = ("--samples", "50", "--instance", TINY, "--json", "--set", "demands.motors.survival=1")
    survived = json.loads(stressed(plan_file, *words).stdout)["survived"]
    assert survived < json.loads(stressed(plan_file, *words[:-2]).stdout)["survived"]
    done = stressed(TINY, *words)
    assert done.exit_code == 2
    assert done.stdout == ""
    said = " ".join(done.stderr.replace("│", " ").split())
    assert "--set:" in said
    assert "--output PLAN` first, and stress PLAN with --instance: each of the two takes changes of its own." in said


def test_json_is_clean_and_files_hold_every_sample(plan_file: str, tmp_path: Path) -> None:
    csv, parquet = tmp_path / "deep" / "rows.csv", tmp_path / "rows.parquet"
    done = stressed(plan_file, "--samples", "200", "--json", "--csv", str(csv), "--parquet", str(parquet))
    assert done.exit_code == 4, done.output
    found = json.loads(done.stdout)
    assert (found["samples"], found["survived"], found["seed"]) == (200, 131, 7)
    assert set(found["mending"]["mends"][0]["best"]) == {"size", "outlay", "mended", "gap_removed", "per_mended"}
    rows = pd.read_csv(csv)
    assert len(rows) == 200
    assert rows["survived"].sum() == 131
    assert rows["gap [USD]"].mean() == pytest.approx(found["expected_gap"])
    assert (rows["first_failure"].isna() == rows["survived"]).all()
    # Variations have no probability.
    assert rows["probability"].isna().all()
    same = pd.read_parquet(parquet)
    assert list(same.columns) == list(rows.columns)
    assert same["gap [USD]"].to_numpy() == pytest.approx(rows["gap [USD]"].to_numpy())
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "words", [("--samples", "0"), ("--seed", "-1"), ("--jobs", "0"), ("--csv", "."), ("--nonsense",)]
)
def test_usage_exits_with_2(plan_file: str, words: tuple[str, ...]) -> None:
    assert stressed(plan_file, *words).exit_code == 2


def test_what_is_no_plan_or_does_not_fit_exits_with_3(plan_file: str) -> None:
    assert stressed("nowhere.json").exit_code == 3
    done = stressed(plan_file, "--instance", str(ROOT / "instances" / "us-magnets.yaml"))
    assert done.exit_code == 3
    assert "us-magnets.yaml: horizon: its 40 periods run" in done.stderr
    assert "Give it the plan's horizon" in done.stderr


def test_parquet_without_pyarrow_is_said_before_any_work(plan_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = stressed(plan_file, "--parquet", "rows.parquet")
    assert done.exit_code == 2
    assert ".[parquet]" in " ".join(done.stderr.replace("│", " ").split())


def test_a_plan_that_fails_in_its_own_shocks_is_not_said_to_survive(capsys: pytest.CaptureFixture[str]) -> None:
    # Dips alone: 72 t of imports are left, 50 are needed. The plan's own shock is one that its file says it fails in.
    mild = data()["ensembles"]["trouble"] | {"events": {"dip": {"cuts": [{"region": "rival", "severity": 0.4}]}}}
    result = planned(so.read(data(ensembles={"trouble": mild})), Plan())
    own = [event.name for event in so.read(dict(result.data)).events]
    failing = replace(result, shocks=tuple(replace(each, survives=False) for each in result.shocks))
    found = so.stress(failing, samples=20, seed=1)
    assert found.survives
    assert (found.own_failed, found.own_shocks) == (len(own), len(own))
    assert found.to_dict()["own_failed"] == len(own)
    show(stress_parts, found)
    said = " ".join(capsys.readouterr().out.split())
    assert f"SURVIVES all 20 samples, BUT FAILS in {len(own)} of its own {len(own)} shocks" in said
    assert f"the plan fails in {len(own)} of the {len(own)} shocks of its instance" in said.replace("│ ", "")
    show(stress_parts, so.stress(result, samples=20, seed=1))
    said = capsys.readouterr().out
    assert "SURVIVES all 20 samples " in said
    assert "Own shocks" not in said


def test_what_is_wrong_with_several_builds_is_said_once(by_hand: so.Result) -> None:
    # Five builds of a plant that the other instance does not have.
    five = replace(by_hand, plan=replace(by_hand.plan, builds=(build(4),) * 5))
    bare = data()
    del bare["options"]["plant"]
    with pytest.raises(InstanceError) as error:
        so.stress(five, so.read(bare), samples=5)
    assert [found.where for found in error.value.findings] == ["options.plant"]


def test_of_amounts_that_survive_nothing_the_smallest_that_removes_as_much_is_named() -> None:
    # A ban of two years, and a plant that works in the second at the earliest: it leaves the 30 t of the first year.
    # 40 t remove the 30 t of the second as 80 do, for 400 in place of 800; 20 t would not.
    made = data(shocks={})
    made["ensembles"]["trouble"] |= {"months": 24, "events": {"ban": {"cuts": [{"region": "rival", "severity": 1}]}}}
    made["demands"]["all"] |= {"survival": 0.3}
    made["options"] = {"plant": made["options"]["plant"] | {"earliest": 2027}}
    found = so.stress(planned(so.read(made), Plan()), samples=5, seed=1)
    assert found.reinforcements is not None
    (plant,) = found.reinforcements.additions
    assert [trial.size for trial in plant.trials] == [20, 40, 80]
    assert (plant.best.size, plant.best.survived, plant.best.outlay) == (40, 0, 400)
    assert plant.best.gap_removed == pytest.approx(5 * 30_000)


def test_no_line_of_a_cell_breaks_before_a_percent_sign(by_hand: so.Result) -> None:
    found = so.stress(by_hand, samples=40, seed=1)
    for width in range(60, 100):
        console = Console(width=width)
        with console.capture() as capture:
            for part in stress_parts(found, width):
                console.print(part)
        table = capture.get().partition("The worst shock of each event")[2].partition("Failed first:")[0]
        assert "100 %" in table
        assert "20/50 %" in table


def test_where_a_shortage_costs_nothing_no_addition_is_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    # Imports make the magnets; but no limit has a price, and the plant would close no gap, for there is none.
    made = data()
    made["demands"]["all"]["shortage_cost"] = 0
    found = so.stress(planned(so.read(made), Plan()), samples=40, seed=1)
    for part in stress_parts(found, 300):
        Console(width=300).print(part)
    said = " ".join(capsys.readouterr().out.split())
    assert "no maker known at its limit" in said
    assert "nothing makes it" not in said
    none = "No addition was looked for: a shortage in these shocks costs nothing, so that there is no gap to close."
    assert none in said
    assert view_of(found).sentences(found)[-1] == none
