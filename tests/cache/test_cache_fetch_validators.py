"""A refresh asks whether the stored answer still holds: ETag, Last-Modified, 304 (RFC 9111 §4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upstreams import Upstream, upstream

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

MONDAY = "Mon, 30 Nov 2026 12:00:00 GMT"
ROUTE = """
from millpond import fetch, revalidate_tag
dynamic = "force-dynamic"
URL, GIVEN = "", {}
async def GET():
    answer = await fetch(URL, **{"revalidate": 10, "tags": ["t"], **GIVEN})
    return [answer.status_code, answer.text, dict(answer.headers)]
def DELETE(expire: int | None = None):
    revalidate_tag("t", expire=expire)
"""


async def asked(running: Running, url: str, **given: Any) -> list[Any]:
    module = running.module("/")
    module.URL, module.GIVEN = url, given
    answer = list((await running.get("/")).json())
    await running.settle()
    return answer


async def refreshed(project: Project, running: Running, url: str, **given: Any) -> list[Any]:
    """What readers get after a refresh in the background."""
    project.clock.move(11)
    await asked(running, url, **given)
    return await asked(running, url, **given)


def not_modified(source: Upstream, **headers: str) -> None:
    source.status, source.body = 304, b""
    source.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ({"ETag": '"a"'}, {"if-none-match": '"a"'}),
        ({"ETag": 'W/"a"'}, {"if-none-match": 'W/"a"'}),
        ({"Last-Modified": MONDAY}, {"if-modified-since": MONDAY}),
        ({"ETag": '"a"', "Last-Modified": MONDAY}, {"if-none-match": '"a"', "if-modified-since": MONDAY}),
        ({}, {}),
    ],
)
async def test_a_refresh_sends_the_validators_of_the_stored_answer(
    project: Project, stored: dict[str, str], sent: dict[str, str]
) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = stored
        await asked(running, source.url)
        await refreshed(project, running, source.url)
        first, second = source.seen
        conditions = ("if-none-match", "if-modified-since")
        assert not any(name in first.headers for name in conditions)
        assert {name: second.headers[name] for name in conditions if name in second.headers} == sent


async def test_not_modified_renews_the_answer_without_a_body_and_updates_its_headers(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"ETag": '"a"', "X-Kept": "1", "X-Changed": "old", "Age": "5", "Content-Type": "text/plain"}
        await asked(running, source.url)
        not_modified(source, ETag='"a"', X_Changed="new", Content_Type="text/html", X_New="1")
        status, text, headers = await refreshed(project, running, source.url)
        assert (status, text) == (200, "/ 1")
        assert (headers["x-kept"], headers["x-changed"], headers["x-new"]) == ("1", "new", "1")
        assert headers["content-type"] == "text/plain"
        assert "age" not in headers
        assert source.requests == 2
        project.clock.move(9)
        await asked(running, source.url)
        assert source.requests == 2  # it is fresh again
        project.clock.move(2)
        await asked(running, source.url)
        assert source.seen[2].headers["if-none-match"] == '"a"'


async def test_a_changed_answer_replaces_the_stored_one(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"ETag": '"a"'}
        await asked(running, source.url)
        source.headers = {"ETag": '"b"'}
        assert (await refreshed(project, running, source.url))[1] == "/ 2"
        await refreshed(project, running, source.url)
        assert source.seen[2].headers["if-none-match"] == '"b"'


async def test_a_304_about_another_version_isnt_believed(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"ETag": '"a"'}
        await asked(running, source.url)
        not_modified(source, ETag='"b"')
        assert (await refreshed(project, running, source.url))[:2] == [200, "/ 1"]  # the next 304 is no answer either
        assert [seen.headers.get("if-none-match") for seen in source.seen[:3]] == [None, '"a"', None]


@pytest.mark.parametrize(
    "given",
    [
        {"headers": {"If-None-Match": '"mine"'}},
        {"headers": {"Range": "bytes=0-1"}},
        {"method": "POST", "content": "q"},
    ],
)
async def test_a_call_with_conditions_of_its_own_or_an_effect_gets_none(
    project: Project, given: dict[str, Any]
) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"ETag": '"a"', "Last-Modified": MONDAY}
        await asked(running, source.url, **given)
        await refreshed(project, running, source.url, **given)
        assert source.requests == 2
        own = given.get("headers", {}).get("If-None-Match")
        assert source.seen[1].headers.get("if-none-match") == own
        assert "if-modified-since" not in source.seen[1].headers


async def test_what_was_expired_by_a_tag_is_asked_for_by_its_etag_and_not_by_its_date(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers = {"Last-Modified": MONDAY}
        await asked(running, source.url)
        await running.client.delete("/")
        await asked(running, source.url)
        assert "if-modified-since" not in source.seen[1].headers
        source.headers = {"ETag": '"a"'}
        await running.client.delete("/")
        await asked(running, source.url)
        await running.client.delete("/")
        not_modified(source, ETag='"a"')
        assert (await asked(running, source.url))[:2] == [200, "/ 3"]
        assert source.seen[3].headers["if-none-match"] == '"a"'


async def test_a_render_that_waits_gets_the_renewed_answer(project: Project) -> None:
    async with upstream() as source:
        call = f'await fetch("{source.url}", revalidate=10)'
        route = f"from millpond import fetch\nrevalidate = 5\nasync def GET(): return ({call}).text\n"
        project.routes({"/": route})
        async with project.started() as running:
            source.headers = {"ETag": '"a"'}
            await running.get("/")
            not_modified(source, ETag='"a"')
            project.clock.move(11)
            await running.get("/")
            await running.settle()
            answer = await running.get("/")
            assert (answer.json(), answer.headers["x-nextjs-cache"]) == ("/ 1", "HIT")
            assert source.requests == 2


# Where an answer came from


PLACES = """
from millpond import fetch
dynamic = "force-dynamic"
URL, GIVEN = "", {}
async def GET():
    answer = await fetch(URL, **{"revalidate": 10, **GIVEN})
    return {
        "url": str(answer.url), "method": answer.request.method, "text": answer.text,
        "history": [[r.status_code, str(r.url), r.headers.get("location"), r.text] for r in answer.history],
        "redirected": bool(answer.history), "took": 0 <= answer.elapsed.total_seconds() < 60,
        "hops": [0 <= each.elapsed.total_seconds() < 60 for each in answer.history],
    }
