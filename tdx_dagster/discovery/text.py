"""Preparation of a visible text before it is cut into tokens.

Belongs here: the length limit, line wraps and escapes of mail programs, footnote marks, list marks,
and mail headers. Does not: which parts are identifiers (`identifiers`), HTML (`tdx.html`).
"""

import re

from tdx_dagster.discovery.tokens import mask_list_marks
from tdx_dagster.inventory.keys import fold_text

LONGEST_TEXT = 500_000
"""Characters of one text that are read. The summary names a text that was cut."""

# Characters that look like a hyphen and stand between ASCII letters or digits.
_HYPHENS = re.compile(
    "(?<=[0-9A-Za-z])[\u02d7\u058a\u05be\u1806\u2043\u207b\u208b\u2796\u30fc\uff70](?=[0-9A-Za-z])"
)

# Compatibility folding would turn a footnote mark into a digit of the name before it.
_SUPERSCRIPT = re.compile("[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u1d43-\u1d47]+")

_QUOTED_PRINTABLE = re.compile(r"quoted-printable|=3D|[^\n]{60}=\r?\n", re.IGNORECASE)
_SOFT_BREAK = re.compile(r"=\r?\n")
_QUOTED_BYTE = re.compile(r"=([2-7][0-9A-F])")

_ESCAPES = re.compile(
    r"""
      \\u(?P<code>00[2-7][0-9a-fA-F]|20[0-9a-fA-F]{2})
    | (?<=[0-9.:,;!?)}\]"'\s>])\\(?P<break>[nrt])(?=[A-Z0-9])
    | (?<=[0-9A-Za-z])\\(?P<sign>[-_.*\#+])
    | (?<=[0-9A-Za-z])%(?P<byte>2[0D])(?=[0-9A-Za-z])
    """,
    re.VERBOSE,
)

# Headers of a mail that was pasted whole. The machines in them carried the mail.
_MAIL_HEADER = re.compile(
    r"^[>| \t]{0,8}(?:Received|Received-SPF|Return-Path|Message-ID|DKIM-Signature|Authentication-Results"
    r"|References|In-Reply-To|MIME-Version|Delivered-To|List-(?:Id|Unsubscribe|Help|Post)|ARC-[\w-]{1,40}"
    r"|X-(?!\d)[\w-]{1,60})"
    r":[ \t][^\n]*(?:\n[ \t]+[^\s:][^\n]*)*",
    re.MULTILINE | re.IGNORECASE,
)


def prepared(text: str) -> str:
    """Fold a visible text, join what was wrapped, and blank out what is no part of the message."""
    if "=" in text and _QUOTED_PRINTABLE.search(text):
        text = _QUOTED_BYTE.sub(_byte, _SOFT_BREAK.sub("", text))
    if not text.isascii():
        text = _HYPHENS.sub("-", _SUPERSCRIPT.sub(" ", text))
    if "\\" in text or "%" in text:
        text = _ESCAPES.sub(_unescaped, text)
    folded = fold_text(text)
    folded = _MAIL_HEADER.sub(lambda header: " " * len(header[0]), folded)
    return mask_list_marks(folded)


def _byte(code: re.Match[str]) -> str:
    return chr(int(code[1], 16))


def _unescaped(escape: re.Match[str]) -> str:
    if escape["code"]:
        return chr(int(escape["code"], 16))
    if escape["byte"]:
        return chr(int(escape["byte"], 16))
    return escape["sign"] or "\n"
