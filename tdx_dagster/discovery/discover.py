"""Which computers a ticket is about, each with its evidence.

Belongs here: the three phases and their order, the API search, the cap, and whether a record still
is what the inventory said. Does not: rules about tokens (`identifiers`), which texts count
(`passages`), the words of the summary (`summaries`). Nothing here writes, and no error becomes
"nothing found" (case E20).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol

from tdx_dagster.discovery.identifiers import Candidate, IdentifierSettings, candidates
from tdx_dagster.discovery.passages import (
    NO_ROBOT,
    Passage,
    Robot,
    conversation_passages,
    opening_passages,
)
from tdx_dagster.inventory.computers import (
    Computer,
    Field,
    Inventory,
    InventoryUnavailable,
    from_asset,
    keys_of,
)
from tdx_dagster.inventory.keys import fold_key
from tdx_dagster.inventory.statuses import ActiveStatuses
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import Asset, AssetSearch, FeedEntry, Ticket
from tdx_dagster.tdx.parse import as_guid

__all__ = [
    "Computer",
    "Discovery",
    "DiscoverySettings",
    "Enquiry",
    "Inventory",
    "InventoryUnavailable",
    "Match",
    "Robot",
    "SearchAssets",
    "confirm",
    "discover",
]

log = logging.getLogger(__name__)

# Hits are sorted by relevance, an exact one comes first. As many as this without one: a search too
# wide to say that there is none.
SEARCH_RESULTS = 100


class SearchAssets(Protocol):
    """Asks TDX for assets; an error raises, it is never an empty answer."""

    def search_assets(self, search: AssetSearch) -> tuple[Asset, ...]:
        """Give the assets that match, perhaps too many (case A32)."""

    def asset(self, asset_id: int) -> Asset:
        """Give one asset as it is now."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """How discovery decides.

    Args:
        active_only: Consider only computers whose status is active.
        form_id: Consider only assets of this form; None for any.
        max_assets: How many computers a ticket gets at most.
        max_api_searches: How many searches TDX is asked for a ticket at most; 0 for none.
        fallback_excluded_accounts: Requestors (user id, mail address or name) whose only computer
            says nothing about a ticket: monitors, shared accounts (case A39).
        active: Which asset statuses count as active, with TDX's own list where it is known.
        skip_fallback_if_ticket_has_assets: Leave a ticket alone that has assets and names none.
        identifiers: What the installation adds to the rules about tokens.
    """

    active_only: bool = True
    form_id: int | None = 2448
    max_assets: int = 10
    max_api_searches: int = 5
    fallback_excluded_accounts: tuple[str, ...] = ()
    active: ActiveStatuses = field(default_factory=ActiveStatuses)
    skip_fallback_if_ticket_has_assets: bool = True
    identifiers: IdentifierSettings = field(default_factory=IdentifierSettings)


@dataclass(frozen=True, slots=True)
class Enquiry:
    """What discovery is asked about.

    Args:
        ticket: The ticket.
        conversation: Gives its feed with replies. Called only when title and description name
            nothing, since reading a feed costs calls.
        has_assets: Says whether assets are attached already. Called only before the last resort.
        robot: What is known of the robot's own writing.
    """

    ticket: Ticket
    conversation: Callable[[], Sequence[FeedEntry]] = tuple
    has_assets: Callable[[], bool] = lambda: False
    robot: Robot = NO_ROBOT


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a computer was found.

    Args:
        where: Label of the text, see `Passage.label`; `requestor` for the last resort.
        token: As written; empty for the last resort.
        field: Which field of the record it equals.
    """

    where: str
    token: str
    field: Field


@dataclass(frozen=True, slots=True)
class Match:
    """A computer that the ticket is about, with all that speaks for it in order of appearance."""

    computer: Computer
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """One token that equals several computers. All of them count (rule 10), and people are told."""

    token: str
    computers: tuple[Computer, ...]


