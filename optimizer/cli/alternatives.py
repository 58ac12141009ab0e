"""diversify alternatives: plans nearly as good as the cheapest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, options, progress, sources, targets

if TYPE_CHECKING:
    from optimizer.studies.alternatives import Alternatives


@common.guarded
@options.shared
def alternatives(
    file: options.InstanceFile,
    changes: options.Changes,
    adversary: options.ListedAttacks = False,
    within: Annotated[
        str,
        typer.Option(
            metavar="SHARE|AMOUNT",
            help="How much dearer than the cheapest plan: a share of the price of survival such as 10%, or 20M.",
        ),
    ] = "10%",
    plans: Annotated[int, typer.Option(min=0, max=12, help="How many plans beside the cheapest are printed.")] = 3,
    gap: options.Gap = 0.02,
    time_limit: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which it ends with what is known.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds for one end of a range; where they do not do, its bound is shown.")
    ] = 15.0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that check shocks; all cores where there are many shocks.")
    ] = None,
    json: options.Json = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Also write every plan into this folder.")
    ] = None,
) -> None:
    """Tell what every plan near the cheapest buys, what none does, and print a few that have little in common.

    Exit codes: 0; 1 internal error; 2 usage; 3 bad instance; 4 no plan survives (those with the least gap are looked
    at) or none exists; 5 stopped before everything was asked.
    """
    tolerance = _within(within)
    targets.check_folder(output, "--output")
    for name in _names(plans):
        if output is None:
            break
        targets.check_file(output / f"{name}.json", "--output", file)
    instance = sources.prepared(file, changes, lists_attacks=adversary).instance

    from optimizer.solver import Settings
    from optimizer.studies.alternatives import alternatives as find

    settings = Settings(gap=gap, time_limit=time_limit, jobs=jobs)
    with progress.display(instance.money) as listener:
        found = find(instance, tolerance, plans, None, settings, patience, listener)
    if json:
        import json as text

        typer.echo(text.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(found)
    if output is not None:
        _write(found, output)
    raise typer.Exit(_code(found))


def _within(text: str) -> str:
    """A tolerance such as ``2%``, ``0.02`` or ``20M``; refused as usage where it is none."""
    from optimizer.studies.measure import Within

    try:
        Within.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--within") from None
    return text


def _show(found: "Alternatives") -> None:
    if found.cheapest.baseline is None:
        from optimizer.report.whole import show

        show(found.cheapest)
        return
    from optimizer.report.alternatives import show_alternatives

    show_alternatives(found)


def _write(found: "Alternatives", folder: Path) -> None:
    for name, result in zip(
        _names(len(found.plans)), [found.cheapest, *(each.result for each in found.plans)], strict=True
    ):
        targets.written(folder / f"{name}.json", result.to_json() + "\n")


def _names(plans: int) -> list[str]:
    """What the files are called, without their ending."""
    return ["cheapest", *(f"alternative_{chr(ord('a') + i)}" for i in range(plans))]


def _code(found: "Alternatives") -> int:
    if found.status == "stopped":
        return common.STOPPED
    return common.exit_code(found.cheapest)
