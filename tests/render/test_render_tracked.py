"""What of a request ends a static render, and what is free (R3.9): by what the build says about each reading."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import URL, Headers, QueryParams
from starlette.requests import Request

from millpond.render.request import tracked_mappings, tracked_request

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

READING = """\
import copy, json
revalidate = 60
async def GET(request):
    value = {}
    return "unreached"
"""


async def reasons(project: Project, readings: list[str]) -> dict[str, str]:
    """Reading -> why its route is live ("" for a static one). All of them are tried in one build."""
    project.routes({f"/r{number}": READING.format(reading) for number, reading in enumerate(readings)})
    records = await project.built()
    found = {}
    for number, reading in enumerate(readings):
        record = records[f"/r{number}"]
        assert record.static is (record.glyph == "○")
        if not record.static:
            assert record.place == (f"app/r{number}/route.py", 4), reading
        found[reading] = "" if record.static else record.why
    return found


MAPPING_READS = {
    '{}["a"]': '{}["a"]',
    '{}.get("a")': '{}["a"]',
    '{}.get("a", "b")': '{}["a"]',
    '"a" in {}': '{}["a"]',
    '"a" not in {}': '{}["a"]',
    "list({})": "{}",
    "len({})": "{}",
    "bool({})": "{}",
    "not {}": "{}",
    "[*{}]": "{}",
    "dict({})": "{}",
    "dict(**{})": "{}",
    "{{**{}}}": "{}",
    "{}.keys()": "{}",
    "{}.values()": "{}",
    "{}.items()": "{}",
    "{} == {{}}": "{}",
    "{} != {{}}": "{}",
    "repr({})": "{}",
    "str({})": "{}",
    'f"{{{}}}"': "{}",
    "json.dumps(dict({}))": "{}",
    "next(iter({}), None)": "{}",
}
MULTI_READS = {'{}.getlist("a")': '{}["a"]'}


def readings_of(mapping: str, *forms: dict[str, str]) -> dict[str, str]:
    return {form.format(mapping): why.format(mapping) for part in forms for form, why in part.items()}


async def test_every_way_of_reading_the_headers_is_seen(project: Project) -> None:
    more = {
        "{}.raw": "{}",
        "{}.mutablecopy()": "{}",
        "copy.copy({}).get('a')": '{}["a"]',
    }
    wanted = readings_of("request.headers", MAPPING_READS, MULTI_READS, more)
    assert await reasons(project, list(wanted)) == wanted


async def test_every_way_of_reading_the_query_is_seen(project: Project) -> None:
    wanted = readings_of("request.query_params", MAPPING_READS, MULTI_READS, {"{}.multi_items()": "{}"})
    assert await reasons(project, list(wanted)) == wanted


async def test_every_way_of_reading_the_cookies_is_seen(project: Project) -> None:
    more = {
        "{} | {{}}": "{}",
        "{{}} | {}": "{}",
        "{}.copy()": "{}",
        "list(reversed({}))": "{}",
        '{}.pop("a", None)': '{}["a"]',
        "{}.popitem()": "{}",
        '{}.setdefault("a", "b")': '{}["a"]',
    }
    wanted = readings_of("request.cookies", MAPPING_READS, more)
    assert await reasons(project, list(wanted)) == wanted


async def test_the_query_and_the_whole_url_are_request_data(project: Project) -> None:
    wanted = {
        "request.url.query": "request.url.query",
        "str(request.url)": "request.url",
        'f"{request.url}"': "request.url",
        "repr(request.url)": "request.url",
        'request.url == "/"': "request.url",
        'request.url != "/"': "request.url",
        "hash(request.url)": "request.url",
        "request.url.components": "request.url.components",
        'request.url.replace(path="/")': "request.url.replace",
        "request.url.include_query_params(a=1)": "request.url.include_query_params",
        "request.url.replace_query_params(a=1)": "request.url.replace_query_params",
        'request.url.remove_query_params("a")': "request.url.remove_query_params",
        "request.base_url": "request.base_url",
        'request.url_for("get_r0")': "request.url_for()",
    }
    assert await reasons(project, list(wanted)) == wanted


async def test_the_body_the_client_and_the_session_are_request_data(project: Project) -> None:
    wanted = {
        "await request.body()": "request.body()",
        "await request.json()": "request.json()",
        "await request.form()": "request.form()",
        "request.form()": "request.form()",
        "[chunk async for chunk in request.stream()]": "request.stream()",
        "await request.receive()": "request.receive",
        "request.client": "request.client",
        "request.session": "request.session",
        "request.user": "request.user",
        "request.auth": "request.auth",
    }
    assert await reasons(project, list(wanted)) == wanted


async def test_the_request_as_a_mapping_hides_nothing(project: Project) -> None:
    wanted = {f'request["{key}"]': f'request["{key}"]' for key in ("headers", "query_string", "client", "user", "auth")}
    wanted |= {f'request.get("{key}")': f'request["{key}"]' for key in ("headers", "session")}
    wanted |= {'"session" in request': 'request["session"]'}
    found = await reasons(project, [*wanted, "dict(request)"])
    assert found.pop("dict(request)") != ""
    assert found == wanted


async def test_what_names_the_server_and_the_path_is_free(project: Project) -> None:
    free = [
        "request.url",
        "request.url.path",
        "request.url.scheme",
        "request.url.netloc",
        "request.url.hostname",
        "request.url.port",
        "request.url.fragment",
        "request.url.username",
        "request.url.password",
        "request.url.is_secure",
        "request.method",
        "request.path_params",
        "request.app",
        "request.state",
        "await request.is_disconnected()",
        "await request.close()",
        'request["path"]',
        'request["method"]',
        "request.headers",  # FastAPI itself takes the mappings in hand: only looking into them counts
        "request.cookies",
        "request.query_params",
    ]
    assert await reasons(project, free) == dict.fromkeys(free, "")


async def test_a_static_render_is_told_no_host_of_a_visitor(project: Project) -> None:
    source = "revalidate = 60\ndef GET(request): return [request.url.scheme, request.url.netloc, request.url.path]\n"
    project.routes({"/a b": source})
    async with project.serving() as running:
        assert (await running.get("/a%20b")).json() == ["http", "localhost:3000", "/a b"]


@pytest.mark.parametrize(
    ("api", "why"),
    [
        ("headers()", "headers()"),
        ("await headers()", "headers()"),
        ("cookies()", "cookies()"),
        ("connection()", "connection()"),
        ("draft_mode().enable()", "draft_mode().enable()"),
        ("draft_mode().disable()", "draft_mode().disable()"),
        ('await fetch("http://127.0.0.1:1/", cache="no-store")', 'fetch() uncached (cache = "no-store")'),
        ('await fetch("http://127.0.0.1:1/", revalidate=0)', "fetch() uncached (revalidate = 0)"),
        ("draft_mode()", ""),
        ("draft_mode().is_enabled", ""),
        ("(await draft_mode()).is_enabled", ""),
        ("after(print)", ""),
    ],
)
async def test_the_functions_end_a_static_render_where_they_are_called(project: Project, api: str, why: str) -> None:
    project.routes({"/": f"from millpond import *\nrevalidate = 60\nasync def GET():\n    {api}\n    return 1\n"})
    record = (await project.built())["/"]
    assert (record.static, record.why if not record.static else "") == (why == "", why)
    assert why == "" or record.place == ("app/route.py", 4)


# New methods of Starlette have to be judged by a person: they are watched, or listed here as free.

FREE_OF_HEADERS = {"get"}  # by way of __getitem__
FREE_OF_QUERY = {"get"}
FREE_OF_COOKIES = {"clear", "fromkeys", "update"}
FREE_OF_URL = {"path", "scheme", "netloc", "hostname", "port", "fragment", "username", "password", "is_secure"}
FREE_OF_REQUEST = {
    "app",
    "close",
    "get",  # by way of __getitem__
    "is_disconnected",
    "items",  # by way of __getitem__
    "keys",  # the keys of an ASGI scope say nothing about the request
    "method",
    "path_params",
    "send_early_hints",
    "send_push_promise",
    "values",  # by way of __getitem__
}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def watched(kind: type, original: type) -> set[str]:
    of = inspect.getattr_static
    return {name for name in public(original) if of(kind, name) is not of(original, name)}


@pytest.mark.parametrize(
    ("kind", "original", "free"),
    [
        (tracked_mappings.TrackedHeaders, Headers, FREE_OF_HEADERS),
        (tracked_mappings.TrackedQuery, QueryParams, FREE_OF_QUERY),
        (tracked_mappings.TrackedCookies, dict, FREE_OF_COOKIES),
        (tracked_request.TrackedRequest, Request, FREE_OF_REQUEST),
    ],
)
def test_every_public_method_is_watched_or_listed_as_free(kind: type, original: type, free: set[str]) -> None:
    assert watched(kind, original) == public(original) - free


def test_every_part_of_a_url_is_watched_or_listed_as_free() -> None:
    assert public(URL) == FREE_OF_URL | (tracked_request._REPORTED_PARTS - {"_url"})
    assert tracked_request._FREE_PARTS == FREE_OF_URL


def test_every_operator_of_a_mapping_is_watched() -> None:
    writing = {"__setitem__", "__ior__"}
    plumbing = {"__class_getitem__", "__getattribute__", "__init__", "__new__", "__sizeof__", "__hash__", "__doc__"}
    ordering = {"__ge__", "__gt__", "__le__", "__lt__"}  # not supported between mappings
    operators = {name for name in vars(dict) if name.startswith("__")} - writing - plumbing - ordering
    assert {name for name in operators if name not in vars(tracked_mappings.TrackedCookies)} == set()
