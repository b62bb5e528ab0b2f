"""Pages about what is sent piece by piece: bytes, files and folders, lines of JSON, events, websockets."""

import io
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from pathlib import Path
from typing import Annotated, Any

from fastapi import (
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
    status,
)
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from tutorial_conversation import DOCUMENTS, ask, page, talk

SITE = Path(__file__).parent / "tutorial_site"


class Turn(BaseModel):
    number: int
    note: str | None = None


class Picture(StreamingResponse):
    media_type = "image/png"


@page(
    "advanced/stream-data/",
    ask("GET /story"),
    ask("GET /story/sync"),
    ask("GET /picture"),
    ask("HEAD /picture"),
    ask("GET /given"),
    ask("GET /given?fails=yes"),
    ask("GET /story?fails=yes"),
)
def streams(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/story", response_class=StreamingResponse)
    async def story(fails: bool = False) -> AsyncIterable[str]:
        yield "The wheel turns. "
        if fails:
            raise RuntimeError("the wheel is stuck")
        yield "Das Rad dreht sich über dem Wehr."

    @app.get("/story/sync", response_class=StreamingResponse)
    def told() -> Iterable[str]:
        yield from ("one", "two", "")

    @app.get("/picture", response_class=Picture)
    def picture() -> Iterable[bytes]:
        with io.BytesIO(b"\x89PNG" * 1000) as file:
            yield from iter(lambda: file.read(1024), b"")

    @app.get("/given")
    async def given(fails: bool = False) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                if fails and number == 2:
                    raise ValueError("out of pieces")
                yield b"%d\n" % number

        return StreamingResponse(pieces(), media_type="text/plain", status_code=203, headers={"x-pieces": "3"})

    return app


@page(
    "advanced/custom-response/#fileresponse",
    ask("GET /style"),
    ask("HEAD /style"),
    ask("GET /style", headers={"range": "bytes=2-5"}),
    ask("GET /style", headers={"range": "bytes=99999-"}),
    ask("GET /style", headers={"if-none-match": "*"}),
    ask("GET /download"),
    ask("GET /gone"),
)
def file_response(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/style", response_class=FileResponse)
    async def style() -> str:
        return str(SITE / "style.css")

    @app.get("/download")
    def download() -> FileResponse:
        return FileResponse(SITE / "style.css", filename="Mühle.css", media_type="text/x-style", headers={"x-a": "b"})

    @app.get("/gone")
    def gone() -> FileResponse:
        return FileResponse("/no/such/file")

    return app


@page(
    "tutorial/static-files/",
    ask("GET /static/style.css"),
    ask("HEAD /static/style.css"),
    ask("GET /static/none.css"),
    ask("GET /static"),
    ask("POST /static/style.css"),
    ask("GET /static/../tutorial_recording.py"),
    ask("GET /pages/guide"),
    ask("GET /pages/guide/"),
    ask("GET /pages/nothing"),
    ask("GET /pages/"),
    ask("GET /", headers={"host": "mill.example"}),
)
def static_files(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.mount("/static", StaticFiles(directory=SITE), name="static")
    app.mount("/pages", StaticFiles(directory=SITE, html=True), name="pages")

    @app.get("/")
    def links(request: Request) -> list[str]:
        return [str(request.url_for("static", path="style.css")), app.url_path_for("pages", path="/guide/")]

    return app


NAVIGATES = {"accept": "text/html,*/*;q=0.8"}


@page(
    "tutorial/frontend/",
    ask("GET /", headers=NAVIGATES),
    ask("GET /assets/wheel.js"),
    ask("HEAD /assets/wheel.js"),
    ask("GET /counter/deep/inside", headers=NAVIGATES),
    ask("GET /counter/deep/inside"),
    ask("GET /api/sacks"),
    ask("GET /api/sacks/"),
    ask("GET /api/none", headers=NAVIGATES),
    ask("POST /api/none"),
    ask("POST /assets/wheel.js"),
    ask("GET /assets"),
    ask("GET /other/guide"),
    *DOCUMENTS,
)
def frontend(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.frontend("/", directory=SITE / "dist", fallback="index.html")
    app.frontend("/other", directory=SITE)

    @app.get("/api/sacks")
    def sacks() -> list[str]:
        return ["rye"]

    return app


@page(
    "tutorial/stream-json-lines/",
    ask("GET /turns"),
    ask("GET /turns/sync"),
    ask("GET /turns/loose"),
    ask("GET /turns/wrong"),
)
def json_lines(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/turns")
    async def turns() -> AsyncIterable[Turn]:
        for number in range(3):
            yield Turn(number=number)

    @app.get("/turns/sync", response_model_exclude_none=True)
    def in_threads() -> Iterable[Turn]:
        yield Turn(number=1, note="über")
        yield Turn(number=2)

    @app.get("/turns/loose", response_model=None)
    async def loose() -> Any:
        return [{"number": 1.5}]

    @app.get("/turns/wrong")
    async def wrong() -> AsyncIterable[Turn]:
        yield Turn(number=1)
        yield {"number": "many"}  # type: ignore[misc]  # the page shows what validation says

    return app


@page(
    "tutorial/server-sent-events/",
    ask("GET /events"),
    ask("GET /events/named"),
    ask("GET /events/named", headers={"last-event-id": "1"}),
    ask("POST /events", json={"number": 7}),
    ask("GET /events/sync"),
)
def server_sent_events(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterable[Turn]:
        yield Turn(number=1)
        yield Turn(number=2, note="two\nlines")

    @app.get("/events/named", response_class=EventSourceResponse)
    async def named(last_event_id: Annotated[int | None, Header()] = None) -> AsyncIterable[ServerSentEvent]:
        for number in range((last_event_id or 0) + 1, 4):
            yield ServerSentEvent(data={"number": number}, event="turn", id=str(number), retry=3000, comment="c")
        yield ServerSentEvent(raw_data="[DONE]")

    @app.post("/events", response_class=EventSourceResponse)
    async def posted(turn: Turn) -> AsyncIterable[Turn]:
        yield turn

    @app.get("/events/sync", response_class=EventSourceResponse)
    def in_threads() -> Iterable[Any]:
        yield {"grüße": [1]}
        yield "text"

    return app


class Callers:
    """Who is connected, and what was said of them."""

    def __init__(self) -> None:
        self.sockets: list[WebSocket] = []
        self.log: list[str] = []

    async def tell(self, message: str) -> None:
        self.log.append(message)
        for socket in self.sockets:
            await socket.send_text(message)


async def token_of(
    websocket: WebSocket, token: Annotated[str | None, Query()] = None, crumb: Annotated[str | None, Cookie()] = None
) -> str:
    if not (token or crumb):
        raise WebSocketException(code=status.WS_1008_POLICY_VIOLATION, reason="no token")
    return token or crumb or ""


@page(
    "advanced/websockets/",
    ask("GET /"),
    talk("/echo", "hello", "grüße"),
    talk("/echo"),
    talk("/json", '{"a": 1}', "{"),
    talk("/bytes", b"\x00\x01"),
    talk("/sacks/rye?token=t", "hello", answers=2),
    talk("/sacks/rye", "hello", headers={"cookie": "crumb=c"}, answers=2),
    talk("/sacks/rye", "hello"),
    talk("/sacks/rye?token=t&q=many", "hello"),
    talk("/callers/4", "hello", greetings=1),
    ask("GET /log"),
    talk("/closes", "now", greetings=1),
    talk("/refuses"),
    talk("/denies"),
    talk("/protocol", subprotocols=["mill.2", "mill.1"], greetings=1),
    talk("/breaks", "x"),
    talk("/late", "x"),
    talk("/nobody"),
    ask("GET /echo"),
)
def websockets(make: type[FastAPI]) -> FastAPI:
    app = make()
    callers = Callers()

    @app.get("/")
    async def greet() -> str:
        return "call by websocket"

    @app.get("/log")
    async def log() -> list[str]:
        return callers.log

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for said in websocket.iter_text():
            await websocket.send_text(f"You said: {said}")

    @app.websocket("/json")
    async def in_json(websocket: WebSocket) -> None:
        await websocket.accept(headers=[(b"x-mill", b"1")])
        while True:
            await websocket.send_json({"got": await websocket.receive_json()})

    @app.websocket("/bytes")
    async def in_bytes(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_bytes(await websocket.receive_bytes() * 2)

    @app.websocket("/sacks/{sack}")
    async def sack(
        websocket: WebSocket, sack: str, token: Annotated[str, Depends(token_of)], q: int | None = None
    ) -> None:
        await websocket.accept()
        while True:
            said = await websocket.receive_text()
            await websocket.send_text(f"{token} {q} {websocket.url.path} {websocket.path_params}")
            await websocket.send_text(f"{said} to {sack}")

    @app.websocket("/callers/{caller}")
    async def call(websocket: WebSocket, caller: int) -> None:
        await websocket.accept()
        callers.sockets.append(websocket)
        try:
            await callers.tell(f"{caller} came")
            while True:
                await callers.tell(f"{caller}: {await websocket.receive_text()}")
        except WebSocketDisconnect as end:
            callers.sockets.remove(websocket)
            await callers.tell(f"{caller} left with {end.code}")

    @app.websocket("/closes")
    async def closes(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(code=3001, reason="closing time")

    @app.websocket("/refuses")
    async def refuses(websocket: WebSocket) -> None:
        await websocket.close(code=4003)

    @app.websocket("/denies")
    async def denies(websocket: WebSocket) -> None:
        await websocket.send_denial_response(JSONResponse({"detail": "closed"}, status_code=403))

    @app.websocket("/protocol")
    async def protocol(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="mill.1")
        await websocket.send_json(websocket.scope["subprotocols"])
        await websocket.close()

    @app.websocket("/breaks")
    async def breaks(websocket: WebSocket) -> None:
        await websocket.accept()
        raise RuntimeError(f"broken by {await websocket.receive_text()}")

    @app.websocket("/late")
    async def late(websocket: WebSocket) -> None:
        await websocket.accept()
        raise HTTPException(status_code=400, detail="too late for a status")

    return app
