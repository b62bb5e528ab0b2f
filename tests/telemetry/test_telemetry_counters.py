"""Counters of one process, and of all processes of a host together."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.telemetry.counter_files import CounterFiles
from millpond.telemetry.counters import BUCKETS, OTHER, Counters, Series, Spread, added
from millpond.telemetry.instruments import (
    BY_NAME,
    COMMITS,
    CRONS,
    EVICTIONS,
    INSTRUMENTS,
    PROCESSES,
    REFRESHES_WAITING,
    RENDERED_BYTES,
    RENDERS,
    REQUESTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Event
    from pathlib import Path

SHOP = Series(RENDERED_BYTES.name, ("/shop",))
ALL_PROCESSES = Series(PROCESSES.name, ())


class Owner:
    """Whatever a gauge is about."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "counters"


@pytest.fixture
def files(folder: Path) -> Iterator[CounterFiles]:
    opened = CounterFiles(folder, Counters())
    opened.open()
    yield opened
    opened.close()


def counting(folder: Path, route: str = "/shop", count: float = 1) -> CounterFiles:
    """A process that has counted something."""
    counters = Counters()
    counters.add(RENDERED_BYTES, route, count=count)
    files = CounterFiles(folder, counters)
    files.open()
    return files


def test_what_is_counted_is_kept_by_the_values_of_the_attributes() -> None:
    counters = Counters()
    counters.tally(COMMITS, "response", "stored").count += 2
    counters.add(COMMITS, "response", "stored")
    counters.add(COMMITS, "fetch", "stored")
    assert counters.counted() == {
        Series(COMMITS.name, ("response", "stored")): 3,
        Series(COMMITS.name, ("fetch", "stored")): 1,
    }


@given(values=st.lists(st.floats(min_value=0, max_value=1000)))
def test_a_histogram_counts_each_value_once_in_the_bucket_that_has_it(values: list[float]) -> None:
    counters = Counters()
    for value in values:
        counters.observe(CRONS, value, "/cron", "ok")
    spread = counters.distribution(CRONS, "/cron", "ok").spread()
    assert (spread.number, round(spread.total, 3)) == (len(values), round(sum(values), 3))
    for position, bound in enumerate(BUCKETS):
        assert sum(spread.buckets[: position + 1]) == sum(value <= bound for value in values)


def test_what_there_are_too_many_of_is_counted_together() -> None:
    counters = Counters(most=2)
    for route in ("/a", "/b", "/c", "/d"):
        counters.add(RENDERED_BYTES, route)
    assert counters.counted() == {
        Series(RENDERED_BYTES.name, ("/a",)): 1,
        Series(RENDERED_BYTES.name, ("/b",)): 1,
        Series(RENDERED_BYTES.name, (OTHER,)): 2,
    }
    counters.observe(RENDERS, 1.0, "/e", "miss", "new")
    assert Series(RENDERS.name, (OTHER,) * 3) in counters.counted()


def test_threads_lose_nothing() -> None:
    counters = Counters()

    def count() -> None:
        for _ in range(5000):
            counters.add(RENDERED_BYTES, "/shop")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.counted()[SHOP] == 20_000


def test_gauges_are_asked_when_they_are_wanted_and_added_up() -> None:
    counters, owner, waiting = Counters(), Owner(), [3.0]
    counters.gauge(REFRESHES_WAITING, owner, lambda _: waiting[0])
    counters.gauge(REFRESHES_WAITING, owner, lambda _: 1.0)
    assert counters.gauges() == {Series(REFRESHES_WAITING.name, ()): 4.0}
    waiting[0] = 0.0
    assert counters.gauges() == {Series(REFRESHES_WAITING.name, ()): 1.0}
    del owner
    assert counters.gauges() == {}


def test_names_are_unique_and_have_a_unit_and_a_sentence() -> None:
    assert len(BY_NAME) == len(INSTRUMENTS)
    for instrument in INSTRUMENTS:
        assert instrument.unit
        assert instrument.description.endswith(".")


def test_processes_are_added_up(folder: Path, files: CounterFiles) -> None:
    others = [counting(folder, count=2), counting(folder, count=3), counting(folder, "/blog", 5)]
    for other in others:
        other.write()
    totals = files.totals()
    assert (totals[SHOP], totals[Series(RENDERED_BYTES.name, ("/blog",))]) == (5, 5)
    assert totals[ALL_PROCESSES] == 4
    for other in others:
        other.close()
    assert files.totals()[SHOP] == 5
    assert files.totals()[ALL_PROCESSES] == 1


def test_whoever_takes_the_place_of_another_goes_on_from_what_it_has_counted(folder: Path) -> None:
    counting(folder, count=2).close()
    successor = counting(folder, count=3)
    assert successor.totals()[SHOP] == 5
    successor.write()
    assert len(list(folder.glob("*.counters"))) == 1
    successor.close()


