"""Many paths: within their bounds, and on where an interrupted warming was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from millpond.errors import CommandError
from millpond.policy.entry import Entry
from millpond.policy.key import response_key
from millpond.stores.maintenance_contract import ListedEntry, StoreInspection
from millpond.warm.bounded_round import OUT_OF_TIME, WarmingLimits, warm_all
from millpond.warm.most_read import most_read
from millpond.warm.outcome import Outcome, Warmed, WarmTally
from millpond.warm.resume import LASTS, Resume
from ponds import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from millpond.policy.entry import EntryKind
    from millpond.policy.tags import TagRow
    from millpond.stores.maintenance_contract import StoreStats

pytestmark = pytest.mark.anyio

PATHS = [f"/{number}" for number in range(20)]


class Slow:
    """Asks, and counts how many at a time."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock, self.now, self.most = clock, 0, 0

    async def warm(self, path: str) -> Warmed:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await (asyncio.Event().wait() if path == "/hangs" else asyncio.sleep(0))
        finally:
            self.now -= 1
        if path == "/no-server":
            raise CommandError("it can't be reached.")
        if self.clock is not None:
            self.clock.move(1)
        return Warmed(path, Outcome.RENDERED, 200)

    async def read(self, path: str, most: int) -> bytes | None:
        raise AssertionError


async def test_so_many_are_asked_for_at_a_time() -> None:
    warms, tally = Slow(), WarmTally()
    await warm_all(warms, PATHS, WarmingLimits(concurrency=3), tally.add)
    assert warms.most == 3
    assert tally.counts == {Outcome.RENDERED: 20}


async def test_a_path_that_takes_too_long_fails_and_the_others_go_on() -> None:
    tally = WarmTally()
    await warm_all(Slow(), ["/hangs", *PATHS], WarmingLimits(2, timeout=0.05), tally.add)
    assert [(each.path, each.why) for each in tally.failed] == [("/hangs", "it took longer than 0.05 s")]
    assert tally.counts[Outcome.RENDERED] == 20


async def test_what_is_left_when_the_time_is_up_is_skipped() -> None:
    clock, tally = Clock(0.0), WarmTally()
    await warm_all(Slow(clock), PATHS, WarmingLimits(1, time_limit=5), tally.add, clock)
    assert tally.counts == {Outcome.RENDERED: 5, Outcome.SKIPPED: 15}
    assert list(tally.why_skipped()) == [(OUT_OF_TIME, 15)]
    assert str(tally) == "5 asked: 5 rendered, 15 skipped"


async def test_where_asking_has_no_point_it_ends_with_the_reason() -> None:
    with pytest.raises(CommandError, match="can't be reached"):
        await warm_all(Slow(), ["/no-server", *PATHS], WarmingLimits(4), WarmTally().add)


def test_an_interrupted_warming_goes_on_and_one_that_is_done_begins_anew(tmp_path: Path) -> None:
    with Resume(tmp_path, ["build", "-"]) as first:
        assert first.done == frozenset()
        first.note("/a")
        first.note("/b?q=1")
    with Resume(tmp_path, ["build", "-"]) as second:
        assert {"/a", "/b?q=1"} <= second.done
        second.forget()
    with Resume(tmp_path, ["build", "-"]) as third:
        assert third.done == frozenset()


def test_another_build_another_server_and_a_late_one_begin_anew(tmp_path: Path) -> None:
    with Resume(tmp_path, ["build", "-"]) as first:
        first.note("/a")
    with Resume(tmp_path, ["other", "-"]) as other:
        assert other.done == frozenset()
    now = (tmp_path / "warm").stat().st_mtime
    with Resume(tmp_path, ["build", "-"], lambda: now + LASTS + 60) as late:
        assert late.done == frozenset()


def test_a_folder_that_isnt_there_or_a_link_in_the_place_of_the_file_keeps_nothing(tmp_path: Path) -> None:
    with Resume(tmp_path / "missing", ["x"]) as state:
        state.note("/a")
        assert not state.is_kept
    assert not (tmp_path / "missing").exists()
    with Resume(tmp_path, ["x"]) as state:
        assert state.is_kept
    (file,) = (tmp_path / "warm").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with Resume(tmp_path, ["x"]) as state:
        state.note("/a")
        assert not state.is_kept
    assert not (tmp_path / "elsewhere").exists()


class Stored(StoreInspection):
    """A store with these entries."""

    def __init__(self, *listed: ListedEntry) -> None:
        self._listed = listed

    def close(self) -> None: ...

    def row(self, tag: str) -> TagRow | None:
        return None

    def entries(self) -> Iterator[ListedEntry]:
        return iter(self._listed)

    def named(self, key: str, build: str) -> ListedEntry | None:
        return next((listed for listed in self._listed if listed.entry is not None and listed.entry.key == key), None)

    def listed(self, after: str = "", tag: str = "") -> Iterator[ListedEntry]:
        return iter(self._listed)

    def rows(self) -> list[tuple[str, TagRow]]:
        return []

    def found(self, digests: Sequence[str]) -> Iterator[ListedEntry]:
        return iter(())

    def stats(self) -> StoreStats:
        raise NotImplementedError


def entry_of(key: str, kind: EntryKind, status: int = 200, build: str = "") -> Entry:
    return Entry(
        key=key,
        kind=kind,
        status=status,
        headers=(),
        body=b"",
        build=build,
        rendered_at=0.0,
        revalidate=None,
        expire=None,
    )


def stored(path: str, hits: int, use: int, *, query: str = "", status: int = 200, build: str = "b") -> ListedEntry:
    key = response_key("app/route.py", path, query)
    entry = Entry(
        key=key,
        kind="response",
        status=status,
        headers=(),
        body=b"",
        build=build,
        rendered_at=0.0,
        revalidate=None,
        expire=None,
    )
    return ListedEntry(entry, "00", 100, 0, hits, use)


def test_what_was_read_most_comes_first_and_then_what_was_used_last() -> None:
    store = Stored(
        stored("/old", 0, 1),
        stored("/popular", 3, 2),
        stored("/search", 5, 3, query="q=a+b"),
        stored("/popular", 4, 4, build="former"),
        stored("/new", 0, 5),
    )
    assert most_read(store, "", 10) == ["/popular", "/search?q=a+b", "/new", "/old"]
    assert most_read(store, "/docs", 1) == ["/docs/popular"]


def test_errors_shortened_paths_data_and_damaged_entries_name_no_path() -> None:
    data = Entry(
        key="fetch\0abc",
        kind="fetch",
        status=200,
        headers=(),
        body=b"",
        build="",
        rendered_at=0.0,
        revalidate=None,
        expire=None,
    )
    store = Stored(
        stored("/missing", 9, 1, status=404),
        stored("/" + "a" * 300, 9, 1),
        stored("/long", 9, 1, query="q=" + "a" * 300),
        ListedEntry(data, "01", 100, 0, 9, 1),
        ListedEntry(None, "02", 100, 0, 9, 1),
        stored("/good", 0, 0),
    )
    assert most_read(store, "", 10) == ["/good"]


def test_a_look_at_a_large_store_can_be_ended() -> None:
    left = iter([True, True, False])
    store = Stored(*(stored(f"/{number}", 0, number) for number in range(10)))
    assert most_read(store, "", 10, lambda: next(left)) == ["/1", "/0"]
