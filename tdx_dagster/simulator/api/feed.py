"""Calls on feeds: read, reply, post, with the effects of a post on its ticket.

Also contains what other calls write to a feed: system entries, and the fields that follow from a status.
"""

import html
import re
from http import HTTPStatus

from tdx_dagster.simulator.api.changes import changed
from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import present, shapes
from tdx_dagster.simulator.tenant.constants import (
    ItemType,
    StatusClass,
    UpdateType,
)
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.shapes import UNSET_DATE, parse_date
from tdx_dagster.simulator.tenant.tenant import Call, Tenant, asset_in, require_app, ticket_in

_FINISHED = (StatusClass.COMPLETED, StatusClass.CANCELLED)
_ALL_DONE = 100
_FAR_AHEAD = "9999-12-31T00:00:00Z"
_REPLIES, _MOST_REPLIES = 3, 100
_ENTRIES, _MOST_ENTRIES = 25, 100
_BLOCK = re.compile(r"<(script|style|iframe|object)\b.*?(</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_HANDLER = re.compile(r"""\son[a-z]+\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)


def _ticket_feed(tenant: Tenant, call: Call) -> Outgoing:
    ticket = ticket_in(tenant, call)
    return _entries(tenant, tenant.state.feed_of_ticket(ticket["ID"]))


def _asset_feed(tenant: Tenant, call: Call) -> Outgoing:
    asset = asset_in(tenant, call)
    return _entries(tenant, tenant.state.feed_of_asset(asset["ID"]))


def _entries(tenant: Tenant, records: list[Record]) -> Outgoing:
    ordered = sorted(records, key=lambda entry: (parse_date(entry["CreatedDate"]), entry["ID"]))
    if not tenant.options.feed_oldest_first:
        ordered.reverse()
    shown = ordered[: tenant.options.feed_cap]
    return json_answer([present.feed_entry(tenant, entry) for entry in shown])


def _one_entry(tenant: Tenant, call: Call) -> Outgoing:
    return json_answer(present.feed_entry(tenant, _entry(tenant, call), with_replies=True))


def _entry(tenant: Tenant, call: Call) -> Record:
    entry = tenant.state.feed.get(call.ids["id"])
    if entry is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the feed entry.")
    return entry


def _reply(tenant: Tenant, call: Call) -> Outgoing:
    """Reply to an entry and mail everyone who took part in it (case A44)."""
    entry = _entry(tenant, call)
    given = call.read("TicketFeedEntry")
    if not (given["Comments"] or "").strip():
        raise Refusal(HTTPStatus.BAD_REQUEST, "Comments are required.")
    reply = {
        "ID": tenant.state.new_id("feed"), "Body": _body(tenant, given), "CreatedUid": call.user["UID"],
        "IsRichHtml": given["IsRichHtml"], "CreatedDate": tenant.now(),
    }  # fmt: skip
    for uid in {entry["CreatedUid"], *(each["CreatedUid"] for each in entry["Replies"])}:
        person = tenant.state.people.get(uid)
        if person is not None and uid != call.user["UID"]:
            _send(tenant, person["PrimaryEmail"], entry["ItemType"], entry["ItemID"], entry["ID"])
    entry["Replies"].append(reply)
    entry["LastUpdatedDate"] = reply["CreatedDate"]
    return json_answer(
        present.feed_entry(tenant, entry, with_replies=True), tenant.options.feed_post_status
    )


def _feed_page(tenant: Tenant, call: Call) -> Outgoing:
    """List the entries of all tickets of an application, the last updated first."""
    app = call.ids["app"]
    require_app(tenant, app, "TDTickets")
    asked = call.parameters(
        DateFrom="datetime", DateTo="datetime", ReplyCount="int", ReturnCount="int"
    )
    tickets = tenant.state.tickets
    since = parse_date(asked["DateFrom"] or UNSET_DATE)
    until = parse_date(asked["DateTo"] or _FAR_AHEAD)
    found = [
        entry
        for entry in tenant.state.feed.values()
        if entry["ItemType"] == ItemType.TICKET
        and tickets.get(entry["ItemID"], {}).get("AppID") == app
        and since < parse_date(entry["LastUpdatedDate"]) < until
    ]
    found.sort(key=lambda entry: (parse_date(entry["LastUpdatedDate"]), entry["ID"]), reverse=True)
    shown = found[: min(max(asked["ReturnCount"] or _ENTRIES, 1), _MOST_ENTRIES)]
    wanted = _REPLIES if asked["ReplyCount"] is None else asked["ReplyCount"]
    replies = min(max(wanted, 0), _MOST_REPLIES)
    more = len(found) > len(shown)
    page = {
        "Entries": [_with_replies(tenant, entry, replies) for entry in shown],
        "AsOfDate": tenant.now(),
        "NextDateTo": shown[-1]["LastUpdatedDate"] if more else None,
    }
    return json_answer(shapes.render("ItemUpdatesPage", page))


