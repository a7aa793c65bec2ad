"""Ranges and shortened lists of names: "LAB-01 through LAB-05", "LAB-01, 02 and 03".

Belongs here: which names a range stands for. Does not: whether they exist, on which the whole range
depends (`discover`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

LONGEST_RANGE = 30

# A number at the end of a list belongs to it only where no noun follows: "LAB-12, 30 chairs".
FOLLOWS = re.compile(
    r"""
    [ \t]*+ (?: $ | [\r\n;)\]"'”»(|\t] | [,:.!?&+/] (?!\d)
      | (?: are|is|was|were|have|has|had|do|does|did|don't|doesn't|dont|doesnt|will|would|won't|wont|can|cannot
          | can't|cant|could|need|needs|should|must|in|on|at|for|from|with|all|both|too|also|as|please|which
          | that|because|since|when|but|not|and|or|und|oder|sind|ist|haben|et|ou|sont|ont|y|o|son|est[aá]n|keep
          | show|stopped|failed|fail|crash|crashed|froze|freeze|again|today|now|still|never|went|got|seem
          | after|here|there|where|startet|starten|lost|lose|may|might|plus
        ) \b )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_NAME = r"(?<![\w.-])(?P<stem>[A-Za-z][\w-]{0,60}?)(?P<first>[0-9]{1,6})"
_WRITTEN_OUT = re.compile(
    rf"""
    {_NAME}
    (?P<link> \s{{1,3}} (?:through|thru|to|until|bis|hasta|-) \s{{1,3}} | \.\.\.? | - )
    (?P<again> (?P=stem) )? (?P<last>[0-9]{{1,6}}) (?![\w-]|[.:/]\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SHORTENED = re.compile(
    rf"""
    {_NAME}
    (?P<more> (?: (?: \s?,\s? (?:(?:and|or|und|oder|et|ou|y|o)\s)? | \s(?:and|or|&|und|oder|et|ou|y)\s )
                  [0-9]{{1,6}} (?![\w-]|[.:/]\d) ){{1,30}} )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+")

# "from A to B" is a way, not a range.
_WAY = re.compile(
    r"\b(?:from|move\w*|moving|transfer\w*|cop(?:y|ied|ying)|migrat\w*|connect\w*|switch\w*|swap\w*|renam\w*"
    r"|chang\w*|between|ping\w*|route\w*|upgrad\w*|replac\w*|von|de|desde)\b[^.;\n]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Range:
    """Names that a text abbreviates.

    Args:
        position: Where it begins.
        end: Where it ends.
        text: As written.
        members: All names in it, those that are written out included.
        is_one_token: Whether it is written as one token, which may itself be a name.
    """

    position: int
    end: int
    text: str
    members: tuple[str, ...]
    is_one_token: bool = False


def ranges(text: str) -> Iterator[Range]:
    """Find the ranges and shortened lists of a text, in order of their kinds."""
    for found in _WRITTEN_OUT.finditer(text):
        if (one := _written_out(found, text)) is not None:
            yield one
    for found in _SHORTENED.finditer(text):
        if (one := _shortened(found, text)) is not None:
            yield one


def _written_out(found: re.Match[str], text: str) -> Range | None:
    link = found["link"]
    is_glued = link == "-"
    if is_glued and not found["again"]:
        return None
    if not found["again"] and not FOLLOWS.match(text, found.end()):
        return None
    if link.strip().lower() == "to" and _WAY.search(
        text, max(0, found.start() - 80), found.start()
    ):
        return None
    first, last = int(found["first"]), int(found["last"])
    if not first < last < first + LONGEST_RANGE or not _same_width(found["first"], found["last"]):
        return None
    numbers = range(first, last + 1)
    return Range(found.start(), found.end(), found[0], _members(found, numbers), is_glued)


def _shortened(found: re.Match[str], text: str) -> Range | None:
    written = _NUMBER.findall(found["more"])
    numbers = [int(found["first"]), *map(int, written)]
    if (
        not FOLLOWS.match(text, found.end())
        or any(a >= b for a, b in pairwise(numbers))
        or len(numbers) > LONGEST_RANGE
        or not all(_same_width(found["first"], number) for number in written)
    ):
        return None
    return Range(found.start(), found.end(), found[0], _members(found, numbers))


def _same_width(first: str, other: str) -> bool:
    return len(first) == len(other) or "0" not in (first[0], other[0])


def _members(found: re.Match[str], numbers: list[int] | range) -> tuple[str, ...]:
    width = len(found["first"])
    return tuple(f"{found['stem']}{number:0{width}d}" for number in numbers)
