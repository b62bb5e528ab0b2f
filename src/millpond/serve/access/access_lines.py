"""Lines of the access log on their way to a stream: written together, as web servers do.

A record of `logging` costs several times what a hit does. So lines go by another way as long as nobody but Millpond's
own handler would get the records: a handler, filter or factory of the project's, such as that of a tracer, gets them as
ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
from collections import deque
from typing import TYPE_CHECKING

from millpond.serve.access.line_format import access

if TYPE_CHECKING:
    import threading
    from typing import TextIO

    from millpond.serve.access.line_format import LineFormat

FLUSH_SECONDS = 0.5
"""A line is written after this time at the latest, while the event loop isn't blocked."""
MOST_CHARACTERS = 32_768
"""Lines are written when there are so many."""

_PLAIN_CHAIN = (logging.Logger.handle, logging.Logger.callHandlers, logging.Logger.makeRecord)


class AccessLines:
    """What was logged and isn't written yet.

    Args:
        handler: whose stream it is; lines are as a record of it would be.
        format: of the lines.
        at_once: write each line immediately.
    """

    def __init__(self, handler: logging.StreamHandler[TextIO], format: LineFormat, *, at_once: bool) -> None:  # noqa: A002 - as in logging
        self.format = format
        self._handler, self._at_once = handler, at_once
        self._own_filters = [*handler.filters]
        self._waiting: deque[str] = deque()
        self._characters = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        """The one that will write what is waiting."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._waiting.clear)  # the parent writes them

    def are_heard_alone(self) -> bool:
        """Whether nobody else would get the records. It is looked at for the first of the lines that wait together."""
        if self._waiting:
            return True
        millpond, root = logging.getLogger("millpond"), logging.getLogger()
        return (
            root.handlers == [self._handler]
            and self._handler.filters == self._own_filters
            and not (access.handlers or millpond.handlers or access.filters)
            and access.propagate
            and millpond.propagate
            and logging.getLogRecordFactory() is logging.LogRecord
            and (type(access).handle, type(access).callHandlers, type(access).makeRecord) == _PLAIN_CHAIN
        )

    def add(self, line: str) -> None:
        """Take a line, without its end."""
        waiting = self._waiting
        if not waiting and not self._is_written_later():
            waiting.append(line)
            self.write()
            return
        waiting.append(line)
        self._characters += len(line)
        if self._characters >= MOST_CHARACTERS:
            self.write()

    def write(self) -> None:
        """Write what is waiting."""
        lock: threading.RLock = self._handler.lock  # type: ignore[assignment]
        with lock:
            self._characters = 0
            waiting, stream, most = self._waiting, self._handler.stream, self._most_at_once()
            piece: list[str] = []
            size = 0
            while waiting:
                line = f"{waiting.popleft()}\n"
                length = len(line) if line.isascii() else len(line.encode("utf-8", "replace"))
                if piece and size + length > most:
                    self._say(stream, "".join(piece))
                    piece, size = [], 0
                piece.append(line)
                size += length
            if piece:
                self._say(stream, "".join(piece))

    def _is_written_later(self) -> bool:
        if self._at_once:
            return False
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if loop is not self._loop:
            self._loop = loop
            loop.call_later(FLUSH_SECONDS, self._write_later)
        return True

    def _write_later(self) -> None:
        self._loop = None
        self.write()

    def _most_at_once(self) -> int:
        """Bytes. Workers share a pipe, which keeps pieces of this size whole (POSIX, `write`)."""
        try:
            is_file = stat.S_ISREG(os.fstat(self._handler.stream.fileno()).st_mode)
        except (OSError, ValueError):  # a stream in memory
            is_file = True
        return MOST_CHARACTERS * 4 if is_file else getattr(select, "PIPE_BUF", 512)

    def _say(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except Exception:  # noqa: BLE001 - as of any handler: what it does about a full disk, say, is configured
            lost = logging.makeLogRecord({"name": access.name, "msg": f"{text.count(chr(10))} lines can't be written"})
            self._handler.handleError(lost)
