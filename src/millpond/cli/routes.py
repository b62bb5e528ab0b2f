"""millpond routes"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millpond.app.hints.project_hints import hints
from millpond.cli.facts.configured_routes import REDIRECT, configured_routes
from millpond.cli.facts.declared_routes import declared_routes
from millpond.cli.project import build_of, open_project
from millpond.cli.terminal.console import errors_as_json, output, print_json, print_table, print_warning
from millpond.cli.terminal.options import HERE, AppName, Json, Which
from millpond.prerender.build_report import route_facts, varied
from millpond.prerender.build_table import legend, public_cell, route_table, varies_line
from millpond.prerender.review.unstored_queries import unstored_queries
from millpond.render.candidacy import candidacy, query_candidacy
from millpond.routes.options.lonely_routers import lonely_hints
from millpond.routes.public.public_file import METHODS

if TYPE_CHECKING:
    from millpond.app import Millpond
    from millpond.prerender.build_manifest import RouteRecord
    from millpond.routes.public.public_folder import PublicListing
    from millpond.routes.route_contract import Route

CANDIDATE = "?"


def routes(named: AppName = None, /, *, which: Which = HERE, json: Json = False) -> int:
    """List the routes: with the decisions of the build if there is one, otherwise with what files and code declare."""
    with errors_as_json(json):
        app = open_project(which.entrypoint(named))
        manifest, notes = build_of(app)
        records = {record.origin: record for record in manifest.routes} if manifest is not None else {}
        of_files = [_facts(app, route, records) for route in app.own_routes]
        declared = list(declared_routes(app))
        others = [*(each.facts() for each in declared if not each.is_fastapis), *configured_routes(app.config)]
        listed = sorted([*of_files, *others], key=lambda each: str(each["pattern"]))
        public = app.published.listing
        notes += [warning for route in app.own_routes for warning in route.warnings]
        notes += unstored_queries(app.own_routes)
        notes += app.published.warnings(app.routes)
    notes += lonely_hints(app.app_dir, app.project)
    notes += hints(app)
    fastapis = [each.path for each in declared if each.is_fastapis]
    if json:
        print_json({"routes": listed, "fastapi": fastapis, "public": public.facts(), "warnings": notes})
    else:
        _report(listed, fastapis, public)
        for note in notes:
            print_warning(note)
    return 0


def _facts(app: Millpond, route: Route, records: dict[str, RouteRecord]) -> dict[str, Any]:
    record = records.get(route.origin)
    edited = record is None or record.digest != route.digest
    facts = _by_file(app, route) if record is None or edited else _by_build(record)
    return {"pattern": route.pattern, "methods": route.methods, **facts, **_of_query(route)}


def _of_query(route: Route) -> dict[str, Any]:
    """Whether answers to QUERY are stored, where the route has it, and why."""
    if "QUERY" not in route.operations:
        return {}
    chosen = query_candidacy(route)
    return {"query": {"mode": "static" if chosen.static else "live", "why": str(chosen.why)}}


def _by_build(record: RouteRecord) -> dict[str, Any]:
    return {**route_facts(record), "mode": "static" if record.static else "live", "by": "build"}


def _by_file(app: Millpond, route: Route) -> dict[str, Any]:
    """For a file that is new or edited since the build: a candidate is static unless its render reads request data."""
    chosen = candidacy(route, app.config.compat, cache_components=app.config.cache_components)
    return {
        "file": route.source,
        "mode": "candidate" if chosen.static else "live",
        "glyph": CANDIDATE if chosen.static else "λ",
        "why": chosen.why.text,
        "place": None if chosen.why.place is None else str(chosen.why.place),
        "by": "code" if route.segments is None else "file",
        "varies": varied(route.variation),
    }


def _why(facts: dict[str, Any]) -> str:
    """The reason with its place, and on a line of its own what the key has besides path and query."""
    why = f"{facts['why']} · {facts['place']}" if facts["place"] else str(facts["why"])
    if facts.get("query", {}).get("mode") == "static":
        why += f"; QUERY stored by its body: {facts['query']['why']}"
    parts = facts.get("varies") if facts["mode"] != "live" else None
    return f"{why}\n{varies_line(parts)}" if parts else why


def _report(listed: list[dict[str, Any]], fastapis: list[str], public: PublicListing) -> None:
    console = output()
    rows = [
        (
            f"{facts['glyph']} {facts['pattern']}",
            ", ".join(facts["methods"]),
            facts["file"] or "",
            _why(facts),
        )
        for facts in listed
    ]
    if public.files:
        rows.append((f"  {public.folder}/", ", ".join(METHODS), public.folder, public_cell(public)))
    print_table(console, route_table(["Route", "Methods", "File", "Why"], rows, console.width))
    if fastapis:
        console.print(f"  FastAPI's own: {', '.join(fastapis)}", soft_wrap=True)
    console.print()
    glyphs = [facts["glyph"] for facts in listed]
    for line in legend(glyphs):
        console.print(line, soft_wrap=True)
    if REDIRECT in glyphs:
        console.print(f"{REDIRECT}  redirect: before every route, for all methods", soft_wrap=True)
    if CANDIDATE in glyphs:
        console.print(
            f"{CANDIDATE}  may be static: `millpond build` determines whether its answer depends on the request",
            soft_wrap=True,
        )
