"""The renderer: runs the GET of a path for everybody, and collects its answer."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from millpond.errors import UsageError
from millpond.messages import at
from millpond.policy.http.storing import storable_status
from millpond.policy.lifetime import Lifetime
from millpond.policy.tags import MAX_TAGS_OF_ONE
from millpond.render.after import drop_after
from millpond.render.base_exceptions import CANCELLATION, as_exception
from millpond.render.request.tracked_asgi_scope import SHARED_RENDER
from millpond.render.route_in_scope import say_route
from millpond.render.scopes.current_scope import enter, leave
from millpond.render.scopes.dynamic_use import DynamicUse, NotStatic
from millpond.render.scopes.inputs import Inputs
from millpond.render.scopes.live_scope import LiveScope
from millpond.render.scopes.shared_scope import SharedScope
from millpond.routes.path import last_slash
from millpond.routes.results.upstream_answers import is_status_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as ASGIScope

    from millpond.policy.compat import Compat
    from millpond.render.scopes.attachments import Attachments
    from millpond.render.scopes.draft import DraftState
    from millpond.render.scopes.scope import OperationScope
    from millpond.render.target import Target

log = logging.getLogger("millpond.render")

OPERATION = "millpond.operation"
"""The key of an ASGI scope under which the matched operation is found."""

_SAFE = "/!$&'()*+,;=:@~"

SERVER = ("localhost", 3000)
"""The host and port that shared renders see, instead of a visitor's Host header (R3.6, R3.12)."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The answer of one shared render, and what was learnt in it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    lifetime: Lifetime
    tags: tuple[str, ...]
    inputs: Inputs | None = None
    """None while serving."""
    jitter: float | None = None
    """The share of the lifetime by which it may go stale earlier; None: the configuration's."""
    client_stale: float | None = None
    """Seconds for which clients may keep it; None: nobody has said so."""


