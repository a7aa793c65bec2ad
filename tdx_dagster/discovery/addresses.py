"""Things in a text that are taken out whole before it is cut into tokens (rule 4).

Belongs here: addresses of pages, mail, machines and objects, whose parts look like identifiers and
are none. Does not: single tokens that do not count (`identifiers`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Takes the place of what was taken out: no blank, so that no label reaches across it, and no word.
FILL = "\x1a"

_URL_CHARACTERS = r"[^\s<>\"`|\\^{}\x1a。、「」]"

# Hosts under these, followed by a path, are pages even when the scheme was left out.
_TOP_LEVEL = "edu|com|org|net|gov|mil|int|io|us|ca|uk|au|de|fr|info|biz|app|dev|cloud|ai|co"

_HEX = "[0-9a-f]"

# Each alternative may begin at one place of a run of its characters only, so that a long run of
# letters (a pasted key, a picture in base64) costs one look and not one for each of its characters.
_ADDRESSES = re.compile(
    rf"""
    # Most places are ruled out here: the middle of a word, and words with nothing of an address.
    (?<!\w) (?= \S{{0,70}}? [:@/.-] | {_HEX}{{2}}[ ] )
    (?:
      (?P<url>
          (?: [a-z][a-z0-9+.-]{{1,20}}+ :// | mailto:(?=\S) | data:[a-z]+/[a-z0-9.+-]+[;,] )
          {_URL_CHARACTERS}*+
        | cid: [^\s\]]++
      )
    | (?P<mail> (?<![.%+'-]) [\w.%+'-]++ @ (?:[\w-]++\.)+ [a-z]{{2,}} )
    | (?<![@.-]) (?P<host> (?:[a-z0-9-]++\.)+ (?:{_TOP_LEVEL}) (?::[0-9]+)? )
      (?P<path> /(?!(?:[\w-]++\.)+(?:{_TOP_LEVEL}|local|lan)\b) {_URL_CHARACTERS}++ )
    | (?P<uuid> (?<!-) {_HEX}{{8}} (?:-{_HEX}{{4}}){{3}} -{_HEX}{{12}} (?![\w-]) )
    | (?P<mac>
          (?<!-) (?: (?:{_HEX}{{2}}:){{2,}} | (?:{_HEX}{{2}}-){{5,}} | (?:{_HEX}{{2}}\.){{5}} )
          {_HEX}{{2}} (?!-?\w)
        | (?<![.-]) {_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}} (?!\.?\w)
      )
    | (?P<ipv6>
          (?<![:.]) (?: (?:{_HEX}{{1,4}}:){{7}} {_HEX}{{1,4}}
                        | (?={_HEX}{{0,4}}(?::{_HEX}{{1,4}}){{0,6}}::)
                          {_HEX}{{0,4}} (?::{_HEX}{{0,4}}){{2,7}} )
          (?![\w:])
      )
    | (?P<groups> (?:vmware-)? (?:{_HEX}{{2}}[ -]){{5,}} {_HEX}{{2}} (?!-?\w) )
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_MEANING = {
    "url": "part of a web address",
    "path": "part of a web address",
    "mail": "a mail address",
    "uuid": "a UUID",
    "mac": "a hardware address",
    "ipv6": "a network address",
    "groups": "groups of hexadecimal pairs",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A piece of text that was taken out.

    Args:
        text: As written.
        position: Where it begins, counted in characters of the folded text.
        meaning: What it was, for people.
    """

    text: str
    position: int
    meaning: str


def mask_addresses(text: str) -> tuple[str, tuple[Address, ...]]:
    """A folded text of the same length without the addresses in it, and the addresses."""
    found = tuple(_addresses(text))
    pieces, end = [], 0
    for address in found:
        pieces += [text[end : address.position], FILL * len(address.text)]
        end = address.position + len(address.text)
    return "".join([*pieces, text[end:]]), found


def _addresses(text: str) -> Iterator[Address]:
    for match in _ADDRESSES.finditer(text):
        # Of a page without a scheme the host stays: people name servers with a path behind them.
        kind = next(name for name in _MEANING if match[name] is not None)
        yield Address(match[kind], match.start(kind), _MEANING[kind])
