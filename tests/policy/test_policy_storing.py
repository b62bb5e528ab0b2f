"""What may be stored and shared: R3.16, R4.33, D5, D6."""

from __future__ import annotations

import pytest

from millpond.policy.http.storing import kept_headers, storable_status, unshareable


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299, 300, 301, 302, 303, 307, 308, 404, 410])
def test_good_answers_redirects_and_what_is_not_there_are_stored(status: int) -> None:
    assert storable_status(status)


@pytest.mark.parametrize(
    "status", [100, 101, 103, 199, 206, 304, 400, 401, 403, 405, 409, 418, 422, 429, 451, 500, 502, 503, 599]
)
def test_errors_parts_and_references_are_not(status: int) -> None:
    assert not storable_status(status)


def test_a_cookie_is_for_one_visitor() -> None:
    assert unshareable([(b"content-type", b"text/plain"), (b"set-cookie", b"a=1")]) == "the answer sets a cookie"


@pytest.mark.parametrize(
    "value", [b"private", b"no-store", b"max-age=0, PRIVATE", b"public,No-Store", b'private="x-user"', b" no-store "]
)
def test_a_handler_can_keep_its_answer_to_one_visitor(value: bytes) -> None:
    assert "Cache-Control" in (unshareable([(b"cache-control", value)]) or "")


def test_the_reason_names_the_directive_alone() -> None:
    assert unshareable([(b"cache-control", b"max-age=0, Private")]) == "the answer says Cache-Control: private"


@pytest.mark.parametrize("value", [b"*", b"accept, *", b"* ,accept"])
def test_an_answer_that_varies_by_everything_is_not_shared(value: bytes) -> None:
    assert unshareable([(b"vary", value)]) == "the answer says Vary: *"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"cache-control", b"public, max-age=60, must-revalidate"),
        (b"cache-control", b"x-private, no-storefront"),
        (b"cache-control", b'no-cache="a, private, b", ext="say \\"no-store\\", then"'),
        (b"vary", b"accept-encoding"),
        (b"x-private", b"no-store"),
    ],
)
def test_other_headers_forbid_nothing(name: bytes, value: bytes) -> None:
    assert unshareable([(name, value)]) is None


def test_the_second_of_two_lines_counts_too() -> None:
    assert unshareable([(b"cache-control", b"public"), (b"cache-control", b"private")]) is not None
    assert unshareable([(b"vary", b"accept"), (b"vary", b"*")]) is not None


def test_kept_names_are_lower_case_and_in_order() -> None:
    kept = kept_headers([(b"Content-Type", b"Text/Plain"), (b"X-A", b"1"), (b"X-a", b"2")])
    assert kept == ((b"content-type", b"Text/Plain"), (b"x-a", b"1"), (b"x-a", b"2"))


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"Keep-Alive",
        b"Proxy-Authenticate",
        b"Proxy-Connection",
        b"TE",
        b"Trailer",
        b"Transfer-Encoding",
        b"Upgrade",
    ],
)
def test_headers_of_one_connection_are_not_kept(name: bytes) -> None:
    assert kept_headers([(name, b"x")]) == ()


def test_headers_that_connection_lists_are_not_kept() -> None:
    headers = [(b"X-Hop", b"1"), (b"Connection", b"close, X-Hop"), (b"connection", b"x-other"), (b"X-Other", b"2")]
    assert kept_headers([*headers, (b"x-end", b"3")]) == ((b"x-end", b"3"),)


@pytest.mark.parametrize("name", [b"Content-Length", b"Date", b"Age", b"Cache-Status", b"X-Nextjs-Cache"])
def test_headers_that_are_made_when_sent_are_not_kept(name: bytes) -> None:
    assert kept_headers([(name, b"x")]) == ()


@pytest.mark.parametrize("name", [b"etag", b"last-modified", b"cache-control", b"vary", b"content-encoding", b"link"])
def test_headers_of_the_answer_itself_are_kept(name: bytes) -> None:
    assert kept_headers([(name, b"x")]) == ((name, b"x"),)
