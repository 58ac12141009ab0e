"""The house: who may import whom, what the face shows, how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import optimizer

ROOT = Path(optimizer.__file__).parent
FLOORS = [
    {"errors", "files", "limits", "shapes", "tolerances"},
    {"suggestions", "untrusted"},
    {"units"},
    {"horizon"},
    {"disruptions", "results"},
    {"model"},
    {"network", "solver"},
    {"levers"},
    {"instance"},
    {"io"},
    {"audit", "formulation"},
    {"algorithms"},
    {"studies"},
    {"report"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(ROOT.rglob("*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> set[str]:
    """Every module imported anywhere in a file, type-only imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(path: Path) -> set[str]:
    modules = {module(file) for file in FILES}
    named = {name.removeprefix("optimizer.") for name in imports(path) if name.startswith("optimizer.")}
    named |= {"results.frames"} if "optimizer" in imports(path) and path.name == "result.py" else set()
    return {name for name in named if name in modules}


def room(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_only_from_floors_below(path: Path) -> None:
    here = room(module(path))
    if here in ("", "__main__"):
        return
    for name in own(path):
        assert room(name) == here or LEVEL[room(name)] < LEVEL[here], f"{module(path)} imports {name}"


def test_no_two_files_import_each_other_in_a_circle() -> None:
    graph = {module(path): own(path) - {module(path)} for path in FILES if module(path)}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"circle: {' > '.join([*above, name])}"
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("pulp", {"model", "solver"}),
        ("highspy", {"solver"}),
        ("rich", {"report", "cli"}),
        ("typer", {"cli"}),
        ("plotext", {"report"}),
        ("matplotlib", {"report"}),
        ("scipy", {"algorithms", "disruptions"}),
        ("SALib", {"studies"}),
        ("loky", {"algorithms"}),
        ("distributed", {"algorithms"}),
        ("pandas", {"results", "report"}),
        ("openpyxl", {"io"}),
        ("xlsxwriter", {"io", "report"}),
        ("jinja2", {"report"}),
    ],
)
def test_libraries_stay_in_their_rooms(library: str, rooms: set[str]) -> None:
    users = {room(module(path)) for path in FILES if any(name.split(".")[0] == library for name in imports(path))}
    assert users <= rooms


def test_audit_knows_neither_levers_nor_solver() -> None:
    for path in (ROOT / "audit").glob("*.py"):
        rooms = {room(name) for name in own(path)} - {"audit"}
        assert rooms <= {"disruptions", "errors", "instance", "results", "tolerances"}, path


@pytest.mark.parametrize("path", FILES, ids=module)
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", sorted((ROOT / "levers").glob("*.py")), ids=lambda path: path.stem)
def test_levers_state_their_mathematics(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    if path.stem != "__init__":
        assert "size" in docstring or "stock" in docstring
        assert any(sign in docstring for sign in "≤≥=")


def test_levers_never_import_each_other() -> None:
    kinds = {"ally", "refining", "recycling", "substitution", "stockpile", "partnership", "leverage"}
    for kind in kinds:
        named = own(ROOT / "levers" / f"{kind}.py")
        assert not {f"levers.{other}" for other in kinds} & named


def test_face_is_sorted_and_complete() -> None:
    assert optimizer.__all__ == sorted(optimizer.__all__)
    for name in optimizer.__all__:
        assert getattr(optimizer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = optimizer.nonsense


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from optimizer.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pandas', 'numpy', 'pulp', 'highspy', 'plotly', 'pydantic', 'yaml', 'openpyxl', 'xlsxwriter'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
