"""From a value in the settings, an id or a name, to what TDX holds.

Belongs here: asking TDX's lists (each once a run) and saying what is wrong with a value, with the nearest name.
Does not: reading the lists (`tdx.choices`), comparing with a ticket (`field_changes`).
"""

from collections.abc import Sequence

from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tdx.models import Choice, Status, TicketAttribute
from tdx_dagster.tdx.parse import parse_guid
from tdx_dagster.tickets.actions.nearest import nearest
from tdx_dagster.tickets.ticket_view import TdxReads

MOST_NAMED = 12
"""So many names of a list stand in a message."""

LISTS = {
    "priority": "priorities",
    "impact": "impacts",
    "urgency": "urgencies",
    "ticket_type": "types",
    "source": "sources",
}


class UnknownValue(TdxSettingError):
    """A value that TDX does not have: of the settings, so that no ticket is at fault."""


def find_choice(tdx: TdxReads, setting: str, given: float | str, *, check_ids: bool) -> Choice:
    """Give what a setting means.

    Args:
        tdx: Where the lists are.
        setting: Name of the setting.
        given: An id or a name; a person also by UID, mail address or user name.
        check_ids: Look an id up as well; without, it is used as it is.

    Raises:
        UnknownValue: TDX has no such value, or two of that name.
    """
    if setting == "responsible_person":
        return _person(tdx, str(given))
    if isinstance(given, int) and not check_ids:
        return Choice(given, str(given))
    return match(_listed(tdx, setting), setting, given)


def _listed(tdx: TdxReads, setting: str) -> Sequence[Choice]:
    if setting == "responsible_group":
        return tdx.groups()
    if setting == "location":
        return tdx.locations()
    if setting == "status":
        return [Choice(one.id, one.name) for one in tdx.ticket_statuses()]
    return tdx.ticket_choices(LISTS[setting])  # type: ignore[arg-type]


def find_status(tdx: TdxReads, given: int | str) -> Status:
    """Give a ticket status by id or name.

    Raises:
        UnknownValue: There is none.
    """
    found = find_choice(tdx, "status", given, check_ids=True)
    return next(one for one in tdx.ticket_statuses() if one.id == found.id)


def find_attribute(tdx: TdxReads, given: int | str) -> TicketAttribute:
    """Give a custom attribute of tickets by id or name.

    Raises:
        UnknownValue: There is none, or two of that name.
    """
    known = tdx.ticket_attributes()
    found = match([Choice(one.id, one.name) for one in known], "attributes", given)
    return next(one for one in known if one.id == found.id)


def attribute_value(attribute: TicketAttribute, given: float | str) -> Choice:
    """Give what an attribute is set to: a choice by id or name, else the text.

    Raises:
        UnknownValue: The attribute has choices, and this is none.
    """
    if not attribute.choices:
        return Choice(str(given), str(given))
    is_id = str(given).isdecimal()
    found = match(
        attribute.choices, f"attributes: {attribute.name}", int(given) if is_id else str(given)
    )
    return Choice(str(found.id), found.name)


def _person(tdx: TdxReads, given: str) -> Choice:
    uid = parse_guid_or_none(given)
    if uid is not None:
        return Choice(uid, uid)
    return match(tdx.people_named(given), "responsible_person", given)


def parse_guid_or_none(text: str) -> str | None:
    """Give a UID where a text is one."""
    try:
        return parse_guid(text)
    except ValueError:
        return None


def match(known: Sequence[Choice], setting: str, given: float | str) -> Choice:
    """Find a value among those TDX has, by id or by name without case.

    Raises:
        UnknownValue: It is none of them, or two have that name.
    """
    if not isinstance(given, str):
        found = [one for one in known if one.id == given]
    else:
        wanted = given.strip().casefold()
        found = [
            one for one in known if wanted in {text.casefold() for text in (one.name, *one.also)}
        ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(one.id) for one in found)
        raise UnknownValue(f"{setting}: TDX has {len(found)} called {given!r}; give the id: {ids}.")
    names = [one.name for one in known]
    shown = ", ".join(sorted(names)[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    raise UnknownValue(
        f"{setting}: TDX has no {given!r}.{nearest(str(given), names)}"
        + (f" It has {shown}." if names else "")
    )
