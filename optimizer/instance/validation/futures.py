"""Checks of futures: questions and their probabilities, what branches may not change, and data known too early."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from optimizer.errors import Finding, Place, Problem
from optimizer.horizon import Horizon
from optimizer.instance.document import Document
from optimizer.instance.members import MEMBERS
from optimizer.instance.overrides import SCENARIOS
from optimizer.instance.questions import FUTURES, Question, QuestionBranch, count_futures, each_question
from optimizer.instance.schema import Instance
from optimizer.instance.validation.windows import has_events
from optimizer.instance.ways import FutureFinding, Way
from optimizer.levers import Lever
from optimizer.limits import EVENTS, MOST_FUTURES
from optimizer.tolerances import ROUNDING
from optimizer.units import short

# What a branch cannot change, by the first keys of a path: it is the same in all futures, or comes before them.
_FIXED = (
    "horizon", "discount_rate", "currency", "home", FUTURES, SCENARIOS, MEMBERS, "policy.objective", "policy.gap_price"
)  # fmt: skip
# The sections whose entries are the same in all futures.
_SAME_NAMES = ("commodities", "processes", "demands", "options")
_CURE_OF_FIXED = "It is the same in all futures: write it outside the branches."


def questions_are_sound(instance: Instance) -> Iterator[Problem]:
    """What is wrong with the questions themselves; nothing else of futures is checked where there is an error."""
    yield from _of_objective(instance)
    if not instance.futures:
        return
    yield from _of_size(instance)
    periods = dict[Place, int]()
    for place, question in each_question(instance.futures):
        yield from _of_period(instance.horizon, place, question, periods)
        yield from _of_probabilities(place, question)
        yield from _of_branches(place, question)
    yield from _asked_twice(instance.futures, ())


def _of_objective(instance: Instance) -> Iterator[Problem]:
    kind = instance.policy.objective.kind
    if kind in ("worst", "regret") and not instance.futures:
        what = f"{kind} compares futures, and the file has none"
        cure = "Add `futures:`, or leave it out: the expected cost is minimised."
        yield ("policy", "objective"), what, cure, "warning"


def _of_size(instance: Instance) -> Iterator[Problem]:
    count = count_futures(instance.futures)
    events = len(instance.events) if has_events(instance) else 0
    if count > MOST_FUTURES:
        what = f"the questions make {count:,} futures, more than {MOST_FUTURES:,}"
        yield (FUTURES,), what, "Ask fewer questions, or leave out branches.", "error"
    elif count * events > EVENTS:
        what = f"{count:,} futures of {events:,} shocks are more than {EVENTS:,} shocks"
        yield (FUTURES,), what, "Ask fewer questions, or list fewer shocks or samples.", "error"


def _of_period(horizon: Horizon, place: Place, question: Question, periods: dict[Place, int]) -> Iterator[Problem]:
    """A question is answered within the horizon, and a nested one not before its own."""
    try:
        t = periods[place] = question.period(horizon)
    except ValueError as cure:
        yield (*place, "from"), f'"{question.from_}" is no period of the horizon', str(cure), "error"
        return
    own = place[:-4]
    if own in periods and t < periods[own]:
        first = horizon.label(periods[own])
        what = f"{question.from_} is before {first}, when {own[-1]} is answered, of whose branch it is a question"
        yield (*place, "from"), what, f"Write {first} or a later period.", "error"


def _of_probabilities(place: Place, question: Question) -> Iterator[Problem]:
    given = {b: branch.probability for b, branch in question.branches.items() if branch.probability is not None}
    missing = [b for b in question.branches if b not in given]
    total = math.fsum(given.values())
    if given and missing:
        rest = f"Write {short(1 - total, 6)}" if missing == missing[:1] and total < 1 else "Give one to every branch"
        what = f"the probability of {' and '.join(missing)} is missing"
        yield (*place, "branches", missing[0]), what, f"{rest}, or leave out all: then they are equal.", "error"
    elif given and abs(total - 1) > ROUNDING:
        cure = "Change them so that they add to 1, or leave out all of them: then they are equal."
        yield (*place, "branches"), f"the probabilities add to {short(total, 9)}, not to 1", cure, "error"


def _of_branches(place: Place, question: Question) -> Iterator[Problem]:
    for b, branch in question.branches.items():
        own = (*place, "branches", b)
        if "." in b:
            cure = f"Write {b.replace('.', '_')}: dots join the branches in the name of a future."
            yield own, "a dot in the name of a branch", cure, "error"
        elif not b.strip():
            yield own, "a branch without a name", "Give it one: the names of futures are made of them.", "error"
        yield from _of_set((*own, "set"), branch.set)
    if not any(branch.set or branch.futures for branch in question.branches.values()):
        yield place, "no branch changes anything", "Add `set:` to one of them, or remove the question.", "warning"


def _of_set(place: Place, keys: Iterable[str]) -> Iterator[Problem]:
    for key in keys:
        fixed = next((each for each in _FIXED if f"{key}.".startswith(f"{each}.")), None)
        if fixed is not None:
            yield (*place, key), f"a branch cannot change `{fixed}`", _CURE_OF_FIXED, "error"


def _asked_twice(questions: Mapping[str, Question], before: tuple[str, ...], place: Place = ()) -> Iterator[Problem]:
    """A name of a question that arises twice on one way: nested ones beside those of the branches around them."""
    names = (*before, *questions)
    for q, question in questions.items():
        for b, branch in question.branches.items():
            own = (*place, FUTURES, q, "branches", b)
            for name in branch.futures:
                if name in names:
                    what = f"{name} is already the name of a question that is asked on the same way"
                    yield (*own, FUTURES, name), what, "Give one of the two another name.", "error"
            yield from _asked_twice(branch.futures, names, own)


def futures_fit(
    base: Instance, future: Instance, before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> Iterator[Problem]:
    """What a future may not change of the file: names of the network and options, kinds, lumpiness, the measure.

    Args:
        base, future: the file and the future.
        before, after: the names that the sections of each declare, those of faulty entries as well.
    """
    for section in _SAME_NAMES:
        for name in sorted(getattr(future, section).keys() - before[section]):
            yield (section, name), f"a branch cannot add to `{section}`", _CURE_OF_FIXED, "error"
        for name in sorted(before[section] - after[section]):
            yield (section,), f'a branch cannot remove "{name}" from `{section}`', "Keep it; set its numbers.", "error"
    for o in sorted(base.options.keys() & future.options.keys()):
        yield from _of_kind(("options", o), base.options[o], future.options[o])
    for field in ("objective", "gap_price"):
        if getattr(base.policy, field) != getattr(future.policy, field):
            yield ("policy", field), f"a branch cannot change `policy.{field}`", _CURE_OF_FIXED, "error"


def _of_kind(place: Place, before: Lever, after: Lever) -> Iterator[Problem]:
    if after.kind != before.kind:
        what = f"a branch cannot make {after.kind} of {before.kind}"
        yield (*place, "kind"), what, "Write two options, and set `max_size: 0` for one of them.", "error"
    elif after.is_lumpy != before.is_lumpy:
        cure = "Give it a fixed_cost or a min_size above 0 in all futures or in none."
        yield place, "is a fixed-charge option in some futures only", cure, "error"


def attribute(
    document: Document, found: Mapping[int, Sequence[Finding]], ways: Sequence[Way], before: Iterable[Finding]
) -> list[Finding]:
    """What is found in futures and not in the file itself, each once, at the line in the branch that causes it.

    Args:
        document: the file.
        found: by number of a way, what was found at its end; ways that set the same have one number.
        ways: all of them.
        before: what is found in the file.
    """
    known = {(each.where, each.what, each.cure, each.severity) for each in before}
    placed, loose = dict[Finding, None](), dict[tuple[str, ...], tuple[Finding, list[Way]]]()
    for number, findings in found.items():
        alike = [way for way in ways if way.key == ways[number].key]
        for each in findings:
            key = (each.where, each.what, each.cure, each.severity)
            if key in known:
                continue
            if isinstance(each, FutureFinding) and each.branch is None:
                loose.setdefault(key, (each, []))[1].extend(alike)
            else:
                placed[_plain(each)] = None
    return [*placed, *(_blame(document, each, of) for each, of in loose.values())]


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _plain(found: Finding) -> Finding:
    """The finding without its branch, which goes before where it stands."""
    own = {key: value for key, value in vars(found).items() if key != "branch"}
    if isinstance(found, FutureFinding) and found.branch is not None:
        own["where"] = ", ".join(filter(None, (_dotted(found.branch), found.where)))
    return Finding(**own)


def _blame(document: Document, found: Finding, having: Sequence[Way]) -> Finding:
    """A finding at a place that no branch set: at the last branch that all futures with it share."""
    shared = [each for each in having[0].changes if all(each in way.changes for way in having)]
    place = (shared or having[0].changes)[-1][0]
    head = _dotted(place) if len(shared) == 1 else f"future {having[0].name}"
    at = document.finding((*place, "set"), found.what, found.cure, found.severity)
    return replace(at, where=", ".join(filter(None, (head, found.where))))


def branch_variants(
    questions: Mapping[str, Question], above: tuple[tuple[Place, QuestionBranch], ...] = (), place: Place = ()
) -> Iterator[tuple[Place, Question, tuple[tuple[Place, QuestionBranch], ...]]]:
    """Every question with several branches that set something, with the branches that it is nested in."""
    for q, question in questions.items():
        own = (*place, FUTURES, q)
        if len(question.branches) > 1 and any(branch.set for branch in question.branches.values()):
            yield own, question, above
        for b, branch in question.branches.items():
            inner = (*own, "branches", b)
            yield from branch_variants(branch.futures, (*above, (inner, branch)), inner)
