"""Names that follow from ids: of people, departments, locations and other lists.

TDX sends both; a record keeps only the id.
"""

from tdx_dagster.simulator.tenant.model import Record, State

_LOOKED_UP: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Ticket": (
        ("TypeName", "Type", "TypeID"),
        ("TypeCategoryName", "TypeCategory", "TypeCategoryID"),
        ("AccountName", "Account", "AccountID"),
        ("SourceName", "Source", "SourceID"),
        ("ImpactName", "Impact", "ImpactID"),
        ("UrgencyName", "Urgency", "UrgencyID"),
        ("PriorityName", "Priority", "PriorityID"),
        ("SlaName", "Sla", "SlaID"),
        ("ResponsibleGroupName", "Group", "ResponsibleGroupID"),
        ("ReviewingGroupName", "Group", "ReviewingGroupID"),
        ("LocationName", "Location", "LocationID"),
        ("LocationRoomName", "LocationRoom", "LocationRoomID"),
        ("ServiceName", "Service", "ServiceID"),
    ),
    "Asset": (
        ("ProductModelName", "ProductModel", "ProductModelID"),
        ("ManufacturerName", "Manufacturer", "ManufacturerID"),
        ("SupplierName", "Supplier", "SupplierID"),
        ("LocationName", "Location", "LocationID"),
        ("LocationRoomName", "LocationRoom", "LocationRoomID"),
        ("RequestingDepartmentName", "Account", "RequestingDepartmentID"),
        ("OwningDepartmentName", "Account", "OwningDepartmentID"),
        ("MaintenanceScheduleName", "MaintenanceSchedule", "MaintenanceScheduleID"),
        ("ExternalSourceName", "ExternalSource", "ExternalSourceID"),
    ),
    "ConfigurationItem": (
        ("OwningDepartmentName", "Account", "OwningDepartmentID"),
        ("OwningGroupName", "Group", "OwningGroupID"),
        ("LocationName", "Location", "LocationID"),
        ("LocationRoomName", "LocationRoom", "LocationRoomID"),
        ("MaintenanceScheduleName", "MaintenanceSchedule", "MaintenanceScheduleID"),
    ),
    "User": (
        ("DefaultAccountName", "Account", "DefaultAccountID"),
        ("LocationName", "Location", "LocationID"),
        ("LocationRoomName", "LocationRoom", "LocationRoomID"),
    ),
}
"""(name field, kind of lookup, id field) by type."""

_OF_PEOPLE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Ticket": (
        ("RequestorName", "RequestorUid", "FullName"),
        ("RequestorFirstName", "RequestorUid", "FirstName"),
        ("RequestorLastName", "RequestorUid", "LastName"),
        ("RequestorEmail", "RequestorUid", "PrimaryEmail"),
        ("RequestorPhone", "RequestorUid", "WorkPhone"),
        ("CreatedFullName", "CreatedUid", "FullName"),
        ("CreatedEmail", "CreatedUid", "PrimaryEmail"),
        ("ModifiedFullName", "ModifiedUid", "FullName"),
        ("ResponsibleFullName", "ResponsibleUid", "FullName"),
        ("ResponsibleEmail", "ResponsibleUid", "PrimaryEmail"),
        ("RespondedFullName", "RespondedUid", "FullName"),
        ("CompletedFullName", "CompletedUid", "FullName"),
        ("ReviewerFullName", "ReviewerUid", "FullName"),
        ("ReviewerEmail", "ReviewerUid", "PrimaryEmail"),
    ),
    "Asset": (
        ("OwningCustomerName", "OwningCustomerID", "FullName"),
        ("RequestingCustomerName", "RequestingCustomerID", "FullName"),
        ("CreatedFullName", "CreatedUid", "FullName"),
        ("ModifiedFullName", "ModifiedUid", "FullName"),
    ),
    "ConfigurationItem": (
        ("OwnerFullName", "OwnerUID", "FullName"),
        ("CreatedFullName", "CreatedUid", "FullName"),
        ("ModifiedFullName", "ModifiedUid", "FullName"),
    ),
    "ItemUpdate": (
        ("CreatedFullName", "CreatedUid", "FullName"),
        ("CreatedFirstName", "CreatedUid", "FirstName"),
        ("CreatedLastName", "CreatedUid", "LastName"),
        ("CreatedRefID", "CreatedUid", "ReferenceID"),
    ),
}
"""(field, uid field, field of the person) by type. A reply is like an entry."""
_OF_PEOPLE["Reply"] = _OF_PEOPLE["ItemUpdate"]


def names_of(state: State, shape: str, record: Record) -> Record:
    """Return the names that follow from a record's ids.

    Args:
        state: Where the names are.
        shape: The type the record is sent as.
        record: The record.

    Returns:
        Name fields with their values; those of unset or unknown ids are left out.
    """
    lookups, people = state.lookups, state.people
    found: Record = {}
    for target, kind, source in _LOOKED_UP.get(shape, ()):
        number = record.get(source)
        if number and (name := lookups.get(kind, {}).get(number)) is not None:
            found[target] = name
    for target, source, wanted in _OF_PEOPLE.get(shape, ()):
        uid = record.get(source)
        if uid and (person := people.get(uid)) is not None:
            found[target] = person.get(wanted) or (0 if target == "CreatedRefID" else "")
    return found
