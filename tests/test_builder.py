"""The model builder: ledgers, rows, names, scales; and the facts about PuLP and HiGHS that the package leans on."""

import random
import re
import subprocess
import sys
from pathlib import Path

import highspy
import numpy as np
import pulp
import pytest
from hypothesis import given
from hypothesis import strategies as some

from optimizer import formulation, risk
from optimizer.errors import ModelError, SolverError
from optimizer.horizon import Horizon
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import LEDGERS, Expression, Names, distinct_shocks, total
from optimizer.solver import Model, Settings, write_model
from tests.conftest import LOOSE, Cell, row_texts

HORIZON = Horizon(start=2026, end=2027, step="quarter")


@pytest.fixture
def builder() -> ModelBuilder:
    names = Names(frozenset({"magnet"}), frozenset({"imports"}), frozenset({"all"}), {"baseline"})
    return ModelBuilder(HORIZON, names)


# Ledgers


def test_accounts_add_up(builder: ModelBuilder) -> None:
    x = builder.variable("o", "size", 0)
    builder.book("supply", "baseline", "magnet", 3, amount=2.0 * x)
    builder.book("supply", "baseline", "magnet", 3, amount=3.0 * x + 7.0)
    builder.book("supply", "baseline", "magnet", 4, amount=1.0)
    booked = builder.booked("supply", "baseline", "magnet", 3)
    assert (booked.terms, booked.constant) == ({0: 5.0}, 7.0)
    assert builder.booked("supply", "baseline", "magnet", 5).terms == {}
    assert set(builder.accounts("supply")) == {("baseline", "magnet", 3), ("baseline", "magnet", 4)}


def test_every_ledger_is_read_somewhere() -> None:
    package = Path(formulation.__file__).parent
    code = "".join(path.read_text() for path in package.rglob("*.py"))
    assert {ledger for ledger in LEDGERS if not re.search(rf'(booked|accounts)\("{ledger}"', code)} == set()


def test_what_is_booked_to_a_copy_leaves_the_plans_accounts_alone(builder: ModelBuilder) -> None:
    x = builder.variable("o", "size", 0)
    for ledger, key in (("outlay", 2026), ("spend", 8)):
        builder.book(ledger, key, amount=2.0 * x + 5.0)
        builder.copy().book(ledger, key, amount=3.0 * x + 100.0)
        booked = builder.booked(ledger, key)
        assert (booked.terms, booked.constant) == ({0: 2.0}, 5.0)


def test_a_lever_cannot_take_the_name_of_a_column_of_segments(builder: ModelBuilder) -> None:
    builder.variable("all", "below", 0)
    with pytest.raises(ModelError, match="use another name"):
        builder.variable("o", "below", 0)


@pytest.mark.parametrize(
    ("ledger", "key"),
    [
        ("supplies", ("baseline", "magnet", 3)),  # no such ledger
        ("supply", ("baseline", "magnets", 3)),  # no such commodity
        ("supply", ("baseline", "imports", 3)),  # a process is no commodity
        ("supply", ("embargo", "magnet", 3)),  # no such path
        ("supply", ("baseline", "magnet", 8)),  # two years have quarters 0 … 7
        ("supply", ("baseline", "magnet", -1)),
        ("supply", ("baseline", "magnet")),  # too short
        ("supply", ("baseline", "magnet", 3, 3)),  # too long
        ("available", ("baseline", "magnet", 3)),
        ("substituted", ("baseline", "magnet", 3)),
        ("outlay", (2028,)),
        ("outlay", (0,)),  # a year, not a period
        ("spend", (9,)),  # 8 is the end of the horizon
        ("production", ("baseline", "magnet", None, "ally", 3)),
    ],
)
def test_unknown_ledgers_and_keys_are_refused(builder: ModelBuilder, ledger: str, key: tuple[str | int, ...]) -> None:
    with pytest.raises(ModelError, match=r"there is no ledger|is no key of"):
        builder.book(ledger, *key, amount=1.0)
    with pytest.raises(ModelError, match=r"there is no ledger|is no key of"):
        builder.booked(ledger, *key)


