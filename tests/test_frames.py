"""Frames are the only source of tables: a column that is added to one stands wherever the table does."""

import io
import math
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from rich.console import Console

import optimizer as so
from optimizer.report.html.book import book
from optimizer.report.tables.plan import plan_tables
from optimizer.report.tables.render import page_table, show, write_frames
from optimizer.results.frames import Frame, FrameColumn
from optimizer.studies import frames
from optimizer.studies.comparison import single_point

TINY = Path(__file__).parent.parent / "instances" / "tiny.yaml"
# Every name that a result has, and an index that it is read by.
INDICES = {
    "builds": ["option", "period"],
    "stock": ["period"],
    "survival": ["shock", "segment"],
    "services": ["segment"],
    "dependence": ["commodity", "year", "region"],
    "costs": ["part"],
    "outlays": ["year"],
    "limits": ["limit"],
    "flows": ["path", "flow", "owner", "period"],
}


@pytest.fixture(scope="module")
def result() -> so.Result:
    return so.solve(so.load(TINY), 5e6)


def screen() -> Console:
    return Console(file=io.StringIO(), width=140, force_terminal=False)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("name", INDICES)
def test_a_frame_has_an_index_plain_names_and_units_beside(result: so.Result, name: str) -> None:
    frame = getattr(result.frames, name)
    assert list(frame.index.names) == INDICES[name]
    assert not [column for column in frame.columns if "[" in column]
    assert set(frame.attrs["units"]) <= {*frame.columns, *frame.index.names}
    assert set(frame.attrs["labels"]) == {*frame.columns, *frame.index.names}
    assert getattr(result.frames, name) is frame


def test_figures_are_those_worked_by_hand(result: so.Result) -> None:
    # 5M buys 5M / 65k t of stock and nothing else.
    bought = result.frames.builds
    assert bought.loc["reserve", "capex"].tolist() == pytest.approx([5e6])
    assert bought.loc["reserve", "outlay_share"].tolist() == pytest.approx([1.0])
    assert result.frames.costs["present_value"].sum() == pytest.approx(result.total_cost)
    assert result.frames.survival["gap"].sum() == pytest.approx(result.survival_gap)
    assert result.frames.outlays["so_far"].iloc[-1] == pytest.approx(result.outlay)


# Two segments, listed shocks with a probability, and samples of which some may fail.
RISKY = [
    "discount_rate=0.05",
    "demands.pumps={commodity: magnet, quantity: 15, survival: 0.2, shortage_cost: 90k}",
    "shocks.embargo.probability=0.2",
    "ensembles.bans={count: 30, seed: 3, probability: 0.3, survive: 0.4, start: {uniform: [2027, 2029]}, months: 12,"
    " events: {ban: {weight: 1, cuts: [{region: rival, severity: {uniform: [0.1, 1]}}]}}}",
    "policy.budget=9M",
]


def test_costs_and_gap_follow_from_the_frames_alone() -> None:
    """The cost of a plan is I + B + Σ p·(Q − B_W); the gap counts the shocks that may not fail."""
    result = so.solve(so.load(TINY, RISKY))
    shocks = result.frames.survival.groupby("shock").first()
    assert shocks["excused"].any()
    assert shocks["probability"].sum() == pytest.approx(0.5)
    without = result.frames.costs["present_value"].drop("expected shocks").sum()
    more = (shocks["probability"] * (shocks["cost"] - shocks["baseline_cost"])).sum()
    assert without + more == pytest.approx(result.total_cost, rel=1e-9)
    counted = result.frames.survival.query("not excused")["gap"]
    assert counted.sum() == pytest.approx(math.fsum(each.gap for each in result.shocks if not each.excused), rel=1e-9)
    # The search proves its gap to a millionth.
    assert counted.sum() == pytest.approx(result.survival_gap, rel=1e-6)
    assert counted.groupby("shock").sum().max() == pytest.approx(result.worst_gap, rel=1e-9)
    # A shock without a probability has none: 0 would say that it cannot happen.
    (unlikely,) = so.solve(so.load(TINY, ["shocks.embargo.start=2027"])).frames.survival["probability"]
    assert math.isnan(unlikely)
    # Each shock lasts as long as its periods say.
    assert shocks.loc["embargo@2027", ["first", "last"]].tolist() == ["2027", "2028"]


