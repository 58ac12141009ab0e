"""Result of a study of stockpile requirements.

Requirements  the do-nothing plan, the plan of stocks alone, and the given plan; its JSON holds all frames, row by row
FundingStep   the plan of stocks alone for a share of its cost
ConflictCase  the requirements under other shocks than those of the file, or under other assumptions
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from optimizer.files import finite_or_none
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frames
from optimizer.results.plan import Outcome, ReadOnly
from optimizer.results.result import Result
from optimizer.studies import requirements_assessment, requirements_frames
from optimizer.studies.requirements_frames import held_stocks, shortfall_by_material
from optimizer.studies.time_to_survive import TimeToSurvive

CaseKind = Literal["one shock", "one family", "length of the conflict", "mobilisation period", "scenario"]


@dataclass(frozen=True)
class FundingStep:
    """A share of the cost of the amounts to hold, and the plan of stocks alone with that budget."""

    share: float  # of the cost of the amounts to hold
    money: float  # outlay on stocks, undiscounted
    result: Result  # the plan with the least survival gap, audited


@dataclass(frozen=True)
class ConflictCase:
    """The requirements under other shocks than those of the file, or under other assumptions."""

    kind: CaseKind  # the assumption that differs
    name: str  # the shock, the change of windows, or the scenario
    instance: Instance = field(repr=False)
    nothing: tuple[Outcome, ...] = field(repr=False)  # outcomes of these shocks under the do-nothing plan
    # The plan of stocks alone; None if nothing falls short or the time ran out.
    stocks: Result | None = field(repr=False)

    @property
    def is_short(self) -> bool:
        """Whether any material falls short under the do-nothing plan."""
        return any(shortfall_by_material(self.instance, self.nothing).values())


@dataclass(frozen=True)
class Requirements(ReadOnly):
    """Stockpile requirements of an instance.

    Attributes:
        instance: the instance of the file.
        result: the given plan in `instance`.
        alone: the instance in which only stocks can be bought.
        nothing: the do-nothing plan in `alone`.
        stocks: the cheapest plan in `alone`, which defines the amounts to hold.
        funding: the plans with less money than `stocks` needs, the least first.
        unfunded: by stock that `stocks` buys, the plan without buying it.
        cases: other conflicts.
        times: time to survive of every chokepoint; None if it was left out.
        stopped: whether Ctrl-C or a time limit ended the study early.
        notes: remarks for the user.
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

    @property
    def frames(self) -> Frames:
        """The frames by name; attributes are pandas frames."""
        makers = {
            "materials": requirements_frames.materials_frame,
            "needs": requirements_frames.needs_frame,
            "holdings": requirements_frames.holdings_frame,
            "purchases": requirements_frames.purchases_frame,
            "shortfalls": requirements_frames.shortfalls_frame,
            "funding": requirements_frames.funding_frame,
            "cases": requirements_frames.cases_frame,
            "supply": requirements_assessment.supply_frame,
            "chain": requirements_assessment.chain_frame,
            "times": requirements_assessment.times_frame,
            "assumptions": requirements_assessment.assumptions_frame,
            "clauses": requirements_assessment.clauses_frame,
        }
        return Frames(makers, self)

    def __repr__(self) -> str:
        short = sum(tonnes > 0 for tonnes in shortfall_by_material(self.alone, self.nothing.shocks).values())
        return f"<Requirements {self.instance.title!r}: materials that fall short: {short}>"

    @property
    def steps(self) -> tuple[FundingStep, ...]:
        """The funding steps, from the smallest share to the full amount."""
        return (*self.funding, FundingStep(1.0, self.money, self.stocks))

    @property
    def money(self) -> float:
        """The outlay on the amounts to hold, undiscounted; price support of processes is no part of it."""
        return math.fsum(row["counted"] for row in held_stocks(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual: every frame as a list of its rows."""
        frames = self.frames
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "status": self.result.status,
            "stopped": self.stopped,
            "notes": list(self.notes),
            **{
                name: [{k: finite_or_none(value) for k, value in row.items()} for row in frames.frame(name).rows()]
                for name in frames
            },
        }
