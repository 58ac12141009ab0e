"""diversify futures: what it is worth to decide later, and to know earlier."""

from optimizer.cli import common, inputs, options
from optimizer.errors import ExitCode


@common.understands("futures", "measures")
def command(
    file: options.InstanceFile,
    changes: options.Changes,
    accuracy: options.Accuracy,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    json: options.Json = False,
    csv: options.CsvFolder = None,
) -> None:
    """What is it worth to decide later, or to know earlier?

    The futures of a file with other dates of their answers; the informed plan of each, followed in all others.

    Example: diversify futures instances/us-2027.yaml --time-limit 600
    Manual:  docs/how-to/value-of-information.md
    """
    common.check_folder(csv, "--csv")
    made = inputs.read_instance(file, changes)
    if not made.instance.futures:
        what = f"{file} has no futures: this command compares several"
        cure = "Add `futures:` to the file (docs/how-to/futures.md)"
        if changes.future:
            what = f"this command compares several futures, and {changes.future} is taken alone"
            cure = "Leave out --future"
        common.fail(f"{what}. {cure}.", ExitCode.BAD_INSTANCE)

    from optimizer.solver import Settings
    from optimizer.studies.futures.study import futures_study

    settings = Settings(accuracy=accuracy.share_of_price, time_limit=time_limit, jobs=jobs)
    with common.display(made.instance.money, lists_tasks=True) as listener:
        found = futures_study(made.instance, settings=settings, listener=listener, notes=made.remarks)
    from optimizer.report.tables.futures_study import futures_study_tables

    common.print_answer(found, futures_study_tables, json=json)
    if csv is not None:
        common.write_tables("futures", csv, found.frames)
    common.end(survives=found.adaptive.survives, is_stopped=found.stopped)
