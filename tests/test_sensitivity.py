"""Which uncertain numbers decide: a small case by hand, and what a sample says of it."""

import io
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import optimizer as so
from optimizer.instance.derived import field_unit
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import numbers_of
from optimizer.report.brief.content import _figures_note, figures_part
from optimizer.report.format import number_name, uncertain_text
from optimizer.report.tables.sensitivity import sensitivity_parts
from optimizer.solver import Progress, Settings
from optimizer.studies import first_order
from optimizer.studies import sensitivity as sensitivity_study
from optimizer.studies.sensitivity import find_bands
from optimizer.studies.sensitivity_result import Importance, NoShockCost, Sensitivity, TornadoBar, VariantOutcome
from tests.test_alternatives import plant, three
from tests.test_cli import diversify

EXACT = Settings(mip_gap=0.0, accuracy=0.0)
INSTANCES = Path(__file__).parents[1] / "instances"


def ranged(**ranges: dict[str, Any]) -> so.Instance:
    """Without imports 60 t have to be served: a costs 10 (at most 60 t), b 11 (at most 40 t), c 100 and then 10."""
    data = three()
    data["ranges"] = {path.replace("__", "."): spec for path, spec in ranges.items()}
    return so.read(data)


def only(found: Sensitivity) -> TornadoBar:
    assert found.status == "proven"
    (bar,) = found.bars
    return bar


def test_bars_and_the_flip_of_a_price_by_hand() -> None:
    # At 5 the 60 t cost 300. At 20 all of it is c: 100 + 600; 40 t of b and 20 of a would cost 840.
    found = so.sensitivity(ranged(options__a__capex={"low": 5, "high": 20}), settings=EXACT)
    bar = only(found)
    assert found.base.cost == pytest.approx(600)
    assert bar.low.cost == pytest.approx(300)
    assert (bar.high.cost, bar.high.bought) == (pytest.approx(700), {"c"})
    # b takes the place of 40 t of a as soon as a costs more than 11; that is 1 of the 10 up to 20, found to 0.1.
    (flip,) = bar.flips
    assert flip.end == "high"
    assert flip.same <= 11 <= flip.other
    assert flip.other - flip.same <= 0.1
    assert flip.outcome.bought == {"a", "b"}


def test_a_factor_of_another_price_by_hand() -> None:
    # b is bought once it costs less than 10, a factor of 10/11; at 8.8 its 40 t and 20 t of a cost 352 + 200.
    instance = ranged(options__b__capex={"low": 0.8, "high": 1.2, "of": "value"})
    bar = only(so.sensitivity(instance, settings=EXACT, resolution=1e-3))
    assert bar.low.cost == pytest.approx(552)
    assert bar.high.cost == pytest.approx(600)
    (flip,) = bar.flips
    assert flip.other <= 10 / 11 <= flip.same
    assert flip.same - flip.other <= 1e-3 * 0.2


def test_the_verdict_flips_where_the_money_runs_out() -> None:
    # 600 buy the 60 t. With 400 only 40 t: 20 t short at 1000.
    data = three() | {"policy": {"budget": {"value": 700, "low": 400, "high": 800}}}
    found = so.sensitivity(so.read(data), settings=EXACT)
    bar = only(found)
    assert (bar.low.gap, bar.low.failed) == (pytest.approx(20_000), 1)
    assert (bar.high.gap, bar.high.cost) == (0, pytest.approx(600))
    (flip,) = bar.flips
    assert flip.other <= 600 <= flip.same
    assert flip.same - flip.other <= 3
    assert bar.effect(found.base)[0]


def bought_abroad(survival: float = 0.6, cost: float = 50, **ranges: dict[str, Any]) -> so.Instance:
    """100 t of imports at 2 a tonne; without them a share has to be served by a, at 10 a tonne of capex."""
    data = three()
    data["options"] = {"a": plant(10, 100, cost=cost)}
    data["processes"]["imports"]["cost"] = 2
    data["demands"]["motors"]["survival"] = survival
    data["ranges"] = {path.replace("__", "."): spec for path, spec in ranges.items()}
    return so.read(data)


def prices(found: Sensitivity) -> list[tuple[Any, Any]]:
    """Of both ends of the only bar: the changes of the price of survival and of the total cost."""
    ends = (only(found).low, only(found).high)
    return [(end.price_change(found.base).value, end.cost_change(found.base).value) for end in ends]


def test_a_price_that_is_paid_without_shocks_too_does_not_change_the_price_of_survival_by_hand() -> None:
    # The plant costs 50 a tonne to run and stands idle: 60 t of it cost 600 beside 100 t of imports at 2, 200 in all.
    found = so.sensitivity(bought_abroad(processes__imports__cost={"low": 1, "high": 4}), settings=EXACT)
    assert found.base.no_shock is not None
    assert (found.base.cost, found.base.no_shock.cost) == (pytest.approx(800), pytest.approx(200))
    assert found.base.price_of_survival == pytest.approx(600)
    assert prices(found) == [(pytest.approx(0), pytest.approx(-100)), (pytest.approx(0), pytest.approx(200))]
    low, high = only(found).low, only(found).high
    assert (low.price_of_survival, high.price_of_survival) == (pytest.approx(600), pytest.approx(600))
    assert not high.price_change(found.base).is_proven
    assert high.cost_change(found.base).is_proven
    assert only(found).effect(found.base) == (False, 0, 0, pytest.approx(200))


