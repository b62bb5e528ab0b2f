"""Pages about what applications consist of: routers, other applications, templates, routes of one's own."""

import gzip
import json
import time
import warnings
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Header, HTTPException, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import StarletteDeprecationWarning
from starlette.routing import Mount, Route
from tutorial_conversation import DOCUMENTS, Ask, Talk, ask, page, talk

with warnings.catch_warnings():
    # Starlette warns at the import, and recommends a2wsgi, which isn't installed; FastAPI's page still has this one.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.middleware.wsgi import WSGIMiddleware

SITE = Path(__file__).parent / "tutorial_site"
shop = APIRouter(prefix="/shop", tags=["shop"], responses={404: {"description": "Sold out"}})
"""As routers are: made once, when their module is imported, for every application that includes them."""
stones = APIRouter()


async def known(x_token: Annotated[str, Header()]) -> None:
    if x_token != "the-weir":
        raise HTTPException(status_code=400, detail="Not our token")


@shop.get("/")
async def loaves() -> list[str]:
    return ["rye", "oats"]


@shop.get("/{loaf}", name="loaf")
async def loaf(loaf: str, request: Request) -> dict[str, str]:
    if loaf == "none":
        raise HTTPException(status_code=404, detail="Sold out")
    return {"loaf": loaf, "at": str(request.url_for("loaf", loaf="oats"))}


@shop.put("/{loaf}", tags=["bakers"], responses={403: {"description": "Not yours"}})
async def bake(loaf: str) -> dict[str, str]:
    if loaf != "rye":
        raise HTTPException(status_code=403, detail="Only rye is baked here")
    return {"loaf": loaf}


@stones.get("/stones/{stone}")
def stone(stone: int, request: Request) -> str:
    return f"{stone} at {request.url.path}, route {request.scope['route'].path}"


@stones.websocket("/stones/{stone}/turn")
async def turn(websocket: WebSocket, stone: int) -> None:
    await websocket.accept()
    await websocket.send_text(f"stone {stone} turns at {websocket.url.path}")
    await websocket.close()


shop.include_router(stones, prefix="/{owner}")
TOKEN = {"x-token": "the-weir"}


@page(
    "tutorial/bigger-applications/",
    ask("GET /"),
    ask("GET /", headers=TOKEN),
    ask("GET /shop/?token=t", headers=TOKEN),
    ask("GET /shop", headers=TOKEN),
    ask("GET /shop/rye", headers=TOKEN),
    ask("GET /shop/none", headers=TOKEN),
    ask("PUT /shop/rye", headers=TOKEN),
    ask("PUT /shop/oats", headers=TOKEN),
    ask("GET /admin/shop/rye", headers=TOKEN),
    ask("GET /admin/shop/rye"),
    ask("GET /shop/ada/stones/3", headers=TOKEN),
    ask("GET /admin/shop/ada/stones/x", headers=TOKEN),
    ask("GET /v2/stones/4", headers=TOKEN),
    talk("/shop/ada/stones/3/turn", greetings=1, headers=TOKEN),
    talk("/shop/ada/stones/3/turn", greetings=1),
)
def routers(make: type[FastAPI]) -> FastAPI:
    app = make(dependencies=[Depends(known)])
    app.include_router(shop)
    app.include_router(
        shop,
        prefix="/admin",
        tags=["admin"],
        deprecated=True,
        responses={418: {"description": "A teapot"}},
        default_response_class=PlainTextResponse,
    )
    app.include_router(stones, prefix="/v2", include_in_schema=False)

    @app.get("/")
    async def root() -> dict[str, str]:
        return {"mill": "a bigger one"}

    return app


