"""Transactions of the embedded store, and how failures are handled."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import lmdb

from millpond.errors import StoreError
from millpond.stores.lmdb import entries as lmdb_entries
from millpond.stores.lmdb import tag_rows
from millpond.stores.lmdb.environment import FileReplaced, is_damage
from millpond.stores.lmdb.file_replacement import succeed
from millpond.stores.lmdb.layout import STATE_KEY, State
from millpond.stores.lmdb.lock import LockTimeout
from millpond.stores.lmdb.open_transaction import Reading, Writing
from millpond.stores.lmdb.opening import map_bytes_for, open_environment, release
from millpond.stores.store_figures import untold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from millpond.errors import StoreReason
    from millpond.stores.lmdb.environment import Environment
    from millpond.stores.lmdb.file_replacement import Predecessor
    from millpond.stores.store_figures import Evicted

T = TypeVar("T")

log = logging.getLogger("millpond.stores")

MAX_TAGS = 100_000
"""The default number of tag rows kept."""
_SECONDS_BETWEEN_WARNINGS = _SECONDS_BETWEEN_EVICTIONS = 60.0
_SECONDS_TO_WRITE = 1.0
"""The time limit for acquiring the write lock."""
_SECONDS_TO_WRITE_SURELY, _SECONDS_ON_A_LOOP = 5.0, 2.0
"""The same for mandatory writes: in a thread without a loop; and in an event loop, which is blocked meanwhile."""
_SECONDS_TO_MOVE = 0.1
_LOOKS_BEFORE_RELEASE = 15
"""Seconds of running after which no thread uses, or waits for, a transaction of a replaced file."""
_MAX_TURNS_AT_ONCE, _MOST_TURNS = 64, 256
"""How many entries have their turn to be evicted in one transaction; and for a write that may fail."""


class Transactions:
    """Runs the transactions of one store in its environment.

    Args:
        folder: where the file is.
        monotonic: seconds, to keep a disk that stays full from filling the log as well.
    """

    def __init__(self, folder: Path, monotonic: Callable[[], float]) -> None:
        self.folder, self._monotonic = folder, monotonic
        self._environment: Environment | None = None
        self._sizes = (0, MAX_TAGS)
        self._try_again_at = -math.inf
        self._warned: dict[str, float] = {}
        self._moving = threading.Lock()
        self._former: list[tuple[int, Environment]] = []
        self._looks = 0
        self.evicted: Evicted = untold
        """Is told of what was evicted, when that is committed."""
        self.since = 0
        """Entries of an earlier generation belong to a former file: they may neither be stored nor served."""

    @property
    def environment(self) -> Environment:
        """Raises StoreError: it isn't open."""
        if self._environment is None:
            raise self.not_open()
        return self._environment

    def not_open(self) -> StoreError:
        return StoreError(f"the store in {self.folder} is not open; start the application that it belongs to.")

    def open(
        self,
        max_bytes: int,
        now: float,
        max_tags: int = MAX_TAGS,
        *,
        patience: float | None = None,
        creates: bool = True,
    ) -> None:
        """Open the folder's file, with room for what `max_bytes` and `max_tags` allow; `now`: since the epoch.

        `patience` and `creates` are as in `open_environment`.

        Raises:
            StoreError: the folder or its file can't be used, or it is open already.
        """
        if self._environment is not None:
            raise StoreError(f"the store in {self.folder} is open already; give each application a store of its own.")
        self._sizes, self.since = (max_bytes, max_tags), 0
        map_bytes = map_bytes_for(max_bytes, max_tags)
        self._environment = open_environment(self.folder, map_bytes, now, patience, creates=creates)

    def close(self) -> None:
        """Close the file; does nothing if it isn't open."""
        environment, self._environment = self._environment, None
        former, self._former = self._former, []
        for _, one in former:
            release(one)
        if environment is not None:
            release(environment)

    def follow(self, now: float, captured: int) -> bool:
        """Check whether the folder still has the file that is open; if not, switch to the file that it has now.

        If it has none, one is created. While that fails, nothing is stored or served.

        Args:
            now: seconds since the epoch.
            captured: the latest generation that a render of this process may have captured.

        Returns:
            Whether the environment was replaced or abandoned by this call.
        """
        if self.environment.is_in_place():
            return False
        with self._moving:
            environment = self.environment
            if environment.is_in_place():  # another thread has switched already
                return False
            try:
                self._move(environment.left(captured), now)
            except (lmdb.Error, StoreError, OSError) as error:
                abandoned = not environment.gone
                environment.abandon()
                self._warn("%s was removed or replaced while it was in use, and can't be followed: %s", error)
                return abandoned
            self._former.append((self._looks + _LOOKS_BEFORE_RELEASE, environment))
            return True

    def _move(self, predecessor: Predecessor, now: float) -> None:
        max_bytes, max_tags = self._sizes
        found = open_environment(self.folder, map_bytes_for(max_bytes, max_tags), now, _SECONDS_TO_MOVE)
        try:
            with found.lock.held(_SECONDS_TO_MOVE, found.last_transaction):
                since = _transact(found, lambda writing: succeed(writing, predecessor, found.file, now))
        except BaseException:
            release(found)
            raise
        found.learn_when_settled()
        self._environment, self.since = found, since
        log.warning(
            "%s was removed or replaced while it was in use. From now on the file that is there now is used; what was "
            "stored and invalidated before is unknown, and is rendered again.",
            found.folder.data,
        )

    def look(self) -> None:
        """Called each second: keep disk space in reserve, and close files that were replaced."""
        self._looks += 1
        while self._former and self._former[0][0] <= self._looks:
            release(self._former.pop(0)[1])
        environment = self.environment
        if not environment.gone and environment.lock.take():
            try:
                environment.reserve()
            finally:
                environment.lock.give()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading]:
        """A read transaction; leave the block soon."""
        environment = self.environment
        with environment.begin() as txn:
            yield Reading(txn, environment.tables)

    def write(self, work: Callable[[Writing], T], *, surely: bool = False) -> T:
        """Run `work` in one write transaction; if there is no room, evict entries and try once more.

        Args:
            work: writes in the transaction.
            surely: wait longer for the lock, and evict entries each time that there is no room.

        Raises:
            lmdb.Error: the transaction failed; nothing was changed.
        """
        environment, seconds = self.environment, _patience() if surely else _SECONDS_TO_WRITE
        with environment.lock.held(seconds, environment.last_transaction):
            return self._written(environment, work, surely=surely)

    async def write_soon(
        self, work: Callable[[Writing], T], seconds: float = _SECONDS_TO_WRITE, expected: Environment | None = None
    ) -> T:
        """As `write`, but without blocking the event loop while another thread or process holds the write lock.

        Args:
            work: writes in the transaction.
            seconds: how long to wait for the lock.
            expected: the file that `work` is meant for; None: the one that is open.

        Raises:
            lmdb.Error: the transaction failed, or another file is open; nothing was changed.
        """
        environment = self.environment
        if expected is not None and environment is not expected:
            raise FileReplaced("it was removed or replaced while it was in use")
        if not environment.lock.take():
            for pause in environment.lock.tries(seconds, environment.last_transaction):
                await asyncio.sleep(pause)
                if environment.lock.take():
                    break
        try:
            return self._written(environment, work)
        finally:
            environment.lock.give()

    def write_at_once(self, work: Callable[[Writing], object]) -> bool:
        """Run `work` if the write lock is free, and return whether it was."""
        environment = self.environment
        if not environment.lock.take():
            return False
        try:
            self._written(environment, work)
        finally:
            environment.lock.give()
        return True

    async def are_possible(self) -> bool:
        """Whether a transaction that changes something can be committed now; a failure is logged."""
        try:
            await self.write_soon(_turn_over)
        except (lmdb.Error, StoreError) as error:
            if isinstance(error, lmdb.Error):
                self.failed(error)
            return False
        return True

    def write_surely(self, work: Callable[[Writing], T], what: str) -> T:
        """As `write`, but raises StoreError when it fails.

        Raises:
            StoreError: the transaction failed; nothing was changed.
        """
        try:
            return self.write(work, surely=True)
        except lmdb.Error as error:
            raise self.refusal(what, error) from error

    def invalidate(self, tags: Iterable[str], now: float, expire_after: float | None) -> int:
        """Count one invalidation of all `tags`, and return its generation once it holds in every process.

        Args:
            tags: any strings.
            now: seconds since the epoch.
            expire_after: as in `Store.invalidate`.

        Raises:
            StoreError: the transaction failed; nothing was invalidated.
        """
        named = dict.fromkeys(tags)
        generation = self.write_surely(lambda at: tag_rows.invalidate(at, named, now, expire_after), "invalidate")
        # Other processes may not have noticed yet that the file was replaced.
        if (unsettled := self.environment.settled_at - time.monotonic()) > 0:
            time.sleep(unsettled)
        return generation

    def refusal(self, what: str, error: lmdb.Error) -> StoreError:
        """The StoreError for an operation that failed."""
        self.failed(error)
        reason: StoreReason = (
            "locked" if isinstance(error, LockTimeout) else "damaged" if is_damage(error) else "refused"
        )
        return StoreError.of(reason, f"the store in {self.folder} can't {what}: {error}.")

    def failed(self, error: lmdb.Error) -> None:
        """Log a failed transaction, at most once a minute; mark a damaged file for replacement at the next start."""
        if is_damage(error):
            self.environment.folder.mark_damaged()
            self._warn("%s is damaged (%s). Nothing is cached until the application is restarted.", error)
        elif isinstance(error, LockTimeout):
            self._warn("%s can't be written to: %s. Until that ends, what is rendered isn't cached.", error)
        else:
            self._warn("%s can't be used now (%s): answers are not cached.", error)

    def _warn(self, message: str, error: Exception) -> None:
        now, kind = self._monotonic(), type(error).__name__
        last = self._warned.get(kind)
        if last is None or now - last >= _SECONDS_BETWEEN_WARNINGS:
            self._warned[kind] = now
            log.warning(message, self.folder, error)

    def _written(self, environment: Environment, work: Callable[[Writing], T], *, surely: bool = False) -> T:
        try:
            return _transact(environment, work, self.evicted)
        except lmdb.Error as error:
            if not environment.is_full(error) or (not surely and self._monotonic() < self._try_again_at):
                raise
        # Only once a minute: if it doesn't help, as while a reader pins old pages, it would evict the whole cache.
        self._try_again_at = self._monotonic() + _SECONDS_BETWEEN_EVICTIONS
        most_turns = None if surely else _MOST_TURNS
        result = _transact_in_room(environment, work, self._sizes[0], most_turns, self.evicted)
        self._try_again_at = -math.inf
        return result


