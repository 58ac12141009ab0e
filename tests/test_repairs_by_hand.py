"""What would make a shock survivable, and what attacks cost: figures worked out by hand, as they are printed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from optimizer.cli.app import app

CASES = Path(__file__).parent / "cases" / "futures"
# Imports of 100 t/yr, all of which an embargo takes from 2027 on; 30 of 100 t/yr have to be served.
BASE: Mapping[str, Any] = {
    "name": "cut",
    "currency": "USD",
    "horizon": {"start": 2026, "end": 2029, "step": "quarter"},
    "home": "home",
    "commodities": {"magnet": {}},
    "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 10}},
    "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.3, "shortage_cost": 1000}},
    "shocks": {"embargo": {"start": "2027Q1", "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
}
PLANT = {"kind": "refining", "output": {"magnet": 1}, "capex": 50, "cost": 30, "max_size": 40, "lead_time": 24}
RESERVE = {"kind": "stockpile", "commodity": "magnet", "price": 20, "max_size": 20}


def printed(folder: Path, *words: str, **parts: Any) -> str:
    """What a command says of a file, in one line."""
    file = folder / "cut.json"
    file.write_text(json.dumps({**BASE, **parts}), encoding="utf-8")
    command, *more = words
    done = CliRunner().invoke(app, [command, str(file), *more], env={"COLUMNS": "160", "NO_COLOR": "1"})
    assert done.exit_code == 4, done.output
    return " ".join(done.stdout.replace("│", " ").split())


def test_how_much_sooner_a_plant_would_have_to_come(tmp_path: Path) -> None:
    """Ordered in 2026Q1, the plant is on line in 2028Q1; it is needed in 2027Q1, four quarters sooner."""
    said = printed(tmp_path, "explain", options={"plant": PLANT})
    assert "12 months sooner, by a shorter lead time or an order before 2026; 9 months would not be enough." in said
    # 30 t/yr of plant cost 1,500 beside four years of imports for 1,000.
    assert "With this repair the plan costs 5,500 USD, with an outlay of 1,500 USD." in said
    # Less demand is shown as a distance, without the mark of what works.
    less = "· Less demand 100 % lower (by 100 t/yr). 99 % is not enough."
    assert f"{less} That shows how far off survival is; it is no repair." in said
    assert "✗ Shorter shocks cannot work: with every shock shortened to 3 months, not all are survived." in said
    assert "✗ Lower floors cannot work: only without any floor." in said


def test_how_short_a_shock_would_have_to_be(tmp_path: Path) -> None:
    """7.5 t a quarter are the floor: 20 t in store last two quarters, six months, and 2.5 t are short in the third."""
    said = printed(tmp_path, "explain", options={"reserve": RESERVE})
    costs = "With this repair the plan costs 4,300 USD, with an outlay of 300 USD."
    assert f"with every shock shortened to 6 months at most, all are survived; to 9 months, not all. {costs}" in said


def test_how_much_of_the_floor_could_be_kept(tmp_path: Path) -> None:
    """20 t of 30: two thirds of the floor, 66.67 %, rounded down to a tenth of a per cent."""
    said = printed(tmp_path, "explain", options={"reserve": RESERVE})
    assert "66.6 % of every floor: motors 20.0 %. No more than 66.67 % can be kept (proven)." in said
    # What it costs: imports for 4,000, and 20 t at 20. A point of the floor is 1 t, a hundredth of the stock 0.2 t.
    assert "With this repair the plan costs 4,400 USD, with an outlay of 400 USD." in said
    assert "the floor of motors in embargo one point lower 1,000 the largest stock of reserve 1 % more 200" in said


def test_how_much_lower_demand_would_have_to_be(tmp_path: Path) -> None:
    """20 t are 30 % of 66.67: demand would have to be 33.33 % lower, and 33 % is not enough.

    Of 66 t/yr 19.8 t are the floor, for 396; imports cost 2,640.
    """
    said = printed(tmp_path, "explain", options={"reserve": RESERVE})
    costs = "With this repair the plan costs 3,036 USD, with an outlay of 396 USD."
    less = f"Less demand 34 % lower (by 34 t/yr). 33 % is not enough. {costs}"
    assert less in said
    assert "✗ Sooner: all cannot work: no option has a lead time." in said


def test_how_much_lower_the_demand_of_a_segment_with_a_floor_in_one_shock_would_have_to_be(tmp_path: Path) -> None:
    """Motors need 10 t and lamps, in the embargo alone, 20 t of the 20 t in store: half of the lamps are too many."""
    lamps = {"commodity": "magnet", "quantity": 40, "shortage_cost": 500}
    strike = {"start": "2029Q1", "months": 3, "cuts": [{"region": "rival", "severity": 0.1}]}
    said = printed(
        tmp_path,
        "explain",
        options={"reserve": RESERVE},
        demands={"motors": {**BASE["demands"]["motors"], "survival": 0.1}, "lamps": lamps},
        shocks={"embargo": {**BASE["shocks"]["embargo"], "survival": {"lamps": 0.5}}, "strike": strike},
    )
    assert "✓ Less demand: 50 % lower (by 20 t/yr). 49 % is not enough." in said


def test_what_a_deterred_attack_costs_the_adversary() -> None:
    # By hand in the file: 8 and 5 for 0.4002 of leverage, of a budget of 10. It would leave all of 10 t short.
    words = ["attack", str(CASES / "hand_deter.yaml")]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "160", "NO_COLOR": "1"})
    said = " ".join(done.stdout.replace("│", " ").split())
    wanted = "Deterred 1 attack of the table below that would break a floor; the cheapest is ban"
    assert wanted in said
    assert "at a cost of 10.001 USD to the adversary" in said


def test_no_attack_is_deterred_that_cannot_be_afforded() -> None:
    """An attack that costs 12 of a budget of 10 is never made, with or without leverage."""
    words = ["attack", str(CASES / "hand_deter.yaml"), "--set", "adversary.targets.ban.price=12"]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "160", "NO_COLOR": "1"})
    said = " ".join(done.stdout.replace("│", " ").split())
    assert "Deterred none: the plan withstands every attack that can be afforded" in said
    # Without money it fails in an attack that costs 5.
    words = [*words[:2], "--set", "adversary.targets.ban.price=5", "--budget", "0"]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "160", "NO_COLOR": "1"})
    said = " ".join(done.stdout.replace("│", " ").split())
    assert "Deterred none: the plan fails in some attack that can be afforded" in said
