"""diversify explain: why this plan, or why none survives and what would."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from optimizer.cli import common, inputs, options

if TYPE_CHECKING:
    from optimizer.algorithms.base import Listener


def explain(
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

    from optimizer.report.explain import Explaining
    from optimizer.solver import Settings
    from optimizer.studies.explain.explain import explain as find

    shown = Explaining(made.instance, every=every)
    settings = Settings(gap=accuracy.share, time_limit=time_limit, jobs=jobs)
    on_finding = (lambda part: None) if json else shown.show
    with _progress(made.instance.money) as (listener, questions):
        found = find(made.instance, None, settings, listener, on_finding, questions, made.remarks)
    if json:
        common.print_json(found.to_dict())
    else:
        shown.end(found)
    raise typer.Exit(common.exit_code(found.result) if found.is_complete else common.STOPPED)


@contextlib.contextmanager
def _progress(money: str) -> Iterator[tuple["Listener", Callable[[str], None]]]:
    """On a terminal the question and the state of its search; elsewhere a line for each question."""
    with common.progress(money) as listener:
        console, question = common.stderr_console(), [""]

        def listen_to_questions(words: str) -> None:
            question[0] = words
            console.print(f"question: {words}")

        yield (lambda step: None if question[0] and not console.is_terminal else listener(step)), listen_to_questions
