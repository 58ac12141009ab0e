"""Studies on the page of a report: `report --with NAME[,NAME]`, or `--with all`.

A study that does not fit the instance is refused before anything is solved.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from optimizer.cli import common, inputs, options
from optimizer.errors import Finding, InstanceError, did_you_mean, require_extra

if TYPE_CHECKING:
    from optimizer.algorithms.workers import Memory, Task
    from optimizer.instance.schema import Instance
    from optimizer.report.html.sections import PageSection, Study
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.solver import Clock, Listener, Settings
    from optimizer.studies.comparison import Comparison
    from optimizer.studies.sensitivity_result import Sensitivity

# Number of samples of `discover` and of `stress` on a page. They give shares within 10 points, by the half of the
# samples that is held back, and within 3 points. The commands themselves take more samples.
SAMPLES, STRESS_SAMPLES = 200, 1000
# Default time limit in seconds of all studies of a report together: three minutes with the search before them and the
# page after them.
REPORT_SECONDS = 150.0
# Up to this many uncertain numbers are all solved for; of more, only those with the largest linear effects.
FEW_NUMBERS = 20
# Studies that ignore an adversary, and the word for every study that fits.
_UNAWARE = ("futures", "explain", "alternatives", "sensitivity", "compare", "share")
EVERY_STUDY = "all"
# Studies with a part in a brief.
IN_BRIEF = ("explain", "alternatives", "sensitivity", "futures")
# Tasks of the first screen start first, and are carried out completely if the user gives no limit.
_FIRST_SCREEN = ("sensitivity", "figures", "budgets", "delays")
# Names of tasks in messages, where their key is not a plain name.
_TASK_NAMES = {"figures": "numbers that decide"}
# Processor seconds of each task in a national instance, by which the time is divided. Outside the first screen the
# longest tasks start first, so that all cores are busy to the end.
_SECONDS = {
    "alternatives": 65.0, "share": 60.0, "futures": 60.0, "sensitivity": 53.0, "compare": 45.0, "figures": 50.0,
    "explain": 38.0, "budgets": 34.0, "discover": 32.0, "delays": 12.0, "stress": 10.0, "attack": 3.0
}  # fmt: skip


@dataclass(frozen=True)
class StudySubject:
    """Subject of a study on a page: an instance and its plan, with the limits of the search."""

    source: str  # the file
    instance: "Instance"  # the instance in which the plan is examined
    plan: "Result | FuturesResult"  # the plan of one future or of several
    accuracy: float  # accuracy to which costs are proven
    time_limit: float | None  # seconds of all studies together; None for no limit
    jobs: int | None = None  # processes of each study; None for the study's own choice
    until: float | None = None  # deadline of a study, seconds since 1970; None for no deadline
    least: float = 0.0  # seconds that a study has even if they end after `until`

    @property
    def settings(self) -> "Settings":
        """Settings of the searches of the study."""
        from optimizer.solver import Settings

        return Settings(accuracy=self.accuracy, until=self.until, jobs=self.jobs, threads=self.jobs)

    @property
    def fine_settings(self) -> "Settings":
        """Settings of a study whose command has `options.FineAccuracy`: at least its default accuracy."""
        return replace(self.settings, accuracy=min(self.accuracy, options.FINE_ACCURACY))

    @property
    def optimum(self) -> "Result | None":
        """The plan if it is proven optimal for its instance; None if given, stopped or made against an adversary."""
        is_best = self.result.given is None and self.result.adversary is None and self.result.bound is not None
        return self.result if is_best and self.result.status in ("survives", "gap") else None

    @property
    def result(self) -> "Result":
        """The plan of one future, or the plan of the first future."""
        from optimizer.results.result import Result

        return self.plan if isinstance(self.plan, Result) else self.plan.futures[0].result


def _check_futures(source: str, instance: "Instance") -> None:
    if not instance.futures:
        what = f"{source} has no futures, or one of them is taken alone: add `futures:` to the file, or drop --future."
        raise typer.BadParameter(what)


def _check_discovery(source: str, instance: "Instance") -> None:
    from optimizer.studies.discovery import check_subject

    require_extra("sensitivity", "discover")
    check_subject(instance, source)


def _check_single(source: str, instance: "Instance") -> None:
    if instance.futures:
        raise typer.BadParameter(f"{source} has several futures, and this study is about one: write --future NAME.")


def _needs(part: str, cure: str, is_there: "Callable[[Instance], bool]") -> "Callable[[str, Instance], None]":
    """Return a check that the instance has one future, and the `part` that the study is about."""

    def check(source: str, instance: "Instance") -> None:
        _check_single(source, instance)
        if not is_there(instance):
            raise InstanceError([Finding(source, None, part, f"the file has no {part}", cure)])

    return check


def _study_futures(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.results.futures import FuturesResult
    from optimizer.studies.futures.study import futures_study

    assert isinstance(subject.plan, FuturesResult)
    if any(each.result.adversary is not None for each in subject.plan.futures):
        what = "the plan was made against an adversary, which the study of futures leaves out"
        raise typer.BadParameter(f"{what}: solve without --adversary.")
    return futures_study(subject.instance, settings=subject.settings, listener=listener, known=subject.plan)


def _discover(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.studies.discovery import discover

    return discover(
        subject.result,
        subject.instance,
        samples=SAMPLES,
        jobs=subject.jobs,
        time_limit=subject.settings.clock().limit,
        listener=listener,
        file=subject.source,
    )


def _explain(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.studies.explain import explain

    return explain(subject.instance, settings=subject.fine_settings, listener=listener, known=subject.optimum)


def _attack(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.studies.attack import attack

    return attack(subject.instance, subject.result, settings=subject.settings, listener=listener)


def _alternatives(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.studies.alternatives import alternatives

    return alternatives(subject.instance, settings=subject.settings, listener=listener, known=subject.optimum)


def _sensitivity(subject: StudySubject, listener: "Listener") -> "Sensitivity":
    from optimizer.instance.ranges import numbers_of
    from optimizer.report.brief.content import MOST_FIGURES
    from optimizer.studies.sensitivity import sensitivity

    settings, known, count = subject.settings, subject.optimum, len(numbers_of(subject.instance.uncertain))
    most = None if count <= FEW_NUMBERS else MOST_FIGURES
    return sensitivity(subject.instance, flips=False, settings=settings, listener=listener, known=known, most=most)


def find_deciding_figures(memory: "Memory", subject: StudySubject) -> "Sensitivity | None":
    """Find, as a task, the uncertain numbers that decide, for the first screen; None without uncertain numbers.

    None also if the plan is not the optimum of its instance, which the analysis is about.
    """
    from optimizer.algorithms.workers import listener_of

    is_there = subject.instance.uncertain and subject.optimum is not None
    return _sensitivity(subject, listener_of(memory)) if is_there else None


def _stress(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.studies.stress import stress

    jobs, file = subject.jobs, subject.source
    return stress(subject.result, subject.instance, samples=STRESS_SAMPLES, jobs=jobs, listener=listener, file=file)


def _share(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.studies.sharing import share_costs

    return share_costs(subject.instance, settings=subject.fine_settings, listener=listener)


def _compare(subject: StudySubject, listener: "Listener") -> "Study":
    from optimizer.studies.compare import compare

    settings, scenarios, known = subject.settings, list(subject.instance.scenarios), subject.optimum
    found = compare(subject.instance, facts=(), settings=settings, listener=listener, scenario=scenarios, known=known)
    return proven_columns(found)


def proven_columns(found: "Comparison") -> "Comparison":
    """Return a comparison without plans whose search was stopped, as they may be far from their scenario's optimum."""
    settled = tuple(each for each in found.columns if each.result.status != "stopped")
    return replace(found, columns=settled, stopped=found.stopped or len(settled) < len(found.columns))


