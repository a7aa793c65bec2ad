"""How far a follow-up has come on a ticket, and what ends it: read from the action log and from TDX.

Belongs here: the effects of a ladder by their names, the record of its start, and the check for a reply right
before a write. Does not: the settings and the order of steps (`follow_up`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.models import FeedEntry, Reply, Ticket
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect, Evidence, Expectation, TdxWrites
from tdx_dagster.tickets.actions.field_changes import ReadsFeed, last_set, left_alone
from tdx_dagster.tickets.actions.office_calendar import OfficeCalendar
from tdx_dagster.tickets.actions.outcome import GiveUp, LeftAlone, Waits
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING, STATUS

# What the record of the start keeps: the last entry before it, and the status of the ticket.
LAST_ENTRY, STATUS_AT_START = "last_entry", "status_at_start"


class Ended(LeftAlone):
    """A person has replied or has moved the ticket on."""


@dataclass(frozen=True)
class Ladder:
    """The ladder of one action on one ticket.

    Args:
        context: The ticket.
        name: How the names of its effects begin. It has nothing of the settings, so that other settings go on
            with the ladder where it stands.
        calendar: When the desk is at work.
        is_by_requestor: The requestor's replies alone end it.
    """

    context: ActionContext
    name: str
    calendar: OfficeCalendar
    is_by_requestor: bool

    def effect_name(self, step: str) -> str:
        """Name the effect that stands for a step."""
        return f"{self.name}:step:{step}"

    def start(self) -> datetime:
        """Give the time of the start; a ladder that has none starts now, which a dry run does not record."""
        record = self._started()
        if record is None and not self.context.write.is_dry_run:
            ids = [one.id for one, _ in _all(self.context.ticket.conversation())]
            status = self.context.ticket.latest.status_id
            last = {LAST_ENTRY: max(ids, default=0), STATUS_AT_START: status}
            # Whose entries are replies has to be known before the first one.
            self._robot()
            self.context.write.do(mark(self._start_name, last))
        return self.at(record)

    def _started(self) -> EffectRecord | None:
        found = self.context.write.effects().get(self._start_name)
        if found is not None and found.state is not EffectState.DONE:
            # A process died between the two events of the log.
            self.context.write.recover(mark(self._start_name, found.detail))
        return found

    @property
    def _start_name(self) -> str:
        return f"{self.name}:start"

    def at(self, record: EffectRecord | None) -> datetime:
        """Give the time of what the log has recorded; now where it has not yet."""
        now = self.context.now()
        return now - timedelta(seconds=record.age_seconds) if record else now

    def expected(self, tdx: TdxWrites) -> str | None:
        """Check right before a write that nobody has replied; see `Expectation`.

        Raises:
            Ended: Somebody has.
            Waits: The desk has closed meanwhile.
        """
        now = self.context.now()
        at = self.calendar.next_open(now)
        if at > now:
            raise Waits(f"{self.calendar.shown(at)}, when the desk is open", at)
        ticket = tdx.ticket(self.context.ticket.id)
        self._check_ended(tdx, ticket, _with_replies(tdx, ticket.id))
        return None

    def with_expected(self, other: Expectation | None) -> Expectation:
        """Check for a reply, and then what a write expects besides."""

        def check(tdx: TdxWrites) -> str | None:
            said = other(tdx) if other else None
            return self.expected(tdx) or said

        return check

    def check_ended_by_now(self) -> None:
        """Check, by what this run has read, that the ladder goes on.

        Raises:
            Ended: It does not.
        """
        ticket = self.context.ticket
        self._check_ended(ticket.tdx, ticket.latest, ticket.conversation())

    def _check_ended(
        self, tdx: ReadsFeed, ticket: Ticket, conversation: Iterable[FeedEntry]
    ) -> None:
        start = self._started()
        if start is None:
            return
        reply = self._reply(ticket, conversation, int(start.detail[LAST_ENTRY]))
        if reply is not None:
            when = f" on {self.calendar.shown(reply.created_at)}" if reply.created_at else ""
            raise Ended(f"{reply.created_name or 'a person'} replied{when}")
        if ticket.status_id != self._known_status(start):
            raise Ended(left_alone(tdx, BY_SETTING["status"], ticket))

    def _reply(
        self, ticket: Ticket, conversation: Iterable[FeedEntry], last_entry: int
    ) -> FeedEntry | Reply | None:
        robot = self._robot()
        only = ticket.requestor_uid if self.is_by_requestor else None
        return next(
            (
                one
                for one, author in _all(conversation)
                if one.id > last_entry and author and author != robot
                if only is None or author == only.casefold()
            ),
            None,
        )

    def _robot(self) -> str:
        """Give the UID of the account that the robot uses.

        Raises:
            GiveUp: It has none, so that its entries cannot be told from those of people.
        """
        uid = self.context.ticket.tdx.account().uid
        if uid is None:
            raise GiveUp(
                "The account of the robot has no UID in TDX, so that its own entries cannot be told from "
                "replies; let it sign in as a service account."
            )
        return uid.casefold()

    def _known_status(self, start: EffectRecord) -> int:
        """Give the status the ticket has unless a person has changed it since the start."""
        effects = self.context.write.effects().items()
        since = {name: one for name, one in effects if one.event_id > start.event_id}
        return int(last_set(since).get(STATUS) or start.detail[STATUS_AT_START])


def mark(name: str, detail: Evidence) -> Effect:
    """Make an effect that is there once the log says so: nothing of it is in TDX."""
    return Effect(name, detail, lambda _: detail, lambda _, record: record.detail)


def _with_replies(tdx: TdxWrites, ticket_id: int) -> Iterator[FeedEntry]:
    for entry in tdx.feed(ticket_id):
        yield tdx.feed_entry(entry.id) if entry.replies_count else entry


def _all(conversation: Iterable[FeedEntry]) -> Iterator[tuple[FeedEntry | Reply, str]]:
    """Give entries and replies with the UID of their author; empty for TDX's own."""
    for entry in conversation:
        written: tuple[FeedEntry | Reply, ...] = (entry, *entry.replies)
        for one in written:
            yield one, (one.created_uid or "").casefold()