def _with_replies(tenant: Tenant, entry: Record, most: int) -> Record:
    shown = present.feed_entry(tenant, entry, with_replies=True)
    return shown | {"Replies": shown["Replies"][:most]}


def _post_to_ticket(tenant: Tenant, call: Call) -> Outgoing:
    ticket = ticket_in(tenant, call)
    given = call.read("TicketFeedEntry")
    status = _new_status(tenant, ticket, given)
    lines = ""
    if status is not None:
        lines = change_status(tenant, ticket, status, call.user)
        if given["CascadeStatus"]:
            _cascade(tenant, ticket, status, call.user)
    elif tenant.options.comment_reopens:
        lines = _reopen(tenant, ticket, call.user)
    touch(tenant, ticket, call.user)
    entry = add_entry(
        tenant, ticket, call.user, lines, _body(tenant, given),
        update=UpdateType.STATUS_CHANGE if lines else UpdateType.COMMENT,
        **_flags(given),
    )  # fmt: skip
    _notify(tenant, entry, given["Notify"] or [])
    return json_answer(present.feed_entry(tenant, entry), tenant.options.feed_post_status)


def _post_to_asset(tenant: Tenant, call: Call) -> Outgoing:
    asset = asset_in(tenant, call)
    given = call.read("TicketFeedEntry")
    if not (given["Comments"] or "").strip():
        raise Refusal(HTTPStatus.BAD_REQUEST, "Comments are required.")
    # Seen live: private posts on assets come back public.
    flags = _flags(given) | {"IsPrivate": False}
    entry = add_entry(
        tenant, asset, call.user, "", _body(tenant, given), item_type=ItemType.ASSET, **flags
    )
    _notify(tenant, entry, given["Notify"] or [])
    return json_answer(present.feed_entry(tenant, entry), tenant.options.feed_post_status)


def _flags(given: Record) -> Record:
    return {
        "IsPrivate": given["IsPrivate"],
        "IsRichHtml": given["IsRichHtml"],
        "IsCommunication": bool(given["IsCommunication"]),
    }


def _new_status(tenant: Tenant, ticket: Record, given: Record) -> Record | None:
    """Find the status to change to, None for no change; refuse a change that TDX refuses."""
    silent = not (given["Comments"] or "").strip()
    if not given["NewStatusID"]:
        if silent:
            raise Refusal(HTTPStatus.BAD_REQUEST, "Comments or a new status are required.")
        return None
    if silent and not tenant.options.status_alone_accepted:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Comments are required.")
    status = tenant.state.ticket_statuses.get(given["NewStatusID"])
    if status is None or status["AppID"] != ticket["AppID"] or not status.get("IsActive", True):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The new status is not valid for this ticket.")
    if status["ID"] == ticket["StatusID"]:
        return None
    if status.get("RequireGoesOffHold"):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{status['Name']} needs a date to go off hold.")
    require_free(ticket)
    return status


def require_free(ticket: Record) -> None:
    """Refuse a change of status while a project task made from the ticket is not done.

    Args:
        ticket: The ticket.

    Raises:
        Refusal: 400.
    """
    if ticket.get("IsConvertedToTask") and ticket.get("TaskPercentComplete", 0) < _ALL_DONE:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The ticket is tied to a task that is not complete.")


def change_status(tenant: Tenant, ticket: Record, status: Record, user: Record) -> str:
    """Set a ticket's status and the fields that follow from it.

    Args:
        tenant: The tenant.
        ticket: The ticket, which is changed.
        status: Its new status.
        user: Who changes it.

    Returns:
        The line that records it, as HTML.
    """
    before = tenant.state.ticket_statuses.get(ticket["StatusID"], {}).get("Name", "")
    ticket.setdefault("PastStatusIDs", []).append(ticket["StatusID"])
    ticket |= {"StatusID": status["ID"], "StatusChangedUid": user["UID"]}
    ticket["StatusChangedDate"] = tenant.now()
    finished = status["StatusClass"] in _FINISHED
    ticket["CompletedDate"] = tenant.now() if finished else UNSET_DATE
    ticket["CompletedUid"] = user["UID"] if finished else None
    held = status["StatusClass"] == StatusClass.ON_HOLD
    ticket["IsOnHold"] = held
    ticket["PlacedOnHoldDate"] = tenant.now() if held else None
    if not held:
        ticket["GoesOffHoldDate"] = None
    return f"{changed('Status', before, status['Name'])}<br />"


