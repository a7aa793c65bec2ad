"""The action log in PostgreSQL: every question one named statement, every decision the database's.

Belongs here: turning rows into records and driver errors into `StoreUnavailable`. The statements, with
the reasons for their conditions, are in `action_log.sql`.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping
from sqlalchemy.exc import SQLAlchemyError

from tdx_dagster.postgres.database import repeats_conflicts
from tdx_dagster.postgres.errors import DatabaseError
from tdx_dagster.postgres.sessions import DURABLE
from tdx_dagster.state.claims import QUERIES, last_event, lock_effect, note, renew, stale_text
from tdx_dagster.state.records import (
    PRESENT_EVENTS,
    WAITS,
    ActionIdentity,
    ActionStats,
    Attempt,
    Claim,
    EffectRecord,
    EffectState,
    FailureKind,
    LogRow,
    LogStatus,
    StaleClaim,
    StoredResult,
    StoreUnavailable,
)
from tdx_dagster.state.rows import (
    effect_record,
    first_line,
    holder_values,
    identity_columns,
    identity_values,
    log_row,
    status_of,
    stored_result,
)
from tdx_dagster.state.storable import storable_json, storable_text

# An intent older than this is stored anew when it is confirmed, so that its age is that of the write.
FRESH_INTENT_SECONDS = 1.0

# A process that is suspended within a transaction keeps its locks: the server ends it, and until then nobody
# waits for it for long. "Not now" comes back by itself; a run that hangs does not.
# The time-outs of the database, set for people's queries, may be far shorter.
LOCK_SECONDS = 10
IDLE_SECONDS = 30
STATEMENT_SECONDS = 60
BOUNDS = (
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; "
    f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'; {DURABLE}"
)


class PostgresStore:
    """The action log in PostgreSQL.

    Args:
        engine: An engine of the database that holds the schema `meta`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(BOUNDS)
                yield connection
        except (SQLAlchemyError, DatabaseError) as error:
            raise StoreUnavailable(
                f"The action log cannot be asked ({first_line(error)}); nothing is written to TDX "
                "until it can. See `tdx-dagster check`."
            ) from error

    @repeats_conflicts
    def _all(self, query: str, **values: Any) -> Sequence[RowMapping]:  # noqa: ANN401  bind values
        with self._transaction() as connection:
            return connection.execute(QUERIES[query], values).mappings().all()

    @repeats_conflicts
    def _execute(self, query: str, **values: Any) -> None:  # noqa: ANN401  bind values
        with self._transaction() as connection:
            connection.execute(QUERIES[query], values)

    def rows(self, ticket_ids: Collection[int]) -> Mapping[int, Sequence[LogRow]]:
        """See `ActionStore.rows`."""
        found: dict[int, list[LogRow]] = {}
        for row in self._all("rows", ticket_ids=sorted(ticket_ids)):
            found.setdefault(row["ticket_id"], []).append(log_row(row))
        return found

    def claim(
        self,
        ticket_id: int,
        identity: ActionIdentity,
        *,
        pipeline: str,
        run_id: str,
        lease_seconds: float,
        again: bool = False,
    ) -> Claim | None:
        """See `ActionStore.claim`."""
        token = str(uuid.uuid4())
        taken = self._all(
            "claim",
            ticket_id=ticket_id,
            **identity_values(identity),
            pipeline=pipeline,
            run_id=run_id,
            token=token,
            lease_seconds=lease_seconds,
            again=again,
        )
        if not taken:
            return None
        previous = taken[0]["previous"]
        return Claim(
            ticket_id,
            identity,
            token,
            taken[0]["attempts"],
            pipeline,
            run_id,
            status_of(previous) if previous else None,
        )

    @repeats_conflicts
    def renew(self, claim: Claim, *, lease_seconds: float) -> None:
        """See `ActionStore.renew`."""
        with self._transaction() as connection:
            renew(connection, claim, lease_seconds)

    @repeats_conflicts
    def begin_effect(
        self,
        claim: Claim,
        effect: str,
        detail: Mapping[str, Any],
        *,
        lease_seconds: float,
        absent_event: int | None = None,
    ) -> EffectRecord:
        """See `ActionStore.begin_effect`."""
        with self._transaction() as connection:
            lock_effect(connection, claim, effect)
            renew(connection, claim, lease_seconds)
            last = last_event(connection, claim, effect)
            state = EffectState.of(last["event"]) if last else None
            if last and state and last["attempt_id"] != absent_event:
                return effect_record(state, last)
            if absent_event is not None:
                note(connection, claim, "absent", effect, {"supersedes": absent_event})
            event_id = note(connection, claim, "intent", effect, detail)
            return EffectRecord(EffectState.BEGUN, event_id, 0.0, detail, claim.identity.action_id)

    @repeats_conflicts
    def confirm_intent(
        self,
        claim: Claim,
        effect: str,
        detail: Mapping[str, Any],
        *,
        intent_event: int,
        lease_seconds: float,
    ) -> int | None:
        """See `ActionStore.confirm_intent`."""
        with self._transaction() as connection:
            lock_effect(connection, claim, effect)
            renew(connection, claim, lease_seconds)
            last = last_event(connection, claim, effect)
            if last is None or last["attempt_id"] != intent_event:
                return None
            if last["age_seconds"] <= FRESH_INTENT_SECONDS:
                return intent_event
            return note(connection, claim, "intent", effect, detail)

    @repeats_conflicts
    def settle_effect(
        self, claim: Claim, effect: str, event: str, detail: Mapping[str, Any]
    ) -> None:
        """See `ActionStore.settle_effect`."""
        with self._transaction() as connection:
            lock_effect(connection, claim, effect)
            if event not in PRESENT_EVENTS:
                last = last_event(connection, claim, effect)
                if last is None or last["claim_token"] != claim.token:
                    return
            note(connection, claim, event, effect, detail)

    @repeats_conflicts
    def finish(
        self,
        claim: Claim,
        status: LogStatus,
        *,
        message: str | None = None,
        failure_kind: FailureKind | None = None,
        retry_in_seconds: float | None = None,
        summary_lines: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        summarised: Sequence[str] = (),
    ) -> None:
        """See `ActionStore.finish`."""
        values = {
            "status": status.value,
            "message": storable_text(message) if message else None,
            "failure_kind": failure_kind.value if failure_kind else None,
            "retry_in_seconds": retry_in_seconds,
            "summary_lines": storable_json(list(summary_lines)) if summary_lines else None,
            "metadata": storable_json(metadata or {}),
        }
        with self._transaction() as connection:
            if not connection.execute(QUERIES["finish"], holder_values(claim) | values).first():
                raise StaleClaim(stale_text(claim))
            if summarised:
                connection.execute(
                    QUERIES["mark_summarised"],
                    {"ticket_id": claim.ticket_id, "action_ids": list(summarised)},
                )
            note(connection, claim, status.value, None, {"message": message} if message else {})

    @repeats_conflicts
    def release(self, claim: Claim, *, message: str) -> None:
        """See `ActionStore.release`."""
        values = {"previous": claim.previous.value if claim.previous else None}
        with self._transaction() as connection:
            if not connection.execute(QUERIES["release"], holder_values(claim) | values).first():
                raise StaleClaim(stale_text(claim))
            note(connection, claim, "released", None, {"message": message})

    def skip(
        self,
        ticket_id: int,
        identity: ActionIdentity,
        *,
        pipeline: str,
        run_id: str,
        message: str,
        first_pause_seconds: float,
        longest_pause_seconds: float,
    ) -> bool:
        """See `ActionStore.skip`."""
        return bool(
            self._all(
                "skip",
                ticket_id=ticket_id,
                **identity_values(identity),
                pipeline=pipeline,
                run_id=run_id,
                message=storable_text(message),
                first_pause_seconds=first_pause_seconds,
                longest_pause_seconds=longest_pause_seconds,
            )
        )

    def results(self, ticket_id: int, pipeline: str) -> Sequence[StoredResult]:
        """See `ActionStore.results`."""
        rows = self._all("results", ticket_id=ticket_id, pipeline=pipeline)
        return [stored_result(row) for row in rows]

    def open_tickets(self, pipeline: str, ticket_ids: Collection[int]) -> None:
        """See `ActionStore.open_tickets`."""
        self._execute("open_tickets", pipeline=pipeline, ticket_ids=sorted(ticket_ids))

    def close_tickets(self, pipeline: str, ticket_ids: Collection[int]) -> None:
        """See `ActionStore.close_tickets`."""
        self._execute("close_tickets", pipeline=pipeline, ticket_ids=sorted(ticket_ids))

    def unfinished(self, pipeline: str, *, limit: int) -> Sequence[int]:
        """See `ActionStore.unfinished`."""
        rows = self._all("unfinished", pipeline=pipeline, limit=limit, scheduled=WAITS)
        return [row["ticket_id"] for row in rows]

    def effects(self, ticket_id: int) -> Mapping[str, EffectRecord]:
        """See `ActionStore.effects`."""
        found = {}
        for row in self._all("effects", ticket_id=ticket_id):
            state = EffectState.of(row["event"])
            if state is not None:
                found[row["effect"]] = effect_record(state, row)
        return found

    def mark_all_completed(
        self,
        ticket_ids: Collection[int],
        identities: Sequence[ActionIdentity],
        *,
        pipeline: str,
        metadata: Mapping[str, Any],
    ) -> int:
        """See `ActionStore.mark_all_completed`."""
        rows = self._all(
            "mark_all_completed",
            ticket_ids=sorted(ticket_ids),
            **identity_columns(identities),
            pipeline=pipeline,
            metadata=storable_json(metadata),
        )
        return len(rows)

    def get_ticket_actions(self, ticket_id: int) -> Sequence[LogRow]:
        """See `ActionStore.get_ticket_actions`."""
        return self.rows([ticket_id]).get(ticket_id, ())

    def get_attempts(self, ticket_id: int) -> Sequence[Attempt]:
        """See `ActionStore.get_attempts`."""
        return [Attempt(**row) for row in self._all("attempts", ticket_id=ticket_id)]

    def get_action_stats(self) -> Sequence[ActionStats]:
        """See `ActionStore.get_action_stats`."""
        return [ActionStats(**row) for row in self._all("stats")]

    def get_failed(
        self, ticket_id: int | None = None, action_id: str | None = None
    ) -> Sequence[LogRow]:
        """See `ActionStore.get_failed`."""
        order = [
            (row["ticket_id"], row["action_id"])
            for row in self._all("failed_tickets", ticket_id=ticket_id, action_id=action_id)
        ]
        rows = self.rows({ticket for ticket, _ in order})
        by_key = {(row.ticket_id, row.action_id): row for many in rows.values() for row in many}
        return [by_key[key] for key in order if key in by_key]

    @repeats_conflicts
    def clear_failed_actions(
        self, ticket_id: int | None = None, action_id: str | None = None
    ) -> int:
        """See `ActionStore.clear_failed_actions`."""
        values = {"ticket_id": ticket_id, "action_id": action_id}
        with self._transaction() as connection:
            return connection.execute(QUERIES["clear_failed"], values).rowcount

    @repeats_conflicts
    def retry_now(
        self,
        ticket_ids: Collection[int],
        action_ids: Collection[str],
        *,
        run_id: str,
        include_uncertain: bool,
    ) -> int:
        """See `ActionStore.retry_now`."""
        asked = self._all(
            "retry_now",
            ticket_ids=sorted(ticket_ids),
            action_ids=sorted(action_ids),
            run_id=run_id,
            include_uncertain=include_uncertain,
        )
        return len(asked)
