"""The same little service twice, in plain FastAPI and with route files: same paths, answers and statuses."""

from __future__ import annotations

import time
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Header
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from millpond import Millpond
from millpond.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUTES = {
    "/static": "revalidate = 60\nasync def GET(): return 'static'\n",
    "/things/[id]": "revalidate = 60\ndef GET(id: str): return {'id': id}\n",
    "/live": """
from typing import Annotated
from fastapi import Header
async def GET(x_name: Annotated[str, Header()] = "nobody"): return x_name
""",
    "/orders": """
from pydantic import BaseModel
class Order(BaseModel):
    number: int
async def POST(order: Order): return {"ordered": order.number}
""",
    "/failing": "revalidate = 60\nasync def GET(): raise ValueError('static')\n",
    "/failing-live": """
from millpond import Request
def GET(request: Request):
    request.headers.get("x-name")
    raise ValueError("live")
""",
}
"""By pattern. No build is made of them, so the first request for a static path renders it."""


class Order(BaseModel):
    """What is posted."""

    number: int


def plain(**options: Any) -> FastAPI:
    """The service without Millpond."""
    app = FastAPI(**options)

    @app.get("/static")
    async def static() -> str:
        return "static"

    @app.get("/things/{id}")
    @app.head("/things/{id}")
    def things(id: str) -> dict[str, str]:  # noqa: A002 - the name of the parameter in the path
        return {"id": id}

    @app.get("/live")
    async def live(x_name: Annotated[str, Header()] = "nobody") -> str:
        return x_name

    @app.post("/orders")
    async def orders(order: Order) -> dict[str, int]:
        return {"ordered": order.number}

    @app.get("/failing")
    async def failing() -> None:
        raise ValueError("static")

    @app.get("/failing-live")
    def failing_live() -> None:
        raise ValueError("live")

    declare(app)
    return app


def pond(folder: Path, routes: dict[str, str] = ROUTES, **options: Any) -> Millpond:
    """The service with route files, by default ROUTES, which are written to `folder`."""
    write(folder, routes)
    store = options.pop("store", None) or MemoryStore(max_bytes=2**20, clock=options.get("clock", time.time))
    app = Millpond(folder / "app", store=store, **options)
    declare(app)
    return app


def write(folder: Path, routes: dict[str, str] = ROUTES) -> None:
    """Write the route files."""
    for pattern, source in routes.items():
        file = folder / f"app{pattern}/route.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source), "utf-8")


def declare(app: FastAPI) -> None:
    """What both have in common: declared endpoints, an included router and a mounted application."""
    router, inner = APIRouter(prefix="/included"), FastAPI()

    @app.get("/declared/{name}")
    async def declared(name: str) -> PlainTextResponse:
        return PlainTextResponse(name)

    @app.get("/declared-failing")
    async def declared_failing() -> None:
        raise KeyError("declared")

    @router.get("/{name}")
    def included(name: str) -> str:
        return name

    @inner.get("/inner/{number}")
    async def of_inner(number: int) -> int:
        return number

    app.include_router(router)
    app.mount("/sub", inner)


def twins(folder: Path) -> dict[str, Callable[..., FastAPI]]:
    """How to make each, by the name that tests call it."""
    return {"fastapi": plain, "millpond": lambda **options: pond(folder, **options)}
