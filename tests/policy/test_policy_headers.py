"""Headers of answers: R4.22 to R4.24, K.5, RFC 9211. The parser of the structured fields is not ours."""

from __future__ import annotations

import itertools
from typing import Any

import http_sf
import pytest
from http_sf import Token

from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.entry import Backoff, Entry
from millpond.policy.http.headers import (
    UNCACHED,
    advertised_lifetime,
    cache_control,
    cache_status,
    decision_headers,
    has,
    keepable,
    lasting_headers,
    strong_etag,
    volatile_headers,
)
from millpond.policy.lifetime import YEAR, Lifetime

THEN = 1_000_000.0
HIT = Decision(Action.HIT, Reason.FRESH, ttl=30)


def rendered(**fields: Any) -> Entry:
    values: dict[str, Any] = {"headers": ((b"content-type", b"text/plain"),), "revalidate": 60, "expire": YEAR}
    return Entry(key="/a", status=200, body=b"", rendered_at=THEN, **{**values, **fields})


def entry_headers(entry: Entry, decision: Decision, now: float) -> list[tuple[bytes, bytes]]:
    return lasting_headers(entry.headers, entry, decision) + volatile_headers(entry, decision, now)


def field(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for have, value in headers if have == name]


# Cache-Control


@pytest.mark.parametrize(
    ("revalidate", "expire", "value"),
    [
        (60, 31_536_000, b"s-maxage=60, stale-while-revalidate=31535940"),
        (60, None, b"s-maxage=60"),
        (60, 60, b"s-maxage=60"),
        (60, 30, b"s-maxage=60"),
        (60, 61, b"s-maxage=60, stale-while-revalidate=1"),
        (None, None, b"s-maxage=31536000"),
        (None, 100, b"s-maxage=31536000"),
        (0, None, b"private, no-cache, no-store, max-age=0, must-revalidate"),
        (0, 100, UNCACHED),
        (60.0, 600.0, b"s-maxage=60, stale-while-revalidate=540"),
    ],
)
def test_cache_control_of_a_lifetime(revalidate: float | None, expire: float | None, value: bytes) -> None:
    assert cache_control(Lifetime(revalidate, expire)) == value


def test_fractions_never_promise_more_than_the_lifetime() -> None:
    assert cache_control(Lifetime(60.9, 100.1)) == b"s-maxage=60, stale-while-revalidate=39"


def test_while_a_refresh_fails_the_back_off_is_advertised() -> None:
    entry = rendered(backoff=Backoff(THEN + 100, 30, 0))
    assert advertised_lifetime(entry, Decision(Action.HIT, Reason.REFRESH_FAILED)) == Lifetime(30, YEAR)
    assert advertised_lifetime(entry, Decision(Action.STALE, Reason.AGE)) == Lifetime(60, YEAR)
    assert advertised_lifetime(entry, Decision(Action.STALE, Reason.TAG, tag="t")) == Lifetime(60, YEAR)


# The headers of an entry


def test_a_stored_answer_has_its_own_headers_first_and_unchanged() -> None:
    own = ((b"content-type", b"text/plain"), (b"x-a", b"1"), (b"x-a", b"2"))
    assert tuple(entry_headers(rendered(headers=own), HIT, THEN)[:3]) == own


def test_the_lifetime_becomes_cache_control() -> None:
    values = field(entry_headers(rendered(), HIT, THEN), b"cache-control")
    assert values == [b"s-maxage=60, stale-while-revalidate=31535940"]


def test_the_handlers_own_cache_control_wins() -> None:
    entry = rendered(headers=((b"cache-control", b"max-age=5"),))
    assert field(entry_headers(entry, HIT, THEN), b"cache-control") == [b"max-age=5"]


def test_the_age_grows_on_hits_and_is_a_whole_number() -> None:
    assert field(entry_headers(rendered(), HIT, THEN), b"age") == [b"0"]
    assert field(entry_headers(rendered(), HIT, THEN + 12.9), b"age") == [b"12"]
    assert field(entry_headers(rendered(), Decision(Action.STALE, Reason.AGE), THEN + 86_400), b"age") == [b"86400"]


def test_an_age_is_never_negative() -> None:
    assert field(entry_headers(rendered(), HIT, THEN - 50), b"age") == [b"0"]


def test_a_fresh_render_has_no_age() -> None:
    assert field(entry_headers(rendered(), Decision(Action.MISS, Reason.COLD), THEN), b"age") == []


