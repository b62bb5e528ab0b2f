"""revalidate_path: literal, pattern, layout, in every spelling (R6.2, R6.4, R6.12; D24)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upstreams import upstream

from millpond import revalidate_path
from millpond.cache.invalidation_order import Invalidation
from millpond.errors import UsageError
from millpond.policy.tags import is_own
from millpond.stores.frame import encode_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ponds import Project, Running

pytestmark = pytest.mark.anyio

PAGE = """
revalidate = 1_000_000
def generate_static_params(): return []
def GET(): return 1
"""
FOLDERS = [
    "/",
    "/a",
    "/a/[id]",
    "/a/[id]/more",
    "/ab",
    "/(main)/shop/[id]",
    "/(main)/about",
    "/docs/[...rest]",
    "/é/[id]",
]
PATHS = [
    "/",
    "/a",
    "/a/1",
    "/a/2",
    "/a/1/more",
    "/ab",
    "/shop/7",
    "/shop/Foo_(bar)",
    "/about",
    "/docs/x/y",
    "/%C3%A9/1",
]


@pytest.fixture
async def running(project: Project) -> AsyncIterator[Running]:
    project.routes(dict.fromkeys(FOLDERS, PAGE))
    async with project.started() as running:
        for path in PATHS:
            assert await running.cache(path) == "MISS"
        yield running


async def gone(running: Running) -> list[str]:
    """The paths that are no longer in the cache."""
    return [path for path in PATHS if await running.cache(path) != "HIT"]


A_ROUTE = ["/a/1", "/a/2"]
BELOW_A = ["/a", "/a/1", "/a/2", "/a/1/more"]
CASES: list[tuple[str, str | None, list[str]]] = [
    ("/a", None, ["/a"]),
    ("/a", "route", ["/a"]),
    ("/a", "page", ["/a"]),
    ("/a/", None, ["/a"]),
    ("/", None, ["/"]),
    ("/", "route", ["/"]),
    ("/a/1", None, ["/a/1"]),
    ("/a/1/", "page", ["/a/1"]),
    ("/a/%31", None, ["/a/1"]),
    ("//a//1", None, ["/a/1"]),
    ("/a/[id]", None, A_ROUTE),
    ("/a/[id]", "page", A_ROUTE),
    ("/a/[id]", "route", A_ROUTE),
    ("/a/[id]/", None, A_ROUTE),
    ("/a/[id]", "layout", [*A_ROUTE, "/a/1/more"]),
    ("/a/1", "layout", ["/a/1", "/a/1/more"]),
    ("/a", "layout", BELOW_A),
    ("/a/", "layout", BELOW_A),
    ("/", "layout", PATHS),
    ("/(main)", "layout", ["/shop/7", "/shop/Foo_(bar)", "/about"]),
    ("/(main)/shop", "layout", ["/shop/7", "/shop/Foo_(bar)"]),
    ("/(main)/shop/[id]", None, ["/shop/7", "/shop/Foo_(bar)"]),
    ("/(main)/about", None, ["/about"]),
    ("/(main)/about/", "page", ["/about"]),
    ("/shop/[id]", None, ["/shop/7", "/shop/Foo_(bar)"]),
    ("/shop/Foo_(bar)", None, ["/shop/Foo_(bar)"]),
    ("/shop/Foo_%28bar%29", None, ["/shop/Foo_(bar)"]),
    ("/docs/[...rest]", None, ["/docs/x/y"]),
    ("/docs/x", "layout", ["/docs/x/y"]),
    ("/é/1", None, ["/%C3%A9/1"]),
    ("/%C3%A9/1", None, ["/%C3%A9/1"]),
    ("/é/[id]", None, ["/%C3%A9/1"]),
    ("/é", "layout", ["/%C3%A9/1"]),
    ("/nowhere", None, []),
    ("/nowhere/[id]", None, []),
    ("/A", None, []),
    ("/a/[ID]", None, []),
]


@pytest.mark.parametrize(
    ("path", "kind", "expected"), CASES, ids=lambda value: str(value) if not isinstance(value, list) else ""
)
async def test_a_path_reaches_what_it_names(running: Running, path: str, kind: Any, expected: list[str]) -> None:
    assert revalidate_path(path, kind).tags == 1
    assert await gone(running) == expected


async def test_an_over_long_path_does_nothing_and_warns(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    before = running.pond.store.generation()
    assert revalidate_path("/" + "x" * 1024) == Invalidation(0, before)
    assert "1025 characters, over 1024" in caplog.text
    assert revalidate_path("/" + "x" * 1023).tags == 1


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("a", None, 'has no leading slash; write "/a"'),
        ("", None, "has no leading slash"),
        ("/a", "pages", 'type is \'pages\'; it is "route", "page" or "layout"'),
    ],
)
async def test_what_can_be_no_path_is_refused(running: Running, path: str, kind: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        revalidate_path(path, kind)
    assert await gone(running) == []


async def test_every_variant_of_a_path_goes(project: Project) -> None:
    project.routes({"/": 'revalidate = 60\ncache_query = ("page",)\ndef GET(page: int = 1): return page'})
    async with project.started() as running:
        paths = ["/", "/?page=1", "/?page=2"]
        for path in paths:
            await running.get(path)
        revalidate_path("/")
        assert [await running.cache(path) for path in paths] == ["MISS"] * 3


async def test_a_path_that_was_built_goes_too(project: Project) -> None:
    project.routes({"/a/[id]": PAGE.replace("[]", '[{"id": "1"}]')})
    async with project.serving() as running:
        assert await running.cache("/a/1") == "HIT"
        revalidate_path("/a/1")
        assert await running.cache("/a/1") == "MISS"


# Deep and long paths

FILES = """
revalidate = 1_000_000
def GET(path: list[str]): return len(path)
"""
A, LONG = "/".join(["x"] * 62), "y" * 1000
DEEP = [
    f"/files/a/b/{'/'.join(['c' * 60] * 50)}",
    f"/files/{A}",
    f"/files/{LONG}/z",
    f"/files/{LONG}/{'/'.join('z' * 50)}",
]


@pytest.fixture
async def files(project: Project) -> AsyncIterator[Running]:
    project.routes({"/(main)/files/[...path]": FILES})
    async with project.started() as running:
        for path in DEEP:
            assert await running.cache(path) == "MISS"
            assert await running.cache(path) == "HIT"
        yield running


ABOVE = [
    ("/files/a/b", "layout", [DEEP[0]]),
    (DEEP[0][:500].rpartition("/")[0], "layout", [DEEP[0]]),
    (f"/files/{'/'.join(['x'] * 61)}", "layout", [DEEP[1]]),
    (f"/files/{A}", None, [DEEP[1]]),
    (f"/files/{A}", "layout", [DEEP[1]]),
    (f"/files/{LONG}", "layout", DEEP[2:]),
    (f"/files/{LONG}/z", None, [DEEP[2]]),
    (f"/files/{LONG}/z", "layout", DEEP[2:]),
    ("/files/[...path]", None, DEEP),
    ("/(main)", "layout", DEEP),
    ("/(main)/files/[...path]", "layout", DEEP),
    (f"/files/{LONG[1:]}", "layout", []),
]


@pytest.mark.parametrize(("path", "kind", "expected"), ABOVE)
async def test_what_is_above_reaches_all_below_however_deep_or_long(
    files: Running, path: str, kind: Any, expected: list[str]
) -> None:
    assert revalidate_path(path, kind).tags == 1
    assert [each for each in DEEP if await files.cache(each) != "HIT"] == expected


@pytest.mark.parametrize("path", ["/files/" + "a" * 8000, "/files" + "/a" * 63, "/files" + ("/" + "a" * 120) * 63])
async def test_no_path_makes_an_entry_large(files: Running, path: str) -> None:
    assert await files.cache(path) == "MISS"
    (entry,) = [entry for entry in files.pond.store.entries() if entry.body == b"%d" % (path.count("/") - 1)][-1:]
    assert entry.size - len(entry.body) < 4096
    assert len(encode_frame(entry)) - len(entry.body) < 4096
    assert await files.cache(path) == "HIT"


async def test_no_path_makes_a_line_in_the_log_long(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    broken = "def GET(path: list[str]): raise ValueError\n"
    project.routes(
        {"/a/[...path]": f"revalidate = 60\n{broken}", "/b/[...path]": f"dynamic = 'force-dynamic'\n{broken}"}
    )
    async with project.started() as running:
        for folder in "ab":
            assert (await running.get(f"/{folder}/{'%C3%A9' * 1000}")).status_code == 500
    lines = [record.getMessage() for record in caplog.records if record.name in ("millpond.cache", "millpond.serve")]
    assert len(lines) == 2
    assert all("/%C3%A9%C3%A9" in line and len(line) < 300 for line in lines)


async def test_a_request_reads_its_own_writes_below_a_long_path(project: Project) -> None:
    project.routes(
        {
            "/[...path]": """
            from millpond import cached, revalidate_path
            dynamic = "force-dynamic"
            runs = 0
            @cached
            async def value():
                global runs
                runs += 1
                return runs
            async def GET(path: list[str]):
                before = await value()
                revalidate_path("/" + path[0], "layout")
                return [before, await value()]
            """
        }
    )
    async with project.started() as running:
        assert (await running.get(f"/{'a' * 200}/b")).json() == [1, 2]


# Data that a path reads (R6.4)

READER = """
from millpond import cached, fetch
{config}
runs = 0
@cached
def value():
    global runs
    runs += 1
    return runs
