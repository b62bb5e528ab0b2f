"""The LMDB environment of a folder: opened once per process, shared by the stores of that process."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from typing import TYPE_CHECKING

import lmdb

from millpond.errors import StoreError
from millpond.stores.lmdb.environment import Environment, is_damage
from millpond.stores.lmdb.file_replacement import announce
from millpond.stores.lmdb.layout import (
    IDENTITY_KEY,
    LAYOUT,
    LAYOUT_KEY,
    STATE_KEY,
    State,
    Tables,
    number,
    pack_moment,
)
from millpond.stores.lmdb.lock import LockTimeout, WriteLock
from millpond.stores.lmdb.open_transaction import Writing
from millpond.stores.lmdb.store_folder import DATA, StoreFolder, refuse_missing, unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ENGINE = 0  # LMDB 0.9, whose file format `Environment` relies on
_MAX_READERS = 1024
_ROOM_BESIDE, _ROOM_PER_TAG = 32 * 1024 * 1024, 1024
_PATIENCE_SECONDS = 10.0


class OutsiderWrites(LockTimeout):
    """Another program than Millpond is in a write transaction, and a thread of this process waits for its end."""


_opened: dict[tuple[int, int], Environment] = {}
_opening = threading.Lock()


def map_bytes_for(max_bytes: int, max_tags: int) -> int:
    """A map size that has room for entries of `max_bytes` in total, however they fill its pages.

    Four times `max_bytes`: pages are seldom full, and an entry just over half a page takes a whole one. The file is
    sparse, and grows as needed.
    """
    return 4 * max_bytes + _ROOM_PER_TAG * max_tags + _ROOM_BESIDE


def max_bytes_in(map_bytes: int, max_tags: int) -> int:
    """The byte limit for entries in a map that was made for other limits."""
    return max(map_bytes // 16, (map_bytes - map_bytes_for(0, max_tags)) // 4)


def open_environment(
    path: Path, map_bytes: int, now: float, patience: float | None = None, *, creates: bool = True
) -> Environment:
    """The environment of a folder, for reading and writing; pass it to `release` when done.

    Args:
        path: the folder; it is created if missing, for this user only.
        map_bytes: the maximum size of the file; a process that already has it open may have set another.
        now: seconds since the epoch.
        patience: seconds to wait for other processes that are opening it; None: as long as at a start.
        creates: whether a file is made, where there is none or none that can be used.

    Raises:
        StoreError: the folder or its file can't be used; or there is none, and none is created.
    """
    return _shared(path, lambda: _open_to_write(path, map_bytes, now, patience, creates=creates), readonly=False)


def open_to_read(path: Path) -> Environment:
    """The environment of a folder that another process may be writing to; nothing is written.

    Raises:
        StoreError: there is none, or it can't be used.
    """
    return _shared(path, lambda: _open_as_is(StoreFolder.to_read(path), readonly=True), readonly=True)


def release(environment: Environment) -> None:
    """Release the result of `open_environment` or `open_to_read`; the last release closes it."""
    with _opening:
        environment.users -= 1
        if environment.users == 0:
            for key in [key for key, opened in _opened.items() if opened is environment]:
                del _opened[key]
            environment.close()


def _shared(path: Path, make: Callable[[], Environment], *, readonly: bool) -> Environment:
    with _opening:
        found = _opened.get(_identity(path))
        if found is None or not (readonly or found.is_in_place()):
            try:
                found = make()
            except lmdb.Error as error:
                message = f"the store in {path} can't be opened: {error}."
                raise (
                    StoreError.of("locked", message) if isinstance(error, LockTimeout) else StoreError(message)
                ) from error
            _opened[found.file] = found
        found.last_transaction()
        if found.readonly and not readonly:
            raise StoreError(f"the store in {path} is open for reading in this process; close that first.")
        found.users += 1
        return found


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode of the data file: they are unique while it is open. The inode of a removed folder is reused."""
    try:
        about = (path / DATA).lstat()
    except OSError:
        return (0, 0)  # it doesn't exist yet, so it isn't open
    return (about.st_dev, about.st_ino)


def _open_to_write(path: Path, map_bytes: int, now: float, patience: float | None, *, creates: bool) -> Environment:
    if not creates:
        refuse_missing(path)
    folder = StoreFolder(path)
    try:
        with folder.opening(patience):
            folder.look_above()
            if _identity(path) in _opened:  # with other lock files: a process must not open a data file twice
                folder.break_up()
            if folder.claim(patience):
                opened = _open_alone(folder, map_bytes, now) if creates else _open_alone_as_is(folder, map_bytes, now)
            else:
                opened = _open_as_is(folder, patience=patience)
        opened.reap()
        return opened
    except BaseException:
        folder.leave()
        raise


def _open_alone(folder: StoreFolder, map_bytes: int, now: float) -> Environment:
    reason = folder.distrust()
    if reason is not None:
        folder.move_aside(reason)
    elif not folder.data.exists():
        folder.unlink_engine_lock()
    try:
        opened = _made(folder, map_bytes, now)
    except lmdb.Error as error:
        if not is_damage(error):
            raise
        folder.move_aside(str(error))
        opened = _made(folder, map_bytes, now)
    if opened is None:
        folder.move_aside("it was written by another version of Millpond, or by another program")
        opened = _made(folder, map_bytes, now)
    if opened is None:
        raise StoreError(f"{folder.data} can't be made anew; another program writes to it.")
    folder.join()
    return opened


