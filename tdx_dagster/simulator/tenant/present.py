"""Records as the API sends them: names that follow from ids, attributes with their choices, dates.

Reads the state and changes nothing. `shapes.json` lists the fields of a type; this module supplies values.
"""

import re
from collections.abc import Iterable
from datetime import timedelta

from tdx_dagster.simulator.tenant import shapes
from tdx_dagster.simulator.tenant.constants import CLASSIFICATIONS, ZERO_GUID, ItemType, UpdateType
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.names import names_of
from tdx_dagster.simulator.tenant.rewrites import rewritten
from tdx_dagster.simulator.tenant.shapes import UNSET_DATE, parse_date
from tdx_dagster.simulator.tenant.tenant import Tenant

_SYSTEM_AUTHOR = {
    "CreatedFullName": "System",
    "CreatedFirstName": "System",
    "CreatedLastName": "",
    "CreatedRefID": 0,
}


def answer(tenant: Tenant, shape: str, record: Record, *, full: bool = True) -> Record:
    """Render a record as a type.

    Args:
        tenant: The tenant.
        shape: The type's name.
        record: What is set.
        full: False for search results.
    """
    values = record | names_of(tenant.state, shape, record)
    sent = shapes.render(shape, values, full=full)
    options = tenant.options
    if not full and options.partial_lists == "empty":
        for field in shapes.fields(shape):
            if field.is_list and field.full_only:
                sent[field.name] = []
    if options.unset_date != UNSET_DATE:
        for name, value in sent.items():
            if value == UNSET_DATE:
                sent[name] = options.unset_date
    if options.zoneless_dates and sent.get("ModifiedDate", UNSET_DATE) != UNSET_DATE:
        sent["ModifiedDate"] = _local(tenant, sent["ModifiedDate"])
    return sent


def _local(tenant: Tenant, date: str) -> str:
    offset = timedelta(hours=tenant.options.tenant_utc_offset_hours)
    moment = parse_date(date).replace(tzinfo=None)
    return (moment + offset).isoformat(timespec="milliseconds")


def _app_name(tenant: Tenant, app: int) -> str:
    name: str = tenant.state.applications.get(app, {}).get("Name", "")
    return name


def _form_name(tenant: Tenant, record: Record) -> str:
    name: str = tenant.state.forms.get(record.get("FormID", 0), {}).get("Name", "")
    return name


def ticket(tenant: Tenant, record: Record, *, full: bool = True) -> Record:
    """Render a ticket as `Ticket`, partial where `full` is false."""
    state = tenant.state
    status = state.ticket_statuses.get(record["StatusID"], {})
    classification = record.get("Classification", 0)
    values = record | {
        "StatusName": status.get("Name", ""),
        "StatusClass": status.get("StatusClass", 0),
        "ClassificationName": CLASSIFICATIONS.get(classification, ""),
        "FormName": _form_name(tenant, record),
        "Uri": f"api/{record['AppID']}/tickets/{record['ID']}",
        "DaysOld": days_old(tenant, record),
    }
    parent = state.tickets.get(record.get("ParentID", 0))
    if parent is not None:
        values |= {"ParentTitle": parent["Title"], "ParentClass": parent.get("Classification", 0)}
    if full:
        values |= {
            "Attributes": attributes(tenant, record),
            "Notify": _notifiable(tenant, record),
            "Attachments": record.get("Attachments", []),
        }
    return answer(tenant, "Ticket", values, full=full)


def days_old(tenant: Tenant, record: Record) -> int:
    """Count the whole days since a ticket was created, 0 where the date is not set."""
    created = record.get("CreatedDate")
    return 0 if created is None else max(0, (tenant.clock() - parse_date(created)).days)


def _notifiable(tenant: Tenant, record: Record) -> list[Record]:
    people = tenant.state.people
    roles = (("Requestor", "RequestorUid"), ("Responsible", "ResponsibleUid"))
    return [
        resource(people[uid], role)
        for role, name in roles
        if (uid := record.get(name)) in people and people[uid].get("PrimaryEmail")
    ]


def resource(person: Record, role: str) -> Record:
    """Render a person with their role in a ticket as `ResourceItem`."""
    initials = person.get("FirstName", "")[:1] + person.get("LastName", "")[:1]
    values = {
        "ItemRole": role, "Name": person["FullName"], "Initials": initials,
        "Value": person.get("PrimaryEmail", ""), "RefValue": person.get("ReferenceID", 0),
    }  # fmt: skip
    return shapes.render("ResourceItem", values)


def attributes(tenant: Tenant, record: Record) -> list[Record]:
    """Render the custom attributes of a record that have a value, in their order."""
    known = tenant.state.attributes
    values = record.get("Attributes", {})
    rows = [attribute(known[number], values[number]) for number in values if number in known]
    return sorted(rows, key=lambda row: (row["Order"], row["ID"]))


def attribute(definition: Record, value: str | None) -> Record:
    """Render a custom attribute with its choices as `CustomAttribute`."""
    text = choice_text(definition, value or "")
    choices = [shapes.render("Choice", choice) for choice in definition.get("Choices", ())]
    values = definition | {
        "Value": value, "ValueText": text, "ChoicesText": text, "Choices": choices,
        "IsUpdatable": True,
    }  # fmt: skip
    return shapes.render(
        "CustomAttribute", {"DataType": "String", "AssociatedItemIDs": [0]} | values
    )


def choice_text(definition: Record, value: str) -> str:
    """Join the names of an attribute's chosen items; empty for one without choices."""
    names = {str(choice["ID"]): choice["Name"] for choice in definition.get("Choices", ())}
    return ", ".join(names[part] for part in re.split(r"\s*,\s*", value or "") if part in names)


