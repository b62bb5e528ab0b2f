"""Metadata files that are made by a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.errors import RouteModuleError
from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

REVALIDATED = "public, max-age=0, must-revalidate"
EVERY_VERSION = pytest.mark.parametrize("compat", ["14", "15", "16"])


def page(url: str) -> str:
    return f"<loc>https://a.example/{url}</loc>"


@EVERY_VERSION
async def test_a_generated_file_is_static_by_default(project: Project, compat: str) -> None:
    project.write(
        {
            "app/a/sitemap.py": "async def sitemap(): return [{'url': 'https://a.example/x'}]\n",
            "app/robots.py": "def robots(): return {'rules': {'allow': '/'}}\n",
            "app/manifest.py": "def manifest(): return {'name': 'Shop'}\n",
        }
    )
    records = await project.built(compat=compat)
    assert {record.glyph for record in records.values()} == {"○"}
    assert {record.why for record in records.values()} == {"metadata files are static by default"}
    async with project.started(compat=compat) as running:
        for path, media_type, text in (
            ("/a/sitemap.xml", "application/xml", page("x")),
            ("/robots.txt", "text/plain", "Allow: /"),
            ("/manifest.webmanifest", "application/manifest+json", '{"name":"Shop"}'),
        ):
            answer = await running.get(path)
            assert (cache_of(answer), answer.headers["content-type"]) == ("HIT", media_type)
            assert (answer.headers["cache-control"], answer.headers["etag"][0]) == (REVALIDATED, '"')
            assert text in answer.text


@EVERY_VERSION
async def test_request_data_makes_it_live_and_the_build_says_where(project: Project, compat: str) -> None:
    source = """
        from millpond import headers

        def sitemap():
            return [{"url": f"https://{headers()['host']}/"}]
    """
    project.write({"app/sitemap.py": source})
    record = (await project.built(compat=compat))["/sitemap.xml"]
    assert (record.glyph, record.place) == ("λ", ("app/sitemap.py", 5))
    async with project.started(compat=compat) as running:
        answer = await running.get("/sitemap.xml")
        assert "https://shop.example/" in answer.text
        assert answer.headers["cache-control"] == REVALIDATED


@pytest.mark.parametrize("config", ["dynamic = 'force-dynamic'", "revalidate = 0"])
async def test_segment_config_can_make_it_live(project: Project, config: str) -> None:
    project.write({"app/robots.py": f"{config}\ndef robots(): return {{'rules': {{}}}}\n"})
    assert (await project.built())["/robots.txt"].glyph == "λ"


async def test_a_declared_query_parameter_makes_it_live(project: Project) -> None:
    project.write({"app/robots.py": "def robots(host: str = 'x'): return {'rules': {}, 'host': host}\n"})
    async with project.serving() as running:
        assert (await running.body("/robots.txt?host=y")).endswith("Host: y\n")


async def test_it_goes_stale_after_its_lifetime(project: Project) -> None:
    source = "revalidate = 60\nn = 0\ndef sitemap():\n global n; n += 1\n return [{'url': f'https://a.example/{n}'}]\n"
    project.write({"app/sitemap.py": source})
    async with project.serving() as running:
        assert page("1") in await running.body("/sitemap.xml")
        project.clock.move(61)
        assert await running.cache("/sitemap.xml") == "STALE"
        await running.settle()
        assert await running.cache("/sitemap.xml") == "HIT"


async def test_an_invalidated_tag_of_its_data_renders_it_again(project: Project) -> None:
    source = """
        from millpond import cached

        n = 0

        @cached(tags=["products"])
        async def urls():
            global n
            n += 1
            return [f"https://a.example/{n}"]

        async def sitemap():
            return [{"url": url} for url in await urls()]
    """
    route = "from millpond import revalidate_tag\ndef POST(): revalidate_tag('products', expire=0)\n"
    project.write({"app/sitemap.py": source, "app/save/route.py": route})
    async with project.serving() as running:
        running.module("/sitemap.xml").n = 10
        assert page("1") in await running.body("/sitemap.xml")
        await running.post("/save")
        after = await running.get("/sitemap.xml")
        assert cache_of(after) == "MISS"
        assert page("11") in after.text


async def test_a_path_can_be_invalidated(project: Project) -> None:
    project.write({"app/robots.py": "n = 0\ndef robots():\n global n; n += 1\n return {'rules': {}, 'host': str(n)}\n"})
    project.routes({"/save": "from millpond import revalidate_path\ndef POST(): revalidate_path('/robots.txt')\n"})
    async with project.serving() as running:
        assert await running.cache("/robots.txt") == "HIT"
        await running.post("/save")
        assert await running.cache("/robots.txt") != "HIT"


@pytest.mark.parametrize(
    ("file", "function"),
    [
        ("a/sitemap.py", "sitemap()"),
        ("apple_icon.py", "apple_icon()"),
        ("opengraph_image2.py", "opengraph_image2() or opengraph_image()"),
    ],
)
def test_a_missing_function_is_an_error_with_the_file_and_the_remedy(
    project: Project, file: str, function: str
) -> None:
    project.write({f"app/{file}": "def GET(): ...\n"})
    with pytest.raises(RouteModuleError) as caught:
        project.pond()
    message = str(caught.value)
    assert message.startswith(f"app/{file} answers /")
    assert f"has no function {function}; define it, or rename the file" in message


@pytest.mark.parametrize("name", ["icon", "icon1"])
async def test_a_numbered_file_may_call_its_function_either_way(project: Project, name: str) -> None:
    project.write({"app/icon1.py": f"from millpond import Response\ndef {name}(): return Response('x')\n"})
    async with project.serving() as running:
        assert (await running.get("/icon1")).text == "x"


async def test_names_that_look_like_mistakes_are_warned_about(project: Project) -> None:
    source = "contentType = 'x'\ndef GET(): ...\ndef icon(): ...\n"
    project.write({"app/icon.py": source})
    assert project.pond().file_routes[0].warnings == (
        "app/icon.py:1: contentType does nothing; write content_type.",
        "app/icon.py:2: GET does nothing in a metadata file; its answer is what icon() returns.",
    )


async def test_what_is_wrong_with_an_entry_is_a_build_error_with_its_place(project: Project) -> None:
    project.write({"app/sitemap.py": "\ndef sitemap(): return [{'url': '/x'}]\n"})
    (failure,) = await project.failures()
    assert "/sitemap.xml  (app/sitemap.py)" in failure
    assert "app/sitemap.py:2: entry 0 of sitemap(): \"url\" is '/x'" in failure


async def test_too_many_urls_are_a_build_error(project: Project) -> None:
    project.write({"app/sitemap.py": "def sitemap(): return [{'url': 'https://a.example/'}] * 50_001\n"})
    (failure,) = await project.failures()
    assert "app/sitemap.py:1: sitemap() makes 50,001 URLs" in failure


async def test_a_regeneration_that_goes_wrong_keeps_the_last_good_answer(project: Project) -> None:
    source = "revalidate = 60\nurls = ['https://a.example/']\ndef sitemap(): return [{'url': url} for url in urls]\n"
    project.write({"app/sitemap.py": source})
    async with project.serving() as running:
        running.module("/sitemap.xml").urls.append("broken")
        project.clock.move(61)
        for _ in range(2):
            answer = await running.get("/sitemap.xml")
            assert (answer.status_code, "broken" in answer.text) == (200, False)
            await running.settle()


async def test_a_response_goes_out_as_it_is(project: Project) -> None:
    source = (
        "from millpond import Response, not_found\ndef sitemap(): return Response('<x/>')\ndef robots(): not_found()\n"
    )
    project.write({"app/sitemap.py": source, "app/robots.py": source})
    async with project.serving() as running:
        assert await running.body("/sitemap.xml") == "<x/>"
        assert (await running.get("/robots.txt")).status_code == 404


async def test_generators_list_entries(project: Project) -> None:
    sync = "def sitemap():\n for n in range(2): yield {'url': f'https://a.example/{n}'}\n"
    project.write({"app/a/sitemap.py": sync, "app/b/sitemap.py": f"async {sync}"})
    async with project.serving() as running:
        for path in ("/a/sitemap.xml", "/b/sitemap.xml"):
            body = await running.body(path)
            assert page("0") in body
            assert page("1") in body


@EVERY_VERSION
@pytest.mark.parametrize("keywords", ["", "async "])
async def test_each_id_is_a_sitemap_of_its_own_rendered_at_build(project: Project, compat: str, keywords: str) -> None:
    source = f"""
        {keywords}def generate_sitemaps():
            return [{{"id": 0}}, {{"id": "two & a/b"}}]

        def sitemap(id):
            return [{{"url": f"https://a.example/{{str(id)[0]}}"}}]
    """
    project.write({"app/products/sitemap.py": source})
    record = (await project.built(compat=compat))["/products/sitemap/[__metadata_id__]"]
    assert (record.glyph, [path.path for path in record.paths]) == (
        "●",
        ["/products/sitemap/0.xml", "/products/sitemap/two%20&%20a%2Fb.xml"],
    )
    async with project.started(compat=compat) as running:
        assert page("0") in await running.body("/products/sitemap/0.xml")
        assert await running.cache("/products/sitemap/two%20&%20a%2Fb.xml") == "HIT"


@EVERY_VERSION
async def test_an_id_that_is_not_listed_is_404_in_words(project: Project, compat: str) -> None:
    source = "def generate_sitemaps(): return [{'id': 0}]\ndef sitemap(id): return []\n"
    project.write({"app/sitemap.py": source})
    async with project.serving(compat=compat) as running:
        for path in ("/sitemap/1.xml", "/sitemap/0"):
            answer = await running.get(path)
            assert (answer.status_code, answer.text) == (404, "Not Found")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert (await running.get("/sitemap.xml")).status_code == 404


async def test_images_with_ids_below_a_parameter_are_stored_on_demand_in_16(project: Project) -> None:
    source = """
    from millpond import Response
    def generate_image_metadata(): return [{"id": "a"}]
    def icon(slug, id): return Response(f"{slug} {id}")
    """
    project.write({"app/[slug]/icon.py": source})
    for compat, expected in (("16", ["MISS", "HIT"]), ("15", [None, None])):
        async with project.serving(compat=compat) as running:
            assert [await running.cache("/oak/icon/a") for _ in range(2)] == expected
            assert (await running.get("/oak/icon/a")).text == "oak a"
            assert (await running.get("/oak/icon/b")).status_code == 404


async def test_a_closed_sitemap_has_no_other_ids(project: Project) -> None:
    source = "dynamic_params = False\ndef generate_sitemaps(): return [{'id': 0}]\ndef sitemap(): return []\n"
    project.write({"app/sitemap.py": source})
    async with project.serving() as running:
        assert (await running.get("/sitemap/0.xml")).status_code == 200
        assert cache_of(await running.get("/sitemap/1.xml")) is None


@pytest.mark.parametrize(
    ("compat", "parameter", "seen"),
    [("16", "id", "'7'"), ("15", "id", "7"), ("14", "id", "7"), ("16", "id: int", "7"), ("14", "id: str", "'7'")],
)
async def test_the_id_of_a_sitemap_is_text_in_16_or_what_its_annotation_says(
    project: Project, compat: str, parameter: str, seen: str
) -> None:
    source = f"def generate_sitemaps(): return [{{'id': 7}}]\ndef sitemap({parameter}): return [{{'url': f'https://a/{{id!r}}'}}]\n"
    project.write({"app/sitemap.py": source})
    async with project.serving(compat=compat) as running:
        assert f"<loc>https://a/{seen}</loc>" in await running.body("/sitemap/7.xml")


async def test_ids_below_a_parameter_are_rendered_for_the_parameters_that_are_listed(project: Project) -> None:
    source = """
        from millpond import Response

        def generate_static_params():
            return [{"slug": "oak"}, {"slug": "pine"}]

        async def generate_image_metadata(slug):
            return [{"id": f"{slug}-{n}"} for n in range(2)]

        def icon(slug: str, id):
            return Response(f"{slug} {id}")
    """
    project.write({"app/[slug]/icon.py": source})
    record = (await project.built())["/[slug]/icon/[__metadata_id__]"]
    assert [path.path for path in record.paths] == [
        f"/{slug}/icon/{slug}-{n}" for slug in ("oak", "pine") for n in range(2)
    ]
    async with project.started() as running:
        assert await running.body("/pine/icon/pine-1") == "pine pine-1"
        assert await running.body("/elm/icon/elm-0") == "elm elm-0"
        assert (await running.get("/elm/icon/oak-0")).status_code == 404


async def test_ids_below_a_parameter_that_is_not_listed_are_live(project: Project) -> None:
    source = "def generate_sitemaps(): return [{'id': 0}]\ndef sitemap(): return []\n"
    project.write({"app/[slug]/sitemap.py": source})
    assert (await project.built())["/[slug]/sitemap/[__metadata_id__]"].glyph == "λ"


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ("None", "returned a value of type NoneType; return a list"),
        ("{'id': 1}", "returned a value of type dict"),
        ("[{}]", "item 0 of generate_sitemaps has no id"),
        ("[{'id': 0}, {'id': None}]", "item 1 of generate_sitemaps has no id"),
        ("[{'id': 0}, {'id': '0'}]", "item 1 of generate_sitemaps has the id of another one"),
    ],
)
async def test_a_wrong_listing_is_named(project: Project, returned: str, problem: str) -> None:
    project.write({"app/sitemap.py": f"def generate_sitemaps(): return {returned}\ndef sitemap(id): return []\n"})
    (failure,) = await project.failures()
    assert "generate_sitemaps failed:" in failure
    assert f"app/sitemap.py:1: {problem}" in failure.replace("generate_sitemaps returned", "returned")


def test_an_id_and_a_folder_of_that_name_are_an_error(project: Project) -> None:
    source = "def generate_sitemaps(): return []\ndef sitemap(id): return []\n"
    project.write({"app/[id]/sitemap.py": source})
    with pytest.raises(RouteModuleError, match="rename the folder"):
        project.pond()


async def test_metadata_is_no_part_of_the_openapi_document(project: Project) -> None:
    project.write({"app/sitemap.py": "def sitemap(): return []\n", "app/a/route.py": "def GET(): ...\n"})
    assert list(project.pond().openapi()["paths"]) == ["/a"]