@pytest.mark.parametrize(
    ("ledger", "key", "said"),
    [
        ("suply", (), 'there is no ledger "suply". Did you mean "supply"?'),
        ("supply", ("baseline", "magnets", 3), "'magnets' is no commodity. Did you mean \"magnet\"?"),
        ("supply", ("baseline", "magnet", 8), "8 is no period from 0 to 7"),
        ("outlay", (0,), "0 is no year from 2026 to 2027"),
    ],
)
def test_a_key_is_refused_with_the_part_that_is_not_known(
    builder: ModelBuilder, ledger: str, key: tuple[str | int, ...], said: str
) -> None:
    with pytest.raises(ModelError) as caught:
        builder.book(ledger, *key, amount=1.0)
    assert str(caught.value).endswith(said)


def test_end_of_the_horizon_is_a_moment_but_no_period(builder: ModelBuilder) -> None:
    builder.book("spend", 8, amount=-5.0)
    assert builder.booked("spend", 8).constant == -5.0


def test_discount_factors_are_those_of_the_instance_whatever_the_step(cell: Cell) -> None:
    # Eight quarters at 10 % a year are two years, 1/1.21; twelve are three years, the end of the horizon: 1/1.331.
    instance = cell(LOOSE.replace("step: year", "step: quarter"), "discount_rate: 0.1")
    assert instance.discount(8) == pytest.approx(1 / 1.21)
    assert instance.discount(np.array([0, 12])) == pytest.approx([1, 1 / 1.331])


def test_a_path_is_known_once_it_has_been_begun(cell: Cell) -> None:
    instance = cell(MODEL)
    builder = formulation.blank_model(instance)
    path = instance.path(instance.events[0])
    with pytest.raises(ModelError, match="is no key of operating"):
        builder.book("operating", "embargo", 0, amount=1.0)
    with builder.on_path(path.key):
        builder.book("operating", "embargo", 0, amount=1.0)
    assert builder.booked("operating", "embargo", 0).constant == 1.0


# Rows and columns


def test_a_column_written_twice_is_refused(builder: ModelBuilder) -> None:
    builder.variable("o", "size", 0)
    builder.variable("o", "size", 1)
    with pytest.raises(ModelError, match=r"the column o\.size\.2026Q1 is written twice"):
        builder.variable("o", "size", 0)


def test_a_row_written_twice_is_refused(builder: ModelBuilder) -> None:
    x = builder.variable("o", "size", 0)
    builder.require("o", "max", None, x, "<=", 1.0)
    builder.require("o", "max", 0, x, "<=", 1.0)
    with pytest.raises(ModelError, match=r"the row o\.max is written twice"):
        builder.require("o", "max", None, x, "<=", 2.0)


def test_what_a_row_drops_counts_as_written(builder: ModelBuilder) -> None:
    x = builder.variable("o", "size", 0)
    builder.require("o", "max", None, x - x, "<=", 1.0)
    assert builder.rows == []
    with pytest.raises(ModelError, match="written twice"):
        builder.require("o", "max", None, x, "<=", 1.0)


@pytest.mark.parametrize("sense", ["<=", ">=", "=="])
def test_what_stands_on_the_right_goes_to_the_left(builder: ModelBuilder, sense: str) -> None:
    x, y = builder.variable("o", "x", 0), builder.variable("o", "y", 0)
    builder.require("o", "row", 2, 2.0 * x + 5.0, sense, x + 3.0 * y - 1.0)  # type: ignore[arg-type]
    assert row_texts(builder, "o", "row") == [f"o.row.2026Q3: + 1 o.x.2026Q1 - 3 o.y.2026Q1 {sense} -6"]


@pytest.mark.parametrize(
    ("sense", "rhs", "holds"),
    # 0 sense rhs
    [("<=", 1, True), ("<=", -1, False), (">=", -1, True), (">=", 1, False), ("==", 0, True), ("==", 1, False)],
)
def test_constant_row_is_dropped_where_it_holds_and_kept_where_it_cannot(
    builder: ModelBuilder, sense: str, rhs: float, holds: bool
) -> None:
    x = builder.variable("o", "x", 0, upper=4.0)
    builder.require("o", "row", None, x - x, sense, rhs)  # type: ignore[arg-type]
    assert len(builder.rows) == (0 if holds else 1)
    answer = Model(builder, -1.0 * x, Settings()).solve()
    assert answer.status == ("optimal" if holds else "infeasible")


