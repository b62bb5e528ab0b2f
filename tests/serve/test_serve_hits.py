"""The hit path: what is known of a path, for how long it holds, and what it holds on to."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from millpond import revalidate_tag
from millpond.policy.entry import Entry
from millpond.policy.http.reply import NO_NEGOTIATION, Negotiation
from millpond.policy.http.surrogate import Surrogates
from millpond.serve import hits as hits_module
from millpond.serve import prepared
from millpond.serve.hits import HitRequest, Hits, Sent
from millpond.serve.prepared import VolatileHeadersTable, status_line
from ponds import client_of

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

COUNTED = """
from millpond import cache_tag, cached

{config}
RUNS = []


@cached
def tagged():
    cache_tag("news")
    return 1


def GET():
    tagged()
    RUNS.append(1)
    return len(RUNS)
"""
ROUTES = {
    "/static": COUNTED.format(config='dynamic = "force-static"'),
    "/fresh": COUNTED.format(config="revalidate = 60"),
}


def hits_of(served: Running) -> Hits:
    assert served.pond.hits is not None
    return served.pond.hits


def short_way(served: Running, path: str, negotiation: Negotiation = NO_NEGOTIATION) -> bytes | None:
    """The body that is at hand for a path; None where the long way must be taken."""
    hits = hits_of(served)
    known = hits.cached_path(path.encode())
    if known is None:
        return None
    prepared = hits.prepared(known)
    form = None if prepared is None else prepared.representation(negotiation)
    return None if form is None else form.body


async def warm(served: Running, path: str) -> None:
    await served.get(path)
    await served.get(path)
    assert short_way(served, path) is not None


async def test_a_path_is_known_once_it_was_answered_from_the_cache(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        assert short_way(served, "/static") is None
        await served.get("/static")
        assert short_way(served, "/static") == b"1"


@pytest.mark.parametrize("path", ["/live", "/nothing", "/static/", "//static"])
async def test_what_is_not_answered_from_the_cache_is_never_known(project: Project, path: str) -> None:
    project.routes({**ROUTES, "/live": "def GET():\n    return 1\n"})
    async with project.serving() as served:
        await served.get(path, follow_redirects=False)
        await served.get(path, follow_redirects=False)
        assert hits_of(served).cached_path(path.encode()) is None


async def test_an_invalidation_ends_the_short_way_at_once(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/static")
        revalidate_tag("news", {"expire": 0})
        assert short_way(served, "/static") is None
        assert await served.cache("/static") == "MISS"
        assert short_way(served, "/static") is not None


async def test_a_soft_invalidation_ends_it_too(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/fresh")
        revalidate_tag("news", "max")
        assert short_way(served, "/fresh") is None
        assert await served.cache("/fresh") == "STALE"


async def test_another_tags_invalidation_changes_nothing(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/static")
        revalidate_tag("other", {"expire": 0})
        assert short_way(served, "/static") == b"1"


async def test_age_ends_it(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/fresh")
        project.clock.move(60)
        assert short_way(served, "/fresh") == b"1"
        project.clock.move(0.01)
        assert short_way(served, "/fresh") is None


async def test_a_clock_that_is_set_back_never_shows_an_answer_as_fresh_that_judge_does_not(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/fresh")
        project.clock.move(-3)
        assert short_way(served, "/fresh") == b"1"
        project.clock.move(-10)
        assert short_way(served, "/fresh") is None


@pytest.mark.parametrize("step", [0.0, 0.3, 0.7, 1.0, 1.5])
async def test_age_and_time_left_are_those_of_the_long_way_at_any_moment(project: Project, step: float) -> None:
    project.routes({"/f": "revalidate = 7\ndef GET():\n    return 1\n"})
    await project.built()
    async with project.started() as short, project.started() as long:
        hits_of(long).cached_path = lambda _: None  # type: ignore[assignment]
        for _ in range(8):
            answers = [(await each.get("/f")).headers for each in (short, long)]
            assert answers[0].multi_items() == answers[1].multi_items()
            project.clock.move(step)


async def test_a_removed_entry_is_not_served_from_memory_and_not_held(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/static")
        entry = served.entry("/static")
        assert entry is not None
        gone = weakref.ref(entry)
        await served.pond.store.remove(entry.key)
        assert short_way(served, "/static") is None
        del entry
        gc.collect()
        assert gone() is None
        known = hits_of(served).cached_path(b"/static")
        assert known is not None
        assert known.prepared is None


async def test_what_is_served_the_short_way_counts_as_read(project: Project) -> None:
    """Else the store would evict first what is asked for most."""
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/static")
        store: Any = served.pond.store
        store._reads.clear()
        project.clock.move(1)
        assert short_way(served, "/static") == b"1"
        assert [key.split("\0")[2] for key in store._reads] == ["/static"]


async def test_the_query_is_looked_at_where_it_is_part_of_the_key(project: Project) -> None:
    project.routes(
        {"/q": 'revalidate = 60\ncache_query = ("size",)\ndef GET(size: str = "none"):\n    return size\n', **ROUTES}
    )
    async with project.serving() as served:
        for path in ("/q?size=1", "/q?size=1", "/q", "/q", "/q?size=2", "/q?other=1"):
            expected = path.partition("size=")[2] or "none"
            assert await served.body(path) == f'"{expected}"'
        known = hits_of(served).cached_path(b"/q")
        assert known is not None
        assert known.queried
        await warm(served, "/static?whatever=1".partition("?")[0])
        assert await served.body("/static?size=3") == "1"


async def test_no_more_paths_are_known_than_memory_is_meant_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits_module, "_MAX_PATHS", 3)
    monkeypatch.setattr(hits_module, "_MAX_REQUESTS", 2)
    project.routes(
        {"/[id]": "revalidate = 60\ndef generate_static_params():\n    return []\ndef GET(id: str):\n    return id\n"}
    )
    async with project.serving() as served:
        hits = hits_of(served)
        for number in range(5):
            await warm(served, f"/{number}")
            known = hits.cached_path(b"/%d" % number)
            assert known is not None
            request = HitRequest(known, NO_NEGOTIATION, "GET", b"")
            hits.remember(b"GET %d" % number, request)
        assert [hits.cached_path(b"/%d" % number) is not None for number in range(5)] == [
            False,
            False,
            True,
            True,
            True,
        ]
        assert [hits.recall(b"GET %d" % number) is not None for number in range(5)] == [False] * 3 + [True] * 2
        hits.remember(b"x" * 5000, request)
        assert hits.recall(b"x" * 5000) is None


async def test_copies_of_answers_are_bounded_together(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hits_module, "_MAX_COPIED_BYTES", 1000)
    project.routes(ROUTES)
    async with project.serving() as served:
        hits = hits_of(served)
        await warm(served, "/static")
        known = hits.cached_path(b"/static")
        assert known is not None
        assert known.prepared is not None
        requests = [HitRequest(known, NO_NEGOTIATION, "GET", b"/static") for _ in range(5)]
        for number, request in enumerate(requests):
            hits.remember(b"GET %d" % number, request)
            request.sent = Sent(known.prepared, [], 200, 300, b"x" * 300)
            hits.count_copied(300)
        assert sum(len(request.sent.data) for request in requests if request.sent is not None) <= 1000
        assert requests[-1].sent is None or requests[0].sent is None


async def test_forms_are_bounded_together(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_MAX_BYTES_OF_ALL", 6 * 1200)
    project.routes(
        {"/[id]": "revalidate = 60\ndef generate_static_params():\n    return []\ndef GET(id: str):\n    return id\n"}
    )
    async with project.serving() as served:
        hits = hits_of(served)
        for number in range(20):
            await warm(served, f"/{number}")
            assert short_way(served, f"/{number}", NO_NEGOTIATION) == b'"%d"' % number
            readies = [known.prepared for known in hits._cached_paths.values() if known.prepared is not None]
            assert sum(len(prepared.representations) for prepared in readies) <= 7
        assert short_way(served, "/0", NO_NEGOTIATION) == b'"0"'


async def test_what_is_sent_once_takes_no_room_from_what_is_remembered(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "_MAX_BYTES_OF_ALL", 6 * 1200)
    text = 'revalidate = 60\ndef GET():\n    return "the still water " * 100\n'
    project.routes({"/static": text})
    async with project.serving() as served:
        await warm(served, "/static")
        short_way(served, "/static", NO_NEGOTIATION)
        known = hits_of(served).cached_path(b"/static")
        assert known is not None
        ready = known.prepared
        for number in range(20):
            short_way(served, "/static", Negotiation(b"gzip, " + b"x" * 600 + b"%d" % number))
        assert known.prepared is ready is not None


async def test_what_clients_ask_for_is_remembered_within_bounds(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        await warm(served, "/static")
        for number in range(100):
            assert short_way(served, "/static", Negotiation(b"gzip;q=0.%d" % number)) == b"1"
        assert short_way(served, "/static", Negotiation(b"x" * 10_000)) == b"1"
        known = hits_of(served).cached_path(b"/static")
        assert known is not None
        assert known.prepared is not None
        assert len(known.prepared.representations) <= 8
        assert all(len(negotiation.accepted) <= 512 for negotiation in known.prepared.representations)


async def test_an_answer_with_many_headers_takes_the_long_way(project: Project) -> None:
    source = (
        "from millpond import Response\nrevalidate = 60\ndef GET(): return Response('', headers={'x-long': 9000 * 'y'})"
    )
    project.routes({"/long": source})
    async with project.serving() as served:
        await served.get("/long")
        assert short_way(served, "/long") is None
        assert (await served.get("/long")).headers["x-long"] == "y" * 9000


async def test_middleware_in_front_of_everything_sees_hits_and_keeps_the_server_from_answering_first(
    project: Project,
) -> None:
    project.routes(ROUTES)
    seen: list[str] = []

    def counting(app: Any, name: str) -> Any:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            seen.append(name)
            await app(scope, receive, send)

        return middleware

    async with project.serving() as served:
        await warm(served, "/static")
        assert hits_of(served).at_socket
    pond = project.pond()
    pond.add_middleware(counting, name="counting")
    async with pond.lifespan(), client_of(pond) as client:
        assert pond.hits is not None
        assert not pond.hits.at_socket
        for _ in range(2):
            assert (await client.get("/static")).text == "1"
    assert seen == ["counting"] * 2


async def test_middleware_that_changes_the_headers_of_a_hit_changes_them_once(project: Project) -> None:
    project.routes(ROUTES)

    def adding(app: Any) -> Any:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            async def changed(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"].append((b"x-added", b"1"))
                await send(message)

            await app(scope, receive, changed)

        return middleware

    await project.built()
    pond = project.pond()
    pond.add_middleware(adding)
    async with pond.lifespan(), client_of(pond) as client:
        for _ in range(3):
            assert (await client.get("/static")).headers.get_list("x-added") == ["1"]


async def test_there_is_no_short_way_before_the_start_and_after_the_end(project: Project) -> None:
    project.routes(ROUTES)
    async with project.serving() as served:
        pond = served.pond
        assert pond.hits is not None
    assert pond.hits is None


def fresh(now: float, revalidate: float) -> Entry:
    return Entry(
        key="/a",
        kind="response",
        status=200,
        headers=(),
        body=b"",
        rendered_at=now,
        revalidate=revalidate,
        expire=None,
        generation=0,
    )


async def test_moments_are_shared_by_entries_of_one_age_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_MAX_VOLATILE", 3)
    moments, now = VolatileHeadersTable(), 1_800_000_000.0
    first, second = (fresh(now, 600) for _ in range(2))
    shared = moments.of(first, 1, 599, now + 1)
    assert moments.of(second, 1, 599, now + 1.5) is shared
    assert moments.of(second, 2, 598, now + 2) is not shared
    for age in range(10):
        moments.of(first, age, 600 - age, now + age)
    assert len(moments._shared) <= 3


async def test_what_caches_in_front_are_told_of_an_entry_is_its_own() -> None:
    now = 1_800_000_000.0
    moments = VolatileHeadersTable(Surrogates(cdn_cache_control=True))
    long, short = (moments.of(fresh(now, seconds), 1, 9, now + 1) for seconds in (600, 10))
    assert long.lines != short.lines


@pytest.mark.parametrize("status", [200, 404, 299, 599])
def test_the_first_line_of_an_answer_is_uvicorns_also_for_a_status_without_a_phrase(status: int) -> None:
    assert status_line(status) == STATUS_LINE[status]
