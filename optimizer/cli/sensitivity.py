"""diversify sensitivity: which uncertain numbers decide, and where a plan fails."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, inputs, options
from optimizer.errors import require_extra
from optimizer.files import saved_plan
from optimizer.tolerances import VALUE_RESOLUTIONS

if TYPE_CHECKING:
    from optimizer.studies.discovery_result import Discovery
    from optimizer.studies.sensitivity_result import Sensitivity

RESOLUTION = 0.01
# Number of samples of `--discover`.
DISCOVERY_SAMPLES = 1000


@dataclass(frozen=True)
class _Analysis:
    """Options of what is computed."""

    discover: Annotated[bool, options.search_option("--discover", help="Find where one fixed plan fails.")] = False
    samples: Annotated[int, options.limited_option("N", 0, 100_000, "Joint samples (0, or 1,000).")] = 0
    seed: Annotated[int, options.limited_option("N", 0, 2**32 - 1, "Seed of the samples (7).")] = 7
    quick: Annotated[bool, options.search_option("--quick", help="Leave out switching values.")] = False
    resolution: Annotated[
        float, options.limited_option("SHARE", *VALUE_RESOLUTIONS, "How near switching values are found (0.01).")
    ] = RESOLUTION
    store: Annotated[
        bool, options.search_option("--store", help="Keep the band of the samples beside FILE, for solve.")
    ] = False


def command(
    file: options.InstanceFile,
    changes: options.Changes,
    accuracy: options.Accuracy,
    analysis: _Analysis,
    adversary: options.ListedAttacks = False,
    plan: options.OtherPlan = None,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    json: options.Json = False,
    csv: Annotated[
        Path | None, options.answer_option(metavar="FILE", help="Write a row for each sample to discover.")
    ] = None,
) -> None:
    """Which uncertain numbers decide cost and survival?

    Every number that has a range is moved to both ends.

    Example: diversify sensitivity instances/us-magnets.yaml --discover
    Manual:  docs/how-to/sensitivity.md
    """
    _check_samples(analysis)
    of_discovery = {"--plan": plan is not None, "--csv": csv is not None}
    _check_use(analysis, of_discovery, has_accuracy=accuracy != options.Accuracy())
    if analysis.discover:
        common.check_answer(csv, "--csv", file, plan)
        judged = _read_plan(file, plan, changes, time_limit, adversary=adversary, json=json)
        found = _discover(judged, analysis, jobs, file, adversary=adversary)
        from optimizer.report.tables.discovery import discovery_tables

        common.print_answer(found, discovery_tables, json=json)
        if csv is not None:
            common.write_table(csv, found.frames.frame("samples"))
        is_unproven = judged.interrupted or (not judged.is_saved and judged.result.status == "stopped")
        common.end(survives=True, is_stopped=is_unproven or found.status == "stopped")
    made = inputs.read_instance(file, changes)
    from optimizer.solver import Settings
    from optimizer.studies.sensitivity import sensitivity

    settings = Settings(accuracy=accuracy.share_of_price, time_limit=time_limit, jobs=jobs)
    with common.display(made.instance.money) as listener:
        moved = sensitivity(
            made.instance,
            analysis.samples,
            seed=analysis.seed,
            flips=not analysis.quick,
            resolution=analysis.resolution,
            adversary=adversary,
            settings=settings,
            listener=listener,
            notes=made.remarks,
        )
    if analysis.store:
        _store_bands(moved, file)
    from optimizer.report.tables.sensitivity import sensitivity_parts

    common.print_answer(moved, sensitivity_parts, json=json)
    common.end(survives=moved.status != "none", is_stopped=moved.status == "stopped")


def _check_samples(analysis: _Analysis) -> None:
    """Refuse, as a usage error, too few samples and `--store` without samples; check that the extra is installed."""
    from optimizer.studies.discovery import check_samples

    check_samples(analysis.samples, 0, may_be_none=True)
    if analysis.store and (analysis.discover or not analysis.samples):
        raise typer.BadParameter("it goes with --samples, and not with --discover.", param_hint="--store")
    for flag, is_given in (("--discover", analysis.discover), ("--samples", analysis.samples > 0)):
        if is_given:
            require_extra("sensitivity", flag)


def _store_bands(moved: "Sensitivity", file: str) -> None:
    """Write the band of the samples beside the file, and print its name to stderr."""
    from optimizer.instance.ranges import numbers_of
    from optimizer.results.saved import bands_path, store_bands

    if moved.sampled is None:
        why = "the search was stopped" if moved.status == "stopped" else "too few samples have a plan"
        common.print_message(f"no band is kept beside {file}: {why}.")
    else:
        bands = moved.sampled.bands(len(numbers_of(moved.instance.uncertain)))
        with common.writing(bands_path(file)):
            path = store_bands(file, moved.instance.to_dict(), bands)
        common.print_message(f"wrote {path}")


def _check_use(analysis: _Analysis, of_discovery: Mapping[str, bool], *, has_accuracy: bool) -> None:
    """Refuse, as a usage error, options of `--discover` without it, and with it the options of other analyses."""
    of_others = {
        "--quick": analysis.quick,
        "--resolution": analysis.resolution != RESOLUTION,
        "--accuracy": has_accuracy,
    }
    for flag, is_given in (of_others if analysis.discover else of_discovery).items():
        if is_given:
            what = "it does not go with --discover: leave out one of them."
            what = what if analysis.discover else "it goes with --discover only: add --discover, or leave it out."
            raise typer.BadParameter(what, param_hint=flag)


def _read_plan(
    file: str, plan: str | None, changes: options.Changes, time_limit: float | None, *, adversary: bool, json: bool
) -> inputs.PlanInput:
    """Return the plan to examine and its instance; an instance to be solved is checked first."""
    from optimizer.studies.discovery import check_subject

    if plan is not None or saved_plan(file):
        return inputs.read_judged_plan(file, plan, changes, options.PlanSearch(time_limit=time_limit))
    made = inputs.read_instance(file, changes)
    check_subject(made.instance, file, lists_attacks=adversary)
    judged = inputs.solve_first(made, file, options.PlanSearch(adversary=adversary, time_limit=time_limit))
    inputs.check_plan(judged, file, json=json)
    common.print_status(judged.result)
    return judged


def _discover(
    judged: inputs.PlanInput, analysis: _Analysis, jobs: int | None, file: str, *, adversary: bool
) -> "Discovery":
    from optimizer.studies.discovery import discover

    with common.display(judged.instance.money) as listener:
        return discover(
            judged.result,
            judged.instance,
            samples=analysis.samples or DISCOVERY_SAMPLES,
            seed=analysis.seed,
            adversary=adversary,
            jobs=jobs,
            listener=listener,
            file=file,
        )