class Reason(StrEnum):
    """How a discovery ended."""

    NAMED_IN_TICKET = "named_in_ticket"
    NAMED_IN_CONVERSATION = "named_in_conversation"
    ONLY_COMPUTER = "only_computer"
    NOT_ELIGIBLE = "not_eligible"
    SEARCH_INCOMPLETE = "search_incomplete"
    HAS_ASSETS = "has_assets"
    NO_REQUESTOR = "no_requestor"
    EXCLUDED_ACCOUNT = "excluded_account"
    NOT_EXACTLY_ONE = "not_exactly_one"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found.

    Args:
        matches: Computers to attach, in order of appearance, at most `max_assets`.
        phase: 1 title and description, 2 conversation, 3 the requestor's only computer; else None.
        reason: Why it ended so.
        left_over: Matches beyond the cap (case A47).
        ambiguous: Tokens that equal several computers.
        not_eligible: Records that are named but do not count: not active, or of another form.
        requestor_computer_count: How many active computers the requestor owns, where asked.
        identifiers: Tokens that were looked up, as written.
        not_searched: Tokens that TDX was not asked about, or not answered completely.
        api_searches: How many searches TDX was asked.
    """

    matches: tuple[Match, ...]
    phase: int | None
    reason: Reason
    left_over: tuple[Match, ...] = ()
    ambiguous: tuple[Ambiguity, ...] = ()
    not_eligible: tuple[Match, ...] = ()
    requestor_computer_count: int | None = None
    identifiers: tuple[str, ...] = ()
    not_searched: tuple[str, ...] = ()
    api_searches: int = 0

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that matched, as first written, in order of appearance."""
        found = [e.token for match in self.matches for e in match.evidence if e.token]
        return tuple({fold_key(token): token for token in reversed(found)}.values())[::-1]


def discover(
    enquiry: Enquiry,
    inventory: Inventory,
    search: SearchAssets | None,
    settings: DiscoverySettings,
) -> Discovery:
    """Find the computers that a ticket is about.

    Args:
        enquiry: The ticket and how to read more of it.
        inventory: Who knows computers. Where it is distrusted, each of its records is read from TDX before it
            is believed, and the requestor's computers are asked for there.
        search: Who searches TDX for what the inventory does not know; None: nobody.
        settings: How to decide.

    Raises:
        InventoryUnavailable: The inventory could not be asked: decide nothing, try again.
        TdxError: TDX could not be asked; the same goes.
    """
    hunt = _Hunt(inventory, search, settings)
    ticket, robot = enquiry.ticket, enquiry.robot
    if hunt.look(opening_passages(ticket, robot)):
        return hunt.found(1, Reason.NAMED_IN_TICKET)
    if hunt.look(conversation_passages(enquiry.conversation(), ticket, robot)):
        return hunt.found(2, Reason.NAMED_IN_CONVERSATION)
    return hunt.last_resort(enquiry)


