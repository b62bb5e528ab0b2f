"""Purges on their way to caches that take them, refuse them, or are away; by real HTTP, with a clock that is moved."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cdns import SECRET, TOKEN, WEBHOOK_SECRET, cdn

from millpond.config import parse_config
from millpond.errors import PurgeError
from millpond.policy.http.surrogate import MANY, key_of
from millpond.policy.lifetime import YEAR
from millpond.policy.tags import EVERYTHING, path_tag, route_tag
from millpond.purge.configured import purges_of
from ponds import NOON, Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from millpond.purge.delivery import SentPurge
    from millpond.purge.purges import Purges

pytestmark = pytest.mark.anyio

KINDS = ["fastly", "cloudflare", "webhook", "varnish", "ban"]
WITH_SOFT = ["fastly", "webhook", "varnish"]
ENVIRONMENT = {"CDN_TOKEN": TOKEN, "WRONG_TOKEN": "wrong", "HOOK_SECRET": WEBHOOK_SECRET}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def item(kind: str, url: str, **options: Any) -> dict[str, Any]:
    """An item of [[cdn.purge]]."""
    said: dict[str, dict[str, Any]] = {
        "fastly": {"service": "SU1Z0isxPaozGVKXdv0eY", "token_env": "CDN_TOKEN", "api": url},
        "cloudflare": {
            "zone": "023e105f4ecef8ad9ca31a8372d0c353",
            "token_env": "CDN_TOKEN",
            "api": f"{url}/client/v4",
        },
        "webhook": {"url": f"{url}/hook?key=of-the-receiver", "secret_env": "HOOK_SECRET"},
        "varnish": {"addresses": [url], "token_env": "CDN_TOKEN"},
        "ban": {"addresses": [url], "method": "ban", "kind": "varnish"},
    }
    return {"kind": kind, "again_after": 0, **said[kind], **options}


@asynccontextmanager
async def telling(*items: dict[str, Any], clock: Clock | None = None, ends_within: float = 0) -> AsyncIterator[Purges]:
    headers = ["surrogate-key", "cache-tag", "xkey"]
    config = parse_config({"cdn": {"headers": headers, "purge": list(items)}}, "millpond.toml")
    assert config.cdn is not None
    purges = purges_of(config.cdn.purge, YEAR, clock or Clock())
    purges.begin()
    try:
        yield purges
    finally:
        await purges.drain(ends_within)


async def told(purges: Purges, *tags: str, expire_after: float | None = 0) -> None:
    """An invalidation that is acknowledged."""
    await purges.acknowledged(purges.announce(tags, expire_after=expire_after), 10)


def wake(purges: Purges) -> None:
    """As if the time had passed that the clock says has passed."""
    for delivery in purges._deliveries:
        delivery.wake()


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true of another task."""
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends, "it didn't come about"
        await asyncio.sleep(0.002)


async def failed(purges: Purges, times: int = 1) -> str:
    """Wait until so many calls in a row have failed; why the last one did."""
    delivery = purges._deliveries[0]
    await until(lambda: delivery._queue._failures >= times)
    return delivery.trouble


@pytest.mark.parametrize("kind", KINDS)
async def test_an_invalidation_is_purged_by_the_keys_that_answers_have(kind: str) -> None:
    tags = ("products", "two words", "a,b", "é", path_tag("/shop/7"), route_tag("/shop/[id]"))
    async with cdn() as cache, telling(item(kind, cache.url)) as purges:
        await told(purges, *tags)
    assert cache.refused == []
    assert [set(purge.keys) for purge in cache.purged] == [{*map(key_of, tags), MANY}]
    assert not cache.purged[0].soft


@pytest.mark.parametrize("kind", KINDS)
async def test_thousands_of_tags_go_in_calls_of_the_size_that_the_cache_takes(kind: str) -> None:
    tags = [f"a tag of some length, number {number:04}" for number in range(1000)]
    async with cdn() as cache, telling(item(kind, cache.url)) as purges:
        await told(purges, *tags)
    assert cache.refused == []
    assert sorted(cache.keys) == sorted(map(key_of, tags))
    assert all(sum(map(len, asked.headers.values())) < 8000 for asked in cache.asked if kind in ("varnish", "ban"))
    assert len(cache.asked) == {"fastly": 4, "cloudflare": 11}.get(kind, 10)


@pytest.mark.parametrize(
    ("expire_after", "soft"), [(0, False), (None, True), (YEAR, True), (10, False), (YEAR - 1, False)]
)
@pytest.mark.parametrize("kind", KINDS)
async def test_old_answers_may_be_served_as_stale_only_where_nothing_ends_that_sooner(
    kind: str, expire_after: float | None, soft: bool
) -> None:
    async with cdn() as cache, telling(item(kind, cache.url)) as purges:
        await told(purges, "a", expire_after=expire_after)
    assert [purge.soft for purge in cache.purged] == [soft and kind in WITH_SOFT]


