"""FastAPI with a cache decorator, as its users bolt one on."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA: dict[str, Any] = json.loads(Path(os.environ["BENCH_BODY"]).read_bytes())


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    FastAPICache.init(InMemoryBackend())
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/hit")
@cache(expire=3600)
async def hit():  # type: ignore[no-untyped-def]
    return DATA
