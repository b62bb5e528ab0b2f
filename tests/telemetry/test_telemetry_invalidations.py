"""Invalidations count by who made them, and are noted with their place and the request."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_project import execute
from millpond.app.events.event_log import EventLog
from millpond.cron.record import RunOutcome
from millpond.policy.tags import checked_tags, path_tag
from millpond.stores.memory import MemoryStore
from millpond.telemetry.counting import Counting
from millpond.telemetry.instruments import INVALIDATIONS
from millpond.telemetry.invalidated import By, invalidated_by, listen, request_id_in, tell_invalidated
from millpond.telemetry.journal import Journal
from ponds import NOON, Clock

if TYPE_CHECKING:
    from millpond.telemetry.journal import Event
    from ponds import Project, Running

pytestmark = pytest.mark.anyio

SECRET = "0123456789abcdef0123456789abcdef"
ROUTES = {
    "/change": """
        from millpond import after, revalidate_path, revalidate_tag
        dynamic = "force-dynamic"
        def GET():
            revalidate_tag("nightly")
        async def POST():
            revalidate_tag("products", {"expire": 60})
            revalidate_path("/shop")
            after(lambda: revalidate_tag("later"))
    """,
    "/shop": "revalidate = 60\nasync def GET(): return 1\n",
}
TAGS = st.text(max_size=40).filter(lambda tag: checked_tags([tag])[1] == [])
ID = {"x-request-id": "7f3a-01"}


def counts(running: Running) -> dict[tuple[str, ...], Any]:
    counting = running.pond._counting
    assert counting is not None
    return {series.values: value for series, value in counting.totals().items() if series.name == INVALIDATIONS.name}


def events(running: Running) -> list[Event]:
    """Oldest first."""
    counting = running.pond._counting
    assert counting is not None
    return [event for event in counting.journal.latest() if event.kind == "invalidation"][::-1]


async def test_a_handler_is_named_with_its_line_and_its_request(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started() as running:
        await running.post("/change", headers=ID)
        await running.settle()
        tag, path, later = events(running)
        assert counts(running) == {
            ("handler", "tag", "soft"): 1,
            ("handler", "path", "hard"): 1,
            ("handler", "tag", "hard"): 1,
        }
    assert (tag.tags, tag.hard, tag.detail) == (("products",), False, "older answers are served as stale for 60 s")
    assert (tag.place, tag.request, tag.origin) == ("app/change/route.py:7", "7f3a-01", "handler")
    assert (path.text, path.hard) == ("path:/shop", True)
    assert (later.request, later.place) == ("7f3a-01", "app/change/route.py:9")
    assert tag.generation < path.generation < later.generation


async def test_the_endpoint_and_crons_are_told_apart_from_handlers(project: Project) -> None:
    project.routes(ROUTES)
    config: dict[str, Any] = {
        "revalidate_endpoint": {"secret": SECRET},
        "cron": [{"path": "/change", "schedule": "0 3 * * *"}],
    }
    async with project.started(**config) as running:
        headers = {**ID, "authorization": f"Bearer {SECRET}"}
        await running.post("/api/revalidate", json={"tags": ["a", "b"]}, headers=headers)
        run = await running.pond.jobs()[0].run(NOON, once=False)
        assert run.outcome is RunOutcome.OK
        endpoint, cron = events(running)
        assert counts(running) == {("endpoint", "tag", "hard"): 2, ("cron", "tag", "hard"): 1}
    assert (endpoint.origin, endpoint.tags, endpoint.request) == ("endpoint", ("a", "b"), "7f3a-01")
    assert (cron.origin, cron.name, cron.place) == ("cron", "/change", "app/change/route.py:5")


async def test_a_wrong_secret_invalidates_and_counts_nothing(project: Project) -> None:
    project.routes(ROUTES)
    async with project.started(revalidate_endpoint={"secret": SECRET}) as running:
        await running.post("/api/revalidate", json={"tags": ["a"]}, headers={"authorization": "Bearer no"})
        assert (counts(running), events(running)) == ({}, [])


def test_the_command_counts_beside_the_servers(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "route.py").write_text("revalidate = 60\ndef GET(): return 1\n")
    for _ in range(2):
        done = execute("revalidate", "--dir", str(tmp_path), "--tag", "products", "--path", "/")
        assert done.code == 0, done.err
    counting = Counting(tmp_path / ".millpond" / "metrics", tmp_path)
    with counting.at_once():
        found = {series.values: value for series, value in counting.counters.counted().items()}
        noted = counting.journal.latest()
    assert found["cli", "tag", "hard"] == 2
    assert {event.origin for event in noted} == {"cli"}


def test_a_storm_of_invalidations_leaves_room_in_the_journal(tmp_path: Path) -> None:
    clock, store = Clock(), MemoryStore(max_bytes=1000, clock=lambda: NOON)
    counting = Counting(tmp_path)
    EventLog(counting, clock).watch(store)
    for number in range(1000):
        tell_invalidated(store, [f"item:{number}"], number, 0)
        clock.move(0.001)
    clock.move(1)
    tell_invalidated(store, ["last"], 1001, 0)
    noted = counting.journal.latest()
    assert len(noted) == 21
    assert noted[0].count == 1001 - 20
    assert {series.name: value for series, value in counting.counters.counted().items()} == {INVALIDATIONS.name: 1001}


def test_secrets_in_tags_are_masked_and_other_request_ids_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_TOKEN", "very-secret-token")
    store, counting = MemoryStore(max_bytes=1000, clock=lambda: NOON), Counting(tmp_path)
    EventLog(counting, lambda: NOON).watch(store)
    tell_invalidated(store, ["tenant:very-secret-token", path_tag("/very-secret-token")], 1, None)
    assert "very-secret-token" not in str(counting.journal.latest())
    for hostile in (b"a\nb", b"<script>", b"x" * 129, b"", os.urandom(16)):
        assert request_id_in([(b"x-request-id", hostile)]) == ""
    assert request_id_in([(b"cookie", b"session=1"), (b"x-request-id", b"a-1")]) == "a-1"


@given(tags=st.lists(TAGS, min_size=1, max_size=30), name=st.text(max_size=200))
def test_whatever_is_in_tags_and_names_each_event_stays_one_line_and_no_label_has_it(
    tags: list[str], name: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, counting = MemoryStore(max_bytes=1000, clock=lambda: NOON), Counting(Path(folder))
        counting.journal = Journal(Path(folder))
        EventLog(counting, lambda: NOON).watch(store)
        with invalidated_by(By("admin", place=name, name=name)):
            tell_invalidated(store, tags, 1, 60)
            tell_invalidated(store, ["next"], 2, 0)
        assert [event.generation for event in counting.journal.latest()] == [2, 1]
        assert len((Path(folder) / "events.jsonl").read_bytes().splitlines()) == 2
        values = {value for series in counting.counters.counted() for value in series.values}
        assert values <= {"admin", "tag", "path", "soft", "hard"}


def test_who_notes_it_elsewhere_is_counted_and_not_noted_twice(tmp_path: Path) -> None:
    store, counting = MemoryStore(max_bytes=1000, clock=lambda: NOON), Counting(tmp_path)
    EventLog(counting, lambda: NOON).watch(store)
    with invalidated_by(By("admin", name="ada", is_noted=True)):
        tell_invalidated(store, ["products"], 1, 0)
    assert counting.journal.latest() == []
    assert [series.values for series in counting.counters.counted()] == [("admin", "tag", "hard")]


def test_nobody_is_told_of_a_store_that_nobody_watches() -> None:
    store, told = MemoryStore(max_bytes=1000, clock=lambda: NOON), list[Any]()
    listen(store, told.append)
    tell_invalidated(MemoryStore(max_bytes=1000, clock=lambda: NOON), ["a"], 1, 0)
    assert told == []
