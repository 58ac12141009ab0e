"""What `diversify solve` prints and writes for a file with futures; numbers are worked out in the comments of cases."""

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from rich.console import Console
from typer.testing import CliRunner

import optimizer as so
from optimizer.algorithms.solving import FutureOptimum
from optimizer.audit import AuditReport
from optimizer.cli.app import app
from optimizer.instance.reading import instance_of
from optimizer.report.figures.studies import tree_edges
from optimizer.report.screen import Screen
from optimizer.report.tables.futures import futures_facts, futures_headline, futures_tables
from optimizer.results.futures import Decision, FuturesResult
from optimizer.studies.futures.solve import UNPROVEN_REFERENCE, _Search
from optimizer.studies.futures.stages import ALL_BRANCHES, find_stages

ROOT = Path(__file__).parent.parent
CASES = Path(__file__).parent / "cases" / "futures"
EXACT = so.Settings(mip_gap=1e-8)


def solved(name: str, *overrides: str) -> FuturesResult:
    return so.solve_futures(so.load(CASES / name, list(overrides)), settings=EXACT)


def diversify(*args: str, columns: int = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimizer", *args]
    environment = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def printed(result: FuturesResult, columns: int, *, every: bool = False) -> str:
    screen = Screen(width=columns)
    with screen.capture() as capture:
        for part in futures_tables(result, columns, every=every):
            screen.print(part)
    return capture.get()


@pytest.mark.parametrize("columns", [80, 120])
def test_the_answer_comes_first_then_what_is_committed_then_each_question(columns: int) -> None:
    """The plant of 2027, 4 t/yr for 240, in both futures; in "high" 6 t/yr more in 2028 for 600; regret 240."""
    done = diversify("solve", str(CASES / "hand_regret.yaml"), columns=columns)
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.replace("│", " ").split())
    marks = [
        "SURVIVES in both futures",
        "Order now 240 USD before 2028: plant",
        "Largest regret 240 USD, present value",
        "(proven to be the least)",
        "Expected cost 540 USD",
        "Worst future high: 840 USD",
        "Best future low: 240 USD",
        "Outlay expected 540 USD, undiscounted; 240 to 840 USD",
        "Price of survival 540 USD of the expected cost",
        "Order now: before 2028, the same in both futures",
        "plant · refining 2027 4 t/yr 240",
        "From 2028, when need (high 50 %, low 50 %) is known",
        "high 50 % plant 2028 6 t/yr 600",
        "Nothing is bought from 2028 to 2029 in: low.",
        "high 50.0 % ✓ 1 of 1 840 840 600 240",
        "low 50.0 % ✓ 1 of 1 240 240 0 240",
    ]
    places = [words.find(mark) for mark in marks]
    assert -1 not in places, marks[places.index(-1)]
    assert places == sorted(places)
    assert max(map(len, done.stdout.splitlines())) <= columns


def test_orders_that_wait_and_no_orders_at_all() -> None:
    # "high" alone needs its 10 t in 2029, and a t/yr costs 50 from 2028 on in place of 60: nothing is ordered in 2027.
    wait = "options.plant.capex={2027: 60, 2028: 50}"
    assert "Order now nothing before 2028: all purchases wait for an answer" in flat(solved("hand_wait.yaml", wait))
    broke = flat(solved("hand_wait.yaml", "policy.budget=0"))
    assert "Order now nothing before 2028, nor later in any future" in broke


def flat(result: so.FuturesResult) -> str:
    """Return what is printed of a plan as one line, without frames."""
    return " ".join(printed(result, 100).replace("│", " ").split())


def test_a_question_of_one_branch_alone_and_probabilities_that_are_made_up() -> None:
    result = solved("hand_nested.yaml")
    words = " ".join(printed(result, 100).replace("│", " ").split())
    assert "SURVIVES in all 6 futures" in words
    assert "From 2029, when duration (long 50 %, short 50 %) is known" in words
    assert "war.long 25 % plant 2029 10 t/yr 1,000" in words
    assert "Nothing is bought in 2029 in: war.short, peace." in words
    assert "Probabilities assumed: where the file gives none" in words
    assert "From 2030, when colour (red 50 %, blue 50 %) is known Nothing is bought in 2030." in words
    assert [(stage.t, len(stage.orders), stage.without_orders) for stage in find_stages(result)] == [
        (0, 1, ""), (1, 0, ALL_BRANCHES), (2, 1, "war.short, peace"), (3, 0, ALL_BRANCHES)
    ]  # fmt: skip


