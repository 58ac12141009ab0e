"""Studies that stand on the page of a report where they are asked for: `report --with NAME[,NAME]`.

A study is refused, where it does not fit the instance, before anything is solved.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from optimizer.cli import common, inputs, options, progress
from optimizer.extras import require_extra

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.progress import Listener
    from optimizer.report.figures.studies import Study
    from optimizer.report.html.sections import PageSection
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result

# How many samples `discover` draws.
SAMPLES = 1000


@dataclass(frozen=True)
class StudySubject:
    """What a study on a page is about.

    Attributes:
        source: the file. instance: in which the plan is looked at. plan: of one future or of several.
        accuracy: to which costs are proven. time_limit: seconds of each study; None for any.
    """

    source: str
    instance: "Instance"
    plan: "Result | FuturesResult"
    accuracy: float
    time_limit: float | None


def _check_futures(source: str, instance: "Instance") -> None:
    if not instance.futures:
        what = (
            f"{source} has no futures, or one of them is taken alone: leave out futures, or add `futures:` to the file."
        )
        raise typer.BadParameter(what, param_hint="--with")


def _check_discovery(source: str, instance: "Instance") -> None:
    from optimizer.studies.discovery.discover import check_subject

    require_extra("sensitivity", "--with discover")
    check_subject(instance, source)


def _study_futures(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.results.futures import FuturesResult
    from optimizer.solver import Clock, Settings
    from optimizer.studies.futures.study import study_futures

    assert isinstance(subject.plan, FuturesResult)
    if any(each.result.adversary is not None for each in subject.plan.futures):
        what = (
            "the plan was made against an adversary, which the study of futures leaves out: solve without --adversary."
        )
        raise typer.BadParameter(what, param_hint="--with")
    settings = Settings(gap=subject.accuracy, time_limit=subject.time_limit)
    clock = Clock(subject.time_limit)
    return study_futures(subject.instance, settings, clock, listener, adaptive=subject.plan)


def _discover(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.results.result import Result
    from optimizer.studies.discovery.discover import discover

    assert isinstance(subject.plan, Result)
    return discover(subject.plan, subject.instance, samples=SAMPLES, listener=listener, file=subject.source)


@dataclass(frozen=True)
class _PageStudy:
    """A study by what refuses it, and what carries it out."""

    check: "Callable[[str, Instance], None]"
    make: "Callable[[StudySubject, Listener], Study]"


STUDIES = {
    "futures": _PageStudy(_check_futures, _study_futures),
    "discover": _PageStudy(_check_discovery, _discover),
}


def parse_studies(text: str | None) -> tuple[str, ...]:
    """The names of `--with`, each once; refused as usage where there is no such study."""
    from optimizer.suggestions import did_you_mean

    names = tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))
    if text is not None and not names:
        raise typer.BadParameter(f"write some of {', '.join(STUDIES)}.", param_hint="--with")
    for name in names:
        if name not in STUDIES:
            cure = did_you_mean(name, list(STUDIES), f"There are {', '.join(STUDIES)}.")
            raise typer.BadParameter(f'there is no study "{name}". {cure}', param_hint="--with")
    return names


def check_studies(names: Sequence[str], source: str, changes: options.Changes, *, adversary: bool = False) -> None:
    """Refuse studies that do not fit the instance of a file, before anything is solved."""
    if adversary and "futures" in names:
        raise typer.BadParameter("the study of futures leaves the adversary out: choose one.", param_hint="--with")
    if names:
        instance = inputs.change_instance(source, changes, takes_futures=True).instance
        for name in names:
            STUDIES[name].check(source, instance)


def carry_out(name: str, subject: StudySubject) -> "Study":
    """A study, or what is known of it when it is stopped."""
    with progress.display(subject.instance.money, lists_tasks=True) as listener:
        return STUDIES[name].make(subject, listener)


def make_sections(
    names: Sequence[str], subject: StudySubject, *, interrupted: bool = False
) -> "tuple[PageSection, ...]":
    """The sections of some studies, each with what was known when it was stopped.

    There are none, and stderr says why, where the user stopped what came before or there is no plan to look at.
    """
    from optimizer.report.html.sections import section_of
    from optimizer.results.result import Result

    has_plan = subject.plan.baseline is not None if isinstance(subject.plan, Result) else bool(subject.plan.futures)
    if names and (interrupted or not has_plan):
        why = "the search was stopped" if interrupted else "there is no plan"
        common.print_message(f"left out: --with {','.join(names)}, as {why}.")
        return ()
    return tuple(section_of(carry_out(name, subject)) for name in names)
