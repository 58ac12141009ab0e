"""diversify survive: the table first, clean JSON and CSV, exit codes."""

import csv
import json
from pathlib import Path

import pytest

from tests.test_cli import TINY, US, diversify

RULE = "policy.min_time_to_survive=[{cuts: [{region: rival, severity: 1}], months: 12}]"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    assert diversify("solve", TINY, "--output", str(path)).returncode == 0
    return str(path)


def test_the_table_comes_first_and_fits(plan: str) -> None:
    for columns in (80, 120):
        done = diversify("survive", TINY, "--plan", plan, columns=columns)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert max(map(len, done.stdout.splitlines())) <= columns
        assert done.stdout.startswith("tiny: 3 of 3 chokepoints can break a floor")
        assert "magnets, rival in 2027; at the start of 2026, before" in " ".join(done.stdout.split())
        # 2027, the year of the first shock: a floor of 30 t, 60 t in store: 2 years.
        assert "Chokepoint 2026 2027 2030" in " ".join(done.stdout.split())
        assert "0 → 24.0" in done.stdout
        assert ("Worst year" in done.stdout) == (columns == 120)


def test_the_record_of_changes_has_a_long_value_whole() -> None:
    done = diversify(
        "solve",
        TINY,
        "--set",
        "policy.min_time_to_survive=[{cuts: [{region: rival, severity: 1}], months: 12, from: 2028}]",
    )
    said = " ".join(done.stdout.split())
    value = "[{cuts: [{region: rival, severity: 1}], months: 12, from: 2028}]"
    assert f"Changed in the file: policy.min_time_to_survive {value}." in said


def test_the_year_of_the_headline_is_among_those_shown() -> None:
    # 100 t in store and floors of 10 t, of 90 t in 2027 alone: 13.3 months then.
    floor = ("--set", "demands.motors.survival={2026: 0.1, 2027: 0.9, 2028: 0.1}")
    done = diversify("survive", TINY, *floor, "--set", "options.reserve.initial=100", "--budget", "0")
    said = " ".join(done.stdout.split())
    assert "the shortest time is 13.3 months with the plan, for 3 of them, among them magnets, rival in 2027." in said
    assert "Chokepoint 2026 2027 2030 Fails first" in said
    assert "3 of 5 years; --csv has every year." in said
    assert "cut for good at the start of the year; nothing bought → with the plan." in said
    assert (
        "shortest time from 2027 on with the plan or, where that is ∞ in every year, with nothing bought, which may"
        in said
    )


def test_a_stage_that_makes_more_than_the_commodity_of_its_name_has_its_own_name() -> None:
    # Stage "magnet" has the key of the magnets; once it makes motors too, its cut takes more than magnets.
    said = " ".join(diversify("survive", TINY).stdout.split())
    assert "magnets, rival · stage" in said
    more = "{region: rival, stage: magnet, output: {motor: 1}, capacity: 60, cost: 60k}"
    sets = ("--set", "commodities.motor={}", "--set", f"processes.more={more}")
    said = " ".join(diversify("survive", TINY, *sets).stdout.split())
    assert "magnet, rival · stage" in said


def test_the_headline_says_that_the_worst_shock_does_not_begin_in_that_year() -> None:
    """Two sources of 60 t/yr and a floor of 50 t in 2027: the embargo alone breaks it; 100 t last 24 months."""
    sets = (
        "demands.motors.survival={2026: 0.1, 2027: 0.5, 2028: 0.1}",
        "options.reserve.initial=100",
        "processes.imports.capacity=60",
        "processes.others={region: far, stage: magnet, output: {magnet: 1}, capacity: 60, cost: 60k}",
        "shocks.embargo.cuts=[{region: [rival, far], severity: 1}]",
        "shocks.delay={start: 2027, months: 12, cuts: [{region: far, severity: 0.1}]}",
        "shocks.embargo.start=2029",
    )
    words = [word for each in sets for word in ("--set", each)]
    said = " ".join(diversify("survive", TINY, *words, "--budget", "0").stdout.split())
    worst = "the shortest time is 24.0 months with the plan: embargo (cuts held for good) in 2027"
    assert f"{worst} (no such shock of the file begins in 2027)." in said
    # Where it begins in that year, nothing is to be said.
    words[-1] = "shocks.embargo.start=2027"
    assert f"{worst}." in " ".join(diversify("survive", TINY, *words, "--budget", "0").stdout.split())