def test_a_number_can_change_the_price_of_survival_alone_by_hand() -> None:
    # Every tonne has to survive: 100 t of a at 10, which run for nothing. Only without shocks imports are bought.
    instance = bought_abroad(1.0, 0, processes__imports__cost={"low": 1, "high": 4})
    found = so.sensitivity(instance, settings=EXACT)
    assert found.base.price_of_survival == pytest.approx(1000 - 200)
    assert prices(found) == [(pytest.approx(100), pytest.approx(0)), (pytest.approx(-200), pytest.approx(0))]
    assert only(found).effect(found.base) == (False, 0, pytest.approx(200), 0)


def test_numbers_that_count_in_shocks_alone_need_no_other_plan_without_shocks(monkeypatch: pytest.MonkeyPatch) -> None:
    solved = list[float]()
    find = sensitivity_study.search_no_shock

    def counted(instance: so.Instance, *known: Any) -> Any:
        solved.append(instance.demands["motors"].survival.at(2026))
        return find(instance, *known)

    monkeypatch.setattr(sensitivity_study, "search_no_shock", counted)
    # Of 100 t 50 to 80 have to be served; 60 of them cost 600. The cut hits all imports, or nine tenths of them.
    floor = bought_abroad(demands__motors__survival={"low": 0.5, "high": 0.8})
    found = so.sensitivity(floor, settings=replace(EXACT, jobs=1), flips=False)
    assert prices(found) == [(pytest.approx(-100), pytest.approx(-100)), (pytest.approx(200), pytest.approx(200))]
    cut = bought_abroad(shocks__stop__cuts__0__severity={"low": 0.9, "high": 1})
    found = so.sensitivity(cut, settings=replace(EXACT, jobs=1), flips=False)
    assert prices(found) == [(pytest.approx(-100), pytest.approx(-100)), (pytest.approx(0), pytest.approx(0))]
    assert solved == [0.6, 0.6]
    # A price of imports counts without shocks: two ends more.
    so.sensitivity(
        bought_abroad(processes__imports__cost={"low": 1, "high": 4}), settings=replace(EXACT, jobs=1), flips=False
    )
    assert len(solved) == 5


def test_no_digit_of_the_price_is_claimed_that_neither_cost_proves() -> None:
    # The price is 100 to 102 as it is and 108 to 113 there: 6 to 13 more. With one no-shock cost it is 7 to 11 more.
    base = VariantOutcome("optimal", 1000, 999, no_shock=NoShockCost(899, 898, is_unchanged=True))
    there = VariantOutcome("optimal", 1010, 1008, no_shock=NoShockCost(900, 897))
    assert (base.proven_price.low, base.proven_price.high) == pytest.approx((100, 102), abs=1e-3)
    assert (there.proven_price.low, there.proven_price.high) == pytest.approx((108, 113), abs=1e-3)
    change = there.price_change(base)
    assert (change.value, change.low, change.high) == pytest.approx((9, 6, 13), abs=1e-3)
    same = replace(there, no_shock=base.no_shock).price_change(base)
    assert (same.value, same.low, same.high) == pytest.approx((10, 8, 11), abs=1e-3)
    unknown = replace(there, no_shock=None)
    assert not unknown.price_change(base).is_proven
    assert unknown.to_dict()["price_of_survival"] is None


def test_without_shocks_there_is_no_price_and_costs_rank_the_numbers() -> None:
    data = three() | {"shocks": {}, "ranges": {"processes.imports.capacity": {"low": 40, "high": 200}}}
    found = so.sensitivity(so.read(data), settings=EXACT, flips=False)
    assert (found.base.no_shock, found.base.price_of_survival) == (None, None)
    # 60 t of a take the place of the imports: 600.
    assert only(found).low.leading_change(found.base).value == pytest.approx(600)
    (console := Console(width=120, file=io.StringIO())).print(*sensitivity_parts(found, 120))
    said = " ".join(console.file.getvalue().split())
    assert "imports: capacity moves the total cost most" in said
    assert "no price of survival: the instance has neither shocks nor rules about surviving" in said


def test_a_budget_outside_its_range_leaves_the_range_out_and_says_so() -> None:
    data = three() | {"policy": {"budget": {"value": 700, "low": 400, "high": 800}}}
    instance = so.read(data | {"ranges": {"options.a.capex": {"low": 0.5, "high": 2, "of": "value"}}})
    note = "The range of policy.budget does not hold 900: it is left out."
    found = so.sensitivity(instance, flips=False, budget=900)
    assert [bar.number.name for bar in found.bars] == ["options.a.capex"]
    assert list(found.notes) == found.to_dict()["notes"] == [note]
    assert note in so.solve(instance, budget=900).notes
    with pytest.warns(so.OptimizerWarning, match=re.escape(note)):
        assert list(so.with_budget(instance, 900).ranges) == ["options.a.capex"]
    # Inside the range, and without a budget, there is nothing to say.
    assert "policy.budget" in so.with_budget(instance, 500).ranges
    assert not so.sensitivity(instance, flips=False, budget=500).notes
    assert so.with_budget(instance, None).policy.budget is None


