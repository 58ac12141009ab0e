"""diversify check: every finding of an instance file at once, or what the instance is about."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from optimizer.cli import common, options, sources


@common.guarded
@options.shared
def check(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE|PLAN…", help="Instance files (YAML, JSON, Excel), or those inside saved plans."),
    ],
    changes: options.Changes,
    adversary: options.ListedAttacks = False,
    every: options.Every = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list, an object a file.")] = False,
) -> None:
    """Check instance files; of a sound one, say what it is about. Exit code 3 where one cannot be used."""
    from optimizer.errors import InstanceError

    said, bad = [], False
    for file in files:
        try:
            with _without_collection():
                sources.say_source(file)
                made = sources.examined(file, changes, lists_attacks=adversary)
                said.append(_summarised(file, made, json=json, every=every))
        except InstanceError as error:
            bad = True
            if json:
                said.append({"file": file, "ok": False, "findings": [vars(each) for each in error.findings]})
            else:
                common.show_findings(error.findings)
    if json:
        import json as text

        typer.echo(text.dumps(said, indent=1, ensure_ascii=False))
    raise typer.Exit(common.BAD_INSTANCE if bad else common.SURVIVES)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Leave out the collector of cyclic garbage, which takes 40 % of the time of a large file and finds nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _summarised(file: str, made: sources.Prepared, *, json: bool, every: bool) -> dict[str, object]:
    from dataclasses import asdict, replace

    from optimizer.report.tables.checks import shortage_words
    from optimizer.studies.summary import summarise

    summary = summarise(made.instance, every=every)
    short = (made.document.finding(*shortage_words(made.instance, each)) for each in summary.baseline_shortages)
    made = replace(made, warnings=(*made.warnings, *short))
    if not json:
        sources.announced(made)
        from optimizer.report.tables.checks import show_summary

        show_summary(file, made.instance, summary, every=every)
    return {"file": file, "ok": True, "findings": [vars(each) for each in made.warnings], **asdict(summary)}
