"""Taking back what an action did on a ticket: links of assets, and fields that are still as it left them.

Belongs here: what can be taken back and in which order. It is an action like others, so that it is claimed,
resumed and recorded as they are. Does not: which actions are chosen (`state.decisions`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tdx_dagster.state.decisions import Decisions, DoneAction, Person
from tdx_dagster.state.records import UNDONE, EffectRecord, EffectState
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import (
    ATTACH,
    STAYS,
    attach_effect,
    detach_effect,
)
from tdx_dagster.tickets.actions.field_changes import CHANGES, Patch, say_moved, stored_changes
from tdx_dagster.tickets.actions.last_word import STATUS_WAS
from tdx_dagster.tickets.actions.link_lines import is_by, last_line_of_name
from tdx_dagster.tickets.actions.outcome import LeftAlone, Performed
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING, Change
from tdx_dagster.tickets.once.outcomes import Outcome, Result, outcome_of
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.services import RunServices

# How the names of effects begin that restore fields.
RESTORE = "restore:"


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
            for record in context.write.effects().values()
            if record.action_id == self.target
            for said in _stays(record)
        ]
        if self.note:
            context.write.post(self._note_name(context), FeedPost(self.note, is_private=True))
        return Performed(str(report), evidence={"taken_back": report.taken, "left": report.left})

    def _pending(self, effects: Mapping[str, EffectRecord]) -> Iterator[tuple[str, EffectRecord]]:
        """Give the effects that are to be taken back, the newest first."""
        for name, record in sorted(effects.items(), key=lambda it: -it[1].event_id):
            if name.startswith(ATTACH) and name.endswith(f":{self.target}"):
                yield name, record
            elif record.action_id == self.target and _is_change(record):
                restored = effects.get(_restore_name(record))
                if restored is None or restored.state is not EffectState.DONE:
                    yield name, record

    def _detach(self, context: ActionContext, record: EffectRecord) -> str:
        asset_id, name = int(record.detail["asset_id"]), str(record.detail["asset_name"])
        attached = attach_effect(context.ticket.id, asset_id, name, self.target)
        if context.write.recover(attached) is None:
            raise LeftAlone(f"{name} was not attached")
        mine = detach_effect(context.ticket.id, asset_id, name, record.event_id)
        try:
            if mine.name not in context.write.effects():
                _check_ours(context, name)
            context.write.do(mine)
        except LeftAlone:
            context.write.forget(attached)
            raise
        context.write.forget(attached)
        return f"{name} detached"

    def _note_name(self, context: ActionContext) -> str:
        marks = [
            row.metadata[UNDONE]["at"]
            for row in context.rows()
            if row.action_id == self.target and UNDONE in row.metadata
        ]
        return f"undo-note:{self.target}:{marks[0] if marks else ''}"


def _stays(record: EffectRecord) -> Iterator[str]:
    """Name what is not taken back: entries in the feed, of which the id may be unknown, tags, and others."""
    number, tags = record.detail.get("feed_id"), record.detail.get("tags")
    if number or str(record.detail.get("comments") or "").strip():
        yield f"the entry {number} in the feed" if number else "an entry in the feed"
    if tags:
        yield f"the tags {', '.join(tags)}"
    if STAYS in record.detail:
        yield str(record.detail[STAYS])


def _is_change(record: EffectRecord) -> bool:
    is_done = record.state is EffectState.DONE
    return is_done and (CHANGES in record.detail or STATUS_WAS in record.detail)


def _check_ours(context: ActionContext, name: str) -> None:
    """Check that the link on the ticket is the robot's.

    Raises:
        LeftAlone: Somebody has removed it and added it again.
    """
    uid = context.ticket.tdx.account().uid
    line = last_line_of_name(context.ticket.conversation(), [name])
    if uid and line and line.created_uid and not is_by(line, uid):
        raise LeftAlone(f"{name}: its link was changed by {line.created_name}")


def _restore_name(record: EffectRecord) -> str:
    return f"{RESTORE}{record.event_id}"


def _restore(context: ActionContext, name: str, record: EffectRecord) -> str:
    """Set back the fields of one write that are still as it left them."""
    back = [
        Change(one.field, one.value, one.expected, one.name, one.was) for one in _changes(record)
    ]
    mine = _restore_name(record)
    if mine in context.write.effects():
        changes = stored_changes(context.write.effects()[mine].detail)
    else:
        now = context.ticket.tdx.ticket(context.ticket.id)
        changes = [one for one in back if one.field.value(now) == one.expected]
        if not changes:
            raise LeftAlone(say_moved(back, now) or name)
    context.write.do(Patch(context.ticket.id, mine, changes).effect())
    return ", ".join(f"{one.field.label} restored to {one.name}" for one in changes)


def _changes(record: EffectRecord) -> Sequence[Change]:
    if CHANGES in record.detail:
        return stored_changes(record.detail)
    was, now = int(record.detail[STATUS_WAS]), int(record.detail["new_status_id"])
    return [Change(BY_SETTING["status"], was, now, str(was), str(now))] if was != now else []


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
