"""Options of operations and folders, side by side with FastAPI's decorators and `include_router`."""

from __future__ import annotations

import inspect
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from millpond.routes.options.operation_options import OperationOptions
from millpond.routes.options.option_values import OF_FOLDERS, OF_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from httpx2 import Response as Answer

    from ponds import Project

WORDS = {
    "WORDS.py": """
    from enum import Enum
    from typing import Generic, TypeVar

    from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
    from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
    from fastapi.sse import EventSourceResponse, ServerSentEvent
    from pydantic import BaseModel, Field

    class Kind(str, Enum):
        A = "a"

    class Item(BaseModel):
        name: str = Field("oak", alias="Name")
        price: float | None = None
        model_config = {"populate_by_name": True}

    class Wrong(BaseModel):
        why: str

    T = TypeVar("T")

    class Page(BaseModel, Generic[T]):
        items: list[T]

    def ran(name):
        def dependency(response: Response):
            response.headers.append("x-ran", name)
        return dependency

    one, two, three, four = ran("one"), ran("two"), ran("three"), ran("four")

    def key(x_key: str = Header("")):
        if x_key == "bad":
            raise HTTPException(403, "no")

    def short(route):
        return "short_" + route.name

    hooks = APIRouter()

    @hooks.post("{$callback_url}/paid")
    def paid(item: Item):
        pass

    class Plain(JSONResponse):
        media_type = "application/vnd.plain+json"

    class Other(JSONResponse):
        media_type = "application/vnd.other+json"
    """
}
"""What options are written with, in both applications."""

LISTS: dict[str, list[str]] = {
    "dependencies": ["Depends(one)", "Depends(two)", "Depends(three)", "Depends(four)", "Depends(key)"],
    "tags": ["'a'", "'b'", "Kind.A"],
}
SHARED = {
    "responses": ["{404: {'model': Wrong}}", "{404: {'description': 'gone'}, '4XX': {'model': Wrong}}", "{418: {}}"],
    "deprecated": ["True", "False"],
    "include_in_schema": ["True", "False"],
    "callbacks": ["hooks.routes"],
    "generate_unique_id_function": ["short"],
    "strict_content_type": ["False", "True"],
    "max_body_size": ["8", "1000"],
}
OF_ROUTERS = {**SHARED, "default_response_class": ["Other", "Plain"]}
OF_HANDLERS = {
    **SHARED,
    "status_code": ["201", "202", "404"],
    "summary": ["'All of them'"],
    "description": ["'At **length**.'"],
    "response_description": ["'Fine'"],
    "operation_id": ["'mine'"],
    "response_model": ["Item", "dict", "Item | None"],
    "response_model_exclude_none": ["True"],
    "response_model_exclude_unset": ["True"],
    "response_model_exclude_defaults": ["True"],
    "response_model_by_alias": ["False"],
    "response_model_include": ["{'name'}"],
    "response_model_exclude": ["{'price'}"],
    "response_class": ["Plain"],
    "openapi_extra": ["{'x-owner': 'us'}"],
}


def options(choices: Mapping[str, list[str]]) -> st.SearchStrategy[dict[str, str]]:
    """Options as they are written in a file, by name."""
    listed = {
        name: st.lists(st.sampled_from(items), max_size=2, unique=True).map(lambda items: f"[{', '.join(items)}]")
        for name, items in LISTS.items()
    }
    single = {name: st.sampled_from(values) for name, values in choices.items()}
    return st.fixed_dictionaries({}, optional={**listed, **single})


def called(written: Mapping[str, str], words: dict[str, Any]) -> dict[str, Any]:
    return {name: eval(text, dict(words)) for name, text in written.items()}  # noqa: S307 - of this file


@cache
def words() -> dict[str, Any]:
    """The same in this process, as a module of its own, in which pydantic looks up what annotations name."""
    module = ModuleType("words_of_the_twin")
    sys.modules[module.__name__] = module
    exec(inspect.cleandoc(WORDS["WORDS.py"]), vars(module))  # noqa: S102 - of this file
    return vars(module)


def router_file(written: Mapping[str, str], *, as_router: bool) -> str:
    head = "from WORDS import *\nfrom fastapi import APIRouter\n"
    if as_router:
        return f"{head}router = APIRouter({', '.join(f'{name}={text}' for name, text in written.items())})\n"
    return head + "".join(f"{name} = {text}\n" for name, text in written.items())


HANDLER = """\
from WORDS import *
from millpond import operation

{decorator}
def POST(body: dict):
    "First line.

    And more."
    return {{"Name": body.get("name", "elm"), "hidden": 1}}

def PUT(body: dict): return Item(Name="ash")
"""


