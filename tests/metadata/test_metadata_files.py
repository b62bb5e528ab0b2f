"""Metadata files that are served as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pictures import picture

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

REVALIDATED = "public, max-age=0, must-revalidate"


def put(project: Project, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = project.folder / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("compat", ["14", "15", "16"])
@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("favicon.ico", "image/x-icon"),
        ("icon.svg", "image/svg+xml"),
        ("a/icon1.png", "image/png"),
        ("apple-icon.jpeg", "image/jpeg"),
        ("opengraph-image.gif", "image/gif"),
        ("sitemap.xml", "application/xml"),
        ("robots.txt", "text/plain"),
        ("manifest.json", "application/manifest+json"),
    ],
)
async def test_a_file_is_rendered_at_build_and_revalidated_by_its_etag(
    project: Project, name: str, media_type: str, compat: str
) -> None:
    put(project, {name: b"content"})
    async with project.serving(compat=compat) as running:
        answer = await running.get(f"/{name}?v=1")
        assert (answer.status_code, answer.content, cache_of(answer)) == (200, b"content", "HIT")
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (media_type, REVALIDATED)
        again = await running.get(f"/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_a_file_is_served_out_of_the_build(project: Project) -> None:
    put(project, {"icon.png": b"built"})
    record = (await project.built())["/icon.png"]
    assert (record.glyph, record.why, record.revalidate) == ("○", "a file, served as it is", None)
    put(project, {"icon.png": b"edited"})
    async with project.started() as running:
        assert await running.body("/icon.png") == "built"


async def test_other_methods_are_405_with_what_is_allowed(project: Project) -> None:
    put(project, {"icon.png": b"content"})
    async with project.serving() as running:
        answer = await running.post("/icon.png")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_in_development_a_file_is_read_for_each_request_and_not_kept(project: Project) -> None:
    put(project, {"icon.png": b"one"})
    async with project.started(development=True) as running:
        put(project, {"icon.png": b"two"})
        answer = await running.get("/icon.png")
        assert (answer.content, answer.headers["cache-control"]) == (b"two", "no-cache, no-store")


async def test_an_image_below_a_parameter_is_at_its_placeholder(project: Project) -> None:
    put(project, {"[slug]/icon.png": picture()})
    async with project.serving() as running:
        assert await running.cache("/-/icon.png") == "HIT"


async def test_in_16_an_image_below_a_parameter_answers_at_every_value_from_one_entry(project: Project) -> None:
    image = picture()
    put(project, {"[slug]/icon.png": image, "[slug]/sitemap.xml": b"<urlset/>"})
    project.routes({"/[slug]/[file]": "def GET(slug, file): return file\n"})
    async with project.serving() as running:
        entries = len(list(running.pond.store.entries()))
        for path in ("/oak/icon.png", "/-/icon.png"):
            answer = await running.get(path)
            assert (answer.content, answer.headers["x-nextjs-cache"]) == (image, "HIT")
        assert len(list(running.pond.store.entries())) == entries
        assert (await running.get("/oak/sitemap.xml")).content == b"<urlset/>"
        assert (await running.get("/oak/other.png")).json() == "other.png"
    async with project.started(development=True) as running:
        assert (await running.get("/oak/icon.png")).content == image


async def test_before_16_an_image_below_a_parameter_is_at_every_value(project: Project) -> None:
    put(project, {"[slug]/icon.png": picture()})
    async with project.serving(compat="15") as running:
        assert await running.cache("/oak/icon.png") == "MISS"
        assert await running.cache("/oak/icon.png") == "HIT"


@pytest.mark.parametrize(("name", "megabytes"), [("opengraph-image.jpg", 8), ("twitter-image.png", 5)])
async def test_an_image_that_is_too_large_for_its_readers_fails_the_build(
    project: Project, name: str, megabytes: int
) -> None:
    put(project, {name: bytes(megabytes * 1024 * 1024 + 1)})
    (failure,) = await project.failures()
    assert f"app/{name} has {megabytes}.0 MB" in failure
    assert "make the image smaller" in failure
    put(project, {name: bytes(megabytes * 1024 * 1024)})
    await project.built()


async def test_an_alternative_text_is_no_route(project: Project) -> None:
    put(project, {"opengraph-image.png": picture(), "opengraph-image.alt.txt": b"A chair"})
    async with project.serving() as running:
        assert (await running.get("/opengraph-image.alt.txt")).status_code == 404


@pytest.mark.parametrize("path", ["/robots.txt", "/api/icon"])
async def test_a_route_file_at_such_a_url_is_static_by_default(project: Project, path: str) -> None:
    project.routes({path: "def GET(): return 'own'\n", "/other": "def GET(): return 'other'\n"})
    records = await project.built()
    assert records[path].glyph == "○"
    assert records[path].why == "metadata files are static by default"
    assert records["/other"].glyph == "λ"