def test_a_model_that_highs_refuses_is_no_answer(builder: ModelBuilder) -> None:
    x = builder.variable("o", "x", 0, unit="t")
    y = builder.variable("o", "y", 0, unit="t")
    builder.require("o", "row", None, 1e17 * x - y, "<=", 5.0, unit="t")
    with pytest.raises(SolverError, match="a coefficient is 1e15 or larger"):
        Model(builder, x, Settings())


def test_a_small_coefficient_counts(builder: ModelBuilder) -> None:
    # x ≥ 1e10 · y with y at least 1, written so that y has the coefficient 1 and x 1e-10.
    x, y = builder.variable("o", "x", 0), builder.variable("o", "y", 0)
    builder.require("o", "least", None, y, ">=", 1.0)
    builder.require("o", "row", None, 1e-10 * x - y, ">=", 0.0, unit="t")
    assert Model(builder, x, Settings()).solve().objective == pytest.approx(1e10)


def test_a_small_coefficient_of_a_row_added_later_counts_and_only_then(builder: ModelBuilder) -> None:
    x, y = builder.variable("o", "x", 0), builder.variable("o", "y", 0)
    builder.require("o", "least", None, y, ">=", 1.0)
    model, more = Model(builder, x, Settings()), builder.copy()
    highs = model._back.highs
    assert highs.getOptionValue("small_matrix_value")[1] == 1e-9
    more.require("o", "row", None, 1e-10 * x - y, ">=", 0.0, unit="t")
    model.grow(more, x)
    assert highs.getOptionValue("small_matrix_value")[1] == pytest.approx(0.5e-10)
    assert model.solve().objective == pytest.approx(1e10)


def test_two_impossible_rows_stay_two(builder: ModelBuilder) -> None:
    builder.require("o", "one", None, Expression(), ">=", 1.0)
    builder.require("o", "two", None, Expression(), ">=", 1.0)
    assert [row.mark.what for row in builder.rows] == ["one", "two"]
    assert len({str(column.mark) for column in builder.columns}) == 2


def test_a_limit_is_a_row_while_the_plan_is_open_and_a_bound_once_it_is_fixed(builder: ModelBuilder) -> None:
    x, y = builder.variable("p", "activity", 0, upper=10.0), builder.variable("o", "size", 0)
    builder.limit("p", "limit", 0, x, 2.0 * y + 1.0)
    assert row_texts(builder, "p", "limit") == ["p.limit.2026Q1: - 2 o.size.2026Q1 + 1 p.activity.2026Q1 <= 1"]
    builder.limit("p", "limit", 1, x, 6.0)
    builder.limit("p", "limit", 2, x, 8.0)
    assert len(builder.rows) == 1
    assert builder.columns[0].upper == 6.0
    builder.limit("p", "limit", 3, x, -1e-12)
    assert builder.columns[0].upper == 0.0


@pytest.mark.parametrize("upper", [6.0, None])
def test_a_limit_of_anything_but_one_column_is_refused(builder: ModelBuilder, upper: float | None) -> None:
    x, y = builder.variable("p", "activity", 0, upper=10.0), builder.variable("o", "size", 0)
    most = 2.0 * y if upper is None else upper
    for left in (x + y, 2.0 * x, x + 1.0, Expression(), np.array([1.0, 2.0]) * x):
        with pytest.raises(ModelError, match="p: limit capacity is of a sum or a multiple of columns; write it with"):
            builder.limit("p", "capacity", 0, left, most)
    assert builder.columns[0].upper == 10.0


def test_terms_are_linked_once_and_found_by_name(builder: ModelBuilder) -> None:
    x = builder.variable("o", "size", 0)
    builder.link("o", "capacity", {0: x, 1: 0.5 * x})
    assert builder.linked("o", "capacity")[1].terms == {0: 0.5}
    with pytest.raises(ModelError, match="links capacity twice"):
        builder.link("o", "capacity", {})
    with pytest.raises(ModelError, match="o links no level; it links capacity"):
        builder.linked("o", "level")


def test_an_expression_has_no_truth_value() -> None:
    with pytest.raises(ModelError, match="no truth value"):
        bool(Expression({0: 1.0}))


def test_sums_do_not_change_their_parts() -> None:
    x, y = Expression({0: 1.0}), Expression({1: 2.0}, 3.0)
    assert (x + y).terms == {0: 1.0, 1: 2.0}
    assert (total([x, y, y, 4.0]).terms, total([x, y, y, 4.0]).constant) == ({0: 1.0, 1: 4.0}, 10.0)
    assert ((5.0 - y).terms, (5.0 - y).constant) == ({1: -2.0}, 2.0)
    assert (x.terms, y.terms, y.constant) == ({0: 1.0}, {1: 2.0}, 3.0)


