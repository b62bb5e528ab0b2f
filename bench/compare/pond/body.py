"""The answer that all servers give: a kilobyte of JSON, and six headers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
DATA: dict[str, Any] = json.loads(BODY)
HEADERS = {"x-one": "1", "x-two": "2"}
