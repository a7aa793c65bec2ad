"""Values in the columns of a table that a label heads.

Belongs here: tables with tabs, pipes, commas or aligned blanks, and which column a cell stands in.
Does not: label words (`labels`), words for other kinds of things (`contexts`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tdx_dagster.discovery.contexts import names_other_kind
from tdx_dagster.discovery.labels import Labelled, heads
from tdx_dagster.discovery.tokens import TOKEN

# More columns than these are no table that people read.
_MOST_COLUMNS = 60
# Fewer without a label of a computer are rather a sentence.
_FEWEST_COLUMNS = 3

_CELL_BORDERS = {
    "tab": re.compile(r"[\t|]"),
    "semicolon": re.compile(r"\s*;\s*(?=(?:[^\"]*\"[^\"]*\"){0,60}[^\"]*$)"),
    "comma": re.compile(r"\s*,\s*(?=(?:[^\"]*\"[^\"]*\"){0,60}[^\"]*$)"),
    "blanks": re.compile(r"[ ]{2,}"),
}
_LONGEST_LINE = 2000
_RULE = re.compile(r"[\s|:+=_-]+")

# Heads of tables of computers, and of those in which a "tag" is something else.
_COMPUTERS = re.compile(
    r"\b(?:name|serial|s/n|asset|computer|pc|device|host\w*|machine|model|manufacturer|make|laptop|room|user"
    r"|owner|location|building)\b",
    re.IGNORECASE,
)
_NETWORK = re.compile(
    r"\b(?:v?lans?|ports?|switch|interface|trunk|subnet|uhrzeit|datum|plate|price|colou?r|size|branch|commit"
    r"|image|repo\w*|version|hashtag|post|page|vehicle|lot)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Head:
    border: re.Pattern[str]
    cells: tuple[_Cell, ...]
    says: tuple[Labelled | None, ...]
    is_other: tuple[bool, ...]


def values_below(text: str) -> Iterator[tuple[int, Labelled | None]]:
    """Find the values in columns with a head.

    Returns:
        Where each begins, with what the head says of it; None where it names another kind of thing.
    """
    head: _Head | None = None
    start = 0
    if not _may_head(text):
        return
    for line in text.split("\n"):
        is_short = len(line) <= _LONGEST_LINE
        if is_short and (new := _head(line)) is not None:
            head = new
        elif head is not None and not _RULE.fullmatch(line or "x"):
            cells = _cells(line, head.border) if is_short else ()
            if not line.strip() or not _fits(head, cells):
                head = None
            else:
                yield from _below(head, cells, start)
        start += len(line) + 1


def _head(line: str) -> _Head | None:
    if not _may_head(line) or not line.strip() or any(c.isdigit() for c in line):
        return None
    for border in _CELL_BORDERS.values():
        cells = _cells(line, border)
        if not 1 < len(cells) <= _MOST_COLUMNS:
            continue
        names = [cell.text.strip(" *:_\"'\t`") for cell in cells]
        says = tuple(_says(name, names) for name in names)
        is_other = tuple(names_other_kind(name) for name in names)
        if any(says) or (
            any(is_other) and _COMPUTERS.search(line) and len(names) >= _FEWEST_COLUMNS
        ):
            return _Head(border, cells, says, is_other)
    return None


_MAY_HEAD: Callable[[str], re.Match[str] | None] = re.compile(r"[\t|,;]|  ").search


def _may_head(line: str) -> bool:
    return _MAY_HEAD(line) is not None


def _says(name: str, names: list[str]) -> Labelled | None:
    says = heads(name)
    if says is None or says.is_strong:
        return says
    others = [other for other in names if other != name]
    if any(_NETWORK.search(other) for other in others):
        return None
    return says if any(_COMPUTERS.search(other) for other in others) else None


def _cells(line: str, border: re.Pattern[str]) -> tuple[_Cell, ...]:
    cells, start = [], 0
    for found in border.finditer(line):
        cells.append(_Cell(line[start : found.start()], start, found.start()))
        start = found.end()
    return (*cells, _Cell(line[start:], start, len(line)))


def _fits(head: _Head, cells: tuple[_Cell, ...]) -> bool:
    if head.border is _CELL_BORDERS["blanks"]:
        return len(cells) > 1
    return len(cells) == len(head.cells)


def _below(
    head: _Head, cells: tuple[_Cell, ...], start: int
) -> Iterator[tuple[int, Labelled | None]]:
    for number, cell in enumerate(cells):
        column = number if len(cells) == len(head.cells) else _column(head, cell)
        if column is None or not (head.says[column] or head.is_other[column]):
            continue
        if value := TOKEN.search(cell.text):
            yield start + cell.start + value.start(), head.says[column]


def _column(head: _Head, cell: _Cell) -> int | None:
    """Give the only column over a cell of an aligned table in whose row a cell is empty."""
    over = [
        number
        for number, one in enumerate(head.cells)
        if one.start < cell.end and cell.start < one.end
    ]
    return over[0] if len(over) == 1 else None
