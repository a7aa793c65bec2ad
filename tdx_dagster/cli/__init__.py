"""The command line: the group, its commands by name, and what errors look like.

Each command lives in the file of its name (`stats`, `history` and `failed` in `log`) and is imported when
asked for: Dagster takes a second to import, and `--help` should not. To add one: write its file, and name it
in `CommandsByName.places`. Exit codes: 0 all well, 1 something failed, 2 a setting is wrong.
"""

import importlib
import sys
from pathlib import Path
from typing import Any, ClassVar

import click

from tdx_dagster.named_tdx import select_tdx
from tdx_dagster.project import select_project


class CommandsByName(click.Group):
    """A group that imports a command's module when the command is used."""

    places: ClassVar[dict[str, tuple[str, str]]] = {
        "init": ("init", "Set up a pipeline: asks little, reads the rest from TDX."),
        "demo": ("demo", "Do the main job on sample data, and end."),
        "dev": ("dev", "Serve the sample in the Dagster UI until Ctrl-C."),
        "simulate": ("simulate", "Run the TDX simulator alone."),
        "migrate": ("migrate", "Bring the database's schema up to date."),
        "down": ("down", "Stop the embedded PostgreSQL."),
        "env": ("env", "Print the exports that plain Dagster commands need."),
        "check": ("check", "Check settings, database, TDX and report, and say what is wrong."),
        "ingest": ("ingest", "Load assets and people into the inventory."),
        "process": ("process", "Make one pass over a report now."),
        "worker": ("worker", "Take runs from Celery on this machine, until stopped."),
        "plan": ("plan", "Say what a pass would do; nothing is written."),
        "explain": ("explain", "Show what discovery sees in a ticket or a text, and why."),
        "actions": ("actions", "List the action types, or the settings of one."),
        "new": ("new", "Write an action or a pipeline that works, with its test."),
        "takeover": ("takeover", "Show the older daemon's log, and write the pipeline for it."),
        "baseline": ("baseline", "Record all tickets now in a report as done."),
        "stats": ("log", "Count what was done, by action and outcome."),
        "history": ("log", "Show everything that was done to a ticket, and every attempt."),
        "undo": ("undo", "Take back what actions did, as far as it is as they left it."),
        "again": ("undo", "Let actions that were taken back run again."),
        "quality": ("quality", "Show how often discovery is right, by what people did."),
        "backtest": ("backtest", "Try a configuration on closed tickets; nothing is written."),
        "failed": ("log", "List failed actions; --clear lets them run again."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the commands in the order people need them."""
        del ctx
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in self.places:
            return None
        module = importlib.import_module(f"tdx_dagster.cli.{self.places[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.places.items()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  whatever the command gives
        """Run a command; errors of ours become a sentence and an exit code, not a traceback."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            from tdx_dagster.cli.errors import exit_code_and_text  # noqa: PLC0415  imports more

            known = exit_code_and_text(error)
            if known is None:
                raise
            code, text = known
            click.echo(f"error: {text}", err=True)
            ctx.exit(code)


@click.group(cls=CommandsByName, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tdx-dagster")
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a Dagster project made with dg, instead of the one you stand in.",
)
@click.option(
    "--tdx",
    default="",
    metavar="NAME",
    help="The TDX environment to work on, as pipelines name it; commands on a pipeline know it.",
)
def cli(*, project: Path | None, tdx: str) -> None:
    """Work through the tickets of a TeamDynamix report: each action once, seen in Dagster."""
    select_project(project or Path.cwd(), is_required=project is not None)
    select_tdx(tdx)


def main() -> None:
    """Run the command line."""
    from tdx_dagster.cli.output import print_what_can_be_shown  # noqa: PLC0415  kept from `--help`

    print_what_can_be_shown()
    # A module with custom actions may lie in the folder people start from.
    if "" not in sys.path:
        sys.path.insert(0, "")
    cli()
