"""A lever that the package does not know, with a flow of its own, goes through every command and through the audit.

It is `examples/demand_response.py`: lever and auditor in one file. Its instance is worked by hand in
`examples/demand_response.yaml`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner, Result

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.cli.app import COMMANDS, app
from optimizer.cli.plot import _KINDS as PLOTS
from optimizer.errors import PluginError
from optimizer.extend import load_plugin
from tests.conftest import Printed
from tests.levers import forget_levers_from_outside

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
PLUGIN, INSTANCE = EXAMPLES / "demand_response.py", str(EXAMPLES / "demand_response.yaml")
BY_HAND = 12_446_250
EXACT = so.Settings(mip_gap=0.0)


@pytest.fixture(scope="module", autouse=True)
def known() -> Iterator[None]:
    paths = list(sys.path)
    load_plugin(PLUGIN)
    yield
    sys.path[:] = paths
    sys.modules.pop(PLUGIN.stem)
    forget_levers_from_outside()


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.load(INSTANCE)


@pytest.fixture(scope="module")
def result(instance: so.Instance) -> so.Result:
    return so.solve(instance, settings=EXACT)


@pytest.fixture(scope="module")
def plan(result: so.Result, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    result.save(file)
    return str(file)


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["--plugin", str(PLUGIN), *words])
    assert done.exit_code == code, done.output
    return done


def test_the_lever_took_one_file() -> None:
    package = Path(so.__file__).parent
    texts = {path: path.read_bytes() for path in package.rglob("*.*") if path.suffix != ".pyc"}
    naming = [path for path, text in texts.items() if b"demand_response" in text]
    # The package names it in one text: where it says how a lever from outside is loaded.
    assert [path.name for path in naming] == ["extend.py"]
    assert [path.name for path in EXAMPLES.glob("*.py") if "DemandResponse" in path.read_text()] == [PLUGIN.name]


def test_cell_by_hand(result: so.Result) -> None:
    assert result.total_cost == pytest.approx(BY_HAND)
    assert [(build.option, build.period, build.size) for build in result.plan.builds] == [
        ("contracts", "2026Q1", pytest.approx(30))
    ]
    assert max(result.plan.stocks["reserve"]) == pytest.approx(5)
    (half,) = result.shocks
    assert half.flows is not None
    assert sum(half.flows["contracts", "switched_off"]) == pytest.approx(15)
    assert half.cost == pytest.approx(13_645_000)
    assert half.segments["motors"].worst_service == pytest.approx(0.8)
    assert result.baseline is not None
    assert result.baseline.row("contracts", "switched_off") == ()
    assert result.audit["ok"]


def test_rows(instance: so.Instance, printed: Printed) -> None:
    off = [f"half/contracts.switched_off.2027Q{q}" for q in (1, 2, 3, 4)]
    assert printed(instance, "contracts", "calls") == [
        f"half/contracts.calls: - 0.5 contracts.size.2026Q1 {' '.join(f'+ 1 {column}' for column in off)} <= 0"
    ]
    assert printed(instance, "contracts", "capacity")[0] == (
        "half/contracts.capacity.2027Q1: - 0.25 contracts.size.2026Q1 + 1 half/contracts.switched_off.2027Q1 <= 0"
    )
    assert printed(instance, "motors", "demand")[0] == (
        "half/motors.demand.2027Q1: + 1 half/contracts.switched_off.2027Q1 + 1 half/motors.unserved.2027Q1 <= 25"
    )


def test_a_month_less_costs_what_the_reserve_then_gives(instance: so.Instance) -> None:
    # Five months: contracts give 12.5 t, and the reserve 2.5 t more at 71,250.
    shorter = so.load(INSTANCE, overrides=["options.contracts.months=5"])
    assert so.solve(shorter, settings=EXACT).total_cost == pytest.approx(BY_HAND + 2.5 * 71_250)


def test_the_share_binds(instance: so.Instance) -> None:
    # A tenth of demand is 2.5 t a quarter: 10 t over the year, 5 t less than by hand. 20 t/yr of contracts give them.
    smaller = so.load(INSTANCE, overrides=["options.contracts.max_share=0.1"])
    assert so.solve(smaller, settings=EXACT).total_cost == pytest.approx(BY_HAND + 5 * 71_250 - 10 * 3_000)


def test_what_may_have_a_factor_on_its_cost_includes_the_kind() -> None:
    said = '"reserve" is no process, process option, substitution.* or demand_response'
    with pytest.raises(so.InstanceError, match=said):
        so.load(INSTANCE, overrides=["shocks.half.cost={reserve: 2}"])


def test_two_refusals(instance: so.Instance) -> None:
    with pytest.raises(so.InstanceError, match=r"options\.contracts\.demand: .motor. is no segment"):
        so.load(INSTANCE, overrides=["options.contracts.demand=motor"])
    with pytest.raises(so.InstanceError, match=r"options\.contracts\.ramp: falls, but customers"):
        so.load(INSTANCE, overrides=["options.contracts.ramp=[1, 0.5]"])


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
def test_every_algorithm_agrees(instance: so.Instance, strategy: Any) -> None:
    likely = so.load(INSTANCE, overrides=["shocks.half.probability=0.5", "shocks.half.cost={contracts: 2}"])
    # Half of what the shock costs more: 13.645M, and 45,000 for prices that are doubled, less 6M in the baseline.
    found = so.solve(likely, settings=replace(EXACT, strategy=strategy))
    assert found.total_cost <= BY_HAND + 0.5 * (13_690_000 - 6_000_000)
    assert found.total_cost == pytest.approx(so.solve(likely, settings=EXACT).total_cost)
    assert found.audit["ok"]


def test_time_to_survive_by_hand(instance: so.Instance, result: so.Result) -> None:
    # Half of the imports leave 60 t/yr of the 80 that the floor asks for: 15 t of contracts and
    # 5 t in store last a year.
    lasts = so.time_to_survive(instance, result.plan)
    (half,) = (each for each in lasts.exposures if each.kind == "shock")
    assert half.after[-1].months == pytest.approx(12)
    rule = "policy.min_time_to_survive=[{cuts: [{region: rival, severity: 0.5}], months: 12, from: 2027}]"
    ruled = so.solve(so.load(INSTANCE, overrides=[rule]), settings=EXACT)
    assert ruled.total_cost == pytest.approx(BY_HAND)
    assert sum(ruled.endured["min_time_to_survive_0@2027"]["contracts", "switched_off"]) == pytest.approx(15)


def test_no_month_of_a_rule_is_priced_by_the_stocks_alone() -> None:
    # 24 months take 15 t of contracts and 25 t of the reserve. A month less saves 5/3 t at 71,250, while the reserve's
    # share of it would be 25/24 t.
    def solved(months: int) -> so.Result:
        rule = f"{{cuts: [{{region: rival, severity: 0.5}}], months: {months}, from: 2027}}"
        changes = ["shocks={}", "policy.budget=null", f"policy.min_time_to_survive=[{rule}]"]
        return so.solve(so.load(INSTANCE, overrides=changes), settings=EXACT)

    result = solved(24)
    assert result.total_cost - solved(23).total_cost == pytest.approx(5 / 3 * 71_250)
    assert {price.step for price in result.binding} == {"one point lower", "1 % more"}
    assert "shorter time" not in result.frames.frame("limits").note


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([1.0, 5.0, 5.0, 7.0], "half/contracts.calls.2027Q1: 18 exceeds 15"),
        ([7.6, 2.4, 2.5, 2.5], "half/contracts.capacity.2027Q1: 7.6 exceeds 7.5"),
        ([-1.0, 6.0, 5.0, 5.0], "half/contracts.capacity.2027Q1: 0 exceeds -1"),
        ([3.75, 3.75, 3.75, 3.76], "half.cost"),
    ],
)
def test_audit_finds_a_number_that_is_changed(
    instance: so.Instance, result: so.Result, rows: Sequence[float], wanted: str
) -> None:
    data = json.loads(result.to_json())
    data["shocks"][0]["flows"]["switched_off"]["contracts"] = rows
    said = audit_result(instance, so.Result.from_dict(data)).disagreements
    assert any(row.startswith(wanted) for row in said), said


def test_a_plan_file_keeps_the_flow(result: so.Result, plan: str) -> None:
    assert so.Result.load(plan).shocks == result.shocks
    data = json.loads(Path(plan).read_text())["shocks"][0]["flows"]
    assert list(data) == ["first", "activity", "substituted", "unserved", "released", "left", "switched_off"]
    named = set(result.frames.flows.index.get_level_values("flow"))
    assert named == {"activity", "unserved", "released", "left", "switched_off"}


EVERY: dict[str, Sequence[str]] = {
    "check": ["check", INSTANCE],
    "solve": ["solve", INSTANCE],
    "compare": ["compare", INSTANCE, "--budgets", "0,1M", "--without", "demand_response"],
    "explain": ["explain", INSTANCE],
    "alternatives": ["alternatives", INSTANCE, "--within", "1%"],
    "sensitivity": ["sensitivity", INSTANCE],
    "survive": ["survive", INSTANCE],
    "attack": ["attack", INSTANCE],
    "export": ["export", INSTANCE, "--output", "{folder}/model.mps"],
    "schema": ["schema"],
    "show": ["show", "{plan}"],
    "verify": ["verify", "{plan}"],
    "report": ["report", "{plan}", "--output", "{folder}/report.html"],
    "plot": ["plot", "{plan}", "timeline", "--output", "{folder}/timeline.svg"],
    "convert": ["convert", INSTANCE, "{folder}/instance.xlsx"],
    "stress": ["stress", "{plan}", "--samples", "20"],
    "evaluate": ["evaluate", INSTANCE, "--plan", "{plan}", "--quick"],
    "share": [
        "share",
        INSTANCE,
        "--budget",
        "2M",
        "--set",
        "members={{a: {{demands: motors}}, b: {{options: contracts}}}}",
    ],
    "futures": ["futures", INSTANCE, "--set", "futures={{coin: {{from: 2027, branches: {{a: {{}}, b: {{}}}}}}}}"],
}


def test_every_command_is_here() -> None:
    commands = {name for panel in COMMANDS.values() for name in panel}
    assert {*EVERY, "init"} == commands, "add a call of a further command to EVERY"


@pytest.mark.parametrize("name", EVERY)
def test_command(name: str, plan: str, tmp_path: Path) -> None:
    words = [word.format(plan=plan, folder=tmp_path) for word in EVERY[name]]
    # Sampled shocks also begin before the contracts work.
    done = run(*words, code=4 if name == "stress" else 0)
    assert done.stdout or any(tmp_path.iterdir())
    if name in ("solve", "compare", "alternatives", "show"):
        assert "contracts with motor" in done.stdout
    if name == "schema":
        assert "demand_response" in json.loads(done.stdout)["$defs"]["Option"]["properties"]["kind"]["enum"]
    if name == "report":
        assert done.stdout.startswith("With 1 contract and 1 stockpile for ")
        assert "contracts with motor makers" in (tmp_path / "report.html").read_text()


def test_explain_says_what_stands_against_more_of_it() -> None:
    # In four quarters 30 t/yr are 30 t, and six months of it 15 t.
    said = " ".join(run("explain", INSTANCE, "--budget", "100k", code=4).stdout.split())
    assert "contracts with motor makers gives 15 t then, less than its largest size of 30 t/yr allows" in said


def test_reinforcement_adds_to_it() -> None:
    # A plan of 10 t/yr is broken by the listed shock; 20 t/yr more of contracts are left to add.
    changed = so.load(INSTANCE, overrides=["policy.force.contracts={2026: 10}", "shocks.half.cuts=[]"])
    weak = so.solve(changed, settings=EXACT)
    found = so.stress(weak, so.load(INSTANCE, overrides=["options.reserve.max_size=0.1"]), samples=40, jobs=1)
    assert found.reinforcements is not None
    assert "contracts" in {mend.option for mend in found.reinforcements.additions}


# A plan of one future has no tree of futures, the instance here no scenarios and no members; the frontier and the
# conditions of failure are asked of an instance.
OF_OTHERS = ("compare", "frontier", "futures", "information", "discover", "share")


@pytest.mark.parametrize("kind", [kind for kind in PLOTS if kind not in OF_OTHERS])
def test_plot(kind: str, plan: str, tmp_path: Path) -> None:
    run("plot", plan, kind, "--output", str(tmp_path / "figure.svg"))
    assert (tmp_path / "figure.svg").stat().st_size > 1000


def test_instance_goes_to_a_workbook_and_back(instance: so.Instance, tmp_path: Path) -> None:
    run("convert", INSTANCE, str(tmp_path / "instance.xlsx"))
    run("convert", str(tmp_path / "instance.xlsx"), str(tmp_path / "instance.yaml"))
    assert so.load(tmp_path / "instance.yaml") == instance


def test_workbook_of_the_plan_lists_the_flow(result: so.Result, tmp_path: Path) -> None:
    so.write_workbook(result, tmp_path / "plan.xlsx")
    book = load_workbook(tmp_path / "plan.xlsx")
    cells = {str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row}
    assert {"switched off", "contracts with motor makers", "demand_response"} <= cells


def test_notebook(result: so.Result, instance: so.Instance) -> None:
    assert "demand_response" in result._repr_html_()
    assert "demand_response" in instance._repr_html_()


def test_a_fresh_process_finds_it_and_so_do_its_workers() -> None:
    words = [sys.executable, "-m", "optimizer", "solve", INSTANCE, "--json", "--jobs", "2"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "DIVERSIFY_PLUGINS": str(PLUGIN)}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total_cost"] == pytest.approx(BY_HAND)


# Where a class is defined that a worker process cannot import: the script itself, or a function.
OF_THE_SCRIPT = PLUGIN.read_text().partition("def main")[0]
OF_A_FUNCTION = "def define():\n" + "".join(f"    {line}" for line in OF_THE_SCRIPT.splitlines(True)) + "define()\n"
ASKS = """
import sys, warnings
import optimizer as so
instance, two = so.load(sys.argv[1]), so.Settings(jobs=2)
with warnings.catch_warnings(record=True) as caught:
    result = so.solve(instance, settings=two)
    columns = so.compare(instance, ["500k", "1M"], settings=two)