def test_the_headline_counts_from_the_first_shock_on_and_says_what_is_before_it(plan: str) -> None:
    """The plan has 24 months from 2027 on and nothing is there in 2026; a shock from 2027Q2 on counts from 2028 on."""
    said = " ".join(diversify("survive", TINY, "--plan", plan).stdout.split())
    since = "from 2027 on (the first shock of the file begins in 2027) the shortest time is 24.0 months with the plan,"
    assert f"{since} for 3 of them, among them magnets, rival in 2027; at the start of 2026, before that shock," in said
    assert "before that shock, it is 0 months." in said
    assert "Chokepoint 2026 2027 2030 Fails first" in said
    late = diversify("survive", TINY, "--set", "horizon.step=quarter", "--set", "shocks.embargo.start=2027Q2").stdout
    assert "from 2028 on (the first shock of the file begins in 2027Q2) the shortest time is" in " ".join(late.split())


def test_json_and_csv_have_every_year(plan: str, tmp_path: Path) -> None:
    table = tmp_path / "times.csv"
    done = diversify("survive", TINY, "--plan", plan, "--json", "--csv", str(table))
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert (said["plan"], said["status"], said["years"]) == (plan, "survives", [2026, 2027, 2028, 2029, 2030])
    (embargo,) = [each for each in said["chokepoints"] if each["name"] == "embargo"]
    assert (embargo["kind"], embargo["deliberate"], embargo["cuts"]) == ("shock", True, ["region rival"])
    # 2027: 60 t in store for 30 t a year; 2029: 100 t and 20 t/yr of plant for 70 t a year.
    assert embargo["after"]["2027"] == {"months": pytest.approx(24), "segment": "motors"}
    assert embargo["after"]["2029"]["months"] == pytest.approx(24)
    assert embargo["before"]["2029"]["months"] == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 3 * 5
    assert float(rows[1]["after [months]"]) == pytest.approx(24)


def test_for_ever_is_null_in_json_and_inf_in_csv(plan: str, tmp_path: Path) -> None:
    table = tmp_path / "times.csv"
    words = ("survive", TINY, "--plan", plan, "--set", "demands.motors.survival=0.1")
    done = diversify(*words, "--json", "--csv", str(table))
    assert json.loads(done.stdout)["chokepoints"][0]["after"]["2030"] == {"months": None, "segment": None}
    assert ",inf," in table.read_text()
    # The plant alone makes 20 t; before it stands, 60 t last for 6 years.
    assert "0 → ∞" in diversify(*words).stdout


