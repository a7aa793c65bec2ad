"""The `comment` action: one entry in the ticket's feed, a status change, or both in one call.

Options and their defaults are the older daemon's, and so is the identity they make. That it is posted once
is the business of `tickets.once` and, after a lost answer, of `recognition`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

from pydantic import Field, model_validator

from tdx_dagster.state.records import EffectState
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import NOTHING, Expectation, restore_of
from tdx_dagster.tickets.actions.field_changes import STATUS_WAS
from tdx_dagster.tickets.actions.last_word import expected_status, status_before
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.templates import pieces


class Comment(Action):
    """Post a comment, change the status, or both.

    `notify` takes mail addresses; `["null"]`, the older daemon's way to notify nobody, still does. With an
    empty text and a status it is a status change. Text and status go in one call, so that neither can be
    there without the other (case A41). A status is set only on a ticket whose status is one of
    `from_status_ids` (empty: any that no person has set) and that nobody has moved on: a person has the last
    word.
    """

    action_type: ClassVar[str] = "comment"
    legacy_settings: ClassVar[tuple[str, ...]] = (
        "comment_text",
        "is_private",
        "is_rich_html",
        "is_communication",
        "notify",
        "new_status_id",
        "cascade_status",
    )

    templated: ClassVar[tuple[str, ...]] = ("comment_text", "notify")
    result_names: ClassVar[tuple[str, ...] | None] = (
        "feed_id",
        "new_status_id",
        "status_id",
        "left_alone",
    )

    comment_text: str
    """The comment; empty: only the status changes."""
    is_private: bool = False
    """Not seen by the requestor."""
    is_rich_html: bool = False
    """The text is HTML."""
    is_communication: bool = False
    """Count as a communication with the requestor."""
    notify: tuple[str, ...] = ("null",)
    """Mail addresses to notify; null: nobody."""
    new_status_id: int = Field(default=0, ge=0)
    """The status to set; 0: unchanged."""
    cascade_status: bool = False
    """Set the status of child tickets too."""
    from_status_ids: tuple[int, ...] = ()
    """Set the status only where it is one of these, whoever has set it; empty: any that no person has set."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.comment_text.strip() and self.new_status_id == 0:
            raise ValueError("give a comment_text, a new_status_id, or both")
        return self

    def hashed_settings(self) -> dict[str, object]:
        """See `Action.hashed_settings`; the order of addresses does not matter."""
        return super().hashed_settings() | {"notify": sorted(self.notify)}

    def posted_texts(self) -> Sequence[str]:
        """See `Action.posted_texts`."""
        return tuple(pieces(self.comment_text))

    def perform(self, context: ActionContext) -> Performed:
        """Post it, unless the ticket has moved on and the status would move it back."""
        name, post, has_words = self._what_is_left(context)
        if not post.comments.strip() and not self.new_status_id:
            return Performed("Nothing to post: the text is empty on this ticket")
        before = {STATUS_WAS: status_before(context)} if self.new_status_id else NOTHING
        evidence = context.write.post(name, post, before, expected=self._expected(context))
        did = ["The comment is on the ticket already"] if has_words else []
        did += ["Comment posted"] if post.comments.strip() and not has_words else []
        if self.new_status_id:
            now = evidence.get("status_id", self.new_status_id)
            did.append(
                f"status set to {now}"
                if now == self.new_status_id
                else f"the status is now {now}, not {self.new_status_id}"
            )
        return Performed(", ".join(did).capitalize(), evidence=dict(evidence))

    def _what_is_left(self, context: ActionContext) -> tuple[str, FeedPost, bool]:
        """Give the name and content of the entry, and whether its words are on the ticket already.

        Words stay where a person has taken the status back: they are not posted twice.
        """
        name, post = f"feed:{self.identity().action_id}", self._post(context)
        effects, has_words = context.write.effects(), False
        while (
            self.new_status_id
            and (record := effects.get(name))
            and record.state is EffectState.DONE
            and (restored := restore_of(record, effects))
        ):
            has_words = has_words or bool(post.comments.strip())
            name = f"feed:{self.identity().action_id}:{restored.event_id}"
            post = replace(post, comments="", notify=())
        return name, post, has_words

    def _expected(self, context: ActionContext) -> Expectation | None:
        if not self.new_status_id:
            return None
        return expected_status(context, self.from_status_ids, self.new_status_id)

    def _post(self, context: ActionContext) -> FeedPost:
        return FeedPost(
            comments=context.render(self.comment_text, is_rich=self.is_rich_html),
            is_private=self.is_private,
            is_rich_html=self.is_rich_html,
            is_communication=self.is_communication,
            notify=tuple(map(context.render, self.notify)),
            new_status_id=self.new_status_id,
            cascade_status=self.cascade_status,
        )
