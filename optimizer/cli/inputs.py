"""Input of a command, an instance or a plan, by one rule for all commands.

an instance where an instance is expected    read, changed by the options of the command line, and checked
a plan where an instance is expected         the instance inside the plan, with the same steps and a message on stderr
a plan where a plan is expected              the saved plan with the instance inside it
an instance where a plan is expected         read, changed and solved first, with progress on stderr
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from optimizer import arguments
from optimizer.cli import common, options
from optimizer.cli.options import Changes, PlanSearch
from optimizer.errors import ExitCode, Finding, InstanceError, PlanFileError, did_you_mean, said_of_misfit
from optimizer.files import saved_plan

if TYPE_CHECKING:
    from optimizer.instance.document import Document
    from optimizer.instance.edits import Edited
    from optimizer.instance.overrides import Edit
    from optimizer.instance.schema import Instance
    from optimizer.io.plan_file import GivenPlan
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.solver import Clock, Listener, Settings


@dataclass(frozen=True)
class PlanInput:
    """A plan and the instance in which it is evaluated."""

    instance: "Instance"
    result: "Result"
    is_saved: bool = False  # whether the plan was read from a file; else it was solved for
    interrupted: bool = False  # whether Ctrl-C ended the search for it


@dataclass(frozen=True)
class InstanceInput:
    """An instance with the changes of the command line."""

    instance: "Instance"
    document: "Document"  # where each value stands in the file
    notes: tuple[str, ...] = ()  # on scenarios, a chosen future, parts left out, a range dropped, attacks as shocks
    # Each change in short, after those of a saved plan; without `--budget`, which the outlay line of the answer states.
    changes: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()  # those of the file, and `clashes`
    clashes: tuple[Finding, ...] = ()  # values of one change that another change replaces

    @property
    def remarks(self) -> tuple[str, ...]:
        """Notes for a result of the instance: the changes, and the values that were replaced."""
        return (*self.notes, *map(str, self.clashes))


def is_made_against_adversary(file: str) -> bool:
    """Return whether a file is a saved plan, of one future, that was made against an adversary."""
    return saved_plan(file).get("adversary") is not None


def print_source(file: str) -> None:
    """Print to stderr that the instance inside a saved plan is used; nothing if the file holds no such instance."""
    if saved_plan(file).get("data"):
        attacks = "; without --adversary, of attacks only those count that are among its shocks"
        said = f"the instance inside it is used{attacks if is_made_against_adversary(file) else ''}"
        common.print_message(f"{file} is a saved plan: {said}.")


def read_instance(
    file: str, changes: Changes, *, lists_attacks: bool | None = None, by_expected_cost: bool = False
) -> InstanceInput:
    """Return the changed instance of a file with its notes and changes; print these and the warnings to stderr."""
    print_source(file)
    return announce(change_instance(file, changes, lists_attacks=lists_attacks, by_expected_cost=by_expected_cost))


def announce(made: InstanceInput, column: str = "") -> InstanceInput:
    """Print warnings and changes to stderr, the latter after the name of a `column` if given; return the input."""
    common.show_findings(made.warnings)
    for note in made.notes:
        common.print_message(f"{column}: {note}" if column else note)
    return made


def change_instance(
    file: str,
    changes: Changes,
    *,
    lists_attacks: bool | None = None,
    takes_futures: bool = False,
    by_expected_cost: bool = False,
) -> InstanceInput:
    """Return the instance of a file, or of a saved plan, changed and checked, with its notes, changes and warnings.

    `--set` comes first, then scenarios in the order given, the choice of one future, `--force`, `--without`, and
    amounts such as `--budget`. The errors of `--set` come first, then those of all other changes together. A
    warning names each value of a change that another change replaces. With `lists_attacks`, every affordable attack is
    then a listed shock; if it is False, a note says that none is. With `by_expected_cost`, as in commands without
    support for measures, `policy.objective` is ignored.
    """
    from optimizer.instance.edits import SOME_NAME, with_expected_cost
    from optimizer.instance.overrides import replacements
    from optimizer.io.load import inspect_document

    force, amounts = options.parse_forces(changes.force or ()), _amount_edits(changes)
    with _refusing_plans(file):
        given, warnings, document = inspect_document(file, changes.set_ or ())
    names = arguments.names("scenario", changes.scenario or (), given.scenarios, SOME_NAME)
    made = _apply_steps(given, [*_change_steps(changes, names, force), *map(_amount_step, amounts)])
    _refuse_left_out(made.instance, [option for option, *_ in force])
    if not (takes_futures or common.is_understood("futures")):
        refuse_futures(made.instance, file)
    if by_expected_cost or not common.is_understood("measures"):
        made = with_expected_cost(made)
    replaced = _clashes(given, changes, names, force, amounts)
    differs = (*saved_plan(file).get("changes", ()), *replacements(document), *made.changes)
    budget = [common.parse_amount_option(changes.budget, "--budget")]
    said = (*warnings, *replaced, *budget_warnings(made.instance, budget, f"--budget {changes.budget}"))
    changed = InstanceInput(made.instance, document, made.notes, differs, said, replaced)
    return changed if lists_attacks is None else _with_attacks(changed, file, listed=lists_attacks)


def _refuse_left_out(instance: "Instance", forced: Sequence[str]) -> None:
    """Refuse, as a usage error, an option that is both forced and left out."""
    for option in forced:
        if option not in instance.options:
            raise typer.BadParameter(f"{option} is left out and has to be bought: choose one.", param_hint="--force")


@contextlib.contextmanager
def _refusing_plans(file: str) -> Iterator[None]:
    """Refuse, as a usage error, a plan written by hand where an instance is expected."""
    from optimizer.io.plan_file import is_unsolved_plan

    try:
        yield
    except InstanceError:
        if is_unsolved_plan(file):
            what = f"{file} is a plan, and needs an instance: `diversify evaluate INSTANCE --plan {file}` judges it."
            raise typer.BadParameter(what) from None
        raise


def refuse_futures(instance: "Instance", file: str, plan: str | None = None) -> None:
    """Refuse, as a usage error, a file with several futures where one is needed; `plan` is the given plan, if any."""
    from optimizer.report.format import list_names

    if instance.futures:
        names = [future.name for future in instance.tree.futures]
        against = " --adversary" * (common.is_understood("adversary") and instance.adversary is not None)
        why, other = "this command takes one", f"solve all of them by `diversify solve {file}{against}`"
        if plan is not None:
            why = "a plan that is given is read in one"
            other = f"see how it does in all of them by `diversify evaluate {file} --plan {plan}`"
        what = f"{file} has {len(names):,} futures, and {why}: write --future NAME, one of {list_names(names, 6)}"
        raise typer.BadParameter(f"{what}; or {other}.")


def _change_steps(
    changes: Changes, names: Sequence[str], force: Sequence[tuple[str, int, float]]
) -> "Iterator[Callable[[Instance], Edited]]":
    """Yield the changes of the command line except amounts, in the order of application."""
    from optimizer.instance.edits import Edited, under, with_required_purchases
    from optimizer.instance.overrides import scenario_notes, scenario_words

    if names:
        yield lambda before: Edited(under(before, names), scenario_notes(before, names), scenario_words(names))
    if (future := changes.future) is not None:
        yield lambda before: _choose_future(before, future)
    yield lambda before: with_required_purchases(before, force)
    words = arguments.names("without", changes.without or (), (), "plant")
    if words:
        from optimizer.instance.removal import leave_out

        yield lambda before: leave_out(before, words)


def _choose_future(instance: "Instance", name: str) -> "Edited":
    """Return one future of an instance alone, with a note on the values that its branches set."""
    from optimizer.instance.edits import Edited, branch_edits, in_future

    chosen = in_future(instance, name)
    paths = ", ".join(dict.fromkeys(edit.path for edit in branch_edits(instance)[name]))
    return Edited(chosen, (f"Future {name} alone; it changes {paths or 'nothing'}.",), (f"future {name} alone",))


def _apply_steps(given: "Instance", steps: "Iterable[Callable[[Instance], Edited]]") -> "Edited":
    """Return the instance after all steps, with their notes; raise the errors of all steps together."""
    from optimizer.instance.edits import Edited

    made, wrong = Edited(given), list[Finding]()
    for step in steps:
        try:
            changed = step(made.instance)
            made = replace(changed, notes=(*made.notes, *changed.notes), changes=(*made.changes, *changed.changes))
        except InstanceError as error:
            wrong += error.findings
    if wrong:
        raise InstanceError(wrong)
    return made


def _clashes(
    instance: "Instance",
    changes: Changes,
    names: Sequence[str],
    force: Sequence[tuple[str, int, float]],
    amounts: "Sequence[Edit]",
) -> "tuple[Finding, ...]":
    """Return warnings about values that a later change replaces; branches apply last unless one future is chosen."""
    from optimizer.instance.edits import branch_edits
    from optimizer.instance.overrides import Edit, clashes, scenario_edits, set_edits

    first = [*set_edits(changes.set_ or ()), *scenario_edits(instance, names)]
    last = [Edit(f"--force {o}={size:g}@{year}", f"policy.force.{o}.{year}", size) for o, year, size in force]
    last += amounts
    if changes.future is not None:
        return clashes(instance, [*first, *branch_edits(instance).get(changes.future, ()), *last])
    branches = branch_edits(instance).values() if first or last else ()
    return tuple(dict.fromkeys(each for edits in branches for each in clashes(instance, [*first, *last, *edits])))


def _amount_edits(changes: Changes) -> "list[Edit]":
    from optimizer.instance.overrides import Edit

    for option, (_, text) in changes.amounts.items():
        common.parse_amount_option(text, option)
    return [Edit(f"{option} {text}", path, text) for option, (path, text) in changes.amounts.items()]


def _amount_step(edit: "Edit") -> "Callable[[Instance], Edited]":
    """Return the step that sets an amount in the instance."""
    from optimizer.instance.edits import Edited, edit_budget, with_value

    if edit.path == "policy.budget":
        return lambda before: edit_budget(before, common.parse_amount_option(edit.value, "--budget"))
    changes = (f"{edit.path} {edit.value}",)
    return lambda before: Edited(with_value(before, edit.path, edit.value, source=edit.source), changes=changes)


def budget_warnings(instance: "Instance", amounts: Iterable[float | None] | str | None, given: str) -> list[Finding]:
    """Return warnings about budgets of the command line, `given` as one reads, that buy next to nothing."""
    from optimizer.instance.validation.supply import negligible_budget

    listed = () if isinstance(amounts, str) else amounts or ()
    words = [each for amount in listed for each in negligible_budget(instance, amount)]
    return [Finding(given, None, "", what, cure, "warning") for what, cure in words]


def _with_attacks(made: InstanceInput, file: str, *, listed: bool) -> InstanceInput:
    from optimizer.algorithms.separation.attacks import with_listed_attacks

    if not listed and (made.instance.adversary is None or is_made_against_adversary(file)):
        return made
    instance, note = with_listed_attacks(made.instance) if listed else (made.instance, options.NO_LISTED_ATTACKS)
    return replace(made, instance=instance, notes=(*made.notes, note))


def find_plan(file: str, changes: Changes, search: PlanSearch | None = None) -> PlanInput:
    """Return a saved plan with its instance, or the plan of an instance, which is solved first."""
    from optimizer.instance.reading import read
    from optimizer.io.load import is_instance
    from optimizer.results.result import Result

    search = search or PlanSearch()
    if is_instance(file):
        return solve_first(read_instance(file, changes, by_expected_cost=True), file, search)
    is_one = changes.future is not None and is_futures_plan(file)
    _refuse_search(file, [*(given for given in changes.given if given != "--future" or not is_one), *search.given])
    result = _future_of_plan(file, changes.future) if is_one else Result.load(file)
    return PlanInput(read(result.data, file), result, is_saved=True)


def is_futures_plan(file: str) -> bool:
    """Return whether a file is a saved plan of several futures, or of a measure other than expected cost."""
    from optimizer.results.saved import is_of_futures

    return is_of_futures(saved_plan(file))


def _future_of_plan(file: str, name: str | None) -> "Result":
    """Return the plan of one future, like that of an instance of its own; raise PlanFileError for an unknown name."""
    from optimizer.results.futures import FuturesResult

    futures = {each.name: each.result for each in FuturesResult.load(file).futures}
    if name not in futures:
        cure = did_you_mean(name or "", list(futures), f"Known: {', '.join(futures)}.")
        what = "no futures: leave --future out." if list(futures) == [""] else f'no future "{name}". {cure}'
        raise PlanFileError(f"{file} has {what}")
    return replace(futures[name], changes=(*futures[name].changes, f"future {name} alone"))


def find_futures(file: str, changes: Changes, search: PlanSearch) -> "FuturesResult | None":
    """Return the plan of all futures: a saved one, or that of an instance with futures or another measure.

    An instance is solved first. None for any other file, and if one future is chosen: `find_plan` has these plans.
    """
    from optimizer.io.load import is_instance
    from optimizer.results.futures import FuturesResult
    from optimizer.solver import Clock, Settings

    if changes.future is not None:
        return None
    if is_futures_plan(file):
        _refuse_search(file, [*changes.given, *search.given])
        return FuturesResult.load(file)
    if not is_instance(file):
        return None
    made = change_instance(file, changes, takes_futures=True)
    if not made.instance.is_adaptive:
        return None
    announce(made)
    settings, clock = Settings(mip_gap=search.share_of_cost, time_limit=search.time_limit), Clock(search.time_limit)
    with common.display(made.instance.money) as listener:
        return search_all_futures(made, settings, clock, listener, adversary=search.adversary)


def read_judged_plan(file: str, plan: str | None, changes: Changes, search: PlanSearch) -> PlanInput:
    """Return a plan and the instance in which it is judged, which may differ from the one that it was made for.

    The changes apply to the instance of `file`. Without another `plan`, saved or written by hand, a saved plan in
    `file` is judged, or an instance in it is solved.
    """
    from optimizer.io.plan_file import is_unsolved_plan

    if plan is None and not saved_plan(file):
        return find_plan(file, changes, search)
    plan = plan or file
    # Only the purchases of a plan are read if it was written or changed by hand, or is one future of several.
    if is_unsolved_plan(plan) or (changes.future is not None and is_futures_plan(plan)):
        return read_written_plan(file, plan, changes, search)
    _refuse_search(plan, ["--budget"] * (changes.budget is not None) + search.given)
    found = find_plan(plan, Changes())
    check_plan(found, plan)
    if find_doubts(found.instance, found.result):
        common.print_message(f"Only the purchases of {plan} are read; all else is worked out anew.")
        return read_written_plan(file, plan, changes, search)
    return replace(found, instance=announce(change_instance(file, changes)).instance)


def read_written_plan(file: str, plan: str, changes: Changes, search: PlanSearch) -> PlanInput:
    """Return a plan of any form in the instance of a file, with its cheapest operation there.

    Rules that the plan breaks are printed as warnings, and not enforced.
    """
    from optimizer.solver import Clock, Settings
    from optimizer.studies.given_plan import evaluate_plan

    _refuse_search(plan, search.given)
    made = read_instance(file, changes, by_expected_cost=True)
    refuse_futures(made.instance, file, plan)
    (given,) = read_given_plans(file, [plan], changes, made)
    found = evaluate_plan(made.instance, given, Settings(), Clock(), made.remarks)
    common.show_findings(found.broken_rules)
    result = replace(common.with_comments(found.result, file), changes=made.changes)
    return PlanInput(found.instance, result, is_saved=True)


def read_given_plans(file: str, plans: Sequence[str], changes: Changes, made: InstanceInput) -> "list[GivenPlan]":
    """Return plans of any form as they are in an instance; if a future is chosen, their purchases in this future."""
    from optimizer.studies.given_plan import read_plans

    return read_plans(plans_of_future(plans, changes.future, {"": (file, changes)}), made.instance)


def plans_of_future(
    plans: Sequence[str] | None, future: str | None, cases: Mapping[str, tuple[str, Changes]]
) -> list[Any]:
    """Return plans, or if a future is given, their purchases in it; `cases` maps names to files with their changes."""
    from optimizer.studies.given_plan import PlanInFuture

    if future is None or not plans:
        return list(plans or ())
    wholes = {
        case: change_instance(file, replace(changes, future=None), takes_futures=True).instance
        for case, (file, changes) in cases.items()
    }
    return [PlanInFuture(plan, future, wholes) for plan in plans]


def _refuse_search(plan: str, given: Sequence[str]) -> None:
    """Refuse, as a usage error, options of a search if there is a plan already; a file that is missing is no plan."""
    if given and Path(plan).exists():
        again = f"`diversify solve {plan} --output OTHER.json` makes another plan of its instance"
        what = f"the plan is given by {plan} and is not solved for: leave out {', '.join(given)}; {again}."
        raise typer.BadParameter(what)


def solve_first(made: InstanceInput, file: str, search: PlanSearch) -> PlanInput:
    """Solve an instance that was read from a file; return its plan with the comments of the file."""
    from optimizer.instance.reading import read
    from optimizer.solver import Clock, Settings

    settings, clock = Settings(mip_gap=search.share_of_cost, time_limit=search.time_limit), Clock(search.time_limit)
    with common.display(made.instance.money) as listener:
        result = search_plan(made, settings, clock, listener, adversary=search.adversary)
    # Attacks that shaped the plan are shocks of its instance.
    instance = read(result.data, file) if search.adversary else made.instance
    result = common.with_comments(result, file)
    result = result if search.adversary else with_stored_bands(result, made.instance, file)
    return PlanInput(instance, result, interrupted=clock.interrupted)


def search_plan(
    made: InstanceInput,
    settings: "Settings",
    clock: "Clock",
    listener: "Listener",
    *,
    adversary: bool,
    load_seconds: float = 0.0,
) -> "Result":
    """Return the plan of an instance; with `adversary`, the plan that also survives the worst attack."""
    if adversary:
        from optimizer.studies.solve import search_robust

        found = search_robust(made.instance, settings, clock, listener, made.remarks, load_seconds).result
    else:
        from optimizer.studies.conclusion import solve_instance

        found = solve_instance(made.instance, settings, clock, listener, notes=made.remarks, load_seconds=load_seconds)
    return replace(found, changes=made.changes)


def search_all_futures(
    made: InstanceInput,
    settings: "Settings",
    clock: "Clock",
    listener: "Listener",
    *,
    adversary: bool,
    load_seconds: float = 0.0,
) -> "FuturesResult":
    """Return the plan of all futures of an instance."""
    from optimizer.studies.futures.solve import search_futures

    known: dict[str, Any] = {"notes": made.remarks, "load_seconds": load_seconds}
    found = search_futures(made.instance, settings, clock, listener, adversary=adversary, **known)
    return found.with_changes(made.changes)


def check_plan(found: PlanInput, file: str, *, json: bool = False) -> None:
    """End a command that needs a plan if there is none; with `json`, print the result like `solve --json`."""
    if found.result.baseline is not None:
        return
    if found.is_saved:
        raise PlanFileError(f"{file} holds no plan: its status is {found.result.status}")
    if json:
        common.print_json(found.result.to_dict(whole=False))
    if found.result.status == "stopped":
        common.fail(f"{file}: the search was stopped before there was a plan.", ExitCode.STOPPED)
    rules = "; ".join(found.result.clash)
    common.fail(f"{file}: no plan exists{': ' + rules if rules else ''}.", ExitCode.NO_PLAN_SURVIVES)


def with_stored_bands(result: "Result", instance: "Instance", file: str) -> "Result":
    """Return the result with the bands stored beside its file, if these belong to exactly this instance."""
    from optimizer.results.saved import stored_bands

    if result.baseline is None or not instance.ranges:
        return result
    return replace(result, bands=stored_bands(file, instance.to_dict()))


def find_doubts(instance: "Instance", result: "Result | FuturesResult") -> tuple[str, ...]:
    """Return the disagreements of the audit with a plan, and print them; a saved plan with any has been changed."""
    from optimizer.studies.verify import audit_warnings

    doubts = audit_warnings(instance, result)
    for doubt in doubts:
        common.print_message(doubt)
    return doubts


@contextlib.contextmanager
def plan_that_fits(plan: str, doubts: Sequence[str]) -> Iterator[None]:
    """Report errors as faults of the plan file if the audit has `doubts` about the plan; else raise them unchanged."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        if not doubts:
            raise
        what = f"{plan} does not fit its instance ({said_of_misfit(error)})"
        raise PlanFileError(f"{what}; `diversify verify` says where") from None
