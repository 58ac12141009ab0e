"""Reading instance files: YAML 1.2 scalars, aliases and merges, JSON, overrides, the way there and back."""

import json
from pathlib import Path

import pytest
import yaml

import optimizer as so

CASES = Path(__file__).parents[1] / "cases"
BASE = """\
horizon: {start: 2026, end: 2028, step: quarter}
home: usa
commodities: {magnet: {}, scrap: {}}
processes:
  imports: {region: china, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}
demands:
  all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}
options:
  plant: {kind: refining, output: {magnet: 1}, cost: 20, capex: 10, max_size: 100}
  reserve: {kind: stockpile, commodity: magnet, price: 50}
shocks:
  embargo: {start: 2027Q3, months: 12, cuts: [{region: china, severity: 1}]}
"""


def load(tmp_path: Path, text: str, *overrides: str) -> so.Instance:
    file = tmp_path / "instance.yaml"
    file.write_text(text, encoding="utf-8")
    return so.load(file, overrides)


def complaints(tmp_path: Path, text: str, *overrides: str) -> list[so.Finding]:
    with pytest.raises(so.InstanceError) as error:
        load(tmp_path, text, *overrides)
    return list(error.value.findings)


# Scalars


@pytest.mark.parametrize(
    "word", ["no", "yes", "on", "off", "NO", "y", "12:30", "0x1F", "0o17", "2026-01-01", "1e", "null_"]
)
def test_words_that_yaml_1_1_would_change_stay_text(tmp_path: Path, word: str) -> None:
    instance = load(tmp_path, BASE.replace("region: china", f"region: {word}"))
    assert instance.processes["imports"].region == word
    assert instance.path(instance.events[0]).severity_at("imports", 6) == 1


def test_norway_is_a_commodity_a_process_and_a_key(tmp_path: Path) -> None:
    text = BASE.replace("scrap: {}", "no: {}").replace(
        "  imports:", "  no: {region: no, output: {no: 1}, capacity: 5}\n  imports:"
    )
    instance = load(tmp_path, text)
    assert set(instance.commodities) == {"magnet", "no"}
    assert instance.processes["no"].output == {"no": 1}


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("2_500", 2500),
        ("2.5e3", 2500),
        ("2.5E+3", 2500),
        ("+7", 7),
        (".5", 0.5),
        ("007", 7),
        ("40k", 40_000),
        ('"40k"', 40_000),
    ],
)
def test_numbers(tmp_path: Path, written: str, number: float) -> None:
    assert (
        load(tmp_path, BASE.replace("capacity: 1000", f"capacity: {written}")).processes["imports"].capacity.at(2026)
        == number
    )


@pytest.mark.parametrize("written", ["null", "~", ""])
def test_nothing_is_a_field_left_out(tmp_path: Path, written: str) -> None:
    # An optional field that is there but empty, and whole sections.
    text = BASE.replace("price: 50}", f"price: 50, max_size: {written}, latest: {written}}}").replace(
        "home: usa", f"home: {written}"
    )
    instance = load(tmp_path, text + f"policy: {written}\nname: {written}\n")
    # An option stands at home, whatever home is called.
    assert instance.home == "home"
    assert instance.name is None
    assert getattr(instance.options["reserve"], "max_size") is None  # noqa: B009
    assert instance.options["reserve"].latest is None
    assert instance.policy.budget is None


NAMELESS = """
horizon: {start: 2026, end: 2027, step: year}
commodities: {m: {}}
processes:
  far: {region: china, output: {m: 1}, capacity: 60, cost: 1}
  old: {region: home, output: {m: 1}, capacity: 10, cost: 1}
demands: {d: {commodity: m, quantity: 100, survival: 1, shortage_cost: 100}}
options:
  plant: {kind: refining, output: {m: 1}, max_size: 100, capex: 10, cost: 2}
  stock: {kind: stockpile, commodity: m, price: 90}
shocks: {quake: {start: 2027, months: 12, cuts: [{region: home, severity: 1}]}}
"""


