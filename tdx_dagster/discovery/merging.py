"""From single hits to computers: each once, with all its evidence.

Belongs here: grouping of hits, which of several records of one name is meant, and what stays
ambiguous. Does not: looking anything up (`discover`).
"""

from collections.abc import Iterable, Iterator, Sequence

from tdx_dagster.discovery.results import Ambiguity, Evidence, Match
from tdx_dagster.inventory.computers import Computer
from tdx_dagster.inventory.keys import fold_key

Hit = tuple[Computer, Evidence]


def by_computer(hits: Iterable[Hit]) -> tuple[Match, ...]:
    """Give each computer once, however often and by whatever field it is named (case B17)."""
    computers: dict[int, Computer] = {}
    evidence: dict[int, dict[Evidence, None]] = {}
    for computer, why in hits:
        computers.setdefault(computer.asset_id, computer)
        evidence.setdefault(computer.asset_id, {})[why] = None
    return tuple(Match(computer, tuple(evidence[key])) for key, computer in computers.items())


def told_apart(hits: Sequence[Hit], refused: Sequence[Hit]) -> Iterator[Hit]:
    """Hits without those that another identifier of the text rules out.

    Where one token fits several records, also ones that do not count, and another token names some of
    them, those are meant.
    """
    fitting: dict[str, set[int]] = {}
    naming: dict[int, set[str]] = {}
    for computer, why in (*hits, *refused):
        key = fold_key(why.token) or why.token
        fitting.setdefault(key, set()).add(computer.asset_id)
        naming.setdefault(computer.asset_id, set()).add(key)
    for computer, why in hits:
        same = fitting[fold_key(why.token) or why.token]
        named_twice = {asset_id for asset_id in same if len(naming[asset_id]) > 1}
        if len(same) == 1 or not named_twice or computer.asset_id in named_twice:
            yield computer, why


def ambiguities(hits: Iterable[Hit]) -> Iterator[Ambiguity]:
    """Find the tokens that equal several computers."""
    sharing: dict[str, dict[int, Computer]] = {}
    tokens: dict[str, str] = {}
    for computer, why in hits:
        key = fold_key(why.token) or why.token
        tokens.setdefault(key, why.token)
        sharing.setdefault(key, {}).setdefault(computer.asset_id, computer)
    for key, computers in sharing.items():
        if len(computers) > 1:
            yield Ambiguity(tokens[key], tuple(computers.values()))
