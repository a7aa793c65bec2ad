"""Calls on reports: list, search, and read with rows.

Rows are computed on each call, so that a ticket leaves a report when it no longer fits.
"""

from collections.abc import Callable
from http import HTTPStatus

from tdx_dagster.simulator.messages import Outgoing, Refusal, json_answer
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import present, shapes
from tdx_dagster.simulator.tenant.constants import StatusClass, Value
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Call, Tenant

_OPEN = [kind for kind in StatusClass if kind not in (StatusClass.COMPLETED, StatusClass.CANCELLED)]
_COLUMN_FROM_TICKET = {
    "TicketID": "ID",
    "CustomerName": "RequestorName",
    "CustomerEmail": "RequestorEmail",
    "ClosedDate": "CompletedDate",
}
"""Columns that reports call otherwise than tickets do."""
_COLUMN_FROM_ASSET = {"AssetID": "ID"}
_NUMBERS, _TEXTS = 2, (1, 11)


def _visible(report: Record) -> bool:
    return bool(report.get("Visible", True))


def _all(tenant: Tenant, _call: Call) -> Outgoing:
    return json_answer([_info(tenant, r) for r in tenant.state.reports.values() if _visible(r)])


def _search(tenant: Tenant, call: Call) -> Outgoing:
    wanted = call.read("ReportSearch")
    found = [r for r in tenant.state.reports.values() if _visible(r) and _fits(r, wanted)]
    return json_answer([_info(tenant, report) for report in found])


def _fits(report: Record, wanted: Record) -> bool:
    pairs = (
        ("OwnerUid", "CreatedUid"), ("OwningGroupID", "OwningGroupID"), ("ForAppID", "PlatformAppID"),
        ("ForApplicationName", "SystemAppName"), ("ReportSourceID", "ReportSourceID"),
    )  # fmt: skip
    text = (wanted["SearchText"] or "").lower()
    return text in report["Name"].lower() and all(
        wanted[name] is None or wanted[name] == report.get(field) for name, field in pairs
    )


def _info(tenant: Tenant, report: Record) -> Record:
    return shapes.render("ReportInfo", _described(tenant, report))


def _described(tenant: Tenant, report: Record) -> Record:
    creator = tenant.state.people.get(report.get("CreatedUid", ""), {})
    app = tenant.state.applications.get(report.get("PlatformAppID", 0), {})
    return report | {
        "CreatedFullName": creator.get("FullName", ""),
        "PlatformAppName": app.get("Name", "None"),
        "Uri": f"api/reports/{report['ID']}",
    }


def _one(tenant: Tenant, call: Call) -> Outgoing:
    report = tenant.state.reports.get(call.ids["id"])
    if report is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "Could not find the report.")
    if not _visible(report):
        status = tenant.options.invisible_report_status
        raise Refusal(status, "You do not have permission to view this report.")
    asked = call.parameters(withData="bool", dataSortExpression="string")
    columns = _columns(tenant, report)
    values = _described(tenant, report) | {
        "DisplayedColumns": [shapes.render("DisplayColumn", column) for column in columns],
        "DataRows": None,
    }
    if asked["withData"]:
        values["DataRows"] = _rows(tenant, report, columns, asked["dataSortExpression"] or "")
    return json_answer(shapes.render("Report", values))


def _columns(tenant: Tenant, report: Record) -> list[Record]:
    """Return the displayed columns, less those omitted and with those renamed (case A17)."""
    renames = tenant.options.report_renames
    columns = []
    for column in report["DisplayedColumns"]:
        if column["ColumnName"] in tenant.options.report_omits:
            continue
        name = renames.get(column["ColumnName"], column["ColumnName"])
        sortable = column.get("SortColumnName", name)
        sort_name = None if sortable is None else renames.get(sortable, sortable)
        shown = {
            "Source": column["ColumnName"],
            "ColumnName": name,
            "SortColumnName": sort_name,
            "SortColumnExpression": None if sort_name is None else f"{sort_name} ASC",
        }
        columns.append({"SortDataType": column["DataType"]} | column | shown)
    return columns