@pytest.mark.parametrize("unused", ["", "  old: {region: home, output: {m: 1}, capacity: 10, cost: 1}\n"])
def test_without_the_key_the_home_region_is_called_home(tmp_path: Path, unused: str) -> None:
    """The cut strikes the plant too, which names no region: 40 t come from stock, 3,600 USD.

    Without a shock 30 t come from the plant, for 300 USD and 60 USD a year, and 70 t from others, for 70 USD a year;
    without the old plant 40 t, for 400 USD and 80 USD a year, and 60 t, for 60 USD a year.
    """
    instance = load(tmp_path, NAMELESS.replace(unused, "") if unused else NAMELESS)
    assert instance.home == "home"
    assert instance.options["plant"].region == "home"
    found = so.solve(instance, settings=so.Settings(mip_gap=0.0))
    assert found.total_cost == pytest.approx(3600 + (400 + 280 if unused else 300 + 260))


def test_a_file_that_names_no_home_and_needs_none_has_none(tmp_path: Path) -> None:
    abroad = NAMELESS.replace("home", "japan").replace("kind: refining", "kind: ally, region: japan")
    assert load(tmp_path, abroad).home is None


@pytest.mark.parametrize(("written", "value"), [("true", True), ("True", True), ("false", False)])
def test_truth(tmp_path: Path, written: str, value: bool) -> None:
    assert (
        load(tmp_path, BASE.replace("months: 12,", f"months: 12, deliberate: {written},")).shocks["embargo"].deliberate
        is value
    )


@pytest.mark.parametrize("text", ["null", "true", "2026", "no", "3.0"])
def test_quoted_words_stay_text(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, BASE + f'name: "{text}"\n').name == text


def test_a_number_can_be_a_name(tmp_path: Path) -> None:
    instance = load(tmp_path, BASE.replace("imports:", "42:") + "name: 2027\n")
    assert list(instance.processes) == ["42"]
    assert instance.name == "2027"


def test_a_start_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    monthly = BASE.replace("quarter", "month").replace("2027Q3", "[2027, 2027Q2, 2027-08]")
    assert [event.name for event in load(tmp_path, monthly).events] == [
        "embargo@2027-01",
        "embargo@2027-04",
        "embargo@2027-08",
    ]


def test_one_start_in_a_list_is_named_and_one_alone_is_not(tmp_path: Path) -> None:
    assert [event.name for event in load(tmp_path, BASE).events] == ["embargo"]
    assert [event.name for event in load(tmp_path, BASE.replace("2027Q3", "[2027Q3]")).events] == ["embargo@2027Q3"]


# Aliases and merges


MERGED = BASE.replace(
    "  imports: {region: china, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}\n",
    """\
  imports: &usual
    region: china
    stage: magnet
    output: &magnets {magnet: 1}
    capacity: 1000
    cost: 10
  japan:
    <<: *usual
    region: japan
    cost: 15
  europe:
    cost: 20
    output: *magnets
    <<: [{region: europe, capacity: 5}, *usual]
""",
)


def test_aliases_and_merges(tmp_path: Path) -> None:
    processes = load(tmp_path, MERGED).processes
    assert [(p, each.region, each.cost.at(2026), each.capacity.at(2026)) for p, each in processes.items()] == [
        ("imports", "china", 10, 1000),
        ("japan", "japan", 15, 1000),
        ("europe", "europe", 20, 5),  # own keys first, then the earlier of the merged
    ]
    assert {tuple(each.output) for each in processes.values()} == {("magnet",)}


def test_a_fault_is_found_in_the_line_that_was_written_last(tmp_path: Path) -> None:
    # `cost: 15` of japan stands in line 14; the cost of imports that it replaces, in line 10, is not at fault.
    found = complaints(tmp_path, MERGED.replace("cost: 15", "cost: lots"))
    assert [(each.line, each.where) for each in found] == [(14, "processes.japan.cost")]


def test_a_fault_above_a_merge_keeps_its_line(tmp_path: Path) -> None:
    found = complaints(tmp_path, MERGED.replace("    cost: 20\n", "    cost: lots\n"))
    assert [(each.line, each.where) for each in found] == [(16, "processes.europe.cost")]


def test_a_quoted_merge_key_is_a_key(tmp_path: Path) -> None:
    (found,) = complaints(
        tmp_path, MERGED.replace("    <<: *usual\n", '    "<<": *usual\n    output: {magnet: 1}\n    capacity: 5\n')
    )
    assert '"<<" is an unknown key' in found.what


# Files


def test_json_file_is_the_same_instance(tmp_path: Path) -> None:
    data = load(tmp_path, BASE).to_dict()
    for indent in (None, 2, "\t"):
        file = tmp_path / "instance.json"
        file.write_text(json.dumps(data, indent=indent), encoding="utf-8")
        assert so.load(file) == load(tmp_path, BASE)


