"""diversify check: every finding of an instance file at once, or what the instance is about."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from optimizer.cli import common


@common.guarded
def check(
    files: Annotated[list[str], typer.Argument(help="Instance files: YAML, JSON or Excel workbooks.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file. May be repeated."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list, an object a file.")] = False,
) -> None:
    """Check instance files; of a sound one, say what it is about. Exit code 3 where one cannot be used."""
    from optimizer.errors import InstanceError

    said, bad = [], False
    for file in files:
        try:
            with _without_collection():
                said.append(_summarised(file, set_ or [], json))
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


def _summarised(file: str, overrides: list[str], json: bool) -> dict[str, object]:
    from dataclasses import asdict

    from optimizer.instance.load import inspect_document

    instance, findings, document = inspect_document(file, overrides)
    from optimizer.analysis.summary import summarise
    from optimizer.report.summary import shortage_words

    summary = summarise(instance)
    findings += tuple(document.finding(*shortage_words(instance, each)) for each in summary.baseline_shortages)
    if not json:
        common.show_findings(findings)
        from optimizer.report.summary import show_summary

        show_summary(file, instance, summary)
    return {"file": file, "ok": True, "findings": [vars(each) for each in findings], **asdict(summary)}
