"""The `summary_comment` action: one tidy note that tells the results no summary has told yet.

It is an outbox: made of stored results, not of what happens to be in memory. One whose post failed is
posted by the next run; one that was posted is not posted again (cases D16, D17).
"""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from tdx_dagster.state.records import UntoldResult
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action, Performed
from tdx_dagster.tickets.actions.work import Work


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

    def own_words(self) -> Sequence[str]:
        """See `Action.own_words`."""
        return (self.comment_prefix,)

    def perform(self, work: Work) -> Performed:
        """Post one note for the results at hand, or nothing where there are none."""
        results = work.untold()
        lines = [line for result in results for line in result.lines if line.strip()]
        told = [result.action_id for result in results]
        if not lines and self.skip_if_empty:
            return Performed("Nothing to summarise", told=told)
        evidence = work.hands.post(
            f"summary:{_digest(results)}",
            FeedPost(self.text(lines), is_private=self.is_private, is_rich_html=self.is_rich_html),
        )
        noun = "result" if len(lines) == 1 else "results"
        return Performed(
            f"Summary of {len(lines)} {noun} posted",
            evidence={**evidence, "lines": lines},
            told=told,
        )

    def text(self, lines: Sequence[str]) -> str:
        """Give the words of the note."""
        numbered = [f"{number}. {line}" for number, line in enumerate(lines, start=1)]
        body = self.separator.join(numbered) if numbered else "No actions were executed."
        newline = "<br />" if self.is_rich_html else "\n"
        if self.is_rich_html:
            body = body.replace("\n", newline)
        return f"{self.comment_prefix}{newline * 2}{body}"


def _digest(results: Sequence[UntoldResult]) -> str:
    """Name a set of results, so that the same set is the same effect whoever posts it (case D20)."""
    text = "|".join(
        sorted(f"{result.action_id}@{result.executed_at.isoformat()}" for result in results)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]