def test_shocks_with_the_same_numbers_share_a_row() -> None:
    table, row = distinct_shocks([np.array([1.0, 2.0, 1.0]), 7.0], shocks=3)
    assert table.tolist() == [[1.0, 7.0], [2.0, 7.0]]
    assert row.tolist() == [0, 1, 0]
    assert [part.shape for part in distinct_shocks([], shocks=2)] == [(1, 0), (2,)]


# Names and files


MODEL = """
horizon: {start: 2026, end: 2026, step: quarter}
home: home
commodities: {"Nd Pr (oxide)": {}, "nd_pr__oxide_": {}, "釹": {}}
processes:
  "1st line": {region: rival, output: {"Nd Pr (oxide)": 1, "nd_pr__oxide_": 2, "釹": 1}, capacity: 1000, cost: 10}
  "1st_line": {region: rival, output: {"Nd Pr (oxide)": 1}, capacity: 100, cost: 9}
demands: {e5: {commodity: "Nd Pr (oxide)", quantity: 100, survival: 0.8, shortage_cost: 1000}}
options:
  "<free>": {kind: stockpile, commodity: "Nd Pr (oxide)", price: 50, holding_cost: 3, max_size: 40, initial: 5,
      loss: 0.1}
  "plant: a+b": {kind: refining, output: {"Nd Pr (oxide)": 1}, cost: 30, capex: 7, fixed_cost: 11, unit_size: 20,
      max_size: 60}
  "plant  a*b": {kind: refining, output: {"Nd Pr (oxide)": 1}, cost: 30, capex: 9, fixed_cost: 11, unit_size: 20,
      max_size: 60}
shocks: {embargo: {start: 2026Q4, months: 3, cuts: [{region: rival, severity: 1}]}}
"""
# The embargo takes a quarter, 25 t, floor 20. Initial 5 t: 0.9^(3/4) of it are left when the embargo begins; the plants
# cost money.


def test_names_given_to_pulp_are_unique_and_plain(cell: Cell) -> None:
    instance = cell(MODEL)
    builder = formulation.extensive_form_model(instance, instance.events)
    problem = builder.problem("model", *builder.scales())
    columns = [variable.name for variable in problem.variables()]
    rows = [row.name for row in problem.constraints()]
    assert len(columns) == len(set(columns)) == len(builder.columns)
    assert len(rows) == len(set(rows)) == len(builder.rows)
    for name in columns + rows:
        assert name[0].isalpha()
        assert not set(name) & set(" \t+-*^<>=:()[]{},;!|&#$%'\"\\")


@pytest.mark.parametrize("suffix", [".mps", ".lp"])
def test_model_in_a_file_is_the_model(cell: Cell, tmp_path: Path, suffix: str) -> None:
    instance = cell(MODEL)
    builder = formulation.extensive_form_model(instance, instance.events)
    cost = risk.cost(builder, instance, instance.events)
    write_model(builder, cost, tmp_path / f"model{suffix}")
    reader = highspy.Highs()
    reader.setOptionValue("output_flag", False)
    assert reader.readModel(str(tmp_path / f"model{suffix}")) == highspy.HighsStatus.kOk
    assert (reader.getNumCol(), reader.getNumRow()) == (len(builder.columns), len(builder.rows))
    reader.setOptionValue("mip_rel_gap", 0.0)
    reader.run()
    answer = Model(builder, cost, Settings(mip_gap=0.0)).solve()
    assert reader.getObjectiveValue() == pytest.approx(answer.objective - cost.constant)
    assert answer.status == "optimal"


# Names as long as these would differ behind the last character that is kept of them.
LONG = MODEL.replace("plant: a+b", "a" * 90).replace("plant  a*b", "a" * 91).replace("{embargo:", f'{{"{"s/" * 50}":')


