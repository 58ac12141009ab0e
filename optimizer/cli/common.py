"""What the commands share: exit codes, where messages go, and how errors end a run."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from optimizer.errors import Finding
    from optimizer.instance.schema import Instance
    from optimizer.instance.variants import Without
    from optimizer.result import Result
    from optimizer.strategies.base import Listener, Step

SURVIVES, INTERNAL, USAGE, BAD_INSTANCE, NO_PLAN_SURVIVES, STOPPED = 0, 1, 2, 3, 4, 5

InstanceFile = Annotated[str, typer.Argument(help="Instance file: YAML, JSON or an Excel workbook.")]
Budget = Annotated[str | None, typer.Option(help="Undiscounted outlay, such as 2B, 250M or 40k; replaces the file's.")]
SolvedBudget = Annotated[str | None, typer.Option(help="Outlay of the plan that is solved for, such as 2B.")]
Scenario = Annotated[
    str | None, typer.Option(metavar="NAME", help="Apply a scenario of the file, a named set of overrides.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file. May be repeated."),
]
LeftOut = Annotated[list[str] | None, typer.Option(help="Leave out an option, or all of a kind; several with commas.")]
Gap = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Share of the price of survival to which costs are proven; a survival gap to the same share of itself, at "
        "most 0.005.",
    ),
]
Forced = Annotated[
    list[str] | None,
    typer.Option("--force", metavar="OPTION=SIZE@YEAR", help="What has to be bought, such as plant=40@2027. Repeat."),
]


def exit_code(result: "Result") -> int:
    """The exit code that a result deserves."""
    codes = {"survives": SURVIVES, "gap": NO_PLAN_SURVIVES, "none": NO_PLAN_SURVIVES, "stopped": STOPPED}
    return codes[result.status]


def messages() -> "Console":
    """The console of progress and complaints: stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def say(text: str) -> None:
    """One line to stderr."""
    messages().print(text)


