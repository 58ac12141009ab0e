"""diversify attack: the plan that withstands the worst attack, or a saved plan under attack."""

from dataclasses import replace

import typer

from optimizer.cli import common, inputs, options
from optimizer.files import saved_plan


@common.understands("adversary")
def command(
    file: options.JudgedFile,
    changes: options.AttackChanges,
    accuracy: options.Accuracy,
    plan: options.OtherPlan = None,
    time_limit: options.TimeLimit = None,
    threads: options.Threads = None,
    seed: options.SolverSeed = None,
    json: options.Json = False,
    output: options.PlanOutput = None,
) -> None:
    """What would an adversary do that knows the plan?

    Finds a plan that withstands the worst attack; a saved plan is attacked as it is.

    Example: diversify attack instances/us-magnets.yaml --attack-budget 2B
    Manual:  docs/how-to/attack.md
    """
    is_given = plan is not None or saved_plan(file)
    if is_given and output is not None:
        raise typer.BadParameter("the plan is given and is not solved for: leave out --output.")
    common.check_answer(output, "--output", file)

    from optimizer.solver import Settings
    from optimizer.studies.attack import attack

    if is_given:
        judged = inputs.read_judged_plan(file, plan, changes, options.PlanSearch())
        instance, remarks, saved, changed = judged.instance, tuple[str, ...](), judged.result, tuple[str, ...]()
    else:
        made = inputs.read_instance(file, changes)
        instance, remarks, saved, changed = made.instance, made.remarks, None, made.changes
    settings = Settings(accuracy=accuracy.share_of_price, time_limit=time_limit, threads=threads, seed=seed)
    with common.display(instance.money) as listener:
        found = attack(instance, saved, settings=settings, listener=listener, notes=remarks)
    from optimizer.report.tables.attack import attack_parts

    common.print_answer(found, attack_parts, json=json)
    if output is not None:
        common.write_answer(output, replace(found.result, changes=changed).to_json() + "\n")
    common.end(survives=found.survives, is_stopped=found.is_unproven)
