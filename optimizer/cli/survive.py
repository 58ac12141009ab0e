"""diversify survive: how long every floor holds once something is cut for good."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optimizer.cli import common, targets

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.result import Result


@common.guarded
def survive(
    file: common.InstanceFile,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="PLAN", help="A saved plan; solved for where it is left out.")
    ] = None,
    budget: common.SolvedBudget = None,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds after which its best is taken.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file. May be repeated."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write every year to this CSV file.")] = None,
) -> None:
    """Tell how long every floor holds once a chokepoint is cut, in every year, before and after the plan.

    Chokepoints are each region and stage, each process, and what each shock cuts. Exit codes: 0; 1 internal error; 2
    usage; 3 bad instance or plan; 4 no plan exists (what holds without one is printed); 5 the search for the plan was
    stopped (how long its best holds is printed).
    """
    limit = common.amount(budget, "--budget")
    if plan is not None and (limit is not None or time_limit is not None):
        raise typer.BadParameter("a saved plan is not solved for: leave out --budget and --time-limit.")
    targets.check_answer(csv, "--csv", file, plan)
    instance = common.loaded(file, set_ or ())
    result = _solved(instance, limit, time_limit) if plan is None else _saved(plan)

    from optimizer.analysis.endurance import time_to_survive
    from optimizer.report.endurance import endurance_csv, show_endurance

    endurance = time_to_survive(instance, None if result.baseline is None else result.plan)
    if json:
        import json as text

        said: dict[str, Any] = {"plan": str(plan) if plan else "solved", "status": result.status}
        typer.echo(text.dumps(endurance.to_dict() | said, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        show_endurance(instance, endurance)
    if csv is not None:
        targets.written(csv, endurance_csv(endurance))
    if plan is None and result.status == "stopped":
        raise typer.Exit(common.STOPPED)
    raise typer.Exit(common.SURVIVES if result.baseline is not None else common.NO_PLAN_SURVIVES)


def _solved(instance: "Instance", budget: float | None, time_limit: float | None) -> "Result":
    from optimizer.analysis.solve import solve
    from optimizer.solver import Settings

    with common.progress(instance.money) as listener:
        result = solve(instance, budget, Settings(time_limit=time_limit), listener)
    if result.baseline is None:
        rules = "; ".join(result.clash) or "the time ran out"
        common.say(f"There is no plan ({rules}): this is how long things last with nothing built.")
    elif result.status != "survives":
        common.say(f"The plan's status is {result.status}: see `diversify solve`.")
    return result


def _saved(plan: Path) -> "Result":
    from optimizer.errors import PlanFileError
    from optimizer.result import Result

    result = Result.load(str(plan))
    if result.baseline is None:
        raise PlanFileError(f"{plan} holds no plan: its status is {result.status}")
    return result