def asset(tenant: Tenant, record: Record, *, full: bool = True) -> Record:
    """Render an asset as `Asset`, partial where `full` is false."""
    status = tenant.state.asset_statuses.get(record.get("StatusID", 0), {})
    values = record | {
        "AppName": _app_name(tenant, record["AppID"]),
        "StatusName": status.get("Name", ""),
        "FormName": _form_name(tenant, record),
        "Uri": f"api/{record['AppID']}/assets/{record['ID']}",
    }
    parent = tenant.state.assets.get(record.get("ParentID", 0))
    if parent is not None:
        values |= {f"Parent{name}": parent.get(name) for name in ("SerialNumber", "Name", "Tag")}
    if full:
        values |= {
            "Attributes": attributes(tenant, record),
            "Attachments": record.get("Attachments", []),
        }
    return answer(tenant, "Asset", values, full=full)


_FROM_ASSET = (
    "AppID", "FormID", "MaintenanceScheduleID", "OwningDepartmentID", "LocationID", "LocationRoomID",
    "ExternalID", "ExternalSourceID", "CreatedUid", "ModifiedUid",
)  # fmt: skip


def asset_item(record: Record) -> Record:
    """Derive the fields of the configuration item behind an asset."""
    values = {name: record[name] for name in _FROM_ASSET if name in record}
    return values | {
        "ID": record["ConfigurationItemID"],
        "IsSystemMaintained": True,
        "BackingItemID": record["ID"],
        "BackingItemType": int(ItemType.ASSET),
        "Name": asset_label(record),
        "TypeID": 12,
        "TypeName": "Asset",
        "OwnerUID": record.get("OwningCustomerID", ZERO_GUID),
        "IsActive": True,
        "CreatedDateUtc": record.get("CreatedDate", UNSET_DATE),
        "ModifiedDateUtc": record.get("ModifiedDate", UNSET_DATE),
    }


def asset_label(record: Record) -> str:
    """Return an asset's name, else its serial number, else its tag."""
    return record.get("Name") or record.get("SerialNumber") or record.get("Tag") or ""


def item(tenant: Tenant, number: int, *, full: bool = True) -> Record | None:
    """Render a configuration item as `ConfigurationItem`, None where the id is unknown."""
    state = tenant.state
    backing = state.asset_of_item.get(number)
    record = state.items.get(number) if backing is None else asset_item(state.assets[backing])
    if record is None:
        return None
    values = record | {
        "AppName": _app_name(tenant, record["AppID"]),
        "FormName": _form_name(tenant, record),
        "Attributes": attributes(tenant, record),
        "Attachments": [],
        "Uri": f"api/{record['AppID']}/cmdb/{number}",
    }
    return answer(tenant, "ConfigurationItem", values, full=full)


def feed_entry(tenant: Tenant, record: Record, *, with_replies: bool = False) -> Record:
    """Render a feed entry as `ItemUpdate`.

    Args:
        tenant: The tenant.
        record: The entry.
        with_replies: Whether replies and likes are sent; the feed of an item only counts them.
    """
    author = _SYSTEM_AUTHOR if record["CreatedUid"] == ZERO_GUID else {}
    replies, likes = record.get("Replies", []), record.get("Likes", [])
    values = record | author | {
        "Body": _shown_body(tenant, record),
        "ItemTitle": _item_title(tenant, record),
        "NotifiedList": record.get("NotifiedList") or tenant.options.notified_nobody,
        "Replies": [_reply(tenant, reply) for reply in replies] if with_replies else [],
        "RepliesCount": len(replies),
        "Likes": likes if with_replies else [],
        "LikesCount": len(likes),
        "Uri": f"api/feed/{record['ID']}",
    }  # fmt: skip
    sent = answer(tenant, "ItemUpdate", values)
    if tenant.options.zoneless_dates and record["ID"] % 2:
        sent["CreatedDate"] = _local(tenant, sent["CreatedDate"])
    _show_update_type(tenant, sent)
    return sent


def _show_update_type(tenant: Tenant, sent: Record) -> None:
    if tenant.options.update_types == "missing" or sent["UpdateType"] is None:
        del sent["UpdateType"]
    elif tenant.options.update_types == "zero":
        sent["UpdateType"] = int(UpdateType.NONE)


def _shown_body(tenant: Tenant, record: Record) -> str:
    """Apply the rewrites to what a person wrote; the system's own line in front of it stays."""
    system, body = record.get("System", ""), str(record["Body"])
    comment = body.removeprefix(system)
    return system + rewritten(tenant.options, comment) if comment else body


def _reply(tenant: Tenant, record: Record) -> Record:
    author = _SYSTEM_AUTHOR if record["CreatedUid"] == ZERO_GUID else {}
    body = rewritten(tenant.options, record["Body"])
    return answer(tenant, "Reply", record | author | {"Body": body})


def _item_title(tenant: Tenant, record: Record) -> str | None:
    if record["ItemType"] == ItemType.ASSET:
        asset_record = tenant.state.assets.get(record["ItemID"])
        return None if asset_record is None else asset_label(asset_record)
    title: str | None = tenant.state.tickets.get(record["ItemID"], {}).get("Title")
    return title


def person(tenant: Tenant, record: Record, *, full: bool = True) -> Record:
    """Render a person as `User`, partial where `full` is false."""
    values = dict(record)
    if full:
        values["Attributes"] = attributes(tenant, record)
    return answer(tenant, "User", values, full=full)


def people(tenant: Tenant, records: Iterable[Record]) -> list[Record]:
    """Render people as partial `User` objects."""
    return [person(tenant, record, full=False) for record in records]


def named(tenant: Tenant, shape: str, record: Record) -> Record:
    """Render a status or form with the name of its application."""
    return answer(tenant, shape, record | {"AppName": _app_name(tenant, record["AppID"])})