def handler_file(written: Mapping[str, str]) -> str:
    decorator = f"@operation({', '.join(f'{name}={text}' for name, text in written.items())})"
    return HANDLER.format(decorator=decorator).replace('"First', '"""First').replace('more."', 'more."""')


def twin(outer: dict[str, Any], inner: dict[str, Any], own: dict[str, Any], known: dict[str, Any]) -> FastAPI:
    """The application that FastAPI's users write in place of the files."""

    def post(body: dict[str, Any]) -> Any:
        return {"Name": body.get("name", "elm"), "hidden": 1}

    def put(body: dict[str, Any]) -> Any:
        return known["Item"](Name="ash")

    post.__doc__ = "First line.\n\nAnd more."
    post.__annotations__["body"] = put.__annotations__["body"] = dict
    del post.__annotations__["return"], put.__annotations__["return"]
    tags: dict[str, Any] = {} if outer.get("tags") or inner.get("tags") else {"tags": ["outer"]}
    ids = any(callable(each.get("generate_unique_id_function")) for each in (outer, inner))
    mine = callable(own.get("generate_unique_id_function"))
    post_id = {} if ids or mine else {"operation_id": "post_outer_inner"}
    put_id: dict[str, Any] = {} if ids else {"operation_id": "put_outer_inner"}
    inside, outside, app = APIRouter(**inner), APIRouter(**outer), FastAPI()
    said = {"name": "post_outer_inner", "summary": "First line.", **tags, **post_id, **own}
    inside.add_api_route("/outer/inner", post, methods=["POST"], **said)
    inside.put("/outer/inner", name="put_outer_inner", summary="PUT /outer/inner", **tags, **put_id)(put)
    outside.include_router(inside)
    app.include_router(outside)
    return app


def facts(answer: Answer) -> tuple[int, list[str], str | None, bytes]:
    return answer.status_code, answer.headers.get_list("x-ran"), answer.headers.get("content-type"), answer.content


