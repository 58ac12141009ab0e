"""diversify share: who pays what of a plan that several members make together."""

from typing import Annotated

from optimizer.cli import common, inputs, options


def command(
    file: options.InstanceFile,
    changes: options.Changes,
    accuracy: options.FineAccuracy,
    adversary: options.ListedAttacks = False,
    between: Annotated[
        str | None, options.search_option(metavar="NAME,…", help="Members, of the file's (all of them).")
    ] = None,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    json: options.Json = False,
    csv: options.CsvFolder = None,
) -> None:
    """How do allies share the cost of a joint plan?

    The cost of every coalition, then the Shapley value, the core and the nucleolus.

    Example: diversify share examples/allies.yaml --between north,south
    Manual:  docs/how-to/share.md
    """
    common.check_folder(csv, "--csv")
    made = inputs.read_instance(file, changes, lists_attacks=adversary)

    from optimizer.solver import Clock, Settings
    from optimizer.studies.sharing import find_cost_shares

    names = None if between is None else [word.strip() for word in between.split(",")]
    settings = Settings(accuracy=accuracy.share_of_price, time_limit=time_limit, jobs=jobs)
    with common.display(made.instance.money, lists_tasks=True) as listener:
        found = find_cost_shares(made.instance, names, settings, Clock(time_limit), listener, notes=made.remarks)
    from optimizer.report.tables.share import cost_share_tables

    common.print_answer(found, cost_share_tables, json=json)
    if csv is not None:
        common.write_tables("share", csv, found.frames)
    common.end(survives=bool(found.shares) or not found.unpriced, is_stopped=found.stopped)
