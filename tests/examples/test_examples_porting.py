"""The Python columns of the page about porting are run: each row is a route, asked once, or a metadata file."""

from __future__ import annotations

import ast
import re
import sys
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from document_tables import REPOSITORY, codes, tables

if TYPE_CHECKING:
    import httpx2

    from ponds import Project, Running

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_app_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows import what they share from `app`, which in a process of its own is the project's."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
        monkeypatch.delitem(sys.modules, name)


PAGE = REPOSITORY / "docs" / "porting.md"
NAMES = """
import asyncio, functools, os
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin
from fastapi import HTTPException
from pydantic import BaseModel
from millpond import *
from millpond import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

url, data, response = "/up", {"a": 1}, Response("made")

class Item(BaseModel):
    a: int

async def load(number): return number
async def parts():
    yield "a"
    yield "b"
async def handler(req): return req.method
handlers = {"GET": handler, "POST": functools.partial(handler)}
def with_auth(function):
    async def GET(req: Request): return await function(req)
    return GET
"""
HANDLER = """
def shown(value):
    kept = isinstance(value, dict | list | str | int | bytes | BaseModel | None) or hasattr(value, "status_code")
    return value if kept else str(value)
def shows(function):
    @functools.wraps(function)
    async def wrapped(request): return shown(await function(request))
    return wrapped
@shows
async def GET(request):
{body}
POST = GET
"""
UP = "dynamic = 'force-dynamic'\ndef GET(): return {'up': 1}\ndef POST(got: dict): return got\n"

RESULTS: dict[str, object] = {
    "dynamic_params = False": 404,
    "async def GET(request): return 1": 1,
    "def GET(slug): return slug": "oak",
    'def GET(_req, params): return params["slug"]': "oak",
    'def GET(slug: list[str] = None): return "/".join(slug or [])': "oak",
    "GET = with_auth(handler)": "GET",
    "GET = POST = handler": "GET",
    'GET, POST = handlers["GET"], handlers["POST"]': "GET",
    "from app.other.route import GET": "other",
    'from importlib import import_module; GET = import_module("app.other.[id].route").GET': "other by id",
    'request.query_params.get("k")': "2",
    'request.query_params.getlist("k")[0]': "1",
    'request.query_params.getlist("k")': ["1", "2"],
    'request.query_params.get("x", "d")': "",
    'request.query_params.get("x") or "d"': "d",
    '"k" in request.query_params': True,
    "dict(request.query_params)": {"k": "2", "x": "", "page": "3"},
    "str(request.query_params)": "k=1&k=2&x=&page=3",
    'int(request.query_params.get("page", 1))': 3,
    'f"?{q}" if (q := request.url.query) else ""': "?k=1&k=2&x=&page=3",
    'urljoin(str(request.url), "/login")': "http://shop.example/login",
    'request.headers.get("x-a")': "b",
    'headers().get("x-a")': "b",
    "await request.json()": {"a": 1},
    "(await request.body()).decode()": "sent",
    "await request.body()": "sent",
    "await request.form()": "FormData([('file', 'f')])",
    'async with request.form() as form: f = form["file"]; return [f.filename, f.content_type, f.size]': [
        "f",
        "text/plain",
        2,
    ],
    'async with request.form() as form: return await form["file"].read()': "hi",
    "Item.model_validate(await request.json())": {"a": 1},
    'cookies().get("a")': "日",
    '"a" in cookies()': True,
    "list(cookies().items())": [["a", "日"]],
    "return data": {"a": 1},
    'return JSONResponse(data, 201, {"x-a": "b"})': 201,
    "return Response(None, 204)": 204,
    'return RedirectResponse("/b")': 307,
    'return RedirectResponse("/b", 303)': 303,
    'redirect("/b")': 307,
    'permanent_redirect("/b")': 308,
    "not_found()": 404,
    "raise HTTPException(403)": 403,
    'try: raise ValueError("no")\nexcept Exception as error: return JSONResponse({"error": str(error)}, 500)': 500,
    "return StreamingResponse(parts())": "ab",
    "await fetch(url)": {"up": 1},
    'await fetch(url, method="POST", json=data)': {"a": 1},
    'await fetch(url, redirect="manual")': {"up": 1},
    "r = await fetch(url); return [r.is_success, r.status_code]": [True, 200],
    "r = await fetch(url); return [r.json(), r.text]": [{"up": 1}, '{"up":1}'],
    "return await fetch(url)": {"up": 1},
    'await cached(key=["k"], revalidate=60, tags=["a"])(load)(1)': 1,
    'await cached(life="hours")(load)(1)': 1,
    "draft_mode().is_enabled": False,
}
"""What a row gives: the JSON or the text of its answer, or its status where that isn't 200."""

SET_COOKIES = {
    'cookies().set("a", "日本")': "a=%E6%97%A5%E6%9C%AC; Path=/; SameSite=lax",
    'cookies().set("a", "b", httponly=True, max_age=60, samesite="strict")': (
        "a=b; HttpOnly; Max-Age=60; Path=/; SameSite=strict"
    ),
    'response.set_cookie("a", "b")': "a=b; Path=/; SameSite=lax",
}


