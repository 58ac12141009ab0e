"""diversify solve: from an instance file to the plan, printed, audited and proven."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, inputs, options

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.solver import Settings

_STRATEGIES_IN_HELP = (
    "auto; extensive-form: one model; constraint-generation: adds violated shocks; benders: adds cuts."
)


_NO_ATTACKS = (
    "no attack of the file's adversary is among the shocks: --adversary adds the worst, and attack says what it does."
)


@dataclass(frozen=True)
class _Search:
    """Options of the search."""

    time_limit: options.TimeLimit = None
    solver: Annotated[str, options.search_option(metavar="highs|cbc", help="cbc needs an extra.")] = "highs"
    strategy: Annotated[str, options.search_option(metavar="NAME", help=_STRATEGIES_IN_HELP, show_default=False)] = (
        "auto"
    )
    threads: options.Threads = None
    seed: options.SolverSeed = None
    jobs: options.Jobs = None
    cluster: options.Cluster = None
    checkpoint: Annotated[
        Path | None, options.search_option(metavar="DIR", help="Folder to save and resume the search.")
    ] = None


@common.understands("futures", "measures")
def command(
    file: options.InstanceFile,
    changes: options.Changes,
    proof: options.Proof,
    search: _Search,
    adversary: options.Adversary = False,
    bands: Annotated[bool, options.search_option("--bands", help="Print a band of results over ranges.")] = False,
    every: options.Every = False,
    json: options.Json = False,
    csv: options.CsvFolder = None,
    output: options.PlanOutput = None,
) -> None:
    """Find the cheapest plan that survives every shock.

    Where none can: the plan of least gap, or of least cost with priced gaps.
    Example: diversify solve instances/tiny.yaml --budget 20M --output plan.json
    Manual:  docs/how-to/solve.md
    """
    began = time.perf_counter()
    from optimizer.solver import Settings

    settings = Settings(mip_gap=proof.share_of_cost, **vars(search))
    if adversary and (search.strategy != "auto" or search.checkpoint is not None):
        raise typer.BadParameter("leave out --strategy and --checkpoint: attacks have a search of their own.")
    common.check_answer(output, "--output", file)
    common.check_folder(csv, "--csv")
    common.check_folder(search.checkpoint, "--checkpoint")
    made = inputs.read_instance(file, changes)
    if bands:
        _check_bands(made.instance, file)
    load_seconds = time.perf_counter() - began
    result = _find_plan(made, settings, load_seconds, adversary=adversary)
    result = _with_bands(result, made.instance, file, settings, computes=bands, adversary=adversary)
    if made.instance.adversary is not None and not adversary:
        result = replace(result, notes=(*result.notes, _NO_ATTACKS))
    try:
        if json:
            typer.echo(result.to_json(whole=False))
        else:
            common.show_plan(result, every=every)
    finally:
        # The files are written even if printing fails.
        _write(result, file, csv, output)
    common.end_with_plan(result)


def _check_bands(instance: "Instance", file: str) -> None:
    """Refuse, as a usage error, `--bands` without ranges, with several futures, or by another measure."""
    from optimizer.errors import require_extra

    require_extra("sensitivity", "--bands")
    if not instance.ranges:
        what = f"{file} has no ranges: write some (docs/how-to/sensitivity.md), or leave it out."
        raise typer.BadParameter(what, param_hint="--bands")
    if instance.futures:
        what = "a plan of several futures has no band: leave it out, or take one future by --future."
        raise typer.BadParameter(what, param_hint="--bands")
    if instance.is_adaptive:
        what = "a band is of expected cost: leave it out, or write --set policy.objective=expected."
        raise typer.BadParameter(what, param_hint="--bands")


def _with_bands(
    result: "Result | FuturesResult",
    instance: "Instance",
    file: str,
    settings: "Settings",
    *,
    computes: bool,
    adversary: bool,
) -> "Result | FuturesResult":
    """Return the result with its band: computed, or stored beside the file for exactly this instance, or none."""
    from optimizer.results.result import Result
    from optimizer.solver import Settings

    if not isinstance(result, Result) or result.baseline is None or not instance.ranges:
        return result
    if not computes:
        return result if adversary else inputs.with_stored_bands(result, instance, file)
    from optimizer.studies.cost_tolerance import TOLERANCE_SHARE
    from optimizer.studies.sensitivity import find_bands

    common.print_message("samples of all uncertain numbers:")
    with common.display(instance.money) as listener:
        limits = Settings(accuracy=TOLERANCE_SHARE, time_limit=settings.time_limit, jobs=settings.jobs)
        bands, notes = find_bands(instance, result.plan, adversary=adversary, settings=limits, listener=listener)
    return replace(result, bands=bands, notes=(*result.notes, *notes))


def _find_plan(
    made: inputs.InstanceInput, settings: "Settings", load_seconds: float, *, adversary: bool
) -> "Result | FuturesResult":
    from optimizer.solver import Clock

    clock = Clock(settings.time_limit)
    with common.display(made.instance.money) as listener:
        search = inputs.search_all_futures if made.instance.is_adaptive else inputs.search_plan
        return search(made, settings, clock, listener, adversary=adversary, load_seconds=load_seconds)


def _write(result: "Result | FuturesResult", file: str, csv: Path | None, output: Path | None) -> None:
    from optimizer.results.result import Result

    if output is not None:
        whole = common.with_comments(result, file) if isinstance(result, Result) else result
        common.write_answer(output, whole.to_json() + "\n")
    if csv is not None:
        from optimizer.report.tables.plan import FILES

        common.write_tables("solve", csv, result.frames, FILES if isinstance(result, Result) else ())
