"""The result of a build as data: `millpond build --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millpond.errors import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.variants.variation import Variation
    from millpond.prerender.build_manifest import BuildManifest, PathRecord, RouteRecord
    from millpond.prerender.failure import Failure
    from millpond.prerender.input_records import InputRecord
    from millpond.routes.public.public_folder import PublicListing


def facts(manifest: BuildManifest, public: PublicListing, warnings: Sequence[str], seconds: float) -> dict[str, Any]:
    """What `millpond build --json` prints for a build that succeeded; `seconds` is how long it took."""
    return {
        "build": manifest.build,
        "seconds": round(seconds, 3),
        "routes": {record.pattern: route_facts(record) for record in manifest.routes},
        "prerendered": {
            path.readable: {**_path_facts(path), "route": record.pattern}
            for record in manifest.routes
            for path in record.paths
        },
        "dynamic_routes": {
            record.pattern: {"fallback": None if record.on_demand else False}
            for record in manifest.routes
            if record.on_demand or record.closed
        },
        "functions": [
            {
                "name": function.name,
                "place": str(Place(*function.place)),
                "routes": function.routes,
                **_input_facts(function.inputs),
            }
            for function in manifest.functions
        ],
        "public": public.facts(),
        "warnings": list(warnings),
    }


def failure_facts(failures: Sequence[Failure], warnings: Sequence[str], seconds: float) -> dict[str, Any]:
    """What it prints for one that failed."""
    return {
        "errors": [
            {"file": failure.file, "path": failure.path, "params": failure.params, "message": failure.message}
            for failure in failures
        ],
        "warnings": list(warnings),
        "seconds": round(seconds, 3),
    }


def route_facts(record: RouteRecord) -> dict[str, Any]:
    """The decision for one route: `revalidate` and `expire` in seconds, `false` where it never goes stale."""
    return {
        "glyph": record.glyph,
        "file": record.file,
        "why": record.why,
        "place": None if record.place is None else str(Place(*record.place)),
        "revalidate": whole(record.revalidate, never=False) if record.static else None,
        "expire": whole(record.expire),
        "fingerprint": record.fingerprint or None,
        "varies": varied(record.variation),
        **_input_facts(record.inputs),
    }


def varied(variation: Variation | None) -> dict[str, list[str]]:
    """By what is part of the key, its values: none for a host that may be any."""
    return {} if variation is None else {name: list(values) for name, values in variation.parts.items()}


def _input_facts(inputs: Sequence[InputRecord]) -> dict[str, list[dict[str, Any]]]:
    """What keeps its value until the next build, and what is read again in time."""
    told = [
        {
            "kind": found.kind,
            "name": found.name or None,
            "what": found.what,
            "place": str(Place(*found.place)),
            "declared": found.declared,
        }
        for found in inputs
    ]
    return {
        "frozen": [facts for facts, found in zip(told, inputs, strict=True) if not found.refreshed],
        "refreshed": [facts for facts, found in zip(told, inputs, strict=True) if found.refreshed],
    }


def _path_facts(path: PathRecord) -> dict[str, Any]:
    return {
        "revalidate": whole(path.revalidate, never=False),
        "expire": whole(path.expire),
        "status": path.status,
        "headers": path.headers,
    }


def whole(seconds: float | None, *, never: bool | None = None) -> float | bool | None:
    """Seconds as they were written: without a fraction where there is none; `never` in place of None."""
    if seconds is None:
        return never
    return int(seconds) if seconds % 1 == 0 else seconds
