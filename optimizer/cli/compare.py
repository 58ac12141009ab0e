"""diversify compare: budgets, variants of one instance, or several files side by side."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from optimizer import arguments
from optimizer.cli import common, inputs, options
from optimizer.errors import PLOT_FORMS, ExitCode, Finding, InstanceError
from optimizer.tolerances import BUDGET_RESOLUTIONS

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.studies.comparison import Comparison

Budgets = Sequence[float | None] | Literal["auto"] | None
_BUDGET = re.compile(r"\d[\d.]*[kMB]?|any", re.IGNORECASE)
_columns_option = partial(typer.Option, rich_help_panel="Columns, each beside the plain one")


@dataclass(frozen=True)
class Variants:
    """The columns: variants and plans beside the plain one, a list each (commas combine changes), and budgets."""

    without: Annotated[
        list[str] | None, _columns_option(metavar="NAME,…", help="Without options or kinds; repeat.")
    ] = None
    scenario: Annotated[
        list[str] | None, _columns_option(metavar="NAME,…", help="Under scenarios of the file; repeat.")
    ] = None
    force: Annotated[
        list[str] | None, _columns_option(metavar="OPTION=SIZE@YEAR,…", help="With what has to be bought.")
    ] = None
    plan: Annotated[
        list[str] | None, _columns_option("--plan", metavar="PLAN", help="A plan that is given; repeat.")
    ] = None
    budgets: Annotated[str | None, _columns_option(metavar="LIST|auto", help="Such as 0,250M,1B,any.")] = None


def command(
    files: options.InstanceFiles,
    variants: Variants,
    accuracy: options.Accuracy,
    set_: options.Overrides = None,
    future: options.OneFuture = None,
    adversary: options.ListedAttacks = False,
    quick: options.Quick = False,
    step: Annotated[str | None, options.search_option(metavar="AMOUNT", help="Size of the next budget step.")] = None,
    resolution: Annotated[
        float, options.limited_option("SHARE", *BUDGET_RESOLUTIONS, "How near auto finds budgets (0.01).")
    ] = 0.01,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    plot: Annotated[
        Path | None, options.answer_option(metavar="FILE", help="Draw the frontier (.svg, .png, .pdf).")
    ] = None,
    every: options.Every = False,
    json: options.Json = False,
) -> None:
    """What does the next dollar buy?

    Budgets, variants or files side by side, and the least outlay that survives.

    Example: diversify compare instances/tiny.yaml --budgets 0,5M,10M,15M
    Manual:  docs/how-to/compare.md
    """
    amounts, more = _parse_money(files, variants.budgets, step, is_quick=quick)
    _check_plot(plot)
    reader = _read_cases(files, options.Changes(set_=set_, future=future), variants, lists_attacks=adversary)
    common.show_findings(inputs.budget_warnings(next(iter(reader.cases.values())), amounts, "--budgets"))
    cases, plans = reader.cases, inputs.plans_of_future(variants.plan, future, reader.changes)

    from optimizer.solver import Settings
    from optimizer.studies.compare import FACTS, compare

    with common.display(next(iter(cases.values())).money, lists_tasks=True) as listener:
        try:
            found = compare(
                cases,
                amounts,
                plans=plans,
                facts=() if quick else FACTS,
                step=more,
                resolution=resolution,
                settings=Settings(accuracy=accuracy.share_of_price, time_limit=time_limit, jobs=jobs),
                on_part=(lambda part, known: None) if json else listener.pausing(partial(_show_part, every=every)),
                listener=listener,
                notes=reader.notes,
            )
        except KeyboardInterrupt:
            common.fail("stopped before everything was known.", ExitCode.STOPPED)
    if json:
        common.print_json(found.to_dict())
    if plot is not None:
        from optimizer.report.html.sections import draw_study_plot

        common.write_plot(plot, partial(draw_study_plot, found))
    survives = any(column.result.survives for column in found.columns)
    common.end(survives=survives, is_stopped=not found.is_proven or not found.columns)


def _check_plot(plot: Path | None) -> None:
    if plot is not None:
        common.check_file(arguments.file_path("plot", plot, PLOT_FORMS), "--plot")


def _show_part(part: str, known: "Comparison", *, every: bool) -> None:
    """Print a part as soon as it is known."""
    import sys

    from optimizer.report.tables.compare import grid_parts, later_parts
    from optimizer.report.tables.render import show

    if part == "grid":
        show(grid_parts, known, apart=False)
    else:
        show(later_parts, known, apart=False, part=part, every=every)
    sys.stdout.flush()


def _parse_budgets(text: str | None, files: Sequence[str]) -> Budgets:
    if text is None or text.strip() == "auto":
        return None if text is None else "auto"
    _refuse_spaced_budgets(text, files)
    words = [word.strip() for word in text.split(",")]
    if not all(words) or "auto" in words:
        what = "write budgets with commas between them, such as 0,250M,1B, or auto alone."
        raise typer.BadParameter(what, param_hint="--budgets")
    return common.parse_budgets(words)


def _refuse_spaced_budgets(text: str, files: Sequence[str]) -> None:
    """Refuse budgets that a space separates from the first one, so that they stand among the files."""
    others = [file for file in files if _BUDGET.fullmatch(file.strip(",")) and not Path(file).exists()]
    if others:
        listed = ",".join(word.strip(",") for word in (text, *others))
        what = f"write budgets with commas and no spaces between them: --budgets {listed}."
        raise typer.BadParameter(what, param_hint="--budgets")


def _parse_money(
    files: Sequence[str], budgets: str | None, step: str | None, *, is_quick: bool
) -> tuple[Budgets, float | None]:
    amounts, more = _parse_budgets(budgets, files), common.parse_amount_option(step, "--step")
    if step is not None and not more:
        raise typer.BadParameter("write more than 0.", param_hint="--step")
    if step is not None and (is_quick or amounts == "auto"):
        why = "--quick leaves out what one more step achieves" if is_quick else "--budgets auto finds the steps itself"
        raise typer.BadParameter(f"{why}: leave out one of the two.", param_hint="--step")
    return amounts, more


def _read_cases(
    files: Sequence[str], changed: options.Changes, variants: Variants, *, lists_attacks: bool
) -> "_CaseReader":
    """Read each file as it is, then its variants; raise the errors of all of them together."""
    from optimizer.studies.compare import require_one_currency

    for text in variants.force or ():
        options.parse_forces([text])
    reader = _CaseReader(files, lists_attacks=lists_attacks)
    for file in files:
        inputs.print_source(file)
        for variant, changes in _columns(changed, variants):
            reader.add(file, variant, changes)
    if reader.wrong:
        # An error in a file is one in every variant of it; it is printed once.
        raise InstanceError(list(dict.fromkeys(reader.wrong)))
    require_one_currency(reader.cases, reader.origins)
    return reader


def _columns(plain: options.Changes, variants: Variants) -> Iterator[tuple[str, options.Changes]]:
    """Yield every column of a file: its name, empty for the plain one, and its changes."""
    yield "", plain
    for words in variants.without or ():
        gone = [word.strip() for word in words.split(",")]
        yield f"without {', '.join(gone)}", replace(plain, without=gone)
    for names in variants.scenario or ():
        yield ", ".join(name.strip() for name in names.split(",")), replace(plain, scenario=[names])
    for text in variants.force or ():
        yield text.replace(",", ", "), replace(plain, force=[text])


@dataclass
class _CaseReader:
    """Reader of cases that collects the findings of all of them, and prints each finding once."""

    files: Sequence[str]
    lists_attacks: bool = field(kw_only=True)
    cases: dict[str, "Instance"] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    changes: dict[str, tuple[str, options.Changes]] = field(default_factory=dict)  # file and changes, by case
    wrong: list[Finding] = field(default_factory=list)
    remarks: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by case
    _names: set[str] = field(default_factory=set)
    _shown: set[Finding] = field(default_factory=set)

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks on all cases, with the name of the case if there are several."""
        several = len(self.cases) > 1
        return tuple(f"{name}: {note}" if several else note for name, said in self.remarks.items() for note in said)

    def add(self, file: str, variant: str, changes: options.Changes) -> None:
        """Read a file with changes as a case; collect its errors and print its new warnings."""
        name = self._column_name(file, variant)
        if name in self._names:
            raise typer.BadParameter(f"{name} is given twice.")
        self._names.add(name)
        try:
            made = inputs.change_instance(file, changes, lists_attacks=self.lists_attacks)
        except InstanceError as error:
            self.wrong.extend(error.findings)
            return
        new = tuple(each for each in made.warnings if each not in self._shown)
        self._shown.update(new)
        inputs.announce(replace(made, warnings=new), name)
        self.remarks[name] = made.remarks
        self.cases[name], self.origins[name], self.changes[name] = made.instance, file, (file, changes)

    def _column_name(self, file: str, variant: str) -> str:
        """Return a short name for a column: the variant, after the stem of its file if there are several files."""
        if len(self.files) == 1:
            return variant or "plain"
        stems = [Path(each).stem for each in self.files]
        stem = Path(file).stem if stems.count(Path(file).stem) == 1 else file
        return f"{stem}, {variant}" if variant else stem
