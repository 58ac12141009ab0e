"""Options that several commands share, each written once.

A command names a **group** of options, such as `Changes`, as one parameter; `shared` gives it the options of the group.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from optimizer.cli import common

InstanceFile = Annotated[
    str, typer.Argument(metavar="FILE|PLAN", help="Instance file (YAML, JSON, Excel), or the one inside a saved plan.")
]
JudgedFile = Annotated[
    str,
    typer.Argument(metavar="FILE|PLAN", help="Instance file (YAML, JSON, Excel), or a saved plan, taken as it is."),
]
PlanFile = Annotated[
    str,
    typer.Argument(metavar="PLAN|FILE", help="Saved plan; or an instance file (YAML, JSON, Excel), solved first."),
]
Budget = Annotated[
    str | None,
    typer.Option(help="The most that a plan may spend, undiscounted, such as 2B or 250M; replaces the file's."),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Apply a scenario of the file. May be repeated: they stack in the order given."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file. May be repeated."),
]
LeftOut = Annotated[list[str] | None, typer.Option(help="Leave out an option, or all of a kind; several with commas.")]
Forced = Annotated[
    list[str] | None,
    typer.Option("--force", metavar="OPTION=SIZE@YEAR", help="What has to be bought, such as plant=40@2027. Repeat."),
]
Adversary = Annotated[
    bool,
    typer.Option("--adversary", help="Solve for a plan that survives the worst attack of the file's adversary too."),
]
ListedAttacks = Annotated[
    bool,
    typer.Option("--adversary", help="List every attack that the file's adversary can afford among the shocks."),
]
OtherPlan = Annotated[
    str | None,
    typer.Option("--plan", metavar="PLAN|FILE", help="The plan; left out, that of a saved plan, or solved for."),
]
PlanTimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", min=0, help="Seconds of the search for the plan, after which its best is taken."),
]
Every = Annotated[
    bool, typer.Option("--all", help="List every shock of a family or an ensemble, not one row for all of it.")
]
Gap = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Share of the price of survival to which costs are proven; a survival gap to the same share of itself, at "
        "most 0.005.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
JsonOfSolve = Annotated[bool, typer.Option("--json", help="Print the JSON object of `solve --json`.")]


@dataclass(frozen=True)
class Changes:
    """What is otherwise than in the instance file; each in the words of the command line."""

    budget: Budget = None
    without: LeftOut = None
    force: Forced = None
    scenario: Scenarios = None
    set_: Overrides = None

    @property
    def amounts(self) -> dict[str, tuple[str, str]]:
        """What is set last, by option: the path of the file, and the amount."""
        return {} if self.budget is None else {"--budget": ("policy.budget", self.budget)}

    @property
    def given(self) -> list[str]:
        """The options that were given: ``--budget``."""
        return [f"--{part.name.rstrip('_')}" for part in fields(self) if getattr(self, part.name)]


@dataclass(frozen=True)
class AttackChanges(Changes):
    """The same for a command that is about the adversary."""

    attack_budget: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="What the adversary has, such as 500M; replaces the file's.")
    ] = None

    @property
    def amounts(self) -> dict[str, tuple[str, str]]:
        """With the attack budget."""
        if self.attack_budget is None:
            return super().amounts
        return super().amounts | {"--attack-budget": ("adversary.attack_budget", self.attack_budget)}


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """Replace every parameter of a command that is a group of options by those options; the command gets the group."""
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


def forces(texts: Sequence[str]) -> list[tuple[str, int, float]]:
    """Option, year and size of each ``OPTION=SIZE@YEAR``; refused as usage where it is none."""
    found: dict[tuple[str, int], float] = {}
    for text in texts:
        option, equals, rest = text.partition("=")
        size, at, year = rest.partition("@")
        if not (option.strip() and equals and at and year.strip().isdigit()):
            what = f'"{text}" is not OPTION=SIZE@YEAR; write it like plant=40@2027.'
            raise typer.BadParameter(what, param_hint="--force")
        key = (option.strip(), int(year))
        if key in found:
            raise typer.BadParameter(f"{key[0]} in {year} stands twice.", param_hint="--force")
        found[key] = common.amount(size, "--force") or 0.0
    return [(option, year, size) for (option, year), size in found.items()]
