"""The fields of a ticket that `update_ticket` changes: their names in settings, in TDX and for people.

Belongs here: reading a field's value from a ticket, and one change of a field with the value expected before
it. Does not: which value is wanted (`choices`), whether a person has the last word (`field_changes`).
"""

from dataclasses import dataclass
from typing import Any

from tdx_dagster.tdx.models import PatchOperation, Ticket
from tdx_dagster.tdx.parse import parse_guid

FieldValue = int | str | None
"""A field's value as TDX holds it; None where it is unset."""

ATTRIBUTES = "attributes/"
STATUS = "StatusID"


@dataclass(frozen=True, slots=True)
class TicketField:
    """A field of a ticket.

    Args:
        setting: Its name in the settings of the action.
        path: Its name in TDX.
        shown_path: The name in TDX of the text that people see.
        line: How TDX's own line about a change begins.
    """

    setting: str
    path: str
    shown_path: str
    line: str

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.setting.removeprefix("ticket_").replace("_", " ")

    def value(self, ticket: Ticket) -> FieldValue:
        """Give its value."""
        if self.path.startswith(ATTRIBUTES):
            return str(_attribute(ticket, self.path).get("Value") or "") or None
        given = ticket.raw.get(self.path)
        if self.path.endswith("Uid"):
            return parse_guid(given)
        return given if isinstance(given, int) and given > 0 else None

    def shown(self, ticket: Ticket) -> str:
        """Give its value for people."""
        if self.path.startswith(ATTRIBUTES):
            held = _attribute(ticket, self.path)
            text = held.get("ChoicesText") or held.get("ValueText") or held.get("Value")
        else:
            text = ticket.raw.get(self.shown_path)
        value = self.value(ticket)
        return "none" if value is None else str(text or value)


def _attribute(ticket: Ticket, path: str) -> dict[str, Any]:
    number = path.removeprefix(ATTRIBUTES)
    held = ticket.raw.get("Attributes")
    rows = held if isinstance(held, list) else []
    return next((one for one in rows if str(one.get("ID")) == number), {})


FIELDS = (
    TicketField(
        "responsible_person",
        "ResponsibleUid",
        "ResponsibleFullName",
        "Reassigned this |Took primary responsibility",
    ),
    TicketField(
        "responsible_group",
        "ResponsibleGroupID",
        "ResponsibleGroupName",
        "Changed Responsible Group from",
    ),
    TicketField("priority", "PriorityID", "PriorityName", "Changed Priority from"),
    TicketField("impact", "ImpactID", "ImpactName", "Changed Impact from"),
    TicketField("urgency", "UrgencyID", "UrgencyName", "Changed Urgency from"),
    TicketField("ticket_type", "TypeID", "TypeName", "Changed Type from"),
    TicketField("source", "SourceID", "SourceName", "Changed Source from"),
    TicketField("location", "LocationID", "LocationName", "Changed Location from"),
    TicketField("status", STATUS, "StatusName", "Changed Status from"),
)
BY_SETTING = {field.setting: field for field in FIELDS}


def attribute_field(number: int, name: str) -> TicketField:
    """Give the field of a custom attribute."""
    return TicketField(name, f"{ATTRIBUTES}{number}", "", f"Changed {name} from")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one field.

    Args:
        field: Which.
        expected: The value it changes from.
        value: The value it is set to; None clears it.
        was: The value expected, for people.
        name: The value it is set to, for people.
    """

    field: TicketField
    expected: FieldValue
    value: FieldValue
    was: str
    name: str

    def operation(self) -> PatchOperation:
        """Give the operation of a patch."""
        if self.value is None:
            return PatchOperation("remove", f"/{self.field.path}")
        is_new = self.field.path.startswith(ATTRIBUTES) and self.expected is None
        return PatchOperation("add" if is_new else "replace", f"/{self.field.path}", self.value)

    def stored(self) -> dict[str, FieldValue]:
        """Give it as JSON, for the intent."""
        return {
            "field": self.field.setting,
            "path": self.field.path,
            "from": self.expected,
            "to": self.value,
            "was": self.was,
            "now": self.name,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> "Change":
        """Read it from an intent."""
        setting, path = str(stored["field"]), str(stored["path"])
        named = BY_SETTING.get(setting)
        is_attribute = path.startswith(ATTRIBUTES)
        number = int(path.removeprefix(ATTRIBUTES)) if is_attribute else 0
        field = attribute_field(number, setting) if is_attribute or named is None else named
        return cls(field, stored["from"], stored["to"], stored["was"], stored["now"])