def test_a_decision_of_several_branches_is_named_by_what_they_share() -> None:
    """Two questions at once; the floor of "high" asks for 10 t in 2029, whatever the colour."""
    high = "{probability: 0.5, set: {demands.d.survival: {2028: 0, 2029: 1}}}"
    questions = (
        f"futures={{colour: {{from: 2028, branches: {{red: {{}}, blue: {{}}}}}}, "
        f"need: {{from: 2028, branches: {{high: {high}, low: {{probability: 0.5}}}}}}}}"
    )
    stages = find_stages(solved("hand_wait.yaml", questions))
    (order,) = stages[-1].orders
    assert (order.branch, order.futures) == ("high", (0, 2))
    assert order.probability == pytest.approx(0.5)
    assert stages[-1].without_orders == "low"


def test_money_that_differs_between_futures_is_a_range() -> None:
    """A t/yr of 2028 costs 100 with a hard "high" future, 50 where the plant is half as dear: 1,000 or 500 for 10."""
    floor = "demands.d.survival: {2028: 0, 2029: 1}, options.plant.earliest: 2028"
    branches = f"{{dear: {{set: {{{floor}}}}}, cheap: {{set: {{{floor}, options.plant.capex: 50}}}}}}"
    result = solved("hand_wait.yaml", f"futures={{price: {{from: 2028, branches: {branches}}}}}")
    (order,) = find_stages(result)[-1].orders
    assert order.branch == ALL_BRANCHES
    assert order.paid == pytest.approx((500, 1000))
    assert order.size == pytest.approx((10, 10))
    assert "plant · refining 2028 10 t/yr 500 to 1,000" in " ".join(printed(result, 80).split())


def test_orders_of_a_stage_by_hand() -> None:
    """A stockpile is bought in 2028 and 2029, at 10 a t in "high" and at 15 in "low"; a plant in "high" alone."""
    result = solved("hand_wait.yaml")
    pile = Decision("pile", "stockpile", 1, 2028, "2028", 2, False, ("high", "low"), is_stock=True, paid=(20, 30))
    later = dataclasses.replace(pile, t=2, year=2029, period="2029", size=3, paid=(30, 45))
    plant = Decision("plant", "refining", 1, 2028, "2028", 4, False, ("high",), paid=(400,))
    _, stage = find_stages(dataclasses.replace(result, decisions=(plant, pile, later)))
    assert [(each.option, each.t, each.last, each.size, each.paid) for each in stage.orders] == [
        ("pile", 1, 2, (5, 5), (50, 75)), ("plant", 1, 1, (4, 4), (400, 400))
    ]  # fmt: skip
    assert (stage.spent, stage.spent_range, stage.without_orders) == ((450, 75), (75, 450), "")


def test_many_futures_stay_readable() -> None:
    """Three questions of three branches each; the floor of `need` asks for 10, 5 or 0 t in 2029.

    The first 5 t/yr are needed in two of three: 60 now, not 2/3 of 100. The others in one of three: 1/3 of 100 later.
    """

    def floor(share: float) -> str:
        return f"{{set: {{demands.d.survival: {{2028: 0, 2029: {share}}}}}}}"

    need = f"need: {{from: 2028, branches: {{high: {floor(1)}, middle: {floor(0.5)}, low: {{}}}}}}"
    others = ", ".join(f"{q}: {{from: 2029, branches: {{{q}1: {{}}, {q}2: {{}}, {q}3: {{}}}}}}" for q in "ab")
    result = solved("hand_wait.yaml", f"futures={{{need}, {others}}}")
    text = printed(result, 80)
    assert len(result.futures) == 27
    orders = [(each.branch, round(each.size[0], 4)) for stage in find_stages(result) for each in stage.orders]
    assert orders == [(ALL_BRANCHES, 5), ("high", 5)]
    assert result.total_cost == pytest.approx(5 * 60 + 5 * 100 / 3, rel=1e-6)
    assert max(map(len, text.splitlines())) <= 80
    assert len(text.splitlines()) < 80


def test_an_option_that_is_bought_in_many_ways_is_one_row_with_ranges() -> None:
    """Five answers ask for 2, 4, 6, 8 and 10 t in 2029: five orders at 100 a t/yr, or one row of 2 to 10."""
    branches = ", ".join(
        f"b{i}: {{set: {{demands.d.survival: {{2028: 0, 2029: {i / 5}}}, options.plant.earliest: 2028}}}}"
        for i in range(1, 6)
    )
    result = solved("hand_wait.yaml", f"futures={{need: {{from: 2028, branches: {{{branches}}}}}}}")
    (folded,) = find_stages(result, folded=True)[-1].orders
    assert (folded.merged, folded.branch) == (5, ALL_BRANCHES)
    assert folded.size == pytest.approx((2, 10))
    assert folded.paid == pytest.approx((200, 1000))
    assert len(find_stages(result)[-1].orders) == 5
    assert "plant · refining 2028 2 to 10 t/yr 200 to 1,000" in " ".join(printed(result, 100).split())
    assert "b3 20 % plant 2028 6 t/yr 600" in " ".join(printed(result, 100, every=True).split())


