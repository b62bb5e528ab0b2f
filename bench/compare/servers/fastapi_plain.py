"""FastAPI's live answers, without a cache."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
DATA: dict[str, Any] = json.loads(BODY)
app = FastAPI()


@app.get("/raw")
async def raw() -> Response:
    return Response(BODY, media_type="application/json")


@app.get("/live")
async def live():  # type: ignore[no-untyped-def]
    return DATA
