"""Pages about errors: raised on purpose, found by validation, and those that nobody expected."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from tutorial_conversation import ask, page


class Sack(BaseModel):
    flour: str
    weight: int


class Jammed(Exception):
    def __init__(self, wheel: str) -> None:
        super().__init__(wheel)
        self.wheel = wheel


class Stuck(Jammed):
    pass


class StrictBearer(HTTPBearer):
    def make_not_authenticated_error(self) -> HTTPException:
        return HTTPException(status_code=403, detail="Not authenticated")


@page(
    "tutorial/handling-errors/",
    ask("GET /sacks/rye"),
    ask("GET /sacks/oats"),
    ask("GET /marked/oats"),
    ask("GET /details"),
    ask("GET /starlette"),
    ask("GET /empty"),
)
def raised_errors(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks/{sack}")
    async def sack(sack: str) -> str:
        if sack != "rye":
            raise HTTPException(status_code=404, detail="No such sack")
        return sack

    @app.get("/marked/{sack}")
    async def marked(sack: str) -> None:
        raise HTTPException(status_code=404, detail="No such sack", headers={"X-Error": f"there is no {sack}"})

    @app.get("/details")
    def details() -> None:
        raise HTTPException(status_code=409, detail={"why": ["two", "of", "them"], "number": 1.5})

    @app.get("/starlette")
    def starlette() -> None:
        raise StarletteHTTPException(status_code=418)

    @app.get("/empty")
    def empty() -> None:
        raise HTTPException(status_code=304)

    return app


@page(
    "tutorial/handling-errors/#install-custom-exception-handlers",
    ask("GET /wheels/upper"),
    ask("GET /wheels/lower"),
    ask("GET /wheels/both"),
    ask("GET /dependency"),
    ask("GET /teapot"),
    ask("GET /no"),
)
def custom_handlers(make: type[FastAPI]) -> FastAPI:
    async def not_found(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"nothing at {request.url.path}", 404, headers={"x-handler": "404"})

    app = make(exception_handlers={404: not_found})

    @app.exception_handler(Jammed)
    async def jammed(request: Request, error: Jammed) -> JSONResponse:
        return JSONResponse({"wheel": error.wheel, "query": str(request.query_params)}, status_code=418)

    def of_a_thread(request: Request, error: Exception) -> Response:
        return PlainTextResponse("a teapot", 418)

    app.add_exception_handler(418, of_a_thread)

    @app.get("/wheels/{wheel}")
    async def turn(wheel: str) -> dict[str, str]:
        if wheel == "lower":
            raise Jammed(wheel)
        if wheel == "both":
            raise Stuck(wheel)
        return {"wheel": wheel}

    def broken() -> None:
        raise Jammed("of the dependency")

    @app.get("/dependency", dependencies=[Depends(broken)])
    def dependency() -> None:
        return None

    @app.get("/teapot")
    def teapot() -> None:
        raise HTTPException(418)

    return app


@page(
    "tutorial/handling-errors/#override-the-default-exception-handlers",
    ask("GET /sacks/x"),
    ask("GET /sacks/3"),
    ask("GET /sacks/4"),
    ask("POST /sacks", json={"flour": "rye", "weight": "heavy"}),
    ask("POST /sacks", content="{]", headers={"content-type": "application/json"}),
    ask("DELETE /sacks"),
    ask("GET /answers"),
)
def handlers_overridden(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.exception_handler(StarletteHTTPException)
    async def http(request: Request, error: StarletteHTTPException) -> Response:
        return PlainTextResponse(f"{request.method}: {error.detail}", status_code=error.status_code)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return JSONResponse({"errors": found, "body": error.body}, status_code=400)

    @app.exception_handler(ResponseValidationError)
    async def unsendable(request: Request, error: ResponseValidationError) -> Response:
        return JSONResponse({"unsendable": error.body}, status_code=500)

    @app.get("/sacks/{number}")
    async def sack(number: int) -> int:
        if number == 3:
            raise HTTPException(418, "Three is no number of a sack")
        return number

    @app.post("/sacks")
    async def filled(sack: Sack) -> Sack:
        return sack

    @app.get("/answers", response_model=Sack)
    async def answer() -> Any:
        return {"flour": 1}

    return app


@page(
    "tutorial/handling-errors/#reuse-fastapis-exception-handlers",
    ask("GET /sacks/x"),
    ask("GET /sacks/3"),
    ask("GET /log"),
)
def handlers_reused(make: type[FastAPI]) -> FastAPI:
    app = make()
    log: list[str] = []

    @app.exception_handler(StarletteHTTPException)
    async def http(request: Request, error: StarletteHTTPException) -> Response:
        log.append(repr(error))
        return await http_exception_handler(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        log.append(str(error))
        return await request_validation_exception_handler(request, error)

    @app.get("/sacks/{number}")
    def sack(number: int) -> int:
        raise HTTPException(status_code=410, detail=f"Sack {number} is sold")

    @app.get("/log")
    def written() -> list[str]:
        return log

    return app


@page(
    "reference/exceptions/",
    ask("GET /breaks"),
    ask("GET /breaks/late"),
    ask("GET /group"),
    ask("GET /exit"),
    ask("GET /validation"),
    ask("GET /invalid"),
)
def server_errors(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/breaks")
    async def breaks() -> None:
        raise ZeroDivisionError("by design")

    @app.get("/breaks/late")
    def in_a_thread() -> None:
        raise KeyError("of a thread")

    @app.get("/group")
    async def group() -> None:
        raise ExceptionGroup("some", [ValueError("one"), TypeError("two")])

    @app.get("/exit")
    async def leave() -> None:
        raise NotImplementedError from LookupError("why")

    @app.get("/validation")
    def validation() -> Sack:
        try:
            return Sack.model_validate({})
        except ValidationError as error:
            raise RuntimeError(error.error_count()) from None

    @app.get("/invalid", response_model=list[int])
    def invalid() -> Any:
        return {"not": "a list"}

    return app


@page("reference/exceptions/", ask("GET /breaks"), ask("GET /fine"), ask("GET /breaks?in=dependency"))
def server_error_handled(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.exception_handler(Exception)
    async def anything(request: Request, error: Exception) -> Response:
        return JSONResponse({"broken": str(error), "at": str(request.url)}, 500, headers={"retry-after": "3"})

    def maybe(request: Request) -> None:
        if request.query_params.get("in") == "dependency":
            raise LookupError("in a dependency")

    @app.get("/breaks", dependencies=[Depends(maybe)])
    async def breaks() -> None:
        raise ZeroDivisionError("by design")

    @app.get("/fine")
    async def fine() -> str:
        return "fine"

    return app


@page("reference/exceptions/", ask("GET /breaks"), ask("GET /raises-500"))
def status_500_handled(make: type[FastAPI]) -> FastAPI:
    async def broken(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"{type(error).__name__} at {request.url.path}", 500)

    app = make(exception_handlers={500: broken})

    @app.get("/breaks")
    def breaks() -> None:
        raise ZeroDivisionError

    @app.get("/raises-500")
    def raises() -> None:
        raise HTTPException(500, "on purpose")

    return app


@page(
    "how-to/authentication-error-status-code/",
    ask("GET /me"),
    ask("GET /me", headers={"authorization": "Basic x"}),
    ask("GET /me", headers={"authorization": "Bearer x"}),
    ask("GET /usual"),
)
def authentication_status(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/me")
    def me(found: Annotated[Any, Depends(StrictBearer())]) -> str:
        return str(found.credentials)

    @app.get("/usual", dependencies=[Depends(HTTPBearer(scheme_name="Usual"))])
    def usual() -> None:
        return None

    return app
