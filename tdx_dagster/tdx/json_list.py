"""A long JSON list, element by element: the whole inventory comes in one answer.

Belongs here: cutting such an answer into its elements without holding all of them at once. Does not: what
an element is, nor any shorter answer (`http`).
"""

import json
import re
from collections.abc import Generator, Iterator

from tdx_dagster.tdx.errors import TdxBadAnswer

_BLANKS = re.compile(r"[ \t\r\n]*")


def iter_list(body: bytes) -> Iterator[object]:
    """Give the elements of a JSON list.

    NaN and the infinities pass, since one such number must not cost the whole inventory (case E03); whoever
    stores the elements takes them out.

    Args:
        body: The list as UTF-8.

    Raises:
        TdxBadAnswer: It is no list, or is broken; perhaps after some elements were given.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TdxBadAnswer("it is not UTF-8") from error
    at = _after_blanks(text, 0)
    if text[at : at + 1] != "[":
        raise TdxBadAnswer("it is no JSON list")
    at = _after_blanks(text, at + 1)
    if text[at : at + 1] != "]":
        at = yield from _elements(text, at)
    if _after_blanks(text, at + 1) < len(text):
        raise TdxBadAnswer("something follows its JSON")


def _elements(text: str, at: int) -> Generator[object, None, int]:
    """Give each element from a place on; the result is the place of the closing bracket."""
    read = json.JSONDecoder().raw_decode
    while True:
        try:
            value, at = read(text, _after_blanks(text, at))
        except (ValueError, RecursionError) as error:
            raise TdxBadAnswer("its JSON is broken") from error
        yield value
        at = _after_blanks(text, at)
        if text[at : at + 1] == "]":
            return at
        if text[at : at + 1] != ",":
            raise TdxBadAnswer("its JSON is broken")
        at += 1


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at
