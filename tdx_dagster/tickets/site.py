"""The TDX that settings name, as people see it: sandbox, production or simulator, address, applications, links.

Belongs here: wording and links. Does not: reading settings (`tdx_dagster.settings`), how an address is built
(`tdx.address`).
"""

from dataclasses import dataclass

from tdx_dagster.tdx.address import is_sandbox, ticket_link


@dataclass(frozen=True)
class Site:
    """A TDX.

    Args:
        base_url: Its address.
        ticket_app: The ticketing application.
        asset_app: The asset application.
        default_report: The report of pipelines that name none.
        is_simulator: It is the simulator that comes with this package.
    """

    base_url: str
    ticket_app: int
    asset_app: int
    default_report: int | None = None
    is_simulator: bool = False

    @property
    def environment(self) -> str:
        """Which of the three it is, as people have to see it."""
        if self.is_simulator:
            return "SIMULATOR"
        return "SANDBOX" if is_sandbox(self.base_url) else "PRODUCTION"

    def ticket(self, ticket_id: int) -> str:
        """Give the link to a ticket in Markdown."""
        return f"[{ticket_id}]({self.ticket_address(ticket_id)})"

    def ticket_address(self, ticket_id: int) -> str:
        """Give where people see a ticket."""
        return ticket_link(self.base_url, self.ticket_app, ticket_id)


def described(site: Site | None) -> str:
    """Say in a description to which TDX it leads; without Markdown, which a sensor's page shows as it is."""
    if site is None:
        return "TDX: not set (TDX_BASE_URL)."
    return f"{site.environment} {site.base_url}, ticketing application {site.ticket_app}."


def tags_of_site(site: Site | None) -> dict[str, str]:
    """Give the tag by which definitions and runs say to which kind of TDX they lead."""
    return {"tdx/environment": site.environment.lower()} if site else {}
