"""The routes: what the build has decided, and what their authors have written where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millpond.advice.observation import FrozenInput, SeenRoute
from millpond.errors import Place
from millpond.policy.allowance import InputKind
from millpond.policy.compat import Compat
from millpond.policy.segment import OPTION_NAMES, SegmentConfig
from millpond.prerender.frozen_environment import changed_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from millpond.config import Config
    from millpond.prerender.build_manifest import BuildManifest, RouteRecord
    from millpond.prerender.input_records import InputRecord
    from millpond.prerender.plan import Plan
    from millpond.routes.route_contract import Route

_UNSET = SegmentConfig()


def seen_routes(
    plans: Sequence[Plan], config: Config, project: Path, manifest: BuildManifest | None, environ: Mapping[str, str]
) -> list[SeenRoute]:
    """All routes, without what was counted and stored."""
    try:
        changed = {} if manifest is None else changed_variables(project, manifest, environ)
    except OSError:  # the server has warned about it
        changed = {}
    records = {} if manifest is None else {record.origin: record for record in manifest.routes}
    return [_seen(plan, config, _Drift(project, manifest, records.get(plan.route.origin), changed)) for plan in plans]


def _seen(plan: Plan, config: Config, drift: _Drift) -> SeenRoute:
    route, get = plan.route, plan.route.operations.get("GET")
    return SeenRoute(
        pattern=route.pattern,
        file=route.source,
        config=route.config,
        places=dict(_places(route)),
        static=plan.static,
        on_demand=plan.on_demand,
        closed=plan.closed,
        wishes_static=get is not None and _wishes_static(route, config),
        has_params=bool(route.params),
        why=plan.why.text,
        why_place="" if plan.why.place is None else str(plan.why.place),
        is_endless=get is not None and get.sends_events,
        declared=[] if get is None else [(each.kind, each.name) for each in get.declared],
        drifted=list(drift.inputs()),
    )


def _wishes_static(route: Route, config: Config) -> bool:
    """Whether its author asks for a static GET, where it isn't what every GET is without being asked for."""
    if route.config.never_cached or not route.wish(config.compat, cache_components=config.cache_components).static:
        return False
    is_default = config.cache_components or config.compat is Compat.V14
    return not is_default or route.config.opts_in or route.lister is not None


def _places(route: Route) -> Iterator[tuple[str, str]]:
    for method, operation in route.operations.items():
        yield method, str(operation.place)
    for name in OPTION_NAMES:
        if getattr(route.config, name) != getattr(_UNSET, name):
            yield name, str(route.place(name))
    if route.lister is not None:
        yield "generate_static_params", str(route.place("generate_static_params"))


class _Drift:
    """What one route's answers were made from, and is no longer so."""

    def __init__(
        self, project: Path, manifest: BuildManifest | None, record: RouteRecord | None, changed: Mapping[str, str]
    ) -> None:
        self._project, self._manifest, self._record, self._changed = project, manifest, record, changed

    def inputs(self) -> Iterator[FrozenInput]:
        """Each once, with the line that reads it."""
        record, manifest = self._record, self._manifest
        if record is None or manifest is None or not record.static:
            return
        of_functions = [
            each for function in manifest.functions if record.pattern in function.routes for each in function.inputs
        ]
        told = set[str]()
        for found in [*record.inputs, *of_functions]:
            change = None if found.declared else self._change_of(found)
            if change is not None and found.name not in told:
                told.add(found.name)
                yield FrozenInput(f"{found.kind} {found.name}", str(Place(*found.place)), change)

    def _change_of(self, found: InputRecord) -> str | None:
        if found.kind is InputKind.ENV:
            return self._changed.get(found.name)
        if found.kind is not InputKind.FILE or found.refreshed or not found.name or self._manifest is None:
            return None
        try:
            is_newer = (self._project / found.name).stat().st_mtime > self._manifest.built_at
        except OSError:
            return "isn't there any more, and was"
        return "isn't what it was" if is_newer else None
