"""What has happened lately: a bounded file of events that all processes of a host write, and that outlives them.

Each event is a line, appended by one write, so that lines of several processes don't mix. When the file is full, it
becomes the former one, and a new one begins: the two hold at least `MOST_EVENTS`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

log = logging.getLogger("millpond.telemetry")

MOST_EVENTS = 10_000
KEPT_SECONDS = 7 * 24 * 3600.0
_MOST_BYTES = 8 * 1024 * 1024
"""Of one of the two files."""
_MOST_READ = 1024 * 1024
"""Bytes that `appended` reads."""
_LONGEST_LINE = 16 * 1024
_LONGEST_TEXT = 1000
_MOST_TAGS, _MOST_FRAMES = 20, 30

EventKind = Literal["invalidation", "failure", "recovery", "deploy", "eviction", "purge", "cron", "start", "action"]
Origin = Literal["handler", "endpoint", "client", "cli", "cron", "admin"]


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a traceback."""

    place: str
    """File and line; the file relative to the project where it is in there."""
    function: str
    source: str = ""
    own: bool = False
    """Whether it is the project's, and no library's."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing that has happened."""

    at: float
    """Seconds since the epoch."""
    kind: EventKind
    text: str
    detail: str = ""
    route: str = ""
    """The pattern of the route that it is about."""
    path: str = ""
    tags: tuple[str, ...] = ()
    generation: int = 0
    hard: bool = False
    """Of an invalidation: nothing older is served any more."""
    place: str = ""
    """File and line."""
    error: str = ""
    """Of a failure: the exception's class."""
    frames: tuple[Frame, ...] = ()
    served: Literal["", "older", "500"] = ""
    """Of a failure: what clients got."""
    count: int = 1
    """How often it has happened since the last such event."""
    origin: Origin | Literal[""] = ""
    name: str = ""
    """Who did it, of an origin that has names."""
    request: str = ""
    """The `X-Request-ID` of the request in which it was done."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


class JournalPosition(NamedTuple):
    """Up to where a journal was read."""

    inode: int = 0
    size: int = 0


class Journal:
    """The events of one application on one host.

    Args:
        folder: holds the files; None: this process keeps its own events in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: deque[Event] = deque(maxlen=1000)
        self._lock = threading.Lock()
        self._is_warned = False

    def note(self, event: Event) -> None:
        """Note an event; never raises, and may be called from any thread."""
        event = _bounded(event)
        with self._lock:
            if self._folder is None:
                self._memory.append(event)
                return
            try:
                self._append(self._folder, _encoder.encode(event))
            except OSError as error:
                self._memory.append(event)
                if not self._is_warned:
                    self._is_warned = True
                    log.warning("events can't be written to %s (%s)", self._folder, error.strerror)

    def latest(self, most: int = MOST_EVENTS, *, before: float | None = None, now: float | None = None) -> list[Event]:
        """Events, newest first.

        Args:
            most: how many at most.
            before: only those from before this time, in seconds since the epoch.
            now: leaves out what is older than a week at that time.
        """
        found: list[Event] = []
        for event in self._newest_first():
            if before is not None and event.at >= before:
                continue
            if now is not None and event.at < now - KEPT_SECONDS:
                continue
            found.append(event)
            if len(found) >= most:
                break
        return found

    def appended(self, after: JournalPosition) -> tuple[list[Event], JournalPosition]:
        """What all processes have noted since a position, oldest first, and the position now. It reads that alone.

        After another file has begun, what is left of the former one is skipped, and so is what is long ago.
        """
        if self._folder is None:
            return [], after
        try:
            with self._paths()[0].open("rb") as file:
                known = os.fstat(file.fileno())
                start = after.size if after.inode == known.st_ino and after.size <= known.st_size else 0
                start = max(start, known.st_size - _MOST_READ)
                if start == known.st_size:
                    return [], JournalPosition(known.st_ino, start)
                file.seek(start)
                read = file.read()
        except OSError:
            return [], after
        whole = read[: read.rfind(b"\n") + 1]
        return list(_decoded(whole.splitlines())), JournalPosition(known.st_ino, start + len(whole))

    def _newest_first(self) -> Iterator[Event]:
        yield from reversed(list(self._memory))
        for path in self._paths():
            try:
                lines = path.read_bytes().splitlines()
            except OSError:
                continue
            yield from _decoded(reversed(lines))

    def _paths(self) -> Sequence[Path]:
        """The current file, and the former one."""
        return () if self._folder is None else (self._folder / "events.jsonl", self._folder / "events.1.jsonl")

    def _append(self, folder: Path, line: bytes) -> None:
        current, former = self._paths()
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(current, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(descriptor).st_size + len(line) > _MOST_BYTES:
                # Two processes at once: the second finds a small file, and moves nothing.
                with contextlib.suppress(FileNotFoundError):
                    if current.stat().st_size + len(line) > _MOST_BYTES:
                        current.replace(former)
                os.close(descriptor)
                descriptor = os.open(current, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.write(descriptor, line + b"\n")
        finally:
            os.close(descriptor)


def _decoded(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # a line that was cut off
            yield _decoder.decode(line)


def _bounded(event: Event) -> Event:
    """What visitors or handlers can make long is cut, so that a line stays one write."""
    event = msgspec.structs.replace(
        event,
        text=_cut(event.text),
        detail=_cut(event.detail),
        route=_cut(event.route, 300),
        place=_cut(event.place, 500),
        error=_cut(event.error, 200),
        path=_cut(event.path),
        tags=tuple(_cut(tag, 256) for tag in event.tags[:_MOST_TAGS]),
        name=_cut(event.name, 100),
        request=_cut(event.request, 128),
        frames=tuple(
            Frame(_cut(frame.place, 300), _cut(frame.function, 100), _cut(frame.source, 200), frame.own)
            for frame in event.frames[-_MOST_FRAMES:]
        ),
    )
    if len(_encoder.encode(event)) > _LONGEST_LINE:
        return msgspec.structs.replace(event, frames=event.frames[-5:], tags=event.tags[:5])
    return event


def _cut(text: str, longest: int = _LONGEST_TEXT) -> str:
    text = text if len(text) <= longest else f"{text[:longest]}…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")  # without lone surrogates
