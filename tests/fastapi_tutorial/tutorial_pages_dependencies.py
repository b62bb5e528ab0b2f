"""Pages about dependencies: shared, nested, with an end, overridden; and what is usually one: settings, a database."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from itertools import count
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from tutorial_conversation import DOCUMENTS, ask, page


async def shared(q: str | None = None, skip: int = 0, limit: int = 100) -> dict[str, Any]:
    return {"q": q, "skip": skip, "limit": limit}


Shared = Annotated[dict[str, Any], Depends(shared)]


class Window:
    def __init__(self, q: str | None = None, skip: int = 0, limit: Annotated[int, Query(le=10)] = 10) -> None:
        self.q, self.skip, self.limit = q, skip, limit


class Contains:
    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(self, q: str = "") -> bool:
        return self.word in q


class Settings(BaseModel):
    mill: str = "at the weir"
    most_sacks: int = 50


@lru_cache
def settings() -> Settings:
    return Settings()


async def known_token(x_token: Annotated[str, Header()]) -> None:
    if x_token != "the-weir":
        raise HTTPException(status_code=400, detail="Not our token")


async def known_key(x_key: Annotated[str, Header()]) -> str:
    if x_key != "of-the-mill":
        raise HTTPException(status_code=400, detail="Not our key")
    return x_key


@page(
    "tutorial/dependencies/",
    ask("GET /sacks?skip=2&q=rye"),
    ask("GET /millers?limit=none"),
    ask("GET /millers"),
)
def dependencies_shared(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks")
    async def sacks(asked: Shared) -> Any:
        return asked

    @app.get("/millers")
    def millers(asked: dict[str, Any] = Depends(shared)) -> dict[str, Any]:  # noqa: B008  # the older way to write it
        return asked

    return app


@page("tutorial/dependencies/classes-as-dependencies/", ask("GET /sacks?q=x&limit=2"), ask("GET /sacks?limit=11"))
def dependencies_as_classes(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks")
    async def sacks(window: Annotated[Window, Depends()]) -> dict[str, Any]:
        return {"q": window.q, "sacks": list(range(window.skip, window.skip + window.limit))}

    return app


@page(
    "tutorial/dependencies/sub-dependencies/",
    ask("GET /last?q=rye"),
    ask("GET /last", headers={"cookie": "last=oats"}),
    ask("GET /numbers"),
    ask("GET /numbers"),
)
def sub_dependencies(make: type[FastAPI]) -> FastAPI:
    app = make()
    numbers = count(1)

    def asked(q: str | None = None) -> str | None:
        return q

    def asked_or_last(request: Request, q: Annotated[str | None, Depends(asked)]) -> str:
        return q or request.cookies.get("last", "nothing")

    def number() -> int:
        return next(numbers)

    def doubled(number: Annotated[int, Depends(number)]) -> int:
        return number * 2

    @app.get("/last")
    async def last(found: Annotated[str, Depends(asked_or_last)]) -> dict[str, str]:
        return {"found": found}

    @app.get("/numbers")
    def drawn(
        once: Annotated[int, Depends(number)],
        again: Annotated[int, Depends(number)],
        twice: Annotated[int, Depends(doubled)],
        anew: Annotated[int, Depends(number, use_cache=False)],
    ) -> list[int]:
        return [once, again, twice, anew]

    return app


KEYS = {"x-token": "the-weir", "x-key": "of-the-mill"}


@page(
    "tutorial/dependencies/dependencies-in-path-operation-decorators/",
    ask("GET /sacks", headers=KEYS),
    ask("GET /sacks", headers={**KEYS, "x-key": "none"}),
    ask("GET /sacks"),
    ask("GET /nowhere"),
)
def dependencies_in_decorators(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks", dependencies=[Depends(known_token), Depends(known_key)])
    async def sacks() -> list[str]:
        return ["rye"]

    return app


@page(
    "tutorial/dependencies/global-dependencies/",
    ask("GET /sacks", headers=KEYS),
    ask("GET /sacks", headers={"x-token": "no", "x-key": "of-the-mill"}),
    ask("GET /sacks"),
    ask("GET /millers/ada", headers=KEYS),
    ask("GET /millers/ada"),
    ask("GET /nowhere"),
    ask("POST /sacks"),
    *DOCUMENTS,
)
def dependencies_for_all(make: type[FastAPI]) -> FastAPI:
    app = make(dependencies=[Depends(known_token), Depends(known_key)])
    router = APIRouter(prefix="/millers")

    @app.get("/sacks")
    async def sacks() -> list[str]:
        return ["rye"]

    @router.get("/{miller}")
    def miller(miller: str) -> str:
        return miller

    app.include_router(router)
    return app


@page(
    "tutorial/dependencies/dependencies-with-yield/",
    ask("GET /sacks/rye"),
    ask("GET /sacks/lost"),
    ask("GET /sacks/broken"),
    ask("GET /sacks/swallowed"),
    ask("GET /stream"),
    ask("GET /early"),
    ask("GET /log"),
)
def dependencies_with_an_end(make: type[FastAPI]) -> FastAPI:
    app = make()
    log: list[str] = []

    async def store() -> AsyncIterator[str]:
        log.append("opened")
        try:
            yield "store"
        finally:
            log.append("closed")

    def shelf(store: Annotated[str, Depends(store)]) -> Iterator[str]:
        try:
            yield f"{store}, shelf"
        except LookupError as error:
            log.append(f"lost: {error}")
            raise HTTPException(status_code=404, detail=f"Lost: {error}") from error
        except RuntimeError:
            log.append("swallowed")
        finally:
            log.append("shelf left")

    @app.get("/sacks/{sack}")
    def sack(sack: str, shelf: Annotated[str, Depends(shelf)]) -> str:
        if sack == "lost":
            raise LookupError(sack)
        if sack == "broken":
            raise ValueError(sack)
        if sack == "swallowed":
            raise RuntimeError(sack)
        return f"{sack} on {shelf}"

    @app.get("/stream")
    def stream(store: Annotated[str, Depends(store)]) -> StreamingResponse:
        def pieces() -> Iterator[str]:
            log.append("streamed")
            yield store

        return StreamingResponse(pieces())

    @app.get("/early")
    async def early(store: Annotated[str, Depends(store, scope="function")]) -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            yield ", ".join(log[-2:])

        return StreamingResponse(pieces())

    @app.get("/log")
    def written() -> list[str]:
        return log

    return app


@page("advanced/advanced-dependencies/", ask("GET /rye?q=rye+bread"), ask("GET /rye?q=oats"), ask("GET /oats?q=oats"))
def dependencies_with_parameters(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/rye")
    async def rye(there: Annotated[bool, Depends(Contains("rye"))]) -> dict[str, bool]:
        return {"there": there}

    @app.get("/oats")
    async def oats(there: Annotated[bool, Depends(Contains("oats"))]) -> dict[str, bool]:
        return {"there": there}

    return app


@page("advanced/testing-dependencies/", ask("GET /sacks?q=a"), ask("GET /sacks?skip=1"), ask("GET /token"))
def dependencies_overridden(make: type[FastAPI]) -> FastAPI:
    app = make()
    router = APIRouter(dependencies=[Depends(known_token)])

    @app.get("/sacks")
    async def sacks(asked: Shared) -> dict[str, Any]:
        return asked

    @router.get("/token")
    async def token() -> str:
        return "not asked for"

    app.include_router(router)

    async def instead(q: str | None = None) -> dict[str, Any]:
        return {"q": q, "skip": 5}

    app.dependency_overrides[shared] = instead
    app.dependency_overrides[known_token] = lambda: None
    return app


@page("advanced/settings/", ask("GET /info"), ask("GET /state"))
def settings_as_a_dependency(make: type[FastAPI]) -> FastAPI:
    app = make()
    app.state.mill = "in the state"

    @app.get("/info")
    async def info(settings: Annotated[Settings, Depends(settings)]) -> Settings:
        return settings

    @app.get("/state")
    async def state(request: Request) -> str:
        return str(request.app.state.mill)

    return app


@page("advanced/settings/#settings-and-testing", ask("GET /info"))
def settings_overridden(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/info")
    async def info(settings: Annotated[Settings, Depends(settings)]) -> Settings:
        return settings

    app.dependency_overrides[settings] = lambda: Settings(mill="of the test")
    return app


@page(
    "tutorial/sql-databases/",
    ask("GET /sacks"),
    ask("POST /sacks", json="rye"),
    ask("POST /sacks", json="oats"),
    ask("GET /sacks/1"),
    ask("GET /sacks/9"),
    ask("DELETE /sacks/1"),
    ask("GET /sacks?limit=5"),
)
def database(make: type[FastAPI]) -> FastAPI:
    app = make()
    engine = sqlite3.connect(":memory:", check_same_thread=False)
    engine.execute("create table sack (number integer primary key, flour text not null)")

    def session() -> Iterator[sqlite3.Connection]:
        with engine:
            yield engine

    Session = Annotated[sqlite3.Connection, Depends(session)]  # noqa: N806  # a type

    @app.get("/sacks")
    def sacks(session: Session, limit: Annotated[int, Query(le=100)] = 100) -> list[tuple[int, str]]:
        return session.execute("select number, flour from sack limit ?", [limit]).fetchall()

    @app.post("/sacks", status_code=201)
    def fill(session: Session, flour: Annotated[str, Body()], response: Response) -> int | None:
        number = session.execute("insert into sack (flour) values (?)", [flour]).lastrowid
        response.headers["location"] = f"/sacks/{number}"
        return number

    @app.get("/sacks/{number}")
    def sack(session: Session, number: int) -> str:
        row = session.execute("select flour from sack where number = ?", [number]).fetchone()
        if row is None:
            raise HTTPException(status_code=404, detail="No such sack")
        return str(row[0])

    @app.delete("/sacks/{number}", status_code=204)
    def sell(session: Session, number: int) -> None:
        session.execute("delete from sack where number = ?", [number])

    return app
