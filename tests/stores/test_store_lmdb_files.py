"""The folder and the file of the embedded store: what is found there, what is trusted, and what is said about it."""

from __future__ import annotations

import asyncio
import os
import random
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import lmdb_process
import pytest
from conformance import BUILD, NOW, MovableClock, entry_at, taken
from lmdb_process import OtherProcess

from millpond.errors import StoreError
from millpond.policy.freshness import judge
from millpond.policy.tags import TagRow
from millpond.stores.contract import Commit
from millpond.stores.lmdb.inspection import LmdbInspection
from millpond.stores.lmdb.store import LmdbStore
from millpond.stores.lmdb.store_folder import _boot

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store"


def store_in(folder: Path, clock: MovableClock | None = None) -> LmdbStore:
    clock = clock or MovableClock(NOW)
    return LmdbStore(folder, max_bytes=10_000_000, clock=clock, monotonic=clock)


async def filled(folder: Path, entries: int = 400) -> None:
    """A store that was used and closed."""
    store = store_in(folder)
    await store.open()
    for number in range(entries):
        await store.commit(entry_at(f"/{number}", body=b"x" * (number * 61 % 5000), tags=("t",)))
    store.invalidate(["u"])
    await store.close()


async def reopened(folder: Path) -> LmdbStore:
    store = store_in(folder)
    await store.open()
    return store


