"""Warms a server at a URL: with a client's requests, and never at another host."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx2

from millpond.errors import CommandError
from millpond.warm.asked_path import NotAsked, asked_path
from millpond.warm.outcome import Outcome, Warmed
from millpond.warm.warm_inside import MOST_REDIRECTS

if TYPE_CHECKING:
    from typing import Self

    from millpond.warm.built_modes import BuiltModes

_OUTCOMES = {"HIT": Outcome.HIT, "STALE": Outcome.STALE, "MISS": Outcome.RENDERED}
_LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that are waited for; a stream may have no end."""


class WarmServer:
    """The `Warms` of a server; an async context manager.

    Args:
        origin: of the server.
        agent: who asks, as User-Agent says it.
        modes: by a build of it that is here; None if there is none.
        concurrency: connections.
        timeout: seconds for a connection, and between two pieces of an answer.
        live: whether to ask for what stores nothing, too, as far as that is known before.
        transport: of another way to the server.
    """

    def __init__(
        self,
        origin: str,
        agent: str,
        modes: BuiltModes | None,
        concurrency: int,
        timeout: float,
        *,
        live: bool = False,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._origin, self._modes, self._live, self._is_there = origin, modes, live, False
        self._client = httpx2.AsyncClient(
            headers={"user-agent": agent},
            limits=httpx2.Limits(max_connections=concurrency),
            timeout=timeout,
            follow_redirects=False,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def warm(self, path: str) -> Warmed:
        """As `Warms.warm`; a stale answer is rendered anew after it was sent.

        Raises:
            CommandError: no request has reached the server.
        """
        why = None if self._modes is None or self._live else self._modes.why_live(path)
        if why is not None:
            return Warmed(path, Outcome.SKIPPED, why=why)
        asked = path
        for _ in range(MOST_REDIRECTS + 1):
            try:
                async with self._client.stream("GET", self._origin + asked) as answer:
                    self._is_there = True
                    status, headers = answer.status_code, answer.headers
                    if 300 <= status < 400 and "location" in headers:
                        asked = asked_path(urljoin(self._origin + asked, headers["location"]), (self._origin,))
                        continue
                    size = 0
                    async for piece in answer.aiter_raw():
                        size += len(piece)
                        if size > _LONGEST_ANSWER:
                            return Warmed(path, Outcome.FAILED, status, f"it has more than {_LONGEST_ANSWER} bytes")
            except NotAsked as error:
                return Warmed(path, Outcome.SKIPPED, status, f"it redirects: {error}")
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                self._refuse_unreached(error)
                return Warmed(path, Outcome.FAILED, why=f"{type(error).__name__}: {error}")
            if status >= 400:
                return Warmed(path, Outcome.FAILED, status)
            outcome = _OUTCOMES.get(headers.get("x-nextjs-cache", ""), Outcome.LIVE)
            return Warmed(path, outcome, status, "live: the answer isn't stored" if outcome is Outcome.LIVE else None)
        return Warmed(path, Outcome.SKIPPED, status, "it redirects again and again")

    async def read(self, path: str, most: int) -> bytes | None:
        """As `Warms.read`.

        Raises:
            CommandError: no request has reached the server.
        """
        try:
            # What is compressed all the same is unpacked by whoever reads it, within bounds.
            plain = {"accept-encoding": "identity"}
            async with self._client.stream("GET", self._origin + path, headers=plain) as answer:
                self._is_there = True
                if answer.status_code != 200:
                    return None
                body, size = list[bytes](), 0
                async for piece in answer.aiter_raw():
                    size += len(piece)
                    if size > most:
                        return None
                    body.append(piece)
                return b"".join(body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            self._refuse_unreached(error)
            return None

    def _refuse_unreached(self, error: Exception) -> None:
        if not self._is_there:
            raise CommandError(
                f"{self._origin} can't be reached: {str(error) or type(error).__name__}. Is the server running?"
            ) from None
