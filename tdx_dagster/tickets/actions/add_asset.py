"""The `add_asset` action: find the computers a ticket is about, and attach them.

Belongs here: settings, and attaching what discovery found, each asset a step of its own that is not
repeated. Does not: deciding which computer it is (`discovery.discover`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from tdx_dagster.discovery.discover import (
    Discovery,
    DiscoverySettings,
    Enquiry,
    Match,
    OwnPosts,
    confirm,
    discover,
)
from tdx_dagster.discovery.identifiers import IdentifierSettings
from tdx_dagster.discovery.passages import opening_passages
from tdx_dagster.discovery.wording import summary_line
from tdx_dagster.inventory.computers import Computer, InventoryUnavailable
from tdx_dagster.inventory.statuses import ACTIVE, ActiveStatuses, Listed
from tdx_dagster.state.records import EffectRecord
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import FeedEntry
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext, RunContext
from tdx_dagster.tickets.actions.effects import ATTACH, attach_effect
from tdx_dagster.tickets.actions.last_word import Removal, Removals, attached_by_robot
from tdx_dagster.tickets.actions.outcome import LeftAlone, Performed
from tdx_dagster.tickets.ticket_view import TicketView

NOTHING_LISTED: Listed = {}


class AddAsset(Action):
    """Attach the computers a ticket is about.

    It looks in title and description, then in what people wrote in the conversation; where both name
    nothing, the requestor's only computer is the fallback. `computer_form_id: null` means any form.
    """

    action_type: ClassVar[str] = "add_asset"
    legacy_settings: ClassVar[tuple[str, ...]] = (
        "add_summary_comment",
        "max_assets_to_add",
        "skip_if_requestor_asset_exists",
        "active_status_only",
        "computer_form_id",
    )

    result_names: ClassVar[tuple[str, ...] | None] = (
        "phase",
        "reason",
        "identifiers",
        "attached",
        "already",
        "not_attached",
        "left_over",
        "ambiguous",
        "api_searches",
    )

    add_summary_comment: bool = True
    """Name the result in the summary."""
    max_assets_to_add: int = Field(default=10, ge=1)
    """At most so many; the summary names the rest."""
    skip_if_requestor_asset_exists: bool = True
    """Do not fall back to the requestor's computer where the ticket has assets."""
    active_status_only: bool = True
    """Attach active computers alone."""
    computer_form_id: int | None = 2448
    """The asset form of computers; null: any form."""
    has_database: bool = True
    """Part of the action id only: false for a daemon that ran without a database."""
    max_api_searches: int = Field(default=5, ge=0)
    """Searches of TDX a ticket, for identifiers the inventory does not know."""
    fallback_excluded_accounts: tuple[str, ...] = ()
    """Requestors whose only computer says nothing: monitors, shared accounts."""
    active_status_ids: tuple[int, ...] | None = None
    """Statuses that count as active, in place of the names."""
    active_status_names: tuple[str, ...] = ACTIVE
    """Names of the statuses that count as active."""
    identifier_patterns: tuple[str, ...] = ()
    """Regular expressions of further identifiers."""
    ignore_identifiers: tuple[str, ...] = ()
    """Identifiers that name no computer."""

    @model_validator(mode="after")
    def _patterns_compile(self) -> Self:
        self.identifier_settings()
        return self

    def hashed_settings(self) -> dict[str, object]:
        """See `Action.hashed_settings`. The older daemon also hashed whether it had a database.

        The setting does nothing else: false gives the ids of a daemon that ran without one.
        """
        return super().hashed_settings() | {"has_database": self.has_database}

    def identifier_settings(self) -> IdentifierSettings:
        """Give what this installation adds to the rules about tokens."""
        return IdentifierSettings(self.identifier_patterns, self.ignore_identifiers)

    def active_statuses(self, listed: Listed) -> ActiveStatuses:
        """Give which asset statuses count as active.

        Args:
            listed: TDX's own list of them; empty where it is not known.
        """
        return ActiveStatuses(self.active_status_ids, self.active_status_names, listed)

    def discovery_settings(self, listed: Listed = NOTHING_LISTED) -> DiscoverySettings:
        """Give how discovery decides; see `active_statuses`."""
        return DiscoverySettings(
            active_only=self.active_status_only,
            form_id=self.computer_form_id,
            max_assets=self.max_assets_to_add,
            max_api_searches=self.max_api_searches,
            fallback_excluded_accounts=self.fallback_excluded_accounts,
            active=self.active_statuses(listed),
            skip_fallback_if_ticket_has_assets=self.skip_if_requestor_asset_exists,
            identifiers=self.identifier_settings(),
        )

    def prepare(self, tickets: Sequence[TicketView], run: RunContext) -> None:
        """See `Action.prepare`: ask the inventory for what all tickets name, in one statement."""
        texts = (
            passage.text
            for ticket in tickets
            for passage in opening_passages(ticket.ticket, OwnPosts())
        )
        try:
            run.inventory.prefetch(list(texts), self.identifier_settings())
            self._warn_of_inventory(run)
        except InventoryUnavailable as error:
            # The action finds that out by itself on each ticket; the other actions go on without.
            run.warn(str(error))

    def _warn_of_inventory(self, run: RunContext) -> None:
        """Say once a run what makes discovery slower or narrower than people expect."""
        if run.inventory.is_empty():
            run.warn(
                "The inventory knows no computer: run `tdx-dagster ingest`. TDX is searched instead."
            )
        elif run.inventory.is_distrusted():
            run.warn(
                "The inventory is too old to be trusted (INVENTORY_DISTRUSTED_HOURS): TDX is asked about "
                "each computer found in it. Run `tdx-dagster ingest`, or see the job that loads it."
            )
        for warning in self.active_statuses(run.inventory.statuses()).warnings():
            run.warn(warning)

    def perform(self, context: ActionContext) -> Performed:
        """Find and attach."""
        settings = self.discovery_settings(context.inventory.statuses())
        action_id = self.identity().action_id
        earlier = _recover(context, action_id)
        enquiry = enquiry_of(context.ticket, context.write.effects(), context.posted_texts)
        found = discover(enquiry, context.inventory, context.search, settings)
        done = _attach_all(context, found, settings, earlier)
        if done.error and not (done.added or done.already):
            raise done.error
        line = summary_line(found, done.added, done.already, done.refused)
        return Performed(
            message=line,
            summary_lines=[line] if self.add_summary_comment else [],
            evidence=_evidence(found, done),
        )


