"""Parts of a text that are taken out whole before it is cut into tokens.

Belongs here: addresses of pages, mail, machines and objects, paths and file names, whose parts look
like identifiers and are none; the hosts in them, which may be. Does not: single tokens that do not
count (`identifiers`).
"""

# ruff: noqa: E501  the expressions list words, among them such signs, as people write them

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Takes the place of what was taken out: no blank, so that no label reaches across it, and no word.
FILL = "\x1a"

_URL_CHARACTERS = r"[^\s<>\"`|\\^{}\x1a。、「」]"

# Hosts under these, followed by a path, are pages even when the scheme was left out.
_TOP_LEVEL = "edu|com|org|net|gov|mil|int|io|us|ca|uk|au|de|fr|info|biz|app|dev|cloud|ai|co"

_HEX = "[0-9a-f]"

_EXTENSION = (
    "pdf|docx?|docm|dotx?|xlsx?|xlsm|xlsb|csv|tsv|pptx?|ppsx?|odt|ods|odp|rtf|txt|md|log|te?xt?|png|jpe?g|gif"
    "|bmp|tiff?|svg|heic|webp|ico|psd|ai|eps|mp3|mp4|m4a|m4v|mov|avi|mkv|wav|zip|rar|7z|t?gz|tar|bz2|xz|iso"
    "|dmg|pkg|exe|msi|dll|sys|bat|cmd|ps1|vbs|sh|py|ipynb|r|rmd|js|ts|json|xml|ya?ml|html?|css|php|sql|db"
    "|accdb|mdb|ini|cfg|conf|config|plist|reg|inf|dmp|bak|tmp|old|orig|eml|msg|pst|ost|vcf|ics|rdp|ica|vmdk"
    "|vhdx?|ova|qcow2|dta|sav|sas7bdat|mat|fig|tex|bib|epub|key|numbers|pages|cer|crt|pem|pfx|ppk|lnk|url|evtx"
)

_SEGMENT = r"[^\s\\/:*?\"<>|,;\x1a]{1,120}"
# A folder with blanks in its name is taken for one only where it holds letters alone: "C:\Program Files\x".
_WORDS = r"[A-Za-z&()-]{1,30}(?:[ ][A-Za-z0-9&()-]{1,12}){1,4}"

