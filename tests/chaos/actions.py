"""Two custom actions as people write them: one that can look for its effect, and one that cannot."""

from typing import Any

from tdx_dagster.state.records import EffectRecord
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import Effect, TdxWrites
from tdx_dagster.tickets.actions.outcome import Performed


class Marked(Action):
    """Posts an entry and knows it again by its mark."""

    text: str = "words of the marked"

    def perform(self, context: ActionContext) -> Performed:
        """Post."""
        ticket = context.ticket.id

        def write(tdx: TdxWrites) -> dict[str, Any]:
            tdx.post_feed(ticket, FeedPost(self.text, is_private=True))
            return {"posted": True}

        def look(tdx: TdxWrites, _: EffectRecord) -> dict[str, Any] | None:
            there = any(self.text in entry.body for entry in tdx.feed(ticket))
            return {"posted": True} if there else None

        context.write.do(Effect("marked", {}, write, look))
        return Performed("marked", summary_lines=["Marked it"])


class Blind(Action):
    """Posts an entry and cannot look for it."""

    text: str = "words of the blind"

    def perform(self, context: ActionContext) -> Performed:
        """Post."""
        ticket = context.ticket.id

        def write(tdx: TdxWrites) -> dict[str, Any]:
            tdx.post_feed(ticket, FeedPost(self.text, is_private=True))
            return {}

        context.write.do(Effect("blind", {}, write))
        return Performed("posted blindly", summary_lines=["Posted blindly"])
