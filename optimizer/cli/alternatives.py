"""diversify alternatives: plans nearly as good as the cheapest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from optimizer.cli import common, inputs, options

if TYPE_CHECKING:
    from optimizer.studies.alternatives_result import Alternatives


def command(
    file: options.InstanceFile,
    changes: options.Changes,
    accuracy: options.Accuracy,
    adversary: options.ListedAttacks = False,
    within: Annotated[
        str,
        options.search_option(
            metavar="SHARE|AMOUNT",
            help="More than the least cost: a share of the price of survival, or money (10%).",
            show_default=False,
        ),
    ] = "10%",
    plans: Annotated[int, options.limited_option("N", 0, 12, "Plans beside the cheapest (3).")] = 3,
    patience: Annotated[float, options.limited_option("SECONDS", 0, None, "For one end of a range (15).")] = 15.0,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    json: options.Json = False,
    output: Annotated[
        Path | None, options.answer_option("--output", "-o", metavar="DIR", help="Write every plan into this folder.")
    ] = None,
) -> None:
    """What do all plans near the least cost have in common?

    Example: diversify alternatives instances/tiny.yaml --within 16%
    Manual:  docs/how-to/alternatives.md
    """
    from optimizer.studies.cost_tolerance import CostTolerance

    tolerance = CostTolerance.parse(within)
    common.check_folder(output, "--output")
    for name in _names(plans):
        if output is None:
            break
        common.check_file(output / f"{name}.json", "--output", file)
    made = inputs.read_instance(file, changes, lists_attacks=adversary)

    from optimizer.solver import Settings
    from optimizer.studies.alternatives import alternatives

    settings = Settings(accuracy=accuracy.share_of_price, time_limit=time_limit, jobs=jobs)
    with common.display(made.instance.money) as listener:
        found = alternatives(
            made.instance, tolerance, plans, settings=settings, patience=patience, listener=listener, notes=made.remarks
        )
    from optimizer.report.tables.alternatives import alternatives_parts

    common.print_answer(found, alternatives_parts, json=json)
    if output is not None:
        _write(found, output)
    common.end_with_plan(found.cheapest, is_stopped=found.status == "stopped")


def _write(found: "Alternatives", folder: Path) -> None:
    results = [found.cheapest, *(each.result for each in found.plans)]
    for name, result in zip(_names(len(found.plans)), results, strict=True):
        common.write_answer(folder / f"{name}.json", result.to_json() + "\n")


def _names(plans: int) -> list[str]:
    """Return the file names of the plans, without suffix."""
    return ["cheapest", *(f"alternative_{chr(ord('a') + i)}" for i in range(plans))]
