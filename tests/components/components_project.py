"""Routes of a project with Cache Components, built one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millpond.prerender.build_manifest import RouteRecord
    from ponds import Project

ENDS_BY_ITSELF = "ends without waiting, and without request data"
HERE = "# here"
"""Marks the line of a source at which its prerender stops."""


async def built_routes(project: Project, sources: Mapping[str, str]) -> dict[str, RouteRecord]:
    """The records of routes, by pattern, of a build that must succeed."""
    project.config["cache_components"] = True
    project.routes(dict(sources))
    return await project.built()


async def built_one(project: Project, source: str) -> RouteRecord:
    return (await built_routes(project, {"/": source}))["/"]


async def failures(project: Project, source: str) -> list[str]:
    """What a build reports that must fail."""
    project.config["cache_components"] = True
    project.routes({"/": source})
    return await project.failures()


async def assert_static(project: Project, source: str) -> None:
    record = await built_one(project, source)
    assert (record.glyph, record.why, record.place) == ("○", ENDS_BY_ITSELF, None)


async def assert_ends(project: Project, source: str, why: str) -> None:
    """The route is live, for this reason, at the line that is marked."""
    record = await built_one(project, source)
    assert record.place is not None
    file, line = record.place
    lines = (project.folder / file).read_text("utf-8").splitlines()
    marked = [number for number, text in enumerate(lines, 1) if HERE in text]
    assert (record.glyph, record.why, [line]) == ("λ", why, marked)
