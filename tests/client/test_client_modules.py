"""What `millpond.client` imports: nothing of the application's, nor of FastAPI."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ponds import Project

CALL = """
import sys
import millpond.client
imported = set(sys.modules)
reached = millpond.client.revalidate(tags=["stock"], paths=["/items/1"])
print(reached.via, reached.paths)
for name in ("fastapi", "starlette", "pydantic", "uvicorn", "rich", "cyclopts", "millpond.app", "app"):
    assert name not in sys.modules, name
for name in ("httpx2", "lmdb", "redis", "anyio"):
    assert name not in imported, name
"""


def test_a_call_imports_neither_fastapi_nor_the_application(project: Project) -> None:
    project.routes({"/items/[id]": "raise RuntimeError('the application is loaded')\n"})
    project.write({"millpond.toml": "", "main.py": "raise RuntimeError('the application is loaded')\n"})
    make = (
        "import pathlib; from millpond.stores.lmdb.maintenance import LmdbInvalidation\n"
        "LmdbInvalidation(pathlib.Path('.millpond/cache'), 2**30, 5, creates=True).close()"
    )
    for script in (make, CALL):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=project.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "lmdb 1\n"


@pytest.mark.parametrize("name", ["revalidate_tag", "arevalidate_path", "Client", "AsyncClient", "UnreachedError"])
def test_what_is_documented_is_exported(name: str) -> None:
    import millpond.client

    assert name in millpond.client.__all__
    assert getattr(millpond.client, name) is not None