@dataclass
class _Attached:
    """What became of the computers that were found."""

    added: list[Computer] = field(default_factory=list)
    already: list[Computer] = field(default_factory=list)
    refused: list[tuple[Computer, str]] = field(default_factory=list)
    earlier: list[Computer] = field(default_factory=list)
    error: TdxRefused | None = None


def enquiry_of(
    ticket: TicketView, effects: Mapping[str, EffectRecord], posted_texts: Sequence[str]
) -> Enquiry:
    """Give what discovery is asked about a ticket.

    Args:
        ticket: The ticket.
        effects: What this robot has written on it; its own entries are no evidence.
        posted_texts: What it writes, to be recognised where people quote it.
    """
    ours = (effect.detail.get("feed_id") for effect in effects.values())
    by_robot = attached_by_robot(effects)
    return Enquiry(
        ticket=ticket.ticket,
        conversation=lambda: _conversation_after_items(ticket),
        # What the robot has attached itself is no sign that people have taken care of the ticket.
        has_assets=lambda: any(
            item.asset_id and item.asset_id not in by_robot for item in ticket.items()
        ),
        own_posts=OwnPosts(
            texts=tuple(posted_texts),
            entry_ids=frozenset(entry for entry in ours if isinstance(entry, int)),
        ),
    )


def _conversation_after_items(ticket: TicketView) -> tuple[FeedEntry, ...]:
    """Read the links before the feed: of a removal in between, the feed must know."""
    ticket.items()
    return ticket.conversation()


def _recover(context: ActionContext, action_id: str) -> Mapping[int, str]:
    """Settle the links that earlier attempts of this action have left open; give all it has made.

    Returns:
        Names by asset id.

    Raises:
        RetryLater: Whether one was made is not known yet.
    """
    made = {}
    for name, effect in context.write.effects().items():
        if not (name.startswith(ATTACH) and name.endswith(f":{action_id}")):
            continue
        asset_id, asset_name = int(effect.detail["asset_id"]), str(effect.detail["asset_name"])
        mine = attach_effect(context.ticket.id, asset_id, asset_name, action_id)
        if context.write.recover(mine) is not None:
            made[asset_id] = asset_name
    return made


