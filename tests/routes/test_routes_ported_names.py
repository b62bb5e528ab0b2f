"""Parameters that are named as in JavaScript: what they get, and what a build says to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from one_operation import answer, operation, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.routes.operation import FileOperation
    from ponds import Project

METHODS = ["GET", "POST", "DELETE"]


def parameters(found: FileOperation) -> list[tuple[str, str, str]]:
    """Name, place and type of the parameters that OpenAPI shows."""
    app = FastAPI()
    app.router.routes.append(found.api_route)
    (path,) = app.openapi()["paths"].values()
    (shown,) = path.values()
    return [(each["name"], each["in"], each["schema"]["type"]) for each in shown.get("parameters", [])]


# the request


@pytest.mark.parametrize("name", ["request", "req", "_req", "_request", "_", "_r", "__", "next_request", "nextReq"])
def test_the_first_parameter_is_the_request_by_each_of_its_names(tmp_path: Path, name: str) -> None:
    source = "\n".join(f"async def {method}({name}): return {name}.method" for method in METHODS)
    for method in METHODS:
        found = operation(tmp_path, source, "a", method)
        assert answer(found, "/a") == method
        assert parameters(found) == []


def test_its_other_names_mean_it_before_other_parameters(tmp_path: Path) -> None:
    source = "def GET(_req, slug, q: str = '-'): return [_req.url.path, slug, q]"
    assert answer(operation(tmp_path, source, "a/[slug]"), "/a/x?q=1") == ["/a/x", "x", "1"]


@pytest.mark.parametrize("name", ["req", "_", "_request"])
def test_an_annotation_or_a_default_makes_it_fastapis(tmp_path: Path, name: str) -> None:
    source = f"def GET({name}: str): return {name}\ndef POST({name}=5): return {name}"
    assert answer(operation(tmp_path, source, "a"), f"/a?{name}=x") == "x"
    assert answer(operation(tmp_path, source, "a", "POST"), f"/a?{name}=x") == "x"


def test_a_dependency_under_its_name_is_fastapis(tmp_path: Path) -> None:
    source = "from fastapi import Depends\ndef GET(request=Depends(lambda: 5)): return request"
    assert answer(operation(tmp_path, source, "a"), "/a") == 5


@pytest.mark.parametrize("name", ["req", "params", "_", "ctx", "context", "props", "headers"])
def test_a_folder_of_that_name_wins(tmp_path: Path, name: str) -> None:
    assert answer(operation(tmp_path, f"def GET({name}): return {name}", f"a/[{name}]"), "/a/x") == "x"


@pytest.mark.anyio
async def test_what_is_read_of_it_makes_the_route_live_at_that_line(project: Project) -> None:
    project.routes({"/a": "revalidate = 60\ndef GET(_req):\n    return _req.query_params.get('q')\n"})
    assert (await project.built())["/a"].place == ("app/a/route.py", 3)
    project.routes({"/a": "revalidate = 60\ndef GET(_req):\n    return _req.url.path\n"})
    assert (await project.built())["/a"].static


# the path's parameters


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["params", "_params", "path_params"])
def test_params_are_the_paths_parameters(tmp_path: Path, name: str, method: str) -> None:
    source = f"def {method}(_req, {name}): return [{name}, {name}['id'], {name}.get('x')]"
    found = operation(tmp_path, source, "a/[id]/[...rest]", method)
    assert answer(found, "/a/5/b/c%2Fd") == [{"id": "5", "rest": ["b", "c/d"]}, "5", None]
    assert parameters(found) == [("id", "path", "string"), ("rest", "path", "string")]


def test_params_may_be_awaited_and_stand_beside_parameters_by_name(tmp_path: Path) -> None:
    found = operation(tmp_path, "async def GET(request, params, id: int): return [(await params), id]", "a/[id]")
    assert answer(found, "/a/5") == [{"id": 5}, 5]
    assert answer(found, "/a/x") == (422, [["path", "id"]])


@pytest.mark.parametrize(("folder", "path", "params"), [("a", "/a", {}), ("[[...rest]]", "/", {"rest": []})])
def test_params_are_empty_where_the_path_has_none(tmp_path: Path, folder: str, path: str, params: object) -> None:
    assert answer(operation(tmp_path, "def GET(_, params): return params", folder), path) == params


@pytest.mark.anyio
async def test_a_route_with_params_alone_is_prerendered_as_any_other(project: Project) -> None:
    project.routes(
        {"/a/[id]": "def generate_static_params(): return [{'id': 'x'}]\nasync def GET(_req, params): return params\n"}
    )
    async with project.serving() as running:
        answered = await running.get("/a/x")
        assert (answered.json(), answered.headers["x-nextjs-cache"]) == ({"id": "x"}, "HIT")


def test_a_handler_in_a_decorator_and_a_stream_get_them(tmp_path: Path) -> None:
    source = (
        "import functools\ndef wrapped(function):\n"
        "    @functools.wraps(function)\n    def inner(*args, **kwargs): return function(*args, **kwargs)\n"
        "    return inner\n@wrapped\ndef GET(req, params): return params\n"
    )
    assert answer(operation(tmp_path / "a", source, "[id]"), "/5") == {"id": "5"}
    assert answer(operation(tmp_path / "b", "async def GET(_, params):\n    yield params['id']\n", "[id]"), "/5") == "5"


PARAMS = """
from collections.abc import Mapping
from typing import Any, Optional, TypedDict

