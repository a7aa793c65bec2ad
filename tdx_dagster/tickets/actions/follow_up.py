"""The `follow_up` action: remind, escalate and close, a step at a time, until somebody replies.

Belongs here: the settings, and which step is due when. Does not: what a step writes (`follow_up_steps`), what
ends a ladder (`ladder`), business days (`office_calendar`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from tdx_dagster.state.records import EffectRecord
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.choices import UnknownValue
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.follow_up_steps import Step, StepOnTicket
from tdx_dagster.tickets.actions.ladder import Ended, Ladder
from tdx_dagster.tickets.actions.office_calendar import OfficeCalendar
from tdx_dagster.tickets.actions.outcome import Performed, Waits
from tdx_dagster.tickets.actions.templates import pieces
from tdx_dagster.tickets.ticket_view import TdxReads


@dataclass
class _Progress:
    """What is done of a ladder, and what steps of this pass have left alone."""

    done: dict[str, EffectRecord] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


class FollowUp(Action):
    """Remind, escalate and close after business days without a reply, each step once.

    The ladder starts when the action first runs on the ticket. A step that is late, as after an outage, is done
    when the desk is next open, and the days of the next one are counted from then. A reply, or a status that
    somebody has changed, ends it; the feed is read right before each write.
    """

    action_type: ClassVar[str] = "follow_up"
    # Next year's holidays must not make another action of it.
    unhashed_settings: ClassVar[tuple[str, ...]] = (*Action.unhashed_settings, "calendar")
    result_names: ClassVar[tuple[str, ...] | None] = ("steps_done", "ended", "left_alone")

    calendar: OfficeCalendar
    """When the desk is at work: no step is done at another time."""
    steps: tuple[Step, ...]
    """The steps, in their order."""
    answered_by: Literal["anybody", "requestor"] = "anybody"
    """Whose reply ends the ladder: any entry of a person, or of the requestor alone."""

    @model_validator(mode="after")
    def _is_a_ladder(self) -> Self:
        if not self.steps:
            raise ValueError("a ladder needs at least one step")
        days = [step.after_days for step in self.steps]
        if days != sorted(set(days)):
            raise ValueError(f"after_days must grow from step to step, and they are {days}")
        keys = list(self._by_key())
        if len(keys) < len(self.steps):
            raise ValueError(f"two steps have one name; the names are {', '.join(keys)}")
        return self

    def _by_key(self) -> dict[str, Step]:
        """Give the steps by their names, or their numbers where they have none."""
        return {step.name or str(number): step for number, step in enumerate(self.steps, start=1)}

    def hashed_settings(self) -> dict[str, object]:
        """See `Action.hashed_settings`; a setting added to steps later changes nobody's ids."""
        steps = [sorted(step.model_dump(exclude_defaults=True).items()) for step in self.steps]
        return super().hashed_settings() | {"steps": steps}

    def templates(self) -> Iterator[str]:
        """See `Action.templates`."""
        for step in self.steps:
            yield from (step.comment_text, *step.notify)

    def posted_texts(self) -> Sequence[str]:
        """See `Action.posted_texts`."""
        texts = [step.comment_text for step in self.steps if step.comment_text.strip()]
        return [piece for text in texts for piece in pieces(text)]

    def check(self, tdx: TdxReads) -> str:
        """See `Action.check`: each value is one that TDX has."""
        try:
            fields = [to for step in self.steps for _, to in step.wanted(tdx, check_ids=True)]
            statuses = [step.wanted_status(tdx) for step in self.steps]
        except UnknownValue as error:
            raise UnknownValue(f"The action {self.label!r}: {error}") from error
        return ", ".join(one.name for one in (*fields, *statuses) if one)

    def perform(self, context: ActionContext) -> Performed:
        """Do the step that is due; wait for the next one.

        Raises:
            Waits: Until the next step is due.
        """
        progress = _Progress()
        try:
            self._go_on(self._ladder(context), progress)
        except Ended as ended:
            return self._performed(progress, str(ended))
        return self._performed(progress)

    def _ladder(self, context: ActionContext) -> Ladder:
        is_requestors = self.answered_by == "requestor" and context.ticket.ticket.requestor_uid
        name = f"{self.type_name()}:{context.pipeline}:{self.label}:{self.version}"
        return Ladder(context, name, self.calendar, is_by_requestor=bool(is_requestors))

    def _go_on(self, ladder: Ladder, progress: _Progress) -> None:
        """Go through the steps: those done, the one that is due, and the one to wait for.

        Raises:
            Ended: Somebody has replied.
            Waits: Until the next step is due.
        """
        counted_from, days, has_acted = ladder.start(), 0, False
        for key, step in self._by_key().items():
            on_ticket = StepOnTicket(step, ladder, key)
            record = on_ticket.settled()
            if record is None:
                due = self.calendar.after(counted_from, step.after_days - days)
                self._wait_until(due, key, ladder, has_acted=has_acted)
                progress.left += on_ticket.do()
                record, has_acted = on_ticket.settled(), True
            if record is not None:
                progress.done[key] = record
            counted_from = ladder.at(record)
            days = step.after_days

    def _wait_until(self, due: datetime, key: str, ladder: Ladder, *, has_acted: bool) -> None:
        """Go on where a step is due and the desk is at work.

        Raises:
            Ended: It is not, and somebody has replied already.
            Waits: It is not.
        """
        now = ladder.context.now()
        at = self.calendar.next_open(max(due, now))
        if at <= now:
            return
        if not has_acted:
            ladder.check_ended_by_now()
        raise Waits(f"{self.calendar.shown(at)}: step {key} of {self.label}", at)

    def _performed(self, progress: _Progress, ended: str = "") -> Performed:
        count = f"{len(progress.done)} of {len(self.steps)} steps done"
        message = f"Follow-up ended, {count}: {ended or 'nobody replied'}"
        mine, lines = self.identity().action_id, [message, *progress.left]
        has_effect = any(record.action_id == mine for record in progress.done.values())
        return Performed(
            "; ".join(lines),
            summary_lines=lines if has_effect else [],
            evidence={
                "steps_done": list(progress.done),
                "ended": ended,
                **({"left_alone": progress.left} if progress.left else {}),
            },
        )
