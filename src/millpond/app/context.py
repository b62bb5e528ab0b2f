"""What the servers, builds and crons of one application share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fastapi import FastAPI

    from millpond.app.published import Published
    from millpond.app.unseen import Unseen
    from millpond.cache.clean_context import CleanContext
    from millpond.config import Config
    from millpond.internals.fastapi_inclusion import EffectiveRoute
    from millpond.policy.freshness import Clock
    from millpond.render.middleware_boundary import RenderMiddleware
    from millpond.routes.endpoints.endpoint_route import EndpointRoute
    from millpond.routes.metadata_inventory import MetadataInventory
    from millpond.routes.route_contract import Route
    from millpond.serve.span import Tracing
    from millpond.telemetry.counting import Counting


@dataclass(frozen=True, slots=True)
class AppContext:
    """The parts of one application that exist before it starts."""

    project: Path
    config: Config
    routes: Sequence[Route]
    """Those of the files, and of endpoints with `@static`."""
    endpoint_of: Callable[[EffectiveRoute], EndpointRoute | None]
    """The route of an endpoint with `@static`; None for others."""
    shadowed: Callable[[], Sequence[str]]
    """Warnings about what is declared in code, and that route files answer."""
    metadata: MetadataInventory
    """The routes' metadata files, by the paths that they apply to."""
    app: FastAPI
    """The application itself."""
    render_middleware: Sequence[RenderMiddleware]
    """Outermost first."""
    clock: Clock
    development: bool
    isolated: bool
    """Whether a test runs it: it keeps away from the project's store and from caches in front, and needs no secrets."""
    is_scripts: bool
    """Whether a script has started it, rather than a server: what is in this process's memory is nobody else's."""
    reads_build: bool
    """Whether the project's build is served, if there is one."""
    tracing: Tracing
    counting: Counting | None
    """None: nothing is counted."""
    unseen: Unseen
    """What has to see its requests and renders, such as middleware and agents."""
    clean: CleanContext
    """The context in which renders and fills start."""
    published: Published
    """The files that are served as they are."""
    state: dict[str, Any]
    """The state that the application's lifespan yields, for `request.state`."""
