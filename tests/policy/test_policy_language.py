"""Which offered language a client gets: the lookup of RFC 4647 §3.4, with the qualities of RFC 9110 §12.5.4."""

from __future__ import annotations

import time

import pytest

from millpond.policy.variants.language import chosen_language, is_language

OFFERED = ("en", "de", "zh-Hant", "pt-BR")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-CH", "de"),
        ("de-CH,fr;q=0.3", "de"),
        ("fr, de;q=0.8, en;q=0.7", "de"),
        ("fr, en;q=0.7, de;q=0.8", "de"),
        ("fr", "en"),
        ("de;q=0.5, en;q=0.5", "de"),  # of equal ones, what is written first
        ("en;q=0.5, de;q=0.5", "en"),
        ("de, en", "de"),
        ("zh-Hant-CN-x-private1-private2", "zh-Hant"),  # the example of RFC 4647 §3.4
        ("zh-Hans", "en"),
        ("zh", "en"),  # a range finds no longer tag
        ("pt-br", "pt-BR"),
        ("pt", "en"),
        ("*", "en"),
        ("fr, *;q=0.1", "en"),
        ("*, de;q=0.1", "de"),
        ("en;q=0, *", "de"),
        ("en;q=0", "de"),
        ("en;q=0, de;q=0, zh-hant;q=0, pt-br;q=0", "en"),
        ("*;q=0", "en"),
        ("*;q=0, de", "de"),
        ("de;q=0, de-CH", "en"),
        ("de-CH;q=0, de", "de"),
        ("de ; q = 0.9 , en;q=0.8", "de"),
        ("de;q=1.5", "de"),
        ("de;q=2, en;q=0.1", "en"),  # no quality: the member is ignored
        ("de;level=1, en;q=0.1", "en"),
        ("d€, pt-BR", "pt-BR"),
        ("a-b-c-d-e-f-g-h-i-j, de", "de"),
        ("toolongatag, de", "de"),
        (",,de,,", "de"),
    ],
)
def test_the_language_that_a_client_gets(accepted: str, language: str) -> None:
    assert chosen_language(accepted, OFFERED) == language


def test_a_header_without_end_is_ignored_and_takes_no_time() -> None:
    began = time.perf_counter()
    for part in ("de,", "a-" * 8 + "b,", ";q=0,", " ", "de;q=0." + "0" * 50):
        assert chosen_language(part * 10_000, OFFERED) == "en"
        assert chosen_language((part * 1024)[:1024], OFFERED) in OFFERED
    assert time.perf_counter() - began < 1


def test_tags_are_offered_and_nothing_else() -> None:
    assert [tag for tag in ("en", "de-CH", "zh-Hant-TW", "*", "", "de_CH", "de-", "ünlü") if is_language(tag)] == [
        "en",
        "de-CH",
        "zh-Hant-TW",
    ]
