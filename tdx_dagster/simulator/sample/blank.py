"""A tenant without tickets and assets: applications, statuses, forms, lists, reports, two accounts.

Tests with a few records of their own start here, and so does the sample data.
"""

from typing import Any

from tdx_dagster.simulator.tenant.constants import (
    ACTIVE_STATUS_ID,
    ASSET_APP_ID,
    BEID,
    COMPUTER_FORM_ID,
    PASSWORD,
    REPORT_ID,
    TICKET_APP_ID,
    USER_NAME,
    StatusClass,
)
from tdx_dagster.simulator.tenant.model import Record, State
from tdx_dagster.simulator.tenant.tenant import ADMIN_NAME

BOT_UID = "b07b07b0-1111-4222-8333-444455556666"
ADMIN_UID = "ad0000ad-1111-4222-8333-444455556666"
OTHER_TICKET_APP_ID = 47
MONITOR_FORM_ID, PERIPHERAL_FORM_ID = 2450, 2451
INVENTORY_ATTRIBUTE_ID, LAB_ATTRIBUTE_ID = 18374, 18375
LONG_AGO = "2024-08-12T13:05:00Z"

NEW, IN_PROCESS, CLOSED, CANCELLED, ON_HOLD, WAITING = 101, 102, 103, 104, 105, 106
"""Ticket statuses of the ticket application."""

_TICKET_STATUSES: tuple[tuple[int, str, StatusClass, dict[str, Any]], ...] = (
    (NEW, "New", StatusClass.NEW, {"IsDefault": True}),
    (IN_PROCESS, "In Process", StatusClass.IN_PROCESS, {}),
    (CLOSED, "Closed", StatusClass.COMPLETED, {}),
    (CANCELLED, "Cancelled", StatusClass.CANCELLED, {"DoNotReopen": True}),
    (ON_HOLD, "On Hold", StatusClass.ON_HOLD, {"RequireGoesOffHold": True}),
    (WAITING, "Waiting for Customer", StatusClass.ON_HOLD, {}),
    (107, "Escalated", StatusClass.IN_PROCESS, {"IsActive": False}),
)
_ASSET_STATUSES: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (ACTIVE_STATUS_ID, "Active", {}),
    (39, "Retired", {"IsOutOfService": True}),
    (40, "In Storage", {}),
    (41, "Lost", {"IsOutOfService": True}),
    (42, "Ordered", {"IsActive": False}),
)
_FORMS = (
    (COMPUTER_FORM_ID, "Computer Form", ASSET_APP_ID, 27),
    (MONITOR_FORM_ID, "Monitor Form", ASSET_APP_ID, 27),
    (PERIPHERAL_FORM_ID, "Peripheral Form", ASSET_APP_ID, 27),
    (3101, "General Help Form", TICKET_APP_ID, 9),
)
DEPARTMENTS = (
    "Chemistry", "Psychology", "Biochemistry", "History", "Geology", "Engineering", "Nursing",
    "Music", "Mathematics", "Economics", "Library", "Linguistics",
)  # fmt: skip
_LOOKUPS: dict[str, dict[int, str]] = {
    "Account": {201 + row: name for row, name in enumerate(DEPARTMENTS)},
    "Location": {301: "Old Hall", 302: "Science Centre", 303: "North Tower", 304: "Library"},
    "LocationRoom": {401: "0117", 402: "1210", 403: "2410", 404: "3021"},
    "Supplier": {501: "Campus Store"},
    "ProductModel": {
        601: "Latitude 5440", 602: "OptiPlex 7010", 603: "EliteBook 840 G10", 604: "Z2 Tower G9",
        605: "ThinkPad T14 Gen 4", 606: "MacBook Pro 14", 607: "iMac 24", 608: "P2423D Monitor",
    },
    "Manufacturer": {701: "Dell", 702: "HP", 703: "Lenovo", 704: "Apple"},
    "MaintenanceSchedule": {},
    "ExternalSource": {},
    "Type": {801: "Desktop Support", 802: "Accounts", 803: "Printing"},
    "TypeCategory": {811: "Support"},
    "Source": {821: "Email", 822: "Client Portal", 823: "Phone"},
    "Impact": {831: "Affects User", 832: "Affects Department"},
    "Urgency": {841: "Low", 842: "High"},
    "Priority": {851: "Low", 852: "Medium", 853: "High"},
    "Sla": {},
    "Group": {861: "Service Desk", 862: "Desktop Support"},
    "Service": {871: "Computer Repair"},
}  # fmt: skip
_COLUMNS = (
    ("ID", "TicketID", 2), ("Title", "Title", 1), ("Status", "StatusName", 1),
    ("Requestor", "CustomerName", 1), ("Group", "ResponsibleGroupName", 1),
    ("Primary Responsibility", "ResponsibleFullName", 1), ("Created", "CreatedDate", 7),
    ("Modified", "ModifiedDate", 7), ("Age (Days)", "DaysOld", 2), ("Lab", str(LAB_ATTRIBUTE_ID), 1),
)  # fmt: skip