class Row(NamedTuple):
    """What a table says to write, and the heading that it is below."""

    heading: str
    code: str

    @property
    def folder(self) -> str:
        """Where its route is: a folder for each row."""
        name = f"row{ROWS.index(self)}"
        if self.heading != "Handlers and exports":
            return name
        return f"{name}/[[...slug]]" if "list[str]" in self.code else f"{name}/[slug]"

    @property
    def path(self) -> str:
        return "/" + re.sub(r"\[.*", "oak", self.folder)

    @property
    def source(self) -> str:
        if self.heading != "Handlers and exports":
            return NAMES + HANDLER.format(body=indent(body_of(self.code), "    "))
        answers = re.search(r"\bGET\b", self.code)
        return f"{NAMES}\n{self.code}\n" + ("" if answers else "def GET(slug): return slug\n")


def rows() -> list[Row]:
    found = [(table.heading, row) for table in tables(PAGE) if table.columns[0] == "JavaScript" for row in table.rows]
    return [Row(heading, "\n".join(codes(row[1]))) for heading, row in found]


ROWS = rows()
FILES = [row for row in ROWS if row.heading == "Metadata files" and not row.code.startswith("ImageResponse")]


def body_of(code: str) -> str:
    """The code as the body of a handler: an expression is returned, and so is a response that it changes."""
    try:
        ast.parse(code, mode="eval")
    except SyntaxError:
        returned = ""
    else:
        code, returned = f"result = {code}", "return result"
    return f"{code}\n{'return response' if code.removeprefix('result = ').startswith('response.') else returned}"


async def asked(running: Running, row: Row) -> httpx2.Response:
    query, headers = "?k=1&k=2&x=&page=3", {"x-a": "b", "cookie": "a=%E6%97%A5"}
    kinds: dict[str, dict[str, Any]] = {
        "await request.form()": {"data": {"file": "f"}},
        "request.form": {"files": {"file": ("f", b"hi", "text/plain")}},
        "request.json": {"json": {"a": 1}},
        "request.body": {"content": b"sent"},
    }
    for read, sent in kinds.items():
        if read in row.code:
            return await running.post(row.path, headers=headers, **sent)
    return await running.get(row.path + query, headers=headers)


def gives(answer: httpx2.Response) -> object:
    if answer.status_code != 200:
        return answer.status_code
    return answer.json() if answer.headers.get("content-type") == "application/json" else answer.text


async def test_each_row_of_a_table_gives_what_it_says(project: Project) -> None:
    routes = [row for row in ROWS if row not in FILES]
    assert len(routes) > 80
    assert {*RESULTS, *SET_COOKIES} - {row.code for row in routes} == set()
    others = {"/up": UP, "/other": "def GET(): return 'other'", "/other/[id]": "def GET(_): return 'other by id'"}
    project.routes({**others, **{f"/{row.folder}": row.source for row in routes}})
    wrong: dict[str, object] = {}
    async with project.started() as running:
        for row in routes:
            answer = await asked(running, row)
            if answer.headers.get("set-cookie", "") != SET_COOKIES.get(row.code, answer.headers.get("set-cookie", "")):
                wrong[row.code] = answer.headers["set-cookie"]
            elif row.code in RESULTS and gives(answer) != RESULTS[row.code]:
                wrong[row.code] = gives(answer)
            elif row.code not in RESULTS and answer.status_code != 200:
                wrong[row.code] = answer.status_code
            if warnings := running.route(f"/{row.folder}").warnings:
                wrong[row.code] = warnings
    assert wrong == {}


async def test_each_metadata_file_of_the_table_is_built(project: Project) -> None:
    files: dict[str, str] = {}
    for row in FILES:
        name = re.search(r"def (\w+)|as (twitter_image)|(content_type)", row.code)
        assert name is not None, row.code
        files |= file_of(next(found for found in name.groups() if found), row.code)
    project.write({name: NAMES + text for name, text in files.items()})
    assert len(files) == 8
    built = await project.built()
    assert sorted(path.path for record in built.values() for path in record.paths) == [
        "/icon/1",
        "/manifest.webmanifest",
        "/opengraph-image",
        "/parts/sitemap/0.xml",
        "/robots.txt",
        "/sitemap.xml",
        "/slugs/oak/opengraph-image",
        "/twitter-image",
    ]
    async with project.started() as running:
        assert "<loc>https://a.example/</loc>\n<changefreq>" in await running.body("/sitemap.xml")
        assert await running.body("/robots.txt") == "User-Agent: *\nDisallow: /private\n\n"
        assert await running.body("/manifest.webmanifest") == '{"name":"A","icons":[{"src":"/a.png"}]}'
        assert (await running.get("/slugs/oak/opengraph-image")).headers["content-type"] == "image/png"


def file_of(name: str, code: str) -> dict[str, str]:
    """The file for a row, where it can stand, with what the row leaves out."""
    match name:
        case "generate_sitemaps":
            return {"app/parts/sitemap.py": code}
        case "opengraph_image":
            listed = "def generate_static_params(): return [{'slug': 'oak'}]"
            return {"app/slugs/[slug]/opengraph_image.py": f"{code}\n{listed}"}
        case "content_type":
            size = "size = {'width': 1200, 'height': 630}\nalt = 'a'"
            return {"app/opengraph_image.py": f"{code}\n{size}\ndef opengraph_image(): return ImageResponse(None)"}
        case "generate_image_metadata":
            return {"app/icon.py": f"{code}\ndef icon(id): return ImageResponse(None)"}
        case _:
            return {f"app/{name}.py": code}