def complain(text: str, code: int) -> NoReturn:
    """A last line to stderr, and the exit code."""
    messages().print("Error: ", style="bold red", end="")
    say(text)
    raise typer.Exit(code)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the package's errors into messages and exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from optimizer.errors import AuditError, InstanceError, OptimizerError, PlanFileError

        try:
            command(*args, **kwargs)
        except InstanceError as error:
            show_findings(error.findings)
            raise typer.Exit(BAD_INSTANCE) from None
        except PlanFileError as error:
            complain(str(error), BAD_INSTANCE)
        except AuditError as error:
            if error.result is not None:
                from optimizer.report.whole import show

                show(error.result)
            complain(f"internal error: {error}", INTERNAL)
        except OptimizerError as error:
            complain(str(error), INTERNAL)
        except (typer.Exit, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            complain("stopped before there was an answer.", STOPPED)
        except OSError as error:
            complain(f"{error.filename or 'the answer'} cannot be written or read: {error.strerror or error}.", USAGE)
        except Exception as error:
            complain(f"internal error: {type(error).__name__}: {error}", INTERNAL)

    return run


def show_findings(findings: Sequence["Finding"]) -> None:
    """Every finding on stderr, errors first, then how many there are."""
    console = messages()
    ordered = sorted(findings, key=lambda finding: finding.severity)
    for finding in ordered:
        style = "bold red" if finding.severity == "error" else "yellow"
        console.print(f"{finding.severity}: ", style=style, end="")
        console.print(str(finding))
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        warnings = len(findings) - errors
        more = f" and {warnings} warning{'s' if warnings != 1 else ''}" if warnings else ""
        console.print(f"{errors} error{'s' if errors != 1 else ''}{more}: the instance cannot be used.")


def amount(text: str | None, option: str) -> float | None:
    """A number of the command line such as ``2B``; refused as usage."""
    from pydantic_core import PydanticCustomError

    from optimizer.units import parse_amount

    if text is None:
        return None
    try:
        number = parse_amount(text)
    except PydanticCustomError as error:
        raise typer.BadParameter(
            f"{error.message()}. {(error.context or {}).get('cure', '')}", param_hint=option
        ) from None
    if number < 0:
        raise typer.BadParameter("write 0 or more.", param_hint=option)
    return number


def address(text: str | None) -> str | None:
    """Where a Dask scheduler is; refused as usage where it is no place at all."""
    import re

    if text is not None and not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", text):
        raise typer.BadParameter("write it like tcp://host:8786.", param_hint="--cluster")
    return text


def loaded(file: str, overrides: Sequence[str]) -> "Instance":
    """The instance of a file; warnings go to stderr."""
    from optimizer.instance.load import inspect

    instance, findings = inspect(file, overrides)
    if findings:
        show_findings(findings)
    return instance


def forces(texts: Sequence[str]) -> list[tuple[str, int, float]]:
    """Option, year and size of each ``OPTION=SIZE@YEAR``; refused as usage where it is none."""
    found: dict[tuple[str, int], float] = {}
    for text in texts:
        option, equals, rest = text.partition("=")
        size, at, year = rest.partition("@")
        if not (option.strip() and equals and at and year.strip().isdigit()):
            what = f'"{text}" is not OPTION=SIZE@YEAR; write it like plant=40@2027.'
            raise typer.BadParameter(what, param_hint="--force")
        key = (option.strip(), int(year))
        if key in found:
            raise typer.BadParameter(f"{key[0]} in {year} stands twice.", param_hint="--force")
        found[key] = amount(size, "--force") or 0.0
    return [(option, year, size) for (option, year), size in found.items()]


def prepared(
    file: str,
    overrides: Sequence[str],
    scenario: str | None = None,
    force: Sequence[tuple[str, int, float]] = (),
    without: Sequence[str] = (),
) -> "Without":
    """The instance of a file as the command line wants it, and what went in words.

    The file's own values are overridden first, then a scenario's; then what has to be bought is added and options are
    left out. What is wrong with any of these comes at once. Warnings go to stderr.
    """
    from dataclasses import replace

    from optimizer.errors import InstanceError
    from optimizer.instance.variants import Without, forcing, under
    from optimizer.instance.variants import without as leave_out

    reduced = Without(loaded(file, overrides), ())
    wrong: list[Finding] = []
    changes: list[Callable[[Instance], Without]] = []
    if scenario is not None:
        listed = ", ".join(reduced.instance.scenarios.get(scenario, ()))
        changes.append(lambda given: Without(under(given, scenario), (f"Scenario {scenario}: {listed}.",)))
    changes.append(lambda given: Without(forcing(given, force), ()))
    words = [word.strip() for text in without for word in text.split(",")]
    changes.append(lambda given: leave_out(given, words))
    for change in changes:
        try:
            changed = change(reduced.instance)
            reduced = replace(changed, notes=(*reduced.notes, *changed.notes))
        except InstanceError as error:
            wrong += error.findings
    if wrong:
        raise InstanceError(wrong)
    gone = [option for option, *_ in force if option not in reduced.instance.options]
    if gone:
        raise typer.BadParameter(f"{gone[0]} is left out and has to be bought: choose one.", param_hint="--force")
    return reduced


def is_plan(path: str) -> bool:
    """Whether a file is a saved plan rather than an instance."""
    import json
    from pathlib import Path

    try:
        data = json.loads(Path(path).read_text(encoding="utf-8")) if path.lower().endswith(".json") else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "builds" in data


def planned(
    source: str, budget: float | None, overrides: Sequence[str], scenario: str | None, time_limit: float | None
) -> "tuple[Instance, Result, bool]":
    """A saved plan and its instance; or an instance file, solved. And whether Ctrl-C ended that."""
    from optimizer.instance.load import read
    from optimizer.result import Result

    if is_plan(source):
        if budget is not None or overrides or scenario is not None:
            raise typer.BadParameter("a saved plan is not solved for: leave out --budget, --set and --scenario.")
        result = Result.load(source)
        return read(result.data), result, False
    from optimizer.analysis.solve import solve
    from optimizer.solver import Clock, Settings

    prepared_ = prepared(source, overrides, scenario)
    instance = prepared_.instance if budget is None else prepared_.instance.with_budget(budget)
    clock = Clock(time_limit)
    with progress(instance.money) as listener:
        result = solve(instance, None, Settings(time_limit=time_limit), listener, prepared_.notes, clock=clock)
    return instance, commented(result, source), clock.interrupted


@contextlib.contextmanager
def fitting(plan: str) -> "Iterator[None]":
    """What is done with a saved plan, which somebody may have changed so that it no longer fits its instance."""
    from optimizer.errors import PlanFileError

    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {error}"
        raise PlanFileError(f"{plan} does not fit its instance ({what}); `diversify verify` says where") from None


def doubts(instance: "Instance", result: "Result") -> tuple[str, ...]:
    """What the audit says against a saved plan; nothing where it agrees."""
    from optimizer.audit import verify

    said = verify(instance, result).disagreements
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return (f"THE AUDIT DISAGREES: do not rely on this plan. {said[0]}{more}",) if said else ()


def commented(result: "Result", file: str) -> "Result":
    """The result with what its instance file says in comments, so that the plan file knows its sources."""
    from dataclasses import replace

    from optimizer.instance.opening import of_file

    return replace(result, comments=of_file(file))


@contextlib.contextmanager
def progress(money: str) -> Iterator["Listener"]:
    """A line on stderr for each round, and on a terminal one that tells where the search stands; amounts in `money`."""
    console = messages()
    if not console.is_terminal:
        yield lambda step: console.print(_in_words(step, money)) if step.round else None
        return
    with console.status("reading the model …") as status:

        def hear(step: "Step") -> None:
            if step.round:
                console.print(_in_words(step, money))
            status.update(_in_words(step, money))

        yield hear


@contextlib.contextmanager
def bar(money: str) -> Iterator[tuple["Listener", Callable[[str, int, int], None]]]:
    """On a terminal a bar on stderr: who hears steps, and who hears what is asked next, its number and of how many."""
    console = messages()
    if not console.is_terminal:
        yield (lambda step: console.print(_in_words(step, money)) if step.round else None), (lambda *told: None)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("reading the model …", total=None)

        def hear(step: "Step") -> None:
            shown.update(task, description=_in_words(step, money))

        def told(what: str, done: int, size: int) -> None:
            if what == "stopping":
                shown.update(task, description="stopping with what is known so far … (Ctrl-C again ends at once)")
            else:
                shown.update(task, description=what or "working out the figures", completed=done, total=size or None)

        yield hear, told


def _in_words(step: "Step", money: str) -> str:
    from optimizer.units import si

    if step.phase == "stopping":
        return "stopping with the best plan found so far … (Ctrl-C again ends at once, without a plan)"
    bound = "" if step.bound == float("-inf") else f", bound {si(step.bound, money, digits=5)}"
    if step.round:
        worst = f", worst gap {si(step.worst_gap, money)}" if step.violated else ""
        value = "" if step.best == float("inf") else f", value {si(step.best, money, digits=5)}"
        head = f"round {step.round}, {step.phase}: {step.shocks} shocks active"
        return f"{head}, {step.violated or 'none'} violated{worst}{value}{bound}"
    best = "no plan yet" if step.best == float("inf") else f"best {si(step.best, money, digits=5)}"
    return f"least {step.phase} over {step.shocks} shocks: {best}{bound} ({step.seconds:.0f} s)"
