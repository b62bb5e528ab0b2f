"""The LMDB environment of a folder: opened once per process, shared by the stores of that process."""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import threading
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import lmdb

from millpond.errors import StoreError
from millpond.stores.lmdb_folder import Folder, unusable
from millpond.stores.lmdb_layout import (
    IDENTITY_KEY,
    LAYOUT,
    LAYOUT_KEY,
    STATE_KEY,
    State,
    Tables,
    number,
    pack_moment,
)
from millpond.stores.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ENGINE = 0  # LMDB 0.9: its file format is the one that `_watch` knows
_TRANSACTION_AT = 144  # bytes into each of the two meta pages: behind page header, magic, map and two root records
_MOST_READERS = 1024
_ROOM_BESIDE, _ROOM_PER_TAG = 32 * 1024 * 1024, 1024
_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
)


class Writing(NamedTuple):
    """One write transaction, with the counters as it will leave them."""

    txn: lmdb.Transaction[bytes]
    tables: Tables
    state: State


class Reading(NamedTuple):
    """One read transaction. It sees the store as it was when it began, and pins those pages until it ends."""

    txn: lmdb.Transaction[bytes]
    tables: Tables

    def state(self) -> State:
        return State.unpack(self.txn.get(STATE_KEY, b"", db=self.tables.meta))


class Environment:
    """An open environment, for any number of threads.

    Pages are written to the page cache, and synced at the last close only (`sync=False`). So what was committed
    survives the death of any process at any moment, and not a power cut: see `Folder.distrust`. They are written,
    not mapped (`writemap`): on a full disk a write is an error, where a mapped page would be a bus error.
    """

    def __init__(self, folder: Folder, env: lmdb.Environment, tables: Tables) -> None:
        self.folder, self.tables = folder, tables
        self.waiters = Waiters()
        self.users = 0
        self.map_bytes = env.info()["map_size"]
        self.readonly = env.flags()["readonly"]
        self._env: lmdb.Environment | None = env
        self.last_transaction = _watch(env, folder)
        """The number of the last one that was committed, by whatever process: when it is the same, all is the same."""
        self._why_not = "it was closed"

    def begin(self) -> lmdb.Transaction[bytes]:
        """A read transaction, to be ended soon."""
        return self._usable().begin()

    def write(self) -> lmdb.Transaction[bytes]:
        """A write transaction; waits for any other to end, in whatever process."""
        return self._usable().begin(write=True)

    def reap(self) -> int:
        """Free the slots of readers that died; how many there were."""
        return self._usable().reader_check()

    def facts(self) -> dict[str, int]:
        """What the engine says of the file: sizes in bytes, readers, transactions."""
        env = self._usable()
        info, page = env.info(), env.stat()["psize"]
        return {
            "map_bytes": info["map_size"],
            "file_bytes": (info["last_pgno"] + 1) * page,
            "readers": sum(line.split()[:1] != [] for line in env.readers().splitlines()[1:]),
            "last_transaction": info["last_txnid"],
        }

    def close(self) -> None:
        """Sync if nobody else is left who could, and let go of the folder."""
        env, self._env, self.last_transaction = self._usable(), None, self._refuse
        last = self.folder.is_last()
        try:
            if last and not self.readonly:
                env.sync(True)
        finally:
            env.close()
            self.folder.close(synced=last and not self.readonly)

    def inherit(self) -> None:
        """In a forked child: LMDB's locks belong to the parent, so nothing may be used here."""
        self._why_not = "this process was forked from one that had it open; open it after the fork"
        self.last_transaction = self._refuse
        # The object must live on, and stays in `_opened`: closing it would touch what the parent works with.
        self._inherited, self._env = self._env, None
        self.folder.leave()

    def _usable(self) -> lmdb.Environment:
        if self._env is None:
            self._refuse()
        return self._env

    def _refuse(self) -> NoReturn:
        raise StoreError(f"the store in {self.folder.path} can't be used: {self._why_not}.")


def _watch(env: lmdb.Environment, folder: Folder) -> Callable[[], int]:
    """Tells the number of the last transaction from the two meta pages, as the engine does: in 0.1 us instead of 1.

    The offsets are those of LMDB 0.9's file format. Where they disagree with the engine, it is asked itself.
    """
    page = env.stat()["psize"]
    with folder.data.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 2 * page, access=mmap.ACCESS_READ)
    words = memoryview(pages).cast("Q")
    one, other = _TRANSACTION_AT // 8, (page + _TRANSACTION_AT) // 8

    def last() -> int:
        number, another = words[one], words[other]
        return number if number > another else another  # noqa: FURB136 - a third of the time, and each hit asks

    def asked() -> int:
        return env.info()["last_txnid"]

    return last if last() == asked() else asked


_opened: dict[tuple[int, int], Environment] = {}
_opening = threading.Lock()


def map_bytes_for(max_bytes: int, max_tags: int) -> int:
    """The size of a map in which entries that count `max_bytes` have room, however they fill its pages.

    Four times what they count: a page is seldom full, and an entry just over half a page takes one of its own. The
    file is sparse, and grows to what is used.
    """
    return 4 * max_bytes + _ROOM_PER_TAG * max_tags + _ROOM_BESIDE


