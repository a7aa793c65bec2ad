"""System lines: what TDX writes to a feed about a change, as HTML.

Does not contain: the change itself, and the lines about links and contacts, which stand with their calls.
"""

import html

from tdx_dagster.simulator.tenant.constants import CLASSIFICATIONS
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Tenant

_LISTED = (
    ("Type", "Type", "TypeID"), ("Priority", "Priority", "PriorityID"),
    ("Impact", "Impact", "ImpactID"), ("Urgency", "Urgency", "UrgencyID"),
    ("Source", "Source", "SourceID"), ("Location", "Location", "LocationID"),
    ("Acct/Dept", "Account", "AccountID"), ("Responsible Group", "Group", "ResponsibleGroupID"),
)  # fmt: skip
"""(field as people know it, kind of lookup, id field)"""


def noun(ticket: Record) -> str:
    """Return the word for a ticket in system lines, for example `service request`."""
    return CLASSIFICATIONS.get(ticket.get("Classification", 0), "ticket").lower()


def changed(name: str, before: str, after: str) -> str:
    """Write the line that records a changed field."""
    old, new = html.escape(before), html.escape(after)
    return f"Changed {name} from &quot;<b>{old}</b>&quot; to &quot;<b>{new}</b>&quot;."


def changed_lines(tenant: Tenant, ticket: Record, values: Record, user: Record) -> str:
    """Write the lines for the fields that new values change; empty where TDX names none of them."""
    lines = []
    for label, kind, field in _LISTED:
        before, after = ticket.get(field) or 0, values[field] or 0
        if before != after:
            names = tenant.state.lookups.get(kind, {})
            lines.append(changed(label, names.get(before, "None"), names.get(after, "None")))
    if (ticket.get("ResponsibleUid") or None) != (values["ResponsibleUid"] or None):
        lines.append(_responsibility(tenant, ticket, values["ResponsibleUid"], user))
    return "".join(f"{line}<br />" for line in lines)


def _responsibility(tenant: Tenant, ticket: Record, uid: str | None, user: Record) -> str:
    before, after = (_name(tenant, each) for each in (ticket.get("ResponsibleUid"), uid))
    if uid == user["UID"]:
        line = f"Took primary responsibility for this {noun(ticket)}"
        return f"{line} from {before}." if ticket.get("ResponsibleUid") else f"{line}."
    return f"Reassigned this {noun(ticket)} from {before} to {after}."


def _name(tenant: Tenant, uid: str | None) -> str:
    return html.escape(tenant.state.people.get(uid or "", {}).get("FullName", "Unassigned"))
