"""diversify explain: why this plan, or why none survives and what would."""

from dataclasses import replace

from optimizer.cli import common, inputs, options


def command(
    file: options.InstanceFile,
    changes: options.Changes,
    accuracy: options.FineAccuracy,
    adversary: options.ListedAttacks = False,
    time_limit: options.TimeLimit = None,
    jobs: options.Jobs = None,
    every: options.Every = False,
    json: options.Json = False,
) -> None:
    """Why this plan, or why does nothing survive?

    The plan comes first, then one finding after the other.

    Example: diversify explain instances/tiny.yaml --budget 5M
    Manual:  docs/how-to/explain.md
    """
    made = inputs.read_instance(file, changes, lists_attacks=adversary)

    from optimizer.report.tables.explain import ExplanationPrinter
    from optimizer.results.result import Result
    from optimizer.solver import Settings
    from optimizer.studies.explain import explain

    shown = ExplanationPrinter(made.instance, every=every)

    def with_bands(result: Result) -> Result:
        return result if adversary else inputs.with_stored_bands(result, made.instance, file)

    settings = Settings(accuracy=accuracy.share_of_price, time_limit=time_limit, jobs=jobs)
    with common.display(made.instance.money, lists_tasks=True) as listener:
        show = listener.pausing(lambda part: shown.show(with_bands(part) if isinstance(part, Result) else part))
        on_finding = (lambda part: None) if json else show
        found = explain(made.instance, settings=settings, listener=listener, on_part=on_finding, notes=made.remarks)
    if json:
        common.print_json(replace(found, result=with_bands(found.result)).to_dict())
    else:
        shown.end(found)
    common.end_with_plan(found.result, is_stopped=not found.is_complete)