class _Hunt:
    """One discovery under way: what was seen so far."""

    def __init__(
        self, inventory: Inventory, search: SearchAssets | None, settings: DiscoverySettings
    ) -> None:
        self._inventory = inventory
        self._search = search
        self._settings = settings
        self._seen: dict[tuple[str, ...], str] = {}
        self._hits: list[tuple[Computer, Evidence]] = []
        self._refused: list[tuple[Computer, Evidence]] = []
        self._names_another = False
        self._asked: dict[tuple[str, ...], tuple[Computer, ...]] = {}
        self._not_searched: list[str] = []
        self._searches = 0
        self._confirmed_by = search if search is not None and inventory.is_distrusted() else None
        self._read: dict[int, Asset | None] = {}

    def look(self, passages: Iterable[Passage]) -> bool:
        """Look up what some texts name; whether any of it is a computer that counts."""
        named = [
            (passage, candidate)
            for passage in passages
            for candidate in candidates(passage.text, self._settings.identifiers)
        ]
        answers = self._look_up([candidate for _, candidate in named])
        for passage, candidate in named:
            self._seen.setdefault(candidate.keys, candidate.token)
            for computer in answers[candidate.keys]:
                hit = Evidence(passage.label, candidate.token, computer.matched_field)
                if _counts(computer, self._settings):
                    self._hits.append((computer, hit))
                else:
                    self._refused.append((computer, hit))
                    self._names_another |= candidate.looks_like_identifier
        return bool(self._hits)

    def _look_up(self, named: Sequence[Candidate]) -> dict[tuple[str, ...], tuple[Computer, ...]]:
        """The records of each candidate: one question to the inventory, then TDX for what it lacks.

        The inventory is asked without filters, so that a retired machine is known and not searched
        for.
        """
        found = self._inventory.find({key for candidate in named for key in candidate.keys})
        answers = {
            candidate.keys: tuple(c for key in candidate.keys for c in found.get(key, ()))
            for candidate in named
        }
        if self._confirmed_by is not None:
            tdx = self._confirmed_by
            answers = {c.keys: self._confirmed(tdx, c, answers[c.keys]) for c in named}
        unknown = {c.keys: c for c in named if c.looks_like_identifier and not answers[c.keys]}
        return answers | self._search_for(list(unknown.values()))

    def _confirmed(
        self, tdx: SearchAssets, candidate: Candidate, computers: Sequence[Computer]
    ) -> tuple[Computer, ...]:
        """What TDX says today of the records of an old inventory: those that still have such a key."""
        now = []
        for computer in computers:
            try:
                asset = self._asset_now(tdx, computer.asset_id)
            except TdxRefused as error:
                log.warning("%s is neither believed nor searched for: %s", candidate.token, error)
                self._not_searched.append(candidate.token)
                self._asked.setdefault(candidate.keys, ())
                continue
            if asset is not None and (matched := _field_equal(asset, candidate.keys)):
                now.append(from_asset(asset, matched, is_confirmed=True))
        return tuple(now)

    def _asset_now(self, tdx: SearchAssets, asset_id: int) -> Asset | None:
        """An asset as it is now, read once; None where there is none any more.

        Raises:
            TdxRefused: It may not be seen, or enough were read for this ticket.
        """
        settings = self._settings
        if asset_id not in self._read:
            if len(self._read) >= settings.max_assets + settings.max_api_searches:
                raise TdxRefused("too many computers to confirm for one ticket")
            try:
                self._read[asset_id] = tdx.asset(asset_id)
            except TdxRefused as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                self._read[asset_id] = None
        return self._read[asset_id]

    def _search_for(
        self, unknown: Sequence[Candidate]
    ) -> dict[tuple[str, ...], tuple[Computer, ...]]:
        if self._search is None:
            return {}
        known = {c.keys: self._asked[c.keys] for c in unknown if c.keys in self._asked}
        unknown = [candidate for candidate in unknown if candidate.keys not in known]
        # Labelled ones first: where the budget ends, they are the better guess.
        wanted = sorted(unknown, key=lambda candidate: not candidate.is_labelled)
        budget = max(0, self._settings.max_api_searches - self._searches)
        if cut := [candidate.token for candidate in wanted[budget:]]:
            self._not_searched += cut
            log.warning("Search of TDX cut after %d; not asked for: %s", budget, ", ".join(cut))
        for candidate in wanted[:budget]:
            self._asked[candidate.keys] = self._searched(self._search, candidate)
        return known | {c.keys: self._asked[c.keys] for c in wanted[:budget]}

    def _searched(self, search: SearchAssets, candidate: Candidate) -> tuple[Computer, ...]:
        """Ask TDX for a candidate; `SearchText` covers name, serial number and tag in one call."""
        self._searches += 1
        assets = search.search_assets(
            AssetSearch(
                search_text=candidate.keys[-1],
                form_ids=self._form_ids,
                max_results=SEARCH_RESULTS,
            )
        )
        found = tuple(
            from_asset(asset, matched)
            for asset in sorted(assets, key=lambda asset: asset.id)
            if (matched := _field_equal(asset, candidate.keys))
        )
        if not found and len(assets) >= SEARCH_RESULTS:
            self._not_searched.append(candidate.token)
        return found

    @property
    def _form_ids(self) -> tuple[int, ...] | None:
        form_id = self._settings.form_id
        return None if form_id is None else (form_id,)

    def found(self, phase: int, reason: Reason) -> Discovery:
        """The end of a search that found something."""
        matches = _by_computer(self._hits)
        cap = self._settings.max_assets
        return replace(
            self._ended(reason),
            matches=matches[:cap],
            phase=phase,
            left_over=matches[cap:],
            ambiguous=tuple(_ambiguities(self._hits)),
        )

    def last_resort(self, enquiry: Enquiry) -> Discovery:
        """The requestor's only computer, after a complete and empty search."""
        obstacle = self._obstacle(enquiry)
        if obstacle:
            return self._ended(obstacle)
        uid = str(as_guid(enquiry.ticket.requestor_uid))
        owned = self._owned_by(uid)
        if owned is None:
            self._not_searched.append("the requestor's computers")
            return self._ended(Reason.SEARCH_INCOMPLETE)
        # Active ones only, whatever `active_only` says: an old machine is no reason for doubt, nor
        # an answer.
        eligible = replace(self._settings, active_only=True)
        counted = [computer for computer in owned if _counts(computer, eligible)]
        if len(counted) != 1:
            end = self._ended(Reason.NOT_EXACTLY_ONE)
            return replace(end, requestor_computer_count=len(counted))
        match = Match(counted[0], (Evidence("requestor", "", "owner"),))
        end = self._ended(Reason.ONLY_COMPUTER)
        return replace(end, matches=(match,), phase=3, requestor_computer_count=1)

    def _owned_by(self, uid: str) -> Sequence[Computer] | None:
        """All computers of a person; None where TDX would have to be asked and may not be any more.

        An old inventory lacks what was bought since, so that its "only one" says nothing.
        """
        if self._confirmed_by is None:
            return self._inventory.owned_by({uid}, active_only=False).get(uid, ())
        if self._searches >= self._settings.max_api_searches:
            return None
        self._searches += 1
        search = AssetSearch(owner_uids=(uid,), form_ids=self._form_ids, max_results=SEARCH_RESULTS)
        return [
            from_asset(asset, "owner", is_confirmed=True)
            for asset in self._confirmed_by.search_assets(search)
            if as_guid(asset.owner_uid) == uid
        ]

    def _obstacle(self, enquiry: Enquiry) -> Reason | None:
        ticket, settings = enquiry.ticket, self._settings
        # A ticket about a retired machine or a printer is not about the requestor's computer. Words
        # that merely equal some record ("e-mail") say no such thing.
        if self._names_another:
            return Reason.NOT_ELIGIBLE
        if self._not_searched:
            return Reason.SEARCH_INCOMPLETE
        if settings.skip_fallback_if_ticket_has_assets and enquiry.has_assets():
            return Reason.HAS_ASSETS
        if as_guid(ticket.requestor_uid) is None:
            return Reason.NO_REQUESTOR
        accounts = {account.strip().casefold() for account in settings.fallback_excluded_accounts}
        names = (ticket.requestor_uid or "", ticket.requestor_email, ticket.requestor_name)
        if any(name.strip().casefold() in accounts for name in names if name.strip()):
            return Reason.EXCLUDED_ACCOUNT
        return None

    def _ended(self, reason: Reason) -> Discovery:
        return Discovery(
            matches=(),
            phase=None,
            reason=reason,
            not_eligible=_by_computer(self._refused),
            identifiers=tuple(self._seen.values()),
            not_searched=tuple(dict.fromkeys(self._not_searched)),
            api_searches=self._searches,
        )


