"""Where a text says "what follows is a serial number or a tag".

Belongs here: label words, what may stand between a label and its value, lists and table columns
under a label. Does not: what the value is worth (`identifiers`).
"""

import re
from collections.abc import Iterator

from tdx_dagster.discovery.tokens import TOKEN

_NUMBER = r"(?:[\s_-]{0,2}(?:numbers?|(?:num|nos?|nr)\.?))"
_OWNER = r"(?:service|svc|asset|property|inventory|equipment)"

# Tags that hang on other things than computers.
_OTHER_TAGS = "".join(
    rf"(?<!\b{word}[ -])" for word in ("vlan", "parking", "price", "license", "licence", "luggage")
)

_LABEL = re.compile(
    rf"""
    (?<![\w-])
    (?: serials? {_NUMBER}? (?:\(s\))?
      | s\.?\s?/\s?n {_NUMBER}?
      | s\.n\. | sns?
      | (?:{_OWNER}[\s_-]?)? {_OTHER_TAGS} tags? {_NUMBER}? (?:\(s\))?
      | (?:asset|property|inventory|equipment) (?: {_NUMBER} | (?=\s?\#) )
      | inv\.? {_NUMBER}
    )
    # Glued to a value, only the form with a stroke is a label: SN104233 is a token of its own.
    (?: (?!-?\w) | (?<=/n)(?=[0-9]) | (?<=\.)(?=[0-9]) )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_PUNCTUATION = r"[\s:=\#'\"“”\u2018\u2019`*~|(\[{<>→—-]"

# What may stand between a label and its value: punctuation and one small verb. A closing bracket only
# before a colon: "serial (S/N): 104233" names it, "(it has no tag) 104233" does not.
_GAP = re.compile(
    rf"""
    (?: {_PUNCTUATION} | [)\]](?=\s*[:=]) )*
    (?: (?:is|was|are|reads|says)\b {_PUNCTUATION}*+ )?
    """,
    re.VERBOSE | re.IGNORECASE,
)

# A label names what is near. Without bounds, a text of nothing but labels takes quadratic time.
_LONGEST_GAP = 60

# What separates the values of a list under a label in the plural.
_LIST_GAP = re.compile(r"(?:[\s,;/&+|]|(?<!\w)(?:and|or|plus)(?!\w))+", re.IGNORECASE)

_PLURAL = re.compile(r"s\)?\.?$", re.IGNORECASE)

_CELL_BORDER = re.compile(r"[\t|]")


def take_out_labels(text: str) -> tuple[str, frozenset[int]]:
    """A folded text of the same length with blanks for its labels, and where labelled tokens begin.

    A value is labelled when it directly follows the label, when it belongs to a list that follows a
    label in the plural, or when it stands in the column of a table that the label heads (rule 6).
    """
    labels = list(_LABEL.finditer(text))
    if not labels:
        return text, frozenset()
    pieces, end = [], 0
    for label in labels:
        pieces += [text[end : label.start()], " " * len(label[0])]
        end = label.end()
    bare = "".join([*pieces, text[end:]])
    positions = set(_values_below(text))
    for label in labels:
        for position in _values_after(label, text, bare):
            if position in positions:
                break
            positions.add(position)
    return bare, frozenset(positions)


def _values_after(label: re.Match[str], text: str, bare: str) -> Iterator[int]:
    gap = _GAP.match(bare, label.end(), label.end() + _LONGEST_GAP)
    if gap is None or not _reaches(label, gap[0], text):
        return
    yield gap.end()
    if not _PLURAL.search(label[0]):
        return
    value = TOKEN.match(bare, gap.end())
    while value:
        step = _LIST_GAP.match(bare, value.end(), value.end() + _LONGEST_GAP)
        value = TOKEN.match(bare, step.end()) if step else None
        if step is None or value is None or not _has_digit(value[0]):
            return
        if "\n" in step[0] and "\n" not in gap[0]:
            return
        yield value.start()


def _reaches(label: re.Match[str], gap: str, text: str) -> bool:
    """Across a line break a label reaches only from the end of a form field or a line of its own.

    "I lost the tag" and a telephone number in the next line have nothing to do with each other.
    """
    if "\n" not in gap:
        return True
    line = text[text.rfind("\n", 0, label.start()) + 1 : label.start()]
    return gap.lstrip(" \t").startswith((":", "=")) or not re.search(r"[\w\t|]", line)


def _values_below(text: str) -> Iterator[int]:
    """Values in columns that a label heads, in tables of `visible_text` and of spreadsheets."""
    columns: list[bool] = []
    start = 0
    for line in text.split("\n"):
        cells = _CELL_BORDER.split(line)
        heads = [bool(_LABEL.fullmatch(cell.strip(" *:_"))) for cell in cells]
        if len(cells) > 1 and any(heads) and not any(_has_digit(cell) for cell in cells):
            columns = heads
        elif len(cells) != len(columns):
            columns = []
        else:
            yield from _marked(cells, columns, start)
        start += len(line) + 1


def _marked(cells: list[str], columns: list[bool], start: int) -> Iterator[int]:
    for cell, is_marked in zip(cells, columns, strict=True):
        if is_marked and (value := TOKEN.search(cell)):
            yield start + value.start()
        start += len(cell) + 1


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
