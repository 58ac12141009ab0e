"""Simple YAML is read in one go: to the same data, lines and findings as by the reader that takes all YAML."""

import random
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance import document
from optimizer.instance.document import parse
from optimizer.instance.text import Allowance, read_simple
from optimizer.tolerances import KEY_LENGTH, NESTING

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("instances", "tests") for path in (ROOT / folder).rglob("*.yaml"))
# Words by which a text leaves what is simple, or is no YAML at all, put anywhere into a file.
PIECES = ("\n", ": ", "- ", "&a ", "*a", "<<: ", "!!str ", "? ", '"', "'", "{", "}", "[", "]", ",", "---\n", "...\n",
          "#", "|", ">-", "\t", "\x07", "%", "~", ".inf", "1_0e3", "yes", "0x1f", "\N{SNOWMAN}", "  ")  # fmt: skip


def outcome(text: str) -> Any:
    """Data, lines in their order, and findings; or the error."""
    try:
        found = parse(text, "x.yaml")
    except so.InstanceError as error:
        return error.findings
    return repr(found.data), list(found.lines.items()), found.findings


def both(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """What comes of a text with the simple reader, and without it."""
    first = outcome(text)
    with monkeypatch.context() as patch:
        patch.setattr(document, "read_simple", lambda *_: None)
        return first, outcome(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: [1, [2, {c: no}], {}], '<<': 1}\n",
        "a: 1\na: 2\n",
        "a: &x {b: 1}\nc: *x\n",
        "? [1]\n: 2\n",
        "a: !!str 1\n",
        "a: ! 1\n",
        "!!map {a: 1}\n",
        "- 1\n",
        "1\n",
        "",
        "# nothing\n",
        "---\na: 1\n...\n",
        "a: 1\n---\nb: 2\n",
        '"a\\u0007": 1\n',
        "a: |\n  one\n  two\nb: >-\n  x\n\n  y\n",
        "'': 1\nb:\n",
        "a:\n- 1\n-\n- b: 2\n  c: [ ]\n",
        "&r a: 1\n",
        "1: 2\n1.0: 3\n",
        "a: [0x1f, 1e3, .5, 1_0, -.inf, +.inf, .NaN, yes, ~, null, Null, True, 2026-01-01, 1:30, 00, +1, -, '1']\n",
        "a: {b\n",
        f"{'k' * (KEY_LENGTH + 1)}: 1\n",
        f"a: {'[' * (NESTING - 2)}1{']' * (NESTING - 2)}\n",
        f"a: {'[' * (NESTING - 1)}1{']' * (NESTING - 1)}\n",
        f"a: {'[' * NESTING}1{']' * NESTING}\n",
        "%YAML 1.1\n---\na: on\n",
    ],
)
def test_what_is_simple_and_what_is_not_read_alike(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    simple, other = both(text, monkeypatch)
    assert simple == other


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_read_alike(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = file.read_bytes().decode("utf-8", "replace")
    simple, other = both(text, monkeypatch)
    assert simple == other


def test_texts_with_anything_put_in_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "instances" / "tiny.yaml").read_text(encoding="utf-8")
    for seed in range(1000):
        chance = random.Random(seed)
        at, piece = chance.randrange(len(text)), chance.choice(PIECES)
        changed = text[:at] + piece + text[at + chance.randrange(3) :]
        simple, other = both(changed, monkeypatch)
        assert simple == other, changed


def test_values_are_taken_from_the_allowance() -> None:
    text = "a: {b: [1, 2]}\n"
    allowance = Allowance()
    before = allowance.left
    assert read_simple(text, allowance) == (
        {"a": {"b": [1, 2]}},
        {(): 1, ("a",): 1, ("a", "b"): 1, ("a", "b", 0): 1, ("a", "b", 1): 1},
    )
    assert before - allowance.left == 5
    allowance.left = 4
    assert read_simple(text, allowance) is None
    assert allowance.left == 4


def test_the_largest_instance_is_simple() -> None:
    text = (ROOT / "instances" / "us-magnets.yaml").read_text(encoding="utf-8")
    assert read_simple(text, Allowance()) is not None