@dataclass(slots=True)
class _Collector:
    """The `send` of a shared render: collects the answer, up to a limit."""

    scope: SharedScope
    limit: int
    """Bytes."""
    status: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self._keep(message.get("body", b""))
            self.scope.answer_complete = not message.get("more_body", False)

    def _keep(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self.limit:
            self.scope.end(f"an answer of more than {self.limit} bytes (cache.max_entry_bytes)")
        self.chunks.append(bytes(chunk))


@dataclass(frozen=True, slots=True)
class Renderer:
    """Runs operations for everybody, inside of the middleware for renders and the exception handlers."""

    app: ASGIApp
    """Runs the operation of a scope; see `OPERATION`."""
    project: Path
    compat: Compat
    expire_time: float
    """Seconds; the `expire` of time-based answers that set none (R4.20)."""
    max_bytes: int
    """The largest answer that is collected; a larger one makes its path live."""
    attachments: Attachments
    """What each scope carries for the rooms above."""
    finish: Callable[[OperationScope], None]
    """Runs the `after` callbacks of a render in the background."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """What the application's lifespan yields for `request.state`."""
    base_path: str = ""
    """The prefix of every path: the `root_path` of a render."""
    trailing_slash: bool = False
    """Whether the paths of route files end in a slash."""
    cache_components: bool = False

    async def shared(self, target: Target, *, at_build: bool = False) -> Rendered:
        """Run GET for everybody, with a made-up request that is tracked as the route's config says (A.2).

        Args:
            target: what to render.
            at_build: at build; otherwise while serving.

        Raises:
            NotStatic: request data was read, also if the handler swallowed DynamicAccess (R3.10); or middleware
                answered in place of the operation.
            Exception: what the handler raised.
        """
        first = self.shared_scope(target, at_build=at_build)
        rendered = await self._attempt(first)
        if rendered is not None:
            return rendered
        again = self.shared_scope(target, at_build=at_build)
        again.takes_stale = True
        rendered = await self._attempt(again)
        if rendered is None:  # never: such a scope withholds nothing
            raise UsageError(_unanswered(again, target))
        return rendered

    async def _attempt(self, scope: SharedScope) -> Rendered | None:
        """The answer; None if it hides an upstream's error, where stale data could be used in its place.

        The handler sees the error first: it may answer by a status of its own, or raise, as it always could.
        """
        hides = False
        try:
            rendered = await self.render_in(scope)
            hides = scope.stale_withheld and 200 <= rendered.status < 300
        except Exception as error:
            # raise_for_status: the handler needs an answer, and any will do
            hides = scope.stale_withheld and is_status_error(error)
            if not hides:
                raise
        finally:
            if scope.dynamic_use is None and not hides:
                self.finish(scope)
            else:
                drop_after(scope)
        return None if hides else rendered

    async def render_in(self, scope: SharedScope) -> Rendered:
        """As `shared`, in a given scope; the caller runs or drops its `after` callbacks."""
        target, revalidate = scope.target, scope.segment.revalidate
        if revalidate:
            scope.lifetime = Lifetime(revalidate)
        collector = _Collector(scope, self.max_bytes)
        scope.tags.update(dict.fromkeys(target.route.tags))
        token = enter(scope)
        try:
            await self.app(self._asgi_scope(scope, target), _sending(target), collector.send)
        except CANCELLATION:
            raise
        except Exception as error:
            if scope.dynamic_use is None:
                if scope.operation_reached or scope.at_build:  # a build reports the traceback
                    raise
                raise _intercepted(scope, f"raised {type(error).__name__}") from error
        except BaseException as error:  # from a streamed body: `wrap_handler` converts the handler's own
            if scope.dynamic_use is None:
                raise as_exception(error) from error
        finally:
            leave(token)
        if collector.status is not None and storable_status(collector.status):  # other answers aren't stored
            scope.dynamic_use = scope.dynamic_use or scope.use_after_error
        if scope.dynamic_use is None and len(scope.tags) > MAX_TAGS_OF_ONE:
            scope.dynamic_use = DynamicUse(f"an answer with more than {MAX_TAGS_OF_ONE} tags", None)
        if scope.dynamic_use is not None:
            raise NotStatic(scope.dynamic_use, promise=scope.static_promise)
        return self._rendered(scope, collector, target)

    def shared_scope(self, target: Target, *, at_build: bool) -> SharedScope:
        """The scope for one shared render of `target`."""
        return SharedScope(
            method=target.method,
            at_build=at_build,
            target=target,
            segment=target.route.config,
            project=self.project,
            compat=self.compat,
            attachments=self.attachments,
            inputs=Inputs() if at_build else None,
            cache_components=self.cache_components,
        )

    def live_scope(self, target: Target, method: str, asgi: MutableMapping[str, Any], draft: DraftState) -> LiveScope:
        """The scope for one run of an operation of `target`, for the request of the ASGI scope `asgi`."""
        return LiveScope(
            asgi=asgi,
            draft=draft,
            method=method,
            target=target,
            segment=target.route.config,
            project=self.project,
            compat=self.compat,
            attachments=self.attachments,
        )

    def sent_path(self, target: Target) -> str:
        """The encoded path by which clients ask for a target, without a query."""
        slash = last_slash(target.segments, self.trailing_slash and target.route.follows_trailing_slash)
        return f"{quote(self.base_path, safe=_SAFE)}{target.path}{slash}"

    def _asgi_scope(self, scope: SharedScope, target: Target) -> dict[str, Any]:
        operation = target.operation
        slash = last_slash(target.segments, self.trailing_slash and target.route.follows_trailing_slash)
        asgi: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": target.method,
            "scheme": "http",
            "server": SERVER,
            "client": None,
            "root_path": self.base_path,
            "path": f"{self.base_path}/{'/'.join(target.segments)}{slash}",
            "raw_path": self.sent_path(target).encode("ascii"),
            "query_string": target.query.encode("ascii"),
            "headers": [
                *(() if target.variant is None else target.variant.headers),
                *(() if target.content is None else target.content.headers),
            ],
            "state": dict(self.state),
            "path_params": dict(target.params),
            OPERATION: tolerating_failed_background(operation.app),
            SHARED_RENDER: scope,
        }
        say_route(asgi, operation.told)
        return asgi

    def _rendered(self, scope: SharedScope, collector: _Collector, target: Target) -> Rendered:
        if collector.status is None:
            raise UsageError(_unanswered(scope, target))
        if not scope.operation_reached:
            raise _intercepted(scope, f"answered {collector.status}")
        return Rendered(
            status=collector.status,
            headers=tuple((bytes(name), bytes(value)) for name, value in collector.headers),
            body=b"".join(collector.chunks),
            lifetime=scope.lifetime.bounded(self.expire_time),
            tags=tuple(scope.tags),
            inputs=scope.inputs,
            jitter=scope.jitter,
            client_stale=scope.client_stale,
        )


def _unanswered(scope: SharedScope, target: Target) -> str:
    if scope.operation_reached:  # what was sent inside, and by which of them, isn't known any more
        return (
            f"{target.operation.place}: no response was sent, neither by what {target.method} returned nor by "
            "middleware around it; send one."
        )
    name, place = scope.innermost_middleware or ("the application", None)
    return f"{at(place)}{name} ended without sending a response; it must send or pass on one."


def _intercepted(scope: SharedScope, did: str) -> NotStatic:
    """The outcome of a render whose operation never ran: what middleware did isn't the route's answer."""
    name, place = scope.innermost_middleware or ("the application", None)
    return NotStatic(DynamicUse(f"{name} {did} in place of {scope.method}", place), intercepted=True)


def tolerating_failed_background(operation: ASGIApp) -> ASGIApp:
    """Log the error of a background task that fails once the answer is complete: the answer stays valid."""

    async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
        complete = False

        async def tracked_send(message: Message) -> None:
            nonlocal complete
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await operation(scope, receive, tracked_send)
        except (Exception, SystemExit, KeyboardInterrupt):
            if not complete:
                raise
            log.exception("a background task of %s failed", scope["path"])

    return app


def _sending(target: Target) -> Receive:
    """A `receive` with the body that is asked with, none for GET, and a client that never disconnects."""
    body = b"" if target.content is None else target.content.body
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.get_running_loop().create_future()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
