"""Litestar's response cache."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from litestar import Litestar, get

DATA: dict[str, Any] = json.loads(Path(os.environ["BENCH_BODY"]).read_bytes())


@get("/hit", cache=3600)
async def hit() -> dict[str, Any]:
    return DATA


app = Litestar([hit])
