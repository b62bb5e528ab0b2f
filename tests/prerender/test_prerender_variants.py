"""Builds of routes with hosts and values in their keys: what is rendered, what waits for its first request, and how
many are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from millpond.errors import ConfigError, RouteModuleError
from millpond.serve.span import Tracing
from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

SAYS = "def GET(request):\n    return request.url.hostname\n"
LISTED = "cache_host = True\nhosts = ['a.example', 'b.example']\nrevalidate = 60\n"
THEMED = "cache_vary = {'cookie:theme': ['light', 'dark']}\nrevalidate = 60\n"
PAGES = "def generate_static_params():\n    return [{'slug': 'one'}, {'slug': 'two'}]\n"
ANY = "cache_host = True\nrevalidate = 60\n"


async def cache(running: Running, path: str, host: str = "a.example", **headers: str) -> str | None:
    return cache_of(await running.get(path, headers={"host": host, **headers}))


async def test_every_listed_host_times_every_path_times_every_value(project: Project) -> None:
    source = f"{LISTED}{THEMED}{PAGES}def GET(request, slug: str):\n    return [slug, request.url.hostname]\n"
    project.routes({"/p/[slug]": source})
    record = (await project.built())["/p/[slug]"]
    assert [(path.path, path.variant) for path in record.paths] == [
        (f"/p/{slug}", f"host={host}.example&cookie:theme={theme}")
        for slug in ("one", "two")
        for host in "ab"
        for theme in ("light", "dark")
    ]
    assert record.paths[0].readable == "/p/one [host=a.example&cookie:theme=light]"
    assert record.on_demand_paths == []


async def test_several_processes_render_the_same_variants(project: Project) -> None:
    source = f"{LISTED}{THEMED}{PAGES}def GET(request, slug: str):\n    return [slug, request.url.hostname]\n"
    project.routes({"/p/[slug]": source})
    alone = [record.paths for record in (await project.built(build={"workers": 1})).values()]
    several = [record.paths for record in (await project.built(build={"workers": 2})).values()]
    told = [[[(path.path, path.variant, path.headers["etag"]) for path in paths] for paths in all_paths]
            for all_paths in (alone, several)]  # fmt: skip
    assert told[0] == told[1]


@pytest.mark.parametrize("options", [ANY, "cache_host = True\nhosts = ['a.example', '*.a.example']\nrevalidate = 60\n"])
async def test_a_host_that_is_not_named_is_rendered_at_its_first_request(project: Project, options: str) -> None:
    project.routes({"/x": options + SAYS})
    record = (await project.built())["/x"]
    assert (record.static, record.glyph, record.on_demand_paths) == (True, "○", ["/x"])
    assert [path.variant for path in record.paths] == ([] if options == ANY else ["host=a.example"])
    async with project.started() as running:
        assert [await cache(running, "/x", "s.a.example") for _ in range(2)] == ["MISS", "HIT"]
        assert await cache(running, "/x") == ("MISS" if options == ANY else "HIT")
        status = (await running.get("/x", headers={"host": "b.example"})).status_code
        assert status == (200 if options == ANY else 421)


async def test_a_closed_route_has_its_listed_paths_for_every_host(project: Project) -> None:
    source = f"dynamic_params = False\n{ANY}{PAGES}def GET(request, slug: str):\n    return request.url.hostname\n"
    project.routes({"/p/[slug]": source})
    await project.built()
    async with project.started() as running:
        assert await cache(running, "/p/one") == "MISS"
        assert (await running.get("/p/three", headers={"host": "a.example"})).status_code == 404


async def test_without_a_build_all_variants_are_rendered_on_demand(project: Project) -> None:
    project.routes(
        {"/x": LISTED + SAYS, "/themed": THEMED + "def GET(request):\n    return request.cookies['theme']\n"}
    )
    async with project.started() as running:
        assert [await cache(running, "/x", host) for host in ("a.example", "b.example", "b.example")] == [
            *("MISS", "MISS"),
            "HIT",
        ]
        assert await cache(running, "/themed", cookie="theme=dark") == "MISS"
        assert await cache(running, "/themed", cookie="theme=dark") == "HIT"


async def test_a_path_with_one_live_variant_is_live_for_all(project: Project) -> None:
    source = (
        f"{LISTED}def GET(request):\n    if request.url.hostname == 'b.example':\n        request.headers.get('x')\n"
    )
    project.routes({"/x": source})
    record = (await project.built())["/x"]
    assert (record.static, record.glyph, record.paths) == (False, "λ", [])
    async with project.started() as running:
        assert [await cache(running, "/x", host) for host in ("a.example", "b.example")] == [None, None]


async def test_a_failure_names_its_variant(project: Project) -> None:
    project.routes({"/x": f"{LISTED}def GET(request):\n    return {{'a.example': 1}}[request.url.hostname]\n"})
    [failure] = await project.failures()
    assert "/x [host=b.example]" in failure
    assert "KeyError" in failure


async def test_too_many_combinations_leave_the_default_to_the_build(project: Project) -> None:
    project.routes({"/themed": THEMED + "def GET(request):\n    return request.cookies['theme']\n"})
    built = await project.build(cache={"max_vary_variants": 1})
    [record] = built.manifest.routes
    assert [path.variant for path in record.paths] == ["cookie:theme=light"]
    assert [warning for warning in built.warnings if "max_vary_variants" in warning] == [
        "app/themed/route.py:1: cache_vary has 2 combinations of values, over the 1 of [cache] max_vary_variants: only "
        "the first is rendered at build, and at most 1 of a path are kept."
    ]
    async with project.started(cache={"max_vary_variants": 1}) as running:
        asked = [
            await cache(running, "/themed", cookie=f"theme={theme}") for theme in ("dark", "dark", "light", "dark")
        ]
        assert asked == ["MISS", "HIT", "HIT", "HIT"]  # the build's own isn't counted by this process
        project.clock.move(61)
        for theme in ("light", "dark", "light"):
            await cache(running, "/themed", cookie=f"theme={theme}")
            await running.settle()
        assert len(list(running.pond.store.entries())) == 1


async def test_hosts_that_anybody_may_name_are_bounded(project: Project) -> None:
    project.routes({"/x": ANY + SAYS, "/y": ANY + SAYS, "/listed": LISTED + SAYS})
    async with project.started(cache={"max_host_variants": 3}) as running:
        for number in range(10):
            await cache(running, "/x", f"h{number}.example")
        await cache(running, "/y")
        for host in ("a.example", "b.example"):
            await cache(running, "/listed", host)
        keys = sorted(
            entry.key.split("\0")[2] + " " + entry.key.split("\0")[-1] for entry in running.pond.store.entries()
        )
        assert keys == [
            "/listed host=a.example",
            "/listed host=b.example",
            *(f"/x host=h{number}.example" for number in (7, 8, 9)),
            "/y host=a.example",
        ]


async def test_the_configuration_gives_all_routes_their_host(project: Project) -> None:
    project.write({
        "app/in/router.py": "cache_host = False\n",
        "app/tenant/router.py": "hosts = ['c.example']\n",
        "app/robots.txt": "User-agent: *\n",
        "app/sitemap.py": "def sitemap():\n    return [{'url': 'https://a.example/'}]\n",
    })  # fmt: skip
    plain = "revalidate = 60\n" + SAYS
    project.routes({"/x": plain, "/own": "cache_host = False\n" + plain, "/in/x": plain, "/tenant/x": plain})
    config: dict[str, Any] = {"cache": {"host": True, "hosts": ["a.example", "b.example"]}}
    records = await project.built(**config)
    variants = {pattern: [path.variant for path in record.paths] for pattern, record in records.items()}
    both = ["host=a.example", "host=b.example"]
    assert variants == {
        "/x": both,
        "/own": [""],
        "/in/x": [""],
        "/tenant/x": ["host=c.example"],
        "/robots.txt": [""],
        "/sitemap.xml": both,
    }
    async with project.started(**config) as running:
        assert (await running.get("/x", headers={"host": "b.example"})).json() == "b.example"
        assert (await running.get("/own", headers={"host": "c.example"})).status_code == 200
        assert (await running.get("/x", headers={"host": "c.example"})).status_code == 421
        assert (await running.get("/robots.txt", headers={"host": "c.example"})).status_code == 200


async def test_a_start_after_a_build_knows_the_key_without_loading_the_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tracing, "look", lambda self: None)  # other tests load tracers
    source = f"{LISTED}{THEMED}def GET(request):\n    return [request.url.hostname, request.cookies['theme']]\n"
    project.routes({"/x": source})
    await project.built()
    async with project.started() as running:
        [route] = running.pond.served_routes
        assert running.pond.hits is not None
        running.pond.hits.has_socket = True  # else each hit is told its route
        for host, theme in (("a.example", "light"), ("b.example", "dark")):
            found = await running.get("/x", headers={"host": host, "cookie": f"theme={theme}"})
            assert (found.json(), cache_of(found)) == ([host, theme], "HIT")
        assert not getattr(route, "is_loaded", True)


async def test_cache_components_verify_the_hosts_that_are_listed(project: Project) -> None:
    project.routes({"/x": "cache_host = True\nhosts = ['a.example']\n" + SAYS, "/any": "cache_host = True\n" + SAYS})
    built = await project.build(cache_components=True)
    assert built.failures == []
    [warning] = [warning for warning in built.warnings if "verified" in warning]
    assert warning.startswith("app/any/route.py:1: no host is listed, so no GET of /any was verified")
    async with project.started(cache_components=True) as running:
        assert [await cache(running, path) for path in ("/x", "/any", "/any")] == ["HIT", "MISS", "HIT"]


@pytest.mark.parametrize(
    ("cache_config", "problem"),
    [
        ({"hosts": ["a.example:80"]}, '"cache.hosts" takes a list of host names'),
        ({"max_host_variants": 0}, '"cache.max_host_variants" is 0; it must be more than 0'),
        ({"max_vary_variants": -1}, '"cache.max_vary_variants" is -1; it must be more than 0'),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(
    project: Project, cache_config: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        project.pond(cache=cache_config)


@pytest.mark.parametrize("hosts", ["{'db': 1}", "'a.example'", "[1]", "[]"])
async def test_hosts_of_another_meaning_are_the_authors_own(project: Project, hosts: str) -> None:
    project.write({"app/in/router.py": "cache_host = True\n", "app/in/own/router.py": "hosts = {'db': 1}\n"})
    plain = f"hosts = {hosts}\nrevalidate = 60\ndef GET():\n    return hosts\n"
    project.routes({"/x": plain})
    project.routes({"/in/own/y": f"revalidate = 60\n{SAYS}"})
    records = await project.built(cache={"hosts": ["c.example"]})
    assert records["/x"].static
    assert [path.variant for path in records["/in/own/y"].paths] == ["host=c.example"]
    project.routes({"/x": f"cache_host = True\n{plain}"})
    with pytest.raises(RouteModuleError, match=r"app/x/route\.py:2: hosts = .* is not allowed"):
        project.pond()
    project.routes({"/x": "def GET(): ...\n", "/in/x": plain})
    with pytest.raises(RouteModuleError, match=r"app/in/x/route\.py:1: hosts = .* is not allowed"):
        project.pond()


async def test_words_that_look_like_hosts_are_no_misspellings(project: Project) -> None:
    words = "posts = ['a']\nhost = 'x'\nHOSTS = ['y']\nports = [1]\ncosts = 1\n"
    project.write({"app/router.py": words})
    project.routes({"/x": f"{words}revalidate = 60\ndef GET():\n    return posts\n"})
    built = await project.build()
    assert (built.failures, built.warnings) == ([], [])


def test_a_file_that_makes_no_sense_is_refused_with_its_line(project: Project) -> None:
    project.routes({"/x": f"revalidate = 60\ncache_vary = {{'theme': ['a']}}\n{SAYS}"})
    with pytest.raises(RouteModuleError, match=r"app/x/route\.py:2: cache_vary = .* is not allowed"):
        project.pond()
