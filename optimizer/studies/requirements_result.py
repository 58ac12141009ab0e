"""What a study of stockpile requirements returns: what falls short, what to hold against it, and what it rests on.

Requirements  the plans with nothing bought, with stocks alone, and at hand; its JSON is all frames, row by row
FundingStep   what a part of the money for stocks buys
ConflictCase  other shocks than those of the file, or other assumptions
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from optimizer.instance.schema import Instance
from optimizer.results.plan import Outcome, ReadOnly
from optimizer.results.result import Result
from optimizer.studies.requirements_frames import of_requirements, shortfall_by_material
from optimizer.studies.time_to_survive import TimeToSurvive

CaseKind = Literal["one shock", "length of the conflict", "mobilisation period", "scenario"]


@dataclass(frozen=True)
class FundingStep:
    """A share of the money for stocks, and the plan of stocks alone that it buys."""

    share: float  # of what the amounts to hold cost
    money: float  # for stocks, undiscounted, as far as the budget counts it
    result: Result  # the plan with the least survival gap, audited


@dataclass(frozen=True)
class ConflictCase:
    """Other shocks than those of the file, or other assumptions."""

    kind: CaseKind  # what differs
    name: str  # which of them
    instance: Instance = field(repr=False)
    nothing: tuple[Outcome, ...] = field(repr=False)  # the do-nothing plan, or what of it is about these shocks
    # The plan of stocks alone; None where nothing falls short or the time ran out.
    stocks: Result | None = field(repr=False)

    @property
    def is_short(self) -> bool:
        """Whether anything falls short with nothing bought."""
        return any(shortfall_by_material(self.instance, self.nothing).values())


@dataclass(frozen=True)
class Requirements(ReadOnly):
    """Stockpile requirements of an instance.

    Attributes:
        instance: the file's.
        result: the plan at hand, in it.
        alone: the instance in which stocks alone can be bought.
        nothing: the do-nothing plan of `alone`.
        stocks: the cheapest plan of `alone`, which has the amounts to hold.
        funding: less money than that, the least first.
        unfunded: by stock that is bought, the plan without buying it.
        cases: other conflicts.
        times: time to survive of every chokepoint; None where it was left out.
        stopped: whether Ctrl-C or a time limit ended the study before all was known.
        notes: what the user should know.
    """

    instance: Instance = field(repr=False)
    result: Result = field(repr=False)
    alone: Instance = field(repr=False)
    nothing: Result = field(repr=False)
    stocks: Result = field(repr=False)
    funding: tuple[FundingStep, ...] = ()
    unfunded: Mapping[str, Result] = field(default_factory=dict, repr=False)
    cases: tuple[ConflictCase, ...] = ()
    times: TimeToSurvive | None = field(default=None, repr=False)
    stopped: bool = False
    notes: tuple[str, ...] = ()

    frames = property(of_requirements)

    def __repr__(self) -> str:
        short = sum(tonnes > 0 for tonnes in shortfall_by_material(self.alone, self.nothing.shocks).values())
        return f"<Requirements {self.instance.title!r}: materials that fall short: {short}>"

    @property
    def steps(self) -> tuple[FundingStep, ...]:
        """All shares of the money, from nothing to the whole."""
        whole = FundingStep(1.0, self.stocks.outlay - self.nothing.outlay, self.stocks)
        return (*self.funding, whole)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual: every frame as a list of its rows."""
        frames = self.frames
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "status": self.result.status,
            "stopped": self.stopped,
            "notes": list(self.notes),
            **{name: [_plain(row) for row in frames.frame(name).rows()] for name in frames},
        }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for JSON: null where a number is infinite."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
