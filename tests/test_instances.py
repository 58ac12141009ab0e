"""The instances that are shipped: sound, sourced, and as interesting as their headers say."""

import re
from pathlib import Path

import pytest
import yaml

import optimizer as so
from optimizer.studies.summary import summarise

INSTANCES = Path(__file__).parent.parent / "instances"
US = INSTANCES / "us-magnets.yaml"
US_2027 = INSTANCES / "us-2027.yaml"
ROUGH = so.Settings(gap=1e-3)


@pytest.fixture(scope="module")
def result() -> so.Result:
    return so.solve(so.load(US), settings=ROUGH)


@pytest.mark.parametrize("path", sorted(INSTANCES.glob("*.yaml")), ids=lambda path: path.stem)
def test_instance_has_no_finding_at_all(path: Path) -> None:
    _, findings = so.inspect(path)
    assert findings == ()


@pytest.mark.parametrize("name", ["us-magnets.yaml", "us-magnets-embedded.yaml"])
def test_nothing_is_bought_without_shocks(name: str) -> None:
    assert summarise(so.load(INSTANCES / name)).bought_in_peace == {}


def test_nothing_is_bought_without_shocks_in_any_future() -> None:
    futures = so.load(US_2027).tree.futures
    assert len(futures) == 4
    for future in futures:
        assert summarise(future.instance).bought_in_peace == {}, future.name


def test_us_2027_is_us_magnets_but_for_what_its_header_says() -> None:
    old, new = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (US, US_2027))
    moved = {
        "processes": {"mp_10x", "mp_heavy_circuit", "mountain_pass_separation", "ndpr_oxide_sales"},
        "options": {"mp_10x", "lynas_texas", "lynas_heavies", "iluka_eneabba", "caremag_offtake", "mp_samarium"},
        "policy": {"budget"},
    }
    for section in ("horizon", "commodities", "processes", "demands", "options", "shocks", "policy"):
        names = old[section].keys() | new[section].keys()
        found = {name for name in names if old[section].get(name) != new[section].get(name)}
        assert found == moved.get(section, set()), section


@pytest.mark.parametrize(("scenario", "count"), [("market", 8), ("three_by_three", 27)])
def test_us_2027_has_larger_trees(scenario: str, count: int) -> None:
    tree = so.under(so.load(US_2027), scenario).tree
    assert len(tree.futures) == count
    assert sum(future.probability for future in tree.futures) == pytest.approx(1)


def test_us_plan_survives_within_its_budget(result: so.Result) -> None:
    assert result.status == "survives"
    assert result.audit["ok"]
    assert len(result.shocks) >= 8
    assert 0 < result.outlay <= result.data["policy"]["budget"]
    # The header says that the cheapest plan that holds has an outlay of 1.09 billion.
    assert result.outlay == pytest.approx(1.09e9, rel=0.1)


def test_us_plan_needs_several_kinds_of_levers(result: so.Result) -> None:
    kinds = {build.kind for build in result.plan.builds}
    kinds |= {"stockpile" for fills in result.plan.fills.values() if any(fills)}
    assert len(kinds) >= 5


def test_doing_nothing_fails(result: so.Result) -> None:
    assert result.nothing is not None
    assert result.nothing.shocks_failed >= 10
    assert result.nothing.gap > 1e10


def test_half_the_budget_leaves_a_gap_and_another_plan(result: so.Result) -> None:
    half = so.solve(so.load(US), budget=result.data["policy"]["budget"] / 2, settings=so.Settings(gap=1e-2))
    assert half.status == "gap"
    assert {build.option for build in half.plan.builds} != {build.option for build in result.plan.builds}


@pytest.mark.parametrize("path", [US, US_2027], ids=lambda path: path.stem)
def test_numbers_have_a_source_or_a_reason(path: Path) -> None:
    # In the body, every line that gives a capacity, a capex or a price has a comment, or one above or below it.
    lines = path.read_text().splitlines()
    body = lines[lines.index("processes:") :]
    bare = [
        line
        for before, line, after in zip(body, body[1:], body[2:], strict=False)
        if re.match(r"\s+(capacity|capex|price|restraint|reliability): *[\d{.]", line)
        and "#" not in before + line + after
    ]
    assert bare == []


def test_embedded_demand_is_several_times_the_direct() -> None:
    direct, embedded = (so.load(INSTANCES / name) for name in ("us-magnets.yaml", "us-magnets-embedded.yaml"))
    totals = [
        sum(d.quantity.at(2030) for d in each.demands.values() if d.commodity.startswith("ndfeb"))
        for each in (direct, embedded)
    ]
    assert totals[1] > 3 * totals[0]