def _rows(tenant: Tenant, report: Record, columns: list[Record], sort: str) -> list[Record]:
    records, cells = _source(tenant, report)
    rows = [
        {
            column["ColumnName"]: _cell(tenant, column, cells(record, column["Source"]))
            for column in columns
        }
        for record in records
    ]
    _sort(rows, sort or _default_sort(report), columns)
    return rows[: report["MaxResults"]] if tenant.options.report_cap_applied else rows


def _source(tenant: Tenant, report: Record) -> tuple[list[Record], Callable[[Record, str], Value]]:
    """Return the records that a report lists, and the function that reads a cell from one."""
    if report.get("Source") == "assets":
        return list(tenant.state.assets.values()), _reader(
            tenant, present.asset, _COLUMN_FROM_ASSET
        )
    chosen = report.get("TicketIDs")
    tickets = tenant.state.tickets
    if chosen is None:
        rows = [ticket for ticket in tickets.values() if ticket["AppID"] == report["PlatformAppID"]]
    else:
        rows = [tickets[number] for number in chosen if number in tickets]
    classes = report.get("StatusClasses", _OPEN if chosen is None else None)
    records = [ticket for ticket in rows if _fits_class(tenant, ticket, classes)]
    return records, _reader(tenant, present.ticket, _COLUMN_FROM_TICKET)


def _fits_class(tenant: Tenant, ticket: Record, classes: list[int] | None) -> bool:
    status = tenant.state.ticket_statuses.get(ticket["StatusID"], {})
    return classes is None or status.get("StatusClass", StatusClass.NONE) in classes


def _reader(
    tenant: Tenant, show: Callable[..., Record], renamed: dict[str, str]
) -> Callable[[Record, str], Value]:
    shown: dict[int, Record] = {}

    def read(record: Record, column: str) -> Value:
        if column.isdecimal():
            definition = tenant.state.attributes.get(int(column), {})
            value = record.get("Attributes", {}).get(int(column))
            return None if value is None else present.choice_text(definition, value) or value
        if record["ID"] not in shown:
            shown[record["ID"]] = show(tenant, record, full=False)
        return shown[record["ID"]].get(renamed.get(column, column))

    return read


def _cell(tenant: Tenant, column: Record, value: Value) -> Value:
    if column["DataType"] == _NUMBERS and isinstance(value, int):
        match tenant.options.report_ids_as:
            case "float":
                return float(value)
            case "text":
                return str(value)
            case _:
                return value
    if column["DataType"] in _TEXTS and not value:
        return None if value is None else tenant.options.report_empty_text
    return value


def _default_sort(report: Record) -> str:
    order = report.get("SortOrder", [])
    if not order:
        return ""
    return f"{order[0]['ColumnName']} {'ASC' if order[0]['IsAscending'] else 'DESC'}"


def _sort(rows: list[Record], expression: str, columns: list[Record]) -> None:
    """Sort rows in place; ignore an unknown column or a malformed expression, as TDX does."""
    name, _, direction = expression.strip().partition(" ")
    known = {column["ColumnName"].lower(): column["ColumnName"] for column in columns}
    column = known.get(name.lower())
    if column is None or direction.strip().upper() not in ("", "ASC", "DESC"):
        return
    descending = direction.strip().upper() == "DESC"
    rows.sort(key=lambda row: _sort_key(row[column]), reverse=descending)


def _sort_key(value: Value) -> tuple[int, float, str]:
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value), "")
    return (2, 0.0, str(value).lower())


ROUTES = (
    Route("GET", "/reports", _all, gives="[ReportInfo]"),
    Route("POST", "/reports/search", _search, takes="ReportSearch", gives="[ReportInfo]"),
    Route("GET", "/reports/{id}", _one, gives="Report"),
)
