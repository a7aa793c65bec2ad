"""What was seen in the texts that were read last, so that a run reads none twice.

Belongs here: that memory. Does not: how a text is read (`identifiers`). A run first asks the inventory
for what all of its tickets name, then decides ticket by ticket: both need the same scan.
"""

from functools import lru_cache

from tdx_dagster.discovery.candidates import IdentifierSettings, Scan
from tdx_dagster.discovery.identifiers import scan

# A run takes up to 30 tickets, each with a title and a description.
_MOST_TEXTS = 64
# Longer ones are rare, and a hostile one holds thousands of candidates.
_LONGEST_REMEMBERED = 10_000


def remembered_scan(text: str, settings: IdentifierSettings) -> Scan:
    """Scan a text, or give what a scan of the same text gave a moment ago."""
    if len(text) > _LONGEST_REMEMBERED:
        return scan(text, settings)
    return _scanned(text, settings)


@lru_cache(maxsize=_MOST_TEXTS)
def _scanned(text: str, settings: IdentifierSettings) -> Scan:
    return scan(text, settings)
