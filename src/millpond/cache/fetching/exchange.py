"""One request to an upstream, or to this application, and its answer: a new one, or that the stored one still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import httpx2

from millpond.cache.fetch_chain import waited_for_by
from millpond.cache.fetching.kept_answer import shareable, way_of
from millpond.cache.fetching.upstream import send
from millpond.policy.upstream.validators import matches, renewed_headers, validators

if TYPE_CHECKING:
    from millpond.cache.fetch_chain import FetchChain
    from millpond.cache.fetching.upstream import Limits, Redirect
    from millpond.cache.fetching.upstream_calls import UpstreamCalls
    from millpond.cache.told import OwnAnswer, Told
    from millpond.policy.entry import Came, Entry, Headers
    from millpond.render.scopes.scope import Scope

_CONDITIONS = ("if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range")
_CACHEABLE = ("GET", "HEAD", "QUERY")


class SharedAnswer(NamedTuple):
    """What is kept of an answer."""

    status: int
    headers: Headers
    body: bytes
    came: Came


class Exchange(NamedTuple):
    """A request that is ready to be sent."""

    sender: httpx2.AsyncClient
    request: httpx2.Request
    limits: Limits
    redirect: Redirect
    chain: FetchChain
    """The answers of this application that will wait for this one."""
    own: OwnAnswer | None
    """Hears of the answer, if this application gives it."""
    calls: UpstreamCalls | None = None
    """Counts the requests that are sent."""

    async def answer(self) -> httpx2.Response:
        """A new answer.

        Raises:
            httpx2.HTTPError: see `send`.
            UsageError: this application would wait for itself.
        """
        return await self._sent(self.request, self.limits)

    async def heard_by(self, scope: Scope) -> httpx2.Response:
        """The answer; what it tells counts for `scope`, also if it fails."""
        try:
            return await self.answer()
        finally:
            if self.own is not None:
                learn(scope, self.own.told())

    async def shared_answer(self, stored: Entry | None, *, invalidated: bool) -> SharedAnswer:
        """An answer for all who wait for it, however long it takes.

        Where the stored one has a validator, the upstream is asked whether it still holds: a 304 has no body, and
        updates the headers (RFC 9111 §4.3).

        Args:
            stored: the stored answer.
            invalidated: whether it was invalidated since.
        """
        patient = self.limits._replace(seconds=None)
        conditions = () if stored is None else self._conditions(stored)
        if invalidated:  # the date has whole seconds: two versions may have the same
            conditions = tuple(pair for pair in conditions if pair[0] == b"If-None-Match")
        if stored is not None and conditions:
            answer = await self._sent(self._request(conditions), patient)
            if answer.status_code != httpx2.codes.NOT_MODIFIED:
                return _answered(answer)
            if self._still_holds(answer, stored):
                return stored_again(stored, answer)
        return _answered(await self._sent(self._request(()), patient))

    async def _sent(self, request: httpx2.Request, limits: Limits) -> httpx2.Response:
        with waited_for_by(self.chain):
            return await send(self.sender, request, limits, self.redirect, self.calls)

    def _conditions(self, stored: Entry) -> tuple[tuple[bytes, bytes], ...]:
        request = self.request
        asks_itself = any(name in request.headers for name in _CONDITIONS)
        if self.own is not None or stored.status != httpx2.codes.OK or request.method not in _CACHEABLE or asks_itself:
            return ()
        return validators(stored.headers)

    def _request(self, conditions: tuple[tuple[bytes, bytes], ...]) -> httpx2.Request:
        """A copy without the first caller's time limit: others with longer ones may come to wait for the answer."""
        request = self.request
        timeout = httpx2.Timeout(None).as_dict()
        return httpx2.Request(
            request.method,
            request.url,
            headers=[*request.headers.raw, *conditions],
            content=request.content,
            extensions={**request.extensions, "timeout": timeout},
        )

    def _still_holds(self, answer: httpx2.Response, stored: Entry) -> bool:
        """Whether a 304 is about the stored answer, and not about that of another URL or about another version."""
        url = stored.came.url if stored.came is not None and stored.came.hops else str(self.request.url)
        return str(answer.request.url) == url and matches(stored.headers, tuple(answer.headers.raw))


def _answered(answer: httpx2.Response) -> SharedAnswer:
    return SharedAnswer(answer.status_code, shareable(answer.headers.raw), answer.content, way_of(answer))


def stored_again(stored: Entry, not_modified: httpx2.Response) -> SharedAnswer:
    """The stored answer, renewed by a 304."""
    headers = renewed_headers(stored.headers, shareable(not_modified.headers.raw))
    came = way_of(not_modified) if stored.came is None else stored.came
    return SharedAnswer(stored.status, headers, stored.body, came)


def learn(scope: Scope, told: Told) -> None:
    """What data has told counts for the answer or the result that is made of it."""
    scope.learn(told.lifetime, told.tags)
