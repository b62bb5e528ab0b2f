"""The application, of either class."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware

from ported.conduit import errors
from ported.conduit.database import open_pool
from ported.conduit.routes.api import router
from ported.conduit.settings import Settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with open_pool(settings.database, settings.connections) as pool:
        app.state.pool = pool
        yield


async def timing(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    began = time.perf_counter()
    response = await call_next(request)
    response.headers["x-process-time"] = f"{time.perf_counter() - began:.6f}"
    return response


def get_application(constructor: Callable[..., FastAPI], settings: Settings | None = None) -> FastAPI:
    """The service; `constructor` is FastAPI, or Millpond."""
    settings = settings or Settings()
    app = constructor(title="Conduit", version="1.0.0", lifespan=lifespan)
    app.state.settings = settings
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
    )
    app.middleware("http")(timing)
    app.add_exception_handler(HTTPException, errors.http_error)
    app.add_exception_handler(RequestValidationError, errors.invalid)
    app.add_exception_handler(errors.MissingEntityError, errors.missing)
    app.include_router(router, prefix=settings.prefix)
    return app
