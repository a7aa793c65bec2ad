"""What a run and a sensor are given, in plain objects that Dagster resources provide.

Belongs here: putting the facade, the store and the inventory together for one run. Does not: making them
from settings (`tdx_dagster.resources`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Protocol, cast

from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.models import Report
from tdx_dagster.tickets.actions.effects import TdxWrites
from tdx_dagster.tickets.dry_run import STORE_READS, TDX_READS, WithoutWrites
from tdx_dagster.tickets.once.outcomes import Outcome
from tdx_dagster.tickets.once.runner import ActionRunner
from tdx_dagster.tickets.once.writer import Times
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.tables import NoTables, Tables
from tdx_dagster.tickets.ticket_view import ReadOnly, TdxReads, TicketView


class TicketTdx(TdxReads, TdxWrites, Protocol):
    """The whole of the TDX facade that tickets use."""

    def report(self, report_id: int) -> Report:
        """Read a report with its data."""

    @property
    def calls(self) -> dict[str, int]:
        """Calls made so far, by method and template."""


@dataclass
class RunServices:
    """Everything a run needs.

    Args:
        tdx: The TDX facade.
        store: The action log.
        inventory: Computers we know.
        times: How long facts are relied on.
        tables: What look-ups read.
        progress: Called with each outcome; drives the progress bar.
        now: See `ActionRunner`.
    """

    tdx: TicketTdx
    store: ActionStore
    inventory: RememberingInventory
    times: Times = field(default_factory=Times)
    tables: Tables = field(default_factory=NoTables)
    progress: Callable[[Outcome], None] = field(default=lambda _: None)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def runner(self, pipeline: Pipeline, run_id: str, warn: Callable[[str], None]) -> ActionRunner:
        """Give what runs the actions of a pipeline in one run."""
        return ActionRunner(
            store=self.store,
            tdx=self.tdx,
            inventory=self.inventory,
            pipeline=pipeline.name,
            run_id=run_id,
            times=self.times,
            act_on_closed=pipeline.act_on_closed,
            taken_over_at=pipeline.taken_over_at,
            tables=self.tables,
            posted_texts=[words for action in pipeline.actions for words in action.posted_texts()],
            warn=warn,
            now=self.now,
        )

    @cached_property
    def without_writes(self) -> "RunServices":
        """The same for a dry run: neither TDX nor the action log can be written."""
        return replace(
            self,
            tdx=cast("TicketTdx", WithoutWrites(self.tdx, TDX_READS)),
            store=cast("ActionStore", WithoutWrites(self.store, STORE_READS)),
        )

    @cached_property
    def _reads(self) -> TdxReads:
        return cast("TdxReads", ReadOnly(self.tdx))

    def view(self, ticket_id: int) -> TicketView:
        """Give a ticket to read, without a way to write."""
        return TicketView(self._reads, ticket_id)


class NotConfigured(Exception):
    """A setting is missing; the text names it. A sensor skips with that reason (case C24)."""


class SensorServices(Protocol):
    """What a sensor needs; settings are read when first used, not before."""

    def report(self, report_id: int | None) -> Report:
        """Read a report in one call, without waiting; None means DAEMON_REPORT_ID.

        Raises:
            NotConfigured: A setting is missing.
        """

    def store(self) -> ActionStore:
        """Give the action log.

        Raises:
            NotConfigured: A setting is missing.
        """

    def older_daemon(self, taken_over_at: datetime | None) -> str | None:
        """Say that the older daemon still writes the action log; None where it does not.

        Args:
            taken_over_at: When it was stopped, as the pipeline says.
        """
