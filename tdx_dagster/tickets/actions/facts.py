"""What conditions and templates may name: the ticket, its requestor, computers, results, what people wrote.

Belongs here: the names, and reading each only where it is used, since some cost a call. Does not: evaluating
(`templates`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from tdx_dagster.discovery.passages import OwnPosts, Passage, conversation_passages
from tdx_dagster.tdx.models import Asset, Ticket
from tdx_dagster.tickets.actions.effects import Writer
from tdx_dagster.tickets.actions.results import Results, Values
from tdx_dagster.tickets.ticket_view import TicketView

SECONDS_PER_HOUR = 3600
HOURS_PER_DAY = 24


class Sources(Protocol):
    """What the facts are read from: `ActionContext`."""

    @property
    def ticket(self) -> TicketView:
        """The ticket."""

    @property
    def write(self) -> Writer:
        """What was written on it."""

    @property
    def results(self) -> Results:
        """What the earlier actions did."""

    @property
    def values(self) -> Values:
        """What they store for later actions."""

    @property
    def posted_texts(self) -> Sequence[str]:
        """What the pipeline writes on tickets."""


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """A ticket. Ids are 0 and texts empty where TDX has none."""

    id: int
    title: str
    description: str
    link: str
    status: str
    status_id: int
    status_class: str
    type: str
    type_id: int
    priority: str
    priority_id: int
    impact: str
    urgency: str
    source: str
    location: str
    responsible_person: str
    responsible_group: str
    responsible_group_id: int
    created_at: datetime | None
    modified_at: datetime | None
    age_hours: float
    age_days: float
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RequestorFacts:
    """Who asked."""

    name: str
    first_name: str
    email: str
    uid: str


@dataclass(frozen=True, slots=True)
class ComputerFacts:
    """A computer that an action of this pipeline has attached, or has found on the ticket already."""

    asset_id: int
    name: str
    link: str
    why: str


@dataclass(frozen=True, slots=True)
class AttachedComputerFacts:
    """What the computers on the ticket have in common: of one all, of several what is the same.

    They are those that an action of this pipeline has found, else all assets that are linked.
    """

    asset_id: int
    name: str
    serial_number: str
    department: str
    location: str
    owner: str


NAMES: Mapping[str, type | None] = {
    "ticket": TicketFacts,
    "requestor": RequestorFacts,
    "computers": None,
    "attached_computer": AttachedComputerFacts,
    "assets_found": None,
    "assets_added": None,
    "results": None,
    "values": None,
    "people_wrote": None,
    "requestor_wrote": None,
}
"""The names, with the record whose fields they have where that is known."""


def facts(context: Sources, names: Collection[str]) -> Mapping[str, Any]:
    """Give the values of some names on one ticket.

    Raises:
        TdxError: One had to be read and could not be.
    """
    read: Mapping[str, Callable[[], Any]] = {
        "ticket": lambda: _ticket(context.ticket.latest, context),
        "requestor": lambda: _requestor(context.ticket.latest),
        "computers": lambda: _computers(context),
        "attached_computer": lambda: _attached_computer(context),
        "assets_found": lambda: len(_computers(context)),
        "assets_added": lambda: len(_found(context, "attached")),
        "results": lambda: context.results,
        "values": lambda: context.values,
        "people_wrote": lambda: len(_written(context)),
        "requestor_wrote": lambda: sum(one.role == "requestor" for one in _written(context)),
    }
    return {name: read[name]() for name in names if name in read}


def _ticket(ticket: Ticket, context: Sources) -> TicketFacts:
    age = (datetime.now(UTC) - ticket.created_at).total_seconds() if ticket.created_at else 0.0

    def text(name: str) -> str:
        return str(ticket.raw.get(name) or "")

    def number(name: str) -> int:
        given = ticket.raw.get(name)
        return given if isinstance(given, int) else 0

    return TicketFacts(
        id=ticket.id,
        title=ticket.title,
        description=ticket.description,
        link=context.ticket.tdx.ticket_link(ticket.id),
        status=ticket.status_name,
        status_id=ticket.status_id,
        status_class=ticket.status_class.name.lower().replace("_", " "),
        type=text("TypeName"),
        type_id=number("TypeID"),
        priority=text("PriorityName"),
        priority_id=number("PriorityID"),
        impact=text("ImpactName"),
        urgency=text("UrgencyName"),
        source=text("SourceName"),
        location=text("LocationName"),
        responsible_person=text("ResponsibleFullName"),
        responsible_group=text("ResponsibleGroupName"),
        responsible_group_id=ticket.responsible_group_id,
        created_at=ticket.created_at,
        modified_at=ticket.modified_at,
        age_hours=age / SECONDS_PER_HOUR,
        age_days=age / SECONDS_PER_HOUR / HOURS_PER_DAY,
        attributes=_attributes(ticket),
    )


def _attributes(ticket: Ticket) -> Mapping[str, str]:
    rows = ticket.raw.get("Attributes")
    return {
        str(one.get("Name")): str(
            one.get("ChoicesText") or one.get("ValueText") or one.get("Value") or ""
        )
        for one in (rows if isinstance(rows, list) else ())
    }


def _requestor(ticket: Ticket) -> RequestorFacts:
    first = (
        str(ticket.raw.get("RequestorFirstName") or "") or ticket.requestor_name.partition(" ")[0]
    )
    return RequestorFacts(
        ticket.requestor_name, first, ticket.requestor_email, ticket.requestor_uid or ""
    )


def _computers(context: Sources) -> list[ComputerFacts]:
    by_id = _found(context, "attached") | _found(context, "already")
    return [
        ComputerFacts(
            number,
            str(one["name"]),
            context.ticket.tdx.asset_link(number),
            str(one.get("why") or ""),
        )
        for number, one in by_id.items()
    ]


def _attached_computer(context: Sources) -> AttachedComputerFacts:
    linked = context.ticket.linked_assets()
    named = _found(context, "attached") | _found(context, "already")
    ids = [number for number in named if number in linked] or sorted(linked)
    read = [context.ticket.asset(number) for number in ids]

    def same(value: Callable[[Asset], Any]) -> Any:  # noqa: ANN401  a number or a text
        found = {value(one) for one in read}
        return found.pop() if len(found) == 1 else None

    return AttachedComputerFacts(
        asset_id=same(lambda one: one.id) or 0,
        name=same(lambda one: one.name) or "",
        serial_number=same(lambda one: one.serial_number) or "",
        department=str(same(lambda one: one.raw.get("OwningDepartmentName")) or ""),
        location=str(same(lambda one: one.raw.get("LocationName")) or ""),
        owner=same(lambda one: one.owner_name) or "",
    )


def _found(context: Sources, how: str) -> dict[int, Mapping[str, Any]]:
    found = (context.results[name][how] or () for name in context.results)
    return {int(one["asset_id"]): one for each in found for one in each}


def _written(context: Sources) -> list[Passage]:
    """Give what people wrote since the last entry of the robot, or at all where it has none."""
    ids = (effect.detail.get("feed_id") for effect in context.write.effects().values())
    ours = frozenset(one for one in ids if isinstance(one, int))
    found = conversation_passages(
        context.ticket.conversation(),
        context.ticket.ticket,
        OwnPosts(texts=tuple(context.posted_texts), entry_ids=ours),
    )
    last = max(ours, default=0)
    return [one for one in found if one.text.strip() and (one.entry_id or 0) > last]
