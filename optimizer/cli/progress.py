"""Progress on stderr: lines, and on a terminal a display below them that is renewed with every event."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

    from optimizer.progress import Progress


class Display:
    """The listener of a command.

    Lines are printed for rounds; for tasks where the command asks for it, and then no rounds follow the first task.
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
            self._console.print(text)
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
        """A function that prints a part of the answer, with the display out of its way."""
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
    """Show progress on stderr; amounts in `money`, a currency's symbol."""
    from optimizer.cli.common import stderr_console

    console = stderr_console()
    if not console.is_terminal:
        yield Display(console, money, None, lists_tasks=lists_tasks)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Counted(ProgressColumn):
        """A column of a task whose parts are counted."""

        def __init__(self, column: ProgressColumn) -> None:
            super().__init__()
            self._column = column

        def render(self, task: Task) -> Any:
            return Text() if task.total is None else self._column.render(task)

    parts = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        Counted(BarColumn()),
        Counted(MofNCompleteColumn()),
    )
    # Rich would send stdout to stderr with the display; the answer has to stay on stdout.
    with Bar(*parts, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield Display(console, money, bar, lists_tasks=lists_tasks)


def _describe(event: "Progress", money: str) -> str:
    """An event in words."""
    if event.is_stopping:
        return "stopping with what is known so far … (Ctrl-C again ends at once)"
    if event.is_of_a_study:
        return f"{event.task} ({event.done:,} of {event.total:,} done)" if event.total else event.task
    return _of_round(event, money) if event.round else _of_model(event, money)


def _of_round(event: "Progress", money: str) -> str:
    from optimizer.units import si

    worst = f", worst gap {si(event.worst_gap, money)}" if event.violated else ""
    value = "" if not math.isfinite(event.best) else f", value {si(event.best, money, digits=5)}"
    head = f"round {event.round}, {event.phase}: {event.shocks} shocks active"
    return f"{head}, {event.violated or 'none'} violated{worst}{value}{_bound(event, money)}"


def _of_model(event: "Progress", money: str) -> str:
    from optimizer.units import si

    best = "no plan yet" if not math.isfinite(event.best) else f"best {si(event.best, money, digits=5)}"
    bound = _bound(event, money)
    return f"least {event.phase} over {event.shocks} shocks: {best}{bound} ({event.seconds:.0f} s)"


def _bound(event: "Progress", money: str) -> str:
    from optimizer.units import si

    return "" if not math.isfinite(event.bound) else f", bound {si(event.bound, money, digits=5)}"
