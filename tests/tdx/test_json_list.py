"""Cutting a long answer into its elements, whatever its shape."""

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdx_dagster.tdx.errors import TdxBadAnswer
from tdx_dagster.tdx.json_list import iter_list

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values=st.lists(VALUES), is_ascii=st.booleans())
def test_the_elements_are_those_of_the_whole(values: list[object], is_ascii: bool) -> None:
    """Whatever they are made of."""
    body = json.dumps(values, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    try:
        expected = json.loads(body)
    except UnicodeDecodeError:
        with pytest.raises(TdxBadAnswer, match="UTF-8"):
            list(iter_list(body))
        return
    assert list(iter_list(body)) == expected


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (b"", 0),
        (b"{}", 0),
        (b"<html>", 0),
        (b"[", 0),
        (b"[1, 2", 2),
        (b'[{"ID": 1}, {"ID": 2', 1),
        (b"[1 2]", 1),
        (b"[1,]", 1),
        (b"[1] and more", 1),
        (b'["\xff"]', 0),
        (b"[" * 100_000, 0),
    ],
)
def test_a_broken_list_is_an_error_after_what_came_before(body: bytes, given: int) -> None:
    """A cut answer must not pass for a short one (case A32)."""
    seen = []
    with pytest.raises(TdxBadAnswer):
        seen.extend(iter_list(body))
    elements = iter_list(body)
    for _ in range(given):
        next(elements)


def test_a_byte_order_mark_and_blanks_do_not_matter() -> None:
    """Whatever a gateway adds."""
    assert list(iter_list(b'\xef\xbb\xbf \r\n[ {"ID": 1} ,\t2 ]\n')) == [{"ID": 1}, 2]
    assert list(iter_list(b"[ ]")) == []


def test_e03_a_number_that_is_none_does_not_cost_the_others() -> None:
    """E03."""
    (found, other) = iter_list(b'[{"PurchaseCost": NaN}, {"ID": 2}]')
    assert isinstance(found, dict)
    assert math.isnan(found["PurchaseCost"])
    assert other == {"ID": 2}


@pytest.mark.slow
def test_a_long_list_takes_the_memory_of_its_text_and_not_of_its_elements() -> None:
    """As objects they would take several times as much."""
    body = json.dumps([{"ID": n, "Name": "x" * 500, "Nothing": None} for n in range(40_000)])
    raw = body.encode()
    del body
    tracemalloc.start()
    count = sum(1 for _ in iter_list(raw))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < len(raw) * 1.2


def test_one_element_of_eight_megabytes_is_read() -> None:
    """Long texts stand in inventories too."""
    big = {"ID": 1, "Name": "y" * 8_000_000}
    assert list(iter_list(json.dumps([big, {"ID": 2}]).encode())) == [big, {"ID": 2}]
