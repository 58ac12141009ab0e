"""All commands under one name. A command's module is imported when the command runs, and nothing heavy before."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from optimizer.errors import ExitCode

if TYPE_CHECKING:
    from rich.panel import Panel

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
        "report": "Write a plan as an HTML page or an Excel workbook.",
        "plot": "Draw one figure of a plan, fit for print.",
        "export": "Write the model as an MPS or LP file for another solver.",
    },
    "Questions": {
        "futures": "What is it worth to decide later, or to know earlier?",
        "evaluate": "What does a plan of one's own cost, survive, lack and waste?",
        "compare": "What does the next dollar buy?",
        "explain": "Why this plan, or why does nothing survive?",
        "survive": "How many months does every floor hold once supply is cut?",
        "attack": "What would an adversary do that knows the plan?",
        "alternatives": "What do all plans near the least cost have in common?",
        "sensitivity": "Which uncertain numbers decide cost and survival?",
        "stress": "Does a plan survive sampled shocks it was not made for?",
    },
}
_NAMES = [name for commands in COMMANDS.values() for name in commands]


class _Command(TyperCommand):
    """A command whose `--help` stands last among the options for the answer, without a panel of its own."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option, in the panel of the answer."""
        option: Any = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = "Answer"
        return option


class _Commands(TyperGroup):
    """The commands by name and summary; the one that is called is imported then."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the list of commands; by hand, for Typer's own printer imports Markdown and Pygments first."""
        from rich.console import Console
        from rich.padding import Padding
        from rich.text import Text

        console = Console(highlight=False)
        console.print(Padding(Text(self.get_usage(ctx)), 1), style="bold")
        console.print(Padding(Text(self.help or ""), (0, 1, 1, 1)))
        options = [record for each in self.get_params(ctx) if (record := each.get_help_record(ctx))]
        panels = {"Options": options, **{name: [*commands.items()] for name, commands in COMMANDS.items()}}
        for title, rows in panels.items():
            console.print(_draw_panel(title, rows))
        console.print(Padding(Text(self.epilog or ""), 1))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is called, with all its options."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else load_command(name), rest


def _draw_panel(title: str, rows: Sequence[tuple[str, str]]) -> "Panel":
    """Words and what they do, one row each, as Typer draws the options of a command."""
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="bold cyan", no_wrap=True, min_width=max(len(name) for name in _NAMES))
    table.add_column(ratio=1)
    for word, text in rows:
        table.add_row(Text(word), Text(text))
    return Panel(table, title=title, title_align="left", border_style="dim")


def load_command(name: str) -> TyperCommand:
    """The command of `optimizer.cli.<name>`, its groups of options spread out and its errors made exit codes."""
    from optimizer.cli.common import guarded
    from optimizer.cli.options import spread_groups

    function = import_module(f"optimizer.cli.{name}").command
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, cls=_Command)(guarded(spread_groups(function)))
    command = typer.main.get_command(single)
    assert isinstance(command, TyperCommand)
    return command


app = typer.Typer(
    name="diversify",
    cls=_Commands,
    help="The cheapest set of moves that lets a country survive being cut off, and what each dollar buys.",
    epilog=f"Exit codes: {'; '.join(f'{code} {code.meaning}' for code in ExitCode)}.\n\nManual: docs/index.md",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
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
        from optimizer.errors import PluginError
        from optimizer.plugins import load_plugin

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
