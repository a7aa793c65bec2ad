"""Taking back what an action did on a ticket: links of assets, and fields that are still as it left them.

Belongs here: what can be taken back and in which order. It is an action like others, so that it is claimed,
resumed and recorded as they are. Does not: which actions are chosen (`state.decisions`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

from tdx_dagster.state.decisions import Decisions, DoneAction, Person
from tdx_dagster.state.records import UNDONE, EffectRecord, EffectState
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import (
    ATTACH,
    DETACH,
    RESTORE,
    STAYS,
    Effect,
    Expectation,
    TdxWrites,
    attach_effect,
    detach_effect,
    post_effect,
    restore_name,
    restore_of,
)
from tdx_dagster.tickets.actions.field_changes import (
    CHANGES,
    STATUS_WAS,
    Patch,
    ReadsTicket,
    stored_changes,
)
from tdx_dagster.tickets.actions.field_lines import last_line_of
from tdx_dagster.tickets.actions.link_lines import is_by, last_line_of_name
from tdx_dagster.tickets.actions.outcome import LeftAlone, Performed
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING, Change, TicketField
from tdx_dagster.tickets.once.outcomes import Outcome, Result, outcome_of
from tdx_dagster.tickets.once.runner import CLOSED
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.services import RunServices

# How the names of the effects begin that are notes.
NOTE = "undo-note:"
OWN_EFFECTS = (DETACH, RESTORE, NOTE)


@dataclass
class _Report:
    """What became of each effect, for people."""

    taken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [
            f"{head}: {', '.join(said)}"
            for head, said in (
                ("Taken back", self.taken),
                ("Left alone", self.left),
                ("Cannot be taken back", self.stays),
            )
            if said
        ]
        return ". ".join(parts) or "Nothing to take back"


class Undo(Action):
    """Take back what an action did on a ticket, the newest first."""

    action_type: ClassVar[str] = "undo"
    unhashed_settings: ClassVar[tuple[str, ...]] = (*Action.unhashed_settings, "note")

    target: str
    """The id of the action."""
    note: str = ""
    """A private entry in the ticket's feed that says so."""

    def has_more(self, context: ActionContext) -> bool:
        """See `Action.has_more`: the action has run again since it was taken back."""
        return any(self._pending(context.write.effects()))

    def perform(self, context: ActionContext) -> Performed:
        """Take back each effect, and post the note."""
        report = _Report()
        for name, record in list(self._pending(context.write.effects())):
            try:
                if name.startswith(ATTACH):
                    report.taken.append(self._detach(context, record))
                else:
                    report.taken.append(_restore(context, name, record))
            except LeftAlone as left:
                report.left.append(str(left))
        report.stays = [
            said
            for _, record in self._of_target(context.write.effects())
            for said in _stays(record)
        ]
        if self.note:
            self._post_note(context, report)
        return Performed(str(report), evidence={"taken_back": report.taken, "left": report.left})

    def _of_target(self, effects: Mapping[str, EffectRecord]) -> Iterator[tuple[str, EffectRecord]]:
        """Give the effects of the action, the newest first; also those whose outcome this one has found out."""
        mine = self.identity().action_id
        for name, record in sorted(effects.items(), key=lambda it: -it[1].event_id):
            is_found_out = record.action_id == mine and not name.startswith(OWN_EFFECTS)
            if record.action_id == self.target or is_found_out:
                yield name, record

    def _pending(self, effects: Mapping[str, EffectRecord]) -> Iterator[tuple[str, EffectRecord]]:
        """Give the effects that are to be taken back, the newest first."""
        for name, record in self._of_target(effects):
            is_change = STATUS_WAS in record.detail and not restore_of(record, effects)
            if name.startswith(ATTACH) or CHANGES in record.detail or is_change:
                yield name, record

    def _detach(self, context: ActionContext, record: EffectRecord) -> str:
        asset_id, name = int(record.detail["asset_id"]), str(record.detail["asset_name"])
        attached = attach_effect(context.ticket.id, asset_id, name, self.target)
        if context.write.recover(attached) is None:
            raise LeftAlone(f"{name} is not on the ticket")

        def is_ours(tdx: TdxWrites) -> str | None:
            return why_not_ours(context, tdx, attached)

        try:
            context.write.do(
                detach_effect(context.ticket.id, asset_id, name, record.event_id, is_ours)
            )
        except LeftAlone:
            context.write.forget(attached)
            raise
        context.write.forget(attached)
        return f"{name} detached"

    def _post_note(self, context: ActionContext, report: _Report) -> None:
        """Post the note, but not on a closed ticket: an entry may reopen it (case A40)."""
        post = FeedPost(self.note, is_private=True)
        try:
            context.write.post(self._note_name(context), post, expected=_is_closed(context))
        except LeftAlone as left:
            report.left.append(str(left))

    def _note_name(self, context: ActionContext) -> str:
        marks = [
            row.metadata[UNDONE]["at"]
            for row in context.rows()
            if row.action_id == self.target and UNDONE in row.metadata
        ]
        return f"{NOTE}{self.target}:{marks[0] if marks else ''}"


