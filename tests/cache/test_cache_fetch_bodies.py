"""Bodies of requests, what is keyed by them, and how often a request is sent."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from upstreams import upstream

from millpond import fetch
from millpond.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

ROUTE = """
from millpond import fetch
dynamic = "force-dynamic"
ARGS, GIVEN = (), {}
async def GET():
    return (await fetch(*ARGS, **{"method": "POST", **GIVEN})).text
"""


async def asked(running: Running, url: str, **given: Any) -> Any:
    module = running.module("/")
    module.ARGS, module.GIVEN = (url,), given
    return (await running.get("/")).json()


async def test_the_fields_of_a_form_are_sent_and_part_of_the_key(project: Project) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        forms = [{"q": "oak & pine", "size": ["1", "2"]}, {"q": "oak"}, {"q": "oak"}]
        bodies = [await asked(running, source.url, data=form, cache="force-cache") for form in forms]
        assert bodies == ["/ 1", "/ 2", "/ 2"]
        assert source.seen[0].body == b"q=oak+%26+pine&size=1&size=2"
        assert source.seen[0].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("file", [b"picture", ("a.png", io.BytesIO(b"picture"), "image/png"), io.BytesIO(b"picture")])
async def test_files_are_uploaded_with_the_fields_of_their_form(project: Project, file: Any) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        assert await asked(running, source.url, files={"file": file}, data={"title": "Oak"}) == "/ 1"
        seen = source.seen[0]
        assert seen.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="title"' in seen.body
        assert b"picture" in seen.body


async def test_an_upload_is_never_cached(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.routes({"/": ROUTE.replace("dynamic =", 'fetch_cache = "default-cache"\ndynamic =')})
    async with upstream() as source, project.started() as running:
        assert [await asked(running, source.url, files={"file": b"x"}) for _ in range(2)] == ["/ 1", "/ 2"]
        running.module("/").GIVEN = {"files": {"file": b"x"}, "revalidate": 10}
        assert (await running.get("/")).status_code == 500
        assert "fetch(files=…) isn't cached" in caplog.text


async def pieces() -> Any:
    yield b"x"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"content": pieces()}, r"fetch\(content=async_generator\).*must be known beforehand"),
        ({"content": iter([b"x"])}, r"fetch\(content=list_iterator\)"),
        ({"content": io.BytesIO(b"x")}, r"fetch\(content=BytesIO\)"),
        ({"content": 5}, r"fetch\(content=int\)"),
        ({"content": ["x"]}, r"fetch\(content=list\)"),
        ({"data": b"x"}, r"fetch\(data=bytes\)"),
        ({"json": {}, "content": b"x"}, "json and content are given"),
        ({"json": {}, "files": {"a": b"x"}}, "json and files are given"),
        ({"data": {}, "content": b""}, "content and data are given"),
    ],
)
async def test_a_body_that_cant_be_sent_again_or_is_two_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        await fetch("http://up/", method="POST", **given)


async def test_an_open_file_as_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with (tmp_path / "a").open("rb") as file, pytest.raises(UsageError, match=r"content=BufferedReader"):
        await fetch("http://up/", content=file)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [bytearray(b"x"), memoryview(b"x")])
async def test_other_bytes_are_bytes(project: Project, content: Any) -> None:
    project.routes({"/": ROUTE})
    async with upstream() as source, project.started() as running:
        assert [await asked(running, source.url, content=content, cache="force-cache") for _ in range(2)] == ["/ 1"] * 2
        assert source.seen[0].body == b"x"


# Retries


class Failing(httpx2.AsyncBaseTransport):
    """Fails some times, then answers."""

    def __init__(self, error: type[httpx2.TransportError], times: int) -> None:
        self.error, self.left, self.requests = error, times, 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self.left:
            self.left -= 1
            raise self.error("no connection", request=request)
        return httpx2.Response(200, text=f"{self.requests}")


async def attempts(error: type[httpx2.TransportError], times: int, **given: Any) -> tuple[str, int]:
    transport = Failing(error, times)
    async with httpx2.AsyncClient(transport=transport) as client:
        try:
            answer = await fetch("http://up/", client=client, **given)
        except httpx2.HTTPError as raised:
            return type(raised).__name__, transport.requests
        return answer.text, transport.requests


async def test_there_are_no_retries_by_default() -> None:
    assert await attempts(httpx2.ConnectError, 1) == ("ConnectError", 1)


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError])
async def test_a_connection_that_fails_is_tried_again_as_often_as_said(
    error: type[httpx2.TransportError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millpond.cache.fetching.upstream._FIRST_PAUSE", 0.001)
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "QUERY"):
        assert await attempts(error, 2, retries=2, method=method) == ("3", 3)
    assert await attempts(error, 3, retries=2) == (error.__name__, 3)


@pytest.mark.parametrize(
    "given", [{"method": "POST", "json": {}}, {"method": "PATCH"}, {"method": "PUT", "files": {"a": io.BytesIO(b"x")}}]
)
async def test_what_has_an_effect_isnt_sent_twice(given: dict[str, Any]) -> None:
    assert await attempts(httpx2.ReadError, 1, retries=2, **given) == ("ReadError", 1)


@pytest.mark.parametrize("error", [httpx2.ReadTimeout, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError])
async def test_other_errors_arent_tried_again(error: type[httpx2.TransportError]) -> None:
    assert await attempts(error, 1, retries=2) == (error.__name__, 1)


async def test_an_answer_is_an_answer(project: Project) -> None:
    async with upstream() as source:
        source.status = 503
        assert (await fetch(source.url, retries=3)).status_code == 503
        assert source.requests == 1


async def test_retries_take_no_more_time_than_the_call_has() -> None:
    assert await attempts(httpx2.ConnectError, 9, retries=9, timeout=0.05) == ("ReadTimeout", 1)


async def test_a_cached_call_tries_again_too(project: Project) -> None:
    project.routes({"/": ROUTE})
    transport = Failing(httpx2.ConnectError, 1)
    async with httpx2.AsyncClient(transport=transport) as client, project.started() as running:
        assert await asked(running, "http://up/", client=client, method="GET", revalidate=9, retries=1) == "2"


@pytest.mark.parametrize("value", [-1, 11, True, 1.5, None, "1"])
async def test_a_number_of_retries_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="give a number from 0 to 10"):
        await fetch("http://up/", retries=value)