def test_numbers_that_move_together() -> None:
    # Both prices at half: 300; both at twice: all of it is c.
    spec = {"low": 0.5, "high": 2, "of": "value", "draw": "prices"}
    bar = only(so.sensitivity(ranged(options__a__capex=spec, options__b__capex=spec), settings=EXACT, flips=False))
    assert (bar.number.name, len(bar.number.inputs)) == ("prices", 2)
    assert (bar.low.cost, bar.high.cost) == (pytest.approx(300), pytest.approx(700))
    assert bar.flips == ()


def test_a_switching_value_is_that_of_a_number_that_moves_to_the_end_by_hand() -> None:
    # c has its largest size as it is, and moves to 50 only; a costs 10, and b takes its place at 11 on the way to 20.
    ranges = {"options.c.max_size": (50, 60), "options.a.capex": (5, 20)}
    draw = {path: {"low": low, "high": high, "draw": "both"} for path, (low, high) in ranges.items()}
    found = so.sensitivity(ranged(**draw), settings=EXACT)
    (flip,) = only(found).flips
    assert (flip.end, flip.same, flip.other) == ("high", pytest.approx(11, abs=0.1), pytest.approx(11, abs=0.1))
    assert flip.same <= 11 <= flip.other
    assert found.frames.switching["value"].tolist() == [10]
    (console := Console(width=120, file=io.StringIO())).print(*sensitivity_parts(found, 120))
    assert "10.9 … 11" in console.file.getvalue()


def test_values_and_ranges_of_numbers_that_move_together_are_shown_with_their_units() -> None:
    # The price of a is 10, from 5 to 20; b takes its place at 11, a tenth of the way to 20. The most of c moves from
    # 60 to 70 with it, and is 61 there.
    ranges = {"options.a.capex": (5, 20), "options.c.max_size": (50, 70)}
    draw = {path: {"low": low, "high": high, "draw": "new_plants"} for path, (low, high) in ranges.items()}
    instance = ranged(**draw)
    found = so.sensitivity(instance, settings=EXACT)
    (console := Console(width=80, file=io.StringIO())).print(*sensitivity_parts(found, 80))
    shown = console.file.getvalue()
    figures = figures_part(instance, so.solve(instance, settings=EXACT), found)
    assert figures.frame is not None
    (row,) = figures.frame.rows()
    assert row["figure"] == "New plants: capex of a, max size of c"
    assert (row["value"], row["range"]) == ("10 USD per t/yr; 60 t/yr", "5 … 20 USD per t/yr; 50 … 70 t/yr")
    # In tables a unit is below its range.
    cells = [re.split(r"\s{2,}", line.strip()) for line in shown.splitlines()]
    places = {text: i for i, line in enumerate(cells) for text in line}
    ranges = {"5 … 20": "USD per t/yr", "50 … 70": "t/yr", "10.9 … 11": "USD per t/yr", "60.9 … 61": "t/yr"}
    assert all(unit in cells[places[text] + 1] for text, unit in ranges.items())
    assert "–: no proven change." in figures.frame.note


def test_a_range_of_the_discount_rate_is_shown_as_any_other(tmp_path: Path) -> None:
    instance = so.read(three() | {"discount_rate": {"value": 0.05, "low": 0, "high": 0.1}})
    found = so.sensitivity(instance, settings=EXACT)
    (console := Console(width=80, file=io.StringIO())).print(*sensitivity_parts(found, 80))
    assert re.search(r"^discount rate +0 … 0.1 ", console.file.getvalue(), re.MULTILINE)
    figures = figures_part(instance, so.solve(instance, settings=EXACT), found)
    assert figures.frame is not None
    assert [row["range"] for row in figures.frame.rows()] == ["0 … 0.1"]


@pytest.mark.parametrize("file", sorted(INSTANCES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_uncertain_number_of_the_cases_has_words_for_name_and_range(file: Path) -> None:
    instance = so.load(file)
    for number in numbers_of(instance.uncertain):
        assert "_" not in number_name(instance, number)
        assert "…" in uncertain_text(instance, number, -1.0, 1.0)


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("policy.budget", "USD"), ("policy.gap_price", ""), ("adversary.targets.mine.price", "USD"),
        ("adversary.attack_budget", "USD"), ("shocks.ban.months", "months"), ("shocks.ban.cost.a", ""),
        ("options.a.price", "USD/t"), ("options.a.capex", "USD per t/yr"),
        ("options.s.holding_cost", "USD/t and year"), ("options.s.price_response.reference", "t/yr"),
        ("discount_rate", ""),
    ],
)  # fmt: skip
def test_units_of_numbers(path: str, unit: str) -> None:
    assert field_unit(ranged(), path.split(".")) == unit