def _attach_all(
    context: ActionContext,
    found: Discovery,
    settings: DiscoverySettings,
    earlier: Mapping[int, str],
) -> _Attached:
    """Attach in order; what is on the ticket already is not posted again (case A14).

    Args:
        context: The ticket.
        found: What discovery has found.
        settings: How it decides.
        earlier: What earlier attempts of this action have attached.
    """
    done = _Attached()
    if not (found.matches or earlier):
        return done
    removals = Removals(context.ticket, context.write.effects)
    for match in found.matches:
        computer = match.computer
        removal = removal_of(computer, removals)
        linked = _linked(context.ticket)
        if removal and not removal.is_overruled:
            done.refused.append((computer, str(removal)))
        elif computer.asset_id in linked and computer.asset_id not in earlier:
            done.already.append(computer)
        elif computer.asset_id in earlier and not removal:
            done.added.append(computer)
        elif (why := _confirmed(context, computer, settings)) is None:
            _attach(context, computer, done)
        else:
            done.refused.append((computer, why))
    named = {match.computer.asset_id for match in found.matches}
    done.earlier = [
        _known_by_name(asset_id, name)
        for asset_id, name in earlier.items()
        if asset_id not in named and asset_id in _linked(context.ticket)
    ]
    done.added += done.earlier
    return done


def _linked(ticket: TicketView) -> frozenset[int]:
    return frozenset(item.asset_id for item in ticket.items() if item.asset_id)


def removal_of(computer: Computer, removals: Removals) -> Removal | None:
    """Give the removal of a computer from the ticket; None where nobody has removed it."""
    return removals.of(
        computer.asset_id, (computer.name, computer.serial_number, computer.tag, computer.label)
    )


def _known_by_name(asset_id: int, name: str) -> Computer:
    """Give a computer of which the log knows no more than its name."""
    return Computer(asset_id, name, "", "", None, "", True, None, None, "name")  # noqa: FBT003  a record


def _confirmed(
    context: ActionContext, computer: Computer, settings: DiscoverySettings
) -> str | None:
    """Read the asset once more: the inventory may be a night old."""
    if computer.is_confirmed:
        return None
    try:
        return confirm(computer, context.ticket.asset_now(computer.asset_id), settings)
    except TdxRefused as error:
        return str(error)


def _attach(context: ActionContext, computer: Computer, done: _Attached) -> None:
    try:
        context.write.attach(computer.asset_id, computer.label)
    except TdxRefused as error:
        # For good, for this asset: the others may still work.
        done.error = error
        done.refused.append((computer, str(error)))
    except LeftAlone as left:
        done.refused.append((computer, str(left)))
    else:
        context.ticket.attached(computer.asset_id)
        done.added.append(computer)


def _evidence(found: Discovery, done: _Attached) -> dict[str, Any]:
    earlier = {computer.asset_id for computer in done.earlier}
    why = {match.computer.asset_id: match for match in (*found.matches, *found.left_over)}
    return {
        "phase": found.phase,
        "reason": found.reason.value,
        "identifiers": list(found.identifiers),
        "attached": [
            _shown_earlier(computer)
            if computer.asset_id in earlier
            else _shown(why[computer.asset_id])
            for computer in done.added
        ],
        "already": [_shown(why[computer.asset_id]) for computer in done.already],
        "not_attached": [
            {**_shown(why[one.asset_id]), "because": text} for one, text in done.refused
        ],
        "left_over": [_shown(match) for match in found.left_over],
        "ambiguous": [doubt.token for doubt in found.ambiguous],
        "api_searches": found.api_searches,
    }


def _shown_earlier(computer: Computer) -> Mapping[str, Any]:
    return {
        "asset_id": computer.asset_id,
        "name": computer.label,
        "why": "attached by an earlier attempt of this action",
    }


def _shown(match: Match) -> Mapping[str, Any]:
    why = [
        f"{one.token} in {one.where} is its {one.field}"
        if one.token
        else "the requestor's only computer"
        for one in match.evidence
    ]
    return {
        "asset_id": match.computer.asset_id,
        "name": match.computer.label,
        "why": "; ".join(why),
    }
