"""The `add_configuration_item` action: link a lab, a service or another configuration item to the ticket.

Belongs here: which item is meant, and TDX's lines about links. Does not: adding each once (`additions`),
computers (`add_asset`).
"""

from collections.abc import Collection, Sequence
from typing import ClassVar

from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import TicketItem
from tdx_dagster.tickets.actions.additions import Addition, AddToTicket
from tdx_dagster.tickets.actions.choices import UnknownValue
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import TdxWrites
from tdx_dagster.tickets.actions.link_lines import is_by, last_removal_of_name
from tdx_dagster.tickets.actions.outcome import GiveUp
from tdx_dagster.tickets.actions.templates import is_template
from tdx_dagster.tickets.ticket_view import TdxReads


class AddConfigurationItem(AddToTicket):
    """Link configuration items, such as a lab or a service, to the ticket.

    An item is read before it is linked: one that TDX does not have or that is not active is not. What a person
    has removed is not linked again.
    """

    action_type: ClassVar[str] = "add_configuration_item"
    templated: ClassVar[tuple[str, ...]] = ("items",)
    kind: ClassVar[str] = "item"
    noun: ClassVar[str] = "configuration item"

    items: tuple[int | str, ...]
    """Ids of configuration items, or templates that give one; one that is empty is left out."""

    def check(self, tdx: TdxReads) -> str:
        """See `Action.check`: every item is in TDX and active."""
        fixed = [str(given) for given in self.items if not is_template(str(given))]
        try:
            return ", ".join(_read(tdx, _number(given)).name for given in fixed)
        except (TdxRefused, GiveUp) as error:
            raise UnknownValue(f"The action {self.label!r}: items: {error}") from error

    def wanted(self, context: ActionContext) -> Sequence[Addition]:
        """Give the items that are named on this ticket.

        Raises:
            GiveUp: One is no id.
        """
        texts = [context.render(str(given)).strip() for given in self.items]
        numbers = dict.fromkeys(_number(text) for text in texts if text)
        known = {item.id: item.name for item in context.ticket.items()}
        return [Addition(str(one), known.get(one, "")) for one in numbers]

    def there(self, context: ActionContext) -> Collection[str]:
        """Give the items that are linked."""
        return {str(item.id) for item in context.ticket.items()}

    def named(self, context: ActionContext, one: Addition) -> Addition:
        """Read the item: TDX has it, and it is active.

        Raises:
            GiveUp: It has not, or it is not.
        """
        return Addition(one.key, _read(context.ticket.tdx, int(one.key)).name)

    def is_there(self, tdx: TdxWrites, ticket_id: int, key: str) -> bool:
        """See `AddToTicket.is_there`."""
        return int(key) in {item.id for item in tdx.ticket_items(ticket_id)}

    def add(self, tdx: TdxWrites, ticket_id: int, key: str) -> bool:
        """See `AddToTicket.add`."""
        return tdx.attach_item(ticket_id, int(key))

    def has_removal_line(self, context: ActionContext, one: Addition) -> bool:
        """Tell whether TDX has a line that the item was removed, by anybody but the robot's account."""
        uid = context.ticket.tdx.account().uid
        line = last_removal_of_name(context.ticket.conversation(), [one.name])
        return line is not None and not (uid and is_by(line, uid))


def _number(text: str) -> int:
    if not text.isdecimal():
        raise GiveUp(f"{text!r} is no id of a configuration item")
    return int(text)


def _read(tdx: TdxReads, number: int) -> TicketItem:
    item = tdx.configuration_item(number)
    if not item.is_active:
        raise GiveUp(f"the configuration item {item.name or number} is not active")
    return item