class Params(TypedDict):
    id: int

"""


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("dict", "5"),
        ("dict[str, str]", "5"),
        ("dict[str, Any]", "5"),
        ("Mapping[str, str | list[str]]", "5"),
        ("dict[str, int]", 5),
        ("Params", 5),
        ("Optional[Params] = None", 5),
        ("dict | None = None", "5"),
        ("'Params'", 5),
    ],
)
def test_a_get_has_no_body_so_a_dict_is_the_path_too(tmp_path: Path, annotation: str, value: object) -> None:
    source = f"{PARAMS}def GET(_req, params: {annotation}): return params"
    assert answer(operation(tmp_path, source, "a/[id]/[[...rest]]"), "/a/5/b") == {"id": value, "rest": ["b"]}


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_typed_dict_of_the_paths_names_is_the_path_in_every_method(tmp_path: Path, method: str) -> None:
    found = operation(tmp_path, f"{PARAMS}def {method}(_req, params: Params): return params", "a/[id]", method)
    assert answer(found, "/a/5") == {"id": 5}
    assert answer(found, "/a/x") == (422, [["path", "id"]])
    assert parameters(found) == [("id", "path", "integer")]


@pytest.mark.parametrize(
    "signature",
    ["id, params: dict", "params: Annotated[dict, Body()]", "params: dict = Body()", "id, params: Params"],
)
def test_a_body_called_params_stays_a_body(tmp_path: Path, signature: str) -> None:
    source = (
        "from typing import Annotated\nfrom fastapi import Body\nfrom pydantic import BaseModel\n"
        f"class Params(BaseModel):\n    a: int\ndef POST({signature}): return params"
    )
    assert answer(operation(tmp_path, source, "a/[id]", "POST"), "/a/5", json={"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("method", "source", "why"),
    [
        ("POST", "def POST(_req, params: dict): ...", "`params: dict`: FastAPI takes it from the body of a POST"),
        (
            "GET",
            "from typing import TypedDict\nclass Params(TypedDict):\n    slug: str\ndef GET(_req, params: Params): ...",
            'it has the key "slug", which the path hasn\'t',
        ),
        (
            "GET",
            "from pydantic import BaseModel\nclass Params(BaseModel):\n    id: str\ndef GET(_req, params: Params): ...",
            "FastAPI would take it from the body, and GET has none",
        ),
    ],
)
def test_an_annotation_that_can_be_read_in_two_ways_is_an_error(
    tmp_path: Path, method: str, source: str, why: str
) -> None:
    message = refusal(tmp_path, source, "a/[id]", method)
    assert message.startswith(f"app/a/[id]/route.py:{source.count(chr(10)) + 1}: ")
    assert why in message
    assert "write `params` without an annotation" in message


# names that mean something else in JavaScript


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("context", "handlers get the path's parameters by name: write `lang`, `slug`, or `params` for a dict of all"),
        ("ctx", "write `lang`, `slug`, or `params`"),
        ("_ctx", "write `lang`, `slug`, or `params`"),
        ("props", "write `lang`, `slug`, or `params`"),
        ("searchParams", "`request.query_params` has all"),
        ("search_params", "`request.query_params` has all"),
        ("cookies", "call cookies() of millpond"),
        ("headers", "call headers() of millpond"),
        ("response", "annotate it, `response: Response`"),
        ("res", "annotate it, `res: Response`"),
        ("body", "annotate it, `body: dict` or a pydantic model"),
        ("formData", "`await request.form()`"),
        ("req", "the request comes first, or is annotated: `req: Request`"),
        ("_", "leave it out"),
    ],
)
def test_a_build_says_what_to_write_for_it(tmp_path: Path, name: str, remedy: str) -> None:
    for method in ("GET", "POST"):
        source = f"\n\nasync def {method}(request, {name}): ..."
        message = refusal(tmp_path, source, "[lang]/[slug]", method)
        assert message.startswith(f"app/[lang]/[slug]/route.py:3: the parameter `{name}` would be a query parameter ")
        assert remedy in message
        assert message.endswith(f"If you mean a query parameter, annotate it: `{name}: str`.")


def test_without_parameters_in_the_path_a_context_is_left_out(tmp_path: Path) -> None:
    assert "this path has no parameters" in refusal(tmp_path, "def GET(request, context): ...")


@pytest.mark.parametrize("name", ["q", "query", "id", "_id", "url", "next", "state"])
def test_other_names_stay_query_parameters(tmp_path: Path, name: str) -> None:
    assert answer(operation(tmp_path, f"def GET(request, {name}): return {name}"), f"/?{name}=x") == "x"


@pytest.mark.parametrize("parameter", ["ctx: str", "headers: str = ''", "res=5"])
def test_what_is_annotated_or_has_a_default_stays_fastapis(tmp_path: Path, parameter: str) -> None:
    name = parameter.split(":")[0].split("=")[0]
    assert answer(operation(tmp_path, f"def GET({parameter}): return {name}"), f"/?{name}=x") == "x"


@pytest.mark.parametrize("parameter", ["product_id", "product_id: str", "productid"])
def test_another_spelling_of_a_folder_is_an_error_that_names_both(tmp_path: Path, parameter: str) -> None:
    name = parameter.split(":")[0]
    assert refusal(tmp_path, f"def GET({parameter}): ...", "[productId]") == (
        f"app/[productId]/route.py:1: the folder [productId] fills the parameter `productId`, and `{name}` would be a "
        "query parameter; give them the same name."
    )


def test_another_spelling_beside_the_folders_own_is_fastapis(tmp_path: Path) -> None:
    source = "def GET(productId, product_id: str = '-'): return [productId, product_id]"
    assert answer(operation(tmp_path, source, "[productId]"), "/x?product_id=y") == ["x", "y"]


@pytest.mark.anyio
async def test_an_endpoint_that_is_declared_is_fastapis_alone(project: Project) -> None:
    pond = project.pond()

    @pond.get("/declared")
    def declared(ctx, req) -> Any:  # type: ignore[no-untyped-def]
        return [ctx, req]

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=pond), base_url="http://test") as client:
        assert (await client.get("/declared?ctx=1&req=2")).json() == ["1", "2"]
