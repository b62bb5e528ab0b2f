"""QUERY in the OpenAPI document, which stays valid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter
from openapi_spec_validator import validate
from pydantic import BaseModel

from millpond import Millpond

if TYPE_CHECKING:
    from ponds import Project

ROUTES = {
    "/search": (
        "from pydantic import BaseModel\n"
        "class Search(BaseModel):\n    term: str\n"
        "def QUERY(search: Search): return search\n"
        "def GET(): return 1\n"
        "def POST(number: int): return number\n"
    ),
    "/raw": (
        "from millpond import Request, operation\n"
        "@operation(openapi_extra={'requestBody': {'content': {'application/sql': {}}}})\n"
        "def QUERY(request: Request): return 1\n"
    ),
    "/bare": "from millpond import Request\nasync def QUERY(request: Request): return 1\n",
}


class Search(BaseModel):
    """Of another module than that of the file, with the same name."""

    word: str


def application(project: Project, **options: Any) -> Millpond:
    project.routes(ROUTES)
    app = Millpond(project.folder / "app", **options)
    router = APIRouter(prefix="/api")

    @router.put("/both")
    def put_both(search: Search) -> str:
        return search.word

    @router.api_route("/both", methods=["QUERY"])
    def query_both(search: Search) -> str:
        return search.word

    app.include_router(router)
    return app


def test_before_3_2_it_is_an_extension_and_the_document_is_valid(project: Project) -> None:
    document = application(project).openapi()
    validate(document)
    assert document["openapi"] == "3.1.0"
    paths = document["paths"]
    assert sorted(paths["/search"]) == ["get", "post", "x-query"]
    assert sorted(paths["/api/both"]) == ["put", "x-query"]
    (reference,) = schemas(paths["/search"]["x-query"])
    assert paths["/search"]["x-query"]["operationId"] == "query_search"
    assert "requestBody" not in paths["/search"]["post"]
    assert properties(document, reference) == ["term"]
    for method in ("put", "x-query"):
        (reference,) = schemas(paths["/api/both"][method])
        assert properties(document, reference) == ["word"]
    assert list(paths["/raw"]["x-query"]["requestBody"]["content"]) == ["application/sql"]
    assert "requestBody" not in paths["/bare"]["x-query"]


def test_from_3_2_on_it_is_an_operation(project: Project) -> None:
    app = application(project)
    app.openapi_version = "3.2.0"
    document = app.openapi()
    assert sorted(document["paths"]["/search"]) == ["get", "post", "query"]
    (reference,) = schemas(document["paths"]["/search"]["query"])
    assert properties(document, reference) == ["term"]
    validate(document)


def test_it_is_made_once_and_again_with_other_routes(project: Project) -> None:
    app = application(project)
    app.openapi()  # which loads the route files
    document = app.openapi()
    assert app.openapi() is document

    @app.api_route("/late", methods=["QUERY"])
    def late(search: Search) -> None: ...

    assert schemas(app.openapi()["paths"]["/late"]["x-query"])
    assert sorted(app.openapi()["paths"]["/search"]) == ["get", "post", "x-query"]


def test_a_document_without_query_is_fastapis(project: Project) -> None:
    project.routes({"/": "def GET(): return 1\n"})
    document = Millpond(project.folder / "app").openapi()
    assert "x-query" not in json.dumps(document)


def schemas(operation: dict[str, Any]) -> list[str]:
    content: dict[str, Any] = operation["requestBody"]["content"]
    return [each["schema"]["$ref"] for each in content.values()]


def properties(document: dict[str, Any], reference: str) -> list[str]:
    found: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return list(found["properties"])


@pytest.mark.parametrize("path", ["/search", "/raw", "/bare"])
def test_an_operation_has_its_answers(project: Project, path: str) -> None:
    operation = application(project).openapi()["paths"][path]["x-query"]
    assert "200" in operation["responses"]
    assert ("422" in operation["responses"]) is (path == "/search")
