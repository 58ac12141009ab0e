"""diversify show: print a saved plan again, without solving it; an instance is solved first."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from optimizer.cli import common, inputs, options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optimizer.instance.schema import Instance
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result


def command(
    plan: options.PlanFile,
    changes: options.Changes,
    search: options.PlanSearch,
    every: options.Every = False,
    json: options.Json = False,
) -> None:
    """Print a saved plan again.

    A saved plan is not solved again. Figures are recomputed by arithmetic, and
    the file is compared with its checksum; if the plan was changed, the exit
    code is 1. Not checked are what binds, bands, changes, notes, seconds,
    versions and the record of an earlier audit.

    Example: diversify show plan.json
    Manual:  docs/how-to/solve.md
    """
    from optimizer.instance.reading import instance_of

    result: Result | FuturesResult | None = inputs.find_futures(plan, changes, search)
    if result is None:
        found = inputs.find_plan(plan, changes, search)
        instance, result, is_saved = found.instance, found.result, found.is_saved
    else:
        is_saved, instance = result.solved_instance is None, instance_of(result)
    # A plan just solved is not audited again.
    doubts = inputs.find_doubts(instance, result) if is_saved else ()
    if json:
        audit = _audit_again(instance, result, doubts)
        typer.echo(replace(result, audit=audit, notes=(*doubts, *result.notes)).to_json(whole=False))
    else:
        from rich.text import Text

        from optimizer.report.screen import Screen
        from optimizer.results.saved import UNCHECKED

        with inputs.plan_that_fits(plan, doubts):
            for doubt in doubts:
                Screen().print(Text(f"Note: {doubt}", style="bold red"), end="\n\n")
            # The record of an earlier audit is no evidence if this audit disagrees.
            common.show_plan(replace(result, audit={}) if doubts else result, every=every)
        if is_saved:
            Screen().print(Text(UNCHECKED, style="dim"))
    common.end_with_plan(result, disagrees=bool(doubts))


def _audit_again(
    instance: "Instance", result: "Result | FuturesResult", doubts: "Iterable[str]"
) -> "Mapping[str, Any]":
    """Return the report of a new audit if there are doubts, else the record of the earlier audit."""
    from optimizer.studies.verify import verify

    return verify(instance, result, "arithmetic").report.to_dict() if doubts else result.audit
