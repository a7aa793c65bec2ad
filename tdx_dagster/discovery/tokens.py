"""How a prepared text is cut into tokens, and how identifiers are rewritten.

Belongs here: the shape of a token, marks of lists, and the spellings of one identifier. Does not:
whether a token counts (`identifiers`).
"""

import re

from tdx_dagster.inventory.keys import MARK

# Scripts written without blanks: a name stands glued between their characters.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)

# No possessive repeat of a group, here or elsewhere: Python up to 3.11.4, which Debian 12 ships, gives
# back too little of a failed turn and keeps the "-" or "." behind a token.
_CHARACTER = rf"(?:[^\W{UNSPACED}]|{MARK})"
_CHARACTERS = (
    rf"[^\W{UNSPACED}]++(?:{MARK}++[^\W{UNSPACED}]*+)*|{MARK}++(?:[^\W{UNSPACED}]++{MARK}*+)*"
)
_LABEL = rf"(?:{_CHARACTERS})(?:-(?:{_CHARACTERS}))*"

# Letters, digits, underscores and single hyphens; labels of a host name or a version joined by
# single dots. Two hyphens or two dots in a row separate, and so does a dot beside a hyphen.
TOKEN = re.compile(rf"{_LABEL}(?:\.(?:{_LABEL}))*")

# "1.CHEM-A101" at the beginning of a line is the first item of a list, not a host name, and the
# "1." of "1. 104233" is no asset tag. Only blanks of the same line come before it, so that each line
# is read once.
_LIST_MARK = re.compile(
    r"^[ \t>*-]{0,40}(?:[0-9]{1,2}|[A-Za-z])\.(?=[A-Za-z]{2,}[\w]*[-0-9])|^[ \t>*-]{0,40}[0-9]{1,2}[.)][ \t]",
    re.MULTILINE,
)


def mask_list_marks(text: str) -> str:
    """Replace the numbers and letters that mark the items of a list by blanks."""
    return _LIST_MARK.sub(lambda mark: " " * len(mark[0]), text)


# A scanner reads "1S", a machine type of ten characters and the serial number as one.
_SCANNED = re.compile(r"1S[0-9A-Z]{10}([0-9A-Z]{7,8})")
# The label of a ThinkPad shows PF-3K9T2B for the serial number PF3K9T2B.
_DASHED_SERIAL = re.compile(r"([A-Z][A-Z0-9])-((?=[0-9A-Z]*[0-9])(?=[0-9A-Z]*[A-Z])[0-9A-Z]{6})")


def serial_spellings(key: str, *, is_labelled: bool) -> tuple[str, ...]:
    """Give other spellings of a folded key that a serial number may have in the inventory."""
    if scanned := _SCANNED.fullmatch(key):
        return (scanned[1],)
    if dashed := _DASHED_SERIAL.fullmatch(key):
        return (dashed[1] + dashed[2],)
    if is_labelled and "-" in key and (compact := key.replace("-", "")).isalnum():
        return (compact,)
    return ()
