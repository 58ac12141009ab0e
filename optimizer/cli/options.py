"""Options that several commands share, sorted by their panel in `--help`.

A command declares a **group** of options, such as `Changes`, as one parameter; `spread_groups` replaces this parameter
by the options of the group.
"""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from optimizer.cli import common
from optimizer.tolerances import PLAN_GAP

# One kind of option for each panel of `--help`.
changes_option = functools.partial(typer.Option, rich_help_panel="Changes to the instance")
search_option = functools.partial(typer.Option, rich_help_panel="Search")
answer_option = functools.partial(typer.Option, rich_help_panel="Answer")


def limited_option(metavar: str, least: float, most: float | None, help_: str) -> Any:
    """Return a search option for a number within limits; its help text states the default."""
    return search_option(metavar=metavar, min=least, max=most, help=help_, show_default=False)


InstanceFile = Annotated[str, typer.Argument(metavar="FILE|PLAN", help="Instance, or the one in a saved plan.")]
InstanceFiles = Annotated[list[str], typer.Argument(metavar="FILE|PLAN", help="Instances or saved plans.")]
JudgedFile = Annotated[str, typer.Argument(metavar="FILE|PLAN", help="Instance, or a saved plan as it is.")]
PlanFile = Annotated[str, typer.Argument(metavar="PLAN|FILE", help="Saved plan; an instance is solved.")]

Overrides = Annotated[
    list[str] | None, changes_option("--set", metavar="KEY=VALUE", help="Override a value of the file; repeat.")
]
OneFuture = Annotated[str | None, changes_option(metavar="NAME", help="Take one future of the file alone.")]
Adversary = Annotated[bool, changes_option("--adversary", help="Survive the worst attack as well.")]
NO_LISTED_ATTACKS = "No attack of the file's adversary is among the shocks: --adversary lists those that it can afford."
ListedAttacks = Annotated[bool, changes_option("--adversary", help="Add affordable attacks as shocks.")]
OtherPlan = Annotated[
    str | None, changes_option("--plan", metavar="PLAN|FILE", help="Judge this plan in FILE's instance.")
]

TimeLimit = Annotated[float | None, search_option(metavar="SECONDS", min=0, help="Stop then, with the best plan.")]
Jobs = Annotated[int | None, search_option(metavar="N", min=1, help="Worker processes.")]
Cluster = Annotated[str | None, search_option(metavar="tcp://HOST:PORT", help="Check shocks on a Dask cluster.")]
Threads = Annotated[int | None, search_option(metavar="N", min=1, max=256, help="Threads of the solver.")]
SolverSeed = Annotated[int | None, search_option(metavar="N", min=0, help="Random seed of the solver.")]
Quick = Annotated[bool, search_option("--quick", help="Skip the exact thresholds.")]
_OldGap = Annotated[float | None, typer.Option("--gap", hidden=True, min=0, max=1)]

Every = Annotated[bool, answer_option("--all", help="A row for each shock of a family or ensemble.")]
Json = Annotated[bool, answer_option("--json", help="Print JSON, no tables.")]
PlanOutput = Annotated[
    Path | None, answer_option("--output", "-o", metavar="FILE", help="Write the plan to this file.")
]
CsvFolder = Annotated[
    Path | None, answer_option(metavar="DIR", help="Write CSV tables here, in place of earlier ones.")
]


@dataclass(frozen=True)
class Changes:
    """Changes to the instance file, as text of the command line, in the order of application."""

    set_: Overrides = None
    scenario: Annotated[list[str] | None, changes_option(metavar="NAME", help="Apply a scenario; repeat to stack.")] = (
        None
    )
    future: OneFuture = None
    force: Annotated[
        list[str] | None, changes_option(metavar="OPTION=SIZE@YEAR", help="Buy exactly that in the year; repeat.")
    ] = None
    without: Annotated[list[str] | None, changes_option(metavar="NAME,…", help="Leave out options or kinds.")] = None
    budget: Annotated[str | None, changes_option(metavar="AMOUNT", help="Limit on undiscounted outlay: 250M.")] = None

    @property
    def amounts(self) -> dict[str, tuple[str, str]]:
        """The values that are set last: by command-line option, the path in the file and the amount."""
        return {} if self.budget is None else {"--budget": ("policy.budget", self.budget)}

    @property
    def given(self) -> list[str]:
        """The options of the changes on the command line, such as ``--budget``."""
        order = ("budget", "without", "force", "future", "scenario", "set_")
        names = [*order, *(part.name for part in fields(self) if part.name not in order)]
        return [f"--{name.rstrip('_').replace('_', '-')}" for name in names if getattr(self, name)]


