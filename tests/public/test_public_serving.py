"""What is answered with the files of `public/`."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import brotli  # type: ignore[import-untyped]
import httpx2
import pytest

from millpond import Millpond
from millpond.serve.public import content_tags
from millpond.serve.public.media_type import media_type

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio
SCRIPT = b"let answer = 42;\n" * 100
ECHO = "def GET(path: list[str]):\n    return path\n\n\ndef POST(path: list[str]):\n    return path\n"


@pytest.fixture
def site(project: Project) -> Project:
    """A project whose route would answer each path."""
    project.routes({"/[...path]": ECHO})
    public = project.folder / "public"
    (public / ".well-known").mkdir(parents=True)
    (public / "sub" / ".git").mkdir(parents=True)
    (public / "app.js").write_bytes(SCRIPT)
    (public / "app.js.gz").write_bytes(gzip.compress(SCRIPT))
    (public / "app.js.br").write_bytes(brotli.compress(SCRIPT))
    for name in ("sub/a b%é?.txt", ".well-known/security.txt", ".env", "sub/.git/config", "empty.txt", "LICENSE"):
        (public / name).write_text("" if name == "empty.txt" else name, "utf-8")
    return project


def outside(site: Project) -> None:
    """Links that lead out of the folder, and some that don't."""
    secret = site.folder / "secret.txt"
    secret.write_text("secret", "utf-8")
    public = site.folder / "public"
    (public / "out.txt").symlink_to(secret)
    (public / "above").symlink_to(site.folder)
    (public / "in.txt").symlink_to(public / "LICENSE")
    (public / "again").symlink_to("sub")
    (public / "sub" / "circle").symlink_to(public)
    os.mkfifo(public / "pipe")


async def test_a_file_is_answered_with_its_content_type_and_validators(site: Project) -> None:
    async with site.started() as running:
        answer = await running.get("/app.js")
        head = await running.client.head("/app.js")
        assert (answer.status_code, answer.content) == (200, SCRIPT)
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=0"
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["last-modified"].endswith(" GMT")
        assert "x-nextjs-cache" not in answer.headers
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == answer.headers
        assert (await running.get("/empty.txt")).content == b""
        assert (await running.get("/nothing.js")).json() == ["nothing.js"]


@pytest.mark.parametrize("development", [False, True])
async def test_names_are_those_of_the_files_and_nothing_else_is_served(site: Project, development: bool) -> None:
    outside(site)
    async with site.started(development=development) as running:

        async def status_and_text(path: str) -> tuple[int, str]:
            answer = await running.get(path, headers={"accept-encoding": "identity"})
            return answer.status_code, answer.text

        name = "sub/a b%é?.txt"
        assert await status_and_text("/sub/a%20b%25%C3%A9%3F.txt") == (200, name)
        assert await status_and_text("/%73ub/a%20b%25%c3%a9%3f%2Etxt") == (200, name)
        assert await status_and_text("/again/a%20b%25%C3%A9%3F.txt") == (200, name)
        assert await status_and_text("/in.txt") == (200, "LICENSE")
        assert await status_and_text("/.well-known/security.txt") == (200, ".well-known/security.txt")
        for path in (
            *("/out.txt", "/above/secret.txt", "/pipe", "/.env", "/sub/.git/config", "/sub", "/sub/..%2fLICENSE"),
            *("/..%5cLICENSE", "/sub%5C..%5CLICENSE", "/%2e%2e%2fsecret.txt", "/app.js%2f", "/APP.JS", "/app.js%20"),
        ):
            status, text = await status_and_text(path)
            assert (path, status, text[:1]) == (path, 200, "[")  # the route's answer
        assert (await running.get("/app.js%00")).status_code == 400
        assert (await running.get("/a" * 200)).status_code in (200, 414)


@pytest.mark.parametrize(
    ("sent", "location"),
    [
        ("//app.js", "/app.js"),
        ("/app.js/?v=1", "/app.js?v=1"),
        ("/sub/../app.js", "/app.js"),
        ("/sub/%2e%2e/app.js?v=1", "/app.js?v=1"),
    ],
)
async def test_other_spellings_of_a_path_are_redirected(project: Project, sent: str, location: str) -> None:
    project.write({"public/app.js": "1"})
    scope = {"raw_path": sent.partition("?")[0].encode(), "query_string": sent.partition("?")[2].encode()}
    async with project.started(base_path="/docs") as running:
        answer = await asked(running.pond, "GET", b"/docs" + scope["raw_path"], scope["query_string"])
    assert (answer["status"], dict(answer["headers"])[b"location"]) == (308, b"/docs" + location.encode())


