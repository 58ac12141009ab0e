"""The brief of small instances whose figures are derived by hand: delays, what shocks cut, and what rules ask for."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.instance.reading import instance_of
from optimizer.report.brief.content import make_brief
from optimizer.report.brief.futures import make_futures_brief
from optimizer.report.brief.survival_parts import worst_event
from optimizer.report.brief.writers import brief_pdf
from optimizer.report.figures.plot import maps_of
from optimizer.report.figures.world_map import map_words
from optimizer.report.html.book import book
from optimizer.results.plan import Plan
from optimizer.solver import Settings
from optimizer.studies.compare import frontier
from optimizer.studies.comparison import single_point
from optimizer.studies.delays import find_brief_delays, find_futures_delays, groups_by_future
from optimizer.studies.purchases import Delay, first_year_of_all

ROOT = Path(__file__).parent.parent


def rows_of(brief: Any, part: str) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = brief.to_dict()["parts"][part]["values"]
    return values


# Delays in several futures.

# Imports of 100 t/yr, of which 30 % have to be served in an embargo, at 1,000 a tonne missing. The answer is known in
# 2026: `early` is struck in 2026 and needs 30 t/yr from home at once. `late` is struck in 2029 and 2030; demand is 150
# from 2029 on, so that 50 t/yr are bought then, which imports leave unserved without any shock.
LATE = {
    "shocks.embargo.start": 2029,
    "shocks.embargo.months": 24,
    "demands.motors.quantity": {2028: 100, 2029: 150},
}
TWO_YEARS: Mapping[str, Any] = {
    "name": "two years",
    "horizon": {"start": 2026, "end": 2030, "step": "year"},
    "discount_rate": 0.05,
    "currency": "USD",
    "home": "home",
    "commodities": {"magnet": {}},
    "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 20}},
    "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.3, "shortage_cost": 1000}},
    "options": {
        "plant": {"kind": "refining", "output": {"magnet": 1}, "capex": 50, "cost": 30, "max_size": 100},
    },
    "shocks": {"embargo": {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
}


def two_years(branches: Mapping[str, Any]) -> so.FuturesResult:
    futures = {"when": {"from": 2026, "branches": branches}}
    return so.solve_futures(so.read({**TWO_YEARS, "futures": futures}), settings=Settings(mip_gap=0.0))


@pytest.mark.parametrize("names", [("late", "early"), ("early", "late")])
def test_the_delay_beside_an_order_is_that_of_a_future_that_makes_it(names: tuple[str, str]) -> None:
    """What `early` orders in 2026, 30 t/yr, leaves its whole floor unserved a year later: 30 t at 1,000."""
    every = {"late": {"set": LATE}, "early": {}}
    found = two_years({name: every[name] for name in names})
    delays = find_futures_delays(found, Settings())
    brief = make_futures_brief(instance_of(found), found, delays=delays)
    plant, together, *_ = rows_of(brief, "orders")
    said = "30 t more below floors, survival gap +30k USD in embargo; 1 shock that the plan survives then fails"
    assert (plant["order"], plant["slip"], together["slip"]) == ("plant, 30 t/yr", said, said)
    caption = brief.to_dict()["parts"]["orders"]["table"]["caption"]
    assert "A year later: in the future early; nothing is bought in its place." in caption


def test_the_first_year_is_that_of_the_futures_in_which_something_is_bought() -> None:
    """Where no floor has to be kept and a tonne short costs less than one from home, nothing is bought."""
    calm = {"demands.motors.survival": 0, "demands.motors.shortage_cost": 25}
    found = two_years({"calm": {"set": calm}, "late": {"set": LATE}})
    assert [bool(each.result.plan.builds) for each in found.futures] == [False, True]
    assert first_year_of_all((instance_of(each.result), each.result) for each in found.futures) == 2029
    brief = make_futures_brief(instance_of(found), found).to_dict()["parts"]["orders"]
    assert brief["title"] == "Decisions of 2029"
    assert brief["values"][0]["order"].startswith("plant, ")


def test_orders_are_delayed_one_by_one_in_the_future_with_the_hardest_shock_alone() -> None:
    """Of 30 t/yr for `full` and 24 for `lower`, 20 come from the plant, which is cheaper, and the rest from another."""
    plant = {**TWO_YEARS["options"]["plant"], "max_size": 20}
    branches = {"lower": {"set": {"demands.motors.quantity": 80}}, "full": {}}
    made = {
        **TWO_YEARS,
        "options": {"plant": plant, "other": {**plant, "capex": 60}},
        "futures": {"when": {"from": 2026, "branches": branches}},
    }
    found = so.solve_futures(so.read(made), settings=Settings(mip_gap=0.0))
    together = ("plant", "other")
    assert groups_by_future(found) == {"lower": (together,), "full": (together, ("plant",), ("other",))}


def test_each_order_has_the_delay_that_does_most_damage_and_its_future_where_they_differ() -> None:
    """`high` orders the plant alone, `low` the extension as well; the plant is missed most in `high`."""
    solved = so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml"))
    high, low = solved.futures
    (build,) = low.result.plan.builds
    both = Plan((build, replace(build, option="extension")), {}, {})
    found = replace(solved, futures=(high, replace(low, result=replace(low.result, plan=both))))

    def delay(options: tuple[str, ...], gap: float) -> Delay:
        return Delay(options, (), "embargo", gap, gap / 1e6, gap / 1e6, gap, 0.0)

    delays = {
        "high": [delay(("plant",), 3e6)],
        "low": [delay(("extension", "plant"), 4e6), delay(("plant",), 1e6), delay(("extension",), 2e6)],
    }
    brief = make_futures_brief(instance_of(found), found, delays=delays)
    slips = {row["order"].partition(",")[0]: row["slip"] for row in rows_of(brief, "orders") if row["slip"]}
    said = {name: slip.partition(",")[0] for name, slip in slips.items()}
    assert said == {
        "plant": "high: 3 t more below floors",
        "extension": "low: 2 t more below floors",
        "Together (2)": "low: 4 t more below floors",
    }
    assert "in the future that is named; nothing" in brief.to_dict()["parts"]["orders"]["table"]["caption"]
    # What was looked at in no future that makes the order is not computed.
    few = make_futures_brief(instance_of(found), found, delays={"high": delays["high"]})
    assert [row["slip"] for row in rows_of(few, "orders")][1] == "not computed"


# What breaks rules, and what a shock cuts.

# Imports of 100 t/yr serve 50, a tenth of which has to be served in an embargo of half of the imports: nothing has to
# be bought for it. Rules ask for a plant of 5 t/yr: it is forced in 2026, and serves the floor of 5 t without imports.
RULED: Mapping[str, Any] = {
    "name": "ruled",
    "currency": "USD",
    "horizon": {"start": 2026, "end": 2028, "step": "year"},
    "home": "usa",
    "commodities": {"magnet": {}},
    "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 10}},
    "demands": {"motors": {"commodity": "magnet", "quantity": 50, "survival": 0.1, "shortage_cost": 1000}},
    "options": {"plant": {"kind": "refining", "output": {"magnet": 1}, "cost": 50, "capex": 100, "max_size": 20}},
    "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 0.5}]}},
    "policy": {
        "force": {"plant": {"2026": 5}},
        "min_time_to_survive": [{"cuts": [{"region": "rival", "severity": 1}], "months": 3}],
    },
}


def test_a_delay_after_which_nothing_more_goes_unserved_names_the_rules_that_it_breaks() -> None:
    """A year later the plant is not forced when it should be, and no floor holds without imports in 2026: two rules."""
    instance = so.read(RULED)
    found = so.solve(instance, settings=Settings(mip_gap=0.0))
    delays = find_brief_delays(instance, found, Settings())
    assert [len(delay.broken_rules) for delay in delays] == [2]
    (row,) = rows_of(make_brief(instance, found, delays=delays), "orders")
    assert (row["order"], row["slip"]) == (
        "plant, 5 t/yr",
        "nothing more goes unserved; it breaks 2 rules of the file (policy.force: the plan does not have 5 t/yr of "
        "plant bought in 2026; and 1 more)",
    )


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("force", "a higher cost, a worse shock or breaking a rule of the file (force)"),
        ("min_time_to_survive", "a higher cost, a worse shock or breaking a rule of the file (min_time_to_survive)"),
        ("", "a higher cost or a worse shock"),
    ],
)
def test_a_purchase_that_a_rule_asks_for_is_no_waste_and_doing_nothing_is_not_held_to_it(
    rule: str, why: str, tmp_path: Path
) -> None:
    """Without the plant 500 USD are saved, and the embargo of half of the imports is survived: a rule asks for it.

    Without rules all of the imports are cut, so that the plant is bought for its 5 t.
    """
    policy = {rule: RULED["policy"][rule]} if rule else {}
    cut = {"region": "rival", "severity": 0.5 if rule else 1}
    shocks = {"embargo": {"start": 2027, "months": 12, "cuts": [cut]}}
    instance = so.read({**RULED, "shocks": shocks, "policy": policy})
    found = so.solve(instance, settings=Settings(mip_gap=0.0))
    assert [(build.option, build.size) for build in found.plan.builds] == [("plant", pytest.approx(5))]
    file, plan = tmp_path / "ruled.json", tmp_path / "plan.json"
    file.write_text(json.dumps(instance.to_dict()))
    plan.write_text(found.to_json())
    said = CliRunner().invoke(app, ["evaluate", str(file), "--plan", str(plan)]).stdout
    assert f"none: nothing can be left out without {why} Optimum" in " ".join(said.replace("│", " ").split())
    caption = make_brief(instance, found).to_dict()["parts"]["alternatives"]["table"]["caption"]
    assert ("Doing nothing is" in caption) is bool(rule)
    assert not rule or f"Doing nothing is not held to rules of the file ({rule})." in caption


def test_the_note_on_cuts_counts_what_loses_some_within_the_worst_shock() -> None:
    """The embargo of 2027 takes all of the imports, and nothing of `other` and of the plant, which serve 40 of 75 t.

    `late` is on line in 2028, after the embargo; `closed` has no capacity any more in 2027. In a second case the
    embargo lasts till 2028, takes all of `late` then, and a tenth of the plant, which is ordered in 2027.
    """
    magnet = {"magnet": 1}
    data: dict[str, Any] = {
        "name": "cut",
        "horizon": {"start": 2026, "end": 2029, "step": "year"},
        "currency": "USD",
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {
            "imports": {"region": "rival", "output": magnet, "capacity": 100, "cost": 20},
            "closed": {"region": "rival", "output": magnet, "capacity": {2026: 5, 2027: 0}, "cost": 40},
            "other": {"region": "friend", "output": magnet, "capacity": 10, "cost": 25},
        },
        "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 1000}},
        "options": {
            "plant": {"kind": "refining", "output": magnet, "capex": 10, "max_size": 30, "cost": 30},
            "late": {"kind": "ally", "region": "rival", "output": magnet, "capex": 10, "max_size": 30, "cost": 30,
                     "lead_time": 24},
        },
        "shocks": {
            "embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1},
                                                              {"region": ["home", "friend"], "severity": 0}]},
            "other": {"start": 2029, "months": 12, "cuts": [{"process": "imports", "severity": 1}]},
        },
    }  # fmt: skip

    def notes_of(instance: so.Instance) -> list[str]:
        found = so.solve(instance)
        assert {build.option for build in found.plan.builds} == {"plant", "late"}
        assert worst_event(instance, found).name == "embargo"
        return [note for note in make_brief(instance, found).notes if note.startswith("The worst shock cuts")]

    assert notes_of(so.read(data)) == []
    shock = {"start": 2027, "months": 24, "cuts": [{"region": "rival", "severity": 1},
                                                   {"region": "home", "severity": [0, 0.1]}]}  # fmt: skip
    (said,) = notes_of(so.read({**data, "shocks": {**data["shocks"], "embargo": shock}}))
    assert said.startswith("The worst shock cuts 1 existing source")
    assert said.index("plant, on line from 2027") < said.index("late, on line from 2028")


# Samples that may fail.

# Imports of 100 t/yr serve 100, of which 30 % have to be served. Of four samples that cut imports by 50 to 100 % a
# share has to be survived; `#00004` is the deepest, by 94.6 %.
SAMPLES: Mapping[str, Any] = {
    "name": "samples",
    "horizon": {"start": 2026, "end": 2028, "step": "year"},
    "currency": "USD",
    "home": "home",
    "commodities": {"magnet": {}},
    "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 20}},
    "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.3, "shortage_cost": 1000}},
    "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 0.75}]}},
}
RESERVE = {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 30, "max_size": 100}}


def samples(survive: float, options: Mapping[str, Any]) -> tuple[so.Instance, so.Result]:
    severity = {"uniform": [0.5, 1]}
    trouble = {"count": 4, "seed": 1, "start": [2027, 2028], "months": 12, "survive": survive,
               "cuts": [{"region": "rival", "severity": severity}]}  # fmt: skip
    instance = so.read({**SAMPLES, "options": options, "ensembles": {"trouble": trouble}})
    return instance, so.solve(instance, settings=Settings(mip_gap=0.0))


def test_a_sample_that_may_fail_is_not_the_worst_where_a_shock_fails_that_counts() -> None:
    """With nothing to buy the embargo leaves 25 t of 30: 5k. The deepest sample leaves 5.4 t, and may fail."""
    instance, found = samples(0.25, {})
    gaps = {each.name: each.gap for each in found.shocks if each.gap > 0}
    assert max(gaps, key=lambda name: gaps[name]) == "trouble#00004"
    assert gaps["embargo"] == pytest.approx(5e3)
    own = book(instance, single_point(instance, found), is_quick=True)
    assert [each.path for each in maps_of(own)] == ["baseline", "embargo"]
    (row,) = rows_of(make_brief(instance, found), "unserved")
    assert (row["served"], row["floor"], row["shock"]) == ("25 %", "30 % ✗", "embargo")
    assert row["shortage"] == pytest.approx(75)


def test_a_sample_that_may_fail_is_said_to_where_it_is_shown() -> None:
    """Two have to be survived: a reserve of 12.4 t keeps the floor of `#00002`, and 17.8 t are served in `#00004`.

    The map shows the former, in which the floor just holds: it is the tightest of those that count.
    """
    instance, found = samples(0.5, RESERVE)
    assert found.survives
    own = book(instance, single_point(instance, found), is_quick=True)
    assert [each.path for each in maps_of(own)] == ["baseline", "trouble#00002"]
    (row,) = rows_of(make_brief(instance, found), "unserved")
    assert (row["served"], row["shock"]) == ("17.8 %", "trouble · #00004, which may fail")
    named = maps_of(own, "trouble#00004")[1]
    assert map_words(instance, named).startswith("trouble#00004, which may fail, 2028: ")
    assert "may fail" not in map_words(instance, maps_of(own)[1])


# The PDF.


def words_of(text: str) -> list[str]:
    return text.replace(">", " ").split()


def test_the_pdf_breaks_no_word_and_no_number() -> None:
    """The alternatives have seven columns, too many for a column of the page: all of their words are whole."""
    instance = so.load(ROOT / "instances" / "tiny.yaml")
    found = so.solve(instance)
    made = frontier(instance, found, [5.75e6, 8.63e6])
    data = make_brief(instance, found, frontier=made, delays=find_brief_delays(instance, found, Settings())).to_dict()
    (only,) = PdfReader(io.BytesIO(brief_pdf(data))).pages
    written = {*only.extract_text().split()}
    cells = {
        name: [*part["table"]["head"], *(cell for row in part["table"]["rows"] for cell in row)]
        for name, part in data["parts"].items()
        if part["table"]
    }
    assert {"Budget", "8.63M", "survived", "nothing"} <= {*words_of(" ".join(cells["alternatives"]))}
    assert [word for some in cells.values() for word in words_of(" ".join(some)) if word not in written] == []


@pytest.mark.parametrize(("columns", "is_whole"), [(6, True), (9, True), (14, False)])
def test_the_type_of_the_pdf_is_so_small_that_words_of_tables_are_whole(columns: int, is_whole: bool) -> None:
    """A word of 13 letters is 27 mm wide at the largest size, 9, and 17 at the smallest; a table has 186."""
    table = {"head": ["understanding"] * columns, "rows": [["understanding"] * columns], "caption": ""}
    part = {"title": "Orders", "sentences": [], "table": table, "bars": [], "strong": [], "lacks": ""}
    head = dict.fromkeys(("title", "about", "verdict", "sentence"), "words")
    data = {**head, "survives": True, "notes": [], "warnings": [], "parts": {"orders": part}}
    (only,) = PdfReader(io.BytesIO(brief_pdf(data))).pages
    assert (only.extract_text().split().count("understanding") == 2 * columns) is is_whole


def test_a_row_of_several_dates_counts_the_segments_of_all_that_fail() -> None:
    # Nothing is left in either year. In 2027 army lacks 10 t of its floor, 1,000 USD; in 2028 cars lack 8 t, 400 USD.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 30}},
            "demands": {
                "army": {"commodity": "magnet", "quantity": 10, "survival": {2027: 1, 2028: 0}, "shortage_cost": 100},
                "cars": {"commodity": "magnet", "quantity": 20, "survival": {2027: 0, 2028: 0.4}, "shortage_cost": 50},
            },
            "shocks": {"ban": {"start": [2027, 2028], "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        }
    )
    (row,) = rows_of(make_brief(instance, so.solve(instance)), "survival")
    assert row["verdict"] == "✗ 2 of 2 fail: army and 1 more"
    assert row["gap"] == pytest.approx(1_000)
