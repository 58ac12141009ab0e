"""diversify explain: why this plan, or why none survives and what would."""

from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, options, progress, sources

if TYPE_CHECKING:
    from optimizer.studies.explain.explain import Explanation


@common.guarded
@options.shared
def explain(
    file: options.InstanceFile,
    changes: options.Changes,
    adversary: options.ListedAttacks = False,
    gap: options.Gap = 0.005,
    time_limit: Annotated[
        float | None, typer.Option(min=0, help="Seconds for everything; then what is known is printed.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes for what-ifs, or to check shocks; all cores where one takes its time."),
    ] = None,
    every: options.Every = False,
    json: options.Json = False,
) -> None:
    """Tell why the plan is as it is; where nothing survives, why, and what would mend it.

    The plan comes first, then one finding after the other. Exit codes: those of `solve`; 5 where the time ran out, or
    Ctrl-C was pressed, before every question was answered (what is known is printed).
    """
    made = sources.prepared(file, changes, lists_attacks=adversary)

    from optimizer.report.explain import Explaining
    from optimizer.solver import Settings
    from optimizer.studies.explain.explain import explain as ask

    shown = Explaining(made.instance, every=every)
    settings = Settings(gap=gap, time_limit=time_limit, jobs=jobs)
    with progress.display(made.instance.money, lists_tasks=True) as listener:
        heard = (lambda part: None) if json else listener.pausing(shown.show)
        found = ask(made.instance, None, settings, listener, heard, made.remarks)
    if json:
        import json as text

        typer.echo(text.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        shown.end(found)
    raise typer.Exit(_code(found))


def _code(found: "Explanation") -> int:
    return common.exit_code(found.result) if found.is_complete else common.STOPPED
