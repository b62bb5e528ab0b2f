"""None in what metadata functions return is absence, as `undefined` is in JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, get_origin, get_type_hints

import pytest
from pictures import opened

from millpond import ImageResponse
from millpond.errors import MetadataError, UsageError
from millpond.metadata.robots import robots_txt
from millpond.metadata.sitemap import SitemapEntry, SitemapVideo, sitemap_xml
from millpond.metadata.web_manifest import manifest_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from ponds import Project

URL = "https://a.example/"
VIDEO = {"title": "t", "thumbnail_loc": URL, "description": "d"}


def optional(shape: type[Any]) -> list[str]:
    hints = get_type_hints(shape, include_extras=True)
    return [name for name, hint in hints.items() if get_origin(hint) is NotRequired]


@pytest.mark.parametrize("field", optional(SitemapEntry))
def test_an_optional_field_of_a_sitemap_may_be_none(field: str) -> None:
    assert sitemap_xml([{"url": URL, field: None}]) == sitemap_xml([{"url": URL}])


@pytest.mark.parametrize("field", optional(SitemapVideo))
def test_an_optional_field_of_a_video_may_be_none(field: str) -> None:
    assert sitemap_xml([{"url": URL, "videos": [{**VIDEO, field: None}]}]) == sitemap_xml(
        [{"url": URL, "videos": [VIDEO]}]
    )


def test_none_is_absence_at_any_depth_of_a_sitemap() -> None:
    uploader = {"content": "x"}
    given = {
        "url": URL,
        "alternates": {"languages": {"de": None, "fr": URL}},
        "videos": [{**VIDEO, "uploader": {**uploader, "info": None}}],
    }
    plain = {"url": URL, "alternates": {"languages": {"fr": URL}}, "videos": [{**VIDEO, "uploader": uploader}]}
    assert sitemap_xml([given]) == sitemap_xml([plain])


def test_none_is_absence_in_robots() -> None:
    rule = {"user_agent": None, "allow": None, "disallow": "/x", "crawl_delay": None, "Request-rate": None}
    given = {"rules": [rule, {"allow": None}], "sitemap": None, "host": None}
    assert robots_txt(given) == b"User-Agent: *\nDisallow: /x\n\nUser-Agent: *\n\n"


def test_a_manifest_omits_what_is_none() -> None:
    given = {
        "name": "n",
        "display": None,
        "icons": [{"src": "/a", "sizes": None}],
        "share_target": {"action": "/s", "params": {"title": None, "files": {"name": "f", "accept": "a/b"}}},
        "other": {"a": None, "b": [None, {"c": None}]},
    }
    assert manifest_json(given) == (
        b'{"name":"n","icons":[{"src":"/a"}],"share_target":{"action":"/s","params":{"files":{"name":"f",'
        b'"accept":"a/b"}}},"other":{"b":[null,{}]}}'
    )


@pytest.mark.parametrize(
    ("write", "returned", "message"),
    [
        (sitemap_xml, [{"url": None}], 'entry 0 of sitemap(): "url" is None, and required.'),
        (sitemap_xml, [{}], 'entry 0 of sitemap(): "url" is missing.'),
        (
            sitemap_xml,
            [{"url": URL, "videos": [{**VIDEO, "title": None}]}],
            'entry 0 of sitemap(): "videos[0].title" is None, and required.',
        ),
        (sitemap_xml, [{"url": URL, "images": [None]}], 'entry 0 of sitemap(): "images[0]" is None; it must be text.'),
        (sitemap_xml, [None], "entry 0 of sitemap(): it is None; it must be a dict."),
        (sitemap_xml, None, "sitemap() returned None; return a list of entries."),
        (
            sitemap_xml,
            [{"url": URL, "lastModified": None}],
            'entry 0 of sitemap(): there is no field "lastModified"; did you mean "last_modified"?',
        ),
        (robots_txt, {"rules": [None]}, 'rule 0 of robots() is None; it must be a dict: {"allow": "/"}.'),
        (robots_txt, {"rules": {"disalow": None}}, 'rule 0 of robots(): there is no field "disalow"; did you mean'),
        (manifest_json, {"icons": [{"src": None}]}, 'manifest(): "icons[0].src" is None, and required.'),
    ],
)
def test_what_is_required_or_misspelt_is_an_error_all_the_same(
    write: Callable[[object], bytes], returned: object, message: str
) -> None:
    with pytest.raises(MetadataError) as caught:
        write(returned)
    assert str(caught.value).startswith(message)


def test_a_manifest_that_holds_itself_is_an_error() -> None:
    manifest: dict[str, Any] = {}
    manifest["self"] = manifest
    with pytest.raises(MetadataError, match="nested too deeply, or holds itself"):
        manifest_json(manifest)


@pytest.mark.anyio
async def test_a_listed_image_whose_fields_are_none_has_those_of_the_file(project: Project) -> None:
    source = """
        from millpond import ImageResponse
        size = {"width": 32, "height": 32}
        content_type = "image/png"
        alt = None
        def generate_image_metadata(): return [{"id": "a", "size": None, "content_type": None, "alt": None}]
        def icon(id): return ImageResponse(None, width=32, height=32)
    """
    page = "from millpond.metadata import head_links\ndef GET(): return {'links': head_links('/')}\n"
    project.write({"app/icon.py": source, "app/route.py": page})
    async with project.serving() as running:
        links = (await running.get("/")).json()["links"]
        assert '<link rel="icon" href="/icon/a" type="image/png" sizes="32x32">' in links
        assert opened((await running.get("/icon/a")).content).size == (32, 32)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "kind", "size", "pixel"),
    [
        ("", "PNG", (1200, 630), (0, 0, 0, 0)),
        ("width=10, height=20", "PNG", (10, 20), (0, 0, 0, 0)),
        ("width=4, media_type='image/jpeg'", "JPEG", (4, 630), (255, 255, 255)),
        ("width=4, media_type='image/webp'", "WEBP", (4, 630), (0, 0, 0, 0)),
    ],
)
async def test_a_picture_of_nothing_is_empty(
    project: Project, options: str, kind: str, size: tuple[int, int], pixel: tuple[int, ...]
) -> None:
    project.routes({"/": f"from millpond import ImageResponse\ndef GET(): return ImageResponse(None, {options})\n"})
    async with project.started() as running:
        image = opened((await running.get("/")).content)
        assert (image.format, image.size) == (kind, size)
        assert image.getpixel((1, 1)) == pixel


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"writes pictures with Pillow, which isn't installed; run: pip install"):
        ImageResponse(None)
