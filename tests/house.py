"""The figures of the code, each beside its goal.

Run: python -m tests.house [--names] [--complex] [--kinds]

    files, lines             of the package's Python
    lines of code            without docstrings, comments, blank lines and imports
    import depth             files in the longest chain of imports
    imports per file         files of the package that a file imports, on average
    complex functions        with a cyclomatic complexity above 10: 1, and 1 for each if, loop, handler, case,
                             comprehension with its conditions, conditional expression, `and`, `or`
    lines of a function      mean, 95th percentile, longest
    public names             functions, classes and constants without underscore defined more than once
    tests                    lines of tests for each line of the package
    lever kinds              files outside `levers/` and `audit/levers/` that name the kind or class of a lever
    files of a solve         files in which a function runs when `diversify solve instances/tiny.yaml` does
"""

import argparse
import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

import optimizer.levers

ROOT = Path(optimizer.__file__).parent
TESTS = Path(__file__).parent
FILES = tuple(sorted(ROOT.rglob("*.py")))
Function = ast.FunctionDef | ast.AsyncFunctionDef
# A name that many modules define by design: each command, and each auditor, is found by its module.
FOUND_BY_MODULE = frozenset({"__all__", "command"})


def module(path: Path) -> str:
    """The name of a module within the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


def imports(path: Path, *, types: bool = True) -> set[str]:
    """Every module imported anywhere in a file, those for types only included where `types`."""
    found, left_out = set(), set[ast.AST]()
    for node in ast.walk(parsed(path)):
        if not types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            left_out |= {each for part in node.body for each in ast.walk(part)}
    for node in set(ast.walk(parsed(path))) - left_out:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(path: Path, *, types: bool = True) -> set[str]:
    """The modules of the package that a file imports."""
    modules = {module(file) for file in FILES}
    named = {name.removeprefix("optimizer.") for name in imports(path, types=types) if name.startswith("optimizer.")}
    named |= {"results.frames"} if "optimizer" in imports(path) and path.name == "result.py" else set()
    return {name for name in named if name in modules}


def import_graph() -> dict[str, set[str]]:
    """Which module imports which, other than for types only: those run in circles where values give frames."""
    return {module(path): own_imports(path, types=False) - {module(path)} for path in FILES if module(path)}


def depth(graph: Mapping[str, set[str]]) -> int:
    """How many files the longest chain of imports has; there are no circles."""

    @cache
    def below(name: str) -> int:
        return 1 + max((below(other) for other in graph.get(name, ())), default=0)

    return max(below(name) for name in graph)


def lines(paths: Sequence[Path]) -> int:
    """All lines of some files."""
    return sum(len(path.read_text().splitlines()) for path in paths)


def lines_of_code(path: Path) -> int:
    """The lines of a file without docstrings, comments, blank lines and imports."""
    left_out: set[int] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node) is not None:
            text = node.body[0]
            left_out |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    kept = enumerate(path.read_text().splitlines(), start=1)
    return sum(1 for i, line in kept if i not in left_out and line.strip() and not line.strip().startswith("#"))


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file, those within others included."""
    return (node for node in ast.walk(parsed(path)) if isinstance(node, Function))


def complexity(function: Function) -> int:
    """The cyclomatic complexity of a function."""
    branches = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler, ast.match_case)
    total = 1
    for node in ast.walk(function):
        if isinstance(node, branches):
            total += 1
        elif isinstance(node, ast.comprehension):
            total += 1 + len(node.ifs)
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
    return total


def complex_functions(most: int = 10) -> list[str]:
    """The functions whose complexity is above the most that is wanted, the worst first."""
    found = [
        (complexity(function), f"{module(path)}:{function.name}") for path in FILES for function in functions(path)
    ]
    return [f"{name} {value}" for value, name in sorted(found, reverse=True) if value > most]


