"""Every command that takes a plan, with a plan of every kind and an instance that may be another: no internal error."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from optimizer.cli.app import app
from optimizer.errors import ExitCode

ROOT = Path(__file__).parents[2]
TINY, WAIT = str(ROOT / "instances" / "tiny.yaml"), str(ROOT / "examples" / "wait_or_commit.yaml")
SUPPORT = str(ROOT / "tests" / "cases" / "28_support_existing.yaml")
# Saved under another file's name, of one future and of several, without any plan, and written by hand.
SAVED = {
    "one": [TINY],
    "several": [WAIT],
    "future": [WAIT, "--future", "low"],
    "support": [SUPPORT],
    "none": [TINY, "--force", "plant=20@2027", "--budget", "0"],
}
WRITTEN = {"hand": "plan.yaml", "branches": "plan_in_branches.yaml"}
COMMANDS = (
    "survive FILE --plan PLAN",
    "evaluate FILE --plan PLAN --quick",
    "compare FILE --plan PLAN --quick",
    "attack FILE --plan PLAN",
    "stress PLAN --instance FILE --samples 4",
    "stress FILE --plan PLAN --samples 4",
    "report FILE --plan PLAN --quick -o PAGE",
    "report PLAN --instance FILE --quick -o PAGE",
    "report PLAN --quick -o BOOK",
    "plot PLAN survival -o PLOT",
    "plot PLAN years -o PLOT",
    "plot PLAN timeline --instance FILE -o PLOT",
    "show PLAN --all",
    "verify PLAN",
    "solve PLAN",
)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("plans")
    saved = {name: str(folder / f"{name}.json") for name in SAVED}
    for name, words in SAVED.items():
        run("solve", *words, "--output", saved[name])
        assert Path(saved[name]).is_file()
    return saved | {name: str(ROOT / "examples" / file) for name, file in WRITTEN.items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_combination_ends_in_an_internal_error(command: str, plans: dict[str, str], tmp_path: Path) -> None:
    files = {"PAGE": "page.html", "BOOK": "book.xlsx", "PLOT": "plot.svg"}
    known = {name: str(tmp_path / file) for name, file in files.items()}
    for kind, plan in plans.items():
        for file in (TINY, WAIT, SUPPORT) if "FILE" in command else (TINY,):
            futures = ([], ["--future", "low"]) if file == WAIT and "FILE" in command else ([],)
            for more in futures:
                words = [{**known, "FILE": file, "PLAN": plan}.get(word, word) for word in command.split()]
                done = run(*words, *more)
                assert done.exception is None or isinstance(done.exception, SystemExit), (kind, words, done.exception)
                assert done.exit_code != ExitCode.INTERNAL, (kind, words, done.stderr)
                if done.exit_code in (ExitCode.USAGE, ExitCode.BAD_INSTANCE):
                    assert done.stderr, (kind, words)
