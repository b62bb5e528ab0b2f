"""What a test wants to be done in the event loop of a client, where only requests get: a request takes it there."""

from __future__ import annotations

import secrets
from asyncio import CancelledError
from typing import TYPE_CHECKING, Generic, TypeVar

from millpond.serve.sending import send_plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

T = TypeVar("T")

ERRAND = b"millpond-errand"
"""The header with an errand's number."""


class Errand(Generic[T]):
    """An ASGI application that does some work once, and answers without a body.

    Args:
        work: what is to be done.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self.number = secrets.token_hex(8)
        self._results: list[T] = []
        self._error: BaseException | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Those of the request that takes it along."""
        return {ERRAND.decode("ascii"): self.number}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do it."""
        del scope, receive
        try:
            self._results.append(await self._work())
        except CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised in the test
            self._error = error
        await send_plain(send, 204, [])

    def result(self) -> T:
        """What has come of it.

        Raises:
            BaseException: what the work has raised.
        """
        if self._error is not None:
            raise self._error
        return self._results[0]
