"""Values of cookies are percent-encoded, both ways."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import cookie_parser

from millpond.policy.http.cookie_value import decoded, encoded, is_cookie_attribute, is_cookie_name

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)


@given(value=TEXTS | st.text(st.sampled_from('%25aF"\\;,= \n日\u00e9'), max_size=12))
def test_any_text_comes_back_from_a_header_as_it_was(value: str) -> None:
    header = f"other=1; name={encoded(value)}; last=2"
    assert header.isascii()
    assert header.isprintable()
    assert {name: decoded(held) for name, held in cookie_parser(header).items()} == {
        "other": "1",
        "name": value,
        "last": "2",
    }


@pytest.mark.parametrize(
    ("value", "held"),
    [
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("a b;c,d=e", "a%20b%3Bc%2Cd%3De"),
        ("100%", "100%25"),
        ('{"a":1}', "%7B%22a%22%3A1%7D"),
        ("Az09-_.!~*'()", "Az09-_.!~*'()"),
        ("+/@", "%2B%2F%40"),
        ("\u00e9\x00\n", "%C3%A9%00%0A"),
        ("", ""),
    ],
)
def test_a_value_is_held_as_encode_uri_component_has_it(value: str, held: str) -> None:
    assert encoded(value) == held
    assert decoded(held) == value


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        encoded("\ud83d")


@pytest.mark.parametrize("value", ["50%", "%zz", "%2", "a%20b%", "%ff", "%E6%97", "%ED%A0%80", "%C0%80", "+"])
def test_what_is_not_percent_encoded_text_stays_as_it_came(value: str) -> None:
    assert decoded(value) == value


def test_decoding_takes_no_longer_than_the_value_is() -> None:
    began = time.process_time()
    for value in ("%41" * 20_000, "%" * 60_000, "%41" * 20_000 + "%", "%ff" * 20_000):
        decoded(value)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("__Host-a.b", True), ("version", True), ("a:b", True), ("", False), ("a b", False), ("a=b", False)]
    + [(name, False) for name in ("a;b", "日", "a\n", "(a)", "a,b", '"a"', "a/b")],
)
def test_a_name_is_a_token(name: str, good: bool) -> None:
    assert is_cookie_name(name) is good


@pytest.mark.parametrize("value", ["/a;b", "/a\n", "/日", "/\x7f"])
def test_an_attribute_stays_within_its_place(value: str) -> None:
    assert is_cookie_attribute("/a b?c=d%20~")
    assert not is_cookie_attribute(value)
