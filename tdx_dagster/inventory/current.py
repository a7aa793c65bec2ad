"""The inventory of a run: silver is rebuilt first where bronze is newer than what silver was made from.

Belongs here: when to rebuild before asking. Does not: the questions (`lookup`), the rebuild (`silver`).
It works without the Dagster daemon, whose sensor does the same within a minute.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from tdx_dagster.inventory.freshness import is_silver_behind
from tdx_dagster.inventory.lookup import PostgresInventory
from tdx_dagster.inventory.rebuilds import BronzeEmpty
from tdx_dagster.inventory.statuses import Listed
from tdx_dagster.postgres.errors import DatabaseError

log = logging.getLogger(__name__)


class CurrentInventory(PostgresInventory):
    """The inventory of one run; its first question rebuilds silver where bronze is newer.

    Where silver cannot be rebuilt, it stays distrusted, so that TDX is asked about each computer.
    """

    _is_checked: bool = False

    def is_distrusted(self) -> bool:
        """See `Inventory`."""
        self._make_current()
        return super().is_distrusted()

    def statuses(self) -> Listed:
        """See `Inventory`."""
        self._make_current()
        return super().statuses()

    def _rows(self, query: str, **parameters: object) -> Sequence[Row[Any]]:
        self._make_current()
        return super()._rows(query, **parameters)

    def _make_current(self) -> None:
        with _ONE_AT_A_TIME:
            if self._is_checked:
                return
            self._is_checked = True
            try:
                self._rebuild_if_behind()
            except (SQLAlchemyError, DatabaseError, BronzeEmpty) as error:
                log.warning(
                    "Computers could not be made from the newest rows of bronze, so TDX is asked about "
                    "each of them: %s",
                    error,
                )

    def _rebuild_if_behind(self) -> None:
        settings = self._settings
        if not is_silver_behind(
            self._engine,
            source_system=settings.source_system,
            entity_types=settings.entity_types,
            schema=settings.schema_name,
        ):
            return
        from tdx_dagster.inventory.silver import rebuild_if_behind  # noqa: PLC0415  brings pandas

        result = rebuild_if_behind(
            self._engine,
            source_system=settings.source_system,
            entity_types=settings.entity_types,
            zone=ZoneInfo(settings.tdx_time_zone),
            schema=settings.schema_name,
        )
        if result is not None:
            log.info("Bronze was newer than silver: %d computers rebuilt.", result.computers)


_ONE_AT_A_TIME = threading.Lock()
