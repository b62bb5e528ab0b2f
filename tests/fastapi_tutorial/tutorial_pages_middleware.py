"""Pages about middleware: of one's own, for other origins, and what Starlette has."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tutorial_conversation import DOCUMENTS, ask, page, talk

Next = Callable[[Request], Awaitable[Response]]


class Marked:
    """Middleware in plain ASGI: a header on each answer, and what the scope says when the answer begins."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app, self.name = app, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("x-passed", self.name)
                headers.append("x-route", getattr(scope.get("route"), "path", "none"))
                headers.append("x-parameters", str(scope.get("path_params")))
            await send(message)

        await self.app(scope, receive, mark)


@page(
    "tutorial/middleware/",
    ask("GET /sacks/rye"),
    ask("GET /sacks/rye", headers={"x-closed": "yes"}),
    ask("GET /sacks/none"),
    ask("GET /breaks"),
    ask("GET /stream"),
    ask("POST /sacks/rye"),
    ask("GET /no"),
    *DOCUMENTS,
    talk("/call", "x"),
)
def middleware(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.middleware("http")
    async def count(request: Request, call_next: Next) -> Response:
        if "x-closed" in request.headers:
            return PlainTextResponse("closed", 503)
        request.state.counter = 7
        response = await call_next(request)
        response.headers["X-Counter"] = str(request.state.counter)
        response.headers["X-Route"] = getattr(request.scope.get("route"), "path", "none")
        return response

    @app.get("/sacks/{sack}")
    async def sack(sack: str, request: Request) -> dict[str, Any]:
        if sack == "none":
            raise HTTPException(404, "Sold")
        request.state.counter += 1
        return {"sack": sack, "counter": request.state.counter}

    @app.get("/breaks")
    def breaks() -> None:
        raise LookupError("in the handler")

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]))

    @app.websocket("/call")
    async def call(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    return app


@page(
    "tutorial/middleware/#multiple-middleware-execution-order",
    ask("GET /"),
    ask("GET /sacks/3"),
    ask("GET /sacks/x"),
    ask("GET /breaks"),
)
def middleware_in_order(make: type[FastAPI]) -> FastAPI:
    async def last(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        response.headers.append("x-passed", "last")
        return response

    app = make(
        middleware=[Middleware(Marked, name="of the constructor"), Middleware(BaseHTTPMiddleware, dispatch=last)]
    )
    app.add_middleware(Marked, name="added later, asked first")

    @app.exception_handler(LookupError)
    async def handled(request: Request, error: LookupError) -> Response:
        return JSONResponse({"lost": str(error)}, 410)

    @app.get("/")
    def root() -> str:
        return "root"

    @app.get("/sacks/{number}")
    def sack(number: int) -> int:
        return number

    @app.get("/breaks")
    def breaks() -> None:
        raise LookupError("in the handler")

    return app


@page("tutorial/middleware/", ask("GET /fine"), ask("GET /wrong"), ask("GET /no"))
def middleware_that_raises(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.middleware("http")
    async def raises(request: Request, call_next: Next) -> Response:
        if request.url.path == "/wrong":
            raise ValueError("in the middleware")
        try:
            return await call_next(request)
        finally:
            app.state.asked = request.url.path

    @app.get("/fine")
    def fine() -> str | None:
        return getattr(app.state, "asked", None)

    return app


def preflight(origin: str, method: str = "PUT", **headers: str) -> dict[str, str]:
    return {"origin": origin, "access-control-request-method": method, **headers}


@page(
    "tutorial/cors/",
    ask("GET /sacks"),
    ask("GET /sacks", headers={"origin": "https://baker.example"}),
    ask("GET /sacks", headers={"origin": "https://shop.baker.example", "cookie": "a=b"}),
    ask("GET /sacks", headers={"origin": "https://thief.example"}),
    ask("OPTIONS /sacks", headers=preflight("https://baker.example")),
    ask("OPTIONS /sacks", headers=preflight("https://baker.example", "DELETE")),
    ask(
        "OPTIONS /nothing",
        headers={**preflight("https://shop.baker.example"), "access-control-request-headers": "x-token, x-other"},
    ),
    ask("OPTIONS /sacks", headers=preflight("https://thief.example")),
    ask("OPTIONS /sacks", headers={"origin": "https://baker.example"}),
    ask("GET /breaks", headers={"origin": "https://baker.example"}),
    ask("GET /no", headers={"origin": "https://baker.example"}),
)
def cors(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["https://baker.example"],
        allow_origin_regex=r"https://.*\.baker\.example",
        allow_credentials=True,
        allow_methods=["GET", "PUT"],
        allow_headers=["x-token"],
        expose_headers=["x-total"],
        max_age=60,
    )

    @app.get("/sacks")
    async def sacks(response: Response) -> list[str]:
        response.headers["x-total"] = "1"
        return ["rye"]

    @app.get("/breaks")
    async def breaks() -> None:
        raise LookupError("behind CORS")

    return app


@page(
    "tutorial/cors/#wildcards",
    ask("GET /sacks", headers={"origin": "https://anybody.example"}),
    ask("OPTIONS /sacks", headers=preflight("https://anybody.example")),
    ask("GET /sacks"),
)
def cors_for_all(make: type[FastAPI]) -> FastAPI:
    app = make(middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])])

    @app.get("/sacks")
    def sacks() -> list[str]:
        return ["rye"]

    return app


@page(
    "advanced/middleware/#httpsredirectmiddleware",
    ask("GET /sacks?a=b"),
    ask("POST /sacks"),
    ask("GET https://testserver/sacks"),
    talk("/call"),
)
def https_redirect(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.add_middleware(HTTPSRedirectMiddleware)

    @app.get("/sacks")
    async def sacks() -> list[str]:
        return ["rye"]

    return app


@page(
    "advanced/middleware/#trustedhostmiddleware",
    ask("GET /sacks"),
    ask("GET /sacks", headers={"host": "mill.example"}),
    ask("GET /sacks", headers={"host": "shop.mill.example:80"}),
    ask("GET /sacks", headers={"host": "www.weir.example"}),
)
def trusted_host(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["mill.example", "*.mill.example", "weir.example"])

    @app.get("/sacks")
    async def sacks() -> list[str]:
        return ["rye"]

    return app


@page(
    "advanced/middleware/#gzipmiddleware",
    ask("GET /long", headers={"accept-encoding": "gzip"}),
    ask("GET /long", headers={"accept-encoding": "identity"}),
    ask("GET /short", headers={"accept-encoding": "gzip"}),
    ask("GET /stream", headers={"accept-encoding": "gzip"}),
    *DOCUMENTS,
    ask("HEAD /long", headers={"accept-encoding": "gzip"}),
)
def gzip(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.add_middleware(GZipMiddleware, minimum_size=500, compresslevel=5)

    @app.get("/long")
    async def long() -> str:
        return "rye " * 500

    @app.get("/short")
    async def short() -> str:
        return "rye"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["rye "] * 10), media_type="text/plain")

    return app
