"""Warms an application that runs in this process: without a port, a client, or the middleware for clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

from millpond.cache.rendering.render_failure import RenderFailed
from millpond.errors import StoreError
from millpond.policy.decision import Action
from millpond.prerender.plan import plan_taking
from millpond.render.renderer import SERVER
from millpond.render.scopes.dynamic_use import NotStatic
from millpond.render.target import Target
from millpond.routes.endpoints.matched_path import matched_path
from millpond.routes.public.public_file import PublicFile
from millpond.serve.configured.redirects import Redirects
from millpond.serve.matching.base_path import OUTSIDE, enter_base_path
from millpond.serve.matching.matcher import EarlyAnswer
from millpond.warm.asked_path import NotAsked, asked_path
from millpond.warm.log_lines import USER_AGENT
from millpond.warm.outcome import Outcome, Warmed

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

    from millpond.config import Config
    from millpond.prerender.plan import Plan
    from millpond.serve.dispatch import Dispatcher

MOST_REDIRECTS = 3
_CLOSED = "dynamic_params = False, and the path isn't listed"
_OUTCOMES = {Action.HIT: Outcome.HIT, Action.STALE: Outcome.STALE, Action.MISS: Outcome.RENDERED}


class WarmInside:
    """The `Warms` of an application.

    Args:
        app: answers requests from inside; see `InProcess`.
        dispatcher: of the runtime.
        config: the application's.
        live: whether to call routes that store nothing, too.
    """

    def __init__(self, app: ASGIApp, dispatcher: Dispatcher, config: Config, *, live: bool = False) -> None:
        self._app, self._dispatcher, self._config, self._live = app, dispatcher, config, live
        self._redirects = Redirects(config)

    async def warm(self, path: str) -> Warmed:
        """As `Warms.warm`: a stale answer is rendered anew, and waited for."""
        asked = path
        for _ in range(MOST_REDIRECTS):
            scope = self._scope(asked)
            moved = self._redirects.of(scope)
            location, status = (None, 0) if moved is None else (moved.location, moved.status)
            if location is None:
                if scope.get(OUTSIDE):
                    return await self._run(path, scope, "it is outside of base_path")
                matched = self._dispatcher.matcher.match(scope)
                if not isinstance(matched, EarlyAnswer):
                    break
                location, status = matched.location, matched.status
                if location is None:
                    return Warmed(path, Outcome.FAILED, status)
            try:
                asked = asked_path(location)
            except NotAsked as error:
                return Warmed(path, Outcome.SKIPPED, status, f"it redirects: {error}")
        else:
            return Warmed(path, Outcome.SKIPPED, status, "it redirects again and again")
        if isinstance(matched, PublicFile):
            return Warmed(path, Outcome.SKIPPED, why=f"a file: {matched.file}")
        if matched is not None:
            return await self._warm_target(path, scope, matched.plan, matched.target)
        taking = plan_taking(self._dispatcher.endpoint_plans.values(), matched_path(scope))
        if taking is None and self._dispatcher.matcher.declining(scope):
            return Warmed(path, Outcome.FAILED, 404, _CLOSED)
        if taking is None:
            return await self._run(path, scope, "live: no route that has a cache answers it")
        plan, taken = taking
        query = scope["query_string"]
        target = Target.of(plan.route, taken.segments, taken.params, query, fingerprint=plan.fingerprint)
        return await self._warm_target(path, scope, plan, target)

    async def read(self, path: str, most: int) -> bytes | None:
        """As `Warms.read`."""
        status, body = await self._answer(self._scope(path), most)
        return body if status == 200 else None

    async def _warm_target(self, path: str, scope: Scope, plan: Plan, target: Target) -> Warmed:
        if "GET" not in plan.route.operations:
            return Warmed(path, Outcome.SKIPPED, 405, "it has no GET")
        if plan.declines(target.path):
            return Warmed(path, Outcome.FAILED, 404, _CLOSED)
        if not plan.caches(target.path):
            return await self._run(path, scope, f"live: {plan.why.text}")
        responses = self._dispatcher.responses
        try:
            cached = responses.hit(target.key) or await responses.answer(target, waits=True)
        except NotStatic as ended:
            return await self._run(path, scope, f"live: {ended}")
        except RenderFailed as failed:
            error = failed.error
            return Warmed(path, Outcome.FAILED, 500, f"{type(error).__name__}: {error}")
        except StoreError as error:
            return Warmed(path, Outcome.FAILED, why=str(error))
        status = cached.entry.status
        if status >= 400:
            return Warmed(path, Outcome.FAILED, status)
        return Warmed(path, _OUTCOMES.get(cached.decision.action, Outcome.LIVE), status)

    async def _run(self, path: str, scope: Scope, why: str) -> Warmed:
        if not self._live:
            return Warmed(path, Outcome.SKIPPED, why=why)
        status, _ = await self._answer(scope, 0)
        return Warmed(path, Outcome.FAILED, status) if status >= 400 else Warmed(path, Outcome.LIVE, status, why)

    def _scope(self, path: str) -> Scope:
        encoded, _, query = path.partition("?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(encoded),
            "raw_path": encoded.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [(b"host", SERVER[0].encode("ascii")), (b"user-agent", USER_AGENT.encode("ascii"))],
            "client": None,
            "server": SERVER,
            "state": {},
        }
        if self._config.base_path:
            enter_base_path(scope, "", self._config.base_path)
        return scope

    async def _answer(self, scope: Scope, most: int) -> tuple[int, bytes]:
        """The status, and the body unless it is longer than `most`."""
        status, size, body, is_sent = 500, 0, list[bytes](), False

        async def receive() -> Message:
            nonlocal is_sent
            if is_sent:
                await asyncio.Event().wait()  # there is no client that disconnects
            is_sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            part = message.get("body", b"")
            size += len(part)
            if size <= most:
                body.append(part)

        # `InProcess` enters the base path itself.
        fresh = {key: value for key, value in scope.items() if key != OUTSIDE}
        await self._app({**fresh, "root_path": ""}, receive, send)
        return status, b"".join(body) if size <= most else b""