@dataclass(frozen=True)
class _PageStudy:
    """Study on a page: the check that refuses unsuitable instances, and the function that carries it out."""

    check: "Callable[[str, Instance], None]"
    make: "Callable[[StudySubject, Listener], Study]"


STUDIES = {
    "explain": _PageStudy(_check_single, _explain),
    "compare": _PageStudy(
        _needs("scenarios", "Add scenarios; a page compares budgets without them.",
               lambda instance: bool(instance.scenarios)), _compare),
    "attack": _PageStudy(
        _needs("adversary", "Add an adversary.", lambda instance: instance.adversary is not None), _attack),
    "alternatives": _PageStudy(_check_single, _alternatives),
    "sensitivity": _PageStudy(
        _needs("ranges", "Give some numbers a range.", lambda instance: bool(instance.ranges)), _sensitivity),
    "stress": _PageStudy(
        _needs("shocks", "Add a shock or an ensemble.",
               lambda instance: bool(instance.shocks or instance.ensembles)), _stress),
    "share": _PageStudy(
        _needs("members", "Add two members.", lambda instance: len(instance.members) > 1), _share),
    "futures": _PageStudy(_check_futures, _study_futures),
    "discover": _PageStudy(_check_discovery, _discover),
}  # fmt: skip


def parse_studies(text: str | None) -> tuple[str, ...]:
    """Return the names of `--with`, each once; refuse an unknown study as a usage error."""
    names = tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))
    if text is not None and not names:
        raise typer.BadParameter(f"write some of {', '.join(STUDIES)}, or {EVERY_STUDY}.", param_hint="--with")
    for name in names:
        if name not in STUDIES and name != EVERY_STUDY:
            cure = did_you_mean(name, [*STUDIES, EVERY_STUDY], f"There are {', '.join(STUDIES)}, and {EVERY_STUDY}.")
            raise typer.BadParameter(f'there is no study "{name}". {cure}', param_hint="--with")
    return names