def _counts(computer: Computer, settings: DiscoverySettings) -> bool:
    """Whether a computer may be attached: one rule for all ways to find it (case A36)."""
    return why_not_eligible(computer, settings) is None


def why_not_eligible(computer: Computer, settings: DiscoverySettings) -> str | None:
    """Why a computer may not be attached, for people; None where it may."""
    if computer.is_gone:
        return "TDX no longer has it"
    is_active = settings.active.counts(computer.status_id, computer.status_name)
    if settings.active_only and not is_active:
        return f"its status is {computer.status_name or 'unknown'}"
    if settings.form_id is not None and computer.form_id != settings.form_id:
        return "it is not of the computer form"
    return None


def _field_equal(asset: Asset, keys: Sequence[str]) -> Field | None:
    """Which field of a search hit equals a key; most hits are merely alike (case A32)."""
    fields = keys_of(asset.name, asset.serial_number, asset.tag)
    return next((field for field, key in fields if key in keys), None)


def _by_computer(hits: Iterable[tuple[Computer, Evidence]]) -> tuple[Match, ...]:
    """Each computer once, however often and by whatever field it is named (case B17)."""
    computers: dict[int, Computer] = {}
    evidence: dict[int, dict[Evidence, None]] = {}
    for computer, why in hits:
        computers.setdefault(computer.asset_id, computer)
        evidence.setdefault(computer.asset_id, {})[why] = None
    return tuple(Match(computer, tuple(evidence[key])) for key, computer in computers.items())


def _ambiguities(hits: Iterable[tuple[Computer, Evidence]]) -> Iterator[Ambiguity]:
    sharing: dict[str, dict[int, Computer]] = {}
    tokens: dict[str, str] = {}
    for computer, why in hits:
        key = fold_key(why.token) or why.token
        tokens.setdefault(key, why.token)
        sharing.setdefault(key, {}).setdefault(computer.asset_id, computer)
    for key, computers in sharing.items():
        if len(computers) > 1:
            yield Ambiguity(tokens[key], tuple(computers.values()))


def confirm(computer: Computer, asset: Asset, settings: DiscoverySettings) -> str | None:
    """Whether the record, read just before attaching, still is what the inventory said.

    Args:
        computer: What was found.
        asset: The record now.
        settings: How to decide.

    Returns:
        None where it is; else why it is not attached, for people.
    """
    if asset.id != computer.asset_id:
        return f"TDX gave asset {asset.id} instead of {computer.asset_id}"
    before = dict(keys_of(computer.name, computer.serial_number, computer.tag))
    now = dict(keys_of(asset.name, asset.serial_number, asset.tag))
    if computer.matched_field != "owner":
        matched = computer.matched_field
        if before.get(matched) != now.get(matched):
            return f"its {matched} is now {getattr(asset, matched.replace(' ', '_')) or 'empty'}"
    elif as_guid(asset.owner_uid) != as_guid(computer.owner_uid):
        return "it now belongs to somebody else"
    return why_not_eligible(from_asset(asset), settings)