def test_a_future_that_fails_is_named_and_the_exit_code_says_so() -> None:
    done = diversify("solve", str(CASES / "hand_wait.yaml"), "--set", "options.plant.max_size=4")
    assert done.returncode == 4
    words = " ".join(done.stdout.replace("│", " ").split())
    # 10 t are needed and 4 there: 6 t short at 1 a t.
    assert "FAILS in 1 of 2 futures: high, 1 of 1 shock, a survival gap of 6 USD" in words
    assert "Gap of all shocks expected 3 USD, summed over shocks; of the worst shock in any future 6 USD" in words


def test_futures_that_fail_alike_are_named_together() -> None:
    # Nothing can be built: 10 t short in two futures, 5 t in a third, 1 a t.
    branches = ", ".join(f"{name}: {{set: {{demands.d.survival: {floor}}}}}" for name, floor in
                         (("half", 0.5), ("dear", 1), ("scarce", 1), ("calm", 0)))  # fmt: skip
    futures = f"futures={{need: {{from: 2028, branches: {{{branches}}}}}}}"
    headline = futures_headline(solved("hand_wait.yaml", futures, "options.plant.max_size=0"))
    each = "each 1 of 1 shock, a survival gap of 10 USD"
    assert headline == f"FAILS in 3 of 4 futures: dear, scarce, {each}; then half"


def test_rules_that_contradict_each_other_are_the_answer() -> None:
    sets = "{policy.force: {plant: {2027: 4}}}", "{policy.force: {plant: {2027: 5}}}"
    branches = f"{{high: {{set: {sets[0]}}}, low: {{set: {sets[1]}}}}}"
    result = solved("hand_wait.yaml", f"futures={{need: {{from: 2028, branches: {branches}}}}}")
    words = " ".join(printed(result, 80).replace("│", " ").split())
    assert "NO PLAN EXISTS" in words
    assert "(high)" in words
    assert json.loads(result.to_json())["worst_cost"] is None


def test_json_and_csv_have_decisions_with_their_futures_and_money(tmp_path: Path) -> None:
    done = diversify("solve", str(CASES / "hand_regret.yaml"), "--json", "--csv", str(tmp_path))
    data = json.loads(done.stdout)
    assert data["worst_cost"] == pytest.approx(840, rel=1e-4)
    assert (data["worst_future"], data["best_future"]) == ("high", "low")
    first, second = data["builds"]
    assert (first["period"], first["futures"]) == ("2027", ["high", "low"])
    assert first["paid"] == pytest.approx([240, 240], rel=1e-4)
    assert second["paid"] == pytest.approx([600], rel=1e-4)
    assert data["futures"][0]["answers"] == {"need": {"branch": "high", "from": "2028"}}
    with (tmp_path / "decisions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["known"], row["branch"], row["option"], row["futures"]) for row in rows] == [
        ("2027", "all branches", "plant", "high low"), ("2028", "high", "plant", "high")
    ]  # fmt: skip
    with (tmp_path / "futures.csv").open() as file:
        assert [row["future"] for row in csv.DictReader(file)] == ["high", "low"]


@pytest.mark.parametrize("name", ["hand_nested.yaml", "hand_span.yaml", "hand_cvar.yaml"])
def test_a_saved_plan_of_futures_is_read_again(tmp_path: Path, name: str) -> None:
    result = solved(name)
    result.save(tmp_path / "plan.json")
    again = FuturesResult.load(tmp_path / "plan.json")
    assert again.departures == ()
    # 0 and 0.0 are written as they are held.
    assert json.loads(again.to_json()) == json.loads(result.to_json())
    assert again.decisions == result.decisions
    assert printed(again, 80) == printed(result, 80)


def test_a_saved_plan_of_futures_that_was_changed_says_where(tmp_path: Path) -> None:
    data = json.loads(solved("hand_regret.yaml").to_json())
    data["worst_cost"] = 1.0
    (departure,) = FuturesResult.from_dict(data).departures
    assert "worst_cost: the file says 1" in departure
    changes: list[dict[str, Any]] = [{"surplus": 1}, {"format": 1}, {"builds": [{}]}, {"measure": None, "futures": 3}]
    for change in changes:
        with pytest.raises(so.PlanFileError):
            FuturesResult.from_dict(data | change)


def test_a_report_of_a_changed_plan_of_futures_says_that_the_audit_disagrees(tmp_path: Path) -> None:
    plan, page = tmp_path / "plan.json", tmp_path / "page.html"
    data = json.loads(solved("hand_regret.yaml").to_json())
    plan.write_text(json.dumps(data | {"total_cost": 1.0}))
    done = diversify("report", str(plan), "--quick", "--output", str(page))
    assert done.returncode == 1, done.stderr
    assert "THE AUDIT DISAGREES" in done.stderr
    assert "THE AUDIT DISAGREES" in page.read_text(encoding="utf-8")


