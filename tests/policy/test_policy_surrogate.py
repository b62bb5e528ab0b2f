"""Keys of answers, and CDN-Cache-Control: RFC 9213, RFC 9875. The parser of the structured fields is not ours."""

from __future__ import annotations

import re
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.policy.decision import Action, Decision, Reason
from millpond.policy.entry import Backoff, Entry
from millpond.policy.http import surrogate
from millpond.policy.http.conditional import headers_of_304
from millpond.policy.http.headers import UNCACHED, lasting_headers, live_headers, volatile_headers
from millpond.policy.http.surrogate import (
    CACHE_GROUPS,
    KEY_HEADERS,
    LONGEST_KEY,
    MANY,
    Surrogates,
    cdn_cache_control,
    group_invalidation,
    key_headers,
    key_of,
    purge_keys,
)
from millpond.policy.key import response_key
from millpond.policy.lifetime import YEAR, Lifetime
from millpond.policy.tags import EVERYTHING, host_tag, kept_tag, own_tags, path_tag

THEN = 1_000_000.0
HIT = Decision(Action.HIT, Reason.FRESH, ttl=30)
ALL = Surrogates((*KEY_HEADERS, CACHE_GROUPS), cdn_cache_control=True)
OWN = own_tags("/shop/[id]", "/(main)/shop/[id]", "/shop/7")


def rendered(**fields: Any) -> Entry:
    values: dict[str, Any] = {"key": "/a", "headers": ((b"content-type", b"text/plain"),)}
    values |= {"revalidate": 60, "expire": YEAR}
    return Entry(status=200, body=b"", rendered_at=THEN, **{**values, **fields})


def entry_headers(
    entry: Entry, decision: Decision, now: float, surrogates: Surrogates | None = None
) -> list[tuple[bytes, bytes]]:
    lasting = lasting_headers(entry.headers, entry, decision, surrogates)
    return lasting + volatile_headers(entry, decision, now, surrogates)


def one(headers: Any, name: str) -> str | None:
    found = [value.decode("ascii") for have, value in headers if have == name.encode()]
    assert len(found) <= 1
    return found[0] if found else None


def keys_in(value: str, header: str) -> list[str]:
    """The keys that a cache finds."""
    return re.split(r"[, ]+", value) if header in KEY_HEADERS else [str(key) for key in groups(value)]


def groups(value: str) -> list[str]:
    members = http_sf.parse(value.encode("ascii"), tltype="list")
    assert isinstance(members, list)
    return [str(member[0]) if isinstance(member, tuple) else str(member) for member in members]


# Keys


@pytest.mark.parametrize("tag", ["products", "product:7", "a", "v1.2", "x=1", "me@home", "A-b_C", "7" * 32])
def test_a_short_tag_that_no_cache_can_misread_is_its_own_key(tag: str) -> None:
    assert key_of(tag) == tag


@pytest.mark.parametrize(
    "tag", ["", "two words", "a,b", "é", "日本", 'a"b', "a\\b", "a|b", "(a)", "*", "7" * 33, "a\nb", "\0own", "\ud800"]
)
def test_any_other_tag_has_a_digest_for_a_key(tag: str) -> None:
    assert re.fullmatch(r"mp-[0-9a-f]{24}", key_of(tag))


@pytest.mark.parametrize("tag", [MANY, "mp-x", "MP-x", key_of("two words")])
def test_a_tag_that_looks_like_a_digest_has_one_of_its_own(tag: str) -> None:
    assert key_of(tag) != tag
    assert re.fullmatch(r"mp-[0-9a-f]{24}", key_of(tag))


def test_keys_stay_what_they_are_from_version_to_version() -> None:
    """Caches hold keys that an earlier version wrote: were these other ones, nothing of theirs could be purged."""
    assert key_of("two words") == "mp-d10d5cadb77086772f22c84a"
    assert key_of(EVERYTHING) == "mp-9f4800d55b34f7699a87507f"


@given(st.lists(st.text(max_size=256), min_size=2, max_size=30, unique=True))
def test_different_tags_have_different_keys_that_every_header_can_hold(tags: list[str]) -> None:
    keys = [key_of(tag) for tag in tags]
    assert len(set(keys)) == len(tags)
    assert all(re.fullmatch(r"[!-~]{1,32}", key) and not set(key) & set(' ,"\\|()*+?[]{}^$') for key in keys)
    assert max(map(len, keys)) <= LONGEST_KEY


# The headers


