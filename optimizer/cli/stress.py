"""diversify stress: a saved plan against shocks that it was not built for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, inputs, options
from optimizer.errors import ExitCode, require_extra
from optimizer.files import saved_plan

if TYPE_CHECKING:
    from optimizer.studies.stress_result import Stress


def command(
    plan: options.PlanFile,
    changes: options.Changes,
    search: options.PlanSearch,
    instance: Annotated[
        str | None, options.changes_option(metavar="FILE|PLAN", help="Another instance; changes are to it.")
    ] = None,
    other: options.OtherPlan = None,
    samples: Annotated[int, options.limited_option("N", 1, 100_000, "Number of shocks (10,000).")] = 10_000,
    seed: Annotated[int, options.limited_option("N", 0, 10**15, "Seed of the samples (7).")] = 7,
    jobs: options.Jobs = None,
    cluster: options.Cluster = None,
    every: Annotated[bool, options.answer_option("--all", help="List the ten worst samples.")] = False,
    json: options.Json = False,
    csv: Annotated[
        Path | None, options.answer_option(metavar="FILE", help="Write a row for each sample to this file.")
    ] = None,
    parquet: Annotated[Path | None, options.answer_option(metavar="FILE", help="The same as Parquet.")] = None,
) -> None:
    """Does a plan survive sampled shocks it was not made for?

    Shocks come from the instance's ensembles, or are variations of those listed.

    Example: diversify stress instances/tiny.yaml --samples 200
    Manual:  docs/how-to/stress.md
    """
    common.check_answer(csv, "--csv", plan, instance, other)
    common.check_answer(parquet, "--parquet", plan, instance, other)
    if instance is not None:
        _check_instances(plan, instance, changes.given, has_other_plan=other is not None)
    if parquet is not None:
        require_extra("parquet", "--parquet")
    from optimizer.solver import Settings
    from optimizer.studies.stress import stress

    # Refuse an invalid address before the search for a plan.
    Settings(cluster=cluster)

    found = _read(plan, instance, other, changes, search, json=json)
    with common.display(found.instance.money) as listener:
        try:
            stressed = stress(
                found.result,
                found.instance,
                samples=samples,
                seed=seed,
                jobs=jobs,
                cluster=cluster,
                listener=listener,
                file=instance or plan,
            )
        except KeyboardInterrupt:
            common.fail("stopped before every sample was evaluated.", ExitCode.STOPPED)
    from optimizer.report.tables.stress import stress_parts

    common.print_answer(stressed, stress_parts, json=json, every=every)
    _write(stressed, csv, parquet)
    is_stopped = not found.is_saved and found.result.status == "stopped"
    common.end(survives=stressed.survives, is_stopped=is_stopped)


def _check_instances(file: str, instance: str, changes: Sequence[str], *, has_other_plan: bool) -> None:
    """Refuse, as a usage error, a second instance beside another plan, and changes that may be meant for either."""
    if has_other_plan:
        raise typer.BadParameter("with --plan, PLAN|FILE is the instance: leave out --instance.")
    if changes and not saved_plan(file):
        what = f"{', '.join(changes)}: {file} is solved and {instance} sampled, and either may be meant"
        cure = f"write `diversify solve {file} --output PLAN` first, and stress PLAN with --instance"
        raise typer.BadParameter(f"{what}; {cure}: each of the two takes changes of its own.")


def _read(
    plan: str,
    instance: str | None,
    other: str | None,
    changes: options.Changes,
    search: options.PlanSearch,
    *,
    json: bool,
) -> inputs.PlanInput:
    """Return the plan, which may be an `other` one, and the instance to sample, its own or another one."""
    if other is not None:
        return inputs.read_judged_plan(plan, other, changes, search)
    if saved_plan(plan):
        return inputs.read_judged_plan(instance or plan, plan, changes, search)
    found = inputs.find_plan(plan, changes, search)
    inputs.check_plan(found, plan, json=json)
    common.print_status(found.result)
    if instance is None:
        return found
    return replace(found, instance=inputs.read_instance(instance, options.Changes()).instance)


def _write(found: "Stress", csv: Path | None, parquet: Path | None) -> None:
    if csv is not None:
        common.write_table(csv, found.frames.frame("samples"))
    if parquet is not None:
        from optimizer.report.tables.stress import stress_parquet

        common.write_answer(parquet, stress_parquet(found))
