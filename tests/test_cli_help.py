"""`--help`: one screen for each command, options in groups, an example and the page of the manual."""

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from optimizer.cli import common, inputs, options
from optimizer.cli.app import COMMANDS, app
from optimizer.errors import ExitCode

ROOT = Path(__file__).parent.parent
SUMMARIES = {name: summary for panel in COMMANDS.values() for name, summary in panel.items()}
PANELS = {"Arguments", "Changes to the instance", "Columns, each beside the plain one", "Search", "Figure", "Answer"}


def shown(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_manual_lists_the_exit_codes() -> None:
    section = (ROOT / "docs/how-to/change.md").read_text(encoding="utf-8").partition("## Exit codes\n\n")[2]
    rows = [f"| {code} | {code.meaning}: {code.details} |" for code in ExitCode]
    assert section.partition("\n\n")[0].splitlines() == ["| code | meaning |", "|---|---|", *rows]


def test_the_list_of_commands_fits_one_screen() -> None:
    text = shown()
    assert len(text.splitlines()) <= 45, "raise this limit by a line for each further command"
    for name, summary in SUMMARIES.items():
        assert f"│ {name}" in text
        assert summary in text


@pytest.mark.parametrize("name", SUMMARIES)
def test_help_fits_one_screen_and_has_its_parts(name: str) -> None:
    text = shown(name)
    assert len(text.splitlines()) <= 43, "the help of a command is longer than a screen: shorten texts of options"
    assert set(re.findall(r"^╭─ (.*?) ─+╮$", text, re.MULTILINE)) <= PANELS
    assert "<bool>" not in text
    assert "…}..." not in text
    assert f"Example: diversify {name} " in text
    (page,) = re.findall(r"Manual: +(\S+)", text)
    assert page.startswith("docs/")
    assert page.endswith(".md")


@pytest.mark.parametrize("words", [(), ("solve",)])
def test_h_is_short_for_help(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, [*words, "-h"], env={"COLUMNS": "80"}).stdout == shown(*words)


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_summary_is_the_first_line_of_the_command(name: str) -> None:
    command = import_module(f"optimizer.cli.{name}").command
    assert (inspect.getdoc(command) or "").splitlines()[0] == SUMMARIES[name]


def test_each_command_is_imported_only_when_it_is_called() -> None:
    code = (
        "import sys; from optimizer.cli.app import app, COMMANDS\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "names = {f'optimizer.cli.{name}' for panel in COMMANDS.values() for name in panel}\n"
        "sys.exit(f'imports {names & set(sys.modules)}' if names & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_list_of_commands_imports_little() -> None:
    """Neither what commands compute with, nor what Typer prints with."""
    code = (
        "import sys; from optimizer.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pydantic', 'yaml', 'markdown_it', 'pygments', 'rich.console'} & set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_command_takes_one_future_and_expected_cost_unless_it_is_marked() -> None:
    parted, judged = str(ROOT / "examples" / "wait_or_commit.yaml"), str(ROOT / "instances" / "tiny.yaml")
    changes = options.Changes(set_=["policy.objective={cvar: 0.9}", "shocks.embargo.probability=0.2"])
    read = {}

    def command(name: str) -> None:
        read["measure"] = inputs.read_instance(judged, changes).instance.policy.objective.kind
        read[name] = inputs.read_instance(parted, options.Changes()).instance

    with pytest.raises(typer.BadParameter, match="this command takes one"):
        common.guarded(command)("plain")
    assert read == {"measure": "expected"}
    common.guarded(options.spread_groups(common.understands("futures", "measures")(command)))(name="marked")
    assert read["measure"] == "cvar"
    assert read["marked"].futures


@pytest.mark.parametrize(
    ("command", "option"),
    [("solve", "--mip-gap"), *((name, "--accuracy") for name in ("compare", "explain", "attack", "alternatives"))],
)
def test_gap_is_a_hidden_name_of_what_it_was(command: str, option: str) -> None:
    text = shown(command)
    assert option in text
    assert "--gap" not in text
    tiny = str(ROOT / "instances" / "tiny.yaml")
    for name in (option, "--gap"):
        assert CliRunner().invoke(app, [command, tiny, name, "2"]).exit_code == 2
    # A name like both is answered with the one that help shows.
    answer = CliRunner().invoke(app, [command, tiny, "--mip-gaps", "2"])
    assert (answer.exit_code, f"(Possible options: {option})" in answer.stderr) == (2, True)
