"""A project that is built and exported, into a place of the test's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from millpond.export.exported import Exported
from millpond.export.exporter import Exporter

if TYPE_CHECKING:
    from millpond.export.export_place import ExportPlace
    from millpond.export.exporter import ExportReport
    from ponds import Project

ROUTES = {
    "/": "dynamic = 'force-static'\ndef GET():\n    return 'root'\n",
    "/products": "dynamic = 'force-static'\ndef GET():\n    return {'all': 'still water ' * 100}\n",
    "/products/[slug]": """
    revalidate = 60


    def generate_static_params():
        return [{"slug": "oak chair"}, {"slug": "desk"}]


    def GET(slug: str):
        return {"slug": slug}
    """,
    "/page": """
    from millpond import HTMLResponse

    dynamic = "force-static"


    def GET():
        return HTMLResponse("<p>page</p>", headers={"content-language": "en", "cache-control": "max-age=5"})
    """,
    "/moved": "from millpond import redirect\ndynamic = 'force-static'\ndef GET():\n    redirect('/products')\n",
    "/gone": "from millpond import not_found\ndynamic = 'force-static'\ndef GET():\n    not_found()\n",
    "/live": "async def GET(request):\n    return str(request.url)\n",
    "/found": "revalidate = 60\ncache_query = ['q']\ndef GET(q: str = ''):\n    return q\n",
}


def export_of(
    project: Project, place: ExportPlace, *, config: dict[str, Any] | None = None, **options: Any
) -> Exporter:
    """An export of the project as it is now, built anew."""
    said = config or {}
    asyncio.run(project.built(**said))
    return of_build(project, place, config=said, **options)


def of_build(project: Project, place: ExportPlace, *, config: dict[str, Any] | None = None, **options: Any) -> Exporter:
    """An export of the last build."""
    pond = project.pond(**(config or {}))
    manifest = pond.manifest()
    assert manifest is not None
    taken = {name: options.pop(name) for name in ("codings", "unchanging", "naming") if name in options}
    taken.setdefault("naming", "paths" if place.is_flat else "files")
    exported = Exported(
        project=pond.project,
        manifest=manifest,
        config=pond.config,
        routes=pond.own_routes,
        public=pond.published.listing,
        is_flat=place.is_flat,
        **taken,
    )
    return Exporter(exported, place, pond.config, **options)


def counts(report: ExportReport) -> tuple[int, int, int]:
    """How many files were written, unchanged and deleted."""
    return len(report.written), len(report.unchanged), len(report.deleted)
