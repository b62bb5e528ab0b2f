"""Transactions of the embedded store, and what becomes of those that fail."""

from __future__ import annotations

import contextlib
import logging
import math
from typing import TYPE_CHECKING, TypeVar

import lmdb

from millpond.errors import StoreError
from millpond.stores import lmdb_entries
from millpond.stores.lmdb_environment import (
    Reading,
    Writing,
    is_damage,
    is_full,
    map_bytes_for,
    open_environment,
    release,
)
from millpond.stores.lmdb_layout import STATE_KEY, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from millpond.stores.lmdb_environment import Environment

T = TypeVar("T")

log = logging.getLogger("millpond.stores")

MAX_TAGS = 100_000
"""Tag rows kept, where nothing else is said."""
_SECONDS_BETWEEN_WARNINGS = _SECONDS_BETWEEN_EVICTIONS = 60.0


class Transactions:
    """One store's way to its environment.

    Args:
        folder: where the file is.
        monotonic: seconds, to keep a disk that stays full from filling the log as well.
    """

    def __init__(self, folder: Path, monotonic: Callable[[], float]) -> None:
        self.folder, self._monotonic = folder, monotonic
        self._environment: Environment | None = None
        self._try_again_at = -math.inf
        self._warned: dict[str, float] = {}

    @property
    def environment(self) -> Environment:
        """Raises StoreError: it isn't open."""
        if self._environment is None:
            raise self.not_open()
        return self._environment

    def not_open(self) -> StoreError:
        return StoreError(f"the store in {self.folder} is not open.")

    def open(self, max_bytes: int, now: float, max_tags: int = MAX_TAGS) -> None:
        """Open the folder's file, with room for what `max_bytes` and `max_tags` allow; `now`: since the epoch.

        Raises:
            StoreError: the folder or its file can't be used, or it is open already.
        """
        if self._environment is not None:
            raise StoreError(f"the store in {self.folder} is open already.")
        self._environment = open_environment(self.folder, map_bytes_for(max_bytes, max_tags), now)

    def close(self) -> None:
        """Let go of the file; does nothing when it isn't open."""
        environment, self._environment = self._environment, None
        if environment is not None:
            release(environment)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read transaction, to be left soon."""
        environment = self.environment
        with environment.begin() as txn:
            yield Reading(txn, environment.tables)

    def write(self, work: Callable[[Writing], T]) -> T:
        """Do `work` in one write transaction; when there is no room, make some and try once more.

        Raises:
            lmdb.Error: it didn't come about; nothing was changed.
        """
        try:
            return self._transact(work)
        except lmdb.Error as error:
            if not is_full(error) or self._monotonic() < self._try_again_at:
                raise
        # Once: where it is of no use, as while a reader holds on to old pages, it would cost all that is stored.
        self._try_again_at = self._monotonic() + _SECONDS_BETWEEN_EVICTIONS
        self._make_room()
        result = self._transact(work)
        self._try_again_at = -math.inf
        return result

    def write_surely(self, work: Callable[[Writing], T], what: str) -> T:
        """As `write`, for what nobody may believe to have happened when it hasn't.

        Raises:
            StoreError: it didn't come about; nothing was changed.
        """
        try:
            return self.write(work)
        except lmdb.Error as error:
            self.failed(error)
            raise StoreError(f"the store in {self.folder} can't {what}: {error}.") from error

    def failed(self, error: lmdb.Error) -> None:
        """Say that a transaction failed, once a minute; have a damaged file replaced at the next start."""
        if is_damage(error):
            self.environment.folder.mark_damaged()
            self._warn("%s is damaged (%s). Nothing is cached until the application is started anew.", error)
        else:
            self._warn("%s can't be used now (%s): answers are not cached.", error)

    def _warn(self, message: str, error: lmdb.Error) -> None:
        now, kind = self._monotonic(), type(error).__name__
        last = self._warned.get(kind)
        if last is None or now - last >= _SECONDS_BETWEEN_WARNINGS:
            self._warned[kind] = now
            log.warning(message, self.folder, error)

    def _transact(self, work: Callable[[Writing], T]) -> T:
        environment = self.environment
        with environment.write() as txn:
            before = txn.get(STATE_KEY, b"", db=environment.tables.meta)
            writing = Writing(txn, environment.tables, State.unpack(before))
            result = work(writing)
            after = writing.state.pack()
            if after != before:
                txn.put(STATE_KEY, after, db=environment.tables.meta)
        return result

    def _make_room(self) -> None:
        """Give up an eighth of the entries, and the pages that dead readers held."""
        self.environment.reap()
        self._transact(lambda writing: lmdb_entries.evict(writing, writing.state.size * 7 // 8))
        self._transact(_turn_over)


def _turn_over(writing: Writing) -> None:
    """Write something: the pages that a transaction freed are used by the next but one."""
    writing.state.uses += 1