def test_sales_stand_below_the_costs_that_are_net_of_them() -> None:
    """Of 30 t a year 20 are served and 10 sold at 50 USD a tonne, in three years."""
    data: dict[str, Any] = {
        "name": "sales",
        "horizon": {"start": 2027, "end": 2029, "step": "year"},
        "commodities": {"ore": {}, "sold": {}},
        "processes": {
            "mine": {"region": "home", "output": {"ore": 1}, "capacity": 30, "cost": 10},
            "trade": {"region": "home", "input": {"ore": 1}, "output": {"sold": 1}, "capacity": 10, "cost": -50},
        },
        "demands": {"all": {"commodity": "ore", "quantity": 20, "shortage_cost": 1000}},
    }
    result = so.solve(so.read(data))
    assert result.costs["operation"] == pytest.approx(3 * (30 * 10 - 10 * 50))
    assert result.frames.frame("costs").note == "Operation is net of 1,500 USD of sales, at costs below 0."
    assert result.frames.frame("dependence").note.startswith("Shares of what is made for this demand and for sale, not")
    del data["processes"]["trade"]
    unsold = so.solve(so.read(data))
    assert not unsold.frames.frame("costs").note


@pytest.mark.parametrize("weight", [1, 0.5])
def test_cvar_and_its_threshold_follow_from_the_frames_alone(weight: float) -> None:
    objective = f"policy.objective={{cvar: 0.6, weight: {weight}}}"
    result = so.solve_futures(so.load(TINY, [*RISKY, objective]))
    frames = result.futures[0].result.frames
    shocks = frames.survival.groupby("shock").first()
    calm = frames.costs["present_value"].drop("expected shocks").sum()
    outcomes = [(calm, 1 - shocks["probability"].sum())]
    outcomes += zip(calm + shocks["cost"] - shocks["baseline_cost"], shocks["probability"], strict=True)
    left, tail, threshold = 0.4, 0.0, math.nan
    for cost, probability in sorted(outcomes, reverse=True):
        taken = min(left, probability)
        tail, left, threshold = tail + taken * cost / 0.4, left - taken, cost if taken > 1e-12 else threshold
    assert result.cvar == pytest.approx(tail, rel=1e-9)
    assert result.value_at_risk == pytest.approx(threshold, rel=1e-9)
    measure = (1 - weight) * result.expected_cost + weight * tail
    assert result.total_cost == pytest.approx(measure, rel=1e-6)
    assert result.priced_cost == result.total_cost
    again = so.FuturesResult.from_dict(result.to_dict())
    assert (again.cvar, again.value_at_risk) == (result.cvar, result.value_at_risk)
    assert result.cvar < sorted(outcomes)[-1][0]


def test_dependence_by_year_has_every_year_of_the_horizon(result: so.Result) -> None:
    frame = result.frames.frame("yearly_dependence")
    assert sorted(set(frame["year"])) == [2026, 2027, 2028, 2029, 2030]
    # Two regions at most make magnets, and their shares of a year add to 1.
    for year in range(2026, 2031):
        shares = [row["share"] for row in frame.rows() if (row["commodity"], row["year"]) == ("magnet", year)]
        assert math.fsum(shares) == pytest.approx(1)


