"""A project that uses a bit of everything, built and asked; in one process for each set of names that is hidden.

`python whole_product.py FOLDER`: reads sets of names, one a line, and writes what came of each, one a line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

FILES = {
    "instrumentation.py": """\
        from contextlib import asynccontextmanager

        from fastapi import WebSocket
        from starlette.middleware.base import BaseHTTPMiddleware
        from starlette.responses import JSONResponse


        class SoldOut(Exception):
            pass


        class Marking:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                async def marked(message):
                    if message["type"] == "http.response.start":
                        message["headers"] = [*message["headers"], (b"x-marked", b"yes")]
                    await send(message)

                await self.app(scope, receive, marked)


        @asynccontextmanager
        async def life(app):
            yield {"opened": "yes"}


        def register(app):
            app.router.lifespan_context = life

            @app.exception_handler(SoldOut)
            async def sold_out(request, error):
                return JSONResponse({"sold": "out", "body": (await request.body()).decode()}, 410)

            @app.websocket("/ws")
            async def echo(socket: WebSocket):
                await socket.accept()
                await socket.send_text(await socket.receive_text())

            if MIDDLEWARE:
                app.add_render_middleware(Marking)

                @app.middleware("http")
                async def named(request, call_next):
                    answer = await call_next(request)
                    answer.headers["x-named"] = request.scope["path"]
                    return answer


        MIDDLEWARE = False
    """,
    "models.py": """\
        from pydantic import BaseModel


        class Item(BaseModel):
            name: str
            price: float = 1.5
    """,
    "app/static/route.py": """\
        dynamic = "force-static"

        def GET():
            return {"static": ["ä", 1, 2.5, None]}
    """,
    "app/fresh/[slug]/route.py": """\
        revalidate = 60

        def generate_static_params():
            return [{"slug": "oak"}]

        async def GET(slug: str):
            return {"fresh": slug}
    """,
    "app/live/model/[n]/route.py": """\
        from models import Item

        dynamic = "force-dynamic"

        async def GET(n: int) -> Item:
            return {"name": f"item {n}", "price": n, "secret": "s"}
    """,
    "app/live/sync/route.py": """\
        from models import Item

        def GET(q: str, request) -> list[Item]:
            return [{"name": q + request.state.opened}]

        def POST(item: Item):
            return {"posted": item.name, "at": __import__("datetime").date(2026, 1, 2)}
    """,
    "app/live/refused/route.py": """\
        from instrumentation import SoldOut

        async def POST(request):
            await request.body()
            raise SoldOut
    """,
    "app/live/broken/route.py": """\
        from models import Item

        dynamic = "force-dynamic"

        def GET() -> Item:
            return {"name": 7}
    """,
    "app/live/header/route.py": """\
        from typing import Annotated
        from fastapi import Cookie, Depends, Header
        from fastapi.security import HTTPBearer

        def token(found: Annotated[object, Depends(HTTPBearer())]):
            return found.credentials

        async def GET(x_a: Annotated[str, Header()], token: Annotated[str, Depends(token)], c: str = Cookie("none")):
            return [x_a, token, c]
    """,
    "app/live/stream/route.py": """\
        from collections.abc import AsyncIterator
        from models import Item

        dynamic = "force-dynamic"

        async def GET() -> AsyncIterator[Item]:
            for n in range(2):
                yield Item(name=str(n))
    """,
    "app/turned/route.py": """\
        from millpond import cached, headers

        @cached(revalidate=60)
        async def double(n):
            return 2 * n

        async def GET():
            return [(await headers()).get("x-who"), await double(21)]
    """,
}

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/static", {}),
    ("GET", "/fresh/oak", {}),
    ("GET", "/fresh/elm", {}),
    ("GET", "/live/model/4", {}),
    ("GET", "/live/model/x", {}),
    ("GET", "/live/sync?q=a", {}),
    ("GET", "/live/sync", {}),
    ("POST", "/live/sync", {"json": {"name": "n"}}),
    ("POST", "/live/sync", {"json": {}}),
    ("POST", "/live/refused", {"content": b"body"}),
    ("GET", "/live/broken", {}),
    ("GET", "/live/header", {"headers": {"x-a": "a", "authorization": "Bearer t", "cookie": 'c="1 2"'}}),
    ("GET", "/live/header", {}),
    ("GET", "/live/stream", {}),
    ("GET", "/turned", {"headers": {"x-who": "me"}}),
    ("GET", "/missing", {}),
]


async def outcome(folder: Path) -> dict[str, Any]:
    """What the routes are found to be, what the answers are, and what was logged."""
    from millpond.routes.imports import forget
    from ponds import Project

    told = _Told()
    logging.getLogger("millpond").addHandler(told)
    found: dict[str, Any] = {}
    for middleware in (False, True):
        project = Project(folder / str(middleware))
        project.write(FILES)
        if middleware:
            path = project.folder / "instrumentation.py"
            path.write_text(path.read_text().replace("MIDDLEWARE = False", "MIDDLEWARE = True"))
        records = await project.built()
        found[f"routes {middleware}"] = {
            pattern: [record.glyph, record.why, record.static] for pattern, record in records.items()
        }
        async with project.started() as running:
            for number, (method, path_, options) in enumerate(REQUESTS * 2):
                answer = await running.client.request(method, path_, **options)
                headers = [pair for pair in answer.headers.multi_items() if pair[0] != "date"]
                found[f"{number} {method} {path_} {middleware}"] = answer.status_code, sorted(headers), answer.text
            found[f"ws {middleware}"] = await _echoed(running.pond)
        forget(project.folder)
    return {"found": found, "told": told.lines}


class _Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "millpond.internals":
            self.lines.append(record.getMessage())


async def _echoed(app: Any) -> list[Any]:
    sent: list[Any] = []
    come = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}])

    async def receive() -> Any:
        return next(come, {"type": "websocket.disconnect", "code": 1000})

    async def send(message: Any) -> None:
        sent.append([message["type"], message.get("text")])

    scope: dict[str, Any] = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b""}
    rest: dict[str, Any] = {
        "scheme": "ws",
        "headers": [],
        "client": None,
        "server": ("x", 80),
        "root_path": "",
        "subprotocols": [],
    }
    await app({**scope, **rest, "asgi": {"version": "3.0"}}, receive, send)
    return sent


def main() -> None:
    import fastapi.telemetry._runtime
    import fastapi.testclient  # noqa: F401
    import httpx2  # noqa: F401
    import uvicorn  # noqa: F401
    from hidden_names import hide

    folder = Path(sys.argv[1])
    for number, line in enumerate(sys.stdin.read().splitlines()):
        reading, writing = os.pipe()
        if not os.fork():
            for name in json.loads(line):
                hide(*name)
            try:
                result = json.dumps(asyncio.run(outcome(folder / str(number))))
            except BaseException:
                logging.getLogger().exception("%s", line)
                os._exit(1)
            with os.fdopen(writing, "w") as pipe:
                pipe.write(result)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            sys.stdout.write(pipe.read() + "\n")
        os.wait()


if __name__ == "__main__":
    main()
