"""Which computers a ticket is about, each with its evidence.

Belongs here: the three phases and their order, and the cap. Does not: rules about tokens
(`identifiers`), which texts count (`passages`), questions to TDX (`tdx_lookup`), which computers
count (`eligibility`), the words of the summary (`wording`). Nothing here writes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tdx_dagster.discovery.eligibility import confirm, is_eligible, why_not_eligible
from tdx_dagster.discovery.identifiers import Candidate, Reading, Scan
from tdx_dagster.discovery.matching import records_of
from tdx_dagster.discovery.merging import Hit, ambiguities, by_computer, told_apart
from tdx_dagster.discovery.passages import (
    OwnPosts,
    Passage,
    conversation_passages,
    opening_passages,
)
from tdx_dagster.discovery.results import (
    Ambiguity,
    Discovery,
    DiscoverySettings,
    Enquiry,
    Evidence,
    Match,
    Reason,
)
from tdx_dagster.discovery.scans import remembered_scan
from tdx_dagster.discovery.tdx_lookup import SEARCH_RESULTS, SearchAssets, TdxLookup
from tdx_dagster.inventory.computers import Computer, Inventory, InventoryUnavailable
from tdx_dagster.tdx.parse import as_guid

__all__ = [
    "SEARCH_RESULTS",
    "Ambiguity",
    "Computer",
    "Discovery",
    "DiscoverySettings",
    "Enquiry",
    "Evidence",
    "Inventory",
    "InventoryUnavailable",
    "Match",
    "OwnPosts",
    "Reason",
    "SearchAssets",
    "confirm",
    "discover",
    "why_not_eligible",
]


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
            is used, and the requestor's computers are asked for there.
        search: Who searches TDX for what the inventory does not know; None: nobody.
        settings: How to decide.

    Raises:
        InventoryUnavailable: The inventory could not be asked: decide nothing, try again.
        TdxError: TDX could not be asked; the same goes.
    """
    this = _Search(enquiry, inventory, search, settings)
    ticket, own_posts = enquiry.ticket, enquiry.own_posts
    if this.read(opening_passages(ticket, own_posts)):
        return this.found(1, Reason.NAMED_IN_TICKET)
    if this.read(conversation_passages(enquiry.conversation(), ticket, own_posts)):
        return this.found(2, Reason.NAMED_IN_CONVERSATION)
    return this.requestor_fallback()


class _Search:
    """One discovery under way: what was seen so far."""

    def __init__(
        self,
        enquiry: Enquiry,
        inventory: Inventory,
        search: SearchAssets | None,
        settings: DiscoverySettings,
    ) -> None:
        self._enquiry = enquiry
        self._inventory = inventory
        self._settings = settings
        self._tdx = TdxLookup(inventory, search, settings)
        self._requestor = as_guid(enquiry.ticket.requestor_uid)
        self._scans: list[tuple[Passage, Scan]] = []
        self._seen: dict[tuple[Reading, ...], str] = {}
        self._hits: list[Hit] = []
        self._refused: list[Hit] = []
        self._names_another = False

    def read(self, passages: Iterable[Passage]) -> bool:
        """Look up what some texts name; whether any of it is a computer that counts."""
        identifiers = self._settings.identifiers
        scans = [(passage, remembered_scan(passage.text, identifiers)) for passage in passages]
        self._scans += scans
        self._tdx.not_searched += [
            f"the end of the {passage.label}" for passage, seen in scans if seen.is_cut
        ]
        named = [(passage, candidate) for passage, seen in scans for candidate in seen.candidates]
        answers = self._look_up([candidate for _, candidate in named])
        known = {key for _, one in named for key in one.keys if answers.get(one.readings)}
        for passage, candidate in named:
            if known.issuperset(candidate.range_keys):
                self._seen.setdefault(candidate.readings, candidate.token)
                self._keep(passage, candidate, answers[candidate.readings])
        self._hits = list(told_apart(self._hits, self._refused))
        return bool(self._hits)

    def _keep(self, passage: Passage, candidate: Candidate, computers: Sequence[Computer]) -> None:
        for computer in computers:
            if candidate.is_everyday and not self._is_requestors(computer):
                continue
            hit = Evidence(passage.label, candidate.token, computer.matched_field)
            if is_eligible(computer, self._settings):
                self._hits.append((computer, hit))
            else:
                self._refused.append((computer, hit))
                self._names_another |= candidate.looks_like_identifier

    def _is_requestors(self, computer: Computer) -> bool:
        return self._requestor is not None and as_guid(computer.owner_uid) == self._requestor

    def _look_up(
        self, named: Sequence[Candidate]
    ) -> dict[tuple[Reading, ...], tuple[Computer, ...]]:
        """Give the records of each candidate: one question to the inventory, then TDX for what it lacks.

        The inventory is asked without filters, so that a retired machine is known and not searched
        for.
        """
        found = self._inventory.find({key for candidate in named for key in candidate.keys})
        answers = {c.readings: self._tdx.confirmed(c, records_of(c, found)) for c in named}
        unknown = {
            c.readings: c for c in named if c.looks_like_identifier and not answers[c.readings]
        }
        return answers | self._tdx.search_for(list(unknown.values()))

    def found(self, phase: int, reason: Reason) -> Discovery:
        """Give the end of a search that found something."""
        matches = by_computer(self._hits)
        cap = self._settings.max_assets
        return replace(
            self._ended(reason),
            matches=matches[:cap],
            phase=phase,
            left_over=matches[cap:],
            ambiguous=tuple(ambiguities(self._hits)),
        )

    def requestor_fallback(self) -> Discovery:
        """Give the requestor's only computer, after a complete and empty search."""
        blocker = self._fallback_blocker()
        if blocker:
            return self._ended(blocker)
        owned = self._owned_by(str(self._requestor))
        if owned is None:
            self._tdx.not_searched.append("the requestor's computers")
            return self._ended(Reason.SEARCH_INCOMPLETE)
        # Active ones only, whatever `active_only` says: a retired machine is no second computer, nor
        # an answer.
        eligible = replace(self._settings, active_only=True)
        counted = [computer for computer in owned if is_eligible(computer, eligible)]
        if len(counted) != 1:
            end = self._ended(Reason.NOT_EXACTLY_ONE)
            return replace(end, requestor_computer_count=len(counted))
        match = Match(counted[0], (Evidence("requestor", "", "owner"),))
        end = self._ended(Reason.ONLY_COMPUTER)
        return replace(end, matches=(match,), phase=3, requestor_computer_count=1)

    def _owned_by(self, uid: str) -> Sequence[Computer] | None:
        if self._tdx.is_inventory_distrusted:
            return self._tdx.owned_by(uid)
        return self._inventory.owned_by({uid}, active_only=False).get(uid, ())

    def _fallback_blocker(self) -> Reason | None:
        ticket, settings = self._enquiry.ticket, self._settings
        # A ticket about a retired machine or a printer is not about the requestor's computer. Words
        # that merely equal some record ("e-mail") say no such thing.
        if self._names_another:
            return Reason.NOT_ELIGIBLE
        if self._tdx.not_searched:
            return Reason.SEARCH_INCOMPLETE
        if settings.skip_fallback_if_ticket_has_assets and self._enquiry.has_assets():
            return Reason.HAS_ASSETS
        if self._requestor is None:
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
            not_eligible=by_computer(self._refused),
            identifiers=tuple(self._seen.values()),
            not_searched=tuple(dict.fromkeys(self._tdx.not_searched)),
            api_searches=self._tdx.searches,
            cut=tuple(passage.label for passage, seen in self._scans if seen.is_cut),
            scans=tuple(self._scans),
        )