def test_every_header_name_of_ours_stands_once_and_in_lower_case() -> None:
    for action in Action:
        names = [name for name, _ in entry_headers(rendered(), Decision(action, Reason.FRESH), THEN)]
        assert len(set(names)) == len(names)
        assert all(name == name.lower() for name in names)


def test_has_finds_names_only() -> None:
    assert has(((b"a", b"b"),), b"a")
    assert not has(((b"a", b"b"),), b"b")


# x-nextjs-cache


@pytest.mark.parametrize("action", [Action.HIT, Action.STALE, Action.MISS, Action.BYPASS])
def test_cached_routes_say_their_state(action: Action) -> None:
    assert field(decision_headers(Decision(action, Reason.FRESH)), b"x-nextjs-cache") == [action.value.encode()]


def test_live_routes_have_no_x_nextjs_cache() -> None:
    assert field(decision_headers(Decision(Action.LIVE, Reason.LIVE_ROUTE)), b"x-nextjs-cache") == []


# Cache-Status


def parsed(decision: Decision) -> dict[str, Any]:
    members = http_sf.parse(cache_status(decision), tltype="list")
    assert isinstance(members, list)
    assert len(members) == 1
    member = members[0]
    assert isinstance(member, tuple)
    name, parameters = member
    assert isinstance(name, Token)
    assert str(name) == "Millpond"
    assert isinstance(parameters, dict)
    return parameters


DECISIONS = [
    Decision(action, reason, tag="secret,tag", ttl=ttl, stored=stored, collapsed=collapsed, status=status)
    for action, reason, ttl, stored, collapsed, status in itertools.product(
        Action, Reason, (None, -5, 60), (False, True), (False, True), (None, 503)
    )
]


def test_cache_status_is_a_structured_field_that_equals_the_decision() -> None:
    for decision in DECISIONS:
        parameters = parsed(decision)
        served, missed = decision.action in (Action.HIT, Action.STALE), decision.action is Action.MISS
        assert ("hit" in parameters) is served
        assert ("fwd" in parameters) is not served, "RFC 9211 §2.2: hit and fwd exclude each other"
        assert parameters.get("ttl") == (decision.ttl if served else None)
        assert parameters.get("fwd-status") == (decision.status if missed else None)
        assert parameters.get("stored", False) is (decision.stored and missed)
        assert parameters.get("collapsed", False) is (decision.collapsed and missed)
        assert str(parameters["detail"]) == decision.reason.value
        allowed = {"hit", "fwd", "fwd-status", "ttl", "stored", "collapsed", "key", "detail"}
        assert set(parameters) <= allowed, "RFC 9211 §2"


@pytest.mark.parametrize(
    ("action", "reason", "forward"),
    [
        (Action.MISS, Reason.COLD, "uri-miss"),
        (Action.MISS, Reason.EXPIRED, "stale"),
        (Action.MISS, Reason.TAG, "stale"),
        (Action.MISS, Reason.OTHER_BUILD, "stale"),
        (Action.BYPASS, Reason.DRAFT, "bypass"),
        (Action.LIVE, Reason.LIVE_ROUTE, "bypass"),
        (Action.LIVE, Reason.TURNED_DYNAMIC, "bypass"),
    ],
)
def test_why_a_request_went_past_the_cache(action: Action, reason: Reason, forward: str) -> None:
    found = parsed(Decision(action, reason))["fwd"]
    assert isinstance(found, Token)
    assert str(found) == forward


def test_cache_status_names_no_tag() -> None:
    assert not any(b"secret" in cache_status(decision) for decision in DECISIONS)


# A former build's


def test_no_cache_in_front_keeps_what_a_former_build_has_left() -> None:
    decision = Decision(Action.STALE, Reason.FORMER_BUILD, ttl=-1)
    headers = entry_headers(rendered(revalidate=None, expire=None), decision, THEN)
    assert field(headers, b"cache-control") == [UNCACHED]
    assert not keepable(decision)


# ETag


def test_an_etag_is_strong_quoted_and_made_of_the_bytes_alone() -> None:
    assert strong_etag(b"body") == strong_etag(bytes(bytearray(b"body")))
    assert strong_etag(b"body") != strong_etag(b"Body")
    assert strong_etag(b"") == b'"cae66941d9efbd404e4d88758ea67670"'
