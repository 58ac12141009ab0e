"""The errors and the warning of the package, the exit codes of a run, the extras of the installation, and messages.

Every error is an `OptimizerError`. `EXTRAS` lists the modules that each extra of pyproject.toml installs. Messages have
values and characters of limited length, and suggestions for misspelt names (`Vocabulary`).
"""

import difflib
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path as FilePath
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from pydantic_core import PydanticCustomError

Severity = Literal["error", "warning"]
# The keys that lead to a value in an instance file; places in lists count from 0.
Place = tuple[str | int, ...]
# The place of a fault, what is wrong, the cure, and the severity.
Problem = tuple[Place, str, str, Severity]

# Name of the threads in which a solver runs.
SOLVER_THREAD = "solver"


class ExitCode(IntEnum):
    """The exit codes of ``diversify``; the help and the manual are generated from this list."""

    SURVIVES = (
        0,
        "survives, proven",
        "`compare`: some column does; `survive`, `sensitivity`, `plot`: whatever the answer for a plan; `verify`: "
        "every figure agrees",
    )
    INTERNAL = (
        1,
        "internal error",
        "such as an audit that disagrees with a plan just solved; "
        "`verify`, `show`, `report`, `plot`: the plan file was changed since it was solved",
    )
    USAGE = (
        2,
        "usage",
        "invalid words on the command line, no `--future` where an instance or a plan has several, a plan written by "
        "hand in place of an instance, files, folders and a stdout that cannot be written, a damaged checkpoint, a "
        "missing extra",
    )
    BAD_INSTANCE = (
        3,
        "bad instance or plan",
        "or none where one is named, a plan with futures for an instance that has none, or a name on the command "
        "line that the instance or plan does not have",
    )
    NO_PLAN_SURVIVES = (
        4,
        "no plan survives",
        "the best one is printed, or that none exists; `verify --quick`: shocks were not recomputed",
    )
    STOPPED = (
        5,
        "stopped unproven",
        "by the time limit, Ctrl-C, SIGTERM or SIGHUP; the best plan found is printed; a second signal ends at once",
    )

    meaning: str  # short description
    details: str  # its cause, or another meaning in some commands

    def __new__(cls, value: int, meaning: str, details: str) -> "ExitCode":
        """Create a member with its description."""
        code = int.__new__(cls, value)
        code._value_, code.meaning, code.details = value, meaning, details
        return code


@dataclass(frozen=True)
class Finding:
    """An error or a warning about an instance file: where it is, what is wrong, and the cure."""

    # Name of the file, or what was changed, such as ``--set demands.motors.survival``; the title of an instance in
    # memory, which knows no file.
    file: str
    line: int | None  # line of the file, from 1; None if the place has none
    where: str  # keys that lead to the value, joined by dots; empty for the whole file
    what: str  # what is wrong, without a full stop
    cure: str  # what to do, in sentences
    severity: Severity = "error"  # an error, or a warning, with which the instance can be solved
    cell: str | None = None  # in a workbook, ``sheet!cell``

    @property
    def place(self) -> str:
        """The place in the form that editors understand, ``file:line``; in a workbook ``file:sheet!cell``."""
        if self.cell is not None:
            return f"{self.file}:{self.cell}"
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        head = f"{self.place}: {self.where}: " if self.where else f"{self.place}: "
        return f"{head}{self.what}. {self.cure}"


class OptimizerError(Exception):
    """Base class of the package's errors; `exit_code` is the exit code of a command that raises it."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL


class InstanceError(OptimizerError):
    """An instance cannot be used; `findings` holds every error and the warnings beside them, with line and cure."""

    subject = "instance"
    exit_code = ExitCode.BAD_INSTANCE

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in findings if finding.severity == "error"]
        count = f"{len(errors)} error" + ("s" if len(errors) != 1 else "")
        super().__init__(
            f"cannot use this {self.subject} ({count}):\n" + "\n".join(f"  {finding}" for finding in errors)
        )


class GivenPlanError(InstanceError):
    """A given plan does not fit the instance; `findings` holds every error, each with line and cure."""

    subject = "plan"


class ModelError(OptimizerError):
    """A fault in the code, not in the data: a repeated name, an unknown ledger or key, a finding in another form."""


class SolverError(OptimizerError):
    """The solver failed, or returned neither a solution nor a proof of infeasibility."""


class UnboundedError(SolverError):
    """The solver found no least value, as where a charge makes more of an option cheaper than none of it."""


class CheckpointError(OptimizerError):
    """A checkpoint cannot be written, or its folder holds other files."""

    exit_code = ExitCode.USAGE


class WorkerError(OptimizerError):
    """Workers died repeatedly, or a cluster cannot be reached."""


class UnreachableClusterError(WorkerError):
    """A cluster does not answer at its address, or certificates for it are missing."""

    exit_code = ExitCode.USAGE


class AuditError(OptimizerError):
    """The audit disagrees with a plan; `disagreements` names every row, `result` is the result concerned."""

    def __init__(self, disagreements: Sequence[str], result: Any = None) -> None:
        self.disagreements = tuple(disagreements)
        self.result = result
        shown = "\n".join(f"  {row}" for row in self.disagreements[:20])
        more = len(self.disagreements) - 20
        tail = f"\n  … and {more} more" if more > 0 else ""
        super().__init__(f"the audit disagrees in {len(self.disagreements)} place(s):\n{shown}{tail}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the error by its arguments, so that another process can return it."""
        return AuditError, (self.disagreements, self.result)


