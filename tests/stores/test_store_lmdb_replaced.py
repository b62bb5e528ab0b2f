"""The files of the embedded store are removed, renamed or replaced while processes have them open."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import lmdb_process
import pytest
from conformance import BUILD, NOW, MovableClock, entry_at
from lmdb_process import OtherProcess, store_at

from millpond.errors import StoreError
from millpond.policy.freshness import judge
from millpond.stores.contract import Commit
from millpond.stores.lmdb.file_replacement import LOOK_SECONDS
from millpond.stores.lmdb.store import LmdbStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Opener = Callable[[], Awaitable[LmdbStore]]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".millpond" / "cache"


@pytest.fixture
async def opened(folder: Path, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opener]:
    """Opens stores of one folder, each as the store of another worker; none waits for the others to notice."""
    monkeypatch.setattr("millpond.stores.lmdb.file_replacement._NOTICED_SECONDS", -1.0)
    stores: list[LmdbStore] = []

    async def open_one() -> LmdbStore:
        store = LmdbStore(folder, max_bytes=10_000_000, clock=clock, monotonic=clock)
        await store.open()
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        await store.close()


def put_something_in_the_way(folder: Path) -> None:
    folder.write_text("in the way")


def remove_everything(folder: Path) -> None:
    shutil.rmtree(folder)


def remove_all_above(folder: Path) -> None:
    shutil.rmtree(folder.parent)


def rename(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")


def remove_the_data(folder: Path) -> None:
    (folder / "data.mdb").unlink()


def remove_the_lock_of_the_engine(folder: Path) -> None:
    (folder / "lock.mdb").unlink()


def remove_the_lock_of_the_store(folder: Path) -> None:
    (folder / "store.lock").unlink()


def restore_the_lock_of_the_store(folder: Path) -> None:
    shutil.copy(folder / "store.lock", folder.parent / "copy")
    (folder.parent / "copy").replace(folder / "store.lock")


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def restore_a_backup(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")
    shutil.copytree(folder.parent / "backup", folder)


def restore_the_data(folder: Path) -> None:
    (folder / "data.mdb").unlink()
    shutil.copy(folder.parent / "backup" / "data.mdb", folder / "data.mdb")


def restore_over_the_data(folder: Path) -> None:
    (folder.parent / "backup" / "data.mdb").replace(folder / "data.mdb")


def copy_over_the_data(folder: Path) -> None:
    shutil.copyfile(folder.parent / "backup" / "data.mdb", folder / "data.mdb")


def copy_over_everything(folder: Path) -> None:
    for path in (folder.parent / "backup").iterdir():
        shutil.copyfile(path, folder / path.name)


REPLACED = [
    remove_everything,
    remove_all_above,
    rename,
    remove_the_data,
    remove_the_lock_of_the_engine,
    remove_the_lock_of_the_store,
    restore_the_lock_of_the_store,
    empty,
    restore_a_backup,
    restore_the_data,
    restore_over_the_data,
    copy_over_the_data,
    copy_over_everything,
]
each_way = pytest.mark.parametrize("replaced", REPLACED, ids=lambda replaced: replaced.__name__)


def served(store: LmdbStore, clock: MovableClock, key: str = "/a") -> bytes | None:
    entry = store.peek(key)
    return entry.body if entry is not None and judge(entry, clock(), store.row, BUILD).servable else None


def files_of(*stores: LmdbStore) -> set[tuple[int, int]]:
    return {store._transactions.environment.file for store in stores}


@each_way
@pytest.mark.parametrize("first", ["a worker", "a command"])
async def test_workers_go_on_with_the_new_file_and_everything_older_is_unknown(
    opened: Opener, folder: Path, clock: MovableClock, replaced: Callable[[Path], None], first: str
) -> None:
    one, other = await opened(), await opened()
    for _ in range(20):
        one.invalidate(["u"])
    old = entry_at(generation=one.generation(), body=b"old", tags=("t",))
    assert await one.commit(old) is Commit.STORED
    shutil.copytree(folder, folder.parent / "backup")
    assert served(other, clock) == b"old"
    for number in range(3):
        one.invalidate([f"u{number}"])
    clock.advance(LOOK_SECONDS)
    assert served(other, clock) == b"old"
    before, versions = one.generation(), {one.version(), other.version()}
    replaced(folder)
    if first == "a command":
        command = await opened()
        command.invalidate(["t"])
        clock.advance(LOOK_SECONDS)
    else:
        one.invalidate(["t"])
    clock.advance(LOOK_SECONDS)
    assert served(one, clock) is None
    made = files_of(one)
    assert served(other, clock) is None
    assert files_of(one, other) == made  # whoever comes later breaks nothing up again
    assert all(store._transactions.environment.is_in_place() for store in (one, other))
    assert min(one.generation(), other.generation()) > before
    assert {one.version(), other.version()}.isdisjoint(versions)
    assert await one.commit(old) is Commit.INVALIDATED
    new = entry_at(rendered_at=NOW + 1, generation=one.generation(), body=b"new", tags=("t",))
    assert await one.commit(new) is Commit.STORED
    assert served(other, clock) == b"new"
    other.invalidate(["t"])
    assert served(one, clock) is None
    fresh = await opened()
    assert files_of(fresh) == files_of(one, other)
    assert fresh.generation() == one.generation()


async def test_a_worker_that_notices_late_ends_on_the_same_file_and_gives_up_nothing_of_it(
    opened: Opener, folder: Path, clock: MovableClock
) -> None:
    one, late = await opened(), await opened()
    late.invalidate(["u"])
    remove_everything(folder)
    one.invalidate(["t"])
    new = entry_at(generation=one.generation(), body=b"new", tags=("t",))
    assert await one.commit(new) is Commit.STORED
    clock.advance(LOOK_SECONDS)
    assert served(late, clock) == b"new"
    assert served(one, clock) == b"new"
    assert late.generation() == one.generation()


async def test_what_was_rendered_before_and_ends_afterwards_is_neither_stored_nor_served(
    opened: Opener, folder: Path, clock: MovableClock
) -> None:
    """A command invalidated in the new file, whose counter was far behind the one that the render captured."""
    worker = await opened()
    for _ in range(50):
        worker.invalidate(["u"])
    captured = worker.generation()
    remove_everything(folder)
    command = await opened()
    command.invalidate(["t"])
    clock.advance(LOOK_SECONDS)
    assert worker.peek("/a") is None
    made = entry_at(generation=captured, tags=("t",))
    assert not judge(made, clock(), worker.row, BUILD).servable
    assert await worker.commit(made) is Commit.INVALIDATED
    assert worker.row("never named") is not None


async def test_a_file_that_is_replaced_again_and_again_is_followed(
    opened: Opener, folder: Path, clock: MovableClock
) -> None:
    one, other = await opened(), await opened()
    for number in range(30):
        body = b"%d" % number
        entry = entry_at(rendered_at=NOW + number, generation=one.generation(), body=body, tags=("t",))
        assert await one.commit(entry) is Commit.STORED
        assert served(other, clock) == body
        REPLACED[number % 7](folder)
        shutil.rmtree(folder.parent / "elsewhere", ignore_errors=True)
        clock.advance(LOOK_SECONDS)
        assert served(one, clock) is None
        assert served(other, clock) is None
    assert len(files_of(one, other)) == 1


async def test_a_folder_that_cannot_be_made_anew_means_uncached_answers_until_it_can(
    opened: Opener, folder: Path, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened()
    entry = entry_at(tags=("t",))
    await store.commit(entry)
    version = store.version()
    shutil.rmtree(folder)
    put_something_in_the_way(folder)
    clock.advance(LOOK_SECONDS)
    assert store.peek("/a") is None
    assert store.version() != version
    assert not judge(entry, clock(), store.row, BUILD).servable
    assert await store.commit(entry) is Commit.FAILED
    assert await store.acquire("/a", 10) is None
    with pytest.raises(StoreError, match="can't invalidate"):
        store.invalidate(["t"])
    assert not await store.is_reachable()
    assert caplog.text.count("can't be followed") == 1
    os.remove(folder)
    clock.advance(LOOK_SECONDS)
    assert store.peek("/a") is None
    assert await store.is_reachable()
    assert await store.commit(entry_at(generation=store.generation())) is Commit.STORED
    assert store.peek("/a") is not None


async def test_what_was_given_up_is_let_go_of(opened: Opener, folder: Path, clock: MovableClock) -> None:
    """Its disk is free only then."""
    store = await opened()
    former = store._transactions.environment
    remove_everything(folder)
    clock.advance(LOOK_SECONDS)
    store.peek("/a")
    assert former._env is not None  # a thread may be in a transaction of it
    for _ in range(20):
        store._transactions.look()
    assert former._env is None
    assert store.generation() > 0


async def test_a_link_in_the_place_of_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    """Who may write in a shared folder could have another user's process write elsewhere."""
    victim = tmp_path / "victim"
    for name in ("store.lock", "data.mdb", "lock.mdb"):
        victim.write_bytes(b"")
        os.makedirs(folder, exist_ok=True)
        (folder / name).symlink_to(victim)
        with pytest.raises(StoreError, match=f"{name} is a symbolic link"):
            await store_at(folder).open()
        assert victim.read_bytes() == b""
        shutil.rmtree(folder)