ASKED: list[tuple[str, dict[str, Any]]] = [
    ("POST", {"json": {}}),
    ("POST", {"json": {"name": "a long name"}}),
    ("POST", {"content": b"{}"}),
    ("POST", {"json": {}, "headers": {"x-key": "bad"}}),
    ("PUT", {"json": {}}),
    ("PUT", {"json": {}, "headers": {"x-key": "bad"}}),
    ("PUT", {"json": {"name": "a long name"}}),
]


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")  # of callbacks, in FastAPI as here
@given(outer=options(OF_ROUTERS), inner=options(OF_ROUTERS), own=options(OF_HANDLERS), as_router=st.booleans())
@settings(
    max_examples=8, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_folders_and_operations_combine_as_fastapis_routers_do(
    project: Project, outer: dict[str, str], inner: dict[str, str], own: dict[str, str], as_router: bool
) -> None:
    if not any(name in own for name in ("response_model",)):
        own = {name: text for name, text in own.items() if not name.startswith("response_model")}
    project.write(WORDS)
    project.write(
        {
            "app/outer/router.py": router_file(outer, as_router=as_router),
            "app/(group)/router.py": "tags = ['elsewhere']\n",
            "app/outer/inner/router.py": router_file(inner, as_router=not as_router),
            "app/outer/inner/route.py": handler_file(own),
        }
    )
    known = words()
    plain = twin(called(outer, known), called(inner, known), called(own, known), known)
    ours = project.pond()
    assert ours.openapi()["paths"] == plain.openapi()["paths"]
    assert ours.openapi().get("components") == plain.openapi().get("components")
    client, other = TestClient(ours), TestClient(plain)
    for method, request in ASKED:
        asked = (method, "/outer/inner")
        assert facts(client.request(*asked, **request)) == facts(other.request(*asked, **request)), (method, request)


def test_every_option_of_fastapis_path_decorators_and_routers_is_known() -> None:
    ours = {"path", "methods", "endpoint", "route_class_override", "self"}
    decorators = set(inspect.signature(APIRouter.add_api_route).parameters) - ours
    assert decorators == set(OF_OPERATIONS) == set(OperationOptions.__annotations__)
    inherited = set(inspect.signature(APIRouter.__init__).parameters)
    assert set(OF_FOLDERS) <= inherited
    assert inherited - set(OF_FOLDERS) == {
        *("self", "prefix", "routes", "redirect_slashes", "default", "dependency_overrides_provider", "route_class"),
        *("on_startup", "on_shutdown", "lifespan"),
    }


GETS = {
    "created": "@operation(status_code=201)\ndef GET(): return {'a': 1}",
    "empty": "@operation(status_code=204)\ndef GET(): return None",
    "not_modified": "@operation(status_code=304)\ndef GET() -> None: return None",
    "html": "@operation(response_class=HTMLResponse)\ndef GET(): return '<p>é'",
    "text": "@operation(response_class=PlainTextResponse)\ndef GET() -> str: return 'é'",
    "redirect": "@operation(response_class=RedirectResponse)\ndef GET(): return '/there'",
    "moved": "@operation(response_class=RedirectResponse, status_code=301)\ndef GET(): return '/there'",
    "model": "@operation(response_model=Item)\ndef GET(): return {'Name': 'oak', 'secret': 1}",
    "none_left_out": "@operation(response_model=Item, response_model_exclude_none=True)\ndef GET(): return {}",
    "unset_left_out": "@operation(response_model_exclude_unset=True)\ndef GET() -> Item: return Item(price=2)",
    "part": "@operation(response_model_include={'name'})\nasync def GET() -> Item: return Item(price=2)",
    "by_name": "@operation(response_model_by_alias=False)\nasync def GET() -> Item: return Item(price=2)",
    "generic": "@operation(response_model=Page[Item])\ndef GET(): return {'items': [{'Name': 'a', 'secret': 1}]}",
    "no_model": "@operation(response_model=None)\ndef GET() -> Item: return {'free': True}",
    "own_class": "@operation(response_class=Plain)\nasync def GET(): return {'a': 1}",
    "own_response": "@operation(status_code=201)\ndef GET(): return JSONResponse({'a': 1}, 202)",
    "set_by_hand": "@operation(status_code=201)\ndef GET(response: Response):\n"
    "    response.status_code = 203\n    return 1",
    "lines": "@operation(response_model_exclude_none=True)\ndef GET() -> Iterable[Item]: yield Item()",
    "chunks": "@operation(response_class=StreamingResponse)\nasync def GET():\n    yield b'\\xff'\n    yield 'é'",
    "chunked": "@operation(response_class=Chunks)\ndef GET():\n    yield b'\\x00'",
    "events": "@operation(response_class=EventSourceResponse)\nasync def GET():\n"
    "    yield {'a': 1}\n    yield ServerSentEvent(data=Item(), event='new', id='1')\n"
    "    yield ServerSentEvent(raw_data='raw', comment='c')",
    "model_events": "@operation(response_class=EventSourceResponse)\ndef GET() -> Iterable[Item]:\n    yield Item()",
}
HEAD = (
    "from collections.abc import Iterable\nfrom WORDS import *\nclass Chunks(StreamingResponse): media_type = 'x/y'\n"
)


def test_what_is_stored_and_what_is_live_is_what_fastapi_sends(project: Project) -> None:
    project.write(WORDS)
    for name, text in GETS.items():
        head = f"{HEAD}from millpond import operation\n"
        project.write({f"app/static/{name}/route.py": f"{head}revalidate = 60\n{text}\n"})
        project.write({f"app/live/{name}/route.py": f"{head}dynamic = 'force-dynamic'\n{text}\n"})
    plain = FastAPI()
    for name, text in GETS.items():
        known = words()
        source = HEAD.replace("from WORDS import *\n", "") + text.replace("@operation(", f"@app.get('/{name}', ")
        exec(source, {**known, "app": plain})  # noqa: S102 - of this file
    client, other = TestClient(project.pond()), TestClient(plain)
    length = {"content-length"}
    for name in GETS:
        expected = other.get(f"/{name}", follow_redirects=False)
        for path in (f"/static/{name}", f"/static/{name}", f"/live/{name}"):
            answer = client.get(path, follow_redirects=False)
            seen = (answer.status_code, answer.headers.get("content-type"), answer.content)
            assert seen == (expected.status_code, expected.headers.get("content-type"), expected.content), path
            assert answer.headers.get("location") == expected.headers.get("location")
            assert "x-nextjs-cache" not in answer.headers or path.startswith("/static"), path
        live = client.get(f"/live/{name}", follow_redirects=False)
        assert set(expected.headers) - length <= set(live.headers)


def test_a_stream_of_events_is_live_whatever_the_file_says(project: Project) -> None:
    project.write(
        {"WORDS.py": WORDS["WORDS.py"], "app/e/route.py": f"{HEAD}from millpond import operation\n{GETS['events']}\n"}
    )
    project.write({"app/router.py": "revalidate = 60\n"})
    client = TestClient(project.pond())
    answers = [client.get("/e") for _ in range(2)]
    assert [answer.headers["content-type"] for answer in answers] == ["text/event-stream; charset=utf-8"] * 2
    assert not any("x-nextjs-cache" in answer.headers for answer in answers)
