"""The tags of a page's head; read back with the standard library's parser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import markupsafe
import pytest
from django.utils.html import conditional_escape  # type: ignore[import-untyped]
from pictures import picture

from millpond.errors import MetadataError, UsageError
from millpond.metadata import head_links, head_links_async

if TYPE_CHECKING:
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

DOCUMENT = Path(__file__).parents[2] / "docs" / "metadata.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Tag = dict[str, str | None]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tag] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append({"": tag, **dict(attrs)})


def tags(text: str) -> list[Tag]:
    parser = _Tags()
    parser.feed(text)
    return parser.found


def hrefs(path: str) -> list[str]:
    """Where the links of a page lead, without the digests of contents."""
    return [str(tag["href"]).partition("?")[0] for tag in tags(head_links(path)) if "href" in tag]


def put(project: Project, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        path = project.folder / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def digest(running: Running, pattern: str) -> str:
    return running.route(pattern).module.digest[:16]


async def test_icons_and_the_manifest_are_linked_with_type_and_size(project: Project) -> None:
    put(
        project,
        {
            "favicon.ico": picture("ICO"),
            "icon.svg": "<svg/>",
            "icon1.png": picture(size=(32, 32)),
            "apple-icon.png": picture(size=(180, 180)),
            "manifest.py": "def manifest(): return {}\n",
        },
    )
    async with project.started() as running:
        found = tags(head_links("/any/page"))
        assert found == [
            {"": "link", "rel": "icon", "href": f"/favicon.ico?{digest(running, '/favicon.ico')}"}
            | {"type": "image/x-icon", "sizes": "16x16"},
            {"": "link", "rel": "icon", "href": f"/icon.svg?{digest(running, '/icon.svg')}"}
            | {"type": "image/svg+xml", "sizes": "any"},
            {"": "link", "rel": "icon", "href": f"/icon1.png?{digest(running, '/icon1.png')}"}
            | {"type": "image/png", "sizes": "32x32"},
            {"": "link", "rel": "apple-touch-icon", "href": f"/apple-icon.png?{digest(running, '/apple-icon.png')}"}
            | {"type": "image/png", "sizes": "180x180"},
            {"": "link", "rel": "manifest", "href": "/manifest.webmanifest"},
        ]
        for tag in found:
            assert (await running.get(str(tag["href"]))).status_code == 200


async def test_social_images_have_size_type_and_text(project: Project) -> None:
    twitter = (
        "size = {'width': 8, 'height': 4}\ncontent_type = 'image/png'\nalt = '\"8\" by <4>'\ndef twitter_image(): ...\n"
    )
    put(
        project,
        {
            "opengraph-image.jpg": picture("JPEG", (20, 10)),
            "opengraph-image.alt.txt": 'A "chair" & <more>\n',
            "twitter_image.py": twitter,
        },
    )
    async with project.started() as running:
        text = head_links("/", base_url="https://shop.example/")
        assert [(tag.get("property") or tag["name"], tag["content"]) for tag in tags(text)] == [
            ("og:image", f"https://shop.example/opengraph-image.jpg?{digest(running, '/opengraph-image.jpg')}"),
            ("og:image:type", "image/jpeg"),
            ("og:image:width", "20"),
            ("og:image:height", "10"),
            ("og:image:alt", 'A "chair" & <more>'),
            ("twitter:card", "summary_large_image"),
            ("twitter:image", "https://shop.example/twitter-image"),
            ("twitter:image:type", "image/png"),
            ("twitter:image:width", "8"),
            ("twitter:image:height", "4"),
            ("twitter:image:alt", '"8" by <4>'),
        ]
        assert 'content="A &quot;chair&quot; &amp; &lt;more&gt;"' in text
        assert text.__html__() == text


async def test_the_nearest_folder_of_each_kind_counts(project: Project) -> None:
    put(
        project,
        {
            "favicon.ico": b"",
            "icon.png": b"",
            "apple-icon.png": b"",
            "a/icon.png": b"",
            "a/[slug]/icon.py": "def icon(): ...\n",
        },
    )
    async with project.started():
        assert hrefs("/") == ["/favicon.ico", "/icon.png", "/apple-icon.png"]
        assert hrefs("/a") == ["/favicon.ico", "/a/icon.png", "/apple-icon.png"]
        assert hrefs("/a/b%20c/d") == ["/favicon.ico", "/a/b%20c/icon", "/apple-icon.png"]
        assert hrefs("/ab") == hrefs("/")


async def test_several_images_of_a_folder_come_in_the_order_of_their_names(project: Project) -> None:
    put(project, {"icon2.png": b"", "icon.png": b"", "icon1.py": "def icon(): ...\n"})
    async with project.started():
        assert hrefs("/") == ["/icon.png", "/icon1", "/icon2.png"]


async def test_the_files_of_a_group_are_for_its_own_routes(project: Project) -> None:
    put(project, {"(shop)/icon.png": b"", "(press)/icon.png": b"", "icon.png": b""})
    project.write({"app/(shop)/chairs/route.py": "def GET(): ...\n", "app/about/route.py": "def GET(): ...\n"})
    async with project.started() as running:
        (shop,) = (route.pattern for route in running.pond.file_routes if "(shop)/icon" in route.file.file)
        assert hrefs("/chairs") == [shop]
        assert hrefs("/about") == ["/icon.png"]


async def test_an_image_file_below_a_parameter_is_linked_at_its_placeholder(project: Project) -> None:
    put(project, {"[slug]/icon.png": picture()})
    async with project.started() as running:
        assert hrefs("/oak") == ["/-/icon.png"]
        assert (await running.get("/-/icon.png")).status_code == 200


async def test_links_have_the_base_path_and_the_slash_of_the_configuration(project: Project) -> None:
    put(project, {"icon.py": "def icon(): ...\n", "apple-icon.png": b""})
    async with project.started(base_path="/shop", trailing_slash=True):
        assert hrefs("/") == ["/shop/icon/", "/shop/apple-icon.png"]


@pytest.mark.parametrize("keywords", ["", "async "])
async def test_each_item_of_a_listing_is_linked_by_what_it_says(project: Project, keywords: str) -> None:
    source = f"""
        content_type = "image/png"

        {keywords}def generate_image_metadata(slug):
            return [
                {{"id": 1, "size": {{"width": 8, "height": 8}}}},
                {{"id": slug, "content_type": "image/webp"}},
            ]

        def icon(id): ...
    """
    project.write({"app/[slug]/icon.py": source})
    async with project.started():
        assert tags(await head_links_async("/oak")) == [
            {"": "link", "rel": "icon", "href": "/oak/icon/1", "type": "image/png", "sizes": "8x8"},
            {"": "link", "rel": "icon", "href": "/oak/icon/oak", "type": "image/webp"},
        ]
        if keywords:
            with pytest.raises(UsageError, match=r"app/\[slug\]/icon.py:4: .* `await head_links_async\(path\)`"):
                head_links("/oak")
        else:
            assert head_links("/oak") == await head_links_async("/oak")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("alt = 3\ndef icon(): ...\n", "app/icon.py:1: alt is 3; write a text."),
        ("\ncontent_type = b''\ndef icon(): ...\n", "app/icon.py:2: content_type is b''; write a text."),
        ("size = 8\ndef icon(): ...\n", 'app/icon.py:1: size is 8; write {"width": 1200, "height": 630}.'),
        (
            "alt = ''\ndef generate_image_metadata(): return [{'id': 1, 'alt': 2}]\ndef icon(): ...\n",
            "app/icon.py:2: alt is 2; write a text.",
        ),
    ],
)
async def test_what_a_file_says_of_its_image_must_make_sense(project: Project, source: str, problem: str) -> None:
    put(project, {"icon.py": source})
    async with project.started():
        with pytest.raises(MetadataError) as caught:
            head_links("/")
    assert str(caught.value) == problem


async def test_an_alternative_text_that_is_not_utf_8_is_named(project: Project) -> None:
    put(project, {"a/opengraph-image.png": picture(), "a/opengraph-image.alt.txt": "für alle".encode("latin-1")})
    async with project.started():
        with pytest.raises(MetadataError, match=r"app/a/opengraph-image\.alt\.txt isn't UTF-8"):
            head_links("/a")


async def test_a_handler_means_its_own_application(project: Project) -> None:
    put(project, {"icon.png": b""})
    project.routes({"/page": "from millpond.metadata import head_links\ndef GET(): return head_links('/page')\n"})
    async with project.serving() as running:
        assert "/icon.png?" in await running.body("/page")


async def test_template_engines_print_the_tags_as_they_are(project: Project) -> None:
    put(project, {"icon.png": picture()})
    async with project.started():
        text = head_links("/")
        assert str(markupsafe.escape(text)) == str(text)  # which is what Jinja does with each value
        assert conditional_escape(text) == text  # and Django


async def test_the_documented_template_prints_the_tags(project: Project) -> None:
    jinja2 = pytest.importorskip("jinja2", reason="Jinja2 is not installed")
    (example,) = [text for text in _PYTHON.findall(DOCUMENT.read_text("utf-8")) if "from jinja2 import" in text]
    put(project, {"products/[slug]/opengraph_image.py": "alt = 'A \"chair\"'\ndef opengraph_image(): ...\n"})
    names: dict[str, Any] = {"jinja2": jinja2}
    async with project.started():
        exec(example, names)  # noqa: S102 - it is the documentation's own
        head = names["template"].render()
    assert head == (
        '<head><meta property="og:image" content="https://shop.example/products/oak-chair/opengraph-image">\n'
        '<meta property="og:image:alt" content="A &quot;chair&quot;"></head>'
    )


def test_without_an_application_there_is_nothing_to_link_to() -> None:
    with pytest.raises(UsageError, match="no application runs"):
        head_links("/")
