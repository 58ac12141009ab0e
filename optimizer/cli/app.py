"""All commands under one name; the module of a command, and any heavy library, is imported when the command runs."""

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill, indent, wrap
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from optimizer.errors import ExitCode, PluginError

# Panel of `diversify --help` → command → what it does: the first line of the command's own docstring.
COMMANDS = {
    "Instances": {
        "init": "Write a commented instance to start from, and its schema.",
        "check": "Check instance files, or summarise a sound one.",
        "convert": "Write an instance as YAML, JSON or an Excel workbook.",
        "schema": "Print the JSON Schema of instance files, for editors.",
    },
    "Plans": {
        "solve": "Find the cheapest plan that survives every shock.",
        "show": "Print a saved plan again.",
        "verify": "Recompute every figure of a saved plan.",
        "report": "Write a plan as a page, a brief for print, or a workbook.",
        "plot": "Draw one figure of a plan, fit for print.",
        "export": "Write the model as an MPS or LP file for another solver.",
    },
    "Questions": {
        "futures": "What is it worth to decide later, or to know earlier?",
        "evaluate": "What does a given plan cost, survive, lack and waste?",
        "compare": "What does the next dollar buy?",
        "share": "How do allies share the cost of a joint plan?",
        "explain": "Why this plan, or why does nothing survive?",
        "survive": "How many months does every floor hold once supply is cut?",
        "attack": "What would an adversary do that knows the plan?",
        "alternatives": "What do all plans near the least cost have in common?",
        "sensitivity": "Which uncertain numbers decide cost and survival?",
        "stress": "Does a plan survive sampled shocks it was not made for?",
    },
}
HELP = {"help_option_names": ["--help", "-h"]}
_NAMES = [name for commands in COMMANDS.values() for name in commands]


class _Command(TyperCommand):
    """Command with `--help` as the last option of the panel "Answer", without a panel of its own.

    It refuses several values of an option that takes one, and an empty name of a folder.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse arguments that can only be mistakes, such as an empty shell variable, then parse them as usual."""
        parameters: list[Any] = self.params
        try:
            given, _, order = self.make_parser(ctx).parse_args(list(args))
        except Exception as error:
            _amend_unknown_option(error, ctx, parameters)
            raise
        for each in parameters:
            if order.count(each) > 1 and not (each.multiple or getattr(each, "is_flag", False)):
                raise typer.BadParameter("it takes one value, and has several: write it once.", ctx, each)
            if each.metavar == "DIR" and given.get(each.name or "") == "":
                raise typer.BadParameter("the name is empty: write that of a folder, or . for this one.", ctx, each)
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help` in the panel "Answer"."""
        option: Any = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel, option.metavar = "Answer", ""
        return option


def _amend_unknown_option(error: Exception, ctx: Any, parameters: Sequence[Any]) -> None:
    """Have the error of an unknown option, whose class Typer does not export, say what to write instead."""
    if getattr(error, "option_name", None) == "--plugin":
        what = f"it stands before the command: diversify --plugin FILE.py {ctx.info_name} …"
        raise typer.BadParameter(what, ctx, param_hint="--plugin") from None
    if near := getattr(error, "possibilities", None):
        vars(error)["possibilities"] = _names_in_help(near, parameters)


def _names_in_help(names: Sequence[str], parameters: Sequence[Any]) -> list[str]:
    """Return the options that `--help` has for these names: the older name of an option is declared behind it."""
    shown = ""
    current: dict[str, str] = {}
    for each in parameters:
        shown = shown if getattr(each, "hidden", False) else each.opts[0]
        current |= dict.fromkeys(each.opts, shown)
    return sorted({current.get(name, name) for name in names})


class _Commands(TyperGroup):
    """Group of commands by name and summary; a command is imported when it is called."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the list of commands without the library that Typer prints with, whose import takes too long."""
        width = get_terminal_size().columns

        def filled(text: str | None) -> list[str]:
            return [*indent(fill(text or "", width - 2), " ").splitlines(), ""]

        lines = ["", typer.style(f" {self.get_usage(ctx)}", bold=True), "", *filled(self.help)]
        options = [record for each in self.get_params(ctx) if (record := each.get_help_record(ctx))]
        lines += _draw_panel("Options", options, width)
        for title, commands in COMMANDS.items():
            lines += _draw_panel(title, [*commands.items()], width)
        lines += ["", *(line for part in (self.epilog or "").split("\n\n") for line in filled(part))]
        typer.echo("\n".join(lines), color=False if os.environ.get("NO_COLOR") else None)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of the called command, the command with all its options, and the remaining arguments."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else load_command(name), rest


def _draw_panel(title: str, rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Yield the lines of a frame with words and their meaning, like the frame that Typer draws around options."""
    is_utf = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    across, down, *corners = tuple("─│╭╮╰╯" if is_utf else "-|++++")
    column = max(len(word) for word, _ in (*rows, *((name, "") for name in _NAMES)))
    room = max(20, width - column - 6)
    yield f"{corners[0]}{f'{across} {title} ':{across}<{column + room + 4}}{corners[1]}"
    for word, text in rows:
        for i, line in enumerate(wrap(text, room)):
            head = typer.style(f"{'' if i else word:{column}}", fg="cyan", bold=True)
            yield f"{down} {head}  {line:{room}} {down}"
    yield f"{corners[2]}{across * (column + room + 4)}{corners[3]}"


def load_command(name: str) -> TyperCommand:
    """Return the command of `optimizer.cli.<name>`, with groups of options spread out and errors as exit codes."""
    from optimizer.cli.common import guarded
    from optimizer.cli.options import spread_groups

    function = import_module(f"optimizer.cli.{name}").command
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=HELP)
    single.command(name, cls=_Command)(guarded(spread_groups(function)))
    command = typer.main.get_command(single)
    assert isinstance(command, TyperCommand)
    for each in command.params:
        if getattr(each, "is_flag", False):
            # Typer would write <bool>, as if a flag took a value.
            each.metavar = ""
    return command


app = typer.Typer(
    name="diversify",
    cls=_Commands,
    help="The cheapest set of moves that lets a country or firm survive being cut off, and what each dollar buys.",
    epilog=f"Exit codes of solve: {'; '.join(f'{code} {code.meaning}' for code in ExitCode)}.\n\nManual: docs/index.md",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)


def _placeholder() -> None:
    """Stand for a command in the list; `load_command` finds the command itself."""


for _panel, _commands in COMMANDS.items():
    for _name, _summary in _commands.items():
        app.command(_name, help=_summary, rich_help_panel=_panel)(_placeholder)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"diversify {version('optimizer')} (PuLP {version('pulp')}, HiGHS {version('highspy')})")
        raise typer.Exit


def _load_plugins(files: list[Path] | None) -> None:
    if files:
        from optimizer.extend import load_plugin

        for file in files:
            try:
                load_plugin(file)
            except PluginError as error:
                raise typer.BadParameter(str(error)) from None


@app.callback()
def _options(
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE.py",
            envvar="DIVERSIFY_PLUGINS",
            show_envvar=False,
            callback=_load_plugins,
            help="A module that registers levers; repeat, or set DIVERSIFY_PLUGINS.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the versions of tool, PuLP and HiGHS."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