async def asked(app: Any, method: str, raw_path: bytes, query: bytes = b"") -> dict[str, Any]:
    """The start of an answer to a path that no client would send as it is."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method}
    more = {"path": unquote(raw_path.decode()), "raw_path": raw_path, "query_string": query}
    await app({**scope, **more, "headers": [], "root_path": "", "scheme": "http"}, receive, send)
    return sent[0]


async def test_other_methods_of_a_file_are_405(site: Project) -> None:
    async with site.started() as running:
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = await running.client.request(method, "/app.js")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert (await running.post("/other")).json() == ["other"]


async def test_a_client_that_has_the_content_gets_304(site: Project) -> None:
    async with site.started() as running:
        plain = {"accept-encoding": "identity"}
        first = await running.get("/app.js", headers=plain)
        etag = first.headers["etag"]
        assert etag.startswith('"')
        for held in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            answer = await running.get("/app.js", headers={**plain, "if-none-match": held})
            assert (answer.status_code, answer.content) == (304, b"")
            assert (answer.headers["etag"], answer.headers["vary"]) == (etag, "accept-encoding")
            assert answer.headers["cache-control"] == "public, max-age=0"
        dated = {**plain, "if-modified-since": first.headers["last-modified"]}
        assert (await running.get("/app.js", headers=dated)).status_code == 304
        assert (await running.get("/app.js", headers={**dated, "if-none-match": '"x"'})).status_code == 200
        assert (await running.client.head("/app.js", headers={**plain, "if-none-match": etag})).status_code == 304


async def test_the_etag_is_that_of_the_content_whatever_the_time_says(site: Project) -> None:
    """Container builds set the time of all files to one moment."""
    path = site.folder / "public" / "LICENSE"
    os.utime(path, (1, 1))
    async with site.started() as running:
        first = await running.get("/LICENSE")
        (site.folder / "new").write_text("license", "utf-8")
        os.utime(site.folder / "new", (1, 1))
        (site.folder / "new").replace(path)
        second = await running.get("/LICENSE")
        os.utime(path, (2, 2))
        third = await running.get("/LICENSE")
    assert (first.text, second.text) == ("LICENSE", "license")
    assert first.headers["last-modified"] == second.headers["last-modified"] != third.headers["last-modified"]
    assert first.headers["etag"] != second.headers["etag"] == third.headers["etag"]


async def test_a_large_file_is_not_read_for_its_etag(site: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_tags, "LARGEST_READ", 10)
    async with site.started() as running:
        etag = (await running.get("/app.js", headers={"accept-encoding": "identity"})).headers["etag"]
    told = (site.folder / "public" / "app.js").stat()
    assert etag == f'"{told.st_size:x}-{told.st_mtime_ns:x}"'


@pytest.mark.parametrize(
    ("sent", "status", "content", "content_range"),
    [
        ("bytes=0-2", 206, SCRIPT[:3], f"bytes 0-2/{len(SCRIPT)}"),
        ("bytes=-4", 206, SCRIPT[-4:], f"bytes {len(SCRIPT) - 4}-{len(SCRIPT) - 1}/{len(SCRIPT)}"),
        ("bytes=1690-", 206, SCRIPT[1690:], f"bytes 1690-{len(SCRIPT) - 1}/{len(SCRIPT)}"),
        ("bytes=0-0,99999-", 206, SCRIPT[:1], f"bytes 0-0/{len(SCRIPT)}"),
        ("bytes=99999-", 416, b"", f"bytes */{len(SCRIPT)}"),
        ("bytes=oops", 200, SCRIPT, None),
        ("lines=1-2", 200, SCRIPT, None),
    ],
)
async def test_a_range_is_answered_alone(
    site: Project, sent: str, status: int, content: bytes, content_range: str | None
) -> None:
    async with site.started() as running:
        answer = await running.get("/app.js", headers={"range": sent, "accept-encoding": "identity"})
    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, content, content_range)


async def test_ranges_are_parts_and_hold_only_for_what_the_client_has(site: Project) -> None:
    async with site.started() as running:
        plain = {"accept-encoding": "identity", "range": "bytes=0-1,5-6"}
        parts = await running.get("/app.js", headers=plain)
        assert parts.status_code == 206
        assert parts.headers["content-type"].startswith("multipart/byteranges; boundary=")
        assert parts.text.count("Content-Range: bytes ") == 2
        etag = parts.headers["etag"]
        assert (await running.get("/app.js", headers={**plain, "if-range": etag})).status_code == 206
        assert (await running.get("/app.js", headers={**plain, "if-range": '"other"'})).status_code == 200
        assert (await running.client.head("/app.js", headers=plain)).status_code == 200
        two = [("range", "bytes=0-1"), ("range", "bytes=2-3"), ("accept-encoding", "identity")]
        assert (await running.get("/app.js", headers=two)).status_code == 200
        coded = await running.get("/app.js", headers={"accept-encoding": "gzip", "range": "bytes=0-1"})
    assert (coded.status_code, coded.headers["content-encoding"]) == (206, "gzip")
    assert coded.headers["etag"] != etag


@pytest.mark.parametrize("development", [False, True])
async def test_a_file_that_lies_compressed_beside_is_sent_so_to_who_accepts_it(
    site: Project, development: bool
) -> None:
    async with site.started(development=development) as running:

        async def coding(accepted: str) -> tuple[str | None, str]:
            async with running.client.stream("GET", "/app.js", headers={"accept-encoding": accepted}) as answer:
                assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
                raw = b"".join([part async for part in answer.aiter_raw()])
                given = answer.headers.get("content-encoding")
                assert {None: bytes, "br": brotli.decompress, "gzip": gzip.decompress}[given](raw) == SCRIPT
                assert int(answer.headers["content-length"]) == len(raw)
                return given, answer.headers["vary"]

        assert await coding("gzip, br") == ("br", "accept-encoding")  # the smaller one
        assert await coding("gzip") == ("gzip", "accept-encoding")
        assert await coding("gzip, br;q=0.5") == ("gzip", "accept-encoding")
        assert await coding("zstd") == (None, "accept-encoding")
        assert await coding("identity") == (None, "accept-encoding")
        (site.folder / "public" / "app.js.br").unlink()
        assert (await coding("gzip, br"))[0] == "gzip"
        assert "vary" not in (await running.get("/LICENSE")).headers


async def test_a_compressed_file_that_is_larger_is_not_sent(project: Project) -> None:
    project.write({"public/a.txt": "short", "public/a.txt.gz": "longer than it"})
    async with project.started() as running:
        assert (await running.get("/a.txt")).text == "short"
        assert (await running.get("/a.txt.gz")).headers["content-type"] == "application/gzip"


async def test_files_are_listed_at_the_start_and_what_has_gone_is_404(site: Project) -> None:
    async with site.started() as running:
        (site.folder / "public" / "late.txt").write_text("late", "utf-8")
        (site.folder / "public" / "LICENSE").unlink()
        assert (await running.get("/late.txt")).json() == ["late.txt"]
        assert (await running.get("/LICENSE")).status_code == 404


async def test_a_file_that_becomes_a_link_to_elsewhere_is_404(site: Project) -> None:
    async with site.started() as running:
        path = site.folder / "public" / "LICENSE"
        path.unlink()
        path.symlink_to("/etc/hostname")
        assert (await running.get("/LICENSE")).status_code == 404


async def test_in_development_files_may_come_and_go(site: Project) -> None:
    async with site.started(development=True) as running:
        path = site.folder / "public" / "late.txt"
        assert (await running.get("/late.txt")).json() == ["late.txt"]
        path.write_text("late", "utf-8")
        assert (await running.get("/late.txt")).text == "late"
        path.unlink()
        assert (await running.get("/late.txt")).json() == ["late.txt"]


async def test_the_folder_itself_may_come_in_development(project: Project) -> None:
    async with project.started(development=True) as running:
        assert (await running.get("/a.txt")).status_code == 404
        project.write({"public/a.txt": "a"})
        assert (await running.get("/a.txt")).text == "a"


async def test_a_file_that_cannot_be_read_is_a_500_and_one_line_of_the_log(
    site: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("millpond.serve.public.content_tags._tag", refused)
    async with site.started() as running:
        assert (await running.get("/LICENSE")).status_code == 500
    assert "public/LICENSE can't be read: Permission denied" in caplog.messages


async def test_a_path_or_headers_over_their_bounds_are_refused(site: Project) -> None:
    async with site.started(server={"max_path_bytes": 100, "max_header_bytes": 1000}) as running:
        assert (await running.get("/app.js?" + "x" * 100)).status_code == 414
        assert (await running.get("/app.js", headers={"x": "y" * 1000})).status_code == 431


async def test_configured_headers_redirects_and_cors_concern_files(site: Project) -> None:
    said: dict[str, Any] = {
        "headers": [{"source": "/[[...path]]", "name": "X-Content-Type-Options", "value": "nosniff"}],
        "redirects": [{"source": "/app.js", "destination": "/LICENSE"}],
        "cors": {"allow_origins": ["https://pages.example"]},
    }
    async with site.started(**said) as running:
        moved = await running.get("/app.js")
        file = await running.get("/LICENSE", headers={"origin": "https://pages.example"})
    assert (moved.status_code, moved.headers["location"]) == (308, "/LICENSE")
    assert file.text == "LICENSE"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["access-control-allow-origin"] == "https://pages.example"


async def test_files_are_below_the_base_path_only(site: Project) -> None:
    async with site.started(base_path="/docs") as running:
        assert (await running.get("/docs/LICENSE")).text == "LICENSE"
        assert (await running.get("/LICENSE")).status_code == 404


async def test_another_folder_may_be_configured_or_none(site: Project) -> None:
    site.write({"frontend/dist/index.css": "a {}"})
    async with site.started(public_dir="frontend/dist") as running:
        assert (await running.get("/index.css")).text == "a {}"
        assert (await running.get("/LICENSE")).json() == ["LICENSE"]
    async with site.started(public_dir="") as running:
        assert (await running.get("/LICENSE")).json() == ["LICENSE"]


async def test_middleware_sees_files_and_dependencies_do_not(site: Project) -> None:
    from fastapi import Depends, HTTPException

    def guard() -> None:
        raise HTTPException(401)

    app = Millpond(site.folder / "app", dependencies=[Depends(guard)])
    seen: list[str] = []

    @app.middleware("http")
    async def watch(request: Any, call_next: Any) -> Any:
        seen.append(request.url.path)
        return await call_next(request)

    async with (
        app.lifespan(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client,
    ):
        assert (await client.get("/LICENSE")).text == "LICENSE"
        assert (await client.get("/other")).status_code == 401
        assert (await client.post("/LICENSE")).status_code == 405
    assert seen == ["/LICENSE", "/other", "/LICENSE"]


async def test_a_handler_may_fetch_a_file_of_its_own_application(site: Project) -> None:
    site.routes(
        {"/page": 'from millpond import fetch\n\n\nasync def GET():\n    return (await fetch("/LICENSE")).text\n'}
    )
    async with site.started() as running:
        assert await running.body("/page") == '"LICENSE"'


async def test_no_route_claims_a_file_where_tools_look(site: Project) -> None:
    """Tracers and counters name a request by the route whose `matches` fits it."""
    pond = site.pond()
    scope = {"type": "http", "method": "GET", "path": "/app.js", "raw_path": b"/app.js", "headers": []}
    other = {**scope, "path": "/app", "raw_path": b"/app"}
    matches = [[route.matches(dict(each))[0].value for route in pond.router.routes[:1]] for each in (scope, other)]
    assert matches == [[0], [2]]


async def test_files_need_no_routes(project: Project) -> None:
    project.write({"public/a.txt": "a", "main.py": ""})
    app = Millpond(project.folder / "app") if (project.folder / "app").is_dir() else project.pond()
    async with (
        app.lifespan(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client,
    ):
        assert (await client.get("/a.txt")).text == "a"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.MJS", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.woff2", "font/woff2"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.tar.gz", "application/gzip"),
        ("a.py", "text/x-python; charset=utf-8"),
        ("LICENSE", "application/octet-stream"),
        ("a.br", "application/octet-stream"),
    ],
)
def test_the_content_type_is_that_of_the_name(name: str, kind: str) -> None:
    assert media_type(name) == kind


def test_a_large_file_is_streamed(project: Project) -> None:
    """Its parts are of 64 KiB, so memory is bounded whatever its size."""
    import asyncio

    project.write({"public/x": ""})
    with (project.folder / "public" / "large.bin").open("wb") as file:
        file.truncate(3_000_001)
    sizes: list[int] = []

    async def send(message: Any) -> None:
        sizes.append(len(message.get("body", b"")))

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def run() -> None:
        pond = project.pond()
        async with pond.lifespan():
            scope = {"type": "http", "method": "GET", "path": "/large.bin", "raw_path": b"/large.bin", "headers": []}
            await pond({**scope, "query_string": b"", "asgi": {"version": "3.0"}}, receive, send)

    asyncio.run(run())
    assert (sum(sizes), max(sizes)) == (3_000_001, 64 * 1024)
