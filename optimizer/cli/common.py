"""Parts that all commands share: exit codes, messages on stderr, errors, written files, and progress.

Paths that cannot be written to are refused before any search.

Progress on stderr is printed as lines; on a terminal, a display below the lines is updated with every event.
"""

import contextlib
import functools
import math
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import typer

from optimizer.arguments import ArgumentError
from optimizer.errors import (
    AuditError,
    ExitCode,
    Finding,
    InstanceError,
    OptimizerError,
    OptimizerWarning,
    fault_from_outside,
    require_extra,
    require_extra_for,
)
from optimizer.files import INSTANCES, answer_path, write_whole

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bar

    from optimizer.instance.schema import Instance
    from optimizer.results.frames import Frame, Frames
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.solver import Progress


def end(*, survives: bool, is_stopped: bool = False, disagrees: bool = False) -> NoReturn:
    """End a run that has an answer; the exit code is that of a disagreeing audit, else of a stopped search."""
    survived = ExitCode.SURVIVES if survives else ExitCode.NO_PLAN_SURVIVES
    raise typer.Exit(ExitCode.INTERNAL if disagrees else ExitCode.STOPPED if is_stopped else survived)


def end_with_plan(result: "Result | FuturesResult", *, is_stopped: bool = False, disagrees: bool = False) -> NoReturn:
    """End a run that has a plan, with the exit code of its status."""
    survives = result.status == "survives"
    end(survives=survives, is_stopped=is_stopped or result.status == "stopped", disagrees=disagrees)


# Messages and errors


def stderr_console() -> "Console":
    """Return the console for progress and messages."""
    from optimizer.report.screen import Screen

    return Screen(stderr=True, soft_wrap=True)


def print_message(text: str) -> None:
    """Print one line to stderr."""
    stderr_console().print(text)


def fail(text: str, code: ExitCode) -> NoReturn:
    """End the run with an error message on stderr and an exit code."""
    stderr_console().print("Error: ", style="bold red", end="")
    print_message(text)
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """Print one JSON value to stdout."""
    import json

    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_answer(
    found: Any, parts: "Callable[..., Iterable[RenderableType | None]]", *, json: bool, **how: Any
) -> None:
    """Print an answer to stdout, as JSON or as its parts (`tables.render.show`)."""
    from optimizer.report.tables.render import show

    if json:
        print_json(found.to_dict())
    else:
        show(parts, found, **how)


def show_plan(result: "Result | FuturesResult", *, every: bool = False) -> None:
    """Print the tables of a plan of one future or of several to stdout."""
    from optimizer.report.tables.render import show
    from optimizer.results.result import Result

    if isinstance(result, Result):
        from optimizer.report.tables.plan import plan_tables

        show(plan_tables, result, every=every)
    else:
        from optimizer.report.tables.futures import futures_tables

        show(futures_tables, result, every=every)


def show_findings(findings: Sequence[Finding], subject: str = "instance") -> None:
    """Print every finding to stderr, errors first, then the number of errors and warnings."""
    console = stderr_console()
    for finding in sorted(findings, key=lambda finding: finding.severity):
        style = "bold red" if finding.severity == "error" else "yellow"
        console.print(f"{finding.severity}: ", style=style, end="")
        console.print(str(finding))
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        others = len(findings) - errors
        more = f" and {others} warning{'s' if others != 1 else ''}" if others else ""
        console.print(f"{errors} error{'s' if errors != 1 else ''}{more}: the {subject} cannot be used.")


# Features of a file that a command may support: all its futures at once, measures other than expected cost, and its
# adversary without --adversary.
Understood = Literal["futures", "measures", "adversary"]
_UNDERSTOOD: ContextVar[frozenset[Understood]] = ContextVar("understood", default=frozenset())


def understands[Command: Callable[..., None]](*what: Understood) -> Callable[[Command], Command]:
    """Mark a command that works on all futures of a file at once, with its measure (`policy.objective`) or adversary.

    A command without the mark ``futures`` takes one future, by --future. Without the mark ``measures`` it judges plans
    of a file without questions by expected cost.
    """

    def mark(command: Command) -> Command:
        command.__dict__["understands"] = frozenset(what)
        return command

    return mark


