"""diversify survive: how long every floor holds once something is cut for good."""

from pathlib import Path
from typing import Annotated

from optimizer.cli import common, inputs, options


def command(
    file: options.JudgedFile,
    changes: options.Changes,
    search: options.PlanSearch,
    plan: options.OtherPlan = None,
    json: options.Json = False,
    csv: Annotated[
        Path | None, options.answer_option(metavar="FILE", help="Write every year to this CSV file.")
    ] = None,
) -> None:
    """How many months does every floor hold once supply is cut?

    Chokepoints are each region and stage, each process, and the cuts of each shock or rule.

    Example: diversify survive instances/tiny.yaml
    Manual:  docs/how-to/survive.md
    """
    common.check_answer(csv, "--csv", file, plan)
    found = inputs.read_judged_plan(file, plan, changes, search)
    instance, result = found.instance, found.result
    if not found.is_saved:
        if result.baseline is None:
            rules = "; ".join(result.clash) or "the time ran out"
            common.print_message(f"There is no plan ({rules}): this is how long floors hold with nothing bought.")
        else:
            common.print_status(result)

    from optimizer.report.tables.render import show
    from optimizer.report.tables.time_to_survive import time_to_survive_parts
    from optimizer.studies.time_to_survive import time_to_survive

    survival = time_to_survive(instance, None if result.baseline is None else result.plan)
    if json:
        source = {"plan": plan or file if found.is_saved else "solved", "status": result.status}
        common.print_json(survival.to_dict() | source)
    else:
        show(time_to_survive_parts, survival, instance=instance)
    if csv is not None:
        common.write_table(csv, survival.frames.frame("months"))
    is_stopped = not found.is_saved and result.status == "stopped"
    common.end(survives=result.baseline is not None, is_stopped=is_stopped)
