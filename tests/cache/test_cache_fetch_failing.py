"""An upstream that fails: what readers get, and how often it is asked (R5.14; docs/design.md, Failure)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import Upstream, upstream

from millpond import fetch
from millpond.errors import UsageError
from ponds import turns

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

LIVE = """
from millpond import fetch, revalidate_tag
dynamic = "force-dynamic"
URL = ""
async def GET():
    answer = await fetch(URL, revalidate=10, tags=["t"])
    return f"{answer.status_code} {answer.text}"
def DELETE(expire: int | None = None):
    revalidate_tag("t", expire=expire)
"""


def breaks(source: Upstream, how: str) -> None:
    if how == "hangs up":
        source.hangs_up = True
    else:
        source.status = int(how)


@pytest.fixture(params=["hangs up", "500", "503", "403"])
def failure(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def live(project: Project, running: Running, seconds: float = 0) -> str:
    project.clock.move(seconds)
    answer = await running.get("/")
    await running.settle()
    return str(answer.json()) if answer.status_code == 200 else f"failed with {answer.status_code}"


async def test_the_last_good_data_stays_and_the_upstream_is_asked_now_and_then(project: Project, failure: str) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        await live(project, running)
        breaks(source, failure)
        asked = []
        for _ in range(40):  # each second
            assert await live(project, running, 1) == "200 / 1"
            asked.append(source.requests - 1)
        assert asked[:10] == [0] * 10
        assert asked[-1] == 3  # at 11, 21 and 31 s: its own interval, within 3 to 30 s
        source.hangs_up, source.status = False, 200
        await live(project, running, 10)
        assert await live(project, running) == f"200 / {source.requests}"


async def test_the_log_names_what_failed_to_refresh(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        await live(project, running)
        source.hangs_up = True
        assert await live(project, running, 11) == "200 / 1"
        assert f"refreshing cached data (GET {source.url}) failed" in caplog.text


async def test_without_good_data_the_failure_is_the_readers(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        source.hangs_up = True
        assert await live(project, running) == "failed with 500"
        source.hangs_up = False
        assert await live(project, running) == "200 / 2"


async def test_many_readers_of_a_failing_upstream_are_one_request(project: Project) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        source.hangs_up = True
        source.hold()
        readers = [asyncio.create_task(running.get("/")) for _ in range(10)]
        await source.arrived.wait()
        await turns()
        source.open.set()
        assert {answer.status_code for answer in await asyncio.gather(*readers)} == {500}
        assert source.requests == 1


async def test_data_that_was_expired_is_not_served_again_though_the_upstream_fails(
    project: Project, failure: str
) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        await live(project, running)
        await running.client.delete("/")
        breaks(source, failure)
        for _ in range(2):
            assert not (await live(project, running)).startswith("200")
        assert source.requests == 3


async def test_an_invalidation_ends_the_pause(project: Project, failure: str) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        await live(project, running)
        breaks(source, failure)
        await live(project, running, 11)
        await live(project, running)
        assert source.requests == 2
        source.hangs_up, source.status = False, 200
        await running.client.delete("/?expire=100")
        await live(project, running)
        assert await live(project, running) == "200 / 3"


async def test_a_window_ends_though_the_refresh_fails(project: Project, failure: str) -> None:
    project.routes({"/": LIVE})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        await live(project, running)
        breaks(source, failure)
        await running.client.delete("/?expire=20")
        assert await live(project, running, 19) == "200 / 1"
        assert not (await live(project, running, 1)).startswith("200")


async def test_a_shared_render_waits_for_fresh_and_keeps_its_old_answer_when_there_is_none(
    project: Project, failure: str
) -> None:
    project.routes(
        {
            "/": """
            from millpond import fetch
            revalidate = 10
            async def GET():
                answer = await fetch(URL, revalidate=10)
                answer.raise_for_status()
                return answer.text
            """
        }
    )
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        assert await live(project, running) == "/ 1"
        breaks(source, failure)
        assert [await live(project, running, 11) for _ in range(3)] == ["/ 1"] * 3
        source.hangs_up, source.status = False, 200
        await live(project, running, 11)
        assert await live(project, running) == f"/ {source.requests}"


# Time limits


@pytest.mark.parametrize("cache", ["force-cache", "no-store"])
async def test_an_upstream_that_says_nothing_is_left(project: Project, cache: Any) -> None:
    project.routes({"/": LIVE.replace("revalidate=10", f'cache="{cache}", timeout=0.05')})
    async with upstream() as source, project.started() as running:
        running.module("/").URL = source.url
        source.hold()
        assert (await running.get("/")).status_code == 500
        source.open.set()
        assert (await running.get("/")).status_code == 200


async def test_the_limit_is_for_the_whole_answer_and_not_for_each_byte() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.005)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.ReadTimeout, match=r"no complete answer within 0\.1 s"):
            await fetch(f"http://127.0.0.1:{port}/", timeout=0.1, client=client)


async def test_a_late_answer_of_the_own_application_is_left(project: Project) -> None:
    project.routes(
        {
            "/": LIVE.replace("revalidate=10", 'cache="no-store", timeout=0.05'),
            "/slow": """
            import asyncio
            dynamic = "force-dynamic"
            async def GET():
                await asyncio.Event().wait()
            """,
        }
    )
    async with project.started() as running:
        running.module("/").URL = "/slow"
        assert (await running.get("/")).status_code == 500


@pytest.mark.parametrize("limit", ["5", True, float("nan"), httpx2.Timeout(5), (1, 2)])
async def test_a_timeout_that_is_no_number_of_seconds_is_refused(limit: Any) -> None:
    with pytest.raises(UsageError, match="give the seconds for a complete answer"):
        await fetch("http://up/", timeout=limit)
    with pytest.raises(UsageError, match="give the seconds for a complete answer"):
        async with fetch.stream("http://up/", timeout=limit):
            pass