def test_a_process_that_opens_the_files_again_counts_nothing_twice(folder: Path) -> None:
    counters = Counters()
    counters.add(RENDERED_BYTES, "/shop", count=2)
    counters.observe(RENDERS, 0.1, "/shop", "miss", "new")
    for number in range(4):
        files = CounterFiles(folder, counters)
        files.open()
        totals = files.totals()
        spread = totals[Series(RENDERS.name, ("/shop", "miss", "new"))]
        assert totals[SHOP] == 2 + number == counters.own()[SHOP]
        assert isinstance(spread, Spread)
        assert spread.number == 1
        counters.add(RENDERED_BYTES, "/shop")
        files.close()


def test_what_another_process_took_over_meanwhile_is_counted_once(folder: Path) -> None:
    counters = Counters()
    counters.add(RENDERED_BYTES, "/shop", count=2)
    first = CounterFiles(folder, counters)
    first.open()
    first.close()
    second = counting(folder, count=5)
    again = CounterFiles(folder, counters)
    again.open()
    counters.add(RENDERED_BYTES, "/shop")
    second.write()
    assert again.totals()[SHOP] == 8
    assert counters.own()[SHOP] == 3
    again.close()
    second.close()


def test_gauges_of_a_process_that_has_ended_do_not_count(folder: Path, files: CounterFiles) -> None:
    counters = Counters()
    counters.gauge(REFRESHES_WAITING, counters, lambda _: 7.0)
    other = CounterFiles(folder, counters)
    other.open()
    other.write()
    waiting = Series(REFRESHES_WAITING.name, ())
    assert files.totals()[waiting] == 7
    other.close()
    assert waiting not in files.totals()


def _count_until_killed(folder: Path, ready: Event) -> None:
    files = counting(folder, count=10)
    files.write()
    ready.set()
    signal.pause()


def test_sums_do_not_fall_when_a_process_is_killed_and_another_takes_its_place(
    folder: Path, files: CounterFiles
) -> None:
    spawning = multiprocessing.get_context("spawn")
    ready = spawning.Event()
    process = spawning.Process(target=_count_until_killed, args=(folder, ready), daemon=True)
    process.start()
    assert ready.wait(30)
    assert files.totals()[ALL_PROCESSES] == 2
    process.kill()
    process.join()
    assert files.totals()[SHOP] == 10
    assert files.totals()[ALL_PROCESSES] == 1
    successor = counting(folder)
    successor.write()
    assert files.totals()[SHOP] == 11
    successor.close()


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x83\xa7version\x01", bytes(range(100))])
def test_a_file_that_nobody_can_read_counts_as_none(folder: Path, files: CounterFiles, content: bytes) -> None:
    (folder / "9.counters").write_bytes(content)
    (folder / "notes.counters").write_bytes(content)
    assert files.totals() == {ALL_PROCESSES: 1}


def test_what_one_process_has_told_the_next_one_tells_as_well(folder: Path, files: CounterFiles) -> None:
    other = counting(folder)
    assert files.totals()[ALL_PROCESSES] == 2
    other._counters.add(RENDERED_BYTES, "/shop", count=5)
    assert other.totals()[SHOP] == 6
    assert files.totals()[SHOP] == 6


def test_where_nothing_can_be_written_a_process_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    files = counting(tmp_path / "file" / "counters", count=2)
    files.write()
    assert files.totals()[SHOP] == 2
    assert "each process counts for itself" in caplog.text
    files.close()


def test_what_another_version_has_counted_is_left_out() -> None:
    counters = Counters()
    counters.include(
        [
            (Series("millpond.forgotten", ()), 1),
            (Series(COMMITS.name, ("response",)), 1),
            (Series(CRONS.name, ("/cron", "ok")), Spread(1, 1.0, (1,))),
            (Series(CRONS.name, ("/cron", "ok")), 5),
            (SHOP, 2),
        ],
        BY_NAME,
    )
    assert counters.counted() == {SHOP: 2}


def test_ages_and_durations_have_buckets_of_their_own() -> None:
    counters = Counters()
    counters.observe(EVICTIONS, 3600.0, "true")
    spread = counters.distribution(EVICTIONS, "true").spread()
    assert spread.buckets.index(1) == 4


def test_values_of_different_kinds_are_not_mixed() -> None:
    assert added([{SHOP: 1}, {SHOP: Spread(1, 1.0, (1,))}, {SHOP: 2}]) == {SHOP: 3}


def test_values_of_attributes_are_one_line_that_can_be_written() -> None:
    counters = Counters()
    counters.add(REQUESTS, "/a\nb\udcff", *("x" * 300,) * 4)
    [series] = counters.counted()
    assert series.values == ("/a b?", *("x" * 200,) * 4)
