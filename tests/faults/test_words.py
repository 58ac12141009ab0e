"""What is printed keeps to the terms of the field: no word of it is a metaphor, or a pronoun for the adversary."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "optimizer"
WORDS = re.compile(r"\b(?:peace|bites?|he|his|him)\b", re.IGNORECASE)


def printed(text: str) -> Iterator[tuple[int, str]]:
    """The texts of a module that are no docstrings, each with its line."""
    tree = ast.parse(text)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.lineno, node.value


def test_texts_are_seen_and_docstrings_are_not() -> None:
    found = list(printed('"""He."""\nx = f"his {1} {y(\'peace\')}"\ndef f():\n    """Bites."""\n'))
    assert [text for _, text in found if WORDS.search(text)] == ["his ", "peace"]


def test_no_module_prints_such_a_word() -> None:
    texts = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    assert len(texts) > 100
    assert not [(name, *each) for name, text in texts.items() for each in printed(text) if WORDS.search(each[1])]


def test_no_page_or_starter_shows_such_a_word() -> None:
    paths = [
        *(path for path in (PACKAGE / "report" / "html").iterdir() if path.is_file()),
        PACKAGE / "io" / "starter.yaml",
    ]
    comments = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
    assert not [(path.name, word) for path in paths for word in WORDS.findall(comments.sub("", path.read_text()))]


def test_the_readme_has_none() -> None:
    assert not WORDS.findall((PACKAGE.parent / "README.md").read_text())