@given(st.lists(st.text(max_size=256), max_size=20))
def test_what_a_purge_names_is_what_the_answer_has(tags: list[str]) -> None:
    headers = key_headers((*tags, *OWN), ALL)
    for name in KEY_HEADERS:
        value = one(headers, name)
        assert value is not None
        for tag in (*tags, *OWN):
            assert key_of(tag) in keys_in(value, name)
            assert set(purge_keys([tag])) == {key_of(tag), MANY}


def test_each_header_has_its_own_separator() -> None:
    headers = key_headers(("a", "b"), ALL)
    assert {name: one(headers, name) for name in (*KEY_HEADERS, CACHE_GROUPS)} == {
        "cache-tag": "a,b",
        "surrogate-key": "a b",
        "xkey": "a b",
        "cache-groups": '"a", "b"',
    }


def test_only_the_headers_that_were_asked_for_are_there() -> None:
    assert key_headers(("a",), Surrogates(("xkey",))) == ((b"xkey", b"a"),)
    assert key_headers(("a",), Surrogates()) == ()


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=9, unique=True))
def test_cache_groups_is_a_list_of_strings_and_has_the_users_tags_and_the_path_only(tags: list[str]) -> None:
    """A cache may drop a whole group when one member is changed: everything is no group."""
    tags = [tag for tag in tags if not tag.startswith("\0")]
    value = one(key_headers((*tags, *OWN), ALL), CACHE_GROUPS)
    assert value is not None
    assert groups(value) == [key_of(tag) for tag in (*tags, path_tag("/shop/7"))]
    assert one(group_invalidation((*tags, *OWN), ALL), "cache-group-invalidation") == value


def test_an_answer_has_no_more_groups_than_every_cache_supports() -> None:
    tags = tuple(f"product:{number}" for number in range(100))
    value = one(key_headers(tags, ALL), CACHE_GROUPS)
    assert value is not None
    assert groups(value) == list(tags[:32])
    assert all(len(group) <= 32 for group in groups(value))


def test_a_group_is_invalidated_only_where_answers_have_groups() -> None:
    assert group_invalidation(("a",), Surrogates(("xkey",))) == ()
    assert group_invalidation((EVERYTHING,), ALL) == ()


@pytest.mark.parametrize("limit", [128, 500, 4096])
@given(tags=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=200))
def test_no_list_of_keys_is_longer_than_allowed_and_each_answer_can_still_be_purged(
    tags: list[str], limit: int
) -> None:
    headers = key_headers((*tags, *OWN), ALL._replace(max_header_bytes=limit))
    assert all(len(value) <= limit for _, value in headers)
    for name in KEY_HEADERS:
        value = one(headers, name)
        assert value is not None
        present = set(keys_in(value, name))
        assert all(present & set(purge_keys([tag])) for tag in (*tags, *OWN))


def test_an_answer_whose_keys_do_not_fit_has_the_one_that_every_purge_names() -> None:
    many = tuple(f"product:{number}" for number in range(1000))
    assert key_headers(many, Surrogates(("xkey",))) == ((b"xkey", MANY.encode()),)
    assert MANY in purge_keys(["something else"])


def test_of_groups_as_many_as_fit_are_named() -> None:
    many = tuple(f"product:{number}" for number in range(1000))
    value = one(key_headers(many, Surrogates((CACHE_GROUPS,), max_header_bytes=200)), CACHE_GROUPS)
    assert value is not None
    named = groups(value)
    assert named == list(many[: len(named)])
    assert len(named) > 5


def test_a_304_repeats_the_keys_since_an_equal_body_may_have_other_tags() -> None:
    headers = entry_headers(rendered(tags=("a",)), HIT, THEN, ALL)
    repeated = headers_of_304(headers)
    for name in (*KEY_HEADERS, CACHE_GROUPS, "cdn-cache-control"):
        assert one(repeated, name) == one(headers, name) is not None


# CDN-Cache-Control


@pytest.mark.parametrize(
    ("lifetime", "age", "max_age", "value"),
    [
        (Lifetime(60, 600), 0, None, b"max-age=60, stale-while-revalidate=540"),
        (Lifetime(60.9, 100.1), 0, None, b"max-age=60, stale-while-revalidate=39"),
        (Lifetime(60, None), 0, None, b"max-age=60"),
        (Lifetime(60, 30), 0, None, b"max-age=60"),
        (Lifetime(None, None), 0, None, b"max-age=31536000"),
        (Lifetime(0, None), 0, None, b"no-store"),
        (Lifetime(60, 600), 0, 10, b"max-age=10, stale-while-revalidate=540"),
        (Lifetime(60, 600), 20, 10, b"max-age=30, stale-while-revalidate=540"),
        (Lifetime(60, 600), 55, 10, b"max-age=60, stale-while-revalidate=540"),
        (Lifetime(None, None), 86_400, 3600, b"max-age=90000"),
    ],
)
def test_cdn_cache_control_of_a_lifetime(lifetime: Lifetime, age: float, max_age: float | None, value: bytes) -> None:
    assert cdn_cache_control(lifetime, age, max_age) == value
    assert isinstance(http_sf.parse(value, tltype="dictionary"), dict), "RFC 9213 §2.1"


