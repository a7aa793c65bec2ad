"""Whether what the first run has written is taken back: all of it, once, and only what is as it left it.

Belongs here: what must hold of the actions that were taken back, in the log and in TDX. Does not: what people
decided meanwhile (`judge_people`), everything else that can be wrong (`judge`).
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tdx_dagster.state.records import PRESENT_EVENTS, UNDONE, EffectState, LogRow, LogStatus
from tdx_dagster.tdx.html import normalised, visible_text
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.effects import ATTACH
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.undo import Undo
from tests.chaos.people import FIELDS
from tests.chaos.schedule import Doing
from tests.chaos.worker import FIRST_RUN, UNDO_NOTE

if TYPE_CHECKING:
    from tests.chaos.judge import Evidence

WRITTEN = {"intent", "unclear", *PRESENT_EVENTS}
LINK_LINE = re.compile(r'^(Added|Removed) the "(.+)" asset ')


def is_undone(row: LogRow | None) -> bool:
    """Tell whether an action was taken back."""
    return row is not None and UNDONE in row.metadata


def is_over(evidence: "Evidence") -> bool:
    """Tell whether nothing is left to take back."""
    tickets = evidence.schedule.tickets if evidence.schedule.is_undone else ()
    return not any(list(_did_not_end(evidence, one)) for one in tickets)


def findings(evidence: "Evidence") -> Iterator[str]:
    """Give everything that is wrong with what was taken back."""
    if not evidence.schedule.is_undone:
        return
    for ticket in evidence.schedule.tickets:
        where = f"ticket {ticket}, undo"
        for found in (_did_not_end, _links, _twice, _fields, _notes):
            yield from (f"{where}: {it}" for it in found(evidence, ticket))


def _did_not_end(evidence: "Evidence", ticket: int) -> Iterator[str]:
    rows = evidence.rows(ticket)
    written = {
        one.action_id
        for one in evidence.store.get_attempts(ticket)
        if one.run_id == FIRST_RUN and one.effect and one.event in WRITTEN
    }
    undos = {Undo(target=one).identity().action_id: one for one in rows}
    ended = {undos[one] for one in undos if (row := rows.get(one)) and _is_completed(row)}
    for one in written & set(rows):
        if not is_undone(rows[one]):
            yield f"not done: {one} was not taken back"
        elif one not in ended:
            yield f"not done in the end: {one}"


def _is_completed(row: LogRow) -> bool:
    return row.status is LogStatus.COMPLETED


def _links(evidence: "Evidence", ticket: int) -> Iterator[str]:
    """A link goes unless a person or another action has made it too."""
    rows, linked = evidence.rows(ticket), set(evidence.state.asset_ids_of(ticket))
    links = [
        (int(one.detail["asset_id"]), name.split(":", 2)[2])
        for name, one in evidence.store.effects(ticket).items()
        if name.startswith(ATTACH) and one.state is EffectState.DONE
    ]
    kept = {asset for asset, action in links if not is_undone(rows.get(action))}
    for asset, action in links:
        if is_undone(rows.get(action)):
            yield f"untrue: the log has the link of {asset} still"
    had = {name for name, one in _lines(evidence, ticket) if one == "Added"}
    for asset in linked - kept - evidence.people.added(ticket):
        if evidence.state.assets[asset]["Name"] in had and _all_undone(evidence, ticket):
            yield f"not done: {asset} is still there"


def _all_undone(evidence: "Evidence", ticket: int) -> bool:
    rows = evidence.rows(ticket).values()
    return all(is_undone(row) for row in rows if row.action_type == "add_asset")


def _lines(evidence: "Evidence", ticket: int) -> list[tuple[str, str]]:
    """What TDX says of the robot's links: the name of the computer, and what was done."""
    bodies = (
        visible_text(entry["Body"])
        for entry in evidence.state.feed_of_ticket(ticket)
        if entry["CreatedUid"] == evidence.robot_uid
    )
    return [(it[2], it[1]) for body in bodies if (it := LINK_LINE.match(body))]


def _twice(evidence: "Evidence", ticket: int) -> Iterator[str]:
    done = Counter(_lines(evidence, ticket))
    for (name, what), count in done.items():
        if what == "Removed" and count > done[name, "Added"]:
            yield f"duplicate: {name} was taken off {count} times"


def _fields(evidence: "Evidence", ticket: int) -> Iterator[str]:
    """A field that no person has set is as it was, where everything that set it was taken back."""
    if not evidence.schedule.is_undone_alone:
        return
    rows, before = evidence.rows(ticket), evidence.before[ticket]
    now = evidence.state.tickets[ticket]
    for doing, name in FIELDS.items():
        setters = [
            rows.get(action.identity().action_id)
            for pipeline in evidence.schedule.final_pipelines
            for action in pipeline.actions
            if isinstance(action, UpdateTicket)
            or (doing is Doing.SETS_STATUS and isinstance(action, Comment) and action.new_status_id)
        ]
        is_back = all(is_undone(row) for row in setters)
        was, is_now = before.get(name) or 0, now.get(name) or 0
        if setters and is_back and was != is_now and not evidence.people.on(ticket, doing):
            yield f"not done: {name} is {is_now}, not {was}"


def _notes(evidence: "Evidence", ticket: int) -> Iterator[str]:
    words = normalised(UNDO_NOTE)
    notes = sum(normalised(text) == words for text in evidence.texts(ticket))
    undone = sum(map(is_undone, evidence.rows(ticket).values()))
    if notes > undone:
        yield f"duplicate: {notes} notes for {undone} actions taken back"