def killed(folder: Path) -> None:
    """Let the folder look as if who used it was killed: nobody said that the file was closed."""
    (folder / "store.lock").write_text(f"open {_boot()}")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def modes_in(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


# Restarts


async def test_a_restart_keeps_entries_rows_and_the_generation(folder: Path) -> None:
    store = await reopened(folder)
    entry = entry_at(tags=("t",), body=b"x" * 3000)
    await store.commit(entry)
    hard, soft = store.invalidate(["t"]), store.invalidate(["s"], expire_after=None)
    await store.close()
    store = await reopened(folder)
    assert store.peek("/a") == entry
    assert store.generation() == 2
    assert store.row("t") == TagRow(hard, expired=hard)
    assert store.row("s") == TagRow(soft)
    assert not judge(entry, NOW, store.row, BUILD).servable
    await store.close()


async def test_a_restart_of_all_processes_ends_every_lease(folder: Path) -> None:
    store = await reopened(folder)
    await taken(store, "/a", 1e9)
    await store.close()
    store = await reopened(folder)
    assert await store.acquire("/a", 10) is not None
    await store.close()


async def test_a_store_may_be_opened_again_after_it_was_closed(folder: Path) -> None:
    store = await reopened(folder)
    await store.commit(entry_at())
    await store.close()
    await store.close()
    await store.open()
    assert store.peek("/a") == entry_at()
    await store.close()


async def test_what_was_killed_is_taken_over_when_it_is_sound(folder: Path) -> None:
    await filled(folder)
    killed(folder)
    store = await reopened(folder)
    assert sum(1 for _ in store.entries()) == 400
    assert not (folder / "data.mdb.aside").exists()
    await store.close()


async def test_a_file_that_was_closed_in_peace_is_not_searched_for_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(folder)
    monkeypatch.setattr("millpond.stores.lmdb.store_folder._damage", lambda path: "searched")
    store = await reopened(folder)
    assert store.generation() == 1
    await store.close()


# Files that can't be trusted


def cut_short(data: Path) -> None:
    with data.open("r+b") as file:
        file.truncate(data.stat().st_size // 2)


def overwrite(data: Path) -> None:
    size = data.stat().st_size
    with data.open("r+b") as file:
        file.seek(size // 4)
        file.write(random.Random(1).randbytes(size // 2))


def blank(data: Path) -> None:
    size = data.stat().st_size
    with data.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(bytes(size // 2))


def lose_the_first_pages(data: Path) -> None:
    with data.open("r+b") as file:
        file.write(bytes(8192))


def replace_by_text(data: Path) -> None:
    data.write_text("not a store\n" * 1000)


DAMAGE = [cut_short, overwrite, blank, lose_the_first_pages, replace_by_text]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("left", ["closed", "killed"])
async def test_a_damaged_file_is_moved_aside_and_begun_anew(
    folder: Path, damage: Callable[[Path], None], left: str, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(folder)
    if left == "killed":
        killed(folder)
    damage(folder / "data.mdb")
    store = await reopened(folder)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "moved to data.mdb.aside" in caplog.text
    assert (folder / "data.mdb.aside").exists()
    assert list(store.entries()) == []
    assert await store.commit(entry_at(generation=store.generation())) is Commit.STORED
    await store.close()
    store = await reopened(folder)
    assert store.peek("/a") is not None
    await store.close()


async def test_after_a_power_cut_the_file_is_not_trusted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    await filled(folder)
    (folder / "store.lock").write_text("open another-boot")
    store = await reopened(folder)
    assert "the machine went down before it was written to disk" in caplog.text
    assert list(store.entries()) == []
    await store.close()


async def test_invalidations_that_were_lost_concern_every_tag_of_what_is_older(folder: Path) -> None:
    """The build's answers may have been invalidated in the file that was lost: they are stale, and not gone."""
    await filled(folder)
    (folder / "store.lock").write_text("open another-boot")
    clock = MovableClock(NOW)
    store = store_in(folder, clock)
    await store.open()
    await store.seed([entry_at("/built", NOW - 100, tags=("t",), revalidate=None)])
    built = store.peek("/built")
    assert built is not None
    judgement = judge(built, clock(), store.row, BUILD)
    assert (judgement.servable, judgement.fresh) == (True, False)
    rendered = entry_at("/built", NOW, tags=("t",), generation=store.generation())
    assert await store.commit(rendered) is Commit.STORED
    assert judge(rendered, clock(), store.row, BUILD).fresh
    hard = store.invalidate(["t"])
    assert store.row("t") == TagRow(hard, expired=hard)
    await store.close()
    store = await reopened(folder)
    assert store.row("never named") == TagRow(1)
    await store.close()


async def test_a_new_folder_has_lost_nothing(folder: Path) -> None:
    store = await reopened(folder)
    await store.seed([entry_at("/built", NOW - 100, tags=("t",), revalidate=None)])
    built = store.peek("/built")
    assert built is not None
    assert judge(built, NOW, store.row, BUILD).fresh
    await store.close()


async def test_a_file_of_unknown_origin_is_moved_aside(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    await filled(folder)
    (folder / "store.lock").unlink()
    store = await reopened(folder)
    assert "it is not known how it came here" in caplog.text
    assert list(store.entries()) == []
    await store.close()


async def test_a_file_of_another_layout_is_moved_aside(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    await filled(folder)
    with lmdb.open(str(folder), max_dbs=9, map_size=10**8) as other:
        meta = other.open_db(b"meta")
        with other.begin(write=True) as txn:
            txn.put(b"layout", b"millpond store, layout 0", db=meta)
    killed(folder)
    store = await reopened(folder)
    assert "another version of Millpond" in caplog.text
    assert list(store.entries()) == []
    assert store.row("t") == TagRow(1)
    await store.close()


async def test_only_the_last_file_that_was_moved_aside_is_kept(folder: Path) -> None:
    for _ in range(3):
        await filled(folder, 10)
        replace_by_text(folder / "data.mdb")
    await (await reopened(folder)).close()
    assert names_in(folder) == ["data.mdb", "data.mdb.aside", "lock.mdb", "store.lock"]


async def test_damage_that_shows_while_in_use_costs_answers_and_is_mended_at_the_next_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise lmdb.CorruptedError("mdb_get", 0)

    store = await reopened(folder)
    entry = entry_at(tags=("t",))
    await store.commit(entry)
    store.invalidate(["u"])
    environment = store._transactions.environment
    with monkeypatch.context() as damage:
        damage.setattr(environment, "begin", broken)
        damage.setattr(environment, "write", broken)
        assert store.peek("/b") is None
        assert store.generation() >= 0
        assert not judge(entry, NOW, store.row, BUILD).servable
        assert await store.commit(entry) is Commit.FAILED
        assert await store.acquire("/a", 10) is None
        await asyncio.wait_for(store.wait("/a", 3600), 5)
        await store.seed([entry])
        with pytest.raises(StoreError, match="can't invalidate"):
            store.invalidate(["t"])
        with pytest.raises(StoreError, match="can't remove"):
            await store.remove("/a")
    assert caplog.text.count("is damaged") == 1
    await store.close()
    store = await reopened(folder)
    assert "it was found to be damaged" in caplog.text
    assert store.row("t") == TagRow(1)
    await store.close()


async def test_a_store_that_others_found_damaged_is_not_joined(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millpond.stores.lmdb.store_folder._PATIENCE_SECONDS", 0.1)
    with OtherProcess(folder) as other:
        other.call(lmdb_process.find_damage)
        with pytest.raises(StoreError, match="is damaged, and in use"):
            await store_in(folder).open()
    store = await reopened(folder)
    assert store.row("t") == TagRow(1)
    await store.close()


async def test_a_frame_that_was_altered_is_a_miss(folder: Path) -> None:
    store = await reopened(folder)
    await store.commit(entry_at("/a", body=b"good"))
    await store.commit(entry_at("/b"))
    tables = store._transactions.environment.tables
    with store._transactions.environment.write() as txn:
        altered = {key: frame.replace(b"good", b"evil") for key, frame in txn.cursor(db=tables.entries)}
        for key, frame in altered.items():
            txn.put(key, frame, db=tables.entries)
    other = await reopened(folder)
    assert other.peek("/a") is None
    assert [entry.key for entry in other.entries()] == ["/b"]
    assert await other.commit(entry_at("/a", NOW + 1)) is Commit.STORED
    assert other.peek("/a") is not None
    await other.close()
    await store.close()


# Folders


async def test_the_folder_that_was_made_and_its_files_are_the_users_alone(folder: Path) -> None:
    store = await reopened(folder)
    assert modes_in(folder.parent) == {0o700}
    assert modes_in(folder) == {0o600}
    await store.close()


async def test_a_folder_that_was_there_keeps_its_mode(folder: Path) -> None:
    """It is shared, perhaps, and others would be locked out of it."""
    os.makedirs(folder)
    os.chmod(folder, 0o2740)
    store = await reopened(folder)
    assert modes_in(folder.parent) == {0o2740}
    assert modes_in(folder) == {0o600}
    await store.close()


@pytest.mark.parametrize("place", ["/proc/millpond", "{tmp}/file/store", "{tmp}/file"])
async def test_a_folder_that_cannot_be_used_is_said_to_be(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Make that folder writable"):
        await store_in(Path(place.format(tmp=tmp_path))).open()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
async def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="Make that folder writable"):
        await store_in(tmp_path / "closed" / "store").open()


async def test_two_stores_in_one_process_are_two(tmp_path: Path) -> None:
    one, other = await reopened(tmp_path / "one"), await reopened(tmp_path / "other")
    await one.commit(entry_at())
    one.invalidate(["t"])
    assert other.peek("/a") is None
    assert (other.generation(), other.row("t")) == (0, None)
    await one.close()
    assert await other.commit(entry_at(body=b"other")) is Commit.STORED
    await other.close()


async def test_one_folder_by_two_paths_is_one_store(tmp_path: Path) -> None:
    one = await reopened(tmp_path / "one")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    other = await reopened(tmp_path / "link")
    await one.commit(entry_at())
    assert other.peek("/a") == entry_at()
    await one.close()
    assert other.peek("/a") == entry_at()
    await other.close()


async def test_a_store_is_opened_once(folder: Path) -> None:
    store = await reopened(folder)
    with pytest.raises(StoreError, match="is open already"):
        await store.open()
    await store.close()


async def test_a_store_that_is_not_open_says_so(folder: Path) -> None:
    store = store_in(folder)
    for ask in (store.generation, lambda: store.peek("/a"), lambda: store.row("t"), lambda: store.invalidate(["t"])):
        with pytest.raises(StoreError, match="is not open"):
            ask()


# Looking into a store


async def test_an_inspection_finds_what_is_in_a_store_in_use(folder: Path) -> None:
    store = await reopened(folder)
    await store.commit(entry_at("/a", tags=("t",)))
    await store.commit(entry_at("/b"))
    row = TagRow(store.invalidate(["t"], expire_after=None))
    await taken(store, "/a")
    for _ in range(7):
        store.peek("/a")
    await store.commit(entry_at("/b", NOW + 1))
    with LmdbInspection(folder) as inside:
        stats = inside.stats()
        assert (stats.entries, stats.tags, stats.leases, stats.generation, stats.lost_below) == (2, 1, 1, 1, 0)
        assert stats.bytes == entry_at("/a", tags=("t",)).size + entry_at("/b").size
        assert 0 < stats.file_bytes < stats.map_bytes
        assert inside.rows() == [("t", row)]
        assert inside.row("t") == row
        found = inside.show("/a")
        assert found is not None
        assert (found.entry, found.hits) == (entry_at("/a", tags=("t",)), 7)
        assert {one.entry.key for one in inside.entries() if one.entry is not None} == {"/a", "/b"}
        assert inside.show("/nowhere") is None
    assert store.peek("/a") is not None
    await store.close()


async def test_an_inspection_beside_a_running_process_writes_nothing(folder: Path) -> None:
    with OtherProcess(folder) as other:
        other.call(lmdb_process.invalidate, "t")
        before = (folder / "data.mdb").stat().st_mtime_ns
        with LmdbInspection(folder) as inside:
            assert inside.stats().generation == 1
            assert other.call(lmdb_process.invalidate, "t") == 2
            assert inside.stats().generation == 2
            with pytest.raises(StoreError, match="open for reading"):
                await store_in(folder).open()
        now = (folder / "data.mdb").stat().st_mtime_ns
        assert now > before
    with LmdbInspection(folder) as inside:
        assert inside.stats().generation == 2
    assert (folder / "data.mdb").stat().st_mtime_ns == now
    store = await reopened(folder)
    assert store.generation() == 2
    await store.close()


async def test_an_inspection_shows_frames_that_cannot_be_read(folder: Path) -> None:
    store = await reopened(folder)
    await store.commit(entry_at("/a", body=b"good"))
    tables = store._transactions.environment.tables
    with store._transactions.environment.write() as txn:
        for key, frame in list(txn.cursor(db=tables.entries)):
            txn.put(key, frame[:-1], db=tables.entries)
    with LmdbInspection(folder) as inside:
        assert [one.entry for one in inside.entries()] == [None]
    await store.close()


async def test_there_is_nothing_to_look_into_without_a_store(folder: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        LmdbInspection(folder)
    assert names_in(folder.parent.parent) == []


async def test_a_store_that_must_be_mended_first_is_not_looked_into(folder: Path) -> None:
    await filled(folder)
    (folder / "store.lock").write_text("open another-boot")
    with pytest.raises(StoreError, match="Start the application"):
        LmdbInspection(folder)
    store = await reopened(folder)
    assert list(store.entries()) == []
    await store.close()


async def test_a_start_waits_for_who_only_looks(folder: Path) -> None:
    """The first process must be alone, to say that the store is in use and to end the leases of former ones."""
    await filled(folder)
    with LmdbInspection(folder):
        other = OtherProcess(folder)
        other.begin(lmdb_process.ready)
        assert not other.answers(0.5)
    with other:
        other.result()
        assert other.call(lmdb_process.invalidate, "t") == 2
