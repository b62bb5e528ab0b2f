"""Applications whose endpoints a main.py declares: served by a Millpond, and by a plain FastAPI to compare it with."""

from __future__ import annotations

from contextlib import asynccontextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from ponds import Running, client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from millpond import Millpond
    from millpond.prerender.whole_build import Built
    from ponds import Project

PRELUDE = """
from fastapi import APIRouter, BackgroundTasks, Cookie, Depends, Header, HTTPException, Query, Request, Response
from millpond import static
runs = []
"""


def declare(project: Project, app: FastAPI, source: str, name: str = "main.py") -> dict[str, Any]:
    """Run `source` as the project's main.py, with `app` as its application; returns what it defines."""
    path = project.folder / name
    path.write_text(PRELUDE + dedent(source), "utf-8")
    module = {"__name__": "main", "__file__": str(path), "app": app}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), module)  # noqa: S102 - as an import would
    return module


def line_of(project: Project, text: str, name: str = "main.py") -> str:
    """The place of the first line with `text`."""
    lines = (project.folder / name).read_text("utf-8").splitlines()
    return f"{name}:{next(number for number, line in enumerate(lines, 1) if text in line)}"


def pond_of(project: Project, source: str, **config: Any) -> tuple[Millpond, dict[str, Any]]:
    pond = project.pond(**config)
    return pond, declare(project, pond, source)


@asynccontextmanager
async def serving(project: Project, source: str, **config: Any) -> AsyncIterator[tuple[Running, dict[str, Any]]]:
    """Serve a main.py; without a build unless one was made."""
    pond, module = pond_of(project, source, **config)
    async with pond.lifespan(), client_of(pond) as client:
        yield Running(pond, client), module


async def build(project: Project, source: str, **config: Any) -> Built:
    return await pond_of(project, source, **config)[0].build()


def plain(project: Project, source: str) -> FastAPI:
    """The same, as FastAPI alone has it."""
    app = FastAPI()
    declare(project, app, source)
    return app
