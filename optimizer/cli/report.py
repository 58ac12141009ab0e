"""diversify report: a plan as a page, as a brief of its first screen, or as a workbook."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from optimizer import arguments
from optimizer.cli import common, inputs, options, page_studies
from optimizer.errors import BRIEF_FORMS, PAGE_FORMS, REPORT_FORMS, WORKBOOK_FORM
from optimizer.files import saved_plan

if TYPE_CHECKING:
    from optimizer.algorithms.workers import Memory
    from optimizer.instance.schema import Instance
    from optimizer.report.document import ReportParts
    from optimizer.report.html.book import Book
    from optimizer.report.html.sections import PageSection
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.solver import Clock, Settings
    from optimizer.studies.comparison import Frontier
    from optimizer.studies.explanation import Explanation
    from optimizer.studies.purchases import Delay, DelaysByFuture

# Tasks of every page; with no more processors than tasks, each task uses one processor.
_TASKS = ("budgets", "delays", "figures")
# Note on stockpile requirements, if the plan was made against an adversary.
SHAPING_ATTACKS = "Of the adversary's attacks, only those count here that are among the shocks of the plan."


@dataclass(frozen=True)
class _Request:
    """The options of a report."""

    source: str  # the file of the plan or instance
    output: Path
    names: Sequence[str]  # the studies
    accuracy: float  # accuracy of the studies
    time_limit: float | None
    quick: bool
    json: bool
    amounts: list[float] | None  # other budgets; None for the usual ones
    comments: Path | None  # the file from which comments are taken; None for that of the plan

    @property
    def form(self) -> str:
        """The form of the report, the suffix of its file."""
        return self.output.suffix.lower()


@common.understands("futures", "measures")
def command(
    source: options.PlanFile,
    changes: options.Changes,
    search: options.PlanSearch,
    accuracy: options.Accuracy,
    plan: options.OtherPlan = None,
    with_: Annotated[
        str | None, options.search_option("--with", metavar="NAME,…", help="Studies: explain, attack, … or all.")
    ] = None,
    quick: Annotated[
        bool, options.search_option("--quick", help="Leave out budgets, delays, what decides, and --with all.")
    ] = False,
    budgets: Annotated[
        str | None, options.search_option(metavar="LIST", help="Other budgets, such as 0,250M,1B.")
    ] = None,
    output: Annotated[
        Path,
        options.answer_option(
            "--output", "-o", metavar="FILE", help="A page (.html), brief (.pdf, .docx, .md) or workbook (.xlsx)."
        ),
    ] = Path("report.html"),
    instance_: Annotated[
        Path | None, options.answer_option("--instance", metavar="FILE", help="Take comments (sources) from this file.")
    ] = None,
    requirements: Annotated[
        bool, options.answer_option("--requirements", help="Report stockpile requirements (50 USC 98h-5).")
    ] = False,
    json: options.Json = False,
) -> None:
    """Write a plan as a page, a brief for print, or a workbook.

    Example: diversify report instances/tiny.yaml --quick --output report.html
    Manual:  docs/how-to/report.md
    """
    names = page_studies.parse_studies(with_)
    pages_only = json or budgets is not None or bool(names)
    _check_output(output, source, instance_, has_pages_only=pages_only and not requirements)
    if requirements:
        without = {"--budgets": budgets is not None, "--with": bool(names), "--instance": instance_ is not None}
        _check_requirements(source, output, changes, has_plan=plan is not None, left_out=without)
        _end_with_requirements(_find_plan(source, plan, changes, search), search, output, quick=quick, json=json)
    amounts = None if budgets is None else _parse_budgets(budgets, quick=quick)
    is_brief = output.suffix.lower() in BRIEF_FORMS and not json
    allowed = page_studies.IN_BRIEF if is_brief else tuple(page_studies.STUDIES)
    if quick and page_studies.EVERY_STUDY in names:
        common.print_message("--quick leaves out the studies of --with all: name those that you want.")
    adversary = search.adversary or inputs.is_made_against_adversary(source)
    names = page_studies.choose_studies(names, source, changes, adversary=adversary, quick=quick, allowed=allowed)
    limit = search.time_limit
    request = _Request(source, output, names, accuracy.share_of_price, limit, quick, json, amounts, instance_)
    futures = _find_futures(source, plan, changes, search, names)
    if futures is not None:
        what = "a plan of several futures has none: leave it out, or take one by --future."
        if len(futures.futures) == 1:
            what = f"a page of a plan by {futures.measure} has none: leave it out, or judge plans by expected cost, by "
            what += "the file and --set policy.objective=expected."
        _refuse_given({"--budgets": budgets is not None}, what)
        _end_with_futures(futures, request)
    _end_with_one_plan(_find_plan(source, plan, changes, search), request)


def _parse_budgets(text: str, *, quick: bool) -> list[float]:
    """Return the amounts of `--budgets`; refuse them beside `--quick`, and anything else, as a usage error."""
    _refuse_given({"--budgets": quick}, "--quick leaves out other budgets: leave out one of the two.")
    # The plan without a limit is always among the others.
    return [each for each in common.parse_budgets([word.strip() for word in text.split(",")]) if each is not None]


def _end_with_one_plan(found: inputs.PlanInput, request: _Request) -> NoReturn:
    """Write a plan as a page, a brief or a workbook, and end."""
    from optimizer.report.document import ReportParts, other_file_warnings
    from optimizer.report.narrative import answer_sentence
    from optimizer.solver import Clock
    from optimizer.studies.verify import audit_warnings

    source, names, limit = request.source, request.names, request.time_limit
    clock, instance, result = Clock(limit), found.instance, _with_sources(found.result, request.comments)
    clock.interrupted = found.interrupted
    doubts = audit_warnings(instance, result)
    # Without studies there is no default limit: the parts of every page are complete even on a busy machine.
    limit = page_studies.REPORT_SECONDS if names and limit is None else limit
    subject = page_studies.StudySubject(source, instance, result, request.accuracy, limit)
    with inputs.plan_that_fits(source, doubts):
        made = _carry_out(subject, request, clock)
        made, studied = page_studies.split_studies(names, made)
        warnings = (*doubts, *other_file_warnings(result, request.comments))
        parts = ReportParts(instance, result, made["budgets"], made["delays"], made.values(), studied, warnings)
        parts = replace(parts, is_quick=request.quick, shown=made["shown"], pictures=made["pictures"])
        if request.form in BRIEF_FORMS and not request.json and "explain" in names:
            _report_unused(instance, result, made.get("explain"))
        stopped = clock.interrupted or (clock.limit is not None and _is_cut(instance, result, made, studied))
        _end_with_report(parts, request, answer_sentence(instance, result), stopped=stopped, disagrees=bool(doubts))


def _report_unused(instance: "Instance", result: "Result", found: "Explanation | None") -> None:
    """Print why a brief has nothing of an explanation: a brief only names repairs, if there are any."""
    from optimizer.report.tables.explain import repair_sentences

    if result.survives:
        common.print_message("explain: the plan survives, and a brief says only what would help a plan that does not.")
    elif found is None:
        common.print_message("explain: it was stopped before it found anything: --time-limit gives it more time.")
    elif not repair_sentences(instance, found):
        common.print_message("explain: nothing was found that would help, so that the brief says nothing of it.")


def _carry_out(subject: page_studies.StudySubject, request: _Request, clock: "Clock") -> dict[str, Any]:
    """Return the plans of other budgets, the effects of delays, and studies, by name; some are missing if stopped."""
    from optimizer.algorithms.workers import Task, core_count
    from optimizer.studies.comparison import single_point

    instance, result, interrupted = subject.instance, subject.result, clock.interrupted
    wanted = page_studies.wanted_studies(request.names, subject, interrupted=interrupted)
    tasks = page_studies.study_tasks(wanted, subject, on_page=True)
    is_shared = bool(wanted) or core_count() <= len(_TASKS)
    if not (request.quick or interrupted or result.baseline is None):
        # With more processors than tasks, each task uses all of them in turn.
        own = replace(subject, jobs=1 if is_shared else None)
        # A workbook has no plans of other budgets.
        asked = (own, request.amounts, request.form in PAGE_FORMS)
        budgets = {} if request.form == WORKBOOK_FORM else {"budgets": Task(_find_budgets, asked)}
        tasks = {**budgets, **tasks, "delays": Task(_find_delays, (own,))}
        if "sensitivity" not in tasks:
            tasks["figures"] = Task(page_studies.find_deciding_figures, (own,))
    seconds = result.seconds["total"] if is_shared else 0.0
    made = page_studies.carry_out_all(tasks, instance.money, seconds, subject.time_limit, clock)
    is_stopped = interrupted or "budgets" in tasks.keys() - made.keys()
    alone = replace(single_point(instance, result), stopped=is_stopped)
    found, shown, pictures = made.pop("budgets", (alone, None, ()))
    delays = _known_delays(subject, request, made)
    return {**made, "budgets": found, "shown": shown, "pictures": pictures, "delays": delays}


def _known_delays(
    subject: page_studies.StudySubject, request: _Request, made: dict[str, Any]
) -> "tuple[Delay, ...] | None":
    """Return the effects of delays that were `made`, none if they were stopped, or None if they were left out."""
    from optimizer.studies.delays import brief_groups

    if request.quick or not brief_groups(subject.instance, subject.result):
        return None
    found: tuple[Delay, ...] = made.get("delays", ())
    return found


def _find_budgets(
    memory: "Memory", subject: page_studies.StudySubject, amounts: list[float] | None, is_page: bool
) -> "tuple[Frontier, Book, tuple[PageSection, ...]]":
    """Compute, as a task, the plans of other budgets, their data on a page, and for a page the pictures of the plan."""
    from optimizer.algorithms.workers import listener_of
    from optimizer.report.html.book import book
    from optimizer.report.html.sections import plan_pictures
    from optimizer.studies.compare import frontier

    found = frontier(subject.instance, subject.result, amounts, subject.settings, listener_of(memory))
    shown = book(subject.instance, found)
    with common.library_warnings():
        return found, shown, plan_pictures(shown) if is_page else ()


def _find_delays(memory: "Memory", subject: page_studies.StudySubject) -> "tuple[Delay, ...]":
    """Compute, as a task, the effects of a delay by a year."""
    from optimizer.algorithms.workers import listener_of
    from optimizer.studies.delays import find_brief_delays

    return find_brief_delays(subject.instance, subject.result, subject.settings, listener_of(memory))


def _is_cut(instance: "Instance", result: "Result", made: dict[str, Any], studied: "Sequence[PageSection]") -> bool:
    """Return whether the time left out plans, delays, numbers that decide, or a part of a study."""
    from optimizer.studies.delays import brief_groups

    figures, delays = made.get("figures"), made["delays"]
    is_short = delays is not None and len(delays) < len(brief_groups(instance, result))
    is_short |= figures is not None and figures.status == "stopped"
    return is_short or made["budgets"].stopped or any(each.is_stopped for each in studied)


def _find_futures(
    source: str, plan: str | None, changes: options.Changes, search: options.PlanSearch, names: Sequence[str]
) -> "FuturesResult | None":
    """Return the plan of all futures, if the file has several or another measure and no `plan` is given; else None."""
    first = search.without_limit if saved_plan(source) else search
    futures = inputs.find_futures(source, changes, first) if plan is None else None
    if futures is None and "futures" in names:
        what = "the study of futures is about the plan of all of them: leave out --plan, or futures."
        raise typer.BadParameter(what, param_hint="--with")
    return futures


def _refuse_given(given: dict[str, bool], what: str) -> None:
    """Refuse, as a usage error, the first option that is given."""
    for option, is_given in given.items():
        if is_given:
            raise typer.BadParameter(what, param_hint=option)


def _end_with_futures(result: "FuturesResult", request: _Request) -> NoReturn:
    """Write a plan of several futures, which has no plans of other budgets, and end."""
    from optimizer.instance.reading import instance_of
    from optimizer.io.load import comments_of, open_document
    from optimizer.report.document import ReportParts, other_file_warnings
    from optimizer.report.tables.futures import futures_headline
    from optimizer.solver import Clock, Settings
    from optimizer.studies.verify import audit_warnings

    # Of a plan just solved, which needs no audit, the instance is known; `instance_of` sets that of a saved plan.
    doubts = audit_warnings(instance_of(result), result) if result.solved_instance is None else ()
    instance, comments = instance_of(result), comments_of(request.comments or request.source)
    if request.comments is not None:
        open_document(request.comments)
    subject = page_studies.StudySubject(request.source, instance, result, request.accuracy, request.time_limit)
    # If the user stopped the search, the studies of its plan are left out as well.
    is_interrupted = result.status == "stopped" and request.time_limit is None
    wanted = page_studies.wanted_studies(request.names, subject, interrupted=is_interrupted)
    tasks = page_studies.study_tasks(wanted, subject, on_page=True)
    clock = Clock(request.time_limit)
    made = page_studies.carry_out_all(tasks, instance.money, 0.0, request.time_limit, clock)
    made, studied = page_studies.split_studies(request.names, made)
    # Delays have what the studies left of the time.
    settings = Settings(accuracy=request.accuracy).within(clock)
    with inputs.plan_that_fits(request.source, doubts):
        delays, is_whole = ({}, True) if request.quick or is_interrupted else _futures_delays(result, settings, clock)
        warnings = (*doubts, *other_file_warnings(result, request.comments))
        parts = ReportParts(instance, result, None, delays, made.values(), studied, warnings, comments)
        stopped = clock.interrupted or not is_whole or any(each.is_stopped for each in studied)
        answer = f"{result.title}: {futures_headline(result)}"
        _end_with_report(parts, request, answer, stopped=stopped, disagrees=bool(doubts))


def _futures_delays(result: "FuturesResult", settings: "Settings", clock: "Clock") -> "tuple[DelaysByFuture, bool]":
    """Return the effects of delays by a year in each future, and whether they are all there.

    They are empty if the user stops the search, and the clock.
    """
    from optimizer.studies.delays import find_futures_delays, groups_by_future

    with contextlib.suppress(KeyboardInterrupt), common.display(result.money, lists_tasks=True) as listener:
        found = find_futures_delays(result, settings, listener)
        return found, all(len(found[name]) == len(groups) for name, groups in groups_by_future(result).items())
    clock.interrupted = True
    return {each.name: () for each in result.futures}, False


def _find_plan(source: str, plan: str | None, changes: options.Changes, search: options.PlanSearch) -> inputs.PlanInput:
    """Return the plan, solved, saved or given; the time limit of a saved or given plan is for other budgets alone."""
    if plan is not None:
        return inputs.read_written_plan(source, plan, changes, search.without_limit)
    return inputs.find_plan(source, changes, search.without_limit if saved_plan(source) else search)


def _check_output(output: Path, source: str, instance: Path | None, *, has_pages_only: bool) -> None:
    """Refuse, as a usage error, a file that cannot be written, and options that a workbook does not support."""
    is_workbook = arguments.file_path("output", output, REPORT_FORMS).suffix.lower() == WORKBOOK_FORM
    if is_workbook and has_pages_only:
        what = "a workbook holds one plan: leave out --json, --budgets and --with."
        raise typer.BadParameter(what, param_hint="--output")
    common.check_file(output, "--output", source, instance, extra="excel" if is_workbook else "report")
    if is_workbook and output.exists():
        from optimizer.io.load import holds_instance

        if holds_instance(output):
            raise typer.BadParameter(f"{output} is an instance; name another file.", param_hint="--output")
    if instance is not None and not instance.is_file():
        raise typer.BadParameter(f"{instance} is no file.", param_hint="--instance")


def _with_sources(result: "Result", instance: Path | None) -> "Result":
    """Return the result, with the comments of another file than its own if one is named."""
    if instance is None:
        return result
    from optimizer.io.load import open_document

    open_document(instance)
    return common.with_comments(result, str(instance))


def _end_with_report(
    parts: "ReportParts", request: _Request, answer: str, *, stopped: bool, disagrees: bool
) -> NoReturn:
    """Write the report, even if the audit disagrees with the plan, which is printed last and sets the exit code."""
    from optimizer.report.document import make_document
    from optimizer.report.screen import Screen

    with common.library_warnings():
        data, content = make_document(parts, request.form)
    if request.json:
        studies = {each.name: each.data for each in parts.sections}
        common.print_json(data | ({"studies": studies} if studies else {}))
    else:
        Screen().print(answer)
    common.write_answer(request.output, content)
    if stopped:
        common.print_message("The search was stopped: what was not known by then is left out.")
    for doubt in parts.warnings:
        common.print_message(doubt)
    common.end_with_plan(parts.result, is_stopped=stopped, disagrees=disagrees)


# Stockpile requirements


def _check_requirements(
    source: str, output: Path, changes: options.Changes, *, has_plan: bool, left_out: dict[str, bool]
) -> None:
    """Refuse, before anything is solved, what requirements do not support, and instances without requirements.

    Raises:
        InstanceError: the instance has no shocks or no demand.
        BadParameter: an option or the form of the output is not supported, or there are several futures.
    """
    from optimizer.results.futures import FuturesResult

    if output.suffix.lower() in BRIEF_FORMS:
        what = f"requirements are written as a page (.html) or a workbook (.xlsx), not as {output.suffix}:"
        what += f" write --output {output.with_suffix('.html')}, or {output.with_suffix(WORKBOOK_FORM)}."
        raise typer.BadParameter(what, param_hint="--output")
    _refuse_given(left_out, "stockpile requirements do not have it: leave it out.")
    is_unchosen = changes.future is None and inputs.is_futures_plan(source)
    if is_unchosen and len(FuturesResult.load(source).futures) > 1:
        what = f"{source} is a plan of several futures: take one of them by --future NAME."
        raise typer.BadParameter(what, param_hint="--requirements")
    if has_plan or not saved_plan(source):
        from optimizer.studies.requirements import check_conflict

        instance = inputs.change_instance(source, changes, takes_futures=True).instance
        inputs.refuse_futures(instance, source)
        check_conflict(instance)


def _end_with_requirements(
    found: inputs.PlanInput, search: options.PlanSearch, output: Path, *, quick: bool, json: bool
) -> NoReturn:
    """Print the requirements, write the page or the workbook, and end with the exit code of the plan."""
    from optimizer.solver import Settings
    from optimizer.studies.requirements import find_requirements
    from optimizer.studies.verify import audit_warnings

    found = replace(found, instance=common.judge_by_expected_cost(found.instance))
    doubts = audit_warnings(found.instance, found.result) if found.is_saved else ()
    settings = Settings(mip_gap=search.share_of_cost, time_limit=search.time_limit)
    is_quick = quick or found.interrupted
    with common.display(found.instance.money, lists_tasks=True) as listener:
        made = find_requirements(found.instance, found.result, is_quick=is_quick, settings=settings, listener=listener)
    from optimizer.report.document import requirements_page
    from optimizer.report.excel import requirements_workbook
    from optimizer.report.tables.requirements import requirements_parts

    common.print_answer(made, requirements_parts, json=json)
    written = requirements_workbook if output.suffix.lower() == WORKBOOK_FORM else requirements_page
    notes = doubts if found.result.adversary is None else (*doubts, SHAPING_ATTACKS)
    common.write_answer(output, written(made, notes))
    for note in notes:
        common.print_message(note)
    common.end_with_plan(found.result, is_stopped=made.stopped or found.interrupted, disagrees=bool(doubts))
