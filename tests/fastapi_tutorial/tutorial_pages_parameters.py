"""Pages about paths, queries, cookies and headers: a mill's counter, and what is asked of it."""

from enum import Enum
from typing import Annotated, Any, Literal

from fastapi import Cookie, FastAPI, Header, Path, Query
from pydantic import AfterValidator, BaseModel, Field
from tutorial_conversation import DOCUMENTS, ask, page


class Grain(str, Enum):  # noqa: UP042  # as the documentation has it; a StrEnum's schema is another one's
    rye = "rye"
    spelt = "spelt"
    oats = "oats"


class Shelf(BaseModel):
    """How many, from where on, in which order."""

    limit: int = Field(25, gt=0, le=50)
    offset: int = Field(0, ge=0)
    order_by: Literal["milled_at", "sold_at"] = "milled_at"
    marks: list[str] = []


class ClosedShelf(Shelf):
    model_config = {"extra": "forbid"}


class Crumbs(BaseModel):
    model_config = {"extra": "forbid"}
    counter_id: str
    loyalty_id: str | None = None


class Labels(BaseModel):
    host: str
    save_flour: bool
    if_milled_since: str | None = None
    x_mark: list[str] = []


def sack_number(value: str) -> str:
    if not value.startswith(("sack-", "bag-")):
        raise ValueError('a sack is called "sack-…" or "bag-…"')
    return value


