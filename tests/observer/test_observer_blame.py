"""Whose line asks: what stands between it and a use, and where the search ends."""

from __future__ import annotations

import importlib
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from millpond.observe.observer import Observer
from millpond.policy.compat import Compat
from millpond.render.scopes.attachments import Attachments
from millpond.render.scopes.current_scope import enter, leave
from millpond.render.scopes.inputs import Inputs
from millpond.render.scopes.scope import Phase
from millpond.render.scopes.shared_scope import SharedScope
from millpond.routes.imports import forget
from ponds import route_of, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from millpond.render.scopes.inputs import Observation
    from ponds import Project

USERS = """\
import asyncio, threading

def call(work):
    work()

def run(work):
    asyncio.run(work())

def start(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


@pytest.fixture
def users(project: Project) -> Iterator[Any]:
    """A module of the project's."""
    project.write({"users.py": USERS})
    sys.path.insert(0, str(project.folder))
    yield importlib.import_module("users")
    forget(project.folder)


def observed(project: Project, ask: Callable[[], object], *, phase: Phase = Phase.HANDLER) -> list[Observation]:
    """What a render of the project is found to have used, while `ask` runs as a part of it."""
    inputs = Inputs()
    project.routes({"/": "def GET(): return 1"})
    target = target_of(route_of(project.pond(), "/"))
    scope = SharedScope(
        at_build=True,
        target=target,
        segment=target.route.config,
        attachments=Attachments(),
        compat=Compat.V16,
        project=project.folder,
        phase=phase,
        inputs=inputs,
    )
    observer = Observer(project.folder)
    token = enter(scope)
    try:
        with observer.installed(), observer.render(whole=True):
            ask()
    finally:
        leave(token)
    return list(inputs.observed)


def connect() -> None:
    """What a library does: this file is none of the project's."""
    with socket.socket() as unconnected:
        unconnected.connect_ex(("127.0.0.1", 9))


async def connect_in_a_loop() -> None:
    connect()


def test_who_calls_a_library_asks_for_what_it_does(project: Project, users: Any) -> None:
    assert {one.place for one in observed(project, lambda: users.call(connect))} == {("users.py", 4)}


def test_who_gives_it_to_a_thread_asks_for_it(project: Project, users: Any) -> None:
    assert {one.place for one in observed(project, lambda: users.start(connect))} == {("users.py", 11)}


def test_a_use_within_one_that_was_told_is_not_told_again(project: Project, users: Any) -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    with engine.connect() as connection:
        used = observed(project, lambda: users.call(lambda: connection.execute(sqlalchemy.text("SELECT 1"))))
    engine.dispose()
    assert [(one.what, one.name) for one in used] == [("sqlalchemy do_execute", "SELECT ?")]


def test_who_runs_the_loop_has_asked_for_nothing(project: Project, users: Any) -> None:
    assert observed(project, lambda: users.run(connect_in_a_loop)) == []


def test_without_a_line_of_the_users_nobody_has_asked(project: Project) -> None:
    assert observed(project, connect) == []


def test_once_the_answer_is_out_nothing_is_asked_for_it(project: Project, users: Any) -> None:
    assert observed(project, lambda: users.call(connect), phase=Phase.AFTER) == []
