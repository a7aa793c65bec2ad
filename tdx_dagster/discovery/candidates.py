"""Input and output of the text step.

Belongs here: frozen records: what an installation adds to the rules, candidates, and what was
dropped with its reason. Does not: the rules (`identifiers`, `readings`).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from tdx_dagster.discovery.labels import NAME
from tdx_dagster.inventory.computers import Field

# No field of a TDX asset is longer; a pasted key or picture would only burden the query.
MAX_KEY_LENGTH = 128


@dataclass(frozen=True, slots=True)
class IdentifierSettings:
    """What an installation adds to the rules.

    Args:
        identifier_patterns: Regular expressions, case ignored. Whatever they match is a candidate
            in addition to the tokens; a group, if there is one, is the identifier. For names with blanks.
        ignore_identifiers: Identifiers that never count; `*` and `?` stand for any characters.

    Raises:
        ValueError: A pattern is no regular expression; the text names the place and the fault.
    """

    identifier_patterns: tuple[str, ...] = ()
    ignore_identifiers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for number, pattern in enumerate(self.identifier_patterns):
            try:
                compiled(pattern)
            except re.error as error:
                raise ValueError(
                    f"identifier_patterns[{number}] is no regular expression: {pattern!r}: {error}"
                ) from error

    def ignores(self, key: str) -> bool:
        """Tell whether a folded key is on the list of those that never count."""
        return any(fnmatchcase(key, pattern.strip().upper()) for pattern in self.ignore_identifiers)


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of an installation, ignoring case."""
    return re.compile(pattern, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a token.

    Args:
        key: What to look up, folded.
        fields: Which fields of a record may equal it, the likeliest first.
    """

    key: str
    fields: tuple[Field, ...] = NAME


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part of a text that may name a computer.

    Args:
        token: As written, invisible characters removed.
        readings: Ways to read it. The first that the inventory knows is the one that is meant.
        position: Where it begins, counted in characters of the prepared text.
        is_labelled: Whether a label such as "serial number" names it.
        looks_like_identifier: Whether asking TDX for it is worth a call when the inventory does
            not know it.
        is_everyday: Whether it is also an everyday word, so that only its owner means the computer.
        range_keys: Where it is a member of a range, the keys of all members: it counts only where
            each of them exists.
    """

    token: str
    readings: tuple[Reading, ...]
    position: int
    is_labelled: bool
    looks_like_identifier: bool
    is_everyday: bool = False
    range_keys: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What to look up in the inventory, folded."""
        return tuple(dict.fromkeys(reading.key for reading in self.readings))

    @property
    def search_text(self) -> str:
        """What to search TDX for: of a host name its first label."""
        whole = self.readings[0].key
        return self.readings[-1].key if "." in whole else whole


class Reason(StrEnum):
    """Why a token does not count, for people."""

    NUMBER = "a number without a label such as 'asset tag' before it"
    WORD = "a word of letters only"
    NOT_ASCII = "holds a letter outside ASCII"
    HEX_NUMBER = "a hexadecimal number"
    FILLER = "a filler that many records share"
    IGNORED = "on the list ignore_identifiers"
    TOO_LONG = "too long for an identifier"
    OTHER_KIND = "named as something else than a computer, or as an example"
    FILE_NAME = "a file name"
    BROKEN = "the rest of a broken name"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A part of a text that was considered and does not count.

    Args:
        token: As written.
        position: Where it begins, counted in characters of the prepared text.
        why: For people.
    """

    token: str
    position: int
    why: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What was seen in one text, in order of appearance, each token once.

    Args:
        candidates: What may name a computer.
        dropped: What was considered and does not count.
        is_cut: Whether the text was longer than `LONGEST_TEXT`, so that its end was not read.
    """

    candidates: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]
    is_cut: bool = False
