"""Functions of test modules in a process of their own, for agents whose changes to a process can't be undone.

    python apart.py MODULE FUNCTION '["argument"]'

The function is a coroutine function; what it returns is printed as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


def apart(function: Any, *arguments: str, env: dict[str, str] | None = None) -> Any:
    """What `function(*arguments)` returns in a process of its own, as JSON."""
    command = [sys.executable, "-W", "error", __file__, function.__module__, function.__name__, json.dumps(arguments)]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **(env or {})}
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.path.insert(1, str(TESTS))
    module, name, given = sys.argv[1:]
    result = asyncio.run(getattr(importlib.import_module(module), name)(*json.loads(given)))
    sys.stdout.write(f"\n{json.dumps(result, default=str)}\n")
