"""Ensembles: the same shocks from the same seed, whatever else changes; shares, windows, and what they leave behind."""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.disruptions.ensemble import Uniforms
from optimizer.disruptions.shock import Shock
from optimizer.instance.altered import without_ensembles, without_shocks
from optimizer.instance.edits import resample
from optimizer.report.narrative import facts
from optimizer.results.result import hardest_of

Cell = Callable[..., so.Instance]

HEAD = """\
horizon: {start: 2026, end: 2035, step: quarter}
home: usa
commodities: {magnet: {}}
processes:
  imports: {region: china, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}
  hitachi: {region: japan, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}}
options:
  plant: {kind: refining, output: {magnet: 1}, cost: 20, capex: 10, max_size: 100}
  deal: {kind: partnership, process: imports, capex: 10, max_size: 100}
"""
BANS = """\
  bans:
    count: 200
    seed: 7
    probability: 0.3
    deliberate: true
    start: {uniform: [2027Q1, 2035Q4]}
    months: {triangular: [3, 6, 24]}
    reliability: {deal: 0.5}
    events:
      china_ban: {weight: 3, cuts: [{region: china, severity: {beta: [4, 2]}}]}
      quake:
        weight: 1
        deliberate: false
        months: {discrete: {3: 1, 6: 1}}
        cuts:
          - {process: plant, severity: 0.5}
          - {region: japan, severity: [{uniform: [0.2, 0.9]}, 0.1]}
"""


def bans(cell: Cell, *changes: tuple[str, str]) -> so.Instance:
    text = BANS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return cell(HEAD, "ensembles:", text)


def drawn(events: Sequence[Shock]) -> list[Any]:
    """All that is drawn of some samples."""
    return [(e.name, e.entry, e.periods, e.spec.deliberate, [cut.severity for cut in e.spec.cuts]) for e in events]


def test_stream_is_the_one_that_it_always_was(cell: Cell) -> None:
    # Were one of these to change, every ensemble anywhere would be another one.
    instance = bans(cell)
    column = Uniforms("bans", instance.ensembles["bans"]).column("start")
    assert column[:2].tolist() == [0.7035217910977354, 0.6925987312592816]
    # The first starts in the 26th of the 36 periods from 2027Q1 on, since 0.7035·36 = 25.3.
    assert drawn(instance.events[:4]) == [
        ("bans#00001", "bans/quake", range(29, 31), False, [(0.5,), (0.693186, 0.1)]),
        ("bans#00002", "bans/china_ban", range(28, 29), True, [(0.687318,)]),
        ("bans#00003", "bans/china_ban", range(31, 35), True, [(0.944563,)]),
        ("bans#00004", "bans/china_ban", range(31, 34), True, [(0.734284,)]),
    ]


def test_raw_stream_is_that_of_numpy() -> None:
    # The first raw integers of PCG64 from SeedSequence([7, 11]); NumPy guarantees them.
    raw = np.random.PCG64(np.random.SeedSequence([7, 11])).random_raw(3)
    assert raw.tolist() == [2928435073059490798, 9082184335266424841, 6194819796556812793]


def test_first_samples_stay_when_the_count_grows(cell: Cell) -> None:
    few, many = bans(cell), bans(cell, ("count: 200", "count: 3000"))
    assert drawn(many.events[:200]) == drawn(few.events)
    assert [event.name for event in many.events[::1000]] == ["bans#00001", "bans#01001", "bans#02001"]


def test_a_new_event_takes_samples_and_changes_no_other(cell: Cell) -> None:
    few = bans(cell)
    more = bans(cell, ("      quake:", "      flood: {cuts: [{region: japan, severity: 1}]}\n      quake:"))
    pairs = list(zip(drawn(few.events), drawn(more.events), strict=True))
    stolen = [new for old, new in pairs if new != old]
    assert {new[1] for new in stolen} == {"bans/flood"}
    assert 20 < len(stolen) < 60  # a fifth of 200


