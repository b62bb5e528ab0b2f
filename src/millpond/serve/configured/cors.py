"""What Starlette's CORSMiddleware does to an answer, found out by asking it: its rules are in no second place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.middleware.cors import CORSMiddleware

from millpond.internals.starlette_names import is_cors_original

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.middleware import Middleware
    from starlette.types import Message, Receive, Scope, Send

_ANSWER = "millpond.answer"
"""The key of the scope under which the middleware's application finds the answer that it sends."""


class WaitingMiddleware(Exception):
    """Starlette's class waits before it answers, as none of the known versions does. The request goes through ASGI."""


class Cors:
    """A CORSMiddleware with its options.

    Args:
        args: for CORSMiddleware, after the application.
        options: keyword arguments for it.
    """

    def __init__(self, args: Sequence[Any], options: Mapping[str, Any]) -> None:
        self._given = tuple(args), dict(options)
        self._middleware = CORSMiddleware(_send_given, *args, **options)

    def __eq__(self, other: object) -> bool:
        """Equal options give equal answers."""
        return isinstance(other, Cors) and self._given == other._given

    __hash__ = None  # type: ignore[assignment]  # options may be lists

    def apply(self, headers: list[tuple[bytes, bytes]], status: int, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """The headers of an answer to a request that is no preflight, as the middleware would send them.

        Its coroutine is run on the spot. That is possible because it awaits nothing but what it calls, and that
        doesn't wait either.

        Args:
            headers: of the answer; the list isn't changed.
            status: of the answer.
            origin: the first Origin of the request, if it has one: nothing else of it matters.

        Raises:
            WaitingMiddleware: the middleware waits for something.
        """
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "headers": [] if origin is None else [(b"origin", origin)],
            _ANSWER: {"type": "http.response.start", "status": status, "headers": headers},
        }
        running = self._middleware(scope, _receive_nothing, keep)
        try:
            running.send(None)
        except StopIteration:
            answered: list[tuple[bytes, bytes]] = sent[0]["headers"]
            return answered
        running.close()
        raise WaitingMiddleware


async def _send_given(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    await send(scope[_ANSWER])


async def _receive_nothing() -> Message:
    raise WaitingMiddleware


def recognised_cors(user_middleware: Sequence[Middleware]) -> Cors | None:
    """The only middleware of an application, if that is Starlette's own CORSMiddleware; None if it isn't.

    A subclass may do more, and an agent may have replaced its functions to see each request: then it must be called.

    Raises:
        TypeError: it was added with options that it doesn't have.
    """
    if len(user_middleware) != 1 or not is_cors_original():
        return None
    ((middleware_class, args, options),) = user_middleware
    return Cors(args, options) if middleware_class is CORSMiddleware else None