def test_the_plan_says_when_the_first_shock_begins_and_whether_losses_are_bought() -> None:
    note = so.solve(so.load(TINY, ["shocks.embargo.start=[2029, 2028]"])).frames.frame("builds").note
    assert note.endswith("are all purchases. The first shock begins in 2028; other starts can need other dates.")
    note = (
        so.solve(so.load(TINY, ["shocks={}", "options.reserve.loss=0.1", "policy.force={reserve: {2026: 10}}"]))
        .frames.frame("builds")
        .note
    )
    assert note.endswith("Bought and Spent are all purchases, also those that replace yearly losses.")


def test_studies_name_what_they_hold_in_a_line(result: so.Result) -> None:
    # Of tiny's one number with a range no sample can keep the floors with 5M: its shortage cost moves no floor.
    ranged = so.load(TINY, ["ranges={demands.motors.shortage_cost: {low: 0.4M, high: 0.6M}}", "policy.budget=5M"])
    said = repr(so.discover(so.solve(ranged), samples=60))
    assert said == "<Discovery of 'tiny' in 'tiny': 60 of 60 samples fail; conditions: 0>"
    targets = "{exports: {price: 1M, cuts: [{region: rival, severity: 1}]}}"
    adversary = f"adversary={{attack_budget: 1M, months: 12, starts: 2028, targets: {targets}}}"
    said = repr(so.attack(so.load(TINY, [adversary])))
    assert said.startswith("<AttackResult of <Result 'tiny': survives, ")
    assert said.endswith(">: starts: 1; attacks deterred: 0>")
    examples = TINY.parent.parent / "examples"
    said = repr(so.share_costs(so.load(examples / "allies.yaml")))
    assert said == "<CostShares of 'three allies': members: 3; coalitions: 7>"
    said = repr(so.futures_study(so.load(examples / "wait_or_commit.yaml")))
    assert said == "<FuturesStudy of 'wait or commit' by expected cost: futures: 2; questions at other dates: 3>"


def test_no_such_frame_says_which_there_are(result: so.Result) -> None:
    with pytest.raises(AttributeError, match="there is no frame 'bilds'; there are builds, stock"):
        _ = result.frames.bilds
    with pytest.raises(KeyError, match="there is no frame 'bilds'; there are builds, stock"):
        result.frames.frame("bilds")


def test_a_plan_from_a_file_has_the_same_frames(result: so.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "plan.json")
    again = so.Result.load(tmp_path / "plan.json")
    for name in INDICES:
        assert getattr(again.frames, name).equals(getattr(result.frames, name)), name


@pytest.mark.parametrize(("name", "maker"), [("builds", "builds_frame"), ("limits", "limits_frame")])
def test_a_new_column_stands_on_screen_in_files_in_workbooks_and_on_pages(
    result: so.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, maker: str
) -> None:
    made = getattr(frames, maker)

    def with_risk(*subject: object) -> Frame:
        frame: Frame = made(*subject)
        column = FrameColumn("risk", "Money at risk", "USD", "amount", note="what may be lost")
        return frame.with_column(column, [12_345_678.0] * len(frame))

    monkeypatch.setattr(frames, maker, with_risk)
    fresh = so.Result.from_dict(result.to_dict())
    console = screen()
    show(plan_tables, fresh, console)
    assert "Money at risk" in printed(console)
    assert "12.3M" in printed(console)
    assert "Money at risk: what may be lost." in " ".join(printed(console).split())
    assert name != "builds" or "12.3M" in fresh._repr_html_()
    assert getattr(fresh.frames, name).attrs["units"]["risk"] == "USD"
    (path,) = write_frames(fresh.frames, tmp_path, [name])
    assert path.read_text().splitlines()[0].endswith("risk [USD]")
    so.write_workbook(fresh, tmp_path / "plan.xlsx", warnings=())
    heads = [cell.value for cell in openpyxl.load_workbook(tmp_path / "plan.xlsx")[name][4]]
    assert heads[-1] == "Money at risk [USD]"
    data = book(so.load(TINY), single_point(so.load(TINY), fresh), is_quick=True).to_dict()
    table = data["points"][0]["tables"][name]
    assert table["head"][-1] == ">Money at risk, USD"
    assert table["rows"][0][-1] == "12.3M"


