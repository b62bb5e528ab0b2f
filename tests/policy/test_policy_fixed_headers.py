"""Headers that are configured, beside those that an answer has itself."""

from __future__ import annotations

import pytest

from millpond.policy.http.fixed_headers import with_fixed

TYPE = (b"content-type", b"text/plain")
WHOLE_DAY = (b"cache-control", b"public, max-age=86400")


def test_a_configured_header_replaces_all_of_its_name() -> None:
    headers = [(b"X-A", b"1"), TYPE, (b"x-a", b"2"), (b"x-b", b"3")]
    assert with_fixed(headers, 200, ((b"x-a", b"0"), (b"x-c", b"4"))) == [
        TYPE,
        (b"x-b", b"3"),
        (b"x-a", b"0"),
        (b"x-c", b"4"),
    ]


@pytest.mark.parametrize(
    ("present", "added", "sent"),
    [
        ([], b"Cookie", b"Cookie"),
        ([b"accept-encoding"], b"Cookie, Accept-Encoding", b"accept-encoding, Cookie"),
        ([b"accept", b"Origin"], b"X", b"accept, Origin, X"),
        ([b"*"], b"Cookie", b"*"),
    ],
)
def test_vary_is_added_to(present: list[bytes], added: bytes, sent: bytes) -> None:
    headers = [(b"vary", value) for value in present]
    assert with_fixed(headers, 200, ((b"vary", added),)) == [(b"vary", sent)]


@pytest.mark.parametrize("status", [200, 204, 304, 308])
def test_a_header_for_caches_replaces_that_of_an_answer_that_caches_may_keep(status: int) -> None:
    assert with_fixed([(b"Cache-Control", b"s-maxage=60"), TYPE], status, (WHOLE_DAY,)) == [TYPE, WHOLE_DAY]


@pytest.mark.parametrize(
    ("status", "header"),
    [
        (404, TYPE),
        (500, TYPE),
        (200, (b"Set-Cookie", b"a=b")),
        (200, (b"Cache-Control", b"no-cache, No-Store")),
        (200, (b"cache-control", b"private, max-age=5")),
    ],
)
def test_a_header_for_caches_is_kept_away_from_answers_that_are_nobody_elses(
    status: int, header: tuple[bytes, bytes]
) -> None:
    assert with_fixed([header], status, (WHOLE_DAY, (b"x-a", b"0"))) == [header, (b"x-a", b"0")]
