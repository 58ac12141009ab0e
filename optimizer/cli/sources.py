"""The instance, or the plan, that a command works on, by one rule for all commands.

an instance where an instance is expected    read, changed as the command line says, checked
a plan where an instance is expected         the instance inside the plan, treated alike; stderr says so
a plan where a plan is expected              the saved plan with the instance inside it
an instance where a plan is expected         read, changed and solved first, with progress on stderr
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import typer

from optimizer.cli import common, options, progress
from optimizer.cli.options import Changes

if TYPE_CHECKING:
    from optimizer.errors import Finding
    from optimizer.instance.document import Document
    from optimizer.instance.edits import Edit
    from optimizer.instance.schema import Instance
    from optimizer.instance.variants import Without
    from optimizer.results.result import Result


@dataclass(frozen=True)
class Planned:
    """A plan and the instance that it is one of.

    Attributes:
        is_saved: whether the plan was read from a file; else it was solved for.
        interrupted: whether Ctrl-C ended the search for it.
    """

    instance: "Instance"
    result: "Result"
    is_saved: bool = False
    interrupted: bool = False


def is_plan(file: str) -> bool:
    """Whether a file is a saved plan."""
    from optimizer.io.load import is_plan

    return is_plan(file)


@dataclass(frozen=True)
class Prepared:
    """An instance as the command line wants it.

    Attributes:
        document: where each value stands in the file.
        notes: what was changed, in words.
        warnings: of the file, and `clashes`: values of one change that another one replaced.
    """

    instance: "Instance"
    document: "Document"
    notes: tuple[str, ...] = ()
    warnings: tuple["Finding", ...] = ()
    clashes: tuple["Finding", ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a result of it has to say: the notes, and which values were replaced."""
        return (*self.notes, *map(str, self.clashes))


def say_source(file: str) -> None:
    """Say on stderr, of a saved plan, that the instance inside it is used."""
    if is_plan(file):
        common.say(f"{file} is a saved plan: the instance inside it is used.")


def prepared(file: str, changes: Changes, *, lists_attacks: bool = False) -> Prepared:
    """The same as `examined`; stderr says where the instance comes from, what was changed, and the warnings."""
    say_source(file)
    return announced(examined(file, changes, lists_attacks=lists_attacks))


def announced(made: Prepared, column: str = "") -> Prepared:
    """The same; its warnings are on stderr, and what was changed, behind the name of a column where it has one."""
    common.show_findings(made.warnings)
    for note in made.notes:
        common.say(f"{column}: {note}" if column else note)
    return made


def examined(file: str, changes: Changes, *, lists_attacks: bool = False) -> Prepared:
    """The instance of a file, or of a saved plan, changed as the command line says and checked.

    `--set` comes first, then scenarios in the order given, then what has to be bought, what is left out, and the
    budget. What is wrong with any of these comes at once. Where one replaces a value of another, a warning names it.
    Last, where it is asked, every affordable attack is listed among the shocks.
    """
    from optimizer.errors import Finding, InstanceError
    from optimizer.instance.arguments import scenario_names, scenario_notes
    from optimizer.instance.edits import clashes
    from optimizer.instance.variants import Without, forcing, under
    from optimizer.instance.variants import without as leave_out
    from optimizer.io.load import inspect_document

    force, amounts = options.forces(changes.force or ()), _amounts(changes)
    given, warnings, document = inspect_document(file, changes.set_ or ())
    names = scenario_names(given, changes.scenario or ())
    words = [word.strip() for text in changes.without or () for word in text.split(",")]
    steps: list[Callable[[Instance], Without]] = []
    if names:
        steps.append(lambda before: Without(under(before, names), scenario_notes(before, names)))
    steps.append(lambda before: Without(forcing(before, force), ()))
    if words:
        steps.append(lambda before: leave_out(before, words))
    steps += [_setting(edit) for edit in amounts]
    instance, notes, wrong = given, tuple[str, ...](), list[Finding]()
    for step in steps:
        try:
            changed = step(instance)
            instance, notes = changed.instance, (*notes, *changed.notes)
        except InstanceError as error:
            wrong += error.findings
    if wrong:
        raise InstanceError(wrong)
    gone = [option for option, *_ in force if option not in instance.options]
    if gone:
        raise typer.BadParameter(f"{gone[0]} is left out and has to be bought: choose one.", param_hint="--force")
    replaced = clashes(given, [*_edits(given, changes, names, force), *amounts])
    made = Prepared(instance, document, notes, (*warnings, *replaced), replaced)
    return _with_attacks(made) if lists_attacks else made