def max_bytes_in(map_bytes: int, max_tags: int) -> int:
    """What entries may count in a map that was made for other limits."""
    return max(map_bytes // 16, (map_bytes - map_bytes_for(0, max_tags)) // 4)


def open_environment(path: Path, map_bytes: int, now: float) -> Environment:
    """The environment of a folder, for reading and writing; `release` gives it back.

    Args:
        path: the folder; it is made when missing, for this user only.
        map_bytes: what the file may grow to; others that have it open may have decided otherwise.
        now: seconds since the epoch.

    Raises:
        StoreError: the folder or its file can't be used.
    """
    return _shared(path, lambda: _open_to_write(path, map_bytes, now), readonly=False)


def open_to_read(path: Path) -> Environment:
    """The environment of a folder that another process may be writing to; nothing is written.

    Raises:
        StoreError: there is none, or it can't be used.
    """
    return _shared(path, lambda: _open_as_is(Folder.to_read(path), readonly=True), readonly=True)


def release(environment: Environment) -> None:
    """Give back what `open_environment` or `open_to_read` gave; the last one closes it."""
    with _opening:
        environment.users -= 1
        if environment.users == 0:
            for key in [key for key, opened in _opened.items() if opened is environment]:
                del _opened[key]
            environment.close()


def is_full(error: lmdb.Error) -> bool:
    """Whether the map or the disk has no room left."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    # Those that the binding itself raises, rather than the engine, have no code.
    return isinstance(error, (lmdb.MapFullError, lmdb.TxnFullError)) or getattr(error, "code", None) in full


def is_damage(error: lmdb.Error) -> bool:
    """Whether the file itself is not sound."""
    return isinstance(error, _DAMAGE)


def _shared(path: Path, make: Callable[[], Environment], *, readonly: bool) -> Environment:
    with _opening:
        found = _opened.get(_identity(path))
        if found is None:
            try:
                found = make()
            except lmdb.Error as error:
                raise StoreError(f"the store in {path} can't be opened: {error}.") from error
            _opened[_identity(path)] = found
        found.last_transaction()
        if found.readonly and not readonly:
            raise StoreError(f"the store in {path} is open for reading in this process; close that first.")
        found.users += 1
        return found


def _identity(path: Path) -> tuple[int, int]:
    try:
        about = path.stat()
    except OSError:
        return (0, 0)  # not there yet, so nobody has it open
    return (about.st_dev, about.st_ino)


def _open_to_write(path: Path, map_bytes: int, now: float) -> Environment:
    folder = Folder(path)
    try:
        opened = _open_alone(folder, map_bytes, now) if folder.claim() else _open_as_is(folder)
        opened.reap()
        return opened
    except BaseException:
        folder.leave()
        raise


def _open_alone(folder: Folder, map_bytes: int, now: float) -> Environment:
    reason = folder.distrust()
    if reason is not None:
        folder.move_aside(reason)
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


def _made(folder: Folder, map_bytes: int, now: float) -> Environment | None:
    """The environment, with the leases that were left in it cleared; None: the file is not of our layout."""
    env = _engine(folder, map_size=map_bytes, readonly=False)
    try:
        meta = env.open_db(b"meta", create=False)
        with env.begin() as txn:
            said = txn.get(LAYOUT_KEY, db=meta)
    except lmdb.NotFoundError:
        said = None if env.stat()["entries"] else LAYOUT  # no table at all: it was just made
    if said != LAYOUT:
        env.close()
        return None
    with env.begin(write=True) as txn:
        tables = Tables(*(env.open_db(name.encode(), txn=txn) for name in Tables._fields))
        txn.drop(tables.leases, delete=False)  # who is alone is no holder; after a reboot deadlines mean nothing
        if txn.get(STATE_KEY, db=tables.meta) is None:
            _begin(Writing(txn, tables, State()), now, lost=folder.has_lost())
    return Environment(folder, env, tables)


def _begin(writing: Writing, now: float, *, lost: bool) -> None:
    txn, tables, state = writing
    txn.put(LAYOUT_KEY, LAYOUT, db=tables.meta)
    txn.put(IDENTITY_KEY, secrets.token_hex(8).encode(), db=tables.meta)
    if lost:  # counts as an invalidation of everything that is older
        state.generation = state.lost = 1
        txn.put(number(1), pack_moment(now), db=tables.journal)
    txn.put(STATE_KEY, state.pack(), db=tables.meta)


def _open_as_is(folder: Folder, *, readonly: bool = False) -> Environment:
    """With the map's size that whoever was alone has chosen: it must be the same for all."""
    env = _engine(folder, map_size=0, readonly=readonly)
    try:
        # Not in one transaction of ours: a table that a read transaction opened is closed with it.
        tables = Tables(*(env.open_db(name.encode(), create=False) for name in Tables._fields))
        with env.begin() as txn:
            said = txn.get(LAYOUT_KEY, db=tables.meta)
    except lmdb.NotFoundError:
        said = None
    if said != LAYOUT:
        env.close()
        raise StoreError(f"the store in {folder.path} is in use by another version of Millpond; stop that one first.")
    return Environment(folder, env, tables)


def _engine(folder: Folder, *, map_size: int, readonly: bool) -> lmdb.Environment:
    try:
        return lmdb.open(
            str(folder.path),
            map_size=map_size,
            mode=0o600,
            readonly=readonly,
            create=not readonly,
            sync=False,
            max_readers=_MOST_READERS,
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
