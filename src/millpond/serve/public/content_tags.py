"""ETags of files: of their content, so that they are the same on every host and after every deployment.

Times of files aren't: build tools and containers set them all to one moment, and a file of the same size with another
content would have the ETag of the former one.
"""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from typing import TYPE_CHECKING

from millpond.stores.bounded_dict import BoundedDict

if TYPE_CHECKING:
    import os
    from pathlib import Path

LARGEST_READ = 64 * 1024 * 1024
"""Bytes of a file up to which its content is read for its ETag. That of a larger one is made of its time and size."""

_MAX_FILES = 16_384
_digest = partial(hashlib.blake2b, digest_size=16)


class ContentTags:
    """The ETags of files, found at their first use."""

    def __init__(self) -> None:
        self._known: BoundedDict[str, tuple[tuple[int, ...], str]] = BoundedDict(_MAX_FILES)
        self._lock = threading.Lock()

    def of(self, path: Path, told: os.stat_result) -> str:
        """The strong ETag of a file. It may read all of it: call it in a thread.

        Args:
            path: the file.
            told: what `os.stat` says about it.

        Raises:
            OSError: it can't be read.
        """
        version = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns)
        known = self._known.get(str(path))
        if known is not None and known[0] == version:
            return known[1]
        with self._lock:  # many may ask for a file that is new: it is read once
            known = self._known.get(str(path))
            if known is None or known[0] != version:
                known = version, _tag(path, told)
                self._known.keep(str(path), known)
        return known[1]


def _tag(path: Path, told: os.stat_result) -> str:
    if told.st_size > LARGEST_READ:
        return f'"{told.st_size:x}-{told.st_mtime_ns:x}"'
    with path.open("rb") as file:
        return f'"{hashlib.file_digest(file, _digest).hexdigest()}"'