def is_understood(what: Understood) -> bool:
    """Whether the command that runs has the mark."""
    return what in _UNDERSTOOD.get()


def judge_by_expected_cost(instance: "Instance") -> "Instance":
    """Return the instance with plans judged by expected cost; print a note to stderr if it has another measure."""
    from optimizer.instance.edits import Edited, with_expected_cost

    made = with_expected_cost(Edited(instance))
    for note in made.notes:
        print_message(note)
    return made.instance


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the errors of a command into messages and exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        _UNDERSTOOD.set(command.__dict__.get("understands", frozenset()))
        try:
            with package_warnings():
                command(*args, **kwargs)
        except (typer.Exit, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            fail("stopped before there was an answer.", ExitCode.STOPPED)
        except Exception as error:
            _fail_with(error, json=bool(kwargs.get("json")))

    return run


def _fail_with(error: Exception, *, json: bool) -> NoReturn:
    if isinstance(error, ArgumentError):
        is_argument = error.name.isidentifier() and error.name.islower()
        option = f"--{error.name.replace('_', '-')}" if is_argument else error.name
        raise typer.BadParameter(error.cure, param_hint=option) from None
    if isinstance(error, InstanceError):
        show_findings(error.findings, error.subject)
        raise typer.Exit(error.exit_code) from None
    if not json and isinstance(error, AuditError) and error.result is not None:
        show_plan(error.result)
    other = ExitCode.USAGE if isinstance(error, OSError) else ExitCode.INTERNAL
    fail(_error_text(error), error.exit_code if isinstance(error, OptimizerError) else other)


def _audit_error_text(error: AuditError) -> str:
    """Return the text of an audit error; if options have kinds from outside the package, it points to these kinds."""
    from optimizer.levers import PACKAGE_KINDS

    options = getattr(error.result, "data", {}).get("options", {})
    foreign = sorted({str(each["kind"]) for each in options.values()} - set(PACKAGE_KINDS))
    if not foreign:
        return f"internal error: {error}"
    kinds = f"The file has options of a kind from outside the package ({', '.join(foreign)})"
    return f"{error}\n{kinds}: compare its lever with its auditor."


def _error_text(error: Exception) -> str:
    from optimizer.extend import Auditor
    from optimizer.levers import Lever

    if said := fault_from_outside(error, Lever, Auditor):
        return said
    if isinstance(error, OSError):
        return f"{error.filename or 'the answer'} cannot be written or read: {error.strerror or error}."
    if isinstance(error, AuditError):
        return _audit_error_text(error)
    if isinstance(error, OptimizerError):
        return str(error)
    return f"internal error: {type(error).__name__}: {error}"


@contextlib.contextmanager
def package_warnings() -> Iterator[None]:
    """Print warnings of the package as messages, each once; other warnings as Python does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=OptimizerWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, OptimizerWarning):
                print_message(f"Warning: {message}")
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        yield


@contextlib.contextmanager
def library_warnings() -> Iterator[None]:
    """Print warnings of a plotting library as messages, each once and without its place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(each.message) for each in caught):
        print_message(f"Warning: {text}")


def parse_amount_option(text: str | None, option: str) -> float | None:
    """Parse an amount of the command line such as ``2B``; anything else is a usage error."""
    from optimizer.units import money

    return money(text, option)


def parse_budgets(words: Sequence[str]) -> list[float | None]:
    """Parse the budgets of `--budgets`, None for any; a decimal comma such as in 40,5M is a usage error."""
    for word, second in pairwise(words):
        if re.fullmatch(r"[1-9][0-9]{0,2}", word) and re.fullmatch(r"[0-9]+[kMB]", second):
            what = f"{word},{second} are two: write {word}.{second} for one, or {word}{second[-1]},{second} for two."
            raise typer.BadParameter(what, param_hint="--budgets")
    return [None if word == "any" else parse_amount_option(word, "--budgets") for word in words]


def print_status(result: "Result") -> None:
    """Print to stderr that a solved plan does not survive; nothing if it does."""
    if result.status != "survives":
        what = "The plan leaves a survival gap" if result.status == "gap" else f"The plan's status is {result.status}"
        print_message(f"{what}: see `diversify solve`.")


