"""What a page of operations is, and what its makers are given.

Belongs here: the records that all pages share. Does not: the content of a page, nor Dagster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tdx_dagster.postgres.queries import Queries
from tdx_dagster.tickets.site import Site

SQL = Queries(Path(__file__).with_name("pages.sql"))

# A page shows so many rows; what is left out is counted.
MOST_ROWS = 200


@dataclass(frozen=True)
class Page:
    """What people read on one page.

    Args:
        text: Markdown.
        numbers: Plotted by the UI over the times the page was made.
        picture: A PNG; None where the page has none.
    """

    text: str
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    picture: bytes | None = None


def ticket_cell(site: Site | None, ticket_id: int) -> str:
    """Give a ticket as a link where the address of TDX is known."""
    return site.ticket(ticket_id) if site else str(ticket_id)


def shown_of(shown: int, whole: int) -> str:
    """Say how many rows are left out; empty where none is."""
    return f"\n\n{shown} of {whole} are shown." if whole > shown else ""
