"""Failures of handlers, as operators see them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millpond.render.failures.failure_log import PAUSE, FailureLog
from millpond.render.failures.masking import masked
from millpond.telemetry.journal import Event, Journal, JournalPosition

if TYPE_CHECKING:
    from ponds import Project

PRICE = """
    import os
    revalidate = 60
    prices = ["1", "1"]
    def GET():
        return {"price": float(prices[-1])}
    def PUT(price: str):
        prices.append(price)
"""
LIVE = """
    from millpond import Request
    def GET(request: Request):
        raise LookupError("no such shop: " + request.headers["x-shop"])
"""


class Log:
    """A failure log with a clock that tests move."""

    def __init__(self) -> None:
        self.now, self.journal = 1000.0, Journal(None)
        self.failures = FailureLog(lambda: self.journal, Path("/project"), lambda: self.now)

    def fail(self, message: str = "no", key: str = "", route: str = "/shop") -> None:
        try:
            raise ValueError(message)
        except ValueError as error:
            self.failures.failed(error, route=route, path="/shop", served="500", key=key)

    def events(self) -> list[Event]:
        return self.journal.latest()[::-1]


def test_what_failed_in_one_process_works_again_in_another(tmp_path: Path) -> None:
    one, other = Log(), Log()
    one.journal = other.journal = Journal(tmp_path)
    one.fail(key="a")
    other.failures.worked("a", "/shop")
    one.now += 1
    one.failures.worked("a", "/shop")
    assert [event.kind for event in one.events()] == ["failure", "recovery"], "it is told once"
    one.now = other.now = 2000.0
    one.fail(key="a")
    other.failures.worked("b", "/another")
    assert [event.kind for event in one.events()][2:] == ["failure"]


def test_of_a_long_journal_the_end_alone_is_read_and_then_what_is_new(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(5000):
        journal.note(Event(at=number, kind="start", text="x" * 500))
    events, position = journal.appended(JournalPosition())
    assert 1000 < len(events) < 3000
    assert events[-1].at == 4999
    journal.note(Event(at=5000, kind="start", text="y"))
    assert [event.text for event in journal.appended(position)[0]] == ["y"]


def test_one_cause_is_noted_once_a_minute_with_how_often_it_came_up() -> None:
    log = Log()
    for _ in range(100):
        log.fail()
    log.now += PAUSE
    log.fail()
    assert [(event.error, event.text, event.count) for event in log.events()] == [
        ("ValueError", "no", 1),
        ("ValueError", "no", 100),
    ]


def test_a_route_that_works_again_is_told_once() -> None:
    log = Log()
    log.fail(key="a")
    log.fail(key="b")
    log.failures.worked("c", "/shop")
    log.failures.worked("a", "/shop")
    assert [event.kind for event in log.events()] == ["failure"]
    log.failures.worked("b", "/shop/b")
    log.failures.worked("b", "/shop/b")
    assert [event.kind for event in log.events()] == ["failure", "recovery"]
    assert log.events()[-1].text == "/shop/b is rendered again"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("can't reach postgres://shop:hunter2@db/shop", "can't reach postgres://***@db/shop"),
        ("the key sk_live_12345 was refused", "the key $API_KEY was refused"),
        ("bearer sk_live_12345678 of sk_live_12345", "bearer $LONGER of $API_KEY"),
        ("in /home/shop with debug 1", "in /home/shop with debug 1"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    environ = {"API_KEY": "sk_live_12345", "LONGER": "sk_live_12345678", "HOME": "/home/shop", "DEBUG": "1"}
    assert masked(text, environ) == shown


@given(secret=st.text(min_size=6, max_size=40).filter(lambda text: "$" not in text), around=st.text(max_size=40))
def test_no_secret_is_left_wherever_it_stands(secret: str, around: str) -> None:
    if secret in f"$SECRET{around}***@":
        return
    assert secret not in masked(f"{around}{secret}{around}", {"SECRET": secret}).replace("$SECRET", "\0")


@pytest.mark.anyio
async def test_a_render_that_fails_in_the_background_is_noted_with_its_line_and_so_is_its_recovery(
    project: Project,
) -> None:
    project.routes({"/": PRICE})
    async with project.serving() as served:
        await served.get("/")
        await served.client.put("/?price=nan%20of%20it")
        project.clock.move(61)
        await served.get("/")
        await served.settle()
        counting = served.pond._counting
        assert counting is not None
        failure, _ = counting.journal.latest()  # that the build is served was the first
        assert (failure.kind, failure.error, failure.route, failure.served) == ("failure", "ValueError", "/", "older")
        assert failure.place == "app/route.py:6"
        assert [(frame.function, frame.source) for frame in failure.frames if frame.own] == [
            ("GET", 'return {"price": float(prices[-1])}')
        ]
        await served.client.put("/?price=2")
        project.clock.move(61)
        await served.get("/")
        await served.settle()
        assert [event.kind for event in counting.journal.latest()] == ["recovery", "failure", "deploy"]


@pytest.mark.anyio
async def test_a_live_handler_that_raises_is_noted_without_its_request(project: Project) -> None:
    project.routes({"/live": LIVE})
    async with project.serving() as served:
        assert (await served.get("/live", headers={"x-shop": "north"})).status_code == 500
        counting = served.pond._counting
        assert counting is not None
        failure, _ = counting.journal.latest()  # that the build is served was the first
        assert (failure.error, failure.route, failure.path, failure.served) == ("LookupError", "/live", "/live", "500")
        assert (failure.text, failure.place) == ("no such shop: north", "app/live/route.py:4")