def with_comments(result: "Result", file: str) -> "Result":
    """Return the result with the comments of its instance file, which name its sources."""
    from optimizer.io.load import comments_of

    return replace(result, comments=comments_of(file))


# Files that a command writes


def check_file(path: Path | None, option: str, *sources: str | Path | None, extra: str | None = None) -> None:
    """Refuse, as a usage error, a path that cannot be written as a file, and a file that this command reads.

    `extra` is the extra that the file requires, if this does not follow from its suffix.

    Raises:
        MissingExtraError: the required extra is not installed.
    """
    if path is None:
        return
    if extra is None:
        require_extra_for(path)
    else:
        require_extra(extra, path.name)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file.", param_hint=option)
    if path.exists() and not path.is_file():
        raise typer.BadParameter(f"{path} is not a file that can be written.", param_hint=option)
    if any(path.resolve() == Path(source).resolve() for source in sources if source is not None):
        raise typer.BadParameter(f"{path} is read by this command; name another file.", param_hint=option)
    _check_room(path.parent, option)


def check_answer(path: Path | None, option: str, *sources: str | Path | None) -> None:
    """Call `check_file`, and refuse the name of an instance file or of another form than the option writes."""
    check_file(path, option, *sources)
    if path is None:
        return
    form = {"--csv": ".csv", "--parquet": ".parquet"}.get(option, ".json")
    answer_path(option, path, form)
    if path.suffix.lower() in _FORMS_OF_ANSWERS and path.suffix.lower() != form:
        what = f"{path} would not hold what its name says; write a name that ends in {form}."
        raise typer.BadParameter(what, param_hint=option)


_FORMS_OF_ANSWERS = (".csv", ".json", ".parquet")


def check_folder(path: Path | None, option: str) -> None:
    """Refuse, as a usage error, a folder that cannot be written into, or a new one that is named like a file."""
    if path is not None:
        _check_room(path, option)