def blank_state() -> State:
    """Make a tenant without tickets, assets and customers, but with both accounts and the reports."""
    state = State(
        applications={app["AppID"]: app for app in _applications()},
        ticket_statuses={row[0]: _ticket_status(*row) for row in _TICKET_STATUSES},
        asset_statuses={row[0]: _asset_status(*row) for row in _ASSET_STATUSES},
        forms={row[0]: _form(*row) for row in _FORMS},
        attributes=_attributes(),
        lookups={kind: dict(names) for kind, names in _LOOKUPS.items()},
        reports={
            REPORT_ID: _report(),
            REPORT_ID + 1: _asset_report(),
            REPORT_ID + 2: _hidden_report(),
        },
    )
    state.ticket_statuses[201] = _ticket_status(
        201, "New", StatusClass.NEW, {"IsDefault": True, "AppID": OTHER_TICKET_APP_ID}
    )
    _add_accounts(state)
    return state


def _applications() -> list[Record]:
    rows = (
        (TICKET_APP_ID, "IT Tickets", "Ticketing", "TDTickets"),
        (OTHER_TICKET_APP_ID, "Facilities Tickets", "Ticketing", "TDTickets"),
        (ASSET_APP_ID, "Assets", "Assets/CI", "TDAssets"),
        (50, "Client Portal", "Client Portal", "TDClient"),
    )
    return [
        {
            "AppID": number, "Name": name, "Description": "", "Type": kind, "AppClass": app_class,
            "Active": True, "PartialUrl": f"Apps/{number}/",
        }
        for number, name, kind, app_class in rows
    ]  # fmt: skip


def _ticket_status(number: int, name: str, kind: StatusClass, more: dict[str, Any]) -> Record:
    return {
        "ID": number, "AppID": TICKET_APP_ID, "Name": name, "Description": "", "Order": float(number),
        "StatusClass": int(kind), "IsActive": True, "IsDefault": False, "RequireGoesOffHold": False,
        "DoNotReopen": False,
    } | more  # fmt: skip


def _asset_status(number: int, name: str, more: dict[str, Any]) -> Record:
    return {
        "ID": number, "AppID": ASSET_APP_ID, "Name": name, "Description": "", "Order": float(number),
        "IsActive": True, "IsOutOfService": False, "CreatedDate": LONG_AGO, "ModifiedDate": LONG_AGO,
        "CreatedUid": ADMIN_UID, "CreatedFullName": "Admin Service", "ModifiedUid": ADMIN_UID,
        "ModifiedFullName": "Admin Service",
    } | more  # fmt: skip


