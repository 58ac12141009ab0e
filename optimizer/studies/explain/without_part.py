"""What-ifs about a plan that survives, side by side: each is a question that one process answers by itself.

They differ from the plan in one thing each, so none needs another's answer; what a process learns, it keeps for the
questions that it gets later. Answers are told in the order in which they were asked, the most useful first.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from optimizer.algorithms.question_pool import Call, Desk, Team, seats
from optimizer.instance.schema import Instance
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.explain.order_dates import Deadline, deadline
from optimizer.studies.explain.prices import Ground, Prices, Thing, Worth
from optimizer.studies.explain.questions import WhatIfs
from optimizer.studies.what_if import Asker


@dataclass(frozen=True)
class Terms:
    """What all questions have in common.

    Attributes:
        instance, settings, each: as for `WhatIfs` and its asker.
        until: the moment, in seconds of the epoch, at which the time runs out; None where there is no limit.
        ground: the plan.
    """

    instance: Instance
    settings: Settings
    each: float
    until: float | None
    ground: Ground


class Aside:
    """Answers what-ifs about a plan.

    Args:
        what: asks, where it is this process that answers.
        ground: the plan.
        seconds: that a what-if took.
    """

    def __init__(self, what: WhatIfs, ground: Ground, seconds: float) -> None:
        self.what, settings, left = what, what.asker.settings, what.asker.clock.left
        # A cluster answers for the shocks of one question after the other.
        size = 1 if settings.cluster else seats(settings.jobs, seconds)
        self._team = Team(size, what.asker.clock)
        if self._team.size == 1:
            self._team.desk["what"] = what
        else:
            settings = replace(settings, jobs=1, threads=settings.threads or 1)
        self._terms = Terms(what.instance, settings, what.each, None if left is None else time.time() + left, ground)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self._team.__exit__(*about)

    def worths(self, things: Sequence[Thing]) -> Iterator[Worth]:
        """What each thing is worth, those left out for which there was no time."""
        calls = [Call(_worth, (self._terms, thing)) for thing in things]
        yield from self._answers(calls, [thing.words for thing in things])

    def deadlines(self, options: Sequence[str], lost: Mapping[str, bool | None]) -> Iterator[Deadline]:
        """By when each of some options has to be ordered; `lost` says whether something survives without it."""
        calls = [Call(_deadline, (self._terms, o, lost.get(o))) for o in options]
        yield from self._answers(calls, [f"by when {o} has to be ordered" for o in options])

    def _answers(self, calls: Sequence[Call], words: Sequence[str]) -> Iterator[Any]:
        """Answers in the order of the calls; None is none."""
        known, following = dict[int, Any](), 0
        self._tell(words, following)
        with contextlib.closing(self._team.answers(calls)) as answers:  # type: ignore[type-var]
            for number, answer in answers:
                known[number] = answer
                while following in known:
                    answer, following = known.pop(following), following + 1
                    self._tell(words, following)
                    if answer is not None:
                        yield answer
        # After Ctrl-C some are missing.
        yield from (answer for _, answer in sorted(known.items()) if answer is not None)

    def _tell(self, words: Sequence[str], number: int) -> None:
        """What is waited for; who asks in this process tells it himself."""
        if self._team.size > 1 and number < len(words) and not self.what.is_over:
            self.what.progress(f"{words[number]} ({number + 1} of {len(words)}, {self._team.size} at a time)")


def _worth(desk: Desk, terms: Terms, thing: Thing) -> Worth | None:
    with _asking(desk, terms) as what:
        return None if what.is_over else Prices(what, terms.ground).worth(thing)


def _deadline(desk: Desk, terms: Terms, o: str, is_spared: bool | None) -> Deadline | None:
    with _asking(desk, terms) as what:
        return None if what.is_over else deadline(what, terms.ground.plan, o, is_spared)


@contextlib.contextmanager
def _asking(desk: Desk, terms: Terms) -> Iterator[WhatIfs]:
    """Who asks in this process: a process of ours has an asker of its own, and hears of Ctrl-C by itself."""
    if "what" in desk:
        yield desk["what"]
        return
    if "own" not in desk:
        desk["own"] = WhatIfs(terms.instance, Asker(terms.instance, terms.settings), terms.each)
    what: WhatIfs = desk["own"]
    what.asker.clock = Clock(None if terms.until is None else max(0.0, terms.until - time.time()))
    with interruptible(what.asker.clock, lambda: None):
        yield what
