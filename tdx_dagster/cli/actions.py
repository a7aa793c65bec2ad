"""`actions`: the action types there are, with their settings."""

from dataclasses import asdict
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.settings import SettingsError
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.installed import BUILT_IN, GROUP, installed
from tdx_dagster.tickets.actions.nearest import nearest
from tdx_dagster.tickets.actions.reference import (
    Setting,
    about,
    markdown,
    settings_of,
    shared_settings,
)


@click.command()
@click.argument("action_type", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print docs/actions.md.")
@click.pass_context
def actions(
    ctx: click.Context, *, action_type: str | None, as_json: bool, as_markdown: bool
) -> None:
    """List the action types there are, or the settings of one.

    Ends with 1 where one of an installed package cannot be used.
    """
    found = installed()
    kinds = {**BUILT_IN, **found.kinds}
    if action_type is not None and action_type not in kinds:
        raise SettingsError(
            found.faults.get(action_type)
            or f"There is no action type {action_type!r}.{nearest(action_type, kinds)} There are "
            f"{', '.join(kinds)}."
        )
    shown = {action_type: kinds[action_type]} if action_type else kinds
    if as_markdown:
        click.echo(markdown(BUILT_IN), nl=False)
    elif as_json:
        print_json({name: _as_json(kind) for name, kind in shown.items()})
    elif action_type:
        _show(action_type, shown[action_type])
    else:
        _list(shown)
    for name, fault in found.faults.items():
        click.echo(f"warning: the action type {name!r} cannot be used: {fault}.", err=True)
    ctx.exit(1 if found.faults else 0)


def _as_json(kind: type[Action]) -> dict[str, Any]:
    return {
        "about": about(kind),
        "settings": [asdict(one) for one in (*settings_of(kind), *shared_settings())],
    }


def _list(kinds: dict[str, type[Action]]) -> None:
    table = Table("type", "what it does", "settings", "from", box=SIMPLE_HEAD)
    packages = installed().packages
    for name, kind in kinds.items():
        own = ", ".join(one.name for one in settings_of(kind))
        table.add_row(name, escape(about(kind)), own, packages.get(name, "tdx-dagster"))
    out.print(table)
    every = ", ".join(one.name for one in shared_settings())
    out.print(
        f"Every action has {every}. `tdx-dagster actions TYPE` says more. A package adds its "
        f"own with the entry point group {GROUP}.",
        highlight=False,
    )


def _show(name: str, kind: type[Action]) -> None:
    table = Table("setting", "type", "default", "", title=f"{name}: {about(kind)}", box=SIMPLE_HEAD)
    for one in (*settings_of(kind), *shared_settings()):
        table.add_row(
            one.name, escape(one.kind), escape(one.default or "needed"), escape(_said(one))
        )
    out.print(table)


def _said(one: Setting) -> str:
    return f"{one.about}{' Template.' if one.is_template else ''}"
