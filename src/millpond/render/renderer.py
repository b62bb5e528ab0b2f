"""One render: an operation run under a scope, its answer collected."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from millpond.errors import UsageError
from millpond.policy.http.storing import storable_status
from millpond.policy.lifetime import Lifetime
from millpond.policy.tags import MAX_TAGS_OF_ONE
from millpond.render.after import drop_after
from millpond.render.escape import MEANT_FOR_THE_LOOP, escaped
from millpond.render.inputs import Inputs
from millpond.render.request.watched_scope import RENDER
from millpond.render.scope import DynamicUse, Purpose, Scope, enter, leave
from millpond.routes.operation import OperationApp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as ASGIScope

    from millpond.policy.compat import Compat
    from millpond.render.target import Target

log = logging.getLogger("millpond.render")

OPERATION = "millpond.operation"
"""The key of an ASGI scope under which the inner application finds what was matched."""

SERVER = ("localhost", 3000)
"""What shared renders believe to be served from: never a visitor's Host (R3.6, R3.12)."""


class NotStatic(Exception):
    """A shared render used request data: its answer is one request's own."""

    def __init__(self, use: DynamicUse, *, unshareable: bool = False, intercepted: bool = False) -> None:
        super().__init__(str(use))
        self.use = use
        self.unshareable = unshareable
        """The answer itself said so (a cookie, `private`): what is stored for the path is no longer meant for all."""
        self.intercepted = intercepted
        """The operation never ran: a middleware answered the made-up request, and may answer others otherwise."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The answer of one shared render, and what was learnt."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    lifetime: Lifetime
    tags: tuple[str, ...]
    inputs: Inputs | None = None
    """None while serving."""


@dataclass(slots=True)
class _Collector:
    """The `send` of a shared render: keeps the answer, up to a limit."""

    scope: Scope
    limit: int
    status: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self._keep(message.get("body", b""))
            self.scope.whole = not message.get("more_body", False)

    def _keep(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self.limit:
            self.scope.end(f"an answer of more than {self.limit} bytes (cache.max_entry_bytes)")
        self.chunks.append(bytes(chunk))


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders targets through the inner application, so that its middleware and handlers of errors take part."""

    app: ASGIApp
    project: Path
    compat: Compat
    expire_time: float
    """Seconds; the end of time-based answers that name none (R4.20)."""
    max_bytes: int
    """The largest answer that is collected; a larger one is live."""
    cache: object
    """The cache that handlers read from."""
    finish: Callable[[Scope], None]
    """Runs in the background what a render left for `after`."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """What the application's lifespan put into `request.state`."""

    async def shared(self, target: Target, purpose: Purpose) -> Rendered:
        """Run GET for everybody: without a request, watched as the route's config says (A.2).

        Raises:
            NotStatic: request data was read, also when the handler swallowed the end (R3.10); or something that
                stands around the operation answered in its place.
            Exception: whatever the handler raised.
        """
        scope = self.scope(target, "GET", purpose)
        try:
            return await self.under(scope, target)
        finally:
            if scope.dynamic_use is None:
                self.finish(scope)
            else:
                drop_after(scope)

    async def under(self, scope: Scope, target: Target) -> Rendered:
        """As `shared`, under a scope of the caller's, whose `after` callbacks are the caller's business."""
        revalidate = target.route.config.revalidate
        if revalidate:
            scope.lifetime = Lifetime(revalidate)
        collector = _Collector(scope, self.max_bytes)
        token = enter(scope)
        try:
            await self.app(self._asgi_scope(scope, target), _empty_body(), collector.send)
        except MEANT_FOR_THE_LOOP:
            raise
        except Exception as error:
            if scope.dynamic_use is None:
                if scope.entered or scope.purpose is Purpose.BUILD:  # a build shows the whole traceback
                    raise
                raise _intercepted(scope, f"raised {type(error).__name__}") from error
        except BaseException as error:  # from a streamed body, say; what the handler raises is ordinary by now
            if scope.dynamic_use is None:
                raise escaped(error) from error
        finally:
            leave(token)
        if collector.status is not None and storable_status(collector.status):  # no other answer is kept for others
            scope.dynamic_use = scope.dynamic_use or scope.use_after_error
        if scope.dynamic_use is None and len(scope.tags) > MAX_TAGS_OF_ONE:
            scope.dynamic_use = DynamicUse(f"an answer with more than {MAX_TAGS_OF_ONE} tags", None)
        if scope.dynamic_use is not None:
            raise NotStatic(scope.dynamic_use)
        return self._rendered(scope, collector)

    def scope(self, target: Target, method: str, purpose: Purpose) -> Scope:
        """A new scope for one run of an operation of `target`."""
        return Scope(
            purpose=purpose,
            method=method,
            segment=target.route.config,
            compat=self.compat,
            project=self.project,
            target=target,
            cache=self.cache,
            inputs=Inputs() if purpose is Purpose.BUILD else None,
        )

    def _asgi_scope(self, scope: Scope, target: Target) -> dict[str, Any]:
        route = target.route.operations["GET"].api_route
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "server": SERVER,
            "client": None,
            "root_path": "",
            "path": "/" + "/".join(target.segments),
            "raw_path": target.path.encode("ascii"),
            "query_string": target.query.encode("ascii"),
            "headers": [],
            "state": dict(self.state),
            "path_params": dict(target.params),
            "route": route,
            "endpoint": route.endpoint,
            OPERATION: OperationApp(route, _forgiving_afterwork),
            RENDER: scope,
        }

    def _rendered(self, scope: Scope, collector: _Collector) -> Rendered:
        if collector.status is None:
            raise UsageError(_unanswered(scope))
        if not scope.entered:
            raise _intercepted(scope, f"answered {collector.status}")
        return Rendered(
            status=collector.status,
            headers=tuple((bytes(name), bytes(value)) for name, value in collector.headers),
            body=b"".join(collector.chunks),
            lifetime=scope.lifetime.bounded(self.expire_time),
            tags=tuple(scope.tags),
            inputs=scope.inputs,
        )


def _unanswered(scope: Scope) -> str:
    name, place = scope.standing or ("the handler's response", scope.place())
    where = "" if place is None else f"{place}: "
    return f"{where}{name} ended without sending a response; it must send or pass on one."


def _intercepted(scope: Scope, did: str) -> NotStatic:
    """What came of the render isn't the route's: its operation never ran."""
    name, place = scope.standing or ("the inner application", None)
    return NotStatic(DynamicUse(f"{name} {did} in place of GET", place), intercepted=True)


def _forgiving_afterwork(operation: ASGIApp) -> ASGIApp:
    """A background task that fails once the answer is whole doesn't unmake the answer."""

    async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
        whole = False

        async def noting(message: Message) -> None:
            nonlocal whole
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await operation(scope, receive, noting)
        except (Exception, SystemExit, KeyboardInterrupt):
            if not whole:
                raise
            log.exception("a background task of %s failed", scope["path"])

    return app


def _empty_body() -> Receive:
    """A `receive` that has an empty body, and then a client that never goes away."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.get_running_loop().create_future()
        sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive
