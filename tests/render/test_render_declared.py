"""What a signature declares is known without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

PREAMBLE = """\
from typing import Annotated
from fastapi import Body, Cookie, Depends, Form, Header, Query, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel
class Filters(BaseModel):
    color: str = ""
class Item(BaseModel):
    name: str = ""
def page(page: int = 1): return page
def deep(page: int = Depends(page)): return page
ran = []
{config}
def GET({signature}):
    ran.append(1)
    return str(locals())
"""
GET_LINE = 13

DECLARED = {
    "q: str = ''": 'query parameter "q"',
    "q: Annotated[str, Query(alias='search')] = ''": 'query parameter "search"',
    "filters: Annotated[Filters, Query()]": 'query parameter "color"',
    "x_token: Annotated[str, Header()] = ''": 'header "x-token"',
    "theme: Annotated[str, Cookie()] = ''": 'cookie "theme"',
    "item: Item = Item()": "request body",
    "item: Annotated[dict, Body()] = {}": "request body",
    "name: Annotated[str, Form()] = ''": 'form field "name"',
    "token=Security(APIKeyHeader(name='x-key', auto_error=False))": 'security scheme "APIKeyHeader"',
    "token=Depends(HTTPBearer(auto_error=False))": 'security scheme "HTTPBearer"',
    "page: int = Depends(page)": 'query parameter "page"',
    "page: int = Depends(deep)": 'query parameter "page"',
}


@pytest.mark.private_names
@pytest.mark.parametrize("signature", DECLARED)
async def test_a_declared_input_makes_get_live_without_a_run(project: Project, signature: str) -> None:
    project.routes({"/": PREAMBLE.format(signature=signature, config="revalidate = 60")})
    pond = project.pond()
    built = await pond.build()
    (record,) = built.manifest.routes
    assert (record.glyph, record.why) == ("λ", f"declares {DECLARED[signature]}")
    assert record.place == ("app/route.py", GET_LINE)
    assert pond.file_routes[0].module.module.ran == []


@pytest.mark.parametrize("signature", DECLARED)
async def test_under_force_static_a_declared_input_has_its_default(project: Project, signature: str) -> None:
    project.routes({"/": PREAMBLE.format(signature=signature, config='dynamic = "force-static"')})
    async with project.serving() as running:
        answer = await running.get("/?q=1&search=1&color=red&page=7", headers={"x-token": "t", "cookie": "theme=dark"})
        assert answer.headers["x-nextjs-cache"] == "HIT"
        assert running.module("/").ran == []
    name = signature.partition(":")[0].partition("=")[0]
    default = {"filters": "Filters(color='')", "item": "", "page": "1", "token": "None"}.get(name, "''")
    assert name in answer.text
    assert default in answer.text


@pytest.mark.private_names
@pytest.mark.parametrize("signature", DECLARED)
async def test_under_error_a_declared_input_fails_the_build(project: Project, signature: str) -> None:
    project.routes({"/": PREAMBLE.format(signature=signature, config='dynamic = "error"')})
    (failure,) = await project.failures()
    assert (
        f"app/route.py:{GET_LINE}: {DECLARED[signature]} needs a request, "
        'but the route says dynamic = "error"; leave it out, or use dynamic = "auto".' in failure
    )


async def test_a_required_input_under_force_static_is_answered_422_and_never_stored(project: Project) -> None:
    project.routes({"/": 'dynamic = "force-static"\ndef GET(q: str): return q\n'})
    async with project.serving() as running:
        for _ in range(2):
            answer = await running.get("/?q=1")
            assert (answer.status_code, answer.headers.get("x-nextjs-cache")) == (422, None)


async def test_declared_inputs_of_other_methods_keep_get_static(project: Project) -> None:
    source = "revalidate = 60\ndef GET(): return 1\ndef POST(q: str, item: dict): return [q, item]\n"
    project.routes({"/": source})
    async with project.serving() as running:
        assert await running.cache("/") == "HIT"
        assert (await running.post("/?q=a", json={"b": 1})).json() == ["a", {"b": 1}]


async def test_parameters_of_the_path_are_free(project: Project) -> None:
    project.routes(
        {
            "/[id]/[...rest]": """\
            from fastapi import Depends
            def generate_static_params(): return [{"id": "7", "rest": ["a", "b"]}]
            def doubled(id: int): return 2 * id
            def GET(id: int, rest: list[str], twice: int = Depends(doubled)): return [id, rest, twice]
            """
        }
    )
    async with project.serving() as running:
        assert await running.cache("/7/a/b") == "HIT"
        assert (await running.get("/7/a/b")).json() == [7, ["a", "b"], 14]