class PluginError(OptimizerError):
    """A file that should register levers cannot be imported."""


class PlanFileError(OptimizerError):
    """A saved plan cannot be read, as it is not JSON or lacks a part; or a result holds no plan where one is needed."""

    exit_code = ExitCode.BAD_INSTANCE


class SeveralFuturesError(PlanFileError):
    """A saved plan is of several futures where the plan of one is needed."""

    exit_code = ExitCode.USAGE


class MissingExtraError(OptimizerError):
    """An optional part of the installation is missing; the message holds the command that installs it."""

    exit_code = ExitCode.USAGE


class OptimizerWarning(UserWarning):
    """A warning beside an answer: a value was replaced, or a file could not be written."""


EXTRAS = {
    "report": ("jinja2", "plotly", "fpdf", "docx", "matplotlib"),
    "plot": ("matplotlib", "countryinfo"),
    "excel": ("openpyxl", "xlsxwriter"),
    "sensitivity": ("SALib", "sklearn"),
    "cluster": ("distributed",),
    "parquet": ("pyarrow",),
}
# The extra that writes a file, by its suffix.
_OF_SUFFIX = {
    ".html": "report",
    ".xlsx": "excel",
    ".svg": "plot",
    ".png": "plot",
    ".pdf": "plot",
    ".parquet": "parquet",
}
# The forms of a report: the page, its brief alone, a workbook.
PAGE_FORMS = (".html", ".htm")
BRIEF_FORMS = (".pdf", ".docx", ".md")
WORKBOOK_FORM = ".xlsx"
PLOT_FORMS = (".svg", ".png", ".pdf")
REPORT_FORMS = (*PAGE_FORMS, *BRIEF_FORMS, WORKBOOK_FORM)


def said_of_misfit(error: Exception) -> str:
    """Return what an error says that was raised where two sets of data do not fit each other."""
    if isinstance(error, KeyError):
        return f"there is no {', '.join(f'"{name}"' for name in error.args)}"
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def fault_from_outside(error: Exception, *bases: type) -> str | None:
    """Return which method of a subclass of `bases` from outside the package failed, and in which line, or None."""
    said = None
    for frame, line in walk_tb(error.__traceback__):
        code, module = frame.f_code, str(frame.f_globals.get("__name__"))
        owner = frame.f_locals.get("self", frame.f_locals.get("cls"))
        kind = owner if isinstance(owner, type) else type(owner)
        if issubclass(kind, bases) and not module.startswith("optimizer."):
            said = f"{code.co_qualname} failed in line {line} of {FilePath(code.co_filename).name}"
    return said and f"{said}: {type(error).__name__}: {error}"


def fault_of_import(error: Exception, module: str) -> str:
    """Return what the import of a module raised, with the last line of its package that was run, if there is one."""
    package, at = module.partition(".")[0], ""
    for frame, line in walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package:
            at = f" (line {line} of {FilePath(frame.f_code.co_filename).name})"
    return f"cannot be imported: {type(error).__name__}: {error}{at}"


def has_extra(extra: str) -> bool:
    """Return whether the modules of an extra are installed."""
    return all(find_spec(module) is not None for module in EXTRAS[extra])


def require_extra(extra: str, purpose: str) -> None:
    """Raise an error if an extra is not installed.

    Args:
        extra: a name in `EXTRAS`.
        purpose: what needs it, as the subject of a sentence: "An Excel workbook".

    Raises:
        MissingExtraError: with the command that installs it.
    """
    if not has_extra(extra):
        module = next(each for each in EXTRAS[extra] if find_spec(each) is None)
        raise MissingExtraError(f"{purpose} needs {module}; in the project's folder run: pip install '.[{extra}]'")


def require_extra_for(path: FilePath) -> None:
    """Raise an error if the suffix of a file names a form whose extra is not installed.

    Raises:
        MissingExtraError: with the command that installs it.
    """
    extra = _OF_SUFFIX.get(path.suffix.lower())
    if extra is not None:
        require_extra(extra, path.name)


# Messages.

