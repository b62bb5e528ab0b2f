"""FastAPI's own tutorial, with `Millpond` in the place of `FastAPI`: every answer is the same, byte for byte."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import tutorial_pages_applications
import tutorial_pages_bodies
import tutorial_pages_dependencies
import tutorial_pages_documents
import tutorial_pages_errors
import tutorial_pages_forms
import tutorial_pages_life
import tutorial_pages_middleware
import tutorial_pages_parameters
import tutorial_pages_responses
import tutorial_pages_security
import tutorial_pages_streams
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from tutorial_conversation import Ask, Page, ask
from tutorial_recording import Ears, Facts, Record, client_of, differences, held, made, record

from millpond import Millpond
from millpond.routes.imports import forget
from ponds import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


def pages_of(*modules: ModuleType) -> list[Page]:
    return [value for module in modules for value in vars(module).values() if isinstance(value, Page)]


COMMANDING = [
    tutorial_pages_bodies.content_type_not_strict,
    tutorial_pages_forms.body_limits,
    tutorial_pages_responses.response_classes,
    tutorial_pages_responses.additional_responses,
    tutorial_pages_streams.static_files,
    tutorial_pages_streams.frontend,
    *pages_of(
        tutorial_pages_errors,
        tutorial_pages_dependencies,
        tutorial_pages_applications,
        tutorial_pages_middleware,
        tutorial_pages_documents,
        tutorial_pages_life,
    ),
]
"""Pages that may tell all routes of an application something."""
COMMANDING.remove(tutorial_pages_applications.mounted_in_fastapi)  # its route files are the inner application's
PAGES = pages_of(
    tutorial_pages_parameters,
    tutorial_pages_bodies,
    tutorial_pages_forms,
    tutorial_pages_responses,
    tutorial_pages_streams,
    tutorial_pages_errors,
    tutorial_pages_dependencies,
    tutorial_pages_security,
    tutorial_pages_applications,
    tutorial_pages_middleware,
    tutorial_pages_documents,
    tutorial_pages_life,
)
every_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])

FILES = "/still/"
"""Where all file routes are; no page has anything there."""
ROUTE_FILES = {
    "app/still/notice/route.py": """
        revalidate = 60

        def GET() -> dict[str, str]:
            return {"notice": "the weir is open"}
    """,
    "app/still/bakers/[slug]/route.py": """
        from pydantic import BaseModel

        class BakersOrder(BaseModel):
            loaves: int
            note: str | None = None

        async def POST(slug: str, order: BakersOrder) -> dict[str, str | int]:
            return {"baker": slug, "loaves": order.loaves}
    """,
    "app/still/files/[...rest]/route.py": """
        dynamic = "force-dynamic"

        def GET(rest: list[str]) -> dict[str, list[str]]:
            return {"rest": rest}
    """,
}

own_files = APIRouter(prefix="/still")
"""What the route files declare, in FastAPI's words."""


class BakersOrder(BaseModel):
    loaves: int
    note: str | None = None


@own_files.get("/notice", name="GET")
def notice() -> dict[str, str]:
    return {"notice": "the weir is open"}


@own_files.post("/bakers/{slug}", name="POST")
async def order(slug: str, order: BakersOrder) -> dict[str, str | int]:
    return {"baker": slug, "loaves": order.loaves}


@own_files.get("/files/{rest:path}", name="GET")
def files(rest: str) -> dict[str, list[str]]:
    return {"rest": rest.split("/")}