async def test_a_link_that_takes_the_place_of_a_file_in_use_is_not_followed(
    opened: Opener, folder: Path, clock: MovableClock, tmp_path: Path
) -> None:
    store = await opened()
    (folder / "data.mdb").rename(tmp_path / "moved.mdb")
    (folder / "data.mdb").symlink_to(tmp_path / "moved.mdb")
    await store.commit(entry_at())
    clock.advance(LOOK_SECONDS)
    assert store.peek("/a") is None
    assert await store.commit(entry_at()) is Commit.FAILED


async def test_a_backup_that_was_put_there_while_nobody_ran_is_not_trusted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_at(folder)
    await store.open()
    await store.commit(entry_at(tags=("t",)))
    await store.close()
    shutil.copytree(folder, folder.parent / "backup")
    await store.open()
    store.invalidate(["t"])
    await store.close()
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "backup", folder)
    await store.open()
    assert store.peek("/a") is None
    assert "another file was put in its place" in caplog.text
    await store.close()


@pytest.mark.parametrize("replaced", [remove_everything, restore_a_backup], ids=lambda replaced: replaced.__name__)
async def test_an_invalidation_in_a_new_file_returns_when_every_process_has_noticed_it(
    folder: Path, replaced: Callable[[Path], None]
) -> None:
    store = store_at(folder)
    await store.open()
    with OtherProcess(folder) as worker:
        assert worker.call(lmdb_process.commit, "/a", b"old") == "STORED"
        store.invalidate(["u"])
        shutil.copytree(folder, folder.parent / "backup")
        assert worker.call(lmdb_process.served, "/a") == b"old"
        replaced(folder)
        store.invalidate(["t"])  # the worker had no cause to look since
        assert worker.call(lmdb_process.served, "/a") is None
        assert worker.call(lmdb_process.commit, "/a", b"new") == "STORED"
        assert worker.call(lmdb_process.file_of) == store._transactions.environment.file
        assert await lmdb_process.served(store, "/a") == b"new"
    await store.close()
