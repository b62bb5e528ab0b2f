"""Pages about OpenAPI and the pages that show it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Header, Request
from fastapi.exceptions import FastAPIError
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, HttpUrl
from starlette.routing import Route
from tutorial_conversation import DOCUMENTS, ask, page


class Sack(BaseModel):
    flour: str
    weight: float = 25


class Bill(BaseModel):
    number: str
    total: float


class Paid(BaseModel):
    ok: bool


class Hidden(FastAPIError):
    pass


@page(
    "tutorial/metadata/",
    ask("GET /sacks"),
    ask("GET /api/v1/openapi.json"),
    ask("GET /documentation"),
    ask("GET /openapi.json"),
    *DOCUMENTS,
)
def metadata(make: type[FastAPI]) -> FastAPI:
    app = make(
        title="The mill",
        summary="Flour, by the sack",
        description="Sells **flour**.\n\n## Sacks\n\nOf 25 kg.",
        version="2.5.0",
        terms_of_service="https://mill.example/terms",
        contact={"name": "ada", "url": "https://mill.example/ada"},
        license_info={"name": "MIT", "identifier": "MIT"},
        openapi_tags=[
            {"name": "sacks", "description": "All of them", "externalDocs": {"url": "https://mill.example/sacks"}},
            {"name": "unused"},
        ],
        openapi_external_docs={"url": "https://mill.example/book"},
        servers=[{"url": "https://mill.example", "description": "Production"}],
        openapi_url="/api/v1/openapi.json",
        docs_url="/documentation",
        redoc_url=None,
    )

    @app.get("/sacks", tags=["sacks"])
    async def sacks() -> list[Sack]:
        return [Sack(flour="rye")]

    return app


@page("how-to/configure-swagger-ui/", ask("GET /sacks/rye"), ask("GET /back"), *DOCUMENTS)
def swagger_ui(make: type[FastAPI]) -> FastAPI:
    app = make(
        swagger_ui_parameters={"syntaxHighlight": {"theme": "obsidian"}, "deepLinking": False, "filter": True},
        swagger_ui_oauth2_redirect_url="/back",
        swagger_ui_init_oauth={"clientId": "the-counter"},
    )

    @app.get("/sacks/{sack}")
    async def sack(sack: str) -> str:
        return sack

    return app


@page("how-to/custom-docs-ui-assets/", *DOCUMENTS)
def documents_of_ones_own(make: type[FastAPI]) -> FastAPI:
    app = make(docs_url=None, redoc_url=None)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=f"{app.title}: Swagger UI",
            oauth2_redirect_url=app.swagger_ui_oauth2_redirect_url,
            swagger_js_url="/static/swagger.js",
            swagger_css_url="/static/swagger.css",
        )

    @app.get(str(app.swagger_ui_oauth2_redirect_url), include_in_schema=False)
    async def redirected() -> HTMLResponse:
        return get_swagger_ui_oauth2_redirect_html()

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        return get_redoc_html(openapi_url=str(app.openapi_url), title="ReDoc", with_google_fonts=False)

    return app


@page(
    "how-to/conditional-openapi/",
    ask("GET /sacks"),
    ask("GET /openapi.json"),
    *DOCUMENTS,
)
def without_a_document(make: type[FastAPI]) -> FastAPI:
    app = make(openapi_url=None)

    @app.get("/sacks")
    async def sacks() -> list[str]:
        return ["rye"]

    return app


@page("how-to/extending-openapi/", ask("GET /sacks"))
def document_extended(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks")
    async def sacks() -> list[Sack]:
        return []

    def extended() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = get_openapi(title="Of the mill", version="3.0.0", routes=app.routes)
            app.openapi_schema["info"]["x-logo"] = {"url": "https://mill.example/logo.png"}
        return app.openapi_schema

    app.openapi = extended  # type: ignore[method-assign]  # as FastAPI's documentation has it
    return app


bills = APIRouter()


@bills.post("{$callback_url}/bills/{$request.body.number}", response_model=Paid)
def billed(body: Bill) -> None:
    """What the other side is expected to offer."""


@page(
    "advanced/openapi-callbacks/",
    ask("POST /bills?callback_url=https://baker.example/x", json={"number": "7", "total": 3}),
    ask("POST /bills?callback_url=nowhere", json={"number": "7", "total": 3}),
)
def callbacks(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/bills", callbacks=bills.routes)
    def bill(bill: Bill, callback_url: HttpUrl | None = None) -> dict[str, str]:
        return {"billed": bill.number}

    return app


@page("advanced/openapi-webhooks/", ask("GET /sacks"), ask("POST /sack-sold"))
def webhooks(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.webhooks.post("sack-sold")
    def sold(body: Bill) -> None:
        """Sent when a sack is sold."""

    @app.get("/sacks")
    def sacks() -> list[str]:
        return ["rye"]

    return app


@page(
    "advanced/generate-clients/",
    ask("POST /sacks", json={"flour": "rye"}),
    ask("POST /sacks", json={}),
    ask("GET /inner/sacks"),
)
def client_names(make: type[FastAPI]) -> FastAPI:
    def unique(route: APIRoute) -> str:
        return f"{route.tags[0] if route.tags else route.path_format}-{route.name}"

    app = make(generate_unique_id_function=unique)
    router = APIRouter(prefix="/inner", generate_unique_id_function=lambda route: f"inner-{route.name}")

    @app.post("/sacks", tags=["sacks"])
    async def fill(sack: Sack) -> Sack:
        return sack

    @app.get("/sacks", tags=["sacks"], generate_unique_id_function=lambda route: "all-sacks")
    async def sacks() -> list[Sack]:
        return []

    @router.get("/sacks")
    async def inner() -> list[Sack]:
        return []

    app.include_router(router)
    return app


@page("reference/fastapi/", ask("GET /sacks"), ask("GET /sacks/"), ask("GET /late"), ask("GET /slashed"), *DOCUMENTS)
def constructor_options(make: type[FastAPI]) -> FastAPI:
    app = make(
        redirect_slashes=False,
        deprecated=True,
        responses={"default": {"description": "Whatever happens"}},
        default_response_class=HTMLResponse,
        include_in_schema=True,
    )

    @app.get("/sacks")
    def sacks() -> str:
        return "<p>rye</p>"

    @app.get("/slashed/")
    def slashed() -> str:
        return "slashed"

    @app.api_route("/several", methods=["GET", "PUT", "TRACE"], include_in_schema=False)
    def several(request: Request) -> str:
        return request.method

    app.add_api_route("/late", lambda: "added by a call", methods=["GET"], name="late", response_model=None)
    return app


@page(
    "reference/fastapi/",
    ask("GET /sacks?q=1"),
    ask("GET /late"),
    ask("GET /later/"),
    ask("GET /later"),
    ask("GET /appended"),
    ask("GET /gone"),
    ask("GET /breaks"),
    ask("POST /include"),
    ask("GET /included"),
    ask("POST /middleware"),
    *DOCUMENTS,
)
def changed_afterwards(make: type[FastAPI]) -> FastAPI:
    """What isn't said to the constructor, but set, called, taken away or added later, at last while it runs."""
    app = make()
    app.title, app.version, app.description, app.openapi_version = "Renamed", "9", "Of later", "3.0.2"
    app.state.mill = "set"
    app.router.redirect_slashes = False

    def broken(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(repr(error), 500)

    def q(q: int) -> int:
        return q

    @app.get("/sacks")
    async def sacks(q: Annotated[int, Depends(q)]) -> list[Any]:
        return [q, app.state.mill]

    @app.get("/gone")
    def gone() -> str:
        return "gone"

    @app.get("/breaks")
    def breaks() -> None:
        raise LookupError("to be handled")

    @app.post("/include")
    def include() -> list[str]:
        names = [getattr(route, "name", "") for route in app.routes]
        if "included" not in names:
            app.add_api_route("/included", lambda: "while it runs", name="included")
        return names[-3:]

    @app.post("/middleware")
    def middleware() -> str:
        try:
            app.add_middleware(GZipMiddleware)
        except RuntimeError as error:
            return str(error)
        return "added"

    app.router.routes.remove(next(route for route in app.router.routes if getattr(route, "name", "") == "gone"))
    app.add_api_route("/late", lambda: "late")
    app.add_api_route("/later/", lambda: "later")
    app.routes.append(Route("/appended", lambda request: PlainTextResponse(request.url.path)))
    app.add_exception_handler(500, broken)
    app.dependency_overrides = {q: lambda: 7}
    return app


@page(
    "reference/fastapi/",
    ask("GET /sacks"),
    ask("HEAD /sacks"),
    *(ask(f"{method} /all") for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")),
)
def not_in_the_document(make: type[FastAPI]) -> FastAPI:
    app = make(include_in_schema=False)

    @app.get("/sacks")
    def sacks() -> str:
        return "rye"

    for decorated in (app.get, app.put, app.post, app.delete, app.options, app.head, app.patch, app.trace):

        @decorated("/all", name=f"all, {decorated.__name__}")
        def every(request: Request) -> str:
            return request.method

    return app


@page("tutorial/path-operation-configuration/", ask("GET /sacks"), ask("GET /openapi.json"))
def document_that_fails(make: type[FastAPI]) -> FastAPI:
    app = make()

    def fails() -> dict[str, Any]:
        raise Hidden("no document today")

    app.openapi = fails  # type: ignore[method-assign]  # as for a document of one's own

    @app.get("/sacks")
    def sacks(x: str | None = Header(None), y: str | None = Body(None)) -> list[str | None]:
        return [x, y]

    return app