def test_a_plan_of_futures_with_an_unknown_option_does_not_fit_its_instance(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    data = json.loads(solved("hand_regret.yaml").to_json())
    data["futures"][1]["result"]["builds"][0]["option"] = "nobody"
    plan.write_text(json.dumps(data))
    verified = diversify("verify", str(plan))
    assert verified.returncode == 1, verified.stderr
    assert 'low: the plan does not fit its instance: there is no "nobody"' in " ".join(verified.stdout.split())
    for form in ("--json", "--quick"):
        done = diversify("report", str(plan), form, "--output", str(tmp_path / "page.html"))
        assert done.returncode == 3, done.stderr
        assert 'does not fit its instance (there is no "nobody"); `diversify verify` says where' in done.stderr


def test_a_plan_of_several_futures_is_refused_where_one_is_needed(tmp_path: Path) -> None:
    solved("hand_regret.yaml").save(tmp_path / "plan.json")
    with pytest.raises(so.PlanFileError, match=r"2 futures.*--future, one of high, low"):
        so.Result.load(tmp_path / "plan.json")
    solved("hand_cvar.yaml").save(tmp_path / "one.json")
    assert so.Result.load(tmp_path / "one.json").status == "survives"


def test_frames_are_pandas_frames_and_do_not_travel_with_the_result() -> None:
    result = solved("hand_regret.yaml")
    assert result.frames.decisions.attrs["units"]["spent"] == "USD"
    assert list(result.frames.futures.index) == ["high", "low"]
    assert [name for name in result.frames if name not in (FuturesResult.frames.__doc__ or "")] == []
    assert not {"frames", "solved_instance"} & result.__getstate__().keys()
    assert dataclasses.replace(result).worst.name == "high"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    solved("hand_regret.yaml").save(path)
    return str(path)


def test_a_saved_plan_of_futures_is_shown_verified_and_taken_apart(saved: str) -> None:
    shown = diversify("show", saved)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Order now: before 2028, the same in both futures" in shown.stdout
    assert "are printed as the file has them, unchecked." in " ".join(shown.stdout.split())
    one = diversify("show", saved, "--future", "high", "--json")
    assert json.loads(one.stdout)["total_cost"] == pytest.approx(840, rel=1e-6)
    other = diversify("show", saved, "--future", "hig")
    assert other.returncode == 3
    assert 'Did you mean "high"?' in " ".join(other.stderr.replace("│", " ").split())
    verified = diversify("verify", saved)
    assert verified.returncode == 0, verified.stdout
    assert "The plan adds up" in verified.stdout
    refused = diversify("plot", saved, "timeline", "--output", "unwritten.svg")
    assert refused.returncode == 2
    assert "choose it by --future, one of high, low" in refused.stderr


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("total_cost",), 1.0, "total_cost: the plan says 1, the audit finds 240"),
        (("futures", 0, "result", "plan"), None, "not a plan file"),
        (("futures", 0, "least_cost"), "here", "not a plan file: futures.0.least_cost"),
        (("outlay",), "-2B", "not a plan file: outlay"),
        (("audit", "worst"), "little", "not a plan file: audit.worst"),
        (("futures", 0, "result", "audit"), {"ok": True}, "not a plan file: future high: audit.rows: Field required"),
        (("futures", 0, "result", "total_cost"), 1.0, "high"),
        (("builds", 0, "size"), 9.0, "decisions.plant.2027 in high, low: the plan says 9, the audit finds "),
        (("builds", 1, "paid", 0), 1.0, "decisions.paid.plant.2028 in high: high: the plan says 1, the audit finds "),
        (("builds", 0, "futures"), ["low", "high"], "decisions"),
        (("futures", 0, "regret"), 1.0, "regret"),
        (("status",), "gap", "status: the plan says gap, the audit finds survives"),
        (("status",), "stopped", "status: the plan says stopped, the audit finds survives"),
        (("outlay",), 1.0, "outlay: the plan says 1, the audit finds "),
        (("worst_gap",), 7.0, "worst_gap: the plan says 7, the audit finds 0"),
        (("gap_bound",), 1.0, "gap_bound: 1 exceeds 0"),
        (("currency",), "EUR", "currency: the plan says EUR, the audit finds "),
        (("builds", 0, "year"), 2030, "decisions: the plan says "),
        (("measure",), "largest cost", "measure: the plan says largest cost, the audit finds "),
        (("mip_gap",), 0.3, "mip_gap: the plan says 0.3, the audit finds 0"),
        (("first_question",), "2027", "first_question: the plan says 2027, the audit finds 2028"),
        (("are_probabilities_given",), False, "are_probabilities_given: the plan says no, the audit finds yes"),
        (("futures", 0, "answers", "need", "from"), "2029", "high.answers: the plan says need: high from 2029"),
        (("data", "options", "plant", "max_size"), 5000, "digest: the file was changed since it was saved"),
    ],
)
def test_a_figure_that_was_changed_in_a_saved_plan_is_found(
    saved: str, tmp_path: Path, keys: tuple[Any, ...], value: Any, said: str
) -> None:
    data = json.loads(Path(saved).read_text())
    part = data
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(data))
    done = diversify("verify", str(path))
    assert done.returncode in (1, 3)
    assert said in done.stdout + done.stderr


