"""diversify solve: from an instance file to the plan, printed, audited and proven."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from optimizer.cli import common, options, progress, sources, targets

if TYPE_CHECKING:
    from optimizer.results.result import Result


@common.guarded
@options.shared
def solve(
    file: options.InstanceFile,
    changes: options.Changes,
    adversary: options.Adversary = False,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds after which the best plan is taken.")] = None,
    gap: Annotated[float, typer.Option(min=0, max=1, help="Relative gap to which integers are proven.")] = 1e-4,
    solver: Annotated[str, typer.Option(help="highs, or cbc where the extra is installed.")] = "highs",
    strategy: Annotated[
        str,
        typer.Option(
            help="whole (every shock written out), scenarios (those that bind), cuts (sums over all), or auto."
        ),
    ] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the solver.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the solver's own choices.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that check shocks; all cores where there are many shocks.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Check shocks on this Dask cluster instead.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the search here, to go on after an interruption.")
    ] = None,
    every: options.Every = False,
    json: options.Json = False,
    csv: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write CSV tables into this folder.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the plan to this file.")] = None,
) -> None:
    """Find the cheapest plan that survives every shock, or the best there is.

    Exit codes: 0 survives and proven; 1 internal error; 2 usage; 3 bad instance; 4 no plan survives (the best one is
    printed); 5 stopped unproven.
    """
    from optimizer.solver.base import StrategyName

    if solver not in ("highs", "cbc"):
        raise typer.BadParameter("write highs or cbc.", param_hint="--solver")
    if strategy not in get_args(StrategyName):
        raise typer.BadParameter("write auto, whole, scenarios or cuts.", param_hint="--strategy")
    if adversary and (strategy != "auto" or checkpoint is not None):
        raise typer.BadParameter("leave out --strategy and --checkpoint: attacks are found in their own way.")
    common.address(cluster)
    targets.check_answer(output, "--output", file)
    targets.check_folder(csv, "--csv")
    targets.check_folder(checkpoint, "--checkpoint")

    import time

    from optimizer.solver import Settings

    began = time.perf_counter()
    made = sources.prepared(file, changes)
    load_seconds = time.perf_counter() - began

    if adversary:
        from optimizer.studies.withstand import withstand as find
    else:
        from optimizer.studies.solve import solve as find

    settings = Settings(
        solver="cbc" if solver == "cbc" else "highs",
        gap=gap,
        time_limit=time_limit,
        threads=threads,
        seed=seed,
        strategy=cast("StrategyName", strategy),
        jobs=jobs,
        cluster=cluster,
        checkpoint=str(checkpoint) if checkpoint else None,
    )
    with progress.display(made.instance.money) as listener:
        result = find(made.instance, None, settings, listener, made.remarks, load_seconds)
    try:
        if json:
            typer.echo(result.to_json(whole=False))
        else:
            from optimizer.report.whole import show

            show(result, every=every)
    finally:
        # Also where nothing can be printed.
        _write(common.commented(result, file), csv, output)
    raise typer.Exit(common.exit_code(result))


def _write(result: "Result", csv: Path | None, output: Path | None) -> None:
    if output is not None:
        targets.written(output, result.to_json() + "\n")
    if csv is not None:
        from optimizer.report.tables import write_csv

        with targets.writing(csv):
            paths = write_csv(result, csv)
        for path in paths:
            common.say(f"wrote {path}")
