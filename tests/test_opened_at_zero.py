"""Options that are opened at size 0 because another one requires them: they are bought, in every study, by hand."""

import io
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

import optimizer as so
from optimizer.report.figures.answers import chart_of
from optimizer.report.tables.alternatives import alternatives_parts
from optimizer.report.tables.compare import grid_parts
from optimizer.solver import Settings
from optimizer.studies.comparison import Breakpoint, BudgetStep
from optimizer.studies.purchases import sizes_bought
from tests.test_cli import diversify

EXACT = Settings(mip_gap=0.0, accuracy=0.0)


def printed(parts: Any, width: int = 80) -> str:
    screen = Console(width=width, record=True, file=io.StringIO())
    for part in parts:
        screen.print(part)
    return " ".join(screen.export_text().split())


def site_and_plant(**more: Any) -> dict[str, Any]:
    """Half of 50 t has to come from the plant in 2027; it needs the site, whose own capacity is dear: 500 a tonne."""
    common = {"kind": "refining", "output": {"magnet": 1}}
    return {
        "name": "opened",
        "horizon": {"start": 2026, "end": 2028, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 10}},
        "demands": {"motors": {"commodity": "magnet", "quantity": 50, "survival": 0.5, "shortage_cost": 1000}},
        "options": {
            "site": common | {"cost": 50, "capex": 500, "fixed_cost": 1000, "max_size": 20},
            "plant": common | {"cost": 20, "capex": 100, "fixed_cost": 10, "max_size": 60, "requires": "site"},
        },
        "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    } | more


def test_every_plan_opens_what_it_requires_by_hand() -> None:
    # 3,510 of outlay and 1,500 for imports; 10 % of 3,510 is 351. A tonne of the site's own saves one of the plant's:
    # 351 / (500 − 100) = 0.8775 t of it, and 24.1225 t of the plant; or 3.51 t more of the plant.
    found = so.alternatives(so.read(site_and_plant()), 0.1, 1, settings=EXACT, patience=math.inf)
    assert found.cheapest.total_cost == pytest.approx(5010)
    site, plant = found.ranges
    assert (site.verdict, plant.verdict) == ("must-have", "must-have")
    assert (site.least.size, site.cheapest, site.greatest.size) == (0, 0, pytest.approx(0.8775, rel=1e-3))
    assert (plant.least.size, plant.greatest.size) == (pytest.approx(24.1225, rel=1e-4), pytest.approx(28.51, rel=1e-4))
    text = printed(alternatives_parts(found, 80))
    assert "of 2 options 2 are in every plan" in text
    assert "site · refining in every plan 0 0 0.877 plant" in text
    assert "site, t/yr 0 0.877 " in text
    assert "0: opened at size 0, for another option that requires it." in text


@pytest.mark.parametrize(
    ("friend", "verdicts"),
    [
        # Either of two plants needs the site, so that no plan does without it: 100 + 1 + 60 · 10 = 701.
        (None, {"site": "must-have", "a": "real choice", "b": "real choice"}),
        # Without plants a friend's 60 t cost 660, and 10 % more is 726.
        (11, {"site": "real choice", "a": "real choice", "b": "real choice", "friend": "real choice"}),
        # At 8 a tonne 60 t cost 480, and 10 % more is 528: no plan pays the 101 for a site and a plant.
        (8, {"site": "never worth it", "a": "never worth it", "b": "never worth it", "friend": "must-have"}),
    ],
)
def test_what_is_opened_at_size_zero_alone_is_judged_by_its_opening(
    friend: float | None, verdicts: dict[str, str]
) -> None:
    # One year; without imports 60 t of 100 have to be served. A line of the site costs 5,000: nobody pays for one.
    common = {"kind": "refining", "output": {"magnet": 1}, "max_size": 60}
    options: dict[str, Any] = {
        "site": common | {"capex": 1000, "unit_size": 5, "fixed_cost": 100},
        "a": common | {"capex": 10, "fixed_cost": 1, "requires": "site"},
        "b": common | {"capex": 10, "fixed_cost": 1, "requires": "site"},
    }
    if friend is not None:
        options["friend"] = common | {"capex": friend}
    data = site_and_plant(
        horizon={"start": 2026, "end": 2026, "step": "year"},
        processes={"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100}},
        demands={"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.6, "shortage_cost": 1000}},
        options=options,
        shocks={"stop": {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    )
    found = so.alternatives(so.read(data), 0.1, 0, settings=EXACT, patience=math.inf)
    assert {each.option: each.verdict for each in found.ranges} == verdicts
    (site,) = [each for each in found.ranges if each.option == "site"]
    assert (site.least.size, site.greatest.size) == (0, 0)
    # In the figure its bar is full where every plan opens it; the cheapest opens it if there is no friend.
    bars = {each.label: (each.parts[0][:2], each.mark) for each in chart_of(found).rows}
    least = float(friend is None)
    assert bars.get("site") == (None if friend == 8 else ((least, 1.0), least))


def test_budgets_side_by_side_have_a_row_for_it_by_hand() -> None:
    # The site takes 1,000 and the plant 10. Of 1,005 there are 5 left for 5 / 500 t of the site's own; of 1,210 there
    # are 200 left for 2 t of the plant, and the site stays open for it at size 0.
    found = so.compare(so.read(site_and_plant()), [900, 1005, 1210], facts=(), settings=EXACT)
    none, small, large = (column.result for column in found.columns)
    assert [sizes_bought(each) for each in (none, small, large)] == [
        {},
        {"site": pytest.approx(0.01, rel=1e-3)},
        {"site": 0, "plant": pytest.approx(2, rel=1e-3)},
    ]
    text = printed(grid_parts(found, 80))
    assert "site, t/yr – ▲ 0.01 ▼ 0 plant, t/yr – – ▲ 2 " in text
    parts = Breakpoint("", 1005, 1210, small, large).parts
    assert (parts["added"], parts["dropped"]) == (("plant",), ())
    assert BudgetStep("", 900, 310, none, large).changes == {"site": 0, "plant": pytest.approx(2, rel=1e-3)}


def test_an_order_without_regret_says_that_nothing_of_it_is_needed(tmp_path: Path) -> None:
    # Both futures are the same: their informed plans open the site in 2027, before the question is answered.
    data = site_and_plant(futures={"later": {"from": 2028, "branches": {"one": {}, "two": {}}}})
    file = tmp_path / "opened.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    words = " ".join(diversify("futures", str(file), "--accuracy", "0", "--jobs", "1").stdout.replace("│", " ").split())
    assert "No regret site, opened at size 0 for another that requires it; plant, 25 t/yr: in the informed" in words