def test_json_of_a_changed_plan_of_futures_names_what_the_audit_finds(saved: str, tmp_path: Path) -> None:
    data = json.loads(Path(saved).read_text())
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(data | {"total_cost": 1.0}))
    shown = diversify("show", str(path), "--json")
    assert shown.returncode == 1
    assert "do not rely on this plan" in json.loads(shown.stdout)["notes"][0]


def test_verify_counts_what_it_recomputes_and_not_what_the_file_says_of_an_earlier_audit(saved: str) -> None:
    data = json.loads(Path(saved).read_text())
    result = FuturesResult.from_dict(data)
    found = so.verify(instance_of(result), result).report
    data["futures"][0]["result"]["audit"] |= {"rows": 1_000_000, "worst": 0.5}
    changed = FuturesResult.from_dict(data)
    again = so.verify(instance_of(changed), changed).report
    assert (again.rows, again.worst) == (found.rows, found.worst)
    assert found.rows < 1_000_000


def test_a_plan_of_futures_that_the_audit_refuses_is_printed_with_what_disagrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "optimizer.studies.futures.solve.audit_futures", lambda *_: AuditReport(disagreements=["a row"])
    )
    done = CliRunner().invoke(app, ["solve", str(CASES / "hand_wait.yaml")])
    assert done.exit_code == 1
    assert "both futures" in done.stdout
    assert "the audit disagrees in 1 place(s):\n  a row" in done.stderr


def test_studies_on_the_page_of_another_measure_look_at_its_plan(tmp_path: Path) -> None:
    output = str(tmp_path / "page.html")
    words = ["report", str(CASES / "hand_cvar.yaml"), "--with", "stress", "--json", "--output", output]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["studies"]["stress"]["samples"] > 0


def test_a_page_and_a_figure_of_all_futures(saved: str, tmp_path: Path) -> None:
    page, figure = tmp_path / "page.html", tmp_path / "tree.svg"
    done = diversify("report", saved, "--output", str(page))
    assert (done.returncode, "SURVIVES in both futures" in done.stdout) == (0, True)
    text = page.read_text()
    for words in ("Order now: before 2028", "From 2028, when need", "data:image/svg+xml", "<td>low</td>"):
        assert words in text
    assert diversify("plot", saved, "futures", "--output", str(figure)).returncode == 0
    assert figure.read_text().count("<svg") == 1
    book = diversify("report", saved, "--output", str(tmp_path / "book.xlsx"))
    assert (book.returncode, "SURVIVES in both futures" in book.stdout) == (0, True)
    refused = diversify("report", saved, "--output", str(page), "--budgets", "0")
    assert (refused.returncode, "--future" in refused.stderr) == (2, True)
    refused = diversify("plot", "instances/tiny.yaml", "futures", "--output", str(figure))
    assert refused.returncode == 3
    data = json.loads(diversify("report", saved, "--output", str(page), "--json").stdout)
    assert [stage["rows"][0][-3:] for stage in data["stages"]] == [["2027", "4 t/yr", "240"], ["2028", "6 t/yr", "600"]]


