"""Which parts of a text may name a computer.

Belongs here: the rules by which a token counts or is dropped, with the reason. Does not: whether a
computer of that name exists (`lookup`), nor how HTML becomes text (`tdx.text`). The rules are
written down in `docs/discovery.md`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from tdx_dagster.discovery.addresses import mask_addresses
from tdx_dagster.discovery.labels import take_out_labels
from tdx_dagster.discovery.tokens import TOKEN, take_out_list_numbers
from tdx_dagster.inventory.keys import fold_key, fold_text

__all__ = ["Candidate", "Dropped", "IdentifierSettings", "Scan", "candidates", "fold_key", "scan"]

# No field of a TDX asset is longer; a pasted key or picture would only burden the query.
MAX_KEY_LENGTH = 128

# Serials and tags of all makers seen, Windows names (15), and Mac names made of hyphenated words
# (case B05).
_PLAIN_LENGTH = range(5, 16)
_HYPHENATED_LENGTH = range(5, 25)

_HEX_NUMBER = re.compile(r"0x[0-9a-f]+", re.IGNORECASE)

# Everyday tokens of letters and digits. They match a record that bears them, but TDX is not asked.
_EVERYDAY = re.compile(
    r"""
      [0-9]+(?:ST|ND|RD|TH|AM|PM|[KMGT]I?B|[KMG]?HZ|[KMG]BPS|MIN|MINS|HRS?|HOURS?|DAYS?|WEEKS?|PX|INCH|USD)
    | (?:COVID|UTF|ISO|HTTP|TLS|SSL|IPV|USB|FY|Q[1-4])[-_]?[0-9]+(?:[-_][0-9]+)?
    | (?:SPRING|SUMMER|FALL|AUTUMN|WINTER)[-_]?[0-9]{2,4}
    | (?:WIN|WINDOWS|OFFICE|MICROSOFT|PYTHON|MATLAB|IOS|MACOS|OSX)[-_]?[0-9A-Z]{1,6}
    | KB[0-9]{6,7}
    | (?:[0-9]{1,4}-)?(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)-[0-9]{1,4}
    | [0-9]{4}-?[0-9]{2}-?[0-9]{2}T[0-9]+Z?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class IdentifierSettings:
    """What an installation adds to the rules.

    Args:
        identifier_patterns: Regular expressions, case ignored. Whatever they match is a candidate
            beside the tokens; a group, if there is one, is the identifier. For names with blanks.
        ignore_identifiers: Identifiers that never count; `*` and `?` stand for any characters.

    Raises:
        ValueError: A pattern is no regular expression; the text names the place and the fault.
    """

    identifier_patterns: tuple[str, ...] = ()
    ignore_identifiers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for number, pattern in enumerate(self.identifier_patterns):
            try:
                _compiled(pattern)
            except re.error as error:
                raise ValueError(
                    f"identifier_patterns[{number}] is no regular expression: {pattern!r}: {error}"
                ) from error

    def ignores(self, key: str) -> bool:
        """Whether a folded key is on the list of those that never count."""
        return any(fnmatchcase(key, pattern.strip().upper()) for pattern in self.ignore_identifiers)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part of a text that may name a computer.

    Args:
        token: As written, invisible characters removed.
        keys: What to look up, folded. A host name has two: itself and its first label.
        position: Where it begins, counted in characters of the folded text.
        is_labelled: Whether it directly follows a word such as "serial number" or "tag".
        looks_like_identifier: Whether asking TDX for it is worth a call when the inventory does
            not know it.
    """

    token: str
    keys: tuple[str, ...]
    position: int
    is_labelled: bool
    looks_like_identifier: bool


class Reason(StrEnum):
    """Why a token does not count, for people."""

    NUMBER = "a number without a label such as 'asset tag' before it"
    WORD = "a word of letters only"
    NOT_ASCII = "holds a letter outside ASCII"
    HEX_NUMBER = "a hexadecimal number"
    FILLER = "a filler that many records share"
    IGNORED = "on the list ignore_identifiers"
    TOO_LONG = "too long for an identifier"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A part of a text that was considered and does not count.

    Args:
        token: As written.
        position: Where it begins, counted in characters of the folded text.
        why: For people.
    """

    token: str
    position: int
    why: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What was seen in one text, in order of appearance, each token once."""

    candidates: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]


def candidates(text: str, settings: IdentifierSettings) -> tuple[Candidate, ...]:
    """The parts of a visible text that may name a computer, in order of appearance, each once."""
    return scan(text, settings).candidates


def scan(text: str, settings: IdentifierSettings) -> Scan:
    """Like `candidates`, with what was dropped and why. Ordinary words are not listed as dropped.

    Args:
        text: Visible text, see `tdx.text`.
        settings: What the installation adds.
    """
    folded = fold_text(text)
    bare, addresses = mask_addresses(take_out_list_numbers(folded))
    bare, labelled = take_out_labels(bare)
    seen: list[Candidate | Dropped] = [
        Dropped(address.text, address.position, address.meaning) for address in addresses
    ]
    seen += _matches_of_patterns(folded, settings)
    for token, position, is_labelled in _tokens(bare, labelled):
        seen += _judge(token, position, is_labelled, settings)
    seen.sort(key=lambda one: one.position)
    return Scan(
        candidates=tuple(_each_once(one for one in seen if isinstance(one, Candidate))),
        dropped=tuple(one for one in seen if isinstance(one, Dropped)),
    )


def _tokens(bare: str, labelled: frozenset[int]) -> Iterator[tuple[str, int, bool]]:
    """Tokens where they first appear, with and without a label; words without one are left out."""
    judged: set[tuple[str, bool]] = set()
    for match in TOKEN.finditer(bare):
        token, is_labelled = match[0], match.start() in labelled
        if (_is_plain_word(token) and not is_labelled) or (token, is_labelled) in judged:
            continue
        judged.add((token, is_labelled))
        yield token.strip("_"), match.start(), is_labelled


def _each_once(found: Iterator[Candidate]) -> Iterator[Candidate]:
    seen: set[tuple[str, ...]] = set()
    for candidate in found:
        if candidate.keys not in seen:
            seen.add(candidate.keys)
            yield candidate


def _matches_of_patterns(folded: str, settings: IdentifierSettings) -> Iterator[Candidate]:
    for pattern in settings.identifier_patterns:
        for match in _compiled(pattern).finditer(folded):
            token = match[1] if match.re.groups and match[1] is not None else match[0]
            key = fold_key(token)
            if key and len(key) <= MAX_KEY_LENGTH and not settings.ignores(key):
                yield Candidate(
                    token.strip(),
                    (key,),
                    match.start(),
                    is_labelled=False,
                    looks_like_identifier=True,
                )


def _is_plain_word(token: str) -> bool:
    """An ordinary word or a ruled line, which nobody asks about: most of any text."""
    return (token.isalpha() and token.isascii()) or not token.strip("_")


def _judge(
    token: str, position: int, is_labelled: bool, settings: IdentifierSettings
) -> Iterator[Candidate | Dropped]:
    """A token as candidate, or the reason against it."""
    names = [name for name in _names(token) if _counts(name, is_labelled)]
    keys = tuple(dict.fromkeys(key for name in names if (key := fold_key(name))))
    wanted = tuple(key for key in keys if not settings.ignores(key))
    if why := _why_not(token, names, keys, wanted):
        yield Dropped(token if why is not Reason.TOO_LONG else f"{token[:32]}…", position, why)
    else:
        yield Candidate(token, wanted, position, is_labelled, _looks_like(wanted[-1], is_labelled))


def _why_not(
    token: str, names: Sequence[str], keys: Sequence[str], wanted: Sequence[str]
) -> Reason | None:
    """Why a token does not count, given what is left of it after each rule."""
    against = (
        (len(token) > MAX_KEY_LENGTH, Reason.TOO_LONG),
        (not token.isascii(), Reason.NOT_ASCII),
        (_HEX_NUMBER.fullmatch(token) is not None, Reason.HEX_NUMBER),
        (token.isalpha(), Reason.WORD),
        (not names, Reason.NUMBER),
        (not keys, Reason.FILLER),
        (not wanted, Reason.IGNORED),
    )
    return next((reason for applies, reason in against if applies), None)


def _names(token: str) -> list[str]:
    """A token as a whole and, where it reads as a host name, its first label (rule 3)."""
    if "." not in token:
        return [token]
    first, *later = (label.strip("_") for label in token.split("."))
    if all(label[:1].isalpha() for label in later):
        return [token, first]
    return [token]


def _counts(name: str, is_labelled: bool) -> bool:
    """Rules 6 and 7: numbers count after a label only, words of letters only never."""
    return not name.isalpha() and (is_labelled or any(c.isalpha() for c in name))


def _looks_like(key: str, is_labelled: bool) -> bool:
    """Whether a folded key has the shape of a serial number, a tag or a computer's name (case B05).

    Hyphenated English has no digit, and versions and host names as a whole hold dots: neither is
    worth one of sixty calls a minute (case B01).
    """
    lengths = _HYPHENATED_LENGTH if "-" in key else _PLAIN_LENGTH
    if len(key) not in lengths or "." in key or _EVERYDAY.fullmatch(key):
        return False
    has_digit = any(c.isdigit() for c in key)
    return has_digit and (is_labelled or any(c.isalpha() for c in key))