# Control characters, which may change how a terminal shows a text, and characters that no terminal shows.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
# Unpaired surrogates, which are not characters.
SURROGATE = re.compile("[\ud800-\udfff]")
# Largest number of characters of a value that a message repeats.
EXCERPT = 60
# Largest number of keys that a message lists; of other names it lists `MOST_LISTED`.
MOST_KNOWN_LISTED = 40
# Up to twice so many names, a word is compared with all of them; of more, with so many alphabetical neighbours, read
# forwards and backwards, since a typing error leaves either the beginning or the end of a name intact.
NEIGHBOURS = 40
# Largest number of comparisons, 10 to 50 µs each: a file with thousands of unknown words is checked within a second.
MOST_COMPARISONS = 20_000
MOST_LISTED = 8


def finding(what: str, cure: str) -> "PydanticCustomError":
    """Return an error that carries its cure through pydantic."""
    from pydantic_core import PydanticCustomError

    return PydanticCustomError("finding", "{what}", {"what": what, "cure": cure})


def excerpt(value: object, most: int = EXCERPT) -> str:
    """Return a value as text for a message: of limited length, with control characters escaped."""
    if isinstance(value, int) and value.bit_length() > 4 * EXCERPT:
        return f"about {'-' if value < 0 else ''}1e{int(value.bit_length() * 0.30103)}"
    text = CONTROL.sub(lambda found: escaped(found[0]), str(value)[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escaped(sign: str) -> str:
    """Return a character as its escape sequence in Python."""
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def character(sign: str) -> str:
    """Return the name of a character that cannot be shown."""
    is_half = "\ud800" <= sign <= "\udfff"
    kind = "half of a surrogate pair" if is_half else f"the {'control' if sign < '\xa0' else 'invisible'} character"
    return f"{kind} U+{ord(sign):04X}"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name nearest to a misspelt word; None if no name is near."""
    return Vocabulary(names, "name").nearest(word)


def did_you_mean(word: str, names: Iterable[str], otherwise: str) -> str:
    """Return a cure for an unknown word: the nearest known name, or `otherwise`."""
    near = nearest(word, names)
    return f'Did you mean "{near}"?' if near else otherwise


def suggest(word: str, names: Iterable[str], otherwise: str) -> str:
    """Return a cure for an unknown word: the nearest known name, or `otherwise` with a list of all names."""
    known = list(names)
    return did_you_mean(word, known, list_known(known, otherwise))


def list_known(names: Sequence[str], words: str) -> str:
    """Return a cure for an unknown word that lists the known names after some words."""
    more = " …" if len(names) > MOST_KNOWN_LISTED else ""
    return f"{words} {', '.join(map(excerpt, names[:MOST_KNOWN_LISTED]))}{more}."


def unswap_year(years: Collection[int], known: range) -> dict[int, int]:
    """Return the only year after the known ones with the known one, not given, that two swapped digits make of it."""
    late = [year for year in years if year > known[-1]]
    digits = str(late[0]) if len(late) == 1 else ""
    swaps = (int(digits[:i] + digits[i : i + 2][::-1] + digits[i + 2 :]) for i in range(len(digits) - 1))
    meant = next((each for each in swaps if each in known and each not in years), None)
    return {} if meant is None else {late[0]: meant}


class Vocabulary:
    """The known names of one kind; an open one may have others as well."""

    def __init__(self, names: Iterable[str], noun: str, *, is_open: bool = False) -> None:
        self.names, self.noun, self.is_open = frozenset(names), noun, is_open
        self._left = MOST_COMPARISONS

    def __contains__(self, word: str) -> bool:
        return self.is_open or word in self.names

    def nearest(self, word: str) -> str | None:
        """Return the name most similar to a word; None if none is similar, or after too many comparisons."""
        candidates = self._candidates(word) if len(word) <= EXCERPT else []
        if len(candidates) > self._left:
            return None
        self._left -= len(candidates)
        return next(iter(difflib.get_close_matches(word, candidates, 1)), None)

    def cure(self, word: str) -> str:
        """Return the cure for a word that is none of the names."""
        near = self.nearest(word)
        if near is not None:
            return f'Did you mean "{near}"?'
        listed = ", ".join(map(excerpt, self._forwards[:MOST_LISTED])) + (" …" if len(self.names) > MOST_LISTED else "")
        article = "an" if self.noun[0] in "aeiou" else "a"
        return f"Known: {listed}." if self.names else f"Declare {article} {self.noun} first."

    def _candidates(self, word: str) -> list[str]:
        if len(self.names) <= 2 * NEIGHBOURS:
            return self._forwards
        ends = (name[::-1] for name in _around(self._backwards, word[::-1]))
        return sorted({*_around(self._forwards, word), *ends})

    @cached_property
    def _forwards(self) -> list[str]:
        return sorted(self.names)

    @cached_property
    def _backwards(self) -> list[str]:
        return sorted(name[::-1] for name in self.names)


def _around(ordered: list[str], word: str) -> list[str]:
    at = bisect_left(ordered, word)
    return ordered[max(0, at - NEIGHBOURS // 2) : at + NEIGHBOURS // 2]
