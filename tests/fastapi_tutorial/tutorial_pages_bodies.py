"""Pages about bodies of JSON: what a mill is told to do."""

from dataclasses import dataclass
from dataclasses import field as data_field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, FastAPI, Query
from fastapi import Path as FromPath
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, ConfigDict, Field, HttpUrl
from tutorial_conversation import ask, page

UUID_OF_MILL = "5a7c8a3e-3a0c-4b57-9b1a-0c8b2c8a0f11"


class Order(BaseModel):
    flour: str
    note: str | None = None
    price: float
    tax: float | None = None


class Baker(BaseModel):
    name: str
    full_name: str | None = None


class Sack(BaseModel):
    flour: str = Field(examples=["rye"], min_length=2)
    weight: float = Field(gt=0, description="In kilograms, more than nothing", title="Weight of the sack")


class Picture(BaseModel):
    url: HttpUrl
    caption: str


class Basket(BaseModel):
    name: str
    marks: set[str] = set()
    pictures: list[Picture] | None = None
    inner: "Basket | None" = None


class Recipe(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "rye bread", "hours": 12}]})
    name: str
    hours: int


class Stone(BaseModel):
    name: str | None = None
    grade: int = 3
    grooves: list[str] = []
    dressed: datetime | None = None


class Seal(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")
    print: bytes


class Meal(BaseModel):
    name: str
    note: str | None = None
    sieves: list[int] = Field(default_factory=list)


@dataclass
class Cart:
    wheels: int
    owner: str
    load: list[str] = data_field(default_factory=list)
    note: str | None = None


@dataclass
class Road:
    name: str
    carts: list[Cart] = data_field(default_factory=list)


ORDER = {"flour": "rye", "price": 10.5, "tax": 1.5}


@page(
    "tutorial/body/",
    ask("POST /orders", json=ORDER),
    ask("POST /orders", json={"price": "cheap"}),
    ask("POST /orders", json=[ORDER]),
    ask("POST /orders"),
    ask("POST /orders", content="{", headers={"content-type": "application/json"}),
    ask("POST /orders", content='{"flour": "öl"', headers={"content-type": "application/vnd.mill+json"}),
    ask("PUT /orders/7?express=yes", json={**ORDER, "note": None}),
    ask("PUT /orders/seven?express=perhaps", json={}),
    ask("GET /orders"),
)
def request_body(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/orders")
    async def order(order: Order) -> dict[str, Any]:
        said = order.model_dump()
        return {**said, **({"total": order.price + order.tax} if order.tax else {})}

    @app.put("/orders/{number}")
    def change(number: int, order: Order, express: bool = False) -> Any:
        return {"number": number, "express": express, **order.model_dump(exclude_unset=True)}

    return app


@page(
    "tutorial/body-multiple-params/",
    ask("PUT /orders/5", json={"order": ORDER, "baker": {"name": "ada"}, "weight": 4}),
    ask("PUT /orders/5", json={"order": ORDER, "weight": -1}),
    ask("PUT /orders/1001"),
    ask("POST /embedded", json={"order": ORDER}),
    ask("POST /embedded", json=ORDER),
    ask("POST /optional", json=None, content="null", headers={"content-type": "application/json"}),
    ask("POST /optional"),
)
def several_bodies(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.put("/orders/{number}")
    async def change(
        number: Annotated[int, FromPath(le=1000)],
        order: Order,
        baker: Baker,
        weight: Annotated[int, Body(gt=0)],
        q: str | None = None,
    ) -> dict[str, Any]:
        return {"number": number, "order": order, "baker": baker, "weight": weight, "q": q}

    @app.post("/embedded")
    async def embedded(order: Annotated[Order, Body(embed=True)]) -> Order:
        return order

    @app.post("/optional")
    async def optional(order: Order | None = None) -> dict[str, bool]:
        return {"given": order is not None}

    return app


@page(
    "tutorial/body-fields/",
    ask("POST /sacks", json={"sack": {"flour": "rye", "weight": 25}}),
    ask("POST /sacks", json={"sack": {"flour": "r", "weight": 0}}),
)
def body_fields(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/sacks", response_model=Sack)
    async def sack(sack: Annotated[Sack, Body(embed=True)]) -> Sack:
        return sack

    return app


@page(
    "tutorial/body-nested-models/",
    ask("POST /baskets", json={"name": "a", "marks": ["x"], "inner": {"name": "b", "inner": None}}),
    ask("POST /baskets", json={"name": "a", "pictures": [{"url": "https://mill.example/a b", "caption": ""}]}),
    ask("POST /baskets", json={"name": "a", "pictures": [{"url": "weir"}], "inner": {}}),
    ask("POST /pictures", json=[{"url": "http://mill.example", "caption": "x"}]),
    ask("POST /weights", json={"1": 2.5, "2": 1}),
    ask("POST /weights", json={"one": 2.5}),
)
def nested_bodies(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/baskets")
    async def basket(basket: Basket) -> Basket:
        return basket

    @app.post("/pictures")
    def pictures(pictures: list[Picture]) -> list[HttpUrl]:
        return [picture.url for picture in pictures]

    @app.post("/weights", response_model=dict[int, float])
    async def weights(weights: dict[int, float]) -> Any:
        return weights

    return app


@page(
    "tutorial/extra-data-types/",
    ask(
        f"PUT /shifts/{UUID_OF_MILL}",
        json={
            "begin": "2031-05-01T06:00:00Z",
            "end": "2031-05-01T14:30:00+00:00",
            "rest": "12:15:30.5",
            "lasts": "PT1H",
            "wage": "12.50",
        },
    ),
    ask("PUT /shifts/first", json={"begin": "noon", "end": 0, "lasts": -3.5, "wage": "a lot"}),
    ask("GET /sets?number=2&number=1&number=2"),
)
def data_types(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.put("/shifts/{shift}")
    async def shift(
        shift: UUID,
        begin: Annotated[datetime, Body()],
        end: Annotated[datetime, Body()],
        lasts: Annotated[timedelta, Body()],
        wage: Annotated[Decimal, Body(max_digits=6, decimal_places=2)],
        rest: Annotated[time | None, Body()] = None,
    ) -> Any:
        return {"shift": shift, "hours": end - begin, "rest": rest, "lasts": lasts, "wage": wage, "begin": begin}

    @app.get("/sets")
    async def sets(number: Annotated[frozenset[int], Query()]) -> set[int]:
        return set(number)

    return app


@page(
    "tutorial/schema-extra-example/",
    ask("POST /recipes", json={"name": "rye bread", "hours": 12}),
    ask("POST /sacks", json={"flour": "oats", "weight": 3}),
)
def examples(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/recipes")
    async def recipe(recipe: Recipe) -> Recipe:
        return recipe

    @app.post("/sacks")
    async def sack(
        sack: Annotated[
            Sack,
            Body(
                examples=[{"flour": "oats", "weight": 3}],
                openapi_examples={
                    "usual": {"summary": "As it is sold", "value": {"flour": "rye", "weight": 25}},
                    "wrong": {"description": "Weighs **nothing**", "value": {"flour": "rye", "weight": 0}},
                },
            ),
        ],
    ) -> Sack:
        return sack

    return app


@page(
    "tutorial/encoder/",
    ask("PUT /stones/upper", json={"name": "upper", "dressed": "2031-05-01T06:00:00"}),
    ask("GET /stones/upper"),
    ask("GET /stones/lower"),
)
def encoder(make: type[FastAPI]) -> FastAPI:
    app = make()
    stones: dict[str, Any] = {}

    @app.put("/stones/{name}")
    def put(name: str, stone: Stone) -> None:
        stones[name] = jsonable_encoder(stone, exclude_defaults=True)

    @app.get("/stones/{name}")
    def stone(name: str) -> Any:
        return stones[name]

    return app


@page(
    "tutorial/body-updates/",
    ask("GET /stones/upper"),
    ask("PATCH /stones/upper", json={"grade": 5}),
    ask("PATCH /stones/upper", json={"grade": None}),
    ask("PUT /stones/upper", json={"name": "new"}),
    ask("GET /stones/upper"),
    ask("PATCH /stones/upper", json={}),
    ask("OPTIONS /stones/upper"),
)
def body_updates(make: type[FastAPI]) -> FastAPI:
    app = make()
    stones: dict[str, Stone] = {"upper": Stone(name="upper", grooves=["fine"])}

    @app.get("/stones/{name}", response_model=Stone)
    async def stone(name: str) -> Any:
        return stones[name]

    @app.put("/stones/{name}", response_model=Stone)
    async def replace(name: str, stone: Stone) -> Any:
        stones[name] = stone
        return stone

    @app.patch("/stones/{name}")
    async def change(name: str, stone: Stone) -> Stone:
        stones[name] = stones[name].model_copy(update=stone.model_dump(exclude_unset=True))
        return stones[name]

    return app


@page(
    "advanced/dataclasses/",
    ask("POST /carts", json={"wheels": 4, "owner": "ada"}),
    ask("POST /carts", json={"wheels": "four"}),
    ask("GET /roads"),
)
def dataclasses(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/carts")
    async def cart(cart: Cart) -> Cart:
        return cart

    @app.get("/roads", response_model=list[Road])
    def roads() -> Any:
        return [Road("to the weir", [Cart(2, "ada", ["rye"])]), {"name": "to the town"}]

    return app


@page(
    "advanced/strict-content-type/",
    ask("POST /orders", content='{"flour": "rye", "price": 1}'),
    ask("POST /orders", content='{"flour": "rye", "price": 1}', headers={"content-type": "text/plain"}),
    ask("POST /orders", json={"flour": "rye", "price": 1}),
)
def content_type_not_strict(make: type[FastAPI]) -> FastAPI:
    app = make(strict_content_type=False)

    @app.post("/orders")
    async def order(order: Order) -> Order:
        return order

    return app


@page(
    "advanced/json-base64-bytes/",
    ask("POST /seals", json={"print": "d2VpcgD/"}),
    ask("POST /seals", json={"print": "not base64"}),
    ask("GET /seal"),
)
def bytes_in_json(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/seals")
    def seal(seal: Seal) -> dict[str, int]:
        return {"length": len(seal.print)}

    @app.get("/seal")
    def given() -> Seal:
        return Seal(print=b"\x00\xffmill")

    return app


@page("how-to/separate-openapi-schemas/", ask("POST /meals", json={"name": "grist"}), ask("GET /meals"))
def schemas_not_separate(make: type[FastAPI]) -> FastAPI:
    app = make(separate_input_output_schemas=False)

    @app.post("/meals")
    def meal(meal: Meal) -> Meal:
        return meal

    @app.get("/meals")
    def meals() -> list[Meal]:
        return [Meal(name="grist"), Meal(name="bran", note="coarse", sieves=[1, 2])]

    return app


@page("how-to/separate-openapi-schemas/", ask("POST /meals", json={"name": "grist"}))
def schemas_separate(make: type[FastAPI]) -> FastAPI:
    app = make()

    @app.post("/meals")
    def meal(meal: Meal) -> Meal:
        return meal

    return app