def test_a_plan_that_is_an_instance_is_said_to_be_solved() -> None:
    done = diversify("survive", TINY, "--plan", TINY, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["plan"] == "solved"


def test_the_plan_is_solved_for_where_none_is_given() -> None:
    done = diversify("survive", TINY, "--budget", "5M", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "gap"
    assert "see `diversify solve`" in done.stderr


def test_without_any_plan_only_the_world_as_it_is_is_shown() -> None:
    done = diversify("survive", TINY, "--set", RULE, "--json")
    assert done.returncode == 4
    assert "every floor for 12 months without region rival" in done.stderr
    said = json.loads(done.stdout)
    assert said["status"] == "none"
    assert all(each["after"] is None for each in said["chokepoints"])
    shown = diversify("survive", TINY, "--set", RULE)
    assert "min_time_to_survive[0] · rule" in shown.stdout
    assert "→" not in shown.stdout


@pytest.mark.parametrize("more", [("--budget", "2B"), ("--time-limit", "3"), ("--csv", "."), ("--budget", "much")])
def test_usage_exits_with_2(plan: str, more: tuple[str, ...]) -> None:
    done = diversify("survive", TINY, "--plan", plan, *more)
    assert done.returncode == 2
    assert done.stdout == ""


def test_what_is_no_plan_of_the_instance_exits_with_3(plan: str, tmp_path: Path) -> None:
    for path, words in ((plan, "there is no such option"), (str(tmp_path / "none.json"), "cannot be read")):
        done = diversify("survive", US, "--plan", path)
        assert done.returncode == 3
        assert words in done.stderr
    assert diversify("survive", "nowhere.yaml").returncode == 3


def test_a_plan_that_the_changed_instance_cannot_hold_is_refused(plan: str) -> None:
    # The plan holds 100 t in store, and has a line of a plant.
    for change, words in (
        ("options.reserve.max_size=10", "the plan holds 100 t, more than its 10 t"),
        ("options.plant.kind=ally", "it is of kind refining in the plan, and of kind ally here"),
    ):
        done = diversify("survive", TINY, "--plan", plan, "--set", change)
        assert done.returncode == 3
        assert done.stdout == ""
        assert words in " ".join(done.stderr.split())


def test_a_rule_that_the_plan_does_not_keep_in_the_changed_instance_is_a_note(plan: str) -> None:
    done = diversify("survive", TINY, "--plan", plan, "--set", "options.plant.unit_size=15")
    assert done.returncode == 0
    assert "Note: plant: 20 t/yr is not in whole units of 15 t/yr." in done.stdout


def test_a_saved_answer_without_a_plan_exits_with_3(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    diversify("solve", TINY, "--set", RULE, "--output", str(path))
    done = diversify("survive", TINY, "--plan", str(path))
    assert done.returncode == 3
    assert "holds no plan" in done.stderr


def test_contradicting_rules_are_named_by_solve() -> None:
    done = diversify("solve", TINY, "--set", RULE)
    assert done.returncode == 4
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "policy.min_time_to_survive[0]: every floor for 12 months without region rival" in words


def test_a_plan_whose_search_was_stopped_exits_with_5() -> None:
    done = diversify("survive", TINY, "--time-limit", "0")
    assert done.returncode == 5, done.stderr
    assert "The plan's status is stopped" in done.stderr
    assert "Time to survive" in done.stdout


def test_chokepoints_that_break_no_floor_with_the_plan_are_counted_apart() -> None:
    done = diversify("survive", "examples/wait_or_commit.yaml", "--future", "high")
    headline = " ".join(done.stdout.split("\n\n")[0].split())
    assert headline.endswith("with the plan none of 2 chokepoints can break a floor, with nothing bought 2.")
    assert "! deliberate" not in done.stdout


def test_a_year_in_which_a_shock_begins_is_not_said_to_have_none(plan: str) -> None:
    done = diversify("survive", TINY, "--plan", plan, "--set", "shocks.embargo.start=[2026, 2029]")
    assert "0 months with the plan, for 3 of them, among them magnets, rival in 2026." in " ".join(done.stdout.split())


def test_a_shock_of_the_headline_is_said_to_be_cut_for_good(plan: str) -> None:
    both = "shocks.embargo.cuts=[{region: rival, severity: 1}, {process: plant, severity: 1}]"
    words = " ".join(diversify("survive", TINY, "--plan", plan, "--set", both).stdout.split())
    assert "the shortest time is 14.4 months with the plan: embargo (cuts held for good) in 2028 (no such" in words


def test_what_of_a_shock_does_not_count_is_said_where_there_is_some(plan: str) -> None:
    own = ("--set", "shocks.embargo.demand={motors: 1.1}")
    words = " ".join(diversify("survive", TINY, "--plan", plan, *own).stdout.split())
    said = (
        "Of a shock only the cuts are taken, each at its largest severity for the whole time, without its window, "
        "surge, floors and reliability of deals."
    )
    assert f"{said} Floors may hold for less time with the surge of embargo." in words
    less = ("--set", "shocks.embargo.demand={motors: 0.9}")
    assert "with the surge" not in " ".join(diversify("survive", TINY, "--plan", plan, *less).stdout.split())
    assert "Of a shock" not in diversify("survive", TINY, "--plan", plan).stdout
    eased = ("--set", "shocks.embargo.cuts=[{region: rival, severity: [1, 0.5]}]")
    assert said in " ".join(diversify("survive", TINY, "--plan", plan, *eased).stdout.split())
    same = ("--set", "shocks.embargo.cuts=[{region: rival, severity: [1, 1]}]")
    assert "Of a shock" not in diversify("survive", TINY, "--plan", plan, *same).stdout


def test_of_a_plan_that_was_changed_by_hand_its_purchases_are_judged(plan: str, tmp_path: Path) -> None:
    """The embargoes take 60 t and 100 t from the reserve: with 20 t bought in 2026, 20 t and 60 t are there."""
    data = json.loads(Path(plan).read_text(encoding="utf-8"))
    data["purchases"]["reserve"]["2026"] = 20.0
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(data), encoding="utf-8")
    ran = diversify("stress", str(changed), "--samples", "20", "--json")
    assert "the file was changed since it was saved" in ran.stderr
    assert "Only the purchases of" in ran.stderr
    assert json.loads(ran.stdout)["own_failed"] == 2


def test_without_a_plan_the_times_are_those_with_nothing_bought() -> None:
    rules = ["--set", "policy.max_share=[{commodity: magnet, region: rival, share: 0.5}]"]
    done = diversify("survive", TINY, *rules, "--set", "processes.imports.min_utilisation=1", "--json")
    assert done.returncode == 4
    said = " ".join(done.stderr.split())
    assert "There is no plan (" in said
    assert "at most 50 % of magnets from region rival): this is how long floors hold with nothing bought." in said
    found = json.loads(done.stdout)
    assert (found["plan"], found["status"]) == ("solved", "none")
