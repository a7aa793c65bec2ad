"""What a dry run is given instead of the TDX client and the action log: the same, without a way to write.

Belongs here: which methods only read. What a dry run says it would write is made by `once.writer`.
"""

from typing import Any

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
        "has_executed",
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