print(result.total_cost, [each.result.total_cost for each in columns.columns], sep="\\n")
print(*{str(each.message) for each in caught}, sep="\\n")
"""


@pytest.mark.parametrize("definition", [OF_THE_SCRIPT, OF_A_FUNCTION])
def test_a_lever_that_workers_cannot_import_is_solved_in_one_process(definition: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(definition + ASKS)
    words = [sys.executable, "-W", "always", str(script), INSTANCE]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    total, columns, *said = done.stdout.splitlines()
    assert float(total) == pytest.approx(BY_HAND)
    assert json.loads(columns) == pytest.approx([BY_HAND] * 2)
    where = "in a notebook, in the script that runs or in a function, where worker processes cannot import it"
    assert said == [
        f"The lever DemandResponse is defined {where}: one process does all the work. "
        "Move it into a file of its own and import that to use 2 processes."
    ]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("missing.py", None, "there is no Python file"),
        ("of two words.py", "", '"of two words" is no name in Python'),
        ("json.py", "", 'there is a module "json" already'),
        ("empty_lever.py", "x = 1", r"registers no lever: call so\.register\(…\) in it"),
        ("broken_lever.py", "x = 1\n1 / 0", r"ZeroDivisionError: division by zero \(line 2 of broken_lever\.py\)"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused(name: str, text: str | None, match: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(PluginError, match=match):
        load_plugin(tmp_path / name)
    done = CliRunner().invoke(app, ["--plugin", str(tmp_path / name), "check", INSTANCE])
    assert done.exit_code == 2
    assert "Invalid value" in done.output


def test_an_installed_package_that_cannot_be_imported_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad_levers.py").write_text("x = 1\n1 / 0\n")
    about = tmp_path / "bad_levers-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-levers\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[optimizer.levers]\nbad = bad_levers\n")
    path = os.pathsep.join([str(tmp_path), str(Path(so.__file__).parents[1])])
    words = [sys.executable, "-m", "optimizer", "check", INSTANCE]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=120, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 1
    said = "the installed package bad_levers cannot be imported: ZeroDivisionError: division by zero (line 2 of "
    assert done.stderr == f"Error: {said}bad_levers.py)\n"


def test_a_plugin_of_the_folder_that_python_runs_in_is_taken(tmp_path: Path) -> None:
    (tmp_path / "of_this_folder.py").write_text(PLUGIN.read_text())
    words = ("-m", "optimizer", "--plugin", "of_this_folder.py", "check", str(Path(INSTANCE).resolve()))
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [("solve", INSTANCE, "--plugin", str(PLUGIN)), ("check", f"--plugin={PLUGIN}")])
def test_a_plugin_behind_the_command_is_told_where_it_stands(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    said = " ".join(done.output.replace("│", "").split())
    assert f"it stands before the command: diversify --plugin FILE.py {words[0]} …" in said