def with_an_inner_one(app: FastAPI, inner: FastAPI) -> FastAPI:
    @app.get("/")
    def outer() -> str:
        return str(app.url_path_for("inner", path="/sacks/3"))

    @inner.get("/sacks/{number}", name="sack")
    def sack(number: int, request: Request) -> dict[str, Any]:
        own = str(request.url_for("inner:sack", number=4))
        return {"number": number, "root": request.scope["root_path"], "own": own, "path": request.url.path}

    @inner.get("/lost")
    def lost(request: Request) -> str:
        return str(request.url_for("sack", number=4))  # names are the outer application's

    @inner.get("/breaks")
    def breaks() -> None:
        raise LookupError("inside")

    @inner.websocket("/call")
    async def call(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    async def here(request: Request) -> Response:
        return PlainTextResponse(f"{request.scope['root_path']} {type(request.app).__name__}")

    app.mount("/inner", inner, name="inner")
    app.mount("/starlette", Starlette(routes=[Route("/here", here)]))
    return app


INNER: list[Ask | Talk] = [
    ask("GET /"),
    ask("GET /inner"),
    ask("GET /inner/"),
    ask("GET /inner/sacks/3?q=1"),
    ask("GET /inner/sacks/x"),
    ask("GET /inner/lost"),
    ask("GET /inner/sacks/3/"),
    ask("GET /inner/nothing"),
    ask("GET /inner/docs"),
    *DOCUMENTS,
    ask("GET /inner/openapi.json"),
    ask("GET /inner/breaks"),
    ask("POST /inner/sacks/3"),
    ask("GET /starlette/here"),
    ask("GET /starlette/here/"),
    talk("/inner/call", "x"),
]


@page("advanced/sub-applications/", *INNER)
def mounted_fastapi(make: type[FastAPI]) -> FastAPI:
    return with_an_inner_one(make(), FastAPI(title="inside"))


@page("advanced/sub-applications/", *INNER)
def mounted_of_the_same_class(make: type[FastAPI]) -> FastAPI:
    return with_an_inner_one(make(), make(title="inside"))


@page("advanced/sub-applications/", *INNER)
def mounted_in_fastapi(make: type[FastAPI]) -> FastAPI:
    return with_an_inner_one(FastAPI(), make(title="inside"))


@page(
    "advanced/sub-applications/",
    ask("GET /own"),
    ask("GET /own/"),
    ask("GET /"),
    ask("GET /sacks/3"),
    ask("GET /sacks/3/"),
    ask("POST /sacks/3"),
    ask("GET /guide/"),
    ask("GET /own", headers={"host": "old.mill.example"}),
    ask("GET /sacks/3", headers={"host": "old.mill.example"}),
)
def mounted_at_the_root(make: type[FastAPI]) -> FastAPI:
    app, old, rest = make(), FastAPI(), FastAPI(docs_url=None)
    app.host("old.mill.example", old, name="old")

    @old.get("/sacks/{sack}")
    def former(sack: int) -> str:
        return f"formerly {sack}"

    @app.get("/own")
    def own() -> str:
        return "own"

    @rest.get("/sacks/{sack}")
    def sack(sack: int) -> int:
        return sack

    rest.mount("/", StaticFiles(directory=SITE, html=True))
    app.mount("/", rest)
    return app


@page(
    "advanced/behind-a-proxy/",
    ask("GET /where?a=1"),
    ask("GET /api/v1/where"),
    ask("GET /where/"),
    ask("GET /api/v1/where/"),
    ask("GET /inner/where"),
    ask("GET /api/v1/openapi.json"),
    ask("GET /api/v1/docs"),
    *DOCUMENTS,
    ask("GET /redirected"),
    root_path="/api/v1",
    base_url="https://mill.example:8443",
)
def behind_a_proxy(make: type[FastAPI]) -> FastAPI:
    app = make(servers=[{"url": "https://other.example", "description": "The other mill"}])
    inner = FastAPI()

    @app.get("/where")
    @inner.get("/where")
    def where(request: Request) -> dict[str, Any]:
        names = ("root_path", "path", "raw_path", "scheme")
        scope = {name: request.scope[name] for name in names}
        return {**scope, "url": str(request.url), "base": str(request.base_url), "for": str(request.url_for("where"))}

    app.mount("/inner", inner)
    return app


@page("advanced/behind-a-proxy/#disable-automatic-server-from-root_path", ask("GET /where"), root_path="/api/v1")
def without_its_server(make: type[FastAPI]) -> FastAPI:
    app = make(root_path_in_servers=False, servers=[{"url": "/"}])

    @app.get("/where")
    def where(request: Request) -> Any:
        return request.scope.get("root_path")

    return app


@page(
    "advanced/behind-a-proxy/#providing-the-root_path",
    ask("GET /where"),
    ask("GET /api/v2/where"),
    ask("GET /where/"),
    *DOCUMENTS,
    deprecated="FastAPI 0.165 still takes root_path, and recommends the server's option",
)
def root_path_of_the_application(make: type[FastAPI]) -> FastAPI:
    app = make(root_path="/api/v2")

    @app.get("/where")
    def where(request: Request) -> list[str]:
        return [request.scope["root_path"], str(request.url_for("where")), request.url.path]

    return app


@page("advanced/wsgi/", ask("GET /v2"), ask("GET /old/page?a=1"), ask("POST /old", content=b"x"), ask("GET /old"))
def wsgi(make: type[FastAPI]) -> FastAPI:
    app = make()

    def old(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/plain"), ("X-Old", "1")])
        return [f"{environ['REQUEST_METHOD']} {environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()]

    @app.get("/v2")
    def new() -> str:
        return "new"

    app.mount("/old", WSGIMiddleware(old))
    return app


@page("advanced/templates/", ask("GET /greet/ada"), ask("GET /greet/%3Cada%3E"), ask("GET /static/style.css"))
def templates(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.mount("/static", StaticFiles(directory=SITE), name="static")
    of_site = Jinja2Templates(directory=SITE)

    @app.get("/greet/{name}", response_class=HTMLResponse)
    async def greet(request: Request, name: str) -> HTMLResponse:
        return of_site.TemplateResponse(request, "greeting.html", {"name": name}, headers={"x-greets": "1"})

    return app


class Unzipped(Request):
    async def body(self) -> bytes:
        body = await super().body()
        return gzip.decompress(body) if "gzip" in self.headers.getlist("content-encoding") else body


class Timed(APIRoute):
    """A route whose requests unzip themselves, whose answers carry a mark, and whose validation shows the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        usual = super().get_route_handler()

        async def handler(request: Request) -> Response:
            began = time.monotonic()
            try:
                response = await usual(Unzipped(request.scope, request.receive))
            except RequestValidationError as error:
                raise HTTPException(422, {"errors": error.errors(), "body": str(error.body)}) from error
            response.headers["x-took"] = "no time" if time.monotonic() - began < 60 else "a minute"
            return response

        return handler


@page(
    "how-to/custom-request-and-route/",
    ask("POST /sum", content=gzip.compress(b"[1, 2]", mtime=0), headers={"content-encoding": "gzip"}),
    ask("POST /sum", json=[1, 2]),
    ask("POST /sum", json=["x"]),
    ask("GET /plain"),
)
def custom_routes(make: type[FastAPI]) -> FastAPI:
    app = make(strict_content_type=False)
    app.router.route_class = Timed
    timed = APIRouter(route_class=Timed)

    @app.post("/sum")
    async def total(numbers: Annotated[list[int], Body()]) -> int:
        return sum(numbers)

    @timed.get("/plain")
    async def plain() -> str:
        return "plain"

    app.include_router(timed)
    return app


@page(
    "advanced/using-request-directly/",
    ask("GET /request/rye?b=2&a=1&b=3", headers={"x-mill": "weir"}),
    ask("POST /echo", json={"any": ["thing"]}),
    ask("GET /class"),
    ask("DELETE /class"),
    ask("GET /function"),
    ask("LIST /functions/3"),
)
def request_directly(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/request/{sack}")
    def read(sack: str, request: Request) -> dict[str, Any]:
        return {
            "client": request.client.host if request.client else None,
            "query": request.query_params.multi_items(),
            "mill": request.headers["x-mill"],
            "path": request.path_params,
            "state": request.state._state,
            "app": request.app is app,
            "route": request.scope["route"].path,
            "endpoint": request.scope["endpoint"].__name__,
        }

    @app.post("/echo")
    async def echo(request: Request) -> Any:
        return json.loads(await request.body())

    async def function(request: Request) -> Response:
        return PlainTextResponse(str(sorted(request.path_params.items())))

    class Views(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("from a class")

    app.router.routes.append(Mount("/in", routes=[Route("/function", function)]))
    app.router.routes.append(Route("/class", Views))
    app.add_route("/function", function)
    app.add_api_route("/functions/{number:int}", lambda number: number, methods=["LIST"])
    return app