def test_numbers_that_do_not_fit_each_other_are_said_to_be() -> None:
    # Alone each end is sound; min_size at its high end is above max_size, which stays where it is.
    data = three()
    data["options"]["c"] |= {"min_size": {"value": 10, "low": 5, "high": 70}}
    data["options"]["c"]["max_size"] = {"value": 60, "low": 50, "high": 90}
    found = so.sensitivity(so.read(data), settings=EXACT)
    outcomes = {bar.number.name: bar for bar in found.bars}
    assert outcomes["options.c.min_size"].high.status == "unusable"
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_samples_that_cannot_be_solved_for_are_said_to_be(tmp_path: Path) -> None:
    # Of one option min_size is below max_size in little more than half of the samples, of three in a seventh: 9 of 60.
    data = three()
    for option in data["options"].values():
        option |= {"min_size": {"value": 1, "low": 0.5, "high": 999}, "max_size": {"value": 60, "low": 60, "high": 999}}
    found = so.sensitivity(so.read(data), 60, flips=False)
    assert (found.status, found.sampled) == ("proven", None)
    assert "Fewer than 30 of the samples of all numbers together could be solved for" in " ".join(found.notes)
    assert not so.sensitivity(so.read(data), flips=False).notes
    (file := tmp_path / "three.json").write_text(json.dumps(data))
    assert "Fewer than 30 of the samples" in diversify("solve", file, "--bands").stdout


def test_a_band_that_the_time_limit_stopped_says_so() -> None:
    bands, notes = find_bands(so.read(three()), settings=so.Settings(time_limit=1e-6))
    assert bands is None
    assert "Allow more time (--time-limit)" in " ".join(notes)


def test_the_length_of_a_shock_moves_by_whole_periods() -> None:
    # A year is the step: 17 months are 1.42 years, 18 are 1.5 (to the even 2), 2 are no less than one.
    tiny = so.load("instances/tiny.yaml", ["ranges.shocks.embargo.months={low: 12, high: 36}"])

    def lengths(instance: so.Instance, number: float) -> tuple[float, ...]:
        return with_numbers(instance, {"shocks.embargo.months": number}).shocks["embargo"].durations.values

    assert [lengths(tiny, number) for number in (2, 17, 18, 31)] == [(12,), (12,), (24,), (36,)]
    # 1.3 x 24 = 31.2 months are 2.6 years, 1.3 x 48 = 62.4 are 5.2.
    factor = "ranges.shocks.embargo.months={low: 0.5, high: 1.5, of: value}"
    assert lengths(so.load("instances/tiny.yaml", ["shocks.embargo.months=[24, 48]", factor]), 1.3) == (36, 60)
    # A year of embargo takes 70 t from 2029 on, all from the stock of 100 t: no plant. Two years are the file's own.
    found = so.sensitivity(tiny, 60)
    (flip,) = only(found).flips
    assert (flip.end, flip.outcome.bought) == ("low", {"reserve"})
    assert (flip.same, flip.other) == (24, 12)
    assert found.sampled is not None
    assert found.sampled.used == 60
    # The draws are a sixtieth of 24 months apart, and those below 18 months are a quarter of them.
    assert found.sampled.bought["plant"] == pytest.approx(0.75, abs=1 / 60)


def test_a_floor_that_costs_nothing_to_miss_decides_on_survival_by_hand() -> None:
    # 40 % of 100 t of oxide come in the ban, and the floor is 50 t: no plan survives, though what is missed is worth
    # nothing. From 125 t of capacity on it is kept.
    imports = {"region": "rival", "stage": "oxide", "output": {"oxide": 1}, "capacity": 100, "cost": 1}
    works = {"region": "home", "stage": "magnet", "output": {"magnet": 1}, "capacity": 100, "cost": 2}
    ware = {"commodity": "oxide", "quantity": 100, "survival": 0.5, "shortage_cost": 0}
    motors = {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 1000}
    data = {
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "home": "home",
        "commodities": {"magnet": {}, "oxide": {}},
        "processes": {"imports": imports, "works": works},
        "demands": {"ware": ware, "motors": motors},
        "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 5, "max_size": 10}},
        "shocks": {"ban": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 0.6}]}},
        "ranges": {"processes.imports.capacity": {"low": 90, "high": 150}},
    }
    found = so.sensitivity(so.read(data))
    assert so.solve(so.read(data)).status == "gap"
    said = found.to_dict()
    assert (said["base"]["survives"], said["base"]["failed"], said["base"]["gap"]) == (False, 1, 0)
    assert (only(found).low.to_dict()["survives"], only(found).high.to_dict()["survives"]) == (False, True)
    (flip,) = only(found).flips
    assert (flip.end, flip.same < 125 <= flip.other) == ("high", True)


def test_years_move_by_whole_ones_by_hand() -> None:
    # The embargo of 2029 takes 70 t in each of two years. A plant takes two years: ordered in 2028 it is there in 2030,
    # and the stock of 100 t is enough for the rest; ordered in 2029 it comes too late.
    changes = ["options.plant.earliest=2026", "ranges.options.plant.earliest={low: 2026, high: 2030}"]
    tiny, path = so.load("instances/tiny.yaml", changes), "options.plant.earliest"
    assert [with_numbers(tiny, {path: year}).options["plant"].earliest for year in (2027.4, 2027.6)] == [2027, 2028]
    found = so.sensitivity(tiny, 60)
    (flip,) = only(found).flips
    assert (flip.same, flip.other) == (2028, 2029)
    assert found.sampled is not None
    # From 2026 to 2030, 2028.5 is five eighths of the way.
    assert (found.sampled.used, found.sampled.survived) == (60, pytest.approx(5 / 8, abs=1 / 60))
    (console := Console(width=80, file=io.StringIO())).print(*sensitivity_parts(found, 80))
    assert {"2026 … 2030", "2028 … 2029"} <= set(re.findall(r"\S+ … \S+", console.file.getvalue()))


