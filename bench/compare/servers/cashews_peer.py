"""FastAPI with cashews in memory, by its decorator."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cashews import cache
from fastapi import FastAPI

DATA: dict[str, Any] = json.loads(Path(os.environ["BENCH_BODY"]).read_bytes())

cache.setup("mem://", size=1_000_000)
app = FastAPI()


@app.get("/hit")
@cache(ttl="1h")
async def hit():  # type: ignore[no-untyped-def]
    return DATA


@app.get("/items/{id}")
@cache(ttl="10m", key="items:{id}")
async def items(id: str):  # type: ignore[no-untyped-def] # noqa: A002 - the parameter's name
    return DATA
