"""The embedded store on a file system that is really full."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import lmdb
import pytest
from conformance import entry_at
from lmdb_process import store_at

from millpond.policy.tags import TagRow
from millpond.stores.contract import Commit
from millpond.stores.lmdb.environment import is_damage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from millpond.stores.lmdb.store import LmdbStore

pytestmark = pytest.mark.anyio

DISK_BYTES = 8 * 1024 * 1024


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a file system of its own needs the superuser, and the right to mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
async def store(disk: Path) -> AsyncIterator[LmdbStore]:
    """May grow beyond the disk."""
    store = store_at(disk / "store", max_bytes=100_000_000)
    await store.open()
    yield store
    await store.close()


def left(disk: Path) -> int:
    about = os.statvfs(disk)
    return about.f_bavail * about.f_frsize


def fill(disk: Path) -> None:
    """To the last byte."""
    if left(disk):
        with (disk / "of others").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, left(disk))
    assert left(disk) == 0


async def filled_by_itself(store: LmdbStore, size: int) -> list[Commit]:
    return [await store.commit(entry_at(f"/{number}", body=b"x" * size)) for number in range(2 * DISK_BYTES // size)]


@pytest.mark.parametrize("size", [2_000, 300_000])
async def test_a_store_that_outgrows_its_disk_goes_on_with_what_is_used_most(
    store: LmdbStore, disk: Path, size: int
) -> None:
    outcomes = await filled_by_itself(store, size)
    assert Commit.FAILED not in outcomes[-3:]
    assert outcomes.count(Commit.FAILED) <= len(outcomes) // 10
    assert store.peek("/0") is None
    for number in range(100):
        assert store.invalidate([f"t{number}"]) == number + 1


@pytest.mark.parametrize("size", [2_000, 300_000])
@pytest.mark.parametrize("stored", ["much", "little"])
async def test_what_others_fill_leaves_room_for_invalidations(
    store: LmdbStore, disk: Path, size: int, stored: str
) -> None:
    if stored == "much":
        await filled_by_itself(store, size)
    else:
        await store.commit(entry_at("/0", body=b"x" * size))
    store._transactions.look()  # as it happens each second
    fill(disk)
    many = 1000 if stored == "much" else 200
    for number in range(many):
        assert store.invalidate([f"t{number}"]) == number + 1
    assert store.row("t0") == TagRow(1, 1)
    if stored == "much":
        assert (await filled_by_itself(store, size))[-1] is Commit.STORED


async def test_a_full_disk_is_reachable_while_invalidations_fit_and_else_until_there_is_room(
    store: LmdbStore, disk: Path
) -> None:
    store._transactions.look()
    fill(disk)
    assert await store.is_reachable()
    environment = store._transactions.environment
    with (environment.folder.data).open("r+b") as data:  # as on a file system that can't keep the reserve
        data.truncate(environment.facts()["file_bytes"])
    (disk / "of others").unlink()
    fill(disk)
    while await store.is_reachable():
        store.invalidate([os.urandom(8).hex() * 20])
    (disk / "of others").unlink()
    assert await store.is_reachable()


async def test_an_input_error_of_a_disk_with_room_is_no_want_of_room(store: LmdbStore) -> None:
    broken = lmdb.Error("Input/output error")
    vars(broken)["code"] = errno.EIO
    assert not store._transactions.environment.is_full(broken)


@pytest.mark.parametrize("error", [lmdb.BadTxnError, lmdb.BadDbiError, lmdb.CorruptedError])
async def test_what_shows_an_unsound_file_is_damage(error: type[lmdb.Error]) -> None:
    assert is_damage(error("mdb_get", 0))


async def test_a_disk_that_stays_all_but_full_costs_a_store_no_more_than_the_entries_in_excess(
    store: LmdbStore, disk: Path
) -> None:
    """However different their sizes are: none of them is said to be stored and isn't there."""
    sizes = [100_000, 2_000, 900_000, 30_000, 2_000, 500_000]
    for number in range(20 * len(sizes)):
        size = sizes[number % len(sizes)]
        outcome = await store.commit(entry_at(f"/{number}", body=os.urandom(size)))
        assert (store.peek(f"/{number}") is not None) is (outcome is Commit.STORED)
    counted = sum(len(entry.body) for entry in store.entries())
    assert counted > DISK_BYTES // 4
