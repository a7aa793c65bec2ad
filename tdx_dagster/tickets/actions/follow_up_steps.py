"""One step of a follow-up: its settings, and bringing its writes about on a ticket.

Belongs here: what a step writes, under which names, and what of it an earlier attempt has left. Does not: when
a step is due (`follow_up`), what ends a ladder (`ladder`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.models import FeedPost, Status
from tdx_dagster.tickets.actions.action import MAX_PART, NAME_PATTERN
from tdx_dagster.tickets.actions.choices import UnknownValue, find_choice, find_status
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect, Evidence, post_effect
from tdx_dagster.tickets.actions.field_changes import (
    CHANGES,
    STATUS_WAS,
    Patch,
    Wanted,
    compare_now,
    stored_changes,
)
from tdx_dagster.tickets.actions.ladder import Ended, Ladder, mark
from tdx_dagster.tickets.actions.outcome import LeftAlone
from tdx_dagster.tickets.actions.ticket_fields import BY_SETTING
from tdx_dagster.tickets.ticket_view import TdxReads

ASSIGNED = ("responsible_person", "responsible_group", "priority")


class Step(BaseModel):
    """One step of a ladder."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    after_days: int = Field(ge=1)
    """Business days without a reply, counted from the start of the ladder."""
    name: str = Field(default="", max_length=MAX_PART, pattern=rf"^$|{NAME_PATTERN}")
    """Its name; empty: its number. What was done under its name is not done again."""
    comment_text: str = ""
    """The comment; empty: none. Template."""
    is_private: bool = False
    """Not seen by the requestor."""
    is_rich_html: bool = False
    """The text is HTML."""
    notify: tuple[str, ...] = ()
    """Mail addresses to notify. Template."""
    status: int | str | None = None
    """The status to set, by id or name."""
    responsible_person: str | None = None
    """Who becomes responsible: UID, mail address, user name or full name."""
    responsible_group: int | str | None = None
    """The group that becomes responsible."""
    priority: int | str | None = None
    """The priority to set."""
    notify_new_responsible: bool = False
    """Have TDX mail whoever becomes responsible."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.is_posted or any(self._assigned())):
            raise ValueError(
                "a step does nothing; give comment_text, status, responsible_person, responsible_group "
                "or priority"
            )
        return self

    @property
    def is_posted(self) -> bool:
        """Whether it adds an entry to the feed: a comment, a status, or both."""
        return bool(self.comment_text.strip()) or self.status is not None

    def _assigned(self) -> Iterator[str]:
        return (name for name in ASSIGNED if getattr(self, name) is not None)

    def wanted(self, tdx: TdxReads, *, check_ids: bool = False) -> list[Wanted]:
        """Give the fields that a patch sets, and their values.

        Raises:
            UnknownValue: TDX has no such value.
        """
        return [
            (BY_SETTING[name], find_choice(tdx, name, getattr(self, name), check_ids=check_ids))
            for name in self._assigned()
        ]

    def wanted_status(self, tdx: TdxReads) -> Status | None:
        """Give the status it sets; None where it sets none.

        Raises:
            UnknownValue: TDX has no such status, or it needs a date, which an entry of the feed cannot give.
        """
        if self.status is None:
            return None
        found = find_status(tdx, self.status)
        if found.needs_off_hold_date:
            raise UnknownValue(
                f"the status {found.name!r} needs a date, which a step cannot give; name another status"
            )
        return found


@dataclass(frozen=True)
class StepOnTicket:
    """A step of a ladder on its ticket.

    Args:
        step: The settings.
        ladder: Whose step it is.
        key: Its name or number.
    """

    step: Step
    ladder: Ladder
    key: str

    @property
    def _context(self) -> ActionContext:
        return self.ladder.context

    @property
    def name(self) -> str:
        """Name of the effect that stands for the step: the last of its writes."""
        return self.ladder.effect_name(self.key)

    @property
    def _fields_name(self) -> str:
        return f"{self.name}:fields" if self.step.is_posted else self.name

    def settled(self) -> EffectRecord | None:
        """Settle what an earlier attempt has left open; give the record where the step is done.

        Raises:
            RetryLater: It is not known yet.
        """
        names = dict.fromkeys((self._fields_name, self.name))
        return [self._settled(name) for name in names][-1]

    def _settled(self, name: str) -> EffectRecord | None:
        record = self._context.write.effects().get(name)
        if record is None or record.state is EffectState.DONE:
            return record
        is_there = self._context.write.recover(self._stored(name, record.detail)) is not None
        return self._context.write.effects().get(name) if is_there else None

    def _stored(self, name: str, detail: Evidence) -> Effect:
        """Make the effect that an earlier attempt has begun, perhaps with other settings, from its intent."""
        ticket_id, write = self._context.ticket.id, self._context.write
        if CHANGES in detail:
            return self._patch(name, Patch(ticket_id, name, stored_changes(detail)))
        if "comments" not in detail:
            return mark(name, detail)
        sent = {one: detail[one] for one in FeedPost.__slots__ if one in detail}
        note = {STATUS_WAS: detail[STATUS_WAS]} if STATUS_WAS in detail else {}
        return post_effect(ticket_id, name, FeedPost(**sent), note, write.effects)

    def do(self) -> list[str]:
        """Do the step, and say what of it is left alone.

        Raises:
            Ended: Somebody has replied; nothing more is written.
            Waits: The desk has closed.
        """
        left = self._assign()
        if self.step.is_posted:
            self._post()
        return left

    def _assign(self) -> list[str]:
        context, name = self._context, self._fields_name
        wanted = self.step.wanted(context.ticket.tdx)
        if not wanted or name in context.write.effects():
            return []
        _, found = compare_now(context, wanted, {})
        left = list(found.left)
        if found.changes:
            patch = Patch(
                context.ticket.id, name, found.changes, notify=self.step.notify_new_responsible
            )
            try:
                context.write.do(self._patch(name, patch))
            except Ended:
                raise
            except LeftAlone as moved:
                left.append(str(moved))
        if name not in context.write.effects():
            # Nothing had to be written; the days of the next step are counted from here all the same.
            context.write.do(mark(name, {"left_alone": left}))
        return left

    def _patch(self, name: str, patch: Patch) -> Effect:
        effect = replace(patch, changed_to=self._context.ticket.changed_to).effect()
        return replace(effect, name=name, expected=self.ladder.with_expected(effect.expected))

    def _post(self) -> None:
        context, step = self._context, self.step
        status = step.wanted_status(context.ticket.tdx)
        post = FeedPost(
            comments=context.render(step.comment_text, is_rich=step.is_rich_html),
            is_private=step.is_private,
            is_rich_html=step.is_rich_html,
            notify=tuple(map(context.render, step.notify)),
            new_status_id=status.id if status else 0,
        )
        note = {STATUS_WAS: context.ticket.latest.status_id} if status else {}
        if post.comments.strip() or status:
            context.write.post(self.name, post, note, expected=self.ladder.expected)
        else:
            context.write.do(mark(self.name, {}))
