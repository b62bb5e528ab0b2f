"""An open LMDB environment."""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
from typing import TYPE_CHECKING, NoReturn

import lmdb

from millpond.errors import StoreError
from millpond.stores.lmdb.file_replacement import Predecessor, settled_at
from millpond.stores.lmdb.layout import IDENTITY_KEY
from millpond.stores.lmdb.open_transaction import Reading, Writing
from millpond.stores.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import Callable

    from millpond.stores.lmdb.layout import Tables
    from millpond.stores.lmdb.lock import WriteLock
    from millpond.stores.lmdb.store_folder import StoreFolder

_TRANSACTION_AT = 144  # bytes into each of the two meta pages: behind page header, magic, map and two root records
_TRANSACTIONS_PER_FILE = 1 << 44
_RESERVED_BYTES = 256 * 1024
_TIGHT_BYTES = 1024 * 1024
_files = itertools.count()
_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.BadTxnError,
    lmdb.BadDbiError,
)


class FileReplaced(lmdb.Error):
    """The data file was removed or replaced, and the new one can't be opened yet."""


class FileOverwritten(lmdb.Error):
    """Another file was copied over this one while it was in use."""


class Environment:
    """An open environment, for any number of threads.

    Pages are written to the page cache and synced only at the last close (`sync=False`). Committed data therefore
    survives a kill of any process at any moment, but not a power failure: see `StoreFolder.distrust`. `writemap` is
    off: on a full disk a write then raises an error, while a write to a mapped page would end in SIGBUS.
    """

    def __init__(self, folder: StoreFolder, env: lmdb.Environment, tables: Tables, lock: WriteLock) -> None:
        self.folder, self.tables, self.lock = folder, tables, lock
        self.waiters = Waiters()
        self.users = 0
        self.map_bytes = env.info()["map_size"]
        self.readonly = env.flags()["readonly"]
        self._page = env.stat()["psize"]
        self._env: lmdb.Environment | None = env
        self.base = next(_files) * _TRANSACTIONS_PER_FILE
        """Added to transaction numbers, so that those of two files always differ in this process."""
        self.last_transaction = _last_transaction_reader(env, folder, self.base)
        """Returns the number of the last transaction that any process committed. If it is the same, so is the data."""
        self._latest = 0
        """The highest number that this process has seen."""
        self._overwritten = False
        with env.begin() as txn:
            self._identity: bytes = txn.get(IDENTITY_KEY, b"", db=tables.meta)
        self.settled_at = 0.0
        self.learn_when_settled()
        self._why_not = "it was closed"
        self.gone = False
        """Whether the file was abandoned."""

    @property
    def file(self) -> tuple[int, int]:
        """Device and inode of the data file."""
        return self.lock.files[0]

    def begin(self) -> lmdb.Transaction[bytes]:
        """A read transaction; end it soon."""
        env = self._env
        if env is None or self.gone:  # inlined: a hit after a write runs this
            env = self._usable()
        try:
            return env.begin()
        except lmdb.ReadersFullError:
            env.reader_check()
            return env.begin()

    def write(self) -> lmdb.Transaction[bytes]:
        """A write transaction; the caller holds the `lock`. Blocks while a program other than Millpond is writing."""
        return self._usable().begin(write=True)

    def is_in_place(self) -> bool:
        """Whether this is still the data file in the folder, with the content that Millpond wrote."""
        self._opened()
        if self.gone or self._overwritten:
            return False
        latest = self._latest  # read first: other threads commit meanwhile
        number = self.last_transaction()
        if number < latest:
            self._give_up()
            return False
        self._latest = number
        return self.folder.is_in_place(self.lock.files)

    def check_continued(self, txn: lmdb.Transaction[bytes]) -> None:
        """Check that a write transaction follows the last one.

        A backup that was copied over the file has its own last transaction's number instead.

        Raises:
            FileOverwritten: it doesn't.
        """
        number = self.base + txn.id()
        if number <= self._latest or number != self.last_transaction() + 1:
            self._give_up()
            raise FileOverwritten("another file was copied over it while it was in use")
        self._latest = number - 1

    def _give_up(self) -> None:
        """Mark the file as unusable for all processes."""
        self._overwritten = True
        if not self.readonly and self.folder.is_in_place(self.lock.files):  # no other process has noticed yet
            with contextlib.suppress(OSError):  # the folder isn't writable: each process notices by itself
                self.folder.break_up()

    def learn_when_settled(self) -> None:
        """Read the time by which every process will have noticed this file."""
        with self._opened().begin() as txn:
            self.settled_at = settled_at(Reading(txn, self.tables))

    def left(self, captured: int) -> Predecessor:
        """This file as a predecessor of its successor; `captured`: the latest generation that this process saw."""
        if self._overwritten:
            return Predecessor(self._identity, captured)
        with self._opened().begin() as txn:
            return Predecessor(self._identity, max(captured, Reading(txn, self.tables).state().generation))

    def is_tight(self) -> bool:
        """Whether the disk is almost full."""
        return self.lock.disk_bytes() < _TIGHT_BYTES

    def spare_bytes(self, writing: Writing) -> int:
        """Bytes that can be written without more disk space: unused pages, minus a reserve of a quarter of the file.

        The reserve is for the page copies that each transaction makes, and for free pages that are too fragmented.
        """
        env = self._usable()
        used = sum(
            about["branch_pages"] + about["leaf_pages"] + about["overflow_pages"]
            for about in (env.stat(), *(writing.txn.stat(table) for table in writing.tables))
        )
        return max(0, (env.info()["last_pgno"] + 1) * 3 // 4 - used) * self._page

    def is_full(self, error: lmdb.Error) -> bool:
        """Whether the error means that the map or the disk is full."""
        code = getattr(error, "code", None)  # errors raised by the binding itself, rather than by LMDB, have none
        if isinstance(error, (lmdb.MapFullError, lmdb.TxnFullError)) or code in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EFBIG,
        ):
            return True
        # LMDB reports EIO for a write that was cut short because the disk became full.
        return code == errno.EIO and self.is_tight()

    def reserve(self) -> bool:
        """Reserve disk space after the end of the file; the caller holds the `lock`. False if there is none left.

        With it invalidations, which are small, and transactions that make room can be written even after other
        programs have filled the disk.
        """
        used = (self._usable().info()["last_pgno"] + 1) * self._page
        try:
            if self.lock.data_bytes() < used + _RESERVED_BYTES // 2:
                self.lock.allocate(used, _RESERVED_BYTES)
        except OSError:
            return False
        return True

    def reap(self) -> int:
        """Free the slots of dead readers, and return how many there were."""
        return self._usable().reader_check()

    def facts(self) -> dict[str, int]:
        """LMDB's facts about the file: sizes in bytes, readers, transactions."""
        env = self._usable()
        info, page = env.info(), env.stat()["psize"]
        return {
            "map_bytes": info["map_size"],
            "file_bytes": (info["last_pgno"] + 1) * page,
            "readers": sum(line.split()[:1] != [] for line in env.readers().splitlines()[1:]),
            "last_transaction": info["last_txnid"],
        }

    def close(self) -> None:
        """Sync if this is the last process that has the file open, and release the folder."""
        # A file that is no longer the folder's will never be read again.
        keep = not self.readonly and self.is_in_place()
        env, self._env, self.last_transaction = self._opened(), None, self._refuse
        last = self.folder.is_last()
        try:
            if last and keep:
                env.sync(True)
        finally:
            env.close()
            self.lock.close()
            self.folder.close(synced=last and keep)

    def abandon(self) -> None:
        """Stop using the file: it was replaced, and the new one can't be opened."""
        self.gone = True
        number = self.base + _TRANSACTIONS_PER_FILE - 1  # no transaction has this number
        self.last_transaction = lambda: number

    def inherit(self) -> None:
        """In a forked child: LMDB's locks belong to the parent, so nothing may be used here."""
        self._why_not = "this process was forked from one that had it open; open it after the fork"
        self.last_transaction = self._refuse
        # The object must stay alive, and stays in `opening._opened`: closing it would affect the parent's locks.
        self._inherited, self._env = self._env, None
        self.folder.leave()
        self.lock.close()

    def _usable(self) -> lmdb.Environment:
        if self.gone:
            raise FileReplaced("it was removed while it was in use, and can't be created again")
        return self._opened()

    def _opened(self) -> lmdb.Environment:
        if self._env is None:
            self._refuse()
        return self._env

    def _refuse(self) -> NoReturn:
        raise StoreError(f"the store in {self.folder.path} can't be used: {self._why_not}.")


def is_damage(error: lmdb.Error) -> bool:
    """Whether the error means that the file itself is damaged."""
    return isinstance(error, _DAMAGE)


def _last_transaction_reader(env: lmdb.Environment, folder: StoreFolder, base: int) -> Callable[[], int]:
    """A function that reads the number of the last transaction from the two meta pages: in 0.1 us instead of 1.

    LMDB itself reads it there. The offsets are those of LMDB 0.9's file format. If the result differs from LMDB's own,
    the function calls LMDB instead.
    """
    page = env.stat()["psize"]
    with folder.data.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 2 * page, access=mmap.ACCESS_READ)
    words = memoryview(pages).cast("Q")
    one, other = _TRANSACTION_AT // 8, (page + _TRANSACTION_AT) // 8

    def last() -> int:
        number, another = words[one], words[other]
        return number if number > another else another  # noqa: FURB136 - a third of the time of max(), on each hit

    def by_lmdb() -> int:
        number: int = env.info()["last_txnid"]
        return number

    read = last if last() == by_lmdb() else by_lmdb
    return (lambda: base + read()) if base else read