def _is_closed(context: ActionContext) -> Expectation:
    def check(tdx: TdxWrites) -> str | None:
        now = tdx.ticket(context.ticket.id)
        return f"no note, the ticket is {now.status_name}" if now.status_class in CLOSED else None

    return check


def _stays(record: EffectRecord) -> Iterator[str]:
    """Name what is not taken back: entries in the feed, of which the id may be unknown, tags, and others."""
    number, tags = record.detail.get("feed_id"), record.detail.get("tags")
    if number or str(record.detail.get("comments") or "").strip():
        yield f"the entry {number} in the feed" if number else "an entry in the feed"
    if tags:
        yield f"the tags {', '.join(tags)}"
    if STAYS in record.detail:
        yield str(record.detail[STAYS])


def why_not_ours(context: ActionContext, tdx: TdxWrites, attached: Effect) -> str | None:
    """Say why a link that is on the ticket is not this action's to take back; None where it is.

    Somebody has removed it and added it again, or another action has attached it as well.

    Args:
        context: The ticket.
        tdx: Read right before the link is taken off.
        attached: What has made the link.
    """
    name, asset_id = attached.detail["asset_name"], attached.detail["asset_id"]
    links = [one for one in context.write.effects() if one.startswith(f"{ATTACH}{asset_id}:")]
    if set(links) - {attached.name}:
        return f"{name}: another action has attached it as well"
    uid = tdx.account().uid
    line = last_line_of_name(tdx.feed(context.ticket.id), [name])
    if uid and line and line.created_uid and not is_by(line, uid):
        return f"{name}: its link was changed by {line.created_name}"
    return None


def _restore(context: ActionContext, name: str, record: EffectRecord) -> str:
    """Set back the fields of one write that are still as it left them."""
    if record.state is EffectState.OPEN:
        if context.write.recover(_effect_of(context, name, record)) is None:
            raise LeftAlone("a change that was begun is not on the ticket")
        record = context.write.effects().get(name, record)
    back = [
        Change(one.field, one.value, one.expected, one.name, one.was)
        for one in _changes(context, record)
    ]
    mine = restore_name(record)
    if mine in context.write.effects():
        changes = stored_changes(context.write.effects()[mine].detail)
    else:
        left = why_changed(context, context.ticket.tdx, back)
        changes = [one for one in back if one.field not in left]
        if not changes:
            raise LeftAlone(", ".join(left.values()) or "nothing was changed")
    patch = Patch(context.ticket.id, mine, changes).effect()

    def expected(tdx: TdxWrites) -> str | None:
        return ", ".join(why_changed(context, tdx, changes).values()) or None

    context.write.do(replace(patch, expected=expected))
    if CHANGES in record.detail:
        # Nothing of it is left, so that it is made anew where a person lets the action run again.
        context.write.forget(_effect_of(context, name, record))
    return ", ".join(f"{one.field.label} restored to {one.name}" for one in changes)


