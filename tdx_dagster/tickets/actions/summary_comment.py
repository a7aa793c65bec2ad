"""The `summary_comment` action: one note with the results that no summary has posted yet.

It is an outbox: made of stored results, not of what happens to be in memory. One whose post failed is
posted by the next run; one that was posted is not posted again (cases D16, D17).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tdx_dagster.state.records import EffectState, LogStatus, StoredResult
from tdx_dagster.tdx.models import FeedPost
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.due import Due, TicketLog, unfinished, unseen
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.templates import pieces

# Keys in the detail of a note's effect. `tells` is what earlier releases stored.
MARKS = "tells"
CONFIG = "config"

# Where a row keeps what its last completion stored.
DETAILS = "details"


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

    templated: ClassVar[tuple[str, ...]] = ("comment_prefix",)
    result_names: ClassVar[tuple[str, ...] | None] = ("feed_id", "lines")

    comment_prefix: str = "🤖 Automated Actions Summary"
    """The first line."""
    is_private: bool = True
    """Not seen by the requestor."""
    is_rich_html: bool = False
    """Post HTML."""
    skip_if_empty: bool = True
    """Post nothing where there is nothing to summarise."""
    separator: str = "\n"
    """Stands between two lines."""

    def posted_texts(self) -> Sequence[str]:
        """See `Action.posted_texts`."""
        return tuple(pieces(self.comment_prefix))

    def is_due(self, log: TicketLog) -> Due:
        """See `Action.is_due`: due where there is something to summarise, or will be once others have run."""
        own = log.own
        if own is not None and own.status is LogStatus.SKIPPED and not own.is_due:
            return unfinished(own) if own.next_attempt_at else Due.DONE
        results = [row for row in log.rows if row.pipeline == log.pipeline]
        if any(row.is_unsummarised for row in results):
            return Due.NEW if own is None else Due.AGAIN
        if any(due.should_run for due in log.earlier.values()):
            return Due.NEW if own is None else Due.AGAIN
        if own is not None:
            return Due.DONE
        state = unseen(log)
        if (state is Due.AGAIN and any(row.has_lines for row in results)) or (
            state is Due.NEW and not self.skip_if_empty
        ):
            return state
        return Due.DONE

    def has_more(self, context: ActionContext) -> bool:
        """See `Action.has_more`."""
        return bool(context.unsummarised())

    def perform(self, context: ActionContext) -> Performed:
        """Post one note for these results, or nothing where there are none.

        The notes of a pipeline on a ticket are numbered, and the number is the effect: two holders, of this
        action or of two configurations of it, reach for the same one, and the second finds what the first
        has posted. A note that another holder posted meanwhile is taken into account, and the next is due.
        """
        config = self.identified().config_hash
        prefix = context.render(self.comment_prefix, is_rich=self.is_rich_html)
        repeats = self._repeats_earlier_notes(context)
        while True:
            results = context.with_lines() if repeats else context.unsummarised()
            posted = _posted(context, config if repeats else None)
            missing = [it for it in results if _mark(it) not in posted.marks]
            lines = [line for result in missing for line in result.lines if line.strip()]
            ids = [result.action_id for result in results]
            if not lines and (self.skip_if_empty or posted.count):
                return Performed("Nothing to summarise", summarised=ids)
            marks = [_mark(result) for result in missing]
            evidence = context.write.post(
                f"{_prefix(context)}{posted.count + 1}",
                self.post(lines, prefix),
                {MARKS: marks, CONFIG: config},
            )
            if list(evidence.get(MARKS) or ()) == marks:
                noun = "result" if len(lines) == 1 else "results"
                return Performed(
                    f"Summary of {len(lines)} {noun} posted",
                    evidence={"feed_id": evidence.get("feed_id"), "lines": lines},
                    summarised=ids,
                )

    def _repeats_earlier_notes(self, context: ActionContext) -> bool:
        """Tell whether results that were posted are posted anew: other settings under the same version."""
        me = self.identified()
        rows = [
            row
            for row in context.rows()
            if row.action_type == me.type_name and row.name == me.label
        ]
        # A row keeps what its last completion stored, so this holds through a failure as well.
        has_completed = any(
            row.action_id == me.action_id and DETAILS in row.metadata for row in rows
        )
        return not has_completed and any(
            row.is_done and row.version == me.version and row.action_id != me.action_id
            for row in rows
        )

    def post(self, lines: Sequence[str], prefix: str | None = None) -> FeedPost:
        """Give the note; the prefix is that of the settings unless it is given filled in."""
        return FeedPost(
            self.text(lines, prefix), is_private=self.is_private, is_rich_html=self.is_rich_html
        )

    def text(self, lines: Sequence[str], prefix: str | None = None) -> str:
        """Give the words of the note; see `post`."""
        first = self.comment_prefix if prefix is None else prefix
        numbered = [f"{number}. {line}" for number, line in enumerate(lines, start=1)]
        body = self.separator.join(numbered) if numbered else "No actions were executed."
        newline = "<br />" if self.is_rich_html else "\n"
        if self.is_rich_html:
            body = body.replace("\n", newline)
        return f"{first}{newline * 2}{body}"


@dataclass(frozen=True, slots=True)
class _Posted:
    """The notes of this pipeline that are on the ticket.

    Args:
        count: How many.
        marks: The results they post.
    """

    count: int
    marks: frozenset[str]


def _posted(context: ActionContext, config: str | None) -> _Posted:
    """Read the notes from the log; with `config`, only those of these settings count as having posted."""
    notes = [
        effect.detail
        for name, effect in context.write.effects().items()
        if name.startswith(_prefix(context)) and effect.state is EffectState.DONE
    ]
    marks = (
        mark
        for note in notes
        if config is None or note.get(CONFIG) == config
        for mark in note.get(MARKS) or ()
    )
    return _Posted(len(notes), frozenset(marks))


def _prefix(context: ActionContext) -> str:
    return f"summary:{context.pipeline}:"


def _mark(result: StoredResult) -> str:
    """Name a result: the action may have another one later."""
    return f"{result.action_id}@{result.executed_at.isoformat()}"
