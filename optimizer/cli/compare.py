"""diversify compare: budgets, variants of one instance, or several files side by side."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from optimizer.cli import common, options, progress, sources, targets
from optimizer.cli.warned import warned

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.studies.comparison import Comparison

Budgets = Sequence[float | None] | Literal["auto"] | None
Shown = Callable[[str, "Comparison"], None]


@common.guarded
def compare(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE|PLAN…", help="Instance files (YAML, JSON, Excel), or those inside saved plans."),
    ],
    budgets: Annotated[
        str | None,
        typer.Option(
            metavar="LIST|auto",
            help="Such as 0,250M,1B,any; auto finds those at which the set of builds or of survived shocks changes. "
            "Left out: of one file parts of its least outlay, its own, and any; of several columns each its own.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="One more column: without an option, or all of a kind; with commas without several."),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One more column: a scenario of the file; with commas, several stacked."),
    ] = None,
    force: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION=SIZE@YEAR", help="One more column: with what has to be bought; with commas, with several."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The plans only; leave out the exact facts.")] = False,
    step: Annotated[
        str | None, typer.Option(help="What the next money is, such as 50M; fitted to the budgets if left out.")
    ] = None,
    resolution: Annotated[
        float, typer.Option(min=1e-4, max=0.5, help="How near auto finds a budget, as a share of the least outlay.")
    ] = 0.01,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the frontier into this .svg, .png or .pdf.")
    ] = None,
    gap: options.Gap = 0.02,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds after which a search ends.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Searches that run side by side; all cores where they are long.")
    ] = None,
    adversary: options.ListedAttacks = False,
    set_: options.Overrides = None,
    every: options.Every = False,
    json: options.Json = False,
) -> None:
    """Show budgets, variants or files side by side, and what the next money buys.

    Every --without, --scenario and --force adds a column beside the plain one, for each file; with several budgets as
    well there is a table for each of these columns. --set and --adversary change all of them. The exact facts follow:
    the least outlay that survives everything, what each shock takes alone, and what the next money buys at each budget.

    Exit codes: 0 some column survives every shock; 1 internal error; 2 usage; 3 bad instance; 4 none does; 5 something
    was stopped unproven (time limit or Ctrl-C; what is known is printed).
    """
    asked, more = _budgets(budgets), common.amount(step, "--step")
    if step is not None and not more:
        raise typer.BadParameter("write more than 0.", param_hint="--step")
    _check(plot)
    cases = _cases(files, set_ or [], without or (), scenario or (), force or (), lists_attacks=adversary)

    from optimizer.solver import Settings
    from optimizer.studies.compare import FACTS
    from optimizer.studies.compare import compare as find

    settings = Settings(gap=gap, time_limit=time_limit, jobs=jobs)
    with progress.display(next(iter(cases.values())).money, lists_tasks=True) as listener:
        try:
            found = find(
                cases,
                asked,
                facts=() if quick else FACTS,
                step=more,
                resolution=resolution,
                settings=settings,
                heard=(lambda part, known: None) if json else listener.pausing(partial(_shown, every=every)),
                listener=listener,
            )
        except KeyboardInterrupt:
            common.complain("stopped before everything was known.", common.STOPPED)
    if json:
        import json as text

        typer.echo(text.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    if plot is not None:
        _draw(found, plot)
    raise typer.Exit(_code(found))


def _code(found: "Comparison") -> int:
    if not found.is_proven or not found.columns:
        return common.STOPPED
    return common.SURVIVES if any(c.result.survives for c in found.columns) else common.NO_PLAN_SURVIVES


def _shown(part: str, known: "Comparison", *, every: bool) -> None:
    """Print a part as soon as it is known."""
    import sys

    from optimizer.report.compare import show_grid, show_part

    if part == "grid":
        show_grid(known)
    else:
        show_part(part, known, every=every)
    sys.stdout.flush()


def _budgets(text: str | None) -> Budgets:
    if text is None or text.strip() == "auto":
        return None if text is None else "auto"
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise typer.BadParameter("write budgets with commas between them, such as 0,250M,1B.", param_hint="--budgets")
    return [None if word == "any" else common.amount(word, "--budgets") for word in words]


def _check(plot: Path | None) -> None:
    from optimizer.report.compare_plot import FORMATS

    if plot is None:
        return
    if plot.suffix.lower().removeprefix(".") not in FORMATS:
        raise typer.BadParameter(f"{plot} is no .svg, .png or .pdf.", param_hint="--plot")
    targets.check_file(plot, "--plot")


def _cases(
    files: Sequence[str],
    overrides: list[str],
    without: Sequence[str],
    scenarios: Sequence[str],
    force: Sequence[str],
    *,
    lists_attacks: bool,
) -> dict[str, "Instance"]:
    """What is compared, by name: each file as it is, then its variants; what is wrong anywhere comes at once."""
    from optimizer.errors import Finding, InstanceError

    cases, origins = dict[str, "Instance"](), dict[str, str]()
    named, wrong, shown = set[str](), list[Finding](), set[Finding]()

    def add(file: str, variant: str, changes: options.Changes) -> None:
        name = _named(files, file, variant)
        if name in named:
            raise typer.BadParameter(f"{name} stands twice.")
        named.add(name)
        try:
            made = sources.examined(file, changes, lists_attacks=lists_attacks)
        except InstanceError as error:
            wrong.extend(error.findings)
            return
        new = tuple(each for each in made.warnings if each not in shown)
        shown.update(new)
        sources.announced(replace(made, warnings=new), name)
        cases[name], origins[name] = made.instance, file

    plain = options.Changes(set_=overrides)
    for text in force:
        options.forces(text.split(","))
    for file in files:
        sources.say_source(file)
        add(file, "", plain)
        for words in without:
            gone = [word.strip() for word in words.split(",")]
            add(file, f"without {', '.join(gone)}", replace(plain, without=gone))
        for names in scenarios:
            add(file, ", ".join(name.strip() for name in names.split(",")), replace(plain, scenario=[names]))
        for text in force:
            add(file, text.replace(",", ", "), replace(plain, force=text.split(",")))
    if wrong:
        # A fault of a file is one of each of its variants.
        raise InstanceError(list(dict.fromkeys(wrong)))
    from optimizer.studies.compare import of_one_currency

    of_one_currency(cases, origins)
    return cases


def _named(files: Sequence[str], file: str, variant: str) -> str:
    """A short name for a column: the variant; of several files the file's stem before it."""
    stems = [Path(each).stem for each in files]
    stem = Path(file).stem if stems.count(Path(file).stem) == 1 else file
    return (variant or "plain") if len(files) == 1 else f"{stem}, {variant}" if variant else stem


def _draw(found: "Comparison", path: Path) -> None:
    from optimizer.report.compare_plot import save_plot

    with targets.writing(path), warned():
        save_plot(found, path)
    common.say(f"wrote {path}")