def test_name_and_seed_make_other_samples(cell: Cell) -> None:
    first = [event.periods for event in bans(cell).events]
    for change in (("  bans:", "  bands:"), ("seed: 7", "seed: 8")):
        assert [event.periods for event in bans(cell, change).events] != first


def test_shares_windows_and_severities(cell: Cell) -> None:
    events = bans(cell, ("count: 200", "count: 20k")).events
    quakes = [event for event in events if event.entry == "bans/quake"]
    assert len(quakes) / 20_000 == pytest.approx(0.25, abs=0.01)
    assert sum(event.probability for event in events) == pytest.approx(0.3)
    assert {event.periods.start for event in events} == set(range(4, 40))
    assert max(event.periods.stop for event in events) == 40
    assert {len(event.periods) for event in quakes} == {1, 2}
    assert not any(event.spec.deliberate for event in quakes)
    assert {cut.severity for event in quakes for cut in event.spec.cuts[:1]} == {(0.5,)}
    bites = [event.spec.cuts[1].severity for event in quakes]
    assert all(0.2 <= first <= 0.9 and last == 0.1 for first, last in bites)
    whole = [event for event in events if event.entry == "bans/china_ban" and event.periods.stop < 40]
    severities = [event.spec.cuts[0].severity[0] for event in whole]
    assert np.mean(severities) == pytest.approx(2 / 3, abs=0.01)
    assert all(event.spec.reliability == {"deal": 0.5} for event in events)


def test_lengths_are_the_nearest_whole_periods(cell: Cell) -> None:
    # Uniform from 1 to 9 months by quarter: below 4.5 months one, 7.5 and more three, two between.
    short = "  one: {count: 20k, months: {uniform: [1, 9]}, start: 2027, cuts: [{region: china, severity: 1}]}"
    lengths = [len(event.periods) for event in cell(HEAD, "ensembles:", short).events]
    shares = [lengths.count(n) / 20_000 for n in (1, 2, 3)]
    assert shares == pytest.approx([3.5 / 8, 3 / 8, 1.5 / 8], abs=0.01)


def test_short_form_is_one_event_named_by_its_ensemble(cell: Cell) -> None:
    text = "  one: {count: 3, months: 6, start: [2027, 2030], cuts: [{region: [home, china], severity: 0.5}]}"
    instance = cell(HEAD, "ensembles:", text)
    assert [event.name for event in instance.events] == ["one#00001", "one#00002", "one#00003"]
    assert {event.entry for event in instance.events} == {"one"}
    assert {event.periods.start for event in instance.events} <= {4, 16}
    first, other, _ = instance.events
    assert first.spec.cuts[0] is other.spec.cuts[0]
    assert first.spec.cuts[0].region == ("usa", "china")


def test_the_target_of_a_cut_is_shared_by_all_samples(cell: Cell) -> None:
    cuts = [event.spec.cuts[0] for event in bans(cell).events if event.entry == "bans/china_ban"]
    assert len({id(cut.region) for cut in cuts}) == 1


def test_one_draw_moves_cuts_together_and_scale_all_of_them(cell: Cell) -> None:
    two = "[{region: china, severity: {uniform: [0, 1]}%s}, {region: japan, severity: {uniform: [0, 0.5]}%s}]"
    head = "  one: {count: 50, months: 6, cuts: "
    apart = cell(HEAD, "ensembles:", f"{head}{two % ('', '')}}}").events
    joint = cell(HEAD, "ensembles:", f"{head}{two % (', draw: asia', ', draw: asia')}}}").events
    for event in joint:
        one, other = (cut.severity[0] for cut in event.spec.cuts)
        assert other == pytest.approx(one / 2, abs=2e-6)
    assert any(abs(e.spec.cuts[1].severity[0] - e.spec.cuts[0].severity[0] / 2) > 0.1 for e in apart)
    scaled = cell(HEAD, "ensembles:", f"{head}{two % ('', '')}, scale: 2}}").events
    for event, plain in zip(scaled, apart, strict=True):
        for cut, was in zip(event.spec.cuts, plain.spec.cuts, strict=True):
            assert cut.severity[0] == pytest.approx(min(1.0, 2 * was.severity[0]), abs=2e-6)


