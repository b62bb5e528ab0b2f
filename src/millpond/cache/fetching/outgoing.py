"""The request that a call of fetch() sends: built from its options, which are checked here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_args

import httpx2

from millpond.cache.fetching.upstream import Redirect
from millpond.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millpond.policy.fetch_plan import CacheOption, RevalidateOption

FileContent: TypeAlias = bytes | str | IO[bytes]
File: TypeAlias = FileContent | tuple[str | None, FileContent] | tuple[str | None, FileContent, str | None]
"""Content; or file name and content; or file name, content and content type."""
Files: TypeAlias = "Mapping[str, File] | Sequence[tuple[str, File]]"
FormData: TypeAlias = Mapping[str, Any]

MOST_RETRIES = 10


class Body(NamedTuple):
    """What a call gives as the body of its request."""

    json: Any
    content: bytes | str | None
    data: FormData | None
    files: Files | None

    def checked(self) -> Body:
        """The body, if it can be sent.

        Raises:
            UsageError: there are several, or one that isn't known before it is sent.
        """
        given = [name for name, value in zip(self._fields, self, strict=True) if value is not None]
        if len(given) > 1 and set(given) != {"data", "files"}:
            raise UsageError(f"fetch(): {' and '.join(given)} are given, and a request has one body; give one of them.")
        if self.content is not None and not isinstance(self.content, bytes | str | bytearray | memoryview):
            raise UsageError(
                f"fetch(content={type(self.content).__name__}): the body of a request is part of the key, and is sent "
                "again after a redirect, so it must be known beforehand: give bytes or str, such as `await "
                "file.read()`; or files= for an upload."
            )
        if self.data is not None and not isinstance(self.data, Mapping):
            raise UsageError(
                f"fetch(data={type(self.data).__name__}): give the fields of a form by name; bytes and str are content."
            )
        return self

    def request(
        self,
        client: httpx2.AsyncClient,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> httpx2.Request:
        """The request, with what `client` adds to each."""
        content = self.content if isinstance(self.content, str | None) else bytes(self.content)
        return client.build_request(
            method.upper(),
            url,
            headers=headers,
            json=self.json,
            content=content,
            data=None if self.data is None else dict(self.data),
            files=self.files,
            timeout=httpx2.Timeout(timeout),
        )


def checked_cache(cache: CacheOption | None) -> CacheOption | None:
    """Raises UsageError: it is no such option."""
    if cache not in (None, "force-cache", "no-store"):
        raise UsageError(f'fetch(cache={cache!r}): the options are "force-cache" and "no-store".')
    return cache


def checked_revalidate(revalidate: RevalidateOption | None) -> RevalidateOption | None:
    """Raises UsageError: it is no lifetime (R5.2)."""
    number = isinstance(revalidate, int | float) and revalidate is not True
    if revalidate is None or revalidate is False or revalidate == "upstream":
        return revalidate
    if number and 0 <= revalidate < math.inf:
        return revalidate
    if revalidate == math.inf:  # as in cache_life (R5.1)
        return False
    raise UsageError(
        f'fetch(revalidate={revalidate!r}): give seconds, 0 or more, or False for no limit, or "upstream".'
    )


def redirect_of(redirect: Redirect | None, client: httpx2.AsyncClient | None) -> Redirect:
    """What becomes of redirects: as the call says, or the client that it gives, which may have its reasons.

    Raises:
        UsageError: it is no such option.
    """
    if redirect is None:
        return "follow" if client is None or client.follow_redirects else "manual"
    if redirect not in get_args(Redirect):
        raise UsageError(f'fetch(redirect={redirect!r}): the options are "follow", "manual" and "error".')
    return redirect


def checked_timeout(timeout: float | None) -> float | None:
    """Raises UsageError: it is no number of seconds."""
    seconds: object = timeout
    if seconds is None or (isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds == seconds):
        return timeout
    raise UsageError(f"fetch(timeout={timeout!r}): give the seconds for a complete answer, or None for no limit.")


def checked_retries(retries: int) -> int:
    """Raises UsageError: it is no such number."""
    number: object = retries
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MOST_RETRIES:
        raise UsageError(f"fetch(retries={retries!r}): give a number from 0 to {MOST_RETRIES}.")
    return retries