def _open_alone_as_is(folder: StoreFolder, map_bytes: int, now: float) -> Environment:
    """The file as it is there: what isn't good is left to a start of the application, which serves without it."""
    reason = folder.distrust()
    try:
        opened = None if reason is not None else _made(folder, map_bytes, now)
    except lmdb.Error as error:
        if not is_damage(error):
            raise
        reason, opened = str(error), None
    if reason is not None:
        raise StoreError.of("damaged", f"{folder.data} can't be used: {reason}. Start the application to recreate it.")
    if opened is None:
        raise StoreError.of("layout", f"{folder.data} was written by another version of Millpond, or isn't a store.")
    folder.join()
    return opened


def _made(folder: StoreFolder, map_bytes: int, now: float) -> Environment | None:
    """The environment, with leftover leases cleared; None if the file has another layout."""
    env = _engine(folder, map_size=map_bytes, readonly=False)
    with _closed_on_failure(env):
        try:
            meta = env.open_db(b"meta", create=False)
            with env.begin() as txn:
                layout = txn.get(LAYOUT_KEY, db=meta)
        except lmdb.NotFoundError:
            layout = None if env.stat()["entries"] else LAYOUT  # no table at all: it was just created
        if layout != LAYOUT:
            env.close()
            return None
        with env.begin(write=True) as txn:
            tables = Tables(*(env.open_db(name.encode(), txn=txn) for name in Tables._fields))
            txn.drop(tables.leases, delete=False)  # no other process has it open, so no lease is held
            if txn.get(STATE_KEY, db=tables.meta) is None:
                _begin(Writing(txn, tables, State(), []), now, lost=folder.has_lost())
            if folder.may_have_former:
                announce(Writing(txn, tables, State(), []))
        return Environment(folder, env, tables, WriteLock(folder.data, folder.engine_lock, readonly=False))


@contextlib.contextmanager
def _closed_on_failure(env: lmdb.Environment, lock: WriteLock | None = None) -> Iterator[None]:
    """Close an environment that can't be used: as long as it is open, nothing can open its file again."""
    try:
        yield
    except OutsiderWrites:
        raise  # a thread waits in it, and it may not be closed
    except BaseException:
        env.close()
        if lock is not None:
            lock.close()
        raise


def _begin(writing: Writing, now: float, *, lost: bool) -> None:
    txn, tables, state, _ = writing
    txn.put(LAYOUT_KEY, LAYOUT, db=tables.meta)
    txn.put(IDENTITY_KEY, secrets.token_hex(8).encode(), db=tables.meta)
    if lost:  # this counts as an invalidation of everything older
        state.generation = state.lost = 1
        txn.put(number(1), pack_moment(now), db=tables.journal)
    txn.put(STATE_KEY, state.pack(), db=tables.meta)


def _open_as_is(folder: StoreFolder, *, readonly: bool = False, patience: float | None = None) -> Environment:
    """Open with the map size that the first process chose: it must be the same for all."""
    env = _engine(folder, map_size=0, readonly=readonly)
    with _closed_on_failure(env):
        lock = WriteLock(folder.data, folder.engine_lock, readonly=readonly)
    with _closed_on_failure(env, lock):
        try:
            tables = _tables(env, lock, _PATIENCE_SECONDS if patience is None else patience)
            with env.begin() as txn:
                layout = txn.get(LAYOUT_KEY, db=tables.meta)
        except lmdb.NotFoundError:
            layout = None
        if layout != LAYOUT:
            raise StoreError.of(
                "layout", f"the store in {folder.path} is in use by another version of Millpond; stop that one first."
            )
    return Environment(folder, env, tables, lock)


def _tables(env: lmdb.Environment, lock: WriteLock, patience: float) -> Tables:
    """The tables of a file in use. LMDB opens each in a write transaction, and would wait for it without a timeout.

    They can't be opened in a read transaction: LMDB would close them with it.

    Raises:
        LockTimeout: another process doesn't end its write transaction.
        OutsiderWrites: and it isn't Millpond's.
    """
    names = Tables._fields
    if env.flags()["readonly"]:
        return Tables(*(env.open_db(name.encode(), create=False) for name in names))
    with lock.held(patience, lambda: env.info()["last_txnid"]):
        _meet_outsiders(env, lock, patience)
        return Tables(*(env.open_db(name.encode(), create=False) for name in names))


def _meet_outsiders(env: lmdb.Environment, lock: WriteLock, patience: float) -> None:
    """Check that no other program is in a write transaction without holding Millpond's lock.

    Raises:
        OutsiderWrites: one is.
    """

    def write_nothing() -> None:
        with env.begin(write=True):
            lock.note_held()
        lock.note_free()

    # A daemon thread: it may wait forever, and must not keep the process from exiting.
    meeting = threading.Thread(target=write_nothing, name="opening the store", daemon=True)
    meeting.start()
    meeting.join(patience)
    if meeting.is_alive():
        raise OutsiderWrites("another process has been in a write transaction for too long")


def _engine(folder: StoreFolder, *, map_size: int, readonly: bool) -> lmdb.Environment:
    try:
        return lmdb.open(
            str(folder.path),
            map_size=map_size,
            mode=0o600,
            readonly=readonly,
            create=not readonly,
            sync=False,
            max_readers=_MAX_READERS,
            max_dbs=len(Tables._fields),
            lib_version=_ENGINE,
        )
    except OSError as error:
        raise unusable(folder.path, error) from error
    except (lmdb.ReadonlyError, lmdb.DiskError) as error:
        raise unusable(folder.path, OSError(error.code, str(error))) from error


def _inherit() -> None:
    for environment in _opened.values():
        environment.inherit()


os.register_at_fork(after_in_child=_inherit)
