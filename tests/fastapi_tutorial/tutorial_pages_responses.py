"""Pages about what is returned: models, classes, statuses, cookies and headers."""

from typing import Annotated, Any

from fastapi import Body, Cookie, FastAPI, Query, Request, Response, status
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from tutorial_conversation import ask, page


class BakerOut(BaseModel):
    name: str
    town: str | None = None


class BakerIn(BakerOut):
    password: str


class Loaf(BaseModel):
    name: str
    note: str | None = None
    price: float = 4.5
    grains: list[str] = []


class Wheel(BaseModel):
    kind: str = "wheel"
    spokes: int


class Sail(BaseModel):
    kind: str = "sail"
    cloth: str


class Missing(BaseModel):
    message: str


class Pretty(JSONResponse):
    media_type = "application/vnd.mill+json"

    def render(self, content: Any) -> bytes:
        return super().render({"mill": content})


LOAVES: dict[str, dict[str, Any]] = {
    "rye": {"name": "rye", "price": 5},
    "all": {"name": "all", "note": "of everything", "price": 6.5, "grains": ["rye", "oats"]},
    "empty": {"name": "empty", "note": None, "price": 4.5, "grains": []},
}


@page(
    "tutorial/response-model/",
    ask("POST /bakers", json={"name": "ada", "password": "weir"}),
    ask("POST /inherited", json={"name": "ada", "password": "weir", "town": "x"}),
    *(ask(f"GET /loaves/{loaf}") for loaf in LOAVES),
    ask("GET /loaves/all/name"),
    ask("GET /loaves/all/public"),
    ask("GET /loaves/empty/short"),
    ask("GET /away?far=yes"),
    ask("GET /away"),
    ask("GET /broken"),
    ask("GET /null"),
)
def response_model(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/bakers", response_model=BakerOut)
    async def baker(baker: BakerIn) -> Any:
        return baker

    @app.post("/inherited")
    async def inherited(baker: BakerIn) -> BakerOut:
        return baker

    @app.get("/loaves/{loaf}", response_model=Loaf, response_model_exclude_unset=True)
    async def loaf(loaf: str) -> Any:
        return LOAVES[loaf]

    @app.get("/loaves/{loaf}/name", response_model=Loaf, response_model_include={"name", "note"})
    def name(loaf: str) -> Any:
        return LOAVES[loaf]

    @app.get("/loaves/{loaf}/public", response_model=Loaf, response_model_exclude={"price"})
    def public(loaf: str) -> Any:
        return LOAVES[loaf]

    @app.get(
        "/loaves/{loaf}/short",
        response_model=Loaf,
        response_model_exclude_defaults=True,
        response_model_exclude_none=True,
    )
    def short(loaf: str) -> Any:
        return LOAVES[loaf]

    @app.get("/away")
    async def away(far: bool = False) -> Response:
        if far:
            return RedirectResponse("https://mill.example/weir?a=b c")
        return JSONResponse({"message": "stay"})

    @app.get("/broken", response_model=list[Loaf])
    async def broken() -> Any:
        return [{"price": "dear"}]

    @app.get("/null", response_model=None)
    def null() -> Response | dict[str, str] | None:
        return None

    return app


@page("tutorial/extra-models/", ask("GET /parts/a"), ask("GET /parts/b"), ask("GET /parts"), ask("GET /counts"))
def extra_models(make: type[FastAPI]) -> FastAPI:
    app = make()
    parts: dict[str, dict[str, Any]] = {"a": {"kind": "wheel", "spokes": 8}, "b": {"kind": "sail", "cloth": "linen"}}

    @app.get("/parts/{part}", response_model=Wheel | Sail)
    async def part(part: str) -> Any:
        return parts[part]

    @app.get("/parts", response_model=list[Wheel | Sail])
    async def all_parts() -> Any:
        return parts.values()

    @app.get("/counts")
    def counts() -> dict[str, float]:
        return {"wheels": 1, "sails": 4.0}

    return app


@page(
    "tutorial/response-status-code/",
    ask("POST /loaves?name=rye"),
    ask("DELETE /loaves"),
    ask("PUT /loaves"),
    ask("GET /teapot"),
)
def status_code(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/loaves", status_code=201)
    async def loaf(name: str) -> dict[str, str]:
        return {"name": name}

    @app.delete("/loaves", status_code=status.HTTP_204_NO_CONTENT)
    async def eaten() -> None:
        return None

    @app.put("/loaves", status_code=304)
    def same() -> None:
        return None

    @app.get("/teapot", status_code=status.HTTP_418_IM_A_TEAPOT)
    def teapot() -> str:
        return "short and stout"

    return app


@page("tutorial/path-operation-configuration/", ask("POST /loaves", json={"name": "rye"}), ask("GET /old"))
def operation_configuration(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post(
        "/loaves",
        tags=["bread"],
        summary="Bake one",
        response_description="The loaf as it comes out",
        status_code=201,
    )
    async def bake(loaf: Loaf) -> Loaf:
        """Bake a loaf:

        - **name**: what it is called
        """
        return loaf

    @app.get("/old", deprecated=True, tags=["bread", "past"], description="Not baked any more", name="bygone")
    def old() -> list[Loaf]:
        return []

    return app


@page(
    "advanced/path-operation-advanced-configuration/",
    ask("GET /loaves"),
    ask("GET /hidden"),
    ask("POST /raw", content="name: rye", headers={"content-type": "application/x-recipe"}),
    ask("GET /no-such-thing"),
)
def advanced_configuration(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/loaves", operation_id="every_loaf", openapi_extra={"x-oven": {"stone": True}})
    async def loaves() -> list[str]:
        """Every loaf.

        \f
        :nobody: reads this in the documentation
        """
        return ["rye"]

    @app.get("/hidden", include_in_schema=False)
    async def hidden() -> str:
        return "found"

    @app.post(
        "/raw",
        openapi_extra={"requestBody": {"content": {"application/x-recipe": {"schema": {"type": "string"}}}}},
    )
    async def raw(request: Request) -> list[str]:
        return (await request.body()).decode().split(": ")

    for route in app.routes:
        if isinstance(route, APIRoute) and route.name == "raw":
            route.operation_id = route.name
    return app


@page("advanced/additional-status-codes/", ask("PUT /loaves/rye", json=3), ask("PUT /loaves/new", json=4))
def additional_status_codes(make: type[FastAPI]) -> FastAPI:
    app = make()
    stock = {"rye": 1}

    @app.put("/loaves/{loaf}", response_model=int)
    async def put(loaf: str, number: Annotated[int, Body()]) -> Any:
        if loaf in stock:
            return number
        stock[loaf] = number
        return JSONResponse(status_code=status.HTTP_201_CREATED, content=number)

    return app


@page("advanced/response-directly/", ask("GET /xml"), ask("GET /json"), ask("HEAD /xml"))
def response_directly(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/xml")
    def xml() -> Response:
        return Response(content='<?xml version="1.0"?><mill/>', media_type="application/xml", headers={"x-a": "1"})

    @app.get("/json", response_model=Loaf)
    def json() -> Any:
        return JSONResponse({"not": "a loaf"}, status_code=202)

    return app


@page(
    "advanced/custom-response/",
    ask("GET /html"),
    ask("GET /text"),
    ask("GET /pretty"),
    ask("GET /fly"),
    ask("GET /flight"),
    ask("GET /nowhere"),
)
def response_classes(make: type[FastAPI]) -> FastAPI:
    app = make(default_response_class=PlainTextResponse)

    @app.get("/html", response_class=HTMLResponse)
    async def html() -> str:
        return "<p>Grüße vom Mühlrad</p>"

    @app.get("/text")
    async def text() -> str:
        return "plain by default"

    @app.get("/pretty", response_class=Pretty)
    async def pretty() -> dict[str, int]:
        return {"wheel": 1}

    @app.get("/fly", response_class=RedirectResponse, status_code=302)
    async def fly() -> str:
        return "/flight"

    @app.get("/flight", response_model=None)
    def flight() -> RedirectResponse:
        return RedirectResponse("/text", status_code=308)

    return app


@page(
    "advanced/additional-responses/",
    ask("GET /loaves/rye"),
    ask("GET /loaves/none"),
    ask("GET /loaves/rye?picture=yes"),
)
def additional_responses(make: type[FastAPI]) -> FastAPI:
    everywhere: dict[int | str, dict[str, Any]] = {404: {"description": "Not in the shop"}}
    app = make(responses={**everywhere, "5XX": {"description": "The oven is out"}})

    @app.get(
        "/loaves/{loaf}",
        response_model=Loaf,
        responses={
            **everywhere,
            404: {"model": Missing},
            200: {"content": {"image/png": {}}, "description": "The loaf, or its picture"},
        },
    )
    async def loaf(loaf: str, picture: bool | None = None) -> Any:
        if picture:
            return Response(b"\x89PNG", media_type="image/png")
        if loaf not in LOAVES:
            return JSONResponse({"message": "sold out"}, 404)
        return LOAVES[loaf]

    return app


@page(
    "advanced/response-cookies/",
    ask("GET /crumbs"),
    ask("GET /crumb"),
    ask("GET /seen"),
    ask("GET /gone"),
    ask("GET /seen"),
)
def response_cookies(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/crumbs")
    def crumbs(response: Response) -> dict[str, bool]:
        response.set_cookie("crumb", "rye bread", httponly=True, max_age=60, samesite="strict")
        response.set_cookie("other", "1", path="/seen")
        return {"set": True}

    @app.get("/crumb")
    def crumb() -> JSONResponse:
        answer = JSONResponse({"set": True})
        answer.set_cookie("crumb", "direct")
        return answer

    @app.get("/seen")
    def seen(crumb: Annotated[str | None, Cookie()] = None) -> str | None:
        return crumb

    @app.get("/gone")
    def gone(response: Response) -> None:
        response.delete_cookie("crumb")

    return app


@page("advanced/response-headers/", ask("GET /marked"), ask("GET /direct"), ask("GET /repeated"))
def response_headers(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/marked")
    def marked(response: Response) -> dict[str, str]:
        response.headers["X-Miller"] = "ada"
        response.headers["Cache-Control"] = "max-age=3"
        return {"message": "marked"}

    @app.get("/direct")
    def direct() -> Response:
        return JSONResponse({"message": "direct"}, headers={"X-Miller": "eve", "Content-Language": "en"})

    @app.get("/repeated")
    def repeated(response: Response, times: Annotated[int, Query()] = 2) -> int:
        for number in range(times):
            response.headers.append("x-turn", str(number))
        return times

    return app


@page("advanced/response-change-status-code/", ask("PUT /loaves/rye"), ask("PUT /loaves/new"), ask("PUT /loaves/new"))
def change_status_code(make: type[FastAPI]) -> FastAPI:
    app = make()
    stock = {"rye": "there"}

    @app.put("/loaves/{loaf}", status_code=200)
    def put(loaf: str, response: Response) -> str:
        if loaf not in stock:
            stock[loaf] = "just baked"
            response.status_code = status.HTTP_201_CREATED
        return stock[loaf]

    return app
