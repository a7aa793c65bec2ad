"""Normal forms of identifiers, shared by texts and records.

Belongs here: normal forms of a text and of a key, and the values that identify nothing. Does not:
which parts of a text are identifiers (`discovery.identifiers`).
"""

import re
import unicodedata

# Format characters and variation selectors: they show nothing and come from chat programs and
# editors.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0001-\U000e007f\U000e0100-\U000e01ef]+"
)

# Word processors turn a hyphen into one of these. The em dash is no hyphen: it separates (case
# B09).
_DASHES = re.compile("[\u2010-\u2013\u2212]")

# Circled digits, digits with a full stop and keycap emoji number the items of a list. Folded, they
# would melt into the name that follows them; after a name they are left alone and spoil it.
_LIST_MARK = re.compile("(?<![\\w-])(?:[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793]|[0-9#*]\u20e3)")

# Signs that compatibility folding would turn into letters glued to what stands before or after them.
_SIGNS = str.maketrans({"№": " no. ", "™": " ", "℠": " "})

_NOT_ASCII_SYMBOL = re.compile(r"[^\w\s\x00-\x7f]")

# Normalising sorts the combining marks on a letter, in quadratic time. No writing has as many.
_MARKS_OF_ONE_LETTER = 30
_LONG_RUN = re.compile(rf"([^\w\s\x00-\x7f]{{{_MARKS_OF_ONE_LETTER}}})[^\w\s\x00-\x7f]+")

# Stands for any combining mark that no letter absorbed; part of the token it sits on. It is one that
# never melts into a letter.
MARK = "\u20dd"

# What firmware and bad imports leave where an identifier should be (case B11). Compared as folded
# keys.
FILLERS = frozenset(
    {
        "0123456789",
        "0123456789ABCDEF",
        "123456789",
        "1234567890",
        "ASSET TAG",
        "ASSET-1234567890",
        "BASE BOARD SERIAL NUMBER",
        "CHASSIS SERIAL NUMBER",
        "DEFAULT",
        "DEFAULT STRING",
        "EMPTY",
        "INVALID",
        "N.A.",
        "N/A",
        "NA",
        "NAN",
        "NIL",
        "NO ASSET INFORMATION",
        "NO ASSET TAG",
        "NONE",
        "NOT APPLICABLE",
        "NOT AVAILABLE",
        "NOT SPECIFIED",
        "NULL",
        "O.E.M",
        "O.E.M.",
        "OEM",
        "SERIAL NUMBER",
        "SYSTEM SERIAL NUMBER",
        "TBD",
        "TEST",
        "TO BE FILLED BY O.E.M.",
        "TO BE FILLED BY OEM",
        "UNDEFINED",
        "UNKNOWN",
    }
)

# Nothing but zeros, X or punctuation: "0000000", "XXXXXXXX", "------".
_BLANK_PATTERN = re.compile(r"0+|X{2,}|[^0-9A-Z]+")


def fold_text(text: str) -> str:
    """Give a text with one way of writing for each character, ready to be cut into tokens.

    Compatibility forms become ASCII where they can, dashes that stand for a hyphen become one,
    invisible characters go. Letters keep their case, and those outside ASCII stay, so that a token
    that holds one is known not to match.
    """
    if text.isascii():
        return text
    # Invisible ones first: without them, what they kept apart may be one character.
    text = _LIST_MARK.sub(" ", _INVISIBLE.sub("", text)).translate(_SIGNS)
    text = _LONG_RUN.sub(r"\1", text)
    text = _DASHES.sub("-", unicodedata.normalize("NFKC", text))
    return _NOT_ASCII_SYMBOL.sub(_one_mark, text)


def _one_mark(symbol: re.Match[str]) -> str:
    """Keep a combining mark, which is no word character to `re`: a token must not end before one."""
    return MARK if unicodedata.category(symbol[0]).startswith("M") else symbol[0]


LONGEST_KEY = 255
"""Characters. What is longer is no identifier, and more than an index takes is no row of silver."""


def fold_key(value: str | None) -> str | None:
    """Give the form in which identifiers are compared, on both sides.

    Args:
        value: A name, serial number or tag as TDX has it, or a token of a text.

    Returns:
        Upper-case ASCII without outer blanks, or None where the value identifies nothing: it is
        blank, a filler such as `Default string`, too long, or holds a letter outside ASCII (cases
        B11, B19, E18).
    """
    if not value:
        return None
    key = " ".join(fold_text(value).replace("\0", "").split())
    if not key.isascii() or len(key) > LONGEST_KEY:
        return None
    key = key.upper()
    return None if key in FILLERS or _BLANK_PATTERN.fullmatch(key) or not key else key


_FULL_DOMAIN_NAME = re.compile(r"([A-Z0-9_-]*[A-Z][A-Z0-9_-]*)(?:\.[A-Z][A-Z0-9-]*)+")


def host_key(key: str | None) -> str | None:
    """Give the first label of a folded name that is a full domain name; None where it is none.

    `sql/` has the same rule as an expression with an index.
    """
    found = _FULL_DOMAIN_NAME.fullmatch(key or "")
    return found[1] if found else None
