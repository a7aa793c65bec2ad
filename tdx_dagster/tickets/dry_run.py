"""What a dry run is given instead of the TDX client and the action log: the same, without a way to write.

Belongs here: which methods only read. What a dry run says it would write is made by `once.writer`.
"""

from collections.abc import Mapping
from typing import Any

from tdx_dagster.state.records import EffectRecord, EffectState, FailureKind
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tickets.actions.effects import TdxWrites
from tdx_dagster.tickets.ticket_view import TdxReads

TDX_READS = frozenset(
    {name for name in vars(TdxReads) if not name.startswith("_")}
    | {"account", "calls", "check_ticket_app", "report"}
)
STORE_READS = frozenset(
    {
        "effects",
        "get_action_stats",
        "get_attempts",
        "get_failed",
        "get_ticket_actions",
        "results",
        "rows",
        "unfinished",
    }
)


class WriteInDryRun(Exception):
    """Something tried to write in a dry run; nothing was written."""


class WithoutWrites:
    """An object of which only the methods that read can be reached.

    Args:
        whole: The TDX client or the action log.
        reads: Names of what may be used.
    """

    def __init__(self, whole: TdxWrites | ActionStore, reads: frozenset[str]) -> None:
        self._whole = whole
        self._reads = reads

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  the type is that of the method asked for
        """Give what reads; refuse everything else."""
        if name not in self._reads:
            raise WriteInDryRun(f"{name} was called in a dry run: refused, nothing was written.")
        return getattr(self._whole, name)


class WithoutUncertain(WithoutWrites):
    """The action log of a dry run for which a person says that what may have been written is not there.

    A run that writes records that first; see `ActionStore.retry_now`.

    Args:
        log: The action log.
    """

    def __init__(self, log: ActionStore) -> None:
        super().__init__(log, STORE_READS)
        self._log = log

    def effects(self, ticket_id: int) -> Mapping[str, EffectRecord]:
        """Give the effects of a ticket, less the open ones of actions that are uncertain."""
        rows = self._log.get_ticket_actions(ticket_id)
        uncertain = {row.action_id for row in rows if row.failure_kind is FailureKind.UNCERTAIN}
        return {
            name: effect
            for name, effect in self._log.effects(ticket_id).items()
            if effect.state is not EffectState.OPEN or effect.action_id not in uncertain
        }