def test_what_a_sample_says_by_hand() -> None:
    # The cost is 60 times the price of a, uniform from 5 to 10: 300 to 600, 450 in the middle; that of c has no part.
    instance = ranged(options__a__capex={"low": 5, "high": 10}, options__c__capex={"low": 10, "high": 20})
    sampled = so.sensitivity(instance, 100, seed=3, settings=EXACT, flips=False).sampled
    assert sampled is not None
    assert (sampled.used, sampled.survived) == (100, 1.0)
    assert sampled.cost == pytest.approx((315, 450, 585, 450), abs=2)
    first, second = sampled.of_cost
    assert (first.number, first.s1) == ("options.a.capex", pytest.approx(1, abs=0.05))
    assert first.is_significant
    assert abs(second.s1) < second.margin
    assert sampled.of_gap == ()
    assert sampled.bought == {"a": 1.0, "b": 0.0, "c": 0.0}


def test_a_gap_in_one_sample_alone_says_nothing_of_any_number() -> None:
    # A third of the bootstrap resamples misses it, (59/60)^60; they have no variance, and no share of one.
    drawn, outcomes = np.linspace(0.0, 1.0, 60)[:, None], np.zeros((60, 4))
    outcomes[-1, 1:3] = 7.0, 1.0
    found = Importance.of_sample(["a"], drawn, outcomes, {}, 60, seed=7)
    assert [(each.margin, each.is_significant) for each in found.of_gap] == [(1.0, False)]
    assert found.of_cost == ()


def test_the_answers_are_the_same_on_any_number_of_processes() -> None:
    instance = ranged(options__a__capex={"low": 5, "high": 20}, options__b__capex={"low": 8, "high": 12})
    one, two = (so.sensitivity(instance, 60, settings=Settings(accuracy=5e-3, jobs=jobs)) for jobs in (1, 2))
    assert one.to_dict() == two.to_dict()


def test_a_limit_of_time_is_that_of_all_searches() -> None:
    def wait(event: Progress) -> None:
        if event.task == "each number at its ends" and not event.done:
            time.sleep(2.1)

    instance = ranged(options__a__capex={"low": 5, "high": 20})
    found = so.sensitivity(instance, settings=Settings(jobs=1, time_limit=2.0), listener=wait)
    assert (found.status, found.bars) == ("stopped", ())
    assert found.base.cost == pytest.approx(600)
    assert so.sensitivity(instance, settings=Settings(jobs=1, time_limit=0.0)).status == "stopped"


def test_without_any_plan_there_is_nothing_to_move() -> None:
    data = three() | {"policy": {"budget": 10, "force": {"a": {2026: 60}}}}
    data["options"]["a"]["capex"] = {"value": 10, "low": 5, "high": 20}
    found = so.sensitivity(so.read(data))
    assert (found.status, found.bars) == ("none", ())


def test_numbers_with_small_effects_are_judged_at_first_order_alone() -> None:
    ranges = "ranges={options.plant.capex: {low: 100k, high: 350k}, options.reserve.price: {low: 40k, high: 70k}}"
    found = so.sensitivity(so.load("instances/tiny.yaml", [ranges]), flips=False, most=1)
    assert [bar.number.name for bar in found.bars] == ["options.plant.capex"]
    # 100 t at 65k each; the end farther from that is 40k.
    (other,) = found.screened
    assert (other.name, other.gap) == ("options.reserve.price", 0.0)
    assert other.cost == pytest.approx(100 * (40e3 - 65e3))


def test_numbers_are_chosen_by_their_linear_effect_on_the_price_of_survival_by_hand() -> None:
    # A tonne of imports at 3 more costs 300 with and without shocks; 1 more for each of the 60 t of a is 60 more.
    ranges = {"processes__imports__cost": {"low": 2, "high": 5}, "options__a__capex": {"low": 10, "high": 11}}
    found = so.sensitivity(bought_abroad(**ranges), settings=EXACT, flips=False, most=1)
    assert [bar.number.name for bar in found.bars] == ["options.a.capex"]
    (other,) = found.screened
    assert (other.cost, other.price) == (pytest.approx(300), pytest.approx(0, abs=1e-6))
    # A floor counts in shocks alone.
    ranges = {"demands__motors__survival": {"low": 0.6, "high": 0.7}, **ranges}
    effects = {each.name: each for each in so.sensitivity(bought_abroad(**ranges), flips=False, most=0).screened}
    assert effects["demands.motors.survival"].price == pytest.approx(100)
    assert effects["options.a.capex"].price == pytest.approx(60)


def test_a_lead_time_is_solved_for_though_it_has_no_first_order_effect() -> None:
    # On line in 2030 only, the plant has to be of 40 t for the floors of 2029 and 2030, 140 t of which 100 t are in
    # stock: 20 t more at 200k. Of the stock 80 t are there from 2027 instead of 60: 20 t more, held for 2 years at 5k.
    ranges = "ranges={options.plant.lead_time: {low: 12, high: 48}, options.plant.capex: {low: 0.9, high: 1.1, of: "
    instance = so.load("instances/tiny.yaml", [ranges + "value}, options.reserve.price: {low: 60k, high: 70k}}"])
    found = so.sensitivity(instance, flips=False, most=1, settings=EXACT)
    assert [bar.number.name for bar in found.bars] == ["options.plant.lead_time", "options.reserve.price"]
    assert found.bars[0].high.cost - found.base.cost == pytest.approx(4e6 + 2 * 20 * 5e3)
    assert [each.name for each in found.screened] == ["options.plant.capex"]
    effects = {each.name: each.cost for each in so.sensitivity(instance, flips=False, most=0).screened}
    assert effects["options.plant.lead_time"] is None


