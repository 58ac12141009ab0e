"""diversify stress: a saved plan against shocks that it was not built for."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, options, progress, sources, targets

if TYPE_CHECKING:
    from optimizer.studies.stress import Stress


@common.guarded
@options.shared
def stress(
    plan: options.PlanFile,
    changes: options.Changes,
    adversary: options.Adversary = False,
    time_limit: options.PlanTimeLimit = None,
    instance: Annotated[
        str | None, typer.Option(metavar="FILE|PLAN", help="Stress it in this instance instead of the plan's own.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=100_000, help="How many shocks are drawn.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=10**15, help="Seed of the draws.")] = 7,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that check shocks; all cores where there are many shocks.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Check shocks on this Dask cluster instead.")
    ] = None,
    every: options.Every = False,
    json: options.Json = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a row a sample to this file.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="The same as Parquet; needs pyarrow.")] = None,
) -> None:
    """Put a plan to fresh samples of the instance's ensembles, or of variations of its shocks.

    Exit codes: 0 every sample is survived; 1 internal error; 2 usage; 3 bad instance or plan; 4 some samples are not
    survived; 5 stopped by Ctrl-C, or the search for the plan was stopped.
    """
    targets.check_answer(csv, "--csv", plan, instance)
    targets.check_answer(parquet, "--parquet", plan, instance)
    _check(parquet)
    common.address(cluster)

    from optimizer.studies.stress import stress as put_to

    found = _planned(plan, instance, changes, time_limit, adversary=adversary)
    with progress.display(found.instance.money) as listener:
        try:
            stressed = put_to(
                found.result,
                found.instance,
                samples,
                seed,
                jobs=jobs,
                cluster=cluster,
                listener=listener,
                file=instance or plan,
            )
        except KeyboardInterrupt:
            common.complain("stopped before every sample was answered.", common.STOPPED)
    if json:
        import json as text

        typer.echo(text.dumps(stressed.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        from optimizer.report.stress import show_stress

        show_stress(stressed, every=every)
    _write(stressed, csv, parquet)
    if not found.is_saved and found.result.status == "stopped":
        raise typer.Exit(common.STOPPED)
    raise typer.Exit(common.SURVIVES if stressed.survives else common.NO_PLAN_SURVIVES)


def _planned(
    plan: str, instance: str | None, changes: options.Changes, time_limit: float | None, *, adversary: bool
) -> sources.Planned:
    """The plan, and the instance that it is put to: its own, or another one."""
    if sources.is_plan(plan):
        return sources.judged(instance or plan, plan, changes, time_limit, adversary=adversary)
    found = sources.planned(plan, changes, time_limit, adversary=adversary)
    if found.result.baseline is None:
        sources.no_plan(found, plan)
    if found.result.status != "survives":
        common.say(f"The plan's status is {found.result.status}: see `diversify solve`.")
    if instance is None:
        return found
    return replace(found, instance=sources.prepared(instance, options.Changes()).instance)


def _check(parquet: Path | None) -> None:
    if parquet is None:
        return

    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise typer.BadParameter(
            'pyarrow is not installed; install the extra: pip install "optimizer[parquet]", or write --csv.',
            param_hint="--parquet",
        )


def _write(found: "Stress", csv: Path | None, parquet: Path | None) -> None:
    from optimizer.report.stress import write_stress_csv, write_stress_parquet

    for path, write in ((csv, write_stress_csv), (parquet, write_stress_parquet)):
        if path is not None:
            with targets.writing(path):
                write(found, path)
            common.say(f"wrote {path}")
