"""millpond openapi"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - the annotation is read at run time
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from millpond.cli.project import open_project, prints_on_stderr, run_project
from millpond.cli.terminal.console import print_bytes
from millpond.cli.terminal.options import HERE, AppName, Which
from millpond.cli.terminal.written_file import write_file

if TYPE_CHECKING:
    from millpond.app import Millpond


def openapi(
    named: AppName = None,
    /,
    *,
    which: Which = HERE,
    output: Annotated[Path | None, Parameter(help="The file to write, instead of stdout.")] = None,
) -> int:
    """Print the OpenAPI document: what the application answers at /openapi.json, without a server."""
    target = None if output is None else output.absolute()  # before the project's folder is the working directory
    app = open_project(which.entrypoint(named))
    with prints_on_stderr():
        document = run_project(app, _document(app)).encode()
    if target is None:
        print_bytes(document)
    else:
        write_file(target, document)
    return 0


async def _document(app: Millpond) -> str:
    await app.registered()
    return json.dumps(_served(app, app.openapi()), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _served(app: Millpond, document: dict[str, Any]) -> dict[str, Any]:
    """The document as FastAPI answers it: with the prefix of the application's URLs among the servers."""
    prefix = (app.root_path or app.config.base_path).rstrip("/")
    servers = document.get("servers", [])
    if not prefix or not app.root_path_in_servers or prefix in [server.get("url") for server in servers]:
        return document
    return {**document, "servers": [{"url": prefix}, *servers]}