def test_a_shortage_cost_alone_says_what_a_gap_is_worth_and_changes_no_decision() -> None:
    # 400 buy 40 t of the 60 that the floor is: 20 t short at 1000, whatever a tonne is said to be worth.
    data = three() | {"policy": {"budget": 400}}
    data["demands"]["motors"]["shortage_cost"] = {"value": 1000, "low": 500, "high": 2000}
    data["options"]["a"]["capex"] = {"value": 10, "low": 9.5, "high": 10.5}
    found = so.sensitivity(so.read(data), settings=EXACT, flips=False)
    price, worth = found.bars
    # At 10.5 the money buys 38.1 t.
    assert price.high.gap == pytest.approx(1000 * (60 - 400 / 10.5))
    assert (worth.number.name, worth.effect(found.base)) == ("demands.motors.shortage_cost", (False, 0.0, 0.0, 0.0))
    assert (worth.low.gap, worth.high.gap) == (pytest.approx(20_000), pytest.approx(20_000))
    assert [each["values_as_is"] for each in found.to_dict()["numbers"]] == [False, True]
    # Nor does it seem to matter at first order.
    first, last = so.sensitivity(so.read(data), settings=EXACT, flips=False, most=0).screened
    # All of the money is spent all the same.
    assert (first.name, first.gap) == ("options.a.capex", pytest.approx(2_000, rel=1e-3))
    assert first.cost == pytest.approx(0.0, abs=1e-3)
    assert (last.name, last.gap, last.cost) == ("demands.motors.shortage_cost", 0.0, 0.0)


def test_a_shortage_cost_that_changes_the_plan_has_the_gap_at_the_shortage_costs_of_the_file() -> None:
    # With gaps at a fiftieth of their value, 20 a tonne, 60 t at 10 are worth it; at a quarter of that none is. They
    # are then short by 60 t, which are worth 1000 a tonne and not 250.
    data = three() | {"policy": {"gap_price": 0.02}}
    data["demands"]["motors"]["shortage_cost"] = {"value": 1000, "low": 250, "high": 2000}
    bar = only(found := so.sensitivity(so.read(data), settings=EXACT, flips=False))
    assert (found.base.gap, found.base.cost) == (0.0, pytest.approx(600))
    assert (bar.low.gap, bar.low.cost, bar.low.failed) == (pytest.approx(60_000), pytest.approx(0), 1)
    assert (bar.high.gap, bar.high.cost, bar.high.failed) == (0.0, pytest.approx(600), 0)
    assert bar.effect(found.base)[:2] == (True, pytest.approx(60_000))


def test_samples_that_may_fail_are_not_among_the_shocks_that_fail_by_hand() -> None:
    # Four equal samples, of which two may fail, need 70 t in 2029 and in 2030. 1M buys 1M / 65k = 15.4 t of reserve:
    # 124.6 t at 500k are missing in each of the two samples that count. A shortage cost moves none of that.
    ensemble = "{count: 4, start: 2029, months: 24, survive: 0.5, cuts: [{region: rival, severity: 1}]}"
    changes = ["shocks={}", f"ensembles.trouble={ensemble}", "policy.budget=1M"]
    changes.append("ranges.demands.motors.shortage_cost={low: 400k, high: 600k}")
    bar = only(found := so.sensitivity(so.load(INSTANCES / "tiny.yaml", changes), settings=EXACT, flips=False))
    for outcome in (found.base, bar.low, bar.high):
        assert (outcome.failed, outcome.gap) == (2, pytest.approx(2 * (140 - 1e6 / 65e3) * 500e3))


# Scrap of a segment's sales comes back to a recycler, beside imports that are dear and an ally that is cheap.
SCRAP = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {magnet: {}, scrap: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}
  recycler: {region: home, stage: magnet, input: {scrap: 2}, output: {magnet: 1}, capacity: 40, cost: 4}
demands:
  all:
    commodity: magnet
    quantity: 100
    survival: 0.5
    shortage_cost: 1000
    end_of_life: {commodity: scrap, after_years: 1, collection_rate: {value: 0.4, low: 0.2, high: 0.5},
                  past_quantity: 100}
options:
  friend: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, cost: {value: 40, low: 30, high: 60},
           max_size: 300, capex: 30, lead_time: 12}
shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 1}]}}
"""


def test_the_effect_of_scrap_by_hand(tmp_path: Path) -> None:
    # 40 t of scrap a year make 20 t, which save 6 each over imports; in the embargo an ally of 30 t at 30 each serves
    # the rest of the floor. With half of the scrap 4 years cost 60 more, and the ally has 10 t more: 240 + 300.
    (file := tmp_path / "scrap.yaml").write_text(SCRAP, encoding="utf-8")
    found = so.sensitivity(so.load(file), flips=False, most=0)
    effects = {each.name: each.cost for each in found.screened}
    assert effects["demands.all.end_of_life.collection_rate"] == pytest.approx(540)


@pytest.mark.parametrize("name", ["ev-maker", "eu-2030", "next-chokepoint"])
def test_an_effect_is_that_of_the_whole_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = so.load(INSTANCES / f"{name}.yaml")
    monkeypatch.setattr(first_order, "FEW_LP_ROWS", 0)
    parts = so.sensitivity(instance, flips=False, most=0).screened
    monkeypatch.setattr(first_order, "_parts_to_write", lambda instance, number: None)
    whole = {each.name: each for each in so.sensitivity(instance, flips=False, most=0).screened}
    assert len(parts) == len(whole) > 10
    for each in (each for each in parts if each.is_judged):
        assert (each.gap, each.cost) == pytest.approx((whole[each.name].gap, whole[each.name].cost), abs=1.0, rel=1e-6)


# One import and one plant, and an embargo that cuts the import in 2027; each figure below is derived by hand.
EMBARGO = """
horizon: {start: 2026, end: 2028, step: year}
commodities: {magnet: {}}
processes:
  imports: {region: rival, output: {magnet: 1}, capacity: {value: 100, low: 99, high: 100}, cost: 20}
demands:
  motors: {commodity: magnet, quantity: 100, survival: 0.25, shortage_cost: {value: 1000, low: 1000, high: 1001}}
options:
  plant: {kind: refining, output: {magnet: 1}, capex: 10, max_size: {value: 20, low: 20, high: 20.1}, cost: 30}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: {value: 0.9, low: 0.89, high: 0.9}}]}}
