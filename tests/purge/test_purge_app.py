"""An application with caches in front: what its answers say, and what its invalidations tell."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cdns import TOKEN, WEBHOOK_SECRET, cdn

from millpond import purged, revalidate_path, revalidate_tag, update_tag
from millpond.errors import ConfigError, PurgeError, UsageError
from millpond.policy.http.surrogate import key_of
from millpond.policy.tags import path_tag
from ponds import SWR_60

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdns import Cdn

    from millpond.cache.invalidation_order import Invalidation
    from ponds import Project

pytestmark = pytest.mark.anyio

UNCACHED = "private, no-cache, no-store, max-age=0, must-revalidate"

ROUTES = {
    "/items/[id]": """
        import asyncio, itertools
        from millpond import cache_tag, cached

        revalidate = 60
        count = itertools.count(1)
        begun, may_end = asyncio.Event(), asyncio.Event()
        may_end.set()

        @cached
        def known(id):
            cache_tag("items", f"item:{id}")
            return id

        def generate_static_params():
            return []

        async def GET(id: str):
            number = next(count)
            known(id)
            begun.set()
            await may_end.wait()
            return {"n": number}
    """,
    "/change": """
        from millpond import after, purged, revalidate_path, revalidate_tag, update_tag

        async def POST(tag: str):
            return revalidate_tag(tag, {"expire": 0})

        def PUT(tag: str):
            return update_tag(tag)

        async def PATCH(path: str):
            return revalidate_path(path)

        async def DELETE(tag: str):
            after(revalidate_tag, tag)
    """,
    "/change-and-wait": """
        from millpond import purged, revalidate_tag

        async def POST(tag: str):
            await purged(revalidate_tag(tag))
    """,
    "/me": "from millpond import cookies\ndef GET(): return cookies().get('a')",
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDN_TOKEN", TOKEN)


def fronts(cache: Cdn, **options: Any) -> dict[str, Any]:
    """A configuration with Fastly."""
    purger = {"kind": "fastly", "service": "SU1Z0isxPaozGVKXdv0eY", "token_env": "CDN_TOKEN", "api": cache.url}
    return {"headers": ["surrogate-key"], "purge": [{**purger, "again_after": 0, **options}]}


async def test_what_an_invalidation_purges_is_what_the_answer_has(project: Project) -> None:
    project.routes(ROUTES)
    async with cdn() as cache, project.serving(cdn=fronts(cache)) as pond:
        keys = (await pond.get("/items/7")).headers["surrogate-key"].split()
        assert {"items", "item:7"} < set(keys)
        calls: list[tuple[Callable[..., Invalidation], list[str]]] = [
            (revalidate_tag, ["item:7"]),
            (update_tag, ["items"]),
            (revalidate_path, ["/items/7"]),
            (revalidate_path, ["/items/[id]"]),
            (revalidate_path, ["/items", "layout"]),
            (revalidate_path, ["/", "layout"]),
        ]
        for number, (invalidate, arguments) in enumerate(calls):
            await purged(invalidate(*arguments), timeout=10)
            assert set(cache.purged[number].keys) & set(keys)
        await purged(revalidate_path("/items/8"), timeout=10)
        assert not set(cache.purged[-1].keys) & set(keys)
        assert cache.refused == []


async def test_a_long_path_is_told_by_its_name_and_by_the_key_of_its_answer(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", WEBHOOK_SECRET)
    project.routes(ROUTES)
    path = f"/items/{'7' * 300}"
    async with cdn() as cache:
        hook = {"kind": "webhook", "url": f"{cache.url}/hook", "secret_env": "HOOK_SECRET", "again_after": 0}
        async with project.serving(cdn={"headers": ["surrogate-key"], "purge": [hook]}) as pond:
            keys = (await pond.get(path)).headers["surrogate-key"].split()
            await purged(revalidate_path(path), timeout=10)
            await purged(revalidate_path(path, "layout"), timeout=10)
    assert [purge.data["paths"] + purge.data["below"] for purge in cache.purged] == [[path], [path]]
    assert all(set(purge.keys) & set(keys) for purge in cache.purged)


@pytest.mark.parametrize("call", [("POST", "tag=items"), ("PUT", "tag=items"), ("DELETE", "tag=items")])
async def test_handlers_sync_ones_and_callbacks_tell_caches_in_front(project: Project, call: tuple[str, str]) -> None:
    project.routes(ROUTES)
    async with cdn() as cache, project.serving(cdn=fronts(cache)) as pond:
        await pond.client.request(call[0], f"/change?{call[1]}")
        await cache.requests(1)
    assert cache.keys == ["items"]


async def test_threads_and_the_endpoint_for_webhooks_tell_them_too(project: Project) -> None:
    project.routes(ROUTES)
    endpoint = {"secret": "a secret of enough letters"}
    async with cdn() as cache, project.serving(cdn=fronts(cache), revalidate_endpoint=endpoint) as pond:
        thread = threading.Thread(target=lambda: revalidate_tag("from a thread"))
        thread.start()
        await asyncio.to_thread(thread.join)
        await cache.requests(1)
        order = {"tags": ["hooked"], "paths": ["/items/7"]}
        headers = {"authorization": f"Bearer {endpoint['secret']}"}
        assert (await pond.post("/api/revalidate", headers=headers, json=order)).status_code == 200
        await purged(timeout=10)
    assert cache.keys[:2] == [key_of("from a thread"), "hooked"]
    assert len(cache.keys) == 3


async def test_a_cache_that_asks_as_soon_as_it_is_purged_gets_the_new_answer(project: Project) -> None:
    project.routes(ROUTES)
    bodies: list[str] = []
    async with cdn() as cache, project.serving(cdn=fronts(cache)) as pond:

        async def refetch() -> None:
            bodies.append(await pond.body("/items/7"))

        cache.when_asked = refetch
        for _ in range(3):
            await pond.get("/items/7")
            assert (await pond.post("/change-and-wait?tag=items")).status_code == 200
    assert bodies == ['{"n":2}', '{"n":3}', '{"n":4}']


async def test_no_answer_waits_for_a_cache_in_front(project: Project) -> None:
    project.routes(ROUTES)
    async with cdn() as cache, project.serving(cdn=fronts(cache), server={"shutdown_timeout": 0.1}) as pond:
        cache.hangs = True
        assert (await pond.post("/change?tag=items")).status_code == 200
        await cache.requests(1)
        assert (await pond.get("/items/7")).status_code == 200
        with pytest.raises(PurgeError, match=r"not acknowledged within 0\.05 s by fastly SU1Z0isxPaozGVKXdv0eY"):
            await purged(timeout=0.05)


async def test_who_waits_hears_that_a_purge_was_refused(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes(ROUTES)
    async with cdn() as cache, project.serving(cdn=fronts(cache)) as pond:
        cache.fails = [(403, {}), (403, {})]
        with pytest.raises(PurgeError, match="it answered 403"):
            await purged(revalidate_tag("items"))
        assert (await pond.post("/change-and-wait?tag=items")).status_code == 500
    assert "PurgeError: not purged at fastly SU1Z0isxPaozGVKXdv0eY" in caplog.text


async def test_an_invalidation_of_nothing_purges_nothing(project: Project) -> None:
    project.routes(ROUTES)
    async with cdn() as cache, project.serving(cdn=fronts(cache)):
        await purged(revalidate_tag("a" * 257))
        await purged()
        assert cache.asked == []


async def test_without_caches_in_front_there_is_nothing_to_wait_for(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving():
        assert revalidate_tag("items").purge == 0
        await purged()


async def test_without_an_application_there_is_nothing_that_could_be_purged() -> None:
    with pytest.raises(UsageError, match=r"no application runs in this process, so purged\(\) has no cache"):
        await purged()


async def test_a_shutdown_sends_what_is_still_to_be_sent(project: Project) -> None:
    project.routes(ROUTES)
    async with cdn() as cache:
        async with project.serving(cdn=fronts(cache)):
            revalidate_tag("items")
        assert cache.keys == ["items"]


async def test_what_a_shutdown_has_no_time_for_is_named(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes(ROUTES)
    async with cdn() as cache:
        cache.hangs = True
        async with project.serving(cdn=fronts(cache), server={"shutdown_timeout": 0.1}):
            revalidate_tag("items")
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [
        "not purged at fastly SU1Z0isxPaozGVKXdv0eY (the application has shut down), "
        "which may serve old answers until their time runs out: 'items'"
    ]


# Secrets


async def test_a_server_without_its_secrets_says_which_and_does_not_start(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.routes(ROUTES)
    async with cdn() as cache:
        await project.built(cdn=fronts(cache))
        for value, said in ((None, "CDN_TOKEN, which is not set"), ("two\nlines", "CDN_TOKEN, which can be no header")):
            if value is None:
                monkeypatch.delenv("CDN_TOKEN")
            else:
                monkeypatch.setenv("CDN_TOKEN", value)
            with pytest.raises(ConfigError, match=said):
                async with project.started(cdn=fronts(cache)):
                    pass


@pytest.mark.parametrize(
    "secret", ["", "plain", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"]
)
async def test_a_webhooks_secret_has_a_form(project: Project, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    project.routes(ROUTES)
    monkeypatch.setenv("HOOK", secret)
    hook = {"kind": "webhook", "url": "http://127.0.0.1:1/", "secret_env": "HOOK"}
    await project.built()
    with pytest.raises(ConfigError, match="the environment variable HOOK"):
        async with project.started(cdn={"purge": [hook]}):
            pass


async def test_neither_a_build_nor_development_needs_secrets_or_purges(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDN_TOKEN")
    project.routes(ROUTES)
    async with cdn() as cache:
        await project.built(cdn=fronts(cache))
        async with project.started(development=True, cdn=fronts(cache)):
            await purged(revalidate_tag("items"))
        assert cache.asked == []


def test_who_has_no_caches_in_front_loads_nothing_for_them(project: Project) -> None:
    project.routes({"/a": 'dynamic = "force-dynamic"\ndef GET(): return 1\n'})
    script = (
        "import asyncio, sys, millpond\n"
        "async def main():\n"
        "    async with millpond.Millpond('app').lifespan():\n"
        "        millpond.revalidate_tag('a')\n"
        "        await millpond.purged()\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.startswith('millpond.purge')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# What answers say


async def test_fresh_answers_say_what_caches_in_front_may_keep(project: Project) -> None:
    project.routes(ROUTES)
    said = {"headers": ["xkey", "cache-groups"], "cdn_cache_control": True, "max_age": 10}
    async with project.serving(cdn=said) as pond:
        for _ in range(4):
            answer = await pond.get("/items/7")
            assert answer.headers["cache-control"] == SWR_60
            assert answer.headers["cdn-cache-control"] == "max-age=10, stale-while-revalidate=31535940"
            assert answer.headers["cache-groups"] == f'"items", "item:7", "{key_of(path_tag("/items/7"))}"'
            assert "surrogate-key" not in answer.headers
        repeated = await pond.get("/items/7", headers={"if-none-match": answer.headers["etag"]})
        assert repeated.status_code == 304
        assert repeated.headers["xkey"] == answer.headers["xkey"]


async def test_an_answer_that_was_invalidated_softly_is_for_no_cache_in_front(project: Project) -> None:
    """It would take it for fresh, as old as it is, and keep it for as long as its lifetime."""
    project.routes(ROUTES)
    async with project.serving(cdn={"headers": ["xkey"], "cdn_cache_control": True}) as pond:
        await pond.get("/items/7")
        revalidate_tag("items", "max")
        stale = await pond.get("/items/7")
        assert (stale.headers["x-nextjs-cache"], stale.headers["cache-control"]) == ("STALE", UNCACHED)
        assert "cdn-cache-control" not in stale.headers
        await pond.settle()
        fresh = await pond.get("/items/7")
        assert (fresh.headers["x-nextjs-cache"], fresh.headers["cache-control"]) == ("HIT", SWR_60)


@pytest.mark.parametrize("fronted", [True, False])
@pytest.mark.parametrize("profile", ["max", {"expire": 0}])
async def test_an_answer_that_was_invalidated_while_it_was_rendered_is_for_no_cache_in_front(
    project: Project, fronted: bool, profile: Any
) -> None:
    project.routes(ROUTES)
    async with project.serving(**({"cdn": {}} if fronted else {})) as pond:
        route = pond.module("/items/[id]")
        route.may_end.clear()
        asked = asyncio.create_task(pond.get("/items/7"))
        await route.begun.wait()
        revalidate_tag("items", profile)
        route.may_end.set()
        answer = await asked
        assert (answer.headers["x-nextjs-cache"], answer.headers["cache-control"]) == ("MISS", UNCACHED)


@pytest.mark.parametrize(("fronted", "said"), [(True, UNCACHED), (False, None)])
async def test_with_caches_in_front_live_answers_say_that_they_are_nobody_elses(
    project: Project, fronted: bool, said: str | None
) -> None:
    project.routes(ROUTES)
    async with project.serving(**({"cdn": {}} if fronted else {})) as pond:
        answers = [await pond.get("/me"), await pond.client.options("/me"), await pond.post("/me")]
    assert [answer.status_code for answer in answers] == [200, 204, 405]
    assert [answer.headers.get("cache-control") for answer in answers] == [said] * 3
