"""Decode the body of an upstream's answer with a size limit: a few compressed kilobytes can expand to gigabytes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx2

from millpond.cache.fetching.content.checked_decoders import CHECKED_DECODERS
from millpond.routes.results.decoded import codings_of, decodable
from millpond.routes.results.passed_on import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

_MAX_CODINGS = 5
"""The same limit as in httpx2 and in browsers: there is no good reason for more."""


class _Pieces(httpx2.AsyncByteStream):
    """The decoded output of one coding, as the input of the next one."""

    def __init__(self, pieces: AsyncGenerator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        await self._pieces.aclose()


def decoded(answer: httpx2.Response, max_bytes: int, before: int = 0) -> AsyncGenerator[bytes]:
    """The pieces of the body, with the codings removed that httpx2 supports.

    Each coding is decoded as a separate stream, and the output of each is counted: a body that is empty in the end may
    have been gigabytes in between. It yields to the event loop after each piece, so that a time limit can take effect.

    Args:
        answer: an answer whose body hasn't been read, unless its transport holds it in memory anyway.
        max_bytes: the maximum size of the body as received, and after each decoding.
        before: bytes that count, too: those of the redirects that led here.

    Raises:
        httpx2.ReadError: the body exceeds `max_bytes`.
        httpx2.DecodingError: the body can't be decoded.
    """
    if answer.is_stream_consumed:
        return _counted(answer.aiter_bytes(), answer.request, max_bytes, before)
    codings = [coding for coding in codings_of(answer.headers.raw) if coding in decodable()]
    if len(codings) > _MAX_CODINGS:
        message = (
            f"{_name_of(answer.request)} answered in {len(codings)} content codings; the maximum is {_MAX_CODINGS}"
        )
        raise httpx2.DecodingError(message, request=answer.request)
    pieces = _counted(answer.aiter_raw(), answer.request, max_bytes, before)
    for coding in reversed(codings):
        if coding in CHECKED_DECODERS:
            once = _checked(pieces, coding, answer.request)
        else:
            headers = {"content-encoding": coding}
            once = httpx2.Response(200, headers=headers, stream=_Pieces(pieces), request=answer.request).aiter_bytes()
        pieces = _counted(once, answer.request, max_bytes, before)
    return pieces


def too_large(request: httpx2.Request, max_bytes: int) -> httpx2.ReadError:
    """The error for an answer that exceeds the limit of fetch()."""
    return httpx2.ReadError(
        f"{_name_of(request)} answered more than the {max_bytes} bytes of cache.max_fetch_bytes; "
        "request less data, or raise that limit.",
        request=request,
    )


async def _checked(pieces: AsyncGenerator[bytes], coding: str, request: httpx2.Request) -> AsyncGenerator[bytes]:
    decoder, is_empty = CHECKED_DECODERS[coding](), True
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                is_empty = is_empty and not piece
                for output in decoder.decode(piece):
                    yield output
        except ValueError as error:
            raise httpx2.DecodingError(f"{_name_of(request)}: {error}", request=request) from error
    if not is_empty and not decoder.is_complete:  # an answer to HEAD has no body, whatever its headers say
        raise httpx2.DecodingError(f"the {coding} body of {_name_of(request)} breaks off", request=request)


async def _counted(
    pieces: AsyncGenerator[bytes], request: httpx2.Request, max_bytes: int, size: int
) -> AsyncGenerator[bytes]:
    async with aclosing(pieces):
        async for piece in pieces:
            size += len(piece)
            if size > max_bytes:
                raise too_large(request, max_bytes)
            yield piece
            await asyncio.sleep(0)


def _name_of(request: httpx2.Request) -> str:
    return f"{request.method} {redacted(request.url)}"
