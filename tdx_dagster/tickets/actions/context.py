"""What an action works with: the ticket to read, the writer, and the inventory to ask.

Belongs here: the one object an action's `perform` is given. It has no way to write but `write`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tdx_dagster.discovery.discover import SearchAssets
from tdx_dagster.inventory.computers import Inventory
from tdx_dagster.state.records import UnsummarisedResult
from tdx_dagster.tickets.actions.effects import Writer
from tdx_dagster.tickets.ticket_view import TicketView


@dataclass(frozen=True)
class ActionContext:
    """Everything an action may use on one ticket.

    Args:
        ticket: The ticket to read.
        write: The only way to write.
        inventory: Computers we know.
        pipeline: Name of the pipeline.
        unsummarised: Gives the stored results that no summary has told yet.
        posted_texts: What this pipeline itself writes on tickets; no evidence of anything.
        warn: Takes a sentence that people should see in the run's log.
    """

    ticket: TicketView
    write: Writer
    inventory: Inventory
    pipeline: str
    unsummarised: Callable[[], Sequence[UnsummarisedResult]]
    posted_texts: Sequence[str] = ()
    warn: Callable[[str], None] = field(default=lambda _: None)

    @property
    def search(self) -> SearchAssets:
        """The API search for assets, for discovery."""
        return self.ticket.tdx