def _check_room(folder: Path, option: str) -> None:
    """Refuse a folder, or the nearest existing parent of a new one, that cannot be written into, as `check_folder`."""
    if folder.suffix.lower() in (*_FORMS_OF_ANSWERS, *INSTANCES) and not folder.exists():
        what = f"{folder} is named like a file, and a folder is meant; write its name, such as"
        raise typer.BadParameter(f"{what} {folder.with_suffix('')}.", param_hint=option)
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise typer.BadParameter(f"{there} is not a folder.", param_hint=option)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        what = f"nothing can be written into {there}: {error.strerror}."
        raise typer.BadParameter(what, param_hint=option) from None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Fail with a usage error if a file cannot be written despite earlier checks."""
    try:
        yield
    except OSError as error:
        fail(f"{error.filename or path}: {error.strerror or error}", ExitCode.USAGE)


def write_answer(path: Path, content: str | bytes) -> None:
    """Write a file whole, or fail; print its name to stderr."""
    with writing(path):
        write_whole(path, content)
    print_message(f"wrote {path}")


def write_table(path: Path, frame: "Frame") -> None:
    """Write a table as CSV, or fail; print its name to stderr."""
    from optimizer.report.tables.render import frame_csv

    write_answer(path, frame_csv(frame))


def write_tables(command: str, folder: Path, frames: "Frames", names: Iterable[str] = ()) -> None:
    """Write the named tables, or all, into a folder, or fail; print their names, and other CSV files, to stderr."""
    from optimizer.report.format import list_names
    from optimizer.report.tables.render import renew_tables

    with writing(folder):
        found = renew_tables(command, frames, folder, names)
    for path in found.written:
        print_message(f"wrote {path}")
    for path in found.removed:
        print_message(f"removed {path}: an earlier run wrote it, and this one has no such table.")
    if found.left:
        left = list_names([path.name for path in found.left], 8)
        print_message(f"{folder} has CSV files that are not of this run: {left}.")


def write_plot(path: Path, draw: Callable[[str], bytes], *, is_stopped: bool = False) -> None:
    """Write a figure in the form of its file name; fail if `draw` finds nothing to draw, for example after a stop."""
    try:
        with library_warnings():
            picture = draw(path.suffix.lower()[1:])
    except ValueError as error:
        fail(f"{error}.", ExitCode.STOPPED if is_stopped else ExitCode.BAD_INSTANCE)
    write_answer(path, picture)


class Display:
    """Listener that shows the progress of a command.

    It prints a line for each round. With `lists_tasks` it also prints a line for each task, and no rounds after the
    first task.
    """

    def __init__(self, console: "Console", money: str, bar: "Bar | None", *, lists_tasks: bool) -> None:
        self._console, self._money, self._bar, self._lists_tasks = console, money, bar, lists_tasks
        self._shown = None if bar is None else bar.add_task("reading the model …", total=None)
        self._has_tasks, self._last = False, ""

    def __call__(self, event: "Progress") -> None:
        """Show an event."""
        text = _describe(event, self._money)
        self._has_tasks |= event.is_of_a_study and self._lists_tasks
        if self._is_listed(event) and text != self._last:
            self._last = text
            # A line that is too long for a terminal is broken between words; in a file it stays one line.
            self._console.print(text, soft_wrap=not self._console.is_terminal)
        if self._bar is not None and self._shown is not None:
            description = event.task if event.is_of_a_study else text
            self._bar.update(self._shown, description=description or "working out the figures")
            if event.total:
                self._bar.update(self._shown, completed=event.done, total=event.total)

    def _is_listed(self, event: "Progress") -> bool:
        if event.is_stopping:
            return True
        if event.is_of_a_study:
            return self._lists_tasks and bool(event.task)
        return event.round > 0 and not self._has_tasks

    def pausing(self, show: Callable[..., None]) -> Callable[..., None]:
        """Return a function that prints a part of the answer with `show` while the display is stopped."""
        bar = self._bar
        if bar is None:
            return show

        def shown(*parts: Any) -> None:
            bar.stop()
            show(*parts)
            bar.start()

        return shown


@contextlib.contextmanager
def display(money: str, *, lists_tasks: bool = False) -> Iterator[Display]:
    """Yield a listener that shows progress on stderr, with amounts in `money`, a currency's code."""
    console = stderr_console()
    if not console.is_terminal:
        yield Display(console, money, None, lists_tasks=lists_tasks)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Counted(ProgressColumn):
        """Column that is empty for a task whose parts are not counted."""

        def __init__(self, column: ProgressColumn) -> None:
            super().__init__()
            self._column = column

        def render(self, task: Task) -> Any:
            return Text() if task.total is None else self._column.render(task)

    parts = (SpinnerColumn(), TextColumn("{task.description}"), Counted(BarColumn()), Counted(MofNCompleteColumn()))
    # Rich would send stdout to stderr with the display; the answer has to stay on stdout.
    with Bar(*parts, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield Display(console, money, bar, lists_tasks=lists_tasks)


def _describe(event: "Progress", money: str) -> str:
    """Return an event in words."""
    if event.is_stopping:
        return "stopping with what is known so far … (Ctrl-C again ends at once)"
    if event.is_of_a_study:
        if not event.total:
            return event.task
        count, known = f"{event.done:,}", f"{event.total:,}"
        done = f"{count} of {known} so far" if event.may_grow else f"{count} of {known} done"
        return f"{event.task} ({done})"
    return _describe_search(event, money if event.is_money else "")


def _describe_search(event: "Progress", money: str) -> str:
    from optimizer.report.format import plural
    from optimizer.units import si

    best, bound = (si(each, money, digits=5) if math.isfinite(each) else "" for each in (event.best, event.bound))
    proven = f", bound {bound}" if bound and bound != best else ""
    shocks = plural(event.shocks, "shock")
    if not event.round:
        found = f"best {best}" if best else "no plan yet"
        return f"least {event.phase} over {shocks}: {found}{proven} ({event.seconds:.0f} s)"
    others = plural(event.violated, "other")
    worst = f"{others} violated, worst gap {si(event.worst_gap, money)}" if event.violated else "none violated"
    value = f", value {best}" if best else ""
    return f"round {event.round}, {event.phase}: {shocks} in the model, {worst}{value}{proven}"