def test_finding_in_a_json_file_has_its_line(tmp_path: Path) -> None:
    data = load(tmp_path, BASE).to_dict()
    data["demands"]["all"]["survival"] = 50
    file = tmp_path / "instance.json"
    text = json.dumps(data, indent=1)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(so.InstanceError) as error:
        so.load(file)
    (found,) = error.value.findings
    assert found.line == 1 + next(i for i, line in enumerate(text.splitlines()) if '"survival": 50' in line)
    assert found.place == f"{file}:{found.line}"


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b""])
def test_what_is_no_text_or_no_file_is_one_finding(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "instance.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(so.InstanceError) as error:
        so.load(file)
    (found,) = error.value.findings
    assert "cannot be read" in found.what or "holds no mapping" in found.what
    assert str(file) in str(error.value)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(so.InstanceError, match="cannot be read"):
        so.load(tmp_path)


def test_all_findings_stand_in_the_order_of_their_lines(tmp_path: Path) -> None:
    found = complaints(
        tmp_path,
        BASE.replace("severity: 1", "severity: 3")
        .replace("capacity: 1000", "capacity: -1")
        .replace("price: 50", "price: x"),
    )
    assert [each.line for each in found] == [5, 10, 12]


def test_data_from_a_program_have_no_lines(tmp_path: Path) -> None:
    data = yaml.safe_load(BASE)
    data["demands"]["all"]["quantity"] = {2026: 100, 2028: -1}
    with pytest.raises(so.InstanceError) as error:
        so.read(data)
    (found,) = error.value.findings
    assert (found.line, found.where, found.place) == (None, "demands.all.quantity.2028", "data")


# The home region


def test_home_is_another_word_for_the_home_region(tmp_path: Path) -> None:
    text = BASE.replace("region: china, stage", "region: home, stage").replace(
        "{region: china, severity: 1}", "{region: [home], severity: 1}"
    )
    instance = load(
        tmp_path,
        text.replace("options:", "options:\n  chips: {kind: leverage, region: home, restraint: 0.1, max_size: 1}")
        + "policy: {max_share: [{commodity: magnet, region: home, share: 1}]}\n",
    )
    assert instance.processes["imports"].region == "usa"
    assert instance.shocks["embargo"].cuts[0].region == ("usa",)
    assert instance.options["chips"].region == "usa"  # type: ignore[union-attr]
    assert instance.options["plant"].region == "usa"  # type: ignore[union-attr]
    assert instance.policy.max_share[0].region == "usa"


# Overrides


@pytest.mark.parametrize(
    ("assignment", "read"),
    [
        ("demands.all.survival=0.7", lambda i: i.demands["all"].survival.at(2026) == 0.7),
        (
            "demands.all.survival={2026: 0.2, 2028: 0.6}",
            lambda i: i.demands["all"].survival.at(2027) == pytest.approx(0.4),
        ),
        ("policy.budget=2.5B", lambda i: i.policy.budget == 2.5e9),
        ("shocks.embargo.cuts.0.severity=[1, 0.5]", lambda i: i.shocks["embargo"].cuts[0].severity == (1, 0.5)),
        ("shocks.embargo.deliberate=true", lambda i: i.shocks["embargo"].deliberate is True),
        ("options.plant.latest = 2027", lambda i: i.options["plant"].latest == 2027),
        ("horizon.end=2029", lambda i: len(i.horizon.periods) == 16),
        ("name=what if x=1", lambda i: i.name == "what if x=1"),
        ("shocks={}", lambda i: i.events == ()),
        ("options.reserve.max_size=", lambda i: i.options["reserve"].max_size is None),
    ],
)
def test_overrides(tmp_path: Path, assignment: str, read) -> None:
    assert read(load(tmp_path, BASE, assignment))


def test_the_longest_name_wins_and_the_last_override(tmp_path: Path) -> None:
    text = BASE.replace("imports:", "im.ports:")
    instance = load(tmp_path, text, "processes.im.ports.cost=11", "processes.im.ports.cost=12")
    assert instance.processes["im.ports"].cost.at(2026) == 12


def test_an_override_does_not_reach_through_an_alias(tmp_path: Path) -> None:
    # japan borrows the outputs of imports; what is set for japan is not set for imports.
    processes = load(tmp_path, MERGED, "processes.europe.output.magnet=0.9").processes
    assert [processes[p].output["magnet"] for p in ("imports", "europe")] == [1, 0.9]


@pytest.mark.parametrize(
    ("assignment", "what", "cure"),
    [
        ("demands.all.survival", "is no assignment", "Write KEY=VALUE, such as demands.ev_motors.survival=0.6."),
        ("=5", "is no assignment", "Write KEY=VALUE"),
        (
            "demands.all.survival.high=1",
            '"high" names nothing: the path before it leads to the value',
            "Name a key that exists",
        ),
        (
            "shocks.embargo.cuts.1.severity=1",
            '"1" names nothing: the path before it leads to a list of length 1',
            "items of a list count from 0",
        ),
        ("shocks.embargo.cuts.first.severity=1", '"first" names nothing', "items of a list count from 0"),
        ("demands.all.survival=60", "60 is not a share between 0 and 1", "Write 0.6 for 60 %."),
        ("demands.all.survivl=0.6", '"survivl" is an unknown key', 'Did you mean "survival"?'),
        ("demand.all.survival=0.6", '"demand" is no key of an instance', 'Did you mean "demands"?'),
        ("demands.al.survival=0.6", 'there is no segment "al"', 'Did you mean "all"?'),
        ("processes.mill.cost=5", 'there is no process "mill"', "Known: imports"),
        ("options.plnt.capex=5", 'there is no option "plnt"', 'Did you mean "plant"?'),
        ("futures.demand.from=2028", 'there is no question "demand"', "Write it whole: `futures.demand={…}`."),
        ("demands.all.commodity=magnte", '"magnte" is no commodity', 'Did you mean "magnet"?'),
        ("demands.all.survival=[0.6", "cannot be read as YAML", "Check indentation, brackets and quotes"),
    ],
)
def test_faulty_overrides_are_refused_by_their_own_name(tmp_path: Path, assignment: str, what: str, cure: str) -> None:
    found = complaints(tmp_path, BASE, assignment)
    assert [each for each in found if what in each.what and cure in each.cure], found
    assert {each.file for each in found if each.severity == "error"} == {f"--set {assignment}"}


@pytest.mark.parametrize(("value", "index"), [("1.4", ""), ("[1, 1.4]", ".1")])
def test_a_single_value_without_brackets_has_no_index(tmp_path: Path, value: str, index: str) -> None:
    key = "shocks.embargo.cuts.0.severity"
    assert [each.where for each in complaints(tmp_path, BASE, f"{key}={value}")] == [f"{key}{index}"]


# There and back


FILES = sorted(CASES.rglob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CASES)))
def test_instance_survives_the_way_to_data_and_back(path: Path) -> None:
    instance = so.load(path)
    data = instance.to_dict()
    again = so.read(data)
    assert again == instance
    assert [event.name for event in again.events] == [event.name for event in instance.events]
    assert so.read(json.loads(json.dumps(data))) == instance
    assert so.read(data).to_dict() == data


