"""diversify sensitivity: which uncertain numbers decide."""

from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, options, progress, sources

if TYPE_CHECKING:
    from optimizer.studies.sensitivity import Sensitivity


@common.guarded
@options.shared
def sensitivity(
    file: options.InstanceFile,
    changes: options.Changes,
    adversary: options.ListedAttacks = False,
    samples: Annotated[
        int, typer.Option(min=0, max=100_000, help="Samples of all numbers together, at least 60; 0 for none.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the samples.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out where the plan changes.")] = False,
    resolution: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="How near a change is found, a share of the way to the end.")
    ] = 0.01,
    gap: options.Gap = 0.02,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds after which a search ends.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Searches that run side by side; all cores where they are long.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Tell which of the numbers that have a range decide: cost, survival, and what is bought.

    Every number alone at both ends, then where between its value and the ends the plan changes; with --samples all of
    them together. Exit codes: 0; 1 internal error; 2 usage; 3 bad instance, or one without ranges; 4 no plan exists; 5
    something was stopped unproven (time limit or Ctrl-C; what is known is printed).
    """
    from optimizer.studies.importance import FEWEST

    if 0 < samples < FEWEST:
        raise typer.BadParameter(f"write at least {FEWEST}, or 0 for none.", param_hint="--samples")
    instance = sources.prepared(file, changes).instance
    if not instance.ranges:
        common.complain(
            f"{file} has no ranges: write some, such as `capex: {{value: 120k, low: 90k, high: 180k}}`, or "
            '`ranges: {"options.*.capex": {low: 0.8, high: 1.5, of: value}}`.',
            common.BAD_INSTANCE,
        )

    from optimizer.solver import Settings
    from optimizer.studies.sensitivity import sensitivity as find

    settings = Settings(gap=gap, time_limit=time_limit, jobs=jobs)
    with progress.display(instance.money) as listener:
        found = find(
            instance,
            samples,
            seed,
            flips=not quick,
            resolution=resolution,
            adversary=adversary,
            settings=settings,
            listener=listener,
        )
    if json:
        import json as text

        typer.echo(text.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        from optimizer.report.sensitivity import show_sensitivity

        show_sensitivity(found)
    raise typer.Exit(_code(found))


def _code(found: "Sensitivity") -> int:
    codes = {"proven": common.SURVIVES, "stopped": common.STOPPED, "none": common.NO_PLAN_SURVIVES}
    return codes[found.status]
