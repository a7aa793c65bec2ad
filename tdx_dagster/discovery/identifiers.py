"""Which parts of a text may name a computer.

Belongs here: the rules by which a token counts or is dropped, with the reason. Does not: whether a
computer of that name exists (`lookup`), nor how HTML becomes text (`tdx.html`). The rules are
written down in `docs/discovery.md`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from tdx_dagster.discovery import contexts
from tdx_dagster.discovery.addresses import FILL, Address, mask_addresses
from tdx_dagster.discovery.everyday import Everyday, everyday
from tdx_dagster.discovery.labels import EITHER, NAME, SERIAL, Labelled, labels_of
from tdx_dagster.discovery.ranges import Range, ranges
from tdx_dagster.discovery.tables import values_below
from tdx_dagster.discovery.text import LONGEST_TEXT, prepared
from tdx_dagster.discovery.tokens import TOKEN, serial_spellings
from tdx_dagster.inventory.computers import Field
from tdx_dagster.inventory.keys import fold_key

__all__ = ["Candidate", "Dropped", "IdentifierSettings", "Reading", "Scan", "candidates", "fold_key", "scan"]

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


def candidates(text: str, settings: IdentifierSettings) -> tuple[Candidate, ...]:
    """The parts of a visible text that may name a computer, in order of appearance, each once."""
    return scan(text, settings).candidates


def scan(text: str, settings: IdentifierSettings) -> Scan:
    """Like `candidates`, with what was dropped and why. Ordinary words are not listed as dropped.

    Args:
        text: Visible text, see `tdx.html`.
        settings: What the installation adds.
    """
    folded = prepared(text[:LONGEST_TEXT])
    seen = [*_Scanner(folded, settings).run(), *_matches_of_patterns(folded, settings)]
    seen.sort(key=lambda one: one.position)
    return Scan(
        candidates=tuple(_each_once([one for one in seen if isinstance(one, Candidate)])),
        dropped=tuple(one for one in seen if isinstance(one, Dropped)),
        is_cut=len(text) > LONGEST_TEXT,
    )


def _each_once(found: list[Candidate]) -> Iterator[Candidate]:
    """Each candidate once. What a label names somewhere is the same thing elsewhere."""
    named = {key for one in found if one.is_labelled for key in one.keys[:1]}
    seen: set[tuple[Reading, ...]] = set()
    for candidate in found:
        is_repeated = not candidate.is_labelled and candidate.keys[0] in named
        if candidate.readings not in seen and not is_repeated:
            seen.add(candidate.readings)
            yield candidate


def _matches_of_patterns(folded: str, settings: IdentifierSettings) -> Iterator[Candidate]:
    for pattern in settings.identifier_patterns:
        for match in _compiled(pattern).finditer(folded):
            token = match[1] if match.re.groups and match[1] is not None else match[0]
            key = fold_key(token)
            if key and len(key) <= MAX_KEY_LENGTH and not settings.ignores(key):
                yield Candidate(
                    token.strip(),
                    (Reading(key),),
                    match.start(),
                    is_labelled=False,
                    looks_like_identifier=True,
                )


# A blank after the hyphen of a name, or a line break in it.
_BROKEN_BEFORE = re.compile(r"([\w.]{1,60})(-[ \t]{0,3}\n?[ \t>]{0,10}|[ \t]-)$")
_BREAK_AFTER = re.compile(r"-[ \t]{0,3}\n?[ \t>]{0,10}(?=[^\W_])|[ \t]-(?=[^\W_])")
_LABEL_WORD = re.compile(
    r"(?:pc|computer|laptop|machine|name|host|hostname|device|serial|tag|sn|number|no|server|affected|location|room"
    r"|subject|re|fwd|issue|problem|model|user|id|asset|workstation|kiosk|mac|rechner)s?",
    re.IGNORECASE,
)
# A serial number in groups for easier reading.
_GROUPS = re.compile(r"(?=[A-Z0-9]*[0-9]|[A-Z]{2,3}[ ])[A-Za-z0-9]{2,8}(?:[ ](?=[A-Za-z]*[0-9])[A-Za-z0-9]{2,6}){1,5}(?![\w-])")
_SHORTEST_SERIAL = 5
_LONGEST_SERIAL = 24
_SHORTEST_NAMED_NUMBER = 4
_FULL_NAME = re.compile(
    r"[a-z][a-z0-9-]*+(?:\.[a-z0-9-]++)+\.(?:edu|gov|mil|org|local|lan|localdomain|internal|intern|corp|ad|arpa|int|ac\.[a-z]{2}|edu\.[a-z]{2}|[a-z]{2})"
    r"|[a-z][a-z0-9-]*+\.(?:local|lan|internal|intern)",
    re.IGNORECASE,
)
_SERVICE_NAMES = frozenset(
    "WWW MAIL SMTP IMAP POP FTP NS DNS WEB API AUTODISCOVER LOGIN SSO VPN PORTAL CDN STATIC M HELP SUPPORT DOCS CANVAS WEBMAIL".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class _Token:
    """One token where it stands, with what the text says of it there."""

    text: str
    position: int
    end: int
    says: Labelled | None
    is_host: bool
    is_page: bool


class _Scanner:
    """The rules, applied to one prepared text."""

    def __init__(self, folded: str, settings: IdentifierSettings) -> None:
        self._settings = settings
        self._bare, self._addresses, self._hosts = mask_addresses(folded)
        self._unlabelled, says = labels_of(self._bare)
        self._says: dict[int, Labelled] = says
        self._other = contexts.other_mentions(self._bare)
        for position, heading in values_below(self._bare):
            if heading is None:
                self._other.add(position)
            else:
                self._says.setdefault(position, heading)
        self._tokens = list(TOKEN.finditer(self._unlabelled))
        self._other.update(contexts.tokens_before_plural(self._unlabelled, self._tokens))
        self._ranges = {one.position: one for one in ranges(self._unlabelled)}
        self._skip_to = 0
        self._judged: set[tuple[object, ...]] = set()

    def run(self) -> Iterator[Candidate | Dropped]:
        """Judge every address and token."""
        for address in self._addresses:
            yield from self._address(address)
        for match in self._tokens:
            if match.start() >= self._skip_to and not self._is_plain(match):
                yield from self._token(match)

    def _address(self, address: Address) -> Iterator[Candidate | Dropped]:
        if address.kind == "groups" and address.text.lower().startswith("vmware-"):
            key = fold_key(address.text)
            if key and not self._settings.ignores(key):
                yield Candidate(address.text, (Reading(key, SERIAL),), address.position, True, False)
                return
        yield Dropped(address.text, address.position, address.meaning)

    def _is_plain(self, match: re.Match[str]) -> bool:
        """Whether a token is an ordinary word or a ruled line: most of any text."""
        token = match[0]
        is_word = (token.isalpha() and token.isascii()) or not token.strip("_")
        return is_word and match.start() not in self._says and match.start() not in self._hosts

    def _token(self, match: re.Match[str]) -> Iterator[Candidate | Dropped]:
        position = match.start()
        says = self._says.get(position)
        if says is not None and says.is_other and not any(c.isalpha() for c in match[0]):
            says = None
        is_host = position in self._hosts
        is_page = not is_host and self._bare.startswith(FILL, match.end())
        token = _Token(match[0].strip("_"), position, match.end(), says, is_host, is_page)
        if (one := self._ranges.get(position)) is not None:
            yield from self._range(one)
            if one.is_one_token:
                return
        if self._is_other(token):
            yield from self._dropped(token.text, position, Reason.OTHER_KIND)
        elif (joined := self._broken(match)) is not None:
            yield from joined
        elif grouped := self._grouped(token):
            yield from grouped
        elif self._is_new(token.text, says, token.is_host, self._is_called(token)):
            yield from self._judge(token)

    def _is_new(self, *what: object) -> bool:
        if what in self._judged:
            return False
        self._judged.add(what)
        return True

    def _dropped(self, token: str, position: int, why: Reason) -> Iterator[Dropped]:
        if self._is_new(token, why):
            yield Dropped(token if why is not Reason.TOO_LONG else f"{token[:32]}…", position, why)

    def _is_other(self, token: _Token) -> bool:
        if token.says is not None and not token.says.is_other:
            return token.position in self._other and token.says.fields == NAME
        return token.position in self._other or contexts.is_extension(token.text)

    def _range(self, one: Range) -> Iterator[Candidate | Dropped]:
        keys = tuple(key for member in one.members if (key := fold_key(member)))
        if len(keys) != len(one.members) or not self._is_new(one.members, one.is_one_token):
            return
        whole = fold_key(one.text) if one.is_one_token else None
        if one.is_one_token and whole:
            yield Candidate(one.text, (Reading(whole),), one.position, False, False)
        for member, key in zip(one.members, keys, strict=True):
            if not self._settings.ignores(key):
                yield Candidate(
                    member, (Reading(key, ("name",)),), one.position, False, False, range_keys=keys
                )

    def _broken(self, match: re.Match[str]) -> list[Candidate | Dropped] | None:
        """A name with a blank or a line break after its hyphen; None where this token is whole."""
        text, position = self._unlabelled, match.start()
        before = _BROKEN_BEFORE.search(text, max(0, position - 80), position)
        if before is None or position in self._says:
            return None
        head, gap = before[1], before[2]
        is_piece = head.isupper() or any(c.isdigit() for c in head)
        if _LABEL_WORD.fullmatch(head) or (gap.startswith((" ", "\t")) and not is_piece):
            return None
        tail = match[0]
        is_whole = not is_piece and "-" in tail and any(c.isdigit() for c in tail)
        if is_whole and "\n" not in gap:
            return None
        if not any(c.isdigit() for c in tail) and not is_piece:
            return None
        start = before.start(1)
        head_token = _last_token(text, start, before.end(1))
        joined = f"{head_token}-{tail}"
        key = fold_key(joined)
        if key is None or not joined.isascii() or len(joined) > MAX_KEY_LENGTH:
            return list(self._dropped(tail, position, Reason.BROKEN))
        if self._settings.ignores(key) or not self._is_new(joined, "broken"):
            return []
        return [Candidate(joined, _readings(joined, None, self._settings), start, False, False)]

    def _grouped(self, token: _Token) -> list[Candidate | Dropped]:
        """The readings of a labelled number or serial number that is written in groups."""
        if token.says is None or token.says.fields == NAME or token.says.is_other:
            return []
        found = _GROUPS.match(self._unlabelled, token.position)
        if found is None:
            return []
        groups = found[0].split(" ")
        joins = ["".join(groups[:count]) for count in range(len(groups), 1, -1)]
        is_one = all(len(group) < _SHORTEST_SERIAL for group in groups)
        keys = [fold_key(join) for join in joins if len(join) <= _LONGEST_SERIAL]
        if len(token.text) >= _SHORTEST_SERIAL:
            keys.append(fold_key(token.text))
        wanted = [key for key in keys if key and not self._settings.ignores(key)]
        readings = tuple(Reading(key, (field,)) for key in wanted for field in token.says.fields)
        if not readings:
            return []
        if is_one or len(token.text) < _SHORTEST_SERIAL:
            self._skip_to = found.end()
        written = found[0] if is_one else token.text
        return [Candidate(written, readings, token.position, True, _looks_like(wanted[-1], True))]

    def _is_called(self, token: _Token) -> bool:
        return "-" in token.text and contexts.is_called_computer(
            self._bare, token.position, token.end
        )

    def _judge(self, token: _Token) -> Iterator[Candidate | Dropped]:
        """A token as candidate, or the reason against it."""
        written, says = token.text, token.says
        readings = _readings(written, says, None, is_host=token.is_host)
        if token.is_page:
            readings = tuple(one for one in readings if not one.key.isalpha())
        wanted = tuple(one for one in readings if not self._settings.ignores(one.key))
        if why := _why_not(token, readings, wanted):
            yield from self._dropped(written, token.position, why)
            return
        yield Candidate(
            written,
            wanted,
            token.position,
            says is not None,
            _is_searched_for(written, wanted, says),
            is_everyday=self._is_everyday(token),
        )

    def _is_everyday(self, token: _Token) -> bool:
        if token.says is not None or token.is_host:
            return False
        how = everyday(token.text)
        if how is Everyday.NO and "." in token.text:
            first = token.text.partition(".")[0]
            how = Everyday.YES if everyday(first) is Everyday.YES else Everyday.NO
        return how is Everyday.YES or (how is Everyday.COMPOUND and not self._is_called(token))


def _last_token(text: str, start: int, end: int) -> str:
    """The token that ends where a name is broken, with its own hyphens."""
    while start > 0 and (text[start - 1] == "-" or text[start - 1].isalnum()):
        start -= 1
        if end - start > MAX_KEY_LENGTH:
            break
    return text[start:end].strip("_-")


def _why_not(
    token: _Token, readings: tuple[Reading, ...], wanted: tuple[Reading, ...]
) -> Reason | None:
    """Why a token does not count, given what is left of it after each rule."""
    written = token.text
    if len(written) > MAX_KEY_LENGTH:
        return Reason.TOO_LONG
    if not written.isascii():
        return Reason.NOT_ASCII
    if _HEX_NUMBER.fullmatch(written):
        return Reason.HEX_NUMBER
    if not readings:
        return _why_unread(written, token.says)
    return None if wanted else Reason.IGNORED


def _why_unread(written: str, says: Labelled | None) -> Reason:
    if fold_key(written) is None:
        return Reason.FILLER
    return Reason.WORD if written.isalpha() or says is not None else Reason.NUMBER


def _readings(
    token: str,
    says: Labelled | None,
    settings: IdentifierSettings | None,
    *,
    is_host: bool = False,
) -> tuple[Reading, ...]:
    """Read a token: as it is, as a host name by its first label (rule 3), and in other spellings."""
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
    if settings is not None:
        found = [one for one in found if not settings.ignores(one.key)]
    return tuple(dict.fromkeys(found))


def _one_by_one(key: str, fields: tuple[Field, ...]) -> list[Reading]:
    """After a label for either field, the likelier one goes first: "service tag"."""
    return [Reading(key, (field,)) for field in fields] if fields == EITHER else [Reading(key, fields)]


def _names(token: str, *, is_host: bool) -> list[str]:
    """A token as a whole and, where it reads as a host name, its first label (rule 3)."""
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
        return says is not None and says.is_strong and not says.is_other and _is_plain_name(name, says)
    if any(c.isalpha() for c in name):
        return True
    if says is None or says.is_other:
        return False
    return says.fields != NAME or len(name) >= _SHORTEST_NAMED_NUMBER


def _is_plain_name(name: str, says: Labelled) -> bool:
    """Whether letters alone may be what a label names: serial numbers have capitals or no vowels."""
    if says.fields == NAME:
        return len(name) > 2
    has_vowel = any(c in "AEIOU" for c in name.upper())
    return len(name) >= _SHORTEST_SERIAL and (name.isupper() or not has_vowel)


def _is_full_name(name: str, token: str) -> bool:
    return (
        "." in token
        and name.upper() not in _SERVICE_NAMES
        and _FULL_NAME.fullmatch(token) is not None
    )


def _is_searched_for(token: str, wanted: tuple[Reading, ...], says: Labelled | None) -> bool:
    key = wanted[-1].key if "." in token else wanted[0].key
    return _looks_like(key, says is not None) and everyday(token) is Everyday.NO


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
