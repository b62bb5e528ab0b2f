"""Static routes whose build is observed, and what it says that they are made of."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.prerender.build_manifest import BuildManifest
    from millpond.prerender.input_records import InputRecord
    from ponds import Project

HERE = "# here"
"""Marks the line of a source at which something is used."""


class Found(NamedTuple):
    """One input, as reports show it."""

    text: str
    """Its kind and name, and what else is said of it."""
    file: str
    line: int | None


def found(record: InputRecord) -> Found:
    text = f"{record.subject} ({record.detail})" if record.detail else record.subject
    return Found(text, *record.place)


async def built(project: Project, sources: Mapping[str, str], **config: object) -> BuildManifest:
    """The manifest of a build that must succeed; the sources are static routes, by pattern."""
    project.routes({pattern: f'dynamic = "force-static"\n{dedent(source)}' for pattern, source in sources.items()})
    outcome = await project.build(**config)
    assert [str(failure) for failure in outcome.failures] == []
    assert [record.glyph for record in outcome.manifest.routes] == ["○"] * len(sources)
    return outcome.manifest


async def inputs_of(project: Project, source: str) -> list[Found]:
    """What the build says that the one route is made of."""
    manifest = await built(project, {"/": source})
    assert manifest.functions == []
    return [found(record) for record in manifest.routes[0].inputs]


async def inputs_of_each(project: Project, sources: Mapping[str, str]) -> dict[str, list[Found]]:
    """The same of many routes, by the names of their sources, in one build."""
    by_pattern = {f"/{number}": name for number, name in enumerate(sources)}
    manifest = await built(project, {pattern: sources[name] for pattern, name in by_pattern.items()})
    assert manifest.functions == []
    return {by_pattern[record.pattern]: [found(one) for one in record.inputs] for record in manifest.routes}


def marked(project: Project, file: str) -> list[int]:
    """The marked lines of a file, which is given by its path in the project."""
    lines = (project.folder / file).read_text("utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if HERE in line]


def at_marks(project: Project, texts: Mapping[str, str], file: str | None = None) -> dict[str, list[Found]]:
    """What is expected of routes that use one thing each, at their one marked line, or at that of `file`."""
    expected = {}
    for number, (name, text) in enumerate(texts.items()):
        where = file or f"app/{number}/route.py"
        expected[name] = [Found(text, where, line) for line in marked(project, where)]
    return expected


SHAPES = {
    "a sync handler": "def GET():\n    {call}  # here\n    return 1\n",
    "an async handler": "async def GET():\n    {call}  # here\n    return 1\n",
    "a dependency": """
from typing import Annotated, Any
from fastapi import Depends
def dependency():
    {call}  # here
    return 1
def GET(given: Annotated[Any, Depends(dependency)]):
    return given
""",
    "an async dependency": """
from typing import Annotated, Any
from fastapi import Depends
async def dependency():
    {call}  # here
    yield 1
async def GET(given: Annotated[Any, Depends(dependency)]):
    return given
""",
    "a task": """
import asyncio
async def work():
    {call}  # here
async def GET():
    await asyncio.gather(work(), asyncio.sleep(0))
    return 1
""",
    "asyncio.to_thread": """
import asyncio
def work():
    {call}  # here
async def GET():
    await asyncio.to_thread(work)
    return 1
""",
    "an executor": """
from concurrent.futures import ThreadPoolExecutor
def work():
    {call}  # here
def GET():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    return 1
""",
    "the loop's executor": """
import asyncio
def work():
    {call}  # here
async def GET():
    await asyncio.get_running_loop().run_in_executor(None, work)
    return 1
""",
    "a thread": """
import threading
def work():
    {call}  # here
def GET():
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return 1
""",
    "a thread of FastAPI's pool": """
from fastapi.concurrency import run_in_threadpool
def work():
    {call}  # here
async def GET():
    await run_in_threadpool(work)
    return 1
""",
    "a streamed body": """
from millpond import StreamingResponse
async def body():
    {call}  # here
    yield "a"
def GET():
    return StreamingResponse(body())
""",
    "a streamed body of a sync generator": """
from millpond import StreamingResponse
def body():
    {call}  # here
    yield "a"
async def GET():
    return StreamingResponse(body())
""",
}
"""Where in a route something may be used."""