@page(
    "tutorial/first-steps/",
    ask("GET /"),
    *(ask(f"{method} /") for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PURGE")),
    ask("GET /?unasked=1"),
    ask("GET //"),
    *DOCUMENTS,
    ask("HEAD /docs"),
    ask("GET /docs/"),
    ask("POST /openapi.json"),
    ask("GET /openapi.json/"),
    ask("PUT /favicon.ico"),
    ask("GET /no%2Fsuch/p%C3%A4th"),
    ask("GET /%ff"),
    ask("GET /./a/../"),
)
def first_steps(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/")
    async def greet() -> dict[str, str]:
        return {"mill": "at the weir"}

    return app


@page(
    "tutorial/path-params/",
    ask("GET /sacks/3"),
    ask("GET /sacks/3.5"),
    ask("GET /sacks/-1"),
    ask("GET /sacks/%33"),
    ask("GET /millers/me"),
    ask("GET /millers/anna"),
    ask("GET /millers/m%C3%BCller"),
    ask("GET /grains/rye"),
    ask("GET /grains/maize"),
    ask("GET /ledgers//home/mill/ledger.txt"),
    ask("GET /ledgers/home/mill/ledger.txt"),
    ask("GET /ledgers/"),
    ask("GET /ledgers/a%2Fb"),
    ask("DELETE /sacks/3"),
)
def path_parameters(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks/{number}")
    async def sack(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/millers/me")
    def miller_of_today() -> dict[str, str]:
        return {"miller": "whoever is at the counter"}

    @app.get("/millers/{name}")
    def miller(name: str) -> dict[str, str]:
        return {"miller": name}

    @app.get("/grains/{grain}")
    async def flour(grain: Grain) -> dict[str, Any]:
        return {"grain": grain, "coarse": grain is Grain.oats, "word": grain.value}

    @app.get("/ledgers/{where:path}")
    async def ledger(where: str) -> dict[str, str]:
        return {"where": where}

    return app


@page(
    "tutorial/query-params/",
    ask("GET /sacks?skip=1&limit=1"),
    ask("GET /sacks"),
    ask("GET /sacks?skip=many"),
    *(ask(f"GET /sacks/rye-1?dusty={yes}") for yes in ("1", "True", "on", "yes", "no", "maybe")),
    ask("GET /millers/4/sacks/rye-1?weight=20"),
    ask("GET /millers/4/sacks/rye-1"),
    ask("GET /millers/four/sacks/rye-1?weight=&note=%20a+b"),
)
def query_parameters(make: type[FastAPI]) -> FastAPI:
    app = make()
    stock = [{"sack": "rye-1"}, {"sack": "rye-2"}, {"sack": "oats-1"}]

    @app.get("/sacks", response_model=None)
    async def sacks(skip: int = 0, limit: int = 10) -> list[dict[str, str]]:
        return stock[skip : skip + limit]

    @app.get("/sacks/{sack}")
    def sack(sack: str, dusty: bool = False, note: str | None = None) -> Any:
        return {"sack": sack, "dusty": dusty, "note": note}

    @app.get("/millers/{miller}/sacks/{sack}")
    async def sack_of(miller: int, sack: str, weight: float, note: str | None = None) -> dict[str, Any]:
        return {"miller": miller, "sack": sack, "weight": weight, "note": note}

    return app


@page(
    "tutorial/query-params-str-validations/",
    ask("GET /search"),
    ask("GET /search?q=fixed"),
    ask("GET /search?q=ab"),
    ask("GET /search?q=a%20very%20long%20question%20that%20nobody%20answers"),
    ask("GET /lists?mark=a&mark=b"),
    ask("GET /lists"),
    ask("GET /alias?sack-name=rye"),
    ask("GET /alias?sack_name=rye"),
    ask("GET /checked?number=sack-4"),
    ask("GET /checked?number=box-4"),
    ask("GET /required?word="),
    ask("GET /required"),
    ask("GET /hidden?secret=flour"),
)
def query_validations(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/search")
    async def search(
        q: Annotated[str | None, Query(min_length=3, max_length=20, pattern="^fixed$", title="Words")] = None,
    ) -> dict[str, str | None]:
        return {"q": q}

    @app.get("/lists")
    async def lists(mark: Annotated[list[str], Query(description="Any number of them")] = ["x", "y"]) -> list[str]:  # noqa: B006
        return mark

    @app.get("/alias")
    def alias(sack: Annotated[str | None, Query(alias="sack-name", deprecated=True)] = None) -> Any:
        return {"sack": sack}

    @app.get("/checked")
    async def checked(number: Annotated[str, AfterValidator(sack_number)] = "sack-1") -> str:
        return number

    @app.get("/required")
    async def required(word: Annotated[str, Query(min_length=1)]) -> str:
        return word

    @app.get("/hidden")
    async def hidden(secret: Annotated[str | None, Query(include_in_schema=False)] = None) -> dict[str, bool]:
        return {"found": secret is not None}

    return app


@page(
    "tutorial/path-params-numeric-validations/",
    ask("GET /sacks/7?size=1.5"),
    ask("GET /sacks/0?size=1.5"),
    ask("GET /sacks/1001?size=10.5"),
    ask("GET /sacks/7"),
    ask("GET /sacks/x?size=x&q=rye"),
    ask("GET /infinite?size=inf"),
)
def path_validations(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/sacks/{number}")
    async def sack(
        *,
        number: Annotated[int, Path(title="The number on the sack", ge=1, le=1000)],
        q: str | None = None,
        size: Annotated[float, Query(gt=0, lt=10.5)],
    ) -> dict[str, Any]:
        return {"number": number, "size": size, **({"q": q} if q else {})}

    @app.get("/infinite")
    async def infinite(size: float) -> float:
        return size

    return app


@page(
    "tutorial/query-param-models/",
    ask("GET /shelf?limit=3&marks=a&marks=b"),
    ask("GET /shelf?limit=99&order_by=nothing"),
    ask("GET /shelf?tool=sieve"),
    ask("GET /closed?tool=sieve"),
    ask("GET /closed?offset=2"),
)
def query_models(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/shelf")
    async def shelf(asked: Annotated[Shelf, Query()]) -> Shelf:
        return asked

    @app.get("/closed", response_model=ClosedShelf)
    def closed(asked: Annotated[ClosedShelf, Query()]) -> Any:
        return asked

    return app


@page(
    "tutorial/cookie-params/",
    ask("GET /counter", headers={"cookie": "ads_id=x1"}),
    ask("GET /counter", headers={"cookie": "ads_id=a b; other=1; ads_id=second"}),
    ask("GET /counter"),
    ask("GET /required"),
)
def cookie_parameters(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/counter")
    async def counter(ads_id: Annotated[str | None, Cookie()] = None) -> dict[str, str | None]:
        return {"ads_id": ads_id}

    @app.get("/required")
    async def required(counter_id: Annotated[str, Cookie(min_length=2)]) -> str:
        return counter_id

    return app


@page(
    "tutorial/cookie-param-models/",
    ask("GET /counter", headers={"cookie": "counter_id=4; loyalty_id=gold"}),
    ask("GET /counter", headers={"cookie": "counter_id=4; sweet=1"}),
    ask("GET /counter"),
)
def cookie_models(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/counter")
    async def counter(crumbs: Annotated[Crumbs, Cookie()]) -> Crumbs:
        return crumbs

    return app


@page(
    "tutorial/header-params/",
    ask("GET /labels"),
    ask("GET /labels", headers={"user-agent": "a cart", "strange_header": "as it is", "strange-header": "no"}),
    ask("GET /labels", headers=[("x-mark", "one"), ("x-mark", "two"), ("x-mark", "three, four")]),
)
def header_parameters(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/labels")
    async def labels(
        user_agent: Annotated[str | None, Header()] = None,
        strange_header: Annotated[str | None, Header(convert_underscores=False)] = None,
        x_mark: Annotated[list[str] | None, Header()] = None,
    ) -> dict[str, Any]:
        return {"agent": user_agent, "strange": strange_header, "marks": x_mark}

    return app


@page(
    "tutorial/header-param-models/",
    ask("GET /labels", headers=[("save-flour", "true"), ("x-mark", "a"), ("x-mark", "b")]),
    ask("GET /labels", headers={"if-milled-since": "noon"}),
    ask("GET /as-written", headers={"save_flour": "yes", "save-flour": "no"}),
)
def header_models(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.get("/labels")
    async def labels(on_it: Annotated[Labels, Header()]) -> Labels:
        return on_it

    @app.get("/as-written")
    async def as_written(on_it: Annotated[Labels, Header(convert_underscores=False)]) -> Labels:
        return on_it

    return app
