"""What a page of operations is, and what its makers are given.

Belongs here: the records that all pages share. Does not: the content of a page, nor Dagster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tdx_dagster.postgres.queries import Queries
from tdx_dagster.settings import SettingsError, load_settings
from tdx_dagster.tdx.address import is_sandbox, normalise_base_url, ticket_link
from tdx_dagster.tdx.errors import TdxError

SQL = Queries(Path(__file__).with_name("queries.sql"))

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


@dataclass(frozen=True)
class Site:
    """The TDX that settings name.

    Args:
        base_url: Its address.
        ticket_app: The ticketing application.
        asset_app: The asset application.
    """

    base_url: str
    ticket_app: int
    asset_app: int

    @property
    def environment(self) -> str:
        """Which of the two it is, as people have to see it."""
        return "SANDBOX" if is_sandbox(self.base_url) else "PRODUCTION"

    def ticket(self, ticket_id: int) -> str:
        """Give the link to a ticket in Markdown."""
        return f"[{ticket_id}]({self.ticket_address(ticket_id)})"

    def ticket_address(self, ticket_id: int) -> str:
        """Give where people see a ticket."""
        return ticket_link(self.base_url, self.ticket_app, ticket_id)


def find_site() -> Site | None:
    """Give the TDX that settings name; None where they name none."""
    try:
        connection = load_settings().connection()
        address = normalise_base_url(connection.base_url, allow_http=connection.allow_http)
    except (SettingsError, TdxError):
        return None
    return Site(address, connection.ticket_app_id, connection.asset_app_id)


def ticket_cell(site: Site | None, ticket_id: int) -> str:
    """Give a ticket as a link where the address of TDX is known."""
    return site.ticket(ticket_id) if site else str(ticket_id)


def shown_of(shown: int, whole: int) -> str:
    """Say how many rows are left out; empty where none is."""
    return f"\n\n{shown} of {whole} are shown." if whole > shown else ""