"""
EMBARGO_NUMBERS = {
    "shocks.embargo.cuts.0.severity": "severity",
    "processes.imports.capacity": "capacity",
    "options.plant.max_size": "max_size",
    "demands.motors.shortage_cost": "shortage_cost",
}


def embargo_effects(folder: Path, *lines: str, most: int = 0) -> Mapping[str, tuple[float | None, float | None]]:
    """By number the first-order effect on gap and cost, in the embargo with some numbers elsewhere."""
    (file := folder / "embargo.yaml").write_text(EMBARGO, encoding="utf-8")
    found = so.sensitivity(so.load(file, list(lines)), flips=False, most=most, settings=EXACT)
    return {EMBARGO_NUMBERS[each.name]: (each.gap, each.cost) for each in found.screened}


def test_first_order_effects_of_capacities_and_cuts_by_hand(tmp_path: Path) -> None:
    # The floor is 25 t, 10 t come in: a plant of 15 t at 10. With 9.9 t it has 0.1 t more, and without the embargo,
    # which costs nothing, it makes 1 t for 30 in place of 20 in each of three years. With a cut of 0.89 it has
    # 1 t less.
    effects = embargo_effects(tmp_path)
    assert effects["capacity"] == (0.0, pytest.approx(31))
    assert effects["severity"] == (0.0, pytest.approx(-10))
    assert effects["max_size"] == effects["shortage_cost"] == (0.0, 0.0)


def test_first_order_effects_of_what_leaves_a_gap_by_hand(tmp_path: Path) -> None:
    # Of a floor of 50 t, 20 t of the plant and 10 t of imports are there: 20 t short at 1000.
    effects = embargo_effects(tmp_path, "demands.motors.survival=0.5")
    assert effects["severity"][0] == pytest.approx(-1_000)
    assert effects["capacity"][0] == pytest.approx(100)
    assert effects["max_size"][0] == pytest.approx(-100)
    assert effects["shortage_cost"] == (0.0, 0.0)


def test_first_order_effects_with_a_probability_by_hand(tmp_path: Path) -> None:
    # With probability 0.5 the embargo leaves 100 − 10 − 20 t unserved, at 1000 each: 35k. Of a tonne that comes in
    # 980 are saved: of 0.01 of 100 t, 490. The plant saves 970 of 1000, half of it, and costs 10: 475 a tonne. A
    # tonne less of capacity is made by the plant for 10 more in two years and a half; 0.1 t are missing in the embargo.
    effects = embargo_effects(tmp_path, "demands.motors.survival=0.1", "shocks.embargo.probability=0.5")
    assert effects["shortage_cost"] == (0.0, pytest.approx(35))
    assert effects["severity"] == (0.0, pytest.approx(-490))
    assert effects["max_size"] == (0.0, pytest.approx(-47.5))
    assert effects["capacity"] == (0.0, pytest.approx(2.5 * 10 + 0.5 * 0.1 * 980))


@pytest.mark.parametrize("survival", [0.25, 0.5])
def test_dual_values_of_bounds_have_a_part_in_first_order_effects(
    survival: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_order, "FEW_LP_ROWS", 0)
    effects = embargo_effects(tmp_path, f"demands.motors.survival={survival}")
    assert effects["severity"] == pytest.approx((0.0, -10.0) if survival == 0.25 else (-1_000.0, 0.0))
    effects = embargo_effects(tmp_path, f"demands.motors.survival={survival}", "shocks.embargo.probability=0.5")
    assert effects["shortage_cost"] == pytest.approx((0.0, 35.0))


def test_a_number_without_a_first_order_effect_is_solved_for(tmp_path: Path) -> None:
    # A month more of the embargo is no small step, and an embargo without a probability has no part in the cost.
    ranges = "ranges={shocks.embargo.months: {low: 12, high: 24}, shocks.embargo.probability: {low: 0, high: 0.5}}"
    (file := tmp_path / "embargo.yaml").write_text(EMBARGO, encoding="utf-8")
    instance = so.load(file, ["shocks.embargo.probability=0", ranges])
    found = so.sensitivity(instance, flips=False, most=1, settings=EXACT)
    solved = {bar.number.name for bar in found.bars}
    assert {"shocks.embargo.months", "shocks.embargo.probability"} < solved
    assert len(solved) == 3
    assert not any(each.name in solved for each in found.screened)
    unseen = [each for each in so.sensitivity(instance, flips=False, most=0).screened if not each.is_judged]
    # By linear effect the cut comes first: 10 in the price of survival. A tonne less of capacity costs 31, but 40
    # without the embargo, for a plant of 1 t and what it makes in place of imports.
    assert {each.name for each in unseen} == solved - {"shocks.embargo.cuts.0.severity"}
    assert {each.name: each.price for each in found.screened}["processes.imports.capacity"] == pytest.approx(-9)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 60"):
        so.sensitivity(ranged(options__a__capex={"low": 5, "high": 20}), 10)


def test_names_of_numbers_are_words_of_readers_and_no_keys() -> None:
    """The floor of a segment is no outcome, and a commodity has a name."""
    instance = so.load("instances/ev-maker.yaml")
    names = {each.name: number_name(instance, each) for each in numbers_of(instance.uncertain)}
    assert names["demands.family.survival"] == "Family cars (3 kg of magnet a car): survival floor"
    assert names["dysprosium_in_magnets"].startswith("Dysprosium in magnets: input (Dysprosium oxide) of ")
    assert names["options.stock_hot.fill_rate"] == "Stock of magnets with dysprosium: fill rate"


def test_a_number_of_a_shock_has_the_name_of_the_shock_and_of_what_is_cut() -> None:
    cut = {"severity": 0.5}
    event = {"name": "a strike", "months": 12, "cuts": [{"process": ["plant_b"], **cut}]}
    shock = {"name": "two-year conflict", "start": 2027, "months": 12, "demand": {"motors": 1.5}}
    data = so.load("instances/tiny.yaml").to_dict()
    data["regions"] = {"rival": {"name": "Rivals"}, "ally": {"name": "Allies"}}
    data["processes"]["plant_b"] = data["processes"]["imports"] | {"region": "ally", "name": "Plant B"}
    data["shocks"] = {"long": shock | {"cuts": [{"region": ["rival"], "severity": 1}, {"region": ["ally"], **cut}]}}
    data["ensembles"] = {"drawn": {"name": "draws", "count": 2, "start": [2027], "events": {"one": event}}}
    places = ("shocks.long.cuts.1.severity", "shocks.long.demand.motors", "ensembles.drawn.events.one.cuts.0.severity")
    data["ranges"] = {place: {"low": 0.4, "high": 1.6 if "demand" in place else 0.6} for place in places}
    instance = so.read(data)
    assert {each.name: number_name(instance, each) for each in numbers_of(instance.uncertain)} == {
        places[0]: "two-year conflict: severity of the cut of region Allies",
        places[1]: "two-year conflict: demand of motors",
        places[2]: "draws, a strike: severity of the cut of process Plant B",
    }


def test_numbers_of_more_than_two_objects_are_counted_and_not_named_after_the_first() -> None:
    """One draw of floors, whose name is a key; and one of costs, whose name is written to be read."""
    demands = {name: {"commodity": "magnet", "quantity": 1, "survival": 0.5, "shortage_cost": 9} for name in "abc"}
    plant = {"kind": "refining", "output": {"magnet": 1}, "capex": 10, "cost": 1, "max_size": 9}
    ranges: dict[str, Any] = {f"demands.{d}.survival": {"low": 0.4, "high": 0.6, "draw": "floors"} for d in demands}
    ranges |= {f"options.{o}.cost": {"low": 1, "high": 2, "draw": "new_plants"} for o in "def"}
    ranges |= {f"options.{o}.capex": {"low": 5, "high": 20, "draw": "two"} for o in "de"}
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "commodities": {"magnet": {}},
            "demands": demands,
            "options": dict.fromkeys("def", plant),
            "ranges": ranges,
        }
    )
    assert [number_name(instance, each) for each in numbers_of(instance.uncertain)] == [
        "Survival floor of 3 segments, such as a",
        "New plants: cost of 3 options",
        "Capex of d and 1 more",
    ]


def test_numbers_that_were_not_reached_are_named() -> None:
    instance = so.load(
        "instances/tiny.yaml",
        [
            "ranges.options.plant.capex={low: 100k, high: 400k}",
            "ranges.demands.motors.survival={low: 0.8, high: 1.1, of: value}",
        ],
    )
    found = so.sensitivity(instance)
    assert "Not looked at" not in _figures_note(instance, found)
    (few,) = [replace(found, bars=(each,)) for each in found.bars if each.number.name == "options.plant.capex"]
    said = _figures_note(instance, few)
    assert "1 of which was looked at in the time there was" in said
    assert "Not looked at, so that one of them may move more: motors: survival floor." in said