def test_an_instance_without_segments_and_shocks_comes_back() -> None:
    empty = so.read({"horizon": {"start": 2026, "end": 2027, "step": "year"}, "commodities": {}, "demands": {}})
    assert so.read(empty.to_dict()) == empty


def test_periods_are_counted_for_each_object_that_has_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = load(tmp_path, BASE)
    periods, acting = len(instance.horizon.periods), len(instance.processes) + len(instance.options) + 1
    monkeypatch.setattr("optimizer.instance.validation.decisions.MOST_COLUMNS", periods * acting)
    assert load(tmp_path, BASE) == instance
    monkeypatch.setattr("optimizer.instance.validation.decisions.MOST_COLUMNS", periods * acting - 1)
    said = f"{periods} periods for {acting} processes, options and segments are too many to compute with"
    with pytest.raises(so.InstanceError, match=said):
        load(tmp_path, BASE)


def test_what_is_not_the_same_is_not_equal(tmp_path: Path) -> None:
    instance = load(tmp_path, BASE)
    assert load(tmp_path, BASE, "demands.all.survival=0.51") != instance
    assert load(tmp_path, BASE, "shocks.embargo.start=[2027Q3]") != instance
    assert load(tmp_path, BASE) == instance


def test_every_field_survives_the_way_there_and_back(tmp_path: Path) -> None:
    text = (
        BASE.replace("quantity: 100", "quantity: {2026: 100, 2027: 1k}, source: a table, note: 'yes'")
        .replace(
            "shocks:",
            "  chips: {kind: leverage, region: china, restraint: 0.1, erosion: 0.2, max_size: 1, ramp: [0.5, 1]}\n"
            "  deal: {kind: partnership, process: imports, reliability: 0.4, max_size: 9, fixed_cost: 3, "
            "excludes: old}\n"
            "  old: {kind: partnership, process: imports, max_size: 9, min_size: 2, requires: [plant2], "
            "budget_share: 0.5}\n"
            "  plant2: {kind: recycling, input: {scrap: 2}, output: {magnet: 1}, max_size: 9, min_size: 2, "
            "earliest: 2027}\n"
            "  less: {kind: substitution, demand: all, max_share: 0.2, input: {scrap: 1}, cost: {2026: 5, 2028: 4}, "
            "max_size: 9}\n"
            "shocks:",
        )
        .replace(
            "months: 12,",
            "months: 12, probability: 0.3, deliberate: true, demand: {all: 2}, cost: {plant: 3}, "
            "survival: {all: 0.1}, reliability: {deal: 0.7},",
        )
    )
    instance = load(
        tmp_path,
        text
        + "policy: {budget: 1M, annual_budget: {2026: 5, 2027: 6},\n"
        + "  min_share: [{commodity: magnet, kind: refining, share: 0.1, from: 2027}]}\n"
        + "discount_rate: 0.03\ncurrency: EUR of 2020\ndescription: long\n",
    )
    data = instance.to_dict()
    assert so.read(data) == instance
    assert data["policy"]["min_share"] == [{"commodity": "magnet", "kind": "refining", "share": 0.1, "from": 2027}]
    assert data["demands"]["all"]["source"] == "a table"
    assert data["options"]["deal"]["reliability"] == 0.4