def choose_studies(
    names: Sequence[str],
    source: str,
    changes: options.Changes,
    *,
    adversary: bool = False,
    quick: bool = False,
    allowed: Collection[str] = tuple(STUDIES),
    hint: str = "",
) -> tuple[str, ...]:
    """Return the studies to carry out: those named, and for ``all`` every other study that fits.

    A named study is refused before anything is solved if it does not fit the instance of the file, or if it is not
    `allowed` because the form of the report has no place for it. With `adversary`, studies that ignore an adversary are
    refused or left out. With `quick`, ``all`` adds no studies. Usage errors name `hint`, or ``--with`` and the study.
    """
    if not names:
        return ()
    _refuse_without_part(names, allowed)
    instance = inputs.change_instance(source, changes, takes_futures=True).instance
    unaware = _UNAWARE if adversary else ()
    named = set(names) - {EVERY_STUDY}
    _refuse_studies(sorted(named, key=names.index), source, instance, unaware, hint)
    if EVERY_STUDY in names and not quick:
        named |= {name for name in allowed if name not in unaware and _fits(name, source, instance)}
    return tuple(name for name in STUDIES if name in named)


def _refuse_without_part(names: Sequence[str], allowed: Collection[str]) -> None:
    """Refuse studies that have no part in the form of the report."""
    for name in names:
        if name not in allowed and name != EVERY_STUDY:
            what = f"{name} has no part in a brief: write --output with a page (.html), or add --json."
            raise typer.BadParameter(what, param_hint="--with")


def _refuse_studies(names: Sequence[str], source: str, instance: "Instance", unaware: Sequence[str], hint: str) -> None:
    """Refuse studies that are in `unaware`, as they ignore an adversary, and studies that do not fit the instance."""
    for name in names:
        try:
            if name in unaware:
                raise typer.BadParameter("this study ignores the adversary: leave out one of the two.")
            STUDIES[name].check(source, instance)
        except typer.BadParameter as error:
            error.param_hint = hint or f"--with {name}"
            raise


def _fits(name: str, source: str, instance: "Instance") -> bool:
    try:
        STUDIES[name].check(source, instance)
    except (typer.BadParameter, InstanceError):
        return False
    return True


def study_tasks(names: Sequence[str], subject: StudySubject, *, on_page: bool = False) -> "dict[str, Task]":
    """Return the task of each study by name; with `on_page`, a task returns the study and its section of the page."""
    from optimizer.algorithms.workers import Task

    return {name: Task(_study_on_page if on_page else _study, (subject, name)) for name in names}


def _study(memory: "Memory", subject: StudySubject, name: str) -> "Study":
    """Carry out a study as a task; beside other tasks, it uses one processor."""
    from optimizer.algorithms.workers import LISTENER, listener_of

    until = None if subject.until is None else max(subject.until, time.time() + subject.least)
    subject = replace(subject, until=until, jobs=subject.jobs if LISTENER in memory else 1)
    return STUDIES[name].make(subject, listener_of(memory))


def _study_on_page(memory: "Memory", subject: StudySubject, name: str) -> "tuple[Study, PageSection]":
    """Carry out a study as a task, and make its section of the page, also of a study that was stopped."""
    from optimizer.report.html.sections import section_of

    found = _study(memory, subject, name)
    return found, section_of(found, subject.plan, subject.time_limit)


