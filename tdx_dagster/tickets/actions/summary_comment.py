"""The `summary_comment` action: one tidy note that tells the results no summary has told yet.

It is an outbox: made of stored results, not of what happens to be in memory. One whose post failed is
posted by the next run; one that was posted is not posted again (cases D16, D17).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tdx_dagster.state.records import EffectState, UnsummarisedResult
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.outcome import Performed

TELLS = "tells"


class SummaryComment(Action):
    """Post the summary of what was done.

    The post is the prefix, an empty line, then the numbered lines. Private and silent by default.
    """

    action_type: ClassVar[str] = "summary_comment"
    legacy_settings: ClassVar[tuple[str, ...]] = (
        "comment_prefix",
        "is_private",
        "is_rich_html",
        "skip_if_empty",
        "separator",
    )
    is_summary: ClassVar[bool] = True

    comment_prefix: str = "🤖 Automated Actions Summary"
    is_private: bool = True
    is_rich_html: bool = False
    skip_if_empty: bool = True
    separator: str = "\n"

    def posted_texts(self) -> Sequence[str]:
        """See `Action.posted_texts`."""
        return (self.comment_prefix,)

    def perform(self, context: ActionContext) -> Performed:
        """Post one note for the results at hand, or nothing where there are none.

        The notes of a pipeline on a ticket are numbered, and the number is the effect: two holders, of this
        action or of two configurations of it, reach for the same one, and the second finds what the first
        has told. A note that somebody else posted meanwhile is taken into account, and the next is due.
        """
        while True:
            unsummarised = context.unsummarised()
            posted = _posted(context)
            results = [it for it in unsummarised if _mark(it) not in posted.told]
            lines = [line for result in results for line in result.lines if line.strip()]
            ids = [result.action_id for result in unsummarised]
            if not lines and (self.skip_if_empty or posted.count):
                return Performed("Nothing to summarise", told=ids)
            tells = [_mark(result) for result in results]
            evidence = context.write.post(
                f"{_prefix(context)}{posted.count + 1}", self.post(lines), {TELLS: tells}
            )
            if list(evidence.get(TELLS) or ()) == tells:
                noun = "result" if len(lines) == 1 else "results"
                return Performed(
                    f"Summary of {len(lines)} {noun} posted",
                    evidence={"feed_id": evidence.get("feed_id"), "lines": lines},
                    told=ids,
                )

    def post(self, lines: Sequence[str]) -> FeedPost:
        """Give the note."""
        return FeedPost(
            self.text(lines), is_private=self.is_private, is_rich_html=self.is_rich_html
        )

    def text(self, lines: Sequence[str]) -> str:
        """Give the words of the note."""
        numbered = [f"{number}. {line}" for number, line in enumerate(lines, start=1)]
        body = self.separator.join(numbered) if numbered else "No actions were executed."
        newline = "<br />" if self.is_rich_html else "\n"
        if self.is_rich_html:
            body = body.replace("\n", newline)
        return f"{self.comment_prefix}{newline * 2}{body}"


@dataclass(frozen=True, slots=True)
class _Posted:
    """The notes of this pipeline that are on the ticket: how many, and which results they tell."""

    count: int
    told: frozenset[str]


def _posted(context: ActionContext) -> _Posted:
    notes = [
        effect.detail.get(TELLS, ())
        for name, effect in context.write.effects().items()
        if name.startswith(_prefix(context)) and effect.state is EffectState.DONE
    ]
    return _Posted(len(notes), frozenset(mark for tells in notes for mark in tells))


def _prefix(context: ActionContext) -> str:
    return f"summary:{context.pipeline}:"


def _mark(result: UnsummarisedResult) -> str:
    """Name a result: the action may have another one later."""
    return f"{result.action_id}@{result.executed_at.isoformat()}"
