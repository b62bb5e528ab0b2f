"""Pages about forms, files, and how large either may be."""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from tutorial_conversation import ask, page


class Ticket(BaseModel):
    model_config = {"extra": "forbid"}
    miller: str
    sacks: int = 1
    marks: list[str] = []


FLOUR = ("flour.txt", b"rye\nspelt\n", "text/plain")


@page(
    "tutorial/request-forms/",
    ask("POST /tickets", data={"miller": "ada", "word": "weir & co"}),
    ask("POST /tickets", data={"miller": "ada"}),
    ask("POST /tickets", json={"miller": "ada", "word": "weir"}),
    ask("POST /tickets", files={"miller": (None, "ada"), "word": (None, "ü")}),
    ask("POST /tickets"),
    ask("POST /raw", data={"a": ["1", "2"], "b": ""}),
)
def forms(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/tickets")
    async def ticket(miller: Annotated[str, Form()], word: Annotated[str, Form(min_length=3)]) -> dict[str, str]:
        return {"miller": miller, "word": word}

    @app.post("/raw")
    async def raw(request: Request) -> list[list[str]]:
        async with request.form() as form:
            return [[name, str(value)] for name, value in form.multi_items()]

    return app


@page(
    "tutorial/request-form-models/",
    ask("POST /tickets", data={"miller": "ada", "sacks": "3", "marks": ["a", "b"]}),
    ask("POST /tickets", data={"miller": "ada", "sacks": "x", "extra": "1"}),
    ask("POST /tickets", data={}),
)
def form_models(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/tickets")
    async def ticket(ticket: Annotated[Ticket, Form()]) -> Ticket:
        return ticket

    return app


@page(
    "tutorial/request-files/",
    ask("GET /"),
    ask("POST /bytes", files={"flour": FLOUR}),
    ask("POST /bytes"),
    ask("POST /upload", files={"flour": FLOUR}),
    ask("POST /upload", files={"flour": ("", b"")}),
    ask("POST /upload", data={"flour": "not a file"}),
    ask("POST /optional"),
    ask("POST /many", files=[("sacks", FLOUR), ("sacks", ("ü.bin", b"\x00" * 70000, "application/x-mill"))]),
    ask("POST /many", content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"}),
    ask("POST /many", content=b"oops", headers={"content-type": "multipart/form-data"}),
)
def files(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/bytes")
    async def in_memory(flour: Annotated[bytes, File(description="Read as bytes")]) -> dict[str, int]:
        return {"length": len(flour)}

    @app.post("/upload")
    async def upload(flour: UploadFile) -> dict[str, Any]:
        begins = await flour.read(4)
        await flour.seek(0)
        return {
            "name": flour.filename,
            "type": flour.content_type,
            "size": flour.size,
            "begins": begins,
            "headers": flour.headers.items(),
        }

    @app.post("/optional")
    def optional(flour: Annotated[UploadFile | None, File()] = None) -> str:
        return flour.filename or "unnamed" if flour else "none"

    @app.post("/many")
    def many(sacks: list[UploadFile]) -> list[tuple[str | None, int | None, bool]]:
        return [(one.filename, one.size, one.file.closed) for one in sacks]

    @app.get("/")
    async def form() -> HTMLResponse:
        return HTMLResponse('<form action="/upload" enctype="multipart/form-data" method="post"></form>')

    return app


@page(
    "tutorial/request-forms-and-files/",
    ask("POST /deliveries", data={"token": "t"}, files={"a": FLOUR, "b": FLOUR}),
    ask("POST /deliveries", data={"token": "t"}, files={"a": FLOUR}),
    ask("POST /deliveries", data={"token": "t", "a": "text", "b": "text"}),
)
def forms_and_files(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/deliveries")
    async def deliver(
        a: Annotated[bytes, File()], b: Annotated[UploadFile, File()], token: Annotated[str, Form()]
    ) -> dict[str, Any]:
        return {"length": len(a), "token": token, "type": b.content_type}

    return app


@page(
    "advanced/request-body-limits/",
    ask("POST /orders", json={"flour": "rye"}),
    ask("POST /orders", json={"flour": "rye" * 100}),
    ask("POST /uploads", files={"flour": FLOUR}),
    ask("POST /uploads", files={"flour": ("big", b"x" * 5000)}),
    ask("POST /uploads/small", files={"flour": FLOUR}),
    ask("POST /streamed", content=b"x" * 50),
    ask("POST /streamed", content=b"x" * 101),
    ask("GET /unread"),
    ask("POST /nowhere", content=b"x" * 101),
)
def body_limits(make: type[FastAPI]) -> FastAPI:
    app = make(max_body_size=100)
    uploads = APIRouter(prefix="/uploads", max_body_size=1000)

    @app.post("/orders")
    def order(order: dict[str, str]) -> dict[str, str]:
        return order

    @uploads.post("")
    def upload(flour: UploadFile) -> int | None:
        return flour.size

    @uploads.post("/small", max_body_size=10)
    def small(flour: UploadFile) -> int | None:
        return flour.size

    @app.post("/streamed")
    async def streamed(request: Request) -> list[int]:
        return [len(chunk) async for chunk in request.stream() if chunk]

    @app.get("/unread")
    def unread() -> str:
        return "no body is read here"

    app.include_router(uploads)
    return app


@page(
    "advanced/request-body-limits/",
    ask("POST /fields", data={"a": "1", "b": "2"}),
    ask("POST /fields", files={"a": (None, "1"), "b": (None, "2"), "c": (None, "3")}),
    ask("POST /files", files=[("sacks", FLOUR), ("sacks", FLOUR)]),
    ask("POST /parts", files={"a": (None, "x" * 40)}),
)
def form_limits(make: type[FastAPI]) -> FastAPI:
    app = make(form_limits={"max_fields": 2, "max_files": 1})

    @app.post("/fields")
    def fields(a: Annotated[str, Form()], b: Annotated[str, Form()]) -> list[str]:
        return [a, b]

    @app.post("/files")
    def of_files(sacks: list[UploadFile]) -> int:
        return len(sacks)

    @app.post("/parts", form_limits={"max_part_size": 30})
    def parts(a: Annotated[str, Form()]) -> str:
        return a

    return app