def _seconds(member: object) -> int:
    value = member[0] if isinstance(member, tuple) else member
    return value if isinstance(value, int) else 0


AGES = st.none() | st.floats(0, 1e8)


@given(AGES, AGES, st.floats(0, 1e9), st.none() | st.floats(0.1, 1e6))
def test_a_cdn_never_keeps_more_than_millpond_serves(
    revalidate: float | None, expire: float | None, age: float, max_age: float | None
) -> None:
    said = http_sf.parse(cdn_cache_control(Lifetime(revalidate, expire), age, max_age), tltype="dictionary")
    assert isinstance(said, dict)
    fresh, stale = (_seconds(said.get(name)) for name in ("max-age", "stale-while-revalidate"))
    assert fresh <= (YEAR if revalidate is None else revalidate)
    if max_age is not None:
        assert fresh - age <= max_age + 1e-3 * max(1.0, age)
    if expire is not None and revalidate is not None and expire > revalidate:
        assert fresh + stale <= expire


def test_while_a_refresh_fails_the_pause_is_what_a_cdn_hears_of_too() -> None:
    failing = Decision(Action.HIT, Reason.REFRESH_FAILED, ttl=20)
    headers = entry_headers(rendered(backoff=Backoff(THEN + 100, 30, 0)), failing, THEN + 110, ALL)
    assert one(headers, "cdn-cache-control") == "max-age=30, stale-while-revalidate=31535970"
    assert one(headers, "cache-control") == "s-maxage=30, stale-while-revalidate=31535970"


@pytest.mark.parametrize("name", [b"cache-control", b"cdn-cache-control", b"expires", b"surrogate-control"])
def test_what_a_handler_says_to_caches_is_not_overruled_for_cdns(name: bytes) -> None:
    headers = entry_headers(rendered(headers=((name, b"max-age=5"),)), HIT, THEN, ALL)
    assert [value for have, value in headers if have == b"cdn-cache-control"] == (
        [b"max-age=5"] if name == b"cdn-cache-control" else []
    )


# What caches in front may keep

UNKEPT = [
    Decision(Action.STALE, Reason.TAG, tag="t"),
    Decision(Action.HIT, Reason.REFRESH_FAILED, tag="t"),
    Decision(Action.STALE, Reason.STORE_UNREACHABLE),
    Decision(Action.MISS, Reason.COLD, stored=False, status=500),
    Decision(Action.MISS, Reason.TAG, tag="t", stored=True, status=200),
]


@pytest.mark.parametrize("decision", UNKEPT)
@pytest.mark.parametrize(
    "own", [(), ((b"cache-control", b"public, max-age=99"), (b"cdn-cache-control", b"max-age=99"))]
)
def test_what_was_invalidated_or_is_not_stored_is_for_no_cache_in_front(decision: Decision, own: Any) -> None:
    headers = entry_headers(rendered(headers=own), decision, THEN, ALL)
    assert one(headers, "cache-control") == UNCACHED.decode()
    assert one(headers, "cdn-cache-control") is None


@pytest.mark.parametrize("decision", UNKEPT)
def test_without_caches_in_front_headers_are_those_of_the_original(decision: Decision) -> None:
    assert (
        one(entry_headers(rendered(), decision, THEN), "cache-control")
        == "s-maxage=60, stale-while-revalidate=31535940"
    )


@pytest.mark.parametrize("action", [Action.HIT, Action.STALE, Action.MISS])
def test_the_time_that_a_render_took_counts_as_age_for_caches_in_front(action: Action) -> None:
    decision = Decision(action, Reason.COLD, stored=True)
    assert one(entry_headers(rendered(), decision, THEN + 7, ALL), "age") == "7"


# Live answers