"""


async def test_a_cached_answer_knows_its_last_url_and_its_redirects(project: Project) -> None:
    project.routes({"/": PLACES, "/plain": PLACES})
    async with upstream() as source, project.started() as running:
        source.redirects = {"/a": "/b?x=1", "/b": source.url + "/c"}
        seen = []
        for second in (0, 0, 11, 0):
            project.clock.move(second)
            running.module("/").URL = source.url + "/a"
            seen.append((await running.get("/")).json())
            await running.settle()
        assert [each.pop("text") for each in seen] == ["/c 1", "/c 1", "/c 1", "/c 2"]
        assert seen[1] == seen[0] == seen[2] == seen[3]
        assert seen[0] == {
            "url": source.url + "/c",
            "method": "GET",
            "history": [
                [302, source.url + "/a", "/b?x=1", ""],
                [302, source.url + "/b?x=1", source.url + "/c", ""],
            ],
            "redirected": True,
            "took": True,
            "hops": [True, True],
        }


async def test_a_cached_answer_that_came_straight_has_no_history(project: Project) -> None:
    project.routes({"/": PLACES})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url + "/a"
        first, second = [(await running.get("/")).json() for _ in range(2)]
        assert first == second
        assert (first["url"], first["history"], first["took"]) == (source.url + "/a", [], True)


async def test_a_304_of_another_url_renews_nothing(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        source.headers, source.redirects = {"ETag": '"a"'}, {"/a": "/b"}
        await asked(running, source.url + "/a")
        source.redirects = {"/a": "/c"}
        not_modified(source, ETag='"a"')
        await refreshed(project, running, source.url + "/a")
        asked_for = [(seen.target, seen.headers.get("if-none-match")) for seen in source.seen]
        assert asked_for[2:6] == [("/a", '"a"'), ("/c", '"a"'), ("/a", None), ("/c", None)]


@pytest.mark.parametrize("expire", [0, None])
@pytest.mark.parametrize("revalidate", [10, "upstream"])
async def test_a_date_does_not_count_after_an_invalidation_of_data_that_is_old_besides(
    project: Project, revalidate: Any, expire: int | None
) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started(expire_time=20) as running:
        source.headers = {"Last-Modified": MONDAY, "ETag": '"a"', "Cache-Control": "max-age=10"}
        await asked(running, source.url, revalidate=revalidate)
        await running.client.delete("/" if expire is None else f"/?expire={expire}")
        project.clock.move(25)
        await asked(running, source.url, revalidate=revalidate)
        assert source.seen[-1].headers["if-none-match"] == '"a"'
        assert "if-modified-since" not in source.seen[-1].headers
