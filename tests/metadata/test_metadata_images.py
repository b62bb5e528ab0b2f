"""Pictures that are drawn for an answer, and their sizes; read back with Pillow."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import subprocess
import sys
import threading
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pictex
import PIL.Image
import pytest
import stretchable  # type: ignore[import-untyped]
from pictex.nodes.node import Node
from pictex.text.typeface_loader import TypefaceLoader
from pictures import opened, picture

from millpond import ImageResponse
from millpond.errors import UsageError
from millpond.metadata.image_properties import dimensions
from ponds import cache_of

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message

    from ponds import Project

pytestmark = pytest.mark.anyio

REVALIDATED = "public, max-age=0, must-revalidate"


async def sent(response: ImageResponse) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body that a response sends."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        messages.append(message)

    await response({"type": "http", "method": "GET", "headers": []}, receive, send)
    start, body = messages
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body["body"]


async def image(content: object, **options: Any) -> PIL.Image.Image:
    return opened((await sent(ImageResponse(content, **options)))[2])


def card(text: str = "Oak chair") -> pictex.Column:
    return pictex.Column(pictex.Text(text).font_size(90)).size(1200, 630).background_color("#fed").padding(50)


async def test_a_picture_is_a_png_of_1200_by_630_that_browsers_revalidate() -> None:
    status, headers, body = await sent(ImageResponse(card()))
    drawn = opened(body)
    assert (status, drawn.format, drawn.size) == (200, "PNG", (1200, 630))
    assert headers == {
        "content-type": "image/png",
        "cache-control": REVALIDATED,
        "content-length": str(len(body)),
    }
    assert drawn.convert("RGB").getpixel((1100, 600)) == (255, 238, 221)
    assert len(drawn.convert("RGB").getcolors(1 << 20) or ()) > 10  # there is a text on it


async def test_status_and_headers_are_the_handlers() -> None:
    given = {"X-Made": "here", "Cache-Control": "no-cache", "Content-Length": "1"}
    status, headers, body = await sent(ImageResponse("hi", width=8, height=8, status_code=404, headers=given))
    assert status == 404
    assert (headers["x-made"], headers["cache-control"]) == ("here", "no-cache")
    assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize(("media_type", "kind"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("image/webp", "WEBP")])
async def test_it_can_be_jpeg_or_webp(media_type: str, kind: str) -> None:
    drawn = await image(card(), width=300, height=200, media_type=media_type)
    assert (drawn.format, drawn.size) == (kind, (300, 200))


async def test_what_shows_through_is_white_in_a_jpeg() -> None:
    assert (await image("", width=8, height=8, media_type="image/jpeg")).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("content", ["a text that is much too long " * 9, pictex.Column().size(999, 999)])
async def test_what_is_too_large_is_cut_off(content: object) -> None:
    assert (await image(content, width=64, height=32)).size == (64, 32)


async def test_a_shadow_outside_does_not_move_the_picture() -> None:
    shadow = pictex.Shadow(offset=(-9, -9), blur_radius=9, color=pictex.SolidColor(0, 0, 0))
    box = pictex.Column().size(40, 40).background_color("red").box_shadows(shadow)
    drawn = await image(box, width=40, height=40)
    assert {drawn.getpixel(at) for at in ((0, 0), (39, 0), (0, 39), (39, 39))} == {(255, 0, 0, 255)}


async def test_a_canvas_a_bitmap_a_pillow_image_and_bytes_are_pictures() -> None:
    canvas = pictex.Canvas().background_color("blue")  # type: ignore[no-untyped-call]
    assert (await image(canvas, width=20, height=10)).getpixel((19, 9)) == (0, 0, 255, 255)
    assert (await image(canvas.size(20, 10).render())).size == (20, 10)
    assert (await image(PIL.Image.new("RGB", (3, 4), "green"))).size == (3, 4)
    _, headers, body = await sent(ImageResponse(picture("WEBP")))
    assert (headers["content-type"], body) == ("image/webp", picture("WEBP"))


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(picture("JPEG"), "image/jpeg"), (picture("GIF"), "image/gif"), (b"<svg></svg>", "image/svg+xml")],
)
async def test_bytes_keep_their_type(content: bytes, media_type: str) -> None:
    assert (await sent(ImageResponse(content)))[1]["content-type"] == media_type


async def test_equal_content_makes_equal_bytes_also_side_by_side() -> None:
    made = await asyncio.gather(*(sent(ImageResponse(card())) for _ in range(8)))
    assert len({body for _, _, body in made}) == 1
    assert (await sent(ImageResponse(card("Pine desk"))))[2] != made[0][2]


def test_another_process_makes_the_same_bytes() -> None:
    script = """if True:
        import asyncio, hashlib
        from pictex import Column, Row, Text
        from millpond import ImageResponse

        async def digest(**options):
            row = Row(Text("Oak chair").font_size(90), Text("Дуб").color("red")).gap(20).border(3, "blue")
            card = Column(row).size(600, 300).background_color("#fed").padding(50).border_radius("10%")
            async def send(message):
                sent.append(message)
            sent = []
            await ImageResponse(card, width=600, height=300, **options)({"type": "http"}, None, send)
            return hashlib.sha256(sent[1]["body"]).hexdigest()

        for media_type in ("image/png", "image/jpeg", "image/webp"):
            print(asyncio.run(digest(media_type=media_type)))
    """
    outputs = [
        subprocess.check_output([sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, timeout=30)
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split())) == 3


async def test_a_picture_that_was_drawn_leaves_nothing_behind() -> None:
    def kept() -> tuple[int, int, int]:
        gc.collect()
        nodes = sum(type(each) is Node for each in gc.get_objects())
        return nodes, len(stretchable.node._node_refs), len(TypefaceLoader._typefaces_loading_info)

    await sent(ImageResponse(card("Oak chair")))
    before = kept()
    for name in ("Pine desk", "Brass lamp"):
        await sent(ImageResponse(card(name)))
    assert kept() == before


async def test_texts_of_one_look_share_their_fonts_and_others_do_not(tmp_path: Path) -> None:
    font = tmp_path / "Own.ttf"
    font.write_bytes((files("pictex.fonts") / "InterVariable.ttf").read_bytes())
    looks = [pictex.Text("hi").font_family(font).font_size(20), pictex.Text("hi").font_family(font).font_size(40)]
    small, large = [await image(look) for look in looks]
    assert small.getbbox() != large.getbbox()
    assert (await image(pictex.Text("hi").font_family(font).font_size(20))).tobytes() == small.tobytes()
    bold = await image(pictex.Text("hi").font_family(font).font_size(20).font_weight(900))
    assert bold.tobytes() != small.tobytes()


async def test_drawing_happens_in_a_thread_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on, threads = threading.Event(), threading.Event(), []
    encode = PIL.Image.Image.save

    def waiting(self: PIL.Image.Image, *args: Any, **options: Any) -> None:
        threads.append(threading.current_thread())
        began.set()
        assert go_on.wait(5)
        encode(self, *args, **options)

    monkeypatch.setattr(PIL.Image.Image, "save", waiting)
    drawing = asyncio.create_task(sent(ImageResponse(PIL.Image.new("RGB", (2, 2)))))
    assert await asyncio.to_thread(began.wait, 5)  # the loop answers while the picture is being drawn
    go_on.set()
    assert (await drawing)[0] == 200
    assert threads[0] is not threading.current_thread()


async def test_fonts_are_files_of_the_project(project: Project) -> None:
    font = project.folder / "fonts" / "Own.ttf"
    font.parent.mkdir()
    font.write_bytes((files("pictex.fonts") / "InterVariable.ttf").read_bytes())
    source = """
        from millpond import ImageResponse

        def icon():
            return ImageResponse("hi", width=64, height=64, fonts=["fonts/Own.ttf"])

        def apple_icon():
            return ImageResponse("hi", fonts=["fonts/Other.ttf"])
    """
    project.write({"app/icon.py": source})
    assert (await project.built())["/icon"].glyph == "○"
    project.write({"app/apple_icon.py": source})
    (failure,) = await project.failures()
    assert "there is no font " in failure
    assert "fonts/Other.ttf" in failure


@pytest.mark.parametrize("compat", ["14", "15", "16"])
async def test_a_drawn_image_is_static_and_an_equal_one_keeps_its_etag(project: Project, compat: str) -> None:
    source = """
        from millpond import ImageResponse

        revalidate = 60
        size = {"width": 32, "height": 32}

        def icon():
            return ImageResponse("hi", **size)
    """
    project.write({"app/icon.py": source})
    async with project.serving(compat=compat) as running:
        first = await running.get("/icon")
        assert (cache_of(first), first.headers["cache-control"]) == ("HIT", REVALIDATED)
        assert opened(first.content).size == (32, 32)
        project.clock.move(61)
        assert await running.cache("/icon") == "STALE"
        await running.settle()
        again = await running.get("/icon", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, cache_of(again)) == (304, "HIT")


async def test_what_can_be_drawn_may_be_returned_as_it_is(project: Project) -> None:
    source = "import PIL.Image\nimport pictex\nsize = {'width': 20, 'height': 10}\n"
    project.write(
        {
            "app/icon.py": source + "def icon(): return pictex.Text('hi')\n",
            "app/apple_icon.py": source + "async def apple_icon(): return PIL.Image.new('RGB', (20, 10))\n",
        }
    )
    async with project.serving() as running:
        for path in ("/icon", "/apple-icon"):
            assert opened((await running.get(path)).content).size == (20, 10)


async def test_each_item_of_a_listing_is_an_image_of_its_own(project: Project) -> None:
    source = """
        from millpond import ImageResponse

        def generate_image_metadata():
            return [{"id": "small", "size": {"width": 8, "height": 8}}, {"id": "large"}]

        def icon(id):
            side = 8 if id == "small" else 64
            return ImageResponse("hi", width=side, height=side)
    """
    project.write({"app/icon.py": source})
    async with project.serving() as running:
        assert opened((await running.get("/icon/large")).content).size == (64, 64)
        assert await running.cache("/icon/small") == "HIT"
        assert (await running.get("/icon/other")).text == "Not Found"


async def test_an_image_that_is_none_is_a_build_error(project: Project) -> None:
    project.write({"app/icon.py": "def icon(): ...\n"})
    (failure,) = await project.failures()
    assert "app/icon.py:1: icon() returned None; return an ImageResponse." in failure


async def test_an_image_route_can_be_a_response_of_a_handler(project: Project) -> None:
    project.routes({"/card": "from millpond import ImageResponse\ndef GET(): return ImageResponse('hi', width=9)\n"})
    async with project.serving() as running:
        assert opened((await running.get("/card")).content).size == (9, 630)


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        (3, {}, "can't draw a value of type int"),
        (b"text", {}, "say what they are with media_type"),
        ("hi", {"media_type": "image/gif"}, 'it makes "image/png", "image/jpeg" or "image/webp"'),
        ("hi", {"width": 0}, "width = 0"),
        ("hi", {"quality": 101}, "quality = 101"),
        (PIL.Image.new("RGB", (3, 4)), {"width": 5}, "width = 5, but the image is 3x4"),
    ],
)
def test_what_makes_no_sense_is_refused(content: object, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        ImageResponse(content, **options)
    assert problem in str(caught.value)


def test_without_the_extra_a_text_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pictex" else find(name))
    with pytest.raises(UsageError, match=r"pip install millpond\[og\]"):
        ImageResponse("hi")


async def test_without_pictex_pillow_images_and_bytes_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pictex", None)
    assert (await image(PIL.Image.new("RGB", (3, 4)))).size == (3, 4)
    assert (await image(picture())).size == (16, 16)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize("size", [(1, 2), (300, 200)])
def test_the_size_of_a_file_is_what_pillow_says(kind: str, size: tuple[int, int]) -> None:
    assert dimensions(picture(kind, size)) == size


def test_the_size_of_an_icon_file_is_that_of_its_largest_picture(tmp_path: Path) -> None:
    path = tmp_path / "icon.ico"
    PIL.Image.new("RGB", (256, 256)).save(path, sizes=[(16, 16), (256, 256), (32, 32)])
    assert dimensions(path.read_bytes()) == (256, 256)


@pytest.mark.parametrize(
    "content", [b"", b"<svg/>", picture()[:20], picture("JPEG")[:30], b"\0\0\1\0\1\0", b"\xff\xd8x"]
)
def test_a_file_that_is_cut_short_has_no_size(content: bytes) -> None:
    assert dimensions(content) is None