LIVE = Decision(Action.LIVE, Reason.LIVE_ROUTE)
DRAFT = Decision(Action.BYPASS, Reason.DRAFT)
COOKIE = (b"Set-Cookie", b"a=1")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([], False),
        ([(b"Cache-Control", b"s-maxage=9")], True),
        ([(b"cdn-cache-control", b"max-age=9")], True),
        ([(b"surrogate-control", b"max-age=9")], True),
        ([COOKIE], False),
        ([COOKIE, (b"cache-control", b"s-maxage=9")], False),
        ([COOKIE, (b"surrogate-control", b"max-age=9")], False),
    ],
)
def test_a_live_answer_is_for_caches_in_front_only_if_its_handler_says_so(said: Any, kept: bool) -> None:
    headers = live_headers(said, LIVE, fronted=True)
    names = [name for name, _ in headers]
    for name, value in said:
        assert ((name.lower(), value) in headers) is (kept or name == b"Set-Cookie")
    assert (one(headers, "cache-control") == UNCACHED.decode()) is not kept
    assert b"x-nextjs-cache" not in names


def test_a_private_answer_with_a_cookie_stays_as_its_handler_said() -> None:
    said = [COOKIE, (b"cache-control", b"private, max-age=60")]
    assert one(live_headers(said, LIVE, fronted=True), "cache-control") == "private, max-age=60"


def test_without_caches_in_front_a_live_answer_has_no_cache_control_of_ours() -> None:
    assert live_headers([(b"x-a", b"1")], LIVE, fronted=False)[0] == (b"x-a", b"1")
    assert one(live_headers([], LIVE, fronted=False), "cache-control") is None


@pytest.mark.parametrize("fronted", [False, True])
@pytest.mark.parametrize(
    "name", [b"Cache-Control", b"CDN-Cache-Control", b"Surrogate-Control", b"Expires", b"X-Accel-Expires"]
)
def test_a_draft_is_for_no_cache_whatever_its_handler_said(name: bytes, fronted: bool) -> None:
    headers = live_headers([(name, b"max-age=99")], DRAFT, fronted=fronted)
    assert not any(value == b"max-age=99" for _, value in headers)
    assert one(headers, "cache-control") == UNCACHED.decode()


def test_no_more_keys_are_made_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counting(tag: str) -> str:
        nonlocal made
        made += 1
        return key_of(tag)

    monkeypatch.setattr(surrogate, "key_of", counting)
    headers = dict(key_headers(tuple(f"tag {number}" for number in range(10_000)), ALL))
    assert headers[b"cache-tag"] == MANY.encode()
    assert made < 5 * ALL.max_header_bytes / len(key_of("tag 1"))


VARIED = {"key": response_key("app/x/route.py", "/x", variant="cookie:theme=dark"), "headers": ((b"vary", b"cookie"),)}


@pytest.mark.parametrize("cdn_cache_control", [True, False])
def test_a_cache_that_ignores_vary_stores_no_answer_with_values_in_its_key(cdn_cache_control: bool) -> None:
    cloudflare = Surrogates(("cache-tag",), cdn_cache_control=cdn_cache_control)
    headers = entry_headers(rendered(**VARIED), HIT, THEN, cloudflare)
    assert one(headers, "cdn-cache-control") == "no-store"
    assert one(headers, "cache-control") == f"s-maxage=60, stale-while-revalidate={YEAR - 60}"  # for all others


@pytest.mark.parametrize(
    ("surrogates", "fields"),
    [
        (Surrogates(("surrogate-key", "xkey"), cdn_cache_control=True), {}),
        (Surrogates(("cache-tag",), cdn_cache_control=True), {"headers": ((b"vary", b"accept-encoding"),)}),
        (Surrogates(("cache-tag",), cdn_cache_control=True), {"headers": ()}),
        (Surrogates(("cache-tag",), cdn_cache_control=True), {"key": response_key("app/x/route.py", "/x")}),
    ],
)
def test_other_answers_are_stored(surrogates: Surrogates, fields: dict[str, Any]) -> None:
    headers = entry_headers(rendered(**{**VARIED, **fields}), HIT, THEN, surrogates)
    assert one(headers, "cdn-cache-control") == f"max-age=60, stale-while-revalidate={YEAR - 60}"


def test_a_handler_that_speaks_to_cdns_itself_is_believed() -> None:
    own = {**VARIED, "headers": (*VARIED["headers"], (b"cdn-cache-control", b"max-age=5"))}
    headers = entry_headers(rendered(**own), HIT, THEN, Surrogates(("cache-tag",)))
    assert [value for name, value in headers if name == b"cdn-cache-control"] == [b"max-age=5"]


def test_the_key_of_one_hosts_answers_is_the_same_in_headers_and_purges() -> None:
    for tag in (path_tag("/" + "x" * 100), path_tag("/x"), "news"):
        assert key_of(host_tag("a.example", tag)) == key_of(kept_tag(host_tag("a.example", kept_tag(tag))))
        assert key_of(host_tag("a.example", tag)) != key_of(tag)