def test_what_has_no_limit_is_no_error_on_a_page() -> None:
    columns = (FrameColumn("most", unit="t", form="amount"), FrameColumn("share", form="share"))
    frame = Frame.of_rows("bounds", "Bounds", columns, [(math.inf, -math.inf), (12.5, math.nan)])
    assert page_table(so.load(TINY), frame)["rows"] == [["∞", "−∞"], ["12.5", "–"]]


def test_every_study_has_frames() -> None:
    instance = so.load(TINY)
    compared = so.compare(instance, [0, 20e6], facts=("least", "alone", "next"))
    assert compared.frames.least_outlay["outlay"].tolist() == pytest.approx([11.5e6], rel=1e-4)
    assert set(compared.frames.lone_shocks.index.get_level_values("shock")) == {"embargo@2027", "embargo@2029"}
    found = so.alternatives(instance)
    assert found.frames.ranges.loc["plant", "greatest"] >= found.frames.ranges.loc["plant", "least"]
    assert found.frames.plans.loc["cheapest", "more"] == 0
    months = so.time_to_survive(instance, so.solve(instance).plan).frames.months
    assert months.attrs["units"] == {"before": "months", "after": "months"}
    tested = so.stress(so.solve(instance), samples=20, seed=1)
    assert len(tested.frames.samples) == 20
    assert tested.frames.groups["samples"].max() <= 20
    explained = so.explain(instance, budget=5e6)
    assert "budget" in explained.frames.repairs.index.get_level_values("kind")


@pytest.mark.parametrize("row", [("a",), ("a", 1.0, 2.0)])
def test_a_row_has_a_value_for_every_column(row: tuple[object, ...]) -> None:
    columns = [FrameColumn("plan"), FrameColumn("cost")]
    with pytest.raises(ValueError, match=rf"frame plans: a row has {len(row)} values for 2 columns \(plan, cost\)"):
        Frame.of_rows("plans", "Plans", columns, [("b", 3.0), row])


def test_a_column_without_a_value_is_left_out_and_a_zero_is_a_value() -> None:
    columns = [FrameColumn(name) for name in ("plan", "none", "text", "zero")]
    frame = Frame.of_rows("plans", "Plans", columns, [("a", None, "", 0.0), ("b", None, "", 0.0)])
    assert [column.name for column in frame.without_empty("none", "text", "zero").columns] == ["plan", "zero"]


def test_a_column_that_there_is_not_is_named() -> None:
    found = Frame.of_rows("sizes", "Sizes", [FrameColumn("size")], [(1,)])
    for ask in (lambda: found["nope"], lambda: found.without_empty("nope")):
        with pytest.raises(KeyError, match="frame sizes has no column 'nope'; it has size"):
            ask()


def test_columns_without_rows_have_the_types_that_they_have_with_rows() -> None:
    columns = (
        FrameColumn("name", is_index=True),
        FrameColumn("year", form="year"),
        FrameColumn("amount", form="amount"),
        FrameColumn("holds", form="yes"),
    )
    full = Frame.of_rows("any", "Any", columns, [("plant", 2026, 1.5, True)]).to_pandas()
    empty = Frame.of_rows("any", "Any", columns, []).to_pandas()
    assert list(empty.dtypes) == list(full.dtypes)
    assert empty.index.dtype == full.index.dtype


def test_the_note_of_a_column_stands_only_where_the_column_does() -> None:
    columns = [FrameColumn("size", "Bought", "t", "amount", note="in all years"), FrameColumn("paid", note="of it")]
    frame = Frame.of_rows("bought", "Bought", columns, [(1.0, 2.0)], "All.")
    assert frame.whole_note == "All. Bought: in all years. Paid: of it."
    assert frame.select(["paid"]).whole_note == "All. Paid: of it."
    assert page_table(so.load(TINY), frame)["caption"] == frame.whole_note
