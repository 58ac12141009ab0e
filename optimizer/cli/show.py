"""diversify show: print a saved plan again, without solving."""

import typer

from optimizer.cli import common, options, sources


@common.guarded
@options.shared
def show(
    plan: options.PlanFile,
    changes: options.Changes,
    adversary: options.Adversary = False,
    time_limit: options.PlanTimeLimit = None,
    every: options.Every = False,
    json: options.JsonOfSolve = False,
) -> None:
    """Print a saved plan as `solve` printed it; of an instance file, solve it and print the plan.

    Exit code 1 if a saved plan was changed since it was solved.
    """
    from dataclasses import replace

    found = sources.planned(plan, changes, time_limit, adversary=adversary)
    departures = common.doubts(found.instance, found.result) if found.is_saved else ()
    for departure in departures:
        common.say(departure)
    result = replace(found.result, notes=(*departures, *found.result.notes))
    if json:
        typer.echo(result.to_json(whole=False))
    else:
        from optimizer.report.tables.plan import show as print_result

        with common.fitting(plan):
            print_result(result, every=every)
    raise typer.Exit(common.INTERNAL if departures else common.exit_code(result))
