"""What the functions of metadata files take: parameters of folders by name, `params` for all, and an id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from millpond.errors import RouteModuleError

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

IMAGE = """
from millpond import PlainTextResponse
{lister}
{kind} opengraph_image({parameters}): return PlainTextResponse(repr([{values}]))
"""
LISTER = """
def generate_image_metadata(params): return [{"id": f"{params['slug']}-{params.get('x')}"}]
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("parameters", "values", "said"),
    [
        ("params", "dict(params)", "[{'slug': 'oak'}]"),
        ("_req, params, slug", "slug, dict(params), _req.method", "['oak', {'slug': 'oak'}, 'GET']"),
    ],
)
async def test_an_image_function_takes_params(
    project: Project, kind: str, parameters: str, values: str, said: str
) -> None:
    source = IMAGE.format(lister="", kind=kind, parameters=parameters, values=values)
    project.write({"app/[slug]/opengraph_image.py": source})
    async with project.started() as running:
        assert await running.body("/oak/opengraph-image") == said


@pytest.mark.parametrize(
    ("parameters", "values", "said"),
    [
        ("params, id", "dict(params), id", "[{'slug': 'oak'}, 'oak-None']"),
        ("id", "id", "['oak-None']"),
        ("slug, params", "slug, dict(params)", "['oak', {'slug': 'oak'}]"),
    ],
)
async def test_listed_images_take_params_and_so_does_what_lists_them(
    project: Project, parameters: str, values: str, said: str
) -> None:
    lister = LISTER + "def generate_static_params(): return [{'slug': 'oak'}]\n"
    source = IMAGE.format(lister=lister, kind="def", parameters=parameters, values=values)
    project.write({"app/[slug]/opengraph_image.py": source})
    async with project.serving() as running:
        assert await running.body("/oak/opengraph-image/oak-None") == said
        assert (await running.get("/oak/opengraph-image/other")).status_code == 404


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        (
            "app/[slug]/opengraph_image.py",
            "def opengraph_image(props): ...\n",
            "handlers get the path's parameters by name: write `slug`, or `params` for a dict of all",
        ),
        (
            "app/[slug]/icon.py",
            "def icon(): ...\ndef generate_image_metadata(props): ...\n",
            'generate_image_metadata takes `props`, which nothing fills; it can take "slug" or "params".',
        ),
        (
            "app/sitemap.py",
            "def sitemap(): ...\ndef generate_sitemaps(page): ...\n",
            "generate_sitemaps takes `page`, which nothing fills; no folder above it has a parameter.",
        ),
        (
            "app/sitemap.py",
            "def sitemap(id): ...\n",
            'it takes id, and nothing lists ids; add generate_sitemaps(): return [{"id": 0}].',
        ),
    ],
)
def test_what_nothing_fills_is_an_error_with_its_line(project: Project, file: str, source: str, message: str) -> None:
    project.write({file: source})
    with pytest.raises(RouteModuleError) as caught:
        project.pond()
    assert str(caught.value).startswith(f"{file}:{source.count(chr(10))}: ")
    assert message in str(caught.value)
