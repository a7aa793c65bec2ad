"""How a token may be read: which keys to look up, and in which fields.

Belongs here: the rules about one token and its label, and which keys are worth a
search of TDX. Does not: where tokens stand and what surrounds them (`identifiers`).
"""

# ruff: noqa: E501  the expressions list words

import re
from functools import lru_cache

from tdx_dagster.discovery.candidates import Reading
from tdx_dagster.discovery.labels import EITHER, NAME, SERIAL, Labelled
from tdx_dagster.discovery.tokens import serial_spellings
from tdx_dagster.inventory.computers import Field
from tdx_dagster.inventory.keys import fold_key

# Serials and tags of all makers seen, Windows names (15), and Mac names made of hyphenated words
# (case B05).
_PLAIN_LENGTH = range(5, 16)
_HYPHENATED_LENGTH = range(5, 25)

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


SHORTEST_SERIAL = 5
_SHORTEST_PLAIN_NAME = 3
_SHORTEST_NAMED_NUMBER = 4
_FULL_NAME = re.compile(
    r"[a-z][a-z0-9-]*+(?:\.[a-z0-9-]++)+\.(?:edu|gov|mil|org|local|lan|localdomain|internal|intern|corp|ad|arpa|int|ac\.[a-z]{2}|edu\.[a-z]{2}|[a-z]{2})"
    r"|[a-z][a-z0-9-]*+\.(?:local|lan|internal|intern)",
    re.IGNORECASE,
)
# Mails repeat their words, and so do tickets.
_REMEMBERED = 4096
_SERVICE_NAMES = frozenset(
    "WWW MAIL SMTP IMAP POP FTP NS DNS WEB API AUTODISCOVER LOGIN SSO VPN PORTAL CDN STATIC M HELP SUPPORT DOCS CANVAS WEBMAIL".split()  # noqa: SIM905
)


@lru_cache(_REMEMBERED)
def readings_of(
    token: str,
    says: Labelled | None,
    *,
    is_host: bool = False,
) -> tuple[Reading, ...]:
    """Read a token: as it is, as a host name by its first label, and in other spellings."""
    fields = NAME if says is None else says.fields
    found = []
    for name in _names(token, is_host=is_host):
        key = fold_key(name)
        if key and _counts(name, token, says, is_host=is_host):
            found += _one_by_one(key, fields)
    whole = fold_key(token)
    if whole and "serial number" in fields and (found or says is not None):
        others = serial_spellings(whole, is_labelled=says is not None and fields != NAME)
        found += [Reading(other, SERIAL) for other in others]
    return tuple(dict.fromkeys(found))


def _one_by_one(key: str, fields: tuple[Field, ...]) -> list[Reading]:
    """After a label for either field, the likelier one goes first: "service tag"."""
    return (
        [Reading(key, (field,)) for field in fields] if fields == EITHER else [Reading(key, fields)]
    )


def _names(token: str, *, is_host: bool) -> list[str]:
    """Give a token as a whole and, where it reads as a host name, its first label."""
    if "." not in token:
        return [token]
    first, *later = (label.strip("_") for label in token.split("."))
    if all(label[:1].isalpha() for label in later) or (is_host and first[:1].isalpha()):
        return [token, first]
    return [token]


def _counts(name: str, token: str, says: Labelled | None, *, is_host: bool) -> bool:
    """Rules 6 and 7: numbers after a label only, letters only after one or as a full domain name."""
    if name.isalpha():
        if is_host or _is_full_name(name, token):
            return True
        return (
            says is not None and says.is_strong and not says.is_other and _is_plain_name(name, says)
        )
    if any(c.isalpha() for c in name):
        return True
    if says is None or says.is_other:
        return False
    return says.fields != NAME or len(name) >= _SHORTEST_NAMED_NUMBER


def _is_plain_name(name: str, says: Labelled) -> bool:
    """Whether letters alone may be what a label names: serial numbers have capitals or no vowels."""
    if says.fields == NAME:
        return len(name) >= _SHORTEST_PLAIN_NAME
    has_vowel = any(c in "AEIOU" for c in name.upper())
    return len(name) >= SHORTEST_SERIAL and (name.isupper() or not has_vowel)


def _is_full_name(name: str, token: str) -> bool:
    return (
        "." in token
        and name.upper() not in _SERVICE_NAMES
        and _FULL_NAME.fullmatch(token) is not None
    )


def is_searched_for(token: str, wanted: tuple[Reading, ...], says: Labelled | None) -> bool:
    """Whether asking TDX for a token that is no everyday word is worth a call."""
    key = wanted[-1].key if "." in token else wanted[0].key
    return looks_like_identifier(key, is_labelled=says is not None)


def looks_like_identifier(key: str, *, is_labelled: bool) -> bool:
    """Whether a folded key has the shape of a serial number, a tag or a computer's name (case B05).

    Hyphenated English has no digit, and versions and host names as a whole hold dots: neither is
    worth one of sixty calls a minute (case B01).
    """
    lengths = _HYPHENATED_LENGTH if "-" in key else _PLAIN_LENGTH
    if len(key) not in lengths or "." in key or _EVERYDAY.fullmatch(key):
        return False
    has_digit = any(c.isdigit() for c in key)
    return has_digit and (is_labelled or any(c.isalpha() for c in key))