@pytest.mark.parametrize("model", [MODEL, LONG], ids=["odd", "long"])
@pytest.mark.parametrize("suffix", [".mps", ".lp"])
def test_cbc_reads_a_file_with_its_names(cell: Cell, tmp_path: Path, suffix: str, model: str) -> None:
    instance = cell(model)
    builder = formulation.extensive_form_model(instance, instance.events)
    cost = risk.cost(builder, instance, instance.events)
    file, solution = tmp_path / f"model{suffix}", tmp_path / "solution"
    write_model(builder, cost, file)
    asked = [file, "-ratio", "0", "-solve", "-printi", "all", "-solution", solution]
    ran = subprocess.run([pulp.COIN_CMD().path, *asked], capture_output=True, text=True, check=True)
    assert "###" not in ran.stdout
    problem = builder.problem("model", *builder.scales())
    head, *rows = solution.read_text().splitlines()
    assert {row.split()[1] for row in rows} >= {variable.name for variable in problem.variables()}
    answer = Model(builder, cost, Settings(mip_gap=0.0)).solve()
    assert float(head.split()[-1]) == pytest.approx(answer.objective - cost.constant)


def test_names_say_shock_owner_what_and_period(builder: ModelBuilder) -> None:
    # Of 101 characters the first and the last 45 are kept; one of 100 is kept whole.
    builder.variable("a plant/line", "size", 0)
    with builder.on_path("ban@2026Q1"):
        builder.variable("plant", "activity", 1)
    for letters in (88, 89):
        builder.variable("b" * letters, "size", 2)
    problem = builder.problem("model", *builder.scales())
    names = [variable.name for variable in problem.variables()]
    assert names[:2] == ["a_plant_line.size.2026Q1", "ban@2026Q1.plant.activity.2026Q2"]
    assert names[2:] == [f"{'b' * 88}.size.2026Q3", f"{'b' * 45}__{'b' * 33}.size.2026Q3"]


# Scales


def test_scales_are_powers_of_ten_and_can_be_taken_back(cell: Cell) -> None:
    instance = cell(MODEL.replace("quantity: 100", "quantity: 0.002").replace("price: 50", "price: 5B"))
    builder = formulation.extensive_form_model(instance, instance.events)
    columns, rows = builder.scales()
    for scale in columns + rows:
        assert f"{scale:e}".startswith("1.000000e")
    problem = builder.problem("model", columns, rows)
    for row, scale, written in zip(builder.rows, rows, problem.constraints(), strict=True):
        found = {variable.name: value for variable, value in written.items()}
        names = [variable.name for variable in problem.variables()]
        assert {names[j]: value * columns[j] / scale for j, value in row.terms.items()} == pytest.approx(found)
        assert -written.constant * scale == pytest.approx(row.rhs)
    for column, scale, variable in zip(builder.columns, columns, problem.variables(), strict=True):
        assert (variable.lowBound or 0.0) * scale == pytest.approx(column.lower)
        assert (float("inf") if variable.upBound is None else variable.upBound * scale) == pytest.approx(column.upper)