def _effect_of(context: ActionContext, name: str, record: EffectRecord) -> Effect:
    """Give the effect of a change as it was begun, to look for it."""
    if CHANGES in record.detail:
        return Patch(context.ticket.id, name, stored_changes(record.detail)).effect()
    known = {one.name: record.detail[one.name] for one in fields(FeedPost)}
    note = {STATUS_WAS: record.detail[STATUS_WAS]}
    return post_effect(context.ticket.id, name, FeedPost(**known), note, context.write.effects)


def why_changed(
    context: ActionContext, tdx: ReadsTicket, changes: Iterable[Change]
) -> Mapping[TicketField, str]:
    """Say of each field that is not as the robot has left it what it is now, and who set it.

    Where TDX has a line about the field, the newest one says whose value it is.

    Args:
        context: The ticket.
        tdx: Read right before the fields are set back.
        changes: Each from the value that the robot has set.
    """
    uid = context.ticket.tdx.account().uid
    now, feed = tdx.ticket(context.ticket.id), tdx.feed(context.ticket.id)
    left = {}
    for one in changes:
        line = last_line_of(feed, one.field)
        is_theirs = uid and line and line.created_uid and not is_by(line, uid)
        if is_theirs or one.field.value(now) != one.expected:
            by = f", set by {line.created_name}" if is_theirs and line else ""
            left[one.field] = f"{one.field.label} is now {one.field.shown(now)}{by}"
    return left


def _changes(context: ActionContext, record: EffectRecord) -> Sequence[Change]:
    if CHANGES in record.detail:
        return stored_changes(record.detail)
    was, now = int(record.detail[STATUS_WAS]), int(record.detail["new_status_id"])
    if was == now:
        return []
    names = {one.id: one.name for one in context.ticket.tdx.ticket_statuses()}
    status = BY_SETTING["status"]
    return [Change(status, was, now, names.get(was, str(was)), names.get(now, str(now)))]


@dataclass(frozen=True)
class TakingBack:
    """Takes actions back, one after the other.

    Args:
        services: What a run works with.
        decisions: Where it is recorded.
        by: Who wants it.
        note: See `Undo`.
    """

    services: RunServices
    decisions: Decisions
    by: Person
    note: str = ""

    def plan(self, done: DoneAction) -> Outcome:
        """Say what would be taken back; nothing is written."""
        undo = self._undo(done)
        runner = self.services.without_writes.runner(_pipeline(undo), "", lambda _: None)
        return runner.dry_run(undo, self.services.view(done.ticket_id), ())

    def run(self, done: DoneAction) -> Outcome:
        """Take it back. The action does not run on the ticket again until a person says so."""
        undo, view = self._undo(done), self.services.view(done.ticket_id)
        if not self.decisions.mark_undone(done, self.by):
            said = f"a run is at work on {done.name}: undo it when that has ended"
            return outcome_of(undo, view, Result.FAILED, said)
        run_id = self.by.run_id or "undo"
        self.services.store.retry_now(
            [done.ticket_id], [undo.identity().action_id], run_id=run_id, include_uncertain=False
        )
        return self.services.runner(_pipeline(undo), run_id, lambda _: None).run(undo, view)

    def _undo(self, done: DoneAction) -> Undo:
        return Undo(target=done.action_id, note=self.note)


def is_open(outcome: Outcome) -> bool:
    """Tell whether an action could not be taken back yet: it failed, or another run holds it."""
    return outcome.result is Result.FAILED or outcome.stops_ticket


def _pipeline(undo: Undo) -> Pipeline:
    return Pipeline("undo", (undo,), act_on_closed=True)
