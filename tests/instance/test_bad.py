"""Every faulty file says at its top what has to be found in it: ``# expect: severity line N | what | cure``.

All faults of a file are reported at once, none of them twice, and nothing else. The kinds of
levers stand there as ``<kinds>``; those that a shock may name in a field as ``<with cost>`` and ``<with reliability>``.
"""

import re
from pathlib import Path

import pytest

import optimizer as so
from optimizer.levers import KINDS

FILES = sorted((Path(__file__).parents[1] / "bad").glob("*.yaml"))
EXPECT = re.compile(r"^# expect: (error|warning) line (\d+) \| (.+?) \|(.*)$")


def kinds_in_words() -> dict[str, str]:
    priced = [kind for kind, lever in KINDS.items() if "cost" in lever.shock_fields and not lever.is_activity]
    *others, last = "process", "process option", *priced
    return {
        "<kinds>": ", ".join(KINDS),
        "<with cost>": f"{', '.join(others)} or {last}",
        "<with reliability>": " or ".join(kind for kind, lever in KINDS.items() if "reliability" in lever.shock_fields),
    }


def expected(path: Path) -> list[tuple[str, int, str, str]]:
    text = path.read_text(encoding="utf-8")
    for word, meaning in kinds_in_words().items():
        text = text.replace(word, meaning)
    found = [match for line in text.splitlines() if (match := EXPECT.match(line))]
    return [(match[1], int(match[2]), match[3], match[4].strip()) for match in found]


def findings(path: Path) -> tuple[so.Finding, ...]:
    try:
        return so.check(path)[1]
    except so.InstanceError as error:
        return error.findings


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_refused_exactly_where_it_expects(path: Path) -> None:
    wanted, found = expected(path), list(findings(path))
    assert wanted, "the file says nothing of what is wrong with it"
    for severity, line, what, cure in wanted:
        same = [f for f in found if f.line == line and what in f.what and cure in f.cure and f.severity == severity]
        assert same, f"nobody says {severity} {line} {what!r} {cure!r}; found:\n" + "\n".join(map(str, found))
        found.remove(same[0])
    assert not found, "nobody expects:\n" + "\n".join(map(str, found))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_errors_raise_and_warnings_do_not(path: Path) -> None:
    if any(severity == "error" for severity, *_ in expected(path)):
        with pytest.raises(so.InstanceError) as error:
            so.load(path)
        errors = [found for found in error.value.findings if found.severity == "error"]
        for found in errors:
            assert f"{path}:{found.line}: " in str(error.value)
            assert found.cure in str(error.value)
    else:
        assert so.load(path).demands


def test_there_are_many_faults() -> None:
    assert len(FILES) >= 30
