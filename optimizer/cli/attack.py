"""diversify attack: the plan that withstands the worst attack, or a saved plan under attack."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli import common, targets

if TYPE_CHECKING:
    from optimizer.analysis.attack import Onslaught
    from optimizer.result import Result
    from optimizer.strategies.base import Step


@common.guarded
def attack(
    file: Annotated[str, typer.Argument(help="Instance file with an adversary: YAML, JSON or an Excel workbook.")],
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="PLAN", help="A saved plan; solved for where it is left out.")
    ] = None,
    budget: common.SolvedBudget = None,
    attack_budget: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="What the adversary has, such as 500M; replaces the file's.")
    ] = None,
    without: common.LeftOut = None,
    force: common.Forced = None,
    scenario: common.Scenario = None,
    time_limit: Annotated[float | None, typer.Option(min=0, help="Seconds after which the best is taken.")] = None,
    gap: common.Gap = 0.02,
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the solver.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the solver's own choices.")] = None,
    set_: common.Overrides = None,
    json: common.Json = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the plan to this file.")] = None,
) -> None:
    """Find the cheapest plan that survives the worst attack an adversary can buy, and what it would take to break it.

    The attacks that shaped the plan, the worst that is left, and the least attack budget that breaks it. Exit codes: 0
    survives and proven; 1 internal error; 2 usage; 3 bad instance or plan; 4 some attack or shock breaks the plan; 5
    stopped unproven.
    """
    limit = common.amount(budget, "--budget")
    means = common.amount(attack_budget, "--attack-budget")
    if plan is not None and (limit is not None or output is not None):
        raise typer.BadParameter("a saved plan is not solved for: leave out --budget and --output.")
    targets.check_answer(output, "--output", file)
    overrides = [*(set_ or ()), *([] if means is None else [f"adversary.attack_budget={means!r}"])]
    reduced = common.prepared(file, overrides, scenario, common.forces(force or ()), without or ())

    from optimizer.analysis.attack import attack as put_under
    from optimizer.solver import Settings

    saved = None if plan is None else _saved(plan)
    for note in reduced.notes:
        common.say(note)
    settings = Settings(gap=gap, time_limit=time_limit, threads=threads, seed=seed)
    with _progress(reduced.instance.money) as (listener, told):
        found = put_under(reduced.instance, saved, limit, settings, listener, told, reduced.notes)
    if json:
        import json as text

        typer.echo(text.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        from optimizer.report.attack import show_attack

        show_attack(found)
    if output is not None:
        targets.written(output, found.result.to_json() + "\n")
    raise typer.Exit(_code(found))


def _saved(plan: Path) -> "Result":
    from optimizer.result import Result

    return Result.load(str(plan))


def _code(found: "Onslaught") -> int:
    if found.is_unproven:
        return common.STOPPED
    return common.SURVIVES if found.survives else common.NO_PLAN_SURVIVES


@contextlib.contextmanager
def _progress(money: str) -> "Iterator[tuple[Callable[[Step], None], Callable[[str], None]]]":
    """Rounds as in `solve`; on a terminal also what is asked of the plan afterwards."""
    console = common.messages()
    with common.progress(money) as hear:
        if console.is_terminal:
            from optimizer.strategies.base import Step

            yield hear, lambda what: hear(Step(what, 0.0))
        else:
            yield hear, lambda what: None
