"""What came of a seed: TDX's own record against the action log.

Belongs here: what must hold whatever has happened. Each effect once, none lost, no wrong computer, each
result told once, and log and truth agree.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tdx_dagster.simulator.sample.blank import NEW
from tdx_dagster.state.records import EffectState, FailureKind, LogRow, LogStatus
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.html import normalised, visible_text
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.add_contact import AddContact
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.effects import ATTACH
from tdx_dagster.tickets.actions.related_tickets import RelatedTickets
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.pipeline import Pipeline
from tests.chaos import judge_undo
from tests.chaos.actions import Blind, Marked
from tests.chaos.judge_people import Decisions
from tests.chaos.judge_undo import is_undone
from tests.chaos.schedule import Doing, Schedule
from tests.chaos.worker import UNDO_NOTE
from tests.tenant import BOB

COMMENTED = {1, 2}
LINE = re.compile(r"^\d+\. (.+)$", re.MULTILINE)
FIELD_LINES = re.compile(r"(Changed \w+ from \"[^\"]*\" to \"[^\"]*\"\.\s*)+")


@dataclass(frozen=True)
class Evidence:
    """All there is to judge by."""

    schedule: Schedule
    state: Any
    store: ActionStore
    truth: Mapping[int, set[int]]
    robot_uid: str
    people: Decisions
    before: Mapping[int, Mapping[str, Any]]
    noted: list[str] = field(default_factory=list)

    def texts(self, ticket: int) -> list[str]:
        """What the robot wrote on a ticket, as people see it."""
        return [
            visible_text(entry["Body"])
            for entry in self.state.feed_of_ticket(ticket)
            if entry["CreatedUid"] == self.robot_uid and entry["UpdateType"] in COMMENTED
        ]

    def rows(self, ticket: int) -> dict[str, LogRow]:
        """The log of a ticket by action id."""
        return {row.action_id: row for row in self.store.get_ticket_actions(ticket)}

    def actions(self) -> Iterator[tuple[int, Pipeline, Action]]:
        """Everything that was to be done."""
        for ticket in self.schedule.tickets:
            for pipeline in self.schedule.final_pipelines:
                for action in pipeline.actions:
                    yield ticket, pipeline, action

    def clear_as_a_person_would(self) -> None:
        """Reset what failed for good; where nobody could look, look, and leave it if it is there."""
        for ticket in self.schedule.tickets:
            for row in self.store.get_failed(ticket):
                is_uncertain = row.failure_kind is FailureKind.UNCERTAIN
                if is_uncertain and row.name != Blind.__name__:
                    where = f"ticket {ticket}, {row.name}"
                    self.noted.append(f"{where}: uncertain although it can be looked for")
                is_there = is_uncertain and times(self, ticket, Blind())
                if not is_there:
                    self.store.clear_failed_actions(ticket, row.action_id)

    def is_settled(self) -> bool:
        """Whether nothing is left to do."""
        return judge_undo.is_over(self) and all(self._is_over(*one) for one in self.actions())

    def is_left_alone(self, ticket: int, pipeline: Pipeline) -> bool:
        """Whether nothing need be done: it was closed, or left the report before the pipeline began on it."""
        if self.people.has_closed(ticket):
            return True
        if not self.schedule.leaves_report or self.state.tickets[ticket]["StatusID"] == NEW:
            return False
        begun = any(row.pipeline == pipeline.name for row in self.rows(ticket).values())
        return not begun and ticket not in self.store.unfinished(pipeline.name, limit=100)

    def _is_over(self, ticket: int, pipeline: Pipeline, action: Action) -> bool:
        if self.is_left_alone(ticket, pipeline):
            return True
        row = self.rows(ticket).get(action.identity().action_id)
        if row is None:
            return self.needs_no_row(ticket, pipeline, action)
        if is_undone(row):
            return True
        return row.status is LogStatus.COMPLETED and not row.is_unsummarised

    def needs_no_row(self, ticket: int, pipeline: Pipeline, action: Action) -> bool:
        """Whether nothing is amiss where an action has no row: a summary that has nothing to tell.

        A run that died after the last action leaves it so, and no later one is due.
        """
        if not isinstance(action, SummaryComment):
            return False
        # What an earlier version has told is not told again.
        return not any(
            row.is_unsummarised or not self.schedule.is_upgraded
            for row in self.results(ticket, pipeline)
        )

    def results(self, ticket: int, pipeline: Pipeline) -> Sequence[LogRow]:
        """What the summaries of a pipeline have to tell."""
        rows = (row for row in self.rows(ticket).values() if row.pipeline == pipeline.name)
        return [row for row in rows if row.status is LogStatus.COMPLETED and _tells(pipeline, row)]

    def totals(self) -> Counter[str]:
        """What was done in TDX."""
        counted: Counter[str] = Counter()
        for ticket in self.schedule.tickets:
            counted["effects"] += len(self.texts(ticket)) + len(self.state.asset_ids_of(ticket))
            for row in self.rows(ticket).values():
                counted[f"rows {row.failure_kind or row.status}"] += 1
        return counted


def times(evidence: Evidence, ticket: int, action: Action) -> int:
    """How often the words of an action stand on a ticket."""
    words = normalised(_words(action))
    return sum(normalised(text).endswith(words) for text in evidence.texts(ticket))


def _words(action: Action) -> str:
    if isinstance(action, Comment):
        return action.comment_text
    assert isinstance(action, (Marked, Blind))
    return action.text


def judge(evidence: Evidence) -> Sequence[str]:
    """Everything that is wrong."""
    findings: list[str] = []
    for ticket, pipeline, action in evidence.actions():
        row = evidence.rows(ticket).get(action.identity().action_id)
        where = f"ticket {ticket}, {pipeline.name}.{action.label}"
        if isinstance(action, SummaryComment):
            findings += (f"{where}: {it}" for it in _summary(evidence, ticket, pipeline, action))
        elif isinstance(action, AddAsset):
            findings += (f"{where}: {it}" for it in _assets(evidence, ticket, row))
        elif isinstance(action, UpdateTicket):
            findings += (f"{where}: {it}" for it in _patched(evidence, ticket, action, row))
        elif isinstance(action, (AddContact, RelatedTickets)):
            findings += (f"{where}: {it}" for it in _with_contact(evidence, ticket, action, row))
        else:
            findings += (f"{where}: {it}" for it in _posted(evidence, ticket, action, row))
        may_be_open = evidence.is_left_alone(ticket, pipeline)
        if not may_be_open and (row or not evidence.needs_no_row(ticket, pipeline, action)):
            findings += (f"{where}: {it}" for it in _ended(row))
    return [
        *evidence.noted,
        *findings,
        *_unexplained(evidence),
        *_untrue(evidence),
        *evidence.people.findings(),
        *judge_undo.findings(evidence),
    ]


def _untrue(evidence: Evidence) -> Iterator[str]:
    """Compare what rows and notes say with what the robot has done on the ticket."""
    for ticket in evidence.schedule.tickets:
        effects = evidence.store.effects(ticket)
        rows = evidence.rows(ticket).values()
        for row in (row for row in rows if row.status is LogStatus.COMPLETED):
            mine = {name: one for name, one in effects.items() if one.action_id == row.action_id}
            where = f"ticket {ticket}, {row.name}"
            if any(one.state is EffectState.OPEN for one in mine.values()):
                yield f"{where}: untrue: completed over an open effect"
            if row.action_type != AddAsset.action_type:
                continue
            made = {one.detail["asset_id"] for name, one in mine.items() if name.startswith(ATTACH)}
            said = {one["asset_id"] for one in row.metadata["details"]["attached"]}
            if made != said:
                yield f"{where}: untrue: attached {sorted(made)}, the record says {sorted(said)}"
            line = str(row.metadata["message"])
            if line.startswith("Added ") is not bool(made):
                yield f"{where}: untrue: attached {sorted(made)}, the note says {line!r}"


def _ended(row: LogRow | None) -> Iterator[str]:
    if row is None:
        yield "forgotten: no row"
        return
    is_uncertain = row.status is LogStatus.FAILED and row.failure_kind is FailureKind.UNCERTAIN
    if row.status is not LogStatus.COMPLETED and not (is_undone(row) or is_uncertain):
        yield f"not done in the end: {row.status} {row.failure_kind} {row.error_message}"


def _posted(evidence: Evidence, ticket: int, action: Action, row: LogRow | None) -> Iterator[str]:
    count = times(evidence, ticket, action)
    if count > 1:
        yield f"duplicate: {count} entries"
    left_alone = row and row.metadata.get("details", {}).get("left_alone")
    if row and row.status is LogStatus.COMPLETED and not count and not left_alone:
        yield "lost: the log says done, TDX has no entry"
    if row and row.failure_kind is FailureKind.UNCERTAIN and not isinstance(action, Blind):
        yield "uncertain although it can be looked for"
    if isinstance(action, Comment) and action.new_status_id and count:
        yield from _status(evidence, ticket, action.new_status_id)


def _status(evidence: Evidence, ticket: int, wanted: int) -> Iterator[str]:
    """A status that nobody else has set is the one that was set."""
    is_ours = not evidence.people.on(ticket, Doing.SETS_STATUS)
    is_taken_back = any(map(is_undone, evidence.rows(ticket).values()))
    wants = {
        action.new_status_id if isinstance(action, Comment) else action.status
        for _, _, action in evidence.actions()
        if isinstance(action, (Comment, UpdateTicket))
    }
    status = evidence.state.tickets[ticket]["StatusID"]
    if is_ours and not is_taken_back and wants <= {wanted, 0, None} and status != wanted:
        yield f"lost: the status is {status}"


def _patched(
    evidence: Evidence, ticket: int, action: UpdateTicket, row: LogRow | None
) -> Iterator[str]:
    if row is None or row.status is not LogStatus.COMPLETED:
        return
    priority = evidence.state.tickets[ticket].get("PriorityID")
    if priority != action.priority and not evidence.people.on(ticket, Doing.SETS_PRIORITY):
        yield f"lost: the priority is {priority}"
    if isinstance(action.status, int):
        yield from _status(evidence, ticket, action.status)


def _with_contact(
    evidence: Evidence, ticket: int, action: AddContact | RelatedTickets, row: LogRow | None
) -> Iterator[str]:
    if row and row.failure_kind is FailureKind.UNCERTAIN:
        yield "uncertain although it can be looked for"
    if row is None or row.status is not LogStatus.COMPLETED or isinstance(action, RelatedTickets):
        return
    is_requestor = evidence.state.tickets[ticket].get("RequestorUid") == BOB
    if not is_requestor and BOB not in evidence.state.contacts.get(ticket, ()):
        yield "lost: the log says done, and he is no contact"


def _assets(evidence: Evidence, ticket: int, row: LogRow | None) -> Iterator[str]:
    linked = evidence.state.asset_ids_of(ticket)
    wanted = evidence.truth[ticket]
    if set(linked) - wanted - evidence.people.added(ticket):
        yield f"wrong asset: {sorted(set(linked) - wanted)}"
    if len(linked) != len(set(linked)):
        yield f"duplicate: {linked}"
    # What TDX refused for good is not lost where the summary says so.
    details = row.metadata.get("details", {}) if row else {}
    told = {one["asset_id"] for one in details.get("not_attached", ())}
    if evidence.people.on(ticket, Doing.ADDS, Doing.REMOVES):
        return
    if any(map(is_undone, evidence.rows(ticket).values())):
        return
    if row and row.status is LogStatus.COMPLETED and set(linked) | told != wanted:
        yield f"lost: attached {linked}, not {sorted(wanted)}"


def _summary(
    evidence: Evidence, ticket: int, pipeline: Pipeline, action: SummaryComment
) -> Iterator[str]:
    prefix = normalised(action.comment_prefix)
    notes = [text for text in evidence.texts(ticket) if normalised(text).startswith(prefix)]
    told = Counter(line.strip() for note in notes for line in LINE.findall(note))
    results = evidence.results(ticket, pipeline)
    lines = Counter(
        line
        for result in evidence.store.results(ticket, pipeline.name)
        for line in result.lines
        if result.action_id in {row.action_id for row in results}
    )
    for line, count in told.items():
        if count > max(1, lines[line]):
            yield f"duplicate: summarised {count} times: {line}"
    rows = evidence.rows(ticket)
    own = rows.get(action.identity().action_id)
    if evidence.is_left_alone(ticket, pipeline) or is_undone(own):
        return
    if len(told) != len(lines) and not any(map(is_undone, rows.values())):
        yield f"{len(lines)} results to summarise, summarised {list(told)}"
    if any(row.is_unsummarised for row in results):
        yield "lost: a result is still unsummarised"


def _tells(pipeline: Pipeline, row: LogRow) -> bool:
    known = (it for it in pipeline.actions if it.identity().action_id == row.action_id)
    action = next(known, None)
    details = row.metadata.get("details", {})
    if isinstance(action, UpdateTicket):
        return bool(details)
    if isinstance(action, (AddContact, RelatedTickets)):
        return row.has_lines
    return isinstance(action, (AddAsset, Marked, Blind)) or "left_alone" in details


def _unexplained(evidence: Evidence) -> Iterator[str]:
    known = [
        normalised(action.comment_prefix if isinstance(action, SummaryComment) else _words(action))
        for _, _, action in evidence.actions()
        if not isinstance(action, (AddAsset, UpdateTicket, AddContact, RelatedTickets))
    ]
    known += [normalised(UNDO_NOTE)] if evidence.schedule.is_undone else []
    for ticket in evidence.schedule.tickets:
        for text in evidence.texts(ticket):
            is_known = any(words in normalised(text) for words in known)
            if not is_known and not FIELD_LINES.fullmatch(text.strip()):
                yield f"ticket {ticket}: an entry nobody asked for: {text!r}"
