"""Where a command may write: refused before anything is searched for, whole or not at all, never what it reads."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import optimizer as so
from optimizer.cli.app import app
from optimizer.files import write_whole

TINY = Path(__file__).parent.parent / "instances" / "tiny.yaml"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    assert CliRunner().invoke(app, ["solve", str(TINY), "--output", str(path)]).exit_code == 0
    return str(path)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})


def refused(done: Result, said: str) -> None:
    """Usage, with nothing on stdout: nothing was searched for."""
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert said in " ".join(done.stderr.replace("│", " ").split())


def commands(plan: str, target: Path) -> list[tuple[str | Path, ...]]:
    """Every command that writes a file, to be written to a target."""
    return [
        ("solve", TINY, "-o", target),
        ("attack", TINY, "-o", target),
        ("compare", TINY, "--plot", target.with_suffix(".svg")),
        ("report", plan, "-o", target.with_suffix(".html")),
        ("plot", plan, "timeline", "-o", target.with_suffix(".svg")),
        ("survive", TINY, "--plan", plan, "--csv", target),
        ("stress", plan, "--csv", target),
        ("export", TINY, "-o", target.with_suffix(".mps")),
        ("convert", TINY, target.with_suffix(".json")),
        ("schema", "-o", target),
    ]


def test_a_file_is_no_folder_whatever_the_command(plan: str, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    for words in commands(plan, blocked / "below" / "it"):
        refused(run(*words), f"{blocked} is not a folder")
    for words in (("solve", TINY, "--csv"), ("solve", TINY, "--checkpoint"), ("alternatives", TINY, "-o"), ("init",)):
        refused(run(*words, blocked), f"{blocked} is not a folder")
    assert blocked.read_text() == "mine"


def test_a_folder_is_no_file_whatever_the_command(plan: str, tmp_path: Path) -> None:
    for words in commands(plan, tmp_path / "it"):
        target = Path(words[-1])
        target.mkdir(exist_ok=True)
        refused(run(*words), "is a folder; name a file" if words[0] != "convert" else "is there")


def test_what_is_neither_file_nor_folder_is_left_alone() -> None:
    refused(run("solve", TINY, "-o", "/dev/null"), "is not a file that can be written")
    assert not Path("/dev/null").is_file()


def test_a_command_never_writes_over_what_it_reads(plan: str, tmp_path: Path) -> None:
    mine, saved = tmp_path / "mine.yaml", tmp_path / "saved.json"
    shutil.copy(TINY, mine)
    shutil.copy(plan, saved)
    said = "is read by this command; name another file"
    refused(run("solve", mine, "-o", mine), said)
    refused(run("solve", mine, "-o", tmp_path / "x" / ".." / "mine.yaml"), said)
    refused(run("survive", mine, "--plan", saved, "--csv", mine), said)
    refused(run("survive", mine, "--plan", saved, "--csv", saved), said)
    refused(run("stress", saved, "--csv", saved), said)
    refused(run("stress", saved, "--instance", mine, "--parquet", mine), said)
    assert mine.read_text() == TINY.read_text()
    assert saved.read_text() == Path(plan).read_text()


@pytest.mark.parametrize("name", ["other.yaml", "other.YML", "other.xlsx"])
def test_an_answer_never_takes_the_place_of_an_instance(name: str, plan: str, tmp_path: Path) -> None:
    # One that is there, or one that would be taken for it later.
    other = tmp_path / name
    for words in (("solve", TINY, "-o"), ("attack", TINY, "-o"), ("schema", "-o")):
        refused(run(*words, other), f"{name} would be taken for an instance; write a name that ends in .json")
    for words in (("survive", TINY, "--plan", plan, "--csv"), ("stress", plan, "--csv"), ("stress", plan, "--parquet")):
        said = f"would be taken for an instance; write a name that ends in .{words[-1].removeprefix('--')}"
        refused(run(*words, other), said)
    assert not other.exists()


@pytest.mark.parametrize(
    ("words", "name", "form"),
    [
        (("survive", TINY, "--csv"), "x.parquet", ".csv"),
        (("stress", TINY, "--csv"), "x.JSON", ".csv"),
        (("stress", TINY, "--parquet"), "s.csv", ".parquet"),
        (("solve", TINY, "--output"), "builds.csv", ".json"),
    ],
)
def test_a_name_says_what_a_file_holds(words: tuple[str | Path, ...], name: str, form: str, tmp_path: Path) -> None:
    said = f"{name} would not hold what its name says; write a name that ends in {form}"
    refused(run(*words, tmp_path / name), said)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("solve", TINY, "--csv"), "t.csv"),
        (("share", TINY, "--csv"), "t.json"),
        (("alternatives", TINY, "--output"), "alt.json"),
        (("init",), "mine.yaml"),
        (("schema", "--output"), "a.json/b"),
    ],
)
def test_no_new_folder_is_named_like_a_file(words: tuple[str | Path, ...], name: str, tmp_path: Path) -> None:
    meant = (tmp_path / name.split("/")[0]).with_suffix("")
    refused(
        run(*words, tmp_path / name), f"is named like a file, and a folder is meant; write its name, such as {meant}"
    )
    assert not any(tmp_path.iterdir())


def test_a_folder_that_is_there_may_be_named_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    assert run("solve", TINY, "--csv", tmp_path / "t.csv").exit_code == 0
    assert (tmp_path / "t.csv" / "builds.csv").is_file()


def test_plans_beside_the_cheapest_are_not_written_over_the_instance(tmp_path: Path) -> None:
    mine = tmp_path / "alternative_a.json"
    mine.write_text(json.dumps(so.load(TINY).to_dict()))
    before = mine.read_text()
    refused(run("alternatives", mine, "-o", tmp_path), "is read by this command; name another file")
    assert mine.read_text() == before


def test_folders_that_are_missing_are_made(plan: str, tmp_path: Path) -> None:
    for words in commands(plan, tmp_path / "new" / "it"):
        if words[0] in ("export", "convert", "schema", "plot", "survive"):
            done = run(*words[:-1], tmp_path / str(words[0]) / Path(words[-1]).name)
            assert done.exit_code == 0, done.output
            assert (tmp_path / str(words[0]) / Path(words[-1]).name).is_file()


def test_a_failed_write_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as error:
        write_whole(tmp_path, "text")
    assert error.value.filename == str(tmp_path)


def test_a_link_goes_on_pointing_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "new"


def test_an_exported_model_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "there.mps").write_text("old")
    (tmp_path / "link.mps").symlink_to(tmp_path / "there.mps")
    assert run("export", TINY, "-o", tmp_path / "link.mps").exit_code == 0
    assert (tmp_path / "link.mps").is_symlink()
    assert "plant.size.2026" in (tmp_path / "there.mps").read_text()
