"""Stockpile requirements: shortfalls of materials, the stocks to hold against them, and the effect of partial funding.

shortfall        t   of a material in a shock: demand that floors require minus demand served under the do-nothing
                     plan, which draws on the initial stocks
amount to hold   t   largest stock in the cheapest plan that may buy stocks only, without a budget, other policy
                     rules or salvage; if not all floors can be kept, in the plan with the least survival gap
remains          t   the shortfall under a plan: the plan of stocks alone, or the given plan, which may buy any option
funding              plan of stocks alone with a budget of a share of the cost of the amounts to hold; price support
                     of processes is paid beside it
conflict case        shortfall and amount to hold for a single shock, for longer, shorter, earlier and later windows,
                     and for each scenario of the file

Probabilities are ignored: floors must hold in every shock. Samples that may fail count as no shortfall, except in
cases with other windows, in which every sample counts. Every plan is audited.

Source: 50 U.S.C. 98h-5 (`clauses`); the biennial reports on stockpile requirements count the same way.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from optimizer import arguments
from optimizer.algorithms.reading import do_nothing_plan
from optimizer.errors import Finding, InstanceError
from optimizer.instance.altered import with_only_shocks, with_starts_moved, with_window_lengths, without_probabilities
from optimizer.instance.derived import entry_of, highest_floor
from optimizer.instance.edits import require_known, under, with_budget
from optimizer.instance.removal import without
from optimizer.instance.schema import Instance, Policy, require_instance
from optimizer.io.plan_file import GivenPlan
from optimizer.network.process import ZERO_SERIES
from optimizer.results.result import Result, require_result
from optimizer.solver import Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.conclusion import solve_instance
from optimizer.studies.given_plan import operate_given
from optimizer.studies.requirements_assessment import notes_on_years_after
from optimizer.studies.requirements_result import CaseKind, ConflictCase, FundingStep, Requirements
from optimizer.studies.time_to_survive import time_to_survive
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import ROUNDING

STOPPED_NOTE = "Stopped before the end: what was not reached is left empty."
QUICK_NOTE = (
    "Left out (--quick): funding in part, the gap that each stock closes, other conflicts, and time to survive. "
    "The list of clauses marks those that this leaves open."
)
# Shares of the cost of the amounts to hold.
FUNDED_SHARES = (0.0, 0.25, 0.5, 0.75)
# Lengths of windows, as multiples of those in the file; years by which all shocks are postponed.
LENGTH_FACTORS = {0.5: "windows half as long", 2.0: "windows twice as long"}
YEARS_MOVED = {-1: "all shocks a year earlier", 1: "all shocks a year later"}


def stocks_alone(instance: Instance) -> Instance:
    """Return the instance in which only stocks can be bought, with shocks without probability.

    It has no budget, of the policy only the forced purchases of stocks, and no salvage.
    """
    others = [o for o in instance.options if o not in instance.stocks]
    left = without(instance.replacing(scenarios={}), others) if others else instance
    # With salvage, a plan would buy what no floor needs, where the price rises.
    stocks = {o: stock.model_copy(update={"salvage": 0.0}) for o, stock in left.stocks.items()}
    return without_probabilities(left.replacing(options=stocks, policy=Policy(force=left.policy.force)))


def find_requirements(
    instance: Instance,
    result: Result,
    *,
    is_quick: bool = False,
    settings: Settings | None = None,
    listener: Listener = ignore,
) -> Requirements:
    """Find the shortfalls in an instance's shocks, the stocks to hold against them, and the effect of partial funding.

    Args:
        instance: an instance with shocks and a single future.
        result: the plan to compare with, for this instance, whatever its policy; `solve` returns one.
        is_quick: whether to leave out partial funding, other conflicts, and times to survive.
        settings: MIP gap and limits; the time limit applies to the whole study.
        listener: receives each plan that is found, and the rounds of each search.

    Raises:
        InstanceError: no shocks, several futures, or rules that contradict each other.
        ValueError: the result is of an instance with other numbers.
        AuditError: a plan and its figures disagree.
        CheckpointError, SolverError, WorkerError: as for `solve`.
        KeyboardInterrupt: Ctrl-C, or the time limit, came before the amounts to hold were known.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> found = so.find_requirements(instance, so.solve(instance), is_quick=True)
        >>> (row,) = found.frames.frame("materials").rows()
        >>> row["material"], round(row["shortfall"]), round(row["hold"]), round(row["left"])
        ('magnet', 140, 100, 40)
    """
    require_instance(instance)
    require_result(result, Result)
    check_conflict(instance)
    # A plan of another budget or measure may be compared with, too.
    require_known(result, instance, argument="result", but=("policy",))
    settings = Settings.chosen(settings)
    arguments.yes_or_no(is_quick=is_quick)
    clock = settings.clock()
    with interruptible(clock, listener), WhatIfSolver(instance, settings, clock, listener) as solver:
        study = _Study(instance, solver)
        stocks = study.solve(study.alone, "what to hold")
        if stocks is None:
            raise KeyboardInterrupt
        found = Requirements(instance, result, study.alone, study.nothing, stocks)
        study.notes += notes_on_years_after(study.alone, study.nothing)
        if is_quick:
            study.notes.append(QUICK_NOTE)
            return replace(found, stopped=study.is_stopped, notes=tuple(study.notes))
        cases = list(study.cases())
        funding, unfunded = tuple(study.funding(found)), study.unfunded(found.stocks)
        times = None if clock.is_over else time_to_survive(instance, None if result.baseline is None else result.plan)
    is_stopped = study.is_stopped or clock.is_over
    study.notes += [STOPPED_NOTE] if is_stopped else []
    return replace(found, funding=funding, unfunded=unfunded, cases=tuple(cases), times=times, stopped=is_stopped,
                   notes=tuple(study.notes))  # fmt: skip


def check_conflict(instance: Instance) -> None:
    """Check that an instance has one future, shocks and demand.

    Raises:
        InstanceError: several futures, no shocks, or no demand; with every finding.
    """
    found = []
    if not instance.tree.is_single:
        what, cure = "the instance has several futures", "Take one by --future, in Python by in_future(instance, name)."
        found.append(Finding(instance.title, None, "futures", what, cure))
    if instance.tree.is_single and not instance.events:
        what, cure = "there is no shock, so that nothing can fall short", "Add the conflict to plan for to `shocks`."
        found.append(Finding(instance.title, None, "shocks", what, cure))
    if not instance.demands:
        what, cure = "there is no demand, so that nothing is required", "Add the segments that need a material."
        found.append(Finding(instance.title, None, "demands", what, cure))
    if found:
        raise InstanceError(found)


class _Study:
    """Solver of the study's plans, in turn, with subproblems that stay warm."""

    def __init__(self, instance: Instance, solver: WhatIfSolver) -> None:
        self.instance, self.solver = instance, solver
        self.is_stopped, self.done, self.notes = False, 0, list[str]()
        self.alone, self.nothing = self.do_nothing(stocks_alone(instance), "With nothing bought")

    def do_nothing(self, alone: Instance, case: str) -> tuple[Instance, Result]:
        """Return the instance without rules that the do-nothing plan breaks, and the audited result of that plan."""
        given = GivenPlan("nothing", do_nothing_plan(alone))
        found = operate_given(alone, given, self.solver.settings, self.solver)
        self.notes += [f"{case}: a rule is lifted: {rule.what}." for rule in found.broken_rules]
        return found.instance, found.result

    def solve(self, alone: Instance, label: str) -> Result | None:
        """Return the cheapest plan, audited; None if the time ran out before a plan was found.

        Raises:
            InstanceError: rules contradict each other.
        """
        solver = self.solver
        if solver.clock.is_over:
            self.is_stopped = True
            return None
        result = solve_instance(
            alone, solver.settings, solver.clock, solver.listener, evaluator=solver.evaluator(alone)
        )
        self.is_stopped |= result.status == "stopped"
        if result.baseline is None and result.clash:
            what = f"stocks alone make no plan: {'; '.join(result.clash)}"
            raise InstanceError([Finding(self.instance.title, None, label, what, "Loosen one of these rules.")])
        self.done += 1
        solver.listener(Progress(task=label, done=self.done))
        return None if result.baseline is None else result

    def funding(self, found: Requirements) -> Iterator[FundingStep]:
        """Yield the plan of stocks alone for each share of its cost; none if no stocks have to be bought."""
        # Price support is paid on the baseline, which stocks do not change: it is no money for stocks.
        unsupported = {p: each.model_copy(update={"support": ZERO_SERIES}) for p, each in self.alone.processes.items()}
        alone = self.alone.replacing(processes=unsupported)
        for share in FUNDED_SHARES if found.money > 0 else ():
            money = share * found.money
            result = self.solve(with_budget(alone, money), f"{100 * share:g} % of the money")
            if result is not None:
                yield FundingStep(share, money, result)

    def unfunded(self, stocks: Result) -> dict[str, Result]:
        """Return the plan without purchases of a stock, by each stock that is bought."""
        found = dict[str, Result]()
        for o, fills in stocks.plan.fills.items():
            if max(fills, default=0.0) <= ROUNDING:
                continue
            # The initial stock is kept.
            option = self.alone.options[o].model_copy(update={"fill_rate": 0.0})
            result = self.solve(self.alone.replacing(options={**self.alone.options, o: option}), f"without buying {o}")
            if result is not None:
                found[o] = result
        return found

    def cases(self) -> Iterator[ConflictCase]:
        """Yield the conflict cases: one shock alone, other lengths, other starts, and the scenarios of the file."""
        yield from self._single_shock_cases()
        for factor, words in LENGTH_FACTORS.items():
            scaled = with_window_lengths(self.alone, factor)
            yield from self._other_case("length of the conflict", words, scaled, _uncut_shock_periods(scaled))
        whole = _uncut_shock_periods(self.alone)
        for years, words in YEARS_MOVED.items():
            yield from self._other_case("mobilisation period", words, with_starts_moved(self.alone, years), whole)
        for name, alone in self._differing_scenarios():
            yield from self._other_case("scenario", name, alone)

    def _differing_scenarios(self) -> Iterator[tuple[str, Instance]]:
        """Yield name and instance of scenarios with different requirements; note those left out, with the reason."""
        own, same, free = _needs_data(stocks_alone(self.instance)), list[str](), list[str]()
        for name in self.instance.scenarios:
            try:
                alone = stocks_alone(under(self.instance, name))
            except InstanceError as error:
                self.notes.append(f"Scenario {name} is left out: {error.findings[0]}")
                continue
            events = [event.name for event in alone.events]
            if _needs_data(alone) == own:
                same.append(name)
            elif events and all(highest_floor(alone, events, d) <= 0 for d in alone.demands):
                free.append(name)
            else:
                yield name, alone
        if same:
            why = "since they are the file as it is, or change nothing but rules, the budget or other options"
            self.notes.append(f"Scenarios left out, {why}: {', '.join(same)}.")
        if free:
            self.notes.append(f"Scenarios left out, since they have no floor that could fail: {', '.join(free)}.")

    def _single_shock_cases(self) -> Iterator[ConflictCase]:
        """Yield each entry of the file as the only conflict, if there are several entries."""
        entries = dict.fromkeys(entry_of(self.alone, event) for event in self.alone.events)
        owners = {event.name: entry_of(self.alone, event) for event in self.alone.events}
        for entry in entries if len(entries) > 1 else ():
            only = with_only_shocks(self.alone, [entry]).replacing(
                ensembles={name: spec for name, spec in self.alone.ensembles.items() if name == entry}
            )
            nothing = tuple(each for each in self.nothing.shocks if owners[each.name] == entry)
            kind: CaseKind = "one shock" if len(nothing) == 1 else "one family"
            yield self._with_stock_plan(ConflictCase(kind, entry, only, nothing, None))

    def _other_case(self, kind: CaseKind, name: str, alone: Instance, periods: int = 0) -> Iterator[ConflictCase]:
        """Yield the case of an instance with other shocks; nothing if no shock lies within the horizon.

        A note says if the windows cover fewer than `periods` periods, since the horizon ends.
        """
        step, left = alone.horizon.months, sum(len(event.periods) for event in alone.events)
        if not left:
            self.notes.append(f"{kind.capitalize()}, {name}: there is no shock within the horizon.")
        elif left < periods:
            room = f"{left * step:,} of {periods * step:,} months of shocks fit the horizon"
            self.notes.append(f"{kind.capitalize()}, {name}: {room}.")
        if not alone.events or self.solver.clock.is_over:
            return
        alone, nothing = self.do_nothing(alone, f"{kind.capitalize()}, {name}")
        yield self._with_stock_plan(ConflictCase(kind, name, alone, nothing.shocks, None))

    def _with_stock_plan(self, case: ConflictCase) -> ConflictCase:
        """Add the plan of stocks alone to a case with a shortfall."""
        return replace(case, stocks=self.solve(case.instance, case.name)) if case.is_short else case


def _needs_data(instance: Instance) -> dict[str, Any]:
    """Return the data that requirements depend on: the instance without scenarios, ranges and texts."""
    left_out = ("scenarios", "ranges", "name", "source", "note", "description")
    return {key: value for key, value in instance.to_dict().items() if key not in left_out}


def _uncut_shock_periods(instance: Instance) -> int:
    """Return the number of periods of all windows, including those after the end of the horizon."""
    return sum(event.length for event in instance.events)
