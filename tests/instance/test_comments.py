"""What the comments of an instance file say, each at its place."""

from pathlib import Path

import pytest

from optimizer.io.load import comments_of
from optimizer.io.yaml_text import parse_comments

TEXT = """\
# A head
# of two lines.

name: "a # that is no comment"   # beside a scalar
horizon: {start: 2026, end: 2027, step: year}
# ---------------------------
# About all segments.
# ---------------------------
demands:
  # just above motors
  motors:
    quantity: 100   # a guess
    # inside motors, above an empty line

    survival: {2026: 0.3}  # a floor
  ships:
    # just above a field,
    # in two lines
    quantity: 5
    # inside ships, at its end

  boats: {
    # above two fields of one line
    quantity: 5, survival: 0.5}

  # the section again, for an empty line follows

commodities: {magnet: {}}
"""


def test_comments_stand_at_what_they_are_about() -> None:
    said = {(each.place, each.text): each.value for each in parse_comments(TEXT, "x.yaml")}
    assert said == {
        ((), "A head\nof two lines."): None,
        (("name",), "beside a scalar"): "a # that is no comment",
        (("demands",), "About all segments."): None,
        (("demands", "motors"), "just above motors"): None,
        (("demands", "motors", "quantity"), "a guess"): 100,
        (("demands", "motors"), "inside motors, above an empty line"): None,
        (("demands", "motors", "survival"), "a floor"): {"2026": 0.3},
        (("demands", "ships", "quantity"), "just above a field, in two lines"): 5,
        (("demands", "ships"), "inside ships, at its end"): None,
        (("demands", "boats"), "above two fields of one line"): None,
        (("demands",), "the section again, for an empty line follows"): None,
    }


def test_files_without_comments_have_none(tmp_path: Path) -> None:
    assert comments_of(tmp_path / "nowhere.yaml") == ()
    (tmp_path / "x.json").write_text("{}")
    assert comments_of(tmp_path / "x.json") == ()
    (tmp_path / "bad.yaml").write_text("a: [")
    assert comments_of(tmp_path / "bad.yaml") == ()


@pytest.mark.parametrize("name", ["us-magnets", "tiny"])
def test_shipped_instances_speak(name: str) -> None:
    file = Path(__file__).parent.parent.parent / "instances" / f"{name}.yaml"
    said = comments_of(file)
    assert all(set(each) == {"place", "value", "text"} and each["text"] for each in said)
    assert len(said) >= (400 if name == "us-magnets" else 1)
