"""Answers with files of `public/`: conditions, codings and ranges. Starlette's FileResponse reads and sends them."""

from __future__ import annotations

import logging
import stat
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from millpond.errors import UnsendableError
from millpond.policy.http.byte_ranges import satisfiable
from millpond.policy.http.coding import chosen
from millpond.policy.http.conditional import Conditions, headers_of_304
from millpond.routes.public.public_file import METHODS
from millpond.serve.public.content_tags import ContentTags
from millpond.serve.public.media_type import media_type
from millpond.serve.sending import FramedSend, send_plain

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from millpond.policy.entry import Coding, Headers
    from millpond.routes.public.public_file import PublicFile
    from millpond.routes.public.public_folder import PublicFolder

log = logging.getLogger("millpond.serve")

CACHE_CONTROL = "public, max-age=0"
"""Kept by browsers and proxies, which ask each time: the URL doesn't change with the content. As in the original."""


class _Representation(NamedTuple):
    """The file that is sent: itself, or its content compressed."""

    path: Path
    coding: Coding | None
    told: os.stat_result
    etag: str


class PublicAnswers:
    """Answers requests for files of one folder."""

    def __init__(self, folder: PublicFolder) -> None:
        self._folder, self._tags = folder, ContentTags()

    async def __call__(self, file: PublicFile, asgi: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file.

        Raises:
            HTTPException: 405 for other methods than GET and HEAD; 404 if the file has gone; 500 if it can't be read.
        """
        if asgi["method"] not in METHODS:
            raise HTTPException(405, headers={"allow": ", ".join(METHODS)})
        sending = FramedSend(send, asgi["method"], file.file)
        try:
            found = await anyio.to_thread.run_sync(self._selected, file, asgi["headers"])
            if found is not None:
                await _send(file, found, asgi, receive, sending)
                return
        except FileNotFoundError:  # between the two looks at it
            if sending.status is not None:
                raise
        except OSError as error:
            if sending.status is not None:
                raise
            log.error("%s can't be read: %s", file.file, error.strerror)
            raise HTTPException(500) from None
        except UnsendableError as error:
            log.error("%s was changed while it was sent: %s", file.file, error)
            if sending.status is None:
                await send_plain(send, 500)
            return
        raise HTTPException(404)

    def _selected(self, file: PublicFile, request: Headers) -> _Representation | None:
        """What to send; None if the file has gone, or now leads elsewhere."""
        available: list[Coding] = list(file.codings)
        accepted = b",".join([value for name, value in request if name == b"accept-encoding"])
        while available and (coding := chosen(accepted, tuple(available))) is not None:
            found = self._look(file.compressed(coding), coding)
            if found is not None:
                return found
            available.remove(coding)
        return self._look(file.path, None)

    def _look(self, path: Path, coding: Coding | None) -> _Representation | None:
        try:
            told = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(told.st_mode) or not self._folder.holds(path):
            return None
        return _Representation(path, coding, told, self._tags.of(path, told))


async def _send(file: PublicFile, found: _Representation, asgi: Scope, receive: Receive, send: Send) -> None:
    headers = {
        "cache-control": CACHE_CONTROL,
        "etag": found.etag,
        # Never later than Date (RFC 9110 §8.8.2.1): a file may come from a machine whose clock is fast.
        "last-modified": formatdate(min(found.told.st_mtime, time.time()), usegmt=True),
    }
    if file.codings:
        headers["vary"] = "accept-encoding"
    if found.coding is not None:
        headers["content-encoding"] = found.coding
    raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
    if Conditions.of(asgi["headers"]).hold(200, raw):
        answer = Response(status_code=304)
        answer.raw_headers[:] = headers_of_304(raw)
        await answer(asgi, receive, send)
        return
    kind = media_type(file.path.name)
    response = FileResponse(found.path, headers=headers, media_type=kind, stat_result=found.told)
    await response(_with_plain_range(asgi, found.told.st_size), receive, send)


def _with_plain_range(asgi: Scope, size: int) -> Scope:
    """The scope with the ranges that can be sent: FileResponse refuses others with 400, and answers a HEAD with 206.

    RFC 9110 §14.2 has a server ignore what is malformed, and ranges of other methods than GET.
    """
    ranges = [value for name, value in asgi["headers"] if name == b"range"]
    if not ranges:
        return asgi
    kept = satisfiable(ranges[0], size) if len(ranges) == 1 and asgi["method"] == "GET" else None
    others = [pair for pair in asgi["headers"] if pair[0] != b"range"]
    return {**asgi, "headers": others if kept is None else [*others, (b"range", kept)]}
