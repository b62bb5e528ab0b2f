"""`[server]`: bounds on what a client may send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from millpond.config.ranges import not_positive

if TYPE_CHECKING:
    from collections.abc import Iterator


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`: bounds on what a client may send."""

    max_path_bytes: int = 8 * 1024
    """A longer path and query is answered 414."""
    max_path_segments: int = 64
    """A path of more is answered 414: an answer has a tag for each, by which `revalidate_path` finds it."""
    max_header_bytes: int = 64 * 1024
    """Longer request headers are answered 431."""
    shutdown_timeout: float = 30.0
    """Seconds that a shutdown waits for requests, regenerations and `after` callbacks."""
    stream_timeout: float = 1.0
    """Seconds that a shutdown leaves to streams: answers that have begun, and don't say how long they are. 0: none."""
    worker_timeout: float = 30.0
    """Seconds for which a worker's event loop may be busy; one that is for longer is killed and replaced."""

    def complaints(self) -> Iterator[str]:
        """What is wrong with the values."""
        yield from not_positive(
            {
                "server.max_path_bytes": self.max_path_bytes,
                "server.max_path_segments": self.max_path_segments,
                "server.max_header_bytes": self.max_header_bytes,
                "server.shutdown_timeout": self.shutdown_timeout,
                "server.worker_timeout": self.worker_timeout,
            }
        )
        if self.stream_timeout < 0:
            yield f'"server.stream_timeout" is {self.stream_timeout}; it must be 0 or more.'