@pytest.mark.parametrize("mass", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("money", [1e-3, 1.0, 1e9])
def test_answers_come_back_in_the_units_of_the_file(builder: ModelBuilder, mass: float, money: float) -> None:
    # 20 t are asked (balance), 5 come from a source at 1 that yields 5 at most, the rest from one at 3: 5*1 + 15*3 =
    # 50. One tonne more costs 3 (price of the balance); one more of the cheap source saves 2 (reduced cost of its
    # column).
    x = builder.variable("a", "activity", 0, upper=5.0 * mass)
    y = builder.variable("b", "activity", 0)
    builder.require("magnet", "balance", 0, x + y, ">=", 20.0 * mass)
    builder.require("policy", "budget", None, money * x + 3 * money * y, "<=", 1000.0 * mass * money, unit="money")
    answer = Model(builder, money * x + 3 * money * y + 7.0 * money, Settings()).solve()
    assert answer.values is not None
    assert answer.values.tolist() == pytest.approx([5 * mass, 15 * mass])
    assert answer.objective == pytest.approx(50 * mass * money + 7 * money)
    assert answer.bound == pytest.approx(answer.objective)
    assert answer.duals is not None
    assert answer.duals.tolist() == pytest.approx([3 * money, 0])
    assert answer.reduced_costs is not None
    assert answer.reduced_costs.tolist() == pytest.approx([-2 * money, 0])


@given(some.integers(-6, 6), some.integers(-3, 9))
def test_scales_follow_the_data(mass: int, money: int) -> None:
    # Whatever the units, what the solver sees of a balance and a budget lies between 1e-4 and 1e7.
    builder = ModelBuilder(HORIZON, Names(frozenset({"magnet"}), frozenset(), frozenset()))
    x = builder.variable("a", "activity", 0, upper=5.0 * 10.0**mass)
    builder.require("magnet", "balance", 0, x, ">=", 20.0 * 10.0**mass)
    builder.require("policy", "budget", None, 3.0 * 10.0**money * x, "<=", 60.0 * 10.0 ** (mass + money), unit="money")
    problem = builder.problem("model", *builder.scales())
    seen = [abs(value) for row in problem.constraints() for value in (*dict(row.items()).values(), row.constant)]
    assert all(1e-4 <= value <= 1e7 for value in seen)


# What the package leans on: PuLP


def pulp_model() -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    """min 2x + 3y with x + y >= 4, x <= 3."""
    problem = pulp.LpProblem("model")
    x, y = problem.add_variable("x", 0, 3), problem.add_variable("y", 0, None)
    row = pulp.lpSum_vars_coefs([(x, 1.0), (y, 1.0)])
    row.constant, row.sense = -4.0, pulp.const.LpConstraintGE
    problem.addConstraint(row, "asked")
    problem.setObjective(pulp.lpSum_vars_coefs([(x, 2.0), (y, 3.0)]))
    return problem, [x, y]


def highs(**options: object) -> pulp.HiGHS:
    return pulp.HiGHS(msg=False, **options)


def test_pulp_keeps_the_order_in_which_columns_and_rows_were_added() -> None:
    problem = pulp.LpProblem("model")
    names = ["z", "a", "m.2", "m.10"]
    variables = [problem.add_variable(name, 0, 1) for name in names]
    for name, variable in zip(names, variables, strict=True):
        row = pulp.lpSum_vars_coefs([(variable, 1.0)])
        row.constant, row.sense = -1.0, pulp.const.LpConstraintLE
        problem.addConstraint(row, f"r.{name}")
    assert [variable.name for variable in problem.variables()] == names
    assert [row.name for row in problem.constraints()] == [f"r.{name}" for name in names]


def test_pulp_accepts_duplicate_names_silently() -> None:
    # So the builder refuses a second use itself.
    problem = pulp.LpProblem("model")
    problem.add_variable("x", 0, 1)
    problem.add_variable("x", 0, 2)
    assert [variable.name for variable in problem.variables()] == ["x", "x"]


def test_a_row_is_built_from_pairs_with_its_constant_and_sense_set_afterwards() -> None:
    problem, (x, y) = pulp_model()
    problem.solve(highs())
    # x is cheaper, up to 3; y gives the other 1: 2*3 + 3*1 = 9. Another tonne costs 3.
    assert (x.varValue, y.varValue) == (3.0, 1.0)
    assert pulp.value(problem.objective) == pytest.approx(9.0)
    assert problem.constraints()[0].pi == pytest.approx(3.0)


def test_status_and_solution_are_told_apart() -> None:
    problem, (x, _) = pulp_model()
    stats = problem.solve(highs())
    assert (stats.status, stats.has_solution) == (pulp.const.LpSolveStatus.Optimal, True)
    x.bounds(5.0, 3.0)
    stats = problem.solve(highs())
    assert (stats.status, stats.has_solution) == (pulp.const.LpSolveStatus.Infeasible, False)


def test_prices_of_an_integer_programme_are_no_prices() -> None:
    # So integers are fixed and the linear programme is solved again before a price is quoted.
    problem, (x, _) = pulp_model()
    x.cat = pulp.const.LpInteger
    problem.solve(highs())
    assert not problem.constraints()[0].pi


def test_a_column_without_a_use_is_left_out_of_the_solvers_model() -> None:
    # So `solver.highs` sets an objective with every column before it builds the model; otherwise its columns would be
    # shifted.
    problem, _ = pulp_model()
    problem.add_variable("idle", 0, 1)
    problem.solve(highs())
    assert problem.solverModel.getNumCol() == 2
    problem.setObjective(pulp.lpSum_vars(problem.variables()))
    problem.solve(highs())
    assert problem.solverModel.getNumCol() == 3


def test_a_built_model_can_be_changed_in_place() -> None:
    # Costs and bounds change on the kept HiGHS model, columns in the order of `variables()`.
    problem, _ = pulp_model()
    solver = highs()
    solver.createAndConfigureSolver(problem)
    solver.buildSolverModel(problem)
    model = problem.solverModel
    model.run()
    assert model.getSolution().col_value == pytest.approx([3, 1])
    model.changeColBounds(0, 0.0, 1.0)
    model.run()
    assert model.getSolution().col_value == pytest.approx([1, 3])
    model.changeColCost(1, 1.0)
    model.run()
    assert model.getSolution().col_value == pytest.approx([0, 4])


# … and what it makes of them


def knapsack(builder: ModelBuilder) -> tuple[Model, Expression]:
    """Least cost of at least 10 t in whole lots of 3 t at 5 and of 4 t at 6: 3 + 3 + 4 = 16; relaxed 10/4*6 = 15."""
    x = builder.variable("a", "units", 0, unit="1", upper=9, integer=True)
    y = builder.variable("b", "units", 0, unit="1", upper=9, integer=True)
    builder.require("magnet", "balance", 0, 3.0 * x + 4.0 * y, ">=", 10.0)
    return Model(builder, 5.0 * x + 6.0 * y, Settings(mip_gap=0.0)), x


def test_integers_can_be_dropped_and_taken_up_again(builder: ModelBuilder) -> None:
    model, _ = knapsack(builder)
    assert model.solve(relaxed=True).objective == pytest.approx(15)
    whole = model.solve()
    assert whole.objective == pytest.approx(16)
    assert whole.values is not None
    assert whole.values.tolist() == pytest.approx([2, 1])
    assert whole.duals is None
    relaxed = model.solve(relaxed=True)
    assert relaxed.objective == pytest.approx(15)
    assert relaxed.duals is not None
    assert relaxed.duals.tolist() == pytest.approx([1.5])


def test_bounds_and_objectives_change_between_solves(builder: ModelBuilder) -> None:
    model, x = knapsack(builder)
    model.bound([0], 3.0, 9.0)  # three lots of 3 t, and one more
    assert model.solve().objective == pytest.approx(20)
    model.bound([0], 0.0, 0.0)  # three lots of 4 t
    assert model.solve().objective == pytest.approx(18)
    model.bound([0, 1], 0.0, 9.0)
    model.set_objective(-1.0 * x + 2.5)
    assert model.solve().objective == pytest.approx(-6.5)
    model.bound([0, 1], 0.0, 1.0)  # 3 + 4 t are less than 10
    assert model.solve().status == "infeasible"


def test_a_row_with_one_column_left_to_move_keeps_its_price(builder: ModelBuilder) -> None:
    # 100 t are made at 2 or go unserved; 30 t may, and v t more at 1, of which there are 50.
    made, u = builder.variable("a", "made", 0), builder.variable("all", "unserved", 0, upper=100.0)
    v, w = builder.variable("all", "below", 0, upper=50.0), builder.variable("all", "other", 0, upper=9.0)
    builder.require("magnet", "balance", 0, made + u, ">=", 100.0)
    builder.require("all", "floor", 0, u - v, "<=", 30.0)
    builder.require("all", "tighter", 0, u - 2.0 * w, "<=", 20.0)
    builder.require("all", "scaled", 0, 4.0 * u - v, "<=", 1000.0)
    model = Model(builder, 2.0 * made + v + 0.5 * w, Settings())

    def asked(below: float, other: float) -> tuple[float, list[float], list[float]]:
        model.bound([2, 3], [below, other], [below, other])
        answer = model.solve()
        assert answer.duals is not None
        assert answer.reduced_costs is not None
        return answer.objective, answer.duals.tolist(), answer.reduced_costs.tolist()

    # u is 30, or 35, where w is 9 and its row is slack; the price is the floor's.
    assert asked(0.0, 9.0) == (pytest.approx(140 + 4.5), pytest.approx([2, -2, 0, 0]), pytest.approx([0, 0, -1, 0.5]))
    assert asked(5.0, 9.0) == (pytest.approx(130 + 9.5), pytest.approx([2, -2, 0, 0]), pytest.approx([0, 0, -1, 0.5]))
    # With w at 1 the other row is the tighter one: u is 22, and a unit of w is worth 4.
    assert asked(5.0, 1.0) == (pytest.approx(156 + 5.5), pytest.approx([2, 0, -2, 0]), pytest.approx([0, 0, 1, -3.5]))
    model.bound([2, 3], 0.0, [50.0, 9.0])  # w = 9 lets 38 t go: 8 t below the floor at 1 save 16
    answer = model.solve()
    assert answer.values is not None
    assert answer.values.tolist() == pytest.approx([62, 38, 8, 9])
    # Nothing is left of a row that cannot hold.
    builder.require("all", "never", 0, 2.0 * u - v, "<=", -60.0)
    never = Model(builder, 2.0 * made + v, Settings())
    never.bound([2], 50.0, 50.0)
    assert never.solve().status == "infeasible"


@pytest.mark.parametrize("seed", range(395, 400))
@pytest.mark.parametrize("part", [0.999, 0.99, 0.97])
def test_below_a_cutoff_there_is_nothing_and_the_bound_claims_no_more(
    builder: ModelBuilder, seed: int, part: float
) -> None:
    # HiGHS 1.16 calls what it finds above the cutoff optimal, and its bound may lie above the least.
    rng = random.Random(seed)
    lots = [builder.variable(f"o{i}", "n", 0, integer=True, upper=3) for i in range(12)]
    rest = [builder.variable(f"o{i}", "y", 0, upper=40) for i in range(12)]
    for r in range(5):
        made = [rng.randint(1, 30) * x for x in lots] + [rng.randint(0, 2) * y for y in rest]
        builder.require(f"r{r}", "need", None, total(made), ">=", 200.0 + rng.random() * 60)
    cost = total([rng.randint(10, 60) * x for x in lots] + [rng.randint(2, 9) * y for y in rest])
    model = Model(builder, cost, Settings(mip_gap=0.0))
    least = model.solve().objective
    answer = model.solve(cutoff=part * least)
    assert answer.objective >= least - 1e-6
    assert answer.status == "infeasible" or answer.bound <= part * least + 1e-6


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_both_solvers_find_the_least_cost(cell: Cell, solver: str) -> None:
    # A quarter keeps q = 0.9^(1/4) of a stock. The embargo in Q4 asks for 20 t. Of the initial 5 t, 5*q^4 = 4.5 t are
    # left by then. Three lots of the first plant give 15 t: 3*20*7 + 11 = 431. The other 0.5 t are bought in Q3: 0.5/q
    # at 50, and held for two quarters. (Two lots, 291, and 5.5 t of stock at more than 50 would cost more; so would a
    # second plant for 191.) Held at the end of Q1 … Q4: 5q, 5q², (4.5 + 0.5)/q, 5 t at 3/4 a quarter. Baseline: 100 t
    # from the line that costs 9.
    q = 0.9**0.25
    expected = 431 + 50 * 0.5 / q + 0.75 * 5 * (q + q**2 + 1 / q + 1) + 900
    instance = cell(MODEL)
    builder = formulation.extensive_form_model(instance, instance.events)
    cost = risk.cost(builder, instance, instance.events)
    model = Model(builder, cost, Settings(solver=solver, mip_gap=0.0))  # type: ignore[arg-type]
    model.bound([j for j, column in enumerate(builder.columns) if column.mark.what == "below"], 0.0, 0.0)
    answer = model.solve()
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(expected)


def test_nothing_is_written_to_standard_output() -> None:
    # HiGHS prints a banner to file descriptor 1 when it is first made.
    code = (
        "from optimizer.horizon import Horizon\n"
        "from optimizer.model.expressions import Names\n"
        "from optimizer.model.builder import ModelBuilder\n"
        "from optimizer.solver import Model, Settings\n"
        "builder = ModelBuilder(Horizon(start=2026, end=2026, step='year'), Names(frozenset('c'), frozenset(), "
        "frozenset()))\n"
        "x = builder.variable('o', 'size', 0, upper=4.0, integer=True)\n"
        "builder.require('o', 'row', None, x, '>=', 1.5)\n"
        "assert Model(builder, x, Settings()).solve().objective == 2.0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_deadline_that_has_passed_stops_without_a_plan_or_with_one(builder: ModelBuilder) -> None:
    model, _ = knapsack(builder)
    model.clock.limit = 0.0
    answer = model.solve()
    assert answer.status in ("stopped", "optimal")
    assert answer.bound <= 16 + 1e-6
    if answer.values is not None:
        assert answer.objective >= 16 - 1e-6
