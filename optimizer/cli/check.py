"""diversify check: every finding of an instance file at once, or a summary of a sound instance."""

import typer

from optimizer.cli import common, inputs, options
from optimizer.errors import ExitCode, InstanceError


@common.understands("futures")
def command(
    files: options.InstanceFiles,
    changes: options.Changes,
    adversary: options.ListedAttacks = False,
    every: options.Every = False,
    json: options.Json = False,
) -> None:
    """Check instance files, or summarise a sound one.

    Every finding is printed at once, with its line and its cure.

    Example: diversify check instances/tiny.yaml --set demands.motors.survival=0.3
    Manual:  docs/how-to/write.md
    """
    summaries, is_bad = [], False
    for file in files:
        try:
            inputs.print_source(file)
            made = inputs.change_instance(file, changes, lists_attacks=adversary)
            summaries.append(_summarise(file, made, json=json, every=every))
        except InstanceError as error:
            is_bad = True
            if json:
                summaries.append({"file": file, "ok": False, "findings": [vars(each) for each in error.findings]})
            else:
                common.show_findings(error.findings)
    if json:
        common.print_json(summaries)
    raise typer.Exit(ExitCode.BAD_INSTANCE if is_bad else ExitCode.SURVIVES)


def _summarise(file: str, made: inputs.InstanceInput, *, json: bool, every: bool) -> dict[str, object]:
    from dataclasses import asdict, replace

    from optimizer.report.provenance import fingerprint
    from optimizer.report.tables.checks import fallback_words, shortage_words
    from optimizer.studies.summary import summarise

    summary = summarise(made.instance, every=every)
    short = (made.document.finding(*shortage_words(made.instance, each)) for each in summary.baseline_shortages)
    set_back = (made.document.finding(*fallback_words(each)) for each in summary.fallbacks)
    made = replace(made, warnings=(*made.warnings, *short, *set_back))
    if not json:
        inputs.announce(made)
        from optimizer.report.tables.checks import summary_parts
        from optimizer.report.tables.render import show

        show(summary_parts, summary, apart=False, file=file, instance=made.instance, every=every)
    known = {"file": file, "ok": True, "hash": fingerprint(made.instance.to_dict())}
    return {**known, "findings": [vars(each) for each in made.warnings], **asdict(summary)}
