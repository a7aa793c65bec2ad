"""What an action works with: the ticket to read, the writer, the log, and the inventory to ask.

Belongs here: the objects an action is given. An action has no way to write but `ActionContext.write`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tdx_dagster.discovery.discover import SearchAssets
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.state.records import LogRow, StoredResult
from tdx_dagster.tickets.actions.effects import Writer
from tdx_dagster.tickets.ticket_view import TicketView


@dataclass(frozen=True)
class RunContext:
    """What an action may use once a run, before the first ticket.

    Args:
        inventory: Computers we know.
        warn: Takes a sentence that people should see in the run's log.
    """

    inventory: RememberingInventory
    warn: Callable[[str], None] = field(default=lambda _: None)


@dataclass(frozen=True)
class ActionContext:
    """Everything an action may use on one ticket.

    Args:
        ticket: The ticket to read.
        write: The only way to write.
        inventory: Computers we know.
        pipeline: Name of the pipeline.
        results: Gives the stored results of this pipeline that have lines for a summary.
        rows: Gives the action log of the ticket.
        posted_texts: What this pipeline itself writes on tickets; no evidence of anything.
        warn: Takes a sentence that people should see in the run's log.
    """

    ticket: TicketView
    write: Writer
    inventory: RememberingInventory
    pipeline: str
    results: Callable[[], Sequence[StoredResult]] = tuple
    rows: Callable[[], Sequence[LogRow]] = tuple
    posted_texts: Sequence[str] = ()
    warn: Callable[[str], None] = field(default=lambda _: None)

    @property
    def search(self) -> SearchAssets:
        """The API search for assets, for discovery."""
        return self.ticket.tdx

    def unsummarised(self) -> Sequence[StoredResult]:
        """Give the results that no summary has posted yet."""
        return [result for result in self.results() if not result.is_summarised]
