"""The body of an upstream's answer in bounded pieces: a few kilobytes of it can stand for gigabytes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx2

from millpond.routes.results.decoded import codings_of, decodable
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

_MOST_CODINGS = 5
"""As httpx2 has it, and browsers: nobody applies more for a good reason."""


class _Pieces(httpx2.AsyncByteStream):
    """What one coding has left, for the next one."""

    def __init__(self, pieces: AsyncGenerator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        await self._pieces.aclose()


def decoded(answer: httpx2.Response, max_bytes: int) -> AsyncGenerator[bytes]:
    """The pieces of the body, without the codings that httpx2 takes off.

    Each coding is a stream of its own, and each is counted: what decodes to nothing may have been gigabytes in between.
    The loop runs between any two pieces, so that a time limit holds as well.

    Args:
        answer: its body hasn't been read, unless its transport has it in memory anyway.
        max_bytes: the most that comes, or is left of it after each coding.

    Raises:
        httpx2.ReadError: there is more.
        httpx2.DecodingError: it can't be decoded.
    """
    if answer.is_stream_consumed:
        return _counted(answer.aiter_bytes(), answer.request, max_bytes)
    codings = [coding for coding in codings_of(answer.headers.raw) if coding in decodable()]
    if len(codings) > _MOST_CODINGS:
        message = f"{_name_of(answer.request)} answered in {len(codings)} content codings; {_MOST_CODINGS} are the most"
        raise httpx2.DecodingError(message, request=answer.request)
    pieces = _counted(answer.aiter_raw(), answer.request, max_bytes)
    for coding in reversed(codings):
        left = httpx2.Response(
            200, headers={"content-encoding": coding}, stream=_Pieces(pieces), request=answer.request
        )
        pieces = _counted(left.aiter_bytes(), answer.request, max_bytes)
    return pieces


def too_large(request: httpx2.Request, max_bytes: int) -> httpx2.ReadError:
    """The error for an answer that is larger than fetch() reads."""
    return httpx2.ReadError(
        f"{_name_of(request)} answered more than the {max_bytes} bytes of cache.max_fetch_bytes; "
        "ask for less of it, or raise that limit.",
        request=request,
    )


async def _counted(pieces: AsyncGenerator[bytes], request: httpx2.Request, max_bytes: int) -> AsyncGenerator[bytes]:
    size = 0
    async with aclosing(pieces):
        async for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise too_large(request, max_bytes)
            yield piece
            await asyncio.sleep(0)


def _name_of(request: httpx2.Request) -> str:
    return f"{request.method} {redacted(request.url)}"