# Cures that help


def test_cure_does_not_ask_a_stockpile_for_what_it_cannot_have(tmp_path: Path) -> None:
    # A stockpile is never lumpy; "give it a fixed_cost" would only lead to the next refusal.
    text = BASE.replace("max_size: 100}", "max_size: 100, fixed_cost: 5, requires: reserve}")
    (found,) = [each for each in complaints(tmp_path, text) if each.severity == "error"]
    assert found.where == "options.plant.requires"
    assert '"reserve" is no fixed-charge option' in found.what
    assert "fixed_cost" not in found.cure


def test_several_overrides_may_make_an_entry(tmp_path: Path) -> None:
    # What is whole in the end is no slip, however much its name is like another's.
    file = tmp_path / "instance.yaml"
    file.write_text(BASE)
    parts = ["commodity=magnet", "quantity=5", "shortage_cost=9"]
    assert so.load(file, [f"demands.al.{part}" for part in parts]).demands["al"].shortage_cost == 9


def test_a_slip_of_an_override_is_said_once_whatever_scenarios_there_are(tmp_path: Path) -> None:
    text = BASE + "\nscenarios: {more: {demands.all.quantity: 200}, less: {demands.all.quantity: 50}}\n"
    (found,) = complaints(tmp_path, text, "demands.al.quantity=5")
    assert found.what == 'there is no segment "al"'


# Warnings of data that stand in no file


def test_check_warns_of_a_mapping_and_an_instance_as_of_a_file(tmp_path: Path) -> None:
    text = BASE.replace("home: usa", "home: usa\ndiscount_rate: 5").replace(
        "months: 12,", "months: 12, probability: 0.1,"
    )
    (tmp_path / "instance.yaml").write_text(text, encoding="utf-8")
    instance, expected = so.check(tmp_path / "instance.yaml")
    assert {finding.where for finding in expected} >= {"discount_rate", "options.reserve"}
    data = yaml.safe_load(text)
    for source in (data, instance):
        again, warnings = so.check(source)
        assert again == instance
        assert {(each.where, each.what) for each in warnings} == {(each.where, each.what) for each in expected}
    changed, fewer = so.check(data, "discount_rate=0.05")
    assert (changed.discount_rate, data["discount_rate"]) == (0.05, 5)
    assert "discount_rate" not in {finding.where for finding in fewer}


def test_check_of_an_instance_knows_which_defaults_are_written(tmp_path: Path) -> None:
    others = "\n  other: {commodity: magnet, quantity: 1, shortage_cost: 1000"
    for written, count in (("}", 1), (", survival: 0}", 0)):
        instance = load(tmp_path, BASE.replace("1000}\noptions", f"1000}}{others}{written}\noptions"))
        where = [finding.where for finding in so.check(instance)[1]]
        assert where.count("demands.other.survival") == count
