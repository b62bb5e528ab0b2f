"""What the parts of an application report: counted, and noted for the timeline no more often than people can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from millpond.app.events.event_log import EventLog
from millpond.config.cron_config import CronConfig
from millpond.cron.record import CronRun, RunOutcome
from millpond.purge.delivery import SentPurge
from millpond.purge.purger import PurgeOutcome
from millpond.stores.store_figures import Eviction
from millpond.telemetry.counters import OTHER, Series, Spread
from millpond.telemetry.counting import Counting
from millpond.telemetry.instruments import (
    BY_NAME,
    CRONS,
    DRIFTED,
    EVICTIONS,
    PROCESSES,
    PURGES,
    SHARED,
    STORE_BYTES,
    STORE_ENTRIES,
    STORE_LIMIT,
    Kind,
)
from ponds import NOON, Clock

if TYPE_CHECKING:
    from pathlib import Path

    from millpond.telemetry.instruments import Instrument
    from millpond.telemetry.journal import Event
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

PAGE = "revalidate = 60\nasync def GET(n: str): return 'x' * 4000\n"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "metrics", tmp_path)


@pytest.fixture
def log(counting: Counting, clock: Clock) -> EventLog:
    return EventLog(counting, clock)


def observed(counting: Counting, instrument: Instrument) -> dict[tuple[str, ...], int]:
    return {
        series.values: value.number
        for series, value in counting.totals().items()
        if series.name == instrument.name and isinstance(value, Spread)
    }


def refused(why: str = "it answered 403", outcome: PurgeOutcome = PurgeOutcome.REFUSED) -> SentPurge:
    return SentPurge("varnish 127.0.0.1:6081", ["products"], True, outcome, why, 0.25)


def kinds(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event.kind == kind]


def test_evictions_count_by_age_and_are_noted_once_a_minute(log: EventLog, counting: Counting, clock: Clock) -> None:
    for second in range(130):
        log.evicted([Eviction(NOON - 5, was_read=False), Eviction(NOON + 1e9, was_read=True)])
        clock.move(1)
        assert len(counting.journal.latest()) == 1 + second // 60
    assert [event.count for event in counting.journal.latest()] == [120, 120, 2]
    assert counting.journal.latest()[0].text == "the store is full: 120 entries evicted"
    assert observed(counting, EVICTIONS) == {("no",): 130, ("yes",): 130}


def test_what_one_process_of_the_host_has_noted_the_others_leave(tmp_path: Path, clock: Clock) -> None:
    counting = Counting(tmp_path)
    logs = [EventLog(counting, clock) for _ in range(4)]
    for _ in range(70):
        for log in logs:
            log.evicted([Eviction(NOON, was_read=False)])
        clock.move(1)
    assert 2 <= len(counting.journal.latest()) <= 3


def test_a_clock_that_was_set_back_does_not_silence_evictions(log: EventLog, counting: Counting, clock: Clock) -> None:
    log.evicted([Eviction(NOON, was_read=False)])
    clock.move(-3600)
    log.evicted([Eviction(NOON, was_read=False)])
    assert len(counting.journal.latest()) == 2


def test_purges_count_by_what_came_of_them_and_refusals_are_noted(
    log: EventLog, counting: Counting, clock: Clock
) -> None:
    log.purged(refused("", PurgeOutcome.DONE))
    for _ in range(3):
        log.purged(refused())
    log.purged(refused("no answer", PurgeOutcome.RETRY))
    clock.move(61)
    log.purged(refused())
    name = "varnish 127.0.0.1:6081"
    assert observed(counting, PURGES) == {(name, "done"): 1, (name, "refused"): 4, (name, "failed"): 1}
    assert [(event.count, event.text) for event in counting.journal.latest()] == [
        (3, f"{name}: it answered 403; it is not tried again"),
        (1, f"{name}: no answer; it will be tried again"),
        (1, f"{name}: it answered 403; it is not tried again"),
    ]


def test_crons_count_by_what_came_of_them_and_failures_are_noted(log: EventLog, counting: Counting) -> None:
    cron = CronConfig(path="/nightly", schedule="0 3 * * *")
    for outcome in RunOutcome:
        seconds = None if outcome in (RunOutcome.SKIPPED, RunOutcome.CUT_SHORT) else 2.0
        log.cron_ended(cron, CronRun(NOON, outcome, NOON, "host:1", seconds, 500))
    assert ("/nightly", "ok") in observed(counting, CRONS)
    assert {event.error for event in counting.journal.latest()} == {*RunOutcome} - {RunOutcome.OK, RunOutcome.RUNNING}
    assert counting.journal.latest()[-1].text == "/nightly: failed (500)"


def test_no_secret_gets_into_the_journal(log: EventLog, counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PURGE_TOKEN", "very-secret-token")
    log.purged(refused("it answered: no very-secret-token at https://admin:hunter2@cdn.example/"))
    log.purged(SentPurge("webhook x", ["a very-secret-token"], False, PurgeOutcome.REFUSED, "it answered 401", 0.1))
    text = str(counting.journal.latest())
    assert "very-secret-token" not in text
    assert "hunter2" not in text
    assert "$PURGE_TOKEN" in text


async def test_a_server_tells_how_full_its_store_is_and_what_it_evicts(project: Project) -> None:
    project.routes({"/[n]": PAGE})
    async with project.started() as running:
        for number in range(400):
            assert await running.cache(f"/{number}") == "MISS"
        totals = totals_of(running)
        size, limit = totals[Series(STORE_BYTES.name, ())], totals[Series(STORE_LIMIT.name, ())]
        assert 0.8 * 2**20 < size <= limit == 2**20
        entries = len(list(running.pond.store.entries()))
        assert totals[Series(STORE_ENTRIES.name, ())] == entries
        evicted = totals[Series(EVICTIONS.name, ("no",))]
        assert evicted.number == 400 - entries
        [event] = kinds(journal_of(running), "eviction")
        assert event.count >= 1


async def test_a_build_is_noted_once_and_again_after_another(project: Project) -> None:
    project.routes({"/": "revalidate = 60\nasync def GET(): return 1\n"})
    await project.build()
    for _ in range(2):
        async with project.started() as running:
            [event] = kinds(journal_of(running), "deploy")
    await project.build()
    async with project.started() as running:
        latest, _ = kinds(journal_of(running), "deploy")
    assert latest.text != event.text
    assert latest.text.endswith("is served: 1 route")


async def test_a_cron_that_fails_is_noted_where_it_ran(project: Project) -> None:
    project.routes({"/nightly": "dynamic = 'force-dynamic'\nasync def GET(): raise ValueError('no')\n"})
    async with project.started(cron=[{"path": "/nightly", "schedule": "0 3 * * *"}]) as running:
        run = await running.pond.jobs()[0].run(NOON, once=False)
        assert run.outcome is RunOutcome.FAILED
        [event] = kinds(journal_of(running), "cron")
        assert (event.path, event.origin, event.error) == ("/nightly", "cron", "failed")
        assert totals_of(running)[Series(CRONS.name, ("/nightly", "failed"))].number == 1


async def test_without_a_build_nothing_is_deployed(project: Project) -> None:
    project.routes({"/": "revalidate = 60\nasync def GET(): return 1\n"})
    async with project.started() as running:
        assert kinds(journal_of(running), "deploy") == []
        assert Series(DRIFTED.name, ()) not in totals_of(running)


async def test_variables_that_differ_from_the_build_are_counted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.routes({"/": "import os\nrevalidate = 60\nasync def GET(): return os.environ['API_URL']\n"})
    monkeypatch.setenv("API_URL", "https://build.example")
    await project.build()
    async with project.started() as running:
        assert totals_of(running)[Series(DRIFTED.name, ())] == 0
    monkeypatch.setenv("API_URL", "https://server.example")
    async with project.started() as running:
        assert totals_of(running)[Series(DRIFTED.name, ())] == 1
        assert totals_of(running)[Series(PROCESSES.name, ())] == 1
        assert "server.example" not in str(journal_of(running))


def test_only_gauges_are_shared() -> None:
    assert {BY_NAME[name].kind for name in SHARED} == {Kind.GAUGE}
    assert OTHER not in SHARED


def totals_of(running: Running) -> dict[Series, Any]:
    counting = running.pond._counting
    assert counting is not None
    return counting.totals()


def journal_of(running: Running) -> list[Event]:
    counting = running.pond._counting
    assert counting is not None
    return counting.journal.latest()
