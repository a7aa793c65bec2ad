"""`quality --sample` and `quality --export`: a person judges a random list; faults become a file of cases.

Belongs here: asking and writing the file. Does not: what an answer means (`quality.sample`), what a case holds
(`quality.export`).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import click

from tdx_dagster.cli.output import err, out
from tdx_dagster.cli.runtime import prepare
from tdx_dagster.discovery.passages import OwnPosts
from tdx_dagster.inventory.computers import Computer, Inventory
from tdx_dagster.inventory.keys import fold_key
from tdx_dagster.inventory.lookup import PostgresInventory
from tdx_dagster.postgres.database import engine
from tdx_dagster.quality.export import case_of
from tdx_dagster.quality.past_tickets import own_posts
from tdx_dagster.quality.sample import NO_COMPUTER, answered, answered_where_none_was_found
from tdx_dagster.quality.store import QualityStore
from tdx_dagster.quality.verdicts import Acted, Attached, Judgement
from tdx_dagster.resources import DatabaseProvider, TdxProvider
from tdx_dagster.settings import load_inventory_settings
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tickets.ticket_view import TicketView

QUESTION = "Is the ticket about it? y, n, the name of the right computer, s to skip, q to stop"
NONE_FOUND = "Is the ticket about a computer? n, the name of the computer, s to skip, q to stop"
YES, NO, SKIP, QUIT = "y", "n", "s", "q"


def ask_sample(number: int) -> None:
    """Ask about what was drawn at random; each answer is stored at once, and the next time goes on."""
    database = engine(prepare(needs_tdx=True).database)
    asking = _Asking(QualityStore(database), PostgresInventory(database, load_inventory_settings()))
    drawn = asking.store.draw(number)
    tdx = _tdx()
    if not drawn:
        out.print("The robot has done nothing that was not asked about.", highlight=False)
    for place, (ticket, asset) in enumerate(drawn, start=1):
        found = asking.store.acted({ticket: None})
        attached = [one for each in found for one in each.attached if one.asset_id == asset]
        if not found or (asset != NO_COMPUTER and not attached):
            continue
        what = (
            f"{attached[0].name or asset} by {attached[0].evidence}" if attached else "none found"
        )
        out.print(
            f"{place} of {len(drawn)}: {what}\n{tdx.ticket_link(ticket)}",
            highlight=False,
            markup=False,
        )
        if not asking.ask(found[0], attached[0] if attached else None):
            return


@dataclass(frozen=True)
class _Asking:
    """Asks about one computer, or about a ticket on which none was found."""

    store: QualityStore
    inventory: Inventory

    def ask(self, acted: Acted, one: Attached | None) -> bool:
        """Ask until there is an answer; whether to go on."""
        while True:
            answer = click.prompt(QUESTION if one else NONE_FOUND, type=str).strip()
            word = answer.casefold()
            if word in {SKIP, QUIT}:
                return word == SKIP
            verdicts = self._verdicts(acted, one, answer)
            if verdicts is not None:
                self.store.add_answer(verdicts)
                return True

    def _verdicts(self, acted: Acted, one: Attached | None, answer: str) -> list[Judgement] | None:
        """Give what follows from an answer; None where it is none."""
        word = answer.casefold()
        if one is not None and word in {YES, NO}:
            return answered(acted, one, is_right=word == YES)
        if one is None and word == NO:
            return answered_where_none_was_found(acted, None)
        found = _named(self.inventory, answer)
        if len(found) != 1 or (one is not None and found[0].asset_id == one.asset_id):
            said = f"{len(found)} computers are called {answer!r}"
            click.echo(f"{said}; give its name, serial number or tag.")
            return None
        if one is None:
            return answered_where_none_was_found(acted, found[0])
        return answered(acted, one, is_right=False, instead=found[0])


def _named(inventory: Inventory, answer: str) -> list[Computer]:
    key = fold_key(answer)
    return list(inventory.find({key}).get(key, ())) if key else []


def export_faults(file: Path) -> None:
    """Write the tickets with removed, replaced or missed computers as cases, a JSON object a line."""
    database = engine(prepare(needs_tdx=True).database)
    inventory = PostgresInventory(database, load_inventory_settings())
    verdicts = QualityStore(database).verdicts()
    tickets = dict.fromkeys(one.ticket_id for one in verdicts if one.outcome.is_fault)
    posts, tdx, lines = own_posts(database, list(tickets)), _tdx(), []
    with err.status("Reading tickets …"):
        for ticket in tickets:
            view = TicketView(tdx, ticket)
            own = OwnPosts(entry_ids=posts.get(ticket, frozenset()))
            mine = [one for one in verdicts if one.ticket_id == ticket]
            try:
                case = case_of(view.ticket, view.conversation(), mine, inventory, own)
            except TdxRefused as error:
                err.print(f"Ticket {ticket} is left out: {error}", markup=False)
                continue
            lines.append(json.dumps(case, ensure_ascii=False))
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    out.print(
        f"{len(lines)} cases are in {file}. Mail addresses, phone numbers and names of people on the ticket "
        "are replaced; others may be left: read the file before you hand it in.",
        highlight=False,
        markup=False,
    )


def _tdx() -> Tdx:
    return TdxProvider(DatabaseProvider()).client(records=False)
