"""What a token is (rules 1 to 3): how a folded text is cut."""

import re

from tdx_dagster.inventory.keys import MARK

# No possessive repeat of a group, here or elsewhere: Python up to 3.11.4, which Debian 12 ships, gives
# back too little of a failed turn and keeps the "-" or "." behind a token.
_LABEL = rf"[\w{MARK}]++(?:-[\w{MARK}]++)*"

# Letters, digits, underscores and single hyphens; labels of a host name or a version joined by
# single dots. Two hyphens or two dots in a row separate, and so does a dot beside a hyphen.
TOKEN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

# "1.CHEM-A101" at the beginning of a line is the first item of a list, not a host name.
_LIST_NUMBER = re.compile(r"^[\s>*-]*[0-9]{1,2}\.(?=[A-Za-z])", re.MULTILINE)


def take_out_list_numbers(text: str) -> str:
    """A text of the same length with blanks for numbers that are glued to the items of a list."""
    return _LIST_NUMBER.sub(lambda number: " " * len(number[0]), text)
