"""`explain`: what discovery sees in a ticket or a text, and why it decides so. Nothing is written."""

import codecs
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import prepare
from tdx_dagster.discovery.explain import Explanation, explain_text, explain_ticket
from tdx_dagster.inventory.computers import Inventory
from tdx_dagster.inventory.lookup import MemoryInventory, PostgresInventory
from tdx_dagster.settings import SettingsError
from tdx_dagster.tickets.actions.add_asset import AddAsset

if TYPE_CHECKING:
    from tdx_dagster.tickets.pipeline import Pipeline
    from tdx_dagster.tickets.services import RunServices

FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.command()
@click.option("--ticket", type=click.IntRange(1), help="A ticket in TDX.")
@click.option(
    "--pipeline", help="Whose add_asset settings to use; may be left out where there is one."
)
@click.option(
    "--text",
    "text_file",
    type=FILE,
    help="A text file instead of a ticket; - reads standard input.",
)
@click.option("--html", is_flag=True, help="The text is HTML.")
@click.option(
    "--inventory",
    "inventory_file",
    type=FILE,
    help="A JSON list of assets (ID, Name, SerialNumber, Tag, StatusName) instead of the database.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(
    *,
    ticket: int | None,
    pipeline: str | None,
    text_file: Path | None,
    html: bool,
    inventory_file: Path | None,
    as_json: bool,
) -> None:
    """Show what discovery sees in a ticket or a text: tokens, matches, and the decision."""
    if (ticket is None) == (text_file is None):
        raise click.UsageError("Give one of --ticket and --text.")
    if text_file is not None:
        shown = _explain_file(text_file, inventory_file, is_html=html)
    else:
        shown = _explain_ticket(int(ticket or 0), pipeline, inventory_file)
    looked_up = _looked_up(ticket, pipeline) if ticket is not None else []
    if as_json:
        print_json(shown.as_json() | ({"lookups": looked_up} if looked_up else {}))
        return
    out.print(shown)
    for line in looked_up:
        out.print(line, highlight=False, markup=False)


def _explain_file(file: Path, inventory_file: Path | None, *, is_html: bool) -> Explanation:
    text = _read(file)
    return explain_text(text, is_html, _inventory(inventory_file), AddAsset().discovery_settings())


def _explain_ticket(ticket: int, pipeline: str | None, inventory_file: Path | None) -> Explanation:
    from tdx_dagster.cli.plan import choose_pipeline, prepare_for  # noqa: PLC0415  imports Dagster
    from tdx_dagster.resources import ticket_tools  # noqa: PLC0415  the same
    from tdx_dagster.tickets.actions.add_asset import enquiry_of, removal_of  # noqa: PLC0415  kept at its use
    from tdx_dagster.tickets.actions.last_word import Removals  # noqa: PLC0415  the same

    prepare_for(pipeline)
    chosen = choose_pipeline(pipeline)
    tools = ticket_tools()
    view = tools.view(ticket)
    words = [text for action in chosen.actions for text in action.posted_texts()]
    enquiry = enquiry_of(view, tools.store.effects(ticket), words)
    inventory = _inventory(inventory_file) if inventory_file else tools.inventory
    settings = _add_asset(chosen).discovery_settings(inventory.statuses())
    shown = explain_ticket(enquiry, inventory, view.tdx, settings)
    removals = Removals(view, lambda: tools.store.effects(ticket))
    found = [
        (match.computer, removal_of(match.computer, removals)) for match in shown.discovery.matches
    ]
    left_off = {one.asset_id: str(why) for one, why in found if why and not why.is_overruled}
    return replace(shown, left_off=left_off)


def _looked_up(ticket: int, pipeline: str | None) -> list[str]:
    from tdx_dagster.cli.plan import choose_pipeline  # noqa: PLC0415  imports Dagster
    from tdx_dagster.resources import ticket_tools  # noqa: PLC0415  the same

    chosen = choose_pipeline(pipeline)
    is_asked = any(action.lookups() for action in chosen.actions)
    return lookups_on(ticket, chosen, ticket_tools()) if is_asked else []


def lookups_on(ticket: int, pipeline: "Pipeline", services: "RunServices") -> list[str]:
    """Say what the look-ups of a pipeline give on a ticket as it is."""
    from tdx_dagster.tickets.actions.lookups import look_up  # noqa: PLC0415  kept at its use
    from tdx_dagster.tickets.actions.templates import BadTemplate  # noqa: PLC0415  the same

    runner = services.runner(pipeline, "explain", warn=lambda _: None)
    view, lines = services.view(ticket), list[str]()
    for action in pipeline.actions:
        for setting, lookup in action.lookups():
            try:
                said = str(look_up(runner.reading(action, view), setting, lookup))
            except BadTemplate as error:
                said = str(error)
            lines.append(f"{action.label}: {said}")
    return lines


def _add_asset(pipeline: "Pipeline") -> AddAsset:
    found = [action for action in pipeline.actions if isinstance(action, AddAsset)]
    return found[0] if found else AddAsset()


def _inventory(file: Path | None) -> Inventory:
    if file is None:
        from tdx_dagster.postgres.database import engine  # noqa: PLC0415  only where it is asked

        return PostgresInventory(engine(prepare().database))
    try:
        return MemoryInventory.from_json(_read(file))
    except ValueError as error:
        raise SettingsError(f"{file}: {error}") from error


def _read(file: Path) -> str:
    try:
        with click.open_file(str(file), "rb") as opened:
            content: bytes = opened.read()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error
    # Editors of Windows write their mark in front; letters that no encoding explains are left aside.
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig", errors="replace")
