"""Which parts of a text may name a computer.

Belongs here: the rules by which a token counts or is dropped, with the reason. Does not: whether a
computer of that name exists (`inventory.lookup`), nor how HTML becomes text (`tdx.html`). The rules
are written down in `docs/discovery.md`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tdx_dagster.discovery import contexts
from tdx_dagster.discovery.addresses import FILL, Address, is_file_name, mask_addresses
from tdx_dagster.discovery.candidates import (
    MAX_KEY_LENGTH,
    Candidate,
    Dropped,
    IdentifierSettings,
    Reading,
    Reason,
    Scan,
    compiled,
)
from tdx_dagster.discovery.everyday import Everyday, everyday
from tdx_dagster.discovery.labels import NAME, SERIAL, Labelled, labels_of
from tdx_dagster.discovery.ranges import Range, ranges
from tdx_dagster.discovery.readings import (
    SHORTEST_SERIAL,
    is_searched_for,
    looks_like_identifier,
    readings_of,
)
from tdx_dagster.discovery.tables import values_below
from tdx_dagster.discovery.text import LONGEST_TEXT, prepared
from tdx_dagster.discovery.tokens import TOKEN
from tdx_dagster.inventory.keys import fold_key

__all__ = ["Candidate", "Dropped", "IdentifierSettings", "Reading", "Scan", "candidates", "scan"]

_HEX_NUMBER = re.compile(r"0x[0-9a-f]+", re.IGNORECASE)


def candidates(text: str, settings: IdentifierSettings) -> tuple[Candidate, ...]:
    """Give the parts of a visible text that may name a computer, in order of appearance, each once."""
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
    """Give each candidate once. What a label names somewhere is the same thing elsewhere."""
    named = {key for one in found if one.is_labelled for key in one.keys[:1]}
    seen: set[tuple[Reading, ...]] = set()
    for candidate in found:
        is_repeated = not candidate.is_labelled and candidate.keys[0] in named
        if candidate.readings not in seen and not is_repeated:
            seen.add(candidate.readings)
            yield candidate


def _matches_of_patterns(folded: str, settings: IdentifierSettings) -> Iterator[Candidate]:
    for pattern in settings.identifier_patterns:
        for match in compiled(pattern).finditer(folded):
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
_LABEL_WORD = re.compile(
    r"(?:pc|computer|laptop|machine|name|host|hostname|device|serial|tag|sn|number|no|server|affected|location|room"
    r"|subject|re|fwd|issue|problem|model|user|id|asset|workstation|kiosk|mac|rechner)s?",
    re.IGNORECASE,
)
# A serial number in groups for easier reading.
_GROUPS = re.compile(
    r"(?=[A-Z0-9]*[0-9]|[A-Z]{2,3}[ ])[A-Za-z0-9]{2,8}(?:[ ](?=[A-Za-z]*[0-9])[A-Za-z0-9]{2,6}){1,5}(?![\w-])"
)
_LONGEST_SERIAL = 24


class _Token(NamedTuple):
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
        odd = [number for number, token in enumerate(self._tokens) if not _is_word(token[0])]
        self._other.update(contexts.tokens_before_plural(self._unlabelled, self._tokens, odd))
        starts = [self._tokens[number].start() for number in odd]
        self._ranges = {one.position: one for one in ranges(self._unlabelled, starts)}
        marked = self._says.keys() | self._hosts
        worth = {*odd, *(n for n, token in enumerate(self._tokens) if token.start() in marked)}
        self._worth = [self._tokens[number] for number in sorted(worth)]
        self._skip_to = 0
        self._numbers: set[str] = set()
        self._judged: set[tuple[object, ...]] = set()
        self._everydays: dict[str, Everyday] = {}

    def run(self) -> Iterator[Candidate | Dropped]:
        """Judge every address and token."""
        for address in self._addresses:
            yield from self._address(address)
        for match in self._worth:
            if match.start() >= self._skip_to and not self._is_plain(match):
                yield from self._token(match)

    def _address(self, address: Address) -> Iterator[Candidate | Dropped]:
        if address.kind == "groups" and address.text.lower().startswith("vmware-"):
            key = fold_key(address.text)
            if key and not self._settings.ignores(key):
                yield Candidate(
                    address.text,
                    (Reading(key, SERIAL),),
                    address.position,
                    is_labelled=True,
                    looks_like_identifier=False,
                )
                return
        yield Dropped(address.text, address.position, address.meaning)

    def _is_plain(self, match: re.Match[str]) -> bool:
        """Tell whether a token is a ruled line, or a number that was judged before."""
        token = match[0]
        if token in self._numbers and match.start() not in self._says:
            before = self._unlabelled[max(0, match.start() - 3) : match.start()]
            return "-" not in before
        if token.isdigit():
            self._numbers.add(token)
        return (
            not token.strip("_")
            and match.start() not in self._says
            and match.start() not in self._hosts
        )

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
        if is_file_name(token.text):
            yield from self._dropped(token.text, position, Reason.FILE_NAME)
        elif self._is_other(token):
            yield from self._dropped(token.text, position, Reason.OTHER_KIND)
        elif (joined := self._broken(match)) is not None:
            yield from joined
        elif grouped := self._grouped(token):
            yield from grouped
        elif self._is_new(token.text, says, token.is_host, self._is_called(token)):
            yield from self._judge(token)

    def _wanted(self, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
        return tuple(one for one in readings if not self._settings.ignores(one.key))

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
            yield Candidate(
                one.text,
                (Reading(whole),),
                one.position,
                is_labelled=False,
                looks_like_identifier=False,
            )
        for member, key in zip(one.members, keys, strict=True):
            if not self._settings.ignores(key):
                yield Candidate(
                    member,
                    (Reading(key, ("name",)),),
                    one.position,
                    is_labelled=False,
                    looks_like_identifier=False,
                    range_keys=keys,
                )

    def _broken(self, match: re.Match[str]) -> list[Candidate | Dropped] | None:
        """Give a name with a blank or a line break after its hyphen; None where this token is whole."""
        text, position, tail = self._unlabelled, match.start(), match[0]
        before = None if position in self._says else _break_before(text, position)
        if before is None or _is_whole(before, tail):
            return None
        start = before.start(1)
        joined = f"{_last_token(text, start, before.end(1))}-{tail}"
        if fold_key(joined) is None or len(joined) > MAX_KEY_LENGTH:
            return list(self._dropped(tail, position, Reason.BROKEN))
        wanted = self._wanted(readings_of(joined, None))
        if not wanted or not self._is_new(joined, "broken"):
            return []
        return [Candidate(joined, wanted, start, is_labelled=False, looks_like_identifier=False)]

    def _grouped(self, token: _Token) -> list[Candidate | Dropped]:
        """Give the readings of a labelled number or serial number that is written in groups."""
        if token.says is None or token.says.fields == NAME or token.says.is_other:
            return []
        found = _GROUPS.match(self._unlabelled, token.position)
        if found is None:
            return []
        groups = found[0].split(" ")
        joins = ["".join(groups[:count]) for count in range(len(groups), 1, -1)]
        is_one = all(len(group) < SHORTEST_SERIAL for group in groups)
        keys = [fold_key(join) for join in joins if len(join) <= _LONGEST_SERIAL]
        if len(token.text) >= SHORTEST_SERIAL:
            keys.append(fold_key(token.text))
        wanted = [key for key in keys if key and not self._settings.ignores(key)]
        readings = tuple(Reading(key, (field,)) for key in wanted for field in token.says.fields)
        if not readings:
            return []
        if is_one or len(token.text) < SHORTEST_SERIAL:
            self._skip_to = found.end()
        written = found[0] if is_one else token.text
        return [
            Candidate(
                written,
                readings,
                token.position,
                is_labelled=True,
                looks_like_identifier=looks_like_identifier(wanted[-1], is_labelled=True),
            )
        ]

    def _is_called(self, token: _Token) -> bool:
        return self._everyday(token.text) is Everyday.COMPOUND and contexts.is_called_computer(
            self._bare, token.position, token.end
        )

    def _judge(self, token: _Token) -> Iterator[Candidate | Dropped]:
        """Give a token as candidate, or the reason against it."""
        written, says = token.text, token.says
        readings = readings_of(written, says, is_host=token.is_host)
        if token.is_page:
            readings = tuple(one for one in readings if not one.key.isalpha())
        wanted = self._wanted(readings)
        if why := _why_not(token, readings, wanted):
            yield from self._dropped(written, token.position, why)
            return
        how = self._everyday(written)
        yield Candidate(
            written,
            wanted,
            token.position,
            says is not None,
            how is Everyday.NO and is_searched_for(written, wanted, says),
            is_everyday=self._is_everyday(token, how),
        )

    def _everyday(self, token: str) -> Everyday:
        if token not in self._everydays:
            self._everydays[token] = everyday(token)
        return self._everydays[token]

    def _is_everyday(self, token: _Token, how: Everyday) -> bool:
        if token.says is not None or token.is_host:
            return False
        if how is Everyday.NO and "." in token.text:
            first = token.text.partition(".")[0]
            how = Everyday.YES if everyday(first) is Everyday.YES else Everyday.NO
        return how is Everyday.YES or (how is Everyday.COMPOUND and not self._is_called(token))


def _is_word(token: str) -> bool:
    return token.isalpha() and token.isascii()


def _break_before(text: str, position: int) -> re.Match[str] | None:
    """Give the piece of a name before a break that ends where a token begins."""
    if not text[max(0, position - 20) : position].rstrip(" \t\n>").endswith("-"):
        return None
    return _BROKEN_BEFORE.search(text, max(0, position - 80), position)


def _is_whole(before: re.Match[str], tail: str) -> bool:
    """Tell whether a token behind a hyphen and a break is a name of its own and not the rest of one."""
    head, gap = before[1], before[2]
    has_digit = any(c.isdigit() for c in tail)
    if _LABEL_WORD.fullmatch(head):
        return True
    if head.isupper() or any(c.isdigit() for c in head):
        return False
    return gap.startswith((" ", "\t")) or not has_digit or ("-" in tail and "\n" not in gap)


def _last_token(text: str, start: int, end: int) -> str:
    """Give the token that ends where a name is broken, with its own hyphens."""
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
