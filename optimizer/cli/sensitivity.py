"""diversify sensitivity: which uncertain numbers decide."""

from typing import Annotated

import typer

from optimizer.cli import common, inputs, options, progress
from optimizer.errors import ExitCode
from optimizer.extras import require_extra


def command(
    file: options.InstanceFile,
    changes: options.Changes,
    accuracy: options.Accuracy,
    adversary: options.ListedAttacks = False,
    samples: Annotated[
        int,
        options.search_option(
            metavar="N", min=0, max=100_000, help="Joint samples, 60 or more (0).", show_default=False
        ),
    ] = 0,
    seed: Annotated[
        int,
        options.search_option(metavar="N", min=0, max=2**32 - 1, help="Seed of the samples (7).", show_default=False),
    ] = 7,
    quick: Annotated[bool, options.search_option("--quick", help="Leave out where the plan changes.")] = False,
    resolution: Annotated[
        float,
        options.search_option(
            metavar="SHARE", min=1e-6, max=0.5, help="Locate changes so exactly (0.01).", show_default=False
        ),
    ] = 0.01,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    json: options.Json = False,
) -> None:
    """Which uncertain numbers decide cost and survival?

    Every number that has a range is moved to both ends.

    Example: diversify sensitivity FILE --set "ranges.policy.budget={low: 1B, high: 2B}"
    Manual:  docs/how-to/sensitivity.md
    """
    from optimizer.studies.importance import FEWEST

    if 0 < samples < FEWEST:
        raise typer.BadParameter(f"write at least {FEWEST}, or 0 for none.", param_hint="--samples")
    if samples:
        require_extra("sensitivity", "--samples")
    instance = inputs.read_instance(file, changes).instance
    if not instance.ranges:
        common.fail(
            f"{file} has no ranges: write some, such as `capex: {{value: 120k, low: 90k, high: 180k}}`, or "
            '`ranges: {"options.*.capex": {low: 0.8, high: 1.5, of: value}}`.',
            ExitCode.BAD_INSTANCE,
        )

    from optimizer.solver import Settings
    from optimizer.studies.sensitivity import sensitivity

    settings = Settings(gap=accuracy.share, time_limit=time_limit, jobs=jobs)
    with progress.display(instance.money) as listener:
        found = sensitivity(
            instance,
            samples,
            seed=seed,
            flips=not quick,
            resolution=resolution,
            adversary=adversary,
            settings=settings,
            listener=listener,
        )
    if json:
        common.print_json(found.to_dict())
    else:
        from optimizer.report.tables.sensitivity import show_sensitivity

        show_sensitivity(found)
    common.end(survives=found.status != "none", is_stopped=found.status == "stopped")