async def test_a_webhook_says_what_was_invalidated_in_its_users_words() -> None:
    tags = ("products", "paths: /x", "\ud800", path_tag("/shop/7"), route_tag("/shop/[id]"), EVERYTHING)
    async with cdn() as cache, telling(item("webhook", cache.url)) as purges:
        await told(purges, *tags)
        await told(purges, "other")
    first, second = (purge.data for purge in cache.purged)
    assert {name: first[name] for name in ("hard", "tags", "paths", "routes", "below")} == {
        "hard": True,
        "tags": ["products", "paths: /x", "?"],
        "paths": ["/shop/7"],
        "routes": ["/shop/[id]"],
        "below": ["/"],
    }
    assert first["time"] == str(int(NOON))
    assert first["id"] != second["id"]


async def test_every_varnish_is_told_by_itself_and_one_that_is_away_holds_none_up() -> None:
    async with cdn() as here, cdn() as away:
        away.ends = True
        both = item("varnish", here.url, addresses=[here.url, away.url])
        async with telling(both) as purges:
            number = purges.announce(["a"], expire_after=0)
            await here.requests(1)
            await away.requests(1)
            with pytest.raises(PurgeError, match=r"not acknowledged within 0\.2 s by varnish 127\.0\.0\.1:\d+ \("):
                await purges.acknowledged(number, 0.2)
    assert here.keys == ["a"]
    assert away.keys == []


# Failures


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_fails_for_a_while_is_tried_again_after_a_pause(kind: str, status: int) -> None:
    clock = Clock()
    async with cdn() as cache, telling(item(kind, cache.url), clock=clock) as purges:
        cache.fails = [(status, {}), (status, {})]
        number = purges.announce(["a"], expire_after=0)
        for failures, pause in ((1, 0.5), (2, 1.0)):
            assert await failed(purges, failures) == f"it answered {status}"
            clock.move(pause)
            wake(purges)
        await purges.acknowledged(number, 10)
    assert cache.keys == ["a"]
    assert len(cache.asked) == 3


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), ("Fri, 15 Jan 2027 08:05:00 GMT", 300), ("9999999999", 600), ("soon", 0.5)]
)
async def test_retry_after_is_heeded(value: str, seconds: float) -> None:
    clock = Clock()
    async with cdn() as cache, telling(item("cloudflare", cache.url), clock=clock) as purges:
        cache.fails = [(429, {"retry-after": value})]
        number = purges.announce(["a"], expire_after=0)
        await failed(purges)
        clock.move(seconds - 0.1)
        wake(purges)
        with pytest.raises(PurgeError, match=r"not acknowledged within 0\.02 s by cloudflare .* \(it answered 429\)"):
            await purges.acknowledged(number, 0.02)
        clock.move(0.1)
        wake(purges)
        await purges.acknowledged(number, 10)
    assert cache.keys == ["a"]


async def test_a_cache_that_does_not_answer_in_time_is_asked_again() -> None:
    clock = Clock()
    async with cdn() as cache, telling(item("fastly", cache.url, timeout=0.05), clock=clock) as purges:
        cache.hangs = True
        number = purges.announce(["a"], expire_after=0)
        assert await failed(purges) == "no answer within 0.05 s"
        cache.hangs = False
        clock.move(60)
        wake(purges)
        await purges.acknowledged(number, 10)
    assert cache.keys == ["a"]


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async with cdn() as cache, telling(item("cloudflare", cache.url)) as purges:
        cache.body = b" " * 1_000_000
        purges.announce(["a"], expire_after=0)
        assert await failed(purges) == "its answer is over 65536 bytes"


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"success": 1}', b'"\xff"', b"null"])
async def test_what_cloudflare_did_not_say_is_no_success(body: bytes) -> None:
    async with cdn() as cache, telling(item("cloudflare", cache.url)) as purges:
        cache.body = body
        purges.announce(["a"], expire_after=0)
        assert await failed(purges) == "it answered 200, and not as Cloudflare does"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("fastly", "it answered 401; is its token right"),
        ("cloudflare", r"it answered 403: Authentication error \(10000\)"),
        ("varnish", "it answered 403; may its token purge, and may this machine"),
    ],
)
async def test_a_wrong_token_is_an_error_at_once_with_the_tags_and_without_the_token(
    kind: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with cdn() as cache, telling(item(kind, cache.url, token_env="WRONG_TOKEN")) as purges:
        with pytest.raises(PurgeError, match=why):
            await told(purges, "products", path_tag("/shop/7"))
    assert len(cache.asked) == 1
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].endswith("which may serve old answers until their time runs out: 'products', path /shop/7")
    assert "wrong" not in caplog.text


async def test_a_varnish_that_knows_nothing_of_keys_has_not_purged_them() -> None:
    """Its VCL may take any PURGE for one of the path that is asked, and say 200."""
    async with cdn() as cache, telling(item("varnish", cache.url)) as purges:
        cache.fails = [(200, {})]
        with pytest.raises(PurgeError, match="purged no keys: its VCL needs"):
            await told(purges, "a")