@dataclass(frozen=True)
class AttackChanges(Changes):
    """Changes to the instance file for a command about the adversary."""

    attack_budget: Annotated[str | None, changes_option(metavar="AMOUNT", help="Attack budget, such as 500M.")] = None

    @property
    def amounts(self) -> dict[str, tuple[str, str]]:
        """The values that are set last, with the attack budget."""
        if self.attack_budget is None:
            return super().amounts
        return super().amounts | {"--attack-budget": ("adversary.attack_budget", self.attack_budget)}


_mip_gap_option = limited_option("SHARE", 0, 1, "Relative MIP gap (1e-4).")


@dataclass(frozen=True)
class Proof:
    """The MIP gap to which `solve` proves a plan."""

    mip_gap: Annotated[float, _mip_gap_option] = PLAN_GAP
    gap: _OldGap = None

    @property
    def share_of_cost(self) -> float:
        """The MIP gap of `--mip-gap`, or of `--gap`, its older name."""
        return self.mip_gap if self.gap is None else self.gap


def _accuracy_option(usual: float) -> Any:
    return limited_option("SHARE", 0, 1, f"Prove costs to this share of the price of survival ({usual}).")


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of costs where plans are compared; the MIP gap of each search follows from it."""

    accuracy: Annotated[float, _accuracy_option(0.02)] = 0.02
    gap: _OldGap = None

    @property
    def share_of_price(self) -> float:
        """Share of the price of survival; survival gaps are proven to this share of themselves, but at most 0.005."""
        return self.accuracy if self.gap is None else self.gap


FINE_ACCURACY = 0.005


@dataclass(frozen=True)
class FineAccuracy(Accuracy):
    """The accuracy of single what-ifs, finer than that of comparisons of plans."""

    accuracy: Annotated[float, _accuracy_option(FINE_ACCURACY)] = FINE_ACCURACY


@dataclass(frozen=True)
class PlanSearch:
    """Options of the search where a command solves an instance first; refused where a saved plan is given.

    `report` and some figures of `plot` take the time limit beside a saved plan too, for their other searches.
    """

    adversary: Adversary = False
    time_limit: TimeLimit = None
    mip_gap: Annotated[float | None, _mip_gap_option] = None

    @property
    def share_of_cost(self) -> float:
        """The MIP gap given, or the default one."""
        return PLAN_GAP if self.mip_gap is None else self.mip_gap

    @property
    def without_limit(self) -> "PlanSearch":
        """The options without the time limit, where this is for other searches than that of the plan."""
        return replace(self, time_limit=None)

    @property
    def given(self) -> list[str]:
        """The options of the search on the command line, such as ``--time-limit``."""
        is_given = {
            "--time-limit": self.time_limit is not None,
            "--mip-gap": self.mip_gap is not None,
            "--adversary": self.adversary,
        }
        return [name for name, given in is_given.items() if given]


def spread_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a group of options by its options; the command gets the group."""
    hints = get_type_hints(command, include_extras=True)
    parameters, groups = list[inspect.Parameter](), dict[str, type[Any]]()
    for name, parameter in inspect.signature(command).parameters.items():
        if not (isinstance(hints[name], type) and is_dataclass(hints[name])):
            parameters.append(parameter.replace(annotation=hints[name]))
            continue
        groups[name] = hints[name]
        of_group = get_type_hints(hints[name], include_extras=True)
        for part in fields(hints[name]):
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            parameters.append(inspect.Parameter(part.name, kind, default=part.default, annotation=of_group[part.name]))

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{part.name: given.pop(part.name) for part in fields(group)})
        command(**given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
    return run


def parse_forces(texts: Sequence[str]) -> list[tuple[str, int, float]]:
    """Return option, year and size of each ``OPTION=SIZE@YEAR,…``; refuse any other text as a usage error."""
    found: dict[tuple[str, int], float] = {}
    for text in (each for several in texts for each in several.split(",")):
        parts = re.fullmatch(r"\s*([^=\s][^=]*?)\s*=([^@]*)@\s*(\d+)\s*", text)
        if parts is None:
            what = f'"{text}" is not OPTION=SIZE@YEAR; write it like plant=40@2027.'
            raise typer.BadParameter(what, param_hint="--force")
        key = (option, year) = parts[1], int(parts[3])
        if key in found:
            raise typer.BadParameter(f"{option} in {year} is given twice.", param_hint="--force")
        found[key] = common.parse_amount_option(parts[2], "--force") or 0.0
    return [(option, year, size) for (option, year), size in found.items()]
