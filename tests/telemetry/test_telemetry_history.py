"""What outlives a process: events, and a minute's figures for a day."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from millpond.telemetry import journal as journal_module
from millpond.telemetry.counter_files import CounterFiles
from millpond.telemetry.counters import Counters, Series, Spread
from millpond.telemetry.instruments import COMMITS, REFRESHES_WAITING, RENDERS
from millpond.telemetry.journal import KEPT_SECONDS, Event, Frame, Journal
from millpond.telemetry.minute_keeper import MinuteKeeper
from millpond.telemetry.minutes import Minutes, grown

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from millpond.telemetry.counters import Value

NOW = 1_800_000_000.0
STORED = ("response", "stored")


def event(at: float, text: str = "invalidated", **more: object) -> Event:
    return Event(at=at, kind="invalidation", text=text, **more)  # type: ignore[arg-type]


def test_events_come_back_newest_first_also_in_another_process(tmp_path: Path) -> None:
    written = [event(NOW + number, f"number {number}", tags=("a", "b"), hard=True) for number in range(5)]
    for each in written:
        Journal(tmp_path).note(each)
    assert Journal(tmp_path).latest() == written[::-1]
    assert Journal(tmp_path).latest(2) == written[:2:-1]
    assert Journal(tmp_path).latest(before=NOW + 2) == written[1::-1]
    assert Journal(tmp_path).latest(now=NOW + KEPT_SECONDS + 3) == written[:2:-1]


def test_a_process_without_a_folder_keeps_its_own() -> None:
    journal = Journal(None)
    journal.note(event(NOW))
    journal.note(event(NOW + 1))
    assert [each.at for each in journal.latest()] == [NOW + 1, NOW]


def test_a_failure_keeps_the_lines_of_its_traceback(tmp_path: Path) -> None:
    frames = (Frame("app/route.py:7", "GET", "price = float(row)", own=True), Frame("lib.py:1", "parse"))
    failure = Event(at=NOW, kind="failure", text="could not convert", error="ValueError", frames=frames, served="older")
    Journal(tmp_path).note(failure)
    assert Journal(tmp_path).latest() == [failure]


@given(text=st.text(st.characters(), max_size=3000), tags=st.lists(st.text(max_size=500), max_size=40))
def test_an_event_is_one_bounded_line_whatever_is_in_it(text: str, tags: list[str]) -> None:
    bounded = journal_module._bounded(event(NOW, text, path=text, tags=tuple(tags), detail=text))
    line = journal_module._encoder.encode(bounded)
    assert b"\n" not in line
    assert len(line) < 80_000
    assert len(bounded.tags) <= 20


def test_lone_surrogates_are_written_as_something_that_can_be_read(tmp_path: Path) -> None:
    Journal(tmp_path).note(event(NOW, "a\udc80b", tags=("\ud800",)))
    [read] = Journal(tmp_path).latest()
    assert read.text == "a?b"


def test_a_line_that_was_cut_off_hides_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.note(event(NOW))
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"at":1,"kind":"inv\n\xff\xfe\n')
    journal.note(event(NOW + 1))
    assert [each.at for each in journal.latest()] == [NOW + 1, NOW]


def test_the_files_are_bounded_and_the_latest_events_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_MOST_BYTES", 2000)
    for number in range(200):
        Journal(tmp_path).note(event(NOW + number))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
    kept = Journal(tmp_path).latest()
    assert [each.at for each in kept] == [NOW + 199 - number for number in range(len(kept))]
    assert len(kept) > 20


def test_threads_lose_no_event(tmp_path: Path) -> None:
    journal = Journal(tmp_path)

    def note() -> None:
        for _ in range(200):
            journal.note(event(NOW))

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.latest()) == 800


def test_where_nothing_can_be_written_events_stay_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file")
    journal.note(event(NOW))
    journal.note(event(NOW))
    assert len(journal.latest()) == 2
    assert caplog.text.count("events can't be written") == 1


def test_a_minute_has_what_was_counted_in_it() -> None:
    waiting, commits = Series(REFRESHES_WAITING.name, ()), Series(COMMITS.name, STORED)
    renders = Series(RENDERS.name, ("/",))
    former: dict[Series, Value] = {commits: 5.0, renders: Spread(2, 1.0, (2, 0)), waiting: 7.0}
    latter: dict[Series, Value] = {commits: 8.0, renders: Spread(3, 1.5, (2, 1)), waiting: 3.0, Series("new", ()): 1.0}
    minute = grown(former, latter, NOW, frozenset({REFRESHES_WAITING.name}))
    assert minute.number(COMMITS.name, STORED) == 3
    assert minute.spreads[RENDERS.name]["/"] == (0.5, [0, 1])
    assert minute.number(REFRESHES_WAITING.name, ()) == 3
    assert minute.number("new", ()) == 1
    assert minute.number("never", ()) == 0


def test_a_day_of_minutes_is_kept(tmp_path: Path) -> None:
    minutes = Minutes(tmp_path)
    for number in range(0, 30 * 60, 10):
        minutes.add(grown({}, {Series(COMMITS.name, STORED): number + 1.0}, NOW + number * 60, frozenset()))
    kept = minutes.since(0)
    assert kept[-1].at == NOW + (30 * 60 - 10) * 60
    assert 24 * 3600 <= kept[-1].at - kept[0].at <= 26 * 3600
    assert [each.at for each in minutes.since(kept[-3].at)] == [kept[-2].at, kept[-1].at]


def test_one_process_keeps_the_minutes_and_another_takes_over(tmp_path: Path) -> None:
    now = [NOW]
    counters = Counters()
    files = CounterFiles(tmp_path, counters)
    files.open()
    one, other = (MinuteKeeper(tmp_path, files.totals, lambda: now[0]) for _ in range(2))
    for _ in range(181):
        counters.add(COMMITS, *STORED)
        one.tick()
        other.tick()
        now[0] += 1
    assert [each.number(COMMITS.name, STORED) for each in Minutes(tmp_path).since(0)] == [60, 60, 60]
    one.end()
    for _ in range(150):
        counters.add(COMMITS, *STORED)
        other.tick()
        now[0] += 1
    assert len(Minutes(tmp_path).since(0)) >= 4
    other.end()
    files.close()
