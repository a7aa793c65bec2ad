"""The cheap test of where a word begins: it rules out nothing that begins with one of the words."""

import re
import sys

from hypothesis import given
from hypothesis import strategies as st

from tdx_dagster.discovery.beginnings import begins_with, lowered

WORDS = st.text(alphabet="abs/é.-", min_size=1, max_size=5)


@given(words=st.lists(WORDS, min_size=1, max_size=6), text=st.text(alphabet="abs/é.-", max_size=8))
def test_an_expression_holds_where_a_text_starts_with_one_of_its_words(
    words: list[str], text: str
) -> None:
    """Also where one word is the beginning of another."""
    holds = re.compile(begins_with(" ".join(words))).match(text) is not None
    assert holds == text.startswith(tuple(words))


def test_small_letters_take_no_more_place_than_capitals() -> None:
    """What is found in the one text stands at the same place of the other."""
    for code in range(sys.maxunicode + 1):
        assert len(lowered(chr(code))) == 1


def test_a_letter_that_ignoring_case_takes_for_an_i_is_one() -> None:
    """Turkish capitals and small letters."""
    assert lowered("SER\u0130AL ser\u0131al") == "serial serial"
