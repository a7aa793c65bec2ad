"""The calls that list what the fields of a ticket may be: types, priorities, groups, people, attributes.

Belongs here: one read a list, as `Choice` records. Does not: matching a name with them
(`tickets.actions.choices`), changing a ticket (`writes`).
"""

from collections.abc import Callable
from typing import Literal, TypeVar

from tdx_dagster.tdx.blame import TICKET_APP, blaming
from tdx_dagster.tdx.call import Call
from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.models import Choice, TicketAttribute
from tdx_dagster.tdx.records import parse_attribute, parse_choice, parse_list, parse_person_choice
from tdx_dagster.tdx.transport import Transport

C = TypeVar("C")

ListName = Literal["types", "priorities", "impacts", "urgencies", "sources"]

# The component of tickets among custom attributes.
TICKET_COMPONENT = 9
MOST_PEOPLE = 100


class TicketChoices:
    """Lists what tickets refer to. Part of `client.Tdx`, which sets these two."""

    _transport: Transport
    _ticket_app: int

    def ticket_choices(self, of: ListName) -> tuple[Choice, ...]:
        """Read the active types, priorities, impacts, urgencies or sources of the ticketing application.

        Raises:
            TdxSettingError: The ticketing application is wrong (case A35).
        """
        call = Call("GET", f"/{{app}}/tickets/{of}", {"app": self._ticket_app})
        with blaming(f"{TICKET_APP} {self._ticket_app} is no such application"):
            return self._listed(call, of, parse_choice)

    def groups(self) -> tuple[Choice, ...]:
        """Read the active groups."""
        return self._listed(
            Call("POST", "/groups/search", body={"IsActive": True}), "groups", parse_choice
        )

    def locations(self) -> tuple[Choice, ...]:
        """Read the active locations."""
        return self._listed(
            Call("POST", "/locations/search", body={"IsActive": True}), "locations", parse_choice
        )

    def people_named(self, text: str) -> tuple[Choice, ...]:
        """Read the active people whose name or mail address holds a text, at most MOST_PEOPLE."""
        query = {"searchText": text, "maxResults": str(MOST_PEOPLE)}
        return self._listed(
            Call("GET", "/people/lookup", query=query), "people", parse_person_choice
        )

    def ticket_attributes(self) -> tuple[TicketAttribute, ...]:
        """Read the custom attributes of tickets with their choices."""
        query = {
            "componentId": str(TICKET_COMPONENT),
            "associatedTypeId": "0",
            "appId": str(self._ticket_app),
        }
        return self._listed(
            Call("GET", "/attributes/custom", query=query), "custom attributes", parse_attribute
        )

    def _listed(self, call: Call, kind: str, parser: Callable[[object], C]) -> tuple[C, ...]:
        data = self._transport.read(call)
        try:
            return parse_list(data, kind, parser)
        except TdxBadAnswer as error:
            raise TdxBadAnswer(f"{call.shown}: {error}", call=call.name) from error
