"""diversify attack: the plan that withstands the worst attack, or a saved plan under attack."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, options, progress, sources, targets

if TYPE_CHECKING:
    from optimizer.studies.attack import Onslaught


@common.guarded
@options.shared
def attack(
    file: options.JudgedFile,
    changes: options.AttackChanges,
    plan: options.OtherPlan = None,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds after which the best is taken.")] = None,
    gap: options.Gap = 0.02,
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the solver.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the solver's own choices.")] = None,
    json: options.Json = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the plan to this file.")] = None,
) -> None:
    """Find the cheapest plan that survives the worst attack an adversary can buy, and what it would take to break it.

    The attacks that shaped the plan, the worst that is left, and the least attack budget that breaks it. Exit codes: 0
    survives and proven; 1 internal error; 2 usage; 3 bad instance or plan; 4 some attack or shock breaks the plan; 5
    stopped unproven.
    """
    is_given = plan is not None or sources.is_plan(file)
    if is_given and output is not None:
        raise typer.BadParameter("the plan is given and is not solved for: leave out --output.")
    targets.check_answer(output, "--output", file)

    from optimizer.solver import Settings
    from optimizer.studies.attack import attack as put_under

    if is_given:
        judged = sources.judged(file, plan, changes)
        instance, remarks, saved = judged.instance, tuple[str, ...](), judged.result
    else:
        made = sources.prepared(file, changes)
        instance, remarks, saved = made.instance, made.remarks, None
    settings = Settings(gap=gap, time_limit=time_limit, threads=threads, seed=seed)
    with progress.display(instance.money) as listener:
        found = put_under(instance, saved, None, settings, listener, remarks)
    if json:
        import json as text

        typer.echo(text.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        from optimizer.report.attack import show_attack

        show_attack(found)
    if output is not None:
        targets.written(output, found.result.to_json() + "\n")
    raise typer.Exit(_code(found))


def _code(found: "Onslaught") -> int:
    if found.is_unproven:
        return common.STOPPED
    return common.SURVIVES if found.survives else common.NO_PLAN_SURVIVES
