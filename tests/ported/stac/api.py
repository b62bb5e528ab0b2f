"""Adds the API to an application."""

import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import Engine, create_engine, text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millpond import static
from ported.stac import models, transactions
from ported.stac.client import CoreClient, InSession
from ported.stac.errors import add_error_handlers
from ported.stac.settings import StacSettings
from ported.stac.tables import Base, session_maker


class GeoJSONResponse(JSONResponse):
    media_type = "application/geo+json"


class ServerTiming:
    """Tells each client how long its answer took."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = (time.perf_counter() - began) * 1000
                message["headers"] = [*message["headers"], (b"server-timing", f"app;dur={took:.3f}".encode())]
            await send(message)

        await self.app(scope, receive, timed if scope["type"] == "http" else send)


def operation_id(route: APIRoute) -> str:
    return f"{route.tags[0] if route.tags else 'core'}-{route.name}"


def endpoint_of(read: Callable[..., Any]) -> Callable[..., Any]:
    """A function of this API's own, as the methods are those of all clients."""

    @functools.wraps(read)
    def endpoint(**values: Any) -> Any:
        return read(**values)

    return endpoint


@dataclass
class StacApi:
    """Routes for a catalog in an application; the application may be anybody's.

    Args:
        app: gets the routes.
        settings: what the deployment says.
        client: the reads.
    """

    app: FastAPI
    settings: StacSettings
    client: CoreClient

    def __post_init__(self) -> None:
        self.app.state.settings = self.settings
        router = APIRouter(tags=["core"])
        for path, read, kept in self.reads():
            model = read.__annotations__["return"]
            endpoint = endpoint_of(read)
            if kept is not None:
                endpoint = static(**kept)(endpoint)
            is_page = isinstance(model, type) and issubclass(model, BaseModel)
            is_geo = model in (models.Item, models.ItemCollection)
            router.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                name=read.__name__.replace("_", "-"),
                response_model=model if is_page else None,
                response_model_exclude_unset=False,
                response_model_exclude_none=True,
                response_class=GeoJSONResponse if is_geo else JSONResponse,
            )
        router.add_api_route(
            "/search",
            self.client.post_search,
            methods=["POST"],
            response_model=models.ItemCollection,
            response_model_exclude_none=True,
            response_class=GeoJSONResponse,
        )
        self.app.include_router(router)
        self.app.include_router(transactions.router)
        self.app.include_router(self.management(), prefix="/_mgmt")
        self.app.add_middleware(ServerTiming)
        self.app.add_middleware(CORSMiddleware, allow_origins=["https://map.example"], allow_methods=["*"])
        add_error_handlers(self.app)

    def reads(self) -> list[tuple[str, Callable[..., Any], dict[str, Any] | None]]:
        """Paths, what reads for them, and how long the answer is everybody's."""
        client, page = self.client, ("limit", "bbox", "datetime", "token")
        return [
            ("/", client.landing_page, {"revalidate": 600}),
            ("/conformance", client.conformance, None),
            ("/collections", client.collections, {"revalidate": 600}),
            ("/collections/{collection_id}", client.collection, {"revalidate": 600, "params": client.listed}),
            ("/collections/{collection_id}/items", client.items, {"revalidate": 60, "cache_query": page}),
            ("/collections/{collection_id}/items/{item_id}", client.item, {"revalidate": 600}),
            ("/collections/{collection_id}/items/{item_id}/assets/{key:path}", client.asset, {"revalidate": 600}),
            ("/search", client.get_search, None),
        ]

    def management(self) -> APIRouter:
        router = APIRouter(tags=["management"], include_in_schema=False)

        @router.get("/ping")
        async def ping() -> dict[str, str]:
            return {"message": "PONG"}

        @router.get("/health", response_model=None)
        def health(session: InSession) -> Response:
            session.execute(text("SELECT 1"))
            return JSONResponse({"database": "up"}, headers={"cache-control": "no-store"})

        return router


def create_api(constructor: Callable[..., FastAPI], settings: StacSettings | None = None) -> FastAPI:
    """The service; `constructor` is FastAPI, or Millpond."""
    settings = settings or StacSettings()
    engine: Engine = create_engine(settings.database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        Base.metadata.create_all(engine)
        app.state.sessions, app.state.jobs = session_maker(engine), {}
        yield
        engine.dispose()

    app = constructor(
        title=settings.title,
        description=settings.description,
        openapi_url="/api",
        docs_url="/api.html",
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    StacApi(app, settings, CoreClient(settings, engine))
    return app