def test_sources_of_a_saved_plan_of_futures_are_those_of_the_file_that_is_named(saved: str, tmp_path: Path) -> None:
    """Such a plan holds no comments: without a file its brief says how to name one."""
    file = tmp_path / "regret.yaml"
    file.write_text((CASES / "hand_regret.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    words = ("report", saved, "--quick", "--json", "--output", str(tmp_path / "page.html"))
    without = json.loads(diversify(*words).stdout)["brief"]["parts"]["confidence"]
    assert (without["table"], "name it by --instance" in without["missing"]) == (None, True)
    named = json.loads(diversify(*words, "--instance", str(file)).stdout)["brief"]["parts"]["confidence"]
    assert named["table"]["rows"][0][0].endswith("numbers of the file")
    file.write_text("discount_rate: 0.5 # judged\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    done = diversify(*words, "--instance", str(file))
    (said,) = (each for each in json.loads(done.stdout)["sources"] if each["section"] == "discount_rate")
    # The plan was made without a rate: the file says 0.5 now.
    assert (said["text"], said["value"], said["before"], said["assumed"]) == ("judged", "0", "0.5", True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Assumptions and their sources" in page
    assert "<td>judged</td>" in page
    book = tmp_path / "book.xlsx"
    diversify("report", saved, "--quick", "--output", str(book), "--instance", str(file))
    assert "judged" in [row[-1] for row in openpyxl.load_workbook(book)["sources"].iter_rows(values_only=True)]
    file.write_text("name: [", encoding="utf-8")
    assert diversify(*words, "--instance", str(file)).returncode == 3


def test_the_tree_has_the_decisions_of_each_branch_on_its_edges() -> None:
    result = solved("hand_nested.yaml")
    edges = tree_edges(instance_of(result), result)
    # The permit has to be opened; its size is free, and nothing needs any.
    (permit,) = edges[0].orders
    assert permit.endswith(" t/yr permit")
    assert [(edge.stage, edge.futures, edge.branch, edge.orders) for edge in edges[:6]] == [
        (0, (0, 1, 2, 3, 4, 5), "", (permit,)),
        (1, (0, 1, 2, 3), "war 50 %", ()),
        (1, (4, 5), "peace 50 %", ()),
        (2, (0, 1), "long 50 %", ("10 t/yr plant",)),
        (2, (2, 3), "short 50 %", ()),
        (2, (4, 5), "", ()),
    ]


def test_the_example_of_the_manual_costs_what_its_comment_says() -> None:
    result = so.solve_futures(so.load(ROOT / "examples" / "order_or_wait.yaml"))
    assert result.total_cost == pytest.approx(8.4e6, rel=1e-4)
    assert [round(each.cost / 1e6, 3) for each in result.futures] == [14, 6]


def test_a_future_of_which_samples_may_fail_and_a_price_of_gaps_are_said(loose: str) -> None:
    instance = so.load(loose)
    assert futures_headline(so.solve_futures(instance)) == "SURVIVES 3 of 4 samples of storms (3 required)"
    missed = so.solve_futures(instance, "4M")
    # At 40 t of plant three of four fail, of which one may.
    assert futures_headline(missed).startswith("FAILS: 2 of 4 shocks, a survival gap of ")
    priced = instance.replacing(policy=instance.policy.model_copy(update={"gap_price": 0.1}))
    said = dict(futures_facts(priced, so.solve_futures(priced)))
    assert said["Expected cost"].endswith(", before survival gaps at their price")
    gaps = "the cost plus the undiscounted gaps of all shocks, of which at most one occurs; "
    gaps += "a gap counts 0.1 times its shortage cost"
    assert f"which is minimised (proven to be the least): {gaps}" in said["With gaps"]


def test_an_option_that_is_ordered_in_several_years_is_named_once() -> None:
    """90 t/yr at 1,000 each, of which the limit of a year pays for 20: four orders before the answer, then one more."""
    data = so.load(CASES / "hand_wait.yaml").to_dict()
    data["horizon"] |= {"start": 2026, "end": 2031}
    data["processes"]["imports"]["capacity"] = 100
    data["demands"]["d"] |= {"quantity": 100, "survival": 0.9}
    data["options"] = {"plant": {"kind": "refining", "output": {"m": 1}, "capex": 1000, "max_size": 100}}
    data["shocks"]["cut"]["start"], data["policy"] = 2030, {"annual_budget": 20e3}
    instance = so.read(data | {"futures": {"q": {"from": 2030, "branches": {"a": {}, "b": {}}}}})
    result = so.solve_futures(instance)
    facts = dict(futures_facts(instance, result, find_stages(result)))
    assert facts["Order now"] == "80k USD before 2030: plant"


def test_cvar_and_value_at_risk_are_said_of_a_plan_by_that_measure() -> None:
    """14M with 30 %, 6M with 70 %: the dearest half are the 30 % and 20 % at 6M; of the outcomes 30 % exceed 6M."""
    at_risk = ("Value at risk", "6M USD at 0.5: the least cost that at most 50 % of outcomes exceed")
    instance = so.load(ROOT / "examples" / "order_or_wait.yaml", ["policy.objective={cvar: 0.5, weight: 0.5}"])
    facts = list(futures_facts(instance, so.solve_futures(instance)))
    place = facts.index(at_risk)
    assert facts[place - 1] == ("CVaR at 0.5", "10.8M USD, the mean cost of the dearest 50 % of outcomes")
    # Of full weight it is the measure, which is stated already.
    instance = so.load(ROOT / "examples" / "order_or_wait.yaml", ["policy.objective={cvar: 0.5}"])
    facts = list(futures_facts(instance, so.solve_futures(instance)))
    assert at_risk in facts
    assert [text.partition(",")[0] for label, text in facts if label == "CVaR at 0.5"] == ["10.8M USD"]


@pytest.mark.parametrize("objective", ["worst", "{cvar: 0, weight: 0.5}", "{cvar: 0.9}"])
def test_no_tail_is_said_by_another_measure_or_where_it_is_all_outcomes_or_like_them(objective: str) -> None:
    # At 0.9 the plan costs 12M in both futures.
    instance = so.load(ROOT / "examples" / "order_or_wait.yaml", [f"policy.objective={objective}"])
    assert "Value at risk" not in dict(futures_facts(instance, so.solve_futures(instance)))


def test_the_tail_leaves_out_gaps_that_have_a_price() -> None:
    objective = "policy.objective={cvar: 0.9, weight: 0.5}"
    instance = so.load(ROOT / "examples" / "wait_or_commit.yaml", ["policy.gap_price=0.15", objective])
    facts = dict(futures_facts(instance, dataclasses.replace(so.solve_futures(instance), cvar=3e6, value_at_risk=2e6)))
    assert facts["CVaR at 0.9"] == "3M USD, the mean cost before survival gaps of the dearest 10 % of outcomes"
    assert "the least cost before survival gaps that" in facts["Value at risk"]


def test_regret_is_said_with_gaps_at_their_price_alone() -> None:
    # At a hundredth of its shortage cost no gap is worth closing, by the joint plan or by that of a future alone.
    instance = so.load(ROOT / "examples" / "wait_or_commit.yaml", ["policy.gap_price=0.01", "policy.objective=regret"])
    result = so.solve_futures(instance)
    facts = dict(futures_facts(instance, result))
    assert (result.total_cost, [each.regret for each in result.futures]) == (0.0, [0.0, 0.0])
    assert facts["Largest regret"].startswith("0 USD, gaps at their price, present value")
    assert facts["Largest regret"].endswith("(proven to be the least): a gap counts 0.01 times its shortage cost")
    assert "With gaps" not in facts


def test_a_largest_regret_has_gaps_at_their_price() -> None:
    """Of the extension y t are ordered in 2027, for 60k a tonne; in `high` a tonne that is missing counts 75k.

    Alone `high` orders 60 t, `low` none: their regrets are 900k − 15k·y and 60k·y, both 720k at 12 t.
    """
    changes = ["policy.gap_price=0.15", "policy.objective=regret"]
    result = so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml", changes))
    assert [each.regret for each in result.futures] == pytest.approx([720e3, 720e3], abs=100)
    assert (result.total_cost, result.bound) == pytest.approx((720e3, 720e3), abs=100)


def test_a_regret_from_unproven_least_costs_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least costs are 12M and 6M; where the search for the first stopped at 13M, regrets are up to 1M larger."""
    alone = [FutureOptimum(13e6, 12e6, is_stopped=True), FutureOptimum(6e6, 6e6)]
    monkeypatch.setattr(_Search, "_alone_side_by_side", lambda self, numbers: alone)
    result = so.solve_futures(so.load(ROOT / "examples" / "order_or_wait.yaml", ["policy.objective=regret"]))
    assert result.status == "stopped"
    assert result.bound == pytest.approx(result.total_cost - 1e6, abs=100)
    assert UNPROVEN_REFERENCE in result.notes


def test_what_is_minimised_is_said_where_gaps_have_a_price() -> None:
    """60 t that nobody orders in `high` are a gap of 30M, 4.5M at its price; ordered in time they would cost 3.6M."""
    result = so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml", ["policy.gap_price=0.15"]))
    facts = dict(futures_facts(instance_of(result), result, find_stages(result)))
    gaps = "the cost plus the undiscounted gaps of all shocks, of which at most one occurs; "
    gaps += "a gap counts 0.15 times its shortage cost"
    assert facts["With gaps"] == f"4.25M USD, which is minimised (proven to be the least): {gaps}"
    assert (result.gap_bound, result.mip_gap) == (None, pytest.approx(0, abs=1e-4))
    frame = result.frames.futures
    assert frame["cost"].tolist() == pytest.approx([2e6, 2e6], abs=5)
    assert frame["priced_cost"].tolist() == pytest.approx([6.5e6, 2e6], abs=5)
    assert (frame["priced_cost"] - frame["least_cost"]).tolist() == pytest.approx(frame["regret"].tolist(), abs=5)
    text = printed(result, 80)
    assert "high 50.0 % ✗ 0 of 1 2M 30M 6.5M 5.6M 900k" in " ".join(text.split())
    # The table has no room for the outlay, so its caption does not explain it.
    assert "of the future. With gap: cost plus the gap at its price" in " ".join(text.split())
    survived = so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml", ["policy.gap_price=1"]))
    table, _, caption = printed(survived, 80).partition("Cost: present value")
    assert "With gap" not in table
    said = " ".join(caption.split())
    assert "Outlay: undiscounted. Informed: the least cost, with gaps at their price, of the future if it were" in said
    assert "Regret: Cost minus Informed." in said
    # Without money floors fail in both futures, and every plan costs 0: there is nothing else to explain.
    broke = printed(so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml"), 0), 80)
    assert "Outlay: undiscounted. Audit" in " ".join(broke.split())


def test_a_regret_of_nothing_is_proven() -> None:
    """What the branches set is never used, so that one plan is best in both. Errors of arithmetic are no regret."""
    data: dict[str, Any] = {
        "horizon": {"start": 2026, "end": 2029, "step": "year"},
        "discount_rate": 0.05,
        "commodities": {"m": {}},
        "processes": {
            "imports": {"region": "rival", "output": {"m": 1}, "capacity": 100, "cost": 12.3},
            "friend": {"region": "friend", "output": {"m": 1}, "capacity": 10, "cost": 45.7},
        },
        "demands": {"d": {"commodity": "m", "quantity": 97, "survival": 0.8, "shortage_cost": 1000}},
        "options": {
            "stock": {"kind": "stockpile", "commodity": "m", "price": 33.3, "max_size": 500, "holding_cost": 1.7},
            "plant": {"kind": "refining", "output": {"m": 1}, "capex": 31.7, "cost": 17.9, "max_size": 50},
        },
        "shocks": {"cut": {"start": 2028, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        "policy": {"objective": "regret"},
        "futures": {
            "q": {
                "from": 2027,
                "branches": {
                    "x": {"probability": 0.3},
                    "b": {"probability": 0.7, "set": {"processes.friend.capacity": {2028: 10, 2029: 11}}},
                },
            }
        },
    }
    data["options"]["plant"]["fixed_cost"] = 333
    result = so.solve_futures(so.read(data))
    assert result.total_cost == pytest.approx(0, abs=1e-6)
    assert result.mip_gap == 0
    facts = dict(futures_facts(instance_of(result), result, find_stages(result)))
    assert facts["Largest regret"].startswith("0 USD, ")
    assert facts["Largest regret"].endswith("(proven to be the least)")
    data["policy"] = {}
    result = so.solve_futures(so.read(data))
    facts = dict(futures_facts(instance_of(result), result, find_stages(result)))
    assert facts["Largest regret"] == "none: in no future would the informed plan cost less"


def answer(*words: str) -> dict[str, Any]:
    """The JSON of a command, less where its plan comes from."""
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code in (0, 4), (words, done.output)
    return {key: value for key, value in json.loads(done.stdout).items() if key not in ("plan", "seconds")}


RANGES = 'ranges={"demands.d.quantity": {low: 8, high: 12}}'
LESS = "{probability: 0.5, set: {demands.d.quantity: {2028: 10, 2029: 8}}}"
ATTACKED = f"futures={{need: {{from: 2029, branches: {{high: {{probability: 0.5}}, low: {LESS}}}}}}}"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("hand_regret.yaml", [], ["survive"]),
        ("hand_regret.yaml", [], ["stress", "--samples", "20"]),
        ("hand_regret.yaml", ["--set", RANGES], ["sensitivity", "--discover", "--samples", "100"]),
        ("hand_attack.yaml", ["--set", ATTACKED], ["attack"]),
    ],
)
def test_a_saved_plan_of_futures_is_judged_in_one(
    name: str, change: list[str], words: list[str], tmp_path: Path
) -> None:
    """As the same plan is beside its file."""
    file, plan = str(CASES / name), str(tmp_path / "plan.json")
    adversary = ["--adversary"] if words == ["attack"] else []
    assert CliRunner().invoke(app, ["solve", file, *change, *adversary, "-o", plan]).exit_code in (0, 4)
    command, *more = [*words, "--future", "high"]
    assert answer(command, plan, *more) == answer(command, file, *change, "--plan", plan, *more)


@pytest.mark.parametrize(("future", "outlay"), [("high", 840.0), ("low", 240.0)])
def test_compare_takes_a_saved_plan_of_futures_in_one(future: str, outlay: float, tmp_path: Path) -> None:
    """The plant of 4 t/yr costs 240; 6 t/yr more, in "high", 600. At prices 10 % higher, in a scenario, 264 and 660."""
    file, plan = str(CASES / "hand_regret.yaml"), str(tmp_path / "plan.json")
    assert CliRunner().invoke(app, ["solve", file, "-o", plan]).exit_code == 0
    dear = "scenarios={dear: {options.plant.capex: {2027: 66, 2028: 110}}}"
    words = [file, "--plan", plan, "--future", future, "--set", dear, "--scenario", "dear", "--quick"]
    outlays = {each["case"]: each["outlay"] for each in answer("compare", *words)["columns"]}
    assert outlays["plain, plan"] == pytest.approx(outlay)
    assert outlays["dear, plan"] == pytest.approx(1.1 * outlay)


def test_of_too_many_futures_the_caption_says_which_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.report.tables.futures.MOST_LISTED_FUTURES", 1)
    console = Console(file=(text := io.StringIO()), width=200)
    console.print(*futures_tables(solved("hand_wait.yaml"), 200))
    said = " ".join(text.getvalue().split())
    assert "1 more future is not shown: first come those that fail, then the costliest; --all lists each." in said
