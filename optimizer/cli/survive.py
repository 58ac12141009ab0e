"""diversify survive: how long every floor holds once something is cut for good."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optimizer.cli import common, options, sources, targets

if TYPE_CHECKING:
    from optimizer.results.result import Result


@common.guarded
@options.shared
def survive(
    file: options.JudgedFile,
    changes: options.Changes,
    plan: options.OtherPlan = None,
    adversary: options.Adversary = False,
    time_limit: options.PlanTimeLimit = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write every year to this CSV file.")] = None,
) -> None:
    """Tell how long every floor holds once a chokepoint is cut, in every year, before and after the plan.

    Chokepoints are each region and stage, each process, and what each shock cuts. Exit codes: 0; 1 internal error; 2
    usage; 3 bad instance or plan; 4 no plan exists (what holds without one is printed); 5 the search for the plan was
    stopped (how long its best holds is printed).
    """
    targets.check_answer(csv, "--csv", file, plan)
    found = sources.judged(file, plan, changes, time_limit, adversary=adversary)
    instance, result = found.instance, found.result
    if not found.is_saved:
        _say_status(result)

    from optimizer.report.tables.time_to_survive import endurance_csv, show_endurance
    from optimizer.studies.time_to_survive import time_to_survive

    endurance = time_to_survive(instance, None if result.baseline is None else result.plan)
    if json:
        import json as text

        said: dict[str, Any] = {"plan": plan or file if found.is_saved else "solved", "status": result.status}
        typer.echo(text.dumps(endurance.to_dict() | said, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        show_endurance(instance, endurance)
    if csv is not None:
        targets.written(csv, endurance_csv(endurance))
    if not found.is_saved and result.status == "stopped":
        raise typer.Exit(common.STOPPED)
    raise typer.Exit(common.SURVIVES if result.baseline is not None else common.NO_PLAN_SURVIVES)


def _say_status(result: "Result") -> None:
    if result.baseline is None:
        rules = "; ".join(result.clash) or "the time ran out"
        common.say(f"There is no plan ({rules}): this is how long things last with nothing built.")
    elif result.status != "survives":
        common.say(f"The plan's status is {result.status}: see `diversify solve`.")