def _form(number: int, name: str, app: int, component: int) -> Record:
    return {
        "ID": number, "Name": name, "AppID": app, "ComponentID": component, "IsActive": True,
        "IsConfigured": True, "IsDefaultForApp": number in (COMPUTER_FORM_ID, 3101),
        "CreatedDate": LONG_AGO, "CreatedUid": ADMIN_UID, "CreatedFullName": "Admin Service",
        "ModifiedDate": LONG_AGO, "ModifiedUid": ADMIN_UID, "ModifiedFullName": "Admin Service",
    }  # fmt: skip


def _attributes() -> dict[int, Record]:
    choices = [
        {"ID": 9001 + row, "Name": name, "IsActive": True, "Order": row,
         "DateCreated": LONG_AGO, "DateModified": LONG_AGO}
        for row, name in enumerate(("Room 4", "Room 5", "Teaching Lab"))
    ]  # fmt: skip
    return {
        LAB_ATTRIBUTE_ID: {
            "ID": LAB_ATTRIBUTE_ID, "Name": "Lab", "Order": 1, "FieldType": "dropdown",
            "Choices": choices, "Component": 9,
        },
        INVENTORY_ATTRIBUTE_ID: {
            "ID": INVENTORY_ATTRIBUTE_ID, "Name": "Inventory Note", "Order": 2,
            "FieldType": "textbox", "Choices": [], "Component": 27,
        },
    }  # fmt: skip


def _columns(rows: tuple[tuple[str, str, int], ...]) -> list[Record]:
    return [
        {"HeaderText": header, "ColumnName": name, "DataType": kind}
        | ({"SortColumnName": None} if name.isdecimal() else {})
        for header, name, kind in rows
    ]


def _report() -> Record:
    return {
        "ID": REPORT_ID, "Name": "Open tickets for the queue bot", "Description": "",
        "CreatedUid": ADMIN_UID, "CreatedDate": LONG_AGO, "SystemAppName": "TDTickets",
        "PlatformAppID": TICKET_APP_ID, "ReportSourceID": 1, "ReportSourceName": "Tickets",
        "MaxResults": 50, "DisplayedColumns": _columns(_COLUMNS),
        "SortOrder": [{"ColumnLabel": "ID", "ColumnName": "TicketID", "IsAscending": True}],
        "Source": "tickets", "TicketIDs": None, "Visible": True,
    }  # fmt: skip


def _asset_report() -> Record:
    columns = (
        ("ID", "AssetID", 2), ("Name", "Name", 1), ("Serial Number", "SerialNumber", 1),
        ("Owner", "OwningCustomerName", 1), ("Department", "OwningDepartmentName", 1),
        ("Model", "ProductModelName", 1),
    )  # fmt: skip
    return _report() | {
        "ID": REPORT_ID + 1, "Name": "All assets", "SystemAppName": "TDAssets",
        "PlatformAppID": ASSET_APP_ID, "ReportSourceID": 2, "ReportSourceName": "Assets",
        "DisplayedColumns": _columns(columns), "SortOrder": [], "Source": "assets",
    }  # fmt: skip


def _hidden_report() -> Record:
    return _report() | {"ID": REPORT_ID + 2, "Name": "Not shared with the bot", "Visible": False}


def _add_accounts(state: State) -> None:
    for uid, user_name, names, kind, more in (
        (BOT_UID, USER_NAME, ("Queue", "Bot"), 9, {"Password": PASSWORD}),
        (ADMIN_UID, ADMIN_NAME, ("Admin", "Service"), 9, {}),
    ):
        first, last = names
        state.add_person(
            UID=uid, UserName=user_name, AuthenticationUserName=user_name, FirstName=first,
            LastName=last, FullName=f"{first} {last}", PrimaryEmail=f"{user_name}@example.edu",
            TypeID=kind, ReferenceID=77 + len(state.people), BEID=BEID, BEIDInt=53,
            Applications=["TDNext", "TDTickets", "TDAssets", "TDPeople"], GroupIDs=[861],
            TZID=2, TZName="(GMT-05:00) Eastern Time", **more,
        )  # fmt: skip
