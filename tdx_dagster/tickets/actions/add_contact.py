"""The `add_contact` action: make people contacts of the ticket.

Belongs here: who becomes one, who is left off because a person has removed them, and the effect. Does not: what
a name means in TDX (`choices`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from tdx_dagster.state.records import EffectRecord, EffectState
from tdx_dagster.tdx.html import visible_text
from tdx_dagster.tdx.models import Choice, FeedEntry
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.choices import UnknownValue, match, parse_guid_or_none
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.effects import STAYS, Effect, Evidence, TdxWrites
from tdx_dagster.tickets.actions.outcome import GiveUp, Performed
from tdx_dagster.tickets.actions.templates import is_template
from tdx_dagster.tickets.ticket_view import TdxReads

# How the names of its effects begin.
CONTACT = "contact:"

_LINE = r"(?P<verb>Added|Removed) {name} (?:as a contact|from the contacts)\b.*"


class AddContact(Action):
    """Make people contacts of the ticket.

    The requestor and those who are contacts already are left as they are. Somebody whom a person has removed
    from the contacts is not added again.
    """

    action_type: ClassVar[str] = "add_contact"
    templated: ClassVar[tuple[str, ...]] = ("people",)
    result_names: ClassVar[tuple[str, ...] | None] = ("added", "already", "left_off")

    people: tuple[str, ...]
    """Who: UID, mail address, user name or full name; one that is empty once filled in is left out."""
    add_summary_line: bool = True
    """Name the contacts that were added in the summary."""

    def check(self, tdx: TdxReads) -> str:
        """See `Action.check`: everybody named is in TDX."""
        fixed = [given for given in self.people if not is_template(given)]
        try:
            return ", ".join(_person(tdx, given).name for given in fixed)
        except UnknownValue as error:
            raise UnknownValue(f"The action {self.label!r}: {error}") from error

    def perform(self, context: ActionContext) -> Performed:
        """Add those who are no contacts, one by one."""
        earlier = self._recover(context)
        added: list[str] = []
        already: list[str] = []
        left_off: list[str] = []
        contacts = {one.id for one in context.ticket.tdx.ticket_contacts(context.ticket.id)}
        for person in self._people(context):
            if person.id in earlier and person.id in contacts:
                added.append(person.name)
            elif person.id in contacts or person.id == context.ticket.ticket.requestor_uid:
                already.append(person.name)
            elif is_removed(context, person):
                left_off.append(person.name)
            else:
                context.write.do(self._effect(context.ticket.id, str(person.id), person.name))
                added.append(person.name)
        return self._performed(added, already, left_off)

    def _performed(self, added: list[str], already: list[str], left_off: list[str]) -> Performed:
        lines = [f"Added {', '.join(added)} as contact"] if added else []
        lines += [f"Contact {name} left off: a person removed them" for name in left_off]
        said = [*lines, *([f"{', '.join(already)} there already"] if already else ())]
        return Performed(
            "; ".join(said) or "Nobody to add",
            summary_lines=lines if self.add_summary_line else [],
            evidence={"added": added, "already": already, "left_off": left_off},
        )

    def _people(self, context: ActionContext) -> list[Choice]:
        """Give everybody who is named on this ticket, each once.

        Raises:
            UnknownValue: TDX has nobody whom the settings name.
            GiveUp: It has nobody whom a template gives on this ticket.
        """
        found: dict[str, Choice] = {}
        for given in self.people:
            name = context.render(given).strip()
            try:
                people = [_person(context.ticket.tdx, name)] if name else []
            except UnknownValue as error:
                if is_template(given):
                    raise GiveUp(str(error)) from error
                raise
            found |= {str(one.id): one for one in people}
        return list(found.values())

    def _recover(self, context: ActionContext) -> set[str]:
        """Settle what earlier attempts have left open; give whom they have added.

        Raises:
            RetryLater: It is not known yet.
        """
        mine = f":{self.identity().action_id}"
        return {
            str(record.detail["contact_uid"])
            for name, record in _contact_effects(context.write.effects())
            if name.endswith(mine)
            and context.write.recover(self._again(context, record)) is not None
        }

    def _again(self, context: ActionContext, record: EffectRecord) -> Effect:
        uid, name = str(record.detail["contact_uid"]), str(record.detail["contact_name"])
        return self._effect(context.ticket.id, uid, name)

    def _effect(self, ticket_id: int, uid: str, name: str) -> Effect:
        detail = {"contact_uid": uid, "contact_name": name, STAYS: f"the contact {name}"}

        def write(tdx: TdxWrites) -> Evidence | None:
            return detail if tdx.add_contact(ticket_id, uid) else None

        def look(tdx: TdxWrites, _: EffectRecord) -> Evidence | None:
            return detail if uid in {one.id for one in tdx.ticket_contacts(ticket_id)} else None

        return Effect(f"{CONTACT}{uid}:{self.identity().action_id}", detail, write, look)


def is_removed(context: ActionContext, person: Choice) -> bool:
    """Tell whether a person has removed somebody, who is no contact now, from the contacts.

    The robot has added them, as the log says; or TDX has a line that somebody has, which is known in English.
    """
    effects = dict(_contact_effects(context.write.effects()))
    by_robot = any(
        record.state is EffectState.DONE and record.detail.get("contact_uid") == person.id
        for record in effects.values()
    )
    return by_robot or _has_line(context.ticket.conversation(), person.name)


def _contact_effects(effects: Mapping[str, EffectRecord]) -> Iterator[tuple[str, EffectRecord]]:
    return ((name, one) for name, one in effects.items() if name.startswith(CONTACT))


def _has_line(feed: Iterable[FeedEntry], name: str) -> bool:
    line = re.compile(_LINE.format(name=re.escape(name)), re.IGNORECASE)
    return bool(name) and any(line.fullmatch(visible_text(one.body).strip()) for one in feed)


def _person(tdx: TdxReads, given: str) -> Choice:
    uid = parse_guid_or_none(given)
    known = tdx.people_named(given)
    if uid is None:
        return match(known, "people", given)
    return next((one for one in known if one.id == uid), Choice(uid, uid))