def test_events_are_those_of_shocks_then_of_ensembles(cell: Cell) -> None:
    shocks = "shocks: {zero: {start: [2027, 2028], months: 6, cuts: [{region: china, severity: 1}]}}"
    instance = cell(HEAD, shocks, "ensembles:", BANS)
    assert [event.name for event in instance.events[:3]] == ["zero@2027Q1", "zero@2028Q1", "bans#00001"]
    assert len(instance.events) == 202
    assert without_shocks(instance).events == ()
    assert [event.name for event in without_ensembles(instance).events] == ["zero@2027Q1", "zero@2028Q1"]


def test_there_and_back(cell: Cell) -> None:
    for instance in (bans(cell), resample(bans(cell), 50, seed=3), so.without(bans(cell), ["plant"])):
        data = instance.to_dict()
        again = so.read(json.loads(json.dumps(data)))
        assert again == instance
        assert again.to_dict() == data
        assert drawn(again.events) == drawn(instance.events)
        assert drawn(pickle.loads(pickle.dumps(instance)).events) == drawn(instance.events)


def test_without_an_option_all_else_is_drawn_as_before(cell: Cell) -> None:
    instance = bans(cell)
    left = so.without(instance, ["plant", "deal"])
    assert left.ensembles["bans"].reliability == {}
    for event, before in zip(left.events, instance.events, strict=True):
        assert event.periods == before.periods
        assert [cut.severity for cut in event.spec.cuts] == [
            cut.severity for cut in before.spec.cuts if cut.process is None
        ]


def test_overrides_reach_into_an_ensemble(tmp_path: Path) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(HEAD + "ensembles:\n" + BANS)
    assert len(so.load(file, ["ensembles.bans.count=30"]).events) == 30
    spec = so.load(file, ["ensembles.bans.months.triangular.2=36"]).ensembles["bans"]
    assert spec.months is not None
    assert (spec.months.low, spec.months.high) == (3, 36)
    assert so.load(file, ["ensembles.bans.events.quake.weight=0"]).events[0].entry == "bans/china_ban"
    with pytest.raises(so.InstanceError, match=r"--set ensembles\.bans\.count=0: .*0 is no whole number"):
        so.load(file, ["ensembles.bans.count=0"])


# Drawn anew


def test_resampled_scales_counts_and_replaces_seeds(cell: Cell) -> None:
    other = "  floods: {count: 100, seed: 1, months: 6, probability: 0.1, cuts: [{region: japan, severity: 1}]}"
    shocks = "shocks: {zero: {start: 2027, months: 6, cuts: [{region: china, severity: 1}]}}"
    instance = cell(HEAD, shocks, "ensembles:", BANS, other)
    again = resample(instance, 1000, seed=99)
    assert again.shocks == {}
    assert {name: spec.count for name, spec in again.ensembles.items()} == {"bans": 667, "floods": 333}
    assert {spec.seed for spec in again.ensembles.values()} == {99}
    assert sum(event.probability for event in again.events) == pytest.approx(0.4)
    assert drawn(resample(instance, 1000, seed=99).events) == drawn(again.events)
    assert [*resample(instance, 1, seed=5).ensembles] == ["bans"]
    for samples, seed in ((0, 1), (100_001, 1), (5, -1)):
        with pytest.raises(ValueError, match="write a whole number from"):
            resample(instance, samples, seed=seed)


