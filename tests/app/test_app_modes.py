"""Without a build, in development, and the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.routing import NoMatchFound

from ponds import cache_of

if TYPE_CHECKING:
    from ponds import Project

pytestmark = pytest.mark.anyio

SHOP = {
    "/": "revalidate = 60\nruns = []\ndef GET():\n    runs.append(1)\n    return len(runs)\n",
    "/live": "def GET(): return 1\n",
    "/closed/[id]": """
        dynamic_params = False
        runs = []
        def generate_static_params(): return [{"id": "1"}]
        def GET(id):
            runs.append(id)
            return len(runs)
        def POST(id): return id
        """,
    "/open/[id]": """
        runs = []
        async def generate_static_params(): return [{"id": "1"}]
        def GET(id):
            runs.append(id)
            return len(runs)
        """,
}


@pytest.fixture
def shop(project: Project) -> Project:
    project.routes(SHOP)
    return project


async def test_without_a_build_static_answers_are_rendered_at_their_first_request(
    shop: Project, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop.started() as running:
        for path in ("/", "/closed/1", "/open/1", "/open/2"):
            assert [await running.cache(path) for _ in range(2)] == ["MISS", "HIT"], path
        assert await running.cache("/live") is None
        assert (await running.get("/closed/2")).status_code == 404
        assert (await running.post("/closed/2")).status_code == 404
        assert (await running.post("/closed/1")).json() == "1"
    assert "static answers are rendered at their first request" in caplog.text


async def test_without_a_build_a_route_that_reads_the_request_is_live(project: Project) -> None:
    project.routes({"/": "revalidate = 60\ndef GET(request): return request.query_params.get('q')\n"})
    async with project.started() as running:
        for q in ("a", "b"):
            answer = await running.get("/", params={"q": q})
            assert (answer.json(), cache_of(answer)) == (q, None)


async def test_in_development_nothing_is_cached_and_the_build_is_not_looked_at(shop: Project) -> None:
    await shop.built()
    async with shop.started(development=True) as running:
        for path in ("/", "/closed/1", "/open/1", "/open/2"):
            answers = [await running.get(path) for _ in range(2)]
            assert {cache_of(answer) for answer in answers} == {None}
            assert answers[1].json() == answers[0].json() + 1
        assert (await running.get("/closed/2")).status_code == 404


async def test_in_development_data_is_cached_all_the_same(project: Project) -> None:
    project.routes(
        {
            "/": """
            from millpond import cached
            revalidate = 60
            runs = []
            @cached
            def counted():
                runs.append(1)
                return len(runs)
            def GET(): return counted()
            """
        }
    )
    async with project.started(development=True) as running:
        assert [(await running.get("/")).json() for _ in range(2)] == [1, 1]


async def test_in_development_a_damaged_build_is_no_matter(shop: Project) -> None:
    shop.write({".millpond/build/manifest.json": "{"})
    async with shop.started(development=True) as running:
        assert (await running.get("/live")).status_code == 200


async def test_dependency_overrides_of_the_inner_application_work_as_in_fastapi(project: Project) -> None:
    source = "from fastapi import Depends\ndef user(): return 'nobody'\ndef GET(user=Depends(user)): return user\n"
    project.routes({"/": source})
    async with project.serving() as running:
        assert (await running.get("/")).json() == "nobody"
        running.pond.dependency_overrides[running.module("/").user] = lambda: "Ann"
        assert (await running.get("/")).json() == "Ann"


API = {
    "/": "def GET(): return 1\n",
    "/products/[slug]": '''
        from pydantic import BaseModel
        revalidate = 60
        def generate_static_params(): return []
        class Product(BaseModel):
            """A thing that is sold."""
            name: str
            price: int
        async def GET(slug: str) -> Product:
            """One product.

            With its price.
            """
            return Product(name=slug, price=1)
        def PUT(slug: str, product: Product): return product
        ''',
    "/files/[...path]": "def GET(path: list[str]): return path\n",
    "/a.b": "def GET(): return 1\n",
    "/a_b": "def GET(): return 1\n",
}


async def test_the_openapi_document_has_every_operation_with_a_good_id(project: Project) -> None:
    project.write({"instrumentation.py": "def register(app): app.get('/health')(lambda: 'fine')\n"})
    project.routes(API)
    async with project.serving() as running:
        document = (await running.get("/openapi.json")).json()
    paths = document["paths"]
    assert set(paths) == {"/", "/products/{slug}", "/files/{path}", "/a.b", "/a_b", "/health"}
    assert paths["/"]["get"]["operationId"] == "get_root"
    product = paths["/products/{slug}"]
    assert (product["get"]["operationId"], product["put"]["operationId"]) == (
        "get_products_by_slug",
        "put_products_by_slug",
    )
    assert product["get"]["summary"] == "One product."
    (slug,) = product["get"]["parameters"]
    assert (slug["name"], slug["in"], slug["required"], slug["schema"]["type"]) == ("slug", "path", True, "string")
    reference = product["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert product["put"]["requestBody"]["content"]["application/json"]["schema"]["$ref"] == reference
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert (schema["title"], schema["description"]) == ("Product", "A thing that is sold.")
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids)) == 7


async def test_an_invalid_body_is_422_in_fastapis_shape(project: Project) -> None:
    project.routes(API)
    async with project.serving() as running:
        answer = await running.client.put("/products/a", json={"name": "a", "price": "much"})
        assert answer.status_code == 422
        (detail,) = answer.json()["detail"]
        assert (detail["type"], detail["loc"]) == ("int_parsing", ["body", "price"])
        answer = await running.client.put("/products/a", content=b"{", headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "json_invalid")


async def test_a_parameter_that_doesnt_fit_is_422_and_not_stored(project: Project) -> None:
    project.routes({"/[id]": "revalidate = 60\ndef GET(id: int): return id\n"})
    async with project.serving() as running:
        for _ in range(2):
            answer = await running.get("/seven")
            assert (answer.status_code, cache_of(answer)) == (422, "MISS")
            assert answer.headers["cache-control"].startswith("private")
        assert await running.cache("/7") == "MISS"
        assert await running.cache("/7") == "HIT"


async def test_url_for_knows_the_operations_by_their_names(project: Project) -> None:
    project.routes(
        {"/products/[slug]": "def GET(request, slug): return str(request.url_for('get_products_by_slug', slug='b'))\n"}
    )
    async with project.serving() as running:
        assert (await running.get("/products/a")).json() == "http://shop.example/products/b"


async def test_urls_of_routes_beside_route_files_are_made_by_their_names(project: Project) -> None:
    source = """
    def register(app):
        @app.get("/health/{part}", name="health")
        def health(part: str): return part
    """
    project.write({"instrumentation.py": source})
    project.routes({"/": "def GET(): return 1"})
    async with project.serving() as running:
        assert running.pond.url_path_for("health", part="db") == "/health/db"
        with pytest.raises(NoMatchFound):
            running.pond.url_path_for("nothing")