# Each alternative may begin at one place of a run of its characters only, so that a long run of
# letters (a pasted key, a picture in base64) costs one step and not one for each of its characters.
_ADDRESSES = re.compile(
    rf"""
    # Most places are ruled out here: the middle of a word, and words with nothing of an address.
    (?<!\w) (?:
    (?<![\\/]) (?P<unc> (?:\\\\|//) (?P<unchost> [\w-]++(?:\.[\w-]++)* ) (?P<uncrest> [\\/][^\s"<>|,;\x1a]*+ )? )
    |
    (?= [^\s:@/.-]{{0,70}}+ [:@/.-] | {_HEX}{{2}}[ ] )
    (?:
      (?P<url>
          (?: (?P<scheme>[a-z][a-z0-9+.-]{{1,20}}+) :// | mailto:(?=\S) | data:[a-z]+/[a-z0-9.+-]+[;,] )
          {_URL_CHARACTERS}*+
        | cid: [^\s\]]++
      )
    | (?P<folder> [a-z]:[\\/] (?: (?:{_SEGMENT}|{_WORDS}) [\\/] ){{0,40}} (?:{_SEGMENT})? )
    | (?<!\S) (?P<unixpath> [~.]? /(?=[\w.-]+/) [^\s"<>|,;\x1a]++ )
    | (?P<mail> (?<![.%+'-]) [\w.%+'-]++ @ (?P<mailhost> (?:[\w-]++\.)+ [a-z]{{2,}} ) )
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
    ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_MEANING = {
    "url": "part of a web address",
    "unc": "part of a path",
    "folder": "part of a path",
    "unixpath": "part of a path",
    "path": "part of a web address",
    "mail": "a mail address",
    "uuid": "a UUID",
    "mac": "a hardware address",
    "ipv6": "a network address",
    "groups": "groups of hexadecimal pairs",
}
FILE_NAME = "a file name"

_FILE = re.compile(rf"[\w.-]*\.(?:(?-i:{_EXTENSION}|{_EXTENSION.upper()}))")
_QUOTED_FILE = re.compile(
    rf"[\"“”'](?P<file>[\w .()+-]{{1,120}}\.(?:{_EXTENSION}))[\"“”']", re.IGNORECASE
)

# The page goes on in the next line where a mail program broke it.
_WRAPPED = re.compile(r">?\n(?=\S)")
_NEXT_PIECE = re.compile(r"[^\s<>\"]+")
_GOES_ON = re.compile(r"[/=%&?]|\.(?:html?|php|aspx?|pdf|jsp)\b", re.IGNORECASE)
_LONG_LINE = 60

# Programs that reach a machine, and whose argument user@host looks like a mail address.
_REMOTE_SCHEMES = frozenset(
    [
        "ssh",
        "sftp",
        "scp",
        "smb",
        "cifs",
        "afp",
        "nfs",
        "vnc",
        "rdp",
        "telnet",
        "ftp",
        "rsync",
        "sshfs",
        "x2go",
    ]
)
_WEB_SCHEMES = frozenset({"http", "https"})
_REMOTE_COMMAND = re.compile(
    r"(?<![\w-])(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id|autossh|sshfs)(?:\s+(?:in)?to)?"
    r"(?:\s+(?:-{1,2}\S+(?:\s+[^\s@-]\S{0,40})?|[^\s@]*[/:.][^\s@]*)){0,5}\s+$",
    re.IGNORECASE,
)
_PROMPT = re.compile(r":[~/]")
_URL_HOST = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^/@\s]*@)?(?P<host>[\w-]+(?:\.[\w-]+)*)", re.IGNORECASE
)
_FAMILIAR_HOST = re.compile(r"(?=.*[0-9])(?!www)[a-z][\w-]*", re.IGNORECASE)
_FOREIGN = re.compile(r"\.(?:com|net|io|app|cloud|co|ai|dev|us|me|ly|info|biz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A piece of text that was taken out.

    Args:
        text: As written.
        position: Where it begins, counted in characters of the prepared text.
        meaning: What it was, for people.
        kind: Which kind of address.
    """

    text: str
    position: int
    meaning: str
    kind: str


def is_file_name(token: str) -> bool:
    """Tell whether a token ends in the extension of a file, written as file names are."""
    return "." in token and _FILE.fullmatch(token) is not None


def mask_addresses(text: str) -> tuple[str, tuple[Address, ...], frozenset[int]]:
    """Replace the addresses of a prepared text.

    Returns:
        A text of the same length in which only hosts that may be named are left of addresses; the
        addresses; where those hosts begin that are written as user@host or with a remote scheme.
    """
    found = []
    hosts: set[int] = set()
    pieces, end = [], 0
    for start, stop, address, host in _addresses(text):
        if start < end:
            continue
        found.append(address)
        pieces.append(text[end:start])
        if host is None:
            pieces.append(FILL * (stop - start))
        else:
            hosts.add(host[0])
            pieces += [FILL * (host[0] - start), text[host[0] : host[1]], FILL * (stop - host[1])]
        end = stop
    return "".join([*pieces, text[end:]]), tuple(found), frozenset(hosts)


_Found = tuple[int, int, Address, tuple[int, int] | None]


def _addresses(text: str) -> Iterator[_Found]:
    quoted = [
        (
            m.start("file"),
            m.end("file"),
            Address(m["file"], m.start("file"), FILE_NAME, "file"),
            None,
        )
        for m in _QUOTED_FILE.finditer(text)
        if " " in m["file"]
    ]
    plain = (_one(match, text) for match in _ADDRESSES.finditer(text))
    yield from sorted((*quoted, *plain), key=lambda found: found[:2])


def _one(match: re.Match[str], text: str) -> _Found:
    kind = next(name for name in _MEANING if match[name] is not None)
    start, stop = match.span(kind)
    host = None
    if kind == "unc":
        host = match.span("unchost")
    elif kind == "url":
        stop = _end_of_page(text, start, stop)
        host = _host_of_url(match, text)
    elif kind == "mail" and _reaches_a_machine(match, text):
        host = match.span("mailhost")
    # Of a page without a scheme the host stays: people name servers with a path behind them.
    return start, stop, Address(match[kind], start, _MEANING[kind], kind), host


def _end_of_page(text: str, start: int, stop: int) -> int:
    """Tell where a web address ends that a mail program has wrapped."""
    for _ in range(5):
        wrap = _WRAPPED.match(text, stop)
        piece = _NEXT_PIECE.match(text, wrap.end()) if wrap and wrap[0] == "\n" else None
        if piece is None:
            break
        is_bracketed = text[start - 1 : start] == "<" and text[piece.end() : piece.end() + 1] == ">"
        line = stop - max(text.rfind("\n", max(0, stop - 200), stop) + 1, stop - 200)
        is_open = text[stop - 1] in "-=&%_?"
        if not (is_bracketed or is_open or _GOES_ON.search(piece[0]) or line >= _LONG_LINE + 10):
            break
        stop = piece.end()
    return stop


def _host_of_url(match: re.Match[str], text: str) -> tuple[int, int] | None:
    """Tell where the host of an address stands that names a machine rather than a page."""
    scheme = (match["scheme"] or "").lower()
    if scheme not in _REMOTE_SCHEMES | _WEB_SCHEMES:
        return None
    found = _URL_HOST.match(text, match.start("url"), match.end("url"))
    if found is None:
        return None
    first = found["host"].partition(".")[0]
    if scheme in _WEB_SCHEMES and (
        not _FAMILIAR_HOST.fullmatch(first) or (_FOREIGN.search(found["host"]) and "-" not in first)
    ):
        return None
    return found.span("host")


def _reaches_a_machine(match: re.Match[str], text: str) -> bool:
    nearest = max(0, match.start() - 120)
    start = max(text.rfind("\n", nearest, match.start()) + 1, nearest)
    return bool(
        _PROMPT.match(text, match.end()) or _REMOTE_COMMAND.search(text, start, match.start())
    )
