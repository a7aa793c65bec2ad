"""What an action works with: the ticket to read, the writer, the log, and the inventory to ask.

Belongs here: the objects an action is given. An action has no way to write but `ActionContext.write`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tdx_dagster.discovery.discover import SearchAssets
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.state.records import LogRow, StoredResult
from tdx_dagster.tickets.actions.effects import Writer
from tdx_dagster.tickets.actions.facts import facts
from tdx_dagster.tickets.actions.results import Results, Values
from tdx_dagster.tickets.actions.templates import evaluate, holds, is_template, names_in, render
from tdx_dagster.tickets.tables import NoTables, Tables
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
        with_lines: Gives the stored results of this pipeline that have lines for a summary.
        rows: Gives the action log of the ticket.
        results: What the earlier actions of this pipeline did, by name, in this run or an earlier one.
        values: What actions store for later ones; stored when the action that sets it completes.
        posted_texts: What this pipeline itself writes on tickets; no evidence of anything.
        tables: What look-ups read.
        warn: Takes a sentence that people should see in the run's log.
        now: Gives the time.
    """

    ticket: TicketView
    write: Writer
    inventory: RememberingInventory
    pipeline: str
    with_lines: Callable[[], Sequence[StoredResult]] = tuple
    rows: Callable[[], Sequence[LogRow]] = tuple
    results: Results = field(default_factory=lambda: Results(tuple))
    values: Values = field(default_factory=lambda: Values(Results(tuple)))
    posted_texts: Sequence[str] = ()
    tables: Tables = field(default_factory=NoTables)
    warn: Callable[[str], None] = field(default=lambda _: None)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def render(self, template: str, *, is_rich: bool = False, **more: Any) -> str:  # noqa: ANN401  any value
        """Fill in a template.

        Args:
            template: A text, as the settings have it; without marks it stays as it is.
            is_rich: It is HTML: what is filled in is escaped.
            more: Further names.

        Raises:
            BadTemplate: This ticket does not have what it names.
        """
        if not is_template(template):
            return template
        return render(template, {**facts(self, names_in(template)), **more}, is_rich=is_rich)

    def holds(self, condition: str) -> bool:
        """Evaluate a condition on the ticket.

        Raises:
            BadTemplate: It cannot be evaluated on this ticket.
        """
        return holds(condition, facts(self, names_in(condition, is_condition=True)))

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401  whatever it gives
        """Give the value of an expression on the ticket; None where the ticket does not have it.

        Raises:
            BadTemplate: It cannot be evaluated on this ticket.
        """
        return evaluate(expression, facts(self, names_in(expression, is_condition=True)))

    @property
    def search(self) -> SearchAssets:
        """The API search for assets, for discovery."""
        return self.ticket.tdx

    def unsummarised(self) -> Sequence[StoredResult]:
        """Give the results that no summary has posted yet."""
        return [result for result in self.with_lines() if not result.is_summarised]
