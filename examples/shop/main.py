"""The application: a FastAPI one, whose routes are in `app/`.

`millpond start` and `uvicorn main:app` serve it. What is said here holds for the route files as well.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from millpond import Millpond
from sqlalchemy.exc import OperationalError

from shop.db import close_database
from shop.site import partners

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI, Request


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Around what a server does, and around a build. The database is opened on first use, and closed here."""
    yield
    close_database()


app = Millpond(title="The Millpond shop", version="1.0", lifespan=lifespan)

# In front of every request, cache hits included: pages of partners may read what the shop says. As it is the only
# middleware, hits are answered at the socket all the same. A header that never changes needs none: see millpond.toml.
app.add_middleware(CORSMiddleware, allow_origins=partners(), allow_methods=["GET"])


@app.exception_handler(OperationalError)
async def without_database(request: Request, error: OperationalError) -> JSONResponse:
    """A database that doesn't answer is a 503. In a refresh that is no answer: the last good one stays."""
    return JSONResponse({"detail": "The database doesn't answer."}, 503, {"retry-after": "10"})