ONLY_OF_A_ROUTER = "x-parameters: {'rest': "
"""How a page's middleware shows what a catch-all has matched, which is a text there, and a list of segments here."""
KEYS = {"x-token": "the-weir", "x-key": "of-the-mill"}
OF_FILES = [
    ask("GET /still/notice"),
    ask("GET /still/notice", headers={**KEYS, "origin": "https://baker.example"}),
    ask("GET https://mill.example/still/notice", headers=KEYS),
    ask("POST /still/bakers/ada", headers=KEYS, json={"loaves": 3}),
    ask("POST /still/bakers/ada", headers=KEYS, json={"loaves": "some"}),
    ask("GET /still/files/a/b", headers=KEYS),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """An empty folder, and a project of route files; the same for every page, as nothing may be left in them."""
    empty, project = tmp_path_factory.mktemp("empty"), Project(tmp_path_factory.mktemp("project"))
    project.write(ROUTE_FILES)
    path = list(sys.path)
    yield empty, project.folder
    forget(project.folder)
    sys.path[:] = path
    assert list(empty.iterdir()) == []
    assert [found.name for found in project.folder.iterdir()] == ["app"]


@pytest.fixture
def empty_folder(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders[0])


@pytest.fixture
def folder_with_routes(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders[1])


@cache
def of_fastapi(page: Page) -> Record:
    return record(page, FastAPI)


def assert_same(page: Page, expected: Record, found: Record) -> None:
    lines = differences(expected, found)
    assert not lines, "\n".join([f"{page.name} ({page.address}) differs:", *lines])


@every_page
@pytest.mark.usefixtures("empty_folder")
def test_a_page_is_the_same_in_an_empty_folder(page: Page) -> None:
    assert_same(page, of_fastapi(page), record(page, Millpond))


@every_page
@pytest.mark.usefixtures("folder_with_routes")
def test_a_page_is_the_same_beside_route_files(page: Page) -> None:
    assert_same(page, of_fastapi(page), without_files(record(page, Millpond)))


@pytest.mark.parametrize("page", COMMANDING, ids=[page.name for page in COMMANDING])
@pytest.mark.usefixtures("folder_with_routes")
def test_route_files_obey_a_page_as_included_routers_do(page: Page) -> None:
    """The same statuses, bodies, errors and paths in the document; and every header of FastAPI's is there."""
    included, _ = made(page, FastAPI)
    included.include_router(own_files)
    included.router.routes.insert(0, included.router.routes.pop())
    app, _ = made(page, Millpond)
    expected, found = dict(files_of(page, included)), dict(files_of(page, app))
    for step, facts in expected.items():
        found[step]["headers"] = [header for header in facts["headers"] if header in found[step]["headers"]]
    assert_same(page, expected, found)
    assert own_paths(app) == own_paths(included)


def files_of(page: Page, app: FastAPI) -> Iterator[tuple[str, dict[str, Any]]]:
    ears = Ears(app)
    for step, facts in held(client_of(page, ears), ears, OF_FILES, "a route file"):
        kept: dict[str, Any] = {name: facts.get(name) for name in ("status", "headers", "body", "raised")}
        kept["headers"] = sorted(line for line in kept["headers"] if not line.startswith(ONLY_OF_A_ROUTER))
        yield step, kept


def own_paths(app: FastAPI) -> dict[str, list[str]]:
    """The document's paths of the route files, and their methods."""
    try:
        paths = app.openapi()["paths"]
    except tutorial_pages_documents.Hidden:
        return {}
    return {path: sorted(methods) for path, methods in paths.items() if path.startswith(FILES)}


def without_files(found: Record) -> Record:
    """The record, but for what route files add: their routes, their paths in documents, and schemas of theirs alone."""
    return {step: facts_without_files(facts) for step, facts in found.items()}


def facts_without_files(facts: Facts) -> Facts:
    match facts:
        case {"routes": list(routes), "document": str(document)}:
            kept = [route for route in routes if not str(route[1]).startswith(FILES)]
            said = json.dumps(document_without_files(json.loads(document))) if document[0] == "{" else document
            return {**facts, "routes": kept, "document": said}
        case {"body": bytes(body), "headers": list(headers), "chunks": list(chunks)} if body[:11] == b'{"openapi":':
            short = JSONResponse(document_without_files(json.loads(body))).body
            length = f"content-length: {len(short)}"
            renewed = [length if header == f"content-length: {len(body)}" else header for header in headers]
            return {**facts, "body": short, "headers": renewed, "chunks": [(len(short), chunks[0][1]), *chunks[1:]]}
    return facts


def document_without_files(document: dict[str, Any]) -> dict[str, Any]:
    paths = {path: item for path, item in document["paths"].items() if not path.startswith(FILES)}
    dropped = {path: item for path, item in document["paths"].items() if path.startswith(FILES)}
    components = document.get("components", {})
    schemas = components.get("schemas", {})
    others = {**document, "paths": paths, "components": {**components, "schemas": {}}}
    unused = used_schemas(dropped, schemas) - used_schemas(others, schemas)
    kept = {name: schema for name, schema in schemas.items() if name not in unused}
    rest = {name: value for name, value in {**components, "schemas": kept}.items() if value}
    pruned = {**document, "paths": paths, "components": rest}
    return {name: value for name, value in pruned.items() if value or name != "components"}


def used_schemas(of: Any, schemas: dict[str, Any]) -> set[str]:
    """The names of the schemas that this refers to, and those refer to."""
    found: set[str] = set()
    new = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(of)))
    while new:
        found |= new
        new = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps([schemas[name] for name in new]))) - found
    return found


def test_forty_pages_of_the_documentation_and_more_are_here() -> None:
    assert len({page.address.partition("#")[0] for page in PAGES}) >= 40
    assert len({page.name for page in PAGES}) == len(PAGES)


@pytest.mark.anyio
@pytest.mark.parametrize("page", [page for page in PAGES if "testing" in page.name or "cors" in page.name])
@pytest.mark.usefixtures("folder_with_routes")
async def test_an_asynchronous_client_gets_the_same(page: Page) -> None:
    answers = []
    for kind in (FastAPI, Millpond):
        app, _ = made(page, kind)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            got = [await client.request(s.method, s.path, **s.options) for s in page.steps if isinstance(s, Ask)]
        answers.append([(answer.status_code, answer.headers.raw, answer.content) for answer in got])
    assert answers[0] == answers[1]
