"""What README, CONTRIBUTING and docs/ promise: every command and Python block runs, and prints what is shown."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

import optimizer as so
from optimizer.cli.app import COMMANDS, load_command
from optimizer.errors import Finding
from optimizer.levers import PACKAGE_KINDS
from optimizer.report.html.book import book
from optimizer.studies.comparison import single_point
from optimizer.studies.summary import Fallback, FutureOutline, Preview, RowHits, ShockHit, Shortage, Summary
from tests import manual, reference

ROOT = Path(__file__).parent.parent
NAMES = [str(page.relative_to(ROOT)) for page in manual.PAGES]


@pytest.mark.parametrize("page", manual.PAGES, ids=NAMES)
@pytest.mark.filterwarnings("default")
def test_every_block_runs_and_prints_what_is_shown(page: Path) -> None:
    assert manual.updated(page) == page.read_text(encoding="utf-8"), "python -m tests.manual --update"


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.name)
def test_generated_pages_are_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == reference.pages()[page], "python -m tests.manual --update"


@pytest.mark.parametrize("page", manual.PAGES, ids=NAMES)
def test_no_span_of_code_begins_with_a_comma(page: Path) -> None:
    """Where one does, code and words have changed places."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for paragraph in text.split("\n\n"):
        assert not [span for span in paragraph.split("`")[1::2] if span.startswith(", ")]


@pytest.mark.parametrize(
    ("file", "after"),
    [
        ("optimizer/io/starter.yaml", "`kind` is one of"),
        ("docs/tutorial.md", "`options`"),
        ("docs/how-to/write.md", "| kind | what it buys"),
        ("docs/glossary.md", "\nlever\n"),
    ],
)
def test_newcomers_are_told_every_kind(file: str, after: str) -> None:
    told = re.split(r"\n\n|\noptions:", (ROOT / file).read_text(encoding="utf-8").split(after)[1])[0]
    assert set(PACKAGE_KINDS) <= set(re.findall(r"\w+", told.lower()))


@pytest.mark.parametrize("file", ["README.md", "docs/how-to/write.md", "optimizer/levers/__init__.py"])
def test_newcomers_are_told_how_many_kinds_there_are(file: str) -> None:
    number = ("six", "seven", "eight", "nine", "ten")[len(PACKAGE_KINDS) - 6]
    assert re.search(rf"\b{number} \*?levers\b", (ROOT / file).read_text(encoding="utf-8"))


def test_every_command_has_its_row_in_python() -> None:
    page = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|(.*?)\|", page.partition("| command | function |")[2].partition("\n\n")[0], re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert named == {name for commands in COMMANDS.values() for name in commands}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


@pytest.mark.parametrize("page", manual.PAGES, ids=NAMES)
def test_links_and_pictures_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if not target.startswith(("http", "mailto")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", manual.PAGES, ids=NAMES)
def test_files_that_are_named_are_there(page: Path) -> None:
    for name in re.findall(r"`((?:optimizer|tests|examples|instances)/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("command", [name for commands in COMMANDS.values() for name in commands])
def test_help_names_a_page_that_is_there(command: str) -> None:
    (page,) = re.findall(r"Manual: +(\S+)", load_command(command).help or "")
    assert (ROOT / page).exists()


def test_every_key_of_the_report_is_described() -> None:
    instance = so.load(ROOT / "instances/tiny.yaml")
    made = book(instance, single_point(instance, so.solve(instance))).to_dict()
    assert {*made, *made["frontier"], *made["points"][0]} <= described_keys("## The report")


def described_keys(section: str) -> set[str]:
    """What stands as code in a section of the page on JSON."""
    text = (ROOT / "docs/reference/json.md").read_text(encoding="utf-8").partition(section)[2]
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text.partition("\n## ")[0]))))


def test_every_key_of_the_check_is_described() -> None:
    parts = (Summary, ShockHit, RowHits, Preview, Shortage, Fallback, FutureOutline, Finding)
    keys = {field.name for part in parts for field in fields(part)} | {"file", "ok", "findings"}
    assert keys <= described_keys("## The check")


def test_every_key_of_requirements_is_described() -> None:
    instance = so.load(ROOT / "instances/tiny.yaml")
    frames = so.find_requirements(instance, so.solve(instance), is_quick=True).frames
    names = {column.name.split()[0] for name in frames for column in frames.frame(name).columns}
    assert {*names, *frames} - {*instance.commodities, *instance.options} <= described_keys("## Stockpile requirements")


YAML = [
    block
    for page in manual.PAGES
    for block in manual.blocks(page)
    if block.language == "yaml" and not block.body.startswith(("distributed:", "#"))
]


@pytest.mark.parametrize("block", YAML, ids=[block.name for block in YAML])
def test_yaml_shown_fits_the_smallest_instance(block: manual.Block) -> None:
    shown = yaml.safe_load(block.body)
    if "builds" in shown:
        # A plan, which the page's command judges.
        plans = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "examples").glob("*plan*.yaml"))]
        assert shown in plans
        return
    so.read(yaml.safe_load((ROOT / "instances" / "tiny.yaml").read_text()) | shown)


def yaml_with(key: str) -> str:
    """The one YAML block that has a key."""
    (shown,) = (block.body for block in YAML if key in block.body)
    return shown


def test_instance_shown_is_the_instance_there_is() -> None:
    file = (ROOT / "instances" / "tiny.yaml").read_text()
    for line in yaml_with("horizon:").splitlines():
        assert line in file


def test_shocks_shown_have_the_names_that_are_said() -> None:
    data = yaml.safe_load((ROOT / "instances" / "tiny.yaml").read_text()) | yaml.safe_load(yaml_with("ensembles:"))
    names = [event.name for event in so.read(data).events]
    assert names[0] == "embargo@2027,12mo,50%"
    assert names[11:13] == ["embargo@2029,24mo,100%", "trouble#00001"]
    assert len(names) == 512


def test_adversary_shown_is_the_one_of_the_command() -> None:
    text = (ROOT / "docs" / "how-to" / "attack.md").read_text()
    (command,) = re.findall(r'^\$ diversify attack instances/tiny.yaml --set "adversary=(.*)"$', text, re.MULTILINE)
    assert yaml.safe_load(yaml_with("adversary:"))["adversary"] == yaml.safe_load(command)


def test_commands_of_the_makefile_are_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"solve", "test", "docs", "lint", "bench", "clean"} <= targets


def test_the_manual_builds_without_a_warning_and_asks_for_nothing_from_the_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", str(ROOT / "docs"), str(tmp_path / "html")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "html").rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text())
        assert not loaded, page


def test_a_changed_output_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text('```python\nprint(1)\nprint(2)\n```\n\n<!-- output: from "2" -->\n```text\n3\n```\n')
    monkeypatch.setattr(manual, "ROOT", tmp_path)
    (tmp_path / "instances").mkdir()
    assert "```text\n…\n2\n```" in manual.updated(page)


def test_update_says_which_generated_page_it_renewed(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    page = ROOT / "docs/reference/format.md"
    text, written = page.read_text(encoding="utf-8"), list[str]()
    monkeypatch.setattr(reference, "pages", lambda: {page: f"{text}a new row\n"})
    monkeypatch.setattr(manual, "updated", lambda _: text)
    monkeypatch.setattr(Path, "write_text", lambda _, new, encoding: written.append(new))
    assert manual.main(["--update", str(page)]) == 0
    assert written == [f"{text}a new row\n"]
    assert capsys.readouterr().out == "renewed: docs/reference/format.md\n"
