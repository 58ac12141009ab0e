"""The schema of the instance format: valid, true to what `load` takes, and in words."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from pydantic import BaseModel

import optimizer as so
from optimizer.instance.document import parse
from optimizer.instance.schema import Instance
from optimizer.io import json_schema
from optimizer.levers import KINDS
from tests.strategies import instances

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "instances").glob("*.yaml"))
CASES = sorted((ROOT / "tests" / "cases").rglob("*.yaml"))
BAD = sorted((ROOT / "tests" / "bad").glob("*.yaml"))
SCHEMA = json_schema.build_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
MODELS = [*json_schema._models(Instance), *KINDS.values()]


def data(path: Path) -> Any:
    return parse(path.read_text(encoding="utf-8"), str(path)).data


def complaints(instance: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(instance)]


def test_is_a_schema_of_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", [*SHIPPED, *CASES], ids=lambda path: path.stem)
def test_what_loads_validates(path: Path) -> None:
    assert complaints(data(path)) == []


@settings(max_examples=40, deadline=None)
@given(instances())
def test_what_is_drawn_validates(instance: dict[str, Any]) -> None:
    assert complaints(so.read(instance).to_dict()) == []
    assert complaints(json.loads(json.dumps(instance))) == []


@pytest.mark.parametrize("section", ["regions", "ensembles", "scenarios", "futures", "members", "ranges", "policy"])
def test_a_section_may_be_empty(section: str) -> None:
    empty = data(ROOT / "instances" / "tiny.yaml") | {section: None}
    assert complaints(empty) == []
    assert so.read(empty) == so.read({**empty, section: {}})


def is_refused(path: Path) -> bool:
    try:
        return bool(complaints(data(path)))
    except so.InstanceError:
        return True


def test_bad_files_mostly_do_not() -> None:
    refused, passed = [], []
    for path in BAD:
        try:
            so.load(path)
        except so.InstanceError:
            (refused if is_refused(path) else passed).append(path.stem)
    assert len(refused) > 1.2 * len(passed)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"horizont": {}}, "horizont"),
        ({"horizon": {"start": 2026, "end": 2030, "step": "week"}}, "$.horizon.step"),
        ({"demands": {"all": {"commodity": "magnet", "quantity": 1}}}, "shortage_cost"),
        ({"processes": {"p": {"capacity": -1}}}, "$.processes.p.capacity"),
        ({"processes": {"p": {"capacity": {"27": 1}}}}, "$.processes.p.capacity"),
        ({"processes": {"p": {"capacity": "10 %"}}}, "$.processes.p.capacity"),
        ({"processes": {"p": {"capacity": 1, "capasity": 1}}}, "capasity"),
        ({"options": {"o": {"max_size": 1}}}, "kind"),
        ({"options": {"o": {"kind": "alley", "max_size": 1}}}, "$.options.o.kind"),
        ({"options": {"o": {"kind": "ally"}}}, "max_size"),
        ({"options": {"o": {"kind": "leverage", "region": "r", "restraint": 1, "max_size": 2}}}, "max_size"),
        ({"options": {"o": {"kind": "stockpile", "commodity": "magnet", "salvage": 0.5}}}, "max_size"),
        ({"shocks": {"s": {"start": 2027, "months": 12, "cuts": [{"severity": 1}]}}}, "$.shocks.s.cuts[0]"),
        ({"shocks": {"s": {"start": 2027, "months": 12, "probability": 1.5}}}, "$.shocks.s.probability"),
        ({"shocks": {"s": {"start": {"from": 2027, "each": "year"}, "months": 12}}}, "$.shocks.s.start"),
        ({"ensembles": {"e": {"count": 5, "months": {"normal": [1, 2]}}}}, "$.ensembles.e.months"),
        ({"policy": {"max_share": [{"commodity": "magnet"}]}}, "share"),
    ],
)
def test_slip_is_marked_where_it_is(change: dict[str, Any], where: str) -> None:
    sound = data(ROOT / "instances" / "tiny.yaml")
    said = complaints(sound | change)
    assert said
    assert any(where in each for each in said), said


def fields() -> Iterator[tuple[type[BaseModel], str]]:
    for model in MODELS:
        for name, field in model.model_fields.items():
            if name != "id":
                yield model, field.alias or name


def test_every_field_is_explained() -> None:
    assert [
        f"{model.__name__}.{field}" for model, field in fields() if not json_schema.describe_model(model, field)
    ] == []


def meaning(schema: dict[str, Any], model: str, field: str) -> str:
    """What an editor shows of a field: its description, or that of the field which it refers to."""
    shape = schema["$defs"][model]["properties"][field]
    if "description" not in shape:
        shape = schema["$defs"][shape["$ref"].rpartition("/")[2]]
    return str(shape["description"])


def test_units_stand_in_the_descriptions() -> None:
    assert "t of activity per year" in meaning(SCHEMA, "Process", "capacity")
    assert "money per t" in meaning(SCHEMA, "Stockpile", "price")
    assert "onths" in meaning(SCHEMA, "Ally", "lead_time")


def test_every_field_of_the_schema_is_explained() -> None:
    models = [model.__name__ for model in MODELS if model is not Instance]
    for model in models:
        for field in SCHEMA["$defs"][model]["properties"]:
            assert meaning(SCHEMA, model, field)


def test_schema_is_small_and_says_nothing_twice() -> None:
    assert len(json_schema.dump_schema().encode()) <= 60_000
    blocks = Counter(json.dumps(block, sort_keys=True) for block in walk(SCHEMA) if isinstance(block, dict))
    assert [text for text, count in blocks.items() if count > 1 and len(text) > 200] == []


def walk(shape: Any) -> Iterator[Any]:
    yield shape
    for part in shape.values() if isinstance(shape, dict) else shape if isinstance(shape, list) else ():
        yield from walk(part)


def test_every_reference_leads_somewhere_and_every_definition_is_used() -> None:
    named = {
        part["$ref"].removeprefix("#/$defs/") for part in walk(SCHEMA) if isinstance(part, dict) and "$ref" in part
    }
    assert named == SCHEMA["$defs"].keys()


def test_shipped_schema_is_the_one_there_is() -> None:
    shipped = (ROOT / "instances" / json_schema.SCHEMA_FILE).read_text(encoding="utf-8")
    assert shipped == json_schema.dump_schema(), "run: diversify schema -o instances/instance.schema.json"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_instances_carry_the_editor_line(path: Path) -> None:
    assert path.read_text(encoding="utf-8").splitlines()[0] == json_schema.EDITOR_LINE


def test_own_lever_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from typing import Literal

    from pydantic import Field

    from optimizer.levers import Sized

    class Thrift(Sized):
        kind: Literal["thrift"]
        fee: float = Field(description="Money per t a year.")

    monkeypatch.setitem(KINDS, "thrift", Thrift)
    made = json_schema.build_schema()
    assert "thrift" in made["$defs"]["Option"]["properties"]["kind"]["enum"]
    assert meaning(made, "Thrift", "fee") == "Money per t a year."
    assert "Maximum" in meaning(made, "Thrift", "max_size")


def run(*words_: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "optimizer", *words_]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)


def test_schema_command_prints_it(tmp_path: Path) -> None:
    done = run("schema", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads(json_schema.dump_schema())
    assert done.stderr == ""


def test_schema_command_says_where_it_cannot_write(tmp_path: Path) -> None:
    done = run("schema", "-o", "/dev/null/x.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "/dev/null is not a folder" in done.stderr


def test_init_writes_an_instance_that_survives_and_never_overwrites(tmp_path: Path) -> None:
    assert run("init", "mine/first", cwd=tmp_path).returncode == 0
    file = tmp_path / "mine" / "first" / "instance.yaml"
    text = file.read_text(encoding="utf-8")
    assert (file.parent / json_schema.SCHEMA_FILE).read_text(encoding="utf-8") == json_schema.dump_schema()
    again = run("init", "mine/first", cwd=tmp_path)
    assert again.returncode == 2
    assert "nothing was written" in again.stderr
    assert file.read_text(encoding="utf-8") == text


@pytest.fixture(scope="module")
def starter() -> Path:
    return ROOT / "optimizer" / "io" / "starter.yaml"


def test_starter_is_sound_and_explained(starter: Path) -> None:
    _, findings = so.check(starter)
    assert findings == ()
    assert complaints(data(starter)) == []
    lines = starter.read_text(encoding="utf-8").splitlines()
    assert lines[0] == json_schema.EDITOR_LINE
    assert sum("#" in line for line in lines) > 50


def test_starter_says_what_comes_out(starter: Path) -> None:
    instance = so.load(starter)
    result = so.solve(instance)
    assert result.status == "survives"
    assert result.audit["ok"]
    bought = {build.option for build in result.plan.builds} | {o for o, row in result.plan.fills.items() if any(row)}
    assert {"plant", "reserve", "ferrite"} <= bought
    assert min(build.year for build in result.plan.builds if build.option == "plant") >= 2027
    # The first embargo ends before a plant decided in 2027 works.
    assert instance.horizon.whole(30) > instance.horizon.period("2028Q4")
    assert not result.calm_builds
    poor = so.solve(instance, budget=30e6)
    assert poor.status == "gap"
    assert so.solve(so.without(instance, ["stockpile"])).status == "gap"