def _cascade(tenant: Tenant, ticket: Record, status: Record, user: Record) -> None:
    for child in list(tenant.state.tickets.values()):
        if child.get("ParentID") != ticket["ID"] or child["StatusID"] == status["ID"]:
            continue
        line = change_status(tenant, child, status, user)
        touch(tenant, child, user)
        add_entry(tenant, child, user, line, update=UpdateType.STATUS_CHANGE)


def _reopen(tenant: Tenant, ticket: Record, user: Record) -> str:
    statuses = tenant.state.ticket_statuses
    now = statuses.get(ticket["StatusID"], {})
    default = statuses.get(tenant.state.default_status(ticket["AppID"]))
    if now.get("StatusClass") not in _FINISHED or now.get("DoNotReopen") or default is None:
        return ""
    return change_status(tenant, ticket, default, user)


def touch(tenant: Tenant, record: Record, user: Record) -> None:
    """Set a record's modification date and author."""
    record["ModifiedDate"] = tenant.now()
    record["ModifiedUid"] = user["UID"]


def add_entry(
    tenant: Tenant,
    item: Record,
    user: Record,
    system: str,
    comment: str = "",
    *,
    update: UpdateType = UpdateType.COMMENT,
    item_type: ItemType = ItemType.TICKET,
    **flags: object,
) -> Record:
    """Add an entry to the feed of a ticket or asset.

    Args:
        tenant: The tenant.
        item: The ticket or asset.
        user: The author.
        system: HTML that TDX writes about a change.
        comment: HTML of what the author says.
        update: What kind of change it records.
        item_type: What `item` is.
        **flags: Further fields.
    """
    return tenant.state.add_feed_entry(
        ItemType=int(item_type), ItemID=item["ID"], Body=system + comment, System=system,
        UpdateType=int(update), CreatedUid=user["UID"], CreatedDate=tenant.now(), **flags,
    )  # fmt: skip


def _body(tenant: Tenant, given: Record) -> str:
    text: str = given["Comments"] or ""
    if given["IsRichHtml"]:
        return _HANDLER.sub("", _BLOCK.sub("", text))
    escaped = html.escape(text.replace("\r\n", "\n"), quote=True).replace("&#x27;", "&#39;")
    return escaped.replace("\n", "<br />") if tenant.options.plain_newlines == "br" else escaped


def mail(tenant: Tenant, ticket: Record, address: str) -> None:
    """Record a mail about a ticket in `state.mails`."""
    _send(tenant, address, int(ItemType.TICKET), ticket["ID"], 0)


def _send(tenant: Tenant, to: str, item_type: int, item: int, feed: int) -> None:
    sent = {"ItemType": item_type, "ItemID": item, "FeedID": feed, "To": to}
    tenant.state.mails.append(sent)


def _notify(tenant: Tenant, entry: Record, values: list[str]) -> None:
    """Mail the addresses and groups in `Notify`; drop every other value."""
    groups, people = tenant.state.lookups.get("Group", {}), tenant.state.people.values()
    by_mail = {str(person.get("PrimaryEmail", "")).lower(): person for person in people}
    notified = []
    for value in values:
        if value.isdecimal() and int(value[:10]) in groups:
            notified.append(groups[int(value[:10])])
        elif re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
            person = by_mail.get(value.lower())
            notified.append(f"{person['FullName'] if person else value} <{value}>")
        else:
            continue
        _send(tenant, value, entry["ItemType"], entry["ItemID"], entry["ID"])
    if notified:
        entry["NotifiedList"] = ", ".join(notified)


ROUTES = (
    Route("GET", "/{app}/tickets/{id}/feed", _ticket_feed, gives="[ItemUpdate]"),
    Route(
        "POST",
        "/{app}/tickets/{id}/feed",
        _post_to_ticket,
        takes="TicketFeedEntry",
        gives="ItemUpdate",
    ),
    Route("GET", "/feed/{id}", _one_entry, gives="ItemUpdate"),
    Route("POST", "/feed/{id}", _reply, takes="TicketFeedEntry", gives="ItemUpdate"),
    Route("GET", "/{app}/tickets/feed", _feed_page, gives="ItemUpdatesPage"),
    Route("GET", "/{app}/assets/{id}/feed", _asset_feed, gives="[ItemUpdate]"),
    Route(
        "POST",
        "/{app}/assets/{id}/feed",
        _post_to_asset,
        takes="TicketFeedEntry",
        gives="ItemUpdate",
    ),
)
