"""Taking over from the older daemon: which action of ours has the id that its rows bear.

Belongs here: pure functions from rows to settings, a pipeline, and questions about a ticket. Does not: reading
the log (`state.older_daemon`), what people see (`cli.takeover`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import yaml

from tdx_dagster.state.older_daemon import LostSummary, OldAction
from tdx_dagster.state.records import LogRow
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.registry import BadAction, action_types, read_action

CURRENT_WITHIN = timedelta(days=1)
"""An id that was last completed so much earlier than the others is of an earlier configuration."""

SUMMARY = "summary_comment"
_NEVER = datetime.min.replace(tzinfo=UTC)

_FLAGS = (True, False)
_GUESSES: Mapping[str, Mapping[str, Iterable[Any]]] = {
    "add_asset": {
        "add_summary_comment": _FLAGS,
        "skip_if_requestor_asset_exists": _FLAGS,
        "active_status_only": _FLAGS,
        "has_database": _FLAGS,
        "computer_form_id": (2448, None),
        "max_assets_to_add": range(1, 51),
    },
    "summary_comment": {
        "is_private": _FLAGS,
        "is_rich_html": _FLAGS,
        "skip_if_empty": _FLAGS,
        "separator": ("\n", "<br>", "<br />", "\n\n"),
    },
}
"""Settings that are tried where a row does not note its own: a comment's text cannot be guessed."""


@dataclass(frozen=True, slots=True)
class Match:
    """What an id of the older daemon is here.

    Args:
        old: Its rows.
        action: The action of ours with the same id; None where there is none.
        why: Why there is none, for people.
    """

    old: OldAction
    action: Action | None
    why: str = ""


def match(old: OldAction) -> Match:
    """Find the action of ours, with its settings, that has the id of some rows."""
    if old.action_type not in action_types():
        return Match(old, None, "no such action here: its rows stay as they are")
    for settings in _settings_of(old):
        action = _read(old, settings)
        if action is not None and action.identity().action_id == old.action_id:
            return Match(old, action)
    why = "its settings give another id" if old.config else "its rows do not note their settings"
    return Match(old, None, f"{why}: write the action by hand, and compare with `tdx-dagster plan`")


def _settings_of(old: OldAction) -> Iterator[Mapping[str, Any]]:
    """Give what the rows note, then that with each value of a setting that they do not note."""
    noted = old.config or {}
    if noted:
        yield noted
    all_guesses = _GUESSES.get(old.action_type, {})
    guesses = {name: values for name, values in all_guesses.items() if name not in noted}
    for values in product(*guesses.values()):
        yield {**noted, **dict(zip(guesses, values, strict=True))}


def _read(old: OldAction, settings: Mapping[str, Any]) -> Action | None:
    known = action_types()[old.action_type].model_fields
    entry = {name: value for name, value in settings.items() if name in known}
    try:
        return read_action({"type": old.action_type, **entry, "version": old.version}, "log")
    except BadAction:
        return None


def current(matches: Sequence[Match]) -> list[Match]:
    """Keep those of the last configuration that the older daemon ran with.

    Summaries are compared among themselves: it replaces their rows on every round, also where no new ticket
    has come for days, while the other actions run on new tickets alone.
    """
    latest = _latest([one for one in matches if one.old.action_type != SUMMARY])
    summaries = _latest([one for one in matches if one.old.action_type == SUMMARY])
    since = min(map(_ended, latest), default=_NEVER)
    kept = [*latest, *(one for one in summaries if _ended(one) >= since)]
    return [one for one in matches if one in kept]


def _latest(matches: Sequence[Match]) -> Sequence[Match]:
    """Keep those that ran within a day of the newest; what only fails runs on every round, whatever is new."""
    completed = [one.old.last_completed for one in matches if one.old.last_completed]
    newest = max(completed or map(_ended, matches), default=_NEVER)
    return [one for one in matches if one.old.last and newest - _ended(one) <= CURRENT_WITHIN]


