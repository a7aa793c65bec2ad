"""The sentence that a ticket's summary says of a discovery.

Belongs here: these words, which people and older installations know. Does not: any decision. The
shape of the sentence is also what `passages` recognises when somebody quotes it.
"""

from collections.abc import Callable, Sequence

from tdx_dagster.discovery.discover import Discovery, Reason
from tdx_dagster.inventory.computers import Computer

# More tokens than these are counted, not named.
NAMED_TOKENS = 3

_PLACES = {1: "title/description", 2: "conversation"}


def summary_line(
    discovery: Discovery,
    added: Sequence[Computer],
    already: Sequence[Computer],
    refused: Sequence[tuple[Computer, str]],
) -> str:
    """Give what was done with the computers that were found, and why.

    Args:
        discovery: What was found.
        added: Those attached now.
        already: Those that were attached before.
        refused: Those not attached, with the reason (see `confirm`).
    """
    line = (
        f"Added {_count(len(added))}: {_names(added)}. Reason: {_why_found(discovery)}"
        if added
        else f"No assets added. Reason: {_why_none(discovery, already)}"
    )
    if added and already:
        line += f". Already on ticket: {_names(already)}"
    if refused:
        line += f". Not added: {'; '.join(f'{c.label} ({why})' for c, why in refused)}"
    if discovery.left_over:
        rest = [match.computer for match in discovery.left_over]
        line += f". Left out beyond the limit of {len(discovery.matches)}: {_names(rest)}"
    for one in discovery.ambiguous:
        line += f". Note: {one.token} fits {len(one.computers)} computers: {_names(one.computers)}"
    if discovery.cut:
        line += f". Note: too long, only the beginning was read: {', '.join(discovery.cut)}"
    return line


def _count(number: int) -> str:
    return "1 asset" if number == 1 else f"{number} assets"


def _names(computers: Sequence[Computer]) -> str:
    return ", ".join(computer.label for computer in computers)


def _why_found(discovery: Discovery) -> str:
    if discovery.phase not in _PLACES:
        return "User only has one computer"
    tokens = ", ".join(discovery.tokens[:NAMED_TOKENS])
    if (more := len(discovery.tokens) - NAMED_TOKENS) > 0:
        tokens += f" (and {more} more)"
    place = _PLACES[discovery.phase]
    return f"Computer identifier(s) found in ticket {place} ({tokens})"


def _why_none(discovery: Discovery, already: Sequence[Computer]) -> str:
    if already and discovery.phase in _PLACES:
        return f"{_why_found(discovery)} and already on ticket: {_names(already)}"
    if already:
        return "Requestor's only asset already on ticket"
    if discovery.matches:
        return _why_found(discovery)
    if discovery.reason is Reason.NOT_ELIGIBLE:
        named = (f"{match.computer.label}" for match in discovery.not_eligible)
        return f"Only computers that do not count were found ({', '.join(named)})"
    return f"No computer identifiers found and {_WHY_NO_FALLBACK[discovery.reason](discovery)}"


_WHY_NO_FALLBACK: dict[Reason, Callable[[Discovery], str]] = {
    Reason.HAS_ASSETS: lambda _: "ticket already has assets",
    Reason.NO_REQUESTOR: lambda _: "no requestor UID available",
    Reason.EXCLUDED_ACCOUNT: lambda _: "requestor is a shared or service account",
    Reason.SEARCH_INCOMPLETE: lambda found: (
        f"the search was not complete (not looked up: {', '.join(found.not_searched)})"
    ),
    Reason.NOT_EXACTLY_ONE: lambda found: (
        f"user has {_count(found.requestor_computer_count or 0)} (expected exactly 1)"
    ),
}
