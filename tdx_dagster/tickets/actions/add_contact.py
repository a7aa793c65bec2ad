"""The `add_contact` action: make people contacts of the ticket.

Belongs here: who becomes one, and TDX's lines about contacts. Does not: adding each once (`additions`), what a
name means in TDX (`choices`).
"""

import re
from collections.abc import Collection, Sequence
from typing import ClassVar

from tdx_dagster.tdx.html import visible_text
from tdx_dagster.tdx.models import Choice
from tdx_dagster.tickets.actions.additions import Addition, AddToTicket
from tdx_dagster.tickets.actions.choices import UnknownValue, match, parse_guid_or_none
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import TdxWrites
from tdx_dagster.tickets.actions.outcome import GiveUp
from tdx_dagster.tickets.actions.templates import is_template
from tdx_dagster.tickets.ticket_view import TdxReads

_LINE = r"(?:Added|Removed) {name} (?:as a contact|from the contacts)\b.*"


class AddContact(AddToTicket):
    """Make people contacts of the ticket.

    The requestor and those who are contacts already are left as they are. Somebody whom a person has removed
    from the contacts is not added again.
    """

    action_type: ClassVar[str] = "add_contact"
    templated: ClassVar[tuple[str, ...]] = ("people",)
    kind: ClassVar[str] = "contact"
    noun: ClassVar[str] = "contact"

    people: tuple[str, ...]
    """Who: UID, mail address, user name or full name; one that is empty once filled in is left out."""

    def check(self, tdx: TdxReads) -> str:
        """See `Action.check`: everybody named is in TDX."""
        fixed = [given for given in self.people if not is_template(given)]
        try:
            return ", ".join(_person(tdx, given).name for given in fixed)
        except UnknownValue as error:
            raise UnknownValue(f"The action {self.label!r}: {error}") from error

    def wanted(self, context: ActionContext) -> Sequence[Addition]:
        """Give everybody who is named on this ticket.

        Raises:
            UnknownValue: TDX has nobody whom the settings name.
            GiveUp: It has nobody whom a template gives on this ticket.
        """
        found: dict[str, Addition] = {}
        for given in self.people:
            name = context.render(given).strip()
            try:
                people = [_person(context.ticket.tdx, name)] if name else []
            except UnknownValue as error:
                if is_template(given):
                    raise GiveUp(str(error)) from error
                raise
            found |= {str(one.id): Addition(str(one.id), one.name) for one in people}
        return list(found.values())

    def there(self, context: ActionContext) -> Collection[str]:
        """Give the contacts and the requestor."""
        contacts = context.ticket.tdx.ticket_contacts(context.ticket.id)
        requestor = context.ticket.ticket.requestor_uid
        return {str(one.id) for one in contacts} | ({requestor} if requestor else set())

    def is_there(self, tdx: TdxWrites, ticket_id: int, key: str) -> bool:
        """See `AddToTicket.is_there`."""
        return key in {one.id for one in tdx.ticket_contacts(ticket_id)}

    def add(self, tdx: TdxWrites, ticket_id: int, key: str) -> bool:
        """See `AddToTicket.add`."""
        return tdx.add_contact(ticket_id, key)

    def has_removal_line(self, context: ActionContext, one: Addition) -> bool:
        """Tell whether TDX has a line about somebody who is no contact now: known in English, by full name."""
        line = re.compile(_LINE.format(name=re.escape(one.name)), re.IGNORECASE)
        texts = (visible_text(entry.body).strip() for entry in context.ticket.conversation())
        return any(map(line.fullmatch, texts))


def _person(tdx: TdxReads, given: str) -> Choice:
    uid = parse_guid_or_none(given)
    known = tdx.people_named(given)
    if uid is None:
        return match(known, "people", given)
    return next((one for one in known if one.id == uid), Choice(uid, uid))
