"""What tells one cached fetch from another (R5.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from millpond.cache.fetching.upstream import authenticated, hooked, shared_client
from millpond.errors import UsageError
from millpond.policy.key import data_key
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    import httpx2

    from millpond.cache.fetching.upstream import Redirect

NOT_IN_KEY = frozenset({"traceparent", "tracestate"})  # they differ for each request, but don't affect the answer
_OF_THE_CLIENT = frozenset({"accept-encoding", "connection", "content-length", "host", "user-agent"})


class FetchKey(NamedTuple):
    """The key of a call."""

    key: str
    authorized: bool
    """Whether the call has credentials of HTTP, whoever adds them (RFC 9111 §3.5)."""


async def key_of(
    client: httpx2.AsyncClient,
    request: httpx2.Request,
    given: frozenset[str],
    redirect: Redirect,
    *,
    ones_own: bool,
) -> FetchKey:
    """Method, URL, headers in any order and case, and body: as sent, with what the client's auth and hooks add.

    A client of one's own may refuse hosts to which an upstream redirects: its calls have entries of their own, as have
    those that don't follow redirects.

    Args:
        client: sends the request.
        request: before the client's hooks.
        given: the names of headers that the call gives, in lower case.
        redirect: what becomes of redirects.
        ones_own: whether the call gives the client.

    Raises:
        UsageError: what the client's `auth` adds isn't known beforehand.
    """
    seen = await hooked(client, await _authenticated(client, request))
    # A client may set its own Host or User-Agent, for which the upstream answers differently.
    usual = {
        **shared_client().headers,
        "host": seen.url.netloc.decode("ascii"),
        "content-length": seen.headers.get("content-length"),
    }
    left_out = NOT_IN_KEY | {name for name in _OF_THE_CLIENT - given if seen.headers.get(name) == usual.get(name)}
    headers = sorted(
        name.lower() + b"\0" + value
        for name, value in seen.headers.raw
        if name.lower().decode("latin-1") not in left_out
    )
    url = str(seen.url.copy_with(fragment=None))
    sent_by = f"{redirect}\0{ones_own}"
    key = data_key("fetch", seen.method.encode(), url.encode(), seen.content, sent_by.encode(), *headers)
    has_auth = client.auth is not None or bool(request.url.userinfo)
    return FetchKey(key, has_auth or "authorization" in seen.headers)


async def _authenticated(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Request:
    sent = await authenticated(client, request)
    if sent is None:
        raise UsageError(
            f"fetch({redacted(request.url)}, client=…): what the client's auth adds isn't known beforehand, so "
            'answers for different users would be mixed up; give the header in headers, or cache="no-store".'
        )
    return sent