def test_resampled_varies_the_listed_shocks_where_there_are_no_ensembles(cell: Cell) -> None:
    shocks = """\
shocks:
  ban: {start: 2027, months: 6, probability: 0.2, deliberate: true, demand: {all: 2}, cuts: [
    {region: china, severity: [0.8, 0.4]}, {region: japan, severity: 0.2}]}
  quake: {start: [2027, 2028], grid: {months: [12, 24]}, cuts: [{region: japan, severity: 1}]}
"""
    instance = cell(HEAD, shocks)
    events = resample(instance, 8000, seed=1).events
    assert [event.name for event in events[:2]] == ["varied#00001", "varied#00002"]
    kinds = [event.entry for event in events]
    assert {*kinds} == {"varied/ban", "varied/quake@12mo", "varied/quake@24mo"}
    assert kinds.count("varied/ban") / 8000 == pytest.approx(0.5, abs=0.02)
    assert kinds.count("varied/quake@12mo") / 8000 == pytest.approx(0.25, abs=0.02)
    assert {event.probability for event in events} == {0.0}
    assert {event.periods.start for event in events} == set(range(40))
    struck = [event for event in events if event.entry == "varied/ban"]
    for event in struck:
        (first, later), (second,) = (cut.severity for cut in event.spec.cuts)
        assert 0.1 <= second <= 0.25
        assert first == pytest.approx(min(1.0, 4 * second), abs=5e-6)
        assert later == pytest.approx(2 * second, abs=5e-6)
        assert event.spec.deliberate
        assert event.spec.demand == {"all": 2}
        assert 1 <= len(event.periods) <= 4
    quakes = [event.spec.cuts[0].severity[0] for event in events if event.entry != "varied/ban"]
    assert max(quakes) == 1.0
    assert resample(without_shocks(instance), 10, seed=1).events == ()


# Solved


def test_same_optimum_as_the_samples_written_out(cell: Cell, solve: Callable[..., so.Result]) -> None:
    head = HEAD.replace("step: quarter", "step: year").replace("capacity: 1000", "capacity: 50")
    drawing = """\
ensembles:
  bans:
    count: 12
    probability: 0.24
    months: {uniform: [12, 36]}
    events:
      ban: {weight: 2, cuts: [{region: china, severity: {uniform: [0.5, 1]}}]}
      quake: {cuts: [{region: japan, severity: {beta: [4, 2]}}], demand: {all: 1.2}}
"""
    instance = cell(head, drawing)
    listed = [
        f"  s{i}: {{start: {instance.horizon.label(event.periods.start)}, months: {12 * len(event.periods)}, "
        f"probability: 0.02, demand: {{all: {event.spec.demand.get('all', 1)}}}, "
        f"cuts: [{{region: {event.spec.cuts[0].region[0]}, severity: {event.spec.cuts[0].severity[0]}}}]}}"
        for i, event in enumerate(instance.events)
        if event.spec.cuts[0].region
    ]
    result, written = solve(instance), solve(cell(head, "shocks:", *listed))
    assert len(listed) == 12
    assert result.total_cost == pytest.approx(written.total_cost, rel=1e-9)
    assert {event.entry for event in instance.events} == {"bans/ban", "bans/quake"}
    assert audit_result(instance, result).ok


def test_a_cut_says_whether_it_is_deliberate_where_its_event_does_not(cell: Cell) -> None:
    both = "cuts: [{region: china, severity: 0.8}, {region: japan, severity: 0.2, deliberate: false}]"
    ban = f"{{months: 6, deliberate: true, {both}}}"
    listed = cell(HEAD, f"shocks: {{ban: {{start: 2027, {ban[1:]}}}")
    for instance in (resample(listed, 3, seed=1), cell(HEAD, "ensembles:", f"  bans: {{count: 3, {ban[1:]}")):
        for event in instance.events:
            path = instance.path(event)
            assert path.deliberate
            assert set(path.severity) == {"imports"}
            assert set(path.accident) == {"hitachi"}


def test_the_worst_shock_is_one_that_counts(loose: str) -> None:
    # With 1M floors fail in all samples; the one with the largest gap may, so that its gap does not count.
    instance = so.with_budget(so.load(loose), "1M")
    result = so.solve(instance)
    (excused,) = (each for each in result.shocks if each.excused)
    assert excused.gap == max(each.gap for each in result.shocks)
    counted = max((each for each in result.shocks if not each.excused), key=lambda each: each.gap)
    assert dict(facts(instance, result))["Worst shock"].startswith(f"{counted.name} (")
    assert [each.name for each in hardest_of(result.shocks)][-1] == excused.name
