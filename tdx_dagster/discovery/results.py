"""What discovery is asked, how it decides, and what it answers.

Belongs here: frozen records without behaviour. Does not: how the answer is found (`discover`), the
words of the summary (`wording`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tdx_dagster.discovery.identifiers import IdentifierSettings, Scan
from tdx_dagster.discovery.passages import NO_POSTS, OwnPosts, Passage
from tdx_dagster.inventory.computers import Computer, Field
from tdx_dagster.inventory.keys import fold_key
from tdx_dagster.inventory.statuses import ActiveStatuses
from tdx_dagster.tdx.models import FeedEntry, Ticket


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
        has_assets: Says whether assets are attached already. Called only before the requestor fallback.
        own_posts: What is known of the robot's own posts.
    """

    ticket: Ticket
    conversation: Callable[[], Sequence[FeedEntry]] = tuple
    has_assets: Callable[[], bool] = lambda: False
    own_posts: OwnPosts = NO_POSTS


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a computer was found.

    Args:
        where: Label of the text, see `Passage.label`; `requestor` for the fallback.
        token: As written; empty for the fallback.
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
    """One token that equals several computers. All of them count, and the summary says so."""

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
        cut: Labels of the texts that were too long, so that their end was not read.
        scans: What was seen in each text, for `explain`.
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
    cut: tuple[str, ...] = ()
    scans: tuple[tuple[Passage, Scan], ...] = field(default=(), repr=False, compare=False)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that matched, as first written, in order of appearance."""
        found = [e.token for match in self.matches for e in match.evidence if e.token]
        return tuple({fold_key(token): token for token in reversed(found)}.values())[::-1]