def planned_ends(names: Sequence[str], size: int, seconds: float) -> dict[str, float]:
    """Return the deadline of each study in seconds from now, with `size` studies running at a time.

    Each study has a share of `seconds` in proportion to its usual duration. Time that a study does not use is left to
    later ones.
    """
    free, last, ends = [0.0] * size, [""] * size, dict[str, float]()
    for name in names:
        worker = free.index(min(free))
        free[worker] += _SECONDS[name]
        last[worker], ends[name] = name, free[worker]
    longest = max(free)
    return {name: seconds if name in last else seconds * end / longest for name, end in ends.items()}


def timed_tasks(
    tasks: "Mapping[str, Task]", order: Sequence[str], size: int, limit: float | None, *, is_asked: bool
) -> "list[Task]":
    """Return the tasks in `order`, each with its deadline; the first argument of a task is its subject.

    If the user did not ask for a limit, tasks of the first screen have no deadline, and other tasks always have their
    share of the time.
    """
    if limit is None:
        return [tasks[name] for name in order]
    made = list["Task"]()
    ends, now, total = planned_ends(order, size, limit), time.time(), sum(_SECONDS[name] for name in order)
    for name in order:
        until = None if name in _FIRST_SCREEN and not is_asked else now + ends[name]
        least = 0.0 if is_asked else limit * size * _SECONDS[name] / total
        subject, *more = tasks[name].arguments
        made.append(replace(tasks[name], arguments=(replace(subject, until=until, least=least), *more)))
    return made


def carry_out_all(
    tasks: "Mapping[str, Task]", money: str, seconds: float, limit: float | None, clock: "Clock | None" = None
) -> dict[str, Any]:
    """Return the results of tasks by name; tasks that had not begun when the user stopped them are left out.

    Tasks run in parallel if there are several and the search for the plan took long enough, `seconds`. `money` is a
    currency's symbol, `limit` the seconds of all tasks together. `clock.interrupted` is set if the user stopped them.
    """
    from optimizer.algorithms.executor import size_for, start_executor
    from optimizer.algorithms.workers import LISTENER
    from optimizer.solver import Clock, interruptible

    size = max(1, min(size_for(None, seconds), len(tasks)))
    order = sorted(tasks, key=lambda name: (name not in _FIRST_SCREEN, -_SECONDS[name])) if size > 1 else list(tasks)
    if not tasks:
        return {}
    clock, found = clock or Clock(limit), dict[str, Any]()
    with (
        contextlib.suppress(KeyboardInterrupt),
        common.display(money, lists_tasks=True) as shown,
        start_executor(size) as executor,
    ):
        if size <= 1:
            executor.memory[LISTENER] = shown
        timed = timed_tasks(tasks, order, size, limit, is_asked=clock.limit is not None)
        with interruptible(clock, shown):
            for number, answer in executor.as_completed(timed, clock):
                found[order[number]] = answer
                if len(tasks) > 1:
                    said = _TASK_NAMES.get(order[number], order[number])
                    common.print_message(f"{said} ({len(found)} of {len(tasks)} done)")
    # Tasks are missing only if the user stopped them, including by a second Ctrl-C, which ends a task at once.
    clock.interrupted |= len(found) < len(tasks)
    return found


def split_studies(names: Sequence[str], made: "Mapping[str, Any]") -> "tuple[dict[str, Any], tuple[PageSection, ...]]":
    """Return `made` with studies in place of pairs of study and section, and the sections in the order of `names`."""
    there = [name for name in names if name in made]
    return {**made, **{name: made[name][0] for name in there}}, tuple(made[name][1] for name in there)


def wanted_studies(names: Sequence[str], subject: StudySubject, *, interrupted: bool = False) -> tuple[str, ...]:
    """Return the studies to carry out; none, with a message on stderr, if the search was stopped or found no plan."""
    from optimizer.results.result import Result

    has_plan = subject.plan.baseline is not None if isinstance(subject.plan, Result) else bool(subject.plan.futures)
    if names and (interrupted or not has_plan):
        why = "the search was stopped" if interrupted else "there is no plan"
        common.print_message(f"left out: --with {','.join(names)}, as {why}.")
        return ()
    return tuple(names)