async def GET():
    return [(await fetch("URL/data", cache="force-cache")).text, value()]
"""


@pytest.mark.parametrize("config", ['dynamic = "force-dynamic"', "revalidate = 60"], ids=["live", "shared"])
async def test_data_is_read_again_by_the_path_that_was_invalidated(project: Project, config: str) -> None:
    async with upstream() as source:
        project.routes({"/a": READER.replace("URL", source.url).format(config=config)})
        async with project.started() as running:
            assert (await running.get("/a")).json() == ["/data 1", 1]
            revalidate_path("/a")
            assert (await running.get("/a")).json() == ["/data 2", 2]


NESTED = """
from millpond import cached
runs = 0
@cached
async def inner():
    global runs
    runs += 1
    return runs
@cached
async def outer():
    return await inner()
async def GET():
    return await outer()
"""


async def test_so_is_what_a_cached_function_reads_for_it(project: Project) -> None:
    project.config["cache_components"] = True
    project.routes({"/a": NESTED})
    async with project.started() as running:
        assert (await running.get("/a")).json() == 1
        assert (await running.get("/a")).json() == 1
        revalidate_path("/a")
        assert (await running.get("/a")).json() == 2


async def test_other_paths_keep_the_data(project: Project) -> None:
    async with upstream() as source:
        live = READER.replace("URL", source.url).format(config='dynamic = "force-dynamic"')
        project.routes({"/a": live, "/b": live})
        async with project.started() as running:
            await running.get("/a")
            revalidate_path("/a")
            assert (await running.get("/b")).json()[0] == "/data 1"
            assert (await running.get("/a")).json()[0] == "/data 2"
            assert (await running.get("/b")).json()[0] == "/data 2"


async def test_own_tags_are_not_shown_as_tags_of_the_answer(running: Running) -> None:
    entry = running.entry("/a")
    assert entry is not None
    assert entry.tags
    assert all(map(is_own, entry.tags))