def _patience() -> float:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _SECONDS_TO_WRITE_SURELY
    return _SECONDS_ON_A_LOOP


def _transact(environment: Environment, work: Callable[[Writing], T], evicted: Evicted = untold) -> T:
    with environment.write() as txn:
        environment.lock.note_held()
        environment.check_continued(txn)
        before = txn.get(STATE_KEY, b"", db=environment.tables.meta)
        writing = Writing(txn, environment.tables, State.unpack(before), [])
        result = work(writing)
        after = writing.state.pack()
        if after != before:
            txn.put(STATE_KEY, after, db=environment.tables.meta)
    environment.lock.note_free()
    if writing.evicted:
        evicted(writing.evicted)
    return result


def _transact_in_room(
    environment: Environment,
    work: Callable[[Writing], T],
    max_bytes: int,
    most_turns: int | None,
    evicted: Evicted,
) -> T:
    """Run `work` in a file that had no room for it; evict until it fits, at most an eighth of the entries' bytes.

    It starts with small steps: a transaction needs pages itself, and on a full disk it can use only those that earlier
    transactions have freed.

    Args:
        environment: the file.
        work: writes in the transaction.
        max_bytes: the limit for all entries.
        most_turns: how many entries may have their turn to be evicted, which bounds the time; None: any number.
        evicted: is told of them.

    Raises:
        lmdb.Error: it doesn't fit.
    """
    environment.reap()
    with environment.begin() as txn:
        size = Reading(txn, environment.tables).state().size
    target, turns, taken = size * 7 // 8, 1, 0
    while True:
        try:
            make_room = functools.partial(_evicted, max_bytes=max_bytes, room=target, turns=turns)
            size = _transact(environment, make_room, evicted)
        except lmdb.Error as error:
            if turns == 1 or not environment.is_full(error):
                raise
            turns = 1
            continue
        _transact(environment, _turn_over)
        try:
            return _transact(environment, work, evicted)
        except lmdb.Error as error:
            taken += turns
            over = size <= target or (most_turns is not None and taken >= most_turns)
            if over or not environment.is_full(error):
                raise
        turns = min(2 * turns, _MAX_TURNS_AT_ONCE)


def _evicted(writing: Writing, max_bytes: int, room: int, turns: int) -> int:
    lmdb_entries.evict(writing, max_bytes, room, turns)
    return writing.state.size


def _turn_over(writing: Writing) -> None:
    """Commit a small write: pages that a transaction freed are only reused by the second transaction after it."""
    writing.state.uses += 1