async def test_each_call_of_a_cache_is_told_with_what_came_of_it() -> None:
    calls: list[SentPurge] = []
    async with cdn() as cache:
        cache.fails = [(500, {})]
        config = parse_config({"cdn": {"headers": ["xkey"], "purge": [item("varnish", cache.url)]}}, "millpond.toml")
        assert config.cdn is not None
        purges = purges_of(config.cdn.purge, YEAR, time.time, calls.append)
        purges.begin()
        await told(purges, "products", path_tag("/shop"))
        await purges.drain(1)
    assert [(call.outcome.value, call.why) for call in calls] == [("later", "it answered 500"), ("done", "")]
    assert {call.purger for call in calls} == {purges._deliveries[0].purger.name}
    assert "'products'" in calls[0].tags
    assert all(call.seconds > 0 and call.hard for call in calls)


async def test_what_a_refused_call_was_for_is_lost_and_what_comes_later_is_not() -> None:
    async with cdn() as cache, telling(item("fastly", cache.url)) as purges:
        cache.fails = [(400, {})]
        lost = purges.announce(["a"], expire_after=0)
        with pytest.raises(PurgeError):
            await purges.acknowledged(lost, 10)
        await told(purges, "b")
        with pytest.raises(PurgeError, match="it answered 400"):
            await purges.acknowledged(lost, 10)
    assert cache.keys == ["b"]


async def test_what_is_tried_for_too_long_is_an_error_with_the_tags(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    async with cdn() as cache, telling(item("fastly", cache.url, give_up_after=100), clock=clock) as purges:
        cache.fails = [(503, {})] * 2
        number = purges.announce(["products"], expire_after=0)
        await failed(purges)
        clock.move(100)
        wake(purges)
        with pytest.raises(PurgeError, match="not purged at fastly SU1Z0isxPaozGVKXdv0eY: it answered 503"):
            await purges.acknowledged(number, 10)
    assert "not purged at fastly SU1Z0isxPaozGVKXdv0eY (it answered 503), which may serve old answers" in caplog.text
    assert "'products'" in caplog.text


async def test_no_secret_is_in_any_log_or_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="millpond")
    async with cdn() as cache, telling(*(item(kind, cache.url) for kind in KINDS)) as purges:
        cache.fails = [(503, {}), (401, {}), (200, {}), (400, {}), (500, {})]
        number = purges.announce(["a"], expire_after=0)
        await cache.requests(len(KINDS))
        with pytest.raises(PurgeError):
            await purges.acknowledged(number, 0.2)
        shown = caplog.text + "".join(each.purger.name for each in purges._deliveries)
        purgers = repr([each.purger for each in purges._deliveries])
    assert not any(secret in shown + purgers for secret in (TOKEN, WEBHOOK_SECRET, repr(SECRET)))
    assert "of-the-receiver" not in shown


# The second purge


async def test_each_purge_is_sent_once_more_and_only_then_acknowledged() -> None:
    clock = Clock()
    async with cdn() as cache, telling(item("fastly", cache.url, again_after=2), clock=clock) as purges:
        number = purges.announce(["a"], expire_after=0)
        await until(lambda: len(purges._deliveries[0]._queue._later) == 1)
        with pytest.raises(PurgeError, match="not acknowledged within"):
            await purges.acknowledged(number, 0.05)
        clock.move(2)
        wake(purges)
        await purges.acknowledged(number, 10)
    assert cache.keys == ["a", "a"]


# Threads, and the end


async def test_announcing_from_threads_waits_for_nothing() -> None:
    async with cdn() as cache, telling(item("fastly", cache.url)) as purges:
        cache.hangs = True

        def announce(name: str) -> None:
            for number in range(100):
                purges.announce([f"{name}-{number}"], expire_after=0)

        threads = [threading.Thread(target=announce, args=(f"t{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert (purges.latest, cache.purged) == (400, [])
        cache.hangs = False
        cache.over.set()


async def test_a_shutdown_waits_for_what_is_on_its_way() -> None:
    async with cdn() as cache:
        async with telling(item("fastly", cache.url, again_after=0.05), clock=None, ends_within=10) as purges:
            purges._deliveries[0]._clock = time.time
            purges.announce(["a"], expire_after=0)
        assert cache.keys == ["a", "a"]


async def test_what_a_shutdown_has_no_time_for_is_an_error_with_the_tags(caplog: pytest.LogCaptureFixture) -> None:
    async with cdn() as cache:
        cache.hangs = True
        async with telling(item("fastly", cache.url), ends_within=0.05) as purges:
            purges.announce(["products"], expire_after=0)
        purges.announce(["later"], expire_after=0)
    assert (
        "(the application has shut down), which may serve old answers until their time runs out: 'products'"
        in caplog.text
    )
    assert "'later'" in caplog.text


async def test_many_lost_tags_are_all_named() -> None:
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("millpond.purge").addHandler(handler)
    try:
        async with cdn() as cache, telling(item("fastly", cache.url)) as purges:
            cache.ends = True
            purges.announce([f"t{number:03}" for number in range(250)], expire_after=0)
    finally:
        logging.getLogger("millpond.purge").removeHandler(handler)
    lost = " ".join(record for record in records if record.startswith("not purged"))
    assert all(f"'t{number:03}'" in lost for number in range(250))
    assert max(map(len, records)) < 2000