def _targets(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, Function | ast.ClassDef):
        yield node.name
    for target in node.targets if isinstance(node, ast.Assign) else ():
        yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def repeated_names() -> dict[str, list[str]]:
    """Public names that are defined more than once, in several modules or in one, with the modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for name in (name for node in parsed(path).body for name in _targets(node)):
            if not name.startswith("_") and name not in FOUND_BY_MODULE:
                places[name].append(module(path))
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def lever_files() -> list[Path]:
    """The files that each hold the lever of one kind."""
    shared = {"__init__", "base"}
    return [path for path in sorted((ROOT / "levers").glob("*.py")) if path.stem not in shared]


def naming_levers() -> dict[str, list[str]]:
    """Files outside the levers' own folders that name a lever's kind or class in code, with the names."""
    kinds = set(optimizer.levers.PACKAGE_KINDS)
    known = kinds | {kind.capitalize() for kind in kinds}
    own = (ROOT / "levers", ROOT / "audit" / "levers")
    found = {}
    for path in FILES:
        if not any(path.is_relative_to(folder) for folder in own):
            names = _names_in_code(parsed(path)) & known
            if names:
                found[module(path)] = sorted(names)
    return found


def _names_in_code(tree: ast.Module) -> set[str]:
    """Identifiers and whole string constants; words within a text are no names."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names} | set(re.split(r"\.", node.module or ""))
    return found


TRACE = """
import sys, threading
from inspect import CO_OPTIMIZED
root = sys.argv.pop(1)
ran = set()
def note(frame, event, argument):
    code = frame.f_code
    # Of code that runs, a function or generator alone is optimized: the body of a module or class is not.
    is_function = code.co_flags & CO_OPTIMIZED and code.co_name != "<genexpr>"
    if event == "call" and is_function and code.co_filename.startswith(root):
        ran.add(code.co_filename)
from optimizer.__main__ import main
threading.setprofile(note); sys.setprofile(note)
try: main()
except SystemExit: pass
sys.setprofile(None)
print(*sorted(ran), sep="\\n", file=sys.stderr)
"""


def files_of_a_solve() -> list[str]:
    """The files in which a function runs when the smallest shipped instance is solved by the command."""
    instance = str(ROOT.parent / "instances" / "tiny.yaml")
    done = subprocess.run(
        [sys.executable, "-c", TRACE, f"{ROOT}/", "solve", instance], capture_output=True, text=True, check=False
    )
    return [line for line in done.stderr.splitlines() if line.startswith(f"{ROOT}/")]


def figures() -> Iterator[tuple[str, str, str]]:
    """What is measured, its value and its goal."""
    total, code = lines(FILES), sum(lines_of_code(path) for path in FILES)
    graph = import_graph()
    long = sorted(
        (function.end_lineno or function.lineno) - function.lineno + 1 for path in FILES for function in functions(path)
    )
    yield "files", f"{len(FILES)}", "130"
    yield "lines", f"{total:,}", "24,000"
    yield "lines of code", f"{code:,}", "14,500"
    yield "import depth", f"{depth(graph)}", "16"
    yield "imports per file", f"{sum(map(len, graph.values())) / len(graph):.1f}", "4"
    yield "complex functions", f"{len(complex_functions())}", "50"
    middle = f"{sum(long) / len(long):.1f} / {long[int(0.95 * len(long))]} / {long[-1]}"
    yield "lines of a function: mean, p95, most", middle, "10 / 25 / 60"
    yield "public names in several modules", f"{len(repeated_names())}", "0"
    yield "tests / package, lines", f"{lines(sorted(TESTS.rglob('*.py'))) / total:.2f}", "at least 0.60"
    yield "files that name a lever elsewhere", f"{len(naming_levers())}", "0"
    yield "files that run in a solve", f"{len(files_of_a_solve())}", "45"


def main() -> None:
    """Print the table, and what stands behind a figure on demand."""
    parser = argparse.ArgumentParser(prog="python -m tests.house", description="The figures of the code.")
    parser.add_argument("--names", action="store_true", help="list public names in several modules")
    parser.add_argument("--complex", action="store_true", help="list complex functions, the worst first")
    parser.add_argument("--kinds", action="store_true", help="list files that name a lever elsewhere")
    arguments = parser.parse_args()
    console = Console()
    table = Table("Figure", "Now", "Goal")
    for row in figures():
        table.add_row(*row)
    console.print(table)
    if arguments.names:
        console.print(*(f"{name}: {', '.join(where)}" for name, where in repeated_names().items()), sep="\n")
    if arguments.complex:
        console.print(*complex_functions(), sep="\n")
    if arguments.kinds:
        console.print(*(f"{name}: {', '.join(kinds)}" for name, kinds in naming_levers().items()), sep="\n")


if __name__ == "__main__":
    main()