def _edits(
    instance: "Instance",
    changes: Changes,
    names: Sequence[str],
    force: Sequence[tuple[str, int, float]],
) -> "list[Edit]":
    """What the command line sets before amounts, in the order in which it is applied."""
    from optimizer.instance.edits import Edit, of_assignments, of_scenarios

    edits = [*of_assignments(changes.set_ or ()), *of_scenarios(instance, names)]
    edits += [Edit(f"--force {o}={size:g}@{year}", f"policy.force.{o}.{year}", size) for o, year, size in force]
    return edits


def _amounts(changes: Changes) -> "list[Edit]":
    from optimizer.instance.edits import Edit

    for option, (_, text) in changes.amounts.items():
        common.amount(text, option)
    return [Edit(f"{option} {text}", path, text) for option, (path, text) in changes.amounts.items()]


def _setting(edit: "Edit") -> "Callable[[Instance], Without]":
    """What puts an amount where it belongs."""
    from optimizer.instance.variants import Without, with_value

    if edit.path == "policy.budget":
        return lambda before: Without(before.with_budget(common.amount(edit.value, "--budget")), ())
    return lambda before: Without(with_value(before, edit.path, edit.value, edit.source), ())


def _with_attacks(made: Prepared) -> Prepared:
    from optimizer.studies.withstand import listing_attacks

    instance, note = listing_attacks(made.instance)
    return replace(made, instance=instance, notes=(*made.notes, note))


def planned(file: str, changes: Changes, time_limit: float | None = None, *, adversary: bool = False) -> Planned:
    """A saved plan with its instance; or the plan of an instance, which is solved first.

    A search that was stopped, or a plan that leaves a gap, is said on stderr.
    """
    from optimizer.instance.reading import read
    from optimizer.io.load import is_instance
    from optimizer.results.result import Result

    if is_instance(file):
        return solved(prepared(file, changes), file, time_limit, adversary=adversary)
    _refuse(file, [*changes.given, *_of_search(None, time_limit, adversary=adversary)])
    result = Result.load(file)
    return Planned(read(result.data, file), result, is_saved=True)


def judged(
    file: str, plan: str | None, changes: Changes, time_limit: float | None = None, *, adversary: bool = False
) -> Planned:
    """A plan and the instance in which it is judged, which may be another than the one that it was made for.

    Args:
        file: of the instance, to which the changes apply; where it is a saved plan, that is the plan as well.
        plan: another plan; None solves for one in the changed instance where `file` holds none.
        changes, time_limit, adversary: as the command line says.
    """
    if plan is None and not is_plan(file):
        return planned(file, changes, time_limit, adversary=adversary)
    _refuse(plan or file, _of_search(changes.budget, time_limit, adversary=adversary))
    instance = announced(examined(file, changes)).instance
    found = planned(plan or file, Changes())
    if found.result.baseline is None:
        no_plan(found, plan or file)
    return replace(found, instance=instance, is_saved=True)


def _of_search(budget: str | None, time_limit: float | None, *, adversary: bool) -> list[str]:
    """The options that say how a plan is searched for, as far as they were given."""
    given = {"--budget": budget is not None, "--time-limit": time_limit is not None, "--adversary": adversary}
    return [name for name, is_given in given.items() if is_given]


def _refuse(plan: str, wanted: Sequence[str]) -> None:
    """Refuse, as usage, options for a search where there is a plan already."""
    if wanted:
        again = f"`diversify solve {plan} --output` makes another plan of its instance"
        what = f"the plan is given by {plan} and is not solved for: leave out {', '.join(wanted)}; {again}."
        raise typer.BadParameter(what)


def solved(made: Prepared, file: str, time_limit: float | None = None, *, adversary: bool = False) -> Planned:
    """The plan of an instance that was read from a file, with the file's comments."""
    from optimizer.instance.reading import read
    from optimizer.solver import Clock, Settings
    from optimizer.studies.solve import solve
    from optimizer.studies.withstand import withstand

    settings, clock = Settings(time_limit=time_limit), Clock(time_limit)
    find = withstand if adversary else solve
    with progress.display(made.instance.money) as listener:
        result = find(made.instance, None, settings, listener, made.remarks, clock=clock)
    # Attacks that shaped the plan are shocks of its instance.
    instance = read(result.data, file) if adversary else made.instance
    return Planned(instance, common.commented(result, file), interrupted=clock.interrupted)


def no_plan(found: Planned, file: str) -> NoReturn:
    """End a command that needs a plan where there is none."""
    from optimizer.errors import PlanFileError

    if found.is_saved:
        raise PlanFileError(f"{file} holds no plan: its status is {found.result.status}")
    if found.result.status == "stopped":
        common.complain(f"{file}: the search was stopped before there was a plan.", common.STOPPED)
    rules = "; ".join(found.result.clash)
    common.complain(f"{file}: no plan exists{': ' + rules if rules else ''}.", common.NO_PLAN_SURVIVES)
