"""One operation of a project with one route file, asked without an application of Millpond's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from routes_project import load_one

from millpond.errors import RouteModuleError
from millpond.routes.operation import FileOperation, make_operation
from millpond.routes.path import split
from millpond.routes.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from millpond.routes.route_contract import Handler


def plain(handler: Handler) -> Handler:
    return handler


def operation(project: Path, source: str, folder: str = "", method: str = "GET") -> FileOperation:
    return make_operation(load_one(project, source, folder), method, plain)


def refusal(project: Path, source: str, folder: str = "", method: str = "GET") -> str:
    with pytest.raises(RouteModuleError) as caught:
        operation(project, source, folder, method)
    return str(caught.value)


def served(operation: FileOperation) -> FastAPI:
    """A FastAPI application that gives every request that the pattern fits to the operation."""
    app = FastAPI(openapi_url=None)
    table = Table([(operation.module.file.segments, operation)])

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        (match,) = table.match(split(scope["raw_path"]))
        scope["path_params"] = match.params
        await operation.api_route.app(scope, receive, send)

    app.router.default = serve
    return app


def answer(operation: FileOperation, path: str, **request: Any) -> Any:
    """The JSON of a 200, or else the status and what FastAPI complains about."""

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=served(operation))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(operation.method, path, **request)

    response = asyncio.run(ask())
    if response.status_code == 200:
        return response.json()
    return response.status_code, [error["loc"] for error in response.json()["detail"]]
