"""Pages about what happens around requests: starts and ends, tasks in the background, tests, debugging."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.types import Lifespan
from tutorial_conversation import ask, page, talk


class Sack(BaseModel):
    name: str
    flour: str


def noting(log: list[str], name: str, **state: Any) -> Lifespan[Any]:
    """A lifespan that writes down when it starts and ends, and says what requests find in their state."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        log.append(f"{name} starts with a FastAPI: {isinstance(app, FastAPI)}")
        yield state
        log.append(f"{name} ends")

    return lifespan


@page("advanced/events/#lifespan", ask("GET /log"), ask("GET /state"), ask("GET /router"))
def lifespan(make: type[FastAPI]) -> FastAPI:
    log: list[str] = []
    app = make(lifespan=noting(log, "the mill", wheel="turning", shared=log))
    router = APIRouter(lifespan=noting(log, "the shop", loaves=3))

    @app.get("/log")
    def written() -> list[str]:
        return log

    @app.get("/state")
    def state(request: Request) -> list[Any]:
        request.state.own = "of one request"
        return [request.state.wheel, request.state.shared is log]

    @router.get("/router")
    def of_router(request: Request) -> list[Any]:
        return [request.state.loaves, hasattr(request.state, "own")]

    app.include_router(router)
    return app


@page("advanced/events/#lifespan", ask("GET /log"), talk("/call"))
def lifespan_that_fails(make: type[FastAPI]) -> FastAPI:
    log: list[str] = []

    @asynccontextmanager
    async def no_water(app: FastAPI) -> AsyncIterator[None]:
        log.append("no water")
        raise RuntimeError("there is no water")
        yield

    app = make(lifespan=no_water)

    @app.get("/log")
    def written() -> list[str]:
        return log

    return app


@page("advanced/events/#lifespan", ask("GET /log"))
def lifespan_that_fails_to_end(make: type[FastAPI]) -> FastAPI:
    log: list[str] = []

    @asynccontextmanager
    async def stuck(app: FastAPI) -> AsyncIterator[None]:
        log.append("starts")
        yield
        log.append("is stuck")
        raise RuntimeError("the wheel doesn't stop")

    app = make(lifespan=stuck)

    @app.get("/log")
    def written() -> list[str]:
        return log

    return app


@page(
    "advanced/events/#alternative-events-deprecated",
    ask("GET /log"),
    ask("GET /router"),
    deprecated="FastAPI recommends a lifespan, and still documents on_event",
)
def events(make: type[FastAPI]) -> FastAPI:
    log: list[str] = []

    async def first() -> None:
        log.append("of the constructor")

    app = make(on_startup=[first], on_shutdown=[lambda: log.append("the constructor's end")])
    router = APIRouter()

    @app.on_event("startup")
    async def starts() -> None:
        log.append("starts")

    @app.on_event("startup")
    def starts_too() -> None:
        log.append("starts, not async")

    @app.on_event("shutdown")
    async def ends() -> None:
        log.append("ends")

    @router.on_event("startup")
    async def router_starts() -> None:
        log.append("the router starts")

    @router.on_event("shutdown")
    async def router_ends() -> None:
        log.append("the router ends")

    @app.get("/log")
    def written() -> list[str]:
        return log

    @router.get("/router")
    def of_router() -> int:
        return len(log)

    app.include_router(router)
    return app


@page("advanced/sub-applications/", ask("GET /log"), ask("GET /inner/log"))
def lifespan_of_a_mounted_application(make: type[FastAPI]) -> FastAPI:
    log: list[str] = []
    app = make(lifespan=noting(log, "outer"))
    inner = make(lifespan=noting(log, "inner, which nobody starts"))

    @app.get("/log")
    @inner.get("/log")
    def written() -> list[str]:
        return log

    app.mount("/inner", inner)
    return app


@page(
    "tutorial/background-tasks/",
    ask("POST /letters/ada?q=rye"),
    ask("POST /letters/eve"),
    ask("GET /letters"),
    ask("GET /direct"),
    ask("POST /broken"),
    ask("GET /letters"),
)
def background_tasks(make: type[FastAPI]) -> FastAPI:
    app = make()
    sent: list[str] = []

    def send(letter: str, copies: int = 1) -> None:
        sent.extend([letter] * copies)

    async def send_async(letter: str) -> None:
        sent.append(f"async: {letter}")

    def asked(tasks: BackgroundTasks, q: str | None = None) -> str | None:
        if q:
            tasks.add_task(send, f"asked for {q}")
        return q

    @app.post("/letters/{to}", status_code=202)
    async def letter(to: str, tasks: BackgroundTasks, q: Annotated[str | None, Depends(asked)]) -> list[str]:
        tasks.add_task(send, f"to {to}", copies=2)
        tasks.add_task(send_async, to)
        return list(sent)

    @app.get("/letters")
    def letters() -> list[str]:
        return sent

    @app.get("/direct")
    def direct() -> PlainTextResponse:
        return PlainTextResponse("soon", background=BackgroundTask(send, "direct"))

    @app.post("/broken")
    def broken(tasks: BackgroundTasks) -> str:
        def fails() -> None:
            raise RuntimeError("the letter is lost")

        tasks.add_task(fails)
        return "sent, as it seems"

    return app


@page(
    "tutorial/testing/",
    ask("GET /sacks/a", headers={"x-token": "the-weir"}),
    ask("GET /sacks/a", headers={"x-token": "wrong"}),
    ask("GET /sacks/none", headers={"x-token": "the-weir"}),
    ask("POST /sacks", headers={"x-token": "the-weir"}, json={"name": "b", "flour": "oats"}),
    ask("POST /sacks", headers={"x-token": "the-weir"}, json={"name": "a", "flour": "oats"}),
    ask("POST /sacks", json={"name": "c"}),
)
def testing(make: type[FastAPI]) -> FastAPI:
    app = make()
    stock = {"a": Sack(name="a", flour="rye")}

    def token(x_token: Annotated[str, Header()]) -> None:
        if x_token != "the-weir":
            raise HTTPException(status_code=400, detail="Not our token")

    @app.get("/sacks/{name}", response_model=Sack, dependencies=[Depends(token)])
    async def sack(name: str) -> Any:
        if name not in stock:
            raise HTTPException(status_code=404, detail="No such sack")
        return stock[name]

    @app.post("/sacks", dependencies=[Depends(token)])
    async def fill(sack: Sack) -> Sack:
        if sack.name in stock:
            raise HTTPException(status_code=409, detail="There is one already")
        stock[sack.name] = sack
        return sack

    return app


@page(
    "tutorial/debugging/",
    ask("GET /"),
    ask("GET /breaks"),
    ask("GET /no"),
    ask("GET /handled"),
)
def debug(make: type[FastAPI]) -> FastAPI:
    app = make(debug=True)

    @app.exception_handler(KeyError)
    async def handled(request: Request, error: KeyError) -> PlainTextResponse:
        return PlainTextResponse("handled", 500)

    @app.get("/")
    def root() -> str:
        return "ba" * 2

    @app.get("/breaks")
    def breaks() -> None:
        raise ZeroDivisionError("to be debugged")

    @app.get("/handled")
    def raises() -> None:
        raise KeyError

    return app
