"""A long JSON list, element by element: the whole inventory comes in one answer.

Belongs here: cutting such an answer into its elements without holding them all, or all of its text, at once.
Does not: what an element is, nor any shorter answer (`exchange`).
"""

import codecs
import json
from collections.abc import Iterator

from tdx_dagster.tdx.errors import TdxBadAnswer

# Some hundred assets.
PIECE = 2**20

_BLANKS = frozenset(" \t\r\n")
_ENDS = _BLANKS | frozenset(",]")


def iter_list(body: bytes) -> Iterator[object]:
    """Give the elements of a JSON list.

    NaN and the infinities pass, since one such number must not cost the whole inventory (case E03); whoever
    stores the elements takes them out.

    Args:
        body: The list as UTF-8.

    Raises:
        TdxBadAnswer: It is no list, or is broken; perhaps after some elements were given.
    """
    text = _Text(body)
    if text.take() != "[":
        raise TdxBadAnswer("it is no JSON list")
    if text.peek() == "]":
        text.take()
    else:
        yield text.value()
        while (mark := text.take()) == ",":
            yield text.value()
        if mark != "]":
            raise TdxBadAnswer("its JSON is broken")
    if text.peek():
        raise TdxBadAnswer("something follows its JSON")


class _Text:
    """The text of a body, of which only a window is decoded."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self._next = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._window = ""
        self._at = 0
        self._read = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            rest = self._window[self._at : self._at + 1]
            if rest in _BLANKS:
                self._at += 1
            elif rest or not self._more():
                return rest

    def take(self) -> str:
        """The same, passed over."""
        found = self.peek()
        self._at += len(found)
        return found

    def value(self) -> object:
        """The value that begins here."""
        self.peek()
        while True:
            try:
                value, end = self._read(self._window, self._at)
            except (ValueError, RecursionError) as error:
                # Perhaps it is only cut off by the window.
                if isinstance(error, RecursionError) or not self._more():
                    raise TdxBadAnswer("its JSON is broken") from error
                continue
            # A number may go on behind the window, also where this holds its point already.
            if self._window[end : end + 1] in _ENDS or not self._more():
                self._at = end
                return value

    def _more(self) -> bool:
        """Widen the window; each time by as much again, so that a long value is not read too often."""
        begin, left = self._next, len(self._window) - self._at
        if begin >= len(self._body):
            return False
        self._next = min(begin + max(PIECE, left), len(self._body))
        is_end = self._next == len(self._body)
        try:
            piece = self._decoder.decode(bytes(self._body[begin : self._next]), final=is_end)
        except UnicodeDecodeError as error:
            raise TdxBadAnswer("it is not UTF-8") from error
        self._window, self._at = self._window[self._at :] + piece, 0
        return True
