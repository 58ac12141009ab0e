"""What the commands share: exit codes, where messages go, and how errors end a run."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from optimizer.errors import Finding
    from optimizer.instance.schema import Instance
    from optimizer.results.result import Result

SURVIVES, INTERNAL, USAGE, BAD_INSTANCE, NO_PLAN_SURVIVES, STOPPED = 0, 1, 2, 3, 4, 5


def exit_code(result: "Result") -> int:
    """The exit code that a result deserves."""
    codes = {"survives": SURVIVES, "gap": NO_PLAN_SURVIVES, "none": NO_PLAN_SURVIVES, "stopped": STOPPED}
    return codes[result.status]


def messages() -> "Console":
    """The console of progress and complaints: stderr."""
    from optimizer.report.screen import Screen

    return Screen(stderr=True, soft_wrap=True)


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
        from optimizer.cli.stream import warnings_to
        from optimizer.errors import AuditError, CheckpointError, InstanceError, OptimizerError, PlanFileError

        try:
            with warnings_to(say):
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
        except CheckpointError as error:
            complain(str(error), USAGE)
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
    from optimizer.instance.arguments import parse_money

    if text is None:
        return None
    try:
        return parse_money(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def address(text: str | None) -> str | None:
    """Where a Dask scheduler is; refused as usage where it is no place at all."""
    import re

    if text is not None and not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", text):
        raise typer.BadParameter("write it like tcp://host:8786.", param_hint="--cluster")
    return text


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
    """That a saved plan was changed since it was solved, where the audit disagrees with it; nothing where it agrees."""
    from optimizer.audit import verify

    said = verify(instance, result).disagreements
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    what = "THE AUDIT DISAGREES: this plan was changed since it was solved. Do not rely on it."
    return (f"{what} {said[0]}{more}",) if said else ()


def commented(result: "Result", file: str) -> "Result":
    """The result with what its instance file says in comments, so that the plan file knows its sources."""
    from dataclasses import replace

    from optimizer.io.load import comments_of

    return replace(result, comments=comments_of(file))
