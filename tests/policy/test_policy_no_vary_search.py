"""No-Vary-Search says what keys do. The parser of the header is not ours, and the comparison is the draft's."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote_to_bytes

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.http.caching.no_vary_search import no_vary_search
from millpond.policy.http.conditional import headers_of_304
from millpond.policy.key import canonical_query

if TYPE_CHECKING:
    from collections.abc import Callable

KNOWN = ["page", "sort", "utm_source", "é 気", 'a"b\\c', "%61"]
NAMES = st.lists(st.text(max_size=4) | st.sampled_from(KNOWN), max_size=4)
VALUES = st.text(max_size=4) | st.sampled_from(["", "1", "2", "a b", "a+b", "%", "é", "\ufeff"])

Variance = tuple[list[str] | None, bool]
"""The parameters that count, None for all; and whether their order does."""


def variance_of(names: tuple[str, ...]) -> Variance:
    """What a client makes of the header (section 4 of the draft)."""
    headers = no_vary_search(names)
    if not headers:
        return None, True
    ((_, value),) = headers
    said = http_sf.parse(value, tltype="dictionary")
    assert isinstance(said, dict)
    members = {name: member[0] if isinstance(member, tuple) else member for name, member in said.items()}
    assert members.get("params") is True
    excepted = members.get("except", [])
    assert isinstance(excepted, list)
    names_of = [item[0] if isinstance(item, tuple) else item for item in excepted]
    return [decoded(str(name).encode("ascii")) for name in names_of], not members.get("key-order", False)


def decoded(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")


def pairs(query: bytes) -> list[tuple[str, str]]:
    """The parser of application/x-www-form-urlencoded (URL Standard, section 5.1)."""
    found = []
    for sequence in query.split(b"&"):
        if sequence:
            name, _, value = sequence.partition(b"=")
            found.append((decoded(name), decoded(value)))
    return found


def equivalent(first: bytes, second: bytes, variance: Variance) -> bool:
    """Section 5 of the draft."""
    counting, ordered = variance
    if counting is None:
        return first == second
    lists = [[pair for pair in pairs(query) if pair[0] in counting] for query in (first, second)]
    if not ordered:
        lists = [sorted(found, key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass")) for found in lists]
    return lists[0] == lists[1]


def in_escapes(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "replace"))


@st.composite
def queries(draw: st.DrawFn, names: list[str]) -> bytes:
    """A query of these parameters and others, each written in one of the ways in which it can be."""
    known = st.sampled_from(names) if names else st.nothing()
    chosen = draw(st.lists(st.tuples(known | st.sampled_from(["utm_source", "q"]), VALUES), max_size=5))
    ways: list[Callable[[str], str]] = [quote, quote_plus, in_escapes]
    written = [
        "=".join(draw(st.sampled_from(ways))(text.encode("utf-8", "replace").decode()) for text in pair)
        for pair in chosen
    ]
    raw = draw(st.binary(max_size=4).map(lambda noise: noise.replace(b"#", b"")))
    return "&".join(written).encode("ascii") + draw(st.sampled_from([b"", b"&", b"&&x", b"&%ff=%80&" + raw]))


@given(st.data(), NAMES)
def test_urls_that_are_equivalent_by_the_header_have_one_key(data: st.DataObject, names: list[str]) -> None:
    names = [name for name in names if name.isascii() or name.encode("utf-8", "ignore")]
    first, second = data.draw(queries(names)), data.draw(queries(names))
    shuffled = b"&".join(data.draw(st.permutations(first.split(b"&"))))
    variance = variance_of(tuple(names))
    for other in (second, shuffled, first + b"&utm_campaign=x", b"%71=1&" + first):
        if equivalent(first, other, variance):
            assert canonical_query(names, first) == canonical_query(names, other)


@given(st.data(), NAMES)
def test_urls_with_other_values_of_a_parameter_of_the_key_are_not_equivalent(
    data: st.DataObject, names: list[str]
) -> None:
    first, second = data.draw(queries(names)), data.draw(queries(names))
    if canonical_query(names, first) != canonical_query(names, second):
        assert not equivalent(first, second, variance_of(tuple(names)))


@pytest.mark.parametrize(
    ("names", "value"),
    [
        ((), b"params"),
        (("page", "sort"), b'key-order, params, except=("page" "sort")'),
        (("é 気", 'a"b\\c', "a b"), b'key-order, params, except=("%C3%A9%20%E6%B0%97" "a%22b%5Cc" "a%20b")'),
        (("a", "a", "\ud800"), b'key-order, params, except=("a")'),
    ],
)
def test_the_header_of_a_list_of_parameters(names: tuple[str, ...], value: bytes) -> None:
    assert no_vary_search(names) == ((b"no-vary-search", value),)


def test_a_list_that_is_too_long_claims_nothing() -> None:
    assert no_vary_search(tuple(f"parameter-{number}" for number in range(200))) == ()


def test_a_byte_beyond_ascii_is_the_same_as_its_escape() -> None:
    assert canonical_query(["q"], b"q=\xc3\xa9") == canonical_query(["q"], b"q=%C3%A9") == "q=%C3%A9"


def test_a_304_repeats_the_header() -> None:
    assert headers_of_304(no_vary_search(())) == [(b"no-vary-search", b"params")]