def _ended(one: Match) -> datetime:
    return one.old.last_completed or one.old.last or _NEVER


def pipeline_yaml(actions: Iterable[Action], report_id: int | None, taken_over_at: datetime) -> str:
    """Write the `defs.yaml` of a pipeline with these actions, in this order.

    Args:
        actions: The actions.
        report_id: Its report; None leaves DAEMON_REPORT_ID in force.
        taken_over_at: Now: whatever the older daemon did up to this moment is looked for on the ticket first.
    """
    entries = _with_names([_entry(action) for action in actions])
    attributes: dict[str, Any] = {"report_id": report_id} if report_id else {}
    attributes["taken_over_at"] = f"{taken_over_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    document = {
        "type": "tdx_dagster.TicketPipeline",
        "attributes": {**attributes, "actions": entries},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _entry(action: Action) -> dict[str, Any]:
    """Write what differs from the defaults."""
    changed = action.model_dump(exclude_defaults=True, mode="json")
    return {"type": action.type_name(), **changed}


def _with_names(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name the second action of a type, and those after it: a name is no part of the id."""
    seen: dict[str, int] = {}
    for entry in entries:
        kind = entry["type"]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] > 1:
            entry["name"] = f"{kind}_{seen[kind]}"
    return entries


def why_again(action: Action, olds: Iterable[OldAction]) -> str | None:
    """Say why an action would run again on tickets that the older daemon has done; None where it would not."""
    same_type = [old for old in olds if old.action_type == action.type_name()]
    action_id = action.identity().action_id
    if not same_type or any(old.action_id == action_id for old in same_type):
        return None
    nearest = max(same_type, key=lambda old: (old.version == action.version, old.completed))
    if nearest.version != action.version:
        return None  # another version spares what an earlier one has completed
    differences = [
        f"{name} was {nearest.config.get(name)!r} and is {value!r}"
        for name, value in action.hashed_settings().items()
        if nearest.config is not None and nearest.config.get(name) != value
    ]
    because = "; ".join(differences) or "its rows do not note their settings"
    return f"on {nearest.completed:,} tickets, where {nearest.action_id} is done: {because}"


def may_have_been_worked_on(
    rows: Iterable[LogRow],
    created_at: datetime | None = None,
    taken_over_at: datetime | None = None,
) -> bool:
    """Say whether the older daemon may have left an effect on a ticket that the log does not know.

    An action without a completed row of its own may still have had its effect: the daemon writes the row after
    it, and lost its connection, or was killed, between.

    Args:
        rows: All rows of the ticket, as they were before any claim of ours.
        created_at: When the ticket was made, where that is known.
        taken_over_at: When the older daemon was stopped, where the pipeline says so: it may have worked on
            any ticket from before, and have left no row at all.
    """
    if any(is_of_older_daemon(row) for row in rows):
        return True
    return taken_over_at is not None and (created_at is None or created_at < taken_over_at)


def is_of_older_daemon(row: LogRow) -> bool:
    """Say whether a row is the older daemon's, or was when we claimed it first."""
    return (row.pipeline is None and row.run_id is None) or bool(row.metadata.get(OLDER_DAEMON))


OLDER_DAEMON = "older_daemon"
"""Mark in the metadata of a row that we took over; the statement `claim` sets it."""


def summary_line(lost: LostSummary) -> str:
    """Write what a summary says of a result, as far as its row tells."""
    details = lost.details
    names = details.get("asset_names") or [
        details[key] for key in ("asset_name",) if key in details
    ]
    if names:
        return f"Added {len(names)} asset(s): {', '.join(map(str, names))}"
    if (count := details.get("requestor_asset_count")) is not None:
        return f"No assets added: the user has {count} assets (expected exactly 1)"
    reasons = {
        "skipped": "the ticket already has assets",
        "no_requestor": "no requestor",
        "already_added": "the requestor's only asset is already on the ticket",
    }
    said = [text for key, text in reasons.items() if details.get(key)]
    return f"No assets added: {said[0]}" if said else f"{lost.action_type}: the row does not say"
